//! What systems say that nobody can use: each ends in a named place, and nothing else waits for it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::SOON;
use crate::between::replace;
use crate::program::until;
use crate::systems::Interlock;
use crate::world::World;

fn account(world: &World, name: &str, postal_code: &str) -> String {
    world.create_account(&json!({"Name": name, "BillingPostalCode": postal_code, "BillingCountry": "Ireland"}))
}

/// Waits until these accounts, and no others, have partners.
fn linked(world: &World, interlock: &Interlock<'_>, accounts: &[&String]) {
    until(SOON, || {
        let found = world.accounts("ERP_Customer_Number__c != null");
        let all = accounts.iter().all(|id| found.iter().any(|account| account["Id"] == ***id));
        if all && found.len() == accounts.len() { Ok(()) } else { Err(format!("{found:#?} {:#?}", interlock.items())) }
    });
}

/// Has it tried again, unless a sweep did that already.
fn retry(interlock: &Interlock<'_>, item: &Value) {
    let path = format!("items/{}/retry", item["id"].as_str().expect("an id"));
    let (status, answer) = interlock.ops(Method::POST, &path, Some(&json!({})));
    let is_settled = status == 409 && answer.to_string().contains("not open any more");
    assert!(status / 100 == 2 || is_settled, "{answer}");
}

#[test]
fn a_text_that_is_not_utf_8_names_its_record_and_the_others_of_the_same_answer_go_on() {
    let mut world = World::new();
    let between = world.between();
    between.tamper(|_, body| Some((200, replace(body, b"Poison", b"P\xffison"))).filter(|(_, told)| told != body));
    // Also where many come at once, before the first start and while Interlock is away.
    let early = [account(&world, "Poison of old", "1"), account(&world, "Early", "2")];
    let interlock = world.interlock();
    linked(&world, &interlock, &[&early[1]]);
    interlock.item(&format!("{} of crm cannot be read", early[0]));
    interlock.program.kill();
    let later: Vec<String> = (0..5).map(|number| account(&world, &format!("Later {number}"), "3")).collect();
    let poison = account(&world, "Poison Ltd", "4");
    let interlock = world.interlock();
    let fine: Vec<&String> = early[1..].iter().chain(&later).collect();
    linked(&world, &interlock, &fine);
    let item = interlock.item(&format!("{poison} of crm cannot be read"));
    assert_eq!(item["queue"], "data");
    assert!(item["reason"].as_str().expect("a reason").contains("UTF-8"), "{item:#}");
    between.behave();
    for item in interlock.items() {
        retry(&interlock, &item);
    }
    let all: Vec<&String> = early.iter().chain(&later).chain([&poison]).collect();
    linked(&world, &interlock, &all);
    until(SOON, || {
        let items = interlock.items();
        if items.is_empty() { Ok(()) } else { Err(format!("{items:#?}")) }
    });
}

#[test]
fn a_record_that_cannot_be_read_and_is_deleted_needs_nobody_any_more() {
    let mut world = World::new();
    let between = world.between();
    between.tamper(|_, body| Some((200, replace(body, b"Poison", b"P\xffison"))).filter(|(_, told)| told != body));
    // Before the first start: what comes later brings its values with the event.
    let (poison, fine) = (account(&world, "Poison", "1"), account(&world, "Fine", "2"));
    let interlock = world.interlock();
    linked(&world, &interlock, &[&fine]);
    interlock.item(&format!("{poison} of crm cannot be read"));
    world.delete_account(&poison);
    until(SOON, || {
        let items = interlock.items();
        if items.is_empty() { Ok(()) } else { Err(format!("{items:#?}")) }
    });
}

#[test]
fn a_field_that_goes_under_way_stops_its_object_alone_says_so_and_goes_on_when_it_is_back() {
    let mut world = World::new();
    world.sweep_often();
    let between = world.between();
    let interlock = world.interlock();
    let before = account(&world, "Before", "1");
    linked(&world, &interlock, &[&before]);
    between.tamper(|path, _| {
        let error =
            json!([{"errorCode": "INVALID_FIELD", "message": "No such column 'Search_Term__c' on entity 'Account'"}]);
        path.contains("Search_Term__c").then(|| (400, error.to_string().into_bytes()))
    });
    let meanwhile = account(&world, "Meanwhile", "2");
    until(SOON, || {
        let (_, found) = interlock.ops(Method::GET, "overview", None);
        let told = found.to_string();
        if told.contains("No such column 'Search_Term__c'") { Ok(()) } else { Err(told) }
    });
    // What does not need the field goes on.
    world.create_product("TG11", "Trading good", "PC");
    until(SOON, || {
        let found = world.records("SELECT Name FROM Product2 WHERE ERP_Product__c = 'TG11'");
        if found.len() == 1 { Ok(()) } else { Err(format!("{:#?}", interlock.items())) }
    });
    linked(&world, &interlock, &[&before]);
    assert_eq!(interlock.items(), Vec::<Value>::new(), "it is not the records' fault");
    between.behave();
    linked(&world, &interlock, &[&before, &meanwhile]);
    assert_eq!(interlock.items(), Vec::<Value>::new());
}

#[test]
fn a_value_of_another_type_or_too_long_is_for_a_person_and_goes_on_when_it_is_mended() {
    let mut world = World::new();
    let between = world.between();
    between.tamper(|_, body| {
        Some((200, replace(body, b"\"Seventh City\"", b"{\"city\":7}"))).filter(|(_, told)| told != body)
    });
    let interlock = world.interlock();
    // The first load is over when this one is there: its job gives no JSON.
    let early = account(&world, "Early", "0");
    linked(&world, &interlock, &[&early]);
    let odd = world.create_account(&json!({"Name": "Odd", "BillingCity": "Seventh City", "BillingCountry": "Ireland"}));
    let long = account(&world, "Long", "LS1 4AP and more");
    let fine = account(&world, "Fine", "1");
    linked(&world, &interlock, &[&early, &fine]);
    let item = interlock.item(&format!("{odd} of crm cannot be read"));
    assert!(item["reason"].as_str().expect("a reason").contains("city"), "{item:#}");
    let refused = interlock.item("erp refuses Long");
    assert!(refused["reason"].as_str().expect("a reason").contains("10"), "{refused:#}");
    between.behave();
    world.update_account(&long, &json!({"BillingPostalCode": "LS1"}));
    retry(&interlock, &item);
    linked(&world, &interlock, &[&early, &odd, &long, &fine]);
    until(SOON, || {
        let items = interlock.items();
        if items.is_empty() { Ok(()) } else { Err(format!("{items:#?}")) }
    });
}
