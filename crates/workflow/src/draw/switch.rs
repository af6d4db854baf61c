//! A `switch`: a diamond, with a row for each case that leaves at its side and a line for each that goes on below.

use std::cmp::Ordering;

use super::list::{END_RADIUS, Place};
use super::marks::Stand;
use super::measure::Face;
use super::shape::{Anchor, Block, Exit, Go, Line, Mark, Outline, Side, Text};
use super::task::{HALF, Painter};
use super::words::{Words, code};
use crate::definition::{Case, Task, TaskId};

/// Half the width of the diamond, and its height.
const HALF_WIDTH: i32 = 124;
const HEIGHT: i32 = 72;
/// From one row to the next, and where its texts begin beside the diamond.
const ROW: i32 = 40;
const TRUNK: i32 = 12;
const TEXT: i32 = 20;
/// Widest text of a case.
const LABEL: i32 = 250;
const LABEL_BELOW: i32 = 320;
/// From one line below the diamond to the next.
const LEADING: i32 = 18;
/// Most cases that are drawn.
const CASES_MAX: usize = 24;

/// A case as it is drawn.
struct Row {
    name: String,
    condition: String,
    go: Go,
}

impl Painter<'_> {
    pub(super) fn switch(&self, id: TaskId, task: &Task, cases: &[Case], place: &Place<'_>) -> Block {
        let words = Words::of(task);
        let mut block = Block { left: HALF, right: HALF, ..Block::default() };
        let top = self.above(&mut block, &words);
        self.diamond(&mut block, id, task, &words, top);
        let mut rows: Vec<Row> = cases
            .iter()
            .take(CASES_MAX)
            .map(|case| {
                let go = place.go(case.then);
                let name = match place.aim(self.tasks, go) {
                    Some(aim) if aim != case.name => format!("{} → {aim}", case.name),
                    _ => case.name.to_string(),
                };
                Row { name, condition: case.when.as_ref().map(code).unwrap_or_default(), go }
            })
            .collect();
        if cases.iter().all(|case| case.when.is_some()) {
            rows.push(Row { name: "otherwise".to_owned(), condition: String::new(), go: place.go(task.then) });
        }
        if task.condition.is_some() && rows.iter().all(|row| row.go != Go::Next) {
            rows.push(Row { name: "skipped".to_owned(), condition: String::new(), go: Go::Next });
        }
        let (below, beside): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.go == Go::Next);
        let middle = top + HEIGHT / 2;
        let mut ends = [middle; 2];
        for row in beside {
            let side = if matches!(row.go, Go::Back(_)) { Side::Left } else { Side::Right };
            let end = &mut ends[usize::from(side == Side::Right)];
            let y = *end;
            *end += ROW;
            beside_diamond(&mut block, row, side, y, middle);
        }
        let mut y = (top + HEIGHT).max(ends.into_iter().max().unwrap_or(middle) - ROW + 22);
        if cases.len() > CASES_MAX {
            y += LEADING;
            let text = format!("and {} more cases", cases.len() - CASES_MAX);
            block.labels.push(label((10, y - 4), Anchor::Start, "case-name", text, None));
        }
        if !below.is_empty() {
            for row in below {
                y += LEADING;
                below_diamond(&mut block, row, y - 4);
            }
            y += 4;
            block.axis(top + HEIGHT, y, false);
            block.bottom = Some(Go::Next);
        }
        block.height = y;
        block
    }

    /// The task's condition, above the diamond; where the diamond begins.
    fn above(&self, block: &mut Block, words: &Words) -> i32 {
        let mut y = 0;
        for line in &words.more {
            y += LEADING;
            let cut = Face::Plain.cut(line, LABEL_BELOW);
            let title = (cut != *line).then(|| line.clone());
            block.right = block.right.max(14 + Face::Plain.width(&cut));
            block.labels.push(label((10, y - 5), Anchor::Start, "more", cut, title));
        }
        block.axis(0, y, true);
        y
    }

    fn diamond(&self, block: &mut Block, id: TaskId, task: &Task, words: &Words, top: i32) {
        let mut node = self.header(id, task, words, Outline::Diamond, HALF_WIDTH, HALF_WIDTH).node;
        node.rect.y = top;
        node.rect.height = HEIGHT;
        node.glyph = None;
        let now = node.marked.now.as_ref().filter(|now| now.stand != Stand::Skipped && !now.line.is_empty());
        let middle = top + HEIGHT / 2;
        let at = |y: i32, class: &'static str, text: String| label((0, y), Anchor::Middle, class, text, None);
        node.texts = match now {
            None => vec![at(middle + 4, "name", Face::Name.cut(&task.name, 164))],
            Some(now) => vec![
                at(middle - 4, "name", Face::Name.cut(&task.name, 136)),
                at(middle + 13, "now", Face::Strong.cut(&now.line, 130)),
            ],
        };
        block.nodes.push(node);
    }
}

