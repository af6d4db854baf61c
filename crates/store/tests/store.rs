//! What every store has to do, tried on SQLite through its contract.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use model::{EventId, IntentId, Money, RunId, TransactionId, Value, WorkItemId};
use store::{
    CachedAnswer, EventRow, FeedPositionRow, InboxRow, IntentRow, IntentState, JournalRow, ListenerRow, Mutation, Page,
    ReferenceRow, RunFilter, RunPart, RunRow, RunStatus, SqliteStore, Store, StoreError, SyncedRow, TimerRow,
    TransactionRow, WorkItemFilter, WorkItemOrder, WorkItemRow, WorkItemStatus,
};

const ALL: Page = Page { offset: 0, limit: 1_000 };

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_760_000_000 + second).expect("an instant")
}

fn gbp(amount: &str) -> Option<Money> {
    Some(Money { amount: amount.parse().expect("an amount"), currency: "GBP".parse().expect("a currency") })
}

fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(&folder.join("data/interlock.db")).expect("a store")
}

fn a_run(key: &str) -> RunRow {
    RunRow {
        id: RunId::now(),
        workflow: "quote-to-cash".into(),
        definition: "abc".into(),
        key: key.into(),
        transaction: TransactionId::now(),
        status: RunStatus::Live,
        state: vec![1, 2, 3],
        parts: Vec::new(),
        removed_parts: Vec::new(),
        started_at: at(0),
        updated_at: at(1),
        in_doubt: false,
    }
}

fn an_intent(run: RunId, business_key: &str) -> IntentRow {
    IntentRow {
        id: IntentId::now(),
        run,
        position: vec![7],
        connection: "erp".into(),
        function: "create-order".into(),
        business_key: Some(business_key.into()),
        request: Value::object([("amount", Value::from("12.50".parse::<model::Decimal>().expect("a decimal")))]),
        state: IntentState::Pending,
        attempts: 0,
        last_error: None,
        created_at: at(2),
    }
}

fn a_work_item(queue: &str, amount: &str, due: i64) -> WorkItemRow {
    WorkItemRow {
        id: WorkItemId::now(),
        queue: queue.into(),
        transaction: TransactionId::now(),
        run: Some((RunId::now(), vec![9])),
        status: WorkItemStatus::Open,
        title: "Order 1".into(),
        reason: "over the limit".into(),
        amount: gbp(amount),
        content: Value::empty_object(),
        opened_at: at(0),
        due_at: at(due),
        resolution: Value::Null,
    }
}

