//! The controls under `/_sandbox`: faults, outages, what the org holds, and what people do in screens that REST cannot.

use std::sync::{Arc, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use axum::routing::{get, post};
use sandbox::faults;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::duplicates::{self, RuleSource};
use crate::errors::Refusal;
use crate::id::RecordId;
use crate::org::Org;
use crate::store::Writer;

/// `GET`/`PUT faults`, `POST outage`, `GET health`, `GET state`, `POST end-sessions`, `POST undelete`, `POST merge`,
/// `GET`/`PUT duplicate-rules`.
pub(super) fn routes(org: Arc<Org>) -> Router {
    let faults = faults::routes(Arc::clone(&org.faults));
    Router::new()
        .route("/_sandbox/state", get(state))
        .route("/_sandbox/end-sessions", post(end_sessions))
        .route("/_sandbox/forget-events", post(forget_events))
        .route("/_sandbox/undelete", post(undelete))
        .route("/_sandbox/merge", post(merge))
        .route("/_sandbox/duplicate-rules", get(duplicate_rules).put(set_duplicate_rules))
        .with_state(org)
        .merge(faults)
}

async fn state(State(org): State<Arc<Org>>) -> Json<Value> {
    let store = org.store.read().unwrap_or_else(PoisonError::into_inner);
    let mut records = Map::new();
    for object in &org.schema.objects {
        let table = store.table(object.at);
        let lives = |serial: &u32| table.get(u64::from(*serial)).is_some_and(|record| !record.deleted);
        let count = table.serials().filter(lives).count();
        if count > 0 {
            records.insert(object.name.to_string(), json!(count));
        }
    }
    Json(json!({"organization": org.id.to_string(), "requests": org.used(), "records": records}))
}

/// Everybody has to sign in again.
async fn end_sessions(State(org): State<Arc<Org>>) -> Json<Value> {
    Json(json!({"ended": org.end_sessions()}))
}

/// As when 72 hours are over: who was not listening has to find otherwise what changed.
async fn forget_events(State(org): State<Arc<Org>>) -> Json<Value> {
    org.bus.forget();
    Json(json!({}))
}

/// Records that come out of the recycle bin.
#[derive(Deserialize)]
struct Undelete {
    ids: Vec<String>,
}

/// Records that are merged into another one.
#[derive(Deserialize)]
struct Merge {
    into: String,
    ids: Vec<String>,
}

async fn undelete(State(org): State<Arc<Org>>, Json(asked): Json<Undelete>) -> (StatusCode, Json<Value>) {
    done(&org, |writer| asked.ids.iter().try_for_each(|id| writer.undelete(id_of(id)?)))
}

async fn merge(State(org): State<Arc<Org>>, Json(asked): Json<Merge>) -> (StatusCode, Json<Value>) {
    done(&org, |writer| {
        let losers = asked.ids.iter().map(|id| id_of(id)).collect::<Result<Vec<_>, _>>()?;
        writer.merge(id_of(&asked.into)?, &losers)
    })
}

/// What the org takes for a duplicate.
async fn duplicate_rules(State(org): State<Arc<Org>>) -> Json<Vec<RuleSource>> {
    let store = org.store.read().unwrap_or_else(PoisonError::into_inner);
    Json(store.duplicate_rules.iter().map(|rule| rule.source.clone()).collect())
}

/// The same from now on: these rules and no others.
async fn set_duplicate_rules(
    State(org): State<Arc<Org>>,
    Json(sources): Json<Vec<RuleSource>>,
) -> (StatusCode, Json<Value>) {
    match duplicates::rules(&org.schema, sources) {
        Ok(rules) => {
            org.store.write().unwrap_or_else(PoisonError::into_inner).duplicate_rules = rules;
            (StatusCode::OK, Json(json!({"done": true})))
        }
        Err(message) => (StatusCode::BAD_REQUEST, Json(json!({"message": message}))),
    }
}

fn id_of(text: &str) -> Result<RecordId, Refusal> {
    RecordId::parse(text).ok_or_else(|| Refusal::new("MALFORMED_ID", format!("bad id {text}")))
}

/// One transaction, as people do it: whole or not at all.
fn done(org: &Org, work: impl FnOnce(&mut Writer<'_>) -> Result<(), Refusal>) -> (StatusCode, Json<Value>) {
    let (result, _) = org.write("", |writer| {
        let result = work(writer);
        if result.is_err() {
            writer.roll_back();
        }
        result
    });
    match result {
        Ok(()) => (StatusCode::OK, Json(json!({"done": true}))),
        Err(refusal) => (StatusCode::BAD_REQUEST, Json(json!({"errorCode": refusal.code, "message": refusal.message}))),
    }
}
