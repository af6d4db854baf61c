//! Which workflows an event starts.

use expr::{Expression, Limits};
use model::Value;
use workflow::{DataCondition, EventFilter};

use crate::work::Pinned;

/// The conditions of all workflows of the release, compiled once.
#[derive(Default)]
pub(crate) struct Starts(Vec<Rule>);

struct Rule {
    workflow: Pinned,
    filters: Vec<Filter>,
}

struct Filter {
    attributes: EventFilter,
    data: Option<Data>,
    correlations: Vec<(Expression, Value)>,
}

enum Data {
    Holds(Expression),
    Equals(Value),
}

impl Starts {
    pub(crate) fn new(workflows: impl Iterator<Item = Pinned>) -> Self {
        let rules = workflows.map(|workflow| {
            let filters = workflow.definition.workflow.starts().events.iter().map(Filter::new).collect();
            Rule { workflow, filters }
        });
        Self(rules.filter(|rule| !rule.filters.is_empty()).collect())
    }

    /// The workflows that this event starts.
    pub(crate) fn of<'a>(&'a self, event: &'a Value) -> impl Iterator<Item = &'a Pinned> {
        let rules = self.0.iter().filter(|rule| rule.filters.iter().any(|filter| filter.accepts(event)));
        rules.map(|rule| &rule.workflow)
    }
}

impl Filter {
    fn new(filter: &EventFilter) -> Self {
        let data = filter.data.as_ref().and_then(|data| match data {
            // An expression over variables has nothing to see before there is a run.
            DataCondition::Holds(text) => Expression::compile_with(text, &[]).ok().map(Data::Holds),
            DataCondition::Equals(value) => Some(Data::Equals(value.clone())),
        });
        let correlations = filter.correlations.iter().filter_map(|correlation| {
            let expected = correlation.expected.clone()?;
            Some((Expression::compile_with(&correlation.from, &[]).ok()?, expected))
        });
        Self { attributes: filter.clone(), data, correlations: correlations.collect() }
    }

    fn accepts(&self, event: &Value) -> bool {
        self.attributes.accepts_attributes(event)
            && match &self.data {
                None => true,
                Some(Data::Holds(expression)) => {
                    expression.is_true(event.get("data"), &[], Limits::default()).unwrap_or(false)
                }
                Some(Data::Equals(wanted)) => event.get("data") == wanted,
            }
            && self.correlations.iter().all(|(from, expected)| {
                from.evaluate(event, &[], Limits::default()).is_ok_and(|value| value == *expected)
            })
    }
}
