//! Condition records and stock: what the services show is what orders are priced and promised with.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::support::{System, at_once, eventually, never, order, webhook};

const PRICES: &str = "API_SLSPRICINGCONDITIONRECORD_SRV";
const RECORDS: &str = "API_SLSPRICINGCONDITIONRECORD_SRV/A_SlsPrcgConditionRecord";
const STOCK: &str = "API_MATERIAL_STOCK_SRV";

fn price(amount: &str, periods: &[Value]) -> Value {
    json!({"ConditionType": "PPR0", "ConditionRateValue": amount, "ConditionRateValueUnit": "GBP",
        "to_SlsPrcgCndnRecdValidity": periods})
}

fn period(more: &Value) -> Value {
    let mut period = json!({"Material": "TG11", "SalesOrganization": "1010", "DistributionChannel": "10"});
    let members = period.as_object_mut().expect("an object");
    members.extend(more.as_object().expect("an object").clone());
    period
}

/// The net amount of an order of one TG11 of customer 10100001, on a day.
async fn net(system: &System, day: &str) -> String {
    let mut body = order("PO", &[("TG11", "1")]);
    body["PricingDate"] = day.into();
    body["to_Pricing"] = json!({});
    let simulated = system.post("API_SALES_ORDER_SIMULATION_SRV/A_SalesOrderSimulation", body).await;
    assert_eq!(simulated.status, StatusCode::CREATED, "{}", simulated.text);
    simulated.entity()["to_Pricing"]["TotalNetAmount"].as_str().expect("an amount").to_owned()
}

/// Periods of TG11: start, end, and amount.
async fn periods(system: &System) -> Vec<(String, String, String)> {
    let path =
        format!("{PRICES}/A_SlsPrcgCndnRecdValidity?$filter=Material%20eq%20'TG11'&$expand=to_SlsPrcgConditionRecord");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let mut found: Vec<_> = system
        .get(&path)
        .await
        .list()
        .iter()
        .map(|one| {
            (
                text(&one["ConditionValidityStartDate"]),
                text(&one["ConditionValidityEndDate"]),
                text(&one["to_SlsPrcgConditionRecord"]["ConditionRateValue"]),
            )
        })
        .collect();
    found.sort();
    found
}

#[tokio::test]
async fn a_changed_condition_changes_what_orders_cost() {
    let system = System::start(never()).await;
    let path = format!("{RECORDS}?$expand=to_SlsPrcgCndnRecdValidity&$orderby=LastChangeDateTime,ConditionRecord");
    let found = system.get(&path).await.list();
    assert_eq!(found.len(), 2, "one for each product that was loaded");
    let record = &found[0];
    assert_eq!(
        (&record["ConditionType"], &record["ConditionRateValue"], &record["ConditionRateValueUnit"]),
        (&json!("PPR0"), &json!("12.5"), &json!("GBP"))
    );
    assert_eq!((&record["ConditionTable"], &record["ConditionQuantity"]), (&json!("304"), &json!("1")));
    let period = &record["to_SlsPrcgCndnRecdValidity"]["results"][0];
    assert_eq!((&period["Material"], &period["SalesOrganization"]), (&json!("TG11"), &json!("1010")));
    assert_eq!(period["ConditionValidityEndDate"], "/Date(253402214400000)/");
    assert_eq!(net(&system, "/Date(1795392000000)/").await, "12.50");

    let address = format!("{RECORDS}('{}')", record["ConditionRecord"].as_str().expect("a number"));
    let unconditional = system.patch(&address, None, json!({"ConditionRateValue": "13"})).await;
    assert_eq!(unconditional.status, 428);
    let changed =
        system.patch(&address, Some("*"), json!({"ConditionRateValue": "14", "ConditionQuantity": "2"})).await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT, "{}", changed.text);
    assert_eq!(net(&system, "/Date(1795392000000)/").await, "7.00");
    // A sweep finds it.
    let since = &system.get(&address).await.entity()["LastChangeDateTime"];
    assert_ne!(since, &record["LastChangeDateTime"]);
    let negative = system.patch(&address, Some("*"), json!({"ConditionRateValue": "-1"})).await;
    assert_eq!(negative.code(), "VK/020");
    let stale = system.patch(&address, Some("W/\"'0'\""), json!({"ConditionRateValue": "15"})).await;
    assert_eq!(stale.status, 412);
    let gone = system.signed(Method::DELETE, &address).header("if-match", "*").send().await.expect("an answer");
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    let refused = system.post("API_SALES_ORDER_SRV/A_SalesOrder", order("PO", &[("TG11", "1")])).await;
    assert_eq!(refused.code(), "V1/802");
    assert_eq!(periods(&system).await, []);
}

