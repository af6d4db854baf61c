//! What people are told about a field.

use model::Value;
use sync::{Cause, Conflict, Reach, Rule, Standing};

use crate::world::{World, name};

fn reach(world: &World, field: &str) -> Vec<Reach> {
    world.agreement.explain(&world.policy, field).sides.iter().map(|side| side.state).collect()
}

#[test]
fn each_side_is_told_of_as_it_stands() {
    let mut world = World::new(Conflict::Queue);
    world.edit("crm", "name", "ACME Limited");
    assert_eq!(reach(&world, "name"), [Reach::NoRecord, Reach::NoRecord]);
    // Where no records are made, there is none to be written to.
    let creates = std::mem::take(&mut world.policy.sides[&name("erp")].creates);
    world.tell("crm");
    assert_eq!(reach(&world, "name"), [Reach::Same, Reach::NoRecord]);
    world.policy.sides[&name("erp")].creates = creates;
    world.plan();
    assert_eq!(reach(&world, "name"), [Reach::Same, Reach::UnderWay]);
    world.settle();
    assert_eq!(reach(&world, "name"), [Reach::Same, Reach::OwnForm]);
    assert_eq!(reach(&world, "city"), [Reach::Same, Reach::Same]);
    assert_eq!(reach(&world, "unheardOf"), [Reach::NotMapped, Reach::NotMapped]);
    world.edit("crm", "city", "York");
    world.tell("crm");
    world.refuse("erp");
    assert_eq!(reach(&world, "city"), [Reach::Same, Reach::Refused]);
    world.agreement.retry();
    assert_eq!(reach(&world, "city"), [Reach::Same, Reach::Open]);
    world.policy.sides[&name("erp")].writes.shift_remove("city");
    assert_eq!(reach(&world, "city"), [Reach::Same, Reach::NotWritten]);
}

#[test]
fn who_won_and_what_lost_is_told() {
    let mut world = World::new(Conflict::Queue);
    world.edit("crm", "city", "Leeds");
    world.tell("crm");
    world.settle();
    world.edit("erp", "city", "Hull");
    world.tell("erp");
    world.settle();
    let told = world.agreement.explain(&world.policy, "city");
    let verdict = told.verdict.expect("a verdict");
    assert_eq!((told.value, told.owner, told.standing), (&Value::from("Leeds"), Some(&name("crm")), Standing::Settled));
    assert_eq!((&verdict.from, verdict.rule), (&name("crm"), Rule::First));
    assert_eq!(verdict.lost[&name("erp")], Value::from("Hull"));
    assert_eq!(told.sides[1].held, Some(&Value::from("Leeds")));
}

#[test]
fn what_waits_for_a_person_is_told_until_somebody_decides() {
    let mut world = World::new(Conflict::Queue);
    world.edit("crm", "note", "a");
    world.tell("crm");
    world.settle();
    world.edit("crm", "note", "b");
    world.edit("erp", "note", "c");
    world.tell("crm");
    world.tell("erp");
    assert_eq!(world.agreement.explain(&world.policy, "note").standing, Standing::Disputed);
    world.agreement.decide("note", &name("erp"), Value::from("c"), Cause::default());
    let told = world.agreement.explain(&world.policy, "note");
    assert_eq!((told.standing, told.value), (Standing::Settled, &Value::from("c")));
    assert_eq!(told.verdict.expect("a verdict").rule.to_string(), "it was decided in a work item");
}

#[test]
fn every_field_of_every_side_can_be_asked_for() {
    let world = World::new(Conflict::Queue);
    let fields = world.agreement.fields(&world.policy);
    assert_eq!(fields.iter().map(|field| &**field).collect::<Vec<_>>(), crate::world::FIELDS);
    for field in &fields {
        let told = world.agreement.explain(&world.policy, field);
        assert_eq!((told.value, told.verdict, told.sides.len()), (&Value::Null, None, 2));
    }
}
