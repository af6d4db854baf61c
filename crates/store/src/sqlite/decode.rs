//! Columns of the tables as rows.

use std::sync::Arc;

use jiff::Timestamp;
use model::{Currency, EventId, IntentId, Money, RunId, TransactionId, Value, WorkItemId, json};
use rusqlite::Row;

use crate::StoreError;
use crate::rows::{
    CachedAnswer, EventRow, FeedPositionRow, InboxRow, IntentRow, IntentState, JournalRow, QueueTotal,
    RecordVersionRow, ReferenceRow, RunPart, RunRow, RunStatus, SyncedRow, TimerRow, TransactionRow, WorkItemRow,
    WorkItemStatus,
};

pub(super) type Decoded<T> = Result<T, StoreError>;

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
        json::parse_kept(self.get::<String>(column)?.as_bytes()).map_err(|error| self.damaged(error))
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

pub(super) fn run(row: &Row<'_>) -> Decoded<RunRow> {
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

pub(super) fn run_part(row: &Row<'_>) -> Decoded<RunPart> {
    let columns = Columns { row, what: "part of a run" };
    Ok(RunPart { number: columns.get(0)?, content: columns.get(1)? })
}

pub(super) fn intent(row: &Row<'_>) -> Decoded<IntentRow> {
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

pub(super) fn journal_line(row: &Row<'_>) -> Decoded<JournalRow> {
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

pub(super) fn transaction(row: &Row<'_>) -> Decoded<TransactionRow> {
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

pub(super) fn reference(row: &Row<'_>) -> Decoded<ReferenceRow> {
    let columns = Columns { row, what: "cross-reference" };
    Ok(ReferenceRow {
        object: columns.get(0)?,
        key: columns.get(1)?,
        connection: columns.get(2)?,
        record_id: columns.get(3)?,
    })
}

pub(super) fn work_item(row: &Row<'_>) -> Decoded<WorkItemRow> {
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

pub(super) fn event(row: &Row<'_>) -> Decoded<EventRow> {
    let columns = Columns { row, what: "event" };
    Ok(EventRow {
        correlation: columns.get(0)?,
        id: EventId::new(columns.uuid(1)?),
        envelope: columns.value(2)?,
        at: columns.instant(3)?,
    })
}

pub(super) fn timer(row: &Row<'_>) -> Decoded<TimerRow> {
    let columns = Columns { row, what: "timer" };
    Ok(TimerRow { run: RunId::new(columns.uuid(0)?), position: columns.get(1)?, due_at: columns.instant(2)? })
}

pub(super) fn synced(row: &Row<'_>) -> Decoded<SyncedRow> {
    let columns = Columns { row, what: "synced object" };
    Ok(SyncedRow {
        object: columns.get(0)?,
        key: columns.get(1)?,
        transaction: TransactionId::new(columns.uuid(2)?),
        state: columns.value(3)?,
        updated_at: columns.instant(4)?,
        title: columns.get(5)?,
        links: Vec::new(),
    })
}

pub(super) fn feed_position(row: &Row<'_>) -> Decoded<FeedPositionRow> {
    let columns = Columns { row, what: "feed position" };
    Ok(FeedPositionRow {
        connection: columns.get(0)?,
        feed: columns.get(1)?,
        position: columns.get(2)?,
        at: columns.instant(3)?,
    })
}

pub(super) fn inbox_entry(row: &Row<'_>) -> Decoded<InboxRow> {
    let columns = Columns { row, what: "inbox entry" };
    Ok(InboxRow {
        connection: columns.get(0)?,
        id: columns.get(1)?,
        content: columns.value(2)?,
        at: columns.instant(3)?,
    })
}

pub(super) fn record_version(row: &Row<'_>) -> Decoded<RecordVersionRow> {
    let columns = Columns { row, what: "record version" };
    Ok(RecordVersionRow {
        connection: columns.get(0)?,
        record: columns.get(1)?,
        id: columns.get(2)?,
        version: columns.get(3)?,
    })
}

pub(super) fn answer(row: &Row<'_>) -> Decoded<CachedAnswer> {
    let columns = Columns { row, what: "answer" };
    Ok(CachedAnswer { api: columns.get(0)?, key: columns.get(1)?, answer: columns.value(2)?, at: columns.instant(3)? })
}

/// A group's name, how many rows it has, and their sums per currency.
pub(super) type Total = (Arc<str>, u64, Vec<Money>);

/// One group of a total: its name, how many rows, and the amount of one row or none.
pub(super) fn total_part(row: &Row<'_>) -> Decoded<(Arc<str>, u64, Option<Money>)> {
    let columns = Columns { row, what: "total" };
    Ok((columns.get(0)?, 1, columns.money(1, 2)?))
}

/// Open work of a queue, without what it is worth.
pub(super) fn queue_total(row: &Row<'_>) -> Decoded<QueueTotal> {
    let columns = Columns { row, what: "total" };
    Ok(QueueTotal {
        queue: columns.get(0)?,
        count: columns.get::<i64>(1)?.cast_unsigned(),
        amounts: Vec::new(),
        late: columns.get::<i64>(2)?.cast_unsigned(),
        opened_first: columns.instant(3)?,
        due_first: columns.instant(4)?,
    })
}

/// Adds rows up exactly: SQLite itself would add amounts as binary floats.
pub(super) fn totals(parts: Vec<(Arc<str>, u64, Option<Money>)>) -> Result<Vec<Total>, StoreError> {
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
