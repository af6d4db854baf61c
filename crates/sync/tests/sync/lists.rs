//! Lists whose items are known by a key, kept in agreement between two systems.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use model::{ConnectionName, Value};
use proptest::prelude::*;
use sync::{
    Agreement, Cause, Conflict, Fields, Finding, ListKey, Owner, Owners, Plan, Policy, Reading, Rule, Side, Write,
    is_same,
};

const SIDES: [&str; 2] = ["crm", "erp"];
const LIST: &str = "contacts";
/// A member that the ERP does not hold.
const ONLY_CRM: &str = "nick";

type Contacts = BTreeMap<u8, BTreeMap<&'static str, i64>>;

/// Two systems with one list.
struct Systems {
    policy: Policy,
    agreement: Agreement,
    contacts: IndexMap<&'static str, Contacts>,
    now: i64,
    writes: usize,
    findings: Vec<Finding>,
}

fn value(side: &str, contacts: &Contacts) -> Value {
    let contact = |(id, members): (&u8, &BTreeMap<&'static str, i64>)| {
        let mut contact = Value::object([("id", Value::from(i64::from(*id)))]);
        for (name, member) in members.iter().filter(|(name, _)| side == "crm" || **name != ONLY_CRM) {
            contact.set(*name, *member);
        }
        contact
    };
    let mut list: Vec<Value> = contacts.iter().map(contact).collect();
    // The ERP has an order of its own.
    if side == "erp" {
        list.reverse();
    }
    Value::from(list)
}

fn contacts(list: &Value) -> Contacts {
    let members = |contact: &Value| {
        let names = ["mail", "phone", ONLY_CRM];
        names.into_iter().filter_map(|name| Some((name, contact.get(name).as_i64()?))).collect()
    };
    let id = |contact: &Value| contact.get("id").as_i64().and_then(|id| u8::try_from(id).ok()).unwrap_or_default();
    list.items().iter().map(|contact| (id(contact), members(contact))).collect()
}

impl Systems {
    fn new(conflict: Conflict, owner: Option<&str>) -> Self {
        let fields = || [Arc::from(LIST)].into_iter().collect();
        let side = || Side { reads: fields(), writes: fields(), creates: fields(), ..Side::default() };
        let policy = Policy {
            owners: Owners { default: owner.map(|owner| Owner::Always(owner.into())), ..Owners::default() },
            conflict,
            lists: [(Arc::from(LIST), ListKey::new(vec!["id".parse().expect("a path")]))].into_iter().collect(),
            sides: SIDES.iter().map(|name| ((*name).into(), side())).collect(),
            ..Policy::default()
        };
        let contacts = SIDES.iter().map(|side| (*side, Contacts::new())).collect();
        Self { policy, agreement: Agreement::default(), contacts, now: 0, writes: 0, findings: Vec::new() }
    }

    /// Both hold the contacts 1 and 2.
    fn known(conflict: Conflict, owner: Option<&str>) -> Self {
        let mut systems = Self::new(conflict, owner);
        for id in [1, 2] {
            for (name, member) in [("mail", 1), ("phone", 1), (ONLY_CRM, 7)] {
                systems.set("crm", id, name, member);
            }
        }
        systems.hear("crm");
        systems.settle();
        assert_eq!(systems.contacts["erp"].len(), 2);
        systems
    }

    fn set(&mut self, side: &str, id: u8, name: &'static str, member: i64) {
        self.contacts[side].entry(id).or_default().insert(name, member);
    }

    fn take_out(&mut self, side: &str, id: u8) {
        self.contacts[side].remove(&id);
    }

    fn hear(&mut self, side: &str) {
        self.now += 1;
        let at = Timestamp::from_second(1_760_000_000).expect("an instant") + SignedDuration::from_secs(self.now);
        let fields: Fields = [(LIST.into(), value(side, &self.contacts[side]))].into_iter().collect();
        let cause = Cause { event: "event".into(), at, release: "r1".into() };
        let reading = Reading { id: side.into(), fields, at, cause };
        self.agreement.take(&self.policy, &side.into(), reading, &mut self.findings);
    }

    fn plan(&mut self) -> Plan {
        let normal = |side: &ConnectionName, fields: &Fields| {
            fields.iter().map(|(field, list)| (field.clone(), value(side.as_str(), &contacts(list)))).collect()
        };
        self.agreement.plan(&self.policy, &normal)
    }

    fn write(&mut self, write: &Write) {
        self.writes += 1;
        let side = SIDES.into_iter().find(|side| write.side.as_str() == *side).expect("a side");
        let written = contacts(&value(side, &contacts(&write.fields[LIST])));
        self.contacts.insert(side, written);
        self.now += 1;
        let at = Timestamp::from_second(1_760_000_000).expect("an instant") + SignedDuration::from_secs(self.now);
        let cause = Cause { at, ..Cause::default() };
        self.agreement.written(&self.policy, &write.side, None, &cause, &mut self.findings);
    }

