//! One request of a process API.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::http::header;
use axum::response::Response;
use definitions::{Api, ApiSource, CachePolicy, Function};
use expr::{Expression, Limits};
use jiff::Timestamp;
use model::{Value, json};
use store::{CachedAnswer, Mutation};
use workflow::{Fault, FaultType, FunctionReference};

use crate::answers::{Failed, Known};
use crate::callers::mark;
use crate::{Gateway, REQUEST_MAX, body, problem, status};

/// Why there is no answer.
pub(crate) type Refusal = Box<Response>;

/// Answers one request.
pub(crate) async fn serve(gateway: &Gateway, api: &Api, request: Request) -> Response {
    let quota = match gateway.callers.admit(request.headers(), api, Timestamp::now()).await {
        Ok(quota) => quota,
        Err(refusal) => return *refusal,
    };
    let mut response = match answer(gateway, api, request).await {
        Ok(response) => response,
        Err(refusal) => *refusal,
    };
    if let Some(quota) = quota {
        mark(&mut response, quota);
    }
    response
}

async fn answer(gateway: &Gateway, api: &Api, request: Request) -> Result<Response, Refusal> {
    let asked = read(api, request).await?;
    let input = match &api.input {
        Some(expression) => evaluate("input", expression, &asked)?,
        None => asked.get("body").clone(),
    };
    match &api.source {
        ApiSource::Transaction => status::answer(gateway, &input).await,
        ApiSource::Function(function) => match &api.cache {
            None => {
                let value = ask(gateway, api, function, input).await.map_err(|fault| refused(&fault))?;
                Ok(told(&value, "live", Timestamp::now(), false))
            }
            Some(cache) => remembered(gateway, api, function, cache, &asked, input).await,
        },
    }
}

/// The request as expressions see it: `{body, path, query}`, checked.
async fn read(api: &Api, request: Request) -> Result<Value, Refusal> {
    let bad =
        |title: &str| Box::new(problem::response(400, "IL-API-006", title, "see /openapi.json for what is expected"));
    let (mut parts, body) = request.into_parts();
    let path = RawPathParams::from_request_parts(&mut parts, &()).await.map_err(|_| bad("The path is not readable"))?;
    let path = Value::object(path.iter().map(|(name, value)| (Arc::<str>::from(name), Value::from(value))));
    let mut query = Value::empty_object();
    let pairs: Vec<(String, String)> = axum::extract::Query::try_from_uri(&parts.uri)
        .map(|axum::extract::Query(pairs)| pairs)
        .map_err(|_| bad("The query is not readable"))?;
    for (name, value) in pairs {
        query.set(name, value);
    }
    let body = body::read(body, REQUEST_MAX).await?;
    let body = if body.is_empty() {
        Value::Null
    } else {
        json::parse(&body).map_err(|error| bad(&format!("The body is not JSON: {error}")))?
    };
    let checked = if &*api.method == "GET" { &query } else { &body };
    if let Some(schema) = &api.request
        && let Err(violations) = schema.check(checked)
    {
        let violations = violations.into_iter().map(|violation| {
            Value::object([("path", Value::from(violation.path)), ("message", Value::from(violation.message))])
        });
        let more = Value::object([("violations", Value::array(violations))]);
        let title = "The request does not fit its schema";
        let remedy = "correct what `violations` names; see /openapi.json for the schema";
        return Err(Box::new(problem::details(400, "IL-API-006", title, remedy, more)));
    }
    Ok(Value::object([("body", body), ("path", path), ("query", query)]))
}

fn evaluate(what: &str, expression: &Expression, dot: &Value) -> Result<Value, Refusal> {
    expression.evaluate(dot, &[], Limits::default()).map_err(|error| {
        let title = format!("`{what}` of this API's definition failed: {error}");
        Box::new(problem::response(422, "IL-API-008", &title, "correct the request, or the definition in `apis/`"))
    })
}

async fn ask(gateway: &Gateway, api: &Api, function: &Arc<Function>, input: Value) -> Result<Value, Fault> {
    let reference = FunctionReference {
        name: function.name.as_str().into(),
        version: Some(Arc::clone(&function.version)),
        catalog: Some(function.connection.as_str().into()),
    };
    let output = gateway.runtime.call(&reference, input, api.timeout).await?;
    match &api.output {
        Some(expression) => expression.evaluate(&output, &[], Limits::default()).map_err(|error| {
            let detail = format!("`output` of this API's definition failed: {error}");
            Fault::new(FaultType::Expression, detail).with_status(502)
        }),
        None => Ok(output),
    }
}

