//! What is in no hurry waits until connections have caught up.

use std::time::Duration;

use model::ConnectionName;
use tokio::time::Instant;

use crate::Dispatcher;

/// So many writes may wait for a connection before more is made of what was there for years.
const WAITING_MAX: u64 = 1_000;
/// How often it is looked whether they have become fewer.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// A wait that is so long is told in the log: shorter ones belong to a load.
const TOLD_AFTER: Duration = Duration::from_secs(60);

/// Waits until few writes wait for any of these connections, so that what follows from a first load does not pile up. `waits` is
/// told of the connection that it waits for, and of none when that is over; the log is told of what waits when it takes long.
pub async fn wait_for_few(dispatchers: &[Dispatcher], what: &str, mut waits: impl FnMut(Option<&ConnectionName>)) {
    let begun = Instant::now();
    let mut named: Option<&ConnectionName> = None;
    let mut is_told = false;
    let is_crowded = |dispatcher: &&Dispatcher| dispatcher.figures().waiting > WAITING_MAX;
    while let Some(dispatcher) = dispatchers.iter().find(is_crowded) {
        let connection = &dispatcher.definition().name;
        if named.replace(connection) != Some(connection) {
            waits(Some(connection));
        }
        if !is_told && begun.elapsed() >= TOLD_AFTER {
            is_told = true;
            let waiting = dispatcher.figures().waiting;
            tracing::warn!(%connection, waiting, "{what} waits for {connection}, for which many writes wait; it goes on by itself");
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    if named.is_some() {
        waits(None);
    }
    if is_told {
        tracing::warn!("{what} goes on");
    }
}
