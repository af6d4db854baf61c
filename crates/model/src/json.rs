//! JSON text to [`Value`] and back: exact numbers, limits on depth, no loss.

use std::sync::Arc;

use crate::{Number, Object, Value};

/// How deeply arrays and objects may be nested.
pub const DEPTH_MAX: usize = 128;

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
    let mut reader = Reader { text, at: 0, names: Vec::new() };
    reader.skip_space();
    let value = reader.value(0, keep)?;
    reader.skip_space();
    if reader.at < text.len() {
        return Err(reader.error("text after the end of the document"));
    }
    Ok(value)
}

/// Compact JSON text.
#[must_use]
pub fn to_string(value: &Value) -> String {
    let mut text = String::with_capacity(128);
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
    use std::fmt::Write as _;
    // Writing to a String cannot fail.
    let _ = write!(text, "{number}");
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
    let mut plain_from = 0;
    for (index, byte) in string.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        text.push_str(&string[plain_from..index]);
        if escape.is_empty() {
            let _ = write!(text, "\\u{byte:04x}");
        } else {
            text.push_str(escape);
        }
        plain_from = index + 1;
    }
    text.push_str(&string[plain_from..]);
    text.push('"');
}

/// How many distinct member names one document shares; beyond it names are simply not shared.
const NAMES_MAX: usize = 64;

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    /// Member names seen so far: the rows of a list repeat theirs.
    names: Vec<Arc<str>>,
}

