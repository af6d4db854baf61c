//! The times a dispatcher works with: a steady one for waits and policies, and the clock for what people read.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::Clock;

/// No sleep is longer; who has to wait longer looks again in between.
const SLEEP_MAX: Duration = Duration::from_secs(3_600);

/// Both times. The steady one starts at the clock's time and never jumps, so that a corrected clock neither shortens nor
/// stretches a wait.
pub(crate) struct Time {
    clock: Arc<dyn Clock>,
    started: Timestamp,
    origin: Instant,
}

impl Time {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { started: clock.now(), origin: Instant::now(), clock }
    }

    /// The steady time.
    pub(crate) fn steady(&self) -> Timestamp {
        after(self.started, self.origin.elapsed())
    }

    /// The time of the clock.
    pub(crate) fn wall(&self) -> Timestamp {
        self.clock.now()
    }

    /// When to wake up for an instant of the steady time.
    pub(crate) fn wake_at(&self, steady: Timestamp) -> Instant {
        let wait = Duration::try_from(steady.duration_since(self.steady())).unwrap_or_default();
        Instant::now() + wait.min(SLEEP_MAX)
    }
}

/// An instant later by so much, or the last one there is.
pub(crate) fn after(instant: Timestamp, wait: Duration) -> Timestamp {
    SignedDuration::try_from(wait).ok().and_then(|wait| instant.checked_add(wait).ok()).unwrap_or(Timestamp::MAX)
}
