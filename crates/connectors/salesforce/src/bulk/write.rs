//! Writing with an ingest job: which calls it takes, and sending them.

use std::collections::HashMap;

use bytes::Bytes;
use connect::transport::Effect;
use connect::{Action, Call, CallError, ErrorClass, OpenedWrite, Position};
use http::Method;
use model::{Value, json};

use super::job::{self, Kind};
use super::sheet;
use crate::errors;
use crate::org::{Exchange, Org};
use crate::read::{comparable, is_id};
use crate::soql;

/// Most bytes of one upload: what is 150 MB with the vendor, which counts about half more than was sent.
const UPLOAD_MAX: usize = 100_000_000;

/// What all calls of a job have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operation<'a> {
    pub(super) action: Action,
    record: &'a str,
    /// The field that identifies records: `Id`, an external id, or nothing for new records.
    pub(super) key: Option<&'a str>,
}

impl<'a> Operation<'a> {
    /// Of a call; the error says why it cannot be written in bulk.
    pub(super) fn of(call: &'a Call) -> Result<Self, CallError> {
        let record = soql::check_name(&call.record)?;
        let misfit = |code: &str, message: String| Err(CallError::new(ErrorClass::Misconfigured, code, message));
        let key = match (call.action, &call.key) {
            (Action::Create, _) => None,
            (Action::Upsert, Some(key)) => Some(soql::check_name(&key.field)?),
            (Action::Update | Action::Delete, Some(key))
                if key.field.is_empty() || key.field.eq_ignore_ascii_case("Id") =>
            {
                Some("Id")
            }
            (Action::Update | Action::Delete, Some(key)) => {
                let message = format!(
                    "a {} in bulk finds its record by `Id`, not by `{}`; read the ids first, or upsert by the external id",
                    call.action.word(),
                    key.field
                );
                return misfit("bulk-key", message);
            }
            (Action::Upsert | Action::Update | Action::Delete, None) => {
                return misfit("key", format!("a {} of `{}` needs a key", call.action.word(), call.record));
            }
            (Action::Read | Action::Find | Action::Invoke, _) => {
                return misfit("bulk-action", format!("a {} cannot be a bulk job", call.action.word()));
            }
        };
        Ok(Self { action: call.action, record, key })
    }

    fn word(&self) -> &'static str {
        match self.action {
            Action::Create => "insert",
            Action::Upsert => "upsert",
            Action::Update => "update",
            _ => "delete",
        }
    }
}

/// The columns of a call, its key first.
pub(super) fn row(operation: &Operation<'_>, call: &Call) -> Result<Vec<(String, String)>, CallError> {
    let mut row = Vec::new();
    if let Some(field) = operation.key {
        row.push((field.to_owned(), key_text(field, call)?));
    }
    if operation.action != Action::Delete {
        let is_key = |name: &str| {
            name.eq_ignore_ascii_case("Id") || operation.key.is_some_and(|key| key.eq_ignore_ascii_case(name))
        };
        row.extend(sheet::columns(&call.body)?.into_iter().filter(|(name, _)| !is_key(name)));
    }
    if row.is_empty() {
        let message = format!("a {} of `{}` in bulk needs at least one field", call.action.word(), call.record);
        return Err(CallError::new(ErrorClass::Rejected, "bulk-empty", message));
    }
    Ok(row)
}

fn key_text(field: &str, call: &Call) -> Result<String, CallError> {
    let value = call.key.as_ref().map_or(&Value::Null, |key| &key.value);
    let usable = match value {
        Value::String(text) if field == "Id" => is_id(text),
        Value::String(text) => !text.trim().is_empty(),
        Value::Number(_) => field != "Id",
        _ => false,
    };
    if usable {
        return sheet::text(field, value);
    }
    let message = format!("the key `{field}` of `{}` has no value that could identify a record", call.record);
    Err(CallError::new(ErrorClass::Rejected, "key", message))
}

/// What two calls about the same record have in common; `None` for new records.
pub(super) fn identity(operation: &Operation<'_>, call: &Call) -> Option<String> {
    Some(comparable(operation.key?, &call.key.as_ref()?.value))
}

