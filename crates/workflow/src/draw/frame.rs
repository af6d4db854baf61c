//! Tasks with tasks inside: a box around what is inside, with a header.

use std::sync::Arc;

use super::list::Place;
use super::marks::Marked;
use super::measure::Face;
use super::shape::{Anchor, Block, Exit, Go, Line, Mark, Node, Outline, Rect, Side, Text};
use super::task::{HALF, Painter};
use super::words::{Words, catches, code, until};
use crate::definition::{Extended, Kind, List, Task, TaskId, TryCatch};

/// Room between a frame and what is inside.
const PAD: i32 = 18;
/// Room above what is tried, for the way back of a retry.
const STRIP: i32 = 22;
/// Room under what is tried, for the way on from the `catch`.
const FOOT: i32 = 22;
/// Between what is tried and what catches.
const BESIDE: i32 = 40;
/// Between branches; rows of branches are not wider than the second.
const BETWEEN: i32 = 26;
const ROW_MAX: i32 = 1_700;
/// Bars of a `fork`.
const BAR: i32 = 5;

impl Painter<'_> {
    /// An opened task.
    pub(super) fn frame(&self, id: TaskId, task: &Task, place: &Place<'_>) -> Block {
        let mut words = Words::of(task);
        let inside = match &task.kind {
            Kind::Do(list) | Kind::Function { body: list, .. } => self.list(list, false),
            Kind::For(each) => self.list(&each.body, true),
            Kind::Fork { branches, compete } => self.fork(branches, *compete),
            Kind::Try(attempt) => self.attempt(task, attempt, place),
            Kind::Listen(listen) => {
                words.more.splice(0..0, until(listen));
                let body = listen.each.as_ref().map(|each| Arc::clone(&each.body)).unwrap_or_default();
                self.list(&body, true)
            }
            Kind::Request { messages: Some(listen), .. } => {
                let body = listen.each.as_ref().map(|each| Arc::clone(&each.body)).unwrap_or_default();
                self.list(&body, true)
            }
            Kind::Extended(extended) => self.extended(extended, place),
            _ => Block::default(),
        };
        let (left, right) = ((inside.left + PAD).max(HALF), (inside.right + PAD).max(HALF));
        let header = self.header(id, task, &words, Outline::Frame, left, right);
        let mut node = header.node;
        node.rect.height = header.height + inside.height + 4;
        let mut whole = Block { left, right, height: node.rect.height, bottom: inside.bottom, ..Block::default() };
        whole.nodes.push(node);
        let mut inside = inside;
        let exits = std::mem::take(&mut inside.exits);
        whole.exits =
            exits.into_iter().map(|exit| Exit { at: (exit.at.0, exit.at.1 + header.height), ..exit }).collect();
        if inside.bottom.is_some() {
            whole.axis(header.height + inside.height, whole.height, false);
        }
        whole.put(inside, (0, header.height));
        whole
    }

    /// What is tried, and beside it what catches its errors.
    fn attempt(&self, task: &Task, attempt: &TryCatch, place: &Place<'_>) -> Block {
        let body = self.list(&attempt.body, false);
        let (left, right) = (body.left.max(HALF) + 12, body.right.max(HALF) + 12);
        let lower = STRIP + body.height + 4;
        let mut whole = Block { left, ..Block::default() };
        whole.nodes.push(region("tried", "tried", (-left, STRIP, left + right, lower - STRIP), Vec::new()));
        whole.axis(0, STRIP, false);
        let catch = self.handler(attempt);
        let (x, catch_lower) = (right + BESIDE + catch.left, STRIP + catch.height);
        let begin = x - catch.left;
        whole.right = x + catch.right;
        whole.height = lower.max(catch_lower) + FOOT;
        let handled = (attempt.handler.is_some() && catch.bottom.is_some())
            || (attempt.handler.is_none() && attempt.then.is_some());
        let away = Self::caught(task, attempt.then, place).filter(|_| handled);
        if body.bottom.is_some() {
            whole.axis(STRIP + body.height, whole.height, false);
        }
        let falls = body.bottom.is_some() || (handled && away.is_none());
        whole.bottom = falls.then_some(Go::Next);
        whole.edge(Line::Caught, true, [(right, STRIP + 18), (begin, STRIP + 18)]);
        if attempt.retry.is_some() {
            whole.edge(Line::Retry, true, [(begin + 28, STRIP), (begin + 28, 8), (0, 8), (0, STRIP)]);
        }
        let foot = whole.height - FOOT / 2;
        match away {
            Some(Go::Stop) => {
                let y = catch_lower - 14;
                whole.edge(Line::Caught, true, [(whole.right, y), (whole.right + 14, y)]);
                whole.marks.push(Mark::End((whole.right + 21, y)));
                whole.right += 30;
            }
            Some(go) => {
                let at = (whole.right, catch_lower - 14);
                whole.exits.push(Exit { at, side: Side::Right, go, line: Line::Caught });
            }
            None if handled => {
                whole.edge(Line::Caught, false, [(x, catch_lower), (x, foot), (0, foot), (0, whole.height)]);
            }
            None => {}
        }
        whole.put(body, (0, STRIP));
        whole.put(catch, (x, STRIP));
        whole
    }

    /// What catches, in a region of its own.
    fn handler(&self, attempt: &TryCatch) -> Block {
        let inside = attempt.handler.as_ref().map(|list| self.list(list, false));
        let side = |reach: fn(&Block) -> i32| inside.as_ref().map_or(0, reach).max(112) + 14;
        let (left, right) = (side(|block| block.left), side(|block| block.right));
        let mut y = 12;
        let texts = catches(attempt)
            .into_iter()
            .map(|line| {
                y += 16;
                let cut = Face::Strong.cut(&line, left + right - 28);
                let title = (cut != line).then_some(line);
                Text { at: (-left + 14, y), anchor: Anchor::Start, class: "catches", text: cut, title }
            })
            .collect();
        let header = y + 10;
        let mut whole = Block { left, right, height: header, ..Block::default() };
        whole.bottom = inside.as_ref().and_then(|inside| inside.bottom);
        let height = inside.as_ref().map_or(header, |inside| header + inside.height + 4);
        whole.height = height;
        whole.nodes.push(region("catch", "catch", (-left, 0, left + right, height), texts));
        if let Some(inside) = inside {
            if inside.bottom.is_some() {
                whole.axis(header + inside.height, height, false);
            }
            whole.put(inside, (0, header));
        }
        whole
    }

    /// Branches side by side between bars, in rows when they are many.
    fn fork(&self, branches: &[TaskId], compete: bool) -> Block {
        let mut rows: Vec<(i32, Vec<Block>)> = Vec::new();
        for branch in branches {
            let block = self.list(&[*branch], false);
            let width = block.left + block.right;
            match rows.last_mut() {
                Some((wide, row)) if *wide + BETWEEN + width <= ROW_MAX => {
                    *wide += BETWEEN + width;
                    row.push(block);
                }
                _ => rows.push((width, vec![block])),
            }
        }
        let half = rows.iter().map(|(wide, _)| wide.div_euclid(2) + 1).max().unwrap_or(0);
        let many = rows.len() > 1;
        let reach = half + if many { BETWEEN } else { 0 };
        let mut whole = Block { left: reach, right: reach, height: 16, ..Block::default() };
        whole.axis(0, 16, true);
        let count = rows.len();
        let (mut first_end, mut last_start) = (None, 16);
        for (number, (wide, row)) in rows.into_iter().enumerate() {
            let start = whole.height;
            last_start = start;
            let begin = -wide.div_euclid(2);
            let bar_begin = if many { -reach } else { begin };
            whole.marks.push(Mark::Bar(Rect { x: bar_begin, y: start, width: begin + wide - bar_begin, height: BAR }));
            let tall = row.iter().map(|block| block.height).max().unwrap_or(0);
            let end = start + BAR + tall;
            let mut x = begin;
            let mut falls = false;
            for block in row {
                let axis = x + block.left;
                x += block.left + block.right + BETWEEN;
                if block.bottom.is_some() {
                    falls = true;
                    whole.edge(Line::Flow, false, [(axis, start + BAR + block.height), (axis, end)]);
                }
                whole.put(block, (axis, start + BAR));
            }
            if falls {
                whole.bottom = Some(Go::Next);
                first_end.get_or_insert(end);
                let wide = if many { reach - begin } else { wide };
                let bar = Rect { x: begin, y: end, width: wide, height: BAR };
                whole.marks.push(if compete { Mark::RaceBar(bar) } else { Mark::Bar(bar) });
            }
            whole.height = end + BAR + if number + 1 < count { 24 } else { 0 };
        }
        let bar = |mark: &mut Vec<Mark>, x: i32, from: i32, to: i32, race: bool| {
            let bar = Rect { x, y: from, width: BAR, height: to - from };
            mark.push(if race { Mark::RaceBar(bar) } else { Mark::Bar(bar) });
        };
        let end = whole.height;
        if many {
            bar(&mut whole.marks, -reach, 16, last_start + BAR, false);
            if let Some(first) = first_end {
                bar(&mut whole.marks, reach - BAR, first, end, compete);
                let last = Rect { x: 0, y: end - BAR, width: reach, height: BAR };
                whole.marks.push(if compete { Mark::RaceBar(last) } else { Mark::Bar(last) });
            }
        }
        whole.height = end + 16;
        if whole.bottom.is_some() {
            whole.axis(end, end + 16, false);
        }
        whole
    }

    /// What extensions do before a task, the task, and what they do after it.
    fn extended(&self, extended: &Extended, place: &Place<'_>) -> Block {
        let mut parts: Vec<Block> = Vec::new();
        let part = |list: &List, what: &str, extension: &crate::definition::Extension| {
            let when = extension.when.as_ref().map(|when| format!("{what}, when {}", code(when)));
            self.part(list, when.unwrap_or_else(|| what.to_owned()))
        };
        let extensions = &extended.extensions;
        parts.extend(extensions.iter().filter_map(|one| one.before.as_ref().map(|list| part(list, "before", one))));
        parts.push(self.task(extended.task, place));
        let after = extensions.iter().rev();
        parts.extend(after.filter_map(|one| one.after.as_ref().map(|list| part(list, "after", one))));
        let mut whole = Block { bottom: Some(Go::Next), height: 22, ..Block::default() };
        whole.axis(0, 22, true);
        let count = parts.len();
        for (number, mut block) in parts.into_iter().enumerate() {
            let top = whole.height;
            whole.left = whole.left.max(block.left);
            whole.right = whole.right.max(block.right);
            whole.height += block.height;
            for exit in std::mem::take(&mut block.exits) {
                whole.exits.push(Exit { at: (exit.at.0, exit.at.1 + top), ..exit });
            }
            let gap = if number + 1 < count { 28 } else { 14 };
            whole.bottom = block.bottom;
            if block.bottom.is_some() {
                whole.axis(whole.height, whole.height + gap, number + 1 < count);
            }
            whole.height += gap;
            whole.put(block, (0, top));
        }
        whole
    }

    /// A list in a region with a heading.
    fn part(&self, list: &List, heading: String) -> Block {
        let inside = self.list(list, false);
        let (left, right) = (inside.left.max(HALF) + 12, inside.right.max(HALF) + 12);
        let cut = Face::Strong.cut(&heading, left + right - 28);
        let title = (cut != heading).then_some(heading);
        let text = Text { at: (-left + 14, 20), anchor: Anchor::Start, class: "catches", text: cut, title };
        let height = 28 + inside.height + 4;
        let mut whole = Block { left, right, height, bottom: inside.bottom, ..Block::default() };
        whole.nodes.push(region("part", "part", (-left, 0, left + right, height), vec![text]));
        if inside.bottom.is_some() {
            whole.axis(28 + inside.height, height, false);
        }
        whole.put(inside, (0, 28));
        whole
    }
}

fn region(kind: &'static str, name: &str, (x, y, width, height): (i32, i32, i32, i32), texts: Vec<Text>) -> Node {
    Node {
        outline: Outline::Region,
        rect: Rect { x, y, width, height },
        pointer: None,
        kind,
        glyph: None,
        name: name.into(),
        about: Vec::new(),
        texts,
        header: 0,
        marked: Marked::default(),
        lively: false,
    }
}
