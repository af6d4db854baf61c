//! What runs beside the work: telling pages that something changed, and removing what nobody can want any more.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use store::Mutation;
use tokio::sync::watch;

use crate::core::Core;

/// Pages are told at most so often.
const CHANGES_EVERY: Duration = Duration::from_millis(50);
/// How long an event is kept for runs that may listen for it later.
const EVENTS_KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How often old events are looked for, and how many go in one commit, so that others do not wait long.
const CLEANING_EVERY: Duration = Duration::from_hours(24);
const EVENTS_AT_ONCE: u32 = 1_000;

/// Raises the number that pages watch, soon after each commit.
pub(crate) async fn tell_changes(core: Arc<Core>, changes: watch::Sender<u64>) {
    loop {
        core.changed.notified().await;
        changes.send_modify(|number| *number = number.wrapping_add(1));
        tokio::time::sleep(CHANGES_EVERY).await;
    }
}

/// Removes events that are too old, once a day.
pub(crate) async fn remove_old_events(core: Arc<Core>) {
    loop {
        let before = core.clock.now().checked_sub(EVENTS_KEPT).unwrap_or(jiff::Timestamp::MIN);
        loop {
            let Some(oldest) = core.read(|store| store.oldest_event()).await else { return };
            if oldest.is_none_or(|oldest| oldest >= before) {
                break;
            }
            let removal = Mutation::RemoveEventsBefore { before, limit: EVENTS_AT_ONCE };
            if core.commit(vec![removal], None).await.is_err() {
                break;
            }
        }
        tokio::time::sleep(CLEANING_EVERY).await;
    }
}
