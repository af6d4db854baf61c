//! Creates, changes, deletes and actions: one by itself, or several that succeed or fail together.

use crate::erp::functions::{self, Acted, Call};
use crate::erp::store::CATALOG;
use crate::erp::transaction::Transaction;
use crate::erp::write::{self, Created};
use crate::odata::body::Body;
use crate::odata::edm::{EntityType, Function, Service};
use crate::odata::error::Error;
use crate::odata::literal::Literal;
use crate::odata::shape::Shape;
use crate::odata::write::key;

use super::dispatch::{Target, keys};
use super::reads;
use super::reply::Reply;
use super::system::System;

/// One change that is asked for.
pub(crate) struct Change<'a> {
    /// `POST`, `PATCH`, `MERGE`, `PUT`, `DELETE`.
    pub(crate) method: &'a str,
    /// What it is about.
    pub(crate) target: Target<'a>,
    /// The concurrency token that the client holds.
    pub(crate) if_match: Option<&'a str>,
    /// The body.
    pub(crate) body: &'a [u8],
}

/// What was done, before it is told.
enum Done {
    Created(Created, Shape),
    Acted(&'static Function, &'static EntityType, Acted),
    Changed,
}

/// Carries out changes as one unit of work: all of them, or none.
///
/// # Errors
/// The first refusal.
pub(crate) fn carry_out(system: &System, changes: &[Change<'_>]) -> Result<Vec<Reply>, Error> {
    carry_out_referring(system, changes, &[])
}

/// Carries out changes of which some refer to others by the `Content-ID` that these have.
///
/// # Errors
/// The first refusal.
pub(crate) fn carry_out_referring(
    system: &System,
    changes: &[Change<'_>],
    content_ids: &[Option<&str>],
) -> Result<Vec<Reply>, Error> {
    // Bodies are read before anybody has to wait.
    let prepared = changes.iter().map(prepare).collect::<Vec<_>>();
    system.work(|work| {
        let mark = work.mark();
        let mut done: Vec<Done> = Vec::with_capacity(changes.len());
        for (index, (change, prepared)) in changes.iter().zip(&prepared).enumerate() {
            let referred = referred(change, &done, content_ids);
            let result = match (prepared, referred) {
                (Err(error), None) => Err(error.clone()),
                (Ok(prepared), None) => carry(system, work, change, prepared),
                (_, Some(created)) => carry_referring(system, work, change, created),
            };
            match result {
                Ok(one) => done.push(one),
                Err(error) => {
                    work.roll_back(mark);
                    work.events.clear();
                    work.steps.clear();
                    tracing::debug!(index, code = error.code, "a unit of work was taken back");
                    return Err(error);
                }
            }
        }
        Ok(done.iter().zip(changes).map(|(done, change)| tell(work, change, done)).collect())
    })
}

/// What a change is, once its address and body are understood.
enum Prepared {
    Create(&'static EntityType, Body<'static>),
    CreateBelow(&'static EntityType, Vec<Literal>, &'static EntityType, Body<'static>),
    Act(&'static Function),
    Change(&'static EntityType, Vec<Literal>, Body<'static>),
    Delete(&'static EntityType, Vec<Literal>),
}

fn prepare(change: &Change<'_>) -> Result<Prepared, Error> {
    let service: &'static Service = change.target.service;
    let segments = &change.target.segments;
    let first = segments.first().ok_or_else(|| Error::syntax("The address is missing"))?;
    if let Some(function) = service.function(&first.name).filter(|_| segments.len() == 1) {
        return if function.method == "POST" && change.method == "POST" {
            Ok(Prepared::Act(function))
        } else {
            Err(Error::not_allowed(change.method, function.name))
        };
    }
    let kind = service.set(&first.name).ok_or_else(|| Error::no_segment(&first.name))?;
    let refused = || Err(Error::not_allowed(change.method, kind.set));
    match (change.method, segments.len(), &first.keys) {
        ("POST", 1, None) => Ok(Prepared::Create(kind, Body::read(change.body, kind, service)?)),
        ("POST", 2, Some(given)) => {
            let below = below(kind, &segments[1].name)?;
            let body = Body::read(change.body, below, service)?;
            Ok(Prepared::CreateBelow(kind, keys(kind, given)?, below, body))
        }
        ("PATCH" | "MERGE" | "PUT", 1, Some(given)) => {
            Ok(Prepared::Change(kind, keys(kind, given)?, Body::read(change.body, kind, service)?))
        }
        ("DELETE", 1, Some(given)) => Ok(Prepared::Delete(kind, keys(kind, given)?)),
        _ => refused(),
    }
}

fn below(kind: &'static EntityType, name: &str) -> Result<&'static EntityType, Error> {
    let place = kind.navigation(name).ok_or_else(|| Error::no_segment(name))?;
    Ok(CATALOG.services[kind.service].target(&kind.navigations[place]))
}

/// Whether somebody else is working on what is to be changed.
fn check_lock(
    system: &System,
    work: &Transaction<'_>,
    kind: &'static EntityType,
    keys: &[Literal],
    body: Option<&Body<'_>>,
) -> Result<(), Error> {
    let simulates = CATALOG.services[kind.service].name == "API_SALES_ORDER_SIMULATION_SRV";
    let held = keys.iter().filter_map(Literal::as_text).any(|number| system.is_locked(number));
    if held || (!simulates && system.faults.strikes("row_lock")) {
        return Err(write::locked(work.store, kind, keys, body));
    }
    Ok(())
}

fn carry(system: &System, work: &mut Transaction<'_>, change: &Change<'_>, prepared: &Prepared) -> Result<Done, Error> {
    match prepared {
        Prepared::Create(kind, body) => {
            check_lock(system, work, kind, &[], Some(body))?;
            Ok(Done::Created(write::create(work, kind, body)?, shape_of(body)))
        }
        Prepared::CreateBelow(parent, keys, kind, body) => {
            check_lock(system, work, parent, keys, Some(body))?;
            Ok(Done::Created(write::create_below(work, parent, keys, kind, body)?, shape_of(body)))
        }
        Prepared::Change(kind, keys, body) => {
            check_lock(system, work, kind, keys, Some(body))?;
            write::change(work, kind, keys, change.if_match, body)?;
            Ok(Done::Changed)
        }
        Prepared::Delete(kind, keys) => {
            check_lock(system, work, kind, keys, None)?;
            write::delete(work, kind, keys, change.if_match)?;
            Ok(Done::Changed)
        }
        Prepared::Act(function) => {
            let service = change.target.service;
            let parameters = reads::parameters(change.target.query)?;
            let kind = &service.types[function.returns];
            let numbers: Vec<Literal> = parameters.iter().map(|(_, literal)| literal.clone()).collect();
            check_lock(system, work, kind, &numbers, None)?;
            let call = Call { name: function.name, parameters: &parameters };
            Ok(Done::Acted(function, kind, functions::act(work, &call)?))
        }
    }
}

/// The earlier change of the same unit of work whose result the address starts with: `$1` or `$1/to_Item`.
fn referred<'d>(change: &Change<'_>, done: &'d [Done], content_ids: &[Option<&str>]) -> Option<&'d Created> {
    let id = change.target.segments.first()?.name.strip_prefix('$')?;
    let index = content_ids.iter().position(|other| *other == Some(id))?;
    match done.get(index) {
        Some(Done::Created(created, _)) => Some(created),
        _ => None,
    }
}

fn carry_referring(
    system: &System,
    work: &mut Transaction<'_>,
    change: &Change<'_>,
    created: &Created,
) -> Result<Done, Error> {
    let Created::Row(kind, keys) = created else { return Err(Error::syntax("A simulation cannot be referred to")) };
    let service: &'static Service = change.target.service;
    let prepared = match (change.method, change.target.segments.get(1)) {
        ("POST", Some(segment)) => {
            let below = below(kind, &segment.name)?;
            Prepared::CreateBelow(kind, keys.clone(), below, Body::read(change.body, below, service)?)
        }
        ("PATCH" | "MERGE" | "PUT", None) => {
            Prepared::Change(kind, keys.clone(), Body::read(change.body, kind, service)?)
        }
        ("DELETE", None) => Prepared::Delete(kind, keys.clone()),
        _ => return Err(Error::not_allowed(change.method, kind.set)),
    };
    carry(system, work, change, &prepared)
}

/// A create answers with the children that were sent.
fn shape_of(body: &Body<'_>) -> Shape {
    let mut shape = Shape::default();
    include(body, &mut shape);
    shape
}

fn include(body: &Body<'_>, shape: &mut Shape) {
    for (place, children) in &body.children {
        let inner = shape.inner(*place);
        children.iter().for_each(|child| include(child, inner));
    }
}

fn tell(work: &Transaction<'_>, change: &Change<'_>, done: &Done) -> Reply {
    match done {
        Done::Changed => Reply::empty(204),
        Done::Acted(function, kind, acted) => {
            reads::function_reply(&change.target, function, &acted.rows(work.store, kind))
        }
        Done::Created(created, shape) => match created.row(work.store) {
            Some(row) => {
                let mut location = change.target.root.as_bytes().to_vec();
                location.extend_from_slice(row.kind.set.as_bytes());
                key(row, &mut location);
                let location = String::from_utf8_lossy(&location).into_owned();
                reads::single(row, shape, change.target.root, 201).with("location", location)
            }
            // A later change of the same unit of work has deleted it.
            None => Reply::empty(204),
        },
    }
}