fn beside_diamond(block: &mut Block, row: Row, side: Side, y: i32, middle: i32) {
    let name = Face::Case.cut(&row.name, LABEL);
    let condition = Face::Code.cut(&row.condition, LABEL);
    let width = Face::Case.width(&name).max(Face::Code.width(&condition));
    let (sign, anchor) = if side == Side::Left { (-1, Anchor::End) } else { (1, Anchor::Start) };
    let end = HALF_WIDTH + TEXT + width + 6;
    let x = sign * (HALF_WIDTH + TEXT);
    let title = whole(&row, &name, &condition);
    block.labels.push(label((x, y - 6), anchor, "case-name", name, title.clone()));
    if !condition.is_empty() {
        block.labels.push(label((x, y + 14), anchor, "code", condition, title));
    }
    let reach = match row.go {
        Go::Stop => {
            let middle = (sign * (end + 8 + END_RADIUS), y);
            block.marks.push(Mark::End(middle));
            end + 10 + 2 * END_RADIUS
        }
        _ => end,
    };
    let corner = sign * HALF_WIDTH;
    let stops = row.go == Go::Stop;
    let to = sign * if stops { end + 8 } else { end };
    let points = match y.cmp(&middle) {
        Ordering::Equal => vec![(corner, middle), (to, y)],
        _ => {
            let trunk = sign * (HALF_WIDTH + TRUNK);
            vec![(corner, middle), (trunk, middle), (trunk, y), (to, y)]
        }
    };
    block.edge(Line::Case, stops, points);
    if side == Side::Left {
        block.left = block.left.max(reach);
    } else {
        block.right = block.right.max(reach);
    }
    if !stops {
        block.exits.push(Exit { at: (to, y), side, go: row.go, line: Line::Case });
    }
}

fn below_diamond(block: &mut Block, row: Row, y: i32) {
    let name = Face::Case.cut(&row.name, LABEL);
    let width = Face::Case.width(&name);
    let condition = Face::Code.cut(&row.condition, LABEL_BELOW - width.min(LABEL));
    let title = whole(&row, &name, &condition);
    let reach = 18 + width + Face::Code.width(&condition);
    block.labels.push(label((10, y), Anchor::Start, "case-name", name, title.clone()));
    if !condition.is_empty() {
        block.labels.push(label((18 + width, y), Anchor::Start, "code", condition, title));
    }
    block.right = block.right.max(reach + 4);
}

/// The whole text of a case, when some of it was cut.
fn whole(row: &Row, name: &str, condition: &str) -> Option<String> {
    let cut = name != row.name || condition != row.condition;
    cut.then(|| if row.condition.is_empty() { row.name.clone() } else { format!("{}: {}", row.name, row.condition) })
}

const fn label(at: (i32, i32), anchor: Anchor, class: &'static str, text: String, title: Option<String>) -> Text {
    Text { at, anchor, class, text, title }
}
