//! What is made of a request that is back.

use std::time::Duration;

use connect::{CallError, ErrorClass, NOT_UNDERSTOOD};
use definitions::Effect;
use jiff::Timestamp;
use model::IntentId;
use policy::BreakerState;
use workflow::Fault;

use crate::choose::Tag;
use crate::gate::Gate;
use crate::item::{Came, Item, Place, Work};
use crate::state::State;
use crate::time::after;
use crate::{Outcome, Report, Success, faults};

/// No system is believed when it asks to be left alone for longer.
const HOLD_MAX: Duration = Duration::from_secs(24 * 3_600);

/// So many calls in a row that do not fit the system shut a function. Below, it may be the fault of one record.
const MISFITS_MAX: usize = 3;

/// So often is one record asked for of a system that serves others.
const READS_MAX: u32 = 8;

/// The same where its answer came and could not be understood: the next one will hardly be another.
const UNDERSTOOD_MAX: u32 = 3;

/// The code of an error of ours: a connector that panicked says nothing about its system.
pub(crate) const PANIC: &str = "panic";

/// The code of another: it did not give one result per call.
pub(crate) const MISCOUNT: &str = "miscount";

/// A request that is back.
pub(crate) struct Ended {
    pub(crate) tag: Tag,
    pub(crate) items: Vec<(Item, Came)>,
    /// How long the system took; `None` when nothing was sent.
    pub(crate) took: Option<Duration>,
}

/// What a request as a whole says about the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Evidence {
    /// Nothing: it was not sent, or failed here.
    None,
    /// Nobody answered.
    Silence,
    /// The credentials are refused.
    Unauthorized,
    /// All of so many calls do not fit this system.
    Misfit(usize),
    /// It serves calls.
    Served,
}

impl State {
    /// Takes a request back.
    pub(crate) fn settle(&mut self, ended: Ended, now: Timestamp, wall: Timestamp) {
        let Ended { tag, items, took } = ended;
        self.under_way -= 1;
        self.intents_under_way -= tag.intents;
        self.groups[tag.group].under_way -= 1;
        if let Some(took) = took {
            self.tally.latency.record_duration(took);
            self.tally.probed += u64::from(tag.probe);
        }
        self.judge(tag, &items, now, wall);
        let shared = items.len() > 1;
        for (mut item, came) in items {
            if shared && is_not_understood(&item, &came) {
                // The answer of one of them spoilt that of the others. It says nothing of any of them.
                item.alone = true;
                self.tally.retried += 1;
                self.groups[tag.group].queue(Place::Ready).push_back(item.workload(), item);
                continue;
            }
            self.settle_item(tag, item, came, now, wall);
        }
    }

    fn judge(&mut self, tag: Tag, items: &[(Item, Came)], now: Timestamp, wall: Timestamp) {
        let evidence = evidence(items);
        if evidence == Evidence::Served {
            self.served_at = Some(now);
        }
        let was_closed = matches!(self.breaker.state(), BreakerState::Closed { .. });
        match evidence {
            Evidence::None => {
                if let (Some(before), BreakerState::Trying { .. }) = (tag.breaker_before, self.breaker.state()) {
                    self.breaker = before;
                }
            }
            // What was under way before the try says nothing new.
            Evidence::Silence
                if tag.breaker_before.is_none() && matches!(self.breaker.state(), BreakerState::Trying { .. }) => {}
            Evidence::Silence => self.breaker.failed(now),
            Evidence::Unauthorized | Evidence::Misfit(_) | Evidence::Served => self.breaker.succeeded(),
        }
        let is_closed = matches!(self.breaker.state(), BreakerState::Closed { .. });
        if !is_closed {
            let asked = items.iter().filter_map(|(_, came)| match came {
                Came::Failed(error) => error.retry_after,
                _ => None,
            });
            if let (Evidence::Silence, Some(asked)) = (evidence, asked.max()) {
                self.hold = Some(after(now, asked.min(HOLD_MAX)));
            }
        }
        let refused_before = self.gate != Gate::Open;
        let error = items.iter().find_map(|(_, came)| match came {
            Came::Failed(error) => Some(error),
            _ => None,
        });
        if was_closed && !is_closed {
            self.told.down(error);
        } else if is_closed && !was_closed {
            self.told.back();
        }
        let function = items.first().and_then(|(item, _)| item.function());
        self.judge_gates(tag, evidence, (function, error), now, wall);
        if is_closed && !was_closed {
            self.hold = None;
            self.release(None, now, wall);
        }
        if (was_closed && !is_closed) || (!refused_before && self.gate != Gate::Open) {
            self.turn_callers_away(now, wall);
        }
    }

