//! All records of the org, in memory, with their indexes.

mod bin;
mod derive;
mod index;
mod price_book;
mod writer;

use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::cell::{Cell, Text, View};
use crate::duplicates::Rule;
use crate::id::RecordId;
use crate::schema::{Field, FieldAt, Object, ObjectAt, Place, Schema};
pub(crate) use index::{RefIndex, TextIndex};
pub(crate) use writer::{Touched, Writer};

/// One record. Its id is its place in its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) created: i64,
    pub(crate) modified: i64,
    pub(crate) created_by: RecordId,
    pub(crate) modified_by: RecordId,
    pub(crate) deleted: bool,
    pub(crate) cells: Box<[Cell]>,
}

/// The records of one object.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// By serial number, from 1. A place is empty where a creation was rolled back.
    records: Vec<Option<Record>>,
    pub(crate) texts: Vec<TextIndex>,
    pub(crate) refs: Vec<RefIndex>,
    next_number: u64,
}

/// All records.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) schema: Arc<Schema>,
    tables: Vec<Table>,
    /// Texts that many records hold, such as descriptions of products.
    shared: HashSet<Text, RandomState>,
    /// What is taken for a duplicate.
    pub(crate) duplicate_rules: Vec<Rule>,
}

/// Most texts remembered for sharing, and how long they may be.
const SHARED_MAX: usize = 32_768;
const SHARED_LENGTH_MAX: usize = 80;

impl Record {
    pub(crate) fn cell(&self, field: &Field) -> Cell {
        match field.place {
            Place::Cell(at) => self.cells.get(usize::from(at)).cloned().unwrap_or_default(),
            Place::IsDeleted => Cell::Bool(self.deleted),
            Place::Created => Cell::Number(self.created),
            Place::CreatedBy => Cell::Ref(self.created_by),
            Place::Modified => Cell::Number(self.modified),
            Place::ModifiedBy => Cell::Ref(self.modified_by),
            Place::Id | Place::Compound => Cell::Null,
        }
    }

    pub(crate) fn set(&mut self, field: &Field, value: Cell) {
        if let Place::Cell(at) = field.place
            && let Some(cell) = self.cells.get_mut(usize::from(at))
        {
            *cell = value;
        }
    }

    /// The value of a field that has one of its own.
    pub(crate) fn view(&self, id: RecordId, place: Place) -> View<'_> {
        match place {
            Place::Cell(at) => self.cells.get(usize::from(at)).map_or(View::Null, Cell::view),
            Place::Id => View::Ref(id),
            Place::IsDeleted => View::Bool(self.deleted),
            Place::Created => View::Number(self.created),
            Place::CreatedBy => View::Ref(self.created_by),
            Place::Modified => View::Number(self.modified),
            Place::ModifiedBy => View::Ref(self.modified_by),
            Place::Compound => View::Null,
        }
    }
}

impl Table {
    pub(crate) fn get(&self, serial: u64) -> Option<&Record> {
        let at = usize::try_from(serial.checked_sub(1)?).ok()?;
        self.records.get(at)?.as_ref()
    }

    /// Serial numbers of all records, deleted ones too.
    pub(crate) fn serials(&self) -> impl Iterator<Item = u32> + '_ {
        let count = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
        (1..=count).filter(|serial| self.get(u64::from(*serial)).is_some())
    }
}

impl Store {
    pub(crate) fn new(schema: Arc<Schema>) -> Self {
        let table = |object: &Object| Table {
            texts: object.text_indexes.iter().map(|at| TextIndex::new(object.field(*at).case_sensitive)).collect(),
            refs: object.ref_indexes.iter().map(|_| RefIndex::default()).collect(),
            ..Table::default()
        };
        Self {
            tables: schema.objects.iter().map(table).collect(),
            schema,
            shared: HashSet::default(),
            duplicate_rules: Vec::new(),
        }
    }

    pub(crate) fn table(&self, object: ObjectAt) -> &Table {
        &self.tables[usize::from(object.0)]
    }

    /// The record with an id, deleted or not.
    pub(crate) fn get(&self, id: RecordId) -> Option<(&Object, &Record)> {
        let object = self.schema.of_id(id)?;
        Some((object, self.table(object.at).get(id.serial())?))
    }

    /// The id of the record with this serial number.
    pub(crate) fn id(&self, object: ObjectAt, serial: u32) -> RecordId {
        RecordId::new(self.schema.object(object).prefix, u64::from(serial))
    }

