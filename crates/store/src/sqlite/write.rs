//! Writing a generation into the tables: the last state of each row, in one transaction with how far the log is read by then.

use std::sync::Arc;

use jiff::Timestamp;
use model::{EventId, IntentId, Money, RunId, WorkItemId, json};
use rusqlite::{Connection, params};

use crate::overlay::{Layer, Packed, Row, Table};
use crate::rows::{IntentRow, JournalRow, RunRow, SyncedRow, TransactionRow, WorkItemRow};

/// Writes all of it, and that the log counts up to this record.
pub(super) fn write_layer(connection: &mut Connection, layer: &Layer, sequence: u64) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    write_rows(&transaction, layer)?;
    execute(&transaction, "update log_applied set sequence = ?1", params![sequence.cast_signed()])?;
    transaction.commit()
}

pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

fn amount(money: Option<&Money>) -> (Option<String>, Option<&str>) {
    (money.map(|money| money.amount.to_string()), money.map(|money| money.currency.as_str()))
}

pub(super) fn execute(connection: &Connection, sql: &str, values: impl rusqlite::Params) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute(values).map(|_| ())
}

/// Removes first: a row that is written may have the key of one that goes.
fn each<K: Ord + Clone + 'static, V: Row<K>>(
    table: &Table<K, V>,
    remove: impl Fn(&K) -> rusqlite::Result<()>,
    put: impl Fn(&K, &V) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    table.rows().filter(|(_, row)| row.is_none()).try_for_each(|(key, _)| remove(key))?;
    table.rows().filter_map(|(key, row)| Some((key, row?))).try_for_each(|(key, row)| put(key, row))
}

fn write_rows(connection: &Connection, layer: &Layer) -> rusqlite::Result<()> {
    let run = |sql, values: &dyn rusqlite::ToSql| execute(connection, sql, params![values]);
    each(&layer.runs, |id| run("delete from runs where id = ?1", &bytes(*id)), |_, row| put_run(connection, row))?;
    each(
        &layer.parts,
        |(id, number)| {
            execute(connection, "delete from run_parts where run_id = ?1 and number = ?2", params![bytes(*id), number])
        },
        |(id, number), part| {
            let sql =
                "insert into run_parts values (?1, ?2, ?3) on conflict (run_id, number) do update set content = ?3";
            execute(connection, sql, params![bytes(*id), number, part.0])
        },
    )?;
    each(
        &layer.intents,
        |id| run("delete from intents where id = ?1", &IntentId::uuid(*id).into_bytes()),
        |_, row| put_intent(connection, row),
    )?;
    append_journal(connection, layer)?;
    each(&layer.transactions, |_| Ok(()), |_, row| put_transaction(connection, row))?;
    each(
        &layer.references,
        |(object, key, side)| {
            let sql = "delete from record_references where object = ?1 and key = ?2 and connection = ?3";
            execute(connection, sql, params![object, key, side])
        },
        |(object, key, side), record| {
            let sql = "insert into record_references values (?1, ?2, ?3, ?4)
                 on conflict (object, key, connection) do update set record_id = ?4";
            execute(connection, sql, params![object, key, side, record.0])
        },
    )?;
    each(&layer.work_items, |_| Ok(()), |_, row| put_work_item(connection, row))?;
    write_rows_of_events(connection, layer)?;
    write_rows_of_feeds(connection, layer)?;
    write_rows_of_objects(connection, layer)
}

fn bytes(run: RunId) -> [u8; 16] {
    run.uuid().into_bytes()
}

