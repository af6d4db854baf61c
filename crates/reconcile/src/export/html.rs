//! Findings as one page that needs nothing else.

use std::io::Write as _;
use std::path::Path;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use tempfile::NamedTempFile;

use crate::ReconcileError;
use crate::export::Heading;
use crate::finding::{Side, Totals};
use crate::line::COLUMNS;
use crate::verdict::Judge;

/// How many lines are shown: more than that nobody reads, and no browser likes.
const LINES_MAX: usize = 10_000;
/// How many characters of a value are shown.
const CELL_MAX: usize = 300;

const STYLE: &str = "
:root{color-scheme:light dark;font:15px/1.45 system-ui,sans-serif}
body{margin:2rem auto;max-width:90rem;padding:0 1rem}
table{border-collapse:collapse;width:100%;margin:.5rem 0 2rem}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #8884;overflow-wrap:anywhere}
th{position:sticky;top:0;background:Canvas}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.off{font-weight:600}
caption{text-align:left;font-size:1.2rem;font-weight:600;padding:.3rem 0}
.none{opacity:.5}";

/// A page, put together at its end.
pub(super) struct Page {
    file: NamedTempFile,
    heading: Heading,
    rows: String,
    lines: usize,
}

impl Page {
    pub(super) const fn new(file: NamedTempFile, heading: Heading) -> Self {
        Self { file, heading, rows: String::new(), lines: 0 }
    }

    pub(super) fn line(&mut self, cells: [Option<String>; COLUMNS.len()]) {
        self.lines += 1;
        if self.lines > LINES_MAX {
            return;
        }
        let [key, finding, on, left_id, right_id, member, left, right, _, _, explanation] = cells;
        let what = match on {
            Some(on) => format!("{} on {on}", finding.unwrap_or_default()),
            None => finding.unwrap_or_default(),
        };
        let row = html! {
            tr {
                td { (key.unwrap_or_default()) }
                td { (what) }
                td { (cell(left_id)) }
                td { (cell(right_id)) }
                td { (member.unwrap_or_default()) }
                td { (cell(left)) }
                td { (cell(right)) }
                td { (explanation.unwrap_or_default()) }
            }
        };
        self.rows.push_str(&row.into_string());
    }

    pub(super) fn finish(
        mut self,
        totals: &Totals,
        judge: &Judge,
        path: &Path,
    ) -> Result<NamedTempFile, ReconcileError> {
        let (left, right) = (judge.name(Side::Left).as_str(), judge.name(Side::Right).as_str());
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width";
                    title { "Reconciliation of " (self.heading.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    h1 { "Reconciliation of " (self.heading.title) }
                    p { "Compared at " (self.heading.at.strftime("%Y-%m-%d %H:%M:%S")) " UTC. "
                        @if totals.findings() == 0 { "Both sides hold the same." }
                        @else { (totals.findings()) " records are not the same." } }
                    (records(totals, left, right))
                    (amounts(totals, left, right))
                    @if self.lines > 0 {
                        table {
                            caption { "Findings" }
                            thead { tr {
                                th { "Key" } th { "Finding" } th { "Record in " (left) } th { "Record in " (right) }
                                th { "Member" } th { (left) } th { (right) } th { "What counts" }
                            } }
                            tbody { (PreEscaped(&self.rows)) }
                        }
                    }
                    @if self.lines > LINES_MAX {
                        p { (self.lines - LINES_MAX) " more lines are not shown here; export them as CSV or Parquet." }
                    }
                }
            }
        };
        self.file.write_all(page.into_string().as_bytes()).map_err(ReconcileError::writing(path))?;
        Ok(self.file)
    }
}

fn records(totals: &Totals, left: &str, right: &str) -> Markup {
    let both = |name: &str, one: u64, other: u64| {
        html! { tr { td { (name) } td.n { (one) } td.n { (other) } } }
    };
    html! {
        table {
            caption { "Records" }
            thead { tr { th { "" } th.n { (left) } th.n { (right) } } }
            tbody {
                (both("There", totals.rows.left, totals.rows.right))
                (both("Equal", totals.equal, totals.equal))
                (both("Different", totals.different, totals.different))
                (both("Missing", totals.missing.left, totals.missing.right))
                (both("Keys that come more than once", totals.doubled.left, totals.doubled.right))
            }
        }
    }
}

fn amounts(totals: &Totals, left: &str, right: &str) -> Markup {
    if totals.sums.is_empty() {
        return Markup::default();
    }
    html! {
        table {
            caption { "Amounts" }
            thead { tr {
                th { "Amount" } th { "Currency" } th { "Month" } th.n { (left) } th.n { (right) } th.n { "Difference" }
            } }
            tbody {
                @for sum in &totals.sums {
                    tr.off[!sum.difference.is_zero()] {
                        td { (sum.name) }
                        td { (cell(sum.currency.map(|currency| currency.to_string()))) }
                        td { (cell(sum.period.map(|period| period.to_string()))) }
                        td.n { (sum.left.amount) }
                        td.n { (sum.right.amount) }
                        td.n { (sum.difference) }
                    }
                }
            }
        }
    }
}

fn cell(text: Option<String>) -> Markup {
    match text {
        None => html! { span.none { "–" } },
        Some(text) if text.chars().count() > CELL_MAX => {
            let short: String = text.chars().take(CELL_MAX).collect();
            html! { (short) "…" }
        }
        Some(text) => html! { (text) },
    }
}
