//! Reading what a round needs, all at once, on a thread that may block.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use model::{Problem, RunId, TransactionId, Value, WorkItemId};
use store::{Page, RunRow, Store, StoreError, SyncedRow, TransactionRow, WorkItemFilter, WorkItemRow, WorkItemStatus};
use sync::Agreement;

use super::agreement::{Agreed, STANDS, side_of};
use super::hooks::Tried;
use super::queues::FINDING;
use super::round::{Earlier, Round};
use super::{LaneTask, Run};
use crate::RunOperation;
use crate::matter::{RECORD, record_key};
use crate::reconciliation::{MATTER, Memory, open_items};
use crate::run_row::{input_of, state_of};
use crate::work::{Work, item_of, key_on, parent_of, run_key};

/// The code of an object whose stored state cannot be read.
pub(crate) const DAMAGED: &str = "IL-RUN-019";

type Pair = (Arc<str>, Arc<str>);

/// What is asked of the store.
#[derive(Default, Clone)]
struct Needs {
    runs: HashSet<RunId>,
    /// Runs by workflow and key of the first of them, up to this occasion.
    earlier: HashMap<Pair, u32>,
    matters: HashSet<Pair>,
    matters_by_id: HashSet<TransactionId>,
    items: HashSet<WorkItemId>,
    /// Runs whose input is needed.
    inputs: HashSet<RunId>,
    /// Objects that are kept in agreement.
    agreements: HashSet<Pair>,
}

impl Needs {
    fn is_empty(&self) -> bool {
        self.runs.is_empty()
            && self.earlier.is_empty()
            && self.matters.is_empty()
            && self.matters_by_id.is_empty()
            && self.items.is_empty()
            && self.inputs.is_empty()
            && self.agreements.is_empty()
    }
}

type RunAndMatter = (RunRow, Option<TransactionRow>);

/// What the store answered.
#[derive(Default)]
struct Found {
    runs: HashMap<RunId, Result<Option<RunAndMatter>, StoreError>>,
    earlier: HashMap<Pair, Result<BTreeMap<u32, Earlier>, StoreError>>,
    matters: HashMap<Pair, Result<Option<TransactionRow>, StoreError>>,
    matters_by_id: HashMap<TransactionId, Result<Option<TransactionRow>, StoreError>>,
    items: HashMap<WorkItemId, Result<Option<WorkItemRow>, StoreError>>,
    open: HashMap<TransactionId, Vec<WorkItemRow>>,
    memories: HashMap<Arc<str>, Memory>,
    inputs: HashMap<RunId, Value>,
    agreements: HashMap<Pair, Result<Option<SyncedRow>, StoreError>>,
}

impl LaneTask {
    /// Reads what the works need and is not in memory. `false` when the process ends.
    pub(super) async fn load(&mut self, round: &mut Round, works: &[Work]) -> bool {
        let mut needs = self.needs(round, works);
        while !needs.is_empty() {
            let store = Arc::clone(&self.core.store);
            let Ok(found) = tokio::task::spawn_blocking(move || fetch(&*store, &needs)).await else { return false };
            needs = self.keep(round, found);
        }
        true
    }

