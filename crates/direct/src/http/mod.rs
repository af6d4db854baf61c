//! `call: http`.

mod content;
mod exchange;
mod output;
mod request;

use ::http::Method;
use model::Value;

use crate::Failure;
use crate::authentication::Authentication;
use crate::call::Attempt;

pub(crate) use content::{media_type, yaml};
pub(crate) use exchange::{Answered, Redirects};
pub(crate) use output::{Output, refused};
pub(crate) use request::{Outgoing, PLAIN, form, text_of, without_password};

/// The header by which a target recognises a request that it has had before.
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";

impl Attempt<'_> {
    pub(crate) async fn http(&self, call: &Value) -> Result<Value, Failure> {
        let secrets = &self.direct.options.secrets;
        let endpoint = call.get("endpoint");
        let address = endpoint.as_str().or_else(|| endpoint.get("uri").as_str()).unwrap_or_default();
        let authentication = Authentication::read(endpoint.get("authentication"), secrets)?;
        let mut outgoing = Outgoing::new(method(call.get("method"))?, address, call.get("query"), secrets)?;
        outgoing.set_headers(call.get("headers"))?;
        outgoing.set_body(call.get("body"), secrets)?;
        self.ask(outgoing, &authentication, call).await
    }

    /// Sends a request and gives its answer in the form that the call asks for.
    pub(crate) async fn ask(
        &self,
        mut outgoing: Outgoing,
        authentication: &Authentication,
        call: &Value,
    ) -> Result<Value, Failure> {
        let output = Output::read(call.get("output"))?;
        let redirect = call.get("redirect").as_bool().unwrap_or(false);
        if [Method::POST, Method::PATCH].contains(&outgoing.method)
            && !outgoing.has_header(IDEMPOTENCY_KEY)
            && !self.idempotency_key.is_empty()
        {
            outgoing.set_header(IDEMPOTENCY_KEY, self.idempotency_key)?;
        }
        let redirects = if redirect { Redirects::GiveBack } else { Redirects::Follow };
        let answered = self.exchange(outgoing, authentication, redirects).await?;
        let status = answered.answer.status;
        if !(status.is_success() || redirect && status.is_redirection()) {
            return Err(refused(&answered));
        }
        output.of(&answered)
    }
}

fn method(value: &Value) -> Result<Method, Failure> {
    let text = value.as_str().unwrap_or_default().to_ascii_uppercase();
    Method::from_bytes(text.as_bytes())
        .ok()
        .filter(|method| *method != Method::CONNECT)
        .ok_or_else(|| Failure::configuration("`method` is a method of HTTP such as GET or POST"))
}

/// Whether this call may be repeated: by its method (RFC 9110, section 9.2.2), or because its author gave it a key of its own.
pub(crate) fn repeatable(call: &Value) -> bool {
    let keyed = call.get("headers").as_object().is_some_and(|headers| {
        headers.iter().any(|(name, value)| name.eq_ignore_ascii_case(IDEMPOTENCY_KEY) && !value.is_null())
    });
    keyed || method(call.get("method")).is_ok_and(|method| method.is_idempotent())
}
