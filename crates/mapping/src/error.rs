//! What does not fit, in words that a person in an order desk can act on.

use std::fmt;
use std::sync::Arc;

use model::Value;

/// Most cells that are told of; the others are counted.
const CELLS_MAX: usize = 50;
/// Longest value that is quoted, in characters.
const QUOTED_MAX: usize = 60;

/// Which way the data went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// From the record to the canonical object.
    Read,
    /// From the canonical object to the record.
    Write,
}

/// A cell whose value does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellError {
    /// The canonical member: `lines[2].country`.
    pub canonical: String,
    /// The record's field: `to_Item[2].Country`.
    pub record: String,
    /// The offending value, shortened.
    pub value: String,
    /// Which rule it breaks, a sentence part: `the value map countries does not know it`.
    pub rule: String,
    /// Which way the data went.
    pub side: Side,
}

/// Data that does not fit a mapping: every cell at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingError {
    /// The mapping's name.
    pub mapping: Arc<str>,
    /// Which way the data went.
    pub side: Side,
    /// The cells, in the order of the table; at most 50.
    pub cells: Vec<CellError>,
    /// How many more there are.
    pub more: usize,
}

impl fmt::Display for CellError {
    /// `` `BillingCountry` is "Freedonia": the value map `countries` does not know it (for `country`) ``
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = match self.side {
            Side::Read => (&self.record, &self.canonical),
            Side::Write => (&self.canonical, &self.record),
        };
        if from.is_empty() {
            return write!(formatter, "it is {}: {}", self.value, self.rule);
        }
        write!(formatter, "`{from}` is {}: {}", self.value, self.rule)?;
        if to.is_empty() { Ok(()) } else { write!(formatter, " (for `{to}`)") }
    }
}

impl fmt::Display for MappingError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.side {
            Side::Read => "the record cannot be read",
            Side::Write => "the record cannot be written",
        };
        write!(formatter, "{what} with the mapping {}: ", self.mapping)?;
        for (index, cell) in self.cells.iter().enumerate() {
            if index > 0 {
                formatter.write_str("; ")?;
            }
            fmt::Display::fmt(cell, formatter)?;
        }
        if self.more > 0 { write!(formatter, "; and {} more", self.more) } else { Ok(()) }
    }
}

impl std::error::Error for MappingError {}

/// Gathers what does not fit.
pub(crate) struct Misfits {
    side: Side,
    cells: Vec<CellError>,
    more: usize,
}

impl Misfits {
    pub(crate) const fn new(side: Side) -> Self {
        Self { side, cells: Vec::new(), more: 0 }
    }

    pub(crate) fn add(&mut self, canonical: String, record: String, value: &Value, rule: String) {
        if self.cells.len() < CELLS_MAX {
            self.cells.push(CellError { canonical, record, value: quoted(value), rule, side: self.side });
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn into_result(self, mapping: &Arc<str>, value: Value) -> Result<Value, MappingError> {
        if self.cells.is_empty() {
            return Ok(value);
        }
        Err(MappingError { mapping: Arc::clone(mapping), side: self.side, cells: self.cells, more: self.more })
    }
}

/// A value as messages show it.
fn quoted(value: &Value) -> String {
    match value {
        Value::Null => "empty".to_owned(),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) if text.is_empty() => "empty".to_owned(),
        Value::String(text) => {
            let mut characters = text.chars().map(|character| if character.is_control() { ' ' } else { character });
            let start: String = characters.by_ref().take(QUOTED_MAX).collect();
            let cut = if characters.next().is_some() { "…" } else { "" };
            format!("\"{start}{cut}\"")
        }
        other => other.to_string(),
    }
}
