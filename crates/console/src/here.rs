//! What every page is made with.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use definitions::Release;
use jiff::Timestamp;

use crate::Console;
use crate::actions::may_act;
use crate::pages::problem;
use crate::reads::Board;
use crate::session::Visitor;

/// Who looks, at which release, when, and what waits everywhere.
pub(crate) struct Here {
    pub(crate) console: Arc<Console>,
    pub(crate) visitor: Visitor,
    pub(crate) release: Arc<Release>,
    pub(crate) board: Arc<Board>,
    pub(crate) now: Timestamp,
}

impl Here {
    /// Whether the visitor may act on the items of a queue.
    pub(crate) fn may_act(&self, queue: &str) -> bool {
        may_act(&self.release, &self.visitor.user, queue)
    }
}

impl FromRequestParts<Arc<Console>> for Here {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, Response> {
        // The door lets nobody through without one.
        let Some(visitor) = parts.extensions.get::<Visitor>().cloned() else {
            return Err(axum::http::StatusCode::UNAUTHORIZED.into_response());
        };
        let board = console.boards.current(console).await.map_err(|problem| problem::unavailable(&problem))?;
        let release = console.operations.release();
        Ok(Self { console: Arc::clone(console), visitor, release, board, now: Timestamp::now() })
    }
}
