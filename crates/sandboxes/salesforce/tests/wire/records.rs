//! Single records.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{DATA, Org, code};

#[tokio::test]
async fn a_record_lives_and_dies() {
    let org = Org::start().await;
    let (status, answer) = org.send(Method::POST, "/sobjects/Account", json!({"Name": "Acme", "Site": ""})).await;
    assert_eq!(status, 201);
    assert_eq!((&answer["success"], &answer["errors"]), (&json!(true), &json!([])));
    let id = answer["id"].as_str().expect("an id");
    assert_eq!(id.len(), 18);
    let path = format!("/sobjects/Account/{id}");
    // Fifteen characters name the record as well.
    let (status, record) = org.get(&format!("/sobjects/Account/{}", &id[..15])).await;
    assert_eq!(status, 200);
    assert_eq!(record["attributes"], json!({"type": "Account", "url": format!("{DATA}{path}")}));
    assert_eq!(
        (&record["Name"], &record["Site"], &record["BillingAddress"]),
        (&json!("Acme"), &Value::Null, &Value::Null)
    );
    assert_eq!(org.send(Method::PATCH, &path, json!({"BillingCity": "Ulm"})).await.0, 204);
    let (_, record) = org.get(&format!("{path}?fields=BillingAddress")).await;
    assert_eq!(record["BillingAddress"]["city"], "Ulm");
    assert_eq!(org.send(Method::DELETE, &path, Value::Null).await.0, 204);
    let (status, answer) = org.get(&path).await;
    assert_eq!((status.as_u16(), code(&answer)), (404, "ENTITY_IS_DELETED"));
}

#[tokio::test]
async fn a_flow_counts_how_often_a_field_becomes_a_value() {
    let org = Org::start().await;
    let id = org.create("Part__c", json!({"State__c": "done"})).await;
    let path = format!("/sobjects/Part__c/{id}");
    let counted = async || org.get(&path).await.1["Finished__c"].as_f64();
    assert_eq!(counted().await, Some(1.0));
    // From one of the values to another is no new time, nor is the same once more.
    for (state, times) in [("done", 1.0), ("sold", 1.0), ("open", 1.0), ("done", 2.0), ("open", 2.0), ("sold", 3.0)] {
        assert_eq!(org.send(Method::PATCH, &path, json!({"State__c": state})).await.0, 204);
        assert_eq!(counted().await, Some(times), "{state}");
    }
    let (status, answer) = org.send(Method::PATCH, &path, json!({"Finished__c": 7})).await;
    assert_eq!((status.as_u16(), code(&answer)), (400, "INVALID_FIELD_FOR_INSERT_UPDATE"), "nobody else counts");
}

#[tokio::test]
async fn upserting_finds_by_the_external_id() {
    let org = Org::start().await;
    let path = "/sobjects/Account/Key__c/A%2F1";
    let (status, answer) = org.send(Method::PATCH, path, json!({"Name": "Acme"})).await;
    assert_eq!((status.as_u16(), &answer["created"]), (201, &json!(true)));
    let id = answer["id"].clone();
    let (status, answer) = org.send(Method::PATCH, path, json!({"Name": "Acme Ltd"})).await;
    assert_eq!((status.as_u16(), &answer["created"], &answer["id"]), (200, &json!(false), &id));
    assert_eq!(org.get(path).await.1["Key__c"], "A/1");
    // The key must not be in the body, and nothing is created when only updates are wanted.
    let (status, answer) = org.send(Method::PATCH, path, json!({"Name": "x", "Key__c": "A/1"})).await;
    assert_eq!((status.as_u16(), code(&answer)), (400, "INVALID_FIELD"));
    let (status, _) = org.send(Method::PATCH, "/sobjects/Account/Key__c/B?updateOnly=true", json!({"Name": "x"})).await;
    assert_eq!(status, 404);
    // An external id that is not unique may belong to several.
    for name in ["a", "b"] {
        org.create("Account", json!({"Name": name, "Region__c": "south"})).await;
    }
    let (status, answer) = org.send(Method::PATCH, "/sobjects/Account/Region__c/south", json!({"Name": "c"})).await;
    assert_eq!((status.as_u16(), answer.as_array().map(Vec::len)), (300, Some(2)));
}

