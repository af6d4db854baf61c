//! The log beside the database: what a process that ended at once leaves behind, whole, torn, damaged, or beside the wrong
//! database. Such a process is had by copying the files of one that runs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use model::{RunId, TransactionId, Value};
use store::{JournalRow, Mutation, Page, RunRow, RunStatus, SqliteStore, Store, StoreError};

const BATCHES: u64 = 6;

fn batch(number: u64, transaction: TransactionId) -> Vec<Mutation> {
    let at = Timestamp::UNIX_EPOCH;
    let run = RunRow {
        id: RunId::now(),
        workflow: "w".into(),
        definition: "d".into(),
        key: number.to_string().into(),
        transaction,
        status: RunStatus::Live,
        state: vec![7; 100],
        parts: Vec::new(),
        removed_parts: Vec::new(),
        started_at: at,
        updated_at: at,
        in_doubt: false,
    };
    let line = JournalRow {
        transaction,
        at,
        kind: "sent".into(),
        connection: None,
        title: number.to_string().into(),
        detail: Value::Null,
    };
    vec![Mutation::PutRun(run), Mutation::AppendJournal(line)]
}

/// The files of a store that was ended in the middle.
struct Left {
    _folder: tempfile::TempDir,
    database: PathBuf,
    transaction: TransactionId,
}

impl Left {
    /// What a process leaves that ends before anything of it is in the tables. On a slow disk that may have happened meanwhile:
    /// then it is another process.
    fn new(before: impl Fn(&SqliteStore)) -> Self {
        const SOON_ENOUGH: Duration = Duration::from_millis(800);
        const TIMES: usize = 10;
        let mut tried = 0;
        loop {
            let begun = Instant::now();
            let left = Self::once(&before);
            tried += 1;
            if begun.elapsed() < SOON_ENOUGH || tried == TIMES {
                return left;
            }
        }
    }

    fn once(before: impl Fn(&SqliteStore)) -> Self {
        let running = tempfile::tempdir().expect("a folder");
        let store = SqliteStore::open(&running.path().join("store.db")).expect("a store");
        let transaction = TransactionId::now();
        for number in 0..BATCHES {
            store.commit(batch(number, transaction)).durable_blocking().expect("durable");
        }
        before(&store);
        let folder = tempfile::tempdir().expect("a folder");
        for file in std::fs::read_dir(running.path()).expect("a folder").flatten() {
            std::fs::copy(file.path(), folder.path().join(file.file_name())).expect("a copy");
        }
        Self { database: folder.path().join("store.db"), _folder: folder, transaction }
    }

    fn log(&self) -> PathBuf {
        self.database.with_file_name("store.db-log.1")
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.log()).expect("the log")
    }

    fn open(&self) -> Result<SqliteStore, StoreError> {
        SqliteStore::open(&self.database)
    }

    /// The batches that are there, each of them whole and once.
    fn batches(&self, store: &SqliteStore) -> u64 {
        let lines = store.journal(self.transaction, Page { offset: 0, limit: 99 }).expect("lines");
        let there: Vec<String> = lines.iter().map(|line| line.title.to_string()).collect();
        let expected: Vec<String> = (0..lines.len()).map(|number| number.to_string()).collect();
        assert_eq!(there, expected);
        assert_eq!(store.live_runs().expect("runs").len(), lines.len());
        lines.len() as u64
    }
}

/// Where the records begin that are in these bytes.
fn records(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len()).step_by(8).filter(|place| bytes[*place..].starts_with(b"ILOG")).collect()
}

fn nothing(_: &SqliteStore) {}

#[test]
fn what_a_process_left_in_the_log_is_there_once() {
    let left = Left::new(nothing);
    assert_eq!(records(&left.bytes()).len() as u64, BATCHES);
    let store = left.open().expect("a store");
    assert_eq!(left.batches(&store), BATCHES);
    assert!(!left.log().exists());
    store.commit(batch(BATCHES, left.transaction)).durable_blocking().expect("durable");
    drop(store);
    assert_eq!(left.batches(&left.open().expect("a store")), BATCHES + 1);
}

