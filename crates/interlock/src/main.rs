//! `interlock`: the command line.

mod bench;
mod cases;
mod cli;
mod demo;
mod direct;
mod environment;
mod explain;
mod failure;
mod given;
mod listeners;
mod logging;
mod ops;
mod project;
mod queues;
mod reconcile;
mod run;
mod runs;
mod sandbox;
mod stop;
mod wiring;
mod workflow;

use std::process::ExitCode;

use clap::Parser as _;
use model::Problem;

use cli::{BenchCommand, Cli, Command};
use failure::Failure;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bytes of stack for each thread, of which only what is used takes memory: long expressions nest deeply.
const STACK: usize = 8 * 1024 * 1024;
/// Threads for what blocks.
const BLOCKING_THREADS_MAX: usize = 16;

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(match cli.command {
        Command::Demo(_) | Command::Bench { .. } => "error",
        _ => "warn",
    });
    // One provider for every TLS connection of the process; a second call would be refused, and there is none.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // Only short reads of the store block: more threads than disks and processors can serve would only cost memory.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_stack_size(STACK)
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(cli.command)),
        Err(error) => Err(Failure::Problem(Problem::new(
            "IL-START-001",
            format!("the process cannot start its threads: {error}"),
            "Look at the limits of this machine (ulimit -u)",
        ))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::New { folder, integration } => Ok(project::new(&folder, integration)?),
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Sandbox { system } => sandbox::run(system).await,
        Command::Bench { what: BenchCommand::Orders { data, orders, idle, json } } => {
            demo::bench::orders(demo::bench::Bench { data, orders, idle, json }).await
        }
        Command::Bench { what: BenchCommand::Customers { data, customers, edits, kills, faults, json } } => {
            demo::customers::customers(demo::customers::Bench { data, customers, edits, kills, faults, json }).await
        }
        Command::Bench { what: BenchCommand::Workflow { runs, concurrent, singles, dir, json } } => {
            bench::workflow(bench::WorkflowBench { runs, concurrent, singles, folder: dir, json }).await
        }
        Command::Bench { what: BenchCommand::Beside { flood, singles, dir, json } } => {
            bench::beside(bench::BesideBench { flood, singles, folder: dir, json }).await
        }
        Command::Bench { what: BenchCommand::Reconcile { records, dir, json } } => {
            bench::reconcile(records, dir.as_deref(), json)
        }
        Command::Bench { what: BenchCommand::Mapping { rounds, milliseconds, json } } => {
            bench::mapping(bench::MappingBench { rounds, milliseconds, json })
        }
        Command::Bench { what: BenchCommand::Waiting { runs, dir } } => bench::waiting(runs, dir).await,
        Command::Check { folder, environment } => run::check(&folder, environment.as_deref()),
        Command::Test(arguments) => cases::command(&arguments),
        Command::Run(arguments) => run::run(arguments).await,
        Command::Workflow { command } => workflow::command(command).await,
        Command::Runs(arguments) => runs::command(arguments).await,
        Command::Queues(arguments) => queues::command(arguments).await,
        Command::Explain(arguments) => explain::command(arguments).await,
        Command::Reconcile(arguments) => reconcile::command(arguments).await,
    }
}
