//! Writing a picture as SVG.

use std::fmt::Write;

use super::Drawing;
use super::glyph::Glyph;
use super::list::END_RADIUS;
use super::marks::Stand;
use super::shape::{Anchor, Edge, Mark, Node, Outline, Point, Rect, Text};

/// The style of all pictures, for pages that hold [`Drawing::embedded`] ones.
pub const STYLE: &str = include_str!("style.css");

/// Radius of the corners of edges.
const CORNER: i32 = 7;
/// Room between a start's sign and the middle of the sign.
pub(super) const START_RADIUS: i32 = 8;

/// The picture; with its style when it has no name, and with ids of this name otherwise.
pub(super) fn write(drawing: &Drawing, name: Option<&str>) -> String {
    let alone = name.is_none();
    let mut out = String::with_capacity(drawing.nodes.len() * 600 + 8_000);
    let (width, height) = (drawing.width, drawing.height);
    out.push_str("<svg ");
    if alone {
        out.push_str("xmlns=\"http://www.w3.org/2000/svg\" ");
    }
    put(&mut out, format_args!("class=\"workflow-picture\" role=\"img\" width=\"{width}\" height=\"{height}\" "));
    put(&mut out, format_args!("viewBox=\"0 0 {width} {height}\"><title>{}</title>", Escaped(&drawing.title)));
    if alone {
        put(&mut out, format_args!("<style>{STYLE}</style>"));
    }
    let around = |node: &Node| matches!(node.outline, Outline::Frame | Outline::Region);
    let named = |number: usize, one: &Node| name.filter(|_| one.is_current()).map(|name| super::id(name, number));
    for (number, one) in drawing.nodes.iter().enumerate().filter(|(_, one)| around(one)) {
        node(&mut out, one, named(number, one));
    }
    for one in &drawing.edges {
        edge(&mut out, one);
    }
    for one in &drawing.marks {
        mark(&mut out, *one);
    }
    for (number, one) in drawing.nodes.iter().enumerate().filter(|(_, one)| !around(one)) {
        node(&mut out, one, named(number, one));
    }
    for one in &drawing.labels {
        text(&mut out, one, true);
    }
    out.push_str("</svg>");
    out
}

/// Writing to a text cannot fail.
fn put(out: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(what);
}

fn node(out: &mut String, node: &Node, id: Option<String>) {
    let outline = match node.outline {
        Outline::Task => "task",
        Outline::Diamond => "diamond",
        Outline::Frame => "frame",
        Outline::Folded => "folded",
        Outline::Region => "region",
    };
    put(out, format_args!("<g class=\"node {outline} kind-{}", node.kind));
    let stand = node.marked.now.as_ref().map(|now| now.stand);
    let state = match stand {
        Some(Stand::Skipped) => " is-skipped",
        Some(Stand::Current) => " is-current",
        Some(Stand::Retrying) => " is-retrying",
        Some(Stand::Failed) => " is-failed",
        None if node.lively => " has-current",
        None if node.marked.done > 0 => " is-done",
        None => "",
    };
    put(out, format_args!("{state}\""));
    if let Some(id) = id {
        put(out, format_args!(" id=\"{}\"", Escaped(&id)));
    }
    if let Some(pointer) = &node.pointer {
        put(out, format_args!(" data-pointer=\"{}\"", Escaped(pointer)));
    }
    out.push('>');
    if node.outline != Outline::Region {
        put(out, format_args!("<title>{}</title>", Escaped(&node.said().join("\n"))));
    }
    outlined(out, node);
    if let Some((glyph, at)) = node.glyph {
        sign(out, glyph, at);
    }
    for one in &node.texts {
        text(out, one, false);
    }
    if node.marked.done > 0 {
        badge(out, node);
    }
    out.push_str("</g>");
}

fn outlined(out: &mut String, node: &Node) {
    let Rect { x, y, width, height } = node.rect;
    match node.outline {
        Outline::Diamond => {
            let (middle, half) = (y + height / 2, x + width / 2);
            put(
                out,
                format_args!(
                    "<path class=\"outline\" d=\"M{half} {y}L{} {middle} {half} {} {x} {middle}z\"/>",
                    node.rect.right(),
                    node.rect.bottom()
                ),
            );
        }
        Outline::Folded => {
            // The sheets behind stay inside the box, so that nothing around has to know of them.
            let (inner, lower) = (height - 4, y + 4);
            put(
                out,
                format_args!(
                    "<rect class=\"behind\" x=\"{}\" y=\"{lower}\" width=\"{}\" height=\"{inner}\" rx=\"9\"/>",
                    x + 5,
                    width - 10
                ),
            );
            put(
                out,
                format_args!(
                    "<rect class=\"outline\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{inner}\" rx=\"9\"/>"
                ),
            );
        }
        Outline::Task | Outline::Frame | Outline::Region => {
            let radius = if node.outline == Outline::Task { 9 } else { 12 };
            put(
                out,
                format_args!(
                    "<rect class=\"outline\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{radius}\"/>"
                ),
            );
            if node.header > 0 {
                let line = y + node.header;
                put(out, format_args!("<path class=\"under\" d=\"M{x} {line}h{width}\"/>"));
            }
        }
    }
}

fn sign(out: &mut String, glyph: Glyph, (x, y): Point) {
    put(out, format_args!("<g class=\"glyph {}\" transform=\"translate({x} {y})\">", glyph.class()));
    out.push_str("<rect width=\"28\" height=\"28\" rx=\"7\"/>");
    put(out, format_args!("<path transform=\"translate(6 6)\" d=\"{}\"/></g>", glyph.path()));
}

