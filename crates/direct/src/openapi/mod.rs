//! `call: openapi`: an operation of a document becomes a request over HTTP.

mod document;
mod operation;
mod parameters;
mod servers;

use std::sync::Arc;

use ::http::header::CONTENT_TYPE;
use model::{Object, Value, nearest};
use sha2::{Digest as _, Sha256};
use workflow::FaultType;

use crate::authentication::Authentication;
use crate::call::Attempt;
use crate::http::{IDEMPOTENCY_KEY, Outgoing, media_type};
use crate::resource::Document;
use crate::{Direct, Failure};

pub(crate) use document::{read as read_document, resolve};
pub(crate) use operation::Api;
pub(crate) use servers::expand;

use operation::{Body, Location, Operation};

impl Attempt<'_> {
    pub(crate) async fn openapi(&self, call: &Value) -> Result<Value, Failure> {
        let secrets = &self.direct.options.secrets;
        let document = self.text(call.get("document").get("endpoint")).await?;
        let api = self.direct.api(&document)?;
        let operation = find(&api, call.get("operationId").as_str().unwrap_or_default())?;
        if let Some(problem) = &operation.problem {
            return Err(Failure::configuration(format!("the operation `{}`: {problem}", operation.id)));
        }
        let base = operation.base.address(document.address.as_deref(), secrets)?;
        let outgoing = outgoing(operation, &base, call.get("parameters"), self)?;
        let authentication = Authentication::read(call.get("authentication"), secrets)?;
        self.ask(outgoing, &authentication, call).await
    }
}

impl Direct {
    /// The operations of a document, read once.
    fn api(&self, document: &Document) -> Result<Arc<Api>, Failure> {
        let key: [u8; 32] = Sha256::digest(document.text.as_bytes()).into();
        if let Some(api) = self.apis.get(&key) {
            return Ok(api);
        }
        let api = Arc::new(Api::read(&read_document(&document.text, "OpenAPI")?)?);
        self.apis.put(key, Arc::clone(&api));
        Ok(api)
    }

    /// Whether an operation may be repeated; not when its document is not at hand.
    pub(crate) fn openapi_repeatable(&self, call: &Value) -> bool {
        let Some(document) = self.at_hand(call.get("document").get("endpoint")) else { return false };
        let Ok(api) = self.api(&document) else { return false };
        let Ok(operation) = find(&api, call.get("operationId").as_str().unwrap_or_default()) else { return false };
        let keyed = operation.parameters.iter().any(|parameter| {
            parameter.location == Location::Header
                && parameter.name.eq_ignore_ascii_case(IDEMPOTENCY_KEY)
                && !call.get("parameters").get(&parameter.name).is_null()
        });
        keyed || operation.method.is_idempotent()
    }
}

fn find<'a>(api: &'a Api, id: &str) -> Result<&'a Operation, Failure> {
    api.operations.get(id).ok_or_else(|| {
        let mut detail = format!("the OpenAPI document has no operation `{id}`");
        if let Some(near) = nearest(id, api.operations.keys().map(String::as_str)) {
            detail = format!("{detail}: did you mean `{near}`?");
        }
        Failure::configuration(detail)
    })
}

