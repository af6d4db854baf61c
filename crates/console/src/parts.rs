//! What several pages are made of.

use std::sync::Arc;

use definitions::{ActionStyle, Release};
use jiff::Timestamp;
use maud::{Markup, PreEscaped, html};
use model::RunId;
use runtime::ConnectionState;
use store::{RunStatus, TransactionRow, WorkItemRow, WorkItemStatus};
use workflow::draw::Entry;

use crate::actions::{Choice, queue_title};
use crate::choosing::in_words;
use crate::door::encoded;
use crate::format::{amount, due, label, time};
use crate::here::Here;
use crate::picture::Picture;
use crate::reads::FirstItems;
use crate::session::Visitor;
use crate::stages::{self, Tone};

/// A drawing of the console's own set, 16 by 16.
pub(crate) fn icon(name: &str) -> Markup {
    let path = match name {
        "overview" => {
            r#"<rect x="2" y="2" width="5" height="7" rx="1.2"/><rect x="9" y="2" width="5" height="4" rx="1.2"/><rect x="2" y="11" width="5" height="3" rx="1.2"/><rect x="9" y="8" width="5" height="6" rx="1.2"/>"#
        }
        "transactions" => r#"<path d="M2.500 4h11M2.500 8h11M2.500 12h7"/>"#,
        "queues" => r#"<path d="M2 9.500 4 3h8l2 6.500V13H2zM2 9.500h3.500l1 1.500h3l1-1.500H14"/>"#,
        "connections" => {
            r#"<circle cx="4" cy="8" r="2"/><circle cx="12" cy="4" r="2"/><circle cx="12" cy="12" r="2"/><path d="m5.800 7 4.400-2.200M5.800 9l4.400 2.200"/>"#
        }
        "records" => {
            r#"<ellipse cx="8" cy="3.800" rx="5.500" ry="2"/><path d="M2.500 3.800v8.400c0 1.100 2.500 2 5.500 2s5.500-.9 5.500-2V3.800M2.500 8c0 1.100 2.500 2 5.500 2s5.500-.9 5.500-2"/>"#
        }
        "reconciliation" => r#"<path d="M2 5h9M8.500 2.500 11 5 8.500 7.500M14 11H5M7.500 8.500 5 11l2.500 2.500"/>"#,
        "search" => r#"<circle cx="7" cy="7" r="4.500"/><path d="m10.500 10.500 3 3"/>"#,
        "check" => r#"<path d="m3 8.500 3.200 3.200L13 5"/>"#,
        "alert" => r#"<path d="M8 2.200 1.700 13.300h12.600zM8 6.500v3.200M8 11.500v.1"/>"#,
        "arrow" => r#"<path d="M3 8h10M9 4l4 4-4 4"/>"#,
        "in" => r#"<path d="M2 8h9M7.500 4.500 11 8l-3.500 3.500M13.500 3v10"/>"#,
        "person" => {
            r#"<circle cx="8" cy="5" r="2.700"/><path d="M2.500 14c.6-3 2.700-4.500 5.500-4.500s4.900 1.500 5.500 4.500"/>"#
        }
        "clock" => r#"<circle cx="8" cy="8" r="6"/><path d="M8 4.800V8l2.200 1.600"/>"#,
        "flag" => r#"<path d="M3.500 14V2.500h8.500l-2 3.200 2 3.300H3.500"/>"#,
        "cross" => r#"<path d="m4 4 8 8M12 4l-8 8"/>"#,
        "start" => r#"<path d="M5 3.200v9.600L12.500 8z"/>"#,
        _ => r#"<circle cx="8" cy="8" r="2.500"/>"#,
    };
    html! {
        svg.icon viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" stroke-width="1.5"
            stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" { (PreEscaped(path)) }
    }
}

/// A stage as a small label.
pub(crate) fn stage(stage: &str) -> Markup {
    html! { span class=(format!("badge {}", stages::tone(stage).class())) data-stage=(stage) { (stages::name(stage)) } }
}

