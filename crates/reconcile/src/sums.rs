//! Sums of amounts per currency and month, exact.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::civil::Date;
use model::{Currency, Decimal, Value};

use crate::{Amount, ReconcileError};

/// Most sums of one side.
const SUMS_MAX: usize = 100_000;

/// A month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    /// The year.
    pub year: i16,
    /// From 1.
    pub month: i8,
}

impl Period {
    /// The month of a date or an instant, by its own calendar.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let date: Date = text.get(..10)?.parse().ok()?;
        Some(Self { year: date.year(), month: date.month() })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&format!("{:04}-{:02}", self.year, self.month))
    }
}

/// What some rows sum to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// How much.
    pub amount: Decimal,
    /// How many rows have an amount.
    pub rows: u64,
}

/// Of what a sum is: the place of the amount in the shape, currency, month.
pub(crate) type SumKey = (usize, Option<Currency>, Option<Period>);

/// The sums of one side.
pub(crate) type Sums = BTreeMap<SumKey, Sum>;

/// Both sides of one sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SumLine {
    /// Of what.
    pub name: Arc<str>,
    /// In which currency; `None` where a record does not say one.
    pub currency: Option<Currency>,
    /// In which month; `None` where a record does not say a date.
    pub period: Option<Period>,
    /// On the left.
    pub left: Sum,
    /// On the right.
    pub right: Sum,
    /// Left without right.
    pub difference: Decimal,
}

/// Adds the amounts of a record.
pub(crate) fn add(sums: &mut Sums, amounts: &[Amount], object: &Value) -> Result<(), ReconcileError> {
    for (place, wanted) in amounts.iter().enumerate() {
        let Some(amount) = decimal(wanted.amount.get(object)) else { continue };
        let currency = wanted.currency.get(object).as_str().and_then(|text| text.parse().ok());
        let period = wanted.date.as_ref().and_then(|date| Period::of(date.get(object).as_str()?));
        let key = (place, currency, period);
        let full = sums.len() >= SUMS_MAX;
        match sums.get_mut(&key) {
            Some(sum) => {
                let too_large = |_| ReconcileError::SumTooLarge { name: wanted.name.to_string() };
                sum.amount = sum.amount.add(amount).map_err(too_large)?;
                sum.rows += 1;
            }
            None if full => return Err(ReconcileError::TooManySums { most: SUMS_MAX }),
            None => drop(sums.insert(key, Sum { amount, rows: 1 })),
        }
    }
    Ok(())
}

/// Some systems write amounts as texts.
fn decimal(value: &Value) -> Option<Decimal> {
    value.as_decimal().or_else(|| value.as_str()?.parse().ok())
}

/// Both sides beside each other.
pub(crate) fn beside(amounts: &[Amount], left: &Sums, right: &Sums) -> Result<Vec<SumLine>, ReconcileError> {
    let mut keys: Vec<&SumKey> = left.keys().chain(right.keys().filter(|key| !left.contains_key(*key))).collect();
    keys.sort_unstable();
    let none = Sum { amount: Decimal::ZERO, rows: 0 };
    let line = |key: &SumKey| {
        let name = amounts.get(key.0).map_or_else(|| "".into(), |amount| Arc::clone(&amount.name));
        let (left, right) = (*left.get(key).unwrap_or(&none), *right.get(key).unwrap_or(&none));
        let too_large = |_| ReconcileError::SumTooLarge { name: name.to_string() };
        let difference = left.amount.subtract(right.amount).map_err(too_large)?;
        Ok(SumLine { currency: key.1, period: key.2, left, right, difference, name })
    };
    keys.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_month_is_that_of_the_date_as_it_stands_there() {
        let period = |text: &str| Period::of(text).map(|period| period.to_string());
        assert_eq!(period("2026-11-30").as_deref(), Some("2026-11"));
        assert_eq!(period("2026-11-30T23:59:59.5-05:00").as_deref(), Some("2026-11"));
        for wrong in ["", "2026-13-01", "30.11.2026", "2026-02-30", "größer als"] {
            assert_eq!(period(wrong), None, "{wrong}");
        }
    }
}
