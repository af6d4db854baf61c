//! From a record's id to what is handed over: read again, mapped, resolved, compared with what was handed over before.

use std::sync::Arc;

use connect::{CallError, Fate};
use definitions::{Feed, Occasions, Unknown};
use jiff::Timestamp;
use model::{EventId, Value, json};
use sha2::{Digest, Sha256};
use store::{InboxRow, Mutation, RecordVersionRow, StoreError};

use crate::parking::{Parent, orphan_row};
use crate::record::{Line, Remembered, Versions};
use crate::work::Work;
use crate::{Batch, CanonicalEvent, Gone, Shared, Unreadable};

/// Most records that are read in one go.
const GATHER_MAX: usize = 200;

/// Whether the record of an inbox row is handed over even if it is not news.
pub(crate) const FORCED: &str = "forced";

/// Whether the record of an inbox row is read only to start what waited for the end of an earlier run.
pub(crate) const AGAIN: &str = "again";

/// The version of a record that was handed over and is not wanted any more.
const UNWANTED: &str = "unwanted";

/// The records that wait, each with the parents that are not known.
pub(crate) type Parked = Vec<(Vec<Parent>, Work)>;

/// What a record says of its parents.
#[derive(Default)]
struct Parents {
    /// Whether it names any.
    named: bool,
    /// Those that are not known.
    missing: Vec<Parent>,
    /// Whether it is handed over all the same, at once.
    at_once: bool,
    /// Those without which it is never handed over, for people.
    needed: Vec<String>,
}

/// Why a record cannot be read.
struct Why {
    reason: String,
    /// Values that value maps do not know; `null` for none.
    unmapped: Value,
    /// What tells this failure from another one, besides its reason; `null` for nothing.
    failure: Value,
}

impl From<String> for Why {
    fn from(reason: String) -> Self {
        Self { reason, unmapped: Value::Null, failure: Value::Null }
    }
}

impl From<CallError> for Why {
    fn from(error: CallError) -> Self {
        let failure = Value::array([error.class.word(), error.code.as_str(), error.message.as_str()]);
        Self { failure, ..Self::from(error.to_string()) }
    }
}

impl Shared {
    /// Reads what waits in one line, for ever.
    pub(crate) async fn work_off(self: Arc<Self>, place: usize) {
        let line = Arc::clone(&self.lines[place]);
        loop {
            let mut versions = line.turn.lock().await;
            // Within the turn, so that who has it sees all that is not handed over yet.
            let works = line.take(GATHER_MAX);
            if works.is_empty() {
                drop(versions);
                line.wake.notified().await;
                continue;
            }
            let mut batch = Batch::default();
            let parked = self.convert(&line, &mut versions, works, &mut batch).await;
            self.hand_over(batch).await;
            self.park(&line, parked).await;
            drop(versions);
        }
    }

    /// Reads records and adds what they lead to. Gives those with a parent that is not known yet; their inbox rows stay. They
    /// are to be parked within the same turn, so that no record is parked twice.
    pub(crate) async fn convert(
        &self,
        line: &Line,
        versions: &mut Versions,
        works: Vec<Work>,
        batch: &mut Batch,
    ) -> Parked {
        let feed = &line.feed;
        let Some(dispatcher) = self.dispatchers.get(&feed.connection) else { return Parked::new() };
        let ids: Vec<Arc<str>> = works.iter().map(|work| Arc::clone(&work.id)).collect();
        let read_at = self.clock.now();
        let records = dispatcher.read(&feed.record, ids, &feed.select).await;
        self.take_in(line, versions, works.into_iter().zip(records).collect(), read_at, batch).await
    }

