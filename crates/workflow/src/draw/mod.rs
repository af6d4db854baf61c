//! A picture of a workflow as SVG: the course from top to bottom, and on it how a run stands.
//!
//! Lists are columns. A `switch` is a diamond whose cases leave at its sides; the branches of a `fork` stand side by side
//! between bars; `for`, `try` and other tasks with tasks inside are boxes around them. Jumps take their way beside the
//! boxes, forwards on the right and backwards on the left, and jumps to the same task share one. The picture is made
//! without a browser and without measuring fonts, and is the same on every machine. Of a very large workflow, what is
//! inside of tasks is folded away from the inside to the outside, but not where something goes on.
//!
//! | file | holds |
//! |---|---|
//! | `marks.rs` | how a run stands, by task |
//! | `reckon.rs` | what a run must have done to be where it is |
//! | `plan.rs` | what is drawn, and what is folded away |
//! | `words.rs` | what is said about a task |
//! | `measure.rs` | how wide texts are |
//! | `task.rs`, `switch.rs`, `frame.rs`, `list.rs` | boxes, and how they stand to each other |
//! | `shape.rs` | what all that is made of |
//! | `svg.rs`, `glyph.rs`, `style.css` | how it is written down |

mod frame;
mod glyph;
mod list;
mod marks;
mod measure;
mod plan;
mod reckon;
mod shape;
mod svg;
mod switch;
mod task;
mod words;

use std::sync::Arc;

pub use marks::{Mark, Marks};
pub use shape::{Line, Outline, Rect};
pub use svg::STYLE;

use crate::definition::{Kind, List};
use crate::workflow::{ROOT, Workflow};
use measure::Face;
use plan::Plan;
use shape::{Anchor, Block, Edge, Mark as Sign, Node, Text};
use task::Painter;

/// Room around the picture.
const MARGIN: i32 = 20;

/// A picture that can be written down, looked at as a list, or measured.
#[derive(Clone, Debug)]
pub struct Drawing {
    width: i32,
    height: i32,
    title: String,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    labels: Vec<Text>,
    marks: Vec<Sign>,
}

/// A task of a picture, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The task; none for tasks of a long list that are not drawn one by one.
    pub pointer: Option<Arc<str>>,
    /// How many tasks it is inside of.
    pub depth: usize,
    /// What kind of task it is, by the DSL.
    pub kind: &'static str,
    /// Its name, what it does, and how it stands, line by line.
    pub lines: Vec<String>,
    /// Whether the run is at this task now.
    pub current: bool,
    number: usize,
}

impl Entry {
    /// The id of the task in an embedded picture of this name, which it has when the run is at it.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<String> {
        self.current.then(|| id(name, self.number))
    }
}

fn id(name: &str, number: usize) -> String {
    format!("{name}-task-{number}")
}

/// A box of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The task.
    pub pointer: Option<Arc<str>>,
    /// How it is outlined.
    pub outline: Outline,
    /// Where it is.
    pub rect: Rect,
}

/// Where everything of a picture is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Boxes; those around others stand before these.
    pub boxes: Vec<Placed>,
    /// Lines and their corners.
    pub lines: Vec<(Line, Vec<(i32, i32)>)>,
    /// The texts that are not in boxes.
    pub labels: Vec<Rect>,
    /// Width and height of the whole.
    pub size: (i32, i32),
}

impl Workflow {
    /// A picture of this workflow with these marks: SVG that needs nothing else.
    #[must_use]
    pub fn draw(&self, marks: &Marks) -> String {
        Drawing::of(self, marks).to_svg()
    }
}

impl Drawing {
    /// The picture of a workflow with these marks. Marks of tasks that it does not have are left out.
    #[must_use]
    pub fn of(workflow: &Workflow, marks: &Marks) -> Self {
        let plan = Plan::of(&workflow.tasks, marks);
        let painter = Painter { tasks: &workflow.tasks, plan: &plan, marks };
        let empty = List::default();
        let list = match workflow.tasks.get(ROOT).map(|task| &task.kind) {
            Some(Kind::Do(list)) => list,
            _ => &empty,
        };
        let body = painter.list(list, false);
        let mut whole = Block { left: body.left, right: body.right, ..Block::default() };
        let top = 2 * svg::START_RADIUS;
        whole.marks.push(Sign::Start((0, svg::START_RADIUS)));
        let starts = words::starts(workflow.starts());
        if !starts.is_empty() {
            let text = Face::Plain.cut(&starts, 420);
            whole.right = whole.right.max(20 + Face::Plain.width(&text));
            let title = (text != starts).then_some(starts);
            whole.labels.push(Text { at: (16, 12), anchor: Anchor::Start, class: "what", text, title });
        }
        let mut height = top + body.height;
        if body.bottom.is_some() {
            height += list::END_RADIUS;
            whole.marks.push(Sign::End((0, height)));
        }
        height += list::END_RADIUS + 2;
        whole.put(body, (0, top));
        let (left, right) = (whole.left + MARGIN, whole.right + MARGIN);
        let mut moved = Block::default();
        moved.put(whole, (left, MARGIN));
        let name = workflow.title().unwrap_or_else(|| workflow.name());
        let named = format!("{}/{}:{}", workflow.namespace(), workflow.name(), workflow.version());
        Self {
            width: left + right,
            height: height + 2 * MARGIN,
            title: format!("{name} ({named}): a workflow of {} tasks", plan.inside(ROOT)),
            nodes: moved.nodes,
            edges: moved.edges,
            labels: moved.labels,
            marks: moved.marks,
        }
    }

