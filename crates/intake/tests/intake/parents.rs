//! Records that name a parent which is not known yet.

use model::Value;
use store::Store;

use crate::system;
use crate::world::{System, World};

const INVOICE: &str = r#"{"Number": "I-9", "QuoteId": "1"}"#;

fn reads(system: &System, id: &str) -> usize {
    system.reads.lock().expect("lock").get(id).copied().unwrap_or_default()
}

fn quote(event: &intake::CanonicalEvent) -> (&str, &Value) {
    (&event.key, event.envelope.get("data").get("quote"))
}

/// An invoice whose quote did not become known in time: it was handed over without.
async fn orphaned(world: &World, system: &System) {
    system.write("Invoice", "9", INVOICE);
    world.push("e1", "9").await.expect("kept");
    world.until(|_| reads(system, "9") == 1).await;
    // Another one behind it proves that it is parked.
    system.write("Invoice", "10", r#"{"Number": "I-10"}"#);
    world.push("e2", "10").await.expect("kept");
    world.events(1).await;
    world.pass(16).await;
    assert_eq!(quote(&world.events(2).await[1]), ("I-9", &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_waits_for_its_parent_and_survives_a_restart_meanwhile() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::start(folder.path(), &system).await;
    system.write("Invoice", "9", INVOICE);
    system.write("Invoice", "10", r#"{"Number": "I-10"}"#);
    world.push("e1", "9").await.expect("kept");
    world.push("e2", "10").await.expect("kept");
    let first = world.events(1).await;
    assert_eq!(&*first[0].key, "I-10", "what names no parent waits for none");
    world.kill().await;
    let world = World::start(folder.path(), &system).await;
    world.refer("Q-1", "1").await;
    let event = world.events(1).await.remove(0);
    assert_eq!(quote(&event), ("I-9", &Value::from("Q-1")));
    world.until(|world| world.store.inbox().expect("rows").is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_handed_over_without_its_parent_comes_again_when_that_is_known() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::start(folder.path(), &system).await;
    orphaned(&world, &system).await;
    world.pass(60).await;
    let learnt = world.now();
    world.refer("Q-1", "1").await;
    let events = world.events(3).await;
    assert_eq!(quote(&events[2]), ("I-9", &Value::from("Q-1")));
    assert!(events[2].complete >= learnt, "whatever waits since the parent is known hears it");
    world.until(|world| world.store.inbox().expect("rows").is_empty()).await;
    world.refer("Q-1", "1").await;
    world.pass(60).await;
    assert_eq!((world.count(), reads(&system, "9")), (3, 3), "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orphan_survives_a_restart_and_is_not_read_in_vain() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::start(folder.path(), &system).await;
    orphaned(&world, &system).await;
    world.kill().await;
    let world = World::start(folder.path(), &system).await;
    world.pass(60).await;
    assert_eq!(reads(&system, "9"), 2, "its parent is looked for in the store only");
    world.refer("Q-1", "1").await;
    assert_eq!(quote(&world.events(1).await[0]), ("I-9", &Value::from("Q-1")));
    assert_eq!(reads(&system, "9"), 3);
    world.until(|world| world.store.inbox().expect("rows").is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_became_known_as_the_process_died_is_found() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::start(folder.path(), &system).await;
    orphaned(&world, &system).await;
    world.refer_silently("Q-1", "1").await;
    world.kill().await;
    let world = World::start(folder.path(), &system).await;
    assert_eq!(quote(&world.events(1).await[0]), ("I-9", &Value::from("Q-1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_further_change_of_an_orphan_does_not_wait_again() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::start(folder.path(), &system).await;
    orphaned(&world, &system).await;
    system.write("Invoice", "9", r#"{"Number": "I-9b", "QuoteId": "1"}"#);
    world.push("e3", "9").await.expect("kept");
    assert_eq!(quote(&world.events(3).await[2]), ("I-9b", &Value::Null));
    assert_eq!(world.store.inbox().expect("rows").len(), 1, "it still waits, once");
    world.refer("Q-1", "1").await;
    assert_eq!(quote(&world.events(4).await[3]), ("I-9b", &Value::from("Q-1")));
    world.until(|world| world.store.inbox().expect("rows").is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_waits_for_a_known_parent_is_read_again() {
    const MANY: usize = 60;
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::start(folder.path(), &system).await;
    for number in 0..MANY {
        let id = number.to_string();
        system.write("Invoice", &id, &format!(r#"{{"Number": "I-{id}", "QuoteId": "Q{id}"}}"#));
        world.push(&id, &id).await.expect("kept");
    }
    let total = || system.reads.lock().expect("lock").values().sum::<usize>();
    world.until(|_| total() == MANY).await;
    // Another one behind them proves that they are parked.
    system.write("Invoice", "last", r#"{"Number": "last"}"#);
    world.push("last", "last").await.expect("kept");
    world.events(1).await;
    for _ in 0..3 {
        world.pass(1).await;
    }
    world.refer_silently("Q-7", "Q7").await;
    world.pass(1).await;
    assert_eq!(quote(&world.events(2).await[1]), ("I-7", &Value::from("Q-7")));
    assert_eq!((total(), reads(&system, "7")), (MANY + 2, 2));
}

/// The receipts that were handed over: their numbers, and the id of their quote in the other system.
fn receipts(events: &[intake::CanonicalEvent]) -> Vec<(&str, &Value)> {
    let receipts = events.iter().filter(|event| event.object.as_str() == "receipt");
    receipts.map(|event| (&*event.key, event.envelope.get("data").get("quoteThere"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swept_record_waits_until_its_parent_is_known_in_another_system() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::sweeping(folder.path(), &system, "20ms").await;
    system.write("Receipt", "5", r#"{"Number": "R-5", "QuoteId": "1"}"#);
    system.write("Receipt", "6", r#"{"Number": "R-6"}"#);
    assert_eq!(receipts(&world.events(1).await), [("R-6", &Value::Null)], "what names no parent waits for none");
    // Known here is not known there, also after a restart.
    world.refer("Q-1", "1").await;
    world.until(|_| reads(&system, "5") >= 2).await;
    world.kill().await;
    let world = World::sweeping(folder.path(), &system, "1h").await;
    world.until(|_| reads(&system, "5") >= 3).await;
    assert_eq!(receipts(&world.kept.events.lock().expect("lock")), []);
    world.refer_other("Q-1", "OTHER-1").await;
    assert_eq!(receipts(&world.events(1).await), [("R-5", &Value::from("OTHER-1"))]);
    world.until(|world| world.store.inbox().expect("rows").is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_waits_for_as_long_as_its_parent_is_known_and_not_there_yet() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::sweeping(folder.path(), &system, "20ms").await;
    world.refer("Q-1", "1").await;
    system.write("Receipt", "5", r#"{"Number": "R-5", "QuoteId": "1"}"#);
    system.write("Receipt", "7", r#"{"Number": "R-7", "QuoteId": "2"}"#);
    world.until(|_| reads(&system, "5") >= 1 && reads(&system, "7") >= 1).await;
    // Another one behind them proves that they are parked.
    system.write("Receipt", "6", r#"{"Number": "R-6"}"#);
    world.events(1).await;
    let waiting = |world: &World| world.intake.figures().iter().map(|feed| feed.waiting_for_parents).sum::<u64>();
    assert_eq!(waiting(&world), 2);
    world.pass(16).await;
    assert_eq!(receipts(&world.events(2).await)[1], ("R-7", &Value::Null), "nobody knows its parent");
    // The foreign one becomes known, and is not there yet either.
    world.refer("Q-2", "2").await;
    world.until(|_| reads(&system, "7") >= 3).await;
    world.pass(16).await;
    world.until(|world| waiting(world) == 2).await;
    assert_eq!(receipts(&world.kept.events.lock().expect("lock")).len(), 2);
    world.kill().await;
    let world = World::sweeping(folder.path(), &system, "1h").await;
    world.refer_other("Q-1", "OTHER-1").await;
    world.refer_other("Q-2", "OTHER-2").await;
    let events = world.events(2).await;
    let mut told = receipts(&events);
    told.sort_by_key(|(number, _)| *number);
    assert_eq!(told, [("R-5", &Value::from("OTHER-1")), ("R-7", &Value::from("OTHER-2"))]);
    world.until(|world| world.store.inbox().expect("rows").is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_nothing_without_its_parent_waits_and_a_person_is_told_after_a_while() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::sweeping(folder.path(), &system, "20ms").await;
    system.write("Bill", "5", r#"{"Number": "B-5", "QuoteId": "1"}"#);
    world.until(|_| reads(&system, "5") >= 1).await;
    // Another one behind it proves that it is parked.
    system.write("Bill", "6", r#"{"Number": "B-6"}"#);
    world.events(1).await;
    let told = |world: &World| world.kept.unreadable.lock().expect("lock").clone();
    assert_eq!(told(&world), []);
    world.pass(16).await;
    world.until(|world| !told(world).is_empty()).await;
    let told = told(&world);
    assert_eq!((told.len(), &*told[0].id), (1, "5"));
    assert!(told[0].reason.starts_with("its quote 1 is not known in sys"), "{}", told[0].reason);
    assert_eq!(world.count(), 1, "it is not handed over without");
    world.kill().await;
    let world = World::sweeping(folder.path(), &system, "1h").await;
    world.refer("Q-1", "1").await;
    assert_eq!(quote(&world.events(1).await[0]), ("B-5", &Value::from("Q-1")));
    world.until(|world| world.store.inbox().expect("rows").is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_is_only_named_is_waited_for_by_nobody_and_comes_when_it_is_known() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::sweeping(folder.path(), &system, "20ms").await;
    system.write("Note", "5", r#"{"Number": "N-5", "QuoteId": "1"}"#);
    let first = world.events(1).await.remove(0);
    assert_eq!(quote(&first), ("N-5", &Value::object([("sys", "1")])));
    world.kill().await;
    let world = World::sweeping(folder.path(), &system, "1h").await;
    world.refer("Q-1", "1").await;
    assert_eq!(quote(&world.events(1).await[0]), ("N-5", &Value::from("Q-1")));
    world.until(|world| world.store.inbox().expect("rows").is_empty()).await;
}
