//! Whatever the weather: every intent is over exactly once, and nothing is created twice.

use std::collections::HashMap;
use std::time::Duration;

use connect::ErrorClass;
use proptest::prelude::*;

use crate::world::{Reply, World, create, error, fail, fault, upsert};

/// What the weather is like: shares of a hundred for each kind of fault, and an outage.
#[derive(Debug, Clone)]
struct Weather {
    seed: u64,
    concurrent: usize,
    intents: usize,
    in_doubt: usize,
    fault_percent: u64,
    outage: std::ops::Range<usize>,
}

fn weather() -> impl Strategy<Value = Weather> {
    (any::<u64>(), 1usize..12, 1usize..150, 0usize..20, 0u64..60, 0usize..40, 0usize..60).prop_map(
        |(seed, concurrent, intents, in_doubt, fault_percent, start, length)| Weather {
            seed,
            concurrent,
            intents,
            in_doubt,
            fault_percent,
            outage: start..start + length,
        },
    )
}

/// Splitmix64: a number that looks random and is the same each time.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn reply(random: u64, fault_percent: u64, probe: bool) -> Reply {
    if random % 100 >= fault_percent {
        return Reply::Work;
    }
    match (random / 100) % 16 {
        0 | 1 => fail(ErrorClass::Locked),
        2 => fail(ErrorClass::Conflict),
        3 => Reply::Fail(error(ErrorClass::Throttled).retry_after(Some(Duration::from_secs(3)))),
        4 | 5 => fail(ErrorClass::Unavailable),
        6 => fail(ErrorClass::Unauthorized),
        7 => fail(ErrorClass::Misconfigured),
        8 | 9 => fail(ErrorClass::Ambiguous),
        10 | 11 => Reply::WorkThenFail(error(ErrorClass::Ambiguous)),
        12 if !probe => Reply::Panic,
        13 if !probe => Reply::Forget,
        14 => Reply::Hang,
        _ => fail(ErrorClass::Unavailable),
    }
}

async fn survive(weather: Weather) -> Result<(), TestCaseError> {
    let mut world = World::new(weather.concurrent);
    let (mut state, mut count) = (weather.seed, 0);
    let Weather { fault_percent, outage, .. } = weather.clone();
    world.system.script(move |call, probe| {
        count += 1;
        let random = next(&mut state);
        match call.body.get("key").as_str() {
            _ if outage.contains(&count) => fail(ErrorClass::Unavailable),
            Some(key) if key.starts_with("bad") && !probe => fail(ErrorClass::Rejected),
            _ => reply(random, fault_percent, probe),
        }
    });
    let (create, upsert) = (create(), upsert());
    let mut wanted = HashMap::new();
    for index in 0..weather.intents {
        let key = if index % 17 == 3 { format!("bad-{index}") } else { format!("Q-{index}") };
        wanted.insert(world.submit(&create, &key), key.clone());
        wanted.insert(world.submit(&upsert, &format!("S-{index}")), format!("S-{index}"));
        if index % 10 == 0 {
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    }
    for index in 0..weather.in_doubt {
        let key = format!("D-{index}");
        if index % 2 == 0 {
            world.system.memory().created.insert(key.clone(), 1);
        }
        wanted.insert(world.request(&create, &key, true), key);
    }
    let mut open = wanted.clone();
    while !open.is_empty() {
        let outcome = tokio::time::timeout(Duration::from_secs(30 * 24 * 3_600), world.outcome()).await;
        let Ok(outcome) = outcome else {
            return Err(TestCaseError::fail(format!(
                "{} intents are never over: {:?}",
                open.len(),
                world.dispatcher.figures()
            )));
        };
        let key = open.remove(&outcome.intent);
        let Some(key) = key else { return Err(TestCaseError::fail("an intent is over twice")) };
        if key.starts_with("bad") {
            prop_assert_eq!(fault(outcome).status, 422);
        } else {
            prop_assert!(outcome.result.is_ok(), "{:?}", outcome.result);
        }
    }
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    prop_assert!(world.told().is_empty(), "nothing is told after the end");
    let memory = world.system.memory();
    prop_assert_eq!(memory.under_way, 0);
    prop_assert!(memory.most_under_way <= weather.concurrent);
    for key in wanted.values().filter(|key| key.starts_with('Q') || key.starts_with('D')) {
        prop_assert_eq!(memory.created.get(key), Some(&1), "{}", key);
    }
    drop(memory);
    let figures = world.dispatcher.figures();
    prop_assert_eq!((figures.waiting, figures.under_way), (0, 0));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_lost_and_nothing_is_doubled(weather in weather()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(survive(weather))?;
    }
}
