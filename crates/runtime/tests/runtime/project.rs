//! The project of the tests: quotes become orders, and orders are followed to their invoices.

use std::path::Path;
use std::sync::Arc;

use definitions::{LoadError, Release};

use crate::world::Memory;

const FILES: [(&str, &str); 10] = [
    ("interlock.yaml", "name: test\nstore: { sqlite: data/test.db }\n"),
    (
        "connections/sys.yaml",
        "
connector: memory
limits: { concurrent: 4 }
retry: { first: 5ms, factor: 2, longest: 50ms, settle: 50ms }
functions:
  create-order:
    version: 1.0.0
    action: create
    record: Order
    effect: once
    businessKey: .key
    probe: { Key: .key }
    input: '{Key: .key, Total: .total}'
    output: '{number: .Id}'
    reference: { object: order, key: .key, id: .number }
  save-quote:
    version: 1.0.0
    action: update
    record: Quote
    key: { field: Id, value: .id }
    input: '{Note: .note}'
  read-order:
    version: 1.0.0
    action: read
    record: Order
    key: { field: Key, value: .key }
    output: '{number: .Id}'
feeds:
  quotes: { topic: /Quote, record: Quote, mapping: quote.sys, object: quote, key: .number }
  invoices: { topic: /Invoice, record: Invoice, mapping: invoice.sys, object: invoice, key: .number }
",
    ),
    (
        "objects/quote.yaml",
        "
object: quote
schema:
  type: object
  properties: { number: { type: string }, status: { type: string }, total: { type: number } }
",
    ),
    (
        "objects/invoice.yaml",
        "
object: invoice
schema:
  type: object
  properties: { number: { type: string }, order: { type: string }, net: { type: number } }
",
    ),
    (
        "mappings/quote.sys.yaml",
        "
object: quote
connection: sys
record: Quote
fields:
  number: Number
  status: Status
  total: { field: Total, type: decimal, required: true }
",
    ),
    (
        "mappings/invoice.sys.yaml",
        "
object: invoice
connection: sys
record: Invoice
fields:
  number: Id
  order: Order
  net: { field: Net, type: decimal }
",
    ),
    (
        "queues/credit.yaml",
        "
queue: credit
title: Credit hold
purpose: Orders beyond the limit.
who: [finance]
clock: 4h
actions:
  release: { label: Release }
  correct: { label: Correct, edit: true }
  reject: { label: Reject, note: required }
",
    ),
    (
        "queues/integration.yaml",
        "
queue: integration
title: Integration
purpose: Runs that failed.
who: [operator]
clock: 1h
actions:
  retry: { label: Retry }
  correct: { label: Correct and retry, edit: true }
  cancel: { label: Cancel, note: required }
",
    ),
    (
        "workflows/quote-to-cash.yaml",
        r#"
document: { dsl: '1.0.3', namespace: sales, name: quote-to-cash, version: '1.0.0' }
schedule:
  on:
    one:
      with:
        type: interlock.quote.changed.v1
        data: ${ .status == "accepted" }
input: { from: '.[0]' }
do:
  - accepted:
      call: milestone:1.0.0@process
      with:
        title: '${ "Quote " + .number }'
        stage: accepted
        amount: { amount: '${ .total }', currency: GBP }
      output: { as: $input }
      export: { as: '{number: .number, key: ("Q-" + .number), total: .total}' }
  - check:
      if: ${ $context.total > 1000 }
      call: credit:1.0.0@queue
      with:
        title: '${ "Credit for " + $context.number }'
        reason: Too much at once.
        amount: { amount: '${ $context.total }', currency: GBP }
        record: { total: '${ $context.total }' }
        allow: [release, correct, reject]
      export: { as: '$context | .decision = $output | .total = ($output.record.total // .total)' }
  - decided:
      switch:
        - rejected: { when: '${ $context.decision.action == "reject" }', then: rejected }
        - go: { then: create }
  - create:
      call: create-order:1.0.0@sys
      with: { key: '${ $context.key }', total: '${ $context.total }' }
  - ordered:
      call: milestone:1.0.0@process
      with: { stage: ordered }
  - invoiced:
      listen:
        to:
          one:
            with: { type: interlock.invoice.changed.v1 }
            correlate: { order: { from: .data.order, expect: '${ $context.key }' } }
  - paid:
      call: milestone:1.0.0@process
      with: { stage: invoiced, closed: true }
      then: end
  - rejected:
      call: milestone:1.0.0@process
      with: { stage: rejected, closed: true }
"#,
    ),
    (
        "objects/order.yaml",
        "
object: order
schema:
  type: object
  properties: { key: { type: string }, number: { type: string }, total: { type: number } }
",
    ),
];

/// One of its files.
pub(crate) fn file(name: &str) -> &'static str {
    FILES.iter().find(|(own, _)| *own == name).expect("a file of the project").1
}

/// A folder with the project, and changed or more files.
pub(crate) fn project(folder: &Path, more: &[(&str, &str)]) -> Arc<Release> {
    let changed = |name: &str| more.iter().any(|(other, _)| *other == name);
    for (name, text) in FILES.iter().filter(|(name, _)| !changed(name)).chain(more) {
        let file = folder.join(name);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(file, text).expect("a file");
    }
    match definitions::load(folder, &[&Memory], &|_| None) {
        Ok((release, _)) => Arc::new(release),
        Err(LoadError::Definitions { diagnostics, sources }) => panic!("{}", sources.render(&diagnostics, false)),
        Err(other) => panic!("{other}"),
    }
}
