//! A disk that is full: a small file system in memory holds the store, and a ballast file fills it.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::json;

use crate::program::{LATER, SOON, no_panic, until};
use crate::world::World;

/// More than a write-ahead log grows to, so that there is room once the ballast is gone.
const SIZE: &str = "size=64m";
/// How long a full disk is watched: everything that waits has tried a few times by then.
const WATCHED: Duration = Duration::from_secs(4);
/// How often the log may say in that time that the disk is full.
const TOLD_MAX: usize = 3;

/// A mounted file system; it is gone with this value.
struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Mounts one. Without the right to do so the test is skipped, except when the variable `CI` is set.
    fn mount_or_skip(test: &str, world: &World) -> Option<Self> {
        let folder = PathBuf::from(world.beside("disk"));
        fs::create_dir(&folder).expect("a folder");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", SIZE, "interlock-test"]).arg(&folder);
        let reason = match command.output() {
            Ok(Output { status, .. }) if status.success() => return Some(Self { folder }),
            Ok(Output { stderr, .. }) => String::from_utf8_lossy(&stderr).trim().replace('\n', " "),
            Err(error) => error.to_string(),
        };
        assert!(std::env::var_os("CI").is_none(), "a small disk cannot be mounted: {reason}");
        eprintln!("skipped {test}: a small disk cannot be mounted: {reason}");
        None
    }

    fn store(&self) -> String {
        self.folder.join("interlock.db").to_string_lossy().into_owned()
    }

    /// Leaves no room for one more block.
    fn fill(&self) {
        let mut ballast = File::options().create(true).append(true).open(self.ballast()).expect("a file");
        for block in [1 << 16, 1 << 12] {
            let zeros = vec![0; block];
            let error = loop {
                if let Err(error) = ballast.write_all(&zeros) {
                    break error;
                }
            };
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        }
    }

    /// Makes space.
    fn free(&self) {
        fs::remove_file(self.ballast()).expect("it is there");
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open there is about to be killed.
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}

#[test]
fn a_disk_that_fills_up_is_told_and_work_goes_on_by_itself_when_there_is_space() {
    let world = World::new();
    let Some(disk) = Disk::mount_or_skip("the disk that fills up", &world) else { return };
    let mut interlock = world.interlock(&[], &["--store", &disk.store()]);
    let mut quotes = world.accepted(1);
    world.wait_for_orders(&quotes, SOON);

    // Some orders are on their way when the disk gets full, others come later.
    world.slow_erp(true);
    quotes.extend(world.accepted(8));
    until(SOON, || if world.orders().len() > 1 { Ok(()) } else { Err("nothing is under way".to_owned()) });
    disk.fill();
    // The files that are there have room for a little yet, and what fits is taken. After that, what cannot be stored is not
    // acknowledged.
    let (mut number, mut refused) = (0, 0);
    until(SOON, || {
        number += 1;
        let event = json!({
            "specversion": "1.0", "id": format!("e-{number}"), "source": "/test",
            "type": "sap.s4.beh.billingdocument.v1.BillingDocument.Created.v1",
            "data": {"BillingDocument": "90000001"}
        });
        let (status, problem) = interlock.push(&event);
        refused = if status == 503 { refused + 1 } else { 0 };
        if status == 503 {
            assert_eq!(problem["code"], "IL-STORE-001", "{problem}");
            assert!(problem["remedy"].as_str().is_some_and(|remedy| remedy.contains("Free some space")), "{problem}");
        }
        if refused == 5 { Ok(()) } else { Err(format!("{number} pushed, {status}: {problem}")) }
    });
    interlock.complains(&["disk of", &disk.store(), "is full"]);
    // And nothing is done on the strength of it.
    let late = world.accepted(8);
    world.slow_erp(false);
    let numbers = world.records("SELECT Id, QuoteNumber FROM Quote");
    let orders = world.orders();
    for quote in &late {
        let record = numbers.iter().find(|record| record["Id"] == quote.as_str()).expect("the quote");
        let number = record["QuoteNumber"].as_str().expect("a number");
        assert!(!orders.iter().any(|order| order.starts_with(number)), "{number} was ordered without being stored");
    }
    // Nothing ends and nothing is said again and again while it stays so; what is there can be looked at.
    std::thread::sleep(WATCHED);
    assert_eq!(interlock.connection("erp")["name"], "erp");
    assert!(interlock.program.runs());

    disk.free();
    quotes.extend(late);
    world.wait_for_orders(&quotes, LATER);
    world.ordered_once(&quotes);
    interlock.has_no_items();
    let errors = interlock.stop().errors;
    let full: Vec<&str> = errors.lines().filter(|line| line.contains("is full")).collect();
    let mut wrong = Vec::new();
    if !full.iter().any(|line| line.contains("Free some space")) {
        wrong.push("the log does not say what to do".to_owned());
    }
    if full.len() > TOLD_MAX {
        wrong.push(format!("the log says it {} times", full.len()));
    }
    if errors.contains('\u{1b}') {
        wrong.push("the log has colors for a terminal, where there is none".to_owned());
    }
    assert!(wrong.is_empty(), "{wrong:#?}, such as {:?}", full.first());
}

#[test]
fn a_stop_while_the_disk_is_full_ends_and_loses_nothing() {
    let world = World::new();
    let Some(disk) = Disk::mount_or_skip("the stop while the disk is full", &world) else { return };
    let store = ["--store", &disk.store()];
    let interlock = world.interlock(&[], &store);
    let mut quotes = world.accepted(1);
    world.wait_for_orders(&quotes, SOON);
    // What the ERP has done, and answers when the disk is full, cannot be written down any more.
    world.slow_erp(true);
    quotes.extend(world.accepted(8));
    until(SOON, || if world.orders().len() > 1 { Ok(()) } else { Err("nothing is under way".to_owned()) });
    disk.fill();
    interlock.complains(&["is full"]);
    interlock.program.signal("INT");
    // Requests under way are given 20 s.
    let ended = interlock.program.end(Duration::from_secs(28));
    assert!(ended.status.is_some(), "{ended:?}");
    no_panic(&ended.errors);
    disk.free();
    world.slow_erp(false);
    let interlock = world.interlock(&[], &store);
    world.wait_for_orders(&quotes, LATER);
    world.ordered_once(&quotes);
    interlock.stop();
}

#[test]
fn a_start_on_a_full_disk_is_refused_with_one_sentence() {
    let world = World::new();
    let Some(disk) = Disk::mount_or_skip("the start on a full disk", &world) else { return };
    let store = ["--store", &disk.store()];
    let is_refused = || {
        disk.fill();
        world.ends("run", &[], &store).refused(1, &["the disk of", &disk.store(), "is full", "Free some space"]);
        disk.free();
    };
    is_refused();
    world.interlock(&[], &store).stop();
    // A store that came from a backup has no index of its log yet.
    let index = format!("{}-shm", disk.store());
    if fs::exists(&index).expect("it is known") {
        fs::remove_file(index).expect("it is ours");
    }
    is_refused();
    world.interlock(&[], &store).stop();
}
