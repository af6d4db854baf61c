//! Whatever order inputs come in, and however often: the outcome is the same.

use std::collections::BTreeMap;

use model::Value;
use proptest::prelude::*;
use workflow::{Command, Fault, FaultType, Input, Position, Status};

use crate::support::{Run, awaited, value};

/// Branches, loops, retries, listening and pauses at the same time.
pub(crate) const BUSY: &str = r"
timeout: { after: P30D }
do:
  - prepare: { set: { lines: [1, 2, 3], key: K }, export: { as: '{ key: .key }' } }
  - work:
      fork:
        branches:
          - orders:
              for: { each: line, in: .lines }
              do:
                - guarded:
                    try:
                      - create: { call: create-order:1.0.0@erp, with: { line: '${ $line }', key: '${ $context.key }' } }
                    catch:
                      retry: { delay: PT1S, backoff: { exponential: {} }, limit: { attempt: { count: 20 } } }
                - collect: { set: { lines: '${ $context | [] }', got: '${ . }' } }
          - events:
              listen:
                to:
                  all:
                    - { with: { type: invoiced }, correlate: { key: { from: .subject, expect: '${ $context.key }' } } }
                    - { with: { type: paid }, correlate: { key: { from: .subject, expect: '${ $context.key }' } } }
              output: { as: sort }
          - pause: { do: [ { p: { wait: PT5S } }, { q: { call: q:1@erp } }, { r: { set: { paused: '${ . }' } } } ] }
          - each:
              listen:
                to: { any: [ { with: { type: item } } ], until: '(. | length) == 2' }
              foreach: { do: [ { handle: { call: h:1@erp, with: { item: '${ $item }' } } } ] }
              output: { as: sort }
  - done: { set: { all: '${ . }' } }";

/// Something that can be told now.
fn possible(run: &Run, faults: &mut BTreeMap<String, u32>, events: &[Value]) -> Vec<Input> {
    let mut inputs = Vec::new();
    for command in &run.commands {
        match command {
            Command::Call { position, function, input } => {
                let key = format!("{}{:?}", position.pointer, position.iterations);
                let result = if &*function.name == "create-order" && *faults.entry(key.clone()).or_insert(0) < 2 {
                    Err(Fault::new(FaultType::Communication, "row locked"))
                } else {
                    Ok(Value::object([("done", input.clone())]))
                };
                inputs.push(Input::Returned { position: position.clone(), result });
            }
            Command::Sleep { position, .. } if !position.pointer.is_empty() => {
                inputs.push(Input::Fired { position: position.clone() });
            }
            Command::Listen { position, .. } => {
                inputs.extend(
                    events.iter().map(|event| Input::Heard { position: position.clone(), event: event.clone() }),
                );
            }
            _ => {}
        }
    }
    inputs
}

fn position(input: &Input) -> Option<&Position> {
    match input {
        Input::Returned { position, .. } | Input::Fired { position } | Input::Heard { position, .. } => Some(position),
        _ => None,
    }
}

/// SplitMix64.
fn next(seed: &mut u64) -> u32 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    u32::try_from(mixed >> 32).unwrap_or_default()
}

fn run_to_the_end(mut seed: u64) -> Value {
    let events: Vec<Value> = ["invoiced", "paid", "item", "item", "noise"]
        .iter()
        .enumerate()
        .map(|(n, kind)| {
            value(&format!(
                r#"{{"specversion": "1.0", "id": "{n}", "source": "s", "type": "{kind}", "subject": "K", "data": {n}}}"#
            ))
        })
        .collect();
    let mut run = Run::of(BUSY, "{}");
    let mut faults = BTreeMap::new();
    let mut told: Vec<Input> = Vec::new();
    for _ in 0..10_000 {
        if run.state.status().is_over() {
            return run.output();
        }
        let choice = next(&mut seed);
        if choice.is_multiple_of(5) && !told.is_empty() {
            // Told again: nothing changes.
            let again = told[next(&mut seed) as usize % told.len()].clone();
            run.step(again);
            continue;
        }
        if choice.is_multiple_of(17) {
            run.step(Input::Suspend);
        } else if choice.is_multiple_of(7) {
            run.step(Input::Resume);
        }
        let inputs = possible(&run, &mut faults, &events);
        if inputs.is_empty() {
            run.step(Input::Resume);
            continue;
        }
        let input = inputs[next(&mut seed) as usize % inputs.len()].clone();
        if let Input::Returned { position, result: Err(_) } = &input {
            *faults.entry(format!("{}{:?}", position.pointer, position.iterations)).or_insert(0) += 1;
        }
        if !matches!(input, Input::Heard { .. }) {
            let done = position(&input).cloned();
            run.commands.retain(|command| awaited(command).cloned() != done || done.is_none());
        }
        told.push(input.clone());
        run.step(input);
    }
    panic!("the run does not end: {:?} {:#?}", run.state.status(), run.commands);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_any_repetition_gives_the_same(seed in any::<u64>()) {
        let usual = run_to_the_end(1);
        prop_assert_eq!(usual.get("all").items().len(), 4);
        prop_assert_eq!(run_to_the_end(seed), usual);
    }
}

#[test]
fn statuses_are_told() {
    let run = Run::of("do: [ { a: { wait: PT1S } } ]", "{}");
    assert_eq!(run.state.status(), Status::Running);
    assert!(!Status::Failed.is_over());
}
