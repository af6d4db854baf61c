//! Any batches, with generations that move to the tables in any steps and processes that end anywhere, are read back as if every
//! batch had been written to the tables at once.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use model::{EventId, IntentId, RunId, TransactionId, Value, WorkItemId};
use proptest::prelude::*;
use rusqlite::Connection;

use super::by_hand::{ALL, ByHand};
use super::together::{Lacking, Question, Unheard};
use super::{SqliteStore, Tables, direct, open};
use crate::arbitrary::{KEYS, at, mutation, text, uuid};
use crate::overlay::Layers;
use crate::rows::{EventRow, ListenerRow, Mutation, RunRow, RunStatus, WorkItemStatus};
use crate::{RunFilter, Store, StoreError, WorkItemFilter, WorkItemOrder};

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    /// These batches are committed as one group.
    Commit(Vec<Vec<Mutation>>),
    /// A generation is complete.
    Complete,
    /// It is written to the tables, but still in memory.
    Write,
    /// It leaves memory.
    LetGo,
    /// Something is asked of memory and the tables in turn, and these steps come meanwhile.
    Ask(Asked, Vec<Step>),
    /// The process ends, and another one begins.
    Kill,
}

/// What is asked, with a key.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Unheard(u8),
    Lacking(u8, u32),
}

fn step() -> impl Strategy<Value = Step> {
    let while_asked = || {
        let batches = prop::collection::vec(prop::collection::vec(mutation(), 0..6), 1..3);
        prop_oneof![
            6 => batches.prop_map(Step::Commit),
            2 => Just(Step::Complete),
            2 => Just(Step::Write),
            2 => Just(Step::LetGo),
        ]
    };
    let asked = prop_oneof![
        (0..KEYS).prop_map(Asked::Unheard),
        (0..KEYS, 1..3_u32).prop_map(|(key, limit)| Asked::Lacking(key, limit)),
    ];
    prop_oneof![
        12 => while_asked(),
        4 => (asked, prop::collection::vec(while_asked(), 1..5)).prop_map(|(asked, steps)| Step::Ask(asked, steps)),
        1 => Just(Step::Kill),
    ]
}

/// A question that something comes after, each time that it has asked the tables.
struct Interrupted<Q, F>(Q, F);

impl<Q: Question, F: FnMut()> Question for Interrupted<Q, F> {
    type Answer = Q::Answer;

    fn look(&self, layers: Layers<'_>) -> Result<Self::Answer, StoreError> {
        self.0.look(layers)
    }

    fn is_answered(&self) -> bool {
        self.0.is_answered()
    }

    fn ask(&mut self, tables: Tables<'_>) -> Result<(), StoreError> {
        self.0.ask(tables)?;
        (self.1)();
        Ok(())
    }

    fn forget(&mut self) {
        self.0.forget();
    }
}

/// The two that have to agree.
struct Both {
    by_hand: ByHand,
    direct: Direct,
}

impl Both {
    fn open(folder: &Path) -> Self {
        let direct = Direct(open::writer(&folder.join("direct.db")).expect("a database"));
        Self { by_hand: ByHand::open(&folder.join("store.db")), direct }
    }

    fn take(self, step: Step, folder: &Path) -> Result<Self, TestCaseError> {
        let Self { mut by_hand, mut direct } = self;
        match step {
            Step::Kill => {
                drop(by_hand);
                by_hand = ByHand::open(&folder.join("store.db"));
            }
            Step::Ask(asked, steps) => asked.ask(steps, &mut by_hand, &mut direct)?,
            step => step.take(&mut by_hand, &mut direct)?,
        }
        Ok(Self { by_hand, direct })
    }
}

impl Step {
    /// One that the same process goes on after.
    fn take(self, by_hand: &mut ByHand, direct: &mut Direct) -> Result<(), TestCaseError> {
        match self {
            Self::Commit(batches) => {
                let mut group = Vec::new();
                let mut expected = Vec::new();
                for batch in batches {
                    let batch = direct.sensible(batch);
                    expected.push(direct.commit(&batch));
                    group.push(batch);
                }
                let results: Vec<bool> = by_hand.commit(&group).iter().map(Result::is_ok).collect();
                prop_assert_eq!(results, expected);
            }
            Self::Complete => by_hand.complete(),
            Self::Write => by_hand.write(),
            Self::LetGo => by_hand.let_go(),
            Self::Ask(..) | Self::Kill => unreachable!("not while something is asked"),
        }
        Ok(())
    }
}

