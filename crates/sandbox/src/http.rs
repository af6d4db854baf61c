//! What simulators need of HTTP: binding a port with a clear message when that is impossible, and taking connections that may
//! end without an answer.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use model::Problem;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tower::ServiceExt as _;

/// Longest body that is taken, in bytes: what the largest upload of a vendor has (Salesforce's bulk jobs), and a little more so
/// that the simulator itself can say that it is too long.
const BODY_MAX: usize = 160 * 1024 * 1024;

/// Binds a TCP port.
///
/// # Errors
/// `IL-SANDBOX-001` when the address is taken, not ours, or not allowed.
pub async fn bind(purpose: &str, address: SocketAddr) -> Result<TcpListener, Problem> {
    TcpListener::bind(address).await.map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::AddrInUse => "stop the program that uses the port, or choose another port",
            io::ErrorKind::AddrNotAvailable => "use an address of this machine, such as 127.0.0.1",
            io::ErrorKind::PermissionDenied => "choose a port above 1023",
            _ => "choose another address",
        };
        Problem::new("IL-SANDBOX-001", format!("{purpose} cannot listen on {address}: {error}"), remedy)
    })
}

/// Tells a running server to stop.
#[derive(Debug, Clone)]
pub struct Stop(watch::Sender<bool>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::channel(false).0)
    }
}

impl Stop {
    /// Stops every server that was started with this handle.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Completes once [`Stop::stop`] was called.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut receiver = self.0.subscribe();
        async move {
            // An error means that every handle is gone, so that nobody can stop it any more: that is a stop as well.
            let _ = receiver.wait_for(|stopped| *stopped).await;
        }
    }
}

/// A simulator at work on its sockets.
#[derive(Debug)]
pub struct Serving {
    stop: Stop,
    task: JoinHandle<()>,
}

impl Serving {
    /// Works until it is stopped or the work ends; what the work holds is dropped then.
    #[must_use]
    pub fn start(work: impl Future<Output = ()> + Send + 'static) -> Self {
        let stop = Stop::default();
        let stopped = stop.stopped();
        let task = tokio::spawn(async move {
            tokio::select! {
                () = work => {}
                () = stopped => {}
            }
        });
        Self { stop, task }
    }

    /// Stops it; connections that are open are closed.
    pub fn stop(&self) {
        self.stop.stop();
    }

    /// Waits until it has stopped.
    pub async fn wait(self) {
        // An error says that the task was cancelled: it has stopped.
        let _ = self.task.await;
    }
}

/// A connection that ends without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection is closed without an answer")]
pub struct Dropped;

/// Takes connections (HTTP/1.1) for ever: requests under `/_sandbox` go to the controls, all others to `answer`, with their whole
/// body. Dropping the future closes the connections.
pub async fn accept<Answer, Answering>(listener: TcpListener, controls: Router, answer: Answer)
where
    Answer: Fn(Request<Bytes>) -> Answering + Clone + Send + Sync + 'static,
    Answering: Future<Output = Result<Response<Body>, Dropped>> + Send + 'static,
{
    let mut connections = JoinSet::new();
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
        let (answer, controls) = (answer.clone(), controls.clone());
        connections.spawn(async move {
            let service = service_fn(move |request| whole(answer.clone(), controls.clone(), request));
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(120)).pipeline_flush(true);
            // An error is a connection that ended, which is the client's matter or one of our faults.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn whole<Answer, Answering>(
    answer: Answer,
    controls: Router,
    request: Request<Incoming>,
) -> Result<Response<Body>, Dropped>
where
    Answer: Fn(Request<Bytes>) -> Answering,
    Answering: Future<Output = Result<Response<Body>, Dropped>>,
{
    let (parts, body) = request.into_parts();
    // A body that breaks off is a connection that has ended.
    let body = Limited::new(body, BODY_MAX).collect().await.map_err(|_| Dropped)?.to_bytes();
    if parts.uri.path().starts_with("/_sandbox") {
        let request = Request::from_parts(parts, Body::from(body));
        return controls.oneshot(request).await.map_err(|never| match never {});
    }
    answer(Request::from_parts(parts, body)).await
}
