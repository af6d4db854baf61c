//! Objects that systems are kept in agreement about: what a record says now is taken in, and what has to be written is.

use std::collections::HashSet;
use std::sync::Arc;

use definitions::Synchronised;
use intake::CanonicalEvent;
use model::{ConnectionName, Problem, RunId, TransactionId, Value};
use store::{Mutation, SyncedRow};
use sync::{
    Agreement, Cause, Creating, Fields, Finding, Holding, Reading, Retired, Rule, Taken, Turns, Verdict, fields_of,
    object_of,
};
use workflow::Position;

use super::LaneTask;
use super::gone::RETIRE_PLACE;
use super::hooks::Tried;
use super::queues::{CONFLICT, NewItem, WRITE, add_unmapped};
use super::round::{After, Round};
use super::writing::not_for;
use crate::core::ToIntake;
use crate::journal::{line, summary};
use crate::lane_id::LaneId;
use crate::matter;

/// The member that holds the canonical key.
pub(super) const KEY: &str = "key";
/// How many members a line names.
const NAMED_MAX: usize = 6;
/// Where a write belongs, in place of a task's pointer.
pub(super) const WRITE_PLACE: &str = "/@sync/";
const CONFLICT_PLACE: &str = "/@conflict/";
/// The member of a stored state that says how the object stands.
pub(super) const STANDS: &str = "stands";
/// How an object stands that is not made on a side, as its definition says. The side follows.
pub(crate) const ONLY_ELSEWHERE: &str = "not for ";

/// The object and its canonical key.
pub(super) type Pair = (Arc<str>, Arc<str>);

/// A record that was read, of an object that is kept in agreement.
pub(crate) struct Changed {
    pub(crate) key: Arc<str>,
    pub(crate) event: CanonicalEvent,
}

/// An object at work.
pub(super) struct Agreed {
    pub(super) matter: TransactionId,
    pub(super) agreement: Agreement,
    /// How it stands to the objects that it names, and to sides that have no record of it, where there is something to say.
    pub(super) stands: Option<Arc<str>>,
    /// How often workflows had writes tried again that are still not taken.
    pub(super) tried: Tried,
}

/// The side that an intent keeps in agreement; `None` for one of a run.
pub(crate) fn side_of(position: &Position) -> Option<ConnectionName> {
    let pointer = &position.pointer;
    pointer.strip_prefix(WRITE_PLACE).or_else(|| pointer.strip_prefix(RETIRE_PLACE)).map(ConnectionName::from)
}

impl LaneTask {
    /// A record was read.
    pub(super) fn changed(&mut self, round: &mut Round, changed: Changed) -> Result<(), Problem> {
        let Changed { key, event } = changed;
        let Some(synchronised) = self.core.release.synchronised.get(&event.object).cloned() else { return Ok(()) };
        let pair: Pair = (event.object.as_str().into(), key);
        let known = round.loaded.matters.get(&pair).ok_or_else(unread)?.clone();
        if let Some(problem) = round.loaded.damaged.get(&pair).cloned() {
            return self.pass_damaged(round, known.as_ref(), problem);
        }
        let mut agreed = self.agreements.remove(&pair).ok_or_else(unread)?;
        let matter = match known {
            Some(row) => row,
            None => matter::new(LaneId::of_matter(&pair.0, &pair.1).matter(&pair.0), &pair.0, &pair.1, round.now),
        };
        agreed.matter = matter.id;
        if !self.matters.contains_key(&matter.id) {
            round.loaded.matters.insert(pair.clone(), Some(matter.clone()));
            self.matters.insert(matter.id, matter);
        }
        let connection = &event.feed.connection;
        let data = event.envelope.get("data");
        let Some(side) = synchronised.policy.sides.get(connection) else {
            self.agreements.insert(pair, agreed);
            return Ok(());
        };
        let cause = Cause {
            event: event.id.to_string().into(),
            at: event.arrived,
            release: Arc::clone(&self.core.release.hash),
        };
        let gone = agreed.agreement.sides.get(connection).is_some_and(|held| held.retired == Some(Retired::Gone));
        if event.loaded && gone {
            // A page of many records may be from before it was deleted.
            reread(round, &synchronised, &self.core.release, connection, &event.record);
            self.agreements.insert(pair, agreed);
            return Ok(());
        }
        let fields = fields_of(data, &side.reads);
        let before = agreed.agreement.clone();
        let back = self.came_back(round, &pair, &mut agreed, &synchronised, connection, &event.record);
        let mut findings = Vec::new();
        let reading = Reading { id: Arc::clone(&event.record), fields, at: event.read_at, cause: cause.clone() };
        let normal = normal(&synchronised, &agreed.agreement);
        agreed.agreement.introduce(&synchronised.policy, connection, &reading, &normal);
        let taken = agreed.agreement.take(&synchronised.policy, connection, reading, &mut findings);
        match taken {
            Taken::Stale if before.sides.get(connection).is_some_and(|holding| holding.waiting.is_some()) => {
                // It is read again when the write is over.
                if before != agreed.agreement {
                    round.touched_agreements.insert(pair.clone());
                }
            }
            Taken::Stale => reread(round, &synchronised, &self.core.release, connection, &event.record),
            Taken::Changed(false) if !back => {}
            Taken::Changed(_) => {
                adopt_key(&mut agreed.agreement, &synchronised, connection, &pair.1, &cause);
                findings.retain(|finding| *finding != Finding::Conflict(KEY.into()));
                self.tell_change(round, agreed.matter, connection, &before, &agreed.agreement);
                self.go_on(round, &pair, &mut agreed, &synchronised, &before, findings);
            }
        }
        self.agreements.insert(pair, agreed);
        Ok(())
    }

