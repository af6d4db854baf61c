//! Matters: what runs, intents and work items belong to, as lists show it.

use std::sync::Arc;

use intake::Unreadable;
use jiff::Timestamp;
use model::{Money, TransactionId, Value};
use store::TransactionRow;

/// The object of the matters of records that cannot be read.
pub(crate) const RECORD: &str = "record";

/// A matter that has just begun.
pub(crate) fn new(id: TransactionId, object: &Arc<str>, key: &Arc<str>, now: Timestamp) -> TransactionRow {
    TransactionRow {
        id,
        object: Arc::clone(object),
        key: Arc::clone(key),
        title: format!("{object} {key}").into(),
        stage: "new".into(),
        closed: false,
        amount: None,
        opened_at: now,
        updated_at: now,
    }
}

/// What `milestone` says, put into the matter; members that are absent leave it as it is. `object` and `key` of the input
/// only say what the line of the timeline is about: a run marks its own matter.
pub(crate) fn mark(matter: &mut TransactionRow, input: &Value, now: Timestamp) {
    let text = |name: &str| input.get(name).as_str().filter(|text| !text.is_empty()).map(Arc::from);
    if let Some(title) = text("title") {
        matter.title = title;
    }
    if let Some(stage) = text("stage") {
        matter.stage = stage;
    }
    if let Some(amount) = Money::from_value(input.get("amount")) {
        matter.amount = Some(amount);
    }
    if let Some(closed) = input.get("closed").as_bool() {
        matter.closed = closed;
    }
    matter.updated_at = now;
}

/// The matter as `milestone` returns it.
pub(crate) fn value(matter: &TransactionRow) -> Value {
    let mut value = Value::object([
        ("object", Value::from(Arc::clone(&matter.object))),
        ("key", Value::from(Arc::clone(&matter.key))),
        ("title", Value::from(Arc::clone(&matter.title))),
        ("stage", Value::from(Arc::clone(&matter.stage))),
        ("closed", Value::from(matter.closed)),
    ]);
    if let Some(amount) = matter.amount {
        value.set("amount", amount.to_value());
    }
    value
}

/// The key of the matter of a record that cannot be read.
pub(crate) fn record_key(unreadable: &Unreadable) -> Arc<str> {
    key_of_record(unreadable.connection.as_str(), &unreadable.feed, &unreadable.id)
}

/// The key of the matter of a record.
pub(crate) fn key_of_record(connection: &str, feed: &str, id: &str) -> Arc<str> {
    format!("{connection}/{feed}/{id}").into()
}
