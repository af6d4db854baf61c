//! Topics: what was told is kept for a while in its order, and whoever listens is woken by each new event.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sandbox::faults::Faults;
use tokio::sync::watch;
use uuid::Uuid;

use super::change::{Commit, Draft};
use super::shape::{Shape, change_event_name};
use crate::id::RecordId;
use crate::schema::{ObjectAt, Schema};

/// Most events of a topic that are kept, however young.
const KEPT_MAX: usize = 2_000_000;

/// One event as subscribers get it.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) replay: u64,
    at: i64,
    pub(crate) id: Arc<str>,
    pub(crate) schema_id: Arc<str>,
    pub(crate) payload: Vec<u8>,
}

/// A channel.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) object: Option<ObjectAt>,
    pub(crate) can_publish: bool,
    log: Mutex<Log>,
    latest: watch::Sender<u64>,
}

#[derive(Debug)]
struct Log {
    events: VecDeque<Arc<Event>>,
    /// Everything up to here is gone.
    gone: u64,
}

/// All topics.
#[derive(Debug)]
pub(crate) struct Bus {
    schema: Arc<Schema>,
    topics: Vec<Topic>,
    by_name: HashMap<String, usize>,
    /// The schemas, by object.
    pub(crate) shapes: Vec<Option<Shape>>,
    changes_of: Vec<Option<usize>>,
    /// The number of the latest event; while it is held nobody else appends.
    last: Mutex<Numbers>,
    first: u64,
    retention: i64,
}

#[derive(Debug)]
struct Numbers {
    replay: u64,
    commit: u64,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Topic {
    fn new(name: String, object: Option<ObjectAt>, can_publish: bool, first: u64) -> Self {
        let log = Mutex::new(Log { events: VecDeque::new(), gone: first });
        Self { name, object, can_publish, log, latest: watch::Sender::new(first) }
    }

    /// The number of the latest event, told anew with each.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    pub(crate) fn latest(&self) -> u64 {
        *self.latest.borrow()
    }

    /// What comes before the first event that is kept.
    pub(crate) fn earliest(&self) -> u64 {
        held(&self.log).gone
    }

    /// The events behind this number.
    pub(crate) fn after(&self, replay: u64, max: usize) -> Vec<Arc<Event>> {
        let log = held(&self.log);
        let from = log.events.partition_point(|event| event.replay <= replay);
        log.events.range(from..).take(max).cloned().collect()
    }

    fn append(&self, event: Arc<Event>, oldest: i64) {
        let mut log = held(&self.log);
        let replay = event.replay;
        log.events.push_back(event);
        while log.events.front().is_some_and(|event| event.at < oldest) || log.events.len() > KEPT_MAX {
            if let Some(event) = log.events.pop_front() {
                log.gone = event.replay;
            }
        }
        drop(log);
        self.latest.send_replace(replay);
    }
}

impl Bus {
    /// Topics for every object with change events and every platform event.
    pub(crate) fn new(schema: Arc<Schema>, retention: Duration, now: i64) -> Self {
        // An org that was started later gives higher numbers, so that it knows the numbers of an earlier one for strange.
        let first = u64::try_from(now).unwrap_or(0).saturating_sub(1_700_000_000_000) * 1000;
        let mut topics = vec![Topic::new("/data/ChangeEvents".to_owned(), None, false, first)];
        let (mut shapes, mut changes_of) = (Vec::new(), Vec::new());
        for object in &schema.objects {
            changes_of.push(None);
            if object.event {
                shapes.push(Some(Shape::of_platform_event(object)));
                topics.push(Topic::new(format!("/event/{}", object.name), Some(object.at), true, first));
            } else if object.changes {
                if let Some(place) = changes_of.last_mut() {
                    *place = Some(topics.len());
                }
                shapes.push(Some(Shape::of_changes(object)));
                let name = format!("/data/{}", change_event_name(&object.name));
                topics.push(Topic::new(name, Some(object.at), false, first));
            } else {
                shapes.push(None);
            }
        }
        let by_name = topics.iter().enumerate().map(|(index, topic)| (topic.name.clone(), index)).collect();
        let retention = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
        let last = Mutex::new(Numbers { replay: first, commit: first });
        Self { schema, topics, by_name, shapes, changes_of, last, first, retention }
    }