#[tokio::test]
async fn what_is_durable_is_read_back_by_the_next_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let (run, transaction) = (a_run("Q-1"), TransactionId::now());
    let intent = an_intent(run.id, "Q-1-1010");
    let matter = TransactionRow {
        id: transaction,
        object: "quote".into(),
        key: "Q-1".into(),
        title: "MÜLLER & Söhne".into(),
        stage: "ordered".into(),
        closed: false,
        amount: gbp("139.12"),
        opened_at: at(0),
        updated_at: at(5),
    };
    let line = |title: &str| JournalRow {
        transaction,
        at: at(3),
        kind: "sent".into(),
        connection: Some("erp".into()),
        title: title.into(),
        detail: Value::array(["x"]),
    };
    let reference = ReferenceRow {
        object: "order".into(),
        key: "Q-1-1010".into(),
        connection: "erp".into(),
        record_id: "4711".into(),
    };
    let listener = ListenerRow { correlation: vec![1, 1], run: run.id, position: vec![3] };
    let position = FeedPositionRow {
        connection: "crm".into(),
        feed: "accepted-quotes".into(),
        position: vec![0, 0, 7],
        at: at(4),
    };
    let event =
        EventRow { id: EventId::now(), correlation: vec![1, 1], envelope: Value::object([("id", "e")]), at: at(4) };
    let inbox = InboxRow { connection: "erp".into(), id: "n-1".into(), content: Value::object([("k", 1)]), at: at(4) };
    let timer = TimerRow { due_at: at(60), run: run.id, position: vec![5] };
    {
        let store = open(folder.path());
        let batch = vec![
            Mutation::PutRun(run.clone()),
            Mutation::PutIntent(intent.clone()),
            Mutation::PutTransaction(matter.clone()),
            Mutation::AppendJournal(line("first")),
            Mutation::AppendJournal(line("second")),
            Mutation::PutReference(reference.clone()),
            Mutation::PutListener(listener.clone()),
            Mutation::PutFeedPosition(position.clone()),
            Mutation::AppendEvent(event.clone()),
            Mutation::AppendEvent(event.clone()),
            Mutation::PutInbox(inbox.clone()),
            Mutation::PutTimer(timer.clone()),
        ];
        store.commit(batch).durable().await.expect("durable");
    }
    let store = open(folder.path());
    assert_eq!(store.run(run.id), Ok(Some(run.clone())));
    assert_eq!(store.run_of_key("quote-to-cash", "Q-1"), Ok(Some(run.id)));
    assert_eq!(store.live_runs(), Ok(vec![run.id]));
    assert_eq!(store.intents(), Ok(vec![intent]));
    assert_eq!(store.transaction_of_key("quote", "Q-1"), Ok(Some(matter.clone())));
    assert_eq!(store.transactions("söhne", ALL).map(|found| found.len()), Ok(1));
    for text in ["müller", "MÜLLER", "SÖHNE", "q-1"] {
        assert_eq!(store.transactions(text, ALL).map(|found| found.len()), Ok(1), "{text}");
    }
    assert_eq!(store.transactions("nobody", ALL), Ok(vec![]));
    assert_eq!(store.transactions_at("ordered", "müller", ALL).map(|found| found.len()), Ok(1));
    assert_eq!(store.transactions_at("ordered", "nobody", ALL), Ok(vec![]));
    assert_eq!(store.transactions_at("held", "", ALL), Ok(vec![]));
    assert_eq!(store.journal(transaction, ALL), Ok(vec![line("first"), line("second")]));
    assert_eq!((store.journal_len(transaction), store.journal_len(TransactionId::now())), (Ok(2), Ok(0)));
    assert_eq!(store.reference("order", "Q-1-1010", "erp"), Ok(Some(reference.clone())));
    assert_eq!(store.reference_of_record("order", "erp", "4711"), Ok(Some(reference)));
    assert_eq!(store.listeners(&[1, 1]), Ok(vec![listener]));
    assert_eq!(store.events(&[1, 1]), Ok(vec![event]), "an event is stored once");
    assert_eq!(store.feed_position("crm", "accepted-quotes"), Ok(Some(position)));
    assert_eq!(store.inbox(), Ok(vec![inbox]));
    assert_eq!(store.timers_due(at(59), 10), Ok(vec![]));
    assert_eq!(store.timers_due(at(60), 10), Ok(vec![timer]));
    assert_eq!(store.next_timer(), Ok(Some(at(60))));
}

#[tokio::test]
async fn runs_are_listed_by_what_they_are_and_from_a_place_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let mut runs: Vec<RunRow> = (0..6).map(|number| a_run(&format!("Q-{number}"))).collect();
    runs.sort_by_key(|run| run.id);
    for run in runs.iter_mut().step_by(2) {
        run.status = RunStatus::Failed;
    }
    store.commit(runs.iter().cloned().map(Mutation::PutRun).collect()).durable().await.expect("durable");
    let keys = |filter: RunFilter, limit: u32| {
        let found = store.runs(&filter, Page { offset: 0, limit }).expect("runs");
        found.iter().map(|run| run.key.to_string()).collect::<Vec<_>>()
    };
    let expected = |places: &[usize]| places.iter().map(|place| runs[*place].key.to_string()).collect::<Vec<_>>();
    let failed = RunFilter { status: Some(RunStatus::Failed), ..RunFilter::default() };
    assert_eq!(keys(RunFilter::default(), 2), expected(&[0, 1]));
    assert_eq!(keys(RunFilter { after: Some(runs[1].id), ..RunFilter::default() }, 2), expected(&[2, 3]));
    assert_eq!(keys(RunFilter { after: Some(runs[1].id), ..failed.clone() }, 9), expected(&[2, 4]));
    assert_eq!(keys(RunFilter { after: Some(runs[5].id), ..failed }, 9), expected(&[]));
    assert_eq!(keys(RunFilter { workflow: Some("other".into()), ..RunFilter::default() }, 9), expected(&[]));
}

