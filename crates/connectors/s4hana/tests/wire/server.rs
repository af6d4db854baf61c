//! A scripted ERP: it answers literally what a test lays down, hands out CSRF tokens as the Gateway does, and keeps what it was
//! asked.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use connect::{Action, Call, Connection, Connector, Key, Secret, SecretError, Secrets, Selection, Settings};
use connector_s4hana::S4Hana;
use model::{Value, json};
use tokio::net::TcpListener;

const METADATA: &str = include_str!("../metadata.xml");

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query behind the services' root, percent-decoded.
    pub(crate) address: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// One laid-down answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    cut: bool,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), "application/json".into())],
            body: body.into(),
            cut: false,
        }
    }
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name || name == "set-cookie");
        self.headers.push((name.into(), value.into()));
        self
    }
    /// The connection breaks before the body ends.
    pub(crate) fn cut(mut self) -> Self {
        self.cut = true;
        self
    }
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let body = format!(
            r#"{{"error":{{"code":"{code}","message":{{"lang":"en","value":"{message}"}},"innererror":{{"transactionid":"A1","errordetails":[{{"code":"{code}","message":"{message}","severity":"error","target":""}}]}}}}}}"#
        );
        Self::new(status, body)
    }
    /// A `$batch` answer as the Gateway writes it: whether the part is a changeset that succeeded, its status, its body.
    pub(crate) fn batch(parts: &[(bool, u16, &str)]) -> Self {
        let mut body = String::new();
        for (changeset, status, content) in parts {
            body.push_str("--RESP\r\n");
            if *changeset {
                body.push_str("Content-Type: multipart/mixed; boundary=CS\r\nContent-Length: 999\r\n\r\n--CS\r\n");
            }
            body.push_str(
                "Content-Type: application/http\r\nContent-Length: 9\r\ncontent-transfer-encoding: binary\r\n\r\n",
            );
            body.push_str(&format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{content}\r\n",
                content.len()
            ));
            if *changeset {
                body.push_str("--CS--\r\n\r\n");
            }
        }
        body.push_str("--RESP--\r\n");
        Self::new(202, body).with("content-type", "multipart/mixed; boundary=RESP")
    }
}

#[derive(Default)]
struct Script {
    rules: Vec<(String, Vec<Reply>)>,
    asked: Vec<Asked>,
    tokens: usize,
}

/// The scripted ERP.
#[derive(Clone)]
pub(crate) struct Erp {
    pub(crate) url: String,
    script: Arc<Mutex<Script>>,
}

impl Erp {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let erp = Self { url, script: Arc::default() };
        let router = Router::new().fallback(answer).with_state(erp.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        erp
    }

    /// Requests whose `METHOD address` starts so are answered with these, one after the other; the last one stays.
    pub(crate) fn on(&self, start: &str, replies: impl IntoIterator<Item = Reply>) -> &Self {
        self.script.lock().expect("lock").rules.push((start.to_owned(), replies.into_iter().collect()));
        self
    }

    /// What was asked, without signing on and metadata.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let ours = |asked: &&Asked| !asked.address.contains("$metadata") && asked.header("x-csrf-token") != "Fetch";
        self.script.lock().expect("lock").asked.iter().filter(ours).cloned().collect()
    }

    pub(crate) fn asked_for(&self, text: &str) -> usize {
        self.script.lock().expect("lock").asked.iter().filter(|asked| asked.address.contains(text)).count()
    }

    pub(crate) fn sign_ons(&self) -> usize {
        self.script.lock().expect("lock").tokens
    }

    /// A connection to it with more settings.
    pub(crate) fn connect_with(&self, more: &str) -> Arc<dyn Connection> {
        let auth = r#""auth":{"flow":"basic","username":"INTERLOCK","password":"env:P"}"#;
        let auth = if more.contains("\"auth\"") { String::new() } else { format!(",{auth}") };
        let text = format!(r#"{{"connector":"s4hana","url":"{}","client":"100","sessions":1{auth}{more}}}"#, self.url);
        let settings = json::parse(text.as_bytes()).expect("json");
        S4Hana.open(Settings { name: "erp".into(), settings: &settings, secrets: &Known }).expect("a connection")
    }

    pub(crate) fn connect(&self) -> Arc<dyn Connection> {
        self.connect_with("")
    }
}

struct Known;
impl Secrets for Known {
    fn get(&self, reference: &str) -> Result<Secret, SecretError> {
        match reference {
            "env:P" => Ok(Secret::new("secret".into())),
            _ => Err(SecretError::new(reference, "unknown")),
        }
    }
}

async fn answer(State(erp): State<Erp>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 10_000_000).await.unwrap_or_else(|_| Bytes::new());
    let path = parts.uri.path_and_query().map(|path| path.as_str().to_owned()).unwrap_or_default();
    let address = percent_encoding::percent_decode_str(&path).decode_utf8_lossy().into_owned();
    let address = address.trim_start_matches("/sap/opu/odata/sap/").to_owned();
    let asked = Asked {
        method: parts.method.to_string(),
        address,
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let reply = reply(&mut erp.script.lock().expect("lock"), asked);
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    let body = if reply.cut {
        let broken = Err(std::io::Error::other("the line is cut"));
        Body::from_stream(futures::stream::iter([Ok(Bytes::from(reply.body)), broken]))
    } else {
        Body::from(reply.body)
    };
    response.body(body).expect("a response")
}

fn reply(script: &mut Script, asked: Asked) -> Reply {
    let line = format!("{} {}", asked.method, asked.address);
    script.asked.push(asked.clone());
    if let Some((_, replies)) = script.rules.iter_mut().find(|(start, _)| line.starts_with(start.as_str())) {
        return if replies.len() > 1 { replies.remove(0) } else { replies[0].clone() };
    }
    if asked.header("x-csrf-token") == "Fetch" {
        script.tokens += 1;
        let number = script.tokens;
        return Reply::new(200, r#"{"d":{"EntitySets":[]}}"#)
            .with("x-csrf-token", &format!("TOKEN{number}"))
            .with("set-cookie", &format!("SAP_SESSIONID_S4H_100=session{number}; path=/; HttpOnly"))
            .with("set-cookie", "sap-usercontext=sap-client=100; path=/");
    }
    if asked.address.contains("$metadata") {
        return Reply::new(200, METADATA).with("content-type", "application/xml");
    }
    let path = asked.address.split('?').next().unwrap_or_default();
    if asked.method == "GET" && path.ends_with('/') {
        return Reply::new(200, r#"{"d":{"EntitySets":[]}}"#);
    }
    Reply::new(500, format!("nothing is laid down for {line}"))
}

/// The set that most tests use.
pub(crate) const ORDERS: &str = "API_SALES_ORDER_SRV/A_SalesOrder";

/// A call with this body.
pub(crate) fn call(action: Action, record: &str, body: &str) -> Call {
    Call {
        intent: None,
        action,
        record: record.into(),
        key: None,
        body: value(body),
        select: Arc::default(),
        probe: Vec::new(),
        insist: false,
    }
}

/// A call for the record with this key.
pub(crate) fn keyed(action: Action, record: &str, field: &str, key: impl Into<Value>, body: &str) -> Call {
    Call { key: Some(Key { field: field.into(), value: key.into() }), ..call(action, record, body) }
}

/// A selection of fields.
pub(crate) fn fields(names: &[&str]) -> Arc<Selection> {
    Arc::new(Selection { fields: names.iter().map(|name| (*name).into()).collect(), children: Vec::new() })
}

pub(crate) fn value(text: &str) -> Value {
    json::parse(text.as_bytes()).expect("json")
}
