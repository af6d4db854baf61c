//! Writing what came out into the file of the cases, and leaving everything else in it as it is.

use std::ops::Range;
use std::sync::Arc;

use model::{Source, Span, Value};
use workflow::yaml::{self, Kind, Node};

use super::compare::{compare, is_nothing};
use super::run::{Gave, Outcome};
use super::write::{member, scalar, without_nulls};
use super::{Case, CaseFile, Nulls};

/// What could not be written into the file, and what to do instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwritable {
    /// The case.
    pub case: Arc<str>,
    /// Where it stands.
    pub span: Span,
    /// Why, one sentence.
    pub reason: String,
}

/// The text of a file with what its cases gave, in their order; and what could not be written.
#[must_use]
pub fn updated(file: &CaseFile, outcomes: &[Outcome]) -> (String, Vec<Unwritable>) {
    let (mut text, mut unwritable) = (file.source.text.to_string(), Vec::new());
    for (index, (case, outcome)) in file.cases.iter().zip(outcomes).enumerate() {
        if outcome.passes() && !case.expected.is_empty() {
            continue;
        }
        let mut refuse =
            |reason: String| unwritable.push(Unwritable { case: Arc::clone(&case.name), span: case.span, reason });
        if !outcome.results.iter().any(|result| wanted(case, result)) {
            refuse("nothing came out of the kind that it expects: correct the case by hand".to_owned());
        }
        for result in outcome.results.iter().filter(|result| wanted(case, result)) {
            match write(&file.source.file, &text, index, result) {
                Ok(written) => text = written,
                Err(reason) => refuse(reason),
            }
        }
    }
    (text, unwritable)
}

/// Whether a case says what this result should be, or says nothing at all yet.
fn wanted(case: &Case, result: &Gave) -> bool {
    let expected = &case.expected;
    match result.name {
        "expect" if expected.value.is_some() => true,
        "output" if expected.output.is_some() => true,
        "key" => expected.key.is_some(),
        "same" if expected.same.is_some() => true,
        _ => expected.is_empty(),
    }
}

/// Puts one result into the text.
fn write(file: &Arc<str>, text: &str, index: usize, result: &Gave) -> Result<String, String> {
    let name = result.name;
    let by_hand = |why: &str| format!("`{name}` was not written, because {why}: write it by hand");
    let not_read = || by_hand("the file would no longer be read as before");
    let before = parse(file, text).ok_or_else(not_read)?;
    let case = case(&before, index).ok_or_else(not_read)?;
    let lines = Lines::of(text);
    let value = if result.nulls == Nulls::Absent { without_nulls(&result.value) } else { result.value.clone() };
    let new = match case.map().unwrap_or_default().iter().find(|(key, _)| &*key.name == name) {
        None => lines.appended(case, name, &value),
        Some((key, node)) => {
            let mut edits = Vec::new();
            match lines.edits(node, &result.value, result.nulls, &mut edits) {
                true => Some(applied(text, edits)),
                false => {
                    let region = lines.behind(key.span, name);
                    if region.as_ref().is_some_and(|(range, _)| has_comment(&text[range.clone()])) {
                        return Err(by_hand("there is a comment in it, which would be lost"));
                    }
                    region.map(|(range, indent)| applied(text, vec![(range, member(&value, indent))]))
                }
            }
        }
    };
    let new = new.ok_or_else(|| by_hand("it does not stand on lines of its own"))?;
    // Whatever was edited: nothing but this may read differently than before.
    let after = parse(file, &new).ok_or_else(not_read)?;
    let written = self::case(&after, index).and_then(|case| case.get(name)).ok_or_else(not_read)?;
    let mut differences = Vec::new();
    compare("", written, Span::default(), &result.value, result.nulls, &mut differences);
    match differences.is_empty() && without(&before, index, name) == without(&after, index, name) {
        true => Ok(new),
        false => Err(not_read()),
    }
}

fn parse(file: &Arc<str>, text: &str) -> Option<Node> {
    yaml::parse(&Source { file: Arc::clone(file), text: text.into() }).ok()
}

fn case(root: &Node, index: usize) -> Option<&Node> {
    root.get("cases")?.list()?.get(index)
}

/// Everything in a file but one member of one case.
fn without(root: &Node, index: usize, name: &str) -> Value {
    let mut whole = root.to_value();
    let mut cases: Vec<Value> = whole.get("cases").items().to_vec();
    if let Some(case) = cases.get_mut(index) {
        case.remove(name);
    }
    whole.set("cases", Value::from(cases));
    whole
}

/// Whether a text may have a comment. In doubt it has.
fn has_comment(text: &str) -> bool {
    text.split('\n').any(|line| line.trim_start().starts_with('#') || line.contains(" #") || line.contains("\t#"))
}

