//! From the JSON of a request to the cells of a record.

use model::{Number, Value};

use crate::cell::{Cell, Text, ten, units_of};
use crate::errors::Refusal;
use crate::id::RecordId;
use crate::schema::{Field, FieldAt, Kind, Object};
use crate::store::Store;
use crate::time;

/// What the cells are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Create,
    Update,
}

/// Whether a refusal is about the request as such, so that a collection with such a record is refused as a whole.
pub(crate) fn spoils_request(refusal: &Refusal) -> bool {
    matches!(refusal.code, "INVALID_FIELD" | "JSON_PARSER_ERROR")
}

/// The cells that a record's members stand for. Members named in `skip` are left out.
pub(crate) fn decode(
    store: &Store,
    object: &Object,
    members: &model::Object,
    purpose: Purpose,
    skip: &[&str],
) -> Result<Vec<(FieldAt, Cell)>, Refusal> {
    let mut values = Vec::with_capacity(members.len());
    for (name, value) in members {
        if &**name == "attributes" || skip.iter().any(|skipped| skipped.eq_ignore_ascii_case(name)) {
            continue;
        }
        let Some(at) = object.field_at(name) else {
            if let (Value::Object(parent), Some((at, reference))) = (value, object.parent(name)) {
                let to = store.schema.object(reference.to);
                values.push((at, Cell::Ref(parent_by_key(store, to, parent)?)));
                continue;
            }
            let message = format!("No such column '{name}' on sobject of type {}", object.name);
            return Err(Refusal::new("INVALID_FIELD", message));
        };
        let field = object.field(at);
        if field.kind == Kind::Id {
            let message = "The Id field should not be specified in the sobject data.";
            return Err(Refusal::new("INVALID_FIELD", message));
        }
        let writable = match purpose {
            Purpose::Create => field.createable,
            Purpose::Update => field.updateable,
        };
        if !writable {
            return Err(not_writable(field));
        }
        values.push((at, cell(field, value)?));
    }
    Ok(values)
}

/// The vendor's refusal of a field that only it writes.
pub(crate) fn not_writable(field: &Field) -> Refusal {
    let message = format!(
        "Unable to create/update fields: {}. Please check the security settings of this field and verify that it is read/write for your profile or permission set.",
        field.name
    );
    Refusal::on("INVALID_FIELD_FOR_INSERT_UPDATE", &field.name, message)
}

/// `{"Interlock_Key__c": "K-1"}` in the place of an id.
fn parent_by_key(store: &Store, to: &Object, members: &model::Object) -> Result<RecordId, Refusal> {
    let mut keys = members.iter().filter(|(name, _)| &***name != "attributes");
    let found = keys.next().and_then(|(name, value)| Some((to.find(name)?, value)));
    let Some((field, value)) = found.filter(|(field, _)| field.is_key()) else {
        let message =
            format!("The external foreign key reference does not reference a valid external ID on {}", to.name);
        return Err(Refusal::new("INVALID_FIELD", message));
    };
    let text = match value {
        Value::String(text) => text.to_string(),
        other => other.to_string(),
    };
    parent_with_key(store, to, field, &text)
}

/// The one record that has this value in a field that identifies it.
pub(crate) fn parent_with_key(store: &Store, to: &Object, field: &Field, text: &str) -> Result<RecordId, Refusal> {
    match by_key(store, to, field, text).as_slice() {
        [id] => Ok(*id),
        [] => {
            let message =
                format!("Foreign key external ID: {text} not found for field {} in entity {}", field.name, to.name);
            Err(Refusal::new("INVALID_FIELD", message))
        }
        _ => Err(Refusal::new(
            "DUPLICATE_EXTERNAL_ID",
            format!("{}: more than one record found for external id", field.name),
        )),
    }
}

/// Records that are not deleted and have this external id (or this id).
pub(crate) fn by_key(store: &Store, object: &Object, field: &Field, text: &str) -> Vec<RecordId> {
    if field.kind == Kind::Id {
        let id = RecordId::parse(text).filter(|id| id.prefix() == object.prefix);
        let lives = |id: &RecordId| store.get(*id).is_some_and(|(_, record)| !record.deleted);
        return id.into_iter().filter(lives).collect();
    }
    let Some(index) = field.text_index else { return Vec::new() };
    store.with_text(object, index, text).into_iter().map(|serial| store.id(object.at, serial)).collect()
}

fn misfit(field: &Field, value: &Value) -> Refusal {
    let kind = match value {
        Value::String(_) => "VALUE_STRING",
        Value::Number(Number::Integer(_)) => "VALUE_NUMBER_INT",
        Value::Number(_) => "VALUE_NUMBER_FLOAT",
        Value::Bool(true) => "VALUE_TRUE",
        Value::Bool(false) => "VALUE_FALSE",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) => "START_OBJECT",
        Value::Null => "VALUE_NULL",
    };
    let shown = if matches!(value, Value::Array(_) | Value::Object(_)) {
        String::new()
    } else {
        format!(" value {}", shown(value))
    };
    let message = format!(
        "Cannot deserialize instance of {} from {kind}{shown} or request may be missing a required field at [line:1, column:1]",
        field.type_name()
    );
    Refusal::new("JSON_PARSER_ERROR", message)
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.chars().take(200).collect(),
        other => other.to_string(),
    }
}

