//! What happens to runs and their tasks, for those who watch: as the standard's life-cycle events.

use std::sync::Arc;

use jiff::Timestamp;
use model::{RunId, Value};
use workflow::{TraceEntry, TraceEvent, Workflow};

/// The family of the types of these events (DSL 1.0, chapter "Lifecycle events").
pub(crate) const FAMILY: &str = "io.serverlessworkflow.";

fn is_of_family(event_type: Option<&Arc<str>>) -> bool {
    event_type.is_some_and(|event_type| event_type.starts_with(FAMILY))
}

/// Whether a workflow is started by such events, or may listen for them. Nothing is told of its own runs by such events: it
/// would go round for ever.
pub(crate) fn hears_life_cycle(workflow: &Workflow) -> bool {
    workflow.starts().events.iter().any(|filter| is_of_family(filter.event_type.as_ref()))
        || workflow.interests().iter().any(|interest| is_of_family(interest.event_type.as_ref()))
}

/// What happened to a run or to one of its tasks. Told after it is durable, in the order in which it happened to the run.
#[derive(Debug, Clone)]
pub struct Happening {
    /// When.
    pub at: Timestamp,
    /// The run.
    pub run: RunId,
    /// Its workflow, as `namespace`, `name` and `version`.
    pub workflow: [Arc<str>; 3],
    /// What.
    pub entry: TraceEntry,
}

impl Happening {
    /// The CloudEvent that the standard describes for it; `None` for what it has no event for, such as a task that was skipped.
    #[must_use]
    pub fn to_cloud_event(&self) -> Option<Value> {
        let [namespace, name, version] = &self.workflow;
        let of_run = self.entry.pointer.is_empty();
        let (what, instant) = match &self.entry.event {
            TraceEvent::Started => ("started", "startedAt"),
            TraceEvent::Completed => ("completed", "completedAt"),
            TraceEvent::Faulted(_) => ("faulted", "faultedAt"),
            TraceEvent::Cancelled => ("cancelled", "cancelledAt"),
            TraceEvent::Retrying { .. } | TraceEvent::RetriedByHand if !of_run => ("retried", "retriedAt"),
            TraceEvent::Skipped | TraceEvent::Caught(_) | TraceEvent::Retrying { .. } | TraceEvent::RetriedByHand => {
                return None;
            }
        };
        let qualified = format!("{name}-{}.{namespace}", self.run);
        let mut data = match of_run {
            true => Value::object([("name", Value::from(qualified.as_str()))]),
            false => Value::object([
                ("workflow", Value::from(qualified.as_str())),
                ("task", Value::from(Arc::clone(&self.entry.pointer))),
            ]),
        };
        if of_run && matches!(self.entry.event, TraceEvent::Started) {
            let definition = Value::object([
                ("name", Value::from(Arc::clone(name))),
                ("namespace", Value::from(Arc::clone(namespace))),
                ("version", Value::from(Arc::clone(version))),
            ]);
            data.set("definition", definition);
        }
        data.set(instant, self.at.to_string());
        if let TraceEvent::Faulted(fault) = &self.entry.event {
            data.set("error", fault.to_value());
        }
        if !self.entry.iterations.is_empty() {
            data.set("iterations", Value::array(self.entry.iterations.iter().copied().map(Value::from)));
        }
        let subject = if of_run { "workflow" } else { "task" };
        Some(Value::object([
            ("specversion", Value::from("1.0")),
            ("id", Value::from(model::EventId::now().to_string())),
            ("source", Value::from(format!("/workflows/{namespace}/{name}"))),
            ("type", Value::from(format!("{FAMILY}{subject}.{what}.v1"))),
            ("subject", Value::from(qualified)),
            ("time", Value::from(self.at.to_string())),
            ("datacontenttype", Value::from("application/json")),
            ("data", data),
        ]))
    }
}
