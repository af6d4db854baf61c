//! A job at the vendor: where it is, how far it is, and waiting for it.

use std::time::Duration;

use connect::transport::Effect;
use connect::{BulkError, CallError, ErrorClass, Position};
use http::Method;
use model::Value;
use policy::Backoff;
use tokio::time::{Instant, sleep};

use crate::errors;
use crate::org::{Exchange, Org};
use crate::read::is_id;

/// How long one request waits for a job before it says that the job still works.
const PATIENCE: Duration = Duration::from_secs(30);
/// Waits between looks at a job: small ones are done at once, large ones take minutes.
const LOOKS: Backoff =
    Backoff { first: Duration::from_millis(100), growth_percent: 150, longest: Duration::from_secs(5) };

/// Longest time for an upload or a download.
pub(super) const TRANSFER: Duration = Duration::from_secs(600);

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Query,
    Ingest,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Ingest => "ingest",
        }
    }
}

/// The path of a job, or of something of it.
pub(super) fn path(org: &Org, kind: Kind, id: &str, rest: &str) -> String {
    org.data_path(&format!("jobs/{}/{id}{rest}", kind.word()))
}

/// A request for a list of CSV of at most so many bytes.
pub(super) fn download(path: &str, answer_max: usize) -> Exchange<'_> {
    let timeout = Some(TRANSFER);
    Exchange { accept: "text/csv", timeout, answer_max, ..Exchange::new(Method::GET, path, Effect::Read) }
}

/// `query|750…|locator`
pub(super) fn place(kind: Kind, id: &str, locator: &str) -> Position {
    Position(format!("{}|{id}|{locator}", kind.word()).into_bytes())
}

/// The job's id and the locator of a place.
pub(super) fn read_place(kind: Kind, place: &Position) -> Result<(&str, &str), CallError> {
    let read = || {
        let text = std::str::from_utf8(&place.0).ok()?;
        let (word, rest) = text.split_once('|')?;
        let (id, locator) = rest.split_once('|')?;
        (word == kind.word() && is_id(id)).then_some((id, locator))
    };
    read().ok_or_else(|| {
        let message = format!("this is not a place of a bulk {} job; start a new job", kind.word());
        CallError::new(ErrorClass::Misconfigured, "position", message)
    })
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    Working,
    Complete,
    Failed,
    Aborted,
}

/// A job as the vendor tells of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) state: State,
    pub(super) told: Value,
}

impl Job {
    /// Reads what the vendor tells of a job.
    pub(super) fn read(told: Value) -> Result<Self, CallError> {
        let state = match told.get("state").as_str() {
            Some("Open") => State::Open,
            Some("UploadComplete" | "InProgress" | "Queued") => State::Working,
            Some("JobComplete") => State::Complete,
            Some("Failed") => State::Failed,
            Some("Aborted") => State::Aborted,
            other => {
                let what = format!("a job in the state {}", other.unwrap_or("that is missing"));
                return Err(errors::not_understood(Effect::Read, what));
            }
        };
        match told.get("id").as_str().filter(|id| is_id(id)).map(str::to_owned) {
            Some(id) => Ok(Self { id, state, told }),
            None => Err(errors::not_understood(Effect::Read, "a job without an id")),
        }
    }

    pub(super) fn count(&self, name: &str) -> i64 {
        self.told.get(name).as_i64().unwrap_or(0)
    }

    /// Why it could not be carried out.
    pub(super) fn error(&self) -> CallError {
        let message = self.told.get("errorMessage").as_str().unwrap_or("the org does not say why");
        let message = format!("the bulk job {} has failed: {message}", self.id);
        // Both say that what was sent or asked does not fit the org; everything else is the vendor's own trouble.
        let ours = ["InvalidBatch", "ClientInputError"].into_iter().find(|word| message.contains(word));
        match ours {
            Some(code) => CallError::new(ErrorClass::Misconfigured, code, message),
            None => CallError::new(ErrorClass::Unavailable, "bulk-failed", message),
        }
    }
}

/// Creates a job. That the answer is lost does no harm: a job that nobody knows is forgotten by the vendor in a while.
pub(super) async fn create(org: &Org, kind: Kind, body: String) -> Result<Job, CallError> {
    let path = org.data_path(&format!("jobs/{}", kind.word()));
    Job::read(org.json(Method::POST, &path, Some(body), Effect::Read).await?)
}

/// Looks at a job until it has ended or is open, or until patience ends: then it is still working.
pub(super) async fn wait(org: &Org, kind: Kind, id: &str) -> Result<Job, BulkError> {
    let (path, until) = (path(org, kind, id, ""), Instant::now() + PATIENCE);
    let mut looks = 0_u32;
    loop {
        let told = org.json(Method::GET, &path, None, Effect::Read).await.map_err(|error| lost(error, id))?;
        let job = Job::read(told)?;
        if job.state != State::Working || Instant::now() >= until {
            return Ok(job);
        }
        looks += 1;
        // Jobs that were started together are not looked at together.
        let spread = id.bytes().fold(u64::from(looks), |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        sleep(LOOKS.wait(looks, spread, None)).await;
    }
}

/// An error about a job or a place in it that is not there.
pub(super) fn lost(error: CallError, id: &str) -> BulkError {
    if matches!(&*error.code, "NOT_FOUND" | "INVALID_QUERY_LOCATOR" | "INVALIDLOCATOR" | "HTTP 404") {
        let message =
            format!("the bulk job {id}, or the place in it, is gone; Salesforce keeps jobs for 7 days ({error})");
        return BulkError::PlaceLost(message);
    }
    BulkError::Call(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::json;

    #[test]
    fn places_are_read_back_and_others_are_refused() {
        let first = place(Kind::Query, "750Ws0000000001IAA", "");
        assert_eq!(read_place(Kind::Query, &first), Ok(("750Ws0000000001IAA", "")));
        let later = place(Kind::Query, "750Ws0000000001IAA", "MTAwMDA|x");
        assert_eq!(read_place(Kind::Query, &later), Ok(("750Ws0000000001IAA", "MTAwMDA|x")));
        assert!(read_place(Kind::Ingest, &first).is_err());
        for text in ["query|750|", "query|../../../oauth2||", "x", "query|750Ws0000000001IAA"] {
            assert!(read_place(Kind::Query, &Position(text.into())).is_err(), "{text}");
        }
    }

    #[test]
    fn a_failed_job_says_whose_fault_it_is() {
        let failed = |message: &str| {
            let text = format!(r#"{{"id":"750Ws0000000001IAA","state":"Failed","errorMessage":"{message}"}}"#);
            Job::read(json::parse(text.as_bytes()).expect("json")).expect("a job").error()
        };
        let column = failed("InvalidBatch : Field name not found : X");
        assert_eq!((column.class, column.code.as_str()), (ErrorClass::Misconfigured, "InvalidBatch"));
        assert_eq!(failed("retried more than fifteen times").class, ErrorClass::Unavailable);
        assert!(Job::read(json::parse(br#"{"id":"750Ws0000000001IAA","state":"New"}"#).expect("json")).is_err());
    }
}
