//! Who is right about a field.

use std::sync::Arc;

use model::{ConnectionName, Value};

use crate::agreement::{Agreement, Cause, Finding, Rule, Verdict};
use crate::fields::{is_empty, is_same};
use crate::policy::{Conflict, Policy};

impl Agreement {
    /// A field of a record that a side is seen with for the first time.
    pub(crate) fn first(
        &mut self,
        policy: &Policy,
        side: &ConnectionName,
        field: &str,
        value: Value,
        cause: &Cause,
        findings: &mut Vec<Finding>,
    ) {
        let Some(agreed) = self.agreed.get(field) else {
            let alone = self.sides.values().filter(|holding| holding.id.is_some()).count() == 1;
            let rule = if alone { Rule::First } else { Rule::Only };
            self.agree(side, field, value, rule, cause, None);
            return;
        };
        if is_empty(&value) {
            return;
        }
        if is_same(agreed, &value) {
            self.second(policy, side, field, cause);
            return;
        }
        if is_empty(agreed) {
            self.agree(side, field, value, Rule::Only, cause, None);
            return;
        }
        // An owner that never had a value does not stand against those of others.
        let owner = self.owner(policy, field).filter(|owner| *owner == side || self.says(owner, field)).cloned();
        self.meet(policy, owner.as_ref(), side, field, value, cause, findings);
    }

    /// A side has another value than it had.
    #[expect(clippy::too_many_arguments, reason = "one change and what is needed to judge it")]
    pub(crate) fn changed(
        &mut self,
        policy: &Policy,
        side: &ConnectionName,
        field: &str,
        known: &Value,
        value: Value,
        cause: &Cause,
        findings: &mut Vec<Finding>,
    ) {
        let agreed = self.agreed.get(field).cloned().unwrap_or_default();
        if is_same(&agreed, &value) {
            // The other side's change, made here by hand as well.
            self.settle_conflict(field, side, &value);
            self.second(policy, side, field, cause);
            return;
        }
        let owner = self.owner(policy, field).filter(|owner| *owner == side || self.knows(owner, field)).cloned();
        match owner {
            Some(owner) if owner == *side => {
                let lost = self.other_change(side, field, known, &agreed);
                self.agree(side, field, value, Rule::Owner, cause, lost);
            }
            // It is written over; the verdict says what lost.
            Some(_) => self.lose(side, field, value),
            None if self.conflicts.contains_key(field) || self.other_change(side, field, known, &agreed).is_some() => {
                self.meet(policy, None, side, field, value, cause, findings);
            }
            None => self.agree(side, field, value, Rule::Changed, cause, None),
        }
    }

    /// The value of a side meets another one that is agreed. An owner that has a say decides, or else the policy.
    #[expect(clippy::too_many_arguments, reason = "one change and what is needed to judge it")]
    pub(crate) fn meet(
        &mut self,
        policy: &Policy,
        owner: Option<&ConnectionName>,
        side: &ConnectionName,
        field: &str,
        value: Value,
        cause: &Cause,
        findings: &mut Vec<Finding>,
    ) {
        let agreed = self.agreed.get(field).cloned().unwrap_or_default();
        let from = self.verdicts.get(field).map(|verdict| verdict.from.clone());
        let (wins, rule) = match (owner, policy.conflict) {
            (Some(owner), _) => (owner == side, Rule::Owner),
            (None, Conflict::First) => (self.outranks(policy, side, field, cause), Rule::FirstNamed),
            (None, Conflict::Newest) => (self.outranks(policy, side, field, cause), Rule::Newest),
            (None, Conflict::Queue) => {
                self.dispute(side, field, value, cause, from, findings);
                return;
            }
        };
        if wins {
            let lost = from.map(|from| (from, agreed));
            self.agree(side, field, value, rule, cause, lost);
        } else {
            self.lose(side, field, value);
        }
    }

