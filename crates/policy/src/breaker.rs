//! A circuit breaker that people can see and move.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// When it opens and how it closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// So many failures in a row open it; at least 1.
    pub failures: u32,
    /// So long it stays open before one request may try.
    pub pause: Duration,
    /// After each failed try the pause doubles, up to this.
    pub longest_pause: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, pause: Duration::from_secs(1), longest_pause: Duration::from_secs(30) }
    }
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Requests pass.
    Closed {
        /// Failures in a row so far.
        failures: u32,
    },
    /// Nothing passes until this instant.
    Open {
        /// When one request may try.
        until: Timestamp,
        /// How long this pause is.
        pause: Duration,
    },
    /// One request is trying; the others wait for what comes of it.
    Trying {
        /// When it began: a try that never reports back is given up after the longest pause.
        since: Timestamp,
        /// The pause before it.
        pause: Duration,
    },
    /// A person holds it open.
    Held,
}

/// Whether a request may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Pass,
    /// Not now; ask again at this instant, or when the state changes.
    Wait {
        /// When to ask again.
        until: Timestamp,
    },
}

/// One circuit breaker. What counts as a failure is that the system is not there: a refusal is an answer, and a success here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    settings: BreakerSettings,
    state: BreakerState,
}

impl Breaker {
    /// A closed one.
    #[must_use]
    pub const fn new(settings: BreakerSettings) -> Self {
        Self { settings, state: BreakerState::Closed { failures: 0 } }
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> BreakerState {
        self.state
    }

    /// Asks whether a request may pass; a pass in [`BreakerState::Open`] is the one try.
    pub fn ask(&mut self, now: Timestamp) -> Verdict {
        match self.state {
            BreakerState::Closed { .. } => Verdict::Pass,
            BreakerState::Open { until, pause } if now >= until => {
                self.state = BreakerState::Trying { since: now, pause };
                Verdict::Pass
            }
            BreakerState::Open { until, .. } => Verdict::Wait { until },
            BreakerState::Trying { since, pause } => {
                let given_up = after(since, self.settings.longest_pause);
                if now >= given_up {
                    self.state = BreakerState::Trying { since: now, pause };
                    Verdict::Pass
                } else {
                    Verdict::Wait { until: given_up }
                }
            }
            BreakerState::Held => Verdict::Wait { until: Timestamp::MAX },
        }
    }

    /// A request was answered.
    pub fn succeeded(&mut self) {
        if self.state != BreakerState::Held {
            self.state = BreakerState::Closed { failures: 0 };
        }
    }

    /// A request found nobody there.
    pub fn failed(&mut self, now: Timestamp) {
        self.state = match self.state {
            BreakerState::Closed { failures } if failures.saturating_add(1) < self.settings.failures.max(1) => {
                BreakerState::Closed { failures: failures + 1 }
            }
            BreakerState::Closed { .. } => self.open(now, self.settings.pause),
            BreakerState::Trying { pause, .. } => {
                self.open(now, pause.saturating_mul(2).min(self.settings.longest_pause))
            }
            // Requests that were under way when it opened say nothing new.
            state @ (BreakerState::Open { .. } | BreakerState::Held) => state,
        };
    }

    /// A person opens it and it stays open.
    pub const fn hold(&mut self) {
        self.state = BreakerState::Held;
    }

    /// A person closes it.
    pub const fn reset(&mut self) {
        self.state = BreakerState::Closed { failures: 0 };
    }

    fn open(&self, now: Timestamp, pause: Duration) -> BreakerState {
        BreakerState::Open { until: after(now, pause), pause }
    }
}

fn after(instant: Timestamp, wait: Duration) -> Timestamp {
    SignedDuration::try_from(wait).ok().and_then(|wait| instant.checked_add(wait).ok()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_760_000_000_000 + milliseconds).expect("an instant")
    }

    #[test]
    fn opens_tries_once_and_closes() {
        let mut breaker = Breaker::new(BreakerSettings { failures: 2, ..BreakerSettings::default() });
        breaker.failed(at(0));
        assert_eq!(breaker.ask(at(0)), Verdict::Pass);
        breaker.failed(at(0));
        assert_eq!(breaker.ask(at(999)), Verdict::Wait { until: at(1_000) });
        assert_eq!(breaker.ask(at(1_000)), Verdict::Pass, "the one try");
        assert!(matches!(breaker.ask(at(1_001)), Verdict::Wait { .. }), "the others wait for it");
        breaker.failed(at(1_100));
        assert_eq!(breaker.ask(at(3_000)), Verdict::Wait { until: at(3_100) }, "the pause has doubled");
        assert_eq!(breaker.ask(at(3_100)), Verdict::Pass);
        breaker.succeeded();
        assert_eq!(breaker.state(), BreakerState::Closed { failures: 0 });
    }

    #[test]
    fn a_person_has_the_last_word() {
        let mut breaker = Breaker::new(BreakerSettings::default());
        breaker.hold();
        breaker.succeeded();
        assert!(matches!(breaker.ask(at(1_000_000)), Verdict::Wait { .. }));
        breaker.reset();
        assert_eq!(breaker.ask(at(1_000_000)), Verdict::Pass);
    }

    proptest! {
        #[test]
        fn it_never_stays_shut_for_ever(steps in prop::collection::vec((any::<bool>(), 0i64..100_000), 0..200)) {
            let settings = BreakerSettings::default();
            let mut breaker = Breaker::new(settings);
            let mut now = 0;
            for (success, wait) in steps {
                now += wait;
                if breaker.ask(at(now)) == Verdict::Pass {
                    if success { breaker.succeeded() } else { breaker.failed(at(now)) }
                }
            }
            let later = now + i64::try_from(settings.longest_pause.as_millis()).expect("short") + 1;
            prop_assert_eq!(breaker.ask(at(later)), Verdict::Pass);
        }
    }
}
