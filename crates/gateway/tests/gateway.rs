//! The listener over real sockets: the reference integration's process APIs, answered by the simulated ERP. The CRM of the
//! project is not there, which must not matter to them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use connect::{Connector, Secret, SecretError, Secrets, Settings};
use connector_s4hana::S4Hana;
use connector_salesforce::Salesforce;
use model::{TransactionId, WorkItemId};
use reqwest::{Method, Response};
use runtime::{OpenConnection, Parts, Runtime};
use serde_json::{Value, json};
use store::{JournalRow, Mutation, SqliteStore, TransactionRow, WorkItemRow, WorkItemStatus};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

struct Known;

impl Secrets for Known {
    fn get(&self, reference: &str) -> Result<Secret, SecretError> {
        Ok(Secret::new(match reference {
            "env:ERP_PASSWORD" => "sandbox".into(),
            other => other.trim_start_matches("env:").to_lowercase(),
        }))
    }
}

struct World {
    erp: sandbox_s4hana::Running,
    http: reqwest::Client,
    url: String,
    runtime: Runtime,
    /// While it is set, nothing that the ERP says arrives.
    silence: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

/// Stands between Interlock and a system at this address; what the system says waits while there is silence.
async fn gate(system: String, silence: watch::Receiver<bool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(&system).await.expect("the system");
            let ((mut near_in, mut near_out), (mut far_in, mut far_out)) = (near.into_split(), far.into_split());
            tokio::spawn(async move { tokio::io::copy(&mut near_in, &mut far_out).await });
            let mut silence = silence.clone();
            tokio::spawn(async move {
                let mut part = [0; 4096];
                while let Ok(length @ 1..) = far_in.read(&mut part).await {
                    if silence.wait_for(|silent| !silent).await.is_err()
                        || near_out.write_all(&part[..length]).await.is_err()
                    {
                        return;
                    }
                }
            });
        }
    });
    address.to_string()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a file");
        }
    }
}

impl World {
    /// The reference integration with a shorter memory for prices.
    async fn start() -> Self {
        let erp = sandbox_s4hana::serve(sandbox_s4hana::Options::default()).await.expect("a simulator");
        let folder = tempfile::tempdir().expect("a folder");
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../integrations/quote-to-cash"), folder.path());
        let pricing = folder.path().join("apis/pricing.v1.yaml");
        let text = std::fs::read_to_string(&pricing).expect("a definition");
        let text = text.replace("fresh: 60s", "fresh: 3s").replace("perMinute: 600", "perMinute: 20");
        std::fs::write(&pricing, text).expect("a definition");
        let (silence, silent) = watch::channel(false);
        let gate = gate(erp.url.trim_start_matches("http://").to_owned(), silent).await;
        let environment = |name: &str| match name {
            "ERP_URL" => Some(format!("http://{gate}")),
            "ERP_INSECURE" => Some("true".to_owned()),
            "ERP_USER" => Some("INTERLOCK".to_owned()),
            // Nobody listens on the discard port.
            "CRM_URL" => Some("http://127.0.0.1:9".to_owned()),
            "CRM_PUBSUB" => Some("https://127.0.0.1:9".to_owned()),
            "CRM_CLIENT_ID" => Some("id".to_owned()),
            _ => None,
        };
        let connectors: [&dyn Connector; 2] = [&Salesforce, &S4Hana];
        let (release, _) = definitions::load(folder.path(), &connectors, &environment)
            .unwrap_or_else(|error| panic!("{}", error.render(false)));
        let mut connections = HashMap::new();
        for (name, definition) in &release.connections {
            let connector = connectors.iter().find(|one| one.name() == &*definition.connector).expect("a connector");
            let settings = Settings { name: name.clone(), settings: &definition.settings, secrets: &Known };
            let connection = connector.open(settings).expect("a connection");
            connections.insert(name.clone(), OpenConnection { connection, actions: connector.actions() });
        }
        let store = SqliteStore::open(&folder.path().join("data/interlock.db")).expect("a store");
        let parts = Parts::new(Arc::new(release), Arc::new(store), connections);
        let runtime = Runtime::start(parts).await.expect("a runtime");
        let router = gateway::router(runtime.clone(), &Known).expect("a router");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().expect("a client");
        let world = Self { erp, http, url, runtime, silence, _folder: folder };
        let seed = json!({
            "products": [
                {"product": "85123A", "price": "2.55", "plants": ["1010"], "stock": 100},
                {"product": "71053", "price": "3.39", "plants": ["1020"], "stock": 7}],
            "customers": [{"customer": "10100001", "name": "Kiosk", "country": "GB", "externalId": "17850"}]});
        world.control("seed", seed).await;
        world
    }

