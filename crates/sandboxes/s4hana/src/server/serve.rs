//! The socket: connections in, requests to the services or the controls, and connections that end without an answer.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use model::Problem;
use sandbox::faults::Faults;
use sandbox::http::{Dropped, Serving, accept, bind};

use super::dispatch::{Incoming, Outcome, handle};
use super::options::Options;
use super::reply::Reply;
use super::system::{FAULTS, System};
use super::{clock, control, events};

/// A running simulator.
#[derive(Debug)]
pub struct Running {
    /// Its address: `http://127.0.0.1:8000`.
    pub url: String,
    /// Its work.
    pub serving: Serving,
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
    let controls = control::routes(Arc::clone(&system));
    let serving = Arc::clone(&system);
    let serving = Serving::start(async move {
        tokio::select! {
            () = accept(listener, controls, move |request| answer(Arc::clone(&serving), request)) => {}
            () = clock::run(Arc::clone(&system)) => {}
            // Events may end when no client can be made; the system goes on without.
            () = async { events::run(system).await; std::future::pending().await } => {}
        }
    });
    Ok(Running { url: format!("http://{address}"), serving })
}

async fn answer(system: Arc<System>, request: Request<Bytes>) -> Result<Response<Body>, Dropped> {
    let (parts, body) = request.into_parts();
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
