//! `call: grpc`: the interface is compiled from its source when it is needed, and messages are made of data by the JSON mapping of
//! protocol buffers.

mod channel;
mod codec;
mod proto;
mod status;

use ::http::HeaderMap;
use ::http::uri::PathAndQuery;
use futures::StreamExt as _;
use model::{Value, json, nearest};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor};
use tonic::client::Grpc;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use workflow::FaultType;

use crate::Failure;
use crate::authentication::{Authentication, Credentials, Refused};
use crate::call::Attempt;

pub(crate) use channel::Target;

use codec::DynamicCodec;

/// Most messages in either direction of one call.
const MESSAGES_MAX: usize = 10_000;
/// Largest message, and most bytes of all messages that come back.
const BYTES_MAX: usize = connect::transport::BODY_MAX;

/// A call that is ready to be sent.
struct Prepared {
    /// `service/method` in words for messages.
    what: String,
    method: MethodDescriptor,
    path: PathAndQuery,
    messages: Vec<DynamicMessage>,
}

impl Attempt<'_> {
    pub(crate) async fn grpc(&self, call: &Value) -> Result<Value, Failure> {
        let secrets = &self.direct.options.secrets;
        let service = call.get("service");
        let target = Target::read(service)?;
        let authentication = Authentication::read(service.get("authentication"), secrets)?;
        let pool = self.proto(call.get("proto").get("endpoint")).await?;
        let method = find(&pool, service.get("name").as_str(), call.get("method").as_str())?;
        let messages = messages(&method, &secrets.fill(call.get("arguments")))?;
        let service = method.parent_service().full_name().to_owned();
        let path = format!("/{service}/{}", method.name());
        let path = path.parse().map_err(|_| Failure::configuration(format!("`{path}` cannot be called")))?;
        let what = format!("{service}/{} at {}", method.name(), target.name());
        let prepared = Prepared { what, method, path, messages };
        let channel = self.direct.channel(&target).await?;
        self.call_method(&prepared, &channel, &authentication).await
    }

    /// Calls, and once more with fresh credentials where those at hand are refused.
    async fn call_method(
        &self,
        prepared: &Prepared,
        channel: &Channel,
        authentication: &Authentication,
    ) -> Result<Value, Failure> {
        let credentials = self.credentials(authentication, None, None).await?;
        let first = self.call_once(prepared, channel, credentials.as_ref()).await;
        let headers = HeaderMap::new();
        let refused = Refused { credentials: credentials.as_ref(), headers: &headers };
        let status = match first {
            Err(Ended::Status(status))
                if status.code() == Code::Unauthenticated && authentication.may_try_again(&refused) =>
            {
                let fresh = self.credentials(authentication, None, Some(&refused)).await?;
                self.call_once(prepared, channel, fresh.as_ref()).await
            }
            other => other,
        };
        status.map_err(|ended| match ended {
            Ended::Failure(failure) => failure,
            Ended::Status(status) => status::failure(&prepared.what, &status),
        })
    }

    async fn call_once(
        &self,
        prepared: &Prepared,
        channel: &Channel,
        credentials: Option<&Credentials>,
    ) -> Result<Value, Ended> {
        let mut client = Grpc::new(channel.clone()).max_decoding_message_size(BYTES_MAX);
        client.ready().await.map_err(|error| {
            let detail = format!("{}: the service cannot be reached: {}", prepared.what, channel::with_causes(&error));
            Ended::Failure(Failure::communication(503, detail))
        })?;
        let mut request = Request::new(futures::stream::iter(prepared.messages.clone()));
        if let Some(credentials) = credentials {
            let mut value = MetadataValue::try_from(credentials.header.expose()).map_err(|_| {
                Ended::Failure(Failure::configuration("the credentials have characters that no header may have"))
            })?;
            value.set_sensitive(true);
            request.metadata_mut().insert("authorization", value);
        }
        let codec = DynamicCodec::new(prepared.method.output());
        let work = async {
            let answer = client.streaming(request, prepared.path.clone(), codec).await?;
            let mut stream = answer.into_inner();
            let (mut items, mut bytes) = (Vec::new(), 0);
            while let Some(message) = stream.next().await {
                let (message, size) = message?;
                bytes += size;
                if items.len() >= MESSAGES_MAX || bytes > BYTES_MAX {
                    return Err(Status::resource_exhausted("the answer has more messages or bytes than are taken"));
                }
                items.push(message);
            }
            Ok(items)
        };
        let items = match tokio::time::timeout(self.direct.options.timeout, work).await {
            Ok(items) => items.map_err(Ended::Status)?,
            Err(_) => {
                let failure = Failure::new(FaultType::Timeout, format!("{}: no answer came in time", prepared.what));
                return Err(Ended::Failure(failure.with_status(504).uncertain(true)));
            }
        };
        let mut items = items
            .iter()
            .map(to_value)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Ended::Failure(Failure::communication(502, format!("{}: {error}", prepared.what))))?;
        if prepared.method.is_server_streaming() {
            return Ok(Value::from(items));
        }
        items.pop().ok_or_else(|| {
            Ended::Failure(Failure::communication(502, format!("{}: the answer has no message", prepared.what)))
        })
    }
}

