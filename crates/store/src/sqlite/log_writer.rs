//! The thread that takes all waiting batches, decides what they come to, appends them to the log, syncs once, and answers each.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::resolve::Resolver;
use super::table_writer::Generation;
use super::tables::Tables;
use super::trouble::Trouble;
use super::{Message, Settled, Waiting};
use crate::StoreError;
use crate::log::Log;
use crate::overlay::{Layer, Overlay};

/// How many mutations one sync gathers at most, and how many bytes: beyond it a sync is no longer the cost, and waiting is.
const GROUP_MUTATIONS_MAX: usize = 8_192;
const GROUP_BYTES_MAX: usize = 8 << 20;

/// A generation goes to the tables when it takes so much memory, when so much was logged since it began, or when it is so old.
/// The older it gets, the more rows are written over and removed in memory; but the more has to be read back after a crash.
const GENERATION_BYTES: usize = 8 << 20;
const GENERATION_LOG_BYTES: usize = 32 << 20;
const GENERATION_AGE: Duration = Duration::from_secs(1);
/// What the next one may take while the one before is still being written to the tables; then batches wait.
const GENERATION_BYTES_MAX: usize = 2 * GENERATION_BYTES;

pub(super) struct LogWriter {
    pub(super) log: Log,
    pub(super) overlay: Arc<RwLock<Overlay>>,
    /// A connection for what has to be known before a batch is logged.
    pub(super) reader: Connection,
    pub(super) file: String,
    pub(super) generations: mpsc::Sender<Generation>,
    /// What came of writing a generation to the tables, each time that it was tried.
    pub(super) reports: mpsc::Receiver<Result<(), StoreError>>,
    pub(super) table_writer: thread::JoinHandle<()>,
    pub(super) closing: Arc<AtomicBool>,
}

/// What there is to remember from one group to the next.
pub(super) struct State {
    trouble: Trouble,
    /// A generation is being written to the tables.
    is_moving: bool,
    /// Why the tables cannot be written; then nothing is taken, because it could only pile up.
    refusing: Option<StoreError>,
    /// Who waits until what is durable stands in the tables.
    asked: Vec<Settled>,
    /// Files of the log that ended since the last generation went.
    ended: Vec<PathBuf>,
    /// When the first batch of this generation was logged, and what was logged since.
    began: Option<Instant>,
    logged: usize,
}

impl LogWriter {
    /// Works until the store is closed and everything handed over is answered.
    pub(super) fn run(mut self, messages: &mpsc::Receiver<Message>) {
        let mut state = State::new(&self.file);
        let mut is_open = true;
        while is_open {
            self.take_reports(&mut state);
            self.move_what_is_due(&mut state);
            let Some(first) = state.next(messages) else { continue };
            let mut group = Vec::new();
            let (mut mutations, mut bytes) = (0, 0);
            let mut message = Some(first);
            while let Some(next) = message.take() {
                match next {
                    Message::Batch(waiting) => {
                        mutations += waiting.batch.len();
                        bytes += waiting.encoded.bytes().len();
                        group.push(waiting);
                    }
                    Message::Settle(asked) => state.asked.push(asked),
                    Message::Look => {}
                    Message::Close => is_open = false,
                }
                if mutations < GROUP_MUTATIONS_MAX && bytes < GROUP_BYTES_MAX {
                    message = messages.try_recv().ok();
                }
            }
            if !group.is_empty() {
                // A report may have come while nobody said anything.
                self.take_reports(&mut state);
                self.write(group, &mut state);
            }
        }
        self.close(state);
    }

    pub(super) fn take_reports(&self, state: &mut State) {
        loop {
            match self.reports.try_recv() {
                Ok(report) => state.take(report),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => return state.tables_have_no_writer(),
            }
        }
    }

    fn filled(&self) -> usize {
        self.overlay.read().unwrap_or_else(PoisonError::into_inner).filling.bytes()
    }

    fn is_empty(&self) -> bool {
        self.overlay.read().unwrap_or_else(PoisonError::into_inner).filling.is_empty()
    }

