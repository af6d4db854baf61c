//! What was changed and what was deleted in a span of time, for those who keep copies.

use super::reply::{Call, Reply};
use crate::errors::Refusal;
use crate::org::Org;
use crate::schema::Object;
use crate::store::{Record, Store};
use crate::time::{self, DAY};

const MINUTE: i64 = 60_000;
/// How far back a span may begin.
const START_MAX: i64 = 30 * DAY;
/// How far back deleted records are told of.
const DELETED_MAX: i64 = 15 * DAY;
/// Most records in one answer.
const RECORDS_MAX: usize = 600_000;

/// Milliseconds since 1970: from the start up to the end, without it.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: i64,
    end: i64,
    now: i64,
}

/// The vendor leaves seconds out of account.
fn whole_minutes(millis: i64) -> i64 {
    millis.div_euclid(MINUTE) * MINUTE
}

impl Span {
    fn asked(call: &Call, now: i64) -> Result<Self, Refusal> {
        let wrong = |message: String| Refusal::new("INVALID_REPLICATION_DATE", message);
        let read = |name: &str| {
            let text = call.option(name).filter(|text| !text.is_empty());
            let text =
                text.ok_or_else(|| Refusal::new("MISSING_ARGUMENT", format!("The {name} parameter is missing")))?;
            let instant = time::parse_instant(text).map(whole_minutes);
            instant.ok_or_else(|| wrong(format!("{name}Date is not a valid date and time: {text}")))
        };
        let (start, end) = (read("start")?, read("end")?);
        if start < whole_minutes(now - START_MAX) {
            return Err(wrong("startDate cannot be more than 30 days ago".to_owned()));
        }
        if end <= start {
            return Err(wrong("endDate must be at least one minute greater than startDate".to_owned()));
        }
        Ok(Self { start, end, now })
    }

    /// Records of an object that were last changed within the span.
    fn records<'a>(
        self,
        store: &'a Store,
        object: &'a Object,
        deleted: bool,
    ) -> Result<Vec<(String, &'a Record)>, Refusal> {
        let table = store.table(object.at);
        let within = |record: &Record| record.deleted == deleted && (self.start..self.end).contains(&record.modified);
        let found = table.serials().filter_map(|serial| {
            let record = table.get(u64::from(serial)).filter(|record| within(record))?;
            Some((store.id(object.at, serial).to_string(), record))
        });
        let found: Vec<_> = found.take(RECORDS_MAX + 1).collect();
        if found.len() > RECORDS_MAX {
            return Err(Refusal::new("EXCEEDED_ID_LIMIT", format!("more than {RECORDS_MAX} records were found")));
        }
        Ok(found)
    }

    /// Where the next span has to begin so that it misses nothing: what is still to come of this minute is not covered.
    fn covered(self) -> String {
        instant(self.end.min(whole_minutes(self.now)))
    }
}

fn instant(millis: i64) -> String {
    let mut text = String::new();
    time::write_instant(millis, &mut text);
    text
}

/// `GET /sobjects/X/updated`: what was created or changed and is still there.
pub(super) fn updated(store: &Store, call: &Call, object: &Object) -> Result<Reply, Refusal> {
    if object.event {
        return Ok(Reply::not_found());
    }
    let span = Span::asked(call, time::now())?;
    let ids: Vec<String> = span.records(store, object, false)?.iter().map(|(id, _)| format!("\"{id}\"")).collect();
    Ok(Reply::json(200, format!(r#"{{"ids":[{}],"latestDateCovered":"{}"}}"#, ids.join(","), span.covered())))
}

/// `GET /sobjects/X/deleted`
pub(super) fn deleted(org: &Org, store: &Store, call: &Call, object: &Object) -> Result<Reply, Refusal> {
    if object.event {
        return Ok(Reply::not_found());
    }
    let mut span = Span::asked(call, time::now())?;
    span.start = span.start.max(whole_minutes(span.now - DELETED_MAX));
    let row =
        |(id, record): &(String, &Record)| format!(r#"{{"deletedDate":"{}","id":"{id}"}}"#, instant(record.modified));
    let rows: Vec<String> = span.records(store, object, true)?.iter().map(row).collect();
    // Nothing is ever taken out of the recycle bin, so that it reaches back to the org's beginning.
    let earliest = store.get(org.id).map_or(span.start, |(_, record)| whole_minutes(record.created));
    let body = format!(
        r#"{{"deletedRecords":[{}],"earliestDateAvailable":"{}","latestDateCovered":"{}"}}"#,
        rows.join(","),
        instant(earliest),
        span.covered()
    );
    Ok(Reply::json(200, body))
}
