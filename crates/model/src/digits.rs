//! Whole numbers as decimal digits, without the machinery of formatting: most of what is written are numbers and short texts.

/// Room for the digits of any `u128`.
pub(crate) struct Digits {
    bytes: [u8; 39],
    from: usize,
}

impl Digits {
    /// The digits of a number, without leading zeros; `0` for zero.
    pub(crate) fn of(number: u128) -> Self {
        let mut digits = Self { bytes: [b'0'; 39], from: 39 };
        let mut large = number;
        while large > u128::from(u64::MAX) {
            digits.push(u8::try_from(large % 10).unwrap_or(0));
            large /= 10;
        }
        // Most numbers are small, and small ones are divided many times as fast.
        let mut small = u64::try_from(large).unwrap_or(0);
        loop {
            digits.push(u8::try_from(small % 10).unwrap_or(0));
            small /= 10;
            if small == 0 {
                return digits;
            }
        }
    }

    fn push(&mut self, digit: u8) {
        self.from = self.from.saturating_sub(1);
        if let Some(byte) = self.bytes.get_mut(self.from) {
            *byte = b'0' + digit;
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        // Only digits were put in.
        std::str::from_utf8(self.bytes.get(self.from..).unwrap_or_default()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_number_is_written_as_formatting_would(large in any::<u128>(), small in any::<u64>(), shift in 0u32..127) {
            for number in [large, u128::from(small), large >> shift, 0, u128::MAX, u128::from(u64::MAX), u128::from(u64::MAX) + 1] {
                let digits = Digits::of(number);
                prop_assert_eq!(digits.as_str(), number.to_string());
            }
        }
    }
}
