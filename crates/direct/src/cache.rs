//! What is kept for a while so that it need not be had again: bounded in number, and each for a limited time.

use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indexmap::IndexMap;

/// Kept values, the oldest of which gives way when there are too many.
#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    kept: Mutex<IndexMap<K, (Instant, V)>>,
    count_max: usize,
    time_max: Duration,
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    pub(crate) fn new(count_max: usize, time_max: Duration) -> Self {
        Self { kept: Mutex::new(IndexMap::new()), count_max, time_max }
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(key).filter(|(since, _)| since.elapsed() < self.time_max).map(|(_, value)| value.clone())
    }

    pub(crate) fn put(&self, key: K, value: V) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Out first, so that what is put again counts as new.
        kept.shift_remove(&key);
        while kept.len() >= self.count_max {
            kept.shift_remove_index(0);
        }
        kept.insert(key, (Instant::now(), value));
    }

    /// The kept value, or the one that is made now; of two that make one at once, both get the same.
    pub(crate) fn get_or_put(&self, key: K, make: impl FnOnce() -> V) -> V {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, value)) = kept.get(&key)
            && since.elapsed() < self.time_max
        {
            return value.clone();
        }
        kept.shift_remove(&key);
        while kept.len() >= self.count_max {
            kept.shift_remove_index(0);
        }
        let value = make();
        kept.insert(key, (Instant::now(), value.clone()));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way_and_nothing_outlives_its_time() {
        let cache = Cache::new(2, Duration::from_secs(60));
        for (key, value) in [("a", 1), ("b", 2), ("a", 3), ("c", 4)] {
            cache.put(key, value);
        }
        assert_eq!((cache.get(&"a"), cache.get(&"b"), cache.get(&"c")), (Some(3), None, Some(4)));
        assert_eq!(cache.get_or_put("a", || 9), 3);
        let over = Cache::new(2, Duration::ZERO);
        over.put("a", 1);
        assert_eq!(over.get(&"a"), None);
        assert_eq!(over.get_or_put("a", || 9), 9);
    }
}
