//! One org over HTTPS: signed in, its budget watched, every request marked with our client name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use connect::oauth::{Token, TokenCache};
use connect::transport::{self, Answer, ClientOptions, Effect};
use connect::{CallError, ErrorClass, Secrets};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use model::{Problem, Value, json};

use crate::auth::Auth;
use crate::config::Config;
use crate::errors;

/// How much of the org's daily request budget is used, as of its latest answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiUsage {
    /// Requests used in the last 24 hours.
    pub used: u64,
    /// Requests allowed in 24 hours.
    pub limit: u64,
}

/// A request to the org.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    /// What is sent, with its content type.
    pub(crate) body: Option<(&'static str, Bytes)>,
    /// The content type that is wanted.
    pub(crate) accept: &'static str,
    pub(crate) effect: Effect,
    /// Longest time where the connection's own is too short.
    pub(crate) timeout: Option<Duration>,
    /// Largest answer, in bytes after decompression.
    pub(crate) answer_max: usize,
    /// What the org shall do about duplicates, where that is not its usual way.
    pub(crate) duplicates: Option<&'static str>,
}

impl<'a> Exchange<'a> {
    /// A request without a body for JSON.
    pub(crate) fn new(method: Method, path: &'a str, effect: Effect) -> Self {
        let (accept, answer_max) = ("application/json", transport::BODY_MAX);
        Self { method, path, body: None, accept, effect, timeout: None, answer_max, duplicates: None }
    }
}

/// The HTTP side of a connection.
pub(crate) struct Org {
    pub(crate) config: Config,
    http: reqwest::Client,
    auth: Auth,
    tokens: TokenCache,
    used: AtomicU64,
    limit: AtomicU64,
    call_options: HeaderValue,
}

