//! One part of the rows of one side, in memory and in the order of their keys.

use std::fs;

use crate::ReconcileError;
use crate::row::Kept;
use crate::spool::Spooled;

/// A part of the rows.
#[derive(Debug)]
pub(crate) struct Part {
    bytes: Vec<u8>,
    /// Where rows begin, in the order of their keys and ids.
    starts: Vec<usize>,
}

impl Part {
    /// Reads and sorts a part.
    ///
    /// # Errors
    /// When the file cannot be read, or is damaged.
    pub(crate) fn read(spooled: &Spooled, part: usize) -> Result<Self, ReconcileError> {
        let Some(file) = spooled.file(part) else { return Ok(Self { bytes: Vec::new(), starts: Vec::new() }) };
        let bytes = fs::read(&file).map_err(ReconcileError::reading(&file))?;
        let mut rows = Vec::new();
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let Some((row, length)) = Kept::read(rest) else { return Err(ReconcileError::Damaged { path: file }) };
            rows.push((row.key, row.id, at));
            at += length;
        }
        rows.sort_unstable();
        let starts = rows.into_iter().map(|(_, _, start)| start).collect();
        Ok(Self { bytes, starts })
    }

    /// The row at a place in the order.
    pub(crate) fn row(&self, place: usize) -> Option<Kept<'_>> {
        Kept::read(self.bytes.get(*self.starts.get(place)?..)?).map(|(row, _)| row)
    }
}
