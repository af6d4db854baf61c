//! Who may come in: every request passes here first.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::rejection::FormRejection;
use axum::extract::{FromRequest, Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Extension, Form};
use http::HeaderValue;

use crate::Console;
use crate::pages::{problem, sign_in as sign_in_page};
use crate::session::{REFRESH, Stranger, Visitor, same};

/// Largest form, in bytes.
const FORM_MAX: usize = 2 << 20;

/// The fields of a form whose token was right.
#[derive(Debug, Clone, Default)]
pub(crate) struct Posted(pub(crate) Arc<Vec<(String, String)>>);

impl Posted {
    /// The first field of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| &**value)
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| &**value)
    }
}

/// Lets a request through when its sender is known, and makes every answer safe to show.
pub(crate) async fn guard(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let mut response = admit(&console, request, next).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn admit(console: &Arc<Console>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if path.starts_with("/assets/") || path.starts_with("/ops/") {
        return next.run(request).await;
    }
    let refused = |status, what, remedy| problem::bare(status, what, remedy);
    if request.method() == Method::POST && !same_origin(request.headers()) {
        let (what, remedy) =
            ("This form was sent from another site.", "Nothing was done. Open the page here and try again.");
        return refused(StatusCode::FORBIDDEN, what, remedy);
    }
    if path == "/sign-in" {
        return next.run(request).await;
    }
    let local = asked_by_local_name(request.headers());
    if let Some(answer) = by_link(console, request.method(), request.uri(), local).await {
        return answer;
    }
    let mut cookie = None;
    let visitor = match console.sessions.visitor(request.headers()) {
        Some(visitor) => visitor,
        None => match stranger(console, &request, local) {
            Ok((visitor, fresh)) => {
                cookie = fresh;
                visitor
            }
            Err(answer) => return *answer,
        },
    };
    if request.method() == Method::POST {
        let (parts, body) = request.into_parts();
        let Ok(bytes) = to_bytes(body, FORM_MAX).await else {
            return refused(
                StatusCode::PAYLOAD_TOO_LARGE,
                "This form is too large.",
                "Nothing was done. Send at most 2 MiB.",
            );
        };
        let whole = Request::from_parts(parts.clone(), Body::from(bytes));
        let Ok(Form(fields)) = Form::<Vec<(String, String)>>::from_request(whole, &()).await else {
            return refused(
                StatusCode::BAD_REQUEST,
                "This is not a form.",
                "Nothing was done. Use the buttons on the pages.",
            );
        };
        let posted = Posted(Arc::new(fields));
        if !posted.get("csrf").is_some_and(|token| same(token, &visitor.csrf)) {
            let what = "This form is from an earlier session, or not from here.";
            return refused(StatusCode::FORBIDDEN, what, "Nothing was done. Go back, reload the page and try again.");
        }
        request = Request::from_parts(parts, Body::empty());
        request.extensions_mut().insert(posted);
    }
    request.extensions_mut().insert(visitor);
    let mut response = next.run(request).await;
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The link that a demo prints, `/?token=…`: on this machine only, and the token leaves the address bar at once.
async fn by_link(console: &Console, method: &Method, uri: &Uri, local: bool) -> Option<Response> {
    if method != Method::GET || uri.path() != "/" {
        return None;
    }
    let Query(fields) = Query::<Vec<(String, String)>>::try_from_uri(uri).ok()?;
    let (_, token) = fields.iter().find(|(name, _)| name == "token")?;
    let user = if local { console.sessions.user(token).await } else { Err(Stranger::Unknown) };
    Some(match user {
        Ok(user) => with_cookie(Redirect::to("/").into_response(), console.sessions.begin(user, false).1),
        Err(stranger) => sign_in_page::form("/", Some(stranger)),
    })
}

type Entered = (Visitor, Option<HeaderValue>);

/// A request without a session.
fn stranger(console: &Console, request: &Request, local: bool) -> Result<Entered, Box<Response>> {
    let reading = request.method() == Method::GET;
    if let Some(user) = console.sessions.demo().cloned() {
        if !local {
            let (what, remedy) = ("This console is open to this machine only.", "Ask it as 127.0.0.1 or localhost.");
            return Err(Box::new(problem::bare(StatusCode::FORBIDDEN, what, remedy)));
        }
        if reading {
            return Ok(console.sessions.begin(user, false));
        }
    }
    if request.uri().path() == "/live" || request.headers().contains_key(REFRESH) {
        return Err(Box::new(StatusCode::UNAUTHORIZED.into_response()));
    }
    let next = if reading { request.uri().path_and_query().map_or("/", |path| path.as_str()) } else { "/" };
    Err(Box::new(Redirect::to(&format!("/sign-in?next={}", encoded(next))).into_response()))
}

/// Signs a user in.
pub(crate) async fn sign_in(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Response {
    let fields = form.map(|Form(fields)| fields).unwrap_or_default();
    let field = |name: &str| fields.iter().find(|(field, _)| field == name).map_or("", |(_, value)| &**value);
    let next = local_path(field("next"));
    let user = match console.sessions.user(field("token")).await {
        Ok(user) => user,
        Err(stranger) => return sign_in_page::form(next, Some(stranger)),
    };
    let secure = headers.get("x-forwarded-proto").is_some_and(|proto| proto.as_bytes() == b"https");
    let (_, cookie) = console.sessions.begin(user, secure);
    with_cookie(Redirect::to(next).into_response(), cookie)
}

/// Ends a session.
pub(crate) async fn sign_out(State(console): State<Arc<Console>>, Extension(visitor): Extension<Visitor>) -> Response {
    console.sessions.end(&visitor);
    Redirect::to("/sign-in").into_response()
}

fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// Where to go after signing in: a path of this console, never another site.
pub(crate) fn local_path(next: &str) -> &str {
    let plain =
        next.starts_with('/') && !next.starts_with("//") && !next.contains('\\') && !next.chars().any(char::is_control);
    if plain { next } else { "/" }
}

/// Browsers name the origin of a form; one that is not this console is refused whatever else the form carries.
fn same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    origin.is_some() && origin == host
}

/// Whether the request names this machine by a name that no other site can have.
fn asked_by_local_name(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Percent-encodes what must not stand in a query.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_this_console_only() {
        assert_eq!(local_path("/queues/credit?x=1"), "/queues/credit?x=1");
        for bad in ["//evil.example", "https://evil.example", "/\\evil.example", "", "/a\nb"] {
            assert_eq!(local_path(bad), "/", "{bad}");
        }
    }

    #[test]
    fn a_form_of_another_site_is_known_by_its_origin() {
        let headers = |origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("127.0.0.1:8081"));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            headers
        };
        assert!(same_origin(&headers(None)));
        assert!(same_origin(&headers(Some("http://127.0.0.1:8081"))));
        assert!(!same_origin(&headers(Some("http://127.0.0.1:9"))));
        assert!(!same_origin(&headers(Some("null"))));
    }

    #[test]
    fn local_names_are_those_of_this_machine() {
        for (host, local) in [
            ("127.0.0.1:8081", true),
            ("localhost", true),
            ("[::1]:80", true),
            ("evil.example", false),
            ("10.0.0.1", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            assert_eq!(asked_by_local_name(&headers), local, "{host}");
        }
    }
}
