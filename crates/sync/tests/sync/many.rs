//! Three systems at once: what must not depend on who is heard first.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use model::{ConnectionName, Value};
use proptest::prelude::*;
use sync::{
    Agreement, Cause, Conflict, Fields, Finding, Owner, Owners, Policy, Reading, Rule, Side, TURNS_MAX, Taken, is_same,
};

pub(crate) const SIDES: [&str; 3] = ["crm", "erp", "shop"];
/// One field for each owner and one for nobody.
const FIELDS: [&str; 4] = ["ofCrm", "ofErp", "ofShop", "ofNobody"];
/// What the ERP holds of a text.
const CUT: usize = 3;

pub(crate) fn name(side: &str) -> ConnectionName {
    ConnectionName::from(side)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_760_000_000).expect("an instant") + SignedDuration::from_secs(second)
}

fn policy(conflict: Conflict) -> Policy {
    let all = || FIELDS.iter().map(|field| Arc::from(*field)).collect();
    let side = || Side { reads: all(), writes: all(), creates: all(), ..Side::default() };
    let owner = |field: &str, side: &str| (field.into(), Owner::Always(name(side)));
    let owners = vec![owner("ofCrm", "crm"), owner("ofErp", "erp"), owner("ofShop", "shop")];
    Policy {
        owners: Owners { default: None, fields: owners, stages: vec![] },
        conflict,
        sides: SIDES.iter().map(|name| ((*name).into(), side())).collect(),
        ..Policy::default()
    }
}

/// The records as they are, and what is agreed about them.
#[derive(Clone)]
struct Systems {
    policy: Policy,
    agreement: Agreement,
    records: IndexMap<ConnectionName, Fields>,
    /// When each record was changed last, which is what its events say.
    changed: IndexMap<ConnectionName, i64>,
    now: i64,
    writes: usize,
    findings: Vec<Finding>,
}

impl Systems {
    fn new(conflict: Conflict) -> Self {
        Self {
            policy: policy(conflict),
            agreement: Agreement::default(),
            records: IndexMap::new(),
            changed: IndexMap::new(),
            now: 1_000,
            writes: 0,
            findings: Vec::new(),
        }
    }

    /// All three hold the same.
    fn agreed(conflict: Conflict) -> Self {
        let mut systems = Self::new(conflict);
        for field in FIELDS {
            systems.edit("crm", field, "0", 0);
        }
        systems.hear("crm");
        systems.settle();
        assert_eq!(systems.differences(), Vec::<String>::new());
        systems
    }

    fn form(side: &ConnectionName, value: &Value) -> Value {
        match value.as_str() {
            Some(text) if side.as_str() == "erp" => Value::from(text.chars().take(CUT).collect::<String>()),
            _ => value.clone(),
        }
    }

    fn edit(&mut self, side: &str, field: &str, value: &str, second: i64) {
        let value = Self::form(&name(side), &Value::from(value));
        let empty = || FIELDS.iter().map(|field| ((*field).into(), Value::Null)).collect();
        self.records.entry(name(side)).or_insert_with(empty).insert(field.into(), value);
        self.changed.insert(name(side), second);
    }

    fn cause(&self, side: &ConnectionName) -> Cause {
        let changed = self.changed.get(side).copied().unwrap_or_default();
        Cause { event: "event".into(), at: at(changed), release: "r1".into() }
    }

    fn normal(side: &ConnectionName, fields: &Fields) -> Fields {
        fields.iter().map(|(field, value)| (field.clone(), Self::form(side, value))).collect()
    }

    fn hear(&mut self, side: &str) -> Option<Taken> {
        let side = name(side);
        self.now += 1;
        let fields = self.records.get(&side)?.clone();
        let reading = Reading { id: format!("{side}-1").into(), fields, at: at(self.now), cause: self.cause(&side) };
        self.agreement.introduce(&self.policy, &side, &reading, &Self::normal);
        Some(self.agreement.take(&self.policy, &side, reading, &mut self.findings))
    }

    /// Everything is heard and written as often as that leads to something.
    fn settle(&mut self) {
        for _ in 0..20 {
            for side in SIDES {
                self.hear(side);
            }
            let before = self.writes;
            for write in self.agreement.plan(&self.policy, &Self::normal).writes {
                self.writes += 1;
                for (field, value) in &write.fields {
                    let second = self.changed.get(&write.side).copied().unwrap_or_default();
                    self.edit(write.side.as_str(), field, value.as_str().unwrap_or_default(), second);
                }
                self.now += 1;
                let cause = Cause { at: at(self.now), ..Cause::default() };
                let id = Some(format!("{}-1", write.side).into());
                self.agreement.written(&self.policy, &write.side, id, &cause, &mut self.findings);
            }
            if before == self.writes {
                return;
            }
        }
        panic!("it goes to and fro for ever: {:#?}", self.agreement);
    }

