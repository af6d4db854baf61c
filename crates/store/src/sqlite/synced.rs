//! Reads of objects that are kept in agreement.

use std::sync::Arc;

use rusqlite::{Row, params};

use super::SqliteStore;
use super::read::{Columns, Decoded};
use crate::StoreError;
use crate::rows::SyncedRow;

impl SqliteStore {
    pub(super) fn synced_of_key(&self, object: &str, key: &str) -> Result<Option<SyncedRow>, StoreError> {
        self.one("select * from synced where object = ?1 and key = ?2", params![object, key], synced)
    }

    pub(super) fn synced_page(&self, object: &str, after: &str, limit: u32) -> Result<Vec<SyncedRow>, StoreError> {
        self.list(
            "select * from synced where object = ?1 and key > ?2 order by key limit ?3",
            params![object, after, limit],
            synced,
        )
    }

    pub(super) fn keys_of_match(
        &self,
        object: &str,
        value: &str,
        lacking: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Arc<str>>, StoreError> {
        self.list(
            "select key from match_keys where object = ?1 and value = ?2
                 and (?4 is null or not exists (select 1 from record_references as known
                     where known.object = ?1 and known.key = match_keys.key and known.connection = ?4))
             order by key limit ?3",
            params![object, value, limit, lacking],
            |row| Columns { row, what: "match key" }.get(0),
        )
    }
}

fn synced(row: &Row<'_>) -> Decoded<SyncedRow> {
    let columns = Columns { row, what: "synced object" };
    Ok(SyncedRow {
        object: columns.get(0)?,
        key: columns.get(1)?,
        transaction: model::TransactionId::new(columns.uuid(2)?),
        state: columns.value(3)?,
        updated_at: columns.instant(4)?,
    })
}
