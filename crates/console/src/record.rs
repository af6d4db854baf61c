//! Everything of one object that systems are kept in agreement about: one source for its page and for programs.

use std::sync::Arc;

use definitions::{Release, Synchronised};
use jiff::Timestamp;
use model::{Problem, Value};
use store::{Page, Store, StoreError, SyncedRow, TransactionRow, WorkItemFilter, WorkItemRow, WorkItemStatus};
use sync::{Agreement, Turns};

use crate::story::{Lines, timeline};

/// How many objects are listed that name this one.
const CHILDREN_MAX: u32 = 50;
/// How many open items are listed.
const ITEMS_MAX: u32 = 100;

/// An object, and all there is to say about it.
pub(crate) struct Record {
    pub(crate) row: SyncedRow,
    pub(crate) agreement: Agreement,
    pub(crate) synchronised: Arc<Synchronised>,
    /// Its matter; `None` only before the first change of it is stored.
    pub(crate) matter: Option<TransactionRow>,
    /// Open work items.
    pub(crate) items: Vec<WorkItemRow>,
    /// Its timeline.
    pub(crate) timeline: Lines,
    /// Objects that it names.
    pub(crate) parents: Vec<Neighbour>,
    /// Objects that name it.
    pub(crate) children: Vec<Neighbour>,
    /// Whether there are more of them.
    pub(crate) more_children: bool,
    /// Changes of it that wait for a parent: in which connection, and since when.
    pub(crate) parked: Vec<(Arc<str>, Timestamp)>,
}

/// Another object that systems are kept in agreement about.
pub(crate) struct Neighbour {
    pub(crate) object: Arc<str>,
    pub(crate) key: Arc<str>,
    pub(crate) title: Arc<str>,
}

/// What is agreed about an object cannot be understood.
pub(crate) struct Damaged(pub(crate) Problem);

impl Record {
    /// How the object stands, in the words of the stages of matters.
    pub(crate) fn state(&self) -> &str {
        match &self.matter {
            Some(_) if !self.parked.is_empty() => "waits for its parent",
            Some(matter) if &*matter.stage == "in agreement" && self.agreement.turns.values().any(Turns::rests) => {
                "goes to and fro"
            }
            Some(matter) => &matter.stage,
            None => "new",
        }
    }

    /// What people call it.
    pub(crate) fn title(&self) -> &str {
        if self.row.title.is_empty() { &self.row.key } else { &self.row.title }
    }

    /// The id in each system that has a record of it.
    pub(crate) fn ids(&self) -> impl Iterator<Item = (&str, &Arc<str>)> {
        ids(&self.agreement)
    }
}

/// The id in each system that has a record.
pub(crate) fn ids(agreement: &Agreement) -> impl Iterator<Item = (&str, &Arc<str>)> {
    agreement.sides.iter().filter_map(|(side, holding)| Some((side.as_str(), holding.id.as_ref()?)))
}

/// What is agreed, as it is stored.
pub(crate) fn agreement(row: &SyncedRow) -> Result<Agreement, Damaged> {
    Agreement::from_value(&row.state).map_err(|damaged| {
        let message = format!("What is agreed about {} cannot be read: {damaged}", row.key);
        let remedy = "Restore the store from a backup; keep the damaged file for support";
        Damaged(Problem::new("IL-RUN-019", message, remedy))
    })
}

/// Reads an object with its timeline from this line on; without one its end.
pub(crate) fn record(
    store: &dyn Store,
    release: &Release,
    object: &str,
    key: &str,
    offset: Option<u32>,
) -> Result<Option<Result<Record, Damaged>>, StoreError> {
    let Some(synchronised) = release.synchronised.get(object).cloned() else { return Ok(None) };
    let Some(row) = store.synced(object, key)? else { return Ok(None) };
    let agreement = match agreement(&row) {
        Ok(agreement) => agreement,
        Err(damaged) => return Ok(Some(Err(damaged))),
    };
    let matter = store.transaction(row.transaction)?;
    let filter = WorkItemFilter {
        transaction: Some(row.transaction),
        status: Some(WorkItemStatus::Open),
        ..WorkItemFilter::default()
    };
    let items = store.work_items(&filter, Page { offset: 0, limit: ITEMS_MAX })?;
    let timeline = timeline(store, row.transaction, offset)?;
    let parents = parents(store, release, object, &agreement)?;
    let mut children = children(store, release, object, key, &agreement)?;
    let more_children = children.len() > CHILDREN_MAX as usize;
    children.truncate(CHILDREN_MAX as usize);
    let parked = parked(store, release, object, &agreement)?;
    Ok(Some(Ok(Record {
        row,
        agreement,
        synchronised,
        matter,
        items,
        timeline,
        parents,
        children,
        more_children,
        parked,
    })))
}

fn parents(
    store: &dyn Store,
    release: &Release,
    object: &str,
    agreement: &Agreement,
) -> Result<Vec<Neighbour>, StoreError> {
    let mut found: Vec<Neighbour> = Vec::new();
    for rule in release.parents_of(object) {
        let Some(said) = agreement.agreed.get(&rule.member).and_then(Value::as_str) else { continue };
        let key: Option<Arc<str>> = match &rule.at {
            None => Some(said.into()),
            Some(at) => store.reference_of_record(rule.object.as_str(), at.as_str(), said)?.map(|known| known.key),
        };
        let Some(row) = key.map(|key| store.synced(rule.object.as_str(), &key)).transpose()?.flatten() else {
            continue;
        };
        if !found.iter().any(|known| known.object == row.object && known.key == row.key) {
            found.push(neighbour(row));
        }
    }
    Ok(found)
}

fn children(
    store: &dyn Store,
    release: &Release,
    object: &str,
    key: &str,
    agreement: &Agreement,
) -> Result<Vec<Neighbour>, StoreError> {
    let mut found: Vec<Neighbour> = Vec::new();
    for child in release.synchronised.keys() {
        for rule in release.parents_of(child.as_str()).filter(|rule| rule.object.as_str() == object) {
            let said = match &rule.at {
                None => Some(key),
                Some(at) => agreement.sides.get(at).and_then(|holding| holding.id.as_deref()),
            };
            let Some(said) = said else { continue };
            for row in store.synced_linked(child.as_str(), &rule.member, said, CHILDREN_MAX + 1)? {
                if !found.iter().any(|known| known.object == row.object && known.key == row.key) {
                    found.push(neighbour(row));
                }
            }
        }
    }
    Ok(found)
}

fn neighbour(row: SyncedRow) -> Neighbour {
    let title = if row.title.is_empty() { Arc::clone(&row.key) } else { row.title };
    Neighbour { object: row.object, key: row.key, title }
}

fn parked(
    store: &dyn Store,
    release: &Release,
    object: &str,
    agreement: &Agreement,
) -> Result<Vec<(Arc<str>, Timestamp)>, StoreError> {
    let mut found = Vec::new();
    for (side, id) in ids(agreement) {
        let feeds = release.connections.get(side).into_iter().flat_map(|connection| connection.feeds.values());
        for feed in feeds.filter(|feed| feed.object.as_str() == object && !feed.resolve.is_empty()) {
            let row = store.inbox_row(side, &runtime::parked_row_id(&feed.name, id))?;
            found.extend(row.map(|row| (Arc::<str>::from(side), row.at)));
        }
    }
    Ok(found)
}
