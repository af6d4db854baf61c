//! A system that is not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use connect::ErrorClass;
use dispatch::{ConnectionState, Report};
use tokio::time::Instant;

use crate::world::{Reply, World, create, error, fail, price, upsert};

#[tokio::test(start_paused = true)]
async fn an_outage_is_waited_out_with_single_tries_and_nothing_is_lost_or_doubled() {
    let mut world = World::new(8);
    let down = Arc::new(AtomicBool::new(true));
    let flag = Arc::clone(&down);
    world
        .system
        .script(move |_, _| if flag.load(Ordering::Relaxed) { fail(ErrorClass::Unavailable) } else { Reply::Work });
    let (create, upsert) = (create(), upsert());
    for index in 0..200 {
        world.submit(&create, &format!("Q-{index}"));
        world.submit(&upsert, &format!("S-{index}"));
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.dispatcher.figures().state, ConnectionState::Down);
    let before = world.system.sizes().len();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let tries = world.system.sizes()[before..].to_vec();
    assert!(tries.len() >= 5 && tries.len() <= 8, "one try per pause: {tries:?}");
    assert!(tries.iter().all(|size| *size == 1), "{tries:?}");
    assert!(
        world.system.memory().seen[before..].windows(2).all(|pair| pair[1].at - pair[0].at > Duration::from_secs(9))
    );
    down.store(false, Ordering::Relaxed);
    let back = Instant::now();
    for _ in 0..400 {
        assert!(world.outcome().await.result.is_ok());
    }
    assert!(back.elapsed() < Duration::from_secs(12), "all go on with the first success: {:?}", back.elapsed());
    assert_eq!(world.dispatcher.figures().state, ConnectionState::Up);
    let memory = world.system.memory();
    assert_eq!((memory.created.len(), memory.created.values().copied().max()), (200, Some(1)));
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_drops_answers_is_survived_as_well() {
    let mut world = World::new(4);
    let down = Arc::new(AtomicBool::new(true));
    let flag = Arc::clone(&down);
    let mut count = 0;
    world.system.script(move |_, _| {
        count += 1;
        match flag.load(Ordering::Relaxed) {
            true if count % 2 == 0 => Reply::WorkThenFail(error(ErrorClass::Ambiguous)),
            true => fail(ErrorClass::Ambiguous),
            false => Reply::Work,
        }
    });
    let create = create();
    for index in 0..50 {
        world.submit(&create, &format!("Q-{index}"));
    }
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(world.dispatcher.figures().state, ConnectionState::Down);
    down.store(false, Ordering::Relaxed);
    for _ in 0..50 {
        assert!(world.outcome().await.result.is_ok());
    }
    let memory = world.system.memory();
    assert_eq!((memory.created.len(), memory.created.values().copied().max()), (50, Some(1)));
}

#[tokio::test(start_paused = true)]
async fn attempts_are_not_burnt_while_it_is_down() {
    let mut world = World::new(2);
    world.system.script(|_, _| fail(ErrorClass::Unavailable));
    let upsert = upsert();
    for index in 0..300 {
        world.submit(&upsert, &index.to_string());
        // Not all in one batch.
        if index % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
    tokio::time::sleep(Duration::from_secs(600)).await;
    let attempts = world.told().iter().filter(|report| matches!(report, Report::Delayed { .. })).count();
    assert!(attempts < 1_200, "{attempts} attempts for 300 intents in ten minutes");
    let single_tries = world.system.sizes().iter().rev().take(50).all(|size| *size == 1);
    assert!(single_tries);
}

#[tokio::test(start_paused = true)]
async fn while_it_is_down_it_is_left_alone_as_long_as_it_asks() {
    let world = World::new(2);
    let patience = Duration::from_secs(45);
    world.system.script(move |_, _| Reply::Fail(error(ErrorClass::Throttled).retry_after(Some(patience))));
    for index in 0..6 {
        // Two functions, so that the requests are many.
        let function =
            Arc::new(crate::world::function(&format!("f{index}"), connect::Action::Invoke, definitions::Effect::None));
        world.submit(&function, "x");
    }
    tokio::time::sleep(Duration::from_secs(400)).await;
    let seen: Vec<Instant> = world.system.memory().seen.iter().map(|seen| seen.at).collect();
    let tries = &seen[6..];
    assert!(tries.len() >= 5, "{}", tries.len());
    assert!(tries.windows(2).all(|pair| pair[1] - pair[0] >= patience));
}

#[tokio::test(start_paused = true)]
async fn who_calls_a_system_that_is_down_is_told_at_once() {
    let mut world = World::new(4);
    world.system.script(|_, _| fail(ErrorClass::Unavailable));
    for index in 0..6 {
        let function =
            Arc::new(crate::world::function(&format!("f{index}"), connect::Action::Invoke, definitions::Effect::None));
        world.submit(&function, "x");
    }
    while world.dispatcher.figures().state != ConnectionState::Down {
        world.delay().await;
    }
    let asked = Instant::now();
    let fault =
        world.dispatcher.call(&price(), crate::world::input("a"), Duration::from_secs(5)).await.expect_err("down");
    assert_eq!((fault.status, asked.elapsed()), (503, Duration::ZERO));
    assert_eq!(fault.detail.as_deref(), Some("erp is down and is tried again by itself (unavailable)"));
    assert_eq!(fault.data.get("class").as_str(), Some("unavailable"));
    let told = fault.to_value().to_string();
    assert!(!told.contains("the system says no"), "what is said of other work is not for who calls: {told}");
    let (said, _) = world.dispatcher.figures().last_error.expect("an error");
    assert!(said.contains("the system says no"), "people see it: {said}");
    world.system.works();
    tokio::time::sleep(Duration::from_secs(30)).await;
    world.dispatcher.call(&price(), crate::world::input("a"), Duration::from_secs(5)).await.expect("it is back");
}

#[tokio::test(start_paused = true)]
async fn what_is_in_no_hurry_waits_for_its_own_systems_only_and_says_for_which() {
    let (down, well) = (World::new(4), World::new(4));
    down.system.script(|_, _| fail(ErrorClass::Unavailable));
    let upsert = upsert();
    for index in 0..1_100 {
        down.submit(&upsert, &index.to_string());
    }
    let mut told = Vec::new();
    let begun = Instant::now();
    dispatch::wait_for_few(std::slice::from_ref(&well.dispatcher), "a load", |side| told.push(side.cloned())).await;
    assert_eq!((begun.elapsed(), told.as_slice()), (Duration::ZERO, [].as_slice()));
    let dispatchers = [well.dispatcher.clone(), down.dispatcher.clone()];
    let waits = dispatch::wait_for_few(&dispatchers, "a load", |side| told.push(side.cloned()));
    let mends = async {
        tokio::time::sleep(Duration::from_secs(120)).await;
        down.system.works();
    };
    tokio::join!(waits, mends);
    assert!(begun.elapsed() >= Duration::from_secs(120));
    assert_eq!(told, [Some("erp".into()), None]);
}