/// The request of an operation with these parameters: those it names go where it says, the rest is the body.
fn outgoing(operation: &Operation, base: &str, given: &Value, attempt: &Attempt<'_>) -> Result<Outgoing, Failure> {
    let secrets = &attempt.direct.options.secrets;
    let none = Object::default();
    let given = match given {
        Value::Null => &none,
        Value::Object(members) => members,
        other => {
            return Err(Failure::configuration(format!(
                "`parameters` is an object, not a value of type {}",
                other.kind()
            )));
        }
    };
    let mut path = operation.path.clone();
    let (mut query, mut headers, mut cookies) = (Vec::new(), Vec::new(), Vec::new());
    for parameter in &operation.parameters {
        let value = given.get(&parameter.name).filter(|value| !value.is_null());
        let Some(value) = value else {
            if parameter.required {
                let detail = format!("the operation `{}` needs the parameter `{}`", operation.id, parameter.name);
                return Err(Failure::new(FaultType::Validation, detail));
            }
            continue;
        };
        match parameter.location {
            Location::Path => {
                path = path.replace(&format!("{{{}}}", parameter.name), &parameters::path(parameter, value));
            }
            Location::Query => query.extend(parameters::query(parameter, value)),
            Location::Header => headers.push((&parameter.name, parameters::header(parameter, value))),
            Location::Cookie => cookies.push(parameters::cookie(parameter, value)),
        }
    }
    if path.contains('{') {
        let detail = format!("the path `{path}` of the operation `{}` has a part without a parameter", operation.id);
        return Err(Failure::configuration(detail));
    }
    let mut address = format!("{}/{}", base.trim_end_matches('/'), path.trim_start_matches('/'));
    if !query.is_empty() {
        address.push(if address.contains('?') { '&' } else { '?' });
        address.push_str(&query.join("&"));
    }
    let mut outgoing = Outgoing::new(operation.method.clone(), &address, &Value::Null, secrets)?;
    for (name, text) in headers {
        outgoing.set_header(name, &text)?;
    }
    if !cookies.is_empty() {
        outgoing.set_header("cookie", &cookies.join("; "))?;
    }
    let rest: Object = given
        .iter()
        .filter(|(name, _)| !operation.parameters.iter().any(|parameter| *parameter.name == ***name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    set_body(&mut outgoing, operation, rest, attempt)?;
    Ok(outgoing)
}

fn set_body(
    outgoing: &mut Outgoing,
    operation: &Operation,
    mut rest: Object,
    attempt: &Attempt<'_>,
) -> Result<(), Failure> {
    let id = &operation.id;
    let Some(Body { types, required, named, fields }) = &operation.body else {
        let Some(unknown) = rest.keys().next() else { return Ok(()) };
        let mut detail = format!("the operation `{id}` has no parameter `{unknown}` and takes no body");
        if let Some(near) = nearest(unknown, operation.parameters.iter().map(|parameter| &*parameter.name)) {
            detail = format!("{detail}: did you mean `{near}`?");
        }
        return Err(Failure::configuration(detail));
    };
    if let Some(fields) = fields
        && let Some(unknown) = rest.keys().find(|name| !fields.iter().any(|field| **field == ***name))
    {
        return Err(Failure::configuration(format!("the operation `{id}` has no parameter `{unknown}`")));
    }
    // A body that is no object, or that has a name of its own, comes as one member.
    let whole = named.as_deref().filter(|name| rest.len() == 1 && rest.contains_key(name));
    let body = match whole {
        Some(name) => rest.shift_remove(name).unwrap_or_default(),
        None if rest.is_empty() && !required => return Ok(()),
        None => Value::from(rest),
    };
    if !outgoing.has_header(CONTENT_TYPE.as_str()) {
        outgoing.set_header(CONTENT_TYPE.as_str(), best_type(types, &body))?;
    }
    outgoing.set_body(&body, &attempt.direct.options.secrets)
}

/// The media type that the body is sent in, of those the operation takes.
fn best_type<'t>(types: &'t [String], body: &Value) -> &'t str {
    let find = |wanted: &dyn Fn(&str) -> bool| types.iter().find(|kind| wanted(&media_type(kind))).map(String::as_str);
    let json = find(&|kind| kind == "application/json" || kind.ends_with("+json") || kind == "*/*");
    let chosen = match body {
        Value::Object(_) => json
            .or_else(|| find(&|kind| kind == "application/x-www-form-urlencoded"))
            .or_else(|| find(&|kind| kind == "multipart/form-data")),
        Value::String(_) => find(&|kind| kind.starts_with("text/") || kind == "application/octet-stream").or(json),
        _ => json,
    };
    let chosen = chosen.or(types.first().map(String::as_str)).unwrap_or("application/json");
    if chosen.contains('*') { "application/json" } else { chosen }
}
