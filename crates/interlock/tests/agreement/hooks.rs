//! Workflows of the project that decide what would otherwise be for a person.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};

use crate::SOON;
use crate::pages::Visitor;
use crate::program::until;
use crate::systems::Interlock;
use crate::world::World;

/// The longer value counts.
const LONGER: &str = r#"
  - longer:
      set:
        action: '${ "keep-" + (.record | to_entries | max_by(.value | length) | .key) }'
        note: The longer one counts
"#;

/// A project whose customers ask `master-data/decide` this first.
fn world(question: &str, tasks: &str) -> World {
    let world = World::new();
    let hooks = format!("hooks:\n  {question}: {{ workflow: master-data/decide, version: 1.0.0 }}\n");
    world.edit("objects/customer.yaml", "conflict: queue\n", &format!("conflict: queue\n{hooks}"));
    let folder = world.project.join("workflows");
    fs::create_dir_all(&folder).expect("a folder");
    let document = "document: { dsl: '1.0.3', namespace: master-data, name: decide, version: '1.0.0' }\ndo:";
    fs::write(folder.join("decide.yaml"), format!("{document}{tasks}")).expect("written");
    world
}

/// A workflow that waits before these tasks.
fn after(wait: &str, tasks: &str) -> String {
    format!("\n  - pause: {{ wait: {wait} }}{tasks}")
}

/// An account with its partner's number.
fn linked(world: &World, interlock: &Interlock<'_>, name: &str) -> (String, String) {
    let account = world
        .create_account(&json!({"Name": name, "BillingPostalCode": format!("LS{name}"), "BillingCountry": "Ireland"}));
    let number = until(SOON, || {
        let found = world.account(&account);
        let number = found["ERP_Customer_Number__c"].as_str().map(str::to_owned);
        number.ok_or_else(|| format!("{found} {:?}", interlock.items()))
    });
    (account, number)
}

/// Both sides say something else, while Interlock is away.
fn differ(world: &World, (account, number): &(String, String), crm: &str, erp: &str) {
    world.update_account(account, &json!({"Search_Term__c": crm}));
    world.update_partner(number, &json!({"SearchTerm1": erp}));
}

fn term(world: &World, account: &str, wanted: &str) {
    until(SOON, || match world.account(account)["Search_Term__c"].as_str() {
        Some(found) if found == wanted => Ok(()),
        other => Err(format!("{other:?} instead of {wanted}")),
    });
}

fn decide(interlock: &Interlock<'_>, item: &Value, action: &str) -> (u16, Value) {
    let path = format!("items/{}/{action}", item["id"].as_str().expect("an id"));
    interlock.ops(Method::POST, &path, Some(&json!({"note": "by hand"})))
}

/// The matter that an item belongs to.
fn matter(interlock: &Interlock<'_>, item: &Value) -> Value {
    let (status, found) =
        interlock.ops(Method::GET, &format!("transactions/{}", item["transaction"].as_str().expect("an id")), None);
    assert_eq!(status, 200, "{found}");
    found
}

/// How often its timeline says this.
fn said(matter: &Value, title: &str) -> usize {
    matter["timeline"].as_array().expect("lines").iter().filter(|line| line["title"] == *title).count()
}

/// How the runs of the workflow stand, in the order of their beginning.
fn runs(interlock: &Interlock<'_>) -> Vec<String> {
    let (status, found) = interlock.ops(Method::GET, "runs?workflow=decide", None);
    assert_eq!(status, 200, "{found}");
    let mut runs = found["runs"].as_array().expect("runs").clone();
    runs.sort_by_key(|run| run["started_at"].as_str().map(str::to_owned));
    runs.iter().map(|run| run["status"].as_str().expect("a status").to_owned()).collect()
}

fn until_runs(interlock: &Interlock<'_>, wanted: &[&str]) {
    until(SOON, || {
        let found = runs(interlock);
        if found == wanted { Ok(()) } else { Err(format!("{found:?} instead of {wanted:?}")) }
    });
}

/// The newest version of an item.
fn now(interlock: &Interlock<'_>, item: &Value) -> Value {
    let (status, found) = interlock.ops(Method::GET, &format!("items/{}", item["id"].as_str().expect("an id")), None);
    assert_eq!(status, 200, "{found}");
    found
}

/// The page of an item.
fn page(interlock: &Interlock<'_>, item: &Value) -> String {
    Visitor::of(interlock).sees(&format!("/items/{}", item["id"].as_str().expect("an id")))
}

