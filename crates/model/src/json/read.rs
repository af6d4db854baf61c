//! JSON text to values.

use super::plain::plain_length;
use super::{JsonError, Keep};
use crate::{Number, Object, Text, Value};

/// Reads one document.
pub(super) fn document(text: &[u8], keep: Keep<'_>, depth_max: usize) -> Result<Value, JsonError> {
    let valid = match keep {
        Keep::All => std::str::from_utf8(text).ok(),
        Keep::Members(_) => None,
    };
    let mut reader = Reader { text, at: 0, depth_max, valid, members: Vec::new() };
    reader.skip_space();
    let value = reader.value(0, keep)?;
    reader.skip_space();
    if reader.at < text.len() {
        return Err(reader.error("text after the end of the document"));
    }
    Ok(value)
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    /// How deeply arrays and objects may be nested.
    depth_max: usize,
    /// The same as text, when it is one and all of it is wanted: then it has been looked at as a whole.
    valid: Option<&'a str>,
    /// Members of the objects that are open, so that each object is made when it is known how large it is.
    members: Vec<(Text, Value)>,
}

impl<'a> Reader<'a> {
    fn error(&self, message: impl Into<String>) -> JsonError {
        let before = &self.text[..self.at.min(self.text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        JsonError { line, column, message: message.into() }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    #[inline]
    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize, keep: Keep<'_>) -> Result<Value, JsonError> {
        if depth > self.depth_max {
            return Err(self.error(format!("nested deeper than {} levels", self.depth_max)));
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
        let first = self.members.len();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::from(Object::default()));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.error("a member name in double quotes was expected here"));
            }
            let inside = match keep {
                Keep::All => Some((Text::from(self.string()?), Keep::All)),
                Keep::Members(members) => {
                    let name = self.string()?;
                    members.wanted(&name).map(|inside| (Text::from(name), inside))
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
                    self.members.push((name, value));
                }
                None => self.pass_over()?,
            }
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    let own = self.members.drain(first.min(self.members.len())..);
                    return Ok(Value::from(own.collect::<Object>()));
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

    #[inline]
    fn string(&mut self) -> Result<std::borrow::Cow<'a, str>, JsonError> {
        self.at += 1;
        let start = self.at;
        self.at += plain_length(self.text.get(start..).unwrap_or_default());
        match self.peek() {
            Some(b'"') => {
                let end = self.at;
                self.at += 1;
                if let Some(text) = self.valid.and_then(|valid| valid.get(start..end)) {
                    return Ok(text.into());
                }
                match std::str::from_utf8(self.text.get(start..end).unwrap_or_default()) {
                    Ok(text) => Ok(text.into()),
                    Err(_) => Err(self.error("the text is not UTF-8")),
                }
            }
            Some(b'\\') => self.string_with_escapes(start).map(Into::into),
            Some(_) => Err(self.error("a control character in a string must be escaped")),
            None => Err(self.error("the text ends inside a string")),
        }
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
                _ => {
                    let rest = self.text.get(self.at..).unwrap_or_default();
                    let plain = rest.get(..plain_length(rest)).unwrap_or_default();
                    bytes.push(byte);
                    bytes.extend_from_slice(plain);
                    self.at += plain.len();
                }
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
