//! `call: asyncapi`: messages to and from the HTTP servers of a document, which is AsyncAPI 2 or 3.

mod condition;
mod document;
mod stream;
mod subscription;

use ::http::Method;
use model::Value;

use crate::Failure;
use crate::authentication::Authentication;
use crate::call::Attempt;
use crate::http::{Outgoing, text_of};
use crate::openapi::read_document;

use document::{Direction, Place, find};
use subscription::Subscription;

impl Attempt<'_> {
    pub(crate) async fn asyncapi(&self, call: &Value) -> Result<Value, Failure> {
        let secrets = &self.direct.options.secrets;
        let document = self.text(call.get("document").get("endpoint")).await?;
        let document = read_document(&document.text, "AsyncAPI")?;
        let authentication = Authentication::read(call.get("authentication"), secrets)?;
        let message = call.get("message");
        if !message.is_null() {
            let place = find(&document, call, Direction::Send)?;
            let outgoing = self.publishing(&place, message)?;
            return self.ask(outgoing, &authentication, &Value::Null).await;
        }
        let subscription = Subscription::read(call.get("subscription"))?;
        let place = find(&document, call, Direction::Receive)?;
        let mut outgoing =
            Outgoing::new(method(&place, Method::GET)?, &place.address(&Value::Null)?, &Value::Null, secrets)?;
        outgoing.set_header("accept", "text/event-stream, application/x-ndjson, application/json;q=0.9")?;
        self.consume(outgoing, &authentication, &place, &subscription).await
    }

    fn publishing(&self, place: &Place, message: &Value) -> Result<Outgoing, Failure> {
        let secrets = &self.direct.options.secrets;
        let address = place.address(message)?;
        let mut outgoing = Outgoing::new(method(place, Method::POST)?, &address, &Value::Null, secrets)?;
        if let Some(kind) = &place.content_type {
            outgoing.set_header("content-type", kind)?;
        }
        outgoing.set_headers(message.get("headers"))?;
        outgoing.set_body(message.get("payload"), secrets)?;
        Ok(outgoing)
    }
}

/// The method that the document binds the operation to.
fn method(place: &Place, default: Method) -> Result<Method, Failure> {
    match &place.method {
        Value::Null => Ok(default),
        named => Method::from_bytes(text_of(named).to_ascii_uppercase().as_bytes())
            .map_err(|_| Failure::configuration(format!("the document binds the operation to the method `{named}`"))),
    }
}
