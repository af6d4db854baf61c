//! The body of a request, read within bounds, once it is known that its sender may send one.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};

use crate::problem;
use crate::serve::Refusal;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// The whole body of at most so many mebibytes.
///
/// # Errors
/// The answer for one that is larger, or that does not arrive.
pub(crate) async fn read(body: Body, mebibytes: usize) -> Result<Bytes, Refusal> {
    match tokio::time::timeout(PATIENCE, to_bytes(body, mebibytes << 20)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => {
            let title = format!("The request is larger than {mebibytes} MiB, or was not sent to its end");
            Err(Box::new(problem::response(413, "IL-API-007", &title, "send less at once")))
        }
        Err(_) => {
            let title = format!("The request did not arrive within {} seconds", PATIENCE.as_secs());
            Err(Box::new(problem::response(
                408,
                "IL-API-015",
                &title,
                "send it again over a better line, or less at once",
            )))
        }
    }
}
