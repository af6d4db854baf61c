//! A mapping as people read it: cell by cell, for screens and questions of the kind "where does this field come from?".

use crate::definition::{Case, CurrencySource, Direction, Kind, TooLong};
use crate::plan::{Branch, Cell, Mapping, Shape, Table, WriteLeaf};
use crate::values::Otherwise;

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellExplanation {
    /// The canonical member (`lines[].amount`); empty for a constant.
    pub canonical: String,
    /// The record's field (`to_Item[].NetAmount`); empty when it is only computed.
    pub record: String,
    /// Whether it is read, written or both.
    pub direction: Direction,
    /// What happens to the value, in words; empty when it goes through as it is.
    pub rule: String,
}

impl Mapping {
    /// Every cell, in the order of the file, items of lists after the list.
    #[must_use]
    pub fn explain(&self) -> Vec<CellExplanation> {
        let mut cells = Vec::new();
        explain(&self.table, "", "", &mut cells);
        cells
    }
}

fn explain(table: &Table, canonical: &str, record: &str, cells: &mut Vec<CellExplanation>) {
    for cell in &table.cells {
        cells.push(CellExplanation {
            canonical: format!("{canonical}{}", cell.canonical_text),
            record: if cell.record.is_some() { format!("{record}{}", cell.record_text) } else { String::new() },
            direction: cell.direction,
            rule: rule(cell).join("; "),
        });
    }
    constants(&table.write, record, cells);
    for list in &table.lists {
        let (canonical, record) =
            (format!("{canonical}{}[]", list.canonical_text), format!("{record}{}[]", list.record_text));
        cells.push(CellExplanation {
            canonical: canonical.clone(),
            record: record.clone(),
            direction: list.direction,
            rule: "list".to_owned(),
        });
        explain(&list.table, &format!("{canonical}."), &format!("{record}."), cells);
    }
}

fn constants(shape: &Shape<WriteLeaf>, record: &str, cells: &mut Vec<CellExplanation>) {
    for branch in &shape.branches {
        match branch {
            Branch::Inner(name, inner) => constants(inner, &format!("{record}{name}."), cells),
            Branch::Leaf(name, WriteLeaf::Constant(value)) => cells.push(CellExplanation {
                canonical: String::new(),
                record: format!("{record}{name}"),
                direction: Direction::Write,
                rule: format!("always {value}"),
            }),
            Branch::Leaf(..) => {}
        }
    }
}

fn rule(cell: &Cell) -> Vec<String> {
    let mut rules = Vec::new();
    if let Some(read) = &cell.read {
        rules.push(format!("read by jq {}", read.expression.text()));
    }
    if let Some(write) = &cell.write {
        rules.push(format!("written by jq {}", write.expression.text()));
    }
    if cell.trim {
        rules.push("without blanks around it".to_owned());
    }
    match cell.case {
        Some(Case::Upper) => rules.push("in capitals".to_owned()),
        Some(Case::Lower) => rules.push("in small letters".to_owned()),
        None => {}
    }
    if let Some(values) = &cell.values {
        let otherwise = match values.otherwise() {
            Otherwise::Refuse => "others are refused".to_owned(),
            Otherwise::Keep => "others stay as they are".to_owned(),
            Otherwise::Value(value) => format!("others become {value}"),
        };
        rules.push(format!("value map {} ({otherwise})", values.name()));
    }
    match &cell.kind {
        Kind::AsIs => {}
        Kind::Text => rules.push("text".to_owned()),
        Kind::Number => rules.push("number".to_owned()),
        Kind::Integer => rules.push("whole number".to_owned()),
        Kind::Decimal => rules.push("exact decimal".to_owned()),
        Kind::Boolean => rules.push("true or false".to_owned()),
        Kind::Date => rules.push("date".to_owned()),
        Kind::Instant => rules.push("instant in UTC".to_owned()),
        Kind::Money(CurrencySource::Constant(currency)) => rules.push(format!("amount in {currency}")),
        Kind::Money(CurrencySource::Field(path)) => rules.push(format!("amount, currency in {path}")),
    }
    if let Some(length) = cell.length {
        let longer = match cell.too_long {
            TooLong::Refuse => "longer is refused",
            TooLong::Cut => "longer is cut",
        };
        rules.push(format!("at most {length} characters ({longer})"));
    }
    if let Some(default) = &cell.default {
        rules.push(format!("{default} when missing"));
    }
    if cell.required {
        rules.push("required".to_owned());
    }
    rules
}
