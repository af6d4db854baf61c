//! Carrying out one request: outside of the lock, and whatever the connector does, with something to say about each item.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use connect::{Call, CallError, ErrorClass};
use definitions::{Effect, Function};
use futures::FutureExt;
use model::Value;
use tokio::time::Instant;
use workflow::Fault;

use crate::choose::{Job, Tag};
use crate::item::{Came, Item, Work};
use crate::settle::{Ended, MISCOUNT, PANIC};
use crate::{Shared, Success, faults};

/// How long a request of this crate's own, without a function that says otherwise, may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Carries a request out and hands back what came of it.
pub(crate) async fn carry_out(shared: Arc<Shared>, job: Job) {
    let Job { tag, items } = job;
    let ended = match items.first().map(|item| &item.work) {
        _ if tag.probe => probe(&shared, tag, items).await,
        Some(Work::Changes { .. } | Work::Fates { .. }) => asked_alone(&shared, tag, items).await,
        _ => send(&shared, tag, items).await,
    };
    shared.settle(ended);
}

async fn send(shared: &Shared, tag: Tag, items: Vec<Item>) -> Ended {
    let mut calls = Vec::with_capacity(items.len());
    let mut sent = Vec::with_capacity(items.len());
    let mut settled = Vec::with_capacity(items.len());
    for mut item in items {
        match call_of(&mut item) {
            Ok(call) => {
                calls.push(call);
                sent.push(item);
            }
            Err(fault) => settled.push((item, Came::Unsent(fault))),
        }
    }
    if calls.is_empty() {
        return Ended { tag, items: settled, took: None };
    }
    let wall = shared.time.wall();
    for item in &mut sent {
        item.attempts = item.attempts.saturating_add(1);
        item.sent_at.get_or_insert(wall);
    }
    let limit = sent.iter().map(timeout_of).max().unwrap_or(TIMEOUT);
    // A batch may take longer than one call, but not as long as all of them one by one.
    let limit = limit.saturating_add((limit / 10).saturating_mul(u32::try_from(calls.len() - 1).unwrap_or(u32::MAX)));
    let started = Instant::now();
    let results = guarded(limit, async { shared.open.connection.execute(&calls).await }).await;
    let took = started.elapsed();
    let results = match results {
        Ok(results) if results.len() == calls.len() => results,
        Ok(results) => {
            let message = format!("the connector gave {} results for {} calls", results.len(), calls.len());
            tracing::error!(connection = %shared.definition.name, "{message}");
            vec![Err(CallError::new(ErrorClass::Ambiguous, MISCOUNT, message)); calls.len()]
        }
        Err(error) => vec![Err(error); calls.len()],
    };
    for ((mut item, call), result) in sent.into_iter().zip(calls).zip(results) {
        item.call = Some(call);
        let came = match result {
            Ok(value) => understand(&item, value, false),
            Err(error) => Came::Failed(error),
        };
        settled.push((item, came));
    }
    Ended { tag, items: settled, took: Some(took) }
}

/// Looks whether an item has happened. There is one item in such a request.
async fn probe(shared: &Shared, tag: Tag, items: Vec<Item>) -> Ended {
    let mut settled = Vec::with_capacity(items.len());
    let mut took = None;
    for mut item in items {
        let call = match call_of(&mut item) {
            Ok(call) => call,
            Err(fault) => {
                settled.push((item, Came::Unsent(fault)));
                continue;
            }
        };
        let started = Instant::now();
        let found = guarded(timeout_of(&item), async { shared.open.connection.probe(&call).await }).await;
        took = Some(started.elapsed());
        item.call = Some(call);
        let came = match found.and_then(|found| found) {
            Ok(Some(record)) => understand(&item, record, true),
            Ok(None) => Came::Absent,
            Err(error) => Came::Failed(error),
        };
        settled.push((item, came));
    }
    Ended { tag, items: settled, took }
}

