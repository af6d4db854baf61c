//! A request on its way in: what may go wrong with it before it is looked at, who sent it, and what it asks.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use jsonwebtoken::DecodingKey;
use model::{Value, json};
use sandbox::http::Dropped;

use super::oauth;
use crate::bulk;
use crate::duplicates::DuplicateHeader;
use crate::errors::Refusal;
use crate::org::{DAILY_REQUESTS, Org};
use crate::rest::{self, Call, Reply, decoded, options};

const DATA: &str = "/services/data";

/// What every request needs.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) org: Arc<Org>,
    pub(super) key: Option<Arc<DecodingKey>>,
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The value of an option in a header such as `Sforce-Call-Options: client=interlock, defaultNamespace=x`.
fn option_of<'a>(headers: &'a HeaderMap, name: &str, option: &str) -> Option<&'a str> {
    let parts = header(headers, name)?.split([',', ';']).filter_map(|part| part.split_once('='));
    parts
        .map(|(key, value)| (key.trim(), value.trim()))
        .find(|(key, _)| key.eq_ignore_ascii_case(option))
        .map(|(_, value)| value)
}

impl Gate {
    /// Answers a request, or drops its connection.
    pub(super) async fn answer(self, request: Request<Bytes>) -> Result<Response<Body>, Dropped> {
        let faults = &self.org.faults;
        let (parts, body) = request.into_parts();
        if faults.in_outage() {
            // Of a system that is down, the load balancer answers for some requests and nobody for others.
            if faults.dice().next().is_multiple_of(2) {
                return Err(Dropped);
            }
            return Ok(unavailable());
        }
        if faults.strikes("slow") {
            tokio::time::sleep(Duration::from_millis(50 + faults.dice().next() % 451)).await;
        }
        if faults.strikes("unavailable") {
            return Ok(unavailable());
        }
        let path = parts.uri.path();
        if let Some(rest) = path.strip_prefix("/services/oauth2/") {
            return Ok(self.oauth(&parts.method, rest, &parts.headers, &body));
        }
        if path.trim_end_matches('/') == DATA && parts.method == Method::GET {
            return Ok(respond(rest::versions(), &parts.method));
        }
        let Some(token) = bearer(&parts.headers).filter(|token| self.org.knows(token)) else {
            return Ok(respond(ended(), &parts.method));
        };
        if faults.strikes("session_expired") {
            self.org.sign_out(token);
            return Ok(respond(ended(), &parts.method));
        }
        let used = self.org.count_request();
        if used > DAILY_REQUESTS || faults.strikes("request_limit") {
            let refusal = Refusal::new("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.");
            return Ok(respond(refusal.into(), &parts.method));
        }
        let query = parts.uri.query().unwrap_or("");
        let (mut response, committed) = match bulk_request(&parts.method, path, query, &parts.headers, &body) {
            Some(request) => {
                let (answer, committed) = bulk::answer(&self.org, request);
                (respond_bulk(answer), committed)
            }
            None => {
                let (reply, committed) = match call(&parts.method, path, query, &parts.headers, &body) {
                    Ok(call) => rest::answer(&self.org, &call, true),
                    Err(reply) => (reply, false),
                };
                (respond(reply, &parts.method), committed)
            }
        };
        if committed && faults.strikes("timeout_after_commit") {
            return Err(Dropped);
        }
        if let Ok(value) = format!("api-usage={used}/{DAILY_REQUESTS}").try_into() {
            response.headers_mut().insert("sforce-limit-info", value);
        }
        Ok(response)
    }

