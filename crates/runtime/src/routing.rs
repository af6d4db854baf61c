//! The way of an event: it starts runs, is stored for those that may listen for it, and is told to those that do.
//!
//! What the intake hands over takes two commits. In the first, lanes start runs: row, matter and first intents; they act as
//! soon as that is durable, so a change leads to its first request after one commit. The second holds the stored events
//! and the intake's own mutations (feed positions, record versions). It is never before the first: when the process dies
//! between the two, the feed delivers again, and a run that is there is not started again.
//!
//! After the second commit, runs that wait are looked up and told. No event falls between: one that is durable before a
//! run's listener is found by the run, which looks for stored events once its listener is durable; one that becomes durable
//! later finds the listener. Both may happen: what a run has taken in is remembered in the same commit as its new state.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use definitions::Feed;
use futures::future::BoxFuture;
use intake::{Batch, CanonicalEvent, Choice, Sink, Unreadable};
use model::{EventId, ObjectName, Problem, RunId, TransactionId, Value};
use store::{EventRow, Mutation};
use tokio::sync::oneshot;

use crate::core::{Core, ToIntake};
use crate::correlation::Correlation;
use crate::figures::Counters;
use crate::identity::{Identity, identify};
use crate::lane::Changed;
use crate::lane_id::LaneId;
use crate::lost::lost;
use crate::matter::{RECORD, key_of_record, record_key};
use crate::occasions::Occasion;
use crate::timers::position;
use crate::work::{Event, Settled, Start, Work};
use crate::workload::Workload;

/// Events of workflows that have not started what they start yet.
pub(crate) const EMITTED: &[u8] = b"emitted";
/// The object of the runs that such events start.
const EVENT: &str = "event";

/// Takes what the intake hands over.
pub(crate) struct Router(pub(crate) Arc<Core>);

impl Sink for Router {
    fn take(&self, batch: Batch) -> BoxFuture<'_, Result<(), Problem>> {
        Box::pin(take(&self.0, batch))
    }

    fn loaded(&self, object: &ObjectName) {
        self.0.loading.over(object);
    }
}

async fn take(core: &Arc<Core>, mut batch: Batch) -> Result<(), Problem> {
    Counters::add(&core.counters.events, batch.events.len());
    let mut answers = Vec::new();
    let (mut still, mut recognised) = (Vec::new(), Vec::new());
    let identities = identify(core, &batch.events).await?;
    for (event, identity) in batch.events.iter_mut().zip(identities) {
        match identity {
            None => {}
            Some(Identity::Is(key)) => {
                let (object, record) = (Arc::<str>::from(event.object.as_str()), Arc::clone(&event.record));
                let connection: Arc<str> = event.feed.connection.as_str().into();
                core.has_record(&object, &key, &connection);
                recognised.push(key_of_record(&connection, &event.feed.name, &record));
                // What waits for it is not left to wait until somebody looks. The intake is gone only when everything stops.
                let _ = core.to_intake.send(ToIntake::Referenced { connection, object, key: Arc::clone(&key), record });
                event.envelope.set("subject", Arc::clone(&key));
                event.key = Arc::clone(&key);
                let (answer, answered) = oneshot::channel();
                let lane = LaneId::of_matter(event.object.as_str(), &key);
                core.send(lane, Work::Changed(Box::new(Changed { key, event: event.clone() }), answer));
                answers.push(answered);
            }
            // A person was told of it when it was news.
            Some(Identity::Unclear(_)) if !event.news => {}
            Some(Identity::Unclear(unclear)) => batch.unreadable.push(Unreadable {
                connection: event.feed.connection.clone(),
                feed: Arc::clone(&event.feed.name),
                id: Arc::clone(&event.record),
                record: event.envelope.get("data").clone(),
                reason: unclear.reason,
                choice: (!unclear.actions.is_empty()).then(|| Choice {
                    queue: core.release.synchronised.get(&event.object).map(|one| one.queue.as_str().into()),
                    object: event.object.as_str().into(),
                    candidates: unclear.candidates,
                    actions: unclear.actions.into(),
                }),
                unmapped: Value::Null,
            }),
        }
    }
    settle_gone(core, &batch.absent);
    for (lane, lost) in lost(core, batch.gone).await? {
        let (answer, answered) = oneshot::channel();
        core.send(lane, Work::Gone(Box::new(lost), answer));
        answers.push(answered);
    }
    // What is not news is of use only to who compares himself, and what was there before anybody listened did not happen now.
    batch.events.retain(|event| event.news && !event.loaded);
    for unreadable in batch.unreadable {
        let (answer, answered) = oneshot::channel();
        let key = record_key(&unreadable);
        let lane = LaneId::of_matter(RECORD, &key);
        still.push(key);
        core.send(lane, Work::Unreadable(Box::new(unreadable), answer));
        answers.push(answered);
    }
    for event in &batch.events {
        start_runs(core, event, &mut answers);
    }
    for answer in answers {
        answer.await.unwrap_or_else(|_| Err(stopping()))?;
    }
    // As long as an object does not have what a person linked, it could be made there once more.
    readable(core, &batch.mutations, recognised, &still);

    let mut mutations = batch.mutations;
    let mut events = Vec::new();
    for event in batch.events.into_iter().filter(|event| !event.again) {
        let correlations = core.correlations.of_event(&event.envelope);
        if correlations.is_empty() {
            continue;
        }
        let event = Event { id: event.id, envelope: event.envelope, arrived: event.complete };
        core.recent.note(&correlations, core.clock.now());
        mutations.extend(rows(&event, &correlations));
        events.push((event, correlations));
    }
    core.commit(mutations, None).await?;
    if !events.is_empty() {
        deliver(core, events).await;
    }
    Ok(())
}

