//! Calls of which nobody knows whether they happened.

use std::sync::Arc;
use std::time::Duration;

use connect::{Action, ErrorClass};
use definitions::Effect;
use dispatch::{ConnectionState, Report};
use expr::Expression;
use tokio::time::Instant;

use crate::world::{Reply, World, create, error, fail, fault, function, link_or_create, upsert};

#[tokio::test(start_paused = true)]
async fn a_create_that_happened_is_found() {
    let mut world = World::new(4);
    world.system.replies([Reply::WorkThenFail(error(ErrorClass::Ambiguous))]);
    let intent = world.submit(&create(), "Q-1");
    assert_eq!(world.delay().await, (intent, 1, ErrorClass::Ambiguous, true));
    let lost = Instant::now();
    let outcome = world.outcome().await;
    assert!(lost.elapsed() >= Duration::from_millis(500), "it had time to become visible");
    let success = outcome.result.expect("a success");
    assert!(success.found && success.reference.is_some() && outcome.attempts == 1);
    assert_eq!(world.system.log(), ["Q-1", "probe Q-1"]);
    let figures = world.dispatcher.figures();
    assert_eq!((figures.probed, figures.found), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_create_that_did_not_happen_is_sent_again() {
    let mut world = World::new(4);
    world.system.replies([fail(ErrorClass::Ambiguous)]);
    world.submit(&create(), "Q-1");
    let outcome = world.outcome().await;
    assert!(!outcome.result.expect("a success").found && outcome.attempts == 2);
    assert_eq!(world.system.log(), ["Q-1", "probe Q-1", "Q-1"]);
    assert_eq!(world.system.memory().created["Q-1"], 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_yet_is_given_time_before_it_is_sent_again() {
    let mut world = World::settling(Duration::from_secs(5));
    world.system.replies([fail(ErrorClass::Ambiguous)]);
    world.submit(&create(), "Q-1");
    world.delay().await;
    let lost = Instant::now();
    let outcome = world.outcome().await;
    assert!(lost.elapsed() >= Duration::from_secs(5), "{:?}", lost.elapsed());
    assert!(!outcome.result.expect("a success").found && outcome.attempts == 2);
    let log = world.system.log();
    assert!(log.len() > 4 && log[1..log.len() - 1].iter().all(|line| line == "probe Q-1"), "{log:?}");
    assert_eq!(world.system.memory().created["Q-1"], 1);
}

#[tokio::test(start_paused = true)]
async fn what_others_may_have_made_is_looked_for_first() {
    let mut world = World::new(4);
    let begun = Instant::now();
    world.submit(&link_or_create(), "C-1");
    let first = world.outcome().await;
    assert!(begun.elapsed() < Duration::from_millis(500), "nothing was sent, so nothing has to become visible");
    let success = first.result.expect("a success");
    assert!(!success.linked && !success.found && first.attempts == 1);
    world.submit(&link_or_create(), "C-1");
    let success = world.outcome().await.result.expect("a success");
    assert!(success.linked && !success.found && success.reference.is_some());
    assert_eq!(world.system.log(), ["probe C-1", "C-1", "probe C-1"]);
    assert_eq!(world.dispatcher.figures().found, 0);
}

#[tokio::test(start_paused = true)]
async fn a_create_that_is_lost_after_a_look_is_found() {
    let mut world = World::new(4);
    world.system.script(|_, probe| if probe { Reply::Work } else { Reply::WorkThenFail(error(ErrorClass::Ambiguous)) });
    world.submit(&link_or_create(), "C-1");
    let success = world.outcome().await.result.expect("a success");
    assert!(success.found && !success.linked);
    assert_eq!(world.system.log(), ["probe C-1", "C-1", "probe C-1"]);
}

#[tokio::test(start_paused = true)]
async fn the_time_to_become_visible_grows() {
    let mut world = World::new(4);
    world.system.script(|_, probe| if probe { Reply::Work } else { fail(ErrorClass::Ambiguous) });
    world.submit(&create(), "Q-1");
    let mut waits = Vec::new();
    for _ in 0..9 {
        world.delay().await;
        waits.push(Instant::now());
    }
    let seconds: Vec<u64> = waits.windows(2).map(|pair| (pair[1] - pair[0]).as_millis() as u64 / 100 * 100).collect();
    assert_eq!(seconds, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_is_repeated_and_nothing_is_sent_meanwhile() {
    let mut world = World::new(4);
    world.system.replies([
        Reply::WorkThenFail(error(ErrorClass::Ambiguous)),
        fail(ErrorClass::Unavailable),
        fail(ErrorClass::Ambiguous),
        fail(ErrorClass::Rejected),
        fail(ErrorClass::Locked),
    ]);
    world.submit(&create(), "Q-1");
    for _ in 0..5 {
        let (_, attempts, _, in_doubt) = world.delay().await;
        assert_eq!((attempts, in_doubt), (1, true));
    }
    assert!(world.outcome().await.result.expect("a success").found);
    assert_eq!(world.system.log(), ["Q-1", "probe Q-1", "probe Q-1", "probe Q-1", "probe Q-1", "probe Q-1"]);
}

#[tokio::test(start_paused = true)]
async fn what_can_be_repeated_is_repeated_without_a_probe() {
    let mut world = World::new(4);
    world.system.replies([fail(ErrorClass::Ambiguous)]);
    let intent = world.submit(&upsert(), "a");
    assert_eq!(world.delay().await, (intent, 1, ErrorClass::Ambiguous, false));
    assert_eq!(world.outcome().await.attempts, 2);
    assert_eq!(world.system.log(), ["a", "a"]);
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_process_may_have_sent_is_looked_for_first() {
    let mut world = World::new(8);
    let create = create();
    for index in 0..40 {
        let key = format!("Q-{index}");
        if index % 2 == 0 {
            world.system.memory().created.insert(key.clone(), 1);
        }
        world.request(&create, &key, true);
    }
    world.request(&upsert(), "repeatable", true);
    for _ in 0..41 {
        world.outcome().await.result.expect("a success");
    }
    let memory = world.system.memory();
    let probes = memory.seen.iter().filter(|seen| seen.probe).count();
    assert_eq!(probes, 40);
    assert!(memory.most_under_way > 4, "several probes at a time, but {}", memory.most_under_way);
    assert_eq!((memory.created.len(), memory.created.values().sum::<u32>()), (40, 40));
    drop(memory);
    assert_eq!(world.dispatcher.figures().found, 20);
}

#[tokio::test(start_paused = true)]
async fn whatever_a_connector_does_is_survived() {
    for reply in [Reply::Panic, Reply::Forget, Reply::Hang] {
        let mut world = World::new(4);
        world.system.replies([reply.clone()]);
        let create = create();
        for key in ["Q-1", "Q-2", "Q-3"] {
            world.submit(&create, key);
        }
        for _ in 0..3 {
            let (_, attempts, class, in_doubt) = world.delay().await;
            assert_eq!((attempts, class, in_doubt), (1, ErrorClass::Ambiguous, true), "{reply:?}");
        }
        for _ in 0..3 {
            world.outcome().await.result.expect("a success");
        }
        let memory = world.system.memory();
        assert!(["Q-1", "Q-2", "Q-3"].iter().all(|key| memory.created[*key] == 1), "{reply:?}: {:?}", memory.created);
        assert_eq!(memory.under_way, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_create_in_doubt_is_still_looked_for() {
    for happened in [true, false] {
        let mut world = World::new(4);
        let lost = error(ErrorClass::Ambiguous);
        world.system.replies([if happened { Reply::WorkThenFail(lost) } else { Reply::Fail(lost) }]);
        let intent = world.submit(&create(), "Q-1");
        world.delay().await;
        world.dispatcher.withdraw(intent, &create());
        let outcome = world.outcome().await;
        if happened {
            assert!(outcome.result.expect("a success").found);
        } else {
            assert_eq!(fault(outcome).status, 410);
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(world.system.log(), ["Q-1", "probe Q-1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_process_may_have_sent_and_does_not_fit_any_more_is_for_a_person() {
    for (effect, look_first) in [(Effect::Once, false), (Effect::Once, true), (Effect::Repeatable, false)] {
        let mut changed = function("create-order", Action::Create, effect);
        changed.input = Some(Expression::compile("error(\"it has no plant\")").expect("jq"));
        changed.look_first = look_first;
        let changed = Arc::new(changed);
        let mut world = World::new(4);
        world.request(&changed, "Q-1", true);
        let fault = fault(world.outcome().await);
        assert!(fault.detail.as_deref().is_some_and(|detail| detail.contains("may have happened")), "{fault}");
        assert_eq!((fault.status, fault.data.get("mayHaveHappened").as_bool()), (500, Some(true)));
        world.submit(&changed, "Q-2");
        let fault = crate::world::fault(world.outcome().await);
        assert_eq!((fault.status, fault.data.get("mayHaveHappened").as_bool()), (400, None), "it was never sent");
        assert!(world.system.log().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_any_more_says_nothing_of_a_system_that_is_down() {
    let mut world = World::new(4);
    world.system.script(|_, _| fail(ErrorClass::Unavailable));
    for index in 0..6 {
        world.submit(&Arc::new(function(&format!("f{index}"), Action::Invoke, Effect::Repeatable)), "x");
    }
    let mut changed = function("create-order", Action::Create, Effect::Once);
    changed.input = Some(Expression::compile("error(\"it has no plant\")").expect("jq"));
    while world.dispatcher.figures().state != ConnectionState::Down {
        world.delay().await;
    }
    world.request(&Arc::new(changed), "Q-1", true);
    loop {
        match world.report().await {
            Report::Done(outcome) => break assert_eq!(fault(outcome).status, 500),
            Report::Delayed { .. } => assert_eq!(world.dispatcher.figures().state, ConnectionState::Down),
        }
    }
    assert_eq!(world.dispatcher.figures().state, ConnectionState::Down);
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_create_that_has_only_looked_is_over_at_once() {
    for is_looking in [false, true] {
        let mut world = World::new(4);
        world.system.script(|_, _| fail(ErrorClass::Unavailable));
        let intent = world.submit(&link_or_create(), "C-1");
        if is_looking {
            tokio::time::sleep(Duration::from_millis(10)).await;
        } else {
            world.delay().await;
        }
        let withdrawn = Instant::now();
        world.dispatcher.withdraw(intent, &link_or_create());
        let outcome = tokio::time::timeout(Duration::from_secs(60), world.outcome()).await.expect("it is over");
        assert_eq!(fault(outcome).status, 410);
        assert!(withdrawn.elapsed() <= Duration::from_millis(20), "{:?}", withdrawn.elapsed());
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(world.system.log(), ["probe C-1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_create_that_an_earlier_process_may_have_sent_is_still_looked_for() {
    let mut world = World::new(4);
    world.system.replies([fail(ErrorClass::Unavailable)]);
    world.system.memory().created.insert("C-1".into(), 1);
    let intent = world.request(&link_or_create(), "C-1", true);
    world.delay().await;
    world.dispatcher.withdraw(intent, &link_or_create());
    let success = world.outcome().await.result.expect("it had happened");
    assert!(success.found && !success.linked);
    assert_eq!(world.system.log(), ["probe C-1", "probe C-1"]);
}
