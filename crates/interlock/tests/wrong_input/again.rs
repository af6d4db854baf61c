//! A quote that is rejected or taken back, corrected, and accepted again is another attempt: it is ordered once, and never beside an
//! order that stands.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::program::{LATER, SOON, until};
use crate::world::{Interlock, World};

/// What the sales person reads on the quote.
fn status(world: &World, quote: &str) -> (String, String) {
    let found =
        world.records(&format!("SELECT Interlock_Status__c, Interlock_Message__c FROM Quote WHERE Id = '{quote}'"));
    let text = |name: &str| found[0][name].as_str().unwrap_or_default().to_owned();
    (text("Interlock_Status__c"), text("Interlock_Message__c"))
}

fn reaches(world: &World, quote: &str, wanted: &str) -> String {
    until(SOON, || match status(world, quote) {
        (status, message) if status == wanted => Ok(message),
        other => Err(format!("{other:?}, not {wanted}")),
    })
}

fn number(world: &World, quote: &str) -> String {
    let found = world.records(&format!("SELECT QuoteNumber FROM Quote WHERE Id = '{quote}'"));
    found[0]["QuoteNumber"].as_str().expect("a number").to_owned()
}

/// The orders of a quote in the CRM: status by key.
fn orders(world: &World, quote: &str) -> BTreeMap<String, String> {
    let soql = format!("SELECT Interlock_Key__c, ERP_Status__c FROM Order WHERE QuoteId = '{quote}'");
    let text = |order: &Value, name: &str| order[name].as_str().unwrap_or_default().to_owned();
    let found = world.records(&soql);
    found.iter().map(|order| (text(order, "Interlock_Key__c"), text(order, "ERP_Status__c"))).collect()
}

/// An accepted quote that waits for finance, because the country of its customer is none.
fn held(world: &World, interlock: &Interlock<'_>, customer: &str) -> (String, String, Value) {
    let (account, opportunity) = world.new_customer(Some(customer));
    world.update("Account", &account, &json!({"BillingCountry": "Unspecified"}));
    let quote = world.draft(&opportunity, &world.product, &Value::Null);
    world.accept(&quote);
    let item = interlock.item_with("country", "Unspecified");
    (account, quote, item)
}

/// Nothing comes any more: the ERP takes events in at once, and waits for nothing.
fn slow_deliveries(world: &World) {
    world.control(&world.erp, "timing", &json!({"deliveryAfterMs": 600_000}));
}

#[test]
fn a_rejected_quote_that_is_accepted_again_becomes_one_order() {
    let world = World::new();
    slow_deliveries(&world);
    let interlock = world.interlock(&[], &[]);
    let (account, quote, item) = held(&world, &interlock, "7001");
    interlock.decide(&item, "reject", &json!({"note": "no such country"}));
    assert_eq!(reaches(&world, &quote, "Rejected"), "oscar: no such country");

    // An echo of what is over starts nothing: a change of an accepted quote is no acceptance.
    world.update("Quote", &quote, &json!({"Name": "Another name"}));
    world.update("Account", &account, &json!({"BillingCountry": "United Kingdom"}));
    let other = world.accepted(1);
    world.wait_for_orders(&other, SOON);
    assert_eq!(status(&world, &quote).0, "Rejected");

    // Between the two, nobody need have looked.
    interlock.program.kill();
    world.update("Quote", &quote, &json!({"Status": "Draft"}));
    world.accept(&quote);
    let interlock = world.interlock(&[], &[]);
    world.wait_for_orders(std::slice::from_ref(&quote), SOON);
    assert_eq!(status(&world, &quote), ("Ordered".to_owned(), String::new()), "what was said before is gone");
    let number = number(&world, &quote);
    let key = format!("{number}-1010-2");
    assert_eq!(orders(&world, &quote), BTreeMap::from([(key.clone(), "In ERP".to_owned())]));
    assert_eq!(world.orders().iter().filter(|order| order.starts_with(&number)).collect::<Vec<_>>(), [&key]);
    interlock.has_no_items();

    // Both attempts are one story.
    let (_, found) = interlock.ops(Method::GET, &format!("transactions?q={number}"), None);
    let matter = found["transactions"][0]["id"].as_str().expect("the matter").to_owned();
    assert_eq!(found["transactions"].as_array().map(Vec::len), Some(1), "{found}");
    let (_, story) = interlock.ops(Method::GET, &format!("transactions/{matter}"), None);
    let told = story.to_string();
    for line in ["starts quote-to-cash\"", "rejected", "starts quote-to-cash again, on occasion 2"] {
        assert!(told.contains(line), "{line}: {told}");
    }
    interlock.stop();
}

