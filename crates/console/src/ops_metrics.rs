//! The counters of feeds, connections and comparisons for monitoring, as the text format of Prometheus.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use model::Value;
use runtime::{ConnectionFigures, FeedFigures, GapReason, ReconciliationFigures};

use crate::ops::{Answer, Caller};
use crate::pages::reconciliation::failed;

/// What a metric says of a feed; `None` where it says nothing.
type Reading = fn(&FeedFigures) -> Option<f64>;

/// Name, kind, what it is, and how it is read.
const METRICS: [(&str, &str, &str, Reading); 5] = [
    ("interlock_feed_changes_total", "counter", "Changes that the feed told of since the start.", |feed| {
        Some(count(feed.changes))
    }),
    (
        "interlock_feed_waiting_for_parents",
        "gauge",
        "Records that wait for a parent that is not known, or not there yet.",
        |feed| Some(count(feed.waiting_for_parents)),
    ),
    ("interlock_feed_healed_total", "counter", "Changes that no feed told of and a sweep found.", |feed| {
        Some(count(feed.healed))
    }),
    (
        "interlock_feed_proven_until_seconds",
        "gauge",
        "Up to when every change is proven to be seen, Unix time.",
        |feed| feed.coverage.as_ref().map(|coverage| coverage.until.as_duration().as_secs_f64()),
    ),
    ("interlock_feed_behind_seconds", "gauge", "The age of the oldest instant that is not proven.", |feed| {
        feed.coverage.as_ref().map(|coverage| coverage.behind.as_secs_f64())
    }),
];
const REASONS: [GapReason; 4] = [GapReason::Outage, GapReason::Stopped, GapReason::PlaceLost, GapReason::Overflow];

/// `GET /ops/metrics`
pub(crate) async fn metrics(caller: Caller) -> Answer {
    let figures = caller.console.operations.figures();
    let mut told = text(&figures.feeds) + &budgets(&figures.connections);
    told.push_str(&comparisons(&figures.reconciliations));
    let mut response = Response::new(Body::from(told));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

fn text(feeds: &[FeedFigures]) -> String {
    let mut text = String::new();
    let labels = |feed: &FeedFigures| {
        format!("connection=\"{}\",feed=\"{}\"", escaped(feed.connection.as_str()), escaped(&feed.name))
    };
    // Writing into a string does not fail.
    for (name, kind, help, reading) in METRICS {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for feed in feeds {
            if let Some(value) = reading(feed) {
                let _ = writeln!(text, "{name}{{{}}} {value}", labels(feed));
            }
        }
    }
    let name = "interlock_feed_gaps";
    let _ = writeln!(text, "# HELP {name} Windows in which changes may have been missed.\n# TYPE {name} gauge");
    for feed in feeds {
        for reason in REASONS {
            let gaps = feed.coverage.iter().flat_map(|coverage| &coverage.gaps);
            let number = gaps.filter(|gap| gap.reason == reason).count();
            let _ = writeln!(text, "{name}{{{},reason=\"{}\"}} {number}", labels(feed), reason.word());
        }
    }
    text
}

/// What is used of the requests that connections may be asked in a day, where that is limited.
fn budgets(connections: &[ConnectionFigures]) -> String {
    const BUDGETS: [(&str, &str); 3] = [
        ("interlock_connection_daily_requests", "Requests to the system today, by UTC, since the start."),
        ("interlock_connection_daily_limit", "Requests that the system may be asked in a day (limits.daily)."),
        ("interlock_connection_budget_used_up", "1 while work waits because the requests of the day are used up."),
    ];
    let mut text = String::new();
    for (place, (name, help)) in BUDGETS.into_iter().enumerate() {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (connection, budget) in connections.iter().filter_map(|one| Some((&one.name, one.budget?))) {
            let value = [budget.used, budget.limit, u64::from(budget.until.is_some())][place];
            let _ = writeln!(text, "{name}{{connection=\"{}\"}} {value}", escaped(connection.as_str()));
        }
    }
    text
}

/// What a metric says of an object's comparisons, by side where it differs.
type Comparing = fn(&ReconciliationFigures) -> Vec<(String, f64)>;

const COMPARISONS: [(&str, &str, Comparing); 8] = [
    ("interlock_reconciliation_failed", "Whether the last comparison failed.", |one| {
        vec![(String::new(), f64::from(u8::from(failed(one))))]
    }),
    ("interlock_reconciliation_ended_seconds", "When the last one that was complete ended, Unix time.", |one| {
        let at = one.last_complete.get("ended_at").as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
        at.map(|at| (String::new(), at.as_duration().as_secs_f64())).into_iter().collect()
    }),
    ("interlock_reconciliation_took_seconds", "How long it took.", |one| {
        let took = one.last_complete.get("milliseconds").as_i64();
        took.map(|took| (String::new(), whole(took) / 1_000.0)).into_iter().collect()
    }),
    ("interlock_reconciliation_records", "How many records it read.", |one| sides(one, "records")),
    ("interlock_reconciliation_different", "How many objects differ.", |one| {
        let different = one.last_complete.get("different").as_i64();
        different.map(|number| (String::new(), whole(number))).into_iter().collect()
    }),
    ("interlock_reconciliation_missing", "How many records are missing.", |one| sides(one, "missing")),
    ("interlock_reconciliation_doubled", "How many keys come more than once.", |one| sides(one, "doubled")),
    ("interlock_reconciliation_open", "How many findings wait for a person.", |one| {
        one.last_complete.get("open").as_i64().map(|number| (String::new(), whole(number))).into_iter().collect()
    }),
];

/// What a comparison counted on each side.
fn sides(one: &ReconciliationFigures, name: &str) -> Vec<(String, f64)> {
    let counted = one.last_complete.get(name);
    let of = |side: &model::ConnectionName| {
        let number = counted.get(side.as_str()).as_i64()?;
        Some((format!(",connection=\"{}\"", escaped(side.as_str())), whole(number)))
    };
    if matches!(counted, Value::Null) { Vec::new() } else { one.sides.iter().filter_map(of).collect() }
}

fn comparisons(all: &[ReconciliationFigures]) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    for (name, help, reading) in COMPARISONS.iter().filter(|_| !all.is_empty()) {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for one in all {
            for (labels, value) in reading(one) {
                let _ = writeln!(text, "{name}{{object=\"{}\"{labels}}} {value}", escaped(one.object.as_str()));
            }
        }
    }
    text
}

fn whole(number: i64) -> f64 {
    count(u64::try_from(number).unwrap_or_default())
}

/// A counter as monitoring reads it: beyond 2^53 it loses its last digits, as all numbers there do.
#[allow(clippy::cast_precision_loss)]
fn count(number: u64) -> f64 {
    number as f64
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
