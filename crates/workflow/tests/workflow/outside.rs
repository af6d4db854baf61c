//! Calls, requests, other workflows, events that are emitted, pauses, time limits.

use model::Value;
use workflow::{Command, Fault, FaultType, Ignored, Input, Protocol};

use crate::support::{Run, at, value};

#[test]
fn a_call_waits_for_its_answer() {
    let mut run = Run::of(
        r"
do:
  - create:
      call: create-order:1.0.0@erp
      with: { key: '${ .key }', fixed: 1 }
      output: { as: '{ number: .SalesOrder, key: $input.key }' }
  - done: { set: { order: '${ .number }', key: '${ .key }' } }",
        r#"{"key": "Q-1"}"#,
    );
    let Some(Command::Call { position, function, input }) = run.commands.first().cloned() else { panic!() };
    assert_eq!(function.to_string(), "create-order:1.0.0@erp");
    assert_eq!(input, value(r#"{"key": "Q-1", "fixed": 1}"#));
    assert_eq!(position.to_string(), "/do/0/create#1");
    run.answer(r#"{"SalesOrder": "4711"}"#);
    run.gives(r#"{"order": "4711", "key": "Q-1"}"#);
    run.step(Input::Returned { position, result: Ok(Value::Null) });
    assert_eq!(run.ignored, Some(Ignored::Over));
}

#[test]
fn answers_that_nobody_waits_for_are_ignored() {
    let mut run = Run::of("do: [ { a: { call: x:1@erp } }, { b: { call: y:1@erp } } ]", "{}");
    let (first, _) = run.call();
    let answer = Input::Returned { position: first.clone(), result: Ok(value("1")) };
    run.step(answer.clone());
    run.step(answer);
    assert_eq!(run.ignored, Some(Ignored::NotWaiting));
    let (second, _) = run.call();
    run.step(Input::Fired { position: second.clone() });
    assert_eq!(run.ignored, Some(Ignored::WrongKind));
    let mut elsewhere = second.clone();
    elsewhere.pointer = first.pointer;
    run.step(Input::Returned { position: elsewhere, result: Ok(value("2")) });
    assert_eq!(run.ignored, Some(Ignored::NotWaiting));
    run.step(Input::Returned { position: second, result: Ok(value("2")) });
    run.gives("2");
}

#[test]
fn http_requests_come_evaluated() {
    let mut run = Run::of(
        r"
use:
  authentications: { key: { basic: { username: u, password: '${ $secrets.password }' } } }
  secrets: [password]
do:
  - get:
      call: http
      with:
        method: get
        endpoint: { uri: 'https://host/{id}/x?y={y}', authentication: { use: key } }
        headers: { a: '${ .id }' }
        query: { q: '${ .y }' }",
        r#"{"id": "a/b c", "y": 2}"#,
    );
    let Some(Command::Request { protocol, .. }) = run.commands.first() else { panic!() };
    assert_eq!(*protocol, Protocol::Http);
    assert_eq!(
        run.answer("{}"),
        value(
            r#"{"method": "get", "endpoint": {"uri": "https://host/a%2Fb%20c/x?y=2",
                "authentication": {"basic": {"username": "u", "password": null}}},
                "headers": {"a": "a/b c"}, "query": {"q": 2}}"#
        )
    );
    let run = Run::of("do: [ { a: { call: http, with: { method: get, endpoint: 'https://h/{id}' } } } ]", "{}");
    assert!(run.fault().to_string().contains("`{id}`"));
}

#[test]
fn functions_of_the_document_are_called_with_their_own_input() {
    let mut run = Run::of(
        r"
use:
  functions:
    price:
      input: { schema: { document: { required: [sku] } } }
      call: simulate:1.0.0@erp
      with: { material: '${ .sku }' }
      output: { as: .amount }
do:
  - first: { call: price, with: { sku: '${ .a }' } }
  - second: { call: price, with: {} }",
        r#"{"a": "X"}"#,
    );
    let (position, input) = run.call();
    assert_eq!(&*position.pointer, "/do/0/first/call/price");
    assert_eq!(input, value(r#"{"material": "X"}"#));
    run.step(Input::Returned { position, result: Ok(value(r#"{"amount": 5}"#)) });
    assert_eq!(&*run.fault().instance, "/do/1/second/call/price");
}

#[test]
fn pauses_hand_their_input_on() {
    let mut run = Run::of("do: [ { a: { wait: PT90S } }, { b: { wait: { minutes: 1, milliseconds: 5 } } } ]", "[7]");
    assert_eq!(run.sleep(), 90_000);
    assert_eq!(run.sleep(), 60_005);
    run.gives("[7]");
    let mut run = Run::of("do: [ { a: { wait: '${ .long }' } } ]", r#"{"long": "PT2S"}"#);
    assert_eq!(run.sleep(), 2000);
    let mut run = Run::of("do: [ { a: { wait: P1M } } ]", "{}");
    assert_eq!(run.sleep(), 30 * 86_400_000);
}

#[test]
fn an_event_is_emitted_with_its_envelope() {
    let mut run = Run::of(
        r"
do:
  - tell: { emit: { event: { with: { type: order.placed, subject: '${ .id }', data: { n: '${ .id }' } } } } }
  - ask: { call: x:1@erp }",
        r#"{"id": "7"}"#,
    );
    let event = run.commands.iter().find_map(|command| match command {
        Command::Emit { event, .. } => Some(event.clone()),
        _ => None,
    });
    let event = event.expect("an event");
    assert_eq!(
        event,
        value(
            r#"{"specversion": "1.0", "id": "run-1/1", "source": "/workflows/test/test", "type": "order.placed",
                "time": "2023-11-14T22:13:20Z", "subject": "7", "data": {"n": "7"},
                "datacontenttype": "application/json"}"#
        )
    );
    run.answer("1");
}

#[test]
fn another_workflow_is_run_and_may_be_awaited() {
    let rest = |awaited: bool| {
        format!(
            "do: [ {{ sub: {{ run: {{ workflow: {{ namespace: n, name: w, version: '1.0.0', input: {{ a: '${{ .a }}' }} }}, await: {awaited} }} }} }} ]"
        )
    };
    let mut run = Run::of(&rest(true), r#"{"a": 1}"#);
    assert_eq!(run.answer("42"), value(r#"{"a": 1}"#));
    run.gives("42");
    let run = Run::of(&rest(false), r#"{"a": 1}"#);
    assert!(matches!(&run.commands[0], Command::StartRun { await_result: false, .. }));
    run.gives(r#"{"a": 1}"#);
}

#[test]
fn a_task_that_takes_too_long_is_given_up() {
    let rest = r"
use: { timeouts: { short: { after: PT5S } } }
do:
  - guarded:
      timeout: short
      do:
        - inner: { call: x:1@erp }";
    let mut run = Run::of(rest, "{}");
    let (late, _) = run.call();
    assert_eq!(run.commands.len(), 1);
    run.commands.push(Command::Call {
        position: late.clone(),
        function: "x:1@erp".parse().expect("a function"),
        input: Value::Null,
    });
    assert_eq!(run.sleep(), 5000);
    let fault = run.fault();
    assert_eq!((fault.status, &*fault.instance), (408, "/do/0/guarded"));
    run.step(Input::Returned { position: late, result: Ok(Value::Null) });
    assert_eq!(run.ignored, Some(Ignored::NotWaiting));
    let mut run = Run::of(rest, "{}");
    run.answer("1");
    run.gives("1");
}

#[test]
fn the_whole_workflow_has_a_time_limit() {
    let mut run = Run::of("timeout: { after: { hours: 1 } }\ndo: [ { a: { wait: P2D } } ]", "{}");
    assert_eq!(run.sleep(), 3_600_000);
    assert_eq!(run.fault().fault_type, FaultType::Timeout.uri());
}

#[test]
fn faults_of_connections_keep_what_they_tell() {
    let mut run = Run::of("do: [ { a: { call: x:1@erp } } ]", "{}");
    let told = value(r#"{"vendor": "V1/234"}"#);
    let fault = Fault::new(FaultType::Communication, "blocked").with_status(409).with_data(told.clone());
    run.answer_fault(fault);
    assert_eq!(run.fault().data, told);
    assert_eq!(&*run.fault().instance, "/do/0/a");
    assert!(run.now == at(0));
}

#[test]
fn conditions_of_a_subscription_go_as_they_are_written_with_the_values_of_their_variables() {
    let mut run = Run::of(
        r"
do:
  - keep: { set: '${ . }', export: { as: '${ { user: .id } }' } }
  - each:
      for: { each: room, in: '${ [ 5 ] }' }
      do:
        - hear:
            call: asyncapi
            with:
              document: { endpoint: https://a.example/a.json }
              channel: c
              subscription:
                filter: ${ .payload.user == $context.user and .payload.room == $room }
                consume: { while: '${ length < 3 }', for: '${ .time }' }",
        r#"{"id": 7, "time": "PT1S"}"#,
    );
    let (_, call) = run.call();
    assert_eq!(
        call.get("subscription"),
        &value(
            r#"{"filter": "${ .payload.user == $context.user and .payload.room == $room }",
                "consume": {"while": "${ length < 3 }", "for": "PT1S"},
                "variables": {"context": {"user": 7}, "room": 5}}"#
        )
    );
}

#[test]
fn a_process_that_is_not_waited_for_gives_the_input_of_its_task() {
    let mut run = Run::of(
        "do: [ { a: { input: { from: .in }, run: { shell: { command: x }, await: false } } } ]",
        r#"{"in": {"n": 1}}"#,
    );
    run.answer("null");
    run.gives(r#"{"n": 1}"#);
}

#[test]
fn a_number_with_a_large_exponent_survives_being_stored() {
    let mut run = Run::of("do: [ { a: { call: x:1@erp } }, { b: { wait: PT1S } } ]", r#"{"n": 1e40}"#);
    run.answer(r#"{"large": 1.5e308, "small": -1e-300}"#);
    run.sleep();
    run.gives(r#"{"large": 1.5e308, "small": -1e-300}"#);
}

#[test]
fn a_pause_to_the_end_of_time_survives_being_stored() {
    let mut run = Run::of("do: [ { a: { wait: { seconds: 9007199254740993 } } } ]", "{}");
    assert!(run.sleep() > 0);
    run.gives("{}");
}
