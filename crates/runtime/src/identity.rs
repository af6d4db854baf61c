//! Which canonical object a record is: by its cross-reference, by the key that it carries, or by the rules of the object; a new
//! one otherwise. One at a time, so that the first records of two systems at once do not become two objects.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use definitions::Synchronised;
use intake::CanonicalEvent;
use model::{Problem, Value};
use store::{Mutation, ReferenceRow, Store, StoreError};
use uuid::Uuid;

use crate::core::Core;

/// How many objects may look like a record before nobody looks further.
const CANDIDATES_MAX: u32 = 10;
/// Letters and digits that cannot be taken for each other.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What is known of a record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Identity {
    /// It is this object.
    Is(Arc<str>),
    /// A person has to say which one it is, for this reason.
    Unclear(String),
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
    let _one_at_a_time = core.identity.lock().await;
    let store = Arc::clone(&core.store);
    let found = tokio::task::spawn_blocking(move || {
        let mut learnt = Learnt::default();
        let identities = records
            .iter()
            .map(|record| record.as_ref().map(|record| record.identify(&*store, &mut learnt)).transpose());
        identities.collect::<Result<Vec<_>, _>>().map(|identities| (identities, learnt.mutations))
    });
    let (identities, mutations) =
        found.await.map_err(|_| crate::routing::stopping())?.map_err(|error: StoreError| error.problem())?;
    core.commit(mutations, None).await?;
    Ok(identities)
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
        let values = self.synchronised.match_values(&self.object);
        if let Some(key) = self.object.get("key").as_str().filter(|key| !key.is_empty()).map(Arc::<str>::from) {
            let succeeds = self.synchronised.successors.contains(&*self.connection);
            if let Some(other) = linked(learnt, &key)?.filter(|_| !succeeds) {
                let reason = format!(
                    "{} has two records with the key {key}: {other}, which is linked, and {}. Give one of them another key, or merge them there",
                    self.connection, self.record
                );
                return Ok(Identity::Unclear(reason));
            }
            let known = learnt.known.contains(&(Arc::clone(&object), Arc::clone(&key)))
                || store.synced(&object, &key)?.is_some();
            self.learn(learnt, &object, &key, (!known).then_some(values));
            return Ok(Identity::Is(key));
        }
        let mut candidates: Vec<Arc<str>> = Vec::new();
        for value in &values {
            let before = learnt.matches.get(&(Arc::clone(&object), Arc::clone(value))).cloned().unwrap_or_default();
            for key in store.matches(&object, value, CANDIDATES_MAX)?.into_iter().chain(before) {
                if !candidates.contains(&key) {
                    candidates.push(key);
                }
            }
        }
        match candidates.as_slice() {
            [] => {
                let key = new_key();
                self.learn(learnt, &object, &key, Some(values));
                Ok(Identity::Is(key))
            }
            [key] => match linked(learnt, key)? {
                None => {
                    let key = Arc::clone(key);
                    self.learn(learnt, &object, &key, None);
                    Ok(Identity::Is(key))
                }
                Some(other) => Ok(Identity::Unclear(format!(
                    "it looks like {object} {key}, which is record {other} of {} already. Merge the two there, or change what they have in common",
                    self.connection
                ))),
            },
            several => Ok(Identity::Unclear(format!(
                "it looks like {} of {object}: {}. Change what it has in common with them, or put the right key into it",
                several.len(),
                several.iter().map(|key| &**key).collect::<Vec<_>>().join(", ")
            ))),
        }
    }

    /// The record is this object; with values to be recognised by when the object is new.
    fn learn(&self, learnt: &mut Learnt, object: &Arc<str>, key: &Arc<str>, values: Option<Vec<Arc<str>>>) {
        let place = |last: &Arc<str>| (Arc::clone(object), Arc::clone(&self.connection), Arc::clone(last));
        learnt.keys.insert(place(&self.record), Arc::clone(key));
        learnt.records.insert(place(key), Arc::clone(&self.record));
        learnt.mutations.push(Mutation::PutReference(ReferenceRow {
            object: Arc::clone(object),
            key: Arc::clone(key),
            connection: Arc::clone(&self.connection),
            record_id: Arc::clone(&self.record),
        }));
        let Some(values) = values else { return };
        learnt.known.insert((Arc::clone(object), Arc::clone(key)));
        for value in &values {
            learnt.matches.entry((Arc::clone(object), Arc::clone(value))).or_default().push(Arc::clone(key));
        }
        learnt.mutations.push(Mutation::PutMatchKeys { object: Arc::clone(object), key: Arc::clone(key), values });
    }
}

/// A key of 20 letters and digits, which is what the external ids of most systems hold; later ones are greater.
fn new_key() -> Arc<str> {
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
