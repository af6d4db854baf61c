//! What a run must have done, from where it is: tasks that every way to that place passes through. A state keeps no
//! history, so this is what can be known without a timeline.

use std::collections::{HashMap, HashSet};

use super::marks::{Mark, Marks};
use crate::definition::{Flow, Kind, List, Task, TaskId, Tasks};
use crate::workflow::{ROOT, Workflow};

/// Longer lists are not looked at: the ways through them are tried out task by task.
const LIST_MAX: usize = 600;

impl Marks {
    /// Adds that tasks were done which the run cannot have come past, to be where the marks say that it is. Tasks that may
    /// have been skipped, and those inside a `try` or a loop that is over, are not among them.
    pub fn reckon(&mut self, workflow: &Workflow) {
        let mut reckoning = Reckoning::new(&workflow.tasks);
        let places: Vec<TaskId> =
            self.lively().filter_map(|pointer| workflow.tasks.by_pointer.get(pointer).copied()).collect();
        // Many places share what is around them.
        let mut seen = HashSet::new();
        for place in places {
            let mut at = place;
            while seen.insert(at)
                && let Some((parent, list, index)) = reckoning.place(at)
            {
                reckoning.before(&list, index);
                at = parent;
            }
        }
        self.take(workflow, reckoning);
    }

    /// Adds that tasks were done which a run cannot have come past, to complete.
    pub fn reckon_completed(&mut self, workflow: &Workflow) {
        let mut reckoning = Reckoning::new(&workflow.tasks);
        reckoning.inside(ROOT);
        self.take(workflow, reckoning);
    }

    fn take(&mut self, workflow: &Workflow, reckoning: Reckoning<'_>) {
        for task in reckoning.done.into_iter().filter_map(|id| workflow.tasks.get(id)) {
            if self.get(&task.pointer).is_none_or(|marked| marked.done == 0 && marked.now.is_none()) {
                self.add(&task.pointer, Mark::Done(1));
            }
        }
    }
}

struct Reckoning<'a> {
    tasks: &'a Tasks,
    /// Per task that stands in a list: the task with the list, the list, and the place in it.
    places: HashMap<TaskId, (TaskId, List, usize)>,
    done: Vec<TaskId>,
}

impl<'a> Reckoning<'a> {
    fn new(tasks: &'a Tasks) -> Self {
        let mut places = HashMap::new();
        for (number, task) in tasks.all.iter().enumerate() {
            let Ok(id) = u32::try_from(number).map(TaskId) else { continue };
            for list in lists(&task.kind) {
                for (index, child) in list.iter().enumerate() {
                    places.insert(*child, (id, List::clone(&list), index));
                }
            }
        }
        Self { tasks, places, done: Vec::new() }
    }

    fn place(&self, id: TaskId) -> Option<(TaskId, List, usize)> {
        self.places.get(&id).cloned()
    }

    /// What must have been done of a list to reach this place of it; its end is one behind the last.
    fn before(&mut self, list: &List, target: usize) {
        if list.len() > LIST_MAX {
            return;
        }
        let ways: Vec<Vec<usize>> = (0..list.len()).map(|index| self.ways(list, index)).collect();
        for (index, id) in list.iter().enumerate().filter(|(index, _)| *index != target) {
            let sure = self.tasks.get(*id).is_some_and(|task| task.condition.is_none());
            if sure && !reaches(&ways, target, index) {
                self.done.push(*id);
                self.inside(*id);
            }
        }
    }

    /// What must have been done inside of a task that is done.
    fn inside(&mut self, id: TaskId) {
        match self.tasks.get(id).map(|task| &task.kind) {
            Some(Kind::Do(list) | Kind::Function { body: list, .. }) => self.before(list, list.len()),
            Some(Kind::Fork { branches, compete: false }) if !self.ends(id) => {
                for branch in branches.iter() {
                    if self.tasks.get(*branch).is_some_and(|task| task.condition.is_none()) {
                        self.done.push(*branch);
                        self.inside(*branch);
                    }
                }
            }
            Some(Kind::Extended(extended)) => {
                self.done.push(extended.task);
                self.inside(extended.task);
            }
            _ => {}
        }
    }

    /// Where the flow may go from this place of a list.
    fn ways(&self, list: &List, index: usize) -> Vec<usize> {
        let Some((id, task)) = list.get(index).and_then(|id| Some((*id, self.tasks.get(*id)?))) else {
            return Vec::new();
        };
        let mut flows = Vec::new();
        self.flows(task, &mut flows);
        if task.condition.is_some() {
            flows.push(Flow::Continue);
        }
        if self.ends(id) {
            flows.push(Flow::End);
        }
        let to = |flow: Flow| match flow {
            Flow::Continue => index + 1,
            Flow::Exit | Flow::End => list.len(),
            Flow::To(target) => target,
        };
        flows.into_iter().map(to).collect()
    }

    fn flows(&self, task: &Task, flows: &mut Vec<Flow>) {
        match &task.kind {
            Kind::Switch(cases) => flows.extend(cases.iter().map(|case| case.then)),
            Kind::Try(attempt) => flows.extend(attempt.then),
            Kind::Extended(extended) => {
                if let Some(inner) = self.tasks.get(extended.task) {
                    self.flows(inner, flows);
                }
            }
            _ => {}
        }
        flows.push(task.then);
    }

    /// Whether something inside may end the workflow.
    fn ends(&self, id: TaskId) -> bool {
        let Some(task) = self.tasks.get(id) else { return false };
        let within = super::plan::children(&task.kind);
        within.iter().any(|child| {
            let mut flows = Vec::new();
            if let Some(inner) = self.tasks.get(*child) {
                self.flows(inner, &mut flows);
            }
            flows.contains(&Flow::End) || self.ends(*child)
        })
    }
}

/// Whether the flow can come from the start to this place without passing through another.
fn reaches(ways: &[Vec<usize>], target: usize, without: usize) -> bool {
    let mut seen = vec![false; ways.len() + 1];
    let mut next = vec![0_usize];
    while let Some(at) = next.pop() {
        if at == target {
            return true;
        }
        if at != without && !std::mem::replace(seen.get_mut(at).unwrap_or(&mut true), true) {
            next.extend(ways.get(at).into_iter().flatten().copied());
        }
    }
    false
}

/// The lists right inside a task. That of an extension stands for itself; the task that it extends stands in none.
fn lists(kind: &Kind) -> Vec<List> {
    match kind {
        Kind::Do(list) | Kind::Function { body: list, .. } => vec![List::clone(list)],
        Kind::For(each) => vec![List::clone(&each.body)],
        Kind::Try(attempt) => std::iter::once(&attempt.body).chain(&attempt.handler).cloned().collect(),
        Kind::Listen(listen) | Kind::Request { messages: Some(listen), .. } => {
            listen.each.iter().map(|each| List::clone(&each.body)).collect()
        }
        // Branches do not come after each other, so each is a list of its own.
        Kind::Fork { branches, .. } => branches.iter().map(|branch| List::from([*branch])).collect(),
        Kind::Extended(extended) => {
            let all = extended.extensions.iter();
            let parts = all.flat_map(|extension| extension.before.iter().chain(&extension.after)).cloned();
            parts.chain([List::from([extended.task])]).collect()
        }
        _ => Vec::new(),
    }
}
