//! The closing account: what was put in, what came out in both systems, and whether they agree.

use std::collections::{BTreeMap, HashMap, HashSet};

use model::{Decimal, Problem, Rounding, Value};

use super::board::{STEPS, percentile};
use super::books::{Books, OrderBooked, QuoteBooked, Sums, minus};
use super::input::InputAccount;

/// Accepted quotes, by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OrderAccount {
    /// Quotes that customers accepted.
    pub(crate) accepted: u64,
    /// Quotes all of whose lines are in sales orders of the ERP.
    pub(crate) in_erp: u64,
    /// Quotes that wait for a person, were turned down by one, or were taken back while they waited.
    pub(crate) held: u64,
    /// Quotes of which nobody knows anything.
    pub(crate) missing: u64,
    /// Sales orders that the ERP has once too often.
    pub(crate) doubled: u64,
    /// Sales orders in the ERP.
    pub(crate) sales_orders: u64,
    /// Quotes whose customers took them back in time.
    pub(crate) cancelled: u64,
    /// Quotes that are paid to the last line.
    pub(crate) completed: u64,
    /// Numbers of a few missing quotes, to look for them.
    pub(crate) missing_examples: Vec<String>,
}

/// One currency, both systems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MoneyAccount {
    pub(crate) currency: String,
    pub(crate) crm: Sums,
    pub(crate) erp: Sums,
    /// Invoiced less credited.
    pub(crate) crm_net: Decimal,
    pub(crate) erp_net: Decimal,
    pub(crate) difference: Decimal,
    pub(crate) paid_difference: Decimal,
}

/// What the middleware itself tells.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct OwnFigures {
    /// Open work items by queue.
    pub(crate) work_items: BTreeMap<String, u64>,
    /// What it counted; `None` when it could not be asked.
    pub(crate) counted: Option<Counted>,
    /// Whether it was killed meanwhile: then it counted since its last start only.
    pub(crate) since_last_start: bool,
}

/// What a middleware counts for as long as its process lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Requests that were sent again.
    pub(crate) retries: u64,
    /// Records that were looked up by their business key: after a lost answer, and before creates that look first.
    pub(crate) probed: u64,
    /// Creates that had happened although their answer was lost.
    pub(crate) found: u64,
    /// Changes that a sweep found because their event was lost.
    pub(crate) healed: u64,
}

impl OwnFigures {
    /// What was counted from the first order to the last; `None` when a killed process took a part of it away.
    pub(crate) fn counted_from_the_beginning(&self) -> Option<Counted> {
        self.counted.filter(|_| !self.since_last_start)
    }

    /// What was counted since the last start; `None` when it was never killed.
    pub(crate) fn counted_since_last_start(&self) -> Option<Counted> {
        self.counted.filter(|_| self.since_last_start)
    }
}

/// Everything.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) input: InputAccount,
    pub(crate) input_orders: u64,
    pub(crate) input_returns: u64,
    pub(crate) orders: OrderAccount,
    pub(crate) returns: u64,
    pub(crate) returns_processed: u64,
    pub(crate) returns_doubled: u64,
    pub(crate) customers_doubled: u64,
    pub(crate) money: Vec<MoneyAccount>,
    pub(crate) own: OwnFigures,
    pub(crate) faults: BTreeMap<String, i64>,
    /// Sorted milliseconds of each of [`STEPS`].
    pub(crate) latencies: [Vec<f64>; 4],
    pub(crate) seconds: f64,
    /// Whether everything came to rest, and did not just stop moving.
    pub(crate) at_rest: bool,
}

impl Account {
    /// Whether nothing is missing, nothing doubled, and every cent equal.
    pub(crate) fn closes(&self) -> bool {
        let doubled = self.orders.doubled + self.returns_doubled + self.customers_doubled;
        let money = self.money.iter().all(|money| money.difference.is_zero() && money.paid_difference.is_zero());
        self.orders.missing == 0 && doubled == 0 && money
    }

