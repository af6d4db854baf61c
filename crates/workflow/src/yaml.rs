//! A YAML (or JSON) text as a tree in which every node knows its place, read once and then looked at by hand-written
//! readers: that way all mistakes of a document are told at once, each where it stands.
//!
//! Scalars follow the YAML 1.2 core schema; numbers keep their digits. Aliases are resolved with a bound on the expanded
//! size. Source of the rules: YAML 1.2.2, chapter 10.3.

use std::collections::HashMap;
use std::sync::Arc;

use model::{Diagnostic, Diagnostics, Source, Span, Value, json};
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span as YamlSpan};

/// Most nodes of one document, aliases counted as often as they are used.
const NODES_MAX: usize = 200_000;
/// Deepest nesting: every reader of the tree recurses at most this far.
const DEPTH_MAX: usize = 100;

/// A node and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
    size: usize,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A text, number, truth or null.
    Scalar(Scalar),
    /// Items in order.
    List(Vec<Node>),
    /// Members in order; no name twice.
    Map(Vec<(Key, Node)>),
}

/// A scalar as written and as understood.
#[derive(Clone, Debug)]
pub struct Scalar {
    /// As written, quotes and escapes resolved.
    pub text: Arc<str>,
    /// As understood.
    pub value: Value,
    style: ScalarStyle,
    /// Whether the text was put in place of the one that stands in the file.
    replaced: bool,
}

/// The name of a member, with its place.
#[derive(Clone, Debug)]
pub struct Key {
    /// The name.
    pub name: Arc<str>,
    /// Where it stands.
    pub span: Span,
}

impl Node {
    /// The text of a scalar that is a string, or of any other plain scalar as it was written.
    #[must_use]
    pub fn text(&self) -> Option<&Arc<str>> {
        match &self.kind {
            Kind::Scalar(scalar) if !scalar.value.is_null() => Some(&scalar.text),
            _ => None,
        }
    }

    /// The text of a scalar that is a string, not a number or a truth.
    #[must_use]
    pub fn string(&self) -> Option<&Arc<str>> {
        match &self.kind {
            Kind::Scalar(scalar) if matches!(scalar.value, Value::String(_)) => Some(&scalar.text),
            _ => None,
        }
    }

    /// The members of a map.
    #[must_use]
    pub fn map(&self) -> Option<&[(Key, Self)]> {
        match &self.kind {
            Kind::Map(members) => Some(members),
            _ => None,
        }
    }

    /// The items of a list.
    #[must_use]
    pub fn list(&self) -> Option<&[Self]> {
        match &self.kind {
            Kind::List(items) => Some(items),
            _ => None,
        }
    }

    /// A member of a map.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.map()?.iter().find(|(key, _)| &*key.name == name).map(|(_, node)| node)
    }

    /// In words for messages.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar(scalar) => scalar.value.kind(),
            Kind::List(_) => "list",
            Kind::Map(_) => "mapping",
        }
    }

    /// The tree as plain data.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(scalar) => scalar.value.clone(),
            Kind::List(items) => Value::array(items.iter().map(Self::to_value)),
            Kind::Map(members) => {
                Value::object(members.iter().map(|(key, node)| (Arc::clone(&key.name), node.to_value())))
            }
        }
    }

    /// Puts other texts in place of scalars, where `replacement` gives one. A scalar without quotes is then understood anew, so
    /// that a number stays a number.
    pub fn replace_scalars(&mut self, replacement: &mut dyn FnMut(&Scalar, Span) -> Option<String>) {
        match &mut self.kind {
            Kind::Scalar(scalar) => {
                if let Some(text) = replacement(scalar, self.span) {
                    scalar.text = text.into();
                    scalar.value = match scalar.style {
                        ScalarStyle::Plain => plain(&scalar.text),
                        _ => Value::String(Arc::clone(&scalar.text).into()),
                    };
                    scalar.replaced = true;
                }
            }
            Kind::List(items) => items.iter_mut().for_each(|item| item.replace_scalars(replacement)),
            Kind::Map(members) => members.iter_mut().for_each(|(_, member)| member.replace_scalars(replacement)),
        }
    }

    /// The place of `length` characters, `offset` characters into this scalar's text.
    #[must_use]
    pub fn inside(&self, source: &Source, offset: usize, length: usize) -> Span {
        let Kind::Scalar(scalar) = &self.kind else { return self.span };
        if scalar.replaced {
            return self.span;
        }
        let before: String = scalar.text.chars().take(offset).collect();
        let line_in_text = before.matches('\n').count();
        let column_in_line = before.chars().rev().take_while(|character| *character != '\n').count();
        let here = |line: usize, column: usize| Span { line, column, length: length.max(1) };
        match scalar.style {
            ScalarStyle::Plain if line_in_text == 0 => self.single_line(here, offset, 0),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted if line_in_text == 0 => {
                self.single_line(here, offset, 1)
            }
            ScalarStyle::Literal => {
                let wanted = scalar.text.split('\n').nth(line_in_text).unwrap_or("").trim();
                let found = source.text.lines().enumerate().skip(self.span.line - 1).find(|(index, line)| {
                    index + 1 >= self.span.line + line_in_text && !wanted.is_empty() && line.trim() == wanted
                });
                match found {
                    Some((index, line)) => {
                        let text_line = scalar.text.split('\n').nth(line_in_text).unwrap_or("");
                        let indent = line.chars().count().saturating_sub(text_line.trim_end().chars().count());
                        here(index + 1, indent + column_in_line + 1)
                    }
                    None => self.span,
                }
            }
            _ => self.span,
        }
    }

    fn single_line(&self, here: impl Fn(usize, usize) -> Span, offset: usize, quote: usize) -> Span {
        // A plain or quoted scalar that runs over several lines was folded: only its first line can be counted.
        if offset + quote <= self.span.length {
            here(self.span.line, self.span.column + quote + offset)
        } else {
            self.span
        }
    }
}

