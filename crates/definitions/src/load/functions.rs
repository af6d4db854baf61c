//! The functions of a connection.

use std::sync::Arc;
use std::time::Duration;

use connect::{Action, ActionInfo, Follows, Selection};
use expr::Expression;
use mapping::{Mapping, Selected};
use model::{ConnectionName, FunctionName, ObjectName, Span};
use workflow::yaml::{Key, Node};

use super::files::Room;
use super::reader::{Fields, Reader};
use super::{Known, Loader};
use crate::connection::{Effect, Function, ReferenceRule};

const KNOWN: [&str; 15] = [
    "version",
    "action",
    "record",
    "effect",
    "mapping",
    "input",
    "output",
    "key",
    "businessKey",
    "probe",
    "lookFirst",
    "reference",
    "select",
    "timeout",
    "description",
];
const TIMEOUT: Duration = Duration::from_secs(30);
const EFFECTS: [(&str, Effect); 3] =
    [("none", Effect::None), ("repeatable", Effect::Repeatable), ("once", Effect::Once)];

/// What the functions and feeds of a connection have in common.
pub(super) struct Around<'a> {
    pub(super) loader: &'a Loader<'a>,
    pub(super) known: &'a Known,
    pub(super) reader: Reader<'a>,
    pub(super) connection: &'a ConnectionName,
    /// What the connector can do; `None` when it is not known.
    pub(super) actions: Option<&'static [ActionInfo]>,
    /// How the connector can follow changes; `None` when it is not known.
    pub(super) follows: Option<Follows>,
}

pub(super) fn read<'a>(around: &Around<'a>, key: &'a Key, node: &'a Node) -> Option<Function> {
    let reader = around.reader;
    let named = reader.is_name(&key.name, key.span, "a function");
    let what = format!("the function `{}`", key.name);
    let fields = reader.fields(node, key.span, &what, &KNOWN)?;
    let version = version(reader, &fields);
    let action = action(around, &fields);
    let mapping = around.mapping(&fields, "mapping");
    let record = around.record(&fields, mapping.as_deref(), action == Some(Action::Invoke));
    let effect = action.and_then(|action| effect(reader, &fields, action));
    if let Some(effect) = effect {
        check_effect(reader, &fields, effect);
    }
    // Everything is read before anything is given up, so that all mistakes are told.
    let (input, output) = (fields.expression("input", &[]), fields.expression("output", &["input"]));
    let rule = action.and_then(|action| key_rule(reader, &fields, action));
    let (business_key, probe) = (fields.expression("businessKey", &[]), probe(reader, &fields));
    let look_first = fields.truth("lookFirst").unwrap_or(false);
    let reference = reference(around, &fields);
    let select = Arc::new(around.select(&fields, mapping.as_deref()));
    let timeout = fields.duration("timeout").unwrap_or(TIMEOUT);
    let name = named.then(|| FunctionName::new(Arc::clone(&key.name)))?;
    Some(Function {
        name,
        version: version?,
        connection: around.connection.clone(),
        action: action?,
        record: record?,
        effect: effect?,
        mapping,
        input,
        output,
        key: rule,
        business_key,
        probe,
        look_first,
        reference,
        select,
        timeout,
    })
}

