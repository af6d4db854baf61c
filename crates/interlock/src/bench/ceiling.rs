//! What the disk allows: a bare loop of the durable writes that a workflow needs, through one writer that gathers what waits.
//! No workflow, no timers, no retries: nothing durable on the same disk can be faster.

use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use model::Problem;
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

/// A row of the size that a step writes.
const CONTENT: [u8; 200] = [7; 200];

struct Write {
    run: i64,
    step: i64,
    done: oneshot::Sender<()>,
}

/// What was measured.
pub(super) struct Ceiling {
    /// Workflows in a second.
    pub(super) per_second: f64,
    /// From the first write of a workflow to its last, sorted.
    pub(super) took: Vec<Duration>,
    /// How many commits it took.
    pub(super) commits: u64,
    /// Commits in a second.
    pub(super) commits_per_second: f64,
}

fn failed(error: &dyn std::fmt::Display) -> Problem {
    Problem::new(
        "IL-BENCH-001",
        format!("the disk cannot be measured: {error}"),
        "Look at the disk of the folder given by --dir",
    )
}

/// Writes `runs` workflows of `writes` durable rows each, `concurrent` at a time.
///
/// # Errors
/// When the database cannot be written.
pub(super) async fn measure(folder: &Path, runs: usize, concurrent: usize, writes: usize) -> Result<Ceiling, Problem> {
    let file = folder.join("ceiling.db");
    let connection = open(&file).map_err(|error| failed(&error))?;
    let (sender, receiver) = mpsc::sync_channel::<Write>(65_536);
    let writer = thread::spawn(move || write(connection, &receiver));
    let begun = Instant::now();
    let mut clients = Vec::new();
    for client in 0..concurrent {
        let sender = sender.clone();
        clients.push(tokio::spawn(async move {
            let mut took = Vec::new();
            for run in (client..runs).step_by(concurrent) {
                let begun = Instant::now();
                for step in 0..writes {
                    let (done, waiting) = oneshot::channel();
                    let write = Write { run: run as i64, step: step as i64, done };
                    if sender.send(write).is_err() || waiting.await.is_err() {
                        return took;
                    }
                }
                took.push(begun.elapsed());
            }
            took
        }));
    }
    drop(sender);
    let mut took = Vec::with_capacity(runs);
    for client in clients {
        took.extend(client.await.map_err(|error| failed(&error))?);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let commits = writer.join().map_err(|_| failed(&"its writer panicked"))?.map_err(|error| failed(&error))?;
    took.sort();
    for extension in ["db", "db-wal", "db-shm"] {
        // What is left goes with the folder.
        let _ = std::fs::remove_file(file.with_extension(extension));
    }
    Ok(Ceiling { per_second: took.len() as f64 / seconds, took, commits, commits_per_second: commits as f64 / seconds })
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.execute_batch(
        "create table steps (run integer, step integer, content blob, primary key (run, step)) strict, without rowid",
    )?;
    Ok(connection)
}

fn write(mut connection: Connection, waiting: &mpsc::Receiver<Write>) -> rusqlite::Result<u64> {
    let mut commits = 0;
    while let Ok(first) = waiting.recv() {
        let mut group = vec![first];
        group.extend(waiting.try_iter().take(4_096));
        let transaction = connection.transaction()?;
        {
            let mut statement = transaction.prepare_cached("insert into steps values (?1, ?2, ?3)")?;
            for write in &group {
                statement.execute(params![write.run, write.step, CONTENT])?;
            }
        }
        transaction.commit()?;
        commits += 1;
        for write in group {
            // Whoever waited may be gone.
            let _ = write.done.send(());
        }
    }
    Ok(commits)
}
