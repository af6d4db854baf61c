//! What objects wait for before something of them can be written: that another object has a record somewhere, or that it gets
//! another parent. And which parents objects have got lately, so that two changes at once that close a circle do not overlook each
//! other.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use definitions::Synchronised;
use model::ObjectName;
use sync::Agreement;
use tokio::sync::oneshot;

use crate::core::Core;
use crate::lane_id::LaneId;
use crate::work::Work;

/// So many parents are kept in mind that may not be stored yet.
const PARENTS_MAX: usize = 10_000;
/// Objects that are looked at in one go.
const AT_ONCE: u32 = 500;

/// An object and its key.
pub(crate) type Pair = (Arc<str>, Arc<str>);

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Awaited {
    /// A record of an object in a connection.
    Record(Pair, Arc<str>),
    /// Another parent of an object.
    Parent(Pair),
}

/// Who waits for what.
#[derive(Default)]
pub(crate) struct Waits(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    of: HashMap<Awaited, HashSet<Pair>>,
    by: HashMap<Pair, Vec<Awaited>>,
    parents: HashMap<(Pair, Arc<str>), Option<Arc<str>>>,
    /// In the order in which they came.
    order: VecDeque<(Pair, Arc<str>)>,
}

impl Waits {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object waits for these from now on, and for nothing else.
    pub(crate) fn put(&self, pair: &Pair, awaited: Vec<Awaited>) {
        let mut waiting = self.waiting();
        waiting.forget(pair);
        for one in &awaited {
            waiting.of.entry(one.clone()).or_default().insert(pair.clone());
        }
        if !awaited.is_empty() {
            waiting.by.insert(pair.clone(), awaited);
        }
    }

    /// An object waits for this, too, until it is said anew what it waits for.
    pub(crate) fn add(&self, pair: &Pair, awaited: Awaited) {
        let mut waiting = self.waiting();
        waiting.of.entry(awaited.clone()).or_default().insert(pair.clone());
        waiting.by.entry(pair.clone()).or_default().push(awaited);
    }

    /// Who waits for this. They wait for nothing any more until they have been looked at.
    pub(crate) fn wake(&self, awaited: &Awaited) -> Vec<Pair> {
        let mut waiting = self.waiting();
        let woken: Vec<Pair> = waiting.of.get(awaited).into_iter().flatten().cloned().collect();
        woken.iter().for_each(|pair| waiting.forget(pair));
        woken
    }

    /// An object has this parent now.
    pub(crate) fn has_parent(&self, pair: &Pair, member: &Arc<str>, parent: Option<Arc<str>>) {
        let mut waiting = self.waiting();
        let place = (pair.clone(), Arc::clone(member));
        if waiting.parents.insert(place.clone(), parent).is_none() {
            waiting.order.push_back(place);
        }
        while waiting.order.len() > PARENTS_MAX {
            if let Some(oldest) = waiting.order.pop_front() {
                waiting.parents.remove(&oldest);
            }
        }
    }

    /// The parent that an object has got lately; `None` when nothing is known of it here.
    pub(crate) fn parent(&self, pair: &Pair, member: &Arc<str>) -> Option<Option<Arc<str>>> {
        self.waiting().parents.get(&(pair.clone(), Arc::clone(member))).cloned()
    }
}

impl Waiting {
    fn forget(&mut self, pair: &Pair) {
        for one in self.by.remove(pair).unwrap_or_default() {
            if let Some(pairs) = self.of.get_mut(&one) {
                pairs.remove(pair);
                if pairs.is_empty() {
                    self.of.remove(&one);
                }
            }
        }
    }
}

impl Core {
    /// An object has a record in a connection: who waited for that is looked at again.
    pub(crate) fn has_record(&self, object: &Arc<str>, key: &Arc<str>, connection: &Arc<str>) {
        let pair = (Arc::clone(object), Arc::clone(key));
        for pair in self.waits.wake(&Awaited::Record(pair, Arc::clone(connection))) {
            let (answer, _) = oneshot::channel();
            self.send(LaneId::of_matter(&pair.0, &pair.1), Work::Review(pair, answer));
        }
    }
}

