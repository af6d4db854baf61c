//! What was changed and what was deleted in a span of time.

use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Org, code};

/// A time so many seconds from now, as simple-salesforce writes it.
fn at(seconds: i64) -> String {
    let instant = Timestamp::now() + SignedDuration::from_secs(seconds);
    instant.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

async fn span(org: &Org, resource: &str, start: &str, end: &str) -> (StatusCode, Value) {
    let request = org.request(Method::GET, &format!("/sobjects/{resource}/")).query(&[("start", start), ("end", end)]);
    let response = request.send().await.expect("an answer");
    (response.status(), response.json().await.expect("JSON"))
}

fn instant(value: &Value) -> Timestamp {
    let text = value.as_str().expect("a time");
    assert!(text.ends_with(":00.000+0000"), "{text} is no whole minute");
    text.replace("+0000", "Z").parse().expect("a time")
}

#[tokio::test]
async fn people_take_records_out_of_the_bin_and_merge_them() {
    let org = Org::start().await;
    let stays = org.create("Account", json!({"Name": "stays"})).await;
    let goes = org.create("Account", json!({"Name": "goes"})).await;
    let control = async |what: &str, body: Value| org.control(Method::POST, what, body).await.0.as_u16();
    assert_eq!(control("undelete", json!({"ids": [goes]})).await, 400, "it is not in the bin");
    assert_eq!(org.send(Method::DELETE, &format!("/sobjects/Account/{goes}"), Value::Null).await.0, 204);
    assert_eq!(control("undelete", json!({"ids": [goes]})).await, 200);
    let contact = org.create("Contact", json!({"LastName": "Ring", "AccountId": goes})).await;
    assert_eq!(control("merge", json!({"into": stays, "ids": [stays]})).await, 400, "not into itself");
    assert_eq!(control("merge", json!({"into": stays, "ids": [goes]})).await, 200);
    let soql = "SELECT IsDeleted, MasterRecordId FROM Account WHERE Name = 'goes'";
    let (_, found) = org.get(&format!("/queryAll?q={}", soql.replace(' ', "+"))).await;
    assert_eq!(
        (&found["records"][0]["IsDeleted"], &found["records"][0]["MasterRecordId"]),
        (&json!(true), &json!(stays))
    );
    let (_, child) = org.send(Method::GET, &format!("/sobjects/Contact/{contact}"), Value::Null).await;
    assert_eq!(child["AccountId"], json!(stays), "what belonged to it belongs to the one that stays");
    assert_eq!(control("undelete", json!({"ids": [goes]})).await, 400, "what was merged does not come back");
}

#[tokio::test]
async fn changed_and_deleted_records_are_told_of() {
    let org = Org::start().await;
    let kept = org.create("Account", json!({"Name": "kept"})).await;
    let gone = org.create("Account", json!({"Name": "gone"})).await;
    assert_eq!(org.send(Method::DELETE, &format!("/sobjects/Account/{gone}"), Value::Null).await.0, 204);
    let (start, end) = (at(-3600), at(120));
    let (status, updated) = span(&org, "Account/updated", &start, &end).await;
    assert_eq!((status.as_u16(), &updated["ids"]), (200, &json!([kept])));
    // What may still happen in this minute is not covered, though the span ends later.
    assert!(instant(&updated["latestDateCovered"]) <= Timestamp::now());
    let (status, deleted) = span(&org, "Account/deleted", &start, &end).await;
    let records = deleted["deletedRecords"].as_array().expect("records");
    assert_eq!((status.as_u16(), records.len(), &records[0]["id"]), (200, 1, &json!(gone)));
    let row = org
        .request(Method::GET, "/queryAll")
        .query(&[("q", format!("SELECT LastModifiedDate FROM Account WHERE Id = '{gone}'"))]);
    let row: Value = row.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(records[0]["deletedDate"], row["records"][0]["LastModifiedDate"]);
    assert!(instant(&deleted["earliestDateAvailable"]) <= instant(&deleted["latestDateCovered"]));
}

#[tokio::test]
async fn spans_end_where_they_were_asked_to() {
    let org = Org::start().await;
    org.create("Account", json!({"Name": "later"})).await;
    let (start, end) = (at(-7200), at(-3600));
    let (_, updated) = span(&org, "Account/updated", &start, &end).await;
    assert_eq!(updated["ids"], json!([]));
    let covered = instant(&updated["latestDateCovered"]);
    let left_out = end.parse::<Timestamp>().expect("a time").duration_since(covered);
    assert!((0..60).contains(&left_out.as_secs()), "{covered} is not {end} without its seconds");
}

#[tokio::test]
async fn spans_that_cannot_be_are_refused() {
    let org = Org::start().await;
    let (long_ago, before, now) = (at(-31 * 86_400), at(-60), at(0));
    for (resource, start, end, wanted) in [
        ("Account/updated", &*long_ago, &*now, (400, "INVALID_REPLICATION_DATE")),
        ("Account/deleted", &*long_ago, &*now, (400, "INVALID_REPLICATION_DATE")),
        ("Account/updated", &*now, &*before, (400, "INVALID_REPLICATION_DATE")),
        ("Account/updated", &*now, &*now, (400, "INVALID_REPLICATION_DATE")),
        ("Account/updated", "yesterday", &*now, (400, "INVALID_REPLICATION_DATE")),
        ("Account/deleted", "", &*now, (400, "MISSING_ARGUMENT")),
        ("Nothing/updated", &*before, &*now, (404, "NOT_FOUND")),
        ("Shipped__e/deleted", &*before, &*now, (404, "NOT_FOUND")),
    ] {
        let (status, answer) = span(&org, resource, start, end).await;
        assert_eq!((status.as_u16(), code(&answer)), wanted, "{resource} {start} {end}: {answer}");
    }
}
