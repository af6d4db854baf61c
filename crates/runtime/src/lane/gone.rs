//! Records that are not there any more, of objects that systems are kept in agreement about: what follows from that for the other
//! sides, and what follows when one is back.

use std::collections::HashSet;
use std::sync::Arc;

use definitions::{Function, Synchronised};
use dispatch::Outcome;
use intake::Gone;
use model::{ConnectionName, Problem, RunId, Value};
use store::{Mutation, ReferenceRow, WorkItemRow};
use sync::{Act, Deletes, Following, Happened, Retired};
use workflow::{Fault, Position};

use super::agreement::{Agreed, Pair, reread, unread, withdrawn, write_place};
use super::queues::{DELETED, NewItem, WRITE};
use super::round::{After, Round};
use super::{Held, LaneTask};
use crate::journal::line;

/// Where what is done to a record belongs whose object was deleted elsewhere, in place of a task's pointer.
pub(super) const RETIRE_PLACE: &str = "/@retire/";
/// The action that makes a record again where it was deleted.
const MAKE_AGAIN: &str = "make-again";

/// A record that is not there any more.
pub(crate) struct Lost {
    pub(crate) key: Arc<str>,
    pub(crate) gone: Gone,
    /// What happened; `None` when nobody can tell.
    pub(crate) happened: Option<Happened>,
    /// The sides that have a record of the object that it was merged into.
    pub(crate) others: HashSet<ConnectionName>,
}

/// That a side has no record of an object any more.
struct Loss<'a> {
    side: &'a ConnectionName,
    /// What happened; `None` when nobody can tell.
    happened: Option<Happened>,
    /// The sides that have a record of the object that it was merged into.
    others: &'a HashSet<ConnectionName>,
}

/// What a person is asked.
struct Question {
    title: String,
    reason: String,
    content: Value,
}

impl LaneTask {
    /// A record is not there any more.
    pub(super) fn lost_record(&mut self, round: &mut Round, lost: &Lost) -> Result<(), Problem> {
        let Some(synchronised) = self.core.release.synchronised.get(&lost.gone.feed.object).cloned() else {
            return Ok(());
        };
        let pair: Pair = (lost.gone.feed.object.as_str().into(), Arc::clone(&lost.key));
        let known = round.loaded.matters.get(&pair).ok_or_else(unread)?.clone();
        if let Some(problem) = round.loaded.damaged.get(&pair).cloned() {
            return self.pass_damaged(round, known.as_ref(), problem);
        }
        let Some(row) = known else { return Ok(()) };
        let mut agreed = self.agreements.remove(&pair).ok_or_else(unread)?;
        agreed.matter = row.id;
        self.matters.insert_read(row.id, row);
        let side = lost.gone.feed.connection.clone();
        if agreed.agreement.lost(&side, &lost.gone.record) {
            let what = match &lost.happened {
                Some(Happened::Merged { into }) => format!("was merged into {into}"),
                Some(_) => "was deleted".to_owned(),
                None => "is not there any more".to_owned(),
            };
            let sentence = format!("Record {} of {side} {what}", lost.gone.record);
            round.mutations.push(line(agreed.matter, round.now, "gone", Some(side.as_str()), sentence, Value::Null));
            // That something could not be written to it says nothing any more.
            round.mutations.push(withdrawn(agreed.matter, &write_place(&side)));
            // Nor is it asked any more what becomes of it, and what could not be made elsewhere is not wanted any more.
            round.mutations.push(withdrawn(agreed.matter, &retire_place(&side)));
            for side in agreed.agreement.unmade() {
                round.mutations.push(withdrawn(agreed.matter, &write_place(&side)));
            }
            let loss = Loss { side: &side, happened: lost.happened.clone(), others: &lost.others };
            self.follow(round, &pair, &mut agreed, &synchronised, &loss, |_| true);
            self.stand(round, &pair, &agreed, &synchronised);
        } else if agreed.agreement.lacks(&side) {
            // It was linked, and never read.
            round.mutations.push(reference_removed(&pair, &side));
            if agreed.agreement.unnamed(&side, &lost.gone.record) {
                self.not_there(round, &pair, &mut agreed, &synchronised, &side, &lost.gone.record);
            } else {
                round.after.push(After::Review(pair.clone()));
            }
        }
        self.agreements.insert(pair, agreed);
        Ok(())
    }

