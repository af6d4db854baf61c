//! What is sent next.

use jiff::Timestamp;
use policy::{Breaker, BreakerState, Priority, Verdict};

use crate::gate::{Gate, Passage};
use crate::item::{Item, Place, Work};
use crate::state::State;

/// What a dispatcher does next.
pub(crate) enum Next {
    /// Sends this.
    Start(Job),
    /// Waits until something changes, at most until this instant.
    Wait(Option<Timestamp>),
    /// Ends.
    End,
}

/// One request.
pub(crate) struct Job {
    pub(crate) tag: Tag,
    pub(crate) items: Vec<Item>,
}

/// What has to be known of a request when it is back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tag {
    pub(crate) group: usize,
    pub(crate) probe: bool,
    /// Whether it is the one that tries if the system is back, and how the breaker stood before.
    pub(crate) breaker_before: Option<Breaker>,
    /// Whether it is the one that tries if the connection is still refused.
    pub(crate) tries_connection: bool,
    /// Whether it is the one that tries if the function is still refused.
    pub(crate) tries_group: bool,
    /// How many of its items are intents.
    pub(crate) intents: usize,
}

/// The earliest of several instants.
struct Earliest(Option<Timestamp>);

impl Earliest {
    fn or(&mut self, other: Timestamp) {
        self.0 = Some(self.0.map_or(other, |known| known.min(other)));
    }
}

impl State {
    /// What to do next. What it hands out counts as under way.
    pub(crate) fn next(&mut self, now: Timestamp, wall: Timestamp) -> Next {
        if self.stopping {
            return Next::End;
        }
        self.wake(now, wall);
        let mut earliest = Earliest(self.next_due());
        if !self.limits.has_slot(self.under_way, Priority::Urgent) {
            return Next::Wait(earliest.0);
        }
        if let Some(hold) = self.hold.filter(|hold| now < *hold) {
            earliest.or(hold);
            return Next::Wait(earliest.0);
        }
        self.hold = None;
        // Only looked at here: asking in earnest makes the next request the try, and there may be nothing to send.
        let mut look = self.breaker;
        if let Verdict::Wait { until } = look.ask(now) {
            earliest.or(until);
            return Next::Wait(earliest.0);
        }
        let tries_breaker = !matches!(self.breaker.state(), BreakerState::Closed { .. });
        let tries_connection = match self.gate.passage(now) {
            Passage::Free => false,
            Passage::Try => true,
            Passage::Wait(until) => {
                until.into_iter().for_each(|until| earliest.or(until));
                return Next::Wait(earliest.0);
            }
        };
        let single = tries_breaker || tries_connection;
        let Some((group, place, tries_group)) = self.choose(now, single, &mut earliest) else {
            return Next::Wait(earliest.0);
        };
        if let Some(budget) = self.limits.budget(wall) {
            self.told.budget(&budget);
        }
        let priority = if place == Place::Urgent { Priority::Urgent } else { Priority::Normal };
        if let Err(until) = self.limits.take(now, wall, priority) {
            earliest.or(until);
            return Next::Wait(earliest.0);
        }
        let breaker_before = tries_breaker.then_some(self.breaker);
        // Passes, as the look has shown.
        let _ = self.breaker.ask(now);
        let items = self.draw(group, place, single || tries_group);
        let intents = items.iter().filter(|item| matches!(item.work, Work::Intent { .. })).count();
        if tries_connection {
            self.gate = Gate::Trying;
        }
        let chosen = &mut self.groups[group];
        if tries_group {
            chosen.gate = Gate::Trying;
        }
        chosen.under_way += 1;
        chosen.probed_last = place == Place::Probe;
        self.under_way += 1;
        self.intents_under_way += intents;
        self.cursor = group + 1;
        let probe = place == Place::Probe;
        Next::Start(Job { tag: Tag { group, probe, breaker_before, tries_connection, tries_group, intents }, items })
    }

    /// The group whose turn it is, callers who wait first; and whether it is a try of a refused function.
    fn choose(&mut self, now: Timestamp, single: bool, earliest: &mut Earliest) -> Option<(usize, Place, bool)> {
        let count = self.groups.len();
        let has_slot = self.limits.has_slot(self.under_way, Priority::Normal);
        let mut normal = None;
        for step in 0..count {
            let index = (self.cursor + step) % count;
            self.prune(index);
            let group = &self.groups[index];
            let tries = match group.gate.passage(now) {
                Passage::Free => false,
                Passage::Try => true,
                Passage::Wait(until) => {
                    until.into_iter().for_each(|until| earliest.or(until));
                    continue;
                }
            };
            if group.wants_urgently(single || tries) {
                return Some((index, Place::Urgent, tries));
            }
            if normal.is_none() && has_slot {
                normal = group.wants(single || tries).map(|place| (index, place, tries));
            }
        }
        normal
    }

    /// Drops what nobody wants any more from the heads of a group's queues.
    fn prune(&mut self, group: usize) {
        let Self { groups, intents, .. } = self;
        for place in [Place::Urgent, Place::Ready, Place::Probe] {
            let queue = groups[group].queue(place);
            while queue.front().is_some_and(|item| !Self::is_wanted(intents, item)) {
                queue.pop_front();
            }
        }
    }

    /// Takes from a queue what one request carries.
    fn draw(&mut self, group: usize, place: Place, single: bool) -> Vec<Item> {
        let Self { groups, intents, .. } = self;
        let share = groups[group].share(place, single);
        let queue = groups[group].queue(place);
        let mut items = Vec::with_capacity(share.min(queue.len()));
        while items.len() < share
            && let Some(item) = queue.pop_front_if(|item| items.is_empty() || !item.alone)
        {
            if !Self::is_wanted(intents, &item) {
                continue;
            }
            if let Work::Intent { intent, .. } = &item.work
                && let Some(standing) = intents.get_mut(intent)
            {
                standing.busy = true;
            }
            let is_alone = item.alone;
            items.push(item);
            if is_alone {
                break;
            }
        }
        items
    }
}
