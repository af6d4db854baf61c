//! What the workflows of a release may call.

use std::sync::Arc;

use contract::Schema;
use model::{Diagnostics, Source, Value};
use workflow::{Catalog, FunctionReference, FunctionSignature, SchemaCheck, Workflow};

use crate::load::schemas::WorkflowSchema;
use crate::release::{Release, Target};

/// What a work item may be made of.
const WORK_ITEM: [&str; 6] = ["title", "reason", "amount", "record", "fields", "allow"];

/// A release as workflows see it.
pub(crate) struct ReleaseCatalog<'a> {
    pub(crate) release: &'a Release,
    /// Namespace, name and version of the workflows that may be run; `None` for any.
    pub(crate) workflows: Option<&'a [[Arc<str>; 3]]>,
    /// Whether workflows that are not there may come.
    pub(crate) workflows_may_come: bool,
    /// Whether functions of catalogs may be any: the document is only looked at.
    pub(crate) functions_are_elsewhere: bool,
    /// Functions that are defined, even those with mistakes of their own: `name@connection`.
    pub(crate) functions: &'a [String],
    /// Connections and workflows whose files could not be read at all.
    pub(crate) unreadable: Vec<String>,
    /// Queues that are defined, even those with mistakes of their own.
    pub(crate) queues: Vec<String>,
}

impl Catalog for ReleaseCatalog<'_> {
    fn look_up(&self, function: &FunctionReference) -> Option<FunctionSignature> {
        match self.release.target(function) {
            Some(Target::Connection(_)) => Some(FunctionSignature::default()),
            Some(Target::Queue(_)) => {
                Some(FunctionSignature { required: Vec::new(), known: Some(WORK_ITEM.map(Arc::from).to_vec()) })
            }
            Some(Target::Milestone) => Some(FunctionSignature::default()),
            None if self.functions_are_elsewhere && function.catalog.is_some() => Some(FunctionSignature::default()),
            None => {
                // What has mistakes of its own is told there, not at every call.
                let catalog = function.catalog.as_deref().unwrap_or_default();
                let connection = self.release.connections.get(catalog);
                let read = connection.is_some_and(|connection| connection.functions.contains_key(&*function.name));
                let told = !read && self.functions.contains(&format!("{}@{catalog}", function.name))
                    || connection.is_none() && self.unreadable.iter().any(|name| name == catalog)
                    || catalog == "queue"
                        && !self.release.queues.contains_key(&*function.name)
                        && self.queues.iter().any(|name| **name == *function.name);
                told.then(FunctionSignature::default)
            }
        }
    }

    fn suggestions(&self) -> Vec<String> {
        let connections = self.release.connections.values();
        let functions = connections.flat_map(|connection| connection.functions.values()).map(ToString::to_string);
        let queues = self.release.queues.keys().map(|queue| format!("{queue}:1.0.0@queue"));
        functions.chain(queues).chain(["milestone:1.0.0@process".to_owned()]).collect()
    }

    fn has_workflow(&self, namespace: &str, name: &str, version: &str) -> bool {
        let Some(known) = self.workflows else { return true };
        let parts = [namespace, name, version];
        known.iter().any(|known| known.iter().zip(parts).all(|(known, part)| **known == *part || part == "latest"))
            || self.unreadable.iter().any(|known| known == name)
    }

    fn workflows_may_come(&self) -> bool {
        self.workflows_may_come
    }

    fn schema(&self, document: &Value) -> Result<Option<Arc<dyn SchemaCheck>>, String> {
        Schema::compile(document).map(|schema| Some(Arc::new(WorkflowSchema(schema)) as Arc<dyn SchemaCheck>))
    }
}

impl Release {
    /// Compiles the text of a workflow against this release: for a run that is pinned to a text which no file holds any more.
    ///
    /// # Errors
    /// Why it does not fit this release.
    pub fn load_workflow_text(&self, text: &Arc<str>) -> Result<Workflow, Diagnostics> {
        let source = Source { file: "pinned workflow".into(), text: Arc::clone(text) };
        let catalog = ReleaseCatalog {
            release: self,
            workflows: None,
            workflows_may_come: false,
            functions_are_elsewhere: false,
            functions: &[],
            unreadable: Vec::new(),
            queues: Vec::new(),
        };
        let (workflow, _) = Workflow::load(&source, &catalog, self.permissions)?;
        Ok(workflow.with_environment(self.environment.clone()))
    }
}
