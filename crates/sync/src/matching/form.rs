//! In which form values are compared.

use std::collections::BTreeSet;

use icu_normalizer::DecomposingNormalizerBorrowed;
use model::{Path, Value};

/// Longest text that is compared, in characters; what comes after does not count.
const CHARACTERS_MAX: usize = 200;
/// Most words of one legal form.
const LEGAL_WORDS_MAX: usize = 6;

/// In which form a value is compared. Empty in its form is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// As it is, without blanks around it.
    Exact,
    /// Without case, accents and punctuation.
    Text,
    /// As [`Form::Text`] and without the legal form of the company at its end.
    Name,
    /// Its digits, without the zeros of a trunk or international prefix.
    Phone,
    /// In small letters, without blanks.
    Email,
    /// Its letters and digits, in capitals.
    TaxId,
    /// Its letters and digits, in capitals.
    PostalCode,
}

/// Legal forms of companies in their compared form: `ltd`, `gmbh`, `gmbh and co kg`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegalForms(BTreeSet<String>);

impl LegalForms {
    /// These legal forms, as people write them.
    pub fn new<S: AsRef<str>>(forms: impl IntoIterator<Item = S>) -> Self {
        Self(forms.into_iter().map(|form| text(form.as_ref())).filter(|form| !form.is_empty()).collect())
    }

    /// A name without the legal forms at its end. A name that is nothing else stays.
    fn strip<'a>(&self, name: &'a str) -> &'a str {
        let mut rest = name;
        while let Some(shorter) = self.strip_once(rest) {
            rest = shorter;
        }
        rest
    }

    fn strip_once<'a>(&self, name: &'a str) -> Option<&'a str> {
        let ends = name.rmatch_indices(' ').take(LEGAL_WORDS_MAX);
        // The longest one first: `gmbh and co kg` before `kg`.
        let ends: Vec<usize> = ends.map(|(place, _)| place).collect();
        ends.into_iter().rev().find(|place| self.0.contains(&name[place + 1..])).map(|place| name[..place].trim_end())
    }
}

impl Default for LegalForms {
    /// The usual ones of Europe, the Americas and Asia.
    fn default() -> Self {
        Self::new(include_str!("legal_forms.txt").lines())
    }
}

impl Form {
    /// The form that the last name of a path suggests, for rules that only name their fields: `taxId` is a tax number, `email`
    /// an address, and what suggests nothing is a text.
    #[must_use]
    pub fn usual(path: &Path) -> Self {
        match path.names().last().map_or("", |name| &**name) {
            "name" | "company" | "legalName" => Self::Name,
            "email" => Self::Email,
            "phone" | "mobile" | "fax" => Self::Phone,
            "taxId" | "vatId" | "registrationNumber" => Self::TaxId,
            "postalCode" => Self::PostalCode,
            _ => Self::Text,
        }
    }

    /// A value in this form; `None` when nothing of it is left, or it is a list or an object.
    #[must_use]
    pub fn of(self, value: &Value, legal: &LegalForms) -> Option<String> {
        let given = match value {
            Value::String(given) => given.chars().take(CHARACTERS_MAX).collect(),
            Value::Number(number) => number.to_decimal().normalized().to_string(),
            Value::Bool(truth) => truth.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        let form = match self {
            Self::Exact => given.trim().to_owned(),
            Self::Text => text(&given),
            Self::Name => legal.strip(&text(&given)).to_owned(),
            Self::Phone => phone(&given),
            Self::Email => folded(&given).split_whitespace().collect(),
            Self::TaxId | Self::PostalCode => {
                folded(&given).chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
            }
        };
        (!form.is_empty()).then_some(form)
    }
}

/// Digits without what only says how to dial: `+44 (0)20 7946 0000`, `0044 20 7946 0000` and `020 7946 0000` differ in their
/// country alone.
fn phone(given: &str) -> String {
    let international = given.trim_start().starts_with('+');
    let given = if international { given.replace("(0)", "") } else { given.to_owned() };
    let digits: String = folded(&given).chars().filter(char::is_ascii_digit).collect();
    digits.trim_start_matches('0').to_owned()
}

/// Words in small letters without accents and punctuation, one blank between them.
fn text(given: &str) -> String {
    let mut words = String::with_capacity(given.len());
    for character in folded(given).chars() {
        match character {
            '&' | '+' => words.push_str(" and "),
            // Within abbreviations and names: `S.A.`, `O'Neill`.
            '.' | '\'' | '’' | '`' => {}
            separator if is_separator(separator) => words.push(' '),
            letter => words.push(letter),
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Compatibility decomposition without the accents of Latin, Greek and Cyrillic letters, case folded.
fn folded(given: &str) -> String {
    const NORMALIZER: DecomposingNormalizerBorrowed<'static> = DecomposingNormalizerBorrowed::new_nfkd();
    let mut folded = String::with_capacity(given.len());
    for character in NORMALIZER.normalize_iter(given.chars()).filter(|character| !is_accent(*character)) {
        // Through capitals, so that `ß` becomes `ss` and all sigmas one.
        for letter in character.to_uppercase().flat_map(char::to_lowercase) {
            match undecomposed(letter) {
                Some(letters) => folded.push_str(letters),
                None => folded.push(letter),
            }
        }
    }
    folded
}

/// Accents on letters that are read the same without them. Marks of other scripts are part of the letter: without them,
/// Japanese and Hindi words become other words.
const fn is_accent(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// What stands between words. Marks of scripts that write vowels so are not alphanumeric and yet belong to their word.
fn is_separator(character: char) -> bool {
    !character.is_alphanumeric()
        && matches!(character, '\0'..='\u{2ff}' | '\u{2000}'..='\u{2bff}' | '\u{3000}'..='\u{303f}')
}

/// Letters with a stroke or joined ones, which Unicode does not decompose.
const fn undecomposed(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'þ' => "th",
        'æ' => "ae",
        'œ' => "oe",
        'ı' => "i",
        'ħ' => "h",
        'ŧ' => "t",
        _ => return None,
    })
}
