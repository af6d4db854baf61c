//! The middleware of the demo: in this process, or in one of its own that can be killed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use model::Problem;
use store::{SqliteStore, Store};

use super::account::{Counted, OwnFigures};
use super::children::Running;
use super::systems::Systems;
use crate::failure::Failure;
use crate::wiring::{Interlock, Project};

/// Where it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this process.
    Here,
    /// In a process of its own.
    Child,
}

/// A running middleware.
pub(crate) enum Middleware {
    /// In this process.
    Here(Box<Interlock>),
    /// In a process of its own.
    Child(Box<Child>),
}

/// A middleware in a process of its own.
pub(crate) struct Child {
    running: Running,
    /// Its store's file.
    store: PathBuf,
    /// Whether it was killed and started again.
    killed: bool,
}

impl Middleware {
    /// Starts it.
    ///
    /// # Errors
    /// When the definitions are wrong, or it cannot start.
    pub(crate) async fn start(place: Place, systems: &Systems) -> Result<Self, Failure> {
        let project = Project::load(&systems.project, systems.environment.clone())?;
        let store = project.store_file();
        Ok(match place {
            Place::Here => Self::Here(Box::new(Interlock::start(project, None).await?)),
            Place::Child => Self::Child(Box::new(Child { running: child(systems).await?, store, killed: false })),
        })
    }

    /// Pulls the plug and starts it again.
    ///
    /// # Errors
    /// When it does not start again.
    pub(crate) async fn kill_and_start(&mut self, systems: &Systems) -> Result<(), Problem> {
        if let Self::Child(own) = self {
            own.running.kill().await;
            own.killed = true;
            own.running = child(systems).await?;
        }
        Ok(())
    }

    /// Its process number, when it has one of its own.
    pub(crate) fn process(&self) -> Option<u32> {
        match self {
            Self::Here(_) => None,
            Self::Child(child) => child.running.id(),
        }
    }

    /// Open work items by queue.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn open_work_items(&self, systems: &Systems) -> Result<BTreeMap<String, u64>, Problem> {
        let store = match self {
            Self::Here(interlock) => interlock.runtime().store(),
            // A store that another process works with is not opened here: its console is asked.
            Self::Child(..) => return Ok(systems.open_work_items().await.unwrap_or_default()),
        };
        let totals = tokio::task::spawn_blocking(move || totals(store.as_ref())).await;
        totals.unwrap_or_else(|error| Err(Problem::new("IL-DEMO-021", error.to_string(), "Report this")))
    }

    /// What it counted itself.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn own_figures(&mut self, systems: &Systems) -> Result<OwnFigures, Problem> {
        let mut own = OwnFigures::default();
        match self {
            Self::Here(interlock) => {
                let figures = interlock.runtime().figures();
                let mut counted = Counted::default();
                for connection in &figures.connections {
                    counted.retries += connection.retried;
                    counted.probed += connection.probed;
                    counted.found += connection.found;
                }
                counted.healed = figures.feeds.iter().map(|feed| feed.healed).sum();
                own.counted = Some(counted);
                own.work_items = self.open_work_items(systems).await?;
            }
            Self::Child(process) => {
                // Before it ends, because it takes its counters with it.
                (own.counted, own.since_last_start) = (systems.counted().await, process.killed);
                // It is ended first, because a store has one process at a time.
                process.running.kill().await;
                let file = process.store.clone();
                let read = move || -> Result<BTreeMap<String, u64>, Problem> {
                    let store = SqliteStore::open(&file).map_err(|error| error.problem())?;
                    totals(&store)
                };
                let totals = tokio::task::spawn_blocking(read).await;
                own.work_items = totals
                    .unwrap_or_else(|error| Err(Problem::new("IL-DEMO-021", error.to_string(), "Report this")))?;
                process.running = child(systems).await?;
            }
        }
        Ok(own)
    }

    /// Stops it.
    pub(crate) async fn stop(self, within: Duration) {
        match self {
            Self::Here(interlock) => interlock.stop(within).await,
            Self::Child(child) => child.running.stop(within).await,
        }
    }
}

fn totals(store: &dyn Store) -> Result<BTreeMap<String, u64>, Problem> {
    let totals = store.queue_totals(Timestamp::now()).map_err(|error| error.problem())?;
    let mut open = BTreeMap::new();
    for total in totals {
        *open.entry(total.queue.to_string()).or_default() += total.count;
    }
    Ok(open)
}

async fn child(systems: &Systems) -> Result<Running, Problem> {
    child_with(systems, &systems.environment_file).await
}

/// Starts a middleware in a process of its own, with another environment file.
///
/// # Errors
/// When it does not start.
pub(crate) async fn child_with(systems: &Systems, environment: &Path) -> Result<Running, Problem> {
    let (project, environment) = (systems.project.to_string_lossy(), environment.to_string_lossy());
    Running::start("Interlock", &["run", &project, "--environment", &environment, "--child"], &[]).await
}
