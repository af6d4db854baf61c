//! The inbox: pushed notifications are kept before they are acknowledged, and whatever is not worked off is taken up again
//! when Interlock starts.

use std::sync::Arc;

use bytes::Bytes;
use connect::PushedChange;
use jiff::Timestamp;
use model::{ConnectionName, EventId, Problem, Value};
use store::{InboxRow, Mutation};
use tokio::time::Instant;

use crate::Shared;
use crate::convert::Finished;
use crate::reading::{Origin, Reading, Receipt, Row};

/// Records of one feed that may wait before pushed notifications are turned away; the sender keeps them and comes again.
const BACKLOG_MAX: usize = 200_000;

/// Id of the row of a parked record.
pub(crate) fn parked_row_id(feed: &str, id: &str) -> Arc<str> {
    format!("parked:{feed}/{id}").into()
}

/// What the row of a parked record says.
pub(crate) fn parked(feed: &Arc<str>, id: &Arc<str>, at: Timestamp, since: Timestamp) -> Value {
    Value::object([
        ("feed", Value::from(Arc::clone(feed))),
        ("id", Value::from(Arc::clone(id))),
        ("at", Value::from(at.to_string())),
        ("parked", Value::from(since.to_string())),
    ])
}

fn pushed_row(connection: &ConnectionName, change: &PushedChange, now: Timestamp) -> InboxRow {
    let content = Value::object([
        ("type", Value::from(Arc::clone(&change.event_type))),
        ("at", Value::from(change.at.to_string())),
        ("keys", change.keys.clone()),
    ]);
    InboxRow { connection: connection.as_str().into(), id: Arc::clone(&change.id), content, at: now }
}

impl Shared {
    /// Takes up what was kept and not worked off when the last process ended.
    pub(crate) async fn take_up(&self, rows: Vec<InboxRow>) {
        let now = self.clock.now();
        for row in rows {
            let instant = |name: &str| row.content.get(name).as_str().and_then(|text| text.parse::<Timestamp>().ok());
            let at = instant("at").unwrap_or(row.at);
            let Some(feed) = row.content.get("feed").as_str() else {
                let change = PushedChange {
                    id: Arc::clone(&row.id),
                    event_type: row.content.get("type").as_str().unwrap_or_default().into(),
                    at,
                    keys: row.content.get("keys").clone(),
                };
                if self.take_pushed(&ConnectionName::new(Arc::clone(&row.connection)), &change, row.at).await == 0 {
                    self.discard(row);
                }
                continue;
            };
            let (line, id) = (self.line(&row.connection, feed), row.content.get("id").as_str());
            let Some((place, id)) = line.zip(id.map(Arc::<str>::from)) else {
                self.discard(row);
                continue;
            };
            let mut reading = Reading::new(Arc::clone(&id), at, now, Origin::Notified);
            match instant("parked") {
                // The row goes when the record leaves its parking place.
                Some(since) => self.parking.restore(place, id, since, at, row.at),
                None => {
                    (reading.forced, reading.told) = (true, None);
                    reading.receipts.push(Receipt::Row(Row::new(row.id, 1)));
                }
            }
            self.lines[place].put([reading]);
        }
    }

    /// A row that no feed of this release is for.
    fn discard(&self, row: InboxRow) {
        tracing::warn!(connection = %row.connection, id = %row.id, content = %row.content,
            "a notification that was kept belongs to no feed any more and is dropped");
        // Should this not be written, it is tried at the next start.
        drop(self.store.commit(vec![Mutation::RemoveInbox { connection: row.connection, id: row.id }]));
    }

