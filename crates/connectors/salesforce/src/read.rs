//! Reading: many reads become one query, long lists are followed to their end.

use std::collections::HashMap;
use std::sync::Arc;

use connect::transport::Effect;
use connect::{Call, CallError, ErrorClass, Selection};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};
use http::Method;
use model::Value;

use crate::describe::Descriptions;
use crate::errors;
use crate::neutral;
use crate::org::Org;
use crate::soql::{self, Literal};

/// How many queries of one gathered list are under way together.
const CONCURRENT: usize = 4;
/// Most records that one find may answer: beyond it the definitions ask for something else than they mean.
const RECORDS_MAX: usize = 20_000;

/// Reads by key: the record, or `null` where there is none.
pub(crate) async fn read(org: &Org, descriptions: &Descriptions, calls: &[Call]) -> Vec<Result<Value, CallError>> {
    let mut results: Vec<Result<Value, CallError>> = Vec::with_capacity(calls.len());
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (place, call) in calls.iter().enumerate() {
        results.push(Ok(Value::Null));
        match usable_key(call) {
            Ok((field, value)) => Group::add(&mut groups, field, &call.select, place, value),
            Err(error) => results[place] = Err(error),
        }
    }
    for group in &groups {
        for (place, found) in lookup(org, descriptions, &calls[0].record, group, "").await {
            results[place] = found.and_then(|rows| match rows.len() {
                0 | 1 => Ok(rows.into_iter().next().unwrap_or_default()),
                count => {
                    let message = format!("{count} {} records have this {}", calls[place].record, group.field);
                    Err(CallError::new(ErrorClass::Rejected, "KEY_NOT_UNIQUE", message))
                }
            });
        }
    }
    results
}

/// Finds by equal fields. Finds that ask for one field only are gathered like reads.
pub(crate) async fn find(org: &Org, descriptions: &Descriptions, calls: &[Call]) -> Vec<Result<Value, CallError>> {
    let mut results: Vec<Result<Value, CallError>> = vec![Ok(Value::Null); calls.len()];
    let conditions: Vec<_> = calls.iter().map(|call| soql::conditions(&call.body)).collect();
    let (mut groups, mut single): (Vec<Group<'_>>, Vec<usize>) = (Vec::new(), Vec::new());
    for (place, conditions) in conditions.iter().enumerate() {
        match conditions.as_deref() {
            Ok([(field, value)]) if is_key(value) => {
                Group::add(&mut groups, field, &calls[place].select, place, value);
            }
            Ok(_) => single.push(place),
            Err(error) => results[place] = Err(error.clone()),
        }
    }
    for group in &groups {
        for (place, found) in lookup(org, descriptions, &calls[0].record, group, " ORDER BY Id").await {
            results[place] = found.map(Value::from);
        }
    }
    let conditions = &conditions;
    let mut answers = stream::iter(single)
        .map(|place| async move {
            let wanted = conditions[place].as_deref().unwrap_or_default();
            (place, find_one(org, descriptions, &calls[place], wanted).await)
        })
        .buffer_unordered(CONCURRENT);
    while let Some((place, answer)) = answers.next().await {
        results[place] = answer;
    }
    results
}

/// The record that has all these values, when there is one: for probes.
pub(crate) async fn find_first(
    org: &Org,
    descriptions: &Descriptions,
    record: &str,
    select: &Arc<Selection>,
    wanted: &[(Arc<str>, Value)],
) -> Result<Option<Value>, CallError> {
    let selection = descriptions.complete(org, record, select).await?;
    let mut text = soql::select(record, &selection, &[])?;
    write_conditions(org, descriptions, record, wanted, &mut text).await?;
    text.push_str(" ORDER BY Id LIMIT 1");
    let rows = query(org, &query_path(org, &soql::encode(&text))?, &selection).await?;
    Ok(rows.into_iter().next())
}

async fn find_one(
    org: &Org,
    descriptions: &Descriptions,
    call: &Call,
    wanted: &[(Arc<str>, Value)],
) -> Result<Value, CallError> {
    let selection = descriptions.complete(org, &call.record, &call.select).await?;
    let mut text = soql::select(&call.record, &selection, &[])?;
    if let [(field, Value::Array(values))] = wanted {
        let literals = literals(org, descriptions, &call.record, field, values).await?;
        let path_length = query_path(org, "")?.len();
        let mut rows = Vec::new();
        for (encoded, _) in soql::split_in(&text, field, &literals, " ORDER BY Id", path_length)? {
            rows.extend(query(org, &query_path(org, &encoded)?, &selection).await?);
            within_bounds(rows.len())?;
        }
        return Ok(rows.into());
    }
    write_conditions(org, descriptions, &call.record, wanted, &mut text).await?;
    text.push_str(" ORDER BY Id");
    query(org, &query_path(org, &soql::encode(&text))?, &selection).await.map(Value::from)
}

async fn write_conditions(
    org: &Org,
    descriptions: &Descriptions,
    record: &str,
    wanted: &[(Arc<str>, Value)],
    text: &mut String,
) -> Result<(), CallError> {
    for (index, (field, value)) in wanted.iter().enumerate() {
        text.push_str(if index == 0 { " WHERE " } else { " AND " });
        text.push_str(soql::check_name(field)?);
        match value {
            Value::Array(items) => {
                text.push_str(" IN (");
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        text.push(',');
                    }
                    soql::write_literal(item, literal_for(org, descriptions, record, field, item).await?, text)?;
                }
                text.push(')');
            }
            value => {
                text.push_str(" = ");
                soql::write_literal(value, literal_for(org, descriptions, record, field, value).await?, text)?;
            }
        }
    }
    Ok(())
}

