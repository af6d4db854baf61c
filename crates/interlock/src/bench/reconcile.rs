//! Comparing two sides of made-up customers, of which one in a thousand differs: how long spooling and comparing take, and how
//! much memory.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{Value, json};
use reconcile::{Amount, Member, Pair, ReconcileError, Row, Shape, Spool, Spooled, compare};

use super::bed::failed;
use crate::demo::processes::memory_peak;
use crate::failure::Failure;

/// One in so many differs.
const DIFFERS_EVERY: usize = 1_000;
/// The members of a customer, besides its amount.
const MEMBERS: [&str; 24] = [
    "key",
    "name",
    "searchTerm",
    "number",
    "blocked",
    "language",
    "currency",
    "paymentTerms",
    "creditGroup",
    "taxNumber",
    "phone",
    "email",
    "website",
    "industry",
    "since",
    "billing.street",
    "billing.city",
    "billing.postalCode",
    "billing.country",
    "shipping.street",
    "shipping.city",
    "shipping.postalCode",
    "shipping.country",
    "creditLimit",
];

/// What was measured.
struct Measured {
    records: usize,
    spooling: Duration,
    comparing: Duration,
    found: u64,
    bytes: u64,
    /// The most memory until the rows were on the disk, and until they were compared.
    memory: Pair<u64>,
}

/// Measures and prints.
///
/// # Errors
/// When the disk cannot be written, or something else is found than was put there.
pub(crate) fn reconcile(records: usize, folder: Option<&Path>, as_json: bool) -> Result<(), Failure> {
    let folder = folder.map_or_else(std::env::temp_dir, Path::to_owned);
    let measured = tokio::task::block_in_place(|| measure(records, &folder)).map_err(|error| error.problem())?;
    let wanted = differences(records);
    if measured.found != wanted {
        return Err(failed("another number of differences was found", &measured.found).into());
    }
    match as_json {
        true => println!("{}", json::to_string_pretty(&measured.to_value())),
        false => print!("{}", measured.text()),
    }
    Ok(())
}

const fn differences(records: usize) -> u64 {
    records.div_ceil(DIFFERS_EVERY) as u64
}

fn shape() -> Result<Shape, model::PathError> {
    let members = MEMBERS.into_iter().chain(["balance.amount"]).map(|name| Member::new(name, None));
    let amount = Amount {
        name: "balance".into(),
        amount: "balance.amount".parse()?,
        currency: "balance.currency".parse()?,
        date: Some("since".parse()?),
    };
    Ok(Shape { members: members.collect::<Result<_, _>>()?, amounts: vec![amount] })
}

fn measure(records: usize, folder: &Path) -> Result<Measured, ReconcileError> {
    let shape = Arc::new(shape().map_err(|_| ReconcileError::Shapes)?);
    let begun = Instant::now();
    // Both at once, as they are read from two systems.
    let (left, right) = std::thread::scope(|scope| {
        let other = scope.spawn(|| spool(folder, &shape, records, true));
        let left = spool(folder, &shape, records, false);
        (left, other.join())
    });
    let left = left?;
    // A thread that ended otherwise has said why.
    let right = right.unwrap_or(Err(ReconcileError::Shapes))?;
    let spooling = begun.elapsed();
    let peak = || memory_peak(std::process::id()).unwrap_or(0);
    let before = peak();
    let begun = Instant::now();
    let totals = compare(&left, &right, |_| Ok::<(), ReconcileError>(()))?;
    let comparing = begun.elapsed();
    let (found, bytes) = (totals.findings(), left.size() + right.size());
    Ok(Measured { records, spooling, comparing, found, bytes, memory: Pair { left: before, right: peak() } })
}

/// The rows of one side; the other side has them in another order.
fn spool(folder: &Path, shape: &Arc<Shape>, records: usize, is_other: bool) -> Result<Spooled, ReconcileError> {
    let mut spool = Spool::create(folder, Arc::clone(shape))?;
    for place in 0..records {
        let number = if is_other { records - 1 - place } else { place };
        let changed = is_other && number.is_multiple_of(DIFFERS_EVERY);
        let (key, object) = customer(number, changed);
        let id = if is_other { number.to_string() } else { format!("001Ab{number:013}") };
        spool.push(Row { key: &key, id: &id, stage: None, object: &object })?;
    }
    spool.finish()
}