#[test]
fn an_acceptance_that_no_event_tells_of_and_one_that_is_told_twice_are_one_attempt_each() {
    let world = World::new();
    slow_deliveries(&world);
    world.control(&world.crm, "faults", &json!({"duplicate_event": 1.0}));
    let interlock = world.interlock(&[], &[]);
    let (account, quote, item) = held(&world, &interlock, "7003");
    interlock.decide(&item, "reject", &json!({"note": "no such country"}));
    reaches(&world, &quote, "Rejected");
    world.control(&world.crm, "faults", &json!({"duplicate_event": 0.0, "lost_event": 1.0}));
    world.update("Account", &account, &json!({"BillingCountry": "United Kingdom"}));
    world.update("Quote", &quote, &json!({"Status": "Draft"}));
    world.accept(&quote);
    world.wait_for_orders(std::slice::from_ref(&quote), LATER);
    let key = format!("{}-1010-2", number(&world, &quote));
    assert_eq!(orders(&world, &quote), BTreeMap::from([(key.clone(), "In ERP".to_owned())]));
    assert_eq!(world.orders(), [key]);
    interlock.has_no_items();
    interlock.stop();
}

#[test]
fn what_is_accepted_again_while_it_is_held_is_not_forgotten() {
    let world = World::new();
    slow_deliveries(&world);
    let interlock = world.interlock(&[], &[]);
    let (account, quote, item) = held(&world, &interlock, "7002");
    world.update("Account", &account, &json!({"BillingCountry": "United Kingdom"}));
    world.update("Quote", &quote, &json!({"Status": "Draft"}));
    let line = world.records(&format!("SELECT Id FROM QuoteLineItem WHERE QuoteId = '{quote}'"));
    world.update("QuoteLineItem", line[0]["Id"].as_str().expect("an id"), &json!({"Quantity": 3}));
    world.accept(&quote);
    // What is accepted after it is read after it. That it waits survives the process, too.
    let other = world.accepted(1);
    world.wait_for_orders(&other, SOON);
    interlock.program.kill();
    let interlock = world.interlock(&[], &[]);
    let other = world.accepted(1);
    world.wait_for_orders(&other, SOON);
    assert_eq!(status(&world, &quote).0, "Held: tax", "one attempt at a time");
    interlock.decide(&item, "correct", &json!({"record": {"country": "GB"}}));
    world.wait_for_orders(std::slice::from_ref(&quote), SOON);
    let key = format!("{}-1010-2", number(&world, &quote));
    assert_eq!(orders(&world, &quote), BTreeMap::from([(key, "In ERP".to_owned())]));
    let net = world.records(&format!("SELECT Net_Amount__c FROM Order WHERE QuoteId = '{quote}'"));
    assert_eq!(net[0]["Net_Amount__c"], json!(30.0), "what was accepted last is ordered");
    interlock.has_no_items();
    interlock.stop();
}

#[test]
fn a_cancelled_quote_is_ordered_anew_and_one_that_stands_is_not() {
    let world = World::new();
    slow_deliveries(&world);
    let interlock = world.interlock(&[], &[]);
    let quote = world.accepted(1).remove(0);
    world.wait_for_orders(std::slice::from_ref(&quote), SOON);
    let number = number(&world, &quote);
    let (first, second) = (format!("{number}-1010"), format!("{number}-1010-2"));

    // While its order stands, nothing more is ordered, and whoever accepted it again reads why.
    world.update("Quote", &quote, &json!({"Status": "Draft"}));
    world.accept(&quote);
    until(SOON, || match status(&world, &quote) {
        (status, message) if status == "Ordered" && message.starts_with("Accepted again, but ") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(world.orders(), std::slice::from_ref(&first));

    world.update("Quote", &quote, &json!({"Status": "Denied"}));
    reaches(&world, &quote, "Cancelled");
    assert_eq!(orders(&world, &quote), BTreeMap::from([(first.clone(), "Cancelled".to_owned())]));
    world.accept(&quote);
    let third = format!("{number}-1010-3");
    world.wait_for_orders(std::slice::from_ref(&quote), SOON);
    let wanted = BTreeMap::from([(first.clone(), "Cancelled".to_owned()), (third.clone(), "In ERP".to_owned())]);
    assert_eq!(orders(&world, &quote), wanted);
    let mut booked = world.orders();
    booked.sort();
    assert_eq!(booked, [first, third], "{second} was never made");

    // The new order is followed to its end, and what is accepted after that finds it standing.
    world.control(&world.erp, "timing", &json!({"deliveryAfterMs": 1}));
    let more = world.accepted(1);
    reaches(&world, &more[0], "Completed");
    world.update("Quote", &more[0], &json!({"Status": "Denied"}));
    world.accept(&more[0]);
    let message = reaches(&world, &more[0], "Ordered before");
    assert!(message.contains(" stands: nothing more was ordered"), "{message}");
    assert_eq!(world.orders().len(), 3);
    interlock.has_no_items();
    interlock.stop();
}
