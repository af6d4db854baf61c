//! One object that systems are kept in agreement about: each member with its value, where it comes from, and what each system
//! holds; its record in each system, what it waits for, and all that happened to it.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::response::Response;
use maud::{Markup, html};
use model::{ConnectionName, Value, json};
use sync::{Explanation, Presence, Reach, SideExplanation, Standing};

use crate::format::{label, time};
use crate::here::Here;
use crate::layout;
use crate::pages::problem;
use crate::parts::{items, matter_path, nothing, offset, pager, record_path, records_path, stage, system};
use crate::reads::read;
use crate::record::{Neighbour, Record, record};
use crate::story::LINES_MAX;
use crate::timeline::{line_count, timeline};

/// Longest value in a cell, in characters; all of it is in the cell's title.
const SHOWN_MAX: usize = 160;
/// How many items of a list are shown.
const ITEMS_SHOWN: usize = 10;

/// `GET /records/{object}/{key}?from=…`
pub(crate) async fn page(
    here: Here,
    Path((object, key)): Path<(String, String)>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    let fields = query.map(|Query(fields)| fields).unwrap_or_default();
    let from = fields.iter().find(|(name, _)| name == "from").map(|(_, value)| offset(Some(value)));
    let release = here.release.clone();
    let found = read(here.console.operations.store(), move |store| record(store, &release, &object, &key, from));
    let record = match found.await {
        Ok(Some(Ok(record))) => record,
        Ok(Some(Err(damaged))) => return problem::unavailable(&damaged.0),
        Ok(None) => return problem::missing(&here, "record"),
        Err(error) => return problem::unavailable(&error),
    };
    let object = &*record.row.object;
    let content = html! {
        header #record-head .head data-live {
            div {
                nav.crumbs aria-label="Where this is" { a href="/records" { "Records" } span { "/" } a href=(records_path(object)) { (label(object)) } }
                h1 { (record.title()) }
                p.sub { (label(object)) " " span.mono { (record.row.key) } " · " (stage(record.state())) " · changed " (time(record.row.updated_at, here.now)) }
                p.sub { (meaning(&record)) }
            }
        }
        div #record-items data-live {
            @if !record.items.is_empty() {
                section.part {
                    header { h2 { "Waits for a person" } }
                    div.card { (items(&record.items.iter().collect::<Vec<_>>(), &here.release, here.now)) }
                }
            }
        }
        section.part {
            header { h2 { "What is agreed, and what each system holds" } }
            div #members .card data-live { (members(&here, &record)) }
        }
        div.columns.wide {
            section.part {
                header { h2 { "What happened" } span #line-count .faint data-live { (line_count(&record.timeline)) } }
                div #timeline .card data-live {
                    @if record.timeline.lines.is_empty() { (nothing("Nothing happened yet", "")) } @else { (timeline(&record.timeline.lines, &here.release, here.now)) }
                }
                (pager(&format!("{}?", record_path(object, &record.row.key)), record.timeline.offset, LINES_MAX, record.timeline.more))
            }
            div #aside .stack data-live { (systems(&here, &record)) (facts(&record)) (neighbours("Belongs to", &record.parents, false)) (neighbours("Belong to it", &record.children, record.more_children)) }
        }
    };
    layout::page(&here, record.title(), "records", content)
}

/// What the state means for who looks.
fn meaning(record: &Record) -> &'static str {
    match record.state() {
        "in agreement" => "All systems hold what is agreed, as far as they can.",
        "being written" => "What is agreed is being written to a system. Nobody has to do anything.",
        "waits for its parent" => "A change waits until the record that it belongs to is known. It goes on by itself.",
        "waits for the first load" => {
            "It is made in the other system when everything is read that there was before the first start."
        }
        "in conflict" => "Systems say different things, and nobody owns the member: a person decides.",
        "goes to and fro" => {
            "Two systems write a member to and fro. It is left alone until another value comes or a person tries it again."
        }
        "refused" => "A system does not take what is agreed: see the work item.",
        "deletion to be decided" => "It was deleted in one system: a person decides what becomes of the other records.",
        "deleted" => "It was deleted, or merged into another record. Nothing is written to it any more.",
        _ => "",
    }
}

fn members(here: &Here, record: &Record) -> Markup {
    let policy = &record.synchronised.policy;
    let mut names: Vec<_> = record.agreement.fields(policy).into_iter().collect();
    // What needs somebody stands in front.
    let is_settled = |name: &str| record.agreement.explain(policy, name).standing == Standing::Settled;
    names.sort_by_cached_key(|name| (is_settled(name), Arc::clone(name)));
    html! {
        div.scroll {
            table.list.members {
                thead { tr {
                    th scope="col" { "Member" }
                    th scope="col" { "Agreed" }
                    @for side in policy.sides.keys() { th scope="col" { (system(&here.release, side.as_str())) } }
                    th scope="col" { "Why" }
                } }
                tbody {
                    @for name in &names {
                        @let explained = record.agreement.explain(policy, name);
                        tr data-member=(name) {
                            td { span.title { (member_label(name)) } span.under.mono { (name) } }
                            td {
                                span.title { (value(explained.value)) }
                                @match explained.standing {
                                    Standing::Settled => {},
                                    Standing::Disputed => span.badge.warn { "A person decides" },
                                    Standing::Rests => span.badge.warn { "Goes to and fro" },
                                }
                            }
                            @for side in &explained.sides { td data-side=(side.side) { (held(side, explained.standing)) } }
                            td { (why(here, &explained)) }
                        }
                    }
                }
            }
        }
    }
}

