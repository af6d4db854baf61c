//! Inputs and events that are given by files: YAML, JSON, or one JSON document in each line.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use model::{Problem, Source, Value, json};
use workflow::yaml;

/// Largest input or file of events, in bytes.
const FILE_MAX: u64 = 64 * 1024 * 1024;

/// Reads a value from a file in YAML or JSON; from standard input when the path is `-`.
///
/// # Errors
/// When it cannot be read, or is neither.
pub(crate) fn value(file: &Path, option: &str) -> Result<Value, Problem> {
    let text = text(file, option)?;
    parse(file, option, &text)
}

/// Reads events: a list in YAML or JSON, one event, or one JSON document in each line.
///
/// # Errors
/// When they cannot be read, or are none of these.
pub(crate) fn events(file: &Path, option: &str) -> Result<Vec<Value>, Problem> {
    let text = text(file, option)?;
    let lines: Option<Vec<Value>> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| json::parse(line.as_bytes()).ok().filter(|value| value.as_object().is_some()))
        .collect();
    if let Some(lines) = lines {
        return Ok(lines);
    }
    Ok(match parse(file, option, &text)? {
        Value::Array(items) => items.iter().cloned().collect(),
        one => vec![one],
    })
}

fn parse(file: &Path, option: &str, text: &str) -> Result<Value, Problem> {
    if let Ok(value) = json::parse(text.as_bytes()) {
        return Ok(value);
    }
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    let source = Source { file: file.to_string_lossy().into(), text: text.into() };
    yaml::parse(&source).map(|node| node.to_value()).map_err(|problems| {
        let first = problems.iter().next().map(ToString::to_string).unwrap_or_default();
        let message = format!("{} is neither JSON nor YAML: {first}", file.display());
        Problem::new("IL-WFR-002", message, format!("Correct the file given by {option}"))
    })
}

fn text(file: &Path, option: &str) -> Result<String, Problem> {
    let failed = |cause: String| {
        let message = format!("{} cannot be read: {cause}", file.display());
        Problem::new("IL-WFR-001", message, format!("Check the path after {option}"))
    };
    let source: Box<dyn Read> = match file == Path::new("-") {
        true => Box::new(std::io::stdin()),
        false => Box::new(File::open(file).map_err(|error| failed(error.to_string()))?),
    };
    let mut bytes = Vec::new();
    source.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(failed(format!("it is larger than {FILE_MAX} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| failed("it is not text in UTF-8".to_owned()))
}
