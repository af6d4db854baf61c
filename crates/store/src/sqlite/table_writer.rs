//! The thread that writes generations to the tables, each in one transaction, and lets the files of the log go that held them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, mpsc};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use super::open::database_error;
use super::write::write_layer;
use super::{Message, Settled};
use crate::StoreError;
use crate::log::Spare;
use crate::overlay::{Layer, Overlay};

/// How long after a refusal the tables are tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// A generation that is complete.
pub(super) struct Generation {
    pub(super) layer: Arc<Layer>,
    /// The last record of the log that is in it.
    pub(super) sequence: u64,
    /// Files of the log that are not needed any more when it stands in the tables.
    pub(super) files: Vec<PathBuf>,
    pub(super) asked: Vec<Settled>,
    /// The store is being closed.
    pub(super) is_last: bool,
}

pub(super) struct TableWriter {
    pub(super) connection: Connection,
    pub(super) file: String,
    pub(super) overlay: Arc<RwLock<Overlay>>,
    pub(super) spare: Spare,
    pub(super) reports: mpsc::Sender<Result<(), StoreError>>,
    /// Wakes the thread that the reports are for.
    pub(super) wake: mpsc::SyncSender<Message>,
    pub(super) closing: Arc<AtomicBool>,
}

/// Wakes the log writer when it is dropped, which is to be after a table writer: what that one was to report is waited for no
/// longer then.
pub(super) struct WakesAtTheEnd(pub(super) mpsc::SyncSender<Message>);

impl Drop for WakesAtTheEnd {
    fn drop(&mut self) {
        // One that has messages looks by itself.
        let _ = self.0.try_send(Message::Look);
    }
}

impl TableWriter {
    /// Works until no generation can come any more, or until one cannot be written while the store is being closed.
    pub(super) fn run(mut self, generations: &mpsc::Receiver<Generation>) {
        while let Ok(mut generation) = generations.recv() {
            while let Err(error) = self.write(&generation) {
                // Who is told that it cannot be written finds it refused from then on.
                self.report(Err(error.clone()));
                generation.asked.drain(..).for_each(|asked| asked.answer(Err(error.clone())));
                if self.closing.load(Ordering::Acquire) {
                    return;
                }
                thread::sleep(AGAIN_AFTER);
            }
            self.let_go(generation);
        }
    }

    /// Lets go of a generation that is in the tables.
    pub(super) fn let_go(&self, generation: Generation) {
        let moved = {
            let mut overlay = self.overlay.write().unwrap_or_else(PoisonError::into_inner);
            overlay.moved += 1;
            overlay.moving.take()
        };
        self.spare.take_over(generation.files);
        generation.asked.into_iter().for_each(|asked| asked.answer(Ok(())));
        self.report(Ok(()));
        // Large, and nobody waits for it.
        drop((moved, generation.layer));
    }

    fn report(&self, result: Result<(), StoreError>) {
        let _ = self.reports.send(result);
        // One that has messages looks by itself.
        let _ = self.wake.try_send(Message::Look);
    }

    /// Synced only where something relies on it: before a file of the log may go. Until then the log says the same.
    pub(super) fn write(&mut self, generation: &Generation) -> Result<(), StoreError> {
        let synchronous = if generation.files.is_empty() && !generation.is_last { "normal" } else { "full" };
        self.connection
            .pragma_update(None, "synchronous", synchronous)
            .and_then(|()| write_layer(&mut self.connection, &generation.layer, generation.sequence))
            .map_err(|error| database_error(&self.file, &error))
    }
}
