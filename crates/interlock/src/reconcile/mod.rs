//! `interlock reconcile`: all records of an object in two systems against each other.
//!
//! | file | holds |
//! |---|---|
//! | `references.rs` | which record is which object, asked of the running Interlock |
//! | `report.rs` | what was found, for people and programs |
//! | `repair.rs` | having records read again, so that ownership decides |

mod references;
mod repair;
mod report;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use comparison::{Sides, Subject, Wanted};
use dispatch::{Dispatcher, SystemClock};
use jiff::Timestamp;
use model::{ConnectionName, Problem, Value};
use reconcile::{Export, Heading, Pair, ReconcileError, Side};
use tokio::sync::{mpsc, oneshot};

use self::references::{Both, References};
use self::repair::{Concerned, Patience, Plan};
use self::report::{Compared, Found};
use crate::failure::Failure;
use crate::ops::{Client, Output, ServerArgs, agreed};
use crate::stop;
use crate::wiring::Project;

/// How long a system may take to say that it can be used.
const CHECK_WITHIN: Duration = Duration::from_secs(20);
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How often it is told how many records are read.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// Compares all records of an object in two systems, by what both of them hold, whatever any feed said.
#[derive(Debug, Args)]
pub(crate) struct ReconcileArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// The object, such as `customer`.
    object: String,
    /// One of the connections; those that are kept the same when not given.
    #[arg(long, value_name = "CONNECTION")]
    left: Option<String>,
    /// The other one.
    #[arg(long, value_name = "CONNECTION")]
    right: Option<String>,
    /// Writes what is found to a file: .csv, .html or .parquet. Can be given several times.
    #[arg(long, value_name = "FILE")]
    export: Vec<PathBuf>,
    /// The member with the date by which amounts are summed per month; the first date of the object when not given.
    #[arg(long, value_name = "MEMBER")]
    month: Option<String>,
    /// Pairs records by their keys alone, without asking the running Interlock which record is which.
    #[arg(long, conflicts_with = "repair")]
    by_key: bool,
    /// Where rows are put meanwhile; a temporary folder when not given.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Has what differs read again by the running Interlock, so that the owners' values are written; shows the plan first.
    #[arg(long)]
    repair: bool,
    /// Repairs without asking.
    #[arg(long, requires = "repair")]
    yes: bool,
}

/// `interlock reconcile OBJECT`
///
/// # Errors
/// When the sides differ or cannot be compared.
pub(crate) async fn command(arguments: ReconcileArgs) -> Result<(), Failure> {
    let stopped_now = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stopped_now);
    // A task of its own: the one that compares hears nothing while it does.
    let asked = tokio::spawn(async move {
        stop::asked().await;
        flag.store(true, Ordering::Relaxed);
    });
    tokio::select! {
        result = work(arguments, stopped_now) => result,
        // What lies on the disk goes as well.
        _ = asked => Err(stopped()),
    }
}

fn stopped() -> Failure {
    Failure::Refused("it was stopped before it was done".to_owned())
}

/// Asks on a thread of its own, so that who presses Ctrl-C instead of answering is not kept waiting for the answer.
async fn agree(yes: bool, wish: String) -> Result<(), Failure> {
    let (answer, answered) = oneshot::channel();
    thread::spawn(move || answer.send(agreed(yes, usize::MAX, &wish)).is_ok());
    answered.await.unwrap_or_else(|_| Err(Failure::Refused("Nothing was done.".to_owned())))
}

async fn work(arguments: ReconcileArgs, stopped: Arc<AtomicBool>) -> Result<(), Failure> {
    let project = Project::load(arguments.server.folder(), arguments.server.variables()?)?;
    let wanted = Wanted {
        object: &arguments.object,
        left: arguments.left.as_deref(),
        right: arguments.right.as_deref(),
        month: arguments.month.as_deref(),
    };
    let subject = Subject::of(project.release(), &wanted).map_err(Failure::Wrong)?;
    if arguments.repair {
        repair::possible(&subject).map_err(Failure::Wrong)?;
    }
    let client = if arguments.by_key { None } else { Some(arguments.server.client()?) };
    let heading = Heading { title: subject.title(), at: Timestamp::now() };
    let exports = arguments.export.iter().map(|file| Export::create(file, heading.clone()));
    let exports = exports.collect::<Result<Vec<_>, _>>().map_err(|error| Failure::Wrong(error.problem()))?;
    let systems = Systems::open(&project, &subject).await?;
    let comparison = Comparison { subject: &subject, systems: &systems, folder: arguments.dir.clone(), stopped };
    let result = comparison.carry_out(&arguments, client.as_ref(), exports).await;
    systems.stop().await;
    result
}

/// Both systems, ready to be asked.
struct Systems(Pair<Dispatcher>);

impl Systems {
    async fn open(project: &Project, subject: &Subject) -> Result<Self, Failure> {
        let left = open(project, &subject.sides.left).await?;
        Ok(Self(Pair { left, right: open(project, &subject.sides.right).await? }))
    }

    async fn stop(&self) {
        futures::future::join(self.0.left.stop(STOP_WITHIN), self.0.right.stop(STOP_WITHIN)).await;
    }
}

async fn open(project: &Project, name: &ConnectionName) -> Result<Dispatcher, Failure> {
    let open = project.open(name)?;
    let unusable = |why: String| {
        let message = format!("{name} cannot be used: {why}");
        Problem::new("IL-REC-027", message, "Check its address, its credentials and the network")
    };
    match tokio::time::timeout(CHECK_WITHIN, open.connection.check()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(unusable(crate::ops::harmless(&error.to_string())).into()),
        Err(_) => return Err(unusable(format!("no answer within {} s", CHECK_WITHIN.as_secs())).into()),
    }
    let definition = project.release().connections.get(name).cloned();
    let definition = definition.ok_or_else(|| unusable("it is not defined".to_owned()))?;
    // There are no intents, so that nothing is told of any.
    let (reports, _) = mpsc::unbounded_channel();
    Ok(Dispatcher::start_for_command(definition, open, Arc::new(SystemClock), reports))
}