    /// The same for records that were read, from this instant on.
    pub(crate) async fn take_in(
        &self,
        line: &Line,
        versions: &mut Versions,
        records: Vec<(Work, Result<Value, CallError>)>,
        read_at: Timestamp,
        batch: &mut Batch,
    ) -> Parked {
        let feed = &line.feed;
        let mut parked = Parked::new();
        let mut missing = Vec::new();
        for (mut work, record) in records {
            if let Some(waiting) = self.parking.take_record(line.place, &work.id) {
                work.absorb(waiting);
            }
            line.count(|counters| counters.last_change = Some(work.at));
            let record = match record {
                Ok(Value::Null) if self.compared.contains_key(&feed.object) => {
                    missing.push(work);
                    continue;
                }
                Ok(record) => record,
                Err(error) => {
                    self.unreadable(line, versions, &work, Value::Null, error.into(), batch);
                    self.forget(line, &work, batch);
                    continue;
                }
            };
            let canonical = match feed.canonical(&record) {
                Ok(Some(canonical)) => canonical,
                Ok(None) => {
                    line.count(|counters| counters.dropped += 1);
                    self.remember_unwanted(line, versions, &work.id, batch);
                    self.forget(line, &work, batch);
                    continue;
                }
                Err(error) => {
                    let why = Why { unmapped: error.unmapped(), ..Why::from(error.to_string()) };
                    self.unreadable(line, versions, &work, record, why, batch);
                    self.forget(line, &work, batch);
                    continue;
                }
            };
            let mut object = canonical.object;
            let mut parents = match self.resolve(line, &mut object) {
                Ok(parents) => parents,
                Err(reason) => {
                    self.unreadable(line, versions, &work, record, reason.into(), batch);
                    self.forget(line, &work, batch);
                    continue;
                }
            };
            if work.orphan && parents.missing.iter().any(Parent::is_key) {
                // Nobody waits for the foreign ones any more; the others are known and come.
                parents.missing.retain(Parent::is_key);
                work.orphan = false;
            }
            let waits = !parents.missing.is_empty() && !parents.at_once;
            if waits && !work.orphan {
                parked.push((parents.missing, work));
                continue;
            }
            self.forget(line, &work, batch);
            if !parents.missing.is_empty() {
                let (row, orphan) = orphan_row(line, &work, &parents.missing, self.clock.now());
                batch.mutations.push(Mutation::PutInbox(row));
                parked.push((parents.missing, orphan));
            }
            if !parents.needed.is_empty() {
                let reason =
                    format!("{}. It is read again by itself as soon as that is known", parents.needed.join("; "));
                self.unreadable(line, versions, &work, record, reason.into(), batch);
                continue;
            }
            let occasions = match self.occasions(line, versions, &work.id, &mut object) {
                Ok(occasions) => occasions,
                Err(reason) => {
                    self.unreadable(line, versions, &work, record, reason.into(), batch);
                    continue;
                }
            };
            if let Err(error) = feed.check(&object) {
                self.unreadable(line, versions, &work, record, error.to_string().into(), batch);
                continue;
            }
            let version = hash("", &object);
            let changed = work.forced || !self.is_known(line, versions, &work.id, &version);
            let news = changed || work.again;
            if !news && !self.compared.contains_key(&feed.object) {
                line.count(|counters| counters.dropped += 1);
                continue;
            }
            line.count(|counters| counters.healed += u64::from(work.swept));
            // Of what was there before, the next change is told, even if it is the one that was loaded by then.
            let occasion = occasions.as_ref().map_or(0, Occasions::count);
            if news && !work.loaded {
                self.remember(line, versions, &work.id, Remembered { version, occasions }, batch);
            }
            let id = EventId::now();
            let envelope = Value::object([
                ("specversion", Value::from("1.0")),
                ("id", Value::from(id.to_string())),
                ("source", Value::from(format!("/connections/{}", feed.connection))),
                ("type", Value::from(Arc::clone(&feed.event_type))),
                ("subject", Value::from(Arc::clone(&canonical.key))),
                ("time", Value::from(work.at.to_string())),
                ("datacontenttype", Value::from("application/json")),
                ("data", object),
            ]);
            batch.events.push(CanonicalEvent {
                id,
                envelope,
                object: feed.object.clone(),
                key: canonical.key,
                feed: Arc::clone(feed),
                record: Arc::clone(&work.id),
                read_at,
                news,
                loaded: work.loaded,
                again: !changed,
                occasion,
                arrived: work.arrived,
                // What came before its parent was known has to reach the run that made the parent known.
                complete: if parents.named { self.clock.now() } else { work.arrived },
            });
        }
        self.look_for(line, missing, batch).await;
        parked
    }

    /// What has become of records that are not there, of those that anybody knows.
    async fn look_for(&self, line: &Line, missing: Vec<Work>, batch: &mut Batch) {
        let feed = &line.feed;
        let is_known = |work: &Work| {
            let object = feed.object.as_str();
            // What cannot be looked up is told of: who does not know it lets it be.
            !matches!(self.store.reference_of_record(object, feed.connection.as_str(), &work.id), Ok(None))
        };
        for work in &missing {
            self.forget(line, work, batch);
            batch.absent.push((Arc::clone(feed), Arc::clone(&work.id)));
        }
        let known: Vec<Work> = missing.into_iter().filter(|work| is_known(work)).collect();
        let Some(dispatcher) = self.dispatchers.get(&feed.connection).filter(|_| !known.is_empty()) else { return };
        let ids: Vec<Arc<str>> = known.iter().map(|work| Arc::clone(&work.id)).collect();
        let fates = dispatcher.fates(&feed.record, ids).await.unwrap_or_else(|error| {
            tracing::warn!(feed = %feed, %error, "it cannot be told what has become of records that are not there");
            Vec::new()
        });
        // What nobody tells of is not there.
        let fates = fates.into_iter().chain(std::iter::repeat(Fate::Absent));
        for (work, fate) in known.into_iter().zip(fates) {
            // One that is there after all was made, or became visible, between the two answers: its own change tells of it.
            if fate != Fate::There {
                let (feed, id) = (Arc::clone(feed), EventId::now());
                batch.gone.push(Gone { feed, record: work.id, fate, id, arrived: work.arrived });
            }
        }
    }

