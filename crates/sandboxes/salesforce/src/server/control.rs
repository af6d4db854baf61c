//! The controls under `/_sandbox`: faults, outages, and what the org holds.

use std::sync::{Arc, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::response::Json;
use axum::routing::{get, post};
use sandbox::faults;
use serde_json::{Map, Value, json};

use crate::org::Org;

/// `GET`/`PUT faults`, `POST outage`, `GET health`, `GET state`, `POST end-sessions`.
pub(super) fn routes(org: Arc<Org>) -> Router {
    let faults = faults::routes(Arc::clone(&org.faults));
    Router::new()
        .route("/_sandbox/state", get(state))
        .route("/_sandbox/end-sessions", post(end_sessions))
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
