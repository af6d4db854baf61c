//! Which windows of a feed are proven complete, which are not, why, and what is read again because of it.
//!
//! Only a sweep proves a window: a feed does not know what it lost. What is to be read next begins where the proof ends, so
//! that whatever was missed is read again without anybody asking: after an outage, after a stop, when the place in the feed is
//! gone, and when the feed told that more changed than it describes. What is known goes into the row of the sweep, in the
//! commit of what led to it.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use model::{Value, json};
use sync::{Coverage, Window};

use crate::figures::{CoverageFigures, GapFigures};

/// How many gaps are kept apart with a reason of their own; two of the oldest become one beyond that.
const GAPS_MAX: usize = 32;

/// Why a window is not proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    /// The system did not answer.
    Outage,
    /// Interlock was not running.
    Stopped,
    /// The place in the feed is too old to go on from.
    PlaceLost,
    /// The feed told that more changed than it describes.
    Overflow,
}

impl GapReason {
    const WORDS: [(Self, &'static str); 4] = [
        (Self::Outage, "outage"),
        (Self::Stopped, "stopped"),
        (Self::PlaceLost, "place-lost"),
        (Self::Overflow, "overflow"),
    ];

    /// The word for programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(reason, _)| *reason == self).map_or("", |(_, word)| word)
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, known)| *known == word).map(|(reason, _)| *reason)
    }
}

impl fmt::Display for GapReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Outage => "the system did not answer",
            Self::Stopped => "Interlock was not running",
            Self::PlaceLost => "the place in the feed was too old to go on from",
            Self::Overflow => "the feed told that more changed than it describes",
        })
    }
}

/// A window that was found not to be proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gap {
    from: Timestamp,
    /// When that was found: what was read before says nothing of it.
    found: Timestamp,
    reason: GapReason,
}

/// What is known of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ledger {
    coverage: Coverage,
    gaps: Vec<Gap>,
}

impl Ledger {
    /// Of a feed that owes every change since this instant.
    pub(crate) const fn new(since: Timestamp) -> Self {
        Self { coverage: Coverage::new(since), gaps: Vec::new() }
    }

    /// Up to when everything that is owed is proven.
    pub(crate) fn complete_until(&self) -> Timestamp {
        self.coverage.complete_until()
    }

    /// Something was missed from an instant on, and that is known now.
    pub(crate) fn doubt(&mut self, from: Timestamp, now: Timestamp, reason: GapReason) {
        let from = from.max(self.coverage.since());
        if let Some(window) = Window::new(from, now) {
            self.coverage.doubt(window);
        }
        match self.gaps.iter_mut().find(|gap| gap.reason == reason) {
            Some(gap) => *gap = Gap { from: gap.from.min(from), found: gap.found.max(now), reason },
            None => self.gaps.push(Gap { from, found: now, reason }),
        }
        if self.gaps.len() > GAPS_MAX {
            self.gaps.remove(0);
        }
    }

    /// The system does not answer: from where the proof ends.
    pub(crate) fn failed(&mut self, now: Timestamp) {
        let from = self.complete_until();
        self.doubt(from, now, GapReason::Outage);
    }

    /// The feed is read again from the end of the proof on. Gives the window, with this much before it.
    pub(crate) fn begin(&mut self, now: Timestamp, overlap: SignedDuration) -> Timestamp {
        let from = self.complete_until();
        if let Some(window) = Window::new(from, now) {
            self.coverage.reread(window);
        }
        from.min(now).checked_sub(overlap).unwrap_or(Timestamp::MIN)
    }

    /// What was begun then came to its end: everything from `since` up to when it began was seen. Gives whether something is known
    /// to be missing all the same.
    pub(crate) fn prove(&mut self, since: Timestamp, begun: Timestamp) -> bool {
        if let Some(window) = Window::new(since, begun) {
            self.coverage.prove(window);
        }
        // A system that did not answer for a while and then did has told everything: nothing is missing but what was before `since`.
        self.gaps.retain(|gap| (gap.found > begun && gap.reason != GapReason::Outage) || gap.from < since);
        // What was found missing meanwhile was not necessarily read.
        for gap in self.gaps.clone() {
            if let Some(window) = Window::new(gap.from, gap.found) {
                self.coverage.doubt(window);
            }
        }
        !self.gaps.is_empty()
    }

    /// What was begun then came to nothing.
    pub(crate) fn abandon(&mut self) {
        for window in self.coverage.rereading().as_slice().to_vec() {
            self.coverage.abandon(window);
        }
    }

    /// For people and programs.
    pub(crate) fn figures(&self, now: Timestamp) -> CoverageFigures {
        let rereading = !self.coverage.rereading().is_empty();
        let gaps = self.gaps.iter().map(|gap| GapFigures {
            from: gap.from,
            // What does not answer goes on not to, until a sweep succeeds.
            until: if gap.reason == GapReason::Outage { now.max(gap.found) } else { gap.found },
            open: gap.reason == GapReason::Outage,
            reason: gap.reason,
            rereading,
        });
        CoverageFigures {
            since: self.coverage.since(),
            until: self.complete_until(),
            behind: self.coverage.behind(now),
            gaps: gaps.collect(),
        }
    }

