//! One round: what is to become durable together, and what is done then.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use definitions::Function;
use dispatch::Request;
use indexmap::IndexSet;
use jiff::Timestamp;
use model::{ConnectionName, IntentId, Problem, RunId, TransactionId, Value, WorkItemId};
use store::{Mutation, RunPart, RunRow, RunStatus, TransactionRow, WorkItemRow, WorkItemStatus};
use workflow::{Fault, Input, Status, StoredState};

use super::hooks::Said;
use super::{LaneTask, LaunchAnswer};
use crate::core::ToIntake;
use crate::correlation::Correlation;
use crate::figures::Counters;
use crate::identity::IdentityHeld;
use crate::lane_id::LaneId;
use crate::matter::RECORD;
use crate::once::{BusinessKey, RoundId};
use crate::reconciliation::Memory;
use crate::routing;
use crate::run_row::input_part;
use crate::watching::Happening;
use crate::work::{Answer, Event, Pinned, Work};

/// How long a person waits for a store that cannot be written.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is done once the round is durable.
pub(super) enum After {
    Submit {
        connection: ConnectionName,
        request: Request,
        arrived: Option<Timestamp>,
    },
    /// A direct call.
    Perform {
        intent: IntentId,
    },
    /// A direct call whose answer nobody waits for any more.
    BreakOff {
        intent: IntentId,
    },
    /// The intent is over: its business key is for the next one.
    PassOn {
        key: BusinessKey,
        intent: IntentId,
    },
    /// The intent waits for another one with the same business key.
    Wait {
        intent: IntentId,
    },
    Withdraw {
        connection: ConnectionName,
        intent: IntentId,
        function: Arc<Function>,
    },
    SetTimer {
        due: Timestamp,
        run: RunId,
        position: Arc<str>,
    },
    RemoveTimer {
        run: RunId,
        position: Arc<str>,
    },
    /// Look for events that came before the run listened.
    Replay {
        run: RunId,
        correlations: Vec<Correlation>,
        started_at: Timestamp,
    },
    /// Look for all events that the run has not heard: the process has just started.
    ReplayAll {
        run: RunId,
    },
    /// Look once more, because an event came while the run was told of stored ones.
    ReplayAgain {
        run: RunId,
    },
    Emitted {
        event: Event,
        correlations: Vec<Correlation>,
        starts: bool,
        matter: TransactionId,
    },
    Intake(ToIntake),
    /// An object may be made now where it lacks.
    Review((Arc<str>, Arc<str>)),
    /// Work that cannot be done now is done a little later.
    Again(LaneId, Work),
    /// Nobody is asked any more which object a record is.
    Answered {
        record: Arc<str>,
        linked: Option<Linked>,
    },
    /// A person's link is durable: what records are may be found out again.
    Found(IdentityHeld),
    Answer(Answer, Result<(), Problem>),
    Launched(LaunchAnswer, Result<(RunId, bool), Problem>),
    /// A run has ended or failed.
    Ended {
        run: RunId,
        result: Result<Value, Fault>,
    },
    Happened(Happening),
    /// Nobody waits for the end of a run any more.
    CancelRun {
        run: RunId,
        reason: Arc<str>,
        by: &'static str,
    },
}

/// What a person said a record is.
pub(super) struct Linked {
    /// The object, in the form of a question about it.
    pub(super) about: Value,
    pub(super) key: Arc<str>,
}

/// Something for a run besides the one in hand.
pub(super) enum Other {
    Input(RunId, Input),
    Child {
        parent: RunId,
        position: workflow::Position,
        workflow: Pinned,
        input: Value,
    },
    /// A workflow is asked what an open work item asks.
    Ask(WorkItemId),
    /// What came of that.
    Said(Said),
}

/// The occasion of what has only one.
pub(super) const FIRST: u32 = 1;

/// The run that a workflow has for a key on an occasion.
#[derive(Clone, Copy)]
pub(super) struct Earlier {
    pub(super) run: RunId,
    pub(super) status: RunStatus,
}

