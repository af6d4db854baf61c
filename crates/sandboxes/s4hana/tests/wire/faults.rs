//! Each fault: what the client sees, and what was changed.

use std::collections::HashSet;

use reqwest::{Method, StatusCode};
use sandbox_s4hana::{EventTarget, Options};
use serde_json::{Value, json};

use super::support::{System, at_once, eventually, never, order, webhook};

const ORDERS: &str = "API_SALES_ORDER_SRV/A_SalesOrder";

async fn count(system: &System) -> String {
    system.get(&format!("{ORDERS}/$count")).await.text
}

#[tokio::test]
async fn row_lock_refuses_and_changes_nothing() {
    let system = System::start(never()).await;
    let existing = system.order("PO-0", &[("TG11", "1")]).await;
    let existing = existing["SalesOrder"].as_str().expect("a number");
    system.set_fault("row_lock", 1.0).await;
    let created = system.post(ORDERS, order("PO", &[("TG11", "1")])).await;
    assert_eq!((created.status.as_u16(), created.code().as_str()), (400, "M3/682"));
    let changed =
        system.patch(&format!("{ORDERS}('{existing}')"), Some("*"), json!({"DeliveryBlockReason": "01"})).await;
    assert_eq!(changed.code(), "V1/042");
    assert!(changed.message().contains("is currently being processed by user INTERLOCK"), "{}", changed.text);
    system.set_fault("row_lock", 0.0).await;
    assert_eq!((count(&system).await.as_str(), system.happened("row_lock").await), ("1", 2));
    // A document that somebody has open is locked for as long.
    system.control(Method::PUT, "locks", json!([existing])).await;
    let path = format!("{ORDERS}('{existing}')");
    assert_eq!(system.patch(&path, Some("*"), json!({"DeliveryBlockReason": "01"})).await.code(), "V1/042");
    system.control(Method::PUT, "locks", json!([])).await;
    assert_eq!(system.patch(&path, Some("*"), json!({"DeliveryBlockReason": "01"})).await.status, 204);
}

#[tokio::test]
async fn throttling_and_unavailability_change_nothing() {
    let system = System::start(never()).await;
    system.set_fault("too_many_requests", 1.0).await;
    let refused = system.post(ORDERS, order("PO", &[("TG11", "1")])).await;
    assert_eq!((refused.status, refused.headers["retry-after"].as_str()), (StatusCode::TOO_MANY_REQUESTS, "1"));
    system.set_fault("too_many_requests", 0.0).await;
    system.set_fault("unavailable", 1.0).await;
    assert_eq!(system.post(ORDERS, order("PO", &[("TG11", "1")])).await.status, StatusCode::SERVICE_UNAVAILABLE);
    system.set_fault("unavailable", 0.0).await;
    system.set_fault("slow", 1.0).await;
    assert_eq!(system.post(ORDERS, order("PO", &[("TG11", "1")])).await.status, StatusCode::CREATED);
    system.set_fault("slow", 0.0).await;
    assert_eq!(count(&system).await, "1");
}

#[tokio::test]
async fn tokens_and_sessions_end() {
    let mut system = System::start(never()).await;
    system.set_fault("csrf_expired", 1.0).await;
    let refused = system.post(ORDERS, order("PO", &[("TG11", "1")])).await;
    assert_eq!((refused.status, refused.headers["x-csrf-token"].as_str()), (StatusCode::FORBIDDEN, "Required"));
    system.set_fault("csrf_expired", 0.0).await;
    assert_eq!(system.post(ORDERS, order("PO", &[("TG11", "1")])).await.status, StatusCode::FORBIDDEN);
    system.sign_in().await;
    assert_eq!(system.post(ORDERS, order("PO", &[("TG11", "1")])).await.status, StatusCode::CREATED);
    system.set_fault("session_expired", 1.0).await;
    assert_eq!(system.post(ORDERS, order("PO-2", &[("TG11", "1")])).await.status, StatusCode::UNAUTHORIZED);
    system.set_fault("session_expired", 0.0).await;
    assert_eq!(system.post(ORDERS, order("PO-2", &[("TG11", "1")])).await.status, StatusCode::FORBIDDEN);
    system.sign_in().await;
    assert_eq!(system.post(ORDERS, order("PO-2", &[("TG11", "1")])).await.status, StatusCode::CREATED);
    assert_eq!(count(&system).await, "2");
}

