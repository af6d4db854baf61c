//! The rows that are kept, as plain data. What they mean is the runtime's affair.

use std::sync::Arc;

use jiff::Timestamp;
use model::{EventId, IntentId, RunId, TransactionId, Value, WorkItemId};

/// How deeply the JSON of a row may be nested: as deep as [`model::json::parse_kept`] reads it back.
pub(crate) const JSON_DEPTH_MAX: usize = 640;

macro_rules! stored_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            pub(crate) const fn code(self) -> i64 {
                match self { $(Self::$variant => $code,)* }
            }

            pub(crate) const fn from_code(code: i64) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

stored_enum!(
    /// Where a run of a workflow stands.
    RunStatus {
        /// It steps, or waits for something outside.
        Live = 0,
        /// A person paused it.
        Suspended = 1,
        /// It came to its end.
        Completed = 2,
        /// It failed and waits for a person, who has it go on or ends it.
        Failed = 3,
        /// It was cancelled.
        Cancelled = 4,
    }
);

stored_enum!(
    /// Where an intent stands.
    IntentState {
        /// To be sent, or being sent.
        Pending = 0,
        /// Sent without an answer: to be probed before anything is sent again.
        Unknown = 1,
    }
);

stored_enum!(
    /// Where a work item stands.
    WorkItemStatus {
        /// Somebody has to act.
        Open = 0,
        /// Somebody acted.
        Resolved = 1,
        /// It is not needed any more.
        Withdrawn = 2,
    }
);

/// One run of a workflow: its position, not its history.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// Its id.
    pub id: RunId,
    /// The workflow's name.
    pub workflow: Arc<str>,
    /// Content hash of the definition it is pinned to.
    pub definition: Arc<str>,
    /// The business key it was started for; one live or finished run per workflow and key.
    pub key: Arc<str>,
    /// The matter it belongs to.
    pub transaction: TransactionId,
    /// Where it stands.
    pub status: RunStatus,
    /// The machine's state, opaque here; empty once it has ended, which removes all its parts.
    pub state: Vec<u8>,
    /// Parts of the state: when the row is written, those that are new; when it is read, all.
    pub parts: Vec<RunPart>,
    /// Numbers of the parts that go when the row is written.
    pub removed_parts: Vec<u32>,
    /// When it was started: for a run that an event started, when that event arrived.
    pub started_at: Timestamp,
    /// When this row was written.
    pub updated_at: Timestamp,
    /// Whether what it creates is looked for before it is sent: something that was given up, by this run or an earlier one
    /// for its key, may have happened.
    pub in_doubt: bool,
}

/// A part of a run's state that is stored on its own, because it stays the same while the rest changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPart {
    /// Its number within the run.
    pub number: u32,
    /// Its bytes, opaque here.
    pub content: Vec<u8>,
}

/// A recorded wish to change, read or ask something outside. The row goes when the outcome is known.
#[derive(Debug, Clone, PartialEq)]
pub struct IntentRow {
    /// Its id.
    pub id: IntentId,
    /// The run that wants it.
    pub run: RunId,
    /// Where in the run, as the workflow machine writes it.
    pub position: Vec<u8>,
    /// The connection it goes to.
    pub connection: Arc<str>,
    /// The function.
    pub function: Arc<str>,
    /// The business key, where the effect must happen once.
    pub business_key: Option<Arc<str>>,
    /// What is asked.
    pub request: Value,
    /// Where it stands.
    pub state: IntentState,
    /// How often it was sent.
    pub attempts: u32,
    /// What was said last.
    pub last_error: Option<Arc<str>>,
    /// When it was recorded.
    pub created_at: Timestamp,
}

/// One line of the timeline that people read; appended, never changed.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalRow {
    /// The matter.
    pub transaction: TransactionId,
    /// When.
    pub at: Timestamp,
    /// What kind of line (`sent`, `heard`, `work-item`), for filters.
    pub kind: Arc<str>,
    /// The connection concerned, where there is one.
    pub connection: Option<Arc<str>>,
    /// The line.
    pub title: Arc<str>,
    /// More, for who opens the line.
    pub detail: Value,
}

