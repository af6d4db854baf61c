//! Which request asks for what of the jobs, and its answer.

use std::io::Write as _;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use model::{Value, json};

use super::dialect::Dialect;
use super::job::{Ingest, Job, Operation, Query, State, Work};
use super::multipart::{self, CONTENT_MAX};
use super::results::{Page, Which, page, rows};
use super::{ingest, query};
use crate::errors::Refusal;
use crate::org::Org;
use crate::rest::is_known_version;
use crate::soql::Table;
use crate::time;

/// Most bytes of an upload: 150 MB once the vendor has turned them into base64.
const UPLOAD_MAX: usize = 112_500_000;
/// Jobs on one page of a list.
const LIST_PAGE: usize = 1_000;

/// A request behind `/services/data/vNN.0/jobs`.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The path behind `jobs`, decoded.
    pub(crate) segments: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) content_type: String,
    /// Whether the client takes compressed answers.
    pub(crate) gzip: bool,
    pub(crate) version: String,
    /// What events say about where a change came from.
    pub(crate) origin: String,
    pub(crate) body: Bytes,
}

/// An answer, JSON or CSV.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Answer {
    fn json(status: u16, body: String) -> Self {
        let headers = vec![("content-type", "application/json;charset=UTF-8".to_owned())];
        Self { status, headers, body: body.into() }
    }

    fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    fn csv(text: String, gzip: bool) -> Self {
        let mut headers = vec![("content-type", "text/csv;charset=UTF-8".to_owned())];
        let packed = || -> std::io::Result<Vec<u8>> {
            let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 4), Compression::fast());
            encoder.write_all(text.as_bytes())?;
            encoder.finish()
        };
        // Packing into memory cannot fail; if it did, the text itself would be as right.
        if gzip && let Ok(packed) = packed() {
            headers.push(("content-encoding", "gzip".to_owned()));
            return Self { status: 200, headers, body: packed.into() };
        }
        Self { status: 200, headers, body: text.into() }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::json(refusal.status(), refusal.body())
    }
}

