//! Following change feeds from a scripted Pub/Sub server over TLS, with an authority of its own.

mod support;

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use apache_avro::Schema;
use apache_avro::types::Value as Datum;
use apache_avro::writer::datum::GenericDatumWriter;
use connect::{ChangeKind, Connection, ErrorClass, FeedError, FeedItem, FeedRequest, Opened, Position};
use connector_salesforce::SalesforceConnection;
use futures::Stream;
use pubsub_proto::pub_sub_server::{PubSub, PubSubServer};
use pubsub_proto::{
    ConsumerEvent, FetchRequest, FetchResponse, ManagedFetchRequest, ManagedFetchResponse, ProducerEvent,
    PublishRequest, PublishResponse, SchemaInfo, SchemaRequest, TopicInfo, TopicRequest,
};
use support::{DATA, ScriptedOrg, connect_with, none, ok, secrets, try_connect};
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

const SCHEMA: &str = r#"{"type":"record","name":"QuoteChangeEvent","namespace":"com.sforce.eventbus","fields":[
  {"name":"ChangeEventHeader","type":{"type":"record","name":"ChangeEventHeader","fields":[
    {"name":"entityName","type":"string"},
    {"name":"recordIds","type":{"type":"array","items":"string"}},
    {"name":"changeType","type":{"type":"enum","name":"ChangeType","symbols":["CREATE","UPDATE"]}},
    {"name":"changeOrigin","type":"string"},
    {"name":"commitTimestamp","type":"long"},
    {"name":"nulledFields","type":{"type":"array","items":"string"}},
    {"name":"changedFields","type":{"type":"array","items":"string"}}]}},
  {"name":"Status","type":["null","string"],"doc":"Data:DynamicEnum"}]}"#;

/// Quote number `number` becomes accepted; its place in the feed is the number.
fn event(number: u64) -> ConsumerEvent {
    let text = |text: &str| Datum::String(text.to_owned());
    let header = Datum::Record(vec![
        ("entityName".into(), text("Quote")),
        ("recordIds".into(), Datum::Array(vec![text(&format!("0Q000000000{number:04}AAA"))])),
        ("changeType".into(), Datum::Enum(1, "UPDATE".into())),
        ("changeOrigin".into(), text("com/salesforce/api/rest/67.0")),
        ("commitTimestamp".into(), Datum::Long(1_795_428_000_000)),
        ("nulledFields".into(), Datum::Array(vec![])),
        ("changedFields".into(), Datum::Array(vec![text("0x02")])),
    ]);
    let status = Datum::Union(1, Box::new(text("Accepted")));
    let schema = Schema::parse_str(SCHEMA).expect("a schema");
    let writer = GenericDatumWriter::builder(&schema).build().expect("a writer");
    let payload = writer
        .write_value_to_vec(Datum::Record(vec![("ChangeEventHeader".into(), header), ("Status".into(), status)]))
        .expect("an event");
    let event =
        ProducerEvent { id: format!("event-{number}"), schema_id: "schema-1".to_owned(), payload, headers: vec![] };
    ConsumerEvent { event: Some(event), replay_id: number.to_be_bytes().to_vec() }
}

fn events(numbers: impl IntoIterator<Item = u64>) -> FetchResponse {
    FetchResponse { events: numbers.into_iter().map(event).collect(), ..FetchResponse::default() }
}

type Answers = mpsc::Sender<Result<FetchResponse, Status>>;
/// Plays one subscription: what it was asked for with which token, the further requests, where answers go.
type Script = dyn Fn(FetchRequest, String, Streaming<FetchRequest>, Answers) -> Pin<Box<dyn Future<Output = ()> + Send>>
    + Send
    + Sync;

struct ScriptedFeed {
    script: Box<Script>,
    schemas_asked: Arc<Mutex<usize>>,
    tenants: Arc<Mutex<Vec<String>>>,
}

