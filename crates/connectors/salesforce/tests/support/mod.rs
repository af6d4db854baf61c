//! A small HTTP server that plays an org by a script of literal, vendor-shaped answers and keeps what it was asked.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "shared by several test programs, none of which uses all")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use connect::{Action, Call, CallError, Connection, Key, Secret, SecretError, Secrets, Selection, Settings};
use connector_salesforce::{Salesforce, SalesforceConnection};
use model::{Value, json};

/// A request that the org got.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// Path and query, percent-decoded.
    pub path: String,
    pub raw_length: usize,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Seen {
    pub fn json(&self) -> Value {
        json::parse(self.body.as_bytes()).expect("a JSON body")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What to answer.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Status and body.
    Is(u16, String),
    /// Status, further headers and body.
    With(u16, Vec<(&'static str, String)>, String),
    /// The connection breaks.
    Broken,
}

pub fn ok(body: impl Into<String>) -> Reply {
    Reply::Is(200, body.into())
}

pub struct ScriptedOrg {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl ScriptedOrg {
    /// Starts an org that answers token requests itself (`token-1`, `token-2`, …) and everything else with `answer`.
    pub async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (answer, keep, instance) = (Arc::new(answer), Arc::clone(&seen), url.clone());
        let app = Router::new().fallback(move |request: Request| {
            let (answer, keep, instance) = (Arc::clone(&answer), Arc::clone(&keep), instance.clone());
            async move {
                let request = understand(request).await;
                let tokens = {
                    let mut seen = keep.lock().expect("a lock");
                    seen.push(request.clone());
                    seen.iter().filter(|seen| seen.path == TOKEN).count()
                };
                let reply = match answer(&request) {
                    Reply::Is(404, body) if body.is_empty() && request.path == TOKEN => ok(format!(
                        r#"{{"access_token":"token-{tokens}","instance_url":"{instance}","id":"https://login.salesforce.com/id/00D000000000001AAA/005000000000001AAA","token_type":"Bearer"}}"#
                    )),
                    reply => reply,
                };
                respond(reply)
            }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, seen }
    }

    /// What was asked, without the token requests.
    pub fn requests(&self) -> Vec<Seen> {
        let seen = self.seen.lock().expect("a lock");
        seen.iter().filter(|seen| seen.path != TOKEN).cloned().collect()
    }

    pub fn token_requests(&self) -> Vec<Seen> {
        self.seen.lock().expect("a lock").iter().filter(|seen| seen.path == TOKEN).cloned().collect()
    }

    /// A connection to this org with client credentials.
    pub fn connect(&self) -> SalesforceConnection {
        connect_with(&format!(
            r#"{{"connector":"salesforce","url":"{}","timeout":5,"auth":{{"flow":"client-credentials","clientId":"app","clientSecret":"env:SECRET"}}}}"#,
            self.url
        ))
    }
}

pub const TOKEN: &str = "/services/oauth2/token";
pub const DATA: &str = "/services/data/v67.0";

/// No answer of the script's own: token requests get a token.
pub fn none() -> Reply {
    Reply::Is(404, String::new())
}

async fn understand(request: Request) -> Seen {
    let raw = request.uri().path_and_query().map_or("", |path| path.as_str()).to_owned();
    let path = percent_encoding::percent_decode_str(&raw.replace('+', " ")).decode_utf8_lossy().into_owned();
    let (parts, body) = request.into_parts();
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let headers = headers.collect();
    let body = axum::body::to_bytes(body, 64 << 20).await.unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    Seen { method: parts.method.to_string(), path, raw_length: raw.len(), headers, body }
}

fn respond(reply: Reply) -> Response {
    let builder = Response::builder().header("content-type", "application/json;charset=UTF-8");
    match reply {
        Reply::Is(status, body) => {
            let builder = builder.status(status).header("sforce-limit-info", "api-usage=18/5000");
            builder.body(Body::from(body)).expect("a response")
        }
        Reply::With(status, headers, body) => {
            let mut builder = Response::builder().status(status);
            for (name, value) in headers {
                builder = builder.header(name, value);
            }
            builder.body(Body::from(body)).expect("a response")
        }
        Reply::Broken => {
            let broken = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("broken")) });
            builder.body(Body::from_stream(broken)).expect("a response")
        }
    }
}

/// Secrets by their reference; files are read.
pub struct TestSecrets(pub HashMap<String, String>);

impl Secrets for TestSecrets {
    fn get(&self, reference: &str) -> Result<Secret, SecretError> {
        let missing = |cause: String| SecretError::new(reference, cause);
        if let Some(text) = self.0.get(reference) {
            return Ok(Secret::new(text.clone()));
        }
        let path = reference.strip_prefix("file:").ok_or_else(|| missing("it is not set".to_owned()))?;
        std::fs::read_to_string(path).map(Secret::new).map_err(|error| missing(error.to_string()))
    }
}

pub fn secrets() -> TestSecrets {
    TestSecrets(HashMap::from([("env:SECRET".to_owned(), "hunter2".to_owned())]))
}

pub fn connect_with(settings: &str) -> SalesforceConnection {
    try_connect(settings, &secrets()).expect("a connection")
}

pub fn try_connect(settings: &str, secrets: &TestSecrets) -> Result<SalesforceConnection, model::Problem> {
    let settings = json::parse(settings.as_bytes()).expect("settings");
    Salesforce.connection(&Settings { name: "crm".into(), settings: &settings, secrets })
}

pub fn call(action: Action, record: &str, key: Option<(&str, Value)>, body: &str) -> Call {
    Call {
        intent: None,
        action,
        record: record.into(),
        key: key.map(|(field, value)| Key { field: field.into(), value }),
        body: json::parse(body.as_bytes()).expect("a body"),
        select: Arc::default(),
        probe: Vec::new(),
        insist: false,
    }
}

pub fn reading(record: &str, key: (&str, &str), select: &Arc<Selection>) -> Call {
    Call { select: Arc::clone(select), ..call(Action::Read, record, Some((key.0, Value::from(key.1))), "null") }
}

pub fn selection(fields: &[&str], children: &[(&str, &[&str])]) -> Arc<Selection> {
    let names = |fields: &[&str]| fields.iter().map(|field| Arc::from(*field)).collect();
    let child = |(name, fields): &(&str, &[&str])| {
        (Arc::from(*name), Selection { fields: names(fields), children: Vec::new() })
    };
    Arc::new(Selection { fields: names(fields), children: children.iter().map(child).collect() })
}

pub async fn one(connection: &SalesforceConnection, call: Call) -> Result<Value, CallError> {
    connection.execute(&[call]).await.pop().expect("an answer")
}
