//! `interlock runs`: what is done with the runs of a running Interlock.
//!
//! | file | holds |
//! |---|---|
//! | `look.rs` | listing runs, and showing one |
//! | `begin.rs` | starting a run, and telling events from outside |
//! | `operate.rs` | suspending, resuming, retrying, restarting and cancelling, one or many |

mod begin;
mod look;
mod operate;

use clap::{Args, Subcommand, ValueEnum};
use model::RunId;

use crate::failure::Failure;
use crate::ops::{Output, ServerArgs};

/// Operates the runs of a running Interlock.
#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(subcommand)]
    command: RunsCommand,
}

#[derive(Debug, Subcommand)]
enum RunsCommand {
    /// Lists runs, the first started first.
    List(look::ListArgs),
    /// Shows a run: where it stands, why it failed, its open work items and what happened last.
    Show {
        /// The run.
        #[arg(value_parser = run_id)]
        run: RunId,
    },
    /// Starts a run of a workflow.
    Start(begin::StartArgs),
    /// Tells events from outside: they start what they start, and are heard by runs that wait for them.
    Event {
        /// CloudEvents in JSON or YAML, one, a list, or one in each line; `-` reads them from standard input.
        file: std::path::PathBuf,
    },
    /// Halts runs that are live: what comes for them waits until they are resumed.
    Suspend(operate::RunArgs),
    /// Lets halted runs go on.
    Resume(operate::RunArgs),
    /// Does the failed task of runs again.
    Retry(operate::RetryArgs),
    /// Begins runs anew that have not ended, with the input they began with, on the definitions of today.
    Restart(operate::RunArgs),
    /// Ends runs; what their workflows have handlers for is taken back.
    Cancel(operate::CancelArgs),
}

/// How runs stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Status {
    /// It steps, or waits.
    Live,
    /// It is halted.
    Suspended,
    /// It came to its end.
    Completed,
    /// It failed, and waits for somebody.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl Status {
    /// Its word in the ops API.
    const fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Suspended => "suspended",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

fn run_id(text: &str) -> Result<RunId, String> {
    text.parse().map_err(|_| "this is not the id of a run; `interlock runs list` shows them".to_owned())
}

/// `interlock runs …`
///
/// # Errors
/// When Interlock cannot be asked, or refuses.
pub(crate) async fn command(arguments: RunsArgs) -> Result<(), Failure> {
    let RunsArgs { server, command } = arguments;
    let output = Output::new(server.json);
    let client = server.client()?;
    match command {
        RunsCommand::List(arguments) => look::list(&client, output, &arguments).await,
        RunsCommand::Show { run } => look::show(&client, output, run).await,
        RunsCommand::Start(arguments) => begin::start(&client, output, &arguments).await,
        RunsCommand::Event { file } => begin::tell(&client, output, &file).await,
        RunsCommand::Suspend(arguments) => operate::SUSPEND.run(&client, output, &arguments, None).await,
        RunsCommand::Resume(arguments) => operate::RESUME.run(&client, output, &arguments, None).await,
        RunsCommand::Restart(arguments) => operate::RESTART.run(&client, output, &arguments, None).await,
        RunsCommand::Retry(arguments) => operate::retry(&client, output, &arguments).await,
        RunsCommand::Cancel(arguments) => {
            operate::CANCEL.run(&client, output, &arguments.runs, Some(&arguments.reason)).await
        }
    }
}
