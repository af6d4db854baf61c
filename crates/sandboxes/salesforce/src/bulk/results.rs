//! What a job has to show: pages of a query's rows, and what became of uploaded rows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::dialect::{Dialect, names};
use super::job::{Ingest, Outcome, Rows};
use crate::errors::Refusal;

/// Rows of a page when the client says nothing.
const PAGE: usize = 50_000;
/// Most rows of a page.
const PAGE_MAX: usize = 1_000_000;

/// One page of a query's rows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) text: String,
    pub(super) rows: usize,
    /// Where the next begins: `null` at the end.
    pub(super) locator: String,
}

/// The page that a locator means: the first without one.
pub(super) fn page(rows: &Rows, locator: Option<&str>, most: Option<&str>) -> Result<Page, Refusal> {
    let from = match locator.filter(|locator| !locator.is_empty()) {
        None => 0,
        Some(locator) => {
            let read = || String::from_utf8(STANDARD_NO_PAD.decode(locator).ok()?).ok()?.parse::<usize>().ok();
            read()
                .filter(|from| *from < rows.starts.len())
                .ok_or_else(|| Refusal::new("INVALID_QUERY_LOCATOR", format!("invalid query locator: {locator}")))?
        }
    };
    let most = match most.filter(|most| !most.is_empty()) {
        None => PAGE,
        Some(most) => most.parse().ok().filter(|most| *most > 0).ok_or_else(|| {
            Refusal::new("INVALID_PARAMETER", format!("maxRecords must be a whole number above 0, not {most}"))
        })?,
    };
    let to = from.saturating_add(most.min(PAGE_MAX)).min(rows.starts.len());
    let place = |row: usize| rows.starts.get(row).copied().unwrap_or(rows.text.len());
    let lines = rows.text.get(place(from)..place(to)).unwrap_or_default();
    let locator = if to < rows.starts.len() { STANDARD_NO_PAD.encode(to.to_string()) } else { "null".to_owned() };
    Ok(Page { text: format!("{}{lines}", rows.header), rows: to - from, locator })
}

/// Which rows of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Successful,
    Failed,
    Unprocessed,
}

/// The uploaded rows with what became of them, in the order they were uploaded.
pub(super) fn rows(ingest: &Ingest, dialect: Dialect, which: Which) -> String {
    let mut reader = dialect.reader(ingest.data.clone().unwrap_or_default());
    let header = reader.headers().map(names).unwrap_or_default();
    let ours: &[&str] = match which {
        Which::Successful => &["sf__Id", "sf__Created"],
        Which::Failed => &["sf__Id", "sf__Error"],
        Which::Unprocessed => &[],
    };
    let mut text = String::new();
    dialect.write(ours.iter().copied().chain(header.iter().map(String::as_str)), &mut text);
    let mut outcomes = ingest.outcomes.iter();
    // What cannot be read was not processed; it cannot be shown either.
    for row in reader.records().map_while(Result::ok) {
        let told = match (outcomes.next(), which) {
            (Some(Outcome::Saved(id, created)), Which::Successful) => Some(vec![id.to_string(), created.to_string()]),
            (Some(Outcome::Refused(id, error)), Which::Failed) => {
                Some(vec![id.map_or_else(String::new, |id| id.to_string()), error.to_string()])
            }
            (None, Which::Unprocessed) => Some(Vec::new()),
            _ => None,
        };
        if let Some(told) = told {
            dialect.write(told.iter().map(String::as_str).chain(row.iter()), &mut text);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_and_stay_the_same() {
        let rows = Rows { header: "h\n".to_owned(), text: "a\nb\nc\n".to_owned(), starts: vec![0, 2, 4] };
        let first = page(&rows, None, Some("2")).expect("a page");
        assert_eq!((first.text.as_str(), first.rows), ("h\na\nb\n", 2));
        let second = page(&rows, Some(&first.locator), Some("2")).expect("a page");
        assert_eq!((second.text.as_str(), second.rows, second.locator.as_str()), ("h\nc\n", 1, "null"));
        assert_eq!(page(&rows, Some(&first.locator), Some("2")), Ok(second));
        assert!(page(&rows, Some("null"), None).is_err() && page(&rows, None, Some("0")).is_err());
        let none = page(&Rows { header: "h\n".to_owned(), ..Rows::default() }, None, None).expect("a page");
        assert_eq!((none.text.as_str(), none.rows, none.locator.as_str()), ("h\n", 0, "null"));
    }
}
