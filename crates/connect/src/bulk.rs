//! Many records at once: what a connection offers for first loads and mass changes, besides calls one by one.
//!
//! Both directions are jobs of the system's own. Each has a [`Position`], opaque to everybody but the connector, which is to be
//! kept before the job is worked with: after a crash the same job goes on at its place instead of beginning anew.
//!
//! # What going on promises
//!
//! The rows of a reading job are fixed once it has run. Asking again for the page at a place gives the same page, so a load that
//! keeps the place of the next page in the same commit as the records of this one reads every record once. A job that is gone
//! ([`BulkError::PlaceLost`]: systems keep them for some days) cannot be gone on with, and since the records of a job have no
//! order that a system would promise, what was read of it proves nothing about what was not. The load then starts a new job for
//! the same [`BulkRead`] and meets records again that it knows; it has to take them by their ids. Whoever wants less to be read
//! again reads in windows ([`BulkRead::since`], [`BulkRead::before`]): each window whose last page was taken is proven, and a
//! lost job costs its window only. A record that changes meanwhile moves to a later window; so windows are read from the
//! oldest to the newest, and the next load begins at [`StartedRead::as_of`] of the first job of this one, or some minutes before:
//! a long transaction of the system can show a change after a later one.
//!
//! # What writing promises
//!
//! Nothing is written before [`Bulk::send`]; a job that was opened and never sent changes nothing. What came of a job that was
//! sent, also when its answer or this process was lost, is told by [`Bulk::outcomes`] for each call at its place.

use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;
use model::Value;

use crate::{Call, CallError, ErrorClass, Position};

/// Which records are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkRead {
    /// The kind of record, as [`Call::record`] spells it.
    pub record: Arc<str>,
    /// Names of the wanted fields; those of related single records with dots. The system's own id always comes along, and alone
    /// when there are none.
    pub fields: Vec<Arc<str>>,
    /// Only records that changed at or after this instant.
    pub since: Option<Timestamp>,
    /// Only records whose last change was before this instant.
    pub before: Option<Timestamp>,
    /// Records that are in the system's recycle bin, too.
    pub deleted: bool,
}

/// A reading job that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedRead {
    /// The place of its first page.
    pub place: Position,
    /// When it was started, by the system's clock: changes from then on may be missing.
    pub as_of: Timestamp,
}

/// Some records of a reading job.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkPage {
    /// The records in neutral form, as a read by key answers them.
    pub records: Vec<Value>,
    /// The place of the next page; `None` after the last. While the job still works, there are no records and this is the place
    /// that was asked for.
    pub next: Option<Position>,
}

/// A writing job that was opened for some of a list of calls.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenedWrite {
    /// Its place, to be kept with the calls it takes before it is sent; `None` when it takes no call.
    pub place: Option<Position>,
    /// Places in the list of the calls that it takes, ascending. The others wait for a later job: because this one is full, or
    /// because an earlier call in it is about the same record.
    pub taken: Vec<usize>,
    /// Calls that wait because of an earlier one that is taken: the later, then the earlier. While the earlier is still to be
    /// repeated, the later must not overtake it.
    pub behind: Vec<(usize, usize)>,
    /// Calls that cannot be written in bulk, with the reason; nothing was written for them.
    pub refused: Vec<(usize, CallError)>,
}

/// What came of a writing job.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// The system still works on it: to be asked again.
    Working,
    /// The outcome of each call, at its place in the list that was sent.
    Done(Vec<Result<Value, CallError>>),
}

/// Why a job cannot be gone on with.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BulkError {
    /// The job or the place in it is not there any more. Of a read: start a new one from the last proven place. Of a write: each
    /// call's fate is unknown and has to be probed.
    #[error("{0}")]
    PlaceLost(String),
    /// Anything else, with what it means.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Reading and writing in bulk.
pub trait Bulk: Send + Sync {
    /// Starts a job that reads. Answers without waiting for it.
    fn start_read<'a>(&'a self, read: &'a BulkRead) -> BoxFuture<'a, Result<StartedRead, CallError>>;

