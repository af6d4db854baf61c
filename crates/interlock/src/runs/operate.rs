//! Suspending, resuming, retrying, restarting and cancelling runs: one, several, or all that stand so.

use std::collections::HashSet;
use std::path::PathBuf;

use clap::Args;
use model::{RunId, Value};

use super::look::each_page;
use super::{Status, run_id};
use crate::failure::Failure;
use crate::given;
use crate::ops::{Client, Output, Refusal, Tally, Trouble, agreed};

/// How many runs one request does something with.
const PART: usize = 500;

/// Which runs are meant: by their ids, or all that stand so.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The runs.
    #[arg(value_name = "RUN", value_parser = run_id, required_unless_present = "status", conflicts_with = "status")]
    runs: Vec<RunId>,
    /// All runs that stand so, instead of runs by their ids.
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// With --status: only runs of this workflow, by its name.
    #[arg(long, value_name = "NAME", requires = "status")]
    workflow: Option<String>,
    /// Does it with more than one run without asking.
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct RetryArgs {
    #[command(flatten)]
    runs: RunArgs,
    /// Another input for the failed task, in YAML or JSON, for one run; `-` reads it from standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "status")]
    input: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct CancelArgs {
    #[command(flatten)]
    pub(super) runs: RunArgs,
    /// Why, in a sentence: it stands in the timeline.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(super) reason: String,
}

fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("say in a sentence why".to_owned()),
        text => Ok(text.to_owned()),
    }
}

/// Something that is done with runs.
pub(super) struct Operation {
    /// Its name in the ops API and on the command line.
    name: &'static str,
    /// The word for that it was done.
    did: &'static str,
}

pub(super) const SUSPEND: Operation = Operation { name: "suspend", did: "suspended" };
pub(super) const RESUME: Operation = Operation { name: "resume", did: "resumed" };
pub(super) const RETRY: Operation = Operation { name: "retry", did: "retried" };
pub(super) const RESTART: Operation = Operation { name: "restart", did: "restarted" };
pub(super) const CANCEL: Operation = Operation { name: "cancel", did: "cancelled" };

impl Operation {
    /// Does it with the runs that are meant.
    ///
    /// # Errors
    /// When they are many and nobody says that this is meant, or not all were done.
    pub(super) async fn run(
        &self,
        client: &Client,
        output: Output,
        arguments: &RunArgs,
        note: Option<&str>,
    ) -> Result<(), Failure> {
        if let [run] = arguments.runs[..] {
            return self.one(client, output, run, note, None).await;
        }
        // Which runs are meant is settled before the first is touched: what is done with one may make it fit again, as a run
        // begun anew does.
        let runs = meant(client, arguments).await?;
        let which = arguments.workflow.as_ref().map(|workflow| format!(" of {workflow}")).unwrap_or_default();
        agreed(arguments.yes, runs.len(), &format!("{} {} runs{which}", self.name, runs.len()))?;
        let (mut tally, mut ended) = (Tally::default(), None);
        for part in runs.chunks(PART) {
            match self.part(client, part, note).await {
                Ok((done, refused)) => {
                    tally.did(done);
                    refused.into_iter().for_each(|refusal| tally.refuse(refusal));
                }
                Err(trouble) => {
                    ended = Some(trouble);
                    break;
                }
            }
            tally.progress(runs.len());
        }
        tally.close(output, runs.len(), "run", self.did, ended)
    }

    /// Does it with one run, possibly with another input.
    async fn one(
        &self,
        client: &Client,
        output: Output,
        run: RunId,
        note: Option<&str>,
        input: Option<Value>,
    ) -> Result<(), Failure> {
        let id = run.to_string();
        let mut body = noted(note);
        if let Some(input) = input {
            body.set("input", input);
        }
        let mut tally = Tally::default();
        tally.note(&id, client.tell(&["runs", &id, self.name], &body).await)?;
        tally.close(output, 1, "run", self.did, None)
    }

    async fn part(
        &self,
        client: &Client,
        runs: &[RunId],
        note: Option<&str>,
    ) -> Result<(usize, Vec<Refusal>), Trouble> {
        let mut body = noted(note);
        body.set("runs", Value::array(runs.iter().map(ToString::to_string)));
        let answer = client.tell(&["runs", self.name], &body).await?;
        let done = answer.get("done").as_i64().and_then(|done| usize::try_from(done).ok()).unwrap_or(0);
        let refused = answer.get("refused").items().iter().map(|refused| {
            let text = |name: &str| refused.get(name).as_str().unwrap_or_default().to_owned();
            Refusal { id: text("run"), why: text("why"), remedy: text("remedy"), code: text("code") }
        });
        Ok((done, refused.collect()))
    }
}

/// `interlock runs retry`
pub(super) async fn retry(client: &Client, output: Output, arguments: &RetryArgs) -> Result<(), Failure> {
    let Some(file) = &arguments.input else { return RETRY.run(client, output, &arguments.runs, None).await };
    let [run] = arguments.runs.runs[..] else {
        let message = "another input is for one run, and several are given";
        return Err(Failure::Wrong(model::Problem::new("IL-OPS-007", message, "Retry them one by one")));
    };
    let input = given::value(file, "--input").map_err(Failure::Wrong)?;
    RETRY.one(client, output, run, None, Some(input)).await
}

fn noted(note: Option<&str>) -> Value {
    Value::object(note.map(|note| ("note", note)))
}

/// The ids of the runs that are meant, each once.
async fn meant(client: &Client, arguments: &RunArgs) -> Result<Vec<RunId>, Failure> {
    let mut seen = HashSet::new();
    if arguments.status.is_none() {
        return Ok(arguments.runs.iter().copied().filter(|run| seen.insert(*run)).collect());
    }
    let mut runs = Vec::new();
    let mut keep = |page: &[Value]| {
        let ids = page.iter().filter_map(|run| run.get("id").as_str()?.parse().ok());
        runs.extend(ids.filter(|run| seen.insert(*run)));
    };
    each_page(client, arguments.workflow.as_deref(), arguments.status, usize::MAX, &mut keep).await?;
    Ok(runs)
}