fn metadata<T>(request: &Request<T>, name: &str) -> String {
    request.metadata().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

#[tonic::async_trait]
impl PubSub for ScriptedFeed {
    type SubscribeStream = ReceiverStream<Result<FetchResponse, Status>>;
    type PublishStreamStream = Pin<Box<dyn Stream<Item = Result<PublishResponse, Status>> + Send>>;
    type ManagedSubscribeStream = Pin<Box<dyn Stream<Item = Result<ManagedFetchResponse, Status>> + Send>>;

    async fn subscribe(
        &self,
        request: Request<Streaming<FetchRequest>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let token = metadata(&request, "accesstoken");
        assert!(metadata(&request, "instanceurl").starts_with("http://127.0.0.1:"));
        self.tenants.lock().expect("a lock").push(metadata(&request, "tenantid"));
        let mut requests = request.into_inner();
        let first = requests.message().await?.ok_or_else(|| Status::invalid_argument("nothing was asked for"))?;
        let (answers, outgoing) = mpsc::channel(16);
        tokio::spawn((self.script)(first, token, requests, answers));
        Ok(Response::new(ReceiverStream::new(outgoing)))
    }

    async fn get_schema(&self, request: Request<SchemaRequest>) -> Result<Response<SchemaInfo>, Status> {
        *self.schemas_asked.lock().expect("a lock") += 1;
        let schema_id = request.into_inner().schema_id;
        Ok(Response::new(SchemaInfo { schema_json: SCHEMA.to_owned(), schema_id, rpc_id: String::new() }))
    }

    async fn get_topic(&self, request: Request<TopicRequest>) -> Result<Response<TopicInfo>, Status> {
        // This org does not have the topic, but it knows who asks.
        match metadata(&request, "accesstoken").as_str() {
            "token-1" => Err(Status::not_found("no such topic")),
            _ => Err(Status::unauthenticated("no such session")),
        }
    }
    async fn publish(&self, _: Request<PublishRequest>) -> Result<Response<PublishResponse>, Status> {
        Err(Status::unimplemented("not asked for"))
    }
    async fn publish_stream(
        &self,
        _: Request<Streaming<PublishRequest>>,
    ) -> Result<Response<Self::PublishStreamStream>, Status> {
        Err(Status::unimplemented("not asked for"))
    }
    async fn managed_subscribe(
        &self,
        _: Request<Streaming<ManagedFetchRequest>>,
    ) -> Result<Response<Self::ManagedSubscribeStream>, Status> {
        Err(Status::unimplemented("not asked for"))
    }
}

struct Stage {
    connection: Arc<SalesforceConnection>,
    org: ScriptedOrg,
    schemas_asked: Arc<Mutex<usize>>,
    tenants: Arc<Mutex<Vec<String>>>,
    port: u16,
    authority: tempfile::NamedTempFile,
}

/// An org and a Pub/Sub server that plays this script for each subscription.
async fn stage<Playing: Future<Output = ()> + Send + 'static>(
    script: impl Fn(FetchRequest, String, Streaming<FetchRequest>, Answers) -> Playing + Send + Sync + 'static,
) -> Stage {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let authority = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(authority.path(), cert.pem()).expect("written");
    let (schemas_asked, tenants) = (Arc::default(), Arc::default());
    let feed = ScriptedFeed {
        script: Box::new(move |first, token, requests, answers| Box::pin(script(first, token, requests, answers))),
        schemas_asked: Arc::clone(&schemas_asked),
        tenants: Arc::clone(&tenants),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let identity = Identity::from_pem(cert.pem(), signing_key.serialize_pem());
    let server = Server::builder()
        .tls_config(ServerTlsConfig::new().identity(identity))
        .expect("TLS")
        .add_service(PubSubServer::new(feed));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let org = ScriptedOrg::start(|seen| if seen.path.starts_with(DATA) { ok("{}") } else { none() }).await;
    let connection = Arc::new(connection(&org.url, port, &authority));
    Stage { connection, org, schemas_asked, tenants, port, authority }
}

fn connection(org: &str, port: u16, authority: &tempfile::NamedTempFile) -> SalesforceConnection {
    connect_with(&format!(
        r#"{{"url":"{org}","auth":{{"flow":"client-credentials","clientId":"app","clientSecret":"env:SECRET"}},
        "pubsub":{{"endpoint":"https://localhost:{port}","caFile":"{}"}}}}"#,
        authority.path().display()
    ))
}

impl Stage {
    /// Subscribes in the background, with room for one item that nobody took yet.
    fn subscribe(
        &self,
        after: Option<u64>,
    ) -> (tokio::task::JoinHandle<Result<(), FeedError>>, mpsc::Receiver<FeedItem>) {
        let (sender, receiver) = mpsc::channel(1);
        let request = FeedRequest {
            topic: "/data/QuoteChangeEvent".into(),
            after: after.map(position),
            opened: Opened::default(),
        };
        let connection = Arc::clone(&self.connection);
        (tokio::spawn(async move { connection.subscribe(request, sender).await }), receiver)
    }
}

