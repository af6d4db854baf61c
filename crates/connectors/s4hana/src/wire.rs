//! One exchange with the ERP: address, credentials, session, and what is repeated by itself.
//!
//! Repeated once, because nothing was done: a request that the ERP refused for its CSRF token (403 with `x-csrf-token:
//! Required`) or for its credentials (401, a session or token that ended).

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use connect::transport::{self, Answer, ClientOptions, Effect};
use connect::{CallError, ErrorClass, Secrets};
use http::{HeaderValue, Method};
use model::{IntentId, Problem};

use crate::auth::Credentials;
use crate::config::{AuthConfig, Config};
use crate::errors::{self, Refusal};
use crate::session::{Login, Pool, Session, is_required};

/// Largest answer that is taken.
const ANSWER_MAX: usize = transport::BODY_MAX;

/// One request to a service.
#[derive(Debug, Clone)]
pub(crate) struct Request<'a> {
    /// Technical name of the service.
    pub(crate) service: &'a str,
    /// `GET`, `POST`, `PATCH`, `DELETE`.
    pub(crate) method: Method,
    /// Address relative to the service's root, percent-encoded, with its own query.
    pub(crate) path: Cow<'a, str>,
    /// Body and its content type.
    pub(crate) body: Option<(Bytes, Cow<'a, str>)>,
    /// Value of `If-Match`.
    pub(crate) if_match: Option<&'a str>,
    /// What a lost answer means.
    pub(crate) effect: Effect,
    /// What is wanted back.
    pub(crate) accept: &'static str,
    /// The intent it serves, for the ERP's own log.
    pub(crate) intent: Option<IntentId>,
}

impl<'a> Request<'a> {
    /// A read.
    pub(crate) fn get(service: &'a str, path: impl Into<Cow<'a, str>>) -> Self {
        Self {
            service,
            method: Method::GET,
            path: path.into(),
            body: None,
            if_match: None,
            effect: Effect::Read,
            accept: "application/json",
            intent: None,
        }
    }
}

/// The way to one ERP.
pub(crate) struct Wire {
    client: reqwest::Client,
    credentials: Credentials,
    /// The user who signs on, where that is a user and not an OAuth client.
    user: Option<String>,
    sessions: Pool,
    base: String,
    /// `sap-client` and `sap-language`, for every address.
    query: String,
    lock_messages: Vec<String>,
}

impl Wire {
    /// Sets the way up; nothing is contacted.
    ///
    /// # Errors
    /// When a secret or a certificate cannot be had.
    pub(crate) fn open(config: &Config, secrets: &dyn Secrets) -> Result<Self, Problem> {
        let ca_pem = match &config.certificates {
            None => None,
            Some(reference) => {
                let pem = secrets.get(reference).map_err(|error| {
                    Problem::new(
                        "IL-S4-002",
                        error.to_string(),
                        "Give a reference to a PEM file, such as `file:ca.pem`",
                    )
                })?;
                Some(pem.expose().as_bytes().to_vec())
            }
        };
        let client = transport::client(&ClientOptions { timeout: config.timeout, ca_pem, ..ClientOptions::default() })?;
        let client_number = config.client.as_ref().map(|client| format!("sap-client={client}&")).unwrap_or_default();
        let user = match &config.auth {
            AuthConfig::Basic { username, .. } => Some(username.clone()),
            AuthConfig::ClientCredentials { .. } => None,
        };
        Ok(Self {
            client,
            credentials: Credentials::open(&config.auth, secrets)?,
            user,
            sessions: Pool::new(config.sessions),
            base: format!("{}{}", config.url, config.base_path),
            query: format!("{client_number}sap-language={}", config.language),
            lock_messages: config.lock_messages.clone(),
        })
    }

