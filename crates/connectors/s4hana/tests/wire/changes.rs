//! Sweeps, pushed events, and the feeds that this system does not have.

use connect::{ErrorClass, FeedError, FeedRequest};
use jiff::Timestamp;

use crate::server::{Erp, ORDERS, Reply};

fn since() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().expect("an instant")
}

#[tokio::test]
async fn a_sweep_goes_on_from_the_last_instant_of_each_page() {
    let erp = Erp::start().await;
    let row = |number: usize, millisecond: usize| {
        format!(
            r#"{{"SalesOrder":"{number}","LastChangeDateTime":"\/Date({}+0000)\/"}}"#,
            1_795_428_000_000u64 + millisecond as u64
        )
    };
    let page = |rows: Vec<String>| Reply::new(200, format!(r#"{{"d":{{"results":[{}]}}}}"#, rows.join(",")));
    let full = page((0..1000).map(|number| row(number, number)).collect());
    let same = page((0..1000).map(|number| row(number + 1000, 999)).collect());
    erp.on("GET API_SALES_ORDER_SRV/A_SalesOrder", [full, same, page(vec![row(5000, 2000)])]);
    let connection = erp.connect();
    let first = connection.changed_since(ORDERS, since(), None).await.expect("a page");
    assert_eq!(first.records[1], ("1".into(), "2026-11-23T10:00:00.001Z".into()));
    let second = connection.changed_since(ORDERS, since(), first.next).await.expect("a page");
    let third = connection.changed_since(ORDERS, since(), second.next).await.expect("a page");
    assert_eq!((third.records.len(), third.next), (1, None));
    let asked: Vec<_> = erp.asked().into_iter().map(|asked| asked.address).collect();
    assert!(
        asked[0].contains(
            "$filter=LastChangeDateTime ge datetimeoffset'2026-11-23T10:00:00Z'&$orderby=LastChangeDateTime,SalesOrder"
        ),
        "{}",
        asked[0]
    );
    assert!(asked[0].contains("&$top=1000&$skip=0"));
    assert!(
        asked[1].contains("datetimeoffset'2026-11-23T10:00:00.999Z'") && asked[1].contains("&$skip=0"),
        "{}",
        asked[1]
    );
    assert!(
        asked[2].contains("datetimeoffset'2026-11-23T10:00:00.999Z'") && asked[2].contains("&$skip=1000"),
        "{}",
        asked[2]
    );
}

#[tokio::test]
async fn a_record_that_keeps_no_date_of_change_is_told() {
    let erp = Erp::start().await;
    let error =
        erp.connect().changed_since("API_SALES_ORDER_SRV/A_Customer", since(), None).await.expect_err("no field");
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Misconfigured, "no-change-field"));
    let wrong = erp.connect_with(r#","changes":{"API_SALES_ORDER_SRV/A_SalesOrder":"LastChange"}"#);
    assert!(wrong.changed_since(ORDERS, since(), None).await.expect_err("unknown").message.contains("LastChange"));
}

#[tokio::test]
async fn events_are_pushed_and_not_subscribed() {
    let connection = Erp::start().await.connect();
    let (items, _) = tokio::sync::mpsc::channel(1);
    let request = FeedRequest { topic: "sap/s4".into(), after: None, opened: connect::Opened::default() };
    let Err(FeedError::Call(error)) = connection.subscribe(request, items).await else {
        panic!("no feed was expected")
    };
    assert_eq!(error.class, ErrorClass::Misconfigured);
    let body = r#"{"specversion":"1.0","id":"1","type":"sap.s4.beh.salesorder.v1.SalesOrder.Created.v1","data":{"SalesOrder":"4711"}}"#;
    let pushed = connection.receive(&http::HeaderMap::new(), &body.into()).expect("an event");
    assert_eq!(pushed[0].as_ref().expect("an event").keys.get("SalesOrder").as_str(), Some("4711"));
}