/// That a task was done, and how often.
fn badge(out: &mut String, node: &Node) {
    let (x, y) = match node.outline {
        Outline::Diamond => (node.rect.x + node.rect.width / 2 + 64, node.rect.y + 10),
        _ => (node.rect.right() - 16, node.rect.y + 16),
    };
    put(out, format_args!("<g class=\"badge\"><circle cx=\"{x}\" cy=\"{y}\" r=\"8\"/>"));
    put(
        out,
        format_args!("<path transform=\"translate({} {}) scale(.75)\" d=\"{}\"/>", x - 6, y - 6, Glyph::Done.path()),
    );
    if node.marked.done > 1 {
        let (x, anchor) = if node.outline == Outline::Diamond { (x + 11, "start") } else { (x - 11, "end") };
        put(out, format_args!("<text x=\"{x}\" y=\"{}\" text-anchor=\"{anchor}\">{}×</text>", y + 4, node.marked.done));
    }
    out.push_str("</g>");
}

fn text(out: &mut String, text: &Text, label: bool) {
    let class = if label { "label " } else { "" };
    put(out, format_args!("<text class=\"{class}{}\" x=\"{}\" y=\"{}\"", text.class, text.at.0, text.at.1));
    match text.anchor {
        Anchor::Start => {}
        Anchor::Middle => out.push_str(" text-anchor=\"middle\""),
        Anchor::End => out.push_str(" text-anchor=\"end\""),
    }
    out.push('>');
    if let Some(title) = &text.title {
        put(out, format_args!("<title>{}</title>", Escaped(title)));
    }
    put(out, format_args!("{}</text>", Escaped(&text.text)));
}

fn mark(out: &mut String, mark: Mark) {
    match mark {
        Mark::Start((x, y)) => {
            put(
                out,
                format_args!(
                    "<circle class=\"terminal\" cx=\"{x}\" cy=\"{y}\" r=\"{START_RADIUS}\"><title>Start</title></circle>"
                ),
            );
        }
        Mark::End((x, y)) => {
            put(
                out,
                format_args!(
                    "<g><title>End of the workflow</title><circle class=\"terminal ring\" cx=\"{x}\" cy=\"{y}\" r=\"{END_RADIUS}\"/>\
                     <circle class=\"terminal\" cx=\"{x}\" cy=\"{y}\" r=\"4\"/></g>"
                ),
            );
        }
        Mark::Bar(rect) | Mark::RaceBar(rect) => {
            let class = if matches!(mark, Mark::RaceBar(_)) { "bar race" } else { "bar" };
            let Rect { x, y, width, height } = rect;
            put(
                out,
                format_args!(
                    "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"2\"/>"
                ),
            );
        }
    }
}

/// A line with round corners and an arrow at its end.
fn edge(out: &mut String, edge: &Edge) {
    let mut points = edge.points.clone();
    points.dedup();
    let (Some(first), Some(last)) = (points.first().copied(), points.last().copied()) else { return };
    let Some(before) = points.len().checked_sub(2).and_then(|place| points.get(place)).copied() else { return };
    put(out, format_args!("<g class=\"edge {}\"><path class=\"line\" d=\"M{} {}", edge.line.class(), first.0, first.1));
    for three in points.windows(3) {
        let [from, corner, to] = three else { continue };
        let radius = CORNER.min(apart(*from, *corner) / 2).min(apart(*corner, *to) / 2);
        let (near, far) = (towards(*corner, *from, radius), towards(*corner, *to, radius));
        put(out, format_args!("L{} {}Q{} {} {} {}", near.0, near.1, corner.0, corner.1, far.0, far.1));
    }
    put(out, format_args!("L{} {}\"/>", last.0, last.1));
    if edge.arrow {
        let (x, y) = last;
        let (ahead, aside) = (towards((0, 0), (x - before.0, y - before.1), 7), 4);
        let (back, across) = ((x - ahead.0, y - ahead.1), if ahead.0 == 0 { (aside, 0) } else { (0, aside) });
        put(
            out,
            format_args!(
                "<path class=\"head\" d=\"M{x} {y}L{} {} {} {}z\"/>",
                back.0 + across.0,
                back.1 + across.1,
                back.0 - across.0,
                back.1 - across.1
            ),
        );
    }
    out.push_str("</g>");
}

/// How far apart two points are whose line is upright or level.
const fn apart(one: Point, other: Point) -> i32 {
    (one.0 - other.0).abs() + (one.1 - other.1).abs()
}

/// The point so far from one on the way to another, where the way is upright or level.
const fn towards(from: Point, to: Point, distance: i32) -> Point {
    (from.0 + (to.0 - from.0).signum() * distance, from.1 + (to.1 - from.1).signum() * distance)
}

/// A text as it stands in XML. Characters that XML 1.0 does not allow become replacement characters.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => formatter.write_str("&amp;")?,
                '<' => formatter.write_str("&lt;")?,
                '>' => formatter.write_str("&gt;")?,
                '"' => formatter.write_str("&quot;")?,
                '\t' | '\n' => formatter.write_char(character)?,
                '\u{fffe}' | '\u{ffff}' => formatter.write_char(char::REPLACEMENT_CHARACTER)?,
                _ if character.is_control() => formatter.write_char(char::REPLACEMENT_CHARACTER)?,
                _ => formatter.write_char(character)?,
            }
        }
        Ok(())
    }
}
