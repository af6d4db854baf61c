//! The timeline of a matter: one lane per system, with Interlock in the middle.

use definitions::Release;
use jiff::Timestamp;
use maud::{Markup, html};
use model::ConnectionName;
use store::JournalRow;

use crate::format::{counted, exact, label, milliseconds_whole, relative};
use crate::json_view;
use crate::parts::{icon, system};
use crate::story::Lines;

/// Connections beyond these are shown in Interlock's lane.
const SYSTEMS_MAX: usize = 5;

/// Who stands where.
struct Lanes<'a> {
    /// Connections in their order; `None` is Interlock.
    names: Vec<Option<&'a ConnectionName>>,
}

impl<'a> Lanes<'a> {
    fn of(release: &'a Release) -> Self {
        let connections: Vec<&ConnectionName> = release.connections.keys().take(SYSTEMS_MAX).collect();
        let left = connections.len().div_ceil(2);
        let mut names: Vec<Option<&ConnectionName>> = connections.iter().take(left).copied().map(Some).collect();
        names.push(None);
        names.extend(connections.iter().skip(left).copied().map(Some));
        Self { names }
    }

    fn of_line(&self, line: &JournalRow) -> usize {
        let own = line.connection.as_deref().and_then(|connection| {
            self.names.iter().position(|name| name.is_some_and(|name| name.as_str() == connection))
        });
        own.or_else(|| self.names.iter().position(Option::is_none)).unwrap_or(0)
    }

    fn title(&self, lane: usize, release: &Release) -> String {
        match self.names.get(lane).copied().flatten() {
            Some(name) => system(release, name.as_str()),
            None => "Interlock".to_owned(),
        }
    }
}

/// How many lines there are up to the last that is shown.
pub(crate) fn line_count(shown: &Lines) -> String {
    let count = counted(shown.lines.len() as u64 + u64::from(shown.offset), "line", "lines");
    if shown.more { format!("{count} and more") } else { count }
}

/// The lines, oldest first.
pub(crate) fn timeline(lines: &[JournalRow], release: &Release, now: Timestamp) -> Markup {
    let lanes = Lanes::of(release);
    let count = lanes.names.len();
    let mut day = String::new();
    let days: Vec<Option<String>> = lines
        .iter()
        .map(|line| {
            let own = line.at.strftime("%A, %-d %B %Y").to_string();
            (own != day).then(|| {
                day.clone_from(&own);
                own
            })
        })
        .collect();
    html! {
        div class=(format!("lanes n{count}")) role="table" aria-label="Timeline" {
            div.lanes-head role="row" {
                span.lane-name.time-name role="columnheader" { "UTC" }
                @for lane in 0..count { span.lane-name role="columnheader" { (lanes.title(lane, release)) } }
            }
            @for (place, (line, day)) in lines.iter().zip(&days).enumerate() {
                @if let Some(day) = day { div.day role="row" { span role="cell" { (day) } } }
                @let own = lanes.of_line(line);
                div.line role="row" data-kind=(line.kind) {
                    time.when role="cell" datetime=(line.at) title=(format!("{} · {}", exact(line.at), relative(line.at, now))) {
                        (line.at.strftime("%H:%M:%S"))
                    }
                    @for lane in 0..count {
                        div.cell.here[lane == own] role="cell" {
                            @if lane == own {
                                span.lane-tag { (lanes.title(lane, release)) }
                                (one(line, place, release))
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A line in people's words: systems by what they are called, functions and workflows without dashes.
fn words(line: &JournalRow, release: &Release) -> String {
    let function = line.detail.get("function").as_str().and_then(|name| name.split([':', '@']).next());
    let said: Vec<String> = line
        .title
        .split(' ')
        .map(|word| {
            let (name, after) = word.split_at(word.trim_end_matches([':', ',', '.']).len());
            if release.connections.contains_key(name) {
                format!("{}{after}", system(release, name))
            } else if function == Some(name) || release.workflows.keys().any(|workflow| workflow.as_str() == name) {
                format!("{}{after}", label(name).to_lowercase())
            } else {
                word.to_owned()
            }
        })
        .collect();
    let text = said.join(" ");
    // These begin with who did it, and a name is written as it is.
    if matches!(&*line.kind, "decided" | "operated") {
        return text;
    }
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn one(line: &JournalRow, place: usize, release: &Release) -> Markup {
    let (class, mark) = match &*line.kind {
        "started" => ("accent", "start"),
        "heard" => ("", "in"),
        "sent" => ("faint-step", "arrow"),
        "done" => ("", "check"),
        "milestone" => ("accent", "flag"),
        "completed" | "readable" => ("good", "check"),
        "refused" | "failed" => ("bad", "cross"),
        "delayed" => ("warn", "clock"),
        "cancelled" => ("warn", "cross"),
        "work-item" => ("warn", "person"),
        "decided" | "operated" => ("good", "person"),
        _ => ("", ""),
    };
    let took = line.detail.get("milliseconds").as_i64();
    let said = html! {
        (icon(mark))
        span.said { (words(line, release)) @if let Some(took) = took { span.took { (milliseconds_whole(took)) } } }
    };
    html! {
        @if line.detail.is_null() {
            div class=(format!("step {class}")) { (said) }
        } @else {
            // The id keeps open what is open while the page changes: lines are only ever added behind.
            details id=(format!("line-{place}")) class=(format!("step {class}")) {
                summary { (said) }
                (json_view::block(&line.detail))
            }
        }
    }
}
