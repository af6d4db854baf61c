//! `interlock bench orders`: how many orders per second go through the whole chain on this machine, how much memory the
//! middleware takes for it, what it adds at idle, and what bounds it.
//!
//! Everything runs on this machine: both simulators and the middleware in a process each, and the sales team in this one. What
//! each used of the processors is read from the system.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::{Problem, Value, json};

use super::account::milliseconds;
use super::board::percentile;
use super::children::Running;
use super::middleware::{Middleware, child_with};
use super::processes::{Usage, memory_peak, usage};
use super::progress::Progress;
use super::sales::Pace;
use super::systems::{Systems, Wishes};
use super::tap::Tap;
use super::traffic::{Course, Traffic};
use super::weather::Faults;
use super::world::World;
use crate::environment::write_private;
use crate::failure::Failure;

const STOP_WITHIN: Duration = Duration::from_secs(10);
/// Accepted quotes on their way: enough to fill every batch.
const BACKLOG: u64 = 800;
/// Orders that warm everything up before the idle latency is measured.
const WARM_UP: u32 = 10;
/// How long the ERP takes for a step after an order: one order at a time is through quickly.
const IDLE_STEP_MILLISECONDS: u64 = 5;
/// The same under load.
const STEP_MILLISECONDS: u64 = 500;
const IDLE_WITHIN: Duration = Duration::from_secs(10);

/// What is measured.
#[derive(Debug, Clone)]
pub(crate) struct Bench {
    pub(crate) data: Option<PathBuf>,
    pub(crate) orders: u32,
    pub(crate) idle: u32,
    pub(crate) json: bool,
}

struct Share {
    name: &'static str,
    seconds: f64,
}

/// Runs the benchmark.
///
/// # Errors
/// When something does not start, or the account does not close.
pub(crate) async fn orders(bench: Bench) -> Result<(), Failure> {
    let singles = bench.idle + WARM_UP;
    let plan = super::read(bench.data.clone(), Some(bench.orders + singles), 1).await?;
    let lines: usize = plan.orders.iter().map(|order| order.lines.len()).sum();
    let orders = plan.orders.len();
    let singles = (singles as usize).min(orders / 2);
    let mut progress = Progress::new(orders as u64);
    progress.say("starting the simulated systems");
    let systems = Systems::start(&Wishes { seed: 1, ..Wishes::default() }).await?;
    progress.say("loading customers, products and prices into both systems");
    let traffic = Traffic::prepare(&systems, Arc::new(World::new(plan, false))).await?;
    progress.say("measuring one order at a time");
    let idle = idle(&systems, &traffic, singles).await?;
    let mut middleware = Middleware::start(super::Place::Child, &systems).await?;
    let processes = processes(&systems, &middleware);
    let samples = Samples::start(processes);
    let pace = Pace { per_second: None, backlog: BACKLOG };
    let course = Course { from: singles, orders, pace, faults: Faults::None, kills: 0, seed: 1 };
    let ended =
        traffic.run(&course, &systems, &mut middleware, &mut progress).await.inspect_err(|_| progress.finish())?;
    let (shares, wall) = samples.until(ended.took);
    let memory = middleware.process().and_then(memory_peak).unwrap_or(0);
    let own = middleware.own_figures(&systems).await?;
    let account = traffic.close(&systems, &ended, own).await?;
    progress.finish();
    let result = Measured {
        orders: orders - singles,
        lines,
        seconds: ended.took.as_secs_f64(),
        into_erp: traffic.board().seconds_to_last_order(),
        memory,
        idle,
        shares,
        wall,
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    };
    if bench.json {
        println!("{}", json::to_string_pretty(&result.to_value()));
    } else {
        print!("{}", result.text());
    }
    traffic.stop().await?;
    middleware.stop(STOP_WITHIN).await;
    systems.stop(STOP_WITHIN).await;
    if account.closes() {
        return Ok(());
    }
    eprintln!("{}", json::to_string_pretty(&account.to_value()));
    Err(Failure::AccountOpen)
}

