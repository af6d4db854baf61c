//! The first load: of objects that systems are kept in agreement about, what there was before the first start is read, too.
//!
//! Feeds and sweeps begin before it does, so nothing falls between: what changes meanwhile is told by them, and a record that
//! is read twice is the same. Where the system gives many records at once in a way of its own (`connect::Bulk`), that is asked;
//! otherwise ids come page by page and records are read by them. The place moves in the commit that holds what was read, so a load that was cut short goes on
//! where it was. A page that is long out of date costs nothing either, as pages are found by the last record and not by a
//! cursor of the system.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use connect::{BulkError, BulkRead, CallError, ErrorClass, Position};
use definitions::{Feed, Release};
use dispatch::Dispatcher;
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
    /// When the system's own job was started, for a page of one.
    job: Option<Timestamp>,
    done: bool,
}

impl Place {
    fn to_bytes(&self) -> Vec<u8> {
        let state = match (&self.page, self.job, self.done) {
            (_, _, true) => "done".to_owned(),
            (Some(_), Some(started), false) => format!("job@{started}"),
            (Some(_), None, false) => "page".to_owned(),
            (None, _, false) => "begin".to_owned(),
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
            (Some(read), Some(b"done"), _) => Self { read, done: true, ..Self::default() },
            (Some(read), Some(b"page"), Some(page)) => {
                Self { read, page: Some(Position(page.to_vec())), ..Self::default() }
            }
            (Some(read), Some(state), Some(page)) => {
                let started = state.strip_prefix(b"job@").and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
                let place = |job| Self { read, page: Some(Position(page.to_vec())), job: Some(job), done: false };
                started.map(place).unwrap_or_default()
            }
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
        let mut in_bulk = line.feed.select.children.is_empty();
        let mut told = None;
        while !at.done {
            if in_bulk && (at.page.is_none() || at.job.is_some()) {
                match self.load_bulk(place, &at).await {
                    Ok(next) => at = next,
                    Err(why) => {
                        // Records are then read in the usual way, from the beginning.
                        in_bulk = false;
                        if let Some(error) = why {
                            tracing::warn!(feed = %line.feed.name, %error, "a first load goes on page by page");
                        }
                        at = Place::default();
                    }
                }
                self.tell_load(place, &at);
                continue;
            }
            match self.load_page(place, &at).await {
                Ok(next) => at = next,
                Err(error) if error.class == ErrorClass::Misconfigured => {
                    // Somebody has to put it right over there: it is said once, and tried until then.
                    let (connection, feed, trouble) = (&line.feed.connection, &line.feed.name, error.to_string());
                    if told.as_ref() != Some(&trouble) {
                        tracing::warn!(%connection, %feed, %error, "what was there before cannot be listed; the first load waits");
                        told = Some(trouble);
                    }
                    tokio::time::sleep(PAUSE).await;
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
        let next = Place { read, done: found.next.is_none(), page: found.next, job: None };
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

    /// Reads a page of the system's own job, which is started where there is none. `Err` when the system has no such thing, or
    /// does not do it for this record.
    async fn load_bulk(&self, place: usize, at: &Place) -> Result<Place, Option<CallError>> {
        let line = &self.lines[place];
        let connection = self.dispatchers.get(&line.feed.connection).map(Dispatcher::connection).ok_or(None)?;
        let bulk = connection.bulk().ok_or(None)?;
        let read = BulkRead {
            record: Arc::clone(&line.feed.record),
            fields: line.feed.select.fields.clone(),
            since: None,
            before: None,
            deleted: false,
        };
        let (Some(page), Some(started)) = (&at.page, at.job) else {
            let started = self.clock.now();
            let job = loop {
                match bulk.start_read(&read).await {
                    Ok(job) => break job,
                    Err(error) if error.class.is_transient() => tokio::time::sleep(PAUSE).await,
                    Err(error) => return Err(Some(error)),
                }
            };
            let next = Place { read: at.read, page: Some(job.place), job: Some(started), done: false };
            let mutations = vec![self.load_row(place, &next)];
            self.hand_over(Batch { mutations, ..Batch::default() }).await;
            return Ok(next);
        };
        let found = loop {
            match bulk.read_page(&read, page).await {
                Ok(found) => break found,
                Err(BulkError::PlaceLost(reason)) => {
                    tracing::warn!(feed = %line.feed.name, %reason, "the job of a first load is gone; it begins anew");
                    return Ok(Place::default());
                }
                Err(BulkError::Call(error)) if error.class.is_transient() => tokio::time::sleep(PAUSE).await,
                Err(BulkError::Call(error)) => return Err(Some(error)),
            }
        };
        let next = Place {
            read: at.read + found.records.len() as u64,
            done: found.next.is_none(),
            page: found.next,
            job: Some(started),
        };
        if next == *at {
            // The job still works.
            tokio::time::sleep(LOOK_AGAIN).await;
            return Ok(next);
        }
        let mut last = Some(self.load_row(place, &next));
        let mut records = found.records.into_iter().peekable();
        while records.peek().is_some() {
            self.wait_for_writes().await;
            let now = self.clock.now();
            let taken = records.by_ref().take(GATHER_MAX);
            let taken = taken.filter_map(|record| {
                let id: Arc<str> = bulk.id_of(&record)?.into();
                Some((Work { loaded: true, ..Work::new(id, now, now) }, Ok(record)))
            });
            let mut versions = line.turn.lock().await;
            let mut batch = Batch::default();
            let mut parked = self.take_in(line, &mut versions, taken.collect(), started, &mut batch).await;
            batch.mutations.extend(self.keep(line, &mut parked));
            if records.peek().is_none() {
                batch.mutations.extend(last.take());
            }
            self.hand_over(batch).await;
            self.park(line, parked).await;
        }
        self.hand_over(Batch { mutations: last.into_iter().collect(), ..Batch::default() }).await;
        if next.done
            && let Err(error) = bulk.end_read(page).await
        {
            tracing::debug!(%error, "the job of a first load stays with the system until it forgets it");
        }
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
            Place { read: 7, page: page(b"2026-11-23T10:00:00Z|001 x\x00\xff"), ..Place::default() },
            Place { read: 7, page: page(b""), ..Place::default() },
            Place { read: 7, page: page(b"750|MTAwMA"), job: "2026-11-23T10:00:00.5Z".parse().ok(), done: false },
            Place { read: 4_000_000, done: true, ..Place::default() },
        ];
        for place in places {
            assert_eq!(Place::from_bytes(&place.to_bytes()), place);
        }
        for bytes in [&b""[..], b"x", b"7 ", b"7 page", b"-1 done ", b"\xff done "] {
            assert_eq!(Place::from_bytes(bytes), Place::default());
        }
    }
}