    /// An object may be lacking on some side: that is made now.
    pub(super) fn review(&mut self, round: &mut Round, pair: &Pair) -> Result<(), Problem> {
        let Some(synchronised) = self.core.release.synchronised.get(&*pair.0).cloned() else { return Ok(()) };
        // Who is not known has nothing that could be looked at.
        let Some(row) = round.loaded.matters.get(pair).cloned().flatten() else { return Ok(()) };
        let mut agreed = self.agreements.remove(pair).ok_or_else(unread)?;
        agreed.matter = row.id;
        self.matters.insert_read(row.id, row);
        let before = agreed.agreement.clone();
        self.go_on(round, pair, &mut agreed, &synchronised, &before, Vec::new());
        self.agreements.insert(pair.clone(), agreed);
        Ok(())
    }

    /// After something changed: what follows is written, and people are asked.
    pub(super) fn go_on(
        &mut self,
        round: &mut Round,
        pair: &Pair,
        agreed: &mut Agreed,
        synchronised: &Arc<Synchronised>,
        before: &Agreement,
        findings: Vec<Finding>,
    ) {
        let changed = agreed.agreement.agreed != before.agreed;
        if changed || synchronised.stage.is_some() {
            agreed.agreement.stage = synchronised.stage_of(&object_of(&agreed.agreement.agreed));
        }
        if changed {
            let object = object_of(&agreed.agreement.agreed);
            if let (Some(title), Some(row)) = (synchronised.title_of(&object), self.matters.get_mut(&agreed.matter)) {
                row.title = title;
            }
            let matcher = &synchronised.matcher;
            let matches = matcher.keys(&matcher.know(&object));
            if matches != matcher.keys(&matcher.know(&object_of(&before.agreed))) {
                let (object, key) = (Arc::clone(&pair.0), Arc::clone(&pair.1));
                round.mutations.push(Mutation::PutMatchKeys { object, key, values: matches });
            }
        }
        let normal = normal(synchronised, &agreed.agreement);
        let loading = self.core.loading.is_loading(&pair.0);
        let asked = &self.core.asked;
        let referring = self.refer(round, pair, agreed, synchronised, before);
        let stood = std::mem::replace(&mut agreed.stands, referring.stands.clone());
        let elsewhere = not_for(pair, agreed, synchronised, &referring);
        if let (None, Some(side)) = (&agreed.stands, elsewhere.keys().next()) {
            agreed.stands = Some(format!("{ONLY_ELSEWHERE}{side}").into());
        }
        let creating = |side: &ConnectionName| {
            if asked.is_about(pair, side.as_str()) || elsewhere.contains_key(side) {
                Creating::Never
            } else if loading {
                Creating::Later
            } else {
                Creating::Now
            }
        };
        let may_write = |side: &ConnectionName, member: &str| {
            referring.may_write(side, member)
                && elsewhere.get(side).is_none_or(|members| !members.iter().any(|held| **held == *member))
        };
        let plan = agreed.agreement.plan_creating(&synchronised.policy, &normal, creating, may_write);
        for (side, id) in &plan.checks {
            reread(round, synchronised, &self.core.release, side, id);
        }
        for (side, held) in &before.sides {
            let is_settled = agreed.agreement.sides.get(side).is_some_and(|now| now.refused.is_none());
            if held.refused.is_some() && is_settled {
                round.mutations.push(withdrawn(agreed.matter, &write_place(side)));
            }
        }
        for write in plan.writes {
            // Where a create was refused before, it may have happened all the same.
            let in_doubt = before.sides.get(&write.side).is_some_and(|holding| holding.refused.is_some());
            self.write(round, pair, agreed, synchronised, &referring, &write, in_doubt);
        }
        self.tell_references(round, agreed, synchronised, before, stood.as_ref(), &referring);
        for finding in findings {
            self.ask(round, agreed, synchronised, &finding);
        }
        let rest = |turns: &&Turns| turns.rests();
        for (field, _) in before.turns.iter().filter(|(_, turns)| turns.rests()) {
            if agreed.agreement.turns.get(field).filter(rest).is_none() {
                round.mutations.push(withdrawn(agreed.matter, &format!("{WRITE_PLACE}{field}")));
            }
        }
        for field in before.conflicts.keys().filter(|field| !agreed.agreement.conflicts.contains_key(*field)) {
            round.mutations.push(withdrawn(agreed.matter, &format!("{CONFLICT_PLACE}{field}")));
        }
        self.mark(round, agreed, synchronised);
        round.touched_agreements.insert(pair.clone());
    }

