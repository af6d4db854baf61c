//! Callers who wait for the answer.

use std::sync::Arc;
use std::time::Duration;

use connect::{Action, ErrorClass};
use definitions::{ConnectionLimits, Effect};
use tokio::time::Instant;

use crate::world::{Reply, World, create, fail, function, input, price};

#[tokio::test(start_paused = true)]
async fn a_caller_is_answered() {
    let world = World::new(4);
    let answer = world.dispatcher.call(&price(), input("a"), Duration::from_secs(1)).await.expect("an answer");
    assert_eq!(answer.get("id").as_str(), Some("id-a"));
    assert_eq!(world.dispatcher.figures().succeeded, 1);
}

#[tokio::test(start_paused = true)]
async fn callers_do_not_stand_behind_the_work() {
    for concurrent in [1, 8] {
        let world = World::new(concurrent);
        let single = Arc::new(function("invoke", Action::Invoke, Effect::Repeatable));
        for index in 0..500 {
            world.submit(&single, &index.to_string());
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
        let begun = Instant::now();
        world.dispatcher.call(&price(), input("a"), Duration::from_secs(5)).await.expect("an answer");
        let most = if concurrent == 1 { 40 } else { 20 };
        assert!(begun.elapsed() <= Duration::from_millis(most + 2), "{concurrent}: {:?}", begun.elapsed());
        assert!(world.system.memory().most_under_way <= concurrent);
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_no_answer() {
    let world = World::new(1);
    world.system.replies([Reply::Hang]);
    let begun = Instant::now();
    let fault = world.dispatcher.call(&price(), input("a"), Duration::from_millis(300)).await.expect_err("late");
    assert_eq!((fault.status, begun.elapsed().as_millis()), (408, 300));
    // The one that hangs keeps its slot until its own time is over.
    let fault = world.dispatcher.call(&price(), input("b"), Duration::from_millis(300)).await.expect_err("late");
    assert_eq!(fault.status, 408);
    tokio::time::sleep(Duration::from_secs(10)).await;
    world.dispatcher.call(&price(), input("c"), Duration::from_millis(300)).await.expect("an answer");
    assert_eq!(world.system.log(), ["a", "c"], "nothing is sent for who has gone");
}

#[tokio::test(start_paused = true)]
async fn a_transient_error_is_tried_again_while_time_allows() {
    let world = World::new(4);
    world.system.replies([fail(ErrorClass::Locked), fail(ErrorClass::Unavailable)]);
    world.dispatcher.call(&price(), input("a"), Duration::from_secs(2)).await.expect("an answer");
    assert_eq!(world.system.log().len(), 3);
    world.system.script(|_, _| fail(ErrorClass::Locked));
    let begun = Instant::now();
    let fault = world.dispatcher.call(&price(), input("a"), Duration::from_secs(1)).await.expect_err("locked");
    assert_eq!((fault.status, fault.data.get("class").as_str()), (503, Some("locked")));
    assert!(begun.elapsed() < Duration::from_secs(1), "it does not wait for what cannot come in time");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_reaches_the_caller() {
    let world = World::new(4);
    world.system.replies([fail(ErrorClass::Rejected)]);
    let fault = world.dispatcher.call(&price(), input("a"), Duration::from_secs(2)).await.expect_err("refused");
    assert_eq!((fault.status, fault.detail.as_deref()), (422, Some("the system says no")));
    world.system.replies([fail(ErrorClass::Unauthorized)]);
    let fault = world.dispatcher.call(&price(), input("a"), Duration::from_secs(2)).await.expect_err("refused");
    assert_eq!(fault.status, 503);
}

#[tokio::test(start_paused = true)]
async fn what_creates_something_cannot_be_called() {
    let world = World::new(4);
    let fault = world.dispatcher.call(&create(), input("Q"), Duration::from_secs(2)).await.expect_err("not allowed");
    assert!(fault.fault_type.ends_with("/configuration"));
    assert!(world.system.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_used_up_budget_is_told_at_once() {
    let mut world = World::limited(ConnectionLimits { concurrent: 4, per_second: None, daily: Some(20) });
    let single = Arc::new(function("invoke", Action::Invoke, Effect::Repeatable));
    for index in 0..30 {
        world.submit(&single, &index.to_string());
    }
    for _ in 0..19 {
        world.outcome().await;
    }
    let figures = world.dispatcher.figures();
    let budget = figures.budget.expect("a budget");
    assert_eq!((figures.waiting, budget.used, budget.limit, budget.until.is_some()), (11, 19, 20, true));
    world.dispatcher.call(&price(), input("a"), Duration::from_secs(2)).await.expect("from the reserve");
    let fault = world.dispatcher.call(&price(), input("a"), Duration::from_secs(2)).await.expect_err("used up");
    assert_eq!(fault.status, 429);
}
