//! What the runtime counts while it works: for the console and the closing account. Nothing here is durable.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dispatch::{ConnectionFigures, Histogram, Percentiles};
use intake::FeedFigures;
use jiff::Timestamp;

use crate::reconciliation::ReconciliationFigures;

/// A snapshot of the counters since the process started.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Canonical events taken in.
    pub events: u64,
    /// Runs started.
    pub runs_started: u64,
    /// Runs that came to their end.
    pub runs_completed: u64,
    /// Runs that wait, as of now.
    pub runs_live: u64,
    /// One entry per connection.
    pub connections: Vec<ConnectionFigures>,
    /// One entry per feed.
    pub feeds: Vec<FeedFigures>,
    /// One entry per object that is compared on a schedule.
    pub reconciliations: Vec<ReconciliationFigures>,
    /// Milliseconds from the arrival of a change to the first request that it caused: p50, p95, p99.
    pub added_latency: Percentiles,
    /// Milliseconds per commit of the store.
    pub commit: Percentiles,
}

/// The counters themselves.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) events: AtomicU64,
    pub(crate) started: AtomicU64,
    pub(crate) completed: AtomicU64,
    pub(crate) live: AtomicU64,
    added_latency: Mutex<Histogram>,
    commit: Mutex<Histogram>,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, number: usize) {
        counter.fetch_add(number as u64, Ordering::Relaxed);
    }

    pub(crate) fn one_less(counter: &AtomicU64) {
        // An update that never fails is what is wanted; the closure always gives a value.
        let _ = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |number| Some(number.saturating_sub(1)));
    }

    pub(crate) fn submitted(&self, arrived: Timestamp, now: Timestamp) {
        let passed = Duration::try_from(now.duration_since(arrived)).unwrap_or_default();
        self.added_latency.lock().unwrap_or_else(PoisonError::into_inner).record_duration(passed);
    }

    pub(crate) fn committed(&self, took: Duration) {
        self.commit.lock().unwrap_or_else(PoisonError::into_inner).record_duration(took);
    }

    pub(crate) fn figures(&self, connections: Vec<ConnectionFigures>, feeds: Vec<FeedFigures>) -> Figures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let percentiles =
            |histogram: &Mutex<Histogram>| histogram.lock().unwrap_or_else(PoisonError::into_inner).percentiles();
        Figures {
            events: read(&self.events),
            runs_started: read(&self.started),
            runs_completed: read(&self.completed),
            runs_live: read(&self.live),
            connections,
            feeds,
            reconciliations: Vec::new(),
            added_latency: percentiles(&self.added_latency),
            commit: percentiles(&self.commit),
        }
    }
}