    /// As it is stored.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let window = |window: &Window| Value::array([window.from().to_string(), window.until().to_string()]);
        let gap = |gap: &Gap| {
            Value::object([
                ("from", Value::from(gap.from.to_string())),
                ("found", Value::from(gap.found.to_string())),
                ("reason", Value::from(gap.reason.word())),
            ])
        };
        json::to_vec(&Value::object([
            ("since", Value::from(self.coverage.since().to_string())),
            ("proven", Value::array(self.coverage.proven().as_slice().iter().map(window))),
            ("gaps", Value::array(self.gaps.iter().map(gap))),
        ]))
    }

    /// From what is stored. What is not understood proves nothing more than that everything up to `at` was seen.
    pub(crate) fn from_bytes(bytes: &[u8], at: Timestamp) -> Self {
        Self::parsed(bytes).unwrap_or_else(|| Self::new(at))
    }

    fn parsed(bytes: &[u8]) -> Option<Self> {
        let value = json::parse(bytes).ok()?;
        let instant = |value: &Value| value.as_str()?.parse::<Timestamp>().ok();
        let mut ledger = Self::new(instant(value.get("since"))?);
        for window in value.get("proven").items() {
            let [from, until] = window.items() else { return None };
            ledger.coverage.prove(Window::new(instant(from)?, instant(until)?)?);
        }
        for gap in value.get("gaps").items().iter().take(GAPS_MAX) {
            ledger.gaps.push(Gap {
                from: instant(gap.get("from"))?,
                found: instant(gap.get("found"))?,
                reason: GapReason::from_word(gap.get("reason").as_str()?)?,
            });
        }
        Some(ledger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("an instant")
    }

    /// A feed that was swept once.
    fn swept() -> Ledger {
        let mut ledger = Ledger::new(at(0));
        let since = ledger.begin(at(10), SignedDuration::from_secs(2));
        assert_eq!(since, at(-2), "what is owed, and the overlap");
        ledger.prove(since, at(10));
        assert_eq!(ledger.complete_until(), at(10));
        ledger
    }

    fn gaps(ledger: &Ledger, now: i64) -> Vec<(i64, i64, GapReason)> {
        let second = |at: Timestamp| at.as_second() - 1_800_000_000;
        let figures = ledger.figures(at(now));
        figures.gaps.iter().map(|gap| (second(gap.from), second(gap.until), gap.reason)).collect()
    }

    #[test]
    fn an_outage_is_one_window_that_grows_and_is_closed_by_one_reading() {
        let mut ledger = swept();
        for second in [20, 30] {
            ledger.begin(at(second), SignedDuration::ZERO);
            ledger.abandon();
            ledger.failed(at(second));
        }
        assert_eq!(gaps(&ledger, 35), [(10, 35, GapReason::Outage)]);
        let since = ledger.begin(at(40), SignedDuration::from_secs(2));
        assert_eq!(since, at(8));
        assert!(ledger.figures(at(41)).gaps[0].rereading);
        ledger.prove(since, at(40));
        assert_eq!((ledger.complete_until(), gaps(&ledger, 50)), (at(40), Vec::new()));
    }

    #[test]
    fn what_is_found_missing_while_a_sweep_runs_is_read_by_the_next_one() {
        let mut ledger = swept();
        let since = ledger.begin(at(20), SignedDuration::ZERO);
        ledger.doubt(at(5), at(21), GapReason::Overflow);
        assert!(ledger.prove(since, at(20)), "another sweep has to come");
        assert_eq!(ledger.complete_until(), at(5));
        assert_eq!(gaps(&ledger, 22), [(5, 21, GapReason::Overflow)]);
        let since = ledger.begin(at(30), SignedDuration::ZERO);
        assert_eq!(since, at(5), "as far back as something may be missing");
        ledger.prove(since, at(30));
        assert_eq!((ledger.complete_until(), gaps(&ledger, 31)), (at(30), Vec::new()));
    }

    #[test]
    fn an_outage_that_is_over_before_the_sweep_is_leaves_nothing_to_read_again() {
        let mut ledger = swept();
        let since = ledger.begin(at(20), SignedDuration::from_secs(2));
        ledger.failed(at(21));
        ledger.failed(at(22));
        assert_eq!(gaps(&ledger, 23), [(10, 23, GapReason::Outage)]);
        assert!(!ledger.prove(since, at(20)), "what answered late has answered");
        assert_eq!((ledger.complete_until(), gaps(&ledger, 24)), (at(20), Vec::new()));
    }

    #[test]
    fn nothing_is_owed_from_before_the_first_start_and_reasons_do_not_pile_up() {
        let mut ledger = swept();
        for second in 0..1_000 {
            ledger.doubt(at(-100), at(11 + second), GapReason::PlaceLost);
        }
        assert_eq!(gaps(&ledger, 2_000), [(0, 1_010, GapReason::PlaceLost)]);
    }

    #[test]
    fn what_is_known_is_read_as_it_was_written() {
        let mut ledger = swept();
        ledger.doubt(at(4), at(6), GapReason::Overflow);
        ledger.doubt(at(10), at(12), GapReason::Outage);
        assert_eq!(Ledger::from_bytes(&ledger.to_bytes(), at(0)), ledger);
        for damaged in [&b""[..], b"{", b"{\"since\": 7}", b"[]"] {
            assert_eq!(Ledger::from_bytes(damaged, at(3)), Ledger::new(at(3)));
        }
    }
}
