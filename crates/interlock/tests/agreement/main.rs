//! Customers that are kept the same in Salesforce and S/4HANA, through the program and both simulated systems.

#[path = "../wrong_input/http.rs"]
mod http;
#[path = "../wrong_input/program.rs"]
mod program;
mod world;

use std::time::Duration;

use serde_json::json;

use crate::program::until;
use crate::world::World;

const SOON: Duration = Duration::from_secs(20);

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
        found["ERP_Customer_Number__c"].as_str().map(str::to_owned).ok_or_else(|| format!("{found} {:?}", interlock.items()))
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
    assert_eq!(interlock.items(), Vec::<serde_json::Value>::new());
    assert_eq!((world.accounts("Name != null").len(), world.partners().len()), (2, 2), "nothing is doubled");
}
