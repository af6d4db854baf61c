//! What pages read from the store, gathered so that one page is one visit to a thread that may block.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use model::{Money, Problem, TransactionId, Value};
use store::{
    Page, QueueTotal, StageTotal, Store, StoreError, TransactionRow, WorkItemFilter, WorkItemRow, WorkItemStatus,
};

/// Rows of a list on one page.
pub(crate) const ROWS: u32 = 50;
/// How many open items are looked at.
const OPEN_MAX: u32 = 5_000;
/// How many matters are looked through for those of one stage.
const SCAN_MAX: u32 = 20_000;
const SCAN_STEP: u32 = 1_000;

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
    /// Open items, those due first in front, without the records they are about.
    pub(crate) open: Vec<WorkItemRow>,
    /// How many matters wait for a person.
    pub(crate) stuck: usize,
    pub(crate) recent: Vec<TransactionRow>,
    /// The open item of each matter that waits, by its place in `open`.
    by_matter: HashMap<TransactionId, usize>,
}

impl Board {
    /// The open item of a matter that is due first.
    pub(crate) fn item_of(&self, matter: TransactionId) -> Option<&WorkItemRow> {
        self.by_matter.get(&matter).and_then(|place| self.open.get(*place))
    }

    /// Open items of a queue, those due first in front.
    pub(crate) fn of_queue(&self, queue: &str) -> impl Iterator<Item = &WorkItemRow> {
        self.open.iter().filter(move |item| &*item.queue == queue)
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
    let filter = WorkItemFilter { status: Some(WorkItemStatus::Open), ..WorkItemFilter::default() };
    let mut open = store.work_items(&filter, Page { offset: 0, limit: OPEN_MAX })?;
    let mut by_matter = HashMap::with_capacity(open.len());
    for (place, item) in open.iter_mut().enumerate() {
        by_matter.entry(item.transaction).or_insert(place);
        let kept = ["kind", "allow"].map(|name| (name, item.content.get(name).clone()));
        item.content = Value::object(kept);
    }
    Ok(Board {
        stages: store.stage_totals()?,
        queues: store.queue_totals()?,
        stuck: by_matter.len(),
        open,
        recent: store.transactions("", Page { offset: 0, limit: 8 })?,
        by_matter,
    })
}

/// One page of matters.
#[derive(Debug, Clone, Default)]
pub(crate) struct Matters {
    pub(crate) rows: Vec<TransactionRow>,
    pub(crate) more: bool,
    /// Whether looking ended before the last matter.
    pub(crate) cut: bool,
}

pub(crate) fn matters(store: &dyn Store, text: &str, stage: Option<&str>, offset: u32) -> Result<Matters, StoreError> {
    let Some(stage) = stage else {
        let mut rows = store.transactions(text, Page { offset, limit: ROWS + 1 })?;
        let more = rows.len() > ROWS as usize;
        rows.truncate(ROWS as usize);
        return Ok(Matters { rows, more, cut: false });
    };
    let (mut rows, mut skipped, mut at) = (Vec::new(), 0, 0);
    while at < SCAN_MAX {
        let page = store.transactions(text, Page { offset: at, limit: SCAN_STEP })?;
        let last = page.len() < SCAN_STEP as usize;
        for row in page.into_iter().filter(|row| &*row.stage == stage) {
            if skipped < offset {
                skipped += 1;
            } else if rows.len() < ROWS as usize {
                rows.push(row);
            } else {
                return Ok(Matters { rows, more: true, cut: false });
            }
        }
        if last {
            return Ok(Matters { rows, more: false, cut: false });
        }
        at += SCAN_STEP;
    }
    Ok(Matters { rows, more: false, cut: true })
}

/// Matters that wait for a person, in the order of the board.
pub(crate) fn stuck(store: &dyn Store, board: &Board, text: &str, page: Page) -> Result<Matters, StoreError> {
    let text = text.to_lowercase();
    let mut seen = HashSet::new();
    let mut found = Matters::default();
    let mut skipped = 0;
    for item in board.open.iter().filter(|item| seen.insert(item.transaction)) {
        let Some(row) = store.transaction(item.transaction)? else { continue };
        if !row.key.to_lowercase().contains(&text) && !row.title.to_lowercase().contains(&text) {
            continue;
        }
        if skipped < page.offset {
            skipped += 1;
        } else if found.rows.len() < page.limit as usize {
            found.rows.push(row);
        } else {
            found.more = true;
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use model::WorkItemId;
    use store::{Mutation, SqliteStore};

    use super::*;

    #[tokio::test]
    async fn what_waits_for_a_person_comes_in_pages_of_the_size_that_is_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = SqliteStore::open(&folder.path().join("test.db")).expect("a store");
        let at = |second: i64| Timestamp::from_second(second).expect("an instant");
        let mut batch = Vec::new();
        for number in 0..5 {
            let matter = TransactionId::now();
            batch.push(Mutation::PutTransaction(TransactionRow {
                id: matter,
                object: "quote".into(),
                key: format!("Q-{number}").into(),
                title: "ACME".into(),
                stage: "held".into(),
                closed: false,
                amount: None,
                opened_at: at(1),
                updated_at: at(1),
            }));
            batch.push(Mutation::PutWorkItem(WorkItemRow {
                id: WorkItemId::now(),
                queue: "credit".into(),
                transaction: matter,
                run: None,
                status: WorkItemStatus::Open,
                title: "ACME".into(),
                reason: "why".into(),
                amount: None,
                content: Value::Null,
                opened_at: at(1),
                due_at: at(10 + number),
                resolution: Value::Null,
            }));
        }
        store.commit(batch).durable().await.expect("durable");
        let board = board(&store).expect("a board");
        let keys = |offset, limit| {
            let found = stuck(&store, &board, "acme", Page { offset, limit }).expect("rows");
            let keys: Vec<String> = found.rows.iter().map(|row| row.key.to_string()).collect();
            (keys.join(" "), found.more)
        };
        assert_eq!(keys(0, 2), ("Q-0 Q-1".to_owned(), true));
        assert_eq!(keys(3, 2), ("Q-3 Q-4".to_owned(), false));
        assert_eq!(keys(0, 100).0.split(' ').count(), 5);
    }
}
