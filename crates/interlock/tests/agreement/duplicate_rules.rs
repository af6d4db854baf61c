//! Customers that the CRM refuses to make, because a duplicate rule of its takes them for accounts that it has.

use reqwest::Method;
use serde_json::{Value, json};

use crate::SOON;
use crate::pages::Visitor;
use crate::program::until;
use crate::systems::Interlock;
use crate::world::World;

const LEEDS: &str = "Leeds";

/// A project that does not look accounts through, so that what no event tells stays unknown.
fn world() -> World {
    let world = World::new();
    world.edit("connections/crm.yaml", "    sweep: { every: 20s, overlap: 2m }\n", "");
    world
}

/// The CRM takes accounts in the same city for the same.
fn rule(world: &World, action: &str) {
    let rules = json!([{"object": "Account", "fields": ["BillingCity"], "action": action}]);
    world.control(&world.crm, "duplicate-rules", &rules);
}

/// An account that Interlock has not heard of.
fn unheard(world: &World, name: &str, postal_code: &str) -> String {
    world.control(&world.crm, "faults", &json!({"lost_event": 1.0}));
    let account = world.create_account(&json!({
        "Name": name, "BillingCity": LEEDS, "BillingPostalCode": postal_code, "BillingCountry": "United Kingdom"
    }));
    world.control(&world.crm, "faults", &json!({"lost_event": 0.0}));
    account
}

/// Everything that there was is known: a customer of the ERP has arrived in the CRM.
fn settled(world: &World, interlock: &Interlock<'_>) {
    let first = world.create_partner("Settled Supplies", "York", "YO1 7HH");
    numbered(world, interlock, &first);
}

/// The account with this number of the ERP.
fn numbered(world: &World, interlock: &Interlock<'_>, number: &str) -> Value {
    until(SOON, || {
        let found = world.accounts(&format!("ERP_Customer_Number__c = '{number}'"));
        found.first().cloned().ok_or_else(|| format!("{number} has no account: {:?}", interlock.items()))
    })
}

fn decide(interlock: &Interlock<'_>, item: &Value, action: &str) -> (u16, Value) {
    let path = format!("items/{}/{action}", item["id"].as_str().expect("an id"));
    interlock.ops(Method::POST, &path, Some(&json!({})))
}

fn actions(item: &Value) -> Vec<String> {
    let actions = item["actions"].as_array().expect("actions");
    actions.iter().filter_map(|action| action["name"].as_str()).map(str::to_owned).collect()
}

fn none_open(interlock: &Interlock<'_>) {
    until(SOON, || if interlock.items().is_empty() { Ok(()) } else { Err(format!("{:?}", interlock.items())) });
}

#[test]
fn what_the_crm_has_already_is_linked_and_not_made_again() {
    let world = world();
    let mut interlock = world.interlock();
    settled(&world, &interlock);
    rule(&world, "block");
    let account = unheard(&world, "Umbrella Trading", "LS1 4AP");
    // The process dies while the account is to be made, and makes none after that either.
    world.outage_of(&world.crm, 600);
    let number = world.create_partner("Northern Rail", LEEDS, "LS9 8AA");
    let visitor = Visitor::of(&interlock);
    until(SOON, || {
        let page = visitor.sees(&format!("/records/customer?q={number}"));
        if page.contains("data-record") { Ok(()) } else { Err(page) }
    });
    interlock.program.kill();
    world.outage_of(&world.crm, 0);
    interlock = world.interlock();
    assert_eq!(numbered(&world, &interlock, &number)["Id"], account.as_str());
    // The name belongs to the CRM, so that both have the one that the account had.
    until(SOON, || match world.partner(&number)["OrganizationBPName1"].as_str() {
        Some("Umbrella Trading") => Ok(()),
        other => Err(format!("{other:?} {:?}", interlock.items())),
    });
    let key = world.account(&account)["Interlock_Key__c"].as_str().expect("a key").to_owned();
    // It stays one customer, and changes go both ways.
    interlock.program.kill();
    interlock = world.interlock();
    world.update_account(&account, &json!({"BillingCity": "Hull"}));
    world.update_partner(&number, &json!({"SearchTerm1": "UMBRELLA"}));
    until(SOON, || {
        let (found, address) = (world.account(&account), world.address(&number));
        let agrees = address["CityName"] == "Hull" && found["Search_Term__c"] == "UMBRELLA";
        if agrees { Ok(()) } else { Err(format!("{found} {address} {:?}", interlock.items())) }
    });
    let explained = interlock.explain(&key, "name").expect("an explanation");
    assert_eq!(explained["records"], json!({"crm": account, "erp": number}), "{explained:#}");
    none_open(&interlock);
    assert_eq!((world.accounts("Name != null").len(), world.partners().len()), (2, 2), "nothing is doubled");
}

