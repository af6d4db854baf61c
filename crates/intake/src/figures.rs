//! What the intake counts: for the console. Nothing here is durable.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use model::ConnectionName;

use crate::coverage::GapReason;

/// How a feed does.
#[derive(Debug, Clone)]
pub struct FeedFigures {
    /// Its connection.
    pub connection: ConnectionName,
    /// Its name.
    pub name: Arc<str>,
    /// Whether it is followed right now.
    pub connected: bool,
    /// Changes seen.
    pub changes: u64,
    /// Changes that were not news: seen before, our own, or not wanted.
    pub dropped: u64,
    /// Losses that a sweep or a gap event made good.
    pub healed: u64,
    /// Pushed events that could not be used. One that does not even tell its type counts for every feed it may have been for.
    pub refused: u64,
    /// Windows in which changes were lost, as no sweep reads them again; the log names each.
    pub lost_windows: u64,
    /// When the last change came.
    pub last_change: Option<Timestamp>,
    /// Records that wait for a parent: one that nobody knows yet, or one that has no record yet where it is wanted.
    pub waiting_for_parents: u64,
    /// What is proven to have been seen; `None` for a feed without sweeps, as only these prove anything.
    pub coverage: Option<CoverageFigures>,
    /// Whether sweeps prove it, and read again what is missing: not when the system does not let itself be swept.
    pub swept: bool,
    /// How far the first load is, where there is one.
    pub load: Option<LoadFigures>,
    /// The system that the first load waits for, because many writes wait there.
    pub load_waits_for: Option<ConnectionName>,
}

/// How far the first load of a feed's records is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadFigures {
    /// Records read.
    pub read: u64,
    /// Whether that are all.
    pub done: bool,
}

/// Which changes of a feed are proven to have been seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoverageFigures {
    /// From when on every change is owed.
    pub since: Timestamp,
    /// Up to when all of them are proven to have been seen.
    pub until: Timestamp,
    /// The age of that.
    pub behind: SignedDuration,
    /// What is known to be missing, and why. What has happened since the last sweep is no gap.
    pub gaps: Vec<GapFigures>,
}

/// A window in which changes may have been missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GapFigures {
    /// From when on.
    pub from: Timestamp,
    /// Up to when.
    pub until: Timestamp,
    /// Whether it still grows.
    pub open: bool,
    /// Why.
    pub reason: GapReason,
    /// Whether it is being read again right now.
    pub rereading: bool,
}
