//! `$filter`: from text to an expression over properties, and whether a row satisfies it.

use std::cmp::Ordering;

use super::edm::{Edm, EntityType, Service, without_zeros};
use super::error::Error;
use super::literal::Literal;
use super::shape::Row;
use super::value::Cell;

/// How deeply an expression may be nested.
const DEPTH_MAX: usize = 60;
/// Most terms of an expression.
const TERMS_MAX: usize = 2_000;

/// How two operands are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    /// `eq`
    Equal,
    /// `ne`
    NotEqual,
    /// `gt`
    Greater,
    /// `ge`
    GreaterOrEqual,
    /// `lt`
    Less,
    /// `le`
    LessOrEqual,
}

/// A function of two texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    /// `startswith(text, start)`
    Start,
    /// `endswith(text, end)`
    End,
    /// `substringof(part, text)`
    Part,
}

/// A change of a text before it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// As it is.
    None,
    /// `tolower(…)`
    Lower,
    /// `toupper(…)`
    Upper,
    /// `trim(…)`
    Trim,
    /// `length(…)`
    Length,
}

/// A property, reached by navigation to single entities.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Path {
    /// The navigations on the way.
    pub(crate) navigations: Vec<usize>,
    /// The property.
    pub(crate) property: usize,
    /// What is done to its value.
    pub(crate) change: Change,
}

/// An expression that is true or false for a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Filter {
    /// Any of them.
    Or(Vec<Filter>),
    /// All of them.
    And(Vec<Filter>),
    /// The opposite.
    Not(Box<Filter>),
    /// A property against a literal.
    Compare(Path, Operator, Literal),
    /// A property against a property.
    Between(Path, Operator, Path),
    /// A text function.
    Match(Match, Path, String),
    /// A boolean property.
    Flag(Path),
    /// `true` or `false`.
    Constant(bool),
}

impl Filter {
    /// Reads an expression about entities of a type.
    ///
    /// # Errors
    /// When it does not follow the grammar, names an unknown property, or compares what cannot be compared.
    pub(crate) fn read(text: &str, entity: &EntityType, service: &Service) -> Result<Self, Error> {
        let mut reader = Reader { text, at: 0, entity, service, terms: 0 };
        let filter = reader.or(0)?;
        reader.blank();
        if reader.at < text.len() {
            return Err(reader.wrong());
        }
        Ok(filter)
    }

    /// Whether a row satisfies it.
    pub(crate) fn accepts<'a, R: Row<'a>>(&self, row: R) -> bool {
        match self {
            Self::Or(terms) => terms.iter().any(|term| term.accepts(row)),
            Self::And(terms) => terms.iter().all(|term| term.accepts(row)),
            Self::Not(term) => !term.accepts(row),
            Self::Constant(value) => *value,
            Self::Flag(path) => path.with(row, |cell| cell == Cell::Bool(true)),
            Self::Compare(path, operator, literal) => path.with(row, |cell| match path.change {
                Change::None => operator.holds(cell.compare(literal)),
                Change::Length => {
                    let length = cell.to_text().map_or(0, |text| text.chars().count());
                    operator.holds(Cell::Int(i64::try_from(length).unwrap_or(i64::MAX)).compare(literal))
                }
                change => {
                    let text = change.apply(cell);
                    operator.holds(Cell::Text(&text).compare(literal))
                }
            }),
            Self::Between(left, operator, right) => {
                left.with(row, |left| right.with(row, |right| operator.holds(Some(left.order(right)))))
            }
            Self::Match(kind, path, part) => path.with(row, |cell| {
                let text = path.change.apply(cell);
                match kind {
                    Match::Start => text.starts_with(part.as_str()),
                    Match::End => text.ends_with(part.as_str()),
                    Match::Part => text.contains(part.as_str()),
                }
            }),
        }
    }

