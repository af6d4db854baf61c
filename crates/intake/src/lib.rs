//! What comes in: change feeds and pushed notifications, re-read by key and turned into canonical events; with sweeps that
//! find what the feeds lost.
//!
//! A notification says that something changed, never what: the record is read again by its id, so that order, duplicates
//! and gaps of notifications do not matter.
//!
//! ```text
//! topic: items ───────┐
//! push: inbox ────────┼──► line of a feed: ids, merged ──► read, gathered ──► convert: map, resolve, compare
//! sweep: listed ids ──┘         ▲                                                │
//!                               └── parked, until the parent is known ◄──────────┤
//!                                                                                ▼
//!                     place in the topic, inbox rows, versions ◄── one commit ── hand over ──► sink
//! ```
//!
//! A record is under way from its reading until what it led to is durable, so nothing of one record overtakes itself. A place
//! in a topic and a row of the inbox are given up in the commit that holds what they led to, never before; when that commit
//! is repeated after a crash, the record's version in it says that it is no news.

mod convert;
mod figures;
mod handover;
mod inbox;
mod line;
mod parking;
mod places;
mod reading;
mod recent;
mod references;
mod start;
mod sweep;
mod topic;
mod work;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use definitions::Release;
use dispatch::{Clock, Dispatcher};
use futures::future::BoxFuture;
use jiff::Timestamp;
use model::{ConnectionName, EventId, ObjectName, Problem, Value};
use store::{Mutation, Store};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

pub use figures::FeedFigures;

use crate::convert::Finished;
use crate::line::Line;
use crate::parking::Parking;
use crate::references::References;
use crate::sweep::Group;
use crate::topic::Topic;

/// How long [`Intake::stop`] waits for the batch that is being taken.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// A canonical event.
#[derive(Debug, Clone, PartialEq)]
pub struct CanonicalEvent {
    /// Its id.
    pub id: EventId,
    /// The envelope: CloudEvents 1.0 with the canonical object as `data` and its key as `subject`.
    pub envelope: Value,
    /// The canonical object.
    pub object: ObjectName,
    /// Its key.
    pub key: Arc<str>,
    /// When the system's notification reached this process.
    pub arrived: Timestamp,
}

/// A record that cannot become a canonical object.
#[derive(Debug, Clone, PartialEq)]
pub struct Unreadable {
    /// The connection.
    pub connection: ConnectionName,
    /// The feed.
    pub feed: Arc<str>,
    /// The record's id.
    pub id: Arc<str>,
    /// The record as it was read.
    pub record: Value,
    /// Why not, one sentence.
    pub reason: String,
}

/// What the intake hands over: events and unreadable records, with the mutations that belong in the same commit.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Canonical events.
    pub events: Vec<CanonicalEvent>,
    /// Records that need a person.
    pub unreadable: Vec<Unreadable>,
    /// Positions, versions and inbox rows that go with them.
    pub mutations: Vec<Mutation>,
}

/// Who takes the batches. The future resolves when the batch is durable; nothing is acknowledged before.
pub trait Sink: Send + Sync {
    /// Takes a batch.
    fn take(&self, batch: Batch) -> BoxFuture<'_, Result<(), Problem>>;
}

/// A running intake. Cheap to clone. It ends with [`Intake::stop`] or with the last clone.
#[derive(Clone)]
pub struct Intake {
    running: Arc<Running>,
}

/// The tasks of an intake; they end with it.
struct Running {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    /// Finishes the batch that is being taken before it ends.
    handover: Mutex<Option<JoinHandle<()>>>,
}

impl Running {
    fn halt(&self) -> Vec<JoinHandle<()>> {
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.iter().for_each(JoinHandle::abort);
        tasks
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.halt();
    }
}

/// What all tasks share.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) dispatchers: HashMap<ConnectionName, Dispatcher>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sink: Arc<dyn Sink>,
    /// One per feed of the release.
    pub(crate) lines: Vec<Line>,
    pub(crate) topics: Vec<Topic>,
    pub(crate) groups: Vec<Group>,
    pub(crate) parking: Parking,
    pub(crate) references: References,
    /// To what is handed over.
    pub(crate) finished: mpsc::Sender<Vec<Finished>>,
}

impl Shared {
    /// The number of the line of a feed.
    pub(crate) fn line(&self, connection: &str, feed: &str) -> Option<usize> {
        self.lines.iter().position(|line| *line.connection == *connection && *line.feed.name == *feed)
    }

    pub(crate) fn dispatcher(&self, line: &Line) -> Option<&Dispatcher> {
        self.dispatchers.get(&line.feed.connection)
    }
}

impl Intake {
    /// Works off the inbox and follows every feed of the release.
    ///
    /// # Errors
    /// When the store cannot be read, or a connection with feeds has no dispatcher.
    pub async fn start(
        release: Arc<Release>,
        store: Arc<dyn Store>,
        dispatchers: HashMap<ConnectionName, Dispatcher>,
        clock: Arc<dyn Clock>,
        sink: Arc<dyn Sink>,
    ) -> Result<Self, Problem> {
        start::start(&release, store, dispatchers, clock, sink).await
    }

    /// Takes what a system pushed; what this returns for is durable. Gives how many notifications some feed wants; the others
    /// are dropped.
    ///
    /// # Errors
    /// When it is not a notification of this connection, or cannot be stored now.
    pub async fn receive(
        &self,
        connection: &ConnectionName,
        headers: &http::HeaderMap,
        body: &Bytes,
    ) -> Result<usize, Problem> {
        self.running.shared.receive(connection, headers, body).await
    }

    /// Reads a record again and hands it over, whether it changed or not: after a person mended it.
    ///
    /// # Errors
    /// When there is no such feed.
    pub fn reread(&self, connection: &str, feed: &str, id: &str) -> Result<(), Problem> {
        let shared = &self.running.shared;
        let Some(line) = shared.line(connection, feed) else {
            let message = format!("the connection {connection} has no feed {feed} any more");
            return Err(Problem::new("IL-FEED-001", message, "Dismiss the item, or define the feed again"));
        };
        shared.reread(line, id.into());
        Ok(())
    }

    /// A cross-reference was learnt and is durable: changes that waited for it go on.
    pub fn referenced(&self, connection: &str, object: &str, record_id: &str) {
        self.running.shared.referenced(connection, object, record_id);
    }

    /// The counters, one entry per feed.
    #[must_use]
    pub fn figures(&self) -> Vec<FeedFigures> {
        let shared = &self.running.shared;
        (0..shared.lines.len()).map(|line| shared.figures(line)).collect()
    }

    /// Takes nothing new, and waits until the batch that is being taken is. What was not handed over is still in the feed or
    /// the inbox.
    pub async fn stop(&self) {
        for task in self.running.halt() {
            // It was aborted.
            let _ = task.await;
        }
        let handover = self.running.handover.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut handover) = handover
            && tokio::time::timeout(STOP_WITHIN, &mut handover).await.is_err()
        {
            handover.abort();
        }
    }
}