impl Asked {
    /// The answer is what there is at its end, however far the steps have come by then.
    fn ask(self, steps: Vec<Step>, by_hand: &mut ByHand, direct: &mut Direct) -> Result<(), TestCaseError> {
        let store = Arc::clone(&by_hand.store);
        let (mut steps, mut taken) = (steps.into_iter(), Ok(()));
        let meanwhile = || {
            if let (Some(step), Ok(())) = (steps.next(), &taken) {
                taken = step.take(by_hand, direct);
            }
        };
        match self {
            Self::Unheard(key) => {
                let run = RunId::new(uuid(key));
                let found = store.together(Interrupted(Unheard::new(run), meanwhile)).expect("a read");
                taken?;
                let mut found: Vec<(Vec<u8>, EventId)> =
                    found.into_iter().map(|(place, event)| (place, event.id)).collect();
                let mut expected = direct::unheard(&direct.0, run);
                found.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(found, expected);
            }
            Self::Lacking(key, limit) => {
                let (value, limit) = (text("v", key), limit as usize);
                let found = store.together(Interrupted(Lacking::new("order", &value, "erp", limit), meanwhile));
                taken?;
                let tables = Tables::new(&direct.0, "direct");
                prop_assert_eq!(found, tables.keys_lacking("order", &value, "erp", limit));
            }
        }
        Ok(())
    }
}

/// What the tables say when all was written to them at once.
struct Direct(Connection);

impl Direct {
    fn commit(&mut self, batch: &[Mutation]) -> bool {
        let transaction = self.0.transaction().expect("a transaction");
        let written = batch.iter().try_for_each(|mutation| direct::write(&transaction, mutation));
        written.is_ok() && transaction.commit().is_ok()
    }

    /// The batch without what nobody does: write what belongs to a run that is not there, or remove a run and leave that.
    fn sensible(&self, batch: Vec<Mutation>) -> Vec<Mutation> {
        let tables = Tables::new(&self.0, "direct");
        let all = tables.runs(&RunFilter::default(), ALL).expect("runs");
        let mut there: BTreeSet<RunId> = all.iter().map(|row| row.id).collect();
        let mut sensible = Vec::new();
        for mutation in batch {
            let of = match &mutation {
                Mutation::PutRun(row) => {
                    there.insert(row.id);
                    None
                }
                Mutation::RemoveRun(id) => {
                    there.remove(id);
                    sensible.extend([Mutation::ForgetRun(*id), Mutation::RemoveIntent(IntentId::new(id.uuid()))]);
                    None
                }
                Mutation::PutListener(row) => Some(row.run),
                Mutation::PutTimer(row) => Some(row.run),
                Mutation::PutHeard { run, .. } => Some(*run),
                Mutation::PutIntent(row) => Some(row.run),
                _ => None,
            };
            if of.is_none_or(|run| there.contains(&run)) {
                sensible.push(mutation);
            }
        }
        sensible
    }
}

