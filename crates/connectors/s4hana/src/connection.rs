//! One configured ERP: what all kinds of calls share.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use connect::transport::{self, Effect};
use connect::{Call, CallError, ErrorClass, NOT_UNDERSTOOD, Selection};
use futures::{StreamExt, stream};
use model::{IntentId, Value};
use tokio::sync::OnceCell;

use crate::batch::{self, Operation, Response};
use crate::codec;
use crate::config::Config;
use crate::edmx;
use crate::metadata::Service;
use crate::query::ADDRESS_MAX;
use crate::wire::{Request, Wire};

/// Most services of one ERP whose metadata is kept.
const SERVICES_MAX: usize = 256;

type Slot = Arc<OnceCell<Arc<Service>>>;

/// One configured ERP.
pub(crate) struct Erp {
    /// Its settings.
    pub(crate) config: Config,
    /// The way to it.
    pub(crate) wire: Wire,
    services: RwLock<HashMap<String, Slot>>,
}

/// What a group of calls is about: a service with the name of a set or function in it.
pub(crate) struct Target<'a> {
    /// The service.
    pub(crate) service: Arc<Service>,
    /// The set or function.
    pub(crate) name: &'a str,
}

impl Erp {
    /// With nothing known of it yet.
    pub(crate) fn new(config: Config, wire: Wire) -> Self {
        Self { config, wire, services: RwLock::default() }
    }

    /// The service and the set or function of `SERVICE/Name`.
    ///
    /// # Errors
    /// Misconfigured for another spelling; what reading the metadata said.
    pub(crate) async fn target<'a>(&self, record: &'a str) -> Result<Target<'a>, CallError> {
        let (service, name) = split(record)?;
        Ok(Target { service: self.service(service).await?, name })
    }

    /// The metadata of a service, read once.
    async fn service(&self, name: &str) -> Result<Arc<Service>, CallError> {
        let known = self.services.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let slot = match known {
            Some(slot) => slot,
            None => {
                let mut services = self.services.write().unwrap_or_else(PoisonError::into_inner);
                if services.len() >= SERVICES_MAX {
                    services.clear();
                }
                Arc::clone(services.entry(name.to_owned()).or_default())
            }
        };
        slot.get_or_try_init(|| self.read_metadata(name)).await.cloned()
    }

    /// Reads the metadata of a service anew and keeps it from now on.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) async fn refresh(&self, name: &str) -> Result<Arc<Service>, CallError> {
        let service = self.read_metadata(name).await?;
        let slot = Arc::new(OnceCell::new_with(Some(Arc::clone(&service))));
        self.services.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), slot);
        Ok(service)
    }

    async fn read_metadata(&self, name: &str) -> Result<Arc<Service>, CallError> {
        let request = Request { accept: "application/xml", ..Request::get(name, "$metadata") };
        let answer = self.wire.exchange(&request).await?;
        if answer.status == 404 {
            let message =
                format!("the ERP has no active service {name}: {}", self.wire.refusal(&answer, Effect::Read).message);
            return Err(CallError::new(ErrorClass::Misconfigured, "unknown-service", message));
        }
        if !answer.status.is_success() {
            return Err(self.wire.refusal(&answer, Effect::Read));
        }
        let wrong = |what: String| {
            let message = format!("the metadata of the service {name} cannot be used: {what}");
            CallError::new(ErrorClass::Misconfigured, "metadata", message)
        };
        let text = std::str::from_utf8(&answer.body).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
        let service =
            edmx::parse(name, text.trim_start_matches('\u{feff}')).map_err(|error| wrong(error.to_string()))?;
        Ok(Arc::new(service))
    }

    /// What lost answers of creates in this service mean.
    pub(crate) fn effect_of_create(&self, service: &str) -> Effect {
        if self.config.simulations.iter().any(|simulation| simulation == service) {
            Effect::Read
        } else {
            Effect::Write
        }
    }

    /// Carries operations out in `$batch`es of at most `most`, each on its own; a single one goes without a batch. The result
    /// at each place belongs to the operation at that place: any response, or why there is none.
    pub(crate) async fn operate(
        &self,
        service: &str,
        operations: Vec<(Operation, Option<IntentId>)>,
        most: usize,
        effect: Effect,
    ) -> Vec<Result<Response, CallError>> {
        let chunks = operations.chunks(most.max(1)).map(|chunk| self.operate_chunk(service, chunk, effect));
        let answers: Vec<_> = self.in_parallel(chunks.collect()).await;
        answers.into_iter().flatten().collect()
    }

    /// Waits for these, as many at once as there are sessions, in their order.
    pub(crate) async fn in_parallel<F: Future>(&self, futures: Vec<F>) -> Vec<F::Output> {
        stream::iter(futures).buffered(self.config.sessions).collect().await
    }

    async fn operate_chunk(
        &self,
        service: &str,
        chunk: &[(Operation, Option<IntentId>)],
        effect: Effect,
    ) -> Vec<Result<Response, CallError>> {
        // The address of a long search does not fit a request line; inside a batch it may be of any length.
        if let [(operation, intent)] = chunk
            && operation.path.len() <= ADDRESS_MAX
        {
            return vec![self.operate_one(service, operation, *intent, effect).await];
        }
        let boundary = format!("batch_{}", IntentId::now().uuid().simple());
        let operations: Vec<Operation> = chunk.iter().map(|(operation, _)| operation.clone()).collect();
        let request = Request {
            method: http::Method::POST,
            body: Some((
                batch::encode(&operations, &boundary).into(),
                format!("multipart/mixed; boundary={boundary}").into(),
            )),
            effect,
            accept: "multipart/mixed",
            ..Request::get(service, "$batch")
        };
        let answer = match self.wire.ask(&request).await {
            Ok(answer) => answer,
            Err(error) => return vec![Err(error); chunk.len()],
        };
        let responses = batch::decode(answer.header("content-type").unwrap_or_default(), &answer.body);
        let mut results: Vec<_> = responses.into_iter().take(chunk.len()).map(Ok).collect();
        results
            .resize_with(chunk.len(), || Err(unreadable("the batch answer does not hold this request's part", effect)));
        results
    }

    async fn operate_one(
        &self,
        service: &str,
        operation: &Operation,
        intent: Option<IntentId>,
        effect: Effect,
    ) -> Result<Response, CallError> {
        let request = Request {
            method: http::Method::from_bytes(operation.method.as_bytes()).unwrap_or(http::Method::GET),
            body: operation.body.as_ref().map(|body| (body.clone().into(), "application/json".into())),
            if_match: operation.if_match.as_deref(),
            effect,
            intent,
            ..Request::get(service, operation.path.as_str())
        };
        let answer = self.wire.exchange(&request).await?;
        Ok(Response { status: answer.status.as_u16(), headers: answer.headers, body: answer.body })
    }

    /// The `d` of a successful response.
    ///
    /// # Errors
    /// When it is a refusal, or cannot be read.
    pub(crate) fn payload(&self, response: &Response, effect: Effect) -> Result<Value, CallError> {
        self.payload_of(response, effect, codec::payload)
    }

    /// The same with only what is selected.
    ///
    /// # Errors
    /// As [`Self::payload`].
    pub(crate) fn selected(
        &self,
        response: &Response,
        selection: &Selection,
        effect: Effect,
    ) -> Result<Value, CallError> {
        self.payload_of(response, effect, |body| codec::selected(body, selection))
    }

    fn payload_of(
        &self,
        response: &Response,
        effect: Effect,
        read: impl FnOnce(&[u8]) -> Result<Value, String>,
    ) -> Result<Value, CallError> {
        if !(200..300).contains(&response.status) {
            return Err(self.wire.classify(response.status, &response.headers, &response.body, effect));
        }
        if response.body.is_empty() {
            return Ok(Value::Null);
        }
        read(&response.body).map_err(|error| {
            unreadable(&format!("the answer cannot be read: {error}: {}", transport::excerpt(&response.body)), effect)
        })
    }
}

