//! Events that systems push.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use model::{ConnectionName, Value};

use crate::{Gateway, problem};

/// Takes events; what is answered for with success is durable.
pub(crate) async fn take(
    State(gateway): State<Arc<Gateway>>,
    Path(connection): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !gateway.callers.may_push(&headers) {
        let remedy = "send the token that `events` in interlock.yaml names as `Authorization: Bearer TOKEN`";
        return problem::response(401, "IL-API-005", "The sender of these events is not known", remedy);
    }
    match gateway.runtime.receive(&ConnectionName::from(connection), &headers, &body).await {
        Ok(taken) => problem::json(202, &Value::object([("taken", Value::from(i64::try_from(taken).unwrap_or(0)))])),
        // The sender tries again what was not kept, and must not try again what is no event.
        Err(found) if matches!(found.code, "IL-FEED-003") => problem::of(404, &found),
        Err(found) if matches!(found.code, "IL-FEED-004") => problem::of(400, &found),
        Err(found) => problem::of(503, &found),
    }
}

/// The handshake of CloudEvents webhooks: the sender asks whether it may send. Source: CloudEvents HTTP 1.1 Web Hooks, chapter 4.
pub(crate) async fn validate(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Response {
    if !gateway.callers.may_push(&headers) {
        let remedy = "send the token that `events` in interlock.yaml names as `Authorization: Bearer TOKEN`";
        return problem::response(401, "IL-API-005", "The sender of these events is not known", remedy);
    }
    let mut response = problem::body(200, "text/plain", String::new());
    let origin = headers.get("webhook-request-origin").cloned();
    let allowed = response.headers_mut();
    allowed.insert("webhook-allowed-origin", origin.unwrap_or(HeaderValue::from_static("*")));
    allowed.insert("webhook-allowed-rate", HeaderValue::from_static("*"));
    allowed.insert("allow", HeaderValue::from_static("POST, OPTIONS"));
    response
}
