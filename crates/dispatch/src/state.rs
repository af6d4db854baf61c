//! What a dispatcher knows: what waits, what is under way, and how the system does. Every change of it is short and waits for
//! nothing, so that one lock around it is enough.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use connect::{Action, ActionInfo, CallError, ErrorClass};
use definitions::{ConnectionDefinition, Effect, Function, RetryPolicy};
use jiff::Timestamp;
use model::IntentId;
use policy::{Backoff, Breaker, BreakerSettings, BreakerState, Priority};
use tokio::sync::mpsc;
use workflow::Fault;

use crate::faults;
use crate::gate::{Gate, Passage};
use crate::group::{Group, GroupKey};
use crate::histogram::Histogram;
use crate::item::{Item, Place, Work};
use crate::limits::Limits;
use crate::time::after;
use crate::told::Told;
use crate::{ConnectionFigures, ConnectionState, Outcome, Report, Request};

/// How long a create whose fate is unknown is given to become visible before it is looked for.
const SETTLE: Duration = Duration::from_millis(500);

/// So many requests in a row without an answer, and the system counts as down.
const FAILURES_UNTIL_DOWN: u32 = 5;

/// The longest pause between two tries of a system that is down: its return should be noticed soon.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// What a dispatcher knows.
pub(crate) struct State {
    pub(crate) groups: Vec<Group>,
    indices: HashMap<GroupKey, usize, foldhash::fast::RandomState>,
    actions: &'static [ActionInfo],
    /// Where the search for the next group starts.
    pub(crate) cursor: usize,
    delayed: BinaryHeap<Delayed>,
    sequence: u64,
    /// Intents that are not over.
    pub(crate) intents: HashMap<IntentId, Standing, foldhash::fast::RandomState>,
    pub(crate) intents_under_way: usize,
    /// Requests under way.
    pub(crate) under_way: usize,
    pub(crate) limits: Limits,
    pub(crate) breaker: Breaker,
    /// While the system is down: not to be tried before, as it said itself.
    pub(crate) hold: Option<Timestamp>,
    /// Shut when the system refuses the credentials whatever the function.
    pub(crate) gate: Gate,
    /// Groups that were refused in a row, with nothing else answered in between.
    pub(crate) refused: Vec<usize>,
    pub(crate) stopping: bool,
    pub(crate) tally: Tally,
    pub(crate) told: Told,
    pub(crate) reports: mpsc::UnboundedSender<Report>,
    backoff: Backoff,
    /// How long a call whose answer was lost may still take effect.
    pub(crate) settle_within: Duration,
    /// When the system served a request last, by the steady time.
    pub(crate) served_at: Option<Timestamp>,
    /// Whether who reads is told of a refusal at once, instead of when it is over.
    pub(crate) answers_refusals: bool,
    spread: RandomState,
}

/// Where an intent stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    /// Which submission of it is meant.
    pub(crate) ticket: u64,
    /// Whether it is under way, or it is not known whether it happened.
    pub(crate) busy: bool,
    /// Whether nobody waits for it any more.
    pub(crate) withdrawn: bool,
}

/// What is counted.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) succeeded: u64,
    pub(crate) rejected: u64,
    pub(crate) retried: u64,
    pub(crate) probed: u64,
    pub(crate) found: u64,
    pub(crate) last_error: Option<(Arc<str>, Timestamp)>,
    pub(crate) last_class: Option<ErrorClass>,
    pub(crate) latency: Histogram,
}

/// An item that is not to be sent yet.
struct Delayed {
    due: Timestamp,
    /// Orders what is due at the same instant.
    sequence: u64,
    group: usize,
    /// Whether it waits only because the system was not there.
    until_up: bool,
    /// On the heap of memory, as entries of the heap change places often.
    item: Box<Item>,
}

impl Ord for Delayed {
    /// The heap gives the greatest first: that is the one that is due first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.sequence).cmp(&(self.due, self.sequence))
    }
}
impl PartialOrd for Delayed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Delayed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Delayed {}

