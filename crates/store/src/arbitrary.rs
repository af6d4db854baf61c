//! Mutations of all kinds over few keys, so that they meet each other.

use std::sync::Arc;

use jiff::Timestamp;
use model::{EventId, IntentId, Money, RunId, TransactionId, Value, WorkItemId};
use proptest::prelude::*;
use proptest::sample::select;
use uuid::Uuid;

use crate::rows::{
    CachedAnswer, EventRow, FeedPositionRow, InboxRow, IntentRow, IntentState, JournalRow, ListenerRow, Mutation,
    RecordVersionRow, ReferenceRow, RunPart, RunRow, RunStatus, SyncedRow, TimerRow, TransactionRow, WorkItemRow,
    WorkItemStatus,
};

/// How many keys there are of a kind.
pub(crate) const KEYS: u8 = 4;

pub(crate) fn uuid(number: u8) -> Uuid {
    Uuid::from_u128(u128::from(number) << 64 | 7)
}

pub(crate) fn text(prefix: &str, number: u8) -> Arc<str> {
    format!("{prefix}{number}").into()
}

/// An instant that is more exact than what is kept.
pub(crate) fn at(number: u8) -> Timestamp {
    Timestamp::new(1_760_000_000 + i64::from(number), 1_234_567).expect("an instant")
}

fn key() -> impl Strategy<Value = u8> {
    0..KEYS
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(Value::from("Müller")),
        (0..9_i64).prop_map(|number| Value::object([("n", number)])),
        Just(Value::array(["12.50".parse::<model::Decimal>().expect("a decimal")])),
    ]
}

fn money() -> impl Strategy<Value = Option<Money>> {
    let pounds = |amount: i32| Money {
        amount: format!("{amount}.10").parse().expect("an amount"),
        currency: "GBP".parse().expect("a currency"),
    };
    prop_oneof![Just(None), (0..99_i32).prop_map(move |amount| Some(pounds(amount)))]
}

fn run() -> impl Strategy<Value = RunRow> {
    let statuses = [RunStatus::Live, RunStatus::Failed, RunStatus::Completed];
    let parts = prop::collection::btree_map(1..4_u32, prop::collection::vec(any::<u8>(), 0..3), 0..3);
    let removed = prop::collection::vec(1..4_u32, 0..2);
    (key(), select(statuses.to_vec()), parts, removed, key(), any::<bool>()).prop_map(
        |(id, status, parts, removed_parts, updated, in_doubt)| RunRow {
            id: RunId::new(uuid(id)),
            workflow: "w".into(),
            definition: text("d", updated % 2),
            // The last one wants the key of the first.
            key: text("k", id % (KEYS - 1)),
            transaction: TransactionId::new(uuid(id)),
            status,
            state: if status == RunStatus::Completed { Vec::new() } else { vec![id, updated] },
            parts: parts.into_iter().map(|(number, content)| RunPart { number, content }).collect(),
            removed_parts,
            started_at: at(2),
            updated_at: at(updated),
            in_doubt,
        },
    )
}

fn intent() -> impl Strategy<Value = IntentRow> {
    (key(), 0..3_u32, select(vec![IntentState::Pending, IntentState::Unknown])).prop_map(|(id, attempts, state)| {
        IntentRow {
            id: IntentId::new(uuid(id)),
            run: RunId::new(uuid(id)),
            position: vec![id],
            connection: "erp".into(),
            function: "create".into(),
            business_key: (id > 0).then(|| text("b", id % (KEYS - 1))),
            request: Value::object([("n", i64::from(id))]),
            state,
            attempts,
            last_error: (attempts > 1).then(|| "timeout".into()),
            created_at: at(id),
        }
    })
}

fn work_item() -> impl Strategy<Value = WorkItemRow> {
    let statuses = [WorkItemStatus::Open, WorkItemStatus::Resolved, WorkItemStatus::Withdrawn];
    (key(), select(statuses.to_vec()), key(), money(), value()).prop_map(|(id, status, queue, amount, content)| {
        WorkItemRow {
            id: WorkItemId::new(uuid(id)),
            queue: text("q", queue),
            transaction: TransactionId::new(uuid(id % 2)),
            run: (id < KEYS - 1).then(|| (RunId::new(uuid(id % 2)), vec![id / 2])),
            status,
            title: "Order".into(),
            reason: "over the limit".into(),
            amount,
            content,
            opened_at: at(id),
            due_at: at(queue),
            resolution: Value::Null,
        }
    })
}

fn transaction() -> impl Strategy<Value = TransactionRow> {
    (key(), key(), money()).prop_map(|(id, stage, amount)| TransactionRow {
        id: TransactionId::new(uuid(id)),
        object: "quote".into(),
        key: text("Q", id % (KEYS - 1)),
        title: "Müller & Söhne".into(),
        stage: text("s", stage),
        closed: stage > 1,
        amount,
        opened_at: at(id),
        updated_at: at(stage),
    })
}

fn event() -> impl Strategy<Value = EventRow> {
    (key(), 0..2_u8, key(), value()).prop_map(|(id, correlation, second, envelope)| EventRow {
        id: EventId::new(uuid(id)),
        correlation: vec![correlation],
        envelope,
        at: at(second),
    })
}

