//! `interlock check` and `interlock run`.

use std::path::Path;
use std::time::Duration;

use model::{Problem, Value};

use crate::cli::RunArgs;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::sandbox::{ended, ready};
use crate::stop;
use crate::wiring::{Interlock, Project, counted};

/// How long requests under way may take when Interlock stops.
const STOP_WITHIN: Duration = Duration::from_secs(20);
const CHECK_WITHIN: Duration = Duration::from_secs(20);

/// Shows every mistake in the definitions of a project.
///
/// # Errors
/// When there is one, or there is no project.
pub(crate) fn check(folder: &Path, environment: Option<&Path>) -> Result<(), Failure> {
    let project = Project::load(folder, Environment::read(environment)?)?;
    let release = project.release();
    let (workflows, mappings) = (release.workflows.len(), release.mappings.len());
    println!(
        "{}: no mistakes. {}, {}, {}, {}, {}.",
        folder.display(),
        counted(release.connections.len(), "connection"),
        counted(mappings, "mapping"),
        counted(workflows, "workflow"),
        counted(release.apis.len(), "API"),
        counted(release.queues.len(), "queue")
    );
    Ok(())
}

/// Runs a project until it is told to stop.
///
/// # Errors
/// When its definitions are wrong, or it cannot start.
pub(crate) async fn run(arguments: RunArgs) -> Result<(), Failure> {
    let project = Project::load(&arguments.folder, Environment::read(arguments.environment.as_deref())?)?;
    if arguments.check_connections {
        return check_connections(&project).await;
    }
    let name = project.release().settings.name.to_string();
    let interlock = Interlock::start(project, arguments.store.as_deref()).await?;
    let address = |address: Option<std::net::SocketAddr>| address.map(|address| format!("http://{address}"));
    let (api, console) = (address(interlock.api), address(interlock.console));
    if arguments.child {
        ready([("api", Value::from(api)), ("console", Value::from(console))]);
    } else {
        println!("Interlock runs {name}.");
        println!("  Console       {}", console.as_deref().unwrap_or("none"));
        println!("  Process APIs  {}", api.as_deref().unwrap_or("none"));
        println!("Ctrl-C stops it.");
    }
    ended(arguments.child).await;
    stop::at_once_next_time();
    if !arguments.child {
        eprintln!("Stopping. Once more Ctrl-C stops it at once.");
    }
    interlock.stop(STOP_WITHIN).await;
    Ok(())
}

async fn check_connections(project: &Project) -> Result<(), Failure> {
    let mut failed = 0;
    let mut connections: Vec<_> = project.connections()?.into_iter().collect();
    connections.sort_by(|(left, _), (right, _)| left.as_str().cmp(right.as_str()));
    for (name, open) in connections {
        match tokio::time::timeout(CHECK_WITHIN, open.connection.check()).await {
            Ok(Ok(())) => println!("{name}: it answers and takes the credentials"),
            Ok(Err(error)) => {
                failed += 1;
                println!("{name}: {error}");
            }
            Err(_) => {
                failed += 1;
                println!("{name}: no answer within {} s", CHECK_WITHIN.as_secs());
            }
        }
    }
    if failed == 0 {
        return Ok(());
    }
    let message = format!("{} cannot be used", counted(failed, "connection"));
    Err(Failure::Problem(Problem::new("IL-START-004", message, "Check address, credentials and network of each")))
}
