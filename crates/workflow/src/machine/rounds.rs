//! `for`, and tasks with extensions.

use model::Value;

use super::task::leave;
use super::{Machine, NULL, Outcome, Signal};
use crate::definition::{Extended, Extension, Flow, ForLoop, List, Task};
use crate::fault::{Fault, FaultType};
use crate::state::{Body, Frame};

impl<'w> Machine<'w, '_> {
    pub(super) fn begin_loop(
        &mut self,
        task: &Task,
        each: &'w ForLoop,
        frame: Box<Frame<Value>>,
        input: &Value,
    ) -> Outcome {
        let items = each.items.evaluate(input, &self.view(task, &frame, &NULL));
        match items {
            Err(fault) => self.fail(frame, fault),
            Ok(items @ Value::Array(_)) => self.rounds(task, each, frame, items, 0, input.clone()),
            Ok(other) => {
                let detail = format!("`for.in` must give a list, but it gave {}", described(&other));
                self.fail(frame, Fault::new(FaultType::Expression, detail))
            }
        }
    }

    pub(super) fn resume_loop(
        &mut self,
        task: &Task,
        each: &'w ForLoop,
        frame: Box<Frame<Value>>,
        (items, index, child): (Value, u32, Box<Frame<Value>>),
        (attempt, signal): (u32, Signal),
    ) -> Outcome {
        self.open_round(&items, index);
        let outcome = self.resume_list(&each.body, child, attempt, signal);
        self.close_round();
        match outcome {
            Outcome::Done { output, flow: Flow::End } => self.complete(task, frame, output, Flow::End),
            Outcome::Done { output, .. } => self.rounds(task, each, frame, items, index.saturating_add(1), output),
            other => Self::in_round(task, frame, items, index, other),
        }
    }

    /// The rounds from this one on; each gets the output of the one before.
    fn rounds(
        &mut self,
        task: &Task,
        each: &'w ForLoop,
        frame: Box<Frame<Value>>,
        items: Value,
        mut index: u32,
        mut data: Value,
    ) -> Outcome {
        while (index as usize) < items.items().len() {
            self.open_round(&items, index);
            let goes_on = match &each.condition {
                None => Ok(true),
                Some(condition) => condition.holds(&data, &self.view(task, &frame, &NULL)),
            };
            let outcome = match goes_on {
                Ok(true) => self.run_list(&each.body, data),
                Ok(false) => {
                    self.close_round();
                    break;
                }
                Err(fault) => {
                    self.close_round();
                    return self.fail(frame, fault);
                }
            };
            self.close_round();
            match outcome {
                Outcome::Done { output, flow: Flow::End } => return self.complete(task, frame, output, Flow::End),
                Outcome::Done { output, .. } => data = output,
                other => return Self::in_round(task, frame, items, index, other),
            }
            index += 1;
        }
        self.complete(task, frame, data, task.then)
    }

    fn in_round(task: &Task, mut frame: Box<Frame<Value>>, items: Value, index: u32, outcome: Outcome) -> Outcome {
        Self::trim(task, &mut frame, false, false);
        match outcome {
            Outcome::Waiting(child) => {
                frame.body = Body::Loop { items, index, child };
                Outcome::Waiting(frame)
            }
            Outcome::Failed { fault, frame: child } => {
                frame.body = Body::Loop { items, index, child };
                Outcome::Failed { fault, frame }
            }
            done @ Outcome::Done { .. } => done,
        }
    }

    fn open_round(&mut self, items: &Value, index: u32) {
        self.scope.push(items.at(index as usize).clone());
        self.scope.push(Value::from(index));
        self.iterations.push(index);
    }

    fn close_round(&mut self) {
        self.scope.truncate(self.scope.len().saturating_sub(2));
        self.iterations.pop();
    }

    /// The parts of an extended task from this one on: what comes before, the task, what comes after. Extensions look on:
    /// only one that says `then: exit` before the task changes the data, by taking the task's place.
    pub(super) fn extend(
        &mut self,
        task: &Task,
        extended: &'w Extended,
        mut frame: Box<Frame<Value>>,
        part: u32,
        mut data: Value,
        mut flow: Flow,
    ) -> Outcome {
        let count = extended.extensions.len();
        for part in part as usize..=2 * count {
            let outcome = if part == count {
                self.enter(extended.task, data.clone())
            } else {
                let Some((extension, Some(list))) = extended.part(part) else { continue };
                let applies = extension.when.as_ref();
                let applies = applies.map_or(Ok(true), |when| when.holds(&data, &self.view(task, &frame, &NULL)));
                match applies {
                    Err(fault) => return self.fail(frame, fault),
                    Ok(false) => continue,
                    Ok(true) => self.run_list(list, data.clone()),
                }
            };
            match self.after_part(task, extended, frame, part, outcome, (data, flow)) {
                Ok(next) => (frame, data, flow) = next,
                Err(outcome) => return outcome,
            }
        }
        let flow = if flow == Flow::Continue { task.then } else { flow };
        self.complete(task, frame, data, flow)
    }

    pub(super) fn resume_extended(
        &mut self,
        task: &Task,
        extended: &'w Extended,
        frame: Box<Frame<Value>>,
        (child, part, flow): (Box<Frame<Value>>, u32, Flow),
        (attempt, signal): (u32, Signal),
    ) -> Outcome {
        let data = frame.input.clone().unwrap_or_default();
        let outcome = match extended.part(part as usize) {
            Some((_, Some(list))) => self.resume_list(list, child, attempt, signal),
            _ => self.resume(child, attempt, signal),
        };
        match self.after_part(task, extended, frame, part as usize, outcome, (data, flow)) {
            Ok((frame, data, flow)) => self.extend(task, extended, frame, part.saturating_add(1), data, flow),
            Err(outcome) => outcome,
        }
    }

    /// The data for the next part and where the task itself wants to go, or what came of the whole.
    fn after_part(
        &mut self,
        task: &Task,
        extended: &Extended,
        mut frame: Box<Frame<Value>>,
        part: usize,
        outcome: Outcome,
        (data, flow): (Value, Flow),
    ) -> Result<(Box<Frame<Value>>, Value, Flow), Outcome> {
        let here = u32::try_from(part).unwrap_or(u32::MAX);
        let (fault, child) = match outcome {
            Outcome::Done { output, flow } if part == extended.extensions.len() => return Ok((frame, output, flow)),
            Outcome::Done { output, flow: flow @ (Flow::End | Flow::Exit) } => {
                return Err(self.complete(task, frame, output, leave(task, flow)));
            }
            Outcome::Done { .. } => return Ok((frame, data, flow)),
            Outcome::Waiting(child) => (None, child),
            Outcome::Failed { fault, frame: child } => (Some(fault), child),
        };
        frame.input = Some(data);
        frame.body = Body::Sequence { child, part: here, flow };
        Self::trim(task, &mut frame, false, true);
        Err(match fault {
            None => Outcome::Waiting(frame),
            Some(fault) => Outcome::Failed { fault, frame },
        })
    }
}

impl Extended {
    /// The extension whose tasks are this part, and the tasks; `None` for the task itself. The first extension is the
    /// outermost.
    fn part(&self, part: usize) -> Option<(&Extension, Option<&List>)> {
        let count = self.extensions.len();
        match part.checked_sub(count) {
            None => self.extensions.get(part).map(|extension| (extension, extension.before.as_ref())),
            Some(0) => None,
            Some(after) => {
                let extension = self.extensions.get(count.checked_sub(after)?)?;
                Some((extension, extension.after.as_ref()))
            }
        }
    }
}

fn described(value: &Value) -> String {
    match value {
        Value::Null => "nothing (null)".to_owned(),
        other => format!("a {}", other.kind()),
    }
}
