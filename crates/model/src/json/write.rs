//! Values to JSON text.

use super::plain::plain_length;
use crate::digits::Digits;
use crate::{Number, Value};

/// Compact JSON text.
#[must_use]
pub fn to_string(value: &Value) -> String {
    let mut text = String::with_capacity(512);
    write(value, &mut text);
    text
}

/// Compact JSON bytes.
#[must_use]
pub fn to_vec(value: &Value) -> Vec<u8> {
    to_string(value).into_bytes()
}

/// JSON text with two spaces of indentation, for people.
#[must_use]
pub fn to_string_pretty(value: &Value) -> String {
    let mut text = String::with_capacity(256);
    write_pretty(value, 0, &mut text);
    text
}

/// Appends compact JSON text.
pub fn write(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => write_number(*number, text),
        Value::String(string) => write_string(string, text),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            for (index, (name, member)) in members.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_string(name, text);
                text.push(':');
                write(member, text);
            }
            text.push('}');
        }
    }
}

fn write_number(number: Number, text: &mut String) {
    match number {
        Number::Integer(integer) => {
            if integer < 0 {
                text.push('-');
            }
            text.push_str(Digits::of(u128::from(integer.unsigned_abs())).as_str());
        }
        Number::Decimal(decimal) => {
            // Writing to a String cannot fail.
            let _ = decimal.write_to(text);
        }
    }
}

fn write_pretty(value: &Value, depth: usize, text: &mut String) {
    let indent = |text: &mut String, depth: usize| {
        text.push('\n');
        text.extend(std::iter::repeat_n("  ", depth));
    };
    match value {
        Value::Array(items) if !items.is_empty() => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                indent(text, depth + 1);
                write_pretty(item, depth + 1, text);
            }
            indent(text, depth);
            text.push(']');
        }
        Value::Object(members) if !members.is_empty() => {
            text.push('{');
            for (index, (name, member)) in members.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                indent(text, depth + 1);
                write_string(name, text);
                text.push_str(": ");
                write_pretty(member, depth + 1, text);
            }
            indent(text, depth);
            text.push('}');
        }
        _ => write(value, text),
    }
}

/// Appends a JSON string literal.
pub fn write_string(string: &str, text: &mut String) {
    use std::fmt::Write as _;
    text.push('"');
    let mut rest = string;
    // What has to be escaped is ASCII, so that it stands between characters.
    while let Some((plain, after)) = rest.split_at_checked(plain_length(rest.as_bytes())) {
        text.push_str(plain);
        let Some(byte) = after.bytes().next() else { break };
        match byte {
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\u{byte:04x}");
            }
        }
        rest = after.get(1..).unwrap_or_default();
    }
    text.push('"');
}
