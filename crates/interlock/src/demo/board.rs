//! Where every accepted quote stands, as the CRM tells it: what the progress display, the pace of the sales team, the end of
//! the demo and the latencies are taken from.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// How far an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// The ERP has it and the CRM knows.
    Ordered,
    /// Goods have left.
    Delivered,
    /// It is billed.
    Invoiced,
    /// It is paid.
    Paid,
}

/// The steps whose latency is told, in the order of [`Stage`], as the account names them.
pub(crate) const STEPS: [&str; 4] =
    ["accepted_to_ordered", "accepted_to_delivered", "accepted_to_invoiced", "accepted_to_paid"];

impl Stage {
    /// Reads `Order.ERP_Status__c`. A cancelled order goes no further and holds nobody up.
    pub(crate) fn read(status: &str) -> Self {
        match status {
            "Shipped" => Self::Delivered,
            "Invoiced" => Self::Invoiced,
            "Paid" | "Cancelled" => Self::Paid,
            _ => Self::Ordered,
        }
    }
}

/// What the sales person reads on a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing yet.
    Accepted,
    /// Its orders are in the ERP.
    Ordered,
    /// It waits for a person.
    Held,
    /// A person turned it down.
    Rejected,
    /// Everything is paid.
    Completed,
    /// The customer took it back in time.
    Cancelled,
}

impl Standing {
    /// Reads `Quote.Interlock_Status__c`.
    pub(crate) fn read(status: &str) -> Self {
        match status {
            "Ordered" => Self::Ordered,
            "Completed" => Self::Completed,
            "Cancelled" => Self::Cancelled,
            "Rejected" => Self::Rejected,
            _ if status.starts_with("Held") => Self::Held,
            _ => Self::Accepted,
        }
    }

    /// Whether nothing more happens by itself.
    pub(crate) const fn is_settled(self) -> bool {
        matches!(self, Self::Held | Self::Rejected | Self::Completed | Self::Cancelled)
    }
}

/// One ERP order's record in the CRM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrderRecord {
    pub(crate) id: String,
    pub(crate) plant: String,
    pub(crate) stage: Stage,
}

/// One accepted quote.
#[derive(Debug, Clone)]
pub(crate) struct Quote {
    /// Its id in the CRM.
    pub(crate) id: String,
    /// Place among the plan's orders.
    pub(crate) order: u32,
    accepted_at: Timestamp,
    /// Where it stands.
    pub(crate) standing: Standing,
    /// Its orders.
    pub(crate) records: Vec<OrderRecord>,
    reached: [bool; 4],
}

/// How many quotes got how far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) accepted: u64,
    pub(crate) ordered: u64,
    pub(crate) delivered: u64,
    pub(crate) invoiced: u64,
    pub(crate) paid: u64,
    /// Waiting for a person, or turned down by one.
    pub(crate) held: u64,
    pub(crate) settled: u64,
    /// Returns handed in, and those that are through.
    pub(crate) returns: u64,
    pub(crate) returns_done: u64,
}

#[derive(Default)]
struct State {
    quotes: Vec<Quote>,
    by_id: HashMap<String, u32>,
    returns: HashMap<String, bool>,
    counts: Counts,
    latencies: [Vec<f64>; 4],
    changed_at: Option<Instant>,
    started_at: Option<Instant>,
    ordered_at: Option<Instant>,
}

/// The board. Shared by who sells and who watches.
#[derive(Default)]
pub(crate) struct Board {
    state: Mutex<State>,
}

