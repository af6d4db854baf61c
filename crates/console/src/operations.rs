//! What the console needs of the runtime.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use definitions::Release;
use model::{ConnectionName, ObjectName, Problem, RunId, Value, WorkItemId};
use runtime::{Decision, Figures, RunOperation, Runtime};
use store::Store;
use tokio::sync::watch;

/// The outcome of what a person did, when it is durable.
pub type Doing<'a> = Pin<Box<dyn Future<Output = Result<(), Problem>> + Send + 'a>>;

/// A run that is started: its id, and whether it is new.
pub type Launching<'a> = Pin<Box<dyn Future<Output = Result<(RunId, bool), Problem>> + Send + 'a>>;

/// What the console needs of the runtime; [`Runtime`] is one.
pub trait Operations: Send + Sync {
    /// The definitions that are live.
    fn release(&self) -> Arc<Release>;

    /// Durable state. Its reads block.
    fn store(&self) -> Arc<dyn Store>;

    /// The counters.
    fn figures(&self) -> Figures;

    /// Changes its value whenever something that a page shows may have changed.
    fn changes(&self) -> watch::Receiver<u64>;

    /// Resolves a work item, as [`Runtime::decide`].
    fn decide(&self, item: WorkItemId, decision: Decision) -> Doing<'_>;

    /// Starts a run of a workflow, by its namespace, name and version, as [`Runtime::launch`]. Gives the run and whether it is new.
    fn launch<'a>(&'a self, workflow: [&'a str; 3], key: Option<Arc<str>>, input: Value) -> Launching<'a>;

    /// Takes an event in, as [`Runtime::publish`].
    fn publish(&self, event: Value) -> Doing<'_>;

    /// Has records of an object read again, as [`Runtime::reread`].
    fn reread<'a>(&'a self, object: &'a ObjectName, records: Vec<(ConnectionName, Vec<Arc<str>>)>) -> Doing<'a>;

    /// Does something with a run, as [`Runtime::operate`].
    fn operate<'a>(&'a self, run: RunId, operation: RunOperation, by: &'a str) -> Doing<'a>;
}

impl Operations for Runtime {
    fn release(&self) -> Arc<Release> {
        Self::release(self)
    }

    fn store(&self) -> Arc<dyn Store> {
        Self::store(self)
    }

    fn figures(&self) -> Figures {
        Self::figures(self)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        Self::changes(self)
    }

    fn decide(&self, item: WorkItemId, decision: Decision) -> Doing<'_> {
        Box::pin(Self::decide(self, item, decision))
    }

    fn launch<'a>(&'a self, workflow: [&'a str; 3], key: Option<Arc<str>>, input: Value) -> Launching<'a> {
        Box::pin(async move {
            let launched = Self::launch(self, workflow, key, input).await?;
            Ok((launched.run, launched.is_new))
        })
    }

    fn publish(&self, event: Value) -> Doing<'_> {
        Box::pin(Self::publish(self, event))
    }

    fn reread<'a>(&'a self, object: &'a ObjectName, records: Vec<(ConnectionName, Vec<Arc<str>>)>) -> Doing<'a> {
        Box::pin(Self::reread(self, object, records))
    }

    fn operate<'a>(&'a self, run: RunId, operation: RunOperation, by: &'a str) -> Doing<'a> {
        Box::pin(Self::operate(self, run, operation, by))
    }
}
