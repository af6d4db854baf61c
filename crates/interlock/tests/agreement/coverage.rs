//! What is proven to have been seen: after whatever went wrong the missing window is known, shown, read again and closed by itself.

use reqwest::Method;
use serde_json::{Value, json};

use crate::SOON;
use crate::pages::Visitor;
use crate::program::until;
use crate::systems::{Interlock, OPERATOR};
use crate::world::World;

impl Interlock<'_> {
    /// What the ops API says of what is proven of the accounts.
    fn coverage(&self) -> Value {
        let (status, overview) = self.ops(Method::GET, "overview", None);
        assert_eq!(status, 200, "{overview}");
        let feeds = overview["feeds"].as_array().expect("feeds");
        let accounts = feeds.iter().find(|feed| feed["connection"] == "crm" && feed["name"] == "accounts");
        accounts.expect("the feed")["coverage"].clone()
    }

    pub(crate) fn metrics(&self) -> String {
        let request = self.http.request(Method::GET, &format!("{}/ops/metrics", self.console)).bearer_auth(OPERATOR);
        self.http.done(request).as_str().expect("a text").to_owned()
    }

    /// Waits until nothing is missing any more, and everything is proven up to later than then.
    fn closes(&self, after: &str) -> Value {
        until(SOON, || {
            let coverage = self.coverage();
            let is_closed = coverage["gaps"] == json!([]) && coverage["until"].as_str() > Some(after);
            if is_closed { Ok(coverage) } else { Err(format!("{coverage}")) }
        })
    }
}

impl World {
    fn outage(&self, seconds: u32) {
        self.outage_of(&self.crm, seconds);
    }
}

/// A number that both systems have, and the account.
fn customer(world: &World) -> (String, String) {
    let account = world.create_account(&json!({
        "Name": "ACME", "BillingCity": "Leeds", "BillingPostalCode": "LS1", "BillingCountry": "Ireland"
    }));
    let number = until(SOON, || {
        let found = world.account(&account);
        found["ERP_Customer_Number__c"].as_str().map(str::to_owned).ok_or_else(|| format!("{found}"))
    });
    (account, number)
}

fn arrives(world: &World, number: &str, name: &str) {
    until(SOON, || match world.partner(number)["OrganizationBPName1"].as_str() {
        Some(found) if found == name => Ok(()),
        other => Err(format!("{other:?} instead of {name}")),
    });
}

#[test]
fn an_outage_is_a_window_that_is_shown_survives_a_restart_and_is_read_again_by_itself() {
    let world = World::new();
    world.edit("connections/crm.yaml", "every: 20s", "every: 1s");
    let mut interlock = world.interlock();
    let (account, number) = customer(&world);
    let before = interlock.closes("")["until"].as_str().expect("an instant").to_owned();
    // What happens from now on no event tells of.
    world.control(&world.crm, "faults", &json!({"lost_event": 1.0}));
    world.outage(600);
    let gap = until(SOON, || {
        let coverage = interlock.coverage();
        let gap = coverage["gaps"][0].clone();
        if gap["reason"] == "outage" { Ok(gap) } else { Err(format!("{coverage}")) }
    });
    assert!(gap["from"].as_str() >= Some(&before), "{gap} begins where the proof ends, not before {before}");
    let page = Visitor::of(&interlock).sees("/connections");
    let row = page.split("data-gap=\"accounts\"").nth(1).and_then(|rest| rest.split("</tr>").next()).expect("a row");
    assert!(row.contains("the system did not answer") && row.contains("again"), "{row}");
    let metric = "interlock_feed_gaps{connection=\"crm\",feed=\"accounts\",reason=\"outage\"}";
    assert!(interlock.metrics().contains(&format!("{metric} 1\n")), "{}", interlock.metrics());

    interlock.program.kill();
    interlock = world.interlock();
    let after = interlock.coverage();
    assert_eq!((&after["gaps"][0]["from"], &after["gaps"][0]["reason"]), (&gap["from"], &json!("outage")), "{after}");
    world.outage(0);
    world.update_account(&account, &json!({"Name": "ACME Reborn"}));
    arrives(&world, &number, "ACME Reborn");
    let closed = interlock.closes(gap["until"].as_str().expect("an instant"));
    assert!(closed["behind_seconds"].as_i64().is_some_and(|behind| behind < 20), "{closed}");
    assert!(!Visitor::of(&interlock).sees("/connections").contains("data-gap=\"accounts\""));
    assert!(interlock.metrics().contains(&format!("{metric} 0\n")), "{}", interlock.metrics());
}

#[test]
fn what_was_missed_because_the_place_in_the_feed_is_too_old_is_read_again_at_once() {
    let world = World::new();
    // The usual sweep would come too late.
    world.edit("connections/crm.yaml", "every: 20s", "every: 1h");
    let mut interlock = world.interlock();
    let (account, number) = customer(&world);
    let since = interlock.coverage()["since"].clone();
    interlock.program.kill();
    world.update_account(&account, &json!({"Name": "ACME Reborn"}));
    world.does("forget-events", &json!({}));
    interlock = world.interlock();
    arrives(&world, &number, "ACME Reborn");
    let started = since.as_str().expect("an instant");
    assert_eq!(interlock.closes(started)["since"], since, "what is owed stays owed over restarts");
}
