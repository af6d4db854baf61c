//! `objects/*.yaml`

use model::ObjectName;

use super::Document;
use super::reader::Reader;
use super::schemas;
use crate::object::ObjectDefinition;

pub(super) fn read<'a>(reader: Reader<'a>, document: &'a Document<'a>) -> Option<ObjectDefinition> {
    let fields = reader.fields(&document.node, document.node.span, "an object's file", &["object", "schema"])?;
    let named = fields.named("object", document.stem, "an object");
    let (schema, document) = schemas::compile(reader, fields.required("schema")?, "`schema`")?;
    named.map(|name| ObjectDefinition { name: ObjectName::new(name), schema, document })
}
