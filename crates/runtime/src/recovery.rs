//! What was under way when the process ended, taken up again.
//!
//! Intents come from their rows and are submitted as in doubt: nobody knows whether they were sent. Timers are read by the
//! task that fires them, listeners by [`crate::routing::resume`]; work items wait in the store. Runs themselves are loaded
//! when something happens to them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use definitions::{Release, Target};
use dispatch::{Dispatcher, Request};
use model::{ConnectionName, Problem, RunId, TransactionId};
use store::{IntentRow, Page, Store, StoreError, WorkItemFilter, WorkItemRow, WorkItemStatus};
use workflow::{Fault, FaultType, FunctionReference, Position, Protocol};

use crate::RunOperation;
use crate::asked::Asked;
use crate::core::Core;
use crate::direct::{DIRECT, DirectFailure};
use crate::lane::{Held, IDENTITY, LINKED, LaneTask, Performed, UNREADABLE, is_asked, side_of};
use crate::lane_id::LaneId;
use crate::once::{Entered, RoundId, business_key};
use crate::work::{Work, item_of};
use crate::workload::Workload;

/// What is read at start.
pub(crate) struct Remembered {
    pub(crate) intents: Vec<IntentRow>,
    /// The matters of the runs of the intents.
    pub(crate) matters: HashMap<RunId, TransactionId>,
    pub(crate) live: usize,
    /// Keys of the records that have an open item because they cannot be read.
    pub(crate) unreadable: Vec<Arc<str>>,
    /// The objects that people are asked about.
    pub(crate) asked: Asked,
    /// The items that workflows are asked to decide.
    pub(crate) hooks: Vec<WorkItemRow>,
    /// Runs whose items are not open any more: the process ended before they were cancelled.
    pub(crate) not_needed: Vec<RunId>,
}

/// Reads it.
pub(crate) fn read(release: &Release, store: &dyn Store) -> Result<Remembered, StoreError> {
    const ITEMS_AT_ONCE: u32 = 1_000;
    let intents = store.intents()?;
    let mut matters = HashMap::new();
    for intent in &intents {
        if is_write(intent) {
            // It belongs to the matter itself.
            matters.insert(intent.run, TransactionId::new(intent.run.uuid()));
        } else if let Entry::Vacant(place) = matters.entry(intent.run) {
            let of_run = store.run(intent.run)?.map(|run| run.transaction);
            // What a run gave up that is not there any more belongs to its matter.
            let own = TransactionId::new(intent.run.uuid());
            let of_none = || store.transaction(own).map(|matter| matter.map(|matter| matter.id));
            if let Some(matter) = of_run.map_or_else(of_none, |matter| Ok(Some(matter)))? {
                place.insert(matter);
            }
        }
    }
    let live = store.live_runs()?;
    let not_needed = not_needed(release, store, &live)?;
    let mut unreadable = Vec::new();
    let asked = Asked::default();
    let mut hooks = Vec::new();
    let filter = WorkItemFilter { status: Some(WorkItemStatus::Open), ..WorkItemFilter::default() };
    for offset in (0..).step_by(ITEMS_AT_ONCE as usize) {
        let items = store.work_items(&filter, Page { offset, limit: ITEMS_AT_ONCE })?;
        let last = items.len() < ITEMS_AT_ONCE as usize;
        hooks.extend(items.iter().filter(|item| is_asked(item)).cloned());
        unreadable.extend(items.iter().filter_map(|item| {
            let text = |name: &str| item.content.get(name).as_str();
            if !text("kind").is_some_and(|kind| [UNREADABLE, IDENTITY].contains(&kind)) {
                return None;
            }
            let key = crate::matter::key_of_record(text("connection")?, text("feed")?, text("id")?);
            if text("kind") == Some(IDENTITY) {
                asked.open(Arc::clone(&key), &item.content);
            }
            Some(key)
        }));
        if last {
            break;
        }
    }
    for row in store.inbox()? {
        // What a person linked is not made until the record is read.
        let (linked, text) = (row.content.get(LINKED), |name: &str| row.content.get(name).as_str());
        if let (false, Some(feed), Some(id)) = (linked.is_null(), text("feed"), text("id")) {
            let key = crate::matter::key_of_record(&row.connection, feed, id);
            asked.open(Arc::clone(&key), linked);
            unreadable.push(key);
        }
    }
    Ok(Remembered { intents, matters, live: live.len(), unreadable, asked, hooks, not_needed })
}

/// The runs that decide work items which are not open any more.
fn not_needed(release: &Release, store: &dyn Store, live: &[RunId]) -> Result<Vec<RunId>, StoreError> {
    let hooks = release.synchronised.values().flat_map(|synchronised| synchronised.hooks.values());
    let workloads: HashSet<Workload> = hooks.map(|hook| Workload::named(&hook.name)).collect();
    let mut found = Vec::new();
    for run in live.iter().filter(|run| workloads.contains(&Workload::of(run.uuid()))) {
        let item = store.run(*run)?.and_then(|row| item_of(&row.key));
        if let Some(item) = item
            && store.work_item(item)?.is_none_or(|item| item.status != WorkItemStatus::Open)
        {
            found.push(*run);
        }
    }
    Ok(found)
}