/// Asks for a page of what changed, or what has become of records. There is one item in such a request.
async fn asked_alone(shared: &Shared, tag: Tag, items: Vec<Item>) -> Ended {
    let mut settled = Vec::with_capacity(items.len());
    let started = Instant::now();
    for item in items {
        let connection = &shared.open.connection;
        let came = match &item.work {
            Work::Changes { record, since, page, .. } => {
                let asked = async { connection.changed_since(record, *since, page.clone()).await };
                guarded(TIMEOUT, asked).await.and_then(|page| page).map(Came::Page)
            }
            Work::Fates { record, ids, .. } => {
                let asked = async { connection.fates(record, ids).await };
                guarded(TIMEOUT, asked).await.and_then(|fates| fates).map(Came::Fates)
            }
            _ => continue,
        };
        settled.push((item, came.unwrap_or_else(Came::Failed)));
    }
    Ended { tag, items: settled, took: Some(started.elapsed()) }
}

/// Waits for a connector, but not for ever, and survives its panic. In both cases nobody knows what happened.
async fn guarded<T>(limit: Duration, asked: impl Future<Output = T>) -> Result<T, CallError> {
    match AssertUnwindSafe(tokio::time::timeout(limit, asked)).catch_unwind().await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => {
            let message = format!("no answer came within {} ms", limit.as_millis());
            Err(CallError::new(ErrorClass::Ambiguous, "timeout", message))
        }
        Err(panic) => {
            let message = format!("the connector failed: {}", told(&*panic));
            tracing::error!("{message}");
            Err(CallError::new(ErrorClass::Ambiguous, PANIC, message))
        }
    }
}

/// The call of an item: the one it had, or made of its input.
fn call_of(item: &mut Item) -> Result<Call, Fault> {
    if let Some(call) = item.call.take() {
        return Ok(call);
    }
    let (intent, function, input) = match &item.work {
        Work::Intent { intent, function, input, .. } => (Some(*intent), function, input),
        Work::Ask { function, input, .. } => (None, function, input),
        Work::Read { .. } | Work::Changes { .. } | Work::Fates { .. } => {
            let message = "a read came without its call; this is a fault of Interlock";
            return Err(Fault::new(workflow::FaultType::Runtime, message));
        }
    };
    match catch_unwind(AssertUnwindSafe(|| function.call(intent, input))) {
        Ok(Ok(call)) => Ok(call),
        Ok(Err(error)) => Err(unsent(item, function, &error.to_string(), error.unmapped())),
        Err(panic) => Err(unsent(item, function, &told(&*panic), Value::Null)),
    }
}

/// Its input does not fit the function. An earlier process may have sent it all the same, while the definitions were others:
/// nothing but a person can tell.
fn unsent(item: &Item, function: &Function, why: &str, unmapped: Value) -> Fault {
    match item.attempts > 0 && function.effect != Effect::None {
        true => faults::unknown(function, why, unmapped),
        false => faults::unsent(function, why, unmapped),
    }
}

/// What a success means for an item.
fn understand(item: &Item, answer: Value, found: bool) -> Came {
    let (function, input) = match &item.work {
        Work::Intent { function, input, .. } | Work::Ask { function, input, .. } => (function, input),
        Work::Read { .. } | Work::Changes { .. } | Work::Fates { .. } => return Came::Record(answer),
    };
    let kept = answer.clone();
    let unreadable = |why: &str, unmapped: Value| {
        let happened = function.effect != Effect::None;
        Came::Unreadable(faults::unreadable(function, kept.clone(), happened, why, unmapped))
    };
    match catch_unwind(AssertUnwindSafe(|| success(function, input, answer, found))) {
        Ok(Ok(success)) => Came::Success(Box::new(success)),
        Ok(Err(error)) => unreadable(&error.to_string(), error.unmapped()),
        Err(panic) => unreadable(&told(&*panic), Value::Null),
    }
}

fn success(
    function: &Function,
    input: &Value,
    answer: Value,
    found: bool,
) -> Result<Success, definitions::FunctionError> {
    let output = function.answer(input, answer)?;
    let reference = function.reference(input, &output)?;
    Ok(Success { output, reference, found, linked: false })
}

fn timeout_of(item: &Item) -> Duration {
    match &item.work {
        Work::Intent { function, .. } | Work::Ask { function, .. } if !function.timeout.is_zero() => function.timeout,
        _ => TIMEOUT,
    }
}

/// What a panic said.
fn told(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".to_owned())
}