    fn oauth(&self, method: &Method, resource: &str, headers: &HeaderMap, body: &Bytes) -> Response<Body> {
        let form = options(&String::from_utf8_lossy(body));
        match (method, resource) {
            (&Method::POST, "token") => {
                let basic = header(headers, "authorization").and_then(|value| value.strip_prefix("Basic "));
                match oauth::sign_in(&self.org, self.key.as_deref(), &form, basic) {
                    Ok(body) => respond(Reply::json(200, body), method),
                    Err(denied) => respond(Reply::json(400, denied.body()), method),
                }
            }
            (&Method::POST, "revoke") => {
                if let Some((_, token)) = form.iter().find(|(name, _)| name == "token") {
                    self.org.sign_out(token);
                }
                respond(Reply::json(200, ""), method)
            }
            (&Method::GET, "userinfo") => match bearer(headers).filter(|token| self.org.knows(token)) {
                Some(_) => {
                    let org = &self.org;
                    let mut text = format!(
                        r#"{{"sub":"{0}/id/{1}/{2}","user_id":"{2}","organization_id":"{1}","active":true,"preferred_username":"#,
                        org.url, org.id, org.user
                    );
                    json::write_string(&org.options.username, &mut text);
                    text.push('}');
                    respond(Reply::json(200, text), method)
                }
                None => respond(Reply::json(403, r#""Bad_OAuth_Token""#), method),
            },
            _ => respond(Reply::not_found(), method),
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = header(headers, "authorization")?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth")).then_some(token.trim())
}

fn ended() -> Reply {
    Refusal::new("INVALID_SESSION_ID", "Session expired or invalid").into()
}

fn unavailable() -> Response<Body> {
    let reply: Reply = Refusal::new("SERVER_UNAVAILABLE", "The server is temporarily unavailable").into();
    respond(reply, &Method::GET)
}

/// Makes the call out of a request to the data resources.
fn call(method: &Method, path: &str, query: &str, headers: &HeaderMap, body: &Bytes) -> Result<Call, Reply> {
    let rest = path.strip_prefix(DATA).ok_or_else(Reply::not_found)?;
    let mut segments = rest.split('/').filter(|segment| !segment.is_empty()).map(|segment| decoded(segment, false));
    let version = segments.next().and_then(|version| version.strip_prefix('v').map(str::to_owned));
    let version = version.ok_or_else(Reply::not_found)?;
    let query = options(query);
    // What a client that cannot send PATCH does.
    let tunneled = query.iter().find(|(name, _)| name == "_HttpMethod").map(|(_, value)| value.to_ascii_uppercase());
    let method = tunneled.filter(|_| *method == Method::POST).unwrap_or_else(|| method.as_str().to_owned());
    let value = if body.is_empty() {
        Value::Null
    } else if header(headers, "content-type").is_none_or(|kind| !kind.contains("json")) {
        return Err(Reply {
            status: 415,
            ..Refusal::new("UNSUPPORTED_MEDIA_TYPE", "The content type must be application/json").into()
        });
    } else {
        json::parse(body).map_err(|error| Reply::from(Refusal::new("JSON_PARSER_ERROR", error.to_string())))?
    };
    let client = option_of(headers, "sforce-call-options", "client");
    let batch = option_of(headers, "sforce-query-options", "batchSize").and_then(|size| size.parse().ok());
    Ok(Call {
        method,
        segments: segments.collect(),
        query,
        body: value,
        origin: format!("com/salesforce/api/rest/{version};client={}", client.unwrap_or("")),
        duplicates: DuplicateHeader::parse(header(headers, "sforce-duplicate-rule-header"), &version),
        version,
        batch,
    })
}

/// The request when it is about bulk jobs, whose bodies are not only JSON.
fn bulk_request(method: &Method, path: &str, query: &str, headers: &HeaderMap, body: &Bytes) -> Option<bulk::Request> {
    let mut segments = path.strip_prefix(DATA)?.split('/').filter(|segment| !segment.is_empty());
    let version = segments.next()?.strip_prefix('v')?.to_owned();
    segments.next().filter(|segment| *segment == "jobs")?;
    let client = option_of(headers, "sforce-call-options", "client").unwrap_or("");
    Some(bulk::Request {
        method: method.as_str().to_owned(),
        segments: segments.map(|segment| decoded(segment, false)).collect(),
        query: options(query),
        content_type: header(headers, "content-type").unwrap_or("").to_owned(),
        gzip: header(headers, "accept-encoding").is_some_and(|accepted| accepted.contains("gzip")),
        origin: format!("com/salesforce/api/rest/{version};client={client}"),
        version,
        body: body.clone(),
    })
}

fn respond_bulk(answer: bulk::Answer) -> Response<Body> {
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    // Names and values are of our own making.
    response.body(Body::from(answer.body)).unwrap_or_else(|_| Response::new(Body::empty()))
}

fn respond(reply: Reply, method: &Method) -> Response<Body> {
    let mut response = Response::builder().status(reply.status);
    if !reply.body.is_empty() {
        response = response.header("content-type", "application/json;charset=UTF-8");
    }
    if let Some(location) = &reply.location {
        response = response.header("location", location);
    }
    let body = if *method == Method::HEAD { Body::empty() } else { Body::from(reply.body) };
    // The parts are statuses and addresses of our own making.
    response.body(body).unwrap_or_else(|_| Response::new(Body::empty()))
}
