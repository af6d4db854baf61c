//! Runs that fail, systems that are down, and answers that get lost.

use std::time::Duration;

use model::{Value, json};
use runtime::RunOperation;
use store::{RunStatus, WorkItemStatus};
use workflow::FunctionReference;

use crate::project::project;
use crate::world::{ALL, World, start, try_start, value};

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_waits_for_a_person_who_corrects_its_input() {
    let world = World::new().await;
    world.system.quote("1", 13, "accepted");
    let item = world.item("integration").await;
    assert_eq!(&*item.title, "Quote 1: create of quote-to-cash failed");
    assert!(item.reason.contains("Thirteen is not a total"), "{}", item.reason);
    assert_eq!(item.content.get("allow"), &value(r#"["retry", "correct", "cancel"]"#));
    assert_eq!(item.amount.expect("an amount").to_string(), "13 GBP");
    let run = item.run.as_ref().expect("a run").0;
    let row = world.runtime.store().run(run).expect("a read").expect("a run");
    assert_eq!(row.status, RunStatus::Failed);

    // A retry as it was fails again, with an item of its own.
    let world = world.restart(&[]).await;
    world.decide(item.id, "retry", None, None).await.expect("retried");
    let again = world
        .until("another item", |store| {
            crate::world::open_items(store, "integration").into_iter().find(|other| other.id != item.id)
        })
        .await;
    let before = world.runtime.store().work_item(item.id).expect("a read").expect("an item");
    assert_eq!(before.status, WorkItemStatus::Resolved);
    let refused = world.decide(again.id, "cancel", None, None).await.expect_err("a note is required");
    assert_eq!(refused.code, "IL-RUN-005");
    let refused = world.decide(again.id, "retry", None, Some("{}")).await.expect_err("it takes no record");
    assert_eq!(refused.code, "IL-RUN-006");
    world.decide(again.id, "cancel", Some("never"), None).await.expect("cancelled");
    world.matter("1", "cancelled").await;
    assert!(world.system.all("Order").is_empty());
}

const FRAGILE: &str = r#"
document: { dsl: '1.0.3', namespace: sales, name: quote-to-cash, version: '1.0.0' }
schedule: { on: { one: { with: { type: interlock.quote.changed.v1, data: '${ .status == "accepted" }' } } } }
input: { from: '.[0]' }
do:
  - create:
      call: create-order:1.0.0@sys
      with: { key: '${ .number }', total: '${ .total }' }
  - done:
      call: milestone:1.0.0@process
      with: { stage: done }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn another_input_mends_a_failed_task() {
    let world = World::with(&[("workflows/quote-to-cash.yaml", FRAGILE)]).await;
    world.system.quote("1", 13, "accepted");
    let item = world.item("integration").await;
    assert_eq!(item.content.get("record").get("total"), &Value::from(13));
    let mut record = item.content.get("record").clone();
    record.set("total", 14);
    world.decide(item.id, "correct", None, Some(&json::to_string(&record))).await.expect("corrected");
    world.matter("1", "done").await;
    assert_eq!(world.system.all("Order")[0].get("Total"), &Value::from(14));
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_and_outages_double_nothing() {
    let world = World::new().await;
    world.system.invoice_at_once();
    world.system.set_weather(30, 30);
    for number in 0..40 {
        world.system.quote(&number.to_string(), 10 + 100 * number, if number < 10 { "accepted" } else { "draft" });
    }
    for number in 0..10 {
        world.matter(&number.to_string(), "invoiced").await;
    }
    let mut keys: Vec<String> = world.system.all("Order").iter().map(|order| order.get("Key").to_string()).collect();
    keys.sort();
    keys.dedup();
    assert_eq!((keys.len(), world.system.all("Order").len()), (10, 10));
    let lines = world.runtime.store().transactions("", ALL).expect("matters");
    let lines: Vec<String> = lines.iter().flat_map(|matter| world.journal(matter)).collect();
    assert!(lines.iter().any(|line| line.contains("is tried again until it works")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("found again after a lost answer")), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_allowed_or_not_there_is_said() {
    let world = World::new().await;
    let call = async |function: &str, input: &str| {
        let function: FunctionReference = function.parse().expect("a function");
        world.runtime.call(&function, value(input), Duration::from_secs(2)).await
    };
    world.system.write("Order", r#"{"Key": "K-1"}"#);
    let found = call("read-order:1.0.0@sys", r#"{"key": "K-1"}"#).await.expect("an answer");
    assert_eq!(found.get("number").as_str(), Some("Order-1"));
    assert_eq!(call("create-order:1.0.0@sys", "{}").await.expect_err("refused").status, 403);
    assert_eq!(call("nothing:1.0.0@sys", "{}").await.expect_err("refused").status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_matters_cannot_create_the_same_thing() {
    const SAME: &str = r#"
document: { dsl: '1.0.3', namespace: sales, name: quote-to-cash, version: '1.0.0' }
schedule: { on: { one: { with: { type: interlock.quote.changed.v1, data: '${ .status == "accepted" }' } } } }
do:
  - create: { call: 'create-order:1.0.0@sys', with: { key: the-same, total: 1 } }
"#;
    let world = World::with(&[("workflows/quote-to-cash.yaml", SAME)]).await;
    world.system.set_weather(100, 0);
    world.system.quote("1", 1, "accepted");
    world.until("intent", |store| store.intents().expect("a read").into_iter().next()).await;
    world.system.quote("2", 1, "accepted");
    let item = world.item("integration").await;
    assert!(item.reason.contains("under way already"), "{}", item.reason);
    world.system.set_weather(0, 0);
    world.until("end of the first run", |store| store.intents().expect("a read").is_empty().then_some(())).await;
    assert_eq!(world.system.all("Order").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_with_the_text_it_began_with() {
    let world = World::new().await;
    world.system.quote("1", 50, "accepted");
    world.matter("1", "ordered").await;
    let changed = [("workflows/quote-to-cash.yaml", FRAGILE)];
    let world = world.restart(&changed).await;
    world.system.write("Invoice", r#"{"Order": "Q-1", "Net": 50}"#);
    world.matter("1", "invoiced").await;
    world.system.quote("2", 50, "accepted");
    world.matter("2", "done").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_without_what_live_runs_need_does_not_start() {
    const WITHOUT: &str = "
connector: memory
functions:
  order: { version: 1.0.0, action: create, record: Order, effect: once, businessKey: .key, probe: { Key: .key } }
feeds:
  quotes: { topic: /Quote, record: Quote, mapping: quote.sys, object: quote, key: .number }
  invoices: { topic: /Invoice, record: Invoice, mapping: invoice.sys, object: invoice, key: .number }
";
    let world = World::new().await;
    world.system.quote("1", 50, "accepted");
    world.matter("1", "ordered").await;
    let World { system, runtime, folder } = world;
    runtime.stop(Duration::from_secs(5)).await;
    let workflow = FRAGILE.replace("create-order", "order");
    let changed = [("connections/sys.yaml", WITHOUT), ("workflows/quote-to-cash.yaml", workflow.as_str())];
    let release = project(folder.path(), &changed);
    let problem = try_start(&release, runtime.store(), &system).await.err().expect("refused");
    assert_eq!(problem.code, "IL-RUN-010");
    assert!(problem.to_string().contains("create-order:1.0.0@sys"), "{problem}");

    let runtime = start(&project(folder.path(), &[]), runtime.store(), &system).await;
    let world = World { system, runtime, folder };
    world.system.write("Invoice", r#"{"Order": "Q-1", "Net": 50}"#);
    world.matter("1", "invoiced").await;
}

const IMPATIENT: &str = r#"
document: { dsl: '1.0.3', namespace: sales, name: quote-to-cash, version: '1.0.0' }
schedule: { on: { one: { with: { type: interlock.quote.changed.v1, data: '${ .status == "accepted" }' } } } }
input: { from: '.[0]' }
do:
  - keep: { set: '${ . }', export: { as: . } }
  - try:
      try:
        - create:
            call: create-order:1.0.0@sys
            with: { key: '${ $context.number }', total: 1 }
            timeout: { after: PT0.05S }
      catch:
        errors: { with: { status: 408 } }
        do:
          - ask: { call: 'credit:1.0.0@queue', with: { title: It takes too long } }
  - again:
      call: create-order:1.0.0@sys
      with: { key: '${ $context.number }', total: 1 }
  - pause: { wait: PT0.1S }
  - done: { call: 'milestone:1.0.0@process', with: { stage: done } }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_looked_for_before_it_is_created_again_and_timers_outlive_the_process() {
    let impatient = [("workflows/quote-to-cash.yaml", IMPATIENT)];
    let world = World::with(&impatient).await;
    world.system.set_weather(100, 0);
    world.system.quote("1", 1, "accepted");
    let item = world.item("credit").await;
    // It is not sent any more, and what was under way is known.
    world.until("rest", |store| store.intents().expect("a read").is_empty().then_some(())).await;
    world.system.set_weather(0, 0);
    let world = world.restart(&impatient).await;
    world.decide(item.id, "release", None, None).await.expect("released");
    world.until("timer", |store| store.next_timer().expect("a read")).await;
    assert_eq!((world.system.all("Order").len(), world.system.calls("probe Order")), (1, 1));
    let world = world.restart(&impatient).await;
    world.matter("1", "done").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_after_its_run_was_cancelled_is_told() {
    let world = World::new().await;
    world.system.hold_creates(true);
    world.system.quote("1", 50, "accepted");
    let intent = world.until("intent", |store| store.intents().expect("a read").into_iter().next()).await;
    let cancel = RunOperation::Cancel { reason: "a mistake".into() };
    world.runtime.operate(intent.run, cancel, "oscar").await.expect("cancelled");
    world.matter("1", "cancelled").await;
    world.system.hold_creates(false);
    let item = world.item("integration").await;
    assert_eq!(&*item.title, "create-order happened in sys after its run had ended");
    assert_eq!(item.amount.expect("an amount").to_string(), "50 GBP");
    let store = world.runtime.store();
    let reference = store.reference("order", "Q-1", "sys").expect("a read").expect("it is known whose it is");
    assert_eq!(Some(&*reference.record_id), world.system.all("Order")[0].get("Id").as_str());
    assert_eq!(store.intents(), Ok(vec![]));
    world.decide(item.id, "retry", None, None).await.expect_err("there is nothing to retry");
    world.decide(item.id, "dismiss", None, None).await.expect("seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_and_could_not_be_read_is_looked_for_when_it_is_retried() {
    let world = World::with(&[("workflows/quote-to-cash.yaml", FRAGILE)]).await;
    world.system.mumble();
    world.system.quote("1", 50, "accepted");
    let item = world.item("integration").await;
    assert!(item.reason.contains("It did happen in sys"), "{}", item.reason);
    world.decide(item.id, "retry", None, None).await.expect("retried");
    world.matter("1", "done").await;
    assert_eq!((world.system.calls("probe Order"), world.system.calls("create Order")), (1, 1));
    assert_eq!(world.system.all("Order").len(), 1);
}
