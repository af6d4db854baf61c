//! The state of one object.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use model::{ConnectionName, Value};

use crate::fields::{Fields, is_empty, is_same};
use crate::lists::ListChange;
use crate::policy::Policy;
use crate::retire::Retired;
use crate::shared::Shared;

/// How often a side may bring the same value of a field while it goes to and fro.
pub const TURNS_MAX: u32 = 3;
/// Turns that are further apart are people's work.
const TURNS_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// What is agreed about one object, and what each side holds of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Agreement {
    /// The agreed value of each field.
    pub agreed: Fields,
    /// Why it is that value.
    pub verdicts: Shared<IndexMap<Arc<str>, Verdict>>,
    /// The stage of its life.
    pub stage: Option<Arc<str>>,
    /// What each side holds.
    pub sides: IndexMap<ConnectionName, Holding>,
    /// Fields about which sides differ and a person has to decide, with each side's value.
    pub conflicts: IndexMap<Arc<str>, IndexMap<ConnectionName, Value>>,
    /// Fields that changed lately, and what to.
    pub turns: IndexMap<Arc<str>, Turns>,
}

/// What one side holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Holding {
    /// The record's id; `None` when there is no record yet.
    pub id: Option<Arc<str>>,
    /// The values as they were read last, or as they are expected since they were written.
    pub held: Fields,
    /// The agreed values that it was brought to, or the values that it brought itself: what differs from what is agreed has to
    /// be written.
    pub reached: Fields,
    /// When the last reading of it began.
    pub read_at: Option<Timestamp>,
    /// Whether it is being read before something is written to it.
    pub checking: bool,
    /// When the last write to it was over: what was read before says nothing.
    pub written_at: Option<Timestamp>,
    /// The write that is under way.
    pub waiting: Option<Waiting>,
    /// Whether it changed while a write was under way, so that it has to be read again.
    pub changed_meanwhile: bool,
    /// What was refused for good, until the agreed values change or a person has it tried again.
    pub refused: Option<Fields>,
    /// The record that the side says is the object's, where it refused to make one because of that. It is read before anything else.
    pub named: Option<Arc<str>>,
    /// Whether a person wants a record made although the side takes others for it.
    pub insists: bool,
    /// Why nothing is written to it, when the object was deleted somewhere.
    pub retired: Option<Retired>,
}

/// A write that is under way.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Waiting {
    /// The agreed values that are written.
    pub fields: Fields,
    /// What the side is expected to hold then.
    pub expected: Fields,
    /// Other values that the side was seen with meanwhile, which are written over.
    pub overwritten: Fields,
}

/// What sides made of a field lately.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Turns {
    /// Which side brought which value how often.
    pub taken: Vec<(ConnectionName, Value, u32)>,
    /// When the first of them came.
    pub since: Option<Timestamp>,
}

impl Turns {
    /// Whether the field is left alone, because two sides write it to and fro.
    #[must_use]
    pub fn rests(&self) -> bool {
        self.taken.iter().any(|(.., times)| *times >= TURNS_MAX)
    }
}

/// Where a value came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cause {
    /// The event that told of it.
    pub event: Arc<str>,
    /// When.
    pub at: Timestamp,
    /// The release that decided.
    pub release: Arc<str>,
}

/// By which rule a value was agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The object was not known before.
    First,
    /// Only this side said anything.
    Only,
    /// The side owns the field.
    Owner,
    /// Nobody owns it, and only this side changed it.
    Changed,
    /// A list of which sides changed different items, or different members of them, so that all of it counts.
    Merged,
    /// Both changed it, and this change came last.
    Newest,
    /// Both changed it, and this side is named first.
    FirstNamed,
    /// Both say the same.
    Same,
    /// A person decided, or a workflow in a person's place.
    Person,
}

/// Why a field has the value that it has.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The side whose value it is.
    pub from: ConnectionName,
    /// By which rule.
    pub rule: Rule,
    /// What brought it.
    pub cause: Cause,
    /// The values that lost, by side.
    pub lost: IndexMap<ConnectionName, Value>,
}

/// A side's record as it was read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The record's id.
    pub id: Arc<str>,
    /// The fields that are read from this side.
    pub fields: Fields,
    /// When the reading began.
    pub at: Timestamp,
    /// What brought it.
    pub cause: Cause,
}

/// What became of a reading.
#[derive(Debug, Clone, PartialEq)]
pub enum Taken {
    /// It was taken in; whether something changed, or was waited for.
    Changed(bool),
    /// It may be from before a write to that side was over: the record has to be read again. While a write is under way,
    /// that is told with its outcome.
    Stale,
}

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// Sides differ about a field that neither owns.
    Conflict(Arc<str>),
    /// Two sides write a field to and fro.
    Turns(Arc<str>),
}

