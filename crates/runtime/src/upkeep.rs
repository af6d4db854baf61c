//! What runs beside the work: telling pages that something changed, and removing what nobody can want any more.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use store::{Mutation, Store, StoreError};
use tokio::sync::watch;

use crate::core::Core;

/// Pages are told at most so often.
const CHANGES_EVERY: Duration = Duration::from_millis(50);
/// How long an event is kept for runs that may listen for it later.
const EVENTS_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long a remembered answer is kept at least; longer where a process API may still tell it.
const ANSWERS_KEPT: SignedDuration = SignedDuration::from_hours(24);
/// How often it is looked for what is old, and how much of it goes in one commit, so that others do not wait long.
const CLEANING_EVERY: Duration = Duration::from_hours(24);
const AT_ONCE: u32 = 1_000;

/// Raises the number that pages watch, soon after each commit.
pub(crate) async fn tell_changes(core: Arc<Core>, changes: watch::Sender<u64>) {
    loop {
        core.changed.notified().await;
        changes.send_modify(|number| *number = number.wrapping_add(1));
        tokio::time::sleep(CHANGES_EVERY).await;
    }
}

/// Removes what is too old, once a day: events, and answers that no process API tells any more.
pub(crate) async fn remove_what_is_old(core: Arc<Core>) {
    let told = core.release.apis.iter().filter_map(|api| Some(api.cache.as_ref()?.stale));
    let longest = told.max().map(|longest| SignedDuration::try_from(longest).unwrap_or(SignedDuration::MAX));
    let answers = longest.unwrap_or_default().max(ANSWERS_KEPT);
    loop {
        let now = core.clock.now();
        let before = |kept: SignedDuration| now.checked_sub(kept).unwrap_or(Timestamp::MIN);
        remove(
            &core,
            before(EVENTS_KEPT),
            |store| store.oldest_event(),
            |before| Mutation::RemoveEventsBefore { before, limit: AT_ONCE },
        )
        .await;
        remove(
            &core,
            before(answers),
            |store| store.oldest_answer(),
            |before| Mutation::RemoveAnswersBefore { before, limit: AT_ONCE },
        )
        .await;
        tokio::time::sleep(CLEANING_EVERY).await;
    }
}

/// Removes what is from before an instant, as long as there is any.
async fn remove(
    core: &Core,
    before: Timestamp,
    oldest: fn(&dyn Store) -> Result<Option<Timestamp>, StoreError>,
    removal: fn(Timestamp) -> Mutation,
) {
    loop {
        let Some(found) = core.read(oldest).await else { return };
        if found.is_none_or(|oldest| oldest >= before) || core.commit(vec![removal(before)], None).await.is_err() {
            return;
        }
    }
}
