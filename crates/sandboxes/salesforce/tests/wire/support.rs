//! A running org, a REST client that is signed in, and a Pub/Sub client.

use std::time::Duration;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use pubsub_proto::pub_sub_client::PubSubClient;
use pubsub_proto::{FetchRequest, FetchResponse, ReplayPreset, SchemaRequest};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use sandbox_salesforce::{Options, Running, serve};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status, Streaming};

pub(crate) const DATA: &str = "/services/data/v67.0";

/// Custom fields that the tests need, as an administrator would deploy them.
const METADATA: &str = "
objects:
  Account:
    fields:
      Key__c: { type: text, length: 20, externalId: true, unique: true }
      Region__c: { type: text, length: 20, externalId: true }
      Tags__c: { type: multiPicklist, values: [a, b, c] }
  Part__c:
    fields:
      Weight__c: { type: number, precision: 10, scale: 3 }
      State__c: { type: text, length: 20 }
      Finished__c: { type: number, precision: 6, scale: 0, times: { field: State__c, in: [done, sold] } }
      Account__c: { type: lookup, to: Account, children: Parts }
  Shipped__e:
    fields:
      Number__c: { type: text, length: 20 }
      Amount__c: { type: currency, precision: 18, scale: 2 }
";

pub(crate) struct Org {
    pub(crate) running: Running,
    pub(crate) token: String,
    pub(crate) tenant: String,
    http: reqwest::Client,
    _metadata: tempfile::TempDir,
}

impl Org {
    pub(crate) async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("metadata.yaml");
        std::fs::write(&file, METADATA).expect("a file");
        let running = serve(Options { metadata: vec![file], ..options }).await.expect("a running org");
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().expect("a client");
        let mut org = Self { running, token: String::new(), tenant: String::new(), http, _metadata: folder };
        org.sign_in().await;
        org
    }

    pub(crate) async fn sign_in(&mut self) {
        let form = [("grant_type", "client_credentials"), ("client_id", "interlock"), ("client_secret", "sandbox")];
        let answer = self.token_endpoint(&form).await.1;
        self.token = answer["access_token"].as_str().expect("a token").to_owned();
        let id = answer["id"].as_str().expect("an identity");
        self.tenant = id.rsplit('/').nth(1).expect("the org's id").to_owned();
    }

    pub(crate) async fn token_endpoint(&self, form: &[(&str, &str)]) -> (StatusCode, Value) {
        let url = format!("{}/services/oauth2/token", self.running.url);
        let response = self.http.post(url).form(form).send().await.expect("an answer");
        let status = response.status();
        (status, response.json().await.expect("JSON"))
    }

    /// A request to a path behind the version, or to a whole path.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let path = if path.starts_with("/services") { path.to_owned() } else { format!("{DATA}{path}") };
        self.http.request(method, format!("{}{path}", self.running.url)).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        read(self.request(Method::GET, path).send().await.expect("an answer")).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        read(self.request(method, path).json(&body).send().await.expect("an answer")).await
    }

    /// Creates a record that has to be right; answers its id.
    pub(crate) async fn create(&self, object: &str, body: Value) -> String {
        let (status, answer) = self.send(Method::POST, &format!("/sobjects/{object}"), body).await;
        assert_eq!(status, 201, "{answer}");
        answer["id"].as_str().expect("an id").to_owned()
    }

    pub(crate) async fn query(&self, soql: &str) -> (StatusCode, Value) {
        let request = self.request(Method::GET, "/query").query(&[("q", soql)]);
        read(request.send().await.expect("an answer")).await
    }

    /// The records of a query that has to be right.
    pub(crate) async fn rows(&self, soql: &str) -> Vec<Value> {
        let (status, answer) = self.query(soql).await;
        assert_eq!(status, 200, "{soql}: {answer}");
        answer["records"].as_array().expect("records").clone()
    }

    pub(crate) async fn control(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let url = format!("{}/_sandbox/{path}", self.running.url);
        read(self.http.request(method, url).json(&body).send().await.expect("an answer")).await
    }

    pub(crate) async fn fault(&self, name: &str, rate: f64) {
        let (status, answer) = self.control(Method::PUT, "faults", json!({ name: rate })).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// How often a fault has happened.
    pub(crate) async fn happened(&self, name: &str) -> u64 {
        self.control(Method::GET, "faults", Value::Null).await.1["happened"][name].as_u64().expect("a count")
    }

    /// A quote with two lines, not accepted: its id and its number.
    pub(crate) async fn quote(&self) -> (String, String) {
        let account = self.create("Account", json!({"Name": "Acme"})).await;
        let book = self.rows("SELECT Id FROM Pricebook2 WHERE IsStandard = true").await[0]["Id"].clone();
        let product = self.create("Product2", json!({"Name": "Teapot", "ProductCode": "T-1", "IsActive": true})).await;
        let entry = json!({"Pricebook2Id": book, "Product2Id": product, "UnitPrice": 4.25, "IsActive": true});
        let entry = self.create("PricebookEntry", entry).await;
        let quote = json!({"Name": "Teapots", "QuoteAccountId": account, "Pricebook2Id": book});
        let quote = self.create("Quote", quote).await;
        for (quantity, discount) in [(2, 0), (3, 10)] {
            let line = json!({
                "QuoteId": quote, "PricebookEntryId": entry, "Quantity": quantity, "UnitPrice": 4.25, "Discount": discount,
            });
            self.create("QuoteLineItem", line).await;
        }
        let number = self.get(&format!("/sobjects/Quote/{quote}?fields=QuoteNumber")).await.1["QuoteNumber"].clone();
        (quote, number.as_str().expect("a number").to_owned())
    }

    pub(crate) async fn pubsub(&self) -> PubSub {
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&self.running.ca_pem));
        let endpoint =
            Endpoint::from_shared(self.running.pubsub.clone()).expect("an address").tls_config(tls).expect("TLS");
        let channel = endpoint.connect().await.expect("a channel");
        PubSub { stub: PubSubClient::new(channel), token: self.token.clone(), tenant: self.tenant.clone() }
    }
}

