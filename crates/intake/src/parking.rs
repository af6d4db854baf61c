//! Changes with a parent that is not known yet.
//!
//! A change waits for its parent for a while. When that is over, the parent is taken to be foreign: the change is handed over
//! without it, and its record is kept in mind as an orphan, in the inbox and here, should the parent become known after all.
//! A parent that is known and only has no record yet in the connection where that is wanted is not foreign: it is waited for.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use definitions::Feed;
use jiff::{SignedDuration, Timestamp};
use model::{ConnectionName, Value};
use store::{InboxRow, Mutation, Store, StoreError};

use crate::convert::{Parked, inbox_row};
use crate::record::Line;
use crate::work::Work;
use crate::{Batch, Shared};

/// How often it is looked whether parents have become known, should nobody have told.
const AGAIN: Duration = Duration::from_secs(30);
/// Orphans are many and can wait: they are looked at one time in so many.
const ORPHANS_EVERY: u32 = 20;
/// After so long a parent is taken to be foreign: the change is handed over without it.
const FOREIGN: SignedDuration = SignedDuration::from_mins(15);
/// So many orphans of each feed are kept in mind; where most parents are foreign, they would fill the memory otherwise.
const ORPHANS_MAX: usize = 50_000;

/// Which parents the inbox row of an orphan waits for.
const WAITS_FOR: &str = "waitsFor";
/// Whether a first load found the record of an inbox row.
pub(crate) const LOADED: &str = "loaded";

/// A record that others name as their parent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Parent {
    connection: Arc<str>,
    object: Arc<str>,
    id: Arc<str>,
    /// Whether `id` is the canonical key, whose record in this connection is waited for, and not the record's id.
    is_key: bool,
}

impl Parent {
    /// The object that is this record of a connection.
    pub(crate) fn record(connection: &ConnectionName, object: &str, id: &Arc<str>) -> Self {
        let is_key = false;
        Self { connection: connection.as_str().into(), object: object.into(), id: Arc::clone(id), is_key }
    }

    /// The record of a connection that is this object.
    pub(crate) fn key(connection: &ConnectionName, object: &str, key: &Arc<str>) -> Self {
        Self { is_key: true, ..Self::record(connection, object, key) }
    }

    /// Whether it is known, and only its record in this connection is waited for.
    pub(crate) const fn is_key(&self) -> bool {
        self.is_key
    }

    /// Whether it is among the records of this feed.
    pub(crate) fn may_come_from(&self, feed: &Feed) -> bool {
        !self.is_key && *self.connection == *feed.connection.as_str() && *self.object == *feed.object.as_str()
    }

    fn is_known(&self, store: &dyn Store) -> Result<bool, StoreError> {
        let found = match self.is_key {
            true => store.reference(&self.object, &self.id, &self.connection),
            false => store.reference_of_record(&self.object, &self.connection, &self.id),
        };
        found.map(|reference| reference.is_some())
    }
}

/// The place of a feed and the id of its record.
type Child = (usize, Arc<str>);

/// The changes that wait for parents.
pub(crate) struct Parking {
    orphans_max: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    children: HashMap<Child, Entry>,
    of_parent: HashMap<Parent, HashSet<Child>>,
    /// Record ids of the orphans of each feed, in the order in which they came.
    orphans: HashMap<usize, BTreeMap<u64, Arc<str>>>,
    /// So many were parked.
    parked: u64,
}

struct Entry {
    parents: Vec<Parent>,
    work: Work,
    number: u64,
}

impl Entry {
    /// Whether it waits for a parent that nobody knows, and was not handed over without.
    fn may_be_foreign(&self) -> bool {
        !self.work.orphan && self.parents.iter().any(|parent| !parent.is_key)
    }
}

impl Waiting {
    fn remove(&mut self, child: &Child) -> Option<Work> {
        let entry = self.children.remove(child)?;
        for parent in &entry.parents {
            if let Some(children) = self.of_parent.get_mut(parent) {
                children.remove(child);
                if children.is_empty() {
                    self.of_parent.remove(parent);
                }
            }
        }
        if let Some(orphans) = self.orphans.get_mut(&child.0) {
            orphans.remove(&entry.number);
        }
        Some(entry.work)
    }
}