/// Reads one document.
///
/// # Errors
/// What is wrong with it, and where.
pub fn parse(source: &Source) -> Result<Node, Diagnostics> {
    let mut builder = Builder { source, stack: Vec::new(), anchors: HashMap::new(), root: None, nodes: 0 };
    let mut problems = Diagnostics::default();
    for next in Parser::new_from_str(&source.text) {
        let (event, span) = match next {
            Ok(next) => next,
            Err(error) => {
                let place = Span { line: error.marker().line().max(1), column: error.marker().col() + 1, length: 1 };
                let message = format!("this is not YAML: {}", error.info());
                problems.push(Diagnostic::error(source, place, "IL-WF-001", message).with_help(
                    "check the indentation and the quotes here; texts that contain `: `, `#`, `{` or `[` need quotes",
                ));
                return Err(problems);
            }
        };
        if let Err(problem) = builder.event(event, &span) {
            problems.push(*problem);
            return Err(problems);
        }
    }
    builder.root.ok_or_else(|| {
        let place = Span { line: 1, column: 1, length: 1 };
        problems.push(
            Diagnostic::error(source, place, "IL-WF-001", "the file is empty")
                .with_help("a workflow needs at least `document` and `do`"),
        );
        problems
    })
}

enum Open {
    List { span: Span, anchor: usize, items: Vec<Node> },
    Map { span: Span, anchor: usize, members: Vec<(Key, Node)>, key: Option<Key> },
}

