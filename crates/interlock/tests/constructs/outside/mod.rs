//! The host that cases call: it notes every request, and answers by the path.
//!
//! | path | answer |
//! |---|---|
//! | `/echo…` | what was asked, as JSON |
//! | `/status/CODE` | this status, with a body that says so |
//! | `/flaky/TIMES/CODE` | so often this status, then how often it was asked |
//! | `/moved/CODE/PATH` | a redirect to the path |
//! | `/never` | none |
//! | `/text`, `/bytes`, `/amounts`, `/broken` | contents of other kinds |
//! | `/guarded/…`, `/token/…` | `guards.rs` |
//! | `/described/…` | `described.rs` |
//! | `/messages/…`, `/greet.v1.Greeter/…` | `messages.rs` |

mod described;
mod guards;
mod messages;

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse as _, Response};
use model::{Value, json};

use crate::workflows::host::{self, Host};

/// The host of one case.
pub(crate) struct Outside {
    host: Host,
    seen: Arc<Seen>,
}

/// What it was asked.
#[derive(Default)]
struct Seen(Mutex<Vec<Value>>);

/// A request in hand.
struct Asked {
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
    /// How often this path was asked before.
    before: usize,
}

impl Outside {
    pub(crate) fn start() -> Self {
        let seen = Arc::new(Seen::default());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&seen));
        Self { host: Host::serve(router), seen }
    }

    /// A text with the address in place of `HOST`, and its port, as a number, in place of `"PORT"`.
    pub(crate) fn here_in(&self, text: &str) -> String {
        let address = self.host.address();
        let authority = address.trim_start_matches("http://");
        let port = authority.rsplit(':').next().unwrap_or_default();
        text.replace("HOST", authority).replace("\"PORT\"", port)
    }

    /// The same for the texts in data.
    pub(crate) fn here(&self, value: &Value) -> Value {
        json::parse(self.here_in(&value.to_string()).as_bytes()).unwrap_or_default()
    }

    /// What it was asked, in order.
    pub(crate) fn seen(&self) -> Vec<Value> {
        self.seen.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Asked {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as data where it is JSON, otherwise as a text; null for none.
    fn body(&self) -> Value {
        match (self.body.is_empty(), self.header("content-type").contains("json")) {
            (true, _) => Value::Null,
            (_, true) => json::parse(&self.body).unwrap_or_default(),
            _ => Value::from(String::from_utf8_lossy(&self.body).into_owned()),
        }
    }

    fn to_value(&self) -> Value {
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()));
        Value::object([
            ("method", Value::from(self.method.as_str())),
            ("path", Value::from(self.path.as_str())),
            ("query", Value::from(self.query.as_str())),
            ("headers", Value::object(headers)),
            ("body", self.body()),
        ])
    }
}

async fn answer(State(seen): State<Arc<Seen>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let (path, query) = (uri.path().to_owned(), uri.query().unwrap_or_default().to_owned());
    let mut asked = Asked { method, path, query, headers, body, before: 0 };
    {
        let mut seen = seen.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.before = seen.iter().filter(|before| before.get("path").as_str() == Some(&asked.path)).count();
        seen.push(asked.to_value());
    }
    let parts: Vec<&str> = asked.path.trim_start_matches('/').split('/').collect();
    let number = |text: &str| text.parse::<u16>().unwrap_or(500);
    let counted = || Value::object([("asked", Value::from(asked.before as i64 + 1))]);
    match parts[..] {
        ["echo", ..] => host::json(200, &asked.to_value()),
        ["status", code] => host::json(number(code), &Value::object([("told", code)])),
        ["flaky", times, code] if asked.before < usize::from(number(times)) => host::json(number(code), &counted()),
        ["flaky", ..] => host::json(200, &counted()),
        ["moved", code, ref path @ ..] => {
            let mut answer = host::json(number(code), &Value::object([("moved", true)]));
            let place = format!("/{}", path.join("/")).parse().expect("a header");
            answer.headers_mut().insert("location", place);
            answer
        }
        ["never"] => std::future::pending().await,
        ["text"] => host::typed(200, "text/plain", "plain words"),
        ["bytes"] => host::typed(200, "application/octet-stream", vec![0, 159, 146, 150]),
        ["amounts"] => host::typed(200, "application/json", r#"{"price":12.50,"id":12345678901234567890,"sum":0.30}"#),
        ["broken"] => host::typed(200, "application/json", r#"{"price":"#),
        ["empty"] => axum::http::StatusCode::NO_CONTENT.into_response(),
        ["guarded", ..] | ["token", ..] | ["issuer", ..] => guards::answer(&asked, &parts),
        ["described", ..] => described::answer(&asked, &parts),
        ["messages", ..] | ["greet.v1.Greeter", ..] => messages::answer(&asked, &parts),
        _ => host::json(404, &Value::object([("message", "nothing is here")])),
    }
}
