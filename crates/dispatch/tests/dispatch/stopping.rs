//! Stopping, and work that nobody waits for any more.

use std::sync::Arc;
use std::time::Duration;

use connect::{Action, ErrorClass};
use definitions::Effect;
use tokio::time::Instant;

use crate::world::{Reply, World, create, fail, fault, function, input, price};

#[tokio::test(start_paused = true)]
async fn what_is_under_way_is_waited_for_and_nothing_new_is_sent() {
    let mut world = World::new(2);
    let single = Arc::new(function("invoke", Action::Invoke, Effect::Repeatable));
    for index in 0..10 {
        world.submit(&single, &index.to_string());
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    let begun = Instant::now();
    world.dispatcher.stop(Duration::from_secs(5)).await;
    assert_eq!(begun.elapsed().as_millis(), 15);
    assert_eq!(world.told().len(), 2, "what was under way is told of");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.system.log().len(), 2);
    assert_eq!(
        world.dispatcher.call(&price(), input("a"), Duration::from_secs(1)).await.expect_err("stopping").status,
        503
    );
    assert!(world.dispatcher.read(&"Quote".into(), vec!["1".into()], &Arc::default()).await[0].is_err());
}

#[tokio::test(start_paused = true)]
async fn who_waits_when_it_stops_is_told() {
    let world = World::new(1);
    world.system.replies([Reply::Hang]);
    let single = Arc::new(function("invoke", Action::Invoke, Effect::Repeatable));
    world.submit(&single, "hangs");
    tokio::time::sleep(Duration::from_millis(5)).await;
    let (price, record, select) = (price(), "Quote".into(), Arc::default());
    let (call, read, ()) = tokio::join!(
        world.dispatcher.call(&price, input("a"), Duration::from_secs(50)),
        world.dispatcher.read(&record, vec!["1".into()], &select),
        async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let begun = Instant::now();
            world.dispatcher.stop(Duration::from_secs(2)).await;
            assert_eq!(begun.elapsed(), Duration::from_secs(2), "not longer than allowed");
        }
    );
    assert_eq!(call.expect_err("stopping").status, 503);
    assert!(read[0].is_err());
}

#[tokio::test(start_paused = true)]
async fn what_is_withdrawn_before_it_is_sent_is_not_sent() {
    let mut world = World::new(1);
    let create = create();
    let kept = world.submit(&create, "kept");
    let withdrawn = world.submit(&create, "withdrawn");
    world.dispatcher.withdraw(withdrawn, &create);
    let gone = world.outcome().await;
    assert_eq!((gone.intent, gone.attempts, fault(gone).status), (withdrawn, 0, 410));
    assert_eq!(world.outcome().await.intent, kept);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(world.told().is_empty());
    assert_eq!((world.system.log(), world.dispatcher.figures().waiting), (vec!["kept".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_withdrawn_under_way_finishes_and_is_not_repeated() {
    for (reply, status) in [(Reply::Work, None), (fail(ErrorClass::Locked), Some(410))] {
        let mut world = World::new(1);
        world.system.replies([reply]);
        let intent = world.submit(&create(), "Q-1");
        tokio::time::sleep(Duration::from_millis(5)).await;
        world.dispatcher.withdraw(intent, &create());
        let outcome = world.outcome().await;
        assert_eq!(outcome.intent, intent);
        match status {
            None => assert!(outcome.result.is_ok()),
            Some(status) => assert_eq!(fault(outcome).status, status),
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(world.system.log(), ["Q-1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_next_try_can_be_withdrawn_and_submitted_again() {
    let mut world = World::new(1);
    world.system.replies([fail(ErrorClass::Locked)]);
    let create = create();
    let intent = world.submit(&create, "Q-1");
    world.delay().await;
    world.dispatcher.withdraw(intent, &create);
    assert_eq!(fault(world.outcome().await).status, 410);
    let function = Arc::clone(&create);
    world.dispatcher.submit(dispatch::Request { intent, function, input: input("Q-1"), in_doubt: false });
    world.outcome().await.result.expect("a success");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(world.told().is_empty());
    assert_eq!(world.system.memory().created["Q-1"], 1);
}
