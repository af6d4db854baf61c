//! Ctrl-C and power cuts in the middle of work.

use crate::program::{LATER, SOON, until};
use crate::world::{Interlock, World};

const ORDERS: usize = 30;

/// Orders under way: some are in the ERP, others are not.
fn in_the_middle(world: &World) -> (Interlock<'_>, Vec<String>) {
    let interlock = world.interlock(&[], &[]);
    world.slow_erp(true);
    let quotes = world.accepted(ORDERS);
    until(SOON, || match world.orders().len() {
        0 => Err("no order is in the ERP".to_owned()),
        _ => Ok(()),
    });
    assert!(world.orders().len() < ORDERS, "the ERP is not slow enough for this test");
    (interlock, quotes)
}

fn goes_on(world: &World, quotes: &[String]) {
    world.slow_erp(false);
    let interlock = world.interlock(&[], &[]);
    world.wait_for_orders(quotes, LATER);
    world.ordered_once(quotes);
    interlock.has_no_items();
    interlock.stop();
    // A store that was closed is one file, which can be copied.
    for beside in ["interlock.db-wal", "interlock.db-shm"] {
        assert!(!world.project.join("data").join(beside).exists(), "{beside} is still there");
    }
}

#[test]
fn ctrl_c_during_work_ends_cleanly_and_the_next_start_goes_on() {
    let world = World::new();
    let (interlock, quotes) = in_the_middle(&world);
    let ended = interlock.stop();
    let errors: Vec<&str> = ended.errors.lines().collect();
    assert_eq!(errors, ["Stopping. Once more Ctrl-C stops it at once."]);
    goes_on(&world, &quotes);
}

#[test]
fn after_a_power_cut_the_next_start_goes_on() {
    let world = World::new();
    let (interlock, quotes) = in_the_middle(&world);
    interlock.program.kill();
    // Again, in the middle of what the start takes up.
    let interlock = world.interlock(&[], &[]);
    interlock.program.kill();
    goes_on(&world, &quotes);
}
