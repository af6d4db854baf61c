//! Redirects: followed where that is the same request, never with credentials to another origin.

use axum::Router;
use axum::http::{StatusCode, header::LOCATION};
use axum::routing::any;
use direct::Options;
use model::Value;

use crate::support::{direct, echo, http, serve, stand_ins, told, with};

fn to(status: u16, location: impl Into<String>) -> axum::routing::MethodRouter {
    let location = location.into();
    any(move || {
        let location = location.clone();
        async move { (StatusCode::from_u16(status).expect("a status"), [(LOCATION, location)]) }
    })
}

fn here(elsewhere: &str) -> Router {
    let mut router = Router::new().route("/echo", any(echo)).route("/round", to(302, "/round"));
    for status in [301, 302, 303, 307, 308] {
        router = router
            .route(&format!("/{status}"), to(status, "/echo?from=here"))
            .route(&format!("/away/{status}"), to(status, format!("{elsewhere}/echo")));
    }
    router
}

#[tokio::test]
async fn reads_are_followed_with_their_credentials_within_an_origin() {
    let (base, direct) = (serve(here("http://localhost:1")).await, direct());
    for status in [301, 302, 303, 307, 308] {
        let asked = format!(
            r#"{{"method":"get","output":"response","headers":{{"x-key":"k"}},
                "endpoint":{{"uri":"BASE/{status}","authentication":{{"bearer":{{"token":"t0ken"}}}}}}}}"#
        );
        let given = http(&direct, &asked, &base).await.expect("an answer");
        assert_eq!(given.get("request").get("uri"), &Value::from(format!("{base}/echo?from=here")));
        let headers = given.get("content").get("headers");
        assert_eq!(
            (headers.get("authorization"), headers.get("x-key")),
            (&Value::from("Bearer t0ken"), &Value::from("k"))
        );
    }
}

#[tokio::test]
async fn another_origin_gets_no_credentials_and_no_keys() {
    let elsewhere = serve(Router::new().route("/echo", any(echo))).await;
    let (base, direct) = (serve(here(&elsewhere)).await, direct());
    for status in [301, 302, 303, 307, 308] {
        let asked = format!(
            r#"{{"method":"get","headers":{{"x-api-key":"k3y","cookie":"c=1","accept":"application/json"}},
                "endpoint":{{"uri":"BASE/away/{status}","authentication":{{"bearer":{{"token":"t0ken"}}}}}}}}"#
        );
        let given = http(&direct, &asked, &base).await.expect("an answer");
        let headers = given.get("headers").as_object().expect("headers");
        let names: Vec<&str> = headers.keys().map(|name| &**name).collect();
        for name in ["authorization", "x-api-key", "cookie"] {
            assert!(!names.contains(&name), "{status}: {names:?}");
        }
        assert!(names.contains(&"accept"));
    }
}

#[tokio::test]
async fn a_write_is_repeated_as_it_is_or_not_at_all() {
    let (base, direct) = (serve(here("http://localhost:1")).await, direct());
    for status in [307, 308] {
        let asked = format!(r#"{{"method":"post","endpoint":"BASE/{status}","body":{{"a":1}}}}"#);
        let given = http(&direct, &asked, &base).await.expect("an answer");
        assert_eq!((given.get("method"), given.get("body")), (&Value::from("POST"), &Value::from(r#"{"a":1}"#)));
        assert_eq!(given.get("headers").get("idempotency-key"), &Value::from("intent-1"));
    }
    let given =
        http(&direct, r#"{"method":"post","endpoint":"BASE/303","body":{"a":1}}"#, &base).await.expect("an answer");
    assert_eq!((given.get("method"), given.get("body")), (&Value::from("GET"), &Value::from("")));
    for status in [301, 302] {
        let asked = format!(r#"{{"method":"post","endpoint":"BASE/{status}","body":{{"a":1}}}}"#);
        let failure = http(&direct, &asked, &base).await.expect_err("not followed");
        assert_eq!((told(&failure).0, told(&failure).1), (status, "communication"));
        assert!(told(&failure).2.contains("/echo"), "{failure}");
    }
}

#[tokio::test]
async fn with_redirect_they_are_given_back_and_not_followed() {
    let (base, direct) = (serve(here("http://localhost:1")).await, direct());
    for status in [301, 302, 303, 307, 308] {
        let asked = format!(r#"{{"method":"get","endpoint":"BASE/{status}","redirect":true,"output":"response"}}"#);
        let given = http(&direct, &asked, &base).await.expect("an answer");
        assert_eq!(given.get("statusCode"), &Value::from(status));
        assert_eq!(given.get("headers").get("location"), &Value::from("/echo?from=here"));
    }
}

#[tokio::test]
async fn going_round_in_circles_ends() {
    let base = serve(here("http://localhost:1")).await;
    let failure = http(&direct(), r#"{"method":"get","endpoint":"BASE/round"}"#, &base).await.expect_err("a circle");
    assert!(told(&failure).2.contains("more than 10 times"), "{failure}");
}

#[tokio::test]
async fn a_body_with_a_secret_stays_with_its_origin() {
    let elsewhere = serve(Router::new().route("/echo", any(echo))).await;
    let base = serve(here(&elsewhere)).await;
    let secrets = stand_ins(&[("pin", "pin-7312")]);
    let shown = secrets.expression_value().get("pin").to_string();
    let direct = with(Options { secrets, ..Options::default() });
    let asked = |path: &str| format!(r#"{{"method":"post","endpoint":"BASE/{path}","body":{{"pin":{shown}}}}}"#);
    let given = http(&direct, &asked("307"), &base).await.expect("an answer");
    assert_eq!(given.get("body"), &Value::from(r#"{"pin":"pin-7312"}"#));
    let failure = http(&direct, &asked("away/307"), &base).await.expect_err("not followed");
    assert_eq!(failure.fault.status, 307);
}
