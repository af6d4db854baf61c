//! What a run is between two steps: its data and the tasks it is in the middle of, nothing of what is over.
//!
//! The state is stored after each step, so it must stay small: a value that several tasks hold is stored once, one that
//! stays is not stored again, and what no later expression can reach is dropped. It is generic over how values are held: as
//! values while the machine works, as numbers of values when it is stored.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::microsecond::required as microseconds;
use model::Value;
use serde::{Deserialize, Serialize};

use crate::definition::Flow;
use crate::fault::Fault;
use crate::step::Input;
use crate::stored::{Block, Parts, StoredState, Writer, read};

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Status {
    /// It goes on when one of its waiting points is answered.
    Running,
    /// A person halted it; what arrives is kept until it is resumed.
    Suspended,
    /// An error was not caught. What arrives is kept until a person retries or cancels it.
    Failed,
    /// It is over, with an output.
    Completed,
    /// It is over, because somebody cancelled it.
    Cancelled,
}

impl Status {
    /// Whether nothing can happen to the run any more.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }
}

/// Why a state cannot be stored or read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// A value is nested too deep.
    #[error("the run holds a value that is nested too deep to be stored")]
    TooDeep,
    /// It does not fit the stored form.
    #[error("the run cannot be written in its stored form")]
    Unwritable,
    /// It was not written by this, or a part is missing.
    #[error("the stored run is damaged")]
    Damaged,
}

/// A run between two steps.
#[derive(Clone, Debug, PartialEq)]
pub struct RunState(pub(crate) State<Value>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct State<V> {
    /// Hash of the definition that the run pins.
    pub(crate) definition: [u8; 32],
    pub(crate) run: Arc<str>,
    #[serde(with = "microseconds")]
    pub(crate) started: Timestamp,
    pub(crate) status: Status,
    /// `$workflow.input`, when an expression of the definition reads it.
    pub(crate) input: V,
    pub(crate) context: V,
    /// Number of the last waiting point.
    pub(crate) sequence: u32,
    pub(crate) root: Option<Box<Frame<V>>>,
    /// Why it failed, while it is failed.
    pub(crate) fault: Option<Fault>,
    /// What arrived while it was halted.
    pub(crate) held: Vec<Input>,
    /// Why it is being cancelled, while what it did is taken back.
    pub(crate) cancelling: Option<Value>,
}

/// An instant at which the driver wakes the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timer {
    pub(crate) attempt: u32,
    #[serde(with = "microseconds")]
    pub(crate) until: Timestamp,
}

/// A task that has been entered and is not over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Frame<V> {
    pub(crate) pointer: Arc<str>,
    #[serde(with = "microseconds")]
    pub(crate) started: Timestamp,
    /// The task's input before `input.from`, as long as something may need it.
    pub(crate) raw: Option<V>,
    /// The task's input after `input.from`, as long as something may need it.
    pub(crate) input: Option<V>,
    pub(crate) deadline: Option<Timer>,
    pub(crate) body: Body<V>,
}

/// How far a task has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Body<V> {
    /// Not begun: the step had run long enough.
    Ready(Timer),
    /// A call, a request or another workflow is under way.
    Outside {
        attempt: u32,
        work: Work,
    },
    Sleeping(Timer),
    Listening(Box<Listening<V>>),
    /// `do`, a function, or a task with extensions: which part of it, and where the task itself wants to go.
    Sequence {
        child: Box<Frame<V>>,
        part: u32,
        flow: Flow,
    },
    Loop {
        items: V,
        index: u32,
        child: Box<Frame<V>>,
    },
    Fork(Vec<Branch<V>>),
    Trying {
        child: Box<Frame<V>>,
        input: V,
        round: Round,
        limit: Option<Timer>,
    },
    Pausing {
        timer: Timer,
        input: V,
        round: Round,
    },
    Catching {
        error: V,
        child: Box<Frame<V>>,
    },
    /// This is where the run failed.
    Failed,
}

/// What is done outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Work {
    Call,
    Request,
    Subflow,
}

/// How often a `try` has been tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Round {
    /// Retries so far.
    pub(crate) retries: u32,
    #[serde(with = "microseconds")]
    pub(crate) since: Timestamp,
    /// Whether the run is cancelled and what was tried is being taken back: then nothing is caught here any more, so that the
    /// run cannot go on.
    pub(crate) unwinding: bool,
}

/// A branch of a `fork`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Branch<V> {
    Idle,
    Running(Box<Frame<V>>),
    Done(V),
}

