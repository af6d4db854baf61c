//! The one file that knows every part: which connectors there are, and how a project becomes a running Interlock.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use connect::{Connector, Settings};
use connector_s4hana::S4Hana;
use connector_salesforce::Salesforce;
use definitions::{CaseFile, LoadError, Release};
use model::{ConnectionName, Diagnostics, Problem};
use runtime::{DirectAccess, InDoubt, OpenConnection, Parts, Runtime};
use store::SqliteStore;

use crate::direct;
use crate::environment::{Environment, ProjectSecrets};
use crate::failure::Failure;
use crate::listeners::{Bound, Listeners, bind};

/// Every connector that connection files may name.
const CONNECTORS: [&dyn Connector; 2] = [&Salesforce, &S4Hana];

/// A project whose definitions are right.
pub(crate) struct Project {
    release: Release,
    secrets: ProjectSecrets,
}

impl Project {
    /// Loads a project and shows its mistakes and warnings on standard error.
    ///
    /// # Errors
    /// When there is no project, or its definitions are wrong.
    pub(crate) fn load(folder: &Path, environment: Environment) -> Result<Self, Failure> {
        let loaded = definitions::load(folder, &CONNECTORS, &|name| environment.get(name));
        let (release, warnings) = loaded.map_err(|error| mistakes(folder, &error))?;
        show_warnings(&release, &warnings);
        let secrets = ProjectSecrets { folder: folder.to_owned(), environment };
        Ok(Self { release, secrets })
    }

    /// The definitions.
    pub(crate) fn release(&self) -> &Release {
        &self.release
    }

    /// The store's file.
    pub(crate) fn store_file(&self) -> PathBuf {
        self.release.folder.join(&self.release.settings.store)
    }

    /// Opens every connection. Nothing is contacted.
    ///
    /// # Errors
    /// When a secret is missing, or a setting is wrong.
    pub(crate) fn connections(&self) -> Result<HashMap<ConnectionName, OpenConnection>, Problem> {
        let names = self.release.connections.keys();
        names.map(|name| Ok((name.clone(), self.open(name)?))).collect()
    }

    /// Opens one connection. Nothing is contacted.
    ///
    /// # Errors
    /// When there is none of this name, a secret is missing, or a setting is wrong.
    pub(crate) fn open(&self, name: &ConnectionName) -> Result<OpenConnection, Problem> {
        let remedy = "Run `interlock check`";
        let Some(definition) = self.release.connections.get(name) else {
            return Err(Problem::new("IL-START-002", format!("there is no connection `{name}`"), remedy));
        };
        let Some(connector) = CONNECTORS.iter().find(|connector| connector.name() == &*definition.connector) else {
            let message = format!("connection `{name}`: there is no connector `{}`", definition.connector);
            return Err(Problem::new("IL-START-002", message, remedy));
        };
        let settings = Settings { name: name.clone(), settings: &definition.settings, secrets: &self.secrets };
        Ok(OpenConnection { connection: connector.open(settings)?, actions: connector.actions() })
    }
}

/// Loads a project with its golden cases, and shows mistakes and warnings on standard error.
///
/// # Errors
/// When there is no project, or its definitions or cases are wrong.
pub(crate) fn load_with_cases(
    folder: &Path,
    environment: &Environment,
    expectations: bool,
) -> Result<Vec<CaseFile>, Failure> {
    let environment = |name: &str| environment.get(name);
    let loaded = definitions::load_with_cases(folder, &CONNECTORS, &environment, expectations);
    let (release, files, warnings) = loaded.map_err(|error| mistakes(folder, &error))?;
    show_warnings(&release, &warnings);
    Ok(files)
}

fn show_warnings(release: &Release, warnings: &Diagnostics) {
    if !warnings.is_empty() {
        eprintln!("{}", release.sources.render(warnings, std::io::stderr().is_terminal()));
    }
}

