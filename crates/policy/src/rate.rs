//! A rate limit that all callers of a connection share, with a reserve for what matters most.

use jiff::{SignedDuration, Timestamp};

/// How urgent a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    /// Sweeps, first loads, reconciliation: whatever can wait.
    Background,
    /// Work in its normal course.
    Normal,
    /// Submitting an order: may use the reserve.
    Urgent,
}

/// How many requests may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Sustained requests per second; at least 1.
    pub per_second: u32,
    /// How many may pass at once after a quiet time; at least 1.
    pub burst: u32,
    /// How many of the burst only urgent requests may use.
    pub reserve: u32,
}

/// The generic cell rate algorithm: one instant of state, whatever the rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    limit: RateLimit,
    /// When the bucket is full again.
    full_at: Option<Timestamp>,
}

impl Rate {
    /// A limit with a full bucket.
    #[must_use]
    pub const fn new(limit: RateLimit) -> Self {
        Self { limit, full_at: None }
    }

    /// Takes a permit, or says when to ask again.
    ///
    /// # Errors
    /// With the instant from which a request of this priority can pass.
    pub fn take(&mut self, now: Timestamp, priority: Priority) -> Result<(), Timestamp> {
        let interval = 1_000_000_000 / i64::from(self.limit.per_second.max(1));
        let burst = i64::from(self.limit.burst.max(1));
        let reserve = i64::from(self.limit.reserve).min(burst - 1);
        let usable = match priority {
            Priority::Urgent => burst,
            Priority::Normal | Priority::Background => burst - reserve,
        };
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now));
        let next_full_at = plus(full_at, interval);
        let earliest = plus(next_full_at, -interval.saturating_mul(usable));
        if earliest > now {
            return Err(earliest);
        }
        self.full_at = Some(next_full_at);
        Ok(())
    }
}

fn plus(instant: Timestamp, nanoseconds: i64) -> Timestamp {
    instant.checked_add(SignedDuration::from_nanos(nanoseconds)).unwrap_or(instant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_760_000_000_000 + milliseconds).expect("an instant")
    }

    #[test]
    fn the_reserve_is_for_what_is_urgent() {
        let mut rate = Rate::new(RateLimit { per_second: 10, burst: 3, reserve: 1 });
        assert_eq!(rate.take(at(0), Priority::Normal), Ok(()));
        assert_eq!(rate.take(at(0), Priority::Normal), Ok(()));
        assert_eq!(rate.take(at(0), Priority::Normal), Err(at(100)));
        assert_eq!(rate.take(at(0), Priority::Urgent), Ok(()));
        assert_eq!(rate.take(at(0), Priority::Urgent), Err(at(100)));
        assert_eq!(rate.take(at(100), Priority::Urgent), Ok(()));
    }

    proptest! {
        #[test]
        fn no_second_ever_sees_more_than_rate_and_burst(
            waits in prop::collection::vec(0i64..60, 1..400), per_second in 1u32..200, burst in 1u32..20
        ) {
            let mut rate = Rate::new(RateLimit { per_second, burst, reserve: 0 });
            let (mut now, mut passed) = (0, Vec::new());
            for wait in waits {
                now += wait;
                if rate.take(at(now), Priority::Normal).is_ok() {
                    passed.push(now);
                }
            }
            for (index, start) in passed.iter().enumerate() {
                let in_window = passed[index..].iter().take_while(|instant| **instant < start + 1_000).count();
                prop_assert!(in_window <= (per_second + burst) as usize);
            }
        }

        #[test]
        fn who_waits_as_told_passes(takes in 1usize..50, per_second in 1u32..1_000, burst in 1u32..20) {
            let mut rate = Rate::new(RateLimit { per_second, burst, reserve: 0 });
            let mut now = at(0);
            for _ in 0..takes {
                if let Err(earliest) = rate.take(now, Priority::Background) {
                    prop_assert!(earliest > now);
                    now = earliest;
                    prop_assert_eq!(rate.take(now, Priority::Background), Ok(()));
                }
            }
        }
    }
}