    /// Whether a change of a side goes before the one that is agreed, where neither side owns the field: by when it was made and
    /// not by when it was heard of; at the same instant, the side that is named first.
    pub(crate) fn outranks(&self, policy: &Policy, side: &ConnectionName, field: &str, cause: &Cause) -> bool {
        let Some(Verdict { from, cause: agreed, .. }) = self.verdicts.get(field) else { return true };
        let place = |name: &ConnectionName| policy.sides.get_index_of(name).unwrap_or(usize::MAX);
        let named_first = place(side) <= place(from);
        match policy.conflict {
            Conflict::Newest => cause.at > agreed.at || (cause.at == agreed.at && named_first),
            Conflict::First | Conflict::Queue => named_first,
        }
    }

    /// A second side made the change that is agreed. It stands behind it with its rank, so that a third one that says something
    /// else meets the same whoever of the two was heard of first.
    fn second(&mut self, policy: &Policy, side: &ConnectionName, field: &str, cause: &Cause) {
        let owned = self.owner(policy, field).is_some_and(|owner| self.knows(owner, field));
        if !owned
            && self.outranks(policy, side, field, cause)
            && let Some(verdict) = self.verdicts.get_mut(field)
        {
            verdict.from = side.clone();
            verdict.cause = cause.clone();
            verdict.rule = Rule::Same;
            verdict.lost.shift_remove(side);
        }
    }

    /// Sides differ, and a person decides unless they come to say the same.
    pub(crate) fn dispute(
        &mut self,
        side: &ConnectionName,
        field: &str,
        value: Value,
        cause: &Cause,
        from: Option<ConnectionName>,
        findings: &mut Vec<Finding>,
    ) {
        let agreed = self.agreed.get(field).cloned().unwrap_or_default();
        let sides = self.conflicts.entry(Arc::from(field)).or_default();
        if let Some(from) = from {
            sides.entry(from).or_insert(agreed);
        }
        sides.insert(side.clone(), value.clone());
        if sides.values().all(|other| is_same(other, &value)) {
            self.agree(side, field, value, Rule::Same, cause, None);
        } else {
            findings.push(Finding::Conflict(Arc::from(field)));
        }
    }

    pub(crate) fn agree(
        &mut self,
        side: &ConnectionName,
        field: &str,
        value: Value,
        rule: Rule,
        cause: &Cause,
        lost: Option<(ConnectionName, Value)>,
    ) {
        self.conflicts.shift_remove(field);
        self.agreed.insert(field.into(), value);
        let lost = lost.into_iter().filter(|(from, _)| from != side).collect();
        let verdict = Verdict { from: side.clone(), rule, cause: cause.clone(), lost };
        self.verdicts.insert(Arc::from(field), verdict);
    }

    pub(crate) fn lose(&mut self, side: &ConnectionName, field: &str, value: Value) {
        if let Some(verdict) = self.verdicts.get_mut(field) {
            verdict.lost.insert(side.clone(), value);
        }
    }

    /// Sides that differed say the same now.
    fn settle_conflict(&mut self, field: &str, side: &ConnectionName, value: &Value) {
        if let Some(sides) = self.conflicts.get_mut(field) {
            sides.insert(side.clone(), value.clone());
            if sides.values().all(|other| is_same(other, value)) {
                self.conflicts.shift_remove(field);
                if let Some(verdict) = self.verdicts.get_mut(field) {
                    verdict.rule = Rule::Same;
                }
            }
        }
    }

    pub(crate) fn owner<'a>(&self, policy: &'a Policy, field: &str) -> Option<&'a ConnectionName> {
        policy.owners.of(field, self.stage.as_deref())
    }

    /// Whether a side that owns a field has a value for it.
    pub(crate) fn says(&self, side: &ConnectionName, field: &str) -> bool {
        self.sides.get(side).is_some_and(|holding| holding.held.get(field).is_some_and(|held| !is_empty(held)))
    }

    /// Whether a side that owns a field has said what it is.
    pub(crate) fn knows(&self, side: &ConnectionName, field: &str) -> bool {
        self.sides.get(side).is_some_and(|holding| holding.id.is_some() && holding.held.contains_key(field))
    }

    /// What another side changed meanwhile and this one had not got yet.
    pub(crate) fn other_change(
        &self,
        side: &ConnectionName,
        field: &str,
        known: &Value,
        agreed: &Value,
    ) -> Option<(ConnectionName, Value)> {
        let from = &self.verdicts.get(field)?.from;
        (from != side && !is_same(known, agreed)).then(|| (from.clone(), agreed.clone()))
    }
}
