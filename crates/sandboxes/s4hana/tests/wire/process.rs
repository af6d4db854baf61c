//! From the order to its payment, credit, returns, and the events that tell of them.

use reqwest::{Method, StatusCode};
use sandbox_s4hana::{EventTarget, Options};
use serde_json::{Value, json};

use super::support::{System, at_once, eventually, never, webhook};

const DELIVERIES: &str = "API_OUTBOUND_DELIVERY_SRV";
const BILLINGS: &str = "API_BILLING_DOCUMENT_SRV";

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

async fn paid(system: &System, order: &str) -> Value {
    let path =
        format!("{BILLINGS}/A_BillingDocumentItem?$filter=SalesDocument%20eq%20'{order}'&$expand=to_BillingDocument");
    let is_paid = |d: &Value| {
        d["results"].as_array().is_some_and(|items| {
            !items.is_empty() && items.iter().all(|item| item["to_BillingDocument"]["InvoiceClearingStatus"] == "C")
        })
    };
    let found = system.until(&path, is_paid).await;
    found["results"][0]["to_BillingDocument"].clone()
}

#[tokio::test]
async fn an_order_is_delivered_billed_and_paid() {
    let system = System::start(at_once()).await;
    let order = system.order("PO", &[("TG11", "3"), ("TG11", "1")]).await;
    let number = text(&order["SalesOrder"]);
    let billing = paid(&system, number).await;
    assert_eq!((&billing["SDDocumentCategory"], &billing["TotalNetAmount"]), (&json!("M"), &json!("50.00")));
    assert_eq!((&billing["TaxAmount"], &billing["TotalGrossAmount"]), (&json!("10.00"), &json!("60.00")));
    assert_eq!((&billing["TransactionCurrency"], &billing["AccountingPostingStatus"]), (&json!("GBP"), &json!("C")));
    assert_eq!(billing["PurchaseOrderByCustomer"], "PO");
    let items = system
        .get(&format!("{DELIVERIES}/A_OutbDeliveryItem?$filter=ReferenceSDDocument%20eq%20'{number}'"))
        .await
        .list();
    assert_eq!((items.len(), &items[1]["ReferenceSDDocumentItem"]), (2, &json!("20")));
    let delivery = format!(
        "{DELIVERIES}/A_OutbDeliveryHeader('{}')?$expand=to_DeliveryDocumentItem/to_DocumentFlow",
        text(&items[0]["DeliveryDocument"])
    );
    let delivery = system.get(&delivery).await.entity();
    assert_eq!(
        (&delivery["OverallGoodsMovementStatus"], &delivery["OverallDelivReltdBillgStatus"]),
        (&json!("C"), &json!("C"))
    );
    assert!(delivery["ActualGoodsMovementDate"].is_string());
    let order = system.get(&format!("API_SALES_ORDER_SRV/A_SalesOrder('{number}')")).await.entity();
    assert_eq!((&order["OverallSDProcessStatus"], &order["OverallTotalDeliveryStatus"]), (&json!("C"), &json!("C")));
    let item = format!("API_SALES_ORDER_SRV/A_SalesOrderItem(SalesOrder='{number}',SalesOrderItem='10')");
    let late = system.patch(&item, None, json!({"SalesDocumentRjcnReason": "50"})).await;
    assert_eq!((late.status.as_u16(), late.code().as_str()), (400, "V1/492"));
    let since =
        format!("{BILLINGS}/A_BillingDocument?$filter=LastChangeDateTime%20ge%20datetimeoffset'2020-01-01T00:00:00Z'");
    assert_eq!(system.get(&since).await.list().len(), 1);
}

#[tokio::test]
async fn items_of_two_plants_make_two_deliveries() {
    let system = System::start(at_once()).await;
    let order = system.order("PO", &[("TG11", "3"), ("TG12", "1")]).await;
    let number = text(&order["SalesOrder"]);
    let path = format!("{BILLINGS}/A_BillingDocumentItem?$filter=SalesDocument%20eq%20'{number}'");
    let items = system.until(&path, |d| d["results"].as_array().is_some_and(|items| items.len() == 2)).await;
    assert_ne!(items["results"][0]["BillingDocument"], items["results"][1]["BillingDocument"]);
    assert_eq!((&items["results"][0]["Plant"], &items["results"][1]["Plant"]), (&json!("1010"), &json!("1020")));
}

