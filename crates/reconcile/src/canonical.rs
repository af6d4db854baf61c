//! The form in which what two rows hold is the same text when it means the same.

use model::{Number, Value, json};
use sha2::{Digest, Sha256};
use sync::is_empty;

/// A hash of what a row holds.
pub(crate) type RowHash = [u8; 16];

/// Adds the canonical form of one member.
pub(crate) fn write_member(value: &Value, text: &mut String) {
    if is_empty(value) {
        text.push_str("null");
    } else {
        write(value, text);
    }
    text.push(',');
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Number(Number::Decimal(decimal)) => {
            use std::fmt::Write as _;
            // Writing into a string does not fail.
            let _ = write!(text, "{}", decimal.normalized());
        }
        Value::Array(items) => {
            text.push('[');
            for item in items.iter() {
                write(item, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            text.push('{');
            for (name, member) in sorted {
                json::write_string(name, text);
                text.push(':');
                write(member, text);
                text.push(',');
            }
            text.push('}');
        }
        other => json::write(other, text),
    }
}

/// The first half of SHA-256: two rows that differ and have the same one are not to be expected before 2^64 rows.
pub(crate) fn hash(text: &str) -> RowHash {
    let digest = Sha256::digest(text.as_bytes());
    let mut hash = RowHash::default();
    for (to, from) in hash.iter_mut().zip(digest) {
        *to = from;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> String {
        let mut form = String::new();
        write_member(&json::parse(text.as_bytes()).expect("JSON"), &mut form);
        form
    }

    #[test]
    fn what_means_the_same_is_the_same_text() {
        for same in [
            ["2.50", "2.5"],
            ["7", "7.00"],
            ["1e3", "1000"],
            ["0", "-0.0"],
            ["1e60", "10e59"],
            ["null", "\"\""],
            ["[]", "null"],
            [r#"{"a":1,"b":2}"#, r#"{"b":2.0,"a":1}"#],
        ] {
            assert_eq!(form(same[0]), form(same[1]), "{same:?}");
        }
        for other in [["1", "\"1\""], ["false", "null"], ["[1,2]", "[2,1]"], [r#"{"a":null}"#, "{}"], ["0", "null"]] {
            assert_ne!(form(other[0]), form(other[1]), "{other:?}");
        }
    }
}
