//! The fields of an object by their paths.

use std::sync::Arc;

use model::{Object, Text, Value};

use crate::shared::Shared;

/// Values by dotted path. A list is one value.
pub type Fields = Shared<Object>;

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
pub fn fields_of<'a, P>(object: &Value, paths: impl IntoIterator<Item = &'a P>) -> Fields
where
    P: Clone + Into<Text> + std::ops::Deref<Target = str> + 'a,
{
    let value = |path: &str| path.split('.').fold(object, |value, name| value.get(name)).clone();
    paths.into_iter().map(|path| (path.clone().into(), value(path))).collect()
}

/// The object with these fields.
#[must_use]
pub fn object_of(fields: &Fields) -> Value {
    let mut object = Value::empty_object();
    for (path, value) in fields {
        if path.contains('.') {
            put(&mut object, path, value.clone());
        } else {
            object.set(path.clone(), value.clone());
        }
    }
    object
}

/// Puts a value at a path, making the objects on the way. Paths are declared, and so are none that could not be taken apart.
fn put(object: &mut Value, path: &str, value: Value) {
    let Some((first, rest)) = path.split_once('.') else {
        object.set(path, value);
        return;
    };
    if !object.has(first) {
        object.set(first, Value::empty_object());
    }
    if let Value::Object(members) = object
        && let Some(inner) = Arc::make_mut(members).get_mut(first)
    {
        put(inner, rest, value);
    }
}
