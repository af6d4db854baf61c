//! One task as a box.

use std::sync::Arc;

use super::glyph::Glyph;
use super::list::Place;
use super::marks::{Marked, Marks, Stand};
use super::measure::Face;
use super::plan::Plan;
use super::shape::{Anchor, Block, Exit, Go, Line, Node, Outline, Rect, Side, Text};
use super::words::{Words, bounded, glyph};
use crate::definition::{Flow, Kind, Task, TaskId, Tasks};

/// Half the width of a box.
pub(super) const HALF: i32 = 136;
/// Where the texts of a box begin, from its left edge, and the room that stays free at its right edge.
const INDENT: i32 = 48;
const MARGIN: i32 = 14;
/// Room for the sign that a task was done.
const BADGE: i32 = 40;
/// From one line of text to the next.
const LEADING: i32 = 16;
/// Most lines about how a task stands.
const NOW_LINES: usize = 3;

/// Turns tasks into blocks.
pub(super) struct Painter<'a> {
    pub(super) tasks: &'a Tasks,
    pub(super) plan: &'a Plan,
    pub(super) marks: &'a Marks,
}

/// The upper part of a box: its sign, its name and some lines.
pub(super) struct Header {
    pub(super) node: Node,
    pub(super) height: i32,
}

impl Painter<'_> {
    /// A task with all that is inside it.
    pub(super) fn task(&self, id: TaskId, place: &Place<'_>) -> Block {
        let Some(task) = self.tasks.get(id) else { return Block::default() };
        let mut block = match &task.kind {
            Kind::Switch(cases) => return self.switch(id, task, cases, place),
            _ if self.plan.is_open(id) => self.frame(id, task, place),
            Kind::Do(_)
            | Kind::For(_)
            | Kind::Fork { .. }
            | Kind::Try(_)
            | Kind::Function { .. }
            | Kind::Extended(_) => self.folded(id, task),
            Kind::Listen(_) | Kind::Request { .. } if self.plan.inside(id) > 0 => self.folded(id, task),
            _ => self.leaf(id, task),
        };
        let fails = matches!(task.kind, Kind::Raise(_));
        let leaves = block.bottom.is_some() && !fails;
        block.bottom = leaves.then(|| place.go(task.then));
        if task.condition.is_some() && block.bottom != Some(Go::Next) {
            // What is skipped goes on, whatever the task itself would do.
            let at = (block.right, HALF.min(block.height / 2));
            block.exits.push(Exit { at, side: Side::Right, go: place.around(), line: Line::Skip });
        }
        block
    }

    fn leaf(&self, id: TaskId, task: &Task) -> Block {
        let words = Words::of(task);
        boxed(self.header(id, task, &words, Outline::Task, HALF, HALF))
    }

    /// A task whose inside is not drawn.
    fn folded(&self, id: TaskId, task: &Task) -> Block {
        let mut words = Words::of(task);
        let inside = self.plan.inside(id);
        let count = format!("{} task{}", grouped(inside), if inside == 1 { "" } else { "s" });
        words.what = if words.what.is_empty() { count } else { format!("{count} · {}", words.what) };
        boxed(self.header(id, task, &words, Outline::Folded, HALF, HALF))
    }

    /// Tasks of a list that are not drawn.
    pub(super) fn rest(&self, list: &[TaskId]) -> Block {
        let count: usize = list.iter().map(|id| 1 + self.plan.inside(*id)).sum();
        let name: Arc<str> = format!("{} more tasks", grouped(count)).into();
        let lively = list.iter().any(|id| self.plan.is_lively(*id));
        let node = Node {
            outline: Outline::Folded,
            rect: Rect { x: -HALF, y: 0, width: 2 * HALF, height: 0 },
            pointer: None,
            kind: "rest",
            glyph: Some((Glyph::More, (-HALF + 10, 8))),
            name: Arc::clone(&name),
            about: Vec::new(),
            texts: vec![Text {
                at: (-HALF + INDENT, 27),
                anchor: Anchor::Start,
                class: "name",
                text: name.to_string(),
                title: None,
            }],
            header: 0,
            marked: Marked::default(),
            lively,
        };
        boxed(Header { node, height: 44 })
    }

    /// The node of a box that reaches so far to both sides, with its texts; its height is that of the texts.
    pub(super) fn header(
        &self,
        id: TaskId,
        task: &Task,
        words: &Words,
        outline: Outline,
        left: i32,
        right: i32,
    ) -> Header {
        let marked = self.marks.get(&task.pointer).cloned().unwrap_or_default();
        let width = left + right - INDENT - MARGIN;
        let named = if marked.done > 0 { width - BADGE } else { width };
        let begin = -left + INDENT;
        let line = |class: &'static str, face: Face, text: &str, y: i32, width: i32| Text {
            at: (begin, y),
            anchor: Anchor::Start,
            class,
            text: face.cut(text, width),
            title: None,
        };
        let mut lines: Vec<(&'static str, Face, String)> = Vec::new();
        if !words.what.is_empty() {
            lines.push(("what", Face::Plain, words.what.clone()));
        }
        lines.extend(words.more.iter().map(|more| ("more", Face::Plain, more.clone())));
        let now = marked.now.as_ref().filter(|now| now.stand != Stand::Skipped && !now.line.is_empty());
        let now = now.map(|now| Face::Strong.wrap(&now.line, width, NOW_LINES)).unwrap_or_default();
        lines.extend(now.into_iter().map(|line| ("now", Face::Strong, line)));
        let single = lines.is_empty();
        let mut y = if single { 27 } else { 21 };
        let mut texts = vec![line("name", Face::Name, &task.name, y, named)];
        for (class, face, text) in &lines {
            y += LEADING;
            texts.push(line(class, *face, text, y, width));
        }
        let height = if single { 44 } else { y + 13 };
        let about = std::iter::once(words.what.clone()).chain(words.more.iter().cloned());
        let node = Node {
            outline,
            rect: Rect { x: -left, y: 0, width: left + right, height },
            pointer: Some(Arc::clone(&task.pointer)),
            kind: words.kind,
            glyph: Some((glyph(&task.kind), (-left + 10, 8))),
            name: Arc::clone(&task.name),
            about: about.filter(|line| !line.is_empty()).map(bounded).collect(),
            texts,
            header: if outline == Outline::Frame { height } else { 0 },
            lively: self.plan.is_lively(id),
            marked,
        };
        Header { node, height }
    }

    /// Where the flow goes after a `catch`, when it goes anywhere.
    pub(super) fn caught(task: &Task, then: Option<Flow>, place: &Place<'_>) -> Option<Go> {
        then.filter(|then| place.go(*then) != place.go(task.then)).map(|then| match place.go(then) {
            Go::Next => place.around(),
            go => go,
        })
    }
}

/// A box with nothing inside.
fn boxed(header: Header) -> Block {
    let Header { mut node, height } = header;
    node.rect.height = height;
    Block { left: HALF, right: HALF, height, bottom: Some(Go::Next), nodes: vec![node], ..Block::default() }
}

/// `19,740`
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut said = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            said.push(',');
        }
        said.push(digit);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn large_numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 19_740, 1_234_567].map(grouped), ["0", "999", "1,000", "19,740", "1,234,567"]);
    }
}