    fn settle(&mut self) {
        for _ in 0..20 {
            for side in SIDES {
                self.hear(side);
            }
            let plan = self.plan();
            if plan == Plan::default() {
                return;
            }
            for write in plan.writes {
                self.write(&write);
            }
        }
        panic!("it goes to and fro for ever: {:#?}", self.agreement);
    }

    /// Both hold the same, as far as the ERP can.
    fn agree(&self) -> bool {
        SIDES.iter().all(|side| {
            let agreed = contacts(self.agreement.agreed.get(LIST).unwrap_or(&Value::Null));
            is_same(&value(side, &self.contacts[*side]), &value(side, &agreed))
        })
    }
}

#[test]
fn another_order_is_no_change() {
    let mut systems = Systems::known(Conflict::Queue, None);
    let (verdicts, writes) = (systems.agreement.verdicts.clone(), systems.writes);
    systems.settle();
    assert_eq!((systems.agreement.verdicts, systems.writes), (verdicts, writes));
    // It was not even a change that came to nothing.
    assert!(systems.agreement.turns.is_empty());
}

#[test]
fn two_contacts_and_two_members_of_one_changed_on_two_sides_need_nobody() {
    let mut systems = Systems::known(Conflict::Queue, None);
    systems.set("crm", 1, "mail", 5);
    systems.set("crm", 3, "mail", 6);
    systems.set("erp", 1, "phone", 7);
    systems.set("erp", 4, "mail", 8);
    systems.take_out("erp", 2);
    systems.settle();
    assert!(systems.agree() && systems.findings.is_empty(), "{:?}", systems.findings);
    let crm = &systems.contacts["crm"];
    assert_eq!(crm.keys().copied().collect::<Vec<_>>(), [1, 3, 4]);
    assert_eq!((crm[&1]["mail"], crm[&1]["phone"]), (5, 7));
    // What the ERP does not hold, it did not take away.
    assert_eq!(crm[&1][ONLY_CRM], 7);
    assert_eq!(systems.agreement.verdicts[LIST].rule, Rule::Merged);
}

/// What is written to a side replaces its list, and somebody changed it there before that: seen while the write was under way.
#[test]
fn an_item_that_a_write_replaced_comes_back() {
    let mut systems = Systems::known(Conflict::Queue, None);
    systems.set("crm", 1, "mail", 5);
    systems.hear("crm");
    systems.hear("erp");
    let plan = systems.plan();
    assert_eq!(plan.writes.len(), 1);
    systems.set("erp", 3, "mail", 6);
    systems.take_out("erp", 2);
    systems.hear("erp");
    systems.write(&plan.writes[0]);
    assert!(!systems.contacts["erp"].contains_key(&3), "the write replaced the list");
    systems.settle();
    assert!(systems.agree() && systems.findings.is_empty(), "{:?}", systems.findings);
    let crm = &systems.contacts["crm"];
    assert_eq!((crm.keys().copied().collect::<Vec<_>>(), crm[&1]["mail"]), (vec![1, 3], 5));
}

/// Where each item is written by itself, a side is seen while some of them are there.
#[test]
fn what_is_half_written_is_no_change() {
    let mut systems = Systems::known(Conflict::Queue, None);
    systems.set("crm", 1, "mail", 5);
    systems.set("crm", 3, "mail", 6);
    systems.take_out("crm", 2);
    systems.hear("crm");
    systems.hear("erp");
    let plan = systems.plan();
    systems.set("erp", 3, "mail", 6);
    systems.take_out("erp", 2);
    systems.hear("erp");
    systems.write(&plan.writes[0]);
    let (writes, verdict) = (systems.writes, systems.agreement.verdicts[LIST].clone());
    assert_eq!((verdict.from.as_str(), verdict.rule), ("crm", Rule::Changed));
    systems.settle();
    assert!(systems.agree() && systems.findings.is_empty(), "{:?}", systems.findings);
    assert_eq!((systems.writes, &systems.agreement.verdicts[LIST]), (writes, &verdict));
}

