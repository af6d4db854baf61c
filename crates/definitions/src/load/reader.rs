//! Reading a file's tree: every mistake is noted with its place, and reading goes on.

use std::sync::Arc;
use std::time::Duration;

use expr::Expression;
use model::{Diagnostic, Path, Source, Span, Value, nearest};
use workflow::yaml::{Key, Kind, Node};

use super::Findings;

/// Longest time that a definition may name, in milliseconds: 400 days.
const DURATION_MAX: u64 = 400 * 86_400_000;

/// One file under reading, and the mistakes found so far in all files.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) source: &'a Source,
    pub(super) findings: &'a Findings,
}

/// The members of a mapping whose names have been checked.
pub(super) struct Fields<'a> {
    reader: Reader<'a>,
    node: &'a Node,
    /// Where a missing member is told.
    place: Span,
    /// What this is, for messages: `the feed quotes`.
    what: String,
}

impl<'a> Reader<'a> {
    pub(super) fn error(self, span: Span, code: &'static str, message: impl Into<String>) {
        self.findings.problems.borrow_mut().push(Diagnostic::error(self.source, span, code, message));
    }

    pub(super) fn error_with(
        self,
        span: Span,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.findings.problems.borrow_mut().push(Diagnostic::error(self.source, span, code, message).with_help(help));
    }

    pub(super) fn warning(self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.findings
            .problems
            .borrow_mut()
            .push(Diagnostic::warning(self.source, span, "IL-DEF-020", message).with_help(help));
    }

