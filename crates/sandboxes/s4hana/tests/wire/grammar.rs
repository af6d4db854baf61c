//! Query options: filters, orders, selections, expansions, pages, counts.

use reqwest::StatusCode;
use sandbox_s4hana::Options;

use super::support::{System, never};

async fn with_orders(options: Options) -> System {
    let system = System::start_with(options).await;
    for (index, quantity) in ["1", "2", "3", "4", "5"].iter().enumerate() {
        system.order(&format!("Q-{index} O'Neil"), &[("TG11", quantity), ("TG12", "1")]).await;
    }
    system
}

async fn found(system: &System, filter: &str) -> Vec<String> {
    let path = format!(
        "API_SALES_ORDER_SRV/A_SalesOrder?$select=SalesOrder&$filter={}",
        filter.replace(' ', "%20").replace('+', "%2B")
    );
    let answer = system.get(&path).await;
    assert_eq!(answer.status, StatusCode::OK, "{filter}: {}", answer.text);
    answer.list().iter().map(|row| row["SalesOrder"].as_str().expect("a number").to_owned()).collect()
}

#[tokio::test]
async fn filters() {
    let system = with_orders(Options { timing: never(), ..Options::default() }).await;
    let all = found(&system, "SoldToParty eq '0010100001'").await;
    assert_eq!(all.len(), 5);
    let (first, second) = (all[0].as_str(), all[1].as_str());
    for (filter, count) in [
        ("PurchaseOrderByCustomer eq 'Q-2 O''Neil'", 1),
        ("PurchaseOrderByCustomer eq 'q-2 o''neil'", 0),
        ("startswith(PurchaseOrderByCustomer,'Q-') eq true", 5),
        ("endswith(PurchaseOrderByCustomer,'Neil') and not (TotalNetAmount gt 30M)", 2),
        ("substringof('-3',PurchaseOrderByCustomer)", 1),
        ("tolower(PurchaseOrderByCustomer) eq 'q-4 o''neil'", 1),
        ("length(PurchaseOrderByCustomer) eq 10 and CompleteDeliveryIsDefined eq false", 5),
        ("TotalNetAmount ge 28.35M and TotalNetAmount lt 40.850m", 1),
        ("TotalNetAmount eq 15.85", 1),
        ("(TotalNetAmount eq 15.85 or TotalNetAmount eq 28.35M) and SalesOrganization ne '2020'", 2),
        ("LastChangeDateTime ge datetimeoffset'2020-01-01T00:00:00Z'", 5),
        ("LastChangeDateTime gt datetimeoffset'2120-01-01T00:00:00.1234567+02:00'", 0),
        ("SalesOrderDate ge datetime'2020-01-01T00:00:00' and SalesOrderDate lt datetime'2120-01-01T00:00'", 5),
        ("DeliveryBlockReason eq ''", 5),
        ("CustomerPurchaseOrderDate eq null", 5),
        ("false or SalesOrganization eq '1010'", 5),
    ] {
        assert_eq!(found(&system, filter).await.len(), count, "{filter}");
    }
    assert_eq!(
        found(&system, &format!("SalesOrder eq '{second}' or SalesOrder eq '000{first}'")).await,
        [first, second]
    );
    for wrong in [
        "Nothing eq 1",
        "SalesOrder eq",
        "SalesOrder eq 1",
        "SalesOrder = '1'",
        "SalesOrder eq '1' and",
        "(SalesOrder eq '1'",
        "to_Item/Material eq 'TG11'",
        "substringof(SalesOrder)",
        "TotalNetAmount gt datetime'2020-01-01T00:00:00'",
    ] {
        let path = format!("API_SALES_ORDER_SRV/A_SalesOrder?$filter={}", wrong.replace(' ', "%20"));
        assert_eq!(system.get(&path).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn orders_selections_and_expansions() {
    let system = with_orders(Options { timing: never(), ..Options::default() }).await;
    let path = "API_SALES_ORDER_SRV/A_SalesOrder?$orderby=TotalNetAmount desc,SalesOrder&$top=2&$skip=1\
                &$expand=to_Item/to_ScheduleLine,to_Partner&$select=SalesOrder,to_Item/Material,to_Item/to_ScheduleLine,to_Partner\
                &$inlinecount=allpages";
    let answer = system.get(&path.replace(' ', "%20")).await.json();
    assert_eq!(answer["d"]["__count"], "5");
    let rows = answer["d"]["results"].as_array().expect("rows");
    assert_eq!(rows.len(), 2);
    assert!(rows[0].get("TotalNetAmount").is_none() && rows[0].get("to_Text").is_none());
    assert_eq!(rows[0]["to_Partner"]["results"].as_array().expect("partners").len(), 4);
    let items = rows[0]["to_Item"]["results"].as_array().expect("items");
    assert_eq!((items.len(), &items[0]["Material"]), (2, &"TG11".into()));
    assert!(items[0].get("NetAmount").is_none());
    assert_eq!(items[0]["to_ScheduleLine"]["results"][0]["ConfdOrderQtyByMatlAvailCheck"], "4");
    let whole = system.get("API_SALES_ORDER_SRV/A_SalesOrder?$top=1").await.list();
    let deferred = whole[0]["to_Item"]["__deferred"]["uri"].as_str().expect("a link").to_owned();
    let followed =
        system.http.get(&deferred).basic_auth("INTERLOCK", Some("sandbox")).header("accept", "application/json");
    let followed: serde_json::Value = followed.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(followed["d"]["results"].as_array().expect("items").len(), 2);
    for wrong in
        ["$select=Nothing", "$expand=to_Nothing", "$orderby=Nothing", "$top=-1", "$nothing=1", "$inlinecount=some"]
    {
        let answer = system.get(&format!("API_SALES_ORDER_SRV/A_SalesOrder?{wrong}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn pages_counts_and_properties() {
    let system = with_orders(Options { timing: never(), page: 2, ..Options::default() }).await;
    let mut seen = Vec::new();
    let mut next =
        Some(system.url("API_SALES_ORDER_SRV/A_SalesOrder?$filter=SalesOrganization%20eq%20'1010'&$skip=1&$top=4"));
    let mut pages = 0;
    while let Some(url) = next {
        let answer =
            system.http.get(&url).basic_auth("INTERLOCK", Some("sandbox")).header("accept", "application/json");
        let answer: serde_json::Value = answer.send().await.expect("an answer").json().await.expect("JSON");
        let rows = answer["d"]["results"].as_array().expect("rows").clone();
        seen.extend(rows.iter().map(|row| row["SalesOrder"].as_str().expect("a number").to_owned()));
        next = answer["d"]["__next"].as_str().map(str::to_owned);
        pages += 1;
    }
    assert_eq!((seen.len(), pages), (4, 2), "{seen:?}");
    seen.dedup();
    assert_eq!(seen.len(), 4);
    assert_eq!(system.get("API_SALES_ORDER_SRV/A_SalesOrder/$count").await.text, "5");
    let path = "API_SALES_ORDER_SRV/A_SalesOrderItem/$count?$filter=Material%20eq%20'tg11'";
    assert_eq!(system.get(path).await.text, "5");
    let first = &seen[0];
    let count = system.get(&format!("API_SALES_ORDER_SRV/A_SalesOrder('{first}')/to_Item/$count")).await;
    assert_eq!(count.text, "2");
    let item = format!("API_SALES_ORDER_SRV/A_SalesOrderItem(SalesOrderItem='10',SalesOrder='{first}')");
    assert_eq!(system.get(&format!("{item}/NetAmount")).await.json()["d"]["NetAmount"], "25.00");
    assert_eq!(system.get(&format!("{item}/NetAmount/$value")).await.text, "25.00");
    assert_eq!(system.get(&format!("{item}/to_SalesOrder/SoldToParty/$value")).await.text, "10100001");
    let by_navigation =
        format!("API_SALES_ORDER_SRV/A_SalesOrder('{first}')/to_Item(SalesOrder='{first}',SalesOrderItem='20')");
    assert_eq!(system.get(&by_navigation).await.entity()["Material"], "TG12");
    assert_eq!(system.get(&item.replace("'10'", "'15'")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(system.get("API_SALES_ORDER_SRV/A_SalesOrderItem('1')").await.status, StatusCode::BAD_REQUEST);
}
