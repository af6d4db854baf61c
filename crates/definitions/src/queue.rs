//! Work queues: where exceptions wait for people, and what people can do with them.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use model::QueueName;

/// One file of `queues/`.
#[derive(Debug)]
pub struct Queue {
    /// Its name.
    pub name: QueueName,
    /// What people call it.
    pub title: Arc<str>,
    /// What it is for, one sentence.
    pub purpose: Arc<str>,
    /// Roles that may act.
    pub who: Vec<Arc<str>>,
    /// How soon an item should be resolved.
    pub clock: Duration,
    /// What can be done with an item, in the order of the buttons.
    pub actions: IndexMap<Arc<str>, QueueAction>,
}

/// Something that a person can do with a work item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueAction {
    /// What the button says.
    pub label: Arc<str>,
    /// Whether the person may change the record.
    pub edit: bool,
    /// Whether the person has to say why.
    pub note_required: bool,
    /// How the button looks.
    pub style: ActionStyle,
}

/// How a button looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ActionStyle {
    /// As the usual choice.
    #[default]
    Plain,
    /// As the best choice.
    Primary,
    /// As one that cannot be undone.
    Danger,
}