    fn move_what_is_due(&mut self, state: &mut State) {
        if state.is_moving {
            return;
        }
        if !state.asked.is_empty() && self.is_empty() {
            state.asked.drain(..).for_each(|asked| asked.answer(Ok(())));
        }
        let is_old = state.began.is_some_and(|began| began.elapsed() >= GENERATION_AGE);
        let is_large = state.logged >= GENERATION_LOG_BYTES || self.filled() >= GENERATION_BYTES;
        if is_old || is_large || !state.asked.is_empty() {
            self.move_generation(state, false);
        }
    }

    /// Has what was filled written to the tables, and begins another generation.
    pub(super) fn move_generation(&mut self, state: &mut State, is_last: bool) {
        state.ended.extend(self.log.end_file());
        let layer = self.overlay.write().unwrap_or_else(PoisonError::into_inner).complete();
        let generation = Generation {
            layer,
            sequence: self.log.last(),
            files: std::mem::take(&mut state.ended),
            asked: std::mem::take(&mut state.asked),
            is_last,
        };
        (state.is_moving, state.began, state.logged) = (true, None, 0);
        // Who writes the tables ends after this thread only.
        let _ = self.generations.send(generation);
    }

    pub(super) fn write(&mut self, group: Vec<Waiting>, state: &mut State) {
        while state.is_moving && state.refusing.is_none() && self.filled() >= GENERATION_BYTES_MAX {
            match self.reports.recv() {
                Ok(report) => state.take(report),
                Err(_) => state.tables_have_no_writer(),
            }
            self.move_what_is_due(state);
        }
        if let Some(error) = &state.refusing {
            let error = error.clone();
            group.into_iter().for_each(|batch| state.answer(batch, Err(error.clone())));
            return;
        }
        match self.append(&group, state) {
            Ok(results) => group.into_iter().zip(results).for_each(|(batch, result)| state.answer(batch, result)),
            // What keeps the log from being written keeps it from being written alone.
            Err(error) if group.len() == 1 || error.heals() => {
                group.into_iter().for_each(|batch| state.answer(batch, Err(error.clone())));
            }
            // One batch must not fail for what another is: each is tried alone.
            Err(_) => {
                for batch in group {
                    let result = self.append(std::slice::from_ref(&batch), state).map(|mut results| results.remove(0));
                    state.answer(batch, result.and_then(|result| result));
                }
            }
        }
    }

    /// Makes those batches durable that are not refused for what is in them.
    fn append(&mut self, group: &[Waiting], state: &mut State) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let (layer, results) = self.resolve(group);
        let accepted = group.iter().zip(&results).filter(|(_, result)| result.is_ok());
        let bytes: Vec<&[u8]> = accepted.map(|(waiting, _)| waiting.encoded.bytes()).collect();
        if bytes.iter().any(|bytes| !bytes.is_empty()) {
            state.logged += self.log.append(&bytes)?;
            state.began.get_or_insert_with(Instant::now);
            self.overlay.write().unwrap_or_else(PoisonError::into_inner).fill(layer);
        }
        Ok(results)
    }

    /// What the batches come to, one after the other. One that is refused leaves no trace, so the rest begins anew without it.
    fn resolve(&self, group: &[Waiting]) -> (Layer, Vec<Result<(), StoreError>>) {
        // Memory is not held while the tables are asked: only this thread fills a generation, and what one says that leaves memory
        // meanwhile is what the tables say then.
        let (filling, moving) = {
            let overlay = self.overlay.read().unwrap_or_else(PoisonError::into_inner);
            (Arc::clone(&overlay.filling), overlay.moving.clone())
        };
        let below: Vec<&Layer> = std::iter::once(&*filling).chain(moving.as_deref()).collect();
        let mut results: Vec<Result<(), StoreError>> = vec![Ok(()); group.len()];
        'anew: loop {
            let mut resolver = Resolver::new(&below, Tables::new(&self.reader, &self.file));
            for (waiting, result) in group.iter().zip(&mut results).filter(|(_, result)| result.is_ok()) {
                for (mutation, logged) in waiting.batch.iter().zip(waiting.encoded.each()) {
                    if let Err(error) = resolver.apply(mutation, logged) {
                        *result = Err(error);
                        continue 'anew;
                    }
                }
            }
            return (resolver.into_layer(), results);
        }
    }

    /// Writes everything to the tables and removes the log. Where that fails, the log stays, and the next start reads it.
    fn close(mut self, mut state: State) {
        self.closing.store(true, Ordering::Release);
        let mut is_clean = true;
        if self.log.is_used() {
            if state.is_moving {
                is_clean = matches!(self.reports.recv(), Ok(Ok(())));
            }
            if is_clean {
                self.move_generation(&mut state, true);
                is_clean = matches!(self.reports.recv(), Ok(Ok(())));
            }
        }
        // The connection that may write is the last to close, as only it can remove SQLite's own files.
        drop(self.reader);
        drop(self.generations);
        let _ = self.table_writer.join();
        if is_clean {
            self.log.remove();
        }
    }
}

