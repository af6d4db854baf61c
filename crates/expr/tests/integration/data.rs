//! Data that expressions of the reference integration are tried on: by the tests, and by the example that measures.

use model::{Value, json};

/// The variables that an expression mentions; those that it binds itself hide the given ones.
pub(crate) fn names(text: &str) -> Vec<&str> {
    let mut names: Vec<&str> = text
        .split('$')
        .skip(1)
        .map(|rest| &rest[..rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len())])
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Inputs, each with an object that holds the variables.
pub(crate) fn inputs() -> Vec<(Value, Value)> {
    let parse = |text: &str| json::parse(text.as_bytes()).expect("json");
    let context = parse(CONTEXT);
    let quote = context.get("quote").clone();
    let order = context.get("orders").get("Q-1-1010").clone();
    let variables = Value::object([
        ("context", context.clone()),
        ("input", parse(r#"{"number":"4711","key":"Q-1-1010","orders":[],"plant":"1010","product":"P-1"}"#)),
        ("output", parse(OUTPUT)),
        ("order", order.clone()),
        ("line", parse(r#"{"number":"10","product":"P-1","quantity":2}"#)),
        ("plant", Value::from("1010")),
        ("event", parse(EVENT)),
        ("problem", parse(r#"{"detail":"The product P-9 is not known.","status":422}"#)),
        ("workflow", parse(r#"{"startedAt":{"iso8601":"2026-03-04T05:06:07Z"}}"#)),
        ("task", parse(r#"{"name":"order"}"#)),
    ]);
    let strange = Value::object(
        ["context", "input", "output", "order", "line", "plant", "event", "problem", "workflow", "task"]
            .map(|name| (name, parse(r#"["neither", {"this": 1.50}, null]"#))),
    );
    vec![
        (context, variables.clone()),
        (quote, variables.clone()),
        (order, variables.clone()),
        (parse(EVENT), variables.clone()),
        (parse(OUTPUT), variables.clone()),
        (parse(RECORD), variables.clone()),
        (Value::array([parse(EVENT)]), variables.clone()),
        (Value::Null, variables.clone()),
        (Value::from("text"), variables.clone()),
        (parse("[1, 2.50, null]"), variables.clone()),
        (Value::Null, Value::Null),
        (parse(CONTEXT), strange.clone()),
        (Value::from(12), strange),
    ]
}

const CONTEXT: &str = r#"{
  "quote": {"id": "0Q0", "number": "Q-1", "status": "accepted", "total": {"amount": 1234.50, "currency": "GBP"},
    "customer": {"id": "001", "key": "C-1", "name": "Burlington", "erpNumber": null, "country": "GB"}},
  "lines": [
    {"product": "P-1", "name": "Generator", "quantity": 2, "price": {"amount": 500.25, "currency": "GBP"}},
    {"product": "P-2", "name": "Panel", "quantity": 1.5, "price": {"amount": 156.00, "currency": "GBP"}}],
  "checked": {"net": {"amount": 1100.00, "currency": "GBP"}, "credit": "B", "plants": ["1010", "1710"]},
  "orders": {
    "Q-1-1010": {"number": "4711", "plant": "1010", "net": 1000.50, "shipped": true, "cancelled": false,
      "key": "Q-1-1010", "lines": [{"number": "10", "product": "P-1"}],
      "invoices": {"9001": {"net": 600.50, "tax": 120.10, "paid": true}, "9002": {"net": 400.00, "tax": 80.00, "paid": false}}},
    "Q-1-1710": {"number": "4712", "plant": "1710", "net": 234.00, "shipped": false, "cancelled": true, "invoices": {}}},
  "current": "Q-1-1010", "decision": {"action": "release", "by": "olivia", "note": null},
  "return": {"id": "0RO", "number": "R-1", "orderNumber": "4711", "total": {"amount": 500.25, "currency": "GBP"},
    "customer": {"name": "Burlington", "erpNumber": "17100001"}, "lines": [{"product": "P-1", "quantity": 1}]},
  "items": {"P-1": "10"}, "memo": {"net": {"amount": 500.25}, "tax": {"amount": 100.05}},
  "cancelled": ["Q-1-1710"], "late": [], "refused": null
}"#;
const OUTPUT: &str = r#"{"number": "4713", "net": {"amount": 1100.00, "currency": "GBP"}, "credit": "B", "key": "Q-1-1710",
  "lines": [{"product": "P-1", "plant": "1010", "number": "10", "quantity": 2, "net": {"amount": 1000.50}},
            {"product": "P-2", "plant": "1710", "number": "20", "quantity": 1.5}],
  "record": {"country": "FR", "lines": [{"product": "P-1", "quantity": 3, "name": "Generator", "price": 400.10}]},
  "action": "reject", "cancelled": ["Q-1-1710"], "late": [{"key": "Q-1-1010", "net": 17.00, "detail": "shipped"}],
  "problem": "The product P-9 is not known.", "detail": "too late"}"#;
const EVENT: &str = r#"{"type": "interlock.invoice.changed.v1", "subject": "Q-1", "time": "2026-03-04T05:06:07Z",
  "data": {"number": "9003", "order": "Q-1-1010", "return": null, "kind": "invoice", "status": "submitted",
    "net": {"amount": 234.00, "currency": "GBP"}, "tax": {"amount": 46.80, "currency": "GBP"}, "paid": true},
  "status": "accepted", "kind": "invoice", "lines": [{"salesDocument": "4711", "orderNumber": "4711"}]}"#;
const RECORD: &str = r#"{"body": {"customer": "17100001", "currency": null, "lines": [{"product": "P-1", "quantity": 2}]},
  "path": {"product": "P-1", "number": "Q-1"}, "query": {"plant": null}, "AvailableQuantityInBaseUnit": "12.500",
  "BaseUnit": "PC", "status": "Held: tax", "message": null, "number": "R-1", "credited": null, "id": "0Q0",
  "InvoiceClearingStatus": "C", "OutboundDelivery": "80000001", "lines": [{"product": "P-1", "plant": "1010"}],
  "net": {"amount": 5}, "quote": {"customer": {"name": "Burlington"}, "total": {"amount": 1, "currency": "GBP"}},
  "late": [{"key": "Q-1-1010", "detail": "shipped"}], "orders": [{"number": "4711"}]}"#;
