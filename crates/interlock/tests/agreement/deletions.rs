//! Customers that are deleted, come back, or are merged in one system.

use reqwest::Method;
use serde_json::{Value, json};

use crate::program::until;
use crate::systems::{CRM_API, Interlock};
use crate::world::World;
use crate::{LATER, SOON};

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
fn that_a_deleted_customer_takes_no_values_is_news_of_its_deletion_and_nothing_for_people() {
    let world = World::new();
    for file in ["connections/crm.yaml", "connections/erp.yaml"] {
        world.edit(file, "every: 20s", "every: 1h");
    }
    let interlock = world.interlock();
    let (account, number) = linked(&world, &interlock, "ACME");
    world.control(&world.crm, "faults", &json!({"lost_event": 1.0}));
    world.delete_account(&account);
    world.update_partner(&number, &json!({"SearchTerm1": "BOLTS"}));
    blocked(&world, &number, true);
    until(SOON, || {
        let items = interlock.items();
        if items.is_empty() { Ok(()) } else { Err(format!("{items:#?}")) }
    });
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

#[test]
fn of_two_customers_merged_at_once_into_one_without_a_partner_one_partner_goes_on_and_the_other_is_blocked() {
    let world = World::new();
    // The ERP gets no partners from the CRM, so the one that stays has none.
    world.edit(
        "objects/customer.yaml",
        "    create: { function: create-partner",
        "    # create: { function: create-partner",
    );
    let interlock = world.interlock();
    let numbers = [world.create_partner("ACME", "York", "YO1"), world.create_partner("Umbrella", "Hull", "HU1")];
    let goes = numbers.each_ref().map(|number| {
        let found = until(SOON, || {
            let found = world.accounts(&format!("ERP_Customer_Number__c = '{number}'"));
            found.first().cloned().ok_or_else(|| format!("{:?}", interlock.items()))
        });
        found["Id"].as_str().expect("an id").to_owned()
    });
    let stays = world.create_account(&json!({"Name": "ACME Ltd", "BillingPostalCode": "LS1"}));
    until(SOON, || {
        let found = world.account(&stays);
        found["Interlock_Key__c"].as_str().map(str::to_owned).ok_or_else(|| found.to_string())
    });
    // Both are told at once when Interlock is back.
    interlock.program.kill();
    world.does("merge", &json!({"into": stays, "ids": goes}));
    let interlock = world.interlock();
    until(SOON, || {
        let account = world.account(&stays);
        let partners = numbers.each_ref().map(|number| world.partner(number));
        let blocked = partners.each_ref().map(|partner| partner["BusinessPartnerIsBlocked"] == true);
        let linked = numbers.each_ref().map(|number| account["ERP_Customer_Number__c"] == **number);
        let key = account["Interlock_Key__c"].as_str().unwrap_or_default();
        let keys = partners.each_ref().map(|partner| partner["BusinessPartnerIDByExtSystem"] == key);
        // The one that goes on, and that one alone, stands for the account and is free.
        let is_well = linked == keys && linked[0] != linked[1] && (0..2).all(|one| blocked[one] != linked[one]);
        if is_well { Ok(()) } else { Err(format!("{account} {partners:?} {:?}", interlock.items())) }
    });
    assert_eq!(interlock.items(), Vec::<Value>::new());
}

#[test]
fn what_is_deleted_before_its_partner_is_made_does_not_live_on_there_in_silence() {
    let world = World::new();
    let interlock = world.interlock();
    linked(&world, &interlock, "ACME");
    world.weather_of(&world.erp, 1.0);
    let account =
        world.create_account(&json!({"Name": "Umbrella", "BillingPostalCode": "LS1", "BillingCountry": "Ireland"}));
    let is_at = |stage: &str| {
        until(SOON, || {
            let (_, found) = interlock.ops(Method::GET, "transactions?q=Umbrella", None);
            let all = found["transactions"].as_array();
            let is_known = all.is_some_and(|all| all.iter().any(|one| one["stage"] == *stage));
            if is_known { Ok(()) } else { Err(format!("{found}")) }
        });
    };
    is_at("being written");
    world.delete_account(&account);
    is_at("deleted");
    world.weather_of(&world.erp, 0.0);
    let item = interlock.item("is gone from crm");
    let partners = world.partners();
    assert_eq!(partners.len(), 2, "the create was under way: {item:#}");
    let path = format!("items/{}/block", item["id"].as_str().expect("an id"));
    let (status, answer) = interlock.ops(Method::POST, &path, Some(&json!({})));
    assert_eq!(status / 100, 2, "{answer}");
    let made = partners.iter().find(|partner| partner["OrganizationBPName1"] == "Umbrella").expect("the partner");
    blocked(&world, made["BusinessPartner"].as_str().expect("a number"), true);
    assert_eq!(interlock.items(), Vec::<Value>::new());
}

#[test]
fn what_could_not_be_made_is_nothing_for_people_when_it_is_deleted() {
    let world = World::new();
    let interlock = world.interlock();
    linked(&world, &interlock, "ACME");
    let fields = json!({"Name": "Long", "BillingPostalCode": "LS1 4AP and more", "BillingCountry": "Ireland"});
    let account = world.create_account(&fields);
    interlock.item("erp refuses Long");
    world.delete_account(&account);
    until(SOON, || {
        let items = interlock.items();
        if items.is_empty() { Ok(()) } else { Err(format!("{items:#?}")) }
    });
    // It is wanted again, and refused again.
    world.does("undelete", &json!({"ids": [account]}));
    interlock.item("erp refuses Long");
    assert_eq!(world.partners().len(), 1);
}

#[test]
fn what_is_deleted_while_a_first_load_runs_is_made_nowhere() {
    const ACCOUNTS: usize = 400;
    let world = World::new();
    let account = |number: usize| {
        let fields = json!({"Name": format!("Sales {number}"), "BillingPostalCode": "S1", "BillingCountry": "Ireland"});
        world.create_account(&fields)
    };
    let accounts: Vec<String> = (0..ACCOUNTS).map(account).collect();
    let interlock = world.interlock();
    // As soon as there is a job, which holds all of them, the process dies and some are deleted.
    let jobs = format!("{}/{CRM_API}/jobs/query", world.crm);
    until(SOON, || {
        let found = world.get(&jobs);
        let is_one = found["records"].as_array().is_some_and(|jobs| !jobs.is_empty());
        if is_one { Ok(()) } else { Err(found.to_string()) }
    });
    interlock.program.kill();
    for account in accounts.iter().step_by(10) {
        world.delete_account(account);
    }
    let interlock = world.interlock();
    until(LATER, || {
        let linked = world.accounts("ERP_Customer_Number__c != null").len();
        if linked == ACCOUNTS - ACCOUNTS / 10 { Ok(()) } else { Err(format!("{linked} {:?}", interlock.items())) }
    });
    let partners = world.partners();
    let free = partners.iter().filter(|partner| partner["BusinessPartnerIsBlocked"] == false).count();
    assert_eq!(free, ACCOUNTS - ACCOUNTS / 10);
    assert_eq!(interlock.items(), Vec::<Value>::new());
}