    /// Quotes in the ERP per second of traffic.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn per_second(&self) -> f64 {
        if self.seconds > 0.0 { self.orders.in_erp as f64 / self.seconds } else { 0.0 }
    }

    /// As one JSON document.
    pub(crate) fn to_value(&self) -> Value {
        let number = |count: u64| Value::from(i64::try_from(count).unwrap_or(i64::MAX));
        let set_aside = self.input.set_aside.iter().map(|(reason, count)| (reason.word(), number(*count)));
        let input = Value::object([
            ("rows", number(self.input.rows)),
            ("orders", number(self.input_orders)),
            ("order_lines", number(self.input.order_lines)),
            ("returns", number(self.input_returns)),
            ("return_lines", number(self.input.return_lines)),
            ("set_aside", Value::object(set_aside)),
            ("more_rows_in_source", Value::from(self.input.more)),
        ]);
        let orders = Value::object([
            ("accepted", number(self.orders.accepted)),
            ("in_erp", number(self.orders.in_erp)),
            ("held", number(self.orders.held)),
            ("missing", number(self.orders.missing)),
            ("doubled", number(self.orders.doubled)),
            ("sales_orders", number(self.orders.sales_orders)),
            ("cancelled", number(self.orders.cancelled)),
            ("completed", number(self.orders.completed)),
            ("missing_examples", Value::array(self.orders.missing_examples.iter().map(String::as_str))),
        ]);
        let returns = Value::object([
            ("submitted", number(self.returns)),
            ("processed", number(self.returns_processed)),
            ("waiting", number(self.returns.saturating_sub(self.returns_processed))),
            ("doubled", number(self.returns_doubled)),
        ]);
        let latency = STEPS.iter().zip(&self.latencies).map(|(step, values)| {
            let at = |percent| milliseconds(percentile(values, percent));
            let count = Value::from(values.len());
            (*step, Value::object([("p50", at(50)), ("p95", at(95)), ("p99", at(99)), ("count", count)]))
        });
        let counted = |counted: Counted| {
            Value::object([
                ("retries", number(counted.retries)),
                ("probed", number(counted.probed)),
                ("found", number(counted.found)),
                ("healed", number(counted.healed)),
            ])
        };
        let whole: Value = self.own.counted_from_the_beginning().map(counted).into();
        Value::object([
            ("input", input),
            ("orders", orders),
            ("returns", returns),
            ("customers", Value::object([("doubled", number(self.customers_doubled))])),
            ("money", Value::array(self.money.iter().map(money))),
            (
                "work_items",
                Value::object(self.own.work_items.iter().map(|(queue, open)| (queue.as_str(), number(*open)))),
            ),
            ("faults", Value::object(self.faults.iter().map(|(name, times)| (name.as_str(), Value::from(*times))))),
            ("retries", whole.get("retries").clone()),
            ("probed", whole.get("probed").clone()),
            ("found", whole.get("found").clone()),
            ("healed", whole.get("healed").clone()),
            ("since_last_start", self.own.counted_since_last_start().map(counted).into()),
            ("latency_ms", Value::object(latency)),
            ("orders_per_second", milliseconds(self.per_second())),
            ("seconds", milliseconds(self.seconds)),
            ("at_rest", Value::from(self.at_rest)),
            ("closes", Value::from(self.closes())),
        ])
    }
}

/// A measured number with three digits behind the point.
pub(crate) fn milliseconds(value: f64) -> Value {
    format!("{value:.3}").parse::<Decimal>().map_or(Value::Null, Value::from)
}

fn money(money: &MoneyAccount) -> Value {
    let cents = |amount: Decimal| Value::from(amount.round(2, Rounding::HalfEven));
    let sums = |sums: &Sums| {
        Value::object([
            ("invoiced", cents(sums.invoiced)),
            ("credited", cents(sums.credited)),
            ("paid", cents(sums.paid)),
        ])
    };
    Value::object([
        ("currency", Value::from(money.currency.as_str())),
        ("crm", cents(money.crm_net)),
        ("erp", cents(money.erp_net)),
        ("difference", cents(money.difference)),
        ("paid_difference", cents(money.paid_difference)),
        ("crm_sums", sums(&money.crm)),
        ("erp_sums", sums(&money.erp)),
    ])
}

/// Sets quotes against sales orders.
///
/// A quote is in the ERP when its sales orders (whose reference is `<quote>-<plant>`, with `-2` and so on behind it when it
/// was accepted again) come to its total, or when there is one
/// for each plant that it is delivered from (a person may have changed the lines), or when it was taken back after it had
/// been ordered.
pub(crate) fn orders(
    quotes: &[QuoteBooked],
    booked: &[OrderBooked],
    plants: &HashMap<String, Vec<&'static str>>,
) -> Result<OrderAccount, Problem> {
    let mut by_quote: HashMap<&str, HashMap<&str, Decimal>> = HashMap::new();
    let mut seen: HashSet<&str> = HashSet::new();
    let mut account = OrderAccount { accepted: quotes.len() as u64, ..OrderAccount::default() };
    for order in booked {
        account.sales_orders += 1;
        if !seen.insert(&order.reference) {
            account.doubled += 1;
            continue;
        }
        // Of what a quote was cancelled and accepted again, the cancelled order is worth nothing any more.
        let mut parts = order.reference.splitn(3, '-');
        let (quote, plant) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let net = by_quote.entry(quote).or_default().entry(plant).or_insert(Decimal::ZERO);
        *net = minus(*net, minus(Decimal::ZERO, order.net)?)?;
    }
    for quote in quotes {
        let orders = by_quote.get(quote.number.as_str());
        let mut total = Decimal::from_units(0, 2);
        for net in orders.into_iter().flat_map(HashMap::values) {
            total = minus(total, Decimal::ZERO.subtract(*net).unwrap_or(Decimal::ZERO))?;
        }
        let every_plant = || {
            let expected = plants.get(&quote.id).map_or(&[][..], Vec::as_slice);
            !expected.is_empty() && expected.iter().all(|plant| orders.is_some_and(|orders| orders.contains_key(plant)))
        };
        let complete = orders.is_some() && (total == quote.total || quote.denied || every_plant());
        account.cancelled += u64::from(quote.status == "Cancelled");
        account.completed += u64::from(quote.status == "Completed");
        if complete {
            account.in_erp += 1;
        } else if quote.status.starts_with("Held")
            || quote.status == "Rejected"
            || (quote.denied && orders.is_none() && quote.status == "Cancelled")
        {
            account.held += 1;
        } else {
            account.missing += 1;
            if account.missing_examples.len() < 10 {
                account.missing_examples.push(format!("{} ({})", quote.number, quote.status));
            }
        }
    }
    Ok(account)
}

