//! After the first load: what each side has is known, so what a side has not is made there. Before that nothing is made anywhere,
//! because what one side lacks may be a record that was only not read yet.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use dispatch::Dispatcher;
use jiff::Timestamp;
use model::{ConnectionName, ObjectName};
use store::{FeedPositionRow, Mutation, Store, StoreError};
use sync::Agreement;
use tokio::sync::{Notify, oneshot};

use crate::core::Core;
use crate::lane::DAMAGED;
use crate::lane_id::LaneId;
use crate::work::Work;

/// Where it is kept how far an object is, among the places of feeds.
const PLACES: &str = "@agreement";
/// Objects that are looked at in one go.
const AT_ONCE: u32 = 500;
/// How long it waits after something failed that may mend itself.
const PAUSE: Duration = Duration::from_secs(1);
/// The place of an object that is done.
const DONE: &[u8] = b"done";
/// What stands before the last key that was looked at.
const AFTER: &[u8] = b"after ";

/// The objects whose first load is not over.
#[derive(Default)]
pub(crate) struct Loading {
    objects: RwLock<HashSet<ObjectName>>,
    over: Notify,
}

/// Has the objects looked at anew that are about to be loaded again, because another system has them now, too: what is done
/// was done without it.
///
/// # Errors
/// When the store cannot be used.
pub(crate) fn begin_anew(loading: &HashSet<ObjectName>, store: &dyn Store, now: Timestamp) -> Result<(), StoreError> {
    let mut mutations = Vec::new();
    for object in loading {
        let stored = store.feed_position(PLACES, object.as_str())?;
        if stored.is_some_and(|row| row.position != AFTER) {
            mutations.push(place_row(&object.as_str().into(), AFTER.to_vec(), now));
        }
    }
    if mutations.is_empty() { Ok(()) } else { store.commit(mutations).durable_blocking() }
}

fn place_row(object: &Arc<str>, position: Vec<u8>, at: Timestamp) -> Mutation {
    Mutation::PutFeedPosition(FeedPositionRow { connection: PLACES.into(), feed: Arc::clone(object), position, at })
}

impl Loading {
    pub(crate) fn new(objects: HashSet<ObjectName>) -> Self {
        Self { objects: RwLock::new(objects), over: Notify::new() }
    }

    /// Whether it is not known yet which records the sides have of this object.
    pub(crate) fn is_loading(&self, object: &str) -> bool {
        self.objects.read().unwrap_or_else(PoisonError::into_inner).contains(object)
    }

    /// It is known now.
    pub(crate) fn over(&self, object: &ObjectName) {
        self.objects.write().unwrap_or_else(PoisonError::into_inner).remove(object);
        self.over.notify_one();
    }
}

/// Whether what an object lacked somewhere after its first load is made, or on its way.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn are_made(store: &dyn Store, object: &ObjectName) -> Result<bool, StoreError> {
    Ok(store.feed_position(PLACES, object.as_str())?.is_some_and(|row| row.position == DONE))
}

/// Looks at each object once after its first load, and has made what a side lacks.
pub(crate) async fn make(core: Arc<Core>, dispatchers: HashMap<ConnectionName, Dispatcher>) {
    let mut left: Vec<ObjectName> = core.release.synchronised.keys().cloned().collect();
    loop {
        let mut waiting = Vec::new();
        for object in left {
            if core.loading.is_loading(object.as_str()) {
                waiting.push(object);
            } else if make_all(&core, &dispatchers, &object).await.is_none() {
                return;
            }
        }
        if waiting.is_empty() {
            return;
        }
        left = waiting;
        core.loading.over.notified().await;
    }
}

/// `None` when the process ends.
async fn make_all(
    core: &Arc<Core>,
    dispatchers: &HashMap<ConnectionName, Dispatcher>,
    object: &ObjectName,
) -> Option<()> {
    let synchronised = core.release.synchronised.get(object).cloned()?;
    let name: Arc<str> = object.as_str().into();
    let stored = {
        let name = Arc::clone(&name);
        core.read(move |store| store.feed_position(PLACES, &name)).await?
    };
    let stored = stored.map(|row| row.position).unwrap_or_default();
    if stored == DONE {
        return Some(());
    }
    let mut after: Arc<str> =
        stored.strip_prefix(AFTER).and_then(|key| std::str::from_utf8(key).ok()).unwrap_or_default().into();
    // What was taken in while it was loading is made by nobody else: it has to be seen here.
    core.pass_lanes().await?;
    let sides = synchronised.policy.sides.keys().filter_map(|side| dispatchers.get(side).cloned());
    let sides: Vec<Dispatcher> = sides.collect();
    let what = format!("making what systems lack of {name}");
    loop {
        dispatch::wait_for_few(&sides, &what, |_| {}).await;
        let (read, from) = (Arc::clone(&name), Arc::clone(&after));
        let rows = core.read(move |store| store.synced_after(&read, &from, AT_ONCE)).await?;
        let last = rows.len() < AT_ONCE as usize;
        let mut answers = Vec::new();
        for row in &rows {
            // What cannot be read is told by who works on it.
            let lacks = Agreement::from_value(&row.state).is_ok_and(|state| {
                state.lacks_a_record(&synchronised.policy) || crate::waits::may_wait(&synchronised, &state)
            });
            if lacks {
                let (answer, answered) = oneshot::channel();
                let pair = (Arc::clone(&name), Arc::clone(&row.key));
                core.send(LaneId::of_matter(&name, &row.key), Work::Review(pair, answer));
                answers.push(answered);
            }
        }
        let mut all = true;
        for answer in answers {
            let Err(problem) = answer.await.ok()? else { continue };
            tracing::error!(code = problem.code, %problem, "an object cannot be looked at");
            // What is damaged stays so, and is told of. Anything else is looked at once more.
            all &= problem.code == DAMAGED;
        }
        if !all {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        if let Some(row) = rows.last() {
            after = Arc::clone(&row.key);
        }
        let position = if last { DONE.to_vec() } else { [AFTER, after.as_bytes()].concat() };
        if let Err(problem) = core.commit(vec![place_row(&name, position, core.clock.now())], None).await {
            if core.trouble.is_given_up() {
                return None;
            }
            tracing::error!(code = problem.code, %problem, "it cannot be stored how far records are made; tried again");
            core.pause().await;
            continue;
        }
        if last {
            return Some(());
        }
    }
}

#[cfg(test)]
mod tests {
    use store::SqliteStore;

    use super::*;

    #[test]
    fn what_is_loaded_again_is_looked_at_again_and_nothing_else_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = SqliteStore::open(&folder.path().join("test.db")).expect("a store");
        let now = Timestamp::UNIX_EPOCH;
        for object in ["customer", "product"] {
            store.commit(vec![place_row(&object.into(), DONE.to_vec(), now)]).durable_blocking().expect("durable");
        }
        let loading = [ObjectName::from("customer"), ObjectName::from("price")].into();
        begin_anew(&loading, &store, now).expect("durable");
        let place = |object: &str| store.feed_position(PLACES, object).expect("read").map(|row| row.position);
        assert_eq!(place("customer").as_deref(), Some(AFTER), "from the first one on");
        assert_eq!(place("product").as_deref(), Some(DONE));
        assert_eq!(place("price"), None);
    }
}