/// One value. An empty text is nothing.
pub(crate) fn cell(field: &Field, value: &Value) -> Result<Cell, Refusal> {
    if value.is_null() {
        // A checkbox is never empty.
        return Ok(if field.kind == Kind::Boolean { Cell::Bool(false) } else { Cell::Null });
    }
    match field.kind {
        Kind::Boolean => match value {
            Value::Bool(truth) => Ok(Cell::Bool(*truth)),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Cell::Bool(true)),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Cell::Bool(false)),
            Value::Number(_) => {
                let message = format!("{}: value not of required type: {}", field.label, shown(value));
                Err(Refusal::on("INVALID_TYPE_ON_FIELD_IN_RECORD", &field.name, message))
            }
            _ => Err(misfit(field, value)),
        },
        Kind::Int | Kind::Number | Kind::Currency | Kind::Percent => number(field, value),
        Kind::Date => {
            let text = value.as_str().ok_or_else(|| misfit(field, value))?;
            let days = time::parse_date(text).or_else(|| Some(time::parse_instant(text)?.div_euclid(time::DAY)));
            days.map(Cell::Number).ok_or_else(|| misfit(field, value))
        }
        Kind::DateTime => {
            let text = value.as_str().ok_or_else(|| misfit(field, value))?;
            let millis = time::parse_instant(text).or_else(|| Some(time::parse_date(text)? * time::DAY));
            millis.map(|millis| Cell::Number(millis.div_euclid(1000) * 1000)).ok_or_else(|| misfit(field, value))
        }
        Kind::Reference | Kind::Id => {
            let text = value.as_str().ok_or_else(|| misfit(field, value))?;
            if text.is_empty() {
                return Ok(Cell::Null);
            }
            RecordId::parse(text).map(Cell::Ref).ok_or_else(|| {
                let message = format!("{}: id value of incorrect type: {}", field.label, shown(value));
                Refusal::on("MALFORMED_ID", &field.name, message)
            })
        }
        Kind::Address => Err(not_writable(field)),
        _ => text(field, value),
    }
}

fn number(field: &Field, value: &Value) -> Result<Cell, Refusal> {
    let number = match value {
        Value::Number(number) => *number,
        Value::String(text) if text.is_empty() => return Ok(Cell::Null),
        Value::String(text) => match text.parse() {
            Ok(decimal) => Number::Decimal(decimal),
            Err(_) => return Err(misfit(field, value)),
        },
        _ => return Err(misfit(field, value)),
    };
    if field.kind == Kind::Int && number.to_i64().is_none() {
        return Err(misfit(field, value));
    }
    let units = units_of(number, field.scale);
    match units.filter(|units| i128::from(*units).abs() < ten(field.precision)) {
        Some(units) => Ok(Cell::Number(units)),
        None => {
            let message = format!("{}: value outside of valid range on numeric field: {number}", field.label);
            Err(Refusal::on("NUMBER_OUTSIDE_VALID_RANGE", &field.name, message))
        }
    }
}

fn text(field: &Field, value: &Value) -> Result<Cell, Refusal> {
    let text = value.as_str().ok_or_else(|| misfit(field, value))?;
    if text.is_empty() {
        return Ok(Cell::Null);
    }
    // Most texts are shorter than their bytes could ever be too many.
    if text.len() > field.length as usize && text.chars().count() > field.length as usize {
        let excerpt: String = text.chars().take(255).collect();
        let message = format!("{}: data value too large: {excerpt} (max length={})", field.label, field.length);
        return Err(Refusal::on("STRING_TOO_LONG", &field.name, message));
    }
    if field.kind == Kind::Email && !is_email(text) {
        let message = format!("{}: invalid email address: {text}", field.label);
        return Err(Refusal::on("INVALID_EMAIL_ADDRESS", &field.name, message));
    }
    if matches!(field.kind, Kind::Picklist | Kind::MultiPicklist) {
        if field.kind == Kind::Picklist
            && let Some(known) = field.values.iter().find(|known| known.as_str() == text)
        {
            return Ok(Cell::Text(known.clone()));
        }
        let unknown = |part: &str| !field.values.iter().any(|known| known.as_str() == part);
        if field.restricted && text.split(';').any(unknown) {
            let message = format!("bad value for restricted picklist field: {text}");
            return Err(Refusal::on("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", &field.name, message));
        }
    }
    Ok(Cell::Text(Text::from(text)))
}

fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty() && host.contains('.') && !host.starts_with('.') && !host.ends_with('.') && !text.contains(' ')
    })
}

/// The names that a list like `fields=Id,Name` gives, as fields.
pub(crate) fn named_fields(object: &Object, list: &str) -> Result<Vec<FieldAt>, Refusal> {
    let mut fields: Vec<FieldAt> = Vec::new();
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let at = object.field_at(name).ok_or_else(|| {
            Refusal::new("INVALID_FIELD", format!("No such column '{name}' on sobject of type {}", object.name))
        })?;
        if !fields.contains(&at) {
            fields.push(at);
        }
    }
    Ok(fields)
}

/// Sets a field by its name where the list does not have it yet.
pub(crate) fn with_key(mut values: Vec<(FieldAt, Cell)>, at: FieldAt, key: Cell) -> Vec<(FieldAt, Cell)> {
    values.retain(|(other, _)| *other != at);
    values.push((at, key));
    values
}
