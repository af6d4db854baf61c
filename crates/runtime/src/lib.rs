//! The one driver with I/O around the pure workflow machine: events start and wake runs, runs make intents, intents go to
//! dispatchers, what comes of them goes back to the runs; people decide what machines cannot.
//!
//! | part | does |
//! |---|---|
//! | [`intake`] → `routing` | takes canonical events: they start runs, are kept for those that may listen, and are told |
//! | `lane` | tasks that step runs: load, step, commit as one batch, then act. A matter belongs to one lane |
//! | [`dispatch`] | carries intents out, within each system's limits, until it is known what came of them |
//! | `timers` | wakes runs |
//! | `recovery` | takes up at start what was under way |
//!
//! # Which runs an event starts
//! There is one run per workflow and key (`<object>:<key>`). While it lives (also failed or halted), an event that would
//! start it is only heard. After it has completed, the same key starts nothing again. After it was cancelled, the next such
//! event starts a new run, which looks for what the old one may have created before it creates anything.
//!
//! # What happens once
//! A call is a row before it is sent, and the row goes in the commit in which the run gets the answer. What was on its way
//! when the process ended is looked for by its business key. Two runs that want the same business key at the same time do
//! not both get it: the second waits when its function looks first (it then links what the first one made), and fails with
//! status 409 otherwise.
//!
//! # What a matter is
//! All that belongs to one object and key. Runs that runs start, and runs that emitted events start, belong to the matter of
//! the run they come from, and runs that decide work items to the matter of the item.

mod asked;
mod core;
mod correlation;
mod direct;
mod existing;
mod figures;
mod first_records;
mod functions;
mod identity;
mod journal;
mod kept;
mod lane;
mod lane_id;
mod launching;
mod lost;
mod match_keys;
mod matter;
mod occasions;
mod once;
mod reconciliation;
mod recovery;
mod rereading;
mod routing;
mod run_row;
mod schedules;
mod starting;
mod starts;
mod store_trouble;
mod timers;
mod upkeep;
mod waits;
mod watching;
mod work;
mod workload;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use definitions::{Effect, Release, Target};
use dispatch::Dispatcher;
use intake::Intake;
use model::{ConnectionName, EventId, Problem, RunId, Value, WorkItemId};
use store::Store;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use workflow::{Fault, FaultType, FunctionReference};

use crate::core::Core;
use crate::lane_id::LaneId;
use crate::work::{Answer, Event, Work};

pub use direct::{DirectAccess, DirectCalls, DirectFailure, InDoubt};
pub use dispatch::{Clock, ConnectionFigures, ConnectionState, OpenConnection, Percentiles, SystemClock};
pub use figures::Figures;
pub use intake::{
    CoverageFigures, FeedFigures, GapFigures, GapReason, LoadFigures, NotReceived, Received, RefusedEvent,
    parked_row_id,
};
pub use launching::Launched;
pub use reconciliation::ReconciliationFigures;
pub use run_row::state_of;
pub use watching::Happening;

/// How long a stop waits for a store that cannot be written.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

/// How long a stop waits for a comparison to end.
const COMPARISONS_PATIENCE: Duration = Duration::from_secs(2);

/// How long a person waits behind a store that cannot be written, with what cannot be refused any more.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);

/// What a runtime is made of.
pub struct Parts {
    /// The definitions.
    pub release: Arc<Release>,
    /// Durable state.
    pub store: Arc<dyn Store>,
    /// Every connection of the release, opened.
    pub connections: HashMap<ConnectionName, OpenConnection>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// What workflows may reach without a connection, where the deployment allows that.
    pub direct: Option<DirectAccess>,
    /// Who watches what happens to runs and their tasks.
    pub watch: Option<mpsc::UnboundedSender<Happening>>,
    /// A folder of its own for what is only needed while records are compared: emptied at the start.
    pub folder: PathBuf,
}

impl Parts {
    /// With connections only: no direct calls, nobody watches, and a folder among the temporary ones.
    #[must_use]
    pub fn new(
        release: Arc<Release>,
        store: Arc<dyn Store>,
        connections: HashMap<ConnectionName, OpenConnection>,
    ) -> Self {
        let folder = std::env::temp_dir().join(format!("interlock-compared-{}", std::process::id()));
        Self { release, store, connections, clock: Arc::new(SystemClock), direct: None, watch: None, folder }
    }
}

/// A running runtime. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    shared: Arc<Shared>,
}

