//! Listing queues and work items, and showing one.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use model::{Value, WorkItemId, json};

use crate::failure::Failure;
use crate::ops::{Client, Output, Table, Trouble, amount, fields, harmless, time};

/// How many one request gives.
const PAGE: usize = 500;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// The queue whose work items are listed.
    queue: Option<String>,
    /// Only those that stand so; open ones when not given.
    #[arg(long, value_enum, requires = "queue")]
    status: Option<Status>,
    /// How many at the most.
    #[arg(long, value_name = "N", default_value_t = 100, requires = "queue", value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// How work items stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Status {
    /// Somebody has to decide.
    Open,
    /// Somebody decided.
    Resolved,
    /// It is not needed any more.
    Withdrawn,
    /// All of them.
    All,
}

impl Status {
    /// Its word in the ops API.
    const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
            Self::Withdrawn => "withdrawn",
            Self::All => "all",
        }
    }
}

/// Work items of a queue or of all, those due first in front, up to `limit`.
pub(super) async fn items(
    client: &Client,
    queue: Option<&str>,
    status: Status,
    limit: usize,
) -> Result<Vec<Value>, Trouble> {
    let mut items: Vec<Value> = Vec::new();
    while items.len() < limit {
        let wanted = PAGE.min(limit - items.len());
        let (count, offset) = (wanted.to_string(), items.len().to_string());
        let paged = [("status", status.word()), ("limit", count.as_str()), ("offset", offset.as_str())];
        let query: Vec<_> = queue.map(|queue| ("queue", queue)).into_iter().chain(paged).collect();
        let answer = client.ask(&["items"], &query).await?;
        let page = answer.get("items").items();
        items.extend(page.iter().cloned());
        if page.len() < wanted {
            break;
        }
    }
    Ok(items)
}

/// `interlock queues list`
pub(super) async fn list(client: &Client, output: Output, arguments: &ListArgs) -> Result<(), Failure> {
    let Some(queue) = &arguments.queue else { return queues(client, output).await };
    let limit = arguments.limit as usize;
    let status = arguments.status.unwrap_or(Status::Open);
    // One more says whether there are more.
    let mut found = items(client, Some(queue), status, limit.saturating_add(1)).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let result = Value::object([("items", Value::from(found)), ("more", Value::from(more))]);
    output.print(&result, || match result.get("items").items() {
        [] => format!("There is no such work item in {queue}."),
        found => table(found),
    });
    if more && output == Output::Text {
        eprintln!("There are more: give a larger --limit.");
    }
    Ok(())
}

async fn queues(client: &Client, output: Output) -> Result<(), Failure> {
    let overview = client.ask(&["overview"], &[]).await?;
    let result = Value::object([("queues", overview.get("queues").clone())]);
    output.print(&result, || {
        let queues = result.get("queues").items();
        if queues.is_empty() {
            return "No work item is open.".to_owned();
        }
        let mut table = Table::new(["QUEUE", "OPEN", "AT STAKE"]);
        for queue in queues {
            let amounts: Vec<String> = queue.get("amounts").items().iter().map(amount).collect();
            let name = queue.get("queue").as_str().unwrap_or_default().to_owned();
            table.row([name, queue.get("count").to_string(), amounts.join(", ")]);
        }
        table.text()
    });
    Ok(())
}

fn table(items: &[Value]) -> String {
    let mut table = Table::new(["WORK ITEM", "STATUS", "DUE", "AMOUNT", "TITLE"]);
    for item in items {
        let text = |name: &str| item.get(name).as_str().unwrap_or_default().to_owned();
        table.row([text("id"), text("status"), time(item.get("due_at")), amount(item.get("amount")), text("title")]);
    }
    table.text()
}

/// `interlock queues show`
pub(super) async fn show(client: &Client, output: Output, item: WorkItemId) -> Result<(), Failure> {
    let item = client.ask(&["items", &item.to_string()], &[]).await?;
    output.print(&item, || shown(&item));
    Ok(())
}

fn shown(item: &Value) -> String {
    let text = |name: &str| item.get(name).as_str().unwrap_or_default().to_owned();
    let mut shown = fields([
        ("Work item", text("id")),
        ("Queue", text("queue")),
        ("Status", text("status")),
        ("Title", text("title")),
        ("Reason", text("reason")),
        ("Amount", amount(item.get("amount"))),
        ("Opened", time(item.get("opened_at"))),
        ("Due", time(item.get("due_at"))),
        ("Run", text("run")),
        ("Transaction", text("transaction")),
    ]);
    for (title, value) in [("Record", item.get("record")), ("Resolution", item.get("resolution"))] {
        if !value.is_null() {
            // Writing into a string does not fail.
            let _ = writeln!(shown, "\n{title}");
            for line in json::to_string_pretty(value).lines() {
                let _ = writeln!(shown, "{}", harmless(line));
            }
        }
    }
    let actions = item.get("actions").items();
    if !actions.is_empty() {
        let mut table = Table::new(["ACTION", "MEANS", "TAKES"]);
        for action in actions {
            let is = |name: &str| action.get(name).as_bool() == Some(true);
            let text = |name: &str| action.get(name).as_str().unwrap_or_default().to_owned();
            let takes = match (is("edit"), is("note_required")) {
                (true, true) => "--record, --note (needed)",
                (true, false) => "--record, --note",
                (false, true) => "--note (needed)",
                (false, false) => "--note",
            };
            table.row([text("name"), text("label"), takes.to_owned()]);
        }
        let _ = write!(shown, "\n{}", table.text());
    }
    shown
}
