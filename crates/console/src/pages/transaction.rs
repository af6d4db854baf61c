//! One business matter: where it stands, why it is stuck and what can be done, and all that happened to it in all systems.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::response::Response;
use maud::{Markup, html};
use model::TransactionId;
use runtime::ConnectionState;
use store::{RunRow, RunStatus, WorkItemRow, WorkItemStatus};
use workflow::WaitingFor;

use crate::actions::{choices, may_operate, queue_title, who};
use crate::choosing::in_words;
use crate::format::{amount, counted, due, exact, label, money, relative, time};
use crate::here::Here;
use crate::layout;
use crate::pages::problem;
use crate::parts::{
    buttons, csrf, drawn, icon, item_path, matter_link, matter_path, no_default, note_hint, nothing, offset, pager,
    pager_by, resolution, run_status, stage, steps, system, workflow_path,
};
use crate::picture::{self, Picture};
use crate::reads::read;
use crate::story::{ITEMS_MAX, LINES_MAX, Part, RunView, Story, story};
use crate::timeline::{line_count, timeline};

/// `GET /transactions/{id}?from=…&over=…`
pub(crate) async fn page(
    here: Here,
    Path(id): Path<String>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    let fields = query.map(|Query(fields)| fields).unwrap_or_default();
    let asked = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| &**value);
    let part = Part { lines: asked("from").map(|from| offset(Some(from))), over: offset(asked("over")) };
    let Ok(id) = id.parse::<TransactionId>() else { return problem::missing(&here, "transaction") };
    let release = here.release.clone();
    let now = here.now;
    let found = read(here.console.operations.store(), move |store| {
        let Some(story) = story(store, &release, id, part)? else { return Ok(None) };
        let pictures = picture::of_live(store, &release, &story, now)?;
        Ok(Some((story, pictures)))
    });
    let (story, pictures) = match found.await {
        Ok(Some(found)) => found,
        Ok(None) => return problem::missing(&here, "transaction"),
        Err(error) => return problem::unavailable(&error),
    };
    let matter = &story.matter;
    let content = html! {
        header #matter .head data-live {
            div {
                nav.crumbs aria-label="Where this is" { a href="/transactions" { "Transactions" } }
                h1 { (matter.title) }
                p.sub { (matter_link(&here.release, matter)) " · " (stage(&matter.stage)) " · began " (time(matter.opened_at, here.now)) " · changed " (time(matter.updated_at, here.now)) }
            }
            @if let Some(amount) = &matter.amount { div.amount { (money(amount)) small { "worth" } } }
        }
        div #stuck data-live { (stuck(&here, &story)) }
        div #steps data-live { (steps(matter)) }
        div #pictures .stack data-live { (whereabouts(&pictures)) }
        div.columns.wide {
            section.part {
                header { h2 { "What happened" } span #line-count .faint data-live { (line_count(&story.timeline)) } }
                div #timeline .card data-live {
                    @if story.timeline.lines.is_empty() { (nothing("Nothing happened yet", "")) } @else { (timeline(&story.timeline.lines, &here.release, here.now)) }
                }
                (pager(&format!("{}?", matter_path(matter)), story.timeline.offset, LINES_MAX, story.timeline.more))
            }
            div #aside .stack data-live { (facts(&here, &story)) (runs(&here, &story)) (handled(&here, &story)) }
        }
    };
    layout::page(&here, &matter.title, "transactions", content)
}

/// Where the runs of the matter are that have not ended.
fn whereabouts(pictures: &[(RunRow, Picture)]) -> Markup {
    html! {
        @for (run, picture) in pictures {
            section.part data-picture=(run.id) {
                header {
                    h2 { "Where it is: " (label(&run.workflow).to_lowercase()) }
                    a.more href=(workflow_path(&run.workflow, Some(run.id))) { "The whole picture" }
                }
                (drawn(picture, &format!("run-{}", run.id), &label(&run.workflow), false))
            }
        }
    }
}

/// Why the matter does not go on, and what can be done here and now.
fn stuck(here: &Here, story: &Story) -> Markup {
    let open: Vec<&WorkItemRow> = story.items.iter().filter(|item| item.status == WorkItemStatus::Open).collect();
    html! {
        div.stack.close {
            @for item in &open { (notice(here, story, item)) }
            @if story.more_open { p.faint { "More waits here: it appears when some of this is decided." } }
            @if open.is_empty() {
                @for run in &story.runs { (halted(here, story, run)) }
            }
        }
    }
}

