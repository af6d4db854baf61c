//! A list of tasks as a column, and the ways that its jumps take beside it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::plan::{Item, Plan};
use super::shape::{Block, Exit, Go, Line, Mark, Point, Side};
use super::task::Painter;
use crate::definition::{Flow, TaskId, Tasks};

/// From a box to the next.
const GAP: i32 = 28;
/// More room where a jump arrives above a box.
const ARRIVAL: i32 = 16;
/// More room where a jump leaves under a box.
const DEPARTURE: i32 = 10;
/// More room for the sign of the end.
const STOP: i32 = 14;
/// How far above a box jumps arrive.
const ABOVE: i32 = 16;
/// From a box to the first way beside it, and from one way to the next.
const BESIDE: i32 = 18;
const LANE: i32 = 12;
/// Radius of the sign of the end, and the way to its middle.
pub(super) const END_RADIUS: i32 = 7;
const END_AT: i32 = 20;

/// Where a task stands in its list.
pub(super) struct Place<'a> {
    items: &'a [Item],
    /// The item that the task is.
    at: usize,
}

impl Place<'_> {
    /// Where the flow goes.
    pub(super) fn go(&self, flow: Flow) -> Go {
        let after = self.at + 1;
        let item = match flow {
            Flow::Continue => return Go::Next,
            Flow::End => return Go::Stop,
            Flow::Exit => self.items.len(),
            Flow::To(index) => item_of(self.items, index),
        };
        match item {
            item if item == after => Go::Next,
            item if item > after => Go::Ahead(item),
            item => Go::Back(item),
        }
    }

    /// What the flow goes to that is far away: a task's name.
    pub(super) fn aim(&self, tasks: &Tasks, go: Go) -> Option<Arc<str>> {
        let (Go::Ahead(item) | Go::Back(item)) = go else { return None };
        match self.items.get(item)? {
            Item::Task(id) => tasks.get(*id).map(|task| Arc::clone(&task.name)),
            Item::Rest(_) => None,
        }
    }

    /// To what comes next, for ways that cannot leave at the lower end.
    pub(super) const fn around(&self) -> Go {
        Go::Ahead(self.at + 1)
    }
}

/// The item that the task at this index of the list is in.
fn item_of(items: &[Item], index: usize) -> usize {
    let mut place = 0;
    for (number, item) in items.iter().enumerate() {
        place += match item {
            Item::Task(_) => 1,
            Item::Rest(range) => range.len(),
        };
        if index < place {
            return number;
        }
    }
    items.len()
}

/// Jumps that share a way: the same target from the same side.
#[derive(Debug)]
struct Way {
    side: Side,
    target: usize,
    line: Line,
    /// Where the jumps begin; those from a lower end first go down a little.
    from: Vec<(Point, Option<i32>)>,
}

impl Painter<'_> {
    /// The list. With `rounds`, its end leads back to its start.
    pub(super) fn list(&self, list: &[TaskId], rounds: bool) -> Block {
        let items = Plan::items(list);
        let blocks: Vec<Block> = items
            .iter()
            .enumerate()
            .map(|(at, item)| match item {
                Item::Task(id) => self.task(*id, &Place { items: &items, at }),
                Item::Rest(range) => self.rest(list.get(range.clone()).unwrap_or_default()),
            })
            .collect();
        column(blocks, rounds)
    }
}

