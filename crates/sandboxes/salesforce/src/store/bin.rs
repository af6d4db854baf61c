//! What people do in the vendor's screens and REST has no address for: taking records out of the recycle bin and merging them.

use super::writer::{Writer, serial_of};
use crate::cell::Cell;
use crate::errors::Refusal;
use crate::id::RecordId;

/// The vendor merges so many records into another one at once.
const LOSERS_MAX: usize = 2;
/// Where a merged record names the one that it was merged into.
const MASTER: &str = "MasterRecordId";

impl Writer<'_> {
    /// Takes a record out of the recycle bin.
    pub(crate) fn undelete(&mut self, id: RecordId) -> Result<(), Refusal> {
        let schema = self.schema();
        let (object, mut record) = match self.store.get(id) {
            Some((object, record)) if record.deleted => (schema.object(object.at), record.clone()),
            Some(_) => return Err(Refusal::new("UNDELETE_FAILED", "entity is not in the recycle bin")),
            None => return Err(Refusal::new("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")),
        };
        if let Some(master) = object.find(MASTER)
            && record.cell(master) != Cell::Null
        {
            return Err(Refusal::new("UNDELETE_FAILED", "the record was merged into another one"));
        }
        record.deleted = false;
        self.stamp_record(&mut record);
        self.put(object, serial_of(id), record, 0);
        Ok(())
    }

    /// Merges records into one: what belongs to them belongs to it then, and they go to the recycle bin.
    pub(crate) fn merge(&mut self, into: RecordId, losers: &[RecordId]) -> Result<(), Refusal> {
        let schema = self.schema();
        let object = match self.store.get(into) {
            Some((object, record)) if !record.deleted => schema.object(object.at),
            _ => return Err(Refusal::new("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")),
        };
        let Some(master) = object.find(MASTER) else {
            return Err(Refusal::new("INVALID_TYPE", format!("entity type {} cannot be merged", object.name)));
        };
        if losers.is_empty() || losers.len() > LOSERS_MAX || losers.contains(&into) {
            return Err(Refusal::new("INVALID_OPERATION", "one or two other records can be merged into a record"));
        }
        for loser in losers {
            let mut record = match self.store.get(*loser) {
                Some((other, record)) if !record.deleted && other.at == object.at => record.clone(),
                _ => return Err(Refusal::new("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")),
            };
            for list in &object.children {
                for serial in self.store.referring(list.object, list.field, *loser).to_vec() {
                    let child = self.store.id(list.object, serial);
                    let Some((_, record)) = self.store.get(child).filter(|(_, record)| !record.deleted) else {
                        continue;
                    };
                    let (kind, mut record) = (schema.object(list.object), record.clone());
                    record.set(kind.field(list.field), Cell::Ref(into));
                    self.stamp_record(&mut record);
                    self.put(kind, serial, record, 0);
                }
            }
            record.deleted = true;
            record.set(master, Cell::Ref(into));
            self.stamp_record(&mut record);
            self.put(object, serial_of(*loser), record, 0);
        }
        // The one that stays is changed, too, even if only by its time.
        if let Some((_, record)) = self.store.get(into) {
            let mut record = record.clone();
            self.stamp_record(&mut record);
            self.put(object, serial_of(into), record, 0);
        }
        Ok(())
    }
}
