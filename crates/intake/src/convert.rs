//! From a record as it was read to what is handed over: mapped, resolved, compared with what was handed over before.

use std::sync::Arc;

use connect::{CallError, ErrorClass};
use definitions::Feed;
use model::{EventId, Value, json};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::line::Line;
use crate::reading::{Origin, Reading};
use crate::references::Missing;
use crate::{CanonicalEvent, Shared, Unreadable};

/// What a reading led to.
pub(crate) enum Made {
    /// News, and the record's version.
    Event(Box<CanonicalEvent>, Arc<str>),
    /// A record for a person, and its version.
    Unreadable(Box<Unreadable>, Arc<str>),
    /// No news, or nobody wants it, or it is gone.
    Nothing,
    /// A parent is not known; parked since this instant.
    Parked(jiff::Timestamp),
}

/// A reading and what it led to, to be made durable.
pub(crate) struct Finished {
    /// Number of the line.
    pub(crate) line: usize,
    pub(crate) reading: Reading,
    /// When the reading was begun.
    pub(crate) begun: Instant,
    pub(crate) made: Made,
    /// Whether the record was parked and is not any more.
    pub(crate) unparked: bool,
}

impl Shared {
    /// What records led to; those that could not be worked on now, and why. Reads the store: belongs on a thread that may block.
    pub(crate) fn convert(
        &self,
        place: usize,
        readings: Vec<Reading>,
        records: Vec<Result<Value, CallError>>,
        begun: Instant,
    ) -> (Vec<Finished>, Vec<Reading>, Option<String>) {
        let line = &self.lines[place];
        let (mut finished, mut postponed, mut why) = (Vec::with_capacity(readings.len()), Vec::new(), None);
        let mut records = records.into_iter();
        for reading in readings {
            let record = records.next().unwrap_or_else(|| {
                Err(CallError::new(ErrorClass::Ambiguous, "no-answer", "the record was not answered for"))
            });
            match self.make(place, line, &reading, record) {
                Ok(made) => {
                    let unparked = !matches!(made, Made::Parked(_)) && self.parking.leave(place, &reading.id);
                    finished.push(Finished { line: place, reading, begun, made, unparked });
                }
                Err(reason) => {
                    postponed.push(reading);
                    why = Some(reason);
                }
            }
        }
        (finished, postponed, why)
    }

    /// An error says why it cannot be told now.
    fn make(
        &self,
        place: usize,
        line: &Line,
        reading: &Reading,
        record: Result<Value, CallError>,
    ) -> Result<Made, String> {
        let feed = &line.feed;
        let record = match record {
            Ok(Value::Null) => return Ok(Made::Nothing),
            Ok(record) => record,
            Err(error) if error.class == ErrorClass::Rejected => {
                return self.unreadable(line, reading, Value::Null, error.to_string());
            }
            Err(error) => return Err(error.to_string()),
        };
        let canonical = match feed.canonical(&record) {
            Ok(Some(canonical)) => canonical,
            Ok(None) => return Ok(Made::Nothing),
            Err(error) => return self.unreadable(line, reading, record, error.to_string()),
        };
        let object = match self.resolve(place, line, reading, &canonical.object) {
            Ok(Resolved::Object(object)) => object,
            Ok(Resolved::Parked(since)) => return Ok(Made::Parked(since)),
            Err(Missing::Unfit(reason)) => return self.unreadable(line, reading, record, reason),
            Err(Missing::Store(error)) => return Err(error.to_string()),
            Err(Missing::Parent(_)) => return Err("a parent is not known".to_owned()),
        };
        let version = hash("", &object);
        if !reading.forced && self.is_known(line, &reading.id, &version)? {
            return Ok(Made::Nothing);
        }
        Ok(Made::Event(Box::new(event(feed, reading, canonical.key, object)), version))
    }

    /// Adds the keys of parents, or parks the record until they are known.
    fn resolve(&self, place: usize, line: &Line, reading: &Reading, object: &Value) -> Result<Resolved, Missing> {
        if line.feed.resolve.is_empty() {
            return Ok(Resolved::Object(object.clone()));
        }
        let now = self.clock.now();
        let since = self.parking.since(place, &reading.id);
        let orphan = since.is_some_and(|since| now.duration_since(since) >= crate::parking::FOREIGN);
        let mut since_then = None;
        let mut waits_for = None;
        loop {
            let mut object = object.clone();
            match self.references.resolve(&*self.store, &line.feed, &mut object, orphan) {
                Ok(()) => return Ok(Resolved::Object(object)),
                Err(Missing::Parent(parent)) => {
                    // Once more after parking: a cross-reference that was learnt in between woke nobody.
                    if let Some(since) = since_then
                        && waits_for.as_ref() == Some(&parent)
                    {
                        return Ok(Resolved::Parked(since));
                    }
                    since_then = Some(self.parking.park(place, reading, parent.clone(), now));
                    waits_for = Some(parent);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn is_known(&self, line: &Line, id: &Arc<str>, version: &str) -> Result<bool, String> {
        if let Some(known) = line.version(id) {
            return Ok(*known == *version);
        }
        let stored = self.store.record_version(&line.connection, &line.feed.name, id);
        let Some(row) = stored.map_err(|error| error.to_string())? else { return Ok(false) };
        let same = *row.version == *version;
        line.remember(Arc::clone(id), row.version);
        Ok(same)
    }

    /// A person is told once of each version that cannot be read.
    pub(crate) fn unreadable(
        &self,
        line: &Line,
        reading: &Reading,
        record: Value,
        reason: String,
    ) -> Result<Made, String> {
        // A record that the system does not give is told apart by what the system says.
        let version = match &record {
            Value::Null => hash("unreadable:", &Value::from(reason.as_str())),
            record => hash("unreadable:", record),
        };
        if !reading.forced && self.is_known(line, &reading.id, &version)? {
            return Ok(Made::Nothing);
        }
        let unreadable = Unreadable {
            connection: line.feed.connection.clone(),
            feed: Arc::clone(&line.feed.name),
            id: Arc::clone(&reading.id),
            record,
            reason,
        };
        Ok(Made::Unreadable(Box::new(unreadable), version))
    }
}

enum Resolved {
    Object(Value),
    Parked(jiff::Timestamp),
}

fn event(feed: &Feed, reading: &Reading, key: Arc<str>, object: Value) -> CanonicalEvent {
    let id = EventId::now();
    let envelope = Value::object([
        ("specversion", Value::from("1.0")),
        ("id", Value::from(id.to_string())),
        ("source", Value::from(format!("/connections/{}", feed.connection))),
        ("type", Value::from(Arc::clone(&feed.event_type))),
        ("subject", Value::from(Arc::clone(&key))),
        ("time", Value::from(reading.at.to_string())),
        ("datacontenttype", Value::from("application/json")),
        // Extension attributes: which record it was made of.
        ("connection", Value::from(feed.connection.as_str())),
        ("feed", Value::from(Arc::clone(&feed.name))),
        ("recordid", Value::from(Arc::clone(&reading.id))),
        ("data", object),
    ]);
    CanonicalEvent { id, envelope, object: feed.object.clone(), key, arrived: reading.arrived }
}

/// Whether a reading counts as a change that came by itself.
pub(crate) fn is_heard(origin: Origin) -> bool {
    origin != Origin::Swept
}

/// The first half of SHA-256 of the JSON text: the same in every process.
pub(crate) fn hash(prefix: &str, value: &Value) -> Arc<str> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha256::digest(json::to_vec(value));
    let mut text = String::with_capacity(prefix.len() + 32);
    text.push_str(prefix);
    for byte in digest.iter().take(16) {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text.into()
}
