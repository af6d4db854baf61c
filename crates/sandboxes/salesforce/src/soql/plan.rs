//! From a query to what has to be done: every name resolved, every literal ready to compare.

use std::sync::Arc;

use super::aggregate::Aggregation;
use super::ast::{Condition, FieldsGroup, Literal, Misread, Operand, Operator, Path, Query, Selected};
use super::filter::{Filter, Operand as Value, Set, glob};
use super::resolve::{FieldPath, Scope, operand};
use super::run;
use crate::schema::{FieldAt, Kind, Object, ObjectAt};
use crate::store::Store;

/// Most rows that `FIELDS(ALL)` may be asked for.
const FIELDS_LIMIT: usize = 200;
/// Most child queries of one query.
const CHILDREN_MAX: usize = 20;
/// How deep child queries may be nested.
const LEVELS_MAX: usize = 5;

/// A query that can be carried out.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) object: ObjectAt,
    pub(crate) shape: Shape,
    pub(super) filter: Option<Filter>,
    pub(super) order: Vec<Sorting>,
    pub(crate) limit: Option<usize>,
    pub(crate) offset: usize,
    /// Deleted records too.
    pub(super) all_rows: bool,
}

/// What is answered.
#[derive(Debug)]
pub(crate) enum Shape {
    Rows(Vec<Column>),
    /// How many rows there are, and nothing else.
    Count,
    Groups(Aggregation),
}

/// One member of each row.
#[derive(Debug)]
pub(crate) enum Column {
    Field { name: Arc<str>, at: FieldAt },
    Parent { name: Arc<str>, by: FieldAt, object: ObjectAt, columns: Vec<Column> },
    Children { name: Arc<str>, by: FieldAt, plan: Arc<Plan> },
}

#[derive(Debug)]
pub(super) struct Sorting {
    pub(super) path: FieldPath,
    pub(super) descending: bool,
    pub(super) nulls_last: bool,
}

/// Makes the plan. Queries within conditions are carried out on the way.
pub(crate) fn plan(store: &Store, query: &Query, all_rows: bool) -> Result<Plan, Misread> {
    let name = query.from.parts.join(".");
    let object = store.schema.find(&name).filter(|object| !object.event).ok_or_else(|| {
        let message = format!(
            "sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names."
        );
        Misread { code: "INVALID_TYPE", at: query.from.at, message }
    })?;
    Planner { store, all_rows: all_rows || query.all_rows }.plan(query, object, 0)
}

struct Planner<'a> {
    store: &'a Store,
    all_rows: bool,
}

impl<'a> Planner<'a> {
    fn plan(&self, query: &Query, object: &'a Object, level: usize) -> Result<Plan, Misread> {
        let scope = Scope { schema: &self.store.schema, object, alias: query.alias.as_deref() };
        let is_aggregate =
            |selected: &Selected| matches!(selected, Selected::Operand { operand: Operand::Aggregate { .. }, .. });
        let is_count = matches!(
            query.selected.as_slice(),
            [Selected::Operand { operand: Operand::Aggregate { of: None, .. }, alias: None }]
        ) && query.group_by.is_empty();
        let filter = query.condition.as_ref().map(|condition| self.filter(&scope, condition)).transpose()?;
        let mut order = Vec::new();
        let shape = if is_count {
            Shape::Count
        } else if !query.group_by.is_empty() || query.selected.iter().any(is_aggregate) {
            Shape::Groups(Aggregation::new(&scope, query)?)
        } else {
            for one in &query.order_by {
                let Operand::Field(path) = &one.operand else {
                    return Err(Misread::malformed(query.from.at, "an aggregate needs GROUP BY to be sorted by"));
                };
                let path = scope.field(path)?;
                order.push(Sorting { path, descending: one.descending, nulls_last: one.nulls_last });
            }
            Shape::Rows(self.columns(&scope, query, level)?)
        };
        if let Some(having) = &query.having
            && query.group_by.is_empty()
        {
            let at = first_place(having);
            return Err(Misread::malformed(at, "unexpected token: 'HAVING'"));
        }
        Ok(Plan {
            object: object.at,
            shape,
            filter,
            order,
            limit: query.limit,
            offset: query.offset,
            all_rows: self.all_rows,
        })
    }

