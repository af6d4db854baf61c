//! One workflow document by itself, with the documents beside it that it runs: a release without a project.

use std::collections::HashSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use model::{Diagnostics, Problem, Source, WorkflowName};
use workflow::{Environment, Permissions, Workflow, yaml};

use crate::catalog::ReleaseCatalog;
use crate::release::{Release, WorkflowDefinition};
use crate::settings::{DirectCalls, ProjectSettings};
use crate::sources::{LoadError, Sources};

/// Largest document, in bytes.
const FILE_MAX: u64 = 1024 * 1024;
/// How many files of the folder are looked at for workflows that are run.
const FILES_MAX: usize = 1_000;

/// A workflow document and what it runs, ready to be run.
#[derive(Debug)]
pub struct Standalone {
    /// A release of the document and of the workflows that it runs.
    pub release: Release,
    /// The document itself.
    pub workflow: Arc<WorkflowDefinition>,
    /// Warnings about all of them.
    pub warnings: Diagnostics,
}

/// What a document is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To draw it: functions of connections and workflows that it runs need not be there.
    Draw,
    /// To look at it: workflows that it runs need not be there yet.
    Check,
    /// To run it.
    Run,
}

/// Reads a workflow document. The workflows that it runs are looked for among the documents in the same folder.
///
/// `direct` says which processes may be run; calls to addresses are allowed. `environment` is what expressions see of the
/// deployment.
///
/// # Errors
/// When the file cannot be read, or with every mistake of it and of the workflows that it runs.
pub fn standalone(
    file: &Path,
    purpose: Purpose,
    direct: DirectCalls,
    environment: &Environment,
) -> Result<Standalone, LoadError> {
    let folder = match file.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let source = read(file, &folder).map_err(LoadError::Project)?;
    let mut release = Release {
        hash: "".into(),
        folder: folder.clone(),
        settings: ProjectSettings { name: "workflow".into(), direct, ..ProjectSettings::default() },
        permissions: Permissions::all(),
        environment: environment.clone(),
        connections: IndexMap::new(),
        objects: IndexMap::new(),
        synchronised: IndexMap::new(),
        mappings: IndexMap::new(),
        workflows: IndexMap::new(),
        apis: Vec::new(),
        queues: IndexMap::new(),
        sources: Sources::default(),
    };
    let beside = Beside::find(&folder, &source);
    let names: Vec<[Arc<str>; 3]> = beside.0.iter().map(|(name, _)| name.clone()).collect();
    let (mut problems, mut sources) = (Diagnostics::default(), Sources::default());
    let mut loaded: Vec<Arc<WorkflowDefinition>> = Vec::new();
    let mut waiting = vec![source];
    let mut taken = HashSet::new();
    while let Some(source) = waiting.pop() {
        if !taken.insert(Arc::clone(&source.file)) {
            continue;
        }
        sources.add(source.clone());
        let catalog = ReleaseCatalog {
            release: &release,
            workflows: Some(&names),
            workflows_may_come: purpose != Purpose::Run,
            functions_are_elsewhere: purpose == Purpose::Draw,
            functions: &[],
            unreadable: Vec::new(),
            queues: Vec::new(),
        };
        match Workflow::load(&source, &catalog, release.permissions) {
            Ok((workflow, warnings)) => {
                problems.extend(warnings);
                waiting.extend(workflow.subflows().filter_map(|wanted| beside.document(wanted)));
                let (text, file) = (Arc::clone(&source.text), Arc::clone(&source.file));
                let workflow = workflow.with_environment(environment.clone());
                loaded.push(Arc::new(WorkflowDefinition { workflow, text, file }));
            }
            Err(wrong) => problems.extend(wrong),
        }
    }
    let Some(workflow) = loaded.first().filter(|_| !problems.has_errors()).cloned() else {
        return Err(LoadError::Definitions { diagnostics: problems, sources });
    };
    for definition in loaded {
        let document = &definition.workflow;
        let name = WorkflowName::new(Arc::clone(document.name()));
        // Documents of one name and several versions are each in the release; they are looked for by all three parts.
        let name = match release.workflows.contains_key(&name) {
            false => name,
            true => WorkflowName::new(format!("{}/{}:{}", document.namespace(), document.name(), document.version())),
        };
        release.workflows.insert(name, definition);
    }
    release.sources = sources;
    Ok(Standalone { release, workflow, warnings: problems })
}

/// The documents of the folder, by namespace, name and version.
struct Beside(Vec<([Arc<str>; 3], Source)>);

impl Beside {
    /// Documents that cannot be read are no workflows that could be run; which of them was meant is told where it is run.
    fn find(folder: &Path, own: &Source) -> Self {
        let mut files: Vec<PathBuf> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| {
                    ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known))
                })
            })
            .take(FILES_MAX)
            .collect();
        files.sort();
        let others = files.iter().filter_map(|path| read(path, folder).ok()).filter(|other| other.file != own.file);
        let named = std::iter::once(own.clone()).chain(others).filter_map(|source| {
            let node = yaml::parse(&source).ok()?;
            let about = node.get("document")?;
            let text = |name: &str| about.get(name)?.text().cloned();
            Some(([text("namespace")?, text("name")?, text("version")?], source))
        });
        Self(named.collect())
    }

    fn document(&self, [namespace, name, version]: [&Arc<str>; 3]) -> Option<Source> {
        let fits = |known: &[Arc<str>; 3]| {
            known[0] == *namespace && known[1] == *name && (&**version == "latest" || known[2] == *version)
        };
        let found = self.0.iter().filter(|(known, _)| fits(known));
        found.max_by_key(|(known, _)| crate::release::version_order(&known[2])).map(|(_, source)| source.clone())
    }
}

/// Reads a file. Its name in messages is the one inside the folder.
fn read(file: &Path, folder: &Path) -> Result<Source, Problem> {
    let failed = |cause: String| {
        let message = format!("{} cannot be read: {cause}", file.display());
        Problem::new("IL-DEF-020", message, "Give the path of a workflow document in YAML or JSON")
    };
    let opened = fs::File::open(file).map_err(|error| failed(error.to_string()))?;
    let mut bytes = Vec::new();
    opened.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(failed(format!("it is larger than {FILE_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| failed("it is not text in UTF-8".to_owned()))?;
    let name = file.strip_prefix(folder).unwrap_or(file).to_string_lossy();
    Ok(Source { file: name.into(), text: text.into() })
}