/// Three numbers: calls name the version, so that a changed meaning is a changed name.
fn version(reader: Reader<'_>, fields: &Fields<'_>) -> Option<Arc<str>> {
    let node = fields.required("version")?;
    let text = reader.text(node, "`version`")?;
    let fits = text.split('.').count() == 3
        && text.split('.').all(|part| part.len() <= 9 && !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    if !fits {
        reader.error_with(node.span, "IL-DEF-005", format!("`{text}` is no version"), "write three numbers: `1.0.0`");
    }
    fits.then_some(text)
}

fn action(around: &Around<'_>, fields: &Fields<'_>) -> Option<Action> {
    let node = fields.required("action")?;
    let action = fields.word("action", &Action::ALL.map(|action| (action.word(), action)))?;
    if let Some(actions) = around.actions
        && !actions.iter().any(|info| info.action == action)
    {
        let able: Vec<&str> = actions.iter().map(|info| info.action.word()).collect();
        let message = format!("the connector of this connection cannot {}", action.word());
        around.reader.error_with(node.span, "IL-DEF-011", message, format!("it can {}", able.join(", ")));
    }
    Some(action)
}

fn effect(reader: Reader<'_>, fields: &Fields<'_>, action: Action) -> Option<Effect> {
    let Some(node) = fields.get("effect") else {
        return match action {
            Action::Read | Action::Find => Some(Effect::None),
            Action::Upsert | Action::Update | Action::Delete => Some(Effect::Repeatable),
            Action::Create => Some(Effect::Once),
            Action::Invoke => {
                let help = "add `effect: none` when it changes nothing, `repeatable` when the same again is harmless, else `once`";
                let message = "nobody knows what an invoked function does, so it has to say its `effect`";
                reader.error_with(fields.place(), "IL-DEF-011", message, help);
                None
            }
        };
    };
    let effect = fields.word("effect", &EFFECTS)?;
    let wrong = match (action, effect) {
        (Action::Read | Action::Find, Effect::Repeatable | Effect::Once) => Some("changes nothing"),
        (Action::Upsert | Action::Update | Action::Delete, Effect::None) => Some("changes something"),
        _ => None,
    };
    if let Some(wrong) = wrong {
        reader.error(node.span, "IL-DEF-011", format!("`{}` {wrong}", action.word()));
    }
    Some(effect)
}

/// What can be done twice has to be found again: the promise that nothing is doubled rests on this.
fn check_effect(reader: Reader<'_>, fields: &Fields<'_>, effect: Effect) {
    let once = effect == Effect::Once;
    for (name, why, help) in [
        ("businessKey", "the key that names this intent", "such as `businessKey: .key`"),
        (
            "probe",
            "the fields by which the record is found again",
            "such as `probe: { PurchaseOrderByCustomer: .key }`",
        ),
    ] {
        if once && fields.get(name).is_none() {
            let message = format!("doing this twice would double it, so it needs `{name}`: {why}");
            reader.error_with(fields.place(), "IL-DEF-011", message, help);
        }
    }
    if !once && fields.get("probe").is_some() {
        let message = "`probe` is never used: doing this twice is harmless";
        reader.warning(fields.key_span("probe"), message, "remove it, or say `effect: once`");
    }
    if !once && fields.get("lookFirst").is_some() {
        let message = "`lookFirst` means nothing here: doing this twice is harmless";
        reader.warning(fields.key_span("lookFirst"), message, "remove it, or say `effect: once`");
    }
}

fn key_rule<'a>(reader: Reader<'a>, fields: &Fields<'a>, action: Action) -> Option<(Arc<str>, Expression)> {
    let by_key = matches!(action, Action::Read | Action::Upsert | Action::Update | Action::Delete);
    let Some(node) = fields.get("key") else {
        if by_key {
            let message = format!("`{}` needs `key`: which record is meant", action.word());
            reader.error_with(
                fields.place(),
                "IL-DEF-004",
                message,
                "such as `key: { field: SalesOrder, value: .number }`",
            );
        }
        return None;
    };
    if !by_key {
        let message = format!("`{}` takes no `key`", action.word());
        let help = "a key is for read, upsert, update and delete; a find compares the fields of its `input`";
        reader.error_with(fields.key_span("key"), "IL-DEF-011", message, help);
    }
    let inner = reader.fields(node, fields.key_span("key"), "`key`", &["field", "value"])?;
    let value = inner.required_expression("value")?;
    // Without a field, the system's own id is meant.
    Some((inner.text("field").unwrap_or_default(), value))
}

fn probe<'a>(reader: Reader<'a>, fields: &Fields<'a>) -> Vec<(Arc<str>, Expression)> {
    let entries = fields.get("probe").map(|node| reader.entries(node, "`probe`")).unwrap_or_default();
    let compile = |(key, node): &'a (Key, Node)| {
        Some((Arc::clone(&key.name), reader.expression(node, &format!("the probe of `{}`", key.name), &[])?))
    };
    entries.iter().filter_map(compile).collect()
}

fn reference<'a>(around: &Around<'a>, fields: &Fields<'a>) -> Option<ReferenceRule> {
    let node = fields.get("reference")?;
    let inner = around.reader.fields(node, fields.key_span("reference"), "`reference`", &["object", "key", "id"])?;
    let object = around.object(&inner, "object");
    let (key, id) = (inner.required_expression("key"), inner.required_expression("id"));
    Some(ReferenceRule { object: object?, key: key?, id: id? })
}

