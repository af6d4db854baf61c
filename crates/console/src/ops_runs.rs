//! Runs for programs: starting them, listing them, and doing something with many of them; and events from outside.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request};
use axum::http::StatusCode;
use model::{Problem, RunId, Value};
use store::{Page, RunFilter, RunRow, RunStatus};
use workflow::{Fault, RunState, Waiting, WaitingFor};

use crate::actions::{Wish, may_operate, operate, run_operation};
use crate::ops::{Answer, Asked, Caller, bad, json_body, members, missing, ok, problem, run_word, unavailable};
use crate::reads::read;

/// How many runs one request does something with.
const MANY_MAX: usize = 500;

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

/// `GET /ops/runs?workflow=…&status=live|suspended|completed|failed|cancelled&after=…&limit=…&offset=…`
pub(crate) async fn list(caller: Caller, query: Result<Query<Vec<(String, String)>>, QueryRejection>) -> Answer {
    let asked = Asked::of(query);
    let filter = RunFilter {
        workflow: asked.get("workflow").map(Into::into),
        status: asked.get("status").map(status).transpose().map_err(bad)?,
        after: asked.get("after").map(run_id).transpose().map_err(bad)?,
    };
    let page = asked.page().map_err(bad)?;
    let found = read(caller.console.operations.store(), move |store| store.runs(&filter, page)).await;
    let found = found.map_err(|own| unavailable(&own))?;
    Ok(ok(&Value::object([("runs", Value::array(found.iter().map(run_value)))])))
}

/// `GET /ops/runs/{id}`: a run, what it waits for and, when it failed, why, where and with which input.
pub(crate) async fn show(caller: Caller, Path(id): Path<String>) -> Answer {
    let id: RunId = id.parse().map_err(|_| missing("run"))?;
    let found = read(caller.console.operations.store(), move |store| store.run(id)).await;
    let row = found.map_err(|own| unavailable(&own))?.ok_or_else(|| missing("run"))?;
    let mut value = run_value(&row);
    let ended = matches!(row.status, RunStatus::Completed | RunStatus::Cancelled);
    // A state that this build cannot read is no reason to tell nothing of the run.
    let state = if ended { None } else { runtime::state_of(&row).ok().map(|(state, _)| state) };
    let waiting = state.as_ref().map(RunState::waiting).unwrap_or_default();
    value.set("waiting", Value::array(waiting.iter().map(waiting_value)));
    let failed = state.as_ref().and_then(|state| {
        let (pointer, input) = state.failed()?;
        Some(Value::object([
            ("pointer", Value::from(Arc::clone(pointer))),
            ("input", input.cloned().into()),
            ("fault", state.fault().map(Fault::to_value).into()),
        ]))
    });
    value.set("failed", Value::from(failed));
    Ok(ok(&value))
}

/// Where a run waits, and for what.
fn waiting_value(waiting: &Waiting) -> Value {
    let (reason, until) = match waiting.reason {
        WaitingFor::Call | WaitingFor::Request => ("answer", None),
        WaitingFor::Workflow => ("workflow", None),
        WaitingFor::Event => ("event", None),
        WaitingFor::Pause { until } => ("pause", Some(until)),
        WaitingFor::Retry { at, .. } => ("retry", Some(at)),
        WaitingFor::Turn => ("turn", None),
        WaitingFor::Deadline { until } => ("deadline", Some(until)),
        WaitingFor::Person => ("person", None),
    };
    Value::object([
        ("pointer", Value::from(Arc::clone(&waiting.position.pointer))),
        ("for", Value::from(reason)),
        ("since", Value::from(waiting.since.to_string())),
        ("until", Value::from(until.map(|until| until.to_string()))),
    ])
}

fn run_id(text: &str) -> Result<RunId, String> {
    text.parse().map_err(|_| format!("`{text}` is not the id of a run"))
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
        Value::String(key) if !key.is_empty() => Some(key.clone().into()),
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
/// started first; or with `{"runs": […], "note": …}`, with these. Gives how many it was done with, and why it was not for others.
pub(crate) async fn many(caller: Caller, Path(operation): Path<String>, request: Request) -> Answer {
    if let Some(refused) = may_not(&caller) {
        return Err(refused);
    }
    let body = members(request, &["runs", "workflow", "status", "note"]).await?;
    let text = |name: &str| body.get(name).as_str().filter(|text| !text.is_empty());
    let wish = || Wish { action: "", note: text("note"), record: None };
    // What is wrong for every run is told once.
    run_operation(&operation, wish()).map_err(|why| crate::ops::of(&why))?;
    let runs = meant(&caller, &body).await?;
    let (mut done, mut refused) = (0_u32, Vec::new());
    for run in &runs {
        match operate(&caller.console, &caller.release, &caller.user, *run, &operation, wish()).await {
            Ok(_) => done += 1,
            Err(why) => refused.push(Value::object([
                ("run", Value::from(run.to_string())),
                ("why", Value::from(why.problem.message.as_str())),
                ("code", Value::from(why.problem.code)),
                ("remedy", Value::from(&*why.problem.remedy)),
            ])),
        }
    }
    let more = body.get("runs").is_null() && runs.len() == MANY_MAX;
    Ok(ok(&Value::object([
        ("done", Value::from(done)),
        ("refused", Value::from(refused)),
        ("more", Value::from(more)),
    ])))
}

/// The runs that a request for many means.
async fn meant(caller: &Caller, body: &Value) -> Result<Vec<RunId>, axum::response::Response> {
    if let Some(ids) = body.get("runs").as_array() {
        if body.has("status") || body.has("workflow") {
            return Err(bad("`runs` names the runs that are meant: leave `status` and `workflow` out".to_owned()));
        }
        if ids.is_empty() || ids.len() > MANY_MAX {
            return Err(bad(format!("`runs` is a list of 1 to {MANY_MAX} ids")));
        }
        let ids: Result<_, String> = ids.iter().map(|id| run_id(id.as_str().unwrap_or_default())).collect();
        return ids.map_err(bad);
    }
    let text = |name: &str| body.get(name).as_str().filter(|text| !text.is_empty());
    let wanted = text("status").ok_or_else(|| bad("`status` or `runs` says which runs are meant".to_owned()))?;
    let filter = RunFilter {
        workflow: text("workflow").map(Into::into),
        status: Some(status(wanted).map_err(bad)?),
        after: None,
    };
    let page = Page { offset: 0, limit: MANY_MAX as u32 };
    let found = read(caller.console.operations.store(), move |store| store.runs(&filter, page)).await;
    Ok(found.map_err(|own| unavailable(&own))?.iter().map(|row| row.id).collect())
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
