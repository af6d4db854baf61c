//! The Pub/Sub API: gRPC over TLS.

use std::pin::Pin;
use std::sync::{Arc, PoisonError};

use futures::Stream;
use pubsub_proto::pub_sub_server::{PubSub, PubSubServer};
use pubsub_proto::{
    Error, ErrorCode, FetchRequest, FetchResponse, ManagedFetchRequest, ManagedFetchResponse, ProducerEvent,
    PublishRequest, PublishResponse, PublishResult, SchemaInfo, SchemaRequest, TopicInfo, TopicRequest,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status, Streaming};
use uuid::Uuid;

use super::rpc::{Failure, Rpc};
use super::stream::follow;
use crate::decode::{Purpose, decode};
use crate::events::{Topic, decode_platform_event, encode_platform_event};
use crate::org::Org;
use crate::time;

/// Most bytes of one published event, and of one request.
const EVENT_MAX: usize = 1024 * 1024;
const REQUEST_MAX: usize = 4 * 1024 * 1024;
/// Most events in one request to publish.
const EVENTS_MAX: usize = 200;

/// Serves the API on a bound port.
pub(super) async fn serve(
    org: Arc<Org>,
    listener: TcpListener,
    tls: ServerTlsConfig,
) -> Result<(), tonic::transport::Error> {
    let service = PubSubServer::new(Api { org }).max_decoding_message_size(REQUEST_MAX + 4096);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder().tls_config(tls)?.add_service(service).serve_with_incoming(incoming).await
}

/// Whether what a call carries is a session of this org.
fn admit(org: &Org, metadata: &MetadataMap) -> Result<String, Failure> {
    if org.faults.in_outage() || org.faults.strikes("unavailable") {
        return Err(Failure::new(Code::Unavailable, "service.unavailable", "The service is temporarily unavailable."));
    }
    let get = |name: &str| metadata.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let (token, tenant) = (get("accesstoken"), get("tenantid"));
    if token.is_empty() || tenant.is_empty() || get("instanceurl").is_empty() {
        let message = "The headers accesstoken, instanceurl and tenantid are required.";
        return Err(Failure::new(Code::Unauthenticated, "service.auth.headers.invalid", message));
    }
    let id = org.id.to_string();
    if !org.knows(token) || (tenant != id && tenant != &id[..15]) {
        return Err(unauthenticated());
    }
    Ok(token.to_owned())
}

pub(super) fn unauthenticated() -> Failure {
    let message = "An authentication exception occurred: the token or the tenant is not valid.";
    Failure::new(Code::Unauthenticated, "service.auth.error", message)
}

fn no_topic(name: &str) -> Failure {
    let shown: String = name.chars().take(100).collect();
    let message = format!("There is no topic '{shown}', or you may not read it.");
    Failure::new(Code::NotFound, "topic.not.found", message)
}

struct Api {
    org: Arc<Org>,
}

impl Api {
    /// The call and the token that it carries.
    fn begin<T>(&self, request: &Request<T>) -> Result<(Rpc, String), Status> {
        let rpc = Rpc::begin();
        let token = admit(&self.org, request.metadata()).map_err(|failure| rpc.failed(failure))?;
        Ok((rpc, token))
    }
}

