//! Queries whose rows become lines of a table, as bulk queries have them: no lists within rows, nothing aggregated.

use std::sync::Arc;

use super::ast::{Operand, Query, Selected};
use super::plan::{Column, Plan, Shape, plan};
use super::resolve::{FieldPath, Scope};
use super::{parser, run};
use crate::errors::Refusal;
use crate::render::write_plain;
use crate::schema::{Kind, Object};
use crate::store::Store;

/// A query with the columns of its table.
#[derive(Debug)]
pub(crate) struct Table {
    plan: Plan,
    all_rows: bool,
    columns: Vec<(String, FieldPath)>,
}

fn unsupported(message: &str) -> Refusal {
    Refusal::new("API_ERROR", message)
}

/// What a bulk query refuses although it is SOQL.
fn check(query: &Query) -> Result<(), Refusal> {
    if query.selected.iter().any(|selected| matches!(selected, Selected::Children { .. })) {
        return Err(unsupported("Aggregate Relationships not supported in Bulk V2 Query with CSV content type"));
    }
    let aggregates =
        |selected: &Selected| matches!(selected, Selected::Operand { operand: Operand::Aggregate { .. }, .. });
    if !query.group_by.is_empty() || query.having.is_some() || query.selected.iter().any(aggregates) {
        return Err(unsupported("Function type not supported in Bulk Query"));
    }
    if query.offset > 0 {
        return Err(unsupported("OFFSET clause not supported in Bulk Query"));
    }
    Ok(())
}

impl Table {
    /// Reads a query; deleted records too when it says so or `all_rows` does.
    pub(crate) fn read(store: &Store, text: &str, all_rows: bool, now: i64) -> Result<Self, Refusal> {
        let query = parser::parse(text, now).map_err(|misread| misread.refusal(text))?;
        check(&query)?;
        let plan = plan(store, &query, all_rows).map_err(|misread| misread.refusal(text))?;
        let Shape::Rows(all) = &plan.shape else {
            return Err(unsupported("Function type not supported in Bulk Query"));
        };
        let object = store.schema.object(plan.object);
        let scope = Scope { schema: &store.schema, object, alias: query.alias.as_deref() };
        let mut columns: Vec<(String, FieldPath)> = Vec::with_capacity(query.selected.len());
        let mut add = |path: FieldPath| {
            let name = name(store, object, &path);
            if !columns.iter().any(|(known, _)| *known == name) {
                columns.push((name, path));
            }
        };
        for selected in &query.selected {
            match selected {
                Selected::Operand { operand: Operand::Field(path), .. } => {
                    add(scope.field(path).map_err(|misread| misread.refusal(text))?);
                }
                Selected::Fields { .. } => {
                    for column in all {
                        if let Column::Field { at, .. } = column {
                            add(FieldPath::own_of(object, *at));
                        }
                    }
                }
                Selected::Operand { .. } | Selected::Children { .. } => {}
            }
        }
        let compound = columns.iter().any(|(_, path)| path.field_of(&store.schema).kind == Kind::Address);
        if compound {
            return Err(unsupported("Selecting compound data not supported in Bulk Query"));
        }
        Ok(Self { plan, all_rows: all_rows || query.all_rows, columns })
    }

    /// The name of the kind of records.
    pub(crate) fn object_name(&self, store: &Store) -> Arc<str> {
        Arc::clone(&store.schema.object(self.plan.object).name)
    }

    /// Names of the columns.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// Which records it is about, in the order it asks for.
    pub(crate) fn select(&self, store: &Store) -> Vec<u32> {
        run::select(store, &self.plan)
    }

    /// The values of a record, or nothing when it is gone since it was selected.
    pub(crate) fn values(&self, store: &Store, serial: u32, values: &mut Vec<String>) -> bool {
        let object = store.schema.object(self.plan.object);
        let id = store.id(self.plan.object, serial);
        let record = store.table(self.plan.object).get(u64::from(serial));
        let Some(record) = record.filter(|record| self.all_rows || !record.deleted) else { return false };
        values.resize_with(self.columns.len(), String::new);
        for ((_, path), value) in self.columns.iter().zip(values) {
            value.clear();
            write_plain(path.field_of(&store.schema), path.view(store, object, id, record), value);
        }
        true
    }
}

/// `Account.Name`, as the schema spells it.
fn name(store: &Store, object: &Object, path: &FieldPath) -> String {
    let mut name = String::new();
    let mut from = object;
    for (by, to) in &path.hops {
        let relationship = from.field(*by).reference.as_ref().and_then(|reference| reference.relationship.as_deref());
        name.push_str(relationship.unwrap_or_default());
        name.push('.');
        from = store.schema.object(*to);
    }
    name.push_str(&path.field_of(&store.schema).name);
    name
}