impl State {
    pub(crate) fn new(
        definition: &ConnectionDefinition,
        actions: &'static [ActionInfo],
        reports: mpsc::UnboundedSender<Report>,
    ) -> Self {
        let backoff = backoff_of(&definition.retry);
        let longest_pause = backoff.longest.min(PAUSE_MAX);
        let pause = backoff.first.max(Duration::from_millis(250)).min(longest_pause);
        let settings = BreakerSettings { failures: FAILURES_UNTIL_DOWN, pause, longest_pause };
        Self {
            groups: Vec::new(),
            indices: HashMap::default(),
            actions,
            cursor: 0,
            delayed: BinaryHeap::new(),
            sequence: 0,
            intents: HashMap::default(),
            intents_under_way: 0,
            under_way: 0,
            limits: Limits::new(&definition.limits),
            breaker: Breaker::new(settings),
            hold: None,
            gate: Gate::Open,
            refused: Vec::new(),
            stopping: false,
            tally: Tally::default(),
            told: Told::new(definition.name.clone()),
            reports,
            backoff,
            settle_within: definition.retry.settle,
            served_at: None,
            answers_refusals: false,
            spread: RandomState::new(),
        }
    }

    /// Takes an intent on. One that is known already is not taken twice.
    pub(crate) fn submit(&mut self, request: Request, now: Timestamp, wall: Timestamp) {
        let Request { intent, function, input, in_doubt } = request;
        if self.intents.contains_key(&intent) {
            return;
        }
        let group = self.group(GroupKey::of(&function), function.action);
        self.sequence += 1;
        let ticket = self.sequence;
        let once = function.effect == Effect::Once;
        let (probed, function_looks_first) = (in_doubt && once, function.look_first && once);
        self.intents.insert(intent, Standing { ticket, busy: probed, withdrawn: false });
        let mut item = Item::new(Work::Intent { intent, ticket, function, input }, None);
        if in_doubt {
            item.attempts = 1;
            item.sent_at = Some(wall);
        }
        if function_looks_first && !in_doubt {
            item.in_doubt = true;
            self.groups[group].queue(Place::Probe).push_back(item.workload(), item);
        } else if probed {
            // The process that sent it may have ended a moment ago: the system may be about to commit it.
            (item.in_doubt, item.doubts, item.lost_at) = (true, 1, Some(now));
            self.delay(group, item, after(now, self.settle_wait(1)), false);
        } else {
            self.groups[group].queue(Place::Ready).push_back(item.workload(), item);
        }
    }

    /// Puts something other than an intent into its queue.
    pub(crate) fn enqueue(&mut self, key: GroupKey, action: Action, item: Item) {
        let group = self.group(key, action);
        let place = item.place();
        self.groups[group].queue(place).push_back(item.workload(), item);
    }

    /// Nobody waits for an intent any more.
    pub(crate) fn withdraw(&mut self, intent: IntentId, function: &Function, wall: Timestamp) {
        match self.intents.get_mut(&intent) {
            Some(standing) if standing.busy => standing.withdrawn = true,
            // Its item is dropped when its turn comes.
            Some(_) => {
                self.intents.remove(&intent);
                let result = Err(faults::withdrawn(function));
                let (attempts, sent_at, finished_at) = (0, wall, wall);
                let _ = self.reports.send(Report::Done(Outcome { intent, attempts, sent_at, finished_at, result }));
            }
            None => {}
        }
    }

    /// Whether anybody still wants an item.
    pub(crate) fn is_wanted(intents: &HashMap<IntentId, Standing, foldhash::fast::RandomState>, item: &Item) -> bool {
        match &item.work {
            Work::Intent { intent, ticket, .. } => {
                intents.get(intent).is_some_and(|standing| standing.ticket == *ticket)
            }
            _ => !item.is_abandoned(),
        }
    }