    /// A record was made of an object that a side had lost by then: what became of the records that were there becomes of it.
    pub(super) fn follow_late(
        &mut self,
        round: &mut Round,
        pair: &Pair,
        agreed: &mut Agreed,
        synchronised: &Arc<Synchronised>,
        made: &ConnectionName,
    ) {
        let gone = agreed.agreement.sides.iter().find(|(_, holding)| holding.retired == Some(Retired::Gone));
        let Some(side) = gone.map(|(side, _)| side.clone()) else { return };
        // What happened is not known any more.
        let loss = Loss { side: &side, happened: None, others: &HashSet::new() };
        self.follow(round, pair, agreed, synchronised, &loss, |other| other == made);
    }

    fn follow(
        &mut self,
        round: &mut Round,
        pair: &Pair,
        agreed: &mut Agreed,
        synchronised: &Arc<Synchronised>,
        loss: &Loss<'_>,
        concerns: impl Fn(&ConnectionName) -> bool,
    ) {
        let policy = &synchronised.policy;
        let side = loss.side;
        // What may only have become invisible is nothing to act upon.
        let (happened, deletes) = match loss.happened.clone() {
            Some(happened) => (happened, policy.deletes),
            None if policy.deletes == Deletes::Keep => (Happened::Deleted, Deletes::Keep),
            None => (Happened::Deleted, Deletes::Queue),
        };
        let owner = policy.owners.of("", agreed.agreement.stage.as_deref());
        let owned = owner.is_none_or(|owner| owner == side);
        let abilities = |other: &ConnectionName| {
            let documents = policy.sides.get(other).map(|side| side.documents).unwrap_or_default();
            let writers = synchronised.writers.get(other);
            (documents, writers.map(definitions::Writers::abilities).unwrap_or_default())
        };
        let mut counterparts = agreed.agreement.counterparts(side, abilities, |other| loss.others.contains(other));
        counterparts.retain(|counterpart| concerns(&counterpart.side));
        for Following { side: other, act, reason } in sync::follow(deletes, owned, &happened, &counterparts) {
            match act {
                Act::Delete | Act::Deactivate | Act::Block => {
                    self.retire(round, pair, agreed, synchronised, &other, act)
                }
                Act::Ask => {
                    agreed.agreement.retire(&other, Some(Retired::Asked));
                    self.ask_what_becomes(round, agreed, synchronised, side, &other, &reason.to_string());
                }
                Act::Relink(into) => self.relink(round, pair, agreed, synchronised, &other, &into),
                Act::Keep | Act::Restore(_) | Act::Create => {}
            }
        }
    }

    /// What was done because a record was gone is undone when it is back. Gives whether it is.
    pub(super) fn came_back(
        &mut self,
        round: &mut Round,
        pair: &Pair,
        agreed: &mut Agreed,
        synchronised: &Arc<Synchronised>,
        side: &ConnectionName,
        id: &str,
    ) -> bool {
        if !agreed.agreement.came_back(side, id) {
            return false;
        }
        let sentence = format!("Record {id} of {side} is there again");
        round.mutations.push(line(agreed.matter, round.now, "back", Some(side.as_str()), sentence, Value::Null));
        let abilities = |other: &ConnectionName| {
            let writers = synchronised.writers.get(other);
            (Default::default(), writers.map(definitions::Writers::abilities).unwrap_or_default())
        };
        let counterparts = agreed.agreement.counterparts(side, abilities, |_| false);
        for Following { side: other, act, .. } in
            sync::follow(synchronised.policy.deletes, true, &Happened::Undeleted, &counterparts)
        {
            round.mutations.push(withdrawn(agreed.matter, &retire_place(&other)));
            match act {
                Act::Restore(was) => self.restore(round, pair, agreed, synchronised, &other, *was),
                Act::Create => self.unlink(round, pair, agreed, &other),
                _ if matches!(retired_of(agreed, &other), Some(Retired::Undoing(_))) => {}
                _ => agreed.agreement.retire(&other, None),
            }
        }
        round.touched_agreements.insert(pair.clone());
        true
    }

