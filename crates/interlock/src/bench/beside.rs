//! What one workflow's flood costs another one: runs of a workflow one after the other, alone and beside very many of another one.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use model::{Problem, Value, json};
use runtime::Runtime;

use super::bed::{Bed, failed};
use super::percentile;
use super::workflow::{document, once};
use crate::failure::Failure;

const STOP_WITHIN: Duration = Duration::from_secs(10);
const MEASURED: &str = "measured";
const FLOOD: &str = "flood";

/// What is measured.
#[derive(Debug, Clone)]
pub(crate) struct BesideBench {
    /// How many runs of the other workflow are under way all the time.
    pub(crate) flood: usize,
    /// How many runs are measured, each alone and beside the flood.
    pub(crate) singles: usize,
    /// Where the store is put; a temporary folder when not given.
    pub(crate) folder: Option<PathBuf>,
    /// Whether the result is printed as JSON.
    pub(crate) json: bool,
}

/// Measures.
///
/// # Errors
/// When the store cannot be used, or a run does not end as it must.
pub(crate) async fn beside(bench: BesideBench) -> Result<(), Failure> {
    let bed = Bed::prepare(bench.folder.clone(), &[&document(MEASURED), &document(FLOOD)])?;
    let runtime = bed.start().await?;
    // What is used for the first time is not measured.
    singles(&runtime, 200).await?;
    let alone = singles(&runtime, bench.singles).await?;
    let (ends, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let flood: Vec<_> =
        (0..bench.flood).map(|_| tokio::spawn(flood(runtime.clone(), Arc::clone(&ends), Arc::clone(&ended)))).collect();
    // It has come to its full height when each of it has ended once.
    while ended.load(Ordering::Relaxed) < bench.flood {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (begun, before) = (Instant::now(), ended.load(Ordering::Relaxed));
    let crowded = singles(&runtime, bench.singles).await?;
    let rate = (ended.load(Ordering::Relaxed) - before) as f64 / begun.elapsed().as_secs_f64();
    ends.store(true, Ordering::Relaxed);
    for client in flood {
        client.await.map_err(|error| failed("a client ended", &error))??;
    }
    runtime.stop(STOP_WITHIN).await;
    let ratio = |percent| percentile(&crowded, percent) / percentile(&alone, percent).max(f64::MIN_POSITIVE);
    if bench.json {
        let number = |number: f64| json::parse(format!("{number:.3}").as_bytes()).unwrap_or_default();
        let of = |took: &[Duration]| {
            Value::object([("p50_ms", number(percentile(took, 50))), ("p99_ms", number(percentile(took, 99)))])
        };
        let result = Value::object([
            ("flood", Value::from(bench.flood)),
            ("flood_runs_per_second", number(rate)),
            ("alone", of(&alone)),
            ("beside", of(&crowded)),
            ("p99_ratio", number(ratio(99))),
        ]);
        println!("{}", json::to_string_pretty(&result));
        return Ok(());
    }
    println!("Runs of five durable steps, one after the other: p50 and p99 in ms.\n");
    println!("{:>44} {:>9.2} {:>9.2}", "alone", percentile(&alone, 50), percentile(&alone, 99));
    let what = format!("beside {} of another workflow at once", bench.flood);
    println!("{what:>44} {:>9.2} {:>9.2}", percentile(&crowded, 50), percentile(&crowded, 99));
    println!("{:>44} {:>9.2} {:>9.2}", "times", ratio(50), ratio(99));
    println!("\nThe flood made {rate:.0} runs/s meanwhile.");
    Ok(())
}

async fn singles(runtime: &Runtime, count: usize) -> Result<Vec<Duration>, Problem> {
    let mut took = Vec::with_capacity(count);
    for _ in 0..count {
        took.push(once(runtime, MEASURED).await?);
    }
    took.sort();
    Ok(took)
}

async fn flood(runtime: Runtime, ends: Arc<AtomicBool>, ended: Arc<AtomicUsize>) -> Result<(), Problem> {
    while !ends.load(Ordering::Relaxed) {
        once(&runtime, FLOOD).await?;
        ended.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
