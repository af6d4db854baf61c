//! A value as indented, coloured JSON.

use maud::{Markup, html};
use model::{Value, json};

/// How much is shown, in characters.
const SHOWN_MAX: usize = 20_000;

/// A block with the value.
pub(crate) fn block(value: &Value) -> Markup {
    let text = json::to_string_pretty(value);
    let cut = text.char_indices().nth(SHOWN_MAX).map(|(end, _)| end);
    let shown = cut.map_or(&*text, |end| &text[..end]);
    html! {
        pre.json {
            @for token in tokens(shown) {
                @match token {
                    Token::Key(text) => span.k { (text) },
                    Token::Text(text) => span.s { (text) },
                    Token::Literal(text) => span.n { (text) },
                    Token::Rest(text) => (text),
                }
            }
            @if cut.is_some() { "\n… and more" }
        }
    }
}

#[derive(Debug, PartialEq)]
enum Token<'a> {
    Key(&'a str),
    Text(&'a str),
    Literal(&'a str),
    Rest(&'a str),
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string_length(rest),
            '-' | '0'..='9' | 'a'..='z' => rest.find([',', '\n', '}', ']']).unwrap_or(rest.len()),
            _ => rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_alphanumeric()).unwrap_or(rest.len()),
        }
        .max(first.len_utf8());
        let (token, after) = rest.split_at(length);
        found.push(match first {
            '"' if after.starts_with(':') => Token::Key(token),
            '"' => Token::Text(token),
            '-' | '0'..='9' | 'a'..='z' => Token::Literal(token),
            _ => Token::Rest(token),
        });
        rest = after;
    }
    found
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (place, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return place + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_whole_and_escaped() {
        let value = Value::object([
            ("a\"b", Value::from("<script>\\")),
            ("n", Value::from(-12)),
            ("l", Value::array([Value::from(true), Value::Null, Value::empty_object()])),
        ]);
        let text = json::to_string_pretty(&value);
        let joined: String = tokens(&text)
            .iter()
            .map(|token| match token {
                Token::Key(text) | Token::Text(text) | Token::Literal(text) | Token::Rest(text) => *text,
            })
            .collect();
        assert_eq!(joined, text);
        let shown = block(&value).into_string();
        assert!(shown.contains("&lt;script&gt;") && !shown.contains("<script>"), "{shown}");
        assert!(shown.contains(r#"<span class="n">-12</span>"#), "{shown}");
    }
}
