//! From what a transaction did to the events that tell of it.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::avro;
use super::shape::{Shape, Source, view, write_optional_view};
use crate::cell::View;
use crate::id::RecordId;
use crate::schema::{Object, ObjectAt};
use crate::store::{Record, Store, Touched};

/// Changes in one transaction beyond which only the kinds of records are named.
const OVERFLOW: usize = 100_000;

/// What happened to a record, in the order of the schema's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ChangeType {
    Create,
    Update,
    Delete,
    Undelete,
    Overflow,
}

/// An event without the parts of its header that the commit gives it.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) object: ObjectAt,
    change: ChangeType,
    records: Vec<RecordId>,
    changed: Vec<String>,
    nulled: Vec<String>,
    body: Vec<u8>,
}

/// What all events of a transaction have in common.
#[derive(Debug)]
pub(crate) struct Commit<'a> {
    pub(crate) origin: &'a str,
    pub(crate) key: &'a str,
    pub(crate) at: i64,
    pub(crate) number: u64,
    pub(crate) user: RecordId,
}

/// The events of a transaction. Records of one kind to which the same happened share one.
pub(crate) fn drafts(store: &Store, touched: &Touched, shapes: &[Option<Shape>]) -> Vec<Draft> {
    let mut drafts: Vec<Draft> = Vec::with_capacity(touched.len());
    let mut same: HashMap<(ObjectAt, ChangeType, Vec<u8>), usize, RandomState> = HashMap::default();
    let mut overflown: Vec<ObjectAt> = Vec::new();
    for (number, ((at, serial), before)) in touched.iter().enumerate() {
        let Some(shape) = shapes.get(usize::from(at.0)).and_then(Option::as_ref) else { continue };
        let object = store.schema.object(*at);
        let id = store.id(*at, *serial);
        let after = store.table(*at).get(u64::from(*serial));
        let Some(draft) = draft(object, shape, id, before.as_ref(), after) else { continue };
        if number >= OVERFLOW {
            if !overflown.contains(at) {
                overflown.push(*at);
            }
            continue;
        }
        if touched.len() > 1 {
            let key = (*at, draft.change, same_body(&draft));
            if let Some(first) = same.get(&key) {
                drafts[*first].records.push(id);
                continue;
            }
            same.insert(key, drafts.len());
        }
        drafts.push(draft);
    }
    drafts.extend(overflown.into_iter().map(|object| Draft {
        object,
        change: ChangeType::Overflow,
        records: Vec::new(),
        changed: Vec::new(),
        nulled: Vec::new(),
        body: shapes[usize::from(object.0)].as_ref().map_or_else(Vec::new, |shape| vec![0; shape.fields.len()]),
    }));
    drafts
}

/// Equal values are not enough for an update: which fields became empty counts as well.
fn same_body(draft: &Draft) -> Vec<u8> {
    let mut bytes = draft.body.clone();
    for bitmap in draft.changed.iter().chain(&draft.nulled) {
        bytes.extend_from_slice(bitmap.as_bytes());
    }
    bytes
}

fn draft(
    object: &Object,
    shape: &Shape,
    id: RecordId,
    before: Option<&Record>,
    after: Option<&Record>,
) -> Option<Draft> {
    let change = match (before, after) {
        (_, None) => return None,
        (None, Some(after)) if after.deleted => return None,
        (None, Some(_)) => ChangeType::Create,
        (Some(before), Some(after)) => match (before.deleted, after.deleted) {
            (false, true) => ChangeType::Delete,
            (true, false) => ChangeType::Undelete,
            (true, true) => return None,
            (false, false) if before == after => return None,
            (false, false) => ChangeType::Update,
        },
    };
    let mut draft = Draft {
        object: object.at,
        change,
        records: vec![id],
        changed: Vec::new(),
        nulled: Vec::new(),
        body: Vec::with_capacity(shape.fields.len() + 64),
    };
    match (change, before, after) {
        (ChangeType::Update, Some(before), Some(after)) => update(object, shape, id, before, after, &mut draft),
        (ChangeType::Create | ChangeType::Undelete, _, Some(after)) => {
            for source in &shape.fields {
                write_source(object, source, id, after, |_| true, &mut draft.body);
            }
        }
        _ => draft.body.resize(shape.fields.len(), 0),
    }
    Some(draft)
}

/// Appends one field; of a compound those parts that `wanted` takes.
fn write_source(
    object: &Object,
    source: &Source,
    id: RecordId,
    record: &Record,
    wanted: impl Fn(usize) -> bool,
    body: &mut Vec<u8>,
) {
    match source {
        Source::One(at) | Source::Switchable(at) => {
            write_optional_view(object.field(*at), view(object, *at, id, record), body);
        }
        Source::Compound(parts) => {
            let value = |index: usize| {
                if wanted(index) { view(object, parts[index], id, record) } else { View::Null }
            };
            if (0..parts.len()).all(|index| value(index) == View::Null) {
                body.push(0);
                return;
            }
            body.push(2);
            for (index, part) in parts.iter().enumerate() {
                write_optional_view(object.field(*part), value(index), body);
            }
        }
    }
}

