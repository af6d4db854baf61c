//! The values of properties: kept ones, and borrowed ones on their way out.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::fixed::{Amount, Rate, write_digits};
use super::literal::Literal;
use super::time;

/// A property value that is kept.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Value {
    /// None given.
    #[default]
    Null,
    /// Edm.String.
    Text(Box<str>),
    /// Edm.Decimal with up to three digits behind the point.
    Amount(Amount),
    /// Edm.Decimal with more.
    Rate(Rate),
    /// Edm.DateTime, milliseconds since 1970.
    Date(i64),
    /// Edm.DateTimeOffset, milliseconds since 1970.
    Instant(i64),
    /// Edm.Time, seconds since midnight.
    Time(u32),
    /// Edm.Boolean.
    Bool(bool),
    /// Edm.Int32 and its relatives.
    Int(i64),
    /// Edm.Guid.
    Guid(u128),
}

impl Value {
    /// A text.
    pub(crate) fn text(text: impl Into<Box<str>>) -> Self {
        Self::Text(text.into())
    }

    /// Borrowed, for output and comparison.
    #[must_use]
    pub(crate) fn cell(&self) -> Cell<'_> {
        match self {
            Self::Null => Cell::Null,
            Self::Text(text) => Cell::Text(text),
            Self::Amount(amount) => Cell::Amount(*amount),
            Self::Rate(rate) => Cell::Rate(*rate),
            Self::Date(instant) => Cell::Date(*instant),
            Self::Instant(instant) => Cell::Instant(*instant),
            Self::Time(seconds) => Cell::Time(*seconds),
            Self::Bool(flag) => Cell::Bool(*flag),
            Self::Int(number) => Cell::Int(*number),
            Self::Guid(guid) => Cell::Guid(*guid),
        }
    }

    /// The text, when it is one and not empty.
    #[must_use]
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }
}

/// A property value on its way out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell<'a> {
    /// `null`.
    Null,
    /// Edm.String.
    Text(&'a str),
    /// An Edm.String that holds a document or item number, without leading zeros.
    Number(u64),
    /// Money: at least two digits behind the point.
    Money(Amount),
    /// A quantity: no needless digits.
    Amount(Amount),
    /// A rate: all nine digits, as Gateway writes them.
    Rate(Rate),
    /// Edm.DateTime.
    Date(i64),
    /// Edm.DateTimeOffset.
    Instant(i64),
    /// Edm.Time.
    Time(u32),
    /// Edm.Boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Edm.Guid.
    Guid(u128),
}

impl<'a> Cell<'a> {
    /// A date that may be missing.
    #[must_use]
    pub(crate) fn date(date: Option<i64>) -> Self {
        date.map_or(Cell::Null, Cell::Date)
    }

    /// Appends the JSON form of V2.
    pub(crate) fn write_json(self, out: &mut Vec<u8>) {
        match self {
            Cell::Null => out.extend_from_slice(b"null"),
            Cell::Text(text) => write_json_text(text, out),
            Cell::Number(number) => {
                out.push(b'"');
                write_digits(number, 1, out);
                out.push(b'"');
            }
            Cell::Money(amount) => quoted(out, |out| amount.write(2, out)),
            Cell::Amount(amount) => quoted(out, |out| amount.write(0, out)),
            Cell::Rate(rate) => quoted(out, |out| rate.write(9, out)),
            Cell::Date(instant) => {
                out.extend_from_slice(b"\"\\/Date(");
                out.extend_from_slice(instant.to_string().as_bytes());
                out.extend_from_slice(b")\\/\"");
            }
            Cell::Instant(instant) => {
                out.extend_from_slice(b"\"\\/Date(");
                out.extend_from_slice(instant.to_string().as_bytes());
                out.extend_from_slice(b"+0000)\\/\"");
            }
            Cell::Time(seconds) => quoted(out, |out| time::write_duration(seconds, out)),
            Cell::Bool(flag) => out.extend_from_slice(if flag { b"true" } else { b"false" }),
            Cell::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Cell::Guid(guid) => quoted(out, |out| write_guid(guid, out)),
        }
    }

