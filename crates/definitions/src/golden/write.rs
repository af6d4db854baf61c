//! Values as YAML that a person would write.

use std::fmt::Write as _;

use model::{Object, Source, Value, json};
use workflow::yaml;

/// Longest list or object that stands on one line, in characters.
const LINE_MAX: usize = 60;

/// A value behind the colon of a member that is indented by so many blanks: on the same line, or on lines of its own.
pub(crate) fn member(value: &Value, indent: usize) -> String {
    let mut text = String::new();
    behind_colon(value, indent, &mut text);
    text
}

fn behind_colon(value: &Value, indent: usize, text: &mut String) {
    match inline(value) {
        Some(line) => {
            text.push(' ');
            text.push_str(&line);
        }
        None => {
            text.push('\n');
            block(value, indent + 2, text);
        }
    }
}

/// What does not fit a line, each member or item on its own; without a line break at the end.
fn block(value: &Value, indent: usize, text: &mut String) {
    let blanks = " ".repeat(indent);
    match value {
        Value::Object(members) => {
            for (index, (name, member)) in members.iter().enumerate() {
                let line = if index > 0 { format!("\n{blanks}") } else { blanks.clone() };
                text.push_str(&line);
                text.push_str(&scalar(&Value::String(name.clone())));
                text.push(':');
                behind_colon(member, indent, text);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let line = if index > 0 { format!("\n{blanks}- ") } else { format!("{blanks}- ") };
                text.push_str(&line);
                match inline(item) {
                    Some(line) => text.push_str(&line),
                    None => {
                        let mut inner = String::new();
                        block(item, indent + 2, &mut inner);
                        text.push_str(inner.trim_start_matches(' '));
                    }
                }
            }
        }
        one => text.push_str(&format!("{blanks}{}", scalar(one))),
    }
}

/// What stands on one line: a scalar, what is empty, and what is short and holds only scalars.
fn inline(value: &Value) -> Option<String> {
    let short = |line: String| (line.chars().count() <= LINE_MAX).then_some(line);
    match value {
        Value::Object(members) if members.is_empty() => Some("{}".to_owned()),
        Value::Array(items) if items.is_empty() => Some("[]".to_owned()),
        Value::Object(members) => {
            let mut line = String::from("{ ");
            for (index, (name, member)) in members.iter().enumerate() {
                let separator = if index > 0 { ", " } else { "" };
                let name = scalar(&Value::String(name.clone()));
                // Writing into a text does not fail.
                let _ = write!(line, "{separator}{name}: {}", flat(member)?);
            }
            short(line + " }")
        }
        Value::Array(items) => {
            let items = items.iter().map(flat).collect::<Option<Vec<_>>>()?;
            short(format!("[{}]", items.join(", ")))
        }
        one => Some(scalar(one)),
    }
}

fn flat(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) if !items.is_empty() => None,
        Value::Object(members) if !members.is_empty() => None,
        other => inline(other),
    }
}

/// A scalar: without quotes where that is certain to be read as the same text, in double quotes otherwise.
pub(crate) fn scalar(value: &Value) -> String {
    let Value::String(text) = value else { return json::to_string(value) };
    let simple = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-' | ' ' | '.' | '/');
    let begins = text.chars().next().is_some_and(char::is_alphanumeric);
    if begins && !text.ends_with(' ') && text.len() <= 200 && text.chars().all(simple) {
        let read = yaml::parse(&Source { file: "".into(), text: text.clone().into() });
        if read.is_ok_and(|node| node.to_value() == *value) {
            return text.to_string();
        }
    }
    json::to_string(value)
}

/// A value without the members that say nothing, as canonical objects have them of what a record lacks.
pub(crate) fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::array(items.iter().map(without_nulls)),
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, member)| !super::compare::is_nothing(member));
            Value::from(kept.map(|(name, member)| (name.clone(), without_nulls(member))).collect::<Object>())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_the_same() {
        let hard = r#"{"a":"NO","b":"010","c":"x: y # z","d":["1",1,1.50,true,"true",null,"","- a"],"e":{},"f":[],"g":"line\nbreak",
            "h":{"i":{"j":[{"k":1,"l":[{"m":"n"}]},{"k":2},[]]}},"long":["0123456789012345678901234567890123456789","01234567890123456789x"],
            "1":"a\"b\\c","ö ü":"~","end ":"2026-11-23"}"#;
        let value = json::parse(hard.as_bytes()).expect("JSON");
        let text = format!("x:{}\n", member(&value, 0));
        let read = yaml::parse(&Source { file: "x".into(), text: text.as_str().into() }).expect("YAML").to_value();
        assert_eq!(read.get("x").to_string(), value.to_string(), "{text}");
    }
}
