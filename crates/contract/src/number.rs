//! Numbers as the validator sees them.

use std::borrow::Cow;

use jsonschema::json::JsonNumber;
use model::Number;

/// A number of a [`model::Value`].
pub(crate) struct ExactNumber(pub(crate) Number);

impl JsonNumber for ExactNumber {
    fn as_u64(&self) -> Option<u64> {
        self.as_i64().and_then(|integer| u64::try_from(integer).ok())
    }

    fn as_i64(&self) -> Option<i64> {
        self.0.to_i64()
    }

    fn as_f64(&self) -> Option<f64> {
        match self.0 {
            Number::Integer(integer) => Some(integer as f64),
            Number::Decimal(decimal) => Some(decimal.to_f64_lossy()),
        }
    }

    fn as_str(&self) -> Cow<'_, str> {
        Cow::Owned(self.0.to_string())
    }

    fn to_number(&self) -> Cow<'_, serde_json::Number> {
        Cow::Owned(to_json(self.0))
    }

    fn is_integer(&self) -> bool {
        match self.0 {
            Number::Integer(_) => true,
            Number::Decimal(decimal) => decimal.is_integral(),
        }
    }
}

/// For schemas and messages: a number as close as a JSON number of the validator's own can be.
pub(crate) fn to_json(number: Number) -> serde_json::Number {
    match number {
        Number::Integer(integer) => integer.into(),
        Number::Decimal(decimal) => {
            let integer = decimal.to_i64().map(serde_json::Number::from);
            integer.or_else(|| serde_json::Number::from_f64(decimal.to_f64_lossy())).unwrap_or_else(|| 0.into())
        }
    }
}
