//! What pages read from the store, gathered so that one page is one visit to a thread that may block.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use model::{Money, Problem, TransactionId};
use store::{
    Page, QueueTotal, StageTotal, Store, StoreError, TransactionRow, WorkItemFilter, WorkItemOrder, WorkItemRow,
    WorkItemStatus,
};

/// Rows of a list on one page.
pub(crate) const ROWS: u32 = 50;
/// How many matters and how many items the overview shows.
const RECENT: u32 = 8;
const NEEDS: u32 = 6;

/// Reads on a thread that may block.
///
/// # Errors
/// The store's, as a sentence for a person.
pub(crate) async fn read<T: Send + 'static>(
    store: Arc<dyn Store>,
    work: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(move || work(store.as_ref())).await;
    done.map_err(|_| {
        Problem::new(
            "IL-CON-003",
            "The page could not be put together",
            "Load it again; if it stays so, look into the log",
        )
    })?
    .map_err(|error| error.problem())
}

/// What waits everywhere, and where the business stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Board {
    pub(crate) stages: Vec<StageTotal>,
    pub(crate) queues: Vec<QueueTotal>,
    /// The most valuable open items.
    pub(crate) needs: Vec<WorkItemRow>,
    /// How many matters wait for a person.
    pub(crate) stuck: u64,
    /// The matters that changed last, and what they wait for.
    pub(crate) recent: Vec<TransactionRow>,
    pub(crate) recent_items: FirstItems,
}

/// Of matters that wait for a person, the open item that is due first.
pub(crate) type FirstItems = HashMap<TransactionId, WorkItemRow>;

impl Board {
    /// What is open in a queue; `None` when nothing is.
    pub(crate) fn queue(&self, queue: &str) -> Option<&QueueTotal> {
        self.queues.iter().find(|total| &*total.queue == queue)
    }

    /// How many items are open in all queues.
    pub(crate) fn waiting(&self) -> u64 {
        self.queues.iter().map(|total| total.count).sum()
    }

    /// What all open items are worth, one sum per currency.
    pub(crate) fn at_stake(&self) -> Vec<Money> {
        sums(self.queues.iter().flat_map(|total| total.amounts.iter().copied()))
    }

    /// How many matters stand at this stage, and what they are worth.
    pub(crate) fn stage(&self, stage: &str) -> (u64, &[Money]) {
        self.stages.iter().find(|total| &*total.stage == stage).map_or((0, &[]), |total| (total.count, &total.amounts))
    }
}

/// Sums, one per currency; what is too large to add is left out.
pub(crate) fn sums(amounts: impl Iterator<Item = Money>) -> Vec<Money> {
    let mut sums: Vec<Money> = Vec::new();
    for amount in amounts {
        match sums.iter_mut().find(|sum| sum.currency == amount.currency) {
            Some(sum) => *sum = sum.add(amount).unwrap_or(*sum),
            None => sums.push(amount),
        }
    }
    sums
}

pub(crate) fn board(store: &dyn Store) -> Result<Board, StoreError> {
    let recent = store.transactions("", Page { offset: 0, limit: RECENT })?;
    Ok(Board {
        stages: store.stage_totals()?,
        queues: store.queue_totals(Timestamp::now())?,
        needs: store.work_items(&open(None, WorkItemOrder::Amount), Page { offset: 0, limit: NEEDS })?,
        stuck: store.waiting_count()?,
        recent_items: first_items(store, recent.iter().map(|row| row.id))?,
        recent,
    })
}

/// Open items, of a queue or of all.
fn open(queue: Option<&str>, order: WorkItemOrder) -> WorkItemFilter {
    let queue = queue.map(Into::into);
    WorkItemFilter { queue, status: Some(WorkItemStatus::Open), order, ..WorkItemFilter::default() }
}

/// Of these matters, the open items that are due first.
pub(crate) fn first_items(
    store: &dyn Store,
    matters: impl Iterator<Item = TransactionId>,
) -> Result<FirstItems, StoreError> {
    let mut found = FirstItems::new();
    for matter in matters {
        let filter = WorkItemFilter { transaction: Some(matter), ..open(None, WorkItemOrder::Due) };
        let first = store.work_items(&filter, Page { offset: 0, limit: 1 })?;
        found.extend(first.into_iter().map(|item| (matter, item)));
    }
    Ok(found)
}

/// A page of the open items of a queue, and whether there are more.
pub(crate) fn of_queue(
    store: &dyn Store,
    queue: &str,
    order: WorkItemOrder,
    offset: u32,
) -> Result<(Vec<WorkItemRow>, bool), StoreError> {
    let mut items = store.work_items(&open(Some(queue), order), Page { offset, limit: ROWS + 1 })?;
    let more = items.len() > ROWS as usize;
    items.truncate(ROWS as usize);
    Ok((items, more))
}

/// The open item of the same queue that comes after this one, else its first.
pub(crate) fn next(store: &dyn Store, item: &WorkItemRow) -> Result<Option<WorkItemRow>, StoreError> {
    let first = open(Some(&item.queue), WorkItemOrder::Due);
    let after = WorkItemFilter { after: Some((item.due_at, item.id)), ..first.clone() };
    for filter in [after, first] {
        let found = store.work_items(&filter, Page { offset: 0, limit: 2 })?;
        if let Some(next) = found.into_iter().find(|other| other.id != item.id) {
            return Ok(Some(next));
        }
    }
    Ok(None)
}

/// One page of matters.
#[derive(Debug, Clone, Default)]
pub(crate) struct Matters {
    pub(crate) rows: Vec<TransactionRow>,
    /// What they wait for.
    pub(crate) items: FirstItems,
    pub(crate) more: bool,
}

impl Matters {
    /// Of rows of which one more than a page has was asked for.
    fn page(store: &dyn Store, mut rows: Vec<TransactionRow>) -> Result<Self, StoreError> {
        let more = rows.len() > ROWS as usize;
        rows.truncate(ROWS as usize);
        let items = first_items(store, rows.iter().map(|row| row.id))?;
        Ok(Self { rows, items, more })
    }
}

pub(crate) fn matters(store: &dyn Store, text: &str, stage: Option<&str>, offset: u32) -> Result<Matters, StoreError> {
    let page = Page { offset, limit: ROWS + 1 };
    let rows = match stage {
        Some(stage) => store.transactions_at(stage, text, page)?,
        None => store.transactions(text, page)?,
    };
    Matters::page(store, rows)
}

/// Matters that wait for a person, those with the item that is due first in front.
pub(crate) fn stuck(store: &dyn Store, text: &str, offset: u32) -> Result<Matters, StoreError> {
    Matters::page(store, store.waiting(text, Page { offset, limit: ROWS + 1 })?)
}
