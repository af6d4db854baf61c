//! Calls of workflows: to a connection as an intent, to a queue as a work item, to the matter at once.

use std::collections::VecDeque;
use std::sync::Arc;

use definitions::{Effect, Function, Target};
use dispatch::Request;
use model::{IntentId, RunId, TransactionId, Value};
use store::{IntentRow, IntentState, Mutation};
use workflow::{Fault, FaultType, FunctionReference, Input, Position};

use super::round::{After, Round};
use super::{Held, LaneTask};
use crate::journal::{line, summary};
use crate::lane_id::LaneId;
use crate::once::{BusinessKey, Entered, business_key};
use crate::work::Work;
use crate::workload::Workload;

impl LaneTask {
    pub(super) fn call(
        &mut self,
        round: &mut Round,
        id: RunId,
        position: Position,
        function: &FunctionReference,
        input: Value,
        answers: &mut VecDeque<Input>,
    ) {
        let result = match self.core.release.target(function) {
            Some(Target::Milestone) => Ok(self.milestone(round, id, &input)),
            Some(Target::Queue(queue)) => {
                self.ask_people(round, id, &position, &queue, &input);
                return;
            }
            Some(Target::Connection(function)) => match self.intend(round, id, &position, &function, input) {
                Ok(()) => return,
                Err(fault) => Err(fault),
            },
            None => {
                let detail = format!("`{function}` is not in this release");
                Err(Fault::new(FaultType::Configuration, detail))
            }
        };
        answers.push_back(Input::Returned { position, result });
    }

    /// Records the wish; it is sent when that is durable.
    fn intend(
        &mut self,
        round: &mut Round,
        id: RunId,
        position: &Position,
        function: &Arc<Function>,
        input: Value,
    ) -> Result<(), Fault> {
        let Some(run) = self.runs.get(&id) else { return Ok(()) };
        let (matter, in_doubt) = (run.matter, run.in_doubt);
        self.record(round, id, matter, position, function, input, in_doubt)
    }

    /// The same for any place: of a run, or of an object that is kept in agreement.
    #[expect(clippy::too_many_arguments, reason = "an intent and where it belongs")]
    pub(super) fn record(
        &mut self,
        round: &mut Round,
        id: RunId,
        matter: TransactionId,
        position: &Position,
        function: &Arc<Function>,
        input: Value,
        in_doubt: bool,
    ) -> Result<(), Fault> {
        let lane = self.lane_of(id);
        let once = function.effect == Effect::Once;
        let in_doubt = in_doubt && once;
        let intent = IntentId::new(lane.id(Workload::of(id.uuid())));
        let key = match once {
            true => function
                .business_key(&input)
                .map_err(|error| Fault::new(FaultType::Validation, error.message).with_status(422))?,
            false => None,
        };
        let mut row = IntentRow {
            id: intent,
            run: id,
            position: position.to_string().into_bytes(),
            connection: function.connection.as_str().into(),
            function: function.name.as_str().into(),
            business_key: key,
            request: input.clone(),
            state: IntentState::Pending,
            attempts: 0,
            last_error: None,
            created_at: round.now,
        };
        let once_key = business_key(&row, function);
        let mut waits = false;
        if let Some(key) = &once_key {
            match self.core.once.enter(key, intent, function.look_first, round.id) {
                Entered::Holds => {}
                Entered::Waits => (waits, row.business_key) = (true, None),
                Entered::Taken => {
                    let detail = format!("{} of {} `{}` is under way already", row.function, row.connection, key.2);
                    return Err(Fault::new(FaultType::Runtime, detail).with_status(409));
                }
            }
        }
        if once {
            let detail = Value::object([
                ("function", Value::from(function.to_string())),
                ("key", Value::from(once_key.as_ref().map(|key| Arc::clone(&key.2)))),
                ("input", summary(&input)),
            ]);
            let title = match waits {
                true => format!("{} waits for the same of another matter in {}", row.function, row.connection),
                false => format!("{} sent to {}", row.function, row.connection),
            };
            round.mutations.push(line(matter, round.now, "sent", Some(&row.connection), title, detail));
        }
        round.mutations.push(Mutation::PutIntent(row.clone()));
        let arrived = round.arrived.take();
        if waits {
            round.after.push(After::Wait { intent });
        } else {
            let request = Request { intent, function: Arc::clone(function), input, in_doubt };
            round.after.push(After::Submit { connection: function.connection.clone(), request, arrived });
        }
        let function = Some(Arc::clone(function));
        let held = Held::new(row, position.clone(), matter);
        self.hold(Held { function, once: once_key, submitted: !waits, ..held });
        Ok(())
    }

