//! How far a first load is, as it is stored.

use connect::Position;
use jiff::Timestamp;

use crate::figures::LoadFigures;

/// Where a load stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Records that were read.
    pub(super) read: u64,
    /// What comes next.
    pub(super) next: Next,
}

/// What comes next in a load.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Next {
    /// Everything.
    #[default]
    Begin,
    /// This page of ids.
    Page(Position),
    /// This page of a job of the system's own.
    Job(Position, JobTimes),
    /// What changed or went while the job ran.
    Tail(JobTimes),
    /// Everything is read; records whose parents are not known wait.
    Parents,
    /// Nothing.
    Done,
}

/// When a job was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JobTimes {
    /// By this process's clock.
    pub(super) started: Timestamp,
    /// By the system's.
    pub(super) as_of: Timestamp,
}

impl JobTimes {
    fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (started, as_of) = text.split_once('/').unwrap_or((text, text));
        Some(Self { started: started.parse().ok()?, as_of: as_of.parse().ok()? })
    }
}

impl std::fmt::Display for JobTimes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.started, self.as_of)
    }
}

impl Place {
    pub(super) fn is_done(&self) -> bool {
        self.next == Next::Done
    }

    pub(super) fn figures(&self) -> LoadFigures {
        LoadFigures { read: self.read, done: matches!(self.next, Next::Parents | Next::Done) }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (state, page) = match &self.next {
            Next::Begin => ("begin".to_owned(), None),
            Next::Page(page) => ("page".to_owned(), Some(page)),
            Next::Job(page, times) => (format!("job@{times}"), Some(page)),
            Next::Tail(times) => (format!("tail@{times}"), None),
            Next::Parents => ("parents".to_owned(), None),
            Next::Done => ("done".to_owned(), None),
        };
        let mut bytes = format!("{} {state} ", self.read).into_bytes();
        bytes.extend(page.iter().flat_map(|page| &page.0));
        bytes
    }

    /// What is not understood is a load that has not begun: to read everything once more does no harm.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        Self::parse(bytes).unwrap_or_default()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut parts = bytes.splitn(3, |byte| *byte == b' ');
        let read = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
        let (state, page) = (parts.next()?, parts.next()?);
        let page = || Position(page.to_vec());
        let next = match state {
            b"begin" => Next::Begin,
            b"page" => Next::Page(page()),
            b"parents" => Next::Parents,
            b"done" => Next::Done,
            _ => match (state.strip_prefix(b"job@"), state.strip_prefix(b"tail@")) {
                (Some(times), _) => Next::Job(page(), JobTimes::parse(times)?),
                (_, times) => Next::Tail(JobTimes::parse(times?)?),
            },
        };
        Some(Self { read, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let page = |bytes: &[u8]| Position(bytes.to_vec());
        let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
        let times = JobTimes { started: at("2026-11-23T10:00:00.5Z"), as_of: at("2026-11-23T10:00:03Z") };
        let all = [
            Next::Begin,
            Next::Page(page(b"2026-11-23T10:00:00Z|001 x\x00\xff")),
            Next::Page(page(b"")),
            Next::Job(page(b"750|MTAwMA"), times),
            Next::Tail(times),
            Next::Parents,
            Next::Done,
        ];
        for next in all {
            let place = Place { read: 4_000_000, next };
            assert_eq!(Place::from_bytes(&place.to_bytes()), place);
        }
        for bytes in [&b""[..], b"x", b"7 ", b"7 page", b"-1 done ", b"\xff done ", b"7 tail@noon "] {
            assert_eq!(Place::from_bytes(bytes), Place::default());
        }
        let started = times.started;
        let before = Place { read: 7, next: Next::Job(page(b"x"), JobTimes { started, as_of: started }) };
        assert_eq!(Place::from_bytes(format!("7 job@{started} x").as_bytes()), before);
    }
}