    /// Why a caller who waits is turned away at once, if so.
    pub(crate) fn turns_away(&mut self, function: &Function, now: Timestamp, wall: Timestamp) -> Option<Fault> {
        let class = self.tally.last_class;
        let closed = |what| Some(faults::closed(function, what, class));
        if self.stopping {
            return Some(faults::closed(function, "takes no calls any more: Interlock is stopping", None));
        }
        if self.is_down(now) {
            return closed("is down and is tried again by itself");
        }
        let own = self.indices.get(&GroupKey::of(function)).map(|index| self.groups[*index].gate).unwrap_or_default();
        if [self.gate, own].iter().any(|gate| matches!(gate.passage(now), Passage::Wait(_))) {
            return closed("refuses Interlock's credentials or definition, and a person is needed");
        }
        self.limits.budget_wait(wall, Priority::Urgent).map(|wait| faults::over_budget(function, wait))
    }

    /// Whether nothing may be sent now because the system is down; when a try is due, something may.
    fn is_down(&self, now: Timestamp) -> bool {
        let waits = match self.breaker.state() {
            BreakerState::Closed { .. } => false,
            BreakerState::Open { until, .. } => now < until,
            BreakerState::Trying { .. } | BreakerState::Held => true,
        };
        waits || self.hold.is_some_and(|hold| now < hold)
    }

    /// Whether nothing of these groups is served: the system is down, or refuses Interlock or one of them.
    pub(crate) fn withholds(&self, keys: &[GroupKey], now: Timestamp) -> bool {
        let is_closed = matches!(self.breaker.state(), BreakerState::Closed { .. });
        let is_shut = |key| self.indices.get(key).is_some_and(|index| self.groups[*index].gate != Gate::Open);
        !is_closed || self.hold.is_some_and(|hold| now < hold) || self.gate != Gate::Open || keys.iter().any(is_shut)
    }

    /// Answers the callers who wait when nothing more is sent for them.
    pub(crate) fn turn_callers_away(&mut self, now: Timestamp, wall: Timestamp) {
        for group in 0..self.groups.len() {
            for item in std::mem::take(self.groups[group].queue(Place::Urgent)) {
                self.turn_away_or_keep(group, item, now, wall);
            }
        }
    }

    fn turn_away_or_keep(&mut self, group: usize, item: Item, now: Timestamp, wall: Timestamp) {
        let fault = match &item.work {
            Work::Ask { function, .. } => self.turns_away(function, now, wall),
            _ => None,
        };
        match (fault, item) {
            // The caller may be gone.
            (Some(fault), Item { work: Work::Ask { answer, .. }, .. }) => drop(answer.send(Err(fault))),
            (_, item) => self.groups[group].queue(item.place()).push_back(item.workload(), item),
        }
    }

    /// Keeps an item for later.
    pub(crate) fn delay(&mut self, group: usize, item: Item, due: Timestamp, until_up: bool) {
        self.sequence += 1;
        self.delayed.push(Delayed { due, sequence: self.sequence, group, until_up, item: Box::new(item) });
    }

    /// Moves what is due into its queue.
    pub(crate) fn wake(&mut self, now: Timestamp, wall: Timestamp) {
        while self.delayed.peek().is_some_and(|delayed| delayed.due <= now) {
            if let Some(Delayed { group, item, .. }) = self.delayed.pop() {
                self.put_back(group, *item, now, wall);
            }
        }
    }