struct Shared {
    core: Arc<Core>,
    dispatchers: HashMap<ConnectionName, Dispatcher>,
    intake: Intake,
    sorting: mpsc::Sender<starting::Sorted>,
    changes: watch::Receiver<u64>,
    /// What makes comparisons is told to stop, and has.
    comparing: watch::Sender<bool>,
    comparisons: Mutex<Option<JoinHandle<()>>>,
    /// Tasks that are ended by force when everything is done.
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// What a person, or a workflow that is asked first, does with a work item.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The action's name in the queue's definition: `release`, `correct`, `reject`.
    pub action: Arc<str>,
    /// Who.
    pub by: Arc<str>,
    /// Why.
    pub note: Option<Arc<str>>,
    /// The record as the person changed it, where the action allows that.
    pub record: Option<Value>,
}

/// What a person does with a run.
#[derive(Debug, Clone, PartialEq)]
pub enum RunOperation {
    /// Do the failed task again, with another input if given.
    Retry {
        /// Another input for the task.
        input: Option<Value>,
    },
    /// End it.
    Cancel {
        /// Why.
        reason: Arc<str>,
    },
    /// Halt it.
    Suspend,
    /// Let it go on.
    Resume,
    /// Begin it anew with the input it was started with, on the definitions that are live now. What it did stands; what it
    /// creates anew is looked for first.
    Restart,
}

impl Runtime {
    /// Recovers what was under way and starts to work.
    ///
    /// # Errors
    /// When the store cannot be read, or a definition that live runs are pinned to is not usable.
    pub async fn start(parts: Parts) -> Result<Self, Problem> {
        starting::start(parts).await.map(|shared| Self { shared: Arc::new(shared) })
    }

    /// Takes nothing new, waits for requests under way (at most so long), and stops. What cannot be stored then is found
    /// again at the next start.
    pub async fn stop(&self, within: Duration) {
        let shared = &self.shared;
        let end = Instant::now() + within;
        // Before systems are not asked any more, which would look as if their records could not be read.
        shared.comparing.send_replace(true);
        let comparisons = shared.comparisons.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(comparisons) = comparisons {
            // What is left of it is removed at the next start.
            let _ = tokio::time::timeout(COMPARISONS_PATIENCE, comparisons).await;
        }
        shared.intake.stop().await;
        futures::future::join_all(shared.dispatchers.values().map(|dispatcher| dispatcher.stop(within))).await;
        shared.core.direct_under_way.stop(end.saturating_duration_since(Instant::now())).await;
        let (sorted, done) = oneshot::channel();
        if shared.sorting.send(sorted).await.is_ok() {
            let _ = done.await;
        }
        let mut stopped = Vec::new();
        for task in &shared.core.lanes {
            let (answer, answered) = oneshot::channel();
            if task.send((LaneId::default(), Work::Stop(answer))).is_ok() {
                stopped.push(answered);
            }
        }
        let mut stopped = futures::future::join_all(stopped);
        if tokio::time::timeout(STORE_PATIENCE, &mut stopped).await.is_err() {
            shared.core.trouble.give_up();
            // Each that waits fails with its next try. Where even that takes too long, the tries end with the process.
            let _ = tokio::time::timeout_at(end.max(Instant::now() + STORE_PATIENCE), stopped).await;
        }
        for task in shared.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }

    /// Takes what a system pushed, except what cannot be used of it; what this returns for is durable.
    ///
    /// # Errors
    /// When none of it is a notification of this connection, or it cannot be stored now.
    pub async fn receive(
        &self,
        connection: &ConnectionName,
        headers: &http::HeaderMap,
        body: &Bytes,
    ) -> Result<Received, NotReceived> {
        self.shared.intake.receive(connection, headers, body).await
    }

    /// Calls a function that changes nothing, within the connection's limits, for a caller who waits.
    ///
    /// # Errors
    /// What the system said, or that it did not answer in time (status 408) or is down (status 503).
    pub async fn call(&self, function: &FunctionReference, input: Value, within: Duration) -> Result<Value, Fault> {
        let target = self.shared.core.release.target(function);
        let Some(Target::Connection(found)) = target else {
            let detail = format!("`{function}` is not a function of a connection of this release");
            return Err(Fault::new(FaultType::Configuration, detail));
        };
        if found.effect != Effect::None {
            let detail = format!("`{function}` changes something: only a workflow may call it");
            return Err(Fault::new(FaultType::Authorization, detail));
        }
        match self.shared.dispatchers.get(&found.connection) {
            Some(dispatcher) => dispatcher.call(&found, input, within).await,
            None => Err(Fault::new(FaultType::Configuration, format!("{} is not open", found.connection))),
        }
    }