/// Until a person has decided, each side goes on with what is not in question, and none of that depends on the answer.
#[test]
fn what_is_not_in_question_counts_whatever_is_decided() {
    for kept in SIDES {
        let mut systems = Systems::known(Conflict::Queue, None);
        systems.set("crm", 1, "mail", 5);
        systems.set("erp", 1, "mail", 6);
        systems.set("erp", 2, "phone", 8);
        systems.settle();
        systems.set("crm", 3, "mail", 9);
        systems.set("erp", 4, "mail", 9);
        systems.settle();
        let offered = systems.agreement.conflicts[LIST].clone();
        let value = offered[&ConnectionName::from(kept)].clone();
        systems.agreement.decide(LIST, &kept.into(), value, Cause::default());
        systems.settle();
        assert!(systems.agree(), "{kept}");
        let crm = &systems.contacts["crm"];
        assert_eq!(crm[&1]["mail"], if kept == "crm" { 5 } else { 6 });
        assert_eq!((crm[&2]["phone"], crm.keys().copied().collect::<Vec<_>>()), (8, vec![1, 2, 3, 4]), "{kept}");
    }
    // Where they come to say the same, nobody has to.
    let mut systems = Systems::known(Conflict::Queue, None);
    systems.set("crm", 1, "mail", 5);
    systems.set("erp", 1, "mail", 6);
    systems.set("erp", 2, "phone", 8);
    systems.settle();
    assert!(systems.agreement.conflicts.contains_key(LIST));
    systems.set("crm", 1, "mail", 6);
    systems.settle();
    assert!(systems.agree() && systems.agreement.conflicts.is_empty());
    assert_eq!((systems.contacts["crm"][&2]["phone"], systems.agreement.verdicts[LIST].rule), (8, Rule::Same));
}

/// Which of two records is read first does not matter: without an owner both lists count, and of an owner only its own.
#[test]
fn two_lists_that_meet_for_the_first_time_are_one_unless_a_side_owns_them() {
    for (owner, wanted) in [(None, vec![1, 2]), (Some("crm"), vec![1]), (Some("erp"), vec![2])] {
        for order in [["crm", "erp"], ["erp", "crm"]] {
            let mut systems = Systems::new(Conflict::Queue, owner);
            systems.set("crm", 1, "mail", 5);
            systems.set("erp", 2, "mail", 6);
            order.into_iter().for_each(|side| systems.hear(side));
            systems.settle();
            assert!(systems.agree() && systems.findings.is_empty(), "{owner:?} {order:?}");
            assert_eq!(systems.contacts["crm"].keys().copied().collect::<Vec<_>>(), wanted, "{owner:?} {order:?}");
        }
    }
    // An owner that has nothing there yet takes over what there is.
    let mut systems = Systems::new(Conflict::Queue, Some("crm"));
    systems.set("erp", 2, "mail", 6);
    systems.hear("erp");
    systems.settle();
    assert_eq!(systems.contacts["crm"].len(), 1);
}

/// A definition may come to name a list that was one value before.
#[test]
fn what_was_stored_in_another_order_leads_to_no_writes() {
    let mut systems = Systems::known(Conflict::Queue, None);
    let lists = std::mem::take(&mut systems.policy.lists);
    systems.agreement = Agreement::default();
    // The ERP has another order, which is a value of its own as long as the list is one.
    systems.hear("erp");
    let plan = systems.plan();
    plan.writes.iter().for_each(|write| systems.write(write));
    assert_eq!(systems.agreement.agreed[LIST].items()[0].get("id"), &Value::from(2));
    systems.policy.lists = lists;
    systems.agreement.put_in_order(&systems.policy);
    let writes = systems.writes;
    systems.settle();
    assert_eq!(systems.writes, writes);
    assert!(systems.agreement.turns.is_empty(), "{:?}", systems.agreement.turns);
}

#[test]
fn one_member_of_one_contact_changed_on_two_sides_follows_the_policy() {
    let both = |conflict| {
        let mut systems = Systems::known(conflict, None);
        systems.set("crm", 1, "mail", 5);
        systems.set("erp", 1, "mail", 6);
        systems.set("erp", 2, "phone", 8);
        systems.settle();
        systems
    };
    // The ERP is heard of last.
    let newest = both(Conflict::Newest);
    assert!(newest.agree());
    assert_eq!(newest.contacts["crm"][&1]["mail"], 6);
    assert_eq!(newest.agreement.verdicts[LIST].rule, Rule::Newest);
    let first = both(Conflict::First);
    assert!(first.agree());
    assert_eq!(first.contacts["erp"][&1]["mail"], 5);
    assert_eq!(first.contacts["crm"][&2]["phone"], 8, "what met nothing counts all the same");
    let verdict = &first.agreement.verdicts[LIST];
    assert_eq!(verdict.from.as_str(), "crm");
    assert!(verdict.lost.contains_key(&ConnectionName::from("erp")));
    let mut queue = both(Conflict::Queue);
    assert_eq!(queue.findings, vec![Finding::Conflict(LIST.into())]);
    assert_eq!(queue.contacts["crm"][&1]["mail"], 5);
    assert_eq!(queue.contacts["erp"][&1]["mail"], 6);
    let offered = &queue.agreement.conflicts[LIST];
    assert_eq!(offered.len(), 2);
    let erp = offered[&ConnectionName::from("erp")].clone();
    queue.agreement.decide(LIST, &"erp".into(), erp, Cause::default());
    queue.settle();
    assert!(queue.agree());
    assert_eq!((queue.contacts["crm"][&1]["mail"], queue.contacts["crm"][&2]["phone"]), (6, 8));
}

