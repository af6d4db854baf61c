//! `call`: functions of catalogs, functions of the document, and the protocols.

use std::str::FromStr;
use std::sync::Arc;

use model::{Span, Value, nearest};

use super::Loader;
use super::messages::PROTOCOL;
use super::values::map;
use crate::catalog::FunctionReference;
use crate::code::{Code, Template, VARIABLES};
use crate::definition::{Kind, Listen, Mode, Protocol, Read};
use crate::yaml::{Key, Node};

const PROTOCOLS: [(&str, Protocol); 6] = [
    ("http", Protocol::Http),
    ("grpc", Protocol::Grpc),
    ("openapi", Protocol::OpenApi),
    ("asyncapi", Protocol::AsyncApi),
    ("a2a", Protocol::A2a),
    ("mcp", Protocol::Mcp),
];

/// Members of `with`, and which of them must be there.
const fn arguments(protocol: Protocol) -> (&'static [&'static str], &'static [&'static str]) {
    match protocol {
        Protocol::Http => {
            (&["method", "endpoint", "headers", "body", "query", "output", "redirect"], &["method", "endpoint"])
        }
        Protocol::Grpc => (&["proto", "service", "method", "arguments"], &["proto", "service", "method"]),
        Protocol::OpenApi => (
            &["document", "operationId", "parameters", "authentication", "output", "redirect"],
            &["document", "operationId"],
        ),
        Protocol::AsyncApi => (
            &["document", "channel", "operation", "server", "protocol", "message", "subscription", "authentication"],
            &["document"],
        ),
        Protocol::A2a => (&["agentCard", "server", "method", "parameters"], &["method"]),
        _ => (&["protocolVersion", "method", "parameters", "timeout", "transport", "client"], &["method", "transport"]),
    }
}

