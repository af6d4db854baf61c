//! Who calls: clients by key, systems by token, and how much each may ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, header};
use axum::response::Response;
use connect::{Secret, Secrets};
use definitions::{Api, ProjectSettings};
use jiff::Timestamp;
use model::Problem;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::brake::Brake;
use crate::problem;

/// Client and API.
type Use = (Arc<str>, Arc<str>);

/// Callers of process APIs, and the token of systems that push events.
pub(crate) struct Callers {
    clients: Vec<Client>,
    events: Option<[u8; 32]>,
    /// Requests of each client and API in the minute that runs.
    used: Mutex<HashMap<Use, (i64, u32)>>,
    brake: Brake,
}

struct Client {
    name: Arc<str>,
    key: [u8; 32],
    apis: Vec<Arc<str>>,
}

/// What is left of a quota.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quota {
    pub(crate) limit: u32,
    pub(crate) left: u32,
    /// Seconds until it is whole again.
    pub(crate) reset: i64,
}

impl Callers {
    /// Reads the keys.
    pub(crate) fn new(settings: &ProjectSettings, secrets: &dyn Secrets) -> Result<Self, Problem> {
        let read = |what: String, reference: &str| {
            let problem = |error: connect::SecretError| {
                Problem::new("IL-API-001", format!("{what}: {error}"), "set the environment variable or file it names")
            };
            secrets.get(reference).map(|secret| digest(&secret)).map_err(problem)
        };
        let mut clients = Vec::with_capacity(settings.clients.len());
        for client in &settings.clients {
            let key = read(format!("the key of the client {}", client.name), &client.key)?;
            clients.push(Client { name: Arc::clone(&client.name), key, apis: client.apis.clone() });
        }
        let token = settings.events_token.as_deref();
        let events = token.map(|reference| read("the token for events".to_owned(), reference)).transpose()?;
        Ok(Self { clients, events, used: Mutex::default(), brake: Brake::default() })
    }

    /// Whether a system may push events.
    ///
    /// # Errors
    /// The answer for one that may not.
    pub(crate) async fn may_push(&self, headers: &HeaderMap) -> Result<(), Box<Response>> {
        if let (Some(token), Some(presented)) = (&self.events, presented(headers))
            && same(token, &presented)
        {
            return Ok(());
        }
        let remedy = "send the token that `events` in interlock.yaml names as `Authorization: Bearer TOKEN`";
        Err(self.stranger(headers, "IL-API-005", "The sender of these events is not known", remedy).await)
    }

    /// The answer for one that is not known.
    async fn stranger(&self, headers: &HeaderMap, code: &str, title: &str, remedy: &str) -> Box<Response> {
        // Who shows nothing tries nothing.
        if presented(headers).is_some() && self.brake.failed().await {
            let title = format!("{title}, as were many others this minute");
            let mut response = problem::response(429, code, &title, remedy);
            response.headers_mut().insert(header::RETRY_AFTER, 60.into());
            return Box::new(response);
        }
        let mut response = problem::response(401, code, title, remedy);
        response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        Box::new(response)
    }

    /// The client that may call this API, within its quota.
    ///
    /// # Errors
    /// The answer for one who may not.
    pub(crate) async fn admit(
        &self,
        headers: &HeaderMap,
        api: &Api,
        now: Timestamp,
    ) -> Result<Option<Quota>, Box<Response>> {
        let known = presented(headers).and_then(|presented| {
            // All are compared, so that the time tells nothing.
            let mut found = None;
            for client in &self.clients {
                if same(&client.key, &presented) {
                    found = Some(client);
                }
            }
            found
        });
        let Some(client) = known else {
            let remedy = "send the client's key as `Authorization: Bearer KEY` or `X-API-Key: KEY`";
            return Err(self.stranger(headers, "IL-API-002", "The caller is not known", remedy).await);
        };
        if !client.apis.contains(&api.name) {
            let title = format!("The client {} may not call {}", client.name, api.name);
            return Err(Box::new(problem::response(
                403,
                "IL-API-003",
                &title,
                "name the API under `clients` in interlock.yaml",
            )));
        }
        let Some(limit) = api.per_minute else { return Ok(None) };
        let quota = self.count((Arc::clone(&client.name), Arc::clone(&api.name)), limit, now);
        quota.map(Some).map_err(|reset| {
            let title = format!("The quota of {limit} requests per minute is used up");
            let mut response = problem::response(429, "IL-API-004", &title, "wait as long as `Retry-After` says");
            mark(&mut response, Quota { limit, left: 0, reset });
            response.headers_mut().insert(header::RETRY_AFTER, reset.into());
            Box::new(response)
        })
    }

    fn count(&self, key: Use, limit: u32, now: Timestamp) -> Result<Quota, i64> {
        let (minute, second) = (now.as_second().div_euclid(60), now.as_second().rem_euclid(60));
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = used.entry(key).or_insert((minute, 0));
        if entry.0 != minute {
            *entry = (minute, 0);
        }
        if entry.1 >= limit {
            return Err(60 - second);
        }
        entry.1 += 1;
        Ok(Quota { limit, left: limit - entry.1, reset: 60 - second })
    }
}

/// Tells what is left of a quota.
pub(crate) fn mark(response: &mut Response, quota: Quota) {
    let headers = response.headers_mut();
    for (name, text) in [
        ("ratelimit-policy", format!("\"minute\";q={};w=60", quota.limit)),
        ("ratelimit", format!("\"minute\";r={};t={}", quota.left, quota.reset)),
    ] {
        if let Ok(value) = text.parse() {
            headers.insert(name, value);
        }
    }
}

fn presented(headers: &HeaderMap) -> Option<[u8; 32]> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| value.split_once(' '));
    let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, key)| key.trim());
    let key = bearer.or_else(|| headers.get("x-api-key").and_then(|value| value.to_str().ok()))?;
    Some(Sha256::digest(key.as_bytes()).into())
}

/// Keys are kept and compared by their hashes, which are all of one length.
fn digest(secret: &Secret) -> [u8; 32] {
    Sha256::digest(secret.expose().as_bytes()).into()
}

fn same(left: &[u8; 32], right: &[u8; 32]) -> bool {
    left.as_slice().ct_eq(right.as_slice()).into()
}
