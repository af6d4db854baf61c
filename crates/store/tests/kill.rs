//! `kill -9` while batches are being written: what was acknowledged is there, and no batch is there in part.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use model::{RunId, TransactionId, Value};
use store::{InboxRow, JournalRow, Mutation, Page, RunRow, RunStatus, SqliteStore, Store};

/// Tells the child which file to write; the test binary starts itself again as the child.
const FILE: &str = "INTERLOCK_STORE_KILL_FILE";
const KILLS: usize = 8;
const ACKNOWLEDGED_BEFORE_KILL: usize = 40;

fn batch(number: u64) -> Vec<Mutation> {
    let at = Timestamp::UNIX_EPOCH;
    let run = RunRow {
        id: RunId::now(),
        workflow: "kill".into(),
        definition: "d".into(),
        key: number.to_string().into(),
        transaction: TransactionId::now(),
        status: RunStatus::Live,
        state: vec![7; 3_000],
        parts: Vec::new(),
        removed_parts: Vec::new(),
        started_at: at,
        updated_at: at,
        in_doubt: false,
    };
    let note = InboxRow { connection: "kill".into(), id: number.to_string().into(), content: Value::Null, at };
    let line = JournalRow {
        transaction: run.transaction,
        at,
        kind: "sent".into(),
        connection: None,
        title: "once".into(),
        detail: Value::Null,
    };
    vec![Mutation::PutRun(run), Mutation::PutInbox(note), Mutation::AppendJournal(line)]
}

/// Not a test of its own: the process that is killed. Without the variable it has nothing to do.
#[test]
fn child_writes_until_it_is_killed() {
    let Ok(file) = std::env::var(FILE) else { return };
    let store = SqliteStore::open(Path::new(&file)).expect("a store");
    let first = store.live_runs().expect("runs").len() as u64 * 1_000_000;
    std::thread::scope(|threads| {
        // This read waits for the tables, so that they are being written all the time.
        threads.spawn(|| while store.queue_totals(Timestamp::now()).is_ok() {});
        write(&store, first);
    });
}

fn write(store: &SqliteStore, first: u64) {
    for number in first..first + 1_000_000 {
        let waiting: Vec<_> = (0..4).map(|part| (part, store.commit(batch(number * 4 + part)))).collect();
        for (part, committed) in waiting {
            committed.durable_blocking().expect("durable");
            // Standard error is not captured by the test harness's buffer when written directly.
            use std::io::Write as _;
            // In one write: a kill between two would leave a part of a number.
            let line = format!("durable {}\n", number * 4 + part);
            std::io::stderr().write_all(line.as_bytes()).expect("a reader");
        }
    }
}

#[test]
fn acknowledged_batches_survive_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("kill.db");
    let mut acknowledged: Vec<String> = Vec::new();
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["child_writes_until_it_is_killed", "--exact", "--nocapture"])
            .env(FILE, &file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a child");
        let lines = BufReader::new(child.stderr.take().expect("its output")).lines();
        // The kill comes at another moment each time: after a number of acknowledgements, while more are under way.
        let mut seen = 0;
        for line in lines {
            let Ok(line) = line else { break };
            if let Some(number) = line.strip_prefix("durable ") {
                acknowledged.push(number.to_owned());
                seen += 1;
                if seen == ACKNOWLEDGED_BEFORE_KILL + kill * 7 {
                    child.kill().expect("killed");
                }
            }
        }
        child.wait().expect("gone");
        assert!(seen >= ACKNOWLEDGED_BEFORE_KILL, "the child wrote {seen} batches only");
    }
    let store = SqliteStore::open(&file).expect("a store");
    for number in &acknowledged {
        assert!(
            store.run_of_key("kill", number).expect("a read").is_some(),
            "batch {number} was acknowledged and lost"
        );
    }
    let notes = store.inbox().expect("notes");
    let runs = store.live_runs().expect("runs");
    assert_eq!(notes.len(), runs.len(), "a batch is there in part");
    for run in runs {
        let row = store.run(run).expect("a read").expect("a run");
        let lines = store.journal(row.transaction, Page { offset: 0, limit: 9 }).expect("lines");
        assert_eq!(lines.len(), 1, "a line is there in part, or twice");
    }
}