/// A `listen` under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Listening<V> {
    pub(crate) attempt: u32,
    /// Per filter: its attributes' and correlations' expected values, as a list.
    pub(crate) expected: Vec<V>,
    /// Per filter: whether its event has come.
    pub(crate) satisfied: Vec<bool>,
    /// Events that were consumed, as they are handed on; with `foreach`, what was made of them.
    pub(crate) consumed: Vec<V>,
    /// Fingerprints of the events that were heard, so that one that is delivered twice counts once.
    pub(crate) heard: Vec<u64>,
    /// Events that wait for their turn in `foreach`.
    pub(crate) queue: Vec<V>,
    /// The event in `foreach` and its tasks.
    pub(crate) turn: Option<Turn<V>>,
    /// How many events had their turn.
    pub(crate) turns: u32,
    /// No more events are taken.
    pub(crate) closed: bool,
}

/// An event in `foreach`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Turn<V> {
    pub(crate) event: V,
    pub(crate) child: Box<Frame<V>>,
}

impl<V> State<V> {
    pub(crate) fn map<'a, W>(&'a self, hold: &mut impl FnMut(&'a V) -> W) -> State<W> {
        State {
            definition: self.definition,
            run: Arc::clone(&self.run),
            started: self.started,
            status: self.status,
            input: hold(&self.input),
            context: hold(&self.context),
            sequence: self.sequence,
            root: self.root.as_ref().map(|root| Box::new(root.map(hold))),
            fault: self.fault.clone(),
            held: self.held.clone(),
            cancelling: self.cancelling.clone(),
        }
    }
}

impl<V> Frame<V> {
    fn map<'a, W>(&'a self, hold: &mut impl FnMut(&'a V) -> W) -> Frame<W> {
        Frame {
            pointer: Arc::clone(&self.pointer),
            started: self.started,
            raw: self.raw.as_ref().map(&mut *hold),
            input: self.input.as_ref().map(&mut *hold),
            deadline: self.deadline,
            body: self.body.map(hold),
        }
    }

    /// The frames right inside this one.
    pub(crate) fn children(&self) -> impl Iterator<Item = &Self> {
        let (one, many): (Option<&Self>, &[Branch<V>]) = match &self.body {
            Body::Sequence { child, .. }
            | Body::Loop { child, .. }
            | Body::Trying { child, .. }
            | Body::Catching { child, .. } => (Some(child), &[]),
            Body::Listening(listening) => (listening.turn.as_ref().map(|turn| &*turn.child), &[]),
            Body::Fork(branches) => (None, branches),
            Body::Ready(_) | Body::Outside { .. } | Body::Sleeping(_) | Body::Pausing { .. } | Body::Failed => {
                (None, &[])
            }
        };
        one.into_iter().chain(many.iter().filter_map(|branch| match branch {
            Branch::Running(frame) => Some(&**frame),
            _ => None,
        }))
    }

    /// Whether this frame itself, not one inside it, waits at this point.
    pub(crate) fn waits_at(&self, attempt: u32) -> bool {
        let timed = |timer: &Timer| timer.attempt == attempt;
        self.deadline.as_ref().is_some_and(timed)
            || match &self.body {
                Body::Ready(timer) | Body::Sleeping(timer) | Body::Pausing { timer, .. } => timed(timer),
                Body::Trying { limit, .. } => limit.as_ref().is_some_and(timed),
                Body::Outside { attempt: own, .. } => *own == attempt,
                Body::Listening(listening) => listening.attempt == attempt && !listening.closed,
                _ => false,
            }
    }

    /// Whether this frame or one inside it waits at this point.
    pub(crate) fn holds(&self, attempt: u32) -> bool {
        self.waits_at(attempt) || self.children().any(|child| child.holds(attempt))
    }

    /// Whether the run failed here or inside.
    pub(crate) fn failed(&self) -> Option<&Self> {
        if matches!(self.body, Body::Failed) { Some(self) } else { self.children().find_map(Self::failed) }
    }
}

