//! OAuth: the two flows that need no person.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::Method;
use sandbox_salesforce::Options;
use serde_json::{Value, json};

use crate::support::{DATA, Org, code};

const PRIVATE: &str = include_str!("key.pem");
const PUBLIC: &str = include_str!("key.pub.pem");
const BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

fn assertion(changes: &Value) -> String {
    let expires = jiff::Timestamp::now().as_second() + 120;
    let mut claims = json!({
        "iss": "interlock", "sub": "integration@interlock.example", "aud": "https://login.salesforce.com", "exp": expires,
    });
    for (name, value) in changes.as_object().expect("changes") {
        claims[name] = value.clone();
    }
    let key = EncodingKey::from_rsa_pem(PRIVATE.as_bytes()).expect("a key");
    encode(&Header::new(Algorithm::RS256), &claims, &key).expect("an assertion")
}

#[tokio::test]
async fn a_signed_assertion_opens_a_session() {
    let org = Org::with(Options { public_key_pem: Some(PUBLIC.to_owned()), ..Options::default() }).await;
    let (status, answer) = org.token_endpoint(&[("grant_type", BEARER), ("assertion", &assertion(&json!({})))]).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["instance_url"], org.running.url);
    assert!(answer.get("expires_in").is_none());
    for (changes, error) in [
        (json!({"iss": "somebody"}), "invalid_client_id"),
        (json!({"sub": "somebody"}), "invalid_grant"),
        (json!({"aud": "https://example.com"}), "invalid_grant"),
        (json!({"exp": 1_000_000_000}), "invalid_grant"),
    ] {
        let (status, answer) = org.token_endpoint(&[("grant_type", BEARER), ("assertion", &assertion(&changes))]).await;
        assert_eq!((status.as_u16(), answer["error"].as_str()), (400, Some(error)), "{changes}");
    }
    let (_, answer) =
        org.token_endpoint(&[("grant_type", BEARER), ("assertion", &assertion(&json!({"exp": 1_000_000_000})))]).await;
    assert_eq!(answer["error_description"], "expired authorization code");
    let broken = format!("{}x", assertion(&json!({})));
    let (_, answer) = org.token_endpoint(&[("grant_type", BEARER), ("assertion", &broken)]).await;
    assert_eq!(answer["error_description"], "invalid assertion");
}

#[tokio::test]
async fn an_assertion_may_hold_its_end_as_a_text() {
    let org = Org::with(Options { public_key_pem: Some(PUBLIC.to_owned()), ..Options::default() }).await;
    let now = jiff::Timestamp::now().as_second();
    for (expires, error) in [
        (json!((now + 120).to_string()), None),
        (json!((now - 600).to_string()), Some("expired authorization code")),
        (json!((now + 86_400).to_string()), Some("invalid assertion")),
        (json!("soon"), Some("invalid assertion")),
        (Value::Null, Some("invalid assertion")),
    ] {
        let assertion = assertion(&json!({ "exp": expires }));
        let (status, answer) = org.token_endpoint(&[("grant_type", BEARER), ("assertion", &assertion)]).await;
        assert_eq!(answer["error_description"].as_str(), error, "{expires}: {answer}");
        assert_eq!(status, if error.is_none() { 200 } else { 400 });
    }
}

#[tokio::test]
async fn a_wrong_secret_is_refused() {
    let org = Org::start().await;
    for (client, secret, error) in [
        ("interlock", "wrong", "invalid_client"),
        ("nobody", "sandbox", "invalid_client_id"),
        ("", "", "invalid_client_id"),
    ] {
        let form = [("grant_type", "client_credentials"), ("client_id", client), ("client_secret", secret)];
        let (status, answer) = org.token_endpoint(&form).await;
        assert_eq!((status.as_u16(), answer["error"].as_str()), (400, Some(error)));
    }
    let (_, answer) = org.token_endpoint(&[("grant_type", "password")]).await;
    assert_eq!(answer["error"], "unsupported_grant_type");
}

#[tokio::test]
async fn only_who_is_signed_in_gets_an_answer() {
    let mut org = Org::start().await;
    let versions = reqwest::get(format!("{}/services/data", org.running.url)).await.expect("an answer");
    let versions: Value = versions.json().await.expect("JSON");
    assert_eq!(versions.as_array().expect("versions").last().expect("one")["version"], "67.0");
    assert_eq!(org.get("/limits").await.0, 200);
    org.control(Method::POST, "end-sessions", Value::Null).await;
    let (status, answer) = org.get("/limits").await;
    assert_eq!((status.as_u16(), code(&answer)), (401, "INVALID_SESSION_ID"));
    org.sign_in().await;
    assert_eq!(org.get("/limits").await.0, 200);
    let (status, _) = org.get("/services/data/v12.0/limits").await;
    assert_eq!(status, 404);
    assert_eq!(org.get(DATA).await.1["sobjects"], format!("{DATA}/sobjects"));
}