/// One business matter as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct TransactionRow {
    /// Its id.
    pub id: TransactionId,
    /// The canonical object (`quote`).
    pub object: Arc<str>,
    /// The business key (`00012345`).
    pub key: Arc<str>,
    /// What people call it.
    pub title: Arc<str>,
    /// Business stage (`ordered`, `invoiced`, `paid`).
    pub stage: Arc<str>,
    /// Whether nothing more is to be expected.
    pub closed: bool,
    /// Amount at stake, with its currency.
    pub amount: Option<model::Money>,
    /// When it began.
    pub opened_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// Which record in which connection is this canonical object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceRow {
    /// The canonical object.
    pub object: Arc<str>,
    /// Its canonical key.
    pub key: Arc<str>,
    /// The connection.
    pub connection: Arc<str>,
    /// The record's id there.
    pub record_id: Arc<str>,
}

/// An exception that a person resolves.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkItemRow {
    /// Its id.
    pub id: WorkItemId,
    /// The queue it stands in.
    pub queue: Arc<str>,
    /// The matter.
    pub transaction: TransactionId,
    /// The run that waits for it, and where.
    pub run: Option<(RunId, Vec<u8>)>,
    /// Where it stands.
    pub status: WorkItemStatus,
    /// One line.
    pub title: Arc<str>,
    /// Why a person is needed.
    pub reason: Arc<str>,
    /// Amount at stake.
    pub amount: Option<model::Money>,
    /// What the person sees and may correct, and the actions allowed.
    pub content: Value,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it should be resolved.
    pub due_at: Timestamp,
    /// Who resolved it, when and how.
    pub resolution: Value,
}

/// One event of the event log.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// Its id; under one correlation, an event with an id that is there already is not stored again.
    pub id: EventId,
    /// The hash under which runs look for it: type and correlation.
    pub correlation: Vec<u8>,
    /// The envelope.
    pub envelope: Value,
    /// When it arrived.
    pub at: Timestamp,
}

/// A run that waits for an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerRow {
    /// The hash it waits under: type and correlation.
    pub correlation: Vec<u8>,
    /// The run.
    pub run: RunId,
    /// Where in the run.
    pub position: Vec<u8>,
}

/// How far a change feed is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedPositionRow {
    /// The connection.
    pub connection: Arc<str>,
    /// The feed.
    pub feed: Arc<str>,
    /// The place, opaque here.
    pub position: Vec<u8>,
    /// When it was reached.
    pub at: Timestamp,
}

/// A notification that a system pushed and that is not worked off yet.
#[derive(Debug, Clone, PartialEq)]
pub struct InboxRow {
    /// The connection.
    pub connection: Arc<str>,
    /// The sender's id of it; the same one is kept once.
    pub id: Arc<str>,
    /// What it said.
    pub content: Value,
    /// When it came.
    pub at: Timestamp,
}

/// The newest version of a record that was turned into an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordVersionRow {
    /// The connection.
    pub connection: Arc<str>,
    /// The kind of record.
    pub record: Arc<str>,
    /// The record's id.
    pub id: Arc<str>,
    /// The system's version mark, or a hash.
    pub version: Arc<str>,
}

/// A canonical object that systems are kept in agreement about.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncedRow {
    /// The kind of object.
    pub object: Arc<str>,
    /// Its canonical key.
    pub key: Arc<str>,
    /// Its matter.
    pub transaction: TransactionId,
    /// What is agreed and what each side holds, opaque here.
    pub state: Value,
    /// What people call it.
    pub title: Arc<str>,
    /// The members that name other objects, with what they say. When the row is read, empty.
    pub links: Vec<(Arc<str>, Arc<str>)>,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// A run to be woken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerRow {
    /// When.
    pub due_at: Timestamp,
    /// The run.
    pub run: RunId,
    /// Where in the run.
    pub position: Vec<u8>,
}

/// The last known answer of a process API.
#[derive(Debug, Clone, PartialEq)]
pub struct CachedAnswer {
    /// The API and version.
    pub api: Arc<str>,
    /// What was asked.
    pub key: Arc<str>,
    /// What was answered.
    pub answer: Value,
    /// When.
    pub at: Timestamp,
}

