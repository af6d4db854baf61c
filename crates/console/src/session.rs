//! Who looks: users by access token, sessions by cookie, and the token that every form carries.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use connect::Secrets;
use definitions::User;
use http::{HeaderMap, HeaderValue, header};
use model::Problem;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use uuid::Uuid;

const COOKIE: &str = "interlock_session";
/// The header of requests for the newest parts of a page that is looked at.
pub(crate) const REFRESH: &str = "x-refresh";
/// How long a session lives without being used.
const IDLE: Duration = Duration::from_secs(12 * 3600);
/// How many sessions are kept; the one idle for longest goes first.
const SESSIONS_MAX: usize = 2_000;
/// So many wrong tokens per minute, from all callers together, are answered at once.
const FAILURES_MAX: u32 = 30;
/// How long the answers to further ones take, and how many of them are waited for at the same time. The others are refused at once.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSED_MAX: usize = 16;

type Hash = [u8; 32];

/// What one request knows of who sent it.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) user: User,
    /// What forms of this session carry.
    pub(crate) csrf: Arc<str>,
    /// Whether a page that is looked at asks for its newest parts: what is said once is not said to it.
    pub(crate) refreshes: bool,
    session: Hash,
}

/// Whether the user has one of these roles; operators have all.
pub(crate) fn has_role(user: &User, roles: &[Arc<str>]) -> bool {
    user.roles.iter().any(|own| &**own == "operator" || roles.contains(own))
}

/// Why a token lets nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stranger {
    /// There is none, or it is nobody's.
    Unknown,
    /// The same, after many wrong ones.
    TooMany,
}

/// What is said once on the next page.
#[derive(Debug, Clone)]
pub(crate) struct Flash {
    /// Whether it went well.
    pub(crate) good: bool,
    pub(crate) text: String,
    /// Where to go on: a path and what it says.
    pub(crate) onwards: Option<(String, String)>,
}

struct Session {
    user: User,
    csrf: Arc<str>,
    used: Instant,
    flash: Option<Flash>,
}

/// Users, and who is signed in.
pub(crate) struct Sessions {
    users: Vec<(User, Hash)>,
    demo: Option<User>,
    live: Mutex<HashMap<Hash, Session>>,
    failures: Mutex<(Instant, u32)>,
    paused: Semaphore,
}

impl Sessions {
    /// Looks the users' tokens up.
    pub(crate) fn new(users: &[User], demo: Option<User>, secrets: &dyn Secrets) -> Result<Self, Problem> {
        let mut known = Vec::with_capacity(users.len());
        for user in users {
            let secret = secrets.get(&user.token).map_err(|error| {
                let message = format!("the access token of {}: {error}", user.name);
                Problem::new("IL-CON-001", message, "Set the environment variable or file it names")
            })?;
            if secret.expose().trim().len() < 8 {
                let message = format!("the access token of {} has fewer than 8 characters", user.name);
                return Err(Problem::new(
                    "IL-CON-002",
                    message,
                    "Use a long random one: `openssl rand -hex 24` makes one",
                ));
            }
            known.push((user.clone(), hash(secret.expose().trim())));
        }
        Ok(Self {
            users: known,
            demo,
            live: Mutex::default(),
            failures: Mutex::new((Instant::now(), 0)),
            paused: Semaphore::new(PAUSED_MAX),
        })
    }

    /// The user with this access token. Every token is looked at, because whoever sends many wrong ones must not keep those
    /// with a right one out; after many wrong ones in a minute, it takes a while to hear of the next, and of very many at the same
    /// time most are refused without waiting here.
    pub(crate) async fn user(&self, token: &str) -> Result<User, Stranger> {
        let found = self.known(token);
        if found.is_none() && self.too_many() {
            if let Ok(_permit) = self.paused.try_acquire() {
                tokio::time::sleep(PAUSE).await;
            }
            return Err(Stranger::TooMany);
        }
        found.ok_or(Stranger::Unknown)
    }

