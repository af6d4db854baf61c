//! The objects that systems are kept in agreement about, found by key, by name, or by the id that a system has for them.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use definitions::Release;
use maud::{Markup, html};
use store::{Store, StoreError, SyncedRow, WorkItemRow};

use crate::door::encoded;
use crate::format::{label, time};
use crate::here::Here;
use crate::layout;
use crate::pages::problem;
use crate::parts::{icon, nothing, record_path, records_path, stage, system};
use crate::reads::{ROWS, first_items, read};
use crate::record::{agreement, ids};

/// Longest text that is searched for, in characters.
const TEXT_MAX: usize = 200;

/// What is asked for.
#[derive(Debug, Clone, Default)]
struct Asked {
    text: String,
    /// The last of the page before: its title, where a text is searched for, and its key.
    after: Option<(String, String)>,
}

/// A page of objects.
#[derive(Default)]
struct Found {
    rows: Vec<Row>,
    more: bool,
}

struct Row {
    synced: SyncedRow,
    /// The id in each system.
    ids: Vec<(String, Arc<str>)>,
    stage: Arc<str>,
    /// What it waits for a person for.
    item: Option<WorkItemRow>,
}

/// `GET /records`: those of the first kind.
pub(crate) async fn first(here: Here) -> Response {
    match here.release.synchronised.keys().next() {
        Some(object) => Redirect::to(&records_path(object.as_str())).into_response(),
        None => problem::missing(&here, "page"),
    }
}

/// `GET /records/{object}?q=…&after=…&title=…`
pub(crate) async fn page(
    here: Here,
    Path(object): Path<String>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    if !here.release.synchronised.contains_key(&*object) {
        return problem::missing(&here, "kind of record");
    }
    let fields = query.map(|Query(fields)| fields).unwrap_or_default();
    let field = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
    let asked = Asked {
        text: field("q").unwrap_or_default().trim().chars().take(TEXT_MAX).collect(),
        after: field("after").map(|key| (field("title").unwrap_or_default(), key)),
    };
    let (release, wanted, kind) = (here.release.clone(), asked.clone(), object.clone());
    let found = read(here.console.operations.store(), move |store| find(store, &release, &kind, &wanted));
    let found = match found.await {
        Ok(found) => found,
        Err(error) => return problem::unavailable(&error),
    };
    let content = html! {
        header.head {
            div {
                h1 { "Records" }
                p.sub { "What the systems are kept in agreement about: who says what, why it counts, and where it was written. Find one by its key, its name, or the id that a system has for it." }
            }
            form.search role="search" method="get" action=(records_path(&object)) {
                span.with-icon {
                    (icon("search"))
                    input #search type="search" name="q" value=(asked.text) aria-label="Search records" autocomplete="off";
                }
                button.button type="submit" { "Search" }
            }
        }
        section.part {
            nav.tabs aria-label="Kind of record" {
                @for kind in here.release.synchronised.keys() {
                    a href=(address(kind.as_str(), &asked.text)) data-object=(kind) aria-current=[(kind.as_str() == object).then_some("true")] { (label(kind.as_str())) }
                }
            }
            div #records .card data-live {
                @if !found.rows.is_empty() { (table(&here, &found.rows)) }
                @else if asked.after.is_some() { (nothing("There are no more", "")) }
                @else if asked.text.is_empty() { (nothing("No record is here", "They appear when the systems tell of them, or the first load reads them.")) }
                @else { (nothing(&format!("Nothing is found for “{}”", asked.text), "Part of the name, the beginning of the key, or the whole id in a system is enough.")) }
            }
            (pages(&object, &asked, &found))
        }
    };
    layout::page(&here, "Records", "records", content)
}

/// The address of a list.
fn address(object: &str, text: &str) -> String {
    match text {
        "" => records_path(object),
        text => format!("{}?q={}", records_path(object), encoded(text)),
    }
}

