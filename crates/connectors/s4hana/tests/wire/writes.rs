//! Creates, changes, deletes and functions.

use connect::Action::{Create, Delete, Invoke, Update, Upsert};
use connect::ErrorClass;
use model::Value;

use crate::server::{Erp, ORDERS, Reply, call, keyed, value};

const CREATED: &str = r#"{"d":{"__metadata":{"id":"x","uri":"x","type":"S.OrderType","etag":"W/\"1\""},"SalesOrder":"4711","TotalNetAmount":"12.50",
    "SalesOrderDate":"\/Date(1795392000000)\/","to_Customer":{"__deferred":{"uri":"x"}},
    "to_Item":{"results":[{"__metadata":{"id":"x"},"SalesOrder":"4711","SalesOrderItem":"10","RequestedQuantity":"3.000"}]}}}"#;

#[tokio::test]
async fn an_order_is_created_with_its_items() {
    let erp = Erp::start().await;
    erp.on("POST API_SALES_ORDER_SRV/A_SalesOrder", [Reply::new(201, CREATED)]);
    let body = r#"{"SoldToParty":"17100001","PurchaseOrderByCustomer":"Q-1","SalesOrderDate":"2026-11-23","to_Item":[{"Material":"85123A","RequestedQuantity":3}]}"#;
    let answers = erp.connect().execute(&[call(Create, ORDERS, body)]).await;
    let expected = r#"{"SalesOrder":"4711","TotalNetAmount":12.50,"SalesOrderDate":"2026-11-23","to_Item":[{"SalesOrder":"4711","SalesOrderItem":"10","RequestedQuantity":3.000}]}"#;
    assert_eq!(answers, [Ok(value(expected))]);
    let asked = erp.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].address, "API_SALES_ORDER_SRV/A_SalesOrder?sap-client=100&sap-language=EN");
    assert_eq!(
        asked[0].body,
        r#"{"SoldToParty":"17100001","PurchaseOrderByCustomer":"Q-1","SalesOrderDate":"/Date(1795392000000)/","to_Item":[{"Material":"85123A","RequestedQuantity":"3"}]}"#
    );
    assert_eq!(asked[0].header("authorization"), "Basic SU5URVJMT0NLOnNlY3JldA==");
    assert_eq!(asked[0].header("x-csrf-token"), "TOKEN1");
    assert_eq!(asked[0].header("cookie"), "SAP_SESSIONID_S4H_100=session1; sap-usercontext=sap-client=100");
}

#[tokio::test]
async fn an_expired_token_or_session_is_renewed_and_the_order_sent_once_more() {
    for refusal in
        [Reply::new(403, "CSRF token validation failed").with("x-csrf-token", "Required"), Reply::new(401, "")]
    {
        let erp = Erp::start().await;
        erp.on("POST API_SALES_ORDER_SRV/A_SalesOrder", [refusal, Reply::new(201, CREATED)]);
        let answers = erp.connect().execute(&[call(Create, ORDERS, "{}")]).await;
        assert!(answers[0].is_ok(), "{answers:?}");
        let tokens: Vec<_> = erp.asked().iter().map(|asked| asked.header("x-csrf-token").to_owned()).collect();
        assert_eq!(tokens, ["TOKEN1", "TOKEN2"]);
        assert!(erp.asked()[1].header("cookie").contains("session2"));
    }
}

#[tokio::test]
async fn a_token_refused_twice_is_told_and_not_tried_for_ever() {
    let erp = Erp::start().await;
    erp.on("POST", [Reply::new(403, "CSRF token validation failed").with("x-csrf-token", "Required")]);
    let answers = erp.connect().execute(&[call(Create, ORDERS, "{}")]).await;
    let error = answers[0].as_ref().expect_err("refused");
    assert_eq!(error.class, ErrorClass::Unavailable);
    assert_eq!(erp.asked().len(), 2);
}

