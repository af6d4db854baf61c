//! Any batches, with generations that move to the tables in any steps and processes that end anywhere, are read back as if every
//! batch had been written to the tables at once.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, RwLock, mpsc};

use jiff::Timestamp;
use model::{EventId, IntentId, RunId, TransactionId, WorkItemId};
use proptest::prelude::*;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::log_writer::{LogWriter, State};
use super::table_writer::{Generation, TableWriter};
use super::{Message, SqliteStore, Tables, Waiting, direct, open};
use crate::arbitrary::{KEYS, at, mutation, text, uuid};
use crate::log::{Log, Spare};
use crate::overlay::Overlay;
use crate::rows::{Mutation, RunRow, WorkItemStatus};
use crate::{Page, RunFilter, Store, StoreError, WorkItemFilter, WorkItemOrder};

const ALL: Page = Page { offset: 0, limit: 1_000 };

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    /// These batches are committed as one group.
    Commit(Vec<Vec<Mutation>>),
    /// A generation is complete.
    Complete,
    /// It is written to the tables, but still in memory.
    Write,
    /// It leaves memory.
    LetGo,
    /// The process ends, and another one begins.
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    let batches = prop::collection::vec(prop::collection::vec(mutation(), 0..6), 1..3);
    prop_oneof![
        6 => batches.prop_map(Step::Commit),
        2 => Just(Step::Complete),
        2 => Just(Step::Write),
        2 => Just(Step::LetGo),
        1 => Just(Step::Kill),
    ]
}

/// A store whose threads are driven by hand.
struct ByHand {
    store: SqliteStore,
    log_writer: LogWriter,
    state: State,
    table_writer: TableWriter,
    complete: mpsc::Receiver<Generation>,
    _messages: mpsc::Receiver<Message>,
    /// The generation under way, and whether it is written.
    moving: Option<(Generation, bool)>,
}

impl ByHand {
    fn open(file: &std::path::Path) -> Self {
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
            log: Log::new(file, id, last, spare),
            overlay: Arc::clone(&overlay),
            reader: open::reader(file).expect("a reader"),
            file: name.clone(),
            generations,
            reports: tried,
            table_writer: std::thread::spawn(|| ()),
            closing,
        };
        let store = SqliteStore {
            file: file.into(),
            name: name.clone(),
            messages: sender,
            thread: None,
            overlay,
            readers: Mutex::default(),
            _lock: lock,
        };
        let state = State::new(&name);
        Self { store, log_writer, state, table_writer, complete, _messages: messages, moving: None }
    }

    fn commit(&mut self, batches: &[Vec<Mutation>]) -> Vec<Result<(), StoreError>> {
        let waiting = |batch: &Vec<Mutation>| {
            let (answer, receiver) = oneshot::channel();
            (Waiting::new(Arc::new(batch.clone()), answer), receiver)
        };
        let (group, answers): (Vec<_>, Vec<_>) = batches.iter().map(waiting).unzip();
        self.log_writer.write(group, &mut self.state);
        answers.into_iter().map(|answer| answer.blocking_recv().expect("an answer")).collect()
    }

    fn complete(&mut self) {
        if self.moving.is_none() {
            self.log_writer.move_generation(&mut self.state, false);
            self.moving = Some((self.complete.recv().expect("a generation"), false));
        }
    }

    fn write(&mut self) {
        if let Some((generation, is_written @ false)) = &mut self.moving {
            self.table_writer.write(generation).expect("it can be written");
            *is_written = true;
        }
    }

    fn let_go(&mut self) {
        self.write();
        if let Some((generation, _)) = self.moving.take() {
            self.table_writer.let_go(generation);
            self.log_writer.take_reports(&mut self.state);
        }
    }
}

/// What the tables say when all was written to them at once.
struct Direct(Connection);

impl Direct {
    fn commit(&mut self, batch: &[Mutation]) -> bool {
        let transaction = self.0.transaction().expect("a transaction");
        let written = batch.iter().try_for_each(|mutation| direct::write(&transaction, mutation));
        written.is_ok() && transaction.commit().is_ok()
    }

