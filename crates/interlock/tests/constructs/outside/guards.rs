//! Doors that open only with the right credentials, and those who give them.
//!
//! | path | opens for |
//! |---|---|
//! | `/guarded/basic`, `/guarded/digest` | the user `anna` with the password `s3cret` |
//! | `/guarded/bearer` | the token `t0ken` |
//! | `/guarded/issued` | a token that `/token/…` gave |
//!
//! `/token/…` gives one to the client `me` with the secret `my-s3cret`; `/issuer` is described by OpenID Connect Discovery.

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::Value;
use sha2::{Digest as _, Sha256};

use super::Asked;
use crate::workflows::host::{json, typed};

const ISSUED: &str = "issued-by-the-host";

pub(super) fn answer(asked: &Asked, parts: &[&str]) -> Response {
    match parts {
        ["guarded", "basic"] => door(asked, asked.header("authorization") == basic("anna", "s3cret")),
        ["guarded", "bearer"] => door(asked, asked.header("authorization") == "Bearer t0ken"),
        ["guarded", "issued"] => door(asked, asked.header("authorization") == format!("Bearer {ISSUED}")),
        ["guarded", "digest"] => digest(asked),
        ["token", ..] => token(asked),
        ["issuer", ".well-known", "openid-configuration"] => {
            let host = asked.header("host");
            let described = Value::object([
                ("issuer", format!("http://{host}/issuer")),
                ("token_endpoint", format!("http://{host}/token/discovered")),
            ]);
            json(200, &described)
        }
        _ => json(404, &Value::Null),
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

fn door(asked: &Asked, opens: bool) -> Response {
    match opens {
        true => json(200, &Value::object([("in", true)])),
        false => json(401, &Value::object([("refused", asked.path.as_str())])),
    }
}

fn token(asked: &Asked) -> Response {
    let body = match asked.body() {
        Value::String(form) => form.to_string(),
        data => data.to_string(),
    };
    let by_body = body.contains("me") && body.contains("my-s3cret");
    let by_password = body.contains("password=s3cret");
    if by_body || by_password || asked.header("authorization") == basic("me", "my-s3cret") {
        let told = format!(r#"{{"access_token":"{ISSUED}","token_type":"Bearer","expires_in":3600}}"#);
        return typed(200, "application/json", told);
    }
    json(401, &Value::object([("error", "invalid_client")]))
}

fn hash(parts: &[&str]) -> String {
    Sha256::digest(parts.join(":")).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// RFC 7616 with SHA-256.
fn digest(asked: &Asked) -> Response {
    let (realm, nonce) = ("tests", "n0nce");
    let given = asked.header("authorization");
    let part = |name: &str| {
        let from = given.split_once(&format!("{name}=")).map_or("", |(_, from)| from);
        let end =
            if let Some(quoted) = from.strip_prefix('"') { quoted.split('"').next() } else { from.split(',').next() };
        end.unwrap_or_default().trim()
    };
    if given.starts_with("Digest ") {
        let user = hash(&["anna", realm, "s3cret"]);
        let target = hash(&[asked.method.as_str(), &asked.path]);
        let wanted = hash(&[&user, nonce, part("nc"), part("cnonce"), "auth", &target]);
        return door(asked, part("response") == wanted && part("uri") == asked.path);
    }
    let mut answer = json(401, &Value::Null);
    let challenge = format!(r#"Digest realm="{realm}", nonce="{nonce}", qop="auth", algorithm=SHA-256"#);
    answer.headers_mut().insert("www-authenticate", challenge.parse().expect("a header"));
    answer
}
