//! The measured workflow: five steps, each a function that does next to nothing and whose result is durable before the next
//! one begins.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use model::{Problem, Value, json};
use runtime::Runtime;

use super::bed::{Bed, failed};
use super::ceiling::{self, Ceiling};
use super::{decades, percentile};
use crate::demo::processes::{memory_peak, usage};
use crate::failure::Failure;

/// Durable writes of such a workflow: its start, the results of its steps, its end.
const WRITES: usize = 7;
const STEPS: usize = 5;
const NAME: &str = "five-steps";
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// What is measured.
#[derive(Debug, Clone)]
pub(crate) struct WorkflowBench {
    /// How many runs at full load.
    pub(crate) runs: usize,
    /// How many at the same time.
    pub(crate) concurrent: usize,
    /// How many one after the other.
    pub(crate) singles: usize,
    /// Where the store is put; a temporary folder when not given.
    pub(crate) folder: Option<PathBuf>,
    /// Whether the result is printed as JSON.
    pub(crate) json: bool,
}

/// A workflow of this name with the steps.
pub(super) fn document(name: &str) -> String {
    let steps: String = (1..=STEPS)
        .map(|step| {
            format!(
                "  - step{step}:\n      call: http\n      with: {{ method: post, endpoint: 'http://step.invalid/{step}', body: '${{ . }}' }}\n"
            )
        })
        .collect();
    format!("document: {{ dsl: '1.0.3', namespace: bench, name: {name}, version: '1.0.0' }}\ndo:\n{steps}")
}

/// What some runs took.
struct Took {
    seconds: f64,
    latencies: Vec<Duration>,
    cpu: f64,
    /// Bytes, the most since the process began.
    memory: u64,
    /// How often the store has committed, and milliseconds each at the median.
    commit: f64,
}

/// Measures.
///
/// # Errors
/// When the store cannot be used, or a run does not end as it must.
pub(crate) async fn workflow(bench: WorkflowBench) -> Result<(), Failure> {
    let bed = Bed::prepare(bench.folder.clone(), &[&document(NAME)])?;
    let runtime = bed.start().await?;
    // What is used for the first time is not measured.
    run_many(&runtime, 200, 16).await?;
    let single = run_many(&runtime, bench.singles, 1).await?;
    let mut marks = Vec::new();
    let mut done = 0;
    for mark in decades(bench.runs) {
        let took = run_many(&runtime, mark - done, bench.concurrent).await?;
        marks.push((done, mark, took));
        done = mark;
    }
    runtime.stop(STOP_WITHIN).await;
    drop(runtime);
    // The same writes and nothing else, on the same disk in the same minute.
    let at_once = bench.runs.min(50_000);
    let full = ceiling::measure(bed.folder(), at_once, bench.concurrent, WRITES).await?;
    let alone = ceiling::measure(bed.folder(), bench.singles, 1, WRITES).await?;
    let result = Measured { bench: &bench, single, marks, full, alone };
    match bench.json {
        true => println!("{}", json::to_string_pretty(&result.to_value())),
        false => print!("{}", result.text()),
    }
    Ok(())
}

