//! A system that refuses the credentials or the definitions.

use std::sync::Arc;
use std::time::Duration;

use connect::{Action, ErrorClass};
use definitions::Effect;
use dispatch::ConnectionState;
use tokio::time::Instant;

use crate::world::{Reply, World, create, fail, function, input, price, upsert};

#[tokio::test(start_paused = true)]
async fn refused_credentials_wait_for_a_person_and_recover() {
    let mut world = World::new(4);
    world.system.script(|_, _| fail(ErrorClass::Unauthorized));
    let (create, upsert) = (create(), upsert());
    for index in 0..50 {
        world.submit(&create, &format!("Q-{index}"));
        world.submit(&upsert, &format!("S-{index}"));
    }
    world.delay().await;
    assert_eq!(world.dispatcher.figures().state, ConnectionState::Refused);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = world.system.sizes().len();
    assert!(before <= 4, "it does not ask again and again: {before}");
    tokio::time::sleep(Duration::from_secs(600)).await;
    let tries = world.system.sizes()[before..].to_vec();
    assert!((15..=25).contains(&tries.len()) && tries.iter().all(|size| *size == 1), "{tries:?}");
    assert!(world.dispatcher.withholds(&"customer".into(), &Arc::default()), "nothing is served at all");
    let called = Instant::now();
    let fault = world.dispatcher.call(&price(), input("a"), Duration::from_secs(5)).await.expect_err("refused");
    assert_eq!((fault.status, called.elapsed()), (503, Duration::ZERO));
    world.system.works();
    let mended = Instant::now();
    for _ in 0..100 {
        assert!(world.outcome().await.result.is_ok());
    }
    assert!(mended.elapsed() < Duration::from_secs(61), "{:?}", mended.elapsed());
    assert_eq!(world.dispatcher.figures().state, ConnectionState::Up);
}

#[tokio::test(start_paused = true)]
async fn a_function_without_authorization_does_not_stop_the_others() {
    let mut world = World::new(4);
    world.system.script(|call, _| match &*call.record {
        "write-status" => fail(ErrorClass::Unauthorized),
        _ => Reply::Work,
    });
    let (create, upsert) = (create(), upsert());
    world.submit(&upsert, "S");
    world.delay().await;
    for index in 0..600 {
        world.submit(&create, &format!("Q-{index}"));
        let begun = Instant::now();
        world.outcome().await.result.expect("a success");
        assert!(begun.elapsed() < Duration::from_millis(100), "{index}: {:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(world.dispatcher.figures().state, ConnectionState::Refused);
    let select = Arc::default();
    assert!(!world.dispatcher.withholds(&"customer".into(), &select), "that says nothing of what is read");
    world.system.works();
    world.outcome().await.result.expect("mended");
    assert_eq!(world.dispatcher.figures().state, ConnectionState::Up);
}

#[tokio::test(start_paused = true)]
async fn one_record_that_does_not_fit_does_not_stop_its_function() {
    let mut world = World::new(4);
    world.system.script(|call, _| match call.body.get("key").as_str() {
        Some("odd") => fail(ErrorClass::Misconfigured),
        _ => Reply::Work,
    });
    let single = Arc::new(function("invoke", Action::Invoke, Effect::Repeatable));
    let odd = world.submit(&single, "odd");
    let (intent, ..) = world.delay().await;
    assert_eq!((intent, world.dispatcher.figures().state), (odd, ConnectionState::Struggling), "it is tried again");
    for index in 0..600 {
        world.submit(&single, &index.to_string());
        let begun = Instant::now();
        world.outcome().await.result.expect("a success");
        assert!(begun.elapsed() < Duration::from_millis(100), "{index}: {:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    world.system.works();
    assert_eq!(world.outcome().await.intent, odd);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_does_not_fit_waits_alone() {
    let mut world = World::new(4);
    world.system.script(|call, _| match &*call.record {
        "create-order" => fail(ErrorClass::Misconfigured),
        _ => Reply::Work,
    });
    let (create, upsert) = (create(), upsert());
    for index in 0..30 {
        world.submit(&create, &format!("Q-{index}"));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    for index in 0..30 {
        world.submit(&upsert, &format!("S-{index}"));
    }
    for _ in 0..30 {
        world.outcome().await.result.expect("the other function works");
    }
    assert_eq!(world.dispatcher.figures().state, ConnectionState::Refused);
    let before = world.system.sizes().len();
    tokio::time::sleep(Duration::from_secs(300)).await;
    let tries = world.system.sizes()[before..].to_vec();
    assert!((8..=11).contains(&tries.len()) && tries.iter().all(|size| *size == 1), "{tries:?}");
    world.system.works();
    for _ in 0..30 {
        world.outcome().await.result.expect("mended");
    }
    assert_eq!(world.dispatcher.figures().state, ConnectionState::Up);
    assert!(world.system.memory().created.values().all(|count| *count == 1));
}