/// Whether something of an object may wait for another one: a member that names one has not reached every side, or a side lacks
/// a record.
pub(crate) fn may_wait(synchronised: &Synchronised, agreement: &Agreement) -> bool {
    let unreached = |member: &Arc<str>| {
        let agreed = agreement.agreed.get(member).filter(|agreed| !agreed.is_null());
        agreed.is_some_and(|agreed| {
            synchronised.policy.sides.iter().any(|(name, side)| {
                let reached = agreement.sides.get(name).and_then(|holding| holding.reached.get(member));
                (side.writes.contains(member) || side.creates.contains(member)) && reached != Some(agreed)
            })
        })
    };
    let mut members = synchronised.references.keys();
    members.len() > 0 && (agreement.lacks_a_record(&synchronised.policy) || members.any(unreached))
}

/// After a start: looks at all objects of which something may wait, so that they are told of what they wait for.
pub(crate) async fn look(core: Arc<Core>) {
    let objects: Vec<ObjectName> = core.release.synchronised.keys().cloned().collect();
    for object in objects {
        let Some(synchronised) = core.release.synchronised.get(&object).cloned() else { continue };
        if synchronised.references.is_empty() {
            continue;
        }
        let (name, mut after) = (Arc::<str>::from(object.as_str()), Arc::<str>::from(""));
        loop {
            let (read, from) = (Arc::clone(&name), Arc::clone(&after));
            let Some(rows) = core.read(move |store| store.synced_after(&read, &from, AT_ONCE)).await else { return };
            for row in &rows {
                // What cannot be read is told by who works on it.
                if Agreement::from_value(&row.state).is_ok_and(|state| may_wait(&synchronised, &state)) {
                    let (answer, answered) = oneshot::channel();
                    let pair = (Arc::clone(&name), Arc::clone(&row.key));
                    core.send(LaneId::of_matter(&name, &row.key), Work::Review(pair, answer));
                    if answered.await.is_err() {
                        return;
                    }
                }
            }
            match rows.last() {
                Some(row) if rows.len() == AT_ONCE as usize => after = Arc::clone(&row.key),
                _ => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str) -> Pair {
        ("contact".into(), key.into())
    }

    fn record(key: &str) -> Awaited {
        Awaited::Record(("customer".into(), key.into()), "erp".into())
    }

    #[test]
    fn who_waits_is_woken_once_and_leaves_no_trace() {
        let waits = Waits::default();
        waits.put(&pair("1"), vec![record("A"), record("B")]);
        waits.put(&pair("2"), vec![record("A")]);
        waits.put(&pair("1"), vec![record("B")]);
        assert_eq!(waits.wake(&record("A")), [pair("2")]);
        assert_eq!(waits.wake(&record("B")), [pair("1")]);
        assert!(waits.wake(&record("A")).is_empty() && waits.wake(&record("B")).is_empty());
        waits.add(&pair("1"), Awaited::Parent(pair("9")));
        waits.add(&pair("1"), Awaited::Parent(pair("8")));
        assert_eq!(waits.wake(&Awaited::Parent(pair("9"))), [pair("1")]);
        assert!(waits.wake(&Awaited::Parent(pair("8"))).is_empty(), "it is looked at already");
        let waiting = waits.waiting();
        assert!(waiting.of.is_empty() && waiting.by.is_empty());
    }

    #[test]
    fn the_parents_that_came_last_are_kept_in_mind() {
        let (waits, member) = (Waits::default(), Arc::<str>::from("parent"));
        for number in 0..=PARENTS_MAX {
            waits.has_parent(&pair(&number.to_string()), &member, Some("A".into()));
        }
        waits.has_parent(&pair("7"), &member, None);
        assert_eq!(waits.parent(&pair("0"), &member), None);
        assert_eq!(waits.parent(&pair("7"), &member), Some(None));
        assert_eq!(waits.parent(&pair("8"), &member), Some(Some("A".into())));
    }
}