    /// Appends the URI literal: what stands in a key predicate or an ETag.
    pub(crate) fn write_literal(self, out: &mut Vec<u8>) {
        match self {
            Cell::Null => out.extend_from_slice(b"null"),
            Cell::Text(text) => {
                out.push(b'\'');
                for byte in text.bytes() {
                    match byte {
                        b'\'' => out.extend_from_slice(b"''"),
                        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'*' | b'!' => {
                            out.push(byte)
                        }
                        _ => {
                            out.push(b'%');
                            for nibble in [byte >> 4, byte & 15] {
                                out.push(b"0123456789ABCDEF"[usize::from(nibble)]);
                            }
                        }
                    }
                }
                out.push(b'\'');
            }
            Cell::Number(number) => {
                out.push(b'\'');
                write_digits(number, 1, out);
                out.push(b'\'');
            }
            Cell::Money(amount) | Cell::Amount(amount) => {
                amount.write(0, out);
                out.push(b'M');
            }
            Cell::Rate(rate) => {
                rate.write(0, out);
                out.push(b'M');
            }
            Cell::Date(instant) => {
                out.extend_from_slice(b"datetime'");
                time::write_iso(instant, false, out);
                out.push(b'\'');
            }
            Cell::Instant(instant) => {
                out.extend_from_slice(b"datetimeoffset'");
                time::write_iso(instant, true, out);
                out.extend_from_slice(b"Z'");
            }
            Cell::Time(seconds) => {
                out.extend_from_slice(b"time'");
                time::write_duration(seconds, out);
                out.push(b'\'');
            }
            Cell::Bool(flag) => out.extend_from_slice(if flag { b"true" } else { b"false" }),
            Cell::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Cell::Guid(guid) => {
                out.extend_from_slice(b"guid'");
                write_guid(guid, out);
                out.push(b'\'');
            }
        }
    }

    /// As text, for text functions; `None` for what is not a string.
    #[must_use]
    pub(crate) fn to_text(self) -> Option<Cow<'a, str>> {
        match self {
            Cell::Text(text) => Some(text.into()),
            Cell::Number(number) => Some(number.to_string().into()),
            _ => None,
        }
    }

    /// How it compares with a literal; `None` when the two cannot be compared.
    #[must_use]
    pub(crate) fn compare(self, literal: &Literal) -> Option<Ordering> {
        match (self, literal) {
            (Cell::Null, Literal::Null) => Some(Ordering::Equal),
            // An initial value of ABAP is an empty text: clients ask for both.
            (Cell::Null, Literal::Text(text)) if text.is_empty() => Some(Ordering::Equal),
            (Cell::Text(text), Literal::Text(other)) => Some(text.cmp(other)),
            (Cell::Number(number), Literal::Text(other)) => {
                // Document numbers are kept with leading zeros in ABAP: '0000000042' and '42' are the same.
                let digits = !other.is_empty() && other.bytes().all(|byte| byte.is_ascii_digit());
                if digits {
                    Some(number.cmp(&other.parse().ok()?))
                } else {
                    Some(number.to_string().as_str().cmp(other))
                }
            }
            (Cell::Money(amount) | Cell::Amount(amount), Literal::Number(number)) => {
                Some((i128::from(amount.units()) * 1_000_000).cmp(number))
            }
            (Cell::Rate(rate), Literal::Number(number)) => Some(i128::from(rate.units()).cmp(number)),
            (Cell::Int(int), Literal::Number(number)) => Some((i128::from(int) * 1_000_000_000).cmp(number)),
            (Cell::Date(instant) | Cell::Instant(instant), Literal::Date(other) | Literal::Instant(other)) => {
                Some(instant.cmp(other))
            }
            (Cell::Time(seconds), Literal::Time(other)) => Some(seconds.cmp(other)),
            (Cell::Bool(flag), Literal::Bool(other)) => Some(flag.cmp(other)),
            (Cell::Guid(guid), Literal::Guid(other)) => Some(guid.cmp(other)),
            _ => None,
        }
    }

    /// Order of two values of the same property; missing ones come first.
    #[must_use]
    pub(crate) fn order(self, other: Cell<'_>) -> Ordering {
        match (self, other) {
            (Cell::Null, Cell::Null) => Ordering::Equal,
            (Cell::Null, _) => Ordering::Less,
            (_, Cell::Null) => Ordering::Greater,
            (Cell::Text(a), Cell::Text(b)) => a.cmp(b),
            (Cell::Number(a), Cell::Number(b)) => a.cmp(&b),
            (Cell::Money(a) | Cell::Amount(a), Cell::Money(b) | Cell::Amount(b)) => a.cmp(&b),
            (Cell::Rate(a), Cell::Rate(b)) => a.cmp(&b),
            (Cell::Date(a) | Cell::Instant(a), Cell::Date(b) | Cell::Instant(b)) => a.cmp(&b),
            (Cell::Time(a), Cell::Time(b)) => a.cmp(&b),
            (Cell::Bool(a), Cell::Bool(b)) => a.cmp(&b),
            (Cell::Int(a), Cell::Int(b)) => a.cmp(&b),
            (Cell::Guid(a), Cell::Guid(b)) => a.cmp(&b),
            _ => Ordering::Equal,
        }
    }
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

/// Appends a GUID with its hyphens.
fn write_guid(guid: u128, out: &mut Vec<u8>) {
    out.extend_from_slice(uuid::Uuid::from_u128(guid).to_string().as_bytes());
}

/// Appends a JSON string.
pub(crate) fn write_json_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut start = 0;
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[start..at]);
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
        start = at + 1;
    }
    out.extend_from_slice(&bytes[start..]);
    out.push(b'"');
}
