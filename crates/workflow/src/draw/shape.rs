//! What a picture is made of, and putting parts of it together. All lengths are whole units, so that the same workflow
//! always gives the same picture.

use std::sync::Arc;

use super::glyph::Glyph;
use super::marks::Marked;

/// A place; `y` grows downwards.
pub(super) type Point = (i32, i32);

/// An upright rectangle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// Left edge.
    pub x: i32,
    /// Upper edge.
    pub y: i32,
    /// Width.
    pub width: i32,
    /// Height.
    pub height: i32,
}

impl Rect {
    /// Right edge.
    #[must_use]
    pub const fn right(&self) -> i32 {
        self.x + self.width
    }

    /// Lower edge.
    #[must_use]
    pub const fn bottom(&self) -> i32 {
        self.y + self.height
    }
}

/// How a node is outlined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outline {
    /// A box with a task.
    Task,
    /// The diamond of a `switch`.
    Diamond,
    /// A box around other tasks.
    Frame,
    /// A box that stands for tasks which are not drawn.
    Folded,
    /// A part of a frame, such as what is tried or what catches. It is no task.
    Region,
}

/// Where a text begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) at: Point,
    pub(super) anchor: Anchor,
    pub(super) class: &'static str,
    pub(super) text: String,
    /// The whole text, where it was cut.
    pub(super) title: Option<String>,
}

/// A task, or a part of one.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) outline: Outline,
    pub(super) rect: Rect,
    /// The task; none for regions, and for the rest of a long list.
    pub(super) pointer: Option<Arc<str>>,
    /// The task's kind by the DSL.
    pub(super) kind: &'static str,
    pub(super) glyph: Option<(Glyph, Point)>,
    pub(super) name: Arc<str>,
    /// What it does, whole, line by line.
    pub(super) about: Vec<String>,
    pub(super) texts: Vec<Text>,
    /// Height of the part above what is inside; 0 when nothing is.
    pub(super) header: i32,
    pub(super) marked: Marked,
    /// Whether something goes on in it.
    pub(super) lively: bool,
}

/// What an edge is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Line {
    /// The usual course.
    Flow,
    /// A case of a `switch`.
    Case,
    /// A `then`.
    Jump,
    /// The way past a task whose condition does not hold.
    Skip,
    /// The way back to the next round.
    Round,
    /// An error on its way to its `catch`, and what comes after it.
    Caught,
    /// The way to the next try.
    Retry,
}

impl Line {
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Case => "case",
            Self::Jump => "jump",
            Self::Skip => "skip",
            Self::Round => "round",
            Self::Caught => "caught",
            Self::Retry => "retry",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub(super) line: Line,
    pub(super) points: Vec<Point>,
    pub(super) arrow: bool,
}

/// Small shapes without a text.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mark {
    Start(Point),
    End(Point),
    /// A bar of a `fork`; the second kind lets the first branch pass only.
    Bar(Rect),
    RaceBar(Rect),
}

/// The side of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Left,
    Right,
}

/// Where the flow goes after a task, in the list as it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Go {
    /// To what comes next.
    Next,
    /// Down to this item; one behind the last is the end of the list.
    Ahead(usize),
    /// Up to this item.
    Back(usize),
    /// Nowhere: the workflow ends.
    Stop,
}

/// A way out of a block that leaves at its side.
#[derive(Clone, Debug)]
pub(super) struct Exit {
    pub(super) at: Point,
    pub(super) side: Side,
    pub(super) go: Go,
    pub(super) line: Line,
}

/// A part of the picture around its axis, which is at 0 and begins at its upper end.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    /// How far it reaches to the left of the axis, as a positive number.
    pub(super) left: i32,
    pub(super) right: i32,
    pub(super) height: i32,
    /// Where the flow goes that leaves at the lower end of the axis; `None` when none does.
    pub(super) bottom: Option<Go>,
    pub(super) exits: Vec<Exit>,
    pub(super) nodes: Vec<Node>,
    pub(super) edges: Vec<Edge>,
    pub(super) labels: Vec<Text>,
    pub(super) marks: Vec<Mark>,
}

impl Block {
    /// Takes in what another block draws, moved; neither its extent nor its exits.
    pub(super) fn put(&mut self, block: Block, by: Point) {
        let (x, y) = by;
        let to = |point: &mut Point| *point = (point.0 + x, point.1 + y);
        let over = |rect: &mut Rect| (rect.x, rect.y) = (rect.x + x, rect.y + y);
        let Block { mut nodes, mut edges, mut labels, mut marks, .. } = block;
        for node in &mut nodes {
            over(&mut node.rect);
            node.texts.iter_mut().for_each(|text| to(&mut text.at));
            if let Some((_, place)) = &mut node.glyph {
                to(place);
            }
        }
        edges.iter_mut().flat_map(|edge| &mut edge.points).for_each(to);
        labels.iter_mut().for_each(|label| to(&mut label.at));
        for mark in &mut marks {
            match mark {
                Mark::Start(point) | Mark::End(point) => to(point),
                Mark::Bar(rect) | Mark::RaceBar(rect) => over(rect),
            }
        }
        self.nodes.append(&mut nodes);
        self.edges.append(&mut edges);
        self.labels.append(&mut labels);
        self.marks.append(&mut marks);
    }

    pub(super) fn edge(&mut self, line: Line, arrow: bool, points: impl Into<Vec<Point>>) {
        self.edges.push(Edge { line, points: points.into(), arrow });
    }

    /// A straight piece of the axis.
    pub(super) fn axis(&mut self, from: i32, to: i32, arrow: bool) {
        if to > from {
            self.edge(Line::Flow, arrow, [(0, from), (0, to)]);
        }
    }
}