/// Whether an intent keeps systems in agreement, and belongs to no run.
fn is_write(intent: &IntentRow) -> bool {
    let position = std::str::from_utf8(&intent.position).ok().and_then(|text| text.parse::<Position>().ok());
    position.is_some_and(|position| side_of(&position).is_some())
}

/// Gives each lane task its intents and has them looked for.
pub(crate) fn take_up(
    core: &Core,
    lanes: &mut [LaneTask],
    dispatchers: &HashMap<ConnectionName, Dispatcher>,
    intents: Vec<IntentRow>,
    matters: &HashMap<RunId, TransactionId>,
) {
    let count = lanes.len();
    for row in intents {
        let lane = LaneId::of(row.run.uuid());
        let place = lane.task(count);
        let position = std::str::from_utf8(&row.position).ok().and_then(|text| text.parse::<Position>().ok());
        let (Some(task), Some(position), Some(matter)) = (lanes.get_mut(place), position, matters.get(&row.run)) else {
            tracing::error!(intent = %row.id, "an intent belongs to no run that is known");
            continue;
        };
        let intent = row.id;
        if &*row.connection == DIRECT {
            take_up_direct(core, task, Held::new(row, position, *matter));
            continue;
        }
        let reference = FunctionReference {
            name: Arc::clone(&row.function),
            version: None,
            catalog: Some(Arc::clone(&row.connection)),
        };
        let Some(Target::Connection(function)) = core.release.target(&reference) else {
            let detail =
                format!("`{reference}` is not in this release any more, and what it was asked is not known to be done");
            let fault = Fault::new(FaultType::Configuration, detail);
            task.hold(Held { submitted: false, ..Held::new(row, position, *matter) });
            core.send(lane, Work::Lost { intent, fault });
            continue;
        };
        let once = business_key(&row, &function);
        // Those that were sent are older than those that waited for them, and intents come in the order of their age.
        let waits =
            once.as_ref().is_some_and(|key| core.once.enter(key, intent, true, RoundId::default()) == Entered::Waits);
        if !waits && let Some(dispatcher) = dispatchers.get(&function.connection) {
            let (function, input) = (Arc::clone(&function), row.request.clone());
            dispatcher.submit(Request { intent, function, input, in_doubt: true });
        }
        // The run that gave it up is not there any more.
        let abandoned = side_of(&position).is_none() && row.run.uuid() == matter.uuid();
        let held = Held::new(row, position, *matter);
        task.hold(Held { function: Some(function), once, submitted: !waits, abandoned, ..held });
    }
}

/// Gives each lane task the items that workflows are asked to decide, and ends the runs whose items are not open any more.
pub(crate) fn take_up_hooks(core: &Core, lanes: &mut [LaneTask], items: &[WorkItemRow], not_needed: &[RunId]) {
    let count = lanes.len();
    for run in not_needed {
        let operation = RunOperation::Cancel { reason: "what it was asked was settled before".into() };
        core.send_to_run(*run, Work::Operate { run: *run, operation, by: "its work item".into(), answer: None });
    }
    for item in items {
        if let Some(task) = lanes.get_mut(LaneId::of(item.id.uuid()).task(count)) {
            task.hold_hook(item);
        }
    }
}

/// A direct call that may have been made: made again where that changes nothing more, else its fate is for a person.
fn take_up_direct(core: &Core, task: &mut LaneTask, held: Held) {
    let intent = held.row.id;
    let lane = LaneId::of(held.row.run.uuid());
    let protocol = Protocol::from_word(&held.row.function);
    let repeatable = core
        .direct
        .as_ref()
        .zip(protocol)
        .is_some_and(|(access, protocol)| access.calls.is_repeatable(protocol, &held.row.request));
    task.hold(held);
    if repeatable {
        core.send(lane, Work::PerformAgain(intent));
        return;
    }
    let detail = "Interlock ended while the call was under way, so no answer came";
    let failure = DirectFailure { fault: Fault::new(FaultType::Communication, detail), may_have_happened: true };
    let now = core.clock.now();
    let performed = Performed { intent, sent_at: now, finished_at: now, result: Err(failure) };
    core.send(lane, Work::Performed(Box::new(performed)));
}

/// The connections of a release that were not opened.
pub(crate) fn missing<'a>(
    mut needed: impl Iterator<Item = &'a ConnectionName>,
    open: impl Fn(&ConnectionName) -> bool,
) -> Option<Problem> {
    let missing = needed.find(|name| !open(name))?;
    let message = format!("The connection `{missing}` of the release was not opened");
    Some(Problem::new("IL-RUN-013", message, "Open every connection before the runtime starts"))
}
