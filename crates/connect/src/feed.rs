//! How a connection tells what changed in its system.

use std::sync::Arc;

use jiff::Timestamp;
use model::Value;
use tokio::sync::Notify;

/// What has become of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is there.
    There,
    /// It was deleted.
    Deleted,
    /// It was merged into another record of its kind, which stays.
    Merged {
        /// The system's id of that record.
        into: Arc<str>,
    },
    /// It is not there, and the system does not say why: it may be gone for good, or only not be visible.
    Absent,
}

/// A place in a change feed, opaque to everybody but the connector.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Position(pub Vec<u8>);

/// What happened to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// It is new.
    Created,
    /// Some fields changed.
    Updated,
    /// It is gone.
    Deleted,
    /// It is back.
    Undeleted,
    /// Something changed that the feed does not describe: re-read the record.
    Unknown,
    /// More changed than the feed describes, in every record of this kind since the instant of the change: re-read them all.
    Overflow,
}

/// One change of one or more records.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The kind of record, as [`crate::Call::record`] spells it.
    pub record: Arc<str>,
    /// The system's ids of the records; empty for [`ChangeKind::Overflow`].
    pub ids: Vec<Arc<str>>,
    /// What happened.
    pub kind: ChangeKind,
    /// Names of the fields that changed, where the feed tells.
    pub changed: Vec<Arc<str>>,
    /// New values of the changed fields, where the feed carries them.
    pub values: Value,
    /// When, by the system's clock.
    pub at: Timestamp,
    /// Whether the change was made through this connection's own client identity.
    pub ours: bool,
}

/// What a subscription delivers.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedItem {
    /// Changes in the feed's order; empty for a keep-alive.
    pub changes: Vec<Change>,
    /// The place after them: to be kept in the same commit as what the changes cause.
    pub position: Position,
}

/// Where to subscribe.
#[derive(Debug, Clone)]
pub struct FeedRequest {
    /// The vendor's name of the feed (`/data/QuoteChangeEvent`).
    pub topic: Arc<str>,
    /// After which place; `None` starts with what comes next.
    pub after: Option<Position>,
    /// To be told as soon as the system has accepted the subscription; an item tells the same.
    pub opened: Opened,
}

/// How a connection tells that a subscription is open: a quiet feed may not say anything for a long time.
#[derive(Debug, Clone, Default)]
pub struct Opened(Arc<Notify>);

impl Opened {
    /// The system has accepted the subscription.
    pub fn tell(&self) {
        self.0.notify_one();
    }

    /// Waits until that is told.
    pub async fn told(&self) {
        self.0.notified().await;
    }
}

/// Why a subscription ended.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FeedError {
    /// The place is too old or not valid any more: what lies between must be re-read.
    #[error("the place in the feed is not available any more: {0}")]
    PositionLost(String),
    /// Anything else; the subscription is to be opened again after the last place.
    #[error(transparent)]
    Call(#[from] crate::CallError),
}

/// One notification that a system pushed to Interlock, as the connector understood it.
#[derive(Debug, Clone, PartialEq)]
pub struct PushedChange {
    /// The sender's id of the notification, for de-duplication.
    pub id: Arc<str>,
    /// Which sender, as ids are unique of each one only; empty where it does not say.
    pub source: Arc<str>,
    /// The vendor's event type (`sap.s4.beh.salesorder.v1.SalesOrder.Changed.v1`).
    pub event_type: Arc<str>,
    /// When, by the system's clock.
    pub at: Timestamp,
    /// The keys it carries, by the vendor's names (`{"SalesOrder": "4711"}`).
    pub keys: Value,
}

/// One part of a pushed request that cannot be used as a notification.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{reason}")]
pub struct RefusedChange {
    /// The sender's id of it, where it has one that can be used.
    pub id: Option<Arc<str>>,
    /// The vendor's event type, where it has one that can be used.
    pub event_type: Option<Arc<str>>,
    /// Why not, one sentence without a full stop.
    pub reason: String,
}

/// What one pushed request holds, in its order.
pub type PushedChanges = Vec<Result<PushedChange, RefusedChange>>;

/// One page of the records changed since an instant: how a sweep finds what a feed lost.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangePage {
    /// Ids with the system's own version mark (`SystemModstamp`, `LastChangeDateTime`), oldest change first.
    pub records: Vec<(Arc<str>, Arc<str>)>,
    /// Where the next page starts; `None` on the last page.
    pub next: Option<Position>,
}