impl Loader<'_> {
    pub(super) fn call(&mut self, node: &Node, task: &Node, pointer: &str) -> Option<Kind> {
        let name = self.text(node, "call")?;
        let with = task.get("with");
        if let Some((_, protocol)) = PROTOCOLS.into_iter().find(|(known, _)| *known == &*name) {
            return self.protocol_call(protocol, &name, node.span, task, pointer);
        }
        if self.members_of("functions").iter().any(|(key, _)| key.name == name) {
            return self.function_call(&name, node.span, with, pointer);
        }
        if name.contains("://") {
            self.allowed_directly("function", node.span);
            let call = map(vec![
                ("function".into(), Template::Literal(Value::from(Arc::clone(&name)))),
                ("with".into(), self.arguments(with)),
            ]);
            return Some(Kind::Request { protocol: Protocol::Function, call, awaited: true, messages: None });
        }
        let function = match FunctionReference::from_str(&name) {
            Ok(function) => function,
            Err(error) => {
                self.error(node.span, "IL-WF-005", error.to_string());
                return None;
            }
        };
        let own_catalog = function.catalog.as_ref().and_then(|catalog| {
            self.members_of("catalogs").iter().find(|(key, _)| key.name == *catalog).map(|(_, node)| node)
        });
        if let Some(endpoint) = own_catalog.and_then(|catalog| catalog.get("endpoint")) {
            self.allowed_directly("function", node.span);
            let call = map(vec![
                ("function".into(), Template::Literal(Value::from(Arc::clone(&name)))),
                ("catalog".into(), self.endpoint(endpoint)),
                ("with".into(), self.arguments(with)),
            ]);
            return Some(Kind::Request { protocol: Protocol::Function, call, awaited: true, messages: None });
        }
        let Some(signature) = self.catalog.look_up(&function) else {
            self.unknown_function(&name, node.span);
            return None;
        };
        let given = with.and_then(Node::map).unwrap_or_default();
        for required in &signature.required {
            if !given.iter().any(|(key, _)| key.name == *required) {
                let place = with.map_or(node.span, |with| with.span);
                self.error(place, "IL-WF-003", format!("`{name}` needs `{required}` in `with`"));
            }
        }
        if let Some(known) = &signature.known {
            for (key, _) in given {
                if !known.contains(&key.name) {
                    let message = format!("`{name}` has no input `{}`", key.name);
                    match nearest(&key.name, known.iter().map(|known| &**known)) {
                        Some(nearest) => {
                            self.error(key.span, "IL-WF-002", message).help(format!("did you mean `{nearest}`?"));
                        }
                        None => drop(self.error(key.span, "IL-WF-002", message)),
                    }
                }
            }
        }
        Some(Kind::Call { function, arguments: self.arguments(with) })
    }

    fn unknown_function(&mut self, name: &str, place: Span) {
        if self.is_full() {
            return;
        }
        let mut candidates = self.catalog.suggestions();
        candidates.extend(self.members_of("functions").iter().map(|(key, _)| key.name.to_string()));
        candidates.extend(PROTOCOLS.map(|(name, _)| name.to_owned()));
        let message = format!("there is no function `{name}`");
        let help = match nearest(name, candidates.iter().map(String::as_str)) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => "call `name:version@connection`, a function of `use.functions`, or a protocol".to_owned(),
        };
        self.error(place, "IL-WF-005", message).help(help);
    }

    fn arguments(&mut self, with: Option<&Node>) -> Template {
        match with {
            None => Template::Literal(Value::empty_object()),
            Some(node) => {
                // The standard has a mapping here; a whole expression is taken too, as elsewhere for data.
                if node.map().is_none() && node.string().is_none_or(|text| !text.trim().starts_with("${")) {
                    let message = format!("`with` is a mapping, not a {}", node.kind_name());
                    self.error(node.span, "IL-WF-004", message);
                }
                self.template(node)
            }
        }
    }

    fn allowed_directly(&mut self, what: &str, place: Span) {
        if !self.permissions.direct_calls {
            let message = format!("this deployment allows no {what} calls to addresses");
            let help = "define a connection and call a function of it: `call: name:1.0.0@connection`";
            self.error(place, "IL-WF-007", message).help(help);
        }
    }

    fn protocol_call(
        &mut self,
        protocol: Protocol,
        name: &str,
        place: Span,
        task: &Node,
        pointer: &str,
    ) -> Option<Kind> {
        let with = task.get("with");
        let own = protocol == Protocol::AsyncApi
            && with.and_then(|with| with.get("protocol")).and_then(Node::text).is_some_and(|text| &**text == PROTOCOL);
        if !own {
            self.allowed_directly(name, place);
        }
        let Some(with) = with else {
            self.error(place, "IL-WF-003", format!("`call: {name}` needs `with`"));
            return None;
        };
        let (known, required) = arguments(protocol);
        let fields = self.fields(with, &format!("`with` of `call: {name}`"), known)?;
        for name in required {
            fields.required(self, name);
        }
        self.choices(protocol, with);
        if own {
            if let Some(document) = fields.get("document") {
                self.resource(document);
            }
            return self.own_messages(with, task, pointer);
        }
        let mut members = Vec::new();
        for (key, node) in with.map().unwrap_or_default() {
            let template = match (&*key.name, protocol) {
                ("endpoint" | "server", Protocol::Http | Protocol::A2a) => self.endpoint(node),
                ("document" | "proto" | "agentCard", _) => self.resource(node),
                ("authentication", _) => self.authentication(node),
                ("subscription", _) => self.subscription(node),
                ("service", Protocol::Grpc) => self.service(node),
                _ => self.template(node),
            };
            members.push((Arc::clone(&key.name), template));
        }
        let messages = match (protocol, with.get("subscription")) {
            (Protocol::AsyncApi, Some(subscription)) => self.each_message(subscription, pointer),
            _ => None,
        };
        Some(Kind::Request { protocol, call: map(members), awaited: true, messages })
    }

    /// Members that are one of a few words.
    fn choices(&mut self, protocol: Protocol, with: &Node) {
        if let Some(output) = with.get("output")
            && matches!(protocol, Protocol::Http | Protocol::OpenApi)
            && !output.text().is_some_and(|text| matches!(&**text, "raw" | "content" | "response"))
        {
            self.error(output.span, "IL-WF-009", "`output` is `raw`, `content` or `response`");
        }
        if let Some(redirect) = with.get("redirect") {
            self.truth(redirect, "redirect");
        }
        if protocol == Protocol::AsyncApi {
            let one = |names: [&str; 2]| names.into_iter().filter(|name| with.get(name).is_some()).count() == 1;
            if !one(["message", "subscription"]) {
                self.error(with.span, "IL-WF-003", "an asyncapi call needs either `message` or `subscription`");
            }
            if !one(["operation", "channel"]) {
                self.error(with.span, "IL-WF-003", "an asyncapi call needs either `operation` or `channel`");
            }
        }
    }

    fn resource(&mut self, node: &Node) -> Template {
        let Some(fields) = self.fields(node, "an external resource", &["name", "endpoint"]) else {
            return Template::Literal(Value::Null);
        };
        let mut members = Vec::new();
        if let Some(name) = fields.get("name") {
            members.push(("name".into(), self.template(name)));
        }
        if let Some(endpoint) = fields.required(self, "endpoint") {
            members.push(("endpoint".into(), self.endpoint(endpoint)));
        }
        map(members)
    }

    fn service(&mut self, node: &Node) -> Template {
        let known = ["name", "host", "port", "authentication"];
        let Some(fields) = self.fields(node, "`service`", &known) else { return Template::Literal(Value::Null) };
        fields.required(self, "name");
        fields.required(self, "host");
        let mut members = Vec::new();
        for name in known {
            if let Some(node) = fields.get(name) {
                let template = if name == "authentication" { self.authentication(node) } else { self.template(node) };
                members.push((name.into(), template));
            }
        }
        map(members)
    }

    /// Its conditions are asked for each message, so they stay as they are written, with the values of the variables in them.
    fn subscription(&mut self, node: &Node) -> Template {
        let Some(fields) = self.fields(node, "`subscription`", &["filter", "consume", "foreach"]) else {
            return Template::Literal(Value::Null);
        };
        let (mut members, mut conditions) = (Vec::new(), Vec::new());
        if let Some(filter) = fields.get("filter") {
            members.push(("filter".into(), self.condition(filter, "filter", &mut conditions)));
        }
        if let Some(node) = fields.required(self, "consume") {
            self.fields(node, "`consume`", &["for", "amount", "while", "until"]);
            let mut consume = Vec::new();
            for (key, node) in node.map().unwrap_or_default() {
                let template = match &*key.name {
                    name @ ("while" | "until") => self.condition(node, name, &mut conditions),
                    _ => self.template(node),
                };
                consume.push((Arc::clone(&key.name), template));
            }
            members.push(("consume".into(), map(consume)));
        }
        members.push(("variables".into(), self.values_in(&conditions)));
        map(members)
    }

    /// What is done with each message. The messages are consumed first, so that what has come of them is durable before it is used.
    fn each_message(&mut self, subscription: &Node, pointer: &str) -> Option<Box<Listen>> {
        let node = subscription.get("foreach")?;
        if let Some(consume) = subscription.get("consume")
            && ["amount", "for"].into_iter().all(|name| consume.get(name).is_none())
            && ["while", "until"].into_iter().filter_map(|name| consume.get(name)).any(is_constant)
        {
            let message = "the tasks of `foreach` run when the messages are consumed, and nothing here ends that";
            let help =
                "give `amount`, `for`, or a condition on the messages, and go back to the task for more with `then`";
            self.warn(consume.span, "IL-WF-010", message).help(help);
        }
        let each = self.each(node, &format!("{pointer}/with/subscription"))?;
        Some(Box::new(Listen { mode: Mode::Any, filters: [].into(), read: Read::Raw, each: Some(each), lasts: None }))
    }

    /// A condition as it is written; it is compiled only to find its mistakes.
    fn condition(&mut self, node: &Node, name: &str, conditions: &mut Vec<Code>) -> Template {
        match node.text() {
            Some(_) if node.string().is_some() => {
                conditions.extend(self.expression(node, name));
                Template::Literal(node.to_value())
            }
            _ => self.template(node),
        }
    }

    /// The values of the variables that these conditions use, by their names.
    fn values_in(&mut self, conditions: &[Code]) -> Template {
        let names = VARIABLES.iter().map(|(name, _)| Arc::from(*name)).chain(self.scope.iter().cloned());
        let mut members: Vec<(Arc<str>, Template)> = Vec::new();
        for name in names.filter(|name| !name.is_empty()) {
            if let Ok(value) = Code::compile(&format!("${name}"), &self.scope)
                && conditions.iter().any(|condition| condition.uses_all_of(&value))
            {
                members.retain(|(known, _)| *known != name);
                members.push((name, Template::Code(value)));
            }
        }
        map(members)
    }

    /// A function of the document is compiled into each place that calls it, so that its tasks have pointers of their own.
    fn function_call(&mut self, name: &Arc<str>, place: Span, with: Option<&Node>, pointer: &str) -> Option<Kind> {
        if self.functions.contains(name) {
            let message = format!("the function `{name}` calls itself");
            self.error(place, "IL-WF-010", message).help("use a loop, or run another workflow");
            return None;
        }
        let arguments = self.arguments(with);
        let node = self.used("functions", name, place)?;
        // A function does not see the variables around its call.
        let hidden: Vec<Arc<str>> = self.scope.iter().map(|_| "".into()).collect();
        let scope = std::mem::replace(&mut self.scope, hidden);
        let siblings = std::mem::take(&mut self.siblings);
        self.functions.push(Arc::clone(name));
        let key = Key { name: Arc::clone(name), span: node.span };
        let task = self.task(name, &key, node, &format!("{pointer}/call/{name}"));
        self.functions.pop();
        self.siblings = siblings;
        self.scope = scope;
        Some(Kind::Function { arguments, body: [task].into() })
    }

    /// Reads the functions that nothing calls, so that their mistakes are told too.
    pub(super) fn check_functions(&mut self) {
        let text = Arc::clone(&self.source.text);
        for (key, node) in self.members_of("functions") {
            let called = text.contains(&format!("call: {}", key.name)) || text.contains(&format!("\"{}\"", key.name));
            if !called {
                let before = self.tasks.len();
                self.task(&key.name, key, node, &format!("/use/functions/{}", key.name));
                self.tasks.truncate(before);
            }
        }
    }
}

/// Whether a condition is `true` or `false` whatever comes.
fn is_constant(node: &Node) -> bool {
    let Some(text) = node.text() else { return false };
    let text = text.trim();
    let bare = text.strip_prefix("${").and_then(|text| text.strip_suffix('}')).unwrap_or(text);
    matches!(bare.trim(), "true" | "false")
}