/// Milliseconds from the save in the CRM to the first request at the ERP, one order at a time, sorted.
async fn idle(systems: &Systems, traffic: &Traffic, singles: usize) -> Result<Vec<f64>, Problem> {
    let erp = systems.erp_access.url.trim_start_matches("http://").to_owned();
    let tap = Tap::open(erp).await?;
    let file = systems.project.with_file_name("environment-tap");
    let variables = systems.environment.to_text().replace(&systems.erp_access.url, &format!("http://{}", tap.address));
    write_private(&file, &variables).map_err(|error| {
        Problem::new("IL-DEMO-019", format!("{} cannot be written: {error}", file.display()), "Make room on the disk")
    })?;
    systems.weather.pace(IDLE_STEP_MILLISECONDS).await?;
    let middleware: Running = child_with(systems, &file).await?;
    let mut measured = Vec::new();
    for place in 0..singles {
        traffic.at_rest_within(IDLE_WITHIN).await;
        let saved = traffic.accept_one(place, || tap.arm()).await?;
        let deadline = Instant::now() + IDLE_WITHIN;
        while tap.first().is_none() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        if let Some(first) = tap.first().filter(|_| place >= WARM_UP as usize) {
            measured.push(first.saturating_duration_since(saved).as_secs_f64() * 1_000.0);
        }
    }
    traffic.at_rest_within(IDLE_WITHIN).await;
    middleware.stop(STOP_WITHIN).await;
    systems.weather.pace(STEP_MILLISECONDS).await?;
    measured.sort_by(f64::total_cmp);
    Ok(measured)
}

fn processes(systems: &Systems, middleware: &Middleware) -> Vec<(&'static str, u32)> {
    let [crm, erp] = systems.processes();
    let processes = [("Interlock", middleware.process()), crm, erp, ("sales team", Some(std::process::id()))];
    processes.into_iter().filter_map(|(name, process)| Some((name, process?))).collect()
}

