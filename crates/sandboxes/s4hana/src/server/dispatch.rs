//! A request on its way in: what may go wrong with it before it is looked at, who sent it, and which part answers.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::erp::store::CATALOG;
use crate::odata::edm::{EntityType, Service};
use crate::odata::error::Error;
use crate::odata::literal::Literal;
use crate::odata::metadata;
use crate::odata::url::{self, Segment};

use super::reply::Reply;
use super::system::System;
use super::{batch, changes, reads};

/// Where the services are.
pub(crate) const ROOT: &str = "/sap/opu/odata/sap/";

/// A request.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// The method.
    pub(crate) method: Method,
    /// The path, as it was sent.
    pub(crate) path: String,
    /// The query, as it was sent.
    pub(crate) query: String,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Bytes,
}

/// How a request ends.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// With an answer.
    Reply(Reply),
    /// Without: the connection is closed.
    Drop,
}

impl Incoming {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether the client wants JSON; the vendor's default is Atom, which is only written for errors and service documents.
    fn wants_json(&self) -> bool {
        self.query.contains("format=json")
            || self.header("accept").is_some_and(|accept| accept.contains("json"))
            || self.header("content-type").is_some_and(|kind| kind.contains("json") || kind.contains("multipart"))
    }

    /// The address of a service as the client sees it.
    fn root(&self, service: &str) -> String {
        let scheme = self.header("x-forwarded-proto").unwrap_or("http");
        format!("{scheme}://{}{ROOT}{service}/", self.header("host").unwrap_or("localhost"))
    }
}

/// What a request is about, once its address is understood.
pub(crate) struct Target<'a> {
    /// The service.
    pub(crate) service: &'static Service,
    /// The address of the service, with a slash at its end.
    pub(crate) root: &'a str,
    /// The segments after it.
    pub(crate) segments: Vec<Segment>,
    /// The query.
    pub(crate) query: &'a str,
}

/// The literals of a key in the order of the type's key.
///
/// # Errors
/// When a part is missing, or is none of the key.
pub(crate) fn keys(kind: &EntityType, given: &[(Option<String>, Literal)]) -> Result<Vec<Literal>, Error> {
    let wrong = || Error::syntax(format!("The key predicate does not fit the key of '{}'", kind.full_name));
    if given.len() != kind.keys.len() {
        return Err(wrong());
    }
    if let [(None, only)] = given {
        return Ok(vec![only.clone()]);
    }
    let part = |place: &usize| {
        let name = kind.properties[*place].name;
        let found = given.iter().find(|(other, _)| other.as_deref() == Some(name));
        found.map(|(_, literal)| literal.clone()).ok_or_else(wrong)
    };
    kind.keys.iter().map(part).collect()
}