    /// The only values that a property can have in a row that satisfies this, when the expression says so: what an index is
    /// asked for.
    #[must_use]
    pub(crate) fn pinned(&self, property: usize) -> Option<Vec<&Literal>> {
        match self {
            Self::Compare(path, Operator::Equal, literal)
                if path.property == property && path.navigations.is_empty() && path.change == Change::None =>
            {
                Some(vec![literal])
            }
            Self::And(terms) => terms.iter().find_map(|term| term.pinned(property)),
            Self::Or(terms) => {
                let mut all = Vec::with_capacity(terms.len());
                for term in terms {
                    all.extend(term.pinned(property)?);
                }
                Some(all)
            }
            _ => None,
        }
    }
}

impl Operator {
    fn holds(self, order: Option<Ordering>) -> bool {
        match (self, order) {
            (Self::NotEqual, None) => true,
            (_, None) => false,
            (Self::Equal, Some(order)) => order.is_eq(),
            (Self::NotEqual, Some(order)) => order.is_ne(),
            (Self::Greater, Some(order)) => order.is_gt(),
            (Self::GreaterOrEqual, Some(order)) => order.is_ge(),
            (Self::Less, Some(order)) => order.is_lt(),
            (Self::LessOrEqual, Some(order)) => order.is_le(),
        }
    }

    /// The operator with its sides exchanged.
    const fn mirrored(self) -> Self {
        match self {
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            same => same,
        }
    }
}

impl Change {
    fn apply(self, cell: Cell<'_>) -> String {
        let text = cell.to_text().unwrap_or_default();
        match self {
            Self::Lower => text.to_lowercase(),
            Self::Upper => text.to_uppercase(),
            Self::Trim => text.trim().to_owned(),
            Self::None | Self::Length => text.into_owned(),
        }
    }
}