impl Default for Parking {
    fn default() -> Self {
        Self { orphans_max: ORPHANS_MAX, waiting: Mutex::default() }
    }
}

impl Parking {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn put(&self, place: usize, parents: Vec<Parent>, mut work: Work) {
        let mut waiting = self.waiting();
        let child = (place, Arc::clone(&work.id));
        if let Some(before) = waiting.remove(&child) {
            work.absorb(before);
        }
        waiting.parked += 1;
        let number = waiting.parked;
        for parent in &parents {
            waiting.of_parent.entry(parent.clone()).or_default().insert(child.clone());
        }
        if work.orphan {
            waiting.orphans.entry(place).or_default().insert(number, Arc::clone(&work.id));
        }
        waiting.children.insert(child, Entry { parents, work, number });
    }

    /// What waits of a record that is being read anyway.
    pub(crate) fn take_record(&self, place: usize, id: &Arc<str>) -> Option<Work> {
        let mut waiting = self.waiting();
        if waiting.children.is_empty() { None } else { waiting.remove(&(place, Arc::clone(id))) }
    }

    /// Gives away those that wait for this parent. Nobody sees them neither here nor there.
    fn give_children(&self, parent: &Parent, mut give: impl FnMut(usize, Work)) {
        let mut waiting = self.waiting();
        let children = waiting.of_parent.remove(parent).unwrap_or_default();
        for child in children {
            if let Some(work) = waiting.remove(&child) {
                give(child.0, work);
            }
        }
    }

    /// Whether some record that a first load found in a feed waits for a parent that may still be read.
    pub(crate) fn waits_for(&self, place: usize, is_read: impl Fn(&Parent) -> bool) -> bool {
        let waiting = self.waiting();
        let mut loaded = waiting.children.iter().filter(|((of, _), entry)| *of == place && entry.work.loaded);
        loaded.any(|(_, entry)| entry.may_be_foreign() && entry.parents.iter().any(&is_read))
    }

    /// Those that have waited since this instant or longer and were not handed over yet.
    fn take_overdue(&self, since: Timestamp) -> Vec<(usize, Work)> {
        let mut waiting = self.waiting();
        let is_overdue = |entry: &Entry| entry.may_be_foreign() && entry.work.arrived <= since;
        let overdue = waiting.children.iter().filter(|(_, entry)| is_overdue(entry));
        let overdue: Vec<Child> = overdue.map(|(child, _)| child.clone()).collect();
        overdue.iter().filter_map(|child| Some((child.0, waiting.remove(child)?))).collect()
    }

    /// How many records of each feed wait and were not handed over.
    pub(crate) fn counts(&self) -> HashMap<usize, u64> {
        let waiting = self.waiting();
        let mut counts = HashMap::new();
        for ((place, _), _) in waiting.children.iter().filter(|(_, entry)| !entry.work.orphan) {
            *counts.entry(*place).or_default() += 1;
        }
        counts
    }

    /// The oldest orphans of a feed, where there are too many.
    fn take_surplus(&self, place: usize) -> Vec<Work> {
        let mut waiting = self.waiting();
        let Some(orphans) = waiting.orphans.get(&place) else { return Vec::new() };
        let surplus = orphans.len().saturating_sub(self.orphans_max);
        let oldest: Vec<Arc<str>> = orphans.values().take(surplus).cloned().collect();
        oldest.into_iter().filter_map(|id| waiting.remove(&(place, id))).collect()
    }

    /// The parents that are waited for, with those of orphans or without.
    fn parents(&self, with_orphans: bool) -> Vec<Parent> {
        let waiting = self.waiting();
        if with_orphans {
            return waiting.of_parent.keys().cloned().collect();
        }
        let patient = waiting.children.values().filter(|entry| !entry.work.orphan);
        let parents: HashSet<&Parent> = patient.flat_map(|entry| &entry.parents).collect();
        parents.into_iter().cloned().collect()
    }
}