    /// A person is asked about what was found.
    fn ask(&self, round: &mut Round, agreed: &Agreed, synchronised: &Synchronised, finding: &Finding) {
        let (agreement, matter) = (&agreed.agreement, agreed.matter);
        let what = self.matters.get(&matter).map_or_else(|| matter.to_string(), |row| row.title.to_string());
        let (place, title, reason, content) = match finding {
            Finding::Conflict(field) => {
                let Some(sides) = agreement.conflicts.get(field) else { return };
                let values: Vec<String> = sides.iter().map(|(side, value)| format!("{side} says {value}")).collect();
                let reason = format!("Both changed {field}, which neither owns: {}", values.join(", "));
                let allow: Vec<Value> = sides.keys().map(|side| Value::from(format!("keep-{side}"))).collect();
                let record =
                    Value::object(sides.iter().map(|(side, value)| (Arc::<str>::from(side.as_str()), value.clone())));
                let content = Value::object([
                    ("kind", Value::from(CONFLICT)),
                    ("field", Value::from(Arc::clone(field))),
                    ("record", record),
                    ("allow", Value::from(allow)),
                ]);
                (format!("{CONFLICT_PLACE}{field}"), format!("{what}: which {field} is right?"), reason, content)
            }
            Finding::Turns(field) => {
                let turns = agreement.turns.get(field);
                let values: Vec<String> = turns
                    .iter()
                    .flat_map(|turns| &turns.taken)
                    .map(|(side, value, times)| format!("{side} made it {value} {times} times"))
                    .collect();
                let reason = format!(
                    "{field} goes to and fro: {}. It is left alone until another value comes or you try it again",
                    values.join(", ")
                );
                let content = Value::object([
                    ("kind", Value::from(WRITE)),
                    ("field", Value::from(Arc::clone(field))),
                    ("record", object_of(&agreement.agreed)),
                    ("allow", Value::array(["retry", "dismiss"])),
                ]);
                (format!("{WRITE_PLACE}{field}"), format!("{what}: {field} goes to and fro"), reason, content)
            }
        };
        round.mutations.push(withdrawn(matter, &place));
        let run = Some((RunId::new(matter.uuid()), place.into_bytes()));
        let queue = synchronised.queue.as_str();
        self.open(round, NewItem { queue, matter, run, title, reason, amount: None, content });
    }

