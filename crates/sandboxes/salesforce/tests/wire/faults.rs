//! Misfortune on demand: what each fault does, and that it does nothing else.

use reqwest::Method;
use sandbox_salesforce::{Options, serve};
use serde_json::{Value, json};
use tonic::Code;

use crate::support::{From, Org, code, header};

#[tokio::test]
async fn refusals_change_nothing() {
    let org = Org::start().await;
    for (fault, status, wanted) in [
        ("row_lock", 400, "UNABLE_TO_LOCK_ROW"),
        ("request_limit", 403, "REQUEST_LIMIT_EXCEEDED"),
        ("unavailable", 503, "SERVER_UNAVAILABLE"),
    ] {
        org.fault(fault, 1.0).await;
        let (answered, answer) = org.send(Method::POST, "/sobjects/Account", json!({"Name": "Acme"})).await;
        assert_eq!((answered.as_u16(), code(&answer)), (status, wanted));
        org.fault(fault, 0.0).await;
        assert_eq!(org.happened(fault).await, 1);
    }
    assert_eq!(org.rows("SELECT Id FROM Account").await.len(), 0);
}

#[tokio::test]
async fn a_lost_answer_hides_what_was_done() {
    let org = Org::start().await;
    org.fault("timeout_after_commit", 1.0).await;
    let sent = org.request(Method::POST, "/sobjects/Account").json(&json!({"Name": "Acme"})).send().await;
    assert!(sent.is_err());
    // Reads and refusals commit nothing, so that they are always answered.
    assert_eq!(org.rows("SELECT Id FROM Account").await.len(), 1);
    assert_eq!(org.send(Method::POST, "/sobjects/Account", json!({})).await.0, 400);
}

#[tokio::test]
async fn a_session_ends_in_the_middle() {
    let mut org = Org::start().await;
    org.fault("session_expired", 1.0).await;
    assert_eq!(org.get("/limits").await.0, 401);
    org.fault("session_expired", 0.0).await;
    assert_eq!(org.get("/limits").await.0, 401, "the session stays ended");
    org.sign_in().await;
    assert_eq!(org.get("/limits").await.0, 200);
}

#[tokio::test]
async fn events_are_lost_doubled_or_told_without_their_fields() {
    let org = Org::start().await;
    let mut client = org.pubsub().await;
    org.fault("lost_event", 1.0).await;
    org.create("Account", json!({"Name": "lost"})).await;
    org.fault("lost_event", 0.0).await;
    org.fault("duplicate_event", 1.0).await;
    let id = org.create("Account", json!({"Name": "twice"})).await;
    org.fault("duplicate_event", 0.0).await;
    org.fault("gap_event", 1.0).await;
    org.create("Account", json!({"Name": "gap"})).await;
    org.fault("gap_event", 0.0).await;
    let mut feed = client.subscribe("/data/AccountChangeEvent", From::Earliest, 10).await.expect("a subscription");
    let events = feed.next(3).await.expect("events");
    let mut told = Vec::new();
    for event in &events {
        let fields = client.decode(&event.schema, &event.payload).await;
        told.push((format!("{:?}", header(&fields, "changeType")), format!("{:?}", header(&fields, "recordIds"))));
    }
    assert!(told[0] == told[1] && told[0].1.contains(&id), "{told:?}");
    assert!(told[2].0.contains("GAP_CREATE"), "{told:?}");
    assert_ne!(events[0].replay, events[1].replay);
}

#[tokio::test]
async fn streams_break_and_outages_end_them() {
    let org = Org::start().await;
    let mut client = org.pubsub().await;
    org.create("Account", json!({"Name": "Acme"})).await;
    org.fault("stream_break", 1.0).await;
    let mut feed = client.subscribe("/data/AccountChangeEvent", From::Earliest, 10).await.expect("a subscription");
    assert_eq!(feed.next(1).await.err().expect("an error").code(), Code::Unavailable);
    org.fault("stream_break", 0.0).await;
    let mut feed = client.subscribe("/data/AccountChangeEvent", From::Earliest, 10).await.expect("a subscription");
    feed.next(1).await.expect("an event");
    org.control(Method::POST, "outage", json!({"seconds": 60})).await;
    assert_eq!(feed.next(1).await.err().expect("an error").code(), Code::Unavailable);
    let answer = org.request(Method::GET, "/limits").send().await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status() == 503));
    org.control(Method::POST, "outage", json!({"seconds": 0})).await;
    assert_eq!(org.get("/limits").await.0, 200);
}

#[tokio::test]
async fn old_events_cannot_be_heard_again() {
    let org = Org::with(Options { retention: std::time::Duration::ZERO, ..Options::default() }).await;
    let mut client = org.pubsub().await;
    for name in ["a", "b", "c"] {
        org.create("Account", json!({ "Name": name })).await;
    }
    let mut old = client.subscribe("/data/AccountChangeEvent", From::Earliest, 10).await.expect("a subscription");
    org.control(Method::POST, "outage", json!({"seconds": 60})).await;
    assert_eq!(old.next(1).await.err().expect("nothing but the end").code(), Code::Unavailable);
}

#[tokio::test]
async fn controls_say_what_is_wrong_with_them() {
    let org = Org::start().await;
    let (status, answer) = org.control(Method::PUT, "faults", json!({"rowlock": 1})).await;
    assert_eq!(status, 400);
    assert!(answer["error"].as_str().is_some_and(|error| error.contains("row_lock")), "{answer}");
    let (_, state) = org.control(Method::GET, "state", Value::Null).await;
    assert_eq!(state["records"]["Pricebook2"], 1);
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("metadata.yaml");
    let start = async |text: &str| {
        std::fs::write(&file, text).expect("a file");
        let options = Options { metadata: vec![file.clone()], ..Options::default() };
        serve(options).await.expect_err("a problem").to_string()
    };
    let problem = start("objects:\n  Account:\n    fields:\n      X__c: { type: lookup, to: Nothing }\n").await;
    assert!(problem.contains("Account.X__c"), "{problem}");
    let problem = start("objects: [").await;
    assert!(problem.contains("metadata.yaml is not a metadata file"), "{problem}");
    let options = Options { faults: vec![("nothing".to_owned(), 1.0)], ..Options::default() };
    assert!(serve(options).await.expect_err("a problem").to_string().contains("there is no fault"));
    let first = serve(Options::default()).await.expect("an org");
    let taken = first.url.trim_start_matches("http://").parse().expect("an address");
    let problem = serve(Options { listen: taken, ..Options::default() }).await.expect_err("a problem").to_string();
    assert!(problem.contains("cannot listen"), "{problem}");
}