/// What was read for a round.
#[derive(Default)]
pub(super) struct Loaded {
    /// By workflow and key of the first of them, the runs by their occasions; absent when they could not be read.
    pub(super) earlier: HashMap<(Arc<str>, Arc<str>), BTreeMap<u32, Earlier>>,
    /// By object and key; absent when it could not be read.
    pub(super) matters: HashMap<(Arc<str>, Arc<str>), Option<TransactionRow>>,
    pub(super) items: HashMap<WorkItemId, Option<WorkItemRow>>,
    /// The open items of matters of records and of comparisons.
    pub(super) open: HashMap<TransactionId, Vec<WorkItemRow>>,
    /// What people did about findings, by the object that is compared; absent when it could not be read.
    pub(super) memories: HashMap<Arc<str>, Memory>,
    /// What runs that are started anew were started with.
    pub(super) inputs: HashMap<RunId, Value>,
    /// Runs that are not live, or could not be read.
    pub(super) gone: HashMap<RunId, Option<Problem>>,
    /// Whether some of it could not be read.
    pub(super) incomplete: bool,
    /// Matters that could not be read.
    pub(super) unread: HashMap<TransactionId, Problem>,
    /// Objects in agreement that could not be read.
    pub(super) damaged: HashMap<(Arc<str>, Arc<str>), Problem>,
}

/// One round.
pub(super) struct Round {
    pub(super) id: RoundId,
    pub(super) now: Timestamp,
    pub(super) loaded: Loaded,
    pub(super) mutations: Vec<Mutation>,
    pub(super) after: Vec<After>,
    pub(super) touched: IndexSet<RunId>,
    pub(super) marked: IndexSet<TransactionId>,
    /// Objects in agreement that changed.
    pub(super) touched_agreements: IndexSet<(Arc<str>, Arc<str>)>,
    pub(super) others: VecDeque<Other>,
    /// Items that were resolved in this round.
    pub(super) resolved: HashSet<WorkItemId>,
    /// When the event arrived that is being worked on.
    pub(super) arrived: Option<Timestamp>,
    /// How many inputs and runs followed from others in this round.
    pub(super) followed: usize,
    /// Whether all of it was asked for by people.
    pub(super) asked: bool,
}

impl Round {
    pub(super) fn new(id: RoundId, now: Timestamp) -> Self {
        Self {
            id,
            now,
            loaded: Loaded::default(),
            mutations: Vec::new(),
            after: Vec::new(),
            touched: IndexSet::new(),
            marked: IndexSet::new(),
            touched_agreements: IndexSet::new(),
            others: VecDeque::new(),
            resolved: HashSet::new(),
            arrived: None,
            followed: 0,
            asked: false,
        }
    }

    /// How long it may wait for the store: for ever with what happened in systems. What a person asks for is better refused
    /// soon; a round that takes back calls is not, as they would have to be taken up again.
    pub(super) fn patience(&self) -> Option<Duration> {
        let takes_back =
            self.after.iter().any(|after| matches!(after, After::Withdraw { .. } | After::BreakOff { .. }));
        (self.asked && !takes_back).then_some(PATIENCE)
    }

    /// Whether an item is withdrawn in this round, as something else settled it.
    pub(super) fn has_withdrawn(&self, item: &WorkItemRow) -> bool {
        item.run.as_ref().is_some_and(|(run, place)| self.withdraws(item.id, item.transaction, *run, place))
    }

    /// The same of an item of which only this is known.
    pub(super) fn withdraws(&self, item: WorkItemId, matter: TransactionId, run: RunId, place: &[u8]) -> bool {
        let says = |mutation: &Mutation| match mutation {
            Mutation::PutWorkItem(row) if row.id == item => Some(row.status != WorkItemStatus::Open),
            Mutation::WithdrawWorkItems { transaction, run: of, position, .. } => {
                ((*transaction, *of, &**position) == (matter, run, place)).then_some(true)
            }
            _ => None,
        };
        // What stands last counts.
        self.mutations.iter().rev().find_map(says).unwrap_or(false)
    }

    pub(super) fn answer(&mut self, answer: Answer, result: Result<(), Problem>) {
        self.after.push(After::Answer(answer, result));
    }
}

