//! Where two values differ, member by member.

use model::{Span, Value};
use workflow::yaml::{Kind, Node};

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which member: `expect.lines[0].quantity`.
    pub path: String,
    /// What was expected; `None` for nothing.
    pub expected: Option<Value>,
    /// What came out; `None` for nothing.
    pub got: Option<Value>,
    /// What happened instead, when it is more than another value.
    pub reason: Option<String>,
    /// The place in the file that says what was expected.
    pub span: Span,
}

/// Whether a member that is `null` is the same as one that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// In canonical objects, where reading gives `null` for what a record lacks.
    Absent,
    /// In records, where writing `null` empties a field.
    Written,
}

/// Notes where what came out differs from what stands in the file.
pub(crate) fn compare(
    path: &str,
    expected: &Node,
    span: Span,
    got: &Value,
    nulls: Nulls,
    differences: &mut Vec<Difference>,
) {
    let whole = |differences: &mut Vec<Difference>| {
        differences.push(Difference {
            path: path.to_owned(),
            expected: Some(expected.to_value()),
            got: Some(got.clone()),
            reason: None,
            span,
        });
    };
    match (&expected.kind, got) {
        (Kind::Map(members), Value::Object(found)) => {
            for (key, node) in members {
                let path = format!("{path}.{}", key.name);
                match found.get(&key.name) {
                    Some(value) => compare(&path, node, key.span, value, nulls, differences),
                    None if nulls == Nulls::Absent && is_null(node) => {}
                    None => differences.push(Difference {
                        path,
                        expected: Some(node.to_value()),
                        got: None,
                        reason: None,
                        span: key.span,
                    }),
                }
            }
            let named = |name: &str| members.iter().any(|(key, _)| &*key.name == name);
            for (name, value) in found.iter().filter(|(name, _)| !named(name)) {
                if nulls == Nulls::Written || !is_nothing(value) {
                    differences.push(Difference {
                        path: format!("{path}.{name}"),
                        expected: None,
                        got: Some(value.clone()),
                        reason: None,
                        span,
                    });
                }
            }
        }
        (Kind::List(items), Value::Array(found)) => {
            for (index, node) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                match found.get(index) {
                    Some(value) => compare(&path, node, node.span, value, nulls, differences),
                    None => differences.push(Difference {
                        path,
                        expected: Some(node.to_value()),
                        got: None,
                        reason: None,
                        span: node.span,
                    }),
                }
            }
            for (index, value) in found.iter().enumerate().skip(items.len()) {
                let path = format!("{path}[{index}]");
                differences.push(Difference { path, expected: None, got: Some(value.clone()), reason: None, span });
            }
        }
        _ => {
            if expected.to_value() != *got {
                whole(differences);
            }
        }
    }
}

/// Where two objects differ, of which none stands in the file.
pub(crate) fn compare_values(path: &str, expected: &Value, got: &Value, span: Span, found: &mut Vec<Difference>) {
    match (expected, got) {
        (Value::Object(left), Value::Object(right)) => {
            let names = left.keys().chain(right.keys().filter(|name| !left.contains_key(name)));
            for name in names {
                compare_values(&format!("{path}.{name}"), expected.get(name), got.get(name), span, found);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right.iter()).enumerate() {
                compare_values(&format!("{path}[{index}]"), left, right, span, found);
            }
        }
        _ if expected == got || (is_nothing(expected) && is_nothing(got)) => {}
        _ => found.push(Difference {
            path: path.to_owned(),
            expected: Some(expected.clone()),
            got: Some(got.clone()),
            reason: None,
            span,
        }),
    }
}

fn is_null(node: &Node) -> bool {
    match &node.kind {
        Kind::Scalar(scalar) => scalar.value.is_null(),
        Kind::List(_) => false,
        Kind::Map(members) => members.iter().all(|(_, node)| is_null(node)),
    }
}

/// `null`, an object of nothing but that, or an empty list: what reading gives for what a record lacks.
pub(crate) fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(is_nothing),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
