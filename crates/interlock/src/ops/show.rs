//! What the command line prints: tables and fields for people, JSON for programs.

use std::fmt::Write as _;

use jiff::Timestamp;
use model::{Value, json};

/// Longest text in a column, in characters.
const CELL_MAX: usize = 60;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// To be read.
    Text,
    /// For programs.
    Json,
}

impl Output {
    /// By what was asked for.
    pub(crate) const fn new(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }

    /// Prints a result: as JSON, or as the text that it is made into.
    pub(crate) fn print(self, value: &Value, text: impl FnOnce() -> String) {
        match self {
            Self::Json => println!("{}", json::to_string_pretty(value)),
            Self::Text => println!("{}", text().trim_end_matches('\n')),
        }
    }
}

/// Rows under names of columns.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns and no rows.
    pub(crate) fn new<const N: usize>(columns: [&str; N]) -> Self {
        Self { rows: vec![columns.map(str::to_owned).to_vec()] }
    }

    /// One row more.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.iter().map(|text| cell(text)).collect());
    }

    /// The table as lines.
    pub(crate) fn text(&self) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width =
            |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                // Writing into a string does not fail.
                let _ = write!(line, "{cell:width$}  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Names and their texts below each other; those without a text are left out.
pub(crate) fn fields<const N: usize>(fields: [(&str, String); N]) -> String {
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        // Writing into a string does not fail.
        let _ = writeln!(text, "{name:width$}  {}", harmless(value));
    }
    text
}

/// A text as one cell: on one line, not too long, and without what would steer a terminal.
pub(crate) fn cell(text: &str) -> String {
    let mut line = harmless(text);
    if line.chars().count() > CELL_MAX {
        line = line.chars().take(CELL_MAX - 1).chain(['…']).collect();
    }
    line
}

/// Keys and titles come from outside: what would move the cursor, colour the screen or turn the direction of writing is replaced.
pub(crate) fn harmless(text: &str) -> String {
    let steers = |character: char| {
        character.is_control()
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|character| if steers(character) { '\u{fffd}' } else { character }).collect()
}

/// An instant of an answer, to the second.
pub(crate) fn time(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    text.parse::<Timestamp>().map_or_else(|_| text.to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

/// An amount of an answer with its currency.
pub(crate) fn amount(value: &Value) -> String {
    match value.get("currency").as_str() {
        Some(currency) => format!("{} {currency}", value.get("amount")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_cell() {
        let mut table = Table::new(["ID", "KEY"]);
        table.row(["1".to_owned(), "a".to_owned()]);
        table.row(["long".to_owned(), "Größe".to_owned()]);
        assert_eq!(table.text(), "ID    KEY\n1     a\nlong  Größe\n");
    }

    #[test]
    fn what_comes_from_outside_does_not_steer_the_terminal() {
        assert_eq!(cell("a\u{1b}[2Jb\nc\u{202e}d"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d");
        assert_eq!(cell(&"x".repeat(200)).chars().count(), CELL_MAX);
        assert_eq!(fields([("Key", "a\u{7}".to_owned()), ("None", String::new())]), "Key   a\u{fffd}\n");
    }

    #[test]
    fn times_and_amounts_are_short() {
        assert_eq!(time(&Value::from("2026-11-25T23:15:36.296124Z")), "2026-11-25 23:15:36Z");
        assert_eq!(time(&Value::from("soon")), "soon");
        let value = json::parse(br#"{"amount": 373.67, "currency": "GBP"}"#).expect("JSON");
        assert_eq!((amount(&value), amount(&Value::Null)), ("373.67 GBP".to_owned(), String::new()));
    }
}
