//! `tests/*.yaml`: golden cases.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use connect::Connector;
use indexmap::IndexMap;
use model::{ConnectionName, Diagnostics, ObjectName, Span};
use workflow::yaml::Node;

use super::reader::{Fields, Reader, article};
use super::{Document, Findings, Unset, files, load_project, parse};
use crate::connection::{ConnectionDefinition, Feed};
use crate::golden::{Case, CaseFile, Expected, Parent, Recognised, References, Subject, Written};
use crate::release::Release;
use crate::sources::{LoadError, Sources};

/// What a case may test: the member that names it, and the members that such a case has besides `case`.
const SUBJECTS: [(&str, &[&str]); 4] = [
    ("mapping", &["read", "write", "expect", "refused", "there-and-back"]),
    ("feed", &["before", "record", "known", "expect", "key", "skipped", "refused"]),
    ("function", &["input", "expect", "answer", "output", "refused"]),
    ("match", &["records", "same", "refused"]),
];
/// Members whose value is data: a number that lost its zeros is told.
const DATA: [&str; 7] = ["read", "write", "record", "input", "answer", "expect", "output"];

/// Reads a project and its golden cases. Environment variables that are not set are no mistake: nothing is reached.
///
/// `expectations`: whether a case has to say what it expects; not when what comes out is to be written into it.
///
/// # Errors
/// As [`super::load`], with the mistakes of the cases.
pub fn load_with_cases(
    folder: &Path,
    connectors: &[&dyn Connector],
    environment: &dyn Fn(&str) -> Option<String>,
    expectations: bool,
) -> Result<(Release, Vec<CaseFile>, Diagnostics), LoadError> {
    let (release, mut diagnostics) = load_project(folder, connectors, environment, Unset::Allowed)?;
    let files = files::read_tests(folder)?;
    let findings = Findings { problems: RefCell::new(files.problems), blots: RefCell::default(), unset: None };
    let mut read = Vec::new();
    for file in &files.files {
        let Some(document) = parse(file, &findings) else { continue };
        let reader = Reader { source: document.source, findings: &findings };
        let cases = Cases { release: &release, reader, expectations }.read(&document);
        read.push(CaseFile { source: document.source.clone(), cases });
    }
    let found = findings.problems.into_inner();
    if found.has_errors() {
        return Err(LoadError::Definitions { diagnostics: found, sources: files.sources });
    }
    diagnostics.extend(found);
    let mut release = release;
    release.sources = both(release.sources, &files.sources);
    Ok((release, read, diagnostics))
}

/// The files of the project and those of its cases, to show warnings in their place.
fn both(mut sources: Sources, cases: &Sources) -> Sources {
    cases.iter().for_each(|source| sources.add(source.clone()));
    sources
}

struct Cases<'a> {
    release: &'a Release,
    reader: Reader<'a>,
    expectations: bool,
}

impl<'a> Cases<'a> {
    fn read(&self, document: &'a Document<'a>) -> Vec<Case> {
        let node = &document.node;
        let Some(fields) = self.reader.fields(node, node.span, "a file of cases", &["cases"]) else {
            return Vec::new();
        };
        let Some(list) = fields.required("cases") else { return Vec::new() };
        let mut names: Vec<Arc<str>> = Vec::new();
        let mut cases = Vec::new();
        for node in self.reader.items(list, "`cases`") {
            let Some(case) = self.case(node) else { continue };
            if names.contains(&case.name) {
                let message = format!("there are two cases called `{}` in this file", case.name);
                self.reader.error_with(case.span, "IL-DEF-011", message, "give one of them another name");
            }
            names.push(Arc::clone(&case.name));
            cases.push(case);
        }
        cases
    }

