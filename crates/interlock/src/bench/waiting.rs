//! Runs that wait for a day: what each takes in memory and on the disk, and how long a start with all of them takes.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use model::{Problem, Value};
use runtime::Runtime;

use super::bed::{Bed, failed};
use super::decades;
use crate::demo::processes::{memory_now, memory_peak};
use crate::failure::Failure;

const DOCUMENT: &str = "document: { dsl: '1.0.3', namespace: bench, name: waits, version: '1.0.0' }
do: [ { rest: { wait: P1D } } ]
";
/// How many are started at the same time.
const AT_ONCE: usize = 256;
const STOP_WITHIN: Duration = Duration::from_secs(30);
/// The store is still open somewhere.
const IN_USE: &str = "IL-STORE-002";
const PAUSE: Duration = Duration::from_millis(20);

/// Starts so many runs that wait, and prints what they take.
///
/// # Errors
/// When the store cannot be used.
pub(crate) async fn waiting(runs: usize, folder: Option<PathBuf>) -> Result<(), Failure> {
    let bed = Bed::prepare(folder, &[DOCUMENT])?;
    let runtime = bed.start().await?;
    let own = std::process::id();
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    println!("{:>12} {:>10} {:>12} {:>9} {:>10}", "waiting", "started/s", "memory MB", "peak MB", "disk MB");
    let mut done = 0;
    for mark in decades(runs) {
        let begun = Instant::now();
        start_many(&runtime, mark - done).await?;
        let rate = (mark - done) as f64 / begun.elapsed().as_secs_f64();
        let (now, peak) = (memory_now(own).unwrap_or(0), memory_peak(own).unwrap_or(0));
        let disk = bed.stored();
        println!("{mark:>12} {rate:>10.0} {:>12.0} {:>9.0} {:>10.0}", megabytes(now), megabytes(peak), megabytes(disk));
        done = mark;
    }
    runtime.stop(STOP_WITHIN).await;
    drop(runtime);
    let (runtime, took) = started_again(&bed).await?;
    let live = runtime.figures().runs_live;
    println!("\nStarted again with {live} runs that wait: {:.2} s until it works.", took.as_secs_f64());
    runtime.stop(STOP_WITHIN).await;
    Ok(())
}

/// Starts once more, as soon as what has ended has let go of the store.
async fn started_again(bed: &Bed) -> Result<(Runtime, Duration), Problem> {
    let end = Instant::now() + STOP_WITHIN;
    loop {
        let begun = Instant::now();
        match bed.start().await {
            Err(problem) if problem.code == IN_USE && begun < end => tokio::time::sleep(PAUSE).await,
            started => return started.map(|runtime| (runtime, begun.elapsed())),
        }
    }
}

async fn start_many(runtime: &Runtime, runs: usize) -> Result<(), Problem> {
    let next = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (runtime, next) = (runtime.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                while next.fetch_add(1, Ordering::Relaxed) < runs {
                    runtime.launch(["bench", "waits", "1.0.0"], None, Value::empty_object()).await?;
                }
                Ok::<_, Problem>(())
            })
        })
        .collect();
    for client in clients {
        client.await.map_err(|error| failed("a client ended", &error))??;
    }
    Ok(())
}
