//! Canonical objects.

use std::sync::Arc;

use contract::{Schema, Violation};
use model::{Object, ObjectName, Value};

/// One file of `objects/`.
#[derive(Debug)]
pub struct ObjectDefinition {
    /// Its name.
    pub name: ObjectName,
    /// Its schema, compiled.
    pub schema: Arc<Schema>,
    /// Its schema as written.
    pub document: Value,
}

impl ObjectDefinition {
    /// Checks a canonical object. A member that is `null` counts as one that is not there: mappings give `null` for what a
    /// record does not have.
    ///
    /// # Errors
    /// What does not fit the schema, and where.
    pub fn check(&self, object: &Value) -> Result<(), Vec<Violation>> {
        if self.schema.is_valid(object) { Ok(()) } else { self.schema.check(&without_nulls(object)) }
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::from(items.iter().map(without_nulls).collect::<Vec<_>>()),
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, member)| !member.is_null());
            Value::from(kept.map(|(name, member)| (name.clone(), without_nulls(member))).collect::<Object>())
        }
        other => other.clone(),
    }
}
