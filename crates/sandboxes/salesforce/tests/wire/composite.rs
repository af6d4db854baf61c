//! Requests made of requests.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{DATA, Org};

fn request(method: &str, path: &str, reference: &str, body: Value) -> Value {
    json!({"method": method, "url": format!("{DATA}{path}"), "referenceId": reference, "body": body})
}

#[tokio::test]
async fn later_requests_may_use_earlier_answers() {
    let org = Org::start().await;
    let body = json!({"compositeRequest": [
        request("POST", "/sobjects/Account", "account", json!({"Name": "Acme"})),
        request("POST", "/sobjects/Contact", "contact", json!({"LastName": "Ada", "AccountId": "@{account.id}"})),
        request("GET", "/sobjects/Contact/@{contact.id}", "read", Value::Null),
        request("GET", "/sobjects/Contact/@{nothing.id}", "lost", Value::Null),
    ]});
    let (status, answer) = org.send(Method::POST, "/composite", body).await;
    assert_eq!(status, 200);
    let answers = answer["compositeResponse"].as_array().expect("answers");
    let statuses: Vec<_> = answers.iter().map(|one| one["httpStatusCode"].as_u64()).collect();
    assert_eq!(statuses, [Some(201), Some(201), Some(200), Some(400)]);
    assert_eq!(answers[2]["body"]["AccountId"], answers[0]["body"]["id"]);
    assert!(answers[0]["httpHeaders"]["Location"].as_str().is_some());
}

#[tokio::test]
async fn all_or_none_takes_everything_back() {
    let org = Org::start().await;
    let body = json!({"allOrNone": true, "compositeRequest": [
        request("POST", "/sobjects/Account", "a", json!({"Name": "Acme"})),
        request("POST", "/sobjects/Account", "b", json!({})),
        request("POST", "/sobjects/Account", "c", json!({"Name": "Never"})),
    ]});
    let (_, answer) = org.send(Method::POST, "/composite", body).await;
    let codes: Vec<_> = answer["compositeResponse"]
        .as_array()
        .expect("answers")
        .iter()
        .map(|one| one["body"][0]["errorCode"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(codes, ["PROCESSING_HALTED", "REQUIRED_FIELD_MISSING", "PROCESSING_HALTED"]);
    assert_eq!(org.rows("SELECT Id FROM Account").await.len(), 0);
}

#[tokio::test]
async fn a_batch_goes_on_or_halts() {
    let org = Org::start().await;
    for (halt, wanted) in [(false, [404, 200]), (true, [404, 412])] {
        let body = json!({"haltOnError": halt, "batchRequests": [
            {"method": "GET", "url": "v67.0/sobjects/Account/001000000000000"},
            {"method": "GET", "url": "v67.0/limits"},
        ]});
        let (_, answer) = org.send(Method::POST, "/composite/batch", body).await;
        let statuses = [&answer["results"][0]["statusCode"], &answer["results"][1]["statusCode"]];
        assert_eq!(statuses, [&json!(wanted[0]), &json!(wanted[1])]);
        assert_eq!(answer["hasErrors"], true);
    }
}

#[tokio::test]
async fn requests_that_hold_others_are_not_nested() {
    let org = Org::start().await;
    let body = json!({"compositeRequest": [request("POST", "/composite", "x", json!({"compositeRequest": []}))]});
    let (_, answer) = org.send(Method::POST, "/composite", body).await;
    assert_eq!(answer["compositeResponse"][0]["httpStatusCode"], 400);
    let many: Vec<Value> = (0..26).map(|_| request("GET", "/limits", "x", Value::Null)).collect();
    let (status, _) = org.send(Method::POST, "/composite", json!({ "compositeRequest": many })).await;
    assert_eq!(status, 400);
}
