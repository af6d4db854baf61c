//! From a folder of files to a release, with all mistakes at once.

mod agreement;
mod apis;
mod cases;
mod connections;
mod console_address;
mod environment;
mod feeds;
mod files;
mod functions;
mod hooks;
mod lists;
mod mappings;
mod matching;
mod objects;
mod queues;
mod reader;
mod reconcile;
pub(crate) mod schemas;
mod secrets;
mod settings;
mod values;
mod workflows;

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use connect::Connector;
use indexmap::IndexMap;
use mapping::{Mapping, ValueMap};
use model::{ConnectionName, Diagnostics, ObjectName, Source, Span};
use workflow::yaml::{self, Node};
use workflow::{Environment, Permissions};

pub use cases::load_with_cases;
pub use console_address::console_address;

use crate::connection::{ConnectionDefinition, Function};
use crate::object::ObjectDefinition;
use crate::release::Release;
use crate::sources::{self, LoadError};
use files::{File, Room};
use reader::Reader;

/// Reads, checks and compiles a project. Gives the release and warnings.
///
/// `connectors` are the drivers that connection files may name; `environment` fills `${NAME}` in `interlock.yaml` and
/// `connections/*.yaml`. Nothing is contacted and no secret is read.
///
/// # Errors
/// [`LoadError::Project`] when there is no project in this folder, [`LoadError::Definitions`] with every mistake of every file.
pub fn load(
    folder: &Path,
    connectors: &[&dyn Connector],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<(Release, Diagnostics), LoadError> {
    load_project(folder, connectors, environment, Unset::Error)
}

/// What an environment variable is that is not set and has no default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unset {
    /// A mistake.
    Error,
    /// Nothing to tell of: no system is reached, so addresses and credentials do not matter.
    Allowed,
}

fn load_project(
    folder: &Path,
    connectors: &[&dyn Connector],
    environment: &dyn Fn(&str) -> Option<String>,
    unset: Unset,
) -> Result<(Release, Diagnostics), LoadError> {
    let files = files::read(folder)?;
    let findings = Findings {
        problems: RefCell::new(files.problems),
        blots: RefCell::default(),
        unset: (unset == Unset::Allowed).then(RefCell::default),
    };
    let documents: Vec<Document<'_>> = files.files.iter().filter_map(|file| parse(file, &findings)).collect();
    let loader = Loader { findings: &findings, documents: &documents, names: &files.names, connectors, environment };
    let release = loader.release(folder, Arc::clone(&files.hash));
    let mut sources = files.sources;
    let blots = findings.blots.into_inner();
    for (file, secret) in &blots {
        sources.blot(file, secret);
    }
    let mut diagnostics = Diagnostics::default();
    let unset = findings.unset.map(RefCell::into_inner).unwrap_or_default();
    let problems = findings.problems.into_inner().into_iter();
    let known = problems.filter(|problem| !unset.contains(&(Arc::clone(&problem.file), problem.span)));
    diagnostics.extend(known.map(|mut problem| {
        for (_, secret) in blots.iter().filter(|(file, _)| *file == problem.file) {
            problem.message = sources::blotted(&problem.message, secret);
        }
        problem
    }));
    match release {
        Some(mut release) if !diagnostics.has_errors() => {
            release.sources = sources;
            Ok((release, diagnostics))
        }
        _ => Err(LoadError::Definitions { diagnostics, sources }),
    }
}

/// A file and a place in it.
type PlaceInFile = (Arc<str>, Span);

/// What was found on the way, in all files.
pub(super) struct Findings {
    problems: RefCell<Diagnostics>,
    /// Secrets that stand in files: no message may show them.
    blots: RefCell<Vec<(Arc<str>, Arc<str>)>>,
    /// Places whose environment variable is not set, where that is no mistake.
    unset: Option<RefCell<Vec<PlaceInFile>>>,
}

/// A file whose text is YAML.
pub(super) struct Document<'a> {
    room: Room,
    stem: &'a Arc<str>,
    source: &'a Source,
    node: Node,
}

