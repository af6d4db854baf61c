//! Reading against an org that answers with literal, vendor-shaped JSON.

mod support;

use std::sync::Arc;

use connect::{Action, Call, Connection, ErrorClass, Selection};
use jiff::Timestamp;
use model::Value;
use support::{DATA, Reply, ScriptedOrg, Seen, call, none, ok, one, reading, selection};

#[tokio::test]
async fn many_reads_are_one_query_and_each_gets_its_record() {
    let org = ScriptedOrg::start(|seen| match seen.path.contains("/query?") {
        true => ok(r#"{"totalSize":2,"done":true,"records":[
            {"attributes":{"type":"Quote","url":"/x"},"Id":"0Q0000000000002AAA","QuoteNumber":"q-2","GrandTotal":12.50,"Account":{"attributes":{"type":"Account"},"Name":"B"}},
            {"attributes":{"type":"Quote","url":"/x"},"Id":"0Q0000000000001AAA","QuoteNumber":"Q-1","GrandTotal":null,"Account":null}]}"#),
        false => none(),
    })
    .await;
    let connection = org.connect();
    let select = selection(&["GrandTotal", "Account.Name"], &[]);
    let calls: Vec<Call> = ["Q-1", "Q-2", "Q-3", "Q-1", "O'Hara \\"]
        .iter()
        .map(|key| reading("Quote", ("QuoteNumber", key), &select))
        .collect();
    let answers = connection.execute(&calls).await;
    let texts: Vec<String> = answers.iter().map(|answer| answer.as_ref().expect("an answer").to_string()).collect();
    assert_eq!(texts[0], r#"{"Id":"0Q0000000000001AAA","QuoteNumber":"Q-1","GrandTotal":null,"Account":null}"#);
    assert_eq!(
        texts[1],
        r#"{"Id":"0Q0000000000002AAA","QuoteNumber":"q-2","GrandTotal":12.50,"Account":{"Name":"B"}}"#
    );
    assert_eq!((texts[2].as_str(), &texts[3], texts[4].as_str()), ("null", &texts[0], "null"));

    let requests = org.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(
        requests[0].path,
        format!(
            r"{DATA}/query?q=SELECT Id,QuoteNumber,GrandTotal,Account.Name FROM Quote WHERE QuoteNumber IN ('Q-1','Q-2','Q-3','O\'Hara \\')"
        )
    );
    assert_eq!(requests[0].header("sforce-call-options"), "client=Interlock");
    assert_eq!(requests[0].header("authorization"), "Bearer token-1");
    let usage = connection.api_usage().expect("a usage");
    assert_eq!((usage.used, usage.limit), (18, 5000));
}