    /// The batch without what nobody does: write what belongs to a run that is not there, or remove a run and leave that.
    fn sensible(&self, batch: Vec<Mutation>) -> Vec<Mutation> {
        let tables = Tables::new(&self.0, "direct");
        let all = tables.runs(&RunFilter::default(), ALL).expect("runs");
        let mut there: BTreeSet<RunId> = all.iter().map(|row| row.id).collect();
        let mut sensible = Vec::new();
        for mutation in batch {
            let of = match &mutation {
                Mutation::PutRun(row) => {
                    there.insert(row.id);
                    None
                }
                Mutation::RemoveRun(id) => {
                    there.remove(id);
                    sensible.extend([Mutation::ForgetRun(*id), Mutation::RemoveIntent(IntentId::new(id.uuid()))]);
                    None
                }
                Mutation::PutListener(row) => Some(row.run),
                Mutation::PutTimer(row) => Some(row.run),
                Mutation::PutHeard { run, .. } => Some(*run),
                Mutation::PutIntent(row) => Some(row.run),
                _ => None,
            };
            if of.is_none_or(|run| there.contains(&run)) {
                sensible.push(mutation);
            }
        }
        sensible
    }
}

fn same_rows(store: &SqliteStore, direct: &Direct) -> Result<(), TestCaseError> {
    let tables = Tables::new(&direct.0, "direct");
    for key in 0..KEYS {
        let (run, transaction) = (RunId::new(uuid(key)), TransactionId::new(uuid(key)));
        let expected = tables.run(run).map(|row| {
            row.map(|row| RunRow { parts: if row.state.is_empty() { Vec::new() } else { row.parts.clone() }, ..row })
        });
        prop_assert_eq!(store.run(run), expected);
        prop_assert_eq!(store.intents_of_run(run), tables.intents_of_run(run));
        prop_assert_eq!(store.run_of_key("w", &text("k", key)), tables.run_of_key("w", &text("k", key)));
        prop_assert_eq!(store.transaction(transaction), tables.transaction(transaction));
        let quote = text("Q", key);
        prop_assert_eq!(store.transaction_of_key("quote", &quote), tables.transaction_of_key("quote", &quote));
        let name = text("k", key);
        prop_assert_eq!(store.reference("order", &name, "erp"), tables.reference("order", &name, "erp"));
        let record = text("r", key);
        let first = tables.references_of_record("order", "erp", &record).map(|rows| rows.into_iter().next());
        prop_assert_eq!(store.reference_of_record("order", "erp", &record), first);
        prop_assert_eq!(store.work_item(WorkItemId::new(uuid(key))), tables.work_item(WorkItemId::new(uuid(key))));
        let filter = WorkItemFilter { transaction: Some(transaction), ..WorkItemFilter::default() };
        prop_assert_eq!(store.work_items(&filter, ALL), tables.work_items(&filter, ALL));
        for order in [WorkItemOrder::Due, WorkItemOrder::Amount, WorkItemOrder::Latest] {
            let filter = WorkItemFilter { status: Some(WorkItemStatus::Open), order, ..filter.clone() };
            prop_assert_eq!(store.work_items(&filter, ALL), tables.work_items(&filter, ALL));
            let filter = WorkItemFilter { status: None, over: true, ..filter };
            prop_assert_eq!(store.work_items(&filter, ALL), tables.work_items(&filter, ALL));
        }
        prop_assert_eq!(store.events(&[key]), tables.events(&[key]));
        let listeners: Result<Vec<_>, _> =
            store.listeners(&[key]).map(|rows| rows.into_iter().map(|row| (row.run, row.position)).collect());
        prop_assert_eq!(listeners, tables.listeners(&[key]));
        let mut unheard: Vec<(Vec<u8>, EventId)> =
            store.unheard(run, 1_000).expect("a read").into_iter().map(|(place, event)| (place, event.id)).collect();
        let mut expected = direct::unheard(&direct.0, run);
        unheard.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(unheard, expected);
        let feed = text("f", key);
        prop_assert_eq!(store.feed_position("crm", &feed), tables.feed_position("crm", &feed));
        let id = text("i", key);
        prop_assert_eq!(store.record_version("crm", "Account", &id), tables.record_version("crm", "Account", &id));
        prop_assert_eq!(store.synced("customer", &name), tables.synced("customer", &name));
        for limit in [1, 2, 9] {
            let value = text("v", key);
            let expected = tables.keys_of_match("order", &value, limit as usize);
            prop_assert_eq!(store.matches("order", &value, None, limit), expected);
            let expected = tables.keys_lacking("order", &value, "erp", limit as usize);
            prop_assert_eq!(store.matches("order", &value, Some("erp"), limit), expected);
            let due =
                store.timers_due(at(key), limit).map(|rows| rows.iter().map(|row| row.due_at).collect::<Vec<_>>());
            let expected = tables.timers_due(at(key), limit as usize);
            prop_assert_eq!(due, expected.map(|rows| rows.iter().map(|row| row.due_at).collect()));
        }
        prop_assert_eq!(store.inbox_row("erp", &text("n", key)), tables.inbox_row("erp", &text("n", key)));
        prop_assert_eq!(store.answer("prices", &name), tables.answer("prices", &name));
        prop_assert_eq!(store.definition(&text("h", key)), tables.definition(&text("h", key)));
    }
    let first = tables.timers_due(Timestamp::MAX, 1).map(|rows| rows.first().map(|row| row.due_at));
    prop_assert_eq!(store.next_timer(), first);
    let oldest = tables.events_before(Timestamp::MAX, 1).map(|rows| rows.first().map(|(at, _)| *at));
    prop_assert_eq!(store.oldest_event(), oldest);
    let mut inbox = tables.inbox().expect("a read");
    inbox.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    prop_assert_eq!(store.inbox(), Ok(inbox));
    Ok(())
}

