//! Values that a value map does not know: told as data, gathered for who mends the map, and gone when it is mended.

use serde_json::{Value, json};

use crate::SOON;
use crate::program::{Ended, Program, until};
use crate::systems::OPERATOR;
use crate::world::World;

fn queues(console: &str, arguments: &[&str]) -> Ended {
    let arguments = [&["queues"], arguments, &["--url", console]].concat();
    Program::start(&arguments, &[("INTERLOCK_TOKEN", OPERATOR)]).end(SOON)
}

fn unmapped(console: &str) -> Value {
    let told = queues(console, &["unmapped", "--json"]);
    assert_eq!(told.status, Some(0), "{told:?}");
    let result: Value = serde_json::from_str(&told.output).expect("JSON");
    result["unmapped"].clone()
}

#[test]
fn values_that_no_map_knows_are_gathered_and_go_on_when_the_map_is_mended() {
    const MAP: &str = "values/countries.yaml";
    let world = World::new();
    world.edit(MAP, "otherwise: keep", "otherwise: refuse");
    world.edit(MAP, "  United Kingdom: GB\n  Channel Islands: GB\n", "");
    let interlock = world.interlock();
    assert_eq!(unmapped(&interlock.console), json!([]));
    // Two that cannot be read, and one that cannot be written.
    for name in ["ACME", "Initech"] {
        world.create_account(&json!({"Name": name, "BillingPostalCode": "1", "BillingCountry": "Freedonia"}));
    }
    world.create_partner("Umbrella Ltd", "York", "YO1 7HH");
    until(SOON, || {
        let items = interlock.items();
        if items.len() == 3 { Ok(()) } else { Err(format!("{items:#?}")) }
    });
    let refused = interlock.item("crm refuses Umbrella");
    assert_eq!(
        refused["unmapped"],
        json!([{"map": "countries", "value": "GB", "member": "billing.country", "field": "BillingCountry", "direction": "write"}]),
        "{refused:#}"
    );
    let found = unmapped(&interlock.console);
    let [freedonia, kingdom] = found.as_array().expect("a list").as_slice() else { panic!("{found:#}") };
    for (one, value, direction, items, line) in [
        (freedonia, "Freedonia", "read", 2, "\"Freedonia\": <value of billing.country>"),
        (kingdom, "GB", "write", 1, "<value of BillingCountry>: \"GB\""),
    ] {
        assert_eq!((&one["map"], &one["value"]), (&json!("countries"), &json!(value)), "{one:#}");
        assert_eq!((&one["direction"], &one["items"]), (&json!(direction), &json!(items)), "{one:#}");
        assert_eq!((&one["file"], &one["line"]), (&json!(MAP), &json!(line)), "{one:#}");
    }
    let told = queues(&interlock.console, &["unmapped"]);
    for part in [MAP, "2 work items since 20", "crm refuses Umbrella", "below `map`"] {
        assert!(told.output.contains(part), "`{part}` is not in: {}", told.output);
    }

    // A person does what it says.
    interlock.program.kill();
    world.edit(MAP, "map:\n", "map:\n  Freedonia: FR\n  United Kingdom: GB\n");
    let interlock = world.interlock();
    for queue in ["data", "stewardship"] {
        let acted = queues(&interlock.console, &["act", "retry", "--queue", queue, "--yes"]);
        assert_eq!(acted.status, Some(0), "{acted:?}");
    }
    until(SOON, || {
        let (items, accounts) = (interlock.items(), world.accounts("ERP_Customer_Number__c != null"));
        if items.is_empty() && accounts.len() == 3 { Ok(()) } else { Err(format!("{items:#?} {accounts:#?}")) }
    });
    let made = world.accounts("Name = 'Umbrella Ltd'");
    assert_eq!(made.first().map(|account| &account["BillingCountry"]), Some(&json!("United Kingdom")));
    assert!(queues(&interlock.console, &["unmapped"]).output.contains("No open work item waits for a value map."));
}