impl Board {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Quotes (id, place among the plan's orders) that are accepted now.
    pub(crate) fn accepted(&self, quotes: impl IntoIterator<Item = (String, u32)>, at: Timestamp) {
        let mut state = self.state();
        for (id, order) in quotes {
            let place = u32::try_from(state.quotes.len()).unwrap_or(u32::MAX);
            state.by_id.insert(id.clone(), place);
            let standing = Standing::Accepted;
            state.quotes.push(Quote { id, order, accepted_at: at, standing, records: Vec::new(), reached: [false; 4] });
            state.counts.accepted += 1;
        }
        state.changed_at = Some(Instant::now());
    }

    /// A quote's standing was read. Answers the quote when that is news.
    pub(crate) fn standing(&self, id: &str, standing: Standing) -> Option<Quote> {
        let mut guard = self.state();
        let state = &mut *guard;
        let quote = state.by_id.get(id).and_then(|place| state.quotes.get_mut(*place as usize))?;
        if quote.standing == standing {
            return None;
        }
        let count = |counts: &mut Counts, standing: Standing, step: i64| {
            let change = |count: &mut u64| *count = count.saturating_add_signed(step);
            if standing.is_settled() {
                change(&mut counts.settled);
            }
            if matches!(standing, Standing::Held | Standing::Rejected) {
                change(&mut counts.held);
            }
            if matches!(standing, Standing::Ordered | Standing::Completed | Standing::Cancelled) {
                change(&mut counts.ordered);
            }
        };
        if standing == Standing::Ordered {
            state.ordered_at = Some(Instant::now());
        }
        count(&mut state.counts, quote.standing, -1);
        count(&mut state.counts, standing, 1);
        quote.standing = standing;
        state.changed_at = Some(Instant::now());
        Some(quote.clone())
    }

    /// A CRM order of a quote was seen: how far it is. Times of the CRM have whole seconds, so that the moment of the look
    /// tells more.
    pub(crate) fn order(&self, quote_id: &str, record: OrderRecord, seen: Timestamp) {
        let mut guard = self.state();
        let state = &mut *guard;
        let Some(quote) = state.by_id.get(quote_id).and_then(|place| state.quotes.get_mut(*place as usize)) else {
            return;
        };
        match quote.records.iter_mut().find(|known| known.id == record.id) {
            Some(known) if known.stage == record.stage => return,
            Some(known) => known.stage = record.stage,
            None => quote.records.push(record),
        }
        state.changed_at = Some(Instant::now());
        let Some(slowest) = quote.records.iter().map(|record| record.stage).min() else { return };
        for stage in [Stage::Ordered, Stage::Delivered, Stage::Invoiced, Stage::Paid] {
            let step = stage as usize;
            if stage > slowest || quote.reached[step] {
                continue;
            }
            quote.reached[step] = true;
            let milliseconds = seen.duration_since(quote.accepted_at).as_secs_f64() * 1_000.0;
            state.latencies[step].push(milliseconds.max(0.0));
            match stage {
                Stage::Ordered => {}
                Stage::Delivered => state.counts.delivered += 1,
                Stage::Invoiced => state.counts.invoiced += 1,
                Stage::Paid => state.counts.paid += 1,
            }
        }
    }

    /// A return was handed in, or its progress was read.
    pub(crate) fn returned(&self, id: &str, done: bool) {
        let mut guard = self.state();
        let state = &mut *guard;
        let before = state.returns.insert(id.to_owned(), done);
        if before.is_none() {
            state.counts.returns += 1;
        }
        if done && before != Some(true) {
            state.counts.returns_done += 1;
        }
        if before != Some(done) {
            state.changed_at = Some(Instant::now());
        }
    }

    /// Whether this return is one of ours.
    pub(crate) fn knows_return(&self, id: &str) -> bool {
        self.state().returns.contains_key(id)
    }

    /// All accepted quotes: id, and place among the plan's orders.
    pub(crate) fn quotes(&self) -> Vec<(String, u32)> {
        self.state().quotes.iter().map(|quote| (quote.id.clone(), quote.order)).collect()
    }

    /// How many quotes got how far.
    pub(crate) fn counts(&self) -> Counts {
        self.state().counts
    }

    /// From here on time is taken.
    pub(crate) fn start_clock(&self) {
        self.state().started_at = Some(Instant::now());
    }

    /// Seconds until the last quote became orders.
    pub(crate) fn seconds_to_last_order(&self) -> f64 {
        let state = self.state();
        match (state.started_at, state.ordered_at) {
            (Some(started), Some(ordered)) => ordered.saturating_duration_since(started).as_secs_f64(),
            _ => 0.0,
        }
    }

    /// How long nothing has changed.
    pub(crate) fn quiet_for(&self) -> Duration {
        self.state().changed_at.map_or(Duration::ZERO, |at| at.elapsed())
    }

    /// Milliseconds of every quote at each of [`STEPS`], sorted.
    pub(crate) fn latencies(&self) -> [Vec<f64>; 4] {
        let mut latencies = self.state().latencies.clone();
        for step in &mut latencies {
            step.sort_by(f64::total_cmp);
        }
        latencies
    }
}

/// The value below which `percent` of the sorted values lie; 0 without values.
pub(crate) fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str, stage: Stage) -> OrderRecord {
        OrderRecord { id: id.to_owned(), plant: "1010".to_owned(), stage }
    }

    #[test]
    fn a_quote_is_as_far_as_its_slowest_order() {
        let board = Board::default();
        let at = |second| Timestamp::from_second(second).expect("a time");
        board.accepted([("Q".to_owned(), 0)], at(100));
        board.order("Q", record("A", Stage::Paid), at(105));
        assert_eq!(board.counts().paid, 1);
        let board = Board::default();
        board.accepted([("Q".to_owned(), 0)], at(100));
        board.order("Q", record("A", Stage::Ordered), at(101));
        board.order("Q", record("B", Stage::Ordered), at(102));
        board.order("Q", record("A", Stage::Paid), at(105));
        assert_eq!((board.counts().invoiced, board.counts().paid), (0, 0));
        board.order("Q", record("B", Stage::Invoiced), at(107));
        assert_eq!((board.counts().invoiced, board.counts().paid), (1, 0));
        let latencies = board.latencies();
        assert_eq!(latencies[Stage::Ordered as usize], [1_000.0]);
        assert_eq!(latencies[Stage::Invoiced as usize], [7_000.0]);
    }

    #[test]
    fn a_held_quote_that_a_person_releases_counts_as_ordered() {
        let board = Board::default();
        board.accepted([("Q".to_owned(), 0)], Timestamp::UNIX_EPOCH);
        assert!(board.standing("Q", Standing::read("Held: credit")).is_some());
        assert!(board.standing("Q", Standing::Held).is_none());
        assert_eq!((board.counts().held, board.counts().settled), (1, 1));
        board.standing("Q", Standing::Ordered);
        assert_eq!((board.counts().held, board.counts().settled, board.counts().ordered), (0, 0, 1));
        assert!(board.standing("unknown", Standing::Ordered).is_none());
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!([50, 95, 99].map(|percent| percentile(&values, percent)), [50.0, 95.0, 99.0]);
        assert_eq!(percentile(&[], 99), 0.0);
    }
}
