//! What the workflow or caller is told when a call does not succeed.

use std::time::Duration;

use connect::{CallError, EXISTING, ErrorClass};
use definitions::Function;
use model::Value;
use workflow::{Fault, FaultType};

/// The system refused it: nothing changed, and repeating it as it is will not help.
pub(crate) fn rejected(function: &Function, error: &CallError) -> Fault {
    let status = error.details.get("status").as_i64().and_then(|status| u16::try_from(status).ok());
    let status = status.filter(|status| (400..500).contains(status)).unwrap_or(422);
    let mut told = data(function, error);
    if let Some(existing) = &error.existing {
        told.set(EXISTING, existing.to_value());
    }
    Fault::new(FaultType::Validation, error.message.as_str()).with_status(status).with_data(told)
}

/// The system did not serve it in time for a caller who waits.
pub(crate) fn unserved(function: &Function, error: &CallError) -> Fault {
    let detail = format!("{} cannot serve {} now: {}", function.connection, function.name, error.message);
    Fault::new(FaultType::Communication, detail).with_status(503).with_data(data(function, error))
}

/// The connection is down or refused, and a caller is not kept waiting for it. What the system said of other work is not for this
/// caller: only its class is told.
pub(crate) fn closed(function: &Function, what: &str, class: Option<ErrorClass>) -> Fault {
    let mut detail = format!("{} {what}", function.connection);
    if let Some(class) = class {
        detail.push_str(&format!(" ({})", class.word()));
    }
    let members = [
        ("code", Value::from("closed")),
        ("message", Value::from(detail.as_str())),
        ("class", class.map_or(Value::Null, |class| Value::from(class.word()))),
    ];
    let data = named(function, members);
    Fault::new(FaultType::Communication, detail).with_status(503).with_data(data)
}

/// The day's requests are used up.
pub(crate) fn over_budget(function: &Function, wait: Duration) -> Fault {
    let detail = format!(
        "the daily budget of requests to {} is used up; it starts anew in {} minutes (limits.daily)",
        function.connection,
        wait.as_secs().div_ceil(60)
    );
    let data = named(function, [("code", Value::from("daily-budget")), ("message", Value::from(detail.as_str()))]);
    Fault::new(FaultType::Communication, detail).with_status(429).with_data(data)
}

/// The caller's time is over.
pub(crate) fn late(function: &Function, within: Duration) -> Fault {
    let detail = format!("{} did not answer {} within {} ms", function.connection, function.name, within.as_millis());
    let data = named(function, [("code", Value::from("timeout")), ("message", Value::from(detail.as_str()))]);
    Fault::new(FaultType::Timeout, detail).with_data(data)
}

/// The input does not fit the function: nothing was sent.
pub(crate) fn unsent(function: &Function, why: &str, unmapped: Value) -> Fault {
    let detail = format!("nothing was sent to {}: {why}", function.connection);
    let mut data = named(function, [("code", Value::from("input")), ("message", Value::from(why))]);
    add_unmapped(&mut data, unmapped);
    Fault::new(FaultType::Validation, detail).with_data(data)
}

/// It may have been sent, and its input does not fit the function any more, so that it cannot be looked for.
pub(crate) fn unknown(function: &Function, why: &str, unmapped: Value) -> Fault {
    let detail = format!(
        "{} may have happened in {}, and cannot be looked for or sent again: its input does not fit the definitions any more: {why}",
        function.name, function.connection
    );
    let members = [("code", Value::from("input")), ("message", Value::from(why)), ("mayHaveHappened", true.into())];
    let mut data = named(function, members);
    add_unmapped(&mut data, unmapped);
    Fault::new(FaultType::Runtime, detail).with_data(data)
}

/// The function changes something and must not be called by somebody who does not record it first.
pub(crate) fn not_for_callers(function: &Function) -> Fault {
    let detail = format!(
        "{}@{} creates something each time and can only be called by a workflow (effect: once)",
        function.name, function.connection
    );
    Fault::new(FaultType::Configuration, detail).with_data(named(function, []))
}

/// It was done, but what the system answered does not fit the definition. It must not be sent again.
pub(crate) fn unreadable(function: &Function, record: Value, happened: bool, why: &str, unmapped: Value) -> Fault {
    let done = if happened { "It did happen in " } else { "It was answered by " };
    let detail = format!("{done}{}, but the answer to {} cannot be read: {why}", function.connection, function.name);
    let data = [
        ("code", Value::from("answer")),
        ("message", Value::from(why)),
        ("happened", Value::from(happened)),
        ("record", record),
    ];
    let mut data = named(function, data);
    add_unmapped(&mut data, unmapped);
    Fault::new(FaultType::Validation, detail).with_data(data)
}

/// Values that no value map knows, for who mends the maps.
fn add_unmapped(data: &mut Value, unmapped: Value) {
    if !unmapped.is_null() {
        data.set("unmapped", unmapped);
    }
}

/// Nobody waits for it any more, and it did not happen.
pub(crate) fn withdrawn(function: &Function) -> Fault {
    let detail =
        format!("{} was withdrawn before it was done; nothing changed in {}", function.name, function.connection);
    Fault::new(FaultType::Runtime, detail).with_status(410).with_data(named(function, [("code", "withdrawn".into())]))
}

fn data(function: &Function, error: &CallError) -> Value {
    let members = [
        ("code", Value::from(error.code.as_str())),
        ("message", Value::from(error.message.as_str())),
        ("class", Value::from(error.class.word())),
        ("details", error.details.clone()),
    ];
    named(function, members)
}

fn named<const N: usize>(function: &Function, members: [(&'static str, Value); N]) -> Value {
    let named = [("system", Value::from(function.connection.as_str())), ("function", function.name.as_str().into())];
    Value::object(named.into_iter().chain(members))
}