/// Open work of one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueTotal {
    /// The queue.
    pub queue: Arc<str>,
    /// How many items.
    pub count: u64,
    /// Sums at stake, one per currency.
    pub amounts: Vec<model::Money>,
    /// How many of them were due before the instant that was asked for.
    pub late: u64,
    /// When the oldest of them was opened.
    pub opened_first: Timestamp,
    /// When the first of them is or was due.
    pub due_first: Timestamp,
}

/// Business matters of one stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageTotal {
    /// The stage.
    pub stage: Arc<str>,
    /// How many.
    pub count: u64,
    /// Sums, one per currency.
    pub amounts: Vec<model::Money>,
}

/// One change of durable state.
#[derive(Debug, Clone, PartialEq)]
pub enum Mutation {
    /// Writes a run's row whole. Parts, timers, listeners, intents and what it heard are written with it or after it, and go
    /// before it is removed.
    PutRun(RunRow),
    /// Removes a run's row, so that another can be started for its key.
    RemoveRun(RunId),
    /// A run is over: its timers, its listeners and what it heard go.
    ForgetRun(RunId),
    /// Writes an intent's row whole.
    PutIntent(IntentRow),
    /// The outcome of an intent is known.
    RemoveIntent(IntentId),
    /// Adds a line to a timeline.
    AppendJournal(JournalRow),
    /// Writes a matter's row whole.
    PutTransaction(TransactionRow),
    /// Learns a cross-reference.
    PutReference(ReferenceRow),
    /// The record does not stand for its object any more.
    RemoveReference {
        /// The object.
        object: Arc<str>,
        /// Its key.
        key: Arc<str>,
        /// The connection.
        connection: Arc<str>,
    },
    /// Writes a work item's row whole.
    PutWorkItem(WorkItemRow),
    /// Withdraws the open work items of a place in a run.
    WithdrawWorkItems {
        /// The matter.
        transaction: TransactionId,
        /// The run.
        run: RunId,
        /// Where in the run.
        position: Vec<u8>,
        /// What becomes their resolution.
        resolution: Value,
    },
    /// Adds an event to the log.
    AppendEvent(EventRow),
    /// Removes an event from under a correlation.
    RemoveEvent {
        /// The correlation.
        correlation: Vec<u8>,
        /// The event.
        id: EventId,
    },
    /// Removes the oldest events of those that arrived before an instant.
    RemoveEventsBefore {
        /// The instant.
        before: Timestamp,
        /// How many at the most.
        limit: u32,
    },
    /// Removes the oldest remembered answers of those that were given before an instant.
    RemoveAnswersBefore {
        /// The instant.
        before: Timestamp,
        /// How many at the most.
        limit: u32,
    },
    /// A run waits for events.
    PutListener(ListenerRow),
    /// A place in a run waits for no events any more.
    RemoveListeners {
        /// The run.
        run: RunId,
        /// Where in the run.
        position: Vec<u8>,
    },
    /// A run has taken an event in.
    PutHeard {
        /// The run.
        run: RunId,
        /// The event.
        event: EventId,
    },
    /// A feed is read up to here.
    PutFeedPosition(FeedPositionRow),
    /// Keeps a pushed notification.
    PutInbox(InboxRow),
    /// It is worked off.
    RemoveInbox {
        /// The connection.
        connection: Arc<str>,
        /// The sender's id of it.
        id: Arc<str>,
    },
    /// Remembers a record's version.
    PutRecordVersion(RecordVersionRow),
    /// Writes the row of an object that is kept in agreement.
    PutSynced(SyncedRow),
    /// By which values an object is recognised when a system that does not know its key names it.
    PutMatchKeys {
        /// The kind of object.
        object: Arc<str>,
        /// Its canonical key.
        key: Arc<str>,
        /// All of them; those that it had before go.
        values: Vec<Arc<str>>,
    },
    /// Wakes a run later; a place in a run has one instant.
    PutTimer(TimerRow),
    /// Does not wake it.
    RemoveTimer {
        /// The run.
        run: RunId,
        /// Where in the run.
        position: Vec<u8>,
    },
    /// Remembers an answer.
    PutAnswer(CachedAnswer),
    /// Keeps a definition's text under its content hash.
    PutDefinition {
        /// The hash.
        hash: Arc<str>,
        /// The text.
        text: Arc<str>,
    },
}
