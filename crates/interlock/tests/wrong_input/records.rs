//! Records that the mapping cannot read, or cannot write: a person gets to see each, and no other order waits for it.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::program::{LATER, SOON, until};
use crate::world::{Interlock, World};

/// Has an item's record read again. Its correction may have been noticed before: then the item is withdrawn already.
fn retry(interlock: &Interlock<'_>, item: &Value) {
    let path = format!("items/{}/retry", item["id"].as_str().expect("an id"));
    let (status, answer) = interlock.ops(Method::POST, &path, Some(&json!({})));
    assert!(status == 200 || status == 409, "{status}: {answer}");
}

fn actions(item: &Value) -> Vec<&str> {
    item["actions"].as_array().expect("actions").iter().filter_map(|action| action["name"].as_str()).collect()
}

fn reason(item: &Value) -> &str {
    item["reason"].as_str().expect("a reason")
}

#[test]
fn a_record_that_cannot_be_read_waits_for_its_correction_and_nothing_else_does() {
    let world = World::new();
    // The currency and a discount come from fields in which a sales person writes what he likes.
    let mapping = "mappings/quote.crm.yaml";
    world.edit(mapping, "type: money, currency: GBP }", "type: money, currency: Customer_Reference__c }");
    world.edit(
        mapping,
        "  reference: Customer_Reference__c\n",
        "  discount: { field: Description, type: money, currency: GBP }\n",
    );
    let kinds = "discount: { anyOf: [{ $ref: '#/$defs/money' }, { type: 'null' }] }";
    world.edit("objects/quote.yaml", "reference: { type: [string, 'null'] }", kinds);
    let interlock = world.interlock(&[], &[]);

    let pounds = json!({"Customer_Reference__c": "GBP"});
    let (account, without_number) = world.new_customer(None);
    let (product, without_code) = world.new_product(None);
    let nobody = json!({
        "Name": "Nobody's", "StageName": "Negotiation/Review", "CloseDate": "2027-12-31"
    });
    let nobody = world.create("Opportunity", &nobody);
    let bad = BTreeMap::from([
        ("number", world.draft(&without_number, &world.product, &pounds)),
        ("code", world.draft(&world.customer, &without_code, &pounds)),
        ("currency", world.draft(&world.customer, &world.product, &json!({"Customer_Reference__c": "pounds"}))),
        (
            "amount",
            world.draft(
                &world.customer,
                &world.product,
                &json!({"Customer_Reference__c": "GBP", "Description": "ten pounds"}),
            ),
        ),
        ("account", world.draft(&nobody, &world.product, &pounds)),
    ]);
    let good = world.draft(&world.customer, &world.product, &pounds);
    bad.values().for_each(|quote| world.accept(quote));
    world.accept(&good);

    // Nothing else waits.
    world.wait_for_orders(std::slice::from_ref(&good), SOON);
    let items: BTreeMap<&str, Value> = bad.iter().map(|(what, quote)| (*what, interlock.item_of(quote))).collect();
    for (what, parts) in [
        ("number", ["`Account.AccountNumber` is empty", "it is required"]),
        ("code", ["`QuoteLineItems[0].Product2.ProductCode` is empty", "it is required"]),
        ("currency", ["`Customer_Reference__c` is no ISO 4217 code such as `GBP`", "`TotalPrice`"]),
        ("amount", ["`Description` is \"ten pounds\"", "an amount is wanted"]),
        ("account", ["`Account.AccountNumber` is empty", "it is required"]),
    ] {
        let item = &items[what];
        assert_eq!((&item["queue"], &item["status"]), (&json!("data"), &json!("open")), "{item}");
        assert_eq!(actions(item), ["retry", "dismiss"], "{item}");
        for part in parts.into_iter().chain(["mapping quote.crm"]) {
            assert!(reason(item).contains(part), "`{part}` is not in {}", reason(item));
        }
    }
    assert_eq!(interlock.items().len(), bad.len());
    world.ordered_once(std::slice::from_ref(&good));

    // Reading it again before it is corrected changes nothing.
    interlock.decide(&items["number"], "retry", &json!({}));
    let again = until(SOON, || {
        let item = interlock.item_of(&bad["number"]);
        if item["id"] == items["number"]["id"] { Err("no new item yet".to_owned()) } else { Ok(item) }
    });
    assert_eq!(reason(&again), reason(&items["number"]));

    world.update("Account", &account, &json!({"AccountNumber": "2002"}));
    world.update("Product2", &product, &json!({"ProductCode": "CHAIR"}));
    world.sell_in_erp("CHAIR");
    world.update("Quote", &bad["currency"], &json!({"Customer_Reference__c": "GBP"}));
    world.update("Quote", &bad["amount"], &json!({"Description": "12.50"}));
    for item in [&again, &items["code"], &items["currency"], &items["amount"]] {
        retry(&interlock, item);
    }
    interlock.decide(&items["account"], "dismiss", &json!({"note": "nobody's order"}));
    let mut ordered: Vec<String> = ["number", "code", "currency", "amount"].map(|what| bad[what].clone()).into();
    ordered.push(good);
    world.wait_for_orders(&ordered, SOON);
    world.ordered_once(&ordered);
    interlock.has_no_items();
    interlock.stop();
}

