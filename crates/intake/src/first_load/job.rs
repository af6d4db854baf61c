//! The first load by a job of the system's own, where it has such a thing.

use std::collections::HashMap;
use std::sync::Arc;

use connect::{BulkError, BulkRead, CallError, ErrorClass, Position};
use definitions::Feed;
use dispatch::Dispatcher;
use jiff::SignedDuration;

use super::place::{JobTimes, Next, Place};
use super::{GATHER_MAX, LOOK_AGAIN, PAUSE};
use crate::work::Work;
use crate::{Batch, Shared};

/// After so many jobs were lost, records are read in the usual way.
const LOST_MAX: u32 = 3;
/// What changed so long before a job began may not be in it: a long transaction shows a change later than its own time.
const TAIL_OVERLAP: SignedDuration = SignedDuration::from_mins(5);

/// Whether a load goes on by jobs.
pub(super) struct Jobs {
    read: BulkRead,
    possible: bool,
    /// So many were gone before they were read to their end.
    lost: u32,
}

impl Jobs {
    pub(super) fn of(feed: &Feed) -> Self {
        let read = BulkRead {
            record: Arc::clone(&feed.record),
            fields: feed.select.fields.clone(),
            since: None,
            before: None,
            deleted: false,
        };
        // Jobs give single records without those below them.
        Self { read, possible: feed.select.children.is_empty(), lost: 0 }
    }

    pub(super) const fn are_possible(&self) -> bool {
        self.possible
    }

    /// Records are read in the usual way from now on, from the beginning.
    fn give_up(&mut self, feed: &Feed, why: Option<&str>) -> Place {
        self.possible = false;
        if let Some(why) = why {
            tracing::warn!(feed = %feed.name, %why, "a first load goes on page by page");
        }
        Place::default()
    }

    /// The system does not do it for this record: nothing will change that. Anything else may mend itself.
    fn refused(&mut self, feed: &Feed, error: CallError) -> Result<Place, CallError> {
        match error.class {
            ErrorClass::Misconfigured | ErrorClass::Rejected => Ok(self.give_up(feed, Some(&error.to_string()))),
            _ => Err(error),
        }
    }
}

impl Shared {
    /// Has the system begin a job, which is in mind before it is read.
    pub(super) async fn start_job(&self, place: usize, read: u64, jobs: &mut Jobs) -> Result<Place, CallError> {
        let feed = &self.lines[place].feed;
        let connection = self.dispatchers.get(&feed.connection).map(Dispatcher::connection);
        let Some(bulk) = connection.as_ref().and_then(|connection| connection.bulk()) else {
            return Ok(jobs.give_up(feed, None));
        };
        let started = self.clock.now();
        let job = match bulk.start_read(&jobs.read).await {
            Ok(job) => job,
            Err(error) => return jobs.refused(feed, error),
        };
        let next = Place { read, next: Next::Job(job.place, JobTimes { started, as_of: job.as_of }) };
        let mutations = vec![self.load_row(place, &next)];
        self.hand_over(Batch { mutations, ..Batch::default() }).await;
        Ok(next)
    }

    /// Reads a page of a job.
    pub(super) async fn load_job_page(
        &self,
        place: usize,
        read: u64,
        page: &Position,
        times: JobTimes,
        jobs: &mut Jobs,
    ) -> Result<Place, CallError> {
        let line = &self.lines[place];
        let connection = self.dispatchers.get(&line.feed.connection).map(Dispatcher::connection);
        let Some(bulk) = connection.as_ref().and_then(|connection| connection.bulk()) else {
            return Ok(jobs.give_up(&line.feed, None));
        };
        let found = match bulk.read_page(&jobs.read, page).await {
            Ok(found) => found,
            Err(BulkError::PlaceLost(why)) => {
                jobs.lost += 1;
                if jobs.lost >= LOST_MAX {
                    return Ok(jobs.give_up(&line.feed, Some(&why)));
                }
                tracing::warn!(feed = %line.feed.name, %why, "the job of a first load is gone; it begins anew");
                tokio::time::sleep(PAUSE).await;
                return Ok(Place::default());
            }
            Err(BulkError::Call(error)) => return jobs.refused(&line.feed, error),
        };
        if found.records.is_empty() && found.next.as_ref() == Some(page) {
            // The job still works.
            tokio::time::sleep(LOOK_AGAIN).await;
            return Ok(Place { read, next: Next::Job(page.clone(), times) });
        }
        let is_last = found.next.is_none();
        let next = Place {
            read: read + found.records.len() as u64,
            next: found.next.map_or(Next::Tail(times), |page| Next::Job(page, times)),
        };
        let mut last = Some(self.load_row(place, &next));
        let mut records = found.records.into_iter().peekable();
        while records.peek().is_some() {
            self.wait_for_few(line).await;
            let now = self.clock.now();
            let taken = records.by_ref().take(GATHER_MAX);
            let taken = taken.filter_map(|record| {
                let id: Arc<str> = bulk.id_of(&record)?.into();
                Some((Work { loaded: true, ..Work::new(id, now, now) }, Ok(record)))
            });
            let taken = taken.collect();
            let row = if records.peek().is_none() { last.take() } else { None };
            let mut versions = line.turn.lock().await;
            let mut batch = Batch::default();
            let parked = self.take_in(line, &mut versions, taken, times.started, &mut batch).await;
            self.hand_over_loaded(line, batch, parked, row).await;
        }
        self.hand_over(Batch { mutations: last.into_iter().collect(), ..Batch::default() }).await;
        if is_last && let Err(error) = bulk.end_read(page).await {
            tracing::debug!(%error, "the job of a first load stays with the system until it forgets it");
        }
        Ok(next)
    }

    /// Reads what changed or went since the job was started. Changes alone would be told by the feed; that a record went may have
    /// been told before it was known.
    pub(super) async fn load_tail(&self, place: usize, read: u64, times: JobTimes) -> Result<Place, CallError> {
        let since = times.started.min(times.as_of);
        let since = since.checked_sub(TAIL_OVERLAP).unwrap_or(since);
        self.sweep_once(place, since, &mut HashMap::new(), |work| Work { loaded: true, ..work }).await?;
        let next = Place { read, next: Next::Parents };
        let mutations = vec![self.load_row(place, &next)];
        self.hand_over(Batch { mutations, ..Batch::default() }).await;
        Ok(next)
    }
}
