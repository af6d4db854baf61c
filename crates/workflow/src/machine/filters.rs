//! What a `listen` asks for: which events its filters take, and what those have in common.

use std::sync::Arc;

use model::Value;

use super::NULL;
use crate::code::{Template, View};
use crate::definition::{DataTest, Filter, Listen, Mode, Read};
use crate::event::{Correlation, DataCondition, EventFilter, Interest};

impl Listen {
    /// What it may listen for, one for each filter.
    pub(crate) fn interests(&self) -> Vec<Interest> {
        let mut interests: Vec<Interest> = self.filters.iter().map(Filter::interest).collect();
        if self.first_end() == 0 && !matches!(self.mode, Mode::One | Mode::All) {
            interests.push(Interest { event_type: None, attributes: Vec::new(), correlations: Vec::new() });
        }
        interests
    }

    /// What the events that were heard have in common, by the names of the correlations.
    pub(super) fn keys(&self, expected: &[Value]) -> Vec<(Arc<str>, Value)> {
        let mut keys: Vec<(Arc<str>, Value)> = Vec::new();
        for (filter, expected) in self.filters.iter().zip(expected) {
            let wanted = expected.items().iter().skip(filter.attributes.len());
            for (correlate, wanted) in filter.correlations.iter().zip(wanted) {
                if !wanted.is_null() && !keys.iter().any(|(name, _)| *name == correlate.name) {
                    keys.push((Arc::clone(&correlate.name), wanted.clone()));
                }
            }
        }
        keys
    }

    /// The filters from this one on end the listening.
    pub(super) fn first_end(&self) -> usize {
        match self.mode {
            Mode::UntilConsumed { from, .. } => from,
            _ => self.filters.len(),
        }
    }
}

impl Filter {
    /// Whether it takes an event, given what its attributes and correlations must equal.
    pub(super) fn takes(&self, expected: &[Value], event: &Value, view: &View<'_>) -> bool {
        let (attributes, correlations) = expected.split_at(self.attributes.len().min(expected.len()));
        self.attributes.iter().zip(attributes).all(|((name, _), wanted)| event.get(name) == wanted)
            && match &self.data {
                None => true,
                Some(DataTest::Holds(code)) => code.holds(event.get("data"), view).unwrap_or(false),
                Some(DataTest::Message(code)) => code.holds(&Read::Message.of(event), view).unwrap_or(false),
                Some(DataTest::Equals(template)) => {
                    template.evaluate(view.input, view).is_ok_and(|wanted| *event.get("data") == wanted)
                }
            }
            && self.correlations.iter().zip(correlations).all(|(correlate, wanted)| {
                match correlate.from.evaluate(event, view) {
                    // What an event does not have cannot link it to anything.
                    Ok(Value::Null) | Err(_) => false,
                    Ok(value) => (wanted.is_null() && correlate.expect.is_none()) || value == *wanted,
                }
            })
    }

    fn interest(&self) -> Interest {
        let event_type = self.attributes.iter().find_map(|(name, template)| match template {
            Template::Literal(Value::String(text)) if &**name == "type" => Some(text.clone().into()),
            _ => None,
        });
        let others = self.attributes.iter().map(|(name, _)| name).filter(|name| &***name != "type");
        let mut attributes: Vec<Arc<str>> = others.cloned().collect();
        attributes.sort();
        let known = self.correlations.iter().filter(|correlate| correlate.expect.is_some());
        let mut correlations: Vec<Arc<str>> = known.map(|correlate| Arc::clone(correlate.from.text())).collect();
        correlations.sort();
        Interest { event_type, attributes, correlations }
    }

    /// The filter as the driver sees it.
    pub(crate) fn asked(&self, expected: &[Value], ends: bool) -> EventFilter {
        let mut asked = EventFilter { ends, ..EventFilter::default() };
        for ((name, _), wanted) in self.attributes.iter().zip(expected) {
            let text = match wanted {
                Value::String(text) => Some(text.clone()),
                _ => None,
            };
            match (&**name, text) {
                ("type", Some(text)) => asked.event_type = Some(text.into()),
                ("source", Some(text)) => asked.source = Some(text.into()),
                ("subject", Some(text)) => asked.subject = Some(text.into()),
                _ => asked.attributes.push((Arc::clone(name), wanted.clone())),
            }
        }
        asked.data = self.data.as_ref().map(|data| match data {
            DataTest::Holds(code) => DataCondition::Holds(Arc::clone(code.text())),
            DataTest::Equals(Template::Literal(value)) => DataCondition::Equals(value.clone()),
            DataTest::Equals(_) | DataTest::Message(_) => DataCondition::Holds("true".into()),
        });
        let wanted = expected.iter().skip(self.attributes.len()).chain(std::iter::repeat(&NULL));
        for (correlate, wanted) in self.correlations.iter().zip(wanted) {
            let known = !wanted.is_null() || correlate.expect.is_some();
            asked.correlations.push(Correlation {
                name: Arc::clone(&correlate.name),
                from: Arc::clone(correlate.from.text()),
                expected: known.then(|| wanted.clone()),
            });
        }
        asked
    }
}
