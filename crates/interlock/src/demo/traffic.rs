//! One course of traffic: orders come in, the weather changes, perhaps somebody pulls the plug, and everything comes to rest.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ::sandbox::faults::Dice;
use model::Problem;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use super::account::{self, Account, OwnFigures};
use super::board::{Board, Counts};
use super::books;
use super::crm::Crm;
use super::erp::Erp;
use super::middleware::Middleware;
use super::progress::Progress;
use super::sales::{Pace, Sales};
use super::seed;
use super::systems::Systems;
use super::watch as follow;
use super::weather::Faults;
use super::world::World;

/// Time between two looks at the board.
const LOOK: Duration = Duration::from_millis(200);
/// Without any change for so long, the account is closed as it stands.
const STALLED_AFTER: Duration = Duration::from_secs(120);
/// Without any change for so long, what is left waits for a person, when there are as many work items: by then two sweeps have
/// looked for what no event told of.
const WAITING_AFTER: Duration = Duration::from_secs(45);
/// Everything is at rest when nothing has changed for so long.
const REST: Duration = Duration::from_millis(1_200);

/// What is to happen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Course {
    /// The first of the plan's orders.
    pub(crate) from: usize,
    /// The one behind the last.
    pub(crate) orders: usize,
    pub(crate) pace: Pace,
    pub(crate) faults: Faults,
    pub(crate) kills: u32,
    pub(crate) seed: u64,
}

/// How it ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    /// From the first quote to the last change.
    pub(crate) took: Duration,
    /// Whether everything came to rest.
    pub(crate) at_rest: bool,
}

/// The sales team, its customers, and who watches them.
pub(crate) struct Traffic {
    team: Arc<Sales>,
    erp: Erp,
    stop_watching: watch::Sender<bool>,
    watcher: Mutex<Option<JoinHandle<Result<(), Problem>>>>,
}

impl Traffic {
    /// Loads master data into both systems and puts the sales team in place.
    ///
    /// # Errors
    /// When a system refuses something.
    pub(crate) async fn prepare(systems: &Systems, world: Arc<World>) -> Result<Self, Problem> {
        let crm = Arc::new(Crm::new(systems.crm_access.clone())?);
        let erp = Erp::new(systems.erp_access.clone())?;
        let (ids, ()) = tokio::try_join!(seed::crm(&crm, &world), seed::erp(&erp, &world))?;
        let team = Arc::new(Sales {
            crm,
            ids: Arc::new(ids),
            world,
            board: Arc::new(Board::default()),
            stop: Arc::new(AtomicBool::new(false)),
            reacting: AtomicUsize::new(0),
        });
        let stop_watching = watch::Sender::new(false);
        let watcher = tokio::spawn(follow::run(Arc::clone(&team), stop_watching.subscribe()));
        Ok(Self { team, erp, stop_watching, watcher: Mutex::new(Some(watcher)) })
    }

    /// The board.
    pub(crate) fn board(&self) -> &Board {
        &self.team.board
    }

    /// Runs a course to its end.
    ///
    /// # Errors
    /// When a simulated system refuses the sales team, or stays away.
    pub(crate) async fn run(
        &self,
        course: &Course,
        systems: &Systems,
        middleware: &mut Middleware,
        progress: &mut Progress,
    ) -> Result<Ended, Problem> {
        systems.weather.set(course.faults).await?;
        let started = Instant::now();
        let (team, pace, from, orders) = (Arc::clone(&self.team), course.pace, course.from, course.orders);
        team.board.start_clock();
        let mut selling = Some(tokio::spawn(async move { team.sell(from, orders, pace).await }));
        let outages = systems.weather.outages(course.faults, &self.team.board, orders as u64);
        tokio::pin!(outages);
        let mut outages_begun = false;
        let mut kills = kills(course);
        let at_rest = loop {
            if selling.as_ref().is_some_and(JoinHandle::is_finished)
                && let Some(done) = selling.take()
            {
                joined(done.await)?;
            }
            self.watching().await?;
            tokio::select! {
                begun = &mut outages, if !outages_begun => {
                    begun?;
                    outages_begun = true;
                }
                () = tokio::time::sleep(LOOK) => {}
            }
            let counts = self.team.board.counts();
            progress.show(counts, systems.weather.word(course.faults));
            if kills.last().is_some_and(|moment| moved(counts) >= *moment) {
                kills.pop();
                middleware.kill_and_start(systems).await?;
            }
            if selling.is_none()
                && let Some(at_rest) = self.rest(counts, systems, middleware).await?
            {
                break at_rest;
            }
        };
        systems.weather.set(Faults::None).await?;
        let took = started.elapsed().saturating_sub(self.team.board.quiet_for());
        Ok(Ended { took, at_rest })
    }

