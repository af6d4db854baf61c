//! Ports, certificates and stores that cannot be had.

use std::fs::{self, File};
use std::net::TcpListener;

use crate::program::{LATER, Program, SOON};
use crate::world::World;

#[test]
fn a_port_in_use_is_told_with_the_setting_that_changes_it() {
    let world = World::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    for (variable, purpose, setting) in [
        ("API_ADDRESS", "the API listener cannot listen on", "`listeners.api` in interlock.yaml"),
        ("CONSOLE_ADDRESS", "the console cannot listen on", "`listeners.console` in interlock.yaml"),
    ] {
        let ended = world.ends("run", &[(variable, &address)], &[]);
        ended.refused(1, &[purpose, &address, "another program uses this port", setting]);
        assert_eq!(ended.output, "");
    }
    assert!(!world.project.join("data").exists(), "it has begun to work");
    drop(taken);
    world.interlock(&[("API_ADDRESS", &address)], &[]).stop();
}

#[test]
fn a_certificate_file_that_cannot_be_used_is_told() {
    let world = World::new();
    let nowhere = world.beside("nowhere.pem");
    let ended = world.ends("run", &[("CRM_CA_FILE", &nowhere)], &[]);
    ended.refused(1, &[&nowhere, "No such file", "`pubsub.caFile`"]);

    let empty = world.beside("empty.pem");
    fs::write(&empty, "this is no certificate\n").expect("written");
    let ended = world.ends("run", &[("CRM_CA_FILE", &empty)], &["--check-connections"]);
    assert_eq!(ended.status, Some(1), "a file without a certificate is taken for one: {ended:?}");
    assert!(format!("{}{}", ended.output, ended.errors).contains("caFile"), "{ended:?}");
}

/// The certificate of another org: every other request is fine, but no change is ever heard of.
#[test]
fn the_wrong_certificate_is_told_and_loses_nothing() {
    let world = World::new();
    world.edit("connections/crm.yaml", "sweep: { every: 20s", "sweep: { every: 1s");
    let other = world.beside("other.pem");
    let mut simulator = Program::start(&["sandbox", "salesforce", "--child", "--ca-file", &other], &[]);
    simulator.printed("\n");

    let interlock = world.interlock(&[("CRM_CA_FILE", &other)], &[]);
    let quotes = world.accepted(10);
    world.wait_for_orders(&quotes, LATER);
    world.ordered_once(&quotes);

    let ended = world.ends("run", &[("CRM_CA_FILE", &other)], &["--check-connections"]);
    let errors = interlock.stop().errors;
    let mut wrong = Vec::new();
    if ended.status != Some(1)
        || !ended.output.lines().any(|line| line.starts_with("crm: ") && line.contains("certificate"))
    {
        wrong.push(format!("the check takes a certificate that does not fit: {ended:?}"));
    }
    let tells = |line: &str| ["crm", "QuoteChangeEvent", "certificate"].iter().all(|part| line.contains(part));
    if !errors.lines().any(tells) {
        wrong.push(format!("the log does not say that no change is heard of, and why: {errors:?}"));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_store_that_another_process_holds_is_told_and_left_alone() {
    let world = World::new();
    let first = world.interlock(&[], &[]);
    let ended = world.ends("run", &[], &[]);
    ended.refused(1, &["interlock.db is in use by another process", "Stop the other Interlock", "a store of its own"]);

    // The first has not noticed.
    let quotes = world.accepted(1);
    world.wait_for_orders(&quotes, SOON);
    first.program.kill();

    // Nobody has to remove a lock that a killed process left behind.
    let second = world.interlock(&[], &[]);
    second.stop();
    let lock = world.project.join("data/interlock.db.lock");
    let held = File::options().write(true).open(lock).expect("the lock's file");
    held.lock().expect("it is free");
    world.ends("run", &[], &[]).refused(1, &["is in use by another process"]);
    drop(held);
    world.interlock(&[], &[]).stop();
    world.ordered_once(&quotes);
}
