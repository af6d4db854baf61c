//! Addresses: `SERVICE/Set(key)/navigation?options`, decoded and cut into segments.

use std::borrow::Cow;

use super::error::Error;
use super::literal::Literal;

/// Most segments of an address.
const SEGMENTS_MAX: usize = 20;
/// Most parts of a key.
const KEYS_MAX: usize = 16;

/// One segment: a name and perhaps a key predicate.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Segment {
    /// The set, navigation, property or `$…`.
    pub(crate) name: String,
    /// The key predicate: each part with its name, which may be missing when there is only one.
    pub(crate) keys: Option<Vec<(Option<String>, Literal)>>,
}

/// Decodes percent signs, and `+` as a blank when `plus`. What is not UTF-8 is replaced.
#[must_use]
pub(crate) fn decode(text: &str, plus: bool) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || (plus && byte == b'+')) {
        return Cow::Borrowed(text);
    }
    let replaced = if plus { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    Cow::Owned(percent_encoding::percent_decode_str(&replaced).decode_utf8_lossy().into_owned())
}

/// Cuts a path (without the query) into segments.
///
/// # Errors
/// When it does not follow the grammar.
pub(crate) fn segments(path: &str) -> Result<Vec<Segment>, Error> {
    let decoded = decode(path, false);
    let mut segments = Vec::new();
    let mut rest: &str = decoded.trim_matches('/');
    while !rest.is_empty() {
        if segments.len() >= SEGMENTS_MAX {
            return Err(Error::syntax("The URI has too many segments"));
        }
        let end = rest.find(['/', '(']).unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        if name.is_empty() {
            return Err(Error::syntax("Malformed URI literal syntax"));
        }
        rest = &rest[end..];
        let mut keys = None;
        if let Some(inside) = rest.strip_prefix('(') {
            let (read, used) = predicate(inside)?;
            keys = Some(read);
            rest = &inside[used..];
        }
        match rest.strip_prefix('/') {
            Some(tail) => rest = tail,
            None if rest.is_empty() => {}
            None => return Err(Error::syntax("Malformed URI literal syntax")),
        }
        segments.push(Segment { name, keys });
    }
    Ok(segments)
}

/// The inside of a key predicate up to and with its closing parenthesis.
#[allow(clippy::type_complexity)]
fn predicate(text: &str) -> Result<(Vec<(Option<String>, Literal)>, usize), Error> {
    let malformed = || Error::syntax("Malformed URI literal syntax in the key predicate");
    let mut keys = Vec::new();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let rest_trimmed = rest.trim_start();
        at += rest.len() - rest_trimmed.len();
        if rest_trimmed.starts_with(')') && keys.is_empty() {
            return Ok((keys, at + 1));
        }
        let word = rest_trimmed.find(|char: char| !(char.is_ascii_alphanumeric() || char == '_')).unwrap_or(0);
        let mut name = None;
        if word > 0 && rest_trimmed[word..].starts_with('=') {
            name = Some(rest_trimmed[..word].to_owned());
            at += word + 1;
        }
        let (literal, used) = Literal::read(&text[at..]).ok_or_else(malformed)?;
        at += used;
        keys.push((name, literal));
        if keys.len() > KEYS_MAX {
            return Err(malformed());
        }
        match text[at..].bytes().next() {
            Some(b',') => at += 1,
            Some(b')') => return Ok((keys, at + 1)),
            _ => return Err(malformed()),
        }
    }
}

/// The options of a query, decoded, in their order.
#[must_use]
pub(crate) fn options(query: &str) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    query
        .split('&')
        .filter(|option| !option.is_empty())
        .map(|option| {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            (decode(name, true), decode(value, true))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cuts_addresses() {
        let read =
            segments("A_SalesOrder('1')/to_Item(SalesOrder='1',SalesOrderItem='10')/$count").expect("an address");
        assert_eq!(read.len(), 3);
        assert_eq!(read[0].keys, Some(vec![(None, Literal::Text("1".into()))]));
        assert_eq!(read[1].keys.as_ref().map(Vec::len), Some(2));
        let odd = segments("A_Product('a%2Fb%27%27c(d)')").expect("an address");
        assert_eq!(odd[0].keys, Some(vec![(None, Literal::Text("a/b'c(d)".into()))]));
        for wrong in ["A(", "A('1'", "A('1')x", "(1)", "A(a=)", "A//B"] {
            assert!(segments(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_an_error(path in ".{0,60}", odd in "[A-Z('=,)/%0-9é]{0,40}") {
            let _ = segments(&path);
            let _ = segments(&odd);
            let _ = options(&path);
        }
    }
}