async fn remembered(
    gateway: &Gateway,
    api: &Api,
    function: &Arc<Function>,
    cache: &CachePolicy,
    asked: &Value,
    input: Value,
) -> Result<Response, Refusal> {
    let name: Arc<str> = format!("{}.v{}", api.name, api.version).into();
    let key = (name, json::to_string(&evaluate("cache.key", &cache.key, asked)?).into());
    let fresh = |known: &Known| age(known.at) <= cache.fresh;
    if let Some(known) = gateway.answers.get(&key).filter(fresh) {
        return Ok(told(&known.answer, "cached", known.at, false));
    }
    let asking = gateway.answers.asking(&key);
    let began = Instant::now();
    // Whoever asks first may take all the time there is: nobody waits longer for it than for the system.
    let turn = tokio::time::timeout(api.timeout, asking.lock()).await.ok();
    let known = match gateway.answers.get(&key) {
        Some(known) => Some(known),
        None => stored(gateway, &key).await,
    };
    if let Some(known) = known.as_ref().filter(|known| fresh(known)) {
        return Ok(told(&known.answer, "cached", known.at, false));
    }
    let asked = match turn {
        Some(mut turn) => match turn.clone() {
            // Asked and failed since this caller came: it would hear the same, later.
            Some(failed) if failed.at >= began => Err(failed.fault),
            _ => {
                let asked = ask(gateway, api, function, input).await;
                *turn = asked.as_ref().err().map(|fault| Failed { fault: fault.clone(), at: Instant::now() });
                asked.map(|answer| keep(gateway, &key, answer))
            }
        },
        None => Err(Fault::new(FaultType::Timeout, "the system did not answer in time").with_status(408)),
    };
    match asked {
        Ok(known) => Ok(told(&known.answer, "live", known.at, false)),
        Err(fault) => {
            // What the system refuses is its answer; only when it does not answer is the last one better than none.
            let silent = matches!(fault.status, 408 | 429 | 500..);
            match known.filter(|known| silent && age(known.at) <= cache.stale) {
                Some(known) => {
                    gateway.answers.put(key, known.clone());
                    Ok(told(&known.answer, "stale", known.at, true))
                }
                None => Err(refused(&fault)),
            }
        }
    }
}

/// Remembers an answer. One that could not be kept is still an answer.
fn keep(gateway: &Gateway, key: &(Arc<str>, Arc<str>), answer: Value) -> Known {
    let known = Known { answer, at: Timestamp::now() };
    gateway.answers.put(key.clone(), known.clone());
    let (api, key) = key.clone();
    let row = CachedAnswer { api, key, answer: known.answer.clone(), at: known.at };
    drop(gateway.runtime.store().commit(vec![Mutation::PutAnswer(row)]));
    known
}

async fn stored(gateway: &Gateway, key: &(Arc<str>, Arc<str>)) -> Option<Known> {
    let (store, (api, key)) = (gateway.runtime.store(), key.clone());
    let found = tokio::task::spawn_blocking(move || store.answer(&api, &key)).await.ok()?.ok()??;
    Some(Known { answer: found.answer, at: found.at })
}

fn age(at: Timestamp) -> Duration {
    Duration::try_from(Timestamp::now().duration_since(at)).unwrap_or(Duration::ZERO)
}

/// The answer with its age, in the body where it is an object and in headers always.
fn told(answer: &Value, how: &'static str, at: Timestamp, stale: bool) -> Response {
    let mut value = answer.clone();
    if value.as_object().is_some() {
        value.set("asOf", at.to_string());
        value.set("stale", stale);
    }
    let mut response = problem::json(200, &value);
    let headers = response.headers_mut();
    headers.insert("interlock-answer", header::HeaderValue::from_static(how));
    headers.insert(header::AGE, age(at).as_secs().into());
    response
}

fn refused(fault: &Fault) -> Refusal {
    let detail = fault.detail.as_deref().unwrap_or("the system did not answer");
    let (status, code, remedy) = match fault.status {
        408 => (504, "IL-API-009", "try again in a moment"),
        429 | 500.. => (503, "IL-API-010", "try again in a moment"),
        400..=499 => (422, "IL-API-011", "correct the request"),
        _ => (502, "IL-API-012", "look into the definition of this API"),
    };
    let more = if fault.data.is_null() { Value::Null } else { Value::object([("data", fault.data.clone())]) };
    Box::new(problem::details(status, code, detail, remedy, more))
}
