//! How wide a text is, without a font: widths of common sans-serif and monospaced faces, rather too wide than too narrow.

/// A size and weight of letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    /// 13 units, bold: names.
    Name,
    /// 12 units, half bold: cases.
    Case,
    /// 11.5 units, half bold: what is so now, and what is caught.
    Strong,
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
            Self::Case | Self::Strong => (13, false),
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

    /// The text in lines of this width, broken between words where that is possible; the last one is cut.
    pub(super) fn wrap(self, text: &str, width: i32, lines_max: usize) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            let count = lines.len();
            match lines.last_mut() {
                Some(line) if self.width(line) + self.width(word) + 4 <= width => {
                    line.push(' ');
                    line.push_str(word);
                }
                // What does not fit any more is cut with the last line.
                Some(line) if count == lines_max => {
                    line.push(' ');
                    line.push_str(word);
                    line.push_str(" …");
                    break;
                }
                _ => lines.push(word.to_owned()),
            }
        }
        lines.iter().map(|line| self.cut(line, width)).collect()
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
            for face in [Face::Name, Face::Case, Face::Strong, Face::Plain, Face::Code] {
                let cut = face.cut(text, width);
                assert!(face.width(&cut) <= width + 1, "{cut}");
                assert_eq!(cut.ends_with('…'), cut != text);
            }
        }
        assert_eq!(Face::Plain.cut("日本語の文章", 30).chars().last(), Some('…'));
        let lines = Face::Strong.wrap("waits for an event, since 2023-11-14 22:13 UTC", 212, 3);
        assert_eq!(lines.concat().replace(' ', ""), "waitsforanevent,since2023-11-1422:13UTC");
        let lines = Face::Plain.wrap("one two three four five six", 60, 2);
        assert_eq!((lines.len(), lines[0].as_str()), (2, "one two"));
        assert!(lines[1].starts_with("three") && lines[1].ends_with('…'), "{lines:?}");
        assert_eq!(one_line("  a\n  b\tc "), "a b c");
    }
}