fn notice(here: &Here, story: &Story, item: &WorkItemRow) -> Markup {
    let (edits, others): (Vec<_>, Vec<_>) = choices(&here.release, item).into_iter().partition(|choice| choice.edit);
    let may = here.may_act(&item.queue);
    let others = if may { others } else { Vec::new() };
    html! {
        section.stuck.card aria-label="Why it is stuck" data-item=(item.id) {
            div.stuck-why {
                (icon("person"))
                div.grow {
                    p.kicker { "Waits for a person: " (queue_title(&here.release, &item.queue)) }
                    h2 { (in_words(&item.title, &here.release)) }
                    p.reason { (in_words(&item.reason, &here.release)) }
                    p.under {
                        @if let Some(amount) = &item.amount { strong { (money(amount)) } " at stake · " }
                        "opened " (time(item.opened_at, here.now)) " · " (due(item.due_at, here.now))
                    }
                }
            }
            form.stuck-do method="post" action=(item_path(item)) {
                (csrf(&here.visitor))
                (no_default())
                input type="hidden" name="back" value=(matter_path(&story.matter));
                @if others.iter().any(|choice| choice.note_required) {
                    label.note {
                        span { "Note" }
                        input type="text" name="note" maxlength="2000" aria-describedby="stuck-hint" autocomplete="off";
                    }
                    span #stuck-hint .faint { (note_hint(&others).unwrap_or_default()) }
                }
                div.actions {
                    @if may {
                        @for edit in &edits { a.button.primary href=(format!("{}#record", item_path(item))) data-action=(edit.name) { (edit.label) } }
                    }
                    (buttons(&others, edits.is_empty()))
                    a.button.plain href=(item_path(item)) { "Look at the details" }
                    @if !may { span.faint { "Only " (who(&here.release, &item.queue)) " may act on this." } }
                }
            }
        }
    }
}

/// A run that stands still although no item is open: a system is down, or somebody halted it.
fn halted(here: &Here, story: &Story, run: &RunView) -> Markup {
    let delayed = run.intents.iter().find(|intent| intent.last_error.is_some());
    let figures = here.console.operations.figures();
    html! {
        @if run.row.status == RunStatus::Suspended {
            section.stuck.card aria-label="Why it is stuck" {
                div.stuck-why {
                    (icon("clock"))
                    div.grow { h2 { "Somebody halted this" } p.reason { (label(&run.row.workflow)) " goes on when it is resumed." } }
                }
                @if may_operate(&here.release, &here.visitor.user) {
                    form.stuck-do method="post" action=(format!("/runs/{}", run.row.id)) {
                        (csrf(&here.visitor))
                        input type="hidden" name="back" value=(matter_path(&story.matter));
                        div.actions { button.button.primary type="submit" name="operation" value="resume" { "Resume" } }
                    }
                }
            }
        } @else if let Some(intent) = delayed {
            @let down = figures.connections.iter().any(|one| one.name.as_str() == &*intent.connection && one.state != ConnectionState::Up);
            section.stuck.waiting.card aria-label="What it waits for" {
                div.stuck-why {
                    (icon("clock"))
                    div.grow {
                        h2 { "Waits for " (system(&here.release, &intent.connection)) @if down { ", which has trouble" } }
                        p.reason { (label(&intent.function)) " was tried " (counted(u64::from(intent.attempts), "time", "times")) ": " (intent.last_error.as_deref().unwrap_or_default()) }
                        p.under { "It is tried again by itself until it works. Nobody has to do anything." }
                    }
                }
            }
        }
    }
}

fn facts(here: &Here, story: &Story) -> Markup {
    let matter = &story.matter;
    html! {
        section.part {
            header { h2 { "Facts" } }
            dl #facts .facts.card.pad {
                div { dt { "Object" } dd { (label(&matter.object)) } }
                div { dt { "Key" } dd.mono { (matter.key) } }
                @if matter.amount.is_some() { div { dt { "Amount" } dd { (amount(matter.amount.as_ref())) } } }
                div { dt { "Began" } dd { (exact(matter.opened_at)) } }
                div { dt { "State" } dd { (if matter.closed { "Closed: nothing more is expected" } else { "Open" }) } }
                @if !story.references.is_empty() {
                    div {
                        dt { "Records" }
                        @for reference in &story.references {
                            dd { (system(&here.release, &reference.connection)) " " (label(&reference.object).to_lowercase()) " " span.mono { (reference.record_id) } }
                        }
                    }
                }
            }
        }
    }
}

