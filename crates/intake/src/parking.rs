//! Changes whose parent is not known yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use store::Mutation;

use crate::Shared;
use crate::convert::{Parked, inbox_row};
use crate::work::Work;

/// How often parked changes are looked at again, should nobody have told that their parent is known.
const AGAIN: Duration = Duration::from_secs(30);
/// After so long a parent is taken to be foreign: the change is handed over without it.
const FOREIGN: SignedDuration = SignedDuration::from_mins(15);

/// Connection, object and record id of a parent.
type Parent = (Arc<str>, Arc<str>, Arc<str>);

/// The place of a feed, what waits there, and since when.
type Waiting = (usize, Work, Timestamp);

/// The changes that wait for a parent.
#[derive(Default)]
pub(crate) struct Parking(Mutex<HashMap<Parent, Vec<Waiting>>>);

impl Parking {
    /// Those that wait for this parent.
    pub(crate) fn take(&self, connection: &str, object: &str, id: &str) -> Vec<(usize, Work)> {
        let parent = (connection.into(), object.into(), id.into());
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&parent);
        found.unwrap_or_default().into_iter().map(|(place, work, _)| (place, work)).collect()
    }

    fn put(&self, parent: Parent, place: usize, work: Work, since: Timestamp) {
        let mut parked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parked.entry(parent).or_default().push((place, work, since));
    }

    fn take_all(&self) -> Vec<Waiting> {
        let all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        all.into_values().flatten().collect()
    }
}

impl Shared {
    /// Keeps changes in mind until their parent is known. Those that have no inbox row get one by [`Self::keep`].
    pub(crate) async fn park(&self, place: usize, parked: Parked) {
        if parked.is_empty() {
            return;
        }
        let line = &self.lines[place];
        let connection: Arc<str> = line.feed.connection.as_str().into();
        for (object, id, work) in parked {
            // Since when it waits is since when it was heard of: looking again does not start anew.
            let since = work.arrived;
            self.parking.put((Arc::clone(&connection), Arc::clone(&object), Arc::clone(&id)), place, work, since);
            // The parent may have become known between the look and the parking.
            if let Ok(Some(_)) = self.store.reference_of_record(&object, &connection, &id) {
                for (place, work) in self.parking.take(&connection, &object, &id) {
                    self.lines[place].put([work]);
                }
            }
        }
    }

    /// Inbox rows for parked changes of a subscribed feed, so that its place can move on.
    pub(crate) fn keep(&self, place: usize, parked: &mut Parked) -> Vec<Mutation> {
        let line = &self.lines[place];
        let now = self.clock.now();
        let mut rows = Vec::new();
        for (_, _, work) in parked.iter_mut().filter(|(_, _, work)| work.inbox.is_empty()) {
            let row_id: Arc<str> = format!("parked/{}/{}", line.feed.name, work.id).into();
            rows.push(Mutation::PutInbox(inbox_row(line, Arc::clone(&row_id), &work.id, work.at, now)));
            work.inbox.push(row_id);
        }
        rows
    }

    pub(crate) async fn wake_parked(self: Arc<Self>) {
        loop {
            tokio::time::sleep(AGAIN).await;
            let now = self.clock.now();
            for (place, mut work, since) in self.parking.take_all() {
                work.orphan = now.duration_since(since) >= FOREIGN;
                self.lines[place].put([work]);
            }
        }
    }
}
