//! What a workflow may ever listen for, known before any run does: a driver keeps events that come early by it.

use std::sync::Arc;

use model::Value;

use crate::code::Template;
use crate::definition::{Filter, Kind};
use crate::workflow::Workflow;

/// One kind of event that a `listen` of the document may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Interest {
    /// The `type` attribute, where the document gives it as a constant.
    pub event_type: Option<Arc<str>>,
    /// The jq expressions of the correlations whose value the document knows, in its order.
    pub correlations: Vec<Arc<str>>,
}

impl Workflow {
    /// What this workflow may ever listen for; what starts its runs is in [`Workflow::starts`].
    #[must_use]
    pub fn interests(&self) -> Vec<Interest> {
        let mut found: Vec<Interest> = Vec::new();
        for task in &self.tasks.all {
            let Kind::Listen(listen) = &task.kind else { continue };
            for interest in listen.filters.iter().map(of) {
                if !found.contains(&interest) {
                    found.push(interest);
                }
            }
        }
        found
    }
}

fn of(filter: &Filter) -> Interest {
    let constant = |template: &Template| match template {
        Template::Literal(Value::String(text)) => Some(Arc::clone(text)),
        _ => None,
    };
    let known = filter.correlations.iter().filter(|correlate| correlate.expect.is_some());
    Interest {
        event_type: filter.attributes.iter().find(|(name, _)| &**name == "type").and_then(|(_, value)| constant(value)),
        correlations: known.map(|correlate| Arc::clone(correlate.from.text())).collect(),
    }
}
