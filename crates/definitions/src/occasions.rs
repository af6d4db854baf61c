//! Occasions: what a record's changes start is started once for each. A quote that is accepted, rejected, corrected and accepted
//! again is one quote with two occasions. Pure.

use std::sync::Arc;

use expr::{Expression, Limits};
use model::{Value, json};

use crate::call::{FunctionError, FunctionSide};
use crate::connection::Feed;

/// How a feed tells one occasion of a record from the next.
#[derive(Debug)]
pub struct OccasionRule {
    /// What tells them apart: jq on the canonical object. `null` and `false` where there is none.
    pub of: Expression,
    /// The member that gets how many there have been.
    pub member: Arc<str>,
}

/// The occasions that a record has had.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Occasions {
    count: u32,
    stands: Stands,
}

/// Where a record stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Stands {
    /// At no occasion: whatever comes is the next one.
    #[default]
    Apart,
    /// At one, of which is not known what tells it from others: what comes is taken for the same.
    Unknown,
    /// At the one that this tells from others.
    At(Arc<str>),
}

/// Stands for [`Stands::Apart`] and [`Stands::Unknown`] in a text; what tells occasions apart never looks so.
const APART: &str = "-";
const UNKNOWN: &str = "?";

impl Occasions {
    /// Those of a record that was handed over when its feed did not count them yet.
    #[must_use]
    pub const fn uncounted() -> Self {
        Self { count: 1, stands: Stands::Unknown }
    }

    /// How many there have been.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The record was read, with this to tell its occasion from others; with nothing, or when it is not wanted, there is none.
    pub fn see(&mut self, mark: Option<&str>) {
        let Some(mark) = mark else {
            self.stands = Stands::Apart;
            return;
        };
        match &self.stands {
            Stands::At(known) if **known == *mark => return,
            Stands::Unknown => {}
            Stands::At(_) | Stands::Apart => self.count = self.count.saturating_add(1),
        }
        self.stands = Stands::At(mark.into());
    }
}

impl std::fmt::Display for Occasions {
    /// `2 5f…`
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stands = match &self.stands {
            Stands::Apart => APART,
            Stands::Unknown => UNKNOWN,
            Stands::At(mark) => mark,
        };
        write!(formatter, "{} {stands}", self.count)
    }
}

impl std::str::FromStr for Occasions {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (count, stands) = text.split_once(' ').ok_or(())?;
        let stands = match stands {
            APART => Stands::Apart,
            UNKNOWN => Stands::Unknown,
            mark => Stands::At(mark.into()),
        };
        Ok(Self { count: count.parse().map_err(|_| ())?, stands })
    }
}

impl Feed {
    /// What tells the occasion of this object from others, as JSON; nothing when it has none, or the feed counts none.
    ///
    /// # Errors
    /// When the expression fails.
    pub fn occasion(&self, object: &Value) -> Result<Option<String>, FunctionError> {
        let Some(rule) = &self.occasion else { return Ok(None) };
        let value = rule.of.evaluate(object, &[], Limits::default()).map_err(|error| {
            let text = rule.of.text().trim();
            FunctionError::new(FunctionSide::Answer, format!("`occasion` of the feed {self}: `{text}` says {error}"))
        })?;
        let is_one = !matches!(value, Value::Null | Value::Bool(false));
        Ok(is_one.then(|| json::to_string(&value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(marks: &[Option<&str>]) -> Occasions {
        let mut occasions = Occasions::default();
        marks.iter().for_each(|mark| occasions.see(*mark));
        occasions
    }

    #[test]
    fn an_occasion_is_counted_once_however_often_it_is_seen() {
        for (marks, count) in [
            (&[][..], 0),
            (&[None, None], 0),
            (&[Some("true"), Some("true")], 1),
            (&[None, Some("true"), None, None, Some("true"), Some("true")], 2),
            // What lay between was never seen.
            (&[Some("1"), Some("3"), Some("3")], 2),
            (&[Some("1"), None, Some("1")], 2),
        ] {
            assert_eq!(after(marks).count(), count, "{marks:?}");
        }
    }

    #[test]
    fn occasions_are_the_same_after_they_were_stored() {
        for occasions in [after(&[]), after(&[Some("1"), Some("2")]), after(&[Some("1"), None]), Occasions::uncounted()]
        {
            assert_eq!(occasions.to_string().parse(), Ok(occasions));
        }
        assert_eq!("two".parse::<Occasions>(), Err(()));
    }

    #[test]
    fn a_record_that_was_handed_over_before_they_were_counted_is_at_its_first() {
        let mut occasions = Occasions::uncounted();
        occasions.see(Some("7"));
        assert_eq!(occasions.count(), 1);
        occasions.see(Some("8"));
        assert_eq!(occasions.count(), 2);
    }
}