#[test]
fn which_of_several_it_is_says_a_person_and_that_is_carried_out_after_a_kill() {
    let world = world();
    let mut interlock = world.interlock();
    settled(&world, &interlock);
    let one = unheard(&world, "Umbrella Trading", "LS1 4AP");
    let other = unheard(&world, "Paragon Textiles", "LS2 8JS");
    rule(&world, "block");
    let number = world.create_partner("Northern Rail", LEEDS, "LS9 8AA");
    let item = interlock.item("crm has Northern Rail");
    assert_eq!(item["queue"], "stewardship", "{item:#}");
    let reason = item["reason"].as_str().expect("a reason");
    assert!(reason.contains("Umbrella Trading") && reason.contains("Paragon Textiles"), "{reason}");
    // What a rule blocks cannot be made whatever anybody says.
    let mut possible = actions(&item);
    possible.sort();
    let mut expected = vec!["dismiss".to_owned(), "retry".to_owned(), format!("link-{one}"), format!("link-{other}")];
    expected.sort();
    assert_eq!(possible, expected);
    // Nothing is made before that, whatever happens.
    assert_eq!(world.accounts("Name != null").len(), 3);
    let (status, answer) = decide(&interlock, &item, &format!("link-{other}"));
    assert_eq!(status / 100, 2, "{answer}");
    interlock.program.kill();
    interlock = world.interlock();
    assert_eq!(numbered(&world, &interlock, &number)["Id"], other.as_str());
    until(SOON, || match world.partner(&number)["OrganizationBPName1"].as_str() {
        Some("Paragon Textiles") => Ok(()),
        found => Err(format!("{found:?} {:?}", interlock.items())),
    });
    assert_eq!(world.accounts("Name != null").len(), 3, "nothing is doubled");
}

#[test]
fn what_belongs_to_another_customer_is_for_a_person_who_may_have_it_made_all_the_same() {
    let world = world();
    let interlock = world.interlock();
    let first = world.create_partner("Umbrella Trading", LEEDS, "LS1 4AP");
    let taken = numbered(&world, &interlock, &first)["Id"].as_str().expect("an id").to_owned();
    rule(&world, "alert");
    let second = world.create_partner("Northern Rail", LEEDS, "LS9 8AA");
    let item = interlock.item("crm has Northern Rail");
    assert!(item["reason"].as_str().expect("a reason").contains("it belongs to Umbrella Trading"), "{item:#}");
    let mut possible = actions(&item);
    possible.sort();
    assert_eq!(possible, ["dismiss", "new", "retry"]);
    let (status, _) = decide(&interlock, &item, &format!("link-{taken}"));
    assert_eq!(status / 100, 4, "it is the account of another customer");
    // Tried again it is the same question, and not a loop.
    assert_eq!(decide(&interlock, &item, "retry").0 / 100, 2);
    let again = until(SOON, || {
        let items = interlock.items();
        let found = items.iter().find(|found| found["id"] != item["id"]);
        found.cloned().ok_or_else(|| format!("{items:?}"))
    });
    assert_eq!(decide(&interlock, &again, "new").0 / 100, 2);
    let made = numbered(&world, &interlock, &second);
    assert_ne!(made["Id"], taken.as_str());
    assert_eq!(made["Name"], "Northern Rail");
    none_open(&interlock);
    assert_eq!((world.accounts("Name != null").len(), world.partners().len()), (2, 2));
}
