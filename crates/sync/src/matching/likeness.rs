//! How like two texts are.
//!
//! Scores are whole ten-thousandths, so that they are equal on every machine and can be compared and stored.

use std::fmt;

/// Likeness from 0 (nothing in common) to 1 (the same), in ten-thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Score(u16);

/// How two texts are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The same or not.
    Equal,
    /// Letter by letter: for typing mistakes.
    JaroWinkler,
    /// Word by word in any order: for names that are written in another order or with words left out.
    TokenSet,
}

/// A common start counts up to this length.
const PREFIX_MAX: u64 = 4;
/// Most words of a text that are compared.
const WORDS_MAX: usize = 24;
/// Most characters that are compared.
const CHARACTERS_MAX: usize = 200;

impl Score {
    /// Nothing in common.
    pub const NONE: Self = Self(0);
    /// The same.
    pub const FULL: Self = Self(10_000);

    /// So many ten-thousandths; `None` above one.
    #[must_use]
    pub const fn new(ten_thousandths: u16) -> Option<Self> {
        if ten_thousandths <= Self::FULL.0 { Some(Self(ten_thousandths)) } else { None }
    }

    /// In ten-thousandths.
    #[must_use]
    pub const fn ten_thousandths(self) -> u16 {
        self.0
    }

    /// What is left when another one is taken away, at least nothing.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// A part of a whole, rounded down; nothing when the whole is.
    pub(crate) fn part(part: u64, whole: u64) -> Self {
        let ten_thousandths = part.min(whole).saturating_mul(u64::from(Self::FULL.0)).checked_div(whole).unwrap_or(0);
        Self(u16::try_from(ten_thousandths).unwrap_or(Self::FULL.0))
    }
}

impl fmt::Display for Score {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{:04}", self.0 / 10_000, self.0 % 10_000)
    }
}

impl Measure {
    /// The likeness of two texts in their compared form.
    #[must_use]
    pub fn of(self, one: &str, other: &str) -> Score {
        match self {
            Self::Equal if one == other => Score::FULL,
            Self::Equal => Score::NONE,
            Self::JaroWinkler => jaro_winkler(one, other),
            Self::TokenSet => token_set(one, other),
        }
    }
}

/// The Jaro-Winkler likeness of the first 200 characters, with the usual weight of 0.1 for each of up to four common first ones.
#[must_use]
pub fn jaro_winkler(one: &str, other: &str) -> Score {
    let characters = |text: &str| text.chars().take(CHARACTERS_MAX).collect::<Vec<_>>();
    let (one, other) = (characters(one), characters(other));
    // Which one is gone through first may matter to the letters that are found: always the same one.
    if (one.len(), &one) <= (other.len(), &other) { winkler(&one, &other) } else { winkler(&other, &one) }
}

fn winkler(short: &[char], long: &[char]) -> Score {
    if short == long {
        return Score::FULL;
    }
    // m/s + m/l + (m-t)/m over one denominator keeps the fraction exact; three lengths of 200 stay far from overflow.
    let (found, swapped) = common(short, long);
    if found == 0 {
        return Score::NONE;
    }
    let (s, l) = (short.len() as u64, long.len() as u64);
    let whole = 3 * s * l * found;
    let jaro = found * found * l + found * found * s + (found - swapped) * s * l;
    let prefix = short.iter().zip(long).take_while(|(one, other)| one == other).count() as u64;
    let prefix = prefix.min(PREFIX_MAX);
    // jaro + prefix × 0.1 × (1 − jaro)
    Score::part(10 * jaro + prefix * (whole - jaro), 10 * whole)
}

/// How many characters are in both within half the longer length, and how many pairs of them are swapped.
fn common(short: &[char], long: &[char]) -> (u64, u64) {
    let reach = (long.len() / 2).saturating_sub(1);
    let mut taken = vec![false; long.len()];
    let mut found = Vec::with_capacity(short.len());
    for (place, character) in short.iter().enumerate() {
        let from = place.saturating_sub(reach);
        let until = (place + reach + 1).min(long.len());
        if let Some(match_place) = (from..until).find(|at| !taken[*at] && long[*at] == *character) {
            taken[match_place] = true;
            found.push(*character);
        }
    }
    let in_long = long.iter().zip(&taken).filter_map(|(character, taken)| taken.then_some(character));
    let moved = found.iter().zip(in_long).filter(|(one, other)| one != other).count();
    (found.len() as u64, moved as u64 / 2)
}

/// The likeness of two sets of words: each word counts with its best partner and its length, and the set with less in common
/// decides.
#[must_use]
pub fn token_set(one: &str, other: &str) -> Score {
    let words = |text: &str| {
        let mut words: Vec<String> = text.split_whitespace().take(WORDS_MAX).map(str::to_owned).collect();
        words.sort();
        words.dedup();
        words
    };
    let (one, other) = (words(one), words(other));
    if one == other {
        return if one.is_empty() { Score::NONE } else { Score::FULL };
    }
    toward(&one, &other).min(toward(&other, &one))
}

fn toward(words: &[String], others: &[String]) -> Score {
    let (mut sum, mut whole) = (0, 0);
    for word in words {
        let best = others.iter().map(|other| jaro_winkler(word, other)).max().unwrap_or_default();
        let length = word.chars().take(CHARACTERS_MAX).count() as u64;
        sum += u64::from(best.0) * length;
        whole += u64::from(Score::FULL.0) * length;
    }
    Score::part(sum, whole)
}
