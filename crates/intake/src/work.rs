//! Reading what waits: gathered, several readings of one feed at the same time, each record once at a time.

use std::sync::Arc;
use std::time::Duration;

use model::EventId;
use policy::Backoff;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Shared;
use crate::convert::Finished;
use crate::reading::Reading;

/// Most records that are asked for in one go.
pub(crate) const GATHER_MAX: usize = 200;
/// How many such readings of one feed may be under way. What comes meanwhile gathers for the next.
const READINGS_MAX: usize = 8;
/// Waits between readings that cannot be done now although the system answers.
const AGAIN: Backoff =
    Backoff { first: Duration::from_secs(1), growth_percent: 200, longest: Duration::from_secs(300) };

impl Shared {
    /// Reads what waits in one line, for ever.
    pub(crate) async fn work_off(self: Arc<Self>, place: usize, finished: mpsc::Sender<Vec<Finished>>) {
        let permits = Arc::new(Semaphore::new(READINGS_MAX));
        let mut under_way = JoinSet::new();
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            while under_way.try_join_next().is_some() {}
            let readings = loop {
                let wake = self.lines[place].wake.notified();
                let readings = self.lines[place].take(GATHER_MAX);
                if !readings.is_empty() {
                    break readings;
                }
                wake.await;
            };
            let (shared, finished) = (Arc::clone(&self), finished.clone());
            under_way.spawn(async move {
                let postponed = shared.read(place, readings, finished).await;
                drop(permit);
                if let Some((readings, wait)) = postponed {
                    tokio::time::sleep(wait).await;
                    shared.lines[place].give_back(readings);
                }
            });
        }
    }

    /// Reads records and hands on what they lead to. Gives those that could not be read, and how long to wait.
    async fn read(
        self: &Arc<Self>,
        place: usize,
        readings: Vec<Reading>,
        finished: mpsc::Sender<Vec<Finished>>,
    ) -> Option<(Vec<Reading>, Duration)> {
        let line = &self.lines[place];
        let begun = Instant::now();
        let ids = readings.iter().map(|reading| Arc::clone(&reading.id)).collect();
        let records = self.dispatcher(line)?.read(&line.feed.record, ids, &line.feed.select).await;
        let shared = Arc::clone(self);
        let converted = tokio::task::spawn_blocking(move || shared.convert(place, readings, records, begun));
        let (made, postponed, why) = match converted.await {
            Ok(converted) => converted,
            Err(error) => {
                tracing::error!(feed = %line.feed, %error, "records could not be worked on; they are taken up at the next start");
                return None;
            }
        };
        if !made.is_empty() {
            line.failures(false);
            // Nobody takes it any more when everything stops.
            let _ = finished.send(made).await;
        }
        let why = why?;
        let wait = AGAIN.wait(line.failures(true), random(), None);
        tracing::warn!(feed = %line.feed, records = postponed.len(), why, wait_seconds = wait.as_secs(), "records cannot be read now");
        Some((postponed, wait))
    }
}

/// Any number, for spreading waits.
pub(crate) fn random() -> u64 {
    // The low half of a UUIDv7 is random.
    EventId::now().uuid().as_u64_pair().1
}
