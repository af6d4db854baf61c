//! What stands in the tables, as of the moment of each question. What is in the log only is not there: who asks has to look at
//! the generations in memory, too.

use jiff::Timestamp;
use model::{EventId, IntentId, RunId, TransactionId, WorkItemId};
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::decode::{self, Columns, Decoded};
use super::open::database_error;
use crate::overlay::{Bytes, Text};
use crate::rows::{
    CachedAnswer, EventRow, FeedPositionRow, InboxRow, IntentRow, JournalRow, QueueTotal, RecordVersionRow,
    ReferenceRow, RunRow, RunStatus, StageTotal, SyncedRow, TimerRow, TransactionRow, WorkItemRow, WorkItemStatus,
};
use crate::{Page, RunFilter, StoreError, WorkItemFilter, WorkItemOrder};

/// The tables, seen through one connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tables<'a> {
    connection: &'a Connection,
    file: &'a str,
}

impl<'a> Tables<'a> {
    pub(super) const fn new(connection: &'a Connection, file: &'a str) -> Self {
        Self { connection, file }
    }

    /// Asks several questions as of one moment.
    pub(super) fn at_one_moment<T>(self, read: impl FnOnce(Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let failed = |error: rusqlite::Error| database_error(self.file, &error);
        let snapshot = self.connection.unchecked_transaction().map_err(failed)?;
        let found = read(self)?;
        snapshot.commit().map_err(failed)?;
        Ok(found)
    }

    fn list<T>(
        self,
        sql: &str,
        values: impl rusqlite::Params,
        decode: impl Fn(&Row<'_>) -> Decoded<T>,
    ) -> Decoded<Vec<T>> {
        let failed = |error: rusqlite::Error| database_error(self.file, &error);
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let mut found = statement.query(values).map_err(failed)?;
        let mut list = Vec::new();
        while let Some(row) = found.next().map_err(failed)? {
            list.push(decode(row)?);
        }
        Ok(list)
    }

    fn one<T>(
        self,
        sql: &str,
        values: impl rusqlite::Params,
        decode: impl Fn(&Row<'_>) -> Decoded<T>,
    ) -> Decoded<Option<T>> {
        Ok(self.list(sql, values, decode)?.pop())
    }

    fn has(self, sql: &str, values: impl rusqlite::Params) -> Decoded<bool> {
        Ok(self.one(sql, values, |_| Ok(()))?.is_some())
    }

    /// With all its parts.
    pub(super) fn run(self, id: RunId) -> Decoded<Option<RunRow>> {
        self.at_one_moment(|tables| {
            let id = params![id.uuid().into_bytes()];
            let Some(mut row) = tables.one("select * from runs where id = ?1", id, decode::run)? else {
                return Ok(None);
            };
            let parts = "select number, content from run_parts where run_id = ?1 order by number";
            row.parts = tables.list(parts, id, decode::run_part)?;
            Ok(Some(row))
        })
    }

    pub(super) fn run_of_key(self, workflow: &str, key: &str) -> Decoded<Option<RunId>> {
        self.one("select id from runs where workflow = ?1 and key = ?2", params![workflow, key], |row| {
            Columns { row, what: "run" }.uuid(0).map(RunId::new)
        })
    }

    pub(super) fn started_at(self, run: RunId) -> Decoded<Option<Timestamp>> {
        self.one("select started_at from runs where id = ?1", params![run.uuid().into_bytes()], |row| {
            Columns { row, what: "run" }.instant(0)
        })
    }

    pub(super) fn part_numbers(self, run: RunId) -> Decoded<Vec<u32>> {
        self.list("select number from run_parts where run_id = ?1", params![run.uuid().into_bytes()], |row| {
            Columns { row, what: "part of a run" }.get(0)
        })
    }

    pub(super) fn runs(self, filter: &RunFilter, page: Page) -> Decoded<Vec<RunRow>> {
        let after = filter.after.map(|run| run.uuid().into_bytes().to_vec()).unwrap_or_default();
        self.list(
            "select id, workflow, definition, key, transaction_id, status, x'', started_at, updated_at, in_doubt from runs
             where (?1 is null or workflow = ?1) and (?2 is null or status = ?2) and id > ?5 order by id limit ?3 offset ?4",
            // No bytes come before all ids.
            params![filter.workflow, filter.status.map(RunStatus::code), page.limit, page.offset, after],
            decode::run,
        )
    }

    pub(super) fn live_runs(self) -> Decoded<Vec<RunId>> {
        self.list("select id from runs indexed by runs_live where (status < 2 or status = 3) order by id", [], |row| {
            Columns { row, what: "run" }.uuid(0).map(RunId::new)
        })
    }

    pub(super) fn live_definitions(self) -> Decoded<Vec<Text>> {
        self.list("select distinct definition from runs where (status < 2 or status = 3)", [], |row| {
            Columns { row, what: "run" }.get(0)
        })
    }

    pub(super) fn intents(self) -> Decoded<Vec<IntentRow>> {
        self.list("select * from intents order by id", [], decode::intent)
    }

    pub(super) fn intents_of_run(self, run: RunId) -> Decoded<Vec<IntentRow>> {
        let sql = "select * from intents where run_id = ?1 order by id";
        self.list(sql, params![run.uuid().into_bytes()], decode::intent)
    }

    pub(super) fn intent_of_business_key(
        self,
        connection: &str,
        function: &str,
        key: &str,
    ) -> Decoded<Option<IntentId>> {
        self.one(
            "select id from intents where connection = ?1 and function = ?2 and business_key = ?3",
            params![connection, function, key],
            |row| Columns { row, what: "intent" }.uuid(0).map(IntentId::new),
        )
    }

    pub(super) fn journal(self, transaction: TransactionId, page: Page) -> Decoded<Vec<JournalRow>> {
        self.list(
            "select transaction_id, at, kind, connection, title, detail from journal where transaction_id = ?1
             order by sequence limit ?2 offset ?3",
            params![transaction.uuid().into_bytes(), page.limit, page.offset],
            decode::journal_line,
        )
    }

    pub(super) fn journal_len(self, transaction: TransactionId) -> Decoded<u32> {
        let sql = "select count(*) from journal where transaction_id = ?1";
        let count = self
            .one(sql, params![transaction.uuid().into_bytes()], |row| Columns { row, what: "journal" }.get::<u32>(0))?;
        Ok(count.unwrap_or(0))
    }

    pub(super) fn transaction(self, id: TransactionId) -> Decoded<Option<TransactionRow>> {
        self.one("select * from transactions where id = ?1", params![id.uuid().into_bytes()], decode::transaction)
    }

    pub(super) fn id_of_transaction(self, object: &str, key: &str) -> Decoded<Option<TransactionId>> {
        self.one("select id from transactions where object = ?1 and key = ?2", params![object, key], |row| {
            Columns { row, what: "transaction" }.uuid(0).map(TransactionId::new)
        })
    }

    pub(super) fn transaction_of_key(self, object: &str, key: &str) -> Decoded<Option<TransactionRow>> {
        self.one("select * from transactions where object = ?1 and key = ?2", params![object, key], decode::transaction)
    }

    pub(super) fn transactions(self, text: &str, page: Page) -> Decoded<Vec<TransactionRow>> {
        self.list(
            "select * from transactions where ?1 = '' or instr(small(key), ?1) > 0 or instr(small(title), ?1) > 0
             order by updated_at desc, id desc limit ?2 offset ?3",
            params![text.to_lowercase(), page.limit, page.offset],
            decode::transaction,
        )
    }

    pub(super) fn transactions_at(self, stage: &str, text: &str, page: Page) -> Decoded<Vec<TransactionRow>> {
        self.list(
            "select * from transactions where stage = ?4
                 and (?1 = '' or instr(small(key), ?1) > 0 or instr(small(title), ?1) > 0)
             order by updated_at desc, id desc limit ?2 offset ?3",
            params![text.to_lowercase(), page.limit, page.offset, stage],
            decode::transaction,
        )
    }

    pub(super) fn stage_totals(self) -> Decoded<Vec<StageTotal>> {
        let sql = "select stage, amount, currency from transactions order by stage";
        let stages = decode::totals(self.list(sql, [], decode::total_part)?)?.into_iter();
        Ok(stages.map(|(stage, count, amounts)| StageTotal { stage, count, amounts }).collect())
    }

    pub(super) fn reference(self, object: &str, key: &str, connection: &str) -> Decoded<Option<ReferenceRow>> {
        self.one(
            "select * from record_references where object = ?1 and key = ?2 and connection = ?3",
            params![object, key, connection],
            decode::reference,
        )
    }

    /// In the order of their keys.
    pub(super) fn references_of_record(
        self,
        object: &str,
        connection: &str,
        record_id: &str,
    ) -> Decoded<Vec<ReferenceRow>> {
        self.list(
            "select * from record_references where object = ?1 and connection = ?2 and record_id = ?3 order by key",
            params![object, connection, record_id],
            decode::reference,
        )
    }

    pub(super) fn references_after(
        self,
        object: &str,
        connection: &str,
        after: &str,
        limit: u32,
    ) -> Decoded<Vec<ReferenceRow>> {
        self.list(
            "select * from record_references where object = ?1 and key > ?3 and connection = ?2 order by key limit ?4",
            params![object, connection, after, limit],
            decode::reference,
        )
    }

    pub(super) fn work_item(self, id: WorkItemId) -> Decoded<Option<WorkItemRow>> {
        self.one("select * from work_items where id = ?1", params![id.uuid().into_bytes()], decode::work_item)
    }

    pub(super) fn work_items(self, filter: &WorkItemFilter, page: Page) -> Decoded<Vec<WorkItemRow>> {
        // Conditions that do not count are left out, and the status stands there as a number: so the index of open items is used.
        let (mut conditions, mut values) = (vec!["true".to_owned()], Vec::<SqlValue>::new());
        if let Some(status) = filter.status {
            conditions.push(format!("status = {}", status.code()));
        }
        if filter.over {
            conditions.push(format!("status <> {}", WorkItemStatus::Open.code()));
        }
        if let Some(queue) = &filter.queue {
            conditions.push("queue = ?".to_owned());
            values.push(queue.to_string().into());
        }
        if let Some(transaction) = filter.transaction {
            conditions.push("transaction_id = ?".to_owned());
            values.push(transaction.uuid().into_bytes().to_vec().into());
        }
        if let Some((due_at, id)) = filter.after {
            conditions.push("(due_at, id) > (?, ?)".to_owned());
            values.extend([due_at.as_microsecond().into(), id.uuid().into_bytes().to_vec().into()]);
        }
        let order = match filter.order {
            WorkItemOrder::Due => "due_at, id",
            // Only a place in a list: amounts themselves never go through binary numbers.
            WorkItemOrder::Amount => "abs(cast(amount as real)) desc, due_at, id",
            WorkItemOrder::Latest => "opened_at desc, id desc",
        };
        values.extend([i64::from(page.limit).into(), i64::from(page.offset).into()]);
        let conditions = conditions.join(" and ");
        let sql = format!("select * from work_items where {conditions} order by {order} limit ? offset ?");
        self.list(&sql, params_from_iter(values), decode::work_item)
    }

    /// Those of a matter, in no order.
    pub(super) fn work_items_of(
        self,
        transaction: TransactionId,
        status: Option<WorkItemStatus>,
    ) -> Decoded<Vec<WorkItemRow>> {
        let sql = "select * from work_items where transaction_id = ?1 and (?2 is null or status = ?2)";
        let status = status.map(WorkItemStatus::code);
        self.list(sql, params![transaction.uuid().into_bytes(), status], decode::work_item)
    }

    pub(super) fn open_items_of(
        self,
        transaction: TransactionId,
        run: RunId,
        position: &[u8],
    ) -> Decoded<Vec<WorkItemRow>> {
        self.list(
            "select * from work_items where transaction_id = ?1 and run_id = ?2 and position = ?3 and status = ?4",
            params![transaction.uuid().into_bytes(), run.uuid().into_bytes(), position, WorkItemStatus::Open.code()],
            decode::work_item,
        )
    }

    pub(super) fn queue_totals(self, now: Timestamp) -> Decoded<Vec<QueueTotal>> {
        self.at_one_moment(|tables| {
            let sql = "select queue, amount, currency from work_items where status = 0 order by queue";
            let sums = decode::totals(tables.list(sql, [], decode::total_part)?)?;
            let sql = "select queue, count(*), count(*) filter (where due_at < ?1), min(opened_at), min(due_at)
                       from work_items where status = 0 group by queue order by queue";
            let queues = tables.list(sql, params![now.as_microsecond()], decode::queue_total)?;
            let amounts = sums.into_iter().map(|(_, _, amounts)| amounts);
            Ok(queues.into_iter().zip(amounts).map(|(queue, amounts)| QueueTotal { amounts, ..queue }).collect())
        })
    }

    pub(super) fn waiting_count(self) -> Decoded<u64> {
        let sql = "select count(distinct transaction_id) from work_items where status = 0";
        let count = self.one(sql, [], |row| Columns { row, what: "work item" }.get::<i64>(0))?;
        Ok(count.map_or(0, i64::cast_unsigned))
    }

    pub(super) fn waiting(self, text: &str, page: Page) -> Decoded<Vec<TransactionRow>> {
        self.list(
            "select transactions.* from (
                 select transaction_id, min(due_at) as due_at from work_items where status = 0 group by transaction_id
             ) as open cross join transactions on transactions.id = open.transaction_id
             where ?1 = '' or instr(small(key), ?1) > 0 or instr(small(title), ?1) > 0
             order by open.due_at, id limit ?2 offset ?3",
            params![text.to_lowercase(), page.limit, page.offset],
            decode::transaction,
        )
    }

    pub(super) fn events(self, correlation: &[u8]) -> Decoded<Vec<EventRow>> {
        self.list("select * from events where correlation = ?1 order by id", params![correlation], decode::event)
    }

    /// The same, of those that arrived at this instant or later.
    pub(super) fn events_since(self, correlation: &[u8], since: Timestamp) -> Decoded<Vec<EventRow>> {
        let sql = "select * from events where correlation = ?1 and at >= ?2";
        self.list(sql, params![correlation, since.as_microsecond()], decode::event)
    }

    pub(super) fn has_event(self, id: EventId, correlation: &[u8]) -> Decoded<bool> {
        let sql = "select 1 from events where id = ?1 and correlation = ?2";
        self.has(sql, params![id.uuid().into_bytes(), correlation])
    }

    /// The oldest events of those that arrived before an instant, without their envelopes.
    pub(super) fn events_before(self, before: Timestamp, limit: usize) -> Decoded<Vec<(Timestamp, (EventId, Bytes))>> {
        self.list(
            "select at, id, correlation from events where at < ?1 order by at, id, correlation limit ?2",
            params![before.as_microsecond(), limit as i64],
            |row| {
                let columns = Columns { row, what: "event" };
                Ok((columns.instant(0)?, (EventId::new(columns.uuid(1)?), columns.get(2)?)))
            },
        )
    }

    /// The oldest answers of those that were given before an instant, without what they say.
    pub(super) fn answers_before(self, before: Timestamp, limit: usize) -> Decoded<Vec<(Timestamp, (Text, Text))>> {
        self.list(
            "select at, api, key from answers where at < ?1 order by at, api, key limit ?2",
            params![before.as_microsecond(), limit as i64],
            |row| {
                let columns = Columns { row, what: "answer" };
                Ok((columns.instant(0)?, (columns.get(1)?, columns.get(2)?)))
            },
        )
    }

    /// Runs and their places that wait under a correlation.
    pub(super) fn listeners(self, correlation: &[u8]) -> Decoded<Vec<(RunId, Bytes)>> {
        self.list("select run_id, position from listeners where correlation = ?1", params![correlation], |row| {
            let columns = Columns { row, what: "listener" };
            Ok((RunId::new(columns.uuid(0)?), columns.get(1)?))
        })
    }

    /// The places of a run that wait, and under which correlations.
    pub(super) fn listeners_of_run(self, run: RunId) -> Decoded<Vec<(Bytes, Bytes)>> {
        let sql = "select position, correlation from listeners where run_id = ?1";
        self.list(sql, params![run.uuid().into_bytes()], |row| {
            let columns = Columns { row, what: "listener" };
            Ok((columns.get(0)?, columns.get(1)?))
        })
    }

    pub(super) fn listening_runs(self, after: Option<RunId>, limit: u32) -> Decoded<Vec<RunId>> {
        let after = after.map(|run| run.uuid().into_bytes());
        self.list(
            "select distinct run_id from listeners where ?1 is null or run_id > ?1 order by run_id limit ?2",
            params![after, limit],
            |row| Columns { row, what: "listener" }.uuid(0).map(RunId::new),
        )
    }

    pub(super) fn heard_of_run(self, run: RunId) -> Decoded<Vec<EventId>> {
        self.list("select event_id from heard where run_id = ?1", params![run.uuid().into_bytes()], |row| {
            Columns { row, what: "heard event" }.uuid(0).map(EventId::new)
        })
    }

    pub(super) fn feed_position(self, connection: &str, feed: &str) -> Decoded<Option<FeedPositionRow>> {
        let sql = "select * from feed_positions where connection = ?1 and feed = ?2";
        self.one(sql, params![connection, feed], decode::feed_position)
    }

    pub(super) fn inbox(self) -> Decoded<Vec<InboxRow>> {
        self.list("select * from inbox", [], decode::inbox_entry)
    }

    pub(super) fn inbox_row(self, connection: &str, id: &str) -> Decoded<Option<InboxRow>> {
        let sql = "select * from inbox where connection = ?1 and id = ?2";
        self.one(sql, params![connection, id], decode::inbox_entry)
    }

    pub(super) fn has_inbox(self, connection: &str, id: &str) -> Decoded<bool> {
        self.has("select 1 from inbox where connection = ?1 and id = ?2", params![connection, id])
    }

    pub(super) fn record_version(self, connection: &str, record: &str, id: &str) -> Decoded<Option<RecordVersionRow>> {
        self.one(
            "select * from record_versions where connection = ?1 and record = ?2 and id = ?3",
            params![connection, record, id],
            decode::record_version,
        )
    }

    pub(super) fn synced(self, object: &str, key: &str) -> Decoded<Option<SyncedRow>> {
        self.one("select * from synced where object = ?1 and key = ?2", params![object, key], decode::synced)
    }

    pub(super) fn synced_after(self, object: &str, after: &str, limit: u32) -> Decoded<Vec<SyncedRow>> {
        self.list(
            "select * from synced where object = ?1 and key > ?2 order by key limit ?3",
            params![object, after, limit],
            decode::synced,
        )
    }

    pub(super) fn synced_beginning(self, object: &str, beginning: &str, limit: u32) -> Decoded<Vec<SyncedRow>> {
        self.list(
            // No character comes after the one that ends the range.
            "select * from synced where object = ?1 and key >= ?2 and key < ?2 || char(1114111) order by key limit ?3",
            params![object, beginning, limit],
            decode::synced,
        )
    }

    pub(super) fn synced_titled(
        self,
        object: &str,
        text: &str,
        (title, key): (&str, &str),
        limit: u32,
    ) -> Decoded<Vec<SyncedRow>> {
        self.list(
            // The inner one reads the index alone: the states of all objects would be a thousand times as much.
            "select synced.* from (
                 select title, key from synced indexed by synced_by_title
                 where object = ?1 and (title collate nocase, key) > (?3, ?4) and instr(small(title), small(?2)) > 0
                 order by title collate nocase, key limit ?5
             ) as found cross join synced on synced.object = ?1 and synced.key = found.key
             order by found.title collate nocase, found.key",
            params![object, text, title, key, limit],
            decode::synced,
        )
    }

    pub(super) fn synced_linked(self, object: &str, member: &str, value: &str, limit: u32) -> Decoded<Vec<SyncedRow>> {
        self.list(
            "select synced.* from synced_links join synced using (object, key)
             where synced_links.object = ?1 and member = ?2 and value = ?3 order by synced_links.key limit ?4",
            params![object, member, value, limit],
            decode::synced,
        )
    }

    /// Keys of the objects that are recognised by a value and have no record in a connection, in their order.
    pub(super) fn keys_lacking(self, object: &str, value: &str, connection: &str, limit: usize) -> Decoded<Vec<Text>> {
        self.list(
            "select key from match_keys where object = ?1 and value = ?2
                 and not exists (select 1 from record_references as known
                     where known.object = ?1 and known.key = match_keys.key and known.connection = ?4)
             order by key limit ?3",
            params![object, value, limit as i64, connection],
            |row| Columns { row, what: "match key" }.get(0),
        )
    }

    pub(super) fn is_matched(self, object: &str, value: &str, key: &str) -> Decoded<bool> {
        let sql = "select 1 from match_keys where object = ?1 and value = ?2 and key = ?3";
        self.has(sql, params![object, value, key])
    }

    /// Keys of the objects that are recognised by a value, in their order.
    pub(super) fn keys_of_match(self, object: &str, value: &str, limit: usize) -> Decoded<Vec<Text>> {
        self.list(
            "select key from match_keys where object = ?1 and value = ?2 order by key limit ?3",
            params![object, value, limit as i64],
            |row| Columns { row, what: "match key" }.get(0),
        )
    }

    /// Values that an object is recognised by.
    pub(super) fn values_of_match(self, object: &str, key: &str) -> Decoded<Vec<Text>> {
        self.list("select value from match_keys where object = ?1 and key = ?2", params![object, key], |row| {
            Columns { row, what: "match key" }.get(0)
        })
    }

    /// Timers due at or before an instant, the first in front.
    pub(super) fn timers_due(self, now: Timestamp, limit: usize) -> Decoded<Vec<TimerRow>> {
        self.list(
            "select * from timers where due_at <= ?1 order by due_at limit ?2",
            params![now.as_microsecond(), limit as i64],
            decode::timer,
        )
    }

    pub(super) fn timers_of_run(self, run: RunId) -> Decoded<Vec<Bytes>> {
        self.list("select position from timers where run_id = ?1", params![run.uuid().into_bytes()], |row| {
            Columns { row, what: "timer" }.get(0)
        })
    }

    pub(super) fn answer(self, api: &str, key: &str) -> Decoded<Option<CachedAnswer>> {
        self.one("select * from answers where api = ?1 and key = ?2", params![api, key], decode::answer)
    }

    pub(super) fn definition(self, hash: &str) -> Decoded<Option<Text>> {
        self.one("select text from definitions where hash = ?1", params![hash], |row| {
            Columns { row, what: "definition" }.get(0)
        })
    }
}
