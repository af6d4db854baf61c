//! Deep inserts, changes with ETags, deletes, and what is refused.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::support::{Answer, System, never, order};

const ORDERS: &str = "API_SALES_ORDER_SRV/A_SalesOrder";

#[tokio::test]
async fn a_deep_insert_answers_with_what_was_sent_and_what_follows_from_it() {
    let system = System::start(never()).await;
    let mut body = order("PO-1", &[("TG11", "3"), ("TG12", "2")]);
    body["to_Item"][0]["to_PricingElement"] =
        json!([{"ConditionType": "PPR0", "ConditionRateValue": "0.335", "ConditionCurrency": "GBP"}]);
    body["to_Text"] = json!({"results": [{"Language": "EN", "LongTextID": "TX01", "LongText": "Ring twice"}]});
    body["ShippingType"] = json!("01");
    body["CustomerPurchaseOrderDate"] = json!("/Date(1795392000000)/");
    let answer = system.post(ORDERS, body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let created = answer.entity();
    let number = created["SalesOrder"].as_str().expect("a number");
    assert_eq!(answer.headers["location"], system.url(&format!("{ORDERS}('{number}')")));
    assert_eq!(answer.headers["etag"], created["__metadata"]["etag"].as_str().expect("an ETag"));
    assert!(answer.headers["etag"].starts_with("W/\"datetimeoffset'20"), "{}", answer.headers["etag"]);
    assert_eq!(created["TotalNetAmount"], "7.71");
    assert_eq!(
        (&created["ShippingType"], &created["CustomerPurchaseOrderDate"]),
        (&json!("01"), &json!("/Date(1795392000000)/"))
    );
    assert_eq!(created["OverallSDProcessStatus"], "A");
    let items = created["to_Item"]["results"].as_array().expect("items");
    assert_eq!((&items[0]["SalesOrderItem"], &items[0]["NetAmount"]), (&json!("10"), &json!("1.01")));
    assert_eq!((&items[1]["SalesOrderItem"], &items[1]["NetAmount"]), (&json!("20"), &json!("6.70")));
    assert_eq!((&items[0]["ProductionPlant"], &items[1]["ProductionPlant"]), (&json!("1010"), &json!("1020")));
    let prices = items[0]["to_PricingElement"]["results"].as_array().expect("prices");
    assert_eq!(
        (&prices[0]["ConditionType"], &prices[0]["ConditionRateValue"]),
        (&json!("PPR0"), &json!("0.335000000"))
    );
    assert_eq!((&prices[1]["ConditionType"], &prices[1]["ConditionAmount"]), (&json!("TTX1"), &json!("0.20")));
    assert!(items[1]["to_ScheduleLine"]["__deferred"]["uri"].is_string());
    assert!(created["to_Partner"]["__deferred"]["uri"].is_string());
    assert_eq!(created["to_Text"]["results"][0]["LongText"], "Ring twice");
    let read = system.get(&format!("{ORDERS}('{number}')?$expand=to_Item/to_PricingElement,to_Text")).await.entity();
    assert_eq!(read["to_Item"]["results"][0]["to_PricingElement"], items[0]["to_PricingElement"]);
}

#[tokio::test]
async fn what_the_vendor_refuses() {
    let system = System::start(never()).await;
    let with = |name: &str, value: Value| {
        let mut body = order("PO", &[("TG11", "1")]);
        body[name] = value;
        body
    };
    let item = |name: &str, value: Value| {
        let mut body = order("PO", &[("TG11", "1")]);
        body["to_Item"][0][name] = value;
        body
    };
    let many: Vec<(&str, &str)> = vec![("TG11", "1"); 1000];
    for (body, code) in [
        (with("SalesOrderType", json!("XX")), "V1/213"),
        (with("DistributionChannel", json!("99")), "V1/313"),
        (with("SoldToParty", json!("4711")), "VP/199"),
        (with("to_Partner", json!([{"PartnerFunction": "ZZ", "Customer": "10100002"}])), "VP/112"),
        (item("Material", json!("NONE")), "V1/384"),
        (item("ProductionPlant", json!("9999")), "M3/351"),
        (item("RequestedQuantity", json!("0")), "V1/208"),
        (item("RequestedQuantityUnit", json!("KG")), "V1/338"),
        (item("to_PricingElement", json!([{"ConditionType": "ZZZZ", "ConditionRateValue": "1"}])), "V1/801"),
        (order("PO", &many), "V1/247"),
        (with("PurchaseOrderByCustomer", json!("x".repeat(36))), "005056A509B11ED1BEB1513CEE2A4BDA"),
        (with("Nothing", json!("1")), "005056A509B11ED1BEB1513CEE2A4BDA"),
        (item("RequestedQuantity", json!("many")), "005056A509B11ED1BEB1513CEE2A4BDA"),
        (item("RequestedQuantity", json!("1.2345")), "005056A509B11ED1BEB1513CEE2A4BDA"),
    ] {
        let answer = system.post(ORDERS, body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, code), "{}", answer.text);
        assert_eq!(answer.json()["error"]["innererror"]["errordetails"][0]["code"], code);
    }
    let message = system.post(ORDERS, item("Material", json!("NONE"))).await.message();
    assert_eq!(message, "Material NONE is not defined for sales org.1010, distr.chan.10, language EN");
    let text =
        system.signed(Method::POST, ORDERS).body("{\"SalesOrderType\":").header("content-type", "application/json");
    assert_eq!(text.send().await.expect("an answer").status(), StatusCode::BAD_REQUEST);
    assert_eq!(system.get(&format!("{ORDERS}/$count")).await.text, "0");
}

