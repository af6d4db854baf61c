//! SOQL: from text to rows. The text is read ([`parser`]), its names are resolved against the schema ([`plan`]), and the plan
//! is carried out with what indexes there are ([`run`]).

mod aggregate;
mod ast;
mod cursors;
mod dates;
mod filter;
mod lexer;
mod parser;
mod plan;
mod resolve;
mod run;
mod table;

use std::sync::Arc;

use crate::errors::Refusal;
use crate::store::Store;
pub(crate) use cursors::Cursors;
use plan::Shape;
use run::Page;
pub(crate) use table::Table;

/// How a query is to be answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// Deleted records too.
    pub(crate) all_rows: bool,
    /// Rows on a page, when the client says so.
    pub(crate) batch: Option<usize>,
    /// `67.0`
    pub(crate) version: &'a str,
    /// Milliseconds since 1970, for words such as TODAY.
    pub(crate) now: i64,
}

/// The first page of a query's answer.
pub(crate) fn answer(store: &Store, cursors: &Cursors, text: &str, wanted: Wanted<'_>) -> Result<String, Refusal> {
    let refuse = |misread: ast::Misread| misread.refusal(text);
    let query = parser::parse(text, wanted.now).map_err(refuse)?;
    let plan = Arc::new(plan::plan(store, &query, wanted.all_rows).map_err(refuse)?);
    Ok(match &plan.shape {
        Shape::Count => {
            format!(r#"{{"totalSize":{},"done":true,"records":[]}}"#, run::select(store, &plan).len())
        }
        Shape::Groups(aggregation) => {
            let (count, rows) = aggregation.run(store, &plan);
            format!(r#"{{"totalSize":{count},"done":true,"records":[{rows}]}}"#)
        }
        Shape::Rows(_) => {
            let serials = run::select(store, &plan);
            let total = serials.len();
            let size = cursors::page_size(wanted.batch);
            let keep = |plan: &Arc<plan::Plan>, serials: Vec<u32>, next: usize| {
                cursors.keep(Arc::clone(plan), serials, size, wanted.version, next)
            };
            let page = Page { store, version: wanted.version, size, keep: &keep };
            let mut text = String::with_capacity(256 + total.min(size) * 256);
            run::write_page(&page, &plan, serials, 0, total, &mut text);
            text
        }
    })
}

/// A further page, by the last part of its address.
pub(crate) fn more(store: &Store, cursors: &Cursors, locator: &str, version: &str) -> Result<String, Refusal> {
    let gone = || Refusal::new("INVALID_QUERY_LOCATOR", "invalid query locator");
    let (cursor, from) = cursors.find(locator).ok_or_else(gone)?;
    let keep = |plan: &Arc<plan::Plan>, serials: Vec<u32>, next: usize| {
        if Arc::ptr_eq(plan, &cursor.plan) {
            cursor.address(version, next)
        } else {
            // Records below one of these rows that do not fit either.
            cursors.keep(Arc::clone(plan), serials, cursor.size, version, next)
        }
    };
    let page = Page { store, version, size: cursor.size, keep: &keep };
    let mut text = String::with_capacity(256 + cursor.size * 256);
    run::write_page(&page, &cursor.plan, cursor.serials.clone(), from, cursor.serials.len(), &mut text);
    Ok(text)
}
