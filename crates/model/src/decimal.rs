//! Exact decimals: what a wire format calls a number with a fraction, an amount or a quantity.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::digits::Digits;

use fastnum::D128;
use fastnum::decimal::{Context, RoundingMode, SignalsTraps};

/// A decimal of up to 38 significant digits that keeps the scale it was written with: `2.50` prints as `2.50`.
///
/// Equality and order are numeric (`2.5 == 2.50`). Addition, subtraction and multiplication are exact or refused; a
/// division or a rounding says how it rounds.
#[derive(Clone, Copy)]
pub struct Decimal(D128);

/// Why a decimal could not be read or computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// The text is not a decimal number.
    #[error("it is not a decimal number")]
    Malformed,
    /// The exact result has more than 38 significant digits, or an exponent outside ±512.
    #[error("it needs more than 38 significant digits")]
    TooLarge,
    /// Division by zero.
    #[error("it divides by zero")]
    DivisionByZero,
}

/// How digits are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// Half away from zero, as commerce does.
    HalfUp,
    /// Half to the even neighbour, as banks do.
    HalfEven,
    /// Towards zero.
    Down,
    /// Towards negative infinity.
    Floor,
    /// Towards positive infinity.
    Ceiling,
}

impl Rounding {
    const fn mode(self) -> RoundingMode {
        match self {
            Self::HalfUp => RoundingMode::HalfUp,
            Self::HalfEven => RoundingMode::HalfEven,
            Self::Down => RoundingMode::Down,
            Self::Floor => RoundingMode::Floor,
            Self::Ceiling => RoundingMode::Ceiling,
        }
    }
}

/// No traps: a result that is not exact is reported through its signals instead of a panic.
const CONTEXT: Context = Context::default().with_signal_traps(SignalsTraps::empty());
const SCALE_MAX: i16 = 512;
const TEXT_MAX: usize = 600;

impl Decimal {
    /// Zero without a fraction.
    pub const ZERO: Self = Self(D128::ZERO.with_ctx(CONTEXT));

    /// `units × 10^-scale`: `from_units(250, 2)` is `2.50`.
    #[must_use]
    pub fn from_units(units: i64, scale: u8) -> Self {
        let digits = fastnum::U128::from(units.unsigned_abs());
        let sign = if units < 0 { fastnum::decimal::Sign::Minus } else { fastnum::decimal::Sign::Plus };
        Self(D128::from_parts(digits, -i32::from(scale), sign, CONTEXT))
    }

    /// How many digits stand behind the point.
    #[must_use]
    pub fn scale(&self) -> i16 {
        self.0.fractional_digits_count()
    }

    /// Whether it is zero, of either sign.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    /// Whether it is below zero.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.0.is_negative() && !self.0.is_zero()
    }

    /// Whether it has no fraction, whatever its scale.
    #[must_use]
    pub fn is_integral(&self) -> bool {
        self.0.trunc() == self.0
    }

    /// The absolute value.
    #[must_use]
    pub fn abs(self) -> Self {
        Self(self.0.abs())
    }

    /// The sum, exact.
    ///
    /// # Errors
    /// [`DecimalError::TooLarge`] when the exact sum does not fit.
    #[expect(clippy::should_implement_trait, reason = "an operator could not refuse a sum that does not fit")]
    pub fn add(self, other: Self) -> Result<Self, DecimalError> {
        exact(self.0.add(other.0))
    }

    /// The difference, exact.
    ///
    /// # Errors
    /// [`DecimalError::TooLarge`] when the exact difference does not fit.
    pub fn subtract(self, other: Self) -> Result<Self, DecimalError> {
        exact(self.0.sub(other.0))
    }

    /// The product, exact.
    ///
    /// # Errors
    /// [`DecimalError::TooLarge`] when the exact product does not fit.
    pub fn multiply(self, other: Self) -> Result<Self, DecimalError> {
        exact(self.0.mul(other.0))
    }

    /// The quotient, rounded half to even to at most 38 significant digits.
    ///
    /// # Errors
    /// [`DecimalError::DivisionByZero`] or [`DecimalError::TooLarge`].
    pub fn divide(self, other: Self) -> Result<Self, DecimalError> {
        if other.is_zero() {
            return Err(DecimalError::DivisionByZero);
        }
        finite(self.0.with_rounding_mode(RoundingMode::HalfEven).div(other.0))
    }

    /// The remainder of the division that truncates towards zero.
    ///
    /// # Errors
    /// [`DecimalError::DivisionByZero`] or [`DecimalError::TooLarge`].
    pub fn remainder(self, other: Self) -> Result<Self, DecimalError> {
        if other.is_zero() {
            return Err(DecimalError::DivisionByZero);
        }
        finite(self.0.rem(other.0))
    }

    /// The same number with exactly `scale` digits behind the point.
    #[must_use]
    pub fn round(self, scale: i16, rounding: Rounding) -> Self {
        let scale = scale.clamp(-SCALE_MAX, SCALE_MAX);
        let rescaled = self.0.with_rounding_mode(rounding.mode()).rescale(scale);
        if rescaled.is_finite() { Self(rescaled.with_ctx(CONTEXT)) } else { self }
    }

    /// The same number without trailing zeros behind the point.
    #[must_use]
    pub fn normalized(self) -> Self {
        let reduced = self.0.reduce();
        if reduced.fractional_digits_count() < 0 {
            return self.round(0, Rounding::Down);
        }
        Self(reduced)
    }

    /// As an `i64`, when it has no fraction and fits.
    #[must_use]
    pub fn to_i64(self) -> Option<i64> {
        if !self.is_integral() {
            return None;
        }
        self.round(0, Rounding::Down).to_string().parse().ok()
    }

    /// The nearest `f64`, for drawing and statistics only: never for an amount that is kept.
    #[must_use]
    pub fn to_f64_lossy(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }
}