struct Comparison<'a> {
    subject: &'a Subject,
    systems: &'a Systems,
    folder: Option<PathBuf>,
    /// Set when it is asked to stop: comparing occupies its thread, so that it has to look itself.
    stopped: Arc<AtomicBool>,
}

impl Comparison<'_> {
    async fn carry_out(
        &self,
        arguments: &ReconcileArgs,
        client: Option<&Client>,
        exports: Vec<Export>,
    ) -> Result<(), Failure> {
        let output = Output::new(arguments.server.json);
        let (subject, object) = (self.subject, &self.subject.object);
        let references = match client {
            None => Pair::<References>::default(),
            Some(client) => self.references(client).await?,
        };
        let (compared, plan) = self.compare(&references, None, exports).await?;
        let Some(client) = client.filter(|_| arguments.repair && plan.len() > 0) else {
            output.print(&compared.to_value(subject), || compared.text(subject));
            return if compared.is_equal() { Ok(()) } else { Err(Failure::Ended) };
        };
        if output == Output::Text {
            println!("{}", compared.text(subject));
        }
        eprint!("{}", plan.text(subject));
        agree(arguments.yes, format!("have {} findings of {object} repaired", plan.len())).await?;
        plan.carry_out(client, subject).await?;
        let left = self.settled(client, &plan).await?;
        let mut value = compared.to_value(subject);
        value.set("repair", Value::object([("plan", plan.to_value()), ("left", left.to_value(subject))]));
        output.print(&value, || format!("Of what was repaired:\n{}", left.text(subject)));
        let is_mended =
            left.is_equal() && compared.totals.findings() <= plan.len() as u64 && compared.unreadable() == 0;
        if is_mended { Ok(()) } else { Err(Failure::Ended) }
    }

    /// Which record is which, asked of the running Interlock.
    async fn references(&self, client: &Client) -> Result<Pair<References>, Failure> {
        let Subject { object, sides, .. } = self.subject;
        let left = References::of(client, object, sides.left.as_str()).await?;
        Ok(Pair { left, right: References::of(client, object, sides.right.as_str()).await? })
    }

    /// Compares what is repaired again and again, until it is equal or there is no progress any more.
    async fn settled(&self, client: &Client, plan: &Plan) -> Result<Compared, Failure> {
        let mut patience = Patience::new();
        let mut concerned: Option<Concerned> = None;
        loop {
            patience.pause().await;
            let concerned = match concerned.take().filter(|concerned| concerned.is_complete) {
                Some(known) => concerned.insert(known),
                None => concerned.insert(plan.concerned(self.references(client).await?)),
            };
            let ids = Pair { left: concerned.ids(Side::Left), right: concerned.ids(Side::Right) };
            let (compared, _) = self.compare(&concerned.references, Some(&ids), Vec::new()).await?;
            let left = compared.totals.findings();
            if !patience.goes_on(left) {
                return Ok(compared);
            }
        }
    }

    /// Reads and compares all records, or these.
    async fn compare(
        &self,
        references: &Pair<References>,
        ids: Option<&Pair<Vec<Arc<str>>>>,
        mut exports: Vec<Export>,
    ) -> Result<(Compared, Plan), Failure> {
        let of = |error: ReconcileError| match error {
            ReconcileError::Stopped => stopped(),
            other => Failure::Problem(other.problem()),
        };
        let folder = self.folder.clone().unwrap_or_else(std::env::temp_dir);
        let subject = self.subject;
        let last_told = Mutex::new(Instant::now());
        let progress = |side: Side, records: u64| {
            let mut last_told = last_told.lock().unwrap_or_else(PoisonError::into_inner);
            if ids.is_none() && last_told.elapsed() >= TELL_EVERY {
                eprintln!("{}: {records} records …", subject.sides.of(side));
                *last_told = Instant::now();
            }
        };
        let dispatchers = Pair { left: &self.systems.0.left, right: &self.systems.0.right };
        let sides = Sides { subject, dispatchers, keys: &Both(references), progress: &progress };
        let held = sides.read(ids, &folder).await.map_err(harmless_problem)?;
        if ids.is_none() {
            for side in [Side::Left, Side::Right] {
                eprintln!("{}: {} records", subject.sides.of(side), held.reads.of(side).records);
            }
        }
        let compared = tokio::task::block_in_place(|| {
            let (mut found, mut plan) = (Found::default(), Plan::default());
            let goes_on = || !self.stopped.load(Ordering::Relaxed);
            let (totals, own_forms) = held.compare(subject, goes_on, |finding, lines| {
                plan.add(finding, &lines, &subject.judge);
                for line in lines {
                    exports.iter_mut().try_for_each(|export| export.line(&line, &subject.judge))?;
                    found.add(line);
                }
                Ok::<(), ReconcileError>(())
            })?;
            for export in exports {
                export.finish(&totals, &subject.judge)?;
            }
            let Pair { left, right } = held.reads;
            Ok((Compared { totals, found, own_forms, left, right }, plan))
        });
        compared.map_err(of)
    }
}

/// What a system says stands in it.
fn harmless_problem(problem: Problem) -> Problem {
    Problem { message: crate::ops::harmless(&problem.message), ..problem }
}