#[tokio::test]
async fn a_batch_is_applied_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let first = a_run("Q-1");
    store.commit(vec![Mutation::PutRun(first.clone())]).durable().await.expect("durable");

    // The second run claims the key of the first; what came before it in the same batch must not stay.
    let other = a_run("Q-2");
    let refused = store.commit(vec![Mutation::PutRun(other.clone()), Mutation::PutRun(a_run("Q-1"))]);
    let accepted = store.commit(vec![Mutation::PutRun(a_run("Q-3"))]);
    assert!(matches!(refused.durable().await, Err(StoreError::Database(_))));
    accepted.durable().await.expect("a neighbour's mistake is not ours");
    assert_eq!(store.run(other.id), Ok(None));
    assert_eq!(store.live_runs().map(|runs| runs.len()), Ok(2));
}

#[tokio::test]
async fn one_business_key_has_one_open_intent() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let intent = an_intent(RunId::now(), "Q-1-1010");
    store.commit(vec![Mutation::PutIntent(intent.clone())]).durable().await.expect("durable");
    let doubled = store.commit(vec![Mutation::PutIntent(an_intent(RunId::now(), "Q-1-1010"))]);
    assert!(doubled.durable().await.is_err());

    let unknown = IntentRow { state: IntentState::Unknown, attempts: 1, last_error: Some("timeout".into()), ..intent };
    store.commit(vec![Mutation::PutIntent(unknown.clone())]).durable().await.expect("durable");
    assert_eq!(store.intents(), Ok(vec![unknown.clone()]));
    assert_eq!(store.intents_of_run(unknown.run), Ok(vec![unknown.clone()]));
    assert_eq!(store.intents_of_run(RunId::now()), Ok(vec![]));
    store.commit(vec![Mutation::RemoveIntent(unknown.id)]).durable().await.expect("durable");
    assert_eq!(store.intents(), Ok(vec![]));
    assert_eq!(store.intents_of_run(unknown.run), Ok(vec![]));
}

#[tokio::test]
async fn queues_add_up_exactly_and_show_what_is_due_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let items = [a_work_item("credit", "0.10", 20), a_work_item("credit", "0.20", 10), a_work_item("tax", "5", 5)];
    let resolved = WorkItemRow { status: WorkItemStatus::Resolved, ..a_work_item("credit", "99", 1) };
    let batch = items.iter().cloned().chain([resolved.clone()]).map(Mutation::PutWorkItem).collect();
    store.commit(batch).durable().await.expect("durable");

    let totals = store.queue_totals(at(20)).expect("totals");
    assert_eq!(
        totals.iter().map(|total| (&*total.queue, total.count)).collect::<Vec<_>>(),
        [("credit", 2), ("tax", 1)]
    );
    assert_eq!(totals[0].amounts, [gbp("0.30").expect("money")]);
    let (credit, tax) = (&totals[0], &totals[1]);
    assert_eq!((credit.late, credit.opened_first, credit.due_first), (1, at(0), at(10)));
    assert_eq!((tax.late, tax.due_first), (1, at(5)));
    let filter =
        WorkItemFilter { queue: Some("credit".into()), status: Some(WorkItemStatus::Open), ..Default::default() };
    let found = store.work_items(&filter, ALL).expect("items");
    assert_eq!(found, [items[1].clone(), items[0].clone()]);
    let after = WorkItemFilter { after: Some((at(10), items[1].id)), ..filter.clone() };
    assert_eq!(store.work_items(&after, ALL), Ok(vec![items[0].clone()]));
    let largest = WorkItemFilter { queue: None, order: WorkItemOrder::Amount, ..filter };
    let over = WorkItemFilter { over: true, order: WorkItemOrder::Latest, ..WorkItemFilter::default() };
    assert_eq!(store.work_items(&over, ALL), Ok(vec![resolved]));
    assert_eq!(store.work_items(&largest, ALL), Ok(vec![items[2].clone(), items[1].clone(), items[0].clone()]));
}

