//! Pages that change while they are looked at: a stream that says when there is something new. The page's script then asks
//! for the page again and takes the parts of it that became different.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use model::Problem;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::Console;
use crate::reads::{Board, board, read};
use crate::session::Visitor;

/// How often news are told at the most.
const GAP: Duration = Duration::from_millis(500);
/// How often a stream looks whether its session goes on.
const LOOK: Duration = Duration::from_secs(10);
/// Reading takes at most this part of the time: what is expensive to read is read less often.
const SHARE: u32 = 16;
/// How many pages are followed at the same time.
const STREAMS_MAX: usize = 200;

/// What all pages show, read once for all who look.
pub(crate) struct Boards {
    last: Mutex<Option<Kept>>,
    streams: Arc<Semaphore>,
}

struct Kept {
    at: Instant,
    cost: Duration,
    board: Arc<Board>,
}

impl Default for Boards {
    fn default() -> Self {
        Self { last: Mutex::default(), streams: Arc::new(Semaphore::new(STREAMS_MAX)) }
    }
}

impl Boards {
    /// The board, a moment old at the most.
    pub(crate) async fn current(&self, console: &Console) -> Result<Arc<Board>, Problem> {
        let mut last = self.last.lock().await;
        if let Some(kept) = &*last
            && kept.at.elapsed() < (GAP / 2).max(kept.cost * SHARE)
        {
            return Ok(Arc::clone(&kept.board));
        }
        let begin = Instant::now();
        let fresh = Arc::new(read(console.operations.store(), board).await?);
        *last = Some(Kept { at: Instant::now(), cost: begin.elapsed(), board: Arc::clone(&fresh) });
        Ok(fresh)
    }

    /// Something was done: the next page shows it.
    pub(crate) async fn forget(&self) {
        *self.last.lock().await = None;
    }
}

struct Follower {
    console: Arc<Console>,
    visitor: Visitor,
    changes: watch::Receiver<u64>,
    last: Instant,
    _permit: OwnedSemaphorePermit,
}

/// Tells of news: an event `change` with the number of the change.
pub(crate) async fn follow(State(console): State<Arc<Console>>, Extension(visitor): Extension<Visitor>) -> Response {
    let Ok(permit) = Arc::clone(&console.boards.streams).try_acquire_owned() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let changes = console.operations.changes();
    let follower = Follower { console, visitor, changes, last: Instant::now(), _permit: permit };
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok::<Event, Infallible>(event), follower))
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

impl Follower {
    /// The next news; `None` when the session or the work is over.
    async fn next(&mut self) -> Option<Event> {
        tokio::time::sleep_until(self.last + GAP).await;
        loop {
            let changed = tokio::time::timeout(LOOK, self.changes.changed()).await;
            if !self.console.sessions.lives(&self.visitor) {
                return None;
            }
            if let Ok(changed) = changed {
                changed.ok()?;
                self.last = Instant::now();
                let number = *self.changes.borrow_and_update();
                return Some(Event::default().event("change").data(number.to_string()));
            }
        }
    }
}
