//! Short codes of customizing: plants, currencies, units, reasons.

use std::fmt;

/// A code of at most seven bytes, kept in place: a document has a dozen of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Code {
    bytes: [u8; 7],
    length: u8,
}

impl Code {
    /// The initial value.
    pub(crate) const EMPTY: Self = Self { bytes: [0; 7], length: 0 };

    /// A code; what is longer than any code is cut off, which no catalog field lets happen.
    #[must_use]
    pub(crate) fn new(text: &str) -> Self {
        let mut end = text.len().min(7);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut bytes = [0; 7];
        bytes[..end].copy_from_slice(&text.as_bytes()[..end]);
        Self { bytes, length: u8::try_from(end).unwrap_or(0) }
    }

    /// Its text.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or("")
    }

    /// Whether it is initial.
    #[must_use]
    pub(crate) const fn is_empty(&self) -> bool {
        self.length == 0
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(formatter)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
