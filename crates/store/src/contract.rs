//! What every store can do.

use std::sync::Arc;

use jiff::Timestamp;
use model::{RunId, TransactionId, WorkItemId};
use tokio::sync::oneshot;

use crate::StoreError;
use crate::rows::{
    CachedAnswer, EventRow, FeedPositionRow, InboxRow, IntentRow, JournalRow, ListenerRow, Mutation, QueueTotal,
    RecordVersionRow, ReferenceRow, RunRow, RunStatus, StageTotal, SyncedRow, TimerRow, TransactionRow, WorkItemRow,
    WorkItemStatus,
};

/// A batch that was handed over: resolves when it is durable, or refused whole.
#[derive(Debug)]
pub struct Committed(pub(crate) oneshot::Receiver<Result<(), StoreError>>);

impl Committed {
    /// Waits until the batch is durable.
    ///
    /// # Errors
    /// When it could not be written: nothing of it is in the store then.
    pub async fn durable(self) -> Result<(), StoreError> {
        self.0.await.unwrap_or(Err(StoreError::Closed))
    }

    /// The same, for a caller that is a thread.
    ///
    /// # Errors
    /// As [`Self::durable`].
    pub fn durable_blocking(self) -> Result<(), StoreError> {
        self.0.blocking_recv().unwrap_or(Err(StoreError::Closed))
    }
}

/// Which part of a long list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// How many rows are skipped.
    pub offset: u32,
    /// How many rows at the most.
    pub limit: u32,
}

/// In which order work items are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WorkItemOrder {
    /// Those due first in front, and of those due at the same time those with the lower id.
    #[default]
    Due,
    /// Those with the largest amount in front, whatever its sign and currency, and then as by [`Self::Due`].
    Amount,
    /// Those opened last in front, and of those opened at the same time those with the higher id.
    Latest,
}

/// Which work items are wanted, and in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkItemFilter {
    /// Only of this queue.
    pub queue: Option<Arc<str>>,
    /// Only of this matter.
    pub transaction: Option<TransactionId>,
    /// Only with this status.
    pub status: Option<WorkItemStatus>,
    /// Only those that are not open any more.
    pub over: bool,
    /// Only those that come after this place in the order by [`WorkItemOrder::Due`]: how a long list is read to its end while it
    /// changes.
    pub after: Option<(Timestamp, WorkItemId)>,
    /// In which order.
    pub order: WorkItemOrder,
}

/// Which runs are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only of this workflow.
    pub workflow: Option<Arc<str>>,
    /// Only with this status.
    pub status: Option<RunStatus>,
    /// Only those that come after this one in the list: how a long list is read to its end while it changes.
    pub after: Option<RunId>,
}

/// Durable state. All reads see every batch that was reported durable before they began; they block and belong on a thread that
/// may. There is one exception: while the disk is full or fails and no batch is taken, lists that people look at (runs, intents,
/// journals, matters, work items of a queue, totals) may lack what was committed in the last second or two before.
pub trait Store: Send + Sync {
    /// Hands a batch over. It is applied whole or not at all, after the batches handed over before it.
    fn commit(&self, batch: Vec<Mutation>) -> Committed {
        self.commit_shared(Arc::new(batch))
    }

    /// The same, for who may have to hand it over once more.
    fn commit_shared(&self, batch: Arc<Vec<Mutation>>) -> Committed;

    /// A run.
    ///
    /// # Errors
    /// As every read here: when the database cannot be read.
    fn run(&self, id: RunId) -> Result<Option<RunRow>, StoreError>;

    /// The run that was started for this key, live or ended.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn run_of_key(&self, workflow: &str, key: &str) -> Result<Option<RunId>, StoreError>;

    /// Runs in the order in which they were started, without their states.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn runs(&self, filter: &RunFilter, page: Page) -> Result<Vec<RunRow>, StoreError>;

    /// Ids of all runs that have not ended.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn live_runs(&self) -> Result<Vec<RunId>, StoreError>;

    /// Hashes of the definitions that runs which have not ended are pinned to.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn live_definitions(&self) -> Result<Vec<Arc<str>>, StoreError>;

    /// All intents whose outcome is not known, oldest first.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn intents(&self) -> Result<Vec<IntentRow>, StoreError>;

    /// Those of a run.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn intents_of_run(&self, run: RunId) -> Result<Vec<IntentRow>, StoreError>;

    /// The timeline of a matter, oldest first.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn journal(&self, transaction: TransactionId, page: Page) -> Result<Vec<JournalRow>, StoreError>;

    /// How many lines the timeline of a matter has.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn journal_len(&self, transaction: TransactionId) -> Result<u32, StoreError>;

    /// A matter.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn transaction(&self, id: TransactionId) -> Result<Option<TransactionRow>, StoreError>;

    /// The matter of this object and key.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn transaction_of_key(&self, object: &str, key: &str) -> Result<Option<TransactionRow>, StoreError>;

    /// Matters whose key or title contains the text (all for an empty one), whatever the case of its letters; the last changed first.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn transactions(&self, text: &str, page: Page) -> Result<Vec<TransactionRow>, StoreError>;