    /// Does this to the record of a side.
    fn retire(
        &mut self,
        round: &mut Round,
        pair: &Pair,
        agreed: &mut Agreed,
        synchronised: &Arc<Synchronised>,
        side: &ConnectionName,
        act: Act,
    ) {
        let function = synchronised.writers.get(side).and_then(|writers| writers.retiring(&act)).cloned();
        let Some(function) = function else { return };
        agreed.agreement.retire(side, Some(Retired::Doing(act.clone())));
        self.send_retirement(round, pair, agreed, synchronised, side, &function);
    }

    fn restore(
        &mut self,
        round: &mut Round,
        pair: &Pair,
        agreed: &mut Agreed,
        synchronised: &Arc<Synchronised>,
        side: &ConnectionName,
        was: Act,
    ) {
        let Some(function) = synchronised.writers.get(side).and_then(|writers| writers.restore.clone()) else {
            // Nobody said how: the record stays as it is, and its values go on.
            agreed.agreement.retire(side, None);
            return;
        };
        agreed.agreement.retire(side, Some(Retired::Undoing(was)));
        self.send_retirement(round, pair, agreed, synchronised, side, &function);
    }

    fn send_retirement(
        &mut self,
        round: &mut Round,
        pair: &Pair,
        agreed: &mut Agreed,
        synchronised: &Arc<Synchronised>,
        side: &ConnectionName,
        function: &Arc<Function>,
    ) {
        let place = retire_place(side);
        if self.is_writing(agreed.matter, &place) {
            // Two at once would end in any order: with the outcome of that one it is seen what is wanted now.
            return;
        }
        let holding = agreed.agreement.sides.get(side);
        let input = Value::object([
            ("key", Value::from(Arc::clone(&pair.1))),
            ("id", Value::from(holding.and_then(|holding| holding.id.clone()))),
            ("current", holding.map(|holding| sync::object_of(&holding.held)).unwrap_or_default()),
        ]);
        let position = Position { pointer: place.into(), iterations: Vec::new(), attempt: 0 };
        let run = RunId::new(agreed.matter.uuid());
        if let Err(fault) = self.record(round, run, agreed.matter, &position, function, input, true) {
            self.retirement_refused(round, agreed, synchronised, side, &fault);
        }
    }

    /// What was done to a record whose object was deleted elsewhere is over.
    pub(super) fn retired(&mut self, round: &mut Round, held: &Held, side: &ConnectionName, outcome: Outcome) {
        let Some((pair, mut agreed, synchronised)) = self.agreed_of(held.matter) else {
            tracing::error!(matter = %held.matter, "what was done to a record belongs to no object that is known");
            return;
        };
        let now = retired_of(&agreed, side).cloned();
        let writers = synchronised.writers.get(side);
        let wanted = match &now {
            Some(Retired::Doing(act)) => writers.and_then(|writers| writers.retiring(act)),
            Some(Retired::Undoing(_)) => writers.and_then(|writers| writers.restore.as_ref()),
            _ => None,
        };
        if let Some(wanted) = wanted.filter(|wanted| wanted.name.as_str() != &*held.row.function).cloned() {
            // Something else became right while this was under way.
            self.send_retirement(round, &pair, &mut agreed, &synchronised, side, &wanted);
            self.stand(round, &pair, &agreed, &synchronised);
            self.agreements.insert(pair, agreed);
            return;
        }
        match outcome.result {
            Ok(_) => {
                agreed.tried.over(&retire_place(side));
                let next = match now {
                    Some(Retired::Doing(act)) => Some(Retired::Done(act)),
                    Some(Retired::Undoing(_)) | None => None,
                    other => other,
                };
                let back = next.is_none();
                agreed.agreement.retire(side, next);
                if back && let Some(id) = agreed.agreement.sides.get(side).and_then(|holding| holding.id.clone()) {
                    // What happened to it meanwhile was not looked at.
                    reread(round, &synchronised, &self.core.release, side, &id);
                }
            }
            // Of a record that is gone itself, that is told.
            Err(_) if now == Some(Retired::Gone) => {}
            Err(fault) => self.retirement_refused(round, &agreed, &synchronised, side, &fault),
        }
        self.stand(round, &pair, &agreed, &synchronised);
        self.agreements.insert(pair, agreed);
    }

