//! Process APIs: routes as data.

use std::sync::Arc;
use std::time::Duration;

use contract::Schema;
use expr::Expression;
use model::Value;

use crate::connection::Function;

/// One file of `apis/`.
#[derive(Debug)]
pub struct Api {
    /// Its name.
    pub name: Arc<str>,
    /// Its major version.
    pub version: u32,
    /// What it is for, one sentence.
    pub summary: Arc<str>,
    /// The HTTP method, upper case: `GET` or `POST`.
    pub method: Arc<str>,
    /// The path with `{name}` parameters.
    pub path: Arc<str>,
    /// Schema of the body, or of the query parameters for GET.
    pub request: Option<Arc<Schema>>,
    /// The same as written, for the OpenAPI document.
    pub request_document: Value,
    /// Schema of the answer.
    pub response: Option<Arc<Schema>>,
    /// The same as written.
    pub response_document: Value,
    /// What serves it.
    pub source: ApiSource,
    /// jq from `{body, path, query}` to the function's input, or to the matter's key.
    pub input: Option<Expression>,
    /// jq from the function's output to the answer.
    pub output: Option<Expression>,
    /// How answers are remembered.
    pub cache: Option<CachePolicy>,
    /// How long a caller waits at the most.
    pub timeout: Duration,
    /// Requests per minute and client; `None` for no limit.
    pub per_minute: Option<u32>,
}

/// What serves an API.
#[derive(Debug)]
pub enum ApiSource {
    /// A function of a connection that changes nothing.
    Function(Arc<Function>),
    /// What Interlock knows of a matter: stage, timeline, references. The input gives `{object, key}`.
    Transaction,
}

/// How an API's answers are remembered.
#[derive(Debug)]
pub struct CachePolicy {
    /// What makes two requests the same: jq on `{body, path, query}`.
    pub key: Expression,
    /// So long an answer is served without asking again.
    pub fresh: Duration,
    /// So long an answer is served, marked stale, when the system is slow or down.
    pub stale: Duration,
}
