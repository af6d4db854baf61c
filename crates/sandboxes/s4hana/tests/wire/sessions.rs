//! Logon, sessions, CSRF tokens.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::support::{Answer, System, never, order};

#[tokio::test]
async fn only_the_communication_user_gets_in() {
    let system = System::start(never()).await;
    let path = "API_SALES_ORDER_SRV/A_SalesOrder";
    let nobody = system.http.get(system.url(path)).send().await.expect("an answer");
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    assert!(nobody.headers()["www-authenticate"].to_str().expect("ascii").starts_with("Basic"));
    let wrong = system.http.get(system.url(path)).basic_auth("INTERLOCK", Some("no")).send().await.expect("an answer");
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(system.get(&format!("{path}?sap-client=200")).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(system.get(&format!("{path}?sap-client=100")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn changes_need_the_token_of_the_session() {
    let system = System::start(never()).await;
    let path = "API_SALES_ORDER_SRV/A_SalesOrder";
    let body = order("PO-1", &[("TG11", "1")]);
    let bare = system.request(Method::POST, path).json(&body).send().await.expect("an answer");
    assert_eq!(bare.status(), StatusCode::FORBIDDEN);
    assert_eq!(bare.headers()["x-csrf-token"], "Required");
    // A token without its session is no better.
    let token = system.request(Method::HEAD, "API_SALES_ORDER_SRV/").header("x-csrf-token", "fetch").send().await;
    let token = token.expect("an answer").headers()["x-csrf-token"].clone();
    let foreign = system.request(Method::POST, path).header("x-csrf-token", token).json(&body).send().await;
    assert_eq!(foreign.expect("an answer").status(), StatusCode::FORBIDDEN);
    assert_eq!(system.post(path, body).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_session_keeps_its_token() {
    let mut system = System::start(never()).await;
    let again = system.signed(Method::GET, "API_SALES_ORDER_SRV/").header("x-csrf-token", "Fetch");
    let again = Answer::read(again.send().await.expect("an answer")).await;
    assert!(!again.headers.contains_key("set-cookie"));
    system.sign_in().await;
    assert_eq!(system.post("API_SALES_ORDER_SRV/A_SalesOrder", order("PO", &[("TG11", "1")])).await.status, 201);
}

#[tokio::test]
async fn unknown_services_and_sets_are_told_as_the_gateway_does() {
    let system = System::start(never()).await;
    let unknown = system.get("API_NOTHING_SRV/A_Nothing").await;
    assert_eq!((unknown.status.as_u16(), unknown.code().as_str()), (403, "/IWFND/MED/170"));
    let set = system.get("API_SALES_ORDER_SRV/A_Nothing").await;
    assert_eq!(set.status, StatusCode::NOT_FOUND);
    let missing = system.get("API_SALES_ORDER_SRV/A_SalesOrder('1')").await;
    assert_eq!((missing.status.as_u16(), missing.code().as_str()), (404, "/IWBEP/CM_MGW_RT/020"));
    let xml =
        system.http.get(system.url("API_SALES_ORDER_SRV/A_SalesOrder('1')")).basic_auth("INTERLOCK", Some("sandbox"));
    let xml = Answer::read(xml.send().await.expect("an answer")).await;
    assert!(xml.text.starts_with("<?xml") && xml.text.contains("<code>/IWBEP/CM_MGW_RT/020</code>"), "{}", xml.text);
    let sets = system.get("API_SALES_ORDER_SRV/?$format=json").await.json();
    assert!(sets["d"]["EntitySets"].as_array().expect("sets").contains(&json!("A_SalesOrder")));
}
