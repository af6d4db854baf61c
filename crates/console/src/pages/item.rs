//! One work item: what happened, why a person is needed, what it is worth, and what can be done.

use std::sync::Arc;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use definitions::Release;
use maud::{Markup, html};
use model::{Value, WorkItemId};
use store::{WorkItemRow, WorkItemStatus};

use crate::actions::{Choice, Refused, choices, queue_title, who};
use crate::choosing::{candidates, compared, heading, in_words, meaning};
use crate::door::Posted;
use crate::format::{due, label, money, time};
use crate::here::Here;
use crate::layout;
use crate::pages::problem;
use crate::parts::{
    buttons, csrf, icon, item_path, matter_name, matter_path, no_default, note_hint, queue_path, record_path,
    resolution, stage, system,
};
use crate::reads::{next, read};
use crate::record_form::{self, Mistakes, Shown};
use crate::story::{ItemView, Story, item as item_view};
use crate::timeline::{line_count, timeline};

/// What was wrong with a posted form.
pub(crate) struct Refusal {
    pub(crate) posted: Posted,
    pub(crate) mistakes: Mistakes,
    pub(crate) refused: Refused,
}

/// `GET /items/{id}`
pub(crate) async fn page(here: Here, Path(id): Path<String>) -> Response {
    match id.parse::<WorkItemId>() {
        Ok(id) => show(here, id, None).await,
        Err(_) => problem::missing(&here, "work item"),
    }
}

/// The page again, with what was posted and what was wrong with it.
pub(crate) async fn refused(here: Here, id: WorkItemId, refusal: Refusal) -> Response {
    show(here, id, Some(refusal)).await
}

async fn show(here: Here, id: WorkItemId, refusal: Option<Refusal>) -> Response {
    let release = here.release.clone();
    let found = read(here.console.operations.store(), move |store| {
        let Some(view) = item_view(store, &release, id)? else { return Ok(None) };
        let candidates = candidates(store, &view.item)?;
        let next = next(store, &view.item)?;
        Ok(Some((view, candidates, next)))
    });
    let (ItemView { item, story }, candidates, next) = match found.await {
        Ok(Some(found)) => found,
        Ok(None) => return problem::missing(&here, "work item"),
        Err(error) => return problem::unavailable(&error),
    };
    let status = refusal.as_ref().map_or(StatusCode::OK, |refusal| refusal.refused.status);
    let queue = queue_title(&here.release, &item.queue);
    let content = html! {
        header.head {
            div {
                nav.crumbs aria-label="Where this is" { a href="/queues" { "Work queues" } span { "/" } a href=(queue_path(&item.queue)) { (queue) } }
                h1 { (heading(&item, &here.release)) }
                @if let Some(story) = &story {
                    p #matter-now .sub data-live {
                        a #matter-link .link href=(matter_path(&story.matter)) { (in_words(&story.matter.title, &here.release)) " · " (matter_name(&story.matter)) }
                        " " (stage(&story.matter.stage))
                        @if here.release.synchronised.contains_key(&*story.matter.object) { " · " a.link data-record href=(record_path(&story.matter.object, &story.matter.key)) { "The record" } }
                    }
                }
            }
            @if let Some(amount) = &item.amount { div.amount { (money(amount)) small { "at stake" } } }
        }
        @if let Some(refusal) = &refusal {
            div #refused .notice.bad role="alert" {
                (icon("alert"))
                div { p { (refusal.refused.problem.message) "." } p { (refusal.refused.problem.remedy) "." } }
            }
        }
        div.columns.wide {
            div.stack {
                section.card.pad.reason-card.over[item.status != WorkItemStatus::Open] aria-label="Why a person is needed" {
                    h2 { (if item.status == WorkItemStatus::Open { "Why it waits" } else { "Why it waited" }) }
                    p.reason #reason { (in_words(&item.reason, &here.release)) }
                    (fault(&item))
                }
                (compared(&item, &candidates, &here.release))
                @if item.status == WorkItemStatus::Open { (form(&here, &item, refusal.as_ref())) } @else { (over(&here, &item)) }
                @if let Some(story) = &story { (trace(&here, story)) }
            }
            aside.stack {
                (facts(&here, &item))
                @if let Some(next) = &next {
                    section.part {
                        header { h2 { "Next in " (queue) } }
                        a #next-item .card.pad.next href=(item_path(next)) data-next {
                            span.title { (in_words(&next.title, &here.release)) }
                            span.under { @if let Some(amount) = &next.amount { (money(amount)) " · " } (due(next.due_at, here.now)) }
                        }
                    }
                }
            }
        }
    };
    layout::page_with(status, &here, &item.title, &format!("queue:{}", item.queue), content)
}

