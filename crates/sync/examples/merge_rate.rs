//! How many customers of 25 fields one core keeps in agreement in a second, and what takes the time.
//!
//! `cargo run --release -p sync --example merge_rate`

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use model::{ConnectionName, Value};
use sync::{Agreement, Cause, Conflict, Fields, Owner, Owners, Policy, Reading, Side};

const FIELDS: [&str; 25] = [
    "name",
    "taxId",
    "segment",
    "creditLimit",
    "currency",
    "language",
    "website",
    "phone",
    "email",
    "note",
    "billing.street",
    "billing.city",
    "billing.postalCode",
    "billing.region",
    "billing.country",
    "shipping.street",
    "shipping.city",
    "shipping.postalCode",
    "shipping.region",
    "shipping.country",
    "paymentTerms",
    "incoterms",
    "priceList",
    "salesArea",
    "industry",
];
/// Customers that are gone through in turn: as many as fit a processor's fast memory, and more.
const CUSTOMERS: [usize; 2] = [100, 10_000];

fn names() -> Vec<Arc<str>> {
    FIELDS.iter().map(|field| Arc::from(*field)).collect()
}

fn policy() -> Policy {
    let all = || names().into_iter().collect();
    let side = || Side { reads: all(), writes: all(), creates: all(), ..Side::default() };
    let (crm, erp) = (ConnectionName::from("crm"), ConnectionName::from("erp"));
    let billing = Owner::Until { stage: "first-invoice".into(), before: crm.clone(), then: erp.clone() };
    let owners = Owners {
        default: Some(Owner::Always(crm.clone())),
        fields: vec![("creditLimit".into(), Owner::Always(erp.clone())), ("billing".into(), billing)],
        stages: vec!["prospect".into(), "first-invoice".into()],
    };
    Policy {
        owners,
        conflict: Conflict::Queue,

        sides: [(crm, side()), (erp, side())].into_iter().collect(),
        ..Policy::default()
    }
}

/// The customers, their records, and the time that passes.
struct Systems {
    policy: Policy,
    names: Vec<Arc<str>>,
    agreements: Vec<Agreement>,
    records: Vec<Fields>,
    clock: i64,
}

impl Systems {
    fn new(customers: usize) -> Self {
        let names = names();
        let record = |customer: usize| {
            let value = |place: usize| Value::from(format!("{} of customer {customer}", FIELDS[place]));
            names.iter().enumerate().map(|(place, name)| (Arc::clone(name).into(), value(place))).collect::<Fields>()
        };
        let records = (0..customers).map(record).collect();
        Self { policy: policy(), names, agreements: vec![Agreement::default(); customers], records, clock: 0 }
    }

    fn at(&mut self) -> Timestamp {
        self.clock += 1;
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_760_000_000) + SignedDuration::from_millis(self.clock)
    }

    fn hear(&mut self, customer: usize, side: &ConnectionName) {
        let at = self.at();
        let cause = Cause { event: "event".into(), at, release: "release".into() };
        let reading = Reading { id: "1".into(), fields: self.records[customer].clone(), at, cause };
        black_box(self.agreements[customer].take(&self.policy, side, reading, &mut Vec::new()));
    }

    /// What has to be written is written. Gives how many writes there were.
    fn write(&mut self, customer: usize) -> usize {
        let normal = |_: &ConnectionName, fields: &Fields| fields.clone();
        let writes = self.agreements[customer].plan(&self.policy, &normal).writes;
        for write in &writes {
            let cause = Cause { at: self.at(), ..Cause::default() };
            let agreement = &mut self.agreements[customer];
            agreement.written(&self.policy, &write.side, Some("1".into()), &cause, &mut Vec::new());
        }
        writes.len()
    }

    fn edit(&mut self, customer: usize, field: usize, turn: usize) {
        let name = Arc::clone(&self.names[field]);
        self.records[customer].insert(name.into(), Value::from(format!("changed in turn {turn}")));
    }
}

/// What one turn costs, the best of some rounds, as other work on the machine only adds.
fn measure(what: &str, mut turn: impl FnMut(usize)) {
    let mut best = f64::INFINITY;
    for round in 0..5 {
        let (started, mut turns) = (Instant::now(), 0usize);
        while started.elapsed() < Duration::from_millis(300) {
            for _ in 0..100 {
                turn(round * 10_000_000 + turns);
                turns += 1;
            }
        }
        best = best.min(started.elapsed().as_secs_f64() / turns as f64);
    }
    println!("{:>9.0} /s {:>7.2} µs  {what}", 1.0 / best, best * 1e6);
}

fn main() {
    CUSTOMERS.into_iter().for_each(measure_all);
    println!(
        "\nWhat bounds it: a third is looking fields up by name, a quarter copying and dropping what was read. What does"
    );
    println!("not fit the fast memory costs twice as much, as each value is looked at once.");
}

fn measure_all(customers: usize) {
    let (crm, erp) = (ConnectionName::from("crm"), ConnectionName::from("erp"));
    let mut systems = Systems::new(customers);
    for customer in 0..customers {
        systems.hear(customer, &crm);
        assert_eq!(systems.write(customer), 1);
    }
    println!("\n{customers} customers of {} fields, two sides, one core", FIELDS.len());
    measure("an echo: nothing changed, nothing written", |turn| {
        let customer = turn % customers;
        systems.hear(customer, &erp);
        assert_eq!(systems.write(customer), 0);
    });
    measure("one field changed, written to the other side, and its echo", |turn| {
        let customer = turn % customers;
        systems.edit(customer, 9, turn);
        systems.hear(customer, &crm);
        assert_eq!(systems.write(customer), 1);
        systems.hear(customer, &erp);
        assert_eq!(systems.write(customer), 0);
    });
    measure("the same with five fields", |turn| {
        let customer = turn % customers;
        for field in [0, 2, 7, 12, 20] {
            systems.edit(customer, field, turn);
        }
        systems.hear(customer, &crm);
        assert_eq!(systems.write(customer), 1);
        systems.hear(customer, &erp);
    });
    println!("around it");
    measure("a reading copied, which is in all of them", |turn| {
        black_box(systems.records[turn % customers].clone());
    });
    measure("a state made ready to be stored", |turn| {
        black_box(systems.agreements[turn % customers].to_value());
    });
    let stored: Vec<Value> = systems.agreements.iter().map(Agreement::to_value).collect();
    measure("a stored state understood", |turn| {
        black_box(Agreement::from_value(&stored[turn % customers]).is_ok());
    });
    let bytes: usize = stored.iter().map(|value| value.to_string().len()).sum();
    println!("{} bytes of stored state per customer", bytes / customers);
}
