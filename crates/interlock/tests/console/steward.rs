//! A steward of master data: what each work item asks, and which record is which.

use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::SOON;
use crate::browser::{self, Browser};
use crate::program::until;
use crate::systems::Interlock;
use crate::world::World;

const STEWARD: &str = "the-token-of-stella";

fn linked(world: &World, name: &str, postal_code: &str) -> (String, String) {
    let account = world.create_account(&json!({
        "Name": name, "BillingCity": "Leeds", "BillingPostalCode": postal_code, "BillingCountry": "United Kingdom",
        "BillingStreet": "1 Park Row"
    }));
    let number = number(world, &account);
    (account, number)
}

fn number(world: &World, account: &str) -> String {
    until(SOON, || {
        let found = world.account(account);
        found["ERP_Customer_Number__c"].as_str().map(str::to_owned).ok_or_else(|| format!("{found}"))
    })
}

fn path(item: &Value) -> String {
    format!("/items/{}", item["id"].as_str().expect("an id"))
}

/// Both systems change the search term to and fro, as two programs would that disagree.
fn goes_to_and_fro(world: &World, interlock: &Interlock<'_>, account: &str, number: &str) -> Value {
    for _ in 0..3 {
        for term in ["LEFT", "RIGHT"] {
            if term == "LEFT" {
                world.update_account(account, &json!({"Search_Term__c": term}));
            } else {
                world.update_partner(number, &json!({"SearchTerm1": term}));
            }
            let rests = || {
                interlock
                    .items()
                    .iter()
                    .any(|item| item["title"].as_str().is_some_and(|title| title.contains("to and fro")))
            };
            until(SOON, || {
                let (left, right) = (world.account(account), world.partner(number));
                let same = left["Search_Term__c"] == term && right["SearchTerm1"] == term;
                if same || rests() { Ok(()) } else { Err(format!("{left} {right}")) }
            });
        }
    }
    interlock.item("to and fro")
}

#[test]
fn a_steward_sees_what_is_asked_and_which_record_is_which() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let Some((_driver, browser)) = runtime.block_on(browser::start(folder.path())) else { return };
    let looked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| looks(&runtime, &browser)));
    // The browser is not of the driver's group: it is closed whatever happens.
    let closed = runtime.block_on(browser.client.clone().close());
    if let Err(panic) = looked {
        std::panic::resume_unwind(panic);
    }
    closed.expect("the browser closes");
}