impl Shared {
    /// Keeps changes in mind until a parent of theirs is known. Those without an inbox row get one by [`Self::keep`]. The turn of
    /// the line must be held.
    pub(crate) async fn park(&self, line: &Line, parked: Parked) {
        if parked.is_empty() {
            return;
        }
        for (parents, work) in parked {
            self.parking.put(line.place, parents.clone(), work);
            // A parent may have become known between the look and the parking. What cannot be looked up now is looked up later.
            for parent in parents {
                if let Ok(true) = parent.is_known(&*self.store) {
                    self.wake(&parent);
                }
            }
        }
        let surplus = self.parking.take_surplus(line.place);
        if surplus.is_empty() {
            return;
        }
        tracing::warn!(
            feed = %line.feed,
            records = surplus.len(),
            "too many records wait for parents that are not known; the oldest are read again only when they change"
        );
        let connection: Arc<str> = line.feed.connection.as_str().into();
        let rows = surplus.into_iter().flat_map(|work| work.inbox);
        let mutations = rows.map(|id| Mutation::RemoveInbox { connection: Arc::clone(&connection), id }).collect();
        self.hand_over(Batch { mutations, ..Batch::default() }).await;
    }

    /// Inbox rows for parked changes of a subscribed feed, so that its place can move on.
    pub(crate) fn keep(&self, line: &Line, parked: &mut Parked) -> Vec<Mutation> {
        let now = self.clock.now();
        let mut rows = Vec::new();
        for (_, work) in parked.iter_mut().filter(|(_, work)| work.inbox.is_empty()) {
            let row_id = row_id(line, work);
            let mut row = inbox_row(line, Arc::clone(&row_id), &work.id, work.at, now);
            tell_loaded(&mut row, work);
            rows.push(Mutation::PutInbox(row));
            work.inbox.push(row_id);
        }
        rows
    }

    /// A parent is known: what waits for it is read again.
    pub(crate) fn wake(&self, parent: &Parent) {
        let now = self.clock.now();
        self.parking.give_children(parent, |place, mut work| {
            if work.orphan {
                // The news is that the parent is known, and that is news of this moment.
                work.arrived = now;
            }
            self.lines[place].put([work]);
        });
    }

