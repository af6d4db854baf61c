//! One work queue: its open items, and one action for many of them.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::response::Response;
use maud::{Markup, html};
use store::{WorkItemOrder, WorkItemRow};

use crate::actions::{Choice, choices, queue_title, who};
use crate::choosing::in_words;
use crate::format::{amount, amounts, counted, due, time};
use crate::here::Here;
use crate::layout;
use crate::pages::problem;
use crate::parts::{buttons, csrf, item_path, no_default, note_hint, nothing, offset, pager, queue_path};
use crate::reads::{ROWS, of_queue, read};

/// `GET /queues/{queue}?sort=amount&from=…`
pub(crate) async fn page(
    here: Here,
    Path(name): Path<String>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    let fields = query.map(|Query(fields)| fields).unwrap_or_default();
    let asked = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| &**value);
    let definition = here.release.queues.get(&*name);
    let by_amount = asked("sort") == Some("amount");
    let order = if by_amount { WorkItemOrder::Amount } else { WorkItemOrder::Due };
    let (queue, from) = (name.clone(), offset(asked("from")));
    let found = read(here.console.operations.store(), move |store| of_queue(store, &queue, order, from)).await;
    let (rows, more) = match found {
        Ok(found) => found,
        Err(error) => return problem::unavailable(&error),
    };
    let total = here.board.queue(&name);
    if definition.is_none() && rows.is_empty() && total.is_none() {
        return problem::missing(&here, "queue");
    }
    let (count, late) = total.map_or((0, 0), |total| (total.count, total.late));
    let title = queue_title(&here.release, &name);
    let path = queue_path(&name);
    let bulk = bulk_choices(&here, &name, &rows);
    let may = here.may_act(&name);
    let content = html! {
        header.head {
            div {
                nav.crumbs aria-label="Where this is" { a href="/queues" { "Work queues" } }
                h1 { (title) }
                p.sub { (definition.map_or("", |queue| &*queue.purpose)) }
                p.sub.faint { "For " (who(&here.release, &name)) @if !may { ". You can look, and not act." } }
            }
            div.amount #queue-total data-live {
                (amounts(total.map_or(&[], |total| &total.amounts)))
                small { "at stake in " (counted(count, "item", "items")) @if late > 0 { span.bad { " · " (counted(late, "overdue", "overdue")) } } }
            }
        }
        form #queue-form .part method="post" action=(path) {
            (csrf(&here.visitor))
            (no_default())
            @if by_amount { input type="hidden" name="sort" value="amount"; }
            header {
                nav.tabs aria-label="Order" {
                    a href=(path) aria-current=[(!by_amount).then_some("true")] { "Due first" }
                    a href=(format!("{path}?sort=amount")) aria-current=[by_amount.then_some("true")] { "Largest amount first" }
                }
            }
            div.card {
                div #queue-items data-live {
                    @if rows.is_empty() && from > 0 { (nothing("There are no more", "")) }
                    @else if rows.is_empty() { (nothing("Nothing waits here", "New items appear by themselves.")) }
                    @else { (table(&here, &rows, may && !bulk.is_empty())) }
                }
                // Of its own, so that it comes with the first item, and stays while a note is written.
                div #queue-actions data-live {
                    @if may && !bulk.is_empty() && !rows.is_empty() {
                        div.bar #bulk {
                            span.muted #selected { "With the selected" }
                            label.note { span { "Note" } input type="text" name="note" maxlength="2000" aria-describedby="bulk-hint" autocomplete="off"; }
                            span #bulk-hint .faint { (note_hint(&bulk).unwrap_or_else(|| "A note is optional.".to_owned())) }
                            div.actions { (buttons(&bulk, true)) }
                        }
                    }
                }
            }
            (pager(&format!("{path}?{}", if by_amount { "sort=amount&" } else { "" }), from, ROWS, more))
        }
    };
    layout::page(&here, &title, &format!("queue:{name}"), content)
}

/// Actions that some item of the page has and that need no look at its record.
fn bulk_choices(here: &Here, queue: &str, rows: &[WorkItemRow]) -> Vec<Choice> {
    let mut found: Vec<Choice> = Vec::new();
    for choice in rows.iter().flat_map(|item| choices(&here.release, item)).filter(|choice| !choice.edit) {
        if !found.iter().any(|known| known.name == choice.name) {
            found.push(choice);
        }
    }
    let order: Vec<&str> = here
        .release
        .queues
        .get(queue)
        .map(|queue| queue.actions.keys().map(|name| &**name).collect())
        .unwrap_or_default();
    found.sort_by_key(|choice| order.iter().position(|name| *name == &*choice.name).unwrap_or(usize::MAX));
    found
}

fn table(here: &Here, rows: &[WorkItemRow], selectable: bool) -> Markup {
    html! {
        div.scroll {
            table.list {
                thead { tr {
                    @if selectable { th.check scope="col" { input #all type="checkbox" aria-label="Select all"; } }
                    th scope="col" { "Item" }
                    th.number scope="col" { "At stake" }
                    th.number.hide-small scope="col" { "Opened" }
                    th.number scope="col" { "Due" }
                } }
                tbody {
                    @for item in rows {
                        tr data-row data-item=(item.id) {
                            @if selectable {
                                td.check { input type="checkbox" name="item" value=(item.id) aria-label=(format!("Select {}", item.title)); }
                            }
                            td { a.title href=(item_path(item)) { (in_words(&item.title, &here.release)) } span.under { (in_words(&item.reason, &here.release)) } }
                            td.number.strong { (amount(item.amount.as_ref())) }
                            td.number.faint.hide-small { (time(item.opened_at, here.now)) }
                            td.number { (due(item.due_at, here.now)) }
                        }
                    }
                }
            }
        }
    }
}
