//! What has to be written where.

use std::sync::Arc;

use model::{ConnectionName, Text, Value};

use crate::agreement::{Agreement, Cause, Finding, Holding, Waiting};
use crate::fields::{Fields, is_empty, is_same};
use crate::lists::ListChange;
use crate::policy::{Policy, Side};

/// What a side would hold if these agreed values were written to it; fields that it does not read back are left out.
pub type Normal<'a> = dyn Fn(&ConnectionName, &Fields) -> Fields + 'a;

/// A write that is to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// The side.
    pub side: ConnectionName,
    /// The record; `None` to create one.
    pub id: Option<Arc<str>>,
    /// The agreed values.
    pub fields: Fields,
}

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// Writes that are under way from now on.
    pub writes: Vec<Write>,
    /// Records that have to be read before more is written to them.
    pub checks: Vec<(ConnectionName, Arc<str>)>,
}

/// Whether a record may be made on a side that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creating {
    /// It may.
    Now,
    /// It is not known yet whether the side has one. It is planned again when it is.
    Later,
    /// It may not, as things stand.
    Never,
}

impl Agreement {
    /// What has to be written, and is under way from now on. A side has one write under way at the most.
    ///
    /// What a side may have changed itself without anybody having seen it yet is not written over: where that side would have
    /// a say, its record has to be read first, after the change that is to be written came. What was deleted somewhere is made
    /// nowhere.
    pub fn plan(&mut self, policy: &Policy, normal: &Normal<'_>) -> Plan {
        self.plan_creating(policy, normal, |_| Creating::Now, |_, _| true)
    }

    /// Whether a side has no record yet.
    #[must_use]
    pub fn lacks(&self, side: &ConnectionName) -> bool {
        self.sides.get(side).is_none_or(|holding| holding.id.is_none())
    }

    /// Whether some side has no record yet that it could have. What was deleted somewhere is made nowhere.
    #[must_use]
    pub fn lacks_a_record(&self, policy: &Policy) -> bool {
        let lacks = |(name, side): (&ConnectionName, &Side)| {
            !side.creates.is_empty() && self.sides.get(name).is_none_or(|holding| holding.id.is_none())
        };
        !self.is_lost() && policy.sides.iter().any(lacks)
    }

    /// The same, but a record is made only where that is allowed, and of a record that there is only those fields are written that
    /// may be.
    pub fn plan_creating(
        &mut self,
        policy: &Policy,
        normal: &Normal<'_>,
        creating: impl Fn(&ConnectionName) -> Creating,
        may_write: impl Fn(&ConnectionName, &str) -> bool,
    ) -> Plan {
        let mut plan = Plan::default();
        let is_lost = self.is_lost();
        // What is made comes first, as other writes may wait for it.
        let (making, having): (Vec<_>, Vec<_>) = policy.sides.iter().partition(|(name, _)| self.lacks(name));
        for (name, side) in making.into_iter().chain(having) {
            let holding = self.sides.entry(name.clone()).or_default();
            let creates = holding.id.is_none();
            if holding.waiting.is_some()
                || holding.retired.is_some()
                || (creates && (is_lost || holding.named.is_some() || creating(name) != Creating::Now))
                || (side.reads_back && holding.checking)
            {
                continue;
            }
            let (mut fields, mut expected) = self.missing(policy, name, side, normal);
            if !creates {
                if fields.is_empty()
                    && let Some(holding) = self.sides.get_mut(name)
                {
                    // What was refused is not wanted any more, or was done there by hand.
                    holding.refused = None;
                }
                fields.retain(|field, _| may_write(name, field));
                expected.retain(|field, _| fields.contains_key(field));
                if fields.keys().all(|field| policy.key.as_deref() == Some(&**field))
                    && self.is_being_made(policy, &creating)
                {
                    continue;
                }
            }
            let Some(holding) = self.sides.get_mut(name) else { continue };
            let unseen = |field: &str| {
                let owner = policy.owners.of(field, self.stage.as_deref());
                let came = self.verdicts.get(field).map(|verdict| verdict.cause.at);
                holding.id.is_some()
                    && side.reads.contains(field)
                    && owner.is_none_or(|owner| owner == name)
                    && holding.read_at.is_none_or(|read| came.is_some_and(|came| read < came))
            };
            let all = fields.len();
            let refused = holding.refused.as_ref() == Some(&fields);
            fields.retain(|field, _| !unseen(field));
            if fields.len() < all {
                if !refused
                    && !holding.checking
                    && let Some(id) = &holding.id
                {
                    plan.checks.push((name.clone(), Arc::clone(id)));
                    holding.checking = true;
                }
                expected = formed(policy, name, &fields, normal);
            }
            // What was refused is not sent again until it is something else.
            if fields.is_empty() || refused || holding.refused.as_ref() == Some(&fields) {
                continue;
            }
            holding.refused = None;
            holding.waiting = Some(Waiting { fields: fields.clone(), expected, overwritten: Fields::default() });
            plan.writes.push(Write { side: name.clone(), id: holding.id.clone(), fields });
        }
        plan
    }

