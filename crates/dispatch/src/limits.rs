//! How much may be asked of the system: at once, per second and per day, with a reserve for callers who wait.

use std::time::Duration;

use definitions::ConnectionLimits;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use policy::{Priority, Rate, RateLimit};

use crate::BudgetFigures;
use crate::time::after;

/// The limits of a connection, and what is used of them.
pub(crate) struct Limits {
    concurrent: usize,
    reserve: usize,
    rate: Option<Rate>,
    budget: Option<Budget>,
}

/// Requests of a day, by UTC. Only what this process sent is counted.
struct Budget {
    limit: u64,
    day: Date,
    used: u64,
}

impl Limits {
    pub(crate) fn new(limits: &ConnectionLimits) -> Self {
        let concurrent = limits.concurrent.max(1);
        // From four on there is something to spare.
        let reserve = if concurrent >= 4 { (concurrent / 8).max(1) } else { 0 };
        let rate = limits.per_second.map(|per_second| {
            let burst = (per_second / 10).max(1);
            Rate::new(RateLimit { per_second: per_second.max(1), burst, reserve: burst / 5 })
        });
        let budget = limits.daily.map(|limit| Budget { limit, day: Date::MIN, used: 0 });
        Self { concurrent, reserve, rate, budget }
    }

    /// Whether one more request may be under way.
    pub(crate) fn has_slot(&self, under_way: usize, priority: Priority) -> bool {
        let usable = if priority == Priority::Urgent { self.concurrent } else { self.concurrent - self.reserve };
        under_way < usable
    }

    /// Takes a permit for one request, or says when to ask again.
    pub(crate) fn take(&mut self, now: Timestamp, wall: Timestamp, priority: Priority) -> Result<(), Timestamp> {
        if let Some(wait) = self.budget_wait(wall, priority) {
            return Err(after(now, wait));
        }
        if let Some(rate) = &mut self.rate {
            rate.take(now, priority)?;
        }
        if let Some(budget) = &mut self.budget {
            budget.used += 1;
        }
        Ok(())
    }

    /// How long until the next day when the budget of this one is used up.
    pub(crate) fn budget_wait(&mut self, wall: Timestamp, priority: Priority) -> Option<Duration> {
        let budget = self.budget.as_mut()?;
        let today = wall.to_zoned(TimeZone::UTC).date();
        if budget.day != today {
            *budget = Budget { day: today, used: 0, limit: budget.limit };
        }
        let usable = if priority == Priority::Urgent { budget.limit } else { for_work(budget.limit) };
        if budget.used < usable {
            return None;
        }
        let anew = next_day(wall)?;
        Some(Duration::try_from(anew.duration_since(wall)).unwrap_or_default().max(Duration::from_secs(1)))
    }

    /// What is used of the day's budget, and until when work waits when nothing is left for it.
    pub(crate) fn budget(&self, wall: Timestamp) -> Option<BudgetFigures> {
        let Budget { limit, day, used } = *self.budget.as_ref()?;
        let used = if day == wall.to_zoned(TimeZone::UTC).date() { used } else { 0 };
        let until = if used < for_work(limit) { None } else { next_day(wall) };
        Some(BudgetFigures { used, limit, until })
    }
}

/// What of a day's budget is for work that nobody waits for.
const fn for_work(limit: u64) -> u64 {
    limit - limit / 20
}

/// When the next day begins, by UTC.
fn next_day(wall: Timestamp) -> Option<Timestamp> {
    let tomorrow = wall.to_zoned(TimeZone::UTC).date().tomorrow().ok()?;
    Some(tomorrow.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_starts_anew_each_day() {
        let mut limits = Limits::new(&ConnectionLimits { concurrent: 1, per_second: None, daily: Some(20) });
        let evening: Timestamp = "2026-11-23T23:59:00Z".parse().expect("an instant");
        for _ in 0..19 {
            assert_eq!(limits.take(evening, evening, Priority::Normal), Ok(()));
        }
        let midnight: Timestamp = "2026-11-24T00:00:00Z".parse().expect("an instant");
        let told = |used, until| Some(BudgetFigures { used, limit: 20, until });
        assert_eq!(limits.budget(evening), told(19, Some(midnight)));
        assert_eq!(limits.take(evening, evening, Priority::Normal), Err(midnight), "the rest is for who waits");
        assert_eq!(limits.take(evening, evening, Priority::Urgent), Ok(()));
        assert_eq!(limits.take(evening, evening, Priority::Urgent), Err(midnight));
        assert_eq!(limits.budget(midnight), told(0, None));
        assert_eq!(limits.take(midnight, midnight, Priority::Normal), Ok(()));
        assert_eq!(limits.budget(midnight), told(1, None));
    }

    #[test]
    fn some_slots_are_for_callers_who_wait() {
        let limits = Limits::new(&ConnectionLimits { concurrent: 10, per_second: None, daily: None });
        assert!(limits.has_slot(8, Priority::Normal) && !limits.has_slot(9, Priority::Normal));
        assert!(limits.has_slot(9, Priority::Urgent) && !limits.has_slot(10, Priority::Urgent));
        let one = Limits::new(&ConnectionLimits { concurrent: 0, per_second: None, daily: None });
        assert!(one.has_slot(0, Priority::Normal), "a connection that may ask nothing would be stuck in silence");
    }
}