fn looks(runtime: &tokio::runtime::Runtime, browser: &Browser) {
    let world = World::new();
    world.edit("objects/customer.yaml", "deletes: deactivate", "deletes: queue");
    world.edit("connections/crm.yaml", "every: 20s", "every: 2s");
    world.edit("values/countries.yaml", "otherwise: keep", "otherwise: refuse");
    world.create_account(&json!({
        "Name": "Bexley Home Supplies", "BillingCity": "Leeds", "BillingPostalCode": "LS3 1AB",
        "BillingCountry": "United Kingdom", "BillingStreet": "7 Mill Lane"
    }));
    world.create_partner("Bexley Garden Supplies", "Leeds", "LS3 1AB");
    let mut interlock = world.interlock();
    let identity = interlock.item("which customer is it?");

    let (conflicting, number_of_it) = linked(&world, "Ashford Gifts Limited", "LS1 4AP");
    interlock.program.kill();
    world.update_account(&conflicting, &json!({"Search_Term__c": "ASHFORD"}));
    world.update_partner(&number_of_it, &json!({"SearchTerm1": "GIFTS"}));
    interlock = world.interlock();
    let conflict = interlock.item("which searchTerm is right?");

    let (doomed, _) = linked(&world, "Camden Trading Company", "LS4 2CD");
    world.delete_account(&doomed);
    let deleted = interlock.item("what becomes of it");

    world.create_account(
        &json!({"Name": "Freedonia Imports", "BillingPostalCode": "A1", "BillingCountry": "Freedonia"}),
    );
    let unreadable = until(SOON, || {
        let items = interlock.items();
        let found = items.iter().find(|item| !item["unmapped"].is_null());
        found.cloned().ok_or_else(|| format!("{items:?}"))
    });

    let (restless, restless_number) = linked(&world, "Dover Lamps", "CT16 1AA");
    let turns = goes_to_and_fro(&world, &interlock, &restless, &restless_number);

    runtime.block_on(async {
        signs_in(browser, &interlock.console).await;
        // What is asked, which record is which, and what each answer will do.
        for (name, item, parts) in [
            (
                "identity",
                &identity,
                &[
                    ": which customer is it?",
                    "This record of",
                    "Bexley Garden Supplies",
                    "7 Mill Lane",
                    "Bexley Home Supplies",
                    "The two records are one from now on",
                    "It becomes an object of its own",
                ][..],
            ),
            (
                "conflict",
                &conflict,
                &[
                    "which searchTerm is right?",
                    "Keep “ASHFORD” of Salesforce",
                    "Keep “GIFTS” of S/4HANA",
                    "What each system says",
                    "It counts from now on",
                ],
            ),
            (
                "deleted",
                &deleted,
                &[
                    "is gone from Salesforce",
                    "Block it in S/4HANA",
                    "Keep it in S/4HANA",
                    "Make it again in Salesforce",
                ],
            ),
            ("unreadable", &unreadable, &["Freedonia", "The record is read again"]),
            ("to-and-fro", &turns, &["goes to and fro", "Salesforce made it", "What is agreed is written again"]),
        ] {
            opens(browser, &interlock.console, &path(item)).await;
            browser.sees("Why it waits").await;
            browser.screenshot(&format!("steward-{name}")).await;
            for part in parts {
                browser.sees(part).await;
            }
        }
        opens(browser, &interlock.console, "/queues/stewardship").await;
        browser.sees("which customer is it?").await;
        browser.screenshot("steward-queue").await;
        // From the list to the record by keyboard, and from there to what waits.
        browser.press(None, ['g', 'r']).await;
        browser.click("//main//a[@href='/records/customer']").await;
        browser.is_at("/records/customer").await;
        browser.screenshot("steward-records").await;
        browser.press(None, ['/']).await;
        browser.press(None, "ashford".chars().chain([char::from(Key::Enter)])).await;
        browser.click("//main//tr[contains(., 'Ashford')]//a").await;
        browser.sees("What is agreed, and what each system holds").await;
        browser.sees("Waits for a person").await;
        browser.sees("A person decides").await;
        browser.sees("Says otherwise").await;
        browser.screenshot("steward-record").await;
        browser.click("//main//a[contains(., 'which searchTerm is right?')]").await;
        browser.is_at(&path(&conflict)).await;
        browser.click_button("Keep “ASHFORD” of Salesforce").await;
        browser.sees("This is resolved").await;
        opens(browser, &interlock.console, "/connections").await;
        browser.screenshot("steward-connections").await;
        let complaints = browser.complaints().await;
        assert!(complaints.is_empty(), "the browser complains: {complaints:?}");
    });
    until(SOON, || match world.partner(&number_of_it)["SearchTerm1"].as_str() {
        Some("ASHFORD") => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

async fn opens(browser: &Browser, console: &str, path: &str) {
    browser.client.goto(&format!("{console}{path}")).await.expect("the console answers");
    browser.is_at(path).await;
}

async fn signs_in(browser: &Browser, console: &str) {
    browser.client.goto(&format!("{console}/queues")).await.expect("the console answers");
    browser.sees("Access token").await;
    let ready = async || browser.focused().await.ok()?.attr("id").await.ok()?.filter(|id| id == "token");
    browser.until("the field to have the focus", ready).await;
    browser.press(None, STEWARD.chars()).await;
    browser.click_button("Sign in").await;
    browser.sees("Stewardship").await;
}