/// What a failed run says of itself.
fn fault(item: &WorkItemRow) -> Markup {
    let fault = item.content.get("fault");
    let place = item.content.get("pointer").as_str().unwrap_or_default();
    html! {
        @if !fault.is_null() {
            details.more #fault {
                summary { "The error as it was told" @if !place.is_empty() { ", at " span.mono { (place) } } }
                (crate::json_view::block(fault))
            }
        }
    }
}

fn form(here: &Here, item: &WorkItemRow, refusal: Option<&Refusal>) -> Markup {
    let may = here.may_act(&item.queue);
    let choices: Vec<Choice> = if may { choices(&here.release, item) } else { Vec::new() };
    let is_conflict = item.content.get("kind").as_str() == Some("conflict");
    let is_finding = item.content.get("kind").as_str() == Some("finding");
    let said = item.content.get("record");
    let by_system = is_conflict.then(|| by_system(&here.release, said));
    let record = by_system.as_ref().unwrap_or(said);
    let none = Mistakes::new();
    let shown = Shown {
        posted: refusal.map(|refusal| &refusal.posted),
        mistakes: refusal.map_or(&none, |refusal| &refusal.mistakes),
        fields: item.content.get("fields").items(),
        editable: choices.iter().any(|choice| choice.edit),
        reason: &item.reason,
    };
    let note = refusal.and_then(|refusal| refusal.posted.get("note")).unwrap_or_default();
    let needs_note = refusal.is_some_and(|refusal| refusal.refused.problem.code == "IL-CON-013");
    html! {
        form #item-form .card method="post" action=(item_path(item)) {
            (csrf(&here.visitor))
            (no_default())
            // What it may be stands above, beside the record.
            @if !is_empty(record) && item.content.get("candidates").items().is_empty() {
                div #record .pad.record {
                    h2 { (if shown.editable { "The record, to be corrected here" } else if is_conflict { "What each system says" } else if is_finding { "What differs" } else { "The record" }) }
                    (record_form::form(record, shown))
                }
            }
            div.pad.decide {
                @if choices.is_empty() {
                    p.muted #may-not { @if may { "Nothing can be done with it here." } @else { "Only " (who(&here.release, &item.queue)) " may act on this. You are signed in as " (here.visitor.user.name) "." } }
                } @else {
                    div.field {
                        label for="note" { "Note" }
                        textarea #note name="note" rows="2" maxlength="2000" aria-describedby="note-hint"
                            aria-invalid=[needs_note.then_some("true")] { "\n" (note) }
                        span #note-hint .faint { (note_hint(&choices).unwrap_or_else(|| "Optional: what the next reader should know.".to_owned())) }
                    }
                    div #actions .actions { (buttons(&choices, true)) }
                    (meanings(item, &choices))
                }
            }
        }
    }
}

/// What each system says, under the name that people have for it.
fn by_system(release: &Release, said: &Value) -> Value {
    let said = said.as_object().into_iter().flatten();
    Value::object(said.map(|(side, value)| (Arc::<str>::from(system(release, side)), value.clone())))
}

/// What each action will do, as far as that does not go without saying.
fn meanings(item: &WorkItemRow, choices: &[Choice]) -> Markup {
    let told: Vec<_> =
        choices.iter().filter_map(|choice| Some((&choice.label, meaning(item, &choice.name)?))).collect();
    html! {
        @if !told.is_empty() {
            dl #meanings .meanings { @for (name, means) in told { div { dt { (name) } dd { (means) } } } }
        }
    }
}

