//! What a feed makes of changes, notifications and records. Pure.

use std::sync::Arc;

use connect::{Change, ChangeKind, PushedChange};
use expr::{Expression, Limits};
use model::Value;

use crate::call::{FunctionError, FunctionSide, key_text};
use crate::connection::{Feed, FeedSource};

/// How many violations of a schema are told of one record.
const VIOLATIONS_SHOWN: usize = 5;

/// A canonical object and its business key.
#[derive(Debug, Clone, PartialEq)]
pub struct Canonical {
    /// The business key.
    pub key: Arc<str>,
    /// The object.
    pub object: Value,
}

impl Feed {
    /// Whether a change on a subscribed topic matters, as far as the feed tells. In doubt it does: the record is re-read.
    #[must_use]
    pub fn wants(&self, change: &Change) -> bool {
        if *change.record != *self.record {
            return false;
        }
        let whole = change.kind != ChangeKind::Updated || change.changed.is_empty();
        let touched =
            whole || self.changed.is_empty() || self.changed.iter().any(|field| change.changed.contains(field));
        let carries = change.values.as_object().is_some_and(|values| !values.is_empty());
        touched
            && self.condition.as_ref().is_none_or(|condition| {
                !carries || condition.is_true(&change.values, &[], Limits::default()).unwrap_or(true)
            })
    }

    /// Whether a pushed notification of this type belongs to this feed: `*` in the pattern stands for any characters.
    #[must_use]
    pub fn matches_push(&self, event_type: &str) -> bool {
        match &self.source {
            FeedSource::Push(pattern) => glob(pattern, event_type),
            FeedSource::Topic(_) | FeedSource::Sweep => false,
        }
    }

    /// The id of the record that a pushed notification is about.
    ///
    /// # Errors
    /// When its keys hold none.
    pub fn push_id(&self, pushed: &PushedChange) -> Result<Arc<str>, FunctionError> {
        let nothing = |why: String| {
            let message = format!("the notification {} for the feed {self} names no record: {why}", pushed.event_type);
            FunctionError::new(FunctionSide::Answer, message)
        };
        let Some(expression) = &self.id else { return Err(nothing("the feed has no `id`".to_owned())) };
        let value = expression
            .evaluate(&pushed.keys, &[], Limits::default())
            .map_err(|error| nothing(format!("`{}` says {error}", expression.text().trim())))?;
        key_text(&value).ok_or_else(|| nothing(format!("`{}` gives nothing", expression.text().trim())))
    }

    /// A re-read record as canonical object; `None` when there is no record or `only` does not want it. [`Feed::resolve`] is
    /// the caller's to add: it needs cross-references.
    ///
    /// # Errors
    /// When the mapping cannot read it, or it has no business key.
    pub fn canonical(&self, record: &Value) -> Result<Option<Canonical>, FunctionError> {
        if record.is_null() {
            return Ok(None);
        }
        let object = self.mapping.read(record).map_err(|error| FunctionError::mapping(FunctionSide::Answer, error))?;
        let wrong = |what: &str, expression: &Expression, why: String| {
            let text = expression.text().trim();
            FunctionError::new(FunctionSide::Answer, format!("`{what}` of the feed {self}: `{text}` {why}"))
        };
        if let Some(only) = &self.only {
            let wanted = only.is_true(&object, &[], Limits::default());
            if !wanted.map_err(|error| wrong("only", only, format!("says {error}")))? {
                return Ok(None);
            }
        }
        let key = self.key.evaluate(&object, &[], Limits::default());
        let key = key.map_err(|error| wrong("key", &self.key, format!("says {error}")))?;
        let key = key_text(&key).ok_or_else(|| wrong("key", &self.key, "gives nothing for this record".to_owned()))?;
        Ok(Some(Canonical { key, object }))
    }
}

impl Feed {
    /// Whether a canonical object, with what [`Feed::resolve`] added, is what its schema says: workflows rely on it.
    ///
    /// # Errors
    /// What does not fit, and where.
    pub fn check(&self, object: &Value) -> Result<(), FunctionError> {
        self.schema.check(object).map_err(|violations| {
            let shown: Vec<String> = violations.iter().take(VIOLATIONS_SHOWN).map(ToString::to_string).collect();
            let more = violations.len() - shown.len();
            let more = if more > 0 { format!("; and {more} more") } else { String::new() };
            let message = format!(
                "the record does not fit the schema of `{}` (feed {self}): {}{more}",
                self.object,
                shown.join("; ")
            );
            FunctionError::new(FunctionSide::Answer, message)
        })
    }
}

impl std::fmt::Display for Feed {
    /// `quotes@crm`
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}@{}", self.name, self.connection)
    }
}

/// Whether a text fits a pattern in which `*` stands for any characters.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let Some((middle, last)) = rest.rsplit_once('*') else { return text.ends_with(rest) };
    // The leftmost match of each part leaves the most for those after it.
    for part in middle.split('*') {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_event_types() {
        for (pattern, text, expected) in [
            ("sap.s4.beh.billingdocument.v1.*", "sap.s4.beh.billingdocument.v1.BillingDocument.Changed.v1", true),
            ("sap.s4.beh.billingdocument.v1.*", "sap.s4.beh.salesorder.v1.SalesOrder.Changed.v1", false),
            ("*", "", true),
            ("a*a", "a", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "acb", false),
            ("*.Changed.*", "x.Changed.v1", true),
            ("exact", "exact", true),
            ("exact", "exactly", false),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
