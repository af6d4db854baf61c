//! Comparisons on a schedule: when each object was compared, what it came to, and what people are asked about it.

use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};
use model::Value;
use runtime::ReconciliationFigures;

use crate::actions::queue_title;
use crate::format::{count, counted, duration, exact, label, milliseconds_whole, time};
use crate::here::Here;
use crate::layout;
use crate::parts::{nothing, queue_path, system};

/// `GET /reconciliation`
pub(crate) async fn page(here: Here) -> Response {
    let figures = here.console.operations.figures().reconciliations;
    let content = html! {
        header.head {
            div {
                h1 { "Reconciliation" }
                p.sub { "All records of an object in two systems, compared on a schedule, whatever was told of changes." }
            }
        }
        div #reconciliations .stack data-live {
            @if figures.is_empty() { div.card { (nothing("Nothing is compared on a schedule", "It is once the file of an object, in objects/, says when under reconcile.")) } }
            @for one in &figures { (object(&here, one)) }
        }
    };
    layout::page(&here, "Reconciliation", "reconciliation", content)
}

/// Whether the last comparison failed.
pub(crate) fn failed(one: &ReconciliationFigures) -> bool {
    !one.last.get("problem").is_null()
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).as_i64().and_then(|number| u64::try_from(number).ok()).unwrap_or_default()
}

/// How many findings the last comparison left, for all sides.
fn findings(last: &Value) -> u64 {
    let both = |name: &str| -> u64 {
        let sides = last.get(name).as_object().into_iter().flatten();
        sides.filter_map(|(_, number)| u64::try_from(number.as_i64()?).ok()).sum()
    };
    number(last, "different") + both("missing") + both("doubled")
}

fn state(one: &ReconciliationFigures) -> Markup {
    let (class, word) = if one.running.is_some() {
        ("info", "Comparing")
    } else if failed(one) {
        ("bad", "Failed")
    } else if one.last.is_null() {
        ("", "Not compared yet")
    } else if findings(&one.last) > 0 {
        ("warn", "Differs")
    } else {
        ("good", "The same")
    };
    html! { span class=(format!("badge {class}")) data-state=(word) { span class=(format!("dot {class}")) {} (word) } }
}

fn object(here: &Here, one: &ReconciliationFigures) -> Markup {
    let [left, right] = &one.sides;
    let complete = &one.last_complete;
    html! {
        section.part data-reconciliation=(one.object) {
            header {
                h2 { (label(one.object.as_str())) " " span.faint { (system(&here.release, left.as_str())) " and " (system(&here.release, right.as_str())) } }
                (state(one))
            }
            div.card {
                @if let Some((since, read)) = one.running {
                    p.pad.lead data-running { "Since " (time(since, here.now)) ": " (count(read[0])) " and " (count(read[1])) " records read." }
                }
                @if failed(one) {
                    @let problem = one.last.get("problem");
                    p.pad.last-error data-failed {
                        span.faint { "The comparison of " (when(&one.last, "begun_at", here.now)) " failed: " }
                        (problem.get("message").as_str().unwrap_or_default()) ". " (problem.get("remedy").as_str().unwrap_or_default()) "."
                    }
                }
                @if complete.is_null() { p.pad.muted { "There was no comparison yet that came to its end." } } @else { (outcome(here, one)) }
                p.pad.under {
                    "Last: " (when(&one.last, "begun_at", here.now))
                    @if let Some(took) = one.last.get("milliseconds").as_i64() { ", took " (milliseconds_whole(took)) }
                    ". Next: " @match one.next { Some(next) => (due(next, here.now)), None => "not known" }
                    " (" span.mono { (one.schedule) } "). "
                    @if one.repair { "What ownership decides is mended by itself; the rest goes to " } @else { "What is found goes to " }
                    a.link href=(queue_path(one.queue.as_str())) { (queue_title(&here.release, one.queue.as_str())) } "."
                }
            }
        }
    }
}

fn due(next: Timestamp, now: Timestamp) -> Markup {
    html! { @if next <= now { span title=(exact(next)) { "now" } } @else { span title=(exact(next)) { "in " (duration(next.as_second() - now.as_second())) } } }
}

fn when(value: &Value, name: &str, now: Timestamp) -> Markup {
    let at = value.get(name).as_str().and_then(|text| text.parse::<Timestamp>().ok());
    html! { @match at { Some(at) => (time(at, now)), None => "never" } }
}

fn outcome(here: &Here, one: &ReconciliationFigures) -> Markup {
    let complete = &one.last_complete;
    let [left, right] = &one.sides;
    let systems = [system(&here.release, left.as_str()), system(&here.release, right.as_str())];
    let of = |name: &str| [left, right].map(|side| number(complete.get(name), side.as_str()));
    let alone = |name: &str| [number(complete, name); 2];
    let rows = [
        ("Records", of("records"), "records"),
        ("The same", alone("equal"), "equal"),
        ("Different", alone("different"), "different"),
        ("Missing", of("missing"), "missing"),
        ("Doubled keys", of("doubled"), "doubled"),
        ("Unreadable", of("unreadable"), "unreadable"),
    ];
    let told = [
        ("open", "with people", "Open work items of this comparison"),
        ("asked", "with people otherwise", "Another work item is about it"),
        ("dismissed", "left so", "A person decided that it stays so"),
        ("under_way", "under way", "Still changing, or being written"),
        ("beyond", "not told one by one", "More than people are told of at once; they come up as others are settled"),
        ("settled", "settled meanwhile", "It was on its way while everything was read"),
        ("mended", "mended", "Read again, so that ownership decided"),
        ("meant", "meant so", "Deleted elsewhere, or not made there"),
    ];
    let told: Vec<_> = told.into_iter().filter(|(name, ..)| number(complete, name) > 0).collect();
    html! {
        div.scroll {
            table {
                thead { tr { th scope="col" {} @for name in &systems { th.number scope="col" { (name) } } } }
                tbody {
                    @for (name, [one, other], data) in rows {
                        tr data-count=(data) { td { (name) } td.number { (count(one)) } td.number { (count(other)) } }
                    }
                }
            }
        }
        @if !told.is_empty() {
            p.pad.under data-told {
                @for (place, (name, word, title)) in told.iter().enumerate() {
                    @if place > 0 { " · " }
                    span title=(title) data-told-of=(name) { (count(number(complete, name))) " " (word) }
                }
            }
        }
        (sums(complete.get("sums"), one, &systems))
    }
}

fn sums(sums: &Value, one: &ReconciliationFigures, systems: &[String; 2]) -> Markup {
    let amount = |value: &Value| if value.is_null() { "–".to_owned() } else { value.to_string() };
    html! {
        @if !sums.items().is_empty() {
            div.scroll {
                table data-sums {
                    thead { tr { th scope="col" { (counted(sums.items().len() as u64, "amount", "amounts")) } th scope="col" { "Currency" } @for name in systems { th.number scope="col" { (name) } } th.number scope="col" { "Difference" } } }
                    tbody {
                        @for sum in sums.items() {
                            tr {
                                td { (label(sum.get("name").as_str().unwrap_or_default())) }
                                td { (sum.get("currency").as_str().unwrap_or("–")) }
                                @for side in &one.sides { td.number { (amount(sum.get("amounts").get(side.as_str()))) } }
                                td.number { (amount(sum.get("difference"))) }
                            }
                        }
                    }
                }
            }
        }
    }
}
