//! The first load: of objects that systems are kept in agreement about, what there was before the first start is read, too.
//!
//! Feeds and sweeps begin before it does, so nothing falls between: what changes meanwhile is told by them, and a record that
//! is read twice is the same. Where the system gives many records at once in a way of its own (`connect::Bulk`), that is asked;
//! otherwise ids come page by page and records are read by them. The place moves in the commit that holds what was read, so a load that was cut short goes on
//! where it was. A page that is long out of date costs nothing either, as pages are found by the last record and not by a
//! cursor of the system.
//!
//! The records of a job are as they were when it was started. What changed or went since is read once more when it is over,
//! so that nothing stands for an object that was deleted while the job ran.
//!
//! What is made of an object waits until all its records are known, also those that wait for a parent which another feed still
//! reads. One whose parent cannot be read keeps nothing from being made: its counterpart cannot be made without that parent either.

mod job;
mod place;

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use connect::{CallError, Position};
use definitions::{Feed, Release};
use dispatch::Dispatcher;
use jiff::Timestamp;
use model::{ConnectionName, ObjectName};
use store::{FeedPositionRow, Mutation, Store, StoreError};

use crate::convert::Parked;
use crate::parking::Parent;
use crate::record::Line;
use crate::work::Work;
use crate::{Batch, Shared};
use place::{Next, Place};

/// Records that are read in one go.
const GATHER_MAX: usize = 200;
/// How long it waits after something failed that may mend itself.
const PAUSE: Duration = Duration::from_secs(5);
/// How long it waits for a job that still works.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long it waits at most when the system asks for it.
const PAUSE_MAX: Duration = Duration::from_secs(600);
/// How often it looks whether parents have become known.
const PARENTS_AGAIN: Duration = Duration::from_millis(200);

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
        if is_loaded(release, feed) && !stored(store, feed)?.is_done() {
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
            let line = &self.lines[*place];
            loading.entry(line.feed.object.clone()).or_default().insert(*place);
            line.count(|counters| counters.load = Some(Place::default().figures()));
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
        let was_done = at.is_done();
        self.tell_load(place, &at);
        let mut jobs = job::Jobs::of(&line.feed);
        let mut told = None;
        while !at.is_done() {
            let next = match &at.next {
                Next::Begin if jobs.are_possible() => self.start_job(place, at.read, &mut jobs).await,
                Next::Begin => self.load_page(place, at.read, None).await,
                Next::Page(page) => self.load_page(place, at.read, Some(page)).await,
                Next::Job(page, times) => self.load_job_page(place, at.read, page, *times, &mut jobs).await,
                Next::Tail(times) => self.load_tail(place, at.read, *times).await,
                Next::Parents => Ok(self.wait_for_parents(place, at.read).await),
                Next::Done => break,
            };
            match next {
                Ok(next) => {
                    at = next;
                    told = None;
                }
                Err(error) => {
                    // Said once, also where somebody has to put it right over there first.
                    let trouble = error.to_string();
                    if told.as_ref() != Some(&trouble) {
                        let (connection, feed) = (&line.feed.connection, &line.feed.name);
                        tracing::warn!(%connection, %feed, %error, "a first load waits; it goes on where it is");
                        told = Some(trouble);
                    }
                    tokio::time::sleep(error.retry_after.unwrap_or(PAUSE).clamp(PAUSE, PAUSE_MAX)).await;
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

    async fn load_page(&self, place: usize, read: u64, page: Option<&Position>) -> Result<Place, CallError> {
        let line = &self.lines[place];
        let Some(dispatcher) = self.dispatchers.get(&line.feed.connection) else {
            return Ok(Place { read, next: Next::Done });
        };
        let found = dispatcher.changed_since(&line.feed.record, Timestamp::UNIX_EPOCH, page.cloned()).await?;
        let read = read + found.records.len() as u64;
        let next = Place { read, next: found.next.map_or(Next::Parents, Next::Page) };
        let mut last = Some(self.load_row(place, &next));
        let mut chunks = found.records.chunks(GATHER_MAX).peekable();
        while let Some(chunk) = chunks.next() {
            self.wait_for_few(line).await;
            let now = self.clock.now();
            let works = chunk.iter().map(|(id, mark)| {
                let mark = Some(Arc::clone(mark));
                Work { loaded: true, mark, ..Work::new(Arc::clone(id), now, now) }
            });
            let row = if chunks.peek().is_none() { last.take() } else { None };
            let mut versions = line.turn.lock().await;
            let mut batch = Batch::default();
            let parked = self.convert(line, &mut versions, works.collect(), &mut batch).await;
            self.hand_over_loaded(line, batch, parked, row).await;
        }
        // A page without records moves the place, too.
        self.hand_over(Batch { mutations: last.into_iter().collect(), ..Batch::default() }).await;
        Ok(next)
    }

    /// Waits until few writes wait for the systems that hold the object: what happens to others is no matter of this load.
    async fn wait_for_few(&self, line: &Line) {
        let sides = self.compared.get(&line.feed.object).into_iter().flatten();
        let sides: Vec<Dispatcher> = sides.filter_map(|side| self.dispatchers.get(side).cloned()).collect();
        let what = format!("the first load of {}", line.feed);
        let waits = |side: Option<&ConnectionName>| line.count(|counters| counters.load_waits_for = side.cloned());
        dispatch::wait_for_few(&sides, &what, waits).await;
    }

    /// Hands over what was loaded, within the turn of the line.
    async fn hand_over_loaded(&self, line: &Line, mut batch: Batch, mut parked: Parked, row: Option<Mutation>) {
        batch.mutations.extend(self.keep(line, &mut parked));
        batch.mutations.extend(row);
        self.hand_over(batch).await;
        self.park(line, parked).await;
    }

    /// Waits until no record that was loaded waits for a parent that may still be read, or is on its way.
    async fn wait_for_parents(&self, place: usize, read: u64) -> Place {
        let line = &self.lines[place];
        loop {
            let turn = line.turn.lock().await;
            let waits = self.parking.waits_for(place, |parent| self.is_being_read(line, parent));
            // What was parked a moment ago stands in the line now.
            if !waits && !line.has_loaded() {
                break;
            }
            drop(turn);
            tokio::time::sleep(PARENTS_AGAIN).await;
        }
        let next = Place { read, next: Next::Done };
        let mutations = vec![self.load_row(place, &next)];
        self.hand_over(Batch { mutations, ..Batch::default() }).await;
        next
    }

    /// Whether a parent that is not known may be among what another line still reads.
    fn is_being_read(&self, line: &Line, parent: &Parent) -> bool {
        let reads = |other: &&Arc<Line>| other.place != line.place && parent.may_come_from(&other.feed);
        self.lines.iter().filter(reads).any(|other| other.is_reading())
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
        self.lines[place].count(|counters| counters.load = Some(at.figures()));
    }
}
