//! Which canonical object a record is: by its cross-reference, by the key that it carries, or by the rules and the likeness that
//! the object declares; a new one otherwise. One at a time, so that the first records of two systems at once do not become two
//! objects.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use definitions::Synchronised;
use intake::CanonicalEvent;
use model::{Problem, Value, WorkItemId};
use store::{Mutation, ReferenceRow, Store, StoreError};
use sync::matching::{Candidate, Judged, Known, Recognised, Why};
use sync::{Agreement, object_of};
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use crate::core::Core;
use crate::lane::EXISTING;

/// How many objects that share a rule's value or a block with a record are compared with it.
const CANDIDATES_MAX: usize = 1_000;
/// So many objects are kept in mind that may not be stored yet.
const REMEMBERED_MAX: usize = 10_000;
/// Letters and digits that cannot be taken for each other.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// What a person can do besides linking: it is an object of its own.
pub(crate) const NEW: &str = "new";
/// Stands before the key of the object that a person links a record with.
pub(crate) const LINK: &str = "link-";

/// What is known of a record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Identity {
    /// It is this object.
    Is(Arc<str>),
    /// A person has to say which one it is.
    Unclear(Unclear),
}

/// Why a person has to say which object a record is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unclear {
    /// One sentence.
    pub(crate) reason: String,
    /// The objects that it may be, best first: key, title, likeness, and what speaks for it.
    pub(crate) candidates: Value,
    /// What can be done.
    pub(crate) actions: Vec<Value>,
}

/// An object in the form in which it is compared, and what people call it.
#[derive(Clone)]
struct Seen {
    known: Arc<Known>,
    title: Arc<str>,
}

/// The objects that were recognised last, in the form in which they are compared: they may not be stored yet.
#[derive(Default)]
pub(crate) struct Remembered {
    known: HashMap<Pair, Seen>,
    order: VecDeque<Pair>,
}

impl Remembered {
    fn put(&mut self, pair: Pair, seen: Seen) {
        if self.known.insert(pair.clone(), seen).is_none() {
            self.order.push_back(pair);
        }
        while self.order.len() > REMEMBERED_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }
}

/// Finds out which objects these records are; `None` for those that nobody keeps in agreement. What is learnt is durable when
/// this returns.
///
/// # Errors
/// When the store cannot be used.
pub(crate) async fn identify(core: &Arc<Core>, events: &[CanonicalEvent]) -> Result<Vec<Option<Identity>>, Problem> {
    let concerned = |event: &CanonicalEvent| {
        let synchronised = core.release.synchronised.get(&event.object)?;
        synchronised.policy.sides.contains_key(&event.feed.connection).then(|| Arc::clone(synchronised))
    };
    let records: Vec<Option<Record>> = events
        .iter()
        .map(|event| {
            concerned(event).map(|synchronised| Record {
                synchronised,
                connection: event.feed.connection.as_str().into(),
                record: Arc::clone(&event.record),
                object: event.envelope.get("data").clone(),
            })
        })
        .collect();
    if records.iter().all(Option::is_none) {
        return Ok(vec![None; events.len()]);
    }
    let mut one_at_a_time = Arc::clone(&core.identity).lock_owned().await;
    let store = Arc::clone(&core.store);
    let found = tokio::task::spawn_blocking(move || {
        let mut learnt = Learnt { remembered: std::mem::take(&mut *one_at_a_time), ..Learnt::default() };
        let identities = records
            .iter()
            .map(|record| record.as_ref().map(|record| record.identify(&*store, &mut learnt)).transpose());
        let identities = identities.collect::<Result<Vec<_>, _>>();
        *one_at_a_time = std::mem::take(&mut learnt.remembered);
        identities.map(|identities| (identities, learnt.mutations, one_at_a_time))
    });
    let (identities, mutations, _one_at_a_time) =
        found.await.map_err(|_| crate::routing::stopping())?.map_err(|error: StoreError| error.problem())?;
    core.commit(mutations, None).await?;
    Ok(identities)
}