fn write_rows_of_events(connection: &Connection, layer: &Layer) -> rusqlite::Result<()> {
    let id_of = |event: &EventId| event.uuid().into_bytes();
    each(
        &layer.events,
        |(id, correlation)| {
            let sql = "delete from events where correlation = ?1 and id = ?2";
            execute(connection, sql, params![correlation, id_of(id)])
        },
        |(id, correlation), row| {
            let sql = "insert into events values (?1, ?2, ?3, ?4)
                 on conflict (id, correlation) do update set envelope = ?3, at = ?4";
            execute(connection, sql, params![correlation, id_of(id), row.text(), micros(row.at)])
        },
    )?;
    each(
        &layer.listeners,
        |(run, position, correlation)| {
            let sql = "delete from listeners where run_id = ?1 and position = ?2 and correlation = ?3";
            execute(connection, sql, params![bytes(*run), position, correlation])
        },
        |(run, position, correlation), _| {
            let sql = "insert into listeners values (?1, ?2, ?3) on conflict do nothing";
            execute(connection, sql, params![bytes(*run), position, correlation])
        },
    )?;
    each(
        &layer.heard,
        |(run, event)| {
            let sql = "delete from heard where run_id = ?1 and event_id = ?2";
            execute(connection, sql, params![bytes(*run), id_of(event)])
        },
        |(run, event), _| {
            let sql = "insert into heard values (?1, ?2) on conflict do nothing";
            execute(connection, sql, params![bytes(*run), id_of(event)])
        },
    )?;
    each(
        &layer.timers,
        |(run, position)| {
            let sql = "delete from timers where run_id = ?1 and position = ?2";
            execute(connection, sql, params![bytes(*run), position])
        },
        |(run, position), due| {
            let sql = "insert into timers values (?1, ?2, ?3) on conflict (run_id, position) do update set due_at = ?3";
            execute(connection, sql, params![bytes(*run), position, micros(due.0)])
        },
    )
}

fn write_rows_of_feeds(connection: &Connection, layer: &Layer) -> rusqlite::Result<()> {
    each(
        &layer.feed_positions,
        |_| Ok(()),
        |(from, feed), row| {
            let sql = "insert into feed_positions values (?1, ?2, ?3, ?4)
                 on conflict (connection, feed) do update set position = ?3, at = ?4";
            execute(connection, sql, params![from, feed, row.position, micros(row.at)])
        },
    )?;
    each(
        &layer.inbox,
        |(from, id)| execute(connection, "delete from inbox where connection = ?1 and id = ?2", params![from, id]),
        |(from, id), row| {
            let sql = "insert into inbox values (?1, ?2, ?3, ?4)
                 on conflict (connection, id) do update set content = ?3, at = ?4";
            execute(connection, sql, params![from, id, row.text(), micros(row.at)])
        },
    )?;
    each(
        &layer.record_versions,
        |_| Ok(()),
        |(from, record, id), version| {
            let sql = "insert into record_versions values (?1, ?2, ?3, ?4)
                 on conflict (connection, record, id) do update set version = ?4";
            execute(connection, sql, params![from, record, id, version.0])
        },
    )
}

fn write_rows_of_objects(connection: &Connection, layer: &Layer) -> rusqlite::Result<()> {
    each(&layer.synced, |_| Ok(()), |_, row| put_synced(connection, row, row.text()))?;
    each(
        &layer.match_keys,
        |(object, value, key)| {
            let sql = "delete from match_keys where object = ?1 and value = ?2 and key = ?3";
            execute(connection, sql, params![object, value, key])
        },
        |(object, value, key), _| {
            let sql = "insert into match_keys values (?1, ?2, ?3) on conflict do nothing";
            execute(connection, sql, params![object, value, key])
        },
    )?;
    each(
        &layer.answers,
        |(api, key)| execute(connection, "delete from answers where api = ?1 and key = ?2", params![api, key]),
        |(api, key), row| {
            let sql = "insert into answers values (?1, ?2, ?3, ?4)
                 on conflict (api, key) do update set answer = ?3, at = ?4";
            execute(connection, sql, params![api, key, json::to_string(&row.answer), micros(row.at)])
        },
    )?;
    each(
        &layer.definitions,
        |_| Ok(()),
        |hash: &Arc<str>, text| {
            execute(connection, "insert into definitions values (?1, ?2) on conflict do nothing", params![hash, text.0])
        },
    )
}

/// The workflow and key of a run never change, here and in the rows below what a unique index is of: so none is touched.
fn put_run(connection: &Connection, row: &RunRow) -> rusqlite::Result<()> {
    execute(
        connection,
        "insert into runs values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         on conflict (id) do update set definition = ?3, transaction_id = ?5, status = ?6, state = ?7, started_at = ?8,
             updated_at = ?9, in_doubt = ?10",
        params![
            bytes(row.id),
            row.workflow,
            row.definition,
            row.key,
            row.transaction.uuid().into_bytes(),
            row.status.code(),
            row.state,
            micros(row.started_at),
            micros(row.updated_at),
            row.in_doubt
        ],
    )
}