/// Blocks under each other, with the ways between them.
pub(super) fn column(blocks: Vec<Block>, rounds: bool) -> Block {
    let count = blocks.len();
    let last = blocks.last().map_or(Some(Go::Next), |block| block.bottom);
    let arrives = |item: usize| {
        blocks.iter().flat_map(|block| block.exits.iter().map(|exit| exit.go).chain(block.bottom)).any(|go| match go {
            Go::Ahead(target) | Go::Back(target) => target == item,
            Go::Next | Go::Stop => false,
        })
    };
    let falls = last == Some(Go::Next) || arrives(count);
    let extra = |item: usize| {
        if arrives(item) || (rounds && falls && item == 0) { ARRIVAL } else { 0 }
    };
    let mut tops = Vec::with_capacity(count + 1);
    let mut y = GAP - 6 + extra(0);
    for (index, block) in blocks.iter().enumerate() {
        tops.push(y);
        y += block.height;
        y += match block.bottom {
            _ if index + 1 == count => 0,
            Some(Go::Next) => GAP,
            None => GAP - 8,
            Some(Go::Ahead(_) | Go::Back(_)) => GAP + DEPARTURE,
            Some(Go::Stop) => GAP + STOP,
        };
        y += if index + 1 == count { 0 } else { extra(index + 1) };
    }
    y += match last {
        Some(Go::Next) if falls && arrives(count) => ARRIVAL + 8,
        Some(Go::Next) => 18,
        None => 10 + if falls { ARRIVAL } else { 0 },
        Some(Go::Ahead(_) | Go::Back(_)) => DEPARTURE + 16,
        Some(Go::Stop) => END_AT + END_RADIUS + 6 + if falls { ARRIVAL } else { 0 },
    };
    let mut whole = Block { height: y, bottom: falls.then_some(Go::Next), ..Block::default() };
    let arrival = |item: usize| tops.get(item).map_or(y - 10, |top| top - ABOVE);
    let mut rows: Vec<Row> = Vec::with_capacity(count);
    let mut ways: BTreeMap<(Side, usize, Line), Way> = BTreeMap::new();
    let mut jump = |side: Side, go: Go, line: Line, from: Point, down: Option<i32>| {
        if let Go::Ahead(target) | Go::Back(target) = go {
            let way = ways.entry((side, target, line)).or_insert(Way { side, target, line, from: Vec::new() });
            way.from.push((from, down));
        }
    };
    if let Some(first) = tops.first() {
        whole.axis(0, *first, true);
    } else {
        whole.axis(0, y, false);
    }
    for (index, (block, top)) in blocks.into_iter().zip(tops.iter().copied()).enumerate() {
        let end = top + block.height;
        match block.bottom {
            None => {}
            Some(Go::Next) => {
                let next = tops.get(index + 1).copied();
                whole.axis(end, next.unwrap_or(y), next.is_some());
            }
            Some(Go::Stop) => {
                whole.axis(end, end + END_AT - END_RADIUS, true);
                whole.marks.push(Mark::End((0, end + END_AT)));
            }
            Some(go) => {
                let side = if matches!(go, Go::Back(_)) { Side::Left } else { Side::Right };
                jump(side, go, Line::Jump, (0, end), Some(end + DEPARTURE));
            }
        }
        for Exit { at, side, go, line } in &block.exits {
            jump(*side, *go, *line, (at.0, at.1 + top), None);
        }
        rows.push(Row { top, bottom: end, left: block.left, right: block.right });
        whole.left = whole.left.max(block.left);
        whole.right = whole.right.max(block.right);
        whole.put(block, (0, top));
    }
    if rounds && falls && count > 0 {
        jump(Side::Left, Go::Back(0), Line::Round, (0, y), None);
    }
    let mut ways: Vec<Way> = ways.into_values().collect();
    let span = |way: &Way| {
        let ends = way.from.iter().map(|(from, down)| down.unwrap_or(from.1)).chain([arrival(way.target)]);
        (ends.clone().min().unwrap_or(0), ends.max().unwrap_or(0))
    };
    ways.sort_by_key(|way| {
        let (from, to) = span(way);
        (to - from, way.side, way.target, way.line)
    });
    let mut taken: Vec<(Side, i32, (i32, i32))> = Vec::new();
    for way in &ways {
        let own = span(way);
        let beside = rows.iter().filter(|row| row.top - 4 <= own.1 && row.bottom + 4 >= own.0);
        let reach = beside.map(|row| if way.side == Side::Left { row.left } else { row.right }).max().unwrap_or(0);
        let mut lane = reach + BESIDE;
        // Lanes only ever move outwards, so that this ends.
        while let Some((_, other, _)) = taken.iter().find(|(side, other, span)| {
            *side == way.side && (other - lane).abs() < LANE && span.0 <= own.1 + 4 && span.1 + 4 >= own.0
        }) {
            lane = other + LANE;
        }
        taken.push((way.side, lane, own));
        let x = if way.side == Side::Left { -lane } else { lane };
        if way.side == Side::Left {
            whole.left = whole.left.max(lane + 4);
        } else {
            whole.right = whole.right.max(lane + 4);
        }
        draw(&mut whole, way, x, arrival(way.target), tops.get(way.target).copied(), y);
    }
    whole
}

struct Row {
    top: i32,
    bottom: i32,
    left: i32,
    right: i32,
}

fn draw(whole: &mut Block, way: &Way, x: i32, arrival: i32, top: Option<i32>, end: i32) {
    for (from, down) in &way.from {
        let mut points = vec![*from];
        points.extend(down.map(|down| (from.0, down)));
        points.push((x, down.unwrap_or(from.1)));
        points.push((x, arrival));
        points.push((0, arrival));
        points.push((0, top.unwrap_or(end)));
        whole.edge(way.line, top.is_some(), points);
    }
}
