//! Writing against an org that answers with literal, vendor-shaped JSON.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use connect::{Action, Call, CallError, Connection, ErrorClass};
use model::Value;
use support::{DATA, Reply, ScriptedOrg, Seen, call, none, ok, one};

/// Saves every record of a collection.
fn saved(seen: &Seen, created: bool) -> Reply {
    let count = seen.json().get("records").items().len();
    let row = |number: usize| {
        format!(r#"{{"id":"80100000000{number:04}AAA","success":true,"created":{created},"errors":[]}}"#)
    };
    ok(format!("[{}]", (0..count).map(row).collect::<Vec<_>>().join(",")))
}

fn upsert(key: &str, body: &str) -> Call {
    call(Action::Upsert, "Order", Some(("Interlock_Key__c", Value::from(key))), body)
}

fn error(answer: &Result<Value, CallError>) -> (ErrorClass, &str) {
    let error = answer.as_ref().expect_err("an error");
    (error.class, error.code.as_str())
}

#[tokio::test]
async fn creates_go_as_one_collection_with_exact_numbers() {
    let org = ScriptedOrg::start(|seen| match seen.method.as_str() {
        "POST" if seen.path.ends_with("/composite/sobjects") => ok(
            r#"[{"id":"801000000000001AAA","success":true,"errors":[]},
                {"success":false,"errors":[{"statusCode":"REQUIRED_FIELD_MISSING","message":"Required fields are missing: [Status]","fields":["Status"]}]}]"#,
        ),
        _ => none(),
    })
    .await;
    let create = |body: &str| call(Action::Create, "Order", None, body);
    let calls =
        [create(r#"{"Name":"A","Net_Amount__c":1234567.10,"AccountId":null,"Account":{"Key__c":"1"}}"#), create("{}")];
    let answers = org.connect().execute(&calls).await;
    assert_eq!(answers[0].as_ref().expect("created").to_string(), r#"{"Id":"801000000000001AAA","created":true}"#);
    assert_eq!(error(&answers[1]), (ErrorClass::Rejected, "REQUIRED_FIELD_MISSING"));
    let details = &answers[1].as_ref().expect_err("an error").details;
    assert_eq!(details.at(0).get("fields").at(0).as_str(), Some("Status"));
    let requests = org.requests();
    assert_eq!((requests.len(), requests[0].method.as_str()), (1, "POST"));
    assert_eq!(requests[0].path, format!("{DATA}/composite/sobjects"));
    let body = r#"{"allOrNone":false,"records":[{"attributes":{"type":"Order"},"Name":"A","Net_Amount__c":1234567.10,"AccountId":null,"Account":{"Key__c":"1"}},{"attributes":{"type":"Order"}}]}"#;
    assert_eq!(requests[0].body, body);
}

#[tokio::test]
async fn two_changes_of_a_record_never_share_a_request_and_keep_their_order() {
    let org = ScriptedOrg::start(|seen| match seen.method.as_str() {
        "PATCH" => saved(seen, true),
        _ => none(),
    })
    .await;
    let calls = [
        upsert("A", r#"{"Status":"1"}"#),
        upsert("B", r#"{"Status":"2"}"#),
        upsert("a ", r#"{"Status":"3","Id":"801000000000009AAA","Interlock_Key__c":"a"}"#),
        upsert("A", r#"{"Status":"4"}"#),
    ];
    let answers = org.connect().execute(&calls).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|row| row.get("created").as_bool() == Some(true))));
    let requests = org.requests();
    assert!(requests.iter().all(|seen| seen.path == format!("{DATA}/composite/sobjects/Order/Interlock_Key__c")));
    let sent: Vec<String> = requests.iter().map(|seen| seen.json().get("records").to_string()).collect();
    let row = |key: &str, status: &str| {
        format!(r#"{{"attributes":{{"type":"Order"}},"Interlock_Key__c":"{key}","Status":"{status}"}}"#)
    };
    assert_eq!(
        sent,
        [
            format!("[{},{}]", row("A", "1"), row("B", "2")),
            format!("[{}]", row("a ", "3")),
            format!("[{}]", row("A", "4"))
        ]
    );
}

#[tokio::test]
async fn a_later_change_waits_for_an_earlier_one_that_is_locked() {
    let org = ScriptedOrg::start(|seen| match seen.method.as_str() {
        "PATCH" => ok(
            r#"[{"success":false,"errors":[{"statusCode":"UNABLE_TO_LOCK_ROW","message":"unable to obtain exclusive access to this record","fields":[]}]},
                {"id":"801000000000002AAA","success":true,"created":false,"errors":[]}]"#,
        ),
        _ => none(),
    })
    .await;
    let calls = [upsert("A", "{}"), upsert("B", "{}"), upsert("A", "{}")];
    let answers = org.connect().execute(&calls).await;
    assert_eq!(error(&answers[0]), (ErrorClass::Locked, "UNABLE_TO_LOCK_ROW"));
    assert_eq!(answers[1].as_ref().expect("updated").get("created").as_bool(), Some(false));
    assert_eq!(error(&answers[2]), (ErrorClass::Locked, "EARLIER_CHANGE_PENDING"));
    assert_eq!(org.requests().len(), 1);
}

#[tokio::test]
async fn long_lists_are_sent_in_collections_of_200() {
    let org = ScriptedOrg::start(|seen| match seen.method.as_str() {
        "PATCH" => saved(seen, false),
        _ => none(),
    })
    .await;
    let calls: Vec<Call> = (0..450).map(|number| upsert(&format!("K-{number}"), "{}")).collect();
    assert!(org.connect().execute(&calls).await.iter().all(Result::is_ok));
    let mut sizes: Vec<usize> = org.requests().iter().map(|seen| seen.json().get("records").items().len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [50, 200, 200]);
}

#[tokio::test]
async fn updates_and_deletes_find_the_id_of_other_keys() {
    let org = ScriptedOrg::start(|seen| match seen.method.as_str() {
        "GET" => ok(r#"{"totalSize":1,"done":true,"records":[{"attributes":{},"Id":"0Q0000000000001AAA","QuoteNumber":"Q-1"}]}"#),
        "PATCH" => saved(seen, false),
        "DELETE" => ok(
            r#"[{"id":"0Q0000000000002AAA","success":true,"errors":[]},{"success":false,"errors":[{"statusCode":"ENTITY_IS_DELETED","message":"entity is deleted","fields":[]}]}]"#,
        ),
        _ => none(),
    })
    .await;
    let connection = org.connect();
    let update =
        |field: &str, key: &str| call(Action::Update, "Quote", Some((field, Value::from(key))), r#"{"Status":null}"#);
    let calls = [
        update("QuoteNumber", "Q-1"),
        update("Id", "0Q0000000000002AAA"),
        update("QuoteNumber", "Q-9"),
        update("Id", "nonsense"),
    ];
    let answers = connection.execute(&calls).await;
    assert!(answers[0].is_ok() && answers[1].is_ok());
    assert_eq!(error(&answers[2]), (ErrorClass::Rejected, "NOT_FOUND"));
    assert_eq!(error(&answers[3]), (ErrorClass::Rejected, "MALFORMED_ID"));
    let patch = org.requests().into_iter().find(|seen| seen.method == "PATCH").expect("an update");
    assert_eq!(patch.path, format!("{DATA}/composite/sobjects"));
    assert_eq!(
        patch.json().get("records").to_string(),
        r#"[{"attributes":{"type":"Quote"},"id":"0Q0000000000001AAA","Status":null},{"attributes":{"type":"Quote"},"id":"0Q0000000000002AAA","Status":null}]"#
    );
    let delete = |id: &str| call(Action::Delete, "Quote", Some(("Id", Value::from(id))), "null");
    let answers = connection.execute(&[delete("0Q0000000000002AAA"), delete("0Q0000000000003AAA")]).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let seen = org.requests().pop().expect("a delete");
    assert_eq!(
        seen.path,
        format!("{DATA}/composite/sobjects?ids=0Q0000000000002AAA,0Q0000000000003AAA&allOrNone=false")
    );
}

#[tokio::test]
async fn one_bad_record_does_not_take_the_others_with_it() {
    let org = ScriptedOrg::start(|seen| match seen.method.as_str() {
        "PATCH" if seen.body.contains("Nonsense__c") => Reply::Is(
            400,
            r#"[{"message":"No such column 'Nonsense__c' on sobject of type Order","errorCode":"INVALID_FIELD"}]"#
                .to_owned(),
        ),
        "PATCH" => saved(seen, false),
        _ => none(),
    })
    .await;
    let calls: Vec<Call> = (0..50)
        .map(|number| upsert(&format!("K-{number}"), if number == 17 { r#"{"Nonsense__c":1}"# } else { "{}" }))
        .collect();
    let answers = org.connect().execute(&calls).await;
    let failed: Vec<usize> = (0..50).filter(|place| answers[*place].is_err()).collect();
    assert_eq!(failed, [17]);
    assert_eq!(error(&answers[17]), (ErrorClass::Misconfigured, "INVALID_FIELD"));
}

#[tokio::test]
async fn an_unknown_fate_is_ambiguous() {
    let replies = [
        Reply::Broken,
        Reply::Is(500, r#"[{"message":"An unexpected error occurred","errorCode":"UNKNOWN_EXCEPTION"}]"#.to_owned()),
        Reply::Is(502, String::new()),
        ok("<html/>"),
        ok("[]"),
    ];
    for reply in replies {
        let (told, again) = (reply.clone(), reply);
        let org = ScriptedOrg::start(move |seen| if seen.method == "PATCH" { told.clone() } else { none() }).await;
        let answers = org.connect().execute(&[upsert("A", "{}"), upsert("B", "{}")]).await;
        assert!(answers.iter().all(|answer| error(answer).0 == ErrorClass::Ambiguous), "{again:?} {answers:?}");
        assert_eq!(org.requests().len(), 1, "never sent again by itself");
    }
}

#[tokio::test]
async fn an_ended_session_is_renewed_once() {
    const ENDED: &str = r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;
    let org = ScriptedOrg::start(|seen| match (seen.method.as_str(), seen.header("authorization")) {
        ("PATCH", "Bearer token-1") => Reply::Is(401, ENDED.to_owned()),
        ("PATCH", _) => saved(seen, true),
        _ => none(),
    })
    .await;
    assert!(one(&org.connect(), upsert("A", "{}")).await.is_ok());
    assert_eq!((org.requests().len(), org.token_requests().len()), (2, 2));

    let org =
        ScriptedOrg::start(|seen| if seen.method == "PATCH" { Reply::Is(401, ENDED.to_owned()) } else { none() }).await;
    let answer = one(&org.connect(), upsert("A", "{}")).await;
    assert_eq!(error(&answer), (ErrorClass::Unauthorized, "INVALID_SESSION_ID"));
    assert_eq!((org.requests().len(), org.token_requests().len()), (2, 2));
}

#[tokio::test]
async fn a_record_is_created_with_its_children() {
    let failing = std::sync::Arc::new(AtomicUsize::new(0));
    let fail = std::sync::Arc::clone(&failing);
    let org = ScriptedOrg::start(move |seen| {
        if seen.path.ends_with("/sobjects/Quote/describe") {
            ok(r#"{"name":"Quote","fields":[],"childRelationships":[{"relationshipName":"QuoteLineItems","childSObject":"QuoteLineItem"}]}"#)
        } else if seen.path.ends_with("/composite/tree/Quote") && fail.load(Ordering::SeqCst) == 0 {
            Reply::Is(201, r#"{"hasErrors":false,"results":[{"referenceId":"r1","id":"0QL000000000001AAA"},{"referenceId":"r0","id":"0Q0000000000001AAA"},{"referenceId":"r2","id":"0QL000000000002AAA"}]}"#.to_owned())
        } else if seen.path.ends_with("/composite/tree/Quote") {
            Reply::Is(400, r#"{"hasErrors":true,"results":[{"referenceId":"r2","errors":[{"statusCode":"FIELD_INTEGRITY_EXCEPTION","message":"field integrity exception","fields":["PricebookEntryId"]}]}]}"#.to_owned())
        } else {
            none()
        }
    })
    .await;
    let connection = org.connect();
    let create =
        call(Action::Create, "Quote", None, r#"{"Name":"A","QuoteLineItems":[{"Quantity":1},{"Quantity":2.5}]}"#);
    let created = one(&connection, create.clone()).await.expect("created");
    let wanted = r#"{"Id":"0Q0000000000001AAA","QuoteLineItems":[{"Id":"0QL000000000001AAA"},{"Id":"0QL000000000002AAA"}],"created":true}"#;
    assert_eq!(created.to_string(), wanted);
    let body = org.requests().pop().expect("a tree").body;
    assert_eq!(
        body,
        r#"{"records":[{"attributes":{"type":"Quote","referenceId":"r0"},"Name":"A","QuoteLineItems":{"records":[{"attributes":{"type":"QuoteLineItem","referenceId":"r1"},"Quantity":1},{"attributes":{"type":"QuoteLineItem","referenceId":"r2"},"Quantity":2.5}]}}]}"#
    );
    failing.store(1, Ordering::SeqCst);
    assert_eq!(error(&one(&connection, create).await), (ErrorClass::Rejected, "FIELD_INTEGRITY_EXCEPTION"));
}

#[tokio::test]
async fn functions_are_called_by_their_path() {
    let org = ScriptedOrg::start(|seen| match seen.path.as_str() {
        "/services/apexrest/interlock/hold" => ok(r#"{"held":true}"#),
        path if path.ends_with("/actions/standard/emailSimple") => ok("[]"),
        "/services/apexrest/fails" => {
            Reply::Is(500, r#"[{"errorCode":"APEX_ERROR","message":"System.NullPointerException"}]"#.to_owned())
        }
        _ => none(),
    })
    .await;
    let connection = org.connect();
    let invoke = |name: &str| call(Action::Invoke, name, None, r#"{"quote":"Q-1"}"#);
    let answer = one(&connection, invoke("apexrest/interlock/hold")).await.expect("an answer");
    assert_eq!(answer.to_string(), r#"{"held":true}"#);
    assert!(one(&connection, invoke("actions/standard/emailSimple")).await.is_ok());
    assert_eq!(
        error(&one(&connection, invoke("/services/apexrest/fails")).await),
        (ErrorClass::Rejected, "APEX_ERROR")
    );
    for name in ["/services/../x", "apexrest/a b", "a#b"] {
        assert_eq!(error(&one(&connection, invoke(name)).await), (ErrorClass::Misconfigured, "path"));
    }
    assert_eq!(org.requests()[0].body, r#"{"quote":"Q-1"}"#);
}
