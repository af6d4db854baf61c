//! Records that are seen for the first time and may be customers that are known already.

use reqwest::Method;
use serde_json::{Value, json};

use crate::SOON;
use crate::pages::Visitor;
use crate::program::until;
use crate::systems::Interlock;
use crate::world::World;

fn account(world: &World, name: &str, postal_code: &str) -> String {
    world.create_account(&json!({
        "Name": name, "BillingCity": "Leeds", "BillingPostalCode": postal_code, "BillingCountry": "United Kingdom"
    }))
}

fn number(world: &World, interlock: &Interlock<'_>, account: &str) -> String {
    until(SOON, || {
        let found = world.account(account);
        let number = found["ERP_Customer_Number__c"].as_str().map(str::to_owned);
        number.ok_or_else(|| format!("{found} {:?}", interlock.items()))
    })
}

fn decide(interlock: &Interlock<'_>, item: &Value, action: &str) {
    let path = format!("items/{}/{action}", item["id"].as_str().expect("an id"));
    let (status, answer) = interlock.ops(Method::POST, &path, Some(&json!({})));
    assert_eq!(status / 100, 2, "{answer}");
}

#[test]
fn what_is_like_a_known_customer_is_linked_or_asked_about_and_never_made_twice() {
    let world = World::new();
    // Nobody reads them again while the steward decides.
    world.edit("connections/erp.yaml", "every: 20s", "every: 1h");
    // The same company with another legal form, one with a typing mistake, and two that only look alike.
    let same = account(&world, "Ashford Gifts Limited", "LS1 4AP");
    let typed = account(&world, "Quayside Interiors", "LS2 8JS");
    let kept = account(&world, "Bexley Home Supplies", "LS3 1AB");
    let other = account(&world, "Camden Trading Company North", "LS4 2CD");
    let twice = account(&world, "Dunmore Garden Supplies", "LS5 3EF");
    let partners = [
        world.create_partner("ASHFORD GIFTS LTD", "Leeds", "LS1 4AP"),
        world.create_partner("Quayside Interoirs", "Leeds", "LS2 8JS"),
        world.create_partner("Bexley Garden Supplies", "Leeds", "LS3 1AB"),
        world.create_partner("Camden Trading Company South", "Leeds", "LS4 2CD"),
        world.create_partner("Dunmore Home Supplies", "Leeds", "LS5 3EF"),
        world.create_partner("Dunmore Hotel Supplies", "Leeds", "LS5 3EF"),
    ];
    // Who comes second is asked about: the ERP, which does not answer before the accounts are known.
    world.outage_of(&world.erp, 600);
    let mut interlock = world.interlock();
    let visitor = Visitor::of(&interlock);
    for account in [&same, &typed, &kept, &other, &twice] {
        until(SOON, || {
            let page = visitor.sees(&format!("/records/customer?q={account}"));
            if page.contains("data-record") { Ok(()) } else { Err(page) }
        });
    }
    world.outage_of(&world.erp, 0);
    assert_eq!(number(&world, &interlock, &same), partners[0]);
    assert_eq!(number(&world, &interlock, &typed), partners[1]);
    let item = interlock.item(&format!("{} of erp: which customer is it?", partners[2]));
    assert!(item["reason"].as_str().expect("a reason").contains("Bexley Home Supplies"), "{item:#}");
    assert_eq!(item["queue"], "stewardship");
    let actions: Vec<&str> =
        item["actions"].as_array().expect("actions").iter().filter_map(|action| action["name"].as_str()).collect();
    let link = actions.iter().find(|action| action.starts_with("link-")).expect("the known one");
    // As long as nobody has answered, none is made where it may be.
    assert_eq!(world.partners().len(), 6, "{:?}", world.partners());
    // It is the same, says the steward. That is kept, whatever happens next.
    decide(&interlock, &item, link);
    interlock.program.kill();
    interlock = world.interlock();
    assert_eq!(number(&world, &interlock, &kept), partners[2]);
    let item = interlock.item(&format!("{} of erp: which customer is it?", partners[3]));
    decide(&interlock, &item, "new");
    // Only one of two records can be the customer.
    let items = [4, 5].map(|partner| interlock.item(&format!("{} of erp: which customer is it?", partners[partner])));
    let link = |item: &Value| {
        let actions = item["actions"].as_array().expect("actions").clone();
        let mut names = actions.iter().filter_map(|action| action["name"].as_str()).map(str::to_owned);
        names.find(|action| action.starts_with("link-")).expect("the known one")
    };
    decide(&interlock, &items[0], &link(&items[0]));
    let path = format!("items/{}/{}", items[1]["id"].as_str().expect("an id"), link(&items[1]));
    let (status, answer) = interlock.ops(Method::POST, &path, Some(&json!({})));
    assert_eq!((status, &answer["code"]), (409, &json!("IL-RUN-021")), "{answer}");
    assert_eq!(number(&world, &interlock, &twice), partners[4]);
    decide(&interlock, &items[1], "new");
    assert_eq!(interlock.items(), Vec::<Value>::new());
    // Each of the two is made on its other side now.
    let made = number(&world, &interlock, &other);
    assert_ne!(made, partners[3]);
    until(SOON, || {
        let accounts = world.accounts("ERP_Customer_Number__c != null");
        let partners = world.partners();
        if (accounts.len(), partners.len()) == (7, 7) {
            Ok(())
        } else {
            Err(format!("{accounts:?} {}", partners.len()))
        }
    });
    assert_eq!(world.account(&kept)["Name"], "Bexley Home Supplies");
    until(SOON, || match world.partner(&partners[2])["OrganizationBPName1"].as_str() {
        Some("Bexley Home Supplies") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(interlock.items(), Vec::<Value>::new());
}
