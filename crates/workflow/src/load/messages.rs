//! `call: asyncapi` over Interlock's own events: what is published is an event as of `emit`, what is consumed is heard as by `listen`.
//! So both are as durable as those. The channel is the type of the events; the document describes it for people.

use std::sync::Arc;

use super::Loader;
use super::values::enclosed;
use crate::code::{Code, Template};
use crate::definition::{DataTest, Filter, Kind, Listen, Mode, Read};
use crate::yaml::Node;

/// The protocol of Interlock's own events.
pub(super) const PROTOCOL: &str = "interlock";

impl Loader<'_> {
    /// What such a call is: an `emit`, or a `listen`.
    pub(super) fn own_messages(&mut self, with: &Node, task: &Node, pointer: &str) -> Option<Kind> {
        for (name, why) in [
            ("operation", "name the `channel`, which is the type of the events"),
            ("server", "leave it out"),
            ("authentication", "leave it out"),
        ] {
            if let Some(node) = with.get(name) {
                let message = format!("`{name}` has no meaning over Interlock's own events");
                self.error(node.span, "IL-WF-010", message).help(why);
                return None;
            }
        }
        let channel = with.get("channel")?;
        let event_type = self.template(channel);
        if channel.string().is_none_or(|text| enclosed(text).is_none() && (text.is_empty() || text.contains('{'))) {
            let message = "a channel of Interlock's own events is their type: a text without `{parameters}`";
            self.error(channel.span, "IL-WF-009", message).help("compute it with an expression where it differs");
            return None;
        }
        match (with.get("message"), with.get("subscription")) {
            (Some(message), _) => self.own_message(event_type, message),
            (None, Some(subscription)) => self.own_subscription(event_type, subscription, task, pointer),
            (None, None) => None,
        }
    }

    /// The payload is the event's data, headers are its other attributes.
    fn own_message(&mut self, event_type: Template, message: &Node) -> Option<Kind> {
        let fields = self.fields(message, "`message`", &["payload", "headers"])?;
        let mut attributes = vec![(Arc::from("type"), event_type)];
        if let Some(payload) = fields.get("payload") {
            attributes.push(("data".into(), self.template(payload)));
        }
        if let Some(headers) = fields.get("headers") {
            self.open(headers, "`headers`")?;
            for (key, node) in headers.map().unwrap_or_default() {
                let named = key.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
                if !named || matches!(&*key.name, "" | "type" | "data" | "specversion") {
                    let message = format!("`{}` cannot be an attribute of an event", key.name);
                    let help = "attributes have lower-case letters and digits; the type is the channel";
                    self.error(key.span, "IL-WF-009", message).help(help);
                    continue;
                }
                attributes.push((Arc::clone(&key.name), self.template(node)));
            }
        }
        Some(Kind::Emit(attributes.into()))
    }

    fn own_subscription(
        &mut self,
        event_type: Template,
        subscription: &Node,
        task: &Node,
        pointer: &str,
    ) -> Option<Kind> {
        let fields = self.fields(subscription, "`subscription`", &["filter", "consume", "foreach"])?;
        let filter = fields.get("filter").and_then(|node| self.expression(node, "filter"));
        let each = fields.get("foreach").and_then(|node| self.each(node, &format!("{pointer}/with/subscription")));
        let consume = fields.required(self, "consume")?;
        let fields = self.fields(consume, "`consume`", &["for", "amount", "while", "until"])?;
        let mut ends: Vec<String> = Vec::new();
        if let Some(node) = fields.get("amount") {
            let amount = self.count(node, "amount")?;
            if amount < 1 {
                self.error(node.span, "IL-WF-009", "`amount` is a whole number of messages from 1");
                return None;
            }
            ends.push(format!("(length >= {amount})"));
        }
        if let Some(code) = fields.get("until").and_then(|node| self.expression(node, "until")) {
            ends.push(format!("({})", code.text()));
        }
        if let Some(code) = fields.get("while").and_then(|node| self.expression(node, "while")) {
            ends.push(format!("({} | not)", code.text()));
        }
        let lasts = match fields.get("for") {
            Some(node) => {
                if let Some(timeout) = task.get("timeout") {
                    let message = "a subscription to Interlock's own events has either `for` or a `timeout`";
                    self.error(timeout.span, "IL-WF-002", message);
                }
                Some(self.duration(node)?)
            }
            None => None,
        };
        if ends.is_empty() && lasts.is_none() {
            self.error(consume.span, "IL-WF-003", "`consume` needs one of `amount`, `while`, `until` and `for`");
            return None;
        }
        let until = if ends.is_empty() { "false".to_owned() } else { ends.join(" or ") };
        let until = match Code::compile(&until, &self.scope) {
            Ok(until) => until,
            Err(error) => {
                let message = format!("these conditions do not compile together: {}", error.message);
                self.error(consume.span, "IL-WF-008", message);
                return None;
            }
        };
        let filter = Filter {
            attributes: [(Arc::from("type"), event_type)].into(),
            data: filter.map(DataTest::Message),
            correlations: [].into(),
        };
        Some(Kind::Listen(Box::new(Listen {
            mode: Mode::Until(until),
            filters: [filter].into(),
            read: Read::Message,
            each,
            lasts,
        })))
    }
}
