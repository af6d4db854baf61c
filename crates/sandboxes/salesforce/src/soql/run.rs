//! Carrying a plan out: which records in which order, and their JSON.

use std::cmp::Ordering;
use std::sync::Arc;

use model::json::write_string;

use super::plan::{Column, Plan, Shape};
use crate::cell::View;
use crate::id::RecordId;
use crate::render::{write_attributes, write_field};
use crate::schema::Object;
use crate::store::{Record, Store};

/// Serial numbers of the records that a plan is about, in the order it asks for.
pub(crate) fn select(store: &Store, plan: &Plan) -> Vec<u32> {
    let object = store.schema.object(plan.object);
    let candidates = plan.filter.as_ref().and_then(|filter| filter.candidates(store, object));
    let found = match candidates {
        Some(candidates) => choose(store, plan, object, candidates.into_iter()),
        None => choose(store, plan, object, store.table(plan.object).serials()),
    };
    finish(store, plan, object, found)
}

/// Like [`select`], among these records only.
fn select_among(store: &Store, plan: &Plan, candidates: &[u32]) -> Vec<u32> {
    let object = store.schema.object(plan.object);
    finish(store, plan, object, choose(store, plan, object, candidates.iter().copied()))
}

fn choose(store: &Store, plan: &Plan, object: &Object, candidates: impl Iterator<Item = u32>) -> Vec<u32> {
    let table = store.table(plan.object);
    // Without an order the first rows are as good as any.
    let enough = if plan.order.is_empty() && !matches!(plan.shape, Shape::Groups(_)) {
        plan.limit.map_or(usize::MAX, |limit| limit.saturating_add(plan.offset))
    } else {
        usize::MAX
    };
    candidates
        .filter(|serial| {
            let Some(record) = table.get(u64::from(*serial)) else { return false };
            let id = store.id(plan.object, *serial);
            (plan.all_rows || !record.deleted)
                && plan.filter.as_ref().is_none_or(|filter| filter.takes(store, object, id, record))
        })
        .take(enough)
        .collect()
}

fn finish(store: &Store, plan: &Plan, object: &Object, mut found: Vec<u32>) -> Vec<u32> {
    if matches!(plan.shape, Shape::Groups(_)) {
        return found;
    }
    if !plan.order.is_empty() {
        let table = store.table(plan.object);
        let view = |serial: u32, index: usize| {
            let record = table.get(u64::from(serial));
            record.map_or(View::Null, |record| {
                plan.order[index].path.view(store, object, store.id(plan.object, serial), record)
            })
        };
        found.sort_by(|left, right| {
            for (index, sorting) in plan.order.iter().enumerate() {
                let (a, b) = (view(*left, index), view(*right, index));
                let order = match (a, b) {
                    (View::Null, View::Null) => Ordering::Equal,
                    (View::Null, _) if sorting.nulls_last => Ordering::Greater,
                    (View::Null, _) => Ordering::Less,
                    (_, View::Null) if sorting.nulls_last => Ordering::Less,
                    (_, View::Null) => Ordering::Greater,
                    _ if sorting.descending => compare(b, a),
                    _ => compare(a, b),
                };
                if order != Ordering::Equal {
                    return order;
                }
            }
            left.cmp(right)
        });
    }
    let from = plan.offset.min(found.len());
    found.drain(..from);
    found.truncate(plan.limit.unwrap_or(usize::MAX));
    found
}

/// The order of two values of one field.
pub(super) fn compare(left: View<'_>, right: View<'_>) -> Ordering {
    match (left, right) {
        (View::Bool(a), View::Bool(b)) => a.cmp(&b),
        (View::Number(a), View::Number(b)) => a.cmp(&b),
        (View::Ref(a), View::Ref(b)) => a.cmp(&b),
        (View::Text(a), View::Text(b)) => {
            let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<_>>();
            if a.is_ascii() && b.is_ascii() {
                a.bytes().map(|byte| byte.to_ascii_lowercase()).cmp(b.bytes().map(|byte| byte.to_ascii_lowercase()))
            } else {
                lower(a).cmp(&lower(b))
            }
        }
        _ => Ordering::Equal,
    }
}

/// Keeps the rows that do not fit on a page: all of them, and which comes next.
pub(crate) type Keep<'a> = dyn Fn(&Arc<Plan>, Vec<u32>, usize) -> String + 'a;

/// How the rows of a query are written.
pub(crate) struct Page<'a> {
    pub(crate) store: &'a Store,
    pub(crate) version: &'a str,
    /// Most rows on one page, children included.
    pub(crate) size: usize,
    /// Keeps what does not fit, and answers the address to go on at.
    pub(crate) keep: &'a Keep<'a>,
}

/// Appends `{"totalSize":…,"done":…,"records":[…]}` for the records from `from` on, as many as fit on a page.
pub(crate) fn write_page(
    page: &Page<'_>,
    plan: &Arc<Plan>,
    serials: Vec<u32>,
    from: usize,
    total: usize,
    text: &mut String,
) {
    use std::fmt::Write as _;
    let Shape::Rows(columns) = &plan.shape else { return };
    let object = page.store.schema.object(plan.object);
    // What is done is known only behind the records, but stands before them.
    let mut records = String::with_capacity(serials.len().saturating_sub(from).min(page.size) * 200);
    let (mut next, mut rows) = (from, 0);
    while let Some(serial) = serials.get(next).copied() {
        if rows >= page.size {
            break;
        }
        next += 1;
        let id = page.store.id(plan.object, serial);
        // A record that was taken back since the first page is left out.
        let Some(record) = page.store.table(plan.object).get(u64::from(serial)) else { continue };
        if rows > 0 {
            records.push(',');
        }
        rows += 1;
        write_row(page, object, columns, id, record, &mut rows, &mut records);
    }
    // Writing to a String cannot fail.
    let _ = write!(text, r#"{{"totalSize":{total},"#);
    if next < serials.len() {
        let address = (page.keep)(plan, serials, next);
        let _ = write!(text, r#""done":false,"nextRecordsUrl":"{address}","records":["#);
    } else {
        text.push_str(r#""done":true,"records":["#);
    }
    text.push_str(&records);
    text.push_str("]}");
}

fn write_row(
    page: &Page<'_>,
    object: &Object,
    columns: &[Column],
    id: RecordId,
    record: &Record,
    rows: &mut usize,
    text: &mut String,
) {
    text.push('{');
    write_attributes(object, Some(id), page.version, text);
    for column in columns {
        text.push(',');
        match column {
            Column::Field { name, at } => {
                write_string(name, text);
                text.push(':');
                write_field(object, object.field(*at), id, record, text);
            }
            Column::Parent { name, by, object: parent, columns } => {
                write_string(name, text);
                text.push(':');
                let parent_id = match record.view(id, object.field(*by).place) {
                    View::Ref(id) => Some(id),
                    _ => None,
                };
                let found = parent_id.and_then(|id| Some((id, page.store.table(*parent).get(id.serial())?)));
                match found {
                    Some((id, record)) => {
                        write_row(page, page.store.schema.object(*parent), columns, id, record, rows, text);
                    }
                    None => text.push_str("null"),
                }
            }
            Column::Children { name, by, plan } => {
                write_string(name, text);
                text.push(':');
                let children = select_among(page.store, plan, page.store.referring(plan.object, *by, id));
                if children.is_empty() {
                    text.push_str("null");
                } else {
                    let total = children.len();
                    *rows += total.min(page.size);
                    write_page(page, plan, children, 0, total, text);
                }
            }
        }
    }
    text.push('}');
}
