//! What has to be written where.

use std::sync::Arc;

use model::{ConnectionName, Value};

use crate::agreement::{Agreement, Cause, Finding, Waiting};
use crate::fields::{Fields, is_empty, is_same};
use crate::policy::Policy;

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

impl Agreement {
    /// What has to be written, and is under way from now on. A side has one write under way at the most.
    ///
    /// What a side may have changed itself without anybody having seen it yet is not written over: where that side would have
    /// a say, its record has to be read first, after the change that is to be written came.
    pub fn plan(&mut self, policy: &Policy, normal: &Normal<'_>) -> Plan {
        let mut plan = Plan::default();
        for (name, side) in &policy.sides {
            let holding = self.sides.entry(name.clone()).or_default();
            if holding.waiting.is_some() {
                continue;
            }
            let create = holding.id.is_none();
            let wanted = if create { &side.creates } else { &side.writes };
            let differs = |(field, value): &(&Arc<str>, &Value)| {
                wanted.contains(*field)
                    && match holding.reached.get(*field) {
                        Some(reached) => !is_same(reached, value),
                        None => !is_empty(value),
                    }
            };
            let open = |field: &Arc<str>| {
                !self.conflicts.contains_key(field)
                    && !self.turns.get(field).is_some_and(crate::agreement::Turns::rests)
            };
            let unseen = |field: &Arc<str>| {
                let owner = policy.owners.of(field, self.stage.as_deref());
                let came = self.verdicts.get(field).map(|verdict| verdict.cause.at);
                !create
                    && side.reads.contains(field)
                    && owner.is_none_or(|owner| owner == name)
                    && holding.read_at.is_none_or(|read| came.is_some_and(|came| read < came))
            };
            let mut fields: Fields = self
                .agreed
                .iter()
                .filter(differs)
                .filter(|(field, _)| open(field))
                .map(|(field, value)| (Arc::clone(field), value.clone()))
                .collect();
            let all = fields.len();
            let refused = holding.refused.as_ref() == Some(&fields);
            fields.retain(|field, _| !unseen(field));
            if fields.len() < all
                && !refused
                && !holding.checking
                && let Some(id) = &holding.id
            {
                plan.checks.push((name.clone(), Arc::clone(id)));
                holding.checking = true;
            }
            // What was refused is not sent again until it is something else.
            if fields.is_empty() || refused || holding.refused.as_ref() == Some(&fields) {
                continue;
            }
            let expected = normal(name, &fields);
            holding.refused = None;
            holding.waiting = Some(Waiting { fields: fields.clone(), expected, overwritten: Fields::new() });
            plan.writes.push(Write { side: name.clone(), id: holding.id.clone(), fields });
        }
        plan
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
        holding.held.extend(waiting.expected.into_iter().map(|(field, value)| {
            let value = if is_empty(&value) { Value::Null } else { value };
            (field, value)
        }));
        holding.reached.extend(waiting.fields);
        holding.written_at = Some(cause.at);
        let again = std::mem::take(&mut holding.changed_meanwhile);
        for (field, value) in waiting.overwritten {
            self.meet(policy, side, &field, value, cause, findings);
        }
        again
    }

    /// A write was refused for good. Gives whether the record has to be read again.
    pub fn refused(&mut self, side: &ConnectionName) -> bool {
        let Some(holding) = self.sides.get_mut(side) else { return false };
        let Some(waiting) = holding.waiting.take() else { return false };
        holding.refused = Some(waiting.fields);
        std::mem::take(&mut holding.changed_meanwhile)
    }
}
