//! A host on a real socket, for as long as it is held.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use model::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

pub(crate) struct Host {
    address: SocketAddr,
    // Dropping it ends the server.
    _runtime: Runtime,
}

impl Host {
    /// Serves on a free port.
    pub(crate) fn serve(router: Router) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("its address");
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, _runtime: runtime }
    }

    /// `http://host:port`
    pub(crate) fn address(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// An answer in JSON.
pub(crate) fn json(status: u16, value: &Value) -> Response {
    typed(status, "application/json", value.to_string())
}

/// An answer with this media type.
pub(crate) fn typed(status: u16, media_type: &str, body: impl Into<Bytes>) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    let media_type = axum::http::HeaderValue::from_str(media_type).expect("a media type");
    (status, [(CONTENT_TYPE, media_type)], body.into()).into_response()
}
