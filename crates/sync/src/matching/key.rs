//! Under which keys an object is found again.

use std::sync::Arc;

use super::definition::Matcher;
use super::recognise::Known;

/// Stands between the parts of a key and in no value in its form, so that `ab`, `c` and `a`, `bc` stay apart.
const BETWEEN: char = '\u{1f}';

impl Matcher {
    /// The keys to store an object under and to look for it by: one for each rule and each block whose fields it has. Objects
    /// that have none in common need not be compared. They change with the definition.
    #[must_use]
    pub fn keys(&self, known: &Known) -> Vec<Arc<str>> {
        let rules = self.rules.iter().filter_map(|rule| {
            let parts = rule.terms.iter().map(|term| known.form(*term).map(str::to_owned));
            Some(key('=', &rule.text, parts.collect::<Option<Vec<_>>>()?))
        });
        let blocks = self.likeness.iter().flat_map(|likeness| &likeness.blocks).filter_map(|block| {
            let parts = block.parts.iter().map(|(term, characters)| {
                let form = known.form(*term)?;
                Some(form.chars().take(characters.unwrap_or(usize::MAX)).collect::<String>())
            });
            Some(key('~', &block.text, parts.collect::<Option<Vec<_>>>()?))
        });
        rules.chain(blocks).collect()
    }
}

impl Matcher {
    /// Whether a key is one of a rule, not of a block. Keys of rules come first.
    #[must_use]
    pub fn is_of_rule(&self, key: &str) -> bool {
        key.starts_with('=')
    }

    /// What the key of a rule says of an object that has it; `None` for the key of a block, which says too little.
    #[must_use]
    pub fn know_by(&self, key: &str) -> Option<Known> {
        let mut parts = key.strip_prefix('=')?.split(BETWEEN);
        let text = parts.next()?;
        let rule = self.rules.iter().find(|rule| rule.text == text)?;
        let mut forms = vec![None; self.terms.len()];
        for (term, part) in rule.terms.iter().zip(parts) {
            *forms.get_mut(*term)? = Some(part.to_owned());
        }
        Some(Known::of_forms(forms))
    }
}

fn key(kind: char, fields: &str, parts: Vec<String>) -> Arc<str> {
    let mut key = format!("{kind}{fields}");
    for part in parts {
        key.push(BETWEEN);
        key.extend(part.chars().filter(|character| *character != BETWEEN));
    }
    key.into()
}
