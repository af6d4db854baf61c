//! `$batch`: reads and changesets in their order, the answers in the same order.

use crate::odata::batch::{self, Operation, Part};
use crate::odata::edm::Service;
use crate::odata::error::Error;
use crate::odata::url;

use super::changes::{self, Change};
use super::dispatch::{Incoming, ROOT, Target};
use super::reads;
use super::reply::Reply;
use super::system::System;

/// Answers a batch; and says whether anything was committed.
pub(crate) fn answer(
    system: &System,
    service: &'static Service,
    root: &str,
    request: &Incoming,
    transaction: u64,
) -> (Reply, bool) {
    let refuse = |message: &str| (Reply::error(&Error::syntax(message), service.name, transaction, true), false);
    if request.method != http::Method::POST {
        return (
            Reply::error(&Error::not_allowed(request.method.as_str(), "$batch"), service.name, transaction, true),
            false,
        );
    }
    let content_type = request.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let Some(boundary) = content_type.and_then(batch::boundary) else {
        return refuse("A batch needs the content type multipart/mixed with a boundary");
    };
    let Some(parts) = batch::read(&request.body, boundary) else {
        return refuse("The batch request is malformed");
    };
    let outer = format!("B{transaction:032X}_0");
    let mut committed = false;
    let mut out = Vec::with_capacity(16 * 1024);
    for (index, part) in parts.iter().enumerate() {
        match part {
            Part::Single(operation) => {
                let reply = if matches!(operation.method, "GET" | "HEAD") {
                    target(service, root, operation.address).and_then(|target| reads::read(system, &target))
                } else {
                    // A change outside of a changeset is one of its own.
                    single_change(system, service, root, operation).inspect(|_| committed = true)
                };
                let reply = reply.unwrap_or_else(|error| Reply::error(&error, service.name, transaction, true));
                reply.write_part(&outer, &mut out);
            }
            Part::Changeset(operations) => match changeset(system, service, root, operations) {
                Ok(replies) => {
                    committed |= !replies.is_empty();
                    let inner = format!("C{transaction:032X}_{index}");
                    let mut answers = Vec::new();
                    replies.iter().for_each(|reply| reply.write_part(&inner, &mut answers));
                    batch::write_changeset(&answers, &inner, &outer, &mut out);
                }
                Err(error) => Reply::error(&error, service.name, transaction, true).write_part(&outer, &mut out),
            },
        }
    }
    out.extend_from_slice(format!("--{outer}--\r\n").as_bytes());
    (Reply::of(202, &format!("multipart/mixed; boundary={outer}"), out), committed)
}

fn changeset(
    system: &System,
    service: &'static Service,
    root: &str,
    operations: &[Operation<'_>],
) -> Result<Vec<Reply>, Error> {
    if operations.iter().any(|operation| operation.method == "GET") {
        return Err(Error::syntax("A changeset takes no reads"));
    }
    let changes = operations.iter().map(|operation| change(service, root, operation)).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<Option<&str>> = operations.iter().map(|operation| operation.content_id).collect();
    let replies = changes::carry_out_referring(system, &changes, &ids)?;
    Ok(replies
        .into_iter()
        .zip(ids)
        .map(|(reply, id)| match id {
            Some(id) => reply.with("content-id", id),
            None => reply,
        })
        .collect())
}

fn single_change(
    system: &System,
    service: &'static Service,
    root: &str,
    operation: &Operation<'_>,
) -> Result<Reply, Error> {
    let change = change(service, root, operation)?;
    let replies = changes::carry_out(system, &[change])?;
    replies.into_iter().next().ok_or_else(|| Error::syntax("Nothing was asked for"))
}

fn change<'a>(service: &'static Service, root: &'a str, operation: &Operation<'a>) -> Result<Change<'a>, Error> {
    let method = operation.tunneled.filter(|_| operation.method == "POST").unwrap_or(operation.method);
    let target = target(service, root, operation.address)?;
    Ok(Change { method, target, if_match: operation.if_match, body: operation.body })
}

/// What an address inside a batch is about: it is relative to the service, starts at the root of the host, or is whole.
fn target<'a>(service: &'static Service, root: &'a str, address: &'a str) -> Result<Target<'a>, Error> {
    let foreign = || Error::syntax(format!("The address {address} is not one of service {}", service.name));
    let path = match address.split_once("://") {
        Some((_, rest)) => &rest[rest.find('/').ok_or_else(foreign)?..],
        None => address,
    };
    let path = if let Some(inside) = path.strip_prefix(ROOT) {
        let (name, rest) = inside.split_once('/').unwrap_or((inside, ""));
        if name.split(';').next() != Some(service.name) {
            return Err(foreign());
        }
        rest
    } else {
        path.trim_start_matches('/')
    };
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let segments = url::segments(path)?;
    if segments.is_empty() {
        return Err(foreign());
    }
    Ok(Target { service, root, segments, query })
}
