//! What cannot be done at the moment when it should be: it is done later, or somebody is told.

use std::time::Duration;

use runtime::RunOperation;
use rusqlite::Connection;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_while_its_run_cannot_be_read_reaches_it_later() {
    let world = World::new().await;
    world.system.set_weather(100, 0);
    world.system.quote("1", 50, "accepted");
    world.until("intent", |store| store.intents().expect("a read").into_iter().next()).await;
    // From now on the run is in the store only.
    let world = world.restart(&[]).await;
    let other = Connection::open(world.folder.path().join("data/test.db")).expect("the store");
    other.busy_timeout(Duration::from_secs(10)).expect("a setting");
    other.execute_batch("alter table runs rename to runs_elsewhere").expect("moved");
    world.system.set_weather(0, 0);
    world.until("order", |_| (world.system.all("Order").len() == 1).then_some(())).await;
    // Its answer comes at once; it is looked for the run every second.
    tokio::time::sleep(Duration::from_millis(500)).await;
    other.execute_batch("alter table runs_elsewhere rename to runs").expect("moved back");
    world.matter("1", "ordered").await;
    assert_eq!(world.system.all("Order").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_gave_up_is_followed_though_the_run_made_room_for_another_one_and_the_process_ended() {
    let world = World::new().await;
    world.system.hold_creates(true);
    world.system.quote("1", 50, "accepted");
    let first = world.until("intent", |store| store.intents().expect("a read").into_iter().next()).await;
    let cancel = RunOperation::Cancel { reason: "a mistake".into() };
    world.runtime.operate(first.run, cancel, "oscar").await.expect("cancelled");
    world.matter("1", "cancelled").await;
    world.system.quote("1", 60, "accepted");
    let item = world.item("integration").await;
    assert!(item.reason.contains("under way already"), "{}", item.reason);
    assert_eq!(world.runtime.store().run(first.run), Ok(None), "its key is for the other one");

    let world = world.restart(&[]).await;
    world.system.hold_creates(false);
    world.until("outcome", |store| store.intents().expect("a read").is_empty().then_some(())).await;
    world.decide(item.id, "retry", None, None).await.expect("retried");
    world.matter("1", "ordered").await;
    assert_eq!(world.system.all("Order").len(), 1, "the second looks for what the first may have made");
}

const DEEP: &str = r#"
document: { dsl: '1.0.3', namespace: sales, name: quote-to-cash, version: '1.0.0' }
schedule: { on: { one: { with: { type: interlock.quote.changed.v1, data: '${ .status == "accepted" }' } } } }
do:
  - begin: { set: '${ {x: 1} }' }
  - grow:
      for: { each: level, in: '${ [range(600)] }' }
      do: [{ more: { set: '${ {x: [.x]} }' } }]
  - pause: { wait: PT1H }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_be_stored_is_ended_and_people_are_told() {
    let world = World::with(&[("workflows/quote-to-cash.yaml", DEEP)]).await;
    world.system.quote("1", 50, "accepted");
    let item = world.item("integration").await;
    assert!(item.title.contains("quote-to-cash was ended"), "{}", item.title);
    assert!(item.reason.contains("nested deeper"), "{}", item.reason);
    let store = world.runtime.store();
    assert_eq!((store.live_runs(), store.next_timer()), (Ok(vec![]), Ok(None)));
    world.decide(item.id, "dismiss", None, None).await.expect("seen");
    // What comes next goes on.
    world.system.quote("2", 50, "accepted");
    world.item("integration").await;
}
