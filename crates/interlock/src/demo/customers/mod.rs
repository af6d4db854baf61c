//! `interlock bench customers`: customers that one system has are loaded into the other, then people edit them in both at once,
//! in bad weather and with the middleware killed again and again; at the end both are read and compared member by member.
//!
//! The comparison knows nothing of the middleware: it reads both systems as anybody may.

mod compare;
mod edits;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use model::{Problem, Value, json};

use super::account::milliseconds;
use super::crm::{Crm, quoted};
use super::erp::Erp;
use super::middleware::{Middleware, Place};
use super::processes::{memory_peak, usage};
use super::seed::name;
use super::systems::{Systems, Wishes};
use super::weather::Faults;
use crate::failure::Failure;
use crate::project::Integration;
use compare::Comparison;
use edits::{Editors, Linked};

const STOP_WITHIN: Duration = Duration::from_secs(10);
/// How long nothing may move before it is given up.
const STILL_MAX: Duration = Duration::from_secs(180);
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Countries of the data that are none.
const NO_COUNTRY: [&str; 2] = ["European Community", "Unspecified"];

/// What is measured.
#[derive(Debug, Clone)]
pub(crate) struct Bench {
    /// Real customers, or made-up ones where there is no file.
    pub(crate) data: Option<PathBuf>,
    pub(crate) customers: u32,
    pub(crate) edits: u32,
    pub(crate) kills: u32,
    pub(crate) faults: Faults,
    pub(crate) json: bool,
}

/// Runs it.
///
/// # Errors
/// When something does not start, nothing moves any more, or the systems do not agree at the end.
pub(crate) async fn customers(bench: Bench) -> Result<(), Failure> {
    let accounts = accounts(&bench).await?;
    let count = accounts.len();
    eprintln!("starting the simulated systems");
    let wishes = Wishes { seed: 1, integration: Integration::MasterData, ..Wishes::default() };
    let systems = Systems::start(&wishes).await?;
    settings(&systems)?;
    let (crm, erp) = (Crm::new(systems.crm_access.clone())?, Erp::new(systems.erp_access.clone())?);
    eprintln!("putting {count} customers into the simulated Salesforce");
    crm.create_all("Account", &accounts).await?;
    drop(accounts);
    let mut middleware = Middleware::start(Place::Child, &systems).await?;
    let begun = Instant::now();
    load(&crm, count, begun).await?;
    let load_seconds = begun.elapsed().as_secs_f64();
    let after_load = Used::of(&middleware, &systems);
    let linked = linked(&crm).await?;

    systems.weather.set(bench.faults).await?;
    let done = Arc::new(AtomicUsize::new(0));
    let editors = Editors::new(&systems, linked, bench.edits as usize, Arc::clone(&done))?;
    let begun = Instant::now();
    let mut working = tokio::spawn(editors.work());
    let mut kills = 0;
    let edited = loop {
        tokio::select! {
            edited = &mut working => {
                break edited.unwrap_or_else(|error| Err(Problem::new("IL-DEMO-021", error.to_string(), "Report this")))?;
            }
            () = tokio::time::sleep(Duration::from_millis(20)) => {
                let due = (kills + 1) * bench.edits as usize / (bench.kills as usize + 1);
                if kills < bench.kills as usize && done.load(Ordering::Relaxed) >= due {
                    kills += 1;
                    middleware.kill_and_start(&systems).await?;
                }
            }
        }
    };
    let edit_seconds = begun.elapsed().as_secs_f64();
    systems.weather.set(Faults::None).await?;
    let quiet = Instant::now();
    let compared = settle(&crm, &erp, count, &edited).await?;
    let settle_seconds = quiet.elapsed().as_secs_f64();
    let items = systems.open_work_items().await.unwrap_or_default();
    let used = Used::of(&middleware, &systems);
    let happened = systems.weather.happened().await?;
    let result = Value::object([
        ("customers", Value::from(count)),
        ("load_seconds", milliseconds(load_seconds)),
        ("load_customers_per_second", milliseconds(per_second(count, load_seconds))),
        ("edits", Value::from(edited.made)),
        ("edit_seconds", milliseconds(edit_seconds)),
        ("edits_per_second", milliseconds(per_second(edited.made, edit_seconds))),
        ("kills", Value::from(kills)),
        ("faults_happened", Value::from(happened.values().sum::<i64>())),
        ("seconds_until_agreement", milliseconds(settle_seconds)),
        ("accounts", Value::from(compared.accounts)),
        ("partners", Value::from(compared.partners)),
        ("not_linked", Value::from(compared.not_linked)),
        ("doubled", Value::from(compared.doubled)),
        ("members_that_differ", Value::from(compared.differing)),
        ("owners_overruled", Value::from(compared.overruled)),
        ("examples", Value::array(compared.examples.iter().map(|text| Value::from(text.as_str())))),
        ("open_work_items", Value::from(items.values().map(|count| i64::try_from(*count).unwrap_or(0)).sum::<i64>())),
        ("after_load", after_load.to_value()),
        ("at_end", used.to_value()),
    ]);
    if bench.json {
        println!("{}", json::to_string_pretty(&result));
    } else {
        for (name, value) in result.as_object().into_iter().flatten() {
            println!("{:<28}{value}", name.replace('_', " "));
        }
    }
    middleware.stop(STOP_WITHIN).await;
    systems.stop(STOP_WITHIN).await;
    if compared.agrees(count) { Ok(()) } else { Err(Failure::AccountOpen) }
}