async fn read(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = response.bytes().await.expect("a body");
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).expect("JSON") };
    (status, body)
}

/// The vendor's code of the first error.
pub(crate) fn code(answer: &Value) -> &str {
    answer[0]["errorCode"].as_str().unwrap_or_default()
}

pub(crate) struct PubSub {
    pub(crate) stub: PubSubClient<Channel>,
    pub(crate) token: String,
    pub(crate) tenant: String,
}

impl PubSub {
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        for (name, value) in
            [("accesstoken", &*self.token), ("tenantid", &*self.tenant), ("instanceurl", "http://localhost")]
        {
            metadata.insert(name, value.parse().expect("metadata"));
        }
        request
    }

    pub(crate) async fn subscribe(&mut self, topic: &str, from: From, wanted: i32) -> Result<Subscription, Status> {
        let (asking, requests) = mpsc::channel(8);
        let (replay_preset, replay_id) = match from {
            From::Earliest => (ReplayPreset::Earliest, Vec::new()),
            From::After(id) => (ReplayPreset::Custom, id),
        };
        let first = FetchRequest {
            topic_name: topic.to_owned(),
            replay_preset: replay_preset.into(),
            replay_id,
            num_requested: wanted,
            auth_refresh: String::new(),
        };
        asking.send(first).await.expect("a first request");
        let request = self.request(ReceiverStream::new(requests));
        let answers = self.stub.subscribe(request).await?.into_inner();
        Ok(Subscription { asking, answers })
    }

    /// An event's fields by the schema that its id names.
    pub(crate) async fn decode(&mut self, schema_id: &str, mut payload: &[u8]) -> Vec<(String, Avro)> {
        let request = self.request(SchemaRequest { schema_id: schema_id.to_owned() });
        let info = self.stub.get_schema(request).await.expect("a schema").into_inner();
        let schema = apache_avro::Schema::parse_str(&info.schema_json).expect("an Avro schema");
        let reader = GenericDatumReader::builder(&schema).build().expect("a reader");
        let value = reader.read_value(&mut payload).expect("a datum of the schema");
        assert!(payload.is_empty(), "{} bytes are left", payload.len());
        match value {
            Avro::Record(fields) => fields,
            other => panic!("{other:?} is no record"),
        }
    }
}

pub(crate) enum From {
    Earliest,
    After(Vec<u8>),
}

pub(crate) struct Subscription {
    pub(crate) asking: mpsc::Sender<FetchRequest>,
    pub(crate) answers: Streaming<FetchResponse>,
}

/// One event as it came.
pub(crate) struct Heard {
    pub(crate) id: String,
    pub(crate) schema: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) replay: Vec<u8>,
}

impl Subscription {
    /// The next events, so many.
    pub(crate) async fn next(&mut self, count: usize) -> Result<Vec<Heard>, Status> {
        let mut heard = Vec::new();
        while heard.len() < count {
            let answer = tokio::time::timeout(Duration::from_secs(20), self.answers.message());
            let answer = answer.await.expect("events in time")?.expect("an open stream");
            heard.extend(answer.events.into_iter().map(|event| {
                let inner = event.event.expect("an event");
                Heard { id: inner.id, schema: inner.schema_id, payload: inner.payload, replay: event.replay_id }
            }));
        }
        Ok(heard)
    }
}

/// A field of a decoded event, without its union.
pub(crate) fn field<'a>(fields: &'a [(String, Avro)], name: &str) -> &'a Avro {
    let value = &fields.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no field {name}")).1;
    match value {
        Avro::Union(_, inner) => inner,
        other => other,
    }
}

/// A field of the header.
pub(crate) fn header<'a>(fields: &'a [(String, Avro)], name: &str) -> &'a Avro {
    match field(fields, "ChangeEventHeader") {
        Avro::Record(header) => field(header, name),
        other => panic!("{other:?} is no header"),
    }
}