#[tokio::test]
async fn wrong_records_are_refused_in_the_vendors_words() {
    let org = Org::start().await;
    let taken = org.create("Account", json!({"Name": "Acme", "Key__c": "1"})).await;
    let long = "x".repeat(256);
    for (object, body, wanted) in [
        ("Account", json!({}), "REQUIRED_FIELD_MISSING"),
        ("Account", json!({"Name": long}), "STRING_TOO_LONG"),
        ("Account", json!({"Name": "x", "Nothing": 1}), "INVALID_FIELD"),
        ("Account", json!({"Name": "x", "Key__c": "1"}), "DUPLICATE_VALUE"),
        ("Account", json!({"Name": "x", "ParentId": "003000000000001"}), "MALFORMED_ID"),
        ("Account", json!({"Name": "x", "ParentId": "nothing"}), "MALFORMED_ID"),
        ("Account", json!({"Name": "x", "NumberOfEmployees": 1.5}), "JSON_PARSER_ERROR"),
        ("Account", json!({"Name": "x", "CreatedDate": "2026-01-01T00:00:00Z"}), "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ("Contact", json!({"LastName": "x", "Email": "nobody"}), "INVALID_EMAIL_ADDRESS"),
        ("Part__c", json!({"Weight__c": 12_345_678.0}), "NUMBER_OUTSIDE_VALID_RANGE"),
        ("Account", json!([1]), "JSON_PARSER_ERROR"),
    ] {
        let (status, answer) = org.send(Method::POST, &format!("/sobjects/{object}"), body.clone()).await;
        assert_eq!((status.as_u16(), code(&answer)), (400, wanted), "{body}: {answer}");
    }
    let (status, _) = org.send(Method::POST, "/sobjects/Nothing", json!({})).await;
    assert_eq!(status, 404);
    let order = json!({"AccountId": taken, "EffectiveDate": "2026-01-01", "Status": "Draft"});
    org.create("Order", order).await;
    let (status, answer) = org.send(Method::DELETE, &format!("/sobjects/Account/{taken}"), Value::Null).await;
    assert_eq!((status.as_u16(), code(&answer)), (400, "DELETE_FAILED"));
    let text = org.request(Method::POST, "/sobjects/Account").header("content-type", "text/plain").body("x");
    assert_eq!(text.send().await.expect("an answer").status(), 415);
    let broken = org.request(Method::POST, "/sobjects/Account").header("content-type", "application/json").body("{");
    assert_eq!(broken.send().await.expect("an answer").status(), 400);
}

#[tokio::test]
async fn a_quote_adds_its_lines_up() {
    let org = Org::start().await;
    let (quote, number) = org.quote().await;
    let (_, record) = org.get(&format!("/sobjects/Quote/{quote}")).await;
    assert_eq!(number.len(), 8);
    assert_eq!(
        (&record["LineItemCount"], &record["Subtotal"], &record["TotalPrice"]),
        (&json!(2), &json!(21.25), &json!(19.98))
    );
    assert_eq!((&record["GrandTotal"], &record["Status"]), (&json!(19.98), &json!("Draft")));
    // Its lines go with it.
    org.send(Method::DELETE, &format!("/sobjects/Quote/{quote}"), Value::Null).await;
    assert_eq!(org.rows("SELECT Id FROM QuoteLineItem").await.len(), 0);
    let all =
        org.request(Method::GET, "/queryAll").query(&[("q", "SELECT Id FROM QuoteLineItem WHERE IsDeleted = true")]);
    let all: Value = all.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(all["totalSize"], 2);
}

#[tokio::test]
async fn parents_may_be_named_by_their_key() {
    let org = Org::start().await;
    let account = org.create("Account", json!({"Name": "Acme", "Key__c": "K-1"})).await;
    let part = org.create("Part__c", json!({"Name": "p", "Account__r": {"Key__c": "K-1"}, "Weight__c": 1.5})).await;
    assert_eq!(org.get(&format!("/sobjects/Part__c/{part}")).await.1["Account__c"], account);
    let (status, answer) =
        org.send(Method::POST, "/sobjects/Part__c", json!({"Name": "p", "Account__r": {"Key__c": "none"}})).await;
    assert_eq!((status.as_u16(), code(&answer)), (400, "INVALID_FIELD"));
}
