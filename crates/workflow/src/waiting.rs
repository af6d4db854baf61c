//! What a stored run waits for: for people who look at it, and for a driver that starts anew.

use std::sync::Arc;

use jiff::Timestamp;
use model::Value;

use crate::position::Position;
use crate::state::{Body, Frame, RunState, Timer, Work};

/// One thing that a run waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Where.
    pub position: Position,
    /// For what.
    pub reason: WaitingFor,
    /// Since when the task is under way.
    pub since: Timestamp,
}

/// For what a run waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitingFor {
    /// The answer of a function.
    Call,
    /// The answer to a request.
    Request,
    /// The end of another workflow.
    Workflow,
    /// An event.
    Event,
    /// The end of a pause.
    Pause {
        /// When.
        until: Timestamp,
    },
    /// The next try after an error.
    Retry {
        /// When.
        at: Timestamp,
        /// How many retries that makes.
        retries: u32,
    },
    /// Its turn, as it has worked for long without a pause.
    Turn,
    /// The end of a task's time; something else is awaited too.
    Deadline {
        /// When.
        until: Timestamp,
    },
    /// A person, since the task failed.
    Person,
}

impl RunState {
    /// All that the run waits for, in the order of the document's branches.
    #[must_use]
    pub fn waiting(&self) -> Vec<Waiting> {
        let mut found = Vec::new();
        if let Some(root) = &self.0.root {
            collect(root, &mut Vec::new(), &mut found);
        }
        found
    }
}

fn collect(frame: &Frame<Value>, iterations: &mut Vec<u32>, found: &mut Vec<Waiting>) {
    let add = |found: &mut Vec<Waiting>, attempt: u32, reason: WaitingFor, iterations: &[u32]| {
        let position = Position { pointer: Arc::clone(&frame.pointer), iterations: iterations.to_vec(), attempt };
        found.push(Waiting { position, reason, since: frame.started });
    };
    let deadline = |timer: &Timer| (timer.attempt, WaitingFor::Deadline { until: timer.until });
    if let Some((attempt, reason)) = frame.deadline.as_ref().map(deadline) {
        add(found, attempt, reason, iterations);
    }
    let round = match &frame.body {
        Body::Ready(timer) => {
            add(found, timer.attempt, WaitingFor::Turn, iterations);
            None
        }
        Body::Sleeping(timer) => {
            add(found, timer.attempt, WaitingFor::Pause { until: timer.until }, iterations);
            None
        }
        Body::Pausing { timer, round, .. } => {
            let reason = WaitingFor::Retry { at: timer.until, retries: round.retries };
            add(found, timer.attempt, reason, iterations);
            None
        }
        Body::Outside { attempt, work } => {
            let reason = match work {
                Work::Call => WaitingFor::Call,
                Work::Request => WaitingFor::Request,
                Work::Subflow => WaitingFor::Workflow,
            };
            add(found, *attempt, reason, iterations);
            None
        }
        Body::Listening(listening) => {
            if !listening.closed {
                add(found, listening.attempt, WaitingFor::Event, iterations);
            }
            Some(listening.turns)
        }
        Body::Trying { limit, .. } => {
            if let Some((attempt, reason)) = limit.as_ref().map(deadline) {
                add(found, attempt, reason, iterations);
            }
            None
        }
        Body::Failed => {
            add(found, 0, WaitingFor::Person, iterations);
            None
        }
        Body::Loop { index, .. } => Some(*index),
        Body::Sequence { .. } | Body::Fork(_) | Body::Catching { .. } => None,
    };
    iterations.extend(round);
    for child in frame.children() {
        collect(child, iterations, found);
    }
    if round.is_some() {
        iterations.pop();
    }
}