fn is_empty(record: &Value) -> bool {
    record.is_null() || record.as_object().is_some_and(|members| members.is_empty())
}

/// What became of an item that is over.
fn over(here: &Here, item: &WorkItemRow) -> Markup {
    let record = item.content.get("record");
    let corrected = item.resolution.get("record");
    let none = Mistakes::new();
    let shown = Shown { posted: None, mistakes: &none, fields: &[], editable: false, reason: &item.reason };
    html! {
        section #resolved .notice.good[item.status == WorkItemStatus::Resolved] {
            (icon("check"))
            div { p.strong { (if item.status == WorkItemStatus::Resolved { "This is resolved" } else { "This is not needed any more" }) } p { (resolution(item, &here.release).unwrap_or_default()) } }
        }
        @if !is_empty(record) {
            section.card {
                div.pad.record {
                    h2 { (if is_empty(corrected) { "The record" } else { "The record as it was corrected" }) }
                    (record_form::form(if is_empty(corrected) { record } else { corrected }, shown))
                }
            }
        }
    }
}

/// What came of the workflow that is asked first.
fn answered(item: &WorkItemRow, asked: &str) -> &'static str {
    let by = item.resolution.get("by").as_str();
    match item.status {
        _ if !item.content.get("hook").get("undecided").is_null() => "it did not decide",
        WorkItemStatus::Open => "it has not answered yet",
        _ if asked.rsplit_once(':').map(|(name, _)| name) == by => "it decided",
        WorkItemStatus::Resolved | WorkItemStatus::Withdrawn => "its answer was not needed any more",
    }
}

fn facts(here: &Here, item: &WorkItemRow) -> Markup {
    let text = |name: &str| item.content.get(name).as_str().filter(|text| !text.is_empty());
    let kind = match text("kind") {
        Some("failure") => "A workflow failed",
        Some("unreadable") => "A record cannot be read",
        Some("identity") => "Not clear which object a record is",
        Some("existing") => "A system has it already, it says",
        Some("write") if text("field").is_some() => "Two systems undo each other's change",
        Some("write") => "A system does not take a change",
        Some("conflict") => "Two systems say different things",
        Some("deleted") => "Deleted in one system",
        Some("finding") => "Two systems differ",
        Some("notice") => "Something to know",
        Some("doubt") => "Not known whether it happened",
        _ => "A workflow asks",
    };
    html! {
        section.part {
            header { h2 { "Facts" } }
            dl #facts .facts.card.pad {
                div { dt { "Queue" } dd { a.link href=(queue_path(&item.queue)) { (queue_title(&here.release, &item.queue)) } } }
                div { dt { "For" } dd { (who(&here.release, &item.queue)) } }
                @if item.status == WorkItemStatus::Open { div { dt { "Due" } dd { (due(item.due_at, here.now)) } } }
                div { dt { "Opened" } dd { (time(item.opened_at, here.now)) } }
                div { dt { "Kind" } dd { (kind) } }
                @if let Some(asked) = item.content.get("hook").get("workflow").as_str() { div { dt { "Asked first" } dd { (asked) ": " (answered(item, asked)) } } }
                @if let Some(workflow) = text("workflow") { div { dt { "Workflow" } dd { (label(workflow)) } } }
                @if let Some(connection) = text("connection") { div { dt { "System" } dd { (system(&here.release, connection)) } } }
                @if let (Some("finding"), Some(object), Some(key)) = (text("kind"), text("object"), text("key")) { div { dt { "Object" } dd { a.link data-record href=(record_path(object, key)) { (label(object)) " " (key) } } } }
                @if let Some(id) = text("id") { div { dt { "Record" } dd.mono { (id) } } }
            }
        }
    }
}

fn trace(here: &Here, story: &Story) -> Markup {
    html! {
        section.part {
            header {
                h2 { "What happened" }
                span #line-count .faint data-live { (line_count(&story.timeline)) @if story.timeline.offset > 0 { ", the last of them" } }
                a.more href=(matter_path(&story.matter)) { "Open the transaction" }
            }
            div #timeline .card data-live { (timeline(&story.timeline.lines, &here.release, here.now)) }
        }
    }
}
