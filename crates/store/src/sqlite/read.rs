//! Reads, and the store's contract. Where memory knows a row, it is answered from there; otherwise the tables are asked, and
//! what memory knows counts more than what they say. Long lists for people wait until the tables say everything of what they
//! list.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, mpsc};

use jiff::Timestamp;
use model::{IntentId, RunId, TransactionId, WorkItemId};

use super::resolve::to_microseconds;
use super::together::{Lacking, Question, Unheard, events_of};
use super::{Message, Settled, SqliteStore, Tables};
use crate::overlay::{Bytes, Layer, Layers, Packed, Row, Table, Text};
use crate::rows::{
    CachedAnswer, EventRow, FeedPositionRow, InboxRow, IntentRow, JournalRow, ListenerRow, Mutation, QueueTotal,
    RecordVersionRow, ReferenceRow, RunPart, RunRow, StageTotal, SyncedRow, TimerRow, TransactionRow, WorkItemRow,
    WorkItemStatus,
};
use crate::{Committed, Page, RunFilter, Store, StoreError, WorkItemFilter, WorkItemOrder};

impl SqliteStore {
    fn memory<T>(&self, look: impl FnOnce(Layers<'_>) -> T) -> T {
        self.overlay.read().unwrap_or_else(PoisonError::into_inner).with(look)
    }

    /// Asks the tables, then adds what memory knows. When a generation moved into the tables between the two, it could have been
    /// missed by both: then once more.
    fn merged<R, T>(
        &self,
        ask: impl Fn(Tables<'_>) -> Result<R, StoreError>,
        merge: impl Fn(Layers<'_>, R) -> T,
    ) -> Result<T, StoreError> {
        let mut moved = self.overlay.read().unwrap_or_else(PoisonError::into_inner).moved;
        loop {
            let found = self.read(&ask)?;
            let overlay = self.overlay.read().unwrap_or_else(PoisonError::into_inner);
            if overlay.moved == moved {
                return Ok(overlay.with(|layers| merge(layers, found)));
            }
            moved = overlay.moved;
        }
    }

    /// Looks at memory and asks the tables in turn, until they have said what a look needs. When a generation moved into the
    /// tables meanwhile, what they said before may lack it: then from the beginning.
    pub(super) fn together<Q: Question>(&self, mut question: Q) -> Result<Q::Answer, StoreError> {
        let mut moved = None;
        loop {
            let found = {
                let overlay = self.overlay.read().unwrap_or_else(PoisonError::into_inner);
                if moved.replace(overlay.moved).is_some_and(|before| before != overlay.moved) {
                    question.forget();
                }
                overlay.with(|layers| question.look(layers))?
            };
            if question.is_answered() {
                return Ok(found);
            }
            self.read(|tables| question.ask(tables))?;
        }
    }

    /// A row by its key.
    fn point<K: Ord + Clone + 'static, V: Row<K>, T>(
        &self,
        table: fn(&Layer) -> &Table<K, V>,
        key: &K,
        row: impl Fn(&V) -> Result<T, StoreError>,
        ask: impl Fn(Tables<'_>) -> Result<Option<T>, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        if let Some(known) = self.memory(|layers| layers.held(table, key).map(|known| known.map(&row).transpose())) {
            return known;
        }
        self.merged(ask, |layers, found| match layers.held(table, key) {
            Some(known) => known.map(&row).transpose(),
            None => Ok(found),
        })?
    }

    /// The first rows of a list. The tables are asked for so many; `merge` makes the list of them and of what memory knows, and
    /// tells how many of the tables' rows still count. Where too few do, more are asked for.
    fn first<R, T>(
        &self,
        limit: usize,
        ask: impl Fn(Tables<'_>, usize) -> Result<Vec<R>, StoreError>,
        merge: impl Fn(Layers<'_>, Vec<R>) -> (Vec<T>, usize),
    ) -> Result<Vec<T>, StoreError> {
        let mut asked = limit;
        loop {
            let look = |layers: Layers<'_>, rows: Vec<R>| (rows.len() < asked, merge(layers, rows));
            let (is_all, (mut list, count)) = self.merged(|tables| ask(tables, asked), look)?;
            if is_all || count >= limit {
                list.truncate(limit);
                return Ok(list);
            }
            asked = asked.saturating_mul(4);
        }
    }

    /// Asks the tables when everything that is durable now stands in them.
    fn settled<T>(&self, ask: impl FnOnce(Tables<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.settle(|layer| !layer.is_empty())?;
        self.read(ask)
    }

    /// The same for people, who ask for many lists: when everything of what is listed stands in the tables, that is, no generation in
    /// memory `concerns` it any more. While the tables cannot be written, they are shown what stands there.
    fn shown<T>(
        &self,
        concerns: impl Fn(&Layer) -> bool,
        ask: impl FnOnce(Tables<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.settle(concerns).or_else(|error| if error.heals() { Ok(()) } else { Err(error) })?;
        self.read(ask)
    }

    fn settle(&self, concerns: impl Fn(&Layer) -> bool) -> Result<(), StoreError> {
        if !self.memory(|layers| layers.each().any(concerns)) {
            return Ok(());
        }
        let (answer, waiting) = mpsc::channel();
        let _ = self.messages.send(Message::Settle(Settled(answer)));
        waiting.recv().unwrap_or(Err(StoreError::Closed))
    }

    fn first_timers(&self, until: Timestamp, limit: usize) -> Result<Vec<TimerRow>, StoreError> {
        let until = to_microseconds(until);
        let ask = |tables: Tables<'_>, asked| tables.timers_due(until, asked);
        self.first(limit, ask, |layers, mut rows| {
            rows.retain(|row| layers.held(|layer| &layer.timers, &(row.run, row.position.clone())).is_none());
            let count = rows.len();
            for key in layers.each().flat_map(|layer| layer.timers.up_to(&until)) {
                let due = layers.there(|layer| &layer.timers, key).filter(|due| due.0 <= until);
                rows.extend(due.map(|due| TimerRow { due_at: due.0, run: key.0, position: key.1.clone() }));
            }
            rows.sort_unstable_by(|a, b| (a.due_at, a.run, &a.position).cmp(&(b.due_at, b.run, &b.position)));
            rows.dedup();
            (rows, count)
        })
    }
}

/// Whether a generation knows anything of the objects of a kind that are kept in agreement.
fn has_synced(layer: &Layer, object: &str) -> bool {
    layer.synced.from((object.into(), "".into())).next().is_some_and(|(of, _)| &**of == object)
}

impl Store for SqliteStore {
    fn commit_shared(&self, batch: Arc<Vec<Mutation>>) -> Committed {
        self.hand_over(batch)
    }

    fn run(&self, id: RunId) -> Result<Option<RunRow>, StoreError> {
        let in_memory = |layers: Layers<'_>, stored: Option<RunRow>| {
            let mut parts: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
            let (known, stored) = match (layers.held(|layer| &layer.runs, &id), stored) {
                (Some(known), stored) => (known?.clone(), stored),
                (None, Some(stored)) => (RunRow { parts: Vec::new(), ..stored.clone() }, Some(stored)),
                (None, None) => return None,
            };
            if known.state.is_empty() {
                return Some(known);
            }
            parts.extend(stored.into_iter().flat_map(|row| row.parts).map(|part| (part.number, part.content)));
            for key in layers.from(|layer| &layer.parts, &(id, 0), |key| key.0 == id) {
                match layers.there(|layer| &layer.parts, key) {
                    Some(part) => parts.insert(key.1, part.0.clone()),
                    None => parts.remove(&key.1),
                };
            }
            let parts = parts.into_iter().map(|(number, content)| RunPart { number, content }).collect();
            Some(RunRow { parts, ..known })
        };
        let known = self.memory(|layers| {
            let is_enough = layers.is_born(id)
                || layers.held(|layer| &layer.runs, &id).is_some_and(|row| row.is_none_or(|row| row.state.is_empty()));
            is_enough.then(|| in_memory(layers, None))
        });
        match known {
            Some(known) => Ok(known),
            None => self.merged(|tables| tables.run(id), in_memory),
        }
    }

    fn run_of_key(&self, workflow: &str, key: &str) -> Result<Option<RunId>, StoreError> {
        let place: (Text, Text) = (workflow.into(), key.into());
        let known = |layers: Layers<'_>| layers.at(|layer| &layer.runs, &place).into_keys().next().copied();
        if let Some(run) = self.memory(known) {
            return Ok(Some(run));
        }
        self.merged(
            |tables| tables.run_of_key(workflow, key),
            |layers, stored| {
                known(layers).or_else(|| stored.filter(|run| layers.held(|layer| &layer.runs, run).is_none()))
            },
        )
    }

    fn runs(&self, filter: &RunFilter, page: Page) -> Result<Vec<RunRow>, StoreError> {
        self.shown(|layer| !layer.runs.is_empty(), |tables| tables.runs(filter, page))
    }

    fn live_runs(&self) -> Result<Vec<RunId>, StoreError> {
        self.shown(|layer| !layer.runs.is_empty(), |tables| tables.live_runs())
    }

    fn live_definitions(&self) -> Result<Vec<Arc<str>>, StoreError> {
        self.shown(|layer| !layer.runs.is_empty(), |tables| tables.live_definitions())
    }

    fn intents(&self) -> Result<Vec<IntentRow>, StoreError> {
        self.shown(|layer| !layer.intents.is_empty(), |tables| tables.intents())
    }

    fn intents_of_run(&self, run: RunId) -> Result<Vec<IntentRow>, StoreError> {
        self.merged(
            |tables| tables.intents_of_run(run),
            |layers, mut rows| {
                rows.retain(|row| layers.held(|layer| &layer.intents, &row.id).is_none());
                let in_memory = layers.each().flat_map(|layer| layer.intents.rows());
                let own = in_memory.filter(|(_, row)| row.is_some_and(|row| row.run == run)).map(|(id, _)| *id);
                let own: BTreeSet<IntentId> = own.collect();
                for row in own.iter().filter_map(|id| layers.there(|layer| &layer.intents, id)) {
                    rows.push(row.unpack()?);
                }
                rows.sort_unstable_by_key(|row| row.id);
                Ok(rows)
            },
        )?
    }

    fn journal(&self, transaction: TransactionId, page: Page) -> Result<Vec<JournalRow>, StoreError> {
        let has_lines = |layer: &Layer| layer.journal.iter().any(|(line, _)| line.transaction == transaction);
        self.shown(has_lines, |tables| tables.journal(transaction, page))
    }

    fn journal_len(&self, transaction: TransactionId) -> Result<u32, StoreError> {
        let has_lines = |layer: &Layer| layer.journal.iter().any(|(line, _)| line.transaction == transaction);
        self.shown(has_lines, |tables| tables.journal_len(transaction))
    }

    fn transaction(&self, id: TransactionId) -> Result<Option<TransactionRow>, StoreError> {
        self.point(|layer| &layer.transactions, &id, |row| Ok(row.clone()), |tables| tables.transaction(id))
    }

    fn transaction_of_key(&self, object: &str, key: &str) -> Result<Option<TransactionRow>, StoreError> {
        let place: (Text, Text) = (object.into(), key.into());
        let known = |layers: Layers<'_>| layers.at(|layer| &layer.transactions, &place).into_values().next().cloned();
        if let Some(row) = self.memory(known) {
            return Ok(Some(row));
        }
        self.merged(|tables| tables.transaction_of_key(object, key), |layers, stored| known(layers).or(stored))
    }

    fn transactions(&self, text: &str, page: Page) -> Result<Vec<TransactionRow>, StoreError> {
        self.shown(|layer| !layer.transactions.is_empty(), |tables| tables.transactions(text, page))
    }

    fn transactions_at(&self, stage: &str, text: &str, page: Page) -> Result<Vec<TransactionRow>, StoreError> {
        self.shown(|layer| !layer.transactions.is_empty(), |tables| tables.transactions_at(stage, text, page))
    }

    fn stage_totals(&self) -> Result<Vec<StageTotal>, StoreError> {
        self.shown(|layer| !layer.transactions.is_empty(), |tables| tables.stage_totals())
    }

    fn reference(&self, object: &str, key: &str, connection: &str) -> Result<Option<ReferenceRow>, StoreError> {
        let of: (Text, Text, Text) = (object.into(), key.into(), connection.into());
        self.point(
            |layer| &layer.references,
            &of,
            |record| {
                let (object, key, connection) = of.clone();
                Ok(ReferenceRow { object, key, connection, record_id: record.0.clone() })
            },
            |tables| tables.reference(object, key, connection),
        )
    }

    fn reference_of_record(
        &self,
        object: &str,
        connection: &str,
        record_id: &str,
    ) -> Result<Option<ReferenceRow>, StoreError> {
        let place: (Text, Text, Text) = (connection.into(), record_id.into(), object.into());
        self.merged(
            |tables| tables.references_of_record(object, connection, record_id),
            |layers, stored| {
                let key = |row: &ReferenceRow| (row.object.clone(), row.key.clone(), row.connection.clone());
                let of_stored =
                    stored.into_iter().filter(|row| layers.held(|layer| &layer.references, &key(row)).is_none());
                let of_memory = layers.at(|layer| &layer.references, &place).into_iter().map(|(key, record)| {
                    let (object, key, connection) = key.clone();
                    ReferenceRow { object, key, connection, record_id: record.0.clone() }
                });
                of_stored.chain(of_memory).min_by(|a, b| a.key.cmp(&b.key))
            },
        )
    }

    fn references_after(
        &self,
        object: &str,
        connection: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<ReferenceRow>, StoreError> {
        self.settled(|tables| tables.references_after(object, connection, after, limit))
    }

    fn work_item(&self, id: WorkItemId) -> Result<Option<WorkItemRow>, StoreError> {
        self.point(|layer| &layer.work_items, &id, |row| Ok(row.clone()), |tables| tables.work_item(id))
    }

    fn work_items(&self, filter: &WorkItemFilter, page: Page) -> Result<Vec<WorkItemRow>, StoreError> {
        let Some(transaction) = filter.transaction else {
            return self.shown(|layer| !layer.work_items.is_empty(), |tables| tables.work_items(filter, page));
        };
        self.merged(
            |tables| tables.work_items_of(transaction, filter.status),
            |layers, mut rows| {
                rows.retain(|row| layers.held(|layer| &layer.work_items, &row.id).is_none());
                rows.extend(layers.at(|layer| &layer.work_items, &transaction).into_values().cloned());
                rows.retain(|row| {
                    filter.queue.as_ref().is_none_or(|queue| row.queue == *queue)
                        && filter.status.is_none_or(|status| row.status == status)
                        && !(filter.over && row.status == WorkItemStatus::Open)
                        && filter.after.is_none_or(|after| (row.due_at, row.id) > after)
                });
                let amount = |row: &WorkItemRow| row.amount.map(|money| money.amount.abs());
                match filter.order {
                    WorkItemOrder::Due => rows.sort_unstable_by_key(|row| (row.due_at, row.id)),
                    WorkItemOrder::Amount => {
                        rows.sort_unstable_by_key(|row| (Reverse(amount(row)), row.due_at, row.id));
                    }
                    WorkItemOrder::Latest => rows.sort_unstable_by_key(|row| Reverse((row.opened_at, row.id))),
                }
                rows.into_iter().skip(page.offset as usize).take(page.limit as usize).collect()
            },
        )
    }

    fn queue_totals(&self, now: Timestamp) -> Result<Vec<QueueTotal>, StoreError> {
        self.shown(|layer| !layer.work_items.is_empty(), |tables| tables.queue_totals(now))
    }

    fn waiting_count(&self) -> Result<u64, StoreError> {
        self.shown(|layer| !layer.work_items.is_empty(), |tables| tables.waiting_count())
    }

    fn waiting(&self, text: &str, page: Page) -> Result<Vec<TransactionRow>, StoreError> {
        let concerns = |layer: &Layer| !layer.work_items.is_empty() || !layer.transactions.is_empty();
        self.shown(concerns, |tables| tables.waiting(text, page))
    }

    fn events(&self, correlation: &[u8]) -> Result<Vec<EventRow>, StoreError> {
        let place = correlation.to_vec();
        self.merged(
            |tables| tables.events(correlation),
            |layers, stored| events_of(layers, &place, stored, |_| true).map(|rows| rows.into_values().collect()),
        )?
    }

    fn listeners(&self, correlation: &[u8]) -> Result<Vec<ListenerRow>, StoreError> {
        let place = correlation.to_vec();
        self.merged(
            |tables| tables.listeners(correlation),
            |layers, stored| {
                let is_held = |(run, position): &(RunId, Bytes)| {
                    layers.held(|layer| &layer.listeners, &(*run, position.clone(), place.clone())).is_some()
                };
                let mut found: BTreeSet<(RunId, Bytes)> = stored.into_iter().filter(|key| !is_held(key)).collect();
                let held = layers.at(|layer| &layer.listeners, &place).into_keys();
                found.extend(held.map(|(run, position, _)| (*run, position.clone())));
                let row = |(run, position)| ListenerRow { correlation: place.clone(), run, position };
                found.into_iter().map(row).collect()
            },
        )
    }

    fn listening_runs(&self, after: Option<RunId>, limit: u32) -> Result<Vec<RunId>, StoreError> {
        self.settled(|tables| tables.listening_runs(after, limit))
    }

    fn unheard(&self, run: RunId, limit: u32) -> Result<Vec<(Vec<u8>, EventRow)>, StoreError> {
        let mut found = self.together(Unheard::new(run))?;
        found.truncate(limit as usize);
        Ok(found)
    }

    fn oldest_event(&self) -> Result<Option<Timestamp>, StoreError> {
        let found = self.first(
            1,
            |tables, asked| tables.events_before(Timestamp::MAX, asked),
            |layers, mut rows| {
                rows.retain(|(_, key)| layers.held(|layer| &layer.events, key).is_none());
                let count = rows.len();
                let in_memory = layers.each().flat_map(|layer| layer.events.rows());
                let in_memory = in_memory.filter_map(|(key, _)| layers.there(|layer| &layer.events, key));
                let oldest = rows.into_iter().map(|(at, _)| at).chain(in_memory.map(|row| row.at)).min();
                (oldest.into_iter().collect(), count)
            },
        )?;
        Ok(found.first().copied())
    }

    fn oldest_answer(&self) -> Result<Option<Timestamp>, StoreError> {
        let found = self.first(
            1,
            |tables, asked| tables.answers_before(Timestamp::MAX, asked),
            |layers, mut rows| {
                rows.retain(|(_, key)| layers.held(|layer| &layer.answers, key).is_none());
                let count = rows.len();
                let in_memory = layers.each().flat_map(|layer| layer.answers.rows());
                let in_memory = in_memory.filter_map(|(key, _)| layers.there(|layer| &layer.answers, key));
                let oldest = rows.into_iter().map(|(at, _)| at).chain(in_memory.map(|row| row.at)).min();
                (oldest.into_iter().collect(), count)
            },
        )?;
        Ok(found.first().copied())
    }

    fn feed_position(&self, connection: &str, feed: &str) -> Result<Option<FeedPositionRow>, StoreError> {
        let key: (Text, Text) = (connection.into(), feed.into());
        let ask = |tables: Tables<'_>| tables.feed_position(connection, feed);
        self.point(|layer| &layer.feed_positions, &key, |row| Ok(row.clone()), ask)
    }

    fn inbox(&self) -> Result<Vec<InboxRow>, StoreError> {
        self.merged(
            |tables| tables.inbox(),
            |layers, mut rows| {
                let key = |row: &InboxRow| (row.connection.clone(), row.id.clone());
                rows.retain(|row| layers.held(|layer| &layer.inbox, &key(row)).is_none());
                let held: BTreeSet<&(Text, Text)> =
                    layers.each().flat_map(|layer| layer.inbox.rows().map(|(key, _)| key)).collect();
                for row in held.into_iter().filter_map(|key| layers.there(|layer| &layer.inbox, key)) {
                    rows.push(row.unpack()?);
                }
                rows.sort_by(|a, b| (a.at, &a.connection, &a.id).cmp(&(b.at, &b.connection, &b.id)));
                Ok(rows)
            },
        )?
    }

    fn inbox_row(&self, connection: &str, id: &str) -> Result<Option<InboxRow>, StoreError> {
        let key: (Text, Text) = (connection.into(), id.into());
        self.point(|layer| &layer.inbox, &key, Packed::unpack, |tables| tables.inbox_row(connection, id))
    }

    fn record_version(&self, connection: &str, record: &str, id: &str) -> Result<Option<RecordVersionRow>, StoreError> {
        let key: (Text, Text, Text) = (connection.into(), record.into(), id.into());
        self.point(
            |layer| &layer.record_versions,
            &key,
            |version| {
                let (connection, record, id) = key.clone();
                Ok(RecordVersionRow { connection, record, id, version: version.0.clone() })
            },
            |tables| tables.record_version(connection, record, id),
        )
    }

    fn synced(&self, object: &str, key: &str) -> Result<Option<SyncedRow>, StoreError> {
        let of: (Text, Text) = (object.into(), key.into());
        let read = |row: &Packed<SyncedRow>| Ok(SyncedRow { links: Vec::new(), ..row.unpack()? });
        self.point(|layer| &layer.synced, &of, read, |tables| tables.synced(object, key))
    }

    fn synced_after(&self, object: &str, after: &str, limit: u32) -> Result<Vec<SyncedRow>, StoreError> {
        self.settled(|tables| tables.synced_after(object, after, limit))
    }

    fn synced_beginning(&self, object: &str, beginning: &str, limit: u32) -> Result<Vec<SyncedRow>, StoreError> {
        self.shown(|layer| has_synced(layer, object), |tables| tables.synced_beginning(object, beginning, limit))
    }

    fn synced_titled(
        &self,
        object: &str,
        text: &str,
        after: (&str, &str),
        limit: u32,
    ) -> Result<Vec<SyncedRow>, StoreError> {
        self.shown(|layer| has_synced(layer, object), |tables| tables.synced_titled(object, text, after, limit))
    }

    fn synced_linked(&self, object: &str, member: &str, value: &str, limit: u32) -> Result<Vec<SyncedRow>, StoreError> {
        self.shown(|layer| has_synced(layer, object), |tables| tables.synced_linked(object, member, value, limit))
    }

    fn matches(
        &self,
        object: &str,
        value: &str,
        lacking: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Arc<str>>, StoreError> {
        if let Some(connection) = lacking {
            return self.together(Lacking::new(object, value, connection, limit as usize));
        }
        let (object, value): (Text, Text) = (object.into(), value.into());
        self.first(
            limit as usize,
            |tables, asked| tables.keys_of_match(&object, &value, asked),
            |layers, stored| {
                let of = |key: Text| (object.clone(), value.clone(), key);
                let is_held = |key: &Text| layers.held(|layer| &layer.match_keys, &of(key.clone())).is_some();
                let mut keys: BTreeSet<Text> = stored.into_iter().filter(|key| !is_held(key)).collect();
                let count = keys.len();
                let belongs = |key: &(Text, Text, Text)| key.0 == object && key.1 == value;
                let held = layers.from(|layer| &layer.match_keys, &of("".into()), belongs);
                let there = held.into_iter().filter(|&key| layers.there(|layer| &layer.match_keys, key).is_some());
                keys.extend(there.map(|key| key.2.clone()));
                (keys.into_iter().collect(), count)
            },
        )
    }

    fn timers_due(&self, now: Timestamp, limit: u32) -> Result<Vec<TimerRow>, StoreError> {
        self.first_timers(now, limit as usize)
    }

    fn next_timer(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.first_timers(Timestamp::MAX, 1)?.first().map(|timer| timer.due_at))
    }

    fn answer(&self, api: &str, key: &str) -> Result<Option<CachedAnswer>, StoreError> {
        let of: (Text, Text) = (api.into(), key.into());
        self.point(|layer| &layer.answers, &of, |row| Ok(row.clone()), |tables| tables.answer(api, key))
    }

    fn definition(&self, hash: &str) -> Result<Option<Arc<str>>, StoreError> {
        let key: Text = hash.into();
        self.point(|layer| &layer.definitions, &key, |text| Ok(text.0.clone()), |tables| tables.definition(hash))
    }
}
