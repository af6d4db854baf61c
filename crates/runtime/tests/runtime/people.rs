//! Work items and operations.

use std::time::Duration;

use model::{RunId, WorkItemId};
use runtime::RunOperation;
use store::{RunStatus, Store, WorkItemStatus};

use crate::world::{World, open_items, value};

fn the_run(store: &dyn Store) -> RunId {
    store.live_runs().expect("a read").into_iter().next().expect("a run")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_corrects_and_the_order_goes_on() {
    let world = World::new().await;
    world.system.quote("1", 5000, "accepted");
    let item = world.item("credit").await;
    assert_eq!((&*item.title, &*item.reason), ("Credit for 1", "Too much at once."));
    assert_eq!(item.amount.expect("an amount").to_string(), "5000 GBP");
    assert_eq!(item.due_at.duration_since(item.opened_at).as_hours(), 4);
    assert_eq!(item.content.get("record"), &value(r#"{"total": 5000}"#));

    let refused = world.decide(item.id, "explode", None, None).await.expect_err("refused");
    assert_eq!(refused.code, "IL-RUN-004");
    assert!(refused.to_string().contains("release, correct, reject"), "{refused}");
    let refused = world.decide(item.id, "reject", Some(" "), None).await.expect_err("refused");
    assert_eq!(refused.code, "IL-RUN-005");
    let refused = world.decide(item.id, "release", None, Some("{}")).await.expect_err("refused");
    assert_eq!(refused.code, "IL-RUN-006");
    let refused = world.decide(WorkItemId::now(), "release", None, None).await.expect_err("refused");
    assert_eq!(refused.code, "IL-RUN-002");

    world.decide(item.id, "correct", Some("typo"), Some(r#"{"total": 50}"#)).await.expect("corrected");
    let matter = world.matter("1", "ordered").await;
    assert_eq!(world.system.all("Order")[0].get("Total"), &value("50"));
    let resolved = world.runtime.store().work_item(item.id).expect("a read").expect("an item");
    assert_eq!(resolved.status, WorkItemStatus::Resolved);
    assert_eq!(resolved.resolution.get("by").as_str(), Some("olivia"));
    assert!(world.journal(&matter).contains(&"olivia: Correct".to_owned()));
    let late = world.decide(item.id, "release", None, None).await.expect_err("too late");
    assert_eq!(late.code, "IL-RUN-003");
    assert!(late.to_string().contains("olivia"), "{late}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_people_who_decide_at_once_one_is_told_that_it_is_done() {
    let world = World::new().await;
    world.system.quote("1", 5000, "accepted");
    let item = world.item("credit").await;
    let (first, second) =
        tokio::join!(world.decide(item.id, "release", None, None), world.decide(item.id, "reject", Some("no"), None));
    assert_eq!(u8::from(first.is_ok()) + u8::from(second.is_ok()), 1);
    let refused = first.err().or(second.err()).expect("one is refused");
    assert_eq!(refused.code, "IL-RUN-003");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_takes_its_items_along_and_its_key_can_start_again() {
    let world = World::new().await;
    world.system.quote("1", 5000, "accepted");
    let item = world.item("credit").await;
    let run = the_run(&*world.runtime.store());
    world.runtime.operate(run, RunOperation::Suspend, "oscar").await.expect("halted");
    assert!(world.runtime.operate(run, RunOperation::Suspend, "oscar").await.is_err());
    let status =
        |status: RunStatus| move |store: &dyn Store| store.run(run).expect("a read").filter(|row| row.status == status);
    world.until("halted run", status(RunStatus::Suspended)).await;
    world.runtime.operate(run, RunOperation::Resume, "oscar").await.expect("resumed");
    let reason = "a mistake".into();
    world.runtime.operate(run, RunOperation::Cancel { reason }, "oscar").await.expect("cancelled");
    world.until("cancelled run", status(RunStatus::Cancelled)).await;
    let gone = world.runtime.store().work_item(item.id).expect("a read").expect("an item");
    assert_eq!(gone.status, WorkItemStatus::Withdrawn);
    let refused = world.runtime.operate(run, RunOperation::Suspend, "oscar").await.expect_err("over");
    assert_eq!(refused.code, "IL-RUN-007");
    let matter = world.matter("1", "cancelled").await;
    assert!(matter.closed);

    world.system.quote("1", 50, "accepted");
    let again = world.matter("1", "ordered").await;
    assert_eq!(again.id, matter.id, "it is the same matter");
    assert_eq!(world.system.calls("probe Order"), 1, "what the cancelled run may have created is looked for");
    assert_eq!(world.system.all("Order").len(), 1);
    world.runtime.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halted_run_keeps_what_arrives() {
    let world = World::new().await;
    world.system.quote("1", 50, "accepted");
    world.matter("1", "ordered").await;
    let run = the_run(&*world.runtime.store());
    world.runtime.operate(run, RunOperation::Suspend, "oscar").await.expect("halted");
    world.system.write("Invoice", r#"{"Order": "Q-1", "Net": 50}"#);
    world.until("stored event", |store| store.oldest_event().expect("a read")).await;
    let world = world.restart(&[]).await;
    world.runtime.operate(run, RunOperation::Resume, "oscar").await.expect("resumed");
    world.matter("1", "invoiced").await;
    assert!(open_items(&*world.runtime.store(), "credit").is_empty());
}
