//! What one field of one record holds, in 16 bytes.

use std::sync::Arc;

use model::{Number, Rounding};

use crate::id::RecordId;

/// A text behind one thin pointer, shared where many records hold the same.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Text(Arc<Box<str>>);

impl Text {
    /// The text.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Arc::new(text.into()))
    }
}

/// The value of a field. Numbers are whole units of the field's scale, dates are days and instants milliseconds since 1970.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) enum Cell {
    /// Nothing: the vendor does not tell an empty text from none.
    #[default]
    Null,
    /// A checkbox.
    Bool(bool),
    /// A number, a date or an instant.
    Number(i64),
    /// The id of a record.
    Ref(RecordId),
    /// A text.
    Text(Text),
}

/// A value without owning it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum View<'a> {
    /// Nothing.
    Null,
    /// A checkbox.
    Bool(bool),
    /// A number, a date or an instant.
    Number(i64),
    /// The id of a record.
    Ref(RecordId),
    /// A text.
    Text(&'a str),
}

impl Cell {
    /// The value without owning it.
    #[must_use]
    pub(crate) fn view(&self) -> View<'_> {
        match self {
            Self::Null => View::Null,
            Self::Bool(truth) => View::Bool(*truth),
            Self::Number(number) => View::Number(*number),
            Self::Ref(id) => View::Ref(*id),
            Self::Text(text) => View::Text(text.as_str()),
        }
    }

    /// A text, or nothing when it is empty.
    #[must_use]
    pub(crate) fn text(text: &str) -> Self {
        if text.is_empty() { Self::Null } else { Self::Text(text.into()) }
    }

    /// The id it holds.
    #[must_use]
    pub(crate) fn as_ref(&self) -> Option<RecordId> {
        match self {
            Self::Ref(id) => Some(*id),
            _ => None,
        }
    }

    /// The number it holds; nothing counts as 0.
    #[must_use]
    pub(crate) fn units(&self) -> i64 {
        match self {
            Self::Number(number) => *number,
            _ => 0,
        }
    }

    /// The text it holds.
    #[must_use]
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            _ => None,
        }
    }
}

/// Most digits behind the point.
pub(crate) const SCALE_MAX: u8 = 18;

/// 10 to this power.
#[must_use]
pub(crate) fn ten(power: u8) -> i128 {
    10_i128.pow(u32::from(power))
}

/// A number in whole units of 10^-scale, rounded half up; `None` when it does not fit 64 bits.
#[must_use]
pub(crate) fn units_of(number: Number, scale: u8) -> Option<i64> {
    match number {
        Number::Integer(whole) => i64::try_from(i128::from(whole).checked_mul(ten(scale))?).ok(),
        Number::Decimal(decimal) => {
            let mut digits = decimal.round(i16::from(scale), Rounding::HalfUp).to_string();
            digits.retain(|character| character != '.');
            digits.parse().ok()
        }
    }
}

/// Appends a number the way the vendor's JSON has it: without trailing zeros, but with a fraction when the field has one.
pub(crate) fn write_units(units: i64, scale: u8, text: &mut String) {
    use std::fmt::Write as _;
    if scale == 0 {
        let _ = write!(text, "{units}");
        return;
    }
    let divisor = ten(scale).unsigned_abs();
    let magnitude = u128::from(units.unsigned_abs());
    if units < 0 {
        text.push('-');
    }
    let _ = write!(text, "{}.", magnitude / divisor);
    let mut fraction = magnitude % divisor;
    let mut places = usize::from(scale);
    while places > 1 && fraction.is_multiple_of(10) {
        fraction /= 10;
        places -= 1;
    }
    let _ = write!(text, "{fraction:0places$}");
}

/// `numerator / denominator`, rounded half away from zero; 0 when the denominator is 0.
#[must_use]
pub(crate) fn divide_half_up(numerator: i128, denominator: i128) -> i128 {
    if denominator == 0 {
        return 0;
    }
    let (quotient, remainder) = (numerator / denominator, numerator % denominator);
    let away = if (numerator < 0) == (denominator < 0) { 1 } else { -1 };
    if remainder.unsigned_abs() * 2 >= denominator.unsigned_abs() { quotient + away } else { quotient }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(units: i64, scale: u8) -> String {
        let mut text = String::new();
        write_units(units, scale, &mut text);
        text
    }

    #[test]
    fn a_cell_is_small() {
        assert_eq!(size_of::<Cell>(), 16);
    }

    #[test]
    fn numbers_print_as_the_vendor_prints_them() {
        assert_eq!(printed(25_050, 2), "250.5");
        assert_eq!(printed(25_000, 2), "250.0");
        assert_eq!(printed(-5, 2), "-0.05");
        assert_eq!(printed(7, 0), "7");
        assert_eq!(printed(i64::MIN, 2), "-92233720368547758.08");
    }

    #[test]
    fn numbers_are_rounded_to_the_scale() {
        let decimal = |text: &str| Number::Decimal(text.parse().expect("a decimal"));
        assert_eq!(units_of(decimal("2.345"), 2), Some(235));
        assert_eq!(units_of(decimal("-2.345"), 2), Some(-235));
        assert_eq!(units_of(Number::Integer(3), 2), Some(300));
        assert_eq!(units_of(Number::Integer(i64::MAX), 2), None);
        assert_eq!(divide_half_up(-5, 2), -3);
        assert_eq!(divide_half_up(5, 0), 0);
    }
}
