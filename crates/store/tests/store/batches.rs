//! What batches are: durable, whole, in order.

use super::*;

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