    /// What is known, but for when it was looked at last.
    fn known(&self) -> Agreement {
        let mut agreement = self.agreement.clone();
        agreement.sides.values_mut().for_each(|holding| holding.read_at = None);
        agreement
    }

    /// Where a side holds something else than what is agreed.
    fn differences(&self) -> Vec<String> {
        let agreed = |field: &str| self.agreement.agreed.get(field).cloned().unwrap_or_default();
        let differs = |side: &&str, field: &str| {
            let held = self.records.get(*side).and_then(|record| record.get(field)).cloned().unwrap_or_default();
            !is_same(&held, &Self::form(&name(side), &agreed(field)))
        };
        let pairs = SIDES.iter().flat_map(|side| FIELDS.iter().map(move |field| (side, field)));
        pairs.filter(|(side, field)| differs(side, field)).map(|(side, field)| format!("{side}.{field}")).collect()
    }
}

const ORDERS: [[&str; 3]; 6] = [
    ["crm", "erp", "shop"],
    ["crm", "shop", "erp"],
    ["erp", "crm", "shop"],
    ["erp", "shop", "crm"],
    ["shop", "crm", "erp"],
    ["shop", "erp", "crm"],
];

#[test]
fn the_newest_change_is_newest_by_its_instant_and_not_by_when_it_is_heard_of() {
    for order in ORDERS {
        let mut systems = Systems::agreed(Conflict::Newest);
        systems.edit("crm", "ofNobody", "b", 20);
        systems.edit("erp", "ofNobody", "c", 30);
        systems.edit("shop", "ofNobody", "a", 10);
        for side in order {
            systems.hear(side);
        }
        systems.settle();
        assert_eq!(systems.agreement.agreed["ofNobody"], Value::from("c"), "{order:?}");
        assert_eq!(systems.differences(), Vec::<String>::new());
    }
}

#[test]
fn of_two_changes_at_the_same_instant_the_side_that_is_named_first_wins() {
    for order in [["crm", "shop"], ["shop", "crm"]] {
        let mut systems = Systems::agreed(Conflict::Newest);
        systems.edit("crm", "ofNobody", "b", 20);
        systems.edit("shop", "ofNobody", "a", 20);
        for side in order {
            systems.hear(side);
        }
        systems.settle();
        assert_eq!(systems.agreement.agreed["ofNobody"], Value::from("b"), "{order:?}");
    }
}

#[test]
fn a_conflict_stays_with_its_person_whoever_goes_on_editing() {
    for editor in ["crm", "shop"] {
        let mut systems = Systems::agreed(Conflict::Queue);
        systems.edit("crm", "ofNobody", "a", 10);
        systems.edit("shop", "ofNobody", "b", 20);
        systems.hear("crm");
        systems.hear("shop");
        systems.edit(editor, "ofNobody", "c", 30);
        systems.settle();
        let conflict = &systems.agreement.conflicts["ofNobody"];
        assert_eq!(conflict[&name(editor)], Value::from("c"), "{conflict:?}");
        assert_eq!(conflict.len(), 2, "{conflict:?}");
        let other = if editor == "crm" { "shop" } else { "crm" };
        assert!(!is_same(&systems.records[&name(other)]["ofNobody"], &Value::from("c")), "written over");
        // They come to the same by themselves: nobody has to decide.
        systems.edit(other, "ofNobody", "c", 40);
        systems.settle();
        assert!(systems.agreement.conflicts.is_empty());
        assert_eq!(systems.agreement.verdicts["ofNobody"].rule, Rule::Same);
        assert_eq!(systems.differences(), Vec::<String>::new());
    }
}

#[test]
fn who_switches_something_on_and_off_is_no_system_that_reformats() {
    let mut systems = Systems::agreed(Conflict::Newest);
    for turn in 0..i64::from(TURNS_MAX) * 4 {
        systems.edit("crm", "ofNobody", ["on", "off"][usize::try_from(turn % 2).unwrap_or_default()], turn);
        systems.settle();
    }
    assert_eq!((systems.findings.len(), systems.differences()), (0, vec![]));
}

#[test]
fn what_a_side_holds_already_in_its_form_is_not_written() {
    let mut systems = Systems::agreed(Conflict::Newest);
    systems.edit("crm", "ofCrm", "abcdef", 10);
    systems.settle();
    let writes = systems.writes;
    // The ERP holds `abc` of both; the shop gets the new one.
    systems.edit("crm", "ofCrm", "abcxyz", 20);
    systems.settle();
    assert_eq!(systems.writes, writes + 1);
    assert_eq!(systems.records[&name("shop")]["ofCrm"], Value::from("abcxyz"));
    assert_eq!(systems.differences(), Vec::<String>::new());
    // Changed there, it is a change like any other, and written over, as the CRM owns it.
    systems.edit("erp", "ofCrm", "q", 30);
    systems.settle();
    assert_eq!(systems.records[&name("erp")]["ofCrm"], Value::from("abc"));
    assert_eq!(systems.agreement.agreed["ofCrm"], Value::from("abcxyz"));
}