fn finite(result: D128) -> Result<Decimal, DecimalError> {
    if result.is_finite() { Ok(Decimal(result.with_ctx(CONTEXT))) } else { Err(DecimalError::TooLarge) }
}

fn exact(result: D128) -> Result<Decimal, DecimalError> {
    if result.is_op_inexact() { Err(DecimalError::TooLarge) } else { finite(result) }
}

/// Most digits that are read without the large arithmetic.
const SHORT_MAX: usize = 18;

/// A number of few digits in plain notation, as nearly all are: `-1234.50`. `None` for everything else, right or wrong.
fn short(text: &str) -> Option<Decimal> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    if digits.len() > SHORT_MAX + 1 {
        return None;
    }
    let (mut units, mut count, mut point) = (0_u64, 0_usize, None);
    for byte in digits.bytes() {
        match byte {
            b'0'..=b'9' => {
                units = units * 10 + u64::from(byte - b'0');
                count += 1;
            }
            b'.' if point.is_none() && count > 0 => point = Some(count),
            _ => return None,
        }
    }
    let scale = count - point.unwrap_or(count);
    // Nothing behind the point is no number, and zero below zero keeps its sign.
    if count == 0 || count > SHORT_MAX || (point.is_some() && scale == 0) || (negative && units == 0) {
        return None;
    }
    let sign = if negative { fastnum::decimal::Sign::Minus } else { fastnum::decimal::Sign::Plus };
    let scale = i32::try_from(scale).ok()?;
    Some(Decimal(D128::from_parts(fastnum::U128::from(units), -scale, sign, CONTEXT)))
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        if let Some(short) = short(text) {
            return Ok(short);
        }
        let shape_is_right = text.len() <= TEXT_MAX
            && text.bytes().any(|byte| byte.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        if !shape_is_right {
            return Err(DecimalError::Malformed);
        }
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        // What is printed can be read: `1e40` is printed with all its zeros, which are no significant digits.
        let trimmed = text.trim_end_matches('0');
        let whole = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let short = (digits > 38 && whole && !trimmed.trim_start_matches('-').is_empty())
            .then(|| format!("{trimmed}e{}", text.len() - trimmed.len()));
        let parsed = D128::from_str(short.as_deref().unwrap_or(text), CONTEXT)
            .map_err(|_| if digits > 38 { DecimalError::TooLarge } else { DecimalError::Malformed })?;
        if parsed.is_op_inexact() || !parsed.is_finite() || parsed.fractional_digits_count().abs() > SCALE_MAX {
            return Err(DecimalError::TooLarge);
        }
        Ok(Self(parsed))
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self::from_units(value, 0)
    }
}

impl fmt::Display for Decimal {
    /// Plain notation, never an exponent: what every wire format of a business system accepts.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if formatter.width().is_none() && formatter.precision().is_none() {
            return self.write_to(formatter);
        }
        let mut text = String::new();
        self.write_to(&mut text)?;
        formatter.pad(&text)
    }
}