impl Org {
    /// Prepares the client. Nothing is contacted.
    pub(crate) fn open(config: Config, secrets: &dyn Secrets) -> Result<Self, Problem> {
        let http = transport::client(&ClientOptions { timeout: config.timeout, ..ClientOptions::default() })?;
        let auth = Auth::open(config.token_url.clone(), &config.flow, secrets)?;
        let call_options = HeaderValue::from_str(&format!("client={}", config.client_name)).map_err(|_| {
            Problem::new(
                "IL-CRM-004",
                "the connection's `clientName` cannot be sent in a header",
                "Use letters, digits, `-`, `_`, `.` and `/`",
            )
        })?;
        let (used, limit) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self { config, http, auth, tokens: TokenCache::default(), used, limit, call_options })
    }

    /// The current token, signing in when there is none.
    pub(crate) async fn token(&self) -> Result<Arc<Token>, CallError> {
        self.tokens.get(|| self.auth.token(&self.http)).await
    }

    /// Forgets a token that was refused.
    pub(crate) fn forget(&self, token: &Arc<Token>) {
        self.tokens.forget(token);
    }

    /// Where the org lives, by its own word: it may move between instances.
    pub(crate) fn instance_url<'a>(&'a self, token: &'a Token) -> &'a str {
        token.answer.get("instance_url").as_str().map_or(self.config.url.as_str(), |url| url.trim_end_matches('/'))
    }

    /// The org's id: from the settings, or from the identity address in the token's answer (`…/id/{org}/{user}`).
    pub(crate) fn tenant_id<'a>(&'a self, token: &'a Token) -> Option<&'a str> {
        let given = self.config.pubsub.as_ref().and_then(|pubsub| pubsub.tenant_id.as_deref());
        given.or_else(|| token.answer.get("id").as_str()?.rsplit('/').nth(1).filter(|id| id.starts_with("00D")))
    }

    /// The path of a resource of the REST API in the configured version.
    pub(crate) fn data_path(&self, resource: &str) -> String {
        format!("/services/data/v{}/{resource}", self.config.api_version)
    }

    /// Sends JSON (or nothing) to a path of the org; see [`Self::exchange`].
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        effect: Effect,
    ) -> Result<Answer, CallError> {
        let body = body.map(|body| ("application/json", Bytes::from(body)));
        self.exchange(Exchange { body, ..Exchange::new(method, path, effect) }).await
    }

    /// Sends a request to a path of the org and returns its answer whatever its status, except that an ended session is
    /// renewed once: a refused token means that nothing was done.
    pub(crate) async fn exchange(&self, exchange: Exchange<'_>) -> Result<Answer, CallError> {
        let Exchange { method, path, body, accept, effect, timeout, answer_max, duplicates } = exchange;
        // What follows the host must be a path: an address from an answer must not carry the token elsewhere.
        if !path.starts_with('/') || path.starts_with("//") {
            return Err(CallError::new(
                ErrorClass::Misconfigured,
                "path",
                format!("`{path}` is not a path of the org"),
            ));
        }
        let mut renewed = false;
        loop {
            let token = self.token().await?;
            let url = format!("{}{path}", self.instance_url(&token));
            let mut request = self
                .http
                .request(method.clone(), url)
                .header(AUTHORIZATION, bearer(&token)?)
                .header(ACCEPT, HeaderValue::from_static(accept))
                .header("Sforce-Call-Options", self.call_options.clone());
            if let Some((kind, body)) = &body {
                request = request.header(CONTENT_TYPE, HeaderValue::from_static(kind)).body(body.clone());
            }
            if let Some(duplicates) = duplicates {
                request = request.header("Sforce-Duplicate-Rule-Header", HeaderValue::from_static(duplicates));
            }
            if let Some(timeout) = timeout {
                request = request.timeout(timeout.max(self.config.timeout));
            }
            let answer = transport::send(request, effect, answer_max).await?;
            self.note_usage(&answer);
            // Without the query: its literals may be personal data.
            let resource = path.split('?').next().unwrap_or_default();
            tracing::debug!(%method, resource, status = answer.status.as_u16(), "asked the org");
            if answer.status == http::StatusCode::UNAUTHORIZED {
                self.forget(&token);
                if !renewed {
                    renewed = true;
                    continue;
                }
            }
            return Ok(answer);
        }
    }

    /// Like [`Self::send`], for resources that answer a success with JSON (or with nothing: `null`).
    pub(crate) async fn json(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        effect: Effect,
    ) -> Result<Value, CallError> {
        let answer = self.send(method, path, body, effect).await?;
        understood(&answer, effect)
    }

    /// The request budget as of the latest answer; `None` before the first.
    pub(crate) fn usage(&self) -> Option<ApiUsage> {
        let limit = self.limit.load(Ordering::Relaxed);
        (limit > 0).then(|| ApiUsage { used: self.used.load(Ordering::Relaxed), limit })
    }

    fn note_usage(&self, answer: &Answer) {
        if let Some(usage) = answer.header("sforce-limit-info").and_then(parse_usage) {
            self.used.store(usage.used, Ordering::Relaxed);
            self.limit.store(usage.limit, Ordering::Relaxed);
        }
    }
}

/// What an answer says that is JSON or nothing (`null`), or why it is none.
pub(crate) fn understood(answer: &Answer, effect: Effect) -> Result<Value, CallError> {
    if !answer.status.is_success() {
        return Err(errors::from_answer(answer, effect));
    }
    if answer.body.is_empty() {
        return Ok(Value::Null);
    }
    json::parse(&answer.body).map_err(|error| errors::not_understood(effect, error))
}

fn bearer(token: &Token) -> Result<HeaderValue, CallError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.secret.expose())).map_err(|_| {
        CallError::new(ErrorClass::Unauthorized, "token", "the access token holds characters that no header can carry")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Reads `api-usage=18/5000`, which further entries may follow.
fn parse_usage(header: &str) -> Option<ApiUsage> {
    let entry = header.split([',', ';', ' ']).find_map(|entry| entry.trim().strip_prefix("api-usage="))?;
    let (used, limit) = entry.split_once('/')?;
    Some(ApiUsage { used: used.parse().ok()?, limit: limit.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_budget() {
        assert_eq!(parse_usage("api-usage=18/5000"), Some(ApiUsage { used: 18, limit: 5000 }));
        let both = "api-usage=25/5000; per-app-api-usage=17/250(appName=sample)";
        assert_eq!(parse_usage(both), Some(ApiUsage { used: 25, limit: 5000 }));
        assert_eq!(parse_usage("per-app-api-usage=17/250"), None);
        assert_eq!(parse_usage("api-usage=many"), None);
    }
}
