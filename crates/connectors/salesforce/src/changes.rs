//! Following a change feed: the Pub/Sub API (gRPC over TLS), event by event, with its flow control.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connect::oauth::Token;
use connect::{CallError, Change, ChangeKind, ErrorClass, FeedError, FeedItem, FeedRequest, Opened, Position, Secrets};
use jiff::Timestamp;
use model::{Problem, Value};
use pubsub_proto::pub_sub_client::PubSubClient;
use pubsub_proto::{ConsumerEvent, FetchRequest, FetchResponse, ReplayPreset, SchemaRequest, TopicRequest};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status, Streaming};

use crate::avro::{self, Shape};
use crate::codec;
use crate::config::PubSubConfig;
use crate::org::Org;

/// Most events that one request may ask for.
const REQUEST_MAX: i32 = 100;
/// More is asked for when no more than this is still owed, so that the flow never stops.
const REFILL_AT: i32 = 50;
/// A keep-alive comes at least every 270 seconds; a stream silent for longer is dead.
const SILENCE_MAX: Duration = Duration::from_secs(300);
/// Longest time for one schema.
const SCHEMA_WAIT: Duration = Duration::from_secs(30);
/// Longest time for the question whether the API answers.
const CHECK_WAIT: Duration = Duration::from_secs(15);
/// The topic of all change events, which every org has.
const CHECK_TOPIC: &str = "/data/ChangeEvents";
/// Largest message taken: well above what the vendor puts into one.
const MESSAGE_MAX: usize = 32 * 1024 * 1024;
/// Most schemas kept. A kind of record has a new one whenever its fields change.
const SCHEMAS_MAX: usize = 500;

/// The Pub/Sub side of a connection. Subscriptions share one channel and the schemas.
pub(crate) struct Feeds {
    channel: Channel,
    schemas: Mutex<HashMap<String, Arc<EventSchema>>>,
}

/// The PEM file of trusted authorities, looked up like secrets so that relative paths mean the same in the whole file.
pub(crate) fn trusted(path: &str, secrets: &dyn Secrets) -> Result<Vec<u8>, Problem> {
    let pem = secrets.get(&format!("file:{path}")).map_err(|error| unusable(&error))?;
    let pem = pem.expose().as_bytes();
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| unusable(&format!("`{path}` is no PEM file: {error}")))?;
    // What cannot be used is passed over, by the TLS library as well: with nothing left it would trust nobody.
    let (usable, _) = RootCertStore::empty().add_parsable_certificates(certificates);
    if usable == 0 {
        let wanted = "a PEM file with `-----BEGIN CERTIFICATE-----` is wanted";
        return Err(unusable(&format!("there is no certificate in `{path}`: {wanted}")));
    }
    Ok(pem.to_vec())
}

fn unusable(what: &dyn std::fmt::Display) -> Problem {
    Problem::new(
        "IL-CRM-005",
        format!("the Pub/Sub API cannot be set up: {what}"),
        "Check `pubsub.endpoint` and `pubsub.caFile` of the connection",
    )
}

struct EventSchema {
    name: String,
    shape: Shape,
}

impl Feeds {
    /// Prepares the channel. Nothing is contacted; must be called inside the async runtime.
    pub(crate) fn open(config: &PubSubConfig, ca_pem: Option<&[u8]>) -> Result<Self, Problem> {
        let mut endpoint = Endpoint::from_shared(config.endpoint.clone())
            .map_err(|error| unusable(&error))?
            .connect_timeout(Duration::from_secs(10))
            .tcp_nodelay(true)
            .tcp_keepalive(Some(Duration::from_secs(30)))
            // Finds a dead connection long before the vendor's keep-alive is overdue.
            .http2_keep_alive_interval(Duration::from_secs(60))
            .keep_alive_timeout(Duration::from_secs(20));
        if config.endpoint.starts_with("https://") {
            let tls = match ca_pem {
                Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
                None => ClientTlsConfig::new().with_native_roots(),
            };
            endpoint = endpoint.tls_config(tls).map_err(|error| unusable(&error))?;
        }
        Ok(Self { channel: endpoint.connect_lazy(), schemas: Mutex::default() })
    }

