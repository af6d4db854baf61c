//! What the intake counts: for the console. Nothing here is durable.

use std::sync::Arc;

use jiff::Timestamp;
use model::ConnectionName;

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
    /// When the last change came.
    pub last_change: Option<Timestamp>,
    /// Up to when everything is known to have been seen.
    pub covered_until: Option<Timestamp>,
    /// Records that wait for a parent: one that nobody knows yet, or one that has no record yet where it is wanted.
    pub waiting_for_parents: u64,
    /// How far the first load is, where there is one.
    pub load: Option<LoadFigures>,
}

/// How far the first load of a feed's records is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadFigures {
    /// Records read.
    pub read: u64,
    /// Whether that are all.
    pub done: bool,
}
