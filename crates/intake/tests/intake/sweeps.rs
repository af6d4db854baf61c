//! What sweeps prove.

use std::time::Duration;

use connect::{CallError, ErrorClass};

use crate::system;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn what_else_the_system_refuses_keeps_no_feed_from_being_proven() {
    let (folder, system) = (tempfile::tempdir().expect("a folder"), system());
    let refusal = CallError::new(ErrorClass::Unauthorized, "HTTP 403", "notes are not for Interlock");
    *system.refused_reads.lock().expect("lock") = Some(("Note".into(), refusal));
    // Long enough that it is looked whether the sweep waits for a system that is down.
    *system.list_takes.lock().expect("lock") = Duration::from_millis(1_300);
    system.write("Note", "1", r#"{"Number": "N-1"}"#);
    let world = World::sweeping(folder.path(), &system, "30ms").await;
    let is_refused = |world: &World| world.state() == dispatch::ConnectionState::Refused;
    world.until(is_refused).await;
    let begun = world.now();
    let is_proven = |world: &World| {
        let feed = world.intake.figures().into_iter().find(|feed| &*feed.name == "quotes").expect("the feed");
        feed.coverage.is_some_and(|coverage| coverage.until > begun && coverage.gaps.is_empty())
    };
    world.until(is_proven).await;
    assert!(is_refused(&world), "it is refused as before");
}
