//! What functions and feeds make of inputs, answers, changes and records.

use std::sync::Arc;

use connect::{Action, Change, ChangeKind, PushedChange};
use definitions::{Feed, Function, FunctionSide};
use model::Value;

use crate::support::good;

fn value(text: &str) -> Value {
    model::json::parse(text.as_bytes()).expect("JSON")
}

fn function(name: &str) -> Arc<Function> {
    Arc::clone(&good().connections["erp"].functions[name])
}

fn feed(connection: &str, name: &str) -> Arc<Feed> {
    Arc::clone(&good().connections[connection].feeds[name])
}

#[test]
fn a_create_carries_its_business_key_and_probe() {
    let create = function("create-order");
    let input = value(
        r#"{"key":"Q-1","customer":{"country":"GB"},"net":{"amount":1.50,"currency":"GBP"},"lines":[{"product":"A","quantity":2}]}"#,
    );
    let call = create.call(None, &input).expect("fits");
    assert_eq!(
        call.body.to_string(),
        r#"{"PurchaseOrder":"Q-1","Country":"United Kingdom","Net":1.50,"Currency":"GBP","to_Item":[{"Material":"A","Quantity":2}],"Type":"OR"}"#
    );
    assert_eq!((call.action, &*call.record, &call.key), (Action::Create, "A_SalesOrder", &None));
    assert_eq!(call.probe, [("PurchaseOrder".into(), Value::from("Q-1"))]);
    assert_eq!(create.business_key(&input).expect("a key").as_deref(), Some("Q-1"));
    let output = create.answer(&input, value(r#"{"SalesOrder":"4711"}"#)).expect("readable");
    assert_eq!(output.get("number"), &Value::from("4711"));
    let (object, key, id) = create.reference(&input, &output).expect("a reference").expect("a rule");
    assert_eq!((object.as_str(), &*key, &*id), ("order", "Q-1", "4711"));
}

#[test]
fn what_does_not_fit_says_which_side() {
    let create = function("create-order");
    let error = create.call(None, &value(r#"{"key":"Q-1234567890"}"#)).expect_err("too long");
    assert_eq!(error.side, FunctionSide::Input);
    assert_eq!(error.mapping.expect("cells").cells[0].rule, "it has 12 characters where 10 are allowed");
    let error = create.call(None, &value("{}")).expect_err("no key");
    assert_eq!(error.to_string(), "the input of create-order:1.0.0@erp has no probe: `.key` gives nothing");
    let error = create.business_key(&value(r#"{"key":""}"#)).expect_err("no key");
    assert_eq!(error.to_string(), "the input of create-order:1.0.0@erp has no businessKey: `.key` gives nothing");
    let error = create.answer(&Value::Null, value(r#"{"Country":"Atlantis"}"#)).expect_err("unknown country");
    assert_eq!(error.side, FunctionSide::Answer);
    assert!(error.message.contains("`Country` is \"Atlantis\""), "{error}");
    let error = create.reference(&value(r#"{"key":"Q-1"}"#), &value("{}")).expect_err("no id");
    assert_eq!(error.side, FunctionSide::Answer);
}

#[test]
fn reads_and_finds() {
    let read = function("read-order");
    let input = value(r#"{"number":4711}"#);
    let call = read.call(None, &input).expect("fits");
    let key = call.key.expect("a key");
    assert_eq!((&*key.field, key.value, call.body), ("SalesOrder", Value::from(4711), Value::Null));
    assert_eq!(read.answer(&input, Value::Null).expect("readable").to_string(), r#"{"order":null,"asked":4711}"#);
    assert!(read.call(None, &value("{}")).is_err());
    assert_eq!(read.business_key(&input), Ok(None));

    let find = function("find-orders");
    let call = find.call(None, &value(r#"{"key":"Q-1"}"#)).expect("fits");
    assert_eq!(call.body.to_string(), r#"{"PurchaseOrder":"Q-1"}"#, "no constants in a search");
    let found =
        find.answer(&Value::Null, value(r#"[{"PurchaseOrder":"Q-1"},{"PurchaseOrder":"Q-2"}]"#)).expect("readable");
    assert_eq!(found.items().iter().map(|order| order.get("key").to_string()).collect::<String>(), r#""Q-1""Q-2""#);
    let call = function("by-customer").call(None, &value(r#"{"customer":"17"}"#)).expect("fits");
    assert_eq!(call.body.to_string(), r#"{"SoldTo":"17"}"#);
}

fn change(kind: ChangeKind, changed: &[&str], values: &str) -> Change {
    Change {
        record: "Quote".into(),
        ids: vec!["1".into()],
        kind,
        changed: changed.iter().map(|field| (*field).into()).collect(),
        values: value(values),
        at: "2026-11-23T09:30:00Z".parse().expect("an instant"),
        ours: false,
    }
}

#[test]
fn a_feed_wants_what_may_matter() {
    let quotes = feed("crm", "quotes");
    let wants = |kind, changed: &[&str], values: &str| quotes.wants(&change(kind, changed, values));
    assert!(wants(ChangeKind::Updated, &["Status"], r#"{"Status":"Accepted"}"#));
    assert!(!wants(ChangeKind::Updated, &["Status"], r#"{"Status":"Draft"}"#));
    assert!(!wants(ChangeKind::Updated, &["Name"], r#"{"Name":"x"}"#));
    assert!(wants(ChangeKind::Updated, &[], "null"), "unknown extent");
    assert!(wants(ChangeKind::Unknown, &[], "{}"), "a gap");
    assert!(wants(ChangeKind::Updated, &["Status"], "{}"), "no values");
    let other = Change { record: "Order".into(), ..change(ChangeKind::Created, &[], "null") };
    assert!(!quotes.wants(&other));
    assert!(!quotes.matches_push("order.x"));
}

#[test]
fn a_pushed_notification_names_its_record() {
    let orders = feed("erp", "orders");
    assert!(orders.matches_push("order.changed.v1") && !orders.matches_push("invoice.changed.v1"));
    let pushed = |keys: &str| PushedChange {
        id: "1".into(),
        source: "".into(),
        event_type: "order.changed.v1".into(),
        at: "2026-11-23T09:30:00Z".parse().expect("an instant"),
        keys: value(keys),
    };
    assert_eq!(orders.push_id(&pushed(r#"{"SalesOrder":"4711"}"#)).as_deref(), Ok("4711"));
    let error = orders.push_id(&pushed("{}")).expect_err("no id");
    assert_eq!(
        error.to_string(),
        "the notification order.changed.v1 for the feed orders@erp names no record: `.SalesOrder` gives nothing"
    );
}

#[test]
fn a_record_becomes_canonical_or_is_left_out() {
    let orders = feed("erp", "orders");
    let canonical =
        orders.canonical(&value(r#"{"PurchaseOrder":"Q-1","SalesOrder":"4711"}"#)).expect("readable").expect("wanted");
    assert_eq!((&*canonical.key, canonical.object.get("number")), ("Q-1", &Value::from("4711")));
    assert_eq!(orders.canonical(&value(r#"{"PurchaseOrder":"Q-ignored"}"#)), Ok(None));
    assert_eq!(orders.canonical(&Value::Null), Ok(None));
    let error = orders.canonical(&value("{}")).expect_err("no key");
    assert_eq!(error.to_string(), "`key` of the feed orders@erp: `.key` gives nothing for this record");
    assert!(feed("crm", "quotes").canonical(&value("{}")).expect_err("required").mapping.is_some());
}

#[test]
fn a_canonical_object_has_to_fit_its_schema() {
    let orders = feed("erp", "orders");
    let object = orders.canonical(&value(r#"{"PurchaseOrder":"Q-1","to_Item":[{"Material":"A"}]}"#));
    let object = object.expect("readable").expect("wanted").object;
    assert_eq!(orders.check(&object), Ok(()), "what a record lacks is null");
    let object = orders.canonical(&value(r#"{"PurchaseOrder":"Q-1","SalesOrder":4711,"to_Item":[{"Material":7}]}"#));
    let error = orders.check(&object.expect("readable").expect("wanted").object).expect_err("numbers");
    assert_eq!(error.side, FunctionSide::Answer);
    assert_eq!(
        error.to_string(),
        "the record does not fit the schema of `order` (feed orders@erp): /number: 4711 is not of type \"string\"; \
         /lines/0/product: 7 is not of type \"string\""
    );
}