    /// Follows a topic until the stream ends or nobody listens any more. An ended session is renewed on the way.
    pub(crate) async fn subscribe(
        &self,
        org: &Org,
        request: FeedRequest,
        items: mpsc::Sender<FeedItem>,
    ) -> Result<(), FeedError> {
        let mut after = request.after;
        let mut refused_before = false;
        loop {
            let token = org.token().await?;
            let mut client = self.client(org, &token)?;
            let (topic, opened) = (&*request.topic, &request.opened);
            let mut follower = Follower { feeds: self, org, topic, items: &items, opened, after, heard: false };
            let status = tokio::select! {
                ended = follower.follow(&mut client) => match ended {
                    Ok(()) => return Ok(()),
                    Err(Ended::Feed(error)) => return Err(error),
                    Err(Ended::Status(status)) => status,
                },
                () = items.closed() => return Ok(()),
            };
            if status.code() != Code::Unauthenticated {
                return Err(classify(&status));
            }
            // A session ends in the middle of a long subscription: a fresh token goes on at the same place. Only a fresh
            // token that is refused at once is a matter for a person.
            org.forget(&token);
            refused_before = refused_before && !follower.heard;
            if refused_before {
                return Err(classify(&status));
            }
            refused_before = true;
            after = follower.after;
        }
    }

    /// Checks that the API can be reached and takes the token. Which topics there are, and who may follow them, is not asked.
    pub(crate) async fn check(&self, org: &Org) -> Result<(), CallError> {
        let token = org.token().await?;
        let mut client = self.client(org, &token)?;
        let request = client.request(TopicRequest { topic_name: CHECK_TOPIC.to_owned() });
        let answer = tokio::time::timeout(CHECK_WAIT, client.stub.get_topic(request)).await;
        let status = match answer {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(status)) => status,
            Err(_) => Status::deadline_exceeded("it does not answer"),
        };
        let about_the_topic = matches!(
            status.code(),
            Code::NotFound | Code::PermissionDenied | Code::InvalidArgument | Code::Unimplemented
        );
        match classify(&status) {
            _ if about_the_topic => Ok(()),
            FeedError::Call(mut error) => {
                error.message = format!("changes cannot be followed (`pubsub`): {}", error.message);
                Err(error)
            }
            FeedError::PositionLost(_) => Ok(()),
        }
    }

    fn client(&self, org: &Org, token: &Token) -> Result<Client, CallError> {
        let Some(tenant) = org.tenant_id(token) else {
            let message = "the org's id is unknown: the token's answer does not name it; set `pubsub.tenantId`";
            return Err(CallError::new(ErrorClass::Misconfigured, "tenant", message));
        };
        let metadata = |text: &str| {
            AsciiMetadataValue::try_from(text).map_err(|_| {
                CallError::new(
                    ErrorClass::Misconfigured,
                    "metadata",
                    "token or addresses cannot travel in gRPC metadata",
                )
            })
        };
        let mut access_token = metadata(token.secret.expose())?;
        access_token.set_sensitive(true);
        let instance = metadata(org.instance_url(token))?;
        let stub = PubSubClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_MAX);
        Ok(Client { stub, access_token, instance, tenant: metadata(tenant)? })
    }

    /// A schema by its id; ids are content hashes, so one that is known never changes.
    async fn schema(&self, client: &mut Client, id: &str) -> Result<Arc<EventSchema>, Ended> {
        if let Some(known) = self.schemas.lock().unwrap_or_else(PoisonError::into_inner).get(id) {
            return Ok(Arc::clone(known));
        }
        let request = client.request(SchemaRequest { schema_id: id.to_owned() });
        let Ok(answer) = tokio::time::timeout(SCHEMA_WAIT, client.stub.get_schema(request)).await else {
            return Err(lost("timeout", "the schema of an event did not come in time"));
        };
        let info = answer?.into_inner();
        let (name, shape) = Shape::parse(&info.schema_json).map_err(|error| {
            let call_error = CallError::new(ErrorClass::Misconfigured, "schema", error.to_string());
            Ended::Feed(FeedError::Call(call_error))
        })?;
        let schema = Arc::new(EventSchema { name, shape });
        let mut schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        if schemas.len() >= SCHEMAS_MAX {
            schemas.clear();
        }
        schemas.insert(id.to_owned(), Arc::clone(&schema));
        Ok(schema)
    }
}

