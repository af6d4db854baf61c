//! The steps that follow by themselves: one heap of what is due when, and one task that takes them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::erp::process;
use crate::erp::transaction::{Step, Transaction};

use super::options::Timing;
use super::system::{System, now};

/// Most steps that are taken while the state is held.
const AT_ONCE: usize = 32;

type Due = Reverse<(Instant, u64, Step)>;

/// What is due when.
#[derive(Debug)]
pub(crate) struct Clock {
    timing: Mutex<Timing>,
    due: Mutex<BinaryHeap<Due>>,
    earlier: Notify,
    sequence: AtomicU64,
}

impl Clock {
    /// Nothing is due.
    #[must_use]
    pub(crate) fn new(timing: Timing) -> Self {
        Self {
            timing: Mutex::new(timing),
            due: Mutex::new(BinaryHeap::new()),
            earlier: Notify::new(),
            sequence: AtomicU64::new(0),
        }
    }

    /// How long steps take.
    pub(crate) fn timing(&self) -> Timing {
        *self.timing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets how long steps take that are scheduled from now on.
    pub(crate) fn set_timing(&self, timing: Timing) {
        *self.timing.lock().unwrap_or_else(PoisonError::into_inner) = timing;
    }

    /// How many steps are waiting.
    pub(crate) fn waiting(&self) -> usize {
        self.due.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Puts steps on the schedule.
    pub(crate) fn schedule(&self, steps: &[Step]) {
        if steps.is_empty() {
            return;
        }
        let timing = self.timing();
        let start = Instant::now();
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let first = due.peek().map(|Reverse((at, ..))| *at);
        let mut is_earlier = false;
        for step in steps {
            let after = match step {
                Step::Deliver(_) => timing.delivery_after,
                Step::Issue(_) => timing.goods_issue_after,
                Step::Bill(_) | Step::Credit(_) => timing.invoice_after,
                Step::Pay(_) => timing.payment_after,
            };
            let at = start.checked_add(after).unwrap_or(start);
            is_earlier |= first.is_none_or(|first| at < first);
            due.push(Reverse((at, self.sequence.fetch_add(1, Ordering::Relaxed), *step)));
        }
        drop(due);
        if is_earlier {
            self.earlier.notify_one();
        }
    }

    /// Takes what is due, at most so many; and when the next is.
    fn take_due(&self) -> (Vec<Step>, Option<Instant>) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let mut steps = Vec::new();
        let limit = Instant::now();
        while steps.len() < AT_ONCE && due.peek().is_some_and(|Reverse((at, ..))| *at <= limit) {
            steps.extend(due.pop().map(|Reverse((_, _, step))| step));
        }
        (steps, due.peek().map(|Reverse((at, ..))| *at))
    }
}

/// Takes steps as they become due, for as long as it is polled. During an outage nothing happens.
pub(crate) async fn run(system: Arc<System>) {
    loop {
        if system.faults.in_outage() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        let (steps, next) = system.clock.take_due();
        if steps.is_empty() {
            let earlier = system.clock.earlier.notified();
            match next {
                Some(next) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(next.into()) => {}
                        () = earlier => {}
                    }
                }
                None => earlier.await,
            }
            continue;
        }
        let (mut events, mut follow) = (Vec::new(), Vec::new());
        {
            let mut store = system.store.write().unwrap_or_else(PoisonError::into_inner);
            for step in steps {
                let mut work = Transaction::begin(&mut store, now());
                process::take(&mut work, step);
                events.append(&mut work.events);
                follow.append(&mut work.steps);
            }
        }
        system.events.tell(events);
        system.clock.schedule(&follow);
        tokio::task::yield_now().await;
    }
}
