//! Comparisons on a schedule, for programs.

use std::sync::Arc;

use model::Value;
use runtime::ReconciliationFigures;

use crate::ops::{Answer, Caller, ok};

/// `GET /ops/reconciliations`: how the comparisons of each object stand that has a schedule.
pub(crate) async fn list(caller: Caller) -> Answer {
    let figures = caller.console.operations.figures().reconciliations;
    Ok(ok(&Value::object([("reconciliations", Value::array(figures.iter().map(to_value)))])))
}

fn to_value(figures: &ReconciliationFigures) -> Value {
    let [left, right] = &figures.sides;
    let running = figures.running.map(|(since, [left_read, right_read])| {
        let number = |count: u64| Value::from(i64::try_from(count).unwrap_or(i64::MAX));
        let records = Value::object([
            (Arc::<str>::from(left.as_str()), number(left_read)),
            (Arc::from(right.as_str()), number(right_read)),
        ]);
        Value::object([("since", Value::from(since.to_string())), ("records", records)])
    });
    Value::object([
        ("object", Value::from(figures.object.as_str())),
        ("sides", Value::array([left.as_str(), right.as_str()])),
        ("schedule", Value::from(Arc::clone(&figures.schedule))),
        ("queue", Value::from(figures.queue.as_str())),
        ("repair", Value::from(figures.repair)),
        ("next_at", Value::from(figures.next.map(|next| next.to_string()))),
        ("running", running.unwrap_or_default()),
        ("last", figures.last.clone()),
        ("last_complete", figures.last_complete.clone()),
    ])
}
