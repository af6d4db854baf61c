//! CSV as bulk jobs speak it: comma, line feed, UTF-8; what stands for no value; values by the types of their fields. Pure.

use std::sync::Arc;

use connect::{CallError, ErrorClass};
use csv::{ReaderBuilder, StringRecord, Terminator, WriterBuilder};
use model::{Number, Object, Value, json};

use crate::{neutral, soql};

/// What the vendor reads as no value. An empty column leaves the field as it is.
const NOTHING: &str = "#N/A";
/// Longest text of a field, in characters, by the vendor's rule.
const TEXT_MAX: usize = 131_072;
/// Most characters and most fields of a record, by the vendor's rule.
pub(super) const RECORD_MAX: usize = 400_000;
const FIELDS_MAX: usize = 5_000;

fn unfit(code: &str, message: String) -> CallError {
    CallError::new(ErrorClass::Rejected, code, message)
}

/// The columns of a record: `{"Account":{"Key__c":"1"}}` is `Account.Key__c`.
pub(super) fn columns(body: &Value) -> Result<Vec<(String, String)>, CallError> {
    let mut columns = Vec::new();
    for (name, value) in body.as_object().into_iter().flatten() {
        if &**name == "attributes" {
            continue;
        }
        match value {
            Value::Object(parent) => {
                let mut keys = parent.iter().filter(|(name, _)| &***name != "attributes");
                match (keys.next(), keys.next()) {
                    (Some((key, value)), None) if value.as_object().is_none() => {
                        columns.push((soql::check_name(&format!("{name}.{key}"))?.to_owned(), text(name, value)?));
                    }
                    _ => {
                        let message =
                            format!("`{name}` must hold one field that identifies a record to be written in bulk");
                        return Err(unfit("bulk-parent", message));
                    }
                }
            }
            _ => columns.push((soql::check_name(name)?.to_owned(), text(name, value)?)),
        }
    }
    let characters: usize = columns.iter().map(|(_, text)| text.chars().count()).sum();
    if columns.len() > FIELDS_MAX || characters > RECORD_MAX {
        let message = format!(
            "a record written in bulk has at most {FIELDS_MAX} fields and {RECORD_MAX} characters; write it by itself"
        );
        return Err(unfit("bulk-too-large", message));
    }
    Ok(columns)
}

/// A value as it stands in a column.
pub(super) fn text(name: &str, value: &Value) -> Result<String, CallError> {
    Ok(match value {
        Value::Null => NOTHING.to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        // Salesforce does not tell an empty text from none; an empty column would leave the field as it is.
        Value::String(text) if text.is_empty() => NOTHING.to_owned(),
        Value::String(text) if &**text == NOTHING => {
            let message = format!(
                "`{name}` cannot be the text `{NOTHING}` in bulk, where it stands for no value; write this record by itself"
            );
            return Err(unfit("bulk-text", message));
        }
        Value::String(text) if text.len() > TEXT_MAX && text.chars().count() > TEXT_MAX => {
            let message = format!("`{name}` has more than the {TEXT_MAX} characters that a field may have in bulk");
            return Err(unfit("bulk-too-large", message));
        }
        Value::String(text) => text.to_string(),
        Value::Array(_) | Value::Object(_) => {
            let message = format!("children such as `{name}` cannot be written in bulk; write this record by itself");
            return Err(unfit("bulk-children", message));
        }
    })
}

/// Writes a header and lines.
pub(super) fn write<'a>(header: &[&str], rows: impl IntoIterator<Item = Vec<&'a str>>) -> Result<Vec<u8>, CallError> {
    let failed = |error: csv::Error| unfit("bulk-csv", format!("the records cannot be written as CSV: {error}"));
    let mut writer = WriterBuilder::new().terminator(Terminator::Any(b'\n')).from_writer(Vec::new());
    writer.write_record(header).map_err(failed)?;
    for row in rows {
        writer.write_record(row).map_err(failed)?;
    }
    writer.into_inner().map_err(|error| unfit("bulk-csv", format!("the records cannot be written as CSV: {error}")))
}

/// Reads lines and hands each to `take`, the names of the columns beside it. Answers how many there were.
pub(super) fn read(
    data: &[u8],
    mut take: impl FnMut(&StringRecord, &StringRecord) -> Result<(), String>,
) -> Result<usize, String> {
    let mut reader = ReaderBuilder::new().terminator(Terminator::Any(b'\n')).from_reader(data);
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let (mut row, mut count) = (StringRecord::new(), 0);
    while reader.read_record(&mut row).map_err(|error| error.to_string())? {
        take(&header, &row)?;
        count += 1;
    }
    Ok(count)
}

/// A column of results: where it goes in a record, and how its texts are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    path: Vec<Arc<str>>,
    vendor_type: Arc<str>,
}

impl Column {
    pub(super) fn new(name: &str, vendor_type: Arc<str>) -> Self {
        Self { path: name.split('.').map(Arc::from).collect(), vendor_type }
    }

    fn value(&self, text: &str) -> Result<Value, String> {
        if text.is_empty() {
            return Ok(Value::Null);
        }
        let wrong = || format!("`{}` holds `{text}`, which is no {}", self.path.join("."), self.vendor_type);
        match &*self.vendor_type {
            "boolean" => text.parse().map(Value::Bool).map_err(|_| wrong()),
            // The same numbers, digit for digit, as the REST API's JSON.
            "int" | "long" | "double" | "currency" | "percent" => match json::parse(text.as_bytes()) {
                Ok(Value::Number(number)) => Ok(Value::Number(plain(number))),
                _ => Err(wrong()),
            },
            "datetime" => Ok(instant(text).map_or_else(|| Value::from(text), Value::from)),
            _ => Ok(Value::from(text)),
        }
    }
}

/// Large numbers come as `1.0E7` in bulk results and without an exponent in JSON.
fn plain(number: Number) -> Number {
    match number {
        Number::Decimal(decimal) if decimal.scale() < 0 => decimal.to_i64().map_or(number, Number::Integer),
        other => other,
    }
}

/// `2026-11-23T10:00:00.000Z` as `2026-11-23T10:00:00Z`.
fn instant(text: &str) -> Option<Arc<str>> {
    match text.strip_suffix('Z') {
        Some(front) => neutral::instant(&format!("{front}+0000")),
        None => neutral::instant(text),
    }
}

/// A line as a record, the fields of related records within them; a related record without any value is null.
pub(super) fn record(columns: &[Column], row: &StringRecord) -> Result<Value, String> {
    let mut record = Object::with_capacity(columns.len());
    let mut nested = false;
    for (column, text) in columns.iter().zip(row) {
        nested |= column.path.len() > 1;
        insert(&mut record, &column.path, column.value(text)?);
    }
    if nested {
        record.values_mut().for_each(drop_empty);
    }
    Ok(Value::Object(Arc::new(record)))
}

fn insert(record: &mut Object, path: &[Arc<str>], value: Value) {
    match path {
        [] => {}
        [name] => {
            record.insert(Arc::clone(name).into(), value);
        }
        [name, rest @ ..] => {
            let inner = record.get_or_insert_with(name, Value::empty_object);
            // The id field beside a relationship has another name, so that this is always an object.
            if let Value::Object(inner) = inner {
                insert(Arc::make_mut(inner), rest, value);
            }
        }
    }
}

fn drop_empty(value: &mut Value) {
    if let Value::Object(members) = value {
        let members = Arc::make_mut(members);
        members.values_mut().for_each(drop_empty);
        if members.values().all(Value::is_null) {
            *value = Value::Null;
        }
    }
}

#[cfg(test)]
#[path = "sheet_tests.rs"]
mod tests;
