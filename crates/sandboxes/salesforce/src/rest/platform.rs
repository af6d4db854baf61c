//! Platform events over REST, and the schemas of events.

use std::sync::Arc;

use uuid::Uuid;

use super::records::members;
use super::reply::{Call, Reply};
use crate::decode::{Purpose, decode};
use crate::errors::Refusal;
use crate::events::encode_platform_event;
use crate::org::Org;
use crate::schema::Object;
use crate::store::Store;
use crate::time;

/// `POST /sobjects/X__e`
pub(super) fn publish(org: &Org, store: &Store, call: &Call, name: &str) -> Result<Reply, Refusal> {
    let missing = || Refusal::new("NOT_FOUND", "The requested resource does not exist");
    let object = org.schema.find(name).ok_or_else(missing)?;
    let values = decode(store, object, members(&call.body)?, Purpose::Create, &[])?;
    let (topic, shape) =
        org.bus.topic(&format!("/event/{}", object.name)).zip(org.bus.shape(object.at)).ok_or_else(missing)?;
    let now = time::now();
    let payload = encode_platform_event(object, now, org.user, &values);
    let id: Arc<str> = Uuid::now_v7().to_string().into();
    org.bus.publish_event(topic, &shape.id, Arc::clone(&id), payload, now);
    // By this id a publisher finds the event again among those that subscribers get.
    let body = format!(
        r#"{{"id":"e00xx0000000001AAA","success":true,"errors":[{{"statusCode":"OPERATION_ENQUEUED","message":"{id}","fields":[]}}]}}"#
    );
    Ok(Reply::json(201, body))
}

/// `GET /sobjects/X/eventSchema`: of what is published or told of changes.
pub(super) fn event_schema(org: &Org, object: &Object) -> Reply {
    org.bus.shape(object.at).map_or_else(Reply::not_found, |shape| Reply::json(200, &*shape.json))
}

/// `GET /event/eventSchema/ID`
pub(super) fn schema_by_id(org: &Org, id: &str) -> Reply {
    org.bus.schema_json(id).map_or_else(Reply::not_found, |json| Reply::json(200, &*json))
}