    fn judge_gates(
        &mut self,
        tag: Tag,
        evidence: Evidence,
        (function, error): (Option<&str>, Option<&CallError>),
        now: Timestamp,
        wall: Timestamp,
    ) {
        let shut = Gate::Shut { until: after(now, self.longest_wait()) };
        let again = Gate::Shut { until: now };
        let group = &mut self.groups[tag.group];
        match evidence {
            Evidence::None | Evidence::Silence => {
                if tag.tries_group {
                    group.gate = again;
                }
                if tag.tries_connection {
                    self.gate = again;
                }
            }
            Evidence::Unauthorized => {
                group.gate = shut;
                if !self.refused.contains(&tag.group) {
                    self.refused.push(tag.group);
                }
                // One function alone may lack an authorization; two in a row mean the credentials.
                let all = tag.tries_connection || (self.refused.len() >= 2 && self.gate == Gate::Open);
                if all {
                    self.gate = shut;
                }
                if let Some(error) = error {
                    self.told.refused(tag.group, function, all, error);
                }
            }
            Evidence::Misfit(calls) => {
                group.misfits = group.misfits.saturating_add(calls);
                group.gate = if group.misfits >= MISFITS_MAX || tag.tries_group { shut } else { Gate::Open };
                self.accepted(now, wall);
            }
            Evidence::Served => {
                group.misfits = 0;
                let was_shut = std::mem::take(&mut group.gate) != Gate::Open;
                self.accepted(now, wall);
                if was_shut {
                    self.told.served(tag.group, function);
                    self.release(Some(tag.group), now, wall);
                }
            }
        }
    }

    /// The system takes the credentials.
    fn accepted(&mut self, now: Timestamp, wall: Timestamp) {
        let refused = std::mem::take(&mut self.refused);
        let opens = std::mem::take(&mut self.gate) != Gate::Open;
        self.told.accepted(opens);
        if !opens {
            return;
        }
        for index in refused {
            let group = &mut self.groups[index];
            if matches!(group.gate, Gate::Shut { .. }) {
                group.gate = Gate::Shut { until: now };
            }
        }
        self.release(None, now, wall);
    }

    fn settle_item(&mut self, tag: Tag, mut item: Item, came: Came, now: Timestamp, wall: Timestamp) {
        match came {
            Came::Success(mut success) => {
                self.tally.succeeded += 1;
                // What was looked for before anything was sent is not ours.
                if success.found && item.doubts == 0 {
                    (success.found, success.linked) = (false, true);
                }
                self.tally.found += u64::from(success.found);
                self.finish(item, Ok(*success), wall);
            }
            Came::Unreadable(fault) => {
                self.tally.succeeded += 1;
                self.tally.found += u64::from(tag.probe && item.doubts > 0);
                self.finish(item, Err(fault), wall);
            }
            Came::Record(record) => {
                self.tally.succeeded += 1;
                if let Work::Read { place, answers } = item.work {
                    // The reader may be gone.
                    let _ = answers.send((place, Ok(record)));
                }
            }
            Came::Page(page) => {
                self.tally.succeeded += 1;
                if let Work::Changes { answer, .. } = item.work {
                    let _ = answer.send(Ok(page));
                }
            }
            Came::Fates(fates) => {
                self.tally.succeeded += 1;
                if let Work::Fates { answer, .. } = item.work {
                    let _ = answer.send(Ok(fates));
                }
            }
            Came::Unsent(fault) => self.finish(item, Err(fault), wall),
            // The system may still be at it: only later is it believed that it is not there.
            Came::Absent if item.lost_at.is_some_and(|lost| now < after(lost, self.settle_within)) => {
                item.doubts = item.doubts.saturating_add(1);
                let due = after(now, self.settle_wait(item.doubts));
                if let Some(item) = self.keep(item, wall) {
                    self.delay(tag.group, item, due, false);
                }
            }
            Came::Absent => {
                item.lost_at = None;
                (item.in_doubt, item.failures) = (false, 0);
                if let Some(item) = self.keep(item, wall) {
                    self.groups[tag.group].queue(Place::Ready).push_front(item.workload(), item);
                }
            }
            Came::Failed(error) if error.class == ErrorClass::Rejected && (!tag.probe || item.doubts == 0) => {
                self.tally.rejected += 1;
                self.reject(item, error, wall);
            }
            Came::Failed(error) => self.fail(tag, item, error, now, wall),
        }
    }

