//! Data flow, `set`, `do`, `switch`, `for`, `if`, `then`.

use workflow::{Status, TraceEvent};

use crate::support::{Run, document, load, value};

#[test]
fn data_flows_from_task_to_task() {
    let run = Run::of(
        r"
input: { from: .order }
do:
  - one: { set: { total: '${ .net + 1 }', kept: '${ $input.net }' }, output: { as: '{ sum: .total, kept: .kept }' } }
  - two:
      input: { from: { amount: '${ .sum }' } }
      set: { amount: '${ .amount }', whole: '${ $input }' }
      export: { as: '{ last: .amount }' }
  - three: { set: { context: '${ $context.last }', before: '${ .whole.amount }' } }
output: { as: '{ result: . }' }",
        r#"{"order": {"net": 2}}"#,
    );
    run.gives(r#"{"result": {"context": 3, "before": 3}}"#);
}

#[test]
fn amounts_keep_their_digits() {
    Run::of("do: [ { a: { set: { total: 10.10, again: '${ .amount }' } } } ]", r#"{"amount": 0.30}"#)
        .output()
        .to_string()
        .contains("0.30")
        .then_some(())
        .expect("digits");
}

#[test]
fn a_condition_skips_a_task_and_its_direction() {
    let rest = r"
do:
  - a: { if: .skip | not, set: { a: 1 }, then: end }
  - b: { set: { b: 2 } }";
    Run::of(rest, r#"{"skip": true}"#).gives(r#"{"b": 2}"#);
    Run::of(rest, r#"{"skip": false}"#).gives(r#"{"a": 1}"#);
}

#[test]
fn exit_ends_the_list_and_end_the_workflow() {
    let rest = |then: &str| {
        format!(
            "
do:
  - outer:
      do:
        - a: {{ set: {{ a: 1 }}, then: {then} }}
        - b: {{ set: {{ b: 2 }} }}
  - after: {{ set: {{ seen: '${{ . }}' }} }}"
        )
    };
    Run::of(&rest("exit"), "{}").gives(r#"{"seen": {"a": 1}}"#);
    Run::of(&rest("end"), "{}").gives(r#"{"a": 1}"#);
    Run::of(&rest("continue"), "{}").gives(r#"{"seen": {"b": 2}}"#);
}

#[test]
fn a_switch_takes_the_first_case_that_holds() {
    let rest = r"
do:
  - which:
      switch:
        - big: { when: .n > 10, then: big }
        - odd: { when: '${ .n % 2 == 1 }', then: odd }
        - other: { then: end }
  - big: { set: { is: big }, then: end }
  - odd: { set: { is: odd } }";
    Run::of(rest, r#"{"n": 11}"#).gives(r#"{"is": "big"}"#);
    Run::of(rest, r#"{"n": 3}"#).gives(r#"{"is": "odd"}"#);
    Run::of(rest, r#"{"n": 4}"#).gives(r#"{"n": 4}"#);
}

#[test]
fn jumps_go_back_until_a_condition_holds() {
    let run = Run::of(
        r"
do:
  - add: { set: { n: '${ .n + 1 }' } }
  - again: { switch: [ { more: { when: .n < 5, then: add } } ] }",
        r#"{"n": 0}"#,
    );
    run.gives(r#"{"n": 5}"#);
    assert_eq!(run.began().len(), 10);
}

#[test]
fn a_loop_waits_inside_and_remembers_its_place() {
    let mut run = Run::of(
        r#"
do:
  - each:
      for: { each: line, in: .lines, at: position }
      while: . != "stop"
      do:
        - send:
            call: create-order:1.0.0@erp
            with: { line: '${ $line }', number: '${ $position }' }"#,
        r#"{"lines": ["a", "b", "c", "d"]}"#,
    );
    let (position, input) = run.call();
    assert_eq!(position.pointer.as_ref(), "/do/0/each/for/do/0/send");
    assert_eq!(position.iterations, [0]);
    assert_eq!(input, value(r#"{"line": "a", "number": 0}"#));
    run.step(workflow::Input::Returned { position, result: Ok(value("1")) });
    assert_eq!(run.answer("2"), value(r#"{"line": "b", "number": 1}"#));
    assert_eq!(run.answer(r#""stop""#), value(r#"{"line": "c", "number": 2}"#));
    run.gives(r#""stop""#);
}

#[test]
fn loops_in_loops_see_both_variables() {
    let run = Run::of(
        r"
do:
  - outer:
      for: { each: a, in: '[1, 2]', at: i }
      do:
        - inner:
            for: { each: b, in: '[10, 20]' }
            do:
              - add: { set: { all: '${ .all + [$a + $b + $i + $index] }' } }",
        "{}",
    );
    run.gives(r#"{"all": [11, 22, 13, 24]}"#);
    let iterations: Vec<_> = run.trace.iter().filter(|entry| entry.pointer.ends_with("add")).collect();
    assert_eq!(iterations[2].iterations, [0, 1]);
}

#[test]
fn what_is_no_list_cannot_be_looped_over() {
    let run = Run::of("do: [ { x: { for: { in: .lines }, do: [ { a: { set: { b: 1 } } } ] } } ]", "{}");
    let fault = run.fault();
    assert_eq!(fault.status, 400);
    assert_eq!(&*fault.instance, "/do/0/x");
    assert!(fault.to_string().contains("must give a list"), "{fault}");
}

#[test]
fn schemas_guard_input_and_output() {
    let rest = r"
input: { schema: { document: { type: object, required: [id] } } }
do:
  - a: { set: { a: '${ .id }' }, output: { schema: { document: { required: [b] } } } }";
    let run = Run::of(rest, "{}");
    assert!(run.fault().to_string().contains("`id` is missing"));
    assert_eq!(&*run.fault().instance, "");
    let run = Run::of(rest, r#"{"id": 1}"#);
    assert!(run.fault().to_string().contains("`b` is missing"));
    assert_eq!(&*run.fault().instance, "/do/0/a");
}

#[test]
fn descriptors_of_the_run_and_the_task() {
    let run = Run::of(
        r#"
input: { from: .inner }
do:
  - a:
      metadata: { owner: sales }
      set:
        run: '${ $workflow.id }'
        raw: '${ $workflow.input.inner.n }'
        title: '${ $workflow.definition.document.name }'
        at: '${ $workflow.startedAt.epoch.seconds }'
        task: '${ $task.name + " " + $task.reference + " " + $task.definition.metadata.owner }'
        runtime: '${ $runtime.name }'"#,
        r#"{"inner": {"n": 7}}"#,
    );
    run.gives(
        r#"{"run": "run-1", "raw": 7, "title": "test", "at": 1700000000, "task": "a /do/0/a sales",
            "runtime": "interlock"}"#,
    );
}

#[test]
fn a_run_that_never_waits_yields() {
    let workflow = load(&document(
        "do: [ { a: { set: { n: '${ .n + 1 }' }, if: .n < 12000 } }, { b: { switch: [ { go: { when: .n < 12000, then: a } } ] } } ]",
    ));
    let mut run = Run::start(workflow, value(r#"{"n": 0}"#));
    let mut yields = 0;
    while run.state.status() == Status::Running {
        assert_eq!(run.sleep(), 0);
        yields += 1;
    }
    assert_eq!(yields, 2);
    run.gives(r#"{"n": 12000}"#);
}

#[test]
fn a_run_whose_list_grows_yields_by_how_much_it_copies() {
    // Few tasks, and each copies what all before it have gathered.
    let workflow = load(&document(
        "do: [ { a: { set: { all: '${ .all + [1] }' } } }, { b: { switch: [ { go: { when: '.all | length < 4000', then: a } } ] } } ]",
    ));
    let mut run = Run::start(workflow, value(r#"{"all": []}"#));
    let mut yields = 0;
    while run.state.status() == Status::Running {
        assert_eq!(run.sleep(), 0);
        yields += 1;
    }
    assert!((7..=9).contains(&yields), "8,000,000 values are copied: {yields}");
}

#[test]
fn the_trace_tells_the_story() {
    let run = Run::of("do: [ { a: { if: 'false', set: { x: 1 } } }, { b: { set: { y: 2 } } } ]", "{}");
    let story: Vec<(&str, &TraceEvent)> = run.trace.iter().map(|entry| (&*entry.pointer, &entry.event)).collect();
    assert_eq!(
        story,
        [
            ("", &TraceEvent::Started),
            ("/do/0/a", &TraceEvent::Skipped),
            ("/do/1/b", &TraceEvent::Started),
            ("/do/1/b", &TraceEvent::Completed),
            ("", &TraceEvent::Completed),
        ]
    );
}