impl Path {
    /// The value at the end of the path; `Null` when an entity on the way is missing.
    fn with<'a, R: Row<'a>>(&self, row: R, test: impl FnOnce(Cell<'a>) -> bool) -> bool {
        let mut row = row;
        for navigation in &self.navigations {
            let mut related = Vec::new();
            row.related(*navigation, &mut related);
            match related.first() {
                Some(next) => row = *next,
                None => return test(Cell::Null),
            }
        }
        test(row.cell(self.property))
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    entity: &'a EntityType,
    service: &'a Service,
    terms: usize,
}

enum Operand<'a> {
    Path(Path, &'a EntityType),
    Literal(Literal),
}

impl<'a> Reader<'a> {
    fn wrong(&self) -> Error {
        Error::syntax(format!("Invalid token detected at position {} in the filter expression", self.at))
    }

    fn blank(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches([' ', '\t']).len();
    }

    /// Takes a keyword that is followed by something else than a letter.
    fn keyword(&mut self, word: &str) -> bool {
        self.blank();
        let rest = &self.text[self.at..];
        let taken = rest.starts_with(word)
            && !rest[word.len()..]
                .starts_with(|char: char| char.is_ascii_alphanumeric() || char == '_' || char == '\'');
        if taken {
            self.at += word.len();
        }
        taken
    }

    fn sign(&mut self, sign: char) -> bool {
        self.blank();
        let taken = self.text[self.at..].starts_with(sign);
        if taken {
            self.at += sign.len_utf8();
        }
        taken
    }

    fn or(&mut self, depth: usize) -> Result<Filter, Error> {
        let first = self.and(depth)?;
        let mut terms = vec![first];
        while self.keyword("or") {
            terms.push(self.and(depth)?);
        }
        Ok(if terms.len() == 1 { terms.remove(0) } else { Filter::Or(terms) })
    }

    fn and(&mut self, depth: usize) -> Result<Filter, Error> {
        let first = self.term(depth)?;
        let mut terms = vec![first];
        while self.keyword("and") {
            terms.push(self.term(depth)?);
        }
        Ok(if terms.len() == 1 { terms.remove(0) } else { Filter::And(terms) })
    }

    fn term(&mut self, depth: usize) -> Result<Filter, Error> {
        self.terms += 1;
        if depth > DEPTH_MAX || self.terms > TERMS_MAX {
            return Err(Error::syntax("The filter expression is too complex"));
        }
        if self.keyword("not") {
            return Ok(Filter::Not(Box::new(self.term(depth + 1)?)));
        }
        if self.sign('(') {
            let inner = self.or(depth + 1)?;
            return if self.sign(')') { self.flagged(inner) } else { Err(self.wrong()) };
        }
        for (name, kind) in [("startswith", Match::Start), ("endswith", Match::End), ("substringof", Match::Part)] {
            if self.keyword(name) {
                let matched = self.matching(kind)?;
                return self.flagged(matched);
            }
        }
        self.comparison()
    }

    /// A boolean term may be compared with `true` or `false`.
    fn flagged(&mut self, term: Filter) -> Result<Filter, Error> {
        let before = self.at;
        let Some(operator) = self.operator() else { return Ok(term) };
        let wanted = if self.keyword("true") {
            true
        } else if self.keyword("false") {
            false
        } else {
            self.at = before;
            return Err(self.wrong());
        };
        match operator {
            Operator::Equal => Ok(if wanted { term } else { Filter::Not(Box::new(term)) }),
            Operator::NotEqual => Ok(if wanted { Filter::Not(Box::new(term)) } else { term }),
            _ => Err(self.wrong()),
        }
    }

    fn matching(&mut self, kind: Match) -> Result<Filter, Error> {
        if !self.sign('(') {
            return Err(self.wrong());
        }
        let first = self.operand()?;
        if !self.sign(',') {
            return Err(self.wrong());
        }
        let second = self.operand()?;
        if !self.sign(')') {
            return Err(self.wrong());
        }
        // `substringof` has the part first, the others have it last.
        let (text, part) = if kind == Match::Part { (second, first) } else { (first, second) };
        match (text, part) {
            (Operand::Path(path, entity), Operand::Literal(Literal::Text(mut part))) => {
                let property = &entity.properties[path.property];
                if property.edm != Edm::String || path.change == Change::Length {
                    return Err(self.wrong());
                }
                if property.upper && path.change == Change::None {
                    part = part.to_uppercase();
                }
                Ok(Filter::Match(kind, path, part))
            }
            _ => Err(Error::syntax("Text functions of a filter take a property and a text")),
        }
    }

    fn operator(&mut self) -> Option<Operator> {
        let all = [
            ("eq", Operator::Equal),
            ("ne", Operator::NotEqual),
            ("gt", Operator::Greater),
            ("ge", Operator::GreaterOrEqual),
            ("lt", Operator::Less),
            ("le", Operator::LessOrEqual),
        ];
        all.into_iter().find(|(word, _)| self.keyword(word)).map(|(_, operator)| operator)
    }

    fn comparison(&mut self) -> Result<Filter, Error> {
        let left = self.operand()?;
        let Some(operator) = self.operator() else {
            return match left {
                Operand::Literal(Literal::Bool(value)) => Ok(Filter::Constant(value)),
                Operand::Path(path, entity) if entity.properties[path.property].edm == Edm::Boolean => {
                    Ok(Filter::Flag(path))
                }
                _ => Err(self.wrong()),
            };
        };
        let right = self.operand()?;
        match (left, right) {
            (Operand::Path(path, entity), Operand::Literal(literal)) => compared(path, entity, operator, literal),
            (Operand::Literal(literal), Operand::Path(path, entity)) => {
                compared(path, entity, operator.mirrored(), literal)
            }
            (Operand::Path(left, of_left), Operand::Path(right, of_right)) => {
                let same = of_left.properties[left.property].edm == of_right.properties[right.property].edm;
                let plain = left.change == Change::None && right.change == Change::None;
                if same && plain { Ok(Filter::Between(left, operator, right)) } else { Err(incompatible()) }
            }
            (Operand::Literal(left), Operand::Literal(right)) => match operator {
                Operator::Equal => Ok(Filter::Constant(left == right)),
                Operator::NotEqual => Ok(Filter::Constant(left != right)),
                _ => Err(incompatible()),
            },
        }
    }

    fn operand(&mut self) -> Result<Operand<'a>, Error> {
        self.blank();
        let rest = &self.text[self.at..];
        if let Some((literal, used)) = Literal::read(rest) {
            self.at += used;
            return Ok(Operand::Literal(literal));
        }
        let word = rest.find(|char: char| !(char.is_ascii_alphanumeric() || "_/".contains(char))).unwrap_or(rest.len());
        let name = &rest[..word];
        if name.is_empty() {
            return Err(self.wrong());
        }
        if rest[word..].starts_with('(') {
            let change = match name {
                "tolower" => Change::Lower,
                "toupper" => Change::Upper,
                "trim" => Change::Trim,
                "length" => Change::Length,
                _ => {
                    return Err(Error::new(
                        501,
                        "005056A509B11EE1B9A8FEC11C22978E",
                        format!("Function '{name}' is not supported"),
                    ));
                }
            };
            self.at += word + 1;
            let Operand::Path(mut path, entity) = self.plain_path()? else { return Err(self.wrong()) };
            if entity.properties[path.property].edm != Edm::String {
                return Err(incompatible());
            }
            path.change = change;
            return if self.sign(')') { Ok(Operand::Path(path, entity)) } else { Err(self.wrong()) };
        }
        self.plain_path()
    }

    fn plain_path(&mut self) -> Result<Operand<'a>, Error> {
        self.blank();
        let rest = &self.text[self.at..];
        let word = rest.find(|char: char| !(char.is_ascii_alphanumeric() || "_/".contains(char))).unwrap_or(rest.len());
        let mut entity = self.entity;
        let mut navigations = Vec::new();
        let mut names = rest[..word].split('/').peekable();
        let mut last = "";
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                last = name;
                break;
            }
            let place = entity.navigation(name).ok_or_else(|| Error::no_property(name, &entity.full_name))?;
            if entity.navigations[place].many || navigations.len() >= 4 {
                return Err(Error::syntax(format!("'{name}' leads to many entities and cannot be filtered by")));
            }
            navigations.push(place);
            entity = self.service.target(&entity.navigations[place]);
        }
        let property = entity.property(last).ok_or_else(|| Error::no_property(last, &entity.full_name))?;
        if !entity.properties[property].filterable {
            return Err(Error::syntax(format!("Property '{last}' is not filterable")));
        }
        self.at += word;
        Ok(Operand::Path(Path { navigations, property, change: Change::None }, entity))
    }
}

