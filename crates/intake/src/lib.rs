//! What comes in: change feeds and pushed notifications, re-read by key and turned into canonical events; with sweeps that
//! find what the feeds lost.
//!
//! A notification says that something changed, never what: the record is read again by its id, so that order, duplicates
//! and gaps of notifications do not matter. A place in a feed, and a pushed notification, are given up only in the commit
//! that holds what they led to. A change whose parent is not known yet is parked in the inbox and wakes when the
//! cross-reference is learnt; also when it was handed over without its parent meanwhile.

mod beside;
mod convert;
mod coverage;
mod figures;
mod first_load;
mod inbox;
mod parking;
mod record;
mod sweep;
mod topic;
mod work;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use connect::Fate;
use definitions::{Feed, Release};
use dispatch::{Clock, Dispatcher};
use futures::future::BoxFuture;
use jiff::Timestamp;
use model::{ConnectionName, EventId, ObjectName, Problem, Value};
use store::{InboxRow, Mutation, Store};
use tokio::task::JoinHandle;

pub use convert::{forced_look_row, look_again_row, look_row};
pub use coverage::GapReason;
pub use figures::{CoverageFigures, FeedFigures, GapFigures, LoadFigures};
pub use first_load::loading;
pub use inbox::{NotReceived, Received, RefusedEvent};
pub use parking::parked_row_id;

use crate::parking::{Parent, Parking};
use crate::record::Line;

/// A canonical event.
#[derive(Debug, Clone)]
pub struct CanonicalEvent {
    /// Its id.
    pub id: EventId,
    /// The envelope: CloudEvents 1.0 with the canonical object as `data` and its key as `subject`.
    pub envelope: Value,
    /// The canonical object.
    pub object: ObjectName,
    /// Its key.
    pub key: Arc<str>,
    /// The feed that it came through.
    pub feed: Arc<Feed>,
    /// The record's id in the feed's system.
    pub record: Arc<str>,
    /// When the reading of the record began.
    pub read_at: Timestamp,
    /// Whether it is another than the one that was handed over last; one that is not is of use only to who compares himself.
    pub news: bool,
    /// Whether it was there before anybody listened: it tells what is, not that something happened.
    pub loaded: bool,
    /// Whether it is handed over only to start what waited for the end of an earlier run: those who listen have heard of it.
    pub again: bool,
    /// Which occasion of the record it is; 0 where the feed counts none, or there was none yet.
    pub occasion: u32,
    /// When the system's notification reached this process.
    pub arrived: Timestamp,
    /// From when on it can be heard: for a record that names parents, when these were looked up, which may be long after it
    /// arrived; otherwise the same.
    pub complete: Timestamp,
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
    /// The values that value maps do not know (`mapping::MappingError::unmapped`); `null` for none.
    pub unmapped: Value,
    /// What a person can choose, where it can be read and only is not clear which object it is.
    pub choice: Option<Choice>,
}

/// Which object a record may be.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The queue of the object's people.
    pub queue: Option<Arc<str>>,
    /// The kind of object.
    pub object: Arc<str>,
    /// The objects that it may be, with what speaks for them.
    pub candidates: Value,
    /// The names of what can be done.
    pub actions: Value,
}

/// A record that is not there any more, of an object that systems are kept in agreement about.
#[derive(Debug, Clone)]
pub struct Gone {
    /// The feed that it came through.
    pub feed: Arc<Feed>,
    /// The record's id.
    pub record: Arc<str>,
    /// What has become of it.
    pub fate: Fate,
    /// Names this finding.
    pub id: EventId,
    /// When the system's notification reached this process.
    pub arrived: Timestamp,
}

/// What the intake hands over: events and unreadable records, with the mutations that belong in the same commit.
#[derive(Debug, Default)]
pub struct Batch {
    /// Canonical events.
    pub events: Vec<CanonicalEvent>,
    /// Records that need a person.
    pub unreadable: Vec<Unreadable>,
    /// Records that are not there any more, of those that anybody knows.
    pub gone: Vec<Gone>,
    /// All records that were looked for and are not there, by the feeds that looked.
    pub absent: Vec<(Arc<Feed>, Arc<str>)>,
    /// Positions, versions and inbox rows that go with them.
    pub mutations: Vec<Mutation>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.unreadable.is_empty()
            && self.gone.is_empty()
            && self.absent.is_empty()
            && self.mutations.is_empty()
    }
}

/// Who takes the batches. The future resolves when the batch is durable; nothing is acknowledged before.
pub trait Sink: Send + Sync {
    /// Takes a batch.
    fn take(&self, batch: Batch) -> BoxFuture<'_, Result<(), Problem>>;

    /// Every record that there was of an object before the first start has been handed over.
    fn loaded(&self, object: &ObjectName);
}

