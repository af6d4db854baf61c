//! What the tests of workflow documents share: the program in a folder of its own, and hosts for it to call.

#![allow(dead_code, reason = "each test uses its part")]

pub(crate) mod host;
pub(crate) mod program;

use model::{Source, Value};

/// Data written in YAML. Numbers keep their digits.
pub(crate) fn yaml(text: &str) -> Result<Value, String> {
    let source = Source { file: "data".into(), text: text.into() };
    workflow::yaml::parse(&source).map(|node| node.to_value()).map_err(|problems| {
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        format!("{}\n{text}", told.join("\n"))
    })
}

/// The member at a path of names and indexes with dots between them; null where there is none.
pub(crate) fn at_path<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(value, |value, part| match part.parse() {
        Ok(index) if value.as_array().is_some() => value.at(index),
        _ => value.get(part),
    })
}
