//! How a run stands, by task: what a picture shows besides the workflow itself.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::state::RunState;
use crate::step::{TraceEntry, TraceEvent};
use crate::waiting::{Waiting, WaitingFor};

/// How a task stands in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It was done so many times.
    Done(u32),
    /// The run is here: for what it waits and since when, in one line.
    Current(String),
    /// It failed, and nothing caught the error: why, in one line.
    Failed(String),
    /// Its condition did not hold.
    Skipped,
    /// It will be tried again: when, and why, in one line.
    Retrying(String),
}

/// All that is known of one task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marked {
    /// How often it was done.
    pub(super) done: u32,
    /// How it stands now, when that is more than being done.
    pub(super) now: Option<Now>,
}

/// How a task stands now. What comes later in this order hides what comes before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stand {
    Skipped,
    Current,
    Retrying,
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Now {
    pub(super) stand: Stand,
    pub(super) line: String,
}

/// How a run stands, by the pointers of tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks(HashMap<Arc<str>, Marked>);

impl Marks {
    /// The places where a run is now. What it has done is known to its timeline only: see [`Marks::follow`].
    #[must_use]
    pub fn of(state: &RunState) -> Self {
        let mut marks = Self::default();
        for waiting in state.waiting() {
            marks.add(&waiting.position.pointer, current(&waiting, state));
        }
        marks
    }

    /// Adds what is known of a task. Times of being done add up; of what is so now, the graver hides the other, and two
    /// lines of the same kind are both told.
    pub fn add(&mut self, pointer: &Arc<str>, mark: Mark) {
        let marked = self.0.entry(Arc::clone(pointer)).or_default();
        let (stand, line) = match mark {
            Mark::Done(times) => {
                marked.done = marked.done.saturating_add(times);
                return;
            }
            Mark::Skipped => (Stand::Skipped, String::new()),
            Mark::Current(line) => (Stand::Current, line),
            Mark::Retrying(line) => (Stand::Retrying, line),
            Mark::Failed(line) => (Stand::Failed, line),
        };
        match &mut marked.now {
            Some(now) if now.stand > stand => {}
            Some(now) if now.stand == stand => {
                if now.line != line && now.line.len() + line.len() < LINE_MAX {
                    now.line.push_str(if now.line.is_empty() { "" } else { "; " });
                    now.line.push_str(&line);
                }
            }
            now => *now = Some(Now { stand, line }),
        }
    }

    /// Takes in one entry of a run's timeline; entries come in their order.
    pub fn follow(&mut self, entry: &TraceEntry) {
        let now = match &entry.event {
            TraceEvent::Completed => None,
            TraceEvent::Skipped => Some(Now { stand: Stand::Skipped, line: String::new() }),
            TraceEvent::Faulted(fault) => Some(Now { stand: Stand::Failed, line: fault.to_string() }),
            TraceEvent::Retrying { retry, at } => {
                Some(Now { stand: Stand::Retrying, line: format!("retry {retry} at {}", minute(*at)) })
            }
            // Where a run is halted is where it was.
            TraceEvent::Suspended | TraceEvent::Resumed | TraceEvent::Listening | TraceEvent::Heard { .. } => return,
            TraceEvent::Started | TraceEvent::Caught(_) | TraceEvent::Cancelled | TraceEvent::RetriedByHand => None,
        };
        let marked = self.0.entry(Arc::clone(&entry.pointer)).or_default();
        if entry.event == TraceEvent::Completed {
            marked.done = marked.done.saturating_add(1);
        }
        marked.now = now;
    }

    /// Whether nothing is known of any task.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, pointer: &str) -> Option<&Marked> {
        self.0.get(pointer)
    }

    /// The tasks at which something is going on.
    pub(super) fn lively(&self) -> impl Iterator<Item = &Arc<str>> {
        let lively = |marked: &Marked| marked.now.as_ref().is_some_and(|now| now.stand > Stand::Skipped);
        self.0.iter().filter(move |(_, marked)| lively(marked)).map(|(pointer, _)| pointer)
    }
}

/// Longest line about a task, in bytes: a task in many loops can wait for many things.
const LINE_MAX: usize = 400;

fn current(waiting: &Waiting, state: &RunState) -> Mark {
    let since = minute(waiting.since);
    Mark::Current(match waiting.reason {
        WaitingFor::Call => format!("waits for its answer, since {since}"),
        WaitingFor::Request => format!("waits for an answer, since {since}"),
        WaitingFor::Workflow => format!("waits for the other workflow, since {since}"),
        WaitingFor::Event => format!("waits for an event, since {since}"),
        WaitingFor::Pause { until } => format!("pauses until {}", minute(until)),
        WaitingFor::Retry { at, retries } => return Mark::Retrying(format!("retry {retries} at {}", minute(at))),
        WaitingFor::Turn => "goes on in a moment".to_owned(),
        WaitingFor::Deadline { until } => format!("has time until {}", minute(until)),
        WaitingFor::Person => {
            let why = state.fault().map(ToString::to_string);
            return Mark::Failed(why.unwrap_or_else(|| "waits for a person".to_owned()));
        }
    })
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
