//! Questions that memory and the tables answer together, where what is to be asked of the tables depends on what memory says. Each
//! looks at memory with what the tables have said so far, and notes what they have to be asked besides: so memory is not held while
//! they are asked.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use model::{EventId, RunId};
use uuid::Uuid;

use super::Tables;
use crate::StoreError;
use crate::overlay::{Bytes, Layers, Packed, Text};
use crate::rows::EventRow;

/// One of them.
pub(super) trait Question {
    type Answer;

    /// Looks at memory. What comes of it is the answer when nothing has to be asked besides.
    fn look(&self, layers: Layers<'_>) -> Result<Self::Answer, StoreError>;

    /// Whether the tables have said everything that the last look needed.
    fn is_answered(&self) -> bool;

    /// Asks the tables what the last look needed besides.
    fn ask(&mut self, tables: Tables<'_>) -> Result<(), StoreError>;

    /// Forgets what the tables have said.
    fn forget(&mut self);
}

/// What the tables were asked of one kind, what they said, and what is to be asked next.
#[derive(Debug)]
struct Asked<K, A> {
    said: BTreeMap<K, A>,
    missing: RefCell<BTreeSet<K>>,
}

impl<K, A> Default for Asked<K, A> {
    fn default() -> Self {
        Self { said: BTreeMap::new(), missing: RefCell::default() }
    }
}

impl<K: Ord, A> Asked<K, A> {
    /// What they said; `None` when they have to be asked first.
    fn get(&self, key: K) -> Option<&A> {
        let said = self.said.get(&key);
        if said.is_none() {
            self.missing.borrow_mut().insert(key);
        }
        said
    }

    fn is_answered(&self) -> bool {
        self.missing.borrow().is_empty()
    }

    fn ask(&mut self, ask: impl Fn(&K) -> Result<A, StoreError>) -> Result<(), StoreError> {
        for key in std::mem::take(self.missing.get_mut()) {
            let said = ask(&key)?;
            self.said.insert(key, said);
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.said.clear();
    }
}

/// The events of a correlation that count, of those that the tables know and of those in memory.
pub(super) fn events_of(
    layers: Layers<'_>,
    correlation: &Bytes,
    stored: Vec<EventRow>,
    counts: impl Fn(&EventRow) -> bool,
) -> Result<BTreeMap<EventId, EventRow>, StoreError> {
    let of_stored = stored
        .into_iter()
        .filter(|row| counts(row) && layers.held(|layer| &layer.events, &(row.id, row.correlation.clone())).is_none());
    let of_memory =
        layers.at(|layer| &layer.events, correlation).into_values().filter(|row| counts(row)).map(Packed::unpack);
    of_stored.map(Ok).chain(of_memory).map(|row| row.map(|row| (row.id, row))).collect()
}

/// What a run waits for and has not heard, each with its place.
pub(super) struct Unheard {
    run: RunId,
    of_run: Asked<(), OfRun>,
    /// By correlation, and since when they count.
    events: Asked<(Bytes, Timestamp), Vec<EventRow>>,
}

/// What the tables know of a run.
#[derive(Debug, Default)]
struct OfRun {
    started_at: Option<Timestamp>,
    /// Where it waits, and under which correlations.
    places: Vec<(Bytes, Bytes)>,
    heard: Vec<EventId>,
}

impl Unheard {
    pub(super) fn new(run: RunId) -> Self {
        Self { run, of_run: Asked::default(), events: Asked::default() }
    }

    /// Where it waits, and under which correlations.
    fn places(&self, layers: Layers<'_>, stored: &OfRun) -> BTreeSet<(Bytes, Bytes)> {
        let run = self.run;
        let is_held = |place: &(Bytes, Bytes)| {
            layers.held(|layer| &layer.listeners, &(run, place.0.clone(), place.1.clone())).is_some()
        };
        let mut places: BTreeSet<(Bytes, Bytes)> =
            stored.places.iter().filter(|place| !is_held(place)).cloned().collect();
        for key in layers.from(|layer| &layer.listeners, &(run, Bytes::new(), Bytes::new()), |key| key.0 == run) {
            places.extend(layers.there(|layer| &layer.listeners, key).map(|_| (key.1.clone(), key.2.clone())));
        }
        places
    }

    fn heard(&self, layers: Layers<'_>, stored: &OfRun) -> BTreeSet<EventId> {
        let mut heard: BTreeSet<EventId> = stored.heard.iter().copied().collect();
        let first = (self.run, EventId::new(Uuid::nil()));
        for key in layers.from(|layer| &layer.heard, &first, |key| key.0 == self.run) {
            match layers.there(|layer| &layer.heard, key) {
                Some(_) => heard.insert(key.1),
                None => heard.remove(&key.1),
            };
        }
        heard
    }
}

impl Question for Unheard {
    type Answer = Vec<(Bytes, EventRow)>;

    fn look(&self, layers: Layers<'_>) -> Result<Self::Answer, StoreError> {
        let known = layers.held(|layer| &layer.runs, &self.run);
        if matches!(known, Some(None)) {
            return Ok(Vec::new());
        }
        let nothing = OfRun::default();
        let stored = match layers.is_born(self.run) {
            true => &nothing,
            false => self.of_run.get(()).unwrap_or(&nothing),
        };
        let Some(started_at) = known.flatten().map(|row| row.started_at).or(stored.started_at) else {
            return Ok(Vec::new());
        };
        let heard = self.heard(layers, stored);
        let mut events: BTreeMap<Bytes, Vec<EventRow>> = BTreeMap::new();
        let mut found = Vec::new();
        for (position, correlation) in self.places(layers, stored) {
            if !events.contains_key(&correlation) {
                let stored = self.events.get((correlation.clone(), started_at)).cloned().unwrap_or_default();
                let counts = |row: &EventRow| row.at >= started_at && !heard.contains(&row.id);
                let rows = events_of(layers, &correlation, stored, counts)?.into_values().collect();
                events.insert(correlation.clone(), rows);
            }
            found.extend(events[&correlation].iter().map(|event| (position.clone(), event.clone())));
        }
        found.sort_by_key(|(_, event)| (event.at, event.id));
        Ok(found)
    }

    fn is_answered(&self) -> bool {
        self.of_run.is_answered() && self.events.is_answered()
    }

    fn ask(&mut self, tables: Tables<'_>) -> Result<(), StoreError> {
        let run = self.run;
        self.of_run.ask(|()| {
            let (started_at, places) = (tables.started_at(run)?, tables.listeners_of_run(run)?);
            Ok(OfRun { started_at, places, heard: tables.heard_of_run(run)? })
        })?;
        self.events.ask(|(correlation, since)| tables.events_since(correlation, *since))
    }

    fn forget(&mut self) {
        self.of_run.forget();
        self.events.forget();
    }
}

/// Keys of the objects that are recognised by a value and have no record in a connection, in their order.
pub(super) struct Lacking {
    object: Text,
    value: Text,
    connection: Text,
    limit: usize,
    /// Whether the object of a key has a record there.
    linked: Asked<Text, bool>,
    /// Whether it is recognised by the value.
    matched: Asked<Text, bool>,
    /// The keys that the tables find, by how many of them are asked for.
    keys: Asked<usize, Vec<Text>>,
}

impl Lacking {
    pub(super) fn new(object: &str, value: &str, connection: &str, limit: usize) -> Self {
        let (object, value, connection) = (object.into(), value.into(), connection.into());
        let (linked, matched, keys) = (Asked::default(), Asked::default(), Asked::default());
        Self { object, value, connection, limit, linked, matched, keys }
    }

    fn match_key(&self, key: &Text) -> (Text, Text, Text) {
        (self.object.clone(), self.value.clone(), key.clone())
    }

    /// Whether an object has a record there, as far as memory knows.
    fn is_linked(&self, layers: Layers<'_>, key: &Text) -> Option<bool> {
        let place = (self.object.clone(), key.clone(), self.connection.clone());
        layers.held(|layer| &layer.references, &place).map(|record| record.is_some())
    }

    fn is_match_held(&self, layers: Layers<'_>, key: &Text) -> bool {
        layers.held(|layer| &layer.match_keys, &self.match_key(key)).is_some()
    }
}

impl Question for Lacking {
    type Answer = Vec<Text>;

    fn look(&self, layers: Layers<'_>) -> Result<Self::Answer, StoreError> {
        let mut keys: BTreeSet<Text> = BTreeSet::new();
        let belongs = |key: &(Text, Text, Text)| key.0 == self.object && key.1 == self.value;
        for key in layers.from(|layer| &layer.match_keys, &self.match_key(&"".into()), belongs) {
            let is_there = layers.there(|layer| &layer.match_keys, key).is_some();
            let is_linked = |key: &Text| {
                self.is_linked(layers, key).or_else(|| self.linked.get(key.clone()).copied()).unwrap_or(true)
            };
            if is_there && !is_linked(&key.2) {
                keys.insert(key.2.clone());
            }
        }
        // Of what the tables say, links that were removed since are not known there.
        for (object, key, side) in layers.each().flat_map(|layer| layer.references.removed()) {
            let is_unlinked =
                *object == self.object && *side == self.connection && self.is_linked(layers, key) == Some(false);
            let is_matched = || self.matched.get(key.clone()).copied().unwrap_or(false);
            if is_unlinked && !self.is_match_held(layers, key) && is_matched() {
                keys.insert(key.clone());
            }
        }
        let mut asked = self.limit;
        while let Some(stored) = self.keys.get(asked) {
            let is_unchanged = |key: &&Text| self.is_linked(layers, key).is_none() && !self.is_match_held(layers, key);
            let counting: Vec<&Text> = stored.iter().filter(is_unchanged).collect();
            if stored.len() < asked || counting.len() >= self.limit {
                keys.extend(counting.into_iter().cloned());
                break;
            }
            asked = asked.saturating_mul(4);
        }
        Ok(keys.into_iter().take(self.limit).collect())
    }

    fn is_answered(&self) -> bool {
        self.linked.is_answered() && self.matched.is_answered() && self.keys.is_answered()
    }

    fn ask(&mut self, tables: Tables<'_>) -> Result<(), StoreError> {
        let (object, value, connection) = (&self.object, &self.value, &self.connection);
        self.linked.ask(|key| Ok(tables.reference(object, key, connection)?.is_some()))?;
        self.matched.ask(|key| tables.is_matched(object, value, key))?;
        self.keys.ask(|limit| tables.keys_lacking(object, value, connection, *limit))
    }

    fn forget(&mut self) {
        self.linked.forget();
        self.matched.forget();
        self.keys.forget();
    }
}
