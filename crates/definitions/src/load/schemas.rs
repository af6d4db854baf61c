//! Schemas in definitions: compiled with their mistakes in place, and asked which members they know.

use std::sync::Arc;

use contract::Schema;
use model::{Path, Span, Value};
use workflow::yaml::{Kind, Node};

use super::reader::Reader;

/// How many references are followed one after the other.
const REFERENCES_MAX: usize = 20;
const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// Compiles a schema; a mistake is told where it stands.
pub(super) fn compile(reader: Reader<'_>, node: &Node, what: &str) -> Option<(Arc<Schema>, Value)> {
    let document = node.to_value();
    match Schema::compile_in_place(&document) {
        Ok(schema) => Some((Arc::new(schema), document)),
        Err(violation) => {
            let (span, at) = at_pointer(node, &violation.path);
            match at.text().filter(|_| violation.path.ends_with("/type")) {
                Some(word) => reader.unknown(span, "IL-DEF-012", format!("`{word}` is no type of JSON"), word, TYPES),
                None => reader.error(span, "IL-DEF-012", format!("{what} is no JSON Schema: {}", violation.message)),
            }
            None
        }
    }
}

/// The node that a JSON pointer names and its place; of the deepest one that exists.
fn at_pointer<'a>(node: &'a Node, pointer: &str) -> (Span, &'a Node) {
    let (mut node, mut span) = (node, node.span);
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        let next = match &node.kind {
            Kind::Map(members) => {
                members.iter().find(|(key, _)| *key.name == *part).map(|(key, inner)| (key.span, inner))
            }
            Kind::List(items) => part.parse::<usize>().ok().and_then(|at| items.get(at)).map(|item| (item.span, item)),
            Kind::Scalar(_) => None,
        };
        let Some((place, inner)) = next else { break };
        (node, span) = (inner, place);
        if matches!(inner.kind, Kind::Scalar(_)) {
            span = inner.span;
        }
    }
    (span, node)
}

/// What a schema knows of a path.
#[derive(Debug, PartialEq)]
pub(super) enum Known<'a> {
    /// There is such a member: its schema.
    Yes(&'a Value),
    /// Anything is allowed there.
    Open,
    /// There is none: the name that is not known, and those that are.
    No(Arc<str>, Vec<&'a str>),
}

/// Looks a path up below a schema of a document.
pub(super) fn member<'a>(document: &'a Value, schema: &'a Value, path: &Path) -> Known<'a> {
    let mut schema = schema;
    for name in path.names() {
        let mut names = Vec::new();
        let mut open = false;
        match properties(document, schema, name, &mut names, &mut open, 0) {
            Some(found) => schema = found,
            None if open || names.is_empty() => return Known::Open,
            None => return Known::No(Arc::clone(name), names),
        }
    }
    Known::Yes(schema)
}

/// The schema of a list's items; `None` when anything is allowed.
pub(super) fn items<'a>(document: &'a Value, schema: &'a Value) -> Option<&'a Value> {
    let schema = dereference(document, schema)?;
    let items = schema.get("items");
    items.as_object().map(|_| items)
}

/// Whether a schema allows values of this type, as far as it says.
pub(super) fn may_be(document: &Value, schema: &Value, kind: &str) -> bool {
    let Some(schema) = dereference(document, schema) else { return true };
    if *schema == Value::Bool(false) {
        return false;
    }
    match schema.get("type") {
        Value::String(own) => **own == *kind,
        Value::Array(all) => all.iter().any(|own| own.as_str() == Some(kind)),
        // Without a type, members are what objects have.
        _ => !schema.has("properties") || kind == "object",
    }
}

/// The members that a schema names.
pub(super) fn names<'a>(document: &'a Value, schema: &'a Value) -> Vec<&'a str> {
    let members = dereference(document, schema).and_then(|schema| schema.get("properties").as_object());
    members.map(|members| members.keys().map(|name| name.as_str()).collect()).unwrap_or_default()
}

fn properties<'a>(
    document: &'a Value,
    schema: &'a Value,
    name: &str,
    names: &mut Vec<&'a str>,
    open: &mut bool,
    depth: usize,
) -> Option<&'a Value> {
    let Some(schema) = dereference(document, schema).filter(|_| depth < REFERENCES_MAX) else {
        *open = true;
        return None;
    };
    *open |= matches!(schema.get("additionalProperties"), Value::Bool(true) | Value::Object(_))
        || schema.has("patternProperties")
        || *schema == Value::Bool(true);
    if let Some(members) = schema.get("properties").as_object() {
        if let Some(found) = members.get(name) {
            return Some(found);
        }
        names.extend(members.keys().map(|name| &**name));
    }
    let parts = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|word| schema.get(word).items());
    for part in parts.chain(["then", "else"].map(|word| schema.get(word)).into_iter().filter(|part| !part.is_null())) {
        if let Some(found) = properties(document, part, name, names, open, depth + 1) {
            return Some(found);
        }
    }
    None
}

/// Follows `$ref` inside the document.
fn dereference<'a>(document: &'a Value, schema: &'a Value) -> Option<&'a Value> {
    let mut schema = schema;
    for _ in 0..REFERENCES_MAX {
        let Some(reference) = schema.get("$ref").as_str() else { return Some(schema) };
        let pointer = reference.strip_prefix('#')?;
        schema = document;
        for part in pointer.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            schema = match schema {
                Value::Object(members) => members.get(&part)?,
                Value::Array(items) => items.get(part.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
    }
    None
}

/// A schema as workflows use it.
#[derive(Debug)]
pub(crate) struct WorkflowSchema(pub(crate) Schema);

impl workflow::SchemaCheck for WorkflowSchema {
    fn check(&self, value: &Value) -> Result<(), String> {
        self.0.check(value).map_err(|violations| {
            let told: Vec<String> = violations.iter().take(5).map(ToString::to_string).collect();
            let more = violations.len() - told.len();
            let more = if more > 0 { format!("; and {more} more") } else { String::new() };
            format!("{}{more}", told.join("; "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_through_references_and_parts() {
        let document = model::json::parse(
            br##"{"properties":{"net":{"$ref":"#/$defs/money"},"lines":{"items":{"properties":{"no":{}}}},"free":{}},
                "allOf":[{"properties":{"extra":{"additionalProperties":true,"properties":{"a":{}}}}}],
                "$defs":{"money":{"properties":{"amount":{}}},"loop":{"$ref":"#/$defs/loop"}}}"##,
        )
        .expect("JSON");
        let look = |path: &str| member(&document, &document, &path.parse().expect("a path"));
        assert!(matches!(look("net.amount"), Known::Yes(_)));
        assert!(matches!(look("net.amont"), Known::No(name, known) if &*name == "amont" && known == ["amount"]));
        assert!(matches!(look("extra.b"), Known::Open));
        assert!(matches!(look("free.b"), Known::Open));
        assert!(matches!(look("nett"), Known::No(..)));
        let Known::Yes(lines) = look("lines") else { panic!("lines") };
        let lines = items(&document, lines).expect("items");
        assert!(matches!(member(&document, lines, &"no".parse().expect("a path")), Known::Yes(_)));
    }
}
