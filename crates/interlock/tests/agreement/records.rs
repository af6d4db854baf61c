//! Records as people find and read them: the same truth on the page, for programs and at the command line.

use serde_json::json;

use crate::pages::Visitor;
use crate::program::until;
use crate::world::World;
use crate::{LATER, SOON};

#[test]
fn a_record_is_found_and_its_page_says_who_said_what_and_why_it_counts() {
    let world = World::new();
    let interlock = world.interlock();
    let account = world.create_account(&json!({
        "Name": "ACME <Limited>", "BillingCity": "Leeds", "BillingPostalCode": "LS1", "BillingCountry": "Ireland"
    }));
    let number = until(SOON, || {
        let found = world.account(&account);
        found["ERP_Customer_Number__c"].as_str().map(str::to_owned).ok_or_else(|| format!("{found}"))
    });
    world.update_partner(&number, &json!({"OrganizationBPName1": "Grabbed"}));
    until(SOON, || match world.partner(&number)["OrganizationBPName1"].as_str() {
        Some("ACME <Limited>") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let key = world.account(&account)["Interlock_Key__c"].as_str().expect("a key").to_owned();
    let visitor = Visitor::of(&interlock);

    // By part of the name, by key, and by the id that either system has for it.
    let found = format!("data-record=\"{key}\"");
    for text in ["limited", &key, &key[..key.len() - 2], &account, &number] {
        let page = visitor.sees(&format!("/records/customer?q={text}"));
        assert!(page.contains(&found), "{text}: {page}");
        assert_eq!(page.matches("data-row").count(), 1, "{text}: {page}");
    }
    assert!(visitor.sees("/records/customer?q=nobody").contains("Nothing is found"));
    assert!(visitor.sees("/records/customer").contains(&found));
    assert!(visitor.sees("/records/nothing").starts_with("404"));
    assert!(visitor.sees("/records/customer/nobody").starts_with("404"));

    // What the page says is what programs and the command line are told.
    let page = until(SOON, || {
        let page = visitor.sees(&format!("/records/customer/{key}"));
        if page.contains("data-stage=\"in agreement\"") { Ok(page) } else { Err(page) }
    });
    let explained = interlock.explain(&key, "name").expect("an explanation");
    let name = &explained["members"][0];
    assert_eq!((&name["lost"]["erp"], &explained["state"]), (&json!("Grabbed"), &json!("in agreement")));
    let row = page.split("data-member=\"name\"").nth(1).and_then(|rest| rest.split("</tr>").next()).expect("a row");
    for part in [
        "ACME &lt;Limited&gt;",
        "Grabbed, which lost",
        "owned by Salesforce",
        name["why"].as_str().expect("why"),
        name["event"].as_str().expect("the event"),
        name["release"].as_str().expect("the release"),
    ] {
        assert!(row.contains(part), "{part} is not in {row}");
    }
    for part in [&account, &number, "written", "Transaction", "What happened"] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    for system in explained["systems"].as_array().expect("systems") {
        assert_eq!(system["state"], "it is there", "{system}");
        assert!(system["read_at"].is_string(), "{system}");
    }
    // Its transaction leads to it.
    let transaction = explained["transaction"].as_str().expect("a transaction");
    let path = format!("/records/customer/{key}");
    for page in [format!("/transactions/{transaction}"), "/transactions".to_owned()] {
        assert!(visitor.sees(&page).contains(&path), "{page} does not lead to the record");
    }
}

#[test]
fn a_record_that_waits_for_a_person_says_so_and_who_belongs_to_whom_is_linked() {
    let world = World::new();
    world.sweep_often();
    let interlock = world.interlock();
    world.create_product("P-1", "Rocket", "PC");
    world.create_price("P-1", "12.50", "GBP");
    let visitor = Visitor::of(&interlock);
    let product = until(LATER, || {
        let page = visitor.sees("/records/product/P-1");
        if page.contains("/records/price/P-1-GBP") { Ok(page) } else { Err(page) }
    });
    assert!(product.contains("Belong to it"), "{product}");
    let price = visitor.sees("/records/price/P-1-GBP");
    assert!(price.contains("Belongs to") && price.contains("/records/product/P-1\""), "{price}");

    let account = world.create_account(&json!({
        "Name": "ACME", "BillingCity": "Leeds", "BillingPostalCode": "LS1", "BillingCountry": "Ireland"
    }));
    let number = until(SOON, || {
        let found = world.account(&account);
        found["ERP_Customer_Number__c"].as_str().map(str::to_owned).ok_or_else(|| format!("{found}"))
    });
    let key = world.account(&account)["Interlock_Key__c"].as_str().expect("a key").to_owned();
    // Both change the same member, which nobody owns, while nobody listens.
    interlock.program.kill();
    world.update_account(&account, &json!({"Search_Term__c": "FROM CRM"}));
    world.update_partner(&number, &json!({"SearchTerm1": "FROM ERP"}));
    let interlock = world.interlock();
    let visitor = Visitor::of(&interlock);
    let path = format!("/records/customer/{key}");
    let item = interlock.item("which searchTerm is right?");
    let item = format!("/items/{}", item["id"].as_str().expect("an id"));
    // The page is read in parts, between which the item may be opened.
    until(SOON, || {
        let page = visitor.sees(&path);
        let parts =
            ["Waits for a person", "data-stage=\"in conflict\"", "A person decides", "FROM CRM", "FROM ERP", &item];
        match parts.into_iter().find(|part| !page.contains(part)) {
            None => Ok(()),
            Some(part) => Err(format!("{part} is not in {page}")),
        }
    });
    assert!(visitor.sees(&item).contains(&path), "its work item leads to the record");
}

#[test]
fn what_goes_to_and_fro_is_one_item_and_no_list_says_that_it_is_in_agreement() {
    let world = World::new();
    // Nobody has said that the ERP writes postal codes in capitals, and neither stops.
    for file in ["mappings/customer.erp.new.yaml", "mappings/customer.erp.address.yaml"] {
        world.edit(file, "{ field: PostalCode, case: upper }", "PostalCode");
    }
    let interlock = world.interlock();
    let account = world.create_account(&json!({
        "Name": "ACME", "BillingCity": "Leeds", "BillingPostalCode": "ls1 4ap", "BillingCountry": "Ireland"
    }));
    let item = interlock.item("goes to and fro");
    assert!(item["reason"].as_str().is_some_and(|reason| reason.contains("LS1 4AP")), "{item:#}");
    until(SOON, || {
        let (_, found) = interlock.ops(reqwest::Method::GET, "transactions?q=ACME", None);
        match found["transactions"][0]["stage"].as_str() {
            Some("goes to and fro") => Ok(()),
            _ => Err(found.to_string()),
        }
    });
    assert_eq!(interlock.items().len(), 1, "{:?}", interlock.items());
    // Another value ends it, and what was asked of people.
    world.update_account(&account, &json!({"BillingPostalCode": "LS2"}));
    until(SOON, || {
        let items = interlock.items();
        if items.is_empty() { Ok(()) } else { Err(format!("{items:#?}")) }
    });
}
