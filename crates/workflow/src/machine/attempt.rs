//! `try`: which errors are caught, and what is done about them.

use jiff::SignedDuration;
use model::Value;

use super::outside::same_type;
use super::task::leave;
use super::{Machine, NULL, Outcome, Signal};
use crate::definition::{ErrorFilter, Flow, Retry, Task, TryCatch};
use crate::duration::later;
use crate::event::hash;
use crate::fault::{Fault, FaultType};
use crate::state::{Body, Frame, Round, Timer};
use crate::step::TraceEvent;

/// What a `catch` does about an error.
enum Decision {
    Pass,
    Retry(SignedDuration),
    Handle,
}

impl<'w> Machine<'w, '_> {
    pub(super) fn begin_try(
        &mut self,
        task: &Task,
        catch: &'w TryCatch,
        frame: Box<Frame<Value>>,
        input: Value,
    ) -> Outcome {
        let round = Round { retries: 0, since: self.now, unwinding: false };
        self.attempt(task, catch, frame, input, round)
    }

    pub(super) fn resume_try(
        &mut self,
        task: &Task,
        catch: &'w TryCatch,
        frame: Box<Frame<Value>>,
        body: Body<Value>,
        (attempt, signal): (u32, Signal),
    ) -> Outcome {
        match body {
            Body::Trying { child, input, round, limit } if limit.is_some_and(|limit| limit.attempt == attempt) => {
                self.abandon(&child);
                let detail = format!("the attempt was not done by {}", limit.map_or(self.now, |limit| limit.until));
                let fault = Fault::new(FaultType::Timeout, detail).at(&frame.pointer);
                self.caught(task, catch, frame, fault, None, (input, round, None))
            }
            Body::Trying { child, input, round, limit } if matches!(signal, Signal::Unwind) => {
                self.cancel_timer(&task.pointer, limit);
                let outcome = self.resume_list(&catch.body, child, attempt, signal);
                self.judge(task, catch, frame, outcome, (input, Round { unwinding: true, ..round }, None))
            }
            Body::Trying { child, input, round, limit } => {
                let outcome = self.resume_list(&catch.body, child, attempt, signal);
                self.judge(task, catch, frame, outcome, (input, round, limit))
            }
            Body::Pausing { input, round, .. } => self.attempt(task, catch, frame, input, round),
            Body::Catching { error, child } => {
                self.scope.push(error.clone());
                let list = catch.handler.as_deref().unwrap_or_default();
                let outcome = self.resume_list(list, child, attempt, signal);
                self.scope.pop();
                self.handled(task, catch, frame, error, outcome)
            }
            _ => self.fail(frame, Fault::new(FaultType::Configuration, "the stored state does not fit the definition")),
        }
    }

    fn attempt(
        &mut self,
        task: &Task,
        catch: &'w TryCatch,
        frame: Box<Frame<Value>>,
        input: Value,
        round: Round,
    ) -> Outcome {
        let limit = catch.retry.as_ref().and_then(|retry| retry.attempt_duration.as_ref());
        let limit = limit.map(|limit| limit.resolve(self.now, &input, &self.view(task, &frame, &NULL)));
        let limit = match limit {
            Some(Err(fault)) => return self.fail(frame, fault),
            Some(Ok(limit)) => Some(self.timer(&task.pointer, later(self.now, limit))),
            None => None,
        };
        let outcome = self.run_list(&catch.body, input.clone());
        self.judge(task, catch, frame, outcome, (input, round, limit))
    }

    fn judge(
        &mut self,
        task: &Task,
        catch: &'w TryCatch,
        mut frame: Box<Frame<Value>>,
        outcome: Outcome,
        (input, round, limit): (Value, Round, Option<Timer>),
    ) -> Outcome {
        match outcome {
            Outcome::Done { output, flow } => {
                self.cancel_timer(&task.pointer, limit);
                self.complete(task, frame, output, leave(task, flow))
            }
            Outcome::Waiting(child) => {
                frame.body = Body::Trying { child, input, round, limit };
                self.park(task, frame, true, false)
            }
            Outcome::Failed { fault, frame: child } => {
                self.cancel_timer(&task.pointer, limit);
                self.caught(task, catch, frame, fault, Some(child), (input, round, None))
            }
        }
    }

    fn caught(
        &mut self,
        task: &Task,
        catch: &'w TryCatch,
        mut frame: Box<Frame<Value>>,
        fault: Fault,
        child: Option<Box<Frame<Value>>>,
        (input, round, limit): (Value, Round, Option<Timer>),
    ) -> Outcome {
        let error = fault.to_value();
        self.scope.push(error.clone());
        let decision = self.decide(task, catch, &frame, &fault, &error, round);
        self.scope.pop();
        match (decision, child) {
            (Err(own), child) => {
                if let Some(child) = child {
                    self.abandon(&child);
                }
                self.fail(frame, own)
            }
            (Ok(Decision::Pass), Some(child)) => {
                frame.body = Body::Trying { child, input, round, limit };
                Self::trim(task, &mut frame, true, false);
                Outcome::Failed { fault, frame }
            }
            (Ok(Decision::Pass), None) => self.fail(frame, fault),
            (Ok(decision), child) => {
                if let Some(child) = child {
                    self.abandon(&child);
                }
                self.record(&task.pointer, TraceEvent::Caught(fault));
                if let Decision::Retry(delay) = decision {
                    let round = Round { retries: round.retries.saturating_add(1), ..round };
                    let at = later(self.now, delay);
                    self.record(&task.pointer, TraceEvent::Retrying { retry: round.retries, at });
                    let timer = self.timer(&task.pointer, at);
                    frame.body = Body::Pausing { timer, input, round };
                    return self.park(task, frame, true, false);
                }
                self.scope.push(error.clone());
                let outcome = self.run_list(catch.handler.as_deref().unwrap_or_default(), input);
                self.scope.pop();
                self.handled(task, catch, frame, error, outcome)
            }
        }
    }

    /// Takes what came of `catch.do`.
    fn handled(
        &mut self,
        task: &Task,
        catch: &TryCatch,
        mut frame: Box<Frame<Value>>,
        error: Value,
        outcome: Outcome,
    ) -> Outcome {
        match outcome {
            Outcome::Done { .. }
                if self.state.cancelling.is_some() && error.get("type").as_str() == Some(Fault::CANCELLED) =>
            {
                self.taken_back(frame)
            }
            Outcome::Done { output, flow } => {
                let flow = if flow == Flow::End { Flow::End } else { catch.then.unwrap_or(task.then) };
                self.complete(task, frame, output, flow)
            }
            Outcome::Waiting(child) => {
                frame.body = Body::Catching { error, child };
                self.park(task, frame, true, false)
            }
            Outcome::Failed { fault, frame: child } => {
                frame.body = Body::Catching { error, child };
                Self::trim(task, &mut frame, true, false);
                Outcome::Failed { fault, frame }
            }
        }
    }

    fn decide(
        &self,
        task: &Task,
        catch: &TryCatch,
        frame: &Frame<Value>,
        fault: &Fault,
        error: &Value,
        round: Round,
    ) -> Result<Decision, Fault> {
        if self.unwinds(fault) {
            return Ok(if Self::takes_back(catch) { Decision::Handle } else { Decision::Pass });
        }
        if round.unwinding {
            // What could not be taken back is for a person.
            return Ok(Decision::Pass);
        }
        let view = self.view(task, frame, &NULL);
        let wanted = |when: &Option<crate::code::Code>, except: &Option<crate::code::Code>| {
            let when = when.as_ref().map_or(Ok(true), |when| when.holds(error, &view))?;
            let except = except.as_ref().map_or(Ok(false), |except| except.holds(error, &view))?;
            Ok::<bool, Fault>(when && !except)
        };
        if !accepts(&catch.filter, fault) || !wanted(&catch.when, &catch.except)? {
            return Ok(Decision::Pass);
        }
        let Some(retry) = &catch.retry else { return Ok(Decision::Handle) };
        if wanted(&retry.when, &retry.except)?
            && let Some(delay) = self.next_delay(task, retry, error, &view, round)?
        {
            return Ok(Decision::Retry(delay));
        }
        // An error that outlived its retries is only swallowed when the document says what is to be done about it.
        Ok(if catch.handler.is_some() || catch.then.is_some() { Decision::Handle } else { Decision::Pass })
    }

    /// How long to wait before the next retry, if there is one.
    fn next_delay(
        &self,
        task: &Task,
        retry: &Retry,
        error: &Value,
        view: &crate::code::View<'_>,
        round: Round,
    ) -> Result<Option<SignedDuration>, Fault> {
        if retry.count.is_some_and(|count| round.retries >= count) {
            return Ok(None);
        }
        let resolve = |duration: &crate::duration::Duration| duration.resolve(self.now, error, view);
        let base = retry.delay.as_ref().map_or(Ok(SignedDuration::ZERO), resolve)?;
        let mut delay = retry.backoff.delay(base, round.retries.saturating_add(1));
        if let Some((from, to)) = &retry.jitter {
            let (from, to) = (resolve(from)?, resolve(to)?);
            let width = u64::try_from((to.saturating_sub(from)).as_millis().max(0)).unwrap_or(u64::MAX);
            // Spread without chance: runs that fail together get different delays, and a replay gets the same one.
            let number = hash([self.state.run.as_bytes(), task.pointer.as_bytes(), &self.state.sequence.to_le_bytes()]);
            let extra = i64::try_from(number % width.saturating_add(1)).unwrap_or(0);
            delay = delay.saturating_add(from).saturating_add(SignedDuration::from_millis(extra));
        }
        if let Some(limit) = &retry.duration {
            let spent = self.now.duration_since(round.since);
            if spent.saturating_add(delay) > resolve(limit)? {
                return Ok(None);
            }
        }
        Ok(Some(delay))
    }
}

fn accepts(filter: &ErrorFilter, fault: &Fault) -> bool {
    let text = |wanted: &Option<std::sync::Arc<str>>, is: Option<&str>| {
        wanted.as_ref().is_none_or(|wanted| is == Some(&**wanted))
    };
    filter.fault_type.as_ref().is_none_or(|wanted| same_type(wanted, &fault.fault_type))
        && filter.status.is_none_or(|status| status == i64::from(fault.status))
        && text(&filter.instance, Some(&fault.instance))
        && text(&filter.title, fault.title.as_deref())
        && text(&filter.detail, fault.detail.as_deref())
}
