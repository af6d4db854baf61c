//! What each class of error leads to.

use std::sync::Arc;
use std::time::Duration;

use connect::{CallError, ErrorClass};
use dispatch::ConnectionState;
use expr::Expression;
use model::Value;
use tokio::time::Instant;

use crate::world::{Reply, World, create, error, fail, fault, upsert};

#[tokio::test(start_paused = true)]
async fn a_refusal_is_the_end_of_it() {
    let mut world = World::new(4);
    let details = Value::object([("field", "Tax")]);
    let refusal = CallError::new(ErrorClass::Rejected, "V1/311", "Tax is missing").with_details(details.clone());
    world.system.replies([Reply::Fail(refusal)]);
    world.submit(&create(), "Q-1");
    let fault = fault(world.outcome().await);
    assert!(fault.fault_type.ends_with("/validation"));
    assert_eq!((fault.status, fault.detail.as_deref()), (422, Some("Tax is missing")));
    assert_eq!(fault.data.get("system").as_str(), Some("erp"));
    assert_eq!(fault.data.get("code").as_str(), Some("V1/311"));
    assert_eq!(fault.data.get("message").as_str(), Some("Tax is missing"));
    assert_eq!(fault.data.get("function").as_str(), Some("create-order"));
    assert_eq!(fault.data.get("details"), &details);
    let figures = world.dispatcher.figures();
    assert_eq!((figures.rejected, figures.succeeded, figures.state), (1, 0, ConnectionState::Up));
}

#[tokio::test(start_paused = true)]
async fn each_item_of_a_batch_has_its_own_fate() {
    let mut world = World::new(1);
    world.system.script(|call, _| match call.body.get("key").as_str() {
        Some("bad") => fail(ErrorClass::Rejected),
        _ => Reply::Work,
    });
    let create = create();
    let (good, bad) = (world.submit(&create, "good"), world.submit(&create, "bad"));
    let mut outcomes = [world.outcome().await, world.outcome().await];
    outcomes.sort_by_key(|outcome| outcome.result.is_err());
    assert_eq!(outcomes.each_ref().map(|outcome| outcome.intent), [good, bad]);
    assert_eq!(outcomes.each_ref().map(|outcome| outcome.result.is_ok()), [true, false]);
    assert_eq!(world.system.sizes(), [2]);
}

#[tokio::test(start_paused = true)]
async fn locks_are_waited_for_without_harm_to_the_connection() {
    let mut world = World::new(4);
    world.system.replies(std::iter::repeat_n(fail(ErrorClass::Locked), 8));
    let create = create();
    let intent = world.submit(&create, "Q-1");
    let mut last = Instant::now();
    for attempt in 1..=8 {
        assert_eq!(world.delay().await, (intent, attempt, ErrorClass::Locked, false));
        let waited = last.elapsed().saturating_sub(Duration::from_millis(20));
        if attempt > 1 {
            let grown = Duration::from_millis(200 << (attempt - 2));
            assert!(waited >= grown / 2 && waited <= grown + Duration::from_millis(2), "{attempt}: {waited:?}");
        }
        last = Instant::now();
        assert_eq!(world.dispatcher.figures().state, ConnectionState::Struggling);
    }
    let outcome = world.outcome().await;
    assert!(outcome.result.is_ok() && outcome.attempts == 9 && outcome.sent_at <= outcome.finished_at);
    let figures = world.dispatcher.figures();
    assert_eq!((figures.retried, figures.state, figures.waiting), (8, ConnectionState::Up, 0));
    assert!(figures.last_error.expect("an error").0.contains("the system says no"));
}

#[tokio::test(start_paused = true)]
async fn the_wait_that_the_system_asks_for_is_kept() {
    for class in [ErrorClass::Throttled, ErrorClass::Unavailable, ErrorClass::Conflict] {
        let mut world = World::new(4);
        world.system.replies([Reply::Fail(error(class).retry_after(Some(Duration::from_secs(7))))]);
        world.submit(&upsert(), "a");
        world.delay().await;
        let failed = Instant::now();
        world.outcome().await;
        assert!(failed.elapsed() >= Duration::from_secs(7), "{class:?}: {:?}", failed.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn an_input_that_does_not_fit_is_not_sent() {
    let mut world = World::new(4);
    let mut function = crate::world::function("strict", connect::Action::Create, definitions::Effect::Once);
    function.input = Some(Expression::compile("error(\"no date\")").expect("jq"));
    world.submit(&Arc::new(function), "Q-1");
    let outcome = world.outcome().await;
    assert_eq!(outcome.attempts, 0);
    let fault = fault(outcome);
    assert!(fault.detail.as_deref().is_some_and(|detail| detail.starts_with("nothing was sent to erp")), "{fault}");
    assert!(world.system.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_is_not_sent_again() {
    let mut world = World::new(4);
    let mut function = crate::world::function("odd", connect::Action::Create, definitions::Effect::Once);
    function.output = Some(Expression::compile_with("error(\"no number\")", &["input"]).expect("jq"));
    world.submit(&Arc::new(function), "Q-1");
    let fault = fault(world.outcome().await);
    assert!(fault.fault_type.ends_with("/validation"));
    assert_eq!(fault.data.get("happened").as_bool(), Some(true));
    assert_eq!(fault.data.get("system").as_str(), Some("erp"));
    assert_eq!(fault.data.get("record").get("id").as_str(), Some("id-Q-1"));
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!((world.system.log(), world.told().len()), (vec!["Q-1".to_owned()], 0));
}
