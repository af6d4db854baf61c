//! Durable state and the event log: what has to survive a crash, behind one contract.
//!
//! Callers hand over batches of [`Mutation`]s and learn when they are durable; a batch is applied whole or not at all, and
//! batches are applied in the order they were handed over. Nothing here knows what a row means to the business. The
//! implementation on SQLite needs no set-up: one thread appends the batches that are waiting to a log, so that the cost of a
//! disk flush is shared, and another writes the last state of each row to the tables. The durability settings are read back at
//! start, and weaker ones refused.

#[cfg(test)]
mod arbitrary;
mod contract;
mod error;
mod log;
mod overlay;
mod rows;
mod sqlite;

pub use contract::{Committed, Page, RunFilter, Store, WorkItemFilter, WorkItemOrder};
pub use error::StoreError;
pub use rows::{
    CachedAnswer, EventRow, FeedPositionRow, InboxRow, IntentRow, IntentState, JournalRow, ListenerRow, Mutation,
    QueueTotal, RecordVersionRow, ReferenceRow, RunPart, RunRow, RunStatus, StageTotal, SyncedRow, TimerRow,
    TransactionRow, WorkItemRow, WorkItemStatus,
};
pub use sqlite::SqliteStore;
