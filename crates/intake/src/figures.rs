//! What the intake counts: for the console. Nothing here is durable.

use std::sync::Arc;

use jiff::Timestamp;
use model::ConnectionName;

use crate::Shared;

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
    /// When the last change came.
    pub last_change: Option<Timestamp>,
    /// Up to when everything is known to have been seen.
    pub covered_until: Option<Timestamp>,
}

impl Shared {
    pub(crate) fn figures(&self, place: usize) -> FeedFigures {
        let line = &self.lines[place];
        let counters = line.counters();
        let swept = self.groups.iter().find(|group| group.lines.contains(&place)).and_then(|group| group.coverage());
        let heard = self.topics.iter().find(|topic| topic.lines.contains(&place)).and_then(|topic| topic.covered());
        FeedFigures {
            connection: line.feed.connection.clone(),
            name: Arc::clone(&line.feed.name),
            connected: counters.connected,
            changes: counters.changes,
            dropped: counters.dropped,
            healed: counters.healed,
            last_change: counters.last_change,
            covered_until: match swept {
                // What the topic says since does not close the gap.
                Some(swept) if swept.owed => Some(swept.until),
                swept => heard.max(swept.map(|swept| swept.until)),
            },
        }
    }
}
