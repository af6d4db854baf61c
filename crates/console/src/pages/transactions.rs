//! All business matters: searched by name or number, and by stage.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::Response;
use maud::{Markup, html};

use crate::door::encoded;
use crate::format::count;
use crate::here::Here;
use crate::layout;
use crate::pages::problem;
use crate::parts::{icon, matters, nothing, offset, pager};
use crate::reads::{self, ROWS, read};
use crate::stages;

/// The word in the address for matters that wait for a person.
const STUCK: &str = "stuck";
/// Longest text that is searched for, in characters.
const TEXT_MAX: usize = 200;

/// `GET /transactions?q=…&stage=…&from=…`
pub(crate) async fn page(here: Here, query: Result<Query<Vec<(String, String)>>, QueryRejection>) -> Response {
    let fields = query.map(|Query(fields)| fields).unwrap_or_default();
    let asked = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.trim());
    let text: String = asked("q").unwrap_or_default().chars().take(TEXT_MAX).collect();
    let stage = asked("stage").filter(|stage| !stage.is_empty()).map(str::to_owned);
    let from = offset(asked("from"));
    let (searched, wanted) = (text.clone(), stage.clone());
    let found = read(here.console.operations.store(), move |store| match wanted.as_deref() {
        Some(STUCK) => reads::stuck(store, &searched, from),
        wanted => reads::matters(store, &searched, wanted, from),
    });
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::unavailable(&error),
    };
    let path = address(&text, stage.as_deref());
    let content = html! {
        header.head {
            div {
                h1 { "Transactions" }
                p.sub { "Every quote, order, return and customer, with all that happened to it in all systems. Find one by its customer, quote or order number." }
            }
            form.search role="search" method="get" action="/transactions" {
                @if let Some(stage) = &stage { input type="hidden" name="stage" value=(stage); }
                span.with-icon {
                    (icon("search"))
                    input #search type="search" name="q" value=(text) aria-label="Search transactions" autocomplete="off";
                }
                button.button type="submit" { "Search" }
            }
        }
        section.part {
            nav #stages .tabs aria-label="Stage" data-live { (tabs(&here, &text, stage.as_deref())) }
            div #transactions .card data-live {
                @if found.rows.is_empty() {
                    @if text.is_empty() { (nothing("No transaction is here", "They appear by themselves when something happens in a connected system.")) }
                    @else { (nothing(&format!("Nothing is found for “{text}”"), "Part of the customer's name or of a number is enough.")) }
                } @else { (matters(&here, &found.rows, &found.items)) }
            }
            (pager(&path, from, ROWS, found.more))
        }
    };
    layout::page(&here, "Transactions", "transactions", content)
}

/// The address of a list, ending so that something can be added.
fn address(text: &str, stage: Option<&str>) -> String {
    let mut path = "/transactions?".to_owned();
    if !text.is_empty() {
        path.push_str(&format!("q={}&", encoded(text)));
    }
    if let Some(stage) = stage {
        path.push_str(&format!("stage={}&", encoded(stage)));
    }
    path
}

fn tabs(here: &Here, text: &str, current: Option<&str>) -> Markup {
    let board = &here.board;
    let mut totals: Vec<(&str, u64)> = board.stages.iter().map(|total| (&*total.stage, total.count)).collect();
    totals.sort_by_key(|(stage, _)| stages::rank(stage));
    let all: u64 = totals.iter().map(|(_, count)| count).sum();
    let tab = |stage: Option<&str>, name: &str, number: u64, class: &str| {
        html! {
            a class=(class) href=(address(text, stage)) data-stage=(stage.unwrap_or("all")) aria-current=[(stage == current).then_some("true")] {
                (name) " " span.count { (count(number)) }
            }
        }
    };
    html! {
        (tab(None, "All", all, ""))
        @if board.stuck > 0 || current == Some(STUCK) { (tab(Some(STUCK), "Waits for a person", board.stuck, "warn")) }
        @for (stage, number) in totals.iter().filter(|(stage, _)| *stage != "held") {
            (tab(Some(stage), &stages::name(stage), *number, ""))
        }
    }
}