/// The bodies of the accounts.
async fn accounts(bench: &Bench) -> Result<Vec<String>, Failure> {
    if bench.data.is_none() {
        let body = |number: u32| {
            format!(
                "\"Name\":\"Customer {number}\",\"BillingStreet\":\"{} High Street\",\"BillingCity\":\"Town {}\",\
                 \"BillingPostalCode\":\"P{number}\",\"BillingCountry\":\"United Kingdom\"",
                number % 200,
                number % 5_000
            )
        };
        return Ok((0..bench.customers).map(body).collect());
    }
    let plan = super::read(bench.data.clone(), None, 1).await?;
    let body = |customer: &super::input::Customer| {
        let country = if NO_COUNTRY.contains(&&*customer.country) { "United Kingdom" } else { &customer.country };
        format!(
            "\"Name\":{},\"AccountNumber\":\"{}\",\"BillingPostalCode\":\"C{}\",\"BillingCountry\":{}",
            quoted(&name(customer)),
            customer.number,
            customer.number,
            quoted(country)
        )
    };
    Ok(plan.customers.iter().map(body).collect())
}

/// Nobody is there to decide, so the last change of what nobody owns counts; and what events did not tell is found soon.
fn settings(systems: &Systems) -> Result<(), Problem> {
    for (file, from, to) in [
        ("objects/customer.yaml", "conflict: queue", "conflict: newest"),
        ("connections/crm.yaml", "every: 20s", "every: 5s"),
        ("connections/erp.yaml", "every: 20s", "every: 5s"),
    ] {
        let file = systems.project.join(file);
        let failed = |error: std::io::Error| {
            let message = format!("{} cannot be changed: {error}", file.display());
            Problem::new("IL-DEMO-019", message, "Choose a folder that you may write to, on a disk with some space")
        };
        let text = std::fs::read_to_string(&file).map_err(failed)?;
        std::fs::write(&file, text.replacen(from, to, 1)).map_err(failed)?;
    }
    Ok(())
}

/// Waits until every account has its partner's number.
async fn load(crm: &Crm, count: usize, begun: Instant) -> Result<(), Failure> {
    let mut moved = (0, Instant::now());
    loop {
        let linked = crm.count("Account WHERE ERP_Customer_Number__c != null").await?;
        if linked >= count {
            return Ok(());
        }
        if linked > moved.0 {
            moved = (linked, Instant::now());
        }
        eprint!("\r{linked} of {count} are in both systems after {:.0} s ", begun.elapsed().as_secs_f64());
        still(moved.1, || format!("{linked} of {count} customers are in both systems"))?;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn linked(crm: &Crm) -> Result<Vec<Linked>, Problem> {
    let found = crm.query("SELECT Id, ERP_Customer_Number__c FROM Account ORDER BY Id").await?;
    let text = |record: &Value, name: &str| record.get(name).as_str().unwrap_or_default().into();
    Ok(found
        .iter()
        .map(|record| Linked { account: text(record, "Id"), partner: text(record, "ERP_Customer_Number__c") })
        .collect())
}

/// Reads both systems until they agree, or nothing moves any more.
async fn settle(crm: &Crm, erp: &Erp, count: usize, edited: &edits::Edited) -> Result<Comparison, Failure> {
    let mut best = (usize::MAX, Instant::now());
    loop {
        let compared = compare::compare(crm, erp, &edited.last).await?;
        if compared.agrees(count) || best.1.elapsed() > STILL_MAX {
            return Ok(compared);
        }
        let open = compared.differing + compared.overruled + compared.not_linked;
        if open < best.0 {
            best = (open, Instant::now());
        }
        eprint!("\r{open} members are not in agreement yet   ");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn still(since: Instant, what: impl Fn() -> String) -> Result<(), Problem> {
    if since.elapsed() < STILL_MAX {
        return Ok(());
    }
    let message = format!("nothing has moved for {} s: {}", STILL_MAX.as_secs(), what());
    Err(Problem::new("IL-DEMO-022", message, "Look at the log that Interlock wrote above, and at its work items"))
}

#[allow(clippy::cast_precision_loss)]
fn per_second(count: usize, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

/// What processes have used so far.
struct Used {
    memory: u64,
    seconds: Vec<(&'static str, f64)>,
}

impl Used {
    fn of(middleware: &Middleware, systems: &Systems) -> Self {
        let [crm, erp] = systems.processes();
        let processes = [("Interlock", middleware.process()), crm, erp];
        let seconds = processes.into_iter().filter_map(|(name, process)| Some((name, usage(process?)?.seconds)));
        Self { memory: middleware.process().and_then(memory_peak).unwrap_or(0), seconds: seconds.collect() }
    }

    #[allow(clippy::cast_precision_loss)]
    fn to_value(&self) -> Value {
        let mut value = Value::object([("memory_peak_mb", milliseconds(self.memory as f64 / 1_048_576.0))]);
        for (name, seconds) in &self.seconds {
            value.set(format!("cpu_seconds {name}"), milliseconds(*seconds));
        }
        value
    }
}
