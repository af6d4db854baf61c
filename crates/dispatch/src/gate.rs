//! What keeps a refused connection or function from asking again and again.

use jiff::Timestamp;

/// Open, or shut until one request may try whether a person has mended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Gate {
    /// Everything passes.
    #[default]
    Open,
    /// Nothing passes until this instant, then one request.
    Shut {
        /// When one may try.
        until: Timestamp,
    },
    /// One is trying.
    Trying,
}

/// What a gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    /// Pass.
    Free,
    /// One request may pass, as a try.
    Try,
    /// Not before this instant; with none, not before the one that tries is back.
    Wait(Option<Timestamp>),
}

impl Gate {
    /// Whether something may pass now.
    pub(crate) fn passage(self, now: Timestamp) -> Passage {
        match self {
            Self::Open => Passage::Free,
            Self::Shut { until } if now >= until => Passage::Try,
            Self::Shut { until } => Passage::Wait(Some(until)),
            Self::Trying => Passage::Wait(None),
        }
    }
}
