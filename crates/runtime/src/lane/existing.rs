//! A side that refuses to make a record because it has others that it takes for it: the one that nobody has is linked, as if it had
//! been found before; otherwise a person says which one it is.

use std::sync::Arc;

use connect::{Action, Existing, ExistingRecord};
use definitions::Synchronised;
use dispatch::Outcome;
use model::{ConnectionName, Problem, RunId, Value};
use store::{Mutation, ReferenceRow, WorkItemRow};
use sync::object_of;
use workflow::{Fault, FaultType};

use super::agreement::{Agreed, Pair, side_of, withdrawn, write_place};
use super::gone::RETIRE_PLACE;
use super::queues::{EXISTING, NewItem, WRITE};
use super::round::{After, Round};
use super::{Held, LaneTask};
use crate::core::ToIntake;
use crate::existing::{self, Exists, Owner};
use crate::identity::{LINK, NEW};
use crate::journal::line;
use crate::lane_id::LaneId;

/// What a side has already of an object that was to be made there.
pub(super) struct There {
    pub(super) existing: Existing,
    owners: Vec<Option<Owner>>,
}

impl There {
    /// The records that may be linked with an object, and who has each of the others.
    fn records(&self) -> impl Iterator<Item = (&ExistingRecord, Option<&Owner>)> {
        self.existing.records.iter().zip(self.owners.iter().map(Option::as_ref))
    }
}

impl LaneTask {
    /// Whether a write is over because the side has records already that it takes for the one to be made. Who has them is looked up
    /// first, and the outcome comes back with that.
    pub(super) fn looks_up_existing(&self, outcome: &Outcome) -> bool {
        let Some(held) = self.intents.get(&outcome.intent).filter(|held| !held.abandoned) else { return false };
        let makes =
            held.function.as_ref().is_some_and(|function| matches!(function.action, Action::Create | Action::Upsert));
        if !makes || held.position.pointer.starts_with(RETIRE_PLACE) {
            return false;
        }
        let Some(existing) = outcome.result.as_ref().err().and_then(|fault| Existing::from_fault(&fault.data)) else {
            return false;
        };
        let (Some(side), Some(row)) = (side_of(&held.position), self.matters.get(&held.matter)) else { return false };
        let pair: Pair = (Arc::clone(&row.object), Arc::clone(&row.key));
        if !self.agreements.get(&pair).is_some_and(|agreed| agreed.agreement.lacks(&side)) {
            return false;
        }
        let (lane, connection) = (LaneId::of(held.row.run.uuid()), Arc::clone(&held.row.connection));
        tokio::spawn(existing::look_up(Arc::clone(&self.core), lane, pair.0, existing, outcome.clone(), connection));
        true
    }

    /// It is known who has the records.
    pub(super) fn exists(&mut self, round: &mut Round, exists: Exists) {
        let Exists { outcome, existing, owners, held } = exists;
        round.after.push(After::Found(held));
        self.done(round, outcome, Some(&There { existing, owners }));
    }

    /// The side has the object already, it says: the only record that it may be is linked, or a person is asked.
    #[expect(clippy::too_many_arguments, reason = "one refused create and what the side said of it")]
    pub(super) fn existing(
        &mut self,
        round: &mut Round,
        pair: &Pair,
        agreed: &mut Agreed,
        synchronised: &Synchronised,
        side: &ConnectionName,
        held: &Held,
        fault: &Fault,
        there: &There,
    ) {
        let is_of_kind =
            |found: &ExistingRecord| held.function.as_ref().is_some_and(|function| function.record == found.record);
        let mut records = there.records();
        let only = records.next().filter(|_| records.next().is_none() && there.existing.more == 0);
        let free = |owner: Option<&Owner>| owner.is_none_or(|owner| owner.key == pair.1);
        match only.filter(|(found, owner)| is_of_kind(found) && free(*owner)) {
            Some((found, _)) => self.link(round, pair, agreed, synchronised, side, &found.id),
            None => self.ask_which(round, pair, agreed, synchronised, side, (fault, there), is_of_kind),
        }
    }

    /// The record is the object's from now on. It is read, and what differs is judged then as with any other record.
    fn link(
        &mut self,
        round: &mut Round,
        pair: &Pair,
        agreed: &mut Agreed,
        synchronised: &Synchronised,
        side: &ConnectionName,
        id: &Arc<str>,
    ) {
        let feeds = self.core.release.connections.get(side).map(|connection| &connection.feeds);
        let feed = feeds.and_then(|feeds| feeds.values().find(|feed| feed.object == synchronised.object));
        let Some(feed) = feed else {
            let detail = format!("{side} has record {id} of it already, and no feed of {side} reads such records");
            let fault = Fault::new(FaultType::Configuration, detail);
            self.refused(round, agreed, synchronised, side, &fault);
            return;
        };
        let row = intake::forced_look_row(feed, id, round.now);
        agreed.agreement.named(side, Arc::clone(id));
        round.mutations.push(withdrawn(agreed.matter, &write_place(side)));
        round.mutations.push(Mutation::PutReference(ReferenceRow {
            object: Arc::clone(&pair.0),
            key: Arc::clone(&pair.1),
            connection: side.as_str().into(),
            record_id: Arc::clone(id),
        }));
        let sentence = format!("{side} has record {id} already: it is linked instead of making another one");
        round.mutations.push(line(agreed.matter, round.now, "linked", Some(side.as_str()), sentence, Value::Null));
        round.mutations.push(Mutation::PutInbox(row.clone()));
        round.after.push(After::Intake(ToIntake::Look { row }));
        round.touched_agreements.insert(pair.clone());
    }

