//! `interlock test`: runs a project's golden cases. Nothing is reached and no secret is read.

use std::fs;
use std::io::IsTerminal as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use definitions::{Case, CaseFile, Difference, Outcome, Unwritable};
use model::{Problem, Value, json};

use crate::environment::Environment;
use crate::failure::Failure;
use crate::wiring::{counted, load_with_cases};

/// How many differences are shown of one case.
const SHOWN_MAX: usize = 20;
/// Longest value that is shown in text, in characters.
const VALUE_MAX: usize = 200;

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The folder of the project.
    folder: PathBuf,
    /// Writes what comes out into the cases, at `expect`, `output`, `same` and `key`.
    #[arg(long)]
    update: bool,
    /// Prints the result as JSON.
    #[arg(long)]
    json: bool,
    /// A file with lines NAME=VALUE that are used as environment variables. Those that are not set do not matter.
    #[arg(long, value_name = "FILE")]
    environment: Option<PathBuf>,
}

/// Runs the golden cases of a project.
///
/// # Errors
/// When one fails, or the definitions or the cases have mistakes.
pub(crate) fn command(arguments: &TestArgs) -> Result<(), Failure> {
    let TestArgs { folder, update, json, environment } = arguments;
    let environment = Environment::read(environment.as_deref()).map_err(Failure::Wrong)?;
    let (mut files, mut unwritable) = (load_with_cases(folder, &environment, !update)?, Vec::new());
    if files.iter().all(|file| file.cases.is_empty()) {
        let message = format!("{} has no golden cases", folder.display());
        let remedy = "Write some in tests/*.yaml: docs/definitions.md, Testing definitions";
        return Err(Failure::Wrong(Problem::new("IL-TEST-001", message, remedy)));
    }
    if *update {
        for file in &files {
            unwritable.extend(write(folder, file)?.into_iter().map(|one| (file.source.file.to_string(), one)));
        }
        // What now stands there is what is judged.
        files = load_with_cases(folder, &environment, unwritable.is_empty())?;
    }
    let report = Report {
        files: files
            .iter()
            .map(|file| (file, file.cases.iter().map(|case| (case, case.run())).collect::<Vec<_>>()))
            .collect(),
        unwritable,
    };
    let text = if *json { format!("{}\n", json::to_string_pretty(&report.to_value())) } else { report.text() };
    // Whoever reads it may have gone: what counts is the exit status.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    if report.failed() == 0 && report.unwritable.is_empty() { Ok(()) } else { Err(Failure::Ended) }
}

/// Writes what came out into a file of cases, in one step.
fn write(folder: &Path, file: &CaseFile) -> Result<Vec<Unwritable>, Problem> {
    let outcomes: Vec<Outcome> = file.cases.iter().map(Case::run).collect();
    let (text, unwritable) = definitions::updated(file, &outcomes);
    if text != *file.source.text {
        let path = folder.join(&*file.source.file);
        let failed = |error: &dyn std::fmt::Display| {
            let message = format!("{} cannot be written: {error}", path.display());
            Problem::new("IL-TEST-002", message, "Look at its permissions and at the space on the disk")
        };
        let beside = path.parent().unwrap_or(folder);
        let mut new = tempfile::NamedTempFile::new_in(beside).map_err(|error| failed(&error))?;
        new.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
        let permissions = fs::metadata(&path).map_err(|error| failed(&error))?.permissions();
        new.as_file().set_permissions(permissions).map_err(|error| failed(&error))?;
        new.persist(&path).map_err(|error| failed(&error.error))?;
    }
    Ok(unwritable)
}

struct Report<'a> {
    files: Vec<(&'a CaseFile, Vec<(&'a Case, Outcome)>)>,
    /// What `--update` could not write, with its file.
    unwritable: Vec<(String, Unwritable)>,
}

