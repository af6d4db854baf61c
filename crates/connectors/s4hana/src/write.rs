//! Creates with children, changes and deletes.
//!
//! Several changes go into one `$batch`, each in a changeset of its own: one refused order does not take the others with it.

use std::sync::Arc;

use connect::transport::Effect;
use connect::{Action, Call, CallError, ErrorClass};
use futures::future::join_all;
use model::{IntentId, Value};

use crate::batch::{Operation, Response};
use crate::codec::{self, Decoder, ETAG, Purpose};
use crate::connection::{Erp, Places, Target};
use crate::metadata::EntityType;
use crate::read::predicate;

impl Erp {
    /// New records with their children; each is answered as the ERP returns it.
    pub(crate) async fn create(&self, calls: &[Call]) -> Vec<Result<Value, CallError>> {
        let (target, entity) = match self.writable(&calls[0]).await {
            Ok(found) => found,
            Err(error) => return vec![Err(error); calls.len()],
        };
        let mut places = Places::new(calls);
        let (mut asked, mut operations) = (Vec::new(), Vec::new());
        for (place, call) in calls.iter().enumerate() {
            let mut body = String::with_capacity(4096);
            match codec::encode(&target.service, &entity, &call.body, Purpose::Create, &mut body) {
                Err(error) => places.set(place, Err(error)),
                Ok(()) => {
                    let path = target.name.to_owned();
                    operations
                        .push((Operation { method: "POST", path, body: Some(body), if_match: None }, call.intent));
                    asked.push(place);
                }
            }
        }
        let effect = self.effect_of_create(&target.service.name);
        let responses = self.operate(&target.service.name, operations, self.config.batch_creates, effect).await;
        let mut decoder = Decoder::new(&target.service, &entity, false);
        let mut decoder_with_etag = Decoder::new(&target.service, &entity, true);
        for (place, response) in asked.into_iter().zip(responses) {
            let wants_etag = calls[place].select.fields.iter().any(|field| matches!(&**field, ETAG | "@etag"));
            let decoder = if wants_etag { &mut decoder_with_etag } else { &mut decoder };
            let result = response.and_then(|response| self.selected(&response, &calls[place].select, effect)).map(
                |mut record| {
                    decoder.record(&mut record);
                    record
                },
            );
            places.set(place, result);
        }
        places.finish()
    }

    /// Changes of some fields. The record's ETag comes from the call's body, or from a read just before.
    pub(crate) async fn update(&self, calls: &[Call]) -> Vec<Result<Value, CallError>> {
        self.change(calls, |service, entity, call| {
            let mut body = String::with_capacity(256);
            let mut fields = call.body.clone();
            // What identifies the record stands in the address; ABAP refuses keys in a change.
            for key in &entity.keys {
                fields.remove(key);
            }
            codec::encode(service, entity, &fields, Purpose::Update, &mut body)?;
            Ok(("PATCH", Some(body)))
        })
        .await
    }

    /// Deletes. What is not there is deleted: the answer to a first try may have been lost.
    pub(crate) async fn delete(&self, calls: &[Call]) -> Vec<Result<Value, CallError>> {
        self.change(calls, |_, _, _| Ok(("DELETE", None))).await
    }

    async fn change(
        &self,
        calls: &[Call],
        encode: impl Fn(&crate::metadata::Service, &EntityType, &Call) -> Result<(&'static str, Option<String>), CallError>,
    ) -> Vec<Result<Value, CallError>> {
        let (target, entity) = match self.writable(&calls[0]).await {
            Ok(found) => found,
            Err(error) => return vec![Err(error); calls.len()],
        };
        let prepared = join_all(calls.iter().map(|call| async {
            let address = format!("{}{}", target.name, predicate(&entity, call.key.as_ref(), &call.body)?);
            let (method, body) = encode(&target.service, &entity, call)?;
            let given = call.key.as_ref().map_or(&Value::Null, |key| key.value.get(ETAG));
            let given = given.as_str().or_else(|| call.body.get(ETAG).as_str()).map(str::to_owned);
            let if_match = match given {
                Some(etag) => Some(etag),
                None if entity.has_etag => self.fresh_etag(&target.service.name, &address, &entity.keys[0]).await?,
                None => None,
            };
            Ok::<_, CallError>((Operation { method, path: address, body, if_match }, call.intent))
        }))
        .await;
        let mut places = Places::new(calls);
        let (mut asked, mut operations) = (Vec::new(), Vec::new());
        for (place, prepared) in prepared.into_iter().enumerate() {
            match prepared {
                Err(error) => places.set(place, Err(error)),
                Ok(operation) => {
                    asked.push(place);
                    operations.push(operation);
                }
            }
        }
        let responses =
            self.operate(&target.service.name, operations.clone(), self.config.batch_creates, Effect::Write).await;
        for ((place, operation), response) in asked.into_iter().zip(operations).zip(responses) {
            let result = self.changed(&target, &entity, operation, response).await;
            places.set(place, result);
        }
        places.finish()
    }

    /// The result of a change. An ERP that wants an ETag where its metadata promised none gets one.
    async fn changed(
        &self,
        target: &Target<'_>,
        entity: &EntityType,
        (mut operation, intent): (Operation, Option<IntentId>),
        response: Result<Response, CallError>,
    ) -> Result<Value, CallError> {
        let mut response = response?;
        let deletes = operation.method == "DELETE";
        if response.status == 428 && operation.if_match.is_none() {
            operation.if_match = self.fresh_etag(&target.service.name, &operation.path, &entity.keys[0]).await?;
            let mut again = self.operate(&target.service.name, vec![(operation, intent)], 1, Effect::Write).await;
            if let Some(answer) = again.pop() {
                response = answer?;
            }
        }
        let mut record = match self.payload(&response, Effect::Write) {
            Err(error) if deletes && response.status == 404 && error.class == ErrorClass::Rejected => Value::Null,
            other => other?,
        };
        Decoder::new(&target.service, entity, false).record(&mut record);
        Ok(record)
    }

    /// The set that calls write to.
    async fn writable<'a>(&self, call: &'a Call) -> Result<(Target<'a>, Arc<EntityType>), CallError> {
        let target = self.target(&call.record).await?;
        let (set, entity) = target.service.set(target.name)?;
        let allowed = match call.action {
            Action::Create => set.creatable,
            Action::Update => set.updatable,
            Action::Delete => set.deletable,
            _ => true,
        };
        if !allowed {
            let message =
                format!("{} does not take {} in this ERP, says its metadata", call.record, call.action.word());
            return Err(CallError::new(ErrorClass::Misconfigured, "not-allowed", message));
        }
        let entity = Arc::clone(entity);
        Ok((target, entity))
    }
}
