//! Subscribed feeds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use connect::{CallError, ChangeKind, ErrorClass, FeedError, FeedItem, FeedRequest, Opened, Position};
use definitions::FeedSource;
use dispatch::ConnectionState;
use jiff::Timestamp;
use model::{ConnectionName, Problem};
use policy::Backoff;
use store::{FeedPositionRow, Mutation};
use tokio::sync::mpsc;

use crate::coverage::GapReason;
use crate::work::Work;
use crate::{Batch, Shared};

/// Items of a subscription that wait here; the feed is not asked for more before they are worked off.
const BUFFER: usize = 64;
/// Items that are worked off in one go.
const GATHER_MAX: usize = 200;
/// A subscription that has been open for so long works: a system may accept one and refuse it a moment later.
const STEADY: Duration = Duration::from_secs(5);

/// What was told of a topic that cannot be followed, so that the same is not told at every try.
#[derive(Default)]
struct Trouble {
    told: Option<(ErrorClass, String)>,
}

impl Trouble {
    /// A subscription failed, after so many others in a row; `refused` when the connection as a whole is. Whether that was
    /// worth a line.
    fn failed(
        &mut self,
        (connection, topic): (&ConnectionName, &str),
        error: &CallError,
        failures: u32,
        refused: bool,
        swept: bool,
    ) -> bool {
        let known = self.told.as_ref().is_some_and(|(class, code)| *class == error.class && *code == error.code);
        let is_told_otherwise = match error.class {
            // A stream that ends is opened again.
            ErrorClass::Unavailable => failures == 0,
            // Who cannot sign in is told of once, and not by each of its feeds.
            ErrorClass::Unauthorized => failures == 0 || refused,
            _ => false,
        };
        if known || is_told_otherwise {
            return false;
        }
        let meanwhile = match swept {
            true => "sweeps find what it would tell",
            false => "nothing else tells of its changes, as it has no `sweep`",
        };
        tracing::warn!(%connection, %topic, %error, "a feed cannot be followed; {meanwhile}");
        self.told = Some((error.class, error.code.clone()));
        true
    }