#[tokio::test]
async fn timeout_after_commit_leaves_exactly_one_order() {
    let system = System::start(never()).await;
    system.set_fault("timeout_after_commit", 1.0).await;
    let lost = system.signed(Method::POST, ORDERS).json(&order("PO", &[("TG11", "1")])).send().await;
    assert!(lost.is_err(), "{lost:?}");
    // What is refused commits nothing, so that there is nothing to hide.
    assert_eq!(system.post(ORDERS, order("PO", &[("NONE", "1")])).await.code(), "V1/384");
    system.set_fault("timeout_after_commit", 0.0).await;
    let found = system.get(&format!("{ORDERS}?$filter=PurchaseOrderByCustomer%20eq%20'PO'")).await.list();
    assert_eq!((found.len(), count(&system).await.as_str()), (1, "1"));
    assert_eq!(system.happened("timeout_after_commit").await, 1);
}

#[tokio::test]
async fn events_are_lost_and_doubled() {
    let (url, received) = webhook().await;
    let events = Some(EventTarget { url, token: None });
    let faults = vec![("lost_event".to_owned(), 1.0)];
    let system = System::start_with(Options { timing: never(), events, faults, ..Options::default() }).await;
    system.order("PO-1", &[("TG11", "1")]).await;
    system.set_fault("lost_event", 0.0).await;
    system.set_fault("duplicate_event", 1.0).await;
    system.order("PO-2", &[("TG11", "1")]).await;
    eventually("both copies", || received.lock().expect("no panic").events.len() == 2).await;
    let report = system.control(Method::GET, "events", Value::Null).await;
    assert_eq!((&report["lost"], &report["duplicated"]), (&json!(1), &json!(1)), "{report}");
    let received = received.lock().expect("no panic");
    let ids: HashSet<&str> = received.events.iter().map(|event| event["id"].as_str().expect("an id")).collect();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn an_outage_ends_and_what_was_due_follows() {
    let system = System::start(at_once()).await;
    system.control(Method::POST, "outage", json!({"seconds": 0.3})).await;
    let down = system.request(Method::GET, ORDERS).send().await;
    assert!(down.is_err() || down.is_ok_and(|answer| answer.status() == StatusCode::SERVICE_UNAVAILABLE));
    let mut back = false;
    for _ in 0..100 {
        let answer = system.request(Method::GET, ORDERS).send().await;
        if answer.is_ok_and(|answer| answer.status() == StatusCode::OK) {
            back = true;
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(back);
    let order = system.order("PO", &[("TG11", "1")]).await;
    let path = format!("{ORDERS}('{}')", order["SalesOrder"].as_str().expect("a number"));
    system.until(&path, |order| order["OverallSDProcessStatus"] == "C").await;
}

#[tokio::test]
async fn wrong_options_are_told() {
    let faults = vec![("rowlock".to_owned(), 0.1)];
    let problem = sandbox_s4hana::serve(Options { faults, ..Options::default() }).await.expect_err("a problem");
    assert!(format!("{problem:?}").contains("row_lock"), "{problem:?}");
    let system = System::start(never()).await;
    let listen = system.running.url.trim_start_matches("http://").parse().expect("an address");
    let problem = sandbox_s4hana::serve(Options { listen, ..Options::default() }).await.expect_err("a problem");
    assert!(format!("{problem:?}").contains("IL-SANDBOX-001"), "{problem:?}");
}
