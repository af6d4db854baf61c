//! One record of the log: a head of 40 bytes, then the mutations of a group of batches, filled up to eight bytes.
//!
//! | bytes | hold |
//! |---|---|
//! | 0..4 | `ILOG` |
//! | 4..8 | the checksum (CRC-32) of everything from byte 8 on |
//! | 8..12 | the format of the mutations |
//! | 12..16 | how many bytes of mutations follow |
//! | 16..24 | the record's number, one more than that of the record before |
//! | 24..40 | which store it is of |

use uuid::Uuid;

use super::encoding::FORMAT;

const MARK: [u8; 4] = *b"ILOG";
const HEAD: usize = 40;
/// Records begin at multiples of this.
const STEP: usize = 8;

/// A record that is whole.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) format: u32,
    pub(super) number: u64,
    pub(super) store: Uuid,
    pub(super) content: &'a [u8],
    /// Where the next one begins.
    pub(super) end: usize,
}

/// Appends one to `out`; `None` when it is longer than a record can be.
pub(super) fn write(out: &mut Vec<u8>, store: Uuid, number: u64, contents: &[&[u8]]) -> Option<()> {
    let begin = out.len();
    let length = u32::try_from(contents.iter().map(|content| content.len()).sum::<usize>()).ok()?;
    out.extend_from_slice(&MARK);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&FORMAT.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(store.as_bytes());
    contents.iter().for_each(|content| out.extend_from_slice(content));
    let checksum = crc32fast::hash(&out[begin + 8..]);
    out[begin + 4..begin + 8].copy_from_slice(&checksum.to_le_bytes());
    let length = out.len() - begin;
    out.resize(begin + length.next_multiple_of(STEP), 0);
    Some(())
}

/// The record that begins here, when there is one and it is whole.
pub(super) fn read(bytes: &[u8], begin: usize) -> Option<Record<'_>> {
    let left = bytes.get(begin..)?;
    let number = |place: usize| left.get(place..place + 4)?.try_into().ok().map(u32::from_le_bytes);
    if left.get(..4)? != MARK {
        return None;
    }
    let length = HEAD.checked_add(number(12)? as usize)?;
    let content = left.get(HEAD..length)?;
    if crc32fast::hash(left.get(8..length)?) != number(4)? {
        return None;
    }
    Some(Record {
        format: number(8)?,
        number: u64::from_le_bytes(left.get(16..24)?.try_into().ok()?),
        store: Uuid::from_slice(left.get(24..HEAD)?).ok()?,
        content,
        end: begin + length.next_multiple_of(STEP),
    })
}

/// Whether a record of this number or a later one stands anywhere behind a place.
pub(super) fn any_behind(bytes: &[u8], place: usize, number: u64) -> bool {
    (place.next_multiple_of(STEP)..bytes.len())
        .step_by(STEP)
        .filter_map(|begin| read(bytes, begin))
        .any(|record| record.number >= number)
}
