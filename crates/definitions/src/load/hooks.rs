//! `hooks` of `objects/*.yaml`: the workflows that are asked before a person is.

use std::sync::Arc;

use indexmap::IndexMap;
use sync::{Conflict, Policy};
use workflow::yaml::Node;

use super::files::Room;
use super::reader::{Fields, Reader};
use super::{Loader, workflows};
use crate::agreement::{Hook, Question};

const QUESTIONS: [(&str, Question); 3] =
    [("conflict", Question::Conflict), ("deleted", Question::Deleted), ("refused", Question::Refused)];
/// The highest version there is.
const LATEST: &str = "latest";

pub(super) fn read<'a>(
    loader: &Loader<'a>,
    reader: Reader<'a>,
    object: &Fields<'a>,
    policy: &Policy,
) -> IndexMap<Question, Hook> {
    let mut hooks = IndexMap::new();
    let names = QUESTIONS.map(|(name, _)| name);
    let Some(fields) =
        object.get("hooks").and_then(|node| reader.fields(node, object.key_span("hooks"), "`hooks`", &names))
    else {
        return hooks;
    };
    for (name, question) in QUESTIONS {
        let Some(node) = fields.get(name) else { continue };
        hooks.extend(hook(loader, reader, &fields, name, node).map(|hook| (question, hook)));
        if question == Question::Conflict && policy.conflict != Conflict::Queue {
            let message = "this is never asked, as `conflict` decides without asking anybody";
            reader.warning(fields.key_span(name), message, "remove it, or write `conflict: queue`");
        }
    }
    hooks
}

fn hook<'a>(loader: &Loader<'a>, reader: Reader<'a>, outer: &Fields<'a>, name: &str, node: &'a Node) -> Option<Hook> {
    let what = format!("the hook `{name}`");
    let fields = reader.fields(node, outer.key_span(name), &what, &["workflow", "version"])?;
    let (workflow, version) = (fields.required("workflow"), fields.required("version"));
    let (workflow, version) = (workflow?, version?);
    let text = reader.text(workflow, "`workflow`")?;
    let asked = reader.text(version, "`version`")?;
    let names = workflows::names(loader);
    let known: Vec<String> = names.iter().map(|[namespace, name, _]| format!("{namespace}/{name}")).collect();
    let Some((namespace, own)) = text.split_once('/') else {
        let full = names.iter().find(|[_, name, _]| *name == text);
        let (namespace, name) = full.map_or(("orders", "decide"), |[namespace, name, _]| (namespace, name));
        let message = format!("`{text}` does not say which namespace the workflow is in");
        let help = format!("write the namespace in front of the name, as in `{namespace}/{name}`");
        reader.error_with(workflow.span, "IL-DEF-005", message, help);
        return None;
    };
    let hook = Hook { namespace: namespace.into(), name: own.into(), version: Arc::clone(&asked) };
    // One whose file is no YAML has been told.
    if workflows::unreadable(loader, Room::Workflows).iter().any(|file| file == own) {
        return Some(hook);
    }
    if !known.iter().any(|known| *known == *text) {
        let message = format!("there is no workflow `{text}`");
        reader.unknown(workflow.span, "IL-DEF-006", message, &text, known.iter().map(String::as_str));
        return None;
    }
    let of_it = names.iter().zip(&known).filter(|(_, known)| **known == *text);
    let versions: Vec<&str> = of_it.map(|([.., version], _)| &**version).collect();
    if *asked != *LATEST && !versions.contains(&&*asked) {
        let message = format!("there is no version `{asked}` of `{text}`");
        reader.unknown(version.span, "IL-DEF-006", message, &asked, versions);
        return None;
    }
    Some(hook)
}
