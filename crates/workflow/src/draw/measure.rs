//! How wide a text is, without a font: widths of common sans-serif and monospaced faces, rather too wide than too narrow.

/// A size and weight of letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    /// 13 units, bold: names.
    Name,
    /// 12 units, half bold: cases.
    Case,
    /// 11.5 units: everything else.
    Plain,
    /// 11 units, monospaced: expressions.
    Code,
}

impl Face {
    /// Width of one character, in hundredths of a unit.
    fn advance(self, character: char) -> i32 {
        let (size, monospaced) = match self {
            Self::Name => (14, false),
            Self::Case => (13, false),
            Self::Plain => (12, false),
            Self::Code => (11, true),
        };
        let wide = u32::from(character) >= 0x1100;
        let hundredths = match character {
            _ if wide => 105,
            _ if monospaced => 62,
            'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' => 30,
            'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '/' | '-' | '"' => 40,
            'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' => 90,
            'A'..='Z' | '&' | '=' | '+' | '<' | '>' | '~' | '$' | '#' => 68,
            _ => 57,
        };
        hundredths * size
    }

    /// Width of a text, in units.
    pub(super) fn width(self, text: &str) -> i32 {
        let hundredths = text.chars().map(|character| i64::from(self.advance(character))).sum::<i64>();
        i32::try_from(hundredths / 100 + 1).unwrap_or(i32::MAX)
    }

    /// The text, or as much of it as fits with a `…` behind.
    pub(super) fn cut(self, text: &str, width: i32) -> String {
        let (most, dots) = (width.saturating_mul(100), self.advance('…'));
        let mut sum = 0_i32;
        let mut fits = 0;
        for (place, character) in text.char_indices() {
            sum = sum.saturating_add(self.advance(character));
            if sum > most {
                let kept = text.get(..fits).unwrap_or_default().trim_end();
                return format!("{kept}…");
            }
            if sum + dots <= most {
                fits = place + character.len_utf8();
            }
        }
        text.to_owned()
    }
}

/// A text on one line: each run of white space becomes one space.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_fits_and_says_that_it_was_cut() {
        let text = "link-or-create-customer:1.0.0@erp, and what comes after it";
        for width in [20, 60, 100, 160, 1000] {
            for face in [Face::Name, Face::Case, Face::Plain, Face::Code] {
                let cut = face.cut(text, width);
                assert!(face.width(&cut) <= width + 1, "{cut}");
                assert_eq!(cut.ends_with('…'), cut != text);
            }
        }
        assert_eq!(Face::Plain.cut("日本語の文章", 30).chars().last(), Some('…'));
        assert_eq!(one_line("  a\n  b\tc "), "a b c");
    }
}
