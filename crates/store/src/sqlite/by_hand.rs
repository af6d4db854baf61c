//! A store whose threads are driven by hand, and what can be tried of them only so.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, RwLock, mpsc};

use jiff::Timestamp;
use model::{RunId, TransactionId};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use tokio::sync::oneshot;

use super::log_writer::{LogWriter, State};
use super::table_writer::{Generation, TableWriter, WakesAtTheEnd};
use super::{Message, SqliteStore, Waiting, open};
use crate::arbitrary::{mutation, text, uuid};
use crate::log::{Log, Spare, encode};
use crate::overlay::Overlay;
use crate::rows::{ListenerRow, Mutation};
use crate::{Page, RunFilter, Store, StoreError, WorkItemFilter};

pub(super) const ALL: Page = Page { offset: 0, limit: 1_000 };

/// A store whose threads are driven by hand.
pub(super) struct ByHand {
    pub(super) store: Arc<SqliteStore>,
    log_writer: LogWriter,
    state: State,
    table_writer: TableWriter,
    complete: mpsc::Receiver<Generation>,
    spare: Spare,
    messages: mpsc::Receiver<Message>,
    /// The generation under way, and whether it is written.
    moving: Option<(Generation, bool)>,
}

impl ByHand {
    pub(super) fn open(file: &std::path::Path) -> Self {
        let lock = open::lock(file).expect("a lock");
        let mut connection = open::writer(file).expect("a database");
        let (id, last) = open::take_in_log(&mut connection, file).expect("a log");
        let overlay = Arc::new(RwLock::new(Overlay::default()));
        let (closing, spare) = (Arc::new(AtomicBool::new(false)), Spare::default());
        let (sender, messages) = mpsc::sync_channel(64);
        let (generations, complete) = mpsc::channel();
        let (reports, tried) = mpsc::channel();
        let name = file.display().to_string();
        let table_writer = TableWriter {
            connection,
            file: name.clone(),
            overlay: Arc::clone(&overlay),
            spare: spare.clone(),
            reports,
            wake: sender.clone(),
            closing: Arc::clone(&closing),
        };
        let log_writer = LogWriter {
            log: Log::new(file, id, last, spare.clone()),
            overlay: Arc::clone(&overlay),
            reader: open::reader(file).expect("a reader"),
            file: name.clone(),
            generations,
            reports: tried,
            table_writer: std::thread::spawn(|| ()),
            closing,
        };
        let store = Arc::new(SqliteStore {
            file: file.into(),
            name: name.clone(),
            messages: sender,
            thread: None,
            overlay,
            readers: Mutex::default(),
            _lock: lock,
        });
        let state = State::new(&name);
        Self { store, log_writer, state, table_writer, complete, spare, messages, moving: None }
    }

    pub(super) fn commit(&mut self, batches: &[Vec<Mutation>]) -> Vec<Result<(), StoreError>> {
        let waiting = |batch: &Vec<Mutation>| {
            let (answer, receiver) = oneshot::channel();
            let encoded = encode(batch).expect("it is not deep");
            (Waiting { batch: Arc::new(batch.clone()), encoded, answer }, receiver)
        };
        let (group, answers): (Vec<_>, Vec<_>) = batches.iter().map(waiting).unzip();
        self.log_writer.write(group, &mut self.state);
        answers.into_iter().map(|answer| answer.blocking_recv().expect("an answer")).collect()
    }

    pub(super) fn complete(&mut self) {
        if self.moving.is_none() {
            self.log_writer.move_generation(&mut self.state, false);
            self.moving = Some((self.complete.recv().expect("a generation"), false));
        }
    }

    pub(super) fn write(&mut self) {
        if let Some((generation, is_written @ false)) = &mut self.moving {
            self.table_writer.write(generation).expect("it can be written");
            *is_written = true;
        }
    }

    pub(super) fn let_go(&mut self) {
        self.write();
        if let Some((generation, _)) = self.moving.take() {
            self.table_writer.let_go(generation);
            self.log_writer.take_reports(&mut self.state);
        }
    }
}