    /// Adds the keys of parents, or their ids in another connection; `null` for those that are not known.
    fn resolve(&self, line: &Line, object: &mut Value) -> Result<Parents, String> {
        let mut parents = Parents { at_once: true, ..Parents::default() };
        for rule in &line.feed.resolve {
            let id = rule.id.evaluate(object, &[], expr::Limits::default()).map_err(|error| error.to_string())?;
            let id: Option<Arc<str>> = match &id {
                Value::String(text) if !text.is_empty() => Some(text.clone().into()),
                Value::Number(_) => Some(id.to_string().into()),
                _ => None,
            };
            let Some(id) = id else {
                object.set(Arc::clone(&rule.member), Value::Null);
                continue;
            };
            parents.named = true;
            let known = self.store.reference_of_record(rule.object.as_str(), line.feed.connection.as_str(), &id);
            let found = match (known.map_err(|error| error.to_string())?, &rule.at) {
                (None, _) => Err(Parent::record(&line.feed.connection, rule.object.as_str(), &id)),
                (Some(reference), None) => Ok(reference.key),
                (Some(reference), Some(at)) => {
                    let there = self.store.reference(rule.object.as_str(), &reference.key, at.as_str());
                    match there.map_err(|error| error.to_string())? {
                        Some(there) => Ok(there.record_id),
                        None => Err(Parent::key(at, rule.object.as_str(), &reference.key)),
                    }
                }
            };
            match found {
                Ok(value) => object.set(Arc::clone(&rule.member), Value::from(value)),
                Err(parent) => {
                    let value = match rule.unknown {
                        Unknown::Name => Value::object([(line.feed.connection.as_str(), Value::from(Arc::clone(&id)))]),
                        Unknown::Without | Unknown::Wait => Value::Null,
                    };
                    object.set(Arc::clone(&rule.member), value);
                    parents.at_once &= rule.unknown == Unknown::Name;
                    if rule.unknown == Unknown::Wait {
                        let at = rule.at.as_ref().unwrap_or(&line.feed.connection);
                        parents.needed.push(format!("its {} {id} is not known in {at}", rule.member));
                    }
                    parents.missing.push(parent);
                }
            };
        }
        Ok(parents)
    }

    /// Counts the occasions of a record, which are those before and the one that it is at, and adds their number to the object.
    fn occasions(
        &self,
        line: &Line,
        versions: &mut Versions,
        id: &Arc<str>,
        object: &mut Value,
    ) -> Result<Option<Occasions>, String> {
        let Some(rule) = &line.feed.occasion else { return Ok(None) };
        let mark = line.feed.occasion(object).map_err(|error| error.to_string())?;
        let mark = mark.map(|mark| hash("", &Value::from(mark)));
        let known = self.known(line, versions, id).map_err(|error| error.to_string())?;
        let mut occasions = known.map_or_else(Occasions::default, |known| known.occasions());
        occasions.see(mark.as_deref());
        object.set(Arc::clone(&rule.member), i64::from(occasions.count()));
        Ok(Some(occasions))
    }

    fn is_known(&self, line: &Line, versions: &mut Versions, id: &Arc<str>, version: &str) -> bool {
        // When it cannot be told, it is handed over: twice is harmless, lost is not.
        matches!(self.known(line, versions, id), Ok(Some(known)) if *known.version == *version)
    }

    /// What was handed over last.
    fn known(&self, line: &Line, versions: &mut Versions, id: &Arc<str>) -> Result<Option<Remembered>, StoreError> {
        if let Some(known) = versions.get(id) {
            return Ok(Some(Remembered::of_text(known)));
        }
        let stored = self.store.record_version(line.feed.connection.as_str(), &line.feed.name, id)?;
        let Some(stored) = stored else { return Ok(None) };
        let known = Remembered::of_text(&stored.version);
        versions.put(Arc::clone(id), stored.version);
        Ok(Some(known))
    }

