//! Many records in one request, and trees of records.

use std::collections::HashSet;

use model::json::write_string;
use model::{Object as Members, Value};

use super::records::{Upserted, key_field, members, object, upsert_one, with_id};
use super::reply::{Call, Reply};
use crate::decode::{Purpose, decode, named_fields, spoils_request};
use crate::errors::Refusal;
use crate::id::RecordId;
use crate::render::write_record;
use crate::store::{Store, Writer};

/// Most records of a collection that is written, and of one that is read.
const WRITE_MAX: usize = 200;
const READ_MAX: usize = 2000;
/// How deep a tree may be.
const TREE_DEPTH: usize = 5;

/// What became of one record.
enum Row {
    Saved(RecordId, Option<bool>),
    Refused(Option<RecordId>, Refusal),
}

fn too_many(count: usize, most: usize) -> Result<(), Refusal> {
    if count <= most {
        return Ok(());
    }
    let message = format!(
        "EXCEEDED_ID_LIMIT: record limit reached. cannot submit more than {most} records in a single request, {count} were submitted"
    );
    Err(Refusal::new("EXCEEDED_ID_LIMIT", message))
}

fn records(call: &Call) -> Result<&[Value], Refusal> {
    let records = members(&call.body)?.get("records").and_then(Value::as_array);
    let records = records.ok_or_else(|| Refusal::new("JSON_PARSER_ERROR", "The records list is missing"))?;
    too_many(records.len(), WRITE_MAX)?;
    Ok(records)
}

fn type_of(record: &Value) -> Result<&str, Refusal> {
    record
        .get("attributes")
        .get("type")
        .as_str()
        .ok_or_else(|| Refusal::new("INVALID_TYPE", "Every record needs its type: attributes.type is missing"))
}