#[test]
fn a_conflict_is_decided_once_by_a_workflow_also_over_kills() {
    let world = world("conflict", &after("PT2S", LONGER));
    let interlock = world.interlock();
    let acme = linked(&world, &interlock, "ACME");
    interlock.program.kill();
    differ(&world, &acme, "SALES", "LEDGER");
    let interlock = world.interlock();
    let item = interlock.item("which searchTerm is right?");
    assert_eq!(item["record"], json!({"crm": "SALES", "erp": "LEDGER"}), "it is open for people meanwhile: {item:#}");
    assert_eq!(runs(&interlock), ["live"]);
    interlock.program.kill();
    let interlock = world.interlock();
    assert_eq!(runs(&interlock), ["live"], "the run waits on, and there is no other one");
    term(&world, &acme.0, "LEDGER");
    let item = now(&interlock, &item);
    assert_eq!(item["status"], "resolved", "{item:#}");
    let resolution = &item["resolution"];
    assert_eq!(
        (&resolution["action"], &resolution["by"], &resolution["note"]),
        (&json!("keep-erp"), &json!("master-data/decide"), &json!("The longer one counts"))
    );
    // Nothing of it is done again.
    interlock.program.kill();
    let interlock = world.interlock();
    let matter = matter(&interlock, &item);
    assert_eq!(said(&matter, "master-data/decide: keep-erp"), 1, "{matter:#}");
    assert_eq!((runs(&interlock), interlock.items()), (vec!["completed".to_owned()], vec![]));
    assert_eq!(matter["stage"], "in agreement");
    assert_eq!(item["hook"]["workflow"], "master-data/decide:1.0.0");
    assert!(page(&interlock, &item).contains("master-data/decide:1.0.0: it decided"));
}

#[test]
fn whenever_the_process_ends_each_conflict_is_decided_once() {
    const CUSTOMERS: usize = 12;
    let world = world("conflict", &after("{ milliseconds: 200 }", LONGER));
    let interlock = world.interlock();
    let customers: Vec<_> = (0..CUSTOMERS).map(|number| linked(&world, &interlock, &format!("C{number}"))).collect();
    interlock.program.kill();
    for customer in &customers {
        differ(&world, customer, "SALES", "LEDGER");
    }
    let decided = |interlock: &Interlock<'_>| {
        let (status, found) = interlock.ops(Method::GET, "items?status=resolved&limit=100", None);
        assert_eq!(status, 200, "{found}");
        found["items"].as_array().expect("items").clone()
    };
    // The first time while all of them are asked, then while they answer and what they say is written.
    for least in [0, 1, CUSTOMERS / 2] {
        let interlock = world.interlock();
        until(SOON, || {
            let (open, over) = (interlock.items().len(), decided(&interlock).len());
            if open + over > 0 && over >= least { Ok(()) } else { Err(format!("{open} are open, {over} are decided")) }
        });
        interlock.program.kill();
    }
    let interlock = world.interlock();
    for (account, _) in &customers {
        term(&world, account, "LEDGER");
    }
    assert_eq!(runs(&interlock), ["completed"; CUSTOMERS]);
    let items = decided(&interlock);
    assert_eq!((items.len(), interlock.items().len()), (CUSTOMERS, 0));
    for item in items {
        let matter = matter(&interlock, &item);
        assert_eq!(said(&matter, "master-data/decide: keep-erp"), 1, "{matter:#}");
    }
}

#[test]
fn what_a_workflow_does_not_decide_stays_for_a_person_and_says_why() {
    const RULE: &str = r#"
  - which:
      switch:
        - fails: { when: '${ .record.crm == "FAIL" }', then: fail }
        - asks: { when: '${ .record.crm == "ASK" }', then: ask }
        - guesses: { when: '${ .record.crm == "GUESS" }', then: guess }
        - lookFails: { when: '${ .record.crm == "LOOK" }', then: look }
  - guess: { set: { action: keep-both }, then: end }
  - ask: { set: { action: ask, note: too hard }, then: end }
  - look: { run: { workflow: { namespace: master-data, name: look, version: '1.0.0' } }, then: end }
  - fail:
      raise: { error: { type: 'https://example.com/unknown', status: 422, title: Unknown, detail: nobody knows } }
"#;
    const LOOK: &str = r#"
document: { dsl: '1.0.3', namespace: master-data, name: look, version: '1.0.0' }
do:
  - fail:
      raise: { error: { type: 'https://example.com/blind', status: 422, title: Blind, detail: nothing to see } }
"#;
    let world = world("conflict", RULE);
    fs::write(world.project.join("workflows/look.yaml"), LOOK).expect("written");
    let interlock = world.interlock();
    let customers = ["FAIL", "ASK", "GUESS", "LOOK"].map(|name| (name, linked(&world, &interlock, name)));
    interlock.program.kill();
    for (name, customer) in &customers {
        differ(&world, customer, name, "LEDGER");
    }
    let interlock = world.interlock();
    for (name, why) in [
        ("FAIL", "master-data/decide does not decide: nobody knows"),
        ("ASK", "master-data/decide leaves it to people: too hard"),
        ("GUESS", "master-data/decide does not decide: `keep-both` is not possible"),
        ("LOOK", "master-data/decide does not decide: nothing to see"),
    ] {
        let item = until(SOON, || {
            let items = interlock.items();
            let told = |item: &&Value| {
                let part = |member: &str, part: &str| item[member].as_str().is_some_and(|text| text.contains(part));
                part("title", name) && part("reason", "Both changed searchTerm") && part("reason", why)
            };
            items.iter().find(told).cloned().ok_or_else(|| format!("{why}: {items:#?}"))
        });
        let matter = matter(&interlock, &item);
        assert_eq!(said(&matter, "master-data/decide is asked first"), 1, "{matter:#}");
        assert_eq!(matter["stage"], "in conflict");
        assert!(page(&interlock, &item).contains("master-data/decide:1.0.0: it did not decide"));
    }
    assert_eq!(interlock.items().len(), 4, "a run that failed is not for a person as well: {:#?}", interlock.items());
    let (status, answer) = decide(&interlock, &interlock.item("FAIL"), "keep-erp");
    assert_eq!(status / 100, 2, "{answer}");
    term(&world, &customers[0].1.0, "LEDGER");
}

