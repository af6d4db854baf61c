//! The items of a topic that are not worked off, in the topic's order: how far the feed is read for good.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use connect::Position;
use jiff::Timestamp;
use tokio::sync::Notify;

/// Readings of one topic that may be outstanding before the feed is not asked for more.
const READINGS_MAX: usize = 2_000;
/// Items that may be outstanding; most have no readings, but wait for one before them that has.
const ITEMS_MAX: usize = 10_000;

/// The items of one topic that are not worked off.
#[derive(Default)]
pub(crate) struct Places {
    state: Mutex<State>,
    room: Notify,
}

#[derive(Default)]
struct State {
    /// Number of the first item.
    first: u64,
    items: VecDeque<Item>,
    readings: usize,
}

struct Item {
    position: Position,
    at: Timestamp,
    left: usize,
}

impl Places {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until another item may come.
    pub(crate) async fn room(&self) {
        loop {
            let changed = self.room.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            {
                let state = self.state();
                if state.readings < READINGS_MAX && state.items.len() < ITEMS_MAX {
                    return;
                }
            }
            changed.await;
        }
    }

    /// The number that the next item will have.
    pub(crate) fn next(&self) -> u64 {
        let state = self.state();
        state.first + state.items.len() as u64
    }

    /// An item that was heard at an instant and leads to so many readings.
    pub(crate) fn put(&self, position: Position, at: Timestamp, readings: usize) {
        let mut state = self.state();
        state.readings += readings;
        state.items.push_back(Item { position, at, left: readings });
    }

    /// One reading of an item is durable or becomes so with what is settled next.
    pub(crate) fn done(&self, item: u64) {
        let mut state = self.state();
        let place = item.checked_sub(state.first).and_then(|place| usize::try_from(place).ok());
        if let Some(item) = place.and_then(|place| state.items.get_mut(place)) {
            item.left = item.left.saturating_sub(1);
            state.readings = state.readings.saturating_sub(1);
        }
    }

    /// The place after the items that are worked off without a gap, when it is another one than before, and when it was heard.
    pub(crate) fn settle(&self) -> Option<(Position, Timestamp)> {
        let mut settled = None;
        {
            let mut state = self.state();
            while state.items.front().is_some_and(|item| item.left == 0) {
                settled = state.items.pop_front().map(|item| (item.position, item.at));
                state.first += 1;
            }
        }
        self.room.notify_waiters();
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(number: u64) -> Position {
        Position(number.to_be_bytes().to_vec())
    }

    proptest! {
        /// Whatever order readings end in, a place is given only when everything before it is done, and in the end the last is.
        #[test]
        fn a_place_is_given_only_when_all_before_it_is_done(
            items in proptest::collection::vec(0_usize..4, 1..30), seed in proptest::collection::vec(any::<u32>(), 120)
        ) {
            let places = Places::default();
            let mut open: Vec<u64> = Vec::new();
            for (number, left) in items.iter().enumerate() {
                let item = places.next();
                prop_assert_eq!(item, number as u64);
                places.put(place(item), Timestamp::UNIX_EPOCH, *left);
                open.extend(std::iter::repeat_n(item, *left));
            }
            let mut reached = places.settle().map(|(position, _)| position);
            for draw in seed {
                if open.is_empty() {
                    break;
                }
                let done = open.swap_remove(draw as usize % open.len());
                places.done(done);
                if let Some((position, _)) = places.settle() {
                    reached = Some(position);
                }
                let first_open = open.iter().min().copied().unwrap_or(items.len() as u64);
                prop_assert_eq!(reached.clone(), first_open.checked_sub(1).map(place));
            }
        }
    }
}
