//! Bulk jobs against an org that answers with literal, vendor-shaped answers.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use connect::bulk::{self, Bulk, BulkError, BulkRead, Written};
use connect::{Action, Call, CallError, ErrorClass, Position};
use model::{Value, json};
use support::{DATA, Reply, ScriptedOrg, Seen, call, none, ok};

const QUERY: &str = "750000000000001AAA";
const INGEST: &str = "750000000000002AAA";

fn job(id: &str, state: &str, more: &str) -> Reply {
    ok(format!(
        r#"{{"id":"{id}","object":"Account","createdDate":"2026-11-27T05:00:00.000+0000","state":"{state}","apiVersion":67.0{more}}}"#
    ))
}

fn csv(body: &str, headers: Vec<(&'static str, String)>) -> Reply {
    let kind = ("content-type", "text/csv".to_owned());
    Reply::With(200, headers.into_iter().chain([kind]).collect(), body.to_owned())
}

fn refused(status: u16, code: &str) -> Reply {
    Reply::Is(status, format!(r#"[{{"errorCode":"{code}","message":"no"}}]"#))
}

const DESCRIBE: &str = r#"{"name":"Account","childRelationships":[],"fields":[
    {"name":"Id","type":"id"},{"name":"Name","type":"string"},{"name":"NumberOfEmployees","type":"int"},
    {"name":"OwnerId","type":"reference","relationshipName":"Owner","referenceTo":["User"]}]}"#;
const DESCRIBE_USER: &str =
    r#"{"name":"User","childRelationships":[],"fields":[{"name":"IsActive","type":"boolean"}]}"#;

fn describe(seen: &Seen) -> Option<Reply> {
    match seen.path.strip_prefix(DATA) {
        Some("/sobjects/Account/describe") => Some(ok(DESCRIBE)),
        Some("/sobjects/User/describe") => Some(ok(DESCRIBE_USER)),
        _ => None,
    }
}

fn accounts() -> BulkRead {
    BulkRead {
        record: "Account".into(),
        fields: vec!["Name".into(), "NumberOfEmployees".into(), "Owner.IsActive".into()],
        since: None,
        before: None,
        deleted: false,
    }
}

fn upsert(key: &str, body: &str) -> Call {
    call(Action::Upsert, "Account", Some(("Key__c", Value::from(key))), body)
}

fn error(outcome: &Result<Value, CallError>) -> (ErrorClass, &str) {
    let error = outcome.as_ref().expect_err("an error");
    (error.class, error.code.as_str())
}

#[tokio::test]
async fn a_read_goes_on_at_its_place_and_knows_types() {
    let looks = AtomicUsize::new(0);
    let org = ScriptedOrg::start(move |seen| {
        let path = seen.path.strip_prefix(DATA).unwrap_or_default();
        match (seen.method.as_str(), path) {
            ("POST", "/jobs/query") => job(QUERY, "UploadComplete", ""),
            ("GET", path) if path == format!("/jobs/query/{QUERY}") => match looks.fetch_add(1, Ordering::Relaxed) {
                0 => job(QUERY, "UploadComplete", ""),
                1 => job(QUERY, "InProgress", ""),
                _ => job(QUERY, "JobComplete", ""),
            },
            ("GET", path) if path.ends_with("/results?maxRecords=10000") => csv(
                "\"Id\",\"Name\",\"NumberOfEmployees\",\"Owner.IsActive\"\n\"001A\",\"a \"\"b\"\"\nc\",\"7\",\"true\"\n",
                vec![("Sforce-Locator", "MTA=".to_owned()), ("Sforce-NumberOfRecords", "1".to_owned())],
            ),
            ("GET", path) if path.ends_with("/results?maxRecords=10000&locator=MTA=") => csv(
                "\"Id\",\"Name\",\"NumberOfEmployees\",\"Owner.IsActive\"\n\"001B\",\"\",\"\",\"\"\n",
                vec![("Sforce-Locator", "null".to_owned()), ("Sforce-NumberOfRecords", "1".to_owned())],
            ),
            ("DELETE", _) => Reply::Is(204, String::new()),
            _ => describe(seen).unwrap_or_else(none),
        }
    })
    .await;
    let (connection, read) = (org.connect(), accounts());
    let started = connection.start_read(&read).await.expect("a job");
    assert_eq!(started.as_of.to_string(), "2026-11-27T05:00:00Z");
    let first = connection.read_page(&read, &started.place).await.expect("a page");
    let wanted = "{\"Id\":\"001A\",\"Name\":\"a \\\"b\\\"\\nc\",\"NumberOfEmployees\":7,\"Owner\":{\"IsActive\":true}}";
    assert_eq!(first.records.iter().map(Value::to_string).collect::<Vec<_>>(), [wanted]);
    // Another process goes on with nothing but the place.
    let (again, next) = (org.connect(), first.next.expect("a next page"));
    let second = again.read_page(&read, &next).await.expect("a page");
    assert_eq!(second.records[0].to_string(), r#"{"Id":"001B","Name":null,"NumberOfEmployees":null,"Owner":null}"#);
    assert_eq!(second.next, None);
    again.end_read(&next).await.expect("an end");
    let created = org.requests().into_iter().find(|seen| seen.method == "POST").expect("a job");
    let wanted = r#"{"operation":"query","query":"SELECT Id,Name,NumberOfEmployees,Owner.IsActive FROM Account","contentType":"CSV","columnDelimiter":"COMMA","lineEnding":"LF"}"#;
    assert_eq!(created.body, wanted);
    assert!(org.requests().iter().any(|seen| seen.method == "DELETE" && seen.path.ends_with(QUERY)));
}

#[tokio::test]
async fn a_lost_place_is_told_as_such_and_a_cut_page_is_no_page() {
    let org = ScriptedOrg::start(|seen| match seen.path.strip_prefix(DATA).unwrap_or_default() {
        path if path.ends_with("locator=cut") => {
            csv("\"Id\"\n\"001A\"\n", vec![("Sforce-NumberOfRecords", "2".to_owned())])
        }
        path if path.contains("locator=old") => refused(400, "INVALID_QUERY_LOCATOR"),
        path if path.starts_with("/jobs/query/750000000000003AAA") => job("750000000000003AAA", "Aborted", ""),
        path if path.starts_with("/jobs/query/750000000000004AAA") => {
            job("750000000000004AAA", "Failed", r#","errorMessage":"InvalidBatch : Field name not found : Nam""#)
        }
        path if path.starts_with("/jobs/query/750000000000005AAA") => {
            job("750000000000005AAA", "Failed", r#","errorMessage":"the API retried more than 15 times""#)
        }
        path if path.starts_with("/jobs/") => refused(404, "NOT_FOUND"),
        _ => describe(seen).unwrap_or_else(none),
    })
    .await;
    let connection = org.connect();
    let page =
        async |place: &str| connection.read_page(&accounts(), &Position(place.into())).await.expect_err("no page");
    for place in [
        format!("query|{QUERY}|"),
        format!("query|{QUERY}|old"),
        "query|750000000000003AAA|".to_owned(),
        "query|750000000000005AAA|".to_owned(),
    ] {
        assert!(matches!(page(&place).await, BulkError::PlaceLost(_)), "{place}");
    }
    let BulkError::Call(cut) = page(&format!("query|{QUERY}|cut")).await else { panic!("a lost place") };
    assert_eq!((cut.class, cut.code.as_str()), (ErrorClass::Unavailable, "bulk-cut"));
    let BulkError::Call(failed) = page("query|750000000000004AAA|").await else { panic!("a lost place") };
    assert_eq!(failed.class, ErrorClass::Misconfigured);
    connection.end_read(&Position(format!("query|{QUERY}|").into())).await.expect("gone is ended");
}

/// Plays one ingest job: successful and failed rows are given, in another order than they were sent.
fn ingest(seen: &Seen, end: (&str, &str), lists: [&str; 3]) -> Reply {
    let path = seen.path.strip_prefix(DATA).unwrap_or_default();
    match (seen.method.as_str(), path.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default()) {
        ("POST", "ingest") => job(INGEST, "Open", ""),
        ("PUT", "batches") => Reply::Is(201, String::new()),
        ("PATCH", _) => job(INGEST, "UploadComplete", ""),
        ("GET", "successfulResults") => csv(lists[0], vec![]),
        ("GET", "failedResults") => csv(lists[1], vec![]),
        ("GET", "unprocessedrecords") => csv(lists[2], vec![]),
        ("GET", INGEST) => job(INGEST, end.0, end.1),
        _ => none(),
    }
}

#[tokio::test]
async fn each_call_gets_its_own_outcome_in_whatever_order_the_results_are() {
    let org = ScriptedOrg::start(|seen| {
        let saved = "\"sf__Id\",\"sf__Created\",\"Key__c\",\"Name\"\n\"001C\",\"true\",\"C\",\"c\"\n\"001A\",\"false\",\"A\",\"a\"\n";
        let failed = "\"sf__Id\",\"sf__Error\",\"Key__c\",\"Name\"\n\"\",\"UNABLE_TO_LOCK_ROW:busy:--\",\"B\",\"b\"\n\"\",\"STRING_TOO_LONG:too long:Name --\",\"D\",\"d\"\n";
        ingest(seen, ("JobComplete", r#","numberRecordsProcessed":4,"numberRecordsFailed":2"#), [saved, failed, ""])
    })
    .await;
    let calls: Vec<Call> = ["A", "B", "C", "D"]
        .into_iter()
        .map(|key| upsert(key, &format!(r#"{{"Name":"{}"}}"#, key.to_lowercase())))
        .collect();
    let mut kept = Vec::new();
    let outcomes =
        bulk::write_all(&org.connect(), &calls, |place, taken| kept.push((place.clone(), taken.to_vec()))).await;
    assert_eq!(outcomes[0].as_ref().expect("saved").to_string(), r#"{"Id":"001A","created":false}"#);
    assert_eq!(error(&outcomes[1]), (ErrorClass::Locked, "UNABLE_TO_LOCK_ROW"));
    assert_eq!(outcomes[2].as_ref().expect("saved").to_string(), r#"{"Id":"001C","created":true}"#);
    assert_eq!(error(&outcomes[3]), (ErrorClass::Rejected, "STRING_TOO_LONG"));
    assert_eq!(kept.iter().map(|(_, taken)| taken.clone()).collect::<Vec<_>>(), [[0, 1, 2, 3]]);
    let requests = org.requests();
    let body = json::parse(requests[0].body.as_bytes()).expect("json");
    assert_eq!(
        (body.get("operation").as_str(), body.get("externalIdFieldName").as_str()),
        (Some("upsert"), Some("Key__c"))
    );
    assert_eq!(
        (requests[1].body.as_str(), requests[1].header("content-type")),
        ("Key__c,Name\nA,a\nB,b\nC,c\nD,d\n", "text/csv; charset=UTF-8")
    );
    assert_eq!(requests[2].body, r#"{"state":"UploadComplete"}"#);
    // After a crash the kept place tells the same.
    let calls: Vec<&Call> = calls.iter().collect();
    let again = org.connect().outcomes(&kept[0].0, &calls).await.expect("outcomes");
    assert_eq!(again, Written::Done(outcomes));
}

#[tokio::test]
async fn the_same_new_records_are_told_apart_by_number_only() {
    let org = ScriptedOrg::start(|seen| {
        let saved = "\"sf__Id\",\"sf__Created\",\"Name\",\"Site\"\n\"0012\",\"true\",\"x\",\"\"\n\"0011\",\"true\",\"x\",\"s\"\n\"0013\",\"true\",\"x\",\"\"\n";
        ingest(seen, ("JobComplete", r#","numberRecordsProcessed":3"#), [saved, "", ""])
    })
    .await;
    let create = |body: &str| call(Action::Create, "Account", None, body);
    // An id is the org's to give, so that it is not sent.
    let calls = [create(r#"{"Name":"x","Site":"s","Id":"001"}"#), create(r#"{"Name":"x"}"#), create(r#"{"Name":"x"}"#)];
    let outcomes = bulk::write_all(&org.connect(), &calls, |_, _| {}).await;
    let ids: Vec<_> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().expect("saved").get("Id").as_str().expect("an id").to_owned())
        .collect();
    assert_eq!(ids, ["0011", "0012", "0013"]);
}

#[tokio::test]
async fn a_job_that_was_never_begun_wrote_nothing() {
    for broken in ["PUT", "PATCH"] {
        let patches = AtomicUsize::new(0);
        let org = ScriptedOrg::start(move |seen| match seen.method.as_str() {
            "PUT" if broken == "PUT" => Reply::Broken,
            "PATCH" if broken == "PATCH" && patches.fetch_add(1, Ordering::Relaxed) == 0 => Reply::Broken,
            _ => ingest(seen, ("Open", ""), ["", "", ""]),
        })
        .await;
        let outcomes = bulk::write_all(&org.connect(), &[upsert("A", r#"{"Name":"a"}"#)], |_, _| {}).await;
        assert_eq!(error(&outcomes[0]).0, ErrorClass::Unavailable, "{broken}: {outcomes:?}");
        let last = org.requests().pop().expect("a request");
        match broken {
            "PUT" => assert_eq!(last.method, "PUT"),
            _ => assert_eq!((last.method.as_str(), last.body.as_str()), ("PATCH", r#"{"state":"Aborted"}"#)),
        }
    }
}

#[tokio::test]
async fn a_lost_answer_is_made_good_by_the_job() {
    let org = ScriptedOrg::start(|seen| match seen.method.as_str() {
        "PATCH" => Reply::Broken,
        _ => ingest(
            seen,
            ("JobComplete", r#","numberRecordsProcessed":1"#),
            ["\"sf__Id\",\"sf__Created\",\"Key__c\",\"Name\"\n\"001A\",\"true\",\"A\",\"a\"\n", "", ""],
        ),
    })
    .await;
    let outcomes = bulk::write_all(&org.connect(), &[upsert("A", r#"{"Name":"a"}"#)], |_, _| {}).await;
    assert_eq!(outcomes[0].as_ref().expect("saved").get("created").as_bool(), Some(true));
}

#[tokio::test]
async fn what_a_job_does_not_tell_is_ambiguous_and_a_job_that_is_gone_too() {
    let gone = ScriptedOrg::start(|seen| match (seen.method.as_str(), seen.path.ends_with(INGEST)) {
        ("GET", true) => refused(404, "NOT_FOUND"),
        _ => ingest(seen, ("JobComplete", ""), ["", "", ""]),
    })
    .await;
    let silent = ScriptedOrg::start(|seen| {
        ingest(seen, ("JobComplete", ""), ["\"sf__Id\",\"sf__Created\",\"Key__c\",\"Name\"\n", "", ""])
    })
    .await;
    for org in [gone, silent] {
        let outcomes = bulk::write_all(&org.connect(), &[upsert("A", r#"{"Name":"a"}"#)], |_, _| {}).await;
        assert_eq!(error(&outcomes[0]), (ErrorClass::Ambiguous, "bulk-untold"));
    }
}

#[tokio::test]
async fn a_job_that_ended_early_says_of_what_nothing_was_written() {
    let told = r#","numberRecordsProcessed":1,"errorMessage":"InvalidBatch : Field name not found : Nam""#;
    let org = ScriptedOrg::start(move |seen| {
        let saved = "\"sf__Id\",\"sf__Created\",\"Key__c\",\"Name\"\n\"001A\",\"true\",\"A\",\"a\"\n";
        ingest(seen, ("Failed", told), [saved, "\"sf__Id\",\"sf__Error\"\n", "\"Key__c\",\"Name\"\n\"B\",\"b\"\n"])
    })
    .await;
    let calls = [upsert("A", r#"{"Name":"a"}"#), upsert("B", r#"{"Name":"b"}"#), upsert("C", r#"{"Name":"c"}"#)];
    let outcomes = bulk::write_all(&org.connect(), &calls, |_, _| {}).await;
    assert!(outcomes[0].is_ok());
    assert_eq!(error(&outcomes[1]), (ErrorClass::Misconfigured, "InvalidBatch"));
    assert_eq!(error(&outcomes[2]), (ErrorClass::Ambiguous, "bulk-untold"));
}

#[tokio::test]
async fn a_later_change_of_a_record_waits_for_an_earlier_one_that_is_to_be_repeated() {
    let org = ScriptedOrg::start(|seen| {
        let failed = "\"sf__Id\",\"sf__Error\",\"Key__c\",\"Name\"\n\"\",\"UNABLE_TO_LOCK_ROW:busy:--\",\"A\",\"1\"\n";
        ingest(
            seen,
            ("JobComplete", r#","numberRecordsProcessed":1,"numberRecordsFailed":1"#),
            ["\"sf__Id\"\n", failed, ""],
        )
    })
    .await;
    let calls = [upsert("A", r#"{"Name":"1"}"#), upsert("a", r#"{"Name":"2"}"#)];
    let outcomes = bulk::write_all(&org.connect(), &calls, |_, _| {}).await;
    assert_eq!(error(&outcomes[0]), (ErrorClass::Locked, "UNABLE_TO_LOCK_ROW"));
    assert_eq!(error(&outcomes[1]), (ErrorClass::Locked, "EARLIER_CHANGE_PENDING"));
    assert_eq!(org.requests().iter().filter(|seen| seen.method == "POST").count(), 1);
}
