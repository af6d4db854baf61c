//! Differences that are none: a system that cannot hold a value as it is, and holds what writing it there leads to.

use definitions::Synchronised;
use model::{ConnectionName, Value};
use reconcile::{Difference, Finding, Judge, Side, Verdict};
use sync::{Fields, is_same};

/// Takes out of a finding what is one side's own form of the other's value. Gives nothing when nothing is left.
pub(crate) fn without_own_forms(finding: &Finding, synchronised: &Synchronised, judge: &Judge) -> Option<Finding> {
    let Finding::Different { key, ids, stages, members } = finding else { return Some(finding.clone()) };
    let is_own_form = |difference: &&Difference| {
        let holds = |to: Side| {
            let (from, at) = match to {
                Side::Left => (&difference.right, &difference.left),
                Side::Right => (&difference.left, &difference.right),
            };
            form(synchronised, judge.name(to), &difference.member, from).is_some_and(|form| is_same(&form, at))
        };
        match judge.member(&difference.member, stages) {
            Verdict::Write { from } => holds(from.other()),
            Verdict::Unowned(_) | Verdict::Stages => holds(Side::Left) || holds(Side::Right),
            _ => false,
        }
    };
    let members: Vec<Difference> = members.iter().filter(|difference| !is_own_form(difference)).cloned().collect();
    if members.is_empty() {
        return None;
    }
    let (key, ids, stages) = (key.clone(), ids.clone(), stages.clone());
    Some(Finding::Different { key, ids, stages, members })
}

/// What a side would read back of a value that is written to it.
fn form(synchronised: &Synchronised, side: &ConnectionName, member: &str, value: &Value) -> Option<Value> {
    let (writers, policy) = (synchronised.writers.get(side)?, synchronised.policy.sides.get(side)?);
    let mut fields = Fields::default();
    fields.insert(member.into(), value.clone());
    let form = writers.normal(false, &policy.reads, &fields).shift_remove(member)?;
    Some(match synchronised.policy.lists.get(member) {
        Some(list) => list.in_order(&form),
        None => form,
    })
}
