//! Secrets: in what is sent, and nowhere else.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::any;
use direct::Options;
use model::Value;

use crate::support::{direct, echo, http, nobody, serve, stand_ins, value, with};

#[tokio::test]
async fn stand_ins_are_filled_in_addresses_queries_headers_and_bodies() {
    let base = serve(Router::new().route("/{*path}", any(echo))).await;
    let secrets = stand_ins(&[("key", "s3cret/key"), ("hook", &format!("{base}/hook"))]);
    let shown = secrets.expression_value();
    let (key, hook) = (shown.get("key").as_str().expect("a text"), shown.get("hook").as_str().expect("a text"));
    let asked = Value::object([
        ("method", Value::from("post")),
        ("endpoint", Value::from(hook)),
        ("query", Value::object([("key", key)])),
        ("headers", Value::object([("x-key", format!("Key {key}"))])),
        ("body", Value::object([("nested", Value::array([key]))])),
        ("output", Value::from("response")),
    ]);
    let direct = with(Options { secrets: secrets.clone(), ..Options::default() });
    let given = direct.perform(workflow::Protocol::Http, &asked, "").await.expect("an answer");
    let sent = given.get("content");
    assert_eq!(sent.get("uri"), &Value::from("/hook?key=s3cret%2Fkey"));
    assert_eq!(sent.get("headers").get("x-key"), &Value::from("Key s3cret/key"));
    assert_eq!(sent.get("body"), &Value::from(r#"{"nested":["s3cret/key"]}"#));
    let told = given.get("request").to_string();
    assert!(!told.contains("s3cret") && !told.contains("hook\"") && told.contains("interlock-secret"), "{told}");
}

#[tokio::test]
async fn credentials_are_not_shown_with_the_response() {
    let base = serve(Router::new().route("/", any(|| async { "hello" }))).await;
    let asked = r#"{"method":"get","output":"response","headers":{"Authorization":"Bearer own-t0ken","cookie":"c=1"},"endpoint":"BASE/"}"#;
    let given = http(&direct(), asked, &base).await.expect("an answer");
    assert_eq!(given.get("request").get("headers"), &value(r#"{"authorization":"***","cookie":"***"}"#));
}

/// Answers an error that quotes everything it was sent.
async fn quoting(
    method: axum::http::Method,
    uri: axum::http::Uri,
    headers: axum::http::HeaderMap,
    body: axum::body::Bytes,
) -> (StatusCode, axum::response::Response) {
    (StatusCode::BAD_REQUEST, echo(method, uri, headers, body).await)
}

#[tokio::test]
async fn no_fault_holds_a_secret_even_when_the_other_side_quotes_it() {
    let base = serve(Router::new().route("/{*path}", any(quoting))).await;
    let secrets = stand_ins(&[
        ("login", r#"{"username":"anna","password":"pass-word"}"#),
        ("key", "s3cret/key"),
        ("host", &format!("http://{}/s3cret-path", nobody().await)),
    ]);
    let shown = secrets.expression_value();
    let key = shown.get("key").as_str().expect("a text").to_owned();
    let host = shown.get("host").as_str().expect("a text").to_owned();
    let direct = with(Options { secrets, ..Options::default() });
    let hidden = ["s3cret", "pass-word", "YW5uYTpwYXNzLXdvcmQ="];
    for (endpoint, authentication) in [
        (format!("{base}/a"), r#"{"basic":{"use":"login"}}"#.to_owned()),
        (format!("{base}/a/{key}"), format!(r#"{{"bearer":{{"token":"{key}"}}}}"#)),
        (host, r#"{"basic":{"use":"login"}}"#.to_owned()),
    ] {
        let asked = format!(
            r#"{{"method":"post","endpoint":{{"uri":"{endpoint}","authentication":{authentication}}},"query":{{"k":"{key}"}},
                "headers":{{"x-key":"{key}"}},"body":{{"{key}":"{key}","k":"{key}"}}}}"#
        );
        let failure = http(&direct, &asked, &base).await.expect_err("refused");
        let told = format!("{failure} {failure:?} {}", failure.fault.to_value());
        for secret in hidden {
            assert!(!told.contains(secret), "{secret} in {told}");
        }
    }
}

#[tokio::test]
async fn what_looks_like_a_stand_in_of_another_nonce_is_sent_as_it_is() {
    let base = serve(Router::new().route("/", any(echo))).await;
    let direct = with(Options { secrets: stand_ins(&[("key", "s3cret")]), ..Options::default() });
    let asked = r#"{"method":"post","endpoint":"BASE/","body":"<interlock-secret guessed key>"}"#;
    let sent = http(&direct, asked, &base).await.expect("an answer");
    assert_eq!(sent.get("body"), &Value::from("<interlock-secret guessed key>"));
}