/// How far a matter is on its way.
pub(crate) fn steps(matter: &TransactionRow) -> Markup {
    let way = stages::way(&matter.stage, &matter.object);
    let at = way.iter().position(|stage| **stage == *matter.stage);
    let tone = stages::tone(&matter.stage);
    html! {
        @if !way.is_empty() {
            ol.steps.card aria-label="Progress" {
                @for (place, step) in way.iter().enumerate() {
                    @let class = match at {
                        Some(at) if place < at => "done",
                        Some(at) if place == at && tone == Tone::Good => "now good",
                        Some(at) if place == at => "now",
                        None if place == 0 && &*matter.stage != "new" => "done",
                        _ => "",
                    };
                    li class=(class) aria-current=[class.starts_with("now").then_some("step")] { (stages::name(step)) }
                    @if at.is_none() && place == 0 && &*matter.stage != "new" {
                        li class=(if tone == Tone::Waiting { "now warn" } else { "now bad" }) aria-current="step" { (stages::name(&matter.stage)) }
                    }
                }
            }
        }
    }
}

/// How a connection does: a colour, and a word for who sees no colours.
pub(crate) fn connection_state(state: ConnectionState) -> Markup {
    let (class, word) = match state {
        ConnectionState::Up => ("good", "Up"),
        ConnectionState::Struggling => ("warn", "Struggling"),
        ConnectionState::Down => ("bad", "Down"),
        ConnectionState::Refused => ("bad", "Refused"),
    };
    html! { span class=(format!("badge {class}")) data-state=(word) { span class=(format!("dot {class}")) {} (word) } }
}

/// Where a run stands.
pub(crate) fn run_status(status: RunStatus) -> Markup {
    let (class, word) = match status {
        RunStatus::Live => ("info", "Live"),
        RunStatus::Suspended => ("warn", "Halted"),
        RunStatus::Completed => ("good", "Completed"),
        RunStatus::Failed => ("bad", "Failed"),
        RunStatus::Cancelled => ("", "Cancelled"),
    };
    html! { span class=(format!("badge {class}")) { (word) } }
}

/// What people call the system behind a connection; with the connection's name where several lead to the same kind.
pub(crate) fn system(release: &Release, connection: &str) -> String {
    let Some(definition) = release.connections.get(connection) else { return label(connection) };
    let kind = match &*definition.connector {
        "salesforce" => "Salesforce".to_owned(),
        "s4hana" => "S/4HANA".to_owned(),
        other => label(other),
    };
    let alike = release.connections.values().filter(|other| other.connector == definition.connector).count();
    if alike > 1 { format!("{kind} {connection}") } else { kind }
}

pub(crate) fn matter_path(matter: &TransactionRow) -> String {
    format!("/transactions/{}", matter.id)
}

pub(crate) fn item_path(item: &WorkItemRow) -> String {
    format!("/items/{}", item.id)
}

/// The page of a workflow, with a run of it on the picture or none.
pub(crate) fn workflow_path(workflow: &str, run: Option<RunId>) -> String {
    let run = run.map(|run| format!("?run={run}")).unwrap_or_default();
    format!("/workflows/{}{run}", encoded(workflow))
}

/// A picture in a window that can be scrolled by keyboard too, and the same as a list. The name is for ids on the page.
pub(crate) fn drawn(picture: &Picture, name: &str, what: &str, whole: bool) -> Markup {
    html! {
        @if let Some(note) = picture.note { p.under { (note) } }
        @if let Some(drawing) = &picture.drawing {
            @let entries = drawing.entries();
            div .picture.card.whole[whole] id=(format!("picture-{name}")) data-scroll tabindex="0" role="region" aria-label=(format!("{what} as a picture")) {
                (PreEscaped(drawing.embedded(name)))
            }
            details .as-list id=(format!("list-{name}")) {
                summary { "The same as a list" }
                (listed(&entries, name))
            }
        }
    }
}