/// Answers a request to the services.
pub(crate) async fn handle(system: &System, request: Incoming) -> Outcome {
    let faults = &system.faults;
    let transaction = system.next_transaction();
    let json = request.wants_json();
    let refuse = |error: &Error| Outcome::Reply(Reply::error(error, "", transaction, json));
    if faults.in_outage() {
        // Of a system that is down, the load balancer answers for some requests and nobody for others.
        if transaction.is_multiple_of(2) {
            return Outcome::Drop;
        }
        return Outcome::Reply(Reply::of(503, "text/html", "<html><body>503 Service Unavailable</body></html>"));
    }
    if faults.strikes("slow") {
        let length = 50 + faults.dice().next() % 451;
        tokio::time::sleep(Duration::from_millis(length)).await;
    }
    if faults.strikes("unavailable") {
        return Outcome::Reply(Reply::of(503, "text/html", "<html><body>503 Service Unavailable</body></html>"));
    }
    if faults.strikes("too_many_requests") {
        let error =
            Error::new(429, "/IWFND/MED/429", "Too many requests: the quota of the communication user is used up");
        let reply = Reply::error(&error, "", transaction, json).with("retry-after", "1");
        return Outcome::Reply(reply);
    }
    if request.header("authorization") != Some(system.authorization.as_str()) {
        return logged_off("Logon failed");
    }
    let client = request.query.split('&').find_map(|option| option.strip_prefix("sap-client="));
    if client.or(request.header("sap-client")).is_some_and(|client| client != system.client) {
        return logged_off("Client is not available in this system");
    }
    if system.sessions.has(&request.headers) && faults.strikes("session_expired") {
        system.sessions.end(&request.headers);
        return logged_off("Session timed out");
    }
    let Some(path) = request.path.strip_prefix(ROOT) else {
        return refuse(&Error::new(404, "ICF/404", format!("There is no service at {}", request.path)));
    };
    let (name, rest) = path.split_once('/').unwrap_or((path, ""));
    let name = name.split(';').next().unwrap_or(name);
    let Some(service) = CATALOG.service(name) else {
        let message = format!("No service found for namespace '', name '{name}', version '0001'");
        return refuse(&Error::new(403, "/IWFND/MED/170", message));
    };
    let reading = matches!(request.method, Method::GET | Method::HEAD);
    if !reading {
        if system.sessions.allows(&request.headers) && faults.strikes("csrf_expired") {
            system.sessions.renew_token(&request.headers);
        }
        if !system.sessions.allows(&request.headers) {
            let reply = Reply::of(403, "text/plain;charset=utf-8", "CSRF token validation failed");
            return Outcome::Reply(reply.with("x-csrf-token", "Required"));
        }
    }
    let root = request.root(name);
    let (mut reply, committed) = if rest.trim_matches('/') == "$batch" {
        batch::answer(system, service, &root, &request, transaction)
    } else {
        answer(system, service, &root, rest, &request, transaction)
    };
    if committed && faults.strikes("timeout_after_commit") {
        return Outcome::Drop;
    }
    if reading {
        if request.header("x-csrf-token").is_some_and(|token| token.eq_ignore_ascii_case("fetch")) {
            let opened = system.sessions.open(&request.headers);
            reply = reply.with("x-csrf-token", opened.token);
            for cookie in opened.cookies {
                reply = reply.with("set-cookie", cookie);
            }
        }
        if request.method == Method::HEAD {
            reply.body.clear();
        }
    }
    Outcome::Reply(reply)
}

fn logged_off(why: &str) -> Outcome {
    let body = format!("<html><head><title>Logon Error Message</title></head><body>{why}</body></html>");
    let reply = Reply::of(401, "text/html;charset=utf-8", body);
    Outcome::Reply(reply.with("www-authenticate", "Basic realm=\"SAP NetWeaver Application Server [S4H/100]\""))
}

/// Answers a request that is no batch; and says whether anything was committed.
fn answer(
    system: &System,
    service: &'static Service,
    root: &str,
    path: &str,
    request: &Incoming,
    transaction: u64,
) -> (Reply, bool) {
    let json = request.wants_json();
    let refuse = |error: Error| (Reply::error(&error, service.name, transaction, json), false);
    if matches!(request.method, Method::GET | Method::HEAD) {
        match path.trim_matches('/') {
            "" if json => return (Reply::json(200, metadata::service_json(service).into_bytes()), false),
            "" => {
                let document = metadata::service_atom(service, root);
                return (Reply::of(200, "application/atomsvc+xml;charset=utf-8", document), false);
            }
            "$metadata" => {
                let document = metadata::document(service);
                return (Reply::of(200, "application/xml;charset=utf-8", document), false);
            }
            _ => {}
        }
    }
    let segments = match url::segments(path) {
        Ok(segments) if !segments.is_empty() => segments,
        Ok(_) => return refuse(Error::not_allowed(request.method.as_str(), service.name)),
        Err(error) => return refuse(error),
    };
    let target = Target { service, root, segments, query: &request.query };
    let tunneled = request.header("x-http-method").filter(|_| request.method == Method::POST);
    let method = tunneled.unwrap_or_else(|| request.method.as_str());
    match method {
        "GET" | "HEAD" => match reads::read(system, &target) {
            Ok(reply) => (reply, false),
            Err(error) => refuse(error),
        },
        _ => {
            let change = changes::Change { method, target, if_match: request.header("if-match"), body: &request.body };
            let replies = changes::carry_out(system, &[change]);
            match replies.map(|mut replies| replies.pop()) {
                Ok(Some(reply)) => (reply, true),
                Ok(None) => refuse(Error::syntax("Nothing was asked for")),
                Err(error) => refuse(error),
            }
        }
    }
}