    fn case(&self, node: &'a Node) -> Option<Case> {
        let reader = self.reader;
        let Some(members) = node.map() else {
            let message = format!("a case is a mapping, not {}", article(node));
            reader.error(node.span, "IL-DEF-002", message);
            return None;
        };
        let named = |name: &str| members.iter().find(|(key, _)| &*key.name == name);
        let subjects: Vec<_> = SUBJECTS.iter().filter(|(subject, _)| named(subject).is_some()).collect();
        let (subject, own) = match subjects.as_slice() {
            [one] => *one,
            [] => {
                let place = members.first().map_or(node.span, |(key, _)| key.span);
                let help = "name one of `mapping`, `feed`, `function` and `match`";
                // A misspelt one is told by its name.
                let all: Vec<&str> = SUBJECTS
                    .iter()
                    .flat_map(|(name, own)| own.iter().chain([name]))
                    .chain([&"case"])
                    .copied()
                    .collect();
                for (key, _) in members.iter().filter(|(key, _)| !all.contains(&&*key.name)) {
                    let message = format!("a case has no member `{}`", key.name);
                    reader.unknown(key.span, "IL-DEF-003", message, &key.name, all.iter().copied());
                }
                reader.error_with(place, "IL-DEF-004", "this case does not say what it tests", help);
                return None;
            }
            [_, second, ..] => {
                let place = named(second.0).map_or(node.span, |(key, _)| key.span);
                let message = format!("this case tests `{}` and `{}` at once", subjects[0].0, second.0);
                reader.error_with(place, "IL-DEF-011", message, "make two cases of it");
                return None;
            }
        };
        let known: Vec<&str> = ["case", *subject].into_iter().chain(own.iter().copied()).collect();
        let what = format!("a case with `{subject}`");
        let fields = reader.fields(node, node.span, &what, &known)?;
        for (key, value) in members.iter().filter(|(key, _)| DATA.contains(&&*key.name)) {
            self.lost_zeros(&key.name, value);
        }
        let name = fields.required_text("case");
        let read = match *subject {
            "mapping" => self.mapping(&fields),
            "feed" => self.feed(&fields),
            "function" => self.function(&fields),
            _ => self.recognition(&fields),
        };
        let expected = self.expected(&fields);
        let (name, subject) = (name?, read?);
        self.contradictions(&fields, &subject, &expected);
        Some(Case { name, span: fields.place(), subject, expected })
    }

    fn mapping(&self, fields: &Fields<'a>) -> Option<Subject> {
        let reader = self.reader;
        let name = fields.required_text("mapping")?;
        let mapping = self.release.mappings.get(&name).cloned();
        if mapping.is_none() {
            let message = format!("there is no mapping `{name}`");
            let known = self.release.mappings.keys().map(|known| &**known);
            reader.unknown(self.value_span(fields, "mapping"), "IL-DEF-006", message, &name, known);
        }
        match (fields.get("read"), fields.get("write")) {
            (Some(record), None) => Some(Subject::Read { mapping: mapping?, record: record.to_value() }),
            (None, Some(object)) => Some(Subject::Write { mapping: mapping?, object: object.to_value() }),
            (None, None) => {
                let help = "give a record under `read`, or an object under `write`";
                reader.error_with(fields.place(), "IL-DEF-004", "this case has nothing to map", help);
                None
            }
            (Some(_), Some(_)) => {
                let message = "a case reads or writes, not both";
                let help = "make two cases of it, or use `there-and-back: true`";
                reader.error_with(fields.key_span("write"), "IL-DEF-011", message, help);
                None
            }
        }
    }

    fn feed(&self, fields: &Fields<'a>) -> Option<Subject> {
        let feed = self.followed(fields);
        let record = fields.required("record").map(Node::to_value);
        let known = self.known(fields);
        let before = fields.get("before").map(|node| {
            let list = node.list();
            if list.is_none() {
                self.reader.error(node.span, "IL-DEF-002", "`before` is a list of records, those read first in front");
            }
            list.unwrap_or_default().iter().map(Node::to_value).collect()
        });
        Some(Subject::Feed { feed: feed?, before: before.unwrap_or_default(), record: record?, known: known? })
    }

    fn followed(&self, fields: &Fields<'a>) -> Option<Arc<Feed>> {
        let (connection, name, span) = self.of_connection(fields, "feed")?;
        let found = connection.feeds.get(&name).cloned();
        if found.is_none() {
            let message = format!("connection `{}` has no feed `{name}`", connection.name);
            let known = connection.feeds.keys().map(|known| &**known);
            self.reader.unknown(span, "IL-DEF-006", message, &name, known);
        }
        found
    }

