//! Filters of events: what a `listen` or a schedule waits for, as a driver needs it to route events.

use std::sync::Arc;

use expr::Expression;
use model::Value;

/// Which events are wanted: every condition that is present must hold.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct EventFilter {
    /// The `type` attribute.
    pub event_type: Option<Arc<str>>,
    /// The `source` attribute.
    pub source: Option<Arc<str>>,
    /// The `subject` attribute.
    pub subject: Option<Arc<str>>,
    /// Other attributes and what they equal.
    pub attributes: Vec<(Arc<str>, Value)>,
    /// A condition on the data.
    pub data: Option<DataCondition>,
    /// Values that are taken from the event by an expression, and what they equal.
    pub correlations: Vec<Correlation>,
    /// Whether an event of this filter ends the listening instead of being handed on.
    pub ends: bool,
}

/// A condition on an event's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataCondition {
    /// A jq expression over the data that must hold. The machine evaluates it again, with the run's variables: a driver
    /// need not look at it.
    Holds(Arc<str>),
    /// The data itself, exactly.
    Equals(Value),
}

/// A link between an event and a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correlation {
    /// Its name.
    pub name: Arc<str>,
    /// A jq expression over the whole event that gives the value.
    pub from: Arc<str>,
    /// What the value must be; `None` while any is accepted.
    pub expected: Option<Value>,
}

/// What a workflow may ever listen for by one filter, as far as its document tells before it runs: a driver sorts events by
/// this before it knows who waits for them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Interest {
    /// The `type` attribute, when it is a constant; `None` for any.
    pub event_type: Option<Arc<str>>,
    /// Names of the other attributes that the filter compares, sorted.
    pub attributes: Vec<Arc<str>>,
    /// The expressions over the event whose value the run knows when it begins to listen, sorted.
    pub correlations: Vec<Arc<str>>,
}

impl EventFilter {
    /// Whether the event's attributes, except correlations and data, are the wanted ones.
    #[must_use]
    pub fn accepts_attributes(&self, event: &Value) -> bool {
        let is = |name: &str, wanted: &Option<Arc<str>>| {
            wanted.as_ref().is_none_or(|wanted| event.get(name).as_str() == Some(wanted))
        };
        is("type", &self.event_type)
            && is("source", &self.source)
            && is("subject", &self.subject)
            && self.attributes.iter().all(|(name, wanted)| event.get(name) == wanted)
    }

    /// Whether the event is wanted. Expressions that use variables of the run are left to the machine. This compiles the
    /// expressions each time; a driver with many filters keeps them compiled by their texts.
    #[must_use]
    pub fn accepts(&self, event: &Value) -> bool {
        let evaluate = |text: &str, dot: &Value| {
            Expression::compile_with(text, &[]).ok()?.evaluate(dot, &[], expr::Limits::default()).ok()
        };
        self.accepts_attributes(event)
            && match &self.data {
                None => true,
                Some(DataCondition::Equals(wanted)) => event.get("data") == wanted,
                Some(DataCondition::Holds(text)) => evaluate(text, event.get("data"))
                    .is_none_or(|value| !matches!(value, Value::Null | Value::Bool(false))),
            }
            && self.correlations.iter().all(|correlation| {
                correlation
                    .expected
                    .as_ref()
                    .is_none_or(|expected| evaluate(&correlation.from, event).is_none_or(|value| value == *expected))
            })
    }
}

/// A number for an event's identity, which is its source and id (CloudEvents 1.0, chapter 3.1): FNV-1a.
pub(crate) fn fingerprint(event: &Value) -> Option<u64> {
    let id = event.get("id").as_str()?;
    let source = event.get("source").as_str().unwrap_or("");
    Some(hash([source.as_bytes(), &[0], id.as_bytes()]))
}

/// FNV-1a over some bytes: the same on every machine and in every version.
pub(crate) fn hash<const N: usize>(parts: [&[u8]; N]) -> u64 {
    parts
        .into_iter()
        .flatten()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