    fn retirement_refused(
        &self,
        round: &mut Round,
        agreed: &Agreed,
        synchronised: &Synchronised,
        side: &ConnectionName,
        fault: &Fault,
    ) {
        let what = self.name_of(agreed);
        let reason = fault.detail.as_deref().or(fault.title.as_deref()).unwrap_or("it said no more than that");
        let content = Value::object([
            ("kind", Value::from(WRITE)),
            ("side", Value::from(side.as_str())),
            ("record", sync::object_of(&agreed.agreement.agreed)),
            ("fault", fault.to_value()),
            ("allow", Value::array(["retry", "dismiss"])),
        ]);
        let title = format!("{side} refuses to follow the deletion of {what}");
        self.ask_about(round, agreed, synchronised, side, Question { title, reason: reason.to_owned(), content });
    }

    /// A person is asked what becomes of the record of a side.
    fn ask_what_becomes(
        &self,
        round: &mut Round,
        agreed: &Agreed,
        synchronised: &Synchronised,
        lost: &ConnectionName,
        side: &ConnectionName,
        why: &str,
    ) {
        let what = self.name_of(agreed);
        let writers = synchronised.writers.get(side);
        let mut allow: Vec<Value> =
            writers.into_iter().flat_map(|writers| &writers.retire).map(|(act, _)| Value::from(act.word())).collect();
        allow.push(Value::from(Act::Keep.word()));
        if synchronised.policy.sides.get(lost).is_some_and(|side| !side.creates.is_empty()) {
            allow.push(Value::from(MAKE_AGAIN));
        }
        let id = |side: &ConnectionName| {
            let holding = agreed.agreement.sides.get(side);
            holding.and_then(|holding| holding.id.clone()).unwrap_or_default()
        };
        let reason = format!(
            "Record {} of {lost} is not there any more. Record {} of {side} is; a person is asked, because {why}",
            id(lost),
            id(side)
        );
        let content = Value::object([
            ("kind", Value::from(DELETED)),
            ("side", Value::from(side.as_str())),
            ("lost", Value::from(lost.as_str())),
            ("record", sync::object_of(&agreed.agreement.agreed)),
            ("allow", Value::from(allow)),
        ]);
        let title = format!("{what} is gone from {lost}: what becomes of it in {side}?");
        self.ask_about(round, agreed, synchronised, side, Question { title, reason, content });
    }

    /// A person decided what becomes of a record.
    pub(super) fn decide_deleted(
        &mut self,
        round: &mut Round,
        pair: &Pair,
        agreed: &mut Agreed,
        synchronised: &Arc<Synchronised>,
        item: &WorkItemRow,
        action: &str,
    ) {
        let side = |member: &str| ConnectionName::from(item.content.get(member).as_str().unwrap_or_default());
        let (other, lost) = (side("side"), side("lost"));
        match action {
            MAKE_AGAIN => {
                self.unlink(round, pair, agreed, &lost);
                agreed.agreement.retire(&other, None);
            }
            _ => match Act::from_word(action) {
                Some(Act::Keep) | None => agreed.agreement.retire(&other, None),
                Some(act) => self.retire(round, pair, agreed, synchronised, &other, act),
            },
        }
        round.touched_agreements.insert(pair.clone());
    }

