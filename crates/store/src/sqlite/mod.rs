//! The store on SQLite, with a log in front of it.
//!
//! | thread | does |
//! |---|---|
//! | caller | hands a batch over ([`SqliteStore::commit`](crate::Store::commit)) and waits for its answer |
//! | log writer | takes all waiting batches, appends them to the log, syncs once, answers each |
//! | table writer | writes what has gathered in memory to the tables, the last state of each row, and lets the log go |
//! | readers | look into memory, and into the tables through a few read-only connections; they never block a writer for long |
//!
//! What is answered is in the log and in memory, later in the tables. A row that came and went meanwhile never reaches them.

#[cfg(test)]
mod by_hand;
mod decode;
#[cfg(test)]
mod direct;
mod log_writer;
mod open;
mod read;
mod resolve;
mod schema;
mod table_writer;
mod tables;
mod together;
mod trouble;
mod write;
#[cfg(test)]
mod written_directly;

use std::fs::File;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, RwLock, mpsc};
use std::thread;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::log::{Encoded, Log, Spare, encode};
use crate::overlay::Overlay;
use crate::{Committed, Mutation, StoreError};
use log_writer::LogWriter;
use table_writer::{TableWriter, WakesAtTheEnd};
use tables::Tables;

/// How many batches may wait for the writer before callers are held back.
const WAITING_BATCHES_MAX: usize = 4_096;
/// How many idle read connections are kept.
const READERS_MAX: usize = 16;

/// What the log writer is told.
enum Message {
    Batch(Waiting),
    /// Somebody waits until everything durable stands in the tables.
    Settle(Settled),
    /// There is a report.
    Look,
    /// Nothing comes after this.
    Close,
}

struct Waiting {
    batch: Arc<Vec<Mutation>>,
    encoded: Encoded,
    answer: oneshot::Sender<Result<(), StoreError>>,
}

/// Who waits for the tables.
struct Settled(mpsc::Sender<Result<(), StoreError>>);

impl Settled {
    fn answer(self, result: Result<(), StoreError>) {
        // Who went away does not need it.
        let _ = self.0.send(result);
    }
}

/// Durable state in the tables of one SQLite file, behind a log of its own: files beside it, `<file>-log.<number>`, which are
/// there while the store is open and after a process that did not close it. What is durable may stand in them only, so they belong
/// to the file wherever it goes; the next opening takes them in. Closing leaves the one file.
pub struct SqliteStore {
    file: Arc<Path>,
    name: String,
    messages: mpsc::SyncSender<Message>,
    thread: Option<thread::JoinHandle<()>>,
    overlay: Arc<RwLock<Overlay>>,
    readers: Mutex<Vec<Connection>>,
    _lock: File,
}

impl SqliteStore {
    /// Opens the file, making it and its folder when they are not there, brings its schema up to date, and takes in what a
    /// process that was ended left in the log.
    ///
    /// # Errors
    /// When it cannot be opened, is in use by another process, was written by a newer Interlock, does not sync, or has a log that
    /// is damaged or of another store.
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        let lock = open::lock(file)?;
        let name = file.display().to_string();
        let mut connection = open::writer(file)?;
        let (store, last) = open::take_in_log(&mut connection, file)?;
        let reader = open::reader(file)?;

        let overlay = Arc::new(RwLock::new(Overlay::default()));
        let closing = Arc::new(AtomicBool::new(false));
        let spare = Spare::default();
        let (messages, waiting) = mpsc::sync_channel(WAITING_BATCHES_MAX);
        let (generations, complete) = mpsc::channel();
        let (reports, tried) = mpsc::channel();
        let table_writer = TableWriter {
            connection,
            file: name.clone(),
            overlay: Arc::clone(&overlay),
            spare: spare.clone(),
            reports,
            wake: messages.clone(),
            closing: Arc::clone(&closing),
        };
        let at_the_end = WakesAtTheEnd(messages.clone());
        let write_tables = move || {
            let _at_the_end = at_the_end;
            table_writer.run(&complete);
        };
        let log_writer = LogWriter {
            log: Log::new(file, store, last, spare),
            overlay: Arc::clone(&overlay),
            reader,
            file: name.clone(),
            generations,
            reports: tried,
            table_writer: spawn("store-tables", file, write_tables)?,
            closing,
        };
        let thread = spawn("store-log", file, move || log_writer.run(&waiting))?;
        let (file, readers) = (file.into(), Mutex::default());
        Ok(Self { file, name, messages, thread: Some(thread), overlay, readers, _lock: lock })
    }

    fn hand_over(&self, batch: Arc<Vec<Mutation>>) -> Committed {
        let (answer, receiver) = oneshot::channel();
        // Encoded by the caller, of whom there are many.
        match encode(&batch) {
            // A writer that is gone drops the answer's sender, which the caller sees as a closed store.
            Ok(encoded) => drop(self.messages.send(Message::Batch(Waiting { batch, encoded, answer }))),
            Err(error) => {
                tracing::error!("a batch could not be written: {}", error.problem());
                // The receiver is here.
                let _ = answer.send(Err(error));
            }
        }
        Committed(receiver)
    }

    /// Asks the tables.
    fn read<T>(&self, read: impl FnOnce(Tables<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open::reader(&self.file)?,
        };
        let result = read(Tables::new(&connection, &self.name));
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if readers.len() < READERS_MAX {
            readers.push(connection);
        }
        result
    }
}

fn spawn(name: &str, file: &Path, work: impl FnOnce() + Send + 'static) -> Result<thread::JoinHandle<()>, StoreError> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map_err(|error| StoreError::Open { file: file.display().to_string(), cause: error.to_string() })
}

impl Drop for SqliteStore {
    /// Waits until everything handed over is written.
    fn drop(&mut self) {
        // The writer is the last to close, as only it can move SQLite's log into the database and remove it.
        self.readers.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        let _ = self.messages.send(Message::Close);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
