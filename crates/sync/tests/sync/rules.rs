//! The rules, one by one.

use jiff::Timestamp;
use model::Value;
use sync::{Act, Cause, Conflict, Finding, Reading, Retired, Rule, Taken};

use crate::world::{World, name, policy};

/// A customer that both sides have.
fn known(conflict: Conflict) -> World {
    let mut world = World::new(conflict);
    world.edit("crm", "name", "ACME");
    world.edit("crm", "city", "Leeds");
    world.tell("crm");
    world.settle();
    assert_eq!(world.agrees(), Ok(()));
    world
}

#[test]
fn a_record_of_one_side_is_made_on_the_other() {
    let world = known(Conflict::Queue);
    assert_eq!(world.value("erp", "city"), Value::from("Leeds"));
    assert_eq!(world.writes, 1);
    assert_eq!(world.agreement.verdicts["city"].rule, Rule::First);
}

#[test]
fn an_own_write_that_comes_back_changes_nothing() {
    let mut world = known(Conflict::Queue);
    let (agreed, verdicts) = (world.agreement.agreed.clone(), world.agreement.verdicts.clone());
    let writes = world.writes;
    for side in ["erp", "crm", "erp"] {
        assert_eq!(world.tell(side), Some(Taken::Changed(false)));
    }
    assert_eq!((&world.agreement.agreed, &world.agreement.verdicts, world.writes), (&agreed, &verdicts, writes));
}

#[test]
fn changes_of_two_fields_on_two_sides_at_once_need_nobody() {
    let mut world = known(Conflict::Queue);
    world.edit("crm", "city", "York");
    world.edit("erp", "credit", 500);
    world.tell("erp");
    world.tell("crm");
    world.settle();
    assert_eq!(world.agrees(), Ok(()));
    assert_eq!((world.value("erp", "city"), world.value("crm", "credit")), (Value::from("York"), Value::from(500)));
    assert!(world.findings.is_empty());
}

#[test]
fn who_does_not_own_a_field_is_written_over_and_told_so() {
    let mut world = known(Conflict::Queue);
    world.edit("erp", "city", "Hull");
    world.tell("erp");
    world.settle();
    assert_eq!(world.value("erp", "city"), Value::from("Leeds"));
    let verdict = &world.agreement.verdicts["city"];
    assert_eq!((&verdict.from, &verdict.lost[&name("erp")]), (&name("crm"), &Value::from("Hull")));
}

#[test]
fn the_owner_wins_whoever_comes_first() {
    for order in [["crm", "erp"], ["erp", "crm"]] {
        let mut world = known(Conflict::Queue);
        world.edit("crm", "city", "York");
        world.edit("erp", "city", "Hull");
        for side in order {
            world.tell(side);
        }
        world.settle();
        assert_eq!(world.value("erp", "city"), Value::from("York"), "{order:?}");
        assert_eq!(world.agrees(), Ok(()));
    }
}

#[test]
fn a_field_changes_its_owner_with_the_stage() {
    let mut world = known(Conflict::Queue);
    world.edit("crm", "billing.country", "GB");
    world.tell("crm");
    world.settle();
    world.edit("erp", "billing.country", "FR");
    world.tell("erp");
    world.settle();
    assert_eq!(world.value("erp", "billing.country"), Value::from("GB"));
    world.agreement.stage = Some("buyer".into());
    world.edit("erp", "billing.country", "DE");
    world.tell("erp");
    world.settle();
    assert_eq!(world.value("crm", "billing.country"), Value::from("DE"));
}

#[test]
fn two_changes_of_what_nobody_owns_are_for_a_person() {
    let mut world = known(Conflict::Queue);
    world.edit("crm", "note", "call first");
    world.edit("erp", "note", "never call");
    // The ERP is looked at before the change of the CRM is written there.
    world.tell("crm");
    assert!(!world.is_writing("erp"));
    assert_eq!(world.findings, vec![Finding::Conflict("note".into())]);
    let conflict = world.agreement.conflicts["note"].clone();
    assert_eq!(conflict.len(), 2, "{conflict:?}");
    let cause = Cause { event: "item".into(), ..Cause::default() };
    world.agreement.decide("note", &name("erp"), Value::from("never call"), cause);
    world.plan();
    world.settle();
    assert_eq!(world.agrees(), Ok(()));
    assert_eq!(world.value("crm", "note"), Value::from("never call"));
    assert_eq!(world.agreement.verdicts["note"].lost[&name("crm")], Value::from("call first"));
}

