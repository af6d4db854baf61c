//! Records that are read again, and pages of what changed.

use std::sync::Arc;
use std::time::Duration;

use connect::{Action, ErrorClass, Selection};
use jiff::Timestamp;

use crate::world::{Reply, World, fail};

fn ids(range: std::ops::Range<u32>) -> Vec<Arc<str>> {
    range.map(|index| index.to_string().into()).collect()
}

#[tokio::test(start_paused = true)]
async fn reads_of_several_callers_go_out_together_and_come_back_in_order() {
    let world = World::new(4);
    let (record, select): (Arc<str>, _) = ("Quote".into(), Arc::new(Selection::default()));
    let (other, same): (Arc<str>, _) = ("Account".into(), Arc::new(Selection::default()));
    let (first, second, third) = tokio::join!(
        world.dispatcher.read(&record, ids(0..4), &select),
        world.dispatcher.read(&record, vec!["4".into(), "gone-1".into(), "5".into()], &same),
        world.dispatcher.read(&other, ids(0..2), &select),
    );
    let told = |results: &[Result<model::Value, connect::CallError>]| -> Vec<String> {
        results
            .iter()
            .map(|result| result.as_ref().expect("a record").get("key").as_str().unwrap_or("-").to_owned())
            .collect()
    };
    assert_eq!(told(&first), ["0", "1", "2", "3"]);
    assert_eq!(told(&second), ["4", "-", "5"]);
    assert!(second[1].as_ref().expect("an answer").is_null(), "one that is gone is null");
    assert_eq!(told(&third), ["0", "1"]);
    let memory = world.system.memory();
    assert_eq!(
        memory.seen.iter().map(|seen| (seen.action, seen.keys.len())).collect::<Vec<_>>(),
        [(Action::Read, 7), (Action::Read, 2)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_read_waits_for_the_system_and_a_refusal_is_an_answer() {
    let world = World::new(4);
    let mut left = 12;
    world.system.script(move |call, _| {
        left -= 1;
        match call.key.as_ref().and_then(|key| key.value.as_str()) {
            Some("3") => fail(ErrorClass::Rejected),
            _ if left > 8 => fail(ErrorClass::Unavailable),
            _ if left > 4 => fail(ErrorClass::Unauthorized),
            _ => Reply::Work,
        }
    });
    let results = world.dispatcher.read(&"Quote".into(), ids(2..5), &Arc::default()).await;
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert!(world.dispatcher.read(&"Quote".into(), Vec::new(), &Arc::default()).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_served_is_given_up_only_while_others_are_served() {
    let world = World::new(4);
    let poisoned = |call: &connect::Call| call.key.as_ref().and_then(|key| key.value.as_str()) == Some("1");
    world.system.script(move |call, _| if poisoned(call) { fail(ErrorClass::Unavailable) } else { Reply::Work });
    let (record, select) = ("Quote".into(), Arc::default());
    // Alone, nobody can tell it from a system that is down.
    let alone = world.dispatcher.read(&record, ids(1..2), &select);
    assert!(tokio::time::timeout(Duration::from_secs(600), alone).await.is_err());
    let beside = async {
        for _ in 0..600 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            world.dispatcher.read(&record, ids(7..8), &select).await;
        }
    };
    let results = tokio::select! {
        results = world.dispatcher.read(&record, ids(0..3), &select) => results,
        () = beside => panic!("the others waited for ever"),
    };
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_record_whose_answer_cannot_be_understood_is_named_and_holds_nobody_up() {
    let world = World::new(4);
    // It spoils every answer that it is part of.
    world.system.script(|call, _| {
        let poison = call.key.as_ref().and_then(|key| key.value.as_str()) == Some("3");
        if poison { Reply::Spoil } else { Reply::Work }
    });
    let results = world.dispatcher.read(&"Quote".into(), ids(0..7), &Arc::default()).await;
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, true, false, true, true, true]);
    let error = results[3].as_ref().expect_err("the poison");
    assert_eq!((error.class, &*error.code), (ErrorClass::Misconfigured, connect::NOT_UNDERSTOOD));
    // Together once, then each by itself.
    let sizes: Vec<usize> = world.system.memory().seen.iter().map(|seen| seen.keys.len()).collect();
    assert_eq!((sizes[0], sizes[1..].iter().all(|size| *size == 1)), (7, true), "{sizes:?}");
}

#[tokio::test(start_paused = true)]
async fn pages_of_changes_are_tried_until_they_come() {
    let world = World::new(4);
    world.system.replies([fail(ErrorClass::Unavailable), fail(ErrorClass::Throttled), fail(ErrorClass::Unauthorized)]);
    let page = world.dispatcher.changed_since("Quote", Timestamp::UNIX_EPOCH, None).await.expect("a page");
    assert_eq!((page.records.len(), world.system.log().len()), (1, 4));
    world.system.replies([fail(ErrorClass::Rejected)]);
    assert!(world.dispatcher.changed_since("Quote", Timestamp::UNIX_EPOCH, None).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_for_who_has_gone() {
    let world = World::new(1);
    world.system.script(|_, _| fail(ErrorClass::Locked));
    let (record, select) = ("Quote".into(), Arc::default());
    let read = world.dispatcher.read(&record, ids(0..3), &select);
    assert!(tokio::time::timeout(Duration::from_secs(5), read).await.is_err());
    let before = world.system.log().len();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(world.system.log().len(), before);
}

/// What has to be put right over there is said, not waited for without a word.
#[tokio::test(start_paused = true)]
async fn pages_that_the_system_does_not_give_are_answered_with_why() {
    let world = World::new(4);
    world.system.script(|_, _| fail(ErrorClass::Misconfigured));
    let page = world.dispatcher.changed_since("Quote", Timestamp::UNIX_EPOCH, None);
    let page = tokio::time::timeout(Duration::from_secs(3_600), page).await.expect("an answer");
    assert_eq!(page.expect_err("a refusal").class, ErrorClass::Misconfigured);
    // Records are read once it is right, so that none is given up.
    let (record, select) = ("Quote".into(), Arc::default());
    let read = world.dispatcher.read(&record, ids(0..1), &select);
    assert!(tokio::time::timeout(Duration::from_secs(3_600), read).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_command_is_told_of_every_refusal() {
    for class in [ErrorClass::Misconfigured, ErrorClass::Unauthorized] {
        let world = World::for_command(4);
        world.system.script(move |_, _| fail(class));
        let hour = Duration::from_secs(3_600);
        let page = world.dispatcher.changed_since("Quote", Timestamp::UNIX_EPOCH, None);
        assert_eq!(tokio::time::timeout(hour, page).await.expect("an answer").expect_err("a refusal").class, class);
        let (record, select) = ("Quote".into(), Arc::default());
        let read = world.dispatcher.read(&record, ids(0..3), &select);
        let read = tokio::time::timeout(hour, read).await.expect("an answer");
        assert!(read.iter().all(|one| one.as_ref().is_err_and(|error| error.class == class)), "{read:?}");
    }
}