/// Service and name of `SERVICE/Name`.
///
/// # Errors
/// Misconfigured for another spelling.
pub(crate) fn split(record: &str) -> Result<(&str, &str), CallError> {
    let allowed = |text: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_;=./".contains(&byte);
        !text.is_empty() && text.bytes().all(fits) && !text.contains("..")
    };
    match record.rsplit_once('/') {
        Some((service, name)) if allowed(service) && allowed(name) => Ok((service, name)),
        _ => {
            let message = format!("`{record}` is no record of S/4HANA; write it as `API_SALES_ORDER_SRV/A_SalesOrder`");
            Err(CallError::new(ErrorClass::Misconfigured, "unknown-record", message))
        }
    }
}

/// An answer that came but is not understood: of a change it says nothing about what was done.
pub(crate) fn unreadable(message: &str, effect: Effect) -> CallError {
    let class = match effect {
        Effect::Read => ErrorClass::Unavailable,
        Effect::Write => ErrorClass::Ambiguous,
    };
    CallError::new(class, NOT_UNDERSTOOD, message)
}

/// Puts errors and results of calls that are worked on separately back into the calls' order.
pub(crate) struct Places(Vec<Option<Result<Value, CallError>>>);

impl Places {
    /// For that many calls.
    pub(crate) fn new(calls: &[Call]) -> Self {
        Self(vec![None; calls.len()])
    }

    /// The result of the call at this place.
    pub(crate) fn set(&mut self, place: usize, result: Result<Value, CallError>) {
        if let Some(slot) = self.0.get_mut(place) {
            *slot = Some(result);
        }
    }

    /// All results; a place without one would be a mistake of this connector and is told as such.
    pub(crate) fn finish(self) -> Vec<Result<Value, CallError>> {
        let missing =
            || Err(CallError::new(ErrorClass::Ambiguous, "internal", "the connector lost the answer to this call"));
        self.0.into_iter().map(|result| result.unwrap_or_else(missing)).collect()
    }
}
