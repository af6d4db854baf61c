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
#[derive(Debug, Clone)]
pub(crate) struct Held<V> {
    /// `None`: it is removed.
    pub(crate) row: Option<V>,
    /// About how much memory it takes.
    bytes: usize,
}

/// The keys of the rows at one place. At most places there is one.
#[derive(Debug, Clone)]
enum Keys<K> {
    One(K),
    Many(BTreeSet<K>),
}

impl<K: Ord + Clone> Keys<K> {
    fn add(&mut self, key: K) {
        match self {
            Self::One(only) if *only == key => {}
            Self::One(only) => *self = Self::Many(BTreeSet::from([only.clone(), key])),
            Self::Many(keys) => {
                keys.insert(key);
            }
        }
    }

    /// Gives whether none is left.
    fn remove(&mut self, key: &K) -> bool {
        match self {
            Self::One(only) => only == key,
            Self::Many(keys) => {
                keys.remove(key);
                keys.is_empty()
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = &K> {
        let (one, many) = match self {
            Self::One(only) => (Some(only), None),
            Self::Many(keys) => (None, Some(keys)),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

/// Rows that were written or removed and are not in the database yet.
#[derive(Debug, Clone)]
pub(crate) struct Table<K, V: Row<K>> {
    rows: BTreeMap<K, Held<V>>,
    places: BTreeMap<V::Place, Keys<K>>,
    /// How many of the rows are removed.
    removed: usize,
    bytes: usize,
}

impl<K, V: Row<K>> Default for Table<K, V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), places: BTreeMap::new(), removed: 0, bytes: 0 }
    }
}

/// What a row takes besides its content: keys, places and the trees they stand in.
const ROW_BYTES: usize = 400;

impl<K: Ord + Clone + 'static, V: Row<K>> Table<K, V> {
    /// Writes or removes a row; `bytes` is about what its content takes.
    pub(crate) fn set(&mut self, key: K, row: Option<V>, bytes: usize) {
        let place = row.as_ref().and_then(|row| row.place(&key));
        if let Some(place) = &place {
            match self.places.get_mut(place) {
                Some(keys) => keys.add(key.clone()),
                None => {
                    self.places.insert(place.clone(), Keys::One(key.clone()));
                }
            }
        }
        let bytes = bytes + ROW_BYTES;
        self.bytes += bytes;
        self.removed += usize::from(row.is_none());
        let Some(before) = self.rows.insert(key.clone(), Held { row, bytes }) else { return };
        self.bytes -= before.bytes;
        self.removed -= usize::from(before.row.is_none());
        let left = before.row.and_then(|row| row.place(&key)).filter(|left| Some(left) != place.as_ref());
        self.leave(&key, left);
    }

    /// Forgets a row that came and went: the database has never heard of it.
    pub(crate) fn erase(&mut self, key: &K) {
        let Some(before) = self.rows.remove(key) else { return };
        self.bytes -= before.bytes;
        self.removed -= usize::from(before.row.is_none());
        let left = before.row.and_then(|row| row.place(key));
        self.leave(key, left);
    }

    fn leave(&mut self, key: &K, place: Option<V::Place>) {
        let Some(place) = place else { return };
        if self.places.get_mut(&place).is_some_and(|keys| keys.remove(key)) {
            self.places.remove(&place);
        }
    }

    /// What is known of a key: `None` when only the database can say.
    pub(crate) fn get(&self, key: &K) -> Option<Option<&V>> {
        self.rows.get(key).map(|held| held.row.as_ref())
    }

    /// Keys of the rows that stand at a place.
    pub(crate) fn at(&self, place: &V::Place) -> impl Iterator<Item = &K> {
        self.places.get(place).into_iter().flat_map(Keys::iter)
    }

    /// Keys of the rows that stand at places up to this one, in their order.
    pub(crate) fn up_to(&self, place: &V::Place) -> impl Iterator<Item = &K> {
        self.places.range(..=place).flat_map(|(_, keys)| keys.iter())
    }

    /// Keys that are written or removed, from this one on.
    pub(crate) fn from(&self, key: K) -> impl Iterator<Item = &K> {
        self.rows.range(key..).map(|(key, _)| key)
    }

    /// All rows, in the order of their keys.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&K, Option<&V>)> {
        self.rows.iter().map(|(key, held)| (key, held.row.as_ref()))
    }

    /// Keys of the rows that are removed, in their order.
    pub(crate) fn removed(&self) -> impl Iterator<Item = &K> {
        // Of most tables nothing is removed, and who asks may ask often.
        let some = (self.removed > 0).then_some(&self.rows);
        some.into_iter().flatten().filter(|(_, held)| held.row.is_none()).map(|(key, _)| key)
    }

    /// All rows with what they take, which [`Self::set`] takes.
    pub(crate) fn into_rows(self) -> impl Iterator<Item = (K, Option<V>, usize)> {
        self.rows.into_iter().map(|(key, held)| (key, held.row, held.bytes - ROW_BYTES))
    }

    /// Whether no row is written or removed.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
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
