//! Reads by key, finds, descriptions.

use std::sync::Arc;

use connect::Action::{Find, Read};
use connect::{Call, ErrorClass, Selection};
use model::Value;

use crate::server::{Erp, ORDERS, Reply, call, fields, keyed, value};

fn rows(rows: &str) -> Reply {
    Reply::new(200, format!(r#"{{"d":{{"results":[{rows}]}}}}"#))
}

#[tokio::test]
async fn one_read_asks_by_key_and_a_missing_record_is_null() {
    let erp = Erp::start().await;
    erp.on(
        "GET API_SALES_ORDER_SRV/A_SalesOrder('4711')",
        [Reply::new(200, r#"{"d":{"__metadata":{"etag":"W/\"1\""},"SalesOrder":"4711","OrderIsLocked":true}}"#)],
    )
    .on(
        "GET API_SALES_ORDER_SRV/A_SalesOrder('1')",
        [Reply::error(404, "/IWBEP/CM_MGW_RT/020", "Resource not found for segment 'A_SalesOrderType'")],
    );
    let connection = erp.connect();
    let read =
        |key: &str, select: &[&str]| Call { select: fields(select), ..keyed(Read, ORDERS, "SalesOrder", key, "null") };
    assert_eq!(
        connection.execute(&[read("4711", &[])]).await,
        [Ok(value(r#"{"SalesOrder":"4711","OrderIsLocked":true}"#))]
    );
    let with_etag = connection.execute(&[read("4711", &["OrderIsLocked", "etag"])]).await;
    assert_eq!(with_etag, [Ok(value(r#"{"SalesOrder":"4711","OrderIsLocked":true,"etag":"W/\"1\""}"#))]);
    assert!(erp.asked()[1].address.contains("$select=OrderIsLocked,SalesOrder&sap-client"));
    assert_eq!(connection.execute(&[read("1", &[])]).await, [Ok(Value::Null)]);
    assert_eq!(erp.asked_for("$metadata"), 1);
}

#[tokio::test]
async fn many_reads_become_one_filter_and_find_their_places() {
    let erp = Erp::start().await;
    erp.on("GET API_SALES_ORDER_SRV/A_SalesOrder?$filter=SalesOrder eq '0000000003' or SalesOrder eq '1' or SalesOrder eq '2'",
        [rows(r#"{"__metadata":{},"SalesOrder":"1","SoldToParty":"A"},{"__metadata":{},"SalesOrder":"3","SoldToParty":"C"}"#)]);
    let calls = ["0000000003", "1", "2"].map(|key| keyed(Read, ORDERS, "SalesOrder", key, "null"));
    let answers = erp.connect().execute(&calls).await;
    let parties: Vec<_> =
        answers.iter().map(|answer| answer.as_ref().expect("an answer").get("SoldToParty").clone()).collect();
    assert_eq!(parties, [Value::from("C"), Value::from("A"), Value::Null]);
    assert_eq!(erp.asked().len(), 1);
}

#[tokio::test]
async fn reads_with_children_or_composite_keys_become_a_batch() {
    let erp = Erp::start().await;
    let order = r#"{"d":{"__metadata":{},"SalesOrder":"1","to_Item":{"results":[{"RequestedQuantity":"2.000"}]}}}"#;
    let missing = r#"{"error":{"code":"/IWBEP/CM_MGW_RT/020","message":{"lang":"en","value":"Resource not found"}}}"#;
    erp.on("POST API_SALES_ORDER_SRV/$batch", [Reply::batch(&[(false, 200, order), (false, 404, missing)])]);
    let connection = erp.connect();
    let select = Arc::new(Selection { fields: vec![], children: vec![("to_Item".into(), Selection::default())] });
    let calls =
        ["1", "2"].map(|key| Call { select: Arc::clone(&select), ..keyed(Read, ORDERS, "SalesOrder", key, "null") });
    let answers = connection.execute(&calls).await;
    assert_eq!(answers, [Ok(value(r#"{"SalesOrder":"1","to_Item":[{"RequestedQuantity":2.000}]}"#)), Ok(Value::Null)]);
    assert!(erp.asked()[0].body.contains("GET A_SalesOrder('1')?$expand=to_Item HTTP/1.1"));
    let items = "API_SALES_ORDER_SRV/A_SalesOrderItem";
    let composite = [
        keyed(Read, items, "SalesOrder", value(r#"{"SalesOrder":"1","SalesOrderItem":"10"}"#), "null"),
        keyed(Read, items, "SalesOrder", r#"{"SalesOrder":"2","SalesOrderItem":"20"}"#, "null"),
    ];
    connection.execute(&composite).await;
    let sent = &erp.asked()[1].body;
    assert!(sent.contains("GET A_SalesOrderItem(SalesOrder='1',SalesOrderItem='10') HTTP/1.1"), "{sent}");
    assert!(sent.contains("GET A_SalesOrderItem(SalesOrder='2',SalesOrderItem='20') HTTP/1.1"), "{sent}");
    let partial = connection.execute(&[keyed(Read, items, "SalesOrder", "1", "null")]).await;
    assert!(partial[0].as_ref().expect_err("half a key").message.contains("`SalesOrderItem`"));
}

#[tokio::test]
async fn a_read_by_another_field_wants_exactly_one() {
    let erp = Erp::start().await;
    erp.on(
        "GET API_SALES_ORDER_SRV/A_SalesOrder?$filter=PurchaseOrderByCustomer eq 'Q-1'&$top=2",
        [rows(""), rows(r#"{"SalesOrder":"1"}"#), rows(r#"{"SalesOrder":"1"},{"SalesOrder":"2"}"#)],
    );
    let connection = erp.connect();
    let read = [keyed(Read, ORDERS, "PurchaseOrderByCustomer", "Q-1", "null")];
    assert_eq!(connection.execute(&read).await, [Ok(Value::Null)]);
    assert_eq!(connection.execute(&read).await, [Ok(value(r#"{"SalesOrder":"1"}"#))]);
    assert_eq!(connection.execute(&read).await[0].as_ref().expect_err("two").code, "not-unique");
}

#[tokio::test]
async fn finds_follow_all_pages_of_the_service() {
    let erp = Erp::start().await;
    let next = format!("{}/sap/opu/odata/sap/API_SALES_ORDER_SRV/A_SalesOrder?sap-client=100&$skiptoken='2'", erp.url);
    let first = format!(r#"{{"d":{{"results":[{{"SalesOrder":"1"}},{{"SalesOrder":"2"}}],"__next":"{next}"}}}}"#);
    erp.on("GET API_SALES_ORDER_SRV/A_SalesOrder?$filter=SoldToParty eq 'O''Neill & Co'", [Reply::new(200, first)])
        .on("GET API_SALES_ORDER_SRV/A_SalesOrder?$skiptoken='2'", [rows(r#"{"SalesOrder":"3"}"#)]);
    let found = erp.connect().execute(&[call(Find, ORDERS, r#"{"SoldToParty":"O'Neill & Co"}"#)]).await;
    assert_eq!(found, [Ok(value(r#"[{"SalesOrder":"1"},{"SalesOrder":"2"},{"SalesOrder":"3"}]"#))]);
}

#[tokio::test]
async fn gathered_finds_go_in_one_batch_and_one_bad_one_fails_alone() {
    let erp = Erp::start().await;
    let (some, none) = (r#"{"d":{"results":[{"SalesOrder":"1"}]}}"#, r#"{"d":{"results":[]}}"#);
    erp.on("POST API_SALES_ORDER_SRV/$batch", [Reply::batch(&[(false, 200, some), (false, 200, none)])]);
    let calls =
        [r#"{"SoldToParty":"1"}"#, r#"{"Sold":"1"}"#, r#"{"SoldToParty":"2"}"#].map(|body| call(Find, ORDERS, body));
    let found = erp.connect().execute(&calls).await;
    assert_eq!(found[0], Ok(value(r#"[{"SalesOrder":"1"}]"#)));
    assert_eq!(found[1].as_ref().expect_err("unknown field").class, ErrorClass::Misconfigured);
    assert_eq!(found[2], Ok(value("[]")));
}

#[tokio::test]
async fn metadata_is_read_once_however_many_ask() {
    let erp = Erp::start().await;
    erp.on("GET API_SALES_ORDER_SRV/A_SalesOrder", [rows("")]);
    let connection = erp.connect_with(r#","sessions":4"#);
    let calls = [call(Find, ORDERS, "{}")];
    futures::future::join_all((0..16).map(|_| connection.execute(&calls))).await;
    assert_eq!(erp.asked_for("$metadata"), 1);
    assert!(erp.sign_ons() <= 4);
}

#[tokio::test]
async fn a_description_tells_what_this_release_takes() {
    let erp = Erp::start().await;
    let connection = erp.connect();
    let order = connection.describe(ORDERS).await.expect("a description");
    let key = order.fields.iter().find(|field| &*field.name == "SalesOrder").expect("the key");
    assert!(!key.updatable && key.length_max == Some(10) && &*key.vendor_type == "Edm.String");
    assert_eq!(order.children, [("to_Item".into(), "API_SALES_ORDER_SRV/A_SalesOrderItem".into())]);
    let error = connection.describe("API_SALES_ORDER_SRV/A_SalesOrders").await.expect_err("unknown");
    assert!(error.message.contains("did you mean `A_SalesOrder`?"));
    connection.describe(ORDERS).await.expect("a description");
    assert_eq!(erp.asked_for("$metadata"), 3, "descriptions are never stale");
}

#[tokio::test]
async fn a_search_too_long_for_an_address_goes_in_a_batch() {
    let erp = Erp::start().await;
    erp.on("POST API_SALES_ORDER_SRV/$batch", [Reply::batch(&[(false, 200, r#"{"d":{"results":[]}}"#)])]);
    let many: Vec<String> = (0..400).map(|number| format!("\"{number:010}\"")).collect();
    let body = format!(r#"{{"SalesOrder":[{}]}}"#, many.join(","));
    assert_eq!(erp.connect().execute(&[call(Find, ORDERS, &body)]).await, [Ok(value("[]"))]);
}
