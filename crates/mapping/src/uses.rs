//! Which members of its input a jq expression reads, as far as that can be seen without running it.

use model::Path;

/// Functions whose arguments look at the same input as the function itself.
const SAME_INPUT: [&str; 12] = [
    "select",
    "has",
    "test",
    "split",
    "join",
    "round_to",
    "startswith",
    "endswith",
    "ltrimstr",
    "rtrimstr",
    "sub",
    "gsub",
];

/// What an expression reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses {
    /// Paths from the input (`.Account.Name` is `Account.Name`), each once, in the order of the text.
    pub paths: Vec<Path>,
    /// Whether these are all, and each of them is a plain member: `false` for anything that walks lists, takes the input as
    /// a whole, or goes on from the result of a pipe.
    pub complete: bool,
}

/// Looks at the text of an expression that compiles. Errs on the side of `complete: false`.
#[must_use]
pub fn uses(text: &str) -> Uses {
    let mut scan = Scan { text: text.chars().collect(), at: 0, found: Uses { paths: Vec::new(), complete: true } };
    scan.level(false, None, false);
    scan.found
}

struct Scan {
    text: Vec<char>,
    at: usize,
    found: Uses,
}

impl Scan {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    /// Reads up to the closing character. `elsewhere`: whether `.` is something else than the input here.
    fn level(&mut self, elsewhere: bool, close: Option<char>, object: bool) {
        let (outer, mut elsewhere) = (elsewhere, elsewhere);
        let (mut binding, mut key) = (false, object);
        // Whether the text so far ends in a term that `.name` would continue.
        let mut term = false;
        while let Some(character) = self.peek(0) {
            if Some(character) == close {
                self.at += 1;
                return;
            }
            let was_term = std::mem::take(&mut term);
            match character {
                '#' => {
                    while self.peek(0).is_some_and(|character| character != '\n') {
                        self.at += 1;
                    }
                }
                '"' => self.string(elsewhere),
                '.' => term = self.dot(elsewhere, was_term),
                '$' | '@' => {
                    self.at += 1;
                    self.word();
                    term = character == '$';
                }
                '|' if self.peek(1) == Some('=') => {
                    self.found.complete = false;
                    self.at += 2;
                }
                '|' => {
                    elsewhere = if std::mem::take(&mut binding) { elsewhere } else { true };
                    self.at += 1;
                }
                ',' => {
                    // A pipe binds weaker than a comma, except between the members of an object.
                    if object {
                        (key, elsewhere) = (true, outer);
                    }
                    self.at += 1;
                }
                ':' => {
                    key = false;
                    self.at += 1;
                }
                ';' => {
                    elsewhere = outer;
                    self.at += 1;
                }
                '(' | '[' | '{' => {
                    self.at += 1;
                    let close = match character {
                        '(' => ')',
                        '[' => ']',
                        _ => '}',
                    };
                    self.level(elsewhere, Some(close), character == '{' && !binding);
                    term = true;
                }
                _ if character.is_ascii_digit() => {
                    while self.peek(0).is_some_and(|next| next.is_ascii_alphanumeric() || next == '.') {
                        self.at += 1;
                    }
                }
                _ if character.is_ascii_alphabetic() || character == '_' => {
                    let word = self.word();
                    if self.peek(0) == Some('(') && !key {
                        self.at += 1;
                        let same = SAME_INPUT.contains(&word.as_str());
                        self.level(elsewhere || !same, Some(')'), false);
                        term = true;
                    } else if key {
                        let next = self.text[self.at..].iter().copied().find(|next| !next.is_whitespace());
                        if matches!(next, Some(',' | '}')) {
                            self.path(vec![word], elsewhere);
                        }
                    } else if word == "as" {
                        binding = true;
                    }
                }
                _ => {
                    term = was_term && (character.is_whitespace() || character == '?');
                    self.at += 1;
                }
            }
        }
    }

    fn string(&mut self, elsewhere: bool) {
        self.at += 1;
        while let Some(character) = self.peek(0) {
            self.at += 1;
            match character {
                '"' => return,
                '\\' if self.peek(0) == Some('(') => {
                    self.at += 1;
                    self.level(elsewhere, Some(')'), false);
                }
                '\\' => self.at += 1,
                _ => {}
            }
        }
    }

    /// At a point: a path, a number, or the whole input. Says whether a term ends here.
    fn dot(&mut self, elsewhere: bool, was_term: bool) -> bool {
        if self.peek(1).is_some_and(|next| next.is_ascii_digit()) {
            self.at += 1;
            return false;
        }
        let mut names = Vec::new();
        while self.peek(0) == Some('.') {
            match self.peek(1) {
                Some(next) if next.is_ascii_alphabetic() || next == '_' => {
                    self.at += 1;
                    names.push(self.word());
                }
                _ => break,
            }
        }
        let goes_on = self.peek(0) == Some('[') || (self.peek(0) == Some('.') && !names.is_empty());
        if names.is_empty() {
            self.at += 1;
            // The whole input, a name in quotes, or everything below: not a plain member.
            self.found.complete &= elsewhere && !matches!(self.peek(0), Some('.' | '"' | '['));
        } else if was_term || goes_on {
            self.found.complete = false;
        } else {
            self.path(names, elsewhere);
        }
        true
    }

    fn path(&mut self, names: Vec<String>, elsewhere: bool) {
        if elsewhere {
            self.found.complete = false;
        } else if let Ok(path) = names.join(".").parse::<Path>()
            && !self.found.paths.contains(&path)
        {
            self.found.paths.push(path);
        }
    }

    fn word(&mut self) -> String {
        let start = self.at;
        while self.peek(0).is_some_and(|character| character.is_ascii_alphanumeric() || character == '_') {
            self.at += 1;
        }
        self.text[start..self.at].iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let uses = uses(text);
        let paths: Vec<String> = uses.paths.iter().map(ToString::to_string).collect();
        format!("{}{}", paths.join(" "), if uses.complete { "" } else { " ?" })
    }

    #[test]
    fn plain_members_are_seen() {
        for (text, expected) in [
            (".Industry | ascii_downcase", "Industry"),
            ("if .Status == \"A.b\" then .Account.Name else null end", "Status Account.Name"),
            ("(.A // \"\") + \" \" + (.B | text)", "A B"),
            (".A as $a | .B + $a", "A B"),
            ("{a: .X, Y, \"z\": (.Z | length)}", "X Y Z"),
            ("\"no \\(.A)-\\(.B | text).x\"", "A B"),
            (".A * 1.5 + .5", "A"),
            ("select(.A == 1) | 2", "A"),
            ("\"x\"", ""),
            (".A, .B", "A B"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_said() {
        for text in [
            ".",
            ". as $r | $r.A",
            ".A | .B",
            ".A[0]",
            "[.lines[].amount] | add",
            "map(.x)",
            "..",
            ".\"odd name\"",
            "(.A // {}).B",
            ".A |= 1",
            "$x.y",
        ] {
            assert!(!uses(text).complete, "{text}");
        }
    }

    #[test]
    fn odd_texts_end() {
        for text in ["\"", "\"\\", "\"\\(", "(((", ")", ".", ".a.", "{", "$", "@", "#", "|", "1.", "é.ü"] {
            let _ = uses(text);
        }
    }
}