#[tokio::test]
async fn a_later_price_cuts_the_period_of_the_one_before() {
    let system = System::start(never()).await;
    // 2030-01-01 to 2030-01-31.
    let (first, last) = ("/Date(1893456000000)/", "/Date(1896048000000)/");
    let limited = period(&json!({"ConditionValidityStartDate": first, "ConditionValidityEndDate": last}));
    let made = system.post(RECORDS, price("9.99", &[limited])).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let forever = "/Date(253402214400000)/";
    let before = ("/Date(0)/", "/Date(1893369600000)/", "12.5");
    let after = ("/Date(1896134400000)/", forever, "12.5");
    let wanted = [before, (first, last, "9.99"), after].map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(periods(&system).await, wanted);
    let mut costs = Vec::new();
    for day in ["/Date(1893369600000)/", first, last, "/Date(1896134400000)/"] {
        costs.push(net(&system, day).await);
    }
    assert_eq!(costs, ["12.50", "9.99", "9.99", "12.50"]);
    // From today for ever: of the record before only what is past remains.
    let made = system.post(RECORDS, price("20", &[period(&json!({}))])).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let found = periods(&system).await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(net(&system, first).await, "20.00");
}

#[tokio::test]
async fn a_customers_own_price_goes_before_the_list_price() {
    let system = System::start(never()).await;
    let own = period(&json!({"Customer": "10100001"}));
    let made = system.post(RECORDS, price("11", &[own])).await;
    assert_eq!((made.status, &made.entity()["ConditionTable"]), (StatusCode::CREATED, &json!("305")), "{}", made.text);
    assert_eq!(net(&system, "/Date(1893456000000)/").await, "11.00");
    let mut body = order("PO", &[("TG11", "1")]);
    body["SoldToParty"] = "10100002".into();
    body["to_Pricing"] = json!({});
    let other = system.post("API_SALES_ORDER_SIMULATION_SRV/A_SalesOrderSimulation", body).await.entity();
    assert_eq!(other["to_Pricing"]["TotalNetAmount"], "12.50");
    for (body, code) in [
        (price("1", &[]), "VK/033"),
        (price("1", &[period(&json!({"Material": "NONE"}))]), "M3/305"),
        (price("1", &[period(&json!({"SalesOrganization": "9999"}))]), "VK/034"),
        (price("1", &[period(&json!({"Customer": "1"}))]), "VP/199"),
        (json!({"ConditionType": "XXXX", "ConditionRateValue": "1"}), "VK/017"),
        (json!({"ConditionType": "PPR0", "ConditionRateValue": "1", "ConditionRateValueUnit": "pound"}), "SG/105"),
    ] {
        let refused = system.post(RECORDS, body.clone()).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (400, code), "{body}: {}", refused.text);
    }
}

