//! `fork`: branches side by side, all of them or the fastest.

use model::Value;

use super::{Machine, Outcome, Signal, concerns};
use crate::definition::{Flow, Task, TaskId};
use crate::state::{Body, Branch, Frame};
use crate::step::TraceEvent;

impl Machine<'_, '_> {
    pub(super) fn begin_fork(
        &mut self,
        task: &Task,
        list: &[TaskId],
        compete: bool,
        frame: Box<Frame<Value>>,
    ) -> Outcome {
        let branches = list.iter().map(|_| Branch::Idle).collect();
        self.branch_out(task, list, compete, frame, branches)
    }

    pub(super) fn resume_fork(
        &mut self,
        task: &Task,
        list: &[TaskId],
        compete: bool,
        frame: Box<Frame<Value>>,
        mut branches: Vec<Branch<Value>>,
        (attempt, signal): (u32, Signal),
    ) -> Outcome {
        let concerned = branches
            .iter()
            .position(|branch| matches!(branch, Branch::Running(child) if concerns(child, attempt, &signal)));
        if let Some(index) = concerned
            && let Branch::Running(child) = std::mem::replace(&mut branches[index], Branch::Idle)
        {
            let outcome = self.resume(child, attempt, signal);
            match self.after_branch(task, compete, frame, branches, index, outcome) {
                Ok((frame, branches)) => self.branch_out(task, list, compete, frame, branches),
                Err(outcome) => outcome,
            }
        } else {
            self.branch_out(task, list, compete, frame, branches)
        }
    }

    /// Begins the branches that have not begun. When one fails, the rest wait until it is known whether the run goes on.
    fn branch_out(
        &mut self,
        task: &Task,
        list: &[TaskId],
        compete: bool,
        mut frame: Box<Frame<Value>>,
        mut branches: Vec<Branch<Value>>,
    ) -> Outcome {
        for (index, id) in list.iter().enumerate() {
            if !matches!(branches.get(index), Some(Branch::Idle)) {
                continue;
            }
            let input = frame.input.clone().unwrap_or_default();
            let outcome = self.enter(*id, input);
            match self.after_branch(task, compete, frame, branches, index, outcome) {
                Ok((same, rest)) => (frame, branches) = (same, rest),
                Err(outcome) => return outcome,
            }
        }
        if branches.iter().any(|branch| !matches!(branch, Branch::Done(_))) {
            frame.body = Body::Fork(branches);
            return self.park(task, frame, false, false);
        }
        let outputs = branches.into_iter().map(|branch| match branch {
            Branch::Done(output) => output,
            _ => Value::Null,
        });
        let outputs = Value::array(outputs);
        self.complete(task, frame, outputs, task.then)
    }

    /// The fork with what came of one branch in it, or what came of the fork.
    #[expect(clippy::type_complexity, reason = "the two are only handed through")]
    fn after_branch(
        &mut self,
        task: &Task,
        compete: bool,
        mut frame: Box<Frame<Value>>,
        mut branches: Vec<Branch<Value>>,
        index: usize,
        outcome: Outcome,
    ) -> Result<(Box<Frame<Value>>, Vec<Branch<Value>>), Outcome> {
        match outcome {
            Outcome::Done { output, flow } if compete || flow == Flow::End => {
                for branch in &branches {
                    if let Branch::Running(child) = branch {
                        self.abandon(child);
                        self.record(&child.pointer, TraceEvent::Cancelled);
                    }
                }
                let flow = if flow == Flow::End { Flow::End } else { task.then };
                Err(self.complete(task, frame, output, flow))
            }
            Outcome::Done { output, .. } => {
                branches[index] = Branch::Done(output);
                Ok((frame, branches))
            }
            Outcome::Waiting(child) => {
                branches[index] = Branch::Running(child);
                Ok((frame, branches))
            }
            Outcome::Failed { fault, .. } if self.unwinds(&fault) => {
                branches[index] = Branch::Done(Value::Null);
                let busy = branches.iter().any(|branch| matches!(branch, Branch::Running(_)));
                Err(match busy {
                    true => {
                        frame.body = Body::Fork(branches);
                        self.park(task, frame, false, false)
                    }
                    false => self.taken_back(frame),
                })
            }
            Outcome::Failed { fault, frame: child } => {
                branches[index] = Branch::Running(child);
                let idle = branches.iter().any(|branch| matches!(branch, Branch::Idle));
                frame.body = Body::Fork(branches);
                Self::trim(task, &mut frame, false, idle);
                Err(Outcome::Failed { fault, frame })
            }
        }
    }
}
