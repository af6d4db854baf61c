//! `interlock queues`: the work items of a running Interlock, and deciding on them.

mod decide;
mod look;
mod unmapped;

use clap::{Args, Subcommand};
use model::WorkItemId;

use crate::failure::Failure;
use crate::ops::{Output, ServerArgs};

/// Looks at the work items of a running Interlock, and decides on them.
#[derive(Debug, Args)]
pub(crate) struct QueuesArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(subcommand)]
    command: QueuesCommand,
}

#[derive(Debug, Subcommand)]
enum QueuesCommand {
    /// Lists the queues with what waits in them, or the work items of one.
    List(look::ListArgs),
    /// Shows a work item: why it waits, its record, and what can be done.
    Show {
        /// The work item.
        #[arg(value_parser = item_id)]
        item: WorkItemId,
    },
    /// Says which values no value map knows, how many open work items wait for each, and what to add to which file.
    Unmapped,
    /// Decides on work items.
    Act(decide::ActArgs),
}

fn item_id(text: &str) -> Result<WorkItemId, String> {
    text.parse().map_err(|_| "this is not the id of a work item; `interlock queues list QUEUE` shows them".to_owned())
}

/// `interlock queues …`
///
/// # Errors
/// When Interlock cannot be asked, or refuses.
pub(crate) async fn command(arguments: QueuesArgs) -> Result<(), Failure> {
    let QueuesArgs { server, command } = arguments;
    let output = Output::new(server.json);
    let client = server.client()?;
    match command {
        QueuesCommand::List(arguments) => look::list(&client, output, &arguments).await,
        QueuesCommand::Show { item } => look::show(&client, output, item).await,
        QueuesCommand::Unmapped => unmapped::unmapped(&client, output).await,
        QueuesCommand::Act(arguments) => decide::act(&client, output, &arguments).await,
    }
}
