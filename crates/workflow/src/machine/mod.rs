//! The machine: a run's state and an input make the next state and commands. It does nothing outside, reads no clock and
//! draws no random number, so every crash point, retry and interleaving can be tested as a function.
//!
//! Inside a step, tasks without an outside effect run on; a task that waits becomes a frame of the state. Loops are driven
//! iteratively and nesting recursively, so the depth of the stack is the nesting of the document.

mod attempt;
mod branches;
mod filters;
mod listening;
mod outside;
mod rounds;
mod task;
mod unwinding;

use std::sync::Arc;

use jiff::Timestamp;
use model::Value;

use crate::code::{RunView, TaskView, View};
use crate::definition::{Flow, Kind, Task, TaskId};
use crate::fault::Fault;
use crate::position::Position;
use crate::state::{Body, Branch, Frame, RunState, State, Status, Timer, Work};
use crate::step::{Command, Ignored, Input, RunContext, StepError, Stepped, TraceEntry, TraceEvent};
use crate::workflow::{ROOT, Workflow};

/// How many tasks one step begins before it yields by sleeping until now, so that others get their turn.
const TASKS_PER_STEP: u32 = 10_000;
/// How much its expressions may copy and compare before it yields, in values: some ten milliseconds. A loop that adds to a list copies
/// what is there each time.
const WORK_PER_STEP: u64 = 1_000_000;

static NULL: Value = Value::Null;

/// What came of a task or a list, so far.
enum Outcome {
    Waiting(Box<Frame<Value>>),
    Done { output: Value, flow: Flow },
    Failed { fault: Fault, frame: Box<Frame<Value>> },
}

/// What is told to one waiting point.
enum Signal {
    Returned(Result<Value, Fault>),
    Fired,
    Heard(Value),
    /// To the failed task.
    Retry(Option<Value>),
    /// To all tasks under way: the run is cancelled.
    Unwind,
}

struct Machine<'w, 's> {
    workflow: &'w Workflow,
    state: &'s mut State<Value>,
    now: Timestamp,
    budget: u32,
    /// What expressions had copied and compared when it began.
    work_before: u64,
    commands: Vec<Command>,
    trace: Vec<TraceEntry>,
    /// The variables of the loops and catches around the task in hand.
    scope: Vec<Value>,
    iterations: Vec<u32>,
    ignored: Option<Ignored>,
}

/// Starts a run. `now` is the driver's clock; everything that the run awaits is in the commands.
#[must_use]
pub fn start(workflow: &Workflow, context: RunContext, input: Value, now: Timestamp) -> (RunState, Stepped) {
    let mut state = State {
        definition: workflow.hash,
        run: context.run,
        started: context.started,
        status: Status::Running,
        input: if workflow.keeps_input { input.clone() } else { Value::Null },
        context: Value::empty_object(),
        sequence: 0,
        root: None,
        fault: None,
        held: Vec::new(),
        cancelling: None,
    };
    let mut machine = Machine::new(workflow, &mut state, now);
    let outcome = machine.enter(ROOT, input);
    machine.settle(outcome);
    let stepped = machine.stepped();
    (RunState(state), stepped)
}

/// Tells a run what happened.
///
/// Inputs for a position that does not wait any more, or has been answered, change nothing and are reported as ignored, so
/// a driver may repeat itself. While a run is suspended or failed, what arrives is kept and has its effect when the run
/// goes on.
///
/// # Errors
/// The state does not fit the definition, or there is nothing to retry. The state is then unchanged.
pub fn step(workflow: &Workflow, state: &mut RunState, input: Input, now: Timestamp) -> Result<Stepped, StepError> {
    if state.0.definition != workflow.hash {
        return Err(StepError::OtherDefinition);
    }
    if let Some(root) = &state.0.root {
        known(workflow, root)?;
    }
    let mut machine = Machine::new(workflow, &mut state.0, now);
    machine.input(input)?;
    while machine.state.status == Status::Running && !machine.state.held.is_empty() {
        let held = machine.state.held.remove(0);
        let ignored = machine.ignored;
        machine.input(held)?;
        machine.ignored = ignored;
    }
    Ok(machine.stepped())
}