    pub(crate) async fn receive(
        &self,
        connection: &ConnectionName,
        headers: &http::HeaderMap,
        body: &Bytes,
    ) -> Result<usize, Problem> {
        let Some(dispatcher) = self.dispatchers.get(connection) else {
            let message = format!("there is no connection {connection}");
            return Err(Problem::new("IL-FEED-003", message, "Push to `/events/` and the name of a connection"));
        };
        let pushed = dispatcher.connection().receive(headers, body).map_err(|error| {
            let message = format!("this is not a notification of {connection}: {}", error.message);
            Problem::new("IL-FEED-004", message, "Send events in the form that the system documents")
        })?;
        let now = self.clock.now();
        let is_wanted = |change: &PushedChange| self.pushed_to(connection, change).next().is_some();
        let (wanted, others): (Vec<_>, Vec<_>) = pushed.into_iter().partition(is_wanted);
        if !others.is_empty() {
            let types = others.iter().map(|change| &*change.event_type).collect::<Vec<_>>();
            tracing::debug!(%connection, ?types, "notifications that no feed is for");
        }
        if wanted.is_empty() {
            return Ok(0);
        }
        let places = wanted.iter().flat_map(|change| self.pushed_to(connection, change));
        if places.into_iter().any(|place| self.lines[place].backlog() >= BACKLOG_MAX) {
            let message = format!("more notifications of {connection} wait than may");
            return Err(Problem::new(
                "IL-FEED-005",
                message,
                "Send it again later: the system is not answering fast enough",
            ));
        }
        let rows = wanted.iter().map(|change| Mutation::PutInbox(pushed_row(connection, change, now)));
        // Before anything is read: the row is there before it is removed, and a caller who goes away changes nothing.
        let kept = self.store.commit(rows.collect());
        for change in &wanted {
            self.take_pushed(connection, change, now).await;
        }
        kept.durable().await.map_err(|error| error.problem())?;
        Ok(wanted.len())
    }

    /// The feeds that a notification is for.
    fn pushed_to(&self, connection: &ConnectionName, change: &PushedChange) -> impl Iterator<Item = usize> {
        let lines = self.lines.iter().enumerate();
        lines
            .filter(|(_, line)| line.feed.connection == *connection && line.feed.matches_push(&change.event_type))
            .map(|(place, _)| place)
    }

    /// Has the records of a notification read that is kept or about to be. Gives the number of feeds it is for.
    async fn take_pushed(&self, connection: &ConnectionName, change: &PushedChange, arrived: Timestamp) -> usize {
        let places: Vec<usize> = self.pushed_to(connection, change).collect();
        let row = Row::new(Arc::clone(&change.id), places.len());
        for &place in &places {
            let line = &self.lines[place];
            line.count(|counters| {
                counters.changes += 1;
                counters.last_change = counters.last_change.max(Some(change.at));
            });
            let receipt = Receipt::Row(Arc::clone(&row));
            match line.feed.push_id(change) {
                Ok(id) => line.put([Reading::new(id, change.at, arrived, Origin::Notified).with(receipt)]),
                Err(error) => self.nameless(place, change, arrived, receipt, error.to_string()).await,
            }
        }
        places.len()
    }

    /// A notification that names no record is for a person.
    async fn nameless(&self, place: usize, change: &PushedChange, arrived: Timestamp, receipt: Receipt, why: String) {
        let line = &self.lines[place];
        let reading = Reading::new(Arc::clone(&change.id), change.at, arrived, Origin::Notified).with(receipt);
        // Forced: it is not compared with anything.
        let reading = Reading { forced: true, ..reading };
        let Ok(made) = self.unreadable(line, &reading, change.keys.clone(), why) else { return };
        let finished = Finished { line: place, reading, begun: Instant::now(), made, unparked: false };
        // Nobody takes it any more when everything stops; its row stays.
        let _ = self.finished.send(vec![finished]).await;
    }

    /// Has a record read and handed over whatever it says. Kept in the inbox, in case everything ends before.
    pub(crate) fn reread(&self, place: usize, id: Arc<str>) {
        let line = &self.lines[place];
        let now = self.clock.now();
        let row_id: Arc<str> = format!("reread:{}/{id}/{}", line.feed.name, EventId::now()).into();
        let content = Value::object([
            ("feed", Value::from(Arc::clone(&line.feed.name))),
            ("id", Value::from(Arc::clone(&id))),
            ("at", Value::from(now.to_string())),
        ]);
        let row = InboxRow { connection: Arc::clone(&line.connection), id: Arc::clone(&row_id), content, at: now };
        drop(self.store.commit(vec![Mutation::PutInbox(row)]));
        let reading = Reading::new(id, now, now, Origin::Notified).with(Receipt::Row(Row::new(row_id, 1)));
        line.put([Reading { forced: true, told: None, ..reading }]);
    }
}
