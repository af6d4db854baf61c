//! Everything of one matter: its timeline, what it waits for, and where its records are.

use std::collections::BTreeSet;

use definitions::Release;
use model::{RunId, TransactionId, WorkItemId};
use store::{
    IntentRow, JournalRow, Page, ReferenceRow, RunRow, RunStatus, Store, StoreError, TransactionRow, WorkItemFilter,
    WorkItemOrder, WorkItemRow, WorkItemStatus,
};
use workflow::{RunState, Waiting};

/// Lines of a timeline on one page.
pub(crate) const LINES_MAX: u32 = 400;
/// How many items of a matter, open ones and those that are over, one page shows.
pub(crate) const ITEMS_MAX: u32 = 100;
/// How many keys of a matter are looked up in the cross-references.
const KEYS_MAX: usize = 40;

/// A run of a matter, and what it waits for.
#[derive(Debug, Clone)]
pub(crate) struct RunView {
    pub(crate) row: RunRow,
    pub(crate) waiting: Vec<Waiting>,
    /// Why it failed, while it is failed.
    pub(crate) fault: Option<String>,
    pub(crate) intents: Vec<IntentRow>,
}

/// A page of a timeline.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    /// Oldest first.
    pub(crate) lines: Vec<JournalRow>,
    /// How many lines there are before these.
    pub(crate) offset: u32,
    /// Whether there are lines after these.
    pub(crate) more: bool,
}

/// The timeline of a matter from this line on; without one its end.
pub(crate) fn timeline(store: &dyn Store, matter: TransactionId, offset: Option<u32>) -> Result<Lines, StoreError> {
    let offset = match offset {
        Some(offset) => offset,
        None => store.journal_len(matter)?.saturating_sub(LINES_MAX),
    };
    let mut lines = store.journal(matter, Page { offset, limit: LINES_MAX + 1 })?;
    let more = lines.len() > LINES_MAX as usize;
    lines.truncate(LINES_MAX as usize);
    Ok(Lines { lines, offset, more })
}

/// Everything of one matter.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) matter: TransactionRow,
    pub(crate) timeline: Lines,
    /// Open items, those due first in front, and then those that are over, the last opened in front.
    pub(crate) items: Vec<WorkItemRow>,
    /// Whether there are more open ones.
    pub(crate) more_open: bool,
    /// How many that are over were opened after these, and whether there are earlier ones.
    pub(crate) over_offset: u32,
    pub(crate) more_over: bool,
    pub(crate) runs: Vec<RunView>,
    pub(crate) references: Vec<ReferenceRow>,
}

/// Which part of a matter is wanted, where it has more than one page.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Part {
    /// How many lines of the timeline are skipped; `None` for its end.
    pub(crate) lines: Option<u32>,
    /// How many of the items that are over are skipped.
    pub(crate) over: u32,
}

pub(crate) fn story(
    store: &dyn Store,
    release: &Release,
    id: TransactionId,
    Part { lines, over: over_offset }: Part,
) -> Result<Option<Story>, StoreError> {
    let Some(matter) = store.transaction(id)? else { return Ok(None) };
    let timeline = timeline(store, id, lines)?;
    let own = WorkItemFilter { transaction: Some(id), ..WorkItemFilter::default() };
    let open = WorkItemFilter { status: Some(WorkItemStatus::Open), ..own.clone() };
    let (mut items, more_open) = some_items(store, &open, 0)?;
    let over = WorkItemFilter { over: true, order: WorkItemOrder::Latest, ..own };
    let (over, more_over) = some_items(store, &over, over_offset)?;
    items.extend(over);
    let runs = runs(store, release, &matter, &items)?;
    let references = references(store, release, &matter, &timeline.lines)?;
    Ok(Some(Story { matter, timeline, items, more_open, over_offset, more_over, runs, references }))
}

/// A page of items, and whether there are more.
fn some_items(store: &dyn Store, filter: &WorkItemFilter, offset: u32) -> Result<(Vec<WorkItemRow>, bool), StoreError> {
    let mut items = store.work_items(filter, Page { offset, limit: ITEMS_MAX + 1 })?;
    let more = items.len() > ITEMS_MAX as usize;
    items.truncate(ITEMS_MAX as usize);
    Ok((items, more))
}

fn runs(
    store: &dyn Store,
    release: &Release,
    matter: &TransactionRow,
    items: &[WorkItemRow],
) -> Result<Vec<RunView>, StoreError> {
    let mut ids: BTreeSet<RunId> = items.iter().filter_map(|item| item.run.as_ref().map(|(run, _)| *run)).collect();
    let key = format!("{}:{}", matter.object, matter.key);
    for workflow in release.workflows.keys() {
        ids.extend(store.run_of_key(workflow.as_str(), &key)?);
    }
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(row) = store.run(id)?.filter(|row| row.transaction == matter.id) else { continue };
        found.push(run_view(store, row)?);
    }
    Ok(found)
}

/// A run with what it waits for.
pub(crate) fn run_view(store: &dyn Store, row: RunRow) -> Result<RunView, StoreError> {
    let live = matches!(row.status, RunStatus::Live | RunStatus::Suspended | RunStatus::Failed);
    // A state that this build cannot read is no reason to show no page.
    let state = live.then(|| runtime::state_of(&row).ok()).flatten().map(|(state, _)| state);
    let fault = state.as_ref().and_then(RunState::fault).map(ToString::to_string);
    let waiting = state.map(|state| state.waiting()).unwrap_or_default();
    let intents = if live { store.intents_of_run(row.id)? } else { Vec::new() };
    Ok(RunView { row, waiting, fault, intents })
}

/// Records of the matter in the connected systems: its own key, and the keys under which something was sent for it.
fn references(
    store: &dyn Store,
    release: &Release,
    matter: &TransactionRow,
    lines: &[JournalRow],
) -> Result<Vec<ReferenceRow>, StoreError> {
    let mut keys: BTreeSet<&str> = BTreeSet::from([&*matter.key]);
    for line in lines {
        let own = line.detail.get("key").as_str();
        let asked = line.detail.get("input").get("key").as_str();
        keys.extend(own.into_iter().chain(asked));
        if keys.len() >= KEYS_MAX {
            break;
        }
    }
    let mut found = Vec::new();
    for key in keys {
        for object in release.objects.keys() {
            for connection in release.connections.keys() {
                found.extend(store.reference(object.as_str(), key, connection.as_str())?);
            }
        }
    }
    Ok(found)
}

/// A work item with its matter's story.
#[derive(Debug, Clone)]
pub(crate) struct ItemView {
    pub(crate) item: WorkItemRow,
    pub(crate) story: Option<Story>,
}

pub(crate) fn item(store: &dyn Store, release: &Release, id: WorkItemId) -> Result<Option<ItemView>, StoreError> {
    let Some(item) = store.work_item(id)? else { return Ok(None) };
    let story = story(store, release, item.transaction, Part::default())?;
    Ok(Some(ItemView { item, story }))
}
