//! One row of an ingest job: its columns as fields, and what is done with it.

use std::collections::HashSet;

use csv::StringRecord;
use model::Value;

use super::job::{Ingest, Operation, Outcome};
use crate::cell::Cell;
use crate::decode::{by_key, cell, not_writable, parent_with_key, with_key};
use crate::errors::Refusal;
use crate::id::RecordId;
use crate::schema::{Field, FieldAt, Kind, Object, ObjectAt, Schema};
use crate::store::{Store, Writer};

/// What stands for no value: an empty column leaves a field as it is.
const NOTHING: &str = "#N/A";

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Own(FieldAt),
    /// The record that a reference means, by a key of its own.
    Parent {
        by: FieldAt,
        to: ObjectAt,
        key: FieldAt,
    },
}

/// What the names of a header mean; the error is the vendor's for the whole job.
pub(super) fn columns(schema: &Schema, ingest: &Ingest, names: &[String]) -> Result<Vec<Column>, String> {
    let object = schema.object(ingest.object);
    let mut columns: Vec<Column> = Vec::with_capacity(names.len());
    for name in names {
        let missing = || format!("InvalidBatch : Field name not found : {name}");
        let column = match name.split_once('.') {
            None => Column::Own(object.field_at(name).ok_or_else(missing)?),
            Some((relationship, key)) => {
                // A reference that may mean several kinds of records names its kind: `User:Owner.Username`.
                let relationship = relationship.split_once(':').map_or(relationship, |(_, name)| name);
                let (by, reference) = object.parent(relationship).ok_or_else(missing)?;
                let key = schema.object(reference.to).field_at(key).ok_or_else(missing)?;
                Column::Parent { by, to: reference.to, key }
            }
        };
        if columns.contains(&column) {
            return Err(format!("InvalidBatch : Field name is given twice : {name}"));
        }
        columns.push(column);
    }
    let only_ids = matches!(columns.as_slice(), [Column::Own(at)] if object.field(*at).kind == Kind::Id);
    if matches!(ingest.operation, Operation::Delete | Operation::HardDelete) && !only_ids {
        return Err("InvalidBatch : A delete job takes the column Id and no other".to_owned());
    }
    Ok(columns)
}

/// Carries out one row.
pub(super) fn carry_out(
    writer: &mut Writer<'_>,
    ingest: &Ingest,
    columns: &[Column],
    row: &StringRecord,
    seen: &mut HashSet<String>,
) -> Outcome {
    let mut id = None;
    let done = match ingest.operation {
        Operation::Insert => insert(writer, ingest, columns, row),
        Operation::Upsert => upsert(writer, ingest, columns, row, seen),
        Operation::Update | Operation::Delete | Operation::HardDelete => {
            by_id(writer, ingest, columns, row).and_then(|found| {
                // Serial 0 stands for ids that this org never gave out.
                id = Some(found).filter(|found| found.serial() > 0);
                match ingest.operation {
                    Operation::Update => {
                        let schema = writer.schema();
                        let object = schema.object(ingest.object);
                        let given = values(writer.store, object, columns, row, false, None)?;
                        writer.update(found, given)?;
                    }
                    _ => writer.delete(found)?,
                }
                Ok((found, false))
            })
        }
    };
    match done {
        Ok((id, created)) => Outcome::Saved(id, created),
        Err(refusal) => {
            let fields: Vec<&str> = refusal.fields.iter().map(|field| &**field).collect();
            // Without fields nothing stands between the last colon and the dashes.
            let gap = if fields.is_empty() { "" } else { " " };
            let words = format!("{}:{}:{}{gap}--", refusal.code, refusal.message, fields.join(" "));
            Outcome::Refused(id, words.into())
        }
    }
}

type Done = Result<(RecordId, bool), Refusal>;

fn insert(writer: &mut Writer<'_>, ingest: &Ingest, columns: &[Column], row: &StringRecord) -> Done {
    let schema = writer.schema();
    let values = values(writer.store, schema.object(ingest.object), columns, row, true, None)?;
    writer.create(ingest.object, values).map(|id| (id, true))
}

