//! Direct calls of workflows: recorded as intents, carried out once that is durable, and never silently a second time.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use model::{IntentId, RunId, Value};
use store::{IntentRow, IntentState, Mutation};
use workflow::{Fault, FaultType, Input, Position, Protocol};

use super::queues::{INTEGRATION, NewItem};
use super::round::{After, Other, Round};
use super::{Held, LaneTask};
use crate::direct::{DIRECT, DirectFailure, InDoubt};
use crate::functions;
use crate::journal::{line, summary};
use crate::work::Work;
use crate::workload::Workload;

/// What a work item about a call whose fate is unknown is about: the member `kind` of its content.
pub(super) const DOUBT: &str = "doubt";

/// What came of a direct call.
pub(crate) struct Performed {
    pub(crate) intent: IntentId,
    pub(crate) sent_at: Timestamp,
    pub(crate) finished_at: Timestamp,
    pub(crate) result: Result<Value, DirectFailure>,
}

impl LaneTask {
    /// Records the wish to make a direct call.
    pub(super) fn request(
        &mut self,
        round: &mut Round,
        id: RunId,
        position: Position,
        protocol: Protocol,
        call: Value,
        answers: &mut VecDeque<Input>,
    ) {
        if self.core.direct.is_none() {
            let detail = format!(
                "this deployment allows only connections, and this task makes a call by `{}` on its own",
                protocol.as_str()
            );
            let fault = Fault::new(FaultType::Configuration, detail);
            answers.push_back(Input::Returned { position, result: Err(fault) });
            return;
        }
        let Some(matter) = self.runs.get(&id).map(|run| run.matter) else { return };
        let intent = IntentId::new(self.lane_of(id).id(Workload::of(id.uuid())));
        let row = IntentRow {
            id: intent,
            run: id,
            position: position.to_string().into_bytes(),
            connection: DIRECT.into(),
            function: protocol.as_str().into(),
            business_key: None,
            request: call,
            state: IntentState::Pending,
            attempts: 0,
            last_error: None,
            created_at: round.now,
        };
        round.mutations.push(Mutation::PutIntent(row.clone()));
        round.after.push(After::Perform { intent });
        self.hold(Held::new(row, position, matter));
    }

    /// Carries out a call whose intent is durable.
    pub(super) fn perform(&mut self, intent: IntentId) {
        let (Some(held), Some(access)) = (self.intents.get(&intent), self.core.direct.clone()) else { return };
        let Some(protocol) = Protocol::from_word(&held.row.function) else { return };
        let (run, call) = (held.row.run, held.row.request.clone());
        let core = Arc::clone(&self.core);
        let one = core.direct_under_way.one();
        let task = tokio::spawn(async move {
            // Closed when Interlock stops: the intent stays, and is looked at when it starts again.
            let Some(turn) = core.direct_under_way.turn().await else { return };
            let sent_at = core.clock.now();
            let result = match protocol {
                Protocol::Function => fetch(&*access.calls, &call).await,
                _ => access.calls.perform(protocol, &call, intent).await,
            };
            drop(turn);
            let performed = Performed { intent, sent_at, finished_at: core.clock.now(), result };
            core.send_to_run(run, Work::Performed(Box::new(performed)));
            drop(one);
        });
        self.performing.insert(intent, task.abort_handle());
    }

    /// A direct call is back: the run gets its answer in the same commit in which the intent goes.
    pub(super) fn performed(&mut self, round: &mut Round, performed: Performed) {
        let Performed { intent, sent_at, finished_at, result } = performed;
        self.performing.remove(&intent);
        let Some(held) = self.conclude(round, intent) else { return };
        let result = match result {
            Err(failure) if failure.may_have_happened && self.is_for_people(&held) => {
                self.ask_whether_it_happened(round, &held, &failure.fault);
                return;
            }
            result => result.map_err(|failure| failure.fault),
        };
        let result = match result {
            Ok(text) if &*held.row.function == Protocol::Function.as_str() => {
                match self.run_function(round, &held, text.as_str().unwrap_or_default()) {
                    Ok(()) => return,
                    Err(fault) => Err(fault),
                }
            }
            result => result,
        };
        let milliseconds = finished_at.duration_since(sent_at).as_millis();
        let mut detail = Value::object([
            ("call", summary(&held.row.request)),
            ("milliseconds", Value::from(i64::try_from(milliseconds).unwrap_or(i64::MAX))),
        ]);
        let what = described(&held.row);
        let (kind, title) = match &result {
            Ok(output) => {
                detail.set("output", summary(output));
                ("done", format!("{what} answered"))
            }
            Err(fault) => {
                detail.set("fault", fault.to_value());
                let said = fault.detail.as_deref().or(fault.title.as_deref()).unwrap_or("it failed");
                ("refused", format!("{what} failed: {said}"))
            }
        };
        round.mutations.push(line(held.matter, round.now, kind, None, title, detail));
        self.tell(round, held.row.run, Input::Returned { position: held.position, result });
    }

