//! Change events: from a decoded event to a [`Change`]. Pure.
//!
//! A change event carries every field of its schema, unset ones as null; only the bitmaps in its header tell a field that
//! became empty from one that did not change. `0x…` is a bitmap over the fields of the schema, its lowest bit for the first;
//! `3-0x…` is one over the fields of the compound field at place 3 (an address, a person's name).

use std::sync::Arc;

use connect::{Change, ChangeKind};
use jiff::Timestamp;
use model::Value;

use crate::avro::{AvroError, Field, Shape};

/// The member of a change event that says what happened.
const HEADER: &str = "ChangeEventHeader";

/// Where a field stands: its place in the schema, then its place in the compound field there.
type Place = Vec<usize>;

/// Turns a decoded event into a change. Events without a change header (platform events) become records that were created
/// with `event_id` for an id.
pub(crate) fn change(shape: &Shape, schema_name: &str, event: Value, event_id: &str, client_name: &str) -> Change {
    let header = event.get(HEADER).clone();
    if header.is_null() {
        return platform_event(schema_name, event, event_id);
    }
    let kind = kind(&header);
    let at = instant(header.get("commitTimestamp"));
    let record: Arc<str> = header.get("entityName").as_str().unwrap_or_else(|| entity_of(schema_name)).into();
    let ids: Vec<Arc<str>> =
        header.get("recordIds").items().iter().filter_map(|id| id.as_str().map(Arc::from)).collect();
    let origin = header.get("changeOrigin").as_str().unwrap_or_default();
    let ours = origin.split(';').any(|part| part.trim().strip_prefix("client=") == Some(client_name));
    let mut change = Change { record, ids, kind, changed: Vec::new(), values: Value::Null, at, ours };
    // A wildcard (`001*`) stands for records that nobody names.
    let is_wildcard = change.ids.iter().any(|id| id.ends_with('*'));
    if is_wildcard || change.ids.is_empty() {
        change.kind = ChangeKind::Overflow;
    }
    match change.kind {
        ChangeKind::Overflow => change.ids.clear(),
        ChangeKind::Updated => match changed_fields(shape, &header, &event) {
            Ok((changed, values)) => (change.changed, change.values) = (changed, values),
            // What changed is not told in a way that is understood: re-reading the record finds out.
            Err(_) => change.kind = ChangeKind::Unknown,
        },
        ChangeKind::Created | ChangeKind::Undeleted => change.values = set_fields(event),
        ChangeKind::Deleted | ChangeKind::Unknown => {}
    }
    change
}

fn kind(header: &Value) -> ChangeKind {
    match header.get("changeType").as_str() {
        Some("CREATE") => ChangeKind::Created,
        Some("UPDATE") => ChangeKind::Updated,
        Some("DELETE") => ChangeKind::Deleted,
        Some("UNDELETE") => ChangeKind::Undeleted,
        Some("GAP_OVERFLOW") => ChangeKind::Overflow,
        // Gaps carry no fields; kinds to come are treated like them.
        _ => ChangeKind::Unknown,
    }
}

fn platform_event(schema_name: &str, event: Value, event_id: &str) -> Change {
    let at = instant(event.get("CreatedDate"));
    let (record, ids) = (schema_name.into(), vec![event_id.into()]);
    Change { record, ids, kind: ChangeKind::Created, changed: Vec::new(), values: event, at, ours: false }
}

