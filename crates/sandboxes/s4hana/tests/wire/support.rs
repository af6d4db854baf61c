//! A system with some master data, a client that signs in as the vendor wants, and a webhook.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use sandbox_s4hana::{Options, Running, Timing, serve};
use serde_json::{Value, json};

/// Where the services are.
const ROOT: &str = "/sap/opu/odata/sap";

/// A system and a client that is signed in to it.
pub(crate) struct System {
    pub(crate) running: Running,
    pub(crate) http: reqwest::Client,
    token: String,
    cookie: String,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn read(response: Response) -> Self {
        let status = response.status();
        let headers = response.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap_or("").to_owned())).collect();
        Self { status, headers, text: response.text().await.expect("a text") }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// `d` of an entity.
    pub(crate) fn entity(&self) -> Value {
        self.json()["d"].clone()
    }

    /// `d.results` of a list.
    pub(crate) fn list(&self) -> Vec<Value> {
        self.json()["d"]["results"].as_array().unwrap_or_else(|| panic!("a list: {}", self.text)).clone()
    }

    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn message(&self) -> String {
        self.json()["error"]["message"]["value"].as_str().unwrap_or_default().to_owned()
    }
}

/// Steps that follow at once.
pub(crate) fn at_once() -> Timing {
    let none = Duration::from_millis(1);
    Timing { delivery_after: none, goods_issue_after: none, invoice_after: none, payment_after: none }
}

/// Steps that do not follow while a test runs.
pub(crate) fn never() -> Timing {
    let day = Duration::from_secs(86_400);
    Timing { delivery_after: day, goods_issue_after: day, invoice_after: day, payment_after: day }
}

impl System {
    /// A system with the given timing.
    pub(crate) async fn start(timing: Timing) -> Self {
        Self::start_with(Options { timing, ..Options::default() }).await
    }

    /// A system with products TG11 (12.50) and TG12 (3.35, in plant 1020 only), and customers 10100001 (GB, `A1`) and
    /// 10100002 (DE, `A2`).
    pub(crate) async fn start_with(options: Options) -> Self {
        let running = serve(options).await.expect("a system");
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().expect("a client");
        let mut system = Self { running, http, token: String::new(), cookie: String::new() };
        let seed = json!({
            "products": [
                {"product": "TG11", "description": "Trading good 11", "baseUnit": "PC", "price": "12.50", "currency": "GBP",
                 "plants": ["1010", "1020"], "stock": 1000},
                {"product": "TG12", "description": "Trading good 12", "price": 3.35, "currency": "GBP", "plants": ["1020"], "stock": "10"},
            ],
            "customers": [
                {"customer": "10100001", "name": "Domestic Customer", "country": "GB", "externalId": "A1"},
                {"customer": "10100002", "name": "Foreign Customer", "country": "DE", "externalId": "A2", "searchTerm": "foreign"},
            ],
        });
        system.control(Method::POST, "seed", seed).await;
        system.sign_in().await;
        system
    }

    /// Calls a control; it has to succeed.
    pub(crate) async fn control(&self, method: Method, path: &str, body: Value) -> Value {
        let request = self.http.request(method, format!("{}/_sandbox/{path}", self.running.url)).json(&body);
        let answer = Answer::read(request.send().await.expect("an answer")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json()
    }

    pub(crate) async fn set_fault(&self, name: &str, rate: f64) {
        self.control(Method::PUT, "faults", json!({name: rate})).await;
    }

    pub(crate) async fn happened(&self, name: &str) -> u64 {
        let report = self.control(Method::GET, "faults", Value::Null).await;
        report["happened"][name].as_u64().expect("a count")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{ROOT}/{path}", self.running.url)
    }

    /// A request with credentials only.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, self.url(path)).header("accept", "application/json");
        request.basic_auth("INTERLOCK", Some("sandbox"))
    }

