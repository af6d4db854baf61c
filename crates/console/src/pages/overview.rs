//! The overview: where the business stands, what waits for people, and how the systems do.

use axum::response::Response;
use maud::{Markup, html};
use model::Money;
use runtime::{ConnectionFigures, ConnectionState};
use store::WorkItemRow;

use crate::actions::queue_title;
use crate::format::{amounts, count, counted, duration, milliseconds, rate, time};
use crate::here::Here;
use crate::layout;
use crate::pages::connections::meaning;
use crate::pages::reconciliation::failed;
use crate::parts::{connection_state, icon, items, matters, nothing, queue_names, queue_path, system};
use crate::samples::Rate;
use crate::stages;

/// `GET /`
pub(crate) async fn page(here: Here) -> Response {
    let figures = here.console.operations.figures();
    let waiting = here.board.waiting();
    let troubled: Vec<&ConnectionFigures> =
        figures.connections.iter().filter(|one| one.state != ConnectionState::Up).collect();
    let content = html! {
        header.head {
            div {
                h1 { "Overview" }
                p #summary .sub data-live {
                    @if waiting == 0 { "Nothing waits for a person." }
                    @else { (counted(waiting, "item waits", "items wait")) " for a person, worth " strong { (amounts(&here.board.at_stake())) } "." }
                }
            }
        }
        div #trouble .stack.close data-live {
            @for one in &troubled {
                div.notice.bad[one.state != ConnectionState::Struggling].warn[one.state == ConnectionState::Struggling] role="status" data-trouble=(one.name) {
                    (icon("alert"))
                    div.grow {
                        p { (system(&here.release, one.name.as_str())) (match one.state { ConnectionState::Struggling => " is struggling", ConnectionState::Refused => " refuses us", _ => " is down" })
                            @if let Some(since) = here.console.samples.since(&one.name) { " · began " (time(since, here.now)) } }
                        p { (meaning(one.state)) @if one.waiting > 0 { " " (counted(one.waiting, "call waits", "calls wait")) "." } }
                    }
                    a.button.small href="/connections" { "Look" }
                }
            }
        }
        div #comparisons .stack.close data-live {
            @for one in figures.reconciliations.iter().filter(|one| failed(one)) {
                div.notice.warn role="status" data-comparison-failed=(one.object) {
                    (icon("alert"))
                    div.grow { p { "The comparison of " (one.object) " failed" } p { (one.last.get("problem").get("message").as_str().unwrap_or_default()) "." } }
                    a.button.small href="/reconciliation" { "Look" }
                }
            }
        }
        section #flow aria-label="Where the business stands" data-live { (flow(&here)) }
        div.columns {
            section.part {
                header { h2 { "Waits for a person" } span.faint { "most valuable first" } a.more href="/transactions?stage=stuck" { "All" } }
                div #needs .card data-live { (needs(&here)) }
            }
            div.stack {
                section.part {
                    header { h2 { "Work queues" } a.more href="/queues" { "All" } }
                    div #queue-totals .card data-live { (queue_totals(&here)) }
                }
                section.part {
                    header { h2 { "Systems" } a.more href="/connections" { "All" } }
                    div #systems .card data-live { (systems(&here, &figures.connections)) }
                }
            }
        }
        section #rates aria-label="Rates" data-live { (rates(&here)) }
        section.part {
            header { h2 { "Latest transactions" } a.more href="/transactions" { "All" } }
            div #recent .card data-live {
                @if here.board.recent.is_empty() { (nothing("Nothing happened yet", "Transactions appear by themselves when something happens in a connected system.")) }
                @else { (matters(&here, &here.board.recent, &here.board.recent_items)) }
            }
        }
    };
    layout::page(&here, "Overview", "overview", content)
}