/// The lists that wait for the tables.
fn same_lists(store: &SqliteStore, direct: &Direct) -> Result<(), TestCaseError> {
    let tables = Tables::new(&direct.0, "direct");
    let filter = RunFilter::default();
    prop_assert_eq!(store.runs(&filter, ALL), tables.runs(&filter, ALL));
    prop_assert_eq!(store.live_runs(), tables.live_runs());
    prop_assert_eq!(store.live_definitions(), tables.live_definitions());
    prop_assert_eq!(store.intents(), tables.intents());
    for transaction in (0..KEYS).map(|key| TransactionId::new(uuid(key))) {
        prop_assert_eq!(store.journal(transaction, ALL), tables.journal(transaction, ALL));
    }
    prop_assert_eq!(store.transactions("", ALL), tables.transactions("", ALL));
    prop_assert_eq!(store.stage_totals(), tables.stage_totals());
    prop_assert_eq!(store.queue_totals(Timestamp::UNIX_EPOCH), tables.queue_totals(Timestamp::UNIX_EPOCH));
    let filter = WorkItemFilter::default();
    prop_assert_eq!(store.work_items(&filter, ALL), tables.work_items(&filter, ALL));
    prop_assert_eq!(store.listening_runs(None, 9), tables.listening_runs(None, 9));
    prop_assert_eq!(store.references_after("order", "erp", "", 9), tables.references_after("order", "erp", "", 9));
    prop_assert_eq!(store.synced_after("customer", "", 9), tables.synced_after("customer", "", 9));
    prop_assert_eq!(store.synced_beginning("customer", "k", 9), tables.synced_beginning("customer", "k", 9));
    prop_assert_eq!(
        store.synced_titled("customer", "title", ("", ""), 9),
        tables.synced_titled("customer", "title", ("", ""), 9)
    );
    for link in (0..KEYS).map(|key| text("l", key)) {
        prop_assert_eq!(
            store.synced_linked("customer", "parent", &link, 9),
            tables.synced_linked("customer", "parent", &link, 9)
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_log_and_memory_in_front_of_the_tables_change_nothing(steps in prop::collection::vec(step(), 1..24)) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("store.db");
        let mut direct = Direct(open::writer(&folder.path().join("direct.db")).expect("a database"));
        let mut by_hand = ByHand::open(&file);
        for step in steps {
            match step {
                Step::Commit(batches) => {
                    let mut group = Vec::new();
                    let mut expected = Vec::new();
                    for batch in batches {
                        let batch = direct.sensible(batch);
                        expected.push(direct.commit(&batch));
                        group.push(batch);
                    }
                    let results: Vec<bool> = by_hand.commit(&group).iter().map(Result::is_ok).collect();
                    prop_assert_eq!(results, expected);
                }
                Step::Complete => by_hand.complete(),
                Step::Write => by_hand.write(),
                Step::LetGo => by_hand.let_go(),
                Step::Kill => {
                    drop(by_hand);
                    by_hand = ByHand::open(&file);
                }
            }
            same_rows(&by_hand.store, &direct)?;
        }
        by_hand.let_go();
        by_hand.complete();
        by_hand.let_go();
        same_rows(&by_hand.store, &direct)?;
        same_lists(&by_hand.store, &direct)?;
        drop(by_hand);
        let by_hand = ByHand::open(&file);
        same_lists(&by_hand.store, &direct)?;
    }
}
