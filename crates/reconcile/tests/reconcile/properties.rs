//! Against a comparison that anybody can see to be right.

use std::collections::{BTreeMap, BTreeSet};

use model::{Decimal, Value};
use proptest::prelude::*;
use reconcile::{Finding, ReconcileError, Side, Totals, compare_while};
use sync::{fields_of, is_same};

use crate::world::{Given, compared, row, shape, spooled};

fn value() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["null", "\"\"", "\"a\"", "\"b\"", "1", "1.0", "1.5", "1.50", "true", "[]", "{\"x\":1}"])
        .prop_map(str::to_owned)
}

fn amount() -> impl Strategy<Value = String> {
    prop_oneof![
        (-9_999_999_i64..9_999_999, 0_u32..4).prop_map(|(units, scale)| {
            let text = Decimal::from_units(units, u8::try_from(scale).expect("small")).to_string();
            if units % 2 == 0 { text } else { format!("\"{text}\"") }
        }),
        Just("null".to_owned()),
    ]
}

fn items() -> impl Strategy<Value = String> {
    prop::collection::vec((0..3, 0..2), 0..3).prop_map(|items| {
        let items: Vec<String> = items.iter().map(|(id, n)| format!("{{\"id\":{id},\"n\":{n}}}")).collect();
        format!("[{}]", items.join(","))
    })
}

fn given() -> impl Strategy<Value = Given> {
    let currency = prop::sample::select(vec!["\"EUR\"", "\"GBP\"", "null", "\"euro\""]);
    let date = prop::sample::select(vec!["\"2026-10-31\"", "\"2026-11-01T00:00:00Z\"", "null"]);
    (0..8, 0..1000, value(), value(), amount(), items(), currency, date).prop_map(
        |(key, id, name, city, total, items, currency, date)| {
            let object = format!(
                "{{\"name\":{name},\"billing\":{{\"city\":{city}}},\"total\":{total},\"items\":{items},\
                 \"currency\":{currency},\"date\":{date},\"ignored\":{id}}}"
            );
            row(&format!("K{key}"), &format!("{id}"), &object)
        },
    )
}

/// Two sides, mostly alike.
fn sides() -> impl Strategy<Value = (Vec<Given>, Vec<Given>)> {
    (prop::collection::vec(given(), 0..14), prop::collection::vec(given(), 0..4)).prop_flat_map(|(left, more)| {
        let kept = prop::collection::vec(prop::bool::weighted(0.8), left.len());
        (Just(left), Just(more), kept).prop_map(|(left, more, kept)| {
            let mut right: Vec<Given> =
                left.iter().zip(kept).filter(|(_, kept)| *kept).map(|(row, _)| row.clone()).collect();
            right.extend(more);
            (left, right)
        })
    })
}

/// What is found, as texts: key, kind and side or member.
fn naive(left: &[Given], right: &[Given]) -> BTreeSet<String> {
    let by_key = |rows: &[Given]| {
        let mut groups: BTreeMap<String, Vec<Given>> = BTreeMap::new();
        for row in rows {
            groups.entry(row.key.clone()).or_default().push(row.clone());
        }
        groups
    };
    let (left, right) = (by_key(left), by_key(right));
    let mut found = BTreeSet::new();
    for key in left.keys().chain(right.keys()) {
        let none = Vec::new();
        let (one, other) = (left.get(key).unwrap_or(&none), right.get(key).unwrap_or(&none));
        match (one.as_slice(), other.as_slice()) {
            ([one], [other]) => {
                for member in &shape().members {
                    let value = |row: &Given| {
                        let value =
                            fields_of(&row.object, [&member.name]).shift_remove(&member.name).expect("a member");
                        if &*member.name != "items" {
                            return value;
                        }
                        let mut items = value.items().to_vec();
                        items.sort_by_key(|item| item.get("id").as_i64());
                        Value::from(items)
                    };
                    if !is_same(&value(one), &value(other)) {
                        found.insert(format!("{key} differs in {}", member.name));
                    }
                }
            }
            ([_], []) => drop(found.insert(format!("{key} is missing on Right"))),
            ([], [_]) => drop(found.insert(format!("{key} is missing on Left"))),
            _ => {
                if one.len() > 1 {
                    found.insert(format!("{key} is {} times on Left, {} on the other", one.len(), other.len()));
                }
                if other.len() > 1 {
                    found.insert(format!("{key} is {} times on Right, {} on the other", other.len(), one.len()));
                }
            }
        }
    }
    found
}

