//! Services that take and give messages: a server that AsyncAPI documents describe, and one that speaks gRPC.
//!
//! | path | answer |
//! |---|---|
//! | `/described/asyncapi.json`, `/described/asyncapi3.yaml` | what describes the server at `/messages` |
//! | `/messages/orders…` | what was published, as JSON |
//! | `/messages/numbers` | the numbers from 1 to 5 as server-sent events, and no end |
//! | `/messages/lines` | three lines of JSON |
//! | `/messages/closed` | one message, for the token `t0ken` |
//! | `/greet.v1.Greeter/…` | gRPC, for the interface of `greet.proto` in the cases |

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use futures::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, Full};
use model::Value;

use super::Asked;
use crate::workflows::host::{json, typed};

pub(super) const ASYNCAPI: &str = r#"{
  "asyncapi": "2.6.0",
  "servers": {
    "live": {"url": "http://HOST/messages", "protocol": "http"},
    "broker": {"url": "kafka.example:9092", "protocol": "kafka"}
  },
  "channels": {
    "orders/{region}": {
      "parameters": {"region": {"location": "$message.payload#/region"}},
      "publish": {"operationId": "sendOrder", "message": {"contentType": "application/json"}}},
    "numbers": {"subscribe": {"operationId": "onNumber", "message": {"correlationId": {"location": "$message.payload#/key"}}}},
    "lines": {"subscribe": {"operationId": "onLine"}},
    "closed": {"subscribe": {"operationId": "onClosed"}}
  }
}"#;

pub(super) const ASYNCAPI_3: &str = r##"
asyncapi: 3.0.0
servers: { live: { host: HOST, pathname: '/{stage}', protocol: http, variables: { stage: { default: test } } } }
channels: { orders: { address: orders/all, messages: { one: { contentType: application/json } } } }
operations: { sendOrder: { action: receive, channel: { $ref: "#/channels/orders" } } }
"##;

pub(super) fn answer(asked: &Asked, parts: &[&str]) -> Response {
    match parts {
        ["messages", "orders", ..] => json(200, &asked.to_value()),
        ["messages", "numbers"] => {
            let event = |n: u32| format!("data: {{\"n\":{n},\"key\":\"k{n}\"}}\n\n");
            let events: String = (1..=5).map(event).collect();
            let first = stream::once(async move { Ok::<_, std::convert::Infallible>(events) });
            ([("content-type", "text/event-stream")], Body::from_stream(first.chain(stream::pending()))).into_response()
        }
        ["messages", "lines"] => typed(200, "application/x-ndjson", "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n"),
        ["messages", "closed"] => match asked.header("authorization") {
            "Bearer t0ken" => json(200, &Value::object([("in", true)])),
            _ => json(401, &Value::Null),
        },
        ["greet.v1.Greeter", "SayHello"] => greeted(&asked.body),
        ["greet.v1.Greeter", "Whoami"] => message(asked.header("authorization")),
        _ => refusal(5, "nobody of this name is here"),
    }
}

/// Says hello to the name in the message, which is its first field.
fn greeted(body: &Bytes) -> Response {
    let name = body.get(7..).map(|name| String::from_utf8_lossy(name).into_owned()).unwrap_or_default();
    message(&format!("Hello {name}"))
}

/// A message with a text as its first field, and the status 0.
fn message(text: &str) -> Response {
    let length = u8::try_from(text.len()).expect("a short text");
    // Not compressed; the length of the message; field 1 with a length; the text.
    let mut bytes = vec![0, 0, 0, 0, length + 2, 0x0a, length];
    bytes.extend_from_slice(text.as_bytes());
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(Bytes::from(bytes)).with_trailers(async move { Some(Ok(trailers)) });
    ([("content-type", "application/grpc")], Body::new(body)).into_response()
}

fn refusal(status: u8, told: &str) -> Response {
    let status = status.to_string();
    [("content-type", "application/grpc"), ("grpc-status", &*status), ("grpc-message", told)].into_response()
}
