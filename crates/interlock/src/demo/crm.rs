//! The sales team's way into Salesforce: its public REST API, as any client of it would use it.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use connect::transport::{self, ClientOptions};
use model::{Problem, Value, json};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, StatusCode};

/// Records in one request to the collections resource.
pub(crate) const COLLECTION_MAX: usize = 200;
const API: &str = "/services/data/v67.0";
/// How long a system may be away before the sales team gives up.
const PATIENCE: Duration = Duration::from_secs(120);
const WAIT_FIRST: Duration = Duration::from_millis(25);
const WAIT_LONGEST: Duration = Duration::from_secs(1);
/// Vendor codes that mean: nothing changed, try again.
const TRANSIENT: [&str; 4] = ["UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "QUERY_TIMEOUT"];

/// What a record says that would have been saved, had all others been right.
const ROLLED_BACK: &str = "ALL_OR_NONE_OPERATION_ROLLED_BACK";

/// How to sign in.
#[derive(Debug, Clone)]
pub(crate) struct CrmAccess {
    pub(crate) url: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
}

/// What came of a create.
pub(crate) enum Created {
    /// The ids, in the order of the records.
    Ids(Vec<String>),
    /// No answer came: it has to be looked for.
    Unknown,
}

/// Why a request did not succeed.
enum Failure {
    /// Surely nothing changed; it can be tried again.
    NotDone(String),
    /// Nobody knows.
    Unknown(String),
    /// It is refused.
    Refused(String),
}

impl Failure {
    fn rolled_back(&self) -> bool {
        matches!(self, Self::NotDone(why) if why.starts_with(ROLLED_BACK))
    }
}

/// A signed-in client.
pub(crate) struct Crm {
    http: reqwest::Client,
    access: CrmAccess,
    token: Mutex<Option<String>>,
}

impl Crm {
    pub(crate) fn new(access: CrmAccess) -> Result<Self, Problem> {
        let http = transport::client(&ClientOptions::default())?;
        Ok(Self { http, access, token: Mutex::new(None) })
    }

    /// All records that a query finds.
    ///
    /// # Errors
    /// When it is refused, or the system stays away.
    pub(crate) async fn query(&self, soql: &str) -> Result<Vec<Value>, Problem> {
        let mut path = format!("{API}/query?q={}", utf8_percent_encode(soql, NON_ALPHANUMERIC));
        let mut records = Vec::new();
        loop {
            let page = self.read(&path).await?;
            records.extend_from_slice(page.get("records").items());
            match page.get("nextRecordsUrl").as_str() {
                Some(next) if page.get("done").as_bool() != Some(true) => path = next.to_owned(),
                _ => return Ok(records),
            }
        }
    }

    /// How many records there are of what stands behind `FROM`.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub(crate) async fn count(&self, of: &str) -> Result<usize, Problem> {
        let soql = format!("SELECT COUNT() FROM {of}");
        let found = self.read(&format!("{API}/query?q={}", utf8_percent_encode(&soql, NON_ALPHANUMERIC))).await?;
        Ok(found.get("totalSize").as_i64().and_then(|count| usize::try_from(count).ok()).unwrap_or(0))
    }

    async fn read(&self, path: &str) -> Result<Value, Problem> {
        let mut patience = Patience::new();
        loop {
            match self.send(Method::GET, path, None).await {
                Ok(body) => {
                    return json::parse(&body).map_err(|error| refused(&format!("the answer is not JSON: {error}")));
                }
                Err(Failure::NotDone(why) | Failure::Unknown(why)) => patience.wait(&why).await?,
                Err(Failure::Refused(why)) => return Err(refused(&why)),
            }
        }
    }

    /// Creates records of one kind, all or none. Each body holds the members of one record, without braces.
    ///
    /// # Errors
    /// When they are refused, or the system stays away.
    pub(crate) async fn create(&self, object: &str, bodies: &[String]) -> Result<Created, Problem> {
        let path = format!("{API}/composite/sobjects");
        let body = collection(object, bodies, true);
        let mut patience = Patience::new();
        loop {
            let failure = match self.send(Method::POST, &path, Some(body.clone())).await {
                Ok(answer) => match results(&answer, bodies.len()) {
                    Ok(results) => match ids(&results) {
                        Ok(ids) => return Ok(Created::Ids(ids)),
                        Err(failure) => failure,
                    },
                    Err(failure) => failure,
                },
                Err(failure) => failure,
            };
            match failure {
                Failure::NotDone(why) => patience.wait(&why).await?,
                Failure::Unknown(why) => {
                    // The system may be away: whoever looks for the records waits for it.
                    patience.wait(&why).await?;
                    return Ok(Created::Unknown);
                }
                Failure::Refused(why) => return Err(refused(&why)),
            }
        }
    }

    /// Creates records of any number when nothing is expected to go wrong.
    ///
    /// # Errors
    /// As [`Self::create`], and when an answer gets lost.
    pub(crate) async fn create_all(&self, object: &str, bodies: &[String]) -> Result<Vec<String>, Problem> {
        let mut all = Vec::with_capacity(bodies.len());
        for chunk in bodies.chunks(COLLECTION_MAX) {
            match self.create(object, chunk).await? {
                Created::Ids(ids) => all.extend(ids),
                Created::Unknown => return Err(refused("the answer to a create got lost")),
            }
        }
        Ok(all)
    }

    /// Changes records of one kind; the same again changes nothing more, so it is sent until it is done.
    ///
    /// # Errors
    /// When one is refused, or the system stays away.
    pub(crate) async fn update(&self, object: &str, bodies: &[String]) -> Result<(), Problem> {
        let path = format!("{API}/composite/sobjects");
        for chunk in bodies.chunks(COLLECTION_MAX) {
            let mut left: Vec<String> = chunk.to_vec();
            let mut patience = Patience::new();
            while !left.is_empty() {
                let sent = self.send(Method::PATCH, &path, Some(collection(object, &left, false))).await;
                match sent.and_then(|answer| results(&answer, left.len())) {
                    Ok(results) => {
                        let mut again = Vec::new();
                        let mut why = String::new();
                        for (result, body) in results.iter().zip(left) {
                            match outcome(result) {
                                Ok(()) => {}
                                Err(Failure::Refused(why)) => return Err(refused(&why)),
                                Err(Failure::NotDone(reason) | Failure::Unknown(reason)) => {
                                    why = reason;
                                    again.push(body);
                                }
                            }
                        }
                        left = again;
                        if !left.is_empty() {
                            patience.wait(&why).await?;
                        }
                    }
                    Err(Failure::NotDone(why) | Failure::Unknown(why)) => patience.wait(&why).await?,
                    Err(Failure::Refused(why)) => return Err(refused(&why)),
                }
            }
        }
        Ok(())
    }

    async fn send(&self, method: Method, path: &str, body: Option<String>) -> Result<Bytes, Failure> {
        let token = self.token().await?;
        let mut request = self.http.request(method, format!("{}{path}", self.access.url)).bearer_auth(&token);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await.map_err(|error| unanswered(&error))?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|error| Failure::Unknown(error.to_string()))?;
        if status.is_success() {
            return Ok(bytes);
        }
        let text = String::from_utf8_lossy(bytes.get(..bytes.len().min(300)).unwrap_or_default()).into_owned();
        let what = format!("{status}: {text}");
        Err(match status {
            StatusCode::UNAUTHORIZED => {
                *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
                Failure::NotDone(what)
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Failure::NotDone(what),
            _ if TRANSIENT.iter().any(|code| text.contains(code)) => Failure::NotDone(what),
            _ if status.is_server_error() => Failure::Unknown(what),
            _ => Failure::Refused(what),
        })
    }

    async fn token(&self) -> Result<String, Failure> {
        if let Some(token) = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Ok(token);
        }
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", self.access.client_id.as_str()),
            ("client_secret", self.access.client_secret.as_str()),
        ];
        let url = format!("{}/services/oauth2/token", self.access.url);
        let response = self.http.post(url).form(&form).send().await.map_err(|error| Failure::NotDone(told(&error)))?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|error| Failure::NotDone(told(&error)))?;
        let token = json::parse(&bytes).ok().and_then(|body| body.get("access_token").as_str().map(str::to_owned));
        match token {
            Some(token) if status.is_success() => {
                *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
                Ok(token)
            }
            _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(Failure::NotDone(format!("sign-in answered {status}")))
            }
            _ => Err(Failure::Refused(format!("sign-in answered {status}"))),
        }
    }
}

