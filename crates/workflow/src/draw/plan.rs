//! What is drawn of a workflow, and what is folded away because there is too much of it.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use super::marks::Marks;
use crate::definition::{Kind, TaskId, Tasks};

/// Most tasks that are drawn.
const DRAWN_MAX: usize = 600;
/// Of a list that is longer than all that may be drawn: how many from its start and from its end.
const LONG_HEAD: usize = 200;
const LONG_TAIL: usize = 60;
/// How deep frames are drawn in frames.
const DEPTH_MAX: u32 = 24;

/// One thing in a list as it is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Task(TaskId),
    /// Tasks of the list that are not drawn, by their places in it.
    Rest(Range<usize>),
}

/// Which tasks are drawn with what is inside them.
#[derive(Debug)]
pub(super) struct Plan {
    open: HashSet<TaskId>,
    /// Per task: how many tasks are inside it, at any depth.
    inside: Vec<usize>,
    /// Tasks at which, or inside which, something goes on.
    lively: HashSet<TaskId>,
}

impl Plan {
    /// Opens frames from the outside to the inside, those first in which something goes on, as long as there is room.
    pub(super) fn of(tasks: &Tasks, marks: &Marks) -> Self {
        let count = tasks.all.len();
        let mut inside = vec![0_usize; count];
        let mut parents: Vec<Option<TaskId>> = vec![None; count];
        let ids = || (0..count).filter_map(|index| u32::try_from(index).ok()).map(TaskId);
        // A task stands in the table before those inside it.
        for id in ids().rev() {
            let children = tasks.get(id).map(|task| children(&task.kind)).unwrap_or_default();
            let sum = children.iter().map(|child| 1 + inside.get(child.0 as usize).copied().unwrap_or(0)).sum();
            if let Some(own) = inside.get_mut(id.0 as usize) {
                *own = sum;
            }
            for child in children {
                if let Some(parent) = parents.get_mut(child.0 as usize) {
                    *parent = Some(id);
                }
            }
        }
        let mut lively = HashSet::new();
        for pointer in marks.lively() {
            let mut at = tasks.by_pointer.get(pointer).copied();
            while let Some(id) = at.filter(|id| lively.insert(*id)) {
                at = parents.get(id.0 as usize).copied().flatten();
            }
        }
        let mut plan = Self { open: HashSet::new(), inside, lively };
        plan.open_frames(tasks);
        plan
    }

    fn open_frames(&mut self, tasks: &Tasks) {
        let mut left = DRAWN_MAX;
        let mut next: BTreeSet<(bool, u32, TaskId)> = BTreeSet::from([(false, 0, crate::workflow::ROOT)]);
        while let Some((_, depth, id)) = next.pop_first() {
            let Some(task) = tasks.get(id) else { continue };
            let inner = children(&task.kind);
            let whole = inner.len() <= left;
            if !(whole || depth == 0) || depth > DEPTH_MAX || inner.is_empty() {
                continue;
            }
            self.open.insert(id);
            left = left.saturating_sub(if whole { inner.len() } else { LONG_HEAD + LONG_TAIL });
            next.extend(inner.into_iter().map(|child| (!self.lively.contains(&child), depth + 1, child)));
        }
    }

    /// Whether what is inside the task is drawn.
    pub(super) fn is_open(&self, id: TaskId) -> bool {
        self.open.contains(&id)
    }

    /// How many tasks are inside the task.
    pub(super) fn inside(&self, id: TaskId) -> usize {
        self.inside.get(id.0 as usize).copied().unwrap_or(0)
    }

    /// Whether something goes on at the task or in it.
    pub(super) fn is_lively(&self, id: TaskId) -> bool {
        self.lively.contains(&id)
    }

    /// A list as it is drawn. Only the outermost list can be longer than what may be drawn.
    pub(super) fn items(list: &[TaskId]) -> Vec<Item> {
        if list.len() <= DRAWN_MAX {
            return list.iter().copied().map(Item::Task).collect();
        }
        let tail = list.len() - LONG_TAIL;
        let head = list.iter().take(LONG_HEAD).copied().map(Item::Task);
        let rest = std::iter::once(Item::Rest(LONG_HEAD..tail));
        head.chain(rest).chain(list.iter().skip(tail).copied().map(Item::Task)).collect()
    }
}

/// The tasks right inside a task, in the order of the document.
pub(super) fn children(kind: &Kind) -> Vec<TaskId> {
    match kind {
        Kind::Do(list) | Kind::Fork { branches: list, .. } | Kind::Function { body: list, .. } => list.to_vec(),
        Kind::For(each) => each.body.to_vec(),
        Kind::Try(attempt) => {
            attempt.body.iter().chain(attempt.handler.iter().flat_map(|list| list.iter())).copied().collect()
        }
        Kind::Listen(listen) | Kind::Request { messages: Some(listen), .. } => {
            listen.each.iter().flat_map(|each| each.body.iter()).copied().collect()
        }
        Kind::Extended(extended) => {
            let before = extended.extensions.iter().filter_map(|extension| extension.before.as_ref());
            let after = extended.extensions.iter().filter_map(|extension| extension.after.as_ref());
            let lists = |list: &crate::definition::List| list.to_vec();
            before.flat_map(lists).chain([extended.task]).chain(after.flat_map(lists)).collect()
        }
        Kind::Set(_)
        | Kind::Switch(_)
        | Kind::Raise(_)
        | Kind::Wait(_)
        | Kind::Emit(_)
        | Kind::Call { .. }
        | Kind::Request { .. }
        | Kind::Subflow(_) => Vec::new(),
    }
}
