//! Writing with sObject collections: up to 200 records in one request, an answer for each.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use connect::transport::Effect;
use connect::{Action, Call, CallError, ErrorClass, Selection};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};
use http::Method;
use model::{Object, Value, json};

use crate::describe::Descriptions;
use crate::org::Org;
use crate::read::{self, comparable, is_id};
use crate::{duplicates, errors, soql, tree};

/// Most records that a collection takes.
pub(crate) const COLLECTION_MAX: usize = 200;
/// How many requests of one gathered list are under way together.
pub(crate) const CONCURRENT: usize = 4;
/// Most extra requests spent on finding the one record that makes the org refuse a whole collection.
const ISOLATION_MAX: usize = 32;

pub(crate) type Outcome = Result<Value, CallError>;

/// A record to be written, made ready.
pub(crate) struct Row<'a> {
    /// The place of its call.
    place: usize,
    /// What it must not share with another row of the same request; `None` for new records.
    identity: Option<String>,
    /// The key as it is written: the external id of an upsert, the id of an update or delete.
    pub(crate) key: Value,
    pub(crate) body: &'a Value,
    /// Whether it is made although the org takes other records for it.
    pub(crate) insist: bool,
}

/// What a request does with its rows.
#[derive(Clone, Copy)]
pub(crate) enum Kind<'a> {
    Create { record: &'a str },
    Update { record: &'a str },
    Upsert { record: &'a str, field: &'a str },
    Delete,
}

/// Carries out calls that write, all with the same action and record.
pub(crate) async fn write(org: &Org, descriptions: &Descriptions, calls: &[Call]) -> Vec<Outcome> {
    let mut results: Vec<Outcome> = vec![Ok(Value::Null); calls.len()];
    let Some(first) = calls.first() else { return results };
    let record = match soql::check_name(&first.record) {
        Ok(record) => record,
        Err(error) => return vec![Err(error); calls.len()],
    };
    match first.action {
        Action::Create => create(org, descriptions, record, calls, &mut results).await,
        Action::Upsert => upsert(org, descriptions, record, calls, &mut results).await,
        _ => by_id(org, descriptions, record, calls, &mut results).await,
    }
    results
}

async fn create(org: &Org, descriptions: &Descriptions, record: &str, calls: &[Call], results: &mut [Outcome]) {
    let (mut rows, mut trees) = (Vec::with_capacity(calls.len()), Vec::new());
    for (place, call) in calls.iter().enumerate() {
        if tree::has_children(&call.body) {
            trees.push(place);
        } else {
            rows.push(Row { place, identity: None, key: Value::Null, body: &call.body, insist: call.insist });
        }
    }
    send_waves(org, Kind::Create { record }, rows, results).await;
    let mut answers = stream::iter(trees)
        .map(|place| async move { (place, tree::create(org, descriptions, record, &calls[place].body).await) })
        .buffer_unordered(CONCURRENT);
    while let Some((place, answer)) = answers.next().await {
        results[place] = answer;
    }
}

async fn upsert(org: &Org, descriptions: &Descriptions, record: &str, calls: &[Call], results: &mut [Outcome]) {
    if calls.iter().all(|call| call.key.as_ref().is_some_and(|key| key.field.eq_ignore_ascii_case("Id"))) {
        // A record with an id exists: there is nothing to create.
        return by_id(org, descriptions, record, calls, results).await;
    }
    let mut by_field: Vec<(&str, Vec<Row<'_>>)> = Vec::new();
    for (place, call) in calls.iter().enumerate() {
        match usable_key(call) {
            Ok((field, value)) => {
                let identity = Some(comparable(field, value));
                let row = Row { place, identity, key: value.clone(), body: &call.body, insist: call.insist };
                match by_field.iter_mut().find(|(known, _)| *known == field) {
                    Some((_, rows)) => rows.push(row),
                    None => by_field.push((field, vec![row])),
                }
            }
            Err(error) => results[place] = Err(error),
        }
    }
    for (field, rows) in by_field {
        send_waves(org, Kind::Upsert { record, field }, rows, results).await;
    }
}

/// Updates and deletes. A key that is not the id is looked up first, all of them with one query.
async fn by_id(org: &Org, descriptions: &Descriptions, record: &str, calls: &[Call], results: &mut [Outcome]) {
    let ids = find_ids(org, descriptions, calls).await;
    let mut rows = Vec::with_capacity(calls.len());
    for (place, (call, id)) in calls.iter().zip(ids).enumerate() {
        match id {
            Ok(id) => {
                let identity = Some(comparable("Id", &id));
                rows.push(Row { place, identity, key: id, body: &call.body, insist: false });
            }
            Err(error) => results[place] = Err(error),
        }
    }
    let kind = match calls.first().map(|call| call.action) {
        Some(Action::Delete) => Kind::Delete,
        _ => Kind::Update { record },
    };
    send_waves(org, kind, rows, results).await;
}

async fn find_ids(org: &Org, descriptions: &Descriptions, calls: &[Call]) -> Vec<Result<Value, CallError>> {
    let keys: Vec<_> = calls.iter().map(usable_key).collect();
    let is_by_id = |field: &str| field.eq_ignore_ascii_case("Id");
    let mut ids: Vec<Result<Value, CallError>> = Vec::with_capacity(calls.len());
    let (mut lookups, mut places) = (Vec::new(), Vec::new());
    for (place, (call, key)) in calls.iter().zip(&keys).enumerate() {
        ids.push(match key {
            Ok((field, value)) if is_by_id(field) => match value.as_str().filter(|text| is_id(text)) {
                Some(_) => Ok((*value).clone()),
                None => {
                    let message = format!("`{value}` is not an id of 15 or 18 letters and digits");
                    Err(CallError::new(ErrorClass::Rejected, "MALFORMED_ID", message))
                }
            },
            Ok(_) => {
                let select = Arc::new(Selection { fields: vec!["Id".into()], children: Vec::new() });
                lookups.push(Call { action: Action::Read, body: Value::Null, select, ..call.clone() });
                places.push(place);
                Ok(Value::Null)
            }
            Err(error) => Err(error.clone()),
        });
    }
    if lookups.is_empty() {
        return ids;
    }
    for ((place, lookup), found) in places.into_iter().zip(&lookups).zip(read::read(org, descriptions, &lookups).await)
    {
        ids[place] = found.and_then(|row| match row.get("Id") {
            Value::Null => {
                let key = lookup.key.as_ref().map(|key| format!("{} {}", key.field, key.value)).unwrap_or_default();
                let message = format!("there is no {} with {key}", lookup.record);
                Err(CallError::new(ErrorClass::Rejected, "NOT_FOUND", message))
            }
            id => Ok(id.clone()),
        });
    }
    ids
}

fn usable_key(call: &Call) -> Result<(&str, &Value), CallError> {
    let Some(key) = &call.key else {
        let message = format!("a {} of `{}` needs a key", call.action.word(), call.record);
        return Err(CallError::new(ErrorClass::Misconfigured, "key", message));
    };
    let field = soql::check_name(&key.field)?;
    let usable = match &key.value {
        Value::String(text) => !text.trim().is_empty(),
        Value::Number(_) => true,
        _ => false,
    };
    if usable {
        return Ok((field, &key.value));
    }
    let message = format!("the key `{field}` of `{}` has no value that could identify a record", call.record);
    Err(CallError::new(ErrorClass::Rejected, "key", message))
}

/// Sends rows in as many requests as they need. The vendor refuses a collection that names a record twice, so the second
/// change of a record goes into a later wave; waves follow each other, requests within a wave do not wait for each other.
async fn send_waves(org: &Org, kind: Kind<'_>, rows: Vec<Row<'_>>, results: &mut [Outcome]) {
    // The wave of the latest row of each record, and that row's place.
    let mut latest: HashMap<String, (usize, usize)> = HashMap::new();
    let mut waves: Vec<Vec<(Row<'_>, Option<usize>)>> = Vec::new();
    for row in rows {
        let (wave, before) = match &row.identity {
            None => (0, None),
            Some(identity) => match latest.get(identity) {
                Some((wave, place)) => (wave + 1, Some(*place)),
                None => (0, None),
            },
        };
        if let Some(identity) = &row.identity {
            latest.insert(identity.clone(), (wave, row.place));
        }
        if waves.len() <= wave {
            waves.push(Vec::new());
        }
        waves[wave].push((row, before));
    }
    for wave in waves {
        let mut ready = Vec::with_capacity(wave.len());
        for (row, before) in wave {
            // An earlier change of the record that will be tried again must not overtake this one.
            match before.map(|before| &results[before]) {
                Some(Err(error)) if error.class.is_transient() => results[row.place] = Err(postponed(error)),
                _ if row.insist => results[row.place] = duplicates::write_alone(org, kind, &row).await,
                _ => ready.push(row),
            }
        }
        let ready = &ready;
        let chunks: Vec<Range<usize>> = (0..ready.len())
            .step_by(COLLECTION_MAX)
            .map(|from| from..(from + COLLECTION_MAX).min(ready.len()))
            .collect();
        let mut answers = stream::iter(chunks)
            .map(|range| async move {
                let mut spare = ISOLATION_MAX;
                let rows = &ready[range.clone()];
                let outcomes = send_chunk(org, kind, rows, &mut spare).await;
                (range, duplicates::name_matches(org, kind, rows, outcomes).await)
            })
            .buffered(CONCURRENT);
        while let Some((range, outcomes)) = answers.next().await {
            for (row, outcome) in ready[range].iter().zip(outcomes) {
                results[row.place] = outcome;
            }
        }
    }
}

/// The error of a change that was not sent because an earlier one of the same record waits for its repetition.
fn postponed(earlier: &CallError) -> CallError {
    let message = format!("not sent: an earlier change of the same record is still to be repeated ({})", earlier.code);
    CallError::new(ErrorClass::Locked, "EARLIER_CHANGE_PENDING", message).retry_after(earlier.retry_after)
}

/// Sends one collection. One record can make the org refuse the whole request (a field it does not know): then halves are
/// tried, so that the others get through.
fn send_chunk<'a>(
    org: &'a Org,
    kind: Kind<'a>,
    rows: &'a [Row<'a>],
    spare: &'a mut usize,
) -> BoxFuture<'a, Vec<Outcome>> {
    async move {
        let error = match send_once(org, kind, rows).await {
            Ok(outcomes) => return outcomes,
            Err(error) => error,
        };
        let may_be_one_record = matches!(error.class, ErrorClass::Rejected | ErrorClass::Misconfigured);
        if rows.len() == 1 || !may_be_one_record || *spare < 2 {
            return vec![Err(error); rows.len()];
        }
        *spare -= 2;
        let (left, right) = rows.split_at(rows.len() / 2);
        let mut outcomes = send_chunk(org, kind, left, spare).await;
        outcomes.extend(send_chunk(org, kind, right, spare).await);
        outcomes
    }
    .boxed()
}