/// Waits between tries, and gives up in the end.
pub(super) struct Patience {
    since: Instant,
    wait: Duration,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), wait: WAIT_FIRST }
    }

    pub(super) async fn wait(&mut self, why: &str) -> Result<(), Problem> {
        if self.since.elapsed() > PATIENCE {
            let message = format!("a simulated system does not take a request for {} s: {why}", PATIENCE.as_secs());
            return Err(Problem::new(
                "IL-DEMO-011",
                message,
                "Run the demo again with `--faults none` to see whether it is the weather",
            ));
        }
        // A lock is gone in a moment, whoever else is away may need longer.
        if why.contains("UNABLE_TO_LOCK_ROW") {
            tokio::time::sleep(WAIT_FIRST).await;
            return Ok(());
        }
        tokio::time::sleep(self.wait).await;
        self.wait = (self.wait * 2).min(WAIT_LONGEST);
        Ok(())
    }
}

fn refused(why: &str) -> Problem {
    let message = format!("the simulated Salesforce refuses a request of the demo: {why}");
    Problem::new("IL-DEMO-012", message, "This is a mistake in Interlock: please report it with this message")
}

/// The error and what is behind it, in one line.
pub(super) fn told(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

fn unanswered(error: &reqwest::Error) -> Failure {
    if error.is_connect() { Failure::NotDone(told(error)) } else { Failure::Unknown(told(error)) }
}

fn collection(object: &str, bodies: &[String], all_or_none: bool) -> String {
    let length: usize = bodies.iter().map(String::len).sum();
    let mut text = String::with_capacity(length + bodies.len() * 48 + 64);
    let _ = write!(text, "{{\"allOrNone\":{all_or_none},\"records\":[");
    for (place, body) in bodies.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        let _ = write!(text, "{{\"attributes\":{{\"type\":\"{object}\"}},{body}}}");
    }
    text.push_str("]}");
    text
}

