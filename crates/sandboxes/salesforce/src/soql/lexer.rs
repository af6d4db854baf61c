//! From text to tokens.

use super::ast::Misread;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A name, dotted or not, or a word of the language.
    Word(String),
    /// A text, its escapes resolved.
    Text(String),
    /// Anything that begins with a digit or a sign: a number, a date, an instant.
    Number(String),
    Symbol(&'static str),
    End,
}

/// A token and where it begins.
pub(super) type Placed = (Token, usize);

const SYMBOLS: [&str; 11] = ["<=", ">=", "!=", "<>", "=", "<", ">", "(", ")", ",", ":"];

pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, Misread> {
    let mut tokens = Vec::with_capacity(text.len() / 6 + 2);
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        let start = at;
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            b'\'' => {
                let (value, end) = text_literal(text, at)?;
                tokens.push((Token::Text(value), start));
                at = end;
            }
            b'0'..=b'9' | b'+' | b'-' => {
                at += 1;
                while bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || b".:+-".contains(byte)) {
                    at += 1;
                }
                tokens.push((Token::Number(text[start..at].to_owned()), start));
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                while bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'.') {
                    at += 1;
                }
                tokens.push((Token::Word(text[start..at].to_owned()), start));
            }
            _ => match SYMBOLS.into_iter().find(|symbol| bytes[at..].starts_with(symbol.as_bytes())) {
                Some(symbol) => {
                    tokens.push((Token::Symbol(symbol), start));
                    at += symbol.len();
                }
                None => {
                    let strange = text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or('?');
                    return Err(Misread::malformed(
                        at,
                        format!("line 1:{at} no viable alternative at character '{strange}'"),
                    ));
                }
            },
        }
    }
    tokens.push((Token::End, text.len()));
    Ok(tokens)
}

/// Reads a text in quotes; answers it and where it ends.
fn text_literal(text: &str, start: usize) -> Result<(String, usize), Misread> {
    let open = || Misread::malformed(start, "line 1: mismatched character '<EOF>' expecting '''");
    let mut value = String::new();
    let mut characters = text[start + 1..].char_indices();
    while let Some((offset, character)) = characters.next() {
        let at = start + 1 + offset;
        match character {
            '\'' => return Ok((value, at + 1)),
            '\\' => {
                let (_, escape) = characters.next().ok_or_else(open)?;
                if matches!(escape, '_' | '%') {
                    // Only LIKE gives these a meaning; they keep their escape until then.
                    value.push('\\');
                }
                value.push(match escape {
                    'n' | 'N' => '\n',
                    'r' | 'R' => '\r',
                    't' | 'T' => '\t',
                    'b' | 'B' => '\u{8}',
                    'f' | 'F' => '\u{c}',
                    '"' | '\'' | '\\' | '_' | '%' => escape,
                    'u' | 'U' => {
                        let digits: String = characters.by_ref().take(4).map(|(_, digit)| digit).collect();
                        let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                        code.and_then(char::from_u32).ok_or_else(|| {
                            Misread::malformed(at, "Invalid string literal. Illegal character sequence")
                        })?
                    }
                    _ => {
                        let message = format!(
                            "Invalid string literal. Illegal character sequence '\\{escape}' in string literal"
                        );
                        return Err(Misread::malformed(at, message));
                    }
                });
            }
            '\n' | '\r' => return Err(open()),
            other => value.push(other),
        }
    }
    Err(open())
}
