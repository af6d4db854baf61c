//! OData V2 literals for URLs: key predicates, filters and function parameters.

use std::fmt::Write as _;

use connect::{CallError, ErrorClass};
use model::Value;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::metadata::{Edm, EntityType, Property};
use crate::temporal;

/// What stays readable in a path segment or query value; everything else is percent-encoded.
const READABLE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'(')
    .remove(b')')
    .remove(b'\'')
    .remove(b',')
    .remove(b':')
    .remove(b'$')
    .remove(b'*')
    .remove(b'=');

/// Percent-encodes an expression or literal for a path segment or a query value.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, READABLE).to_string()
}

/// The error for a value that its field cannot hold. Nothing was sent.
pub(crate) fn misfit(field: &str, property: &Property, value: &Value) -> CallError {
    let mut shown = value.to_string();
    if shown.len() > 80 {
        shown = shown.chars().take(80).collect();
        shown.push('…');
    }
    let message = format!("the field `{field}` ({}) cannot hold {shown}", property.vendor_type);
    CallError::new(ErrorClass::Rejected, "value", message)
}

/// Appends the literal of a value, not yet percent-encoded.
///
/// # Errors
/// Rejected when the field cannot hold the value.
pub(crate) fn write(field: &str, property: &Property, value: &Value, out: &mut String) -> Result<(), CallError> {
    let wrong = || misfit(field, property, value);
    if value.is_null() {
        // ABAP texts have no null: an initial text is the empty text.
        out.push_str(if property.edm == Edm::String { "''" } else { "null" });
        return Ok(());
    }
    let number = || -> Result<String, CallError> {
        match value {
            Value::Number(number) => Ok(number.to_string()),
            Value::String(text) if text.parse::<model::Decimal>().is_ok() => Ok(text.to_string()),
            _ => Err(wrong()),
        }
    };
    match &property.edm {
        Edm::String => {
            let text = match value {
                Value::String(text) => text.to_string(),
                Value::Number(number) => number.to_string(),
                _ => return Err(wrong()),
            };
            quote("", &text, out);
        }
        Edm::Decimal => {
            out.push_str(&number()?);
            out.push('m');
        }
        Edm::Int64 => {
            out.push_str(&number()?);
            out.push('L');
        }
        Edm::Double => {
            out.push_str(&number()?);
            out.push('d');
        }
        Edm::Integer => out.push_str(&number()?),
        Edm::Boolean => {
            let _ = write!(out, "{}", value.as_bool().ok_or_else(wrong)?);
        }
        Edm::Date => {
            let date = value.as_str().and_then(temporal::date).ok_or_else(wrong)?;
            let _ = write!(out, "datetime'{date}T00:00:00'");
        }
        Edm::DateTime => {
            out.push_str("datetime'");
            temporal::write_literal_instant(value.as_str().and_then(temporal::instant).ok_or_else(wrong)?, out);
            out.push('\'');
        }
        Edm::DateTimeOffset => {
            out.push_str("datetimeoffset'");
            temporal::write_literal_instant(value.as_str().and_then(temporal::instant).ok_or_else(wrong)?, out);
            out.push_str("Z'");
        }
        Edm::Time => {
            out.push_str("time'");
            if !value.as_str().is_some_and(|text| temporal::write_time(text, out)) {
                return Err(wrong());
            }
            out.push('\'');
        }
        Edm::Guid => {
            let is_guid =
                |text: &&str| text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
            quote("guid", value.as_str().filter(is_guid).ok_or_else(wrong)?, out);
        }
        Edm::Binary | Edm::Complex(_) | Edm::Other => return Err(wrong()),
    }
    Ok(())
}

fn quote(prefix: &str, text: &str, out: &mut String) {
    out.push_str(prefix);
    out.push('\'');
    for character in text.chars() {
        out.push(character);
        if character == '\'' {
            out.push('\'');
        }
    }
    out.push('\'');
}

/// The percent-encoded key predicate `('4711')` or `(Order='4711',Item='10')` from a source of key values.
///
/// # Errors
/// Misconfigured when a part of the key is not given; Rejected when it cannot be the key.
pub(crate) fn key_predicate<'a>(
    entity: &EntityType,
    value_of: impl Fn(&str) -> &'a Value,
) -> Result<String, CallError> {
    let mut text = String::from("(");
    for (index, name) in entity.keys.iter().enumerate() {
        let value = value_of(name);
        if value.is_null() {
            let message = format!("the key of {} needs a value for `{name}`", entity.name);
            return Err(CallError::new(ErrorClass::Misconfigured, "key", message));
        }
        if index > 0 {
            text.push(',');
        }
        if entity.keys.len() > 1 {
            let _ = write!(text, "{name}=");
        }
        write(name, entity.property(name)?, value, &mut text)?;
    }
    text.push(')');
    Ok(encode(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn property(edm: Edm) -> Property {
        Property {
            edm,
            vendor_type: "Edm.Test".into(),
            nullable: true,
            length_max: None,
            scale: None,
            creatable: true,
            updatable: true,
        }
    }

    fn literal(edm: Edm, value: impl Into<Value>) -> String {
        let mut out = String::new();
        write("F", &property(edm), &value.into(), &mut out).map_or_else(|error| error.message, |()| out)
    }

    #[test]
    fn every_type_has_its_literal() {
        assert_eq!(literal(Edm::String, "O'Neill"), "'O''Neill'");
        assert_eq!(literal(Edm::String, 1010), "'1010'");
        assert_eq!(literal(Edm::String, Value::Null), "''");
        assert_eq!(literal(Edm::Decimal, "2.50".parse::<model::Decimal>().expect("a decimal")), "2.50m");
        assert_eq!(literal(Edm::Int64, 5), "5L");
        assert_eq!(literal(Edm::Boolean, true), "true");
        assert_eq!(literal(Edm::Date, "2026-11-23"), "datetime'2026-11-23T00:00:00'");
        assert_eq!(literal(Edm::Date, Value::Null), "null");
        assert_eq!(literal(Edm::DateTimeOffset, "2026-11-23T10:00:00+02:00"), "datetimeoffset'2026-11-23T08:00:00Z'");
        let end = "9999-12-31T23:59:59Z";
        assert_eq!(literal(Edm::DateTimeOffset, end), format!("datetimeoffset'{end}'"), "what has no end");
        assert_eq!(literal(Edm::Time, "13:20:05"), "time'PT13H20M05S'");
        assert_eq!(
            literal(Edm::Guid, "005056a5-09b1-1ee1-b9a8-fec11c21578e"),
            "guid'005056a5-09b1-1ee1-b9a8-fec11c21578e'"
        );
        assert_eq!(literal(Edm::Guid, "x'or'"), "the field `F` (Edm.Test) cannot hold \"x'or'\"");
        assert!(literal(Edm::Date, "tomorrow").starts_with("the field `F`"));
    }

    #[test]
    fn nothing_leaves_the_query_value_it_stands_in() {
        assert_eq!(encode("a eq 'x&y#z+%'"), "a%20eq%20'x%26y%23z%2B%25'");
        assert_eq!(encode("('1/2')"), "('1%2F2')");
    }
}