#[test]
fn the_newest_of_two_changes_wins_where_that_is_wanted() {
    let mut world = known(Conflict::Newest);
    world.edit("crm", "note", "older");
    world.edit("erp", "note", "newer");
    world.tell("crm");
    world.tell("erp");
    world.settle();
    assert_eq!(world.value("crm", "note"), Value::from("newer"));
    assert_eq!(world.agreement.verdicts["note"].rule, Rule::Newest);
}

#[test]
fn a_side_that_cannot_hold_all_of_it_is_not_said_to_have_changed_it() {
    let mut world = known(Conflict::Queue);
    world.edit("crm", "name", "ACME Limited");
    world.tell("crm");
    world.settle();
    assert_eq!(world.value("erp", "name"), Value::from("ACME"));
    assert_eq!(world.value("crm", "name"), Value::from("ACME Limited"));
    let writes = world.writes;
    world.settle();
    assert_eq!(world.writes, writes);
}

#[test]
fn a_refused_write_is_not_repeated_until_something_changes_and_is_no_change_of_the_other_side() {
    let mut world = known(Conflict::Queue);
    world.edit("crm", "city", "York");
    world.tell("crm");
    world.refuse("erp");
    assert!(!world.is_writing("erp"));
    // The ERP still says Leeds, which is not news.
    world.edit("erp", "credit", 9);
    world.tell("erp");
    assert_eq!(world.agreement.agreed["city"], Value::from("York"));
    assert!(!world.is_writing("erp"));
    world.agreement.retry();
    world.plan();
    world.settle();
    assert_eq!(world.agrees(), Ok(()));
}

#[test]
fn what_was_refused_and_is_not_wanted_any_more_is_nothing_for_people() {
    let mut world = known(Conflict::Queue);
    let before = world.value("erp", "city");
    world.edit("crm", "city", "York");
    world.tell("crm");
    world.refuse("erp");
    world.plan();
    assert!(world.agreement.sides["erp"].refused.is_some());
    world.edit("crm", "city", before);
    world.tell("crm");
    assert_eq!((world.is_writing("erp"), &world.agreement.sides["erp"].refused), (false, &None));
    assert_eq!(world.agrees(), Ok(()));
}

#[test]
fn what_is_agreed_while_a_write_is_under_way_is_no_part_of_what_it_aims_at() {
    let mut world = known(Conflict::Queue);
    world.edit("crm", "city", "York");
    world.tell("crm");
    world.edit("crm", "city", "Ripon");
    world.edit("crm", "note", "later");
    world.tell("crm");
    let note = world.value("erp", "note");
    let aim = world.agreement.aim(&"erp".into());
    assert_eq!((&aim["city"], &aim["note"]), (&Value::from("York"), &note));
    assert_eq!((&world.agreement.agreed["city"], &world.agreement.agreed["note"]), (&"Ripon".into(), &"later".into()));
    world.settle();
    assert_eq!(world.value("erp", "city"), Value::from("Ripon"));
}

#[test]
fn what_is_read_while_a_write_is_under_way_is_read_again() {
    let mut world = known(Conflict::Queue);
    world.edit("crm", "city", "York");
    world.tell("crm");
    // The ERP is read before the write arrives there.
    assert_eq!(world.tell("erp"), Some(Taken::Stale));
    world.edit("erp", "credit", 7);
    world.settle();
    assert_eq!(world.agrees(), Ok(()));
    assert_eq!(world.value("crm", "credit"), Value::from(7));
    assert_eq!(world.value("crm", "city"), Value::from("York"));
}