#[tokio::test]
async fn pages_of_records_and_of_their_children_are_followed() {
    let org = ScriptedOrg::start(|seen| {
        let path = seen.path.as_str();
        let line = |number: u32| format!(r#"{{"attributes":{{"type":"QuoteLineItem"}},"Id":"0QL{number}","Quantity":{number}.0}}"#);
        if path.contains("/query?") {
            ok(format!(
                r#"{{"totalSize":2,"done":false,"nextRecordsUrl":"{DATA}/query/0r8A-1","records":[{{"attributes":{{}},"Id":"0Q0000000000001AAA",
                "QuoteLineItems":{{"totalSize":3,"done":false,"nextRecordsUrl":"{DATA}/query/0r8B-1","records":[{}]}}}}]}}"#,
                line(1)
            ))
        } else if path.ends_with("/query/0r8A-1") {
            ok(r#"{"totalSize":2,"done":true,"records":[{"attributes":{},"Id":"0Q0000000000002AAA","QuoteLineItems":null}]}"#)
        } else if path.ends_with("/query/0r8B-1") {
            ok(format!(r#"{{"totalSize":3,"done":false,"nextRecordsUrl":"{DATA}/query/0r8B-2","records":[{}]}}"#, line(2)))
        } else if path.ends_with("/query/0r8B-2") {
            ok(format!(r#"{{"totalSize":3,"done":true,"records":[{}]}}"#, line(3)))
        } else {
            none()
        }
    })
    .await;
    let select = selection(&["Id"], &[("QuoteLineItems", &["Quantity"])]);
    let calls = ["0Q0000000000001AAA", "0Q0000000000002"].map(|id| reading("Quote", ("Id", id), &select));
    let answers = org.connect().execute(&calls).await;
    let lines = r#"[{"Id":"0QL1","Quantity":1.0},{"Id":"0QL2","Quantity":2.0},{"Id":"0QL3","Quantity":3.0}]"#;
    assert_eq!(answers[0].as_ref().expect("a quote").get("QuoteLineItems").to_string(), lines);
    // Found by its id of 15 characters, and without lines.
    assert_eq!(answers[1].as_ref().expect("a quote").to_string(), r#"{"Id":"0Q0000000000002AAA","QuoteLineItems":[]}"#);
}

#[tokio::test]
async fn long_lists_of_keys_are_split() {
    let org = ScriptedOrg::start(|seen| match seen.path.contains("/query?") {
        true => {
            let records: Vec<String> = keys_of(seen)
                .iter()
                .map(|key| format!(r#"{{"attributes":{{}},"Id":"801000000000001AAA","Interlock_Key__c":"{key}"}}"#))
                .collect();
            ok(format!(r#"{{"totalSize":{},"done":true,"records":[{}]}}"#, records.len(), records.join(",")))
        }
        false => none(),
    })
    .await;
    let select = selection(&["Interlock_Key__c"], &[]);
    let calls: Vec<Call> = (0..1500)
        .map(|number| reading("Order", ("Interlock_Key__c", &format!("Q-{number:08}-1010")), &select))
        .collect();
    let answers = org.connect().execute(&calls).await;
    for (number, answer) in answers.iter().enumerate() {
        let wanted = format!("Q-{number:08}-1010");
        assert_eq!(answer.as_ref().expect("an order").get("Interlock_Key__c").as_str(), Some(&*wanted));
    }
    let requests = org.requests();
    assert!(requests.len() > 2);
    assert!(requests.iter().all(|seen| seen.raw_length < 12_000));
}

fn keys_of(seen: &Seen) -> Vec<String> {
    let list = seen.path.split("IN (").nth(1).expect("a list").trim_end_matches(')');
    list.split(',').map(|key| key.trim_matches('\'').to_owned()).collect()
}

#[tokio::test]
async fn finds_are_gathered_when_they_ask_for_one_field() {
    let org = ScriptedOrg::start(|seen| {
        if seen.path.contains("QuoteId IN") {
            ok(r#"{"totalSize":2,"done":true,"records":[
                {"attributes":{},"Id":"801000000000001AAA","QuoteId":"0Q0000000000001AAA"},{"attributes":{},"Id":"801000000000002AAA","QuoteId":"0Q0000000000001AAA"}]}"#)
        } else if seen.path.contains("/describe") {
            ok(r#"{"name":"Order","fields":[{"name":"EffectiveDate","type":"date"},{"name":"PoNumber","type":"string"}],"childRelationships":[]}"#)
        } else if seen.path.contains("/query?") {
            ok(r#"{"totalSize":0,"done":true,"records":[]}"#)
        } else {
            none()
        }
    })
    .await;
    let find = |body: &str| Call { select: selection(&["Id"], &[]), ..call(Action::Find, "Order", None, body) };
    let calls = [
        find(r#"{"QuoteId":"0Q0000000000001AAA"}"#),
        find(
            r#"{"EffectiveDate":"2026-11-23","PoNumber":"2026-11-23","Account":{"Name":"A"},"Status":["Draft","Activated"],"EndDate":null,"TotalAmount":2.50}"#,
        ),
        find(r#"{"QuoteId":"0Q0000000000002AAA"}"#),
    ];
    let answers = org.connect().execute(&calls).await;
    let count = |place: usize| answers[place].as_ref().expect("a list").items().len();
    assert_eq!((count(0), count(1), count(2)), (2, 0, 0));
    let queries: Vec<String> =
        org.requests().into_iter().filter(|seen| seen.path.contains("/query?")).map(|seen| seen.path).collect();
    assert_eq!(queries.len(), 2);
    assert!(queries[0].ends_with("WHERE QuoteId IN ('0Q0000000000001AAA','0Q0000000000002AAA') ORDER BY Id"));
    let wanted = "WHERE EffectiveDate = 2026-11-23 AND PoNumber = '2026-11-23' AND Account.Name = 'A' AND Status IN ('Draft','Activated') AND EndDate = null AND TotalAmount = 2.50 ORDER BY Id";
    assert!(queries[1].ends_with(wanted), "{}", queries[1]);
}

#[tokio::test]
async fn keys_that_name_no_single_record_are_refused() {
    let org = ScriptedOrg::start(|seen| match seen.path.contains("/query?") {
        true => ok(r#"{"totalSize":2,"done":true,"records":[
            {"attributes":{},"Id":"001000000000001AAA","Name":"Acme"},{"attributes":{},"Id":"001000000000002AAA","Name":"Acme"}]}"#),
        false => none(),
    })
    .await;
    let connection = org.connect();
    let select = selection(&["Name"], &[]);
    let error = one(&connection, reading("Account", ("Name", "Acme"), &select)).await.expect_err("two");
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Rejected, "KEY_NOT_UNIQUE"));
    let asked = org.requests().len();
    for (field, key, code) in
        [("Name", " ", "key"), ("Id", "x' OR Id != '", "MALFORMED_ID"), ("Name FROM User", "a", "name")]
    {
        let error = one(&connection, reading("Account", (field, key), &select)).await.expect_err("refused");
        assert_eq!(error.code, code);
    }
    let without = call(Action::Read, "Account", Some(("Name", Value::Null)), "null");
    assert_eq!(one(&connection, without).await.expect_err("no key").class, ErrorClass::Rejected);
    assert_eq!(org.requests().len(), asked, "nothing was asked");
}

#[tokio::test]
async fn an_empty_selection_takes_all_fields() {
    let org = ScriptedOrg::start(|seen| {
        if seen.path.ends_with("/sobjects/Quote/describe") {
            ok(r#"{"name":"Quote","fields":[{"name":"Id","type":"id"},{"name":"Status","type":"picklist","length":40,"createable":true,"updateable":true},
                {"name":"BillingAddress","type":"address"},{"name":"AccountId","type":"reference","relationshipName":"Account","referenceTo":["Account"]}],
                "childRelationships":[{"relationshipName":"QuoteLineItems","childSObject":"QuoteLineItem"},{"relationshipName":null,"childSObject":"X"}]}"#)
        } else if seen.path.ends_with("/sobjects/QuoteLineItem/describe") {
            ok(r#"{"name":"QuoteLineItem","fields":[{"name":"Quantity","type":"double"}],"childRelationships":[]}"#)
        } else if seen.path.contains("/query?") {
            ok(r#"{"totalSize":0,"done":true,"records":[]}"#)
        } else {
            none()
        }
    })
    .await;
    let connection = org.connect();
    let select =
        Arc::new(Selection { fields: vec![], children: vec![("QuoteLineItems".into(), Selection::default())] });
    for _ in 0..2 {
        let answer = one(&connection, reading("Quote", ("Id", "0Q0000000000001AAA"), &select)).await;
        assert_eq!(answer, Ok(Value::Null));
    }
    let requests = org.requests();
    assert_eq!(requests.len(), 4, "descriptions are asked for once");
    assert!(
        requests[2]
            .path
            .contains("SELECT Id,Status,AccountId,(SELECT Id,Quantity FROM QuoteLineItems) FROM Quote WHERE")
    );
    let description = connection.describe("Quote").await.expect("a description");
    assert_eq!((description.fields.len(), description.children.len()), (4, 1));
    assert_eq!((description.fields[1].length_max, description.fields[1].creatable), (Some(40), true));
    let misspelt =
        Arc::new(Selection { fields: vec![], children: vec![("QuoteLineItem".into(), Selection::default())] });
    let error =
        one(&connection, reading("Quote", ("Id", "0Q0000000000001AAA"), &misspelt)).await.expect_err("misspelt");
    assert!(error.message.contains("did you mean `QuoteLineItems`?"), "{}", error.message);
}

#[tokio::test]
async fn vendor_errors_of_queries_are_classified() {
    let cases = [
        (
            400,
            r#"[{"message":"No such column 'X' on entity 'Quote'","errorCode":"INVALID_FIELD"}]"#,
            ErrorClass::Misconfigured,
            "INVALID_FIELD",
        ),
        (
            403,
            r#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#,
            ErrorClass::Throttled,
            "REQUEST_LIMIT_EXCEEDED",
        ),
        (
            500,
            r#"[{"message":"An unexpected error occurred","errorCode":"UNKNOWN_EXCEPTION"}]"#,
            ErrorClass::Unavailable,
            "UNKNOWN_EXCEPTION",
        ),
        (503, "<html/>", ErrorClass::Unavailable, "HTTP 503"),
        (200, "<html/>", ErrorClass::Misconfigured, "not-understood"),
        (200, "{}", ErrorClass::Misconfigured, "not-understood"),
    ];
    for (status, body, class, code) in cases {
        let org = ScriptedOrg::start(move |seen| match seen.path.contains("/query?") {
            true => Reply::Is(status, body.to_owned()),
            false => none(),
        })
        .await;
        let calls = ["1", "2"].map(|key| reading("Quote", ("QuoteNumber", key), &selection(&["Id"], &[])));
        for answer in org.connect().execute(&calls).await {
            let error = answer.expect_err("an error");
            assert_eq!((error.class, error.code.as_str()), (class, code));
        }
    }
}

#[tokio::test]
async fn probes_look_for_given_values_and_never_for_nothing() {
    let org = ScriptedOrg::start(|seen| {
        if seen.path.contains("Q-1") {
            ok(r#"{"totalSize":1,"done":true,"records":[{"attributes":{},"Id":"801000000000001AAA"}]}"#)
        } else if seen.path.contains("/query?") {
            ok(r#"{"totalSize":0,"done":true,"records":[]}"#)
        } else {
            none()
        }
    })
    .await;
    let connection = org.connect();
    let probing = |key: &str| Call {
        select: selection(&["Id"], &[]),
        probe: vec![("Interlock_Key__c".into(), Value::from(key))],
        ..call(Action::Create, "Order", None, "{}")
    };
    let found = connection.probe(&probing("Q-1")).await.expect("an answer").expect("a record");
    assert_eq!(found.get("Id").as_str(), Some("801000000000001AAA"));
    assert_eq!(connection.probe(&probing("Q-2")).await, Ok(None));
    assert!(org.requests()[0].path.ends_with("WHERE Interlock_Key__c = 'Q-1' ORDER BY Id LIMIT 1"));
    let error = connection.probe(&call(Action::Create, "Order", None, "{}")).await.expect_err("nothing to look for");
    assert_eq!(error.class, ErrorClass::Misconfigured);
}

#[tokio::test]
async fn sweeps_go_on_behind_their_last_row() {
    let org = ScriptedOrg::start(|seen| {
        if seen.path.contains("SystemModstamp >= 2026-11-23T10:00:00.000Z") {
            let row = |number: usize| {
                format!(r#"{{"attributes":{{}},"Id":"0Q000000000{number:04}AAA","SystemModstamp":"2026-11-23T10:00:01.000+0000"}}"#)
            };
            let rows: Vec<String> = (0..2000).map(row).collect();
            ok(format!(r#"{{"totalSize":2000,"done":true,"records":[{}]}}"#, rows.join(",")))
        } else if seen.path.contains("/queryAll?") {
            ok(r#"{"totalSize":0,"done":true,"records":[]}"#)
        } else {
            none()
        }
    })
    .await;
    let connection = org.connect();
    let since: Timestamp = "2026-11-23T10:00:00Z".parse().expect("an instant");
    let page = connection.changed_since("Quote", since, None).await.expect("a page");
    assert_eq!(page.records.len(), 2000);
    assert_eq!(&*page.records[0].1, "2026-11-23T10:00:01Z");
    let last = connection.changed_since("Quote", since, page.next).await.expect("a page");
    assert_eq!((last.records.len(), last.next), (0, None));
    let path = &org.requests()[1].path;
    assert!(path.contains("(SystemModstamp > 2026-11-23T10:00:01.000Z OR (SystemModstamp = 2026-11-23T10:00:01.000Z AND Id > '0Q0000000001999AAA'))"), "{path}");
}
