//! The line of one feed: which of its records wait to be read, which are under way, and what is known of those that were.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use definitions::{Feed, FeedSource};
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::reading::Reading;
use crate::recent::Recent;

/// Versions remembered in front of the store, and readings remembered for sweeps.
const REMEMBERED: usize = 50_000;

/// One feed at work.
pub(crate) struct Line {
    pub(crate) feed: Arc<Feed>,
    /// The connection's name, as the store spells it.
    pub(crate) connection: Arc<str>,
    queue: Mutex<Queue>,
    /// Told when something waits.
    pub(crate) wake: Notify,
    /// Version of each record as it was handed over last.
    versions: Mutex<Recent<Arc<str>>>,
    heard: Mutex<Recent<Heard>>,
    counters: Mutex<Counters>,
    /// How often in a row reading could not be done.
    failures: AtomicU32,
}

/// A record is under way from when it is taken until what it led to is durable: nothing of one record overtakes itself.
#[derive(Default)]
struct Queue {
    /// Those that wait and are not under way, the one that waits longest first.
    order: VecDeque<Arc<str>>,
    waiting: HashMap<Arc<str>, Reading, foldhash::fast::RandomState>,
    under_way: HashSet<Arc<str>, foldhash::fast::RandomState>,
}

/// A reading of a record that is durable.
#[derive(Debug, Clone, Copy)]
struct Heard {
    /// The last change that is surely in it, by the system's clock: that of its notification.
    change: Option<Timestamp>,
    /// When it was begun.
    begun: Instant,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    pub(crate) connected: bool,
    pub(crate) changes: u64,
    pub(crate) dropped: u64,
    pub(crate) healed: u64,
    pub(crate) last_change: Option<Timestamp>,
}

impl Line {
    pub(crate) fn new(feed: Arc<Feed>) -> Self {
        // Pushed notifications need no subscription.
        let connected = matches!(feed.source, FeedSource::Push(_));
        Self {
            connection: feed.connection.as_str().into(),
            feed,
            queue: Mutex::default(),
            wake: Notify::new(),
            versions: Mutex::new(Recent::new(REMEMBERED)),
            heard: Mutex::new(Recent::new(REMEMBERED)),
            counters: Mutex::new(Counters { connected, ..Counters::default() }),
            failures: AtomicU32::new(0),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records to be read. One that waits already is read once for both; one that is under way is read again afterwards.
    pub(crate) fn put(&self, readings: impl IntoIterator<Item = Reading>) {
        {
            let mut queue = self.queue();
            for reading in readings {
                queue.put(reading);
            }
        }
        self.wake.notify_one();
    }

    /// The records that have waited longest; they are under way from now on.
    pub(crate) fn take(&self, most: usize) -> Vec<Reading> {
        let mut queue = self.queue();
        let mut taken = Vec::new();
        while taken.len() < most {
            let Some(id) = queue.order.pop_front() else { break };
            if let Some(reading) = queue.waiting.remove(&id) {
                queue.under_way.insert(id);
                taken.push(reading);
            }
        }
        taken
    }

    /// What these led to is durable.
    pub(crate) fn done<'a>(&self, ids: impl IntoIterator<Item = &'a Arc<str>>) {
        {
            let mut queue = self.queue();
            for id in ids {
                queue.done(id);
            }
        }
        self.wake.notify_one();
    }

    /// These could not be read now.
    pub(crate) fn give_back(&self, readings: Vec<Reading>) {
        {
            let mut queue = self.queue();
            for reading in readings {
                queue.done(&reading.id);
                queue.put(reading);
            }
        }
        self.wake.notify_one();
    }

    /// How many records wait or are under way.
    pub(crate) fn backlog(&self) -> usize {
        let queue = self.queue();
        queue.waiting.len() + queue.under_way.len()
    }

    /// Counts the success or failure of a reading; gives the number of failures in a row.
    pub(crate) fn failures(&self, failed: bool) -> u32 {
        if failed {
            self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1)
        } else {
            self.failures.store(0, Ordering::Relaxed);
            0
        }
    }

    pub(crate) fn version(&self, id: &str) -> Option<Arc<str>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).get(id)
    }

    /// A version that is durable.
    pub(crate) fn remember(&self, id: Arc<str>, version: Arc<str>) {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).put(id, version);
    }

    /// A reading that is durable.
    pub(crate) fn note_reading(&self, id: &Arc<str>, told: Option<Timestamp>, begun: Instant) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let before = heard.get(id).and_then(|known| known.change);
        heard.put(Arc::clone(id), Heard { change: before.max(told), begun });
    }

    /// Whether a record was read since.
    pub(crate) fn was_read_since(&self, id: &str, since: Instant) -> bool {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.get(id).is_some_and(|heard| heard.begun >= since)
    }

    /// Whether a change that the system marked with this instant is surely in what was read.
    ///
    /// A notification carries the instant of its commit. The record was locked until then, so that another change of it is
    /// marked later; what is marked up to then was read. A mark in whole seconds may stand for anything in its second.
    pub(crate) fn covers(&self, id: &str, mark: Timestamp) -> bool {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner).get(id);
        let Some(change) = heard.and_then(|heard| heard.change) else { return false };
        if mark.subsec_nanosecond() == 0 { mark.as_second() < change.as_second() } else { mark <= change }
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.counters.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Queue {
    fn put(&mut self, reading: Reading) {
        if let Some(known) = self.waiting.get_mut(&reading.id) {
            known.merge(reading);
            return;
        }
        if !self.under_way.contains(&reading.id) {
            self.order.push_back(Arc::clone(&reading.id));
        }
        self.waiting.insert(Arc::clone(&reading.id), reading);
    }

    fn done(&mut self, id: &Arc<str>) {
        if self.under_way.remove(id) && self.waiting.contains_key(id) {
            self.order.push_back(Arc::clone(id));
        }
    }
}
