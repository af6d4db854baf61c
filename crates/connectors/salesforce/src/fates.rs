//! What has become of records that cannot be read any more.
//!
//! The recycle bin tells of a deletion, and of accounts, contacts, leads and cases also into which record they were merged
//! (`MasterRecordId`). What is in neither was emptied from it, or is not visible to this user: the vendor does not say which.

use std::collections::HashMap;
use std::sync::Arc;

use connect::transport::Effect;
use connect::{CallError, Fate};
use http::Method;
use model::Value;

use crate::describe::Descriptions;
use crate::errors;
use crate::org::Org;
use crate::soql;

/// Ids asked for at once, so that the query fits into an address.
const AT_ONCE: usize = 200;
/// Where the record is named that another one was merged into.
const MASTER: &str = "MasterRecordId";

/// The fate of each record, at its place.
pub(crate) async fn fates(
    org: &Org,
    descriptions: &Descriptions,
    record: &str,
    ids: &[Arc<str>],
) -> Result<Vec<Fate>, CallError> {
    let described = descriptions.get(org, record).await?;
    let is_merged = described.description.fields.iter().any(|field| &*field.name == MASTER);
    let fields = if is_merged { "Id,IsDeleted,MasterRecordId" } else { "Id,IsDeleted" };
    let record = soql::check_name(record)?;
    let mut known: HashMap<Arc<str>, Fate> = HashMap::with_capacity(ids.len());
    for chunk in ids.chunks(AT_ONCE) {
        let quoted: Vec<String> =
            chunk.iter().filter(|id| crate::read::is_id(id)).map(|id| format!("'{id}'")).collect();
        if quoted.is_empty() {
            continue;
        }
        let soql = format!("SELECT {fields} FROM {record} WHERE Id IN ({})", quoted.join(","));
        let path = org.data_path(&format!("queryAll?q={}", soql::encode(&soql)));
        let mut answer = org.json(Method::GET, &path, None, Effect::Read).await?;
        loop {
            let Some(rows) = answer.get("records").as_array() else {
                return Err(errors::not_understood(Effect::Read, "a query answered without records"));
            };
            for row in rows {
                let Some(id) = row.get("Id").as_str() else {
                    return Err(errors::not_understood(Effect::Read, "a row without Id"));
                };
                known.insert(short(id), fate(row));
            }
            let Some(next) = answer.get("nextRecordsUrl").as_str().map(str::to_owned) else { break };
            answer = org.json(Method::GET, &next, None, Effect::Read).await?;
        }
    }
    Ok(ids.iter().map(|id| known.get(&short(id)).cloned().unwrap_or(Fate::Absent)).collect())
}

fn fate(row: &Value) -> Fate {
    match (row.get("IsDeleted").as_bool(), row.get(MASTER).as_str().filter(|id| !id.is_empty())) {
        (Some(false), _) => Fate::There,
        (_, Some(into)) => Fate::Merged { into: into.into() },
        (_, None) => Fate::Deleted,
    }
}

/// An id with and without its check letters is the same.
fn short(id: &str) -> Arc<str> {
    id.get(..15).unwrap_or(id).into()
}
