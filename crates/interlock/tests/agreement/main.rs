//! Customers that are kept the same in Salesforce and S/4HANA, and products that go from there to here, through the program and
//! both simulated systems.

mod addresses;
mod bad_input;
mod between;
mod contacts;
mod coverage;
mod damaged;
mod deletions;
mod duplicate_rules;
mod first_load;
mod hooks;
#[path = "../wrong_input/http.rs"]
mod http;
mod lists;
mod matching;
mod pages;
mod people;
mod products;
#[path = "../wrong_input/program.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod program;
mod reconcile;
mod records;
mod scheduled;
#[path = "../wrong_input/systems.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod systems;
mod unmapped;
mod world;

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::program::until;
use crate::world::World;

const SOON: Duration = Duration::from_secs(60);
/// With faults, kills and sweeps in between.
const LATER: Duration = Duration::from_secs(240);

#[test]
fn a_customer_of_either_side_is_made_on_the_other_and_changes_go_both_ways() {
    let world = World::new();
    let interlock = world.interlock();
    // From Salesforce to the ERP, and the number back.
    let account = world.create_account(&json!({
        "Name": "ACME Limited", "BillingCity": "Leeds", "BillingPostalCode": "LS1 4AP", "BillingStreet": "1 Park Row",
        "BillingCountry": "United Kingdom"
    }));
    let number = until(SOON, || {
        let found = world.account(&account);
        found["ERP_Customer_Number__c"]
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| format!("{found} {:?}", interlock.items()))
    });
    let partner = world.partner(&number);
    assert_eq!(partner["OrganizationBPName1"], "ACME Limited");
    assert_eq!(world.address(&number)["CityName"], "Leeds");
    assert_eq!(world.address(&number)["Country"], "GB");
    let key = world.account(&account)["Interlock_Key__c"].as_str().expect("a key").to_owned();
    assert_eq!(partner["BusinessPartnerIDByExtSystem"], key.as_str());

    // From the ERP to Salesforce.
    let other = world.create_partner("Umbrella Ltd", "York", "YO1 7HH");
    let made = until(SOON, || {
        let found = world.accounts(&format!("ERP_Customer_Number__c = '{other}'"));
        found.first().cloned().ok_or_else(|| "no account yet".to_owned())
    });
    assert_eq!((made["Name"].as_str(), made["BillingCity"].as_str()), (Some("Umbrella Ltd"), Some("York")));

    // Two members on two sides at once.
    world.update_account(&account, &json!({"BillingCity": "Hull"}));
    world.update_partner(&number, &json!({"SearchTerm1": "ACME"}));
    until(SOON, || {
        let (found, address) = (world.account(&account), world.address(&number));
        let agrees = address["CityName"] == "Hull" && found["Search_Term__c"] == "ACME";
        if agrees { Ok(()) } else { Err(format!("{found} {address}")) }
    });

    // Who does not own a member is written over.
    world.update_partner(&number, &json!({"OrganizationBPName1": "Acme Grabbed"}));
    until(SOON, || {
        let partner = world.partner(&number);
        if partner["OrganizationBPName1"] == "ACME Limited" { Ok(()) } else { Err(format!("{partner}")) }
    });
    assert_eq!(world.account(&account)["Name"], "ACME Limited");
    let explained = interlock.explain(&key, "name").expect("an explanation");
    assert_eq!(explained["records"], json!({"crm": account, "erp": number}), "{explained:#}");
    let name = &explained["members"][0];
    assert_eq!((&name["value"], &name["from"], &name["owner"]), (&json!("ACME Limited"), &json!("crm"), &json!("crm")));
    assert_eq!(name["lost"], json!({"erp": "Acme Grabbed"}), "{name:#}");
    let term = &interlock.explain(&key, "searchTerm").expect("an explanation")["members"][0];
    assert_eq!((&term["from"], &term["rule"], &term["owner"]), (&json!("erp"), &json!("changed"), &Value::Null));
    let refused = interlock.explain(&key, "biling").expect_err("there is no such member");
    assert!(refused.contains("has no member `biling`"), "{refused}");
    assert!(interlock.explain("nobody", "name").expect_err("there is nobody").contains("no such customer"));
    assert_eq!(interlock.items(), Vec::<Value>::new());
    assert_eq!((world.accounts("Name != null").len(), world.partners().len()), (2, 2), "nothing is doubled");
}

