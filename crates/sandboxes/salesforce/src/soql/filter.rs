//! Which records a condition takes, and which indexes narrow them down.

use std::cmp::Ordering;
use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::ast::Operator;
use super::resolve::FieldPath;
use crate::cell::{View, ten};
use crate::id::RecordId;
use crate::schema::{Kind, Object, Place};
use crate::store::{Record, Store};

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operand {
    Null,
    Bool(bool),
    Number {
        units: i128,
        scale: u8,
        field_scale: u8,
    },
    /// A date or an instant.
    Whole(i64),
    /// From and before.
    Span(i64, i64),
    Ref(RecordId),
    /// As it came, and in lower case.
    Text {
        exact: String,
        lower: String,
    },
}

impl Operand {
    pub(super) fn text(text: &str) -> Self {
        Self::Text { exact: text.to_owned(), lower: text.to_lowercase() }
    }
}

#[derive(Debug)]
pub(super) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Compare { path: FieldPath, operator: Operator, operand: Operand },
    Like { path: FieldPath, pattern: Vec<Glob> },
    In { path: FieldPath, negated: bool, set: Set },
    Includes { path: FieldPath, negated: bool, values: Vec<String> },
}

/// The values of an IN list.
#[derive(Debug, Default)]
pub(super) struct Set {
    refs: HashSet<RecordId, RandomState>,
    texts: HashSet<String, RandomState>,
    /// As they came, for lookups in indexes that tell the case.
    exact: Vec<String>,
    others: Vec<Operand>,
    null: bool,
}

impl Set {
    pub(super) fn add(&mut self, operand: Operand) {
        match operand {
            Operand::Null => self.null = true,
            Operand::Ref(id) => drop(self.refs.insert(id)),
            Operand::Text { exact, lower } => {
                if self.texts.insert(lower) {
                    self.exact.push(exact);
                }
            }
            other => self.others.push(other),
        }
    }

    fn has(&self, view: View<'_>) -> bool {
        match view {
            View::Null => self.null,
            View::Ref(id) => self.refs.contains(&id),
            View::Text(text) => self.texts.contains(text) || self.texts.contains(&text.to_lowercase()),
            View::Bool(_) | View::Number(_) => {
                self.others.iter().any(|other| order(view, other).is_some_and(Ordering::is_eq))
            }
        }
    }
}

/// A part of a LIKE pattern, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Glob {
    One(char),
    AnyOne,
    Any,
}

/// Reads a LIKE pattern: `%` for any text, `_` for any character, both plain behind `\`.
pub(super) fn glob(pattern: &str) -> Vec<Glob> {
    let mut parts = Vec::new();
    let lower = pattern.to_lowercase();
    let mut characters = lower.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if matches!(characters.peek(), Some('%' | '_')) => parts.extend(characters.next().map(Glob::One)),
            '%' if parts.last() == Some(&Glob::Any) => {}
            '%' => parts.push(Glob::Any),
            '_' => parts.push(Glob::AnyOne),
            other => parts.push(Glob::One(other)),
        }
    }
    parts
}

/// Whether a text fits. The work is at most the product of both lengths.
fn fits(pattern: &[Glob], text: &str) -> bool {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let (mut at, mut next) = (0, 0);
    // Where the latest `%` stood, and what it has swallowed up to.
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(next) {
            Some(Glob::Any) => {
                retry = Some((next, at));
                next += 1;
                continue;
            }
            Some(Glob::AnyOne) => {
                at += 1;
                next += 1;
                continue;
            }
            Some(Glob::One(character)) if *character == text[at] => {
                at += 1;
                next += 1;
                continue;
            }
            _ => {}
        }
        let Some((star, swallowed)) = retry else { return false };
        retry = Some((star, swallowed + 1));
        at = swallowed + 1;
        next = star + 1;
    }
    pattern[next.min(pattern.len())..].iter().all(|part| *part == Glob::Any)
}

/// How a value stands to an operand; `None` when they cannot be compared. A span equals everything within it.
fn order(view: View<'_>, operand: &Operand) -> Option<Ordering> {
    Some(match (view, operand) {
        (View::Bool(value), Operand::Bool(truth)) => value.cmp(truth),
        (View::Number(value), Operand::Whole(whole)) => value.cmp(whole),
        (View::Number(value), Operand::Span(from, to)) => {
            if value < *from {
                Ordering::Less
            } else if value >= *to {
                Ordering::Greater
            } else {
                Ordering::Equal
            }
        }
        (View::Number(value), Operand::Number { units, scale, field_scale }) => {
            let ours = i128::from(value).saturating_mul(ten(scale.saturating_sub(*field_scale)));
            ours.cmp(&units.saturating_mul(ten(field_scale.saturating_sub(*scale))))
        }
        (View::Ref(id), Operand::Ref(other)) => id.cmp(other),
        (View::Text(text), Operand::Text { lower, .. }) => compare_texts(text, lower),
        _ => return None,
    })
}

/// Compares with a text that is in lower case already.
fn compare_texts(text: &str, lower: &str) -> Ordering {
    if text.is_ascii() {
        return text.bytes().map(|byte| byte.to_ascii_lowercase()).cmp(lower.bytes());
    }
    text.to_lowercase().as_str().cmp(lower)
}