    /// It did not work, and will be tried again.
    fn fail(&mut self, tag: Tag, mut item: Item, error: CallError, now: Timestamp, wall: Timestamp) {
        self.tally.retried += 1;
        self.note(&error, wall);
        item.failures = item.failures.saturating_add(1);
        item.failing_since.get_or_insert(now);
        let lost = error.class == ErrorClass::Ambiguous && !tag.probe && item.effect() == Effect::Once;
        if lost {
            item.in_doubt = true;
            item.lost_at = Some(now);
            item.doubts = item.doubts.saturating_add(1);
        }
        let refused = matches!(error.class, ErrorClass::Unauthorized | ErrorClass::Misconfigured);
        let absent = matches!(error.class, ErrorClass::Unavailable | ErrorClass::Throttled);
        let wait = match error.class {
            _ if lost => self.settle_wait(item.doubts).max(error.retry_after.unwrap_or_default()),
            _ if refused && !item.alone => self.longest_wait(),
            _ => self.backoff_wait(item.failures, error.retry_after),
        };
        let due = after(now, wait);
        let until_up = (absent && error.retry_after.is_none()) || error.class == ErrorClass::Unauthorized;
        if let Work::Ask { function, deadline, .. } = &item.work {
            if refused || self.stopping || after(due, self.usual_answer()) >= *deadline {
                let fault = faults::unserved(function, &error);
                self.finish(item, Err(fault), wall);
            } else {
                self.delay(tag.group, item, due, until_up);
            }
            return;
        }
        if self.stopping && !matches!(item.work, Work::Intent { .. }) {
            // Dropping it tells who waits.
            return;
        }
        // Who lists changes says what is wrong and comes again; single records are waited for, so that none is given up, unless
        // a person waits.
        let is_told = match item.work {
            Work::Changes { .. } => error.class == ErrorClass::Misconfigured || (refused && self.answers_refusals),
            Work::Read { .. } | Work::Fates { .. } => refused && self.answers_refusals,
            Work::Intent { .. } | Work::Ask { .. } => false,
        };
        if is_told {
            self.reject(item, error, wall);
            return;
        }
        // One record that the system cannot serve, while it serves others, must not hold those up: a person gets to see it.
        let serves_others = item.failing_since.is_some_and(|since| self.served_at.is_some_and(|served| served > since));
        let given_up = match error.class {
            ErrorClass::Unavailable | ErrorClass::Ambiguous | ErrorClass::Locked => item.failures >= READS_MAX,
            _ => error.code == NOT_UNDERSTOOD && item.failures >= UNDERSTOOD_MAX,
        };
        if matches!(item.work, Work::Read { .. }) && given_up && serves_others {
            self.reject(item, error, wall);
            return;
        }
        let Some(item) = self.keep(item, wall) else { return };
        if let Work::Intent { intent, .. } = item.work {
            let (attempts, in_doubt) = (item.attempts, item.in_doubt);
            let _ = self.reports.send(Report::Delayed { intent, attempts, error, in_doubt });
        }
        self.delay(tag.group, item, due, until_up);
    }

