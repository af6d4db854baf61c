//! From records to the JSON of an answer, without anything in between.

use model::json::write_string;

use crate::cell::{View, write_units};
use crate::id::RecordId;
use crate::schema::{Field, FieldAt, Kind, Object};
use crate::store::Record;
use crate::time;

/// Appends `"attributes":{…}` of a record.
pub(crate) fn write_attributes(object: &Object, id: Option<RecordId>, version: &str, text: &mut String) {
    text.push_str(r#""attributes":{"type":""#);
    text.push_str(&object.name);
    text.push('"');
    if let Some(id) = id {
        text.push_str(r#","url":"/services/data/v"#);
        text.push_str(version);
        text.push_str("/sobjects/");
        text.push_str(&object.name);
        text.push('/');
        id.write(text);
        text.push('"');
    }
    text.push('}');
}

/// Appends the value of a field.
pub(crate) fn write_field(object: &Object, field: &Field, id: RecordId, record: &Record, text: &mut String) {
    if field.kind == Kind::Address {
        write_address(object, field, id, record, text);
    } else {
        write_view(field, record.view(id, field.place), text);
    }
}

/// Appends a value that a field of this kind holds.
pub(crate) fn write_view(field: &Field, view: View<'_>, text: &mut String) {
    match view {
        View::Null => text.push_str("null"),
        View::Bool(truth) => text.push_str(if truth { "true" } else { "false" }),
        View::Text(value) => write_string(value, text),
        View::Ref(id) => {
            text.push('"');
            id.write(text);
            text.push('"');
        }
        View::Number(number) => match field.kind {
            Kind::Date => {
                text.push('"');
                time::write_date(number, text);
                text.push('"');
            }
            Kind::DateTime => {
                text.push('"');
                time::write_instant(number, text);
                text.push('"');
            }
            Kind::Int => write_units(number, 0, text),
            // The vendor's doubles always have a point.
            _ if field.scale == 0 => {
                write_units(number, 0, text);
                text.push_str(".0");
            }
            _ => write_units(number, field.scale, text),
        },
    }
}

/// Appends a value as bulk results have it: without quotes, nothing for null, instants with `Z`.
pub(crate) fn write_plain(field: &Field, view: View<'_>, text: &mut String) {
    match view {
        View::Null => {}
        View::Text(value) => text.push_str(value),
        View::Ref(id) => id.write(text),
        View::Number(millis) if field.kind == Kind::DateTime => {
            time::write_instant(millis, text);
            // The offset that the REST API writes.
            text.truncate(text.len().saturating_sub("+0000".len()));
            text.push('Z');
        }
        View::Number(days) if field.kind == Kind::Date => time::write_date(days, text),
        View::Bool(_) | View::Number(_) => write_view(field, view, text),
    }
}

fn write_address(object: &Object, address: &Field, id: RecordId, record: &Record, text: &mut String) {
    let has_value = |at: &FieldAt| record.view(id, object.field(*at).place) != View::Null;
    if !address.parts.iter().any(|(_, at)| has_value(at)) {
        text.push_str("null");
        return;
    }
    text.push('{');
    for (index, (part, at)) in address.parts.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        // Inside the compound names begin with a small letter.
        let mut name = part.to_string();
        if let Some(first) = name.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        write_string(&name, text);
        text.push(':');
        let field = object.field(*at);
        write_view(field, record.view(id, field.place), text);
    }
    text.push('}');
}

/// Appends a whole record with these fields.
pub(crate) fn write_record(
    object: &Object,
    id: RecordId,
    record: &Record,
    fields: &[FieldAt],
    version: &str,
    text: &mut String,
) {
    text.push('{');
    write_attributes(object, Some(id), version, text);
    for at in fields {
        let field = object.field(*at);
        text.push(',');
        write_string(&field.name, text);
        text.push(':');
        write_field(object, field, id, record, text);
    }
    text.push('}');
}
