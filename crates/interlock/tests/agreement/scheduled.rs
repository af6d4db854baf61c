//! Comparisons on a schedule: what was done behind Interlock's back is found without anybody asking, told once, settled by a steward or
//! by itself, and what is only on its way is not told at all.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};

use crate::pages::Visitor;
use crate::program::until;
use crate::reconcile::agreed;
use crate::systems::Interlock;
use crate::world::World;
use crate::{LATER, SOON};

const NIGHTLY: &str = "schedule: { cron: '0 3 29 2 *' }";

/// The sweep of partners.
const SWEEP: &str = "    sweep:
      every: 20s
      overlap: 2m
      with:
        API_BUSINESS_PARTNER/A_BusinessPartnerAddress: .BusinessPartner
        API_BUSINESS_PARTNER/A_BuPaIndustry: .BusinessPartner
      withEvery: 5m
";

/// Customers are compared again and again.
fn world(schedule: &str) -> World {
    let world = World::new();
    world.edit("objects/customer.yaml", NIGHTLY, schedule);
    // Nothing else finds what no event told.
    world.edit("connections/erp.yaml", SWEEP, "");
    world
}

/// What the ERP tells is lost.
fn deafen(world: &World) {
    world.control(&world.erp, "faults", &json!({"lost_event": 1.0}));
}

/// How the comparisons of customers stand.
fn customers(interlock: &Interlock<'_>) -> Value {
    let (status, answer) = interlock.ops(Method::GET, "reconciliations", None);
    assert_eq!(status, 200, "{answer}");
    let all = answer["reconciliations"].as_array().expect("a list");
    all.iter().find(|one| one["object"] == "customer").cloned().expect("customers")
}

/// Waits for a comparison that begins from now on and comes to its end.
fn next(interlock: &Interlock<'_>) -> Value {
    let begun = |one: &Value| one["running"]["since"].as_str().map(str::to_owned);
    let last = |one: &Value| one["last_complete"]["begun_at"].as_str().unwrap_or_default().to_owned();
    let now = customers(interlock);
    // The one that is under way began before.
    let before = begun(&now).unwrap_or_default().max(last(&now));
    until(LATER, || {
        let now = customers(interlock);
        if last(&now) > before { Ok(now["last_complete"].clone()) } else { Err(format!("{now:#}")) }
    })
}

fn findings(interlock: &Interlock<'_>) -> Vec<Value> {
    interlock.items().into_iter().filter(|item| item["kind"] == "finding").collect()
}

/// Waits until the findings that wait for people have these parts in their titles, in any order.
fn told(interlock: &Interlock<'_>, parts: &[&str]) -> Vec<Value> {
    until(LATER, || {
        let found = findings(interlock);
        let has =
            |part: &&&str| found.iter().any(|item| item["title"].as_str().is_some_and(|title| title.contains(**part)));
        match found.len() == parts.len() && parts.iter().filter(has).count() == parts.len() {
            true => Ok(found),
            false => Err(format!("{found:#?} {:#}", customers(interlock))),
        }
    })
}

fn decide(interlock: &Interlock<'_>, item: &Value, action: &str, body: &Value) {
    let path = format!("items/{}/{action}", item["id"].as_str().expect("an id"));
    let (status, answer) = interlock.ops(Method::POST, &path, Some(body));
    assert_eq!(status / 100, 2, "{answer}");
}

fn named(world: &World, number: &str, name: &str) {
    until(LATER, || {
        let partner = world.partner(number);
        if partner["OrganizationBPName1"] == name { Ok(()) } else { Err(format!("{partner}")) }
    });
}

