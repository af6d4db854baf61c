//! One record: create, read, change, delete, upsert.

use model::{Object as Members, Value};

use super::reply::{Call, Reply};
use crate::decode::{Purpose, by_key, decode, named_fields, with_key};
use crate::errors::Refusal;
use crate::id::RecordId;
use crate::render::write_record;
use crate::schema::{FieldAt, Kind, Object, Schema};
use crate::store::{Store, Writer};

/// The members of a body that has to be an object.
pub(super) fn members(body: &Value) -> Result<&Members, Refusal> {
    body.as_object().ok_or_else(|| {
        Refusal::new("JSON_PARSER_ERROR", "The HTTP entity body is required, but this request has no entity body.")
    })
}

/// What an upsert did.
pub(super) enum Upserted {
    Created(RecordId),
    Updated(RecordId),
    Several(Vec<RecordId>),
}

/// The object that a path names.
pub(super) fn object<'a>(store: &'a Store, name: &str) -> Result<&'a Object, Refusal> {
    object_of(&store.schema, name)
}

fn object_of<'a>(schema: &'a Schema, name: &str) -> Result<&'a Object, Refusal> {
    schema.find(name).ok_or_else(|| Refusal::new("NOT_FOUND", "The requested resource does not exist"))
}

/// `{"id":…,"success":true,"errors":[]}`
fn saved(id: RecordId, created: Option<bool>) -> String {
    let created = created.map_or(String::new(), |created| format!(r#","created":{created}"#));
    format!(r#"{{"id":"{id}","success":true,"errors":[]{created}}}"#)
}

pub(super) fn location(call: &Call, object: &str, id: RecordId) -> String {
    format!("/services/data/v{}/sobjects/{object}/{id}", call.version)
}

/// `POST /sobjects/X`
pub(super) fn create(writer: &mut Writer<'_>, call: &Call, name: &str) -> Result<Reply, Refusal> {
    let object = object(writer.store, name)?;
    let (at, name) = (object.at, object.name.clone());
    let values = decode(writer.store, object, members(&call.body)?, Purpose::Create, &[])?;
    let id = writer.create(at, values)?;
    Ok(Reply { location: Some(location(call, &name, id)), ..Reply::json(201, saved(id, None)) })
}

/// The record that a path names by its id.
fn addressed(store: &Store, object: &Object, text: &str) -> Result<RecordId, Refusal> {
    let missing = |code| Refusal::new(code, "The requested resource does not exist");
    let id = RecordId::parse(text).filter(|id| id.prefix() == object.prefix).ok_or_else(|| missing("NOT_FOUND"))?;
    match store.get(id) {
        Some((_, record)) if !record.deleted => Ok(id),
        Some(_) => Err(Refusal::new("ENTITY_IS_DELETED", "entity is deleted")),
        None => Err(missing("NOT_FOUND")),
    }
}

/// `PATCH /sobjects/X/id`
pub(super) fn update(writer: &mut Writer<'_>, call: &Call, name: &str, id: &str) -> Result<Reply, Refusal> {
    let object = object(writer.store, name)?;
    let id = addressed(writer.store, object, id)?;
    let values = decode(writer.store, object, members(&call.body)?, Purpose::Update, &[])?;
    writer.update(id, values)?;
    Ok(Reply::empty())
}

/// `DELETE /sobjects/X/id`
pub(super) fn delete(writer: &mut Writer<'_>, name: &str, id: &str) -> Result<Reply, Refusal> {
    let object = object(writer.store, name)?;
    let id = addressed(writer.store, object, id)?;
    writer.delete(id)?;
    Ok(Reply::empty())
}

/// `DELETE /sobjects/X/Ext__c/value`
pub(super) fn delete_by_key(writer: &mut Writer<'_>, name: &str, field: &str, key: &str) -> Result<Reply, Refusal> {
    let schema = writer.schema();
    let object = object_of(&schema, name)?;
    let field = object.field(key_field(object, field)?);
    match by_key(writer.store, object, field, key).as_slice() {
        [id] => {
            writer.delete(*id)?;
            Ok(Reply::empty())
        }
        [] => Ok(Reply::not_found()),
        _ => Err(Refusal::new("DUPLICATE_EXTERNAL_ID", "more than one record found for external id field")),
    }
}

/// The external id field that a path names.
pub(super) fn key_field(object: &Object, name: &str) -> Result<FieldAt, Refusal> {
    object.field_at(name).filter(|at| object.field(*at).is_key()).ok_or_else(|| {
        let message = format!("Provided external ID field does not exist or is not accessible: {name}");
        Refusal::new("NOT_FOUND", message)
    })
}

/// Creates or changes the record with this external id.
pub(super) fn upsert_one(
    writer: &mut Writer<'_>,
    object: &str,
    field: FieldAt,
    key: &str,
    body: &Members,
    may_create: bool,
) -> Result<Upserted, Refusal> {
    let schema = writer.schema();
    let object = object_of(&schema, object)?;
    let (field, at) = (object.field(field), field);
    let found = by_key(writer.store, object, field, key);
    let skip = [&*field.name];
    match found.as_slice() {
        [] if !may_create || field.kind == Kind::Id => {
            Err(Refusal::new("NOT_FOUND", "The requested resource does not exist"))
        }
        [] => {
            let values = decode(writer.store, object, body, Purpose::Create, &skip)?;
            let key = crate::decode::cell(field, &Value::from(key))?;
            writer.create(object.at, with_key(values, at, key)).map(Upserted::Created)
        }
        [id] => {
            let values = decode(writer.store, object, body, Purpose::Update, &skip)?;
            writer.update(*id, values).map(|()| Upserted::Updated(*id))
        }
        several => Ok(Upserted::Several(several.to_vec())),
    }
}

/// `PATCH /sobjects/X/Ext__c/value`
pub(super) fn upsert(
    writer: &mut Writer<'_>,
    call: &Call,
    name: &str,
    field: &str,
    key: &str,
) -> Result<Reply, Refusal> {
    let schema = writer.schema();
    let object = object_of(&schema, name)?;
    let at = key_field(object, field)?;
    let body = members(&call.body)?;
    if body.keys().any(|member| member.eq_ignore_ascii_case(&object.field(at).name)) {
        let message = format!("The {} field should not be specified in the sobject data.", object.field(at).name);
        return Err(Refusal::new("INVALID_FIELD", message));
    }
    let may_create = call.option("updateOnly") != Some("true");
    Ok(match upsert_one(writer, name, at, key, body, may_create)? {
        Upserted::Created(id) => {
            Reply { location: Some(location(call, &object.name, id)), ..Reply::json(201, saved(id, Some(true))) }
        }
        Upserted::Updated(id) => Reply::json(200, saved(id, Some(false))),
        Upserted::Several(ids) => several(call, object, &ids),
    })
}

/// 300: the records among which the key does not decide.
fn several(call: &Call, object: &Object, ids: &[RecordId]) -> Reply {
    let urls: Vec<String> = ids.iter().map(|id| format!("\"{}\"", location(call, &object.name, *id))).collect();
    Reply::json(300, format!("[{}]", urls.join(",")))
}

/// `GET /sobjects/X/id` and `GET /sobjects/X/Ext__c/value`
pub(super) fn read(store: &Store, call: &Call, name: &str, key: (Option<&str>, &str)) -> Result<Reply, Refusal> {
    let object = object(store, name)?;
    let id = match key.0 {
        None => addressed(store, object, key.1)?,
        Some(field) => {
            let field = object.field(key_field(object, field)?);
            match by_key(store, object, field, key.1).as_slice() {
                [id] => *id,
                [] => return Ok(Reply::not_found()),
                ids => return Ok(several(call, object, ids)),
            }
        }
    };
    let fields = match call.option("fields") {
        Some(list) => named_fields(object, list)?,
        None => all_fields(object),
    };
    let Some((_, record)) = store.get(id) else { return Ok(Reply::not_found()) };
    let mut text = String::with_capacity(1024);
    write_record(object, id, record, &with_id(object, fields), &call.version, &mut text);
    Ok(Reply::json(200, text))
}

fn all_fields(object: &Object) -> Vec<FieldAt> {
    (0..object.fields.len()).map(|at| FieldAt(u16::try_from(at).unwrap_or(u16::MAX))).collect()
}

/// The id is always among what is answered.
pub(super) fn with_id(object: &Object, mut fields: Vec<FieldAt>) -> Vec<FieldAt> {
    if let Some(id) = object.field_at("Id").filter(|id| !fields.contains(id)) {
        fields.push(id);
    }
    fields
}