#[test]
fn a_text_that_the_erp_has_no_room_for_is_corrected_in_its_item() {
    let world = World::new();
    let interlock = world.interlock(&[], &[]);
    let product = json!({"Name": "Lamp", "ProductCode": "X".repeat(60), "IsActive": true});
    let product = world.create("Product2", &product);
    let entry = world.records("SELECT Pricebook2Id FROM PricebookEntry");
    let entry = json!({
        "Pricebook2Id": entry[0]["Pricebook2Id"], "Product2Id": product, "UnitPrice": 10.0, "IsActive": true
    });
    let entry = world.create("PricebookEntry", &entry);
    let long = world.draft(&world.customer, &entry, &Value::Null);
    world.accept(&long);
    let mut quotes = world.accepted(1);
    world.wait_for_orders(&quotes, SOON);

    let item = until(SOON, || {
        let items = interlock.items();
        items.first().cloned().ok_or_else(|| "no item".to_owned())
    });
    assert_eq!(item["queue"], "data", "{item}");
    assert!(reason(&item).contains("`Material` takes at most 40 characters, this value has 60"), "{item}");
    let held =
        world.records(&format!("SELECT Interlock_Status__c, Interlock_Message__c FROM Quote WHERE Id = '{long}'"));
    assert_eq!(held[0]["Interlock_Status__c"], "Held: data");
    assert!(held[0]["Interlock_Message__c"].as_str().is_some_and(|text| text.contains("40 characters")), "{held:?}");
    assert_eq!(interlock.items().len(), 1);

    let mut record = item["record"].clone();
    record["lines"][0]["product"] = json!("LAMP");
    interlock.decide(&item, "correct", &json!({"record": record}));
    quotes.push(long);
    world.wait_for_orders(&quotes, SOON);
    world.ordered_once(&quotes);
    interlock.stop();
}

/// The function for customers looks before it creates: what cannot be written must not be looked for again and again.
#[test]
fn a_customer_number_that_the_mapping_refuses_is_an_item_and_holds_no_other_customer_up() {
    let world = World::new();
    let interlock = world.interlock(&[], &[]);
    let mut long = Vec::new();
    for digit in ["1", "2", "3", "4"] {
        let (account, opportunity) = world.new_customer(Some(&digit.repeat(30)));
        let quote = world.draft(&opportunity, &world.product, &Value::Null);
        world.accept(&quote);
        long.push((account, quote));
    }
    let numbers = ["1", "2", "3", "4"].map(|digit| digit.repeat(30));
    let items: Vec<Value> = numbers.iter().map(|number| interlock.item_with("key", number)).collect();
    for item in &items {
        assert_eq!(item["queue"], "data", "{item}");
        assert!(reason(item).contains("it has 30 characters where 20 are allowed"), "{item}");
        assert!(actions(item).contains(&"correct"), "{item}");
    }
    // As many as would shut the function, if it were the function's fault.
    let (_, customer) = world.new_customer(Some("3003"));
    let other = world.draft(&customer, &world.product, &Value::Null);
    world.accept(&other);
    world.wait_for_orders(std::slice::from_ref(&other), SOON);
    assert_eq!(interlock.connection("erp")["state"], "up");

    for ((number, (account, _)), item) in (4_000..).zip(&long).zip(&items) {
        world.update("Account", account, &json!({"AccountNumber": number.to_string()}));
        let mut record = item["record"].clone();
        record["key"] = json!(number.to_string());
        interlock.decide(item, "correct", &json!({"record": record}));
    }
    let quotes: Vec<String> = long.into_iter().map(|(_, quote)| quote).chain([other]).collect();
    world.wait_for_orders(&quotes, LATER / 3);
    world.ordered_once(&quotes);
    interlock.stop();
}

#[test]
fn a_country_that_is_none_is_corrected_in_the_tax_queue() {
    let world = World::new();
    let interlock = world.interlock(&[], &[]);
    let (account, customer) = world.new_customer(Some("5005"));
    world.update("Account", &account, &json!({"BillingCountry": "Unspecified"}));
    let quote = world.draft(&customer, &world.product, &Value::Null);
    world.accept(&quote);
    let item = interlock.item_with("country", "Unspecified");
    assert_eq!((&item["queue"], &item["amount"]["amount"]), (&json!("tax"), &json!(20.0)), "{item}");
    let status = || {
        let held = world.records(&format!("SELECT Interlock_Status__c FROM Quote WHERE Id = '{quote}'"));
        held[0]["Interlock_Status__c"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(status(), "Held: tax");
    // What is no country either is asked about again.
    interlock.decide(&item, "correct", &json!({"record": {"country": "Nowhere"}}));
    let item = interlock.item_with("country", "Nowhere");
    interlock.decide(&item, "correct", &json!({"record": {"country": "GB"}}));
    world.wait_for_orders(std::slice::from_ref(&quote), SOON);
    world.ordered_once(std::slice::from_ref(&quote));
    interlock.has_no_items();
    interlock.stop();
}

#[test]
fn a_quote_that_is_taken_back_while_it_is_held_is_not_ordered() {
    let world = World::new();
    let interlock = world.interlock(&[], &[]);
    let (account, customer) = world.new_customer(Some("5006"));
    world.update("Account", &account, &json!({"BillingCountry": "Unspecified"}));
    let quote = world.draft(&customer, &world.product, &Value::Null);
    world.accept(&quote);
    let item = interlock.item_with("country", "Unspecified");
    world.update("Quote", &quote, &json!({"Status": "Denied"}));
    interlock.decide(&item, "correct", &json!({"record": {"country": "GB"}}));
    until(SOON, || {
        let found = world.records(&format!("SELECT Interlock_Status__c FROM Quote WHERE Id = '{quote}'"));
        if found[0]["Interlock_Status__c"] == "Cancelled" { Ok(()) } else { Err(found[0].to_string()) }
    });
    assert!(world.orders().is_empty(), "{:?}", world.orders());
    interlock.has_no_items();
    interlock.stop();
}
