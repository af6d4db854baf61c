//! Inputs by a seed: texts of the corpus with bytes flipped, pieces moved, words and numbers exchanged, and brackets nested.

/// Longest input, in bytes.
const INPUT_MAX: usize = 96 * 1024;

/// Numbers at the edges of what numbers are kept in.
const NUMBERS: [&str; 16] = [
    "0",
    "-1",
    "1e12",
    "1e-12",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "0.1",
    "12.50",
    "1e308",
    "1e-400",
    "1e999999999",
    "99999999999999999999999999999999999999",
    "0x10",
    "NaN",
];
const BRACKETS: [(&str, &str); 8] = [
    ("(", ")"),
    ("[", "]"),
    ("{\"a\":", "}"),
    ("{a: ", "}"),
    ("\"\\(", ")\""),
    ("- ", ""),
    ("try ", ""),
    ("if . then ", " end"),
];
const ODD: [&str; 10] = ["\0", "\u{feff}", "\u{202e}", "é", "\u{1f600}", "\r\n", "\t", "\\", "\"", "'"];

/// Numbers that look random and are the same for the same seed (SplitMix64).
struct Dice(u64);

impl Dice {
    /// Dice of their own for each input.
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number.wrapping_mul(0xd134_2543_de82_ef95))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of so many.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    fn one<'a>(&mut self, of: &'a [impl AsRef<str>]) -> &'a str {
        let index = self.below(of.len());
        of.get(index).map_or("", AsRef::as_ref)
    }
}

/// What inputs are made from.
pub(crate) struct Corpus {
    texts: Vec<String>,
    words: Vec<String>,
    /// Whether some inputs are made of words alone: for a language of one line.
    sentences: bool,
}

impl Corpus {
    /// Texts that are understood, and words of their language.
    pub(crate) fn new(texts: Vec<String>, words: &[&str], sentences: bool) -> Self {
        Self { texts, words: words.iter().map(|word| (*word).to_owned()).collect(), sentences }
    }

    /// The input of this number.
    pub(crate) fn input(&self, seed: u64, number: u64) -> String {
        let mut dice = Dice::new(seed, number);
        if self.sentences && dice.below(4) == 0 {
            let count = 1 + dice.below(14);
            let words: Vec<&str> = (0..count).map(|_| dice.one(&self.words)).collect();
            return words.join(if dice.below(2) == 0 { " " } else { "" });
        }
        let mut text = dice.one(&self.texts).to_owned();
        // Most of what is changed often is refused at its first word.
        let changes = [1, 1, 1, 2, 2, 3, 5][dice.below(7)];
        for _ in 0..changes {
            text = self.changed(text, &mut dice);
            if text.len() > INPUT_MAX {
                let end = (0..=INPUT_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
                text.truncate(end);
            }
        }
        text
    }

    fn changed(&self, text: String, dice: &mut Dice) -> String {
        let at = place(&text, dice);
        match dice.below(14) {
            0 => {
                let mut bytes = text.into_bytes();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << dice.below(8);
                }
                String::from_utf8_lossy(&bytes).into_owned()
            }
            1 => replace(&text, at..at, dice.one(&ODD)),
            2 => replace(&text, piece(&text, at, dice), ""),
            3 => {
                let piece = text[piece(&text, at, dice)].to_owned();
                let at = place(&text, dice);
                replace(&text, at..at, &piece)
            }
            4 => {
                let other = dice.one(&self.texts);
                let from = place(other, dice);
                format!("{}{}", &text[..at], &other[from..])
            }
            5 => {
                let (first, second) = (word(&text, at), word(&text, place(&text, dice)));
                if first.end > second.start {
                    return text;
                }
                let words = (text[first.clone()].to_owned(), text[second.clone()].to_owned());
                let text = replace(&text, second, &words.0);
                replace(&text, first, &words.1)
            }
            6 | 7 => replace(&text, word(&text, at), dice.one(&self.words)),
            8 => replace(&text, at..at, dice.one(&self.words)),
            9 => replace(&text, word(&text, at), dice.one(&NUMBERS)),
            10 => {
                let (open, close) = BRACKETS[dice.below(BRACKETS.len())];
                let depth = [3, 40, 120, 1000, 20_000][dice.below(5)];
                let close = if dice.below(3) == 0 { "" } else { close };
                let piece = piece(&text, at, dice);
                let inside = format!("{}{}{}", open.repeat(depth), &text[piece.clone()], close.repeat(depth));
                replace(&text, piece, &inside)
            }
            11 => {
                let piece = piece(&text, at, dice);
                let times = [2, 10, 100, 2000][dice.below(4)];
                let repeated = text[piece.clone()].repeat(times.min(INPUT_MAX / piece.len().max(1)));
                replace(&text, piece, &repeated)
            }
            12 => {
                let mut lines: Vec<&str> = text.lines().collect();
                let (first, second) = (dice.below(lines.len()), dice.below(lines.len()));
                if first < lines.len() && second < lines.len() {
                    lines.swap(first, second);
                }
                lines.join("\n")
            }
            _ => {
                let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
                match dice.below(2) {
                    0 => replace(&text, line..line, "  "),
                    _ if text[line..].starts_with("  ") => replace(&text, line..line + 2, ""),
                    _ => text,
                }
            }
        }
    }
}

fn replace(text: &str, range: std::ops::Range<usize>, with: &str) -> String {
    format!("{}{with}{}", &text[..range.start], &text[range.end..])
}

/// A place between two characters.
fn place(text: &str, dice: &mut Dice) -> usize {
    let near = dice.below(text.len() + 1);
    (0..=near).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// A piece of at most a hundred bytes from a place on.
fn piece(text: &str, at: usize, dice: &mut Dice) -> std::ops::Range<usize> {
    let near = (at + 1 + dice.below(100)).min(text.len());
    let end = (near..=text.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(text.len());
    at.min(end)..end
}

/// The word around a place.
fn word(text: &str, at: usize) -> std::ops::Range<usize> {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$');
    let start = text[..at]
        .rfind(|c| !part(c))
        .map_or(0, |start| start + text[start..].chars().next().map_or(1, char::len_utf8));
    let end = text[at..].find(|c| !part(c)).map_or(text.len(), |end| at + end);
    start..end
}
