//! Questions that memory and the tables answer together, one of which depends on the other.

use std::collections::{BTreeMap, BTreeSet};

use model::{EventId, RunId};
use uuid::Uuid;

use super::Tables;
use crate::StoreError;
use crate::overlay::{Bytes, Layers, Packed, Text};
use crate::rows::EventRow;

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

/// What a run waits for and has not heard, each with its place. The tables are asked for what memory does not say.
pub(super) fn unheard(
    layers: Layers<'_>,
    tables: Tables<'_>,
    run: RunId,
) -> Result<Vec<(Bytes, EventRow)>, StoreError> {
    let started_at = match layers.held(|layer| &layer.runs, &run) {
        Some(row) => row.map(|row| row.started_at),
        None => tables.started_at(run)?,
    };
    let Some(started_at) = started_at else { return Ok(Vec::new()) };
    let is_born = layers.is_born(run);
    let mut places: BTreeSet<(Bytes, Bytes)> = BTreeSet::new();
    if !is_born {
        let gone = |place: &(Bytes, Bytes)| {
            layers.held(|layer| &layer.listeners, &(run, place.0.clone(), place.1.clone())).is_some()
        };
        places.extend(tables.listeners_of_run(run)?.into_iter().filter(|place| !gone(place)));
    }
    for key in layers.from(|layer| &layer.listeners, &(run, Bytes::new(), Bytes::new()), |key| key.0 == run) {
        places.extend(layers.there(|layer| &layer.listeners, key).map(|_| (key.1.clone(), key.2.clone())));
    }
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let mut heard: BTreeSet<EventId> = BTreeSet::new();
    if !is_born {
        heard.extend(tables.heard_of_run(run)?);
    }
    for key in layers.from(|layer| &layer.heard, &(run, EventId::new(Uuid::nil())), |key| key.0 == run) {
        match layers.there(|layer| &layer.heard, key) {
            Some(_) => heard.insert(key.1),
            None => heard.remove(&key.1),
        };
    }
    let mut events: BTreeMap<Bytes, Vec<EventRow>> = BTreeMap::new();
    let mut found = Vec::new();
    for (position, correlation) in places {
        if !events.contains_key(&correlation) {
            let stored = tables.events_since(&correlation, started_at)?;
            let counts = |row: &EventRow| row.at >= started_at && !heard.contains(&row.id);
            let rows = events_of(layers, &correlation, stored, counts)?.into_values().collect();
            events.insert(correlation.clone(), rows);
        }
        found.extend(events[&correlation].iter().map(|event| (position.clone(), event.clone())));
    }
    found.sort_by_key(|(_, event)| (event.at, event.id));
    Ok(found)
}

/// Keys of the objects that are recognised by a value and have no record in a connection, in their order.
pub(super) fn keys_lacking(
    layers: Layers<'_>,
    tables: Tables<'_>,
    (object, value, connection): &(Text, Text, Text),
    limit: usize,
) -> Result<Vec<Text>, StoreError> {
    let match_key = |key: &Text| (object.clone(), value.clone(), key.clone());
    let is_linked = |key: &Text| {
        let place = (object.clone(), key.clone(), connection.clone());
        layers.held(|layer| &layer.references, &place).map(|record| record.is_some())
    };
    let mut keys: BTreeSet<Text> = BTreeSet::new();
    let belongs = |key: &(Text, Text, Text)| key.0 == *object && key.1 == *value;
    for key in layers.from(|layer| &layer.match_keys, &match_key(&"".into()), belongs) {
        let is_there = layers.there(|layer| &layer.match_keys, key).is_some();
        let linked = |key: &Text| match is_linked(key) {
            Some(known) => Ok(known),
            None => tables.reference(object, key, connection).map(|found| found.is_some()),
        };
        if is_there && !linked(&key.2)? {
            keys.insert(key.2.clone());
        }
    }
    // Of what the tables say, links that were removed since are not known there.
    for (object_of, key, side) in layers.each().flat_map(|layer| layer.references.removed()) {
        let is_unlinked = object_of == object && side == connection && is_linked(key) == Some(false);
        let is_held = layers.held(|layer| &layer.match_keys, &match_key(key)).is_some();
        if is_unlinked && !is_held && tables.is_matched(object, value, key)? {
            keys.insert(key.clone());
        }
    }
    let mut asked = limit;
    loop {
        let stored = tables.keys_lacking(object, value, connection, asked)?;
        let is_all = stored.len() < asked;
        let is_unchanged =
            |key: &Text| is_linked(key).is_none() && layers.held(|layer| &layer.match_keys, &match_key(key)).is_none();
        let counting: Vec<Text> = stored.into_iter().filter(is_unchanged).collect();
        if is_all || counting.len() >= limit {
            keys.extend(counting);
            return Ok(keys.into_iter().take(limit).collect());
        }
        asked = asked.saturating_mul(4);
    }
}