type Flow<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl PubSub for Api {
    type SubscribeStream = Flow<FetchResponse>;
    type PublishStreamStream = Flow<PublishResponse>;
    type ManagedSubscribeStream = Flow<ManagedFetchResponse>;

    async fn subscribe(
        &self,
        request: Request<Streaming<FetchRequest>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let (rpc, token) = self.begin(&request)?;
        let (answers, stream) = mpsc::channel(16);
        let org = Arc::clone(&self.org);
        tokio::spawn(async move {
            if let Err(failure) = follow(&org, &rpc, &token, request.into_inner(), &answers).await {
                // The client may have gone.
                let _ = answers.send(Err(rpc.failed(failure))).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn get_schema(&self, request: Request<SchemaRequest>) -> Result<Response<SchemaInfo>, Status> {
        let (rpc, _) = self.begin(&request)?;
        let id = request.into_inner().schema_id;
        let Some(json) = self.org.bus.schema_json(&id) else {
            let message = "There is no schema with this id.";
            return Err(rpc.failed(Failure::new(Code::NotFound, "schema.not.found", message)));
        };
        Ok(Response::new(SchemaInfo { schema_json: json.to_string(), schema_id: id, rpc_id: rpc.id() }))
    }

    async fn get_topic(&self, request: Request<TopicRequest>) -> Result<Response<TopicInfo>, Status> {
        let (rpc, _) = self.begin(&request)?;
        let name = request.into_inner().topic_name;
        let topic = self.org.bus.topic(&name).ok_or_else(|| rpc.failed(no_topic(&name)))?;
        let shape = topic.object.and_then(|object| self.org.bus.shape(object));
        Ok(Response::new(TopicInfo {
            topic_name: topic.name.clone(),
            tenant_guid: format!("core/sandbox/{}", self.org.id),
            can_publish: topic.can_publish,
            can_subscribe: true,
            schema_id: shape.map_or_else(String::new, |shape| shape.id.to_string()),
            rpc_id: rpc.id(),
        }))
    }

    async fn publish(&self, request: Request<PublishRequest>) -> Result<Response<PublishResponse>, Status> {
        let (rpc, _) = self.begin(&request)?;
        let request = request.into_inner();
        let answer = publish(&self.org, &rpc, &request.topic_name, &request.events);
        answer.map(Response::new).map_err(|failure| rpc.failed(failure))
    }

    async fn publish_stream(
        &self,
        request: Request<Streaming<PublishRequest>>,
    ) -> Result<Response<Self::PublishStreamStream>, Status> {
        let (rpc, _) = self.begin(&request)?;
        let mut requests = request.into_inner();
        let (answers, stream) = mpsc::channel(16);
        let org = Arc::clone(&self.org);
        tokio::spawn(async move {
            let mut name = None;
            while let Ok(Some(request)) = requests.message().await {
                let answer = topic_of_stream(&mut name, request.topic_name)
                    .and_then(|name| publish(&org, &rpc, name, &request.events))
                    .map_err(|failure| rpc.failed(failure));
                let failed = answer.is_err();
                if answers.send(answer).await.is_err() || failed {
                    break;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn managed_subscribe(
        &self,
        _request: Request<Streaming<ManagedFetchRequest>>,
    ) -> Result<Response<Self::ManagedSubscribeStream>, Status> {
        let message = "This org has no managed event subscriptions: use Subscribe with a replay id.";
        Err(Rpc::begin().failed(Failure::new(Code::Unimplemented, "managed.subscription.not.found", message)))
    }
}

/// The topic that the first request of a stream named; each later one names it too, or none.
fn topic_of_stream(first: &mut Option<String>, named: String) -> Result<&str, Failure> {
    let topic = first.get_or_insert_with(|| named.clone());
    if !named.is_empty() && named != *topic {
        let message = format!("The topic of a stream cannot change: the first request named '{topic}'.");
        // The vendor documents the status, but no code of its own.
        return Err(Failure::new(Code::InvalidArgument, "publish.topic.invalid", message));
    }
    Ok(topic)
}

/// Takes platform events in; each has a result of its own.
fn publish(org: &Org, rpc: &Rpc, name: &str, events: &[ProducerEvent]) -> Result<PublishResponse, Failure> {
    let topic = org.bus.topic(name).ok_or_else(|| no_topic(name))?;
    let Some(shape) = topic.object.filter(|_| topic.can_publish).and_then(|object| org.bus.shape(object)) else {
        let message = "Change events are published by the org only.";
        return Err(Failure::new(Code::PermissionDenied, "topic.publish.unauthorized", message));
    };
    if events.len() > EVENTS_MAX {
        let message = format!("At most {EVENTS_MAX} events may be published at once.");
        return Err(Failure::new(Code::InvalidArgument, "publish.events.limit.exceeded", message));
    }
    let results = events.iter().map(|event| {
        let key = event.id.clone();
        match publish_one(org, topic, event) {
            Ok(replay) => PublishResult { replay_id: replay.to_be_bytes().to_vec(), error: None, correlation_key: key },
            Err(message) => {
                let error = Error { code: ErrorCode::Publish.into(), msg: message };
                PublishResult { replay_id: Vec::new(), error: Some(error), correlation_key: key }
            }
        }
    });
    Ok(PublishResponse { results: results.collect(), schema_id: shape.id.to_string(), rpc_id: rpc.id() })
}

fn publish_one(org: &Org, topic: &Topic, event: &ProducerEvent) -> Result<u64, String> {
    let object = topic.object.map(|at| org.schema.object(at)).ok_or("the topic has no events")?;
    let shape = org.bus.shape(object.at).ok_or("the topic has no schema")?;
    if *event.schema_id != *shape.id {
        return Err(format!("the schema id must be {}", shape.id));
    }
    if event.payload.len() > EVENT_MAX {
        return Err(format!("an event has at most {EVENT_MAX} bytes"));
    }
    let fields: Vec<_> = object.fields.iter().collect();
    let members = decode_platform_event(&fields, &event.payload).ok_or("the payload does not fit the schema")?;
    let store = org.store.read().unwrap_or_else(PoisonError::into_inner);
    let values = decode(&store, object, &members, Purpose::Create, &[]).map_err(|refusal| refusal.message)?;
    let now = time::now();
    let payload = encode_platform_event(object, now, org.user, &values);
    let id = if event.id.is_empty() { Uuid::now_v7().to_string() } else { event.id.clone() };
    Ok(org.bus.publish_event(topic, &shape.id, id.into(), payload, now))
}
