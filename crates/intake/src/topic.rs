//! Subscribed topics: each is followed once for all feeds on it, for ever.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connect::{Change, ChangeKind, FeedError, FeedItem, FeedRequest, Position};
use dispatch::Dispatcher;
use jiff::Timestamp;
use model::ConnectionName;
use policy::Backoff;
use tokio::sync::mpsc;

use crate::Shared;
use crate::places::Places;
use crate::reading::{Origin, Reading, Receipt};
use crate::work::random;

/// Items that wait between the connector and here; the feed is not asked for more when it is full.
const BUFFER: usize = 16;
/// A subscription that has not ended after so long stands.
const STANDS: Duration = Duration::from_secs(2);
/// Waits between subscriptions.
const AGAIN: Backoff =
    Backoff { first: Duration::from_millis(200), growth_percent: 200, longest: Duration::from_secs(30) };

/// One topic of one connection.
pub(crate) struct Topic {
    pub(crate) connection: ConnectionName,
    pub(crate) name: Arc<str>,
    /// Numbers of the lines of its feeds.
    pub(crate) lines: Vec<usize>,
    pub(crate) places: Places,
    /// Where to begin, as it was stored when this process started.
    stored: Option<Position>,
    /// When that was heard after which everything is worked off.
    covered: Mutex<Option<Timestamp>>,
}

impl Topic {
    pub(crate) fn new(
        connection: ConnectionName,
        name: Arc<str>,
        lines: Vec<usize>,
        stored: Option<(Position, Timestamp)>,
    ) -> Self {
        let (stored, covered) = stored.unzip();
        Self { connection, name, lines, places: Places::default(), stored, covered: Mutex::new(covered) }
    }

    /// Until when everything that the topic told is worked off.
    pub(crate) fn covered(&self) -> Option<Timestamp> {
        *self.covered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place that was heard at this instant is durable.
    pub(crate) fn reached(&self, at: Timestamp) {
        *self.covered.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }
}

impl Shared {
    /// Follows a topic for ever.
    pub(crate) async fn follow(self: Arc<Self>, number: usize, dispatcher: Dispatcher) {
        let topic = &self.topics[number];
        let mut after = topic.stored.clone();
        let mut failures = 0_u32;
        loop {
            let (result, heard) = self.subscription(number, &dispatcher, &mut after).await;
            self.set_connected(number, false);
            if heard {
                failures = 0;
            }
            failures = failures.saturating_add(1);
            let mut asked = None;
            match result {
                Ok(()) => tracing::debug!(connection = %topic.connection, topic = %topic.name, "the feed ended"),
                Err(FeedError::PositionLost(reason)) => {
                    tracing::warn!(connection = %topic.connection, topic = %topic.name, reason,
                        "the place in the feed is gone: it is followed from now on, and what lies between is swept");
                    after = None;
                }
                Err(FeedError::Call(error)) => {
                    asked = error.retry_after;
                    tracing::warn!(connection = %topic.connection, topic = %topic.name, failures,
                        class = error.class.word(), %error, "the feed broke off: it is followed again");
                }
            }
            tokio::time::sleep(AGAIN.wait(failures, random(), asked)).await;
        }
    }

    fn set_connected(&self, number: usize, connected: bool) {
        for place in &self.topics[number].lines {
            self.lines[*place].count(|counters| counters.connected = connected);
        }
    }

    /// Follows a topic until the subscription ends; keeps `after` up with what was heard. Tells whether anything was.
    async fn subscription(
        &self,
        number: usize,
        dispatcher: &Dispatcher,
        after: &mut Option<Position>,
    ) -> (Result<(), FeedError>, bool) {
        let (sender, mut items) = mpsc::channel(BUFFER);
        let connection = dispatcher.connection();
        let request = FeedRequest { topic: Arc::clone(&self.topics[number].name), after: after.clone() };
        let subscription = connection.subscribe(request, sender);
        // Without a place the feed begins somewhere from now on: what was before is swept, once it surely has begun.
        let mut is_fresh = after.is_none();
        let mut heard = false;
        let take = async {
            let stands = tokio::time::sleep(STANDS);
            tokio::pin!(stands);
            let mut waits = true;
            loop {
                let item = tokio::select! {
                    item = items.recv() => item,
                    () = &mut stands, if waits => {
                        waits = false;
                        self.set_connected(number, true);
                        if is_fresh {
                            self.sweep_gap(number, None).await;
                        }
                        continue;
                    }
                };
                let Some(item) = item else { return };
                if !heard {
                    self.set_connected(number, true);
                }
                heard = true;
                if std::mem::take(&mut is_fresh) {
                    self.sweep_gap(number, None).await;
                }
                *after = Some(item.position.clone());
                self.take_item(number, item).await;
            }
        };
        // The sender goes with the subscription, so what was sent before it ended is taken as well.
        let (result, ()) = tokio::join!(subscription, take);
        (result, heard)
    }

    /// Has what an item tells of read.
    async fn take_item(&self, number: usize, item: FeedItem) {
        let topic = &self.topics[number];
        topic.places.room().await;
        let now = self.clock.now();
        let place = topic.places.next();
        let mut readings: Vec<(usize, Vec<Reading>)> = topic.lines.iter().map(|line| (*line, Vec::new())).collect();
        let mut count = 0;
        for change in &item.changes {
            if change.kind == ChangeKind::Overflow {
                self.sweep_gap(number, Some(change)).await;
            }
            for (line, readings) in &mut readings {
                let Some(origin) = self.origin(*line, change) else { continue };
                count += change.ids.len();
                readings.extend(
                    change.ids.iter().map(|id| {
                        Reading::new(Arc::clone(id), change.at, now, origin).with(Receipt::Item(number, place))
                    }),
                );
            }
        }
        // The item stands before its first reading can be done.
        topic.places.put(item.position, now, count);
        for (line, readings) in readings {
            if !readings.is_empty() {
                self.lines[line].put(readings);
            }
        }
    }

    /// Whether a feed has the records of a change read, and on what ground.
    fn origin(&self, place: usize, change: &Change) -> Option<Origin> {
        let line = &self.lines[place];
        if *change.record != *line.feed.record {
            return None;
        }
        let origin = match change.kind {
            ChangeKind::Deleted | ChangeKind::Overflow => None,
            // Nobody knows what changed, so nobody knows that it was only what we wrote ourselves.
            ChangeKind::Unknown => Some(Origin::Gap),
            ChangeKind::Created | ChangeKind::Updated | ChangeKind::Undeleted => {
                (!change.ours && line.feed.wants(change)).then_some(Origin::Notified)
            }
        };
        line.count(|counters| {
            counters.changes += 1;
            counters.last_change = counters.last_change.max(Some(change.at));
            counters.dropped += u64::from(origin.is_none() && change.kind != ChangeKind::Overflow);
        });
        origin
    }

    /// The topic has lost track: of a kind of record since a change, or of everything since it was last worked off. What
    /// changed is swept; that it has to be is durable when this returns.
    async fn sweep_gap(&self, number: usize, overflow: Option<&Change>) {
        let topic = &self.topics[number];
        let heard = topic.covered();
        let since = match overflow {
            Some(change) => Some(heard.map_or(change.at, |heard| heard.min(change.at))),
            None => heard,
        };
        for group in &self.groups {
            let is_meant = group.lines.iter().any(|line| topic.lines.contains(line))
                && overflow.is_none_or(|change| *change.record == *group.record);
            if is_meant {
                self.demand(group, since).await;
            }
        }
    }
}