    /// SVG that needs nothing else, with its style in it.
    #[must_use]
    pub fn to_svg(&self) -> String {
        svg::write(self, None)
    }

    /// SVG for a page that has [`STYLE`] already. The tasks at which the run is have ids on the page, which begin with this
    /// name: see [`Entry::id`].
    #[must_use]
    pub fn embedded(&self, name: &str) -> String {
        svg::write(self, Some(name))
    }

    /// Width and height, in CSS pixels.
    #[must_use]
    pub const fn size(&self) -> (i32, i32) {
        (self.width, self.height)
    }

    /// The same content as a list, in the order of the document: for who does not look at pictures.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let mut around: Vec<Rect> = Vec::new();
        let mut entries = Vec::with_capacity(self.nodes.len());
        let tasks = self.nodes.iter().enumerate().filter(|(_, node)| node.outline != Outline::Region);
        for (number, node) in tasks {
            while around.last().is_some_and(|last| !contains(last, &node.rect)) {
                around.pop();
            }
            let depth = around.len();
            if node.outline == Outline::Frame {
                around.push(node.rect);
            }
            let current = node.is_current();
            let (pointer, kind, lines) = (node.pointer.clone(), node.kind, node.said());
            entries.push(Entry { pointer, depth, kind, lines, current, number });
        }
        entries
    }

    /// Where everything is.
    #[must_use]
    pub fn layout(&self) -> Layout {
        let boxes = self.nodes.iter();
        let boxes = boxes.map(|node| Placed { pointer: node.pointer.clone(), outline: node.outline, rect: node.rect });
        Layout {
            boxes: boxes.collect(),
            lines: self.edges.iter().map(|edge| (edge.line, edge.points.clone())).collect(),
            labels: self.labels.iter().map(Text::rect).collect(),
            size: self.size(),
        }
    }
}

const fn contains(outer: &Rect, inner: &Rect) -> bool {
    outer.x <= inner.x && outer.y <= inner.y && outer.right() >= inner.right() && outer.bottom() >= inner.bottom()
}

impl Node {
    /// Whether the run is at this task now.
    fn is_current(&self) -> bool {
        self.marked.now.as_ref().is_some_and(|now| now.stand > marks::Stand::Skipped)
    }

    /// The node in words, line by line.
    fn said(&self) -> Vec<String> {
        let mut lines =
            vec![if self.kind == "rest" { self.name.to_string() } else { format!("{} ({})", self.name, self.kind) }];
        lines.extend(self.about.iter().cloned());
        match self.marked.done {
            0 => {}
            1 => lines.push("Done".to_owned()),
            times => lines.push(format!("Done {times} times")),
        }
        if let Some(now) = &self.marked.now {
            let stands = match now.stand {
                marks::Stand::Skipped => "Skipped",
                marks::Stand::Current => "Here now",
                marks::Stand::Retrying => "Will be tried again",
                marks::Stand::Failed => "Failed",
            };
            lines.push(if now.line.is_empty() { stands.to_owned() } else { format!("{stands}: {}", now.line) });
        }
        lines
    }
}

impl Text {
    /// The room that the text takes, rather too much than too little.
    fn rect(&self) -> Rect {
        let face = match self.class {
            "name" => Face::Name,
            "case-name" => Face::Case,
            "code" => Face::Code,
            "catches" | "now" => Face::Strong,
            _ => Face::Plain,
        };
        let width = face.width(&self.text);
        let x = match self.anchor {
            Anchor::Start => self.at.0,
            Anchor::Middle => self.at.0 - width / 2,
            Anchor::End => self.at.0 - width,
        };
        Rect { x, y: self.at.1 - 11, width, height: 14 }
    }
}
