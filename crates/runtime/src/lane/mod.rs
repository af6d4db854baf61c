//! A lane task: steps the runs of its lanes, one round after the other.
//!
//! A round takes what waits, loads the runs concerned, steps them, and commits everything as one batch. Only when that is
//! durable are intents submitted, timers set, events told and people answered. So nothing outside ever happens that the
//! store does not know of, and what the store knows of happens again after a crash.
//!
//! While a round is being written the next one is worked on, of other lanes: so one that is refused takes nothing with it.

mod agreement;
mod calls;
mod commands;
mod direct;
mod existing;
mod findings;
mod gone;
mod hooks;
mod inbox;
mod launch;
mod load;
mod milestones;
mod obstacles;
mod people;
mod queues;
mod references;
mod reports;
mod round;
mod runs;
mod unreadable;
mod writing;
mod written;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use definitions::Function;
use dispatch::Dispatcher;
use futures::FutureExt as _;
use jiff::Timestamp;
use model::{ConnectionName, IntentId, Problem, RunId, TransactionId, Value};
use store::{IntentRow, TransactionRow};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use workflow::{Parts, Position, RunState};

use crate::core::{Committing, Core};
use crate::kept::Kept;
use crate::lane_id::LaneId;
use crate::occasions::WaitingOccasions;
use crate::once::{BusinessKey, RoundId};
use crate::work::{Pinned, Work};
use inbox::{Concerns, Inbox, Taken};
use obstacles::Obstacle;
use round::{After, Round};

pub(crate) use agreement::{Changed, ONLY_ELSEWHERE, side_of};
pub(crate) use direct::Performed;
pub(crate) use gone::Lost;
pub(crate) use hooks::is_asked;
pub(crate) use launch::LaunchAnswer;
pub(crate) use load::DAMAGED;
pub(crate) use queues::{CONFLICT, DELETED, EXISTING, FINDING, IDENTITY, UNREADABLE, WRITE};
pub(crate) use unreadable::LINKED;

/// So long a task works without letting others have their turn.
const WORKS_FOR: Duration = Duration::from_micros(300);
/// So many to twice as many runs and matters each a task keeps in memory between rounds: those that were used last.
const RUNS_KEPT: usize = 320;
/// The same of objects that are kept in agreement, with their matters: an object is changed, written, and read again within seconds.
const OBJECTS_KEPT: usize = 1_024;

/// A run in memory.
pub(crate) struct Run {
    pub(crate) id: RunId,
    pub(crate) pinned: Pinned,
    pub(crate) key: Arc<str>,
    pub(crate) matter: TransactionId,
    pub(crate) started_at: Timestamp,
    pub(crate) in_doubt: bool,
    pub(crate) state: RunState,
    /// What of the state is in the store.
    pub(crate) parts: Parts,
    /// What it was started with, until that is in the store.
    pub(crate) new_input: Option<Value>,
}

/// An intent whose outcome is not known.
pub(crate) struct Held {
    pub(crate) row: IntentRow,
    /// `None` for a direct call, and when this release does not have it any more.
    pub(crate) function: Option<Arc<Function>>,
    pub(crate) position: Position,
    pub(crate) matter: TransactionId,
    /// The class of the last error that was written down.
    pub(crate) class: Option<connect::ErrorClass>,
    /// What it holds or waits for, because it must happen once.
    pub(crate) once: Option<BusinessKey>,
    /// Whether the dispatcher has it.
    pub(crate) submitted: bool,
    /// Whether nobody waits for its outcome any more. It is kept until it is known, as it must not be forgotten.
    pub(crate) abandoned: bool,
}

impl Held {
    /// An intent that was handed over, without a function of this release.
    pub(crate) const fn new(row: IntentRow, position: Position, matter: TransactionId) -> Self {
        let (function, class, once) = (None, None, None);
        Self { row, function, position, matter, class, once, submitted: true, abandoned: false }
    }
}

