//! Measures Restate with the workload of `interlock bench workflow`: a workflow of five steps, each a function that does next to
//! nothing and whose result is durable before the next one begins. Starts a server with an empty folder, is its worker and its
//! client, and prints what a run took.
//!
//! ```sh
//! restate-bench SERVER [--runs N] [--concurrent N] [--singles N] [--dir FOLDER]
//! ```
//!
//! `SERVER` is the program `restate-server`; its settings come from the environment, such as RESTATE_DEFAULT_NUM_PARTITIONS.

mod process;
mod server;

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use restate_sdk::prelude::*;

use process::Usage;
use server::Server;

const STEPS: u64 = 5;
/// What is used for the first time is not measured.
const WARM_UP: (usize, usize) = (200, 16);

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

struct FiveSteps;

#[service]
impl FiveSteps {
    /// Counts its steps; each result is durable before the next step begins.
    #[handler]
    async fn go(&self, context: Context<'_>, from: u64) -> Result<u64, HandlerError> {
        let mut count = from;
        for _ in 0..STEPS {
            count = context.run(|| async move { Ok(count + 1) }).name("step").await?;
        }
        Ok(count)
    }
}

/// What is measured.
struct Bench {
    server: PathBuf,
    runs: usize,
    concurrent: usize,
    singles: usize,
    folder: PathBuf,
}

impl Bench {
    fn read(mut arguments: impl Iterator<Item = String>) -> Outcome<Self> {
        let server = arguments.next().ok_or("give the path of the program restate-server")?.into();
        let folder = std::env::temp_dir().join(format!("restate-bench-{}", std::process::id()));
        let mut bench = Self { server, runs: 10_000, concurrent: 256, singles: 300, folder };
        while let Some(option) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
            let number = || value.parse::<usize>().ok().filter(|number| *number > 0);
            let wrong = || format!("the value of {option} is a number from 1 on");
            match option.as_str() {
                "--runs" => bench.runs = number().ok_or_else(wrong)?,
                "--concurrent" => bench.concurrent = number().ok_or_else(wrong)?,
                "--singles" => bench.singles = number().ok_or_else(wrong)?,
                "--dir" => bench.folder = value.into(),
                other => return Err(format!("there is no option {other}").into()),
            }
        }
        Ok(bench)
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let bench = Bench::read(std::env::args().skip(1))?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let worker = listener.local_addr()?;
    tokio::spawn(HttpServer::new(Endpoint::builder().bind(FiveSteps).build()).serve(listener));
    let server = Server::start(&bench.server, &bench.folder, worker).await?;
    let measured = measure(&bench, &server).await;
    server.stop(&bench.folder).await;
    measured
}

async fn measure(bench: &Bench, server: &Server) -> Outcome<()> {
    run_many(server, WARM_UP.0, WARM_UP.1).await?;
    let alone = run_many(server, bench.singles, 1).await?;
    let full = run_many(server, bench.runs, bench.concurrent).await?;
    println!(
        "{} runs of {STEPS} steps, {} at the same time: {:.0} runs/s, {:.0} steps/s, p50 {:.1} ms, p99 {:.1} ms.",
        bench.runs,
        bench.concurrent,
        full.rate(),
        full.rate() * STEPS as f64,
        full.percentile(50),
        full.percentile(99),
    );
    println!("One at a time: p50 {:.2} ms, p99 {:.2} ms.", alone.percentile(50), alone.percentile(99));
    println!(
        "Processor time for a run at full load: {:.3} ms of the server, {:.3} ms of worker and client.",
        full.server.seconds * 1_000.0 / bench.runs as f64,
        full.own.seconds * 1_000.0 / bench.runs as f64,
    );
    println!(
        "Memory at its peak: {:.0} MB of the server, {:.0} MB of worker and client.",
        full.server.peak as f64 / 1e6,
        full.own.peak as f64 / 1e6,
    );
    Ok(())
}

/// What some runs took.
struct Took {
    seconds: f64,
    /// Of each run, from its start to its end, the shortest first.
    latencies: Vec<Duration>,
    server: Usage,
    own: Usage,
}

impl Took {
    fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }

    /// Milliseconds.
    fn percentile(&self, percent: usize) -> f64 {
        let place = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(place).map_or(0.0, |took| took.as_secs_f64() * 1_000.0)
    }
}

async fn run_many(server: &Server, runs: usize, concurrent: usize) -> Outcome<Took> {
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(concurrent).build()?;
    let next = Arc::new(AtomicUsize::new(0));
    let before = (process::usage(server.process())?, process::usage(std::process::id())?);
    let begun = Instant::now();
    let clients: Vec<_> = (0..concurrent.min(runs))
        .map(|_| tokio::spawn(one_client(client.clone(), server.handler("FiveSteps/go"), Arc::clone(&next), runs)))
        .collect();
    let mut latencies = Vec::with_capacity(runs);
    for client in clients {
        latencies.extend(client.await??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let after = (process::usage(server.process())?, process::usage(std::process::id())?);
    latencies.sort_unstable();
    Ok(Took { seconds, latencies, server: after.0.since(&before.0), own: after.1.since(&before.1) })
}

/// Starts runs one after the other until there have been enough.
async fn one_client(
    client: reqwest::Client,
    url: String,
    next: Arc<AtomicUsize>,
    runs: usize,
) -> Outcome<Vec<Duration>> {
    let mut took = Vec::new();
    while next.fetch_add(1, Ordering::Relaxed) < runs {
        let begun = Instant::now();
        let request = client.post(&url).header("content-type", "application/json").body("0");
        let answer = request.send().await?.error_for_status()?.text().await?;
        if answer != STEPS.to_string() {
            return Err(format!("a run gave {answer}").into());
        }
        took.push(begun.elapsed());
    }
    Ok(took)
}
