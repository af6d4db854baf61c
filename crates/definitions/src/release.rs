//! A release: every definition of a project, checked, compiled and immutable.

use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use mapping::Mapping;
use model::{ConnectionName, ObjectName, QueueName, Value, WorkflowName};
use sync::Fields;
use workflow::{Environment, FunctionReference, Permissions, Workflow};

use crate::agreement::Synchronised;
use crate::api::Api;
use crate::connection::{ConnectionDefinition, Function, ResolveRule};
use crate::object::ObjectDefinition;
use crate::queue::Queue;
use crate::settings::ProjectSettings;
use crate::sources::Sources;

/// Every definition of a project, as it runs.
#[derive(Debug)]
pub struct Release {
    /// Hash of all its files' content.
    pub hash: Arc<str>,
    /// The project folder: secrets by `file:` and the store's path are relative to it.
    pub folder: PathBuf,
    /// What `interlock.yaml` says.
    pub settings: ProjectSettings,
    /// What its workflows may do besides calling connections.
    pub permissions: Permissions,
    /// What expressions in workflows see of the deployment.
    pub environment: Environment,
    /// The connections.
    pub connections: IndexMap<ConnectionName, Arc<ConnectionDefinition>>,
    /// The canonical objects.
    pub objects: IndexMap<ObjectName, Arc<ObjectDefinition>>,
    /// The objects that systems are kept in agreement about.
    pub synchronised: IndexMap<ObjectName, Arc<Synchronised>>,
    /// The mappings, by file name without extension (`order.erp`).
    pub mappings: IndexMap<Arc<str>, Arc<Mapping>>,
    /// The workflows.
    pub workflows: IndexMap<WorkflowName, Arc<WorkflowDefinition>>,
    /// The process APIs.
    pub apis: Vec<Arc<Api>>,
    /// The work queues.
    pub queues: IndexMap<QueueName, Arc<Queue>>,
    /// The files it was read from.
    pub sources: Sources,
}

/// A workflow and the text it was compiled from, which runs that began with it are pinned to.
#[derive(Debug)]
pub struct WorkflowDefinition {
    /// The compiled document.
    pub workflow: Workflow,
    /// Its text.
    pub text: Arc<str>,
    /// File name, relative to the project folder.
    pub file: Arc<str>,
}

/// What a call in a workflow means.
#[derive(Debug, Clone)]
pub enum Target {
    /// A function of a connection: `create-order:1.0.0@erp`.
    Connection(Arc<Function>),
    /// A work item for people: `credit:1.0.0@queue`.
    Queue(Arc<Queue>),
    /// The business state of the matter: `milestone:1.0.0@process`.
    Milestone,
}

impl Release {
    /// The same release in this environment.
    #[must_use]
    pub fn with_environment(mut self, environment: Environment) -> Self {
        for definition in self.workflows.values_mut() {
            // Nothing else refers to a definition before the release is in use.
            if let Some(definition) = Arc::get_mut(definition) {
                definition.workflow.set_environment(environment.clone());
            }
        }
        self.environment = environment;
        self
    }

    /// The workflow that a task runs: by namespace, name, and version, of which `latest` is the highest there is.
    #[must_use]
    pub fn workflow(&self, namespace: &str, name: &str, version: &str) -> Option<&Arc<WorkflowDefinition>> {
        let fits = |definition: &&Arc<WorkflowDefinition>| {
            let own = &definition.workflow;
            &**own.namespace() == namespace
                && &**own.name() == name
                && (version == "latest" || &**own.version() == version)
        };
        self.workflows.values().filter(fits).max_by_key(|definition| version_order(definition.workflow.version()))
    }

    /// The rules by which an object of this kind names others.
    pub fn parents_of(&self, object: &str) -> impl Iterator<Item = &ResolveRule> {
        let feeds = self.connections.values().flat_map(|connection| connection.feeds.values());
        feeds.filter(move |feed| feed.object.as_str() == object).flat_map(|feed| &feed.resolve)
    }

    /// The members of an object that name others, with what they say.
    #[must_use]
    pub fn links_of(&self, object: &str, agreed: &Fields) -> Vec<(Arc<str>, Arc<str>)> {
        let mut links: Vec<(Arc<str>, Arc<str>)> = Vec::new();
        for rule in self.parents_of(object) {
            let Some(Value::String(said)) = agreed.get(&rule.member) else { continue };
            if !links.iter().any(|(member, _)| *member == rule.member) {
                links.push((Arc::clone(&rule.member), said.clone().into()));
            }
        }
        links
    }

    /// What a call means; `None` when there is no such function in this release.
    #[must_use]
    pub fn target(&self, function: &FunctionReference) -> Option<Target> {
        let catalog = function.catalog.as_deref()?;
        let version = |own: &str| function.version.as_deref().is_none_or(|asked| asked == own);
        match catalog {
            "process" if &*function.name == "milestone" && version("1.0.0") => Some(Target::Milestone),
            "queue" if version("1.0.0") => self.queues.get(&*function.name).cloned().map(Target::Queue),
            _ => {
                let function = self.connections.get(catalog)?.functions.get(&*function.name)?;
                version(&function.version).then(|| Target::Connection(Arc::clone(function)))
            }
        }
    }
}

/// Orders versions by their numbers: major, minor, patch, and a release after its candidates.
pub(crate) fn version_order(version: &str) -> (Vec<u64>, bool) {
    let core = version.split(['-', '+']).next().unwrap_or(version);
    let numbers = core.split('.').map(|part| part.parse().unwrap_or(0)).collect();
    (numbers, !version.contains('-'))
}