impl<V> Body<V> {
    fn map<'a, W>(&'a self, hold: &mut impl FnMut(&'a V) -> W) -> Body<W> {
        match self {
            Self::Ready(timer) => Body::Ready(*timer),
            Self::Outside { attempt, work } => Body::Outside { attempt: *attempt, work: *work },
            Self::Sleeping(timer) => Body::Sleeping(*timer),
            Self::Listening(listening) => Body::Listening(Box::new(listening.map(hold))),
            Self::Sequence { child, part, flow } => {
                Body::Sequence { child: Box::new(child.map(hold)), part: *part, flow: *flow }
            }
            Self::Loop { items, index, child } => {
                Body::Loop { items: hold(items), index: *index, child: Box::new(child.map(hold)) }
            }
            Self::Fork(branches) => Body::Fork(branches.iter().map(|branch| branch.map(hold)).collect()),
            Self::Trying { child, input, round, limit } => {
                Body::Trying { child: Box::new(child.map(hold)), input: hold(input), round: *round, limit: *limit }
            }
            Self::Pausing { timer, input, round } => Body::Pausing { timer: *timer, input: hold(input), round: *round },
            Self::Catching { error, child } => Body::Catching { error: hold(error), child: Box::new(child.map(hold)) },
            Self::Failed => Body::Failed,
        }
    }
}

impl<V> Branch<V> {
    fn map<'a, W>(&'a self, hold: &mut impl FnMut(&'a V) -> W) -> Branch<W> {
        match self {
            Self::Idle => Branch::Idle,
            Self::Running(frame) => Branch::Running(Box::new(frame.map(hold))),
            Self::Done(output) => Branch::Done(hold(output)),
        }
    }
}

impl<V> Listening<V> {
    fn map<'a, W>(&'a self, hold: &mut impl FnMut(&'a V) -> W) -> Listening<W> {
        Listening {
            attempt: self.attempt,
            expected: self.expected.iter().map(&mut *hold).collect(),
            satisfied: self.satisfied.clone(),
            consumed: self.consumed.iter().map(&mut *hold).collect(),
            heard: self.heard.clone(),
            queue: self.queue.iter().map(&mut *hold).collect(),
            turn: self
                .turn
                .as_ref()
                .map(|turn| Turn { event: hold(&turn.event), child: Box::new(turn.child.map(hold)) }),
            turns: self.turns,
            closed: self.closed,
        }
    }
}

impl RunState {
    /// The state as it is to be stored after a step: what is stored already, as the parts know, is not written again.
    ///
    /// # Errors
    /// When it could not be read back, as it holds a value that is nested too deep. The parts are of no use then.
    pub fn store(&self, parts: &mut Parts) -> Result<StoredState, StateError> {
        let mut writer = Writer::new(parts);
        let state = self.0.map(&mut |value| writer.hold(value));
        let values = writer.finish().ok_or(StateError::TooDeep)?;
        let state = postcard::to_allocvec(&(Block(values.state), state)).map_err(|_| StateError::Unwritable)?;
        Ok(StoredState { state, ..values })
    }

    /// A stored state and its parts.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn restore<'a>(
        state: &[u8],
        parts: impl IntoIterator<Item = (u32, &'a [u8])>,
    ) -> Result<(Self, Parts), StateError> {
        let (values, stored): (Block, State<u32>) = postcard::from_bytes(state).map_err(|_| StateError::Damaged)?;
        let (values, parts) = read(&values.0, parts).ok_or(StateError::Damaged)?;
        let mut missing = false;
        let state = stored.map(&mut |index| {
            let value = values.get(*index as usize);
            missing |= value.is_none();
            value.cloned().unwrap_or_default()
        });
        if missing { Err(StateError::Damaged) } else { Ok((Self(state), parts)) }
    }
}

impl RunState {
    /// How the run stands.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.0.status
    }

    /// The run's id, as it was started with.
    #[must_use]
    pub const fn run(&self) -> &Arc<str> {
        &self.0.run
    }

    /// When the run was started.
    #[must_use]
    pub const fn started(&self) -> Timestamp {
        self.0.started
    }

    /// SHA-256 of the definition that the run pins.
    #[must_use]
    pub const fn definition(&self) -> &[u8; 32] {
        &self.0.definition
    }

    /// Why it failed, while it is failed.
    #[must_use]
    pub const fn fault(&self) -> Option<&Fault> {
        self.0.fault.as_ref()
    }

    /// Where it failed and that task's input, while it is failed; no input when it is gone.
    #[must_use]
    pub fn failed(&self) -> Option<(&Arc<str>, Option<&Value>)> {
        let frame = self.0.root.as_ref()?.failed()?;
        Some((&frame.pointer, frame.raw.as_ref()))
    }

    /// `$context`: what the tasks exported so far.
    #[must_use]
    pub const fn context(&self) -> &Value {
        &self.0.context
    }
}
