//! Pushed notifications: kept before they are acknowledged, worked off afterwards, picked up again after a crash.

use std::sync::Arc;

use bytes::Bytes;
use model::{ConnectionName, Problem};
use store::Mutation;

use crate::Shared;
use crate::convert::inbox_row;
use crate::work::Work;

impl Shared {
    /// What was kept and not worked off when the last process ended.
    pub(crate) async fn recover(self: &Arc<Self>) -> Result<(), Problem> {
        let store = Arc::clone(&self.store);
        let rows = tokio::task::spawn_blocking(move || store.inbox()).await;
        let rows = match rows {
            Ok(rows) => rows.map_err(|error| error.problem())?,
            Err(_) => {
                return Err(Problem::new("IL-FEED-002", "the inbox could not be read", "start Interlock again"));
            }
        };
        let now = self.clock.now();
        for row in rows {
            let (feed, id) = (row.content.get("feed").as_str(), row.content.get("id").as_str());
            let line = self
                .lines
                .iter()
                .find(|line| line.feed.connection.as_str() == &*row.connection && Some(&*line.feed.name) == feed);
            let Some((line, id)) = line.zip(id) else {
                tracing::warn!(connection = %row.connection, id = %row.id, "a kept notification belongs to no feed");
                continue;
            };
            let at = row.content.get("at").as_str().and_then(|at| at.parse().ok()).unwrap_or(row.at);
            line.put([Work { inbox: vec![row.id], ..Work::new(id.into(), at, now) }]);
        }
        Ok(())
    }

    pub(crate) async fn receive(
        &self,
        connection: &ConnectionName,
        headers: &http::HeaderMap,
        body: &Bytes,
    ) -> Result<usize, Problem> {
        let Some(dispatcher) = self.dispatchers.get(connection) else {
            let message = format!("there is no connection {connection}");
            return Err(Problem::new("IL-FEED-003", message, "push to `/events/` and the name of a connection"));
        };
        let pushed = dispatcher.connection().receive(headers, body).map_err(|error| {
            let message = format!("this is not a notification of {connection}: {}", error.message);
            Problem::new("IL-FEED-004", message, "send CloudEvents as the system documents them")
        })?;
        let now = self.clock.now();
        let (mut mutations, mut works) = (Vec::new(), Vec::new());
        for (place, line) in self.lines.iter().enumerate().filter(|(_, line)| line.feed.connection == *connection) {
            for change in pushed.iter().filter(|change| line.feed.matches_push(&change.event_type)) {
                line.count(|counters| counters.changes += 1);
                let id = line.feed.push_id(change).map_err(|error| {
                    Problem::new("IL-FEED-004", error.to_string(), "correct `id` of the feed, or what the system sends")
                })?;
                let row_id: Arc<str> = format!("{}/{}", change.id, line.feed.name).into();
                mutations.push(Mutation::PutInbox(inbox_row(line, Arc::clone(&row_id), &id, change.at, now)));
                works.push((place, Work { inbox: vec![row_id], ..Work::new(id, change.at, now) }));
            }
        }
        let taken = works.len();
        if taken > 0 {
            self.store.commit(mutations).durable().await.map_err(|error| error.problem())?;
            for (place, work) in works {
                self.lines[place].put([work]);
            }
        }
        Ok(taken)
    }
}
