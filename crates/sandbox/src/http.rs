//! What both simulators need of HTTP: binding a port with a clear message when that is impossible, and serving a router
//! on it until told to stop.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use model::Problem;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

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

/// Serves a router on a bound port until stopped. Connections that are still open are dropped at the stop.
pub fn serve(listener: TcpListener, router: Router, stop: &Stop) -> JoinHandle<io::Result<()>> {
    let stopped = stop.stopped();
    tokio::spawn(async move {
        let server = axum::serve(listener, router.into_make_service());
        tokio::select! {
            result = async { server.await } => result,
            () = stopped => Ok(()),
        }
    })
}