#[tokio::test]
async fn matters_that_wait_are_counted_and_listed_once_each_by_what_is_due_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let mut batch = Vec::new();
    for (key, title, dues) in [("Q-1", "ACME", [30, 40]), ("Q-2", "Zeta", [20, 50]), ("Q-3", "ACME too", [10, 60])] {
        let matter = TransactionRow {
            id: TransactionId::now(),
            object: "quote".into(),
            key: key.into(),
            title: title.into(),
            stage: "held".into(),
            closed: false,
            amount: None,
            opened_at: at(0),
            updated_at: at(5),
        };
        let items = dues.map(|due| WorkItemRow { transaction: matter.id, ..a_work_item("credit", "1", due) });
        batch.extend(items.into_iter().map(Mutation::PutWorkItem));
        batch.push(Mutation::PutTransaction(matter));
    }
    store.commit(batch).durable().await.expect("durable");
    let keys = |text: &str, offset, limit| {
        let found = store.waiting(text, Page { offset, limit }).expect("matters");
        found.iter().map(|row| row.key.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(store.waiting_count(), Ok(3));
    assert_eq!(keys("", 0, 9), ["Q-3", "Q-2", "Q-1"]);
    assert_eq!(keys("", 1, 1), ["Q-2"]);
    assert_eq!(keys("acme", 0, 9), ["Q-3", "Q-1"]);
}

#[tokio::test]
async fn many_callers_share_commits_and_all_are_durable() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(open(folder.path()));
    let callers: Vec<_> = (0..64)
        .map(|caller| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for number in 0..20 {
                    let run = a_run(&format!("{caller}-{number}"));
                    store.commit(vec![Mutation::PutRun(run)]).durable().await.expect("durable");
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("a caller");
    }
    assert_eq!(store.live_runs().map(|runs| runs.len()), Ok(64 * 20));
}

#[tokio::test]
async fn a_run_is_told_of_events_that_it_waits_for_and_has_not_heard() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let run = RunRow { started_at: at(10), ..a_run("Q-1") };
    let event = |correlation: u8, second: i64| EventRow {
        id: EventId::now(),
        correlation: vec![correlation],
        envelope: Value::object([("second", second)]),
        at: at(second),
    };
    let (before, first, second, other) = (event(1, 9), event(1, 10), event(1, 12), event(2, 11));
    let under_two = EventRow { correlation: vec![2], ..first.clone() };
    let listener = |position: u8| ListenerRow { correlation: vec![1], run: run.id, position: vec![position] };
    let mut batch = vec![Mutation::PutRun(run.clone())];
    batch.extend([1, 2].map(|position| Mutation::PutListener(listener(position))));
    batch.extend([&second, &before, &first, &other, &under_two].map(|event| Mutation::AppendEvent(event.clone())));
    store.commit(batch).durable().await.expect("durable");
    assert_eq!(store.events(&[2]).map(|found| found.len()), Ok(2), "an event stands under each of its correlations");

    let unheard = |run: &RunRow| store.unheard(run.id, 10).expect("events");
    let seconds = |found: &[(Vec<u8>, EventRow)]| {
        found.iter().map(|(place, event)| (place[0], event.envelope.get("second").as_i64())).collect::<Vec<_>>()
    };
    let mut found = seconds(&unheard(&run));
    found.sort_unstable_by_key(|(place, second)| (*second, *place));
    assert_eq!(found, [(1, Some(10)), (2, Some(10)), (1, Some(12)), (2, Some(12))]);
    let batch = vec![
        Mutation::PutHeard { run: run.id, event: first.id },
        Mutation::RemoveListeners { run: run.id, position: vec![2] },
    ];
    store.commit(batch).durable().await.expect("durable");
    assert_eq!(seconds(&unheard(&run)), [(1, Some(12))]);
    assert_eq!(store.listening_runs(None, 10), Ok(vec![run.id]));
    assert_eq!(store.listening_runs(Some(run.id), 10), Ok(vec![]));
    let timer = TimerRow { due_at: at(5), run: run.id, position: vec![5] };
    let later = TimerRow { due_at: at(50), ..timer.clone() };
    let batch = vec![Mutation::PutTimer(timer), Mutation::PutTimer(later.clone())];
    store.commit(batch).durable().await.expect("durable");
    assert_eq!(store.timers_due(at(99), 10), Ok(vec![later]), "a place has one timer");

    store.commit(vec![Mutation::ForgetRun(run.id)]).durable().await.expect("durable");
    assert_eq!((store.listeners(&[1]), store.next_timer()), (Ok(vec![]), Ok(None)));
}

