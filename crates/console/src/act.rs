//! What people do by a form: decide on items, one or many, and operate runs.

use axum::Extension;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use futures::stream::{self, StreamExt};
use model::{RunId, WorkItemId};
use store::WorkItemRow;

use crate::actions::{Refused, Wish, choices, decide, operate as operate_run, queue_title};
use crate::door::{Posted, local_path};
use crate::format::counted;
use crate::here::Here;
use crate::pages::item::Refusal;
use crate::pages::{item as item_page, problem};
use crate::parts::{item_path, queue_path};
use crate::reads::{next, read};
use crate::record_form;
use crate::session::Flash;

/// How many items are decided on with one form.
const MANY_MAX: usize = 500;
/// How many of them at the same time.
const AT_ONCE: usize = 16;

fn said(refused: &Refused) -> String {
    format!("{}. {}.", refused.problem.message, refused.problem.remedy)
}

fn flash(here: &Here, good: bool, text: String, onwards: Option<(String, String)>) {
    here.console.sessions.say(&here.visitor, Flash { good, text, onwards });
}

/// Where to go on after an item: the next of its queue, else the queues.
async fn onwards(here: &Here, item: &WorkItemRow) -> Option<(String, String)> {
    let from = item.clone();
    let next = read(here.console.operations.store(), move |store| next(store, &from)).await.ok()??;
    Some((item_path(&next), format!("Next in {}", queue_title(&here.release, &item.queue))))
}

/// `POST /items/{id}`: decides on one item.
pub(crate) async fn one(here: Here, Path(id): Path<String>, Extension(posted): Extension<Posted>) -> Response {
    let Ok(id) = id.parse::<WorkItemId>() else { return problem::missing(&here, "work item") };
    let item = match read(here.console.operations.store(), move |store| store.work_item(id)).await {
        Ok(Some(item)) => item,
        Ok(None) => return problem::missing(&here, "work item"),
        Err(error) => return problem::unavailable(&error),
    };
    let action = posted.get("action").unwrap_or_default();
    let back = posted.get("back").map(|back| local_path(back).to_owned());
    let edits = choices(&here.release, &item).iter().any(|choice| &*choice.name == action && choice.edit);
    let record = item.content.get("record");
    // A form without the record's fields leaves the record as it is.
    let changed = match record_form::posted(record, &posted) {
        Ok(changed) => changed,
        Err(mistakes) => {
            let message = "Not all fields can be understood";
            let refused = Refused::new(
                axum::http::StatusCode::UNPROCESSABLE_ENTITY,
                "IL-CON-016",
                message,
                "See the notes at the fields; nothing was done",
            );
            return item_page::refused(here, id, Refusal { posted, mistakes, refused }).await;
        }
    };
    let record = (edits || changed != *record).then_some(changed);
    let wish = Wish { action, note: posted.get("note"), record };
    match decide(&here.console, &here.release, &here.visitor.user, &item, wish).await {
        Ok(choice) => {
            let text = format!("“{}” is done for {}.", choice.label, item.title);
            flash(&here, true, text, onwards(&here, &item).await);
            Redirect::to(&back.unwrap_or_else(|| item_path(&item))).into_response()
        }
        Err(refused) if back.is_some() || refused.status == axum::http::StatusCode::CONFLICT => {
            flash(&here, false, said(&refused), onwards(&here, &item).await);
            Redirect::to(&back.unwrap_or_else(|| item_path(&item))).into_response()
        }
        Err(refused) => {
            let mistakes = record_form::Mistakes::new();
            item_page::refused(here, id, Refusal { posted, mistakes, refused }).await
        }
    }
}

/// `POST /queues/{queue}`: decides on many items of a queue in the same way.
pub(crate) async fn many(here: Here, Path(queue): Path<String>, Extension(posted): Extension<Posted>) -> Response {
    let back = match posted.get("sort") {
        Some("amount") => format!("{}?sort=amount", queue_path(&queue)),
        _ => queue_path(&queue),
    };
    let mut ids: Vec<WorkItemId> = posted.all("item").filter_map(|id| id.parse().ok()).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() || ids.len() > MANY_MAX {
        let text = match ids.len() {
            0 => "No item is selected. Select some with their boxes, or with the key x.".to_owned(),
            many => format!("{many} items are too many at once. Select at most {MANY_MAX}."),
        };
        flash(&here, false, text, None);
        return Redirect::to(&back).into_response();
    }
    let wanted = ids.clone();
    let found = read(here.console.operations.store(), move |store| {
        wanted.into_iter().map(|id| store.work_item(id)).collect::<Result<Vec<_>, _>>()
    });
    let items: Vec<WorkItemRow> = match found.await {
        Ok(found) => found.into_iter().flatten().filter(|item| *item.queue == *queue).collect(),
        Err(error) => return problem::unavailable(&error),
    };
    let (console, release, user) = (&here.console, &here.release, &here.visitor.user);
    let (action, note) = (posted.get("action").unwrap_or_default(), posted.get("note"));
    let outcomes: Vec<_> = stream::iter(items)
        .map(|item| async move {
            // What has to be corrected has to be looked at.
            let edits = choices(release, &item).iter().any(|choice| &*choice.name == action && choice.edit);
            if edits {
                let message = format!("“{}” has to be looked at one by one", item.title);
                let status = axum::http::StatusCode::UNPROCESSABLE_ENTITY;
                return Err(Refused::new(status, "IL-CON-017", message, "Open it"));
            }
            decide(console, release, user, &item, Wish { action, note, record: None }).await
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    let label = outcomes.iter().flatten().next().map(|choice| choice.label.to_string());
    let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64;
    let not_done = ids.len() as u64 - done;
    let first = outcomes.iter().find_map(|outcome| outcome.as_ref().err());
    let mut text = match label {
        Some(label) => format!("“{label}” is done for {}.", counted(done, "item", "items")),
        None => "Nothing was done.".to_owned(),
    };
    if not_done > 0 {
        let why = first.map_or_else(|| "They are not in this queue any more.".to_owned(), said);
        text.push_str(&format!(" Not done for {}: {why}", counted(not_done, "item", "items")));
    }
    flash(&here, not_done == 0, text, None);
    Redirect::to(&back).into_response()
}

/// `POST /runs/{id}`: retries, cancels, halts or resumes a run.
pub(crate) async fn operate(here: Here, Path(id): Path<String>, Extension(posted): Extension<Posted>) -> Response {
    let Ok(id) = id.parse::<RunId>() else { return problem::missing(&here, "run") };
    let back = local_path(posted.get("back").unwrap_or("/")).to_owned();
    let wish = Wish { action: "", note: posted.get("note"), record: None };
    let operation = posted.get("operation").unwrap_or_default();
    match operate_run(&here.console, &here.release, &here.visitor.user, id, operation, wish).await {
        Ok(did) => flash(&here, true, format!("The run was {did}."), None),
        Err(refused) => flash(&here, false, said(&refused), None),
    }
    Redirect::to(&back).into_response()
}
