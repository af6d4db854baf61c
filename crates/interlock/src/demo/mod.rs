//! `interlock demo`: the reference integration between two simulated systems, under the traffic of a real wholesaler.
//!
//! | module | does |
//! |---|---|
//! | `input` | rows become orders, returns, or are set aside |
//! | `world` | which product lies where, who has little credit |
//! | `systems` | the simulators and the project that connects them |
//! | `seed` | master data in both systems |
//! | `sales` | the sales team, which writes and accepts quotes |
//! | `watch`, `board` | what the CRM tells of the orders |
//! | `middleware`, `children` | Interlock in this process or in one of its own |
//! | `weather` | faults and outages |
//! | `books`, `account`, `report` | the closing account |
//! | `bench`, `tap`, `processes` | the same chain, measured |
//! | `customers` | customers that are edited in both systems at once, measured and compared |

mod account;
pub(crate) mod bench;
mod board;
mod books;
mod children;
mod crm;
pub(crate) mod customers;
mod erp;
mod input;
mod middleware;
pub(crate) mod processes;
mod progress;
mod report;
mod sales;
mod seed;
mod systems;
mod tap;
mod traffic;
mod watch;
mod weather;
mod world;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::{Problem, json};

pub(crate) use weather::Faults;

use crate::cli::DemoArgs;
use crate::failure::Failure;
use crate::listeners::bind;
use input::{FileRows, GeneratedRows, Plan, RowSource};
use middleware::{Middleware, Place};
use progress::Progress;
use sales::Pace;
use systems::{Systems, Wishes};
use traffic::{Course, Traffic};
use world::World;

/// Orders when neither a file nor a number is given.
const ORDERS_DEFAULT: usize = 2_000;
/// Most accepted quotes that are on their way into the ERP.
const BACKLOG: u64 = 400;
/// While somebody looks at the console after the account.
const TRICKLE_PER_SECOND: f64 = 0.5;
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Runs the demo.
///
/// # Errors
/// When something cannot be started, or the account does not close.
pub(crate) async fn run(arguments: DemoArgs) -> Result<(), Failure> {
    free(&arguments).await?;
    let plan = read(arguments.data.clone(), arguments.orders, arguments.seed).await?;
    let orders = plan.orders.len();
    let mut progress = Progress::new(orders as u64);
    let place = if arguments.kills > 0 { Place::Child } else { Place::Here };
    progress.say("starting the simulated systems");
    let wishes = Wishes {
        folder: arguments.dir.clone(),
        api: arguments.api,
        console: arguments.console,
        seed: arguments.seed,
        ..Wishes::default()
    };
    let systems = Systems::start(&wishes).await?;
    progress.say("loading customers, products and prices into both systems");
    let world = Arc::new(World::new(plan, arguments.faults != Faults::None));
    let traffic = Traffic::prepare(&systems, Arc::clone(&world)).await?;
    progress.say("starting Interlock");
    let mut middleware = Middleware::start(place, &systems).await?;
    progress.print(&systems.welcome());
    let course = Course {
        from: 0,
        orders,
        pace: Pace { per_second: arguments.rate, backlog: BACKLOG },
        faults: arguments.faults,
        kills: arguments.kills,
        seed: arguments.seed,
    };
    let ended = tokio::select! {
        ended = traffic.run(&course, &systems, &mut middleware, &mut progress) => Some(ended),
        _ = tokio::signal::ctrl_c() => None,
    };
    let Some(ended) = ended else {
        progress.finish();
        let message = "the demo was interrupted before the account was closed".to_owned();
        return Err(Failure::Problem(Problem::new("IL-DEMO-003", message, "Let it run to the end to see the account")));
    };
    let ended = ended.inspect_err(|_| progress.finish())?;
    progress.say("reading the books of both systems");
    let own = middleware.own_figures(&systems).await?;
    let account = traffic.close(&systems, &ended, own).await?;
    progress.finish();
    if arguments.json {
        println!("{}", json::to_string_pretty(&account.to_value()));
    } else {
        report::print(&account);
    }
    if !arguments.once {
        eprintln!(
            "\nThe console stays up at {}, and a few orders keep coming. Ctrl-C ends the demo.",
            systems.console_link()
        );
        tokio::select! {
            result = traffic.trickle(TRICKLE_PER_SECOND) => result?,
            _ = tokio::signal::ctrl_c() => {}
        }
    }
    traffic.stop().await?;
    middleware.stop(STOP_WITHIN).await;
    systems.stop(STOP_WITHIN).await;
    if account.closes() { Ok(()) } else { Err(Failure::AccountOpen) }
}

/// Whether the addresses that are wished for can be had: nobody should wait for everything else to learn that they cannot.
async fn free(arguments: &DemoArgs) -> Result<(), Problem> {
    let wishes = [("process APIs", "--api", arguments.api), ("the console", "--console", arguments.console)];
    // Kept until both are there, so that one address for both is told as well.
    let mut bound = Vec::with_capacity(wishes.len());
    for (purpose, option, address) in wishes {
        if let Some(address) = address {
            bound.push(bind(purpose, option, address).await?);
        }
    }
    Ok(())
}

/// Reads the file, or makes rows up.
async fn read(data: Option<PathBuf>, orders: Option<u32>, seed: u64) -> Result<Plan, Problem> {
    let name = data.as_ref().map_or_else(|| "the made-up data".to_owned(), |file| file.display().to_string());
    let read = move || -> Result<Plan, Problem> {
        let orders = orders.map(|orders| orders as usize);
        let (mut source, most): (Box<dyn RowSource>, usize) = match &data {
            Some(file) => (Box::new(FileRows::open(file)?), orders.unwrap_or(usize::MAX)),
            None => (Box::new(GeneratedRows::new(seed)), orders.unwrap_or(ORDERS_DEFAULT)),
        };
        input::plan(source.as_mut(), most)
    };
    let plan = tokio::task::spawn_blocking(read).await.map_err(|error| {
        Problem::new(
            "IL-DEMO-002",
            format!("reading the data ended: {error}"),
            "This is a mistake in Interlock: report it",
        )
    })??;
    if plan.orders.is_empty() {
        let message = format!("there is not one order in {name}");
        return Err(Problem::new("IL-DEMO-001", message, "Give another file, or leave --data away"));
    }
    Ok(plan)
}
