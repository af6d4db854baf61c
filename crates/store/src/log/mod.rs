//! The log: every batch is appended to it and synced before it is answered; what it holds goes to the tables later.
//!
//! It is a row of files beside the database, `<database>-log.<number>`. A file is begun when the one before holds enough
//! (`SEGMENT_BYTES`), and goes when everything in it stands in the tables and these are synced. One is kept to be written over,
//! because a file that does not grow is synced in less time.

mod encoding;
mod record;
mod replay;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

pub(crate) use encoding::{Encoded, Logged, encode};
pub(crate) use replay::replay;

use crate::StoreError;

/// What a file holds before another one is begun.
const SEGMENT_BYTES: u64 = 4 << 20;

/// Where the next batches are appended.
pub(crate) struct Log {
    database: PathBuf,
    store: Uuid,
    /// The number of the next record.
    next: u64,
    /// The number of the file that was begun last.
    last_file: u64,
    current: Option<Segment>,
    spare: Spare,
    /// Bytes of a record, used again and again.
    buffer: Vec<u8>,
}

struct Segment {
    path: PathBuf,
    file: File,
    /// Where the next record begins.
    end: u64,
    /// Something that was refused may stand behind the end.
    to_cut: bool,
}

/// A file that is not needed and may be written over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spare(Arc<Mutex<Option<PathBuf>>>);

impl Spare {
    /// Takes files whose records all stand in the tables: one is kept, the others go.
    pub(crate) fn take_over(&self, files: Vec<PathBuf>) {
        for file in files {
            let surplus = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(file);
            // One that cannot be removed is looked at again at the next start.
            surplus.map(std::fs::remove_file);
        }
    }

    fn get(&self) -> Option<PathBuf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The start of the names of all files of a log.
fn file_name(database: &Path, number: impl std::fmt::Display) -> OsString {
    let mut name = database.file_name().unwrap_or_default().to_owned();
    name.push(format!("-log.{number}"));
    name
}

fn folder(database: &Path) -> &Path {
    database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// The files of a log that are there, in the order of their numbers.
pub(crate) fn files(database: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let start = file_name(database, "");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder(database))? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.as_encoded_bytes().strip_prefix(start.as_encoded_bytes());
        let number = number.and_then(|number| std::str::from_utf8(number).ok()?.parse::<u64>().ok());
        found.extend(number.map(|number| (number, entry.path())));
    }
    found.sort_unstable();
    Ok(found)
}

pub(crate) fn io_error(database: &Path, error: &io::Error) -> StoreError {
    let file = database.display().to_string();
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::DiskFull { file },
        _ => StoreError::Disk { file, cause: error.to_string() },
    }
}

impl Log {
    /// A log that begins behind this record, whose files that are there were read and removed. Nothing is written before it has to be.
    pub(crate) fn new(database: &Path, store: Uuid, last: u64, spare: Spare) -> Self {
        Self {
            database: database.into(),
            store,
            next: last + 1,
            last_file: 0,
            current: None,
            spare,
            buffer: Vec::new(),
        }
    }

    /// The number of the record that was appended last.
    pub(crate) const fn last(&self) -> u64 {
        self.next - 1
    }

    /// Appends the batches of a group and returns when they are durable, with how many bytes they take.
    ///
    /// # Errors
    /// When they could not be written: nothing of them is in the log then.
    pub(crate) fn append(&mut self, batches: &[&[u8]]) -> Result<usize, StoreError> {
        self.buffer.clear();
        if record::write(&mut self.buffer, self.store, self.next, batches).is_none() {
            return Err(StoreError::Database("a batch is larger than 4 GB".to_owned()));
        }
        let failed = |error: &io::Error| io_error(&self.database, error);
        let mut segment = match self.current.take() {
            Some(segment) => segment,
            None => {
                let path = folder(&self.database).join(file_name(&self.database, self.last_file + 1));
                let segment = Segment::begin(path, self.spare.get()).map_err(|error| failed(&error))?;
                self.last_file += 1;
                segment
            }
        };
        let appended = segment.append(&self.buffer).map_err(|error| failed(&error));
        self.current = Some(segment);
        appended?;
        self.next += 1;
        Ok(self.buffer.len())
    }

    /// Whether there is any file.
    pub(crate) const fn is_used(&self) -> bool {
        self.last_file > 0
    }

    /// Ends the current file when it holds enough, and tells which it is. One that still has to be cut is not ended: what was
    /// refused would be found in it at the next start, and what the next file holds under the same number would not be.
    pub(crate) fn end_file(&mut self) -> Option<PathBuf> {
        self.current.take_if(|segment| segment.end >= SEGMENT_BYTES && !segment.to_cut).map(|segment| segment.path)
    }

    /// Removes all files: everything in them stands in the tables.
    pub(crate) fn remove(mut self) {
        self.current = None;
        // What cannot be removed is removed at the next start.
        for (_, file) in files(&self.database).unwrap_or_default() {
            let _ = std::fs::remove_file(file);
        }
    }
}

