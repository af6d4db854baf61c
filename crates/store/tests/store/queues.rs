//! Work items in queues, and the matters that wait.

use super::*;

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
