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

impl Agreement {
    /// What has to be written, and is under way from now on. A side has one write under way at the most.
    pub fn plan(&mut self, policy: &Policy, normal: &Normal<'_>) -> Vec<Write> {
        let mut writes = Vec::new();
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
            let mut fields: Fields = self
                .agreed
                .iter()
                .filter(differs)
                .filter(|(field, _)| open(field))
                .map(|(field, value)| (Arc::clone(field), value.clone()))
                .collect();
            // What was refused is not sent again until it is something else.
            if fields.is_empty() || holding.refused.as_ref() == Some(&fields) {
                continue;
            }
            let mut expected = normal(name, &fields);
            policy.keep(&mut expected);
            // What it holds already in its own form has reached it.
            if !create {
                fields.retain(|field, value| {
                    let holds = |form: &Value| holding.held.get(field).is_some_and(|held| is_same(held, form));
                    let reached = expected.get(field).is_some_and(holds);
                    if reached {
                        holding.reached.insert(Arc::clone(field), value.clone());
                    }
                    !reached
                });
                expected.retain(|field, _| fields.contains_key(field));
                if fields.is_empty() {
                    continue;
                }
            }
            holding.refused = None;
            holding.waiting = Some(Waiting { fields: fields.clone(), expected, overwritten: Fields::default() });
            writes.push(Write { side: name.clone(), id: holding.id.clone(), fields });
        }
        writes
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
        holding.held.extend(waiting.expected);
        holding.reached.extend(waiting.fields);
        holding.written_at = Some(cause.at);
        let again = std::mem::take(&mut holding.changed_meanwhile);
        for (field, value) in waiting.overwritten {
            let owner = self.owner(policy, &field).filter(|owner| *owner == side || self.knows(owner, &field)).cloned();
            self.meet(policy, owner.as_ref(), side, &field, value, cause, findings);
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