fn position(number: u64) -> Position {
    Position(number.to_be_bytes().to_vec())
}

async fn next(items: &mut mpsc::Receiver<FeedItem>) -> FeedItem {
    tokio::time::timeout(Duration::from_secs(60), items.recv()).await.expect("in time").expect("an item")
}

#[tokio::test]
async fn events_arrive_decoded_and_more_is_asked_for_in_time() {
    let (asked, mut asked_for) = mpsc::unbounded_channel();
    let stage = stage(move |first, token, mut requests, answers| {
        let asked = asked.clone();
        async move {
            assert_eq!(token, "token-1");
            let _ = asked.send(first);
            for numbers in [1..31, 31..61, 61..101] {
                let _ = answers.send(Ok(events(numbers))).await;
            }
            // A keep-alive carries a place and no events.
            let keep_alive =
                FetchResponse { latest_replay_id: 500u64.to_be_bytes().to_vec(), ..FetchResponse::default() };
            let _ = answers.send(Ok(keep_alive)).await;
            while let Ok(Some(request)) = requests.message().await {
                let _ = asked.send(request);
            }
        }
    })
    .await;
    let (following, mut items) = stage.subscribe(None);
    let first = next(&mut items).await;
    assert_eq!((first.changes.len(), first.position), (30, position(30)));
    let change = &first.changes[0];
    assert_eq!((change.kind, &*change.record, &*change.ids[0]), (ChangeKind::Updated, "Quote", "0Q0000000000001AAA"));
    assert_eq!((change.values.to_string().as_str(), change.ours), (r#"{"Status":"Accepted"}"#, false));
    assert_eq!(next(&mut items).await.position, position(60));
    assert_eq!(next(&mut items).await.position, position(100));
    let keep_alive = next(&mut items).await;
    assert_eq!((keep_alive.changes.len(), keep_alive.position), (0, position(500)));

    let request = asked_for.recv().await.expect("the first request");
    assert_eq!(
        (request.topic_name.as_str(), request.replay_preset, request.num_requested),
        ("/data/QuoteChangeEvent", 0, 100)
    );
    // After 60 events 40 are still owed, so 60 more are asked for.
    assert_eq!(asked_for.recv().await.expect("more").num_requested, 60);
    assert_eq!(*stage.schemas_asked.lock().expect("a lock"), 1);
    assert_eq!(*stage.tenants.lock().expect("a lock"), ["00D000000000001AAA"]);
    drop(items);
    assert_eq!(following.await.expect("no panic"), Ok(()));
}

#[tokio::test]
async fn a_subscription_goes_on_after_its_place_and_renews_its_session() {
    let stage = stage(|first: FetchRequest, token: String, _requests, answers: Answers| async move {
        assert_eq!(first.replay_preset, 2);
        let after = u64::from_be_bytes(first.replay_id.as_slice().try_into().expect("a place"));
        let _ = answers.send(Ok(events([after + 1]))).await;
        if token == "token-1" {
            let _ = answers.send(Err(Status::unauthenticated("session expired"))).await;
        } else {
            std::future::pending::<()>().await;
        }
    })
    .await;
    let (following, mut items) = stage.subscribe(Some(7));
    assert_eq!(next(&mut items).await.position, position(8));
    assert_eq!(next(&mut items).await.position, position(9));
    assert_eq!(stage.org.token_requests().len(), 2);
    drop(items);
    assert_eq!(following.await.expect("no panic"), Ok(()));
}

#[tokio::test]
async fn refused_sessions_lost_places_and_ended_streams_are_told_apart() {
    let end = |status: fn() -> Option<Status>| async move {
        let stage = stage(move |_, _, _, answers: Answers| async move {
            if let Some(status) = status() {
                let _ = answers.send(Err(status)).await;
            }
        })
        .await;
        let (following, _items) = stage.subscribe(Some(7));
        (following.await.expect("no panic").expect_err("an error"), stage.org.token_requests().len())
    };
    let (error, tokens) = end(|| Some(Status::unauthenticated("no"))).await;
    assert!(matches!(error, FeedError::Call(error) if error.class == ErrorClass::Unauthorized));
    assert_eq!(tokens, 2);
    let lost = || {
        let mut status = Status::invalid_argument("The Replay ID validation failed. rpcId: 1");
        let code = "sfdc.platform.eventbus.grpc.subscription.fetch.replayid.validation.failed";
        status.metadata_mut().insert("error-code", code.parse().expect("a code"));
        Some(status)
    };
    let (error, _) = end(lost).await;
    assert!(matches!(error, FeedError::PositionLost(message) if message.contains("rpcId: 1")));
    let (error, _) = end(|| None).await;
    assert!(
        matches!(error, FeedError::Call(error) if error.class == ErrorClass::Unavailable && error.code == "stream-ended")
    );
}

#[tokio::test]
async fn an_event_that_cannot_be_decoded_means_reading_all_again() {
    let stage = stage(|_, _, _requests, answers: Answers| async move {
        let mut response = events([1, 2]);
        if let Some(event) = &mut response.events[0].event {
            event.payload.truncate(5);
        }
        let _ = answers.send(Ok(response)).await;
        std::future::pending::<()>().await;
    })
    .await;
    let (_following, mut items) = stage.subscribe(None);
    let item = next(&mut items).await;
    let kinds: Vec<ChangeKind> = item.changes.iter().map(|change| change.kind).collect();
    assert_eq!((kinds, &*item.changes[0].record), (vec![ChangeKind::Overflow, ChangeKind::Updated], "Quote"));
}

#[tokio::test]
async fn a_server_that_is_not_trusted_or_not_there_is_unavailable() {
    let stage = stage(|_, _, _, _| async {}).await;
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(stage.authority.path(), stranger.cert.pem()).expect("written");
    let port_of_nobody = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let request = FeedRequest { topic: "/data/QuoteChangeEvent".into(), after: None, opened: Opened::default() };
    for (port, why) in [(port_of_nobody, "refused"), (stage.port, "certificate")] {
        let connection = connection(&stage.org.url, port, &stage.authority);
        let (sender, _items) = mpsc::channel(1);
        let error = connection.subscribe(request.clone(), sender).await.expect_err("nobody");
        let told = matches!(&error, FeedError::Call(error) if error.class == ErrorClass::Unavailable);
        assert!(told && error.to_string().contains(why), "{error:?}");
    }
    let without = stage.org.connect();
    let (sender, _items) = mpsc::channel(1);
    let error = without.subscribe(request, sender).await.expect_err("no settings");
    assert!(matches!(&error, FeedError::Call(error) if error.class == ErrorClass::Misconfigured), "{error:?}");
}

#[tokio::test]
async fn a_check_asks_the_feeds_server_too() {
    let stage = stage(|_, _, _, _| async {}).await;
    // That the org has no such topic says nothing about the connection.
    assert_eq!(stage.connection.check().await, Ok(()));
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(stage.authority.path(), stranger.cert.pem()).expect("written");
    let error = connection(&stage.org.url, stage.port, &stage.authority)
        .check()
        .await
        .expect_err("a certificate of somebody else");
    assert_eq!(error.class, ErrorClass::Unavailable);
    assert!(error.message.contains("`pubsub`") && error.message.contains("certificate"), "{error}");
}

#[tokio::test]
async fn that_a_quiet_feed_is_open_is_told() {
    let stage = stage(|_, _, _requests, _answers| std::future::pending()).await;
    let opened = Opened::default();
    let request = FeedRequest { topic: "/data/QuoteChangeEvent".into(), after: None, opened: opened.clone() };
    let (sender, _items) = mpsc::channel(1);
    let following = tokio::spawn(async move { stage.connection.subscribe(request, sender).await });
    tokio::time::timeout(Duration::from_secs(60), opened.told()).await.expect("in time");
    following.abort();
}

#[tokio::test]
async fn a_file_without_a_certificate_is_no_authority() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let key = rcgen::KeyPair::generate().expect("a key").serialize_pem();
    for text in ["", "this is no certificate\n", &key, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
    {
        std::fs::write(file.path(), text).expect("written");
        let settings = format!(
            r#"{{"url":"https://acme.my.salesforce.com","auth":{{"flow":"client-credentials","clientId":"app",
            "clientSecret":"env:SECRET"}},"pubsub":{{"endpoint":"https://localhost:7443","caFile":"{}"}}}}"#,
            file.path().display()
        );
        let problem = try_connect(&settings, &secrets()).err().expect("no certificate");
        assert_eq!(problem.code, "IL-CRM-005", "{text}");
        assert!(problem.to_string().contains("`pubsub.caFile`"), "{problem}");
    }
}