    /// It is followed.
    fn over(&mut self, connection: &ConnectionName, topic: &str) -> bool {
        let was_told = self.told.take().is_some();
        if was_told {
            tracing::warn!(%connection, %topic, "a feed is followed again");
        }
        was_told
    }
}

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

    /// Changes from an instant on were not told, and no sweep finds them: that is all that can be done about it.
    fn lose(&self, place: usize, from: Timestamp, reason: GapReason) {
        let line = &self.lines[place];
        let until = self.clock.now();
        line.count(|counters| counters.lost_windows += 1);
        let message =
            format!("changes of {} from {from} to {until} are lost: {reason}, and it has no `sweep`", line.feed);
        let remedy = "compare the systems with `interlock reconcile`, and give the feed a `sweep`";
        let problem = Problem::new("IL-FEED-005", message, remedy);
        tracing::error!("{problem}");
    }

    /// Follows a topic for ever.
    pub(crate) async fn follow(self: Arc<Self>, connection: ConnectionName, topic: Arc<str>) {
        let places = self.places_of(&connection, &topic);
        let Some(dispatcher) = self.dispatchers.get(&connection).cloned() else { return };
        let backoff =
            Backoff { first: Duration::from_millis(200), growth_percent: 200, longest: Duration::from_secs(30) };
        let mut failures = 0_u32;
        let mut lost = false;
        let mut left_at = self.clock.now();
        let mut trouble = Trouble::default();
        loop {
            let stored = if lost { Ok(None) } else { self.store.feed_position(connection.as_str(), &topic) };
            let after = match stored {
                Ok(row) => row.map(|row| {
                    left_at = row.at;
                    Position(row.position)
                }),
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
            let opened = Opened::default();
            let request = FeedRequest { topic: Arc::clone(&topic), after, opened: opened.clone() };
            let following = async {
                tokio::join!(
                    feed.subscribe(request, sender),
                    self.drain(&connection, &topic, &places, receiver, &opened)
                )
            };
            let steady = AtomicBool::new(false);
            let works = async {
                opened.told().await;
                self.set_connected(&places, true);
                tokio::time::sleep(STEADY).await;
                steady.store(true, Ordering::Relaxed);
                trouble.over(&connection, &topic);
                std::future::pending::<()>().await;
            };
            let (result, heard) = tokio::select! {
                ended = following => ended,
                () = works => return,
            };
            self.set_connected(&places, false);
            if heard || steady.into_inner() {
                failures = 0;
            }
            match &result {
                Err(FeedError::PositionLost(reason)) => {
                    tracing::warn!(%connection, %topic, %reason, "the place in the feed is gone");
                    lost = true;
                    for place in &places {
                        let line = &self.lines[*place];
                        if line.feed.sweep.is_none() {
                            self.lose(*place, left_at, GapReason::PlaceLost);
                            continue;
                        }
                        tracing::warn!(feed = %line.feed, since = %left_at, "what was missed is swept");
                        self.doubt(*place, left_at, GapReason::PlaceLost).await;
                        line.sweep_now.notify_one();
                    }
                }
                Err(FeedError::Call(error)) => {
                    let refused = dispatcher.figures().state == ConnectionState::Refused;
                    let swept = places.iter().all(|place| self.lines[*place].feed.sweep.is_some());
                    trouble.failed((&connection, &topic), error, failures, refused, swept);
                }
                Ok(()) => {}
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
        opened: &Opened,
    ) -> bool {
        let mut heard = false;
        let mut items = Vec::new();
        while receiver.recv_many(&mut items, GATHER_MAX).await > 0 {
            if !heard {
                heard = true;
                opened.tell();
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
                batch.mutations.extend(self.keep(line, &mut waiting));
                parked.push((*place, waiting));
                turns.push(versions);
            }
            // What is missing is kept in the commit in which the place moves over what told of it.
            let mut coverage_turns = Vec::new();
            for place in places {
                let told = |item: &FeedItem| item.changes.iter().any(|change| change.kind == ChangeKind::Overflow);
                if items.iter().any(told) {
                    coverage_turns.push(self.lines[*place].coverage_turn.lock().await);
                    batch.mutations.extend(self.coverage_row(*place));
                }
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
            drop(coverage_turns);
            for (place, waiting) in parked {
                self.park(&self.lines[place], waiting).await;
            }
            drop(turns);
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
            line.count(|counters| counters.changes += 1);
            if change.kind == ChangeKind::Overflow && *change.record == *line.feed.record {
                if line.feed.sweep.is_none() {
                    self.lose(place, change.at, GapReason::Overflow);
                }
                line.prove(|ledger| ledger.doubt(change.at, now, GapReason::Overflow));
                line.sweep_now.notify_one();
            }
            let is_nothing = change.kind == ChangeKind::Deleted && !self.compared.contains_key(&line.feed.object);
            if change.ours || is_nothing || !line.feed.wants(change) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_that_cannot_be_followed_is_told_once_per_reason() {
        let place = (&ConnectionName::from("crm"), "/data/Quote");
        let mut trouble = Trouble::default();
        assert!(!trouble.over(place.0, place.1));
        let unreachable = CallError::new(ErrorClass::Unavailable, "gRPC Unavailable", "a certificate of somebody else");
        assert!(!trouble.failed(place, &unreachable, 0, false, true), "a stream may end");
        assert!(trouble.failed(place, &unreachable, 1, false, true));
        assert!(!trouble.failed(place, &unreachable, 2, false, true), "the same");
        let unknown = CallError::new(ErrorClass::Misconfigured, "gRPC NotFound", "no such topic");
        assert!(trouble.failed(place, &unknown, 3, false, true), "another reason");
        assert!(trouble.over(place.0, place.1));
        assert!(trouble.failed(place, &unknown, 0, false, true), "another time");
    }

    #[test]
    fn refused_credentials_are_left_to_the_connection_unless_only_the_feed_is_refused() {
        let place = (&ConnectionName::from("crm"), "/data/Quote");
        let mut trouble = Trouble::default();
        let refused = CallError::new(ErrorClass::Unauthorized, "gRPC PermissionDenied", "no");
        assert!(!trouble.failed(place, &refused, 0, false, true) && !trouble.failed(place, &refused, 1, true, true));
        assert!(trouble.failed(place, &refused, 2, false, true));
    }
}