#[tokio::test]
async fn gathered_creates_stand_or_fall_alone() {
    let erp = Erp::start().await;
    let error = |code: &str, text: &str| {
        format!(
            r#"{{"error":{{"code":"{code}","message":{{"lang":"en","value":"{text}"}},"innererror":{{"errordetails":[]}}}}}}"#
        )
    };
    let (refused, locked) = (
        error("V1/382", "Material X is not defined"),
        error("V1/042", "Sales document is currently being processed by user JANE"),
    );
    erp.on(
        "POST API_SALES_ORDER_SRV/$batch",
        [Reply::batch(&[(true, 201, CREATED), (false, 400, &refused), (false, 400, &locked)])],
    );
    let calls = ["A", "B", "C"].map(|name| call(Create, ORDERS, &format!(r#"{{"PurchaseOrderByCustomer":"{name}"}}"#)));
    let answers = erp.connect().execute(&calls).await;
    assert_eq!(answers[0].as_ref().map(|record| record.get("SalesOrder").clone()), Ok(Value::from("4711")));
    let errors: Vec<_> = answers[1..].iter().map(|answer| answer.as_ref().expect_err("refused")).collect();
    assert_eq!((errors[0].class, errors[0].code.as_str()), (ErrorClass::Rejected, "V1/382"));
    assert_eq!(errors[1].class, ErrorClass::Locked);
    let sent = &erp.asked()[0].body;
    assert_eq!(sent.matches("POST A_SalesOrder HTTP/1.1").count(), 3);
    assert_eq!(sent.matches("Content-Type: multipart/mixed; boundary=").count(), 3, "one changeset each");
}

#[tokio::test]
async fn a_call_that_cannot_be_written_does_not_hold_up_the_others() {
    let erp = Erp::start().await;
    erp.on("POST API_SALES_ORDER_SRV/A_SalesOrder", [Reply::new(201, CREATED)]);
    let calls = [call(Create, ORDERS, r#"{"SoldToPrty":"1"}"#), call(Create, ORDERS, r#"{"SoldToParty":"1"}"#)];
    let answers = erp.connect().execute(&calls).await;
    assert_eq!(answers[0].as_ref().expect_err("unknown").class, ErrorClass::Misconfigured);
    assert!(answers[1].is_ok());
}

#[tokio::test]
async fn more_creates_than_a_batch_takes_go_in_several() {
    let erp = Erp::start().await;
    let two = Reply::batch(&[(true, 201, CREATED), (true, 201, CREATED)]);
    erp.on("POST API_SALES_ORDER_SRV/$batch", [two])
        .on("POST API_SALES_ORDER_SRV/A_SalesOrder", [Reply::new(201, CREATED)]);
    let calls = vec![call(Create, ORDERS, "{}"); 5];
    let answers = erp.connect_with(r#","batch":{"creates":2}"#).execute(&calls).await;
    assert!(answers.iter().all(Result::is_ok) && answers.len() == 5);
    assert_eq!((erp.asked_for("$batch"), erp.asked().len()), (2, 3));
}

#[tokio::test]
async fn a_change_carries_the_etag_it_was_given_or_a_fresh_one() {
    let erp = Erp::start().await;
    erp.on(
        "GET API_SALES_ORDER_SRV/A_SalesOrder('4711')",
        [Reply::new(200, r#"{"d":{"__metadata":{"etag":"W/\"7\""},"SalesOrder":"4711"}}"#)],
    )
    .on(
        "PATCH",
        [Reply::new(204, ""), Reply::new(204, ""), Reply::error(412, "/IWFND/CM_MGW/016", "Precondition failed")],
    );
    let connection = erp.connect();
    let change = |body: &str| [keyed(Update, ORDERS, "SalesOrder", "4711", body)];
    assert_eq!(connection.execute(&change(r#"{"PurchaseOrderByCustomer":null}"#)).await, [Ok(Value::Null)]);
    assert_eq!(
        connection.execute(&change(r#"{"SalesOrder":"4711","SoldToParty":"1","etag":"W/\"3\""}"#)).await,
        [Ok(Value::Null)]
    );
    let stale = connection.execute(&change(r#"{"SoldToParty":"1","etag":"W/\"3\""}"#)).await;
    assert_eq!(stale[0].as_ref().expect_err("stale").class, ErrorClass::Conflict);
    let sent: Vec<_> = erp.asked().into_iter().filter(|asked| asked.method == "PATCH").collect();
    assert_eq!((sent[0].header("if-match"), sent[0].body.as_str()), ("W/\"7\"", r#"{"PurchaseOrderByCustomer":null}"#));
    assert_eq!((sent[1].header("if-match"), sent[1].body.as_str()), ("W/\"3\"", r#"{"SoldToParty":"1"}"#));
}

#[tokio::test]
async fn an_etag_that_metadata_did_not_announce_is_fetched_when_asked_for() {
    let erp = Erp::start().await;
    erp.on(
        "GET API_SALES_ORDER_SRV/A_SalesOrderItem(SalesOrder='1',SalesOrderItem='10')",
        [Reply::new(200, r#"{"d":{"__metadata":{"etag":"W/\"9\""}}}"#)],
    )
    .on("PATCH", [Reply::new(428, ""), Reply::new(204, "")]);
    let body = r#"{"SalesOrder":"1","SalesOrderItem":"10","Material":"M"}"#;
    let item = keyed(Update, "API_SALES_ORDER_SRV/A_SalesOrderItem", "SalesOrder", "1", body);
    assert_eq!(erp.connect().execute(&[item]).await, [Ok(Value::Null)]);
    let last = erp.asked().pop().expect("a request");
    assert_eq!((last.header("if-match"), last.body.as_str()), ("W/\"9\"", r#"{"Material":"M"}"#));
}

#[tokio::test]
async fn what_the_metadata_forbids_is_not_sent() {
    let erp = Erp::start().await;
    let connection = erp.connect();
    let delete = keyed(
        Delete,
        "API_SALES_ORDER_SRV/A_SalesOrderItem",
        "SalesOrder",
        value(r#"{"SalesOrder":"1","SalesOrderItem":"2"}"#),
        "null",
    );
    let upsert = keyed(Upsert, ORDERS, "PurchaseOrderByCustomer", "Q", "{}");
    for (call, code) in [
        (delete, "not-allowed"),
        (call(Create, "API_SALES_ORDER_SRV/A_Customer", "{}"), "not-allowed"),
        (upsert, "no-upsert"),
    ] {
        let answer = connection.execute(&[call]).await;
        let error = answer[0].as_ref().expect_err("refused");
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Misconfigured, code));
    }
    assert!(erp.asked().is_empty());
}

#[tokio::test]
async fn functions_are_called_with_literals() {
    let erp = Erp::start().await;
    let done = r#"{"d":{"availability":{"__metadata":{"type":"S.FunctionResult"},"Done":true,"Quantity":"5.000"}}}"#;
    erp.on("POST API_SALES_ORDER_SRV/$batch", [Reply::batch(&[(false, 200, done), (false, 200, done)])])
        .on(
            "GET API_SALES_ORDER_SRV/A_SalesOrder('4711')",
            [Reply::new(200, r#"{"d":{"__metadata":{"etag":"W/\"7\""}}}"#)],
        )
        .on(
            "POST API_SALES_ORDER_SRV/release",
            [Reply::new(428, ""), Reply::new(200, r#"{"d":{"release":{"Done":true}}}"#)],
        );
    let connection = erp.connect();
    let available =
        call(Invoke, "API_SALES_ORDER_SRV/availability", r#"{"Material":"A'1","At":"2026-11-23T10:00:00Z"}"#);
    let answers = connection.execute(&[available.clone(), available]).await;
    assert_eq!(answers, vec![Ok(value(r#"{"Done":true,"Quantity":5.000}"#)); 2]);
    let sent = percent_encoding::percent_decode_str(&erp.asked()[0].body).decode_utf8_lossy().into_owned();
    assert!(
        sent.contains("GET availability?Material='A''1'&At=datetimeoffset'2026-11-23T10:00:00Z' HTTP/1.1"),
        "{sent}"
    );
    let released = connection.execute(&[call(Invoke, "API_SALES_ORDER_SRV/release", r#"{"SalesOrder":"4711"}"#)]).await;
    assert_eq!(released, [Ok(value(r#"{"Done":true}"#))]);
    let last = erp.asked().pop().expect("a request");
    assert_eq!((last.header("if-match"), last.header("content-length")), ("W/\"7\"", "0"));
    assert!(last.address.starts_with("API_SALES_ORDER_SRV/release?SalesOrder='4711'&sap-client=100"));
}

#[tokio::test]
async fn a_probe_finds_nothing_one_or_the_oldest_of_several() {
    let erp = Erp::start().await;
    let row = |number: u32| format!(r#"{{"__metadata":{{}},"SalesOrder":"{number}","PurchaseOrderByCustomer":"Q-1"}}"#);
    let rows = |rows: &[String]| Reply::new(200, format!(r#"{{"d":{{"results":[{}]}}}}"#, rows.join(",")));
    erp.on(
        "GET API_SALES_ORDER_SRV/A_SalesOrder?$filter=PurchaseOrderByCustomer eq 'Q-1'",
        [rows(&[]), rows(&[row(5)]), rows(&[row(9), row(7), row(5)])],
    );
    let connection = erp.connect();
    let mut create = call(Create, ORDERS, r#"{"PurchaseOrderByCustomer":"Q-1","to_Item":[]}"#);
    create.probe = vec![("PurchaseOrderByCustomer".into(), "Q-1".into())];
    assert_eq!(connection.probe(&create).await, Ok(None));
    let one = connection.probe(&create).await.expect("found").expect("one");
    assert_eq!((one.get("SalesOrder"), one.has("duplicates")), (&Value::from("5"), false));
    let oldest = connection.probe(&create).await.expect("found").expect("several");
    assert_eq!(oldest.get("SalesOrder"), &Value::from("5"));
    assert_eq!(oldest.get("duplicates"), &Value::array(["7", "9"]));
    assert!(
        erp.asked()[0].address.contains("$orderby=SalesOrder desc&$top=50&$expand=to_Item"),
        "{}",
        erp.asked()[0].address
    );
    create.probe.clear();
    assert_eq!(connection.probe(&create).await.expect_err("no probe").class, ErrorClass::Misconfigured);
}
