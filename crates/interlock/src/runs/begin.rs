//! Starting a run of a workflow, and telling events from outside.

use std::path::{Path, PathBuf};

use clap::Args;
use model::Value;

use crate::failure::Failure;
use crate::given;
use crate::ops::{Client, Output, Tally};

#[derive(Debug, Args)]
pub(super) struct StartArgs {
    /// The workflow, by its namespace and name, and its version when it is not the latest: NAMESPACE/NAME or
    /// NAMESPACE/NAME:VERSION.
    #[arg(value_parser = workflow)]
    workflow: Workflow,
    /// Its key: the same key gives the same run.
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    key: Option<String>,
    /// Its input, in YAML or JSON; `-` reads it from standard input.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
}

/// A workflow as the command line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Workflow {
    namespace: String,
    name: String,
    version: String,
}

fn workflow(text: &str) -> Result<Workflow, String> {
    let wrong = || "write NAMESPACE/NAME or NAMESPACE/NAME:VERSION, as its document says".to_owned();
    let (namespace, rest) = text.split_once('/').ok_or_else(wrong)?;
    let (name, version) = rest.split_once(':').unwrap_or((rest, "latest"));
    if [namespace, name, version].iter().any(|part| part.is_empty() || part.contains('/')) {
        return Err(wrong());
    }
    Ok(Workflow { namespace: namespace.to_owned(), name: name.to_owned(), version: version.to_owned() })
}

/// `interlock runs start`
pub(super) async fn start(client: &Client, output: Output, arguments: &StartArgs) -> Result<(), Failure> {
    let Workflow { namespace, name, version } = &arguments.workflow;
    let mut body = Value::empty_object();
    if let Some(key) = &arguments.key {
        body.set("key", key.as_str());
    }
    if let Some(file) = &arguments.input {
        body.set("input", given::value(file, "--input").map_err(Failure::Wrong)?);
    }
    let answer = client.tell(&["workflows", namespace, name, version, "runs"], &body).await?;
    output.print(&answer, || {
        let run = answer.get("run").as_str().unwrap_or_default();
        match answer.get("new").as_bool() {
            Some(false) => format!("This key has run {run} already."),
            _ => format!("Run {run} started."),
        }
    });
    Ok(())
}

/// `interlock runs event`
pub(super) async fn tell(client: &Client, output: Output, file: &Path) -> Result<(), Failure> {
    let events = given::events(file, "event").map_err(Failure::Wrong)?;
    let mut tally = Tally::default();
    let mut ended = None;
    for (place, event) in events.iter().enumerate() {
        let id = event.get("id").as_str().map_or_else(|| format!("event {}", place + 1), str::to_owned);
        if let Err(trouble) = tally.note(&id, client.tell(&["events"], event).await) {
            ended = Some(trouble);
            break;
        }
    }
    tally.close(output, events.len(), "event", "taken", ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_is_named_as_its_document_says() {
        let named = |text: &str| workflow(text).map(|found| [found.namespace, found.name, found.version].join(" "));
        assert_eq!(named("sales/quote:1.0.0").as_deref(), Ok("sales quote 1.0.0"));
        assert_eq!(named("sales/quote").as_deref(), Ok("sales quote latest"));
        for wrong in ["quote", "/quote", "sales/", "sales/quote:", "a/b/c"] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
    }
}