#[tokio::test]
async fn old_events_go_the_oldest_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let event = |second: i64| {
        let row = EventRow { id: EventId::now(), correlation: vec![1], envelope: Value::Null, at: at(second) };
        Mutation::AppendEvent(row)
    };
    store.commit([4, 2, 3, 1].map(event).to_vec()).durable().await.expect("durable");
    let remove = |limit| vec![Mutation::RemoveEventsBefore { before: at(4), limit }];
    store.commit(remove(2)).durable().await.expect("durable");
    assert_eq!(store.oldest_event(), Ok(Some(at(3))));
    store.commit(remove(9)).durable().await.expect("durable");
    let left = store.events(&[1]).expect("events");
    assert_eq!(left.iter().map(|event| event.at).collect::<Vec<_>>(), [at(4)]);
    let gone = Mutation::RemoveEvent { correlation: vec![1], id: left[0].id };
    store.commit(vec![gone]).durable().await.expect("durable");
    assert_eq!(store.oldest_event(), Ok(None));
}

#[tokio::test]
async fn old_answers_go_the_oldest_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let answer = |second: i64| {
        let (api, key) = ("prices".into(), second.to_string().into());
        Mutation::PutAnswer(CachedAnswer { api, key, answer: Value::from(second), at: at(second) })
    };
    store.commit([4, 2, 3, 1].map(answer).to_vec()).durable().await.expect("durable");
    store.live_runs().expect("a read that waits for the tables");
    let remove = |limit| vec![Mutation::RemoveAnswersBefore { before: at(4), limit }];
    store.commit(remove(2)).durable().await.expect("durable");
    assert_eq!(store.oldest_answer(), Ok(Some(at(3))));
    assert_eq!(store.answer("prices", "2"), Ok(None));
    drop(store);
    let store = open(folder.path());
    store.commit(remove(9)).durable().await.expect("durable");
    assert_eq!(store.oldest_answer(), Ok(Some(at(4))));
    let last = store.answer("prices", "4").expect("a read").expect("the answer");
    assert_eq!(last.answer, Value::from(4_i64));
}

#[tokio::test]
async fn a_failed_run_lives_until_it_is_cancelled_and_makes_room_when_it_is_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let failed = RunRow { status: RunStatus::Failed, in_doubt: true, ..a_run("Q-1") };
    let item = |place: u8| WorkItemRow { run: Some((failed.id, vec![place])), ..a_work_item("integration", "1", 1) };
    let (here, there) = (item(1), item(2));
    let batch = vec![
        Mutation::PutRun(failed.clone()),
        Mutation::PutWorkItem(here.clone()),
        Mutation::PutWorkItem(WorkItemRow { transaction: here.transaction, ..there.clone() }),
    ];
    store.commit(batch).durable().await.expect("durable");
    assert_eq!(store.run(failed.id), Ok(Some(failed.clone())));
    assert_eq!(store.live_runs(), Ok(vec![failed.id]));
    assert_eq!(store.live_definitions(), Ok(vec!["abc".into()]));

    let withdraw = Mutation::WithdrawWorkItems {
        transaction: here.transaction,
        run: failed.id,
        position: vec![1],
        resolution: Value::object([("reason", "over")]),
    };
    let cancelled = RunRow { status: RunStatus::Cancelled, ..failed.clone() };
    store.commit(vec![withdraw, Mutation::PutRun(cancelled)]).durable().await.expect("durable");
    let status = |id| store.work_item(id).map(|item| item.map(|item| item.status));
    assert_eq!(status(here.id), Ok(Some(WorkItemStatus::Withdrawn)));
    assert_eq!(status(there.id), Ok(Some(WorkItemStatus::Open)));
    assert_eq!((store.live_runs(), store.live_definitions()), (Ok(vec![]), Ok(vec![])));

    let again = a_run("Q-1");
    store
        .commit(vec![Mutation::RemoveRun(failed.id), Mutation::PutRun(again.clone())])
        .durable()
        .await
        .expect("durable");
    assert_eq!(store.run_of_key("quote-to-cash", "Q-1"), Ok(Some(again.id)));
}

