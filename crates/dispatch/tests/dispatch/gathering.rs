//! How calls are gathered, limited and taken in turn.

use std::collections::HashSet;
use std::time::Duration;

use connect::Action;
use definitions::{ConnectionLimits, Effect};
use tokio::time::Instant;

use crate::world::{World, create, function, upsert};

#[tokio::test(start_paused = true)]
async fn what_waits_goes_out_together() {
    let mut world = World::new(2);
    let create = create();
    let intents: Vec<_> = (0..25).map(|index| world.submit(&create, &format!("Q-{index}"))).collect();
    let mut done = HashSet::new();
    while done.len() < intents.len() {
        let outcome = world.outcome().await;
        let success = outcome.result.expect("a success");
        assert_eq!(success.output.get("id").as_str().map(|id| id.starts_with("id-Q-")), Some(true));
        let (object, key, id) = success.reference.expect("a reference");
        assert_eq!((object.as_str(), format!("id-{key}")), ("order", id.to_string()));
        assert!(!success.found && outcome.attempts == 1);
        assert!(done.insert(outcome.intent), "told once");
    }
    assert_eq!(world.system.sizes(), [10, 10, 5]);
    let figures = world.dispatcher.figures();
    assert_eq!((figures.succeeded, figures.waiting, figures.under_way, figures.latency.count), (25, 0, 0, 3));
    assert!((figures.latency.p50 - 20.0).abs() < 2.0, "{:?}", figures.latency);
}

#[tokio::test(start_paused = true)]
async fn a_single_call_is_not_held_back_and_a_busy_function_gathers() {
    let mut world = World::new(10);
    let upsert = upsert();
    let begun = Instant::now();
    world.submit(&upsert, "first");
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(world.system.memory().seen[0].at, begun, "at once");
    for index in 0..3 {
        world.submit(&upsert, &format!("few-{index}"));
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(world.system.sizes(), [1], "too few while the first is under way");
    world.submit(&upsert, "few-3");
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(world.system.sizes(), [1, 4]);
    for index in 0..500 {
        world.submit(&upsert, &format!("many-{index}"));
    }
    for _ in 0..505 {
        world.outcome().await;
    }
    assert_eq!(world.system.sizes(), [1, 4, 200, 200, 100]);
}

#[tokio::test(start_paused = true)]
async fn no_more_requests_are_under_way_than_allowed() {
    let mut world = World::new(3);
    let single = std::sync::Arc::new(function("invoke", Action::Invoke, Effect::Repeatable));
    for index in 0..30 {
        world.submit(&single, &index.to_string());
    }
    for _ in 0..30 {
        world.outcome().await;
    }
    assert_eq!(world.system.sizes(), [1; 30], "an action that nothing is known of is not gathered");
    assert_eq!(world.system.memory().most_under_way, 3);
}

#[tokio::test(start_paused = true)]
async fn no_more_requests_per_second_than_allowed() {
    let mut world = World::limited(ConnectionLimits { concurrent: 50, per_second: Some(20), daily: None });
    let single = std::sync::Arc::new(function("invoke", Action::Invoke, Effect::Repeatable));
    let begun = Instant::now();
    for index in 0..100 {
        world.submit(&single, &index.to_string());
    }
    for _ in 0..100 {
        world.outcome().await;
    }
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(4_800) && took < Duration::from_millis(5_200), "{took:?}");
    let times: Vec<Instant> = world.system.memory().seen.iter().map(|seen| seen.at).collect();
    for (index, start) in times.iter().enumerate() {
        let within = times[index..].iter().take_while(|at| at.duration_since(*start) < Duration::from_secs(1)).count();
        assert!(within <= 22, "{within} in one second");
    }
}

#[tokio::test(start_paused = true)]
async fn functions_take_turns() {
    let mut world = World::new(1);
    let functions: Vec<_> = ["a", "b", "c"]
        .map(|name| std::sync::Arc::new(function(name, Action::Invoke, Effect::Repeatable)))
        .into_iter()
        .collect();
    // The first function floods the connection before the others come.
    for index in 0..20 {
        world.submit(&functions[0], &index.to_string());
    }
    for function in &functions[1..] {
        for index in 0..3 {
            world.submit(function, &index.to_string());
        }
    }
    for _ in 0..26 {
        world.outcome().await;
    }
    let order: Vec<String> = world.system.memory().seen.iter().map(|seen| seen.record.to_string()).collect();
    assert_eq!(order[..9].join(""), "abcabcabc");
}

#[tokio::test(start_paused = true)]
async fn an_intent_is_taken_on_once() {
    let mut world = World::new(4);
    let create = create();
    let intent = model::IntentId::now();
    for _ in 0..5 {
        let input = crate::world::input("Q-1");
        let function = std::sync::Arc::clone(&create);
        world.dispatcher.submit(dispatch::Request { intent, function, input, in_doubt: false });
    }
    world.outcome().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(world.told().is_empty());
    assert_eq!(world.system.memory().created["Q-1"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_threads_at_once_lose_nothing() {
    let mut world = World::new(6);
    world.system.memory().latency = Duration::from_millis(1);
    let mut tasks = Vec::new();
    for task in 0..8 {
        let (dispatcher, create, price) = (world.dispatcher.clone(), create(), crate::world::price());
        tasks.push(tokio::spawn(async move {
            for index in 0..250 {
                let (intent, function) = (model::IntentId::now(), std::sync::Arc::clone(&create));
                let input = crate::world::input(&format!("Q-{task}-{index}"));
                dispatcher.submit(dispatch::Request { intent, function, input: input.clone(), in_doubt: false });
                if index % 10 == 0 {
                    dispatcher.call(&price, input, Duration::from_secs(30)).await.expect("an answer");
                }
            }
        }));
    }
    let mut done = HashSet::new();
    while done.len() < 2_000 {
        let outcome = tokio::time::timeout(Duration::from_secs(60), world.outcome()).await.expect("it goes on");
        assert!(outcome.result.is_ok() && done.insert(outcome.intent));
    }
    for task in tasks {
        task.await.expect("a task");
    }
    let memory = world.system.memory();
    assert!(memory.created.len() == 2_000 && memory.created.values().all(|count| *count == 1));
    assert!(memory.most_under_way <= 6);
}
