//! The Avro schema of an object's events, as the vendor generates it, and where its fields come from.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::json::write_string;
use sha2::{Digest as _, Sha256};

use super::avro;
use crate::cell::{Cell, View};
use crate::id::RecordId;
use crate::schema::{Field, FieldAt, Kind, Object, Place};
use crate::store::Record;

/// The schema of one kind of event.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) json: Arc<str>,
    /// A hash of the schema: a schema that is known never changes.
    pub(crate) id: Arc<str>,
    /// The fields behind the header.
    pub(super) fields: Vec<Source>,
}

/// Where a field of a change event comes from.
#[derive(Debug)]
pub(super) enum Source {
    One(FieldAt),
    /// A text or a person's name.
    Switchable(FieldAt),
    Compound(Vec<FieldAt>),
}

const HEADER: &str = concat!(
    r#"{"name":"ChangeEventHeader","type":{"type":"record","name":"ChangeEventHeader","fields":["#,
    r#"{"name":"entityName","type":"string"},"#,
    r#"{"name":"recordIds","type":{"type":"array","items":"string"}},"#,
    r#"{"name":"changeType","type":{"type":"enum","name":"ChangeType","symbols":["#,
    r#""CREATE","UPDATE","DELETE","UNDELETE","GAP_CREATE","GAP_UPDATE","GAP_DELETE","GAP_UNDELETE","GAP_OVERFLOW","SNAPSHOT"]}},"#,
    r#"{"name":"changeOrigin","type":"string"},"#,
    r#"{"name":"transactionKey","type":"string"},"#,
    r#"{"name":"sequenceNumber","type":"int"},"#,
    r#"{"name":"commitTimestamp","type":"long"},"#,
    r#"{"name":"commitNumber","type":"long"},"#,
    r#"{"name":"commitUser","type":"string"},"#,
    r#"{"name":"nulledFields","type":{"type":"array","items":"string"}},"#,
    r#"{"name":"diffFields","type":{"type":"array","items":"string"}},"#,
    r#"{"name":"changedFields","type":{"type":"array","items":"string"}}]}}"#
);

/// The name of the vendor's own type, as the schema's documentation has it.
const fn vendor_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Boolean => "Boolean",
        Kind::Int => "Integer",
        Kind::Number => "Double",
        Kind::Currency => "Currency",
        Kind::Percent => "Percent",
        Kind::Date => "DateOnly",
        Kind::DateTime => "DateTime",
        Kind::Reference | Kind::Id => "EntityId",
        Kind::Picklist => "DynamicEnum",
        Kind::MultiPicklist => "MultiEnum",
        Kind::Email => "Email",
        Kind::Phone => "Phone",
        Kind::Url => "Url",
        Kind::TextArea => "MultiLineText",
        Kind::LongText => "StringPlusClob",
        Kind::AutoNumber => "AutoNumber",
        Kind::Text => "Text",
        Kind::Address => "Address",
    }
}

/// Whether change events have the field: not what is computed anew at each reading, and not what they have by other means.
fn has_place(field: &Field) -> bool {
    let elsewhere = matches!(field.place, Place::Id | Place::IsDeleted) || &*field.name == "SystemModstamp";
    !elsewhere && !field.calculated && field.compound.is_none()
}

fn documentation(field: &Field) -> String {
    match &*field.name {
        "CreatedDate" | "LastModifiedDate" => format!("{}:DateTime", field.name),
        "CreatedById" => "CreatedBy:EntityId".to_owned(),
        "LastModifiedById" => "LastModifiedBy:EntityId".to_owned(),
        _ => format!("Data:{}", vendor_type(field.kind)),
    }
}