    fn needs(&self, round: &mut Round, works: &[Work]) -> Needs {
        let mut needs = Needs::default();
        let run = |needs: &mut Needs, id: RunId| match self.runs.get(&id) {
            None => {
                needs.runs.insert(id);
            }
            Some(known) if !self.matters.contains_key(&known.matter) => {
                needs.matters_by_id.insert(known.matter);
            }
            Some(_) => {}
        };
        let intent = |needs: &mut Needs, id: &model::IntentId| {
            if let Some(held) = self.intents.get(id) {
                match side_of(&held.position) {
                    None => run(needs, held.row.run),
                    Some(_) => needs.agreements.extend(self.pair_of(held.matter)),
                }
                if !self.matters.contains_key(&held.matter) {
                    needs.matters_by_id.insert(held.matter);
                }
            }
        };
        for work in works {
            if let Work::Operate { run, operation: RunOperation::Restart, .. } = work {
                needs.inputs.insert(*run);
            }
            match work {
                Work::Start(start, _) => {
                    let workflow = Arc::clone(start.definition.name());
                    let until = needs.earlier.entry((workflow, run_key(&start.object, &start.key))).or_default();
                    *until = start.occasion.number.max(*until);
                    match start.matter {
                        Some(matter) if self.matters.contains_key(&matter) => {}
                        Some(matter) => {
                            needs.matters_by_id.insert(matter);
                        }
                        None => {
                            needs.matters.insert((Arc::clone(&start.object), Arc::clone(&start.key)));
                        }
                    }
                }
                Work::Hear { run: id, .. } | Work::Fire { run: id, .. } | Work::Operate { run: id, .. } => {
                    run(&mut needs, *id);
                }
                Work::Report(dispatch::Report::Done(outcome)) => intent(&mut needs, &outcome.intent),
                Work::Exists(exists) => intent(&mut needs, &exists.outcome.intent),
                Work::Lost { intent: id, .. } => intent(&mut needs, id),
                Work::Performed(performed) => intent(&mut needs, &performed.intent),
                Work::Launch(launch, _) => {
                    // One without a key is the first of its kind.
                    if launch.key.is_some() {
                        let (object, key) = (launch.object(), launch.matter_key());
                        let workflow = Arc::clone(launch.definition.name());
                        needs.earlier.entry((workflow, run_key(&object, &key))).or_default();
                        needs.matters.insert((object, key));
                    }
                }
                Work::Report(dispatch::Report::Delayed { .. })
                | Work::Replay { .. }
                | Work::Replayed { .. }
                | Work::Go(_)
                | Work::PerformAgain(_)
                | Work::Pass(_)
                | Work::Stop(_) => {}
                Work::Decide(item, ..) => {
                    needs.items.insert(*item);
                }
                Work::Changed(changed, _) => {
                    let pair = (Arc::from(changed.event.object.as_str()), Arc::clone(&changed.key));
                    self.object(round, &mut needs, pair);
                }
                Work::Gone(lost, _) => {
                    let pair = (Arc::from(lost.gone.feed.object.as_str()), Arc::clone(&lost.key));
                    self.object(round, &mut needs, pair);
                }
                Work::Review(pair, _) => self.object(round, &mut needs, pair.clone()),
                Work::Compared(findings, _) => {
                    needs.matters.insert((MATTER.into(), Arc::clone(&findings.object)));
                }
                Work::Unreadable(record, _) => {
                    needs.matters.insert((RECORD.into(), record_key(record)));
                }
                Work::Settled { key, .. } => {
                    needs.matters.insert((RECORD.into(), Arc::clone(key)));
                }
            }
        }
        // The answer of a run in memory may go to one that is not, or to an item.
        for work in works {
            if let Some(id) = self.concerns(work)
                && let Some(known) = self.runs.get(&id)
            {
                self.asking(&known.key, &mut needs);
            }
        }
        needs
    }

    /// An object that is kept in agreement, and its matter.
    fn object(&self, round: &mut Round, needs: &mut Needs, pair: Pair) {
        match self.agreements.get(&pair) {
            Some(agreed) => {
                if let Some(row) = self.matters.get(&agreed.matter) {
                    round.loaded.matters.insert(pair, Some(row.clone()));
                    return;
                }
            }
            None => {
                needs.agreements.insert(pair.clone());
            }
        }
        needs.matters.insert(pair);
    }

    fn concerns(&self, work: &Work) -> Option<RunId> {
        match work {
            Work::Hear { run, .. } | Work::Fire { run, .. } | Work::Operate { run, .. } => Some(*run),
            Work::Report(dispatch::Report::Done(outcome)) => Some(self.intents.get(&outcome.intent)?.row.run),
            Work::Exists(exists) => Some(self.intents.get(&exists.outcome.intent)?.row.run),
            Work::Lost { intent, .. } => Some(self.intents.get(intent)?.row.run),
            Work::Performed(performed) => Some(self.intents.get(&performed.intent)?.row.run),
            _ => None,
        }
    }

    /// The runs that wait for this one's end, as far as they are not in memory, and the item that waits for theirs.
    fn asking(&self, key: &str, needs: &mut Needs) {
        let mut key = key;
        while let Some((parent, _)) = parent_of(key) {
            let Some(run) = self.runs.get(&parent) else {
                needs.runs.insert(parent);
                return;
            };
            key = &run.key;
        }
        needs.items.extend(item_of(key));
    }

