//! One task: entering it, waiting, completing, failing; and tasks in sequence.

use std::sync::Arc;

use model::Value;

use super::{Machine, NULL, Outcome, Signal, WORK_PER_STEP};
use crate::definition::{Flow, Kind, Task, TaskId};
use crate::duration::later;
use crate::fault::{Fault, FaultType};
use crate::state::{Body, Frame};
use crate::step::{Command, TraceEvent};

impl<'w> Machine<'w, '_> {
    /// Begins a task with the output of the one before it.
    pub(super) fn enter(&mut self, id: TaskId, raw: Value) -> Outcome {
        let Some(task) = self.workflow.tasks.get(id) else {
            // Ids come from the same table, so this does not happen; nothing is lost by going on.
            return Outcome::Done { output: raw, flow: Flow::Continue };
        };
        let mut frame = Box::new(Frame {
            pointer: Arc::clone(&task.pointer),
            started: self.now,
            raw: Some(raw),
            input: None,
            deadline: None,
            body: Body::Failed,
        });
        if self.budget == 0 || expr::work_done().wrapping_sub(self.work_before) > WORK_PER_STEP {
            frame.body = Body::Ready(self.timer(&task.pointer, self.now));
            return Outcome::Waiting(frame);
        }
        self.budget -= 1;
        match self.prepare(task, &frame) {
            Err(fault) => return self.fail(frame, fault),
            Ok(None) => {
                self.record(&task.pointer, TraceEvent::Skipped);
                return Outcome::Done { output: frame.raw.unwrap_or_default(), flow: Flow::Continue };
            }
            Ok(Some(input)) => frame.input = Some(input),
        }
        self.record(&task.pointer, TraceEvent::Started);
        let lasts = match &task.kind {
            Kind::Listen(listen) => listen.lasts.as_ref(),
            _ => None,
        };
        if let Some(timeout) = task.timeout.as_ref().or(lasts) {
            let after = {
                let view = self.view(task, &frame, &NULL);
                timeout.resolve(self.now, view.input, &view)
            };
            match after {
                Ok(after) => frame.deadline = Some(self.timer(&task.pointer, later(self.now, after))),
                Err(fault) => return self.fail(frame, fault),
            }
        }
        self.begin(task, frame)
    }

    /// The task's input, or `None` when its condition does not hold.
    fn prepare(&self, task: &Task, frame: &Frame<Value>) -> Result<Option<Value>, Fault> {
        let raw = frame.raw.as_ref().unwrap_or(&NULL);
        let view = self.view(task, frame, &NULL);
        if let Some(condition) = &task.condition
            && !condition.holds(raw, &view)?
        {
            return Ok(None);
        }
        if let Some(schema) = &task.input.schema {
            schema.check(raw).map_err(|error| {
                Fault::new(FaultType::Validation, format!("the input does not fit its schema: {error}"))
            })?;
        }
        match &task.input.template {
            Some(template) => template.evaluate(raw, &view).map(Some),
            None => Ok(Some(raw.clone())),
        }
    }

    fn begin(&mut self, task: &'w Task, frame: Box<Frame<Value>>) -> Outcome {
        let input = frame.input.clone().unwrap_or_default();
        match &task.kind {
            Kind::Set(template) => {
                let output = template.evaluate(&input, &self.view(task, &frame, &NULL));
                self.end(task, frame, output)
            }
            Kind::Switch(cases) => {
                let mut flow = task.then;
                for case in cases {
                    let holds = match &case.when {
                        None => Ok(true),
                        Some(when) => when.holds(&input, &self.view(task, &frame, &NULL)),
                    };
                    match holds {
                        Err(fault) => return self.fail(frame, fault),
                        Ok(false) => {}
                        Ok(true) => {
                            flow = case.then;
                            break;
                        }
                    }
                }
                self.complete(task, frame, input, flow)
            }
            Kind::Do(list) => {
                let outcome = self.run_list(list, input);
                self.sequence(task, frame, outcome)
            }
            Kind::Function { arguments, body } => {
                let arguments = arguments.evaluate(&input, &self.view(task, &frame, &NULL));
                match arguments {
                    Err(fault) => self.fail(frame, fault),
                    Ok(arguments) => {
                        let outcome = self.run_list(body, arguments);
                        self.sequence(task, frame, outcome)
                    }
                }
            }
            Kind::Extended(extended) => self.extend(task, extended, frame, 0, input, Flow::Continue),
            Kind::For(each) => self.begin_loop(task, each, frame, &input),
            Kind::Fork { branches, compete } => self.begin_fork(task, branches, *compete, frame),
            Kind::Try(catch) => self.begin_try(task, catch, frame, input),
            Kind::Listen(listen) => self.begin_listen(task, listen, frame),
            Kind::Raise(_)
            | Kind::Wait(_)
            | Kind::Emit(_)
            | Kind::Call { .. }
            | Kind::Request { .. }
            | Kind::Subflow(_) => self.begin_outside(task, frame, &input),
        }
    }

    /// Hands a signal to the task that it is for.
    pub(super) fn resume(&mut self, mut frame: Box<Frame<Value>>, attempt: u32, signal: Signal) -> Outcome {
        let Some((id, task)) = self.task(&frame) else {
            return self.fail(frame, Fault::new(FaultType::Configuration, "the definition has no such task"));
        };
        if let Some(deadline) = frame.deadline
            && deadline.attempt == attempt
        {
            frame.deadline = None;
            if let (Kind::Listen(listen), Body::Listening(_)) = (&task.kind, &frame.body)
                && listen.lasts.is_some()
                && let Body::Listening(listening) = std::mem::replace(&mut frame.body, Body::Failed)
            {
                return self.end_listen(task, listen, frame, listening);
            }
            self.abandon(&frame);
            let detail = format!("it was not done by {}", deadline.until);
            return self.fail(frame, Fault::new(FaultType::Timeout, detail));
        }
        if matches!(signal, Signal::Unwind) {
            self.cancel_timer(&task.pointer, frame.deadline.take());
            match &mut frame.body {
                Body::Ready(_) | Body::Outside { .. } | Body::Sleeping(_) | Body::Pausing { .. } | Body::Failed => {
                    return self.give_up(frame);
                }
                Body::Listening(listening) if listening.turn.is_none() => return self.give_up(frame),
                Body::Listening(listening) => {
                    // The event in hand may have something to take back; no more are taken.
                    let (open, attempt) = (!std::mem::replace(&mut listening.closed, true), listening.attempt);
                    if open {
                        let position = self.position(&task.pointer, attempt);
                        self.commands.push(Command::StopListening { position });
                    }
                }
                _ => {}
            }
        }
        let body = std::mem::replace(&mut frame.body, Body::Failed);
        match (body, &task.kind, signal) {
            (Body::Fork(branches), _, Signal::Unwind) => self.unwind_fork(task, frame, branches),
            (Body::Failed, _, Signal::Retry(input)) => {
                self.record(&task.pointer, TraceEvent::RetriedByHand);
                self.enter(id, input.or(frame.raw).unwrap_or_default())
            }
            (Body::Ready(_), _, Signal::Fired) => self.enter(id, frame.raw.unwrap_or_default()),
            (Body::Outside { .. }, Kind::Request { awaited: false, .. }, Signal::Returned(Ok(_))) => {
                let output = frame.input.clone().unwrap_or_default();
                self.complete(task, frame, output, task.then)
            }
            (Body::Outside { .. }, Kind::Request { messages: Some(each), .. }, Signal::Returned(Ok(messages))) => {
                self.begin_messages(task, each, frame, &messages)
            }
            (Body::Outside { .. }, _, Signal::Returned(result)) => self.end(task, frame, result),
            (Body::Sleeping(_), _, Signal::Fired) => {
                let output = frame.input.clone().unwrap_or_default();
                self.complete(task, frame, output, task.then)
            }
            (Body::Sequence { child, .. }, Kind::Do(list) | Kind::Function { body: list, .. }, signal) => {
                let outcome = self.resume_list(list, child, attempt, signal);
                self.sequence(task, frame, outcome)
            }
            (Body::Sequence { child, part, flow }, Kind::Extended(extended), signal) => {
                self.resume_extended(task, extended, frame, (child, part, flow), (attempt, signal))
            }
            (Body::Loop { items, index, child }, Kind::For(each), signal) => {
                self.resume_loop(task, each, frame, (items, index, child), (attempt, signal))
            }
            (Body::Fork(branches), Kind::Fork { branches: list, compete }, signal) => {
                self.resume_fork(task, list, *compete, frame, branches, (attempt, signal))
            }
            (body @ (Body::Trying { .. } | Body::Pausing { .. } | Body::Catching { .. }), Kind::Try(catch), signal) => {
                self.resume_try(task, catch, frame, body, (attempt, signal))
            }
            (
                Body::Listening(listening),
                Kind::Listen(listen) | Kind::Request { messages: Some(listen), .. },
                signal,
            ) => self.resume_listen(task, listen, frame, listening, (attempt, signal)),
            (body, ..) => {
                frame.body = body;
                self.abandon(&frame);
                self.fail(frame, Fault::new(FaultType::Configuration, "the stored state does not fit the definition"))
            }
        }
    }

    /// Puts a task aside until something happens, keeping only what it may still need.
    pub(super) fn park(&self, task: &Task, mut frame: Box<Frame<Value>>, keep_raw: bool, keep_input: bool) -> Outcome {
        Self::trim(task, &mut frame, keep_raw, keep_input);
        Outcome::Waiting(frame)
    }

    pub(super) fn trim(task: &Task, frame: &mut Frame<Value>, keep_raw: bool, keep_input: bool) {
        if !keep_raw && !task.keeps_raw {
            frame.raw = None;
        }
        if !keep_input && !task.keeps_input {
            frame.input = None;
        }
    }

    /// Completes with a result that may be a fault.
    pub(super) fn end(&mut self, task: &Task, frame: Box<Frame<Value>>, result: Result<Value, Fault>) -> Outcome {
        match result {
            Ok(output) => self.complete(task, frame, output, task.then),
            Err(fault) => self.fail(frame, fault),
        }
    }

    /// Completes a task: its output is transformed, checked and exported.
    pub(super) fn complete(&mut self, task: &Task, frame: Box<Frame<Value>>, raw: Value, flow: Flow) -> Outcome {
        let shaped = self.shape(task, &frame, raw);
        match shaped {
            Err(fault) => self.fail(frame, fault),
            Ok((output, context)) => {
                if let Some(context) = context {
                    self.state.context = context;
                }
                self.cancel_timer(&frame.pointer, frame.deadline);
                self.record(&frame.pointer, TraceEvent::Completed);
                Outcome::Done { output, flow }
            }
        }
    }

    fn shape(&self, task: &Task, frame: &Frame<Value>, raw: Value) -> Result<(Value, Option<Value>), Fault> {
        let output = match &task.output.template {
            Some(template) => template.evaluate(&raw, &self.view(task, frame, &raw))?,
            None => raw,
        };
        if let Some(schema) = &task.output.schema {
            schema.check(&output).map_err(|error| {
                Fault::new(FaultType::Validation, format!("the output does not fit its schema: {error}"))
            })?;
        }
        let context = match &task.export.template {
            Some(template) => Some(template.evaluate(&output, &self.view(task, frame, &output))?),
            None => None,
        };
        if let (Some(schema), Some(context)) = (&task.export.schema, &context) {
            schema.check(context).map_err(|error| {
                Fault::new(FaultType::Validation, format!("the exported context does not fit its schema: {error}"))
            })?;
        }
        Ok((output, context))
    }

    /// A task has failed; the frame stays as the place of the failure in case nobody catches it.
    pub(super) fn fail(&mut self, mut frame: Box<Frame<Value>>, fault: Fault) -> Outcome {
        self.cancel_timer(&frame.pointer, frame.deadline.take());
        frame.body = Body::Failed;
        let fault = fault.at(&frame.pointer);
        self.record(&frame.pointer, TraceEvent::Faulted(fault.clone()));
        Outcome::Failed { fault, frame }
    }

    /// Runs a list from its first task.
    pub(super) fn run_list(&mut self, list: &[TaskId], input: Value) -> Outcome {
        match list.first() {
            Some(first) => {
                let outcome = self.enter(*first, input);
                self.follow(list, 0, outcome)
            }
            None => Outcome::Done { output: input, flow: Flow::Continue },
        }
    }

    /// Goes on with a list in which a task has waited.
    pub(super) fn resume_list(
        &mut self,
        list: &[TaskId],
        child: Box<Frame<Value>>,
        attempt: u32,
        signal: Signal,
    ) -> Outcome {
        let index = self.task(&child).and_then(|(id, _)| list.iter().position(|other| *other == id));
        let outcome = self.resume(child, attempt, signal);
        match index {
            Some(index) => self.follow(list, index, outcome),
            None => outcome,
        }
    }

    fn follow(&mut self, list: &[TaskId], mut index: usize, mut outcome: Outcome) -> Outcome {
        loop {
            let Outcome::Done { output, flow } = outcome else { return outcome };
            index = match flow {
                Flow::Continue => index + 1,
                Flow::To(index) => index,
                Flow::Exit | Flow::End => return Outcome::Done { output, flow },
            };
            let Some(next) = list.get(index) else { return Outcome::Done { output, flow: Flow::Continue } };
            outcome = self.enter(*next, output);
        }
    }

    /// Takes what came of the list inside a task for the task.
    fn sequence(&mut self, task: &Task, mut frame: Box<Frame<Value>>, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Done { output, flow } => self.complete(task, frame, output, leave(task, flow)),
            Outcome::Waiting(child) => {
                frame.body = Body::Sequence { child, part: 0, flow: Flow::Continue };
                self.park(task, frame, false, false)
            }
            Outcome::Failed { fault, frame: child } => {
                frame.body = Body::Sequence { child, part: 0, flow: Flow::Continue };
                Self::trim(task, &mut frame, false, false);
                Outcome::Failed { fault, frame }
            }
        }
    }
}

/// Where to go after a task of which a list inside ended so.
pub(super) fn leave(task: &Task, inside: Flow) -> Flow {
    if inside == Flow::End { Flow::End } else { task.then }
}
