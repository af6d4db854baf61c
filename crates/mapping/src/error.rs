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
    /// The value that no value map knows, when it is that.
    pub unmapped: Option<Unmapped>,
}

/// A value that a value map does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmapped {
    /// The value map's name.
    pub map: Arc<str>,
    /// The value, as the record or the canonical object has it.
    pub value: Value,
}

/// Why a value does not fit its cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Which rule it breaks, a sentence part.
    pub(crate) rule: String,
    pub(crate) unmapped: Option<Unmapped>,
}

impl From<String> for Misfit {
    fn from(rule: String) -> Self {
        Self { rule, unmapped: None }
    }
}

impl From<&str> for Misfit {
    fn from(rule: &str) -> Self {
        Self::from(rule.to_owned())
    }
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

impl MappingError {
    /// The values that value maps do not know, as data: `[{map, value, member, field, direction}]`; `null` when it is nothing of that.
    #[must_use]
    pub fn unmapped(&self) -> Value {
        let direction = match self.side {
            Side::Read => "read",
            Side::Write => "write",
        };
        let unmapped = self.cells.iter().filter_map(|cell| {
            let Unmapped { map, value } = cell.unmapped.as_ref()?;
            Some(Value::object([
                ("map", Value::from(Arc::clone(map))),
                ("value", value.clone()),
                ("member", Value::from(cell.canonical.as_str())),
                ("field", Value::from(cell.record.as_str())),
                ("direction", Value::from(direction)),
            ]))
        });
        let unmapped: Vec<Value> = unmapped.collect();
        if unmapped.is_empty() { Value::Null } else { Value::from(unmapped) }
    }
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

    pub(crate) fn add(&mut self, canonical: String, record: String, value: &Value, misfit: Misfit) {
        if self.cells.len() < CELLS_MAX {
            let Misfit { rule, unmapped } = misfit;
            self.cells.push(CellError { canonical, record, value: quoted(value), rule, side: self.side, unmapped });
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
