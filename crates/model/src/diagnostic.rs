//! What is wrong in a definition that a user wrote, and where.

use std::fmt;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// A place in a source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// 1-based line.
    pub line: usize,
    /// 1-based column, in characters.
    pub column: usize,
    /// How many characters are meant; at least 1.
    pub length: usize,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The definitions are not used while this stands.
    Error,
    /// They work, but probably not as meant.
    Warning,
}

/// A file a user wrote, as far as messages need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The path to show, relative to the project folder.
    pub file: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
}

/// One mistake with its place and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// Path of the file, relative to the project folder.
    pub file: Arc<str>,
    /// Where in it.
    pub span: Span,
    /// How bad.
    pub severity: Severity,
    /// Stable code, such as `IL-MAP-004`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What would be right, when that is known.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error.
    pub fn error(source: &Source, span: Span, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            file: Arc::clone(&source.file),
            span,
            severity: Severity::Error,
            code,
            message: message.into(),
            help: None,
        }
    }

    /// A warning.
    pub fn warning(source: &Source, span: Span, code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(source, span, code, message) }
    }

    /// Says what would be right.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The message with the offending text underlined, for a terminal.
    #[must_use]
    pub fn render(&self, source: Option<&str>, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(self.message.as_str()).id(self.code);
        let group = match source {
            Some(text) => title.element(
                Snippet::source(text).path(&*self.file).annotation(AnnotationKind::Primary.span(self.byte_range(text))),
            ),
            None => {
                let place = format!("{}:{}:{}", self.file, self.span.line, self.span.column);
                return format!("{}: {}\n  --> {place}\n", self.code, self.message);
            }
        };
        let group = match &self.help {
            Some(help) => group.element(Level::HELP.message(help.as_str())),
            None => group,
        };
        renderer.render(&[group])
    }

    fn byte_range(&self, text: &str) -> std::ops::Range<usize> {
        let line_start: usize = text.split_inclusive('\n').take(self.span.line.saturating_sub(1)).map(str::len).sum();
        let line = text[line_start.min(text.len())..].lines().next().unwrap_or("");
        let offset = |characters: usize| line.char_indices().nth(characters).map_or(line.len(), |(index, _)| index);
        let start = offset(self.span.column.saturating_sub(1));
        let end = offset(self.span.column.saturating_sub(1) + self.span.length.max(1));
        line_start + start..line_start + end.max(start)
    }
}

impl fmt::Display for Diagnostic {
    /// `file:line:column: message [code]`
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, span, message, code, .. } = self;
        write!(formatter, "{file}:{}:{}: {message} [{code}]", span.line, span.column)?;
        if let Some(help) = &self.help {
            write!(formatter, " ({help})")?;
        }
        Ok(())
    }
}

/// All mistakes of a set of definitions, in the order of files and lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Adds many.
    pub fn extend(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        self.0.extend(diagnostics);
    }

    /// Whether any of them stands in the way.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Whether there are none at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All, sorted by file, place and message, each once.
    #[must_use]
    pub fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.0.sort();
        self.0.dedup();
        self.0
    }

    /// As they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Longer texts are no names that somebody misspelt, in bytes.
const NAME_MAX: usize = 200;

/// The candidate that a misspelt name probably meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (name.chars().count() / 3).max(1) + 1;
    candidates
        .into_iter()
        .filter(|candidate| name.len() <= NAME_MAX && candidate.len() <= NAME_MAX)
        .filter_map(|candidate| {
            let (name, lower) = (name.to_lowercase(), candidate.to_lowercase());
            let distance = distance(&name, &lower);
            // A name that was cut short is meant more often than one that was misspelt beyond this.
            let cut_short = name.len() >= 3 && lower.starts_with(&name);
            (distance <= most || cut_short).then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance with two rows.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, left_character) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, right_character) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(left_character != *right_character);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_finds_its_neighbour() {
        assert_eq!(nearest("conection", ["connector", "connection", "limits"]), Some("connection"));
        assert_eq!(nearest("SoldTo", ["SalesOrder", "SoldToParty"]), Some("SoldToParty"));
        assert_eq!(nearest("xyz", ["connection"]), None);
    }

    #[test]
    fn the_offending_text_is_underlined() {
        let source = Source { file: "a.yaml".into(), text: "one: 1\ntwo: 2\n".into() };
        let span = Span { line: 2, column: 6, length: 1 };
        let diagnostic = Diagnostic::error(&source, span, "IL-X-001", "two is not allowed").with_help("write `three`");
        let text = diagnostic.render(Some(&source.text), false);
        assert!(text.contains("a.yaml:2:6") && text.contains('^') && text.contains("write `three`"), "{text}");
        assert_eq!(diagnostic.to_string(), "a.yaml:2:6: two is not allowed [IL-X-001] (write `three`)");
    }
}
