//! Records that a duplicate rule of the org refuses to make: which ones it takes for the new one, and making it all the same.
//!
//! A collection only says that a row is a duplicate. Nothing was made of it, so it is sent once more by itself, because the resource
//! of single records names the matches. Rules of the kind *alert* are overruled there by the header; what a rule blocks stays so.

use std::sync::Arc;

use bytes::Bytes;
use connect::transport::Effect;
use connect::{CallError, Existing, ExistingRecord};
use futures::{StreamExt as _, stream};
use http::Method;
use model::Value;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::errors::{self, DUPLICATES};
use crate::org::{Exchange, Org, understood};
use crate::write::{CONCURRENT, Kind, Outcome, Row, write_members};

const ASK: &str = "allowSave=false; includeRecordDetails=true";
const INSIST: &str = "allowSave=true; includeRecordDetails=true";

/// Has the matches named of those rows that a collection refused as duplicates.
pub(crate) async fn name_matches(
    org: &Org,
    kind: Kind<'_>,
    rows: &[Row<'_>],
    mut outcomes: Vec<Outcome>,
) -> Vec<Outcome> {
    let refused = |outcome: &Outcome| outcome.as_ref().is_err_and(|error| error.code == DUPLICATES);
    let asked: Vec<usize> = (0..outcomes.len()).filter(|at| refused(&outcomes[*at])).collect();
    if asked.is_empty() || !matches!(kind, Kind::Create { .. } | Kind::Upsert { .. }) {
        return outcomes;
    }
    let mut answers = stream::iter(asked)
        .map(|at| async move { (at, write_alone(org, kind, &rows[at]).await) })
        .buffer_unordered(CONCURRENT);
    while let Some((at, answer)) = answers.next().await {
        outcomes[at] = answer;
    }
    outcomes
}

/// Makes a record by the resource of single records.
pub(crate) async fn write_alone(org: &Org, kind: Kind<'_>, row: &Row<'_>) -> Outcome {
    let (method, path, record, key) = match kind {
        Kind::Create { record } => (Method::POST, format!("sobjects/{record}"), record, None),
        Kind::Upsert { record, field } => {
            let key = row.key.as_str().map_or_else(|| row.key.to_string(), str::to_owned);
            let key = utf8_percent_encode(&key, NON_ALPHANUMERIC);
            (Method::PATCH, format!("sobjects/{record}/{field}/{key}"), record, Some(field))
        }
        Kind::Update { .. } | Kind::Delete => {
            return Err(errors::not_understood(Effect::Read, "only records that are made can be duplicates"));
        }
    };
    let (path, body) = (org.data_path(&path), Bytes::from(body(row, key)));
    let duplicates = Some(if row.insist { INSIST } else { ASK });
    let body = Some(("application/json", body));
    let exchange = Exchange { body, duplicates, ..Exchange::new(method, &path, Effect::Write) };
    let answer = org.exchange(exchange).await?;
    let saved = understood(&answer, Effect::Write).map_err(|error| of_kind(error, record))?;
    let created = key.is_none() || saved.get("created").as_bool() == Some(true);
    match saved.get("id") {
        Value::Null => Err(errors::not_understood(Effect::Write, "a record was saved and its id is not told")),
        id => Ok(Value::object([("Id", id.clone()), ("created", Value::from(created))])),
    }
}

fn body(row: &Row<'_>, key: Option<&str>) -> String {
    let mut text = String::with_capacity(256);
    write_members(row.body.as_object(), key, &mut text);
    format!("{{{}}}", text.trim_start_matches(','))
}

/// The matches of the same kind are called as the call calls it.
fn of_kind(mut error: CallError, record: &str) -> CallError {
    for found in error.existing.iter_mut().flat_map(|existing| &mut existing.records) {
        if found.record.eq_ignore_ascii_case(record) {
            found.record = record.into();
        }
    }
    error
}

/// What an error of the resource of single records tells of duplicates. Many versions of the API spell it without an `l`.
fn result_of(error: &Value) -> &Value {
    match error.get("duplicateResult") {
        Value::Null => error.get("duplicateResut"),
        result => result,
    }
}

/// The rule that refused it.
pub(crate) fn rule_of(error: &Value) -> Value {
    Value::object([("duplicateRule", result_of(error).get("duplicateRule").clone())])
}

/// What the org has already, as an error of the resource of single records tells it.
pub(crate) fn existing(error: &Value) -> Existing {
    let result = result_of(error);
    let mut existing = Existing { may_insist: result.get("allowSave").as_bool() == Some(true), ..Existing::default() };
    for matched in result.get("matchResults").items().iter().flat_map(|found| found.get("matchRecords").items()) {
        let record = matched.get("record");
        let text = |value: &Value| value.as_str().map(Arc::<str>::from).filter(|text| !text.is_empty());
        let (Some(kind), Some(id)) = (text(record.get("attributes").get("type")), text(record.get("Id"))) else {
            continue;
        };
        existing.add(ExistingRecord { record: kind, id, title: text(record.get("Name")).unwrap_or_default() });
    }
    existing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matches_of_all_rules_are_named_once_however_the_member_is_spelt() {
        for member in ["duplicateResult", "duplicateResut"] {
            let body = r#"{"M":{"allowSave":true,"duplicateRule":"R","duplicateRuleEntityType":"Contact","matchResults":[
                {"entityType":"Contact","matchEngine":"ExactMatchEngine","matchRecords":[
                    {"matchConfidence":100.0,"record":{"attributes":{"type":"Contact","url":"/u"},"Id":"003A","Name":"Ann"}},
                    {"matchConfidence":100.0,"record":{"attributes":{"type":"Contact"},"Id":"003A"}},
                    {"record":{"attributes":{"type":"Contact"}}}]},
                {"entityType":"Lead","matchRecords":[{"record":{"attributes":{"type":"Lead"},"Id":"00QA"}}]}]},
                "errorCode":"DUPLICATES_DETECTED","message":"Use one of these records?"}"#;
            let error = model::json::parse(body.replace("\"M\"", &format!("\"{member}\"")).as_bytes()).expect("JSON");
            let found = existing(&error);
            let records: Vec<_> = found.records.iter().map(|one| (&*one.record, &*one.id, &*one.title)).collect();
            assert_eq!(records, [("Contact", "003A", "Ann"), ("Lead", "00QA", "")]);
            assert!(found.may_insist);
        }
        assert_eq!(existing(&Value::Null), Existing::default());
    }
}
