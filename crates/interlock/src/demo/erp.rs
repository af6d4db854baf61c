//! The demo's way into S/4HANA: its public OData services, to put master data in and to read the books at the end.

use std::sync::{Mutex, PoisonError};

use connect::transport::{self, ClientOptions};
use model::{Problem, Value, json};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{COOKIE, HeaderMap, SET_COOKIE};
use reqwest::{RequestBuilder, StatusCode};

use super::crm::{Patience, told};

const SERVICES: &str = "/sap/opu/odata/sap";
const PAGE: usize = 1_000;

/// How to sign in.
#[derive(Debug, Clone)]
pub(crate) struct ErpAccess {
    pub(crate) url: String,
    pub(crate) user: String,
    pub(crate) password: String,
}

/// A client.
pub(crate) struct Erp {
    http: reqwest::Client,
    access: ErpAccess,
    /// What a write has to bring.
    session: Mutex<Option<HeaderMap>>,
}

impl Erp {
    pub(crate) fn new(access: ErpAccess) -> Result<Self, Problem> {
        let http = transport::client(&ClientOptions::default())?;
        Ok(Self { http, access, session: Mutex::default() })
    }

    fn signed(&self, request: RequestBuilder) -> RequestBuilder {
        request.basic_auth(&self.access.user, Some(&self.access.password)).header("accept", "application/json")
    }

    fn url(&self, path: &str) -> String {
        format!("{}{SERVICES}/{path}{}sap-client=100", self.access.url, if path.contains('?') { "&" } else { "?" })
    }

    /// Everything in an entity set: fields `select`, in the order of its key.
    ///
    /// # Errors
    /// When it is refused, or the system stays away.
    pub(crate) async fn read_all(
        &self,
        set: &str,
        select: &str,
        key: &str,
        filter: &str,
    ) -> Result<Vec<Value>, Problem> {
        let mut all = Vec::new();
        loop {
            let mut path =
                format!("{set}?$select={select}&$orderby={key}&$top={PAGE}&$skip={}&$format=json", all.len());
            if !filter.is_empty() {
                path.push_str("&$filter=");
                path.extend(utf8_percent_encode(filter, NON_ALPHANUMERIC));
            }
            let page = self.get(&path).await?;
            let records = page.get("d").get("results").items();
            all.extend_from_slice(records);
            // A server may give fewer than were asked for, and says so with a link to the rest.
            if records.is_empty() || (records.len() < PAGE && page.get("d").get("__next").is_null()) {
                return Ok(all);
            }
        }
    }

    async fn get(&self, path: &str) -> Result<Value, Problem> {
        let mut patience = Patience::new();
        loop {
            let answer = match self.signed(self.http.get(self.url(path))).send().await {
                Ok(response) => {
                    let status = response.status();
                    response.bytes().await.map(|bytes| (status, bytes))
                }
                Err(error) => Err(error),
            };
            match answer {
                Ok((status, bytes)) if status.is_success() => {
                    return json::parse(&bytes).map_err(|error| refused(path, &format!("not JSON: {error}")));
                }
                Ok((status, bytes)) if !transient(status) => {
                    return Err(refused(path, &format!("{status}: {}", String::from_utf8_lossy(&bytes))));
                }
                Ok((status, _)) => patience.wait(&status.to_string()).await?,
                Err(error) => patience.wait(&told(&error)).await?,
            }
        }
    }

    /// Changes a record; the same again changes nothing more, so it is sent until it is done.
    ///
    /// # Errors
    /// When it is refused, or the system stays away.
    pub(crate) async fn change(&self, path: &str, body: &str) -> Result<(), Problem> {
        let mut patience = Patience::new();
        loop {
            let known = self.session.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let session = match known {
                Some(session) => session,
                None => match self.begin(path).await {
                    Some(session) => {
                        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(session.clone());
                        session
                    }
                    None => {
                        patience.wait("no session").await?;
                        continue;
                    }
                },
            };
            let request = self.signed(self.http.patch(self.url(path))).headers(session).header("if-match", "*");
            let request = request.header("content-type", "application/json").body(body.to_owned());
            let why = match request.send().await {
                Ok(response) if response.status().is_success() => return Ok(()),
                Ok(response) => {
                    let status = response.status();
                    let text = response.text().await.unwrap_or_default();
                    // A token that has ended is refused with 403, a record that somebody else has open with 400.
                    let is_held = status == StatusCode::BAD_REQUEST && text.contains("currently being processed");
                    if !transient(status) && status != StatusCode::FORBIDDEN && !is_held {
                        return Err(refused(path, &format!("{status}: {text}")));
                    }
                    format!("{status}: {text}")
                }
                Err(error) => told(&error),
            };
            // Whatever it was, a new session does no harm.
            *self.session.lock().unwrap_or_else(PoisonError::into_inner) = None;
            patience.wait(&why).await?;
        }
    }

    /// The token and the cookies that a write has to bring.
    async fn begin(&self, path: &str) -> Option<HeaderMap> {
        let service = path.split_once('/').map_or(path, |(service, _)| service);
        let request = self.signed(self.http.get(self.url(&format!("{service}/")))).header("x-csrf-token", "Fetch");
        let answer = request.send().await.ok()?;
        let cookies: Vec<String> = answer
            .headers()
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|cookie| cookie.to_str().ok()?.split(';').next().map(str::to_owned))
            .collect();
        let token = answer.headers().get("x-csrf-token")?.clone();
        let mut headers = HeaderMap::new();
        headers.insert("x-csrf-token", token);
        headers.insert(COOKIE, cookies.join("; ").parse().ok()?);
        Some(headers)
    }

    /// Loads master data through the simulator's own door, as a migration would.
    ///
    /// # Errors
    /// When it is refused.
    pub(crate) async fn seed(&self, body: String) -> Result<(), Problem> {
        let path = "/_sandbox/seed";
        let request = self.http.post(format!("{}{path}", self.access.url)).header("content-type", "application/json");
        let response = request.body(body).send().await.map_err(|error| refused(path, &told(&error)))?;
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        if status.is_success() { Ok(()) } else { Err(refused(path, &format!("{status}: {text}"))) }
    }
}

fn transient(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::LOCKED | StatusCode::UNAUTHORIZED)
}

fn refused(path: &str, why: &str) -> Problem {
    let why: String = why.chars().take(400).collect();
    let message = format!("the simulated S/4HANA refuses a request of the demo to {path}: {why}");
    Problem::new("IL-DEMO-013", message, "This is a mistake in Interlock: please report it with this message")
}
