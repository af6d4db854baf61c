//! Sessions with the ERP: a CSRF token together with all cookies it came with.
//!
//! The Gateway refuses every change without a token of the same session. Tokens are fetched with a read of the service's root
//! that says `x-csrf-token: Fetch`. All cookies are kept whatever their names, as they differ from system to system. A few
//! sessions are used in parallel, because the ERP may serve one session's requests one after the other.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use http::{HeaderMap, HeaderValue};
use tokio::sync::Mutex;

/// Most cookies kept for a session, and the most bytes of one.
const COOKIES_MAX: usize = 50;
const COOKIE_LENGTH_MAX: usize = 8 * 1024;

/// One sign-on: it never changes, a newer one replaces it.
#[derive(Debug)]
pub(crate) struct Login {
    /// Value of `x-csrf-token` for changes.
    pub(crate) token: HeaderValue,
    /// Value of `Cookie`; `None` when the ERP keeps no session.
    pub(crate) cookie: Option<HeaderValue>,
    jar: BTreeMap<String, String>,
}

impl Login {
    /// From the answer to a fetch; `None` when it carries no token.
    pub(crate) fn from_answer(headers: &HeaderMap) -> Option<Self> {
        let token = headers.get("x-csrf-token").filter(|token| !is_required(token))?.clone();
        let jar = merge(&BTreeMap::new(), headers);
        Some(Self { token, cookie: cookie_header(&jar), jar })
    }

    /// With the cookies that a later answer set; `None` when it set none.
    fn renewed(&self, headers: &HeaderMap) -> Option<Self> {
        if !headers.contains_key(http::header::SET_COOKIE) {
            return None;
        }
        let jar = merge(&self.jar, headers);
        (jar != self.jar).then(|| Self { token: self.token.clone(), cookie: cookie_header(&jar), jar })
    }
}

/// Whether a token header is the word for "fetch a new one".
pub(crate) fn is_required(token: &HeaderValue) -> bool {
    token.to_str().is_ok_and(|token| token.eq_ignore_ascii_case("required"))
}

fn merge(jar: &BTreeMap<String, String>, headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut jar = jar.clone();
    for cookie in headers.get_all(http::header::SET_COOKIE) {
        let Ok(text) = cookie.to_str() else { continue };
        let mut parts = text.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
        let is_over = parts.any(|part| {
            let part = part.to_ascii_lowercase();
            part == "max-age=0"
                || part.starts_with("max-age=-")
                || (part.starts_with("expires=") && part.contains("1970"))
        });
        if is_over {
            jar.remove(name);
        } else if text.len() <= COOKIE_LENGTH_MAX && (jar.len() < COOKIES_MAX || jar.contains_key(name)) {
            jar.insert(name.trim().to_owned(), value.trim().to_owned());
        }
    }
    jar
}

fn cookie_header(jar: &BTreeMap<String, String>) -> Option<HeaderValue> {
    if jar.is_empty() {
        return None;
    }
    let text = jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
    let mut header = HeaderValue::try_from(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// One place for a sign-on.
#[derive(Debug, Default)]
pub(crate) struct Session {
    current: RwLock<Option<Arc<Login>>>,
    /// Held by whoever signs on, so that others wait for the result.
    pub(crate) signing_on: Mutex<()>,
    busy: AtomicUsize,
}

impl Session {
    /// The current sign-on.
    pub(crate) fn login(&self) -> Option<Arc<Login>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the sign-on.
    pub(crate) fn set(&self, login: Login) -> Arc<Login> {
        let login = Arc::new(login);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&login));
        login
    }

    /// Forgets a sign-on that was refused, unless it has been replaced already.
    pub(crate) fn forget(&self, refused: &Arc<Login>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|login| Arc::ptr_eq(login, refused)) {
            *current = None;
        }
    }

    /// Keeps the cookies that an answer set, unless the sign-on it was asked with has been replaced.
    pub(crate) fn keep_cookies(&self, used: &Arc<Login>, headers: &HeaderMap) {
        let Some(renewed) = used.renewed(headers) else { return };
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|login| Arc::ptr_eq(login, used)) {
            *current = Some(Arc::new(renewed));
        }
    }
}

/// The sessions of a connection.
#[derive(Debug)]
pub(crate) struct Pool {
    sessions: Vec<Session>,
}

/// A session in use; giving it back is dropping this.
#[derive(Debug)]
pub(crate) struct Lease<'a>(&'a Session);

impl Pool {
    /// That many sessions, none signed on.
    pub(crate) fn new(count: usize) -> Self {
        Self { sessions: (0..count.max(1)).map(|_| Session::default()).collect() }
    }

    /// The session that serves the fewest requests right now.
    pub(crate) fn lease(&self) -> Lease<'_> {
        let mut least = &self.sessions[0];
        for session in &self.sessions {
            if session.busy.load(Ordering::Relaxed) < least.busy.load(Ordering::Relaxed) {
                least = session;
            }
        }
        least.busy.fetch_add(1, Ordering::Relaxed);
        Lease(least)
    }
}

impl std::ops::Deref for Lease<'_> {
    type Target = Session;
    fn deref(&self) -> &Session {
        self.0
    }
}
impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn all_cookies_are_kept_and_ended_ones_are_dropped() {
        let login = Login::from_answer(&headers(&[
            ("x-csrf-token", "T=="),
            ("set-cookie", "SAP_SESSIONID_S4H_100=abc%3d; path=/; HttpOnly"),
            ("set-cookie", "sap-usercontext=sap-client=100; path=/"),
        ]))
        .expect("a login");
        assert_eq!(
            login.cookie.as_ref().and_then(|text| text.to_str().ok()),
            Some("SAP_SESSIONID_S4H_100=abc%3d; sap-usercontext=sap-client=100")
        );
        let renewed = login
            .renewed(&headers(&[("set-cookie", "SAP_SESSIONID_S4H_100=; Max-Age=0"), ("set-cookie", "new=1")]))
            .expect("changed");
        assert_eq!(
            renewed.cookie.as_ref().and_then(|text| text.to_str().ok()),
            Some("new=1; sap-usercontext=sap-client=100")
        );
        assert!(login.renewed(&headers(&[])).is_none());
        assert!(Login::from_answer(&headers(&[("x-csrf-token", "Required")])).is_none());
    }

    #[test]
    fn requests_are_spread_over_sessions() {
        let pool = Pool::new(2);
        let (first, second) = (pool.lease(), pool.lease());
        assert!(!std::ptr::eq::<Session>(&*first, &*second));
        drop(first);
        drop(second);
    }
}
