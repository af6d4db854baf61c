//! Writes of objects that systems are kept in agreement about: which functions make one up, and what they are given.

use std::sync::Arc;

use connect::INSIST;
use definitions::{Function, Synchronised};
use indexmap::IndexMap;
use model::{ConnectionName, RunId, Value};
use sync::{Fields, Write, is_same, object_of};
use workflow::{Fault, FaultType, Position};

use super::LaneTask;
use super::agreement::{Agreed, KEY, Pair, WRITE_PLACE, named};
use super::references::Referring;
use super::round::Round;

/// The member with the item for which a function is called.
const ITEM: &str = "item";

/// The place of a call in its write: of the function among those of its side, and of the item where it is called for each.
type Place = (u32, Option<u32>);

/// A call, and what the function is given.
struct Wanted {
    place: Place,
    function: Arc<Function>,
    input: Value,
}

impl LaneTask {
    #[expect(clippy::too_many_arguments, reason = "one write and what it is made of")]
    pub(super) fn write(
        &mut self,
        round: &mut Round,
        pair: &Pair,
        agreed: &mut Agreed,
        synchronised: &Arc<Synchronised>,
        referring: &Referring,
        write: &Write,
        in_doubt: bool,
    ) {
        let there = self.there(synchronised, referring, write);
        let wanted = functions(pair, agreed, synchronised, &agreed.agreement.agreed, &there, write);
        let mut wanted = match wanted {
            Ok(wanted) => wanted,
            Err(fault) => {
                self.refused(round, agreed, synchronised, &write.side, &fault);
                return;
            }
        };
        if wanted.is_empty() {
            let members: Vec<&str> = write.fields.keys().map(|member| member.as_str()).collect();
            let detail = format!(
                "No function of {} takes {} as the record stands there: each says by its `when` that it is not for this",
                write.side,
                named(&members)
            );
            let fault = Fault::new(FaultType::Validation, detail).with_status(422);
            self.refused(round, agreed, synchronised, &write.side, &fault);
            return;
        }
        if reads_back(synchronised, &write.side) {
            // Each waits for the one before it: what is to come may be wrong when that is refused.
            wanted.truncate(1);
        }
        for wanted in wanted {
            if !self.send_write(round, agreed, synchronised, &write.side, wanted, in_doubt) {
                return;
            }
        }
    }

    /// The records of the objects that are named by what is written, which may not be what is agreed any more, or else by what is
    /// agreed.
    fn there(&self, synchronised: &Synchronised, referring: &Referring, write: &Write) -> Fields {
        let mut there = referring.there(&write.side);
        for (member, object) in &synchronised.references {
            if let Some(value) = write.fields.get(member) {
                let record = value.as_str().and_then(|key| self.record_of(object.as_str(), key, &write.side));
                there.insert(Arc::clone(member).into(), record.map_or(Value::Null, Value::from));
            }
        }
        there
    }

    /// Gives whether it was recorded.
    fn send_write(
        &mut self,
        round: &mut Round,
        agreed: &mut Agreed,
        synchronised: &Synchronised,
        side: &ConnectionName,
        Wanted { place: (attempt, item), function, input }: Wanted,
        in_doubt: bool,
    ) -> bool {
        let pointer = format!("{WRITE_PLACE}{side}").into();
        let position = Position { pointer, iterations: item.into_iter().collect(), attempt };
        let run = RunId::new(agreed.matter.uuid());
        let recorded = self.record(round, run, agreed.matter, &position, &function, input, in_doubt);
        if let Err(fault) = &recorded {
            self.refused(round, agreed, synchronised, side, fault);
        }
        recorded.is_ok()
    }

    /// A function has done its part of a write: the next one follows, where they wait for each other. Gives whether there is one.
    pub(super) fn write_next(
        &mut self,
        round: &mut Round,
        pair: &Pair,
        agreed: &mut Agreed,
        synchronised: &Arc<Synchronised>,
        side: &ConnectionName,
        after: &Position,
    ) -> bool {
        let holding = agreed.agreement.sides.get(side);
        let Some((id, waiting)) = holding.and_then(|holding| Some((holding.id.clone()?, holding.waiting.clone()?)))
        else {
            return false;
        };
        if !reads_back(synchronised, side) {
            return false;
        }
        let before = agreed.agreement.clone();
        let referring = self.refer(round, pair, agreed, synchronised, &before);
        let write = Write { side: side.clone(), id: Some(id), fields: waiting.fields };
        let there = self.there(synchronised, &referring, &write);
        // What was agreed meanwhile is for the write after this one.
        let aim = agreed.agreement.aim(side);
        let after: Place = (after.attempt, after.iterations.first().copied());
        match functions(pair, agreed, synchronised, &aim, &there, &write) {
            Ok(wanted) => {
                let next = wanted.into_iter().find(|wanted| wanted.place > after);
                next.is_some_and(|next| self.send_write(round, agreed, synchronised, side, next, false))
            }
            Err(fault) => {
                self.refused(round, agreed, synchronised, side, &fault);
                false
            }
        }
    }
}

