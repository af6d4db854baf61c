//! What happens to runs and their tasks, for those who watch: as the standard's life-cycle events.

use std::sync::Arc;

use jiff::Timestamp;
use model::{Object, RunId, Value};
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
    /// What the run gave, where this is its end.
    pub output: Option<Value>,
}

impl Happening {
    /// The CloudEvents that the standard describes for it, in their order; none for what it has no event for, such as a task that
    /// was skipped. The convenience events for each change of a status are left out, as they say nothing else.
    #[must_use]
    pub fn to_cloud_events(&self) -> Vec<Value> {
        let of_run = self.entry.pointer.is_empty();
        match &self.entry.event {
            // A task that is made begins at once.
            TraceEvent::Started if !of_run => {
                vec![self.event("task.created", "createdAt"), self.event("task.started", "startedAt")]
            }
            TraceEvent::Started => {
                let [namespace, name, version] = &self.workflow;
                let members = [("name", name), ("namespace", namespace), ("version", version)];
                let definition = members.map(|(member, text)| (member, Value::from(Arc::clone(text))));
                vec![with(self.event("workflow.started", "startedAt"), "definition", Value::object(definition))]
            }
            TraceEvent::Completed => {
                let event = self.of_its_own("completed", "completedAt");
                vec![self.output.iter().fold(event, |event, output| with(event, "output", output.clone()))]
            }
            TraceEvent::Faulted(fault) => {
                vec![with(self.of_its_own("faulted", "faultedAt"), "error", fault.to_value())]
            }
            TraceEvent::Cancelled => vec![self.of_its_own("cancelled", "cancelledAt")],
            TraceEvent::Suspended => vec![self.of_its_own("suspended", "suspendedAt")],
            TraceEvent::Resumed => vec![self.of_its_own("resumed", "resumedAt")],
            TraceEvent::Retrying { .. } | TraceEvent::RetriedByHand if !of_run => {
                vec![self.event("task.retried", "retriedAt")]
            }
            TraceEvent::Listening => vec![self.event("workflow.correlation-started", "startedAt")],
            TraceEvent::Heard { keys } => {
                let event = self.event("workflow.correlation-completed", "completedAt");
                let keys = keys.iter().map(|(name, value)| (Arc::clone(name).into(), value.clone()));
                let keys: Object = keys.collect();
                vec![if keys.is_empty() { event } else { with(event, "correlationKeys", Value::from(keys)) }]
            }
            TraceEvent::Skipped | TraceEvent::Caught(_) | TraceEvent::Retrying { .. } | TraceEvent::RetriedByHand => {
                Vec::new()
            }
        }
    }

    /// The event of the run, or of the task, that it happened to.
    fn of_its_own(&self, what: &str, instant: &str) -> Value {
        let subject = if self.entry.pointer.is_empty() { "workflow" } else { "task" };
        self.event(&format!("{subject}.{what}"), instant)
    }

    fn event(&self, what: &str, instant: &str) -> Value {
        let [namespace, name, _] = &self.workflow;
        let qualified = format!("{name}-{}.{namespace}", self.run);
        let mut data = match what.starts_with("workflow.") {
            true => Value::object([("name", Value::from(qualified.as_str()))]),
            false => Value::object([
                ("workflow", Value::from(qualified.as_str())),
                ("task", Value::from(Arc::clone(&self.entry.pointer))),
            ]),
        };
        data.set(instant, self.at.to_string());
        if !self.entry.iterations.is_empty() {
            data.set("iterations", Value::array(self.entry.iterations.iter().copied().map(Value::from)));
        }
        Value::object([
            ("specversion", Value::from("1.0")),
            ("id", Value::from(model::EventId::now().to_string())),
            ("source", Value::from(format!("/workflows/{namespace}/{name}"))),
            ("type", Value::from(format!("{FAMILY}{what}.v1"))),
            ("subject", Value::from(qualified)),
            ("time", Value::from(self.at.to_string())),
            ("datacontenttype", Value::from("application/json")),
            ("data", data),
        ])
    }
}

/// The event with another member in its data.
fn with(mut event: Value, name: &str, value: Value) -> Value {
    let mut data = event.get("data").clone();
    data.set(name, value);
    event.set("data", data);
    event
}
