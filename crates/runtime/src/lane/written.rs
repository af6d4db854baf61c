//! What came of writes that keep systems in agreement, and what people decide about them.

use std::sync::Arc;

use definitions::Synchronised;
use dispatch::{Outcome, Success};
use model::{ConnectionName, Problem, Value};
use store::WorkItemRow;
use sync::Cause;

use super::agreement::{Agreed, Pair, reread, write_place};
use super::existing::There;
use super::gone::RETIRE_PLACE;
use super::queues::{CONFLICT, DELETED, EXISTING};
use super::round::Round;
use super::{Held, LaneTask};
use crate::Decision;

impl LaneTask {
    /// A write is over. With the last one of its kind the side holds what was agreed.
    pub(super) fn written(
        &mut self,
        round: &mut Round,
        held: &Held,
        side: &ConnectionName,
        outcome: Outcome,
        there: Option<&There>,
    ) {
        if held.position.pointer.starts_with(RETIRE_PLACE) {
            self.retired(round, held, side, outcome);
            return;
        }
        let Some((pair, mut agreed, synchronised)) = self.agreed_of(held.matter) else {
            tracing::error!(matter = %held.matter, "a write belongs to no object that is known");
            return;
        };
        let before = agreed.agreement.clone();
        let mut findings = Vec::new();
        match outcome.result {
            Ok(success) => {
                let others = self.is_writing(held.matter, &held.position.pointer);
                if others || self.write_next(round, &pair, &mut agreed, &synchronised, side, &held.position) {
                    self.agreements.insert(pair, agreed);
                    return;
                }
                let cause = Cause {
                    event: outcome.intent.to_string().into(),
                    at: outcome.finished_at,
                    release: Arc::clone(&self.core.release.hash),
                };
                agreed.tried.over(&write_place(side));
                let id = id_of(&success);
                let is_new = before.sides.get(side).is_none_or(|holding| holding.id.is_none());
                let again = agreed.agreement.written(&synchronised.policy, side, id, &cause, &mut findings);
                // What the system made up itself, such as its own number.
                if let Some(reads) = synchronised.policy.sides.get(side).map(|side| &side.reads) {
                    let told = sync::fields_of(&success.output, reads);
                    agreed.agreement.learn(&synchronised.policy, side, told, &cause, &mut findings);
                }
                if is_new {
                    self.follow_late(round, &pair, &mut agreed, &synchronised, side);
                }
                if again && let Some(id) = agreed.agreement.sides.get(side).and_then(|holding| holding.id.clone()) {
                    reread(round, &synchronised, &self.core.release, side, &id);
                }
            }
            Err(fault) => match there.filter(|_| agreed.agreement.lacks(side)) {
                Some(there) => {
                    self.existing(round, &pair, &mut agreed, &synchronised, side, held, &fault, there);
                }
                None => self.refused(round, &mut agreed, &synchronised, side, &fault),
            },
        }
        self.go_on(round, &pair, &mut agreed, &synchronised, &before, findings);
        self.agreements.insert(pair, agreed);
    }

    /// A person decided about an object.
    pub(super) fn decide_agreement(
        &mut self,
        round: &mut Round,
        item: &WorkItemRow,
        decision: &Decision,
    ) -> Result<(), Problem> {
        let missing = || Problem::new("IL-RUN-012", "The object of this item cannot be read", "Look at the log");
        let (pair, mut agreed, synchronised) = self.agreed_of(item.transaction).ok_or_else(missing)?;
        let kind = item.content.get("kind").as_str().unwrap_or_default();
        let at_retirement = item.run.as_ref().is_some_and(|(_, place)| place.starts_with(RETIRE_PLACE.as_bytes()));
        if let Some(place) = item.run.as_ref().and_then(|(_, place)| std::str::from_utf8(place).ok()) {
            agreed.tried.over(place);
            round.touched_agreements.insert(pair.clone());
        }
        let before = agreed.agreement.clone();
        if &*decision.action == "dismiss" {
            if at_retirement && let Some(side) = item.content.get("side").as_str() {
                // It is left as it is, and its values go on.
                agreed.agreement.retire(&side.into(), None);
                self.go_on(round, &pair, &mut agreed, &synchronised, &before, Vec::new());
            }
            self.agreements.insert(pair, agreed);
            return Ok(());
        }
        if kind == EXISTING {
            match self.decide_existing(round, &pair, &mut agreed, &synchronised, item, &decision.action) {
                Ok(true) => {
                    self.go_on(round, &pair, &mut agreed, &synchronised, &before, Vec::new());
                    self.agreements.insert(pair, agreed);
                    return Ok(());
                }
                Ok(false) => {}
                Err(problem) => {
                    self.agreements.insert(pair, agreed);
                    return Err(problem);
                }
            }
        }
        if kind == DELETED {
            self.decide_deleted(round, &pair, &mut agreed, &synchronised, item, &decision.action);
            self.go_on(round, &pair, &mut agreed, &synchronised, &before, Vec::new());
            self.agreements.insert(pair, agreed);
            return Ok(());
        }
        if at_retirement && let Some(side) = item.content.get("side").as_str() {
            self.retire_again(round, &pair, &mut agreed, &synchronised, &side.into());
            self.agreements.insert(pair, agreed);
            return Ok(());
        }
        let kept = decision.action.strip_prefix("keep-").map(ConnectionName::from);
        if let (Some(side), CONFLICT) = (kept, kind) {
            let field: Arc<str> = item.content.get("field").as_str().unwrap_or_default().into();
            // What that side said last counts.
            let latest = before.conflicts.get(&field).and_then(|sides| sides.get(&side)).cloned();
            let value = latest.unwrap_or_else(|| item.content.get("record").get(side.as_str()).clone());
            let cause = Cause {
                event: format!("{} by {}", item.id, decision.by).into(),
                at: round.now,
                release: Arc::clone(&self.core.release.hash),
            };
            agreed.agreement.decide(&field, &side, value, cause);
        } else {
            agreed.agreement.retry();
        }
        self.go_on(round, &pair, &mut agreed, &synchronised, &before, Vec::new());
        self.agreements.insert(pair, agreed);
        Ok(())
    }

    /// The object of a matter, taken out to be changed.
    pub(super) fn agreed_of(&mut self, matter: model::TransactionId) -> Option<(Pair, Agreed, Arc<Synchronised>)> {
        let row = self.matters.get(&matter)?;
        let pair: Pair = (Arc::clone(&row.object), Arc::clone(&row.key));
        let synchronised = self.core.release.synchronised.get(&*pair.0).cloned()?;
        let mut agreed = self.agreements.remove(&pair)?;
        agreed.matter = matter;
        Some((pair, agreed, synchronised))
    }
}

/// The record that was written.
fn id_of(success: &Success) -> Option<Arc<str>> {
    let learnt = success.reference.as_ref().map(|(_, _, record)| Arc::clone(record));
    learnt.or_else(|| match success.output.get("id") {
        Value::String(id) if !id.is_empty() => Some(id.clone().into()),
        _ => None,
    })
}
