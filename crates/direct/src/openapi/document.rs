//! Documents that describe an interface: JSON or YAML, with references within themselves.

use model::{Value, json};

use crate::Failure;
use crate::http::yaml;

/// Most references one after the other.
const REFERENCES_MAX: usize = 16;

/// Reads a document; `what` names its kind in messages.
pub(crate) fn read(text: &str, what: &str) -> Result<Value, Failure> {
    let read = if text.trim_start().starts_with('{') {
        json::parse(text.as_bytes()).map_err(|error| error.to_string())
    } else {
        yaml(text)
    };
    let wrong = |error: &str| Failure::configuration(format!("the {what} document cannot be read: {error}"));
    match read {
        Ok(document) if document.as_object().is_some() => Ok(document),
        Ok(_) => Err(wrong("it is no object")),
        Err(error) => Err(wrong(&error)),
    }
}

/// What stands at a place, with references followed.
///
/// # Errors
/// A sentence, when a reference leads nowhere or to another document.
pub(crate) fn resolve<'a>(root: &'a Value, mut value: &'a Value) -> Result<&'a Value, String> {
    for _ in 0..REFERENCES_MAX {
        let Some(reference) = value.get("$ref").as_str() else { return Ok(value) };
        let Some(pointer) = reference.strip_prefix('#') else {
            return Err(format!("`{reference}` is in another document, which is not followed"));
        };
        value = pointer.split('/').skip(1).try_fold(root, |at, part| {
            let name = percent_encoding::percent_decode_str(part).decode_utf8_lossy();
            let name = name.replace("~1", "/").replace("~0", "~");
            match at {
                Value::Array(_) => name.parse().ok().map(|index| at.at(index)),
                at => at.has(&name).then(|| at.get(&name)),
            }
            .ok_or_else(|| format!("`{reference}` leads nowhere"))
        })?;
    }
    Err("there are too many references one after the other".to_owned())
}