fn upsert(
    writer: &mut Writer<'_>,
    ingest: &Ingest,
    columns: &[Column],
    row: &StringRecord,
    seen: &mut HashSet<String>,
) -> Done {
    let schema = writer.schema();
    let object = schema.object(ingest.object);
    let missing = |name: &str| Refusal::new("MISSING_ARGUMENT", format!("{name} not specified"));
    let at = ingest.key.ok_or_else(|| missing("externalIdFieldName"))?;
    let field = object.field(at);
    let key = text_of(columns, row, Column::Own(at)).filter(|text| !text.is_empty() && *text != NOTHING);
    let Some(key) = key else {
        // Without an id it is a new record; without an external id it is none.
        return if field.kind == Kind::Id { insert(writer, ingest, columns, row) } else { Err(missing(&field.name)) };
    };
    if !seen.insert(if field.case_sensitive { key.to_owned() } else { key.to_lowercase() }) {
        let message = format!("Duplicate external id specified: {key}");
        return Err(Refusal::on("DUPLICATE_VALUE", &field.name, message));
    }
    match by_key(writer.store, object, field, key).as_slice() {
        [] if field.kind == Kind::Id => Err(Refusal::new("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")),
        [] => {
            let values = values(writer.store, object, columns, row, true, Some(at))?;
            let key = cell(field, &Value::from(key)).map_err(|refusal| of_csv(field, key, refusal))?;
            writer.create(object.at, with_key(values, at, key)).map(|id| (id, true))
        }
        [id] => {
            let values = values(writer.store, object, columns, row, false, Some(at))?;
            writer.update(*id, values).map(|()| (*id, false))
        }
        _ => {
            let message = format!("{}: more than one record found for external id field", field.label);
            Err(Refusal::on("DUPLICATE_EXTERNAL_ID", &field.name, message))
        }
    }
}

fn by_id(writer: &Writer<'_>, ingest: &Ingest, columns: &[Column], row: &StringRecord) -> Result<RecordId, Refusal> {
    let schema = writer.schema();
    let object = schema.object(ingest.object);
    let text = object.field_at("Id").and_then(|at| text_of(columns, row, Column::Own(at)));
    let text = text.filter(|text| !text.is_empty()).ok_or_else(|| {
        let message = format!("Id not specified in an {} call", ingest.operation.word());
        Refusal::new("MISSING_ARGUMENT", message)
    })?;
    RecordId::parse(text).filter(|id| id.prefix() == object.prefix).ok_or_else(|| {
        let message = format!("{} ID: id value of incorrect type: {text}", object.label);
        Refusal::on("MALFORMED_ID", &"Id".into(), message)
    })
}

fn text_of<'r>(columns: &[Column], row: &'r StringRecord, wanted: Column) -> Option<&'r str> {
    columns.iter().position(|column| *column == wanted).and_then(|at| row.get(at))
}

/// The cells that a row gives; `key` is looked up, not written.
fn values(
    store: &Store,
    object: &Object,
    columns: &[Column],
    row: &StringRecord,
    create: bool,
    key: Option<FieldAt>,
) -> Result<Vec<(FieldAt, Cell)>, Refusal> {
    let mut values = Vec::with_capacity(columns.len());
    for (column, text) in columns.iter().zip(row) {
        // An empty column is as good as none.
        if text.is_empty() {
            continue;
        }
        let (at, parent) = match column {
            Column::Own(at) => (*at, None),
            Column::Parent { by, to, key } => (*by, Some((store.schema.object(*to), *key))),
        };
        let field = object.field(at);
        if key == Some(at) && parent.is_none() || field.kind == Kind::Id {
            continue;
        }
        if !(if create { field.createable } else { field.updateable }) {
            return Err(not_writable(field));
        }
        let value = match parent {
            _ if text == NOTHING => cell(field, &Value::Null)?,
            Some((to, key)) => Cell::Ref(parent_with_key(store, to, to.field(key), text)?),
            None => own(field, text)?,
        };
        values.push((at, value));
    }
    Ok(values)
}

fn own(field: &Field, text: &str) -> Result<Cell, Refusal> {
    if field.kind == Kind::Boolean {
        let word = text.to_ascii_lowercase();
        return match word.as_str() {
            "true" | "1" | "yes" => Ok(Cell::Bool(true)),
            "false" | "0" | "no" => Ok(Cell::Bool(false)),
            _ => Err(mistyped(field, text)),
        };
    }
    cell(field, &Value::from(text)).map_err(|refusal| of_csv(field, text, refusal))
}

/// What the REST API says of JSON, the Bulk API says of types.
fn of_csv(field: &Field, text: &str, refusal: Refusal) -> Refusal {
    if refusal.code == "JSON_PARSER_ERROR" { mistyped(field, text) } else { refusal }
}

fn mistyped(field: &Field, text: &str) -> Refusal {
    let shown: String = text.chars().take(200).collect();
    let message = format!("{}: value not of required type: {shown}", field.label);
    Refusal::on("INVALID_TYPE_ON_FIELD_IN_RECORD", &field.name, message)
}
