//! Listening: a clear sentence when a port cannot be had, and an end that does not cut answers off.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use model::Problem;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A bound port.
pub(crate) struct Bound {
    listener: TcpListener,
    /// Where it is: the port that was taken, when any free one was wanted.
    pub(crate) address: SocketAddr,
}

/// Binds a port; `setting` is what a person would change to get another one.
///
/// # Errors
/// When it is taken, not ours, or not allowed.
pub(crate) async fn bind(purpose: &str, setting: &str, address: SocketAddr) -> Result<Bound, Problem> {
    let bound = match TcpListener::bind(address).await {
        Ok(listener) => listener.local_addr().map(|address| Bound { listener, address }),
        Err(error) => Err(error),
    };
    bound.map_err(|error| {
        let (what, remedy) = match error.kind() {
            io::ErrorKind::AddrInUse => {
                ("another program uses this port", format!("Stop it, or choose another port with {setting}"))
            }
            io::ErrorKind::AddrNotAvailable => {
                ("this machine has no such address", format!("Use one of its own, such as 127.0.0.1, in {setting}"))
            }
            io::ErrorKind::PermissionDenied => {
                ("this port needs special rights", format!("Choose one above 1023 with {setting}"))
            }
            _ => {
                return Problem::new(
                    "IL-START-005",
                    format!("{purpose} cannot listen on {address}: {error}"),
                    format!("Choose another address with {setting}"),
                );
            }
        };
        Problem::new("IL-START-005", format!("{purpose} cannot listen on {address}: {what}"), remedy)
    })
}

/// Listeners that serve.
#[derive(Default)]
pub(crate) struct Listeners {
    stop: watch::Sender<bool>,
    serving: Vec<JoinHandle<()>>,
}

impl Listeners {
    /// Serves a router on a bound port.
    pub(crate) fn serve(&mut self, bound: Bound, router: Router) {
        let mut stop = self.stop.subscribe();
        self.serving.push(tokio::spawn(async move {
            let stopped = async move {
                // An error says that nobody can stop it any more, which is a stop as well.
                let _ = stop.wait_for(|stop| *stop).await;
            };
            let served = axum::serve(bound.listener, router).with_graceful_shutdown(stopped).await;
            if let Err(error) = served {
                tracing::error!(address = %bound.address, %error, "a listener ended");
            }
        }));
    }

    /// Takes no new connections and lets answers under way end, at most so long: pages that follow live would never.
    pub(crate) async fn stop(self, within: Duration) {
        self.stop.send_replace(true);
        let deadline = tokio::time::Instant::now() + within;
        for mut serving in self.serving {
            if tokio::time::timeout_at(deadline, &mut serving).await.is_err() {
                serving.abort();
            }
        }
    }
}
