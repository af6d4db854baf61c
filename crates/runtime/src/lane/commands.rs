//! What a step asks for, as rows and as things to do afterwards.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use model::{EventId, RunId, TransactionId, Value};
use store::{ListenerRow, Mutation, TimerRow};
use workflow::{Command, EventFilter, Fault, FaultType, Input, Position};

use super::LaneTask;
use super::round::{After, Other, Round};
use crate::direct::DIRECT;
use crate::journal::{line, summary};
use crate::routing;
use crate::work::Event;

impl LaneTask {
    pub(super) fn command(&mut self, round: &mut Round, id: RunId, command: Command, answers: &mut VecDeque<Input>) {
        let Some(matter) = self.runs.get(&id).map(|run| run.matter) else { return };
        let refuse = |answers: &mut VecDeque<Input>, position: Position, detail: String| {
            let fault = Fault::new(FaultType::Configuration, detail);
            answers.push_back(Input::Returned { position, result: Err(fault) });
        };
        match command {
            Command::Call { position, function, input } => self.call(round, id, position, &function, input, answers),
            Command::Request { position, protocol, call } => {
                self.request(round, id, position, protocol, call, answers);
            }
            Command::Sleep { position, until } => set_timer(round, id, &position, until),
            Command::CancelSleep { position } => {
                let position: Arc<str> = position.to_string().into();
                let bytes = position.as_bytes().to_vec();
                round.mutations.push(Mutation::RemoveTimer { run: id, position: bytes });
                round.after.push(After::RemoveTimer { run: id, position });
            }
            Command::Abandon { position } => self.abandon(round, id, matter, &position),
            Command::Listen { position, filters, .. } => self.listen(round, id, &position, &filters),
            Command::StopListening { position } => {
                let position = position.to_string().into_bytes();
                round.mutations.push(Mutation::RemoveListeners { run: id, position });
            }
            Command::Emit { event, .. } => self.emit(round, matter, event),
            Command::StartRun { position, namespace, name, version, input, await_result: _ } => {
                match self.core.workflow(&namespace, &name, &version) {
                    Some(workflow) => round.others.push_back(Other::Child { parent: id, position, workflow, input }),
                    None => {
                        let detail = format!("the workflow {namespace}/{name}:{version} is not in this release");
                        refuse(answers, position, detail);
                    }
                }
            }
            Command::Complete { output } => {
                if let Some(run) = self.runs.get(&id) {
                    let title = format!("{} is complete", run.pinned.name());
                    let detail = Value::object([("output", summary(&output))]);
                    round.mutations.push(line(matter, round.now, "completed", None, title, detail));
                }
                self.ended(round, id, Ok(output));
            }
            Command::Fail { fault } => self.fail(round, id, fault),
            Command::Cancelled { reason } => {
                if let Some(run) = self.runs.get(&id) {
                    let title = format!("{} was cancelled", run.pinned.name());
                    let detail = Value::object([("reason", reason.clone())]);
                    round.mutations.push(line(matter, round.now, "cancelled", None, title, detail));
                }
                let text = reason.as_str().map_or_else(|| reason.to_string(), str::to_owned);
                let fault = Fault::new(FaultType::Runtime, format!("the workflow was cancelled: {text}"));
                self.ended(round, id, Err(fault));
            }
        }
    }

    /// Nobody waits for this any more.
    fn abandon(&mut self, round: &mut Round, id: RunId, matter: TransactionId, position: &Position) {
        if let Some(intent) = self.waiting.get(&(id, position.attempt)).copied() {
            match self.intents.get(&intent).is_some_and(|held| &*held.row.connection == DIRECT) {
                true => self.give_up_direct(round, intent),
                false => self.give_up(round, intent),
            }
            return;
        }
        round.mutations.push(Mutation::WithdrawWorkItems {
            transaction: matter,
            run: id,
            position: position.to_string().into_bytes(),
            resolution: Value::object([("reason", "nobody waits for it any more")]),
        });
        let child = self.lane_of(id).child(id, position.attempt);
        round.after.push(After::CancelRun {
            run: child,
            reason: "the run that started it gave up".into(),
            by: "its parent",
        });
    }

    fn listen(&mut self, round: &mut Round, id: RunId, position: &Position, filters: &[EventFilter]) {
        let Some(run) = self.runs.get(&id) else { return };
        let correlations = self.core.correlations.of_filters(filters);
        let position = position.to_string().into_bytes();
        round.mutations.push(Mutation::RemoveListeners { run: id, position: position.clone() });
        for correlation in &correlations {
            round.mutations.push(Mutation::PutListener(ListenerRow {
                correlation: correlation.clone(),
                run: id,
                position: position.clone(),
            }));
        }
        round.after.push(After::Replay { run: id, correlations, started_at: run.started_at });
    }

    fn emit(&self, round: &mut Round, matter: TransactionId, envelope: Value) {
        let kind = envelope.get("type").as_str().unwrap_or("event");
        let detail = Value::object([("data", summary(envelope.get("data")))]);
        round.mutations.push(line(matter, round.now, "emitted", None, format!("Told: {kind}"), detail));
        self.publish(round, matter, envelope);
    }

    /// Tells an event to the runs that wait for it and to the workflows that it starts, once it is durable.
    pub(super) fn publish(&self, round: &mut Round, matter: TransactionId, envelope: Value) {
        let event = Event { id: EventId::now(), envelope, arrived: round.now };
        let correlations = self.core.correlations.of_event(&event.envelope);
        let starts = self.core.starts.of(&event.envelope).next().is_some();
        if !correlations.is_empty() {
            self.core.recent.note(&correlations, round.now);
            round.mutations.extend(routing::rows(&event, &correlations));
        }
        if starts {
            round.mutations.push(routing::pending(&event, Some(matter)));
        }
        if starts || !correlations.is_empty() {
            round.after.push(After::Emitted { event, correlations, starts, matter });
        }
    }
}

fn set_timer(round: &mut Round, id: RunId, position: &Position, until: Timestamp) {
    let position: Arc<str> = position.to_string().into();
    let row = TimerRow { due_at: until, run: id, position: position.as_bytes().to_vec() };
    round.mutations.push(Mutation::PutTimer(row));
    round.after.push(After::SetTimer { due: until, run: id, position });
}
