//! `workflows/*.yaml`

use std::sync::Arc;

use indexmap::IndexMap;
use model::{QueueName, WorkflowName};
use workflow::yaml::Node;
use workflow::{FunctionReference, Workflow};

use super::files::Room;
use super::reader::Reader;
use super::{Document, Loader};
use crate::catalog::ReleaseCatalog;
use crate::queue::Queue;
use crate::release::{Release, WorkflowDefinition};
use crate::settings::ProjectSettings;

pub(super) fn read(
    loader: &Loader<'_>,
    release: &Release,
    functions: &[String],
) -> IndexMap<WorkflowName, Arc<WorkflowDefinition>> {
    let names = names(loader);
    let catalog = ReleaseCatalog {
        release,
        workflows: Some(&names),
        workflows_may_come: false,
        functions_are_elsewhere: false,
        functions,
        unreadable: [unreadable(loader, Room::Connections), unreadable(loader, Room::Workflows)].concat(),
        queues: loader.names_of(Room::Queues).map(str::to_owned).collect(),
    };
    let mut workflows: IndexMap<WorkflowName, Arc<WorkflowDefinition>> = IndexMap::new();
    for document in loader.documents_of(Room::Workflows) {
        let reader = Reader { source: document.source, findings: loader.findings };
        decisions(reader, &document.node, &release.queues);
        let loaded = Workflow::load(document.source, &catalog, release.permissions);
        let (workflow, warnings) = match loaded {
            Ok(loaded) => loaded,
            Err(problems) => {
                loader.findings.problems.borrow_mut().extend(problems);
                continue;
            }
        };
        secrets(reader, &document.node, &release.settings);
        loader.findings.problems.borrow_mut().extend(warnings);
        let name = WorkflowName::new(Arc::clone(workflow.name()));
        if let Some(other) = workflows.get(&name) {
            let node = document.node.get("document").and_then(|node| node.get("name"));
            let span = node.map_or(document.node.span, |node| node.span);
            let message = format!("{} defines a workflow `{name}` already", other.file);
            reader.error_with(span, "IL-DEF-011", message, "give each workflow a name of its own");
            continue;
        }
        let (text, file) = (Arc::clone(&document.source.text), Arc::clone(&document.source.file));
        workflows.insert(name, Arc::new(WorkflowDefinition { workflow, text, file }));
    }
    workflows
}

/// Namespace, name and version of all workflows, even those with mistakes of their own.
pub(super) fn names(loader: &Loader<'_>) -> Vec<[Arc<str>; 3]> {
    loader.documents_of(Room::Workflows).filter_map(name).collect()
}

/// The names of the files that are no YAML: what they define is not known.
pub(super) fn unreadable(loader: &Loader<'_>, room: Room) -> Vec<String> {
    let read: Vec<&Arc<str>> = loader.documents_of(room).map(|document| document.stem).collect();
    let gone = loader.names_of(room).filter(|name| !read.iter().any(|known| &***known == *name));
    gone.map(str::to_owned).collect()
}

fn name(document: &Document<'_>) -> Option<[Arc<str>; 3]> {
    let about = document.node.get("document")?;
    let text = |name: &str| about.get(name)?.text().cloned();
    Some([text("namespace")?, text("name")?, text("version")?])
}

/// Checks that the secrets which a workflow names are given to it.
fn secrets(reader: Reader<'_>, node: &Node, settings: &ProjectSettings) {
    let named = node.get("use").and_then(|uses| uses.get("secrets")).and_then(Node::list).unwrap_or_default();
    for item in named {
        let Some(name) = item.text().filter(|name| !settings.secrets.contains_key(*name)) else { continue };
        let message = format!("interlock.yaml gives workflows no secret `{name}`");
        reader.unknown(item.span, "IL-DEF-006", message, name, settings.secrets.keys().map(|name| &**name));
    }
}

/// Checks that a work item is offered only actions that its queue has.
fn decisions(reader: Reader<'_>, node: &Node, queues: &IndexMap<QueueName, Arc<Queue>>) {
    let children = node.map().into_iter().flatten().map(|(_, child)| child);
    for child in children.chain(node.list().unwrap_or_default()) {
        decisions(reader, child, queues);
    }
    let called: Option<FunctionReference> = node.get("call").and_then(Node::text).and_then(|call| call.parse().ok());
    let Some(called) = called.filter(|called| called.catalog.as_deref() == Some("queue")) else { return };
    let Some(queue) = queues.get(&*called.name) else { return };
    let allowed = node.get("with").and_then(|with| with.get("allow")).and_then(Node::list).unwrap_or_default();
    for item in allowed {
        let Some(action) = item.string().filter(|action| !action.starts_with("${")) else { continue };
        if !queue.actions.contains_key(action) {
            let message = format!("the queue `{}` has no action `{action}`", queue.name);
            reader.unknown(item.span, "IL-DEF-006", message, action, queue.actions.keys().map(|name| &**name));
        }
    }
}