#[tokio::test]
async fn stock_is_what_availability_and_goods_issues_work_with() {
    let system = System::start(at_once()).await;
    let path = format!("{STOCK}/A_MaterialStock('TG11')?$expand=to_MatlStkInAcctMod");
    let quantities = |stock: &Value| -> Vec<String> {
        let rows = stock["to_MatlStkInAcctMod"]["results"].as_array().expect("rows");
        rows.iter().map(|row| row["MatlWrhsStkQtyInMatlBaseUnit"].as_str().expect("a quantity").to_owned()).collect()
    };
    let stock = system.get(&path).await.entity();
    assert_eq!((quantities(&stock), &stock["MaterialBaseUnit"]), (vec!["1000".to_owned(); 2], &json!("PC")));
    let row = &stock["to_MatlStkInAcctMod"]["results"][0];
    assert_eq!((&row["Plant"], &row["InventoryStockType"]), (&json!("1010"), &json!("01")));
    let filtered = format!("{STOCK}/A_MatlStkInAcctMod?$filter=Material%20eq%20'TG12'%20and%20Plant%20eq%20'1020'");
    let found = system.get(&filtered).await.list();
    assert_eq!((found.len(), &found[0]["MatlWrhsStkQtyInMatlBaseUnit"]), (1, &json!("10")));
    let own = found[0]["__metadata"]["uri"].as_str().expect("an address");
    let own = own.split_once("API_MATERIAL_STOCK_SRV").expect("of this service").1;
    assert_eq!(system.get(&format!("{STOCK}{own}")).await.entity()["Plant"], "1020");

    system.order("PO", &[("TG11", "3")]).await;
    system.until(&path, |stock| quantities(stock).contains(&"997".to_owned())).await;
    system.control(Method::PUT, "stock", json!([{"product": "TG11", "plant": "1020", "quantity": "2.5"}])).await;
    assert_eq!(quantities(&system.get(&path).await.entity()), ["997", "2.5"]);
    let asked = "API_PRODUCT_AVAILY_INFO_BASIC/DetermineAvailabilityAt?Material='TG11'&SupplyingPlant='1020'\
                 &ATPCheckingRule='A'&RequestedUTCDateTime=datetimeoffset'2020-01-01T00:00:00Z'";
    let available = system.get(asked).await;
    assert!(available.text.contains("\"AvailableQuantityInBaseUnit\":\"2.5\""), "{}", available.text);
    let refused =
        system.patch(&format!("{STOCK}/A_MaterialStock('TG11')"), None, json!({"MaterialBaseUnit": "KG"})).await;
    assert_eq!(refused.status, 405);
    assert_eq!(system.get(&format!("{STOCK}/A_MaterialStock('NONE')")).await.status, 404);
}

#[tokio::test]
async fn a_change_below_a_product_is_a_change_of_it() {
    let system = System::start(never()).await;
    let (url, received) = webhook().await;
    system.control(Method::PUT, "events", json!({"url": url, "token": "t"})).await;
    let product = "API_PRODUCT_SRV/A_Product('TG11')";
    let changed_at = || async { system.get(product).await.entity()["LastChangeDateTime"].clone() };
    let before = changed_at().await;
    let described = "API_PRODUCT_SRV/A_ProductDescription(Product='TG11',Language='EN')";
    let answer = system.patch(described, None, json!({"ProductDescription": "Renamed"})).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text);
    let renamed = changed_at().await;
    assert_ne!(before, renamed);
    let answer = system.patch(product, None, json!({"IsMarkedForDeletion": true})).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text);
    assert_ne!(renamed, changed_at().await);
    let instant = renamed.as_str().expect("an instant").trim_matches(|c: char| !c.is_ascii_digit()).split('+').next();
    let millis: i64 = instant.and_then(|digits| digits.parse().ok()).expect("milliseconds");
    let since = jiff::Timestamp::from_millisecond(millis).expect("an instant");
    let sweep = format!("API_PRODUCT_SRV/A_Product?$filter=LastChangeDateTime%20gt%20datetimeoffset'{since}'");
    let found = system.get(&sweep).await.list();
    assert_eq!((found.len(), &found[0]["Product"]), (1, &json!("TG11")));
    eventually("both are told", || received.lock().expect("no panic").events.len() == 2).await;
    let told = received.lock().expect("no panic").events.clone();
    assert!(told.iter().all(|event| event["type"] == "sap.s4.beh.product.v1.Product.Changed.v1"), "{told:?}");
    let refused = system.post("API_SALES_ORDER_SRV/A_SalesOrder", order("PO", &[("TG11", "1")])).await;
    assert_eq!(refused.code(), "V1/384", "it is not sold any more");
}
