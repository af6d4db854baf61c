//! Entities as the JSON of OData V2.

use super::edm::EntityType;
use super::shape::{Row, Shape};
use super::value::Cell;

/// Appends `('1')` or `(SalesOrder='1',SalesOrderItem='10')`.
pub(crate) fn key<'a, R: Row<'a>>(row: R, out: &mut Vec<u8>) {
    let entity = row.entity();
    out.push(b'(');
    for (index, property) in entity.keys.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if entity.keys.len() > 1 {
            out.extend_from_slice(entity.properties[*property].name.as_bytes());
            out.push(b'=');
        }
        row.cell(*property).write_literal(out);
    }
    out.push(b')');
}

/// The concurrency token of a row as it stands in a header: `W/"datetimeoffset'…'"`.
pub(crate) fn etag<'a, R: Row<'a>>(row: R) -> Option<String> {
    let property = row.entity().token?;
    let mut literal = Vec::with_capacity(48);
    row.cell(property).write_literal(&mut literal);
    // Gateway encodes the literal of an instant as in an address.
    Some(format!("W/\"{}\"", String::from_utf8_lossy(&literal).replace(':', "%3A")))
}

/// Appends one entity. `root` is the address of the service, with a slash at its end.
pub(crate) fn entity<'a, R: Row<'a>>(row: R, shape: &Shape, root: &str, out: &mut Vec<u8>) {
    let kind = row.entity();
    out.push(b'{');
    let mut address = 0..0;
    if !kind.set.is_empty() {
        out.extend_from_slice(b"\"__metadata\":{\"id\":\"");
        let start = out.len();
        out.extend_from_slice(root.as_bytes());
        out.extend_from_slice(kind.set.as_bytes());
        key(row, out);
        address = start..out.len();
        out.extend_from_slice(b"\",\"uri\":\"");
        out.extend_from_within(address.clone());
        out.extend_from_slice(b"\",\"type\":\"");
        out.extend_from_slice(kind.full_name.as_bytes());
        if let Some(etag) = etag(row) {
            out.extend_from_slice(b"\",\"etag\":\"");
            out.extend_from_slice(etag.replace('"', "\\\"").as_bytes());
        }
        out.extend_from_slice(b"\"},");
    }
    let property = |place: usize, out: &mut Vec<u8>| {
        out.extend_from_slice(&kind.properties[place].head);
        row.cell(place).write_json(out);
        out.push(b',');
    };
    match &shape.properties {
        Some(chosen) => chosen.iter().for_each(|place| property(*place, out)),
        None => (0..kind.properties.len()).for_each(|place| property(place, out)),
    }
    navigations(row, kind, shape, root, address, out);
    if out.last() == Some(&b',') {
        out.pop();
    }
    out.push(b'}');
}

fn navigations<'a, R: Row<'a>>(
    row: R,
    kind: &'a EntityType,
    shape: &Shape,
    root: &str,
    address: std::ops::Range<usize>,
    out: &mut Vec<u8>,
) {
    for (place, navigation) in kind.navigations.iter().enumerate() {
        if let Some((_, inner)) = shape.expanded.iter().find(|(expanded, _)| *expanded == place) {
            out.extend_from_slice(&navigation.head);
            let mut rows = Vec::new();
            row.related(place, &mut rows);
            if navigation.many {
                out.extend_from_slice(b"{\"results\":");
                list(&rows, inner, root, out);
                out.push(b'}');
            } else if let Some(only) = rows.first() {
                entity(*only, inner, root, out);
            } else {
                out.extend_from_slice(b"null");
            }
            out.push(b',');
        } else if shape.links.as_ref().is_none_or(|links| links.contains(&place)) {
            out.extend_from_slice(&navigation.head);
            out.extend_from_slice(b"{\"__deferred\":{\"uri\":\"");
            out.extend_from_within(address.clone());
            out.push(b'/');
            out.extend_from_slice(navigation.name.as_bytes());
            out.extend_from_slice(b"\"}},");
        }
    }
}

/// Appends `[…]`.
pub(crate) fn list<'a, R: Row<'a>>(rows: &[R], shape: &Shape, root: &str, out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        entity(*row, shape, root, out);
    }
    out.push(b']');
}

/// Appends a property as plain text, for `/$value`.
pub(crate) fn plain(cell: Cell<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    match cell {
        Cell::Text(text) => out.extend_from_slice(text.as_bytes()),
        Cell::Null => {}
        Cell::Date(instant) | Cell::Instant(instant) => super::time::write_iso(instant, false, out),
        cell => {
            cell.write_json(out);
            // Numbers are quoted in JSON and plain here.
            if out[start..].starts_with(b"\"") && out.ends_with(b"\"") {
                out.pop();
                out.remove(start);
            }
        }
    }
}