    /// Runs a function whose text is there, as a workflow of its own.
    fn run_function(&mut self, round: &mut Round, held: &Held, text: &str) -> Result<(), Fault> {
        let called = held.row.request.get("function").as_str().unwrap_or_default();
        let workflow = functions::compile(&self.core.release, called, text)?;
        self.core.pinned.add(&workflow);
        let (hash, text) = (Arc::clone(&workflow.hash), Arc::clone(&workflow.definition.text));
        round.mutations.push(Mutation::PutDefinition { hash, text });
        let (parent, position) = (held.row.run, held.position.clone());
        let input = match held.row.request.get("with") {
            Value::Null => Value::empty_object(),
            input => input.clone(),
        };
        round.others.push_back(Other::Child { parent, position, workflow, input });
        Ok(())
    }

    fn is_for_people(&self, held: &Held) -> bool {
        let Some(access) = &self.core.direct else { return true };
        let repeatable = Protocol::from_word(&held.row.function)
            .is_some_and(|protocol| access.calls.is_repeatable(protocol, &held.row.request));
        access.in_doubt == InDoubt::AskPeople && !repeatable
    }

    /// Nobody knows whether it happened, and it must not happen twice.
    fn ask_whether_it_happened(&self, round: &mut Round, held: &Held, fault: &Fault) {
        let what = described(&held.row);
        let said = fault.detail.as_deref().or(fault.title.as_deref()).unwrap_or("no answer came");
        let workflow = self.runs.get(&held.row.run).map(|run| Arc::clone(run.pinned.name()));
        let item = NewItem {
            queue: INTEGRATION,
            matter: held.matter,
            run: Some((held.row.run, held.position.to_string().into_bytes())),
            title: format!("It is not known whether {what} happened"),
            reason: format!(
                "{said}. It may have happened and cannot be asked for, so it is not sent again by itself. Look there: send it again, let the task fail, or go on with its answer."
            ),
            amount: self.matters.get(&held.matter).and_then(|matter| matter.amount),
            content: Value::object([
                ("kind", Value::from(DOUBT)),
                ("record", Value::Null),
                ("call", held.row.request.clone()),
                ("protocol", Value::from(Arc::clone(&held.row.function))),
                ("fault", fault.to_value()),
                ("pointer", Value::from(Arc::clone(&held.position.pointer))),
                ("workflow", Value::from(workflow)),
                ("allow", Value::array(["again", "fail", "answer"])),
            ]),
        };
        self.open(round, item);
    }

    /// A person looked.
    pub(super) fn decide_doubt(
        &mut self,
        round: &mut Round,
        (run, position): (RunId, Position),
        action: &str,
        content: &Value,
        record: Option<Value>,
    ) -> bool {
        let known = self.runs.get(&run).is_some_and(|run| {
            run.state
                .waiting()
                .iter()
                .any(|waiting| waiting.position == position && matches!(waiting.reason, workflow::WaitingFor::Request))
        });
        if !known {
            return false;
        }
        let mut answers = VecDeque::new();
        match action {
            "again" => {
                let Some(protocol) = content.get("protocol").as_str().and_then(Protocol::from_word) else {
                    return false;
                };
                self.request(round, run, position, protocol, content.get("call").clone(), &mut answers);
            }
            "answer" => answers.push_back(Input::Returned { position, result: Ok(record.unwrap_or_default()) }),
            _ => {
                let fault = Fault::from_value(content.get("fault"))
                    .unwrap_or_else(|| Fault::new(FaultType::Communication, "a person found that it did not happen"));
                answers.push_back(Input::Returned { position, result: Err(fault) });
            }
        }
        for answer in answers {
            self.tell(round, run, answer);
        }
        true
    }

    /// Nobody waits for its answer any more. What is under way is broken off once that is durable.
    pub(super) fn give_up_direct(&mut self, round: &mut Round, intent: IntentId) {
        let Some(held) = self.release(intent) else { return };
        round.after.push(After::BreakOff { intent });
        round.mutations.push(Mutation::RemoveIntent(intent));
        let detail = Value::object([("call", summary(&held.row.request))]);
        let title = format!("{} was given up; what it did stands", described(&held.row));
        round.mutations.push(line(held.matter, round.now, "abandoned", None, title, detail));
    }
}

/// The text of a called function.
async fn fetch(calls: &dyn crate::DirectCalls, call: &Value) -> Result<Value, DirectFailure> {
    let endpoint = functions::endpoint(call).map_err(DirectFailure::known)?;
    calls.fetch(&endpoint).await.map(Value::from)
}

/// A direct call in a few words, without what an address may hold after its path.
fn described(row: &IntentRow) -> String {
    let text = |path: &[&str]| {
        let mut value = &row.request;
        for name in path {
            value = value.get(name);
        }
        value.as_str().map(|text| text.split(['?', '#']).next().unwrap_or(text).to_owned())
    };
    let verb = text(&["method"]).map(|method| method.to_uppercase());
    let where_to = text(&["endpoint", "uri"])
        .or_else(|| text(&["operationId"]))
        .or_else(|| text(&["function"]))
        .or_else(|| text(&["service", "name"]))
        .or_else(|| text(&["shell", "command"]))
        .or_else(|| text(&["script", "language"]));
    match (&*row.function, verb, where_to) {
        ("http", Some(verb), Some(place)) => format!("{verb} {place}"),
        (protocol, _, Some(place)) => format!("{protocol} {place}"),
        (protocol, ..) => format!("the {protocol} call"),
    }
}
