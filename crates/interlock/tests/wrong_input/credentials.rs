//! Secrets that a system refuses: told by the check, and nothing is lost while they are wrong.

use crate::program::{LATER, until};
use crate::world::World;

const WRONG: &str = "surely-not-this";

#[test]
fn the_check_says_which_system_refuses_its_credentials() {
    let world = World::new();
    let check = |other: &[(&str, &str)]| world.ends("run", other, &["--check-connections"]);
    let line = |output: &str, name: &str| {
        let line = output.lines().find(|line| line.starts_with(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("nothing of {name}: {output}")).to_owned()
    };
    let well = "it answers and takes the credentials";

    let ended = check(&[("CRM_CLIENT_SECRET", WRONG)]);
    ended.refused(1, &["1 connection cannot be used", "credentials", "IL-START-004"]);
    let crm = line(&ended.output, "crm");
    assert!(crm.contains("invalid client credentials") && crm.contains("invalid_client"), "{crm}");
    assert!(line(&ended.output, "erp").contains(well), "{}", ended.output);

    let ended = check(&[("ERP_PASSWORD", WRONG)]);
    ended.refused(1, &["1 connection cannot be used", "credentials", "IL-START-004"]);
    assert!(line(&ended.output, "erp").contains("401"), "{}", ended.output);
    assert!(line(&ended.output, "crm").contains(well), "{}", ended.output);

    let ended = check(&[("CRM_CLIENT_SECRET", WRONG), ("ERP_PASSWORD", WRONG)]);
    ended.refused(1, &["2 connections cannot be used"]);
    assert!(!format!("{ended:?}").contains(WRONG), "it shows a secret: {ended:?}");

    let ended = check(&[]);
    assert_eq!((ended.status, ended.errors.as_str()), (Some(0), ""));
}

/// Runs with a wrong secret, then with the right one: the order that came meanwhile goes through, and a person was told.
fn waits_for_the_right_secret(connection: &str, variable: &str, reason: &str) {
    let world = World::new();
    for file in ["connections/crm.yaml", "connections/erp.yaml"] {
        world.edit(file, "longest: 15s", "longest: 1s");
    }
    let interlock = world.interlock(&[(variable, WRONG)], &[]);
    let quotes = world.accepted(2);
    let state = until(LATER, || {
        let state = interlock.connection(connection);
        if state["state"] == "refused" { Ok(state) } else { Err(state.to_string()) }
    });
    let error = state["last_error"].as_str().unwrap_or_default();
    assert!(error.contains(reason) && !error.contains(WRONG), "{state}");
    assert_eq!(world.orders(), [""; 0]);
    interlock.has_no_items();
    let errors = interlock.stop().errors;

    let interlock = world.interlock(&[], &[]);
    world.wait_for_orders(&quotes, LATER);
    world.ordered_once(&quotes);
    assert_eq!(interlock.connection(connection)["state"], "up");
    interlock.stop();

    // Who has no console open has the log.
    let tells = |line: &str| line.contains(connection) && line.contains("credentials");
    let told = errors.lines().filter(|line| tells(line)).count();
    assert!((1..=3).contains(&told), "the log says {told} times that {connection} refuses its credentials: {errors}");
    assert!(!errors.contains(WRONG), "{errors}");
}

#[test]
fn an_order_waits_while_salesforce_refuses_the_client_secret() {
    waits_for_the_right_secret("crm", "CRM_CLIENT_SECRET", "invalid client credentials");
}

#[test]
fn an_order_waits_while_the_erp_refuses_the_password() {
    waits_for_the_right_secret("erp", "ERP_PASSWORD", "401");
}

#[test]
fn nothing_begins_to_work_while_nobody_could_come_in() {
    let world = World::new();
    let ended = world.ends("run", &[("OSCAR_TOKEN", "short")], &[]);
    ended.refused(1, &["oscar", "fewer than 8 characters", "IL-CON-002"]);
    assert!(!world.project.join("data").exists(), "a store was made");
}