#[test]
fn two_systems_that_reformat_a_field_come_to_rest_with_one_finding() {
    let mut world = known(Conflict::Newest);
    // The CRM writes notes in small letters, the ERP in capitals.
    world.form = |side, field, value| match value.as_str() {
        Some(text) if field == "note" && side.as_str() == "erp" => Value::from(text.to_uppercase()),
        Some(text) if field == "note" => Value::from(text.to_lowercase()),
        _ => value.clone(),
    };
    let form = world.form;
    // Interlock does not know that.
    world.edit("crm", "note", "hello");
    world.tell("crm");
    for _ in 0..40 {
        for side in ["erp", "crm"] {
            world.form = form;
            world.write(side);
            world.form = |_, _, value| value.clone();
            world.tell(side);
            world.form = form;
        }
    }
    let turns = world.findings.iter().filter(|finding| matches!(finding, Finding::Turns(_))).count();
    assert!(turns <= 1, "{:?}", world.findings);
    assert!(!world.is_writing("erp") && !world.is_writing("crm"));
    assert!(world.writes < 12, "{}", world.writes);
    // Another value ends the rest.
    world.edit("crm", "note", "bye");
    world.tell("crm");
    assert!(world.is_writing("erp"));
}

#[test]
fn what_was_deleted_somewhere_is_made_nowhere_and_its_own_deletion_is_no_news() {
    let mut world = World::new(Conflict::Newest);
    let (crm, erp) = (name("crm"), name("erp"));
    let at: Timestamp = "2026-11-27T10:00:00Z".parse().expect("an instant");
    let reading = |value: &str, at: Timestamp| Reading {
        id: "crm-1".into(),
        fields: [("name".into(), Value::from(value))].into_iter().collect(),
        at,
        cause: Cause { event: "event".into(), at, release: "r1".into() },
    };
    let mut findings = Vec::new();
    world.agreement.take(&world.policy, &crm, reading("ACME", at), &mut findings);
    assert!(world.agreement.lacks_a_record(&world.policy));
    assert!(world.agreement.lost(&crm, "crm-1") && world.agreement.is_lost());
    assert!(!world.agreement.lacks_a_record(&world.policy));
    world.plan();
    assert!(!world.is_writing("erp"));
    // It comes back, and an older page says nothing of it.
    assert!(world.agreement.came_back(&crm, "crm-1"));
    let later = at + jiff::SignedDuration::from_secs(5);
    world.agreement.take(&world.policy, &crm, reading("ACME Ltd", later), &mut findings);
    assert_eq!(world.agreement.take(&world.policy, &crm, reading("ACME", at), &mut findings), Taken::Changed(false));
    assert_eq!(world.agreement.agreed["name"], Value::from("ACME Ltd"));
    world.plan();
    assert!(world.is_writing("erp") && world.write("erp"));
    // What is deleted there because it was deleted here is expected to be gone.
    world.agreement.retire(&erp, Some(Retired::Doing(Act::Delete)));
    assert!(!world.agreement.lost(&erp, "erp-1"));
    world.agreement.retire(&erp, Some(Retired::Done(Act::Delete)));
    assert!(!world.agreement.lost(&erp, "erp-1"));
    world.agreement.retire(&erp, Some(Retired::Done(Act::Block)));
    assert!(world.agreement.lost(&erp, "erp-1"));
}

#[test]
fn a_side_whose_writes_depend_on_what_it_holds_is_read_again_before_the_next_one() {
    let (crm, erp) = (name("crm"), name("erp"));
    let mut policy = policy(Conflict::Newest);
    policy.sides.get_mut(&erp).expect("a side").reads_back = true;
    let cause = |second: i64| Cause { at: jiff::Timestamp::from_second(second).expect("a time"), ..Cause::default() };
    let reading = |id: &str, second: i64, city: &str| {
        let fields = [("city", city), ("name", "ACME")].map(|(field, value)| (field.into(), Value::from(value)));
        Reading { id: id.into(), fields: fields.into_iter().collect(), at: cause(second).at, cause: cause(second) }
    };
    let normal = |_: &model::ConnectionName, fields: &sync::Fields| fields.clone();
    let mut agreement = sync::Agreement::default();
    let mut findings = Vec::new();
    agreement.take(&policy, &crm, reading("C", 1, "Leeds"), &mut findings);
    assert_eq!(agreement.plan(&policy, &normal).writes.len(), 1);
    assert!(agreement.written(&policy, &erp, Some("E".into()), &cause(2), &mut findings), "it has to be read");
    agreement.take(&policy, &crm, reading("C", 3, "Hull"), &mut findings);
    assert_eq!(agreement.plan(&policy, &normal), sync::Plan::default(), "it is not known yet what it holds");
    agreement.take(&policy, &erp, reading("E", 4, "Leeds"), &mut findings);
    // What may not be written now stays open.
    let held = |_: &model::ConnectionName, field: &str| field != "city";
    assert_eq!(agreement.clone().plan_creating(&policy, &normal, |_| sync::Creating::Now, held).writes, []);
    let writes = agreement.plan(&policy, &normal).writes;
    assert_eq!(writes.len(), 1);
    assert_eq!((&writes[0].side, &writes[0].fields["city"]), (&erp, &Value::from("Hull")));
    assert_eq!(findings, []);
}

