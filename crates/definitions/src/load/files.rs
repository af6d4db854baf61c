//! Finding and reading the files of a project, within bounds.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use model::{Diagnostic, Diagnostics, Problem, Source, Span, nearest};
use sha2::{Digest as _, Sha256};

use crate::sources::{LoadError, Sources};

/// Largest file, in bytes.
pub(super) const FILE_MAX: u64 = 1024 * 1024;
/// Most files of a project.
const FILES_MAX: usize = 2_000;
/// The file that makes a folder a project.
pub(super) const PROJECT_FILE: &str = "interlock.yaml";

pub(super) const PLACE: Span = Span { line: 1, column: 1, length: 1 };

/// What a file holds, by its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Room {
    Project,
    Connections,
    Objects,
    Mappings,
    Values,
    Apis,
    Queues,
    Workflows,
    /// Golden cases: not part of a release.
    Tests,
}

impl Room {
    const FOLDERS: [(Self, &'static str); 7] = [
        (Self::Connections, "connections"),
        (Self::Objects, "objects"),
        (Self::Mappings, "mappings"),
        (Self::Values, "values"),
        (Self::Apis, "apis"),
        (Self::Queues, "queues"),
        (Self::Workflows, "workflows"),
    ];
}

/// A file as it was read.
#[derive(Debug)]
pub(super) struct File {
    pub(super) room: Room,
    /// Its name without folder and extension.
    pub(super) stem: Arc<str>,
    pub(super) source: Source,
}

/// Everything that was read.
#[derive(Default)]
pub(super) struct Files {
    pub(super) files: Vec<File>,
    /// Names without extension of all files, even of those that could not be read.
    pub(super) names: Vec<(Room, Arc<str>)>,
    pub(super) sources: Sources,
    pub(super) problems: Diagnostics,
    /// Hash of names and contents.
    pub(super) hash: Arc<str>,
}

/// The folder of golden cases.
const TESTS: &str = "tests";

/// Reads the files with golden cases.
pub(super) fn read_tests(folder: &Path) -> Result<Files, LoadError> {
    let mut reading = Files::default();
    reading.folder(folder, Room::Tests, TESTS)?;
    Ok(reading)
}

/// Reads all files of a project.
pub(super) fn read(folder: &Path) -> Result<Files, LoadError> {
    let project =
        |message: String, remedy: &'static str| LoadError::Project(Problem::new("IL-DEF-000", message, remedy));
    if !folder.is_dir() {
        let message = format!("there is no folder {}", folder.display());
        return Err(project(message, "Name the project's folder, or make one with `interlock new <folder>`"));
    }
    if !folder.join(PROJECT_FILE).is_file() {
        let message = format!("{} holds no {PROJECT_FILE}, so it is no project", folder.display());
        return Err(project(message, "Name the project's folder, or make one with `interlock new <folder>`"));
    }
    let mut reading = Files::default();
    reading.file(folder, Room::Project, PROJECT_FILE);
    for (room, name) in Room::FOLDERS {
        reading.folder(folder, room, name)?;
    }
    reading.misnamed(folder);
    let mut hash = Sha256::new();
    for file in &reading.files {
        for part in [&file.source.file, &file.source.text] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    reading.hash = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
    Ok(reading)
}

impl Files {
    fn folder(&mut self, project: &Path, room: Room, name: &str) -> Result<(), LoadError> {
        let path = project.join(name);
        if !path.exists() {
            return Ok(());
        }
        let cannot = |error: std::io::Error| {
            let message = format!("the folder {} cannot be read: {error}", path.display());
            LoadError::Project(Problem::new("IL-DEF-000", message, "Look at its permissions"))
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(&path).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let is_folder = entry.path().is_dir();
            names.push((entry.file_name().to_string_lossy().into_owned(), is_folder));
            if names.len() + self.files.len() > FILES_MAX {
                let message = format!("{} holds more than {FILES_MAX} files", project.display());
                return Err(LoadError::Project(Problem::new("IL-DEF-000", message, "Split it into several projects")));
            }
        }
        names.sort();
        for (file, is_folder) in names.into_iter().filter(|(file, _)| !file.starts_with('.')) {
            let relative = format!("{name}/{file}");
            if is_folder {
                self.ignored(&relative, "folders inside this one are not read", "move the files one level up");
            } else if file.ends_with(".yaml") {
                self.file(project, room, &relative);
            } else {
                self.ignored(&relative, "this file is not read", "definitions end in `.yaml`");
            }
        }
        Ok(())
    }

    fn file(&mut self, project: &Path, room: Room, relative: &str) {
        let file: Arc<str> = relative.into();
        let stem: Arc<str> =
            relative.rsplit('/').next().and_then(|name| name.strip_suffix(".yaml")).unwrap_or(relative).into();
        self.names.push((room, Arc::clone(&stem)));
        let mut bytes = Vec::new();
        let read =
            fs::File::open(project.join(relative)).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut bytes));
        let told = match read {
            Err(error) => Some((format!("this file cannot be read: {error}"), "look at its permissions")),
            Ok(length) if length as u64 > FILE_MAX => {
                Some(("this file is larger than 1 MiB".to_owned(), "split it into several"))
            }
            Ok(_) => None,
        };
        if let Some((message, help)) = told {
            return self.problem(Source { file, text: "".into() }, PLACE, message, help);
        }
        match String::from_utf8(bytes) {
            Ok(text) => {
                // Editors of some systems begin a file with a byte order mark.
                let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
                let source = Source { file, text: text.into() };
                self.sources.add(source.clone());
                self.files.push(File { room, stem, source });
            }
            Err(error) => {
                let right = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
                let right = String::from_utf8_lossy(right);
                let column = right.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
                let span = Span { line: right.matches('\n').count() + 1, column, length: 1 };
                let source = Source { file, text: String::from_utf8_lossy(error.as_bytes()).into() };
                self.problem(source, span, "this file is not UTF-8 from here on".to_owned(), "save it as UTF-8");
            }
        }
    }

    fn problem(&mut self, source: Source, span: Span, message: String, help: &str) {
        self.problems.push(Diagnostic::error(&source, span, "IL-DEF-001", message).with_help(help));
        self.sources.add(source);
    }

    fn ignored(&mut self, relative: &str, message: &str, help: &str) {
        let source = Source { file: relative.into(), text: "".into() };
        self.problems.push(Diagnostic::warning(&source, PLACE, "IL-DEF-020", message).with_help(help));
        self.sources.add(source);
    }

    /// Warns of folders whose name is nearly one that is read.
    fn misnamed(&mut self, project: &Path) {
        let names: Vec<&str> = Room::FOLDERS.iter().map(|(_, name)| *name).chain([TESTS]).collect();
        let Ok(entries) = fs::read_dir(project) else { return };
        for entry in entries.flatten().take(FILES_MAX) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir()
                && !names.contains(&&*name)
                && let Some(near) = nearest(&name, names.iter().copied())
            {
                self.ignored(&name, "this folder is not read", &format!("did you mean `{near}`?"));
            }
        }
    }
}
