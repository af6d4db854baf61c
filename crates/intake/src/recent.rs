//! A bounded memory of what was last known of each record.

use std::collections::HashMap;
use std::sync::Arc;

/// Remembers a value for each key, at least for the last `most` keys that were put or asked for, at most for twice as many.
pub(crate) struct Recent<V> {
    young: HashMap<Arc<str>, V, foldhash::fast::RandomState>,
    old: HashMap<Arc<str>, V, foldhash::fast::RandomState>,
    most: usize,
}

impl<V: Clone> Recent<V> {
    pub(crate) fn new(most: usize) -> Self {
        Self { young: HashMap::default(), old: HashMap::default(), most }
    }

    /// What is known; it counts as used.
    pub(crate) fn get(&mut self, key: &str) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.put(key, value.clone());
        Some(value)
    }

    pub(crate) fn put(&mut self, key: Arc<str>, value: V) {
        if self.young.len() >= self.most && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    pub(crate) fn remove(&mut self, key: &str) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_last_ones_are_known_and_memory_is_bounded(keys in proptest::collection::vec(0_u32..40, 1..200)) {
            let mut recent = Recent::new(10);
            let mut model = HashMap::new();
            for (round, key) in keys.iter().enumerate() {
                recent.put(key.to_string().into(), round);
                model.insert(*key, round);
                prop_assert!(recent.young.len() <= 10 && recent.old.len() <= 10);
                let mut latest: Vec<_> = model.iter().map(|(key, round)| (*round, *key)).collect();
                latest.sort_unstable_by(|left, right| right.cmp(left));
                for (round, key) in latest.into_iter().take(10) {
                    let text = key.to_string();
                    let known = recent.young.get(text.as_str()).or_else(|| recent.old.get(text.as_str()));
                    prop_assert_eq!(known, Some(&round));
                }
            }
        }
    }
}