fn applied(text: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
    edits.sort_by_key(|(range, _)| range.start);
    let mut new = text.to_owned();
    for (range, replacement) in edits.into_iter().rev() {
        if new.is_char_boundary(range.start) && new.is_char_boundary(range.end) && range.start <= range.end {
            new.replace_range(range, &replacement);
        }
    }
    new
}

/// A text by its lines.
struct Lines<'a> {
    text: &'a str,
    /// Where each line begins, and its text without the line break.
    lines: Vec<(usize, &'a str)>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let mut at = 0;
        let lines = text.split_inclusive('\n').map(|line| {
            let begins = at;
            at += line.len();
            (begins, line.trim_end_matches(['\n', '\r']))
        });
        Self { text, lines: lines.collect() }
    }

    /// Replaces the scalars that differ, when nothing else does; `false` when more is to be done.
    fn edits(&self, node: &Node, new: &Value, nulls: Nulls, edits: &mut Vec<(Range<usize>, String)>) -> bool {
        match (&node.kind, new) {
            (Kind::Map(members), Value::Object(found)) => {
                let named = |name: &str| members.iter().any(|(key, _)| &*key.name == name);
                let same_members =
                    found.iter().all(|(name, value)| named(name) || (nulls == Nulls::Absent && is_nothing(value)));
                same_members
                    && members.iter().all(|(key, node)| match found.get(&key.name) {
                        Some(value) => self.edits(node, value, nulls, edits),
                        None => nulls == Nulls::Absent && node.to_value().is_null(),
                    })
            }
            (Kind::List(items), Value::Array(found)) => {
                items.len() == found.len()
                    && items.iter().zip(found.iter()).all(|(node, value)| self.edits(node, value, nulls, edits))
            }
            (Kind::Scalar(old), new) if old.value == *new => true,
            (Kind::Scalar(old), Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                let Some(range) = self.range(node.span) else { return false };
                // A text over several lines, an alias, a tag: not what stands here alone.
                let Some(token) = parse(&"".into(), &self.text[range.clone()]) else { return false };
                let alone = token.to_value() == old.value && !old.text.is_empty();
                if alone {
                    edits.push((range, scalar(new)));
                }
                alone
            }
            _ => false,
        }
    }

    fn range(&self, span: Span) -> Option<Range<usize>> {
        let (begins, line) = self.lines.get(span.line.checked_sub(1)?)?;
        let offset = |characters: usize| {
            let ends = line.char_indices().map(|(at, _)| at).chain([line.len()]).nth(characters);
            ends.map(|at| begins + at)
        };
        let from = span.column.checked_sub(1)?;
        Some(offset(from)?..offset(from + span.length)?)
    }

    /// The value of a member that begins a line: all lines that belong to it, and by how much the member is indented.
    fn behind(&self, key: Span, name: &str) -> Option<(Range<usize>, usize)> {
        let indent = self.own_line(key)?;
        let from = self.range(Span { length: name.len(), ..key })?.end;
        let colon = self.text.get(from..)?.strip_prefix(':').map(|_| from + 1)?;
        let last = self.last_line(key.line, |line, blanks| blanks > indent || (blanks == indent && is_item(line)));
        let (begins, line) = self.lines.get(last - 1)?;
        Some((colon..begins + line.len(), indent))
    }

    /// Adds a member behind the last one of a case.
    fn appended(&self, case: &Node, name: &str, value: &Value) -> Option<String> {
        let (first, _) = case.map()?.first()?;
        let indent = self.own_line(first.span)?;
        let last = self.last_line(first.span.line, |line, blanks| blanks >= indent && !(blanks == 0 && is_item(line)));
        let (begins, line) = self.lines.get(last - 1)?;
        let added = format!("\n{}{name}:{}", " ".repeat(indent), member(value, indent));
        let at = begins + line.len();
        Some(applied(self.text, vec![(at..at, added)]))
    }

    /// By how much a member is indented, when nothing but blanks and the dashes of lists stand before it.
    fn own_line(&self, key: Span) -> Option<usize> {
        let (_, line) = self.lines.get(key.line.checked_sub(1)?)?;
        let indent = key.column.checked_sub(1)?;
        let before: Vec<char> = line.chars().take(indent).collect();
        before.iter().all(|character| matches!(character, ' ' | '-')).then_some(indent)
    }

    /// The last line, counted from 1, of what begins in a line and goes on in those that belong to it. Blank lines and comments at
    /// its end belong to what comes next.
    fn last_line(&self, first: usize, belongs: impl Fn(&str, usize) -> bool) -> usize {
        let mut last = first;
        for (index, (_, line)) in self.lines.iter().enumerate().skip(first) {
            let content = line.trim_start_matches(' ');
            if content.trim().is_empty() || content.starts_with('#') {
                continue;
            }
            if !belongs(content, line.len() - content.len()) {
                break;
            }
            last = index + 1;
        }
        last
    }
}

fn is_item(line: &str) -> bool {
    line == "-" || line.starts_with("- ")
}
