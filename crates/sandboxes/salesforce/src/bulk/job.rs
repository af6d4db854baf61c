//! One job: what it was asked, how far it is, and what it says about itself.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::dialect::Dialect;
use crate::id::RecordId;
use crate::schema::{FieldAt, ObjectAt};
use crate::soql::Table;
use crate::time;

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Open,
    UploadComplete,
    InProgress,
    JobComplete,
    Failed,
    Aborted,
}

impl State {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::UploadComplete => "UploadComplete",
            Self::InProgress => "InProgress",
            Self::JobComplete => "JobComplete",
            Self::Failed => "Failed",
            Self::Aborted => "Aborted",
        }
    }

    pub(super) fn is_final(self) -> bool {
        self >= Self::JobComplete
    }
}

/// What an ingest job does with its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Insert,
    Update,
    Upsert,
    Delete,
    HardDelete,
}

impl Operation {
    pub(super) fn from_word(word: &str) -> Option<Self> {
        [Self::Insert, Self::Update, Self::Upsert, Self::Delete, Self::HardDelete]
            .into_iter()
            .find(|operation| operation.word() == word)
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Upsert => "upsert",
            Self::Delete => "delete",
            Self::HardDelete => "hardDelete",
        }
    }
}

/// What became of one row.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Saved(RecordId, bool),
    /// The record, where it is known, and the vendor's words: `CODE:message:fields --`.
    Refused(Option<RecordId>, Box<str>),
}

/// Rows that are uploaded.
#[derive(Debug, Clone)]
pub(super) struct Ingest {
    pub(super) object: ObjectAt,
    pub(super) operation: Operation,
    /// The external id field of an upsert.
    pub(super) key: Option<FieldAt>,
    /// Where events say the changes come from.
    pub(super) origin: String,
    pub(super) data: Option<Bytes>,
    pub(super) outcomes: Vec<Outcome>,
}

/// Rows of a query, written once and then the same for as long as the job is kept.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) header: String,
    pub(super) text: String,
    /// Where each row begins.
    pub(super) starts: Vec<usize>,
}

/// A query that is carried out in the background.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) all_rows: bool,
    pub(super) table: Arc<Table>,
    pub(super) rows: Arc<Rows>,
}

#[derive(Debug, Clone)]
pub(super) enum Work {
    Ingest(Ingest),
    Query(Query),
}

/// One job.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) id: RecordId,
    pub(super) work: Work,
    pub(super) object_name: Arc<str>,
    pub(super) key_name: Option<Arc<str>>,
    pub(super) dialect: Dialect,
    pub(super) version: String,
    /// Milliseconds since 1970.
    pub(super) created: i64,
    pub(super) modified: i64,
    pub(super) state: State,
    /// What who polls has seen so far.
    pub(super) shown: State,
    pub(super) processed: usize,
    pub(super) failed: usize,
    pub(super) error: Option<String>,
}

impl Job {
    pub(super) fn is_query(&self) -> bool {
        matches!(self.work, Work::Query(_))
    }

    /// Moves to another state, which others see at once when somebody asked for it.
    pub(super) fn enter(&mut self, state: State, asked: bool) {
        self.state = state;
        self.modified = time::now();
        if asked {
            self.shown = state;
        }
    }

    /// Lets who polls see the next state: never one without those before it.
    pub(super) fn look(&mut self) {
        self.shown = match (self.shown, self.state) {
            (State::UploadComplete, State::InProgress | State::JobComplete | State::Failed) => State::InProgress,
            (_, state) => state,
        };
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        match &self.work {
            Work::Ingest(ingest) => ingest.data.as_ref().map_or(0, Bytes::len) + ingest.outcomes.len() * 24,
            Work::Query(query) => query.rows.text.len() + query.rows.starts.len() * 8,
        }
    }

    /// What it says about itself; in `full` with how far it is.
    pub(super) fn json(&self, user: RecordId, full: bool) -> Value {
        let instant = |millis| {
            let mut text = String::new();
            time::write_instant(millis, &mut text);
            text
        };
        let version: serde_json::Number = self.version.parse().unwrap_or_else(|_| serde_json::Number::from(0));
        let mut body = json!({
            "id": self.id.to_string(), "object": &*self.object_name, "createdById": user.to_string(),
            "createdDate": instant(self.created), "systemModstamp": instant(self.modified), "state": self.shown.word(),
            "concurrencyMode": "Parallel", "contentType": "CSV", "apiVersion": version,
            "lineEnding": self.dialect.line_ending_word(), "columnDelimiter": self.dialect.delimiter_word(),
        });
        let Some(members) = body.as_object_mut() else { return body };
        let mut add = |name: &str, value: Value| members.insert(name.to_owned(), value);
        match &self.work {
            Work::Ingest(ingest) => {
                add("operation", json!(ingest.operation.word()));
                if let Some(name) = &self.key_name {
                    add("externalIdFieldName", json!(&**name));
                }
                if self.shown == State::Open {
                    let address = format!("services/data/v{}/jobs/ingest/{}/batches", self.version, self.id);
                    add("contentUrl", json!(address));
                }
            }
            Work::Query(query) => {
                add("operation", json!(if query.all_rows { "queryAll" } else { "query" }));
            }
        }
        if full {
            add("jobType", json!(if self.is_query() { "V2Query" } else { "V2Ingest" }));
            add("retries", json!(0));
            add("numberRecordsProcessed", json!(self.processed));
            if self.is_query() {
                add("isPkChunkingSupported", json!(true));
            } else {
                add("numberRecordsFailed", json!(self.failed));
                add("apiActiveProcessingTime", json!(self.modified - self.created));
                add("apexProcessingTime", json!(0));
            }
            add("totalProcessingTime", json!(self.modified - self.created));
            if let Some(error) = &self.error {
                add("errorMessage", json!(error));
            }
        }
        body
    }
}
