//! The files of a project: read, checked with all mistakes at once, and compiled into a [`Release`].

mod agreement;
mod api;
mod call;
mod catalog;
mod connection;
mod follow;
mod golden;
mod load;
mod object;
mod occasions;
mod queue;
mod release;
mod settings;
mod sources;
mod standalone;

pub use agreement::{Hook, Question, Reconciling, Schedule, Synchronised, Writer, Writers};
pub use api::{Api, ApiSource, CachePolicy};
pub use call::{FunctionError, FunctionSide, LearntReference};
pub use connection::{
    ConnectionDefinition, ConnectionLimits, Effect, Feed, FeedSource, Function, ReferenceRule, ResolveRule,
    RetryPolicy, Sweep, SweptWith, Unknown,
};
pub use follow::Canonical;
pub use golden::{Case, CaseFile, Difference, Outcome, Unwritable, updated};
pub use load::{console_address, load, load_with_cases};
pub use object::ObjectDefinition;
pub use occasions::{OccasionRule, Occasions};
pub use queue::{ActionStyle, Queue, QueueAction};
pub use release::{Release, Target, WorkflowDefinition};
pub use settings::{Client, DirectCalls, ProjectSettings, User};
pub use sources::{LoadError, Sources};
pub use standalone::{Purpose, Standalone, standalone};
