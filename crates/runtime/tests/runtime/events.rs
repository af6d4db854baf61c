//! From an event to orders, and to the event that ends the run.

use std::time::Duration;

use model::Value;
use store::RunStatus;

use crate::world::{ALL, World, open_items, value};

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_becomes_an_order_and_is_followed_to_its_invoice() {
    let world = World::new().await;
    world.system.quote("1", 100, "draft");
    world.system.quote("2", 100, "accepted");
    let matter = world.matter("2", "ordered").await;
    assert_eq!(&*matter.title, "Quote 2");
    assert_eq!(matter.amount.expect("an amount").to_string(), "100 GBP");
    assert!(!matter.closed);
    let orders = world.system.all("Order");
    assert_eq!(orders.len(), 1);
    assert_eq!(orders[0].get("Key"), &Value::from("Q-2"));
    let store = world.runtime.store();
    let reference = store.reference("order", "Q-2", "sys").expect("a read").expect("a reference");
    assert_eq!(Some(&*reference.record_id), orders[0].get("Id").as_str());

    world.system.write("Invoice", r#"{"Order": "Q-2", "Net": 100}"#);
    let matter = world.matter("2", "invoiced").await;
    assert!(matter.closed);
    let run = world
        .until("completed run", |store| {
            let run = store.run_of_key("quote-to-cash", "quote:2").expect("a read")?;
            store.run(run).expect("a read").filter(|row| row.status == RunStatus::Completed)
        })
        .await;
    assert!(run.state.is_empty());
    assert_eq!(store.intents().expect("a read"), []);
    assert_eq!(store.transactions("", ALL).expect("a read").len(), 1, "the draft is no matter");
    let lines = world.journal(&matter);
    assert_eq!(
        lines,
        [
            "quote 2 starts quote-to-cash",
            "Quote 2: accepted",
            "create-order sent to sys",
            &format!("sys created order {}", reference.record_id),
            "Quote 2: ordered",
            "Heard that invoice Invoice-2 changed",
            "Quote 2: invoiced",
            "quote-to-cash is complete",
        ]
    );
    let figures = world.runtime.figures();
    assert_eq!((figures.runs_started, figures.runs_completed, figures.runs_live), (1, 1, 0));
    assert_eq!(figures.added_latency.count, 1);
    assert!(figures.commit.count >= 3);
    world.runtime.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_starts_nothing_again_once_it_is_complete() {
    let world = World::new().await;
    world.system.invoice_at_once();
    world.system.quote("1", 100, "accepted");
    world.matter("1", "invoiced").await;
    world.system.quote("1", 101, "accepted");
    world.system.quote("2", 100, "accepted");
    world.matter("2", "invoiced").await;
    assert_eq!(world.system.all("Order").len(), 2);
    assert_eq!(world.runtime.figures().runs_started, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_before_the_run_listens_is_not_lost() {
    let world = World::new().await;
    world.system.quote("1", 5000, "accepted");
    let item = world.item("credit").await;
    // The invoice is there while the run still waits for a person.
    world.system.write("Invoice", r#"{"Order": "Q-1", "Net": 100}"#);
    world.until("stored event", |store| store.oldest_event().expect("a read")).await;
    world.decide(item.id, "release", None, None).await.expect("released");
    assert!(world.matter("1", "invoiced").await.closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_event_is_heard_after_a_restart_too() {
    let world = World::new().await;
    world.system.quote("1", 5000, "accepted");
    let item = world.item("credit").await;
    world.system.write("Invoice", r#"{"Order": "Q-1", "Net": 100}"#);
    world.until("stored event", |store| store.oldest_event().expect("a read")).await;
    let world = world.restart(&[]).await;
    assert_eq!(world.runtime.figures().runs_live, 1);
    world.decide(item.id, "release", None, None).await.expect("released");
    assert!(world.matter("1", "invoiced").await.closed);
}

const LOOPING: &str = r#"
document: { dsl: '1.0.3', namespace: sales, name: quote-to-cash, version: '1.0.0' }
schedule: { on: { one: { with: { type: interlock.quote.changed.v1, data: '${ .status == "accepted" }' } } } }
input: { from: '.[0]' }
do:
  - keep:
      set: ${ . }
      export: { as: '{number: .number, seen: []}' }
  - next:
      listen:
        to:
          one:
            with: { type: interlock.invoice.changed.v1 }
            correlate: { order: { from: .data.order, expect: '${ $context.number }' } }
      export: { as: '$context | .seen += [$output[0].net]' }
  - again:
      switch:
        - more: { when: '${ $context.seen | length < 3 }', then: next }
        - enough: { then: done }
  - done:
      call: milestone:1.0.0@process
      with: { stage: '${ $context.seen | map(tostring) | join(" ") }' }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_listens_again_does_not_hear_the_same_event_again() {
    let world = World::with(&[("workflows/quote-to-cash.yaml", LOOPING)]).await;
    world.system.quote("1", 1, "accepted");
    let listening = |store: &dyn store::Store| {
        let runs = store.listening_runs(None, 10).expect("a read");
        (!runs.is_empty()).then_some(())
    };
    world.until("run that listens", listening).await;
    for net in [10, 20] {
        world.system.write("Invoice", &format!(r#"{{"Order": "1", "Net": {net}}}"#));
    }
    let heard = |store: &dyn store::Store| {
        let matter = store.transaction_of_key("quote", "1").expect("a read")?;
        let lines = store.journal(matter.id, ALL).expect("a read");
        (lines.iter().filter(|line| &*line.kind == "heard").count() == 2).then_some(())
    };
    world.until("run that heard two events", heard).await;
    let world = world.restart(&[("workflows/quote-to-cash.yaml", LOOPING)]).await;
    world.system.write("Invoice", r#"{"Order": "1", "Net": 30}"#);
    world.matter("1", "10 20 30").await;
}

const OTHERS: [(&str, &str); 2] = [
    (
        "workflows/quote-to-cash.yaml",
        r#"
document: { dsl: '1.0.3', namespace: sales, name: quote-to-cash, version: '1.0.0' }
schedule: { on: { one: { with: { type: interlock.quote.changed.v1, data: '${ .status == "accepted" }' } } } }
input: { from: '.[0]' }
do:
  - child:
      run: { workflow: { namespace: sales, name: order, version: '1.0.0', input: '${ {key: .number, total: .total} }' } }
      export: { as: $output }
  - tell:
      emit: { event: { with: { source: /test, type: ordered, data: '${ $context }' } } }
  - wait:
      listen: { to: { one: { with: { type: answered }, correlate: { n: { from: .data.number, expect: '${ $context.number }' } } } } }
  - pause: { wait: PT0.01S }
  - done: { call: 'milestone:1.0.0@process', with: { stage: done } }
"#,
    ),
    (
        "workflows/order.yaml",
        r#"
document: { dsl: '1.0.3', namespace: sales, name: order, version: '1.0.0' }
do:
  - mark: { call: 'milestone:1.0.0@process', with: { stage: ordering }, output: { as: $input } }
  - create: { call: 'create-order:1.0.0@sys', with: { key: '${ .key }', total: '${ .total }' } }
"#,
    ),
];

const ANSWERING: (&str, &str) = (
    "workflows/answer.yaml",
    r#"
document: { dsl: '1.0.3', namespace: sales, name: answer, version: '1.0.0' }
schedule: { on: { one: { with: { type: ordered } } } }
do:
  - tell: { emit: { event: { with: { source: /test, type: answered, data: '${ .[0] }' } } } }
"#,
);

#[tokio::test(flavor = "multi_thread")]
async fn workflows_run_others_tell_others_and_wait() {
    let world = World::with(&[OTHERS[0], OTHERS[1], ANSWERING]).await;
    world.system.quote("7", 70, "accepted");
    let matter = world.matter("7", "done").await;
    assert_eq!(world.system.all("Order")[0].get("Total"), &value("70"));
    world.until("end of all runs", |store| store.live_runs().expect("a read").is_empty().then_some(())).await;
    let figures = world.runtime.figures();
    assert_eq!((figures.runs_started, figures.runs_completed), (3, 3));
    let lines = world.journal(&matter);
    for line in ["quote-to-cash runs order", "Told: ordered", "Told: answered", "Heard answered"] {
        assert!(lines.iter().any(|found| found == line), "{line} in {lines:?}");
    }
    let store = world.runtime.store();
    assert_eq!(store.next_timer(), Ok(None));
    assert_eq!(store.listening_runs(None, 9), Ok(vec![]));
}

const HELD_AND_LOOPING: &str = r#"
document: { dsl: '1.0.3', namespace: sales, name: quote-to-cash, version: '1.0.0' }
schedule: { on: { one: { with: { type: interlock.quote.changed.v1, data: '${ .status == "accepted" }' } } } }
input: { from: '.[0]' }
do:
  - keep:
      set: ${ . }
      export: { as: '{number: .number, seen: []}' }
  - ask: { call: 'credit:1.0.0@queue', with: { title: Not yet } }
  - follow:
      listen:
        to:
          any:
            - with: { type: interlock.invoice.changed.v1 }
              correlate: { order: { from: .data.order, expect: '${ $context.number }' } }
          until: '${ $context.seen | length >= 4 }'
        read: envelope
      foreach:
        item: event
        do:
          - see:
              set: ${ . }
              export: { as: '$context | .seen += [$event.data.net]' }
  - done:
      call: milestone:1.0.0@process
      with: { stage: '${ $context.seen | map(tostring) | join(" ") }' }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_came_early_is_heard_before_what_comes_while_it_is_told() {
    let world = World::with(&[("workflows/quote-to-cash.yaml", HELD_AND_LOOPING)]).await;
    let numbers: Vec<String> = (1..=24).map(|number| number.to_string()).collect();
    for number in &numbers {
        world.system.quote(number, 1, "accepted");
    }
    world.until("held quotes", |store| (open_items(store, "credit").len() == numbers.len()).then_some(())).await;
    let invoice = |net: u32, number: &str| {
        world.system.write("Invoice", &format!(r#"{{"Order": "{number}", "Net": {net}}}"#));
    };
    for number in &numbers {
        invoice(1, number);
        invoice(2, number);
    }
    for item in open_items(&*world.runtime.store(), "credit") {
        world.decide(item.id, "release", None, None).await.expect("released");
        let key = world.runtime.store().transaction(item.transaction).expect("a read").expect("a matter").key;
        invoice(3, &key);
        invoice(4, &key);
    }
    for number in &numbers {
        world.matter(number, "1 2 3 4").await;
    }
}