    /// A write was refused for good: a person is asked, and it is not sent again until something changes.
    pub(super) fn refused(
        &self,
        round: &mut Round,
        agreed: &mut Agreed,
        synchronised: &Synchronised,
        side: &ConnectionName,
        fault: &workflow::Fault,
    ) {
        let holding = agreed.agreement.sides.get(side);
        let Some(waiting) = holding.and_then(|holding| holding.waiting.clone()) else { return };
        let is_gone = holding.is_some_and(|holding| holding.retired.is_some());
        let record = holding.and_then(|holding| holding.id.clone());
        agreed.agreement.refused(side);
        if let Some(id) = record {
            // The record may be gone, something may have changed it meanwhile, and of several functions some may have done their
            // part.
            reread(round, synchronised, &self.core.release, side, &id);
        }
        // That it is gone is told otherwise.
        if is_gone {
            return;
        }
        let what = self.matters.get(&agreed.matter).map_or_else(String::new, |row| row.title.to_string());
        let reason = fault.detail.as_deref().or(fault.title.as_deref()).unwrap_or("it said no more than that");
        let place = format!("{WRITE_PLACE}{side}");
        round.mutations.push(withdrawn(agreed.matter, &place));
        let mut content = Value::object([
            ("kind", Value::from(WRITE)),
            ("side", Value::from(side.as_str())),
            ("record", object_of(&waiting.fields)),
            ("fault", fault.to_value()),
            ("allow", Value::array(["retry", "dismiss"])),
        ]);
        add_unmapped(&mut content, fault);
        let item = NewItem {
            queue: synchronised.queue.as_str(),
            matter: agreed.matter,
            run: Some((RunId::new(agreed.matter.uuid()), place.into_bytes())),
            title: format!("{side} refuses {what}"),
            reason: reason.to_owned(),
            amount: None,
            content,
        };
        self.open(round, item);
    }

    /// A line of what changed.
    fn tell_change(
        &self,
        round: &mut Round,
        matter: TransactionId,
        side: &ConnectionName,
        before: &Agreement,
        after: &Agreement,
    ) {
        let new = before.sides.get(side).is_none_or(|holding| holding.id.is_none());
        let moved: Vec<&str> = after
            .agreed
            .iter()
            .filter(|(field, value)| before.agreed.get(field) != Some(value))
            .map(|(field, _)| field.as_str())
            .collect();
        let lost = |(field, verdict): &(&Arc<str>, &Verdict)| {
            verdict.lost.get(side).is_some_and(|value| {
                before.verdicts.get(*field).and_then(|verdict| verdict.lost.get(side)) != Some(value)
            })
        };
        let overruled: Vec<&str> = after.verdicts.iter().filter(lost).map(|(field, _)| &**field).collect();
        let mut parts = Vec::new();
        if new {
            let id = after.sides.get(side).and_then(|holding| holding.id.as_deref()).unwrap_or_default();
            parts.push(format!("{side} has record {id}"));
        } else if !moved.is_empty() {
            parts.push(format!("{side} changed {}", named(&moved)));
        }
        if !overruled.is_empty() {
            parts.push(format!("what {side} says of {} does not count", named(&overruled)));
        }
        if parts.is_empty() {
            return;
        }
        let values: Fields =
            moved.iter().filter_map(|field| Some(((*field).into(), after.agreed.get(field)?.clone()))).collect();
        let detail = Value::object([("agreed", summary(&object_of(&values)))]);
        round.mutations.push(line(matter, round.now, "changed", Some(side.as_str()), parts.join("; "), detail));
    }

    /// The matter says how it stands.
    pub(super) fn mark(&mut self, round: &mut Round, agreed: &Agreed, synchronised: &Synchronised) {
        let Some(row) = self.matters.get_mut(&agreed.matter) else { return };
        let sides = agreed.agreement.sides.values();
        let asked = |holding: &Holding| holding.retired == Some(Retired::Asked);
        let stage = if sides.clone().any(asked) {
            "deletion to be decided"
        } else if agreed.agreement.is_lost() {
            "deleted"
        } else if !agreed.agreement.conflicts.is_empty() {
            "in conflict"
        } else if agreed.agreement.turns.values().any(Turns::rests) {
            "goes to and fro"
        } else if let Some(stands) = agreed.stands.as_deref().filter(|stands| !stands.starts_with(ONLY_ELSEWHERE)) {
            stands
        } else if sides.clone().any(|holding| holding.named.is_some()) {
            "being linked"
        } else if sides.clone().any(|holding| holding.refused.is_some()) {
            "refused"
        } else if sides.clone().any(|holding| holding.waiting.is_some()) {
            "being written"
        } else if self.core.loading.is_loading(synchronised.object.as_str())
            && agreed.agreement.lacks_a_record(&synchronised.policy)
        {
            "waits for the first load"
        } else {
            agreed.stands.as_deref().unwrap_or("in agreement")
        };
        row.stage = stage.into();
        row.closed = matches!(stage, "in agreement" | "deleted") || stage.starts_with(ONLY_ELSEWHERE);
        row.updated_at = round.now;
        round.marked.insert(agreed.matter);
    }

