//! Records that cannot be read.

use store::WorkItemStatus;

use crate::world::{World, open_items};

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_record_waits_for_a_person_until_a_later_version_can_be_read() {
    let world = World::new().await;
    world.system.write("Quote", r#"{"Id": "9", "Number": "9", "Status": "accepted"}"#);
    let item = world.item("data").await;
    assert!(item.title.contains("quotes 9 of sys"), "{}", item.title);
    assert_eq!(item.content.get("record").get("Number").as_str(), Some("9"));

    // Another version that cannot be read is the same item.
    world.system.write("Quote", r#"{"Id": "9", "Total": "many"}"#);
    let newer = |store: &dyn store::Store| {
        let items = open_items(store, "data");
        assert_eq!(items.len(), 1);
        (items[0].content.get("record").get("Total").as_str() == Some("many")).then_some(())
    };
    world.until("newer record in the item", newer).await;

    let world = world.restart(&[]).await;
    world.system.write("Quote", r#"{"Id": "9", "Total": 90}"#);
    world.matter("9", "ordered").await;
    let withdrawn = |store: &dyn store::Store| {
        let item = store.work_item(item.id).expect("a read").expect("an item");
        (item.status == WorkItemStatus::Withdrawn).then_some(())
    };
    world.until("withdrawn item", withdrawn).await;
    let row = world.runtime.store().transaction(item.transaction).expect("a read").expect("a matter");
    assert_eq!((&*row.stage, row.closed), ("readable", true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_has_a_record_read_again_or_dismisses_it() {
    let world = World::new().await;
    world.system.write("Quote", r#"{"Id": "9", "Number": "9", "Status": "accepted"}"#);
    let item = world.item("data").await;
    world.decide(item.id, "retry", None, None).await.expect("read again");
    let again = world
        .until("item for what still cannot be read", |store| {
            open_items(store, "data").into_iter().find(|other| other.id != item.id)
        })
        .await;
    world.decide(again.id, "dismiss", None, None).await.expect("dismissed");
    assert!(open_items(&*world.runtime.store(), "data").is_empty());
    let row = world.runtime.store().transaction(again.transaction).expect("a read").expect("a matter");
    assert_eq!((&*row.stage, row.closed), ("dismissed", true));
}
