//! What comes in, over a system in memory, a real dispatcher and a real store.

mod parents;
mod pushed;
mod sweeps;
mod world;

use std::sync::Arc;

use connect::{CallError, ChangeKind, ErrorClass};
use model::Value;
use store::Store;

use crate::world::{System, World};

fn system() -> Arc<System> {
    Arc::new(System::default())
}

const QUOTE: &str = r#"{"Number": "Q-1", "Status": "open"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_change_becomes_a_canonical_event_once() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::start(folder.path(), &system).await;
    system.write("Quote", "1", QUOTE);
    for _ in 0..3 {
        system.say("Quote", &["1"], ChangeKind::Updated);
    }
    let event = world.events(1).await.remove(0);
    assert_eq!((&*event.key, event.object.as_str()), ("Q-1", "quote"));
    assert_eq!(event.envelope.get("type"), &Value::from("interlock.quote.changed.v1"));
    assert_eq!(event.envelope.get("subject"), &Value::from("Q-1"));
    assert_eq!(event.envelope.get("data").get("status"), &Value::from("open"));
    // Another one behind it proves that the duplicates were worked off.
    system.write("Quote", "2", r#"{"Number": "Q-2", "Status": "open"}"#);
    system.write("Quote", "3", r#"{"Number": "Q-3", "Status": "draft"}"#);
    system.say("Quote", &["3", "2"], ChangeKind::Created);
    let keys: Vec<Arc<str>> = world.events(2).await.into_iter().map(|event| event.key).collect();
    assert_eq!(keys, ["Q-1".into(), "Q-2".into()] as [Arc<str>; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_where_the_feed_was_left() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::start(folder.path(), &system).await;
    system.write("Quote", "1", QUOTE);
    system.say("Quote", &["1"], ChangeKind::Updated);
    world.events(1).await;
    world.kill().await;
    system.write("Quote", "2", r#"{"Number": "Q-2"}"#);
    system.say("Quote", &["2"], ChangeKind::Updated);
    let world = World::start(folder.path(), &system).await;
    let events = world.events(1).await;
    assert_eq!(events.iter().map(|event| &*event.key).collect::<Vec<_>>(), ["Q-2"], "not lost, and Q-1 not again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_the_feed_lost_is_found_by_a_sweep() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::sweeping(folder.path(), &system, "30ms").await;
    system.write("Quote", "1", QUOTE);
    world.events(1).await;
    world.until(|world| world.intake.figures().iter().any(|feed| feed.healed == 1)).await;
    let reads = system.reads.lock().expect("lock").get("1").copied();
    world
        .until(|world| {
            let coverage = world.intake.figures()[0].coverage.clone();
            coverage.is_some_and(|coverage| coverage.until > coverage.since && coverage.gaps.is_empty())
        })
        .await;
    assert_eq!(reads, Some(1), "a version that was seen is not read again");
    assert_eq!(world.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_is_refused_comes_again() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    *system.refuse_lists.lock().expect("lock") = 2;
    let world = World::sweeping(folder.path(), &system, "30ms").await;
    world.until(|_| *system.refuse_lists.lock().expect("lock") == 0).await;
    system.write("Quote", "1", QUOTE);
    assert_eq!(&*world.events(1).await[0].key, "Q-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_changes_in_one_second_are_both_found_by_sweeps() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    // Salesforce marks changes with whole seconds.
    system.mark(&jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    system.write("Quote", "1", r#"{"Number": "Q-1", "Status": "draft"}"#);
    let world = World::sweeping(folder.path(), &system, "30ms").await;
    world.until(|_| system.reads.lock().expect("lock").contains_key("1")).await;
    system.write("Quote", "1", QUOTE);
    assert_eq!(&*world.events(1).await[0].key, "Q-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_place_is_swept_at_once() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::start(folder.path(), &system).await;
    world.kill().await;
    system.write("Quote", "1", QUOTE);
    system.lose_places();
    let world = World::start(folder.path(), &system).await;
    assert_eq!(&*world.events(1).await[0].key, "Q-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_told_once_and_read_again_when_asked() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::start(folder.path(), &system).await;
    system.write("Quote", "1", r#"{"Status": "open"}"#);
    for _ in 0..2 {
        system.say("Quote", &["1"], ChangeKind::Updated);
    }
    system.write("Quote", "2", r#"{"Number": "Q-2"}"#);
    system.say("Quote", &["2"], ChangeKind::Updated);
    world.events(1).await;
    {
        let unreadable = world.kept.unreadable.lock().expect("lock");
        assert_eq!(unreadable.len(), 1, "{unreadable:?}");
        assert!(unreadable[0].reason.contains("Number"), "{}", unreadable[0].reason);
    }
    system.write("Quote", "1", QUOTE);
    world.look_again("quotes", "1").await;
    assert_eq!(&*world.events(2).await[1].key, "Q-1");
    world.until(|world| world.store.inbox().expect("rows").is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_has_read_again_is_read_after_a_crash_too_and_handed_over_though_it_is_no_news() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::start(folder.path(), &system).await;
    system.write("Quote", "1", QUOTE);
    system.say("Quote", &["1"], ChangeKind::Updated);
    world.events(1).await;
    world.ask_for("quotes", "1").await;
    world.kill().await;
    let world = World::start(folder.path(), &system).await;
    assert_eq!(&*world.events(1).await[0].key, "Q-1");
    world.until(|world| world.store.inbox().expect("rows").is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_does_not_fit_the_schema_of_its_object_is_no_event() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::start(folder.path(), &system).await;
    system.write("Quote", "1", r#"{"Number": "Q-1", "Status": 7}"#);
    system.write("Quote", "2", r#"{"Number": "Q-2", "Status": null}"#);
    system.say("Quote", &["1"], ChangeKind::Updated);
    system.say("Quote", &["2"], ChangeKind::Updated);
    assert_eq!(&*world.events(1).await[0].key, "Q-2");
    world.until(|world| world.kept.unreadable.lock().expect("lock").len() == 1).await;
    let reason = world.kept.unreadable.lock().expect("lock")[0].reason.clone();
    assert!(reason.contains("schema of `quote` (feed quotes@sys): /status: 7 is not of type"), "{reason}");
    system.write("Quote", "1", QUOTE);
    world.look_again("quotes", "1").await;
    assert_eq!(&*world.events(2).await[1].key, "Q-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_kept_is_tried_again() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::start(folder.path(), &system).await;
    *world.kept.refuse.lock().expect("lock") = 2;
    system.write("Quote", "1", QUOTE);
    system.say("Quote", &["1"], ChangeKind::Updated);
    world.events(1).await;
    assert_eq!(world.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_cannot_be_followed_says_so_and_sweeps_find_what_it_would_tell() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    *system.refuses.lock().expect("lock") = true;
    system.write("Quote", "1", QUOTE);
    let world = World::unfollowed(folder.path(), &system, "30ms").await;
    world.events(1).await;
    assert!(world.intake.figures().iter().all(|feed| !feed.connected));
    *system.refuses.lock().expect("lock") = false;
    world.connected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_refused_is_told_once_of_each_change_and_reason() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let refuse = |message: &str| {
        let refusal = CallError::new(ErrorClass::Rejected, "HTTP 400", message);
        *system.refused_reads.lock().expect("lock") = Some(("Quote".into(), refusal));
    };
    refuse("it is archived");
    // A mark of this very second may stand for another change, so each sweep reads it again.
    system.mark(&jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    system.write("Quote", "1", QUOTE);
    let world = World::sweeping(folder.path(), &system, "30ms").await;
    let told = |world: &World| world.kept.unreadable.lock().expect("lock").len();
    world.until(|_| system.reads.lock().expect("lock").get("1").is_some_and(|reads| *reads > 3)).await;
    assert_eq!(told(&world), 1, "the same version is told once");
    refuse("it is locked by somebody else");
    world.until(|world| told(world) == 2).await;
    system.mark("2026-11-23T10:00:00Z");
    world.until(|world| told(world) == 3).await;
    system.say("Quote", &["1"], ChangeKind::Updated);
    world.until(|world| told(world) > 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_not_wanted_for_a_while_and_is_again_as_it_was_is_news() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let mut world = World::start(folder.path(), &system).await;
    for again in [false, true] {
        system.write("Quote", "1", QUOTE);
        system.say("Quote", &["1"], ChangeKind::Updated);
        assert_eq!(&*world.events(1).await[0].key, "Q-1");
        system.write("Quote", "1", r#"{"Number": "Q-1", "Status": "draft"}"#);
        system.say("Quote", &["1"], ChangeKind::Updated);
        // Another one behind it proves that the draft was read.
        system.write("Quote", "2", &format!(r#"{{"Number": "Q-2", "Status": "{again}"}}"#));
        system.say("Quote", &["2"], ChangeKind::Updated);
        world.events(2).await;
        system.write("Quote", "1", QUOTE);
        system.say("Quote", &["1"], ChangeKind::Updated);
        assert_eq!(&*world.events(3).await[2].key, "Q-1");
        system.write("Quote", "1", r#"{"Number": "Q-1", "Status": "draft"}"#);
        system.say("Quote", &["1"], ChangeKind::Updated);
        system.write("Quote", "2", &format!(r#"{{"Number": "Q-2", "Status": "before {again}"}}"#));
        system.say("Quote", &["2"], ChangeKind::Updated);
        world.events(4).await;
        // It is kept over a restart, too.
        world.kill().await;
        world = World::start(folder.path(), &system).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_feed_without_a_sweep_loses_is_counted_as_lost() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let world = World::start(folder.path(), &system).await;
    let lost = |world: &World| -> Vec<(String, u64)> {
        let figures = world.intake.figures().into_iter().filter(|feed| feed.lost_windows > 0);
        figures.map(|feed| (feed.name.to_string(), feed.lost_windows)).collect()
    };
    for kind in ["Quote", "Slip"] {
        system.say(kind, &["1"], ChangeKind::Overflow);
    }
    world.until(|world| lost(world) == [("slips".to_owned(), 1)]).await;
    world.kill().await;
    system.lose_places();
    let world = World::start(folder.path(), &system).await;
    world.until(|world| lost(world) == [("slips".to_owned(), 1)]).await;
}
