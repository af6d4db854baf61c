//! Literals of URLs: in key predicates, filters and function parameters.

use super::fixed::Rate;
use super::time;

/// A literal of a URL.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    /// `null`.
    Null,
    /// `'text'`, quotes doubled inside.
    Text(String),
    /// `12`, `1.50M`, `3L`, `2d`: in billionths, exact.
    Number(i128),
    /// `datetime'2026-11-23T00:00:00'`.
    Date(i64),
    /// `datetimeoffset'2026-11-23T11:30:00Z'`.
    Instant(i64),
    /// `time'PT11H22M33S'`.
    Time(u32),
    /// `true`, `false`.
    Bool(bool),
    /// `guid'…'`.
    Guid(u128),
}

impl Literal {
    /// Reads one literal from the start of a text; answers it and how many bytes it took.
    #[must_use]
    pub(crate) fn read(text: &str) -> Option<(Self, usize)> {
        if text.starts_with('\'') {
            let (content, used) = quoted(text)?;
            return Some((Self::Text(content), used));
        }
        let word_end =
            text.find(|char: char| !(char.is_ascii_alphanumeric() || "+-.".contains(char))).unwrap_or(text.len());
        let word = &text[..word_end];
        if text[word_end..].starts_with('\'') {
            let (content, used) = quoted(&text[word_end..])?;
            let literal = match word.to_ascii_lowercase().as_str() {
                "datetime" => Self::Date(time::parse_iso(&content)?),
                "datetimeoffset" => Self::Instant(time::parse_iso(&content)?),
                "time" => Self::Time(time::parse_duration(&content)?),
                "guid" => Self::Guid(uuid::Uuid::parse_str(&content).ok()?.as_u128()),
                _ => return None,
            };
            return Some((literal, word_end + used));
        }
        let literal = match word {
            "null" => Self::Null,
            "true" => Self::Bool(true),
            "false" => Self::Bool(false),
            _ => Self::Number(number(word)?),
        };
        Some((literal, word_end))
    }

    /// Reads a text that is one literal and nothing else.
    #[must_use]
    pub(crate) fn whole(text: &str) -> Option<Self> {
        Self::read(text).filter(|(_, used)| *used == text.len()).map(|(literal, _)| literal)
    }

    /// The text, when it is one.
    #[must_use]
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

fn number(word: &str) -> Option<i128> {
    let digits = word.trim_end_matches(['M', 'm', 'L', 'l', 'D', 'd', 'F', 'f']);
    if word.len() - digits.len() > 1 {
        return None;
    }
    Rate::parse(digits).map(|rate| i128::from(rate.units())).or_else(|| {
        // Beyond what a rate holds there are still amounts of fifteen digits and three behind the point.
        super::fixed::Amount::parse(digits).map(|amount| i128::from(amount.units()) * 1_000_000)
    })
}

/// A text in quotes at the start of `text`, and how many bytes it took with them.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut content = String::new();
    let mut rest = text.strip_prefix('\'')?;
    let mut used = 1;
    loop {
        let end = rest.find('\'')?;
        content.push_str(&rest[..end]);
        used += end + 1;
        rest = &rest[end + 1..];
        if !rest.starts_with('\'') {
            return Some((content, used));
        }
        content.push('\'');
        used += 1;
        rest = &rest[1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_kind() {
        for (text, literal) in [
            ("'O''Neil & Co'", Literal::Text("O'Neil & Co".to_owned())),
            ("12", Literal::Number(12_000_000_000)),
            ("-1.5M", Literal::Number(-1_500_000_000)),
            ("3L", Literal::Number(3_000_000_000)),
            ("123456789012.345M", Literal::Number(123_456_789_012_345_000_000)),
            ("datetime'1970-01-02T00:00:00'", Literal::Date(86_400_000)),
            ("datetimeoffset'1970-01-01T00:00:01Z'", Literal::Instant(1000)),
            ("time'PT0H0M5S'", Literal::Time(5)),
            ("true", Literal::Bool(true)),
            ("null", Literal::Null),
        ] {
            assert_eq!(Literal::whole(text), Some(literal), "{text}");
        }
        for text in ["", "'", "'a", "1.2.3", "datetime'x'", "guid'1'", "12MM", "word"] {
            assert_eq!(Literal::whole(text), None, "{text}");
        }
    }
}
