//! After the first load: what each side has is known, so what a side has not is made there. Before that nothing is made anywhere,
//! because what one side lacks may be a record that was only not read yet.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use dispatch::Dispatcher;
use model::{ConnectionName, ObjectName};
use store::{FeedPositionRow, Mutation};
use sync::Agreement;
use tokio::sync::{Notify, oneshot};

use crate::core::Core;
use crate::lane_id::LaneId;
use crate::work::Work;

/// Where it is kept how far an object is, among the places of feeds.
const PLACES: &str = "@agreement";
/// Objects that are looked at in one go.
const AT_ONCE: u32 = 500;
/// So many writes may wait for a connection before the next objects are looked at.
const WAITING_MAX: u64 = 2_000;
/// How often it is looked whether they have become fewer.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
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
    loop {
        while dispatchers.values().any(|dispatcher| dispatcher.figures().waiting > WAITING_MAX) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
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
        for answer in answers {
            if let Err(problem) = answer.await.ok()? {
                tracing::error!(code = problem.code, %problem, "an object cannot be looked at");
            }
        }
        if let Some(row) = rows.last() {
            after = Arc::clone(&row.key);
        }
        let position = if last { DONE.to_vec() } else { [AFTER, after.as_bytes()].concat() };
        let row =
            FeedPositionRow { connection: PLACES.into(), feed: Arc::clone(&name), position, at: core.clock.now() };
        core.commit(vec![Mutation::PutFeedPosition(row)], None).await.ok()?;
        if last {
            return Some(());
        }
    }
}
