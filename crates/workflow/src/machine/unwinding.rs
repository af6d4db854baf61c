//! Cancelling: the tasks under way give up from the inside out, and each `catch` that names the error of a cancelled run takes
//! back what its `try` did. Nothing else catches it, and nothing goes on after it: when all has been taken back, the run is
//! over. Whoever cancels a second time does not wait for that.

use model::Value;

use super::{Machine, Outcome, Signal};
use crate::definition::{Task, TryCatch};
use crate::fault::Fault;
use crate::state::{Body, Branch, Frame, Status};
use crate::step::{Command, TraceEvent};

impl Machine<'_, '_> {
    /// Ends the run without taking anything back.
    pub(super) fn end_at_once(&mut self, reason: Value) {
        if let Some(root) = self.state.root.take() {
            self.abandon(&root);
            self.record(&root.pointer, TraceEvent::Cancelled);
        }
        self.cancelled(reason);
    }

    /// Takes back what the run did, and ends it.
    pub(super) fn unwind(&mut self, reason: Value) {
        let Some(root) = self.state.root.take() else {
            self.cancelled(reason);
            return;
        };
        self.state.cancelling = Some(reason);
        self.state.status = Status::Running;
        self.state.fault = None;
        self.state.held = Vec::new();
        let outcome = self.resume(root, 0, Signal::Unwind);
        self.settle(outcome);
    }

    /// The run is over, and all that was to be taken back has been.
    pub(super) fn cancelled(&mut self, reason: Value) {
        self.close(Status::Cancelled);
        self.commands.push(Command::Cancelled { reason });
    }

    /// A waiting task gives up.
    pub(super) fn give_up(&mut self, mut frame: Box<Frame<Value>>) -> Outcome {
        self.abandon(&frame);
        frame.deadline = None;
        frame.body = Body::Failed;
        self.record(&frame.pointer, TraceEvent::Cancelled);
        let fault = Fault::cancelled().at(&frame.pointer);
        Outcome::Failed { fault, frame }
    }

    /// Whether an error is the one that unwinds this run.
    pub(super) fn unwinds(&self, fault: &Fault) -> bool {
        self.state.cancelling.is_some() && fault.is_cancelled()
    }

    /// What a `try` did has been taken back: what is around it is next.
    pub(super) fn taken_back(&mut self, mut frame: Box<Frame<Value>>) -> Outcome {
        frame.body = Body::Failed;
        let fault = Fault::cancelled().at(&frame.pointer);
        Outcome::Failed { fault, frame }
    }

    /// Whether this `catch` is there to take back what its `try` did.
    pub(super) fn takes_back(catch: &TryCatch) -> bool {
        catch.handler.is_some() && catch.filter.fault_type.as_deref().is_some_and(|wanted| wanted == Fault::CANCELLED)
    }

    /// All branches give up; the fork waits for those that have something to take back.
    pub(super) fn unwind_fork(
        &mut self,
        task: &Task,
        mut frame: Box<Frame<Value>>,
        branches: Vec<Branch<Value>>,
    ) -> Outcome {
        let mut left = Vec::with_capacity(branches.len());
        let mut failed = None;
        for branch in branches {
            let Branch::Running(child) = branch else {
                left.push(Branch::Done(Value::Null));
                continue;
            };
            left.push(match self.resume(child, 0, Signal::Unwind) {
                Outcome::Waiting(child) => Branch::Running(child),
                Outcome::Failed { fault, frame: child } if !fault.is_cancelled() => {
                    failed = Some(fault);
                    Branch::Running(child)
                }
                Outcome::Failed { .. } | Outcome::Done { .. } => Branch::Done(Value::Null),
            });
        }
        if let Some(fault) = failed {
            // What could not be taken back is for a person.
            frame.body = Body::Fork(left);
            return Outcome::Failed { fault, frame };
        }
        if left.iter().any(|branch| matches!(branch, Branch::Running(_))) {
            frame.body = Body::Fork(left);
            return self.park(task, frame, false, false);
        }
        self.taken_back(frame)
    }
}