impl<'a> Around<'a> {
    /// The mapping that a member names: it has to be one of this connection.
    pub(super) fn mapping(&self, fields: &Fields<'_>, member: &str) -> Option<Arc<Mapping>> {
        let node = fields.get(member)?;
        let name = self.reader.text(node, &format!("`{member}`"))?;
        let ours = |name: &str| name.split('.').nth(1) == Some(self.connection.as_str());
        let names = || self.loader.names_of(Room::Mappings);
        if !names().any(|known| known == &*name) {
            let message = format!("there is no mapping `{name}`");
            self.reader.unknown(node.span, "IL-DEF-006", message, &name, names().filter(|name| ours(name)));
            return None;
        }
        let mapping = self.known.mappings.get(&name)?;
        if mapping.connection() != self.connection {
            let message = format!("`{name}` maps records of `{}`, not of `{}`", mapping.connection(), self.connection);
            self.reader.unknown(node.span, "IL-DEF-006", message, &name, names().filter(|name| ours(name)));
            return None;
        }
        Some(Arc::clone(mapping))
    }

    /// The record: the mapping's unless it is given. A vendor's function has a name of its own.
    pub(super) fn record(&self, fields: &Fields<'_>, mapping: Option<&Mapping>, function: bool) -> Option<Arc<str>> {
        let given = fields.text("record");
        match (given, mapping) {
            (Some(given), Some(mapping)) if *given != *mapping.record() && !function => {
                let span = fields.get("record").map_or(fields.place(), |node| node.span);
                let message =
                    format!("the mapping {} is for `{}`, not for `{given}`", mapping.name(), mapping.record());
                self.reader.error_with(span, "IL-DEF-011", message, "name the mapping of this record");
                None
            }
            (Some(given), _) => Some(given),
            (None, Some(mapping)) if !function => Some(mapping.record().into()),
            // A mapping that has mistakes of its own cannot say its record.
            (None, None) if fields.get("mapping").is_some() && !function => None,
            (None, _) => fields.required_text("record"),
        }
    }

    /// A canonical object that a member names.
    pub(super) fn object(&self, fields: &Fields<'_>, member: &str) -> Option<ObjectName> {
        let node = fields.required(member)?;
        let name = self.reader.text(node, &format!("`{member}`"))?;
        if !self.loader.names_of(Room::Objects).any(|known| known == &*name) {
            let message = format!("there is no canonical object `{name}`");
            self.reader.unknown(node.span, "IL-DEF-006", message, &name, self.loader.names_of(Room::Objects));
            return None;
        }
        Some(ObjectName::new(name))
    }

    /// What is asked of the system: what the mapping reads, and what is named besides.
    pub(super) fn select(&self, fields: &Fields<'a>, mapping: Option<&Mapping>) -> Selection {
        let mut selection = mapping.map(|mapping| selection(mapping.selection())).unwrap_or_default();
        if let Some(node) = fields.get("select") {
            self.add(&mut selection, node, fields.key_span("select"));
        }
        selection
    }

    fn add(&self, selection: &mut Selection, node: &'a Node, place: Span) {
        let Some(fields) = self.reader.fields(node, place, "`select`", &["fields", "children"]) else { return };
        for field in fields.get("fields").map(|node| self.reader.texts(node, "`fields`")).unwrap_or_default() {
            if !selection.fields.contains(&field) {
                selection.fields.push(field);
            }
        }
        let children = fields.get("children").map(|node| self.reader.entries(node, "`children`"));
        for (key, node) in children.unwrap_or_default() {
            let at = selection.children.iter().position(|(name, _)| *name == key.name).unwrap_or_else(|| {
                selection.children.push((Arc::clone(&key.name), Selection::default()));
                selection.children.len() - 1
            });
            self.add(&mut selection.children[at].1, node, key.span);
        }
    }
}

fn selection(selected: &Selected) -> Selection {
    let children = selected.children.iter().map(|(name, child)| (Arc::clone(name), selection(child)));
    Selection { fields: selected.fields.clone(), children: children.collect() }
}
