//! What goes into a step and what comes out.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::microsecond::required as microseconds;
use model::Value;
use serde::{Deserialize, Serialize};

use crate::catalog::FunctionReference;
use crate::definition::Protocol;
use crate::event::EventFilter;
use crate::fault::Fault;
use crate::position::Position;
use crate::state::Status;

/// What happened, told to a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// A call, a request or another workflow gave its answer.
    Returned {
        /// The waiting point it answers.
        position: Position,
        /// The answer.
        result: Result<Value, Fault>,
    },
    /// A `Sleep` is over.
    Fired {
        /// The waiting point that slept.
        position: Position,
    },
    /// An event that a `Listen` asked for.
    Heard {
        /// The waiting point that listens.
        position: Position,
        /// The event as a CloudEvents 1.0 envelope.
        event: Value,
    },
    /// Somebody ends the run.
    Cancel {
        /// Why, for the timeline.
        reason: Value,
    },
    /// Somebody ends the run without taking anything back.
    End {
        /// Why, for the timeline.
        reason: Value,
    },
    /// Somebody halts the run.
    Suspend,
    /// Somebody lets a halted run go on.
    Resume,
    /// Somebody has the failed task done again.
    Retry {
        /// The failed task, as a guard against retrying another failure than the person saw.
        pointer: Option<Arc<str>>,
        /// Another input for the task, before its `input.from`; `None` for the same.
        input: Option<Value>,
    },
}

/// What the driver is to do, after it has stored the state.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Call a function of a catalog; answered by `Returned`.
    Call {
        /// Where the answer belongs.
        position: Position,
        /// The function.
        function: FunctionReference,
        /// Its input.
        input: Value,
    },
    /// Do something outside that is not in a catalog; answered by `Returned`.
    Request {
        /// Where the answer belongs.
        position: Position,
        /// How.
        protocol: Protocol,
        /// The members of `with` (or of the process), evaluated.
        call: Value,
    },
    /// Wake the run at this instant by `Fired`.
    Sleep {
        /// The waiting point.
        position: Position,
        /// When.
        #[doc(alias = "deadline")]
        until: Timestamp,
    },
    /// The wake-up is not needed any more.
    CancelSleep {
        /// The waiting point.
        position: Position,
    },
    /// Nobody waits for this call, request or workflow any more; what it did stands.
    Abandon {
        /// The waiting point.
        position: Position,
    },
    /// Tell the run, by `Heard`, of each event that one of the filters accepts. A second `Listen` for a position replaces
    /// the first. Telling of more events than asked for is harmless.
    Listen {
        /// The waiting point.
        position: Position,
        /// Which events.
        filters: Vec<EventFilter>,
        /// Whether more than one event may be wanted.
        mode: ListenMode,
    },
    /// No more events are wanted.
    StopListening {
        /// The waiting point.
        position: Position,
    },
    /// Publish an event; nothing is awaited.
    Emit {
        /// The task that emits.
        position: Position,
        /// The event as a CloudEvents 1.0 envelope.
        event: Value,
    },
    /// Run another workflow; when awaited, answered by `Returned`.
    StartRun {
        /// Where the answer belongs.
        position: Position,
        /// Its namespace.
        namespace: Arc<str>,
        /// Its name.
        name: Arc<str>,
        /// Its version, or `latest`.
        version: Arc<str>,
        /// Its input.
        input: Value,
        /// Whether this run waits for its output.
        await_result: bool,
    },
    /// The run is over.
    Complete {
        /// What it gave.
        output: Value,
    },
    /// The run failed; it can be retried or cancelled.
    Fail {
        /// Why.
        fault: Fault,
    },
    /// The run is over, because it was cancelled.
    Cancelled {
        /// The reason that was given.
        reason: Value,
    },
}

/// How much a `listen` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListenMode {
    /// One event of its only filter.
    One,
    /// One event of any filter.
    Any,
    /// One event of each filter.
    All,
    /// Events until a condition holds or an ending event comes.
    Until,
}

/// What one step did.
#[derive(Clone, Debug, PartialEq)]
pub struct Stepped {
    /// What the driver is to do, in order.
    pub commands: Vec<Command>,
    /// What happened, for a timeline.
    pub trace: Vec<TraceEntry>,
    /// How the run stands now.
    pub status: Status,
    /// Why the input changed nothing, when it did not.
    pub ignored: Option<Ignored>,
}

/// Why an input changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// Nothing waits at this position any more: the input came twice, or too late.
    NotWaiting,
    /// The position waits for something else, such as an event and not an answer.
    WrongKind,
    /// The event is not one that the position asked for.
    NotAsked,
    /// The same event has been heard at this position.
    HeardBefore,
    /// The run is over.
    Over,
    /// The run already stands as asked for.
    AsAsked,
}

/// One line of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceEntry {
    /// The task; empty for the run itself.
    pub pointer: Arc<str>,
    /// The rounds of the loops around it.
    pub iterations: Vec<u32>,
    /// What happened.
    pub event: TraceEvent,
}

/// What happened to a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TraceEvent {
    /// It began.
    Started,
    /// Its `if` did not hold.
    Skipped,
    /// It is done.
    Completed,
    /// It failed.
    Faulted(Fault),
    /// A `catch` took the error.
    Caught(Fault),
    /// It will be tried again.
    Retrying {
        /// Which retry this is, from 1.
        retry: u32,
        /// When.
        #[serde(with = "microseconds")]
        at: Timestamp,
    },
    /// It was given up: by a time limit, a faster branch, or a cancellation.
    Cancelled,
    /// A person had it done again.
    RetriedByHand,
    /// It was halted, as its run was.
    Suspended,
    /// It goes on, as its run does.
    Resumed,
    /// It began to listen.
    Listening,
    /// It has heard what it listened for.
    Heard {
        /// What the events had in common, by the names of the correlations.
        keys: Vec<(Arc<str>, Value)>,
    },
}

/// Why a step could not be made. The state is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// The state belongs to another definition.
    #[error("the run pins another definition than the one it is stepped with")]
    OtherDefinition,
    /// The state names a task that the definition does not have.
    #[error("the run is at `{0}`, which its definition does not have")]
    UnknownTask(Arc<str>),
    /// Only a failed run can be retried.
    #[error("the run has not failed, so there is nothing to retry")]
    NotFailed,
    /// Another task failed than was to be retried.
    #[error("the run failed at `{failed}`, not at `{asked}`")]
    FailedElsewhere {
        /// Where it failed.
        failed: Arc<str>,
        /// Where the retry was meant.
        asked: Arc<str>,
    },
    /// The failed task cannot be done again, as its input is gone.
    #[error("`{0}` failed after its work was done: it can only be retried with an input")]
    InputGone(Arc<str>),
}

/// What a run is told about itself when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunContext {
    /// The run's id.
    pub run: Arc<str>,
    /// When it was asked for.
    pub started: Timestamp,
}
