//! Reading all records of one side, several at once within the connection's limits.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use connect::{CallError, ErrorClass};
use definitions::Feed;
use dispatch::Dispatcher;
use futures::stream::{FuturesOrdered, StreamExt as _};
use jiff::Timestamp;
use model::{Problem, Value};
use reconcile::{Row, Side, Spool};

use crate::keys::Keys;
use crate::subject::Subject;

/// How many records are read in one go, and how many such reads are under way at once; the connection's own limits hold besides.
const GATHER: usize = 200;
const AT_ONCE: usize = 8;
/// How many records that cannot be read are told one by one.
const TOLD_MAX: usize = 20;
/// Of how many such records the keys are kept.
const UNREAD_MAX: usize = 100_000;

/// One side while it is read.
pub struct Reader<'a> {
    /// What is compared.
    pub subject: &'a Subject,
    /// Which side it is.
    pub side: Side,
    /// The system.
    pub dispatcher: &'a Dispatcher,
    /// Which record is which object.
    pub keys: &'a dyn Keys,
    /// Told how many records are read, again and again.
    pub progress: &'a (dyn Fn(Side, u64) + Sync),
}

/// What came of the records of one side.
#[derive(Debug, Default)]
pub struct Read {
    /// How many records it has.
    pub records: u64,
    /// Records that no object can be made of.
    pub unreadable: u64,
    /// The first of these, with the reason.
    pub told: Vec<String>,
    /// The keys of these, where they are known.
    unread: HashSet<Arc<str>>,
    /// Whether there are some whose key is not known, or is not kept any more.
    unread_unknown: bool,
}

impl Read {
    /// Whether a record of this key, of which nothing was read, may be one that cannot be read.
    #[must_use]
    pub fn may_be_unread(&self, key: &str) -> bool {
        self.unread_unknown || self.unread.contains(key)
    }

    fn note_unread(&mut self, key: Option<&str>) {
        match key {
            Some(key) if self.unread.len() < UNREAD_MAX => drop(self.unread.insert(key.into())),
            _ => self.unread_unknown = true,
        }
    }
}

/// Records that are in the spool already, by two hashes of their ids: 128 bits, so that no two are taken for one.
struct Seen {
    records: HashSet<u128>,
    states: [RandomState; 2],
}

impl Seen {
    fn new() -> Self {
        Self { records: HashSet::new(), states: [RandomState::new(), RandomState::new()] }
    }

    /// Whether it is seen for the first time.
    fn is_new(&mut self, id: &str) -> bool {
        let [one, other] = &self.states;
        self.records.insert(u128::from(one.hash_one(id)) << 64 | u128::from(other.hash_one(id)))
    }
}

impl Reader<'_> {
    /// Reads all records.
    ///
    /// # Errors
    /// When the system refuses, or the disk is full.
    pub async fn all(&self, spool: &mut Spool) -> Result<Read, Problem> {
        let mut read = Read::default();
        let mut seen = Seen::new();
        for feed in self.subject.feeds.of(self.side) {
            let mut under_way = FuturesOrdered::new();
            let mut page = None;
            loop {
                let found = self.dispatcher.changed_since(&feed.record, Timestamp::UNIX_EPOCH, page.clone()).await;
                let found = found.map_err(|error| self.failed("listed", &error))?;
                let ids: Vec<Arc<str>> = found.records.into_iter().map(|(id, _)| id).collect();
                for part in ids.chunks(GATHER) {
                    under_way.push_back(self.read(feed, part.to_vec()));
                    if under_way.len() >= AT_ONCE
                        && let Some(records) = under_way.next().await
                    {
                        self.take(feed, records, spool, &mut seen, &mut read).await?;
                    }
                }
                (self.progress)(self.side, read.records);
                if found.next.is_none() || found.next == page {
                    break;
                }
                page = found.next;
            }
            while let Some(records) = under_way.next().await {
                self.take(feed, records, spool, &mut seen, &mut read).await?;
            }
        }
        Ok(read)
    }

    /// Reads these records.
    ///
    /// # Errors
    /// As [`Self::all`].
    pub async fn these(&self, ids: &[Arc<str>], spool: &mut Spool) -> Result<Read, Problem> {
        let mut read = Read::default();
        let mut seen = Seen::new();
        for feed in self.subject.feeds.of(self.side) {
            for part in ids.chunks(GATHER) {
                let records = self.read(feed, part.to_vec()).await;
                self.take(feed, records, spool, &mut seen, &mut read).await?;
            }
        }
        Ok(read)
    }

    async fn read(&self, feed: &Feed, ids: Vec<Arc<str>>) -> Vec<(Arc<str>, Result<Value, CallError>)> {
        let records = self.dispatcher.read(&feed.record, ids.clone(), &feed.select).await;
        ids.into_iter().zip(records).collect()
    }

    async fn take(
        &self,
        feed: &Feed,
        records: Vec<(Arc<str>, Result<Value, CallError>)>,
        spool: &mut Spool,
        seen: &mut Seen,
        read: &mut Read,
    ) -> Result<(), Problem> {
        let ids: Vec<Arc<str>> = records.iter().map(|(id, _)| Arc::clone(id)).collect();
        let keys = self.keys.of(self.side, &ids).await;
        for (place, (id, record)) in records.into_iter().enumerate() {
            let known = keys.get(place).and_then(Option::as_deref);
            // What is refused to this user altogether is no matter of single records.
            if let Err(error) = &record
                && matches!(error.class, ErrorClass::Misconfigured | ErrorClass::Unauthorized)
            {
                return Err(self.failed("read", error));
            }
            let canonical = match record {
                Ok(record) => feed.canonical(&record).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            let canonical = match canonical {
                Ok(Some(canonical)) => canonical,
                // It is gone, or its feed does not want it.
                Ok(None) => continue,
                Err(reason) => {
                    read.unreadable += 1;
                    read.note_unread(known);
                    if read.told.len() < TOLD_MAX {
                        read.told.push(format!("{} {id}: {reason}", self.name()));
                    }
                    continue;
                }
            };
            // It changed while its list was read, or two feeds have it.
            if !seen.is_new(&id) {
                continue;
            }
            let object = &canonical.object;
            let alone = format!("{}/{id}", self.name());
            let key = known.or_else(|| object.get("key").as_str().filter(|key| !key.is_empty()));
            // Where nobody keeps the sides the same, their feeds have the business key.
            let key = key.or_else(|| self.subject.synchronised.is_none().then_some(&*canonical.key)).unwrap_or(&alone);
            let stage = self.subject.stage_of(object);
            let row = Row { key, id: &id, stage: stage.as_deref(), object };
            spool.push(row).map_err(|error| error.problem())?;
            read.records += 1;
        }
        Ok(())
    }

    fn name(&self) -> &str {
        self.subject.sides.of(self.side).as_str()
    }

    fn failed(&self, what: &str, error: &CallError) -> Problem {
        let message = format!("the records of {} cannot be {what}: {}", self.name(), error);
        Problem::new("IL-REC-025", message, "Check what its user may read")
    }
}