impl State {
    pub(super) fn new(file: &str) -> Self {
        Self {
            trouble: Trouble::new(file),
            is_moving: false,
            refusing: None,
            asked: Vec::new(),
            ended: Vec::new(),
            began: None,
            logged: 0,
        }
    }

    /// The next message; `None` when there is something else to do.
    fn next(&mut self, messages: &mpsc::Receiver<Message>) -> Option<Message> {
        let old = self.began.filter(|_| !self.is_moving).map(|began| began + GENERATION_AGE);
        let Some(until) = [old, self.trouble.may_end()].into_iter().flatten().min() else {
            return Some(messages.recv().unwrap_or(Message::Close));
        };
        match messages.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Disconnected) => Some(Message::Close),
            Err(RecvTimeoutError::Timeout) => {
                if self.trouble.may_end().is_some_and(|end| end <= Instant::now()) {
                    self.trouble.over();
                }
                None
            }
        }
    }

    fn take(&mut self, report: Result<(), StoreError>) {
        match report {
            Ok(()) => {
                self.is_moving = false;
                if self.refusing.take().is_some() {
                    self.trouble.written();
                }
            }
            Err(error) => {
                self.asked.drain(..).for_each(|asked| asked.answer(Err(error.clone())));
                if self.refusing.as_ref() != Some(&error) {
                    self.trouble.refused(&error);
                }
                self.refusing = Some(error);
            }
        }
    }

    /// Who writes the tables is gone, which only a fault of its own brings about: there is nobody to take anything for any more, and
    /// nothing to wait for.
    fn tables_have_no_writer(&mut self) {
        self.asked.drain(..).for_each(|asked| asked.answer(Err(StoreError::Closed)));
        if self.refusing.replace(StoreError::Closed) != Some(StoreError::Closed) {
            tracing::error!(
                "the tables are not written any more, so nothing is taken: {}",
                StoreError::Closed.problem()
            );
        }
    }

    fn answer(&mut self, batch: Waiting, result: Result<(), StoreError>) {
        match &result {
            Ok(()) => self.trouble.written(),
            Err(error) => {
                self.trouble.refused(error);
            }
        }
        // Before the answer: what the batch holds is let go of by who handed it over, and not by this thread.
        drop(batch.batch);
        // A caller that went away does not need its answer.
        let _ = batch.answer.send(result);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::trouble::MENDED_AFTER;

    #[test]
    fn that_trouble_is_over_is_noticed_without_work() {
        let (sender, messages) = mpsc::sync_channel(1);
        let mut state = State::new("store.db");
        state.take(Err(StoreError::DiskFull { file: "store.db".into() }));
        state.take(Ok(()));
        state.trouble.writes_since = Instant::now().checked_sub(MENDED_AFTER);
        // Nobody says anything.
        assert!(state.next(&messages).is_none());
        assert!(state.trouble.may_end().is_none());
        drop(sender);
        assert!(matches!(state.next(&messages), Some(Message::Close)));
    }
}
