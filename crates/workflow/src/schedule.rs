//! What starts runs of a workflow.

use jiff::SignedDuration;

use crate::cron::Cron;
use crate::definition::Read;
use crate::event::EventFilter;

/// What starts runs of a workflow, besides being asked to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Starts {
    /// Events: each event that one of these filters accepts starts a run, with a list of that one event as its input.
    pub events: Vec<EventFilter>,
    /// What of the event is in the input.
    pub read: Read,
    /// A run each time so much time has passed.
    pub every: Option<SignedDuration>,
    /// A run at these times.
    pub cron: Option<Cron>,
    /// A run so long after the one before has ended.
    pub after: Option<SignedDuration>,
}

impl Starts {
    /// The input of a run that this event starts.
    #[must_use]
    pub fn input(&self, event: &model::Value) -> model::Value {
        model::Value::array([self.read.of(event)])
    }
}
