//! Digest, OAuth 2.0 and OpenID Connect, against a provider that checks what it is asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use direct::{Direct, Failure, Options};
use md5::{Digest, Md5};
use model::Value;

use crate::support::{direct, http, serve, stand_ins, told, typed, with};

#[derive(Default)]
struct Provider {
    /// Everything that was asked for tokens: header `authorization`, media type, body.
    asked: Mutex<Vec<[String; 3]>>,
    tokens: AtomicUsize,
    /// Tokens before this one are refused.
    valid_from: AtomicUsize,
}

type Shared = State<Arc<Provider>>;

fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

async fn token(State(provider): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let body = String::from_utf8_lossy(&body).into_owned();
    let refused = body.contains("wrong-s3cret");
    let asked = [header(&headers, "authorization"), header(&headers, "content-type"), body];
    provider.asked.lock().expect("a lock").push(asked.clone());
    if refused {
        let told = format!(r#"{{"error":"invalid_client","error_description":"not with {}"}}"#, asked[2]);
        return (StatusCode::UNAUTHORIZED, typed("application/json", told)).into_response();
    }
    let number = provider.tokens.fetch_add(1, Ordering::SeqCst) + 1;
    // The claims say `{"iss":"https://issuer.example"}`.
    let token = format!("{number}.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIn0.sig");
    let told = format!(
        r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":3600,"refresh_token":"refresh-{number}"}}"#
    );
    typed("application/json", told)
}

async fn resource(State(provider): Shared, headers: HeaderMap) -> Response {
    let given = header(&headers, "authorization");
    let number = given.strip_prefix("Bearer ").and_then(|token| token.split('.').next()?.parse::<usize>().ok());
    match number {
        Some(number) if number >= provider.valid_from.load(Ordering::SeqCst) => number.to_string().into_response(),
        _ => StatusCode::UNAUTHORIZED.into_response(),
    }
}

async fn discovery(headers: HeaderMap) -> Response {
    let base = format!("http://{}", header(&headers, "host"));
    typed("application/json", format!(r#"{{"issuer":"https://issuer.example","token_endpoint":"{base}/deep/token"}}"#))
}

async fn provider() -> (String, Arc<Provider>) {
    let provider = Arc::new(Provider::default());
    let router = Router::new()
        .route("/realm/oauth2/token", post(token))
        .route("/realm/own/token", post(token))
        .route("/deep/token", post(token))
        .route("/oidc/.well-known/openid-configuration", get(discovery))
        .route("/resource", any(resource))
        .with_state(Arc::clone(&provider));
    (serve(router).await, provider)
}

async fn ask(direct: &Direct, authentication: &str, base: &str) -> Result<Value, Failure> {
    let text = format!(
        r#"{{"method":"get","output":"raw","endpoint":{{"uri":"BASE/resource","authentication":{authentication}}}}}"#
    );
    http(direct, &text, base).await
}

#[tokio::test]
async fn each_grant_is_asked_for_as_its_specification_says() {
    let (base, provider) = provider().await;
    let form = "application/x-www-form-urlencoded";
    for (properties, header, kind, body) in [
        (
            r#""grant":"client_credentials","client":{"id":"c","secret":"s&"},"scopes":["a","b"],"audiences":["x","y"]"#,
            "",
            form,
            "grant_type=client_credentials&scope=a%20b&audience=x&audience=y&client_id=c&client_secret=s%26",
        ),
        (
            r#""grant":"client_credentials","client":{"id":"c","secret":"s","authentication":"client_secret_post"}"#,
            "",
            form,
            "grant_type=client_credentials&client_id=c&client_secret=s",
        ),
        // `c:s/` with both halves encoded first.
        (
            r#""grant":"client_credentials","client":{"id":"c","secret":"s/","authentication":"client_secret_basic"}"#,
            "Basic YzpzJTJG",
            form,
            "grant_type=client_credentials",
        ),
        (
            r#""grant":"password","username":"u","password":"p","client":{"id":"c","authentication":"none"}"#,
            "",
            form,
            "grant_type=password&username=u&password=p&client_id=c",
        ),
        (
            r#""grant":"refresh_token","subject":{"token":"r","type":"refresh_token"},"client":{"id":"c","secret":"s"}"#,
            "",
            form,
            "grant_type=refresh_token&refresh_token=r&client_id=c&client_secret=s",
        ),
        (
            r#""grant":"client_credentials","client":{"id":"c","assertion":"j.w.t","authentication":"private_key_jwt"}"#,
            "",
            form,
            "grant_type=client_credentials&client_id=c&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=j.w.t",
        ),
        (
            r#""grant":"client_credentials","client":{"id":"c","secret":"s"},"request":{"encoding":"application/json"}"#,
            "",
            "application/json",
            r#"{"grant_type":"client_credentials","client_id":"c","client_secret":"s"}"#,
        ),
        (
            r#""grant":"urn:ietf:params:oauth:grant-type:token-exchange","subject":{"token":"t","type":"jwt"},"client":{"id":"c","authentication":"none"}"#,
            "",
            form,
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=t&subject_token_type=jwt&client_id=c",
        ),
    ] {
        let authentication = format!(r#"{{"oauth2":{{"authority":"BASE/realm",{properties}}}}}"#);
        ask(&direct(), &authentication, &base).await.expect(properties);
        let asked = provider.asked.lock().expect("a lock").pop().expect("a request");
        assert_eq!(asked, [header, kind, body], "{properties}");
    }
}

#[tokio::test]
async fn the_token_endpoint_is_where_it_is_said_or_discovered() {
    let (base, provider) = provider().await;
    let more = r#""grant":"client_credentials","client":{"id":"c","secret":"s"}"#;
    for authentication in [
        format!(r#"{{"oauth2":{{"authority":"BASE/realm/","endpoints":{{"token":"/own/token"}},{more}}}}}"#),
        format!(r#"{{"oauth2":{{"authority":"BASE/nowhere","endpoints":{{"token":"BASE/deep/token"}},{more}}}}}"#),
        format!(r#"{{"oidc":{{"authority":"BASE/oidc","issuers":["https://issuer.example"],{more}}}}}"#),
        format!(r#"{{"oidc":{{"authority":"BASE/oidc/.well-known/openid-configuration",{more}}}}}"#),
    ] {
        ask(&direct(), &authentication, &base).await.expect(&authentication);
    }
    assert_eq!(provider.tokens.load(Ordering::SeqCst), 4);
    for kind in ["oauth2\":{\"authority\":\"BASE/realm\"", "oidc\":{\"authority\":\"BASE/oidc\""] {
        let foreign = format!(r#"{{"{kind},"issuers":["https://other.example"],{more}}}}}"#);
        let failure = ask(&direct(), &foreign, &base).await.expect_err("another issuer");
        assert_eq!((told(&failure).0, told(&failure).1), (401, "authentication"));
        assert!(told(&failure).2.contains("https://issuer.example"), "{failure}");
    }
    let nowhere = format!(r#"{{"oidc":{{"authority":"BASE/nowhere",{more}}}}}"#);
    let failure = ask(&direct(), &nowhere, &base).await.expect_err("no discovery");
    assert_eq!((told(&failure).0, told(&failure).1), (404, "communication"));
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_replaced_once_when_it_is_refused() {
    let (base, provider) = provider().await;
    let direct = direct();
    let authentication =
        r#"{"oauth2":{"authority":"BASE/realm","grant":"client_credentials","client":{"id":"c","secret":"s"}}}"#;
    let answers = futures::future::join_all((0..10).map(|_| ask(&direct, authentication, &base))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(provider.tokens.load(Ordering::SeqCst), 1, "one asks for all");

    provider.valid_from.store(2, Ordering::SeqCst);
    ask(&direct, authentication, &base).await.expect("a new token");
    assert_eq!(provider.tokens.load(Ordering::SeqCst), 2);

    provider.valid_from.store(usize::MAX, Ordering::SeqCst);
    let failure = ask(&direct, authentication, &base).await.expect_err("refused for good");
    assert_eq!((failure.fault.status, provider.tokens.load(Ordering::SeqCst)), (401, 3), "one new token, one retry");
    let other = authentication.replace(r#""id":"c""#, r#""id":"d""#);
    drop(ask(&direct, &other, &base).await);
    assert_eq!(provider.tokens.load(Ordering::SeqCst), 4, "a token that has just come is not asked for again");
}

#[tokio::test]
async fn a_refresh_token_that_comes_with_a_token_takes_the_place_of_the_earlier_one() {
    let (base, provider) = provider().await;
    let direct = direct();
    let authentication = r#"{"oauth2":{"authority":"BASE/realm","grant":"refresh_token","subject":{"token":"first","type":"r"},
                             "client":{"id":"c","authentication":"none"}}}"#;
    ask(&direct, authentication, &base).await.expect("an answer");
    provider.valid_from.store(2, Ordering::SeqCst);
    ask(&direct, authentication, &base).await.expect("an answer");
    let asked = provider.asked.lock().expect("a lock");
    assert!(
        asked[0][2].contains("refresh_token=first") && asked[1][2].contains("refresh_token=refresh-1"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_said_and_holds_no_secret() {
    let (base, provider) = provider().await;
    let secrets = stand_ins(&[
        (
            "client",
            &format!(
                r#"{{"authority":"{base}/realm","grant":"client_credentials","client":{{"id":"c","secret":"wrong-s3cret"}}}}"#
            ),
        ),
        (
            "good",
            &format!(
                r#"{{"authority":"{base}/realm","grant":"client_credentials","client":{{"id":"c","secret":"s3cret"}}}}"#
            ),
        ),
    ]);
    let direct = with(Options { secrets, ..Options::default() });
    ask(&direct, r#"{"oauth2":{"use":"good"}}"#, &base).await.expect("an answer");
    assert!(provider.asked.lock().expect("a lock")[0][2].contains("client_secret=s3cret"));
    let failure = ask(&direct, r#"{"oauth2":{"use":"client"}}"#, &base).await.expect_err("refused");
    assert_eq!((told(&failure).0, told(&failure).1), (401, "authentication"));
    assert!(!format!("{failure:?}").contains("wrong-s3cret") && told(&failure).2.contains("not with"), "{failure:?}");
    assert!(!failure.may_have_happened);
    for (properties, named) in [
        (r#""grant":"authorization_code","client":{"id":"c"}"#, "browser"),
        (
            r#""grant":"client_credentials","client":{"id":"c","secret":"s","authentication":"client_secret_jwt"}"#,
            "client_secret_jwt",
        ),
        (r#""grant":"client_credentials","client":{"secret":"s"}"#, "client.id"),
        (r#""grant":"password","client":{"id":"c"}"#, "username"),
        (r#""grant":"refresh_token","client":{"id":"c"}"#, "subject.token"),
        (r#""grant":"magic""#, "magic"),
        (r#""client":{"id":"c"}"#, "grant"),
    ] {
        let authentication = format!(r#"{{"oauth2":{{"authority":"BASE/realm",{properties}}}}}"#);
        let failure = ask(&direct, &authentication, &base).await.expect_err(properties);
        assert_eq!(told(&failure).1, "configuration", "{failure}");
        assert!(told(&failure).2.contains(named), "{failure}");
    }
}

/// Checks a digest as RFC 7616 says, with MD5.
async fn guarded(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let hash = |text: String| Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let given = header(&headers, "authorization");
    let part = |name: &str| {
        let (_, rest) = given.split_once(&format!("{name}="))?;
        Some(rest.trim_start_matches('"').split(['"', ',']).next()?.to_owned())
    };
    let expected = || {
        let first = hash("anna:the realm:pass-word".to_owned());
        let second = hash(format!("{method}:{uri}"));
        Some(hash(format!("{first}:n0nce:{}:{}:auth:{second}", part("nc")?, part("cnonce")?)))
    };
    if given.starts_with("Digest ") && part("response").is_some() && part("response") == expected() {
        return "welcome".into_response();
    }
    let challenge = r#"Digest realm="the realm", nonce="n0nce", qop="auth-int,auth", opaque="o""#;
    (StatusCode::UNAUTHORIZED, [("www-authenticate", challenge)]).into_response()
}

#[tokio::test]
async fn a_digest_answers_what_the_server_asks() {
    let base = serve(Router::new().route("/guarded", any(guarded)).route("/plain", get(|| async { "open" }))).await;
    let secrets = stand_ins(&[("login", r#"{"username":"anna","password":"pass-word"}"#)]);
    let direct = with(Options { secrets, ..Options::default() });
    let text = |method: &str, path: &str, login: &str| {
        format!(r#"{{"method":"{method}","endpoint":{{"uri":"BASE/{path}","authentication":{{"digest":{login}}}}}}}"#)
    };
    for (method, path, login) in [
        ("get", "guarded?a=b", r#"{"use":"login"}"#),
        ("post", "guarded", r#"{"username":"anna","password":"pass-word"}"#),
    ] {
        assert_eq!(http(&direct, &text(method, path, login), &base).await, Ok(Value::from("welcome")), "{method}");
    }
    assert_eq!(http(&direct, &text("get", "plain", r#"{"use":"login"}"#), &base).await, Ok(Value::from("open")));
    let failure = http(&direct, &text("get", "guarded", r#"{"username":"anna","password":"wrong-one"}"#), &base).await;
    let failure = failure.expect_err("refused");
    assert_eq!((told(&failure).0, told(&failure).1), (401, "communication"));
}