impl Report<'_> {
    fn failed(&self) -> usize {
        self.files.iter().map(|(_, cases)| failed_of(cases)).sum()
    }

    fn text(&self) -> String {
        let color = std::io::stdout().is_terminal();
        let paint = |code: &str, text: String| if color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text };
        let mut text = String::new();
        let width = self.files.iter().map(|(file, _)| file.source.file.chars().count()).max().unwrap_or(0);
        for (file, cases) in &self.files {
            let failed = failed_of(cases);
            let passed = format!("{} passed", cases.len() - failed);
            let told = match failed {
                0 => paint("32", passed),
                failed => format!("{passed}, {}", paint("31", format!("{failed} failed"))),
            };
            text.push_str(&format!("{:width$}  {told}\n", file.source.file));
            for (case, outcome) in cases.iter().filter(|(_, outcome)| !outcome.passes()) {
                let place = format!("{}:{}:{}", file.source.file, case.span.line, case.span.column);
                text.push_str(&format!("  {place} {} ({})\n", case.name, case.what()));
                for difference in outcome.differences.iter().take(SHOWN_MAX) {
                    text.push_str(&format!("    {}\n", told_of(&file.source.file, difference)));
                }
                if let Some(more @ 1..) = outcome.differences.len().checked_sub(SHOWN_MAX) {
                    text.push_str(&format!("    and {}\n", counted(more, "more difference")));
                }
            }
        }
        for (file, one) in &self.unwritable {
            text.push_str(&format!("{file}:{}:{} {}: {}\n", one.span.line, one.span.column, one.case, one.reason));
        }
        let (failed, cases) = (self.failed(), self.files.iter().map(|(_, cases)| cases.len()).sum::<usize>());
        let (files, all) = (counted(self.files.len(), "file"), counted(cases, "case"));
        text.push_str(&format!("\n{all} in {files}: {} passed, {failed} failed.\n", cases - failed));
        text
    }

    fn to_value(&self) -> Value {
        let place = |span: model::Span| [("line", Value::from(span.line)), ("column", Value::from(span.column))];
        let optional = |name: &'static str, value: &Option<Value>| value.clone().map(|value| (name, value));
        let difference = |difference: &Difference| {
            let mut members = vec![("path", Value::from(difference.path.as_str()))];
            members.extend(optional("expected", &difference.expected));
            members.extend(optional("got", &difference.got));
            members.extend(difference.reason.as_deref().map(|reason| ("reason", Value::from(reason))));
            members.extend(place(difference.span));
            Value::object(members)
        };
        let case = |(case, outcome): &(&Case, Outcome)| {
            let mut members = vec![
                ("case", Value::from(case.name.clone())),
                ("tests", Value::from(case.what())),
                ("passed", Value::from(outcome.passes())),
            ];
            members.extend(place(case.span));
            if !outcome.passes() {
                members.push(("differences", Value::array(outcome.differences.iter().map(difference))));
            }
            Value::object(members)
        };
        let files = self.files.iter().map(|(file, cases)| {
            let failed = failed_of(cases);
            Value::object([
                ("file", Value::from(file.source.file.clone())),
                ("passed", Value::from(cases.len() - failed)),
                ("failed", Value::from(failed)),
                ("cases", Value::array(cases.iter().map(case))),
            ])
        });
        let unwritable = self.unwritable.iter().map(|(file, one)| {
            let mut members = vec![("file", Value::from(file.as_str())), ("case", Value::from(one.case.clone()))];
            members.extend(place(one.span));
            members.push(("reason", Value::from(one.reason.as_str())));
            Value::object(members)
        });
        let cases: usize = self.files.iter().map(|(_, cases)| cases.len()).sum();
        Value::object([
            ("passed", Value::from(cases - self.failed())),
            ("failed", Value::from(self.failed())),
            ("files", Value::array(files)),
            ("unwritten", Value::array(unwritable)),
        ])
    }
}

fn failed_of(cases: &[(&Case, Outcome)]) -> usize {
    cases.iter().filter(|(_, outcome)| !outcome.passes()).count()
}

/// `expect.lines[0].quantity (tests/order.yaml:14:9): expected 3, got 2`
fn told_of(file: &str, difference: &Difference) -> String {
    let Difference { path, expected, got, reason, span } = difference;
    let told = match reason {
        Some(reason) => reason.clone(),
        None => format!("expected {}, got {}", shown(expected.as_ref()), shown(got.as_ref())),
    };
    match path.is_empty() {
        true => told,
        false => format!("{path} ({file}:{}:{}): {told}", span.line, span.column),
    }
}

fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else { return "nothing".to_owned() };
    let text = json::to_string(value);
    match text.char_indices().nth(VALUE_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
