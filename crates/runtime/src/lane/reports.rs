//! What dispatchers tell of intents.

use std::sync::Arc;

use connect::{Action, CallError};
use definitions::Effect;
use dispatch::{Outcome, Report, Success};
use model::{IntentId, Value};
use store::{IntentState, Mutation, ReferenceRow};
use workflow::{Fault, Input};

use super::agreement::side_of;
use super::existing::There;
use super::queues::{INTEGRATION, NOTICE, NewItem};
use super::round::{After, Round};
use super::runs::Told;
use super::{Held, LaneTask};
use crate::core::ToIntake;
use crate::journal::{line, summary};

impl LaneTask {
    pub(super) fn report(&mut self, round: &mut Round, report: Report) {
        match report {
            Report::Delayed { intent, attempts, error, in_doubt } => {
                self.delayed(round, intent, attempts, &error, in_doubt);
            }
            Report::Done(outcome) if self.looks_up_existing(&outcome) => {}
            Report::Done(outcome) => self.done(round, outcome, None),
        }
    }

    /// It is tried again. The first delay, and each of another kind, is written down; not each attempt.
    fn delayed(&mut self, round: &mut Round, intent: IntentId, attempts: u32, error: &CallError, in_doubt: bool) {
        let Some(held) = self.intents.get_mut(&intent) else { return };
        held.row.attempts = attempts;
        if held.class == Some(error.class) {
            return;
        }
        if held.class.is_none() {
            let connection = Arc::clone(&held.row.connection);
            let title =
                format!("{} waits: {connection} says {}; it is tried again until it works", held.row.function, error);
            let detail = Value::object([
                ("class", Value::from(error.class.word())),
                ("code", Value::from(error.code.as_str())),
                ("attempts", Value::from(attempts)),
            ]);
            round.mutations.push(line(held.matter, round.now, "delayed", Some(&connection), title, detail));
        }
        held.class = Some(error.class);
        held.row.state = if in_doubt { IntentState::Unknown } else { IntentState::Pending };
        held.row.last_error = Some(error.to_string().into());
        round.mutations.push(Mutation::PutIntent(held.row.clone()));
    }

    /// It is over: the run gets its answer in the same commit in which the intent goes.
    pub(super) fn done(&mut self, round: &mut Round, outcome: Outcome, there: Option<&There>) {
        let Some(held) = self.conclude(round, outcome.intent) else { return };
        // Of what was given up and did not happen there is nothing to tell.
        if !held.abandoned || outcome.result.is_ok() {
            round.mutations.push(outcome_line(&held, &outcome, round.now));
        }
        if let Ok(Success { reference: Some((object, key, record)), .. }) = &outcome.result {
            let object: Arc<str> = object.as_str().into();
            let connection = Arc::clone(&held.row.connection);
            round.mutations.push(Mutation::PutReference(ReferenceRow {
                object: Arc::clone(&object),
                key: Arc::clone(key),
                connection: Arc::clone(&connection),
                record_id: Arc::clone(record),
            }));
            let message = ToIntake::Referenced { connection, object, key: Arc::clone(key), record: Arc::clone(record) };
            round.after.push(After::Intake(message));
        }
        if let Some(side) = side_of(&held.position) {
            self.written(round, &held, &side, outcome, there);
            return;
        }
        let once = held.function.as_ref().is_none_or(|function| function.effect == Effect::Once);
        let fault = outcome.result.as_ref().err();
        let says = |name: &str| fault.is_some_and(|fault| fault.data.get(name).as_bool() == Some(true));
        let (happened, may_have_happened) = (says("happened"), says("mayHaveHappened"));
        if once
            && (happened || may_have_happened || held.function.is_none())
            && let Some(run) = self.runs.get_mut(&held.row.run)
        {
            // Who tries it again has it looked for first.
            run.in_doubt = true;
            round.touched.insert(held.row.run);
        }
        let what = outcome.result.as_ref().map_or(Value::Null, |success| success.output.clone());
        let succeeded = outcome.result.is_ok();
        let said = fault.and_then(|fault| fault.detail.clone());
        let result = outcome.result.map(|success| success.output);
        let input = Input::Returned { position: held.position.clone(), result };
        let told = if held.abandoned { Told::Ignored } else { self.tell(round, held.row.run, input) };
        if told == Told::Ignored && succeeded && once {
            self.happened_all_the_same(round, &held, &what);
        } else if told == Told::Ignored && may_have_happened && once {
            self.may_have_happened(round, &held, said.as_deref().unwrap_or_default());
        }
    }