    /// Whether nothing more is going to happen: `Some(true)` when everything is done or waits for a person.
    async fn rest(&self, counts: Counts, systems: &Systems, middleware: &Middleware) -> Result<Option<bool>, Problem> {
        let quiet = self.team.board.quiet_for();
        let open = (counts.accepted - counts.settled) + (counts.returns - counts.returns_done);
        if open == 0 && quiet >= REST && self.team.reacting.load(Ordering::SeqCst) == 0 {
            return Ok(Some(true));
        }
        if quiet >= WAITING_AFTER && self.team.reacting.load(Ordering::SeqCst) == 0 {
            // Held quotes have work items as well; what is open beyond those are other matters that wait for a person.
            let items: u64 = middleware.open_work_items(systems).await?.values().sum();
            if items.saturating_sub(counts.held) >= open {
                return Ok(Some(true));
            }
        }
        Ok((quiet >= STALLED_AFTER).then_some(false))
    }

    async fn watching(&self) -> Result<(), Problem> {
        let mut watcher = self.watcher.lock().await;
        if watcher.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(done) = watcher.take()
        {
            joined(done.await)?;
        }
        Ok(())
    }

    /// Reads the books and closes the account.
    ///
    /// # Errors
    /// When a system cannot be read.
    pub(crate) async fn close(&self, systems: &Systems, ended: &Ended, own: OwnFigures) -> Result<Account, Problem> {
        let books = books::read(&self.team.crm, &self.erp).await?;
        let plan = &self.team.world.plan;
        let mut plants = HashMap::new();
        for (id, order) in self.team.board.quotes() {
            if let Some(order) = plan.orders.get(order as usize) {
                plants.insert(id, self.team.world.plants(order));
            }
        }
        Ok(Account {
            input: plan.account.clone(),
            input_orders: plan.orders.len() as u64,
            input_returns: plan.returns.len() as u64,
            orders: account::orders(&books.quotes, &books.orders, &plants)?,
            returns: books.returns,
            returns_processed: books.returns_processed,
            returns_doubled: books.returns_doubled,
            customers_doubled: books.customers_doubled,
            money: account::money_of(&books)?,
            own,
            faults: systems.weather.happened().await?,
            latencies: self.team.board.latencies(),
            seconds: ended.took.as_secs_f64(),
            at_rest: ended.at_rest,
        })
    }

    /// Accepts one quote; `armed` is called before it is saved. Answers when it was saved.
    ///
    /// # Errors
    /// When the CRM refuses something, or stays away.
    pub(crate) async fn accept_one(&self, place: usize, armed: impl FnOnce()) -> Result<Instant, Problem> {
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        let quotes = self.team.write_drafts(&[place]).await?;
        armed();
        let saved = Instant::now();
        self.team.set_accepted(&[place], quotes).await?;
        Ok(saved)
    }

    /// Waits until every quote is settled, at most so long.
    pub(crate) async fn at_rest_within(&self, within: Duration) {
        let deadline = Instant::now() + within;
        loop {
            let counts = self.team.board.counts();
            if counts.settled >= counts.accepted || Instant::now() >= deadline {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Customers order the same again, slowly, until the future is dropped.
    ///
    /// # Errors
    /// When a simulated system refuses the sales team, or stays away.
    pub(crate) async fn trickle(&self, per_second: f64) -> Result<(), Problem> {
        let pace = Pace { per_second: Some(per_second), backlog: u64::MAX };
        loop {
            self.team.sell(0, self.team.world.plan.orders.len(), pace).await?;
        }
    }

    /// Stops selling and watching.
    ///
    /// # Errors
    /// When the watcher had failed.
    pub(crate) async fn stop(&self) -> Result<(), Problem> {
        self.team.stop.store(true, Ordering::SeqCst);
        self.stop_watching.send_replace(true);
        match self.watcher.lock().await.take() {
            Some(watcher) => joined(watcher.await),
            None => Ok(()),
        }
    }
}

/// How much has happened: five steps for each order.
fn moved(counts: Counts) -> u64 {
    counts.accepted + counts.ordered + counts.delivered + counts.invoiced + counts.paid
}

/// The moments at which the plug is pulled, the last one first.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
fn kills(course: &Course) -> Vec<u64> {
    let dice = Dice::new(course.seed ^ 0xdead);
    // Some orders never get all the way, so that the last moments would never come.
    let all = course.orders as f64 * 5.0 * 0.9;
    let mut moments: Vec<u64> = (0..course.kills).map(|_| (dice.unit() * all) as u64).collect();
    moments.sort_unstable_by(|left, right| right.cmp(left));
    moments
}

fn joined(result: Result<Result<(), Problem>, tokio::task::JoinError>) -> Result<(), Problem> {
    result.map_err(|error| {
        let message = format!("a part of the demo ended: {error}");
        Problem::new("IL-DEMO-014", message, "This is a mistake in Interlock: please report it")
    })?
}