fn find(store: &dyn Store, release: &Release, object: &str, asked: &Asked) -> Result<Found, StoreError> {
    let (title, key) = asked.after.as_ref().map_or(("", ""), |(title, key)| (title.as_str(), key.as_str()));
    let mut rows = Vec::new();
    if asked.text.is_empty() {
        rows = store.synced_after(object, key, ROWS + 1)?;
    } else {
        // What is meant exactly stands in front, and only on the first page.
        if asked.after.is_none() {
            for connection in release.connections.keys() {
                if let Some(known) = store.reference_of_record(object, connection.as_str(), &asked.text)? {
                    rows.extend(store.synced(object, &known.key)?);
                }
            }
            rows.extend(store.synced_beginning(object, &asked.text, ROWS)?);
        }
        let named = store.synced_titled(object, &asked.text, (title, key), ROWS + 1)?;
        return answer(store, rows, named);
    }
    answer(store, Vec::new(), rows)
}

/// What is meant exactly and what follows page by page, each once.
fn answer(store: &dyn Store, exact: Vec<SyncedRow>, mut paged: Vec<SyncedRow>) -> Result<Found, StoreError> {
    let more = paged.len() > ROWS as usize;
    paged.truncate(ROWS as usize);
    // The last row of the page is where the next one begins, so that it stays the last.
    let mut rows: Vec<Row> = Vec::with_capacity(paged.len());
    let paged_keys: Vec<Arc<str>> = paged.iter().map(|row| Arc::clone(&row.key)).collect();
    let mut seen: Vec<Arc<str>> = Vec::new();
    let exact = exact.into_iter().filter(|row| !paged_keys.contains(&row.key));
    for synced in exact.chain(paged) {
        if seen.contains(&synced.key) {
            continue;
        }
        seen.push(Arc::clone(&synced.key));
        let stage = store.transaction(synced.transaction)?.map_or_else(|| "new".into(), |matter| matter.stage);
        let item = first_items(store, [synced.transaction].into_iter())?.remove(&synced.transaction);
        // A damaged one says so on its own page.
        let agreement = agreement(&synced).unwrap_or_default();
        let ids = ids(&agreement).map(|(side, id)| (side.to_owned(), Arc::clone(id))).collect();
        rows.push(Row { synced, ids, stage, item });
    }
    Ok(Found { rows, more })
}

fn table(here: &Here, rows: &[Row]) -> Markup {
    html! {
        div.scroll {
            table.list {
                thead { tr {
                    th scope="col" { "Record" }
                    th scope="col" { "State" }
                    th.hide-small scope="col" { "In the systems" }
                    th.number.hide-small scope="col" { "Changed" }
                } }
                tbody {
                    @for row in rows {
                        tr data-row data-record=(row.synced.key) {
                            td {
                                a.title href=(record_path(&row.synced.object, &row.synced.key)) { (if row.synced.title.is_empty() { &row.synced.key } else { &row.synced.title }) }
                                span.under.mono { (row.synced.key) }
                                @if let Some(item) = &row.item { span.under.why { (icon("person")) (item.reason) } }
                            }
                            td { (stage(&row.stage)) }
                            td.hide-small { @for (side, id) in &row.ids { span.under { (system(&here.release, side)) " " span.mono { (id) } } } }
                            td.number.faint.hide-small { (time(row.synced.updated_at, here.now)) }
                        }
                    }
                }
            }
        }
    }
}

fn pages(object: &str, asked: &Asked, found: &Found) -> Markup {
    let first = address(object, &asked.text);
    let next = found.rows.last().filter(|_| found.more).map(|row| {
        let joint = if asked.text.is_empty() { '?' } else { '&' };
        format!("{first}{joint}after={}&title={}", encoded(&row.synced.key), encoded(&row.synced.title))
    });
    html! {
        @if asked.after.is_some() || next.is_some() {
            nav.pages aria-label="Pages" {
                @if asked.after.is_some() { a.button.small href=(first) { "First page" } }
                @if let Some(next) = next { a.button.small href=(next) rel="next" { "Next" } }
            }
        }
    }
}