fn same_rows(store: &SqliteStore, direct: &Direct) -> Result<(), TestCaseError> {
    let tables = Tables::new(&direct.0, "direct");
    for key in 0..KEYS {
        let (run, transaction) = (RunId::new(uuid(key)), TransactionId::new(uuid(key)));
        let expected = tables.run(run).map(|row| {
            row.map(|row| RunRow { parts: if row.state.is_empty() { Vec::new() } else { row.parts.clone() }, ..row })
        });
        prop_assert_eq!(store.run(run), expected);
        prop_assert_eq!(store.intents_of_run(run), tables.intents_of_run(run));
        prop_assert_eq!(store.run_of_key("w", &text("k", key)), tables.run_of_key("w", &text("k", key)));
        prop_assert_eq!(store.transaction(transaction), tables.transaction(transaction));
        let quote = text("Q", key);
        prop_assert_eq!(store.transaction_of_key("quote", &quote), tables.transaction_of_key("quote", &quote));
        let name = text("k", key);
        prop_assert_eq!(store.reference("order", &name, "erp"), tables.reference("order", &name, "erp"));
        let record = text("r", key);
        let first = tables.references_of_record("order", "erp", &record).map(|rows| rows.into_iter().next());
        prop_assert_eq!(store.reference_of_record("order", "erp", &record), first);
        prop_assert_eq!(store.work_item(WorkItemId::new(uuid(key))), tables.work_item(WorkItemId::new(uuid(key))));
        let filter = WorkItemFilter { transaction: Some(transaction), ..WorkItemFilter::default() };
        prop_assert_eq!(store.work_items(&filter, ALL), tables.work_items(&filter, ALL));
        for order in [WorkItemOrder::Due, WorkItemOrder::Amount, WorkItemOrder::Latest] {
            let filter = WorkItemFilter { status: Some(WorkItemStatus::Open), order, ..filter.clone() };
            prop_assert_eq!(store.work_items(&filter, ALL), tables.work_items(&filter, ALL));
            let filter = WorkItemFilter { status: None, over: true, ..filter };
            prop_assert_eq!(store.work_items(&filter, ALL), tables.work_items(&filter, ALL));
        }
        prop_assert_eq!(store.events(&[key]), tables.events(&[key]));
        let listeners: Result<Vec<_>, _> =
            store.listeners(&[key]).map(|rows| rows.into_iter().map(|row| (row.run, row.position)).collect());
        prop_assert_eq!(listeners, tables.listeners(&[key]));
        let mut unheard: Vec<(Vec<u8>, EventId)> =
            store.unheard(run, 1_000).expect("a read").into_iter().map(|(place, event)| (place, event.id)).collect();
        let mut expected = direct::unheard(&direct.0, run);
        unheard.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(unheard, expected);
        let feed = text("f", key);
        prop_assert_eq!(store.feed_position("crm", &feed), tables.feed_position("crm", &feed));
        let id = text("i", key);
        prop_assert_eq!(store.record_version("crm", "Account", &id), tables.record_version("crm", "Account", &id));
        prop_assert_eq!(store.synced("customer", &name), tables.synced("customer", &name));
        for limit in [1, 2, 9] {
            let value = text("v", key);
            let expected = tables.keys_of_match("order", &value, limit as usize);
            prop_assert_eq!(store.matches("order", &value, None, limit), expected);
            let expected = tables.keys_lacking("order", &value, "erp", limit as usize);
            prop_assert_eq!(store.matches("order", &value, Some("erp"), limit), expected);
            let due =
                store.timers_due(at(key), limit).map(|rows| rows.iter().map(|row| row.due_at).collect::<Vec<_>>());
            let expected = tables.timers_due(at(key), limit as usize);
            prop_assert_eq!(due, expected.map(|rows| rows.iter().map(|row| row.due_at).collect()));
        }
        prop_assert_eq!(store.inbox_row("erp", &text("n", key)), tables.inbox_row("erp", &text("n", key)));
        prop_assert_eq!(store.answer("prices", &name), tables.answer("prices", &name));
        prop_assert_eq!(store.definition(&text("h", key)), tables.definition(&text("h", key)));
    }
    let first = tables.timers_due(Timestamp::MAX, 1).map(|rows| rows.first().map(|row| row.due_at));
    prop_assert_eq!(store.next_timer(), first);
    let oldest = tables.events_before(Timestamp::MAX, 1).map(|rows| rows.first().map(|(at, _)| *at));
    prop_assert_eq!(store.oldest_event(), oldest);
    let oldest = tables.answers_before(Timestamp::MAX, 1).map(|rows| rows.first().map(|(at, _)| *at));
    prop_assert_eq!(store.oldest_answer(), oldest);
    let mut inbox = tables.inbox().expect("a read");
    inbox.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    prop_assert_eq!(store.inbox(), Ok(inbox));
    Ok(())
}

