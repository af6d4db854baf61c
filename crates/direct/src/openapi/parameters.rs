//! How parameters are written (OpenAPI 3.1, section 4.8.12; RFC 6570).

use model::Value;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::operation::{Parameter, Style};
use crate::http::text_of;

const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// With `allowReserved`, what has a meaning within a query stays as it is, except what would begin another parameter.
const RESERVED: AsciiSet = PLAIN
    .remove(b':')
    .remove(b'/')
    .remove(b'?')
    .remove(b'@')
    .remove(b'!')
    .remove(b'$')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b',')
    .remove(b';')
    .remove(b'[')
    .remove(b']');

fn encode(text: &str) -> String {
    utf8_percent_encode(text, &PLAIN).to_string()
}

/// The parts of a value, with their names where it is an object.
fn parts(value: &Value) -> Vec<(Option<String>, String)> {
    match value {
        Value::Array(items) => items.iter().map(|item| (None, text_of(item))).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, member)| (Some(name.to_string()), text_of(member))).collect()
        }
        value => vec![(None, text_of(value))],
    }
}

/// All parts in one text: `a,b`, for an object `name,value` or, exploded, `name=value`.
fn joined(value: &Value, explode: bool, separator: &str, encode: impl Fn(&str) -> String) -> String {
    let between = if explode { "=" } else { separator };
    let parts = parts(value).into_iter().map(|(name, text)| match name {
        Some(name) => format!("{}{between}{}", encode(&name), encode(&text)),
        None => encode(&text),
    });
    parts.collect::<Vec<_>>().join(separator)
}

/// A part of a path.
pub(super) fn path(parameter: &Parameter, value: &Value) -> String {
    let name = encode(&parameter.name);
    let explode = parameter.explode;
    match parameter.style {
        Style::Json => encode(&value.to_string()),
        Style::Label if explode => format!(".{}", joined(value, true, ".", encode)),
        Style::Label => format!(".{}", joined(value, false, ",", encode)),
        Style::Matrix if explode => {
            let own = |part: Option<String>| part.map_or_else(|| name.clone(), |part| encode(&part));
            let parts = parts(value).into_iter().map(|(part, text)| format!(";{}={}", own(part), encode(&text)));
            parts.collect()
        }
        Style::Matrix => format!(";{name}={}", joined(value, false, ",", encode)),
        _ => joined(value, explode, ",", encode),
    }
}

/// `name=value` pairs of a query.
pub(super) fn query(parameter: &Parameter, value: &Value) -> Vec<String> {
    let encode_value = |text: &str| match parameter.allow_reserved {
        true => utf8_percent_encode(text, &RESERVED).to_string(),
        false => encode(text),
    };
    let name = encode(&parameter.name);
    let pair = |name: &str, text: &str| format!("{name}={text}");
    match (parameter.style, value) {
        (Style::Json, value) => vec![pair(&name, &encode(&value.to_string()))],
        (Style::Deep, Value::Object(members)) => {
            let members = members.iter();
            members
                .map(|(member, value)| pair(&format!("{name}[{}]", encode(member)), &encode_value(&text_of(value))))
                .collect()
        }
        (_, Value::Array(_) | Value::Object(_)) if parameter.explode => {
            let parts = parts(value).into_iter();
            parts
                .map(|(part, text)| {
                    pair(&part.map_or_else(|| name.clone(), |part| encode(&part)), &encode_value(&text))
                })
                .collect()
        }
        (style, value) => {
            let separator = match style {
                Style::Space => "%20",
                Style::Tab => "%09",
                Style::Pipe => "%7C",
                _ => ",",
            };
            vec![pair(&name, &joined(value, false, separator, encode_value))]
        }
    }
}

/// The text of a header.
pub(super) fn header(parameter: &Parameter, value: &Value) -> String {
    match parameter.style {
        Style::Json => value.to_string(),
        _ => joined(value, parameter.explode, ",", str::to_owned),
    }
}

/// `name=value` of a cookie.
pub(super) fn cookie(parameter: &Parameter, value: &Value) -> String {
    match (parameter.style, value) {
        (Style::Json, value) => format!("{}={}", parameter.name, encode(&value.to_string())),
        (_, Value::Array(_) | Value::Object(_)) if parameter.explode => {
            let parts = parts(value)
                .into_iter()
                .map(|(part, text)| format!("{}={}", part.as_deref().unwrap_or(&parameter.name), encode(&text)));
            parts.collect::<Vec<_>>().join("; ")
        }
        // A secret may stand in it, and stand-ins within a header are found as they are written.
        (_, Value::String(text)) => format!("{}={text}", parameter.name),
        (_, value) => format!("{}={}", parameter.name, joined(value, false, ",", encode)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::operation::Location;
    use super::*;
    use model::json;

    fn parameter(location: Location, style: Style, explode: bool) -> Parameter {
        Parameter { name: "color".into(), location, style, explode, required: false, allow_reserved: false }
    }

    /// The table of OpenAPI 3.1, section 4.8.12.4.
    #[test]
    fn styles_are_written_as_in_the_specification() {
        let read = |text: &str| json::parse(text.as_bytes()).expect("a value");
        let (one, list, object) = (read(r#""blue""#), read(r#"["blue","black"]"#), read(r#"{"R":100,"G":200}"#));
        for (style, explode, texts) in [
            (Style::Matrix, false, [";color=blue", ";color=blue,black", ";color=R,100,G,200"]),
            (Style::Matrix, true, [";color=blue", ";color=blue;color=black", ";R=100;G=200"]),
            (Style::Label, false, [".blue", ".blue,black", ".R,100,G,200"]),
            (Style::Label, true, [".blue", ".blue.black", ".R=100.G=200"]),
            (Style::Simple, false, ["blue", "blue,black", "R,100,G,200"]),
            (Style::Simple, true, ["blue", "blue,black", "R=100,G=200"]),
        ] {
            let parameter = parameter(Location::Path, style, explode);
            assert_eq!([&one, &list, &object].map(|value| path(&parameter, value)), texts, "{style:?} {explode}");
        }
        for (style, explode, texts) in [
            (Style::Form, true, ["color=blue", "color=blue&color=black", "R=100&G=200"]),
            (Style::Form, false, ["color=blue", "color=blue,black", "color=R,100,G,200"]),
            (Style::Space, false, ["color=blue", "color=blue%20black", "color=R%20100%20G%20200"]),
            (Style::Pipe, false, ["color=blue", "color=blue%7Cblack", "color=R%7C100%7CG%7C200"]),
            (Style::Deep, true, ["color=blue", "color=blue&color=black", "color[R]=100&color[G]=200"]),
        ] {
            let parameter = parameter(Location::Query, style, explode);
            let written = [&one, &list, &object].map(|value| query(&parameter, value).join("&"));
            assert_eq!(written, texts, "{style:?} {explode}");
        }
        assert_eq!(header(&parameter(Location::Header, Style::Simple, false), &list), "blue,black");
        assert_eq!(cookie(&parameter(Location::Cookie, Style::Form, true), &one), "color=blue");
        let json = parameter(Location::Query, Style::Json, false);
        assert_eq!(query(&json, &list), ["color=%5B%22blue%22%2C%22black%22%5D"]);
        let free = Parameter { allow_reserved: true, ..parameter(Location::Query, Style::Form, true) };
        assert_eq!(query(&free, &read(r#""a/b?c&d""#)), ["color=a/b?c%26d"]);
    }
}