/// Why following stopped.
enum Ended {
    Status(Box<Status>),
    Feed(FeedError),
}

impl From<Status> for Ended {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

/// The service with the metadata that every call carries.
struct Client {
    stub: PubSubClient<Channel>,
    access_token: AsciiMetadataValue,
    instance: AsciiMetadataValue,
    tenant: AsciiMetadataValue,
}

impl Client {
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        metadata.insert("accesstoken", self.access_token.clone());
        metadata.insert("instanceurl", self.instance.clone());
        metadata.insert("tenantid", self.tenant.clone());
        request
    }
}

/// One stream on one topic.
struct Follower<'a> {
    feeds: &'a Feeds,
    org: &'a Org,
    topic: &'a str,
    items: &'a mpsc::Sender<FeedItem>,
    opened: &'a Opened,
    /// The place after everything handed over.
    after: Option<Position>,
    /// Whether the server has answered on this stream.
    heard: bool,
}

impl Follower<'_> {
    async fn follow(&mut self, client: &mut Client) -> Result<(), Ended> {
        let (requests, outgoing) = mpsc::channel(4);
        let (replay_preset, replay_id) = match &self.after {
            Some(position) => (ReplayPreset::Custom, position.0.clone()),
            None => (ReplayPreset::Latest, Vec::new()),
        };
        let first = FetchRequest {
            topic_name: self.topic.to_owned(),
            replay_preset: replay_preset.into(),
            replay_id,
            num_requested: REQUEST_MAX,
            auth_refresh: String::new(),
        };
        // The channel is empty and this stream's own, so sending cannot wait.
        let _ = requests.send(first).await;
        let request = client.request(ReceiverStream::new(outgoing));
        let opening = tokio::time::timeout(SILENCE_MAX, client.stub.subscribe(request));
        let Ok(opened) = opening.await else { return Err(lost("silence", "the feed did not open in time")) };
        let mut responses: Streaming<FetchResponse> = opened?.into_inner();
        self.opened.tell();
        let mut owed = REQUEST_MAX;
        loop {
            let next = tokio::time::timeout(SILENCE_MAX, responses.message());
            let Ok(response) = next.await else { return Err(lost("silence", "the feed has been silent for too long")) };
            let Some(response) = response? else { return Err(lost("stream-ended", "the org ended the feed's stream")) };
            self.heard = true;
            owed -= i32::try_from(response.events.len()).unwrap_or(owed);
            let Some(item) = self.understand(client, response).await? else { continue };
            let position = item.position.clone();
            if self.items.send(item).await.is_err() {
                return Ok(());
            }
            self.after = Some(position);
            if owed <= REFILL_AT {
                let more = FetchRequest {
                    topic_name: self.topic.to_owned(),
                    num_requested: REQUEST_MAX - owed.max(0),
                    ..FetchRequest::default()
                };
                if requests.send(more).await.is_err() {
                    return Err(lost("stream-ended", "the org ended the feed's stream"));
                }
                owed = REQUEST_MAX;
            }
        }
    }

    async fn understand(&self, client: &mut Client, response: FetchResponse) -> Result<Option<FeedItem>, Ended> {
        let last = response.events.last().map(|event| event.replay_id.to_vec());
        let place = last.filter(|id| !id.is_empty()).unwrap_or_else(|| response.latest_replay_id.to_vec());
        let mut changes = Vec::with_capacity(response.events.len());
        for event in response.events {
            changes.push(self.change(client, event).await?);
        }
        // Without a place there is nothing that could be kept.
        if place.is_empty() && changes.is_empty() {
            return Ok(None);
        }
        Ok(Some(FeedItem { changes, position: Position(place) }))
    }

    async fn change(&self, client: &mut Client, event: ConsumerEvent) -> Result<Change, Ended> {
        let event = event.event.unwrap_or_default();
        let schema = self.feeds.schema(client, &event.schema_id).await?;
        match avro::decode(&schema.shape, &event.payload) {
            Ok(decoded) => {
                let client_name = &self.org.config.client_name;
                Ok(codec::change(&schema.shape, &schema.name, decoded, &event.id, client_name))
            }
            // Nothing is known of what it said, and it will never be understood: every record of the kind is re-read.
            Err(error) => {
                tracing::warn!(topic = self.topic, event = event.id, %error, "a change event cannot be decoded");
                Ok(Change {
                    record: codec::record_of_topic(self.topic),
                    ids: Vec::new(),
                    kind: ChangeKind::Overflow,
                    changed: Vec::new(),
                    values: Value::Null,
                    at: Timestamp::now(),
                    ours: false,
                })
            }
        }
    }
}