    /// Sends a request and takes the answer, whatever its status but those that are repeated.
    ///
    /// # Errors
    /// When no answer came, or signing on failed.
    pub(crate) async fn exchange(&self, request: &Request<'_>) -> Result<Answer, CallError> {
        let session = self.sessions.lease();
        let mut repeated = false;
        loop {
            let authorization = self.credentials.authorize(&self.client).await?;
            let login = self.sign_on(&session, request.service).await?;
            let mut builder = self
                .client
                .request(request.method.clone(), self.address(request.service, &request.path))
                .header(http::header::AUTHORIZATION, authorization.header.clone())
                .header(http::header::ACCEPT, request.accept);
            if let Some(cookie) = &login.cookie {
                builder = builder.header(http::header::COOKIE, cookie.clone());
            }
            if request.method != Method::GET {
                builder = builder.header("x-csrf-token", login.token.clone());
            }
            if let Some(etag) = request.if_match {
                builder = builder.header(http::header::IF_MATCH, etag);
            }
            if let Some(intent) = request.intent {
                builder = builder.header("x-correlationid", intent.to_string());
            }
            match &request.body {
                Some((body, content_type)) => {
                    builder = builder.header(http::header::CONTENT_TYPE, &**content_type).body(body.clone());
                }
                None if request.method == Method::POST => builder = builder.header(http::header::CONTENT_LENGTH, 0),
                None => {}
            }
            let answer = transport::send(builder, request.effect, ANSWER_MAX).await?;
            session.keep_cookies(&login, &answer.headers);
            if let Some(note) = answer.header("sap-message") {
                tracing::info!(service = request.service, message = note, "the ERP remarks");
            }
            let refused_token = answer.status == 403 && wants_token(&answer);
            if (refused_token || answer.status == 401) && !repeated {
                repeated = true;
                session.forget(&login);
                if answer.status == 401 {
                    self.credentials.refused(&authorization);
                }
                continue;
            }
            return Ok(answer);
        }
    }

    /// The same, with everything that is not a success as an error.
    ///
    /// # Errors
    /// When no answer came, or the answer is a refusal.
    pub(crate) async fn ask(&self, request: &Request<'_>) -> Result<Answer, CallError> {
        let answer = self.exchange(request).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(self.refusal(&answer, request.effect)) }
    }

    /// What an answer that is not a success means.
    pub(crate) fn refusal(&self, answer: &Answer, effect: Effect) -> CallError {
        self.classify(answer.status.as_u16(), &answer.headers, &answer.body, effect)
    }

    /// The same, of its parts.
    pub(crate) fn classify(&self, status: u16, headers: &http::HeaderMap, body: &[u8], effect: Effect) -> CallError {
        let refusal = Refusal {
            status,
            wants_token: headers.get("x-csrf-token").is_some_and(is_required),
            retry_after: transport::retry_after(headers, jiff::Timestamp::now()),
            body,
        };
        let mut error = errors::classify(&refusal, effect, &self.lock_messages);
        if status == 401 {
            // The ERP itself answers with a page that says less.
            error.code = "HTTP 401".to_owned();
            error.message = match &self.user {
                Some(user) => format!("the ERP refuses user {user} or its password"),
                None => "the ERP refuses the access token of the OAuth client".to_owned(),
            };
        }
        error
    }

    /// The session's sign-on, made now when there is none. Of several requests that find none, one signs on.
    async fn sign_on(&self, session: &Session, service: &str) -> Result<Arc<Login>, CallError> {
        if let Some(login) = session.login() {
            return Ok(login);
        }
        let _turn = session.signing_on.lock().await;
        if let Some(login) = session.login() {
            return Ok(login);
        }
        let mut repeated = false;
        loop {
            let authorization = self.credentials.authorize(&self.client).await?;
            let request = self
                .client
                .get(self.address(service, ""))
                .header(http::header::AUTHORIZATION, authorization.header.clone())
                .header(http::header::ACCEPT, "application/json")
                .header("x-csrf-token", HeaderValue::from_static("Fetch"));
            // Signing on changes nothing, whatever the request it is for.
            let answer = transport::send(request, Effect::Read, ANSWER_MAX).await?;
            if answer.status == 401 && !repeated {
                repeated = true;
                self.credentials.refused(&authorization);
                // A refused password is not tried twice: the ERP locks users after a few failures.
                if matches!(self.credentials, Credentials::Client { .. }) {
                    continue;
                }
            }
            if !answer.status.is_success() {
                return Err(self.refusal(&answer, Effect::Read));
            }
            return match Login::from_answer(&answer.headers) {
                Some(login) => Ok(session.set(login)),
                None => {
                    let message = format!("the ERP gave no CSRF token for the service {service}");
                    Err(CallError::new(ErrorClass::Misconfigured, "no-csrf-token", message))
                }
            };
        }
    }

    fn address(&self, service: &str, path: &str) -> String {
        let joint = if path.contains('?') { '&' } else { '?' };
        format!("{}/{service}/{path}{joint}{}", self.base, self.query)
    }
}

fn wants_token(answer: &Answer) -> bool {
    answer.headers.get("x-csrf-token").is_some_and(is_required)
}
