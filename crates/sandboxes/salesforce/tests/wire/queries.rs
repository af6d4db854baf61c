//! SOQL.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Org, code};

async fn accounts(org: &Org, count: usize) {
    for chunk in (0..count).collect::<Vec<_>>().chunks(200) {
        let records: Vec<Value> = chunk
            .iter()
            .map(|number| {
                json!({
                    "attributes": {"type": "Account"}, "Name": format!("Account {number:05}"),
                    "Industry": if number % 3 == 0 { "Retail" } else { "Media" }, "NumberOfEmployees": number,
                })
            })
            .collect();
        let (status, _) = org.send(Method::POST, "/composite/sobjects", json!({ "records": records })).await;
        assert_eq!(status, 200);
    }
}

#[tokio::test]
async fn parents_and_children_come_along() {
    let org = Org::start().await;
    let (quote, _) = org.quote().await;
    let soql = format!(
        "SELECT Id, QuoteAccount.Name, Opportunity.Name, (SELECT Quantity, PricebookEntry.Product2.ProductCode FROM QuoteLineItems ORDER BY Quantity DESC) FROM Quote WHERE Id = '{quote}'"
    );
    let row = org.rows(&soql).await.remove(0);
    assert_eq!((&row["QuoteAccount"]["Name"], &row["Opportunity"]), (&json!("Acme"), &Value::Null));
    let lines = &row["QuoteLineItems"];
    assert_eq!((&lines["totalSize"], &lines["done"]), (&json!(2), &json!(true)));
    assert_eq!(lines["records"][0]["Quantity"], 3.0);
    assert_eq!(lines["records"][1]["PricebookEntry"]["Product2"]["ProductCode"], "T-1");
}

#[tokio::test]
async fn conditions_choose_as_the_vendor_does() {
    let org = Org::start().await;
    accounts(&org, 30).await;
    org.create("Account", json!({"Name": "O'Neil & Söhne", "Tags__c": "a;b"})).await;
    for (condition, count) in [
        ("Name = 'account 00007'", 1),
        ("Name LIKE 'ACCOUNT 0000_'", 10),
        ("Name LIKE '%söhne'", 1),
        ("Name = 'O\\'Neil & Söhne'", 1),
        ("Industry = null", 1),
        ("Industry != 'Retail'", 21),
        ("NumberOfEmployees > 9 AND NumberOfEmployees <= 12", 3),
        ("NumberOfEmployees IN (1, 2, 99)", 2),
        ("Industry IN ('retail') AND (NumberOfEmployees = 3 OR NumberOfEmployees = 4)", 1),
        ("NOT (Industry = 'Retail' OR Industry = null)", 20),
        ("CreatedDate = TODAY", 31),
        ("CreatedDate < 2020-01-01T00:00:00Z", 0),
        ("SystemModstamp >= LAST_N_DAYS:2", 31),
        ("Tags__c INCLUDES ('b;a', 'c')", 1),
        ("Id IN (SELECT AccountId FROM Contact)", 0),
    ] {
        let rows = org.rows(&format!("SELECT Id FROM Account WHERE {condition}")).await;
        assert_eq!(rows.len(), count, "{condition}");
    }
}

#[tokio::test]
async fn long_answers_come_in_pages() {
    let org = Org::start().await;
    accounts(&org, 450).await;
    let request = org
        .request(Method::GET, "/query")
        .query(&[("q", "SELECT Name FROM Account ORDER BY Name")])
        .header("sforce-query-options", "batchSize=200");
    let mut page: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    let mut names = Vec::new();
    loop {
        assert_eq!(page["totalSize"], 450);
        names.extend(page["records"].as_array().expect("rows").iter().map(|row| row["Name"].clone()));
        let Some(next) = page["nextRecordsUrl"].as_str() else { break };
        assert_eq!(page["done"], false);
        page = org.get(next).await.1;
    }
    assert_eq!(names.len(), 450);
    assert!(names.windows(2).all(|pair| pair[0].as_str() < pair[1].as_str()));
    let (status, answer) = org.get("/query/0r8000000000000FFF-200").await;
    assert_eq!((status.as_u16(), code(&answer)), (400, "INVALID_QUERY_LOCATOR"));
}

#[tokio::test]
async fn groups_are_counted_and_added() {
    let org = Org::start().await;
    accounts(&org, 30).await;
    let (_, answer) = org.query("SELECT COUNT() FROM Account WHERE Industry = 'Retail'").await;
    assert_eq!((&answer["totalSize"], &answer["records"]), (&json!(10), &json!([])));
    let soql = "SELECT Industry, COUNT(Id) n, SUM(NumberOfEmployees), MAX(Name) last FROM Account GROUP BY Industry HAVING COUNT(Id) > 1 ORDER BY COUNT(Id) DESC";
    let rows = org.rows(soql).await;
    assert_eq!(rows.len(), 2);
    assert_eq!((&rows[0]["Industry"], &rows[0]["n"], &rows[0]["expr0"]), (&json!("Media"), &json!(20), &json!(300.0)));
    assert_eq!(rows[1]["last"], "Account 00027");
    let rows = org.rows("SELECT AVG(NumberOfEmployees) a FROM Account").await;
    assert_eq!(rows[0]["a"], 14.5);
}

#[tokio::test]
async fn what_is_no_query_is_refused_at_its_place() {
    let org = Org::start().await;
    for (soql, wanted) in [
        ("SELECT Id FROM", "MALFORMED_QUERY"),
        ("SELECT Nothing FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
        ("SELECT Id FROM Account WHERE NumberOfEmployees = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Industry, COUNT(Id) FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
        ("SELECT FIELDS(ALL) FROM Account", "MALFORMED_QUERY"),
    ] {
        let (status, answer) = org.query(soql).await;
        assert_eq!((status.as_u16(), code(&answer)), (400, wanted), "{soql}: {answer}");
    }
    assert_eq!(org.get("/query").await.0, 400);
}
