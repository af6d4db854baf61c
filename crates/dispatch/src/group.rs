//! Calls that can be handed over together.

use std::sync::Arc;

use connect::{Action, Selection};
use definitions::Function;
use model::FunctionName;
use policy::Fair;

use crate::gate::Gate;
use crate::item::{Item, Place};

/// What calls must have in common to be handed over together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum GroupKey {
    /// Calls of one version of a function.
    Function {
        /// Its name.
        name: FunctionName,
        /// Its version.
        version: Arc<str>,
        /// Its action, as another release may define the same version otherwise.
        action: Action,
        /// Its record, for the same reason.
        record: Arc<str>,
    },
    /// Records re-read by id.
    Read {
        /// The kind.
        record: Arc<str>,
        /// What is wanted of them.
        select: Arc<Selection>,
    },
    /// Pages of what changed.
    Changes {
        /// The kind.
        record: Arc<str>,
    },
    /// What has become of records.
    Fates {
        /// The kind.
        record: Arc<str>,
    },
}

impl GroupKey {
    pub(crate) fn of(function: &Function) -> Self {
        Self::Function {
            name: function.name.clone(),
            version: Arc::clone(&function.version),
            action: function.action,
            record: Arc::clone(&function.record),
        }
    }
}

/// Calls that can be handed over together, and how they fare.
pub(crate) struct Group {
    /// How many are best handed over together.
    gather: usize,
    urgent: Fair<Item>,
    ready: Fair<Item>,
    probes: Fair<Item>,
    /// Requests under way.
    pub(crate) under_way: usize,
    /// Shut when the system refuses this function as a whole.
    pub(crate) gate: Gate,
    /// Calls in a row that were refused as unfit for this system.
    pub(crate) misfits: usize,
    /// Whether its last request was a probe: probes and sends take turns.
    pub(crate) probed_last: bool,
}

/// Requests of callers who wait go out at once up to so many; only then they are gathered more.
const URGENT_AT_ONCE: usize = 3;

impl Group {
    pub(crate) fn new(gather: usize) -> Self {
        Self {
            gather: gather.max(1),
            urgent: Fair::default(),
            ready: Fair::default(),
            probes: Fair::default(),
            under_way: 0,
            gate: Gate::Open,
            misfits: 0,
            probed_last: false,
        }
    }

    pub(crate) fn queue(&mut self, place: Place) -> &mut Fair<Item> {
        match place {
            Place::Urgent => &mut self.urgent,
            Place::Ready => &mut self.ready,
            Place::Probe => &mut self.probes,
        }
    }

    /// Which of the two normal queues a request would serve now. The more of its requests are under way, the fuller the next
    /// one must be: a quiet system is asked at once, and under load batches fill up by themselves.
    pub(crate) fn wants(&self, single: bool) -> Option<Place> {
        let sends =
            if single { !self.ready.is_empty() } else { is_enough(self.ready.len(), self.under_way, self.gather) };
        match (!self.probes.is_empty(), sends) {
            (true, true) if self.probed_last => Some(Place::Ready),
            (true, _) => Some(Place::Probe),
            (false, true) => Some(Place::Ready),
            (false, false) => None,
        }
    }

    /// Whether a request for callers who wait would go out now.
    pub(crate) fn wants_urgently(&self, single: bool) -> bool {
        let crowd = self.under_way.saturating_sub(URGENT_AT_ONCE);
        if single { !self.urgent.is_empty() } else { is_enough(self.urgent.len(), crowd, self.gather) }
    }

    /// How many items a request takes from a queue.
    pub(crate) const fn share(&self, place: Place, single: bool) -> usize {
        if single || matches!(place, Place::Probe) { 1 } else { self.gather }
    }

    /// Everything that waits in its queues.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Item> {
        let [urgent, ready, probes] = [&mut self.urgent, &mut self.ready, &mut self.probes].map(std::mem::take);
        urgent.into_iter().chain(ready).chain(probes)
    }
}

fn is_enough(waiting: usize, under_way: usize, gather: usize) -> bool {
    let needed = 4_usize.saturating_pow(u32::try_from(under_way).unwrap_or(u32::MAX)).min(gather);
    waiting >= needed
}

#[cfg(test)]
mod tests {
    use super::is_enough;

    #[test]
    fn a_group_that_is_busy_waits_for_fuller_batches() {
        let needed = |under_way| (0..=200).find(|waiting| is_enough(*waiting, under_way, 200)).expect("a number");
        assert_eq!([0, 1, 2, 3, 4, 5, 100].map(needed), [1, 4, 16, 64, 200, 200, 200]);
        assert!(is_enough(1, 50, 1), "what cannot be gathered is not held back");
        assert!(!is_enough(0, 0, 1));
    }
}