    fn columns(&self, scope: &Scope<'a>, query: &Query, level: usize) -> Result<Vec<Column>, Misread> {
        let mut columns = Vec::with_capacity(query.selected.len());
        let mut children = 0;
        for selected in &query.selected {
            match selected {
                Selected::Operand { operand: Operand::Field(path), alias: None } => {
                    add(scope, scope.object, &mut columns, scope.parts(path), path)?;
                }
                Selected::Operand { operand: Operand::Field(path), alias: Some(alias) } => {
                    return Err(Misread::malformed(path.at, format!("unexpected token: '{alias}'")));
                }
                Selected::Operand { operand: Operand::Aggregate { at, .. }, .. } => {
                    return Err(Misread::malformed(*at, "an aggregate cannot stand beside rows"));
                }
                Selected::Fields { at, group } => fields(scope.object, *group, *at, query.limit, &mut columns)?,
                Selected::Children { at, query } => {
                    children += 1;
                    if children > CHILDREN_MAX || level + 1 >= LEVELS_MAX {
                        return Err(Misread::malformed(*at, "too many child queries, or too deep"));
                    }
                    columns.push(self.children(scope, *at, query, level)?);
                }
            }
        }
        Ok(columns)
    }

    fn children(&self, scope: &Scope<'a>, at: usize, query: &Query, level: usize) -> Result<Column, Misread> {
        let name = scope.parts(&query.from).join(".");
        let list = scope.object.child_list(&name).ok_or_else(|| {
            let message = format!(
                "Didn't understand relationship '{name}' in FROM part of query call. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names."
            );
            Misread { code: "INVALID_TYPE", at: query.from.at, message }
        })?;
        let child = self.store.schema.object(list.object);
        let plan = self.plan(query, child, level + 1)?;
        if !matches!(plan.shape, Shape::Rows(_)) {
            return Err(Misread::malformed(at, "aggregates are not allowed in child queries"));
        }
        let name = list.relationship.clone().unwrap_or_else(|| name.into());
        Ok(Column::Children { name, by: list.field, plan: Arc::new(plan) })
    }

    fn filter(&self, scope: &Scope<'a>, condition: &Condition) -> Result<Filter, Misread> {
        let all = |conditions: &[Condition]| {
            conditions.iter().map(|condition| self.filter(scope, condition)).collect::<Result<Vec<_>, _>>()
        };
        let filterable = |path: &Path| -> Result<FieldPath, Misread> {
            let found = scope.field(path)?;
            let field = found.field_of(scope.schema);
            if matches!(field.kind, Kind::LongText | Kind::Address) {
                let message = format!("field '{}' can not be filtered in a query call", field.name);
                return Err(Misread::field(path.at, message));
            }
            Ok(found)
        };
        Ok(match condition {
            Condition::And(conditions) => Filter::And(all(conditions)?),
            Condition::Or(conditions) => Filter::Or(all(conditions)?),
            Condition::Not(condition) => Filter::Not(Box::new(self.filter(scope, condition)?)),
            Condition::Compare { operand: Operand::Aggregate { at, .. }, .. } => {
                return Err(Misread::malformed(*at, "an aggregate can only be compared in HAVING"));
            }
            Condition::Compare { operand: Operand::Field(path), operator, at, literal } => {
                let path = filterable(path)?;
                let field = path.field_of(scope.schema);
                if *operator == Operator::Like {
                    let Literal::Text(pattern) = literal else {
                        return Err(Misread::malformed(*at, "LIKE needs a text in quotes"));
                    };
                    return Ok(Filter::Like { path, pattern: glob(pattern) });
                }
                let operand = operand(field, literal, *at)?;
                Filter::Compare { path, operator: *operator, operand }
            }
            Condition::In { path, negated, at, literals } => {
                let path = filterable(path)?;
                let field = path.field_of(scope.schema);
                let mut set = Set::default();
                for literal in literals {
                    set.add(operand(field, literal, *at)?);
                }
                Filter::In { path, negated: *negated, set }
            }
            Condition::InQuery { path, negated, at, query } => {
                Filter::In { path: filterable(path)?, negated: *negated, set: self.ids(*at, query)? }
            }
            Condition::Includes { path, negated, values } => {
                let path = filterable(path)?;
                if path.field_of(scope.schema).kind != Kind::MultiPicklist {
                    return Err(Misread::field(query_place(condition), "INCLUDES is for multi-select picklists"));
                }
                Filter::Includes { path, negated: *negated, values: values.clone() }
            }
        })
    }