    /// Records whose indexed text field has this value, deleted ones left out.
    pub(crate) fn with_text(&self, object: &Object, index: u16, value: &str) -> Vec<u32> {
        let table = self.table(object.at);
        let found = table.texts.get(usize::from(index)).map_or(&[][..], |index| index.get(value));
        let lives = |serial: &u32| table.get(u64::from(*serial)).is_some_and(|record| !record.deleted);
        found.iter().copied().filter(lives).collect()
    }

    /// Records of an object that refer to this one through a field, in the order of their ids, deleted ones too.
    pub(crate) fn referring(&self, object: ObjectAt, field: FieldAt, to: RecordId) -> &[u32] {
        let index = self.schema.object(object).field(field).reference.as_ref().and_then(|reference| reference.index);
        let index = index.and_then(|index| self.table(object).refs.get(usize::from(index)));
        index.map_or(&[], |index| index.get(to))
    }

    /// Puts a record (or none) into a place and keeps the indexes right. Answers what was there.
    fn replace(&mut self, object: ObjectAt, serial: u32, new: Option<Record>) -> Option<Record> {
        let schema = Arc::clone(&self.schema);
        let object = schema.object(object);
        let table = &mut self.tables[usize::from(object.at.0)];
        let at = usize::try_from(serial).unwrap_or(usize::MAX).saturating_sub(1);
        if table.records.len() <= at {
            table.records.resize_with(at + 1, || None);
        }
        let old = std::mem::replace(&mut table.records[at], new);
        let new = table.records[at].as_ref();
        for (number, field) in object.text_indexes.iter().enumerate() {
            let Place::Cell(place) = object.field(*field).place else { continue };
            let text = |record: Option<&Record>| {
                record.and_then(|record| record.cells[usize::from(place)].as_str().map(str::to_owned))
            };
            if let (Some(before), Some(after)) = (&old, new)
                && before.cells[usize::from(place)] == after.cells[usize::from(place)]
            {
                continue;
            }
            table.texts[number].change(text(old.as_ref()).as_deref(), text(new).as_deref(), serial);
        }
        for (number, field) in object.ref_indexes.iter().enumerate() {
            let Place::Cell(place) = object.field(*field).place else { continue };
            let id = |record: Option<&Record>| record.and_then(|record| record.cells[usize::from(place)].as_ref());
            table.refs[number].change(id(old.as_ref()), id(new), serial);
        }
        old
    }

    /// The same text as other records hold, where it is one that may repeat.
    fn shared(&mut self, field: &Field, value: Cell) -> Cell {
        let Cell::Text(text) = &value else { return value };
        if field.text_index.is_some() || text.as_str().len() > SHARED_LENGTH_MAX {
            return value;
        }
        if let Some(known) = self.shared.get(text) {
            return Cell::Text(known.clone());
        }
        if self.shared.len() < SHARED_MAX {
            self.shared.insert(text.clone());
        }
        value
    }

    /// Puts in a record that the org has from its beginning; it is its own creator when nobody else is.
    pub(crate) fn plant(
        &mut self,
        object: ObjectAt,
        by: Option<RecordId>,
        now: i64,
        values: &[(&str, Cell)],
    ) -> RecordId {
        let schema = Arc::clone(&self.schema);
        let object = schema.object(object);
        let serial = self.next_serial(object.at);
        let id = self.id(object.at, serial);
        let by = by.unwrap_or(id);
        let cells = vec![Cell::Null; object.cells].into_boxed_slice();
        let mut record = Record { created: now, modified: now, created_by: by, modified_by: by, deleted: false, cells };
        for field in &object.fields {
            record.set(field, field.default.clone());
        }
        for (name, value) in values {
            if let Some(field) = object.find(name) {
                record.set(field, value.clone());
            }
        }
        derive::derive(self, object, None, &mut record);
        self.replace(object.at, serial, Some(record));
        id
    }

    /// Takes a deleted record out of the recycle bin, for good and without a trace in events.
    pub(crate) fn purge(&mut self, id: RecordId) {
        let Some((object, record)) = self.get(id) else { return };
        if record.deleted {
            let (at, serial) = (object.at, u32::try_from(id.serial()).unwrap_or(u32::MAX));
            self.replace(at, serial, None);
        }
    }

    /// The serial number of the next record.
    fn next_serial(&self, object: ObjectAt) -> u32 {
        u32::try_from(self.table(object).records.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    fn next_number(&mut self, object: ObjectAt) -> u64 {
        let table = &mut self.tables[usize::from(object.0)];
        table.next_number += 1;
        table.next_number
    }
}