    /// Tells of a name that stands for nothing, with the name that was probably meant.
    pub(super) fn unknown<'n>(
        self,
        span: Span,
        code: &'static str,
        message: impl Into<String>,
        name: &str,
        known: impl IntoIterator<Item = &'n str>,
    ) {
        let known: Vec<&str> = known.into_iter().collect();
        let help = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => return self.error(span, code, message),
            None if known.len() > 30 => format!("there are {} and others", known[..30].join(", ")),
            None if known.len() == 1 => format!("there is only `{}`", known[0]),
            None => format!("there are {}", known.join(", ")),
        };
        self.error_with(span, code, message, help);
    }

    /// A mapping with no other members than the known ones.
    pub(super) fn fields(self, node: &'a Node, place: Span, what: &str, known: &[&str]) -> Option<Fields<'a>> {
        let Some(members) = node.map() else {
            let message = format!("{what} is a mapping, not {}", article(node));
            self.error(node.span, "IL-DEF-002", message);
            return None;
        };
        for (key, _) in members.iter().filter(|(key, _)| !known.contains(&&*key.name)) {
            let message = format!("{what} has no member `{}`", key.name);
            self.unknown(key.span, "IL-DEF-003", message, &key.name, known.iter().copied());
        }
        // A file's own place would be a single character.
        let first = members.first().filter(|_| place == node.span);
        let place = first.map_or(place, |(key, _)| key.span);
        Some(Fields { reader: self, node, place, what: what.to_owned() })
    }

    /// The members of a mapping whose names are the user's.
    pub(super) fn entries(self, node: &'a Node, what: &str) -> &'a [(Key, Node)] {
        match node.map() {
            Some(members) => members,
            None => {
                self.error(node.span, "IL-DEF-002", format!("{what} is a mapping, not {}", article(node)));
                &[]
            }
        }
    }

    /// The items of a list.
    pub(super) fn items(self, node: &'a Node, what: &str) -> &'a [Node] {
        match node.list() {
            Some(items) => items,
            None => {
                self.error(node.span, "IL-DEF-002", format!("{what} is a list, not {}", article(node)));
                &[]
            }
        }
    }

    /// A text; numbers count as written.
    pub(super) fn text(self, node: &Node, what: &str) -> Option<Arc<str>> {
        match node.text() {
            Some(text) if !text.trim().is_empty() => Some(Arc::clone(text)),
            _ => {
                self.error(node.span, "IL-DEF-002", format!("{what} is a text, not {}", article(node)));
                None
            }
        }
    }

    /// A list of texts.
    pub(super) fn texts(self, node: &'a Node, what: &str) -> Vec<Arc<str>> {
        self.items(node, what).iter().filter_map(|item| self.text(item, &format!("an item of {what}"))).collect()
    }

    /// A path of member names.
    pub(super) fn path(self, text: &str, span: Span) -> Option<Path> {
        text.parse().map_err(|error: model::PathError| self.error(span, "IL-DEF-005", error.to_string())).ok()
    }

    /// A jq expression.
    pub(super) fn expression(self, node: &Node, what: &str, variables: &[&str]) -> Option<Expression> {
        let text = self.text(node, what)?;
        match Expression::compile_with(&text, variables) {
            Ok(expression) => Some(expression),
            Err(error) => {
                let characters = |from: usize, to: usize| text.get(from..to).map(|part| part.chars().count());
                let offset = characters(0, error.offset).unwrap_or(0);
                let length = characters(error.offset, error.offset.saturating_add(error.length)).unwrap_or(1);
                let span = node.inside(self.source, offset, length);
                self.error(span, "IL-DEF-007", format!("{what} is no jq that can run: {}", error.message));
                None
            }
        }
    }

    /// A reference to a secret. One that is written down itself is an error, and no message shows it.
    pub(super) fn secret(self, node: &Node, what: &str) -> Option<Arc<str>> {
        let text = self.text(node, what)?;
        let name = text.split_once(':').filter(|(scheme, _)| matches!(*scheme, "env" | "file")).map(|(_, name)| name);
        match name {
            Some(name) if !name.trim().is_empty() => Some(text),
            Some(_) => {
                let message = format!("{what} refers to a secret without a name");
                self.error_with(node.span, "IL-DEF-008", message, "write `env:NAME` or `file:path`");
                None
            }
            None => {
                let help = "keep it outside the project and refer to it: `env:NAME` or `file:path`";
                let message = format!("{what} is a secret, and a secret must not stand in the file itself");
                self.error_with(node.span, "IL-DEF-008", message, help);
                self.blot(&text);
                None
            }
        }
    }

    /// Keeps a text of this file out of every message.
    pub(super) fn blot(self, text: &Arc<str>) {
        self.findings.blots.borrow_mut().push((Arc::clone(&self.source.file), Arc::clone(text)));
    }

    /// Notes that what stands here is not known, because its environment variable is not set.
    pub(super) fn unset(self, span: Span) {
        if let Some(unset) = &self.findings.unset {
            unset.borrow_mut().push((Arc::clone(&self.source.file), span));
        }
    }

    /// A name in the project: it stands in file names, URLs and `name:version@catalog`.
    pub(super) fn is_name(self, name: &str, span: Span, what: &str) -> bool {
        let fits = (1..=64).contains(&name.len())
            && name.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '_'));
        if !fits {
            let message = format!("`{name}` cannot be the name of {what}");
            self.error_with(span, "IL-DEF-005", message, "use up to 64 letters, digits, `-` and `_`");
        }
        fits
    }
}

impl<'a> Fields<'a> {
    /// The members of a mapping whose names were checked before; `None` when it has others.
    pub(super) fn checked(reader: Reader<'a>, node: &'a Node, what: &str, known: &[&str]) -> Option<Self> {
        let known = |(key, _): &(Key, Node)| known.contains(&&*key.name);
        let place = node.map()?.first().map_or(node.span, |(key, _)| key.span);
        node.map()?.iter().all(known).then(|| Self { reader, node, place, what: what.to_owned() })
    }