impl Segment {
    fn begin(path: PathBuf, spare: Option<PathBuf>) -> io::Result<Self> {
        let renamed = spare.filter(|spare| std::fs::rename(spare, &path).is_ok());
        let file = File::options().create(true).truncate(renamed.is_none()).write(true).open(&path)?;
        File::open(folder(&path))?.sync_all()?;
        Ok(Self { path, file, end: 0, to_cut: false })
    }

    fn append(&mut self, record: &[u8]) -> io::Result<()> {
        if self.to_cut {
            self.cut()?;
        }
        let written = self.write(record);
        match written {
            Ok(()) => self.end += record.len() as u64,
            Err(_) => {
                // What is refused must not be found at the next start. If this fails as well, nothing is appended before it works.
                self.to_cut = true;
                let _ = self.cut();
            }
        }
        written
    }

    fn write(&mut self, record: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(record)?;
        self.file.sync_data()
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.end)?;
        self.file.sync_data()?;
        self.to_cut = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use model::Value;

    use super::*;
    use crate::rows::{InboxRow, Mutation};

    fn note(id: &str, content: &str) -> Encoded {
        let (connection, id, at) = ("erp".into(), id.into(), Timestamp::UNIX_EPOCH);
        let row = InboxRow { connection, id, content: Value::from(content), at };
        encode(&[Mutation::PutInbox(row)]).expect("it is not deep")
    }

    #[test]
    fn what_is_damaged_or_missing_before_another_file_is_told_as_damage() {
        let folder = tempfile::tempdir().expect("a folder");
        let (database, store) = (folder.path().join("store.db"), Uuid::from_u128(7));
        let mut log = Log::new(&database, store, 0, Spare::default());
        let large = note("large", &"x".repeat(SEGMENT_BYTES as usize));
        for _ in 0..3 {
            log.append(&[note("small", "").bytes()]).expect("durable");
            log.append(&[large.bytes()]).expect("durable");
            log.end_file().expect("it is full");
        }
        let file = |number: u64| folder.path().join(file_name(&database, number));
        let whole = std::fs::read(file(2)).expect("the file");
        let read = |applied| replay(&database, store, applied, |_, _| Ok(()));
        let is_told = |applied: u64, missing: u64, at: &Path| {
            let error = read(applied).expect_err("damaged");
            let told = error.to_string();
            assert!(matches!(error, StoreError::Damaged { what: "log", .. }), "{told}");
            assert!(told.contains(&format!("{}: record {missing} does", at.display())), "{told}");
            assert!(told.contains(&format!("{} goes on", file(3).display())), "{told}");
            assert!(error.problem().remedy.contains("-log."), "{}", error.problem());
        };
        assert_eq!(read(0), Ok(6));

        // The last record of the second file, cut off, changed, or changed and not needed any more.
        std::fs::write(file(2), &whole[..whole.len() - 9]).expect("written");
        is_told(0, 4, &file(2));
        let mut changed = whole.clone();
        changed[whole.len() / 2] ^= 0xff;
        std::fs::write(file(2), changed).expect("written");
        is_told(0, 4, &file(2));
        assert_eq!(read(4), Ok(6), "it stands in the tables");
        // All of it.
        std::fs::remove_file(file(2)).expect("removed");
        is_told(0, 3, &file(1));
        // What there is begins behind what the tables have: it is of another state.
        std::fs::remove_file(file(1)).expect("removed");
        assert!(matches!(read(0), Err(StoreError::OtherLog { .. })));
    }

    #[test]
    fn what_was_refused_is_not_read_back_after_the_file_that_may_hold_it_was_full() {
        let folder = tempfile::tempdir().expect("a folder");
        let (database, store) = (folder.path().join("store.db"), Uuid::from_u128(7));
        let mut log = Log::new(&database, store, 0, Spare::default());
        let large = "x".repeat(SEGMENT_BYTES as usize);
        log.append(&[note("large", &large).bytes()]).expect("durable");

        // The disk takes a record and fails to sync it, and does not let it be cut off.
        let mut record = Vec::new();
        record::write(&mut record, store, 2, &[note("refused", "").bytes()]).expect("a record");
        let file = folder.path().join(file_name(&database, 1));
        let writable = File::options().append(true).open(&file).expect("the file");
        (&writable).write_all(&record).expect("written");
        let segment = log.current.as_mut().expect("a file");
        let working = std::mem::replace(&mut segment.file, File::open(&file).expect("one that cannot be written"));
        log.append(&[note("refused", "").bytes()]).expect_err("refused");
        assert_eq!(log.end_file(), None);

        log.current.as_mut().expect("the same file").file = working;
        log.append(&[note("taken", "").bytes()]).expect("durable");
        assert_eq!(log.end_file(), Some(file));
        log.append(&[note("next", "").bytes()]).expect("durable");
        let mut found = Vec::new();
        let last = replay(&database, store, 0, |_, mutations| {
            found.extend(mutations.iter().map(|mutation| match mutation {
                Mutation::PutInbox(row) => row.id.to_string(),
                other => format!("{other:?}"),
            }));
            Ok(())
        });
        assert_eq!((last, found.join(" ").as_str()), (Ok(3), "large taken next"));
    }
}
