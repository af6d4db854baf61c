//! The socket: connections in, requests to the services or the controls, and connections that end without an answer.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming as Stream;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use model::Problem;
use sandbox::faults::Faults;
use sandbox::http::{Stop, bind};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use super::dispatch::{Incoming, Outcome, handle};
use super::options::Options;
use super::reply::Reply;
use super::system::{FAULTS, System};
use super::{clock, control, events};

/// Longest body that is taken, in bytes.
const BODY_MAX: usize = 64 * 1024 * 1024;

/// A running simulator.
#[derive(Debug)]
pub struct Running {
    /// Its address: `http://127.0.0.1:8000`.
    pub url: String,
    stop: Stop,
    task: JoinHandle<()>,
}

impl Running {
    /// Stops it; connections that are open are closed.
    pub fn stop(&self) {
        self.stop.stop();
    }

    /// A handle that stops it.
    #[must_use]
    pub fn stopper(&self) -> Stop {
        self.stop.clone()
    }

    /// Waits until it has stopped.
    pub async fn wait(self) {
        // An error says that the task was cancelled: it has stopped.
        let _ = self.task.await;
    }
}

/// Starts a simulated S/4HANA.
///
/// # Errors
/// When the port cannot be bound (`IL-SANDBOX-001`), or a fault does not exist or has an impossible rate (`IL-SANDBOX-002`).
pub async fn serve(options: Options) -> Result<Running, Problem> {
    let faults = Arc::new(Faults::new(&FAULTS, options.seed));
    for (name, rate) in &options.faults {
        faults.set_rate(name, *rate).map_err(|error| {
            Problem::new("IL-SANDBOX-002", error.to_string(), "Correct the faults of the S/4HANA sandbox")
        })?;
    }
    let listener = bind("the S/4HANA sandbox", options.listen).await?;
    let address = listener.local_addr().unwrap_or(options.listen);
    let system = Arc::new(System::new(&options, faults));
    let stop = Stop::default();
    let stopped = stop.stopped();
    let task = tokio::spawn(async move {
        tokio::select! {
            () = accept(listener, Arc::clone(&system)) => {}
            () = clock::run(Arc::clone(&system)) => {}
            // Events may end when no client can be made; the system goes on without.
            () = async { events::run(system).await; std::future::pending().await } => {}
            () = stopped => {}
        }
    });
    Ok(Running { url: format!("http://{address}"), stop, task })
}

async fn accept(listener: TcpListener, system: Arc<System>) {
    let controls = control::routes(Arc::clone(&system));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file handles, for instance: others have to end first.
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Without it answers would be held back for a few milliseconds at worst.
        let _ = stream.set_nodelay(true);
        let (system, controls) = (Arc::clone(&system), controls.clone());
        connections.spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&system), controls.clone(), request));
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(120)).pipeline_flush(true);
            // An error is a connection that ended, which is the client's matter or one of our faults.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// A connection that ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed without an answer")]
struct Dropped;

async fn answer(system: Arc<System>, controls: Router, request: Request<Stream>) -> Result<Response<Body>, Dropped> {
    if request.uri().path().starts_with("/_sandbox") {
        let (parts, body) = request.into_parts();
        // A body that breaks off is a connection that has ended.
        let body = Limited::new(body, BODY_MAX).collect().await.map_err(|_| Dropped)?.to_bytes();
        let request = Request::from_parts(parts, Body::from(body));
        return controls.oneshot(request).await.map_err(|never| match never {});
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_MAX).collect().await else { return Err(Dropped) };
    let body: Bytes = body.to_bytes();
    let incoming = Incoming {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or("").to_owned(),
        headers: parts.headers,
        body,
    };
    match handle(&system, incoming).await {
        Outcome::Reply(reply) => Ok(Reply::into_response(reply).map(Body::new)),
        Outcome::Drop => Err(Dropped),
    }
}
