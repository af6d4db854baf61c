//! Connections: how a system is reached, which business functions it offers and which of its changes are followed.

use std::sync::Arc;
use std::time::Duration;

use connect::{Action, Selection};
use expr::Expression;
use indexmap::IndexMap;
use mapping::Mapping;
use model::{ConnectionName, FunctionName, ObjectName, Value};

use crate::object::ObjectDefinition;
use crate::occasions::OccasionRule;

/// One file of `connections/`.
#[derive(Debug)]
pub struct ConnectionDefinition {
    /// Its name: the file's name without extension.
    pub name: ConnectionName,
    /// The word of its connector: `salesforce`, `s4hana`.
    pub connector: Arc<str>,
    /// The settings that are the connector's own (url, auth, …), environment already filled in.
    pub settings: Value,
    /// How much may be asked of the system.
    pub limits: ConnectionLimits,
    /// How transient errors are retried.
    pub retry: RetryPolicy,
    /// Its functions by name.
    pub functions: IndexMap<FunctionName, Arc<Function>>,
    /// Its feeds by name.
    pub feeds: IndexMap<Arc<str>, Arc<Feed>>,
}

/// How much may be asked of a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Requests under way at the same time.
    pub concurrent: usize,
    /// Requests per second; `None` for no limit.
    pub per_second: Option<u32>,
    /// Requests per day; `None` for no limit.
    pub daily: Option<u64>,
}

/// How transient errors are retried: for ever, with growing waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// The first wait.
    pub first: Duration,
    /// By how much each wait is longer than the one before.
    pub factor: f64,
    /// The longest wait.
    pub longest: Duration,
    /// How long a call whose answer was lost may still take effect: only after so long is it believed that it did not happen.
    pub settle: Duration,
}

/// What doing the same again would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It changes nothing.
    None,
    /// The same again changes nothing more.
    Repeatable,
    /// The same again would double it: probed by business key before anything is sent again.
    Once,
}

/// One business function of a connection.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: FunctionName,
    /// Its version.
    pub version: Arc<str>,
    /// The connection it belongs to.
    pub connection: ConnectionName,
    /// What is done.
    pub action: Action,
    /// With which kind of record.
    pub record: Arc<str>,
    /// What doing it twice would do.
    pub effect: Effect,
    /// Turns its input into the record and the answered record into its output.
    pub mapping: Option<Arc<Mapping>>,
    /// jq from the input to what the mapping's write side (or, without mapping, the system) takes.
    pub input: Option<Expression>,
    /// jq from what the mapping's read side (or, without mapping, the system) gives to the output. `$input` is the input.
    pub output: Option<Expression>,
    /// Which record: field, and its value as jq on the input.
    pub key: Option<(Arc<str>, Expression)>,
    /// The intent's business key as jq on the input.
    pub business_key: Option<Expression>,
    /// What a probe looks for: fields, and values as jq on the input.
    pub probe: Vec<(Arc<str>, Expression)>,
    /// Whether it is looked for before it is sent for the first time, because others may have made it: what is there is
    /// taken as its answer.
    pub look_first: bool,
    /// The cross-reference that success teaches.
    pub reference: Option<ReferenceRule>,
    /// What is asked back.
    pub select: Arc<Selection>,
    /// How long one call may take.
    pub timeout: Duration,
}

/// A cross-reference that is learnt from a function's success.
#[derive(Debug)]
pub struct ReferenceRule {
    /// The canonical object.
    pub object: ObjectName,
    /// Its canonical key, as jq on the function's input.
    pub key: Expression,
    /// The record's id, as jq on the function's output.
    pub id: Expression,
}

/// Where a feed's changes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedSource {
    /// A topic that is subscribed.
    Topic(Arc<str>),
    /// Notifications that the system pushes: a pattern of event types with `*`.
    Push(Arc<str>),
    /// Nothing tells of them: the system is asked, as the feed's sweep says.
    Sweep,
}

/// One followed kind of change.
#[derive(Debug)]
pub struct Feed {
    /// Its name.
    pub name: Arc<str>,
    /// The connection it belongs to.
    pub connection: ConnectionName,
    /// Where its changes come from.
    pub source: FeedSource,
    /// The kind of record that is re-read.
    pub record: Arc<str>,
    /// Pushed notifications: the record's id as jq on the notification's keys.
    pub id: Option<Expression>,
    /// Only when one of these fields changed; empty for all. Changes of unknown extent always count.
    pub changed: Vec<Arc<str>>,
    /// Only when this holds for the values that the feed carries. Not asked when it carries none.
    pub condition: Option<Expression>,
    /// Turns the record into the canonical object.
    pub mapping: Arc<Mapping>,
    /// The canonical object.
    pub object: ObjectName,
    /// What the object has to look like.
    pub schema: Arc<ObjectDefinition>,
    /// Type of the canonical event.
    pub event_type: Arc<str>,
    /// Business key: jq on the canonical object.
    pub key: Expression,
    /// Only canonical objects for which this holds.
    pub only: Option<Expression>,
    /// Canonical keys of other records that are added to the object.
    pub resolve: Vec<ResolveRule>,
    /// How occasions of a record are told apart: what it starts is started once for each. `None` for once at all.
    pub occasion: Option<OccasionRule>,
    /// The safety net.
    pub sweep: Option<Sweep>,
    /// What is asked when the record is re-read.
    pub select: Arc<Selection>,
}

/// Adds to a canonical object the canonical key of a record that it names, or that record's id in another connection.
#[derive(Debug)]
pub struct ResolveRule {
    /// The member that is added; `null` when the record is not known.
    pub member: Arc<str>,
    /// The other record's canonical object.
    pub object: ObjectName,
    /// The other record's id in this connection: jq on the canonical object.
    pub id: Expression,
    /// The connection in which its id is wanted, instead of its key.
    pub at: Option<ConnectionName>,
    /// What becomes of the record while the other one is not known.
    pub unknown: Unknown,
}

/// What becomes of a record that names another one which is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unknown {
    /// It waits for a while and is handed over without it then.
    #[default]
    Without,
    /// It waits for as long as it takes, and a person is told after a while.
    Wait,
    /// It is handed over at once, with `{ connection: id }` of the other record in the member.
    Name,
}

/// How a feed's losses are found.
#[derive(Debug)]
pub struct Sweep {
    /// How often.
    pub every: Duration,
    /// How far each sweep reaches back behind the one before.
    pub overlap: Duration,
    /// Other records whose changes are changes of this one.
    pub with: Vec<SweptWith>,
    /// How often these are looked at; with each sweep when it is not said.
    pub with_every: Option<Duration>,
}

/// Records beside the feed's own that say something of them.
#[derive(Debug)]
pub struct SweptWith {
    /// The kind of record.
    pub record: Arc<str>,
    /// The id of the feed's record: jq on the other's id, an object where its key has several parts.
    pub id: Expression,
}