impl Agreement {
    /// Takes in what a side holds now.
    pub fn take(
        &mut self,
        policy: &Policy,
        side: &ConnectionName,
        mut reading: Reading,
        findings: &mut Vec<Finding>,
    ) -> Taken {
        policy.keep(&mut reading.fields);
        let holding = self.sides.entry(side.clone()).or_default();
        if let Some(waiting) = &mut holding.waiting {
            holding.changed_meanwhile = true;
            for (field, value) in reading.fields {
                let is = |values: &Fields| values.get(&field).is_some_and(|known| is_same(known, &value));
                if waiting.fields.contains_key(&field)
                    && !is(&waiting.fields)
                    && !is(&waiting.expected)
                    && !is(&holding.held)
                {
                    waiting.overwritten.insert(field, value);
                }
            }
            return Taken::Stale;
        }
        if holding.written_at.is_some_and(|written| reading.at <= written) {
            return Taken::Stale;
        }
        if holding.read_at.is_some_and(|read| reading.at < read) {
            // A page of many records may be handed over long after it was made, and the record was read since.
            return Taken::Changed(false);
        }
        let first = holding.id.is_none();
        if holding.named.take().is_some() {
            // What could not be made says nothing of what can be written.
            holding.refused = None;
        }
        holding.insists = false;
        holding.id = Some(reading.id);
        holding.read_at = Some(reading.at);
        let checked = std::mem::take(&mut holding.checking);
        let before = std::mem::replace(&mut holding.held, reading.fields.clone());
        let mut changed = first || checked;
        for (field, value) in reading.fields {
            if before.get(&field).is_some_and(|held| is_same(held, &value)) {
                continue;
            }
            changed = true;
            let known = self.sides.get(side).and_then(|holding| holding.reached.get(&field)).cloned();
            if let Some(holding) = self.sides.get_mut(side) {
                holding.reached.insert(field.clone(), value.clone());
            }
            if known.is_some() {
                self.turn(side, &field, &value, reading.cause.at, findings);
            }
            if let Some(key) = policy.lists.get(field.as_str()) {
                let held = before.get(&field).unwrap_or(&Value::Null);
                let reached = known.as_ref();
                let change = ListChange { side, field: &field, held, now: &value, reached, cause: &reading.cause };
                if self.changed_list(policy, key, &change, findings) {
                    continue;
                }
            }
            match known {
                Some(known) => {
                    self.changed(policy, side, &field, &known, value, &reading.cause, findings);
                }
                None => self.first(policy, side, &field, value, &reading.cause, findings),
            }
        }
        Taken::Changed(changed)
    }

    /// Takes in what a side told of a record that was just written: members that it had nothing in before.
    pub fn learn(
        &mut self,
        policy: &Policy,
        side: &ConnectionName,
        mut fields: Fields,
        cause: &Cause,
        findings: &mut Vec<Finding>,
    ) {
        policy.keep(&mut fields);
        for (field, value) in fields.into_iter().filter(|(_, value)| !is_empty(value)) {
            let Some(holding) = self.sides.get_mut(side) else { return };
            if holding.held.get(&field).is_some_and(|held| !is_empty(held)) {
                continue;
            }
            holding.held.insert(field.clone(), value.clone());
            holding.reached.insert(field.clone(), value.clone());
            self.first(policy, side, &field, value, cause, findings);
        }
    }

    /// A person decided which value is right.
    pub fn decide(&mut self, field: &str, side: &ConnectionName, value: Value, cause: Cause) {
        let lost = self.conflicts.shift_remove(field).unwrap_or_default();
        let lost = lost.into_iter().filter(|(_, other)| !is_same(other, &value)).collect();
        self.agreed.insert(field.into(), value);
        self.verdicts.insert(Arc::from(field), Verdict { from: side.clone(), rule: Rule::Person, cause, lost });
        self.turns.shift_remove(field);
    }

    /// Has everything tried again that was refused or left alone.
    pub fn retry(&mut self) {
        self.turns.clear();
        for holding in self.sides.values_mut() {
            holding.refused = None;
        }
    }

    /// Counts how often a field goes to and fro.
    fn turn(&mut self, side: &ConnectionName, field: &str, value: &Value, at: Timestamp, findings: &mut Vec<Finding>) {
        let turns = self.turns.entry(Arc::from(field)).or_default();
        let old = turns.since.is_none_or(|since| at.duration_since(since) > TURNS_WITHIN);
        let known = turns.taken.iter().position(|(from, other, _)| from == side && is_same(other, value));
        match known.filter(|_| !old) {
            Some(place) => {
                let rested = turns.rests();
                turns.taken[place].2 += 1;
                if !rested && turns.rests() {
                    findings.push(Finding::Turns(Arc::from(field)));
                }
            }
            None => {
                // A third value ends the to and fro, and so does any new one while the field is left alone. A system that reformats
                // always brings the same value: a side that brings another one is in people's hands.
                let is_new = turns.taken.len() >= 2 || turns.taken.iter().any(|(from, ..)| from == side);
                if old || is_new || turns.rests() {
                    turns.taken.clear();
                    turns.since = Some(at);
                }
                turns.taken.push((side.clone(), value.clone(), 1));
            }
        }
    }
}