/// One of the tasks that share the lanes.
pub(crate) struct LaneTask {
    /// Its place among the tasks.
    place: usize,
    core: Arc<Core>,
    dispatchers: HashMap<ConnectionName, Dispatcher>,
    runs: Kept<RunId, Run>,
    matters: Kept<TransactionId, TransactionRow>,
    /// The objects that systems are kept in agreement about.
    agreements: Kept<agreement::Pair, agreement::Agreed>,
    intents: HashMap<IntentId, Held, foldhash::fast::RandomState>,
    /// The intents by the waiting point that they answer.
    waiting: HashMap<(RunId, u32), IntentId, foldhash::fast::RandomState>,
    /// The writes of objects, by their matters.
    writes: HashMap<TransactionId, Vec<IntentId>, foldhash::fast::RandomState>,
    /// The direct calls under way.
    performing: HashMap<IntentId, AbortHandle, foldhash::fast::RandomState>,
    /// Runs that are being told of stored events, and whether another event came meanwhile.
    replaying: HashMap<RunId, bool, foldhash::fast::RandomState>,
    /// The workflows that are asked before a person is, by where their items stand.
    hooks: HashMap<hooks::Place, hooks::Deciding, foldhash::fast::RandomState>,
    /// Occasions that wait for the end of the run on an earlier one.
    occasions: WaitingOccasions,
    /// How many rounds were begun.
    rounds: u64,
}

/// A round that is with the store.
struct Writing {
    round: Round,
    concerns: Concerns,
    committed: Committing,
}

/// Whether the first of these rounds is durable, once that is known.
async fn first(writing: &mut VecDeque<Writing>) -> Result<(), Problem> {
    match writing.front_mut() {
        Some(writing) => (&mut writing.committed).await,
        None => std::future::pending().await,
    }
}

impl LaneTask {
    pub(crate) fn new(place: usize, core: Arc<Core>, dispatchers: HashMap<ConnectionName, Dispatcher>) -> Self {
        Self {
            place,
            core,
            dispatchers,
            runs: Kept::default(),
            matters: Kept::default(),
            agreements: Kept::default(),
            intents: HashMap::default(),
            waiting: HashMap::default(),
            writes: HashMap::default(),
            performing: HashMap::default(),
            replaying: HashMap::default(),
            hooks: HashMap::default(),
            occasions: WaitingOccasions::default(),
            rounds: 0,
        }
    }

    /// Takes up an intent whose outcome was not known when the process ended.
    pub(crate) fn hold(&mut self, held: Held) {
        self.waiting.insert((held.row.run, held.position.attempt), held.row.id);
        if side_of(&held.position).is_some() {
            self.writes.entry(held.matter).or_default().push(held.row.id);
        }
        self.intents.insert(held.row.id, held);
    }

    /// Whether a write of an object is under way at this place.
    fn is_writing(&self, matter: TransactionId, place: &str) -> bool {
        let writes = self.writes.get(&matter).into_iter().flatten();
        writes.filter_map(|intent| self.intents.get(intent)).any(|held| *held.position.pointer == *place)
    }

    /// Works until it is told to stop or everybody who could give it work is gone.
    pub(crate) async fn work(mut self, comes: mpsc::UnboundedReceiver<(LaneId, Work)>) {
        let mut inbox = Inbox::new(comes);
        let mut writing: VecDeque<Writing> = VecDeque::new();
        loop {
            tokio::select! {
                biased;
                committed = first(&mut writing), if !writing.is_empty() => {
                    self.finish_first(&mut inbox, &mut writing, committed);
                }
                taken = inbox.next() => {
                    let Some(taken) = taken else { return };
                    let Some(stepped) = self.step_round(taken, &mut inbox, &mut writing).await else { return };
                    writing.push_back(stepped);
                }
            }
        }
    }

    /// Works a round through and hands it to the store. What is durable meanwhile is acted on. `None` when the process ends.
    async fn step_round(
        &mut self,
        taken: Taken,
        inbox: &mut Inbox,
        writing: &mut VecDeque<Writing>,
    ) -> Option<Writing> {
        let Taken { works, concerns, asked } = taken;
        self.evict();
        self.rounds += 1;
        let id = RoundId { task: self.place, number: self.rounds };
        let mut round = Round::new(id, self.core.clock.now());
        round.asked = asked;
        if !self.load(&mut round, &works).await {
            return None;
        }
        let mut begun = Instant::now();
        for work in works {
            self.take(&mut round, work);
            if begun.elapsed() >= WORKS_FOR {
                while let Some(committed) = first(writing).now_or_never() {
                    self.finish_first(inbox, writing, committed);
                }
                tokio::task::yield_now().await;
                begun = Instant::now();
            }
        }
        self.close(&mut round);
        let committed = self.core.committing(std::mem::take(&mut round.mutations), round.patience());
        Some(Writing { round, concerns, committed })
    }

