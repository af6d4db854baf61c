//! `call: asyncapi`: messages to and from HTTP servers, described by documents of both generations.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use direct::{Direct, Failure, Options};
use futures::StreamExt as _;
use model::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use workflow::Protocol;

use crate::support::{call, direct, echo, serve, stand_ins, told, typed, value, with};

const SECOND: &str = r##"{
  "asyncapi": "2.6.0", "defaultContentType": "application/json",
  "servers": {
    "broker": {"url": "kafka.example:9092", "protocol": "kafka"},
    "web": {"url": "HOST/{stage}", "protocol": "http", "variables": {"stage": {"default": "test"}}}
  },
  "channels": {
    "/notifications": {"subscribe": {"operationId": "onNotification", "message": {"correlationId": {"location": "$message.payload#/from/id"}}}},
    "orders/{region}": {
      "parameters": {"region": {"location": "$message.payload#/region"}},
      "publish": {"operationId": "order", "bindings": {"http": {"method": "PUT"}}, "message": {"contentType": "application/vnd.order+json"}}},
    "lines": {"subscribe": {}}, "list": {"subscribe": {}}, "missing": {"subscribe": {}}, "private": {"subscribe": {}},
    "held": {"subscribe": {}}, "queue": {"servers": ["broker"], "publish": {}}
  }
}"##;

const THIRD: &str = r##"
asyncapi: 3.0.0
servers:
  queue: { host: "mqtt.example", protocol: mqtt }
  web: { host: HOST, pathname: /test, protocol: http }
channels:
  greetings: { address: "greet/{name}", parameters: { name: { default: all } }, messages: { one: { contentType: application/json } } }
  inbox: { address: /notifications, servers: [ { $ref: "#/servers/web" } ] }
operations:
  greet: { action: receive, channel: { $ref: "#/channels/greetings" } }
  readInbox: { action: send, channel: { $ref: "#/channels/inbox" } }
"##;

fn event(id: u32) -> String {
    format!("id: {id}\ndata: {{\"number\":{id},\"from\":{{\"id\":\"c{id}\"}}}}\n\n")
}

/// Gives two events and ends; then, to who goes on behind the second, three more, and stays open.
async fn notifications(headers: HeaderMap) -> Response {
    let body = match headers.get("last-event-id").and_then(|id| id.to_str().ok()) {
        None => Body::from(format!("retry: 100\n\n{}{}", event(1), event(2))),
        Some("2") => held(format!("{}{}{}", event(3), event(4), event(5))),
        Some(_) => return StatusCode::NO_CONTENT.into_response(),
    };
    ([("content-type", "text/event-stream")], body).into_response()
}

fn held(text: String) -> Body {
    let first = futures::stream::once(async move { Ok::<_, std::convert::Infallible>(text) });
    Body::from_stream(first.chain(futures::stream::pending()))
}

