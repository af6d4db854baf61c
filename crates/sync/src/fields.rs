//! The fields of an object by their paths.

use std::sync::Arc;

use model::{Object, Path, Value};

/// Values by dotted path. A list is one value.
pub type Fields = Object;

/// Whether two values mean the same in a record: systems do not tell an empty text from none.
#[must_use]
pub fn is_same(one: &Value, other: &Value) -> bool {
    (is_empty(one) && is_empty(other)) || one == other
}

/// Whether a value counts as not there: nothing, an empty text, an empty list.
#[must_use]
pub fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// These fields of an object; `null` for those that it lacks.
#[must_use]
pub fn fields_of<'a>(object: &Value, paths: impl IntoIterator<Item = &'a Arc<str>>) -> Fields {
    let value = |path: &Arc<str>| path.parse::<Path>().map_or(Value::Null, |path| path.get(object).clone());
    paths.into_iter().map(|path| (Arc::clone(path), value(path))).collect()
}

/// The object with these fields.
#[must_use]
pub fn object_of(fields: &Fields) -> Value {
    let mut object = Value::empty_object();
    for (path, value) in fields {
        // A path that is none was never declared.
        if let Ok(path) = path.parse::<Path>() {
            path.set(&mut object, value.clone());
        }
    }
    object
}
