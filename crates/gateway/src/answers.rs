//! Remembered answers of process APIs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use model::Value;
use workflow::Fault;

/// So many answers are kept in memory; the store keeps all.
const MEMORY_MAX: usize = 10_000;

/// API with version, and what was asked.
type Key = (Arc<str>, Arc<str>);

/// An answer and when it was given.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) answer: Value,
    pub(crate) at: Timestamp,
}

/// Remembered answers, and who is asking for which right now.
#[derive(Default)]
pub(crate) struct Answers {
    memory: Mutex<HashMap<Key, Known>>,
    asking: Mutex<HashMap<Key, Arc<Turn>>>,
}

/// Held while one caller asks the system; the last failure, so that those who waited meanwhile share it.
pub(crate) type Turn = tokio::sync::Mutex<Option<Failed>>;

/// The system gave no answer.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    pub(crate) fault: Fault,
    pub(crate) at: Instant,
}

impl Answers {
    pub(crate) fn get(&self, key: &Key) -> Option<Known> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Remembers an answer, unless a newer one is known.
    pub(crate) fn put(&self, key: Key, known: Known) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.get(&key).is_some_and(|other| other.at > known.at) {
            return;
        }
        if memory.len() >= MEMORY_MAX {
            memory.clear();
        }
        memory.insert(key, known);
    }

    /// Whose turn it is to ask the system: the others wait for the same answer instead of asking again.
    pub(crate) fn asking(&self, key: &Key) -> Arc<Turn> {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        asking.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(asking.entry(key.clone()).or_default())
    }
}