#[tokio::test]
async fn changes_want_the_token_of_what_was_read() {
    let system = System::start(never()).await;
    let created = system.order("PO", &[("TG11", "1")]).await;
    let path = format!("{ORDERS}('{}')", created["SalesOrder"].as_str().expect("a number"));
    let etag = created["__metadata"]["etag"].as_str().expect("an ETag");
    let body = || json!({"DeliveryBlockReason": "01"});
    assert_eq!(system.patch(&path, None, body()).await.status, StatusCode::PRECONDITION_REQUIRED);
    let changed = system.patch(&path, Some(etag), body()).await;
    assert_eq!((changed.status, changed.text.as_str()), (StatusCode::NO_CONTENT, ""));
    assert_eq!(system.patch(&path, Some(etag), body()).await.status, StatusCode::PRECONDITION_FAILED);
    let read = system.get(&path).await;
    assert_eq!(read.entity()["DeliveryBlockReason"], "01");
    assert_ne!(read.headers["etag"], etag);
    let merge =
        system.signed(Method::POST, &path).header("x-http-method", "MERGE").header("if-match", &read.headers["etag"]);
    let merged = merge.json(&json!({"PurchaseOrderByCustomer": "PO-2"})).send().await.expect("an answer");
    assert_eq!(merged.status(), StatusCode::NO_CONTENT);
    let found = system.get(&format!("{ORDERS}?$filter=PurchaseOrderByCustomer%20eq%20'PO-2'")).await.list();
    assert_eq!(found.len(), 1);
    assert_eq!(system.get(&format!("{ORDERS}?$filter=PurchaseOrderByCustomer%20eq%20'PO'")).await.list().len(), 0);
    let deleted = system.signed(Method::DELETE, &path).header("if-match", "*").send().await.expect("an answer");
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(system.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn items_are_added_changed_and_rejected() {
    let system = System::start(never()).await;
    let created = system.order("PO", &[("TG11", "1"), ("TG12", "1")]).await;
    let number = created["SalesOrder"].as_str().expect("a number");
    let item =
        |item: &str| format!("API_SALES_ORDER_SRV/A_SalesOrderItem(SalesOrder='{number}',SalesOrderItem='{item}')");
    let added = system
        .post(&format!("{ORDERS}('{number}')/to_Item"), json!({"Material": "TG11", "RequestedQuantity": 2}))
        .await;
    assert_eq!((added.status, &added.entity()["SalesOrderItem"]), (StatusCode::CREATED, &json!("30")));
    let changed = system.patch(&item("10"), None, json!({"RequestedQuantity": "4"})).await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT, "{}", changed.text);
    assert_eq!(system.patch(&item("20"), None, json!({"SalesDocumentRjcnReason": "50"})).await.status, 204);
    let read = system.get(&format!("{ORDERS}('{number}')?$expand=to_Item")).await.entity();
    assert_eq!((&read["TotalNetAmount"], &read["OverallSDDocumentRejectionSts"]), (&json!("75.00"), &json!("B")));
    assert_eq!(read["to_Item"]["results"][1]["SDProcessStatus"], "C");
    let price = format!(
        "API_SALES_ORDER_SRV/A_SalesOrderItemPrElement(SalesOrder='{number}',SalesOrderItem='10',PricingProcedureStep='20',PricingProcedureCounter='1')"
    );
    assert_eq!(system.patch(&price, None, json!({"ConditionRateValue": "1"})).await.status, 204);
    assert_eq!(system.get(&format!("{ORDERS}('{number}')")).await.entity()["TotalNetAmount"], "29.00");
}

#[tokio::test]
async fn a_simulation_prices_and_keeps_nothing() {
    let system = System::start(never()).await;
    let mut body = order("", &[("TG11", "2"), ("TG12", "20")]);
    body["to_Pricing"] = json!({});
    body["to_Credit"] = json!({});
    body["to_Item"][1]["to_ScheduleLine"] = json!([]);
    let answer = system.post("API_SALES_ORDER_SIMULATION_SRV/A_SalesOrderSimulation", body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let simulated = answer.entity();
    assert_eq!(simulated["to_Pricing"]["TotalNetAmount"], "92.00");
    assert_eq!(simulated["to_Credit"]["TotalCreditCheckStatus"], "");
    let items = simulated["to_Item"]["results"].as_array().expect("items");
    assert_eq!(
        (&items[0]["NetAmount"], &items[0]["TaxAmount"], &items[0]["Plant"]),
        (&json!("25.00"), &json!("5.00"), &json!("1010"))
    );
    assert_eq!(items[1]["ConfdDelivQtyInOrderQtyUnit"], "10");
    let lines = items[1]["to_ScheduleLine"]["results"].as_array().expect("lines");
    assert_eq!((lines.len(), &lines[1]["ConfdOrderQtyByMatlAvailCheck"]), (2, &json!("10")));
    assert_eq!(system.get(&format!("{ORDERS}/$count")).await.text, "0");
}

#[tokio::test]
async fn availability_follows_stock_and_orders() {
    let system = System::start(never()).await;
    let at = |rest: &str| {
        format!("API_PRODUCT_AVAILY_INFO_BASIC/{rest}&SupplyingPlant='1010'&Material='TG11'&ATPCheckingRule='A'")
    };
    let path = at("DetermineAvailabilityAt?RequestedUTCDateTime=datetimeoffset'2026-11-23T11:30:00Z'");
    let quantity = |answer: &Answer, name: &str| answer.entity()[name]["AvailableQuantityInBaseUnit"].clone();
    let before = system.get(&path).await;
    assert_eq!(quantity(&before, "DetermineAvailabilityAt"), "1000", "{}", before.text);
    system.order("PO", &[("TG11", "400")]).await;
    assert_eq!(quantity(&system.get(&path).await, "DetermineAvailabilityAt"), "600");
    let of = system.get(&at("DetermineAvailabilityOf?RequestedQuantityInBaseUnit=700M")).await.entity();
    assert_eq!(of["DetermineAvailabilityOf"]["AvailableQuantityInBaseUnit"], "1000");
    let series = system.get(&at("CalculateAvailabilityTimeseries?sap-client=100")).await.list();
    assert_eq!(series.len(), 2);
    let unknown = system.get(&path.replace("TG11", "NONE")).await;
    assert_eq!((unknown.status.as_u16(), unknown.code().as_str()), (400, "M3/305"));
    assert_eq!(system.get(&path.replace("1010", "9999")).await.code(), "M3/351");
}