#[test]
fn what_a_run_has_nested_deep_is_read_back() {
    let deep = || (0..600).fold(Value::from(1), |inner, _| Value::array([inner]));
    let id = model::EventId::now();
    let event = || store::EventRow { id, correlation: b"deep".to_vec(), envelope: deep(), at: Timestamp::UNIX_EPOCH };
    let left = Left::new(|store| {
        store.commit(vec![Mutation::AppendEvent(event())]).durable_blocking().expect("durable");
        assert_eq!(store.events(b"deep").expect("read"), [event()], "while it is in memory");
    });
    let store = left.open().expect("the log is read");
    assert_eq!(store.events(b"deep").expect("read"), [event()]);
}

#[test]
fn what_could_not_be_read_back_is_refused_whole_and_holds_nothing_up() {
    let deep = || (0..641).fold(Value::Null, |inner, _| Value::array([inner]));
    let left = Left::new(|store| {
        let id = model::EventId::now();
        let event = store::EventRow { id, correlation: b"deep".to_vec(), envelope: deep(), at: Timestamp::UNIX_EPOCH };
        let mut refused = batch(99, TransactionId::now());
        refused.push(Mutation::AppendEvent(event));
        let error = store.commit(refused).durable_blocking().expect_err("refused");
        assert!(!error.heals(), "it would be refused again");
        let problem = error.problem();
        assert_eq!(problem.code, "IL-STORE-011");
        assert!(problem.message.contains("event") && problem.message.contains("640"), "{problem}");
        assert_eq!(error.problem_of_wish().remedy, problem.remedy, "to try again is no help");
        assert_eq!(store.run_of_key("w", "99"), Ok(None));
        store.commit(batch(100, TransactionId::now())).durable_blocking().expect("the next one is taken");
    });
    let store = left.open().expect("the log is read");
    assert_eq!(store.live_runs().expect("runs").len() as u64, BATCHES + 1);
}

#[test]
fn what_the_log_still_holds_of_what_is_in_the_tables_is_not_taken_in_again() {
    let left = Left::new(|store| {
        store.live_runs().expect("a read that waits for the tables");
    });
    assert_eq!(records(&left.bytes()).len() as u64, BATCHES);
    assert_eq!(left.batches(&left.open().expect("a store")), BATCHES);
}

#[test]
fn files_of_the_log_are_written_over_and_only_what_is_new_in_them_counts() {
    let large = |number: u64| {
        let mut batch = batch(number, TransactionId::now());
        let Mutation::PutRun(run) = &mut batch[0] else { unreachable!() };
        run.state = vec![number as u8; 1_500_000];
        batch
    };
    let left = Left::once(|store| {
        for number in BATCHES..BATCHES + 10 {
            store.commit(large(number)).durable_blocking().expect("durable");
            store.live_runs().expect("a read that waits for the tables");
        }
        // This one is in the log only, in a file that held others before.
        store.commit(large(99)).durable_blocking().expect("durable");
    });
    let folder = left.database.parent().expect("a folder");
    let names = std::fs::read_dir(folder).expect("a folder").flatten().map(|file| file.file_name());
    let logs = names.filter(|name| name.to_string_lossy().starts_with("store.db-log.")).count();
    assert!((1..=3).contains(&logs), "{logs} files");
    let store = left.open().expect("a store");
    assert_eq!(store.live_runs().expect("runs").len() as u64, BATCHES + 11);
    let last = store.run_of_key("w", "99").expect("a read").expect("the last run");
    assert_eq!(store.run(last).expect("a read").expect("a run").state.len(), 1_500_000);
}

/// Keeps the tables from being written until this is dropped.
fn hold(database: &Path) -> rusqlite::Connection {
    let other = rusqlite::Connection::open(database).expect("the database");
    other.busy_timeout(std::time::Duration::from_secs(10)).expect("a setting");
    other.execute_batch("begin immediate").expect("the lock");
    other
}