/// Chooses calls and opens a job for them.
pub(super) async fn open(org: &Org, calls: &[&Call]) -> Result<OpenedWrite, CallError> {
    let (mut opened, operation) = choose(calls);
    let Some(operation) = operation.filter(|_| !opened.taken.is_empty()) else { return Ok(opened) };
    let mut body = Value::object([
        ("object", operation.record),
        ("operation", operation.word()),
        ("contentType", "CSV"),
        ("columnDelimiter", "COMMA"),
        ("lineEnding", "LF"),
    ]);
    if operation.action == Action::Upsert {
        body.set("externalIdFieldName", operation.key.unwrap_or_default());
    }
    let job = job::create(org, Kind::Ingest, json::to_string(&body)).await?;
    opened.place = Some(job::place(Kind::Ingest, &job.id, ""));
    Ok(opened)
}

/// The calls that one job takes.
fn choose<'a>(calls: &[&'a Call]) -> (OpenedWrite, Option<Operation<'a>>) {
    let mut chosen = OpenedWrite { place: None, taken: Vec::new(), behind: Vec::new(), refused: Vec::new() };
    let (mut of_all, mut bytes): (Option<Operation<'a>>, usize) = (None, 0);
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut records: HashMap<String, usize> = HashMap::new();
    for (at, call) in calls.iter().enumerate() {
        let made = Operation::of(call).and_then(|operation| row(&operation, call).map(|row| (operation, row)));
        let (operation, row) = match made {
            Ok(made) => made,
            Err(error) => {
                chosen.refused.push((at, error));
                continue;
            }
        };
        if *of_all.get_or_insert_with(|| operation.clone()) != operation {
            // Upserts by another field: a later job.
            continue;
        }
        let identity = identity(&operation, call);
        if let Some(earlier) = identity.as_ref().and_then(|identity| records.get(identity)) {
            chosen.behind.push((at, *earlier));
            continue;
        }
        // A new column costs a comma in every line; every text may be quoted, with each quote doubled.
        let fresh = row.iter().filter(|(name, _)| !names.contains_key(name)).count();
        let quotes = |text: &str| text.bytes().filter(|byte| *byte == b'"').count();
        let line: usize = row.iter().map(|(_, text)| text.len() + quotes(text) + 2).sum();
        let grown = bytes
            + line
            + names.len()
            + fresh * (chosen.taken.len() + 1)
            + row.iter().map(|(name, _)| name.len() + 1).sum::<usize>() * usize::from(fresh > 0);
        if grown > UPLOAD_MAX {
            break;
        }
        bytes = grown;
        for (name, _) in row {
            let next = names.len();
            names.entry(name).or_insert(next);
        }
        chosen.taken.push(at);
        if let Some(identity) = identity {
            records.insert(identity, at);
        }
    }
    (chosen, of_all)
}

/// The lines of the calls under one header. Where a call has nothing for a column, the field stays as it is.
fn upload(calls: &[&Call]) -> Result<Vec<u8>, CallError> {
    let mut names: Vec<String> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut lines = Vec::with_capacity(calls.len());
    for call in calls {
        let mut line = Vec::new();
        for (name, text) in row(&Operation::of(call)?, call)? {
            let place = places.get(&name).copied().unwrap_or_else(|| {
                names.push(name.clone());
                places.insert(name, names.len() - 1);
                names.len() - 1
            });
            line.push((place, text));
        }
        lines.push(line);
    }
    let header: Vec<&str> = names.iter().map(String::as_str).collect();
    let rows = lines.iter().map(|line| {
        let mut row = vec![""; header.len()];
        for (place, text) in line {
            if let Some(column) = row.get_mut(*place) {
                *column = text;
            }
        }
        row
    });
    sheet::write(&header, rows)
}

/// Uploads the calls and lets the job begin.
pub(super) async fn send(org: &Org, place: &Position, calls: &[&Call]) -> Result<(), CallError> {
    let (id, _) = job::read_place(Kind::Ingest, place)?;
    let data = Bytes::from(upload(calls)?);
    let batches = job::path(org, Kind::Ingest, id, "/batches");
    let exchange = Exchange {
        body: Some(("text/csv; charset=UTF-8", data)),
        timeout: Some(job::TRANSFER),
        ..Exchange::new(Method::PUT, &batches, Effect::Write)
    };
    let uploaded = match org.exchange(exchange).await {
        Ok(answer) if answer.status.is_success() => Ok(()),
        Ok(answer) => Err(errors::from_answer(&answer, Effect::Write)),
        Err(error) => Err(error),
    };
    if let Err(mut error) = uploaded {
        if matches!(&*error.code, "CLIENTINPUTERROR" | "INVALIDJOBSTATE") {
            // The job has its data already: somebody sent it before.
            error.class = ErrorClass::Ambiguous;
            return Err(error);
        }
        if error.class == ErrorClass::Ambiguous {
            // An open job does nothing by itself, whatever it holds.
            error.class = ErrorClass::Unavailable;
        }
        return Err(error);
    }
    let body = r#"{"state":"UploadComplete"}"#.to_owned();
    let path = job::path(org, Kind::Ingest, id, "");
    match org.json(Method::PATCH, &path, Some(body), Effect::Write).await {
        Ok(_) => Ok(()),
        Err(mut error) => {
            // Begun before, when the first answer was lost and the request came twice.
            if error.code == "INVALIDJOBSTATE" {
                error.class = ErrorClass::Ambiguous;
            }
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect::Key;

    fn call(action: Action, key: Option<(&str, &str)>, body: &str) -> Call {
        Call {
            intent: None,
            action,
            record: "Account".into(),
            key: key.map(|(field, value)| Key { field: field.into(), value: value.into() }),
            body: json::parse(body.as_bytes()).expect("json"),
            select: Default::default(),
            probe: Vec::new(),
            insist: false,
        }
    }

    #[test]
    fn lines_share_one_header_and_leave_out_what_they_do_not_say() {
        let calls = [
            call(Action::Upsert, Some(("Key__c", "1")), r#"{"Name":"a, b","Site":null}"#),
            call(Action::Upsert, Some(("Key__c", "2")), r#"{"Phone":"x","Key__c":"2","Id":"001"}"#),
        ];
        let data = upload(&calls.iter().collect::<Vec<_>>()).expect("CSV");
        assert_eq!(String::from_utf8(data).expect("a text"), "Key__c,Name,Site,Phone\n1,\"a, b\",#N/A,\n2,,,x\n");
        let gone = call(Action::Delete, Some(("", "001000000000001AAA")), "null");
        assert_eq!(upload(&[&gone]), Ok(b"Id\n001000000000001AAA\n".to_vec()));
    }

    #[test]
    fn a_job_takes_each_record_once_and_what_fits() {
        let upsert = |key: &str, field: &str| call(Action::Upsert, Some((field, key)), r#"{"Name":"a"}"#);
        let large = format!(r#"{{"Name":"a","Site":"{}"}}"#, "\\\"".repeat(60_000));
        let mut calls = vec![
            upsert("A", "Key__c"),
            upsert("B", "Other__c"),
            upsert("a ", "Key__c"),
            upsert("", "Key__c"),
            call(Action::Upsert, Some(("Key__c", "C")), r##"{"Name":"#N/A"}"##),
        ];
        let (chosen, operation) = choose(&calls.iter().collect::<Vec<_>>());
        assert_eq!((chosen.taken, chosen.behind), (vec![0], vec![(2, 0)]));
        assert_eq!(operation.and_then(|operation| operation.key), Some("Key__c"));
        assert_eq!(chosen.refused.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [3, 4]);
        calls = (0..900).map(|number| call(Action::Upsert, Some(("Key__c", &number.to_string())), &large)).collect();
        let calls: Vec<&Call> = calls.iter().collect();
        let (chosen, _) = choose(&calls);
        let taken: Vec<&Call> = chosen.taken.iter().map(|at| calls[*at]).collect();
        let size = upload(&taken).expect("CSV").len();
        assert!(size <= UPLOAD_MAX && size > UPLOAD_MAX / 10 * 9, "{size} bytes of {} calls", taken.len());
    }

    #[test]
    fn other_keys_and_actions_are_refused_with_what_to_do() {
        let by_key = call(Action::Update, Some(("Key__c", "1")), r#"{"Name":"a"}"#);
        let error = Operation::of(&by_key).expect_err("refused");
        assert!(error.message.contains("upsert by the external id"), "{}", error.message);
        assert!(Operation::of(&call(Action::Read, Some(("Id", "1")), "null")).is_err());
        assert!(Operation::of(&call(Action::Delete, None, "null")).is_err());
    }
}