/// Why a call gave no answer.
enum Ended {
    Status(Status),
    Failure(Failure),
}

fn find(pool: &DescriptorPool, service: Option<&str>, method: Option<&str>) -> Result<MethodDescriptor, Failure> {
    let (service, method) = (service.unwrap_or_default(), method.unwrap_or_default());
    // A name without its package is enough where only one has it.
    let mut short = pool.services().filter(|known| known.name() == service);
    let found = pool.get_service_by_name(service).or_else(|| short.next().filter(|_| short.next().is_none()));
    let suggest = |detail: String, names: Vec<String>, name: &str| match nearest(name, names.iter().map(String::as_str))
        .or(names.first().map(String::as_str))
    {
        Some(near) => Failure::configuration(format!("{detail}: did you mean `{near}`?")),
        None => Failure::configuration(detail),
    };
    let found = found.ok_or_else(|| {
        let names = pool.services().map(|service| service.full_name().to_owned()).collect();
        suggest(format!("the proto has no service `{service}`"), names, service)
    })?;
    found.methods().find(|known| known.name() == method).ok_or_else(|| {
        let names = found.methods().map(|method| method.name().to_owned()).collect();
        suggest(format!("the service `{service}` has no method `{method}`"), names, method)
    })
}

/// The messages of a call: one, or those of a list where the client streams.
fn messages(method: &MethodDescriptor, arguments: &Value) -> Result<Vec<DynamicMessage>, Failure> {
    let input = method.input();
    match arguments {
        Value::Null => Ok(vec![DynamicMessage::new(input)]),
        Value::Array(items) if method.is_client_streaming() => {
            if items.len() > MESSAGES_MAX {
                return Err(Failure::configuration(format!("a call sends at most {MESSAGES_MAX} messages")));
            }
            items.iter().map(|item| to_message(&input, item)).collect()
        }
        arguments => Ok(vec![to_message(&input, arguments)?]),
    }
}

fn to_message(input: &MessageDescriptor, value: &Value) -> Result<DynamicMessage, Failure> {
    let text = json::to_string(value);
    let mut reader = serde_json::Deserializer::from_str(&text);
    DynamicMessage::deserialize(input.clone(), &mut reader).map_err(|error| {
        let detail = format!("the arguments are no message `{}`: {error}", input.full_name());
        Failure::new(FaultType::Validation, detail)
    })
}

fn to_value(message: &DynamicMessage) -> Result<Value, String> {
    let text = serde_json::to_vec(message).map_err(|error| format!("the answer cannot be written as JSON: {error}"))?;
    json::parse(&text).map_err(|error| format!("the answer cannot be taken: {error}"))
}