    /// A member, unless it is missing or empty.
    pub(super) fn get(&self, name: &str) -> Option<&'a Node> {
        self.node.get(name).filter(|node| !matches!(&node.kind, Kind::Scalar(scalar) if scalar.value.is_null()))
    }

    /// A member, even an empty one.
    pub(super) fn written(&self, name: &str) -> Option<&'a Node> {
        self.node.get(name)
    }

    /// Where the name of a member stands.
    pub(super) fn key_span(&self, name: &str) -> Span {
        let members = self.node.map().unwrap_or_default();
        members.iter().find(|(key, _)| &*key.name == name).map_or(self.place, |(key, _)| key.span)
    }

    pub(super) const fn place(&self) -> Span {
        self.place
    }

    pub(super) fn required(&self, name: &str) -> Option<&'a Node> {
        let node = self.get(name);
        if node.is_none() {
            let place = if self.node.get(name).is_some() { self.key_span(name) } else { self.place };
            self.reader.error(place, "IL-DEF-004", format!("{} needs `{name}`", self.what));
        }
        node
    }

    /// The name of what a file defines: it has to be the file's.
    pub(super) fn named(&self, member: &str, stem: &Arc<str>, what: &str) -> Option<Arc<str>> {
        let node = self.required(member)?;
        let name = self.reader.text(node, &format!("`{member}`"))?;
        if name != *stem {
            let message = format!("this file is called {stem}.yaml, but defines `{name}`");
            let help = format!("write `{member}: {stem}`, or rename the file to {name}.yaml");
            self.reader.error_with(node.span, "IL-DEF-010", message, help);
            return None;
        }
        self.reader.is_name(&name, node.span, what).then_some(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<Arc<str>> {
        self.reader.text(self.get(name)?, &format!("`{name}`"))
    }

    pub(super) fn required_text(&self, name: &str) -> Option<Arc<str>> {
        self.reader.text(self.required(name)?, &format!("`{name}`"))
    }

    pub(super) fn expression(&self, name: &str, variables: &[&str]) -> Option<Expression> {
        self.reader.expression(self.get(name)?, &format!("`{name}`"), variables)
    }

    pub(super) fn required_expression(&self, name: &str) -> Option<Expression> {
        self.reader.expression(self.required(name)?, &format!("`{name}`"), &[])
    }

    pub(super) fn truth(&self, name: &str) -> Option<bool> {
        let node = self.get(name)?;
        let truth = node.to_value().as_bool();
        if truth.is_none() {
            let message = format!("`{name}` is `true` or `false`, not {}", article(node));
            self.reader.error(node.span, "IL-DEF-002", message);
        }
        truth
    }

    /// A whole number within bounds.
    pub(super) fn whole(&self, name: &str, least: i64, most: i64) -> Option<i64> {
        let node = self.get(name)?;
        let number = node.to_value().as_i64().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let message = format!("`{name}` is a whole number from {least} to {most}");
            self.reader.error(node.span, "IL-DEF-005", message);
        }
        number
    }

    /// A length of time such as `200ms`, longer than nothing.
    pub(super) fn duration(&self, name: &str) -> Option<Duration> {
        let node = self.get(name)?;
        let found = node.text().and_then(|text| duration(text));
        if found.is_none() {
            let shown = node.text().map_or_else(|| article(node), |text| format!("`{text}`"));
            let message = format!("`{name}` is a length of time up to 400 days, which {shown} is not");
            let help = "write a whole number and a unit: `200ms`, `5s`, `3m`, `2h`, `1d`";
            self.reader.error_with(node.span, "IL-DEF-005", message, help);
        }
        found
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let node = self.get(name)?;
        let text = node.text().map_or_else(String::new, ToString::to_string);
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let message = format!("`{name}` cannot be `{text}`");
            self.reader.unknown(node.span, "IL-DEF-005", message, &text, words.iter().map(|(word, _)| *word));
        }
        found
    }
}

/// What a node is, for messages.
pub(super) fn article(node: &Node) -> String {
    match node.kind_name() {
        "null" => "empty".to_owned(),
        "array" | "object" => "this".to_owned(),
        kind => format!("a {kind}"),
    }
}

/// `200ms`, `5s`, `3m`, `2h`, `1d`.
fn duration(text: &str) -> Option<Duration> {
    let split = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let each = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let milliseconds = number.parse::<u64>().ok()?.checked_mul(each)?;
    (1..=DURATION_MAX).contains(&milliseconds).then(|| Duration::from_millis(milliseconds))
}

/// Whether a scalar lost digits because it was written without quotes: `0010` is the number 10.
pub(super) fn lost_zeros(node: &Node) -> bool {
    let Kind::Scalar(scalar) = &node.kind else { return false };
    let digits = scalar.text.trim_start_matches('-').as_bytes();
    matches!(scalar.value, Value::Number(_))
        && digits.len() > 1
        && digits[0] == b'0'
        && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_a_unit() {
        assert_eq!(duration("200ms"), Some(Duration::from_millis(200)));
        assert_eq!(duration("2h"), Some(Duration::from_secs(7200)));
        for wrong in ["", "5", "s", "-5s", "5 s", "0s", "1.5s", "99999999999999999999s", "5w", "401d"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
