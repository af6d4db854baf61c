//! Sweeps: which records changed since an instant, independent of the event feed.
//!
//! Pages are found by their last row (`SystemModstamp`, `Id`), not by a query locator, so that a sweep can go on days later.
//! The recycle bin is asked too: a deletion that the feed lost is a change like any other.

use std::sync::Arc;

use connect::transport::Effect;
use connect::{CallError, ChangePage, ErrorClass, Position};
use http::Method;
use jiff::Timestamp;
use model::Value;

use crate::errors;
use crate::org::Org;
use crate::soql;

/// Rows asked for at once: the largest page that the vendor serves.
const PAGE: usize = 2000;

/// One page of changed records.
pub(crate) async fn changed_since(
    org: &Org,
    record: &str,
    since: Timestamp,
    page: Option<Position>,
) -> Result<ChangePage, CallError> {
    let after = page.as_ref().map(read_position).transpose()?;
    let soql = sweep_query(record, since, after)?;
    let path = org.data_path(&format!("queryAll?q={}", soql::encode(&soql)));
    let mut answer = org.json(Method::GET, &path, None, Effect::Read).await?;
    let mut records: Vec<(Arc<str>, Arc<str>)> = Vec::new();
    loop {
        let Some(rows) = answer.get("records").as_array() else {
            return Err(errors::not_understood(Effect::Read, "a query answered without records"));
        };
        for row in rows {
            let (Value::String(id), Value::String(stamp)) = (row.get("Id"), row.get("SystemModstamp")) else {
                return Err(errors::not_understood(Effect::Read, "a row without Id or SystemModstamp"));
            };
            let stamp = crate::neutral::instant(stamp).unwrap_or_else(|| stamp.clone().into());
            records.push((id.clone().into(), stamp));
        }
        // The server may serve a page in smaller pieces.
        let done = answer.get("done").as_bool() == Some(true) || records.len() >= PAGE;
        let Some(next) = answer.get("nextRecordsUrl").as_str().filter(|_| !done).map(str::to_owned) else { break };
        answer = org.json(Method::GET, &next, None, Effect::Read).await?;
    }
    let next = records.last().filter(|_| records.len() >= PAGE).map(|(id, stamp)| position(stamp, id));
    Ok(ChangePage { records, next })
}

fn sweep_query(record: &str, since: Timestamp, after: Option<(Timestamp, String)>) -> Result<String, CallError> {
    let record = soql::check_name(record)?;
    let condition = match after {
        None => format!("SystemModstamp >= {since:.3}"),
        Some((stamp, id)) => {
            format!("(SystemModstamp > {stamp:.3} OR (SystemModstamp = {stamp:.3} AND Id > '{id}'))")
        }
    };
    Ok(format!("SELECT Id,SystemModstamp FROM {record} WHERE {condition} ORDER BY SystemModstamp,Id LIMIT {PAGE}"))
}

fn position(stamp: &str, id: &str) -> Position {
    Position(format!("{stamp}|{id}").into_bytes())
}

fn read_position(position: &Position) -> Result<(Timestamp, String), CallError> {
    let read = || {
        let (stamp, id) = std::str::from_utf8(&position.0).ok()?.split_once('|')?;
        Some((stamp.parse().ok()?, crate::read::is_id(id).then(|| id.to_owned())?))
    };
    read().ok_or_else(|| {
        CallError::new(ErrorClass::Misconfigured, "position", "this is not a place in a sweep; start the sweep again")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_behind_the_last_row() {
        let since: Timestamp = "2026-11-23T10:00:00.5Z".parse().expect("an instant");
        let first = sweep_query("Quote", since, None).expect("a query");
        let wanted = "SELECT Id,SystemModstamp FROM Quote WHERE SystemModstamp >= 2026-11-23T10:00:00.500Z ORDER BY SystemModstamp,Id LIMIT 2000";
        assert_eq!(first, wanted);
        let after = read_position(&position("2026-11-23T10:00:01Z", "0Q0000000000001AAA")).expect("a position");
        let second = sweep_query("Quote", since, Some(after)).expect("a query");
        assert!(second.contains(
            "WHERE (SystemModstamp > 2026-11-23T10:00:01.000Z OR (SystemModstamp = 2026-11-23T10:00:01.000Z AND Id > '0Q0000000000001AAA'))"
        ));
        assert!(read_position(&Position(b"x|' OR Id != '".to_vec())).is_err());
    }
}