    /// The ids that a query within a condition selects.
    fn ids(&self, at: usize, query: &Query) -> Result<Set, Misread> {
        let plan = plan(self.store, query, self.all_rows)?;
        let schema = &self.store.schema;
        let object = schema.object(plan.object);
        let selected = match (&plan.shape, query.selected.as_slice()) {
            (Shape::Rows(_), [Selected::Operand { operand: Operand::Field(path), .. }]) => {
                let scope = Scope { schema, object, alias: query.alias.as_deref() };
                Some(scope.field(path)?).filter(|path| matches!(path.field_of(schema).kind, Kind::Id | Kind::Reference))
            }
            _ => None,
        };
        let Some(selected) = selected else {
            return Err(Misread::malformed(at, "The inner select of a semi-join must select exactly one id field"));
        };
        let mut set = Set::default();
        for serial in run::select(self.store, &plan) {
            let id = self.store.id(plan.object, serial);
            if let Some(record) = self.store.table(plan.object).get(u64::from(serial))
                && let crate::cell::View::Ref(id) = selected.view(self.store, object, id, record)
            {
                set.add(Value::Ref(id));
            }
        }
        Ok(set)
    }
}

fn query_place(condition: &Condition) -> usize {
    first_place(condition)
}

/// Where a condition begins.
fn first_place(condition: &Condition) -> usize {
    match condition {
        Condition::And(all) | Condition::Or(all) => all.first().map_or(0, first_place),
        Condition::Not(condition) => first_place(condition),
        Condition::Compare { at, .. } => *at,
        Condition::In { path, .. } | Condition::InQuery { path, .. } | Condition::Includes { path, .. } => path.at,
    }
}

/// Adds a field, own or of a related record, to the tree of columns.
fn add(
    scope: &Scope<'_>,
    object: &Object,
    columns: &mut Vec<Column>,
    parts: &[String],
    path: &Path,
) -> Result<(), Misread> {
    let checked = Scope { schema: scope.schema, object, alias: None };
    match parts {
        [] => Ok(()),
        [last] => {
            let one = Path { at: path.at, parts: vec![last.clone()] };
            let at = checked.field(&one)?.field;
            let name = Arc::clone(&object.field(at).name);
            let is_double =
                columns.iter().any(|column| matches!(column, Column::Field { at: known, .. } if *known == at));
            if is_double {
                return Err(Misread {
                    code: "INVALID_FIELD",
                    at: path.at,
                    message: format!("duplicate field selected: {name}"),
                });
            }
            columns.push(Column::Field { name, at });
            Ok(())
        }
        [relationship, rest @ ..] => {
            if parts.len() > 6 {
                return Err(Misread::malformed(path.at, "SOQL relationship path is too long"));
            }
            let (by, parent) = checked.parent(path.at, object, relationship)?;
            let place = columns
                .iter()
                .position(|column| matches!(column, Column::Parent { by: known, .. } if *known == by))
                .unwrap_or_else(|| {
                    let name = object.field(by).reference.as_ref().and_then(|reference| reference.relationship.clone());
                    let name = name.unwrap_or_else(|| relationship.as_str().into());
                    columns.push(Column::Parent { name, by, object: parent.at, columns: Vec::new() });
                    columns.len() - 1
                });
            match columns.get_mut(place) {
                Some(Column::Parent { columns, .. }) => add(scope, parent, columns, rest, path),
                _ => Ok(()),
            }
        }
    }
}

fn fields(
    object: &Object,
    group: FieldsGroup,
    at: usize,
    limit: Option<usize>,
    columns: &mut Vec<Column>,
) -> Result<(), Misread> {
    if group != FieldsGroup::Standard && limit.is_none_or(|limit| limit > FIELDS_LIMIT) {
        let message = format!("The SOQL FIELDS function must have a LIMIT of at most {FIELDS_LIMIT}");
        return Err(Misread::malformed(at, message));
    }
    for (index, field) in object.fields.iter().enumerate() {
        let wanted = match group {
            FieldsGroup::All => true,
            FieldsGroup::Standard => !field.custom,
            FieldsGroup::Custom => field.custom,
        };
        let at = FieldAt(u16::try_from(index).unwrap_or(u16::MAX));
        let known = columns.iter().any(|column| matches!(column, Column::Field { at: known, .. } if *known == at));
        if wanted && !known {
            columns.push(Column::Field { name: Arc::clone(&field.name), at });
        }
    }
    Ok(())
}
