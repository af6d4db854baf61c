//! What both systems had before Interlock came.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::program::until;
use crate::world::World;
use crate::{LATER, SOON};

#[test]
fn what_was_there_before_is_linked_and_made_where_it_lacks_whatever_ends_the_load() {
    const IN_BOTH: usize = 120;
    const IN_CRM: usize = 150;
    const IN_ERP: usize = 90;
    let world = World::new();
    for customer in 0..IN_BOTH {
        let (name, code) = (format!("Both {customer}"), format!("B{customer}"));
        world.create_account(&json!({"Name": name, "BillingCity": "Leeds", "BillingPostalCode": code, "BillingCountry": "United Kingdom"}));
        world.create_partner(&name, "Hull", &code);
    }
    for customer in 0..IN_CRM {
        world.create_account(&json!({
            "Name": format!("Sales {customer}"), "BillingPostalCode": "S1", "BillingCountry": "Ireland"
        }));
    }
    for customer in 0..IN_ERP {
        world.create_partner(&format!("Ledger {customer}"), "York", "Y1");
    }
    let mut interlock = world.interlock();
    for kill in 0..4 {
        until(SOON, || {
            let linked = world.accounts("Interlock_Key__c != null").len();
            if linked > kill * 40 { Ok(()) } else { Err(format!("{linked} are linked")) }
        });
        interlock.program.kill();
        interlock = world.interlock();
    }
    let all = IN_BOTH + IN_CRM + IN_ERP;
    let accounts = until(LATER, || {
        let linked = world.accounts("ERP_Customer_Number__c != null AND Interlock_Key__c != null");
        let (accounts, partners) = (world.accounts("Name != null").len(), world.partners());
        let keys = partners.iter().filter(|partner| partner["BusinessPartnerIDByExtSystem"] != "").count();
        if (linked.len(), accounts, partners.len(), keys) == (all, all, all, all) {
            return Ok(linked);
        }
        Err(format!(
            "{} of {accounts} linked, {} partners, {keys} with a key: {:?}",
            linked.len(),
            partners.len(),
            interlock.items()
        ))
    });
    let partners = world.partners();
    let names: HashSet<&str> = accounts.iter().filter_map(|account| account["Name"].as_str()).collect();
    assert_eq!(names.len(), all, "nothing is doubled");
    for account in &accounts {
        let number = &account["ERP_Customer_Number__c"];
        let partner = partners.iter().find(|partner| partner["BusinessPartner"] == *number).expect("a partner");
        assert_eq!(partner["OrganizationBPName1"], account["Name"]);
        assert_eq!(partner["BusinessPartnerIDByExtSystem"], account["Interlock_Key__c"]);
        // The address is the CRM's, also of what both had.
        let city = partner["to_BusinessPartnerAddress"]["results"][0]["CityName"].as_str().unwrap_or_default();
        assert_eq!(city, account["BillingCity"].as_str().unwrap_or_default(), "{account}");
    }
    assert_eq!(interlock.items(), Vec::<Value>::new());
    // And from then on as ever.
    let (id, number) = (accounts[0]["Id"].as_str().expect("an id"), accounts[0]["ERP_Customer_Number__c"].as_str());
    world.update_account(id, &json!({"BillingCity": "Hull"}));
    until(SOON, || match world.address(number.expect("a number"))["CityName"].as_str() {
        Some("Hull") => Ok(()),
        other => Err(format!("{other:?}")),
    });
}