struct Builder<'a> {
    source: &'a Source,
    stack: Vec<Open>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    nodes: usize,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: &YamlSpan) -> Result<(), Box<Diagnostic>> {
        let place = place(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let text: Arc<str> = text.as_ref().into();
                let as_text = tag.as_deref().and_then(|tag| tag.core_suffix().map(|suffix| suffix == "str"));
                let value = match (style, as_text) {
                    (_, Some(true)) => Value::String(Arc::clone(&text).into()),
                    (ScalarStyle::Plain, _) => plain(&text),
                    _ => Value::String(Arc::clone(&text).into()),
                };
                let kind = Kind::Scalar(Scalar { text, value, style, replaced: false });
                self.node(Node { span: place, kind, size: 1 }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open(place, Open::List { span: place, anchor, items: Vec::new() })
            }
            Event::MappingStart(_, anchor, _) => {
                self.open(place, Open::Map { span: place, anchor, members: Vec::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(Open::List { span, anchor, items }) => {
                    let size = 1 + items.iter().map(|item| item.size).sum::<usize>();
                    self.node(Node { span, kind: Kind::List(items), size }, anchor)
                }
                Some(Open::Map { span, anchor, members, .. }) => {
                    let size = 1 + members.iter().map(|(_, node)| node.size).sum::<usize>();
                    self.node(Node { span, kind: Kind::Map(members), size }, anchor)
                }
                None => Ok(()),
            },
            Event::Alias(id) => match self.anchors.get(&id).cloned() {
                Some(node) => self.node(node, 0),
                None => Err(self.problem(place, "this alias names no anchor before it")),
            },
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(self.problem(place, "a second document starts here, but a file holds one"))
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, place: Span, open: Open) -> Result<(), Box<Diagnostic>> {
        if self.stack.len() >= DEPTH_MAX {
            return Err(self.problem(place, "this is nested more than 100 levels deep"));
        }
        self.stack.push(open);
        Ok(())
    }

    fn node(&mut self, node: Node, anchor: usize) -> Result<(), Box<Diagnostic>> {
        self.nodes += node.size;
        if self.nodes > NODES_MAX {
            return Err(self.problem(node.span, "the document is larger than 200,000 nodes with its aliases expanded"));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { members, key, .. }) => match key.take() {
                Some(name) => members.push((name, node)),
                None => {
                    let Some(name) = node_name(&node) else {
                        return Err(self.problem(node.span, "a name is expected here, not a list or mapping"));
                    };
                    if members.iter().any(|(key, _)| key.name == name) {
                        let message = format!("`{name}` stands twice in this mapping");
                        return Err(self.problem(node.span, &message));
                    }
                    *key = Some(Key { name, span: node.span });
                }
            },
        }
        Ok(())
    }

    fn problem(&self, place: Span, message: &str) -> Box<Diagnostic> {
        Box::new(Diagnostic::error(self.source, place, "IL-WF-001", message))
    }
}

fn node_name(node: &Node) -> Option<Arc<str>> {
    match &node.kind {
        Kind::Scalar(scalar) => Some(Arc::clone(&scalar.text)),
        _ => None,
    }
}

fn place(span: &YamlSpan) -> Span {
    let length = if span.start.line() == span.end.line() { span.end.col().saturating_sub(span.start.col()) } else { 1 };
    Span { line: span.start.line().max(1), column: span.start.col() + 1, length: length.max(1) }
}

/// A plain scalar by the core schema.
fn plain(text: &Arc<str>) -> Value {
    match &**text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let first = text.as_bytes().first().copied().unwrap_or_default();
    if first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.') {
        let unsigned = text.strip_prefix('+').unwrap_or(text);
        for (prefix, radix) in [("0x", 16), ("0o", 8)] {
            if let Some(Ok(number)) = unsigned.strip_prefix(prefix).map(|digits| i64::from_str_radix(digits, radix)) {
                return Value::from(number);
            }
        }
        let (sign, digits) = unsigned.strip_prefix('-').map_or(("", unsigned), |digits| ("-", digits));
        let digits = if digits.starts_with('.') { format!("0{digits}") } else { digits.to_owned() };
        let leading = digits.trim_start_matches('0');
        let digits = if leading.len() < digits.len() && leading.starts_with(|c: char| c.is_ascii_digit()) {
            leading
        } else {
            &digits
        };
        if let Ok(number @ Value::Number(_)) = json::parse(format!("{sign}{digits}").as_bytes()) {
            return number;
        }
    }
    Value::String(Arc::clone(text).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, Diagnostics> {
        parse(&Source { file: "t.yaml".into(), text: text.into() })
    }

    #[test]
    fn scalars_follow_the_core_schema() {
        let node = read("[1, 1.50, -2, .5, 007, 0x1F, yes, true, ~, '1', 1.2.3, 2024-01-01]").expect("YAML");
        assert_eq!(node.to_value().to_string(), r#"[1,1.50,-2,0.5,7,31,"yes",true,null,"1","1.2.3","2024-01-01"]"#);
    }

    #[test]
    fn nodes_know_their_places() {
        let source =
            Source { file: "t.yaml".into(), text: "a:\n  b: 'x y z'\n  c: |\n    one\n    two three\n".into() };
        let node = parse(&source).expect("YAML");
        let quoted = node.get("a").and_then(|a| a.get("b")).expect("b");
        assert_eq!(quoted.inside(&source, 2, 1), Span { line: 2, column: 9, length: 1 });
        let literal = node.get("a").and_then(|a| a.get("c")).expect("c");
        assert_eq!(literal.inside(&source, 8, 5), Span { line: 5, column: 9, length: 5 });
    }

    #[test]
    fn bad_documents_are_told_where() {
        for (text, line) in
            [("a: 1\na: 2\n", 2), ("a: [1, 2\nb: 3", 2), ("a: *x", 1), ("", 1), ("a: 1\n---\nb: 2\n", 2)]
        {
            let problems = read(text).expect_err(text).into_sorted();
            assert_eq!(problems.len(), 1, "{text}");
            assert!(problems[0].span.line <= line + 1, "{text}: {}", problems[0]);
        }
        let bomb = "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                    d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e]\n";
        assert!(read(bomb).is_err());
    }
}
