//! JSON text to [`Value`] and back: exact numbers, limits on depth, no loss.

mod plain;
mod read;
mod write;

use crate::Value;
pub use write::{to_string, to_string_pretty, to_vec, write, write_string};

/// How deeply arrays and objects may be nested.
pub const DEPTH_MAX: usize = 128;

/// The same of a text that Interlock wrote itself: what runs hold may be nested deeper than what comes from outside.
const OWN_DEPTH_MAX: usize = 640;

/// Why a text is not JSON that Interlock takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct JsonError {
    /// 1-based line.
    pub line: usize,
    /// 1-based column, in bytes.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// Reads one JSON document. Of members with the same name the last one counts.
///
/// # Errors
/// With line and column, when the text is not JSON, is nested deeper than [`DEPTH_MAX`], is not UTF-8, or has a number
/// that is not exact in 38 digits.
pub fn parse(text: &[u8]) -> Result<Value, JsonError> {
    parse_keeping(text, Keep::All)
}

/// Which members of objects become part of a value. Lists pass the question on to their items.
#[derive(Clone, Copy)]
pub enum Keep<'a> {
    /// Everything.
    All,
    /// What this says.
    Members(&'a dyn Members),
}

/// Says which members of an object are wanted.
pub trait Members {
    /// What is wanted inside the member of this name; `None` when the member is not wanted at all.
    fn wanted(&self, name: &str) -> Option<Keep<'_>>;
}

/// Reads one JSON document and makes values only of what is wanted; the rest is only checked for its brackets and quotes,
/// which is many times faster.
///
/// # Errors
/// As [`parse`].
pub fn parse_keeping(text: &[u8], keep: Keep<'_>) -> Result<Value, JsonError> {
    read::document(text, keep, DEPTH_MAX)
}

/// Reads a document that Interlock wrote itself and kept, which may be nested five times as deep.
///
/// # Errors
/// As [`parse`].
pub fn parse_kept(text: &[u8]) -> Result<Value, JsonError> {
    read::document(text, Keep::All, OWN_DEPTH_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::plain::plain_length;
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        let text = r#"{"a":250000.50,"b":[1,-2,0.10],"c":12345678901234567890,"d":"x\"y\n"}"#;
        assert_eq!(to_string(&parse(text.as_bytes()).expect("json")), text);
    }

    #[test]
    fn says_where_it_is_wrong() {
        let error = parse(b"{\n  \"a\": tru\n}").expect_err("wrong");
        assert_eq!((error.line, error.column), (2, 8));
        for text in ["", "{", "[1,]", "{\"a\":}", "01", "1.", "\"\\x\"", "[1] 2", "\"\u{1}\"", "nul", "\"abc"] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(parse(b"\"\xff\"").is_err());
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn what_was_kept_may_be_nested_deeper_than_what_comes_from_outside() {
        let nested =
            |depth: usize| (0..depth).fold(Value::Null, |inner, _| Value::object([("a", Value::array([inner]))]));
        let text = |depth: usize| to_vec(&nested(depth / 2));
        assert!(parse(&text(DEPTH_MAX)).is_ok() && parse(&text(DEPTH_MAX + 2)).is_err());
        assert_eq!(parse_kept(&text(OWN_DEPTH_MAX)), Ok(nested(OWN_DEPTH_MAX / 2)));
        assert!(parse_kept(&text(OWN_DEPTH_MAX + 2)).is_err());
    }

    #[test]
    fn surrogates_are_joined() {
        assert_eq!(parse(br#""\ud83d\ude00""#), Ok(Value::from("😀")));
        assert_eq!(parse(br#""\ud83d!""#), Ok(Value::from("\u{fffd}!")));
    }

    struct Only(&'static str);
    impl Members for Only {
        fn wanted(&self, name: &str) -> Option<Keep<'_>> {
            match name {
                "d" | "results" => Some(Keep::Members(self)),
                _ => (name == self.0).then_some(Keep::All),
            }
        }
    }

    #[test]
    fn only_what_is_wanted_becomes_a_value() {
        let text = r#"{"d":{"results":[{"a":1,"b":{"x":"}\"]","a":[2]},"c":[1.50]},{"b":null,"a":{"b":2}}],"n":-1e5}}"#;
        let read = parse_keeping(text.as_bytes(), Keep::Members(&Only("a"))).expect("json");
        assert_eq!(to_string(&read), r#"{"d":{"results":[{"a":1},{"a":{"b":2}}]}}"#);
        for cut in ["{\"d\":1,\"b\":\"x", "{\"b\":[1,{\"c\":2}", "{\"b\":"] {
            assert!(parse_keeping(cut.as_bytes(), Keep::Members(&Only("a"))).is_err(), "{cut}");
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (any::<i64>(), 0u8..12).prop_map(|(units, scale)| Value::from(crate::Decimal::from_units(units, scale))),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((".*", inner), 0..6).prop_map(Value::object),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in any_value()) {
            prop_assert_eq!(&parse(&to_vec(&value)).expect("own text"), &value);
            prop_assert_eq!(&parse(to_string_pretty(&value).as_bytes()).expect("own text"), &value);
        }

        #[test]
        fn what_needs_no_escape_is_measured_as_one_by_one(bytes in prop::collection::vec(any::<u8>(), 0..40), special in 0u8..0x80) {
            let plain: Vec<u8> = bytes.iter().map(|byte| byte | 0x40).filter(|byte| *byte != b'\\').collect();
            for at in 0..=plain.len() {
                let mut text = plain.clone();
                text.insert(at, special);
                let one_by_one = text.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
                prop_assert_eq!(plain_length(&text), one_by_one.unwrap_or(text.len()), "{:?}", text);
            }
            let one_by_one = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            prop_assert_eq!(plain_length(&bytes), one_by_one.unwrap_or(bytes.len()));
        }

        #[test]
        fn names_are_what_they_were_however_many_there_are(names in prop::collection::vec("[a-c]{0,3}|[a-z]{6,12}", 0..200)) {
            let items: Vec<String> = names.iter().map(|name| format!("{{\"{name}\":{{\"{name}\":1}}}}")).collect();
            let text = format!("[{}]", items.join(","));
            prop_assert_eq!(to_string(&parse(text.as_bytes()).expect("json")), text);
        }

        #[test]
        fn any_bytes_are_an_error_or_a_value(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes);
            let _ = parse_keeping(&bytes, Keep::Members(&Only("a")));
        }
    }
}
