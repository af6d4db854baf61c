//! The files that were read, and why a project cannot be used.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use model::{Diagnostic, Diagnostics, Problem, Severity, Source};

/// The files of a project as they were read, by path relative to the project folder: to show messages in their place.
#[derive(Debug, Clone, Default)]
pub struct Sources(IndexMap<Arc<str>, Source>);

impl Sources {
    pub(crate) fn add(&mut self, source: Source) {
        self.0.insert(Arc::clone(&source.file), source);
    }

    /// Blots out a text that should not have been in a file, so that no message shows it.
    pub(crate) fn blot(&mut self, file: &str, secret: &str) {
        let Some(source) = self.0.get_mut(file) else { return };
        source.text = blotted(&source.text, secret).into();
    }

    /// A file by its path.
    #[must_use]
    pub fn get(&self, file: &str) -> Option<&Source> {
        self.0.get(file)
    }

    /// All files, in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.values()
    }

    /// Messages with the offending text underlined, for a terminal; sorted, each once.
    #[must_use]
    pub fn render(&self, diagnostics: &Diagnostics, color: bool) -> String {
        let mut text = String::new();
        for diagnostic in diagnostics.clone().into_sorted() {
            match self.get(&diagnostic.file).filter(|source| !source.text.is_empty()) {
                Some(source) => text.push_str(&diagnostic.render(Some(&source.text), color)),
                None => text.push_str(&without_text(&diagnostic)),
            }
            text.push_str("\n\n");
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// A text without a secret, each line of it in stars. A single character would be everywhere.
pub(crate) fn blotted(text: &str, secret: &str) -> String {
    let lines = secret.lines().map(str::trim).filter(|line| line.len() > 1);
    lines.fold(text.to_owned(), |text, line| text.replace(line, &"*".repeat(line.chars().count())))
}

/// A message about a file as a whole.
fn without_text(diagnostic: &Diagnostic) -> String {
    let level = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let Diagnostic { code, message, file, .. } = diagnostic;
    let help = diagnostic.help.as_ref().map(|help| format!("\n  = help: {help}")).unwrap_or_default();
    format!("{level}[{code}]: {message}\n --> {file}{help}")
}

/// Why a project cannot be used.
#[derive(Debug, Clone)]
pub enum LoadError {
    /// There is no project here, or it cannot be read at all.
    Project(Problem),
    /// Its definitions have mistakes.
    Definitions {
        /// All of them, and the warnings.
        diagnostics: Diagnostics,
        /// The files, to show the mistakes in their place.
        sources: Sources,
    },
}

impl LoadError {
    /// Everything that is wrong, for a terminal.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        match self {
            Self::Project(problem) => problem.to_string(),
            Self::Definitions { diagnostics, sources } => sources.render(diagnostics, color),
        }
    }
}

impl fmt::Display for LoadError {
    /// One line for each mistake.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Project(problem) => fmt::Display::fmt(problem, formatter),
            Self::Definitions { diagnostics, .. } => {
                for (index, diagnostic) in diagnostics.clone().into_sorted().iter().enumerate() {
                    let line_break = if index > 0 { "\n" } else { "" };
                    write!(formatter, "{line_break}{diagnostic}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for LoadError {}