pub(crate) fn stopping() -> Problem {
    Problem::new("IL-RUN-001", "Interlock is stopping", "Try again when it has started; nothing was done")
}

fn start_runs(core: &Core, event: &CanonicalEvent, answers: &mut Vec<oneshot::Receiver<Result<(), Problem>>>) {
    let (object, key): (Arc<str>, _) = (event.object.as_str().into(), &event.key);
    for workflow in core.starts.of(&event.envelope) {
        let (answer, answered) = oneshot::channel();
        let start = Start {
            definition: workflow.clone(),
            object: Arc::clone(&object),
            key: Arc::clone(key),
            event: Event { id: event.id, envelope: event.envelope.clone(), arrived: event.arrived },
            matter: None,
            occasion: Occasion::of_event(event),
        };
        core.send(LaneId::of_matter(&object, key), Work::Start(start, answer));
        answers.push(answered);
    }
}

/// Where a record that could not be read has an item in a queue, that item is not needed any more once a version of it is
/// remembered that can be read, or it is known whose it is.
fn readable(core: &Core, mutations: &[Mutation], recognised: Vec<Arc<str>>, still: &[Arc<str>]) {
    if core.unreadable().is_empty() {
        return;
    }
    // The intake remembers versions by feed, as two feeds may follow the same kind of record.
    let remembered = mutations.iter().filter_map(|mutation| match mutation {
        Mutation::PutRecordVersion(row) => Some(key_of_record(&row.connection, &row.record, &row.id)),
        _ => None,
    });
    let keys: HashSet<Arc<str>> = remembered.chain(recognised).collect();
    for key in keys {
        if !still.contains(&key) && core.unreadable().contains(&key) {
            core.send(LaneId::of_matter(RECORD, &key), Work::Settled { key, how: Settled::Readable });
        }
    }
}

/// Nobody has to look at records any more that are gone.
fn settle_gone(core: &Core, absent: &[(Arc<Feed>, Arc<str>)]) {
    for (feed, record) in absent {
        let key = key_of_record(feed.connection.as_str(), &feed.name, record);
        if core.unreadable().contains(&key) {
            core.send(LaneId::of_matter(RECORD, &key), Work::Settled { key, how: Settled::Gone });
        }
    }
}

/// The rows of an event, one for each of its correlations.
pub(crate) fn rows(event: &Event, correlations: &[Correlation]) -> impl Iterator<Item = Mutation> {
    correlations.iter().map(|correlation| {
        Mutation::AppendEvent(EventRow {
            id: event.id,
            correlation: correlation.clone(),
            envelope: event.envelope.clone(),
            at: event.arrived,
        })
    })
}

/// Tells the runs that wait for durable events.
pub(crate) async fn deliver(core: &Core, events: Vec<(Event, Vec<Correlation>)>) {
    let wanted: Arc<[Correlation]> = events.iter().flat_map(|(_, correlations)| correlations).cloned().collect();
    let found = core.read(move |store| {
        wanted.iter().map(|correlation| store.listeners(correlation)).collect::<Result<Vec<_>, _>>()
    });
    let Some(found) = found.await else { return };
    let mut found = found.into_iter();
    for (event, correlations) in events {
        let mut places: HashMap<RunId, Vec<Arc<str>>> = HashMap::new();
        for listener in found.by_ref().take(correlations.len()).flatten() {
            let positions = places.entry(listener.run).or_default();
            let position = position(&listener.position);
            if !positions.contains(&position) {
                positions.push(position);
            }
        }
        for (run, positions) in places {
            core.send_to_run(run, Work::Hear { run, positions, event: event.clone(), stored: false });
        }
    }
}