fn incompatible() -> Error {
    Error::syntax("The operator is not compatible with the types of its operands")
}

fn compared(path: Path, entity: &EntityType, operator: Operator, mut literal: Literal) -> Result<Filter, Error> {
    let property = &entity.properties[path.property];
    if path.change == Change::Length {
        return match literal {
            Literal::Number(_) => Ok(Filter::Compare(path, operator, literal)),
            _ => Err(incompatible()),
        };
    }
    let fits = matches!(
        (&literal, property.edm),
        (Literal::Null, _)
            | (Literal::Text(_), Edm::String)
            | (Literal::Number(_), Edm::Decimal | Edm::Int32)
            | (Literal::Date(_) | Literal::Instant(_), Edm::DateTime | Edm::DateTimeOffset)
            | (Literal::Time(_), Edm::Time)
            | (Literal::Bool(_), Edm::Boolean)
            | (Literal::Guid(_), Edm::Guid)
    );
    if !fits {
        return Err(incompatible().at(property.name));
    }
    if path.change == Change::None
        && let Literal::Text(text) = &mut literal
    {
        if property.upper && text.bytes().any(|byte| byte.is_ascii_lowercase() || !byte.is_ascii()) {
            *text = text.to_uppercase();
        }
        if property.range && text.starts_with('0') {
            *text = without_zeros(text).to_owned();
        }
    }
    Ok(Filter::Compare(path, operator, literal))
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
