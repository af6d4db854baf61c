//! Handing over: what is ready is gathered, and with it go the places, versions and inbox rows that it stands for.
//!
//! One batch is under way at a time. So everything before a batch is durable when it is gathered, and a place in a feed may
//! go with the last of what it stands for. What is no news waits a moment for company, so that it costs no commit of its own.

use std::sync::Arc;
use std::time::Duration;

use policy::Backoff;
use store::{FeedPositionRow, InboxRow, Mutation, RecordVersionRow};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

use crate::convert::{Finished, Made, is_heard};
use crate::inbox;
use crate::reading::{Origin, Receipt, Sweeper};
use crate::work::random;
use crate::{Batch, Shared};

/// So many readings go into one batch at the most; a batch is closed before the chunk that would be too much.
const GATHER_MAX: usize = 256;
/// How long what is no news waits for company.
const LINGER: Duration = Duration::from_millis(20);
/// How often places move on that stand for nothing.
const TICK: Duration = Duration::from_secs(1);
/// Waits when a batch cannot be kept.
const AGAIN: Backoff =
    Backoff { first: Duration::from_millis(100), growth_percent: 200, longest: Duration::from_secs(10) };

/// A batch and what is to be told when it is durable.
#[derive(Default)]
struct Load {
    batch: Batch,
    finished: Vec<Told>,
    sweepers: Vec<Sweeper>,
    /// Topics whose place moves, and when that was heard.
    places: Vec<(usize, jiff::Timestamp)>,
}

/// A reading whose outcome is in a batch.
struct Told {
    line: usize,
    id: Arc<str>,
    told: Option<jiff::Timestamp>,
    origin: Origin,
    begun: Instant,
    version: Option<Arc<str>>,
    parked: bool,
}

impl Load {
    const fn is_urgent(&self) -> bool {
        !self.batch.events.is_empty() || !self.batch.unreadable.is_empty()
    }

    fn is_full(&self) -> bool {
        self.finished.len() >= GATHER_MAX
    }
}

impl Shared {
    /// Hands over whatever is ready, until everything stops.
    pub(crate) async fn hand_over(
        self: Arc<Self>,
        mut finished: mpsc::Receiver<Vec<Finished>>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut load = Load::default();
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                made = finished.recv() => match made {
                    Some(made) => self.load(&mut load, made),
                    None => return,
                },
                _ = tick.tick() => {}
            }
            let lingers_until = Instant::now() + LINGER;
            while !load.is_full() {
                if let Ok(made) = finished.try_recv() {
                    self.load(&mut load, made);
                    continue;
                }
                if load.is_urgent() || load.finished.is_empty() {
                    break;
                }
                match tokio::time::timeout_at(lingers_until, finished.recv()).await {
                    Ok(Some(made)) => self.load(&mut load, made),
                    Ok(None) | Err(_) => break,
                }
            }
            self.move_places(&mut load);
            if !self.keep(&load.batch, &mut stop).await {
                return;
            }
            self.confirm(load);
        }
    }

    /// Adds readings and what they stand for.
    fn load(&self, load: &mut Load, made: Vec<Finished>) {
        for Finished { line: place, reading, begun, made, unparked } in made {
            let line = &self.lines[place];
            let connection = || Arc::clone(&line.connection);
            let mutations = &mut load.batch.mutations;
            for receipt in reading.receipts {
                match receipt {
                    Receipt::Row(row) if row.done() => {
                        mutations.push(Mutation::RemoveInbox { connection: connection(), id: Arc::clone(&row.id) });
                    }
                    Receipt::Row(_) => {}
                    Receipt::Item(topic, item) => self.topics[topic].places.done(item),
                    Receipt::Sweep(sweeper) => load.sweepers.push(sweeper),
                }
            }
            if unparked {
                let id = inbox::parked_row_id(&line.feed.name, &reading.id);
                mutations.push(Mutation::RemoveInbox { connection: connection(), id });
            }
            let (mut version, mut parked) = (None, false);
            match made {
                Made::Event(event, of) => {
                    load.batch.events.push(*event);
                    version = Some(of);
                }
                Made::Unreadable(unreadable, of) => {
                    load.batch.unreadable.push(*unreadable);
                    version = Some(of);
                }
                Made::Parked(since) => {
                    parked = true;
                    mutations.push(Mutation::PutInbox(InboxRow {
                        connection: connection(),
                        id: inbox::parked_row_id(&line.feed.name, &reading.id),
                        content: inbox::parked(&line.feed.name, &reading.id, reading.at, since),
                        at: since,
                    }));
                }
                Made::Nothing => {}
            }
            if let Some(version) = &version {
                mutations.push(Mutation::PutRecordVersion(RecordVersionRow {
                    connection: connection(),
                    record: Arc::clone(&line.feed.name),
                    id: Arc::clone(&reading.id),
                    version: Arc::clone(version),
                }));
            }
            let (id, told, origin) = (reading.id, reading.told, reading.origin);
            load.finished.push(Told { line: place, id, told, origin, begun, version, parked });
        }
    }

    fn move_places(&self, load: &mut Load) {
        for (number, topic) in self.topics.iter().enumerate() {
            let Some((position, at)) = topic.places.settle() else { continue };
            load.places.push((number, at));
            load.batch.mutations.push(Mutation::PutFeedPosition(FeedPositionRow {
                connection: topic.connection.as_str().into(),
                feed: Arc::clone(&topic.name),
                position: position.0,
                at,
            }));
        }
    }

    /// Tries until the batch is durable. Gives false when everything stops before.
    async fn keep(&self, batch: &Batch, stop: &mut watch::Receiver<bool>) -> bool {
        if batch.mutations.is_empty() && batch.events.is_empty() && batch.unreadable.is_empty() {
            return true;
        }
        let mut failures = 0_u32;
        loop {
            let result = if batch.events.is_empty() && batch.unreadable.is_empty() {
                self.store.commit(batch.mutations.clone()).durable().await.map_err(|error| error.problem())
            } else {
                self.sink.take(batch.clone()).await
            };
            let Err(problem) = result else { return true };
            failures = failures.saturating_add(1);
            let wait = AGAIN.wait(failures, random(), None);
            tracing::error!(code = problem.code, %problem, "what came in cannot be kept; it is tried again");
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = stop.wait_for(|stop| *stop) => return false,
            }
        }
    }

    /// The batch is durable.
    fn confirm(&self, load: Load) {
        for (topic, at) in load.places {
            self.topics[topic].reached(at);
        }
        let mut ended: Vec<Vec<Arc<str>>> = vec![Vec::new(); self.lines.len()];
        for Told { line: place, id, told, origin, begun, version, parked } in load.finished {
            let line = &self.lines[place];
            let is_news = version.is_some();
            line.count(|counters| {
                counters.healed += u64::from(is_news && origin != Origin::Notified);
                counters.dropped += u64::from(!is_news && !parked && is_heard(origin));
            });
            line.note_reading(&id, told, begun);
            if let Some(version) = version {
                line.remember(Arc::clone(&id), version);
            }
            ended[place].push(id);
        }
        for (line, ids) in self.lines.iter().zip(&ended).filter(|(_, ids)| !ids.is_empty()) {
            line.done(ids);
        }
        load.sweepers.into_iter().for_each(Sweeper::durable);
    }
}
