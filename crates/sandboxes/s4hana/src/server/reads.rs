//! Reads: collections, single entities, navigation, properties, counts and functions.

use std::ops::ControlFlow;
use std::sync::PoisonError;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::erp::functions::{self, Call};
use crate::erp::read::{by_key, candidates};
use crate::erp::row::ErpRow;
use crate::erp::store::{CATALOG, Store};
use crate::odata::edm::{EntityType, Function};
use crate::odata::error::Error;
use crate::odata::literal::Literal;
use crate::odata::query::Query;
use crate::odata::shape::{Row, Shape};
use crate::odata::{url, write};

use super::dispatch::{Target, keys};
use super::reply::Reply;
use super::system::{System, now};

const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'&').add(b'+').add(b'%');

/// Answers a read.
///
/// # Errors
/// For addresses and options that do not fit the service.
pub(crate) fn read(system: &System, target: &Target<'_>) -> Result<Reply, Error> {
    let store = system.store.read().unwrap_or_else(PoisonError::into_inner);
    let first = &target.segments[0];
    if let Some(function) = target.service.function(&first.name) {
        if function.method != "GET" {
            return Err(Error::not_allowed("GET", function.name));
        }
        let parameters = parameters(target.query)?;
        let call = Call { name: function.name, parameters: &parameters };
        let rows = functions::read(&store, &call, now())?;
        return Ok(function_reply(target, function, &rows));
    }
    let kind = set(target, &first.name)?;
    let mut at = match &first.keys {
        None => At::Set(kind),
        Some(given) => {
            let keys = keys(kind, given)?;
            At::Row(by_key(&store, kind, &keys).ok_or_else(|| Error::not_found(kind.set))?)
        }
    };
    let mut rest = target.segments[1..].iter().peekable();
    while let Some(segment) = rest.next() {
        let name = segment.name.as_str();
        match (at, name) {
            (At::Set(_) | At::Many(..), "$count") if rest.peek().is_none() => return count(&store, target, at),
            (At::Row(row), "$value") if rest.peek().is_none() => {
                return Err(Error::no_segment(&format!("{}/$value", row.kind.set)));
            }
            (At::Row(row), _) => {
                if let Some(place) = row.kind.navigation(name) {
                    at = follow(row, place, segment.keys.as_deref())?;
                } else if let Some(place) = row.kind.property(name) {
                    let plain = rest.next().map(|segment| segment.name.as_str());
                    return match plain {
                        None => Ok(property(row, place)),
                        Some("$value") if rest.peek().is_none() => {
                            let mut body = Vec::new();
                            write::plain(row.cell(place), &mut body);
                            Ok(Reply::of(200, "text/plain;charset=utf-8", body))
                        }
                        Some(other) => Err(Error::no_segment(other)),
                    };
                } else {
                    return Err(Error::no_segment(name));
                }
            }
            _ => return Err(Error::no_segment(name)),
        }
    }
    let options = url::options(target.query);
    match at {
        At::Row(row) => {
            let query = Query::read(&options, row.kind, target.service)?;
            Ok(single(row, &query.shape, target.root, 200))
        }
        At::Nothing(kind) => Err(Error::not_found(kind.set)),
        At::Set(kind) | At::Many(_, _, kind) => {
            let query = Query::read(&options, kind, target.service)?;
            Ok(collection(system, &store, target, at, kind, &query))
        }
    }
}

/// Where the segments have led so far.
#[derive(Clone, Copy)]
enum At<'a> {
    /// A whole set.
    Set(&'static EntityType),
    /// One entity.
    Row(ErpRow<'a>),
    /// What a navigation leads to from an entity.
    Many(ErpRow<'a>, usize, &'static EntityType),
    /// No entity of a type.
    Nothing(&'static EntityType),
}

fn set(target: &Target<'_>, name: &str) -> Result<&'static EntityType, Error> {
    target.service.set(name).ok_or_else(|| Error::no_segment(name))
}

fn follow<'a>(row: ErpRow<'a>, place: usize, given: Option<&[(Option<String>, Literal)]>) -> Result<At<'a>, Error> {
    let navigation = &row.kind.navigations[place];
    let kind: &'static EntityType = CATALOG.services[row.kind.service].target(navigation);
    let mut related = Vec::new();
    if !navigation.many {
        row.related(place, &mut related);
        return Ok(related.first().map_or(At::Nothing(kind), |row| At::Row(*row)));
    }
    let Some(given) = given else { return Ok(At::Many(row, place, kind)) };
    let keys = keys(kind, given)?;
    row.related(place, &mut related);
    let matches = |row: &&ErpRow<'a>| {
        let mut parts = kind.keys.iter().zip(&keys);
        parts.all(|(place, literal)| row.cell(*place).compare(literal).is_some_and(std::cmp::Ordering::is_eq))
    };
    Ok(related.iter().find(matches).map_or(At::Nothing(kind), |row| At::Row(*row)))
}

/// Hands every row that a query accepts to `visit`, until it breaks off.
fn each<'a>(store: &'a Store, at: At<'a>, query: &Query, visit: &mut dyn FnMut(ErpRow<'a>) -> ControlFlow<()>) {
    let mut pass = |row: ErpRow<'a>| match &query.filter {
        Some(filter) if !filter.accepts(row) => ControlFlow::Continue(()),
        _ => visit(row),
    };
    match at {
        At::Set(kind) => candidates(store, kind, query.filter.as_ref(), &mut pass),
        At::Many(row, place, _) => {
            let mut related = Vec::new();
            row.related(place, &mut related);
            let _ = related.into_iter().try_for_each(pass);
        }
        At::Row(_) | At::Nothing(_) => {}
    }
}