    /// When the next delayed item is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.delayed.peek().map(|delayed| delayed.due)
    }

    /// The system is there again: what waited only for that goes on, in one group or all.
    pub(crate) fn release(&mut self, only: Option<usize>, now: Timestamp, wall: Timestamp) {
        let freed = |delayed: &Delayed| delayed.until_up && only.is_none_or(|group| group == delayed.group);
        let mut all = std::mem::take(&mut self.delayed).into_sorted_vec();
        // The order of the heap is turned round: what is due first comes last.
        all.reverse();
        let (free, kept): (Vec<_>, Vec<_>) = all.into_iter().partition(freed);
        self.delayed = kept.into();
        for Delayed { group, item, .. } in free {
            self.put_back(group, *item, now, wall);
        }
    }

    fn put_back(&mut self, group: usize, item: Item, now: Timestamp, wall: Timestamp) {
        match item.place() {
            Place::Urgent => self.turn_away_or_keep(group, item, now, wall),
            place => self.groups[group].queue(place).push_back(item.workload(), item),
        }
    }

    /// Sends nothing new any more; who waits for an answer is told.
    pub(crate) fn halt(&mut self, now: Timestamp, wall: Timestamp) {
        self.stopping = true;
        self.turn_callers_away(now, wall);
        // Dropping a read or a page of changes tells its caller; intents are kept by those who submitted them.
        for group in &mut self.groups {
            group.drain().for_each(drop);
        }
        let delayed = std::mem::take(&mut self.delayed);
        for Delayed { group, item, .. } in delayed.into_sorted_vec() {
            if item.place() == Place::Urgent {
                self.turn_away_or_keep(group, *item, now, wall);
            }
        }
    }

    /// The wait after so many failures.
    pub(crate) fn backoff_wait(&self, failures: u32, asked: Option<Duration>) -> Duration {
        self.backoff.wait(failures.max(1), self.spread.hash_one(self.sequence), asked)
    }

    /// The longest wait between two tries.
    pub(crate) const fn longest_wait(&self) -> Duration {
        self.backoff.longest
    }

    /// How long something whose fate was unknown so many times is given to become visible.
    pub(crate) fn settle_wait(&self, doubts: u32) -> Duration {
        SETTLE.saturating_mul(1 << doubts.saturating_sub(1).min(16)).min(self.backoff.longest)
    }

    /// Remembers what went wrong.
    pub(crate) fn note(&mut self, error: &CallError, wall: Timestamp) {
        self.tally.last_error = Some((error.to_string().into(), wall));
        self.tally.last_class = Some(error.class);
    }

    fn group(&mut self, key: GroupKey, action: Action) -> usize {
        if let Some(index) = self.indices.get(&key) {
            return *index;
        }
        let gather = match key {
            GroupKey::Changes { .. } | GroupKey::Fates { .. } => 1,
            _ => self.actions.iter().find(|info| info.action == action).map_or(1, |info| info.gather_max),
        };
        self.groups.push(Group::new(gather));
        let index = self.groups.len() - 1;
        self.indices.insert(key, index);
        index
    }

    pub(crate) fn figures(
        &self,
        definition: &ConnectionDefinition,
        now: Timestamp,
        wall: Timestamp,
    ) -> ConnectionFigures {
        // Single calls that do not fit are tried again: only a gate keeps work back.
        let refused = self.gate != Gate::Open || self.groups.iter().any(|group| group.gate != Gate::Open);
        let state = match self.breaker.state() {
            _ if refused => ConnectionState::Refused,
            BreakerState::Closed { .. } if self.hold.is_some_and(|hold| now < hold) => ConnectionState::Down,
            BreakerState::Closed { failures: 0 } if self.delayed.is_empty() => ConnectionState::Up,
            BreakerState::Closed { .. } => ConnectionState::Struggling,
            _ => ConnectionState::Down,
        };
        let tally = &self.tally;
        ConnectionFigures {
            name: definition.name.clone(),
            state,
            succeeded: tally.succeeded,
            rejected: tally.rejected,
            retried: tally.retried,
            probed: tally.probed,
            found: tally.found,
            under_way: self.under_way as u64,
            waiting: self.intents.len().saturating_sub(self.intents_under_way) as u64,
            budget: self.limits.budget(wall),
            last_error: tally.last_error.clone(),
            latency: tally.latency.percentiles(),
        }
    }
}

fn backoff_of(retry: &RetryPolicy) -> Backoff {
    let growth = if retry.factor.is_finite() { retry.factor.clamp(1.0, 100.0) } else { 2.0 };
    let first = retry.first.max(Duration::from_millis(1));
    Backoff { first, growth_percent: (growth * 100.0) as u32, longest: retry.longest.max(first) }
}