    /// The same of those that stand at this stage.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn transactions_at(&self, stage: &str, text: &str, page: Page) -> Result<Vec<TransactionRow>, StoreError>;

    /// Numbers and sums per business stage.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn stage_totals(&self) -> Result<Vec<StageTotal>, StoreError>;

    /// The record of a canonical object in a connection.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn reference(&self, object: &str, key: &str, connection: &str) -> Result<Option<ReferenceRow>, StoreError>;

    /// The canonical object of a record.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn reference_of_record(
        &self,
        object: &str,
        connection: &str,
        record_id: &str,
    ) -> Result<Option<ReferenceRow>, StoreError>;

    /// The records of a kind of object in a connection, in the order of their keys, from the one after this one on.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn references_after(
        &self,
        object: &str,
        connection: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<ReferenceRow>, StoreError>;

    /// A work item.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn work_item(&self, id: WorkItemId) -> Result<Option<WorkItemRow>, StoreError>;

    /// Work items, in the order that the filter names.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn work_items(&self, filter: &WorkItemFilter, page: Page) -> Result<Vec<WorkItemRow>, StoreError>;

    /// Open work per queue, and how much of it was due before this instant.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn queue_totals(&self, now: Timestamp) -> Result<Vec<QueueTotal>, StoreError>;

    /// How many matters have an open work item.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn waiting_count(&self) -> Result<u64, StoreError>;

    /// Matters that have an open work item and whose key or title contains the text (all for an empty one), those with the item
    /// that is due first in front.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn waiting(&self, text: &str, page: Page) -> Result<Vec<TransactionRow>, StoreError>;

    /// Events stored under a correlation, oldest first.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn events(&self, correlation: &[u8]) -> Result<Vec<EventRow>, StoreError>;

    /// Runs that wait under a correlation.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn listeners(&self, correlation: &[u8]) -> Result<Vec<ListenerRow>, StoreError>;

    /// Runs that wait for events, in the order of their ids, from the one after this one on.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn listening_runs(&self, after: Option<RunId>, limit: u32) -> Result<Vec<RunId>, StoreError>;

    /// Stored events that a run waits for and has not taken in, with the place in the run, oldest first: those that arrived
    /// since the run was started.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn unheard(&self, run: RunId, limit: u32) -> Result<Vec<(Vec<u8>, EventRow)>, StoreError>;

    /// When the oldest stored event arrived.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn oldest_event(&self) -> Result<Option<Timestamp>, StoreError>;

    /// When the oldest remembered answer was given.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn oldest_answer(&self) -> Result<Option<Timestamp>, StoreError>;

    /// How far a feed is read.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn feed_position(&self, connection: &str, feed: &str) -> Result<Option<FeedPositionRow>, StoreError>;

    /// Notifications that are not worked off, oldest first.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn inbox(&self) -> Result<Vec<InboxRow>, StoreError>;

    /// A notification that is not worked off, by its id.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn inbox_row(&self, connection: &str, id: &str) -> Result<Option<InboxRow>, StoreError>;

    /// The remembered version of a record.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn record_version(&self, connection: &str, record: &str, id: &str) -> Result<Option<RecordVersionRow>, StoreError>;

    /// An object that is kept in agreement.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn synced(&self, object: &str, key: &str) -> Result<Option<SyncedRow>, StoreError>;

    /// Objects that are kept in agreement, in the order of their keys, from the one after this one on.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn synced_after(&self, object: &str, after: &str, limit: u32) -> Result<Vec<SyncedRow>, StoreError>;

    /// Objects that are kept in agreement and whose keys begin so, in the order of their keys.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn synced_beginning(&self, object: &str, beginning: &str, limit: u32) -> Result<Vec<SyncedRow>, StoreError>;

    /// Objects that are kept in agreement and whose titles contain the text, whatever the case of its letters; in the
    /// order of title and key, from the one after this title and key on.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn synced_titled(
        &self,
        object: &str,
        text: &str,
        after: (&str, &str),
        limit: u32,
    ) -> Result<Vec<SyncedRow>, StoreError>;

    /// Objects that are kept in agreement and say this in a member that names another object, in the order of their keys.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn synced_linked(&self, object: &str, member: &str, value: &str, limit: u32) -> Result<Vec<SyncedRow>, StoreError>;

    /// Keys of the objects that are recognised by this value, at most `limit`; where `lacking` names a connection, only of those
    /// that have no cross-reference to a record there.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn matches(
        &self,
        object: &str,
        value: &str,
        lacking: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Arc<str>>, StoreError>;

    /// Timers due at or before an instant, oldest first, at most `limit`.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn timers_due(&self, now: Timestamp, limit: u32) -> Result<Vec<TimerRow>, StoreError>;

    /// When the next timer is due.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn next_timer(&self) -> Result<Option<Timestamp>, StoreError>;

    /// The last known answer of a process API.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn answer(&self, api: &str, key: &str) -> Result<Option<CachedAnswer>, StoreError>;

    /// A definition's text.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn definition(&self, hash: &str) -> Result<Option<Arc<str>>, StoreError>;
}