fn results(answer: &Bytes, expected: usize) -> Result<Vec<Value>, Failure> {
    let answer = json::parse(answer).map_err(|error| Failure::Unknown(format!("the answer is not JSON: {error}")))?;
    let results = answer.items().to_vec();
    if results.len() == expected {
        Ok(results)
    } else {
        Err(Failure::Refused(format!("{expected} records were sent, {} results came back", results.len())))
    }
}

fn outcome(result: &Value) -> Result<(), Failure> {
    if result.get("success").as_bool() == Some(true) {
        return Ok(());
    }
    let error = result.get("errors").at(0);
    let code = error.get("statusCode").as_str().unwrap_or("");
    let why = format!("{code}: {}", error.get("message").as_str().unwrap_or("no reason given"));
    Err(if code == ROLLED_BACK || TRANSIENT.contains(&code) { Failure::NotDone(why) } else { Failure::Refused(why) })
}

/// The ids of an all-or-none create. The record that failed tells why; the others only say that they were rolled back.
fn ids(results: &[Value]) -> Result<Vec<String>, Failure> {
    let mut failure = None;
    for result in results {
        match outcome(result) {
            Ok(()) => {}
            Err(Failure::Refused(why)) => return Err(Failure::Refused(why)),
            // Of a request that was rolled back, most records do not tell the reason.
            Err(other) if failure.is_none() || !other.rolled_back() => failure = Some(other),
            Err(_) => {}
        }
    }
    if let Some(failure) = failure {
        return Err(failure);
    }
    Ok(results.iter().map(|result| result.get("id").as_str().unwrap_or_default().to_owned()).collect())
}

/// A text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    json::write_string(text, &mut quoted);
    quoted
}

/// A list of texts for `IN (…)`. The texts are ids and numbers of our own: nothing in them needs escaping but quotes.
pub(crate) fn listed<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut list = String::new();
    for text in texts {
        if !list.is_empty() {
            list.push(',');
        }
        let _ = write!(list, "'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    }
    list
}

/// Hundredths as a decimal: `255` is `2.55`.
pub(crate) fn amount(hundredths: i64) -> String {
    let sign = if hundredths < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", hundredths.unsigned_abs() / 100, hundredths.unsigned_abs() % 100)
}
