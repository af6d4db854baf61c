//! Reading a log back that a process left behind.

use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::encoding::{FORMAT, decode};
use super::{files, io_error, record};
use crate::StoreError;
use crate::rows::Mutation;

fn damaged_log(path: &Path, cause: &str) -> StoreError {
    StoreError::Damaged { what: "log", cause: format!("{}: {cause}", path.display()) }
}

/// Hands over what every record behind `last` holds, in their order, and tells the number of the last one. A record that was
/// being written when the process ended is not whole; as nothing behind it can be, it is the end.
///
/// # Errors
/// When a file cannot be read, is damaged before its end, is of another store, of a later state or of a newer Interlock, or
/// `take` fails.
pub(crate) fn replay(
    database: &Path,
    store: Uuid,
    last: u64,
    mut take: impl FnMut(u64, Vec<Mutation>) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    let mut last = last;
    // The file before, and up to where it could be read.
    let mut earlier: Option<(PathBuf, usize)> = None;
    for (_, path) in files(database).map_err(|error| io_error(database, &error))? {
        let bytes = std::fs::read(&path).map_err(|error| io_error(database, &error))?;
        let damaged = |cause: String| damaged_log(&path, &cause);
        let (mut place, mut before) = (0, None);
        while let Some(found) = record::read(&bytes, place) {
            if found.store != store {
                return Err(StoreError::OtherLog { file: path.display().to_string() });
            }
            if before.is_some_and(|before: u64| found.number <= before) {
                // Of what the file held before it was written over.
                break;
            }
            if before.is_none() && found.number > last + 1 {
                return Err(match &earlier {
                    // A file is begun when the one before is whole.
                    Some((earlier, end)) => {
                        let (missing, path) = (last + 1, path.display());
                        let cause = format!(
                            "record {missing} does not stand at byte {end}, and {path} goes on with record {}",
                            found.number
                        );
                        damaged_log(earlier, &cause)
                    }
                    None => StoreError::OtherLog { file: path.display().to_string() },
                });
            }
            if before.is_some_and(|before| found.number != before + 1) {
                return Err(damaged(format!("record {} follows record {last}", found.number)));
            }
            if found.format != FORMAT {
                let (found, known) = (found.format, FORMAT);
                return Err(StoreError::TooNew { file: path.display().to_string(), found, known });
            }
            if found.number == last + 1 {
                let content = decode(found.content).map_err(|error| damaged(error.0))?;
                take(found.number, content)?;
                last = found.number;
            }
            (place, before) = (found.end, Some(found.number));
        }
        if record::any_behind(&bytes, place, last + 1) {
            return Err(damaged(format!("what stands at byte {place} is no record, and others follow")));
        }
        earlier = Some((path, place));
    }
    Ok(last)
}
