//! The first load by a job of the system's own, where it has such a thing.

use std::collections::HashMap;
use std::sync::Arc;

use connect::{BulkError, BulkRead, CallError, ErrorClass, Position};
use definitions::Feed;
use dispatch::Dispatcher;
use jiff::SignedDuration;
use model::Value;

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
        let records = with_ids(found.records, |record| bulk.id_of(record).map(Arc::from))?;
        let next = Place {
            read: read + records.len() as u64,
            next: found.next.map_or(Next::Tail(times), |page| Next::Job(page, times)),
        };
        let mut last = Some(self.load_row(place, &next));
        let mut records = records.into_iter().peekable();
        while records.peek().is_some() {
            self.wait_for_few(line).await;
            let now = self.clock.now();
            let taken = records.by_ref().take(GATHER_MAX);
            let work = |id| Work { loaded: true, ..Work::new(id, now, now) };
            let taken = taken.map(|(id, record)| (work(id), Ok(record))).collect();
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

/// The records of a page with their ids. A page that has one without is not taken in: it would be missing, and nobody would know.
fn with_ids(
    records: Vec<Value>,
    id_of: impl Fn(&Value) -> Option<Arc<str>>,
) -> Result<Vec<(Arc<str>, Value)>, CallError> {
    let count = records.len();
    let with_id = |(index, record): (usize, Value)| match id_of(&record).filter(|id| !id.is_empty()) {
        Some(id) => Ok((id, record)),
        None => {
            let message = format!(
                "record {} of the {count} on a page of the job has no id, so none of them is taken in",
                index + 1
            );
            Err(CallError::new(ErrorClass::Misconfigured, "no-id", message))
        }
    };
    records.into_iter().enumerate().map(with_id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_with_a_record_without_an_id_is_not_taken_in() {
        let record = |id: &str| Value::object([("Id", id)]);
        let id_of = |record: &Value| record.get("Id").as_str().map(Arc::from);
        let both = with_ids(vec![record("1"), record("2")], id_of).expect("ids");
        assert_eq!(both, [("1".into(), record("1")), ("2".into(), record("2"))]);
        for odd in [record(""), Value::object([("Name", "x")])] {
            let error = with_ids(vec![record("1"), odd], id_of).expect_err("no id");
            assert!(error.message.contains("record 2 of the 2"), "{error}");
        }
    }
}
