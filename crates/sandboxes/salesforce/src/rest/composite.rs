//! Requests made of requests: `/composite` and `/composite/batch`.

use std::collections::HashMap;

use model::json::{self, write_string};
use model::{Object as Members, Value};

use super::records::members;
use super::reply::{Call, Reply, decoded, options};
use super::resources::{answer, is_read, read, write};
use crate::duplicates::DuplicateHeader;
use crate::errors::Refusal;
use crate::org::Org;

/// Most requests in one.
const REQUESTS_MAX: usize = 25;

/// `POST /composite`
pub(super) fn composite(org: &Org, call: &Call) -> (Reply, bool) {
    let requests = match requests(call, "compositeRequest") {
        Ok(requests) => requests,
        Err(refusal) => return (refusal.into(), false),
    };
    let mut results: HashMap<String, Value> = HashMap::new();
    let mut replies: Vec<(String, Reply)> = Vec::with_capacity(requests.len());
    let mut committed = false;
    if call.body.get("allOrNone").as_bool() == Some(true) {
        let (changed, _) = org.write(&call.origin, |writer| {
            for request in requests {
                let reply = match prepare(call, request, &results) {
                    Ok(inner) if matches!(inner.path().as_slice(), ["composite"] | ["composite", "batch"]) => {
                        Refusal::new("INVALID_INPUT", "A request that holds others cannot hold another such").into()
                    }
                    Ok(inner) if !inner.has_known_version() => Reply::not_found(),
                    Ok(inner) if is_read(&inner) => read(org, writer.store, &inner),
                    Ok(inner) => write(writer, &inner),
                    Err(refusal) => refusal.into(),
                };
                let failed = !reply.is_success();
                remember(&mut results, request, &reply);
                replies.push((reference(request), reply));
                if failed {
                    writer.roll_back();
                    break;
                }
            }
            !writer.touched.is_empty()
        });
        committed = changed;
        if let Some(failed) = replies.iter().position(|(_, reply)| !reply.is_success()) {
            let halted = || -> Reply {
                let message = "The transaction was rolled back since another operation in the same transaction failed.";
                Refusal::new("PROCESSING_HALTED", message).into()
            };
            for (_, reply) in &mut replies[..failed] {
                *reply = halted();
            }
            let rest: Vec<_> = requests[replies.len()..].iter().map(|request| (reference(request), halted())).collect();
            replies.extend(rest);
        }
    } else {
        for request in requests {
            let reply = match prepare(call, request, &results) {
                Ok(inner) => {
                    let (reply, changed) = answer(org, &inner, false);
                    committed |= changed;
                    reply
                }
                Err(refusal) => refusal.into(),
            };
            remember(&mut results, request, &reply);
            replies.push((reference(request), reply));
        }
    }
    let mut text = String::from(r#"{"compositeResponse":["#);
    for (index, (reference, reply)) in replies.iter().enumerate() {
        text.push_str(if index > 0 { r#",{"body":"# } else { r#"{"body":"# });
        text.push_str(if reply.body.is_empty() { "null" } else { &reply.body });
        text.push_str(r#","httpHeaders":{"#);
        if let Some(location) = &reply.location {
            text.push_str(r#""Location":"#);
            write_string(location, &mut text);
        }
        text.push_str(&format!(r#"}},"httpStatusCode":{},"referenceId":"#, reply.status));
        write_string(reference, &mut text);
        text.push('}');
    }
    text.push_str("]}");
    (Reply::json(200, text), committed)
}

fn requests<'a>(call: &'a Call, name: &str) -> Result<&'a [Value], Refusal> {
    let requests = members(&call.body)?.get(name).and_then(Value::as_array);
    let requests = requests.ok_or_else(|| Refusal::new("JSON_PARSER_ERROR", format!("{name} is missing")))?;
    if requests.len() > REQUESTS_MAX {
        let message = format!("Limit exceeded: at most {REQUESTS_MAX} subrequests");
        return Err(Refusal::new("LIMIT_EXCEEDED", message));
    }
    Ok(requests)
}

fn reference(request: &Value) -> String {
    request.get("referenceId").as_str().unwrap_or("").to_owned()
}

fn remember(results: &mut HashMap<String, Value>, request: &Value, reply: &Reply) {
    if let Ok(body) = json::parse(reply.body.as_bytes())
        && reply.is_success()
    {
        results.insert(reference(request), body);
    }
}

/// A request with the results of earlier ones put in.
fn prepare(call: &Call, request: &Value, results: &HashMap<String, Value>) -> Result<Call, Refusal> {
    let url = request.get("url").as_str().unwrap_or("");
    let url = filled(url, results)?;
    let body = filled_value(request.get("body"), results, 0)?;
    let mut inner = inner(call, request.get("method").as_str().unwrap_or("GET"), &url, body)?;
    // A request within another brings its own headers.
    let mut headers = request.get("httpHeaders").as_object().into_iter().flatten();
    let header = headers.find(|(name, _)| name.eq_ignore_ascii_case("Sforce-Duplicate-Rule-Header"));
    inner.duplicates = DuplicateHeader::parse(header.and_then(|(_, value)| value.as_str()), &inner.version);
    Ok(inner)
}

fn inner(call: &Call, method: &str, url: &str, body: Value) -> Result<Call, Refusal> {
    let wrong = || Refusal::new("INVALID_INPUT", format!("The url {url} is not one of the data resources"));
    let path = url.trim_start_matches('/');
    let path = path.strip_prefix("services/data/").unwrap_or(path);
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut segments = path.split('/').filter(|segment| !segment.is_empty()).map(|segment| decoded(segment, false));
    let version = segments.next().and_then(|version| version.strip_prefix('v').map(str::to_owned)).ok_or_else(wrong)?;
    Ok(Call {
        method: method.to_ascii_uppercase(),
        segments: segments.collect(),
        query: options(query),
        body,
        duplicates: DuplicateHeader::parse(None, &version),
        version,
        origin: call.origin.clone(),
        batch: call.batch,
    })
}

/// Replaces `@{reference.path}`.
fn filled(text: &str, results: &HashMap<String, Value>) -> Result<String, Refusal> {
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("@{") {
        let (path, behind) = after.split_once('}').unwrap_or((after, ""));
        whole.push_str(before);
        let mut parts = path.split(['.', '[', ']']).filter(|part| !part.is_empty());
        let mut value = parts.next().and_then(|reference| results.get(reference));
        for part in parts {
            value = value.map(|value| part.parse().map_or_else(|_| value.get(part), |index: usize| value.at(index)));
        }
        match value {
            Some(Value::String(text)) => whole.push_str(text),
            Some(Value::Number(number)) => whole.push_str(&number.to_string()),
            Some(Value::Bool(truth)) => whole.push_str(&truth.to_string()),
            _ => {
                let message = format!("Invalid reference specified. No value for {path} found");
                return Err(Refusal::new("PROCESSING_HALTED", message));
            }
        }
        rest = behind;
    }
    whole.push_str(rest);
    Ok(whole)
}

fn filled_value(value: &Value, results: &HashMap<String, Value>, depth: usize) -> Result<Value, Refusal> {
    if depth > 32 {
        return Err(Refusal::new("JSON_PARSER_ERROR", "the body is nested too deeply"));
    }
    Ok(match value {
        Value::String(text) if text.contains("@{") => Value::from(filled(text, results)?),
        Value::Array(items) => {
            let items = items.iter().map(|item| filled_value(item, results, depth + 1));
            Value::from(items.collect::<Result<Vec<_>, _>>()?)
        }
        Value::Object(known) => {
            let mut object = Members::default();
            for (name, value) in known.iter() {
                object.insert(name.clone(), filled_value(value, results, depth + 1)?);
            }
            Value::from(object)
        }
        other => other.clone(),
    })
}

/// `POST /composite/batch`
pub(super) fn batch(org: &Org, call: &Call) -> (Reply, bool) {
    let requests = match requests(call, "batchRequests") {
        Ok(requests) => requests,
        Err(refusal) => return (refusal.into(), false),
    };
    let halt = call.body.get("haltOnError").as_bool() == Some(true);
    let (mut text, mut failed, mut committed) = (String::new(), false, false);
    for (index, request) in requests.iter().enumerate() {
        let reply = if halt && failed {
            Reply { status: 412, ..Refusal::new("BATCH_PROCESSING_HALTED", "Batch processing has been halted").into() }
        } else {
            let method = request.get("method").as_str().unwrap_or("GET");
            match inner(call, method, request.get("url").as_str().unwrap_or(""), request.get("richInput").clone()) {
                Ok(inner) => {
                    let (reply, changed) = answer(org, &inner, false);
                    committed |= changed;
                    reply
                }
                Err(refusal) => refusal.into(),
            }
        };
        failed |= !reply.is_success();
        text.push_str(if index > 0 { "," } else { "" });
        text.push_str(&format!(r#"{{"statusCode":{},"result":"#, reply.status));
        text.push_str(if reply.body.is_empty() { "null" } else { &reply.body });
        text.push('}');
    }
    (Reply::json(200, format!(r#"{{"hasErrors":{failed},"results":[{text}]}}"#)), committed)
}
