//! What happens while the store cannot be written: commits wait, people are told at once, and a stop does not wait for ever.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::Problem;
use tokio::sync::watch;

/// What keeps commits waiting, and whether they still do.
#[derive(Default)]
pub(crate) struct StoreTrouble {
    waiting: Mutex<Waiting>,
    gives_up: watch::Sender<bool>,
    told: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    commits: usize,
    problem: Option<Problem>,
}

/// A commit that waits until the store can be written.
pub(crate) struct Waits<'a>(&'a StoreTrouble);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        waiting.commits = waiting.commits.saturating_sub(1);
        if waiting.commits == 0 {
            waiting.problem = None;
        }
    }
}

impl StoreTrouble {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A commit waits, from now until what this gives is dropped.
    pub(crate) fn wait(&self, problem: Problem) -> Waits<'_> {
        let mut waiting = self.waiting();
        waiting.commits += 1;
        waiting.problem = Some(problem);
        Waits(self)
    }

    /// Why commits wait, when any does: whatever else is asked would wait behind it.
    pub(crate) fn now(&self) -> Option<Problem> {
        self.waiting().problem.clone()
    }

    /// From now on nothing waits for the store any more.
    pub(crate) fn give_up(&self) {
        self.gives_up.send_replace(true);
    }

    /// Whether nothing waits for the store any more.
    pub(crate) fn is_given_up(&self) -> bool {
        *self.gives_up.borrow()
    }

    /// Waits until it is given up.
    pub(crate) async fn given_up(&self) {
        // It cannot fail: the sender is here.
        let _ = self.gives_up.subscribe().wait_for(|given_up| *given_up).await;
    }

    /// Says once what becomes of what was not stored.
    pub(crate) fn tell(&self, problem: &Problem) {
        if !self.told.swap(true, Ordering::Relaxed) {
            let what = "what could not be stored is found again at the next start";
            tracing::warn!(code = problem.code, "{}: {what}", problem.message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn there_is_trouble_while_a_commit_waits() {
        let trouble = StoreTrouble::default();
        let problem = Problem::new("IL-STORE-001", "the disk is full", "Free some space");
        let first = trouble.wait(problem.clone());
        let second = trouble.wait(problem.clone());
        drop(first);
        assert_eq!(trouble.now(), Some(problem));
        drop(second);
        assert_eq!((trouble.now(), trouble.is_given_up()), (None, false));
        trouble.give_up();
        trouble.given_up().await;
        assert!(trouble.is_given_up());
    }
}
