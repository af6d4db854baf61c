//! Connectors and their configured instances.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use jiff::Timestamp;
use model::{ConnectionName, Problem, Value};
use tokio::sync::mpsc;

use crate::{
    Action, Bulk, Call, CallError, ChangePage, Fate, FeedError, FeedItem, FeedRequest, Position, PushedChanges, Secrets,
};

/// What a connector can do with an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionInfo {
    /// The action.
    pub action: Action,
    /// How many calls of it are best handed over together; at least 1.
    pub gather_max: usize,
}

/// Ways in which a connector learns of changes, besides asking for them (`changed_since`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Follows {
    /// It can subscribe to topics.
    pub topics: bool,
    /// It understands what the system pushes.
    pub pushes: bool,
}

/// A setting of a connection that cannot work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingError {
    /// Dotted path of the setting inside the connection file (`auth.username`).
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

/// What a connection is opened with.
pub struct Settings<'a> {
    /// Its name.
    pub name: ConnectionName,
    /// The content of its file, without functions and feeds.
    pub settings: &'a Value,
    /// Where secrets are looked up.
    pub secrets: &'a dyn Secrets,
}

/// The driver for a kind of system.
pub trait Connector: Send + Sync {
    /// The word for it in connection files: `salesforce`, `s4hana`.
    fn name(&self) -> &'static str;

    /// What it can do.
    fn actions(&self) -> &'static [ActionInfo];

    /// How it can follow changes. A feed of another kind is refused when definitions are loaded.
    fn follows(&self) -> Follows {
        Follows::default()
    }

    /// Names of the settings it understands besides the common ones, for checks: every mistake at once, nothing is contacted.
    fn check(&self, settings: &Value) -> Vec<SettingError>;

    /// Makes an instance. Nothing is contacted yet.
    ///
    /// # Errors
    /// When a secret is missing or a setting is wrong.
    fn open(&self, settings: Settings<'_>) -> Result<Arc<dyn Connection>, Problem>;
}

/// A field of a record, as the system describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldDescription {
    /// Its name.
    pub name: Arc<str>,
    /// The vendor's type (`Edm.Decimal`, `currency`).
    pub vendor_type: Arc<str>,
    /// Whether it can be written on create.
    pub creatable: bool,
    /// Whether it can be written on update.
    pub updatable: bool,
    /// Longest text, in characters.
    pub length_max: Option<usize>,
    /// Whether records can be upserted by it.
    pub external_id: bool,
}

/// A kind of record, as the system describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordDescription {
    /// Its name.
    pub name: Arc<str>,
    /// Its fields.
    pub fields: Vec<FieldDescription>,
    /// Names of its child lists, with the kind of the children.
    pub children: Vec<(Arc<str>, Arc<str>)>,
}

/// One configured instance of a connector.
pub trait Connection: Send + Sync {
    /// Carries out calls that all have the same action and record. The result at each place belongs to the call at that place.
    fn execute<'a>(&'a self, calls: &'a [Call]) -> BoxFuture<'a, Vec<Result<Value, CallError>>>;

    /// Looks whether a create whose fate is unknown has happened, by [`Call::probe`]: the record when it has.
    fn probe<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<Option<Value>, CallError>>;

    /// Asks the system what a kind of record looks like.
    fn describe<'a>(&'a self, record: &'a str) -> BoxFuture<'a, Result<RecordDescription, CallError>>;

    /// Checks that the system can be reached and takes the credentials.
    fn check(&self) -> BoxFuture<'_, Result<(), CallError>>;

    /// Follows a change feed until it ends or the receiver is dropped. The sender's capacity is the flow control. That the
    /// subscription is open is told by [`FeedRequest::opened`].
    fn subscribe<'a>(
        &'a self,
        request: FeedRequest,
        items: mpsc::Sender<FeedItem>,
    ) -> BoxFuture<'a, Result<(), FeedError>>;

    /// Understands one request that the system pushed to Interlock's event listener: its notifications in their order, those
    /// that cannot be used with the reason, so that the others need not wait for them.
    ///
    /// # Errors
    /// [`crate::ErrorClass::Rejected`] when the request as a whole cannot be read.
    fn receive(&self, headers: &http::HeaderMap, body: &Bytes) -> Result<PushedChanges, CallError>;

    /// Ids of the records of a kind that changed at or after an instant, page by page.
    fn changed_since<'a>(
        &'a self,
        record: &'a str,
        since: Timestamp,
        page: Option<Position>,
    ) -> BoxFuture<'a, Result<ChangePage, CallError>>;

    /// What has become of records of a kind that cannot be read, each at its place. A system that does not tell says that they
    /// are absent.
    fn fates<'a>(&'a self, record: &'a str, ids: &'a [Arc<str>]) -> BoxFuture<'a, Result<Vec<Fate>, CallError>> {
        let _ = record;
        Box::pin(std::future::ready(Ok(vec![Fate::Absent; ids.len()])))
    }

    /// How it reads and writes many records at once, where its system has a way of its own for that.
    fn bulk(&self) -> Option<&dyn Bulk> {
        None
    }
}
