//! Duplicate rules: what is refused, what is told of it, and what the header overrules.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Org, code};

const HEADER: &str = "Sforce-Duplicate-Rule-Header";

async fn rules(org: &Org, action: &str) {
    let rules = json!([
        {"object": "Account", "fields": ["Name", "BillingPostalCode"], "action": action},
        {"object": "Contact", "fields": ["Email"], "action": "block"}
    ]);
    let (status, answer) = org.control(Method::PUT, "duplicate-rules", rules).await;
    assert_eq!(status, 200, "{answer}");
}

async fn with(org: &Org, method: Method, path: &str, header: &str, body: &Value) -> (u16, Value) {
    let answer = org.request(method, path).header(HEADER, header).json(body).send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

fn ids(refusal: &Value) -> Vec<&str> {
    let matches = refusal["duplicateResult"]["matchResults"][0]["matchRecords"].as_array().expect("matches");
    matches.iter().filter_map(|found| found["record"]["Id"].as_str()).collect()
}

#[tokio::test]
async fn a_blocked_duplicate_names_what_it_is_a_duplicate_of() {
    let org = Org::start().await;
    let acme = org.create("Account", json!({"Name": "Acme", "BillingPostalCode": "LS1"})).await;
    rules(&org, "block").await;
    let twice = json!({"Name": "ACME ", "BillingPostalCode": "ls1"});
    let (status, answer) = org.send(Method::POST, "/sobjects/Account", twice.clone()).await;
    assert_eq!((status.as_u16(), code(&answer)), (400, "DUPLICATES_DETECTED"), "{answer}");
    let result = &answer[0]["duplicateResult"];
    assert_eq!((&result["allowSave"], &result["duplicateRuleEntityType"]), (&json!(false), &json!("Account")));
    assert_eq!(answer[0]["message"], result["errorMessage"]);
    let found = &result["matchResults"][0]["matchRecords"][0]["record"];
    let url = format!("/services/data/v67.0/sobjects/Account/{acme}");
    assert_eq!(*found, json!({"attributes": {"type": "Account", "url": url}, "Id": acme}));
    assert_eq!(result["matchResults"][0]["size"], 1);
    // With their fields on request. What is blocked stays so whatever the header says.
    let (status, told) = with(
        &org,
        Method::POST,
        "/sobjects/Account",
        "allowSave=true; includeRecordDetails=true; runAsCurrentUser=true",
        &twice,
    )
    .await;
    assert_eq!((status, ids(&told[0])), (400, vec![acme.as_str()]));
    assert_eq!(told[0]["duplicateResult"]["matchResults"][0]["matchRecords"][0]["record"]["Name"], "Acme");
    // What lacks one of the values is no duplicate, nor is what was deleted one's match.
    org.create("Account", json!({"Name": "Acme"})).await;
    org.send(Method::DELETE, &format!("/sobjects/Account/{acme}"), Value::Null).await;
    let other = org.create("Account", twice).await;
    // Changes are looked at when they touch the rule's fields.
    org.create("Account", json!({"Name": "Acme", "BillingPostalCode": "LS2"})).await;
    let path = format!("/sobjects/Account/{other}");
    assert_eq!(org.send(Method::PATCH, &path, json!({"Phone": "1"})).await.0, 204);
    let (status, answer) = org.send(Method::PATCH, &path, json!({"BillingPostalCode": "LS2"})).await;
    assert_eq!((status.as_u16(), code(&answer)), (400, "DUPLICATES_DETECTED"), "{answer}");
    // Without rules everything is saved.
    assert_eq!(org.control(Method::GET, "duplicate-rules", Value::Null).await.1[1]["fields"], json!(["Email"]));
    org.control(Method::PUT, "duplicate-rules", json!([])).await;
    assert_eq!(org.send(Method::PATCH, &path, json!({"BillingPostalCode": "LS2"})).await.0, 204);
    let wrong = json!([{"object": "Account", "fields": ["Nmae"]}]);
    assert_eq!(org.control(Method::PUT, "duplicate-rules", wrong).await.0, 400);
}

#[tokio::test]
async fn an_alert_is_overruled_by_the_header_in_every_resource() {
    let org = Org::start().await;
    org.create("Account", json!({"Name": "Acme", "BillingPostalCode": "LS1"})).await;
    rules(&org, "alert").await;
    let twice = json!({"Name": "Acme", "BillingPostalCode": "LS1"});
    let (status, answer) = with(&org, Method::PATCH, "/sobjects/Account/Key__c/K1", "allowSave=false", &twice).await;
    assert_eq!((status, &answer[0]["duplicateResult"]["allowSave"]), (400, &json!(true)), "{answer}");
    let (status, answer) = with(&org, Method::PATCH, "/sobjects/Account/Key__c/K1", "allowSave=true", &twice).await;
    assert_eq!((status, &answer["created"]), (201, &json!(true)), "{answer}");
    // A collection refuses the row, and says no more than that.
    let rows = json!({"records": [
        {"attributes": {"type": "Account"}, "Name": "Acme", "BillingPostalCode": "LS1"},
        {"attributes": {"type": "Account"}, "Name": "Umbrella", "BillingPostalCode": "LS1"}
    ]});
    let (_, answer) = org.send(Method::POST, "/composite/sobjects", rows.clone()).await;
    let error = json!({"statusCode": "DUPLICATES_DETECTED", "message": "Use one of these records?", "fields": []});
    assert_eq!((&answer[0]["errors"], &answer[1]["success"]), (&json!([error]), &json!(true)), "{answer}");
    let (_, answer) = with(&org, Method::POST, "/composite/sobjects", "allowSave=true", &rows).await;
    assert_eq!(answer[0]["success"], true, "{answer}");
    // Within a composite request, each brings its own header.
    let create = |headers: Value| {
        json!({"compositeRequest": [{
            "method": "POST", "url": "/services/data/v67.0/sobjects/Account", "referenceId": "one", "body": twice,
            "httpHeaders": headers
        }]})
    };
    let (_, answer) = org.send(Method::POST, "/composite", create(json!({}))).await;
    let inner = &answer["compositeResponse"][0];
    assert_eq!((&inner["httpStatusCode"], ids(&inner["body"][0]).len()), (&json!(400), 3), "{answer}");
    let (_, answer) = org.send(Method::POST, "/composite", create(json!({HEADER: "allowSave=true"}))).await;
    assert_eq!(answer["compositeResponse"][0]["httpStatusCode"], 201, "{answer}");
}
