//! What is around every page: navigation, what was just done, style and script.

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use runtime::ConnectionState;

use crate::actions::queue_title;
use crate::format::{count, label};
use crate::here::Here;
use crate::parts::{csrf, icon, queue_names, queue_path};

const STYLE: &str = include_str!("assets/console.css");
const SCRIPT: &str = include_str!("assets/console.js");
const ICON: &str = include_str!("assets/icon.svg");
const MARK: &str = include_str!("assets/mark.svg");

/// A page inside the navigation. `entry` is the place in the navigation that it belongs to.
pub(crate) fn page(here: &Here, title: &str, entry: &str, content: Markup) -> Response {
    page_with(StatusCode::OK, here, title, entry, content)
}

/// The same with another status.
pub(crate) fn page_with(status: StatusCode, here: &Here, title: &str, entry: &str, content: Markup) -> Response {
    let flash = here.console.sessions.said(&here.visitor);
    let body = html! {
        (DOCTYPE)
        html lang="en" {
            (head(title))
            body data-page=(entry.split(':').next().unwrap_or_default()) {
                a.skip href="#content" { "Skip to the content" }
                (side(here, entry))
                main #content tabindex="-1" {
                    @if let Some(flash) = flash {
                        div #flash .notice.good[flash.good].bad[!flash.good] role=(if flash.good { "status" } else { "alert" }) {
                            (icon(if flash.good { "check" } else { "alert" }))
                            p.grow { (flash.text) }
                            @if let Some((path, label)) = &flash.onwards {
                                a #next .button.small href=(path) { (label) " " (icon("arrow")) }
                            }
                        }
                    }
                    (content)
                }
                (keys())
            }
        }
    };
    (status, Html(body.into_string())).into_response()
}

/// A page for who is not signed in, or that something went wrong on.
pub(crate) fn bare(status: StatusCode, title: &str, content: Markup) -> Response {
    let body = html! {
        (DOCTYPE)
        html lang="en" {
            (head(title))
            body.alone {
                main #content {
                    div.card {
                        a.brand href="/" { (PreEscaped(MARK)) span { "Interlock" } }
                        (content)
                    }
                }
            }
        }
    };
    (status, Html(body.into_string())).into_response()
}

fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) " · Interlock" }
            link rel="icon" type="image/svg+xml" href="/assets/icon.svg";
            link rel="stylesheet" href="/assets/console.css";
            link rel="stylesheet" href="/assets/workflow.css";
            script src="/assets/console.js" defer {}
        }
    }
}

fn side(here: &Here, entry: &str) -> Markup {
    let user = &here.visitor.user;
    let troubled = here
        .console
        .operations
        .figures()
        .connections
        .iter()
        .any(|one| matches!(one.state, ConnectionState::Down | ConnectionState::Refused));
    html! {
        div.side {
            a.brand href="/" {
                (PreEscaped(MARK))
                span { "Interlock" small { (here.release.settings.name) } }
            }
            nav #nav aria-label="Main" data-live {
                (place("overview", "/", "Overview", entry, html! {}))
                (place("transactions", "/transactions", "Transactions", entry, html! {}))
                @let waiting = here.board.waiting();
                @if !here.release.synchronised.is_empty() { (place("records", "/records", "Records", entry, html! {})) }
                (place("queues", "/queues", "Work queues", entry, html! {
                    @if waiting > 0 { span.count { (count(waiting)) } }
                }))
                div.sub { (queues(here, entry)) }
                @let comparisons = here.console.operations.figures().reconciliations;
                @if !comparisons.is_empty() {
                    (place("reconciliation", "/reconciliation", "Reconciliation", entry, html! {
                        @if comparisons.iter().any(crate::pages::reconciliation::failed) { span.dot.bad title="A comparison failed" {} }
                    }))
                }
                (place("connections", "/connections", "Connections", entry, html! {
                    @if troubled { span.dot.bad title="A connection is down" {} }
                }))
            }
            footer {
                p #live-state .live-state role="status" { span.dot {} span { "Live" } }
                div.who {
                    span.avatar aria-hidden="true" { (user.name.chars().take(1).collect::<String>()) }
                    span { (user.name) small { (user.roles.iter().map(|role| label(role).to_lowercase()).collect::<Vec<_>>().join(", ")) } }
                }
                div.foot {
                    form method="post" action="/sign-out" { (csrf(&here.visitor)) button #sign-out .link type="submit" { "Sign out" } }
                    button #show-keys .link type="button" hidden { "Shortcuts " kbd { "?" } }
                }
            }
        }
    }
}

fn place(name: &str, path: &str, label: &str, entry: &str, more: Markup) -> Markup {
    html! {
        a data-nav=(name) href=(path) aria-current=[(entry == name).then_some("page")] { (icon(name)) span { (label) } (more) }
    }
}

/// The queues with how much waits in each; those that are not the visitor's stand back.
fn queues(here: &Here, entry: &str) -> Markup {
    let current = entry.strip_prefix("queue:");
    html! {
        @for name in queue_names(&here.release, &here.board.queues) {
            @let waiting = here.board.queues.iter().find(|total| total.queue == name).map_or(0, |total| total.count);
            a.not-mine[!here.may_act(&name)] data-nav-queue=(name) href=(queue_path(&name))
                aria-current=[(current == Some(&*name)).then_some("page")] {
                span { (queue_title(&here.release, &name)) }
                @if waiting > 0 { span.count { (count(waiting)) } }
            }
        }
    }
}

fn keys() -> Markup {
    let rows = [
        (&["j", "k"][..], "Next and previous row"),
        (&["Enter"], "Open the row"),
        (&["x"], "Select the row"),
        (&["a"], "Go to the actions"),
        (&["n"], "Next item of the queue"),
        (&["/"], "Search"),
        (&["g", "o"], "Overview"),
        (&["g", "t"], "Transactions"),
        (&["g", "r"], "Records"),
        (&["g", "q"], "Work queues"),
        (&["g", "e"], "Reconciliation"),
        (&["g", "c"], "Connections"),
        (&["?"], "This help"),
    ];
    html! {
        dialog #keys aria-labelledby="keys-title" {
            h2 #keys-title { "Keyboard shortcuts" }
            dl { @for (keys, what) in rows { div { dt { (what) } dd { @for key in keys { kbd { (key) } } } } } }
            form method="dialog" { button.button { "Close" } }
        }
    }
}

/// The style sheets, the script and the icon.
pub(crate) async fn asset(Path(name): Path<String>) -> Response {
    let (kind, text) = match name.as_str() {
        "console.css" => ("text/css; charset=utf-8", STYLE),
        "workflow.css" => ("text/css; charset=utf-8", workflow::draw::STYLE),
        "console.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "icon.svg" => ("image/svg+xml", ICON),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=300"));
    response
}