fn told(findings: &[Finding]) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    for finding in findings {
        let key = finding.key();
        match finding {
            Finding::Missing { on, .. } => drop(told.insert(format!("{key} is missing on {on:?}"))),
            Finding::Doubled { on, count, counterparts, .. } => {
                told.insert(format!("{key} is {count} times on {on:?}, {counterparts} on the other"));
            }
            Finding::Different { members, .. } => {
                told.extend(members.iter().map(|difference| format!("{key} differs in {}", difference.member)));
            }
        }
    }
    told
}

/// Every row is somewhere.
fn adds_up(totals: &Totals) -> bool {
    [Side::Left, Side::Right].into_iter().all(|side| {
        let missing = totals.missing.of(side.other());
        *totals.rows.of(side)
            == totals.equal + totals.different + missing + totals.doubled_rows.of(side) + totals.apart.of(side)
    })
}

/// Sums by name of currency and month, in units of 1/1000.
fn sums(rows: &[Given]) -> BTreeMap<(String, String), i64> {
    let mut sums = BTreeMap::new();
    for row in rows {
        let total = row.object.get("total");
        let total = total.as_str().map_or_else(|| total.to_string(), str::to_owned);
        let Ok(amount) = total.parse::<Decimal>() else { continue };
        let thousandths = amount.multiply(Decimal::from(1000)).expect("small").to_i64().expect("whole");
        let currency = match row.object.get("currency").as_str() {
            Some("euro") | None => "none",
            Some(currency) => currency,
        };
        let month = row.object.get("date").as_str().map_or("none", |date| &date[..7]);
        *sums.entry((currency.to_owned(), month.to_owned())).or_insert(0) += thousandths;
    }
    sums
}

proptest! {
    #[test]
    fn finds_what_a_naive_comparison_finds((left, right) in sides()) {
        let (findings, totals) = compared(&left, &right);
        prop_assert_eq!(told(&findings), naive(&left, &right));
        prop_assert_eq!(findings.len() as u64, totals.findings());
        prop_assert!(adds_up(&totals), "{:?}", totals);
    }

    #[test]
    fn the_order_of_rows_means_nothing((left, right) in sides(), seed in any::<u64>()) {
        let shuffled = |rows: &[Given]| {
            let mut rows = rows.to_vec();
            let mut random = seed;
            for last in (1..rows.len()).rev() {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                rows.swap(last, (random >> 33) as usize % (last + 1));
            }
            rows
        };
        prop_assert_eq!(compared(&left, &right), compared(&shuffled(&left), &shuffled(&right)));
    }

    #[test]
    fn sums_are_exact((left, right) in sides()) {
        let (_, totals) = compared(&left, &right);
        let thousandths = |amount: Decimal| amount.multiply(Decimal::from(1000)).expect("small").to_i64().expect("whole");
        let name = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
        let mut told = [BTreeMap::new(), BTreeMap::new()];
        for line in &totals.sums {
            let key = (name(line.currency.map(|c| c.to_string())), name(line.period.map(|p| p.to_string())));
            for (told, sum) in told.iter_mut().zip([line.left, line.right]) {
                if sum.rows > 0 {
                    told.insert(key.clone(), thousandths(sum.amount));
                }
            }
            prop_assert_eq!(thousandths(line.difference), thousandths(line.left.amount) - thousandths(line.right.amount));
        }
        prop_assert_eq!(told, [sums(&left), sums(&right)]);
    }
}

#[test]
fn a_comparison_that_is_not_wanted_any_more_ends_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = [row("A", "1", r#"{"name": "one"}"#), row("B", "2", r#"{"name": "two"}"#)];
    let (left, right) = (spooled(&folder, &rows), spooled(&folder, &[]));
    let stopped = compare_while(&left, &right, || false, |_| Ok::<(), ReconcileError>(()));
    assert!(matches!(stopped, Err(ReconcileError::Stopped)), "{stopped:?}");
    drop((left, right));
    assert_eq!(folder.path().read_dir().expect("a folder").count(), 0);
}
