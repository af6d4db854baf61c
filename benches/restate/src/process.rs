//! What a process has used, as Linux tells it.

use std::fs;

use crate::Outcome;

/// Ticks of processor time in a second; Linux tells user programs 100 on every architecture.
const TICKS: f64 = 100.0;

/// What a process has used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Processor time in seconds, of user and kernel.
    pub(crate) seconds: f64,
    /// The most memory it has had, in bytes.
    pub(crate) peak: u64,
}

impl Usage {
    /// What was used since then; the peak is that of the whole time.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self { seconds: self.seconds - before.seconds, peak: self.peak }
    }
}

/// What a process has used until now.
pub(crate) fn usage(process: u32) -> Outcome<Usage> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name of the program may hold blanks and ends with the last bracket. User and kernel time are the 14th and 15th field.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<u64>().ok());
    Ok(Usage { seconds: (ticks(11) + ticks(12)) / TICKS, peak: peak.unwrap_or(0) * 1024 })
}
