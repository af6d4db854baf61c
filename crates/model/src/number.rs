//! Numbers of a [`crate::Value`]: machine integers where they fit, exact decimals otherwise.

use std::cmp::Ordering;
use std::fmt;

use crate::Decimal;

/// A number as it stood on the wire. `1`, `1.0` and `1.00` are equal but print as they came.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// A whole number that fits 64 bits.
    Integer(i64),
    /// Anything else.
    Decimal(Decimal),
}

impl Number {
    /// As a decimal; exact.
    #[must_use]
    pub fn to_decimal(self) -> Decimal {
        match self {
            Self::Integer(value) => Decimal::from(value),
            Self::Decimal(value) => value,
        }
    }

    /// As an `i64` when it has no fraction and fits.
    #[must_use]
    pub fn to_i64(self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(value),
            Self::Decimal(value) => value.to_i64(),
        }
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}
impl From<Decimal> for Number {
    fn from(value: Decimal) -> Self {
        Self::Decimal(value)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => fmt::Display::fmt(value, formatter),
            Self::Decimal(value) => fmt::Display::fmt(value, formatter),
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Number {}
impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Integer(left), Self::Integer(right)) => left.cmp(right),
            _ => self.to_decimal().cmp(&other.to_decimal()),
        }
    }
}
