//! Reading all records of a kind with a query job, set by set of its results.

use std::sync::Arc;

use connect::transport::Effect;
use connect::{BulkError, BulkPage, BulkRead, CallError, ErrorClass, Position, Selection, StartedRead};
use csv::StringRecord;
use http::Method;
use model::{Value, json};

use super::job::{self, Kind, State};
use super::sheet::{self, Column};
use crate::describe::Descriptions;
use crate::org::Org;
use crate::{errors, neutral, soql};

/// Records of one page: as many as one commit of the caller likes to hold.
const PAGE: usize = 10_000;
/// Largest page, in bytes.
const PAGE_MAX: usize = 256 * 1024 * 1024;

/// Starts the job.
pub(super) async fn start(org: &Org, read: &BulkRead) -> Result<StartedRead, CallError> {
    let operation = if read.deleted { "queryAll" } else { "query" };
    let body = Value::object([
        ("operation", operation),
        ("query", &query(read)?),
        ("contentType", "CSV"),
        ("columnDelimiter", "COMMA"),
        ("lineEnding", "LF"),
    ]);
    let job = job::create(org, Kind::Query, json::to_string(&body)).await?;
    let created = job.told.get("createdDate").as_str().and_then(|text| neutral::instant(text)?.parse().ok());
    let as_of =
        created.ok_or_else(|| errors::not_understood(Effect::Read, "a job without the time of its creation"))?;
    Ok(StartedRead { place: job::place(Kind::Query, &job.id, ""), as_of })
}

fn query(read: &BulkRead) -> Result<String, CallError> {
    let selection = Selection { fields: read.fields.clone(), children: Vec::new() };
    let mut text = soql::select(&read.record, &selection, &[])?;
    let since = read.since.map(|since| format!("SystemModstamp >= {since:.3}"));
    let before = read.before.map(|before| format!("SystemModstamp < {before:.3}"));
    for (word, condition) in [" WHERE ", " AND "].into_iter().zip(since.into_iter().chain(before)) {
        text.push_str(word);
        text.push_str(&condition);
    }
    Ok(text)
}

/// The page at a place.
pub(super) async fn page(
    org: &Org,
    descriptions: &Descriptions,
    read: &BulkRead,
    place: &Position,
) -> Result<BulkPage, BulkError> {
    let (id, locator) = job::read_place(Kind::Query, place)?;
    // Only a job that has ended had a locator to give.
    if locator.is_empty() {
        let job = job::wait(org, Kind::Query, id).await?;
        match job.state {
            State::Complete => {}
            State::Working | State::Open => {
                return Ok(BulkPage { records: Vec::new(), next: Some(place.clone()) });
            }
            State::Failed => {
                let error = job.error();
                // The same job will never do better; what is the vendor's own trouble may not trouble a new one.
                return Err(if error.class.is_transient() {
                    BulkError::PlaceLost(format!("{}; start a new one", error.message))
                } else {
                    error.into()
                });
            }
            State::Aborted => {
                return Err(BulkError::PlaceLost(format!("the bulk job {id} was aborted; start a new one")));
            }
        }
    }
    let mut path = job::path(org, Kind::Query, id, &format!("/results?maxRecords={PAGE}"));
    if !locator.is_empty() {
        path.push_str("&locator=");
        path.push_str(&soql::encode(locator));
    }
    let answer = org.exchange(job::download(&path, PAGE_MAX)).await?;
    if !answer.status.is_success() {
        return Err(job::lost(errors::from_answer(&answer, Effect::Read), id));
    }
    let not_understood = |what: String| errors::not_understood(Effect::Read, what);
    let columns = columns(org, descriptions, &read.record, &answer.body).await?;
    let mut records = Vec::new();
    let take = |_: &StringRecord, row: &StringRecord| {
        records.push(sheet::record(&columns, row)?);
        Ok(())
    };
    let count = sheet::read(&answer.body, take).map_err(not_understood)?;
    let told = answer.header("sforce-numberofrecords").and_then(|count| count.parse::<usize>().ok());
    if told.is_some_and(|told| told != count) {
        let what = format!("{count} records came, the org counts {}", told.unwrap_or_default());
        return Err(CallError::new(ErrorClass::Unavailable, "bulk-cut", what).into());
    }
    // The vendor writes the word `null` behind the last set.
    let next = answer.header("sforce-locator").filter(|next| !next.is_empty() && *next != "null");
    Ok(BulkPage { records, next: next.map(|next| job::place(Kind::Query, id, next)) })
}

/// The columns of a page, with the types of their fields.
async fn columns(org: &Org, descriptions: &Descriptions, record: &str, data: &[u8]) -> Result<Vec<Column>, CallError> {
    let line = data.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut names = Vec::new();
    let header = [line, b"\n", line, b"\n"].concat();
    // The header is read as a line of its own, so that quotes around names are taken off.
    let take = |_: &StringRecord, row: &StringRecord| {
        names.extend(row.iter().map(str::to_owned));
        Ok(())
    };
    sheet::read(&header, take).map_err(|what| errors::not_understood(Effect::Read, what))?;
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let vendor_type = descriptions.vendor_type(org, record, &name).await?;
        columns.push(Column::new(&name, vendor_type.unwrap_or_else(|| Arc::from("string"))));
    }
    Ok(columns)
}

/// Lets the org forget the job.
pub(super) async fn end(org: &Org, place: &Position) -> Result<(), CallError> {
    let (id, _) = job::read_place(Kind::Query, place)?;
    let path = job::path(org, Kind::Query, id, "");
    match org.json(Method::DELETE, &path, None, Effect::Read).await {
        Ok(_) => Ok(()),
        Err(error) if error.code == "NOT_FOUND" => Ok(()),
        // A job that still works is aborted first; it is forgotten by the vendor in a week.
        Err(error) if error.code == "INVALIDJOBSTATE" => {
            let body = r#"{"state":"Aborted"}"#.to_owned();
            org.json(Method::PATCH, &path, Some(body), Effect::Read).await.map(|_| ())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_for_the_window() {
        let mut read = BulkRead {
            record: "Account".into(),
            fields: vec!["Name".into(), "Owner.Name".into()],
            since: None,
            before: None,
            deleted: false,
        };
        assert_eq!(query(&read).as_deref(), Ok("SELECT Id,Name,Owner.Name FROM Account"));
        read.before = Some("2026-11-24T00:00:00Z".parse().expect("an instant"));
        let upper = "SELECT Id,Name,Owner.Name FROM Account WHERE SystemModstamp < 2026-11-24T00:00:00.000Z";
        assert_eq!(query(&read).as_deref(), Ok(upper));
        read.since = Some("2026-11-23T00:00:00Z".parse().expect("an instant"));
        let both = "WHERE SystemModstamp >= 2026-11-23T00:00:00.000Z AND SystemModstamp < 2026-11-24T00:00:00.000Z";
        assert!(query(&read).expect("a query").ends_with(both));
        read.fields = vec!["Name FROM User".into()];
        assert!(query(&read).is_err());
    }
}
