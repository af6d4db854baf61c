//! What is being done right now and must happen once: who holds a business key, and who waits for it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use definitions::{Effect, Function};
use model::IntentId;
use store::IntentRow;

/// Connection, function and business key of something that must happen once.
pub(crate) type BusinessKey = (Arc<str>, Arc<str>, Arc<str>);

/// What must not be done twice at the same time.
pub(crate) fn business_key(row: &IntentRow, function: &Function) -> Option<BusinessKey> {
    // The row of an intent that waited for another one has none, because the store takes only one intent for each key.
    let key = match &row.business_key {
        Some(key) => Arc::clone(key),
        None if function.effect == Effect::Once => function.business_key(&row.request).ok()??,
        None => return None,
    };
    Some((Arc::clone(&row.connection), Arc::clone(&row.function), key))
}

/// A round of a lane task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RoundId {
    /// The place of the task.
    pub(crate) task: usize,
    pub(crate) number: u64,
}

struct Holder {
    intent: IntentId,
    /// The round in which it is over, from then on until that is durable: what the same round stores is stored with it.
    leaves: Option<RoundId>,
    waiting: VecDeque<IntentId>,
}

/// What became of the wish to hold a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entered {
    /// The intent holds it.
    Holds,
    /// Another one holds it; this one's turn comes.
    Waits,
    /// Another one holds it, and this one does not wait.
    Taken,
}

/// The business keys that are held. An intent that looks first waits for the one before it and links what that one made.
#[derive(Default)]
pub(crate) struct Once(Mutex<HashMap<BusinessKey, Holder>>);

impl Once {
    fn keys(&self) -> MutexGuard<'_, HashMap<BusinessKey, Holder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An intent wants a key in a round. One whose holder is over waits in any case until that is durable, as the store takes one
    /// intent for each key.
    pub(crate) fn enter(&self, key: &BusinessKey, intent: IntentId, waits: bool, round: RoundId) -> Entered {
        let mut keys = self.keys();
        match keys.get_mut(key) {
            None => {
                keys.insert(key.clone(), Holder { intent, leaves: None, waiting: VecDeque::new() });
                Entered::Holds
            }
            Some(holder) if holder.leaves == Some(round) && holder.waiting.is_empty() => {
                (holder.intent, holder.leaves) = (intent, None);
                Entered::Holds
            }
            Some(holder) if waits || holder.leaves.is_some() => {
                holder.waiting.push_back(intent);
                Entered::Waits
            }
            Some(_) => Entered::Taken,
        }
    }

    /// An intent is over, which is not durable yet.
    pub(crate) fn leaves(&self, key: &BusinessKey, intent: IntentId, round: RoundId) {
        if let Some(holder) = self.keys().get_mut(key).filter(|holder| holder.intent == intent) {
            holder.leaves = Some(round);
        }
    }

    /// An intent is over, or given up. Gives the one whose turn it is now.
    pub(crate) fn leave(&self, key: &BusinessKey, intent: IntentId) -> Option<IntentId> {
        let mut keys = self.keys();
        let holder = keys.get_mut(key)?;
        if holder.intent != intent {
            holder.waiting.retain(|other| *other != intent);
            return None;
        }
        match holder.waiting.pop_front() {
            Some(next) => {
                (holder.intent, holder.leaves) = (next, None);
                Some(next)
            }
            None => {
                keys.remove(key);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: RoundId = RoundId { task: 0, number: 7 };
    const NEXT: RoundId = RoundId { task: 0, number: 8 };
    const OTHER: RoundId = RoundId { task: 1, number: 7 };

    #[test]
    fn a_key_goes_from_one_to_the_next() {
        let once = Once::default();
        let key: BusinessKey = ("erp".into(), "create".into(), "C-1".into());
        let [first, second, third, fourth] = std::array::from_fn(|_| IntentId::now());
        assert_eq!(once.enter(&key, first, true, ROUND), Entered::Holds);
        assert_eq!(once.enter(&key, second, true, OTHER), Entered::Waits);
        assert_eq!(once.enter(&key, third, true, ROUND), Entered::Waits);
        assert_eq!(once.enter(&key, fourth, false, ROUND), Entered::Taken);
        assert_eq!(once.leave(&key, second), None, "one that waits may go");
        assert_eq!(once.leave(&key, first), Some(third));
        assert_eq!(once.leave(&key, third), None);
        assert_eq!(once.enter(&key, fourth, false, ROUND), Entered::Holds);
    }

    #[test]
    fn until_it_is_durable_that_one_is_over_only_its_own_round_has_the_key() {
        let once = Once::default();
        let key: BusinessKey = ("erp".into(), "create".into(), "C-1".into());
        let [first, second, third, fourth] = std::array::from_fn(|_| IntentId::now());
        assert_eq!(once.enter(&key, first, false, ROUND), Entered::Holds);
        once.leaves(&key, first, ROUND);
        assert_eq!(
            once.enter(&key, second, false, ROUND),
            Entered::Holds,
            "it is stored with the end of the first one"
        );
        assert_eq!(once.leave(&key, first), None, "the first one is nobody any more");
        once.leaves(&key, second, ROUND);
        assert_eq!(once.enter(&key, third, false, OTHER), Entered::Waits);
        assert_eq!(once.enter(&key, fourth, false, NEXT), Entered::Waits, "behind the other one");
        assert_eq!(once.leave(&key, second), Some(third));
        assert_eq!(once.leave(&key, third), Some(fourth));
        assert_eq!(once.leave(&key, fourth), None);
    }
}