/// The `Sleep` and `Listen` commands that a stored run still stands by: what a driver that starts anew has to know again.
/// Calls, requests and other workflows are not among them, as they are recorded on their own before they are made.
#[must_use]
pub fn outstanding(workflow: &Workflow, state: &RunState) -> Vec<Command> {
    let mut copy = state.0.clone();
    let Some(root) = copy.root.take() else { return Vec::new() };
    let now = copy.started;
    let mut machine = Machine::new(workflow, &mut copy, now);
    machine.repeat(&root);
    machine.commands
}

/// Whether the definition has all tasks that the state is in.
fn known(workflow: &Workflow, frame: &Frame<Value>) -> Result<(), StepError> {
    if !workflow.tasks.by_pointer.contains_key(&frame.pointer) {
        return Err(StepError::UnknownTask(Arc::clone(&frame.pointer)));
    }
    frame.children().try_for_each(|child| known(workflow, child))
}

impl<'w, 's> Machine<'w, 's> {
    fn new(workflow: &'w Workflow, state: &'s mut State<Value>, now: Timestamp) -> Self {
        Self {
            workflow,
            state,
            now,
            budget: TASKS_PER_STEP,
            work_before: expr::work_done(),
            commands: Vec::new(),
            trace: Vec::new(),
            scope: Vec::new(),
            iterations: Vec::new(),
            ignored: None,
        }
    }

    fn stepped(self) -> Stepped {
        Stepped { commands: self.commands, trace: self.trace, status: self.state.status, ignored: self.ignored }
    }

    fn input(&mut self, input: Input) -> Result<(), StepError> {
        self.ignored = None;
        match (self.state.status, input) {
            (Status::Completed | Status::Cancelled, _) => self.ignored = Some(Ignored::Over),
            (_, Input::Cancel { reason }) if self.state.cancelling.is_none() => self.unwind(reason),
            (_, Input::Cancel { reason } | Input::End { reason }) => self.end_at_once(reason),
            (Status::Running, Input::Suspend) => {
                self.state.status = Status::Suspended;
                self.record_open(&TraceEvent::Suspended);
            }
            (Status::Suspended, Input::Resume) => {
                self.state.status = Status::Running;
                self.record_open(&TraceEvent::Resumed);
            }
            (_, Input::Suspend | Input::Resume) => self.ignored = Some(Ignored::AsAsked),
            (Status::Failed, Input::Retry { pointer, input }) => self.retry(pointer, input)?,
            (_, Input::Retry { .. }) => return Err(StepError::NotFailed),
            (Status::Running, Input::Returned { position, result }) => {
                self.deliver(&position, Signal::Returned(result));
            }
            (Status::Running, Input::Fired { position }) => self.deliver(&position, Signal::Fired),
            (Status::Running, Input::Heard { position, event }) => self.deliver(&position, Signal::Heard(event)),
            (Status::Suspended | Status::Failed, input) => self.hold(input),
        }
        Ok(())
    }

    /// Keeps what arrives for a halted run.
    fn hold(&mut self, input: Input) {
        let (Input::Returned { position, .. } | Input::Fired { position } | Input::Heard { position, .. }) = &input
        else {
            return;
        };
        if !self.state.root.as_ref().is_some_and(|root| root.holds(position.attempt)) {
            self.ignored = Some(Ignored::NotWaiting);
        } else if self.state.held.contains(&input) {
            self.ignored = Some(Ignored::HeardBefore);
        } else {
            self.state.held.push(input);
        }
    }

    fn deliver(&mut self, position: &Position, signal: Signal) {
        let waiting = self.state.root.as_ref().and_then(|root| find(root, position.attempt));
        match waiting {
            Some(frame) if frame.pointer == position.pointer => {
                let timed = frame.deadline.is_some_and(|timer| timer.attempt == position.attempt);
                let fits = match (&frame.body, &signal) {
                    (_, Signal::Fired) if timed => true,
                    (_, _) if timed => false,
                    (Body::Outside { .. }, Signal::Returned(_)) | (Body::Listening(_), Signal::Heard(_)) => true,
                    (
                        Body::Ready(_) | Body::Sleeping(_) | Body::Pausing { .. } | Body::Trying { .. },
                        Signal::Fired,
                    ) => true,
                    _ => false,
                };
                if !fits {
                    self.ignored = Some(Ignored::WrongKind);
                    return;
                }
            }
            _ => {
                self.ignored = Some(Ignored::NotWaiting);
                return;
            }
        }
        if let Some(root) = self.state.root.take() {
            let outcome = self.resume(root, position.attempt, signal);
            self.settle(outcome);
        }
    }