    /// The rows of objects that changed in the round.
    pub(super) fn close_agreements(&mut self, round: &mut Round) {
        for pair in &round.touched_agreements {
            let Some(agreed) = self.agreements.get_mut(pair) else { continue };
            agreed.tried.settle(&agreed.agreement);
            let mut state = agreed.agreement.to_value();
            if let Some(stands) = &agreed.stands {
                state.set(STANDS, Arc::clone(stands));
            }
            agreed.tried.put_into(&mut state);
            round.mutations.push(Mutation::PutSynced(SyncedRow {
                object: Arc::clone(&pair.0),
                key: Arc::clone(&pair.1),
                transaction: agreed.matter,
                state,
                title: self.matters.get(&agreed.matter).map(|row| Arc::clone(&row.title)).unwrap_or_default(),
                links: self.core.release.links_of(&pair.0, &agreed.agreement.agreed),
                updated_at: round.now,
            }));
        }
    }
}

/// What each side would hold of agreed values, as these are written now: to a new record where it has none yet.
fn normal<'a>(
    synchronised: &'a Synchronised,
    agreement: &Agreement,
) -> impl Fn(&ConnectionName, &Fields) -> Fields + use<'a> {
    let has_record = |side: &ConnectionName| agreement.sides.get(side).is_some_and(|holding| holding.id.is_some());
    let new: HashSet<ConnectionName> =
        synchronised.policy.sides.keys().filter(|side| !has_record(side)).cloned().collect();
    move |side, fields| {
        let (writers, policy) = (synchronised.writers.get(side), synchronised.policy.sides.get(side));
        let (Some(writers), Some(policy)) = (writers, policy) else { return Fields::default() };
        writers.normal(new.contains(side), &policy.reads, fields)
    }
}

/// The canonical key is a member like others: sides that have a field for it get it. Which one it is, is never in question: a record
/// that was merged into another brings the key of an object that it does not stand for any more.
fn adopt_key(
    agreement: &mut Agreement,
    synchronised: &Synchronised,
    side: &ConnectionName,
    key: &Arc<str>,
    cause: &Cause,
) {
    let has_key =
        |side: &sync::Side| side.reads.contains(KEY) || side.writes.contains(KEY) || side.creates.contains(KEY);
    agreement.conflicts.shift_remove(KEY);
    if agreement.agreed.get(KEY).and_then(Value::as_str) == Some(key)
        || !synchronised.policy.sides.values().any(has_key)
    {
        return;
    }
    agreement.agreed.insert(KEY.into(), Value::from(Arc::clone(key)));
    let verdict = Verdict { from: side.clone(), rule: Rule::Only, cause: cause.clone(), lost: Default::default() };
    agreement.verdicts.insert(KEY.into(), verdict);
}

/// Has a record of a side read again: that is remembered until it is done.
pub(super) fn reread(
    round: &mut Round,
    synchronised: &Synchronised,
    release: &definitions::Release,
    side: &ConnectionName,
    id: &Arc<str>,
) {
    let feeds = release.connections.get(side).map(|connection| &connection.feeds);
    let Some(feed) = feeds.and_then(|feeds| feeds.values().find(|feed| feed.object == synchronised.object)) else {
        return;
    };
    let row = intake::look_row(feed, id, round.now);
    round.mutations.push(Mutation::PutInbox(row.clone()));
    round.after.push(After::Intake(ToIntake::Look { row }));
}

pub(super) fn unread() -> Problem {
    Problem::new("IL-RUN-012", "The store cannot be read", "Look at the disk and the log")
}

pub(super) fn withdrawn(matter: TransactionId, place: &str) -> Mutation {
    Mutation::WithdrawWorkItems {
        transaction: matter,
        run: RunId::new(matter.uuid()),
        position: place.as_bytes().to_vec(),
        resolution: Value::object([("reason", "it is settled otherwise")]),
    }
}

/// Where the items of a side's writes stand.
pub(super) fn write_place(side: &ConnectionName) -> String {
    format!("{WRITE_PLACE}{side}")
}

pub(super) fn named(fields: &[&str]) -> String {
    let names: Vec<&str> = fields.iter().take(NAMED_MAX).copied().collect();
    match fields.len() - names.len() {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}