    /// Counts a failure, and tells whether there have been too many.
    fn too_many(&self) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.0.elapsed() > Duration::from_secs(60) {
            *failures = (Instant::now(), 0);
        }
        failures.1 = failures.1.saturating_add(1);
        failures.1 > FAILURES_MAX
    }

    fn known(&self, token: &str) -> Option<User> {
        let presented = hash(token.trim());
        // All are compared, so that the time tells nothing.
        let mut found = None;
        for (user, known) in &self.users {
            if bool::from(known.as_slice().ct_eq(presented.as_slice())) {
                found = Some(user.clone());
            }
        }
        found
    }

    /// The user whose token a program presents.
    pub(crate) async fn bearer(&self, headers: &HeaderMap) -> Result<User, Stranger> {
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        match value.and_then(|value| value.split_once(' ')) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => self.user(token).await,
            _ => Err(Stranger::Unknown),
        }
    }

    /// Begins a session; the cookie's value is the answer's header.
    pub(crate) fn begin(&self, user: User, secure: bool) -> (Visitor, Option<HeaderValue>) {
        let (id, csrf): (String, Arc<str>) = (random(), random().into());
        let key = hash(&id);
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.retain(|_, session| session.used.elapsed() < IDLE);
        if live.len() >= SESSIONS_MAX
            && let Some(oldest) = live.iter().min_by_key(|(_, session)| session.used).map(|(key, _)| *key)
        {
            live.remove(&oldest);
        }
        let session = Session { user: user.clone(), csrf: Arc::clone(&csrf), used: Instant::now(), flash: None };
        live.insert(key, session);
        let secure = if secure { "; Secure" } else { "" };
        let cookie = format!("{COOKIE}={id}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}{secure}", IDLE.as_secs());
        (Visitor { user, csrf, refreshes: false, session: key }, HeaderValue::from_str(&cookie).ok())
    }

    /// Who sent this request, when it is a session.
    pub(crate) fn visitor(&self, headers: &HeaderMap) -> Option<Visitor> {
        let key = hash(cookie(headers)?);
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let session = live.get_mut(&key).filter(|session| session.used.elapsed() < IDLE)?;
        let refreshes = headers.contains_key(REFRESH);
        // A page that is left open must not keep its session for ever.
        if !refreshes {
            session.used = Instant::now();
        }
        Some(Visitor { user: session.user.clone(), csrf: Arc::clone(&session.csrf), refreshes, session: key })
    }

    /// The user who needs no sign-in, in a demo.
    pub(crate) fn demo(&self) -> Option<&User> {
        self.demo.as_ref()
    }

    /// Whether the session goes on; asking does not prolong it.
    pub(crate) fn lives(&self, visitor: &Visitor) -> bool {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.get(&visitor.session).is_some_and(|session| session.used.elapsed() < IDLE)
    }

    pub(crate) fn end(&self, visitor: &Visitor) {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).remove(&visitor.session);
    }

    /// Has something said on the visitor's next page.
    pub(crate) fn say(&self, visitor: &Visitor, flash: Flash) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = live.get_mut(&visitor.session) {
            session.flash = Some(flash);
        }
    }

    /// What is to be said, once.
    pub(crate) fn said(&self, visitor: &Visitor) -> Option<Flash> {
        if visitor.refreshes {
            return None;
        }
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.get_mut(&visitor.session)?.flash.take()
    }
}

/// Whether a form carries its session's token.
pub(crate) fn same(left: &str, right: &str) -> bool {
    hash(left).as_slice().ct_eq(hash(right).as_slice()).into()
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|value| value.split(';')).find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

fn hash(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

/// A text that nobody guesses: each id brings at least 32 bits from the system's source of randomness.
fn random() -> String {
    let mut hasher = Sha256::new();
    for _ in 0..8 {
        hasher.update(Uuid::now_v7().as_bytes());
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use connect::{Secret, SecretError};

    use super::*;

    struct Known;

    impl Secrets for Known {
        fn get(&self, _: &str) -> Result<Secret, SecretError> {
            Ok(Secret::new("the-right-token".to_owned()))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_wrong_tokens_keep_nobody_with_a_right_one_out() {
        let olivia = User { name: "olivia".into(), roles: Vec::new(), token: "env:OLIVIA".into() };
        let sessions = Sessions::new(&[olivia], None, &Known).expect("a token");
        let begun = tokio::time::Instant::now();
        for _ in 0..FAILURES_MAX {
            assert_eq!(sessions.user("a wrong one").await.err(), Some(Stranger::Unknown));
        }
        assert!(begun.elapsed() < PAUSE);
        for _ in 0..3 {
            assert_eq!(sessions.user("a wrong one").await.err(), Some(Stranger::TooMany));
        }
        assert!(begun.elapsed() >= 3 * PAUSE);
        let begun = tokio::time::Instant::now();
        assert_eq!(sessions.user(" the-right-token ").await.map(|user| user.name), Ok("olivia".into()));
        assert!(begun.elapsed() < PAUSE, "a right one does not wait");
    }

    #[tokio::test(start_paused = true)]
    async fn of_very_many_wrong_tokens_at_the_same_time_few_are_waited_for() {
        let sessions = Sessions::new(&[], None, &Known).expect("nobody");
        for _ in 0..FAILURES_MAX {
            assert_eq!(sessions.user("a wrong one").await.err(), Some(Stranger::Unknown));
        }
        let begun = tokio::time::Instant::now();
        let guesses = (0..1_000).map(async |_| {
            assert_eq!(sessions.user("a wrong one").await.err(), Some(Stranger::TooMany));
            begun.elapsed()
        });
        let took = futures::future::join_all(guesses).await;
        assert_eq!(took.iter().filter(|took| **took >= PAUSE).count(), PAUSED_MAX);
        assert_eq!(sessions.paused.available_permits(), PAUSED_MAX);
    }
}
