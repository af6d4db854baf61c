//! Mappings from the outside: what tables do, what they say when data does not fit, and that nothing gets lost.

mod cells;
mod errors;
mod generated;
mod properties;
mod tables;

use std::sync::Arc;

use expr::Expression;
use mapping::{FieldDefinition, ListDefinition, Mapping, MappingDefinition, TableDefinition, ValueMap};
use model::{Path, Value};

pub(crate) fn value(text: &str) -> Value {
    model::json::parse(text.as_bytes()).expect("JSON")
}

pub(crate) fn path(text: &str) -> Path {
    text.parse().expect("a path")
}

pub(crate) fn jq(text: &str) -> Option<Expression> {
    Some(Expression::compile(text).expect("jq"))
}

pub(crate) fn plain(canonical: &str, record: &str) -> FieldDefinition {
    FieldDefinition::plain(path(canonical), path(record))
}

pub(crate) fn list(canonical: &str, record: &str, table: TableDefinition) -> ListDefinition {
    ListDefinition { canonical: path(canonical), record: path(record), direction: mapping::Direction::Both, table }
}

pub(crate) fn fields(fields: impl IntoIterator<Item = FieldDefinition>) -> TableDefinition {
    TableDefinition { fields: fields.into_iter().collect(), ..Default::default() }
}

pub(crate) fn definition(table: TableDefinition) -> MappingDefinition {
    MappingDefinition {
        name: "order.erp".into(),
        object: "order".into(),
        connection: "erp".into(),
        record: "A_SalesOrder".into(),
        table,
    }
}

pub(crate) fn mapping(table: TableDefinition) -> Mapping {
    Mapping::compile(&definition(table)).expect("a mapping")
}

pub(crate) fn countries(otherwise: mapping::Otherwise) -> Option<Arc<ValueMap>> {
    let pairs = [("United Kingdom", "GB"), ("Channel Islands", "GB"), ("EIRE", "IE")];
    let pairs = pairs.map(|(record, canonical)| (record.into(), Value::from(canonical)));
    Some(Arc::new(ValueMap::new("countries", pairs, otherwise)))
}