/// Calls that ask for the same fields by the same key field.
struct Group<'a> {
    field: &'a str,
    select: &'a Arc<Selection>,
    /// The place of each call with its key.
    keys: Vec<(usize, &'a Value)>,
}

impl<'a> Group<'a> {
    fn add(groups: &mut Vec<Self>, field: &'a str, select: &'a Arc<Selection>, place: usize, value: &'a Value) {
        let same =
            |group: &&mut Self| group.field == field && (Arc::ptr_eq(group.select, select) || group.select == select);
        match groups.iter_mut().find(same) {
            Some(group) => group.keys.push((place, value)),
            None => groups.push(Self { field, select, keys: vec![(place, value)] }),
        }
    }
}

fn is_key(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))
}

fn usable_key(call: &Call) -> Result<(&str, &Value), CallError> {
    let Some(key) = &call.key else {
        let message = format!("a {} of `{}` needs a key", call.action.word(), call.record);
        return Err(CallError::new(ErrorClass::Misconfigured, "key", message));
    };
    let field = if key.field.is_empty() { "Id" } else { soql::check_name(&key.field)? };
    // A missing key must never become `= null`, which any record without a value would answer.
    let empty = key.value.as_str().is_some_and(|text| text.trim().is_empty());
    if !is_key(&key.value) || empty {
        let message = format!("the key `{field}` of `{}` has no value that could identify a record", call.record);
        return Err(CallError::new(ErrorClass::Rejected, "key", message));
    }
    if field.eq_ignore_ascii_case("Id") && !key.value.as_str().is_some_and(is_id) {
        let message = format!("`{}` is not an id of 15 or 18 letters and digits", key.value);
        return Err(CallError::new(ErrorClass::Rejected, "MALFORMED_ID", message));
    }
    Ok((field, &key.value))
}

