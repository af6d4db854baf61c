//! Amounts with their currency.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use crate::{Decimal, DecimalError, Object, Text, Value};

/// An ISO 4217 alphabetic currency code: three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// An amount in one currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Money {
    /// How much.
    pub amount: Decimal,
    /// Of what.
    pub currency: Currency,
}

/// Why amounts could not be read or put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not three capital letters.
    #[error("`{0}` is not an ISO 4217 currency code")]
    Currency(String),
    /// Two currencies in one sum.
    #[error("{0} and {1} cannot be added")]
    Mixed(Currency, Currency),
    /// The amount.
    #[error("the amount cannot be computed: {0}")]
    Amount(#[from] DecimalError),
}

impl Currency {
    /// The three letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // `from_str` is the only way to one and takes capital ASCII letters alone, so that this cannot fail.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        match text.as_bytes() {
            [a, b, c] if [a, b, c].iter().all(|byte| byte.is_ascii_uppercase()) => Ok(Self([*a, *b, *c])),
            _ => Err(MoneyError::Currency(text.to_owned())),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}
impl fmt::Debug for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Money {
    /// The sum of two amounts of one currency.
    ///
    /// # Errors
    /// [`MoneyError::Mixed`] for two currencies, [`MoneyError::Amount`] when the sum does not fit.
    #[expect(clippy::should_implement_trait, reason = "an operator could not refuse a sum that does not fit")]
    pub fn add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Mixed(self.currency, other.currency));
        }
        Ok(Self { amount: self.amount.add(other.amount)?, currency: self.currency })
    }

    /// From `{"amount": 12.50, "currency": "GBP"}`.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        Some(Self {
            amount: value.get("amount").as_decimal()?,
            currency: value.get("currency").as_str()?.parse().ok()?,
        })
    }

    /// As `{"amount": 12.50, "currency": "GBP"}`.
    #[must_use]
    pub fn to_value(self) -> Value {
        self.to_value_with(self.currency.as_str().into())
    }

    /// The same, where the text of the currency is at hand already.
    #[must_use]
    pub fn to_value_with(self, currency: Text) -> Value {
        static EMPTY: LazyLock<Object> =
            LazyLock::new(|| ["amount", "currency"].into_iter().map(|name| (name.into(), Value::Null)).collect());
        let currency = if *currency == *self.currency.as_str() { currency } else { self.currency.as_str().into() };
        let mut members = EMPTY.clone();
        for (place, value) in members.values_mut().zip([Value::from(self.amount), Value::String(currency)]) {
            *place = value;
        }
        Value::from(members)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.amount, self.currency)
    }
}