    /// The CSRF dance.
    pub(crate) async fn sign_in(&mut self) {
        let request = self.request(Method::GET, "API_SALES_ORDER_SRV/").header("x-csrf-token", "Fetch");
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        self.token = response.headers()["x-csrf-token"].to_str().expect("a token").to_owned();
        let cookies = response.headers().get_all("set-cookie").iter();
        let cookies = cookies.map(|value| value.to_str().expect("a cookie").split(';').next().unwrap_or("").to_owned());
        self.cookie = cookies.collect::<Vec<_>>().join("; ");
    }

    /// A request of the session.
    pub(crate) fn signed(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).header("x-csrf-token", &self.token).header("cookie", &self.cookie)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::read(self.request(Method::GET, path).send().await.expect("an answer")).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::read(self.signed(Method::POST, path).json(&body).send().await.expect("an answer")).await
    }

    pub(crate) async fn patch(&self, path: &str, etag: Option<&str>, body: Value) -> Answer {
        let mut request = self.signed(Method::PATCH, path).json(&body);
        if let Some(etag) = etag {
            request = request.header("if-match", etag);
        }
        Answer::read(request.send().await.expect("an answer")).await
    }

    /// An order that is accepted.
    pub(crate) async fn order(&self, reference: &str, items: &[(&str, &str)]) -> Value {
        let answer = self.post("API_SALES_ORDER_SRV/A_SalesOrder", order(reference, items)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        answer.entity()
    }

    /// Reads again and again until what is read is as wanted.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..500 {
            let answer = self.get(path).await;
            if answer.status == StatusCode::OK {
                let body = answer.json();
                if wanted(&body["d"]) {
                    return body["d"].clone();
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{path} never became as wanted: {}", self.get(path).await.text);
    }
}

/// The body of an order of customer 10100001.
pub(crate) fn order(reference: &str, items: &[(&str, &str)]) -> Value {
    let items: Vec<Value> =
        items.iter().map(|(material, quantity)| json!({"Material": material, "RequestedQuantity": quantity})).collect();
    json!({
        "SalesOrderType": "OR",
        "SalesOrganization": "1010",
        "DistributionChannel": "10",
        "OrganizationDivision": "00",
        "SoldToParty": "10100001",
        "PurchaseOrderByCustomer": reference,
        "to_Item": items,
    })
}

/// What a webhook has received.
#[derive(Default)]
pub(crate) struct Received {
    pub(crate) events: Vec<Value>,
    pub(crate) origins: Vec<String>,
    pub(crate) authorizations: Vec<String>,
    pub(crate) content_types: Vec<String>,
    /// How many deliveries are refused before one is taken.
    pub(crate) refuse: usize,
}

/// A webhook that remembers.
pub(crate) async fn webhook() -> (String, Arc<Mutex<Received>>) {
    use axum::extract::State;
    use axum::http::{HeaderMap, Method, StatusCode};
    let received = Arc::new(Mutex::new(Received::default()));
    let take = |State(received): State<Arc<Mutex<Received>>>, method: Method, headers: HeaderMap, body: String| async move {
        let mut received = received.lock().expect("no panic");
        let header = |name: &str| headers.get(name).map_or("", |value| value.to_str().expect("ascii")).to_owned();
        if method == Method::OPTIONS {
            received.origins.push(header("webhook-request-origin"));
            return (StatusCode::OK, [("webhook-allowed-origin", "*")]);
        }
        if received.refuse > 0 {
            received.refuse -= 1;
            return (StatusCode::SERVICE_UNAVAILABLE, [("webhook-allowed-origin", "*")]);
        }
        received.authorizations.push(header("authorization"));
        received.content_types.push(header("content-type"));
        match serde_json::from_str(&body).expect("JSON") {
            Value::Array(events) => received.events.extend(events),
            event => received.events.push(event),
        }
        (StatusCode::NO_CONTENT, [("webhook-allowed-origin", "*")])
    };
    let router = axum::Router::new().fallback(take).with_state(Arc::clone(&received));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/events/erp", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} never held");
}
