//! Reads, and the store's contract.

use std::sync::Arc;

use jiff::Timestamp;
use model::{Currency, EventId, IntentId, Money, RunId, TransactionId, Value, WorkItemId, json};
use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use super::open::database_error;
use crate::rows::{
    CachedAnswer, EventRow, FeedPositionRow, InboxRow, IntentRow, IntentState, JournalRow, ListenerRow, Mutation,
    QueueTotal, RecordVersionRow, ReferenceRow, RunPart, RunRow, RunStatus, StageTotal, SyncedRow, TimerRow,
    TransactionRow, WorkItemRow, WorkItemStatus,
};
use crate::{Committed, Page, RunFilter, Store, StoreError, WorkItemFilter};

pub(super) type Decoded<T> = Result<T, StoreError>;
/// A group's name, how many rows it has, and their sums per currency.
type Total = (Arc<str>, u64, Vec<Money>);

impl SqliteStore {
    pub(super) fn list<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        decode: impl Fn(&Row<'_>) -> Decoded<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.read(|connection| {
            let name = self.file.display().to_string();
            rows(connection, sql, values, decode, &name)
        })
    }

    pub(super) fn one<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        decode: impl Fn(&Row<'_>) -> Decoded<T>,
    ) -> Result<Option<T>, StoreError> {
        Ok(self.list(sql, values, decode)?.into_iter().next())
    }
}