async fn send_once(org: &Org, kind: Kind<'_>, rows: &[Row<'_>]) -> Result<Vec<Outcome>, CallError> {
    let (method, path, body) = match kind {
        Kind::Create { record } => {
            (Method::POST, org.data_path("composite/sobjects"), Some(collection(record, None, rows)))
        }
        Kind::Update { record } => {
            (Method::PATCH, org.data_path("composite/sobjects"), Some(collection(record, Some("id"), rows)))
        }
        Kind::Upsert { record, field } => {
            let path = org.data_path(&format!("composite/sobjects/{record}/{field}"));
            (Method::PATCH, path, Some(collection(record, Some(field), rows)))
        }
        Kind::Delete => {
            let ids: Vec<&str> = rows.iter().filter_map(|row| row.key.as_str()).collect();
            let path = org.data_path(&format!("composite/sobjects?ids={}&allOrNone=false", ids.join(",")));
            (Method::DELETE, path, None)
        }
    };
    let answer = org.json(method, &path, body, Effect::Write).await?;
    let answers = answer.items();
    if answers.len() != rows.len() {
        let what = format!("{} records were sent, {} results came back", rows.len(), answers.len());
        return Err(errors::not_understood(Effect::Write, what));
    }
    Ok(rows.iter().zip(answers).map(|(row, answer)| outcome(kind, row, answer)).collect())
}

