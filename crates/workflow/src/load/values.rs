//! Expressions, data with expressions in it, schemas, durations, endpoints and authentications.

use std::sync::Arc;

use model::{Span, Value};

use super::Loader;
use crate::code::{Code, Template, VARIABLES};
use crate::definition::Shape;
use crate::duration::{Duration, UNITS};
use crate::yaml::{Kind, Node};

/// The text between `${` and `}`, and how many characters stand before it.
pub(super) fn enclosed(text: &str) -> Option<(&str, usize)> {
    let trimmed = text.trim();
    let inner = trimmed.strip_prefix("${")?.strip_suffix('}')?;
    let before = text.chars().take_while(|c| c.is_whitespace()).count();
    Some((inner, before + 2))
}

impl Loader<'_> {
    /// A member that is always an expression, with or without `${ }`.
    pub(super) fn expression(&mut self, node: &Node, what: &str) -> Option<Code> {
        let Some(text) = node.text() else {
            let message = format!("`{what}` is an expression, not a {}", node.kind_name());
            self.error(node.span, "IL-WF-004", message);
            return None;
        };
        let (inner, offset) = enclosed(text).unwrap_or((text, 0));
        self.compile(node, inner, offset)
    }

    fn compile(&mut self, node: &Node, text: &str, offset: usize) -> Option<Code> {
        // What is wrong with it would not be told any more.
        if self.is_full() {
            return None;
        }
        match Code::compile(text, &self.scope) {
            Ok(code) => {
                if code.uses(crate::code::Variable::Authorization) {
                    let message = "`$authorization` is always null here: a run keeps no credentials";
                    self.warn(node.span, "IL-WF-006", message);
                }
                Some(code)
            }
            Err(error) => {
                let place = node.inside(self.source, offset + error.offset, error.length);
                let message = format!("this expression does not compile: {}", error.message);
                let known: Vec<String> = VARIABLES
                    .iter()
                    .map(|(name, _)| format!("${name}"))
                    .chain(self.scope.iter().filter(|name| !name.is_empty()).map(|name| format!("${name}")))
                    .collect();
                if error.message.contains("variable") {
                    let help = format!("the variables here are {}", known.join(", "));
                    self.error(place, "IL-WF-006", message).help(help);
                } else {
                    self.error(place, "IL-WF-006", message);
                }
                None
            }
        }
    }

    /// Data in which texts of the form `${ ... }` are expressions.
    pub(super) fn template(&mut self, node: &Node) -> Template {
        match &node.kind {
            Kind::Scalar(scalar) => match scalar.value {
                Value::String(_) => self.text_template(node, &scalar.text),
                _ => Template::Literal(scalar.value.clone()),
            },
            Kind::List(items) => {
                let items: Vec<Template> = items.iter().map(|item| self.template(item)).collect();
                if items.iter().all(|item| matches!(item, Template::Literal(_))) {
                    return Template::Literal(node.to_value());
                }
                Template::List(items.into())
            }
            Kind::Map(members) => {
                let members: Vec<(Arc<str>, Template)> =
                    members.iter().map(|(key, node)| (Arc::clone(&key.name), self.template(node))).collect();
                map(members)
            }
        }
    }

    fn text_template(&mut self, node: &Node, text: &Arc<str>) -> Template {
        if let Some((inner, offset)) = enclosed(text) {
            return match self.compile(node, inner, offset) {
                Some(code) => Template::Code(code),
                None => Template::Literal(Value::Null),
            };
        }
        let first = text.strip_prefix(['.', '$']).and_then(|rest| rest.chars().next());
        let looks_like_one = first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_') && !text.contains('/');
        if self.loose
            && looks_like_one
            && let Ok(code) = Code::compile(text, &self.scope)
        {
            return Template::Code(code);
        }
        if looks_like_one && (text.starts_with('.') || self.names_variable(text)) {
            let message = "this looks like an expression but is taken as a text";
            self.warn(node.span, "IL-WF-008", message).help(format!("write `${{ {text} }}` if it is one"));
        } else if text.contains("${") {
            let message = "an expression inside a text is not evaluated";
            let help = "make the whole text one expression, such as `${ \"Hello \\(.name)\" }`";
            self.warn(node.span, "IL-WF-008", message).help(help);
        }
        Template::Literal(Value::String(Arc::clone(text).into()))
    }

    fn names_variable(&self, text: &str) -> bool {
        let name: String = text.chars().skip(1).take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        VARIABLES.iter().any(|(known, _)| *known == name) || self.scope.iter().any(|known| **known == *name)
    }

    /// A member that is an expression when it is a text, and data with expressions otherwise.
    pub(super) fn expression_or_template(&mut self, node: &Node, what: &str) -> Option<Template> {
        match node.kind {
            Kind::Scalar(_) => self.expression(node, what).map(Template::Code),
            _ => Some(self.template(node)),
        }
    }

    pub(super) fn input(&mut self, node: &Node) -> Shape {
        self.shape(node, "`input`", "from")
    }

    pub(super) fn output(&mut self, node: &Node) -> Shape {
        self.shape(node, "`output`", "as")
    }

    pub(super) fn export(&mut self, node: &Node) -> Shape {
        self.shape(node, "`export`", "as")
    }

    fn shape(&mut self, node: &Node, what: &str, member: &str) -> Shape {
        let Some(fields) = self.fields(node, what, &["schema", member]) else { return Shape::default() };
        Shape {
            template: fields.get(member).and_then(|node| self.expression_or_template(node, member)),
            schema: fields.get("schema").and_then(|node| self.schema(node)),
        }
    }

    fn schema(&mut self, node: &Node) -> Option<Arc<dyn crate::catalog::SchemaCheck>> {
        let fields = self.fields(node, "a schema", &["format", "document", "resource"])?;
        if let Some(format) = fields.get("format")
            && format.text().is_none_or(|text| &**text != "json" && !text.starts_with("json:"))
        {
            self.error(format.span, "IL-WF-011", "only JSON schemas are read").help("write format: json");
            return None;
        }
        match (fields.get("document"), fields.get("resource")) {
            (Some(document), None) => match self.catalog.schema(&document.to_value()) {
                Ok(check) => check,
                Err(error) => {
                    self.error(document.span, "IL-WF-011", format!("this is no JSON Schema: {error}"));
                    None
                }
            },
            (None, Some(resource)) => {
                if self.permissions.direct_calls {
                    self.warn(
                        resource.span,
                        "IL-WF-011",
                        "a schema at an address is not loaded, so nothing is checked",
                    );
                } else {
                    self.error(resource.span, "IL-WF-007", "this deployment loads no schemas from addresses")
                        .help("write the schema here, under `document`");
                }
                None
            }
            _ => {
                self.error(node.span, "IL-WF-003", "a schema needs either `document` or `resource`");
                None
            }
        }
    }

    pub(super) fn timeout(&mut self, node: &Node) -> Option<Duration> {
        if let Some(name) = node.string() {
            let node = self.used("timeouts", name, node.span)?;
            // A reference to a reference would be a way to go round in circles.
            if node.string().is_some() {
                self.error(node.span, "IL-WF-004", "a timeout is a mapping with `after`");
                return None;
            }
            return self.timeout(node);
        }
        let fields = self.fields(node, "a timeout", &["after"])?;
        let after = fields.required(self, "after")?;
        self.duration(after)
    }

    pub(super) fn duration(&mut self, node: &Node) -> Option<Duration> {
        if let Some(text) = node.text() {
            if enclosed(text).is_some() {
                return self.expression(node, "duration").map(Duration::Code);
            }
            return match Duration::parse(text) {
                Ok(duration) => Some(duration),
                Err(message) => {
                    self.error(node.span, "IL-WF-009", message);
                    None
                }
            };
        }
        let names = UNITS.map(|(name, _)| name);
        let fields = self.fields(node, "a duration", &names)?;
        let mut sum = 0_i64;
        for (name, each) in UNITS {
            if let Some(node) = fields.get(name) {
                let amount = self.count(node, name)?;
                match amount.checked_mul(each).and_then(|amount| sum.checked_add(amount)) {
                    Some(total) => sum = total,
                    None => {
                        self.error(node.span, "IL-WF-009", "this duration is too long");
                        return None;
                    }
                }
            }
        }
        if node.map().is_none_or(<[_]>::is_empty) {
            self.error(node.span, "IL-WF-003", "a duration needs at least one of its units");
        }
        Some(Duration::from_milliseconds(sum))
    }

    /// An address, always in the long form: `{ uri, authentication }`.
    pub(super) fn endpoint(&mut self, node: &Node) -> Template {
        let (uri, authentication) = match node.map() {
            None => (Some(node), None),
            Some(_) => match self.fields(node, "an endpoint", &["uri", "authentication"]) {
                Some(fields) => (fields.required(self, "uri"), fields.get("authentication")),
                None => (None, None),
            },
        };
        let mut members: Vec<(Arc<str>, Template)> = Vec::new();
        if let Some(uri) = uri {
            members.push(("uri".into(), self.uri(uri)));
        }
        if let Some(node) = authentication {
            members.push(("authentication".into(), self.authentication(node)));
        }
        map(members)
    }

    pub(super) fn uri(&mut self, node: &Node) -> Template {
        let Some(text) = self.text(node, "uri") else { return Template::Literal(Value::Null) };
        if enclosed(&text).is_some() {
            return self.text_template(node, &text);
        }
        match Template::uri(&text) {
            Ok(template) => template,
            Err(message) => {
                self.error(node.span, "IL-WF-009", message);
                Template::Literal(Value::Null)
            }
        }
    }

    /// An authentication, with a reference to `use.authentications` resolved.
    pub(super) fn authentication(&mut self, node: &Node) -> Template {
        const KINDS: [&str; 5] = ["basic", "bearer", "digest", "oauth2", "oidc"];
        let known = ["use", "basic", "bearer", "digest", "oauth2", "oidc"];
        let Some(fields) = self.fields(node, "an authentication", &known) else {
            return Template::Literal(Value::Null);
        };
        if let Some(reference) = fields.get("use") {
            let Some(name) = self.text(reference, "use") else { return Template::Literal(Value::Null) };
            return match self.used("authentications", &name, reference.span) {
                Some(node) if node.get("use").is_none() => self.authentication(node),
                _ => Template::Literal(Value::Null),
            };
        }
        let given: Vec<&str> = KINDS.into_iter().filter(|kind| fields.get(kind).is_some()).collect();
        if given.len() != 1 {
            let message = "an authentication is one of `basic`, `bearer`, `digest`, `oauth2`, `oidc`";
            self.error(node.span, "IL-WF-003", message);
        }
        for kind in given {
            if let Some(node) = fields.get(kind) {
                self.authentication_members(kind, node);
            }
        }
        self.template(node)
    }

    fn authentication_members(&mut self, kind: &str, node: &Node) {
        let known: &[&str] = match kind {
            "basic" | "digest" => &["username", "password", "use"],
            "bearer" => &["token", "use"],
            _ => &[
                "use",
                "authority",
                "grant",
                "client",
                "request",
                "issuers",
                "scopes",
                "audiences",
                "username",
                "password",
                "subject",
                "actor",
                "endpoints",
            ],
        };
        let Some(fields) = self.fields(node, &format!("`{kind}`"), known) else { return };
        if let Some(secret) = fields.get("use") {
            if let Some(name) = self.text(secret, "use") {
                self.secret(&name, secret.span);
            }
            return;
        }
        let required: &[&str] = match kind {
            "basic" | "digest" => &["username", "password"],
            "bearer" => &["token"],
            _ => &["authority", "grant"],
        };
        for name in required {
            fields.required(self, name);
        }
    }

    fn secret(&mut self, name: &str, place: Span) {
        let secrets = self.uses.and_then(|uses| uses.get("secrets")).and_then(Node::list).unwrap_or_default();
        if !secrets.iter().any(|node| node.text().is_some_and(|text| &**text == name)) {
            let message = format!("`use.secrets` does not name `{name}`");
            self.error(place, "IL-WF-005", message).help(format!("add `{name}` to `use.secrets`"));
        }
    }
}

/// A mapping, as plain data when nothing in it is computed.
pub(super) fn map(members: Vec<(Arc<str>, Template)>) -> Template {
    let literal = members.iter().all(|(_, member)| matches!(member, Template::Literal(_)));
    if literal {
        return Template::Literal(Value::object(members.into_iter().filter_map(|(name, member)| match member {
            Template::Literal(value) => Some((name, value)),
            _ => None,
        })));
    }
    Template::Map(members.into())
}
