//! `queues/*.yaml`

use std::sync::Arc;

use indexmap::IndexMap;
use model::QueueName;
use workflow::yaml::{Key, Node};

use super::files::Room;
use super::reader::Reader;
use super::{Document, Loader};
use crate::queue::{ActionStyle, Queue, QueueAction};

const STYLES: [(&str, ActionStyle); 3] =
    [("plain", ActionStyle::Plain), ("primary", ActionStyle::Primary), ("danger", ActionStyle::Danger)];

pub(super) fn read(loader: &Loader<'_>) -> IndexMap<QueueName, Arc<Queue>> {
    let documents = loader.documents_of(Room::Queues);
    let queues = documents.filter_map(|document| {
        let reader = Reader { source: document.source, findings: loader.findings };
        one(reader, document)
    });
    queues.map(|queue| (queue.name.clone(), Arc::new(queue))).collect()
}

fn one<'a>(reader: Reader<'a>, document: &'a Document<'a>) -> Option<Queue> {
    let known = ["queue", "title", "purpose", "who", "clock", "actions"];
    let fields = reader.fields(&document.node, document.node.span, "a queue's file", &known)?;
    let name = fields.named("queue", document.stem, "a queue");
    let (title, purpose) = (fields.required_text("title"), fields.required_text("purpose"));
    let who = fields.required("who").map(|node| {
        let roles = reader.texts(node, "`who`");
        if roles.is_empty() && node.list().is_some() {
            let message = "nobody may act on the items of this queue";
            reader.error_with(node.span, "IL-DEF-004", message, "name at least one role, such as `who: [order-desk]`");
        }
        roles
    });
    fields.required("clock");
    let clock = fields.duration("clock");
    let actions = fields.required("actions").map(|node| {
        let entries = reader.entries(node, "`actions`");
        if entries.is_empty() && node.map().is_some() {
            reader.error(node.span, "IL-DEF-004", "nothing can be done with the items of this queue");
        }
        entries.iter().filter_map(|(key, node)| action(reader, key, node)).collect::<IndexMap<_, _>>()
    });
    Some(Queue {
        name: QueueName::new(name?),
        title: title?,
        purpose: purpose?,
        who: who?,
        clock: clock?,
        actions: actions?,
    })
}

fn action<'a>(reader: Reader<'a>, key: &'a Key, node: &'a Node) -> Option<(Arc<str>, QueueAction)> {
    let named = reader.is_name(&key.name, key.span, "an action");
    let what = format!("the action `{}`", key.name);
    let fields = reader.fields(node, key.span, &what, &["label", "edit", "note", "style"])?;
    let label = fields.required_text("label");
    let edit = fields.truth("edit").unwrap_or(false);
    let note_required = fields.word("note", &[("required", true), ("optional", false)]).unwrap_or(false);
    let style = fields.word("style", &STYLES).unwrap_or_default();
    let action = QueueAction { label: label?, edit, note_required, style };
    named.then(|| (Arc::clone(&key.name), action))
}