#[test]
fn a_person_who_decides_first_wins_and_a_new_question_is_asked_anew() {
    let world = world("conflict", &after("PT3S", LONGER));
    let interlock = world.interlock();
    let acme = linked(&world, &interlock, "ACME");
    let umbrella = linked(&world, &interlock, "Umbrella");
    interlock.program.kill();
    differ(&world, &acme, "SALES", "LEDGER");
    let interlock = world.interlock();
    let item = interlock.item("which searchTerm is right?");
    let (status, answer) = decide(&interlock, &item, "keep-crm");
    assert_eq!(status / 100, 2, "{answer}");
    // At once, so that the run may not have been told.
    interlock.program.kill();
    differ(&world, &umbrella, "WHOLESALE", "LEDGER");
    let interlock = world.interlock();
    let old = interlock.item("which searchTerm is right?");
    world.update_partner(&umbrella.1, &json!({"SearchTerm1": "GENERAL LEDGER"}));
    term(&world, &umbrella.0, "GENERAL LEDGER");
    assert_eq!(now(&interlock, &old)["status"], "withdrawn");
    until(SOON, || match world.partner(&acme.1)["SearchTerm1"].as_str() {
        Some("SALES") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(now(&interlock, &item)["resolution"]["by"], "oscar");
    until_runs(&interlock, &["cancelled", "cancelled", "completed"]);
    assert!(interlock.items().is_empty(), "{:#?}", interlock.items());
}

/// Two accounts in the CRM may not have the same search term.
fn rules(world: &World, rules: &Value) {
    world.control(&world.crm, "duplicate-rules", rules);
}

#[test]
fn a_refused_write_is_tried_again_by_a_workflow_until_it_gives_up() {
    const AGAIN: &str = r#"
  - again: { set: { action: '${ if .tried < 2 then "retry" else "ask" end }', note: '${ "tried \(.tried) times" }' } }
"#;
    let world = world("refused", &after("PT1S", AGAIN));
    let interlock = world.interlock();
    let acme = linked(&world, &interlock, "ACME");
    let umbrella = linked(&world, &interlock, "Umbrella");
    world.update_account(&acme.0, &json!({"Search_Term__c": "BOLTS"}));
    rules(&world, &json!([{"object": "Account", "fields": ["Search_Term__c"], "action": "block"}]));
    world.update_partner(&umbrella.1, &json!({"SearchTerm1": "BOLTS"}));
    let item = until(SOON, || {
        let items = interlock.items();
        let told = |item: &&Value| item["reason"].as_str().is_some_and(|reason| reason.contains("leaves it to people"));
        items.iter().find(told).cloned().ok_or_else(|| format!("{items:#?}"))
    });
    assert!(item["reason"].as_str().is_some_and(|reason| reason.ends_with("tried 2 times")), "{item:#}");
    assert_eq!(said(&matter(&interlock, &item), "master-data/decide: Try again"), 2);
    // A person has it tried, and the count begins anew.
    let (status, answer) = decide(&interlock, &item, "retry");
    assert_eq!(status / 100, 2, "{answer}");
    until(SOON, || {
        let found = runs(&interlock);
        if found.len() == 4 { Ok(()) } else { Err(format!("{found:?}")) }
    });
    rules(&world, &json!([]));
    term(&world, &umbrella.0, "BOLTS");
    until(SOON, || if interlock.items().is_empty() { Ok(()) } else { Err(format!("{:#?}", interlock.items())) });
}

#[test]
fn what_becomes_of_a_record_is_decided_by_a_workflow() {
    const RULE: &str = r#"
  - becomes: { set: { action: '${ if (.actions | index("block")) and .lost == "crm" then "block" else "ask" end }' } }
"#;
    let world = world("deleted", RULE);
    world.edit("objects/customer.yaml", "deletes: deactivate", "deletes: queue");
    let interlock = world.interlock();
    let (account, number) = linked(&world, &interlock, "ACME");
    world.delete_account(&account);
    until(SOON, || {
        let partner = world.partner(&number);
        if partner["BusinessPartnerIsBlocked"] == true { Ok(()) } else { Err(format!("{partner}")) }
    });
    until_runs(&interlock, &["completed"]);
    assert!(interlock.items().is_empty(), "{:#?}", interlock.items());
}
