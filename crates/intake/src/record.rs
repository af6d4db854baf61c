//! The line of one feed: which of its records wait to be read, and what is known of those that were.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use definitions::{Feed, Occasions};
use jiff::Timestamp;
use model::ConnectionName;
use tokio::sync::Notify;

use crate::coverage::Ledger;
use crate::figures::{FeedFigures, LoadFigures};
use crate::work::Work;

/// So many versions are remembered; when there are more, all are forgotten and asked of the store again.
const VERSIONS_MAX: usize = 200_000;

/// One feed at work.
pub(crate) struct Line {
    pub(crate) feed: Arc<Feed>,
    /// Its place among the lines.
    pub(crate) place: usize,
    waiting: Mutex<Waiting>,
    pub(crate) wake: Notify,
    /// Held from the reading of records until what they led to is durable: nothing of one feed overtakes itself.
    pub(crate) turn: tokio::sync::Mutex<Versions>,
    /// Held while what is known of the coverage is being kept: what is known last is kept last. Within a turn it is taken last.
    pub(crate) coverage_turn: tokio::sync::Mutex<()>,
    counters: Mutex<Counters>,
    /// Told when a sweep should come at once.
    pub(crate) sweep_now: Notify,
    /// The feed was joined at its end and has not spoken yet: nobody knows from where on it is complete.
    pub(crate) unproven: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    order: VecDeque<Arc<str>>,
    works: HashMap<Arc<str>, Work>,
}

/// What is remembered of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// Hash of it as it was handed over last.
    pub(crate) version: Arc<str>,
    /// Its occasions, where its feed counts them.
    pub(crate) occasions: Option<Occasions>,
}

impl Remembered {
    pub(crate) fn of_text(text: &Arc<str>) -> Self {
        match text.split_once(' ') {
            Some((version, occasions)) => Self { version: version.into(), occasions: occasions.parse().ok() },
            None => Self { version: Arc::clone(text), occasions: None },
        }
    }

    pub(crate) fn into_text(self) -> Arc<str> {
        match self.occasions {
            Some(occasions) => format!("{} {occasions}", self.version).into(),
            None => self.version,
        }
    }

    /// The occasions up to now. What was handed over when its feed did not count them is taken for the first.
    pub(crate) fn occasions(&self) -> Occasions {
        // Neither what is not wanted nor what could not be read is an occasion.
        let was_handed_over = self.version.bytes().all(|byte| byte.is_ascii_hexdigit());
        match &self.occasions {
            Some(occasions) => occasions.clone(),
            None if was_handed_over => Occasions::uncounted(),
            None => Occasions::default(),
        }
    }
}

/// What is remembered of each record, as it is stored.
#[derive(Default)]
pub(crate) struct Versions(HashMap<Arc<str>, Arc<str>>);

impl Versions {
    pub(crate) fn get(&self, id: &str) -> Option<&Arc<str>> {
        self.0.get(id)
    }

    pub(crate) fn put(&mut self, id: Arc<str>, version: Arc<str>) {
        if self.0.len() >= VERSIONS_MAX {
            self.0.clear();
        }
        self.0.insert(id, version);
    }
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) connected: bool,
    pub(crate) changes: u64,
    pub(crate) dropped: u64,
    pub(crate) healed: u64,
    pub(crate) refused: u64,
    pub(crate) lost_windows: u64,
    pub(crate) last_change: Option<Timestamp>,
    /// What is proven; `None` for a feed without sweeps.
    pub(crate) ledger: Option<Ledger>,
    /// Sweeps prove the feed.
    pub(crate) swept: bool,
    pub(crate) load: Option<LoadFigures>,
    /// The system that the first load waits for, because many writes wait there.
    pub(crate) load_waits_for: Option<ConnectionName>,
}

impl Line {
    pub(crate) fn new(place: usize, feed: Arc<Feed>) -> Self {
        Self {
            feed,
            place,
            waiting: Mutex::default(),
            wake: Notify::new(),
            turn: tokio::sync::Mutex::default(),
            coverage_turn: tokio::sync::Mutex::default(),
            counters: Mutex::default(),
            sweep_now: Notify::new(),
            unproven: AtomicBool::new(false),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records to be read.
    pub(crate) fn put(&self, works: impl IntoIterator<Item = Work>) {
        {
            let mut waiting = self.waiting();
            for work in works {
                match waiting.works.get_mut(&work.id) {
                    Some(known) => known.merge(work),
                    None => {
                        waiting.order.push_back(Arc::clone(&work.id));
                        waiting.works.insert(Arc::clone(&work.id), work);
                    }
                }
            }
        }
        self.wake.notify_one();
    }

    /// The records that have waited longest.
    pub(crate) fn take(&self, most: usize) -> Vec<Work> {
        let mut waiting = self.waiting();
        let count = most.min(waiting.order.len());
        let ids: Vec<Arc<str>> = waiting.order.drain(..count).collect();
        ids.iter().filter_map(|id| waiting.works.remove(id)).collect()
    }

    /// Whether a record waits that a first load found.
    pub(crate) fn has_loaded(&self) -> bool {
        self.waiting().works.values().any(|work| work.loaded)
    }

    /// Whether its first load still reads.
    pub(crate) fn is_reading(&self) -> bool {
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.load.is_some_and(|load| !load.done)
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.counters.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Changes what is known of what is proven.
    pub(crate) fn prove<T>(&self, change: impl FnOnce(&mut Ledger) -> T) -> Option<T> {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.ledger.as_mut().map(change)
    }

    pub(crate) fn figures(&self, now: Timestamp, waiting_for_parents: u64) -> FeedFigures {
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        FeedFigures {
            connection: self.feed.connection.clone(),
            name: Arc::clone(&self.feed.name),
            connected: counters.connected,
            changes: counters.changes,
            dropped: counters.dropped,
            healed: counters.healed,
            refused: counters.refused,
            lost_windows: counters.lost_windows,
            last_change: counters.last_change,
            waiting_for_parents,
            coverage: counters.ledger.as_ref().map(|ledger| ledger.figures(now)),
            swept: counters.swept,
            load: counters.load,
            load_waits_for: counters.load_waits_for.clone(),
        }
    }
}