    /// Takes over what was found and tells what is needed because of it.
    fn keep(&mut self, round: &mut Round, found: Found) -> Needs {
        let mut needs = Needs::default();
        for (id, result) in found.runs {
            match result {
                Err(error) => {
                    round.loaded.gone.insert(id, Some(error.problem()));
                }
                Ok(None) => {
                    round.loaded.gone.insert(id, None);
                }
                Ok(Some((row, matter))) => match self.revive(row) {
                    Ok(Some(run)) => {
                        self.asking(&run.key, &mut needs);
                        if let Some(matter) = matter {
                            self.matters.insert_read(matter.id, matter);
                        }
                        self.runs.insert(id, run);
                    }
                    Ok(None) => {
                        round.loaded.gone.insert(id, None);
                    }
                    Err(problem) => {
                        tracing::error!(run = %id, code = problem.code, %problem, "a run cannot go on");
                        round.loaded.gone.insert(id, Some(problem));
                    }
                },
            }
        }
        needs.runs.retain(|id| !self.runs.contains_key(id) && !round.loaded.gone.contains_key(id));
        for (pair, result) in found.earlier {
            match result {
                Ok(earlier) => {
                    round.loaded.earlier.insert(pair, earlier);
                }
                Err(error) => tracing::error!(%error, "it cannot be read whether a run was started"),
            }
        }
        for (pair, result) in found.agreements {
            self.keep_agreement(round, pair, result);
        }
        for (id, result) in found.matters_by_id {
            match result {
                Ok(Some(matter)) => {
                    self.matters.insert_read(id, matter);
                    // What concerns the matter of such an object concerns the object.
                    needs.agreements.extend(self.pair_of(id));
                }
                Ok(None) => {}
                Err(error) => {
                    round.loaded.unread.insert(id, error.problem());
                }
            }
        }
        for (pair, result) in found.matters {
            match result {
                Ok(matter) => {
                    // What is in memory is as new or newer.
                    let matter = matter.map(|row| self.matters.get(&row.id).cloned().unwrap_or(row));
                    round.loaded.matters.insert(pair, matter);
                }
                Err(error) => {
                    round.loaded.incomplete = true;
                    tracing::error!(%error, "a matter cannot be read");
                }
            }
        }
        round.loaded.inputs.extend(found.inputs);
        round.loaded.open.extend(found.open);
        round.loaded.memories.extend(found.memories);
        for (id, result) in found.items {
            match result {
                Ok(item) => {
                    if let Some(item) = &item {
                        needs.agreements.extend(self.pair_of(item.transaction));
                        if item.content.get("kind").as_str() == Some(FINDING)
                            && let Some(object) = item.content.get("object").as_str()
                        {
                            needs.matters.insert((MATTER.into(), object.into()));
                        }
                        if !self.matters.contains_key(&item.transaction) {
                            needs.matters_by_id.insert(item.transaction);
                        }
                        if let Some((run, _)) = &item.run {
                            match self.runs.get(run) {
                                Some(known) => self.asking(&known.key, &mut needs),
                                None => {
                                    needs.runs.insert(*run);
                                }
                            }
                        }
                    }
                    round.loaded.items.insert(id, item);
                }
                Err(error) => {
                    round.loaded.incomplete = true;
                    tracing::error!(%error, "a work item cannot be read");
                }
            }
        }
        needs
    }

    /// The object of a matter, where it is kept in agreement and not in memory.
    fn pair_of(&self, matter: TransactionId) -> Option<Pair> {
        let row = self.matters.get(&matter)?;
        let pair = (Arc::clone(&row.object), Arc::clone(&row.key));
        let kept = self.core.release.synchronised.contains_key(&*row.object);
        (kept && !self.agreements.contains_key(&pair)).then_some(pair)
    }

    fn keep_agreement(&mut self, round: &mut Round, pair: Pair, result: Result<Option<SyncedRow>, StoreError>) {
        let agreed = match result {
            Err(error) => Err(error.problem()),
            Ok(None) => Ok(Agreed {
                matter: TransactionId::new(uuid::Uuid::nil()),
                agreement: Agreement::default(),
                stands: None,
                tried: Tried::default(),
            }),
            Ok(Some(row)) => match Agreement::from_value(&row.state) {
                Ok(mut agreement) => {
                    if let Some(synchronised) = self.core.release.synchronised.get(&*pair.0) {
                        agreement.put_in_order(&synchronised.policy);
                    }
                    let stands = row.state.get(STANDS).as_str().map(Arc::from);
                    let tried = Tried::of_state(&row.state);
                    Ok(Agreed { matter: row.transaction, agreement, stands, tried })
                }
                Err(damaged) => {
                    let message = format!("What is agreed about {} {} cannot be read: {damaged}", pair.0, pair.1);
                    let remedy = "Restore the store from a backup; keep the damaged file for support";
                    Err(Problem::new(DAMAGED, message, remedy))
                }
            },
        };
        match agreed {
            Ok(agreed) => {
                self.agreements.insert_read(pair, agreed);
            }
            Err(problem) => {
                round.loaded.damaged.insert(pair, problem);
            }
        }
    }

