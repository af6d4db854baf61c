//! The listener for programs: process APIs as their definitions say, events that systems push, and the description of both.
//!
//! A caller is known by a key, may call the APIs that are named for it, within a quota. An answer that is remembered carries
//! its age; when the system behind it is slow or down, the last known one is served, marked stale, for as long as the
//! definition allows. Everything that goes wrong is told as problem details (RFC 9457) with a stable code.

mod answers;
mod body;
mod brake;
mod callers;
mod events;
mod openapi;
mod problem;
mod serve;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use connect::Secrets;
use definitions::ProjectSettings;
use model::{Problem, Value};
use runtime::Runtime;

use crate::answers::Answers;
use crate::callers::Callers;

/// Largest request of a process API, in mebibytes.
const REQUEST_MAX: usize = 1;
/// Largest request with pushed events, in mebibytes.
const EVENTS_MAX: usize = 4;

pub(crate) struct Gateway {
    pub(crate) runtime: Runtime,
    pub(crate) callers: Callers,
    pub(crate) answers: Answers,
}

/// Whether everybody who may call has a key that can be read, before anything begins to work.
///
/// # Errors
/// `IL-API-001` when the key of a client, or the token for events, cannot be read.
pub fn check(settings: &ProjectSettings, secrets: &dyn Secrets) -> Result<(), Problem> {
    Callers::new(settings, secrets).map(|_| ())
}

/// All routes. Secrets are looked up once, here.
///
/// # Errors
/// `IL-API-001` when the key of a client, or the token for events, cannot be read.
pub fn router(runtime: Runtime, secrets: &dyn Secrets) -> Result<Router, Problem> {
    let release = runtime.release();
    let callers = Callers::new(&release.settings, secrets)?;
    let document: Arc<str> = openapi::document(&release).into();
    let gateway = Arc::new(Gateway { runtime, callers, answers: Answers::default() });
    let events = post(events::take).options(events::validate);
    let mut router = Router::new()
        .route("/events/{connection}", events)
        .route("/health", get(async || problem::json(200, &Value::object([("status", "up")]))))
        .route("/openapi.json", get(async move || problem::body(200, "application/json", document.to_string())));
    for api in &release.apis {
        let (gateway, handled) = (Arc::clone(&gateway), Arc::clone(api));
        let handler = move |request: axum::extract::Request| {
            let (gateway, api) = (Arc::clone(&gateway), Arc::clone(&handled));
            async move { serve::serve(&gateway, &api, request).await }
        };
        let route = if &*api.method == "GET" { get(handler) } else { post(handler) };
        router = router.route(&api.path, route);
    }
    Ok(router.fallback(nothing).method_not_allowed_fallback(wrong_method).with_state(gateway))
}

async fn nothing() -> Response {
    problem::response(404, "IL-API-404", "There is nothing at this address", "see /openapi.json for what there is")
}

async fn wrong_method() -> Response {
    problem::response(405, "IL-API-405", "This address takes another method", "see /openapi.json for what there is")
}
