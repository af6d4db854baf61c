//! The connected systems: how they do, what they may be asked, and how far their changes are seen.

use axum::response::Response;
use definitions::{ConnectionDefinition, FeedSource};
use jiff::Timestamp;
use maud::{Markup, html};
use runtime::{ConnectionFigures, ConnectionState, CoverageFigures, FeedFigures, Figures};

use crate::format::{count, counted, duration, exact, milliseconds, rate, time};
use crate::here::Here;
use crate::layout;
use crate::parts::{connection_state, nothing, system};

/// `GET /connections`
pub(crate) async fn page(here: Here) -> Response {
    let figures = here.console.operations.figures();
    let content = html! {
        header.head {
            div {
                h1 { "Connections" }
                p.sub { "The connected systems: whether they answer, what they may be asked, and up to when their changes are proven to be seen." }
            }
        }
        div #connections .stack data-live {
            @if here.release.connections.is_empty() { div.card { (nothing("No connection is defined", "Add a file to connections/ of the project.")) } }
            @for (name, definition) in &here.release.connections {
                @let own = figures.connections.iter().find(|one| one.name == *name);
                (connection(&here, definition, own, &figures))
            }
        }
    };
    layout::page(&here, "Connections", "connections", content)
}

/// What a state means for who looks.
pub(crate) fn meaning(state: ConnectionState) -> &'static str {
    match state {
        ConnectionState::Up => "It answers.",
        ConnectionState::Struggling => "Some calls fail. They are tried again until they work.",
        ConnectionState::Down => {
            "It does not answer. Calls are held back and it is tried from time to time; nothing is lost, and work goes on by itself."
        }
        ConnectionState::Refused => {
            "It refuses the credentials or the definition. Correct them in the project and restart."
        }
    }
}

fn connection(
    here: &Here,
    definition: &ConnectionDefinition,
    own: Option<&ConnectionFigures>,
    figures: &Figures,
) -> Markup {
    let name = definition.name.as_str();
    let limits = &definition.limits;
    html! {
        section.part data-connection=(name) {
            header {
                h2 { (system(&here.release, name)) " " span.faint.mono { (name) } }
                @if let Some(own) = own {
                    (connection_state(own.state))
                    @if let Some(since) = here.console.samples.since(&definition.name) { span.faint title=(exact(since)) { "for " (duration(here.now.as_second() - since.as_second())) } }
                }
            }
            div.card {
                @match own {
                    Some(own) => {
                        @if own.state != ConnectionState::Up { p.pad.lead { (meaning(own.state)) } }
                        @if let Some(budget) = &own.budget && let Some(until) = budget.until {
                            p.pad.lead data-budget-used-up { "Today's " (count(budget.limit)) " requests are used up. Its work waits until " (exact(until)) " and goes on by itself; a larger " code { "limits.daily" } " counts after a restart." }
                        }
                        dl.tiles.flat {
                            (tile("Calls per second", &rate(here.console.samples.calls_per_second(&definition.name)), ""))
                            (tile("Answer, median", &milliseconds(own.latency.p50), ""))
                            (tile("Answer, p99", &milliseconds(own.latency.p99), ""))
                            (tile("Succeeded", &count(own.succeeded), ""))
                            (tile("Refused", &count(own.rejected), "the system said no for good"))
                            (tile("Tried again", &count(own.retried), ""))
                            (tile("Looked up", &count(own.probed), &format!("by business key; {} lost answers had happened", count(own.found))))
                            @if let Some(budget) = &own.budget { (tile("Requests today", &count(budget.used), &format!("of {}; by UTC, since the start", count(budget.limit)))) }
                            (tile("Under way", &count(own.under_way), &format!("{} wait", count(own.waiting))))
                        }
                        @if let Some((error, at)) = &own.last_error {
                            p.pad.last-error { span.faint { "Last error, " (time(*at, here.now)) ": " } (error) }
                        }
                    },
                    None => p.pad.muted { "It is not open." },
                }
                p.pad.under.limits {
                    "Limits: " (counted(limits.concurrent as u64, "request", "requests")) " at a time"
                    @if let Some(per_second) = limits.per_second { ", " (count(u64::from(per_second))) " per second" }
                    @if let Some(daily) = limits.daily { ", " (count(daily)) " per day" }
                    ". Retries wait " (duration(i64::try_from(definition.retry.longest.as_secs()).unwrap_or(i64::MAX))) " at the longest."
                }
                (feeds(definition, figures, here.now))
            }
        }
    }
}

