//! What waits for a lane task: workloads take turns, so that none waits for the flood of another one.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use policy::Fair;
use tokio::sync::{mpsc, oneshot};

use crate::lane_id::LaneId;
use crate::work::{Answer, Work};

/// How many things one round takes on, and how many while workloads take turns: the shorter a round is, the sooner comes the next.
const ROUND_MAX: usize = 256;
const CROWDED_ROUND_MAX: usize = 16;
/// So long after two workloads waited at once, rounds stay short.
const CROWDED: Duration = Duration::from_millis(250);
/// So many rounds are under way at the same time, and so many while workloads take turns: then each workload is in one of them, so that
/// what comes of another one waits for none.
const UNDER_WAY_MAX: usize = 2;
const CROWDED_UNDER_WAY_MAX: usize = 4;

/// What one round takes on.
pub(super) struct Taken {
    pub(super) works: Vec<Work>,
    pub(super) concerns: Concerns,
    /// Whether all of it was asked for by people.
    pub(super) asked: bool,
}

/// What a round concerns, to be given back when it is durable or refused.
pub(super) struct Concerns {
    /// Nothing more is taken of these lanes meanwhile.
    lanes: Vec<LaneId>,
    workloads: Vec<u8>,
    /// Nothing is taken beside it at all.
    alone: bool,
}

/// What waits for a lane task.
pub(super) struct Inbox {
    comes: mpsc::UnboundedReceiver<(LaneId, Work)>,
    /// What people ask for goes by itself and first: it can be refused when it cannot be stored, and what happened cannot.
    asked: VecDeque<(LaneId, Work)>,
    waiting: Fair<(LaneId, Work)>,
    /// The lanes of which something was taken that is not durable yet, with what has to wait for that.
    busy: HashMap<LaneId, VecDeque<Work>, foldhash::fast::RandomState>,
    /// The workloads of the rounds that are under way.
    under_way: Vec<Vec<u8>>,
    /// Whether one of them must be alone.
    alone: bool,
    /// Told when everything before is durable; what comes later is taken after that.
    pass: Option<Answer>,
    stop: Option<oneshot::Sender<()>>,
    crowded_until: Option<Instant>,
}

impl Inbox {
    pub(super) fn new(comes: mpsc::UnboundedReceiver<(LaneId, Work)>) -> Self {
        let (asked, waiting, busy) = (VecDeque::new(), Fair::default(), HashMap::default());
        let (under_way, alone) = (Vec::new(), false);
        Self { comes, asked, waiting, busy, under_way, alone, pass: None, stop: None, crowded_until: None }
    }

    /// What is next; nothing when everybody is gone who could give work, or a stop was asked for and nothing is left. While what waits
    /// may not be taken because of what is under way it waits, too. Nothing is lost when it is not waited for to the end.
    pub(super) async fn next(&mut self) -> Option<Taken> {
        loop {
            // All of it, so that nothing is overlooked behind a flood.
            while self.pass.is_none()
                && let Ok((lane, work)) = self.comes.try_recv()
            {
                self.sort(lane, work);
            }
            if let Some(taken) = self.take() {
                return Some(taken);
            }
            if self.under_way.is_empty() {
                if let Some(passed) = self.pass.take() {
                    // Whoever asked may be gone.
                    let _ = passed.send(Ok(()));
                    continue;
                }
                if let Some(stopped) = self.stop.take() {
                    let _ = stopped.send(());
                    return None;
                }
            } else if self.pass.is_some() {
                return std::future::pending().await;
            }
            let (lane, work) = self.comes.recv().await?;
            self.sort(lane, work);
        }
    }