fn usages(processes: &[(&'static str, u32)]) -> Vec<(&'static str, Usage)> {
    processes.iter().filter_map(|(name, process)| Some((*name, usage(*process)?))).collect()
}

/// Time between two looks at what processes have used.
const SAMPLE_EVERY: Duration = Duration::from_millis(250);

/// What one look showed, and when.
type Sample = (Instant, Vec<(&'static str, Usage)>);

/// What processes used as time went by: until everything is known to be at rest, some time passes in which little happens.
struct Samples {
    started: Instant,
    first: Vec<(&'static str, Usage)>,
    taken: Arc<Mutex<Vec<Sample>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Samples {
    fn start(processes: Vec<(&'static str, u32)>) -> Self {
        let (started, first) = (Instant::now(), usages(&processes));
        let taken: Arc<Mutex<Vec<Sample>>> = Arc::default();
        let kept = Arc::clone(&taken);
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(SAMPLE_EVERY).await;
                let sample = (Instant::now(), usages(&processes));
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
            }
        });
        Self { started, first, taken, task }
    }

    /// What was used in the first so long, and how long that was exactly, in seconds.
    fn until(self, took: Duration) -> (Vec<Share>, f64) {
        self.task.abort();
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let end = self.started + took;
        match taken.iter().find(|(at, _)| *at >= end).or(taken.last()) {
            Some((at, usages)) => (used(&self.first, usages), at.duration_since(self.started).as_secs_f64()),
            None => (Vec::new(), took.as_secs_f64()),
        }
    }
}

fn used(before: &[(&'static str, Usage)], after: &[(&'static str, Usage)]) -> Vec<Share> {
    let used = |(name, after): &(&'static str, Usage)| {
        let before = before.iter().find(|(known, _)| known == name).map_or(0.0, |(_, usage)| usage.seconds);
        Share { name, seconds: after.seconds - before }
    };
    after.iter().map(used).collect()
}

struct Measured {
    orders: usize,
    lines: usize,
    seconds: f64,
    into_erp: f64,
    memory: u64,
    idle: Vec<f64>,
    shares: Vec<Share>,
    wall: f64,
    cores: usize,
}

#[allow(clippy::cast_precision_loss)]
impl Measured {
    fn per_second(&self) -> f64 {
        if self.seconds > 0.0 { self.orders as f64 / self.seconds } else { 0.0 }
    }

    fn orders_per_second_into_erp(&self) -> f64 {
        if self.into_erp > 0.0 { self.orders as f64 / self.into_erp } else { 0.0 }
    }

    fn busy(&self) -> f64 {
        let all: f64 = self.shares.iter().map(|share| share.seconds).sum();
        if self.wall > 0.0 { all / (self.wall * self.cores as f64) } else { 0.0 }
    }

    fn largest(&self) -> &'static str {
        self.shares
            .iter()
            .max_by(|left, right| left.seconds.total_cmp(&right.seconds))
            .map_or("nothing", |share| share.name)
    }

    fn to_value(&self) -> Value {
        let at = |percent| milliseconds(percentile(&self.idle, percent));
        let processes = self.shares.iter().map(|share| {
            let per_order = share.seconds * 1_000.0 / self.orders.max(1) as f64;
            let value = [("cpu_seconds", milliseconds(share.seconds)), ("cpu_ms_per_order", milliseconds(per_order))];
            (share.name, Value::object(value))
        });
        Value::object([
            ("orders", Value::from(self.orders)),
            ("lines", Value::from(self.lines)),
            ("seconds_until_paid", milliseconds(self.seconds)),
            ("orders_per_second_until_paid", milliseconds(self.per_second())),
            ("seconds_until_in_erp", milliseconds(self.into_erp)),
            ("orders_per_second_into_erp", milliseconds(self.orders_per_second_into_erp())),
            ("memory_peak_mb", milliseconds(self.memory as f64 / 1_048_576.0)),
            (
                "idle_save_to_erp_request_ms",
                Value::object([
                    ("p50", at(50)),
                    ("p95", at(95)),
                    ("p99", at(99)),
                    ("count", Value::from(self.idle.len())),
                ]),
            ),
            ("cores", Value::from(self.cores)),
            ("cores_busy", milliseconds(self.busy())),
            ("processes", Value::object(processes)),
            ("most_cpu", Value::from(self.largest())),
        ])
    }

    fn text(&self) -> String {
        let mut lines = vec![
            format!(
                "Orders                {} of {:.1} lines each",
                self.orders,
                self.lines as f64 / self.orders.max(1) as f64
            ),
            format!("Into the ERP          {:.0} orders/s ({:.1} s)", self.orders_per_second_into_erp(), self.into_erp),
            format!("Until paid            {:.0} orders/s ({:.1} s)", self.per_second(), self.seconds),
            format!("Memory of Interlock   {:.0} MB at its peak", self.memory as f64 / 1_048_576.0),
            format!(
                "Idle, save to ERP     p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms (both simulators' own time included)",
                percentile(&self.idle, 50),
                percentile(&self.idle, 95),
                percentile(&self.idle, 99)
            ),
            format!("Processors            {} cores, {:.0} % busy", self.cores, self.busy() * 100.0),
        ];
        for share in &self.shares {
            let per_order = share.seconds * 1_000.0 / self.orders.max(1) as f64;
            lines.push(format!("  {:<20}{:>7.1} s of CPU, {per_order:.2} ms per order", share.name, share.seconds));
        }
        let bound = if self.busy() > 0.85 {
            format!("The processors bound it; most of them goes to {}.", self.largest())
        } else {
            "The processors are not what bounds it: somebody waits.".to_owned()
        };
        lines.push(bound);
        lines.push(String::new());
        lines.join("\n")
    }
}
