//! `fork`.

use workflow::{Command, Fault, FaultType, Ignored, Input, Status};

use crate::support::{Run, value};

const BOTH: &str = r"
do:
  - fork:
      fork:
        compete: COMPETE
        branches:
          - left: { call: l:1@erp }
          - right: { do: [ { r: { call: r:1@erp } }, { s: { set: { got: '${ . }' } } } ] }
          - quick: { set: { quick: '${ .n }' } }";

#[test]
fn all_branches_give_their_outputs_in_order() {
    let mut run = Run::of(&BOTH.replace("COMPETE", "false"), r#"{"n": 1}"#);
    let (left, _) = run.call();
    let (right, _) = run.call();
    assert_eq!(&*right.pointer, "/do/0/fork/fork/branches/1/right/do/0/r");
    run.step(Input::Returned { position: right, result: Ok(value("2")) });
    assert_eq!(run.state.status(), Status::Running);
    run.step(Input::Returned { position: left, result: Ok(value("1")) });
    run.gives(r#"[1, {"got": 2}, {"quick": 1}]"#);
}

#[test]
fn the_fastest_branch_wins_and_the_others_are_given_up() {
    let rest = BOTH.replace("COMPETE", "true").replace("quick: { set: { quick: '${ .n }' } }", "quick: { wait: PT9S }");
    let mut run = Run::of(&rest, r#"{"n": 1}"#);
    let (left, _) = run.call();
    run.commands.push(Command::Call {
        position: left.clone(),
        function: "l:1@erp".parse().expect("a function"),
        input: value("{}"),
    });
    let right =
        run.commands.iter().filter_map(crate::support::awaited).find(|position| position.pointer.ends_with("/r"));
    let right = right.expect("the other branch").clone();
    run.step(Input::Returned { position: right.clone(), result: Ok(value("2")) });
    run.commands.retain(|command| crate::support::awaited(command) != Some(&right));
    run.gives(r#"{"got": 2}"#);
    run.step(Input::Returned { position: left, result: Ok(value("1")) });
    assert_eq!(run.ignored, Some(Ignored::Over));
}

#[test]
fn a_failing_branch_fails_the_fork_and_a_catch_takes_back_the_rest() {
    let rest = r"
do:
  - guarded:
      try:
        - fork:
            fork:
              branches:
                - left: { call: l:1@erp }
                - right: { call: r:1@erp }
      catch: { do: [ { note: { set: { failed: '${ $error.instance }' } } } ] }";
    let mut run = Run::of(rest, "{}");
    run.answer_fault(Fault::new(FaultType::Runtime, "no"));
    run.gives(r#"{"failed": "/do/0/guarded/try/0/fork/fork/branches/0/left"}"#);
}

#[test]
fn without_a_catch_the_other_branch_is_not_lost() {
    let rest =
        "do: [ { fork: { fork: { branches: [ { left: { call: l:1@erp } }, { right: { call: r:1@erp } } ] } } } ]";
    let mut run = Run::of(rest, "{}");
    run.answer_fault(Fault::new(FaultType::Runtime, "no"));
    assert_eq!(run.state.status(), Status::Failed);
    let (right, _) = run.call();
    let answer = Input::Returned { position: right, result: Ok(value("2")) };
    run.step(answer.clone());
    assert_eq!(run.ignored, None, "it is kept");
    run.step(answer);
    assert_eq!(run.ignored, Some(Ignored::HeardBefore));
    run.step(Input::Retry { pointer: Some("/do/0/fork/fork/branches/0/left".into()), input: None });
    run.answer("1");
    run.gives("[1, 2]");
}

#[test]
fn end_in_a_branch_ends_the_workflow() {
    let rest = "do: [ { fork: { fork: { branches: [ { a: { wait: PT1S } }, { b: { set: { b: 1 }, then: end } } ] } } }, { c: { set: { c: 1 } } } ]";
    Run::of(rest, "{}").gives(r#"{"b": 1}"#);
}
