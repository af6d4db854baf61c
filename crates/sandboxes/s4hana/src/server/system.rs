//! The running system: its state and what works on it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use base64::Engine;
use jiff::Timestamp;
use sandbox::faults::Faults;

use crate::erp::store::Store;
use crate::erp::transaction::Transaction;

use super::clock::Clock;
use super::events::Events;
use super::options::Options;
use super::sessions::Sessions;

/// The faults that there are.
pub(crate) const FAULTS: [&str; 9] = [
    "row_lock",
    "too_many_requests",
    "csrf_expired",
    "session_expired",
    "unavailable",
    "timeout_after_commit",
    "duplicate_event",
    "lost_event",
    "slow",
];

/// The running system.
#[derive(Debug)]
pub(crate) struct System {
    /// The state.
    pub(crate) store: RwLock<Store>,
    /// Sessions.
    pub(crate) sessions: Sessions,
    /// Faults.
    pub(crate) faults: Arc<Faults>,
    /// The steps that follow by themselves.
    pub(crate) clock: Clock,
    /// Business events.
    pub(crate) events: Events,
    /// Documents and partners that somebody else is working on, by number.
    pub(crate) locks: Mutex<HashSet<String>>,
    /// The only value of `authorization` that is let in.
    pub(crate) authorization: String,
    /// The client.
    pub(crate) client: String,
    /// Rows on one page.
    pub(crate) page: usize,
    transactions: AtomicU64,
}

impl System {
    /// A system without master data.
    #[must_use]
    pub(crate) fn new(options: &Options, faults: Arc<Faults>) -> Self {
        let credentials = format!("{}:{}", options.user, options.password);
        let authorization = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(credentials));
        Self {
            store: RwLock::new(Store::new(options.company())),
            sessions: Sessions::new(&options.client),
            clock: Clock::new(options.timing),
            events: Events::new(Arc::clone(&faults), options.events.clone(), &options.client),
            locks: Mutex::new(options.locks.iter().cloned().collect()),
            faults,
            authorization,
            client: options.client.clone(),
            page: options.page.max(1),
            transactions: AtomicU64::new(1),
        }
    }

    /// A number for a request, as errors tell it.
    pub(crate) fn next_transaction(&self) -> u64 {
        self.transactions.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether somebody else is working on a document or partner.
    pub(crate) fn is_locked(&self, number: &str) -> bool {
        let locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        !locks.is_empty() && locks.contains(number)
    }

    /// Works on the state. What was set off follows once the work is done and the state is free again; work that fails has
    /// to take back what it changed.
    pub(crate) fn work<T>(&self, work: impl FnOnce(&mut Transaction<'_>) -> T) -> T {
        let (result, events, steps) = {
            let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
            let mut transaction = Transaction::begin(&mut store, now());
            let result = work(&mut transaction);
            (result, std::mem::take(&mut transaction.events), std::mem::take(&mut transaction.steps))
        };
        self.events.tell(events);
        self.clock.schedule(&steps);
        result
    }
}

/// The time, in milliseconds since 1970.
#[must_use]
pub(crate) fn now() -> i64 {
    Timestamp::now().as_millisecond()
}
