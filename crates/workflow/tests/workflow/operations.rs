//! What people do to runs: cancel, suspend, resume, retry.

use model::Value;
use workflow::{Command, Fault, FaultType, Ignored, Input, Status, StepError, TraceEvent};

use crate::support::{Run, document, load, value};

const TWO: &str = "do: [ { a: { call: x:1@erp, with: { n: '${ .n }' } } }, { b: { call: y:1@erp } } ]";

#[test]
fn a_cancelled_run_takes_everything_back() {
    let mut run = Run::of(
        r"
timeout: { after: PT1H }
do:
  - fork:
      fork:
        branches:
          - a: { call: x:1@erp }
          - b: { wait: PT1M }
          - c: { listen: { to: { one: { with: { type: x } } } } }
          - d: { for: { in: '[1]' }, do: [ { e: { call: y:1@erp } } ] }",
        "{}",
    );
    assert_eq!(run.commands.len(), 5);
    run.step(Input::Cancel { reason: Value::from("customer asked") });
    assert_eq!(run.state.status(), Status::Cancelled);
    assert_eq!(run.commands, [Command::Cancelled { reason: Value::from("customer asked") }]);
    run.step(Input::Resume);
    assert_eq!(run.ignored, Some(Ignored::Over));
}

/// Three things are done, two of them with a way to take them back; the third is under way.
const TAKES_BACK: &str = r"
do:
  - order:
      try:
        - create: { call: create:1@erp }
        - each:
            for: { each: line, in: '[1, 2]' }
            do:
              - line:
                  try:
                    - ship: { call: ship:1@erp, with: { line: '${ $line }' } }
                    - wait: { wait: PT1H }
                  catch:
                    errors: { with: { type: 'urn:interlock:error:cancelled' } }
                    as: why
                    do:
                      - unship: { call: unship:1@erp, with: { line: '${ $line }', why: '${ $why.title }' } }
      catch:
        errors: { with: { type: 'urn:interlock:error:cancelled' } }
        do:
          - remove: { call: remove:1@erp }
          - say: { set: { taken: back } }
  - after: { call: after:1@erp }";

