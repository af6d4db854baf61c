//! Runs that somebody asks for, and those who wait for their end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{EventId, Problem, RunId, Value};
use tokio::sync::oneshot;
use workflow::Fault;

use crate::core::Core;
use crate::lane_id::LaneId;
use crate::routing;
use crate::work::{Pinned, Work};
use crate::workload::Workload;

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
    // It would wait behind what waits already.
    if let Some(problem) = core.trouble.now() {
        return Err(problem);
    }
    let lane = match &key {
        Some(key) => LaneId::of_matter(&matter_object(definition.name()), key),
        None => LaneId::of(EventId::now().uuid()),
    };
    let (end, ended) = oneshot::channel();
    let (answer, answered) = oneshot::channel();
    let run = RunId::new(lane.id(Workload::named(definition.name())));
    let launch = Launch { definition, key, run, input, end };
    core.send(lane, Work::Launch(Box::new(launch), answer));
    let (run, is_new) = answered.await.unwrap_or_else(|_| Err(routing::stopping()))?;
    Ok(Launched { run, is_new, end: ended })
}

type Waiter = oneshot::Sender<Result<Value, Fault>>;

/// Those who wait for the end of runs.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    by_run: HashMap<RunId, Vec<Waiter>, foldhash::fast::RandomState>,
    /// How many runs were waited for when those whom nobody waits for any more were removed last.
    kept: usize,
}

/// So many more runs are waited for before it is looked whether somebody still does.
const LOOK_AFTER: usize = 1_024;

impl Waiters {
    fn locked(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, run: RunId, waiter: Waiter) {
        let mut waiting = self.locked();
        if waiting.by_run.len() > waiting.kept * 2 + LOOK_AFTER {
            waiting.by_run.retain(|_, waiters| {
                waiters.retain(|waiter| !waiter.is_closed());
                !waiters.is_empty()
            });
            waiting.kept = waiting.by_run.len();
        }
        let waiters = waiting.by_run.entry(run).or_default();
        waiters.retain(|waiter| !waiter.is_closed());
        waiters.push(waiter);
    }

    /// A run has ended or failed, durably.
    pub(crate) fn tell(&self, run: RunId, result: &Result<Value, Fault>) {
        let waiters = self.locked().by_run.remove(&run);
        for waiter in waiters.into_iter().flatten() {
            // Whoever asked may be gone.
            let _ = waiter.send(result.clone());
        }
    }

    /// Whether somebody waits for the end of this run.
    pub(crate) fn has(&self, run: RunId) -> bool {
        self.locked().by_run.contains_key(&run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_went_away_take_no_memory_and_the_others_are_told() {
        let waiters = Waiters::default();
        let run = RunId::now();
        let (end, mut ended) = oneshot::channel();
        waiters.add(run, end);
        for _ in 0..10 * LOOK_AFTER {
            waiters.add(RunId::now(), oneshot::channel().0);
        }
        assert!(waiters.locked().by_run.len() <= 2 * LOOK_AFTER + 2);
        waiters.tell(run, &Ok(Value::from(1)));
        assert_eq!(ended.try_recv().expect("told"), Ok(Value::from(1)));
        assert!(!waiters.has(run));
    }
}