fn instant(value: &Value) -> Timestamp {
    let from_text = || value.as_str()?.parse().ok();
    let from_number = || Timestamp::from_millisecond(value.as_i64()?).ok();
    from_number().or_else(from_text).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The kind of record whose changes a schema or topic is for: `QuoteChangeEvent` → `Quote`, `Part__ChangeEvent` → `Part__c`.
pub(crate) fn entity_of(schema_or_topic: &str) -> &str {
    let name = schema_or_topic.rsplit('/').next().unwrap_or(schema_or_topic);
    name.strip_suffix("ChangeEvent").unwrap_or(name)
}

/// [`entity_of`] with the suffix that custom kinds of records have.
pub(crate) fn record_of_topic(topic: &str) -> Arc<str> {
    let entity = entity_of(topic);
    if entity.ends_with("__") { format!("{entity}c").into() } else { entity.into() }
}

/// Names and new values of the fields that changed, those that became empty with null.
fn changed_fields(shape: &Shape, header: &Value, event: &Value) -> Result<(Vec<Arc<str>>, Value), AvroError> {
    let fields = shape.fields().ok_or_else(|| AvroError("it is no record".to_owned()))?;
    let mut places = places(header.get("changedFields"), fields)?;
    let nulled = places_of_nulled(header, fields)?;
    for place in &nulled {
        if !places.contains(place) {
            places.push(place.clone());
        }
    }
    let (mut changed, mut values) = (Vec::with_capacity(places.len()), Value::empty_object());
    for place in &places {
        let names = names_at(fields, place)?;
        let value = names.iter().fold(event, |value, name| value.get(name));
        let value = if nulled.contains(place) { Value::Null } else { value.clone() };
        match names.as_slice() {
            [name] => {
                values.set(Arc::clone(name), value);
                changed.push(Arc::clone(name));
            }
            names => {
                let dotted = names.join(".");
                if let Ok(path) = dotted.parse::<model::Path>() {
                    path.set(&mut values, value);
                }
                changed.push(dotted.into());
            }
        }
    }
    Ok((changed, values))
}

fn places_of_nulled(header: &Value, fields: &[Field]) -> Result<Vec<Place>, AvroError> {
    places(header.get("nulledFields"), fields)
}

/// All fields that carry a value, without the header.
fn set_fields(mut event: Value) -> Value {
    if let Value::Object(members) = &mut event {
        Arc::make_mut(members).retain(|name, value| &**name != HEADER && !value.is_null());
    }
    event
}

/// The places that a list of bitmaps marks.
pub(crate) fn places(bitmaps: &Value, fields: &[Field]) -> Result<Vec<Place>, AvroError> {
    let mut found = Vec::new();
    for bitmap in bitmaps.items() {
        let text = bitmap.as_str().unwrap_or_default();
        let mut parts = text.split('-');
        let (Some(bits), outer) = (parts.next_back(), parts) else { continue };
        let (mut outer_place, mut inner) = (Place::new(), fields);
        for part in outer {
            let place: usize = part.parse().map_err(|_| AvroError(format!("`{text}` is no bitmap")))?;
            let compound = inner.get(place).and_then(|field| field.shape.fields());
            inner = compound.ok_or_else(|| AvroError(format!("`{text}` marks parts of a field that has none")))?;
            outer_place.push(place);
        }
        for place in marked(bits).ok_or_else(|| AvroError(format!("`{text}` is no bitmap")))? {
            if place >= inner.len() {
                return Err(AvroError(format!("`{text}` marks a field that the schema does not have")));
            }
            found.push(outer_place.iter().copied().chain([place]).collect());
        }
    }
    Ok(found)
}

/// The positions of the set bits of `0x…`, lowest first; `None` when it is no such text.
pub(crate) fn marked(bitmap: &str) -> Option<Vec<usize>> {
    let digits = bitmap.strip_prefix("0x").or_else(|| bitmap.strip_prefix("0X"))?;
    let mut marked = Vec::new();
    for (index, digit) in digits.bytes().rev().enumerate() {
        let bits = char::from(digit).to_digit(16)?;
        marked.extend((0..4).filter(|bit| bits >> bit & 1 == 1).map(|bit| index * 4 + bit));
    }
    (!digits.is_empty()).then_some(marked)
}

fn names_at(fields: &[Field], place: &Place) -> Result<Vec<Arc<str>>, AvroError> {
    let missing = || AvroError("a bitmap marks a field that the schema does not have".to_owned());
    let (mut names, mut inner) = (Vec::with_capacity(place.len()), Some(fields));
    for index in place {
        let field = inner.and_then(|fields| fields.get(*index)).ok_or_else(missing)?;
        names.push(Arc::clone(&field.name));
        inner = field.shape.fields();
    }
    Ok(names)
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
