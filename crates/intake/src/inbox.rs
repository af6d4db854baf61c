//! Pushed notifications: kept before they are acknowledged, worked off afterwards, picked up again after a crash.

use std::sync::Arc;

use bytes::Bytes;
use connect::{PushedChange, RefusedChange};
use definitions::FeedSource;
use model::{ConnectionName, Problem, Value};
use store::{InboxRow, Mutation};

use crate::Shared;
use crate::convert::{AGAIN, FORCED, hash, inbox_row};
use crate::parking::{LOADED, orphan_parents};
use crate::record::Line;
use crate::work::Work;

/// So many of the refused events of one request are named in the log.
const REFUSED_TOLD: usize = 10;

/// A pushed event that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedEvent {
    /// Its place in the request, from 0.
    pub index: usize,
    /// The sender's id of it, where it has one that can be used.
    pub id: Option<Arc<str>>,
    /// Why not, one sentence without a full stop.
    pub reason: String,
}

/// What became of a pushed request of which something could be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// How many notifications are durable now, one for each feed that they belong to.
    pub taken: usize,
    /// The events that were not taken.
    pub refused: Vec<RefusedEvent>,
}

/// Why nothing of a pushed request was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct NotReceived {
    /// The cause and its remedy.
    pub problem: Problem,
    /// Its events, when none of them could be used.
    pub refused: Vec<RefusedEvent>,
}

impl From<Problem> for NotReceived {
    fn from(problem: Problem) -> Self {
        Self { problem, refused: Vec::new() }
    }
}

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
        rows.iter().for_each(|row| self.take_row(row));
        Ok(())
    }

    /// Takes up what a row says.
    pub(crate) fn take_row(&self, row: &InboxRow) {
        let now = self.clock.now();
        let (feed, id) = (row.content.get("feed").as_str(), row.content.get("id").as_str());
        let line = self
            .lines
            .iter()
            .find(|line| line.feed.connection.as_str() == &*row.connection && Some(&*line.feed.name) == feed);
        let Some((line, id)) = line.zip(id) else {
            tracing::warn!(connection = %row.connection, id = %row.id, "a kept notification belongs to no feed");
            return;
        };
        let at = row.content.get("at").as_str().and_then(|at| at.parse().ok()).unwrap_or(row.at);
        let is = |name: &str| row.content.get(name).as_bool() == Some(true);
        let (loaded, forced, again) = (is(LOADED), is(FORCED), is(AGAIN));
        let work = Work { inbox: vec![Arc::clone(&row.id)], loaded, forced, again, ..Work::new(id.into(), at, now) };
        match orphan_parents(line, &row.content) {
            parents if parents.is_empty() => line.put([work]),
            // It was handed over: it is not read before a parent is known.
            parents => self.parking.put(line.place, parents, Work { orphan: true, ..work }),
        }
    }

    pub(crate) async fn receive(
        &self,
        connection: &ConnectionName,
        headers: &http::HeaderMap,
        body: &Bytes,
    ) -> Result<Received, NotReceived> {
        let Some(dispatcher) = self.dispatchers.get(connection) else {
            let message = format!("there is no connection {connection}");
            return Err(Problem::new("IL-FEED-003", message, "push to `/events/` and the name of a connection").into());
        };
        let pushed = dispatcher
            .connection()
            .receive(headers, body)
            .map_err(|error| self.not_a_notification(connection, &error.message, Vec::new()))?;
        let lines = || self.lines.iter().filter(|line| line.feed.connection == *connection);
        let now = self.clock.now();
        let (mut mutations, mut works, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        let mut usable = pushed.is_empty();
        for (index, change) in pushed.into_iter().enumerate() {
            let change = match change {
                Ok(change) => change,
                Err(RefusedChange { id, event_type, reason }) => {
                    self.count_refused(connection, event_type.as_deref());
                    refused.push(RefusedEvent { index, id, reason });
                    continue;
                }
            };
            let (mut taken, mut failed) = (false, false);
            for line in lines().filter(|line| line.feed.matches_push(&change.event_type)) {
                line.count(|counters| counters.changes += 1);
                let id = match line.feed.push_id(&change) {
                    Ok(id) => id,
                    Err(error) => {
                        line.count(|counters| counters.refused += 1);
                        let id = Some(Arc::clone(&change.id));
                        refused.push(RefusedEvent { index, id, reason: error.to_string() });
                        failed = true;
                        continue;
                    }
                };
                let row_id = row_id(&change, &line.feed.name, &id);
                mutations.push(Mutation::PutInbox(inbox_row(line, Arc::clone(&row_id), &id, change.at, now)));
                works.push((line.place, Work { inbox: vec![row_id], ..Work::new(id, change.at, now) }));
                taken = true;
            }
            // What belongs to no feed is not wanted, but there is nothing wrong with it.
            usable |= taken || !failed;
        }
        if !usable {
            let reason = refused.first().map(|first| first.reason.clone()).unwrap_or_default();
            return Err(self.not_a_notification(connection, &reason, refused));
        }
        let taken = works.len();
        if taken > 0 {
            self.store.commit(mutations).durable().await.map_err(|error| error.problem())?;
            for (place, work) in works {
                self.lines[place].put([work]);
            }
        }
        tell_of(connection, &refused);
        Ok(Received { taken, refused })
    }

    /// Counts for the feeds that it may have been for: all that are pushed, when it does not tell its type.
    fn count_refused(&self, connection: &ConnectionName, event_type: Option<&str>) {
        let concerns = |line: &&Arc<Line>| match event_type {
            Some(event_type) => line.feed.matches_push(event_type),
            None => matches!(line.feed.source, FeedSource::Push(_)),
        };
        let own = self.lines.iter().filter(|line| line.feed.connection == *connection);
        own.filter(concerns).for_each(|line| line.count(|counters| counters.refused += 1));
    }

    fn not_a_notification(&self, connection: &ConnectionName, reason: &str, refused: Vec<RefusedEvent>) -> NotReceived {
        if refused.is_empty() {
            tracing::warn!(%connection, %reason, "a pushed request is refused: it cannot be read");
            self.count_refused(connection, None);
        }
        tell_of(connection, &refused);
        let message = match refused.len() {
            0 | 1 => format!("this is not a notification of {connection}: {reason}"),
            _ => format!("none of these is a notification of {connection}; the first: {reason}"),
        };
        let remedy = "send CloudEvents as the system documents them; where they are right, correct `id` of the feed";
        NotReceived { problem: Problem::new("IL-FEED-004", message, remedy), refused }
    }
}

/// What is pushed twice is one row: the same notification of the same sender for the same record.
fn row_id(change: &PushedChange, feed: &str, record: &Arc<str>) -> Arc<str> {
    let rest = Value::array([Value::from(Arc::clone(&change.source)), Value::from(Arc::clone(record))]);
    format!("{}/{feed}/{}", change.id, hash("", &rest)).into()
}

/// One line in the log for the refused events of one request.
fn tell_of(connection: &ConnectionName, refused: &[RefusedEvent]) {
    if refused.is_empty() {
        return;
    }
    let told = refused
        .iter()
        .take(REFUSED_TOLD)
        .map(|event| format!("{} ({}): {}", event.id.as_deref().unwrap_or("without an id"), event.index, event.reason));
    let told = told.collect::<Vec<_>>().join("; ");
    tracing::warn!(%connection, events = refused.len(), %told, "pushed events are refused");
}
