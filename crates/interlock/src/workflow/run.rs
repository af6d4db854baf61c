//! `interlock workflow run`: on the same runtime as everything else, with a store that goes with the run.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use definitions::{Purpose, Standalone};
use model::{Problem, Value};
use runtime::{DirectAccess, Happening, InDoubt, Parts, Runtime};
use store::SqliteStore;
use tokio::sync::mpsc;

use super::{RunArgs, load};
use crate::direct;
use crate::environment::{Environment, ProjectSecrets};
use crate::failure::Failure;
use crate::given;
use crate::stop;

/// How long calls under way may take when the run is over or interrupted.
const STOP_WITHIN: Duration = Duration::from_millis(500);

/// Runs a document to its end.
///
/// # Errors
/// When the document or the command line is wrong, or with the error that the run ended with, which has been printed.
pub(super) async fn run(arguments: RunArgs) -> Result<(), Failure> {
    let allowed = arguments.direct();
    let own = ProjectSecrets { folder: ".".into(), environment: Environment::default() };
    let references = arguments.secret.iter().map(|(name, reference)| (&**name, &**reference));
    let secrets = direct::secrets(references, &own, &direct::fresh_nonce()).map_err(Failure::Wrong)?;
    let seen = direct::environment(&secrets);
    let Standalone { release, workflow, .. } = load(&arguments.file, Purpose::Run, allowed.clone(), &seen)?;
    if let Some(missing) = workflow.workflow.secrets().iter().find(|name| !seen.secrets.has(name)) {
        let message = format!("the workflow uses the secret `{missing}`, which is not given");
        return Err(Failure::Wrong(Problem::new(
            "IL-WFR-007",
            message,
            format!("Give it: --secret {missing}=env:VARIABLE"),
        )));
    }
    let input = match &arguments.input {
        Some(file) => given::value(file, "--input").map_err(Failure::Wrong)?,
        None => Value::empty_object(),
    };
    let told = match &arguments.events {
        Some(file) => given::events(file, "--events").map_err(Failure::Wrong)?,
        None => Vec::new(),
    };
    let folder = tempfile::Builder::new().prefix("interlock-workflow-").tempdir().map_err(|error| {
        let message = format!("no temporary folder can be made: {error}");
        Problem::new("IL-WFR-006", message, "Look at the disk, or name another folder by TMPDIR")
    })?;
    let store = SqliteStore::open(&folder.path().join("store.db")).map_err(|error| error.problem_at_start())?;
    let (watch, watched) = match &arguments.trace {
        Some(file) => {
            let (watch, happened) = mpsc::unbounded_channel();
            (Some(watch), Some(tokio::spawn(write_trace(trace_file(file)?, happened))))
        }
        None => (None, None),
    };
    let ca_pem = match &arguments.ca_file {
        Some(file) => Some(std::fs::read(file).map_err(|error| {
            let message = format!("{} cannot be read: {error}", file.display());
            Failure::Wrong(Problem::new("IL-WFR-008", message, "Check the path after --ca-file"))
        })?),
        None => None,
    };
    let calls =
        direct::calls(direct::Setting { folder: &release.folder, allowed: &allowed, ca_pem, secrets: &secrets })?;
    // Nobody is there to be asked whether something happened.
    let direct = Some(DirectAccess { calls, in_doubt: InDoubt::Fail });
    let parts = Parts { direct, watch, ..Parts::new(Arc::new(release), Arc::new(store), HashMap::new()) };
    let runtime = Runtime::start(parts).await?;
    let document = &workflow.workflow;
    let launched = runtime.launch([document.namespace(), document.name(), document.version()], None, input).await?;
    let publishing = {
        let runtime = runtime.clone();
        async move {
            for event in told {
                runtime.publish(event).await?;
            }
            Ok::<_, Problem>(())
        }
    };
    let ended = tokio::select! {
        ended = async {
            let (told, ended) = tokio::join!(publishing, launched.end);
            told.map(|()| ended)
        } => ended?,
        () = stop::asked() => {
            runtime.stop(STOP_WITHIN).await;
            let problem = Problem::new("IL-WFR-003", "the workflow was interrupted", "Run it again: nothing of it is kept");
            return Err(problem.into());
        }
    };
    runtime.stop(STOP_WITHIN).await;
    drop(runtime);
    if let Some(watched) = watched {
        // It ends when nobody can tell it anything any more.
        watched.await.map_err(|error| trace_failed(&error.to_string()))??;
    }
    match ended {
        Ok(Ok(output)) => {
            println!("{output}");
            Ok(())
        }
        Ok(Err(fault)) => {
            println!("{}", fault.to_value());
            Err(Failure::Ended)
        }
        Err(_) => {
            let problem =
                Problem::new("IL-WFR-004", "the workflow did not come to its end", "Look at the messages above");
            Err(problem.into())
        }
    }
}

fn trace_file(file: &Path) -> Result<BufWriter<File>, Failure> {
    File::create(file).map(BufWriter::new).map_err(|error| {
        let message = format!("{} cannot be written: {error}", file.display());
        Failure::Wrong(Problem::new("IL-WFR-005", message, "Check the path after --trace"))
    })
}

async fn write_trace(
    mut file: BufWriter<File>,
    mut happened: mpsc::UnboundedReceiver<Happening>,
) -> Result<(), Problem> {
    while let Some(happening) = happened.recv().await {
        for event in happening.to_cloud_events() {
            writeln!(file, "{event}").map_err(|error| trace_failed(&error.to_string()))?;
        }
    }
    file.flush().map_err(|error| trace_failed(&error.to_string()))
}

fn trace_failed(cause: &str) -> Problem {
    Problem::new(
        "IL-WFR-005",
        format!("the trace cannot be written: {cause}"),
        "Check the disk of the file after --trace",
    )
}
