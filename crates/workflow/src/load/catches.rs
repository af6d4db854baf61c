//! `try` and `catch`, retry policies, and errors.

use std::sync::Arc;

use super::Loader;
use crate::code::Template;
use crate::definition::{Backoff, ErrorFilter, ErrorTemplate, Retry, TryCatch};
use crate::yaml::Node;

impl Loader<'_> {
    pub(super) fn try_catch(&mut self, node: &Node, task: &Node, pointer: &str) -> Option<TryCatch> {
        let body = self.list(node, &format!("{pointer}/try"));
        let Some(catch) = task.get("catch") else {
            self.error(node.span, "IL-WF-003", "a `try` task needs `catch`");
            return None;
        };
        let known = ["errors", "as", "when", "exceptWhen", "retry", "do", "then"];
        let fields = self.fields(catch, "`catch`", &known)?;
        let variables = [self.variable(fields.get("as"), "error")];
        let filter = fields.get("errors").map(|node| self.error_filter(node)).unwrap_or_default();
        let then = fields.get("then").map(|node| self.flow(node));
        self.with_variables(&variables, |loader| {
            let mut expression = |name: &str| match fields.get(name) {
                None => Some(None),
                Some(node) => loader.expression(node, name).map(Some),
            };
            let (when, except) = (expression("when"), expression("exceptWhen"));
            let retry = match fields.get("retry") {
                None => None,
                Some(node) => Some(loader.retry(node)?),
            };
            let handler = fields.get("do").map(|node| loader.list(node, &format!("{pointer}/catch/do")));
            Some(TryCatch { body, filter, when: when?, except: except?, retry, handler, then })
        })
    }

    fn error_filter(&mut self, node: &Node) -> ErrorFilter {
        let mut filter = ErrorFilter::default();
        let Some(fields) = self.fields(node, "`errors`", &["with"]) else { return filter };
        let Some(with) = fields.get("with") else { return filter };
        let known = ["type", "status", "instance", "title", "detail"];
        let Some(fields) = self.fields(with, "an error filter", &known) else { return filter };
        for (name, place) in [
            ("type", &mut filter.fault_type),
            ("instance", &mut filter.instance),
            ("title", &mut filter.title),
            ("detail", &mut filter.detail),
        ] {
            if let Some(node) = fields.get(name) {
                *place = self.text(node, name);
                if place.as_ref().is_some_and(|text| text.contains("${")) {
                    let message = "an error filter is static: expressions are not evaluated here";
                    self.warn(node.span, "IL-WF-008", message).help("use `when` for a computed condition");
                }
            }
        }
        filter.status = fields.get("status").and_then(|node| self.count(node, "status"));
        filter
    }

    fn retry(&mut self, node: &Node) -> Option<Retry> {
        if let Some(name) = node.string() {
            let node = self.used("retries", name, node.span)?;
            // A policy that several catches share cannot know how each of them calls the error.
            let own = self.scope.pop();
            self.scope.push("error".into());
            let policy = self.retry_policy(node);
            self.scope.pop();
            self.scope.extend(own);
            return policy;
        }
        self.retry_policy(node)
    }

    pub(super) fn retry_policy(&mut self, node: &Node) -> Option<Retry> {
        let known = ["when", "exceptWhen", "delay", "backoff", "limit", "jitter"];
        let fields = self.fields(node, "a retry policy", &known)?;
        let mut expression = |name: &str| match fields.get(name) {
            None => Some(None),
            Some(node) => self.expression(node, name).map(Some),
        };
        let (when, except) = (expression("when")?, expression("exceptWhen")?);
        let mut retry = Retry {
            when,
            except,
            delay: fields.get("delay").and_then(|node| self.duration(node)),
            backoff: fields.get("backoff").map(|node| self.backoff(node)).unwrap_or_default(),
            count: None,
            attempt_duration: None,
            duration: None,
            jitter: None,
        };
        if let Some(node) = fields.get("limit")
            && let Some(fields) = self.fields(node, "`limit`", &["attempt", "duration"])
        {
            retry.duration = fields.get("duration").and_then(|node| self.duration(node));
            if let Some(node) = fields.get("attempt")
                && let Some(fields) = self.fields(node, "`attempt`", &["count", "duration"])
            {
                retry.count = fields
                    .get("count")
                    .and_then(|node| self.count(node, "count"))
                    .map(|count| u32::try_from(count).unwrap_or(u32::MAX));
                retry.attempt_duration = fields.get("duration").and_then(|node| self.duration(node));
            }
        }
        if retry.count.is_none() && retry.duration.is_none() {
            let message = "this retries for ever: it has no `limit`";
            self.warn(node.span, "IL-WF-010", message).help("add `limit: { attempt: { count: 5 } }` or a `duration`");
        }
        if retry.delay.is_none() {
            let message = "this retries at once: it has no `delay`";
            self.warn(node.span, "IL-WF-010", message).help("add a `delay`, such as `delay: PT1S`");
        }
        if let Some(node) = fields.get("jitter")
            && let Some(fields) = self.fields(node, "`jitter`", &["from", "to"])
        {
            let from = fields.required(self, "from").and_then(|node| self.duration(node));
            let to = fields.required(self, "to").and_then(|node| self.duration(node));
            retry.jitter = from.zip(to);
        }
        Some(retry)
    }

    fn backoff(&mut self, node: &Node) -> Backoff {
        let kinds =
            [("constant", Backoff::Constant), ("linear", Backoff::Linear), ("exponential", Backoff::Exponential)];
        let Some(fields) = self.fields(node, "`backoff`", &kinds.map(|(name, _)| name)) else {
            return Backoff::Constant;
        };
        let mut given = kinds.into_iter().filter(|(name, _)| fields.get(name).is_some());
        match (given.next(), given.next()) {
            (Some((_, backoff)), None) => backoff,
            _ => {
                let message = "`backoff` is one of `constant`, `linear`, `exponential`";
                self.error(node.span, "IL-WF-003", message).help("write `backoff: { exponential: {} }`");
                Backoff::Constant
            }
        }
    }

    pub(super) fn raise(&mut self, node: &Node) -> Option<ErrorTemplate> {
        let fields = self.fields(node, "`raise`", &["error"])?;
        let error = fields.required(self, "error")?;
        match error.string() {
            Some(name) => {
                let node = self.used("errors", name, error.span)?;
                self.error_definition(node)
            }
            None => self.error_definition(error),
        }
    }

    pub(super) fn error_definition(&mut self, node: &Node) -> Option<ErrorTemplate> {
        let fields = self.fields(node, "an error", &["type", "status", "instance", "title", "detail"])?;
        let fault_type = fields.required(self, "type").map(|node| self.template(node));
        let status = fields.required(self, "status").and_then(|node| {
            let status = self.count(node, "status")?;
            if !(100..=599).contains(&status) {
                self.error(node.span, "IL-WF-009", format!("{status} is no status: 100 to 599 are"));
            }
            Some(status)
        });
        let mut text = |name: &str| -> Option<Template> { fields.get(name).map(|node| self.template(node)) };
        let (title, detail, instance) = (text("title"), text("detail"), text("instance"));
        Some(ErrorTemplate { fault_type: fault_type?, status: status?, title, detail, instance })
    }

    pub(super) fn emit(&mut self, node: &Node) -> Option<Vec<(Arc<str>, Template)>> {
        let fields = self.fields(node, "`emit`", &["event"])?;
        let event = fields.required(self, "event")?;
        let fields = self.fields(event, "`event`", &["with"])?;
        let with = fields.required(self, "with")?;
        let fields = self.open(with, "`with`")?;
        fields.required(self, "type");
        let members = with.map().unwrap_or_default();
        Some(members.iter().map(|(key, node)| (Arc::clone(&key.name), self.template(node))).collect())
    }
}
