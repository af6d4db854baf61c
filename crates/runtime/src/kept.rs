//! What was used last is kept in memory, within a bound.

use std::hash::Hash;

type Map<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;

/// Entries in two generations: what is used moves to the young one, and when that is full the old one is let go. So what was used
/// last stays, without keeping the order of all.
pub(crate) struct Kept<K, V> {
    young: Map<K, V>,
    old: Map<K, V>,
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self { young: Map::default(), old: Map::default() }
    }
}

impl<K: Eq + Hash, V> Kept<K, V> {
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// The entry, which counts as used now.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        if let Some((key, value)) = self.old.remove_entry(key) {
            return Some(self.young.entry(key).or_insert(value));
        }
        self.young.get_mut(key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    /// Takes an entry over that was read, unless there is one: that is as new or newer.
    pub(crate) fn insert_read(&mut self, key: K, value: V) {
        if self.get_mut(&key).is_none() {
            self.young.insert(key, value);
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Lets go of what has not been used for longest, so that about so many to twice as many are kept.
    pub(crate) fn age(&mut self, most: usize) {
        if self.young.len() > most {
            self.old = std::mem::take(&mut self.young);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        const MOST: usize = 10;
        let mut kept = Kept::default();
        for number in 0..1_000 {
            kept.insert(number, number.to_string());
            if let Some(used) = kept.get_mut(&3) {
                used.push('!');
            }
            kept.age(MOST);
            assert!(kept.young.len() + kept.old.len() <= 2 * (MOST + 1));
        }
        assert!(kept.get(&3).is_some_and(|text| text.len() == 998), "it was used each time");
        assert!(!kept.contains_key(&4) && kept.contains_key(&999));
        kept.insert_read(3, "as it was read".to_owned());
        assert!(kept.get(&3).is_some_and(|text| text.starts_with("3!")));
        assert!(kept.remove(&3).is_some() && kept.get_mut(&3).is_none());
        kept.insert_read(3, "as it was read".to_owned());
        assert!(kept.contains_key(&3));
    }
}
