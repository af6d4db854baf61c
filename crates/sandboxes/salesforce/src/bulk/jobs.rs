//! All jobs, with the bounds on how many there are and how much they hold.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::job::{Job, State};
use crate::errors::Refusal;
use crate::id::{Prefix, RecordId};
use crate::time;

/// Query jobs of a day.
pub(crate) const DAILY_QUERY_JOBS: u64 = 10_000;
/// Batches of a day; each has up to 10,000 rows.
pub(crate) const DAILY_BATCHES: u64 = 15_000;
/// Results of queries of a day, in megabytes.
pub(crate) const DAILY_QUERY_STORAGE_MB: u64 = 976_562;

/// How long jobs that ended are kept.
const KEPT: i64 = 7 * time::DAY;
/// How long a job may stay open.
const OPEN: i64 = time::DAY;
/// Most jobs that are kept; the oldest that ended goes first.
const JOBS_MAX: usize = 1_000;
/// Most bytes that all jobs hold together; a laptop has no more to spare.
const BYTES_MAX: usize = 1024 * 1024 * 1024;

/// The jobs by the serial numbers of their ids.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    jobs: Mutex<(u64, BTreeMap<u64, Job>)>,
    queries: AtomicU64,
    batches: AtomicU64,
    query_bytes: AtomicU64,
}

fn prefix() -> Prefix {
    // The key prefix of the vendor's jobs.
    Prefix::parse("750").unwrap_or_else(|| Prefix::custom(0))
}

impl Jobs {
    /// Keeps a new job. `make` gets its id.
    pub(super) fn add(&self, make: impl FnOnce(RecordId) -> Job) -> Result<Job, Refusal> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        tidy(&mut jobs.1, time::now());
        if jobs.1.len() >= JOBS_MAX {
            let message = format!("There are {JOBS_MAX} jobs that have not ended. End or delete some first.");
            return Err(Refusal::new("LIMIT_EXCEEDED", message));
        }
        jobs.0 += 1;
        let job = make(RecordId::new(prefix(), jobs.0));
        if job.is_query() && self.queries.fetch_add(1, Ordering::Relaxed) >= DAILY_QUERY_JOBS {
            let message = format!("Max bulk v2 query jobs ({DAILY_QUERY_JOBS}) per 24 hrs has been exceeded");
            return Err(Refusal::new("LIMIT_EXCEEDED", message));
        }
        let number = jobs.0;
        jobs.1.insert(number, job.clone());
        Ok(job)
    }

    /// Does something with a job; `None` when there is no such job of this kind.
    pub(super) fn with<T>(&self, id: &str, query: bool, work: impl FnOnce(&mut Job) -> T) -> Option<T> {
        let id = RecordId::parse(id).filter(|id| id.prefix() == prefix())?;
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        tidy(&mut jobs.1, time::now());
        jobs.1.get_mut(&id.serial()).filter(|job| job.is_query() == query).map(work)
    }

    /// Forgets a job.
    pub(super) fn remove(&self, id: RecordId) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).1.remove(&id.serial());
    }

    /// Jobs of a kind from a serial number on, at most so many, with the number of the next.
    pub(super) fn page<T>(
        &self,
        query: bool,
        from: u64,
        most: usize,
        mut show: impl FnMut(&Job) -> T,
    ) -> (Vec<T>, Option<u64>) {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = jobs.1.range(from..).filter(|(_, job)| job.is_query() == query);
        let page = found.by_ref().take(most).map(|(_, job)| show(job)).collect();
        (page, found.next().map(|(number, _)| *number))
    }

    pub(super) fn count_batches(&self, rows: usize) {
        self.batches.fetch_add(rows.div_ceil(10_000) as u64, Ordering::Relaxed);
    }

    pub(super) fn count_query_bytes(&self, bytes: usize) {
        self.query_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// What is left of the day's query jobs, batches and megabytes of results.
    pub(crate) fn remaining(&self) -> (u64, u64, u64) {
        let left =
            |most: u64, used: &AtomicU64, unit: u64| most.saturating_sub(used.load(Ordering::Relaxed).div_ceil(unit));
        (
            left(DAILY_QUERY_JOBS, &self.queries, 1),
            left(DAILY_BATCHES, &self.batches, 1),
            left(DAILY_QUERY_STORAGE_MB, &self.query_bytes, 1_000_000),
        )
    }
}

/// Ends what is open for too long, and lets go of what is too old or too much.
fn tidy(jobs: &mut BTreeMap<u64, Job>, now: i64) {
    for job in jobs.values_mut() {
        if job.state == State::Open && now - job.created > OPEN {
            job.enter(State::Aborted, true);
        }
    }
    jobs.retain(|_, job| !(job.state.is_final() && now - job.created > KEPT));
    let mut bytes: usize = jobs.values().map(Job::bytes).sum();
    while jobs.len() >= JOBS_MAX || bytes > BYTES_MAX {
        let Some(oldest) = jobs.iter().find(|(_, job)| job.state.is_final()).map(|(number, _)| *number) else { break };
        bytes -= jobs.remove(&oldest).map_or(0, |job| job.bytes());
    }
}