/// A running intake. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) dispatchers: HashMap<ConnectionName, Dispatcher>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sink: Arc<dyn Sink>,
    /// One per feed of the release, in its order.
    pub(crate) lines: Vec<Arc<Line>>,
    pub(crate) parking: Parking,
    /// Objects of which every reading is handed over, whether it is news or not, with the systems that hold them.
    pub(crate) compared: HashMap<ObjectName, Vec<ConnectionName>>,
    /// The lines of each object whose records are not all read for the first time yet.
    pub(crate) loading: Mutex<HashMap<ObjectName, HashSet<usize>>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Intake {
    /// Works off the inbox and follows every feed of the release.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn start(
        release: Arc<Release>,
        store: Arc<dyn Store>,
        dispatchers: HashMap<ConnectionName, Dispatcher>,
        clock: Arc<dyn Clock>,
        sink: Arc<dyn Sink>,
    ) -> Result<Self, Problem> {
        let feeds = release.connections.values().flat_map(|connection| connection.feeds.values());
        let lines = feeds.enumerate().map(|(place, feed)| Arc::new(Line::new(place, Arc::clone(feed)))).collect();
        let (parking, tasks) = (Parking::default(), Mutex::default());
        let sides = release.synchronised.iter();
        let compared =
            sides.map(|(object, one)| (object.clone(), one.policy.sides.keys().cloned().collect())).collect();
        let loading = Mutex::default();
        let shared = Arc::new(Shared { store, dispatchers, clock, sink, lines, parking, compared, loading, tasks });
        shared.recover_coverage().map_err(|error| error.problem())?;
        shared.recover().await?;
        let loads = shared.first_loads(&release);
        for place in 0..shared.lines.len() {
            shared.spawn(Arc::clone(&shared).work_off(place));
            if shared.lines[place].feed.sweep.is_some() {
                shared.spawn(Arc::clone(&shared).sweep(place));
            }
        }
        for (connection, topic) in shared.topics() {
            shared.spawn(Arc::clone(&shared).follow(connection, topic));
        }
        shared.spawn(Arc::clone(&shared).wake_parked());
        for place in loads {
            shared.spawn(Arc::clone(&shared).load_first(place));
        }
        Ok(Self { shared })
    }

    /// Takes what a system pushed, except what cannot be used of it; what this returns for is durable.
    ///
    /// # Errors
    /// When none of it is a notification of this connection, or it cannot be stored now.
    pub async fn receive(
        &self,
        connection: &ConnectionName,
        headers: &http::HeaderMap,
        body: &Bytes,
    ) -> Result<Received, NotReceived> {
        self.shared.receive(connection, headers, body).await
    }

    /// Reads a record as an inbox row says, which goes with what that leads to.
    pub fn look(&self, row: &InboxRow) {
        self.shared.take_row(row);
    }

    /// A cross-reference was learnt: changes that waited for it go on, and those that were handed over without it come again.
    pub fn referenced(&self, connection: &str, object: &str, key: &str, record_id: &str) {
        self.shared.wake(&Parent::record(&connection.into(), object, &record_id.into()));
        self.shared.wake(&Parent::key(&connection.into(), object, &key.into()));
    }

    /// Looks now whether parents have become known that changes wait for, as is done every 30 seconds by itself.
    pub async fn look_for_parents(&self) {
        self.shared.look_for_parents(true).await;
    }

    /// The counters.
    #[must_use]
    pub fn figures(&self) -> Vec<FeedFigures> {
        let (now, waiting) = (self.shared.clock.now(), self.shared.parking.counts());
        let count = |line: &Line| waiting.get(&line.place).copied().unwrap_or_default();
        self.shared.lines.iter().map(|line| line.figures(now, count(line))).collect()
    }

    /// Takes nothing new.
    pub async fn stop(&self) {
        let tasks = std::mem::take(&mut *self.shared.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in &tasks {
            task.abort();
        }
        for task in tasks {
            // What was not handed over is still in the feed or the inbox.
            let _ = task.await;
        }
    }
}

impl Shared {
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(tokio::spawn(future));
    }

    /// Hands a batch over, and tries again for as long as it cannot be kept.
    pub(crate) async fn hand_over(&self, batch: Batch) {
        if batch.is_empty() {
            return;
        }
        // A batch is handed over by value: what is needed to try again is kept aside.
        let Batch { events, unreadable, gone, mutations, absent } = batch;
        let mut wait = std::time::Duration::from_millis(100);
        loop {
            let (events, unreadable) = (events.clone(), unreadable.clone());
            let batch =
                Batch { events, unreadable, gone: gone.clone(), mutations: mutations.clone(), absent: absent.clone() };
            match self.sink.take(batch).await {
                Ok(()) => return,
                Err(problem) => {
                    tracing::error!(%problem, "what came in cannot be kept; it is tried again");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(std::time::Duration::from_secs(10));
                }
            }
        }
    }
}
