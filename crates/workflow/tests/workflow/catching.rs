//! `try`, `catch`, retries, `raise`.

use workflow::{Fault, FaultType, Input, Status, TraceEvent};

use crate::support::{Run, value};

fn unavailable() -> Fault {
    Fault::new(FaultType::Communication, "the ERP is down").with_status(503)
}

const COMMUNICATION: &str = "https://serverlessworkflow.io/dsl/errors/types/communication";

fn tried(catch: &str) -> String {
    format!(
        "do: [ {{ guarded: {{ try: [ {{ send: {{ call: x:1@erp, with: {{ n: '${{ .n }}' }} }} }} ], catch: {catch} }} }}, {{ after: {{ set: {{ after: '${{ . }}' }} }} }} ]"
    )
}

#[test]
fn an_error_is_caught_by_type_and_status() {
    let catch = format!(
        "{{ errors: {{ with: {{ type: '{COMMUNICATION}', status: 503 }} }}, as: problem, do: [ {{ note: {{ set: {{ \
         detail: '${{ $problem.detail }}', n: '${{ .n }}', where: '${{ $problem.instance }}' }} }} }} ] }}"
    );
    let mut run = Run::of(&tried(&catch), r#"{"n": 1}"#);
    run.answer_fault(unavailable());
    run.gives(r#"{"after": {"detail": "the ERP is down", "n": 1, "where": "/do/0/guarded/try/0/send"}}"#);
    let mut run = Run::of(&tried(&catch), r#"{"n": 1}"#);
    run.answer_fault(unavailable().with_status(500));
    assert_eq!(run.fault().status, 500);
}

#[test]
fn conditions_decide_what_is_caught() {
    let catch = "{ when: '$error.status >= 500', exceptWhen: .status == 503, then: end }";
    let mut run = Run::of(&tried(catch), r#"{"n": 1}"#);
    run.answer_fault(unavailable().with_status(502));
    run.gives(r#"{"n": 1}"#);
    for status in [404, 503] {
        let mut run = Run::of(&tried(catch), r#"{"n": 1}"#);
        run.answer_fault(unavailable().with_status(status));
        assert_eq!(run.fault().status, status);
    }
}

#[test]
fn retries_wait_longer_and_longer_and_then_give_up() {
    let policy = |backoff: &str| {
        format!("{{ retry: {{ delay: PT1S, backoff: {{ {backoff}: {{}} }}, limit: {{ attempt: {{ count: 4 }} }} }} }}")
    };
    for (backoff, expected) in [
        ("constant", [1000, 1000, 1000, 1000]),
        ("linear", [1000, 2000, 3000, 4000]),
        ("exponential", [1000, 2000, 4000, 8000]),
    ] {
        let mut run = Run::of(&tried(&policy(backoff)), r#"{"n": 1}"#);
        let mut slept = Vec::new();
        for _ in 0..4 {
            run.answer_fault(unavailable());
            slept.push(run.sleep());
        }
        assert_eq!(slept, expected, "{backoff}");
        run.answer_fault(unavailable());
        assert_eq!(run.fault().status, 503);
        assert_eq!(&*run.fault().instance, "/do/0/guarded/try/0/send");
    }
    let mut run = Run::of(&tried(&policy("constant")), r#"{"n": 1}"#);
    run.answer_fault(unavailable());
    run.sleep();
    assert_eq!(run.answer("5"), value(r#"{"n": 1}"#), "the same input again");
    run.gives(r#"{"after": 5}"#);
    let retried = run.trace.iter().filter(|entry| matches!(entry.event, TraceEvent::Retrying { .. })).count();
    assert_eq!(retried, 1);
}

#[test]
fn each_try_is_fenced() {
    let mut run = Run::of(&tried("{ retry: { delay: PT1S, limit: { duration: PT1H } } }"), r#"{"n": 1}"#);
    let (first, _) = run.call();
    run.step(Input::Returned { position: first.clone(), result: Err(unavailable()) });
    run.sleep();
    run.step(Input::Returned { position: first.clone(), result: Ok(value("1")) });
    assert_eq!(run.ignored, Some(workflow::Ignored::NotWaiting));
    let (second, _) = run.call();
    assert_eq!(second.pointer, first.pointer);
    assert!(second.attempt > first.attempt);
}

#[test]
fn a_retry_has_limits_in_time_and_handles_what_outlives_them() {
    let catch = "{ retry: { delay: PT10S, limit: { duration: PT25S, attempt: { duration: PT2S } } }, do: [ { give: { set: \
                 { gave: up } } } ] }";
    let mut run = Run::of(&tried(catch), r#"{"n": 1}"#);
    // The attempt's own time limit counts as an error, too.
    assert_eq!(run.sleep(), 2000);
    assert_eq!(run.sleep(), 10_000);
    run.answer_fault(unavailable());
    assert_eq!(run.sleep(), 10_000);
    run.answer_fault(unavailable());
    run.gives(r#"{"after": {"gave": "up"}}"#);
}

#[test]
fn jitter_spreads_within_its_range() {
    let catch = "{ retry: { delay: PT1S, jitter: { from: PT1S, to: PT3S }, limit: { attempt: { count: 9 } } } }";
    let mut run = Run::of(&tried(catch), r#"{"n": 1}"#);
    let mut slept = Vec::new();
    for _ in 0..9 {
        run.answer_fault(unavailable());
        slept.push(run.sleep());
    }
    assert!(slept.iter().all(|slept| (2000..=4000).contains(slept)), "{slept:?}");
    slept.dedup();
    assert!(slept.len() > 3, "{slept:?}");
}

#[test]
fn policies_are_reusable_and_conditional() {
    let rest = format!(
        "use: {{ retries: {{ patient: {{ when: '$error.status == 503', delay: PT1S, limit: {{ attempt: {{ count: 2 }} }} }} }} }}\n{}",
        tried("{ retry: patient }")
    );
    let mut run = Run::of(&rest, r#"{"n": 1}"#);
    run.answer_fault(unavailable());
    run.sleep();
    run.answer_fault(unavailable().with_status(400));
    assert_eq!(run.fault().status, 400);
}

#[test]
fn the_handler_may_wait_and_may_fail() {
    let catch = "{ do: [ { undo: { call: cancel:1@erp, with: { why: '${ $error.detail }' } } } ], then: exit }";
    let mut run = Run::of(&tried(catch), r#"{"n": 1}"#);
    run.answer_fault(unavailable());
    assert_eq!(run.answer("7"), value(r#"{"why": "the ERP is down"}"#));
    run.gives("7");
    let mut run = Run::of(&tried(catch), r#"{"n": 1}"#);
    run.answer_fault(unavailable());
    run.answer_fault(Fault::new(FaultType::Runtime, "worse"));
    assert_eq!(&*run.fault().instance, "/do/0/guarded/catch/do/0/undo");
}

#[test]
fn catch_then_replaces_the_direction_of_the_task() {
    let rest = r"
do:
  - guarded: { try: [ { a: { call: x:1@erp } } ], catch: { then: repair } }
  - normal: { set: { way: normal }, then: end }
  - repair: { set: { way: repair } }";
    let mut run = Run::of(rest, "{}");
    run.answer("{}");
    run.gives(r#"{"way": "normal"}"#);
    let mut run = Run::of(rest, "{}");
    run.answer_fault(unavailable());
    run.gives(r#"{"way": "repair"}"#);
}

#[test]
fn errors_are_raised_inline_and_by_name() {
    let run = Run::of(
        r#"
use: { errors: { late: { type: 'https://acme.example/late', status: 422, title: Late, detail: '${ "by \(.days) days" }' } } }
do: [ { a: { raise: { error: late } } } ]"#,
        r#"{"days": 3}"#,
    );
    let fault = run.fault();
    assert_eq!((fault.status, fault.detail.as_deref(), &*fault.instance), (422, Some("by 3 days"), "/do/0/a"));
    let run = Run::of(
        "do: [ { a: { try: [ { b: { raise: { error: { type: 'urn:x', status: 400 } } } } ], catch: { errors: { with: { \
         type: 'urn:x' } } } } } ]",
        "[1]",
    );
    run.gives("[1]");
}

#[test]
fn inner_catches_go_first() {
    let mut run = Run::of(
        r"
do:
  - outer:
      try:
        - inner:
            try: [ { a: { call: x:1@erp } } ]
            catch: { errors: { with: { status: 404 } }, do: [ { n: { set: { by: inner } } } ] }
      catch: { do: [ { n: { set: { by: outer, error: '${ $error.status }' } } } ] }",
        "{}",
    );
    run.answer_fault(unavailable());
    run.gives(r#"{"by": "outer", "error": 503}"#);
}

#[test]
fn an_expression_that_fails_is_an_error_like_any_other() {
    let run = Run::of(
        "do: [ { a: { try: [ { b: { set: { c: '${ .n.m.o }' } } } ], catch: { do: [ { d: { set: { t: '${ $error.type }' } } } ] } } } ]",
        r#"{"n": 1}"#,
    );
    assert!(run.output().get("t").as_str().is_some_and(|text| text.ends_with("/expression")));
    assert_eq!(run.state.status(), Status::Completed);
}