/// Sets the sums of both systems against each other.
pub(crate) fn money_of(books: &Books) -> Result<Vec<MoneyAccount>, Problem> {
    let currencies: std::collections::BTreeSet<&String> = books.crm.keys().chain(books.erp.keys()).collect();
    let mut all = Vec::new();
    for currency in currencies {
        let crm = books.crm.get(currency).copied().unwrap_or_default();
        let erp = books.erp.get(currency).copied().unwrap_or_default();
        let (crm_net, erp_net) = (minus(crm.invoiced, crm.credited)?, minus(erp.invoiced, erp.credited)?);
        let currency = currency.clone();
        let (difference, paid_difference) = (minus(crm_net, erp_net)?, minus(crm.paid, erp.paid)?);
        all.push(MoneyAccount { currency, crm, erp, crm_net, erp_net, difference, paid_difference });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quote(number: &str, total: i64, status: &str) -> QuoteBooked {
        let total = Decimal::from_units(total, 2);
        QuoteBooked {
            id: format!("id-{number}"),
            number: number.to_owned(),
            total,
            denied: false,
            status: status.to_owned(),
        }
    }

    fn order(reference: &str, net: i64) -> OrderBooked {
        OrderBooked { number: "1".to_owned(), reference: reference.to_owned(), net: Decimal::from_units(net, 2) }
    }

    #[test]
    fn every_quote_is_in_exactly_one_place() {
        let quotes = [
            quote("00000001", 1_000, "Completed"),
            quote("00000002", 1_000, "Held: tax"),
            quote("00000003", 1_000, ""),
            quote("00000004", 1_000, "Ordered"),
            quote("00000005", 1_000, "Rejected"),
            quote("00000006", 1_000, "Completed"),
            quote("00000007", 700, "Ordered"),
        ];
        let booked = [
            order("00000001-1010", 600),
            order("00000001-1020", 400),
            // Half of it is not there.
            order("00000004-1010", 600),
            order("00000006-1010", 1_000),
            order("00000006-1010", 1_000),
            // Cancelled, and accepted again.
            order("00000007-1010", 0),
            order("00000007-1010-2", 700),
        ];
        let account = orders(&quotes, &booked, &HashMap::new()).expect("sums fit");
        assert_eq!((account.accepted, account.in_erp, account.held, account.missing), (7, 3, 2, 2));
        assert_eq!((account.doubled, account.sales_orders, account.completed), (1, 7, 2));
        assert_eq!(account.missing_examples, ["00000003 ()", "00000004 (Ordered)"]);
        let plants = HashMap::from([("id-00000004".to_owned(), vec!["1010"])]);
        assert_eq!(orders(&quotes, &booked, &plants).expect("sums fit").in_erp, 4);
    }

    #[test]
    fn what_a_killed_process_counted_is_not_told_as_the_whole() {
        let counted = Counted { retries: 3, probed: 2, found: 1, healed: 4 };
        let own = |since_last_start, counted| OwnFigures { counted, since_last_start, ..OwnFigures::default() };
        let whole = own(false, Some(counted));
        assert_eq!((whole.counted_from_the_beginning(), whole.counted_since_last_start()), (Some(counted), None));
        let part = own(true, Some(counted));
        assert_eq!((part.counted_from_the_beginning(), part.counted_since_last_start()), (None, Some(counted)));
        let unknown = own(true, None);
        assert_eq!((unknown.counted_from_the_beginning(), unknown.counted_since_last_start()), (None, None));
    }

    #[test]
    fn a_cent_does_not_go_unnoticed() {
        let mut books = Books::default();
        let sums = |invoiced, credited| Sums {
            invoiced: Decimal::from_units(invoiced, 2),
            paid: Decimal::from_units(0, 2),
            credited: Decimal::from_units(credited, 2),
        };
        books.crm.insert("GBP".to_owned(), sums(1_000, 100));
        books.erp.insert("GBP".to_owned(), sums(1_001, 100));
        let money = money_of(&books).expect("sums fit");
        assert_eq!(money[0].difference.to_string(), "-0.01");
        assert_eq!(money[0].crm_net.to_string(), "9.00");
    }
}
