//! What a mapping file says, as data.

use std::sync::Arc;

use expr::Expression;
use model::{ConnectionName, Currency, ObjectName, Path, Value};

use crate::values::ValueMap;

/// One mapping as a user wrote it, expressions compiled.
#[derive(Debug, Clone)]
pub struct MappingDefinition {
    /// `order.erp`: the file's name without extension.
    pub name: Arc<str>,
    /// The canonical object.
    pub object: ObjectName,
    /// The connection whose records these are.
    pub connection: ConnectionName,
    /// The kind of record, as the system spells it.
    pub record: Arc<str>,
    /// Fields, constants and lists.
    pub table: TableDefinition,
}

/// The cells of one level: of the record itself, or of the items of a list.
#[derive(Debug, Clone, Default)]
pub struct TableDefinition {
    /// Canonical member and record field, each pair once.
    pub fields: Vec<FieldDefinition>,
    /// Record fields that are always written with the same value.
    pub constants: Vec<(Path, Value)>,
    /// Lists of children.
    pub lists: Vec<ListDefinition>,
}

/// A list and the table of its items.
#[derive(Debug, Clone)]
pub struct ListDefinition {
    /// The canonical list.
    pub canonical: Path,
    /// The record's child list.
    pub record: Path,
    /// Whether it is read, written or both.
    pub direction: Direction,
    /// What its items hold.
    pub table: TableDefinition,
}

/// One cell of the table.
#[derive(Debug, Clone)]
pub struct FieldDefinition {
    /// The canonical member.
    pub canonical: Path,
    /// The record's field; a cell that is only read by jq needs none.
    pub record: Option<Path>,
    /// What the value is.
    pub kind: Kind,
    /// Whether it is read, written or both.
    pub direction: Direction,
    /// Whether blanks around a text are dropped.
    pub trim: bool,
    /// The only case that the record's field knows.
    pub case: Option<Case>,
    /// Longest text, in characters.
    pub length: Option<usize>,
    /// What happens to a longer one.
    pub too_long: TooLong,
    /// What stands in for a missing value when reading; when writing only if the cell is required.
    pub default: Option<Value>,
    /// Whether a missing value is an error.
    pub required: bool,
    /// Translates values.
    pub values: Option<Arc<ValueMap>>,
    /// jq on the whole record (or list item) instead of the field.
    pub read: Option<Expression>,
    /// jq on the whole canonical object (or list item) instead of the member.
    pub write: Option<Expression>,
}

impl FieldDefinition {
    /// A plain pair, as `name: Name` writes it.
    #[must_use]
    pub fn plain(canonical: Path, record: Path) -> Self {
        Self {
            canonical,
            record: Some(record),
            kind: Kind::AsIs,
            direction: Direction::Both,
            trim: false,
            case: None,
            length: None,
            too_long: TooLong::Refuse,
            default: None,
            required: false,
            values: None,
            read: None,
            write: None,
        }
    }
}

/// The case of the letters of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// Capitals.
    Upper,
    /// Small letters.
    Lower,
}

/// What a value is on the canonical side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Whatever it is, unchanged.
    AsIs,
    /// A text; numbers and truths become one.
    Text,
    /// A number; a text that is one becomes one.
    Number,
    /// A whole number.
    Integer,
    /// An exact decimal.
    Decimal,
    /// A truth; the texts `true` and `false` become one.
    Boolean,
    /// A calendar date, `2026-11-23`.
    Date,
    /// An instant, RFC 3339; canonical in UTC.
    Instant,
    /// `{amount, currency}`: the field holds the amount.
    Money(CurrencySource),
}

/// Where an amount's currency comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CurrencySource {
    /// A field of the same record.
    Field(Path),
    /// Always this one.
    Constant(Currency),
}

/// The ways a cell is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// From the record and to the record.
    #[default]
    Both,
    /// Only from the record.
    Read,
    /// Only to the record.
    Write,
}

impl Direction {
    /// Whether the cell is read.
    #[must_use]
    pub const fn reads(self) -> bool {
        !matches!(self, Self::Write)
    }

    /// Whether the cell is written.
    #[must_use]
    pub const fn writes(self) -> bool {
        !matches!(self, Self::Read)
    }
}

/// What happens to a text that is longer than its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TooLong {
    /// It is an error.
    #[default]
    Refuse,
    /// It is cut off.
    Cut,
}
