//! Workflows in the Open Workflow DSL 1.0 (the CNCF standard formerly named Serverless Workflow): reading and checking
//! documents, and the machine that runs them.
//!
//! [`Workflow::load`] reads a document, tells all its mistakes at once and compiles its expressions. [`start`] and
//! [`step`] are pure functions from a state and an input to a state and [`Command`]s: no clock, no random number, no I/O.
//! A driver stores the [`RunState`] together with the commands in one commit, then carries the commands out, and tells
//! the run of what came of them by [`Input`]s. Telling twice is harmless: each waiting point is fenced by its
//! [`Position`].
//!
//! Tasks without an outside effect run on within a step. A run that begins 10,000 of them without waiting sleeps until now, so
//! that others get their turn.
//!
//! Where the standard leaves something open, this machine does the following. `.` in `catch.when` and the conditions of a
//! retry is the error. An error that outlives its retries is raised again unless the `catch` has `do` or `then`. A branch
//! that fails makes its `fork` fail, competing or not. `exit` ends the list it stands in, in a loop thus the round. With
//! `foreach`, a `listen` gives what the rounds made of the events. Attributes of an event filter are constants or
//! expressions over the task's input; `data` is a condition on the event's data; `correlate.from` sees the whole event.
//! The spread of a retry's `jitter` comes from the run's id, so that a replay gives the same.

mod catalog;
mod code;
mod cron;
mod definition;
pub mod draw;
mod duration;
mod event;
mod fault;
mod load;
mod machine;
mod position;
mod schedule;
mod state;
mod step;
mod stored;
mod waiting;
mod workflow;
pub mod yaml;

pub use catalog::{Catalog, FunctionReference, FunctionReferenceError, FunctionSignature, Permissions, SchemaCheck};
pub use cron::Cron;
pub use definition::{Protocol, Read};
pub use event::{Correlation, DataCondition, EventFilter, Interest};
pub use fault::{Fault, FaultType};
pub use machine::{outstanding, start, step};
pub use position::{Position, PositionError};
pub use schedule::Starts;
pub use state::{RunState, StateError, Status};
pub use step::{Command, Ignored, Input, ListenMode, RunContext, StepError, Stepped, TraceEntry, TraceEvent};
pub use stored::{Parts, StoredState};
pub use waiting::{Waiting, WaitingFor};
pub use workflow::{Environment, Workflow};
