//! What the one who runs the sandbox can do while it runs, beside faults: load master data, release credit, set times, look
//! at events. `/_sandbox` wants no logon: it is for the machine that the sandbox runs on.

use std::sync::{Arc, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post, put};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::erp::changes;
use crate::erp::seed::{self, Seed};

use super::options::{EventTarget, TimingChange};
use super::system::System;

/// The controls, those of faults among them.
pub(crate) fn routes(system: Arc<System>) -> Router {
    let faults = sandbox::faults::routes(Arc::clone(&system.faults));
    Router::new()
        .route("/_sandbox/seed", post(load))
        .route("/_sandbox/release-credit", post(release))
        .route("/_sandbox/timing", get(show_timing).put(set_timing))
        .route("/_sandbox/events", get(show_events).put(set_target))
        .route("/_sandbox/locks", put(set_locks))
        .route("/_sandbox/stock", put(set_stock))
        .route("/_sandbox/state", get(state))
        .with_state(system)
        .merge(faults)
}

fn refuse(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({"error": message}))).into_response()
}

fn read<T: DeserializeOwned>(body: &Bytes, example: &str) -> Result<T, Box<Response>> {
    let wrong = |error: serde_json::Error| format!("{error}; the body looks like {example}");
    serde_json::from_slice(body).map_err(|error| Box::new(refuse(StatusCode::BAD_REQUEST, &wrong(error))))
}

async fn load(State(system): State<Arc<System>>, body: Bytes) -> Response {
    let example = r#"{"products":[{"product":"TG11","description":"Trading good","price":"12.50","stock":100}],"customers":[{"name":"ACME","country":"GB","externalId":"A1"}],"creditLimits":[{"customer":"A1","amount":"1000"}]}"#;
    let seed: Seed = match read(&body, example) {
        Ok(seed) => seed,
        Err(refusal) => return *refusal,
    };
    let loaded = system.work(|work| {
        let mark = work.mark();
        let loaded = seed::load(work, &seed);
        if loaded.is_err() {
            work.roll_back(mark);
        }
        // A migration tells nobody of the records it loads.
        work.events.retain(|event| !event.created);
        loaded
    });
    match loaded {
        Ok(loaded) => {
            let loaded =
                json!({"products": loaded.products, "customers": loaded.customers, "creditLimits": loaded.limits});
            Json(loaded).into_response()
        }
        Err(message) => refuse(StatusCode::BAD_REQUEST, &message),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Release {
    sales_order: String,
}

async fn release(State(system): State<Arc<System>>, body: Bytes) -> Response {
    let release: Release = match read(&body, r#"{"salesOrder":"5000001"}"#) {
        Ok(release) => release,
        Err(refusal) => return *refusal,
    };
    let result = system.work(|work| {
        let place = release.sales_order.parse().ok().and_then(|number| work.store.order(number));
        place.map(|place| changes::release_credit(work, place))
    });
    match result {
        None => refuse(StatusCode::NOT_FOUND, &format!("there is no sales order {}", release.sales_order)),
        Some(Err(error)) => refuse(StatusCode::CONFLICT, &error.message),
        Some(Ok(())) => Json(json!({"released": release.sales_order})).into_response(),
    }
}

async fn show_timing(State(system): State<Arc<System>>) -> Json<TimingChange> {
    Json(system.clock.timing().into())
}

async fn set_timing(State(system): State<Arc<System>>, body: Bytes) -> Response {
    let example = r#"{"deliveryAfterMs":500,"goodsIssueAfterMs":500,"invoiceAfterMs":500,"paymentAfterMs":500}"#;
    match read::<TimingChange>(&body, example) {
        Ok(change) => {
            system.clock.set_timing(change.apply(system.clock.timing()));
            Json(TimingChange::from(system.clock.timing())).into_response()
        }
        Err(refusal) => *refusal,
    }
}

async fn show_events(State(system): State<Arc<System>>) -> Json<Value> {
    Json(system.events.report())
}

async fn set_target(State(system): State<Arc<System>>, body: Bytes) -> Response {
    let example = r#"{"url":"http://127.0.0.1:8080/events/erp","token":"secret"}, or null where nobody is told"#;
    let target: Option<EventTarget> = match read(&body, example) {
        Ok(target) => target,
        Err(refusal) => return *refusal,
    };
    if let Some(target) = &target
        && reqwest::Url::parse(&target.url).is_err()
    {
        return refuse(StatusCode::BAD_REQUEST, &format!("`{}` is no address of a webhook", target.url));
    }
    system.events.set_target(target);
    Json(system.events.report()).into_response()
}

async fn set_locks(State(system): State<Arc<System>>, body: Bytes) -> Response {
    match read::<Vec<String>>(&body, r#"["5000001"]"#) {
        Ok(locks) => {
            let count = locks.len();
            *system.locks.lock().unwrap_or_else(PoisonError::into_inner) = locks.into_iter().collect();
            Json(json!({"locked": count})).into_response()
        }
        Err(refusal) => *refusal,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lies {
    product: String,
    plant: String,
    quantity: String,
}

/// Goods that came or went without a document that the simulator has.
async fn set_stock(State(system): State<Arc<System>>, body: Bytes) -> Response {
    let lies: Vec<Lies> = match read(&body, r#"[{"product":"TG11","plant":"1010","quantity":"25"}]"#) {
        Ok(lies) => lies,
        Err(refusal) => return *refusal,
    };
    let set = system.work(|work| {
        let mark = work.mark();
        let set = lies.iter().try_for_each(|one| seed::set_stock(work, &one.product, &one.plant, &one.quantity));
        if set.is_err() {
            work.roll_back(mark);
        }
        set
    });
    match set {
        Ok(()) => Json(json!({"set": lies.len()})).into_response(),
        Err(message) => refuse(StatusCode::BAD_REQUEST, &message),
    }
}

/// How much of everything there is, for those who wait until nothing follows any more.
async fn state(State(system): State<Arc<System>>) -> Json<Value> {
    let waiting = system.clock.waiting();
    let store = system.store.read().unwrap_or_else(PoisonError::into_inner);
    Json(json!({
        "customers": store.customers.len(),
        "products": store.materials.len(),
        "orders": store.orders.len(),
        "deliveries": store.deliveries.len(),
        "billingDocuments": store.billings.len(),
        "paid": store.billings.iter().filter(|billing| billing.cleared).count(),
        "returns": store.returns.len(),
        "stepsWaiting": waiting,
    }))
}