    /// A stored run, ready to be stepped; `None` when it is over.
    fn revive(&self, row: RunRow) -> Result<Option<Run>, Problem> {
        if row.state.is_empty() {
            return Ok(None);
        }
        let pinned = self.core.pinned.get(&row.definition).ok_or_else(|| {
            let message =
                format!("The run {} is pinned to the workflow text {}, which is not known", row.id, row.definition);
            Problem::new("IL-RUN-010", message, "Start Interlock again, so that it reads the texts of live runs")
        })?;
        let (state, parts) = state_of(&row).map_err(|error| {
            let message = format!("The state of the run {} cannot be read: {error}", row.id);
            Problem::new("IL-RUN-011", message, "Restore the store from a backup; keep the damaged file for support")
        })?;
        Ok(Some(Run {
            id: row.id,
            pinned,
            key: row.key,
            matter: row.transaction,
            started_at: row.started_at,
            in_doubt: row.in_doubt,
            state,
            parts,
            new_input: None,
        }))
    }
}

fn fetch(store: &dyn Store, needs: &Needs) -> Found {
    let mut found = Found::default();
    for id in &needs.runs {
        let read = || match store.run(*id)? {
            None => Ok(None),
            Some(row) if row.state.is_empty() => Ok(Some((row, None))),
            Some(row) => {
                let matter = store.transaction(row.transaction)?;
                Ok(Some((row, matter)))
            }
        };
        found.runs.insert(*id, read());
    }
    for (pair, until) in &needs.earlier {
        let read = || {
            let mut runs = BTreeMap::new();
            for occasion in 1..=(*until).max(1) {
                let key = key_on(&pair.1, occasion);
                if let Some(run) = store.run_of_key(&pair.0, &key)?
                    && let Some(row) = store.run(run)?
                {
                    runs.insert(occasion, Earlier { run, status: closed(&row) });
                }
            }
            Ok(runs)
        };
        found.earlier.insert(pair.clone(), read());
    }
    for pair in &needs.matters {
        let matter = store.transaction_of_key(&pair.0, &pair.1);
        if let (RECORD, Ok(Some(matter))) = (&*pair.0, &matter) {
            let filter = WorkItemFilter {
                transaction: Some(matter.id),
                status: Some(WorkItemStatus::Open),
                ..WorkItemFilter::default()
            };
            let open = store.work_items(&filter, Page { offset: 0, limit: 100 }).unwrap_or_default();
            found.open.insert(matter.id, open);
        }
        if &*pair.0 == MATTER
            && let (Ok(Some(matter)), Ok(open)) = (&matter, open_items(store, &pair.1))
        {
            found.open.insert(matter.id, open);
        }
        if &*pair.0 == MATTER
            && let Ok(memory) = Memory::read(store, &pair.1)
        {
            found.memories.insert(Arc::clone(&pair.1), memory);
        }
        found.matters.insert(pair.clone(), matter);
    }
    found.matters_by_id = needs.matters_by_id.iter().map(|id| (*id, store.transaction(*id))).collect();
    for pair in &needs.agreements {
        found.agreements.insert(pair.clone(), store.synced(&pair.0, &pair.1));
    }
    for id in &needs.inputs {
        if let Some(input) = store.run(*id).ok().flatten().and_then(|row| input_of(&row)) {
            found.inputs.insert(*id, input);
        }
    }
    for id in &needs.items {
        found.items.insert(*id, store.work_item(*id));
    }
    found
}

/// A failed run without a state cannot go on: it counts as cancelled.
fn closed(row: &RunRow) -> store::RunStatus {
    match row.status {
        store::RunStatus::Failed if row.state.is_empty() => store::RunStatus::Cancelled,
        status => status,
    }
}
