//! What is stored of one object cannot be read any more: that is said, and everything else goes on.

use serde_json::json;

use crate::SOON;
use crate::program::until;
use crate::world::World;

#[test]
fn a_customer_whose_state_is_damaged_is_for_people_and_the_others_go_on() {
    let world = World::new();
    let interlock = world.interlock();
    let customers = ["ACME", "Umbrella"].map(|name| {
        let account =
            world.create_account(&json!({"Name": name, "BillingPostalCode": name, "BillingCountry": "Ireland"}));
        let number = until(SOON, || {
            let found = world.account(&account);
            found["ERP_Customer_Number__c"].as_str().map(str::to_owned).ok_or_else(|| format!("{found}"))
        });
        let key = world.account(&account)["Interlock_Key__c"].as_str().expect("a key").to_owned();
        until(SOON, || {
            let explained = interlock.explain(&key, "name")?;
            if explained["records"]["erp"] == number.as_str() { Ok(()) } else { Err(explained.to_string()) }
        });
        (account, number, key)
    });
    interlock.program.signal("INT");
    interlock.program.end(SOON);
    let store = rusqlite::Connection::open(world.project.join("data/interlock.db")).expect("the store");
    let changed = store.execute("update synced set state = '{\"agreed\": 5}' where key = ?1", [&customers[0].2]);
    assert_eq!(changed, Ok(1));
    drop(store);

    let interlock = world.interlock();
    for (account, ..) in &customers {
        world.update_account(account, &json!({"BillingCity": "Dublin"}));
    }
    let item = interlock.item("ACME");
    assert!(item["title"].as_str().expect("a title").ends_with("is not kept in agreement"), "{item:#}");
    until(SOON, || {
        let address = world.address(&customers[1].1);
        if address["CityName"] == "Dublin" { Ok(()) } else { Err(format!("{address}")) }
    });
    world.update_account(&customers[0].0, &json!({"BillingCity": "Cork"}));
    world.update_account(&customers[1].0, &json!({"BillingCity": "Cork"}));
    until(SOON, || {
        let address = world.address(&customers[1].1);
        if address["CityName"] == "Cork" { Ok(()) } else { Err(format!("{address}")) }
    });
    assert_eq!(interlock.items().len(), 1, "it is told once: {:#?}", interlock.items());
}
