//! Answers: JSON, and problem details (RFC 9457).

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use model::{Value, json};

/// An answer with this content.
pub(crate) fn body(status: u16, content_type: &'static str, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A JSON answer.
pub(crate) fn json(status: u16, value: &Value) -> Response {
    body(status, "application/json", json::to_string(value))
}

/// Problem details.
pub(crate) fn response(status: u16, code: &str, title: &str, remedy: &str) -> Response {
    details(status, code, title, remedy, Value::Null)
}

/// Problem details with more members.
pub(crate) fn details(status: u16, code: &str, title: &str, remedy: &str, more: Value) -> Response {
    let mut value = Value::object([
        ("type", Value::from(format!("urn:interlock:problem:{code}"))),
        ("title", Value::from(title)),
        ("status", Value::from(i64::from(status))),
        ("code", Value::from(code)),
        ("remedy", Value::from(remedy)),
    ]);
    if let Some(members) = more.as_object() {
        for (name, member) in members.iter() {
            value.set(name.clone(), member.clone());
        }
    }
    body(status, "application/problem+json", json::to_string(&value))
}