    /// Whether some side gets its record now, or as soon as it is known that it has none, or got one that was not read yet.
    fn is_being_made(&self, policy: &Policy, creating: impl Fn(&ConnectionName) -> Creating) -> bool {
        let is_new = |holding: &Holding| holding.checking && holding.id.is_some() && holding.read_at.is_none();
        self.sides.values().any(is_new)
            || policy.sides.iter().filter(|(name, _)| self.lacks(name)).any(|(name, side)| {
                let holding = self.sides.get(name);
                holding.is_some_and(|holding| holding.waiting.is_some() || holding.named.is_some())
                    || (creating(name) == Creating::Later
                        && !side.creates.is_empty()
                        && !self.is_lost()
                        && holding.is_none_or(|holding| holding.refused.is_none() && holding.retired.is_none()))
            })
    }

    /// What was agreed when the write that is under way to a side was planned: what it writes, and for the rest what had reached the
    /// side. What no write brings there is as it is agreed now.
    #[must_use]
    pub fn aim(&self, side: &ConnectionName) -> Fields {
        let mut aim = self.agreed.clone();
        let Some(holding) = self.sides.get(side) else { return aim };
        for (field, value) in &mut aim {
            let written = holding.waiting.as_ref().and_then(|waiting| waiting.fields.get(field));
            if let Some(planned) = written.or_else(|| holding.reached.get(field)) {
                *value = planned.clone();
            }
        }
        aim
    }

    /// What is agreed and has not reached a side, and what it would hold of it. What it holds already in its own form has
    /// reached it.
    fn missing(
        &mut self,
        policy: &Policy,
        name: &ConnectionName,
        side: &Side,
        normal: &Normal<'_>,
    ) -> (Fields, Fields) {
        let Some(holding) = self.sides.get_mut(name) else { return Default::default() };
        let create = holding.id.is_none();
        let wanted = if create { &side.creates } else { &side.writes };
        let differs = |(field, value): &(&Text, &Value)| {
            wanted.contains(field.as_str())
                && match holding.reached.get(field.as_str()) {
                    Some(reached) => !is_same(reached, value),
                    None => !is_empty(value),
                }
        };
        let open = |field: &str| {
            !self.conflicts.contains_key(field) && !self.turns.get(field).is_some_and(crate::agreement::Turns::rests)
        };
        let differing = self.agreed.iter().filter(differs).filter(|(field, _)| open(field));
        let mut fields: Fields = differing.map(|(field, value)| (field.clone(), value.clone())).collect();
        if fields.is_empty() {
            return Default::default();
        }
        let mut form = formed(policy, name, &fields, normal);
        if !create {
            fields.retain(|field, value| {
                let holds =
                    holding.held.get(field).zip(form.get(field)).is_some_and(|(held, form)| is_same(held, form));
                if holds {
                    holding.reached.insert(field.clone(), value.clone());
                }
                !holds
            });
            form.retain(|field, _| fields.contains_key(field));
        }
        (fields, form)
    }

    /// A write is over and happened. What was changed there meanwhile, and is written over now, is judged like any other change.
    /// Gives whether the record has to be read again.
    pub fn written(
        &mut self,
        policy: &Policy,
        side: &ConnectionName,
        id: Option<Arc<str>>,
        cause: &Cause,
        findings: &mut Vec<Finding>,
    ) -> bool {
        let Some(holding) = self.sides.get_mut(side) else { return false };
        let Some(waiting) = holding.waiting.take() else { return false };
        holding.id = id.or_else(|| holding.id.take());
        (holding.named, holding.insists) = (None, false);
        let known = |values: &Fields| -> Fields {
            let known = waiting.overwritten.keys().filter(|field| policy.lists.contains_key(field.as_str()));
            known.filter_map(|field| Some((field.clone(), values.get(field)?.clone()))).collect()
        };
        let (held, reached, expected) = (known(&holding.held), known(&holding.reached), known(&waiting.expected));
        holding.held.extend(waiting.expected);
        holding.reached.extend(waiting.fields);
        holding.written_at = Some(cause.at);
        let mut again = std::mem::take(&mut holding.changed_meanwhile);
        if policy.sides.get(side).is_some_and(|side| side.reads_back) {
            holding.checking = true;
            again = true;
        }
        for (field, value) in waiting.overwritten {
            if let Some(key) = policy.lists.get(field.as_str())
                && let Some(held) = held.get(&field)
            {
                let now = key.before_writing(&value, held, expected.get(&field).unwrap_or(held));
                let change = ListChange { side, field: &field, held, now: &now, reached: reached.get(&field), cause };
                if self.changed_list(policy, key, &change, findings) {
                    continue;
                }
            }
            let owner = self.owner(policy, &field).filter(|owner| *owner == side || self.knows(owner, &field)).cloned();
            self.meet(policy, owner.as_ref(), side, &field, value, cause, findings);
        }
        again
    }

    /// A write was refused for good. The record has to be read again.
    pub fn refused(&mut self, side: &ConnectionName) {
        let Some(holding) = self.sides.get_mut(side) else { return };
        let Some(waiting) = holding.waiting.take() else { return };
        holding.refused = Some(waiting.fields);
        holding.changed_meanwhile = false;
    }
}

/// What a side would hold if these values were written to it, as it is compared.
pub(crate) fn formed(policy: &Policy, side: &ConnectionName, fields: &Fields, normal: &Normal<'_>) -> Fields {
    let mut form = normal(side, fields);
    policy.keep(&mut form);
    form
}