impl LaneTask {
    /// Adds the rows of the runs and matters that changed.
    pub(super) fn close(&mut self, round: &mut Round) {
        let mut runs = Vec::new();
        let mut all = IndexSet::new();
        while !round.touched.is_empty() {
            let touched = std::mem::take(&mut round.touched);
            let unstorable: Vec<RunId> =
                touched.iter().copied().filter(|id| !self.close_run(round.now, &mut runs, *id)).collect();
            all.extend(touched);
            for id in unstorable {
                self.end_unstorable(round, id);
            }
        }
        round.touched = all;
        self.give_up_hooks(round);
        for id in &round.marked {
            if let Some(matter) = self.matters.get(id) {
                round.mutations.push(Mutation::PutTransaction(matter.clone()));
            }
        }
        self.close_agreements(round);
        round.mutations.extend(runs);
    }

    /// Adds the row of a run. Gives whether its state can be stored.
    fn close_run(&mut self, now: Timestamp, rows: &mut Vec<Mutation>, id: RunId) -> bool {
        let Some(run) = self.runs.get_mut(&id) else { return true };
        let status = match run.state.status() {
            Status::Running => RunStatus::Live,
            Status::Suspended => RunStatus::Suspended,
            Status::Failed => RunStatus::Failed,
            Status::Completed => RunStatus::Completed,
            Status::Cancelled => RunStatus::Cancelled,
        };
        let stored = match run.state.status().is_over() {
            true => StoredState::default(),
            false => match run.state.store(&mut run.parts) {
                Ok(stored) => stored,
                Err(error) => {
                    tracing::error!(run = %id, %error, "the state of a run cannot be stored: the run is ended");
                    return false;
                }
            },
        };
        let input = run.new_input.take().filter(|_| !run.state.status().is_over());
        let parts = stored.added.into_iter().map(|(number, content)| RunPart { number, content });
        let parts = parts.chain(input.as_ref().map(input_part));
        rows.push(Mutation::PutRun(RunRow {
            id: run.id,
            workflow: Arc::clone(run.pinned.name()),
            definition: Arc::clone(&run.pinned.hash),
            key: Arc::clone(&run.key),
            transaction: run.matter,
            status,
            state: stored.state,
            parts: parts.collect(),
            removed_parts: stored.removed,
            started_at: run.started_at,
            updated_at: now,
            in_doubt: run.in_doubt,
        }));
        true
    }

