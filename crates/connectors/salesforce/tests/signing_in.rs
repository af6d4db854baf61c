//! Both OAuth flows, and what is said when they do not work.

mod support;

use std::collections::HashMap;

use connect::{Connection, Connector, ErrorClass};
use connector_salesforce::Salesforce;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use support::{DATA, Reply, ScriptedOrg, TOKEN, TestSecrets, none, ok, try_connect};

#[derive(serde::Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    exp: u64,
}

#[tokio::test]
async fn the_assertion_is_signed_and_says_who() {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).expect("a key");
    let org = ScriptedOrg::start(|seen| if seen.path == format!("{DATA}/") { ok("{}") } else { none() }).await;
    let settings = format!(
        r#"{{"url":"{}","auth":{{"flow":"jwt-bearer","clientId":"3MVG","username":"interlock@acme.com","privateKey":"env:KEY","audience":"https://test.salesforce.com"}}}}"#,
        org.url
    );
    let secrets = TestSecrets(HashMap::from([("env:KEY".to_owned(), key.serialize_pem())]));
    try_connect(&settings, &secrets).expect("a connection").check().await.expect("signed in");
    let form = org.token_requests().remove(0).body;
    let assertion = form.split('&').find_map(|pair| pair.strip_prefix("assertion=")).expect("an assertion");
    assert!(form.contains("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"));
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&["https://test.salesforce.com"]);
    let public = DecodingKey::from_rsa_pem(key.public_key_pem().as_bytes()).expect("a public key");
    let claims = jsonwebtoken::decode::<Claims>(assertion, &public, &validation).expect("valid").claims;
    assert_eq!((claims.iss.as_str(), claims.sub.as_str()), ("3MVG", "interlock@acme.com"));
    let now = jiff::Timestamp::now().as_second().unsigned_abs();
    assert!((now..now + 200).contains(&claims.exp));
}

#[tokio::test]
async fn refused_credentials_are_said_in_the_vendors_words() {
    let org = ScriptedOrg::start(|seen| match seen.path.as_str() {
        TOKEN => {
            Reply::Is(400, r#"{"error":"invalid_client","error_description":"invalid client credentials"}"#.to_owned())
        }
        _ => none(),
    })
    .await;
    let error = org.connect().check().await.expect_err("refused");
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Unauthorized, "invalid_client"));
    assert!(error.message.contains("invalid client credentials"));
    let form = &org.token_requests()[0].body;
    assert_eq!(form, "grant_type=client_credentials&client_id=app&client_secret=hunter2");
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn an_org_that_is_down_or_too_old_is_told_apart() {
    let org = ScriptedOrg::start(|seen| if seen.path == TOKEN { Reply::Is(503, String::new()) } else { none() }).await;
    assert_eq!(org.connect().check().await.expect_err("down").class, ErrorClass::Unavailable);
    let org = ScriptedOrg::start(|seen| match seen.path.as_str() {
        TOKEN => none(),
        _ => Reply::Is(
            404,
            r#"[{"errorCode":"NOT_FOUND","message":"The requested resource does not exist"}]"#.to_owned(),
        ),
    })
    .await;
    let error = org.connect().check().await.expect_err("too old");
    assert_eq!(error.class, ErrorClass::Misconfigured);
    assert!(error.message.contains("67.0"), "{}", error.message);
}

#[tokio::test]
async fn missing_and_unusable_secrets_are_named() {
    let jwt =
        r#"{"url":"https://a.b","auth":{"flow":"jwt-bearer","clientId":"a","username":"u","privateKey":"env:KEY"}}"#;
    let problem = |secrets: &TestSecrets| try_connect(jwt, secrets).err().expect("a problem");
    let missing = problem(&TestSecrets(HashMap::new()));
    assert_eq!(missing.code, "IL-CRM-002");
    assert!(missing.message.contains("env:KEY"));
    let unusable = problem(&TestSecrets(HashMap::from([("env:KEY".to_owned(), "not a key".to_owned())])));
    assert_eq!(unusable.code, "IL-CRM-003");
    assert!(!unusable.to_string().contains("not a key"));
    let wrong = try_connect(r#"{"url":"https://a.b"}"#, &TestSecrets(HashMap::new())).err().expect("a problem");
    assert_eq!(wrong.code, "IL-CRM-001");
    assert!(Salesforce.check(&model::Value::empty_object()).len() >= 2);
}