/// Tells runs of stored events that they wait for and have not taken in. All are read in one go.
pub(crate) async fn replay(core: Arc<Core>, runs: Vec<RunId>) {
    /// More than a run can have missed in earnest; what is beyond it is told at the next start.
    const EVENTS_MAX: u32 = 10_000;
    let runs: Arc<[RunId]> = runs.into();
    let asked = Arc::clone(&runs);
    let found = core.read(move |store| asked.iter().map(|run| store.unheard(*run, EVENTS_MAX)).collect());
    let Some(found): Option<Vec<Vec<_>>> = found.await else { return };
    for (run, rows) in runs.iter().copied().zip(found) {
        let mut events: Vec<(Event, Vec<Arc<str>>)> = Vec::new();
        for (place, row) in rows {
            match events.last_mut().filter(|(event, _)| event.id == row.id) {
                Some((_, positions)) => positions.push(position(&place)),
                None => {
                    let event = Event { id: row.id, envelope: row.envelope, arrived: row.at };
                    events.push((event, vec![position(&place)]));
                }
            }
        }
        for (event, mut positions) in events {
            positions.sort();
            positions.dedup();
            core.send_to_run(run, Work::Hear { run, positions, event, stored: true });
        }
        core.send_to_run(run, Work::Replayed { run });
    }
}

/// Takes in an event from outside that belongs to no feed. It is durable first, with what it starts still to be done.
pub(crate) async fn publish(core: &Arc<Core>, event: Event) -> Result<(), Problem> {
    Counters::add(&core.counters.events, 1);
    let correlations = core.correlations.of_event(&event.envelope);
    let starts = core.starts.of(&event.envelope).next().is_some();
    let mut mutations: Vec<Mutation> = rows(&event, &correlations).collect();
    if starts {
        mutations.push(pending(&event, None));
    }
    core.recent.note(&correlations, core.clock.now());
    core.commit(mutations, None).await?;
    if !correlations.is_empty() {
        deliver(core, vec![(event.clone(), correlations)]).await;
    }
    if starts {
        start_emitted(Arc::clone(core), event, None).await;
    }
    Ok(())
}

/// An event of a workflow, or from outside, and what it starts, as it is kept until that has started.
pub(crate) fn pending(event: &Event, matter: Option<TransactionId>) -> Mutation {
    let matter = matter.map(|matter| matter.to_string());
    let envelope = Value::object([("transaction", Value::from(matter)), ("event", event.envelope.clone())]);
    Mutation::AppendEvent(EventRow { id: event.id, correlation: EMITTED.to_vec(), envelope, at: event.arrived })
}

/// Starts what an emitted event starts; each such event starts a run of its own, in the matter of the run that emitted it or
/// in one of its own.
pub(crate) async fn start_emitted(core: Arc<Core>, event: Event, matter: Option<TransactionId>) {
    let mut answers = Vec::new();
    for workflow in core.starts.of(&event.envelope) {
        let (answer, answered) = oneshot::channel();
        let key = event.envelope.get("id").as_str().map_or_else(|| event.id.to_string().into(), Arc::from);
        let lane = matter.map_or_else(|| LaneId::of_matter(EVENT, &key), |matter| LaneId::of(matter.uuid()));
        let occasion = Occasion::default();
        let (definition, event) = (workflow.clone(), event.clone());
        let start = Start { definition, object: EVENT.into(), key, event, matter, occasion };
        core.send(lane, Work::Start(start, answer));
        answers.push(answered);
    }
    for answer in answers {
        if !matches!(answer.await, Ok(Ok(()))) {
            // It stays in the store and is tried again at the next start.
            return;
        }
    }
    let done = Mutation::RemoveEvent { correlation: EMITTED.to_vec(), id: event.id };
    if let Err(problem) = core.commit(vec![done], None).await {
        tracing::error!(code = problem.code, %problem, "an emitted event could not be marked as done");
    }
}

/// Takes up what was under way when the process ended: events that listeners have not heard, and emitted events.
pub(crate) async fn resume(core: Arc<Core>) {
    const RUNS_AT_ONCE: u32 = 500;
    let emitted = core.read(|store| store.events(EMITTED)).await.unwrap_or_default();
    for row in emitted {
        let matter = row.envelope.get("transaction").as_str().and_then(|text| text.parse::<TransactionId>().ok());
        let event = Event { id: row.id, envelope: row.envelope.get("event").clone(), arrived: row.at };
        start_emitted(Arc::clone(&core), event, matter).await;
    }
    let mut after = None;
    loop {
        let Some(runs) = core.read(move |store| store.listening_runs(after, RUNS_AT_ONCE)).await else { return };
        let Some(last) = runs.last() else { return };
        after = Some(*last);
        for run in runs {
            core.send_to_run(run, Work::Replay { run });
        }
    }
}

/// The connection that an event comes from.
pub(crate) fn connection_of(envelope: &Value) -> Option<&str> {
    envelope.get("source").as_str()?.strip_prefix("/connections/")?.split('/').next()
}

/// Whether this is the event that started the run: it does not hear that one again.
pub(crate) fn started_it(run: RunId, workflow: &str, event: EventId) -> bool {
    let caused = LaneId::of(run.uuid()).started_by(event, workflow);
    // An earlier build had no workload in the ids of runs.
    Workload::none(caused.uuid()) == Workload::none(run.uuid())
}
