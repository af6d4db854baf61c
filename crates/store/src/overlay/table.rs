//! Rows of one table that are kept in memory, by key and by the place under which they are looked for.

use std::collections::{BTreeMap, BTreeSet};

/// A row that can be looked for otherwise than by its key.
pub(crate) trait Row<K>: 'static {
    /// What it is looked for by.
    type Place: Ord + Clone;

    /// Where it stands; `None` when it is looked for by its key alone.
    fn place(&self, key: &K) -> Option<Self::Place>;
}

/// A row, or that there is none, as it will be in the database.
#[derive(Debug)]
pub(crate) struct Held<V> {
    /// `None`: it is removed.
    pub(crate) row: Option<V>,
    /// About how much memory it takes.
    bytes: usize,
}

/// Rows that were written or removed and are not in the database yet.
#[derive(Debug)]
pub(crate) struct Table<K, V: Row<K>> {
    rows: BTreeMap<K, Held<V>>,
    places: BTreeMap<V::Place, BTreeSet<K>>,
    bytes: usize,
}

impl<K, V: Row<K>> Default for Table<K, V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), places: BTreeMap::new(), bytes: 0 }
    }
}

/// What a row takes besides its content: keys, places and the trees they stand in.
const ROW_BYTES: usize = 400;

impl<K: Ord + Clone + 'static, V: Row<K>> Table<K, V> {
    /// Writes or removes a row; `bytes` is about what its content takes.
    pub(crate) fn set(&mut self, key: K, row: Option<V>, bytes: usize) {
        let place = row.as_ref().and_then(|row| row.place(&key));
        if let Some(place) = &place {
            self.places.entry(place.clone()).or_default().insert(key.clone());
        }
        let bytes = bytes + ROW_BYTES;
        self.bytes += bytes;
        let Some(before) = self.rows.insert(key.clone(), Held { row, bytes }) else { return };
        self.bytes -= before.bytes;
        let left = before.row.and_then(|row| row.place(&key)).filter(|left| Some(left) != place.as_ref());
        self.leave(&key, left);
    }

    /// Forgets a row that came and went: the database has never heard of it.
    pub(crate) fn erase(&mut self, key: &K) {
        let Some(before) = self.rows.remove(key) else { return };
        self.bytes -= before.bytes;
        let left = before.row.and_then(|row| row.place(key));
        self.leave(key, left);
    }

    fn leave(&mut self, key: &K, place: Option<V::Place>) {
        let Some(place) = place else { return };
        if let Some(keys) = self.places.get_mut(&place) {
            keys.remove(key);
            if keys.is_empty() {
                self.places.remove(&place);
            }
        }
    }

    /// What is known of a key: `None` when only the database can say.
    pub(crate) fn get(&self, key: &K) -> Option<Option<&V>> {
        self.rows.get(key).map(|held| held.row.as_ref())
    }

    /// Keys of the rows that stand at a place.
    pub(crate) fn at(&self, place: &V::Place) -> impl Iterator<Item = &K> {
        self.places.get(place).into_iter().flatten()
    }

    /// Keys of the rows that stand at places up to this one, in their order.
    pub(crate) fn up_to(&self, place: &V::Place) -> impl Iterator<Item = &K> {
        self.places.range(..=place).flat_map(|(_, keys)| keys)
    }

    /// Keys that are written or removed, from this one on.
    pub(crate) fn from(&self, key: K) -> impl Iterator<Item = &K> {
        self.rows.range(key..).map(|(key, _)| key)
    }

    /// All rows, in the order of their keys.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&K, Option<&V>)> {
        self.rows.iter().map(|(key, held)| (key, held.row.as_ref()))
    }

    /// All rows with what they take, which [`Self::set`] takes.
    pub(crate) fn into_rows(self) -> impl Iterator<Item = (K, Option<V>, usize)> {
        self.rows.into_iter().map(|(key, held)| (key, held.row, held.bytes - ROW_BYTES))
    }

    /// How many rows are written or removed.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}
