//! Runs for programs: starting them, listing them, and doing something with many of them; and events from outside.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request};
use axum::http::StatusCode;
use model::{Problem, Value};
use store::{Page, RunFilter, RunRow, RunStatus};

use crate::actions::{Wish, may_operate, operate};
use crate::ops::{Answer, Asked, Caller, bad, json_body, members, ok, problem, run_word, unavailable};
use crate::reads::read;

/// How many runs one request does something with.
const MANY_MAX: u32 = 500;

fn status(word: &str) -> Result<RunStatus, String> {
    Ok(match word {
        "live" => RunStatus::Live,
        "suspended" => RunStatus::Suspended,
        "completed" => RunStatus::Completed,
        "failed" => RunStatus::Failed,
        "cancelled" => RunStatus::Cancelled,
        other => {
            return Err(format!("There is no status `{other}`: use live, suspended, completed, failed or cancelled"));
        }
    })
}

fn run_value(row: &RunRow) -> Value {
    Value::object([
        ("id", Value::from(row.id.to_string())),
        ("workflow", Value::from(Arc::clone(&row.workflow))),
        ("key", Value::from(Arc::clone(&row.key))),
        ("status", Value::from(run_word(row.status))),
        ("transaction", Value::from(row.transaction.to_string())),
        ("definition", Value::from(Arc::clone(&row.definition))),
        ("started_at", Value::from(row.started_at.to_string())),
        ("updated_at", Value::from(row.updated_at.to_string())),
    ])
}

/// `GET /ops/runs?workflow=…&status=live|suspended|completed|failed|cancelled&limit=…&offset=…`
pub(crate) async fn list(caller: Caller, query: Result<Query<Vec<(String, String)>>, QueryRejection>) -> Answer {
    let asked = Asked::of(query);
    let filter = RunFilter {
        workflow: asked.get("workflow").map(Into::into),
        status: asked.get("status").map(status).transpose().map_err(bad)?,
    };
    let page = asked.page().map_err(bad)?;
    let found = read(caller.console.operations.store(), move |store| store.runs(&filter, page)).await;
    let found = found.map_err(|own| unavailable(&own))?;
    Ok(ok(&Value::object([("runs", Value::array(found.iter().map(run_value)))])))
}

fn may_not(caller: &Caller) -> Option<axum::response::Response> {
    if may_operate(&caller.release, &caller.user) {
        return None;
    }
    let message = format!("{} may not operate runs", caller.user.name);
    Some(problem(StatusCode::FORBIDDEN, &Problem::new("IL-CON-010", message, "Ask somebody who may")))
}

/// `POST /ops/workflows/{namespace}/{name}/{version}/runs` with `{"key": …, "input": …}`, both optional; the version may be
/// `latest`. The same key gives the same run.
pub(crate) async fn start(
    caller: Caller,
    Path((namespace, name, version)): Path<(String, String, String)>,
    request: Request,
) -> Answer {
    if let Some(refused) = may_not(&caller) {
        return Err(refused);
    }
    let body = members(request, &["key", "input"]).await?;
    let key = match body.get("key") {
        Value::Null => None,
        Value::String(key) if !key.is_empty() => Some(Arc::clone(key)),
        _ => return Err(bad("`key` is a text that is not empty".to_owned())),
    };
    let input = match body.get("input") {
        Value::Null => Value::empty_object(),
        input => input.clone(),
    };
    let launched = caller.console.operations.launch([&*namespace, &*name, &*version], key, input).await;
    let (run, is_new) = launched.map_err(|own| match own.code {
        "IL-RUN-014" => problem(StatusCode::NOT_FOUND, &own),
        _ => unavailable(&own),
    })?;
    Ok(ok(&Value::object([("run", Value::from(run.to_string())), ("new", Value::from(is_new))])))
}

/// `POST /ops/runs/{operation}` with `{"workflow": …, "status": …, "note": …}`: does it with up to 500 runs that fit, those
/// started first. Gives how many it was done with, and why it was not for others.
pub(crate) async fn many(caller: Caller, Path(operation): Path<String>, request: Request) -> Answer {
    if let Some(refused) = may_not(&caller) {
        return Err(refused);
    }
    let body = members(request, &["workflow", "status", "note"]).await?;
    let text = |name: &str| body.get(name).as_str().filter(|text| !text.is_empty());
    let wanted = text("status").ok_or_else(|| bad("`status` says which runs are meant".to_owned()))?;
    let filter = RunFilter { workflow: text("workflow").map(Into::into), status: Some(status(wanted).map_err(bad)?) };
    let page = Page { offset: 0, limit: MANY_MAX };
    let found = read(caller.console.operations.store(), move |store| store.runs(&filter, page)).await;
    let found = found.map_err(|own| unavailable(&own))?;
    let (mut done, mut refused) = (0_u32, Vec::new());
    for row in &found {
        let wish = Wish { action: "", note: text("note"), record: None };
        match operate(&caller.console, &caller.release, &caller.user, row.id, &operation, wish).await {
            Ok(_) => done += 1,
            Err(why) if matches!(why.status, StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY) && done == 0 => {
                return Err(crate::ops::of(&why));
            }
            Err(why) => refused.push(Value::object([
                ("run", Value::from(row.id.to_string())),
                ("why", Value::from(why.problem.message.as_str())),
            ])),
        }
    }
    let more = found.len() == MANY_MAX as usize;
    Ok(ok(&Value::object([
        ("done", Value::from(done)),
        ("refused", Value::from(refused)),
        ("more", Value::from(more)),
    ])))
}

/// `POST /ops/events` with a CloudEvent: it starts what it starts, and is told to the runs that wait for it.
pub(crate) async fn publish(caller: Caller, request: Request) -> Answer {
    if let Some(refused) = may_not(&caller) {
        return Err(refused);
    }
    let event = json_body(request).await?;
    caller.console.operations.publish(event).await.map_err(|own| match own.code {
        "IL-RUN-015" => problem(StatusCode::BAD_REQUEST, &own),
        _ => unavailable(&own),
    })?;
    Ok(ok(&Value::object([("taken", Value::from(true))])))
}