#[test]
fn a_cut_value_and_the_whole_one_are_the_same_on_first_contact() {
    for order in ORDERS {
        let mut systems = Systems::new(Conflict::Queue);
        for side in SIDES {
            for field in FIELDS {
                systems.edit(side, field, "abcdef", 10);
            }
        }
        for side in order {
            systems.hear(side);
        }
        systems.settle();
        assert_eq!((systems.writes, systems.findings.len()), (0, 0), "{order:?}");
        for field in FIELDS {
            // Even of what the ERP owns, it holds no more.
            assert_eq!(systems.agreement.agreed[field], Value::from("abcdef"), "{field} {order:?}");
        }
        // Something else is something else.
        let mut systems = Systems::new(Conflict::Queue);
        systems.edit("crm", "ofNobody", "abcdef", 10);
        systems.edit("erp", "ofNobody", "abd", 10);
        for side in order {
            systems.hear(side);
        }
        assert_eq!(systems.findings, vec![Finding::Conflict("ofNobody".into())], "{order:?}");
    }
}

type Edit = (usize, usize, String);

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    prop::collection::vec((0..SIDES.len(), 0..FIELDS.len(), "[ab]{1,5}"), 0..8)
}

fn apply(systems: &mut Systems, edits: &[Edit]) {
    for ((side, field, value), second) in edits.iter().zip(10..) {
        systems.edit(SIDES[*side], FIELDS[*field], value, second);
    }
}

proptest! {
    /// Edits of all sides at once are heard in any order: what is agreed does not depend on it.
    #[test]
    fn the_order_of_hearing_does_not_matter(
        edits in edits(),
        conflict in prop_oneof![Just(Conflict::Newest), Just(Conflict::First)],
    ) {
        let ends: Vec<Systems> = ORDERS.iter().map(|order| {
            let mut systems = Systems::agreed(conflict);
            apply(&mut systems, &edits);
            for side in order {
                systems.hear(side);
            }
            systems.settle();
            systems
        }).collect();
        for (end, order) in ends.iter().zip(ORDERS) {
            prop_assert_eq!(end.differences(), Vec::<String>::new(), "{:?}", order);
            prop_assert_eq!(&end.agreement.agreed, &ends[0].agreement.agreed, "{:?}", order);
            // The owner's last word, and the old value where the owner said nothing.
            for (place, owner) in SIDES.iter().enumerate() {
                let last = edits.iter().rev().find(|(side, field, _)| SIDES[*side] == *owner && *field == place);
                let wanted = Systems::form(&name(owner), &Value::from(last.map_or("0", |(.., value)| value.as_str())));
                prop_assert_eq!(&end.agreement.agreed[FIELDS[place]], &wanted, "{}", owner);
            }
        }
    }

    /// What is settled stays so, however often it is heard.
    #[test]
    fn echoes_cost_nothing(edits in edits(), echoes in prop::collection::vec(0..SIDES.len(), 0..12)) {
        let mut systems = Systems::agreed(Conflict::Newest);
        apply(&mut systems, &edits);
        systems.settle();
        let (writes, known) = (systems.writes, systems.known());
        for side in echoes {
            prop_assert_eq!(systems.hear(SIDES[side]), Some(Taken::Changed(false)));
            systems.settle();
        }
        prop_assert_eq!(systems.writes, writes);
        prop_assert_eq!(systems.known(), known);
    }

    /// Records that all sides had before anything was agreed end the same on all sides, whichever is seen first.
    #[test]
    fn first_contact_does_not_depend_on_who_comes_first(edits in edits()) {
        let ends: Vec<Systems> = ORDERS.iter().map(|order| {
            let mut systems = Systems::new(Conflict::Newest);
            for side in SIDES {
                for field in FIELDS {
                    systems.edit(side, field, "", 0);
                }
            }
            for ((side, field, value), second) in edits.iter().zip(10..) {
                // Of three values that differ, one may be the cut form of another: only an owner can tell then.
                let value = if FIELDS[*field] == "ofNobody" { value.get(..CUT).unwrap_or(value) } else { value };
                systems.edit(SIDES[*side], FIELDS[*field], value, second);
            }
            for side in order {
                systems.hear(side);
            }
            systems.settle();
            systems
        }).collect();
        for (end, order) in ends.iter().zip(ORDERS) {
            prop_assert_eq!(end.differences(), Vec::<String>::new(), "{:?}", order);
            for (place, field) in FIELDS.iter().enumerate() {
                // What an owner cannot hold, it does not decide.
                let owner = name(SIDES.get(place).copied().unwrap_or_default());
                let decided = |end: &Systems| Systems::form(&owner, &end.agreement.agreed[*field]);
                prop_assert_eq!(decided(end), decided(&ends[0]), "{} {:?}", field, order);
            }
        }
    }
}