/// From the customer's yes to the money, and what left that way.
fn flow(here: &Here) -> Markup {
    let board = &here.board;
    let main: Vec<(&str, u64, &[Money])> = stages::ORDER
        .iter()
        .map(|stage| {
            let (count, amounts) = board.stage(stage);
            (*stage, count, amounts)
        })
        .collect();
    let known = |stage: &str| stages::ORDER.contains(&stage);
    let mut others: Vec<_> = board.stages.iter().filter(|total| !known(&total.stage)).collect();
    others.sort_by_key(|total| stages::rank(&total.stage));
    html! {
        ol.flow.card {
            @for (stage, number, sums) in &main {
                li data-stage=(stage) {
                    a href=(format!("/transactions?stage={stage}")) {
                        span.name { (stages::name(stage)) }
                        span.big { (count(*number)) }
                        span.sum { (amounts(sums)) }
                    }
                }
            }
        }
        @if !others.is_empty() {
            ul.flow-side {
                @for total in others {
                    li data-stage=(total.stage) {
                        a href=(format!("/transactions?stage={}", if &*total.stage == "held" { "stuck" } else { &*total.stage })) {
                            span class=(format!("dot {}", stages::tone(&total.stage).class())) {}
                            (stages::name(&total.stage)) " " strong { (count(total.count)) } " "
                            @if !total.amounts.is_empty() { span.faint { (amounts(&total.amounts)) } }
                        }
                    }
                }
            }
        }
    }
}

fn needs(here: &Here) -> Markup {
    let open: Vec<&WorkItemRow> = here.board.needs.iter().collect();
    html! {
        @if open.is_empty() { (nothing("Nothing waits for a person", "What machines cannot decide appears here.")) }
        @else { (items(&open, &here.release, here.now)) }
    }
}

fn queue_totals(here: &Here) -> Markup {
    let board = &here.board;
    html! {
        table {
            thead { tr { th scope="col" { "Queue" } th.number scope="col" { "Items" } th.number scope="col" { "At stake" } th.number scope="col" { "Oldest" } } }
            tbody {
                @for name in queue_names(&here.release, &board.queues) {
                    @let total = board.queue(&name);
                    @let late = total.is_some_and(|total| total.late > 0);
                    tr data-queue=(name) {
                        td { a href=(queue_path(&name)) { (queue_title(&here.release, &name)) } }
                        td.number { (count(total.map_or(0, |total| total.count))) }
                        td.number { (amounts(total.map_or(&[], |total| &total.amounts))) }
                        td.number.faint {
                            @match total {
                                Some(total) => span.bad[late] title=[late.then_some("Something is overdue")] { (duration(here.now.as_second() - total.opened_first.as_second())) },
                                None => "–",
                            }
                        }
                    }
                }
            }
        }
    }
}

fn systems(here: &Here, connections: &[ConnectionFigures]) -> Markup {
    html! {
        table {
            thead { tr { th scope="col" { "System" } th scope="col" { "State" } th.number scope="col" { "Calls/s" } th.number scope="col" { "p99" } } }
            tbody {
                @for name in here.release.connections.keys() {
                    @let own = connections.iter().find(|one| one.name == *name);
                    tr data-connection=(name) {
                        td { a href="/connections" { (system(&here.release, name.as_str())) } }
                        td { @match own { Some(own) => (connection_state(own.state)), None => span.faint { "not open" } } }
                        td.number { (rate(here.console.samples.calls_per_second(name))) }
                        td.number { (own.map_or_else(|| "–".to_owned(), |own| milliseconds(own.latency.p99))) }
                    }
                }
            }
        }
    }
}

fn rates(here: &Here) -> Markup {
    let rates = here.console.samples.rates();
    let one = |name: &str, unit: &str, own: &Rate| {
        html! {
            div.tile data-rate=(unit) {
                dt { (name) }
                dd { span.big { (rate(own.now)) small { "/s" } } (curve(&own.curve, name)) }
            }
        }
    };
    html! {
        dl.tiles.rates.card {
            (one("Changes taken in", "events", &rates.events))
            (one("Orders and returns begun", "orders", &rates.orders))
            (one("Calls to systems", "calls", &rates.calls))
        }
    }
}

/// The last minutes as a line, drawn into 120 by 32.
fn curve(points: &[f64], name: &str) -> Markup {
    let top = points.iter().copied().fold(1.0_f64, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "places on a screen")]
    let place = |at: usize| 120.0 * at as f64 / (points.len().max(2) - 1) as f64;
    let line: Vec<String> = points
        .iter()
        .enumerate()
        .map(|(at, value)| format!("{:.1},{:.1}", place(at), 30.0 - 28.0 * value / top))
        .collect();
    html! {
        @if points.len() > 1 {
            svg.curve viewBox="0 0 120 32" preserveAspectRatio="none" role="img" aria-label=(format!("{name} over the last five minutes")) {
                polygon points=(format!("0,32 {} 120,32", line.join(" "))) {}
                polyline points=(line.join(" ")) fill="none" vector-effect="non-scaling-stroke" {}
            }
        }
    }
}