#[tokio::test]
async fn parts_of_a_run_stay_until_they_are_removed_or_the_run_is_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let part = |number: u32| RunPart { number, content: vec![7; number as usize] };
    let first = RunRow { parts: vec![part(1), part(2)], ..a_run("Q-1") };
    let other = RunRow { parts: vec![part(1)], ..a_run("Q-2") };
    let batch = vec![Mutation::PutRun(first.clone()), Mutation::PutRun(other.clone())];
    store.commit(batch).durable().await.expect("durable");
    let next = RunRow { state: vec![4], parts: vec![part(3)], removed_parts: vec![1], ..first.clone() };
    store.commit(vec![Mutation::PutRun(next.clone())]).durable().await.expect("durable");
    drop(store);

    let store = open(folder.path());
    let parts = |id| store.run(id).expect("a read").expect("a run").parts;
    assert_eq!(
        store.run(first.id),
        Ok(Some(RunRow { parts: vec![part(2), part(3)], removed_parts: Vec::new(), ..next.clone() }))
    );
    let over = RunRow { status: RunStatus::Completed, state: Vec::new(), parts: Vec::new(), ..next };
    store.commit(vec![Mutation::PutRun(over)]).durable().await.expect("durable");
    assert_eq!((parts(first.id), parts(other.id)), (Vec::new(), vec![part(1)]));
    store.commit(vec![Mutation::RemoveRun(other.id), Mutation::PutRun(other)]).durable().await.expect("durable");
}

#[test]
fn two_processes_cannot_write_one_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let _first = open(folder.path());
    let second = SqliteStore::open(&folder.path().join("data/interlock.db"));
    let error = second.err().expect("refused");
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    assert!(error.problem().to_string().contains("Stop the other Interlock"));
}

#[test]
fn what_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("notes.txt");
    let text = "these are my notes ".repeat(200);
    std::fs::write(&file, &text).expect("written");
    assert!(matches!(SqliteStore::open(&file).err(), Some(StoreError::Open { .. })));
    assert_eq!(std::fs::read_to_string(&file).expect("read"), text);
}

#[test]
fn a_schema_of_the_future_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("future.db");
    drop(SqliteStore::open(&file).expect("a store"));
    let connection = rusqlite::Connection::open(&file).expect("the file");
    connection.pragma_update(None, "user_version", 99).expect("a number");
    drop(connection);
    assert!(matches!(SqliteStore::open(&file).err(), Some(StoreError::TooNew { found: 99, .. })));
}

#[tokio::test]
async fn a_store_that_is_closed_is_one_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    store.commit(vec![Mutation::PutRun(a_run("Q-1"))]).durable().await.expect("durable");
    assert_eq!(store.live_runs().expect("read").len(), 1);
    drop(store);
    let mut files: Vec<_> = std::fs::read_dir(folder.path().join("data")).expect("a folder").flatten().collect();
    files.sort_by_key(std::fs::DirEntry::file_name);
    let names: Vec<_> = files.iter().map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(names, ["interlock.db", "interlock.db.lock"]);
}

#[tokio::test]
async fn objects_in_agreement_are_found_by_key_and_by_what_they_are_recognised_by() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let row = |key: &str, city: &str| SyncedRow {
        object: "customer".into(),
        key: key.into(),
        transaction: TransactionId::now(),
        state: Value::object([("city", Value::from(city))]),
        title: city.into(),
        links: Vec::new(),
        updated_at: at(3),
    };
    let (first, second) = (row("A", "Leeds"), row("B", "York"));
    let known = |key: &str, values: &[&str]| Mutation::PutMatchKeys {
        object: "customer".into(),
        key: key.into(),
        values: values.iter().map(|value| Arc::from(*value)).collect(),
    };
    let batch = vec![
        Mutation::PutSynced(first.clone()),
        Mutation::PutSynced(second.clone()),
        known("A", &["tax:1", "name:x"]),
        known("B", &["name:x"]),
    ];
    store.commit(batch).durable().await.expect("written");
    let moved = SyncedRow { state: Value::object([("city", Value::from("Hull"))]), title: "Hull".into(), ..first };
    let batch = vec![Mutation::PutSynced(moved.clone()), known("A", &["tax:2"])];
    store.commit(batch).durable().await.expect("written");
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.synced("customer", "A").expect("read"), Some(moved.clone()));
    assert_eq!(store.synced("product", "A").expect("read"), None);
    assert_eq!(store.synced_after("customer", "", 10).expect("read"), vec![moved, second.clone()]);
    assert_eq!(store.synced_after("customer", "A", 10).expect("read"), vec![second]);
    assert_eq!(store.matches("customer", "name:x", None, 5).expect("read"), vec![Arc::from("B")]);
    assert!(
        store.matches("customer", "tax:1", None, 5).expect("read").is_empty(),
        "it is recognised by another number now"
    );
    assert_eq!(store.matches("customer", "tax:2", None, 5).expect("read"), vec![Arc::from("A")]);
}