#[test]
fn while_the_tables_cannot_be_written_nothing_new_is_taken_and_nothing_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let file: &Path = &folder.path().join("store.db");
    let store = SqliteStore::open(file).expect("a store");
    let in_use = |error: StoreError| matches!(error, StoreError::InUse { .. });
    let held = hold(file);
    store.commit(batch(1, TransactionId::now())).durable_blocking().expect("the log can be written");
    assert!(store.listening_runs(None, 1).is_err_and(in_use), "it waits for the tables");
    assert!(store.live_runs().is_ok(), "people are shown what there is");
    assert!(store.run_of_key("w", "1").is_ok_and(|run| run.is_some()), "it does not");
    let refused = store.commit(batch(2, TransactionId::now())).durable_blocking();
    assert!(refused.is_err_and(|error| error.heals() && in_use(error)));
    drop(held);
    while store.commit(batch(3, TransactionId::now())).durable_blocking().is_err() {
        std::thread::yield_now();
    }
    assert_eq!(store.live_runs().map(|runs| runs.len()), Ok(2));

    // Neither is it when the store is closed meanwhile.
    let held = hold(file);
    store.commit(batch(4, TransactionId::now())).durable_blocking().expect("the log can be written");
    drop(store);
    drop(held);
    let store = SqliteStore::open(file).expect("a store");
    assert_eq!(store.live_runs().map(|runs| runs.len()), Ok(3));
}

#[test]
fn a_record_that_was_being_written_is_cut_off() {
    let left = Left::new(nothing);
    let bytes = left.bytes();
    let last = *records(&bytes).last().expect("a record");
    // Cut within the head, within the mutations; and written in part, with something else behind.
    for (length, changed) in
        [(last + 5, 0), (last + 41, 0), (bytes.len() - 9, 0), (bytes.len(), last), (bytes.len(), last + 60)]
    {
        let left = Left::new(nothing);
        let mut bytes = left.bytes();
        bytes.truncate(length);
        if changed > 0 {
            bytes[changed] ^= 0xff;
        }
        std::fs::write(left.log(), bytes).expect("written");
        let store = left.open().expect("a store");
        assert_eq!(left.batches(&store), BATCHES - 1, "cut at {length}, changed at {changed}");
    }
}

#[test]
fn damage_before_the_end_is_told_and_nothing_is_changed() {
    for place in [0, 20, 41, 120] {
        let left = Left::new(nothing);
        let mut bytes = left.bytes();
        let second = records(&bytes)[1];
        bytes[second + place] ^= 0xff;
        std::fs::write(left.log(), &bytes).expect("written");
        let error = left.open().err().expect("refused");
        assert!(matches!(error, StoreError::Damaged { what: "log", .. }), "{error}");
        assert!(error.problem().remedy.contains("backup"), "{}", error.problem());
        assert_eq!(left.bytes(), bytes);
    }
}

#[test]
fn the_log_of_another_store_is_refused_and_left_alone() {
    let (left, other) = (Left::new(nothing), Left::new(nothing));
    std::fs::copy(other.log(), left.log()).expect("a copy");
    let error = left.open().err().expect("refused");
    assert!(matches!(error, StoreError::OtherLog { .. }), "{error}");
    assert_eq!(error.problem().code, "IL-STORE-010");
    assert!(error.problem().remedy.contains("-log."), "{}", error.problem());
    assert_eq!(left.bytes(), other.bytes());
}

#[test]
fn the_log_of_a_later_state_is_refused() {
    let left = Left::new(nothing);
    let bytes = left.bytes();
    std::fs::write(left.log(), &bytes[records(&bytes)[2]..]).expect("written");
    assert!(matches!(left.open().err(), Some(StoreError::OtherLog { .. })));
}

#[test]
fn a_store_from_before_there_was_a_log_opens_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let file: &Path = &folder.path().join("store.db");
    let store = SqliteStore::open(file).expect("a store");
    store.commit(batch(1, TransactionId::now())).durable_blocking().expect("durable");
    drop(store);
    let connection = rusqlite::Connection::open(file).expect("the file");
    let later = "drop table log_applied; drop index intents_by_run; drop index transactions_by_stage; drop index answers_by_age";
    connection.execute_batch(&format!("{later}; pragma user_version = 5")).expect("a store of before");
    drop(connection);
    let store = SqliteStore::open(file).expect("a store");
    assert_eq!(store.live_runs().map(|runs| runs.len()), Ok(1));
}
