//! What holds whatever happens in whatever order.

use proptest::prelude::*;
use sync::Conflict;

use crate::world::{FIELDS, World};

#[derive(Debug, Clone)]
enum Happens {
    Edit(&'static str, &'static str, String),
    Tell(&'static str),
    Write(&'static str),
}

fn side() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("crm"), Just("erp")]
}

fn happens() -> impl Strategy<Value = Happens> {
    let value = proptest::string::string_regex("[a-c]{0,6}").expect("a pattern");
    prop_oneof![
        3 => (side(), proptest::sample::select(&FIELDS[..]), value).prop_map(|(side, field, value)| Happens::Edit(side, field, value)),
        3 => side().prop_map(Happens::Tell),
        2 => side().prop_map(Happens::Write),
    ]
}

fn play(world: &mut World, history: &[Happens]) {
    for one in history {
        match one {
            Happens::Edit(side, field, value) => world.edit(side, field, value.as_str()),
            Happens::Tell(side) => {
                world.tell(side);
            }
            Happens::Write(side) => {
                world.write(side);
            }
        }
    }
}

/// Owned fields and who owns them before the stage `buyer`.
const OWNED: [(&str, &str); 4] = [("name", "crm"), ("city", "crm"), ("credit", "erp"), ("billing.country", "crm")];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Both sides end the same, and nothing is written any more.
    #[test]
    fn whatever_people_do_both_sides_agree_in_the_end(history in prop::collection::vec(happens(), 0..40)) {
        let mut world = World::new(Conflict::Newest);
        world.checks_at_once = history.len() % 2 == 0;
        world.edit("crm", "name", "x");
        play(&mut world, &history);
        world.settle();
        // What went to and fro too often waits for a person.
        if world.agreement.turns.values().all(|turns| !turns.rests()) {
            prop_assert_eq!(world.agrees(), Ok(()));
        }
        let writes = world.writes;
        world.settle();
        prop_assert_eq!(world.writes, writes, "an echo caused a write");
    }

    /// Of two changes that nobody has seen yet, neither is written over.
    #[test]
    fn what_nobody_has_seen_is_not_written_over(crm in "[a-c]{1,4}", erp in "[d-f]{1,4}", first in side()) {
        let mut world = World::new(Conflict::Queue);
        world.edit("crm", "note", "x");
        world.tell("crm");
        world.settle();
        world.edit("crm", "note", crm.as_str());
        world.edit("erp", "note", erp.as_str());
        world.tell(first);
        world.settle();
        let values: Vec<_> = world.agreement.conflicts["note"].values().filter_map(|value| value.as_str()).collect();
        prop_assert!(values.contains(&crm.as_str()) && values.contains(&erp.as_str()), "{:?}", values);
        let (in_crm, in_erp) = (world.value("crm", "note"), world.value("erp", "note"));
        prop_assert_eq!((in_crm.as_str(), in_erp.as_str()), (Some(crm.as_str()), Some(erp.as_str())));
    }

    /// Where ownership decides, neither order nor timing matter.
    #[test]
    fn the_owners_last_word_is_what_both_sides_hold(
        history in prop::collection::vec(happens(), 0..40),
        last in prop::collection::vec((0..OWNED.len(), "[d-f]{1,4}"), 1..4),
    ) {
        let mut world = World::new(Conflict::Queue);
        world.checks_at_once = history.len() % 2 == 0;
        world.edit("crm", "name", "x");
        play(&mut world, &history);
        world.settle();
        for (place, value) in &last {
            let (field, owner) = OWNED[*place];
            world.edit(owner, field, value.as_str());
            let other = if owner == "crm" { "erp" } else { "crm" };
            // The other side changes it as well, at the same time.
            world.edit(other, field, "zz");
        }
        world.agreement.retry();
        let told = [["crm", "erp"], ["erp", "crm"]][history.len() % 2];
        for side in told {
            world.tell(side);
        }
        world.settle();
        for (field, owner) in last.iter().map(|(place, _)| OWNED[*place]) {
            let word = last.iter().rev().find(|(place, _)| OWNED[*place].0 == field).map(|(_, value)| value.as_str());
            for side in ["crm", "erp"] {
                let held = world.value(side, field);
                prop_assert_eq!(held.as_str(), word, "{} in {}, owned by {}", field, side, owner);
            }
        }
    }
}