    /// Of a record that was handed over and is not wanted any more, the same again will be news.
    fn remember_unwanted(&self, line: &Line, versions: &mut Versions, id: &Arc<str>, batch: &mut Batch) {
        let Ok(known) = self.known(line, versions, id) else { return };
        if known.as_ref().is_none_or(|known| *known.version == *UNWANTED) {
            return;
        }
        let occasions = line.feed.occasion.as_ref().zip(known).map(|(_, known)| {
            let mut occasions = known.occasions();
            occasions.see(None);
            occasions
        });
        self.remember(line, versions, id, Remembered { version: UNWANTED.into(), occasions }, batch);
    }

    fn remember(&self, line: &Line, versions: &mut Versions, id: &Arc<str>, remembered: Remembered, batch: &mut Batch) {
        let version = remembered.into_text();
        versions.put(Arc::clone(id), Arc::clone(&version));
        batch.mutations.push(Mutation::PutRecordVersion(RecordVersionRow {
            connection: line.feed.connection.as_str().into(),
            record: Arc::clone(&line.feed.name),
            id: Arc::clone(id),
            version,
        }));
    }

    /// A person is told once of each version that cannot be read.
    fn unreadable(
        &self,
        line: &Line,
        versions: &mut Versions,
        work: &Work,
        record: Value,
        why: Why,
        batch: &mut Batch,
    ) {
        let version = match &record {
            // Another change is another version, although nobody saw either.
            Value::Null => {
                let change = work.mark.clone().unwrap_or_else(|| work.at.to_string().into());
                hash("unreadable:", &Value::array([Value::from(change), Value::from(why.reason.as_str()), why.failure]))
            }
            record => hash("unreadable:", record),
        };
        if !work.forced && self.is_known(line, versions, &work.id, &version) {
            line.count(|counters| counters.dropped += 1);
            return;
        }
        // Where it cannot be told which occasion it is at, that is not forgotten either: this is told once more.
        if let Ok(known) = self.known(line, versions, &work.id) {
            let occasions = line.feed.occasion.as_ref().zip(known).map(|(_, known)| known.occasions());
            self.remember(line, versions, &work.id, Remembered { version, occasions }, batch);
        }
        batch.unreadable.push(Unreadable {
            connection: line.feed.connection.clone(),
            feed: Arc::clone(&line.feed.name),
            id: Arc::clone(&work.id),
            record,
            choice: None,
            reason: why.reason,
            unmapped: why.unmapped,
        });
    }

    /// The inbox rows of this work are done with.
    fn forget(&self, line: &Line, work: &Work, batch: &mut Batch) {
        let connection: Arc<str> = line.feed.connection.as_str().into();
        batch.mutations.extend(
            work.inbox
                .iter()
                .map(|id| Mutation::RemoveInbox { connection: Arc::clone(&connection), id: Arc::clone(id) }),
        );
    }
}

/// The inbox row that has a record read again.
#[must_use]
pub fn look_row(feed: &Feed, record_id: &Arc<str>, now: Timestamp) -> InboxRow {
    let row_id = format!("look/{}/{}", feed.name, EventId::now()).into();
    row_of(feed, row_id, record_id, now, now)
}

/// The same, and it is handed over whether it changed or not.
#[must_use]
pub fn forced_look_row(feed: &Feed, record_id: &Arc<str>, now: Timestamp) -> InboxRow {
    let mut row = look_row(feed, record_id, now);
    row.content.set(FORCED, true);
    row
}

/// The same, only to start what has waited for the end of an earlier run.
#[must_use]
pub fn look_again_row(feed: &Feed, record_id: &Arc<str>, now: Timestamp) -> InboxRow {
    let mut row = look_row(feed, record_id, now);
    row.content.set(AGAIN, true);
    row
}

/// The inbox row that keeps a record in mind until it is read.
pub(crate) fn inbox_row(
    line: &Line,
    row_id: Arc<str>,
    record_id: &Arc<str>,
    at: Timestamp,
    now: Timestamp,
) -> InboxRow {
    row_of(&line.feed, row_id, record_id, at, now)
}

fn row_of(feed: &Feed, row_id: Arc<str>, record_id: &Arc<str>, at: Timestamp, now: Timestamp) -> InboxRow {
    let content = Value::object([
        ("feed", Value::from(Arc::clone(&feed.name))),
        ("id", Value::from(Arc::clone(record_id))),
        ("at", Value::from(at.to_string())),
    ]);
    InboxRow { connection: feed.connection.as_str().into(), id: row_id, content, at: now }
}

/// A value as a short text, the same for the same value.
pub(crate) fn hash(prefix: &str, value: &Value) -> Arc<str> {
    let digest = Sha256::digest(json::to_vec(value));
    let mut text = String::with_capacity(prefix.len() + 32);
    text.push_str(prefix);
    for byte in digest.iter().take(16) {
        text.push_str(&format!("{byte:02x}"));
    }
    text.into()
}
