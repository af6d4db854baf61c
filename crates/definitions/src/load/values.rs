//! `values/*.yaml`: value maps.

use std::sync::Arc;

use mapping::{Otherwise, ValueMap};
use model::Value;
use workflow::yaml::{Kind, Node};

use super::Document;
use super::reader::{Fields, Reader, lost_zeros};

pub(super) fn read<'a>(reader: Reader<'a>, document: &'a Document<'a>) -> Option<ValueMap> {
    let known = ["values", "map", "otherwise"];
    let fields = reader.fields(&document.node, document.node.span, "a value map", &known)?;
    let name = fields.named("values", document.stem, "a value map");
    let otherwise = otherwise(reader, &fields);
    let map = fields.required("map")?;
    let entries = reader.entries(map, "`map`");
    let pairs: Vec<(Arc<str>, Value)> =
        entries.iter().filter_map(|(key, node)| Some((Arc::clone(&key.name), scalar(reader, node)?))).collect();
    if entries.is_empty() && map.map().is_some() {
        reader.error(map.span, "IL-DEF-004", "`map` translates nothing");
    }
    Some(ValueMap::new(name?, pairs, otherwise))
}

fn otherwise<'a>(reader: Reader<'a>, fields: &Fields<'a>) -> Otherwise {
    let Some(node) = fields.get("otherwise") else { return Otherwise::Refuse };
    if node.map().is_some() {
        let inner = reader.fields(node, fields.key_span("otherwise"), "`otherwise`", &["value"]);
        let value = inner.and_then(|inner| inner.required("value")).and_then(|node| scalar(reader, node));
        return value.map_or(Otherwise::Refuse, Otherwise::Value);
    }
    match fields.word("otherwise", &[("refuse", false), ("keep", true)]) {
        Some(true) => Otherwise::Keep,
        _ => Otherwise::Refuse,
    }
}

fn scalar(reader: Reader<'_>, node: &Node) -> Option<Value> {
    let Kind::Scalar(scalar) = &node.kind else {
        reader.error(node.span, "IL-DEF-002", "a value map translates single values, not lists or mappings");
        return None;
    };
    if lost_zeros(node) {
        let message = format!("without quotes, {} is the number {}", scalar.text, scalar.value);
        reader.warning(node.span, message, format!("write '{}' to keep the zeros", scalar.text));
    }
    Some(scalar.value.clone())
}