#[tokio::test]
async fn rejected_items_are_not_delivered_and_blocks_hold() {
    let system = System::start(never()).await;
    let order = system.order("PO", &[("TG11", "3"), ("TG11", "1")]).await;
    let number = text(&order["SalesOrder"]);
    let path = format!("API_SALES_ORDER_SRV/A_SalesOrder('{number}')");
    let item = format!("API_SALES_ORDER_SRV/A_SalesOrderItem(SalesOrder='{number}',SalesOrderItem='10')");
    assert_eq!(system.patch(&item, None, json!({"SalesDocumentRjcnReason": "50"})).await.status, 204);
    assert_eq!(system.patch(&path, Some("*"), json!({"DeliveryBlockReason": "01"})).await.status, 204);
    let short = json!({"deliveryAfterMs": 0, "goodsIssueAfterMs": 0, "invoiceAfterMs": 0, "paymentAfterMs": 0});
    system.control(Method::PUT, "timing", short).await;
    let blocked = {
        let mut body = super::support::order("PO-2", &[("TG11", "1")]);
        body["DeliveryBlockReason"] = json!("01");
        system.post("API_SALES_ORDER_SRV/A_SalesOrder", body).await.entity()
    };
    let open = system.order("PO-3", &[("TG11", "1")]).await;
    paid(&system, text(&open["SalesOrder"])).await;
    let blocked = text(&blocked["SalesOrder"]);
    let none = format!("{DELIVERIES}/A_OutbDeliveryItem?$filter=ReferenceSDDocument%20eq%20'{blocked}'");
    assert!(system.get(&none).await.list().is_empty());
    let released = format!("API_SALES_ORDER_SRV/A_SalesOrder('{blocked}')");
    assert_eq!(system.patch(&released, Some("*"), json!({"DeliveryBlockReason": ""})).await.status, 204);
    paid(&system, blocked).await;
}

#[tokio::test]
async fn an_order_beyond_the_credit_limit_waits_for_its_release() {
    let system = System::start(at_once()).await;
    let limits = json!({"creditLimits": [{"customer": "a1", "amount": 100, "currency": "GBP"}]});
    system.control(Method::POST, "seed", limits).await;
    let passed = system.order("PO-1", &[("TG11", "4")]).await;
    assert_eq!(passed["TotalCreditCheckStatus"], "A");
    let simulation = {
        let mut body = super::support::order("", &[("TG11", "8")]);
        body["to_Credit"] = json!({});
        system.post("API_SALES_ORDER_SIMULATION_SRV/A_SalesOrderSimulation", body).await.entity()
    };
    assert_eq!(simulation["to_Credit"]["TotalCreditCheckStatus"], "B");
    let blocked = system.order("PO-2", &[("TG11", "8")]).await;
    assert_eq!(blocked["TotalCreditCheckStatus"], "B");
    paid(&system, text(&passed["SalesOrder"])).await;
    let number = text(&blocked["SalesOrder"]);
    let deliveries = format!("{DELIVERIES}/A_OutbDeliveryItem?$filter=ReferenceSDDocument%20eq%20'{number}'");
    assert!(system.get(&deliveries).await.list().is_empty());
    system.control(Method::POST, "release-credit", json!({"salesOrder": number})).await;
    let order = system.get(&format!("API_SALES_ORDER_SRV/A_SalesOrder('{number}')")).await.entity();
    assert_eq!(order["TotalCreditCheckStatus"], "D");
    paid(&system, number).await;
}

#[tokio::test]
async fn a_limit_may_be_given_before_its_customer_comes() {
    let system = System::start(never()).await;
    system.control(Method::POST, "seed", json!({"creditLimits": [{"customer": "ext-7", "amount": "10.00"}]})).await;
    let partner = json!({"BusinessPartnerCategory": "2", "OrganizationBPName1": "X", "BusinessPartnerIDByExtSystem": "EXT-7",
        "to_BusinessPartnerAddress": [{"Country": "GB"}], "to_BusinessPartnerRole": [{"BusinessPartnerRole": "FLCU01"}]});
    let partner = system.post("API_BUSINESS_PARTNER/A_BusinessPartner", partner).await.entity();
    let mut order = super::support::order("PO", &[("TG11", "1")]);
    order["SoldToParty"] = partner["Customer"].clone();
    let order = system.post("API_SALES_ORDER_SRV/A_SalesOrder", order).await.entity();
    assert_eq!(order["TotalCreditCheckStatus"], "B");
}

#[tokio::test]
async fn returns_are_credited_and_never_exceed_what_was_billed() {
    let system = System::start(at_once()).await;
    let order = system.order("PO", &[("TG11", "3")]).await;
    let number = text(&order["SalesOrder"]).to_owned();
    let billing = paid(&system, &number).await;
    let body = |document: &str, quantity: &str| {
        json!({"CustomerReturnType": "CBAR", "SalesOrganization": "1010", "DistributionChannel": "10", "OrganizationDivision": "00",
            "SoldToParty": "10100001", "PurchaseOrderByCustomer": "R-1",
            "to_Item": [{"Material": "TG11", "RequestedQuantity": quantity, "ReferenceSDDocument": document, "ReferenceSDDocumentItem": "10", "ReturnReason": "001"}]})
    };
    let path = "API_CUSTOMER_RETURN_SRV/A_CustomerReturn";
    let first = system.post(path, body(&number, "1")).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text);
    assert_eq!(
        (&first.entity()["TotalNetAmount"], &first.entity()["to_Item"]["results"][0]["ReferenceSDDocument"]),
        (&json!("12.50"), &json!(number))
    );
    let too_much = system.post(path, body(text(&billing["BillingDocument"]), "3")).await;
    assert_eq!((too_much.status.as_u16(), too_much.code().as_str()), (400, "V1/261"));
    let rest = system.post(path, body(text(&billing["BillingDocument"]), "2")).await.entity();
    let memo = paid(&system, text(&rest["CustomerReturn"])).await;
    assert_eq!(
        (&memo["SDDocumentCategory"], &memo["TotalNetAmount"], &memo["TaxAmount"]),
        (&json!("O"), &json!("25.00"), &json!("5.00"))
    );
    let found = system.get(&format!("{path}?$filter=PurchaseOrderByCustomer%20eq%20'R-1'")).await.list();
    assert_eq!(found.len(), 2);
    assert_eq!(system.post(path, body("4711", "1")).await.code(), "V1/260");
}

