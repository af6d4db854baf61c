//! Events that systems push.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use model::{ConnectionName, Value};
use runtime::{NotReceived, Received, RefusedEvent};

use crate::{EVENTS_MAX, Gateway, body, problem};

/// Takes events; what is answered for with success is durable, except those that the answer names as refused.
pub(crate) async fn take(
    State(gateway): State<Arc<Gateway>>,
    Path(connection): Path<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    // Before anything of the body is kept: anybody may come this far.
    if let Err(refusal) = gateway.callers.may_push(&headers).await {
        return *refusal;
    }
    let body = match body::read(body, EVENTS_MAX).await {
        Ok(body) => body,
        Err(refusal) => return *refusal,
    };
    let received = gateway.runtime.receive(&ConnectionName::from(connection), &headers, &body).await;
    let NotReceived { problem, refused } = match received {
        Ok(Received { taken, refused }) => {
            let mut answer = Value::object([("taken", Value::from(taken))]);
            if !refused.is_empty() {
                answer.set("refused", list(&refused));
            }
            // Senders of CloudEvents know 200, 201, 202 and 204 as success; with 207 some would send all again.
            return problem::json(202, &answer);
        }
        Err(found) => found,
    };
    // The sender tries again what was not kept, and must not try again what is no event.
    let status = match problem.code {
        "IL-FEED-003" => 404,
        "IL-FEED-004" => 400,
        _ => 503,
    };
    let more = if refused.is_empty() { Value::Null } else { Value::object([("refused", list(&refused))]) };
    problem::details(status, problem.code, &problem.message, &problem.remedy, more)
}

/// Refused events, as the sender can tell them apart.
fn list(refused: &[RefusedEvent]) -> Value {
    Value::array(refused.iter().map(|event| {
        Value::object([
            ("index", Value::from(event.index)),
            ("id", Value::from(event.id.clone())),
            ("reason", Value::from(event.reason.as_str())),
        ])
    }))
}

/// The handshake of CloudEvents webhooks: the sender asks whether it may send. Source: CloudEvents HTTP 1.1 Web Hooks, chapter 4.
pub(crate) async fn validate(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Response {
    if let Err(refusal) = gateway.callers.may_push(&headers).await {
        return *refusal;
    }
    let mut response = problem::body(200, "text/plain", String::new());
    let origin = headers.get("webhook-request-origin").cloned();
    let allowed = response.headers_mut();
    allowed.insert("webhook-allowed-origin", origin.unwrap_or(HeaderValue::from_static("*")));
    allowed.insert("webhook-allowed-rate", HeaderValue::from_static("*"));
    allowed.insert("allow", HeaderValue::from_static("POST, OPTIONS"));
    response
}