/// Shows what is wrong in definitions.
fn mistakes(folder: &Path, error: &LoadError) -> Failure {
    let diagnostics = match error {
        LoadError::Project(problem) => return Failure::Wrong(problem.clone()),
        LoadError::Definitions { diagnostics, .. } => diagnostics,
    };
    eprintln!("{}", error.render(std::io::stderr().is_terminal()));
    let found = diagnostics.clone().into_sorted();
    let count = |severity| found.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let (errors, warnings) = (count(model::Severity::Error), count(model::Severity::Warning));
    eprintln!("\n{}: {}, {}", folder.display(), counted(errors, "mistake"), counted(warnings, "warning"));
    Failure::Shown
}

/// `1 mistake`, `2 mistakes`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// How long answers under way may take when the listeners stop.
const LISTENERS_WITHIN: Duration = Duration::from_secs(2);

/// A running Interlock.
pub(crate) struct Interlock {
    runtime: Runtime,
    listeners: Listeners,
    /// Where process APIs are served and pushed events are taken.
    pub(crate) api: Option<SocketAddr>,
    /// Where the console is served.
    pub(crate) console: Option<SocketAddr>,
}

impl Interlock {
    /// Starts a project: its store (the one it names, or this one), its connections, its work, its listeners.
    ///
    /// # Errors
    /// When the store cannot be used, a secret is missing, or a port is taken.
    pub(crate) async fn start(project: Project, store: Option<&Path>) -> Result<Self, Failure> {
        let connections = project.connections()?;
        let settings = &project.release.settings;
        // Ports first: what cannot be reached should not begin to work.
        let api = bound("the API listener", "listeners.api", settings.api).await?;
        let console = bound("the console", "listeners.console", settings.console).await?;
        // And who may come in, for the same reason.
        if api.is_some() {
            gateway::check(settings, &project.secrets)?;
        }
        if console.is_some() {
            console::check(settings, &project.secrets)?;
        }
        let file = store.map_or_else(|| project.store_file(), Path::to_owned);
        let folder = compared(&file);
        let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&file)).await;
        let store = opened
            .map_err(|error| {
                Problem::new("IL-START-003", format!("the store could not be opened: {error}"), "Start it again")
            })?
            .map_err(|error| error.problem_at_start())?;
        let nonce = direct::nonce_of(&store).await?;
        let references = project.release.settings.secrets.iter().map(|(name, reference)| (&**name, &**reference));
        let stand_ins = direct::secrets(references, &project.secrets, &nonce)?;
        let Project { release, secrets } = project;
        let release = Arc::new(release.with_environment(direct::environment(&stand_ins)));
        let direct = match release.permissions.direct_calls || release.permissions.processes {
            false => None,
            true => Some(DirectAccess {
                calls: direct::calls(direct::Setting {
                    folder: &release.folder,
                    allowed: &release.settings.direct,
                    ca_pem: None,
                    secrets: &stand_ins,
                })?,
                in_doubt: InDoubt::AskPeople,
            }),
        };
        let parts = Parts { direct, folder, ..Parts::new(release, Arc::new(store), connections) };
        let runtime = Runtime::start(parts).await?;
        let mut listeners = Listeners::default();
        let api_address = api.as_ref().map(|bound| bound.address);
        if let Some(bound) = api {
            listeners.serve(bound, gateway::router(runtime.clone(), &secrets)?);
        }
        let console_address = console.as_ref().map(|bound| bound.address);
        if let Some(bound) = console {
            listeners.serve(bound, console::router(runtime.clone(), &secrets, console::ConsoleOptions::default())?);
        }
        Ok(Self { runtime, listeners, api: api_address, console: console_address })
    }

    /// The work.
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Takes nothing new, ends what is under way, and stops.
    pub(crate) async fn stop(self, within: Duration) {
        self.listeners.stop(LISTENERS_WITHIN).await;
        self.runtime.stop(within).await;
    }
}

/// Where rows are put while records are compared: beside the store.
fn compared(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push("-compared");
    name.into()
}

async fn bound(purpose: &str, setting: &str, address: Option<SocketAddr>) -> Result<Option<Bound>, Problem> {
    match address {
        Some(address) => bind(purpose, &format!("`{setting}` in interlock.yaml"), address).await.map(Some),
        None => Ok(None),
    }
}
