//! Reads of objects that are kept in agreement.

use std::sync::Arc;

use model::json;
use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use super::read::{Columns, Decoded};
use super::write::{execute, micros};
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

    pub(super) fn synced_of_beginning(
        &self,
        object: &str,
        beginning: &str,
        limit: u32,
    ) -> Result<Vec<SyncedRow>, StoreError> {
        self.list(
            // No character comes after the one that ends the range.
            "select * from synced where object = ?1 and key >= ?2 and key < ?2 || char(1114111) order by key limit ?3",
            params![object, beginning, limit],
            synced,
        )
    }

    pub(super) fn synced_of_title(
        &self,
        object: &str,
        text: &str,
        (title, key): (&str, &str),
        limit: u32,
    ) -> Result<Vec<SyncedRow>, StoreError> {
        self.list(
            // The inner one reads the index alone: the states of all objects would be a thousand times as much.
            "select synced.* from (
                 select title, key from synced indexed by synced_by_title
                 where object = ?1 and (title collate nocase, key) > (?3, ?4) and instr(lower(title), lower(?2)) > 0
                 order by title collate nocase, key limit ?5
             ) as found cross join synced on synced.object = ?1 and synced.key = found.key
             order by found.title collate nocase, found.key",
            params![object, text, title, key, limit],
            synced,
        )
    }

    pub(super) fn synced_of_link(
        &self,
        object: &str,
        member: &str,
        value: &str,
        limit: u32,
    ) -> Result<Vec<SyncedRow>, StoreError> {
        self.list(
            "select synced.* from synced_links join synced using (object, key)
             where synced_links.object = ?1 and member = ?2 and value = ?3 order by synced_links.key limit ?4",
            params![object, member, value, limit],
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
        title: columns.get(5)?,
        links: Vec::new(),
    })
}

/// Writes the row and its links.
pub(super) fn put_synced(connection: &Connection, row: &SyncedRow) -> rusqlite::Result<()> {
    execute(
        connection,
        "insert into synced values (?1, ?2, ?3, ?4, ?5, ?6)
         on conflict (object, key) do update set state = ?4, updated_at = ?5, title = ?6",
        params![
            row.object,
            row.key,
            row.transaction.uuid().into_bytes(),
            json::to_string(&row.state),
            micros(row.updated_at),
            row.title
        ],
    )?;
    if row.links.is_empty() {
        return Ok(());
    }
    execute(connection, "delete from synced_links where object = ?1 and key = ?2", params![row.object, row.key])?;
    row.links.iter().try_for_each(|(member, value)| {
        execute(
            connection,
            "insert into synced_links values (?1, ?2, ?3, ?4) on conflict do nothing",
            params![row.object, member, value, row.key],
        )
    })
}
