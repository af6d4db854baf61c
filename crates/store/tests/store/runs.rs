//! Runs, their parts and the events that they wait for.

use super::*;

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
