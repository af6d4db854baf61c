//! One record that has to be read again.

use std::sync::Arc;

use jiff::Timestamp;

/// One record that has to be read again, and why.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Work {
    /// The record's id.
    pub(crate) id: Arc<str>,
    /// When the system says it changed.
    pub(crate) at: Timestamp,
    /// What tells the version of the record apart, where a list of what changed told of it.
    pub(crate) mark: Option<Arc<str>>,
    /// When this process heard of it.
    pub(crate) arrived: Timestamp,
    /// Inbox rows that are done with once this is.
    pub(crate) inbox: Vec<Arc<str>>,
    /// Whether it is handed over even if it is not news.
    pub(crate) forced: bool,
    /// Whether a sweep found it.
    pub(crate) swept: bool,
    /// Whether it has waited for a parent for long enough: it is handed over even without.
    pub(crate) orphan: bool,
    /// Whether the first load found it: it was there before anybody listened.
    pub(crate) loaded: bool,
    /// Whether it is read only to start what waited for the end of an earlier run.
    pub(crate) again: bool,
}

impl Work {
    pub(crate) const fn new(id: Arc<str>, at: Timestamp, arrived: Timestamp) -> Self {
        Self {
            id,
            at,
            mark: None,
            arrived,
            inbox: Vec::new(),
            forced: false,
            swept: false,
            orphan: false,
            loaded: false,
            again: false,
        }
    }

    /// Two reasons to read the same record are one reading.
    pub(crate) fn merge(&mut self, other: Self) {
        self.at = self.at.max(other.at);
        self.mark = other.mark.or(self.mark.take());
        self.arrived = self.arrived.min(other.arrived);
        self.inbox.extend(other.inbox);
        self.forced |= other.forced;
        self.swept &= other.swept;
        self.loaded &= other.loaded;
        self.again |= other.again;
        self.orphan |= other.orphan;
    }

    /// What waited for a parent is done with by this reading too.
    pub(crate) fn absorb(&mut self, parked: Self) {
        if parked.orphan {
            // It was handed over: when it was heard of says nothing of this change.
            self.inbox.extend(parked.inbox);
            self.orphan = true;
        } else {
            self.merge(parked);
        }
    }
}