/// The calls that make up a write, of what is agreed with it.
fn functions(
    pair: &Pair,
    agreed: &Agreed,
    synchronised: &Synchronised,
    aim: &Fields,
    there: &Fields,
    write: &Write,
) -> Result<Vec<Wanted>, Fault> {
    let Some(writers) = synchronised.writers.get(&write.side) else { return Ok(Vec::new()) };
    let writers = if write.id.is_none() { writers.create.as_slice() } else { &writers.update };
    let input = |fields: &Fields| input(pair, agreed, synchronised, aim, there, &write.side, fields);
    let whole = input(&write.fields);
    let mut all = Vec::new();
    for (place, writer) in (0..).zip(writers) {
        let part = writer.part(&write.fields);
        if part.is_empty() || !writer.is_for(&whole) {
            continue;
        }
        let (input, function) = (input(&part), &writer.function);
        let items = writer.items(&whole).map_err(|why| {
            let detail = format!("`each` of {} of {} cannot be told: {why}", function.name, write.side);
            Fault::new(FaultType::Expression, detail).with_status(422)
        })?;
        match items {
            None => all.push(Wanted { place: (place, None), function: Arc::clone(function), input }),
            Some(items) => all.extend((0..).zip(items).map(|(at, item)| {
                let mut input = input.clone();
                input.set(ITEM, item);
                Wanted { place: (place, Some(at)), function: Arc::clone(function), input }
            })),
        }
    }
    Ok(all)
}

/// The sides that get nothing of an object as it stands, or not these members, because no function says by its `when` that it is for
/// them.
pub(super) fn not_for(
    pair: &Pair,
    agreed: &Agreed,
    synchronised: &Synchronised,
    referring: &Referring,
) -> IndexMap<ConnectionName, Vec<Arc<str>>> {
    let mut sides = IndexMap::new();
    for (name, writers) in &synchronised.writers {
        let there = referring.there(name);
        let input = |fields: &Fields| input(pair, agreed, synchronised, &agreed.agreement.agreed, &there, name, fields);
        if agreed.agreement.lacks(name) {
            let asks = writers.create.as_ref().filter(|create| create.when.is_some());
            if asks.is_some_and(|create| !create.is_for(&input(&Fields::default()))) {
                sides.insert(name.clone(), Vec::new());
            }
            continue;
        }
        let Some(holding) = agreed.agreement.sides.get(name).filter(|_| reads_back(synchronised, name)) else {
            continue;
        };
        let all = agreed.agreement.agreed.iter();
        let open = all.filter(|(member, value)| {
            let known = holding.reached.get(member).unwrap_or(&Value::Null);
            writers.update.iter().any(|writer| writer.members.contains(member.as_str())) && !is_same(known, value)
        });
        let open: Fields = open.map(|(member, value)| (member.clone(), value.clone())).collect();
        if open.is_empty() {
            continue;
        }
        let whole = input(&open);
        let taken =
            |member: &str| writers.update.iter().any(|writer| writer.members.contains(member) && writer.is_for(&whole));
        let nobodys: Vec<Arc<str>> =
            open.keys().filter(|member| !taken(member)).map(|member| member.clone().into()).collect();
        if !nobodys.is_empty() {
            sides.insert(name.clone(), nobodys);
        }
    }
    sides
}

/// Whether what is written to a side depends on what it holds.
pub(super) fn reads_back(synchronised: &Synchronised, side: &ConnectionName) -> bool {
    synchronised.policy.sides.get(side).is_some_and(|side| side.reads_back)
}

/// What a function is given to write these values to a side, of what is agreed with them. What only functions with conditions look at is not kept with every
/// intent.
fn input(
    pair: &Pair,
    agreed: &Agreed,
    synchronised: &Synchronised,
    aim: &Fields,
    there: &Fields,
    side: &ConnectionName,
    fields: &Fields,
) -> Value {
    let holding = agreed.agreement.sides.get(side);
    let mut input = object_of(fields);
    input.set(KEY, Arc::clone(&pair.1));
    input.set("id", holding.and_then(|holding| holding.id.clone()));
    if holding.is_some_and(|holding| holding.id.is_none() && holding.insists) {
        input.set(INSIST, true);
    }
    input.set("current", holding.map(|holding| object_of(&holding.held)).unwrap_or_default());
    if !synchronised.references.is_empty() {
        input.set("there", object_of(there));
    }
    if reads_back(synchronised, side) {
        input.set("agreed", object_of(aim));
    }
    input
}
