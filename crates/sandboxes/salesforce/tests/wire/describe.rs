//! What the org says about itself.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::Org;

#[tokio::test]
async fn objects_and_fields_are_described() {
    let org = Org::start().await;
    let (_, all) = org.get("/sobjects").await;
    let names: Vec<_> = all["sobjects"].as_array().expect("objects").iter().map(|one| one["name"].clone()).collect();
    assert!(names.contains(&json!("Quote")) && names.contains(&json!("Part__c")));
    let (_, described) = org.get("/sobjects/account/describe").await;
    let fields = described["fields"].as_array().expect("fields");
    let field = |name: &str| fields.iter().find(|field| field["name"] == name).expect("a field");
    assert_eq!((&field("Key__c")["externalId"], &field("Key__c")["unique"]), (&json!(true), &json!(true)));
    assert_eq!((&field("Name")["length"], &field("Name")["nillable"]), (&json!(255), &json!(false)));
    assert_eq!(field("ParentId")["referenceTo"], json!(["Account"]));
    assert_eq!(field("BillingCity")["compoundFieldName"], "BillingAddress");
    let children = described["childRelationships"].as_array().expect("children");
    assert!(children.iter().any(|child| child["relationshipName"] == "Parts__r" && child["childSObject"] == "Part__c"));
    assert_eq!(org.get("/sobjects/Nothing/describe").await.0, 404);
}

#[tokio::test]
async fn requests_are_counted() {
    let org = Org::start().await;
    let limit = async || {
        let response = org.request(Method::GET, "/limits").send().await.expect("an answer");
        let usage = response.headers()["sforce-limit-info"].to_str().expect("a text").to_owned();
        let body: Value = response.json().await.expect("JSON");
        (usage, body["DailyApiRequests"]["Remaining"].as_u64().expect("a number"))
    };
    let (first, second) = (limit().await, limit().await);
    assert!(first.0.starts_with("api-usage=1/") && second.0.starts_with("api-usage=2/"), "{} {}", first.0, second.0);
    assert_eq!(first.1 - second.1, 1);
}