    fn retry(&mut self, pointer: Option<Arc<str>>, input: Option<Value>) -> Result<(), StepError> {
        let failed = self.state.root.as_ref().and_then(|root| root.failed()).ok_or(StepError::NotFailed)?;
        if let Some(asked) = pointer
            && asked != failed.pointer
        {
            return Err(StepError::FailedElsewhere { failed: Arc::clone(&failed.pointer), asked });
        }
        if input.is_none() && failed.raw.is_none() {
            return Err(StepError::InputGone(Arc::clone(&failed.pointer)));
        }
        self.state.status = Status::Running;
        self.state.fault = None;
        if let Some(root) = self.state.root.take() {
            let outcome = self.resume(root, 0, Signal::Retry(input));
            self.settle(outcome);
        }
        Ok(())
    }

    /// Puts what came of the whole run into the state.
    fn settle(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Waiting(frame) => self.state.root = Some(frame),
            Outcome::Done { output, .. } => {
                self.close(Status::Completed);
                self.commands.push(Command::Complete { output });
            }
            Outcome::Failed { fault, frame } if self.unwinds(&fault) => {
                self.record(&frame.pointer, TraceEvent::Cancelled);
                let reason = self.state.cancelling.take().unwrap_or_default();
                self.cancelled(reason);
            }
            Outcome::Failed { fault, frame } => {
                self.state.root = Some(frame);
                self.state.status = Status::Failed;
                self.state.fault = Some(fault.clone());
                self.commands.push(Command::Fail { fault });
            }
        }
    }

    fn close(&mut self, status: Status) {
        self.state.status = status;
        self.state.input = Value::Null;
        self.state.context = Value::Null;
        self.state.fault = None;
        self.state.held = Vec::new();
        self.state.cancelling = None;
    }

    fn task(&self, frame: &Frame<Value>) -> Option<(TaskId, &'w Task)> {
        let id = *self.workflow.tasks.by_pointer.get(&frame.pointer)?;
        Some((id, self.workflow.tasks.get(id)?))
    }

    /// What the expressions of a task see.
    fn view<'a>(&'a self, task: &'a Task, frame: &'a Frame<Value>, output: &'a Value) -> View<'a> {
        let raw = frame.raw.as_ref().unwrap_or(&NULL);
        View {
            context: &self.state.context,
            input: frame.input.as_ref().unwrap_or(raw),
            output,
            scope: &self.scope,
            task: TaskView {
                name: &task.name,
                pointer: &task.pointer,
                definition: &task.definition,
                raw,
                started: frame.started,
            },
            run: RunView {
                id: &self.state.run,
                definition: &self.workflow.definition,
                input: &self.state.input,
                started: self.state.started,
                secrets: &self.workflow.environment.secrets,
                runtime: &self.workflow.environment.runtime,
            },
        }
    }

    fn next(&mut self) -> u32 {
        self.state.sequence = self.state.sequence.wrapping_add(1).max(1);
        self.state.sequence
    }

    fn position(&self, pointer: &Arc<str>, attempt: u32) -> Position {
        Position { pointer: Arc::clone(pointer), iterations: self.iterations.clone(), attempt }
    }

    /// Asks to be woken.
    fn timer(&mut self, pointer: &Arc<str>, until: Timestamp) -> Timer {
        let timer = Timer { attempt: self.next(), until };
        self.sleep(pointer, timer);
        timer
    }

    fn sleep(&mut self, pointer: &Arc<str>, timer: Timer) {
        let position = self.position(pointer, timer.attempt);
        self.commands.push(Command::Sleep { position, until: timer.until });
    }

    /// Asks again for the wake-ups and events of a task and the tasks inside it.
    fn repeat(&mut self, frame: &Frame<Value>) {
        if let Some(deadline) = frame.deadline {
            self.sleep(&frame.pointer, deadline);
        }
        let round = match &frame.body {
            Body::Ready(timer) | Body::Sleeping(timer) | Body::Pausing { timer, .. } => {
                self.sleep(&frame.pointer, *timer);
                None
            }
            Body::Trying { limit, .. } => {
                if let Some(limit) = limit {
                    self.sleep(&frame.pointer, *limit);
                }
                None
            }
            Body::Listening(listening) => {
                if let Some((_, task)) = self.task(frame)
                    && let Kind::Listen(listen) = &task.kind
                    && !listening.closed
                {
                    self.ask(task, listen, listening);
                }
                Some(listening.turns)
            }
            Body::Loop { index, .. } => Some(*index),
            _ => None,
        };
        self.iterations.extend(round);
        for child in frame.children() {
            self.repeat(child);
        }
        if round.is_some() {
            self.iterations.pop();
        }
    }

    fn cancel_timer(&mut self, pointer: &Arc<str>, timer: Option<Timer>) {
        if let Some(timer) = timer {
            let position = self.position(pointer, timer.attempt);
            self.commands.push(Command::CancelSleep { position });
        }
    }

    fn record(&mut self, pointer: &Arc<str>, event: TraceEvent) {
        self.trace.push(TraceEntry { pointer: Arc::clone(pointer), iterations: self.iterations.clone(), event });
    }

    /// Records what happens to the run and to all tasks that it is in.
    fn record_open(&mut self, event: &TraceEvent) {
        fn record(machine: &mut Machine<'_, '_>, frame: &Frame<Value>, event: &TraceEvent) {
            machine.record(&frame.pointer, event.clone());
            let round = match &frame.body {
                Body::Loop { index, .. } => Some(*index),
                Body::Listening(listening) => Some(listening.turns),
                _ => None,
            };
            machine.iterations.extend(round);
            for child in frame.children() {
                record(machine, child, event);
            }
            if round.is_some() {
                machine.iterations.pop();
            }
        }
        if let Some(root) = self.state.root.take() {
            record(self, &root, event);
            self.state.root = Some(root);
        }
    }

    /// Takes back what a task and the tasks inside it wait for.
    fn abandon(&mut self, frame: &Frame<Value>) {
        let pointer = &frame.pointer;
        self.cancel_timer(pointer, frame.deadline);
        match &frame.body {
            Body::Ready(timer) | Body::Sleeping(timer) | Body::Pausing { timer, .. } => {
                self.cancel_timer(pointer, Some(*timer));
            }
            Body::Outside { attempt, work: Work::Call | Work::Request | Work::Subflow } => {
                let position = self.position(pointer, *attempt);
                self.commands.push(Command::Abandon { position });
            }
            Body::Trying { child, limit, .. } => {
                self.cancel_timer(pointer, *limit);
                self.abandon(child);
            }
            Body::Listening(listening) => {
                if !listening.closed {
                    let position = self.position(pointer, listening.attempt);
                    self.commands.push(Command::StopListening { position });
                }
                if let Some(turn) = &listening.turn {
                    self.iterations.push(listening.turns);
                    self.abandon(&turn.child);
                    self.iterations.pop();
                }
            }
            Body::Sequence { child, .. } | Body::Catching { child, .. } => self.abandon(child),
            Body::Loop { index, child, .. } => {
                self.iterations.push(*index);
                self.abandon(child);
                self.iterations.pop();
            }
            Body::Fork(branches) => {
                for branch in branches {
                    if let Branch::Running(child) = branch {
                        self.abandon(child);
                    }
                }
            }
            Body::Failed => {}
        }
    }
}

fn find(frame: &Frame<Value>, attempt: u32) -> Option<&Frame<Value>> {
    if frame.waits_at(attempt) { Some(frame) } else { frame.children().find_map(|child| find(child, attempt)) }
}

/// Whether a signal is for this frame or one inside it.
fn concerns(frame: &Frame<Value>, attempt: u32, signal: &Signal) -> bool {
    match signal {
        Signal::Retry(_) => frame.failed().is_some(),
        Signal::Unwind => true,
        _ => frame.holds(attempt),
    }
}
