//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::cases::TestArgs;
use crate::demo::Faults;
use crate::explain::ExplainArgs;
use crate::project::Integration;
use crate::queues::QueuesArgs;
use crate::reconcile::ReconcileArgs;
use crate::runs::RunsArgs;
use crate::workflow::WorkflowCommand;

/// Keeps Salesforce and a company's ERPs in agreement, and runs the workflows that cross them.
#[derive(Debug, Parser)]
#[command(name = "interlock", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Writes a new project: a reference integration, to copy and edit.
    New {
        /// The folder of the project; made when it is not there.
        folder: PathBuf,
        /// Which integration.
        #[arg(long, value_enum, default_value_t)]
        integration: Integration,
    },
    /// Checks the definitions of a project and shows every mistake with its place.
    Check {
        /// The folder of the project.
        folder: PathBuf,
        /// A file with lines NAME=VALUE that are used as environment variables.
        #[arg(long, value_name = "FILE")]
        environment: Option<PathBuf>,
    },
    /// Runs the golden cases of a project (tests/*.yaml): what its definitions make of data, beside what they should.
    Test(TestArgs),
    /// Runs a project.
    Run(RunArgs),
    /// Runs or checks one workflow document by itself.
    Workflow {
        #[command(subcommand)]
        command: WorkflowCommand,
    },
    /// Operates the runs of a running Interlock: lists, starts, halts, retries and ends them, one or many.
    Runs(RunsArgs),
    /// Looks at the work items of a running Interlock, and decides on them.
    Queues(QueuesArgs),
    /// Says of an object that is kept the same in several systems where each value comes from, why, and what lost.
    Explain(ExplainArgs),
    /// Compares all records of an object in two systems: what is missing, doubled or different, and what ownership makes of it.
    Reconcile(ReconcileArgs),
    /// Runs a simulated system on real sockets, for tests and demonstrations.
    Sandbox {
        #[command(subcommand)]
        system: SandboxCommand,
    },
    /// Runs the reference integration between simulated systems under traffic, and closes with an account of both.
    Demo(DemoArgs),
    /// Measures this machine.
    Bench {
        #[command(subcommand)]
        what: BenchCommand,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The folder of the project.
    pub(crate) folder: PathBuf,
    /// The store's file, instead of the one in interlock.yaml.
    #[arg(long, value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,
    /// A file with lines NAME=VALUE that are used as environment variables.
    #[arg(long, value_name = "FILE")]
    pub(crate) environment: Option<PathBuf>,
    /// Only check that every system can be reached and takes the credentials.
    #[arg(long)]
    pub(crate) check_connections: bool,
    /// Prints one line of JSON when everything is up, and ends when its standard input is closed.
    #[arg(long, hide = true)]
    pub(crate) child: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SandboxCommand {
    /// A Salesforce org: REST, SOQL, Pub/Sub.
    Salesforce(SalesforceArgs),
    /// An SAP S/4HANA system: OData, business events.
    S4hana(S4HanaArgs),
}

/// What both simulators have in common.
#[derive(Debug, Args)]
pub(crate) struct SandboxArgs {
    /// Where HTTP is served; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Switches a fault on: its name and how likely it is at each opportunity.
    #[arg(long, value_name = "NAME=RATE", value_parser = fault)]
    pub(crate) fault: Vec<(String, f64)>,
    /// The same seed gives the same misfortunes.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Ends when its standard input is closed, so that it never outlives who started it.
    #[arg(long, hide = true)]
    pub(crate) child: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SalesforceArgs {
    #[command(flatten)]
    pub(crate) common: SandboxArgs,
    /// Where the Pub/Sub API (gRPC over TLS) is served; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(crate) pubsub: SocketAddr,
    /// Files with custom objects and fields, as an administrator deploys them.
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata: Vec<PathBuf>,
    /// Where the certificate is written that clients of the Pub/Sub API have to trust.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// The public key (PEM) that assertions of the JWT bearer flow are verified with.
    #[arg(long, value_name = "FILE")]
    pub(crate) public_key: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct S4HanaArgs {
    #[command(flatten)]
    pub(crate) common: SandboxArgs,
    /// Where business events are pushed to.
    #[arg(long, value_name = "URL")]
    pub(crate) events: Option<String>,
    /// The name of an environment variable with the bearer token for it.
    #[arg(long, value_name = "NAME")]
    pub(crate) events_token: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// A file in the Online Retail format, CSV or CSV.gz; without it, data of the same shape is made up.
    #[arg(long, value_name = "FILE")]
    pub(crate) data: Option<PathBuf>,
    /// How many orders; all of the file, or 2000 made-up ones, when not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) orders: Option<u32>,
    /// The weather.
    #[arg(long, value_enum, default_value_t = Faults::Some)]
    pub(crate) faults: Faults,
    /// Ends when every order is at rest, without the console staying up.
    #[arg(long)]
    pub(crate) once: bool,
    /// Prints the closing account as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Seed of made-up data and of the weather.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Where the console is served; a free port when not given and 8081 is taken.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) console: Option<SocketAddr>,
    /// Where process APIs are served and events are taken; a free port when not given and 8080 is taken.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) api: Option<SocketAddr>,
    /// Where the project and its store are put; a temporary folder when not given.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) dir: Option<PathBuf>,
    /// Orders per second; as fast as the chain takes them when not given.
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Kills the middleware so many times at random moments, and starts it again.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) kills: u32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Orders per second through the whole chain, the middleware's memory, and what bounds it.
    Orders {
        /// A file in the Online Retail format; without it, data of the same shape is made up.
        #[arg(long, value_name = "FILE")]
        data: Option<PathBuf>,
        /// How many orders.
        #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..))]
        orders: u32,
        /// How many orders are sent one by one to an idle system.
        #[arg(long, value_name = "N", default_value_t = 100)]
        idle: u32,
        /// Prints the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Customers loaded from one system into the other, then edited in both at once, and compared at the end.
    Customers {
        /// A file in the Online Retail format: its customers; without it, customers are made up.
        #[arg(long, value_name = "FILE")]
        data: Option<PathBuf>,
        /// How many are made up.
        #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
        customers: u32,
        /// How many edits people make, half of them in each system.
        #[arg(long, value_name = "N", default_value_t = 10_000)]
        edits: u32,
        /// How often Interlock is killed meanwhile.
        #[arg(long, value_name = "N", default_value_t = 0)]
        kills: u32,
        /// How much goes wrong meanwhile.
        #[arg(long, value_enum, default_value = "none")]
        faults: Faults,
        /// Prints the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Records per second that one core maps, in memory and from bytes to bytes, in both directions.
    Mapping {
        /// How often each part is measured; the best counts.
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = few)]
        rounds: usize,
        /// How long a round of a part takes.
        #[arg(long, value_name = "MS", default_value_t = 400, value_parser = clap::value_parser!(u64).range(1..=60_000))]
        milliseconds: u64,
        /// Prints the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// What workflows take that only wait: memory, disk, and the time of a start.
    Waiting {
        /// How many.
        #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = count)]
        runs: usize,
        /// Where the store is put; a temporary folder when not given.
        #[arg(long, value_name = "FOLDER")]
        dir: Option<PathBuf>,
    },
    /// How long the comparison of two sides takes, and how much memory.
    Reconcile {
        /// How many records on each side.
        #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = count)]
        records: usize,
        /// Where the rows are put meanwhile; a temporary folder when not given.
        #[arg(long, value_name = "FOLDER")]
        dir: Option<PathBuf>,
        /// Prints the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// What one workflow's flood costs another one.
    Beside {
        /// How many runs of the other workflow are under way all the time.
        #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = count)]
        flood: usize,
        /// How many runs are measured, one after the other: alone, and beside the flood.
        #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = count)]
        singles: usize,
        /// Where the store is put; a temporary folder when not given.
        #[arg(long, value_name = "FOLDER")]
        dir: Option<PathBuf>,
        /// Prints the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Durable workflow steps per second, beside what the disk allows in the same run.
    Workflow {
        /// How many runs of a workflow of five steps.
        #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = count)]
        runs: usize,
        /// How many at the same time.
        #[arg(long, value_name = "N", default_value_t = 256, value_parser = count)]
        concurrent: usize,
        /// How many one after the other, for the time that one takes.
        #[arg(long, value_name = "N", default_value_t = 500, value_parser = count)]
        singles: usize,
        /// Where the store is put; a temporary folder when not given.
        #[arg(long, value_name = "FOLDER")]
        dir: Option<PathBuf>,
        /// Prints the result as JSON.
        #[arg(long)]
        json: bool,
    },
}

fn count(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(count) if (1..=100_000_000).contains(&count) => Ok(count),
        _ => Err("give a number from 1 to 100000000".to_owned()),
    }
}

fn few(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(count) if (1..=1_000).contains(&count) => Ok(count),
        _ => Err("give a number from 1 to 1000".to_owned()),
    }
}

fn fault(text: &str) -> Result<(String, f64), String> {
    let (name, rate) = text.split_once('=').ok_or("write NAME=RATE, such as row_lock=0.02")?;
    let rate: f64 = rate.parse().map_err(|_| "the rate must be a number from 0 to 1")?;
    if (0.0..=1.0).contains(&rate) {
        Ok((name.to_owned(), rate))
    } else {
        Err("the rate must be a number from 0 to 1".to_owned())
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 100_000.0 => Ok(rate),
        _ => Err("give a number of orders per second, such as 50".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn rates_are_bounded() {
        assert_eq!(fault("row_lock=0.5"), Ok(("row_lock".to_owned(), 0.5)));
        assert!(fault("row_lock").is_err() && fault("row_lock=2").is_err() && fault("x=NaN").is_err());
        assert!(rate("0").is_err() && rate("NaN").is_err() && rate("12.5").is_ok());
    }
}