async fn run_many(runtime: &Runtime, runs: usize, concurrent: usize) -> Result<Took, Problem> {
    let next = Arc::new(AtomicUsize::new(0));
    let before = usage(std::process::id());
    let begun = Instant::now();
    let clients: Vec<_> = (0..concurrent.clamp(1, runs.max(1)))
        .map(|_| tokio::spawn(client(runtime.clone(), Arc::clone(&next), runs)))
        .collect();
    let mut latencies = Vec::with_capacity(runs);
    for client in clients {
        latencies.extend(client.await.map_err(|error| failed("a client ended", &error))??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let after = usage(std::process::id());
    latencies.sort();
    let cpu = match (before, after) {
        (Some(before), Some(after)) => after.seconds - before.seconds,
        _ => 0.0,
    };
    let memory = memory_peak(std::process::id()).unwrap_or(0);
    Ok(Took { seconds, latencies, cpu, memory, commit: runtime.figures().commit.p50 })
}

async fn client(runtime: Runtime, next: Arc<AtomicUsize>, runs: usize) -> Result<Vec<Duration>, Problem> {
    let mut took = Vec::new();
    while next.fetch_add(1, Ordering::Relaxed) < runs {
        took.push(once(&runtime, NAME).await?);
    }
    Ok(took)
}

/// How long one run of such a workflow takes, from its start to its end.
///
/// # Errors
/// When it does not end as it must.
pub(super) async fn once(runtime: &Runtime, name: &str) -> Result<Duration, Problem> {
    let begun = Instant::now();
    let input = Value::object([("n", 0)]);
    let launched = runtime.launch(["bench", name, "1.0.0"], None, input).await?;
    let ended = launched.end.await.map_err(|error| failed("a run did not end", &error))?;
    let output = ended.map_err(|fault| failed("a run failed", &fault))?;
    if output.get("n").as_i64() != Some(STEPS as i64) {
        return Err(failed("a run gave something else", &output));
    }
    Ok(begun.elapsed())
}

struct Measured<'a> {
    bench: &'a WorkflowBench,
    single: Took,
    marks: Vec<(usize, usize, Took)>,
    full: Ceiling,
    alone: Ceiling,
}

impl Measured<'_> {
    fn text(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        let ms = |took: &[Duration], percent| percentile(took, percent);
        // Writing into a string does not fail.
        let _ = writeln!(
            text,
            "A workflow of {STEPS} steps, each durable before the next begins; embedded store, every commit synced.\n"
        );
        let _ = writeln!(
            text,
            "{:>12} {:>10} {:>10} {:>9} {:>9} {:>12} {:>9}",
            "runs", "runs/s", "steps/s", "p50 ms", "p99 ms", "CPU ms/run", "peak MB"
        );
        for (from, to, took) in &self.marks {
            let runs = to - from;
            let rate = runs as f64 / took.seconds;
            let _ = writeln!(
                text,
                "{to:>12} {rate:>10.0} {:>10.0} {:>9.2} {:>9.2} {:>12.3} {:>9.0}",
                rate * STEPS as f64,
                ms(&took.latencies, 50),
                ms(&took.latencies, 99),
                took.cpu * 1_000.0 / runs as f64,
                took.memory as f64 / 1e6,
            );
        }
        let (at_once, commit) = (self.bench.concurrent, self.marks.last().map_or(0.0, |(_, _, took)| took.commit));
        let _ = writeln!(text, "\n{at_once} at the same time; a commit takes {commit:.2} ms at the median.");
        let (single, alone) = (&self.single.latencies, &self.alone.took);
        let _ = writeln!(
            text,
            "One at a time: p50 {:.2} ms, p99 {:.2} ms; the bare writes alone {:.2} and {:.2} ms: {:.2} times.",
            ms(single, 50),
            ms(single, 99),
            ms(alone, 50),
            ms(alone, 99),
            ms(single, 50) / ms(alone, 50).max(f64::MIN_POSITIVE),
        );
        let _ = writeln!(
            text,
            "The bare writes at the same load: {:.0} workflows/s in {} commits ({:.0} commits/s); Interlock reaches 1/{:.1} of it.",
            self.full.per_second,
            self.full.commits,
            self.full.commits_per_second,
            self.full.per_second / self.rate().max(f64::MIN_POSITIVE),
        );
        text
    }

    /// Runs in a second over all.
    fn rate(&self) -> f64 {
        let seconds: f64 = self.marks.iter().map(|(_, _, took)| took.seconds).sum();
        self.bench.runs as f64 / seconds.max(f64::MIN_POSITIVE)
    }

    fn to_value(&self) -> Value {
        let number = |number: f64| json::parse(format!("{number:.3}").as_bytes()).unwrap_or_default();
        let took = |runs: usize, took: &Took| {
            let rate = runs as f64 / took.seconds.max(f64::MIN_POSITIVE);
            Value::object([
                ("runs", Value::from(runs)),
                ("runs_per_second", number(rate)),
                ("steps_per_second", number(rate * STEPS as f64)),
                ("p50_ms", number(percentile(&took.latencies, 50))),
                ("p99_ms", number(percentile(&took.latencies, 99))),
                ("cpu_ms_per_run", number(took.cpu * 1_000.0 / (runs.max(1)) as f64)),
                ("peak_bytes", Value::from(took.memory as i64)),
            ])
        };
        let ceiling = |ceiling: &Ceiling| {
            Value::object([
                ("runs_per_second", number(ceiling.per_second)),
                ("p50_ms", number(percentile(&ceiling.took, 50))),
                ("p99_ms", number(percentile(&ceiling.took, 99))),
                ("commits", Value::from(ceiling.commits as i64)),
                ("commits_per_second", number(ceiling.commits_per_second)),
            ])
        };
        Value::object([
            ("concurrent", Value::from(self.bench.concurrent)),
            ("runs_per_second", number(self.rate())),
            ("growth", Value::array(self.marks.iter().map(|(from, to, measured)| took(to - from, measured)))),
            ("one_at_a_time", took(self.bench.singles, &self.single)),
            ("ceiling", ceiling(&self.full)),
            ("ceiling_one_at_a_time", ceiling(&self.alone)),
        ])
    }
}