    fn take(&mut self) -> Option<Taken> {
        if self.alone {
            return None;
        }
        if !self.asked.is_empty() {
            // Nothing is under way beside it: what is stepped on top of it would have to be taken back with it.
            if !self.under_way.is_empty() {
                return None;
            }
            let most = self.asked.len().min(ROUND_MAX);
            let asked = self.asked.drain(..most).collect();
            return Some(self.taken(asked, true));
        }
        if self.waiting.workloads() > 1 {
            self.crowded_until = Some(Instant::now() + CROWDED);
        } else if self.crowded_until.is_some_and(|until| until <= Instant::now()) {
            self.crowded_until = None;
        }
        let crowded = self.crowded_until.is_some();
        let (most, at_once) =
            if crowded { (CROWDED_ROUND_MAX, CROWDED_UNDER_WAY_MAX) } else { (ROUND_MAX, UNDER_WAY_MAX) };
        if self.under_way.len() >= at_once {
            return None;
        }
        let mut works = Vec::new();
        let may_come = |workload| !(crowded && self.under_way.iter().flatten().any(|other| *other == workload));
        while works.len() < most
            && let Some((lane, work)) = self.waiting.pop_front_of(may_come)
        {
            match self.busy.get_mut(&lane) {
                Some(behind) => behind.push_back(work),
                None => works.push((lane, work)),
            }
        }
        (!works.is_empty()).then(|| self.taken(works, false))
    }

    fn taken(&mut self, taken: Vec<(LaneId, Work)>, asked: bool) -> Taken {
        let (mut lanes, mut workloads) = (Vec::with_capacity(taken.len()), Vec::new());
        let mut works = Vec::with_capacity(taken.len());
        for (lane, work) in taken {
            if self.busy.insert(lane, VecDeque::new()).is_none() {
                lanes.push(lane);
            }
            let workload = work.workload().0;
            if !workloads.contains(&workload) {
                workloads.push(workload);
            }
            works.push(work);
        }
        self.alone = asked;
        self.under_way.push(workloads.clone());
        Taken { works, concerns: Concerns { lanes, workloads, alone: asked }, asked }
    }

    /// What was taken is durable, or refused: more can be taken of its lanes.
    pub(super) fn give_back(&mut self, concerns: Concerns) {
        let Concerns { lanes, workloads, alone } = concerns;
        for lane in lanes {
            for work in self.busy.remove(&lane).into_iter().flatten().rev() {
                self.waiting.put_back(work.workload().0, (lane, work));
            }
        }
        if let Some(place) = self.under_way.iter().position(|other| *other == workloads) {
            self.under_way.swap_remove(place);
        }
        self.alone &= !alone;
    }