    /// A person has it tried again to do something to a record whose object was deleted elsewhere. Gives whether there was such a thing.
    pub(super) fn retire_again(
        &mut self,
        round: &mut Round,
        pair: &Pair,
        agreed: &mut Agreed,
        synchronised: &Arc<Synchronised>,
        side: &ConnectionName,
    ) -> bool {
        match agreed.agreement.sides.get(side).and_then(|holding| holding.retired.clone()) {
            Some(Retired::Doing(act)) => self.retire(round, pair, agreed, synchronised, side, act),
            Some(Retired::Undoing(act)) => self.restore(round, pair, agreed, synchronised, side, act),
            _ => return false,
        }
        round.touched_agreements.insert(pair.clone());
        true
    }

    /// The side has no record of the object any more, and may get another one.
    fn unlink(&self, round: &mut Round, pair: &Pair, agreed: &mut Agreed, side: &ConnectionName) {
        agreed.agreement.unlink(side);
        round.mutations.push(reference_removed(pair, side));
        round.touched_agreements.insert(pair.clone());
    }

    /// The record of a side stands for another object from now on: it is read again as that.
    fn relink(
        &self,
        round: &mut Round,
        pair: &Pair,
        agreed: &mut Agreed,
        synchronised: &Synchronised,
        side: &ConnectionName,
        into: &Arc<str>,
    ) {
        let Some(id) = agreed.agreement.sides.get(side).and_then(|holding| holding.id.clone()) else { return };
        self.unlink(round, pair, agreed, side);
        round.mutations.push(Mutation::PutReference(ReferenceRow {
            object: Arc::clone(&pair.0),
            key: Arc::clone(into),
            connection: side.as_str().into(),
            record_id: Arc::clone(&id),
        }));
        let sentence = format!("Record {id} of {side} stands for {into} from now on");
        round.mutations.push(line(agreed.matter, round.now, "relinked", Some(side.as_str()), sentence, Value::Null));
        reread(round, synchronised, &self.core.release, side, &id);
    }

    /// Puts a question to a person that belongs to the record of a side, in place of the one before it.
    fn ask_about(
        &self,
        round: &mut Round,
        agreed: &Agreed,
        synchronised: &Synchronised,
        side: &ConnectionName,
        question: Question,
    ) {
        let Question { title, reason, content } = question;
        let place = retire_place(side);
        round.mutations.push(withdrawn(agreed.matter, &place));
        let run = Some((RunId::new(agreed.matter.uuid()), place.into_bytes()));
        let queue = synchronised.queue.as_str();
        self.open(round, NewItem { queue, matter: agreed.matter, run, title, reason, amount: None, content });
    }

    fn name_of(&self, agreed: &Agreed) -> String {
        self.matters.get(&agreed.matter).map_or_else(|| agreed.matter.to_string(), |row| row.title.to_string())
    }

    /// The state is stored and the matter says how it stands.
    fn stand(&mut self, round: &mut Round, pair: &Pair, agreed: &Agreed, synchronised: &Synchronised) {
        self.mark(round, agreed, synchronised);
        round.touched_agreements.insert(pair.clone());
    }
}

fn retired_of<'a>(agreed: &'a Agreed, side: &ConnectionName) -> Option<&'a Retired> {
    agreed.agreement.sides.get(side)?.retired.as_ref()
}

/// The side has no record of the object any more.
fn reference_removed(pair: &Pair, side: &ConnectionName) -> Mutation {
    Mutation::RemoveReference {
        object: Arc::clone(&pair.0),
        key: Arc::clone(&pair.1),
        connection: side.as_str().into(),
    }
}

pub(super) fn retire_place(side: &ConnectionName) -> String {
    format!("{RETIRE_PLACE}{side}")
}