fn count<'a>(store: &'a Store, target: &Target<'_>, at: At<'a>) -> Result<Reply, Error> {
    let (At::Set(kind) | At::Many(_, _, kind)) = at else { return Err(Error::no_segment("$count")) };
    let query = Query::read(&url::options(target.query), kind, target.service)?;
    let mut count: u64 = 0;
    each(store, at, &query, &mut |_| {
        count += 1;
        ControlFlow::Continue(())
    });
    Ok(Reply::of(200, "text/plain;charset=utf-8", count.to_string()))
}

fn collection<'a>(
    system: &System,
    store: &'a Store,
    target: &Target<'_>,
    at: At<'a>,
    kind: &'static EntityType,
    query: &Query,
) -> Reply {
    // Pages are counted after what the client skips; a bound of the client holds for all pages together.
    let left = query.top.map_or(usize::MAX, |top| top.saturating_sub(query.token));
    let room = left.min(system.page);
    let first = query.skip.saturating_add(query.token);
    let mut rows: Vec<ErpRow<'a>> = Vec::new();
    let mut count: usize = 0;
    if query.order.is_empty() {
        let last = first.saturating_add(room);
        each(store, at, query, &mut |row| {
            count += 1;
            // One more than the page holds tells that there is another page.
            if count > first && count <= last.saturating_add(1) {
                rows.push(row);
            }
            if count > last && !query.count { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    } else {
        each(store, at, query, &mut |row| {
            rows.push(row);
            ControlFlow::Continue(())
        });
        count = rows.len();
        rows.sort_by(|left, right| query.compare(*left, *right));
        rows.drain(..first.min(rows.len()));
    }
    let more = rows.len() > room && room < left;
    rows.truncate(room);
    let mut out = Vec::with_capacity(256 + rows.len() * if kind.properties.len() > 40 { 2_500 } else { 1_200 });
    out.extend_from_slice(b"{\"d\":{");
    if query.count {
        out.extend_from_slice(format!("\"__count\":\"{count}\",").as_bytes());
    }
    out.extend_from_slice(b"\"results\":");
    write::list(&rows, &query.shape, target.root, &mut out);
    if more {
        let next = next_page(target, query.token + room);
        out.extend_from_slice(b",\"__next\":");
        crate::odata::value::write_json_text(&next, &mut out);
    }
    out.extend_from_slice(b"}}");
    Reply::json(200, out)
}

fn next_page(target: &Target<'_>, token: usize) -> String {
    let mut path = String::new();
    for (index, segment) in target.segments.iter().enumerate() {
        if index > 0 {
            path.push('/');
        }
        path.push_str(&segment.name);
        if let Some(keys) = &segment.keys {
            let literal = |(name, literal): &(Option<String>, Literal)| {
                let name = name.as_ref().map_or(String::new(), |name| format!("{name}="));
                let text = literal.as_text().unwrap_or("").replace('\'', "''");
                format!("{name}'{}'", utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC))
            };
            path.push_str(&format!("({})", keys.iter().map(literal).collect::<Vec<_>>().join(",")));
        }
    }
    let mut next = format!("{}{path}?", target.root);
    for (name, value) in url::options(target.query).iter().filter(|(name, _)| name != "$skiptoken") {
        next.push_str(&format!("{name}={}&", utf8_percent_encode(value, QUERY)));
    }
    format!("{next}$skiptoken={token}")
}

/// One entity with its ETag.
pub(crate) fn single(row: ErpRow<'_>, shape: &Shape, root: &str, status: u16) -> Reply {
    let mut out = Vec::with_capacity(4 * 1024);
    out.extend_from_slice(b"{\"d\":");
    write::entity(row, shape, root, &mut out);
    out.push(b'}');
    let reply = Reply::json(status, out);
    match write::etag(row) {
        Some(etag) => reply.with("etag", etag),
        None => reply,
    }
}

fn property(row: ErpRow<'_>, place: usize) -> Reply {
    let mut out = b"{\"d\":{".to_vec();
    out.extend_from_slice(&row.kind.properties[place].head);
    row.cell(place).write_json(&mut out);
    out.extend_from_slice(b"}}");
    Reply::json(200, out)
}

/// What a function answers: many as a list, one under the function's name.
pub(crate) fn function_reply(target: &Target<'_>, function: &Function, rows: &[ErpRow<'_>]) -> Reply {
    let mut out = b"{\"d\":{".to_vec();
    let shape = Shape::default();
    if function.many {
        out.extend_from_slice(b"\"results\":");
        write::list(rows, &shape, target.root, &mut out);
    } else if let Some(row) = rows.first() {
        out.extend_from_slice(format!("\"{}\":", function.name).as_bytes());
        write::entity(*row, &shape, target.root, &mut out);
    }
    out.extend_from_slice(b"}}");
    Reply::json(200, out)
}

/// The parameters of a function: those options that are no options of the query or of the system.
///
/// # Errors
/// For a value that is no literal.
pub(crate) fn parameters(query: &str) -> Result<Vec<(String, Literal)>, Error> {
    let options = url::options(query);
    let own = options.iter().filter(|(name, _)| !name.starts_with('$') && !name.starts_with("sap-"));
    own.map(|(name, value)| {
        let literal = Literal::whole(value);
        let literal = literal
            .ok_or_else(|| Error::syntax(format!("Invalid value '{value}' for parameter '{name}'")).at(&**name))?;
        Ok((name.to_string(), literal))
    })
    .collect()
}
