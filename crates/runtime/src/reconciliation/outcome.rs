//! What a comparison came to, as it is kept and shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use model::{Currency, Decimal, ObjectName, Problem, Value, json};
use reconcile::{Judge, Pair, Side, Totals};
use store::{FeedPositionRow, Mutation};

/// Stands where the connection of a feed's position would.
pub(super) const PLACES: &str = "@reconciliation";
/// How many sums are kept.
const SUMS_MAX: usize = 50;

/// What became of the findings of a comparison. Those of the first look are in exactly one of these, of what was told, or of what was
/// dismissed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    /// What the first look saw, without what the further ones took back.
    pub(crate) totals: Totals,
    /// Records that no object can be made of.
    pub(crate) unreadable: Pair<u64>,
    /// Pairs that differ only in the form in which a system can hold a value.
    pub(crate) own_forms: u64,
    /// Not there any more when it was looked at again: it was on its way.
    pub(crate) settled: u64,
    /// Mended by reading again.
    pub(crate) mended: u64,
    /// Still changing, or being written.
    pub(crate) under_way: u64,
    /// With a person by another work item.
    pub(crate) asked: u64,
    /// Missing as it is meant: deleted elsewhere, or not made there.
    pub(crate) meant: u64,
    /// More than is looked at again.
    pub(crate) beyond: u64,
}

/// Of what a sum is: its name and currency.
type Summed = (Arc<str>, Option<Currency>);

fn number(count: u64) -> Value {
    Value::from(i64::try_from(count).unwrap_or(i64::MAX))
}

impl Account {
    /// As it is kept; how many findings are told of is not known yet.
    pub(super) fn to_value(&self, judge: &Judge) -> Value {
        let both = |left: Value, right: Value| {
            let name = |side: Side| Arc::<str>::from(judge.name(side).as_str());
            Value::object([(name(Side::Left), left), (name(Side::Right), right)])
        };
        let counts = |pair: &Pair<u64>| both(number(pair.left), number(pair.right));
        let totals = &self.totals;
        // Months are added up: who looks for the month compares at the command line.
        let mut sums: BTreeMap<Summed, Option<[Decimal; 2]>> = BTreeMap::new();
        for line in &totals.sums {
            let sum = sums.entry((Arc::clone(&line.name), line.currency)).or_insert(Some([Decimal::ZERO; 2]));
            *sum = sum
                .and_then(|[left, right]| Some([left.add(line.left.amount).ok()?, right.add(line.right.amount).ok()?]));
        }
        let sums = sums.into_iter().take(SUMS_MAX).map(|((name, currency), sum)| {
            let amounts = sum.map(|[left, right]| both(Value::from(left), Value::from(right)));
            let difference = sum.and_then(|[left, right]| left.subtract(right).ok());
            Value::object([
                ("name", Value::from(name)),
                ("currency", Value::from(currency.map(|currency| currency.to_string()))),
                ("amounts", amounts.unwrap_or_default()),
                ("difference", difference.map(Value::from).unwrap_or_default()),
            ])
        });
        Value::object([
            ("records", counts(&totals.rows)),
            ("unreadable", counts(&self.unreadable)),
            ("equal", number(totals.equal)),
            ("own_forms", number(self.own_forms)),
            ("different", number(totals.different)),
            ("missing", counts(&totals.missing)),
            ("doubled", counts(&totals.doubled)),
            ("sums", Value::array(sums.collect::<Vec<_>>())),
            ("settled", number(self.settled)),
            ("mended", number(self.mended)),
            ("under_way", number(self.under_way)),
            ("asked", number(self.asked)),
            ("meant", number(self.meant)),
            ("beyond", number(self.beyond)),
        ])
    }
}

/// What is kept of an object's comparisons.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    /// The last one, which may have failed.
    pub(super) last: Value,
    /// The last one that came to its end.
    pub(super) last_complete: Value,
}

impl Kept {
    /// As it stands in the row.
    pub(super) fn read(row: &FeedPositionRow) -> Self {
        // What this program wrote can be read.
        let value = json::parse(&row.position).unwrap_or_default();
        Self { last: value.get("last").clone(), last_complete: value.get("last_complete").clone() }
    }

    /// To be stored, with the time up to which what was due is done.
    pub(super) fn put(&self, object: &ObjectName, at: Timestamp) -> Mutation {
        let value = Value::object([("last", self.last.clone()), ("last_complete", self.last_complete.clone())]);
        let position = value.to_string().into_bytes();
        Mutation::PutFeedPosition(FeedPositionRow {
            connection: PLACES.into(),
            feed: object.as_str().into(),
            position,
            at,
        })
    }
}

/// One that failed.
pub(super) fn failed(problem: &Problem, begun: Timestamp, now: Timestamp) -> Value {
    let problem = Value::object([
        ("code", Value::from(problem.code)),
        ("message", Value::from(problem.message.as_str())),
        ("remedy", Value::from(&*problem.remedy)),
    ]);
    let mut value = Value::object([("problem", problem)]);
    time(&mut value, begun, now);
    value
}

/// Adds when it was.
pub(super) fn time(value: &mut Value, begun: Timestamp, now: Timestamp) {
    value.set("begun_at", Value::from(begun.to_string()));
    value.set("ended_at", Value::from(now.to_string()));
    let took = now.duration_since(begun).as_millis().clamp(0, i128::from(i64::MAX));
    value.set("milliseconds", Value::from(i64::try_from(took).unwrap_or(i64::MAX)));
}
