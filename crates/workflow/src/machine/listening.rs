//! `listen`: which events are taken, and what is made of them.

use model::Value;

use super::{Machine, NULL, Outcome, Signal};
use crate::definition::{Each, Filter, Flow, Listen, Mode, Task};
use crate::event::{EventFilter, fingerprint};
use crate::fault::{Fault, FaultType};
use crate::state::{Body, Frame, Listening, Turn};
use crate::step::{Command, Ignored, ListenMode, TraceEvent};

/// Most events that wait for their turn in one `foreach`.
const QUEUE_MAX: usize = 10_000;
/// How many events back one that is delivered twice is recognised.
const HEARD_MAX: usize = 1024;

impl<'w> Machine<'w, '_> {
    pub(super) fn begin_listen(&mut self, task: &Task, listen: &'w Listen, mut frame: Box<Frame<Value>>) -> Outcome {
        let expected = self.expected(task, listen, &frame);
        let expected = match expected {
            Err(fault) => return self.fail(frame, fault),
            Ok(expected) => expected,
        };
        let listening = Box::new(Listening {
            attempt: self.next(),
            satisfied: vec![false; expected.len()],
            expected,
            consumed: Vec::new(),
            heard: Vec::new(),
            queue: Vec::new(),
            turn: None,
            turns: 0,
            closed: false,
        });
        if matches!(listen.mode, Mode::All) && listen.filters.is_empty() {
            return self.complete(task, frame, Value::array(Vec::<Value>::new()), task.then);
        }
        self.record(&task.pointer, TraceEvent::Listening);
        self.ask(task, listen, &listening);
        frame.body = Body::Listening(listening);
        self.park(task, frame, true, true)
    }

    /// Messages that a subscription has consumed have their turns, one after the other.
    pub(super) fn begin_messages(
        &mut self,
        task: &Task,
        listen: &'w Listen,
        frame: Box<Frame<Value>>,
        messages: &Value,
    ) -> Outcome {
        let listening = Box::new(Listening {
            attempt: self.next(),
            satisfied: Vec::new(),
            expected: Vec::new(),
            consumed: Vec::new(),
            heard: Vec::new(),
            queue: messages.items().to_vec(),
            turn: None,
            turns: 0,
            closed: true,
        });
        self.turns(task, listen, frame, listening)
    }

    /// It has listened for as long as it was to: what has come is what it gives, once that had its turns.
    pub(super) fn end_listen(
        &mut self,
        task: &Task,
        listen: &'w Listen,
        frame: Box<Frame<Value>>,
        mut listening: Box<Listening<Value>>,
    ) -> Outcome {
        self.stop(task, listen, &mut listening);
        self.turns(task, listen, frame, listening)
    }

    /// Per filter, what its attributes and correlations must equal, computed when the listening begins.
    fn expected(&self, task: &Task, listen: &Listen, frame: &Frame<Value>) -> Result<Vec<Value>, Fault> {
        let view = self.view(task, frame, &NULL);
        let each = |filter: &Filter| {
            let attributes = filter.attributes.iter().map(|(_, template)| template.evaluate(view.input, &view));
            let correlations = filter.correlations.iter().map(|correlate| match &correlate.expect {
                Some(template) => template.evaluate(view.input, &view),
                None => Ok(Value::Null),
            });
            Ok(Value::from(attributes.chain(correlations).collect::<Result<Vec<Value>, Fault>>()?))
        };
        listen.filters.iter().map(each).collect()
    }

    /// Asks for events, or for fewer than before.
    pub(super) fn ask(&mut self, task: &Task, listen: &Listen, listening: &Listening<Value>) {
        let first_end = listen.first_end();
        let mut filters = Vec::with_capacity(listen.filters.len());
        for (index, filter) in listen.filters.iter().enumerate() {
            if !listening.satisfied[index] {
                filters.push(filter.asked(listening.expected[index].items(), index >= first_end));
            }
        }
        if first_end == 0 && !matches!(listen.mode, Mode::One | Mode::All) {
            // `any: []` takes every event.
            filters.push(EventFilter::default());
        }
        let mode = match listen.mode {
            Mode::One => ListenMode::One,
            Mode::Any => ListenMode::Any,
            Mode::All => ListenMode::All,
            Mode::Until(_) | Mode::UntilConsumed { .. } => ListenMode::Until,
        };
        let position = self.position(&task.pointer, listening.attempt);
        self.commands.push(Command::Listen { position, filters, mode });
    }

    pub(super) fn resume_listen(
        &mut self,
        task: &Task,
        listen: &'w Listen,
        frame: Box<Frame<Value>>,
        mut listening: Box<Listening<Value>>,
        (attempt, signal): (u32, Signal),
    ) -> Outcome {
        match signal {
            Signal::Heard(event) if attempt == listening.attempt => self.hear(task, listen, frame, listening, event),
            signal => match (listening.turn.take(), &listen.each) {
                (Some(turn), Some(each)) => {
                    self.open_turn(&turn.event, listening.turns);
                    let outcome = self.resume_list(&each.body, turn.child, attempt, signal);
                    self.close_turn();
                    match self.after_turn(task, listen, each, frame, listening, turn.event, outcome) {
                        Ok((frame, listening)) => self.turns(task, listen, frame, listening),
                        Err(outcome) => outcome,
                    }
                }
                _ => self.fail(frame, Fault::new(FaultType::Configuration, "no event is being worked on here")),
            },
        }
    }

    fn hear(
        &mut self,
        task: &Task,
        listen: &'w Listen,
        mut frame: Box<Frame<Value>>,
        mut listening: Box<Listening<Value>>,
        event: Value,
    ) -> Outcome {
        let fingerprint = fingerprint(&event);
        let refused = if fingerprint.is_some_and(|number| listening.heard.contains(&number)) {
            Some(Ignored::HeardBefore)
        } else {
            None
        };
        let taken = match refused {
            Some(_) => None,
            None => self.taken_by(task, listen, &frame, &listening, &event),
        };
        let Some(taken) = taken else {
            self.ignored = Some(refused.unwrap_or(Ignored::NotAsked));
            frame.body = Body::Listening(listening);
            return Outcome::Waiting(frame);
        };
        if let Some(number) = fingerprint {
            if listening.heard.len() >= HEARD_MAX {
                listening.heard.remove(0);
            }
            listening.heard.push(number);
        }
        let learned = self.learn(task, listen, &frame, &mut listening, taken, &event);
        let mut ended = false;
        if let Some(index) = taken
            && index >= listen.first_end()
        {
            listening.satisfied[index] = true;
            let ends = &listening.satisfied[listen.first_end()..];
            ended = match listen.mode {
                Mode::UntilConsumed { all: true, .. } => ends.iter().all(|satisfied| *satisfied),
                _ => true,
            };
        } else {
            let item = listen.read.of(&event);
            if listen.each.is_some() {
                if listening.queue.len() >= QUEUE_MAX {
                    frame.body = Body::Listening(listening);
                    self.abandon(&frame);
                    let detail = "more than 10,000 events wait for their turn in `foreach`";
                    return self.fail(frame, Fault::new(FaultType::Runtime, detail));
                }
                listening.queue.push(item);
            } else {
                listening.consumed.push(item);
            }
            match &listen.mode {
                Mode::One | Mode::Any => ended = true,
                Mode::All => {
                    if let Some(index) = taken {
                        listening.satisfied[index] = true;
                    }
                    ended = listening.satisfied.iter().all(|satisfied| *satisfied);
                }
                Mode::Until(until) if listen.each.is_none() => {
                    let so_far = Value::from(listening.consumed.clone());
                    let holds = until.holds(&so_far, &self.view(task, &frame, &so_far));
                    match holds {
                        Ok(holds) => ended = holds,
                        Err(fault) => {
                            frame.body = Body::Listening(listening);
                            self.abandon(&frame);
                            return self.fail(frame, fault);
                        }
                    }
                }
                Mode::Until(_) | Mode::UntilConsumed { .. } => {}
            }
        }
        if ended {
            self.stop(task, listen, &mut listening);
        } else if learned || (matches!(listen.mode, Mode::All) && taken.is_some()) {
            self.ask(task, listen, &listening);
        }
        self.turns(task, listen, frame, listening)
    }

    fn stop(&mut self, task: &Task, listen: &Listen, listening: &mut Listening<Value>) {
        if !listening.closed {
            listening.closed = true;
            self.record(&task.pointer, TraceEvent::Heard { keys: listen.keys(&listening.expected) });
            let position = self.position(&task.pointer, listening.attempt);
            self.commands.push(Command::StopListening { position });
        }
    }

    /// Which filter takes an event: the outer `None` for none of them, the inner for `any: []`.
    fn taken_by(
        &self,
        task: &Task,
        listen: &Listen,
        frame: &Frame<Value>,
        listening: &Listening<Value>,
        event: &Value,
    ) -> Option<Option<usize>> {
        let view = self.view(task, frame, &NULL);
        // An ending filter goes first, so that an event that both want ends the listening.
        let first_end = listen.first_end();
        let order = (first_end..listen.filters.len()).chain(0..first_end);
        let found = order.into_iter().find(|index| {
            !listening.satisfied[*index]
                && listen.filters[*index].takes(listening.expected[*index].items(), event, &view)
        });
        match found {
            Some(index) => Some(Some(index)),
            None if first_end == 0 && !matches!(listen.mode, Mode::One | Mode::All) => Some(None),
            None => None,
        }
    }

    /// A correlation without an expectation takes the value of the first event, for all filters that have it.
    fn learn(
        &self,
        task: &Task,
        listen: &Listen,
        frame: &Frame<Value>,
        listening: &mut Listening<Value>,
        taken: Option<usize>,
        event: &Value,
    ) -> bool {
        let Some(filter) = taken.and_then(|index| listen.filters.get(index)) else { return false };
        let view = self.view(task, frame, &NULL);
        let mut learned = false;
        for correlate in filter.correlations.iter().filter(|correlate| correlate.expect.is_none()) {
            let Ok(value) = correlate.from.evaluate(event, &view) else { continue };
            for (other, expected) in listen.filters.iter().zip(&mut listening.expected) {
                for (index, same) in other.correlations.iter().enumerate() {
                    let place = other.attributes.len() + index;
                    if same.name == correlate.name && same.expect.is_none() && expected.at(place).is_null() {
                        let mut values = expected.items().to_vec();
                        values[place] = value.clone();
                        *expected = Value::from(values);
                        learned = true;
                    }
                }
            }
        }
        learned
    }

    /// Gives waiting events their turns in `foreach`, then completes if the listening is over.
    fn turns(
        &mut self,
        task: &Task,
        listen: &'w Listen,
        mut frame: Box<Frame<Value>>,
        mut listening: Box<Listening<Value>>,
    ) -> Outcome {
        if let Some(each) = &listen.each {
            while listening.turn.is_none() && !listening.queue.is_empty() {
                let event = listening.queue.remove(0);
                self.open_turn(&event, listening.turns);
                let outcome = self.run_list(&each.body, event.clone());
                self.close_turn();
                match self.after_turn(task, listen, each, frame, listening, event, outcome) {
                    Ok(same) => (frame, listening) = same,
                    Err(outcome) => return outcome,
                }
            }
        }
        if listening.closed && listening.turn.is_none() {
            let consumed = Value::from(listening.consumed);
            return self.complete(task, frame, consumed, task.then);
        }
        frame.body = Body::Listening(listening);
        self.park(task, frame, true, true)
    }

    #[expect(clippy::type_complexity, clippy::too_many_arguments, reason = "the parts are only handed through")]
    fn after_turn(
        &mut self,
        task: &Task,
        listen: &Listen,
        each: &Each,
        mut frame: Box<Frame<Value>>,
        mut listening: Box<Listening<Value>>,
        event: Value,
        outcome: Outcome,
    ) -> Result<(Box<Frame<Value>>, Box<Listening<Value>>), Outcome> {
        match outcome {
            Outcome::Done { output, flow: Flow::End } => {
                self.stop(task, listen, &mut listening);
                Err(self.complete(task, frame, output, Flow::End))
            }
            Outcome::Done { output, .. } => {
                self.open_turn(&event, listening.turns);
                let shaped = self.shape_turn(task, each, &frame, output);
                self.close_turn();
                let ended = shaped.and_then(|output| {
                    listening.consumed.push(output);
                    listening.turns = listening.turns.saturating_add(1);
                    match &listen.mode {
                        Mode::Until(until) => {
                            let so_far = Value::from(listening.consumed.clone());
                            until.holds(&so_far, &self.view(task, &frame, &so_far))
                        }
                        _ => Ok(false),
                    }
                });
                match ended {
                    Ok(true) => {
                        self.stop(task, listen, &mut listening);
                        listening.queue.clear();
                    }
                    Ok(false) => {}
                    Err(fault) => {
                        frame.body = Body::Listening(listening);
                        self.abandon(&frame);
                        return Err(self.fail(frame, fault));
                    }
                }
                Ok((frame, listening))
            }
            Outcome::Waiting(child) => {
                listening.turn = Some(Turn { event, child });
                Ok((frame, listening))
            }
            Outcome::Failed { fault, frame: child } => {
                listening.turn = Some(Turn { event, child });
                frame.body = Body::Listening(listening);
                Err(Outcome::Failed { fault, frame })
            }
        }
    }

    fn shape_turn(&mut self, task: &Task, each: &Each, frame: &Frame<Value>, raw: Value) -> Result<Value, Fault> {
        let output = match &each.output.template {
            Some(template) => template.evaluate(&raw, &self.view(task, frame, &raw))?,
            None => raw,
        };
        if let Some(schema) = &each.output.schema {
            schema.check(&output).map_err(|error| {
                Fault::new(FaultType::Validation, format!("the output of `foreach` does not fit its schema: {error}"))
            })?;
        }
        if let Some(template) = &each.export.template {
            let context = template.evaluate(&output, &self.view(task, frame, &output))?;
            if let Some(schema) = &each.export.schema {
                schema.check(&context).map_err(|error| {
                    let detail = format!("the context exported by `foreach` does not fit its schema: {error}");
                    Fault::new(FaultType::Validation, detail)
                })?;
            }
            self.state.context = context;
        }
        Ok(output)
    }

    fn open_turn(&mut self, event: &Value, turn: u32) {
        self.scope.push(event.clone());
        self.scope.push(Value::from(turn));
        self.iterations.push(turn);
    }

    fn close_turn(&mut self) {
        self.scope.truncate(self.scope.len().saturating_sub(2));
        self.iterations.pop();
    }
}
