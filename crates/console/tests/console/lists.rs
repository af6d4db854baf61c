//! Lists that are longer than a page.

use model::{TransactionId, Value, WorkItemId};
use store::{JournalRow, Mutation, TransactionRow, WorkItemRow, WorkItemStatus};

use crate::world::{World, at};

fn an_item(queue: &str, title: String, due: i64) -> WorkItemRow {
    WorkItemRow {
        id: WorkItemId::now(),
        queue: queue.into(),
        transaction: TransactionId::now(),
        run: None,
        status: WorkItemStatus::Open,
        title: title.into(),
        reason: "why".into(),
        amount: None,
        content: Value::Null,
        opened_at: at(0),
        due_at: at(due),
        resolution: Value::Null,
    }
}

fn matter_of(item: &WorkItemRow, key: &str) -> TransactionRow {
    TransactionRow {
        id: item.transaction,
        object: "quote".into(),
        key: key.into(),
        title: item.title.clone(),
        stage: "held".into(),
        closed: false,
        amount: None,
        opened_at: at(0),
        updated_at: at(0),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_reads_all_items_of_a_queue_while_others_are_decided_on() {
    let world = World::open().await;
    let items: Vec<WorkItemRow> = (0..5).map(|number| an_item("data", format!("Data {number}"), number / 2)).collect();
    world.commit(items.iter().cloned().map(Mutation::PutWorkItem).collect()).await;
    let mut seen: Vec<String> = Vec::new();
    loop {
        let after = seen.last().map(|id| format!("&after={id}")).unwrap_or_default();
        let (status, page) = world.ops(&format!("items?queue=data&limit=2{after}")).await;
        assert_eq!(status, 200, "{page}");
        let ids: Vec<&str> = page.get("items").items().iter().filter_map(|item| item.get("id").as_str()).collect();
        if ids.is_empty() {
            break;
        }
        seen.extend(ids.iter().map(|id| (*id).to_owned()));
        let resolved = items.iter().filter(|item| ids.contains(&&*item.id.to_string()));
        let resolved = resolved.map(|item| WorkItemRow { status: WorkItemStatus::Resolved, ..item.clone() });
        world.commit(resolved.map(Mutation::PutWorkItem).collect()).await;
    }
    assert_eq!(seen.len(), 5, "each once, none left out");
    for wrong in ["nonsense".to_owned(), WorkItemId::now().to_string()] {
        let (status, told) = world.ops(&format!("items?after={wrong}")).await;
        assert_eq!((status, told.get("code").as_str()), (400, Some("IL-CON-032")), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_item_is_seen_behind_however_many_that_are_decided() {
    let world = World::open().await;
    let own = |title: String, due| WorkItemRow { transaction: world.matter, ..an_item("credit", title, due) };
    let decided = (0..250).map(|number| WorkItemRow {
        status: WorkItemStatus::Resolved,
        opened_at: at(number),
        resolution: Value::object([("by", format!("person {number}."))]),
        ..own(format!("Decided {number}"), number)
    });
    let mut batch: Vec<Mutation> = decided.map(Mutation::PutWorkItem).collect();
    batch.push(Mutation::PutWorkItem(own("Still open".to_owned(), 10_000)));
    world.commit(batch).await;
    let page = world.matter_page().await;
    assert!(page.contains("Waits for a person: Credit hold") && page.contains(">Still open<"), "{page}");
    assert!(page.contains(&format!("/transactions/{}?over=100", world.matter)), "{page}");
    let (_, last) = world.get(&format!("/transactions/{}?over=200", world.matter)).await;
    assert!(last.contains(">Still open<") && last.contains("person 0.") && !last.contains("person 50."), "{last}");
    let (_, told) = world.ops(&format!("transactions/{}", world.matter)).await;
    let items = told.get("items").items();
    assert_eq!((items.len(), items[0].get("title").as_str()), (101, Some("Still open")), "{told}");
    assert_eq!(told.get("more_items").as_bool(), Some(true));
    let (_, rest) = world.ops(&format!("items?transaction={}&status=all&limit=500", world.matter)).await;
    assert_eq!(rest.get("items").items().len(), 251);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_timeline_is_shown_from_its_end() {
    let world = World::open().await;
    let line = |number: u32| JournalRow {
        transaction: world.matter,
        at: at(i64::from(number)),
        kind: "sent".into(),
        connection: None,
        title: format!("Line {number}.").into(),
        detail: Value::Null,
    };
    world.commit((0..1_000).map(|number| Mutation::AppendJournal(line(number))).collect()).await;
    let page = world.matter_page().await;
    assert!(page.contains("Line 600.") && page.contains("Line 999.") && !page.contains("Line 599."), "{page}");
    assert!(page.contains("1,000 lines") && page.contains("from=200") && !page.contains("rel=\"next\""), "{page}");
    let (_, page) = world.get(&format!("/transactions/{}?from=0", world.matter)).await;
    assert!(page.contains("Line 0.") && page.contains("Line 399.") && page.contains("from=400"), "{page}");
    let ops = async |query: &str| {
        let (status, told) = world.ops(&format!("transactions/{}{query}", world.matter)).await;
        assert_eq!(status, 200, "{told}");
        let first = told.get("timeline").items()[0].get("title").as_str().map(str::to_owned);
        (first, told.get("timeline").items().len(), told.get("offset").as_i64(), told.get("more").as_bool())
    };
    assert_eq!(ops("").await, (Some("Line 600.".to_owned()), 400, Some(600), Some(false)));
    assert_eq!(ops("?offset=100").await, (Some("Line 100.".to_owned()), 400, Some(100), Some(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_is_listed_to_its_oldest_matter() {
    let world = World::open().await;
    let matter = |number: i64, stage: &str| TransactionRow {
        id: TransactionId::now(),
        object: "quote".into(),
        key: format!("K-{number}").into(),
        title: format!("Matter {number}").into(),
        stage: stage.into(),
        closed: false,
        amount: None,
        opened_at: at(0),
        updated_at: at(number),
    };
    for part in 0..3 {
        let newer = (0..7_000).map(|number| matter(100 + part * 7_000 + number, "paid"));
        world.commit(newer.map(Mutation::PutTransaction).collect()).await;
    }
    world.commit((0..60).map(|number| Mutation::PutTransaction(matter(number, "ordered"))).collect()).await;
    let (_, first) = world.get("/transactions?stage=ordered").await;
    assert!(first.contains(">Matter 59<") && first.contains(">Matter 10<"), "{first}");
    assert!(!first.contains(">Matter 9<") && first.contains("from=50"), "{first}");
    let (_, last) = world.get("/transactions?stage=ordered&from=50").await;
    assert!(last.contains(">Matter 9<") && last.contains(">Matter 0<") && !last.contains(">Matter 10<"), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_shows_its_items_however_many_wait_elsewhere() {
    let world = World::open().await;
    let batch = (0..6_000).map(|number| Mutation::PutWorkItem(an_item("data", format!("Data {number}"), number)));
    world.commit(batch.collect()).await;
    let last = an_item("credit", "Credit 39".to_owned(), 10_039);
    let matter = matter_of(&last, "Q-39");
    let mut batch = vec![Mutation::PutWorkItem(last), Mutation::PutTransaction(matter)];
    batch.extend(
        (0..39).map(|number| Mutation::PutWorkItem(an_item("credit", format!("Credit {number}"), 10_000 + number))),
    );
    world.commit(batch).await;

    let (status, page) = world.get("/queues/credit").await;
    assert_eq!(status, 200);
    assert!(page.contains("at stake in 40 items") && !page.contains("Nothing waits here"), "{page}");
    assert!(page.contains(">Credit 0<") && page.contains(">Credit 39<"), "{page}");
    let (_, page) = world.get("/queues/data?from=5950").await;
    assert!(page.contains(">Data 5950<") && page.contains(">Data 5999<"), "{page}");
    assert!(page.contains("rel=\"prev\"") && !page.contains("rel=\"next\""), "{page}");
    let (_, page) = world.get("/queues").await;
    assert_eq!(page.matches("· first ").count(), 2, "both queues say what is due first: {page}");
    let (_, page) = world.get("/").await;
    assert!(page.contains("6,040 items wait"), "{page}");
    // The matter behind the last item says what it waits for, among all and among those that wait.
    for path in ["/transactions?q=Q-39", "/transactions?q=Q-39&stage=stuck"] {
        let (_, page) = world.get(path).await;
        assert!(
            page.contains("data-stuck") && page.contains("Waits for a person <span class=\"count\">6,040<"),
            "{page}"
        );
    }
    let (_, overview) = world.ops("overview").await;
    assert_eq!(overview.get("waiting").as_i64(), Some(6_040));
    let (_, stuck) = world.ops("transactions?stuck=true").await;
    assert_eq!(stuck.get("transactions").items().len(), 1, "those of which something is known");
}
