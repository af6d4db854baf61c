//! Subscribed feeds.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use connect::{ChangeKind, FeedError, FeedItem, FeedRequest, Position};
use definitions::FeedSource;
use jiff::Timestamp;
use model::ConnectionName;
use policy::Backoff;
use store::{FeedPositionRow, Mutation};
use tokio::sync::mpsc;

use crate::work::Work;
use crate::{Batch, Shared};

/// Items of a subscription that wait here; the feed is not asked for more before they are worked off.
const BUFFER: usize = 64;
/// Items that are worked off in one go.
const GATHER_MAX: usize = 200;

impl Shared {
    /// Every topic of every connection that some feed follows, once.
    pub(crate) fn topics(&self) -> Vec<(ConnectionName, Arc<str>)> {
        let mut found: Vec<(ConnectionName, Arc<str>)> = Vec::new();
        for line in &self.lines {
            if let FeedSource::Topic(topic) = &line.feed.source {
                let topic = (line.feed.connection.clone(), Arc::clone(topic));
                if !found.contains(&topic) {
                    found.push(topic);
                }
            }
        }
        found
    }

    fn places_of(&self, connection: &ConnectionName, topic: &str) -> Vec<usize> {
        let follows = |place: &usize| {
            let feed = &self.lines[*place].feed;
            feed.connection == *connection && matches!(&feed.source, FeedSource::Topic(own) if **own == *topic)
        };
        (0..self.lines.len()).filter(follows).collect()
    }

    /// Follows a topic for ever.
    pub(crate) async fn follow(self: Arc<Self>, connection: ConnectionName, topic: Arc<str>) {
        let places = self.places_of(&connection, &topic);
        let Some(dispatcher) = self.dispatchers.get(&connection).cloned() else { return };
        let backoff =
            Backoff { first: Duration::from_millis(200), growth_percent: 200, longest: Duration::from_secs(30) };
        let mut failures = 0_u32;
        let mut lost = false;
        loop {
            let stored = if lost { Ok(None) } else { self.store.feed_position(connection.as_str(), &topic) };
            let after = match stored {
                Ok(row) => row.map(|row| Position(row.position)),
                Err(error) => {
                    tracing::error!(%error, "the place in a feed cannot be read");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            lost = false;
            if after.is_none() {
                for place in &places {
                    let line = &self.lines[*place];
                    line.unproven.store(true, Ordering::Relaxed);
                    line.sweep_now.notify_one();
                }
            }
            let (sender, receiver) = mpsc::channel(BUFFER);
            let feed = dispatcher.connection();
            let request = FeedRequest { topic: Arc::clone(&topic), after };
            let subscription = feed.subscribe(request, sender);
            self.set_connected(&places, true);
            let (result, heard) = tokio::join!(subscription, self.drain(&connection, &topic, &places, receiver));
            self.set_connected(&places, false);
            if heard {
                failures = 0;
            }
            if let Err(FeedError::PositionLost(reason)) = &result {
                tracing::warn!(%connection, %topic, %reason, "the place in the feed is gone; what was missed is swept");
                lost = true;
                for place in &places {
                    self.lines[*place].sweep_now.notify_one();
                }
            }
            failures = failures.saturating_add(1);
            let wait = backoff.wait(failures, u64::from(failures).wrapping_mul(0x9e37_79b9), None);
            tokio::time::sleep(wait).await;
        }
    }

    /// The feed has spoken: what came before its first word is swept once more, and from then on it is complete.
    fn prove(&self, places: &[usize]) {
        for place in places {
            let line = &self.lines[*place];
            if line.unproven.swap(false, Ordering::Relaxed) {
                line.sweep_now.notify_one();
            }
        }
    }

    fn set_connected(&self, places: &[usize], connected: bool) {
        for place in places {
            self.lines[*place].count(|counters| counters.connected = connected);
        }
    }

    /// Works off items until the subscription ends. Tells whether there were any.
    async fn drain(
        &self,
        connection: &ConnectionName,
        topic: &Arc<str>,
        places: &[usize],
        mut receiver: mpsc::Receiver<FeedItem>,
    ) -> bool {
        let mut heard = false;
        let mut items = Vec::new();
        while receiver.recv_many(&mut items, GATHER_MAX).await > 0 {
            if !heard {
                heard = true;
                self.prove(places);
            }
            let now = self.clock.now();
            let position = items.last().map(|item: &FeedItem| item.position.clone());
            let mut batch = Batch::default();
            let mut parked = Vec::new();
            // One batch holds what all feeds make of these items, so that the place moves with the last of it.
            let mut turns = Vec::with_capacity(places.len());
            for place in places {
                let line = &self.lines[*place];
                let works = self.works(*place, &items, now);
                let mut versions = line.turn.lock().await;
                let mut waiting = self.convert(line, &mut versions, works, &mut batch).await;
                batch.mutations.extend(self.keep(*place, &mut waiting));
                parked.push((*place, waiting));
                turns.push(versions);
            }
            if let Some(Position(position)) = position {
                let (connection, feed) = (connection.as_str().into(), Arc::clone(topic));
                batch.mutations.push(Mutation::PutFeedPosition(FeedPositionRow {
                    connection,
                    feed,
                    position,
                    at: now,
                }));
            }
            self.hand_over(batch).await;
            drop(turns);
            for (place, waiting) in parked {
                self.park(place, waiting).await;
            }
            items.clear();
        }
        heard
    }

    /// The records that a feed wants to read because of these items, each once.
    fn works(&self, place: usize, items: &[FeedItem], now: Timestamp) -> Vec<Work> {
        let line = &self.lines[place];
        let mut works: Vec<Work> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for change in items.iter().flat_map(|item| &item.changes) {
            line.count(|counters| {
                counters.changes += 1;
                counters.covered_until = counters.covered_until.max(Some(change.at));
            });
            let overflow = change.kind == ChangeKind::Overflow;
            if overflow && *change.record == *line.feed.record {
                line.sweep_now.notify_one();
            }
            if change.ours || change.kind == ChangeKind::Deleted || !line.feed.wants(change) {
                line.count(|counters| counters.dropped += 1);
                continue;
            }
            for id in &change.ids {
                let work = Work::new(Arc::clone(id), change.at, now);
                match places.get(id) {
                    Some(at) => {
                        let known: &mut Work = &mut works[*at];
                        known.merge(work);
                    }
                    None => {
                        places.insert(Arc::clone(id), works.len());
                        works.push(work);
                    }
                }
            }
        }
        works
    }
}
