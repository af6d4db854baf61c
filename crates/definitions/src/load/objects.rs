//! `objects/*.yaml`

use model::ObjectName;

use super::reader::Reader;
use super::{Document, agreement, schemas};
use crate::object::ObjectDefinition;

pub(super) fn read<'a>(reader: Reader<'a>, document: &'a Document<'a>) -> Option<ObjectDefinition> {
    let known: Vec<&str> = ["object", "schema"].into_iter().chain(agreement::MEMBERS).collect();
    let fields = reader.fields(&document.node, document.node.span, "an object's file", &known)?;
    let named = fields.named("object", document.stem, "an object");
    let (schema, document) = schemas::compile(reader, fields.required("schema")?, "`schema`")?;
    named.map(|name| ObjectDefinition { name: ObjectName::new(name), schema, document })
}