    async fn control(&self, path: &str, body: Value) {
        let request = self.http.post(format!("{}/_sandbox/{path}", self.erp.url)).json(&body);
        let answer = request.send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
    }

    async fn call(&self, method: Method, path: &str, key: Option<&str>, body: Option<Value>) -> Response {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.expect("an answer")
    }

    async fn price(&self, quantity: i64) -> Response {
        let body = json!({"customer": "10100001", "lines": [
            {"product": "85123A", "quantity": quantity}, {"product": "71053", "quantity": 2}]});
        self.call(Method::POST, "/api/pricing/v1/quotes", Some("quoting_key"), Some(body)).await
    }
}

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

async fn read(response: Response) -> Value {
    let text = response.text().await.expect("a body");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_come_from_the_erp_with_their_age_and_survive_its_outage() {
    let world = World::start().await;
    let live = world.price(6).await;
    assert_eq!((live.status().as_u16(), header(&live, "interlock-answer")), (200, "live"));
    let live = read(live).await;
    assert_eq!(live["total"], json!({"amount": 22.08, "currency": "GBP"}), "{live}");
    assert_eq!((&live["stale"], &live["lines"][1]["plant"]), (&json!(false), &json!("1020")));
    let cached = world.price(6).await;
    assert_eq!(header(&cached, "interlock-answer"), "cached");
    assert_eq!(read(cached).await["asOf"], live["asOf"]);

    world.control("outage", json!({"seconds": 600})).await;
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    let stale = world.price(6).await;
    assert_eq!((stale.status().as_u16(), header(&stale, "interlock-answer")), (200, "stale"));
    let stale = read(stale).await;
    assert_eq!((&stale["stale"], &stale["asOf"], &stale["total"]), (&json!(true), &live["asOf"], &live["total"]));
    let unknown = world.price(7).await;
    assert!(matches!(unknown.status().as_u16(), 503 | 504), "{}", unknown.status());
    let unknown = read(unknown).await;
    assert!(unknown["code"].as_str().is_some_and(|code| code.starts_with("IL-API-")), "{unknown}");
    world.runtime.stop(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_ask_a_silent_system_for_the_same_hear_what_is_known_as_soon_as_one() {
    let world = Arc::new(World::start().await);
    assert_eq!(header(&world.price(6).await, "interlock-answer"), "live");
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    world.silence.send_replace(true);
    // One after the other they would wait for 24 seconds, longer than the client does.
    let callers: Vec<_> = (0..12)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.price(6).await })
        })
        .collect();
    for caller in callers {
        let answer = caller.await.expect("an answer");
        assert_eq!((answer.status().as_u16(), header(&answer, "interlock-answer")), (200, "stale"));
    }
    world.silence.send_replace(false);
    world.runtime.stop(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn availability_is_what_the_location_can_promise() {
    let world = World::start().await;
    let path = "/api/availability/v1/products/71053?plant=1020";
    let answer = world.call(Method::GET, path, Some("quoting_key"), None).await;
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap_or_default());
    let answer = world.call(Method::GET, path, Some("quoting_key"), None).await;
    let answer = read(answer).await;
    assert_eq!(answer["available"], json!(7), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_story_is_told_from_its_end_with_what_is_open() {
    let world = World::start().await;
    let at = jiff::Timestamp::UNIX_EPOCH;
    let matter = TransactionRow {
        id: TransactionId::now(),
        object: "quote".into(),
        key: "00000001".into(),
        title: "Kiosk".into(),
        stage: "held".into(),
        closed: false,
        amount: None,
        opened_at: at,
        updated_at: at,
    };
    let item = |number: i64, status| WorkItemRow {
        id: WorkItemId::now(),
        queue: "credit".into(),
        transaction: matter.id,
        run: None,
        status,
        title: format!("Item {number}").into(),
        reason: "why".into(),
        amount: None,
        content: model::Value::Null,
        opened_at: at,
        due_at: jiff::Timestamp::from_second(number).expect("an instant"),
        resolution: model::Value::Null,
    };
    let line = |number: i64| JournalRow {
        transaction: matter.id,
        at,
        kind: "sent".into(),
        connection: None,
        title: format!("Line {number}").into(),
        detail: model::Value::Null,
    };
    let mut batch: Vec<Mutation> =
        (0..150).map(|number| Mutation::PutWorkItem(item(number, WorkItemStatus::Resolved))).collect();
    batch.push(Mutation::PutWorkItem(item(1_000, WorkItemStatus::Open)));
    batch.extend((0..520).map(|number| Mutation::AppendJournal(line(number))));
    batch.push(Mutation::PutTransaction(matter));
    world.runtime.store().commit(batch).durable().await.expect("durable");
    let told = world.call(Method::GET, "/api/orders/v1/quotes/00000001", Some("quoting_key"), None).await;
    let told = read(told).await;
    let items = told["workItems"].as_array().expect("items");
    assert_eq!((items.len(), &items[0]["title"]), (1, &json!("Item 1000")), "{told}");
    let lines = told["timeline"].as_array().expect("lines");
    assert_eq!((lines.len(), &lines[0]["title"], &lines[499]["title"]), (500, &json!("Line 20"), &json!("Line 519")));
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_are_known_may_call_what_is_named_and_have_a_quota() {
    let world = World::start().await;
    let path = "/api/orders/v1/quotes/00000001";
    for key in [None, Some("wrong")] {
        let answer = world.call(Method::GET, path, key, None).await;
        assert_eq!(answer.status(), 401);
        assert_eq!(header(&answer, "content-type"), "application/problem+json");
        assert_eq!(read(answer).await["code"], "IL-API-002");
    }
    let nothing = world.call(Method::GET, path, Some("quoting_key"), None).await;
    assert_eq!(nothing.status(), 404);
    let bad = json!({"customer": "", "lines": [{"product": "A", "quantity": 0, "color": "red"}]});
    let bad = world.call(Method::POST, "/api/pricing/v1/quotes", Some("quoting_key"), Some(bad)).await;
    assert_eq!(bad.status(), 400);
    let violations = read(bad).await["violations"].as_array().map(Vec::len);
    assert!(violations >= Some(3), "{violations:?}");
    for _ in 0..19 {
        let body = world.http.post(format!("{}/api/pricing/v1/quotes", world.url)).bearer_auth("quoting_key").body("{");
        assert_eq!(body.send().await.expect("an answer").status(), 400);
    }
    let over = world.price(1).await;
    // A test that runs across the end of a minute has a whole quota again.
    if over.status() == 429 {
        assert!(header(&over, "retry-after").parse::<u32>().is_ok_and(|seconds| (1..=60).contains(&seconds)));
    } else {
        assert_eq!(over.status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_tries_many_keys_is_told_to_wait_and_keeps_nobody_out() {
    let world = World::start().await;
    let path = "/api/orders/v1/quotes/00000001";
    let mut said = Vec::new();
    for _ in 0..100 {
        let answer = world.call(Method::GET, path, Some("wrong"), None).await;
        said.push(answer.status().as_u16());
        if answer.status() == 429 {
            assert_eq!(header(&answer, "retry-after"), "60");
            assert_eq!(read(answer).await["code"], "IL-API-002");
            break;
        }
    }
    // A test that runs across the end of a minute counts anew once.
    assert!((31..=61).contains(&said.len()) && said.last() == Some(&429), "{said:?}");
    assert_eq!(
        world.call(Method::GET, path, Some("quoting_key"), None).await.status(),
        404,
        "a right one is looked at"
    );
    assert_eq!(world.call(Method::GET, path, None, None).await.status(), 401, "who shows no key tries none");
}

#[tokio::test(flavor = "multi_thread")]
async fn pushed_events_need_the_token_and_are_kept_before_they_are_acknowledged() {
    let world = World::start().await;
    let handshake = world.call(Method::OPTIONS, "/events/erp", Some("events_token"), None).await;
    assert_eq!((handshake.status().as_u16(), header(&handshake, "webhook-allowed-origin")), (200, "*"));
    let event = json!({"specversion": "1.0", "id": "e-1", "source": "/s4", "type": "sap.s4.beh.billingdocument.v1.BillingDocument.Created.v1",
        "datacontenttype": "application/json", "data": {"BillingDocument": "90000001"}});
    let push = |key: &'static str, path: &'static str, text: String| {
        let request = world.http.post(format!("{}{path}", world.url)).bearer_auth(key).body(text);
        request.header("content-type", "application/cloudevents+json").send()
    };
    assert_eq!(push("wrong", "/events/erp", event.to_string()).await.expect("an answer").status(), 401);
    assert_eq!(push("events_token", "/events/nosuch", event.to_string()).await.expect("an answer").status(), 404);
    assert_eq!(push("events_token", "/events/erp", "{".into()).await.expect("an answer").status(), 400);
    let taken = push("events_token", "/events/erp", event.to_string()).await.expect("an answer");
    assert_eq!(taken.status(), 202);
    assert_eq!(read(taken).await, json!({"taken": 1}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_is_not_known_is_told_so_before_it_sends_anything() {
    let world = World::start().await;
    let address = world.url.trim_start_matches("http://");
    for (path, code) in [("/events/erp", "IL-API-005"), ("/api/pricing/v1/quotes", "IL-API-002")] {
        let mut connection = TcpStream::connect(address).await.expect("a connection");
        let head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 4000000\r\n\r\n");
        connection.write_all(head.as_bytes()).await.expect("sent");
        let (mut told, mut part) = (String::new(), [0; 4096]);
        while !told.contains(code) {
            let read = tokio::time::timeout(Duration::from_secs(20), connection.read(&mut part)).await;
            let length = read.expect("an answer before the body").expect("a connection");
            assert_ne!(length, 0, "{told}");
            told.push_str(&String::from_utf8_lossy(&part[..length]));
        }
        assert!(told.starts_with("HTTP/1.1 401"), "{told}");
    }
    let event = "x".repeat((4 << 20) + 1);
    let request = world.http.post(format!("{}/events/erp", world.url)).bearer_auth("events_token").body(event);
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 413);
    assert_eq!(read(answer).await["code"], "IL-API-007");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_event_of_a_batch_is_named_and_the_others_are_kept() {
    let world = World::start().await;
    let event = |id: &str, time: &str| {
        json!({"specversion": "1.0", "id": id, "source": "/s4", "time": time,
        "type": "sap.s4.beh.billingdocument.v1.BillingDocument.Created.v1", "data": {"BillingDocument": "90000001"}})
    };
    let push = |batch: Value| {
        let request = world.http.post(format!("{}/events/erp", world.url)).bearer_auth("events_token");
        request.header("content-type", "application/cloudevents-batch+json").body(batch.to_string()).send()
    };
    let (good, bad) = (event("e-1", "2026-11-23T10:00:00Z"), event("e-2", "yesterday"));
    let answer = push(json!([bad, good, 7])).await.expect("an answer");
    assert_eq!((answer.status().as_u16(), header(&answer, "content-type")), (202, "application/json"));
    let answer = read(answer).await;
    assert_eq!(answer["taken"], 1, "{answer}");
    assert_eq!(answer["refused"][0], json!({"index": 0, "id": "e-2", "reason": "the event's `time` is no instant"}));
    assert_eq!((&answer["refused"][1]["index"], &answer["refused"][1]["id"]), (&json!(2), &Value::Null));
    let answer = push(json!([bad, 7])).await.expect("an answer");
    assert_eq!((answer.status().as_u16(), header(&answer, "content-type")), (400, "application/problem+json"));
    let answer = read(answer).await;
    assert_eq!((&answer["code"], answer["refused"].as_array().map(Vec::len)), (&json!("IL-FEED-004"), Some(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_is_described() {
    let world = World::start().await;
    let document = read(world.call(Method::GET, "/openapi.json", None, None).await).await;
    assert_eq!(document["openapi"], "3.1.0");
    let paths: Vec<&String> = document["paths"].as_object().expect("paths").keys().collect();
    assert!(paths.iter().any(|path| path.as_str() == "/api/availability/v1/products/{product}"), "{paths:?}");
    let body = &document["paths"]["/api/pricing/v1/quotes"]["post"]["requestBody"]["content"]["application/json"];
    assert!(body["schema"]["properties"]["lines"].is_object());
    assert_eq!(world.call(Method::GET, "/health", None, None).await.status(), 200);
    assert_eq!(world.call(Method::GET, "/nothing", None, None).await.status(), 404);
    assert_eq!(world.call(Method::GET, "/api/pricing/v1/quotes", None, None).await.status(), 405);
}