/// `{"allOrNone":false,"records":[…]}`, written straight from the bodies.
fn collection(record: &str, key: Option<&str>, rows: &[Row<'_>]) -> String {
    let mut text = String::with_capacity(64 + rows.len() * 256);
    text.push_str(r#"{"allOrNone":false,"records":["#);
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(r#"{"attributes":{"type":"#);
        json::write_string(record, &mut text);
        text.push('}');
        if let Some(key) = key {
            text.push(',');
            json::write_string(key, &mut text);
            text.push(':');
            json::write(&row.key, &mut text);
        }
        write_members(row.body.as_object(), key, &mut text);
        text.push('}');
    }
    text.push_str("]}");
    text
}

/// Appends `,"name":value` for the members of a body, except ids and the key: the vendor refuses both in a body.
pub(crate) fn write_members(members: Option<&Object>, key: Option<&str>, text: &mut String) {
    for (name, value) in members.into_iter().flatten() {
        let is_key = key.is_some_and(|key| key.eq_ignore_ascii_case(name));
        if is_key || name.eq_ignore_ascii_case("Id") || &**name == "attributes" {
            continue;
        }
        text.push(',');
        json::write_string(name, text);
        text.push(':');
        json::write(value, text);
    }
}

/// `{"Id": …, "created": …}` where the org saved the record.
fn outcome(kind: Kind<'_>, row: &Row<'_>, answer: &Value) -> Outcome {
    if answer.get("success").as_bool() != Some(true) {
        let error = errors::from_row(answer);
        // Deleting what is already deleted has reached its aim: a repeated delete is no failure.
        if matches!(kind, Kind::Delete) && error.code == "ENTITY_IS_DELETED" {
            return Ok(Value::object([("Id", row.key.clone()), ("created", Value::from(false))]));
        }
        return Err(error);
    }
    let id = match answer.get("id") {
        Value::Null if !matches!(kind, Kind::Create { .. } | Kind::Upsert { .. }) => row.key.clone(),
        id => id.clone(),
    };
    let created = match kind {
        Kind::Create { .. } => true,
        Kind::Upsert { .. } => answer.get("created").as_bool().unwrap_or(false),
        Kind::Update { .. } | Kind::Delete => false,
    };
    Ok(Value::object([("Id", id), ("created", Value::from(created))]))
}

/// Calls a function of the org with POST: Apex REST (`apexrest/…`), an action (`actions/…`), or any path under `/services/`.
pub(crate) async fn invoke(org: &Org, call: &Call) -> Outcome {
    let name = &*call.record;
    let path = if name.starts_with("/services/") {
        name.to_owned()
    } else if let Some(rest) = name.strip_prefix("apexrest/") {
        format!("/services/apexrest/{rest}")
    } else {
        org.data_path(name.trim_start_matches('/'))
    };
    let fits = !path.split(['/', '?']).any(|part| part == "..")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\' | b'"' | b'<' | b'>'));
    if !fits {
        let message = format!("`{name}` is not the path of a function");
        return Err(CallError::new(ErrorClass::Misconfigured, "path", message));
    }
    let body = if call.body.is_null() { "{}".to_owned() } else { json::to_string(&call.body) };
    let answer = org.send(Method::POST, &path, Some(body), Effect::Write).await?;
    if !answer.status.is_success() {
        return Err(errors::from_answer(&answer, Effect::Write));
    }
    if answer.body.is_empty() {
        return Ok(Value::Null);
    }
    // The function was carried out; an answer in another format is passed on as text.
    Ok(json::parse(&answer.body).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&answer.body).into_owned())))
}
