//! What every store has to do, tried on SQLite through its contract.

mod batches;
mod objects;
mod opening;
mod queues;
mod removal;
mod runs;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use model::{EventId, IntentId, Money, RunId, TransactionId, Value, WorkItemId};
use store::{
    CachedAnswer, EventRow, FeedPositionRow, InboxRow, IntentRow, IntentState, JournalRow, ListenerRow, Mutation, Page,
    ReferenceRow, RunFilter, RunPart, RunRow, RunStatus, SqliteStore, Store, StoreError, SyncedRow, TimerRow,
    TransactionRow, WorkItemFilter, WorkItemOrder, WorkItemRow, WorkItemStatus,
};

const ALL: Page = Page { offset: 0, limit: 1_000 };

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_760_000_000 + second).expect("an instant")
}

fn gbp(amount: &str) -> Option<Money> {
    Some(Money { amount: amount.parse().expect("an amount"), currency: "GBP".parse().expect("a currency") })
}

fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(&folder.join("data/interlock.db")).expect("a store")
}

fn a_run(key: &str) -> RunRow {
    RunRow {
        id: RunId::now(),
        workflow: "quote-to-cash".into(),
        definition: "abc".into(),
        key: key.into(),
        transaction: TransactionId::now(),
        status: RunStatus::Live,
        state: vec![1, 2, 3],
        parts: Vec::new(),
        removed_parts: Vec::new(),
        started_at: at(0),
        updated_at: at(1),
        in_doubt: false,
    }
}

fn an_intent(run: RunId, business_key: &str) -> IntentRow {
    IntentRow {
        id: IntentId::now(),
        run,
        position: vec![7],
        connection: "erp".into(),
        function: "create-order".into(),
        business_key: Some(business_key.into()),
        request: Value::object([("amount", Value::from("12.50".parse::<model::Decimal>().expect("a decimal")))]),
        state: IntentState::Pending,
        attempts: 0,
        last_error: None,
        created_at: at(2),
    }
}

fn a_work_item(queue: &str, amount: &str, due: i64) -> WorkItemRow {
    WorkItemRow {
        id: WorkItemId::now(),
        queue: queue.into(),
        transaction: TransactionId::now(),
        run: Some((RunId::now(), vec![9])),
        status: WorkItemStatus::Open,
        title: "Order 1".into(),
        reason: "over the limit".into(),
        amount: gbp(amount),
        content: Value::empty_object(),
        opened_at: at(0),
        due_at: at(due),
        resolution: Value::Null,
    }
}