    pub(crate) async fn wake_parked(self: Arc<Self>) {
        let mut looks = 0_u32;
        loop {
            // The first look finds what became known when the last process ended.
            self.look_for_parents(looks.is_multiple_of(ORPHANS_EVERY)).await;
            looks = looks.wrapping_add(1);
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Has read again what waits for parents that are known by now, and what has waited for too long; nothing else, so that no
    /// system is asked in vain.
    pub(crate) async fn look_for_parents(&self, with_orphans: bool) {
        let since = self.clock.now().checked_sub(FOREIGN).unwrap_or(Timestamp::MIN);
        for (place, mut work) in self.parking.take_overdue(since) {
            work.orphan = true;
            self.lines[place].put([work]);
        }
        let parents = self.parking.parents(with_orphans);
        if parents.is_empty() {
            return;
        }
        let store = Arc::clone(&self.store);
        let looking = tokio::task::spawn_blocking(move || {
            let mut known = Vec::new();
            for parent in parents {
                match parent.is_known(&*store) {
                    Ok(true) => known.push(parent),
                    Ok(false) => {}
                    Err(error) => {
                        tracing::error!(%error, "parents cannot be looked up; it is tried again");
                        break;
                    }
                }
            }
            known
        });
        for parent in looking.await.unwrap_or_default() {
            self.wake(&parent);
        }
    }
}

/// The inbox row under which a parked record is kept in mind when no notification does that.
fn row_id(line: &Line, work: &Work) -> Arc<str> {
    parked_row_id(&line.feed.name, &work.id)
}

/// The id of the inbox row of a change of this feed's record that waits for its parent.
#[must_use]
pub fn parked_row_id(feed: &str, record: &str) -> Arc<str> {
    format!("parked/{feed}/{record}").into()
}

/// What keeps a record in mind that is handed over without a parent: its inbox row, and what is parked.
pub(crate) fn orphan_row(line: &Line, work: &Work, parents: &[Parent], now: Timestamp) -> (InboxRow, Work) {
    let row_id = row_id(line, work);
    let mut row = inbox_row(line, Arc::clone(&row_id), &work.id, work.at, now);
    let parents = parents.iter().map(|parent| {
        Value::object([
            ("connection", Value::from(Arc::clone(&parent.connection))),
            ("object", Value::from(Arc::clone(&parent.object))),
            (if parent.is_key { "key" } else { "id" }, Value::from(Arc::clone(&parent.id))),
        ])
    });
    row.content.set(WAITS_FOR, Value::array(parents));
    tell_loaded(&mut row, work);
    let loaded = work.loaded;
    let orphan = Work { inbox: vec![row_id], orphan: true, loaded, ..Work::new(Arc::clone(&work.id), work.at, now) };
    (row, orphan)
}

/// The row says that a first load found the record.
fn tell_loaded(row: &mut InboxRow, work: &Work) {
    if work.loaded {
        row.content.set(LOADED, true);
    }
}

/// The parents that an inbox row waits for; none unless it is that of an orphan.
pub(crate) fn orphan_parents(line: &Line, content: &Value) -> Vec<Parent> {
    let Value::Array(parents) = content.get(WAITS_FOR) else { return Vec::new() };
    let parent = |value: &Value| {
        let object = value.get("object").as_str()?;
        // Rows of earlier versions name no connection: it is the feed's own.
        let connection = value.get("connection").as_str().map_or(line.feed.connection.clone(), ConnectionName::from);
        match (value.get("id").as_str(), value.get("key").as_str()) {
            (Some(id), _) => Some(Parent::record(&connection, object, &id.into())),
            (None, key) => Some(Parent::key(&connection, object, &key?.into())),
        }
    };
    parents.iter().filter_map(parent).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(id: &str) -> Parent {
        Parent::record(&"erp".into(), "order", &id.into())
    }

    fn work(id: &str, orphan: bool) -> Work {
        let at = Timestamp::UNIX_EPOCH;
        Work { inbox: vec![format!("row of {id}").into()], orphan, ..Work::new(id.into(), at, at) }
    }

    fn children(parking: &Parking, of: &str) -> usize {
        let mut count = 0;
        parking.give_children(&parent(of), |_, _| count += 1);
        count
    }

    fn ids(works: impl IntoIterator<Item = Work>) -> Vec<Arc<str>> {
        works.into_iter().map(|work| work.id).collect()
    }

    #[test]
    fn a_feed_keeps_its_newest_orphans_in_mind_and_no_trace_of_the_others() {
        let parking = Parking { orphans_max: 2, ..Parking::default() };
        for id in ["1", "2", "3", "4"] {
            parking.put(0, vec![parent(id)], work(id, true));
        }
        parking.put(1, vec![parent("1")], work("9", true));
        parking.put(0, vec![parent("1")], work("5", false));
        assert_eq!(ids(parking.take_surplus(0)), ["1".into(), "2".into()] as [Arc<str>; 2]);
        assert!(parking.take_surplus(0).is_empty() && parking.take_surplus(1).is_empty());
        assert_eq!(children(&parking, "2"), 0);
        assert_eq!(children(&parking, "1"), 2, "the other feed's, and the one that is patient");
        assert_eq!(children(&parking, "3") + children(&parking, "4"), 2);
        let waiting = parking.waiting();
        assert!(waiting.children.is_empty() && waiting.of_parent.is_empty());
        assert!(waiting.orphans.values().all(BTreeMap::is_empty));
    }

    #[test]
    fn a_record_waits_once_for_all_its_parents() {
        let parking = Parking::default();
        parking.put(0, vec![parent("1"), parent("2")], work("9", false));
        parking.put(0, vec![parent("2"), parent("3")], work("9", false));
        let mut parked = Vec::new();
        parking.give_children(&parent("2"), |_, work| parked.push(work.inbox.len()));
        assert_eq!(parked, [2], "once, with what both notifications left in the inbox");
        assert!(parking.parents(true).is_empty());
    }

    #[test]
    fn only_patient_changes_come_due() {
        let parking = Parking::default();
        parking.put(0, vec![parent("1")], work("8", true));
        parking.put(0, vec![parent("2")], work("9", false));
        assert_eq!(parking.parents(false), [parent("2")]);
        let overdue = parking.take_overdue(Timestamp::UNIX_EPOCH).into_iter().map(|(_, work)| work);
        assert_eq!(ids(overdue), ["9".into()] as [Arc<str>; 1]);
        assert_eq!(parking.parents(true), [parent("1")]);
    }
}
