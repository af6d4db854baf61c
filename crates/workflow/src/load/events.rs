//! `listen` and the events that start runs.

use std::sync::Arc;

use super::Loader;
use crate::code::Template;
use crate::definition::{Correlate, DataTest, Each, Filter, Listen, Mode, Read, Shape};
use crate::event::EventFilter;
use crate::yaml::Node;

impl Loader<'_> {
    pub(super) fn listen(&mut self, node: &Node, task: &Node, pointer: &str) -> Option<Listen> {
        let fields = self.fields(node, "`listen`", &["to", "read"])?;
        let read = fields.get("read").map_or(Read::Data, |node| self.read(node));
        let to = fields.required(self, "to")?;
        let each = task.get("foreach").and_then(|node| self.each(node, pointer));
        let (mode, filters) = self.strategy(to)?;
        Some(Listen { mode, filters: filters.into(), read, each, lasts: None })
    }

    pub(super) fn each(&mut self, node: &Node, pointer: &str) -> Option<Each> {
        let fields = self.fields(node, "`foreach`", &["item", "at", "do", "output", "export"])?;
        let variables = [self.variable(fields.get("item"), "item"), self.variable(fields.get("at"), "index")];
        self.with_variables(&variables, |loader| {
            let body = match fields.get("do") {
                Some(node) => loader.list(node, &format!("{pointer}/foreach/do")),
                None => [].into(),
            };
            Some(Each {
                body,
                output: fields.get("output").map_or_else(Shape::default, |node| loader.output(node)),
                export: fields.get("export").map_or_else(Shape::default, |node| loader.export(node)),
            })
        })
    }

    fn strategy(&mut self, node: &Node) -> Option<(Mode, Vec<Filter>)> {
        let fields = self.fields(node, "`to`", &["one", "any", "all", "until"])?;
        let given = ["one", "any", "all"].into_iter().filter(|name| fields.get(name).is_some()).count();
        if given != 1 {
            self.error(node.span, "IL-WF-003", "say what to listen to with exactly one of `one`, `any`, `all`");
            return None;
        }
        if let (Some(until), None) = (fields.get("until"), fields.get("any")) {
            self.error(until.span, "IL-WF-002", "`until` goes with `any` only");
        }
        if let Some(one) = fields.get("one") {
            return Some((Mode::One, vec![self.filter(one)?]));
        }
        if let Some(all) = fields.get("all") {
            return Some((Mode::All, self.filters(all)));
        }
        let mut filters = self.filters(fields.get("any")?);
        let mode = match fields.get("until") {
            None => Mode::Any,
            Some(until) if until.map().is_some() => {
                let fields = self.fields(until, "`until`", &["one", "any", "all"])?;
                let from = filters.len();
                if let Some(one) = fields.get("one") {
                    filters.push(self.filter(one)?);
                } else if let Some(list) = fields.get("any").or_else(|| fields.get("all")) {
                    filters.extend(self.filters(list));
                }
                if filters.len() == from {
                    self.error(until.span, "IL-WF-003", "`until` needs at least one event to wait for");
                }
                Mode::UntilConsumed { from, all: fields.get("all").is_some() }
            }
            Some(until) => Mode::Until(self.expression(until, "until")?),
        };
        Some((mode, filters))
    }

    fn filters(&mut self, node: &Node) -> Vec<Filter> {
        let items = self.items(node, "a list of event filters");
        items.iter().filter_map(|item| self.filter(item)).collect()
    }

    fn filter(&mut self, node: &Node) -> Option<Filter> {
        let fields = self.fields(node, "an event filter", &["with", "correlate"])?;
        let with = fields.required(self, "with")?;
        self.open(with, "`with`")?;
        let members = with.map().unwrap_or_default();
        if members.is_empty() {
            self.error(with.span, "IL-WF-003", "`with` needs at least one attribute, such as `type`");
        }
        let mut attributes = Vec::new();
        let mut data = None;
        for (key, node) in members {
            let template = self.template(node);
            if &*key.name == "data" {
                data = Some(match template {
                    Template::Code(code) => DataTest::Holds(code),
                    other => DataTest::Equals(other),
                });
            } else {
                attributes.push((Arc::clone(&key.name), template));
            }
        }
        let mut correlations = Vec::new();
        if let Some(node) = fields.get("correlate")
            && self.open(node, "`correlate`").is_some()
        {
            for (key, node) in node.map().unwrap_or_default() {
                let Some(fields) = self.fields(node, "a correlation", &["from", "expect"]) else { continue };
                let from = fields.required(self, "from").and_then(|node| self.expression(node, "from"));
                let expect = fields.get("expect").map(|node| self.template(node));
                if let Some(from) = from {
                    correlations.push(Correlate { name: Arc::clone(&key.name), from, expect });
                }
            }
        }
        Some(Filter { attributes: attributes.into(), data, correlations: correlations.into() })
    }

    /// The filters of `schedule.on`. No run exists yet, so they can only be constant.
    pub(super) fn starting_events(&mut self, node: &Node) -> Vec<EventFilter> {
        let Some((mode, filters)) = self.strategy(node) else { return Vec::new() };
        if !(matches!(mode, Mode::One | Mode::Any) || matches!(mode, Mode::All) && filters.len() == 1) {
            let message = "a run is started by one event";
            let help = "use `one` or `any` here, and `listen` for the other events in the workflow";
            self.error(node.span, "IL-WF-010", message).help(help);
        }
        let mut asked = Vec::with_capacity(filters.len());
        for filter in filters {
            let mut expected = Vec::new();
            let attributes = filter.attributes.iter().map(|(_, template)| Some(template));
            let correlations = filter.correlations.iter().map(|correlate| correlate.expect.as_ref());
            for template in attributes.chain(correlations) {
                match template {
                    Some(Template::Literal(value)) => expected.push(value.clone()),
                    None => expected.push(model::Value::Null),
                    Some(_) => {
                        let message = "what starts a run cannot be computed: there is no run yet";
                        self.error(node.span, "IL-WF-010", message).help("write a constant, or filter by `data`");
                        return Vec::new();
                    }
                }
            }
            asked.push(filter.asked(&expected, false));
        }
        if asked.is_empty() {
            asked.push(EventFilter::default());
        }
        asked
    }
}
