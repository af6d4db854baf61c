//! Tasks that reach outside: calls, requests, other workflows, events, pauses; and errors that are raised.

use std::sync::Arc;

use model::{Object, Value};

use super::{Machine, NULL, Outcome};
use crate::definition::{ErrorTemplate, Kind, Task};
use crate::duration::later;
use crate::fault::{Fault, FaultType, canonical_type};
use crate::state::{Body, Frame, Work};
use crate::step::Command;

impl Machine<'_, '_> {
    pub(super) fn begin_outside(&mut self, task: &Task, mut frame: Box<Frame<Value>>, input: &Value) -> Outcome {
        match &task.kind {
            Kind::Raise(error) => {
                let fault = self.raised(task, &frame, error, input).unwrap_or_else(|fault| fault);
                self.fail(frame, fault)
            }
            Kind::Wait(duration) => {
                let after = duration.resolve(self.now, input, &self.view(task, &frame, &NULL));
                match after {
                    Err(fault) => self.fail(frame, fault),
                    Ok(after) => {
                        frame.body = Body::Sleeping(self.timer(&task.pointer, later(self.now, after)));
                        self.park(task, frame, false, true)
                    }
                }
            }
            Kind::Emit(attributes) => {
                let event = self.emitted(task, &frame, attributes, input);
                if let Ok(event) = &event {
                    let attempt = self.next();
                    let position = self.position(&task.pointer, attempt);
                    self.commands.push(Command::Emit { position, event: event.clone() });
                }
                self.end(task, frame, event)
            }
            Kind::Call { function, arguments } => {
                let arguments = arguments.evaluate(input, &self.view(task, &frame, &NULL));
                match arguments {
                    Err(fault) => self.fail(frame, fault),
                    Ok(input) => {
                        let attempt = self.next();
                        let position = self.position(&task.pointer, attempt);
                        self.commands.push(Command::Call { position, function: function.clone(), input });
                        frame.body = Body::Outside { attempt, work: Work::Call };
                        self.park(task, frame, true, false)
                    }
                }
            }
            Kind::Request { protocol, call, awaited, messages } => {
                let call = call.evaluate(input, &self.view(task, &frame, &NULL));
                match call {
                    Err(fault) => self.fail(frame, fault),
                    Ok(call) => {
                        let attempt = self.next();
                        let position = self.position(&task.pointer, attempt);
                        self.commands.push(Command::Request { position, protocol: *protocol, call });
                        frame.body = Body::Outside { attempt, work: Work::Request };
                        self.park(task, frame, true, !awaited || messages.is_some())
                    }
                }
            }
            Kind::Subflow(subflow) => {
                let given = match &subflow.input {
                    Some(template) => template.evaluate(input, &self.view(task, &frame, &NULL)),
                    None => Ok(input.clone()),
                };
                let given = match given {
                    Err(fault) => return self.fail(frame, fault),
                    Ok(given) => given,
                };
                let attempt = self.next();
                self.commands.push(Command::StartRun {
                    position: self.position(&task.pointer, attempt),
                    namespace: Arc::clone(&subflow.namespace),
                    name: Arc::clone(&subflow.name),
                    version: Arc::clone(&subflow.version),
                    input: given,
                    await_result: subflow.awaited,
                });
                if subflow.awaited {
                    frame.body = Body::Outside { attempt, work: Work::Subflow };
                    self.park(task, frame, true, false)
                } else {
                    self.complete(task, frame, input.clone(), task.then)
                }
            }
            _ => self.fail(frame, Fault::new(FaultType::Configuration, "this task reaches nothing outside")),
        }
    }

    fn raised(&self, task: &Task, frame: &Frame<Value>, error: &ErrorTemplate, input: &Value) -> Result<Fault, Fault> {
        let view = self.view(task, frame, &NULL);
        let text = |value: Value| -> Arc<str> {
            match value {
                Value::String(text) => text.into(),
                other => other.to_string().into(),
            }
        };
        let optional = |template: &Option<crate::code::Template>| {
            template.as_ref().map(|template| template.evaluate(input, &view).map(text)).transpose()
        };
        Ok(Fault {
            fault_type: text(error.fault_type.evaluate(input, &view)?),
            status: u16::try_from(error.status).unwrap_or(500),
            title: optional(&error.title)?,
            detail: optional(&error.detail)?,
            instance: optional(&error.instance)?.unwrap_or_else(|| "".into()),
            data: Value::Null,
        })
    }

    fn emitted(
        &self,
        task: &Task,
        frame: &Frame<Value>,
        attributes: &[(Arc<str>, crate::code::Template)],
        input: &Value,
    ) -> Result<Value, Fault> {
        let view = self.view(task, frame, &NULL);
        let mut event = Object::default();
        let id = format!("{}/{}", self.state.run, self.state.sequence.wrapping_add(1));
        let source = format!("/workflows/{}/{}", self.workflow.namespace, self.workflow.name);
        event.insert("specversion".into(), Value::from("1.0"));
        event.insert("id".into(), Value::from(id));
        event.insert("source".into(), Value::from(source));
        event.insert("type".into(), Value::Null);
        event.insert("time".into(), Value::from(self.now.to_string()));
        for (name, template) in attributes {
            event.insert(Arc::clone(name).into(), template.evaluate(input, &view)?);
        }
        if event.get("type").and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(Fault::new(FaultType::Expression, "the event's `type` is not a text"));
        }
        if event.contains_key("data") && !event.contains_key("datacontenttype") {
            event.insert("datacontenttype".into(), Value::from("application/json"));
        }
        Ok(Value::from(event))
    }
}

/// Whether a fault is of the wanted type, in whichever generation either was written.
pub(super) fn same_type(wanted: &str, fault: &str) -> bool {
    wanted == fault || canonical_type(wanted) == canonical_type(fault)
}