fn write_optional(name: &str, kinds: &str, documentation: &str, text: &mut String) {
    text.push_str(r#"{"name":"#);
    write_string(name, text);
    text.push_str(r#","type":["null","#);
    text.push_str(kinds);
    text.push_str(r#"],"doc":"#);
    write_string(documentation, text);
    text.push_str(r#","default":null}"#);
}

fn quoted(kind: &str) -> String {
    format!("\"{kind}\"")
}

impl Shape {
    fn finish(json: String, fields: Vec<Source>) -> Self {
        let hash = Sha256::digest(json.as_bytes());
        let id = URL_SAFE_NO_PAD.encode(&hash[..16]);
        Self { json: json.into(), id: id.into(), fields }
    }

    /// Of the change events of an object.
    pub(crate) fn of_changes(object: &Object) -> Self {
        let name = change_event_name(&object.name);
        let mut json =
            format!(r#"{{"type":"record","name":"{name}","namespace":"com.sforce.eventbus","fields":[{HEADER}"#);
        let mut fields = Vec::new();
        let mut has_address = false;
        for (index, field) in object.fields.iter().enumerate() {
            if !has_place(field) {
                continue;
            }
            let at = FieldAt(u16::try_from(index).unwrap_or(u16::MAX));
            json.push(',');
            if field.switchable {
                let kinds = format!(r#""string",{}"#, person_name("Switchable_PersonName"));
                write_optional(&field.name, &kinds, "Data:SwitchablePersonName", &mut json);
                fields.push(Source::Switchable(at));
            } else if field.parts.is_empty() {
                write_optional(&field.name, &quoted(avro::type_name(field.kind)), &documentation(field), &mut json);
                fields.push(Source::One(at));
            } else {
                let (kinds, documentation) = if field.kind != Kind::Address {
                    (person_name("PersonName"), "Data:PersonName")
                } else if has_address {
                    // A type is defined once and named afterwards.
                    (quoted("Address"), "Data:Address")
                } else {
                    (address(object, field), "Data:Address")
                };
                has_address |= field.kind == Kind::Address;
                write_optional(&field.name, &kinds, documentation, &mut json);
                fields.push(Source::Compound(field.parts.iter().map(|(_, part)| *part).collect()));
            }
        }
        json.push_str("]}");
        Self::finish(json, fields)
    }

    /// Of a platform event.
    pub(crate) fn of_platform_event(object: &Object) -> Self {
        let mut json = format!(
            r#"{{"type":"record","name":"{}","namespace":"com.sforce.eventbus","fields":[{{"name":"CreatedDate","type":"long","doc":"CreatedDate:DateTime"}},{{"name":"CreatedById","type":"string","doc":"CreatedBy:EntityId"}}"#,
            object.name
        );
        for field in object.fields.iter().filter(|field| field.place_is_cell()) {
            json.push(',');
            write_optional(&field.name, &quoted(avro::type_name(field.kind)), &documentation(field), &mut json);
        }
        json.push_str("]}");
        Self::finish(json, Vec::new())
    }
}

/// `Quote` → `QuoteChangeEvent`, `Part__c` → `Part__ChangeEvent`.
pub(super) fn change_event_name(object: &str) -> String {
    format!("{}ChangeEvent", object.strip_suffix('c').filter(|stem| stem.ends_with("__")).unwrap_or(object))
}

fn person_name(name: &str) -> String {
    let mut text = format!(r#"{{"type":"record","name":"{name}","fields":["#);
    for (index, part) in ["Salutation", "FirstName", "LastName"].into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        write_optional(part, "\"string\"", if index == 0 { "Data:DynamicEnum" } else { "Data:Text" }, &mut text);
    }
    text.push_str("]}");
    text
}

fn address(object: &Object, field: &Field) -> String {
    let mut text = String::from(r#"{"type":"record","name":"Address","fields":["#);
    for (index, (name, part)) in field.parts.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        let part = object.field(*part);
        write_optional(name, &quoted(avro::type_name(part.kind)), &documentation(part), &mut text);
    }
    text.push_str("]}");
    text
}

/// Appends an optional value.
pub(super) fn write_optional_view(field: &Field, view: View<'_>, bytes: &mut Vec<u8>) {
    if view == View::Null {
        bytes.push(0);
    } else {
        // Branch 1, zigzag.
        bytes.push(2);
        avro::write_view(field, view, bytes);
    }
}

/// The bytes of a platform event.
pub(crate) fn encode_platform_event(object: &Object, now: i64, user: RecordId, values: &[(FieldAt, Cell)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    avro::write_long(now, &mut bytes);
    avro::write_text(&user.to_string(), &mut bytes);
    for (index, field) in object.fields.iter().enumerate() {
        if !field.place_is_cell() {
            continue;
        }
        let value =
            values.iter().find(|(at, _)| usize::from(at.0) == index).map_or(View::Null, |(_, cell)| cell.view());
        write_optional_view(field, value, &mut bytes);
    }
    bytes
}

/// The value of one field of a record.
pub(super) fn view<'a>(object: &Object, at: FieldAt, id: RecordId, record: &'a Record) -> View<'a> {
    record.view(id, object.field(at).place)
}