    fn finish_first(&mut self, inbox: &mut Inbox, writing: &mut VecDeque<Writing>, committed: Result<(), Problem>) {
        if let Some(Writing { round, concerns, .. }) = writing.pop_front() {
            self.finish(round, committed);
            inbox.give_back(concerns);
        }
    }

    fn take(&mut self, round: &mut Round, work: Work) {
        round.arrived = None;
        if let Some(obstacle) = self.obstacle(round, &work) {
            let Obstacle { lane, problem, .. } = &obstacle;
            if obstacle.heals() {
                tracing::error!(code = problem.code, %problem, "something is done later, as it cannot be read what it concerns");
                round.after.push(After::Again(*lane, work));
            } else {
                self.left(round, work, problem);
            }
            return;
        }
        match work {
            Work::Start(start, answer) => {
                let result = self.start(round, &start);
                round.answer(answer, result);
            }
            Work::Hear { run, positions, event, stored } => {
                // Stored events come first, so that a run hears in the order in which things happened.
                match self.replaying.get_mut(&run) {
                    Some(again) if !stored => *again = true,
                    _ => self.hear(round, run, &positions, &event),
                }
            }
            Work::Replay { run } => round.after.push(After::ReplayAll { run }),
            Work::Replayed { run } => match self.replaying.get_mut(&run) {
                // It stays so until what came meanwhile is told, too: otherwise the next event would overtake that.
                Some(again) if *again => {
                    *again = false;
                    round.after.push(After::ReplayAgain { run });
                }
                _ => {
                    self.replaying.remove(&run);
                }
            },
            Work::Go(intent) => self.go(round, intent),
            Work::Fire { run, position } => self.fire(round, run, &position),
            Work::Report(report) => self.report(round, report),
            Work::Exists(exists) => self.exists(round, *exists),
            Work::Lost { intent, fault } => self.lost(round, intent, fault),
            Work::Decide(item, decision, held, answer) => {
                let result = self.decide(round, item, decision);
                if result.is_ok() {
                    self.give_up_hook(round, item);
                }
                round.after.extend(held.map(After::Found));
                round.answer(answer, result);
            }
            Work::Operate { run, operation, by, answer } => {
                let result = self.operate(round, run, operation, &by);
                match answer {
                    Some(answer) => round.answer(answer, result),
                    None => {
                        if let Err(problem) = result {
                            tracing::debug!(%run, %problem, "nothing to be done with the run");
                        }
                    }
                }
            }
            Work::Changed(changed, answer) => {
                let result = self.changed(round, *changed);
                round.answer(answer, result);
            }
            Work::Gone(lost, answer) => {
                let result = self.lost_record(round, &lost);
                round.answer(answer, result);
            }
            Work::Review(pair, answer) => {
                let result = self.review(round, &pair);
                round.answer(answer, result);
            }
            Work::Compared(findings, answer) => {
                let result = self.compared(round, *findings);
                round.answer(answer, result);
            }
            Work::Unreadable(record, answer) => {
                let result = self.unreadable(round, *record);
                round.answer(answer, result);
            }
            Work::Settled { key, how } => self.settled(round, &key, how),
            Work::Launch(launch, answer) => self.launch(round, *launch, answer),
            Work::PerformAgain(intent) => round.after.push(After::Perform { intent }),
            Work::Performed(performed) => self.performed(round, *performed),
            // The inbox keeps them.
            Work::Pass(_) | Work::Stop(_) => {}
        }
        self.settle_others(round);
    }

    /// Has runs told of stored events that they wait for. What comes meanwhile is told after them.
    fn replay(&mut self, runs: impl IntoIterator<Item = RunId>) {
        let mut fresh = Vec::new();
        for run in runs {
            match self.replaying.get_mut(&run) {
                Some(again) => *again = true,
                None => {
                    self.replaying.insert(run, false);
                    fresh.push(run);
                }
            }
        }
        self.look_up(fresh);
    }

    /// Looks stored events up for runs that are marked as being told of them.
    fn look_up(&self, runs: Vec<RunId>) {
        if !runs.is_empty() {
            tokio::spawn(crate::routing::replay(Arc::clone(&self.core), runs));
        }
    }

    fn lane_of(&self, run: RunId) -> LaneId {
        LaneId::of(run.uuid())
    }

    /// Forgets what has not been used for a while.
    fn evict(&mut self) {
        self.runs.age(RUNS_KEPT);
        self.matters.age(RUNS_KEPT.max(self.agreements.len().min(OBJECTS_KEPT)));
        self.agreements.age(OBJECTS_KEPT);
    }
}