pub(super) fn holds(operator: Operator, view: View<'_>, operand: &Operand) -> bool {
    if *operand == Operand::Null || view == View::Null {
        let both = *operand == Operand::Null && view == View::Null;
        return match operator {
            Operator::Equal => both,
            Operator::NotEqual => !both,
            _ => false,
        };
    }
    let order = order(view, operand);
    match operator {
        Operator::Equal => order == Some(Ordering::Equal),
        Operator::NotEqual => order != Some(Ordering::Equal),
        Operator::Less => order == Some(Ordering::Less),
        Operator::LessOrEqual => order.is_some_and(Ordering::is_le),
        Operator::Greater => order == Some(Ordering::Greater),
        Operator::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        Operator::Like => false,
    }
}

impl Filter {
    pub(super) fn takes(&self, store: &Store, object: &Object, id: RecordId, record: &Record) -> bool {
        let view = |path: &FieldPath| path.view(store, object, id, record);
        match self {
            Self::And(filters) => filters.iter().all(|filter| filter.takes(store, object, id, record)),
            Self::Or(filters) => filters.iter().any(|filter| filter.takes(store, object, id, record)),
            Self::Not(filter) => !filter.takes(store, object, id, record),
            Self::Compare { path, operator, operand } => {
                // A field that a missing parent would have is empty.
                holds(*operator, view(path), operand)
            }
            Self::Like { path, pattern } => match view(path) {
                View::Text(text) => fits(pattern, text),
                _ => false,
            },
            Self::In { path, negated, set } => set.has(view(path)) != *negated,
            Self::Includes { path, negated, values } => {
                let View::Text(text) = view(path) else { return *negated };
                let chosen: Vec<&str> = text.split(';').collect();
                // `'a;b'` asks for both.
                let found = values.iter().any(|value| value.split(';').all(|part| chosen.contains(&part)));
                found != *negated
            }
        }
    }

    /// Records among which all that fit are, found by an index; `None` when no index helps.
    pub(super) fn candidates(&self, store: &Store, object: &Object) -> Option<Vec<u32>> {
        let mut found = match self {
            Self::And(filters) => {
                return filters.iter().filter_map(|filter| filter.candidates(store, object)).min_by_key(Vec::len);
            }
            Self::Or(filters) => {
                let mut all = Vec::new();
                for filter in filters {
                    all.extend(filter.candidates(store, object)?);
                }
                all
            }
            Self::Compare { path, operator: Operator::Equal, operand } => {
                lookup(store, object, path, std::slice::from_ref(operand))?
            }
            Self::In { path, negated: false, set } if !set.null && set.others.is_empty() => {
                let mut found = Vec::new();
                for id in &set.refs {
                    found.extend(lookup(store, object, path, &[Operand::Ref(*id)])?);
                }
                for text in &set.exact {
                    found.extend(by_text(store, object, path, text)?);
                }
                found
            }
            _ => return None,
        };
        found.sort_unstable();
        found.dedup();
        Some(found)
    }
}

fn lookup(store: &Store, object: &Object, path: &FieldPath, operands: &[Operand]) -> Option<Vec<u32>> {
    let mut found = Vec::new();
    for operand in operands {
        match operand {
            Operand::Ref(id) => {
                let at = path.own()?;
                let field = object.field(at);
                if field.kind == Kind::Id {
                    let serial = u32::try_from(id.serial()).ok().filter(|_| id.prefix() == object.prefix);
                    found.extend(serial.filter(|serial| *serial > 0));
                } else {
                    field.reference.as_ref()?.index?;
                    found.extend_from_slice(store.referring(object.at, at, *id));
                }
            }
            Operand::Text { exact, .. } => found.extend(by_text(store, object, path, exact)?),
            _ => return None,
        }
    }
    Some(found)
}

fn by_text(store: &Store, object: &Object, path: &FieldPath, text: &str) -> Option<Vec<u32>> {
    let field = object.field(path.own()?);
    // An index that tells the case would miss what a comparison that does not tell it finds.
    if field.case_sensitive || !matches!(field.place, Place::Cell(_)) {
        return None;
    }
    let index = store.table(object.at).texts.get(usize::from(field.text_index?))?;
    Some(index.get(text).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_fit_as_sql_says() {
        for (pattern, text, wanted) in [
            ("a%", "ABC", true),
            ("%c", "ABC", true),
            ("%b%", "ABC", true),
            ("a_c", "abc", true),
            ("a_", "abc", false),
            ("%", "", true),
            ("", "", true),
            ("", "a", false),
            ("100\\%", "100%", true),
            ("100\\%", "1000", false),
            ("%a%b%a%", "xaxbxax", true),
            ("a%a", "a", false),
        ] {
            assert_eq!(fits(&glob(pattern), text), wanted, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn every_text_fits_itself_and_everything(text in "[a-zA-Z ]{0,20}") {
            prop_assert!(fits(&glob(&text), &text));
            prop_assert!(fits(&glob("%"), &text));
        }

        #[test]
        fn long_patterns_end(pattern in "[ab%_]{0,40}", text in "[ab]{0,200}") {
            fits(&glob(&pattern), &text);
        }
    }
}