    /// What is known of parents by object and record id: a key, or a key with ids in other connections.
    fn known(&self, fields: &Fields<'a>) -> Option<References> {
        let mut references = References::new();
        let Some(node) = fields.get("known") else { return Some(references) };
        for (object, records) in self.reader.entries(node, "`known`") {
            let Some((name, _)) = self.release.objects.get_key_value(&*object.name) else {
                let known = self.release.objects.keys().map(ObjectName::as_str);
                let message = format!("there is no canonical object `{}`", object.name);
                self.reader.unknown(object.span, "IL-DEF-006", message, &object.name, known);
                return None;
            };
            let entries = self.reader.entries(records, &format!("`{}`", object.name));
            let keys = entries.iter().map(|(id, parent)| Some((Arc::clone(&id.name), self.parent(parent)?)));
            references.insert(name.clone(), keys.collect::<Option<IndexMap<_, _>>>()?);
        }
        Some(references)
    }

    fn parent(&self, node: &'a Node) -> Option<Parent> {
        if node.map().is_none() {
            return Some(Parent { key: self.reader.text(node, "a key")?, ..Parent::default() });
        }
        let connections = self.release.connections.keys().map(ConnectionName::as_str);
        let names: Vec<&str> = std::iter::once("key").chain(connections).collect();
        let fields = self.reader.fields(node, node.span, "what is known", &names)?;
        let key = fields.required_text("key")?;
        let at = self.release.connections.keys().filter(|name| fields.get(name.as_str()).is_some());
        let at = at.map(|name| Some((name.clone(), fields.required_text(name.as_str())?)));
        Some(Parent { key, at: at.collect::<Option<_>>()? })
    }

    fn function(&self, fields: &Fields<'a>) -> Option<Subject> {
        let function = self.of_connection(fields, "function").and_then(|(connection, name, span)| {
            let found = connection.functions.get(&*name).cloned();
            if found.is_none() {
                let message = format!("connection `{}` has no function `{name}`", connection.name);
                let known = connection.functions.keys().map(|known| known.as_str());
                self.reader.unknown(span, "IL-DEF-006", message, &name, known);
            }
            found
        });
        let input = fields.required("input").map(Node::to_value);
        // A system may answer nothing: what the file says counts, even `null`.
        let answer = fields.written("answer").map(Node::to_value);
        Some(Subject::Function { function: function?, input: input?, answer })
    }

    fn recognition(&self, fields: &Fields<'a>) -> Option<Subject> {
        let reader = self.reader;
        let name = fields.required_text("match")?;
        let object = self.release.synchronised.get(&*name).cloned();
        if object.is_none() {
            let message = match self.release.objects.contains_key(&*name) {
                true => format!("`{name}` has no `sides`, so none of its records are recognised"),
                false => format!("there is no canonical object `{name}`"),
            };
            let known = self.release.synchronised.keys().map(ObjectName::as_str);
            reader.unknown(self.value_span(fields, "match"), "IL-DEF-006", message, &name, known);
        }
        let node = fields.required("records")?;
        let mut records = Vec::new();
        for item in reader.items(node, "`records`") {
            let inner = reader.fields(item, item.span, "a record to recognise", &["feed", "record"])?;
            self.lost_zeros("record", item);
            let (feed, record) = (self.followed(&inner), inner.required("record").map(Node::to_value));
            if let (Some(feed), Some(object)) = (&feed, &object)
                && feed.object != object.object
            {
                let message = format!("the feed {feed} hands over `{}`, not `{}`", feed.object, object.object);
                reader.error(self.value_span(&inner, "feed"), "IL-DEF-011", message);
            }
            records.push(feed.zip(record).map(|(feed, record)| Recognised { feed, record }));
        }
        let Ok(two) = <[Option<Recognised>; 2]>::try_from(records) else {
            reader.error(
                fields.key_span("records"),
                "IL-DEF-005",
                "`records` are two: the first is known, the second comes",
            );
            return None;
        };
        let [Some(first), Some(second)] = two else { return None };
        Some(Subject::Match { object: object?, records: Box::new([first, second]) })
    }

