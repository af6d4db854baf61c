//! A query as it was written.

use crate::errors::Refusal;

/// Why a text is no query, and at which byte of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misread {
    pub(crate) code: &'static str,
    pub(crate) at: usize,
    pub(crate) message: String,
}

impl Misread {
    pub(super) fn malformed(at: usize, message: impl Into<String>) -> Self {
        Self { code: "MALFORMED_QUERY", at, message: message.into() }
    }

    pub(super) fn field(at: usize, message: impl Into<String>) -> Self {
        Self { code: "INVALID_FIELD", at, message: message.into() }
    }

    /// The vendor's form: the line, a mark below the place, the place in numbers, the sentence.
    pub(crate) fn refusal(&self, text: &str) -> Refusal {
        let mut at = self.at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let before = &text[..at];
        let row = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before[line_start..].chars().count();
        let line_end = text[at..].find('\n').map_or(text.len(), |end| at + end);
        // The vendor shows a part of a long line.
        let line: Vec<char> = text[line_start..line_end].chars().collect();
        let from = column.saturating_sub(30);
        let excerpt: String = line.iter().skip(from).take(80).collect();
        let mark = " ".repeat(column - from);
        let column = column + 1;
        Refusal::new(self.code, format!("\n{excerpt}\n{mark}^\nERROR at Row:{row}:Column:{column}\n{}", self.message))
    }
}

/// A dotted name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) at: usize,
    pub(crate) parts: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Count,
    CountDistinct,
    Sum,
    Min,
    Max,
    Avg,
}

/// A field, or what a function makes of many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operand {
    Field(Path),
    Aggregate { at: usize, function: Function, of: Option<Path> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldsGroup {
    All,
    Standard,
    Custom,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selected {
    Operand { operand: Operand, alias: Option<String> },
    Children { at: usize, query: Box<Query> },
    Fields { at: usize, group: FieldsGroup },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Text(String),
    /// Digits and how many of them stand behind the point.
    Number {
        units: i128,
        scale: u8,
    },
    /// Days since 1970.
    Date(i64),
    /// Milliseconds since 1970.
    Instant(i64),
    /// From and before which instant, in milliseconds since 1970.
    Span(i64, i64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Compare { operand: Operand, operator: Operator, at: usize, literal: Literal },
    In { path: Path, negated: bool, at: usize, literals: Vec<Literal> },
    InQuery { path: Path, negated: bool, at: usize, query: Box<Query> },
    Includes { path: Path, negated: bool, values: Vec<String> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) operand: Operand,
    pub(crate) descending: bool,
    pub(crate) nulls_last: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) selected: Vec<Selected>,
    pub(crate) from: Path,
    pub(crate) alias: Option<String>,
    pub(crate) condition: Option<Condition>,
    pub(crate) group_by: Vec<Path>,
    pub(crate) having: Option<Condition>,
    pub(crate) order_by: Vec<Order>,
    pub(crate) limit: Option<usize>,
    pub(crate) offset: usize,
    pub(crate) all_rows: bool,
}