fn lost(code: &str, message: &str) -> Ended {
    Ended::Feed(FeedError::Call(CallError::new(ErrorClass::Unavailable, code, message)))
}

/// What a gRPC error means; the vendor's own code stands in the `error-code` trailer.
fn classify(status: &Status) -> FeedError {
    let vendor_code = status.metadata().get("error-code").and_then(|code| code.to_str().ok()).unwrap_or_default();
    let message = status.message();
    let told = if vendor_code.is_empty() { message } else { vendor_code };
    if told.contains("fetch.replayid") || (told.contains("replayid") && told.contains("validation")) {
        return FeedError::PositionLost(if message.is_empty() { told.to_owned() } else { message.to_owned() });
    }
    let class = match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => ErrorClass::Unauthorized,
        Code::ResourceExhausted => ErrorClass::Throttled,
        Code::NotFound | Code::InvalidArgument | Code::Unimplemented | Code::FailedPrecondition => {
            ErrorClass::Misconfigured
        }
        _ => ErrorClass::Unavailable,
    };
    let code = if vendor_code.is_empty() { format!("gRPC {:?}", status.code()) } else { vendor_code.to_owned() };
    let mut message = if message.is_empty() { "the Pub/Sub API ended the call".to_owned() } else { message.to_owned() };
    // The transport's own message alone does not say why it failed.
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        cause = error.source();
    }
    FeedError::Call(CallError::new(class, code, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_feed_are_told_apart() {
        let with_code = |code: Code, vendor: &str| {
            let mut status = Status::new(code, "no");
            status.metadata_mut().insert("error-code", vendor.parse().expect("a code"));
            classify(&status)
        };
        let prefix = "sfdc.platform.eventbus.grpc";
        for code in ["subscription.fetch.replayid.corrupted", "subscription.fetch.replayid.validation.failed"] {
            let error = with_code(Code::InvalidArgument, &format!("{prefix}.{code}"));
            assert!(matches!(error, FeedError::PositionLost(_)), "{code}");
        }
        let class = |error: FeedError| match error {
            FeedError::Call(error) => Some(error.class),
            FeedError::PositionLost(_) => None,
        };
        let unavailable = with_code(Code::Unavailable, &format!("{prefix}.service.unavailable"));
        assert_eq!(class(unavailable), Some(ErrorClass::Unavailable));
        let refused = with_code(Code::Unauthenticated, &format!("{prefix}.service.auth.error"));
        assert_eq!(class(refused), Some(ErrorClass::Unauthorized));
        assert_eq!(class(classify(&Status::not_found("no topic"))), Some(ErrorClass::Misconfigured));
    }
}