fn update(object: &Object, shape: &Shape, id: RecordId, before: &Record, after: &Record, draft: &mut Draft) {
    let (mut changed, mut nulled) = (Bitmap::default(), Bitmap::default());
    let (mut nested_changed, mut nested_nulled) = (Vec::new(), Vec::new());
    for (index, source) in shape.fields.iter().enumerate() {
        // The header is the first field of the schema.
        let place = index + 1;
        match source {
            Source::One(at) | Source::Switchable(at) => {
                let value = view(object, *at, id, after);
                // The vendor names the time of the change in every update.
                if value == view(object, *at, id, before) && &*object.field(*at).name != "LastModifiedDate" {
                    draft.body.push(0);
                    continue;
                }
                changed.set(place);
                if value == View::Null {
                    nulled.set(place);
                }
                write_optional_view(object.field(*at), value, &mut draft.body);
            }
            Source::Compound(parts) => {
                let (mut inner, mut inner_nulled) = (Bitmap::default(), Bitmap::default());
                for (part, at) in parts.iter().enumerate() {
                    let value = view(object, *at, id, after);
                    if value != view(object, *at, id, before) {
                        inner.set(part);
                        if value == View::Null {
                            inner_nulled.set(part);
                        }
                    }
                }
                write_source(object, source, id, after, |part| inner.has(part), &mut draft.body);
                nested_changed.extend(inner.text().map(|text| format!("{place}-{text}")));
                nested_nulled.extend(inner_nulled.text().map(|text| format!("{place}-{text}")));
            }
        }
    }
    draft.changed = changed.text().into_iter().chain(nested_changed).collect();
    draft.nulled = nulled.text().into_iter().chain(nested_nulled).collect();
}

impl Draft {
    /// The whole event: its header, and its body unless only that something changed is told.
    pub(crate) fn encode(
        &self,
        object: &Object,
        commit: &Commit<'_>,
        sequence: usize,
        gap: bool,
        fields: usize,
    ) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.body.len() + 200);
        avro::write_text(&object.name, &mut bytes);
        let mut ids: Vec<String> = self.records.iter().map(RecordId::to_string).collect();
        if self.change == ChangeType::Overflow {
            // The vendor's id of no record.
            ids.push("000000000000000AAA".to_owned());
        }
        avro::write_texts(ids.iter().map(String::as_str), &mut bytes);
        let word = match (self.change, gap) {
            (ChangeType::Create, false) => 0,
            (ChangeType::Update, false) => 1,
            (ChangeType::Delete, false) => 2,
            (ChangeType::Undelete, false) => 3,
            (ChangeType::Create, true) => 4,
            (ChangeType::Update, true) => 5,
            (ChangeType::Delete, true) => 6,
            (ChangeType::Undelete, true) => 7,
            (ChangeType::Overflow, _) => 8,
        };
        avro::write_long(word, &mut bytes);
        avro::write_text(commit.origin, &mut bytes);
        avro::write_text(commit.key, &mut bytes);
        avro::write_long(i64::try_from(sequence).unwrap_or(i64::MAX), &mut bytes);
        avro::write_long(commit.at, &mut bytes);
        avro::write_long(i64::try_from(commit.number).unwrap_or(i64::MAX), &mut bytes);
        avro::write_text(&commit.user.to_string(), &mut bytes);
        let bitmaps = |bitmaps: &'_ [String], bytes: &mut Vec<u8>| {
            avro::write_texts(bitmaps.iter().map(String::as_str).take(if gap { 0 } else { usize::MAX }), bytes);
        };
        bitmaps(&self.nulled, &mut bytes);
        bitmaps(&[], &mut bytes);
        bitmaps(&self.changed, &mut bytes);
        if gap {
            bytes.resize(bytes.len() + fields, 0);
        } else {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

/// Which fields, as the vendor writes it: `0x` and hexadecimal digits, the lowest bit for the first field.
#[derive(Default)]
struct Bitmap(Vec<u64>);

impl Bitmap {
    fn set(&mut self, bit: usize) {
        let word = bit / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (bit % 64);
    }

    fn has(&self, bit: usize) -> bool {
        self.0.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// `None` when no bit is set.
    fn text(&self) -> Option<String> {
        use std::fmt::Write as _;
        let mut words = self.0.iter().rev().skip_while(|word| **word == 0);
        let mut text = format!("0x{:X}", words.next()?);
        if text.len() % 2 == 1 {
            // Whole bytes.
            text.insert(2, '0');
        }
        for word in words {
            // Writing to a String cannot fail.
            let _ = write!(text, "{word:016X}");
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitmaps_are_hexadecimal_with_the_first_field_lowest() {
        let mut bitmap = Bitmap::default();
        assert_eq!(bitmap.text(), None);
        bitmap.set(1);
        bitmap.set(2);
        assert_eq!(bitmap.text().as_deref(), Some("0x06"));
        bitmap.set(64);
        assert_eq!(bitmap.text().as_deref(), Some("0x010000000000000006"));
        assert!(bitmap.has(64) && !bitmap.has(65));
    }
}