#[test]
fn a_cancelled_run_takes_back_from_the_inside_out_and_goes_no_further() {
    let mut run = Run::of(TAKES_BACK, "{}");
    run.answer("1");
    run.answer("2");
    run.step(Input::Cancel { reason: Value::from("customer asked") });
    assert_eq!(run.state.status(), Status::Running, "something is taken back");
    assert_eq!(run.answer("3"), value(r#"{"line": 1, "why": "Cancelled"}"#));
    assert_eq!(run.state.status(), Status::Running);
    run.answer("4");
    assert_eq!(run.state.status(), Status::Cancelled);
    assert_eq!(run.commands, [Command::Cancelled { reason: Value::from("customer asked") }]);
    assert!(!run.trace.iter().any(|entry| entry.pointer.contains("/after")), "nothing goes on");
}

#[test]
fn what_cannot_be_taken_back_is_for_a_person_who_tries_again_or_cancels_at_once() {
    for tries_again in [true, false] {
        let mut run = Run::of(TAKES_BACK, "{}");
        run.answer("1");
        run.answer("2");
        run.step(Input::Cancel { reason: Value::Null });
        run.answer_fault(Fault::new(FaultType::Communication, "the warehouse is closed"));
        assert_eq!(run.state.status(), Status::Failed);
        match tries_again {
            true => {
                run.step(Input::Retry { pointer: None, input: None });
                run.answer("3");
                run.answer("4");
            }
            false => drop(run.step(Input::Cancel { reason: Value::Null })),
        }
        assert_eq!(run.state.status(), Status::Cancelled);
    }
}

#[test]
fn nothing_swallows_what_cannot_be_taken_back_and_no_time_limit_cuts_it_short() {
    let mut run = Run::of(
        r"
do:
  - outer:
      try:
        - inner:
            try: [ { x: { call: x:1@erp } } ]
            catch:
              errors: { with: { type: 'urn:interlock:error:cancelled' } }
              retry: { limit: { attempt: { duration: PT1M } } }
              do: [ { unx: { call: unx:1@erp } } ]
      catch:
        retry: { limit: { attempt: { count: 3, duration: PT1M } } }
        do: [ { swallow: { set: { a: 1 } } } ]
  - after: { call: after:1@erp }",
        "{}",
    );
    run.step(Input::Cancel { reason: Value::Null });
    assert!(!run.commands.iter().any(|command| matches!(command, Command::Sleep { .. })), "{:?}", run.commands);
    run.answer_fault(Fault::new(FaultType::Communication, "no"));
    assert_eq!(run.state.status(), Status::Failed, "neither caught nor tried again by itself");
    run.step(Input::Retry { pointer: None, input: None });
    run.answer("1");
    assert_eq!(run.state.status(), Status::Cancelled);
    assert!(!run.trace.iter().any(|entry| entry.pointer.contains("/after") || entry.pointer.contains("/swallow")));
}

#[test]
fn a_run_can_be_ended_without_taking_anything_back() {
    let mut run = Run::of(TAKES_BACK, "{}");
    run.answer("1");
    run.step(Input::End { reason: Value::from("begun anew") });
    assert_eq!(run.state.status(), Status::Cancelled);
    assert_eq!(run.commands, [Command::Cancelled { reason: Value::from("begun anew") }]);
}

#[test]
fn branches_take_back_what_each_of_them_did() {
    let mut run = Run::of(
        r"
do:
  - fork:
      fork:
        branches:
          - a:
              try: [ { x: { call: x:1@erp } } ]
              catch: { errors: { with: { type: 'urn:interlock:error:cancelled' } }, do: [ { unx: { call: unx:1@erp } } ] }
          - b: { wait: PT1M }
          - c:
              try: [ { y: { wait: PT1M } } ]
              catch: { errors: { with: { type: 'urn:interlock:error:cancelled' } }, do: [ { uny: { call: uny:1@erp } } ] }
          - d:
              try: [ { z: { call: z:1@erp } } ]
              catch: { do: [ { swallow: { set: { a: 1 } } } ] }",
        "{}",
    );
    run.step(Input::Cancel { reason: Value::Null });
    assert_eq!(run.state.status(), Status::Running);
    let calls = run.commands.iter().filter(|command| matches!(command, Command::Call { .. })).count();
    assert_eq!((calls, run.commands.len()), (2, 2), "{:?}", run.commands);
    run.answer("1");
    assert_eq!(run.state.status(), Status::Running);
    run.answer("2");
    assert_eq!(run.state.status(), Status::Cancelled);
}

#[test]
fn a_suspended_run_keeps_what_arrives() {
    let mut run = Run::of(TWO, r#"{"n": 1}"#);
    run.step(Input::Suspend);
    run.step(Input::Suspend);
    assert_eq!(run.ignored, Some(Ignored::AsAsked));
    run.answer("7");
    assert_eq!(run.state.status(), Status::Suspended);
    assert!(run.commands.is_empty(), "nothing goes on");
    run.step(Input::Resume);
    run.answer("8");
    run.gives("8");
}

#[test]
fn a_failed_task_is_done_again_with_a_corrected_input() {
    let mut run = Run::of(TWO, r#"{"n": 1}"#);
    assert_eq!(run.try_step(Input::Retry { pointer: None, input: None }), Err(StepError::NotFailed));
    run.answer_fault(Fault::new(FaultType::Validation, "n is too small"));
    assert_eq!(run.state.status(), Status::Failed);
    let elsewhere = Input::Retry { pointer: Some("/do/1/b".into()), input: None };
    assert!(matches!(run.try_step(elsewhere), Err(StepError::FailedElsewhere { .. })));
    run.step(Input::Retry { pointer: Some("/do/0/a".into()), input: Some(value(r#"{"n": 5}"#)) });
    assert_eq!(run.answer("1"), value(r#"{"n": 5}"#));
    run.answer("2");
    run.gives_after_failure("2");
    assert!(run.trace.iter().any(|entry| entry.event == TraceEvent::RetriedByHand));
}

#[test]
fn a_failed_run_can_be_given_up() {
    let mut run = Run::of(TWO, r#"{"n": 1}"#);
    run.answer_fault(Fault::new(FaultType::Validation, "no"));
    let (pointer, input) = run.state.failed().expect("where it failed");
    assert_eq!((&**pointer, input), ("/do/0/a", Some(&value(r#"{"n": 1}"#))));
    run.step(Input::Cancel { reason: Value::Null });
    assert_eq!(run.state.status(), Status::Cancelled);
    assert_eq!((run.state.fault(), run.state.failed()), (None, None));
}

#[test]
fn a_run_is_not_stepped_with_another_definition() {
    let mut run = Run::of(TWO, r#"{"n": 1}"#);
    run.workflow = load(&document("do: [ { other: { set: { a: 1 } } } ]"));
    assert_eq!(run.try_step(Input::Suspend), Err(StepError::OtherDefinition));
}

#[test]
fn what_cannot_be_reached_any_more_is_dropped() {
    let large = "x".repeat(50_000);
    let rest = "do: [ { small: { set: { n: 1 } } }, { wait: { do: [ { inner: { wait: PT1S } } ] } }, { again: { call: x:1@erp } } ]";
    let mut run = Run::of(rest, &format!(r#"{{"large": "{large}"}}"#));
    let size = Run::stored_size;
    assert!(size(&run) < 250, "{}", size(&run));
    run.sleep();
    assert!(size(&run) < 200, "{}", size(&run));
    run.answer("1");
    assert!(size(&run) < 100, "{}", size(&run));
}

#[test]
fn what_several_tasks_hold_is_stored_once() {
    let large = "x".repeat(10_000);
    let rest = "do: [ { a: { try: [ { b: { try: [ { c: { call: x:1@erp } } ], catch: { } } } ], catch: { } } } ]";
    let stored = Run::stored_size;
    let shared = "do: [ { a: { set: '${ . }', export: { as: '{ order: . }' } } }, { b: { call: x:1@erp } } ]";
    let run = Run::of(shared, &format!(r#"{{"large": "{large}"}}"#));
    assert!(stored(&run) < 10_500, "{}", stored(&run));
    let run = Run::of(rest, &format!(r#"{{"large": "{large}"}}"#));
    assert!(stored(&run) < 10_500, "{}", stored(&run));
}

impl Run {
    /// The output of a run that had failed before.
    fn gives_after_failure(&mut self, output: &str) {
        self.commands.retain(|command| !matches!(command, Command::Fail { .. }));
        self.gives(output);
    }
}