/// A member in whatever case.
fn member<'a>(members: &'a Members, name: &str) -> Option<&'a Value> {
    members
        .get(name)
        .or_else(|| members.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

fn no_such_type(name: &str) -> Refusal {
    Refusal::new("INVALID_TYPE", format!("sObject type '{name}' is not supported."))
}

fn rows_of(
    writer: &mut Writer<'_>,
    records: &[Value],
    mut one: impl FnMut(&mut Writer<'_>, &Value) -> Result<Row, Refusal>,
) -> Result<Vec<Row>, Refusal> {
    let mut rows = Vec::with_capacity(records.len());
    for record in records {
        match one(writer, record) {
            Ok(row) => rows.push(row),
            // What no record could have makes the whole request wrong.
            Err(refusal) if spoils_request(&refusal) => {
                writer.roll_back();
                return Err(refusal);
            }
            Err(refusal) => rows.push(Row::Refused(None, refusal)),
        }
    }
    Ok(rows)
}

fn finish(writer: &mut Writer<'_>, mut rows: Vec<Row>, all_or_none: bool) -> Reply {
    if all_or_none && rows.iter().any(|row| matches!(row, Row::Refused(..))) {
        writer.roll_back();
        for row in &mut rows {
            if let Row::Saved(..) = row {
                let message =
                    "Record rolled back because not all records were valid and the request was using AllOrNone header";
                *row = Row::Refused(None, Refusal::new("ALL_OR_NONE_OPERATION_ROLLED_BACK", message));
            }
        }
    }
    let mut text = String::with_capacity(rows.len() * 80);
    text.push('[');
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push('{');
        match row {
            Row::Saved(id, created) => {
                text.push_str(r#""id":""#);
                id.write(&mut text);
                text.push_str(r#"","success":true,"errors":[]"#);
                if let Some(created) = created {
                    text.push_str(if *created { r#","created":true"# } else { r#","created":false"# });
                }
            }
            Row::Refused(id, refusal) => {
                if let Some(id) = id {
                    text.push_str(r#""id":""#);
                    id.write(&mut text);
                    text.push_str(r#"","#);
                }
                text.push_str(r#""success":false,"errors":["#);
                refusal.write(true, &mut text);
                text.push(']');
            }
        }
        text.push('}');
    }
    text.push(']');
    Reply::json(200, text)
}

fn all_or_none(call: &Call) -> bool {
    call.body.get("allOrNone").as_bool().unwrap_or(false)
        || call.option("allOrNone").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// `POST /composite/sobjects`
pub(super) fn create(writer: &mut Writer<'_>, call: &Call) -> Result<Reply, Refusal> {
    let rows = rows_of(writer, records(call)?, |writer, record| {
        let name = type_of(record)?;
        let object = writer.store.schema.find(name).ok_or_else(|| no_such_type(name))?;
        let at = object.at;
        let values = decode(writer.store, object, members(record)?, Purpose::Create, &[])?;
        writer.create(at, values).map(|id| Row::Saved(id, None))
    })?;
    Ok(finish(writer, rows, all_or_none(call)))
}

/// `PATCH /composite/sobjects`
pub(super) fn update(writer: &mut Writer<'_>, call: &Call) -> Result<Reply, Refusal> {
    let rows = rows_of(writer, records(call)?, |writer, record| {
        let name = type_of(record)?;
        let object = writer.store.schema.find(name).ok_or_else(|| no_such_type(name))?;
        let text = member(members(record)?, "id").and_then(Value::as_str);
        let text = text.ok_or_else(|| Refusal::new("MISSING_ARGUMENT", "Id not specified in an update call"))?;
        let id = RecordId::parse(text).filter(|id| id.prefix() == object.prefix);
        let Some(id) = id else {
            let name = std::sync::Arc::from("Id");
            return Err(Refusal::on(
                "MALFORMED_ID",
                &name,
                format!("{} ID: id value of incorrect type: {text}", object.label),
            ));
        };
        let values = decode(writer.store, object, members(record)?, Purpose::Update, &["Id"])?;
        Ok(match writer.update(id, values) {
            Ok(()) => Row::Saved(id, None),
            Err(refusal) => Row::Refused(Some(id), refusal),
        })
    })?;
    Ok(finish(writer, rows, all_or_none(call)))
}

/// `PATCH /composite/sobjects/X/Ext__c`
pub(super) fn upsert(writer: &mut Writer<'_>, call: &Call, name: &str, field: &str) -> Result<Reply, Refusal> {
    let schema = writer.schema();
    let object = schema.find(name).ok_or_else(|| no_such_type(name))?;
    let at = key_field(object, field)?;
    let field = object.field(at);
    let mut seen = HashSet::new();
    let rows = rows_of(writer, records(call)?, |writer, record| {
        let name = type_of(record)?;
        if !name.eq_ignore_ascii_case(&object.name) {
            return Err(Refusal::new("INVALID_TYPE", format!("all records must be of type {}", object.name)));
        }
        let key = match member(members(record)?, &field.name) {
            Some(Value::String(text)) if !text.is_empty() => text.to_string(),
            Some(Value::Number(number)) => number.to_string(),
            _ => {
                let message = format!("{} not specified", field.name);
                return Err(Refusal::new("MISSING_ARGUMENT", message));
            }
        };
        if !seen.insert(if field.case_sensitive { key.clone() } else { key.to_lowercase() }) {
            return Err(Refusal::new("DUPLICATE_VALUE", format!("Duplicate external id specified: {key}")));
        }
        match upsert_one(writer, &object.name, at, &key, members(record)?, true)? {
            Upserted::Created(id) => Ok(Row::Saved(id, Some(true))),
            Upserted::Updated(id) => Ok(Row::Saved(id, Some(false))),
            Upserted::Several(_) => {
                let message = format!("{}: more than one record found for external id field", field.label);
                Err(Refusal::new("DUPLICATE_EXTERNAL_ID", message))
            }
        }
    })?;
    Ok(finish(writer, rows, all_or_none(call)))
}

/// `DELETE /composite/sobjects?ids=…`
pub(super) fn delete(writer: &mut Writer<'_>, call: &Call) -> Result<Reply, Refusal> {
    let ids: Vec<&str> =
        call.option("ids").unwrap_or("").split(',').map(str::trim).filter(|id| !id.is_empty()).collect();
    too_many(ids.len(), WRITE_MAX)?;
    let mut rows = Vec::with_capacity(ids.len());
    for text in ids {
        rows.push(match RecordId::parse(text) {
            None => Row::Refused(None, Refusal::new("MALFORMED_ID", format!("malformed id {text}"))),
            Some(id) => match writer.delete(id) {
                Ok(()) => Row::Saved(id, None),
                Err(refusal) => Row::Refused(Some(id), refusal),
            },
        });
    }
    Ok(finish(writer, rows, all_or_none(call)))
}

/// `GET /composite/sobjects/X?ids=…&fields=…`, or the same in a body with `POST`.
pub(super) fn read(store: &Store, call: &Call, name: &str) -> Result<Reply, Refusal> {
    let object = object(store, name)?;
    let listed = |name: &str| -> Vec<String> {
        match call.body.get(name).as_array() {
            Some(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            None => call.option(name).unwrap_or("").split(',').map(|item| item.trim().to_owned()).collect(),
        }
    };
    let mut ids = listed("ids");
    ids.retain(|id| !id.is_empty());
    too_many(ids.len(), if call.method == "POST" { READ_MAX } else { 800 })?;
    let fields = listed("fields").join(",");
    if fields.is_empty() {
        return Err(Refusal::new("MISSING_ARGUMENT", "The fields parameter is required"));
    }
    let fields = with_id(object, named_fields(object, &fields)?);
    let mut text = String::from("[");
    for (index, id) in ids.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        let id = RecordId::parse(id).filter(|id| id.prefix() == object.prefix);
        match id.and_then(|id| Some((id, store.get(id)?.1))).filter(|(_, record)| !record.deleted) {
            Some((id, record)) => write_record(object, id, record, &fields, &call.version, &mut text),
            None => text.push_str("null"),
        }
    }
    text.push(']');
    Ok(Reply::json(200, text))
}

/// `POST /composite/tree/X`: all records of the trees, or none.
pub(super) fn tree(writer: &mut Writer<'_>, call: &Call, name: &str) -> Result<Reply, Refusal> {
    object(writer.store, name)?;
    let mut saved = Vec::new();
    let mut refused = Vec::new();
    let mut count = 0;
    for record in records(call)? {
        branch(writer, record, None, 1, &mut count, &mut saved, &mut refused)?;
    }
    let failed = !refused.is_empty();
    if failed {
        writer.roll_back();
    }
    let mut text = format!(r#"{{"hasErrors":{failed},"results":["#);
    for (index, (reference, id)) in saved.iter().enumerate().take(if failed { 0 } else { usize::MAX }) {
        text.push_str(if index > 0 { r#",{"referenceId":"# } else { r#"{"referenceId":"# });
        write_string(reference, &mut text);
        text.push_str(&format!(r#","id":"{id}"}}"#));
    }
    for (index, (reference, refusal)) in refused.iter().enumerate() {
        text.push_str(if index > 0 { r#",{"referenceId":"# } else { r#"{"referenceId":"# });
        write_string(reference, &mut text);
        text.push_str(r#","errors":["#);
        Refusal::write(refusal, true, &mut text);
        text.push_str("]}");
    }
    text.push_str("]}");
    Ok(Reply::json(if failed { 400 } else { 201 }, text))
}

type Reference = String;

fn branch(
    writer: &mut Writer<'_>,
    record: &Value,
    parent: Option<(crate::schema::FieldAt, RecordId)>,
    depth: usize,
    count: &mut usize,
    saved: &mut Vec<(Reference, RecordId)>,
    refused: &mut Vec<(Reference, Refusal)>,
) -> Result<(), Refusal> {
    *count += 1;
    too_many(*count, WRITE_MAX)?;
    if depth > TREE_DEPTH {
        return Err(Refusal::new("INVALID_INPUT", "A tree has at most 5 levels"));
    }
    let schema = writer.schema();
    let name = type_of(record)?;
    let object = schema.find(name).ok_or_else(|| no_such_type(name))?;
    let reference = record
        .get("attributes")
        .get("referenceId")
        .as_str()
        .ok_or_else(|| Refusal::new("INVALID_INPUT", "Include a reference ID for each record in the request."))?;
    let mut own = Members::default();
    let mut lists = Vec::new();
    for (name, value) in members(record)? {
        match object.child_list(name).filter(|_| value.get("records").as_array().is_some()) {
            Some(list) => lists.push((list.field, value.get("records"))),
            None => {
                own.insert(name.clone(), value.clone());
            }
        }
    }
    let created = decode(writer.store, object, &own, Purpose::Create, &[]).and_then(|mut values| {
        if let Some((by, parent)) = parent {
            values.retain(|(at, _)| *at != by);
            values.push((by, crate::cell::Cell::Ref(parent)));
        }
        writer.create(object.at, values)
    });
    match created {
        Ok(id) => {
            saved.push((reference.to_owned(), id));
            for (by, records) in lists {
                for record in records.items() {
                    branch(writer, record, Some((by, id)), depth + 1, count, saved, refused)?;
                }
            }
        }
        Err(refusal) => refused.push((reference.to_owned(), refusal)),
    }
    Ok(())
}