/// Keeps what is known of records as it is, until it is dropped.
pub(crate) struct IdentityHeld(#[expect(dead_code, reason = "it is only held")] OwnedMutexGuard<Remembered>);

/// Keeps what is known of records as it is, as soon as nobody else finds out which objects records are.
pub(crate) async fn hold(core: &Arc<Core>) -> IdentityHeld {
    IdentityHeld(Arc::clone(&core.identity).lock_owned().await)
}

/// Keeps what is known of records as it is, while a person links the record of an item with the object of this key.
///
/// # Errors
/// When the object has another record in that system by now, or the store cannot be written.
pub(crate) async fn hold_link(core: &Arc<Core>, item: WorkItemId, key: &str) -> Result<IdentityHeld, Problem> {
    let held = loop {
        // Who finds out what records are waits for the store as long as it takes.
        if let Some(problem) = core.trouble.now() {
            return Err(problem);
        }
        if let Ok(held) = tokio::time::timeout(crate::ANSWER_PATIENCE, Arc::clone(&core.identity).lock_owned()).await {
            break IdentityHeld(held);
        }
    };
    let asked: Arc<str> = key.into();
    let taken = core.read(move |store| {
        let Some(item) = store.work_item(item)? else { return Ok(None) };
        let text = |name: &str| item.content.get(name).as_str().unwrap_or_default();
        if text("kind") == EXISTING {
            // Here it is the record that is chosen.
            let known = store.reference_of_record(text("object"), text("side"), &asked)?;
            return Ok(known.filter(|known| *known.key != *text("key")));
        }
        let known = store.reference(text("object"), &asked, text("connection"))?;
        Ok(known.filter(|known| *known.record_id != *text("id")))
    });
    match taken.await.ok_or_else(crate::routing::stopping)? {
        None => Ok(held),
        Some(taken) => {
            let (connection, record) = (&taken.connection, &taken.record_id);
            let message = format!("{connection} has record {record} for {} {} by now", taken.object, taken.key);
            Err(Problem::new("IL-RUN-021", message, "Merge the two records there, or let this one be a new object"))
        }
    }
}

struct Record {
    synchronised: Arc<Synchronised>,
    connection: Arc<str>,
    record: Arc<str>,
    object: Value,
}

/// An object and something of it.
type Pair = (Arc<str>, Arc<str>);
/// An object, a connection, and a key or a record there.
type Place = (Arc<str>, Arc<str>, Arc<str>);

/// What was learnt of the records before in the same batch.
#[derive(Default)]
struct Learnt {
    mutations: Vec<Mutation>,
    /// Keys by object, connection and record.
    keys: HashMap<Place, Arc<str>>,
    /// Records by object, connection and key.
    records: HashMap<Place, Arc<str>>,
    /// Keys by object and match value.
    matches: HashMap<Pair, Vec<Arc<str>>>,
    /// Keys that are known, by object.
    known: HashSet<Pair>,
    remembered: Remembered,
}

impl Record {
    fn identify(&self, store: &dyn Store, learnt: &mut Learnt) -> Result<Identity, StoreError> {
        let object: Arc<str> = self.synchronised.object.as_str().into();
        let place = (Arc::clone(&object), Arc::clone(&self.connection), Arc::clone(&self.record));
        if let Some(key) = learnt.keys.get(&place) {
            return Ok(Identity::Is(Arc::clone(key)));
        }
        if let Some(reference) = store.reference_of_record(&object, &self.connection, &self.record)? {
            return Ok(Identity::Is(reference.key));
        }
        let linked = |learnt: &Learnt, key: &Arc<str>| -> Result<Option<Arc<str>>, StoreError> {
            let place = (Arc::clone(&object), Arc::clone(&self.connection), Arc::clone(key));
            if let Some(record) = learnt.records.get(&place) {
                return Ok(Some(Arc::clone(record)));
            }
            Ok(store.reference(&object, key, &self.connection)?.map(|reference| reference.record_id))
        };
        let matcher = &self.synchronised.matcher;
        let title = self.synchronised.title_of(&self.object).unwrap_or_default();
        let subject = Seen { known: Arc::new(matcher.know(&self.object)), title };
        let values = matcher.keys(&subject.known);
        if let Some(key) = self.object.get("key").as_str().filter(|key| !key.is_empty()).map(Arc::<str>::from) {
            let succeeds = self.synchronised.successors.contains(&*self.connection);
            // Its own create may have been answered since the first look.
            if let Some(other) = linked(learnt, &key)?.filter(|other| !succeeds && *other != self.record) {
                let reason = format!(
                    "{} has two records with the key {key}: {other}, which is linked, and {}. Give one of them another key, or merge them there",
                    self.connection, self.record
                );
                return Ok(Identity::Unclear(Unclear { reason, candidates: Value::Null, actions: Vec::new() }));
            }
            let known = learnt.known.contains(&(Arc::clone(&object), Arc::clone(&key)))
                || store.synced(&object, &key)?.is_some();
            self.learn(learnt, &object, &key, (!known).then_some((values, subject)));
            return Ok(Identity::Is(key));
        }
        let mut found: Vec<(Arc<str>, Seen, bool)> = Vec::new();
        let mut seen = HashSet::new();
        let mut crowded: Option<&Arc<str>> = None;
        for value in &values {
            let before = learnt.matches.get(&(Arc::clone(&object), Arc::clone(value))).cloned().unwrap_or_default();
            // The keys of rules come first: of what only shares a block, what has a record here already is none to think about.
            let lacking = (!matcher.is_of_rule(value)).then_some(&*self.connection);
            let limit = u32::try_from(CANDIDATES_MAX + 1).unwrap_or(u32::MAX);
            let mut stored = store.matches(&object, value, lacking, limit)?;
            if stored.len() > CANDIDATES_MAX {
                stored.truncate(CANDIDATES_MAX);
                crowded.get_or_insert(value);
            }
            for key in stored.into_iter().chain(before) {
                if !seen.insert(Arc::clone(&key)) {
                    continue;
                }
                let taken = linked(learnt, &key)?.is_some_and(|other| other != self.record);
                if taken && !matcher.is_of_rule(value) {
                    continue;
                }
                if let Some(seen) = self.known(store, learnt, &object, &key, value)? {
                    found.push((key, seen, taken));
                }
            }
        }
        let candidates =
            found.iter().map(|(key, seen, taken)| Candidate { id: Arc::clone(key), known: &seen.known, taken: *taken });
        let recognised = match (matcher.recognise(&subject.known, candidates), crowded) {
            (Recognised::Linked(judged), Some(_)) if !judged.why.iter().any(|why| matches!(why, Why::Same(_))) => {
                Recognised::Ask { candidates: vec![judged], more: 0 }
            }
            (Recognised::New, Some(_)) => Recognised::Ask { candidates: Vec::new(), more: 0 },
            (recognised, _) => recognised,
        };
        match recognised {
            Recognised::New => {
                let key = new_key();
                self.learn(learnt, &object, &key, Some((values, subject)));
                Ok(Identity::Is(key))
            }
            Recognised::Linked(Judged { id: key, .. }) => {
                self.learn(learnt, &object, &key, None);
                Ok(Identity::Is(key))
            }
            Recognised::Ask { candidates, more } => {
                let title =
                    |key: &str| found.iter().find(|(known, ..)| **known == *key).map(|(_, seen, _)| &seen.title);
                let mut unclear = ask(&object, &candidates, more, title);
                if let Some(value) = crowded {
                    unclear.reason = format!(
                        "more than {CANDIDATES_MAX} objects share `{value}` with it and have no record in {}, too many to compare. \
                         Have the object recognised by a finer value. {}",
                        self.connection, unclear.reason
                    );
                }
                Ok(Identity::Unclear(unclear))
            }
        }
    }

    /// An object in the form in which it is compared. One that is neither stored nor in mind was being taken in when the process
    /// ended, and comes again: of that only what this key says is known.
    fn known(
        &self,
        store: &dyn Store,
        learnt: &Learnt,
        object: &Arc<str>,
        key: &Arc<str>,
        value: &str,
    ) -> Result<Option<Seen>, StoreError> {
        if let Some(row) = store.synced(object, key)? {
            let agreed = Agreement::from_value(&row.state).map(|agreement| object_of(&agreement.agreed));
            return Ok(agreed.ok().map(|agreed| Seen {
                known: Arc::new(self.synchronised.matcher.know(&agreed)),
                title: self.synchronised.title_of(&agreed).unwrap_or_default(),
            }));
        }
        let remembered = learnt.remembered.known.get(&(Arc::clone(object), Arc::clone(key))).cloned();
        let by_key = || self.synchronised.matcher.know_by(value);
        Ok(remembered.or_else(|| by_key().map(|known| Seen { known: Arc::new(known), title: Arc::default() })))
    }

    /// The record is this object; with values to be recognised by when the object is new.
    fn learn(&self, learnt: &mut Learnt, object: &Arc<str>, key: &Arc<str>, new: Option<(Vec<Arc<str>>, Seen)>) {
        let place = |last: &Arc<str>| (Arc::clone(object), Arc::clone(&self.connection), Arc::clone(last));
        learnt.keys.insert(place(&self.record), Arc::clone(key));
        learnt.records.insert(place(key), Arc::clone(&self.record));
        learnt.mutations.push(Mutation::PutReference(ReferenceRow {
            object: Arc::clone(object),
            key: Arc::clone(key),
            connection: Arc::clone(&self.connection),
            record_id: Arc::clone(&self.record),
        }));
        let Some((values, seen)) = new else { return };
        let pair = (Arc::clone(object), Arc::clone(key));
        learnt.remembered.put(pair.clone(), seen);
        learnt.known.insert(pair);
        for value in &values {
            learnt.matches.entry((Arc::clone(object), Arc::clone(value))).or_default().push(Arc::clone(key));
        }
        learnt.mutations.push(Mutation::PutMatchKeys { object: Arc::clone(object), key: Arc::clone(key), values });
    }
}

/// What a person is asked.
fn ask<'a>(object: &str, candidates: &[Judged], more: usize, title: impl Fn(&str) -> Option<&'a Arc<str>>) -> Unclear {
    let (mut told, mut shown, mut actions) = (Vec::new(), Vec::new(), Vec::new());
    for judged in candidates {
        let title = title(&judged.id).cloned().unwrap_or_default();
        let why: Vec<String> = judged.why.iter().map(ToString::to_string).collect();
        let name = if title.is_empty() { judged.id.to_string() } else { format!("{title} ({})", judged.id) };
        told.push(format!("{name}: {}", why.join(", ")));
        if !judged.why.contains(&Why::Taken) {
            actions.push(Value::from(format!("{LINK}{}", judged.id)));
        }
        shown.push(Value::object([
            ("key", Value::from(Arc::clone(&judged.id))),
            ("title", Value::from(title)),
            ("likeness", Value::from(judged.score.to_string())),
            ("why", Value::from(why.join(", "))),
        ]));
    }
    actions.push(Value::from(NEW));
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let told = if told.is_empty() { "none of those that were compared is like it".to_owned() } else { told.join("; ") };
    let reason = format!("it may be a {object} that is known already: {told}{more}");
    Unclear { reason, candidates: Value::from(shown), actions }
}

/// A key of 20 letters and digits, which is what the external ids of most systems hold; later ones are greater.
pub(crate) fn new_key() -> Arc<str> {
    const LENGTH: usize = 20;
    let bytes = Uuid::now_v7().into_bytes();
    // The time, and of the random part what is random as a whole.
    let (time, random) = (&bytes[..6], &bytes[10..]);
    let number = time.iter().chain(random).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    let digit = |place: usize| {
        let shift = 5 * (LENGTH - 1 - place);
        char::from(DIGITS[usize::try_from(number >> shift & 31).unwrap_or(0)])
    };
    (0..LENGTH).map(digit).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_keys_are_short_and_differ() {
        let keys: HashSet<Arc<str>> = (0..10_000).map(|_| new_key()).collect();
        assert_eq!(keys.len(), 10_000);
        assert!(keys.iter().all(|key| key.len() == 20 && key.bytes().all(|byte| DIGITS.contains(&byte))));
    }
}
