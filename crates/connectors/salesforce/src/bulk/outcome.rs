//! What came of an ingest job, for each call. The vendor's results name no places and have no order, so calls are found by
//! what identifies them: the key, or for new records all that was sent. Of new records that are the same in everything, any may
//! stand for any other.

use std::collections::{HashMap, VecDeque};

use connect::transport::Effect;
use connect::{Action, BulkError, Call, CallError, ErrorClass, Position, Written};
use csv::StringRecord;
use http::Method;
use model::Value;

use super::job::{self, Job, Kind, State};
use super::sheet;
use super::write::{Operation, identity, row};
use crate::errors;
use crate::org::Org;
use crate::read::comparable;

/// Largest list of results, in bytes: an upload with ids and errors in front.
const RESULTS_MAX: usize = 512 * 1024 * 1024;

type Outcome = Result<Value, CallError>;

/// What came of the calls that a job was sent.
pub(super) async fn of(org: &Org, place: &Position, calls: &[&Call]) -> Result<Written, BulkError> {
    let (id, _) = job::read_place(Kind::Ingest, place)?;
    let mut job = job::wait(org, Kind::Ingest, id).await?;
    if job.state == State::Open {
        // Whether it was never begun or will be by a request that is still under way: giving it up decides.
        let path = job::path(org, Kind::Ingest, id, "");
        let body = r#"{"state":"Aborted"}"#.to_owned();
        match org.json(Method::PATCH, &path, Some(body), Effect::Read).await {
            Ok(_) => {
                let message = format!("the bulk job {id} was opened but never begun; nothing was written");
                let error = CallError::new(ErrorClass::Unavailable, "bulk-not-begun", message);
                return Ok(Written::Done(vec![Err(error); calls.len()]));
            }
            Err(error) if error.code == "INVALIDJOBSTATE" => job = job::wait(org, Kind::Ingest, id).await?,
            Err(error) => return Err(job::lost(error, id)),
        }
    }
    if matches!(job.state, State::Working | State::Open) {
        return Ok(Written::Working);
    }
    Ok(Written::Done(told(org, &job, calls).await?))
}

async fn told(org: &Org, job: &Job, calls: &[&Call]) -> Result<Vec<Outcome>, BulkError> {
    let mut sorted = Sorted::new(calls)?;
    sorted.take(&results(org, job, "successfulResults").await?, |cells| {
        let id = cells.get("sf__Id").filter(|id| !id.is_empty()).ok_or("a row without sf__Id")?;
        let created = cells.get("sf__Created") == Some("true");
        Ok(Ok(Value::object([("Id", Value::from(id)), ("created", Value::from(created))])))
    })?;
    if job.count("numberRecordsFailed") > 0 || job.state != State::Complete {
        sorted.take(&results(org, job, "failedResults").await?, |cells| {
            Ok(Err(errors::from_bulk_row(cells.get("sf__Error").unwrap_or_default())))
        })?;
    }
    // What is in neither list was not worked on when the job did not come to its end: each chunk is a transaction of its own.
    let unworked = match job.state {
        State::Failed => job.error(),
        State::Aborted => {
            let message = format!("the bulk job {} was aborted before this record; nothing was written for it", job.id);
            CallError::new(ErrorClass::Unavailable, "bulk-aborted", message)
        }
        _ => {
            let message = format!("the results of the bulk job {} do not tell of this record", job.id);
            CallError::new(ErrorClass::Ambiguous, "bulk-untold", message)
        }
    };
    if job.state != State::Complete && job.count("numberRecordsProcessed") > 0 {
        // Some were worked on: only the vendor's own list says of which nothing was written.
        sorted.take(&results(org, job, "unprocessedrecords").await?, |_| Ok(Err(unworked.clone())))?;
        let message = format!("the bulk job {} ended early and does not tell of this record", job.id);
        return Ok(sorted.finish(&CallError::new(ErrorClass::Ambiguous, "bulk-untold", message)));
    }
    Ok(sorted.finish(&unworked))
}

async fn results(org: &Org, job: &Job, which: &str) -> Result<bytes::Bytes, BulkError> {
    let path = job::path(org, Kind::Ingest, &job.id, &format!("/{which}/"));
    let answer = org.exchange(job::download(&path, RESULTS_MAX)).await?;
    if answer.status.is_success() {
        return Ok(answer.body);
    }
    Err(job::lost(errors::from_answer(&answer, Effect::Read), &job.id))
}

/// The cells of a result by the names of their columns.
struct Cells<'a> {
    header: &'a StringRecord,
    row: &'a StringRecord,
}

impl<'a> Cells<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        self.header.iter().position(|known| known.eq_ignore_ascii_case(name)).and_then(|at| self.row.get(at))
    }
}

/// Calls waiting for their outcomes, by what identifies them.
struct Sorted<'a> {
    action: Action,
    key: Option<&'a str>,
    waiting: HashMap<String, VecDeque<usize>>,
    outcomes: Vec<Option<Outcome>>,
}

impl<'a> Sorted<'a> {
    fn new(calls: &[&'a Call]) -> Result<Self, CallError> {
        let mut sorted =
            Self { action: Action::Create, key: None, waiting: HashMap::new(), outcomes: vec![None; calls.len()] };
        for (at, call) in calls.iter().enumerate() {
            let operation = Operation::of(call)?;
            let mark = match identity(&operation, call) {
                Some(identity) => identity,
                None => {
                    let columns = row(&operation, call)?;
                    mark(columns.iter().map(|(name, text)| (name.as_str(), text.as_str())))
                }
            };
            (sorted.action, sorted.key) = (operation.action, operation.key);
            sorted.waiting.entry(mark).or_default().push_back(at);
        }
        Ok(sorted)
    }

    fn take(
        &mut self,
        data: &[u8],
        outcome: impl Fn(&Cells<'_>) -> Result<Outcome, &'static str>,
    ) -> Result<(), CallError> {
        let read = sheet::read(data, |header, row| {
            let cells = Cells { header, row };
            let mark = match self.key {
                Some(key) => cells.get(key).map(|text| comparable(key, &Value::from(text))),
                None => Some(mark(header.iter().zip(row).filter(|(name, _)| !name.starts_with("sf__")))),
            };
            let found = mark.and_then(|mark| self.waiting.get_mut(&mark)?.pop_front());
            if let Some(place) = found.and_then(|at| self.outcomes.get_mut(at)) {
                let told = outcome(&cells)?;
                *place = Some(match told {
                    // Deleting what is already deleted has reached its aim: a repeated delete is no failure.
                    Err(error) if self.action == Action::Delete && error.code == "ENTITY_IS_DELETED" => {
                        let id = cells.get("Id").unwrap_or_default();
                        Ok(Value::object([("Id", Value::from(id)), ("created", Value::from(false))]))
                    }
                    told => told,
                });
            }
            Ok(())
        });
        read.map(|_| ()).map_err(|what| errors::not_understood(Effect::Read, what))
    }

    fn finish(self, otherwise: &CallError) -> Vec<Outcome> {
        self.outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| Err(otherwise.clone()))).collect()
    }
}

/// All that was sent of a new record; columns that others of the job have and it has not are empty.
fn mark<'a>(columns: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut parts: Vec<(String, &str)> =
        columns.filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name.to_lowercase(), text)).collect();
    parts.sort_unstable();
    let mut mark = String::new();
    for (name, text) in parts {
        // Lengths keep texts from running into each other.
        mark.push_str(&format!("{name}={}:{text};", text.len()));
    }
    mark
}
