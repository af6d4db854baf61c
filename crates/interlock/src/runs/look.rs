//! Listing runs, and showing one.

use std::fmt::Write as _;

use clap::Args;
use model::{RunId, Value};

use super::Status;
use crate::failure::Failure;
use crate::ops::{Client, Output, Table, Trouble, amount, cell, fields, time};

/// How many one request gives.
const PAGE: usize = 500;
/// How many lines of a timeline are shown.
const LINES: usize = 10;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only of this workflow, by its name.
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// Only those that stand so.
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// How many at the most.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// Hands over runs that fit, the first started first, up to `limit`, a page at a time: a bulk may be larger than one would keep.
/// They are read by the place in the list, not by counting, so that none is left out while others come and go.
pub(super) async fn each_page(
    client: &Client,
    workflow: Option<&str>,
    status: Option<Status>,
    limit: usize,
    mut take: impl FnMut(&[Value]),
) -> Result<(), Trouble> {
    let (mut count, mut last) = (0, None);
    while count < limit {
        let wanted = PAGE.min(limit - count);
        let size = wanted.to_string();
        let mut query = vec![("limit", size.as_str())];
        query.extend(workflow.map(|workflow| ("workflow", workflow)));
        query.extend(status.map(|status| ("status", status.word())));
        query.extend(last.as_deref().map(|last| ("after", last)));
        let answer = client.ask(&["runs"], &query).await?;
        let page = answer.get("runs").items();
        take(page);
        if page.len() < wanted {
            break;
        }
        count += page.len();
        last = page.last().and_then(|run| run.get("id").as_str()).map(str::to_owned);
    }
    Ok(())
}

/// `interlock runs list`
pub(super) async fn list(client: &Client, output: Output, arguments: &ListArgs) -> Result<(), Failure> {
    let limit = arguments.limit as usize;
    // One more says whether there are more.
    let (mut runs, wanted) = (Vec::new(), limit.saturating_add(1));
    let workflow = arguments.workflow.as_deref();
    each_page(client, workflow, arguments.status, wanted, |page| runs.extend_from_slice(page)).await?;
    let more = runs.len() > limit;
    runs.truncate(limit);
    let result = Value::object([("runs", Value::from(runs)), ("more", Value::from(more))]);
    output.print(&result, || match result.get("runs").items() {
        [] => "No run fits.".to_owned(),
        runs => table(runs),
    });
    if more && output == Output::Text {
        eprintln!("There are more: give a larger --limit, or say which are wanted.");
    }
    Ok(())
}

fn table(runs: &[Value]) -> String {
    let mut table = Table::new(["RUN", "WORKFLOW", "KEY", "STATUS", "STARTED", "CHANGED"]);
    for run in runs {
        let text = |name: &str| run.get(name).as_str().unwrap_or_default().to_owned();
        let [started, changed] = ["started_at", "updated_at"].map(|name| time(run.get(name)));
        table.row([text("id"), text("workflow"), text("key"), text("status"), started, changed]);
    }
    table.text()
}

/// `interlock runs show`
pub(super) async fn show(client: &Client, output: Output, run: RunId) -> Result<(), Failure> {
    let run = client.ask(&["runs", &run.to_string()], &[]).await?;
    let matter = client.ask(&["transactions", run.get("transaction").as_str().unwrap_or_default()], &[]).await?;
    let result = Value::object([("run", run), ("transaction", matter)]);
    output.print(&result, || shown(result.get("run"), result.get("transaction")));
    Ok(())
}

fn shown(run: &Value, matter: &Value) -> String {
    let text = |value: &Value, name: &str| value.get(name).as_str().unwrap_or_default().to_owned();
    let mut shown = fields([
        ("Run", text(run, "id")),
        ("Workflow", text(run, "workflow")),
        ("Key", text(run, "key")),
        ("Status", text(run, "status")),
        ("Started", time(run.get("started_at"))),
        ("Changed", time(run.get("updated_at"))),
        ("Transaction", text(matter, "id")),
        ("", String::new()),
        ("Title", text(matter, "title")),
        ("Stage", text(matter, "stage")),
        ("Amount", amount(matter.get("amount"))),
    ]);
    // Writing into a string does not fail.
    if !run.get("failed").is_null() {
        let (failed, fault) = (run.get("failed"), run.get("failed").get("fault"));
        let status = fault.get("status");
        let status = if status.is_null() { String::new() } else { status.to_string() };
        let _ = writeln!(shown, "\nFailed");
        shown.push_str(&fields([
            ("  Task", text(failed, "pointer")),
            ("  Error", text(fault, "type")),
            ("  Status", status),
            ("  Title", text(fault, "title")),
            ("  Detail", text(fault, "detail")),
            (
                "  Input",
                Some(failed.get("input")).filter(|input| !input.is_null()).map(ToString::to_string).unwrap_or_default(),
            ),
        ]));
    }
    let waiting = run.get("waiting").items();
    if !waiting.is_empty() {
        let mut table = Table::new(["WAITS AT", "FOR", "SINCE", "UNTIL"]);
        for one in waiting {
            table.row([text(one, "pointer"), text(one, "for"), time(one.get("since")), time(one.get("until"))]);
        }
        let _ = write!(shown, "\n{}", table.text());
    }
    let own = |item: &&Value| item.get("run") == run.get("id") && item.get("status").as_str() == Some("open");
    let items: Vec<&Value> = matter.get("items").items().iter().filter(own).collect();
    if !items.is_empty() {
        let mut table = Table::new(["WORK ITEM", "QUEUE", "DUE", "TITLE"]);
        for item in items {
            table.row([text(item, "id"), text(item, "queue"), time(item.get("due_at")), text(item, "title")]);
        }
        let _ = write!(shown, "\n{}", table.text());
    }
    let lines = matter.get("timeline").items();
    if !lines.is_empty() {
        let _ = writeln!(shown, "\nTimeline");
        for line in &lines[lines.len().saturating_sub(LINES)..] {
            let _ = writeln!(shown, "  {}  {}", time(line.get("at")), cell(&text(line, "title")));
        }
    }
    shown
}
