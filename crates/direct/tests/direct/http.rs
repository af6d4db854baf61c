//! `call: http`: what is sent, what is given back, and what is an error.

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{any, get};
use direct::Options;
use model::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use workflow::Protocol;

use crate::support::{call, direct, echo, http, nobody, serve, stand_ins, told, typed, value, with};

fn library() -> Router {
    Router::new()
        .route(
            "/json",
            get(|| async { typed("application/json", r#"{"amount":12345678901234567890.10,"items":[1]}"#) }),
        )
        .route("/problem", get(|| async { typed("application/problem+json", r#"{"title":"no"}"#) }))
        .route("/text", get(|| async { typed("text/plain; charset=utf-8", "grüezi") }))
        .route("/yaml", get(|| async { typed("application/yaml", "a: [1, two]") }))
        .route("/bytes", get(|| async { typed("application/octet-stream", vec![0_u8, 255, 16]) }))
        .route("/empty", get(|| async { StatusCode::NO_CONTENT }))
        .route("/broken", get(|| async { typed("application/json", "<html>") }))
        .route("/large", get(|| async { typed("application/octet-stream", vec![0_u8; 33 * 1024 * 1024]) }))
        .route("/missing", any(|| async { (StatusCode::NOT_FOUND, typed("application/json", r#"{"code":"E7"}"#)) }))
        .route("/down", any(|| async { (StatusCode::SERVICE_UNAVAILABLE, "later") }))
        .route("/echo", any(echo))
        .route(
            "/basic",
            get(|headers: axum::http::HeaderMap| async move { asks_for(&headers, "Basic YW5uYTpwYTpzcw==") }),
        )
        .route("/bearer", get(|headers: axum::http::HeaderMap| async move { asks_for(&headers, "Bearer t0ken-t0ken") }))
}

fn asks_for(headers: &axum::http::HeaderMap, wanted: &str) -> axum::response::Response {
    let given = headers.get("authorization").and_then(|value| value.to_str().ok());
    if given == Some(wanted) { "welcome".into_response() } else { StatusCode::UNAUTHORIZED.into_response() }
}

#[tokio::test]
async fn an_answer_is_given_as_what_its_type_says() {
    let (base, direct) = (serve(library()).await, direct());
    for (path, expected) in [
        ("json", r#"{"amount":12345678901234567890.10,"items":[1]}"#),
        ("problem", r#"{"title":"no"}"#),
        ("text", r#""grüezi""#),
        ("yaml", r#"{"a":[1,"two"]}"#),
        ("bytes", r#""AP8Q""#),
        ("empty", "null"),
    ] {
        let given = http(&direct, &format!(r#"{{"method":"get","endpoint":"BASE/{path}"}}"#), &base).await;
        assert_eq!(given.map(|value| value.to_string()).as_deref(), Ok(expected), "{path}");
    }
    let raw = http(&direct, r#"{"method":"GET","endpoint":{"uri":"BASE/text"},"output":"raw"}"#, &base).await;
    assert_eq!(raw, Ok(Value::from("Z3LDvGV6aQ==")));
}

#[tokio::test]
async fn a_whole_response_names_its_request() {
    let base = serve(library()).await;
    let asked =
        r#"{"method":"get","endpoint":"BASE/json","output":"response","headers":{"X-One":"1"},"query":{"a":"b"}}"#;
    let given = http(&direct(), asked, &base).await.expect("an answer");
    assert_eq!(given.get("statusCode"), &Value::from(200));
    assert_eq!(given.get("request").get("method"), &Value::from("GET"));
    assert_eq!(given.get("request").get("uri"), &Value::from(format!("{base}/json?a=b")));
    assert_eq!(given.get("request").get("headers"), &value(r#"{"x-one":"1"}"#));
    assert_eq!(given.get("headers").get("content-type"), &Value::from("application/json"));
    assert_eq!(given.get("content").get("items"), &value("[1]"));
}

#[tokio::test]
async fn methods_headers_queries_and_bodies_go_as_they_are_written() {
    let (base, direct) = (serve(library()).await, direct());
    for method in ["get", "POST", "Put", "patch", "DELETE", "options"] {
        let sent = http(&direct, &format!(r#"{{"method":"{method}","endpoint":"BASE/echo"}}"#), &base).await;
        assert_eq!(sent.expect("an answer").get("method"), &Value::from(method.to_uppercase()), "{method}");
    }
    let sent = http(
        &direct,
        r#"{"method":"post","endpoint":"BASE/echo?first=1","query":{"q":"a b&c","n":2.50,"list":[1,"x"],"none":null},
            "headers":{"X-Number":7,"Accept":"text/plain","X-None":null},"body":{"b":[1.20]}}"#,
        &base,
    )
    .await
    .expect("an answer");
    assert_eq!(sent.get("uri"), &Value::from("/echo?first=1&q=a%20b%26c&n=2.50&list=1&list=x"));
    let headers = sent.get("headers");
    assert_eq!((headers.get("x-number"), headers.get("accept")), (&Value::from("7"), &Value::from("text/plain")));
    assert!(!headers.has("x-none"));
    assert_eq!(
        (headers.get("content-type"), sent.get("body")),
        (&Value::from("application/json"), &Value::from(r#"{"b":[1.20]}"#))
    );
    for (given, kind, body) in [
        (r#""plain""#, "text/plain; charset=utf-8", "plain"),
        ("[1,2]", "application/json", "[1,2]"),
        ("5", "application/json", "5"),
    ] {
        let sent = http(&direct, &format!(r#"{{"method":"put","endpoint":"BASE/echo","body":{given}}}"#), &base).await;
        let sent = sent.expect("an answer");
        assert_eq!(sent.get("headers").get("content-type"), &Value::from(kind));
        assert_eq!(sent.get("body"), &Value::from(body));
    }
    let form = r#"{"method":"post","endpoint":"BASE/echo","headers":{"Content-Type":"application/x-www-form-urlencoded"},
                   "body":{"a":"1 2","b":["x","y"]}}"#;
    assert_eq!(http(&direct, form, &base).await.expect("an answer").get("body"), &Value::from("a=1%202&b=x&b=y"));
    let xml = r#"{"method":"post","endpoint":"BASE/echo","headers":{"content-type":"application/xml"},"body":"<a/>"}"#;
    let sent = http(&direct, xml, &base).await.expect("an answer");
    assert_eq!(
        (sent.get("headers").get("content-type"), sent.get("body")),
        (&Value::from("application/xml"), &Value::from("<a/>"))
    );
}

#[tokio::test]
async fn writes_carry_the_key_by_which_a_target_recognises_them() {
    let (base, direct) = (serve(library()).await, direct());
    for (method, expected) in [("post", true), ("patch", true), ("get", false), ("put", false), ("delete", false)] {
        let sent = http(&direct, &format!(r#"{{"method":"{method}","endpoint":"BASE/echo"}}"#), &base).await;
        let sent = sent.expect("an answer");
        assert_eq!(sent.get("headers").get("idempotency-key").as_str() == Some("intent-1"), expected, "{method}");
    }
    let own = r#"{"method":"post","endpoint":"BASE/echo","headers":{"Idempotency-Key":"mine"}}"#;
    let sent = http(&direct, own, &base).await.expect("an answer");
    assert_eq!(sent.get("headers").get("idempotency-key"), &Value::from("mine"));
}

#[tokio::test]
async fn what_may_be_repeated_is_known_before_it_is_sent() {
    let direct = direct();
    let repeatable = |text: &str| direct.repeatable(Protocol::Http, &value(text));
    for method in ["get", "HEAD", "options", "put", "DELETE", "trace"] {
        assert!(repeatable(&format!(r#"{{"method":"{method}","endpoint":"http://x"}}"#)), "{method}");
    }
    assert!(!repeatable(r#"{"method":"post","endpoint":"http://x"}"#));
    assert!(!repeatable(r#"{"method":"patch","endpoint":"http://x","headers":{"x":"y"}}"#));
    assert!(repeatable(r#"{"method":"post","endpoint":"http://x","headers":{"IDEMPOTENCY-key":"a"}}"#));
    assert!(!repeatable("{}"));
    assert!(direct.repeatable(Protocol::Function, &Value::Null));
    for protocol in
        [Protocol::Grpc, Protocol::Script, Protocol::Shell, Protocol::Container, Protocol::A2a, Protocol::Mcp]
    {
        assert!(!direct.repeatable(protocol, &Value::empty_object()), "{protocol:?}");
    }
}

#[tokio::test]
async fn an_error_status_is_a_communication_error_with_what_the_other_side_says() {
    let (base, direct) = (serve(library()).await, direct());
    let failure =
        http(&direct, r#"{"method":"post","endpoint":"BASE/missing?key=1"}"#, &base).await.expect_err("missing");
    assert_eq!(told(&failure), (404, "communication", &*format!("POST {base}/missing answered 404 Not Found")));
    assert_eq!(failure.fault.data, value(r#"{"code":"E7"}"#));
    assert!(!failure.may_have_happened);
    let failure = http(&direct, r#"{"method":"get","endpoint":"BASE/down","output":"response"}"#, &base).await;
    let failure = failure.expect_err("down");
    assert_eq!((failure.fault.status, &failure.fault.data), (503, &Value::from("later")));
    let failure = http(&direct, r#"{"method":"get","endpoint":"BASE/broken"}"#, &base).await.expect_err("no JSON");
    assert_eq!((told(&failure).0, told(&failure).1), (502, "communication"));
    let failure = http(&direct, r#"{"method":"get","endpoint":"BASE/large"}"#, &base).await.expect_err("too large");
    assert!(told(&failure).2.contains("larger than"), "{failure}");
}

#[tokio::test]
async fn no_answer_says_whether_anything_can_have_happened() {
    let direct = with(Options { timeout: Duration::from_secs(1), ..Options::default() });
    let base = format!("http://{}", nobody().await);
    let failure = http(&direct, r#"{"method":"post","endpoint":"BASE/a"}"#, &base).await.expect_err("nobody");
    assert_eq!((told(&failure).0, told(&failure).1, failure.may_have_happened), (503, "communication", false));
    assert!(!told(&failure).2.contains("sending request"), "{failure}");

    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", silent.local_addr().expect("an address"));
    for (method, may) in [("post", true), ("put", true), ("get", false)] {
        let asked = format!(r#"{{"method":"{method}","endpoint":"BASE/a"}}"#);
        let failure = http(&direct, &asked, &base).await.expect_err("silence");
        assert_eq!(
            (told(&failure).0, told(&failure).1, failure.may_have_happened),
            (504, "communication", may),
            "{method}"
        );
    }

    let hanging_up = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", hanging_up.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = hanging_up.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
        }
    });
    let failure = http(&direct, r#"{"method":"post","endpoint":"BASE/a"}"#, &base).await.expect_err("half an answer");
    assert_eq!((told(&failure).0, failure.may_have_happened), (502, true));
}

#[tokio::test]
async fn a_call_that_cannot_be_made_is_a_configuration_error() {
    let direct = direct();
    for (text, named) in [
        (r#"{"method":"get","endpoint":"/relative"}"#, "/relative"),
        (r#"{"method":"get","endpoint":"ftp://x/y"}"#, "ftp://x/y"),
        (r#"{"method":"get","endpoint":"file:///etc/passwd"}"#, "file:///etc/passwd"),
        (r#"{"method":"get"}"#, "no address"),
        (r#"{"method":"g t","endpoint":"http://localhost"}"#, "method"),
        (r#"{"method":"get","endpoint":"http://localhost","headers":{"a b":"c"}}"#, "a b"),
        (r#"{"method":"get","endpoint":"http://localhost","headers":{"a":"c\nd"}}"#, "`a`"),
        (r#"{"method":"get","endpoint":"http://localhost","headers":["a"]}"#, "headers"),
        (r#"{"method":"get","endpoint":"http://localhost","query":"a=b"}"#, "query"),
        (r#"{"method":"get","endpoint":"http://localhost","output":"all"}"#, "output"),
        (
            r#"{"method":"get","endpoint":{"uri":"http://localhost","authentication":{"basic":{"username":"a"}}}}"#,
            "password",
        ),
        (
            r#"{"method":"get","endpoint":{"uri":"http://localhost","authentication":{"bearer":{"use":"gone"}}}}"#,
            "gone",
        ),
    ] {
        let failure = http(&direct, text, "").await.expect_err(text);
        assert_eq!((told(&failure).0, told(&failure).1), (400, "configuration"), "{text}");
        assert!(told(&failure).2.contains(named), "{text}: {failure}");
        assert!(!failure.may_have_happened);
    }
}

#[tokio::test]
async fn basic_and_bearer_credentials_are_given_or_taken_from_a_secret() {
    let base = serve(library()).await;
    let secrets = stand_ins(&[
        ("login", r#"{"username":"anna","password":"pa:ss"}"#),
        ("wrapped", r#"{"token":"t0ken-t0ken"}"#),
        ("bare", "t0ken-t0ken"),
    ]);
    let shown = secrets.expression_value();
    let own = shown.get("login").get("password").as_str().expect("a stand-in").to_owned();
    let direct = with(Options { secrets, ..Options::default() });
    for (path, authentication) in [
        ("basic", r#"{"basic":{"username":"anna","password":"pa:ss"}}"#.to_owned()),
        ("basic", r#"{"basic":{"use":"login"}}"#.to_owned()),
        ("basic", format!(r#"{{"basic":{{"username":"anna","password":"{own}"}}}}"#)),
        ("bearer", r#"{"bearer":{"token":"t0ken-t0ken"}}"#.to_owned()),
        ("bearer", r#"{"bearer":{"use":"wrapped"}}"#.to_owned()),
        ("bearer", r#"{"bearer":{"use":"bare"}}"#.to_owned()),
    ] {
        let text =
            format!(r#"{{"method":"get","endpoint":{{"uri":"BASE/{path}","authentication":{authentication}}}}}"#);
        assert_eq!(http(&direct, &text, &base).await, Ok(Value::from("welcome")), "{authentication}");
    }
    let wrong = r#"{"method":"get","endpoint":{"uri":"BASE/basic","authentication":{"basic":{"username":"a","password":"b"}}}}"#;
    assert_eq!(http(&direct, wrong, &base).await.expect_err("refused").fault.status, 401);
}

#[tokio::test]
async fn many_requests_are_under_way_at_once_on_any_thread() {
    let base = serve(library()).await;
    let direct = std::sync::Arc::new(direct());
    let asked = call(r#"{"method":"get","endpoint":"BASE/json"}"#, &base);
    let tasks = (0..50).map(|_| {
        let (direct, asked) = (std::sync::Arc::clone(&direct), asked.clone());
        tokio::spawn(async move { direct.perform(Protocol::Http, &asked, "").await })
    });
    let answers = futures::future::join_all(tasks).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(Result::is_ok)));
}

#[tokio::test]
async fn what_is_not_served_says_what_to_do_instead() {
    let direct = direct();
    for (protocol, named) in [
        (Protocol::Container, "script"),
        (Protocol::A2a, "call: http"),
        (Protocol::Mcp, "call: http"),
        (Protocol::Function, "function"),
    ] {
        let failure = direct.perform(protocol, &call("{}", ""), "").await.expect_err("not served");
        assert_eq!((told(&failure).0, told(&failure).1), (400, "configuration"));
        assert!(told(&failure).2.contains(named), "{failure}");
    }
}