fn runs(here: &Here, story: &Story) -> Markup {
    let may = may_operate(&here.release, &here.visitor.user);
    html! {
        @if !story.runs.is_empty() {
            section.part {
                header { h2 { "Workflows" } }
                @for run in &story.runs {
                    @let asks = story.items.iter().any(|item| item.status == WorkItemStatus::Open && item.run.as_ref().is_some_and(|(own, _)| *own == run.row.id));
                    div.card.pad.run data-run=(run.row.id) {
                        p.spread { a.strong href=(workflow_path(&run.row.workflow, Some(run.row.id))) { (label(&run.row.workflow)) } (run_status(run.row.status)) }
                        p.under { "began " (time(run.row.started_at, here.now)) " · " span.mono title=(run.row.definition) { (short(&run.row.definition)) } }
                        @for waiting in &run.waiting {
                            p.under { (icon("clock")) " " (awaited(&waiting.reason, asks, here)) @if let Some(task) = task(&waiting.position.pointer) { " in " span.mono { (task) } } }
                        }
                        @for intent in &run.intents {
                            p.under { (icon("arrow")) " " (label(&intent.function)) " is on its way to " (system(&here.release, &intent.connection)) }
                        }
                        @if may { (operations(here, story, run)) }
                    }
                }
            }
        }
    }
}

fn operations(here: &Here, story: &Story, run: &RunView) -> Markup {
    let possible: &[(&str, &str)] = match run.row.status {
        RunStatus::Live => &[("suspend", "Halt")],
        RunStatus::Suspended => &[("resume", "Resume")],
        RunStatus::Failed => &[("retry", "Retry")],
        RunStatus::Completed | RunStatus::Cancelled => &[],
    };
    html! {
        @if !possible.is_empty() {
            form method="post" action=(format!("/runs/{}", run.row.id)) {
                (csrf(&here.visitor))
                (no_default())
                input type="hidden" name="back" value=(matter_path(&story.matter));
                div.actions {
                    @for (name, label) in possible { button.button.small type="submit" name="operation" value=(name) data-operation=(name) { (label) } }
                }
                details id=(format!("cancel-{}", run.row.id)) .cancel {
                    summary { "Cancel this run" }
                    label.note { span { "Why" } input type="text" name="note" maxlength="2000" aria-label="Why the run is cancelled" autocomplete="off"; }
                    button.button.small.danger type="submit" name="operation" value="cancel" data-operation="cancel" data-note { "Cancel for good" }
                }
            }
        }
    }
}

/// Work items that are over.
fn handled(here: &Here, story: &Story) -> Markup {
    let over: Vec<&WorkItemRow> = story.items.iter().filter(|item| item.status != WorkItemStatus::Open).collect();
    html! {
        @if !over.is_empty() || story.over_offset > 0 {
            section.part {
                header { h2 { "Decided" } }
                ul.work.card {
                    @for item in over {
                        li {
                            a.title href=(item_path(item)) { (queue_title(&here.release, &item.queue)) }
                            @if let Some(became) = resolution(item, &here.release) { span.reason { (became) } }
                        }
                    }
                }
                (pager_by("over", &format!("{}?", matter_path(&story.matter)), story.over_offset, ITEMS_MAX, story.more_over))
            }
        }
    }
}

/// What a run waits for. The answer that a call waits for is a person's while an item of the run is open.
fn awaited(reason: &WaitingFor, asks: bool, here: &Here) -> String {
    match reason {
        WaitingFor::Call | WaitingFor::Request if asks => "waits for a person".to_owned(),
        WaitingFor::Call | WaitingFor::Request => "waits for an answer".to_owned(),
        WaitingFor::Workflow => "waits for another workflow".to_owned(),
        WaitingFor::Event => "waits for news from the systems".to_owned(),
        WaitingFor::Pause { until } => format!("pauses, goes on {}", relative(*until, here.now)),
        WaitingFor::Retry { at, retries } => format!("tries again {} (retry {retries})", relative(*at, here.now)),
        WaitingFor::Turn => "goes on in a moment".to_owned(),
        WaitingFor::Deadline { until } => format!("has time until {}", exact(*until)),
        WaitingFor::Person => "waits for a person".to_owned(),
    }
}

/// The task's own name: the last word of its place that is not a number.
fn task(pointer: &str) -> Option<&str> {
    pointer.rsplit('/').find(|part| !part.is_empty() && !part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn short(hash: &str) -> &str {
    hash.char_indices().nth(10).map_or(hash, |(end, _)| &hash[..end])
}
