//! A store that cannot be written for a while: another program holds it, as a backup tool may.

use std::time::{Duration, Instant};

use model::{EventId, Value};
use rusqlite::Connection;
use store::{CachedAnswer, EventRow, Mutation, RecordVersionRow, Store, WorkItemStatus};

use crate::world::World;

/// Keeps the tables of the store from being written until this is dropped. As the store notices when it wants to write them, it is
/// given something to write.
async fn hold(world: &World) -> Connection {
    let other = Connection::open(world.folder.path().join("data/test.db")).expect("the store");
    other.busy_timeout(Duration::from_secs(10)).expect("a setting");
    other.execute_batch("begin immediate").expect("the lock");
    let store = world.runtime.store();
    let row = RecordVersionRow { connection: "x".into(), record: "x".into(), id: "x".into(), version: "1".into() };
    while store.listening_runs(None, 1).is_ok() {
        let _ = store.commit(vec![Mutation::PutRecordVersion(row.clone())]).durable().await;
    }
    other
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_cannot_be_stored_is_refused_soon_and_nothing_is_done() {
    let world = World::new().await;
    world.system.quote("1", 5000, "accepted");
    let item = world.item("credit").await;
    let held = hold(&world).await;
    let begun = Instant::now();
    let refused = world.decide(item.id, "release", None, None).await.expect_err("refused");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!(refused.code, "IL-STORE-002");
    assert!(refused.remedy.contains("nothing was done"), "{refused}");

    // Behind something that waits already it is refused at once.
    world.system.quote("2", 50, "accepted");
    let refused_at_once = async {
        loop {
            let begun = Instant::now();
            assert!(world.decide(item.id, "release", None, None).await.is_err());
            if begun.elapsed() < Duration::from_millis(500) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), refused_at_once).await.expect("refused at once");
    assert!(world.system.all("Order").is_empty());
    drop(held);

    world.matter("2", "ordered").await;
    let now = world.runtime.store().work_item(item.id).expect("a read").expect("an item");
    assert_eq!(now.status, WorkItemStatus::Open);
    world.decide(item.id, "release", None, None).await.expect("released");
    world.matter("1", "ordered").await;
    assert_eq!(world.system.all("Order").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_the_store_and_loses_nothing() {
    let world = World::new().await;
    world.system.quote("1", 50, "accepted");
    world.matter("1", "ordered").await;
    let held = hold(&world).await;
    world.system.quote("2", 50, "accepted");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let begun = Instant::now();
    world.runtime.stop(Duration::from_secs(1)).await;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    drop(held);
    let world = world.restart(&[]).await;
    world.matter("2", "ordered").await;
    assert_eq!(world.system.all("Order").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_want_any_more_is_removed() {
    let world = World::new().await;
    let days_ago = |days: i64| jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * days);
    let answer = |key: &str, days: i64| {
        let (api, key) = ("prices".into(), key.into());
        Mutation::PutAnswer(CachedAnswer { api, key, answer: Value::Null, at: days_ago(days) })
    };
    let event = |correlation: u8, days: i64| {
        let (id, correlation) = (EventId::now(), vec![correlation]);
        Mutation::AppendEvent(EventRow { id, correlation, envelope: Value::Null, at: days_ago(days) })
    };
    let all = vec![answer("old", 2), answer("new", 0), event(1, 31), event(2, 29)];
    world.runtime.store().commit(all).durable().await.expect("durable");
    let world = world.restart(&[]).await;
    let is_old_gone = |store: &dyn Store| {
        let answer = store.answer("prices", "old").expect("a read");
        (answer.is_none() && store.events(&[1]).expect("a read").is_empty()).then_some(())
    };
    world.until("only what is new", is_old_gone).await;
    let store = world.runtime.store();
    assert!(store.answer("prices", "new").expect("a read").is_some());
    assert_eq!(store.events(&[2]).expect("a read").len(), 1);
}
