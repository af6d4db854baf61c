//! Calls of workflows: to a connection as an intent, to a queue as a work item, to the matter at once.

use std::collections::VecDeque;
use std::sync::Arc;

use definitions::{Effect, Function, Target};
use dispatch::Request;
use model::{IntentId, RunId, Value};
use store::{IntentRow, IntentState, Mutation};
use workflow::{Fault, FaultType, FunctionReference, Input, Position};

use super::round::{After, Round};
use super::{Held, LaneTask};
use crate::core::BusinessKey;
use crate::journal::{line, summary};

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
        let lane = self.lane_of(id);
        let Some(run) = self.runs.get(&id) else { return Ok(()) };
        let once = function.effect == Effect::Once;
        let (matter, in_doubt) = (run.matter, run.in_doubt && once);
        let intent = IntentId::new(lane.id());
        let key = match once {
            true => function
                .business_key(&input)
                .map_err(|error| Fault::new(FaultType::Validation, error.message).with_status(422))?,
            false => None,
        };
        let row = IntentRow {
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
        if let Some(key) = business_key(&row) {
            let mut under_way = self.core.once();
            if under_way.contains_key(&key) {
                let detail = format!("{} of {} `{}` is under way already", row.function, row.connection, key.2);
                return Err(Fault::new(FaultType::Runtime, detail).with_status(409));
            }
            under_way.insert(key, intent);
        }
        if once {
            let detail = Value::object([
                ("function", Value::from(function.to_string())),
                ("key", Value::from(row.business_key.clone())),
                ("input", summary(&input)),
            ]);
            let title = format!("{} sent to {}", row.function, row.connection);
            round.mutations.push(line(matter, round.now, "sent", Some(&row.connection), title, detail));
        }
        round.mutations.push(Mutation::PutIntent(row.clone()));
        let request = Request { intent, function: Arc::clone(function), input, in_doubt };
        let arrived = round.arrived.take();
        round.after.push(After::Submit { connection: function.connection.clone(), request, arrived });
        let held = Held { row, function: Some(Arc::clone(function)), position: position.clone(), matter, class: None };
        self.hold(held);
        Ok(())
    }

    /// An intent's answer is not waited for any more. What is not sent yet is not sent.
    pub(super) fn give_up(&mut self, round: &mut Round, intent: IntentId) {
        let Some(held) = self.release(intent) else { return };
        round.mutations.push(Mutation::RemoveIntent(intent));
        let Some(function) = &held.function else { return };
        round.after.push(After::Withdraw { connection: function.connection.clone(), intent });
        if function.effect == Effect::Once
            && let Some(run) = self.runs.get_mut(&held.row.run)
        {
            run.in_doubt = true;
        }
    }

    /// Forgets an intent that is over.
    pub(super) fn release(&mut self, intent: IntentId) -> Option<Held> {
        let held = self.intents.remove(&intent)?;
        self.waiting.remove(&(held.row.run, held.position.attempt));
        if let Some(key) = business_key(&held.row) {
            let mut under_way = self.core.once();
            if under_way.get(&key) == Some(&intent) {
                under_way.remove(&key);
            }
        }
        Some(held)
    }
}

/// What must not be done twice at the same time.
pub(crate) fn business_key(row: &IntentRow) -> Option<BusinessKey> {
    let key = row.business_key.clone()?;
    Some((Arc::clone(&row.connection), Arc::clone(&row.function), key))
}