#[test]
fn what_differs_is_told_once_and_settled_by_a_steward_or_by_itself() {
    let world = world("schedule: { every: 1s }");
    let (interlock, linked) = agreed(&world);
    until(SOON, || {
        let last = customers(&interlock)["last_complete"].clone();
        if last["equal"] == 3 { Ok(()) } else { Err(format!("{last:#}")) }
    });
    // What goes from one system to the other while they are compared is nothing to tell of.
    for edit in 0..30 {
        world.update_account(&linked[edit % 3].0, &json!({"BillingCity": format!("City {edit}")}));
    }
    let quiet = next(&interlock);
    assert_eq!((&quiet["records"], &quiet["open"]), (&json!({"crm": 3, "erp": 3}), &json!(0)), "{quiet:#}");
    let (_, all) = interlock.ops(Method::GET, "items?status=all", None);
    assert!(!all.to_string().contains("\"finding\""), "{all:#}");

    deafen(&world);
    let (_, umbrella) = &linked[1];
    world.update_partner(umbrella, &json!({"OrganizationBPName1": "Umbrella Corporation"}));
    let hidden = world.create_partner("Hidden Ltd", "York", "YO1 7HH");
    let items = told(&interlock, &["differs: name", "is missing in crm"]);
    let differs = items.iter().find(|item| item["title"].as_str().is_some_and(|title| title.contains("differs")));
    let differs = differs.expect("the one that differs");
    assert_eq!(differs["queue"], "stewardship");
    let reason = differs["reason"].as_str().expect("a reason");
    for part in ["Umbrella Corporation", "crm owns it", "written to erp"] {
        assert!(reason.contains(part), "{reason}");
    }
    assert_eq!(differs["record"]["name"], json!({"crm": "Umbrella", "erp": "Umbrella Corporation"}), "{differs:#}");

    // It ends in the middle, leaving rows behind, and has told the same things when it goes on.
    let store = world.project.join("data/interlock.db-compared");
    interlock.program.kill();
    let left = store.join("interlock-rows-left");
    fs::create_dir_all(&left).expect("a folder");
    let interlock = world.interlock();
    assert!(!left.exists(), "it is removed at the start");
    let again = next(&interlock);
    assert_eq!((&again["different"], &again["missing"]["crm"], &again["open"]), (&json!(1), &json!(1), &json!(2)));
    let ids = |items: &[Value]| {
        let mut ids: Vec<String> = items.iter().map(|item| item["id"].to_string()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&findings(&interlock)), ids(&items), "nothing is told twice");
    let page = Visitor::of(&interlock).sees("/reconciliation");
    for part in ["data-reconciliation=\"customer\"", "2 with people", "data-nav=\"reconciliation\""] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let page = Visitor::of(&interlock).sees(&format!("/items/{}", differs["id"].as_str().expect("an id")));
    assert!(page.contains("Two systems differ") && page.contains("The records are read again"), "{page}");

    // A steward has both read again: what has an owner is written, what is lacking is made.
    for item in &items {
        decide(&interlock, item, "retry", &json!({}));
    }
    named(&world, umbrella, "Umbrella");
    until(SOON, || match world.accounts(&format!("ERP_Customer_Number__c = '{hidden}'")).len() {
        1 => Ok(()),
        count => Err(format!("{count} accounts: {:?}", interlock.items())),
    });
    let mended = next(&interlock);
    assert_eq!((&mended["equal"], &mended["open"]), (&json!(4), &json!(0)), "{mended:#}");
    assert_eq!(findings(&interlock), Vec::<Value>::new());

    // What somebody puts right in the system is withdrawn by itself.
    world.update_partner(umbrella, &json!({"OrganizationBPName1": "Umbrella Holding"}));
    let item = told(&interlock, &["differs: name"]).remove(0);
    world.update_partner(umbrella, &json!({"OrganizationBPName1": "Umbrella"}));
    told(&interlock, &[]);
    let (_, withdrawn) = interlock.ops(Method::GET, "items?status=withdrawn", None);
    assert!(withdrawn.to_string().contains(item["id"].as_str().expect("an id")), "{withdrawn:#}");

    // What a steward leaves so is counted and not asked again, also after a restart.
    world.update_partner(umbrella, &json!({"OrganizationBPName1": "Umbrella Group"}));
    let item = told(&interlock, &["differs: name"]).remove(0);
    decide(&interlock, &item, "dismiss", &json!({"note": "it stays so"}));
    interlock.program.kill();
    let interlock = world.interlock();
    let left = next(&interlock);
    assert_eq!((&left["different"], &left["dismissed"], &left["open"]), (&json!(1), &json!(1), &json!(0)), "{left:#}");
    assert_eq!(findings(&interlock), Vec::<Value>::new());
    let metrics = interlock.metrics();
    for line in ["different{object=\"customer\"} 1", "records{object=\"customer\",connection=\"erp\"} 4"] {
        assert!(metrics.contains(&format!("interlock_reconciliation_{line}\n")), "{metrics}");
    }
}

#[test]
fn what_ownership_decides_is_mended_by_itself_and_the_rest_is_told() {
    let world = world("schedule: { every: 1s }\n  repair: true");
    let (interlock, linked) = agreed(&world);
    until(SOON, || {
        let last = customers(&interlock)["last_complete"].clone();
        if last["equal"] == 3 { Ok(()) } else { Err(format!("{last:#}")) }
    });
    deafen(&world);
    let ((account, acme), (_, umbrella)) = (&linked[0], &linked[1]);
    // A second partner says that it is the first customer: nobody but a person knows which is meant.
    let key = world.account(account)["Interlock_Key__c"].as_str().expect("a key").to_owned();
    let second = world.create_partner("ACME Limited", "Leeds", "LS1 4AP");
    world.update_partner(&second, &json!({"BusinessPartnerIDByExtSystem": key}));
    world.update_partner(umbrella, &json!({"OrganizationBPName1": "Umbrella Corporation"}));
    named(&world, umbrella, "Umbrella");
    let items = told(&interlock, &["is there 2 times in erp"]);
    let reason = items[0]["reason"].as_str().expect("a reason");
    assert!(reason.contains(acme) && reason.contains(&second), "{reason}");
    let last = next(&interlock);
    assert_eq!(
        (&last["different"], &last["doubled"]["erp"], &last["open"]),
        (&json!(0), &json!(1), &json!(1)),
        "{last:#}"
    );
}
