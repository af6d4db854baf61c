//! What names a parent that Interlock does not know yet.

use crate::world::World;

const CONNECTION: &str = "
connector: memory
functions:
  link-or-create-order:
    version: 1.0.0
    action: create
    record: Order
    effect: once
    businessKey: .key
    probe: { Key: .key }
    lookFirst: true
    input: '{Key: .key}'
    output: '{number: .Id}'
    reference: { object: order, key: .key, id: .number }
feeds:
  quotes: { topic: /Quote, record: Quote, mapping: quote.sys, object: quote, key: .number }
  invoices:
    topic: /Invoice
    record: Invoice
    mapping: invoice.sys
    object: invoice
    key: .number
    resolve: { as: order, object: order, id: .orderNumber }
";
const INVOICE: &str = "
object: invoice
schema:
  type: object
  properties: { number: { type: string }, orderNumber: { type: string }, order: { type: [string, 'null'] } }
";
const MAPPING: &str = "
object: invoice
connection: sys
record: Invoice
fields: { number: Id, orderNumber: Order }
";
const WORKFLOW: &str = r#"
document: { dsl: '1.0.3', namespace: sales, name: quote-to-cash, version: '1.0.0' }
schedule: { on: { one: { with: { type: interlock.quote.changed.v1, data: '${ .status == "accepted" }' } } } }
input: { from: '.[0]' }
do:
  - keep:
      set: ${ . }
      export: { as: '{key: ("Q-" + .number)}' }
  - link:
      call: link-or-create-order:1.0.0@sys
      with: { key: '${ $context.key }' }
  - check:
      call: credit:1.0.0@queue
      with: { title: Credit, reason: Too much at once., record: {}, allow: [release] }
  - invoiced:
      listen:
        to:
          one:
            with: { type: interlock.invoice.changed.v1 }
            correlate: { order: { from: .data.order, expect: '${ $context.key }' } }
  - done:
      call: milestone:1.0.0@process
      with: { stage: invoiced, closed: true }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_hears_of_an_invoice_that_was_there_before_the_run_linked_its_order() {
    let world = World::with(&[
        ("connections/sys.yaml", CONNECTION),
        ("objects/invoice.yaml", INVOICE),
        ("mappings/invoice.sys.yaml", MAPPING),
        ("workflows/quote-to-cash.yaml", WORKFLOW),
    ])
    .await;
    world.system.write("Order", r#"{"Id": "by-hand", "Key": "Q-1"}"#);
    world.system.write("Invoice", r#"{"Order": "by-hand"}"#);
    world.until("invoice that is read", |_| (world.system.calls("read Invoice") == 1).then_some(())).await;
    world.system.quote("1", 100, "accepted");
    let item = world.item("credit").await;
    assert_eq!(world.system.all("Order").len(), 1, "linked");
    // The invoice comes again while the run does not listen yet.
    world.until("stored event", |store| store.oldest_event().expect("a read")).await;
    world.decide(item.id, "release", None, None).await.expect("released");
    assert!(world.matter("1", "invoiced").await.closed);
}
