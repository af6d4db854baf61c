//! Something between Interlock and a system that changes what the system says.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::world::World;

/// What becomes of an answer: given the address that was asked for, and the answer's body.
type Tamper = dyn Fn(&str, &[u8]) -> Option<(u16, Vec<u8>)> + Send + Sync;

pub(crate) struct Between {
    pub(crate) url: String,
    shared: Arc<Shared>,
    _runtime: Runtime,
}

struct Shared {
    target: String,
    url: String,
    client: reqwest::Client,
    tamper: Mutex<Option<Arc<Tamper>>>,
}

impl Between {
    pub(crate) fn new(target: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let shared = Shared { target: target.to_owned(), url: url.clone(), client, tamper: Mutex::default() };
        let shared = Arc::new(shared);
        let router = axum::Router::new().fallback(pass).with_state(Arc::clone(&shared));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { url, shared, _runtime: runtime }
    }

    /// From now on answers become what this makes of them; `None` leaves one as it is.
    pub(crate) fn tamper(&self, tamper: impl Fn(&str, &[u8]) -> Option<(u16, Vec<u8>)> + Send + Sync + 'static) {
        *self.shared.tamper.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(tamper));
    }

    /// From now on answers are what the system says.
    pub(crate) fn behave(&self) {
        *self.shared.tamper.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl World {
    /// Has Interlock ask the CRM through something that can change its answers.
    pub(crate) fn between(&mut self) -> Between {
        let between = Between::new(&self.systems.crm);
        for (name, value) in &mut self.systems.variables {
            if *name == "CRM_URL" {
                value.clone_from(&between.url);
            }
        }
        between
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let Ok(body) = to_bytes(body, 64 << 20).await else { return StatusCode::BAD_REQUEST.into_response() };
    let mut headers = head.headers;
    headers.remove(header::HOST);
    headers.remove(header::ACCEPT_ENCODING);
    let sent = shared.client.request(head.method, format!("{}{path}", shared.target)).headers(headers).body(body);
    let Ok(answer) = sent.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    let Ok(body) = answer.bytes().await else { return StatusCode::BAD_GATEWAY.into_response() };
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::TRANSFER_ENCODING);
    // The system names itself, and would be asked past this.
    let body = replace(&body, shared.target.as_bytes(), shared.url.as_bytes());
    let tamper = shared.tamper.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let decoded = percent_encoding::percent_decode_str(&path).decode_utf8_lossy().into_owned();
    let (status, body) = match tamper.and_then(|tamper| tamper(&decoded, &body)) {
        Some((status, body)) => (StatusCode::from_u16(status).expect("a status"), body),
        None => (status, body),
    };
    let mut response = Response::new(Body::from(Bytes::from(body)));
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    response
}

/// The same bytes with another text in place of one.
pub(crate) fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let (mut result, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    while let Some(place) = rest.windows(from.len()).position(|part| part == from) {
        result.extend_from_slice(&rest[..place]);
        result.extend_from_slice(to);
        rest = &rest[place + from.len()..];
    }
    result.extend_from_slice(rest);
    result
}
