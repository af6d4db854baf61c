//! Customers that are deleted, come back, or are merged in one system.

use reqwest::Method;
use serde_json::{Value, json};

use crate::SOON;
use crate::program::until;
use crate::systems::Interlock;
use crate::world::World;

/// An account with its partner's number.
fn linked(world: &World, interlock: &Interlock<'_>, name: &str) -> (String, String) {
    let account = world.create_account(
        &json!({"Name": name, "BillingPostalCode": format!("LS{}", name.len()), "BillingCountry": "Ireland"}),
    );
    let number = until(SOON, || {
        let found = world.account(&account);
        let number = found["ERP_Customer_Number__c"].as_str().map(str::to_owned);
        number.ok_or_else(|| format!("{found} {:?}", interlock.items()))
    });
    (account, number)
}

fn blocked(world: &World, number: &str, wanted: bool) {
    until(SOON, || {
        let partner = world.partner(number);
        if partner["BusinessPartnerIsBlocked"] == wanted { Ok(()) } else { Err(format!("{partner}")) }
    });
}

#[test]
fn a_customer_deleted_in_the_crm_is_blocked_in_the_erp_and_free_when_it_comes_back() {
    let world = World::new();
    for file in ["connections/crm.yaml", "connections/erp.yaml"] {
        world.edit(file, "every: 20s", "every: 2s");
    }
    let interlock = world.interlock();
    let (account, number) = linked(&world, &interlock, "ACME");
    world.delete_account(&account);
    blocked(&world, &number, true);
    world.does("undelete", &json!({"ids": [account]}));
    blocked(&world, &number, false);
    // As ever from then on.
    world.update_account(&account, &json!({"Name": "ACME again"}));
    until(SOON, || {
        let partner = world.partner(&number);
        if partner["OrganizationBPName1"] == "ACME again" { Ok(()) } else { Err(format!("{partner}")) }
    });
    // While Interlock is away, and what the event said is lost: the recycle bin tells.
    interlock.program.kill();
    world.delete_account(&account);
    let interlock = world.interlock();
    blocked(&world, &number, true);
    assert_eq!(interlock.items(), Vec::<Value>::new());
    assert_eq!(world.partners().len(), 1, "none is made for what is deleted");
}

#[test]
fn merged_customers_are_one_and_the_partner_of_the_other_is_blocked() {
    let world = World::new();
    let interlock = world.interlock();
    let (stays, kept) = linked(&world, &interlock, "ACME");
    let (goes, left) = linked(&world, &interlock, "ACME Ltd");
    world.does("merge", &json!({"into": stays, "ids": [goes]}));
    blocked(&world, &left, true);
    blocked(&world, &kept, false);
    let key = world.account(&stays)["Interlock_Key__c"].as_str().expect("a key").to_owned();
    assert_eq!(interlock.explain(&key, "name").expect("an explanation")["records"], json!({"crm": stays, "erp": kept}));
    world.update_account(&stays, &json!({"Name": "ACME of both"}));
    until(SOON, || {
        let partner = world.partner(&kept);
        if partner["OrganizationBPName1"] == "ACME of both" { Ok(()) } else { Err(format!("{partner}")) }
    });
    assert_eq!(world.partner(&left)["OrganizationBPName1"], "ACME Ltd");
    assert_eq!(interlock.items(), Vec::<Value>::new());
}

#[test]
fn a_person_decides_where_that_is_declared() {
    let world = World::new();
    world.edit("objects/customer.yaml", "deletes: deactivate", "deletes: queue");
    let interlock = world.interlock();
    let (first, number) = linked(&world, &interlock, "ACME");
    let (second, other) = linked(&world, &interlock, "Umbrella");
    world.delete_account(&first);
    world.delete_account(&second);
    let decide = |title: &str, action: &str| {
        let item = interlock.item(title);
        let path = format!("items/{}/{action}", item["id"].as_str().expect("an id"));
        let (status, answer) = interlock.ops(Method::POST, &path, Some(&json!({})));
        assert_eq!(status / 100, 2, "{answer}");
    };
    interlock.item(&format!("ACME {number} is gone from crm"));
    decide("ACME", "block");
    blocked(&world, &number, true);
    // The account is made again, with a new id.
    decide("Umbrella", "make-again");
    let again = until(SOON, || {
        let found = world.accounts(&format!("ERP_Customer_Number__c = '{other}'"));
        found.first().cloned().ok_or_else(|| format!("{:?}", interlock.items()))
    });
    assert_ne!(again["Id"], second.as_str());
    assert_eq!(again["Name"], "Umbrella");
    assert_eq!(interlock.items(), Vec::<Value>::new());
    blocked(&world, &other, false);
}

#[test]
fn the_only_partner_of_a_merged_customer_goes_on_under_the_one_that_stays() {
    let world = World::new();
    // The ERP gets no partners from the CRM, so the one that stays has none.
    world.edit(
        "objects/customer.yaml",
        "    create: { function: create-partner",
        "    # create: { function: create-partner",
    );
    let interlock = world.interlock();
    let number = world.create_partner("ACME", "York", "YO1");
    let goes = until(SOON, || {
        let found = world.accounts(&format!("ERP_Customer_Number__c = '{number}'"));
        found.first().cloned().ok_or_else(|| format!("{:?}", interlock.items()))
    });
    let stays = world.create_account(&json!({"Name": "ACME Ltd", "BillingPostalCode": "LS1"}));
    let key = until(SOON, || {
        let found = world.account(&stays);
        found["Interlock_Key__c"].as_str().map(str::to_owned).ok_or_else(|| found.to_string())
    });
    world.does("merge", &json!({"into": stays, "ids": [goes["Id"]]}));
    until(SOON, || {
        let (account, partner) = (world.account(&stays), world.partner(&number));
        let linked = account["ERP_Customer_Number__c"] == *number
            && partner["BusinessPartnerIDByExtSystem"] == *key
            && partner["OrganizationBPName1"] == "ACME Ltd"
            && partner["BusinessPartnerIsBlocked"] == false;
        if linked { Ok(()) } else { Err(format!("{account} {partner} {:?}", interlock.items())) }
    });
    assert_eq!(
        interlock.explain(&key, "name").expect("an explanation")["records"],
        json!({"crm": stays, "erp": number})
    );
    assert_eq!(interlock.items(), Vec::<Value>::new());
}