impl Request {
    fn option(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn members(&self) -> Result<Value, Refusal> {
        if !self.content_type.contains("json") {
            return Err(Refusal::new("UNSUPPORTED_MEDIA_TYPE", "The content type must be application/json"));
        }
        members(&self.body)
    }
}

fn members(body: &[u8]) -> Result<Value, Refusal> {
    let wrong = |what: String| Refusal::new("JSON_PARSER_ERROR", what);
    let value = json::parse(body).map_err(|error| wrong(error.to_string()))?;
    match value.as_object() {
        Some(_) => Ok(value),
        None => Err(wrong("The body of a job must be a JSON object".to_owned())),
    }
}

fn missing() -> Refusal {
    Refusal::new("NOT_FOUND", "The requested resource does not exist")
}

/// Answers a request, and says whether it changed anything.
pub(crate) fn answer(org: &Arc<Org>, request: Request) -> (Answer, bool) {
    if !is_known_version(&request.version) {
        return (missing().into(), false);
    }
    let path: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let changes = request.method != "GET";
    let done = match (request.method.as_str(), path.as_slice()) {
        ("POST", ["query"]) => create_query(org, &request),
        ("POST", ["ingest"]) => create_ingest(org, &request),
        ("GET", [kind @ ("query" | "ingest")]) => list(org, &request, kind),
        ("GET", [kind @ ("query" | "ingest"), id]) => show(org, id, *kind == "query"),
        ("PATCH", [kind @ ("query" | "ingest"), id]) => change(org, &request, id, *kind == "query"),
        ("DELETE", [kind @ ("query" | "ingest"), id]) => delete(org, id, *kind == "query"),
        ("PUT", ["ingest", id, "batches"]) => upload(org, &request, id),
        ("GET", ["query", id, "results"]) => results(org, &request, id),
        ("GET", ["ingest", id, which]) => match which.to_ascii_lowercase().as_str() {
            "successfulresults" => told(org, &request, id, Which::Successful),
            "failedresults" => told(org, &request, id, Which::Failed),
            "unprocessedrecords" => told(org, &request, id, Which::Unprocessed),
            _ => Err(missing()),
        },
        (method, ["query" | "ingest", ..]) => {
            Err(Refusal::new("METHOD_NOT_ALLOWED", format!("HTTP Method '{method}' not allowed")))
        }
        _ => Err(missing()),
    };
    match done {
        Ok(answer) => (answer, changes),
        Err(refusal) => (refusal.into(), false),
    }
}

fn dialect(body: &Value) -> Result<Dialect, Refusal> {
    if let Some(other) = body.get("contentType").as_str().filter(|kind| *kind != "CSV") {
        return Err(Refusal::new("INVALIDCONTENTTYPE", format!("The content type {other} is not CSV")));
    }
    Dialect::read(body.get("columnDelimiter").as_str(), body.get("lineEnding").as_str())
}

fn create_query(org: &Arc<Org>, request: &Request) -> Result<Answer, Refusal> {
    let body = request.members()?;
    let all_rows = match body.get("operation").as_str() {
        Some("query") => false,
        Some("queryAll") => true,
        _ => return Err(Refusal::new("INVALIDOPERATION", "The operation of a query job is query or queryAll")),
    };
    let dialect = dialect(&body)?;
    let text = body.get("query").as_str().ok_or_else(|| Refusal::new("MALFORMED_QUERY", "The query is missing"))?;
    let now = time::now();
    let (table, object_name) = {
        let store = org.store.read().unwrap_or_else(PoisonError::into_inner);
        let table = Table::read(&store, text, all_rows, now)?;
        let name = table.object_name(&store);
        (Arc::new(table), name)
    };
    let work = Work::Query(Query { all_rows, table, rows: Arc::default() });
    let job = org.jobs.add(|id| Job {
        id,
        work,
        object_name,
        key_name: None,
        dialect,
        version: request.version.clone(),
        created: now,
        modified: now,
        state: State::UploadComplete,
        shown: State::UploadComplete,
        processed: 0,
        failed: 0,
        error: None,
    })?;
    query::start(Arc::clone(org), job.id);
    Ok(Answer::json(200, job.json(org.user, false).to_string()))
}

fn create_ingest(org: &Arc<Org>, request: &Request) -> Result<Answer, Refusal> {
    let together = request.content_type.starts_with("multipart/form-data");
    let (body, data) = if together {
        let (job, content) = multipart::parts(&request.content_type, &request.body)?;
        if String::from_utf8_lossy(content).chars().count() > CONTENT_MAX {
            let message = format!("The data of a multipart request has at most {CONTENT_MAX} characters");
            return Err(Refusal::new("REQUEST_ENTITY_TOO_LARGE", message));
        }
        (members(job)?, Some(request.body.slice_ref(content)))
    } else {
        (request.members()?, None)
    };
    let (work, object_name, key_name) = ingest_of(org, request, &body, data)?;
    let dialect = dialect(&body)?;
    let (now, state) = (time::now(), if together { State::UploadComplete } else { State::Open });
    let job = org.jobs.add(|id| Job {
        id,
        work,
        object_name,
        key_name,
        dialect,
        version: request.version.clone(),
        created: now,
        modified: now,
        state,
        shown: state,
        processed: 0,
        failed: 0,
        error: None,
    })?;
    if together {
        ingest::start(Arc::clone(org), job.id);
    }
    Ok(Answer::json(200, job.json(org.user, false).to_string()))
}

type Named = (Work, Arc<str>, Option<Arc<str>>);

fn ingest_of(org: &Org, request: &Request, body: &Value, data: Option<Bytes>) -> Result<Named, Refusal> {
    let name = body.get("object").as_str().unwrap_or_default();
    let object =
        org.schema.find(name).filter(|object| !object.event && !object.read_only).ok_or_else(|| {
            Refusal::new("INVALIDENTITY", format!("Entity '{name}' is not supported by the Bulk API."))
        })?;
    let word = body.get("operation").as_str().unwrap_or_default();
    let operation = Operation::from_word(word)
        .ok_or_else(|| Refusal::new("INVALIDOPERATION", format!("Operation '{word}' is not valid for this job")))?;
    let named = body.get("externalIdFieldName").as_str();
    let key = match (operation, named) {
        (Operation::Upsert, Some(name)) => {
            let at = object.field_at(name).filter(|at| object.field(*at).is_key());
            Some(at.ok_or_else(|| {
                Refusal::new("INVALIDJOB", format!("Field name provided, {name} is not an External ID field"))
            })?)
        }
        (Operation::Upsert, None) => {
            return Err(Refusal::new("INVALIDJOB", "Field name provided, null is not an External ID field"));
        }
        (_, Some(_)) => {
            return Err(Refusal::new("INVALIDJOB", "An external id field is only for upsert"));
        }
        (_, None) => None,
    };
    let key_name = key.map(|at| Arc::clone(&object.field(at).name));
    let origin = request.origin.clone();
    let work = Work::Ingest(Ingest { object: object.at, operation, key, origin, data, outcomes: Vec::new() });
    Ok((work, Arc::clone(&object.name), key_name))
}

fn list(org: &Org, request: &Request, kind: &str) -> Result<Answer, Refusal> {
    let from = request.option("queryLocator").map_or(Some(0), |locator| locator.parse().ok());
    let from = from.ok_or_else(|| Refusal::new("INVALID_QUERY_LOCATOR", "invalid query locator"))?;
    let (records, next) = org.jobs.page(kind == "query", from, LIST_PAGE, |job| job.json(org.user, false));
    let more = next.map(|next| format!("/services/data/v{}/jobs/{kind}?queryLocator={next}", request.version));
    let body = serde_json::json!({"done": more.is_none(), "nextRecordsUrl": more, "records": records});
    Ok(Answer::json(200, body.to_string()))
}

fn show(org: &Org, id: &str, query: bool) -> Result<Answer, Refusal> {
    let body = org.jobs.with(id, query, |job| {
        job.look();
        job.json(org.user, true).to_string()
    });
    body.map(|body| Answer::json(200, body)).ok_or_else(missing)
}

fn change(org: &Arc<Org>, request: &Request, id: &str, query: bool) -> Result<Answer, Refusal> {
    let body = request.members()?;
    let wanted = match body.get("state").as_str() {
        Some("UploadComplete") if !query => State::UploadComplete,
        Some("Aborted") => State::Aborted,
        other => {
            let message = format!("The state of a job cannot be set to {}", other.unwrap_or("nothing"));
            return Err(Refusal::new("INVALIDJOBSTATE", message));
        }
    };
    let changed = org.jobs.with(id, query, |job| {
        let may = match wanted {
            State::UploadComplete => job.state == State::Open,
            _ => !job.state.is_final(),
        };
        if !may {
            let doing = if wanted == State::Aborted { "Aborting" } else { "Closing" };
            let so_far = match job.state {
                State::JobComplete => "Completed",
                other => other.word(),
            };
            let message = format!("{doing} already {so_far} Job not allowed");
            return Err(Refusal::new("INVALIDJOBSTATE", message));
        }
        job.enter(wanted, true);
        Ok((job.id, job.json(org.user, false).to_string()))
    });
    let (id, body) = changed.ok_or_else(missing)??;
    if wanted == State::UploadComplete {
        ingest::start(Arc::clone(org), id);
    }
    Ok(Answer::json(200, body))
}

fn delete(org: &Org, id: &str, query: bool) -> Result<Answer, Refusal> {
    let found = org.jobs.with(id, query, |job| {
        let may = job.state.is_final() || (job.state == State::UploadComplete && !query);
        if may {
            return Ok(job.id);
        }
        let message = format!("Deleting a Job that is {} is not allowed", job.state.word());
        Err(Refusal::new("INVALIDJOBSTATE", message))
    });
    org.jobs.remove(found.ok_or_else(missing)??);
    Ok(Answer::empty(204))
}

fn upload(org: &Org, request: &Request, id: &str) -> Result<Answer, Refusal> {
    if !request.content_type.starts_with("text/csv") {
        return Err(Refusal::new("UNSUPPORTED_MEDIA_TYPE", "The content type must be text/csv"));
    }
    if request.body.len() > UPLOAD_MAX {
        return Err(Refusal::new("REQUEST_ENTITY_TOO_LARGE", "The data of a job has at most 150 MB in base64"));
    }
    let done = org.jobs.with(id, false, |job| {
        let id = job.id;
        match &mut job.work {
            Work::Ingest(ingest) if job.state == State::Open && ingest.data.is_none() => {
                ingest.data = Some(request.body.clone());
                Ok(())
            }
            Work::Ingest(ingest) if ingest.data.is_some() => {
                let message = format!(
                    "Found multiple contents for job: <{id}>, please 'Close' / 'Abort' / 'Delete' the current Job then create a new Job and make sure you only do 'PUT' once on a given Job."
                );
                Err(Refusal::new("CLIENTINPUTERROR", message))
            }
            _ => Err(Refusal::new("INVALIDJOBSTATE", "Data can be uploaded to an open Job only")),
        }
    });
    done.ok_or_else(missing)??;
    Ok(Answer::empty(201))
}

fn results(org: &Org, request: &Request, id: &str) -> Result<Answer, Refusal> {
    let found = org.jobs.with(id, true, |job| match &job.work {
        Work::Query(query) if job.state == State::JobComplete => Ok(Arc::clone(&query.rows)),
        _ => Err(Refusal::new("INVALIDJOBSTATE", format!("The Job is {}, it has no results", job.state.word()))),
    });
    let all = found.ok_or_else(missing)??;
    let Page { text, rows, locator } = page(&all, request.option("locator"), request.option("maxRecords"))?;
    let mut answer = Answer::csv(text, request.gzip);
    answer.headers.push(("sforce-numberofrecords", rows.to_string()));
    answer.headers.push(("sforce-locator", locator));
    Ok(answer)
}

fn told(org: &Org, request: &Request, id: &str, which: Which) -> Result<Answer, Refusal> {
    let found = org.jobs.with(id, false, |job| match &job.work {
        Work::Ingest(ingest) => Some((ingest.clone(), job.dialect)),
        Work::Query(_) => None,
    });
    let (ingest, dialect) = found.flatten().ok_or_else(missing)?;
    Ok(Answer::csv(rows(&ingest, dialect, which), request.gzip))
}
