//! Deciding on work items, one or several.

use std::collections::HashSet;
use std::path::PathBuf;

use clap::Args;
use model::{Problem, Value, WorkItemId};

use super::item_id;
use super::look::{Status, items};
use crate::failure::Failure;
use crate::given;
use crate::ops::{Client, Output, Tally, agreed};

/// After how many it is said how far it is.
const PROGRESS_EVERY: usize = 500;
/// What it is refused with when an item was resolved or withdrawn meanwhile.
const NOT_OPEN: [&str; 2] = ["IL-RUN-003", "IL-CON-011"];

#[derive(Debug, Args)]
pub(super) struct ActArgs {
    /// The action, as `interlock queues show` names it.
    action: String,
    /// The work items.
    #[arg(value_name = "ITEM", value_parser = item_id, required_unless_present = "queue", conflicts_with = "queue")]
    items: Vec<WorkItemId>,
    /// All open work items of this queue, instead of items by their ids.
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// Why, in a sentence; some actions need it.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// The record as it should be, in YAML or JSON, for one item and an action that takes it; `-` reads it from standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "queue")]
    record: Option<PathBuf>,
    /// Decides on more than one without asking.
    #[arg(long)]
    yes: bool,
}

/// `interlock queues act`
pub(super) async fn act(client: &Client, output: Output, arguments: &ActArgs) -> Result<(), Failure> {
    let mut body = Value::object(arguments.note.as_deref().map(|note| ("note", note)));
    if let Some(file) = &arguments.record {
        if arguments.items.len() != 1 {
            let message = "a record is for one work item, and several are given";
            return Err(Failure::Wrong(Problem::new("IL-OPS-007", message, "Decide on them one by one")));
        }
        body.set("record", given::value(file, "--record").map_err(Failure::Wrong)?);
    }
    let ids = meant(client, arguments).await?;
    agreed(arguments.yes, ids.len(), &format!("{} {} work items", arguments.action, ids.len()))?;
    let (mut tally, mut ended) = (Tally::default(), None);
    for (place, id) in ids.iter().enumerate() {
        let answer = client.tell(&["items", id, &arguments.action], &body).await;
        if arguments.queue.is_some() && answer.as_ref().is_err_and(|trouble| NOT_OPEN.contains(&&*trouble.code)) {
            // What is meant is what is open, and that changes by itself.
            tally.settle();
        } else if let Err(trouble) = tally.note(id, answer) {
            ended = Some(trouble);
            break;
        }
        if (place + 1) % PROGRESS_EVERY == 0 {
            tally.progress(ids.len());
        }
    }
    tally.close(output, ids.len(), "work item", "resolved", ended)
}

/// The ids of the items that are meant, each once.
async fn meant(client: &Client, arguments: &ActArgs) -> Result<Vec<String>, Failure> {
    let mut seen = HashSet::new();
    let ids: Vec<String> = match &arguments.queue {
        None => arguments.items.iter().map(ToString::to_string).collect(),
        Some(queue) => {
            let found = items(client, Some(queue), Status::Open, usize::MAX).await?;
            found.iter().filter_map(|item| item.get("id").as_str().map(str::to_owned)).collect()
        }
    };
    Ok(ids.into_iter().filter(|id| seen.insert(id.clone())).collect())
}
