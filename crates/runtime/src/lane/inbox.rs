//! What waits for a lane task: workloads take turns, so that none waits for the flood of another one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use policy::Fair;
use tokio::sync::{mpsc, oneshot};

use crate::work::Work;

/// How many things one round takes on, and how many while workloads take turns: the shorter a round is, the sooner comes the next.
const ROUND_MAX: usize = 256;
const CROWDED_ROUND_MAX: usize = 16;
/// So long after two workloads waited at once, rounds stay short.
const CROWDED: Duration = Duration::from_millis(250);

/// What one round takes on.
pub(super) struct Taken {
    pub(super) works: Vec<Work>,
    /// Whether all of it was asked for by people.
    pub(super) asked: bool,
}

/// What waits for a lane task.
pub(super) struct Inbox {
    comes: mpsc::UnboundedReceiver<Work>,
    /// What people ask for goes by itself and first: it can be refused when it cannot be stored, and what happened cannot.
    asked: VecDeque<Work>,
    waiting: Fair<Work>,
    stop: Option<oneshot::Sender<()>>,
    crowded_until: Option<Instant>,
}

impl Inbox {
    pub(super) fn new(comes: mpsc::UnboundedReceiver<Work>) -> Self {
        Self { comes, asked: VecDeque::new(), waiting: Fair::default(), stop: None, crowded_until: None }
    }

    /// What is next; nothing when everybody is gone who could give work, or a stop was asked for and nothing is left.
    pub(super) async fn next(&mut self) -> Option<Taken> {
        if self.asked.is_empty() && self.waiting.is_empty() {
            if let Some(stopped) = self.stop.take() {
                let _ = stopped.send(());
                return None;
            }
            let first = self.comes.recv().await?;
            self.sort(first);
        }
        // All of it, so that nothing is overlooked behind a flood.
        while let Ok(work) = self.comes.try_recv() {
            self.sort(work);
        }
        if !self.asked.is_empty() {
            let most = self.asked.len().min(ROUND_MAX);
            return Some(Taken { works: self.asked.drain(..most).collect(), asked: true });
        }
        if self.waiting.workloads() > 1 {
            self.crowded_until = Some(Instant::now() + CROWDED);
        } else if self.crowded_until.is_some_and(|until| until <= Instant::now()) {
            self.crowded_until = None;
        }
        let most = if self.crowded_until.is_some() { CROWDED_ROUND_MAX } else { ROUND_MAX };
        let works = std::iter::from_fn(|| self.waiting.pop_front()).take(most).collect();
        Some(Taken { works, asked: false })
    }

    fn sort(&mut self, work: Work) {
        match work {
            Work::Stop(stopped) => self.stop = Some(stopped),
            work if work.is_asked() => self.asked.push_back(work),
            work => self.waiting.push_back(work.workload().0, work),
        }
    }
}

#[cfg(test)]
mod tests {
    use model::RunId;

    use super::*;
    use crate::lane_id::LaneId;
    use crate::workload::Workload;

    fn fires(workload: &str) -> Work {
        let id = LaneId::of_matter("quote", "1").id(Workload::named(workload));
        Work::Fire { run: RunId::new(id), position: "/do/0".into() }
    }

    fn of(taken: &Taken, workload: &str) -> usize {
        taken.works.iter().filter(|work| work.workload() == Workload::named(workload)).count()
    }

    #[tokio::test]
    async fn behind_a_flood_another_workload_is_in_the_next_round_and_rounds_are_short() {
        let (give, comes) = mpsc::unbounded_channel();
        let mut inbox = Inbox::new(comes);
        for _ in 0..1_000 {
            give.send(fires("flood")).expect("taken");
        }
        let round = inbox.next().await.expect("a round");
        assert_eq!(round.works.len(), ROUND_MAX, "alone it takes long ones");
        give.send(fires("other")).expect("taken");
        let round = inbox.next().await.expect("a round");
        assert_eq!((round.works.len(), of(&round, "other")), (CROWDED_ROUND_MAX, 1));
        let round = inbox.next().await.expect("a round");
        assert_eq!(round.works.len(), CROWDED_ROUND_MAX, "the other one may come again at once");
    }

    #[tokio::test]
    async fn what_came_before_a_stop_is_done_and_nothing_follows() {
        let (give, comes) = mpsc::unbounded_channel();
        let mut inbox = Inbox::new(comes);
        let (stop, mut stopped) = oneshot::channel();
        give.send(fires("one")).expect("taken");
        give.send(Work::Stop(stop)).expect("taken");
        give.send(fires("two")).expect("taken");
        assert_eq!(inbox.next().await.expect("a round").works.len(), 2);
        assert!(stopped.try_recv().is_err());
        assert!(inbox.next().await.is_none());
        stopped.await.expect("told");
    }
}
