//! Which resource a path means.

use std::sync::PoisonError;

use super::reply::{Call, Reply};
use super::{collections, composite, describe, platform, records, replication};
use crate::errors::Refusal;
use crate::org::Org;
use crate::soql::{self, Wanted};
use crate::store::{Store, Writer};
use crate::time;

/// Whether a call changes nothing.
pub(super) fn is_read(call: &Call) -> bool {
    match call.method.as_str() {
        "GET" | "HEAD" => true,
        // Ids of many records do not fit an address.
        "POST" => matches!(call.path().as_slice(), ["composite", "sobjects", _]),
        _ => false,
    }
}

/// Answers a call, and says whether anything was committed. Calls that hold others are answered only on the outside.
pub(crate) fn answer(org: &Org, call: &Call, outside: bool) -> (Reply, bool) {
    if !call.has_known_version() {
        return (Reply::not_found(), false);
    }
    match (call.method.as_str(), call.path().as_slice()) {
        ("POST", ["composite"]) if outside => return composite::composite(org, call),
        ("POST", ["composite", "batch"]) if outside => return composite::batch(org, call),
        ("POST", ["composite"] | ["composite", "batch"]) => {
            let message = "A request that holds others cannot hold another such";
            return (Refusal::new("INVALID_INPUT", message).into(), false);
        }
        ("POST", ["sobjects", name]) if org.schema.find(name).is_some_and(|object| object.event) => {
            let store = org.store.read().unwrap_or_else(PoisonError::into_inner);
            return match platform::publish(org, &store, call, name) {
                Ok(reply) => (reply, true),
                Err(refusal) => (refusal.into(), false),
            };
        }
        _ => {}
    }
    if is_read(call) {
        let store = org.store.read().unwrap_or_else(PoisonError::into_inner);
        return (read(org, &store, call), false);
    }
    org.write(&call.origin, |writer| write(writer, call))
}

/// Answers a call that changes nothing.
pub(super) fn read(org: &Org, store: &Store, call: &Call) -> Reply {
    let query = |all_rows: bool| {
        let text = call.option("q").ok_or_else(|| Refusal::new("MALFORMED_QUERY", "The q parameter is missing"))?;
        let wanted = Wanted { all_rows, batch: call.batch, version: &call.version, now: time::now() };
        soql::answer(store, &org.cursors, text, wanted).map(|text| Reply::json(200, text))
    };
    let schema = &org.schema;
    let result = match call.path().as_slice() {
        [] => Ok(describe::resources(call)),
        ["limits"] => Ok(describe::limits(org)),
        ["query"] => query(false),
        ["queryAll"] => query(true),
        ["query" | "queryAll", locator] => {
            soql::more(store, &org.cursors, locator, &call.version).map(|text| Reply::json(200, text))
        }
        ["sobjects"] => Ok(describe::global(org, call)),
        ["sobjects", name, rest @ ..] => match (schema.find(name), rest) {
            (None, _) => Ok(Reply::not_found()),
            (Some(object), []) => Ok(describe::basic(object, call)),
            (Some(object), ["describe"]) => Ok(describe::describe(schema, object, call)),
            (Some(object), ["eventSchema"]) => Ok(platform::event_schema(org, object)),
            (Some(object), ["updated"]) => replication::updated(store, call, object),
            (Some(object), ["deleted"]) => replication::deleted(org, store, call, object),
            (Some(_), [id]) => records::read(store, call, name, (None, id)),
            (Some(_), [field, value]) => records::read(store, call, name, (Some(field), value)),
            _ => Ok(Reply::not_found()),
        },
        ["event", "eventSchema", id] => Ok(platform::schema_by_id(org, id)),
        ["composite", "sobjects", name] => collections::read(store, call, name),
        _ => Ok(Reply::not_found()),
    };
    result.unwrap_or_else(Into::into)
}

/// Answers a call within a transaction.
pub(super) fn write(writer: &mut Writer<'_>, call: &Call) -> Reply {
    writer.duplicates = call.duplicates.clone();
    let result = match (call.method.as_str(), call.path().as_slice()) {
        ("POST", ["sobjects", name] | ["sobjects", name, "Id"]) => records::create(writer, call, name),
        ("PATCH", ["sobjects", name, id]) => records::update(writer, call, name, id),
        ("DELETE", ["sobjects", name, id]) => records::delete(writer, name, id),
        ("PATCH", ["sobjects", name, field, key]) => records::upsert(writer, call, name, field, key),
        ("DELETE", ["sobjects", name, field, key]) => records::delete_by_key(writer, name, field, key),
        ("POST", ["composite", "sobjects"]) => collections::create(writer, call),
        ("PATCH", ["composite", "sobjects"]) => collections::update(writer, call),
        ("DELETE", ["composite", "sobjects"]) => collections::delete(writer, call),
        ("PATCH", ["composite", "sobjects", name, field]) => collections::upsert(writer, call, name, field),
        ("POST", ["composite", "tree", name]) => collections::tree(writer, call, name),
        (method, [] | ["limits" | "query" | "queryAll" | "sobjects" | "composite", ..]) => {
            let message = format!("HTTP Method '{method}' not allowed. Allowed are GET,POST,PATCH,DELETE");
            Err(Refusal::new("METHOD_NOT_ALLOWED", message))
        }
        _ => Ok(Reply::not_found()),
    };
    result.unwrap_or_else(Into::into)
}