#[tokio::test]
async fn actions_pick_issue_and_cancel() {
    let system = System::start(never()).await;
    system.control(Method::PUT, "timing", json!({"deliveryAfterMs": 0})).await;
    let order = system.order("PO", &[("TG11", "3")]).await;
    let path =
        format!("{DELIVERIES}/A_OutbDeliveryItem?$filter=ReferenceSDDocument%20eq%20'{}'", text(&order["SalesOrder"]));
    let items = system.until(&path, |d| d["results"].as_array().is_some_and(|items| !items.is_empty())).await;
    let delivery = text(&items["results"][0]["DeliveryDocument"]).to_owned();
    for action in ["PickAllItems", "PostGoodsIssue"] {
        let done = system.post(&format!("{DELIVERIES}/{action}?DeliveryDocument='{delivery}'"), json!({})).await;
        assert_eq!(
            (done.status.as_u16(), &done.list()[0]["DeliveryDocument"]),
            (200, &json!(delivery)),
            "{}",
            done.text
        );
        // The invoice follows at once, its payment does not.
        system.control(Method::PUT, "timing", json!({"invoiceAfterMs": 0})).await;
    }
    let again = system.post(&format!("{DELIVERIES}/PostGoodsIssue?DeliveryDocument='{delivery}'"), json!({})).await;
    assert_eq!(again.code(), "VL/602");
    let path = format!("{BILLINGS}/A_BillingDocumentItem?$filter=ReferenceSDDocument%20eq%20'{delivery}'");
    let billed = system.until(&path, |d| d["results"].as_array().is_some_and(|items| !items.is_empty())).await;
    let billing = text(&billed["results"][0]["BillingDocument"]).to_owned();
    let cancelled = system.post(&format!("{BILLINGS}/Cancel?BillingDocument='{billing}'"), json!({})).await;
    assert_eq!(cancelled.list()[0]["BillingDocument"], billing.as_str(), "{}", cancelled.text);
    let read = system.get(&format!("{BILLINGS}/A_BillingDocument('{billing}')")).await.entity();
    assert_eq!(read["BillingDocumentIsCancelled"], true);
}

#[tokio::test]
async fn events_tell_of_every_step_until_they_are_taken() {
    let (url, received) = webhook().await;
    received.lock().expect("no panic").refuse = 2;
    let events = Some(EventTarget { url, token: Some("secret".to_owned()) });
    let system = System::start_with(Options { timing: at_once(), events, ..Options::default() }).await;
    for index in 0..20 {
        system.order(&format!("PO-{index}"), &[("TG11", "1")]).await;
    }
    let count = |kind: &str| {
        let received = received.lock().expect("no panic");
        received.events.iter().filter(|event| event["type"] == format!("sap.s4.beh.{kind}.v1")).count()
    };
    for kind in [
        "salesorder.v1.SalesOrder.Created",
        "outbounddelivery.v1.OutboundDelivery.Created",
        "outbounddelivery.v1.OutboundDelivery.Changed",
        "billingdocument.v1.BillingDocument.Created",
        "billingdocument.v1.BillingDocument.Changed",
    ] {
        eventually(kind, || count(kind) == 20).await;
    }
    let report = system.control(Method::GET, "events", Value::Null).await;
    assert_eq!((&report["lost"], &report["duplicated"]), (&json!(0), &json!(0)));
    {
        let received = received.lock().expect("no panic");
        assert!(received.origins.iter().all(|origin| !origin.is_empty()) && !received.origins.is_empty());
        assert!(received.authorizations.iter().all(|authorization| authorization == "Bearer secret"));
        assert!(received.content_types.iter().all(|kind| kind.starts_with("application/cloudevents")));
        let first = &received.events[0];
        assert_eq!(
            (&first["specversion"], &first["source"]),
            (&json!("1.0"), &json!("/default/sap.s4.beh/S4HCLNT100"))
        );
        let created = received
            .events
            .iter()
            .find(|event| event["type"] == "sap.s4.beh.billingdocument.v1.BillingDocument.Created.v1");
        assert!(created.expect("an event")["data"]["BillingDocument"].as_str().expect("a key").starts_with('9'));
    }
    system.running.serving.stop();
    system.running.serving.wait().await;
}