#[test]
fn a_list_that_another_side_owns_is_written_over() {
    let mut systems = Systems::known(Conflict::Queue, Some("crm"));
    systems.set("erp", 9, "mail", 1);
    systems.settle();
    assert!(systems.agree());
    assert!(!systems.contacts["erp"].contains_key(&9));
    assert!(systems.agreement.verdicts[LIST].lost.contains_key(&ConnectionName::from("erp")));
}

/// A side, a contact, a member or all of it, and its value.
type Edit = (usize, u8, Option<usize>, i64);

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    prop::collection::vec((0..2usize, 1..5u8, prop::option::weighted(0.8, 0..2usize), 10..14i64), 0..10)
}

fn apply(systems: &mut Systems, (side, id, member, value): Edit) {
    match member {
        Some(member) => systems.set(SIDES[side], id, ["mail", "phone"][member], value),
        None => systems.take_out(SIDES[side], id),
    }
}

proptest! {
    #[test]
    fn whatever_happens_to_lists_both_sides_end_the_same(
        edits in edits(),
        heard in prop::collection::vec(prop::option::of(0..2usize), 10),
        conflict in prop_oneof![Just(Conflict::Newest), Just(Conflict::First)],
    ) {
        let mut systems = Systems::known(conflict, None);
        for (edit, heard) in edits.into_iter().zip(heard) {
            apply(&mut systems, edit);
            if let Some(side) = heard {
                systems.hear(SIDES[side]);
            }
        }
        systems.settle();
        prop_assert!(systems.agree(), "{:?} {:?}", systems.contacts, systems.agreement);
        let writes = systems.writes;
        systems.settle();
        prop_assert_eq!(systems.writes, writes);
    }

    /// Both sides are changed while nobody listens: it does not matter which of them is heard of first, and what each writes
    /// comes back as no change.
    #[test]
    fn which_side_is_heard_of_first_does_not_matter(
        edits in edits(),
        owner in prop_oneof![Just(None), Just(Some("crm")), Just(Some("erp"))],
        conflict in prop_oneof![Just(Conflict::Newest), Just(Conflict::First)],
        known in prop::bool::ANY,
    ) {
        let ended = [["crm", "erp"], ["erp", "crm"]].map(|order| {
            let mut systems =
                if known { Systems::known(conflict, owner) } else { Systems::new(conflict, owner) };
            let before = systems.now;
            edits.iter().for_each(|edit| apply(&mut systems, *edit));
            for side in order {
                // When it was made does not depend on when it is heard of.
                systems.now = before + i64::from(side == "erp");
                systems.hear(side);
            }
            systems.settle();
            (systems.agree(), systems.contacts, systems.writes)
        });
        let [(one, first, writes), (other, second, other_writes)] = ended;
        prop_assert!(one && other);
        prop_assert_eq!(first, second);
        // Each side is written once at the most, whatever there was to merge.
        let known = usize::from(known);
        prop_assert!(writes <= known + 2 && other_writes <= known + 2, "{} {}", writes, other_writes);
    }

    /// Where the two sides change different contacts, nothing of either is lost, whatever the policy.
    #[test]
    fn changes_of_different_contacts_all_count(edits in edits(), order in prop::bool::ANY) {
        let mut systems = Systems::known(Conflict::Queue, None);
        let mut wanted = systems.contacts["crm"].clone();
        for (side, id, member, value) in edits {
            // Odd ones are for the CRM, even ones for the ERP.
            let id = id * 2 - u8::from(side == 0);
            apply(&mut systems, (side, id, member, value));
            match member {
                Some(member) => drop(wanted.entry(id).or_default().insert(["mail", "phone"][member], value)),
                None => drop(wanted.remove(&id)),
            }
        }
        let order = if order { [0, 1] } else { [1, 0] };
        order.into_iter().for_each(|side| systems.hear(SIDES[side]));
        systems.settle();
        prop_assert!(systems.findings.is_empty(), "{:?}", systems.findings);
        prop_assert!(systems.agree());
        let keys = |contacts: &Contacts| contacts.keys().copied().collect::<BTreeSet<_>>();
        let ended = &systems.contacts["crm"];
        prop_assert_eq!(keys(ended), keys(&wanted));
        for (id, members) in wanted {
            for (name, member) in members.into_iter().filter(|(name, _)| *name != ONLY_CRM) {
                prop_assert_eq!(ended[&id].get(name), Some(&member), "{} of {}", name, id);
            }
        }
    }
}
