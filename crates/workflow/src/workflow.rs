//! A loaded workflow.

use std::sync::Arc;

use model::{Diagnostics, Source, Value};
use sha2::{Digest, Sha256};

use crate::catalog::{Catalog, FunctionReference, Permissions};
use crate::definition::{Kind, TaskId, Tasks};
use crate::event::Interest;
use crate::load::Loader;
use crate::schedule::Starts;

/// The task that stands for the whole run. Its pointer is empty.
pub(crate) const ROOT: TaskId = TaskId(0);

/// A checked workflow, ready to run. All its expressions are compiled; it can be shared by all its runs.
#[derive(Debug)]
pub struct Workflow {
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) version: Arc<str>,
    pub(crate) title: Option<Arc<str>>,
    pub(crate) summary: Option<Arc<str>>,
    pub(crate) hash: [u8; 32],
    /// The document as data, when an expression reads `$workflow`.
    pub(crate) definition: Value,
    /// Whether an expression reads `$workflow`.
    pub(crate) keeps_input: bool,
    pub(crate) tasks: Tasks,
    pub(crate) starts: Starts,
    pub(crate) secrets: Vec<Arc<str>>,
    pub(crate) environment: Environment,
}

/// What the deployment gives to expressions. None of it is stored with a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Environment {
    /// `$secrets`: an object by secret name. Give stand-ins that the driver replaces just before it sends, so that no
    /// secret gets into a stored run.
    pub secrets: Value,
    /// `$runtime`: name, version and metadata of the engine.
    pub runtime: Value,
}

impl Default for Environment {
    fn default() -> Self {
        let runtime = [("name", "interlock"), ("version", env!("CARGO_PKG_VERSION"))];
        Self { secrets: Value::empty_object(), runtime: Value::object(runtime) }
    }
}

impl Workflow {
    /// Reads and checks a document of the Open Workflow DSL 1.0, in YAML or JSON. Gives the workflow and warnings.
    ///
    /// # Errors
    /// All mistakes of the document, each with its place and what would be right.
    pub fn load(
        source: &Source,
        catalog: &dyn Catalog,
        permissions: Permissions,
    ) -> Result<(Self, Diagnostics), Diagnostics> {
        Loader::load(source, catalog, permissions)
    }

    /// The same workflow in this environment.
    #[must_use]
    pub fn with_environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Puts the workflow into this environment.
    pub fn set_environment(&mut self, environment: Environment) {
        self.environment = environment;
    }

    /// `document.namespace`
    #[must_use]
    pub const fn namespace(&self) -> &Arc<str> {
        &self.namespace
    }

    /// `document.name`
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// `document.version`
    #[must_use]
    pub const fn version(&self) -> &Arc<str> {
        &self.version
    }

    /// `document.title`
    #[must_use]
    pub const fn title(&self) -> Option<&Arc<str>> {
        self.title.as_ref()
    }

    /// `document.summary`
    #[must_use]
    pub const fn summary(&self) -> Option<&Arc<str>> {
        self.summary.as_ref()
    }

    /// SHA-256 of the document's text: what a run pins.
    #[must_use]
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// What starts runs.
    #[must_use]
    pub const fn starts(&self) -> &Starts {
        &self.starts
    }

    /// What runs may ever listen for.
    #[must_use]
    pub fn interests(&self) -> Vec<Interest> {
        let listens = self.tasks.all.iter().filter_map(|task| match &task.kind {
            Kind::Listen(listen) => Some(listen),
            _ => None,
        });
        let mut interests: Vec<Interest> = listens.flat_map(|listen| listen.interests()).collect();
        interests.sort();
        interests.dedup();
        interests
    }

    /// Namespace, name and version of the workflows that its tasks run.
    pub fn subflows(&self) -> impl Iterator<Item = [&Arc<str>; 3]> {
        self.tasks.all.iter().filter_map(|task| match &task.kind {
            Kind::Subflow(subflow) => Some([&subflow.namespace, &subflow.name, &subflow.version]),
            _ => None,
        })
    }

    /// The tasks that call functions of catalogs, by their pointers, in the order of the document.
    pub fn calls(&self) -> impl Iterator<Item = (&Arc<str>, &FunctionReference)> {
        self.tasks.all.iter().filter_map(|task| match &task.kind {
            Kind::Call { function, .. } => Some((&task.pointer, function)),
            _ => None,
        })
    }

    /// The secrets that the document says it needs.
    #[must_use]
    pub fn secrets(&self) -> &[Arc<str>] {
        &self.secrets
    }

    /// The pointers and names of all tasks, in the order of the document: what a timeline shows.
    pub fn tasks(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.tasks.all.iter().skip(1).map(|task| (&task.pointer, &task.name))
    }
}

pub(crate) fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
