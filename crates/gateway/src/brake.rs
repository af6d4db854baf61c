//! What slows down who tries keys.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// So many wrong keys and tokens per minute, from all callers together, are answered at once.
const FAILURES_MAX: u32 = 30;
/// How long the answers to further ones take, and how many of them are waited for at the same time. The others are refused at once.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSED_MAX: usize = 16;

/// Counts wrong keys. Right ones never wait: whoever sends many wrong ones must not keep the others out.
pub(crate) struct Brake {
    failures: Mutex<(Instant, u32)>,
    paused: Semaphore,
}

impl Default for Brake {
    fn default() -> Self {
        Self { failures: Mutex::new((Instant::now(), 0)), paused: Semaphore::new(PAUSED_MAX) }
    }
}

impl Brake {
    /// Takes a failure down and waits as long as it is to be waited for. Tells whether there have been too many of them.
    pub(crate) async fn failed(&self) -> bool {
        let too_many = self.count();
        if too_many && let Ok(_permit) = self.paused.try_acquire() {
            tokio::time::sleep(PAUSE).await;
        }
        too_many
    }

    fn count(&self) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.0.elapsed() > Duration::from_secs(60) {
            *failures = (Instant::now(), 0);
        }
        failures.1 = failures.1.saturating_add(1);
        failures.1 > FAILURES_MAX
    }
}
