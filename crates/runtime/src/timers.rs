//! Wake-ups: durable rows, of which those due soon are in memory. What came due while nobody was there fires at start.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use model::RunId;
use tokio::sync::Notify;

use crate::core::Core;
use crate::work::Work;

/// How far ahead timers are held in memory, and how often the store is asked for those that come into reach.
const REACH: SignedDuration = SignedDuration::from_secs(90);
const ASK_EVERY: Duration = Duration::from_secs(30);
/// How many rows are taken into memory at once; more are asked for as soon as these have fired.
const ROWS_MAX: u32 = 50_000;

type Place = (RunId, Arc<str>);

/// The timers that are due soon.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    soon: Mutex<Soon>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Soon {
    by_time: BTreeSet<(Timestamp, RunId, Arc<str>)>,
    by_place: HashMap<Place, Timestamp>,
}

impl Soon {
    fn set(&mut self, due: Timestamp, (run, position): Place) {
        self.remove(run, &position);
        self.by_time.insert((due, run, Arc::clone(&position)));
        self.by_place.insert((run, position), due);
    }

    fn remove(&mut self, run: RunId, position: &Arc<str>) {
        if let Some(due) = self.by_place.remove(&(run, Arc::clone(position))) {
            self.by_time.remove(&(due, run, Arc::clone(position)));
        }
    }
}

impl Timers {
    /// A timer was stored.
    pub(crate) fn set(&self, due: Timestamp, run: RunId, position: Arc<str>, now: Timestamp) {
        if due.duration_since(now) > REACH {
            return;
        }
        self.locked().set(due, (run, position));
        self.changed.notify_one();
    }

    /// A timer was removed.
    pub(crate) fn remove(&self, run: RunId, position: &Arc<str>) {
        self.locked().remove(run, position);
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Soon> {
        self.soon.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn due(&self, now: Timestamp) -> Vec<Place> {
        let mut soon = self.locked();
        let mut due = Vec::new();
        while let Some((at, run, position)) = soon.by_time.first().cloned() {
            if at > now {
                break;
            }
            soon.remove(run, &position);
            due.push((run, position));
        }
        due
    }

    fn next(&self) -> Option<Timestamp> {
        self.locked().by_time.first().map(|(at, ..)| *at)
    }
}

/// Fires timers until the runtime ends.
pub(crate) async fn run(core: Arc<Core>) {
    let mut ask_at = tokio::time::Instant::now();
    loop {
        if ask_at <= tokio::time::Instant::now() {
            let until = core.clock.now().checked_add(REACH).unwrap_or(Timestamp::MAX);
            let Some(rows) = core.read(move |store| store.timers_due(until, ROWS_MAX)).await else { return };
            let mut soon = core.timers.locked();
            for row in rows {
                let place = (row.run, position(&row.position));
                if !soon.by_place.contains_key(&place) {
                    soon.set(row.due_at, place);
                }
            }
            drop(soon);
            ask_at = tokio::time::Instant::now() + ASK_EVERY;
        }
        for (run, position) in core.timers.due(core.clock.now()) {
            core.send_to_run(run, Work::Fire { run, position });
        }
        let wait = core.timers.next().map_or(ASK_EVERY, |next| {
            Duration::try_from(next.duration_since(core.clock.now())).unwrap_or(Duration::ZERO).min(ASK_EVERY)
        });
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = core.timers.changed.notified() => {}
            () = tokio::time::sleep_until(ask_at) => {}
        }
    }
}

/// A position as rows hold it.
pub(crate) fn position(bytes: &[u8]) -> Arc<str> {
    String::from_utf8_lossy(bytes).into()
}