fn put_intent(connection: &Connection, row: &Packed<IntentRow>) -> rusqlite::Result<()> {
    execute(
        connection,
        "insert into intents values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         on conflict (id) do update set run_id = ?2, position = ?3, request = ?7, state = ?8, attempts = ?9,
             last_error = ?10, created_at = ?11",
        params![
            row.id.uuid().into_bytes(),
            bytes(row.run),
            row.position,
            row.connection,
            row.function,
            row.business_key,
            row.text(),
            row.state.code(),
            row.attempts,
            row.last_error,
            micros(row.created_at)
        ],
    )
}

/// The lines of each matter in their order, behind those that it has.
fn append_journal(connection: &Connection, layer: &Layer) -> rusqlite::Result<()> {
    let mut lines: Vec<&Packed<JournalRow>> = layer.journal.iter().map(|(row, _)| row).collect();
    lines.sort_by_key(|row| row.transaction);
    for of_one in lines.chunk_by(|one, next| one.transaction == next.transaction) {
        let transaction = of_one[0].transaction.uuid().into_bytes();
        let last: i64 = connection
            .prepare_cached("select coalesce(max(sequence), 0) from journal where transaction_id = ?1")?
            .query_row(params![transaction], |row| row.get(0))?;
        for (sequence, row) in (last + 1..).zip(of_one) {
            let sql = "insert into journal values (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
            let values =
                params![transaction, micros(row.at), sequence, row.kind, row.connection, row.title, row.text()];
            execute(connection, sql, values)?;
        }
    }
    Ok(())
}

fn put_transaction(connection: &Connection, row: &TransactionRow) -> rusqlite::Result<()> {
    let (amount, currency) = amount(row.amount.as_ref());
    execute(
        connection,
        "insert into transactions values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         on conflict (id) do update set title = ?4, stage = ?5, closed = ?6, amount = ?7, currency = ?8,
             opened_at = ?9, updated_at = ?10",
        params![
            row.id.uuid().into_bytes(),
            row.object,
            row.key,
            row.title,
            row.stage,
            row.closed,
            amount,
            currency,
            micros(row.opened_at),
            micros(row.updated_at)
        ],
    )
}

fn put_work_item(connection: &Connection, row: &WorkItemRow) -> rusqlite::Result<()> {
    let (amount, currency) = amount(row.amount.as_ref());
    let (run, position) = row.run.as_ref().map(|(run, position)| (bytes(*run), position)).unzip();
    execute(
        connection,
        "insert into work_items values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
         on conflict (id) do update set queue = ?2, run_id = ?4, position = ?5, status = ?6, title = ?7, reason = ?8,
             amount = ?9, currency = ?10, content = ?11, opened_at = ?12, due_at = ?13, resolution = ?14",
        params![
            WorkItemId::uuid(row.id).into_bytes(),
            row.queue,
            row.transaction.uuid().into_bytes(),
            run,
            position,
            row.status.code(),
            row.title,
            row.reason,
            amount,
            currency,
            json::to_string(&row.content),
            micros(row.opened_at),
            micros(row.due_at),
            json::to_string(&row.resolution)
        ],
    )
}

/// With the members of it that name other objects.
pub(super) fn put_synced(connection: &Connection, row: &SyncedRow, state: &str) -> rusqlite::Result<()> {
    execute(
        connection,
        "insert into synced values (?1, ?2, ?3, ?4, ?5, ?6)
         on conflict (object, key) do update set transaction_id = ?3, state = ?4, updated_at = ?5, title = ?6",
        params![row.object, row.key, row.transaction.uuid().into_bytes(), state, micros(row.updated_at), row.title],
    )?;
    execute(connection, "delete from synced_links where object = ?1 and key = ?2", params![row.object, row.key])?;
    row.links.iter().try_for_each(|(member, value)| {
        let sql = "insert into synced_links values (?1, ?2, ?3, ?4) on conflict do nothing";
        execute(connection, sql, params![row.object, member, value, row.key])
    })
}
