//! What is in no hurry waits until connections have caught up.

use std::collections::HashMap;
use std::time::Duration;

use model::ConnectionName;

use crate::Dispatcher;

/// So many writes may wait for a connection before more is made of what was there for years.
const WAITING_MAX: u64 = 1_000;
/// How often it is looked whether they have become fewer.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Waits until few writes wait for any of these connections, so that what follows from a first load does not pile up.
pub async fn wait_for_few(dispatchers: &HashMap<ConnectionName, Dispatcher>) {
    while dispatchers.values().any(|dispatcher| dispatcher.figures().waiting > WAITING_MAX) {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
