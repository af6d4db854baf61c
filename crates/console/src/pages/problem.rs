//! What is shown when something cannot be shown: one clear sentence, and what to do.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use maud::html;
use model::Problem;
use std::sync::Arc;

use crate::Console;
use crate::here::Here;
use crate::layout;
use crate::ops;

/// Without the navigation: before it is known who asks, or when the store cannot be read.
pub(crate) fn bare(status: StatusCode, what: &str, remedy: &str) -> Response {
    layout::bare(
        status,
        what,
        html! {
            div.problem {
                h1 { (what) }
                p.muted { (remedy) }
            }
            div.actions { a.button.primary href="/" { "Go to the overview" } }
        },
    )
}

/// The store, or what is behind it, does not answer.
pub(crate) fn unavailable(problem: &Problem) -> Response {
    let what = format!("{}.", problem.message);
    bare(StatusCode::SERVICE_UNAVAILABLE, &what, &format!("{}. ({})", problem.remedy, problem.code))
}

/// There is no such thing.
pub(crate) fn missing(here: &Here, what: &str) -> Response {
    let title = format!("There is no such {what}");
    let content = html! {
        div.card.pad.problem {
            h1 { (title) "." }
            p.muted { "The link may be old or cut off. Search for it by its name or number, or look into the work queues." }
            div.actions {
                a.button.primary href="/transactions" { "Search transactions" }
                a.button href="/queues" { "Work queues" }
            }
        }
    };
    layout::page_with(StatusCode::NOT_FOUND, here, &title, "", content)
}

/// No page has this address.
pub(crate) async fn nothing(State(console): State<Arc<Console>>, uri: Uri, here: Result<Here, Response>) -> Response {
    drop(console);
    if uri.path().starts_with("/ops/") {
        let problem = Problem::new(
            "IL-CON-020",
            "There is nothing at this address",
            "See the list of addresses in the documentation",
        );
        return ops::problem(StatusCode::NOT_FOUND, &problem);
    }
    match here {
        Ok(here) => missing(&here, "page"),
        Err(response) => response,
    }
}

/// The address exists, but not for this method.
pub(crate) async fn not_so(uri: Uri) -> Response {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    if uri.path().starts_with("/ops/") {
        let problem = Problem::new("IL-CON-021", "This address does not take this method", "GET reads, POST acts");
        return ops::problem(status, &problem);
    }
    bare(status, "This address does not take this.", "Use the links and buttons on the pages.")
}