fn tile(name: &str, value: &str, more: &str) -> Markup {
    html! { div.tile { dt { (name) } dd { span.big { (value) } @if !more.is_empty() { span.sum { (more) } } } } }
}

fn feeds(definition: &ConnectionDefinition, figures: &Figures, now: Timestamp) -> Markup {
    let own: Vec<&FeedFigures> = figures.feeds.iter().filter(|feed| feed.connection == definition.name).collect();
    html! {
        @if !own.is_empty() {
            div.scroll {
                table.feeds {
                    thead { tr {
                        th scope="col" { "Feed" } th scope="col" { "State" } th.number scope="col" { "Changes" } th.number.hide-small scope="col" title="Changes that told nothing new, such as our own" { "No news" }
                        th.number.hide-small scope="col" title="Changes that the system never told, found by sweeps" { "Healed" } th.number.hide-small scope="col" title="Pushed events that could not be used; the log says why" { "Unusable" } th.number scope="col" { "Last change" } th.number scope="col" title="Up to then every change is proven to be seen" { "Covered until" }
                    } }
                    tbody {
                        @for feed in own {
                            @let source = definition.feeds.get(&feed.name).map(|feed| &feed.source);
                            tr data-feed=(feed.name) {
                                td { span.title { (feed.name) } @if let Some(source) = source { span.under.mono { (match source { FeedSource::Topic(topic) => topic, FeedSource::Push(pattern) => pattern, FeedSource::Sweep => "sweeps" }) } } }
                                td {
                                    @if let Some(load) = feed.load.filter(|load| !load.done) { span.under data-first-load { "First load: " (count(load.read)) " records read" @if let Some(other) = &feed.load_waits_for { "; it waits for " (other) ", for which many writes wait" } } }
                                    @if feed.waiting_for_parents > 0 { span.under data-waiting-for-parents { (counted(feed.waiting_for_parents, "record waits", "records wait")) " for a parent that is not there yet" } }
                                    @if feed.lost_windows > 0 { span.under data-lost-windows { "Changes were lost " (counted(feed.lost_windows, "time", "times")) ": the log says when" } }
                                    @if let Some(FeedSource::Push(_)) = source { span.badge.info title="The system tells of changes by itself; sweeps find what it did not tell." { span.dot.info {} "Told by it" } } @else if let Some(FeedSource::Sweep) = source { span.badge.info title="Nothing tells of changes here: the system is asked again and again." { span.dot.info {} "Asked" } } @else if feed.connected { span.badge.good { span.dot.good {} "Followed" } } @else { span.badge.bad { span.dot.bad {} "Not followed" } } }
                                td.number { (count(feed.changes)) }
                                td.number.hide-small { (count(feed.dropped)) }
                                td.number.hide-small { (count(feed.healed)) }
                                td.number.hide-small { @if let Some(FeedSource::Push(_)) = source { (count(feed.refused)) } @else { span.faint { "–" } } }
                                td.number { @match feed.last_change { Some(at) => (time(at, now)), None => span.faint { "–" } } }
                                td.number { @match &feed.coverage { Some(coverage) => (time(coverage.until, now)), None => span.faint title="Only sweeps prove that nothing was missed, and this feed has none" { "Not swept" } } }
                            }
                            @if let Some(coverage) = &feed.coverage { (missing(feed, coverage)) }
                        }
                    }
                }
            }
        }
    }
}

/// The windows of a feed in which changes may have been missed: why, and what is done about it.
fn missing(feed: &FeedFigures, coverage: &CoverageFigures) -> Markup {
    html! {
        @for gap in &coverage.gaps {
            tr.gap data-gap=(feed.name) data-reason=(gap.reason.word()) {
                td colspan="8" {
                    span.badge.warn { span.dot.warn {} "Not proven" } " "
                    "From " (exact(gap.from)) " to " @if gap.open { "now" } @else { (exact(gap.until)) }
                    ": " (gap.reason) ". "
                    @if !feed.swept { "The feed cannot be swept, so nothing reads it again by itself: the log says why." }
                    @else if gap.rereading { "It is being read again now." }
                    @else { "It is read again by itself. Nobody has to do anything." }
                }
            }
        }
    }
}
