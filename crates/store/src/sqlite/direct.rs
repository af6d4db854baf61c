//! The store without a log and without memory: every mutation is one statement on the tables. What [`super`] has to agree with.

use jiff::Timestamp;
use model::{EventId, Money, RunId, json};
use rusqlite::{Connection, params};

use crate::rows::{Mutation, RunRow, WorkItemStatus};

fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

fn amount(money: Option<&Money>) -> (Option<String>, Option<&str>) {
    (money.map(|money| money.amount.to_string()), money.map(|money| money.currency.as_str()))
}

fn execute(connection: &Connection, sql: &str, values: impl rusqlite::Params) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute(values).map(|_| ())
}

/// Deletes the rows of a run one by one: a statement that deletes several of a table without row ids builds a table of its own
/// for them first, which costs more than the rows, of which there are few or none.
fn delete_of_run(connection: &Connection, table: OfRun, run: &[u8; 16]) -> rusqlite::Result<()> {
    let (find, delete) = match table {
        OfRun::Parts => (
            "select number from run_parts where run_id = ?1",
            "delete from run_parts where run_id = ?1 and number = ?2",
        ),
        OfRun::Timers => {
            ("select position from timers where run_id = ?1", "delete from timers where run_id = ?1 and position = ?2")
        }
        OfRun::Heard => {
            ("select event_id from heard where run_id = ?1", "delete from heard where run_id = ?1 and event_id = ?2")
        }
    };
    let keys: Vec<rusqlite::types::Value> =
        connection.prepare_cached(find)?.query_map(params![run], |row| row.get(0))?.collect::<Result<_, _>>()?;
    keys.into_iter().try_for_each(|key| execute(connection, delete, params![run, key]))
}

/// Tables whose rows go with their run.
#[derive(Clone, Copy)]
enum OfRun {
    Parts,
    Timers,
    Heard,
}

/// The same for the listeners of a run, at one place or at all.
fn delete_listeners(connection: &Connection, run: &[u8; 16], place: Option<&[u8]>) -> rusqlite::Result<()> {
    let key = |row: &rusqlite::Row<'_>| Ok::<(Vec<u8>, Vec<u8>), _>((row.get(0)?, row.get(1)?));
    let found: Vec<(Vec<u8>, Vec<u8>)> = match place {
        Some(place) => connection
            .prepare_cached("select position, correlation from listeners where run_id = ?1 and position = ?2")?
            .query_map(params![run, place], key)?
            .collect::<Result<_, _>>()?,
        None => connection
            .prepare_cached("select position, correlation from listeners where run_id = ?1")?
            .query_map(params![run], key)?
            .collect::<Result<_, _>>()?,
    };
    let delete = "delete from listeners where run_id = ?1 and position = ?2 and correlation = ?3";
    found.iter().try_for_each(|(place, correlation)| execute(connection, delete, params![run, place, correlation]))
}

