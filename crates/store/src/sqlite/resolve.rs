//! What a mutation does to rows. Everything that depends on what is there already is decided here, before it is written to the
//! log: which rows a mutation of several removes, what is there and stays as it is, and whether a batch has to be refused.
//! The same mutations on the same rows come to the same again, which is what reading a log back relies on.

use std::collections::BTreeSet;

use jiff::Timestamp;
use model::{EventId, RunId, Value};
use uuid::Uuid;

use super::Tables;
use crate::StoreError;
use crate::log::Logged;
use crate::overlay::{
    Bytes, DefinitionText, Due, Heard, Layer, Layers, Listening, Packed, Part, Recognised, RecordId, Row, Table, Text,
    Version,
};
use crate::rows::{
    CachedAnswer, EventRow, FeedPositionRow, InboxRow, IntentRow, JournalRow, Mutation, RunRow, SyncedRow,
    TransactionRow, WorkItemRow, WorkItemStatus,
};

/// Works mutations into a generation of their own.
pub(super) struct Resolver<'a> {
    group: Layer,
    below: &'a [&'a Layer],
    tables: Tables<'a>,
}

/// The instant as the database keeps it.
pub(super) fn to_microseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

fn taken(columns: &str) -> StoreError {
    StoreError::Database(format!("UNIQUE constraint failed: {columns}"))
}