    /// A person is asked which of the records it is.
    #[expect(clippy::too_many_arguments, reason = "one question and what it is about")]
    fn ask_which(
        &mut self,
        round: &mut Round,
        pair: &Pair,
        agreed: &mut Agreed,
        synchronised: &Synchronised,
        side: &ConnectionName,
        (fault, there): (&Fault, &There),
        is_of_kind: impl Fn(&ExistingRecord) -> bool,
    ) {
        let waiting = agreed.agreement.sides.get(side).and_then(|holding| holding.waiting.clone());
        agreed.agreement.refused(side);
        let place = write_place(side);
        round.mutations.push(withdrawn(agreed.matter, &place));
        let (mut told, mut shown, mut allow) = (Vec::new(), Vec::new(), Vec::new());
        for (found, owner) in there.records() {
            let name = match found.title.is_empty() {
                true => found.id.to_string(),
                false => format!("{} ({})", found.title, found.id),
            };
            let why = match owner.filter(|owner| owner.key != pair.1) {
                _ if !is_of_kind(found) => format!("it is a {}", found.record),
                Some(owner) if owner.title.is_empty() => format!("it belongs to {} {}", pair.0, owner.key),
                Some(owner) => format!("it belongs to {} ({})", owner.title, owner.key),
                None => {
                    allow.push(Value::from(format!("{LINK}{}", found.id)));
                    "it belongs to nobody yet".to_owned()
                }
            };
            told.push(format!("{name}: {why}"));
            shown.push(Value::object([
                ("id", Value::from(Arc::clone(&found.id))),
                ("title", Value::from(Arc::clone(&found.title))),
                ("key", Value::from(owner.map(|owner| Arc::clone(&owner.key)))),
                ("why", Value::from(why)),
            ]));
        }
        if there.existing.may_insist {
            allow.push(Value::from(NEW));
        }
        allow.extend(["retry", "dismiss"].map(Value::from));
        let more = match there.existing.more {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let told = if told.is_empty() { "it does not say which records".to_owned() } else { told.join("; ") };
        let said = fault.detail.as_deref().or(fault.title.as_deref()).unwrap_or_default();
        let what = self.matters.get(&agreed.matter).map_or_else(String::new, |row| row.title.to_string());
        let content = Value::object([
            ("kind", Value::from(EXISTING)),
            ("side", Value::from(side.as_str())),
            ("object", Value::from(Arc::clone(&pair.0))),
            ("key", Value::from(Arc::clone(&pair.1))),
            ("record", waiting.map(|waiting| object_of(&waiting.fields)).unwrap_or_default()),
            ("existing", Value::from(shown)),
            ("fault", fault.to_value()),
            ("allow", Value::from(allow)),
        ]);
        let item = NewItem {
            queue: synchronised.queue.as_str(),
            matter: agreed.matter,
            run: Some((RunId::new(agreed.matter.uuid()), place.into_bytes())),
            title: format!("{side} has {what} already: which one is it?"),
            reason: format!("{side} refuses to make it ({said}) and takes it for what it has: {told}{more}"),
            amount: None,
            content,
        };
        self.open(round, item);
    }

    /// The record that the side named is not there when it is read: it would be named again and again.
    pub(super) fn not_there(
        &mut self,
        round: &mut Round,
        pair: &Pair,
        agreed: &mut Agreed,
        synchronised: &Synchronised,
        side: &ConnectionName,
        id: &str,
    ) {
        let place = write_place(side);
        let what = self.matters.get(&agreed.matter).map_or_else(String::new, |row| row.title.to_string());
        let content = Value::object([
            ("kind", Value::from(WRITE)),
            ("side", Value::from(side.as_str())),
            ("record", object_of(&agreed.agreement.agreed)),
            ("allow", Value::array(["retry", "dismiss"])),
        ]);
        round.mutations.push(withdrawn(agreed.matter, &place));
        let item = NewItem {
            queue: synchronised.queue.as_str(),
            matter: agreed.matter,
            run: Some((RunId::new(agreed.matter.uuid()), place.into_bytes())),
            title: format!("{side} refuses {what}"),
            reason: format!(
                "{side} says that it has record {id} of it already, and that record cannot be read: it was deleted since, or the user of \
                 the connection may not see it"
            ),
            amount: None,
            content,
        };
        self.open(round, item);
        self.mark(round, agreed, synchronised);
        round.touched_agreements.insert(pair.clone());
    }

    /// A person said which of the records it is, or wants another one made all the same. Gives whether it was one of these.
    pub(super) fn decide_existing(
        &mut self,
        round: &mut Round,
        pair: &Pair,
        agreed: &mut Agreed,
        synchronised: &Synchronised,
        item: &WorkItemRow,
        action: &str,
    ) -> Result<bool, Problem> {
        let side = ConnectionName::from(item.content.get("side").as_str().unwrap_or_default());
        let chosen = action.strip_prefix(LINK);
        if chosen.is_none() && action != NEW {
            return Ok(false);
        }
        if !agreed.agreement.lacks(&side) {
            let message = format!("{side} has a record of it by now");
            return Err(Problem::new(
                "IL-RUN-021",
                message,
                "Look at the object again: nothing has to be chosen any more",
            ));
        }
        match chosen {
            Some(id) => self.link(round, pair, agreed, synchronised, &side, &id.into()),
            None => agreed.agreement.insist(&side),
        }
        Ok(true)
    }
}