    /// Starts a run of a workflow of the release; durable when this returns. The same key gives the same run while that lives or
    /// when it has completed; without a key, each call starts a run of its own.
    ///
    /// # Errors
    /// When there is no such workflow, or the run cannot be stored now.
    pub async fn launch(&self, workflow: [&str; 3], key: Option<Arc<str>>, input: Value) -> Result<Launched, Problem> {
        let core = &self.shared.core;
        let [namespace, name, version] = workflow;
        let definition = core.workflow(namespace, name, version).ok_or_else(|| {
            let message = format!("There is no workflow {namespace}/{name}:{version} in this release");
            Problem::new("IL-RUN-014", message, "Name a workflow of the release, or `latest` as its version")
        })?;
        launching::launch(core, definition, key, input).await
    }

    /// Takes an event in: it starts what it starts, and is told to the runs that wait for it, now and later. Durable when this
    /// returns.
    ///
    /// # Errors
    /// When it is no CloudEvent with an id, a source and a type, or cannot be stored now.
    pub async fn publish(&self, envelope: Value) -> Result<(), Problem> {
        let missing =
            ["id", "source", "type"].into_iter().find(|name| envelope.get(name).as_str().is_none_or(str::is_empty));
        if let Some(name) = missing {
            let message = format!("The event has no `{name}`");
            return Err(Problem::new(
                "IL-RUN-015",
                message,
                "Give a CloudEvents 1.0 envelope with `id`, `source` and `type`",
            ));
        }
        let core = &self.shared.core;
        if let Some(problem) = core.trouble.now() {
            return Err(problem);
        }
        let event = Event { id: EventId::now(), envelope, arrived: core.clock.now() };
        routing::publish(core, event).await
    }

    /// Resolves a work item; durable when this returns.
    ///
    /// # Errors
    /// When it is not open any more, or its queue or itself does not allow the action.
    pub async fn decide(&self, item: WorkItemId, decision: Decision) -> Result<(), Problem> {
        // Nothing else finds out which object the record is until that is durable.
        let one_at_a_time = match decision.action.strip_prefix(identity::LINK) {
            Some(key) => Some(identity::hold_link(&self.shared.core, item, key).await?),
            None => None,
        };
        self.ask(LaneId::of(item.uuid()), |answer| Work::Decide(item, decision, one_at_a_time, answer)).await
    }

    /// Does something with a run; durable when this returns.
    ///
    /// # Errors
    /// When there is no such run or it does not stand where the operation can be done.
    pub async fn operate(&self, run: RunId, operation: RunOperation, by: &str) -> Result<(), Problem> {
        let by: Arc<str> = by.into();
        let work = |answer| Work::Operate { run, operation, by, answer: Some(answer) };
        self.ask(LaneId::of(run.uuid()), work).await
    }

    async fn ask(&self, lane: LaneId, work: impl FnOnce(Answer) -> Work) -> Result<(), Problem> {
        // It would wait behind what waits already, and nobody knew whether it was done.
        if let Some(problem) = self.shared.core.trouble.now() {
            return Err(problem);
        }
        let (answer, mut answered) = oneshot::channel();
        self.shared.core.send(lane, work(answer));
        loop {
            if let Ok(answer) = tokio::time::timeout(ANSWER_PATIENCE, &mut answered).await {
                return answer.unwrap_or_else(|_| Err(routing::stopping()));
            }
            if let Some(problem) = self.shared.core.trouble.now() {
                let remedy = "It is done by itself as soon as it can be stored: look again before you repeat it";
                return Err(Problem { remedy: remedy.into(), ..problem });
            }
        }
    }

    /// The definitions that are live.
    #[must_use]
    pub fn release(&self) -> Arc<Release> {
        Arc::clone(&self.shared.core.release)
    }

    /// Durable state, to read. Reads block: call them where that is allowed.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.shared.core.store)
    }

    /// The counters.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let connections = self.shared.dispatchers.values().map(Dispatcher::figures).collect();
        let core = &self.shared.core;
        let figures = core.counters.figures(connections, self.shared.intake.figures());
        Figures { reconciliations: core.reconciliations.figures(&core.release), ..figures }
    }

    /// Changes its value whenever something that a page shows may have changed.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.clone()
    }
}
