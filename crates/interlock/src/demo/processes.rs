//! What the system tells of a process: processor time and memory. Linux only; elsewhere there is nothing to tell.

use std::fs;

/// Clock ticks per second that `/proc` counts in: 100 on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Usage {
    /// In user and kernel mode, together.
    pub(crate) seconds: f64,
}

/// What a process has used so far.
pub(crate) fn usage(process: u32) -> Option<Usage> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    ticks(&text).map(|ticks| Usage { seconds: ticks / TICKS_PER_SECOND })
}

/// The name in brackets may hold anything; fields 14 and 15 are counted from behind it.
fn ticks(text: &str) -> Option<f64> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// The most memory that a process has had, in bytes.
pub(crate) fn memory_peak(process: u32) -> Option<u64> {
    memory(process, "VmHWM:")
}

/// The memory that a process has, in bytes.
pub(crate) fn memory_now(process: u32) -> Option<u64> {
    memory(process, "VmRSS:")
}

fn memory(process: u32, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_any_name() {
        let text = "42 (a) b (c)) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 4 0 100 0 0";
        assert_eq!(ticks(text), Some(300.0));
        assert_eq!(ticks("nonsense"), None);
    }
}
