//! `lists` of `objects/*.yaml`: lists that are merged item by item, and by what their items are known.

use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use model::{Path, Value};
use sync::ListKey;
use workflow::yaml::{Key, Node};

use super::reader::{Fields, Reader};
use super::schemas::{self, Known};
use crate::connection::Feed;
use crate::object::ObjectDefinition;

/// Reads `lists`. `members` are those of all sides, `feeds` those that read the object.
pub(super) fn read<'a>(
    reader: Reader<'a>,
    object: &ObjectDefinition,
    fields: &Fields<'a>,
    members: &IndexSet<Arc<str>>,
    feeds: &[&Feed],
) -> IndexMap<Arc<str>, ListKey> {
    let Some(node) = fields.get("lists") else { return IndexMap::new() };
    let reading = Lists { reader, document: &object.document, members, feeds };
    let lists = reader.entries(node, "`lists`").iter();
    lists.filter_map(|(name, node)| Some((Arc::clone(&name.name), reading.list(name, node)?))).collect()
}

struct Lists<'a, 'o> {
    reader: Reader<'a>,
    /// The schema of the object.
    document: &'o Value,
    members: &'o IndexSet<Arc<str>>,
    feeds: &'o [&'o Feed],
}

impl<'a> Lists<'a, '_> {
    fn list(&self, name: &Key, node: &'a Node) -> Option<ListKey> {
        let is_known = self.members.is_empty() || self.members.contains(&name.name);
        if !is_known {
            let message = format!("no side has a member `{}`", name.name);
            self.reader.unknown(
                name.span,
                "IL-DEF-006",
                message,
                &name.name,
                self.members.iter().map(|member| &**member),
            );
        }
        let fields = self.reader.fields(node, name.span, &format!("the list `{}`", name.name), &["key"]);
        let path = self.reader.path(&name.name, name.span).filter(|_| is_known)?;
        let items = match schemas::member(self.document, self.document, &path) {
            Known::Yes(schema) if !schemas::may_be(self.document, schema, "array") => {
                let message = format!("`{}` is no list, as the schema says", name.name);
                let help =
                    "name a member whose `type` is `array`, or leave it out: a value that is no list is one value";
                self.reader.error_with(name.span, "IL-DEF-011", message, help);
                return None;
            }
            Known::Yes(schema) => schemas::items(self.document, schema),
            // What the schema says of it is told where it is mapped.
            Known::Open | Known::No(..) => None,
        };
        let fields = fields?;
        let Some(node) = fields.get("key") else {
            if items.is_some_and(|items| !schemas::may_be(self.document, items, "string")) {
                let message =
                    format!("items of `{}` have members, so that it has to be said by which they are known", name.name);
                let names = items.map(|items| schemas::names(self.document, items)).unwrap_or_default();
                let example = names.first().copied().unwrap_or("kind");
                let help = format!("name what tells one item from the other: `{}: {{ key: [{example}] }}`", name.name);
                self.reader.error_with(fields.key_span("key"), "IL-DEF-004", message, help);
            }
            return Some(ListKey::new(Vec::new()));
        };
        Some(ListKey::new(self.key(name, node, items)))
    }

    /// One member of the items, or several that are the key together.
    fn key(&self, list: &Key, node: &'a Node, items: Option<&Value>) -> Vec<Path> {
        let mut key: Vec<Path> = Vec::new();
        let nodes = node.list().unwrap_or(std::slice::from_ref(node));
        if nodes.is_empty() {
            let help = "leave out `key` where each item is known by itself, as in a list of words";
            self.reader.error_with(node.span, "IL-DEF-002", "`key` names at least one member", help);
        }
        for node in nodes {
            let Some(text) = self.reader.text(node, "a member of `key`") else { continue };
            let Some(path) = self.reader.path(&text, node.span) else { continue };
            if key.contains(&path) {
                let message = format!("`{text}` stands twice in this `key`");
                self.reader.error_with(node.span, "IL-DEF-011", message, "remove one of them");
                continue;
            }
            if self.is_held(list, &path, node, items) {
                key.push(path);
            }
        }
        key
    }

    /// Whether items have such a member, and every feed reads it: items without would all be the same.
    fn is_held(&self, list: &Key, path: &Path, node: &'a Node, items: Option<&Value>) -> bool {
        if let Some(items) = items {
            if !schemas::may_be(self.document, items, "object") {
                let message = format!("items of `{}` have no members, as the schema says", list.name);
                self.reader.error_with(
                    node.span,
                    "IL-DEF-011",
                    message,
                    "leave out `key`: each item is known by itself",
                );
                return false;
            }
            if let Known::No(name, names) = schemas::member(self.document, items, path) {
                let message = format!("items of `{}` have no member `{name}`", list.name);
                self.reader.unknown(node.span, "IL-DEF-006", message, &name, names);
                return false;
            }
        }
        for feed in self.feeds {
            let Some(members) = feed.mapping.items(&list.name, true) else { continue };
            let wanted = path.to_string();
            if !members.contains(&wanted.as_str()) {
                let message = format!(
                    "the mapping `{}` reads no `{wanted}` of the items of `{}`",
                    feed.mapping.name(),
                    list.name
                );
                let help = format!(
                    "add it to mappings/{}.yaml: what items are known by has to be read on every side",
                    feed.mapping.name()
                );
                self.reader.error_with(node.span, "IL-DEF-011", message, help);
            }
        }
        true
    }
}
