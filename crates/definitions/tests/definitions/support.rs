//! A connector without a system behind it, and projects in temporary folders.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use connect::{Action, ActionInfo, Connection, Connector, Follows, SettingError, Settings};
use definitions::{LoadError, Release};
use model::{Diagnostics, Problem, Value};
use tempfile::TempDir;

/// Understands `url` and `auth: { user, password }`.
pub(crate) struct Paper;

impl Connector for Paper {
    fn name(&self) -> &'static str {
        "paper"
    }

    fn actions(&self) -> &'static [ActionInfo] {
        const ACTIONS: &[ActionInfo] = &[
            ActionInfo { action: Action::Read, gather_max: 10 },
            ActionInfo { action: Action::Find, gather_max: 10 },
            ActionInfo { action: Action::Create, gather_max: 10 },
            ActionInfo { action: Action::Update, gather_max: 10 },
            ActionInfo { action: Action::Delete, gather_max: 10 },
            ActionInfo { action: Action::Invoke, gather_max: 1 },
        ];
        ACTIONS
    }

    fn follows(&self) -> Follows {
        Follows { topics: true, pushes: true }
    }

    fn check(&self, settings: &Value) -> Vec<SettingError> {
        let mut errors = Vec::new();
        let mut wrong = |path: &str, message: &str| {
            errors.push(SettingError { path: path.to_owned(), message: message.to_owned(), help: None });
        };
        for name in settings.as_object().into_iter().flat_map(|members| members.keys()) {
            if !["url", "auth"].contains(&&**name) {
                wrong(name, &format!("there is no setting `{name}`"));
            }
        }
        if !settings.get("url").as_str().is_some_and(|url| url.starts_with("https://")) {
            wrong("url", "an https address is wanted");
        }
        if !settings.get("auth").get("password").as_str().is_some_and(|password| password.starts_with("env:")) {
            wrong("auth.password", "a secret must not stand in the file itself");
        }
        errors
    }

    fn open(&self, _: Settings<'_>) -> Result<Arc<dyn Connection>, Problem> {
        Err(Problem::new("TEST", "there is no system", "do not ask"))
    }
}

/// The same, but it follows changes in these ways only.
pub(crate) struct Following(pub(crate) Follows);

impl Connector for Following {
    fn name(&self) -> &'static str {
        Paper.name()
    }

    fn actions(&self) -> &'static [ActionInfo] {
        Paper.actions()
    }

    fn follows(&self) -> Follows {
        self.0
    }

    fn check(&self, settings: &Value) -> Vec<SettingError> {
        Paper.check(settings)
    }

    fn open(&self, settings: Settings<'_>) -> Result<Arc<dyn Connection>, Problem> {
        Paper.open(settings)
    }
}

pub(crate) fn environment(name: &str) -> Option<String> {
    match name {
        "ERP_HOST" => Some("erp.example.com".to_owned()),
        "PORT" => Some("8080".to_owned()),
        _ => None,
    }
}

pub(crate) fn load(folder: &Path) -> Result<(Release, Diagnostics), LoadError> {
    definitions::load(folder, &[&Paper], &environment)
}

pub(crate) fn project(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projects").join(name)
}

pub(crate) fn good() -> Release {
    match load(&project("good")) {
        Ok((release, _)) => release,
        Err(error) => panic!("{}", error.render(false)),
    }
}

/// The good project with some files replaced or added.
pub(crate) fn changed<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    copy(&project("good"), folder.path());
    for (file, content) in files {
        fs::write(folder.path().join(file), content).expect("written");
    }
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("readable") {
        let entry = entry.expect("readable");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}