/// The lists that wait for the tables.
fn same_lists(store: &SqliteStore, direct: &Direct) -> Result<(), TestCaseError> {
    let tables = Tables::new(&direct.0, "direct");
    let filter = RunFilter::default();
    prop_assert_eq!(store.runs(&filter, ALL), tables.runs(&filter, ALL));
    prop_assert_eq!(store.live_runs(), tables.live_runs());
    prop_assert_eq!(store.live_definitions(), tables.live_definitions());
    prop_assert_eq!(store.intents(), tables.intents());
    for transaction in (0..KEYS).map(|key| TransactionId::new(uuid(key))) {
        prop_assert_eq!(store.journal(transaction, ALL), tables.journal(transaction, ALL));
    }
    prop_assert_eq!(store.transactions("", ALL), tables.transactions("", ALL));
    prop_assert_eq!(store.stage_totals(), tables.stage_totals());
    prop_assert_eq!(store.queue_totals(Timestamp::UNIX_EPOCH), tables.queue_totals(Timestamp::UNIX_EPOCH));
    let filter = WorkItemFilter::default();
    prop_assert_eq!(store.work_items(&filter, ALL), tables.work_items(&filter, ALL));
    prop_assert_eq!(store.listening_runs(None, 9), tables.listening_runs(None, 9));
    prop_assert_eq!(store.references_after("order", "erp", "", 9), tables.references_after("order", "erp", "", 9));
    prop_assert_eq!(store.synced_after("customer", "", 9), tables.synced_after("customer", "", 9));
    prop_assert_eq!(store.synced_beginning("customer", "k", 9), tables.synced_beginning("customer", "k", 9));
    prop_assert_eq!(
        store.synced_titled("customer", "title", ("", ""), 9),
        tables.synced_titled("customer", "title", ("", ""), 9)
    );
    for link in (0..KEYS).map(|key| text("l", key)) {
        prop_assert_eq!(
            store.synced_linked("customer", "parent", &link, 9),
            tables.synced_linked("customer", "parent", &link, 9)
        );
    }
    Ok(())
}

#[test]
fn what_moves_into_the_tables_while_they_are_asked_is_not_missed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut both = Both::open(folder.path());
    let run = RunRow {
        id: RunId::new(uuid(1)),
        workflow: "w".into(),
        definition: "d".into(),
        key: "k".into(),
        transaction: TransactionId::new(uuid(1)),
        status: RunStatus::Live,
        state: vec![1],
        parts: Vec::new(),
        removed_parts: Vec::new(),
        started_at: at(0),
        updated_at: at(0),
        in_doubt: false,
    };
    let event = EventRow { id: EventId::new(uuid(1)), correlation: vec![1], envelope: Value::Null, at: at(1) };
    let listener = ListenerRow { correlation: vec![1], run: run.id, position: vec![1] };
    let recognised = Mutation::PutMatchKeys { object: "order".into(), key: "k1".into(), values: vec![text("v", 1)] };
    let commit = |batch: Vec<Mutation>| Step::Commit(vec![batch]);
    let steps = [
        commit(vec![Mutation::PutRun(run), Mutation::AppendEvent(event)]),
        Step::Complete,
        Step::LetGo,
        commit(vec![Mutation::PutListener(listener)]),
        Step::Complete,
        Step::Ask(Asked::Unheard(1), vec![Step::LetGo]),
        commit(vec![recognised]),
        Step::Complete,
        Step::Ask(Asked::Lacking(1, 2), vec![Step::LetGo]),
    ];
    for step in steps {
        both = both.take(step, folder.path()).expect("the same");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_log_and_memory_in_front_of_the_tables_change_nothing(steps in prop::collection::vec(step(), 1..24)) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut both = Both::open(folder.path());
        for step in steps {
            both = both.take(step, folder.path())?;
            same_rows(&both.by_hand.store, &both.direct)?;
        }
        let Both { mut by_hand, direct } = both;
        by_hand.let_go();
        by_hand.complete();
        by_hand.let_go();
        same_rows(&by_hand.store, &direct)?;
        same_lists(&by_hand.store, &direct)?;
        drop(by_hand);
        let by_hand = ByHand::open(&folder.path().join("store.db"));
        same_lists(&by_hand.store, &direct)?;
    }
}
