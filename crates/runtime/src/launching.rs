//! Runs that somebody asks for, and those who wait for their end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::{EventId, Problem, RunId, Value};
use tokio::sync::oneshot;
use workflow::Fault;

use crate::core::Core;
use crate::lane_id::LaneId;
use crate::routing;
use crate::work::{Pinned, Work};

/// A run that was asked for.
#[derive(Debug)]
pub struct Launched {
    /// The run: a new one, or the one that its key had already.
    pub run: RunId,
    /// Whether it was started by this.
    pub is_new: bool,
    /// Its output or its fault, once it has come to its end or has failed. Gives nothing when the process ends before, and for a
    /// run that had ended before it was asked for.
    pub end: oneshot::Receiver<Result<Value, Fault>>,
}

/// A run to be started because somebody asks for it.
pub(crate) struct Launch {
    pub(crate) definition: Pinned,
    /// What the asker calls it: the same key gives the same run. `None` for a run of its own.
    pub(crate) key: Option<Arc<str>>,
    /// The id that it gets when it is new.
    pub(crate) run: RunId,
    pub(crate) input: Value,
    pub(crate) end: oneshot::Sender<Result<Value, Fault>>,
}

impl Launch {
    /// The object of the matter of such a run: its workflow, marked so that no canonical object is meant.
    pub(crate) fn object(&self) -> Arc<str> {
        matter_object(self.definition.name())
    }

    /// The key of the matter.
    pub(crate) fn matter_key(&self) -> Arc<str> {
        match &self.key {
            Some(key) => Arc::clone(key),
            None => self.run.to_string().into(),
        }
    }
}

/// The object of the matters of runs of this workflow that somebody asked for.
pub(crate) fn matter_object(workflow: &str) -> Arc<str> {
    format!("workflow/{workflow}").into()
}

/// Starts a run, durably.
///
/// # Errors
/// When it cannot be stored now.
pub(crate) async fn launch(
    core: &Core,
    definition: Pinned,
    key: Option<Arc<str>>,
    input: Value,
) -> Result<Launched, Problem> {
    let lane = match &key {
        Some(key) => LaneId::of_matter(&matter_object(definition.name()), key),
        None => LaneId::of(EventId::now().uuid()),
    };
    let (end, ended) = oneshot::channel();
    let (answer, answered) = oneshot::channel();
    let launch = Launch { definition, key, run: RunId::new(lane.id()), input, end };
    core.send(lane, Work::Launch(Box::new(launch), answer));
    let (run, is_new) = answered.await.unwrap_or_else(|_| Err(routing::stopping()))?;
    Ok(Launched { run, is_new, end: ended })
}

type Waiter = oneshot::Sender<Result<Value, Fault>>;

/// Those who wait for the end of runs.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Mutex<HashMap<RunId, Vec<Waiter>, foldhash::fast::RandomState>>);

impl Waiters {
    pub(crate) fn add(&self, run: RunId, waiter: Waiter) {
        let mut waiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = waiters.entry(run).or_default();
        waiting.retain(|waiter| !waiter.is_closed());
        waiting.push(waiter);
    }

    /// A run has ended or failed, durably.
    pub(crate) fn tell(&self, run: RunId, result: &Result<Value, Fault>) {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&run);
        for waiter in waiting.into_iter().flatten() {
            // Whoever asked may be gone.
            let _ = waiter.send(result.clone());
        }
    }

    /// Whether somebody waits for the end of this run.
    pub(crate) fn has(&self, run: RunId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&run)
    }
}
