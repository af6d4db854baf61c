//! Sessions and their CSRF tokens.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use uuid::Uuid;

/// Most sessions at a time; beyond that the one that is idle longest ends.
const SESSIONS_MAX: usize = 5_000;
/// How long an idle session lives.
const IDLE: Duration = Duration::from_secs(1_800);

#[derive(Debug)]
struct Session {
    token: String,
    used: Instant,
}

/// The sessions of the system.
#[derive(Debug)]
pub(crate) struct Sessions {
    cookie: String,
    client: String,
    sessions: Mutex<HashMap<String, Session>>,
}

/// What a client gets with its token.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The token.
    pub(crate) token: String,
    /// Values of `set-cookie`; none when the client has a session already.
    pub(crate) cookies: Vec<String>,
}

impl Sessions {
    /// No sessions yet.
    #[must_use]
    pub(crate) fn new(client: &str) -> Self {
        let cookie = format!("SAP_SESSIONID_S4H_{client}");
        Self { cookie, client: client.to_owned(), sessions: Mutex::new(HashMap::new()) }
    }

    /// The session that a request names.
    fn named<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let cookies = headers.get_all(http::header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        cookies.flat_map(|value| value.split(';')).find_map(|cookie| {
            let (name, value) = cookie.split_once('=')?;
            (name.trim() == self.cookie).then(|| value.trim())
        })
    }

    /// Gives the request's session, or a new one, with its token.
    pub(crate) fn open(&self, headers: &HeaderMap) -> Opened {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(session) = self.named(headers).and_then(|id| sessions.get_mut(id)) {
            session.used = now;
            return Opened { token: session.token.clone(), cookies: Vec::new() };
        }
        if sessions.len() >= SESSIONS_MAX {
            sessions.retain(|_, session| now.duration_since(session.used) < IDLE);
            let idle = sessions.iter().min_by_key(|(_, session)| session.used).map(|(id, _)| id.clone());
            if let Some(idle) = idle.filter(|_| sessions.len() >= SESSIONS_MAX) {
                sessions.remove(&idle);
            }
        }
        let id = format!("{}{}", Uuid::now_v7().simple(), Uuid::now_v7().simple());
        let token = Uuid::now_v7().simple().to_string();
        sessions.insert(id.clone(), Session { token: token.clone(), used: now });
        let cookies = vec![
            format!("sap-usercontext=sap-client={}; path=/", self.client),
            format!("{}={id}; path=/; HttpOnly", self.cookie),
        ];
        Opened { token, cookies }
    }

    /// Whether a request names a session that lives.
    pub(crate) fn has(&self, headers: &HeaderMap) -> bool {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        self.named(headers).is_some_and(|id| sessions.contains_key(id))
    }

    /// Whether a request brings the token of the session that it names.
    pub(crate) fn allows(&self, headers: &HeaderMap) -> bool {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let given = headers.get("x-csrf-token").and_then(|value| value.to_str().ok());
        let now = Instant::now();
        match self.named(headers).and_then(|id| sessions.get_mut(id)) {
            Some(session) if now.duration_since(session.used) < IDLE && Some(session.token.as_str()) == given => {
                session.used = now;
                true
            }
            _ => false,
        }
    }

    /// Ends the session that a request names.
    pub(crate) fn end(&self, headers: &HeaderMap) {
        if let Some(id) = self.named(headers) {
            self.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        }
    }

    /// Gives the session that a request names another token.
    pub(crate) fn renew_token(&self, headers: &HeaderMap) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = self.named(headers).and_then(|id| sessions.get_mut(id)) {
            session.token = Uuid::now_v7().simple().to_string();
        }
    }
}