#[test]
fn the_key_alone_is_not_written_while_a_record_is_being_made() {
    let (crm, erp) = (name("crm"), name("erp"));
    let key: std::sync::Arc<str> = "city".into();
    let policy = sync::Policy { key: Some(std::sync::Arc::clone(&key)), ..policy(Conflict::Newest) };
    let cause = |second: i64| Cause { at: jiff::Timestamp::from_second(second).expect("a time"), ..Cause::default() };
    let normal = |_: &model::ConnectionName, fields: &sync::Fields| fields.clone();
    let mut findings = Vec::new();
    let mut agreement = sync::Agreement::default();
    let fields = [("name".into(), Value::from("ACME"))].into_iter().collect();
    agreement.take(&policy, &crm, Reading { id: "C".into(), fields, at: cause(1).at, cause: cause(1) }, &mut findings);
    agreement.agreed.insert(std::sync::Arc::clone(&key).into(), Value::from("K"));
    let sides = |agreement: &mut sync::Agreement, creating: sync::Creating| -> Vec<String> {
        let plan = agreement.plan_creating(&policy, &normal, |_| creating, |_, _| true);
        plan.writes.iter().map(|write| write.side.to_string()).collect()
    };
    // Nobody knows yet whether the ERP has it; or it never gets it.
    assert_eq!(sides(&mut agreement.clone(), sync::Creating::Later), Vec::<String>::new());
    assert_eq!(sides(&mut agreement.clone(), sync::Creating::Never), ["crm"]);
    // It is made. What comes of that goes along with the key.
    assert_eq!(sides(&mut agreement, sync::Creating::Now), ["erp"]);
    assert_eq!(sides(&mut agreement, sync::Creating::Now), Vec::<String>::new());
    let mut refused = agreement.clone();
    agreement.written(&policy, &erp, Some("E".into()), &cause(2), &mut findings);
    let told = [("credit".into(), Value::from("10"))].into_iter().collect();
    agreement.learn(&policy, &erp, told, &cause(2), &mut findings);
    let writes = agreement.plan(&policy, &normal).writes;
    assert_eq!(writes.len(), 1);
    assert_eq!(writes[0].fields.keys().map(|field| &**field).collect::<Vec<_>>(), ["city", "credit"]);
    // Where it is read again, what that brings goes along as well.
    let mut read = policy.clone();
    read.sides.get_mut(&erp).expect("a side").reads_back = true;
    let mut made = refused.clone();
    assert!(made.written(&read, &erp, Some("E".into()), &cause(2), &mut findings));
    assert_eq!(made.plan(&read, &normal).writes, []);
    let fields = [("name".into(), Value::from("ACME")), ("credit".into(), Value::from("10"))].into_iter().collect();
    made.take(&read, &erp, Reading { id: "E".into(), fields, at: cause(3).at, cause: cause(3) }, &mut findings);
    let writes = made.plan(&read, &normal).writes;
    assert_eq!(writes.len(), 1);
    assert_eq!(writes[0].fields.keys().map(|field| &**field).collect::<Vec<_>>(), ["city", "credit"]);
    // It is refused: the key does not wait for that to be mended.
    refused.refused(&erp);
    assert_eq!(sides(&mut refused, sync::Creating::Now), ["crm"]);
}