fn parse<'a>(file: &'a File, findings: &Findings) -> Option<Document<'a>> {
    let mut problems = findings.problems.borrow_mut();
    if file.source.text.trim().is_empty() {
        let problem = model::Diagnostic::error(&file.source, files::PLACE, "IL-DEF-001", "this file is empty");
        problems.push(problem.with_help("remove it, or write the definition"));
        return None;
    }
    match yaml::parse(&file.source) {
        Ok(node) => Some(Document { room: file.room, stem: &file.stem, source: &file.source, node }),
        Err(wrong) => {
            drop(problems);
            if matches!(file.room, Room::Project | Room::Connections) {
                secrets::blot_lines(Reader { source: &file.source, findings }, file.room);
            }
            let mut problems = findings.problems.borrow_mut();
            // Workflows tell the same with their own code when they are read by themselves.
            problems.extend(wrong.into_iter().map(|mut problem| {
                problem.code = "IL-DEF-001";
                problem
            }));
            None
        }
    }
}

/// What all readers share.
pub(super) struct Loader<'a> {
    findings: &'a Findings,
    documents: &'a [Document<'a>],
    /// The files there are, even those that cannot be read: what refers to them is not told again.
    names: &'a [(Room, Arc<str>)],
    connectors: &'a [&'a dyn Connector],
    environment: &'a dyn Fn(&str) -> Option<String>,
}

/// What has been read so far; later files refer to it.
#[derive(Default)]
pub(super) struct Known {
    objects: IndexMap<ObjectName, Arc<ObjectDefinition>>,
    values: IndexMap<Arc<str>, Arc<ValueMap>>,
    mappings: IndexMap<Arc<str>, Arc<Mapping>>,
    connections: IndexMap<ConnectionName, Arc<ConnectionDefinition>>,
    /// Functions that are defined, even those with mistakes: `name@connection`.
    functions: Vec<String>,
}

impl Known {
    /// The function of `name@connection`.
    fn function(&self, name: &str) -> Option<&Function> {
        let (name, connection) = name.split_once('@')?;
        self.connections.get(connection)?.functions.get(name).map(|function| &**function)
    }
}

impl<'a> Loader<'a> {
    fn documents_of(&self, room: Room) -> impl Iterator<Item = &'a Document<'a>> + use<'a> {
        self.documents.iter().filter(move |document| document.room == room)
    }

    fn reader(&self, document: &'a Document<'a>) -> Reader<'a> {
        Reader { source: document.source, findings: self.findings }
    }

    /// The names of the files of a room.
    fn names_of(&self, room: Room) -> impl Iterator<Item = &'a str> + use<'a> {
        self.names.iter().filter(move |(known, _)| *known == room).map(|(_, name)| &**name)
    }

    fn release(&self, folder: &Path, hash: Arc<str>) -> Option<Release> {
        let mut known = Known::default();
        for document in self.documents_of(Room::Objects) {
            if let Some(object) = objects::read(self.reader(document), document) {
                known.objects.insert(object.name.clone(), Arc::new(object));
            }
        }
        for document in self.documents_of(Room::Values) {
            if let Some(map) = values::read(self.reader(document), document) {
                known.values.insert(Arc::clone(document.stem), Arc::new(map));
            }
        }
        for document in self.documents_of(Room::Mappings) {
            if let Some(mapping) = mappings::read(self, &known, document) {
                known.mappings.insert(Arc::clone(document.stem), Arc::new(mapping));
            }
        }
        for document in self.documents_of(Room::Connections) {
            if let Some(connection) = connections::read(self, &mut known, document) {
                known.connections.insert(connection.name.clone(), Arc::new(connection));
            }
        }
        let mut synchronised = IndexMap::new();
        for document in self.documents_of(Room::Objects) {
            if let Some(one) = agreement::read(self, &known, document) {
                synchronised.insert(one.object.clone(), Arc::new(one));
            }
        }
        let apis = apis::read(self, &known);
        let queues = queues::read(self);
        let settings = settings::read(self, &apis, &queues);
        // Workflows are checked even when the settings have mistakes.
        let complete = settings.is_some();
        let mut release = Release {
            hash,
            folder: folder.to_path_buf(),
            permissions: settings.as_ref().map_or_else(Permissions::default, settings::permissions),
            settings: settings.unwrap_or_default(),
            environment: Environment::default(),
            connections: known.connections,
            objects: known.objects,
            synchronised,
            mappings: known.mappings,
            workflows: IndexMap::new(),
            apis,
            queues,
            sources: Default::default(),
        };
        release.workflows = workflows::read(self, &release, &known.functions);
        complete.then_some(release)
    }
}
