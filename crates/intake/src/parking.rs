//! Changes whose parent is not known yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::Shared;
use crate::reading::{Origin, Reading};

/// How often the store is asked for the parents of parked changes, should nobody have told that they are known.
const AGAIN: Duration = Duration::from_secs(30);
/// After so long a parent is taken to be foreign: the change is handed over without it.
pub(crate) const FOREIGN: SignedDuration = SignedDuration::from_mins(15);

/// Connection, object and record id of a parent.
pub(crate) type Parent = (Arc<str>, Arc<str>, Arc<str>);

/// The changes that wait for a parent. Each has a row in the inbox.
#[derive(Default)]
pub(crate) struct Parking(Mutex<State>);

#[derive(Default)]
struct State {
    /// By line.
    records: HashMap<usize, HashMap<Arc<str>, Parked>>,
    children: HashMap<Parent, Vec<(usize, Arc<str>)>>,
}

#[derive(Clone)]
struct Parked {
    since: Timestamp,
    at: Timestamp,
    arrived: Timestamp,
    origin: Origin,
    forced: bool,
    /// `None` after a start, until it was read again.
    parent: Option<Parent>,
}

impl State {
    /// Takes a record out, and off its parent's list.
    fn remove(&mut self, line: usize, id: &str) -> Option<Parked> {
        let parked = self.records.get_mut(&line)?.remove(id)?;
        if let Some(parent) = &parked.parent
            && let Some(children) = self.children.get_mut(parent)
        {
            children.retain(|(of, child)| *of != line || **child != *id);
            if children.is_empty() {
                self.children.remove(parent);
            }
        }
        Some(parked)
    }

    fn reading(&self, line: usize, id: &Arc<str>) -> Option<Reading> {
        let parked = self.records.get(&line)?.get(id)?;
        let reading = Reading::new(Arc::clone(id), parked.at, parked.arrived, parked.origin);
        Some(Reading { forced: parked.forced, ..reading })
    }
}

impl Parking {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when a record is parked.
    pub(crate) fn since(&self, line: usize, id: &str) -> Option<Timestamp> {
        Some(self.state().records.get(&line)?.get(id)?.since)
    }

    /// Parks a record; gives since when it has been. Looking again does not start anew.
    pub(crate) fn park(&self, line: usize, reading: &Reading, parent: Parent, now: Timestamp) -> Timestamp {
        let mut state = self.state();
        let before = state.remove(line, &reading.id);
        let since = before.as_ref().map_or(now, |parked| parked.since);
        let parked = Parked {
            since,
            at: reading.at,
            arrived: before.as_ref().map_or(reading.arrived, |parked| parked.arrived.min(reading.arrived)),
            forced: reading.forced || before.as_ref().is_some_and(|parked| parked.forced),
            origin: before.map_or(reading.origin, |parked| parked.origin.max(reading.origin)),
            parent: Some(parent.clone()),
        };
        state.records.entry(line).or_default().insert(Arc::clone(&reading.id), parked);
        state.children.entry(parent).or_default().push((line, Arc::clone(&reading.id)));
        since
    }

    /// A record that was parked when the last process ended.
    pub(crate) fn restore(&self, line: usize, id: Arc<str>, since: Timestamp, at: Timestamp, arrived: Timestamp) {
        let parked = Parked { since, at, arrived, origin: Origin::Notified, forced: false, parent: None };
        self.state().records.entry(line).or_default().insert(id, parked);
    }

    /// A record is not parked any more; tells whether it was.
    pub(crate) fn leave(&self, line: usize, id: &str) -> bool {
        self.state().remove(line, id).is_some()
    }

    /// The records that wait for a parent, to be read again. They stay parked until that has led to something.
    pub(crate) fn children(&self, parent: &Parent) -> Vec<(usize, Reading)> {
        let state = self.state();
        let children = state.children.get(parent).map(Vec::as_slice).unwrap_or_default();
        children.iter().filter_map(|(line, id)| Some((*line, state.reading(*line, id)?))).collect()
    }

    fn parents(&self) -> Vec<Parent> {
        self.state().children.keys().cloned().collect()
    }

    /// The records that have waited too long.
    fn foreign(&self, now: Timestamp) -> Vec<(usize, Reading)> {
        let state = self.state();
        let all =
            state.records.iter().flat_map(|(line, records)| records.iter().map(|(id, parked)| (*line, id, parked)));
        let late = all.filter(|(_, _, parked)| now.duration_since(parked.since) >= FOREIGN);
        late.filter_map(|(line, id, _)| Some((line, state.reading(line, id)?))).collect()
    }
}

impl Shared {
    /// A cross-reference was learnt.
    pub(crate) fn referenced(&self, connection: &str, object: &str, record_id: &str) {
        let parent: Parent = (connection.into(), object.into(), record_id.into());
        self.references.forget(&parent);
        for (line, reading) in self.parking.children(&parent) {
            self.lines[line].put([reading]);
        }
    }

    /// Looks after parked changes now and then.
    pub(crate) async fn look_after_parked(self: Arc<Self>) {
        loop {
            tokio::time::sleep(AGAIN).await;
            let shared = Arc::clone(&self);
            let parents = self.parking.parents();
            let known = tokio::task::spawn_blocking(move || {
                let is_known = |(connection, object, id): &Parent| {
                    matches!(shared.store.reference_of_record(object, connection, id), Ok(Some(_)))
                };
                parents.into_iter().filter(is_known).collect::<Vec<_>>()
            });
            let known = known.await.unwrap_or_default();
            let woken = known.iter().flat_map(|parent| self.parking.children(parent));
            for (line, reading) in woken.chain(self.parking.foreign(self.clock.now())) {
                self.lines[line].put([reading]);
            }
        }
    }
}