    /// The page at a place of a job that [`Self::start_read`] started for the same `read`. Waits some time for the job.
    fn read_page<'a>(&'a self, read: &'a BulkRead, place: &'a Position) -> BoxFuture<'a, Result<BulkPage, BulkError>>;

    /// The system's own id of a record that [`Self::read_page`] gave.
    fn id_of<'r>(&self, record: &'r Value) -> Option<&'r str>;

    /// Lets the system forget a job that is read to its end or not wanted any more. A job that is gone is no error.
    fn end_read<'a>(&'a self, place: &'a Position) -> BoxFuture<'a, Result<(), CallError>>;

    /// Opens a job for as many of these calls as it may take: all with the same action (create, update, upsert or delete) and
    /// record. Nothing is written yet.
    fn open_write<'a>(&'a self, calls: &'a [&'a Call]) -> BoxFuture<'a, Result<OpenedWrite, CallError>>;

    /// Sends the calls that a job took, in their order.
    ///
    /// # Errors
    /// When the class of the error is [`ErrorClass::Ambiguous`], [`Self::outcomes`] tells whether the job was begun; with every
    /// other class nothing was written and nothing will be.
    fn send<'a>(&'a self, place: &'a Position, calls: &'a [&'a Call]) -> BoxFuture<'a, Result<(), CallError>>;

    /// What came of a job, for the same calls in the same order. Waits some time for it. A job that was opened but not begun is
    /// given up: its calls end as [`ErrorClass::Unavailable`], with nothing written.
    fn outcomes<'a>(&'a self, place: &'a Position, calls: &'a [&'a Call]) -> BoxFuture<'a, Result<Written, BulkError>>;
}

/// Writes all calls with as many jobs as they need, one after the other, and answers the outcome of each at its place. `keep` is
/// told of every job before it is sent, so that [`Bulk::outcomes`] can be asked after a crash.
///
/// When one job's fate stays unknown its calls end as ambiguous, to be probed. What the system refuses as a whole ends every
/// call that waits for a later job with the same error, if repeating would meet it again.
pub async fn write_all(
    bulk: &dyn Bulk,
    calls: &[Call],
    mut keep: impl FnMut(&Position, &[usize]),
) -> Vec<Result<Value, CallError>> {
    let mut results: Vec<Option<Result<Value, CallError>>> = vec![None; calls.len()];
    let mut left: Vec<usize> = (0..calls.len()).collect();
    while !left.is_empty() {
        let waiting: Vec<&Call> = left.iter().filter_map(|at| calls.get(*at)).collect();
        let opened = match bulk.open_write(&waiting).await {
            Ok(opened) => opened,
            Err(error) => {
                for at in &left {
                    put(&mut results, *at, Err(error.clone()));
                }
                break;
            }
        };
        let of_all = |at: &usize| left.get(*at).copied();
        for (at, error) in &opened.refused {
            if let Some(at) = of_all(at) {
                put(&mut results, at, Err(error.clone()));
            }
        }
        let taken: Vec<usize> = opened.taken.iter().filter_map(of_all).collect();
        if let Some(place) = &opened.place {
            keep(place, &taken);
            let mut outcomes = carry_out(bulk, place, calls, &taken).await.into_iter();
            for at in taken {
                put(&mut results, at, outcomes.next().unwrap_or_else(|| Err(untold())));
            }
        }
        for (later, earlier) in opened.behind.iter().filter_map(|(later, earlier)| of_all(later).zip(of_all(earlier))) {
            if let Some(Some(Err(error))) = results.get(earlier)
                && error.class.is_transient()
            {
                let postponed = postponed(error);
                put(&mut results, later, Err(postponed));
            }
        }
        let before = left.len();
        left.retain(|at| results.get(*at).is_some_and(Option::is_none));
        if left.len() == before {
            // A connection that takes and refuses nothing would keep us here for ever.
            for at in &left {
                put(&mut results, *at, Err(untold()));
            }
        }
    }
    results.into_iter().map(|result| result.unwrap_or_else(|| Err(untold()))).collect()
}

async fn carry_out(
    bulk: &dyn Bulk,
    place: &Position,
    calls: &[Call],
    taken: &[usize],
) -> Vec<Result<Value, CallError>> {
    let calls: Vec<&Call> = taken.iter().filter_map(|at| calls.get(*at)).collect();
    if let Err(error) = bulk.send(place, &calls).await
        && error.class != ErrorClass::Ambiguous
    {
        return vec![Err(error); calls.len()];
    }
    let mut failures = 0_u32;
    loop {
        match bulk.outcomes(place, &calls).await {
            Ok(Written::Done(outcomes)) => return outcomes,
            Ok(Written::Working) => {}
            Err(BulkError::Call(error)) if error.class.is_transient() && failures < ASKED_MAX => {
                failures += 1;
                let wait = policy::Backoff::default().wait(failures, u64::from(failures), error.retry_after);
                tokio::time::sleep(wait).await;
            }
            Err(error) => {
                let message = format!("what came of the job is not known: {error}");
                return vec![Err(CallError::new(ErrorClass::Ambiguous, "bulk-untold", message)); calls.len()];
            }
        }
    }
}

/// How often in a row a job's outcome is asked for in vain.
const ASKED_MAX: u32 = 8;

fn untold() -> CallError {
    CallError::new(ErrorClass::Ambiguous, "bulk-untold", "the connection did not tell what came of this call")
}

fn postponed(earlier: &CallError) -> CallError {
    let message = format!("not sent: an earlier change of the same record is still to be repeated ({})", earlier.code);
    CallError::new(ErrorClass::Locked, "EARLIER_CHANGE_PENDING", message).retry_after(earlier.retry_after)
}

fn put(results: &mut [Option<Result<Value, CallError>>], at: usize, outcome: Result<Value, CallError>) {
    if let Some(result) = results.get_mut(at) {
        *result = Some(outcome);
    }
}
