//! Servers to call, and what every test says.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};
use connect::Secret;
use direct::{Direct, Failure, Options, SecretStandIns};
use model::{Value, json};
use tokio::net::TcpListener;
use workflow::Protocol;

pub(crate) const NONCE: &str = "f00dcafe";

/// Serves on a free port for as long as the test runs; gives `http://address`.
pub(crate) async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// Answers with what it was asked, as JSON.
pub(crate) async fn echo(method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()));
    let told = Value::object([
        ("method", Value::from(method.as_str())),
        ("uri", Value::from(uri.to_string())),
        ("headers", Value::object(headers)),
        ("body", Value::from(String::from_utf8_lossy(&body).into_owned())),
    ]);
    ([("content-type", "application/json")], told.to_string()).into_response()
}

/// An answer with this media type.
pub(crate) fn typed(kind: &'static str, body: impl Into<Bytes>) -> Response {
    ([("content-type", kind)], body.into()).into_response()
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address")
}

pub(crate) fn direct() -> Direct {
    with(Options::default())
}

pub(crate) fn with(options: Options) -> Direct {
    Direct::new(Options { timeout: options.timeout.min(Duration::from_secs(10)), ..options }).expect("a client")
}

pub(crate) fn stand_ins(secrets: &[(&str, &str)]) -> SecretStandIns {
    let secrets: BTreeMap<String, Secret> =
        secrets.iter().map(|(name, text)| ((*name).to_owned(), Secret::new((*text).to_owned()))).collect();
    SecretStandIns::new(NONCE, secrets)
}

pub(crate) fn value(text: &str) -> Value {
    json::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A call in JSON, with `BASE` for an address.
pub(crate) fn call(text: &str, base: &str) -> Value {
    value(&text.replace("BASE", base))
}

pub(crate) async fn http(direct: &Direct, text: &str, base: &str) -> Result<Value, Failure> {
    direct.perform(Protocol::Http, &call(text, base), "intent-1").await
}

/// The status, the last word of the type, and the sentence of a failure.
pub(crate) fn told(failure: &Failure) -> (u16, &str, &str) {
    let fault = &failure.fault;
    (fault.status, fault.fault_type.rsplit('/').next().unwrap_or_default(), fault.detail.as_deref().unwrap_or_default())
}