    /// How long the system usually takes: who waits for no longer than that is told at once.
    fn usual_answer(&self) -> Duration {
        let usual = self.tally.latency.percentiles().p50;
        Duration::from_micros((usual.clamp(1.0, 60_000.0) * 1_100.0) as u64)
    }

    /// Keeps an item that is not over, unless it was withdrawn and it is known that it did not happen.
    fn keep(&mut self, item: Item, wall: Timestamp) -> Option<Item> {
        let Work::Intent { intent, function, .. } = &item.work else { return Some(item) };
        let standing = self.intents.get_mut(intent)?;
        // Who only looks before anything is sent has nothing in doubt.
        let may_have_happened = item.in_doubt && item.doubts > 0;
        standing.busy = may_have_happened;
        if standing.withdrawn && !may_have_happened {
            let fault = faults::withdrawn(function);
            self.finish(item, Err(fault), wall);
            return None;
        }
        Some(item)
    }

    fn reject(&mut self, item: Item, error: CallError, wall: Timestamp) {
        match item.work {
            Work::Intent { ref function, .. } | Work::Ask { ref function, .. } => {
                let fault = faults::rejected(function, &error);
                self.finish(item, Err(fault), wall);
            }
            Work::Read { place, answers } => {
                let _ = answers.send((place, Err(error)));
            }
            Work::Changes { answer, .. } => {
                let _ = answer.send(Err(error));
            }
            Work::Fates { answer, .. } => {
                let _ = answer.send(Err(error));
            }
        }
    }

    /// Tells of an intent or answers a caller: it is over.
    fn finish(&mut self, item: Item, result: Result<Success, Fault>, wall: Timestamp) {
        let Item { work, attempts, sent_at, .. } = item;
        match work {
            Work::Intent { intent, .. } => {
                self.forget(intent);
                let sent_at = sent_at.unwrap_or(wall);
                let outcome = Outcome { intent, attempts, sent_at, finished_at: wall, result };
                let _ = self.reports.send(Report::Done(outcome));
            }
            // The caller may be gone.
            Work::Ask { answer, .. } => drop(answer.send(result.map(|success| success.output))),
            // Neither succeeds as a function.
            Work::Read { .. } | Work::Changes { .. } | Work::Fates { .. } => {}
        }
    }

    fn forget(&mut self, intent: IntentId) {
        self.intents.remove(&intent);
    }
}

/// Whether a record's answer came and could not be understood.
fn is_not_understood(item: &Item, came: &Came) -> bool {
    matches!(item.work, Work::Read { .. }) && matches!(came, Came::Failed(error) if error.code == NOT_UNDERSTOOD)
}

fn evidence(items: &[(Item, Came)]) -> Evidence {
    let (mut silent, mut unauthorized, mut misfits, mut all) = (0, 0, 0, 0);
    for (item, came) in items {
        match came {
            Came::Unsent(_) => continue,
            // One record may spoil it, which says nothing about the others.
            _ if (items.len() > 1 || item.alone) && is_not_understood(item, came) => continue,
            Came::Failed(error) if error.code == PANIC || error.code == MISCOUNT => continue,
            Came::Failed(error) => match error.class {
                ErrorClass::Unavailable | ErrorClass::Throttled | ErrorClass::Ambiguous => silent += 1,
                ErrorClass::Unauthorized => unauthorized += 1,
                ErrorClass::Misconfigured => misfits += 1,
                ErrorClass::Rejected | ErrorClass::Locked | ErrorClass::Conflict => {}
            },
            _ => {}
        }
        all += 1;
    }
    match all {
        0 => Evidence::None,
        _ if silent == all => Evidence::Silence,
        _ if unauthorized == all => Evidence::Unauthorized,
        _ if misfits == all => Evidence::Misfit(misfits),
        _ => Evidence::Served,
    }
}