    /// An intent's answer is not waited for any more. What is not sent yet is not sent.
    pub(super) fn give_up(&mut self, round: &mut Round, intent: IntentId) {
        let Some(held) = self.intents.get_mut(&intent) else { return };
        let function = held.function.clone();
        let once = function.as_ref().is_some_and(|function| function.effect == Effect::Once);
        if let Some(function) = &function {
            let (connection, function) = (function.connection.clone(), Arc::clone(function));
            round.after.push(After::Withdraw { connection, intent, function });
        }
        if !once || !held.submitted {
            self.release(intent);
            round.mutations.push(Mutation::RemoveIntent(intent));
            return;
        }
        // It may happen all the same: what came of it is written down, and nobody else does the same before that.
        held.abandoned = true;
        let (run, attempt) = (held.row.run, held.position.attempt);
        self.waiting.remove(&(run, attempt));
        if let Some(run) = self.runs.get_mut(&run) {
            run.in_doubt = true;
        }
    }

    /// Removes a run whose key is for another one. What it gave up and may have happened belongs to its matter from now on: it must
    /// not be forgotten with the run.
    pub(super) fn remove_run(&mut self, round: &mut Round, run: RunId) {
        for held in self.intents.values_mut().filter(|held| held.row.run == run) {
            held.row.run = RunId::new(held.matter.uuid());
            held.abandoned = true;
            round.mutations.extend([Mutation::RemoveIntent(held.row.id), Mutation::PutIntent(held.row.clone())]);
        }
        round.mutations.push(Mutation::RemoveRun(run));
    }

    /// Forgets an intent that is over, and lets go of its key.
    pub(super) fn release(&mut self, intent: IntentId) -> Option<Held> {
        let held = self.forget(intent)?;
        if let Some(key) = &held.once {
            self.pass_on(key, intent);
        }
        Some(held)
    }

    /// A business key goes on to the one whose turn it is now.
    pub(super) fn pass_on(&self, key: &BusinessKey, intent: IntentId) {
        if let Some(next) = self.core.once.leave(key, intent) {
            self.core.send(LaneId::of(next.uuid()), Work::Go(next));
        }
    }

    /// Forgets an intent that is over in this round; its key is let go of when that is durable.
    pub(super) fn conclude(&mut self, round: &mut Round, intent: IntentId) -> Option<Held> {
        let held = self.forget(intent)?;
        if let Some(key) = &held.once {
            self.core.once.leaves(key, intent, round.id);
            round.after.push(After::PassOn { key: key.clone(), intent });
        }
        round.mutations.push(Mutation::RemoveIntent(intent));
        Some(held)
    }

    fn forget(&mut self, intent: IntentId) -> Option<Held> {
        let held = self.intents.remove(&intent)?;
        self.waiting.remove(&(held.row.run, held.position.attempt));
        if let Some(writes) = self.writes.get_mut(&held.matter) {
            writes.retain(|other| *other != intent);
            if writes.is_empty() {
                self.writes.remove(&held.matter);
            }
        }
        Some(held)
    }

    /// The turn of an intent that waited for another one.
    pub(super) fn go(&mut self, round: &mut Round, intent: IntentId) {
        let Some(held) = self.intents.get_mut(&intent) else { return };
        held.submitted = true;
        let Some(function) = &held.function else { return };
        let (connection, function) = (function.connection.clone(), Arc::clone(function));
        let request = Request { intent, function, input: held.row.request.clone(), in_doubt: false };
        round.after.push(After::Submit { connection, request, arrived: None });
    }
}
