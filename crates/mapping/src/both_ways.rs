//! The part of a canonical object that a mapping both reads and writes: what has to come back as it was.

use model::Value;

use crate::definition::Direction;
use crate::plan::{Mapping, Table};

impl Mapping {
    /// An object reduced to what this mapping both reads and writes. Reading what was written gives the same of these.
    #[must_use]
    pub fn both_ways(&self, canonical: &Value) -> Value {
        reduced(&self.table, canonical)
    }
}

fn reduced(table: &Table, canonical: &Value) -> Value {
    let mut kept = Value::empty_object();
    for cell in table.cells.iter().filter(|cell| cell.direction == Direction::Both) {
        cell.canonical.set(&mut kept, cell.canonical.get(canonical).clone());
    }
    for list in table.lists.iter().filter(|list| list.direction == Direction::Both) {
        let found = list.canonical.get(canonical);
        let items = found.as_array().map(|items| Value::array(items.iter().map(|item| reduced(&list.table, item))));
        list.canonical.set(&mut kept, items.unwrap_or_else(|| found.clone()));
    }
    kept
}