impl<'a> Resolver<'a> {
    /// On top of these generations (the newest first) and of the tables.
    pub(super) fn new(below: &'a [&'a Layer], tables: Tables<'a>) -> Self {
        Self { group: Layer::default(), below, tables }
    }

    /// What came of all mutations.
    pub(super) fn into_layer(self) -> Layer {
        self.group
    }

    fn layers(&self) -> Layers<'_> {
        Layers::new(&self.group, self.below)
    }

    /// Works one in, as it stands in the log.
    ///
    /// # Errors
    /// When it is refused, or the tables cannot be read. What was worked in before it of the same batch has to be given up then.
    pub(super) fn apply(&mut self, mutation: &Mutation, logged: Logged<'_>) -> Result<(), StoreError> {
        let Logged { size: bytes, text } = logged;
        match mutation {
            Mutation::PutRun(row) => self.put_run(row, bytes)?,
            Mutation::RemoveRun(id) => {
                self.remove_parts(*id)?;
                self.remove_of_run(*id, |layer| &mut layer.runs, *id);
            }
            Mutation::ForgetRun(id) => self.forget_run(*id)?,
            Mutation::PutIntent(row) => self.put_intent(row, logged)?,
            Mutation::RemoveIntent(id) => self.group.intents.set(*id, None, 0),
            Mutation::AppendJournal(row) => {
                let row = JournalRow { at: to_microseconds(row.at), ..row.clone() };
                self.group.append_journal(Packed::new(row, text), bytes);
            }
            Mutation::PutTransaction(row) => self.put_transaction(row, bytes)?,
            Mutation::PutReference(row) => {
                let key = (row.object.clone(), row.key.clone(), row.connection.clone());
                self.group.references.set(key, Some(RecordId(row.record_id.clone())), bytes);
            }
            Mutation::RemoveReference { object, key, connection } => {
                self.group.references.set((object.clone(), key.clone(), connection.clone()), None, bytes);
            }
            Mutation::PutWorkItem(row) => {
                let (opened_at, due_at) = (to_microseconds(row.opened_at), to_microseconds(row.due_at));
                let row = WorkItemRow { opened_at, due_at, ..row.clone() };
                self.group.work_items.set(row.id, Some(row), bytes);
            }
            Mutation::WithdrawWorkItems { transaction, run, position, resolution } => {
                for item in self.open_items(*transaction, *run, position)? {
                    let item =
                        WorkItemRow { status: WorkItemStatus::Withdrawn, resolution: Value::clone(resolution), ..item };
                    self.group.work_items.set(item.id, Some(item), bytes);
                }
            }
            Mutation::AppendEvent(row) => self.append_event(row, logged)?,
            Mutation::RemoveEvent { correlation, id } => {
                self.group.events.set((*id, correlation.clone()), None, bytes);
            }
            Mutation::RemoveEventsBefore { before, limit } => self.remove_events_before(*before, *limit)?,
            Mutation::RemoveAnswersBefore { before, limit } => self.remove_answers_before(*before, *limit)?,
            Mutation::PutListener(row) => {
                let key = (row.run, row.position.clone(), row.correlation.clone());
                self.group.listeners.set(key, Some(Listening), bytes);
            }
            Mutation::RemoveListeners { run, position } => self.remove_listeners(*run, Some(position))?,
            Mutation::PutHeard { run, event } => self.group.heard.set((*run, *event), Some(Heard), 0),
            Mutation::PutFeedPosition(row) => {
                let key = (row.connection.clone(), row.feed.clone());
                let row = FeedPositionRow { at: to_microseconds(row.at), ..row.clone() };
                self.group.feed_positions.set(key, Some(row), bytes);
            }
            Mutation::PutInbox(row) => {
                let key = (row.connection.clone(), row.id.clone());
                if !self.is_there(|layer| &layer.inbox, &key, |tables| tables.has_inbox(&key.0, &key.1))? {
                    let row = InboxRow { at: to_microseconds(row.at), ..row.clone() };
                    self.group.inbox.set(key, Some(Packed::new(row, text)), bytes);
                }
            }
            Mutation::RemoveInbox { connection, id } => {
                self.group.inbox.set((connection.clone(), id.clone()), None, bytes);
            }
            Mutation::PutRecordVersion(row) => {
                let key = (row.connection.clone(), row.record.clone(), row.id.clone());
                self.group.record_versions.set(key, Some(Version(row.version.clone())), bytes);
            }
            Mutation::PutSynced(row) => {
                let key = (row.object.clone(), row.key.clone());
                let row = SyncedRow { updated_at: to_microseconds(row.updated_at), ..row.clone() };
                self.group.synced.set(key, Some(Packed::new(row, text)), bytes);
            }
            Mutation::PutMatchKeys { object, key, values } => self.put_match_keys(object, key, values, bytes)?,
            Mutation::PutTimer(row) => {
                let due = Due(to_microseconds(row.due_at));
                self.group.timers.set((row.run, row.position.clone()), Some(due), bytes);
            }
            Mutation::RemoveTimer { run, position } => {
                self.remove_of_run(*run, |layer| &mut layer.timers, (*run, position.clone()));
            }
            Mutation::PutAnswer(row) => {
                let key = (row.api.clone(), row.key.clone());
                let row = CachedAnswer { at: to_microseconds(row.at), ..row.clone() };
                self.group.answers.set(key, Some(row), bytes);
            }
            Mutation::PutDefinition { hash, text } => {
                let there = |tables: Tables<'_>| Ok(tables.definition(hash)?.is_some());
                if !self.is_there(|layer| &layer.definitions, hash, there)? {
                    self.group.definitions.set(hash.clone(), Some(DefinitionText(text.clone())), bytes);
                }
            }
        }
        Ok(())
    }

    fn is_there<K: Ord + Clone + 'static, V: Row<K>>(
        &self,
        table: fn(&Layer) -> &Table<K, V>,
        key: &K,
        in_tables: impl FnOnce(Tables<'a>) -> Result<bool, StoreError>,
    ) -> Result<bool, StoreError> {
        match self.layers().held(table, key) {
            Some(row) => Ok(row.is_some()),
            None => in_tables(self.tables),
        }
    }

    /// Removes a row of a run. Of a run that began in this very group the database knows nothing.
    fn remove_of_run<K: Ord + Clone + 'static, V: Row<K>>(
        &mut self,
        run: RunId,
        table: fn(&mut Layer) -> &mut Table<K, V>,
        key: K,
    ) {
        match self.group.born.contains(&run) {
            true => table(&mut self.group).erase(&key),
            false => table(&mut self.group).set(key, None, 0),
        }
    }

    /// Keys of the rows of a run that are there: those of the generations, and of the tables where they may know some.
    fn of_run<K: Ord + Clone + 'static, V: Row<K>>(
        &self,
        run: RunId,
        table: fn(&Layer) -> &Table<K, V>,
        first: &K,
        belongs: impl Fn(&K) -> bool,
        stored: impl FnOnce(Tables<'a>) -> Result<Vec<K>, StoreError>,
    ) -> Result<BTreeSet<K>, StoreError> {
        let layers = self.layers();
        let mut keys: BTreeSet<K> = match layers.is_born(run) {
            true => BTreeSet::new(),
            false => stored(self.tables)?.into_iter().filter(|key| layers.held(table, key).is_none()).collect(),
        };
        let held = layers.from(table, first, belongs);
        keys.extend(held.into_iter().filter(|key| layers.there(table, key).is_some()).cloned());
        Ok(keys)
    }

    fn put_run(&mut self, row: &RunRow, bytes: usize) -> Result<(), StoreError> {
        let id = row.id;
        let known = self.layers().held(|layer| &layer.runs, &id);
        if !matches!(known, Some(Some(_))) {
            let (layers, place) = (self.layers(), (row.workflow.clone(), row.key.clone()));
            let other = layers.at(|layer| &layer.runs, &place).into_keys().any(|owner| *owner != id);
            let stored = self.tables.run_of_key(&row.workflow, &row.key)?;
            let stored_other =
                stored.is_some_and(|owner| owner != id && layers.held(|layer| &layer.runs, &owner).is_none());
            if other || stored_other {
                return Err(taken("runs.workflow, runs.key"));
            }
            if known.is_none() && stored != Some(id) {
                self.group.born.insert(id);
            }
        }
        if row.state.is_empty() {
            self.remove_parts(id)?;
        } else {
            for part in &row.parts {
                let content = Part(part.content.clone());
                self.group.parts.set((id, part.number), Some(content), part.content.len());
            }
            for number in &row.removed_parts {
                self.remove_of_run(id, |layer| &mut layer.parts, (id, *number));
            }
        }
        let parts: usize = row.parts.iter().map(|part| part.content.len()).sum();
        let row = RunRow {
            id,
            workflow: row.workflow.clone(),
            definition: row.definition.clone(),
            key: row.key.clone(),
            transaction: row.transaction,
            status: row.status,
            state: row.state.clone(),
            parts: Vec::new(),
            removed_parts: Vec::new(),
            started_at: to_microseconds(row.started_at),
            updated_at: to_microseconds(row.updated_at),
            in_doubt: row.in_doubt,
        };
        self.group.runs.set(id, Some(row), bytes.saturating_sub(parts));
        Ok(())
    }

    fn remove_parts(&mut self, run: RunId) -> Result<(), StoreError> {
        let stored =
            |tables: Tables<'_>| Ok(tables.part_numbers(run)?.into_iter().map(|number| (run, number)).collect());
        for key in self.of_run(run, |layer| &layer.parts, &(run, 0), |key| key.0 == run, stored)? {
            self.remove_of_run(run, |layer| &mut layer.parts, key);
        }
        Ok(())
    }

    fn remove_listeners(&mut self, run: RunId, place: Option<&Bytes>) -> Result<(), StoreError> {
        let first = (run, place.cloned().unwrap_or_default(), Bytes::new());
        let belongs = |key: &(RunId, Bytes, Bytes)| key.0 == run && place.is_none_or(|place| key.1 == *place);
        let stored = |tables: Tables<'_>| {
            let rows = tables.listeners_of_run(run)?.into_iter();
            Ok(rows.map(|(position, correlation)| (run, position, correlation)).filter(belongs).collect())
        };
        for key in self.of_run(run, |layer| &layer.listeners, &first, belongs, stored)? {
            self.remove_of_run(run, |layer| &mut layer.listeners, key);
        }
        Ok(())
    }

    fn forget_run(&mut self, run: RunId) -> Result<(), StoreError> {
        let stored =
            |tables: Tables<'_>| Ok(tables.timers_of_run(run)?.into_iter().map(|position| (run, position)).collect());
        for key in self.of_run(run, |layer| &layer.timers, &(run, Bytes::new()), |key| key.0 == run, stored)? {
            self.remove_of_run(run, |layer| &mut layer.timers, key);
        }
        self.remove_listeners(run, None)?;
        let first = (run, EventId::new(Uuid::nil()));
        let stored = |tables: Tables<'_>| Ok(tables.heard_of_run(run)?.into_iter().map(|event| (run, event)).collect());
        for key in self.of_run(run, |layer| &layer.heard, &first, |key| key.0 == run, stored)? {
            self.remove_of_run(run, |layer| &mut layer.heard, key);
        }
        Ok(())
    }

    fn put_intent(&mut self, row: &IntentRow, logged: Logged<'_>) -> Result<(), StoreError> {
        let layers = self.layers();
        if let (Some(key), None | Some(None)) = (&row.business_key, layers.held(|layer| &layer.intents, &row.id)) {
            let place = (row.connection.clone(), row.function.clone(), key.clone());
            let other = layers.at(|layer| &layer.intents, &place).into_keys().any(|owner| *owner != row.id);
            let stored = self.tables.intent_of_business_key(&row.connection, &row.function, key)?;
            let held = |owner| layers.held(|layer| &layer.intents, &owner).is_some();
            if other || stored.is_some_and(|owner| owner != row.id && !held(owner)) {
                return Err(taken("intents.connection, intents.function, intents.business_key"));
            }
        }
        let row = IntentRow { created_at: to_microseconds(row.created_at), ..row.clone() };
        self.group.intents.set(row.id, Some(Packed::new(row, logged.text)), logged.size);
        Ok(())
    }

    fn put_transaction(&mut self, row: &TransactionRow, bytes: usize) -> Result<(), StoreError> {
        let layers = self.layers();
        if layers.held(|layer| &layer.transactions, &row.id).is_none() {
            let place = (row.object.clone(), row.key.clone());
            let other = layers.at(|layer| &layer.transactions, &place).into_keys().any(|owner| *owner != row.id);
            let stored = self.tables.id_of_transaction(&row.object, &row.key)?;
            if other || stored.is_some_and(|owner| owner != row.id) {
                return Err(taken("transactions.object, transactions.key"));
            }
        }
        let (opened_at, updated_at) = (to_microseconds(row.opened_at), to_microseconds(row.updated_at));
        self.group.transactions.set(row.id, Some(TransactionRow { opened_at, updated_at, ..row.clone() }), bytes);
        Ok(())
    }

    fn open_items(
        &self,
        transaction: model::TransactionId,
        run: RunId,
        position: &Bytes,
    ) -> Result<Vec<WorkItemRow>, StoreError> {
        let layers = self.layers();
        let fits = |item: &WorkItemRow| {
            item.status == WorkItemStatus::Open
                && item.run.as_ref().is_some_and(|(of, place)| *of == run && place == position)
        };
        let mut items = self.tables.open_items_of(transaction, run, position)?;
        items.retain(|item| layers.held(|layer| &layer.work_items, &item.id).is_none());
        let held = layers.at(|layer| &layer.work_items, &transaction);
        items.extend(held.into_values().filter(|item| fits(item)).cloned());
        Ok(items)
    }

    fn append_event(&mut self, row: &EventRow, logged: Logged<'_>) -> Result<(), StoreError> {
        let key = (row.id, row.correlation.clone());
        if !self.is_there(|layer| &layer.events, &key, |tables| tables.has_event(row.id, &row.correlation))? {
            let row = EventRow { at: to_microseconds(row.at), ..row.clone() };
            self.group.events.set(key, Some(Packed::new(row, logged.text)), logged.size);
        }
        Ok(())
    }

    fn remove_events_before(&mut self, before: Timestamp, limit: u32) -> Result<(), StoreError> {
        let (layers, before) = (self.layers(), to_microseconds(before));
        // As many of those in the tables as may be gone already are read besides.
        let asked = (limit as usize).saturating_add(layers.len(|layer| &layer.events));
        let stored = self.tables.events_before(before, asked)?;
        let mut old: Vec<(Timestamp, (EventId, Bytes))> =
            stored.into_iter().filter(|(_, key)| layers.held(|layer| &layer.events, key).is_none()).collect();
        for (key, _) in layers.each().flat_map(|layer| layer.events.rows()) {
            if let Some(row) = layers.there(|layer| &layer.events, key).filter(|row| row.at < before) {
                old.push((row.at, key.clone()));
            }
        }
        old.sort_unstable();
        old.dedup();
        old.truncate(limit as usize);
        old.into_iter().for_each(|(_, key)| self.group.events.set(key, None, 0));
        Ok(())
    }

    fn remove_answers_before(&mut self, before: Timestamp, limit: u32) -> Result<(), StoreError> {
        let (layers, before) = (self.layers(), to_microseconds(before));
        let asked = (limit as usize).saturating_add(layers.len(|layer| &layer.answers));
        let stored = self.tables.answers_before(before, asked)?;
        let mut old: Vec<(Timestamp, (Text, Text))> =
            stored.into_iter().filter(|(_, key)| layers.held(|layer| &layer.answers, key).is_none()).collect();
        for (key, _) in layers.each().flat_map(|layer| layer.answers.rows()) {
            if let Some(row) = layers.there(|layer| &layer.answers, key).filter(|row| row.at < before) {
                old.push((row.at, key.clone()));
            }
        }
        old.sort_unstable();
        old.dedup();
        old.truncate(limit as usize);
        old.into_iter().for_each(|(_, key)| self.group.answers.set(key, None, 0));
        Ok(())
    }

    fn put_match_keys(&mut self, object: &Text, key: &Text, values: &[Text], bytes: usize) -> Result<(), StoreError> {
        let layers = self.layers();
        let of_value = |value: &Text| (object.clone(), value.clone(), key.clone());
        let stored = self.tables.values_of_match(object, key)?;
        let mut before: BTreeSet<(Text, Text, Text)> =
            stored.iter().map(of_value).filter(|key| layers.held(|layer| &layer.match_keys, key).is_none()).collect();
        let held = layers.at(|layer| &layer.match_keys, &(object.clone(), key.clone()));
        before.extend(held.into_keys().cloned());
        let after: BTreeSet<(Text, Text, Text)> = values.iter().map(of_value).collect();
        let each = bytes / values.len().max(1);
        for gone in before.difference(&after) {
            self.group.match_keys.set(gone.clone(), None, each);
        }
        for new in after.difference(&before) {
            self.group.match_keys.set(new.clone(), Some(Recognised), each);
        }
        Ok(())
    }
}
