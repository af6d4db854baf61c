//! Queries with further pages.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::plan::Plan;

/// Most queries whose further pages are kept; the oldest goes first.
const CURSORS_MAX: usize = 200;
/// Rows on a page when the client says nothing, and at most.
const PAGE: usize = 2000;
/// Fewest rows on a page that a client may ask for.
const PAGE_MIN: usize = 200;
/// What locators begin with.
const PREFIX: &str = "0r8";

/// How many rows a page has.
pub(super) fn page_size(wanted: Option<usize>) -> usize {
    wanted.unwrap_or(PAGE).clamp(PAGE_MIN, PAGE)
}

/// A query with further pages.
#[derive(Debug)]
pub(super) struct Cursor {
    number: u64,
    pub(super) plan: Arc<Plan>,
    pub(super) serials: Vec<u32>,
    pub(super) size: usize,
}

impl Cursor {
    /// Where the page that begins with this row is found.
    pub(super) fn address(&self, version: &str, next: usize) -> String {
        format!("/services/data/v{version}/query/{PREFIX}{:015X}-{next}", self.number)
    }
}

/// The queries with further pages.
#[derive(Debug, Default)]
pub(crate) struct Cursors(Mutex<(u64, VecDeque<Arc<Cursor>>)>);

impl Cursors {
    /// Keeps a query; answers where its next page is found.
    pub(super) fn keep(&self, plan: Arc<Plan>, serials: Vec<u32>, size: usize, version: &str, next: usize) -> String {
        let mut cursors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cursors.0 += 1;
        let cursor = Cursor { number: cursors.0, plan, serials, size };
        let address = cursor.address(version, next);
        if cursors.1.len() >= CURSORS_MAX {
            cursors.1.pop_front();
        }
        cursors.1.push_back(Arc::new(cursor));
        address
    }

    /// The query of a locator such as `0r8…-2000`, and the row to go on at.
    pub(super) fn find(&self, locator: &str) -> Option<(Arc<Cursor>, usize)> {
        let (name, from) = locator.split_once('-')?;
        let number = u64::from_str_radix(name.strip_prefix(PREFIX)?, 16).ok()?;
        let from: usize = from.parse().ok()?;
        let cursors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let cursor = cursors.1.iter().find(|cursor| cursor.number == number)?;
        (from <= cursor.serials.len()).then(|| (Arc::clone(cursor), from))
    }
}
