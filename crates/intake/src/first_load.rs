//! The first load: of objects that systems are kept in agreement about, what there was before the first start is read, too.
//!
//! Feeds and sweeps begin before it does, so nothing falls between: what changes meanwhile is told by them, and a record that
//! is read twice is the same. The place moves in the commit that holds what was read, so a load that was cut short goes on
//! where it was. A page that is long out of date costs nothing either, as pages are found by the last record and not by a
//! cursor of the system.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use connect::{ErrorClass, Position};
use definitions::{Feed, Release};
use jiff::Timestamp;
use model::ObjectName;
use store::{FeedPositionRow, Mutation, Store, StoreError};

use crate::figures::LoadFigures;
use crate::work::Work;
use crate::{Batch, Shared};

/// Records that are read in one go.
const GATHER_MAX: usize = 200;
/// So many writes may wait for a connection before the load waits for them: what was there for years is in no hurry.
const WAITING_MAX: u64 = 2_000;
/// How often it looks whether they have become fewer.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long it waits after something failed that may mend itself.
const PAUSE: Duration = Duration::from_secs(5);

/// Where a load stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Place {
    read: u64,
    page: Option<Position>,
    done: bool,
}

impl Place {
    fn to_bytes(&self) -> Vec<u8> {
        let state = match (&self.page, self.done) {
            (_, true) => "done",
            (Some(_), false) => "page",
            (None, false) => "begin",
        };
        let mut bytes = format!("{} {state} ", self.read).into_bytes();
        bytes.extend(self.page.iter().flat_map(|page| &page.0));
        bytes
    }

    /// What is not understood is a load that has not begun: to read everything once more does no harm.
    fn from_bytes(bytes: &[u8]) -> Self {
        let mut parts = bytes.splitn(3, |byte| *byte == b' ');
        let read = parts.next().and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        match (read, parts.next(), parts.next()) {
            (Some(read), Some(b"done"), _) => Self { read, page: None, done: true },
            (Some(read), Some(b"page"), Some(page)) => Self { read, page: Some(Position(page.to_vec())), done: false },
            _ => Self::default(),
        }
    }
}

/// Whether a feed is one of a side of an object that is kept in agreement.
fn is_loaded(release: &Release, feed: &Feed) -> bool {
    let synchronised = release.synchronised.get(&feed.object);
    synchronised.is_some_and(|synchronised| synchronised.policy.sides.contains_key(&feed.connection))
}

fn place_name(feed: &Feed) -> Arc<str> {
    format!("load:{}", feed.name).into()
}

fn stored(store: &dyn Store, feed: &Feed) -> Result<Place, StoreError> {
    let row = store.feed_position(feed.connection.as_str(), &place_name(feed))?;
    Ok(row.map(|row| Place::from_bytes(&row.position)).unwrap_or_default())
}

/// The objects of which some record may not have been read yet that was there before the first start.
///
/// # Errors
/// When the store cannot be read.
pub fn loading(release: &Release, store: &dyn Store) -> Result<HashSet<ObjectName>, StoreError> {
    let mut objects = HashSet::new();
    for feed in release.connections.values().flat_map(|connection| connection.feeds.values()) {
        if is_loaded(release, feed) && !stored(store, feed)?.done {
            objects.insert(feed.object.clone());
        }
    }
    Ok(objects)
}

impl Shared {
    /// The lines that are to be loaded, kept in mind per object.
    pub(crate) fn first_loads(&self, release: &Release) -> Vec<usize> {
        let lines = self.lines.iter().filter(|line| is_loaded(release, &line.feed));
        let places: Vec<usize> = lines.map(|line| line.place).collect();
        let mut loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        for place in &places {
            loading.entry(self.lines[*place].feed.object.clone()).or_default().insert(*place);
        }
        places
    }

