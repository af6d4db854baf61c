//! `$batch` over the socket.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::support::{Answer, System, never, order};

/// The inner answers of a batch in their order: status and body.
fn parts(answer: &Answer) -> Vec<(u16, Value)> {
    let mut parts = Vec::new();
    for piece in answer.text.split("HTTP/1.1 ").skip(1) {
        let status = piece[..3].parse().expect("a status");
        let (head, rest) = piece.split_once("\r\n\r\n").expect("headers");
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
        let body = &rest[..length.parse().expect("a number")];
        parts.push((status, serde_json::from_str(body).unwrap_or(Value::Null)));
    }
    parts
}

async fn batch(system: &System, body: String) -> Answer {
    let request = system.signed(Method::POST, "API_SALES_ORDER_SRV/$batch");
    let request = request.header("content-type", "multipart/mixed; boundary=batch").body(body);
    Answer::read(request.send().await.expect("an answer")).await
}

fn get(address: &str) -> String {
    format!(
        "--batch\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\nGET {address} HTTP/1.1\r\nAccept: application/json\r\n\r\n\r\n"
    )
}

fn changeset(changes: &[(&str, &str, Option<&str>, Value)]) -> String {
    let mut out = "--batch\r\nContent-Type: multipart/mixed; boundary=set\r\n\r\n".to_owned();
    for (index, (method, address, etag, body)) in changes.iter().enumerate() {
        let etag = etag.map_or(String::new(), |etag| format!("If-Match: {etag}\r\n"));
        let body = body.to_string();
        out.push_str(&format!(
            "--set\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: {}\r\n\r\n\
             {method} {address} HTTP/1.1\r\nContent-Type: application/json\r\n{etag}Content-Length: {}\r\n\r\n{body}\r\n",
            index + 1,
            body.len()
        ));
    }
    out + "--set--\r\n"
}

#[tokio::test]
async fn parts_are_answered_in_their_order() {
    let system = System::start(never()).await;
    let known = system.order("PO-0", &[("TG11", "1")]).await;
    let known = known["SalesOrder"].as_str().expect("a number");
    let body = [
        get("A_SalesOrder?$filter=PurchaseOrderByCustomer%20eq%20'PO-0'"),
        changeset(&[("POST", "A_SalesOrder", None, order("PO-1", &[("TG11", "2")]))]),
        changeset(&[("POST", "A_SalesOrder", None, order("PO-2", &[("NONE", "2")]))]),
        get(&format!("/sap/opu/odata/sap/API_SALES_ORDER_SRV/A_SalesOrder('{known}')")),
        get("A_SalesOrder('1')"),
        changeset(&[("PATCH", &format!("A_SalesOrder('{known}')"), Some("*"), json!({"DeliveryBlockReason": "01"}))]),
    ];
    let answer = batch(&system, body.concat() + "--batch--\r\n").await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert!(answer.headers["content-type"].starts_with("multipart/mixed; boundary="));
    let parts = parts(&answer);
    let statuses: Vec<u16> = parts.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [200, 201, 400, 200, 404, 204], "{}", answer.text);
    assert_eq!(parts[1].1["d"]["TotalNetAmount"], "25.00");
    assert_eq!(parts[2].1["error"]["code"], "V1/384");
    assert!(answer.text.contains("content-id: 1"));
}

#[tokio::test]
async fn a_changeset_is_kept_whole_or_not_at_all() {
    let system = System::start(never()).await;
    let known = system.order("PO-0", &[("TG11", "1")]).await;
    let known = known["SalesOrder"].as_str().expect("a number");
    let changes = [
        ("PATCH", format!("A_SalesOrder('{known}')"), Some("*"), json!({"PurchaseOrderByCustomer": "PO-X"})),
        ("POST", "A_SalesOrder".to_owned(), None, order("PO-1", &[("TG11", "200")])),
        ("POST", "A_SalesOrder".to_owned(), None, order("PO-2", &[("NONE", "2")])),
    ];
    let changes: Vec<_> =
        changes.iter().map(|(method, path, etag, body)| (*method, path.as_str(), *etag, body.clone())).collect();
    let answer = batch(&system, changeset(&changes) + "--batch--\r\n").await;
    let parts = parts(&answer);
    assert_eq!((parts.len(), parts[0].0), (1, 400), "{}", answer.text);
    assert_eq!(system.get("API_SALES_ORDER_SRV/A_SalesOrder/$count").await.text, "1");
    let found = |reference: &str| {
        format!("API_SALES_ORDER_SRV/A_SalesOrder?$filter=PurchaseOrderByCustomer%20eq%20'{reference}'")
    };
    assert_eq!(system.get(&found("PO-0")).await.list().len(), 1);
    assert_eq!(system.get(&found("PO-X")).await.list().len() + system.get(&found("PO-1")).await.list().len(), 0);
    // The stock that the order had reserved is free again.
    let stock = "API_PRODUCT_AVAILY_INFO_BASIC/DetermineAvailabilityAt?SupplyingPlant='1010'&Material='TG11'&ATPCheckingRule='A'";
    let stock = system.get(stock).await.entity();
    assert_eq!(stock["DetermineAvailabilityAt"]["AvailableQuantityInBaseUnit"], "999");
}

#[tokio::test]
async fn a_change_may_refer_to_an_earlier_one() {
    let system = System::start(never()).await;
    let changes = [
        ("POST", "A_SalesOrder", None, order("PO-1", &[("TG11", "1")])),
        ("POST", "$1/to_Item", None, json!({"Material": "TG12", "RequestedQuantity": "2"})),
    ];
    let answer = batch(&system, changeset(&changes) + "--batch--\r\n").await;
    let parts = parts(&answer);
    assert_eq!((parts[0].0, parts[1].0), (201, 201), "{}", answer.text);
    assert_eq!(parts[1].1["d"]["SalesOrder"], parts[0].1["d"]["SalesOrder"]);
    let malformed = batch(&system, "--batch\r\nnothing".to_owned()).await;
    assert_eq!(malformed.status, StatusCode::BAD_REQUEST);
}
