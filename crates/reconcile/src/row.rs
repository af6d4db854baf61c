//! A row, and the bytes that it is kept as.
//!
//! Four lengths of 32 bits (key, id, stage, body), the hash, then the four themselves. A stage that is not there has no bytes:
//! the stages of an object have names.

use model::Value;

use crate::ReconcileError;
use crate::canonical::RowHash;

/// Most bytes of a key, an id or a stage.
pub(crate) const NAME_MAX: usize = 4 * 1_024;
/// Most bytes of what is compared of a record.
pub(crate) const BODY_MAX: usize = 16 << 20;

const LENGTHS: usize = 16;
const HEAD: usize = LENGTHS + 16;

/// One record of one side.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// By what it is known on both sides.
    pub key: &'a str,
    /// The system's own id.
    pub id: &'a str,
    /// In which stage of its life it is, where owners change with that.
    pub stage: Option<&'a str>,
    /// The canonical object.
    pub object: &'a Value,
}

/// A row as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept<'a> {
    pub(crate) key: &'a str,
    pub(crate) id: &'a str,
    pub(crate) stage: &'a str,
    pub(crate) hash: RowHash,
    /// The members in the order of the shape, as a JSON array.
    pub(crate) body: &'a str,
}

impl<'a> Kept<'a> {
    /// Adds its bytes.
    ///
    /// # Errors
    /// When a part is too large.
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) -> Result<(), ReconcileError> {
        let parts = [
            ("key", self.key, NAME_MAX),
            ("id", self.id, NAME_MAX),
            ("stage", self.stage, NAME_MAX),
            ("content", self.body, BODY_MAX),
        ];
        for (what, text, most) in parts {
            let length = u32::try_from(text.len()).ok().filter(|_| text.len() <= most);
            let Some(length) = length else {
                let id = self.id.chars().take(100).collect();
                return Err(ReconcileError::TooLarge { what, id, most });
            };
            bytes.extend_from_slice(&length.to_le_bytes());
        }
        bytes.extend_from_slice(&self.hash);
        for (_, text, _) in parts {
            bytes.extend_from_slice(text.as_bytes());
        }
        Ok(())
    }

    /// The row that begins here, and how many bytes it takes; `None` when there is none.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let length = |place: usize| {
            let part = bytes.get(place * 4..place * 4 + 4)?;
            Some(u32::from_le_bytes(part.try_into().ok()?) as usize)
        };
        let hash = bytes.get(LENGTHS..HEAD)?.try_into().ok()?;
        let mut at = HEAD;
        let mut text = |length: usize| {
            let part = bytes.get(at..at.checked_add(length)?)?;
            at += length;
            std::str::from_utf8(part).ok()
        };
        let (key, id) = (text(length(0)?)?, text(length(1)?)?);
        let (stage, body) = (text(length(2)?)?, text(length(3)?)?);
        Some((Self { key, id, stage, hash, body }, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_they_were_written_and_never_beyond_their_end() {
        let row = Kept { key: "C-1", id: "001", stage: "", hash: [7; 16], body: r#"["Größe",1]"# };
        let other = Kept { key: "", stage: "open", ..row };
        let mut bytes = Vec::new();
        row.write(&mut bytes).expect("written");
        other.write(&mut bytes).expect("written");
        let (first, length) = Kept::read(&bytes).expect("a row");
        assert_eq!(first, row);
        let (second, rest) = Kept::read(&bytes[length..]).expect("a row");
        assert_eq!((second, length + rest), (other, bytes.len()));
        for cut in 0..length {
            assert_eq!(Kept::read(&bytes[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let key = "k".repeat(NAME_MAX + 1);
        let row = Kept { key: &key, id: "7", stage: "", hash: [0; 16], body: "[]" };
        let error = row.write(&mut Vec::new()).expect_err("too large").to_string();
        assert!(error.contains("key of the record 7"), "{error}");
    }
}
