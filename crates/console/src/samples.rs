//! What the counters were a moment ago: rates, and since when a connection is as it is.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use model::ConnectionName;
use runtime::{ConnectionState, Figures};

/// How often the counters are looked at.
pub(crate) const EVERY: Duration = Duration::from_secs(1);
/// How many looks are remembered: five minutes.
const KEPT: usize = 300;
/// Over how many looks a rate is taken.
const RATE_OVER: usize = 10;
/// How many points the curve has.
const POINTS: usize = 60;

/// What is counted: changes taken in, runs begun, calls.
type Counts = [u64; 3];

struct Look {
    at: Instant,
    counts: Counts,
    calls: Vec<(ConnectionName, u64)>,
}

#[derive(Default)]
struct Inner {
    looks: VecDeque<Look>,
    states: HashMap<ConnectionName, (ConnectionState, Timestamp)>,
}

/// The last looks.
#[derive(Default)]
pub(crate) struct Samples(Mutex<Inner>);

/// What happens per second.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Rate {
    pub(crate) now: f64,
    /// Over the last five minutes, oldest first.
    pub(crate) curve: Vec<f64>,
}

/// All rates.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Rates {
    /// Changes taken in.
    pub(crate) events: Rate,
    /// Runs begun: one for each order and each return.
    pub(crate) orders: Rate,
    /// Calls to systems.
    pub(crate) calls: Rate,
}

impl Samples {
    pub(crate) fn take(&self, figures: &Figures, at: Instant, now: Timestamp) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let calls: Vec<(ConnectionName, u64)> =
            figures.connections.iter().map(|one| (one.name.clone(), one.succeeded + one.rejected)).collect();
        let counts = [figures.events, figures.runs_started, calls.iter().map(|(_, number)| number).sum()];
        if inner.looks.len() >= KEPT {
            inner.looks.pop_front();
        }
        inner.looks.push_back(Look { at, counts, calls });
        for connection in &figures.connections {
            let known = inner.states.entry(connection.name.clone()).or_insert((connection.state, now));
            if known.0 != connection.state {
                *known = (connection.state, now);
            }
        }
    }

    /// Since when a connection is in its state, as far as that was seen.
    pub(crate) fn since(&self, connection: &ConnectionName) -> Option<Timestamp> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.states.get(connection).map(|(_, since)| *since)
    }

    /// Calls that a connection answered per second.
    pub(crate) fn calls_per_second(&self, connection: &ConnectionName) -> f64 {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((first, last)) = ends(&inner.looks) else { return 0.0 };
        let calls =
            |look: &Look| look.calls.iter().find(|(name, _)| name == connection).map_or(0, |(_, number)| *number);
        per_second(calls(first), calls(last), first, last)
    }

    /// What happens per second.
    pub(crate) fn rates(&self) -> Rates {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((first, last)) = ends(&inner.looks) else { return Rates::default() };
        let step = KEPT / POINTS;
        let looks: Vec<&Look> = inner.looks.iter().rev().step_by(step).collect();
        let one = |place: usize| Rate {
            now: per_second(first.counts[place], last.counts[place], first, last),
            curve: looks
                .windows(2)
                .rev()
                .map(|pair| per_second(pair[1].counts[place], pair[0].counts[place], pair[1], pair[0]))
                .collect(),
        };
        Rates { events: one(0), orders: one(1), calls: one(2) }
    }
}

/// The looks between which a rate is taken.
fn ends(looks: &VecDeque<Look>) -> Option<(&Look, &Look)> {
    let last = looks.back()?;
    let first = looks.iter().rev().nth(RATE_OVER).or(looks.front())?;
    Some((first, last))
}

#[expect(clippy::cast_precision_loss, reason = "a rate for a screen")]
fn per_second(before: u64, after: u64, first: &Look, last: &Look) -> f64 {
    let seconds = last.at.saturating_duration_since(first.at).as_secs_f64();
    if seconds <= 0.0 { 0.0 } else { after.saturating_sub(before) as f64 / seconds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_differences_over_time() {
        let samples = Samples::default();
        assert_eq!(samples.rates(), Rates::default());
        let begin = Instant::now();
        for second in 0..30 {
            let figures = Figures { events: second * 5, runs_started: second, ..Figures::default() };
            samples.take(&figures, begin + Duration::from_secs(second), Timestamp::UNIX_EPOCH);
        }
        let rates = samples.rates();
        assert!((rates.events.now - 5.0).abs() < 1e-9 && (rates.orders.now - 1.0).abs() < 1e-9, "{rates:?}");
        assert_eq!(rates.events.curve.len(), 5);
    }
}
