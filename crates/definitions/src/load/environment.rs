//! `${NAME}` and `${NAME:-default}` in the scalars of a file.

use model::Span;
use workflow::yaml::Node;

use super::reader::Reader;

/// Puts the environment into all scalars of a tree. Gives the places where that was not possible.
pub(super) fn fill(reader: Reader<'_>, node: &mut Node, environment: &dyn Fn(&str) -> Option<String>) -> Vec<Span> {
    let mut failed = Vec::new();
    node.replace_scalars(&mut |scalar, span| {
        if !scalar.text.contains("${") {
            return None;
        }
        match replace(&scalar.text, environment) {
            Ok(text) => Some(text),
            Err(Unfilled::Unset(_)) if reader.findings.unset.is_some() => {
                reader.unset(span);
                failed.push(span);
                None
            }
            Err(Unfilled::Unset(name)) => {
                let message = format!("the environment variable {name} is not set");
                let help = format!("set it, or give a default: `${{{name}:-default}}`");
                reader.error_with(span, "IL-DEF-009", message, help);
                failed.push(span);
                None
            }
            Err(Unfilled::Malformed) => {
                let help = "write `${NAME}` or `${NAME:-default}`";
                reader.error_with(span, "IL-DEF-009", "this names no environment variable", help);
                failed.push(span);
                None
            }
        }
    });
    failed
}

/// Why a text cannot be filled.
#[derive(Debug, PartialEq)]
pub(super) enum Unfilled {
    Unset(String),
    Malformed,
}

pub(super) fn replace(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<String, Unfilled> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (inside, after) = after.split_once('}').ok_or(Unfilled::Malformed)?;
        let (name, default) = inside.split_once(":-").map_or((inside, None), |(name, value)| (name, Some(value)));
        let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
        if !is_name {
            return Err(Unfilled::Malformed);
        }
        let value = match (environment(name), default) {
            (Some(value), Some(default)) if value.is_empty() => default.to_owned(),
            (Some(value), _) => value,
            (None, Some(default)) => default.to_owned(),
            (None, None) => return Err(Unfilled::Unset(name.to_owned())),
        };
        filled.push_str(before);
        filled.push_str(&value);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_and_defaults_used() {
        let environment = |name: &str| match name {
            "HOST" => Some("crm".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let filled = |text: &str| replace(text, &environment);
        assert_eq!(filled("https://${HOST}/${P:-x}").as_deref(), Ok("https://crm/x"));
        assert_eq!(filled("${NONE:-}${EMPTY:-d}${EMPTY}").as_deref(), Ok("d"));
        assert_eq!(filled("${NONE}"), Err(Unfilled::Unset("NONE".to_owned())));
        for wrong in ["${HOST", "${}", "${a b}", "${1}"] {
            assert_eq!(filled(wrong), Err(Unfilled::Malformed), "{wrong}");
        }
    }
}
