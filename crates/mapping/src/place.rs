//! Where in nested lists a cell stands, and looking values up along paths.

use model::{Path, Value};

use crate::plan::List;

/// The item of a list in hand, linked to the lists around it. Turned into text only for messages.
pub(crate) struct Place<'a> {
    pub(crate) around: Option<&'a Place<'a>>,
    pub(crate) list: &'a List,
    pub(crate) index: usize,
}

/// A canonical member and a record field with the lists around them.
pub(crate) fn names(place: Option<&Place<'_>>, canonical: &str, record: &str) -> (String, String) {
    let Some(place) = place else { return (canonical.to_owned(), record.to_owned()) };
    let (mut outer_canonical, mut outer_record) =
        names(place.around, &place.list.canonical_text, &place.list.record_text);
    for (outer, inner) in [(&mut outer_canonical, canonical), (&mut outer_record, record)] {
        outer.push_str(&format!("[{}]", place.index));
        if !inner.is_empty() {
            outer.push('.');
            outer.push_str(inner);
        }
    }
    (outer_canonical, outer_record)
}

/// What stands at a path.
pub(crate) enum Found<'a> {
    /// Nothing: a member on the way is not there.
    Absent,
    /// This. `null` on the way gives `null`.
    Value(&'a Value),
    /// Something on the way that has no members.
    Blocked(&'a Value),
}

/// Walks a path, telling an absent member from a `null`.
#[inline]
pub(crate) fn find<'a>(path: &Path, value: &'a Value) -> Found<'a> {
    let mut value = value;
    for name in path.names() {
        match value {
            Value::Object(members) => match members.get(name) {
                Some(member) => value = member,
                None => return Found::Absent,
            },
            Value::Null => return Found::Value(value),
            other => return Found::Blocked(other),
        }
    }
    Found::Value(value)
}
