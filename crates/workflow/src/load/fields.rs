//! Looking at mappings and lists: unknown members with the name that was probably meant, missing ones, wrong kinds.

use std::sync::Arc;

use model::{Span, nearest};

use super::Loader;
use crate::yaml::{Key, Node};

/// The members of a mapping whose names have been checked.
pub(crate) struct Fields<'n> {
    what: String,
    place: Span,
    members: &'n [(Key, Node)],
}

impl<'n> Fields<'n> {
    pub(crate) fn get(&self, name: &str) -> Option<&'n Node> {
        self.members.iter().find(|(key, _)| &*key.name == name).map(|(_, node)| node)
    }

    /// A member that must be there.
    pub(super) fn required(&self, loader: &mut Loader<'_>, name: &str) -> Option<&'n Node> {
        let found = self.get(name);
        if found.is_none() {
            loader.error(self.place, "IL-WF-003", format!("{} needs `{name}`", self.what));
        }
        found
    }
}

impl Loader<'_> {
    /// The members of a mapping that may only have these.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Option<Fields<'n>> {
        let fields = self.open(node, what)?;
        for (key, _) in fields.members {
            if !known.contains(&&*key.name) {
                let message = format!("{what} has no `{}`", key.name);
                let help = match nearest(&key.name, known.iter().copied()) {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => format!("it may have {}", listed(known)),
                };
                self.error(key.span, "IL-WF-002", message).help(help);
            }
        }
        Some(fields)
    }

    /// The members of a mapping that may have any.
    pub(super) fn open<'n>(&mut self, node: &'n Node, what: &str) -> Option<Fields<'n>> {
        match node.map() {
            Some(members) => Some(Fields { what: what.to_owned(), place: node.span, members }),
            None => {
                self.error(node.span, "IL-WF-004", format!("{what} is a mapping, not a {}", node.kind_name()));
                None
            }
        }
    }

    /// The items of a list.
    pub(super) fn items<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match node.list() {
            Some(items) => items,
            None => {
                self.error(node.span, "IL-WF-004", format!("{what} is a list, not a {}", node.kind_name()));
                &[]
            }
        }
    }

    /// The only member of a mapping such as `- name: {...}`.
    pub(super) fn only<'n>(&mut self, node: &'n Node, what: &str) -> Option<(&'n Key, &'n Node)> {
        match node.map() {
            Some([(key, node)]) => Some((key, node)),
            Some(members) => {
                let message = format!("{what} is one name with its definition, but here are {}", members.len());
                let place = members.get(1).map_or(node.span, |(key, _)| key.span);
                self.error(place, "IL-WF-004", message).help("check the indentation: each one begins with `- name:`");
                None
            }
            None => {
                let message = format!("{what} is a name with its definition, not a {}", node.kind_name());
                self.error(node.span, "IL-WF-004", message).help("write `- name: { ... }`");
                None
            }
        }
    }

    /// A text.
    pub(super) fn text(&mut self, node: &Node, what: &str) -> Option<Arc<str>> {
        let text = node.text().cloned();
        if text.is_none() {
            self.error(node.span, "IL-WF-004", format!("`{what}` is a text, not a {}", node.kind_name()));
        }
        text
    }

    /// A truth.
    pub(super) fn truth(&mut self, node: &Node, what: &str) -> Option<bool> {
        let truth = node.to_value().as_bool();
        if truth.is_none() {
            self.error(node.span, "IL-WF-004", format!("`{what}` is true or false, not a {}", node.kind_name()));
        }
        truth
    }

    /// A whole number that is not negative.
    pub(super) fn count(&mut self, node: &Node, what: &str) -> Option<i64> {
        let count = node.to_value().as_i64().filter(|count| *count >= 0);
        if count.is_none() {
            let message = format!("`{what}` is a whole number that is not negative");
            self.error(node.span, "IL-WF-004", message);
        }
        count
    }
}

fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}