/// Whether a text has the shape of a record id.
pub(crate) fn is_id(text: &str) -> bool {
    matches!(text.len(), 15 | 18) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A key as the vendor compares it: texts without regard to case and outer spaces, ids by their first 15 characters.
pub(crate) fn comparable(field: &str, value: &Value) -> String {
    match value {
        Value::String(text) if is_id(text) && field.ends_with("Id") => text[..15].to_owned(),
        Value::String(text) => text.trim().to_lowercase(),
        Value::Number(number) => number.to_decimal().normalized().to_string(),
        other => other.to_string(),
    }
}

/// Asks for all keys of a group and answers the rows of each call.
async fn lookup(
    org: &Org,
    descriptions: &Descriptions,
    record: &str,
    group: &Group<'_>,
    tail: &str,
) -> Vec<(usize, Result<Vec<Value>, CallError>)> {
    // Each distinct key is asked for once.
    let mut distinct: Vec<&Value> = Vec::with_capacity(group.keys.len());
    let mut spellings: HashMap<String, Vec<usize>> = HashMap::with_capacity(group.keys.len());
    let mut asked: Vec<(usize, String, usize)> = Vec::with_capacity(group.keys.len());
    for (place, value) in &group.keys {
        let comparable = comparable(group.field, value);
        let known = spellings.entry(comparable.clone()).or_default();
        let index = known.iter().copied().find(|index| distinct[*index] == *value).unwrap_or_else(|| {
            distinct.push(value);
            known.push(distinct.len() - 1);
            distinct.len() - 1
        });
        asked.push((*place, comparable, index));
    }
    let found = match ask(org, descriptions, record, group, &distinct, tail).await {
        Ok(found) => found,
        Err(error) => return asked.into_iter().map(|(place, _, _)| (place, Err(error.clone()))).collect(),
    };
    asked
        .into_iter()
        .map(|(place, comparable, index)| {
            if let Some(error) = found.failed.get(&index) {
                return (place, Err(error.clone()));
            }
            let rows = found.rows.get(&comparable).map(Vec::as_slice).unwrap_or_default();
            // Where case makes a difference (two spellings asked for, or several rows), the exact spelling counts.
            let ambiguous = spellings[&comparable].len() > 1 || rows.len() > 1;
            let exact = |row: &&Value| *at_path(row, group.field) == *distinct[index];
            let chosen: Vec<Value> = if ambiguous && rows.iter().any(|row| exact(&row)) {
                rows.iter().filter(exact).cloned().collect()
            } else {
                rows.to_vec()
            };
            (place, Ok(chosen))
        })
        .collect()
}

/// Rows by comparable key, and the error of each key whose query failed.
#[derive(Default)]
struct Found {
    rows: HashMap<String, Vec<Value>>,
    failed: HashMap<usize, CallError>,
}

async fn ask(
    org: &Org,
    descriptions: &Descriptions,
    record: &str,
    group: &Group<'_>,
    distinct: &[&Value],
    tail: &str,
) -> Result<Found, CallError> {
    let selection = descriptions.complete(org, record, group.select).await?;
    let head = soql::select(record, &selection, &[group.field])?;
    let mut literals = Vec::with_capacity(distinct.len());
    for value in distinct {
        literals.push(literal(org, descriptions, record, group.field, value).await?);
    }
    let path_length = query_path(org, "")?.len();
    let queries = soql::split_in(&head, group.field, &literals, tail, path_length)?;
    let selection = &selection;
    let mut answers = stream::iter(queries)
        .map(|(encoded, range)| async move {
            let answer = match query_path(org, &encoded) {
                Ok(path) => query(org, &path, selection).await,
                Err(error) => Err(error),
            };
            (range, answer)
        })
        .buffered(CONCURRENT);
    let mut found = Found::default();
    while let Some((range, answer)) = answers.next().await {
        match answer {
            Ok(rows) => {
                for row in rows {
                    let key = comparable(group.field, at_path(&row, group.field));
                    found.rows.entry(key).or_default().push(row);
                }
            }
            Err(error) => found.failed.extend(range.map(|index| (index, error.clone()))),
        }
    }
    Ok(found)
}

/// What stands at a dotted path, whatever the case of its names.
fn at_path<'a>(row: &'a Value, path: &str) -> &'a Value {
    static NULL: Value = Value::Null;
    path.split('.').fold(row, |value, name| {
        let exact = value.get(name);
        if !exact.is_null() {
            return exact;
        }
        let members = value.as_object();
        let similar = members.and_then(|members| members.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)));
        similar.map_or(&NULL, |(_, member)| member)
    })
}

async fn literals(
    org: &Org,
    descriptions: &Descriptions,
    record: &str,
    field: &str,
    values: &[Value],
) -> Result<Vec<String>, CallError> {
    let mut literals = Vec::with_capacity(values.len());
    for value in values {
        literals.push(literal(org, descriptions, record, field, value).await?);
    }
    Ok(literals)
}