    pub(crate) fn topic(&self, name: &str) -> Option<&Topic> {
        self.by_name.get(name).and_then(|index| self.topics.get(*index))
    }

    /// The schema's JSON by its id.
    pub(crate) fn schema_json(&self, id: &str) -> Option<Arc<str>> {
        self.shapes.iter().flatten().find(|shape| &*shape.id == id).map(|shape| Arc::clone(&shape.json))
    }

    pub(crate) fn shape(&self, object: ObjectAt) -> Option<&Shape> {
        self.shapes.get(usize::from(object.0))?.as_ref()
    }

    /// Whether an event with this number was, or could have been, in this org.
    pub(crate) fn knows(&self, replay: u64) -> bool {
        (self.first..=held(&self.last).replay).contains(&replay)
    }

    /// Takes what has grown old out of a topic, though nothing new comes.
    pub(crate) fn prune(&self, topic: &Topic, now: i64) {
        let oldest = now.saturating_sub(self.retention);
        let mut log = held(&topic.log);
        // What is as old as that is over, also where nothing is kept at all.
        while log.events.front().is_some_and(|event| event.at <= oldest) {
            if let Some(event) = log.events.pop_front() {
                log.gone = event.replay;
            }
        }
    }

    /// Everything that was told is as if it were too old.
    pub(crate) fn forget(&self) {
        for topic in &self.topics {
            let mut log = held(&topic.log);
            if let Some(event) = log.events.back() {
                log.gone = event.replay;
                log.events.clear();
            }
        }
    }

    /// Tells of a committed transaction.
    pub(crate) fn publish(&self, drafts: &[Draft], origin: &str, user: RecordId, now: i64, faults: &Faults) {
        if drafts.is_empty() {
            return;
        }
        let key = Uuid::now_v7().to_string();
        let mut numbers = held(&self.last);
        numbers.commit += 1;
        let commit = Commit { origin, key: &key, at: now, number: numbers.commit, user };
        for (index, draft) in drafts.iter().enumerate() {
            // An event that is lost was never told to anybody.
            if faults.strikes("lost_event") {
                continue;
            }
            let Some(shape) = self.shape(draft.object) else { continue };
            let gap = faults.strikes("gap_event");
            let object = self.schema.object(draft.object);
            let payload = draft.encode(object, &commit, index + 1, gap, shape.fields.len());
            let times = if faults.strikes("duplicate_event") { 2 } else { 1 };
            let id: Arc<str> = Uuid::now_v7().to_string().into();
            for _ in 0..times {
                numbers.replay += 1;
                let (id, schema_id, payload) = (Arc::clone(&id), Arc::clone(&shape.id), payload.clone());
                let event = Arc::new(Event { replay: numbers.replay, at: now, id, schema_id, payload });
                let own = self.changes_of.get(usize::from(draft.object.0)).copied().flatten();
                for topic in [Some(0), own].into_iter().flatten().filter_map(|index| self.topics.get(index)) {
                    topic.append(Arc::clone(&event), now.saturating_sub(self.retention));
                }
            }
        }
    }

    /// Tells a platform event; answers its number.
    pub(crate) fn publish_event(
        &self,
        topic: &Topic,
        schema_id: &Arc<str>,
        id: Arc<str>,
        payload: Vec<u8>,
        now: i64,
    ) -> u64 {
        let mut numbers = held(&self.last);
        numbers.replay += 1;
        let event = Event { replay: numbers.replay, at: now, id, schema_id: Arc::clone(schema_id), payload };
        topic.append(Arc::new(event), now.saturating_sub(self.retention));
        numbers.replay
    }
}
