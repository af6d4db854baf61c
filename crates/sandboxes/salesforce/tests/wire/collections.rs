//! Many records in one request.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Org, code};

fn account(name: &str) -> Value {
    json!({"attributes": {"type": "Account"}, "Name": name})
}

#[tokio::test]
async fn each_record_has_a_result_of_its_own() {
    let org = Org::start().await;
    let records = json!({"records": [account("a"), account(""), account("c")]});
    let (status, answer) = org.send(Method::POST, "/composite/sobjects", records).await;
    assert_eq!(status, 200);
    let success: Vec<_> = answer.as_array().expect("results").iter().map(|row| row["success"].as_bool()).collect();
    assert_eq!(success, [Some(true), Some(false), Some(true)]);
    assert_eq!(answer[1]["errors"][0]["statusCode"], "REQUIRED_FIELD_MISSING");
    assert_eq!(org.rows("SELECT Id FROM Account").await.len(), 2);
}

#[tokio::test]
async fn all_or_none_means_it() {
    let org = Org::start().await;
    let records = json!({"allOrNone": true, "records": [account("a"), account("")]});
    let (status, answer) = org.send(Method::POST, "/composite/sobjects", records).await;
    assert_eq!(status, 200);
    assert_eq!(answer[0]["errors"][0]["statusCode"], "ALL_OR_NONE_OPERATION_ROLLED_BACK");
    assert_eq!(org.rows("SELECT Id FROM Account").await.len(), 0);
    assert_eq!(org.create("Account", json!({"Name": "b"})).await.len(), 18);
}

#[tokio::test]
async fn upserts_go_by_the_external_id() {
    let org = Org::start().await;
    let record = |key: &str, name: &str| json!({"attributes": {"type": "Account"}, "Key__c": key, "Name": name});
    let path = "/composite/sobjects/Account/Key__c";
    let (_, first) = org.send(Method::PATCH, path, json!({"records": [record("1", "a"), record("2", "b")]})).await;
    assert_eq!((&first[0]["created"], &first[1]["created"]), (&json!(true), &json!(true)));
    let again =
        json!({"records": [record("2", "c"), record("3", "d"), record("3", "e"), {"attributes": {"type": "Account"}}]});
    let (_, second) = org.send(Method::PATCH, path, again).await;
    assert_eq!((&second[0]["created"], &second[0]["id"]), (&json!(false), &first[1]["id"]));
    assert_eq!(second[2]["errors"][0]["statusCode"], "DUPLICATE_VALUE");
    assert_eq!(second[3]["errors"][0]["statusCode"], "MISSING_ARGUMENT");
    let (status, _) = org.send(Method::PATCH, "/composite/sobjects/Account/Site", json!({"records": []})).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn many_are_changed_read_and_deleted_by_id() {
    let org = Org::start().await;
    let a = org.create("Account", json!({"Name": "a"})).await;
    let b = org.create("Account", json!({"Name": "b"})).await;
    let change = |id: &str| json!({"attributes": {"type": "Account"}, "id": id, "Site": "x"});
    let body = json!({"records": [change(&a), change("001000000000000")]});
    let (_, answer) = org.send(Method::PATCH, "/composite/sobjects", body).await;
    assert_eq!((&answer[0]["success"], &answer[1]["success"]), (&json!(true), &json!(false)));
    let (_, rows) = org.get(&format!("/composite/sobjects/Account?ids={a},001000000000000,{b}&fields=Name,Site")).await;
    assert_eq!((&rows[0]["Site"], &rows[1], &rows[2]["Name"]), (&json!("x"), &Value::Null, &json!("b")));
    let (_, rows) =
        org.send(Method::POST, "/composite/sobjects/Account", json!({"ids": [a], "fields": ["Name"]})).await;
    assert_eq!(rows[0]["Name"], "a");
    let (_, answer) = org.send(Method::DELETE, &format!("/composite/sobjects?ids={a},{b}"), Value::Null).await;
    assert_eq!((&answer[0]["success"], &answer[1]["success"]), (&json!(true), &json!(true)));
}

#[tokio::test]
async fn too_many_are_too_many() {
    let org = Org::start().await;
    let records: Vec<Value> = (0..201).map(|number| account(&number.to_string())).collect();
    let (status, answer) = org.send(Method::POST, "/composite/sobjects", json!({ "records": records })).await;
    assert_eq!((status.as_u16(), code(&answer)), (400, "EXCEEDED_ID_LIMIT"));
}

#[tokio::test]
async fn a_tree_is_saved_whole_or_not_at_all() {
    let org = Org::start().await;
    let contact = |name: Value, reference: &str| json!({"attributes": {"type": "Contact", "referenceId": reference}, "LastName": name});
    let tree = |name: Value| {
        json!({"records": [{
            "attributes": {"type": "Account", "referenceId": "a"}, "Name": "Acme",
            "Contacts": {"records": [contact(json!("One"), "c1"), contact(name, "c2")]},
        }]})
    };
    let (status, answer) = org.send(Method::POST, "/composite/tree/Account", tree(Value::Null)).await;
    assert_eq!(
        (status.as_u16(), &answer["hasErrors"], &answer["results"][0]["referenceId"]),
        (400, &json!(true), &json!("c2"))
    );
    assert_eq!(org.rows("SELECT Id FROM Account").await.len(), 0);
    let (status, answer) = org.send(Method::POST, "/composite/tree/Account", tree(json!("Two"))).await;
    assert_eq!((status.as_u16(), answer["results"].as_array().map(Vec::len)), (201, Some(3)));
    assert_eq!(org.rows("SELECT Id FROM Contact WHERE Account.Name = 'Acme'").await.len(), 2);
}
