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

/// Work items of a queue or of all, those due first in front, up to `limit`. They are read by the place in the list, not by
/// counting, so that none is left out while others are decided on.
pub(super) async fn items(
    client: &Client,
    queue: Option<&str>,
    status: Status,
    limit: usize,
) -> Result<Vec<Value>, Trouble> {
    let mut items: Vec<Value> = Vec::new();
    while items.len() < limit {
        let wanted = PAGE.min(limit - items.len());
        let count = wanted.to_string();
        let mut query = vec![("status", status.word()), ("limit", count.as_str())];
        query.extend(queue.map(|queue| ("queue", queue)));
        query.extend(items.last().and_then(|item| Some(("after", item.get("id").as_str()?))));
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::extract::{Query, State};
    use axum::routing::get;
    use connect::Secret;

    use super::*;

    /// Items that are open, in their order, by numbers that stand for their ids.
    type Open = Arc<Mutex<Vec<usize>>>;

    /// The list of the ops API; after the first page, somebody decides on most of what it showed.
    async fn listed(State(open): State<Open>, Query(asked): Query<Vec<(String, String)>>) -> String {
        let asked = |name: &str| asked.iter().find(|(field, _)| field == name)?.1.parse::<usize>().ok();
        let mut open = open.lock().expect("a list");
        let after = asked("after");
        let rows = open.iter().filter(|item| after.is_none_or(|after| **item > after));
        let rows: Vec<usize> =
            rows.skip(asked("offset").unwrap_or(0)).take(asked("limit").unwrap_or(100)).copied().collect();
        open.retain(|item| rows.first() != Some(&0) || *item == 0 || *item >= PAGE);
        let items = rows.iter().map(|item| Value::object([("id", Value::from(item.to_string()))]));
        json::to_string(&Value::object([("items", Value::array(items))]))
    }

    #[tokio::test]
    async fn all_items_are_listed_while_others_are_decided_on() {
        let open: Open = Arc::new(Mutex::new((0..2 * PAGE + 10).collect()));
        let router = Router::new().route("/ops/items", get(listed)).with_state(open);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let client = Client::new(url.parse().expect("an address"), Secret::new("token".to_owned())).expect("a client");
        let found = items(&client, None, Status::Open, usize::MAX).await.expect("items");
        let ids: Vec<&str> = found.iter().filter_map(|item| item.get("id").as_str()).collect();
        let all: Vec<String> = (0..2 * PAGE + 10).map(|item| item.to_string()).collect();
        assert_eq!(ids, all);
    }
}