async fn private(headers: HeaderMap) -> Response {
    if headers.get("authorization").is_some_and(|given| given == "Bearer t0ken-t0ken") {
        return typed("application/json", r#"{"a":1}"#);
    }
    (StatusCode::UNAUTHORIZED, typed("application/json", r#"{"reason":"who?"}"#)).into_response()
}

async fn server() -> String {
    let host =
        |headers: &HeaderMap| headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    serve(
        Router::new()
            .route(
                "/second",
                get(move |headers: HeaderMap| async move {
                    typed("application/json", SECOND.replace("HOST", &host(&headers)))
                }),
            )
            .route(
                "/third",
                get(move |headers: HeaderMap| async move {
                    typed("application/yaml", THIRD.replace("HOST", &host(&headers)))
                }),
            )
            .route("/test/notifications", any(notifications))
            .route("/test/lines", get(|| async { typed("application/x-ndjson", "{\"a\":1}\n{\"a\":2}\n{\"a\":3}") }))
            .route("/test/list", get(|| async { typed("application/json", r#"[{"a":1},{"a":2},{"a":3}]"#) }))
            .route("/test/held", get(|| async { ([("content-type", "text/event-stream")], held(event(1))) }))
            .route("/test/private", get(private))
            .route("/test/missing", get(|| async { (StatusCode::NOT_FOUND, "nothing here") }))
            .route("/{*path}", any(echo)),
    )
    .await
}

async fn perform(direct: &Direct, document: &str, more: &str, base: &str) -> Result<Value, Failure> {
    let text = format!(r#"{{"document":{{"endpoint":{{"uri":"BASE/{document}"}}}},{more}}}"#);
    direct.perform(Protocol::AsyncApi, &call(&text, base), "intent-1").await
}

/// The numbers of the messages that were consumed.
fn numbers(given: &Value, name: &str) -> Vec<i64> {
    given.items().iter().filter_map(|message| message.get("payload").get(name).as_i64()).collect()
}

#[tokio::test]
async fn a_message_is_published_where_its_document_says() {
    let (base, direct) = (server().await, direct());
    for (document, more, method, uri, kind) in [
        (
            "second",
            r#""channel":"orders/{region}","message":{"payload":{"region":"north west"},"headers":{"x-foo":"bar"}}"#,
            "PUT",
            "/test/orders/north%20west",
            "application/vnd.order+json",
        ),
        (
            "second",
            r#""operation":"order","message":{"payload":{"region":"r"},"headers":{"x-foo":"bar"}},"server":{"name":"web","variables":{"stage":"live"}}"#,
            "PUT",
            "/live/orders/r",
            "application/vnd.order+json",
        ),
        (
            "third",
            r#""operation":"greet","protocol":"http","message":{"payload":{"hello":1.10},"headers":{"x-foo":"bar"}}"#,
            "POST",
            "/test/greet/all",
            "application/json",
        ),
        (
            "third",
            r#""channel":"greetings","server":{"name":"web","variables":{"name":"anna"}},"message":{"headers":{"x-foo":"bar"}}"#,
            "POST",
            "/test/greet/anna",
            "application/json",
        ),
    ] {
        let sent = perform(&direct, document, more, &base).await.unwrap_or_else(|failure| panic!("{more}: {failure}"));
        assert_eq!((sent.get("method"), sent.get("uri")), (&Value::from(method), &Value::from(uri)));
        let headers = sent.get("headers");
        assert_eq!((headers.get("content-type"), headers.get("x-foo")), (&Value::from(kind), &Value::from("bar")));
        assert_eq!(headers.get("idempotency-key").as_str().is_some(), method == "POST");
    }
}

#[tokio::test]
async fn events_are_consumed_over_as_many_streams_as_it_takes() {
    let (base, direct) = (server().await, direct());
    let given =
        perform(&direct, "second", r#""channel":"notifications","subscription":{"consume":{"amount":5}}"#, &base).await;
    let given = given.expect("messages");
    assert_eq!(numbers(&given, "number"), [1, 2, 3, 4, 5]);
    assert_eq!(
        given.at(2),
        &value(r#"{"payload":{"number":3,"from":{"id":"c3"}},"headers":{"id":"3"},"correlationId":"c3"}"#)
    );
    let given =
        perform(&direct, "third", r#""operation":"readInbox","subscription":{"consume":{"amount":1}}"#, &base).await;
    assert_eq!(numbers(&given.expect("messages"), "number"), [1]);
}

#[tokio::test]
async fn consuming_ends_as_it_is_told() {
    let (base, direct) = (server().await, direct());
    for (subscription, expected) in [
        (r#"{"filter":"${ .payload.number > 1 }","consume":{"amount":2}}"#, &[2, 3][..]),
        (
            r#"{"filter":".correlationId == $context.user","variables":{"context":{"user":"c4"}},"consume":{"amount":1}}"#,
            &[4],
        ),
        (r#"{"consume":{"while":"${ length < 3 }"}}"#, &[1, 2, 3]),
        (r#"{"consume":{"until":"${ length == 4 }"}}"#, &[1, 2, 3, 4]),
        (r#"{"consume":{"until":true}}"#, &[]),
        (r#"{"consume":{"while":false}}"#, &[1]),
        (r#"{"filter":false,"consume":{"amount":1,"for":{"milliseconds":400}}}"#, &[]),
    ] {
        let given =
            perform(&direct, "second", &format!(r#""channel":"/notifications","subscription":{subscription}"#), &base)
                .await;
        assert_eq!(numbers(&given.expect(subscription), "number"), expected, "{subscription}");
    }
    for time in [r#"{"seconds":2}"#, r#""PT2S""#] {
        let more = format!(r#""channel":"held","subscription":{{"consume":{{"while":true,"for":{time}}}}}"#);
        let given = perform(&direct, "second", &more, &base).await;
        assert_eq!(numbers(&given.expect("messages"), "number"), [1], "what has come when the time is over");
    }
}

#[tokio::test]
async fn lines_and_lists_are_messages_too() {
    let (base, direct) = (server().await, direct());
    for channel in ["lines", "list"] {
        for (consume, expected) in
            [(r#"{"amount":2}"#, &[1, 2][..]), (r#"{"amount":9}"#, &[1, 2, 3]), (r#"{"for":"PT5S"}"#, &[1, 2, 3])]
        {
            let more = format!(r#""channel":"{channel}","subscription":{{"consume":{consume}}}"#);
            let given = perform(&direct, "second", &more, &base).await.expect("messages");
            assert_eq!(numbers(&given, "a"), expected, "{channel} {consume}");
        }
    }
}

#[tokio::test]
async fn a_subscription_has_its_authentication_and_its_errors() {
    let base = server().await;
    let direct = with(Options { secrets: stand_ins(&[("token", "t0ken-t0ken")]), ..Options::default() });
    let private = r#""channel":"private","subscription":{"consume":{"amount":1}}"#;
    let given =
        perform(&direct, "second", &format!(r#"{private},"authentication":{{"bearer":{{"use":"token"}}}}"#), &base)
            .await;
    assert_eq!(numbers(&given.expect("a message"), "a"), [1]);
    let failure = perform(&direct, "second", private, &base).await.expect_err("refused");
    assert_eq!((told(&failure).0, told(&failure).1), (401, "communication"));
    assert_eq!(failure.fault.data, value(r#"{"reason":"who?"}"#));
    let failure =
        perform(&direct, "second", r#""channel":"missing","subscription":{"consume":{"amount":1}}"#, &base).await;
    assert_eq!(failure.expect_err("missing").fault.status, 404);
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let folder = tempfile::tempdir().expect("a folder");
    let document = SECOND.replace("HOST", &silent.local_addr().expect("an address").to_string());
    std::fs::write(folder.path().join("silent.json"), document).expect("a file");
    let direct =
        with(Options { folder: folder.path().to_owned(), timeout: Duration::from_secs(1), ..Options::default() });
    let text =
        r#"{"document":{"endpoint":{"uri":"silent.json"}},"channel":"lines","subscription":{"consume":{"amount":1}}}"#;
    let failure = direct.perform(Protocol::AsyncApi, &value(text), "").await.expect_err("silence");
    assert_eq!((told(&failure).0, failure.may_have_happened), (504, false));
}

/// Answers the first request with less than it announces and hangs up, the second in full; gives its address.
async fn losing(kind: &'static str, first: String, second: String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        for (text, more) in [(first, 100), (second, 0)] {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let length = text.len() + more;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n");
            let _ = stream.write_all(format!("{head}{text}").as_bytes()).await;
        }
    });
    address
}

#[tokio::test]
async fn a_lost_stream_goes_on_where_it_was_or_is_an_error_when_it_would_begin_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let direct = with(Options { folder: folder.path().to_owned(), ..Options::default() });
    let text =
        r#"{"document":{"endpoint":{"uri":"lost.json"}},"channel":"lines","subscription":{"consume":{"amount":2}}}"#;
    let address = losing("text/event-stream", format!("retry: 100\n{}", event(1)), event(2)).await;
    std::fs::write(folder.path().join("lost.json"), SECOND.replace("HOST", &address)).expect("a file");
    let given = direct.perform(Protocol::AsyncApi, &value(text), "").await.expect("messages");
    assert_eq!(numbers(&given, "number"), [1, 2]);
    let address = losing("application/x-ndjson", "{\"a\":1}\n".to_owned(), "{\"a\":1}\n".to_owned()).await;
    std::fs::write(folder.path().join("lost.json"), SECOND.replace("HOST", &address)).expect("a file");
    let failure = direct.perform(Protocol::AsyncApi, &value(text), "").await.expect_err("lost");
    assert_eq!((told(&failure).0, told(&failure).1), (502, "communication"));
}

#[tokio::test]
async fn what_is_not_served_or_not_described_is_said() {
    let (base, direct) = (server().await, direct());
    let message = r#""message":{"payload":{"region":"r"}}"#;
    for (document, more, kind, named) in [
        ("second", format!(r#""channel":"queue",{message}"#), "configuration", "`kafka`"),
        (
            "second",
            format!(r#""operation":"order","server":{{"name":"broker"}},{message}"#),
            "configuration",
            "a connection",
        ),
        ("second", format!(r#""operation":"order","protocol":"amqp",{message}"#), "configuration", "`amqp`"),
        ("third", format!(r#""operation":"greet","protocol":"mqtt",{message}"#), "configuration", "`mqtt`"),
        ("second", format!(r#""operation":"ordr",{message}"#), "configuration", "did you mean `order`?"),
        ("second", format!(r#""channel":"notification",{message}"#), "configuration", "did you mean `/notifications`?"),
        ("third", format!(r#""operation":"gret",{message}"#), "configuration", "did you mean `greet`?"),
        (
            "second",
            format!(r#""operation":"order","server":{{"name":"wep"}},{message}"#),
            "configuration",
            "did you mean `web`?",
        ),
        ("second", r#""operation":"order","message":{"payload":{}}"#.to_owned(), "configuration", "{region}"),
        ("second", r#""channel":"lines","subscription":{}"#.to_owned(), "configuration", "consume"),
        (
            "second",
            r#""channel":"lines","subscription":{"consume":{"amount":"x"}}"#.to_owned(),
            "configuration",
            "amount",
        ),
        (
            "second",
            r#""channel":"lines","subscription":{"consume":{"amount":1,"for":"soon"}}"#.to_owned(),
            "configuration",
            "for",
        ),
        (
            "second",
            r#""channel":"lines","subscription":{"filter":"${ .a | }","consume":{"amount":1}}"#.to_owned(),
            "expression",
            "filter",
        ),
        (
            "second",
            r#""channel":"lines","subscription":{"filter":".payload + 1","consume":{"amount":1}}"#.to_owned(),
            "expression",
            ".payload",
        ),
        ("anything", format!(r#""operation":"greet",{message}"#), "configuration", "neither AsyncAPI 2"),
    ] {
        let failure = perform(&direct, document, &more, &base).await.expect_err(&more);
        assert_eq!(told(&failure).1, kind, "{failure}");
        assert!(told(&failure).2.contains(named), "{failure}");
    }
}

#[tokio::test]
async fn only_reading_messages_may_be_repeated() {
    let direct = direct();
    assert!(direct.repeatable(Protocol::AsyncApi, &value(r#"{"subscription":{"consume":{"amount":1}}}"#)));
    assert!(!direct.repeatable(Protocol::AsyncApi, &value(r#"{"message":{}}"#)));
}
