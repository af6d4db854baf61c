//! Record ids: three characters say which object, twelve say which record, three guard the case of the others.

use std::fmt;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The part of an id that names the server instance an org lives on: the same for all records of this org.
const INSTANCE: &[u8; 3] = b"Ws0";
const SERIAL_BITS: u32 = 46;
const SERIAL_MAX: u64 = (1 << SERIAL_BITS) - 1;

/// The first three characters of an id, which name the object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Prefix(u32);

/// The id of a record, packed. Serial 0 stands for every well-formed id that this org never gave out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RecordId(u64);

fn digit(byte: u8) -> Option<u64> {
    match byte {
        b'0'..=b'9' => Some(u64::from(byte - b'0')),
        b'A'..=b'Z' => Some(u64::from(byte - b'A') + 10),
        b'a'..=b'z' => Some(u64::from(byte - b'a') + 36),
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |sum, byte| Some(sum * 62 + digit(*byte)?))
}

impl Prefix {
    /// Reads three characters of the 62 that ids are made of.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 3] = text.as_bytes().try_into().ok()?;
        u32::try_from(number(&bytes)?).ok().map(Self)
    }

    /// The prefix of the n-th custom object: `a00`, `a01`, …
    #[must_use]
    pub(crate) fn custom(index: u16) -> Self {
        Self(36 * 62 * 62 + u32::from(index))
    }

    fn digits(self) -> [u8; 3] {
        let at = |place: u32| DIGITS[(self.0 / place % 62) as usize];
        [at(62 * 62), at(62), at(1)]
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

impl RecordId {
    /// The id of the record with this serial number (from 1) of an object.
    #[must_use]
    pub(crate) const fn new(prefix: Prefix, serial: u64) -> Self {
        Self(((prefix.0 as u64) << SERIAL_BITS) | (if serial > SERIAL_MAX { 0 } else { serial }))
    }

    /// Which object.
    #[must_use]
    pub(crate) const fn prefix(self) -> Prefix {
        // 18 bits are left after the shift.
        Prefix((self.0 >> SERIAL_BITS) as u32)
    }

    /// Which record of the object, from 1; 0 when it is none of this org.
    #[must_use]
    pub(crate) const fn serial(self) -> u64 {
        self.0 & SERIAL_MAX
    }

    /// Reads an id of 15 or 18 characters; the three check characters must agree.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if !matches!(bytes.len(), 15 | 18) || !text.is_ascii() {
            return None;
        }
        let (body, guard) = bytes.split_at(15);
        let prefix = u32::try_from(number(&body[..3])?).ok()?;
        number(&body[3..6])?;
        let serial = number(&body[6..])?;
        if !guard.is_empty() && guard != check(body) {
            return None;
        }
        let ours = &body[3..6] == INSTANCE && serial <= SERIAL_MAX;
        Some(Self::new(Prefix(prefix), if ours { serial } else { 0 }))
    }

    /// Appends the 18 characters.
    pub(crate) fn write(self, text: &mut String) {
        let mut body = [b'0'; 15];
        body[..3].copy_from_slice(&self.prefix().digits());
        body[3..6].copy_from_slice(INSTANCE);
        let mut serial = self.serial();
        for place in body[6..].iter_mut().rev() {
            *place = DIGITS[(serial % 62) as usize];
            serial /= 62;
        }
        let guard = check(&body);
        // Only ASCII digits and letters were put in.
        text.push_str(std::str::from_utf8(&body).unwrap_or_default());
        text.push_str(std::str::from_utf8(&guard).unwrap_or_default());
    }
}

/// The check characters: for each group of five, which of them are capitals.
fn check(body: &[u8]) -> [u8; 3] {
    let mut guard = [0; 3];
    for (group, place) in body.chunks(5).zip(&mut guard) {
        let bits =
            group.iter().enumerate().fold(0, |bits, (i, byte)| bits | (usize::from(byte.is_ascii_uppercase()) << i));
        *place = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[bits];
    }
    guard
}

impl fmt::Display for RecordId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(18);
        self.write(&mut text);
        formatter.pad(&text)
    }
}
impl fmt::Debug for RecordId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn check_characters_are_the_vendors() {
        // A pair that the vendor's own documentation uses: 15 and 18 characters of one record.
        assert_eq!(&check(b"001D000000IqhSL"), b"IAZ");
        assert!(RecordId::parse("001D000000IqhSLIAZ").is_some());
        assert!(RecordId::parse("001d000000iqhslIAZ").is_none());
        assert!(RecordId::parse("001D000000IqhS").is_none());
        assert!(RecordId::parse("001D0000-0IqhSL").is_none());
    }

    proptest! {
        #[test]
        fn ids_are_read_back(serial in 1_u64..SERIAL_MAX) {
            let id = RecordId::new(Prefix::parse("0Q0").expect("a prefix"), serial);
            let text = id.to_string();
            prop_assert_eq!(RecordId::parse(&text), Some(id));
            prop_assert_eq!(RecordId::parse(&text[..15]), Some(id));
        }

        #[test]
        fn any_text_is_an_id_or_not(text in ".*") {
            let _ = RecordId::parse(&text);
        }
    }
}
