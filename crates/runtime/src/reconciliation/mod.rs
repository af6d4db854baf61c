//! Objects whose records are all compared on a schedule, whatever feeds say.
//!
//! | file | holds |
//! |---|---|
//! | `looks.rs` | one comparison: everything once, then what differs again and again |
//! | `standing.rs` | what is known already of a record that differs |
//! | `words.rs` | a finding in the words of its work item |
//! | `told.rs` | what people dismissed, or had read again |
//! | `outcome.rs` | what a comparison came to, as it is kept and shown |
//! | `keys.rs` | which record is which object |
//!
//! Each object waits for its time by itself, but one comparison is made after the other. Which items open and are withdrawn is
//! decided and stored by the lane of the object's comparisons ([`crate::lane`], `findings.rs`), together with the outcome: so a process
//! that ends in between has told nothing, and compares again when it starts.

mod keys;
mod looks;
mod outcome;
mod standing;
mod told;
mod words;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use comparison::{Subject, Wanted};
use definitions::{Reconciling, Schedule};
use dispatch::Dispatcher;
use indexmap::IndexMap;
use jiff::Timestamp;
use model::{ConnectionName, ObjectName, Problem, QueueName, Value};
use reconcile::{Pair, Side};
use tokio::sync::{Mutex as Turns, oneshot, watch};

use crate::core::Core;
use crate::lane_id::LaneId;
use crate::schedules::{self, Rule};
use crate::work::Work;
use looks::Looks;
use outcome::Kept;

pub(crate) use looks::Compared;
pub(crate) use told::{Memory, finding_of, open_items};
pub(crate) use words::Told;

/// The object of the matters that comparisons are: one per object that is compared.
pub(crate) const MATTER: &str = "reconciliation";
/// How often it is looked whether an object's first load is over.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long to wait after the store refused an outcome.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// How an object's comparisons stand.
#[derive(Debug, Clone)]
pub struct ReconciliationFigures {
    /// The object.
    pub object: ObjectName,
    /// The systems that are compared.
    pub sides: [ConnectionName; 2],
    /// When it is due, as it is declared: `every 12h`, or a cron expression.
    pub schedule: Arc<str>,
    /// The queue of what is found.
    pub queue: QueueName,
    /// Whether what ownership decides is mended without asking.
    pub repair: bool,
    /// When the next one is due; `None` before that is known, and when there is none any more.
    pub next: Option<Timestamp>,
    /// Since when one is under way, and how many records of each side are read.
    pub running: Option<(Timestamp, [u64; 2])>,
    /// The last one: when it was, what it came to or why it failed; null before there was one.
    pub last: Value,
    /// The last one that came to its end.
    pub last_complete: Value,
}

/// How one object stands.
#[derive(Debug, Default)]
struct Standing {
    next: Option<Timestamp>,
    running: Option<(Timestamp, Arc<Pair<AtomicU64>>)>,
    kept: Kept,
}

/// How all of them stand.
#[derive(Debug, Default)]
pub(crate) struct Reconciliations(Mutex<IndexMap<ObjectName, Standing>>);

impl Reconciliations {
    fn standings(&self) -> MutexGuard<'_, IndexMap<ObjectName, Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, object: &ObjectName, change: impl FnOnce(&mut Standing)) {
        change(self.standings().entry(object.clone()).or_default());
    }

    /// For pages and programs, in the order of the definitions.
    pub(crate) fn figures(&self, release: &definitions::Release) -> Vec<ReconciliationFigures> {
        let standings = self.standings();
        let none = Standing::default();
        let all = release.synchronised.iter().filter_map(|(object, one)| Some((object, one.reconciling.as_ref()?)));
        let figures = all.map(|(object, reconciling)| {
            let standing = standings.get(object).unwrap_or(&none);
            let records =
                |pair: &Pair<AtomicU64>| [Side::Left, Side::Right].map(|side| pair.of(side).load(Ordering::Relaxed));
            ReconciliationFigures {
                object: object.clone(),
                sides: reconciling.sides.clone(),
                schedule: match &reconciling.schedule {
                    Schedule::Every(every) => format!("every {}", in_units(*every)).into(),
                    Schedule::Cron(cron) => Arc::clone(cron.text()),
                },
                queue: reconciling.queue.clone(),
                repair: reconciling.repair,
                next: standing.next,
                running: standing.running.as_ref().map(|(since, records_read)| (*since, records(records_read))),
                last: standing.kept.last.clone(),
                last_complete: standing.kept.last_complete.clone(),
            }
        });
        figures.collect()
    }
}

