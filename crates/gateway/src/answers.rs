//! Remembered answers of process APIs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use model::Value;

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
    asking: Mutex<HashMap<Key, Arc<tokio::sync::Mutex<()>>>>,
}

impl Answers {
    pub(crate) fn get(&self, key: &Key) -> Option<Known> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub(crate) fn put(&self, key: Key, known: Known) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() >= MEMORY_MAX {
            memory.clear();
        }
        memory.insert(key, known);
    }

    /// Held while one caller asks the system: the others wait for the same answer instead of asking again.
    pub(crate) fn asking(&self, key: &Key) -> Arc<tokio::sync::Mutex<()>> {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        asking.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(asking.entry(key.clone()).or_default())
    }
}
