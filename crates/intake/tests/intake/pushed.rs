//! What systems push.

use model::Value;
use store::Store;

use crate::system;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pushed_is_durable_before_it_is_acknowledged() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::start(folder.path(), &system).await;
    *world.kept.refuse.lock().expect("lock") = u32::MAX;
    world.refer("Q-1", "1").await;
    system.write("Invoice", "9", r#"{"Number": "I-9", "QuoteId": "1"}"#);
    assert_eq!(world.push("e1", "9").await.expect("kept"), 1);
    assert_eq!(world.push("e1", "9").await.expect("kept"), 1, "the same one again is harmless");
    assert_eq!(world.store.inbox().expect("rows").len(), 1);
    world.kill().await;
    let world = World::start(folder.path(), &system).await;
    let event = world.events(1).await.remove(0);
    assert_eq!(event.envelope.get("data").get("quote"), &Value::from("Q-1"));
    world.until(|world| world.store.inbox().expect("rows").is_empty()).await;
    assert_eq!(world.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_notification_is_refused() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::start(folder.path(), &system).await;
    let body = bytes::Bytes::from_static(b"{");
    let refused = world.intake.receive(&"sys".into(), &http::HeaderMap::new(), &body).await.expect_err("refused");
    assert_eq!(refused.problem.code, "IL-FEED-004");
    let unknown = world.intake.receive(&"nosuch".into(), &http::HeaderMap::new(), &body).await.expect_err("refused");
    assert_eq!(unknown.problem.code, "IL-FEED-003");
    assert_eq!(world.push("e1", "").await.expect_err("no id").problem.code, "IL-FEED-004");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_event_of_a_batch_is_refused_and_the_others_are_taken() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::start(folder.path(), &system).await;
    let event = |id: &str| format!(r#"{{"id":"{id}","type":"erp.invoice.created","data":{{"Invoice":"{id}"}}}}"#);
    for id in ["8", "9"] {
        system.write("Invoice", id, &format!(r#"{{"Number": "I-{id}"}}"#));
    }
    let no_key = r#"{"id":"e1","type":"erp.invoice.created","data":{}}"#;
    let no_type = r#"{"id":"e2"}"#;
    let batch = format!("[{no_key},{},{no_type},7,{}]", event("8"), event("9"));
    let received = world.push_text(batch.clone()).await.expect("some are good");
    assert_eq!(received.taken, 2);
    let refused: Vec<_> = received.refused.iter().map(|event| (event.index, event.id.as_deref())).collect();
    assert_eq!(refused, [(0, Some("e1")), (2, Some("e2")), (3, None)]);
    assert!(received.refused[0].reason.contains("names no record"), "{}", received.refused[0].reason);
    let keys: Vec<_> = world.events(2).await.into_iter().map(|event| event.key).collect();
    assert_eq!(keys, ["I-8".into(), "I-9".into()] as [std::sync::Arc<str>; 2]);
    let others = world.intake.figures().into_iter().filter(|feed| &*feed.name != "invoices");
    assert!(others.into_iter().all(|feed| feed.refused == 0), "events are not pushed to them");
    assert!(world.intake.figures().iter().any(|feed| &*feed.name == "invoices" && feed.refused == 3));
    // A sender that takes this for a failure sends all again.
    assert_eq!(world.push_text(batch).await.expect("the same").taken, 2);
    world.until(|world| world.store.inbox().expect("rows").is_empty()).await;
    assert_eq!(world.count(), 2, "twice is once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_without_a_good_event_is_refused_whole_and_says_why() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::start(folder.path(), &system).await;
    let found = world.push_text(r#"[{"id":"e1"},7]"#.into()).await.expect_err("nothing good");
    assert_eq!((found.problem.code, found.refused.len()), ("IL-FEED-004", 2));
    let unwanted = r#"[{"id":"e1","type":"erp.stock.changed"},7]"#;
    let received = world.push_text(unwanted.into()).await.expect("what belongs to no feed is not wrong");
    assert_eq!((received.taken, received.refused.len()), (0, 1));
    assert_eq!(world.push_text("[]".into()).await.expect("nothing wrong").taken, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_different_senders_or_records_with_the_same_id_are_each_kept() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::start(folder.path(), &system).await;
    *world.kept.refuse.lock().expect("lock") = u32::MAX;
    let event = |source: &str, invoice: &str| {
        let keys = format!(r#"{{"Invoice":"{invoice}"}}"#);
        format!(r#"{{"id":"e1","source":"{source}","type":"erp.invoice.created","data":{keys}}}"#)
    };
    for (source, invoice) in [("/client/100", "8"), ("/client/200", "8"), ("/client/200", "9"), ("/client/200", "9")] {
        system.write("Invoice", invoice, &format!(r#"{{"Number": "I-{invoice}"}}"#));
        assert_eq!(world.push_text(event(source, invoice)).await.expect("kept").taken, 1);
    }
    assert_eq!(world.store.inbox().expect("rows").len(), 3, "only the last one came twice");
    world.kill().await;
    let world = World::start(folder.path(), &system).await;
    let mut keys: Vec<_> = world.events(2).await.into_iter().map(|event| event.key).collect();
    keys.sort();
    assert_eq!(keys, ["I-8".into(), "I-9".into()] as [std::sync::Arc<str>; 2], "none is lost with the stop");
    world.until(|world| world.store.inbox().expect("rows").is_empty()).await;
}
