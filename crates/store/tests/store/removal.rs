//! What is old goes.

use super::*;

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
