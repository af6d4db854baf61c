//! OAuth access tokens: asked for once by however many callers need one, kept until they expire or are refused.

use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use model::{Value, json};
use tokio::sync::Mutex;

use crate::transport::{self, Effect};
use crate::{CallError, ErrorClass, Secret};

/// Largest answer of a token endpoint, in bytes.
const TOKEN_ANSWER_MAX: usize = 256 * 1024;
/// A token is not used in the last moments of its life.
const EXPIRY_MARGIN: Duration = Duration::from_secs(30);

/// An access token.
#[derive(Debug)]
pub struct Token {
    /// What goes behind `Bearer`.
    pub secret: Secret,
    /// When it ends, where the system told.
    pub expires: Option<Instant>,
    /// The rest of the token endpoint's answer (`instance_url`, `id`), without the token itself.
    pub answer: Value,
}

impl Token {
    fn is_fresh(&self, now: Instant) -> bool {
        self.expires.is_none_or(|expires| now + EXPIRY_MARGIN < expires)
    }
}

/// The current token of one identity. Of many callers that find none, one asks and all others take its result.
#[derive(Debug, Default)]
pub struct TokenCache {
    current: RwLock<Option<Arc<Token>>>,
    attempts: Mutex<Attempts>,
    /// How many attempts have ended; read before waiting, so that a waiter knows whether one ended meanwhile.
    ended: std::sync::atomic::AtomicU64,
}

#[derive(Debug, Default)]
struct Attempts {
    last_failure: Option<CallError>,
}

impl TokenCache {
    /// The current token; `fetch` is called when there is none. Callers that waited for another caller's `fetch` share its
    /// failure as well, so that a token endpoint that is down is not asked once for each of them.
    ///
    /// # Errors
    /// What `fetch` said.
    pub async fn get<F, Fetching>(&self, fetch: F) -> Result<Arc<Token>, CallError>
    where
        F: FnOnce() -> Fetching,
        Fetching: Future<Output = Result<Token, CallError>>,
    {
        use std::sync::atomic::Ordering;
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        let ended_before = self.ended.load(Ordering::Acquire);
        let mut attempts = self.attempts.lock().await;
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        if self.ended.load(Ordering::Acquire) != ended_before
            && let Some(failure) = &attempts.last_failure
        {
            return Err(failure.clone());
        }
        let result = fetch().await;
        self.ended.fetch_add(1, Ordering::AcqRel);
        match result {
            Ok(token) => {
                let token = Arc::new(token);
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&token));
                attempts.last_failure = None;
                Ok(token)
            }
            Err(failure) => {
                attempts.last_failure = Some(failure.clone());
                Err(failure)
            }
        }
    }

    /// Forgets a token that the system refused; does nothing when another caller has already replaced it.
    pub fn forget(&self, refused: &Arc<Token>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|token| Arc::ptr_eq(token, refused)) {
            *current = None;
        }
    }

    fn fresh(&self) -> Option<Arc<Token>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().filter(|token| token.is_fresh(Instant::now())).cloned()
    }
}

/// Asks a token endpoint with a form (RFC 6749, sections 4 and 5).
///
/// # Errors
/// Unauthorized when the endpoint refuses the credentials, Throttled, Unavailable, or Misconfigured when what answers is no
/// token endpoint. Nothing of the form is ever part of a message.
pub async fn exchange(client: &reqwest::Client, url: &str, form: &[(&str, &str)]) -> Result<Token, CallError> {
    let request = client.post(url).header(http::header::ACCEPT, "application/json").form(form);
    let answer = transport::send(request, Effect::Read, TOKEN_ANSWER_MAX).await?;
    let body = json::parse(&answer.body).ok();
    if answer.status.is_success() {
        let mut body = body.unwrap_or_default();
        let Some(Value::String(text)) = body.remove("access_token") else {
            let message = "the token endpoint answered without an access token";
            return Err(CallError::new(ErrorClass::Misconfigured, "no-access-token", message));
        };
        let lifetime = body.get("expires_in").as_i64().or_else(|| body.get("expires_in").as_str()?.parse().ok());
        let expires = lifetime
            .and_then(|seconds| u64::try_from(seconds).ok())
            .and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds)));
        return Ok(Token { secret: Secret::new(text.to_string()), expires, answer: body });
    }
    let told = body.unwrap_or_default();
    let code = told.get("error").as_str().map_or_else(|| format!("HTTP {}", answer.status.as_u16()), str::to_owned);
    let class = match answer.status.as_u16() {
        429 => ErrorClass::Throttled,
        500.. => ErrorClass::Unavailable,
        400 | 401 | 403 => ErrorClass::Unauthorized,
        _ => ErrorClass::Misconfigured,
    };
    let message = match told.get("error_description").as_str() {
        Some(description) => format!("no access token was given: {description}"),
        None => format!("no access token was given: the token endpoint answered {}", answer.status),
    };
    Err(CallError::new(class, code, message).retry_after(answer.retry_after()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn token(text: &str, expires: Option<Instant>) -> Token {
        Token { secret: Secret::new(text.to_owned()), expires, answer: Value::Null }
    }

    #[tokio::test]
    async fn many_callers_ask_once() {
        let (cache, asked) = (TokenCache::default(), AtomicUsize::new(0));
        let fetch = || async {
            asked.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(token("a", None))
        };
        let tokens = futures::future::join_all((0..20).map(|_| cache.get(fetch))).await;
        assert!(tokens.iter().all(|token| token.as_ref().is_ok_and(|token| token.secret.expose() == "a")));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn waiting_callers_share_a_failure_and_later_ones_ask_again() {
        let (cache, asked) = (TokenCache::default(), AtomicUsize::new(0));
        let fetch = || async {
            asked.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Err(CallError::new(ErrorClass::Unavailable, "connect", "down"))
        };
        let tokens = futures::future::join_all((0..20).map(|_| cache.get(fetch))).await;
        assert!(tokens.iter().all(Result::is_err));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert!(cache.get(fetch).await.is_err());
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_refused_or_expired_token_is_replaced_once() {
        let cache = TokenCache::default();
        let first = cache.get(|| async { Ok(token("a", None)) }).await.expect("a token");
        cache.forget(&first);
        let second = cache.get(|| async { Ok(token("b", None)) }).await.expect("a token");
        cache.forget(&first);
        let third = cache.get(|| async { Ok(token("c", None)) }).await.expect("a token");
        assert_eq!((second.secret.expose(), third.secret.expose()), ("b", "b"));
        cache.forget(&third);
        let soon = Instant::now() + Duration::from_secs(5);
        cache.get(|| async { Ok(token("d", Some(soon))) }).await.expect("a token");
        let last = cache.get(|| async { Ok(token("e", None)) }).await.expect("a token");
        assert_eq!(last.secret.expose(), "e");
    }
}
