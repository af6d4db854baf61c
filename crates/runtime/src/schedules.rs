//! Runs that are started by the clock: `every`, `cron` and `after` of a workflow's `schedule`.
//!
//! What was started last is remembered where positions of feeds are. Each run has the time it stands for as its key, so one
//! that was started just before the process ended is not started again. Of times that passed while nobody was there, the
//! last one is made up for: late rather than never, and once rather than a hundred times.

use std::sync::Arc;
use std::time::Duration;

use definitions::Schedule;
use jiff::{SignedDuration, Timestamp};
use model::Value;
use store::{FeedPositionRow, Mutation};
use workflow::{Cron, Starts};

use crate::core::Core;
use crate::launching::{Launched, launch};
use crate::work::Pinned;

/// Stands where the connection of a feed's position would.
const SCHEDULE: &str = "@schedule";
/// The longest sleep: the clock may be set meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How long to wait before what could not be started is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// When the next run is due.
#[derive(Clone)]
pub(crate) enum Rule {
    Every(SignedDuration),
    Cron(Cron),
    After(SignedDuration),
}

impl Rule {
    fn all(starts: &Starts) -> impl Iterator<Item = (&'static str, Self)> {
        let every = starts.every.filter(SignedDuration::is_positive).map(|every| ("every", Self::Every(every)));
        let cron = starts.cron.clone().map(|cron| ("cron", Self::Cron(cron)));
        let after = starts.after.map(|after| ("after", Self::After(after)));
        every.into_iter().chain(cron).chain(after)
    }

    /// Of a comparison.
    pub(crate) fn of(schedule: &Schedule) -> Self {
        match schedule {
            Schedule::Every(every) => Self::Every(SignedDuration::try_from(*every).unwrap_or(SignedDuration::MAX)),
            Schedule::Cron(cron) => Self::Cron(cron.clone()),
        }
    }

    /// The next time after the one that was last: the last of those that have passed already, if any has.
    pub(crate) fn next(&self, last: Timestamp, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(every) => {
                let passed = now.duration_since(last);
                let times = (passed.as_nanos() / every.as_nanos()).max(1);
                let ahead = every.as_nanos().checked_mul(times)?;
                let seconds = i64::try_from(ahead / 1_000_000_000).ok()?;
                let nanoseconds = i32::try_from(ahead % 1_000_000_000).ok()?;
                last.checked_add(SignedDuration::new(seconds, nanoseconds)).ok()
            }
            Self::Cron(cron) => {
                const PASSED_MAX: usize = 10_000;
                let mut next = cron.next_after(last)?;
                for _ in 0..PASSED_MAX {
                    match cron.next_after(next).filter(|later| *later <= now) {
                        Some(later) => next = later,
                        None => return Some(next),
                    }
                }
                // Very many have passed: from here on it goes by the clock.
                cron.next_after(now)
            }
            Self::After(after) => last.checked_add(*after).ok(),
        }
    }
}

/// Starts the runs of all schedules until the runtime ends.
pub(crate) async fn run(core: Arc<Core>) {
    let mut all = Vec::new();
    for definition in core.release.workflows.values() {
        for (kind, rule) in Rule::all(definition.workflow.starts()) {
            all.push(follow(Arc::clone(&core), Pinned::new(Arc::clone(definition)), kind, rule));
        }
    }
    futures::future::join_all(all).await;
}

async fn follow(core: Arc<Core>, workflow: Pinned, kind: &'static str, rule: Rule) {
    let document = &workflow.definition.workflow;
    let feed: Arc<str> = format!("{kind}:{}/{}", document.namespace(), document.name()).into();
    let asked = Arc::clone(&feed);
    let Some(remembered) = core.read(move |store| store.feed_position(SCHEDULE, &asked)).await else { return };
    let mut due = match (remembered, &rule) {
        (Some(row), rule) => rule.next(row.at, core.clock.now()),
        // The first of `after` has nothing to come after.
        (None, Rule::After(_)) => Some(core.clock.now()),
        (None, rule) => {
            let now = core.clock.now();
            // From now on it counts, even when the process ends before the first time.
            if !remember(&core, &feed, now).await {
                return;
            }
            rule.next(now, now)
        }
    };
    while let Some(at) = due {
        until(&core, at).await;
        let launched =
            launch(&core, workflow.clone(), Some(format!("{kind} {at}").into()), Value::empty_object()).await;
        let last = match (launched, &rule) {
            (Err(problem), _) => {
                tracing::warn!(workflow = %feed, code = problem.code, %problem, "a scheduled run waits to be started");
                tokio::time::sleep(AGAIN_AFTER).await;
                continue;
            }
            (Ok(Launched { end, .. }), Rule::After(_)) => {
                // It has ended when nobody is there to tell of it, too.
                let _ = end.await;
                core.clock.now()
            }
            (Ok(_), _) => at,
        };
        if !remember(&core, &feed, last).await {
            return;
        }
        due = rule.next(last, core.clock.now());
    }
    tracing::info!(workflow = %feed, "this schedule has no time any more");
}

async fn remember(core: &Core, feed: &Arc<str>, at: Timestamp) -> bool {
    let row = FeedPositionRow { connection: SCHEDULE.into(), feed: Arc::clone(feed), position: Vec::new(), at };
    core.commit(vec![Mutation::PutFeedPosition(row)], None).await.is_ok()
}

/// Waits until then.
pub(crate) async fn until(core: &Core, at: Timestamp) {
    loop {
        let left = at.duration_since(core.clock.now());
        match Duration::try_from(left) {
            Ok(left) if !left.is_zero() => tokio::time::sleep(left.min(LOOK_EVERY)).await,
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    #[test]
    fn of_times_that_passed_the_last_is_made_up_for() {
        let every = Rule::Every(SignedDuration::from_mins(10));
        let next = |rule: &Rule, last: &str, now: &str| rule.next(at(last), at(now));
        let start = "2026-11-26T12:00:00Z";
        assert_eq!(next(&every, start, start), Some(at("2026-11-26T12:10:00Z")));
        assert_eq!(next(&every, start, "2026-11-26T12:03:00Z"), Some(at("2026-11-26T12:10:00Z")));
        assert_eq!(next(&every, start, "2026-11-26T15:04:00Z"), Some(at("2026-11-26T15:00:00Z")));
        let after = Rule::After(SignedDuration::from_mins(10));
        assert_eq!(next(&after, start, "2026-11-26T15:04:00Z"), Some(at("2026-11-26T12:10:00Z")));
    }
}