#[test]
fn what_nobody_owns_and_both_changed_is_for_a_person() {
    let world = World::new();
    let interlock = world.interlock();
    let account =
        world.create_account(&json!({"Name": "ACME", "BillingPostalCode": "LS1", "BillingCountry": "Ireland"}));
    let number = until(SOON, || {
        let found = world.account(&account);
        found["ERP_Customer_Number__c"].as_str().map(str::to_owned).ok_or_else(|| format!("{found}"))
    });
    // While Interlock is away both change the same.
    interlock.program.kill();
    world.update_account(&account, &json!({"Search_Term__c": "SALES"}));
    world.update_partner(&number, &json!({"SearchTerm1": "LEDGER"}));
    let interlock = world.interlock();
    let item = interlock.item("which searchTerm is right?");
    assert_eq!(item["record"], json!({"crm": "SALES", "erp": "LEDGER"}), "{item:#}");
    assert_eq!(
        (world.account(&account)["Search_Term__c"].as_str(), item["queue"].as_str()),
        (Some("SALES"), Some("stewardship"))
    );
    let path = format!("items/{}/keep-erp", item["id"].as_str().expect("an id"));
    let (status, answer) = interlock.ops(reqwest::Method::POST, &path, Some(&json!({})));
    assert_eq!(status / 100, 2, "{answer}");
    until(SOON, || match world.account(&account)["Search_Term__c"].as_str() {
        Some("LEDGER") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert!(interlock.items().is_empty());
}

#[test]
fn a_refused_write_is_for_a_person_and_goes_on_when_the_reason_is_gone() {
    let world = World::new();
    let interlock = world.interlock();
    // The ERP takes codes of countries only.
    let account = world.create_account(&json!({"Name": "ACME", "BillingCity": "Oz", "BillingCountry": "Wonderland"}));
    let item = interlock.item("erp refuses ACME");
    assert!(item["reason"].as_str().expect("a reason").contains("Country"), "{item:#}");
    assert_eq!(world.partners().len(), 0);
    world.update_account(&account, &json!({"BillingCountry": "Ireland"}));
    let number = until(SOON, || {
        let found = world.account(&account);
        found["ERP_Customer_Number__c"].as_str().map(str::to_owned).ok_or_else(|| format!("{found}"))
    });
    assert_eq!(world.address(&number)["Country"], "IE");
    until(SOON, || if interlock.items().is_empty() { Ok(()) } else { Err(format!("{:?}", interlock.items())) });
}

#[test]
fn what_the_erp_writes_in_capitals_is_the_same_there_and_stays_as_it_was_written_here() {
    let world = World::new();
    let interlock = world.interlock();
    let account = world.create_account(
        &json!({"Name": "ACME", "BillingPostalCode": "d02 xy1", "BillingCountry": "Ireland", "Search_Term__c": "bolts"}),
    );
    let number = until(SOON, || {
        let found = world.account(&account);
        found["ERP_Customer_Number__c"].as_str().map(str::to_owned).ok_or_else(|| format!("{found}"))
    });
    assert_eq!(world.address(&number)["PostalCode"], "D02 XY1");
    assert_eq!(world.partner(&number)["SearchTerm1"], "BOLTS");
    world.update_account(&account, &json!({"BillingPostalCode": "d02 xy2", "Search_Term__c": "nuts"}));
    until(SOON, || {
        let (address, partner) = (world.address(&number), world.partner(&number));
        let arrived = address["PostalCode"] == "D02 XY2" && partner["SearchTerm1"] == "NUTS";
        if arrived { Ok(()) } else { Err(format!("{address} {partner}")) }
    });
    // A later change makes the round, so all before it has been looked at.
    world.update_partner(&number, &json!({"BusinessPartnerIsBlocked": true}));
    let found = until(SOON, || {
        let found = world.account(&account);
        if found["ERP_Blocked__c"] == true { Ok(found) } else { Err(found.to_string()) }
    });
    assert_eq!((&found["BillingPostalCode"], &found["Search_Term__c"]), (&json!("d02 xy2"), &json!("nuts")));
    assert_eq!(interlock.items(), Vec::<Value>::new());
}

#[test]
fn edits_on_both_sides_with_faults_and_kills_end_in_agreement() {
    const CUSTOMERS: usize = 60;
    const EDITS: usize = 600;
    const KILLS: usize = 5;
    let world = World::new();
    world.edit("objects/customer.yaml", "conflict: queue", "conflict: newest");
    for file in ["connections/crm.yaml", "connections/erp.yaml"] {
        world.edit(file, "every: 20s", "every: 2s");
    }
    let mut interlock = world.interlock();
    for customer in 0..CUSTOMERS {
        match customer % 2 {
            0 => drop(world.create_account(&json!({
                "Name": format!("Customer {customer}"), "BillingPostalCode": "LS1", "BillingCountry": "Ireland"
            }))),
            _ => drop(world.create_partner(&format!("Customer {customer}"), "York", "YO1")),
        }
    }
    let linked = until(LATER, || {
        let found = world.accounts("ERP_Customer_Number__c != null");
        if found.len() == CUSTOMERS {
            Ok(found)
        } else {
            Err(format!(
                "{} of {} are linked: {:?}",
                found.len(),
                world.accounts("Name != null").len(),
                interlock.items()
            ))
        }
    });
    let customers: Vec<(String, String)> = linked
        .iter()
        .map(|account| {
            (account["Id"].as_str().expect("an id"), account["ERP_Customer_Number__c"].as_str().expect("a number"))
        })
        .map(|(id, number)| (id.to_owned(), number.to_owned()))
        .collect();
    world.weather(0.02);
    // What the owner of each member said last, by account.
    let mut last: HashMap<(String, &str), Value> = HashMap::new();
    let mut random = Random(42);
    for edit in 0..EDITS {
        let (account, number) = &customers[random.below(CUSTOMERS)];
        let text = format!("value {edit}");
        match random.below(6) {
            0 => {
                world.update_account(account, &json!({"Name": text}));
                last.insert((account.clone(), "Name"), Value::from(text));
            }
            1 => {
                world.update_account(account, &json!({"BillingCity": text}));
                last.insert((account.clone(), "BillingCity"), Value::from(text));
            }
            2 => world.update_account(account, &json!({"Search_Term__c": text})),
            3 => world.update_partner(number, &json!({"SearchTerm1": text})),
            4 => world.update_partner(number, &json!({"OrganizationBPName1": text})),
            _ => {
                let blocked = random.below(2) == 0;
                world.update_partner(number, &json!({"BusinessPartnerIsBlocked": blocked}));
                last.insert((account.clone(), "ERP_Blocked__c"), Value::from(blocked));
            }
        }
        if edit % (EDITS / KILLS) == EDITS / KILLS / 2 {
            interlock.program.kill();
            interlock = world.interlock();
        }
    }
    world.weather(0.0);
    until(LATER, || {
        let accounts = world.accounts("Name != null");
        let partners = world.partners();
        if (accounts.len(), partners.len()) != (CUSTOMERS, CUSTOMERS) {
            return Err(format!("{} accounts and {} partners", accounts.len(), partners.len()));
        }
        for account in &accounts {
            let number = &account["ERP_Customer_Number__c"];
            let partner = partners.iter().find(|partner| partner["BusinessPartner"] == *number).ok_or("no partner")?;
            let address = &partner["to_BusinessPartnerAddress"]["results"][0];
            for (crm, erp) in [
                (&account["Name"], &partner["OrganizationBPName1"]),
                (&account["Search_Term__c"], &partner["SearchTerm1"]),
                (&account["BillingCity"], &address["CityName"]),
                (&account["ERP_Blocked__c"], &partner["BusinessPartnerIsBlocked"]),
                (&account["Interlock_Key__c"], &partner["BusinessPartnerIDByExtSystem"]),
            ] {
                let empty = |value: &Value| value.is_null() || value == "" || value == false;
                // The ERP writes search terms in capitals.
                let same = |one: &str, other: &str| one.to_uppercase() == other.to_uppercase();
                let is_same = crm == erp || crm.as_str().zip(erp.as_str()).is_some_and(|(crm, erp)| same(crm, erp));
                if !(is_same || empty(crm) && empty(erp)) {
                    return Err(format!("{account}: {crm} is not {erp}; {:?}", interlock.items()));
                }
            }
            for field in ["Name", "BillingCity", "ERP_Blocked__c"] {
                let id = account["Id"].as_str().expect("an id").to_owned();
                if let Some(owners) = last.get(&(id, field)).filter(|owners| **owners != account[field]) {
                    return Err(format!("{account}: its owner made {field} {owners}"));
                }
            }
        }
        Ok(())
    });
    assert_eq!(interlock.items(), Vec::<Value>::new());
}

/// The same numbers each time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

#[test]
fn what_the_erp_changes_and_does_not_tell_is_found_again_and_again_on_the_same_day() {
    let world = World::new();
    world.edit("connections/erp.yaml", "every: 20s", "every: 1s");
    let _interlock = world.interlock();
    let account =
        world.create_account(&json!({"Name": "ACME", "BillingPostalCode": "LS1", "BillingCountry": "Ireland"}));
    let number = until(SOON, || {
        let found = world.account(&account);
        found["ERP_Customer_Number__c"].as_str().map(str::to_owned).ok_or_else(|| format!("{found}"))
    });
    world.control(&world.erp, "faults", &json!({"lost_event": 1.0}));
    for term in ["FIRST", "SECOND", "THIRD"] {
        world.update_partner(&number, &json!({"SearchTerm1": term}));
        until(SOON, || match world.account(&account)["Search_Term__c"].as_str() {
            Some(found) if found == term => Ok(()),
            other => Err(format!("{other:?} instead of {term}")),
        });
    }
}