/// As a project's files write it.
fn in_units(time: Duration) -> String {
    const UNITS: [(&str, u128); 4] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let milliseconds = time.as_millis();
    match UNITS.iter().find(|(_, each)| milliseconds.is_multiple_of(*each)) {
        Some((unit, each)) => format!("{}{unit}", milliseconds / each),
        None => format!("{milliseconds}ms"),
    }
}

/// What makes the comparisons.
pub(crate) struct Driver {
    pub(crate) core: Arc<Core>,
    pub(crate) dispatchers: HashMap<ConnectionName, Dispatcher>,
    /// Where rows are put meanwhile.
    pub(crate) folder: PathBuf,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Driver {
    /// Makes all comparisons when they are due, until it is to stop.
    pub(crate) async fn run(self) {
        let mut stop = self.stop.clone();
        let turns = Turns::new(());
        let all = self.core.release.synchronised.iter().filter_map(|(object, one)| {
            let reconciling = one.reconciling.as_ref()?;
            Some(self.follow(object, reconciling, &turns))
        });
        let all = futures::future::join_all(all);
        tokio::select! {
            // First of all, as what systems do not answer any more then would count as unreadable.
            biased;
            _ = stop.wait_for(|stop| *stop) => {}
            _ = all => {}
        }
        remove(&self.folder).await;
    }

    async fn follow(&self, object: &ObjectName, reconciling: &Reconciling, turns: &Turns<()>) {
        let core = &self.core;
        let asked = object.clone();
        let Some(row) = core.read(move |store| store.feed_position(outcome::PLACES, asked.as_str())).await else {
            return;
        };
        let rule = Rule::of(&reconciling.schedule);
        let mut last = match row {
            Some(row) => {
                core.reconciliations.change(object, |standing| standing.kept = Kept::read(&row));
                row.at
            }
            None => {
                let now = core.clock.now();
                // From now on it counts, even when the process ends before the first time.
                if core.commit(vec![Kept::default().put(object, now)], None).await.is_err() {
                    return;
                }
                now
            }
        };
        while let Some(due) = rule.next(last, core.clock.now()) {
            core.reconciliations.change(object, |standing| standing.next = Some(due));
            schedules::until(core, due).await;
            if self.loaded(object).await.is_none() {
                return;
            }
            let _turn = turns.lock().await;
            let begun = core.clock.now();
            let progress = Arc::new(Pair::<AtomicU64>::default());
            core.reconciliations.change(object, |standing| standing.running = Some((begun, Arc::clone(&progress))));
            core.changed.notify_one();
            let done = self.compare(object, reconciling, progress, begun, due).await;
            let name = object.clone();
            let row = core.read(move |store| store.feed_position(outcome::PLACES, name.as_str())).await;
            core.reconciliations.change(object, |standing| {
                standing.running = None;
                if let Some(Some(row)) = &row {
                    standing.kept = Kept::read(row);
                }
            });
            core.changed.notify_one();
            match done {
                Ok(()) => last = due,
                Err(problem) => {
                    tracing::error!(%object, code = problem.code, %problem, "the outcome of a comparison cannot be kept");
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
            }
        }
        core.reconciliations.change(object, |standing| standing.next = None);
        tracing::info!(%object, "this object is not compared any more: its schedule has no further time");
    }

    /// Waits until the object's first load is over, and what it lacks somewhere is made. `None` when the process ends.
    async fn loaded(&self, object: &ObjectName) -> Option<()> {
        loop {
            let name = object.clone();
            let is_over = self.core.read(move |store| crate::first_records::are_made(store, &name)).await?;
            if is_over && !self.core.loading.is_loading(object.as_str()) {
                return Some(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Compares once. What it comes to is durable when this returns.
    async fn compare(
        &self,
        object: &ObjectName,
        reconciling: &Reconciling,
        progress: Arc<Pair<AtomicU64>>,
        begun: Timestamp,
        due: Timestamp,
    ) -> Result<(), Problem> {
        let core = &self.core;
        let mut kept = core.reconciliations.standings().get(object).map(|one| one.kept.clone()).unwrap_or_default();
        match self.looked(object, reconciling, progress).await {
            Err(problem) => {
                tracing::warn!(%object, code = problem.code, %problem, "a comparison failed");
                kept.last = outcome::failed(&problem, begun, core.clock.now());
                core.commit(vec![kept.put(object, due)], None).await
            }
            Ok((subject, compared)) => {
                let mut value = compared.account.to_value(&subject.judge);
                outcome::time(&mut value, begun, core.clock.now());
                let name: Arc<str> = object.as_str().into();
                let findings =
                    Findings { object: Arc::clone(&name), queue: reconciling.queue.clone(), compared, value, due };
                let (answer, answered) = oneshot::channel();
                core.send(LaneId::of_matter(MATTER, &name), Work::Compared(Box::new(findings), answer));
                answered.await.unwrap_or_else(|_| Err(crate::routing::stopping()))
            }
        }
    }

    async fn looked(
        &self,
        object: &ObjectName,
        reconciling: &Reconciling,
        progress: Arc<Pair<AtomicU64>>,
    ) -> Result<(Arc<Subject>, Compared), Problem> {
        let core = &self.core;
        let [left, right] = &reconciling.sides;
        let wanted =
            Wanted { object: object.as_str(), left: Some(left.as_str()), right: Some(right.as_str()), month: None };
        let subject = Arc::new(Subject::of(&core.release, &wanted)?);
        let dispatcher = |name: &ConnectionName| {
            self.dispatchers.get(name).ok_or_else(|| {
                Problem::new("IL-REC-030", format!("the connection {name} is not open"), "Run `interlock check`")
            })
        };
        let dispatchers = Pair { left: dispatcher(left)?, right: dispatcher(right)? };
        create(&self.folder)?;
        let looks = Looks {
            core: Arc::clone(core),
            subject: Arc::clone(&subject),
            dispatchers,
            folder: self.folder.clone(),
            repair: reconciling.repair,
            stop: self.stop.clone(),
            progress,
        };
        let compared = looks.carry_out().await?;
        Ok((subject, compared))
    }
}

/// What a lane makes work items of.
pub(crate) struct Findings {
    pub(crate) object: Arc<str>,
    pub(crate) queue: QueueName,
    pub(crate) compared: Compared,
    /// The outcome, to which is added what people are told of.
    pub(crate) value: Value,
    pub(crate) due: Timestamp,
}

impl Findings {
    /// The row of the outcome.
    pub(crate) fn kept(&self, value: Value) -> store::Mutation {
        let kept = Kept { last: value.clone(), last_complete: value };
        kept.put(&ObjectName::new(Arc::clone(&self.object)), self.due)
    }
}

/// Removes what a process left that ended in the middle of a comparison.
pub(crate) async fn remove(folder: &Path) {
    let path = folder.to_owned();
    let removed = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(path)).await;
    if let Ok(Err(error)) = removed
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(folder = %folder.display(), %error, "the rows of an earlier comparison cannot be removed");
    }
}

fn create(folder: &Path) -> Result<(), Problem> {
    std::fs::create_dir_all(folder).map_err(|error| {
        let message = format!("the folder {} cannot be made: {error}", folder.display());
        Problem::new("IL-REC-031", message, "Let Interlock write beside its store, on a disk with enough space")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_shown_in_the_largest_unit_that_it_is_whole_in() {
        for (seconds, text) in [(86_400, "1d"), (43_200, "12h"), (90, "90s"), (120, "2m")] {
            assert_eq!(in_units(Duration::from_secs(seconds)), text);
        }
        assert_eq!(in_units(Duration::from_millis(1_500)), "1500ms");
    }
}