    /// Nobody waits for it any more, and nobody can tell whether it was done: a person looks.
    fn may_have_happened(&mut self, round: &mut Round, held: &Held, said: &str) {
        let (function, connection) = (&held.row.function, &held.row.connection);
        let item = NewItem {
            queue: INTEGRATION,
            matter: held.matter,
            run: None,
            title: format!("{function} may have happened in {connection} after its run had ended"),
            reason: format!("{said}. Look for it in {connection}, and take it back there if it is not wanted."),
            amount: self.matters.get(&held.matter).and_then(|matter| matter.amount),
            content: Value::object([
                ("kind", Value::from(NOTICE)),
                ("record", summary(&held.row.request)),
                ("allow", Value::array(["dismiss"])),
            ]),
        };
        self.open(round, item);
    }

    /// Something was done that nobody waits for any more: a person decides what becomes of it.
    fn happened_all_the_same(&mut self, round: &mut Round, held: &Held, output: &Value) {
        let matter = self.matters.get(&held.matter);
        let (function, connection) = (&held.row.function, &held.row.connection);
        let item = NewItem {
            queue: INTEGRATION,
            matter: held.matter,
            run: None,
            title: format!("{function} happened in {connection} after its run had ended"),
            reason: format!(
                "The run was ended while {function} was on its way, and {connection} did it all the same. Take it back there if it is not wanted."
            ),
            amount: matter.and_then(|matter| matter.amount),
            content: Value::object([
                ("kind", Value::from(NOTICE)),
                ("record", output.clone()),
                ("allow", Value::array(["dismiss"])),
            ]),
        };
        self.open(round, item);
    }

    /// An intent of an earlier process whose function is not there any more.
    pub(super) fn lost(&mut self, round: &mut Round, intent: IntentId, fault: Fault) {
        let now = round.now;
        let outcome = Outcome { intent, attempts: 0, sent_at: now, finished_at: now, result: Err(fault) };
        self.done(round, outcome, None);
    }
}

fn outcome_line(held: &Held, outcome: &Outcome, now: jiff::Timestamp) -> Mutation {
    let (connection, function) = (&held.row.connection, &held.row.function);
    let milliseconds = outcome.finished_at.duration_since(outcome.sent_at).as_millis();
    let effect = held.function.as_ref().map(|function| function.effect);
    let action = held.function.as_ref().map(|function| function.action);
    let mut detail = Value::object([
        ("function", Value::from(format!("{function}@{connection}"))),
        ("attempts", Value::from(outcome.attempts)),
        ("milliseconds", Value::from(i64::try_from(milliseconds).unwrap_or(i64::MAX))),
    ]);
    if effect != Some(Effect::Once) {
        detail.set("input", summary(&held.row.request));
    }
    let again = match outcome.attempts {
        0 | 1 => String::new(),
        attempts => format!(" at attempt {attempts}"),
    };
    let title = match &outcome.result {
        Ok(success) => {
            detail.set("output", summary(&success.output));
            let found = if success.found { " (found again after a lost answer)" } else { "" };
            match (&success.reference, action) {
                (Some((object, _, record)), _) if success.linked => {
                    format!("{connection} has {object} {record} already{again}")
                }
                (Some((object, _, record)), Some(Action::Create)) => {
                    format!("{connection} created {object} {record}{found}{again}")
                }
                _ if effect == Some(Effect::None) => format!("{connection} answered {function}{again}"),
                _ => format!("{connection} did {function}{found}{again}"),
            }
        }
        Err(fault) => {
            detail.set("fault", fault.to_value());
            let said = fault.detail.as_deref().or(fault.title.as_deref()).unwrap_or("it failed");
            format!("{function} failed in {connection}{again}: {said}")
        }
    };
    let kind = if outcome.result.is_ok() { "done" } else { "refused" };
    line(held.matter, now, kind, Some(connection), title, detail)
}
