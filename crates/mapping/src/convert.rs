//! Types: what a value has to be, and which spellings of it are understood.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use model::{Decimal, Number, Text, Value};

use crate::definition::{Case, Kind, TooLong};

/// The value as its type wants it, in either direction; `null` and, except for texts, an empty text are `null`. The error is
/// the rule that it breaks.
#[inline]
pub(crate) fn convert(kind: &Kind, value: Value) -> Result<Value, String> {
    match (kind, &value) {
        (_, Value::Null) | (Kind::AsIs, _) | (Kind::Text, Value::String(_)) => Ok(value),
        (Kind::Text, Value::Number(number)) => Ok(Value::from(number.to_string())),
        (Kind::Text, Value::Bool(truth)) => Ok(Value::from(if *truth { "true" } else { "false" })),
        (Kind::Text, _) => Err("a text is wanted".to_owned()),
        (_, Value::String(text)) if text.trim().is_empty() => Ok(Value::Null),
        (Kind::Number | Kind::Decimal, _) => number(&value).map(Value::Number),
        (Kind::Integer, _) => match number(&value).ok().and_then(Number::to_i64) {
            Some(integer) => Ok(Value::from(integer)),
            None => Err("a whole number is wanted".to_owned()),
        },
        (Kind::Boolean, Value::Bool(_)) => Ok(value),
        (Kind::Boolean, Value::String(text)) if &**text == "true" => Ok(Value::Bool(true)),
        (Kind::Boolean, Value::String(text)) if &**text == "false" => Ok(Value::Bool(false)),
        (Kind::Boolean, _) => Err("`true` or `false` is wanted; other words need a value map".to_owned()),
        (Kind::Date, Value::String(text)) => date(text),
        (Kind::Date, _) => Err("a date such as 2026-11-23 is wanted".to_owned()),
        (Kind::Instant, Value::String(text)) => instant(text),
        (Kind::Instant, _) => Err("an instant such as 2026-11-23T09:30:00Z is wanted".to_owned()),
        (Kind::Money(_), _) => amount(&value).map(Value::from),
    }
}

fn number(value: &Value) -> Result<Number, String> {
    let wanted = || "a number is wanted".to_owned();
    match value {
        Value::Number(number) => Ok(*number),
        Value::String(text) => {
            let text = text.trim();
            if let Ok(integer) = text.parse::<i64>() {
                return Ok(Number::Integer(integer));
            }
            Decimal::from_str(text).map(Number::Decimal).map_err(|_| wanted())
        }
        _ => Err(wanted()),
    }
}

/// An exact amount.
pub(crate) fn amount(value: &Value) -> Result<Decimal, String> {
    number(value).map(Number::to_decimal).map_err(|_| "an amount is wanted".to_owned())
}

fn date(text: &Text) -> Result<Value, String> {
    let wrong = || "a date such as 2026-11-23 is wanted".to_owned();
    let trimmed = text.trim();
    let (day, rest) = trimmed.split_at_checked(10).ok_or_else(wrong)?;
    Date::from_str(day).map_err(|_| wrong())?;
    // Systems without a type for dates send midnight; any other time of day would be lost.
    let midnight = rest.strip_prefix("T00:00:00").map(|rest| rest.trim_start_matches(['.', '0', ':', 'Z', '+']));
    match (rest, midnight) {
        ("", _) if trimmed.len() == text.len() => Ok(Value::String(text.clone())),
        ("", _) | (_, Some("")) => Ok(Value::from(day)),
        _ => Err("a date without a time of day is wanted; `type: instant` holds both".to_owned()),
    }
}

fn instant(text: &Text) -> Result<Value, String> {
    match Timestamp::from_str(text.trim()) {
        Ok(instant) => {
            let utc = instant.to_string();
            Ok(if *text == utc { Value::String(text.clone()) } else { Value::from(utc) })
        }
        Err(_) => Err("an instant with its offset, such as 2026-11-23T09:30:00Z, is wanted".to_owned()),
    }
}

/// Without blanks at both ends, when the cell says so.
#[inline]
pub(crate) fn trimmed(value: Value) -> Value {
    match &value {
        Value::String(text) if text.trim().len() != text.len() => Value::from(text.trim()),
        _ => value,
    }
}

/// In the case that the cell asks for.
#[inline]
pub(crate) fn cased(value: Value, case: Option<Case>) -> Value {
    let (Some(case), Value::String(text)) = (case, &value) else { return value };
    let cased = match case {
        Case::Upper => text.to_uppercase(),
        Case::Lower => text.to_lowercase(),
    };
    if cased == **text { value } else { Value::from(cased) }
}

/// Within the cell's length.
#[inline]
pub(crate) fn bounded(value: Value, length: Option<usize>, too_long: TooLong) -> Result<Value, String> {
    let (Some(length), Value::String(text)) = (length, &value) else { return Ok(value) };
    // A character takes at least one byte.
    if text.len() <= length {
        return Ok(value);
    }
    match text.char_indices().nth(length) {
        None => Ok(value),
        Some((end, _)) => match too_long {
            TooLong::Cut => Ok(Value::from(&text[..end])),
            TooLong::Refuse => Err(format!("it has {} characters where {length} are allowed", text.chars().count())),
        },
    }
}