/// What a system holds, and why that is not what is agreed.
fn held(side: &SideExplanation<'_>, standing: Standing) -> Markup {
    let (tone, word) = match side.state {
        Reach::Same => ("good", "Same"),
        Reach::OwnForm => ("good", "Its own form"),
        Reach::UnderWay => ("info", "Being written"),
        // Nothing is written before somebody decided, or it is left alone.
        Reach::Open if standing != Standing::Settled => ("warn", "Says otherwise"),
        Reach::Open => ("info", "Yet to be written"),
        Reach::Refused => ("bad", "Refused"),
        Reach::NotWritten => ("", "Not written there"),
        Reach::NoRecord => ("", "No record"),
        Reach::NotMapped => ("", "Not held there"),
    };
    html! {
        @if side.state != Reach::Same && let Some(held) = side.held { span.held { (value(held)) } " " }
        span class=(format!("badge {tone}")) title=(side.state) { (word) }
    }
}

/// Where a value comes from, by which rule, and what lost.
fn why(here: &Here, explained: &Explanation<'_>) -> Markup {
    let name = |side: &ConnectionName| system(&here.release, side.as_str());
    html! {
        @match explained.verdict {
            None => span.faint { "Nobody said anything yet" },
            Some(verdict) => {
                span { "From " (name(&verdict.from)) ": " (verdict.rule) }
                @for (side, lost) in &verdict.lost { span.under.lost { (name(side)) " said " (value(lost)) ", which lost" } }
                span.under {
                    (time(verdict.cause.at, here.now))
                    @match explained.owner { Some(owner) => { " · owned by " (name(owner)) }, None => " · owned by nobody" }
                    @if let Some(list) = explained.list { " · merged " (list) }
                }
                details.more {
                    summary { "Event and release" }
                    span.under { "Event " span.mono { (verdict.cause.event) } }
                    span.under { "Release " span.mono { (verdict.cause.release) } }
                }
            },
        }
    }
}

fn systems(here: &Here, record: &Record) -> Markup {
    let (agreement, policy) = (&record.agreement, &record.synchronised.policy);
    html! {
        section.part {
            header { h2 { "In each system" } }
            dl #systems .facts.card.pad {
                @for side in policy.sides.keys() {
                    @let holding = agreement.sides.get(side);
                    @let presence = agreement.presence(policy, side);
                    div data-system=(side) {
                        dt { (system(&here.release, side.as_str())) }
                        @if let Some(id) = holding.and_then(|holding| holding.id.as_ref()) { dd.mono { (id) } }
                        @if presence != Presence::There { dd { (sentence(&presence.to_string())) } }
                        @if let Some(at) = holding.and_then(|holding| holding.read_at) { dd.under { "read " (time(at, here.now)) } }
                        @if let Some(at) = holding.and_then(|holding| holding.written_at) { dd.under { "written " (time(at, here.now)) } }
                        @for (_, since) in record.parked.iter().filter(|(connection, _)| **connection == *side.as_str()) {
                            dd.warn { "a change waits for its parent, since " (time(*since, here.now)) }
                        }
                    }
                }
            }
        }
    }
}

fn facts(record: &Record) -> Markup {
    html! {
        section.part {
            header { h2 { "Facts" } }
            dl #facts .facts.card.pad {
                div { dt { "Object" } dd { (label(&record.row.object)) } }
                div { dt { "Key" } dd.mono { (record.row.key) } }
                @if let Some(stage) = &record.agreement.stage { div { dt { "Stage of its life" } dd { (label(stage)) } } }
                @if let Some(matter) = &record.matter { div { dt { "Transaction" } dd { a.link href=(matter_path(matter)) { (matter.title) } } } }
            }
        }
    }
}

fn neighbours(title: &str, found: &[Neighbour], more: bool) -> Markup {
    html! {
        @if !found.is_empty() {
            section.part {
                header { h2 { (title) } }
                ul.work.card {
                    @for one in found { li { a.title href=(record_path(&one.object, &one.key)) { (one.title) } span.under { (label(&one.object)) " " (one.key) } } }
                    @if more { li { span.under { "and more" } } }
                }
            }
        }
    }
}

/// `billing.postalCode` becomes `Billing postal code`.
fn member_label(name: &str) -> String {
    label(&name.replace('.', "-"))
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A value as people read it.
fn value(own: &Value) -> Markup {
    let text = match own {
        Value::Null => return html! { span.faint { "–" } },
        Value::String(text) if text.is_empty() => return html! { span.faint { "empty" } },
        Value::String(text) => text.to_string(),
        Value::Bool(is) => if *is { "yes" } else { "no" }.to_owned(),
        Value::Array(items) if items.is_empty() => return html! { span.faint { "none" } },
        Value::Array(items) => {
            return html! { @for item in items.iter().take(ITEMS_SHOWN) { span.item { (value(item)) } } @if items.len() > ITEMS_SHOWN { span.faint { "and " (items.len() - ITEMS_SHOWN) " more" } } };
        }
        Value::Object(members) => {
            let said = members.values().filter(|member| !member.is_null() && member.as_str() != Some(""));
            said.map(|member| member.as_str().map_or_else(|| json::to_string(member), str::to_owned))
                .collect::<Vec<_>>()
                .join(", ")
        }
        other => json::to_string(other),
    };
    match text.char_indices().nth(SHOWN_MAX) {
        None => html! { (text) },
        Some((end, _)) => html! { span title=(text) { (&text[..end]) "…" } },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_called_by_words_and_long_values_are_cut() {
        assert_eq!(member_label("billing.postalCode"), "Billing postal code");
        assert_eq!(value(&Value::from("Leeds")).into_string(), "Leeds");
        assert!(value(&Value::from("é".repeat(200))).into_string().contains("é…"));
        assert!(value(&Value::from("<b>")).into_string().contains("&lt;b&gt;"));
    }
}
