//! `listen`, and events that start runs.

use model::Value;
use workflow::{Command, Ignored, ListenMode, Read};

use crate::support::{Run, document, load, value};

fn event(id: &str, kind: &str, more: &str) -> String {
    format!(r#"{{"specversion": "1.0", "id": "{id}", "source": "/test", "type": "{kind}", {more}}}"#)
}

#[test]
fn one_event_is_awaited_by_type_and_correlation() {
    let mut run = Run::of(
        r"
do:
  - confirm:
      listen:
        to:
          one:
            with: { type: order.confirmed, source: '${ .source }' }
            correlate: { key: { from: .subject, expect: '${ .key }' } }
      output: { as: '.[0]' }",
        r#"{"key": "Q-1", "source": "/test"}"#,
    );
    let Some(Command::Listen { filters, mode, .. }) = run.commands.first() else { panic!() };
    assert_eq!(*mode, ListenMode::One);
    assert_eq!(filters[0].event_type.as_deref(), Some("order.confirmed"));
    assert_eq!(filters[0].source.as_deref(), Some("/test"));
    assert_eq!(&*filters[0].correlations[0].from, ".subject");
    assert_eq!(filters[0].correlations[0].expected, Some(Value::from("Q-1")));
    let asked = filters[0].clone();
    for (text, wanted) in [
        (event("1", "order.confirmed", r#""subject": "Q-2", "data": 1"#), false),
        (event("2", "order.cancelled", r#""subject": "Q-1", "data": 1"#), false),
        (event("3", "order.confirmed", r#""subject": "Q-1", "data": {"n": 1}"#), true),
    ] {
        assert_eq!(asked.accepts(&value(&text)), wanted, "{text}");
        run.hear(&text);
        assert_eq!(run.ignored.is_none(), wanted, "{text}");
        if !wanted {
            assert_eq!(run.ignored, Some(Ignored::NotAsked));
        }
    }
    run.gives(r#"{"n": 1}"#);
}

#[test]
fn any_of_several_events_is_enough() {
    let rest = "do: [ { a: { listen: { to: { any: [ { with: { type: x } }, { with: { type: y, data: '${ .n > 3 }' } } ] }, read: envelope } } } ]";
    let mut run = Run::of(rest, "{}");
    run.hear(&event("1", "y", r#""data": {"n": 1}"#));
    assert_eq!(run.ignored, Some(Ignored::NotAsked));
    run.hear(&event("2", "y", r#""data": {"n": 4}"#));
    assert_eq!(run.output().at(0).get("id"), &Value::from("2"));
    let mut run = Run::of("do: [ { a: { listen: { to: { any: [] } } } } ]", "{}");
    run.hear(&event("1", "whatever", r#""data": 5"#));
    run.gives("[5]");
}

#[test]
fn all_events_are_awaited_and_the_first_sets_the_correlation() {
    let rest = r"
do:
  - both:
      listen:
        to:
          all:
            - { with: { type: temperature }, correlate: { room: { from: .roomid } } }
            - { with: { type: humidity }, correlate: { room: { from: .roomid } } }";
    let mut run = Run::of(rest, "{}");
    run.hear(&event("1", "humidity", r#""roomid": 7, "data": 1"#));
    let Some(Command::Listen { filters, .. }) = run.commands.first() else { panic!() };
    assert_eq!(filters.len(), 1, "only the rest is asked for");
    assert_eq!(filters[0].correlations[0].expected, Some(Value::from(7)));
    run.hear(&event("2", "temperature", r#""roomid": 8, "data": 2"#));
    assert_eq!(run.ignored, Some(Ignored::NotAsked));
    run.hear(&event("1", "humidity", r#""roomid": 7, "data": 1"#));
    assert_eq!(run.ignored, Some(Ignored::HeardBefore));
    run.hear(&event("3", "temperature", r#""roomid": 7, "data": 3"#));
    run.gives("[1, 3]");
}

#[test]
fn events_are_taken_until_a_condition_holds() {
    let rest = "do: [ { a: { listen: { to: { any: [ { with: { type: x } } ], until: '( . | length ) > 2' } } } } ]";
    let mut run = Run::of(rest, "{}");
    for n in 1..=3 {
        run.hear(&event(&n.to_string(), "x", &format!(r#""data": {n}"#)));
    }
    run.gives("[1, 2, 3]");
}

#[test]
fn events_are_taken_until_an_ending_event() {
    let rest = "do: [ { a: { listen: { to: { any: [ { with: { type: x } } ], until: { one: { with: { type: stop } } } } } } } ]";
    let mut run = Run::of(rest, "{}");
    let Some(Command::Listen { filters, mode, .. }) = run.commands.first() else { panic!() };
    assert_eq!((filters.len(), filters[1].ends, *mode), (2, true, ListenMode::Until));
    run.hear(&event("1", "x", r#""data": 1"#));
    run.hear(&event("2", "stop", r#""data": 2"#));
    run.gives("[1]");
}

const FOLLOW: &str = r"
do:
  - open: { set: { open: 2 }, export: { as: . } }
  - follow:
      listen:
        to:
          any: [ { with: { type: invoice } } ]
          until: $context.open <= 0
      foreach:
        item: invoice
        at: n
        do:
          - book: { call: book:1@erp, with: { invoice: '${ $invoice.id }', n: '${ $n }' } }
          - count: { set: { booked: '${ . }' }, export: { as: '{ open: ($context.open - 1) }' } }
        output: { as: .booked }";

#[test]
fn each_event_has_its_turn_in_order() {
    let mut run = Run::of(FOLLOW, "{}");
    run.hear(&event("1", "invoice", r#""data": {"id": "A"}"#));
    run.hear(&event("2", "invoice", r#""data": {"id": "B"}"#));
    let (position, input) = run.call();
    assert_eq!(&*position.pointer, "/do/1/follow/foreach/do/0/book");
    assert_eq!(position.iterations, [0]);
    assert_eq!(input, value(r#"{"invoice": "A", "n": 0}"#));
    run.step(workflow::Input::Returned { position, result: Ok(value("100")) });
    let (position, input) = run.call();
    assert_eq!(position.iterations, [1]);
    assert_eq!(input, value(r#"{"invoice": "B", "n": 1}"#));
    // One more comes while the last is worked on: the end is decided by the work, not by what has arrived.
    run.hear(&event("3", "invoice", r#""data": {"id": "C"}"#));
    run.step(workflow::Input::Returned { position, result: Ok(value("200")) });
    run.gives("[100, 200]");
}

#[test]
fn a_failure_in_a_turn_can_be_retried_without_losing_events() {
    let mut run = Run::of(FOLLOW, "{}");
    run.hear(&event("1", "invoice", r#""data": {"id": "A"}"#));
    run.answer_fault(workflow::Fault::new(workflow::FaultType::Runtime, "no"));
    run.hear(&event("2", "invoice", r#""data": {"id": "B"}"#));
    run.step(workflow::Input::Retry { pointer: None, input: None });
    run.answer("1");
    run.answer("2");
    run.gives("[1, 2]");
}

#[test]
fn a_listen_in_a_race_with_a_pause() {
    let rest = r"
do:
  - race:
      fork:
        compete: true
        branches:
          - heard: { listen: { to: { one: { with: { type: x } } } } }
          - late: { do: [ { pause: { wait: PT1H } }, { say: { set: { late: true } } } ] }";
    let mut run = Run::of(rest, "{}");
    run.sleep();
    run.gives(r#"{"late": true}"#);
    let mut run = Run::of(rest, "{}");
    run.hear(&event("1", "x", r#""data": 1"#));
    run.gives("[1]");
}

#[test]
fn events_start_runs() {
    let workflow = load(&document(
        r"
schedule:
  on: { any: [ { with: { type: quote.changed, data: '${ .status == $x }' } } ] }
  read: data
do: [ { a: { set: { id: '${ $workflow.input[0].id }' } } } ]"
            .replace("$x", "\"accepted\"")
            .as_str(),
    ));
    let starts = workflow.starts();
    assert_eq!(starts.read, Read::Data);
    let wanted = value(&event("1", "quote.changed", r#""data": {"status": "accepted", "id": 5}"#));
    assert!(starts.events[0].accepts(&wanted));
    assert!(!starts.events[0].accepts(&value(&event("1", "quote.changed", r#""data": {"status": "draft"}"#))));
    let input = starts.input(&wanted);
    Run::start(workflow, input).gives(r#"{"id": 5}"#);
}

#[test]
fn what_a_workflow_may_listen_for_is_known_before_it_runs() {
    let workflow = load(&document(
        "do:
  - a:
      listen:
        to:
          any:
            - with: { type: paid, subject: '${ .key }' }
              correlate: { key: { from: .data.order, expect: '${ .key }' }, learned: { from: .roomid } }
            - with: { type: '${ .kind }' }
  - b: { do: [ { c: { listen: { to: { any: [] } } } } ] }",
    ));
    let found: Vec<String> = workflow
        .interests()
        .iter()
        .map(|interest| format!("{:?} {:?} {:?}", interest.event_type, interest.attributes, interest.correlations))
        .collect();
    assert_eq!(found, [r#"None [] []"#, r#"Some("paid") ["subject"] [".data.order"]"#]);
}