fn of_runs() -> impl Strategy<Value = Mutation> {
    let id = || key().prop_map(|id| RunId::new(uuid(id)));
    let listener = (id(), 0..2_u8, 0..2_u8).prop_map(|(run, position, correlation)| {
        Mutation::PutListener(ListenerRow { correlation: vec![correlation], run, position: vec![position] })
    });
    let timer = (id(), 0..2_u8, key()).prop_map(|(run, position, due)| {
        Mutation::PutTimer(TimerRow { due_at: at(due), run, position: vec![position] })
    });
    prop_oneof![
        4 => run().prop_map(Mutation::PutRun),
        1 => id().prop_map(Mutation::RemoveRun),
        1 => id().prop_map(Mutation::ForgetRun),
        3 => listener,
        1 => (id(), 0..2_u8).prop_map(|(run, position)| Mutation::RemoveListeners { run, position: vec![position] }),
        2 => (id(), key()).prop_map(|(run, event)| Mutation::PutHeard { run, event: EventId::new(uuid(event)) }),
        2 => timer,
        1 => (id(), 0..2_u8).prop_map(|(run, position)| Mutation::RemoveTimer { run, position: vec![position] }),
        3 => intent().prop_map(Mutation::PutIntent),
        2 => key().prop_map(|id| Mutation::RemoveIntent(IntentId::new(uuid(id)))),
    ]
}

fn of_matters() -> impl Strategy<Value = Mutation> {
    let line = (key(), key(), value()).prop_map(|(transaction, second, detail)| {
        Mutation::AppendJournal(JournalRow {
            transaction: TransactionId::new(uuid(transaction)),
            at: at(second),
            kind: "sent".into(),
            connection: (second > 1).then(|| "erp".into()),
            title: text("line ", second),
            detail,
        })
    });
    let withdrawn = (0..2_u8, 0..2_u8, 0..2_u8, value()).prop_map(|(transaction, run, position, resolution)| {
        Mutation::WithdrawWorkItems {
            transaction: TransactionId::new(uuid(transaction)),
            run: RunId::new(uuid(run)),
            position: vec![position],
            resolution,
        }
    });
    let old = (key(), 0..3_u32).prop_map(|(before, limit)| Mutation::RemoveEventsBefore { before: at(before), limit });
    let outdated =
        (key(), 0..3_u32).prop_map(|(before, limit)| Mutation::RemoveAnswersBefore { before: at(before), limit });
    prop_oneof![
        2 => transaction().prop_map(Mutation::PutTransaction),
        2 => line,
        3 => work_item().prop_map(Mutation::PutWorkItem),
        1 => withdrawn,
        3 => event().prop_map(Mutation::AppendEvent),
        1 => event().prop_map(|row| Mutation::RemoveEvent { correlation: row.correlation, id: row.id }),
        1 => old,
        1 => outdated,
    ]
}

fn of_feeds() -> impl Strategy<Value = Mutation> {
    let reference = (key(), 0..2_u8).prop_map(|(key, record)| {
        let (key, record_id) = (text("k", key), text("r", record));
        Mutation::PutReference(ReferenceRow { object: "order".into(), key, connection: "erp".into(), record_id })
    });
    let no_reference = key().prop_map(|key| Mutation::RemoveReference {
        object: "order".into(),
        key: text("k", key),
        connection: "erp".into(),
    });
    let position = (0..2_u8, key()).prop_map(|(feed, position)| {
        let (feed, position, at) = (text("f", feed), vec![position], at(position));
        Mutation::PutFeedPosition(FeedPositionRow { connection: "crm".into(), feed, position, at })
    });
    let inbox = (key(), key(), value()).prop_map(|(id, second, content)| {
        Mutation::PutInbox(InboxRow { connection: "erp".into(), id: text("n", id), content, at: at(second) })
    });
    let version = (0..2_u8, key()).prop_map(|(id, version)| {
        let (id, version) = (text("i", id), text("v", version));
        Mutation::PutRecordVersion(RecordVersionRow { connection: "crm".into(), record: "Account".into(), id, version })
    });
    prop_oneof![
        3 => reference,
        1 => no_reference,
        1 => position,
        2 => inbox,
        1 => key().prop_map(|id| Mutation::RemoveInbox { connection: "erp".into(), id: text("n", id) }),
        1 => version,
    ]
}

fn of_objects() -> impl Strategy<Value = Mutation> {
    let synced = (key(), value(), key(), prop::collection::vec(key(), 0..3));
    let synced = synced.prop_map(|(key, state, second, links)| {
        let (transaction, title, key) = (TransactionId::new(uuid(key)), text("Title", second), text("k", key));
        let links = links.into_iter().map(|link| ("parent".into(), text("l", link))).collect();
        let (object, updated_at) = ("customer".into(), at(second));
        Mutation::PutSynced(SyncedRow { object, key, transaction, state, title, links, updated_at })
    });
    let match_keys = (key(), prop::collection::vec(key(), 0..3)).prop_map(|(key, values)| {
        let values = values.into_iter().map(|value| text("v", value)).collect();
        Mutation::PutMatchKeys { object: "order".into(), key: text("k", key), values }
    });
    let answer = (0..2_u8, value(), key()).prop_map(|(key, answer, second)| {
        Mutation::PutAnswer(CachedAnswer { api: "prices".into(), key: text("k", key), answer, at: at(second) })
    });
    let definition = (0..2_u8, key())
        .prop_map(|(hash, text_of)| Mutation::PutDefinition { hash: text("h", hash), text: text("t", text_of) });
    prop_oneof![2 => synced, 3 => match_keys, 1 => answer, 1 => definition]
}

/// Any mutation. What of a row never changes is the same for its key each time.
pub(crate) fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![3 => of_runs(), 2 => of_matters(), 1 => of_feeds(), 1 => of_objects()]
}