fn put_run(connection: &Connection, row: &RunRow) -> rusqlite::Result<()> {
    let id = row.id.uuid().into_bytes();
    execute(
        connection,
        "insert into runs values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         on conflict (id) do update set definition = ?3, status = ?6, state = ?7, updated_at = ?9, in_doubt = ?10",
        params![
            id,
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
    )?;
    if row.state.is_empty() {
        return delete_of_run(connection, OfRun::Parts, &id);
    }
    for part in &row.parts {
        let sql = "insert into run_parts values (?1, ?2, ?3) on conflict do update set content = ?3";
        execute(connection, sql, params![id, part.number, part.content])?;
    }
    for number in &row.removed_parts {
        execute(connection, "delete from run_parts where run_id = ?1 and number = ?2", params![id, number])?;
    }
    Ok(())
}

pub(super) fn write(connection: &Connection, mutation: &Mutation) -> rusqlite::Result<()> {
    match mutation {
        Mutation::PutRun(row) => put_run(connection, row),
        Mutation::RemoveRun(id) => {
            let id = id.uuid().into_bytes();
            delete_of_run(connection, OfRun::Parts, &id)?;
            execute(connection, "delete from runs where id = ?1", params![id])
        }
        Mutation::ForgetRun(id) => {
            let id = id.uuid().into_bytes();
            delete_of_run(connection, OfRun::Timers, &id)?;
            delete_listeners(connection, &id, None)?;
            delete_of_run(connection, OfRun::Heard, &id)
        }
        Mutation::PutIntent(row) => execute(
            connection,
            "insert into intents values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             on conflict (id) do update set state = ?8, attempts = ?9, last_error = ?10",
            params![
                row.id.uuid().into_bytes(),
                row.run.uuid().into_bytes(),
                row.position,
                row.connection,
                row.function,
                row.business_key,
                json::to_string(&row.request),
                row.state.code(),
                row.attempts,
                row.last_error,
                micros(row.created_at)
            ],
        ),
        Mutation::RemoveIntent(id) => {
            execute(connection, "delete from intents where id = ?1", params![id.uuid().into_bytes()])
        }
        Mutation::AppendJournal(row) => execute(
            connection,
            "insert into journal values (?1, ?2,
                 (select coalesce(max(sequence), 0) + 1 from journal where transaction_id = ?1), ?3, ?4, ?5, ?6)",
            params![
                row.transaction.uuid().into_bytes(),
                micros(row.at),
                row.kind,
                row.connection,
                row.title,
                json::to_string(&row.detail)
            ],
        ),
        Mutation::PutTransaction(row) => {
            let (amount, currency) = amount(row.amount.as_ref());
            execute(
                connection,
                "insert into transactions values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
                 on conflict (id) do update set title = ?4, stage = ?5, closed = ?6, amount = ?7, currency = ?8,
                     updated_at = ?10",
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
        Mutation::PutReference(row) => execute(
            connection,
            "insert into record_references values (?1, ?2, ?3, ?4)
             on conflict (object, key, connection) do update set record_id = ?4",
            params![row.object, row.key, row.connection, row.record_id],
        ),
        Mutation::RemoveReference { object, key, connection: side } => execute(
            connection,
            "delete from record_references where object = ?1 and key = ?2 and connection = ?3",
            params![object, key, side],
        ),
        Mutation::PutWorkItem(row) => {
            let (amount, currency) = amount(row.amount.as_ref());
            let (run, position) = row.run.as_ref().map(|(run, position)| (run.uuid().into_bytes(), position)).unzip();
            execute(
                connection,
                "insert into work_items values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
                 on conflict (id) do update set queue = ?2, status = ?6, title = ?7, reason = ?8, amount = ?9,
                     currency = ?10, content = ?11, due_at = ?13, resolution = ?14",
                params![
                    row.id.uuid().into_bytes(),
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
        Mutation::WithdrawWorkItems { transaction, run, position, resolution } => execute(
            connection,
            "update work_items set status = ?4, resolution = ?5
             where transaction_id = ?1 and run_id = ?2 and position = ?3 and status = ?6",
            params![
                transaction.uuid().into_bytes(),
                run.uuid().into_bytes(),
                position,
                WorkItemStatus::Withdrawn.code(),
                json::to_string(resolution),
                WorkItemStatus::Open.code()
            ],
        ),
        Mutation::AppendEvent(row) => execute(
            connection,
            "insert into events values (?1, ?2, ?3, ?4) on conflict do nothing",
            params![row.correlation, row.id.uuid().into_bytes(), json::to_string(&row.envelope), micros(row.at)],
        ),
        Mutation::RemoveEvent { correlation, id } => execute(
            connection,
            "delete from events where correlation = ?1 and id = ?2",
            params![correlation, id.uuid().into_bytes()],
        ),
        Mutation::RemoveEventsBefore { before, limit } => execute(
            connection,
            "delete from events where (correlation, id) in
                 (select correlation, id from events where at < ?1 order by at limit ?2)",
            params![micros(*before), limit],
        ),
        Mutation::RemoveAnswersBefore { before, limit } => execute(
            connection,
            "delete from answers where (api, key) in
                 (select api, key from answers where at < ?1 order by at, api, key limit ?2)",
            params![micros(*before), limit],
        ),
        Mutation::PutListener(row) => execute(
            connection,
            "insert into listeners values (?1, ?2, ?3) on conflict do nothing",
            params![row.run.uuid().into_bytes(), row.position, row.correlation],
        ),
        Mutation::RemoveListeners { run, position } => {
            delete_listeners(connection, &run.uuid().into_bytes(), Some(position))
        }
        Mutation::PutHeard { run, event } => execute(
            connection,
            "insert into heard values (?1, ?2) on conflict do nothing",
            params![run.uuid().into_bytes(), event.uuid().into_bytes()],
        ),
        Mutation::PutFeedPosition(row) => execute(
            connection,
            "insert into feed_positions values (?1, ?2, ?3, ?4)
             on conflict (connection, feed) do update set position = ?3, at = ?4",
            params![row.connection, row.feed, row.position, micros(row.at)],
        ),
        Mutation::PutInbox(row) => execute(
            connection,
            "insert into inbox values (?1, ?2, ?3, ?4) on conflict do nothing",
            params![row.connection, row.id, json::to_string(&row.content), micros(row.at)],
        ),
        Mutation::RemoveInbox { connection: from, id } => {
            execute(connection, "delete from inbox where connection = ?1 and id = ?2", params![from, id])
        }
        Mutation::PutRecordVersion(row) => execute(
            connection,
            "insert into record_versions values (?1, ?2, ?3, ?4)
             on conflict (connection, record, id) do update set version = ?4",
            params![row.connection, row.record, row.id, row.version],
        ),
        Mutation::PutSynced(row) => super::write::put_synced(connection, row, &json::to_string(&row.state)),
        Mutation::PutMatchKeys { object, key, values } => {
            execute(connection, "delete from match_keys where object = ?1 and key = ?2", params![object, key])?;
            values.iter().try_for_each(|value| {
                execute(
                    connection,
                    "insert into match_keys values (?1, ?2, ?3) on conflict do nothing",
                    params![object, value, key],
                )
            })
        }
        Mutation::PutTimer(row) => execute(
            connection,
            "insert into timers values (?1, ?2, ?3) on conflict (run_id, position) do update set due_at = ?3",
            params![row.run.uuid().into_bytes(), row.position, micros(row.due_at)],
        ),
        Mutation::RemoveTimer { run, position } => execute(
            connection,
            "delete from timers where run_id = ?1 and position = ?2",
            params![run.uuid().into_bytes(), position],
        ),
        Mutation::PutAnswer(row) => execute(
            connection,
            "insert into answers values (?1, ?2, ?3, ?4)
             on conflict (api, key) do update set answer = ?3, at = ?4",
            params![row.api, row.key, json::to_string(&row.answer), micros(row.at)],
        ),
        Mutation::PutDefinition { hash, text } => {
            execute(connection, "insert into definitions values (?1, ?2) on conflict do nothing", params![hash, text])
        }
    }
}

/// Events that a run waits for and has not heard, with the place, as one question.
pub(super) fn unheard(connection: &Connection, run: RunId) -> Vec<(Vec<u8>, EventId)> {
    let sql = "select listeners.position, events.id from runs
         join listeners on listeners.run_id = runs.id
         join events on events.correlation = listeners.correlation and events.at >= runs.started_at
         where runs.id = ?1 and not exists (select 1 from heard where heard.run_id = ?1 and heard.event_id = events.id)";
    let mut statement = connection.prepare_cached(sql).expect("a question");
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, EventId::new(uuid::Uuid::from_bytes(row.get(1)?))));
    let rows = statement.query_map(params![run.uuid().into_bytes()], row).expect("rows");
    rows.collect::<Result<_, _>>().expect("rows")
}