#[test]
fn who_waits_for_tables_that_nobody_writes_any_more_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut by_hand = ByHand::open(&folder.path().join("store.db"));
    let listener = || ListenerRow { correlation: vec![1], run: RunId::new(uuid(1)), position: vec![1] };
    let batch = move || vec![Mutation::PutListener(listener())];
    assert_eq!(by_hand.commit(&[batch()]), [Ok(())]);
    let ByHand { store, log_writer, table_writer, complete, messages, .. } = by_hand;
    let writing = std::thread::spawn(move || log_writer.run(&messages));
    let (answer, answered) = mpsc::channel();
    std::thread::spawn(move || {
        // The first waits while it happens, the second comes when it has happened.
        for _ in 0..2 {
            let _ = answer.send(store.listening_runs(None, 9).map(drop));
        }
        let _ = answer.send(store.commit(batch()).durable_blocking());
    });
    let patience = std::time::Duration::from_secs(20);
    let generation = complete.recv_timeout(patience).expect("a generation");
    // It ends in the middle of this one. Whoever comes before the log writer can see that is told, too.
    let at_the_end = WakesAtTheEnd(table_writer.wake.clone());
    drop(generation);
    assert_eq!(answered.recv_timeout(patience), Ok(Err(StoreError::Closed)));
    drop(table_writer);
    drop(at_the_end);
    for _ in 0..2 {
        assert_eq!(answered.recv_timeout(patience), Ok(Err(StoreError::Closed)));
    }
    writing.join().expect("it ends");
}

#[test]
fn a_group_that_the_log_cannot_take_is_tried_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut by_hand = ByHand::open(&folder.path().join("store.db"));
    // The file that the log begins is one without room. What is refused cannot even be cut off from it, so another try would tell
    // something else.
    let full = folder.path().join("full");
    std::os::unix::fs::symlink("/dev/full", &full).expect("a link");
    by_hand.spare.take_over(vec![full]);
    let batch = |number| vec![Mutation::PutDefinition { hash: text("h", number), text: text("t", number) }];
    let group = [batch(1), batch(2), batch(3)];
    let refused = by_hand.commit(&group);
    assert_eq!(refused.len(), group.len());
    for result in refused {
        assert!(matches!(result, Err(StoreError::DiskFull { .. })), "{result:?}");
    }
    assert!(matches!(by_hand.commit(&group)[..], [Err(StoreError::Disk { .. }), ..]), "the second try");
    assert_eq!(by_hand.store.definition("h1"), Ok(None));
}

type List = (&'static str, fn(&SqliteStore) -> Result<(), StoreError>);

/// The lists for people, each with the name of what is in it.
const LISTS: [List; 12] = [
    ("runs", |store| store.runs(&RunFilter::default(), ALL).map(drop)),
    ("runs", |store| store.live_runs().map(drop)),
    ("runs", |store| store.live_definitions().map(drop)),
    ("intents", |store| store.intents().map(drop)),
    ("journal", |store| store.journal(TransactionId::new(uuid(1)), ALL).map(drop)),
    ("matters", |store| store.transactions("", ALL).map(drop)),
    ("matters", |store| store.stage_totals().map(drop)),
    ("work items", |store| store.work_items(&WorkItemFilter::default(), ALL).map(drop)),
    ("work items", |store| store.queue_totals(Timestamp::UNIX_EPOCH).map(drop)),
    ("synced", |store| store.synced_beginning("customer", "", 9).map(drop)),
    ("synced", |store| store.synced_titled("customer", "t", ("", ""), 9).map(drop)),
    ("synced", |store| store.synced_linked("customer", "parent", "l1", 9).map(drop)),
];

/// The lists of [`LISTS`] that a mutation, the only one, is of.
fn lists_of(mutation: &Mutation) -> &'static str {
    match mutation {
        Mutation::PutRun(_) | Mutation::RemoveRun(_) => "runs",
        Mutation::PutIntent(_) | Mutation::RemoveIntent(_) => "intents",
        Mutation::AppendJournal(row) if row.transaction == TransactionId::new(uuid(1)) => "journal",
        Mutation::PutTransaction(_) => "matters",
        Mutation::PutWorkItem(_) => "work items",
        Mutation::PutSynced(_) => "synced",
        _ => "none",
    }
}

#[test]
fn lists_for_people_wait_for_the_tables_only_while_something_of_theirs_is_in_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut by_hand = ByHand::open(&folder.path().join("store.db"));
    // Who waits is told at once that nobody hears.
    by_hand.messages = mpsc::sync_channel(1).1;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..150 {
        let mutation = mutation().new_tree(&mut runner).expect("a mutation").current();
        let theirs = lists_of(&mutation);
        assert_eq!(by_hand.commit(&[vec![mutation.clone()]]), [Ok(())]);
        let wait = |by_hand: &ByHand| {
            for (name, list) in LISTS {
                let expected = if name == theirs { Err(StoreError::Closed) } else { Ok(()) };
                assert_eq!(list(&by_hand.store), expected, "{name}: {mutation:?}");
            }
        };
        wait(&by_hand);
        let overlay = || by_hand.store.overlay.write().expect("memory");
        overlay().complete();
        wait(&by_hand);
        overlay().moving = None;
        assert!(LISTS.iter().all(|(_, list)| list(&by_hand.store) == Ok(())));
    }
}
