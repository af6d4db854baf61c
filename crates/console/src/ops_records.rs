//! The records of an object in its systems, for programs: which record is which object, and having records read again.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request};
use axum::http::StatusCode;
use model::{ConnectionName, ObjectName, Problem, Value};

use crate::actions::may_operate;
use crate::ops::{Answer, Asked, Caller, bad, members, missing, ok, problem, unavailable};
use crate::reads::read;

/// How many cross-references one answer holds at the most.
const REFERENCES_MAX: u32 = 5_000;
/// How many records one request has read again.
const RECORDS_MAX: usize = 1_000;
/// Longest id of a record, in bytes.
const ID_MAX: usize = 4_096;

/// `GET /ops/objects/{object}/references?connection=…&after=…&limit=…`: which records of a connection are which objects, in the
/// order of their keys, from the one after this key on.
pub(crate) async fn references(
    caller: Caller,
    Path(object): Path<String>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Answer {
    let asked = Asked::of(query);
    if !caller.release.objects.contains_key(&*object) {
        return Err(missing("object"));
    }
    let Some(connection) = asked.get("connection").map(str::to_owned) else {
        return Err(bad("`connection` says whose records are meant".to_owned()));
    };
    if !caller.release.connections.contains_key(&*connection) {
        return Err(missing("connection"));
    }
    let limit = match asked.get("limit") {
        None => REFERENCES_MAX,
        Some(text) => match text.parse::<u32>() {
            Ok(limit) => limit.clamp(1, REFERENCES_MAX),
            Err(_) => return Err(bad(format!("`limit` is a whole number, which `{text}` is not"))),
        },
    };
    let after = asked.get("after").unwrap_or_default().to_owned();
    let found = read(caller.console.operations.store(), move |store| {
        store.references_after(&object, &connection, &after, limit)
    });
    let rows = found.await.map_err(|own| unavailable(&own))?;
    let next = rows.last().filter(|_| rows.len() >= limit as usize).map(|row| Arc::clone(&row.key));
    let references = rows.iter().map(|row| {
        Value::object([("key", Value::from(Arc::clone(&row.key))), ("id", Value::from(Arc::clone(&row.record_id)))])
    });
    Ok(ok(&Value::object([("references", Value::array(references)), ("next", Value::from(next))])))
}

/// `POST /ops/objects/{object}/reread` with `{"crm": ["001…"], "erp": ["4711"]}`: has up to 1,000 records read again, whether
/// they changed or not, so that ownership decides about what they hold now. That is durable when this answers.
pub(crate) async fn reread(caller: Caller, Path(object): Path<String>, request: Request) -> Answer {
    if !may_operate(&caller.release, &caller.user) {
        let message = format!("{} may not have records read again", caller.user.name);
        let own = Problem::new("IL-CON-010", message, "Ask somebody who may operate runs");
        return Err(problem(StatusCode::FORBIDDEN, &own));
    }
    let Some(synchronised) = caller.release.synchronised.get(&*object).cloned() else {
        return Err(missing("object that systems are kept in agreement about"));
    };
    let sides: Vec<&str> = synchronised.policy.sides.keys().map(ConnectionName::as_str).collect();
    let body = members(request, &sides).await?;
    let mut records = Vec::new();
    for (connection, ids) in body.as_object().into_iter().flatten() {
        records.push((ConnectionName::new(connection.clone()), ids_of(ids).map_err(bad)?));
    }
    let count: usize = records.iter().map(|(_, ids)| ids.len()).sum();
    if !(1..=RECORDS_MAX).contains(&count) {
        return Err(bad(format!("The body names 1 to {RECORDS_MAX} records, not {count}")));
    }
    let object = ObjectName::from(object);
    caller.console.operations.reread(&object, records).await.map_err(|own| unavailable(&own))?;
    Ok(ok(&Value::object([("reread", Value::from(count))])))
}

fn ids_of(ids: &Value) -> Result<Vec<Arc<str>>, String> {
    let wrong = || "Each connection has a list of ids of records".to_owned();
    let id = |id: &Value| match id {
        Value::String(text) if !text.is_empty() && text.len() <= ID_MAX => Ok(text.clone().into()),
        _ => Err(wrong()),
    };
    ids.as_array().ok_or_else(wrong)?.iter().map(id).collect()
}
