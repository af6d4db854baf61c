//! The rows of one side, kept in files until the other side is there as well.

use std::fs::File;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foldhash::fast::FixedState;
use model::{Value, json};
use tempfile::TempDir;

use crate::ReconcileError;
use crate::canonical::{hash, write_member};
use crate::row::{Kept, Row};
use crate::shape::Shape;
use crate::sums::{self, Sums};

/// Over how many files the rows of one side are spread. Two of each side are in memory at a time.
pub const PARTITIONS: usize = 64;
const BUFFER: usize = 32 * 1_024;
/// The same in every process, so that findings come in the same order.
const SEED: u64 = 0x1e7e_11ab_1e0f_5eed;

/// Takes the rows of one side in. What it wrote goes when it is dropped.
#[derive(Debug)]
pub struct Spool {
    kept: Spooled,
    /// Opened when the first row comes.
    files: Vec<Option<BufWriter<File>>>,
    /// Reused from row to row.
    form: String,
    body: String,
    bytes: Vec<u8>,
}

/// All rows of one side. The files go when it is dropped.
#[derive(Debug)]
pub struct Spooled {
    folder: TempDir,
    pub(crate) shape: Arc<Shape>,
    pub(crate) sums: Sums,
    /// Which files there are.
    used: [bool; PARTITIONS],
    rows: u64,
    size: u64,
}

impl Spool {
    /// An empty one, in a new folder of its own that only its owner can read, inside this one.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn create(inside: &Path, shape: Arc<Shape>) -> Result<Self, ReconcileError> {
        let folder = tempfile::Builder::new().prefix("interlock-rows-").tempdir_in(inside);
        let folder = folder.map_err(ReconcileError::writing(inside))?;
        let kept = Spooled { folder, shape, sums: Sums::new(), used: [false; PARTITIONS], rows: 0, size: 0 };
        let files = (0..PARTITIONS).map(|_| None).collect();
        Ok(Self { kept, files, form: String::new(), body: String::new(), bytes: Vec::new() })
    }

    /// Takes a row in.
    ///
    /// # Errors
    /// When it is too large, an amount cannot be summed, or the disk is full.
    pub fn push(&mut self, row: Row<'_>) -> Result<(), ReconcileError> {
        let shape = &self.kept.shape;
        self.form.clear();
        self.body.clear();
        self.body.push('[');
        for (place, member) in shape.members.iter().enumerate() {
            let value = member.path.get(row.object);
            let ordered: Option<Value> = member.list.as_ref().map(|list| list.in_order(value));
            let value = ordered.as_ref().unwrap_or(value);
            write_member(value, &mut self.form);
            if place > 0 {
                self.body.push(',');
            }
            json::write(value, &mut self.body);
        }
        self.body.push(']');
        let (stage, hash) = (row.stage.unwrap_or_default(), hash(&self.form));
        let kept = Kept { key: row.key, id: row.id, stage, hash, body: &self.body };
        self.bytes.clear();
        kept.write(&mut self.bytes)?;
        sums::add(&mut self.kept.sums, &shape.amounts, row.object)?;
        self.write(part_of(row.key))?;
        self.kept.rows += 1;
        self.kept.size += self.bytes.len() as u64;
        Ok(())
    }

    fn write(&mut self, part: usize) -> Result<(), ReconcileError> {
        let (Some(file), Some(used)) = (self.files.get_mut(part), self.kept.used.get_mut(part)) else { return Ok(()) };
        let written = match file {
            Some(file) => file.write_all(&self.bytes),
            None => File::create_new(path_of(&self.kept.folder, part)).and_then(|opened| {
                *used = true;
                file.insert(BufWriter::with_capacity(BUFFER, opened)).write_all(&self.bytes)
            }),
        };
        written.map_err(|cause| ReconcileError::writing(&path_of(&self.kept.folder, part))(cause))
    }

    /// All rows are in.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn finish(mut self) -> Result<Spooled, ReconcileError> {
        for (part, file) in self.files.iter_mut().enumerate() {
            if let Some(file) = file {
                file.flush().map_err(ReconcileError::writing(&path_of(&self.kept.folder, part)))?;
            }
        }
        Ok(self.kept)
    }
}

impl Spooled {
    /// How many rows there are.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// How many bytes they take on the disk.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file of a part, if it has rows.
    pub(crate) fn file(&self, part: usize) -> Option<PathBuf> {
        self.used.get(part).is_some_and(|used| *used).then(|| path_of(&self.folder, part))
    }
}

fn path_of(folder: &TempDir, part: usize) -> PathBuf {
    folder.path().join(format!("{part:02}"))
}

pub(crate) fn part_of(key: &str) -> usize {
    let mut hasher = FixedState::with_seed(SEED).build_hasher();
    hasher.write(key.as_bytes());
    // The remainder is below a number of the same type.
    (hasher.finish() % PARTITIONS as u64) as usize
}