/// Tasks as lists in lists.
fn listed(entries: &[Entry], name: &str) -> Markup {
    let Some(depth) = entries.first().map(|entry| entry.depth) else { return html! {} };
    let mut own: Vec<(&Entry, &[Entry])> = Vec::new();
    let mut rest = entries;
    while let Some((first, after)) = rest.split_first() {
        let inside = after.iter().take_while(|entry| entry.depth > depth).count();
        let (inside, next) = after.split_at(inside);
        own.push((first, inside));
        rest = next;
    }
    html! {
        ul {
            @for (entry, inside) in own {
                li {
                    @match entry.id(name) {
                        Some(id) => a.now href=(format!("#{id}")) aria-current="step" { (entry.lines.join(" · ")) },
                        None => (entry.lines.join(" · ")),
                    }
                    @if !inside.is_empty() { (listed(inside, name)) }
                }
            }
        }
    }
}

/// The page of an object that systems are kept in agreement about.
pub(crate) fn record_path(object: &str, key: &str) -> String {
    // A key is one part of the path whatever it holds.
    format!("{}/{}", records_path(object), encoded(key).replace('/', "%2F"))
}

/// The list of the objects of this kind.
pub(crate) fn records_path(object: &str) -> String {
    format!("/records/{}", encoded(object).replace('/', "%2F"))
}

pub(crate) fn queue_path(queue: &str) -> String {
    format!("/queues/{}", encoded(queue))
}

/// What a matter is, without what it is called: `Quote 00012345`.
pub(crate) fn matter_name(matter: &TransactionRow) -> String {
    format!("{} {}", label(&matter.object), matter.key)
}

/// The same, leading to the record where it is one that systems are kept in agreement about.
pub(crate) fn matter_link(release: &Release, matter: &TransactionRow) -> Markup {
    let is_record = release.synchronised.contains_key(&*matter.object) && &*matter.stage != "new";
    html! {
        @if is_record { a.link data-record href=(record_path(&matter.object, &matter.key)) { (matter_name(matter)) } } @else { (matter_name(matter)) }
    }
}

/// Rows of matters; those that wait for a person say so.
pub(crate) fn matters(here: &Here, rows: &[TransactionRow], items: &FirstItems) -> Markup {
    html! {
        div.scroll {
            table.list {
                thead { tr {
                    th scope="col" { "Transaction" }
                    th scope="col" { "Stage" }
                    th.number scope="col" { "Amount" }
                    th.number.hide-small scope="col" { "Changed" }
                } }
                tbody {
                    @for row in rows {
                        @let item = items.get(&row.id);
                        tr data-row data-transaction=(row.id) data-stuck[item.is_some()] {
                            td {
                                a.title href=(matter_path(row)) { (row.title) }
                                span.under { (matter_link(&here.release, row)) }
                                @if let Some(item) = item { span.under.why { (icon("person")) (item.reason) } }
                            }
                            td {
                                @match item {
                                    Some(item) => span.badge.warn { span.dot.warn {} (queue_title(&here.release, &item.queue)) },
                                    None => (stage(&row.stage)),
                                }
                            }
                            td.number { (amount(row.amount.as_ref())) }
                            td.number.faint.hide-small { (time(row.updated_at, here.now)) }
                        }
                    }
                }
            }
        }
    }
}

/// Items as a list: what, why, how much, until when.
pub(crate) fn items(rows: &[&WorkItemRow], release: &Release, now: Timestamp) -> Markup {
    html! {
        ul.work {
            @for item in rows {
                li data-row data-item=(item.id) {
                    a.title href=(item_path(item)) { (in_words(&item.title, release)) }
                    span.right.strong { (amount(item.amount.as_ref())) }
                    span.reason { (in_words(&item.reason, release)) }
                    span.right.under { (due(item.due_at, now)) }
                    span.under { (queue_title(release, &item.queue)) }
                }
            }
        }
    }
}