    /// Reads all records of a feed that were there before the first start, unless that is done.
    pub(crate) async fn load_first(self: Arc<Self>, place: usize) {
        let line = Arc::clone(&self.lines[place]);
        let mut at = loop {
            match stored(&*self.store, &line.feed) {
                Ok(at) => break at,
                Err(error) => {
                    tracing::error!(%error, "the place of a first load cannot be read");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        let was_done = at.done;
        self.tell_load(place, &at);
        while !at.done {
            match self.load_page(place, &at).await {
                Ok(next) => at = next,
                Err(error) if error.class == ErrorClass::Misconfigured => {
                    let (connection, feed) = (&line.feed.connection, &line.feed.name);
                    tracing::warn!(%connection, %feed, %error, "what was there before cannot be listed; only changes come");
                    at = Place { done: true, ..at };
                    let mutations = vec![self.load_row(place, &at)];
                    self.hand_over(Batch { mutations, ..Batch::default() }).await;
                }
                Err(error) => {
                    tracing::warn!(feed = %line.feed.name, %error, "a first load waits; it goes on where it is");
                    tokio::time::sleep(PAUSE).await;
                }
            }
            self.tell_load(place, &at);
        }
        if !was_done && at.read > 0 {
            tracing::info!(connection = %line.feed.connection, feed = %line.feed.name, records = at.read, "what was there before is read");
        }
        let object = &line.feed.object;
        let last = {
            let mut loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
            loading.get_mut(object).is_some_and(|places| places.remove(&place) && places.is_empty())
        };
        if last {
            self.sink.loaded(object);
        }
    }

    async fn load_page(&self, place: usize, at: &Place) -> Result<Place, connect::CallError> {
        let line = &self.lines[place];
        let Some(dispatcher) = self.dispatchers.get(&line.feed.connection) else {
            return Ok(Place { done: true, ..at.clone() });
        };
        let found = dispatcher.changed_since(&line.feed.record, Timestamp::UNIX_EPOCH, at.page.clone()).await?;
        let read = at.read + found.records.len() as u64;
        let next = Place { read, done: found.next.is_none(), page: found.next };
        let mut last = Some(self.load_row(place, &next));
        let mut chunks = found.records.chunks(GATHER_MAX).peekable();
        while let Some(chunk) = chunks.next() {
            self.wait_for_writes().await;
            let now = self.clock.now();
            let works = chunk.iter().map(|(id, _)| Work { loaded: true, ..Work::new(Arc::clone(id), now, now) });
            let mut versions = line.turn.lock().await;
            let mut batch = Batch::default();
            let mut parked = self.convert(line, &mut versions, works.collect(), &mut batch).await;
            batch.mutations.extend(self.keep(line, &mut parked));
            if chunks.peek().is_none() {
                batch.mutations.extend(last.take());
            }
            self.hand_over(batch).await;
            self.park(line, parked).await;
        }
        // A page without records moves the place, too.
        self.hand_over(Batch { mutations: last.into_iter().collect(), ..Batch::default() }).await;
        Ok(next)
    }

    fn load_row(&self, place: usize, at: &Place) -> Mutation {
        let feed = &self.lines[place].feed;
        Mutation::PutFeedPosition(FeedPositionRow {
            connection: feed.connection.as_str().into(),
            feed: place_name(feed),
            position: at.to_bytes(),
            at: self.clock.now(),
        })
    }

    fn tell_load(&self, place: usize, at: &Place) {
        self.lines[place].count(|counters| counters.load = Some(LoadFigures { read: at.read, done: at.done }));
    }

    /// What follows from a load must not pile up.
    async fn wait_for_writes(&self) {
        let waits = || self.dispatchers.values().any(|dispatcher| dispatcher.figures().waiting > WAITING_MAX);
        while waits() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let page = |bytes: &[u8]| Some(Position(bytes.to_vec()));
        let places = [
            Place::default(),
            Place { read: 7, page: page(b"2026-11-23T10:00:00Z|001 x\x00\xff"), done: false },
            Place { read: 7, page: page(b""), done: false },
            Place { read: 4_000_000, page: None, done: true },
        ];
        for place in places {
            assert_eq!(Place::from_bytes(&place.to_bytes()), place);
        }
        for bytes in [&b""[..], b"x", b"7 ", b"7 page", b"-1 done ", b"\xff done "] {
            assert_eq!(Place::from_bytes(bytes), Place::default());
        }
    }
}
