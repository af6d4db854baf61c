//! What goes wrong between here and the ERP, and what it means.

use std::time::Duration;

use connect::Action::{Create, Find, Read};
use connect::ErrorClass;
use model::Value;

use crate::server::{Erp, ORDERS, Reply, call, keyed};

const CREATED: &str = r#"{"d":{"SalesOrder":"1"}}"#;

async fn class_of(erp: &Erp, call: connect::Call) -> connect::CallError {
    erp.connect().execute(&[call]).await.remove(0).expect_err("a failure")
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_ambiguous() {
    for reply in
        [Reply::new(201, "{\"d\":").cut(), Reply::new(201, "<html>"), Reply::new(502, "<html>"), Reply::new(504, "")]
    {
        let erp = Erp::start().await;
        erp.on("POST", [reply.clone()]).on("GET API_SALES_ORDER_SRV/A_SalesOrder(", [reply]);
        assert_eq!(class_of(&erp, call(Create, ORDERS, "{}")).await.class, ErrorClass::Ambiguous);
        let read = class_of(&erp, keyed(Read, ORDERS, "SalesOrder", "1", "null")).await;
        assert_eq!(read.class, ErrorClass::Unavailable, "a read changes nothing");
    }
}

#[tokio::test]
async fn a_simulation_changes_nothing_even_when_its_answer_is_lost() {
    let erp = Erp::start().await;
    erp.on("POST", [Reply::new(504, "")]);
    let simulated = call(Create, "API_SALES_ORDER_SIMULATION_SRV/A_SalesOrder", "{}");
    assert_eq!(class_of(&erp, simulated).await.class, ErrorClass::Unavailable);
}

#[tokio::test]
async fn every_create_of_a_lost_batch_is_ambiguous() {
    for reply in [Reply::batch(&[(true, 201, CREATED)]).cut(), Reply::new(500, "")] {
        let erp = Erp::start().await;
        erp.on("POST API_SALES_ORDER_SRV/$batch", [reply]);
        let answers = erp.connect().execute(&vec![call(Create, ORDERS, "{}"); 3]).await;
        assert!(
            answers.iter().all(|answer| answer.as_ref().is_err_and(|error| error.class == ErrorClass::Ambiguous)),
            "{answers:?}"
        );
    }
}

#[tokio::test]
async fn a_batch_answer_that_ends_early_leaves_only_the_rest_open() {
    let erp = Erp::start().await;
    erp.on("POST API_SALES_ORDER_SRV/$batch", [Reply::batch(&[(true, 201, CREATED)])]);
    let answers = erp.connect().execute(&vec![call(Create, ORDERS, "{}"); 3]).await;
    assert!(answers[0].is_ok());
    assert!(answers[1..].iter().all(|answer| answer.as_ref().is_err_and(|error| error.class == ErrorClass::Ambiguous)));
}

#[tokio::test]
async fn a_batch_that_was_not_begun_changed_nothing() {
    for (reply, class) in [
        (Reply::new(503, "").with("retry-after", "1"), ErrorClass::Unavailable),
        (Reply::new(429, "").with("retry-after", "3"), ErrorClass::Throttled),
    ] {
        let erp = Erp::start().await;
        erp.on("POST API_SALES_ORDER_SRV/$batch", [reply]);
        let answers = erp.connect().execute(&vec![call(Create, ORDERS, "{}"); 2]).await;
        assert!(answers.iter().all(|answer| answer.as_ref().is_err_and(|error| error.class == class)), "{answers:?}");
    }
}

#[tokio::test]
async fn refusals_keep_the_words_of_the_erp() {
    let erp = Erp::start().await;
    erp.on(
        "POST",
        [
            Reply::error(400, "V1/311", "Sold-to party 9 not maintained for sales area 1010 10 00"),
            Reply::error(423, "MC/601", "Object requested is currently locked by user JANE"),
            Reply::new(429, "").with("retry-after", "7"),
        ],
    );
    let connection = erp.connect();
    let mut errors = Vec::new();
    for _ in 0..3 {
        errors.push(connection.execute(&[call(Create, ORDERS, "{}")]).await.remove(0).expect_err("refused"));
    }
    assert_eq!((errors[0].class, errors[0].code.as_str()), (ErrorClass::Rejected, "V1/311"));
    assert_eq!(errors[0].details.at(0).get("severity"), &Value::from("error"));
    assert_eq!(errors[1].class, ErrorClass::Locked);
    assert_eq!((errors[2].class, errors[2].retry_after), (ErrorClass::Throttled, Some(Duration::from_secs(7))));
}

#[tokio::test]
async fn nobody_there_means_that_nothing_was_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut erp = Erp::start().await;
    erp.url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    assert_eq!(class_of(&erp, call(Create, ORDERS, "{}")).await.class, ErrorClass::Unavailable);
}

#[tokio::test]
async fn a_wrong_password_is_sent_once_only() {
    let erp = Erp::start().await;
    erp.on("GET", [Reply::new(401, "")]);
    let error = erp.connect().check().await.expect_err("refused");
    assert_eq!(error.class, ErrorClass::Unauthorized);
    assert_eq!(error.to_string(), "the ERP refuses user INTERLOCK or its password (HTTP 401)");
    assert_eq!(erp.asked_for(""), 1, "the ERP locks users that fail too often");
}

#[tokio::test]
async fn a_check_is_content_with_an_erp_that_knows_the_user() {
    let erp = Erp::start().await;
    assert_eq!(erp.connect().check().await, Ok(()));
    erp.on(
        "GET",
        [Reply::error(403, "/IWFND/MED/170", "No service found for namespace '', name 'API_BUSINESS_PARTNER'")],
    );
    assert_eq!(erp.connect().check().await, Ok(()));
}

#[tokio::test]
async fn a_service_that_is_not_active_is_told_by_name() {
    let erp = Erp::start().await;
    erp.on("GET API_X/$metadata", [Reply::new(404, "")]);
    let error = class_of(&erp, call(Find, "API_X/A", "{}")).await;
    assert_eq!((error.class, error.code.as_str()), (ErrorClass::Misconfigured, "unknown-service"));
    let error = class_of(&erp, call(Find, "A_SalesOrder", "{}")).await;
    assert!(error.message.contains("write it as `API_SALES_ORDER_SRV/A_SalesOrder`"));
}

#[tokio::test]
async fn oauth_tokens_are_renewed_when_refused() {
    let erp = Erp::start().await;
    let token = |text: &str| Reply::new(200, format!(r#"{{"access_token":"{text}","expires_in":3600}}"#));
    erp.on("POST /sap/bc/sec/oauth2/token", [token("one"), token("two")])
        .on("GET API_SALES_ORDER_SRV/A_SalesOrder", [Reply::new(401, ""), Reply::new(200, r#"{"d":{"results":[]}}"#)]);
    let auth = format!(
        r#","auth":{{"flow":"client-credentials","clientId":"c","clientSecret":"env:P","tokenUrl":"{}/sap/bc/sec/oauth2/token"}}"#,
        erp.url
    );
    let found = erp.connect_with(&auth).execute(&[call(Find, ORDERS, "{}")]).await;
    assert_eq!(found, [Ok(Value::array(Vec::<Value>::new()))]);
    let bearers: Vec<_> = erp.asked().iter().map(|asked| asked.header("authorization").to_owned()).collect();
    assert_eq!(bearers, ["", "Bearer one", "", "Bearer two"]);
}