    fn sort(&mut self, lane: LaneId, work: Work) {
        match work {
            Work::Stop(stopped) => self.stop = Some(stopped),
            Work::Pass(passed) => self.pass = Some(passed),
            work if work.is_asked() => self.asked.push_back((lane, work)),
            work => self.waiting.push_back(work.workload().0, (lane, work)),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use model::RunId;

    use super::*;
    use crate::workload::Workload;

    fn fires(workload: &str, key: &str) -> (LaneId, Work) {
        let lane = LaneId::of_matter("quote", key);
        let run = RunId::new(lane.id(Workload::named(workload)));
        (lane, Work::Fire { run, position: "/do/0".into() })
    }

    fn of(taken: &Taken, workload: &str) -> usize {
        taken.works.iter().filter(|work| work.workload() == Workload::named(workload)).count()
    }

    #[tokio::test]
    async fn behind_a_flood_another_workload_is_in_the_next_round_and_rounds_are_short() {
        let (give, comes) = mpsc::unbounded_channel();
        let mut inbox = Inbox::new(comes);
        for number in 0..1_000 {
            give.send(fires("flood", &number.to_string())).expect("taken");
        }
        let long = inbox.next().await.expect("a round");
        assert_eq!(long.works.len(), ROUND_MAX, "alone it takes long ones");
        give.send(fires("other", "1000")).expect("taken");
        let round = inbox.next().await.expect("a round while the long one is under way");
        assert_eq!((round.works.len(), of(&round, "other")), (1, 1), "the flood has its own under way");
        inbox.give_back(long.concerns);
        let round = inbox.next().await.expect("a round");
        assert_eq!((round.works.len(), of(&round, "flood")), (CROWDED_ROUND_MAX, CROWDED_ROUND_MAX));
        assert!(inbox.next().now_or_never().is_none(), "both have one under way");
    }

    #[tokio::test]
    async fn what_came_before_a_stop_is_done_and_durable_and_nothing_follows() {
        let (give, comes) = mpsc::unbounded_channel();
        let mut inbox = Inbox::new(comes);
        let (stop, mut stopped) = oneshot::channel();
        give.send(fires("one", "1")).expect("taken");
        give.send((LaneId::default(), Work::Stop(stop))).expect("taken");
        give.send(fires("two", "2")).expect("taken");
        let round = inbox.next().await.expect("a round");
        assert_eq!(round.works.len(), 2);
        assert!(inbox.next().now_or_never().is_none(), "it is not durable");
        assert!(stopped.try_recv().is_err());
        inbox.give_back(round.concerns);
        assert!(inbox.next().await.is_none());
        stopped.await.expect("told");
    }

    #[tokio::test]
    async fn what_concerns_a_lane_waits_until_what_was_taken_of_it_is_durable_and_keeps_its_order() {
        let (give, comes) = mpsc::unbounded_channel();
        let mut inbox = Inbox::new(comes);
        let ids = |taken: &Taken| -> Vec<RunId> {
            let run = |work: &Work| if let Work::Fire { run, .. } = work { *run } else { panic!("another work") };
            taken.works.iter().map(run).collect()
        };
        let run = |key| RunId::new(LaneId::of_matter("quote", key).id(Workload::named("one")));
        let sent = ["same", "other", "same", "same"].map(run);
        let give_one = |place: usize| {
            let run = sent[place];
            give.send((LaneId::of(run.uuid()), Work::Fire { run, position: "/do/0".into() })).expect("taken");
        };
        give_one(0);
        let first = inbox.next().await.expect("a round");
        assert_eq!(ids(&first), [sent[0]]);
        give_one(2);
        give_one(1);
        let second = inbox.next().await.expect("a round of another lane");
        assert_eq!(ids(&second), [sent[1]]);
        give_one(3);
        assert!(inbox.next().now_or_never().is_none(), "its lane is busy");
        inbox.give_back(first.concerns);
        let third = inbox.next().await.expect("a round");
        assert_eq!(ids(&third), [sent[2], sent[3]], "both, in the order in which they came");
        assert_eq!(third.concerns.lanes.len(), 1);
    }

    #[tokio::test]
    async fn what_people_ask_for_and_a_pass_wait_for_what_is_under_way() {
        let (give, comes) = mpsc::unbounded_channel();
        let mut inbox = Inbox::new(comes);
        give.send(fires("one", "1")).expect("taken");
        let first = inbox.next().await.expect("a round");
        let (lane, work) = fires("one", "2");
        let Work::Fire { run, .. } = work else { panic!("another work") };
        let (answer, _answered) = oneshot::channel();
        let operation = crate::RunOperation::Suspend;
        give.send((lane, Work::Operate { run, operation, by: "me".into(), answer: Some(answer) })).expect("taken");
        let (answer, mut passed) = oneshot::channel();
        give.send((LaneId::default(), Work::Pass(answer))).expect("taken");
        give.send(fires("one", "3")).expect("taken");
        assert!(inbox.next().now_or_never().is_none(), "something is under way");
        inbox.give_back(first.concerns);
        let asked = inbox.next().await.expect("a round");
        assert!(asked.asked && asked.works.len() == 1);
        assert!(inbox.next().now_or_never().is_none());
        assert!(passed.try_recv().is_err(), "what came before the pass is not durable");
        inbox.give_back(asked.concerns);
        let last = inbox.next().await.expect("a round");
        assert_eq!(last.works.len(), 1);
        passed.await.expect("told").expect("durable");
    }
}