/// What became of an item.
pub(crate) fn resolution(item: &WorkItemRow, release: &Release) -> Option<String> {
    let text = |name: &str| item.resolution.get(name).as_str().map(str::to_owned);
    match item.status {
        WorkItemStatus::Open => None,
        WorkItemStatus::Withdrawn => Some(match text("reason") {
            Some(reason) => format!("Withdrawn: {reason}."),
            None => "Withdrawn: it is not needed any more.".to_owned(),
        }),
        WorkItemStatus::Resolved => {
            let action = text("action").unwrap_or_default();
            let known = release.queues.get(&*item.queue).and_then(|queue| queue.actions.get(&*action));
            let did = known.map_or_else(|| label(&action), |known| known.label.to_string());
            let by = text("by").unwrap_or_else(|| "somebody".to_owned());
            Some(match text("note") {
                Some(note) => format!("{did}, by {by}: “{note}”"),
                None => format!("{did}, by {by}."),
            })
        }
    }
}

/// What makes a form one of this session.
pub(crate) fn csrf(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name="csrf" value=(visitor.csrf); }
}

/// Keeps the Enter key in a field from choosing the first action.
pub(crate) fn no_default() -> Markup {
    html! { button type="submit" disabled hidden {} }
}

/// A button per action. Which need a note is said, and asked for before the form goes out. `lead` when one of these may stand
/// out: at most one button of a form does.
pub(crate) fn buttons(choices: &[Choice], lead: bool) -> Markup {
    let primary = !lead || choices.iter().any(|choice| choice.style == ActionStyle::Primary);
    html! {
        @for (place, choice) in choices.iter().enumerate() {
            @let class = match choice.style {
                ActionStyle::Primary if lead => "button primary",
                ActionStyle::Danger => "button danger",
                ActionStyle::Plain if !primary && place == 0 => "button primary",
                ActionStyle::Primary | ActionStyle::Plain => "button",
            };
            button class=(class) type="submit" name="action" value=(choice.name) data-action=(choice.name) data-note[choice.note_required] {
                (choice.label)
            }
        }
    }
}

/// Says which of the actions need a note.
pub(crate) fn note_hint(choices: &[Choice]) -> Option<String> {
    let names: Vec<String> =
        choices.iter().filter(|choice| choice.note_required).map(|choice| format!("“{}”", choice.label)).collect();
    match names.as_slice() {
        [] => None,
        _ if names.len() == choices.len() => Some("A note is needed: say in a sentence why.".to_owned()),
        [one] => Some(format!("{one} needs a note.")),
        [start @ .., last] => Some(format!("{} and {last} need a note.", start.join(", "))),
    }
}

/// Something to say when a list is empty.
pub(crate) fn nothing(title: &str, more: &str) -> Markup {
    html! { div.empty { p.strong { (title) } @if !more.is_empty() { p { (more) } } } }
}

/// Earlier and later pages of a list; `path` ends in `?` or `&`.
pub(crate) fn pager(path: &str, offset: u32, step: u32, more: bool) -> Markup {
    pager_by("from", path, offset, step, more)
}

/// The same by a field of another name, for a page with several lists.
pub(crate) fn pager_by(field: &str, path: &str, offset: u32, step: u32, more: bool) -> Markup {
    html! {
        @if offset > 0 || more {
            nav.pages aria-label="Pages" {
                @if offset > 0 { a.button.small href=(format!("{path}{field}={}", offset.saturating_sub(step))) rel="prev" { "Previous" } }
                @if more { a.button.small href=(format!("{path}{field}={}", offset.saturating_add(step))) rel="next" { "Next" } }
            }
        }
    }
}

/// A number of the query, within bounds.
pub(crate) fn offset(text: Option<&str>) -> u32 {
    text.and_then(|text| text.parse::<u32>().ok()).unwrap_or(0).min(1_000_000)
}

/// Queues that are defined and queues that have work, in the order of the definitions.
pub(crate) fn queue_names(release: &Release, totals: &[store::QueueTotal]) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = release.queues.keys().map(|name| name.as_str().into()).collect();
    for total in totals {
        if !names.contains(&total.queue) {
            names.push(Arc::clone(&total.queue));
        }
    }
    names
}
