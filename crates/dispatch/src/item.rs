//! One thing that is asked of the system, and who waits for it.

use std::sync::Arc;

use connect::{Call, CallError, ChangePage, Fate, Position};
use definitions::{Effect, Function};
use jiff::Timestamp;
use model::{IntentId, Value};
use tokio::sync::{mpsc, oneshot};
use workflow::Fault;

/// Where the workload stands in the id of an intent.
const WORKLOAD_PLACE: usize = 13;

/// The workload of an intent: the byte of its id before the last two.
fn workload_of(intent: IntentId) -> u8 {
    intent.uuid().into_bytes()[WORKLOAD_PLACE]
}

/// One thing that is asked.
pub(crate) struct Item {
    /// What, and for whom.
    pub(crate) work: Work,
    /// The call, once it was made of the input.
    pub(crate) call: Option<Call>,
    /// How often it was sent.
    pub(crate) attempts: u32,
    /// How often it failed in a row.
    pub(crate) failures: u32,
    /// How often its fate was unknown.
    pub(crate) doubts: u32,
    /// Whether its fate is unknown now.
    pub(crate) in_doubt: bool,
    /// Whether it is asked by itself: an answer for it and others could not be understood.
    pub(crate) alone: bool,
    /// When it was sent first.
    pub(crate) sent_at: Option<Timestamp>,
    /// Since when it fails, by the steady time.
    pub(crate) failing_since: Option<Timestamp>,
    /// When its answer was lost last, by the steady time.
    pub(crate) lost_at: Option<Timestamp>,
}

/// What is asked, and who waits for it.
pub(crate) enum Work {
    /// An intent: told of through reports, however long it takes.
    Intent {
        /// Which.
        intent: IntentId,
        /// Which time it was submitted, as an intent may be withdrawn and submitted again.
        ticket: u64,
        /// The function.
        function: Arc<Function>,
        /// Its input.
        input: Value,
    },
    /// A call whose caller waits.
    Ask {
        /// The function.
        function: Arc<Function>,
        /// Its input.
        input: Value,
        /// Until when the caller waits.
        deadline: Timestamp,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<Value, Fault>>,
    },
    /// One record of a gathered read.
    Read {
        /// Its place in the caller's list.
        place: usize,
        /// Where the answers go.
        answers: mpsc::UnboundedSender<(usize, Result<Value, CallError>)>,
    },
    /// A page of what changed.
    Changes {
        /// The kind of record.
        record: Arc<str>,
        /// Since when.
        since: Timestamp,
        /// From where.
        page: Option<Position>,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<ChangePage, CallError>>,
    },
    /// What has become of records.
    Fates {
        /// The kind of record.
        record: Arc<str>,
        /// Their ids.
        ids: Vec<Arc<str>>,
        /// Where the answer goes.
        answer: oneshot::Sender<Result<Vec<Fate>, CallError>>,
    },
}

impl Item {
    pub(crate) const fn new(work: Work, call: Option<Call>) -> Self {
        Self {
            work,
            call,
            attempts: 0,
            failures: 0,
            doubts: 0,
            in_doubt: false,
            alone: false,
            sent_at: None,
            failing_since: None,
            lost_at: None,
        }
    }

    /// What doing it twice would do.
    pub(crate) fn effect(&self) -> Effect {
        match &self.work {
            Work::Intent { function, .. } | Work::Ask { function, .. } => function.effect,
            Work::Read { .. } | Work::Changes { .. } | Work::Fates { .. } => Effect::None,
        }
    }

    /// The function that is called; `None` where records are read or looked for.
    pub(crate) fn function(&self) -> Option<&str> {
        match &self.work {
            Work::Intent { function, .. } | Work::Ask { function, .. } => Some(function.name.as_str()),
            Work::Read { .. } | Work::Changes { .. } | Work::Fates { .. } => None,
        }
    }

    /// Whether the one who waited has gone. Intents are asked about elsewhere.
    pub(crate) fn is_abandoned(&self) -> bool {
        match &self.work {
            Work::Intent { .. } => false,
            Work::Ask { answer, .. } => answer.is_closed(),
            Work::Read { answers, .. } => answers.is_closed(),
            Work::Changes { answer, .. } => answer.is_closed(),
            Work::Fates { answer, .. } => answer.is_closed(),
        }
    }

    /// Whose turn it takes among those who wait for the same: who makes an intent says in its id which workload it is of.
    pub(crate) fn workload(&self) -> u8 {
        match &self.work {
            Work::Intent { intent, .. } => workload_of(*intent),
            _ => 0,
        }
    }

    /// Where it waits when it can be sent.
    pub(crate) const fn place(&self) -> Place {
        match self.work {
            _ if self.in_doubt => Place::Probe,
            Work::Ask { .. } => Place::Urgent,
            _ => Place::Ready,
        }
    }
}

/// The queues of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Somebody waits for the answer.
    Urgent,
    /// To be sent.
    Ready,
    /// To be looked for before it is sent again.
    Probe,
}

/// What came of an item.
pub(crate) enum Came {
    /// The function's output, with the cross-reference it teaches.
    Success(Box<crate::Success>),
    /// It happened; its answer cannot be read.
    Unreadable(Fault),
    /// A record that was read.
    Record(Value),
    /// What changed.
    Page(ChangePage),
    /// What has become of records.
    Fates(Vec<Fate>),
    /// It was looked for and is not there.
    Absent,
    /// The input does not fit the function: nothing was sent now.
    Unsent(Fault),
    /// The system or the way to it failed.
    Failed(CallError),
}
