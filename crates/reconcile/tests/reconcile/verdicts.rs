//! What ownership makes of findings.

use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};
use model::ConnectionName;
use reconcile::{Finding, Judge, Pair, Side, Verdict};
use sync::{Conflict, Owner, Owners, Policy};

fn judge() -> Judge {
    let always = |side: &str| Owner::Always(side.into());
    let owners = Owners {
        default: None,
        fields: vec![
            ("name".into(), always("crm")),
            ("billing".into(), always("crm")),
            ("billing.addressId".into(), always("erp")),
            ("rating".into(), always("risk")),
            ("price".into(), Owner::Until { stage: "ordered".into(), before: "crm".into(), then: "erp".into() }),
        ],
        stages: vec!["quoted".into(), "ordered".into()],
    };
    let members = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect::<IndexSet<Arc<str>>>();
    let side = |writes: &[&str], creates: &[&str]| sync::Side {
        writes: members(writes),
        creates: members(creates),
        ..sync::Side::default()
    };
    let sides = IndexMap::from([
        (ConnectionName::from("crm"), side(&["price"], &["name"])),
        (ConnectionName::from("erp"), side(&["name", "price"], &[])),
    ]);
    let policy = Policy { owners, conflict: Conflict::Queue, sides, ..Policy::default() };
    Judge::new("crm".into(), "erp".into(), Some(policy))
}

fn of(member: &str, left: Option<&str>, right: Option<&str>) -> Verdict {
    judge().member(member, &Pair { left: left.map(Arc::from), right: right.map(Arc::from) })
}

#[test]
fn the_owner_is_written_where_something_writes_it() {
    assert_eq!(of("name", None, None), Verdict::Write { from: Side::Left });
    assert_eq!(of("billing.city", None, None), Verdict::ReadOnly { from: Side::Left });
    assert_eq!(of("billing.addressId", None, None), Verdict::ReadOnly { from: Side::Right });
    assert_eq!(of("rating", None, None), Verdict::Elsewhere("risk".into()));
    assert_eq!(of("term", None, None), Verdict::Unowned(Conflict::Queue));
    let sentence = judge().sentence(&Verdict::Write { from: Side::Left });
    assert_eq!(sentence, "crm owns it: its value is written to erp");
}

#[test]
fn owners_that_change_with_the_stage_need_both_sides_to_be_in_one() {
    assert_eq!(of("price", Some("quoted"), Some("quoted")), Verdict::Write { from: Side::Left });
    assert_eq!(of("price", Some("ordered"), Some("ordered")), Verdict::Write { from: Side::Right });
    assert_eq!(of("price", Some("quoted"), Some("ordered")), Verdict::Stages);
    assert_eq!(of("name", Some("quoted"), Some("ordered")), Verdict::Write { from: Side::Left });
}

#[test]
fn records_are_made_where_something_makes_them() {
    let missing = |on| judge().record(&Finding::Missing { key: "K".into(), on, id: "1".into() });
    assert_eq!(missing(Side::Left), Some(Verdict::Create { on: Side::Left }));
    assert_eq!(missing(Side::Right), Some(Verdict::NoCreate { on: Side::Right }));
    let undeclared = Judge::new("crm".into(), "erp".into(), None);
    let pair = Pair { left: None, right: None };
    assert_eq!(undeclared.member("name", &pair), Verdict::Undeclared);
}

#[test]
fn nothing_is_written_where_the_missing_record_may_only_be_unreadable() {
    let verdict = Verdict::Unread { on: Side::Right };
    assert_eq!((verdict.word(), verdict.written(), verdict.owner()), ("unread", None, None));
    let sentence = judge().sentence(&verdict);
    assert_eq!(sentence, "it may be a record of erp that cannot be read: none is made until it can be");
}
