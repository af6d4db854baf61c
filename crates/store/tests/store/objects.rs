//! Objects in agreement and their cross-references.

use super::*;

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