async fn literal(
    org: &Org,
    descriptions: &Descriptions,
    record: &str,
    field: &str,
    value: &Value,
) -> Result<String, CallError> {
    let mut text = String::new();
    soql::write_literal(value, literal_for(org, descriptions, record, field, value).await?, &mut text)?;
    Ok(soql::encode(&text))
}

/// Only for texts that look like a date does the field's type decide, so only for them is the org asked.
async fn literal_for(
    org: &Org,
    descriptions: &Descriptions,
    record: &str,
    field: &str,
    value: &Value,
) -> Result<Literal, CallError> {
    let temporal =
        value.as_str().is_some_and(soql::looks_temporal) && descriptions.is_temporal(org, record, field).await?;
    Ok(if temporal { Literal::Bare } else { Literal::Quoted })
}

/// The path of an encoded query.
pub(crate) fn query_path(org: &Org, encoded: &str) -> Result<String, CallError> {
    let path = org.data_path(&format!("query?q={encoded}"));
    if path.len() > soql::URL_MAX {
        let message =
            format!("the query needs more than the {} bytes a URL may have; name fewer fields", soql::URL_MAX);
        return Err(CallError::new(ErrorClass::Misconfigured, "query-too-long", message));
    }
    Ok(path)
}

/// Runs a query, follows its pages and those of its child lists, and makes the records neutral.
pub(crate) async fn query(org: &Org, path: &str, selection: &Selection) -> Result<Vec<Value>, CallError> {
    let mut records = pages(org, path).await?;
    complete_children(org, &mut records, selection).await?;
    for record in &mut records {
        neutral::record(record, selection);
    }
    Ok(records)
}

/// The records of all pages as they came.
async fn pages(org: &Org, first: &str) -> Result<Vec<Value>, CallError> {
    let mut page = org.json(Method::GET, first, None, Effect::Read).await?;
    let mut records: Vec<Value> = Vec::new();
    loop {
        match page.remove("records") {
            Some(Value::Array(more)) if records.is_empty() => records = Arc::unwrap_or_clone(more),
            Some(Value::Array(more)) => records.extend(Arc::unwrap_or_clone(more)),
            _ => return Err(errors::not_understood(Effect::Read, "a query answered without records")),
        }
        within_bounds(records.len())?;
        let Some(next) = next_page(&page) else { return Ok(records) };
        page = org.json(Method::GET, &next, None, Effect::Read).await?;
    }
}

fn within_bounds(count: usize) -> Result<(), CallError> {
    if count <= RECORDS_MAX {
        return Ok(());
    }
    let message = format!("the query finds more than {RECORDS_MAX} records; narrow it down");
    Err(CallError::new(ErrorClass::Rejected, "too-many-records", message))
}

fn next_page(page: &Value) -> Option<String> {
    if page.get("done").as_bool() == Some(true) {
        return None;
    }
    page.get("nextRecordsUrl").as_str().map(str::to_owned)
}

/// Child lists come with their own first page inside each record; the rest is fetched and put in its place.
fn complete_children<'a>(
    org: &'a Org,
    records: &'a mut [Value],
    selection: &'a Selection,
) -> BoxFuture<'a, Result<(), CallError>> {
    async move {
        if selection.children.is_empty() {
            return Ok(());
        }
        for record in records {
            for (name, child) in &selection.children {
                let next = next_page(record.get(name));
                if next.is_none() && child.children.is_empty() {
                    continue;
                }
                let mut list = take_member(record, name);
                let Some(Value::Array(items)) = list.remove("records") else { continue };
                let mut items = Arc::unwrap_or_clone(items);
                if let Some(next) = next {
                    items.extend(pages(org, &next).await?);
                    within_bounds(items.len())?;
                }
                complete_children(org, &mut items, child).await?;
                record.set(Arc::clone(name), Value::from(items));
            }
        }
        Ok(())
    }
    .boxed()
}

/// Takes a member's value and leaves `null` in its place, so that it can be changed without a copy.
fn take_member(record: &mut Value, name: &str) -> Value {
    match record {
        Value::Object(members) => Arc::make_mut(members).get_mut(name).map(std::mem::take).unwrap_or_default(),
        _ => Value::Null,
    }
}