    /// Acts, as the round is durable; or takes it back, as it was refused.
    pub(super) fn finish(&mut self, round: Round, committed: Result<(), Problem>) {
        if let Err(problem) = committed {
            // Nothing of it happened. What was to be done is still in the store as it was, and is found at the next start.
            if round.patience().is_none() && !self.core.trouble.is_given_up() {
                tracing::error!(code = problem.code, %problem, "a round was refused by the store");
            }
            for id in &round.touched {
                self.runs.remove(id);
            }
            for pair in &round.touched_agreements {
                self.agreements.remove(pair);
            }
            for id in &round.marked {
                // Its item is still open.
                if let Some(matter) = self.matters.remove(id).filter(|matter| &*matter.object == RECORD) {
                    self.core.unreadable().insert(matter.key);
                }
            }
            for after in round.after {
                match after {
                    After::Answer(answer, _) => {
                        let _ = answer.send(Err(problem.clone()));
                    }
                    After::Submit { request, .. } => {
                        self.release(request.intent);
                    }
                    After::Wait { intent } | After::Perform { intent } => {
                        self.release(intent);
                    }
                    After::PassOn { key, intent } => self.pass_on(&key, intent),
                    After::Launched(answer, _) => {
                        let _ = answer.send(Err(problem.clone()));
                    }
                    // The run must not stay deaf.
                    After::ReplayAgain { run } => self.look_up(vec![run]),
                    After::Review(pair) => self.review_later(pair),
                    After::Again(lane, work) => self.do_again(lane, work),
                    _ => {}
                }
            }
            return;
        }
        let mut replays: IndexSet<RunId> = IndexSet::new();
        let mut again = Vec::new();
        for after in round.after {
            match after {
                After::Submit { connection, request, arrived } => self.submit(&connection, request, arrived),
                After::Wait { .. } => {}
                After::PassOn { key, intent } => self.pass_on(&key, intent),
                After::Perform { intent } => self.perform(intent),
                After::Launched(answer, result) => {
                    let _ = answer.send(result);
                }
                After::Ended { run, result } => self.core.waiters.tell(run, &result),
                After::Happened(happening) => {
                    if let Some(watch) = &self.core.watch {
                        // Whoever watched may be gone.
                        let _ = watch.send(happening);
                    }
                }
                After::Withdraw { connection, intent, function } => {
                    if let Some(dispatcher) = self.dispatchers.get(&connection) {
                        dispatcher.withdraw(intent, &function);
                    }
                }
                After::SetTimer { due, run, position } => self.core.timers.set(due, run, position, round.now),
                After::RemoveTimer { run, position } => self.core.timers.remove(run, &position),
                After::Replay { run, correlations, started_at } => {
                    if self.core.recent.may_hold(&correlations, started_at) {
                        replays.insert(run);
                    }
                }
                After::ReplayAll { run } => {
                    replays.insert(run);
                }
                After::ReplayAgain { run } => again.push(run),
                After::Emitted { event, correlations, starts, matter } => {
                    let core = Arc::clone(&self.core);
                    tokio::spawn(async move {
                        if !correlations.is_empty() {
                            routing::deliver(&core, vec![(event.clone(), correlations)]).await;
                        }
                        if starts {
                            routing::start_emitted(core, event, Some(matter)).await;
                        }
                    });
                }
                After::BreakOff { intent } => {
                    if let Some(task) = self.performing.remove(&intent) {
                        task.abort();
                    }
                }
                After::Review(pair) => self.review_later(pair),
                After::Again(lane, work) => self.do_again(lane, work),
                After::Answered { record, linked } => self.answer_about(&record, linked),
                After::Found(held) => drop(held),
                After::Intake(message) => {
                    if let ToIntake::Referenced { connection, object, key, .. } = &message {
                        self.core.has_record(object, key, connection);
                    }
                    // The intake is gone only when everything stops.
                    let _ = self.core.to_intake.send(message);
                }
                After::Answer(answer, result) => {
                    let _ = answer.send(result);
                }
                After::CancelRun { run, reason, by } => {
                    let operation = crate::RunOperation::Cancel { reason };
                    let work = Work::Operate { run, operation, by: by.into(), answer: None };
                    self.core.send(LaneId::of(run.uuid()), work);
                }
            }
        }
        self.replay(replays);
        self.look_up(again);
        for id in &round.touched {
            if self.runs.get(id).is_some_and(|run| run.state.status().is_over()) {
                self.runs.remove(id);
            }
        }
    }

    /// Nobody is asked any more which object the record is: what had to wait for that is looked at again. The one that it is said to
    /// be is not made meanwhile, as only the reading links the two.
    fn answer_about(&self, record: &Arc<str>, linked: Option<Linked>) {
        let mut waited = self.core.asked.close(record);
        if let Some(Linked { about, key }) = linked {
            self.core.asked.open(Arc::clone(record), &about);
            waited.retain(|pair| pair.1 != key);
        }
        waited.into_iter().for_each(|pair| self.review_later(pair));
    }

    fn review_later(&self, pair: (Arc<str>, Arc<str>)) {
        let (answer, _) = tokio::sync::oneshot::channel();
        self.core.send(LaneId::of_matter(&pair.0, &pair.1), Work::Review(pair, answer));
    }

    /// Has something done once more after a pause.
    fn do_again(&self, lane: LaneId, work: Work) {
        let core = Arc::clone(&self.core);
        tokio::spawn(async move {
            core.pause().await;
            core.send(lane, work);
        });
    }

    fn submit(&self, connection: &ConnectionName, request: Request, arrived: Option<Timestamp>) {
        let Some(dispatcher) = self.dispatchers.get(connection) else { return };
        dispatcher.submit(request);
        if let Some(arrived) = arrived {
            self.core.counters.submitted(arrived, self.core.clock.now());
        }
    }

    pub(super) fn count_start(&self) {
        Counters::add(&self.core.counters.started, 1);
        Counters::add(&self.core.counters.live, 1);
    }
}