    /// `crm.accounts`: the connection, the name in it, and where it stands.
    fn of_connection(&self, fields: &Fields<'a>, member: &str) -> Option<(&'a ConnectionDefinition, Arc<str>, Span)> {
        let text = fields.required_text(member)?;
        let span = self.value_span(fields, member);
        let Some((connection, name)) = text.split_once('.') else {
            let message = format!("`{text}` names no connection");
            let help = format!("write it with its connection: `{member}: crm.{text}`");
            self.reader.error_with(span, "IL-DEF-005", message, help);
            return None;
        };
        let found = self.release.connections.get(connection);
        if found.is_none() {
            let known = self.release.connections.keys().map(|known| known.as_str());
            let message = format!("there is no connection `{connection}`");
            self.reader.unknown(span, "IL-DEF-006", message, connection, known);
        }
        Some((found?, name.into(), span))
    }

    fn expected(&self, fields: &Fields<'a>) -> Expected {
        let written =
            |name: &str| fields.written(name).map(|node| Written { name: fields.key_span(name), node: node.clone() });
        let truth = |name: &str| fields.truth(name).filter(|truth| *truth).map(|_| fields.key_span(name));
        if let Some(node) = fields.get("same")
            && node.to_value().as_bool().is_none()
            && node.to_value().as_str() != Some("ask")
        {
            let message = "`same` is `true`, `false`, or `ask` when a person has to say";
            self.reader.error(node.span, "IL-DEF-005", message);
        }
        Expected {
            value: written("expect"),
            output: written("output"),
            refused: fields.text("refused").map(|text| (text, fields.key_span("refused"))),
            skipped: truth("skipped"),
            same: written("same"),
            key: written("key"),
            there_and_back: truth("there-and-back"),
        }
    }

    fn contradictions(&self, fields: &Fields<'a>, subject: &Subject, expected: &Expected) {
        let reader = self.reader;
        let answers: Vec<&str> = ["expect", "output", "skipped", "refused", "same", "there-and-back"]
            .into_iter()
            .filter(|name| fields.written(name).is_some())
            .collect();
        if answers.is_empty() && self.expectations {
            let wanted = match subject {
                Subject::Read { .. } | Subject::Write { .. } => "`expect`, `refused` or `there-and-back`",
                Subject::Feed { .. } => "`expect`, `skipped` or `refused`",
                Subject::Function { .. } => "`expect`, `output` or `refused`",
                Subject::Match { .. } => "`same` or `refused`",
            };
            let help = format!("give {wanted}, or run with --update to write what comes out");
            reader.error_with(fields.place(), "IL-DEF-004", "this case expects nothing", help);
        }
        let ends = [("refused", expected.refused.as_ref().map(|_| ())), ("skipped", expected.skipped.map(|_| ()))];
        for (end, _) in ends.into_iter().filter(|(_, there)| there.is_some()) {
            let call_first = matches!(subject, Subject::Function { answer: Some(_), .. });
            let other = answers.iter().find(|name| **name != end && !(call_first && **name == "expect"));
            if let Some(other) = other {
                let message = format!("a case that expects `{end}` cannot expect `{other}`, too");
                reader.error_with(fields.key_span(end), "IL-DEF-011", message, "remove one of them");
            }
        }
        if let Subject::Function { answer, .. } = subject {
            let (output, answered) = (expected.output.as_ref(), answer.is_some());
            if let (Some(output), false) = (output, answered) {
                let help = "say under `answer` what the system answers";
                reader.error_with(output.name, "IL-DEF-004", "`output` needs an answer to be made of", help);
            }
            if let Some(expected) = &expected.value {
                let known = ["action", "record", "key", "businessKey", "probe", "body"];
                reader.fields(&expected.node, expected.name, "a call", &known);
            }
        }
    }

    /// Warns of texts that became other numbers, anywhere in the data of a case.
    fn lost_zeros(&self, what: &str, node: &Node) {
        if super::reader::lost_zeros(node) {
            let text = node.text().map_or("", |text| text);
            let message = format!("without quotes, {text} in `{what}` is the number {}", node.to_value());
            self.reader.warning(node.span, message, format!("write '{text}' to keep the zeros"));
        }
        node.list().unwrap_or_default().iter().for_each(|item| self.lost_zeros(what, item));
        node.map().unwrap_or_default().iter().for_each(|(_, member)| self.lost_zeros(what, member));
    }

    fn value_span(&self, fields: &Fields<'a>, name: &str) -> Span {
        fields.get(name).map_or(fields.place(), |node| node.span)
    }
}
