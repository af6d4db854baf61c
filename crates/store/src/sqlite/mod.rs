//! The store on SQLite: write-ahead log, every commit synced, one writer thread with group commit.
//!
//! | thread | does |
//! |---|---|
//! | caller | hands a batch over ([`SqliteStore::commit`](crate::Store::commit)) and waits for its answer |
//! | writer | takes all waiting batches, writes them in one transaction, syncs once, answers each |
//! | readers | use a few read-only connections of their own and never block the writer |

mod open;
mod read;
mod schema;
mod synced;
mod write;

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::{Committed, Mutation, StoreError};

/// How many batches may wait for the writer before callers are held back.
const WAITING_BATCHES_MAX: usize = 4_096;
/// How many idle read connections are kept.
const READERS_MAX: usize = 16;

pub(crate) struct Waiting {
    batch: Vec<Mutation>,
    answer: oneshot::Sender<Result<(), StoreError>>,
}

/// Durable state in one SQLite file.
pub struct SqliteStore {
    file: Arc<Path>,
    writer: Option<mpsc::SyncSender<Waiting>>,
    thread: Option<thread::JoinHandle<()>>,
    readers: Mutex<Vec<Connection>>,
    _lock: File,
}

impl SqliteStore {
    /// Opens the file, making it and its folder when they are not there, and brings its schema up to date.
    ///
    /// # Errors
    /// When it cannot be opened, is in use by another process, was written by a newer Interlock, or does not sync.
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        let lock = open::lock(file)?;
        let connection = open::writer(file)?;
        let (sender, receiver) = mpsc::sync_channel(WAITING_BATCHES_MAX);
        let name = file.display().to_string();
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write::run(connection, &receiver, &name))
            .map_err(|error| StoreError::Open { file: file.display().to_string(), cause: error.to_string() })?;
        Ok(Self {
            file: file.into(),
            writer: Some(sender),
            thread: Some(thread),
            readers: Mutex::default(),
            _lock: lock,
        })
    }

    fn hand_over(&self, batch: Vec<Mutation>) -> Committed {
        let (answer, receiver) = oneshot::channel();
        if let Some(writer) = &self.writer {
            // A writer that is gone drops the answer's sender, which the caller sees as a closed store.
            let _ = writer.send(Waiting { batch, answer });
        }
        Committed(receiver)
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open::reader(&self.file)?,
        };
        let result = read(&connection);
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS_MAX {
            readers.push(connection);
        }
        result
    }
}

impl Drop for SqliteStore {
    /// Waits until everything handed over is written.
    fn drop(&mut self) {
        // The writer is the last to close, as only it can move the log into the database and remove it.
        self.readers.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        self.writer = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
