//! One generation of what is in the log and not in the tables: for every table the rows that were written or removed.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use model::{EventId, IntentId, RunId, TransactionId, WorkItemId};

use super::packed::Packed;
use super::table::{Row, Table};
use crate::rows::{
    CachedAnswer, EventRow, FeedPositionRow, InboxRow, IntentRow, JournalRow, RunRow, SyncedRow, TransactionRow,
    WorkItemRow,
};

/// Where in a run, as the machine writes it; the hash that events are found by.
pub(crate) type Bytes = Vec<u8>;
pub(crate) type Text = Arc<str>;

macro_rules! layer {
    ($($(#[$doc:meta])* $table:ident: $key:ty => $row:ty,)*) => {
        /// Rows that were written or removed, all durable in the log.
        #[derive(Debug, Clone, Default)]
        pub(crate) struct Layer {
            $($(#[$doc])* pub(crate) $table: Table<$key, $row>,)*
            /// Lines of timelines, in their order, with what they take.
            pub(crate) journal: Vec<(Packed<JournalRow>, usize)>,
            journal_bytes: usize,
            /// Runs that began in this generation. What belongs to a run is written with its row or later, so the database knows nothing
            /// of them.
            pub(crate) born: HashSet<RunId>,
        }

        impl Layer {
            /// About how much memory it takes.
            pub(crate) fn bytes(&self) -> usize {
                self.journal_bytes $(+ self.$table.bytes())*
            }

            /// Whether nothing was written or removed.
            pub(crate) fn is_empty(&self) -> bool {
                self.journal.is_empty() $(&& self.$table.is_empty())*
            }
        }
    };
}

layer! {
    /// Without their parts.
    runs: RunId => RunRow,
    parts: (RunId, u32) => Part,
    intents: IntentId => Packed<IntentRow>,
    transactions: TransactionId => TransactionRow,
    /// By object, key and connection: the record's id.
    references: (Text, Text, Text) => RecordId,
    work_items: WorkItemId => WorkItemRow,
    events: (EventId, Bytes) => Packed<EventRow>,
    /// By run, position and correlation.
    listeners: (RunId, Bytes, Bytes) => Listening,
    heard: (RunId, EventId) => Heard,
    /// By connection and feed.
    feed_positions: (Text, Text) => FeedPositionRow,
    /// By connection and id.
    inbox: (Text, Text) => Packed<InboxRow>,
    /// By connection, kind of record and id: the version.
    record_versions: (Text, Text, Text) => Version,
    /// By object and key.
    synced: (Text, Text) => Packed<SyncedRow>,
    /// By object, value and key.
    match_keys: (Text, Text, Text) => Recognised,
    /// By run and position.
    timers: (RunId, Bytes) => Due,
    /// By API and what was asked.
    answers: (Text, Text) => CachedAnswer,
    /// By hash.
    definitions: Text => DefinitionText,
}

/// The content of a part of a run.
#[derive(Debug, Clone)]
pub(crate) struct Part(pub(crate) Vec<u8>);
/// The id of a record in its connection.
#[derive(Debug, Clone)]
pub(crate) struct RecordId(pub(crate) Text);
/// That a run waits for events.
#[derive(Debug, Clone)]
pub(crate) struct Listening;
/// That a run has taken an event in.
#[derive(Debug, Clone)]
pub(crate) struct Heard;
/// The version of a record.
#[derive(Debug, Clone)]
pub(crate) struct Version(pub(crate) Text);
/// That an object is recognised by a value.
#[derive(Debug, Clone)]
pub(crate) struct Recognised;
/// When a run is woken.
#[derive(Debug, Clone)]
pub(crate) struct Due(pub(crate) Timestamp);
/// The text of a definition.
#[derive(Debug, Clone)]
pub(crate) struct DefinitionText(pub(crate) Text);

macro_rules! places {
    ($($row:ty, $key:ty, $place:ty: |$self:ident, $of:ident| $found:expr;)*) => {$(
        impl Row<$key> for $row {
            type Place = $place;

            fn place(&$self, $of: &$key) -> Option<$place> {
                $found
            }
        }
    )*};
}

places! {
    RunRow, RunId, (Text, Text): |self, _key| Some((self.workflow.clone(), self.key.clone()));
    Part, (RunId, u32), (): |self, _key| None;
    Packed<IntentRow>, IntentId, (Text, Text, Text): |self, _key| {
        self.business_key.clone().map(|key| (self.connection.clone(), self.function.clone(), key))
    };
    TransactionRow, TransactionId, (Text, Text): |self, _key| Some((self.object.clone(), self.key.clone()));
    RecordId, (Text, Text, Text), (Text, Text, Text): |self, key| Some((key.2.clone(), self.0.clone(), key.0.clone()));
    WorkItemRow, WorkItemId, TransactionId: |self, _key| Some(self.transaction);
    Packed<EventRow>, (EventId, Bytes), Bytes: |self, key| Some(key.1.clone());
    Listening, (RunId, Bytes, Bytes), Bytes: |self, key| Some(key.2.clone());
    Heard, (RunId, EventId), (): |self, _key| None;
    FeedPositionRow, (Text, Text), (): |self, _key| None;
    Packed<InboxRow>, (Text, Text), (): |self, _key| None;
    Version, (Text, Text, Text), (): |self, _key| None;
    Packed<SyncedRow>, (Text, Text), (): |self, _key| None;
    Recognised, (Text, Text, Text), (Text, Text): |self, key| Some((key.0.clone(), key.2.clone()));
    Due, (RunId, Bytes), Timestamp: |self, _key| Some(self.0);
    CachedAnswer, (Text, Text), (): |self, _key| None;
    DefinitionText, Text, (): |self, _key| None;
}

/// What a line of a timeline takes besides its content.
const LINE_BYTES: usize = 200;

impl Layer {
    pub(crate) fn append_journal(&mut self, row: Packed<JournalRow>, bytes: usize) {
        self.journal_bytes += bytes + LINE_BYTES;
        self.journal.push((row, bytes));
    }

    /// Takes in a generation that came after this one.
    pub(crate) fn absorb(&mut self, newer: Self) {
        if self.is_empty() && self.born.is_empty() {
            // Nothing to compare with: the first group of a generation, which may be a large one.
            *self = newer;
            return;
        }
        macro_rules! take {
            ($($table:ident)*) => {$(
                newer.$table.into_rows().for_each(|(key, row, bytes)| self.$table.set(key, row, bytes));
            )*};
        }
        macro_rules! take_of_runs {
            ($($table:ident($run:expr))*) => {$(
                for (key, row, bytes) in newer.$table.into_rows() {
                    match row {
                        None if self.born.contains(&$run(&key)) => self.$table.erase(&key),
                        row => self.$table.set(key, row, bytes),
                    }
                }
            )*};
        }
        self.born.extend(newer.born);
        take_of_runs!(
            runs(|key: &RunId| *key)
            parts(|key: &(RunId, u32)| key.0)
            listeners(|key: &(RunId, Bytes, Bytes)| key.0)
            heard(|key: &(RunId, EventId)| key.0)
            timers(|key: &(RunId, Bytes)| key.0)
        );
        for (id, row, bytes) in newer.intents.into_rows() {
            match (row, self.intents.get(&id)) {
                (None, Some(Some(before))) if self.born.contains(&before.run) => self.intents.erase(&id),
                (row, _) => self.intents.set(id, row, bytes),
            }
        }
        take!(transactions references work_items events feed_positions inbox record_versions synced match_keys answers definitions);
        newer.journal.into_iter().for_each(|(row, bytes)| self.append_journal(row, bytes));
    }
}

/// Generations, the newest first: what one says of a row is what counts, whatever those below it say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layers<'a> {
    newest: &'a Layer,
    below: &'a [&'a Layer],
}

impl<'a> Layers<'a> {
    pub(crate) const fn new(newest: &'a Layer, below: &'a [&'a Layer]) -> Self {
        Self { newest, below }
    }

    pub(crate) fn each(self) -> impl Iterator<Item = &'a Layer> {
        std::iter::once(self.newest).chain(self.below.iter().copied())
    }

    /// What is known of a row: `None` when only the database can say.
    pub(crate) fn held<K: Ord + Clone + 'static, V: Row<K>>(
        self,
        table: fn(&Layer) -> &Table<K, V>,
        key: &K,
    ) -> Option<Option<&'a V>> {
        self.each().find_map(|layer| table(layer).get(key))
    }

    /// The row, where it is there and not only the database knows it.
    pub(crate) fn there<K: Ord + Clone + 'static, V: Row<K>>(
        self,
        table: fn(&Layer) -> &Table<K, V>,
        key: &K,
    ) -> Option<&'a V> {
        self.held(table, key).flatten()
    }

    /// Whether a run began so recently that the database need not be asked for its rows.
    pub(crate) fn is_born(self, run: RunId) -> bool {
        self.each().any(|layer| layer.born.contains(&run))
    }

    /// The rows that stand at a place now and that not only the database knows.
    pub(crate) fn at<K: Ord + Clone + 'static, V: Row<K>>(
        self,
        table: fn(&Layer) -> &Table<K, V>,
        place: &V::Place,
    ) -> BTreeMap<&'a K, &'a V> {
        let keys = self.each().flat_map(|layer| table(layer).at(place));
        keys.filter_map(|key| Some((key, self.there(table, key)?)))
            .filter(|(key, row)| row.place(key).as_ref() == Some(place))
            .collect()
    }

    /// Keys that are written or removed, from this one on for as long as they belong.
    pub(crate) fn from<K: Ord + Clone + 'static, V: Row<K>>(
        self,
        table: fn(&Layer) -> &Table<K, V>,
        key: &K,
        belongs: impl Fn(&K) -> bool,
    ) -> BTreeSet<&'a K> {
        self.each().flat_map(|layer| table(layer).from(key.clone()).take_while(|key| belongs(key))).collect()
    }

    /// How many rows of a table are written or removed: as many of the database's may not count any more.
    pub(crate) fn len<K: Ord + Clone + 'static, V: Row<K>>(self, table: fn(&Layer) -> &Table<K, V>) -> usize {
        self.each().map(|layer| table(layer).len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use model::Value;

    use super::*;
    use crate::arbitrary::{at, text, uuid};

    fn line(number: u8) -> Packed<JournalRow> {
        let (transaction, kind, title) = (TransactionId::new(uuid(1)), "sent".into(), text("line ", number));
        let row = JournalRow { transaction, at: at(number), kind, connection: None, title, detail: Value::Null };
        Packed::new(row, "null")
    }

    #[test]
    fn the_first_group_of_a_generation_is_taken_whole_and_others_row_by_row() {
        let group = |number: u8| {
            let mut group = Layer::default();
            group.append_journal(line(number), 40);
            group.definitions.set(text("h", number), Some(DefinitionText(text("t", number))), 10);
            group.timers.set((RunId::new(uuid(1)), vec![number]), None, 10);
            group
        };
        let mut first = group(1);
        first.born.insert(RunId::new(uuid(2)));
        let (lines, bytes) = (first.journal.as_ptr(), first.bytes());
        let mut filling = Layer::default();
        filling.absorb(first);
        assert_eq!((filling.journal.as_ptr(), filling.bytes()), (lines, bytes));
        assert!(filling.born.contains(&RunId::new(uuid(2))));

        filling.absorb(group(2));
        let titles: Vec<&str> = filling.journal.iter().map(|(line, _)| &*line.title).collect();
        assert_eq!(titles, ["line 1", "line 2"]);
        assert_eq!((filling.definitions.len(), filling.timers.len(), filling.bytes()), (2, 2, 2 * bytes));

        // What began in this generation and went leaves it empty, but the run is known to be new.
        let mut filling = Layer::default();
        filling.born.insert(RunId::new(uuid(1)));
        filling.absorb(group(1));
        assert_eq!(filling.timers.len(), 0);
    }
}
