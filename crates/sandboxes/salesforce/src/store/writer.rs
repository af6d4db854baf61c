//! Changing records: what one transaction does, with the vendor's checks, and taking it back.

use std::sync::Arc;

use indexmap::IndexMap;
use sandbox::faults::Faults;

use super::derive::derive;
use super::{Record, Store, price_book};
use crate::cell::Cell;
use crate::duplicates::{self, DuplicateHeader};
use crate::errors::Refusal;
use crate::id::RecordId;
use crate::schema::{Field, FieldAt, Kind, Object, ObjectAt, OnDelete, Schema};

/// What records were before the transaction, in the order they were first changed.
pub(crate) type Touched = IndexMap<(ObjectAt, u32), Option<Record>, foldhash::fast::RandomState>;

/// Most records that one delete may take along.
const CASCADE_MAX: usize = 10_000;

/// One transaction. It holds the store for itself; dropping it keeps what was done.
pub(crate) struct Writer<'a> {
    pub(crate) store: &'a mut Store,
    pub(crate) touched: Touched,
    pub(crate) user: RecordId,
    /// Milliseconds since 1970.
    pub(crate) now: i64,
    /// What the request says of duplicates.
    pub(crate) duplicates: DuplicateHeader,
    faults: &'a Faults,
}

impl<'a> Writer<'a> {
    pub(crate) fn begin(store: &'a mut Store, user: RecordId, now: i64, faults: &'a Faults) -> Self {
        Self { store, touched: Touched::default(), user, now, duplicates: DuplicateHeader::default(), faults }
    }