fn customer(number: usize, changed: bool) -> (String, Value) {
    let key = format!("C{number:012}");
    let text = |text: String| Value::from(text);
    let address = |street: &str, city: &str| {
        Value::object([
            ("street", text(format!("{number} {street}"))),
            ("city", text(format!("{city} {}", number % 997))),
            ("postalCode", text(format!("{:05}", number % 99_999))),
            ("country", Value::from("GB")),
        ])
    };
    let cents = i64::try_from(number).unwrap_or(0) * 7 % 10_000_000;
    let amount = |units| Value::from(model::Decimal::from_units(units, 2));
    let object = Value::object([
        ("key", text(key.clone())),
        ("name", text(format!("Customer {number} Limited"))),
        ("searchTerm", text(format!("CUSTOMER {number}"))),
        ("number", text(format!("{:010}", number + 1_000_000))),
        ("blocked", Value::from(number.is_multiple_of(50))),
        ("language", Value::from("EN")),
        ("currency", Value::from("GBP")),
        ("paymentTerms", Value::from("0001")),
        ("creditGroup", Value::Null),
        ("taxNumber", text(format!("GB{number:09}"))),
        ("phone", text(format!("+44 113 {:07}", number % 9_999_999))),
        ("email", text(format!("{}{number}@customer.example", if changed { "new-" } else { "office-" }))),
        ("website", text(format!("https://{number}.customer.example"))),
        ("industry", Value::from("Wholesale")),
        ("since", text(format!("20{:02}-{:02}-{:02}", number % 26, number % 12 + 1, number % 28 + 1))),
        ("billing", address("Park Row", "Leeds")),
        ("shipping", address("Dock Road", "Hull")),
        ("creditLimit", amount(cents * 3)),
        ("balance", Value::object([("amount", amount(cents)), ("currency", Value::from("GBP"))])),
    ]);
    (key, object)
}

impl Measured {
    fn text(&self) -> String {
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let (spooling, comparing) = (self.spooling.as_secs_f64(), self.comparing.as_secs_f64());
        format!(
            "{} made-up customers of {} members on each side, one in {DIFFERS_EVERY} of them different; found: {}.\n\n\
             {:>12} {:>9} {:>12} {:>9}\n\
             {:>12} {:>9.2} {:>12.0} {:>9.0}\n\
             {:>12} {:>9.2} {:>12.0} {:>9.0}\n\n\
             {:.0} MB on the disk, {:.0} bytes a row. Spooling makes the records, their hashes and the files; comparing reads and\n\
             sorts {:.0} MB/s in two threads, of which the disk's cache or the disk is a part.\n",
            self.records,
            MEMBERS.len() + 1,
            self.found,
            "",
            "seconds",
            "records/s",
            "peak MB",
            "spooling",
            spooling,
            2.0 * self.records as f64 / spooling,
            megabytes(self.memory.left),
            "comparing",
            comparing,
            2.0 * self.records as f64 / comparing,
            megabytes(self.memory.right),
            megabytes(self.bytes),
            self.bytes as f64 / (2.0 * self.records as f64),
            megabytes(self.bytes) / comparing,
        )
    }

    fn to_value(&self) -> Value {
        let seconds = |took: Duration| json::parse(format!("{:.3}", took.as_secs_f64()).as_bytes()).unwrap_or_default();
        let bytes = |bytes: u64| Value::from(i64::try_from(bytes).unwrap_or(i64::MAX));
        Value::object([
            ("records", Value::from(self.records)),
            ("differences", bytes(self.found)),
            ("spooling_seconds", seconds(self.spooling)),
            ("comparing_seconds", seconds(self.comparing)),
            ("disk_bytes", bytes(self.bytes)),
            ("peak_bytes_spooling", bytes(self.memory.left)),
            ("peak_bytes", bytes(self.memory.right)),
        ])
    }
}