impl<'a> Reader<'a> {
    fn error(&self, message: impl Into<String>) -> JsonError {
        let before = &self.text[..self.at.min(self.text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        JsonError { line, column, message: message.into() }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize, keep: Keep<'_>) -> Result<Value, JsonError> {
        if depth > DEPTH_MAX {
            return Err(self.error(format!("nested deeper than {DEPTH_MAX} levels")));
        }
        match self.peek() {
            Some(b'{') => self.object(depth, keep),
            Some(b'[') => self.array(depth, keep),
            Some(b'"') => Ok(Value::String(self.string()?.into())),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => Err(self.error("a value was expected here")),
            None => Err(self.error("the text ends where a value was expected")),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, JsonError> {
        if self.text[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.error(format!("did you mean `{word}`?")))
        }
    }

    fn object(&mut self, depth: usize, keep: Keep<'_>) -> Result<Value, JsonError> {
        self.at += 1;
        let mut members = Object::default();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::from(members));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.error("a member name in double quotes was expected here"));
            }
            let inside = match keep {
                Keep::All => Some((self.name()?, Keep::All)),
                Keep::Members(members) => {
                    let name = self.string()?;
                    members.wanted(&name).map(|inside| (self.shared(&name), inside))
                }
            };
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.error("`:` was expected here"));
            }
            self.at += 1;
            self.skip_space();
            match inside {
                Some((name, inside)) => {
                    let value = self.value(depth + 1, inside)?;
                    members.insert(name, value);
                }
                None => self.pass_over()?,
            }
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::from(members));
                }
                _ => return Err(self.error("`,` or `}` was expected here")),
            }
        }
    }

    /// Past a value that nobody wants.
    fn pass_over(&mut self) -> Result<(), JsonError> {
        let mut open = 0_usize;
        loop {
            match self.peek() {
                None => return Err(self.error("the text ends inside a value")),
                Some(b'"') => self.pass_over_string()?,
                Some(b'{' | b'[') => {
                    open += 1;
                    self.at += 1;
                }
                Some(b'}' | b']' | b',') if open == 0 => return Ok(()),
                Some(b'}' | b']') => {
                    open -= 1;
                    self.at += 1;
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn pass_over_string(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            match memchr::memchr2(b'"', b'\\', rest) {
                Some(place) if rest[place] == b'"' => {
                    self.at += place + 1;
                    return Ok(());
                }
                Some(place) => self.at += place + 2,
                None => {
                    self.at = self.text.len();
                    return Err(self.error("the text ends inside a string"));
                }
            }
        }
    }

    fn array(&mut self, depth: usize, keep: Keep<'_>) -> Result<Value, JsonError> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::from(items));
        }
        loop {
            self.skip_space();
            items.push(self.value(depth + 1, keep)?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::from(items));
                }
                _ => return Err(self.error("`,` or `]` was expected here")),
            }
        }
    }

    fn name(&mut self) -> Result<Arc<str>, JsonError> {
        let name = self.string()?;
        Ok(self.shared(&name))
    }

    fn shared(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.iter().find(|known| ***known == *name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        if self.names.len() < NAMES_MAX {
            self.names.push(Arc::clone(&name));
        }
        name
    }

    fn string(&mut self) -> Result<std::borrow::Cow<'a, str>, JsonError> {
        self.at += 1;
        let start = self.at;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    let end = self.at;
                    self.at += 1;
                    return match std::str::from_utf8(self.text.get(start..end).unwrap_or_default()) {
                        Ok(text) => Ok(text.into()),
                        Err(_) => Err(self.error("the text is not UTF-8")),
                    };
                }
                b'\\' => return self.string_with_escapes(start).map(Into::into),
                0..=0x1f => return Err(self.error("a control character in a string must be escaped")),
                _ => self.at += 1,
            }
        }
        Err(self.error("the text ends inside a string"))
    }

    fn string_with_escapes(&mut self, start: usize) -> Result<String, JsonError> {
        let mut bytes = self.text[start..self.at].to_vec();
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'"' => return String::from_utf8(bytes).map_err(|_| self.error("the text is not UTF-8")),
                b'\\' => {
                    let character = self.escape()?;
                    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                0..=0x1f => return Err(self.error("a control character in a string must be escaped")),
                _ => bytes.push(byte),
            }
        }
        Err(self.error("the text ends inside a string"))
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let Some(byte) = self.peek() else { return Err(self.error("the text ends inside a string")) };
        self.at += 1;
        Ok(match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(),
            _ => return Err(self.error("an unknown escape in a string")),
        })
    }

    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let first = self.hex4()?;
        // A lone surrogate has no meaning of its own; as most readers do, it becomes the replacement character.
        if (0xd800..0xdc00).contains(&first) {
            if self.text[self.at..].starts_with(b"\\u") {
                let after_first = self.at;
                self.at += 2;
                let second = self.hex4()?;
                if (0xdc00..0xe000).contains(&second) {
                    let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                    return Ok(char::from_u32(code).unwrap_or('\u{fffd}'));
                }
                self.at = after_first;
            }
            return Ok('\u{fffd}');
        }
        Ok(char::from_u32(first).unwrap_or('\u{fffd}'))
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let digits = self.text.get(self.at..self.at + 4).and_then(|bytes| std::str::from_utf8(bytes).ok());
        let code = digits
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let Some(code) = code else { return Err(self.error("four hexadecimal digits were expected after \\u")) };
        self.at += 4;
        Ok(code)
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let whole = self.digits();
        if whole == 0 {
            return Err(self.error("a digit was expected here"));
        }
        if whole > 1 && self.text[self.at - whole] == b'0' {
            return Err(self.error("a number must not start with zero"));
        }
        let mut plain = true;
        if self.peek() == Some(b'.') {
            plain = false;
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.error("a digit was expected after the point"));
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            plain = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.error("a digit was expected in the exponent"));
            }
        }
        // Only ASCII digits, signs, points and exponents were accepted above.
        let text = std::str::from_utf8(&self.text[start..self.at]).unwrap_or_default();
        if plain && let Ok(integer) = text.parse::<i64>() {
            return Ok(Value::from(integer));
        }
        match text.parse() {
            Ok(decimal) => Ok(Value::Number(Number::Decimal(decimal))),
            Err(error) => {
                self.at = start;
                Err(self.error(format!("the number cannot be kept exactly: {error}")))
            }
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        fn any_bytes_are_an_error_or_a_value(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes);
            let _ = parse_keeping(&bytes, Keep::Members(&Only("a")));
        }
    }
}