    pub(crate) fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.store.schema)
    }

    /// The vendor keeps times of records in whole seconds.
    fn stamp(&self) -> i64 {
        self.now.div_euclid(1000) * 1000
    }

    /// Who changed it last, and when.
    pub(super) fn stamp_record(&self, record: &mut Record) {
        record.modified = self.stamp();
        record.modified_by = self.user;
    }

    /// A row that somebody else holds: nothing changes.
    fn lock(&self, what: &str) -> Result<(), Refusal> {
        if self.faults.strikes("row_lock") {
            let message = format!("unable to obtain exclusive access to this record or 1 records: {what}");
            return Err(Refusal::new("UNABLE_TO_LOCK_ROW", message));
        }
        Ok(())
    }

    pub(crate) fn create(&mut self, object: ObjectAt, values: Vec<(FieldAt, Cell)>) -> Result<RecordId, Refusal> {
        let schema = self.schema();
        let object = schema.object(object);
        if object.read_only || object.event {
            let message = format!("entity type {} does not support create", object.name);
            return Err(Refusal::new("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message));
        }
        let stamp = self.stamp();
        let mut cells = vec![Cell::Null; object.cells].into_boxed_slice();
        let mut record = Record {
            created: stamp,
            modified: stamp,
            created_by: self.user,
            modified_by: self.user,
            deleted: false,
            cells: std::mem::take(&mut cells),
        };
        for field in &object.fields {
            if field.default != Cell::Null {
                record.set(field, field.default.clone());
            } else if &*field.name == "OwnerId" {
                record.set(field, Cell::Ref(self.user));
            }
        }
        for (at, value) in &values {
            let field = object.field(*at);
            record.set(field, self.store.shared(field, value.clone()));
        }
        let missing: Vec<Arc<str>> = object
            .fields
            .iter()
            .filter(|field| field.required && record.cell(field) == Cell::Null)
            .map(|field| Arc::clone(&field.name))
            .collect();
        if !missing.is_empty() {
            let message = format!("Required fields are missing: [{}]", missing.join(", "));
            return Err(Refusal { fields: missing, ..Refusal::new("REQUIRED_FIELD_MISSING", message) });
        }
        let serial = self.store.next_serial(object.at);
        self.check(object, serial, &record, values.iter().map(|(at, _)| *at))?;
        price_book::check(self.store, object, &record)?;
        duplicates::check(self.store, object, serial, &record, |_| true, &self.duplicates)?;
        self.lock(&self.contended(object, &record, serial))?;
        if object.fields.iter().any(|field| field.kind == Kind::AutoNumber) {
            let number = self.store.next_number(object.at);
            for field in &object.fields {
                if let Some(auto) = &field.auto_number {
                    let digits = auto.digits;
                    record.set(field, Cell::text(&format!("{}{number:0digits$}{}", auto.before, auto.after)));
                }
            }
        }
        derive(self.store, object, None, &mut record);
        self.put(object, serial, record, 0);
        Ok(self.store.id(object.at, serial))
    }

    pub(crate) fn update(&mut self, id: RecordId, values: Vec<(FieldAt, Cell)>) -> Result<(), Refusal> {
        let schema = self.schema();
        let (object, old) = match self.store.get(id) {
            Some((object, record)) if !record.deleted => (schema.object(object.at), record),
            Some(_) => return Err(Refusal::new("ENTITY_IS_DELETED", "entity is deleted")),
            None => return Err(Refusal::new("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")),
        };
        if object.read_only {
            let message = format!("entity type {} does not support update", object.name);
            return Err(Refusal::new("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message));
        }
        let mut record = old.clone();
        let mut missing = Vec::new();
        let mut changed = Vec::with_capacity(values.len());
        for (at, value) in values {
            let field = object.field(at);
            if field.required && value == Cell::Null {
                missing.push(Arc::clone(&field.name));
            }
            if record.cell(field) != value {
                record.set(field, value);
                changed.push(at);
            }
        }
        if !missing.is_empty() {
            let message = format!("Required fields are missing: [{}]", missing.join(", "));
            return Err(Refusal { fields: missing, ..Refusal::new("REQUIRED_FIELD_MISSING", message) });
        }
        let serial = serial_of(id);
        self.check(object, serial, &record, changed.iter().copied())?;
        duplicates::check(self.store, object, serial, &record, |at| changed.contains(&at), &self.duplicates)?;
        self.lock(&id.to_string())?;
        record.modified = self.stamp();
        record.modified_by = self.user;
        let old = self.store.table(object.at).get(id.serial());
        derive(self.store, object, old, &mut record);
        self.put(object, serial, record, 0);
        Ok(())
    }

    pub(crate) fn delete(&mut self, id: RecordId) -> Result<(), Refusal> {
        let schema = self.schema();
        let object = match self.store.get(id) {
            Some((object, record)) if !record.deleted => schema.object(object.at),
            Some(_) => return Err(Refusal::new("ENTITY_IS_DELETED", "entity is deleted")),
            None => return Err(Refusal::new("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")),
        };
        if object.read_only {
            let message = format!("entity type {} does not support delete", object.name);
            return Err(Refusal::new("INSUFFICIENT_ACCESS_OR_READONLY", message));
        }
        self.lock(&id.to_string())?;
        let (mut doomed, mut cleared) = (vec![id], Vec::new());
        let mut next = 0;
        while let Some(id) = doomed.get(next).copied() {
            next += 1;
            self.gather_dependants(&schema, id, &mut doomed, &mut cleared)?;
        }
        for id in doomed.iter().rev() {
            let Some((object, record)) = self.store.get(*id) else { continue };
            let (object, mut record) = (schema.object(object.at), record.clone());
            record.deleted = true;
            record.modified = self.stamp();
            record.modified_by = self.user;
            self.put(object, serial_of(*id), record, 0);
        }
        for (child, field) in cleared {
            let Some((object, record)) = self.store.get(child).filter(|(_, record)| !record.deleted) else { continue };
            let (object, mut record) = (schema.object(object.at), record.clone());
            record.set(object.field(field), Cell::Null);
            record.modified = self.stamp();
            let old = self.store.table(object.at).get(child.serial());
            derive(self.store, object, old, &mut record);
            self.put(object, serial_of(child), record, 0);
        }
        Ok(())
    }

    fn gather_dependants(
        &self,
        schema: &Schema,
        id: RecordId,
        doomed: &mut Vec<RecordId>,
        cleared: &mut Vec<(RecordId, FieldAt)>,
    ) -> Result<(), Refusal> {
        let Some(object) = schema.of_id(id) else { return Ok(()) };
        for list in &object.children {
            for serial in self.store.referring(list.object, list.field, id) {
                let child = self.store.id(list.object, *serial);
                if self.store.get(child).is_none_or(|(_, record)| record.deleted) || doomed.contains(&child) {
                    continue;
                }
                match list.on_delete {
                    OnDelete::Cascade => doomed.push(child),
                    OnDelete::Clear => cleared.push((child, list.field)),
                    OnDelete::Restrict => {
                        let label = &schema.object(list.object).plural;
                        let message = format!(
                            "Your attempt to delete {id} could not be completed because it is associated with the following {}: {child}",
                            label.to_lowercase()
                        );
                        return Err(Refusal::new("DELETE_FAILED", message));
                    }
                }
                if doomed.len() + cleared.len() > CASCADE_MAX {
                    return Err(Refusal::new("DELETE_FAILED", "too many records depend on it"));
                }
            }
        }
        Ok(())
    }

    /// Takes everything back.
    pub(crate) fn roll_back(&mut self) {
        let touched = std::mem::take(&mut self.touched);
        for ((object, serial), before) in touched.into_iter().rev() {
            self.store.replace(object, serial, before);
        }
    }

    /// The record that the vendor would name in a lock error: of a child it is the parent.
    fn contended(&self, object: &Object, record: &Record, serial: u32) -> String {
        let parent = object.roll_ups.first().and_then(|roll_up| record.cell(object.field(roll_up.by)).as_ref());
        parent.unwrap_or_else(|| self.store.id(object.at, serial)).to_string()
    }

    /// What must hold for the fields that were given.
    fn check(
        &self,
        object: &Object,
        serial: u32,
        record: &Record,
        given: impl Iterator<Item = FieldAt> + Clone,
    ) -> Result<(), Refusal> {
        for at in given.clone() {
            let field = object.field(at);
            if let (Some(reference), Cell::Ref(id)) = (&field.reference, record.cell(field)) {
                self.check_reference(field, reference.to, id)?;
            }
            if field.unique
                && let (Some(index), Some(text)) = (field.text_index, record.cell(field).as_str())
                && let Some(other) = self.store.with_text(object, index, text).iter().find(|other| **other != serial)
            {
                let id = self.store.id(object.at, *other);
                let message = format!("duplicate value found: {} duplicates value on record with id: {id}", field.name);
                return Err(Refusal::new("DUPLICATE_VALUE", message));
            }
        }
        for agreement in &object.agreements {
            if !given.clone().any(|at| at == agreement.by || at == agreement.through) {
                continue;
            }
            let value = |by: FieldAt, at: FieldAt| {
                let id = record.cell(object.field(by)).as_ref()?;
                self.store.get(id).map(|(other, record)| record.cell(other.field(at)))
            };
            if let (Some(theirs), Some(ours)) =
                (value(agreement.by, agreement.theirs), value(agreement.through, agreement.ours))
                && theirs != ours
            {
                let field = &object.field(agreement.by).name;
                let message = format!(
                    "field integrity exception: {field} (pricebook entry is in a different pricebook than the one assigned to the {})",
                    object.field(agreement.through).name.trim_end_matches("Id")
                );
                return Err(Refusal::on("FIELD_INTEGRITY_EXCEPTION", field, message));
            }
        }
        Ok(())
    }

    fn check_reference(&self, field: &Field, to: ObjectAt, id: RecordId) -> Result<(), Refusal> {
        let wanted = self.store.schema.object(to);
        if id.prefix() != wanted.prefix {
            let message = format!("{}: id value of incorrect type: {id}", field.label);
            return Err(Refusal::on("MALFORMED_ID", &field.name, message));
        }
        match self.store.table(to).get(id.serial()) {
            Some(record) if !record.deleted => Ok(()),
            Some(_) => Err(Refusal::new("ENTITY_IS_DELETED", "entity is deleted")),
            None => Err(Refusal::on("INVALID_CROSS_REFERENCE_KEY", &field.name, "invalid cross reference id")),
        }
    }

    /// Stores a record, remembers what it was, and carries its amounts into the records that add them up.
    pub(super) fn put(&mut self, object: &Object, serial: u32, record: Record, depth: usize) {
        let schema = self.schema();
        let new = (!object.roll_ups.is_empty()).then(|| amounts(object, &record));
        let old = self.store.replace(object.at, serial, Some(record));
        let before = old.as_ref().filter(|_| new.is_some()).map_or_else(Vec::new, |old| amounts(object, old));
        self.touched.entry((object.at, serial)).or_insert(old);
        // Deeper than this only metadata with a circle of totals goes.
        if let Some(new) = new.filter(|_| depth < 8) {
            self.roll_up(&schema, object, &before, &new, depth);
        }
    }

    fn roll_up(&mut self, schema: &Schema, object: &Object, old: &[Amount], new: &[Amount], depth: usize) {
        if old == new {
            return;
        }
        let mut parents: Vec<RecordId> = old.iter().chain(new).map(|amount| amount.parent).collect();
        parents.sort_unstable();
        parents.dedup();
        for parent in parents {
            let Some((found, record)) = self.store.get(parent) else { continue };
            let (parent_object, mut record) = (schema.object(found.at), record.clone());
            for (number, roll_up) in object.roll_ups.iter().enumerate() {
                let sum = |amounts: &[Amount]| -> i64 {
                    let mine = |amount: &&Amount| amount.parent == parent && amount.roll_up == number;
                    amounts.iter().filter(mine).map(|amount| amount.units).sum()
                };
                let field = parent_object.field(roll_up.into);
                let total = record.cell(field).units().saturating_add(sum(new) - sum(old));
                record.set(field, Cell::Number(total));
            }
            record.modified = self.stamp();
            record.modified_by = self.user;
            let before = self.store.table(parent_object.at).get(parent.serial());
            derive(self.store, parent_object, before, &mut record);
            self.put(parent_object, serial_of(parent), record, depth + 1);
        }
    }
}

/// What a record adds to another.
#[derive(Debug, PartialEq, Eq)]
struct Amount {
    roll_up: usize,
    parent: RecordId,
    units: i64,
}

fn amounts(object: &Object, record: &Record) -> Vec<Amount> {
    if record.deleted {
        return Vec::new();
    }
    let amount = |(number, roll_up): (usize, &crate::schema::RollUp)| {
        let parent = record.cell(object.field(roll_up.by)).as_ref()?;
        let units = roll_up.of.map_or(1, |of| record.cell(object.field(of)).units());
        Some(Amount { roll_up: number, parent, units })
    };
    object.roll_ups.iter().enumerate().filter_map(amount).collect()
}

pub(super) fn serial_of(id: RecordId) -> u32 {
    u32::try_from(id.serial()).unwrap_or(u32::MAX)
}
