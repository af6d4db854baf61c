//! Exact fixed-point numbers of one machine word.
//!
//! An ERP keeps amounts and quantities with three digits behind the point and rates with nine; an order of twenty lines has
//! hundreds of them, so they are whole numbers of thousandths or billionths here. Nothing is ever a binary float.

use std::fmt;

/// A number with exactly `SCALE` digits behind the point.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Fixed<const SCALE: u32>(i64);

/// An amount of money or a quantity: thousandths.
pub(crate) type Amount = Fixed<3>;
/// A price per unit or a percentage: billionths.
pub(crate) type Rate = Fixed<9>;

impl<const SCALE: u32> Fixed<SCALE> {
    /// Zero.
    pub(crate) const ZERO: Self = Self(0);
    const ONE: i64 = 10_i64.pow(SCALE);

    /// So many of the smallest unit.
    #[must_use]
    pub(crate) const fn from_units(units: i64) -> Self {
        Self(units)
    }

    /// A whole number; saturates at the largest that fits.
    #[must_use]
    pub(crate) const fn whole(number: i64) -> Self {
        Self(number.saturating_mul(Self::ONE))
    }

    /// How many of the smallest unit.
    #[must_use]
    pub(crate) const fn units(self) -> i64 {
        self.0
    }

    /// Reads plain decimal notation, with a sign and an exponent-free fraction. `None` when it is not a number, does not fit,
    /// or has more digits behind the point than can be kept (zeros at the end do not count).
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > SCALE as usize || whole.len() > 18 {
            return None;
        }
        let mut units: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        units = units.checked_mul(Self::ONE)?;
        if !fraction.is_empty() {
            let missing = SCALE - u32::try_from(fraction.len()).ok()?;
            units = units.checked_add(fraction.parse::<i64>().ok()?.checked_mul(10_i64.pow(missing))?)?;
        }
        Some(Self(if negative { -units } else { units }))
    }

    /// The sum; saturates.
    #[must_use]
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference; saturates.
    #[must_use]
    pub(crate) const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Prints it with at least `decimals_min` digits behind the point and no needless zeros beyond them.
    pub(crate) fn write(self, decimals_min: usize, out: &mut Vec<u8>) {
        if self.0 < 0 {
            out.push(b'-');
        }
        let units = self.0.unsigned_abs();
        let one = Self::ONE.unsigned_abs();
        write_digits(units / one, 1, out);
        let start = out.len();
        out.push(b'.');
        write_digits(units % one, SCALE as usize, out);
        let mut end = out.len();
        while end > start + 1 + decimals_min && out[end - 1] == b'0' {
            end -= 1;
        }
        if end == start + 1 {
            end = start;
        }
        out.truncate(end);
    }
}

/// Appends a number, padded with zeros to `width`.
pub(crate) fn write_digits(number: u64, width: usize, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    let mut rest = number;
    while rest > 0 {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    let start = at.min(digits.len() - width.min(digits.len()));
    out.extend_from_slice(&digits[start..]);
}

impl<const SCALE: u32> fmt::Display for Fixed<SCALE> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(24);
        self.write(0, &mut out);
        formatter.pad(&String::from_utf8_lossy(&out))
    }
}

impl<const SCALE: u32> fmt::Debug for Fixed<SCALE> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// `quantity × rate ÷ per`, rounded half up to whole cents: the value of an order line.
#[must_use]
pub(crate) fn line_value(quantity: Amount, rate: Rate, per: i64) -> Amount {
    // thousandths × billionths ÷ 10^10 = hundredths
    let product = i128::from(quantity.units()) * i128::from(rate.units());
    cents(product, 10_i128.pow(10) * i128::from(per.max(1)))
}

/// `percent` % of an amount, rounded half up to whole cents: the tax of an order line.
#[must_use]
pub(crate) fn percentage(amount: Amount, percent: Rate) -> Amount {
    let product = i128::from(amount.units()) * i128::from(percent.units());
    cents(product, 10_i128.pow(12))
}

fn cents(numerator: i128, denominator: i128) -> Amount {
    let half = denominator / 2;
    let rounded = if numerator >= 0 { (numerator + half) / denominator } else { (numerator - half) / denominator };
    Amount::from_units(i64::try_from(rounded.saturating_mul(10)).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        Amount::parse(text).expect("an amount")
    }
    fn rate(text: &str) -> Rate {
        Rate::parse(text).expect("a rate")
    }

    #[test]
    fn reads_and_prints_exactly() {
        for (text, printed) in
            [("10", "10"), ("2.55", "2.55"), ("-0.001", "-0.001"), (".5", "0.5"), ("7.500", "7.5"), ("007", "7")]
        {
            assert_eq!(amount(text).to_string(), printed);
        }
        let mut out = Vec::new();
        amount("3").write(2, &mut out);
        assert_eq!(out, b"3.00");
        for text in ["", "-", ".", "1e3", "1,5", "0.0001", "NaN", "99999999999999999999"] {
            assert_eq!(Amount::parse(text), None, "{text}");
        }
    }

    #[test]
    fn values_and_taxes_are_rounded_once_to_cents() {
        assert_eq!(line_value(amount("3"), rate("0.335"), 1), amount("1.01"));
        assert_eq!(line_value(amount("1"), rate("0.005"), 1), amount("0.01"));
        assert_eq!(line_value(amount("250"), rate("12.5"), 100), amount("31.25"));
        assert_eq!(percentage(amount("15.30"), rate("20")), amount("3.06"));
        assert_eq!(percentage(amount("0.02"), rate("20")), Amount::ZERO);
        assert_eq!(percentage(amount("0.13"), rate("20")), amount("0.03"));
    }
}