#[tokio::test]
async fn objects_in_agreement_are_found_by_what_people_know_of_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let row = |object: &str, key: &str, title: &str, links: &[(&str, &str)]| {
        Mutation::PutSynced(SyncedRow {
            object: object.into(),
            key: key.into(),
            transaction: TransactionId::now(),
            state: Value::Null,
            title: title.into(),
            links: links.iter().map(|(member, value)| (Arc::from(*member), Arc::from(*value))).collect(),
            updated_at: at(3),
        })
    };
    let batch = vec![
        row("customer", "C-3", "acme Ltd", &[]),
        row("customer", "C-1", "Smith & Acme", &[]),
        row("customer", "C-20", "ACME Ltd", &[]),
        row("customer", "D-1", "Jones", &[]),
        row("product", "C-2", "Acme rocket", &[]),
        row("price", "P-1", "price", &[("product", "C-2"), ("book", "1")]),
        row("price", "P-2", "price", &[("product", "C-2")]),
    ];
    store.commit(batch).durable().await.expect("written");
    let keys = |rows: Vec<SyncedRow>| rows.iter().map(|row| row.key.to_string()).collect::<Vec<_>>().join(" ");
    let titled = |text: &str, after: (&str, &str), limit| {
        keys(store.synced_titled("customer", text, after, limit).expect("read"))
    };
    assert_eq!(titled("acme", ("", ""), 10), "C-20 C-3 C-1", "in the order of title and key");
    assert_eq!(titled("acme", ("", ""), 2), "C-20 C-3");
    assert_eq!(titled("acme", ("acme ltd", "C-3"), 2), "C-1", "after the last one of the page before");
    assert_eq!(titled("%", ("", ""), 2), "", "what is searched for is no pattern");
    assert_eq!(keys(store.synced_beginning("customer", "C-", 10).expect("read")), "C-1 C-20 C-3");
    assert_eq!(keys(store.synced_beginning("customer", "C-2", 10).expect("read")), "C-20");
    let linked = |value: &str| keys(store.synced_linked("price", "product", value, 10).expect("read"));
    assert_eq!(linked("C-2"), "P-1 P-2");
    let moved = vec![row("price", "P-1", "price", &[("product", "C-9")])];
    store.commit(moved).durable().await.expect("written");
    assert_eq!((linked("C-2"), linked("C-9")), ("P-2".to_owned(), "P-1".to_owned()));
}

#[tokio::test]
async fn references_of_a_connection_come_page_by_page_in_the_order_of_their_keys() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let row = |object: &str, key: &str, connection: &str| ReferenceRow {
        object: object.into(),
        key: key.into(),
        connection: connection.into(),
        record_id: format!("{connection}-{key}").into(),
    };
    let mut batch: Vec<Mutation> = Vec::new();
    for key in ["C", "A", "B", "D"] {
        batch.extend(["erp", "crm"].map(|connection| Mutation::PutReference(row("customer", key, connection))));
    }
    batch.push(Mutation::PutReference(row("order", "A", "crm")));
    store.commit(batch).durable().await.expect("written");
    let keys = |after: &str, limit| {
        let rows = store.references_after("customer", "crm", after, limit).expect("read");
        assert!(rows.iter().all(|row| &*row.connection == "crm" && &*row.object == "customer"), "{rows:?}");
        rows.iter().map(|row| row.key.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!((keys("", 3), keys("C", 3), keys("D", 3)), ("A B C".to_owned(), "D".to_owned(), String::new()));
}