fn rows<T>(
    connection: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
    decode: impl Fn(&Row<'_>) -> Decoded<T>,
    file: &str,
) -> Result<Vec<T>, StoreError> {
    let failed = |error: rusqlite::Error| database_error(file, &error);
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut found = statement.query(values).map_err(failed)?;
    let mut list = Vec::new();
    while let Some(row) = found.next().map_err(failed)? {
        list.push(decode(row)?);
    }
    Ok(list)
}

/// Reads columns of one kind of row, naming it when one cannot be read.
pub(super) struct Columns<'a, 'r> {
    pub(super) row: &'a Row<'r>,
    pub(super) what: &'static str,
}

impl Columns<'_, '_> {
    fn damaged(&self, cause: impl ToString) -> StoreError {
        StoreError::Damaged { what: self.what, cause: cause.to_string() }
    }

    pub(super) fn get<T: rusqlite::types::FromSql>(&self, column: usize) -> Decoded<T> {
        self.row.get(column).map_err(|error| self.damaged(error))
    }

    pub(super) fn uuid(&self, column: usize) -> Decoded<uuid::Uuid> {
        self.get::<[u8; 16]>(column).map(uuid::Uuid::from_bytes)
    }

    pub(super) fn instant(&self, column: usize) -> Decoded<Timestamp> {
        Timestamp::from_microsecond(self.get(column)?).map_err(|error| self.damaged(error))
    }

    pub(super) fn value(&self, column: usize) -> Decoded<Value> {
        json::parse(self.get::<String>(column)?.as_bytes()).map_err(|error| self.damaged(error))
    }

    fn state<T>(&self, column: usize, from_code: impl Fn(i64) -> Option<T>) -> Decoded<T> {
        let code = self.get(column)?;
        from_code(code).ok_or_else(|| self.damaged(format!("unknown state {code}")))
    }

    fn money(&self, amount: usize, currency: usize) -> Decoded<Option<Money>> {
        let (Some(amount), Some(currency)) =
            (self.get::<Option<String>>(amount)?, self.get::<Option<String>>(currency)?)
        else {
            return Ok(None);
        };
        let amount = amount.parse().map_err(|error| self.damaged(error))?;
        let currency: Currency = currency.parse().map_err(|error| self.damaged(error))?;
        Ok(Some(Money { amount, currency }))
    }
}

fn run(row: &Row<'_>) -> Decoded<RunRow> {
    let columns = Columns { row, what: "run" };
    Ok(RunRow {
        id: RunId::new(columns.uuid(0)?),
        workflow: columns.get(1)?,
        definition: columns.get(2)?,
        key: columns.get(3)?,
        transaction: TransactionId::new(columns.uuid(4)?),
        status: columns.state(5, RunStatus::from_code)?,
        state: columns.get(6)?,
        parts: Vec::new(),
        removed_parts: Vec::new(),
        started_at: columns.instant(7)?,
        updated_at: columns.instant(8)?,
        in_doubt: columns.get(9)?,
    })
}

fn run_part(row: &Row<'_>) -> Decoded<RunPart> {
    let columns = Columns { row, what: "part of a run" };
    Ok(RunPart { number: columns.get(0)?, content: columns.get(1)? })
}

fn intent(row: &Row<'_>) -> Decoded<IntentRow> {
    let columns = Columns { row, what: "intent" };
    Ok(IntentRow {
        id: IntentId::new(columns.uuid(0)?),
        run: RunId::new(columns.uuid(1)?),
        position: columns.get(2)?,
        connection: columns.get(3)?,
        function: columns.get(4)?,
        business_key: columns.get(5)?,
        request: columns.value(6)?,
        state: columns.state(7, IntentState::from_code)?,
        attempts: columns.get(8)?,
        last_error: columns.get(9)?,
        created_at: columns.instant(10)?,
    })
}

fn journal_line(row: &Row<'_>) -> Decoded<JournalRow> {
    let columns = Columns { row, what: "journal line" };
    Ok(JournalRow {
        transaction: TransactionId::new(columns.uuid(0)?),
        at: columns.instant(1)?,
        kind: columns.get(2)?,
        connection: columns.get(3)?,
        title: columns.get(4)?,
        detail: columns.value(5)?,
    })
}

fn transaction(row: &Row<'_>) -> Decoded<TransactionRow> {
    let columns = Columns { row, what: "transaction" };
    Ok(TransactionRow {
        id: TransactionId::new(columns.uuid(0)?),
        object: columns.get(1)?,
        key: columns.get(2)?,
        title: columns.get(3)?,
        stage: columns.get(4)?,
        closed: columns.get(5)?,
        amount: columns.money(6, 7)?,
        opened_at: columns.instant(8)?,
        updated_at: columns.instant(9)?,
    })
}

fn reference(row: &Row<'_>) -> Decoded<ReferenceRow> {
    let columns = Columns { row, what: "cross-reference" };
    Ok(ReferenceRow {
        object: columns.get(0)?,
        key: columns.get(1)?,
        connection: columns.get(2)?,
        record_id: columns.get(3)?,
    })
}

fn work_item(row: &Row<'_>) -> Decoded<WorkItemRow> {
    let columns = Columns { row, what: "work item" };
    let run = columns.get::<Option<[u8; 16]>>(3)?.zip(columns.get::<Option<Vec<u8>>>(4)?);
    Ok(WorkItemRow {
        id: WorkItemId::new(columns.uuid(0)?),
        queue: columns.get(1)?,
        transaction: TransactionId::new(columns.uuid(2)?),
        run: run.map(|(run, position)| (RunId::new(uuid::Uuid::from_bytes(run)), position)),
        status: columns.state(5, WorkItemStatus::from_code)?,
        title: columns.get(6)?,
        reason: columns.get(7)?,
        amount: columns.money(8, 9)?,
        content: columns.value(10)?,
        opened_at: columns.instant(11)?,
        due_at: columns.instant(12)?,
        resolution: columns.value(13)?,
    })
}

fn event(row: &Row<'_>) -> Decoded<EventRow> {
    let columns = Columns { row, what: "event" };
    Ok(EventRow {
        correlation: columns.get(0)?,
        id: EventId::new(columns.uuid(1)?),
        envelope: columns.value(2)?,
        at: columns.instant(3)?,
    })
}

fn listener(row: &Row<'_>) -> Decoded<ListenerRow> {
    let columns = Columns { row, what: "listener" };
    Ok(ListenerRow { run: RunId::new(columns.uuid(0)?), position: columns.get(1)?, correlation: columns.get(2)? })
}

fn inbox_row(row: &Row<'_>) -> Decoded<InboxRow> {
    let columns = Columns { row, what: "inbox entry" };
    Ok(InboxRow {
        connection: columns.get(0)?,
        id: columns.get(1)?,
        content: columns.value(2)?,
        at: columns.instant(3)?,
    })
}

fn timer(row: &Row<'_>) -> Decoded<TimerRow> {
    let columns = Columns { row, what: "timer" };
    Ok(TimerRow { run: RunId::new(columns.uuid(0)?), position: columns.get(1)?, due_at: columns.instant(2)? })
}

/// One group of a total: its name, how many rows, and the amount of one row or none.
fn total_part(row: &Row<'_>) -> Decoded<(Arc<str>, u64, Option<Money>)> {
    let columns = Columns { row, what: "total" };
    Ok((columns.get(0)?, 1, columns.money(1, 2)?))
}

/// Adds rows up exactly: SQLite itself would add amounts as binary floats.
fn totals(parts: Vec<(Arc<str>, u64, Option<Money>)>) -> Result<Vec<Total>, StoreError> {
    let mut totals: Vec<Total> = Vec::new();
    for (name, count, money) in parts {
        if totals.last().is_none_or(|(last, ..)| *last != name) {
            totals.push((name, 0, Vec::new()));
        }
        let Some((_, number, amounts)) = totals.last_mut() else { continue };
        *number += count;
        let Some(money) = money else { continue };
        match amounts.iter_mut().find(|amount| amount.currency == money.currency) {
            Some(amount) => {
                *amount = amount
                    .add(money)
                    .map_err(|error| StoreError::Damaged { what: "amount", cause: error.to_string() })?;
            }
            None => amounts.push(money),
        }
    }
    Ok(totals)
}

impl Store for SqliteStore {
    fn commit(&self, batch: Vec<Mutation>) -> Committed {
        self.hand_over(batch)
    }

    fn run(&self, id: RunId) -> Result<Option<RunRow>, StoreError> {
        let name = self.file.display().to_string();
        let failed = |error: rusqlite::Error| database_error(&name, &error);
        self.read(|connection| {
            // Both are read as they were at one moment.
            let snapshot = connection.unchecked_transaction().map_err(failed)?;
            let id = params![id.uuid().into_bytes()];
            let Some(mut row) = rows(&snapshot, "select * from runs where id = ?1", id, run, &name)?.pop() else {
                return Ok(None);
            };
            if !row.state.is_empty() {
                let parts = "select number, content from run_parts where run_id = ?1 order by number";
                row.parts = rows(&snapshot, parts, id, run_part, &name)?;
            }
            snapshot.commit().map_err(failed)?;
            Ok(Some(row))
        })
    }

    fn run_of_key(&self, workflow: &str, key: &str) -> Result<Option<RunId>, StoreError> {
        self.one("select id from runs where workflow = ?1 and key = ?2", params![workflow, key], |row| {
            Columns { row, what: "run" }.uuid(0).map(RunId::new)
        })
    }

    fn runs(&self, filter: &RunFilter, page: Page) -> Result<Vec<RunRow>, StoreError> {
        let after = filter.after.map(|run| run.uuid().into_bytes().to_vec()).unwrap_or_default();
        self.list(
            "select id, workflow, definition, key, transaction_id, status, x'', started_at, updated_at, in_doubt from runs
             where (?1 is null or workflow = ?1) and (?2 is null or status = ?2) and id > ?5 order by id limit ?3 offset ?4",
            // No bytes come before all ids.
            params![filter.workflow, filter.status.map(RunStatus::code), page.limit, page.offset, after],
            run,
        )
    }

    fn live_runs(&self) -> Result<Vec<RunId>, StoreError> {
        self.list("select id from runs indexed by runs_live where (status < 2 or status = 3) order by id", [], |row| {
            Columns { row, what: "run" }.uuid(0).map(RunId::new)
        })
    }

    fn live_definitions(&self) -> Result<Vec<Arc<str>>, StoreError> {
        self.list("select distinct definition from runs where (status < 2 or status = 3)", [], |row| {
            Columns { row, what: "run" }.get(0)
        })
    }

    fn intents(&self) -> Result<Vec<IntentRow>, StoreError> {
        self.list("select * from intents order by id", [], intent)
    }

    fn journal(&self, transaction: TransactionId, page: Page) -> Result<Vec<JournalRow>, StoreError> {
        self.list(
            "select transaction_id, at, kind, connection, title, detail from journal where transaction_id = ?1
             order by sequence limit ?2 offset ?3",
            params![transaction.uuid().into_bytes(), page.limit, page.offset],
            journal_line,
        )
    }

    fn transaction(&self, id: TransactionId) -> Result<Option<TransactionRow>, StoreError> {
        self.one("select * from transactions where id = ?1", params![id.uuid().into_bytes()], transaction)
    }

    fn transaction_of_key(&self, object: &str, key: &str) -> Result<Option<TransactionRow>, StoreError> {
        self.one("select * from transactions where object = ?1 and key = ?2", params![object, key], transaction)
    }

    fn transactions(&self, text: &str, page: Page) -> Result<Vec<TransactionRow>, StoreError> {
        self.list(
            "select * from transactions where ?1 = '' or instr(lower(key), ?1) > 0 or instr(lower(title), ?1) > 0
             order by updated_at desc, id desc limit ?2 offset ?3",
            params![text.to_lowercase(), page.limit, page.offset],
            transaction,
        )
    }

    fn stage_totals(&self) -> Result<Vec<StageTotal>, StoreError> {
        let parts = self.list("select stage, amount, currency from transactions order by stage", [], total_part)?;
        let stages = totals(parts)?.into_iter();
        Ok(stages.map(|(stage, count, amounts)| StageTotal { stage, count, amounts }).collect())
    }

    fn reference(&self, object: &str, key: &str, connection: &str) -> Result<Option<ReferenceRow>, StoreError> {
        self.one(
            "select * from record_references where object = ?1 and key = ?2 and connection = ?3",
            params![object, key, connection],
            reference,
        )
    }

    fn reference_of_record(
        &self,
        object: &str,
        connection: &str,
        record_id: &str,
    ) -> Result<Option<ReferenceRow>, StoreError> {
        self.one(
            "select * from record_references where object = ?1 and connection = ?2 and record_id = ?3 order by key",
            params![object, connection, record_id],
            reference,
        )
    }

    fn references_after(
        &self,
        object: &str,
        connection: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<ReferenceRow>, StoreError> {
        self.list(
            "select * from record_references where object = ?1 and key > ?3 and connection = ?2 order by key limit ?4",
            params![object, connection, after, limit],
            reference,
        )
    }

    fn work_item(&self, id: WorkItemId) -> Result<Option<WorkItemRow>, StoreError> {
        self.one("select * from work_items where id = ?1", params![id.uuid().into_bytes()], work_item)
    }

    fn work_items(&self, filter: &WorkItemFilter, page: Page) -> Result<Vec<WorkItemRow>, StoreError> {
        self.list(
            "select * from work_items where (?1 is null or queue = ?1) and (?2 is null or transaction_id = ?2)
                 and (?3 is null or status = ?3)
             order by due_at, id limit ?4 offset ?5",
            params![
                filter.queue,
                filter.transaction.map(|id| id.uuid().into_bytes()),
                filter.status.map(WorkItemStatus::code),
                page.limit,
                page.offset
            ],
            work_item,
        )
    }

    fn queue_totals(&self) -> Result<Vec<QueueTotal>, StoreError> {
        let parts = self.list(
            "select queue, amount, currency from work_items where status = 0 order by queue",
            [],
            total_part,
        )?;
        let queues = totals(parts)?.into_iter();
        Ok(queues.map(|(queue, count, amounts)| QueueTotal { queue, count, amounts }).collect())
    }

    fn events(&self, correlation: &[u8]) -> Result<Vec<EventRow>, StoreError> {
        self.list("select * from events where correlation = ?1 order by id", params![correlation], event)
    }

    fn listeners(&self, correlation: &[u8]) -> Result<Vec<ListenerRow>, StoreError> {
        self.list("select * from listeners where correlation = ?1", params![correlation], listener)
    }

    fn listening_runs(&self, after: Option<RunId>, limit: u32) -> Result<Vec<RunId>, StoreError> {
        let after = after.map(|run| run.uuid().into_bytes());
        self.list(
            "select distinct run_id from listeners where ?1 is null or run_id > ?1 order by run_id limit ?2",
            params![after, limit],
            |row| Columns { row, what: "listener" }.uuid(0).map(RunId::new),
        )
    }

    fn unheard(&self, run: RunId, limit: u32) -> Result<Vec<(Vec<u8>, EventRow)>, StoreError> {
        self.list(
            "select events.*, listeners.position from runs
             join listeners on listeners.run_id = runs.id
             join events on events.correlation = listeners.correlation and events.at >= runs.started_at
             where runs.id = ?1
                 and not exists (select 1 from heard where heard.run_id = ?1 and heard.event_id = events.id)
             order by events.at, events.id limit ?2",
            params![run.uuid().into_bytes(), limit],
            |row| Ok((Columns { row, what: "listener" }.get(4)?, event(row)?)),
        )
    }

    fn oldest_event(&self) -> Result<Option<Timestamp>, StoreError> {
        self.one("select at from events order by at limit 1", [], |row| Columns { row, what: "event" }.instant(0))
    }

    fn feed_position(&self, connection: &str, feed: &str) -> Result<Option<FeedPositionRow>, StoreError> {
        self.one("select * from feed_positions where connection = ?1 and feed = ?2", params![connection, feed], |row| {
            let columns = Columns { row, what: "feed position" };
            Ok(FeedPositionRow {
                connection: columns.get(0)?,
                feed: columns.get(1)?,
                position: columns.get(2)?,
                at: columns.instant(3)?,
            })
        })
    }

    fn inbox(&self) -> Result<Vec<InboxRow>, StoreError> {
        self.list("select * from inbox order by at, connection, id", [], inbox_row)
    }

    fn inbox_row(&self, connection: &str, id: &str) -> Result<Option<InboxRow>, StoreError> {
        self.one("select * from inbox where connection = ?1 and id = ?2", params![connection, id], inbox_row)
    }

    fn record_version(&self, connection: &str, record: &str, id: &str) -> Result<Option<RecordVersionRow>, StoreError> {
        self.one(
            "select * from record_versions where connection = ?1 and record = ?2 and id = ?3",
            params![connection, record, id],
            |row| {
                let columns = Columns { row, what: "record version" };
                Ok(RecordVersionRow {
                    connection: columns.get(0)?,
                    record: columns.get(1)?,
                    id: columns.get(2)?,
                    version: columns.get(3)?,
                })
            },
        )
    }

    fn synced(&self, object: &str, key: &str) -> Result<Option<SyncedRow>, StoreError> {
        self.synced_of_key(object, key)
    }

    fn synced_after(&self, object: &str, after: &str, limit: u32) -> Result<Vec<SyncedRow>, StoreError> {
        self.synced_page(object, after, limit)
    }

    fn synced_beginning(&self, object: &str, beginning: &str, limit: u32) -> Result<Vec<SyncedRow>, StoreError> {
        self.synced_of_beginning(object, beginning, limit)
    }

    fn synced_titled(
        &self,
        object: &str,
        text: &str,
        after: (&str, &str),
        limit: u32,
    ) -> Result<Vec<SyncedRow>, StoreError> {
        self.synced_of_title(object, text, after, limit)
    }

    fn synced_linked(&self, object: &str, member: &str, value: &str, limit: u32) -> Result<Vec<SyncedRow>, StoreError> {
        self.synced_of_link(object, member, value, limit)
    }

    fn matches(
        &self,
        object: &str,
        value: &str,
        lacking: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Arc<str>>, StoreError> {
        self.keys_of_match(object, value, lacking, limit)
    }

    fn timers_due(&self, now: Timestamp, limit: u32) -> Result<Vec<TimerRow>, StoreError> {
        self.list(
            "select * from timers where due_at <= ?1 order by due_at limit ?2",
            params![now.as_microsecond(), limit],
            timer,
        )
    }

    fn next_timer(&self) -> Result<Option<Timestamp>, StoreError> {
        self.one("select due_at from timers order by due_at limit 1", [], |row| {
            Columns { row, what: "timer" }.instant(0)
        })
    }

    fn answer(&self, api: &str, key: &str) -> Result<Option<CachedAnswer>, StoreError> {
        self.one("select * from answers where api = ?1 and key = ?2", params![api, key], |row| {
            let columns = Columns { row, what: "answer" };
            Ok(CachedAnswer {
                api: columns.get(0)?,
                key: columns.get(1)?,
                answer: columns.value(2)?,
                at: columns.instant(3)?,
            })
        })
    }

    fn definition(&self, hash: &str) -> Result<Option<Arc<str>>, StoreError> {
        self.one("select text from definitions where hash = ?1", params![hash], |row| {
            Columns { row, what: "definition" }.get(0)
        })
    }
}