impl Decimal {
    /// Writes it in plain notation.
    pub(crate) fn write_to(&self, text: &mut impl fmt::Write) -> fmt::Result {
        let scale = self.0.fractional_digits_count();
        let units = self.0.digits();
        let [low, high] = *units.digits();
        let digits = Digits::of(u128::from(low) | u128::from(high) << 64);
        let digits = digits.as_str();
        let zeros = |text: &mut dyn fmt::Write, count: usize| (0..count).try_for_each(|_| text.write_char('0'));
        if self.is_negative() {
            text.write_char('-')?;
        }
        let places = usize::from(scale.unsigned_abs());
        if scale <= 0 {
            text.write_str(digits)?;
            return zeros(text, if self.is_zero() { 0 } else { places });
        }
        match digits.len().checked_sub(places).filter(|whole| *whole > 0) {
            Some(whole) => {
                let (whole, fraction) = digits.split_at(whole);
                text.write_str(whole)?;
                text.write_char('.')?;
                text.write_str(fraction)
            }
            None => {
                text.write_str("0.")?;
                zeros(text, places - digits.len())?;
                text.write_str(digits)
            }
        }
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Decimal {}
impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}
impl Hash for Decimal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.normalized().to_string().hash(state);
    }
}

impl serde::Serialize for Decimal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> serde::Deserialize<'de> for Decimal {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("a decimal")
    }

    #[test]
    fn keeps_the_scale_it_was_written_with() {
        for text in ["250000.50", "0.10", "-3.00", "0", "12345678901234567890123456789012345.67"] {
            assert_eq!(decimal(text).to_string(), text);
        }
        assert_eq!(decimal("1e3").to_string(), "1000");
        assert_eq!(decimal("-0.00").to_string(), "0.00");
    }

    proptest! {
            /// The shortcut for few digits gives what the large arithmetic gives, and leaves alone what is none.
            #[test]
            fn few_digits_are_read_as_many_are(text in "-?[0-9]{0,20}(\\.[0-9]{0,20})?", odd in "[-+.e0-9]{0,8}") {
                for text in [text, odd] {
                    let Some(short) = short(&text) else { continue };
                    let long = D128::from_str(&text, CONTEXT).expect("a number");
                    prop_assert_eq!(short.0.digits(), long.digits(), "{}", text);
                    prop_assert_eq!(short.scale(), long.fractional_digits_count(), "{}", text);
                    prop_assert_eq!((short.0.is_negative(), short.0 == long), (long.is_negative(), true), "{}", text);
    prop_assert_eq!(short.to_string().parse::<Decimal>().map(|again| again.scale()), Ok(short.scale()));
                }
            }
        }

    #[test]
    fn what_is_printed_can_be_read() {
        for text in ["1e40", "-1e40", "1.25e308", "1e512", "1e-300", "12345678901234567890e100", "-4.2e-500"] {
            let number = decimal(text);
            assert_eq!(number.to_string().parse(), Ok(number), "{text}");
        }
        let zeros = "0".repeat(300);
        assert_eq!("1234567890123456789012345678901234567891".parse::<Decimal>(), Err(DecimalError::TooLarge));
        assert!(format!("1{zeros}1").parse::<Decimal>().is_err(), "these zeros count");
    }

    #[test]
    fn computes_exactly_or_refuses() {
        assert_eq!(decimal("0.1").add(decimal("0.2")), Ok(decimal("0.3")));
        assert_eq!(decimal("2.50").multiply(decimal("3")).map(|d| d.to_string()), Ok("7.50".to_owned()));
        let wide = decimal("99999999999999999999999999999999999999");
        assert_eq!(wide.multiply(wide), Err(DecimalError::TooLarge));
        assert_eq!(decimal("1").divide(Decimal::ZERO), Err(DecimalError::DivisionByZero));
    }

    #[test]
    fn rounds_as_told() {
        assert_eq!(decimal("2.345").round(2, Rounding::HalfUp).to_string(), "2.35");
        assert_eq!(decimal("2.345").round(2, Rounding::HalfEven).to_string(), "2.34");
        assert_eq!(decimal("2").round(2, Rounding::HalfUp).to_string(), "2.00");
        assert_eq!(decimal("-2.5").round(0, Rounding::Floor).to_string(), "-3");
    }

    #[test]
    fn refuses_what_is_not_a_number() {
        for text in ["", "-", "1,5", "NaN", "inf", "0x10", " 1", "1 "] {
            assert!(Decimal::from_str(text).is_err(), "{text:?}");
        }
        assert_eq!(Decimal::from_str(&"9".repeat(60)), Err(DecimalError::TooLarge));
        assert!(Decimal::from_str("1e999999").is_err());
    }

    #[test]
    fn equal_numbers_are_equal_whatever_their_scale() {
        assert_eq!(decimal("2.5"), decimal("2.500"));
        assert_eq!(decimal("2.500").normalized().to_string(), "2.5");
        assert_eq!(decimal("1200").normalized().to_string(), "1200");
        assert_eq!(decimal("7.00").to_i64(), Some(7));
    }
}
