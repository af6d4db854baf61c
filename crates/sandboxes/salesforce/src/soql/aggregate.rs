//! `GROUP BY` and functions over many records.

use std::cmp::Ordering;
use std::collections::HashSet;

use indexmap::IndexMap;
use model::json::write_string;

use super::ast::{Condition, Function, Literal, Misread, Operand, Operator, Query, Selected};
use super::plan::Plan;
use super::resolve::{FieldPath, Scope};
use super::run;
use crate::cell::{Cell, SCALE_MAX, Text, View, divide_half_up, ten, write_units};
use crate::render::write_view;
use crate::schema::{Field, Kind, Schema};
use crate::store::Store;

/// Most groups: the vendor answers no more rows than that.
const GROUPS_MAX: usize = 2000;

/// What is computed of each group.
#[derive(Debug)]
pub(crate) struct Aggregation {
    keys: Vec<FieldPath>,
    totals: Vec<Total>,
    /// In the order of the selection, with the names of the members.
    shown: Vec<(Part, String)>,
    having: Option<Having>,
    orders: Vec<Sorting>,
}

/// A key or a total, by its number.
#[derive(Debug, Clone, Copy)]
enum Part {
    Key(usize),
    Total(usize),
}

#[derive(Debug)]
struct Sorting {
    by: Part,
    descending: bool,
    nulls_last: bool,
}

#[derive(Debug)]
struct Total {
    function: Function,
    of: Option<FieldPath>,
}

/// What a group is compared with.
#[derive(Debug)]
enum Bound {
    Null,
    Number { units: i128, scale: u8 },
    Text(String),
}

#[derive(Debug)]
enum Having {
    And(Vec<Having>),
    Or(Vec<Having>),
    Not(Box<Having>),
    Compare(Part, Operator, Bound),
}

/// What was gathered for one total of one group.
#[derive(Debug, Default, Clone)]
struct Tally {
    count: u64,
    sum: i128,
    least: Cell,
    most: Cell,
    different: HashSet<String>,
}

/// The keys and totals of one group.
type Group = (Vec<Cell>, Vec<Tally>);

fn owned(view: View<'_>) -> Cell {
    match view {
        View::Null => Cell::Null,
        View::Bool(truth) => Cell::Bool(truth),
        View::Number(number) => Cell::Number(number),
        View::Ref(id) => Cell::Ref(id),
        View::Text(text) => Cell::Text(Text::from(text)),
    }
}

impl Aggregation {
    pub(super) fn new(scope: &Scope<'_>, query: &Query) -> Result<Self, Misread> {
        let keys = query.group_by.iter().map(|path| scope.field(path)).collect::<Result<Vec<_>, _>>()?;
        let mut all = Self { keys, totals: Vec::new(), shown: Vec::new(), having: None, orders: Vec::new() };
        let mut unnamed = 0;
        for selected in &query.selected {
            match selected {
                Selected::Operand { operand, alias } => {
                    let part = all.part(scope, operand)?;
                    let name = match (alias, operand) {
                        (Some(alias), _) => alias.clone(),
                        (None, Operand::Field(path)) => scope.field(path)?.field_of(scope.schema).name.to_string(),
                        (None, Operand::Aggregate { .. }) => {
                            unnamed += 1;
                            format!("expr{}", unnamed - 1)
                        }
                    };
                    all.shown.push((part, name));
                }
                Selected::Children { at, .. } | Selected::Fields { at, .. } => {
                    return Err(Misread::malformed(*at, "child queries and FIELDS cannot stand beside an aggregate"));
                }
            }
        }
        all.having = query.having.as_ref().map(|condition| all.having(scope, condition)).transpose()?;
        for order in &query.order_by {
            let aliased = match &order.operand {
                Operand::Field(path) if path.parts.len() == 1 => {
                    all.shown.iter().find(|(_, name)| name.eq_ignore_ascii_case(&path.parts[0])).map(|(part, _)| *part)
                }
                _ => None,
            };
            let by = match aliased {
                Some(part) => part,
                None => all.part(scope, &order.operand)?,
            };
            all.orders.push(Sorting { by, descending: order.descending, nulls_last: order.nulls_last });
        }
        Ok(all)
    }

    fn part(&mut self, scope: &Scope<'_>, operand: &Operand) -> Result<Part, Misread> {
        match operand {
            Operand::Field(path) => {
                let found = scope.field(path)?;
                self.keys.iter().position(|key| *key == found).map(Part::Key).ok_or_else(|| {
                    let message = format!("Field must be grouped or aggregated: {}", path.parts.join("."));
                    Misread::malformed(path.at, message)
                })
            }
            Operand::Aggregate { at, function, of } => {
                let of = of.as_ref().map(|path| scope.field(path)).transpose()?;
                if let Some(of) = &of {
                    let field = of.field_of(scope.schema);
                    let fits = match function {
                        Function::Sum | Function::Avg => field.is_number(),
                        Function::Count | Function::CountDistinct => true,
                        Function::Min | Function::Max => {
                            !matches!(field.kind, Kind::Boolean | Kind::LongText | Kind::Address)
                        }
                    };
                    if !fits {
                        let message = format!("field {} does not support this aggregate", field.name);
                        return Err(Misread::malformed(*at, message));
                    }
                }
                self.totals.push(Total { function: *function, of });
                Ok(Part::Total(self.totals.len() - 1))
            }
        }
    }

    fn having(&mut self, scope: &Scope<'_>, condition: &Condition) -> Result<Having, Misread> {
        let mut all = |conditions: &[Condition]| {
            conditions.iter().map(|one| self.having(scope, one)).collect::<Result<Vec<_>, _>>()
        };
        Ok(match condition {
            Condition::And(conditions) => Having::And(all(conditions)?),
            Condition::Or(conditions) => Having::Or(all(conditions)?),
            Condition::Not(inner) => Having::Not(Box::new(self.having(scope, inner)?)),
            Condition::Compare { operand, operator, at, literal } => {
                let bound = match literal {
                    Literal::Null => Bound::Null,
                    Literal::Number { units, scale } => Bound::Number { units: *units, scale: *scale },
                    Literal::Text(text) => Bound::Text(text.to_lowercase()),
                    _ => return Err(Misread::malformed(*at, "HAVING compares with numbers and texts")),
                };
                Having::Compare(self.part(scope, operand)?, *operator, bound)
            }
            Condition::In { path, .. } | Condition::InQuery { path, .. } | Condition::Includes { path, .. } => {
                return Err(Misread::malformed(path.at, "only comparisons are allowed in HAVING"));
            }
        })
    }

    /// How many rows there are, and the rows as JSON without the brackets around them.
    pub(super) fn run(&self, store: &Store, plan: &Plan) -> (usize, String) {
        let schema = &store.schema;
        let table = store.table(plan.object);
        let object = schema.object(plan.object);
        let none = || vec![Tally::default(); self.totals.len()];
        let mut groups: IndexMap<Vec<String>, Group> = IndexMap::new();
        if self.keys.is_empty() {
            groups.insert(Vec::new(), (Vec::new(), none()));
        }
        for serial in run::select(store, plan) {
            let Some(record) = table.get(u64::from(serial)) else { continue };
            let id = store.id(plan.object, serial);
            let cells: Vec<Cell> = self.keys.iter().map(|key| owned(key.view(store, object, id, record))).collect();
            let key = cells.iter().map(|cell| format!("{cell:?}").to_lowercase()).collect();
            let (_, tallies) = groups.entry(key).or_insert_with(|| (cells, none()));
            for (total, tally) in self.totals.iter().zip(tallies) {
                let view = total.of.as_ref().map_or(View::Bool(true), |of| of.view(store, object, id, record));
                tally.add(total.function, view);
            }
        }
        let mut rows: Vec<Group> = groups.into_values().collect();
        if let Some(having) = &self.having {
            rows.retain(|row| self.has(schema, having, row));
        }
        rows.sort_by(|left, right| self.order(schema, left, right));
        rows.drain(..plan.offset.min(rows.len()));
        rows.truncate(plan.limit.unwrap_or(usize::MAX).min(GROUPS_MAX));
        let mut text = String::new();
        for (index, row) in rows.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            text.push_str(r#"{"attributes":{"type":"AggregateResult"}"#);
            for (part, name) in &self.shown {
                text.push(',');
                write_string(name, &mut text);
                text.push(':');
                match part {
                    Part::Key(at) => write_view(self.keys[*at].field_of(schema), row.0[*at].view(), &mut text),
                    Part::Total(at) => self.totals[*at].write(schema, &row.1[*at], &mut text),
                }
            }
            text.push('}');
        }
        (rows.len(), text)
    }

    fn cell(&self, schema: &Schema, part: Part, row: &Group) -> Cell {
        match part {
            Part::Key(at) => row.0[at].clone(),
            Part::Total(at) => self.totals[at].cell(schema, &row.1[at]),
        }
    }

    fn scale(&self, schema: &Schema, part: Part) -> u8 {
        match part {
            Part::Key(at) => self.keys[at].field_of(schema).scale,
            Part::Total(at) => self.totals[at].scale(schema),
        }
    }

    fn has(&self, schema: &Schema, having: &Having, row: &Group) -> bool {
        match having {
            Having::And(all) => all.iter().all(|one| self.has(schema, one, row)),
            Having::Or(all) => all.iter().any(|one| self.has(schema, one, row)),
            Having::Not(inner) => !self.has(schema, inner, row),
            Having::Compare(part, operator, bound) => {
                let cell = self.cell(schema, *part, row);
                let ordering = match (bound, &cell) {
                    (Bound::Null, Cell::Null) => Some(Ordering::Equal),
                    (Bound::Number { units, scale }, Cell::Number(number)) => {
                        let own = self.scale(schema, *part);
                        let number = i128::from(*number).saturating_mul(ten(scale.saturating_sub(own)));
                        Some(number.cmp(&units.saturating_mul(ten(own.saturating_sub(*scale)))))
                    }
                    (Bound::Text(text), Cell::Text(found)) => Some(found.as_str().to_lowercase().as_str().cmp(text)),
                    _ => None,
                };
                match (operator, ordering) {
                    (Operator::NotEqual, ordering) => ordering != Some(Ordering::Equal),
                    (_, None) => false,
                    (Operator::Equal | Operator::Like, Some(ordering)) => ordering.is_eq(),
                    (Operator::Less, Some(ordering)) => ordering.is_lt(),
                    (Operator::LessOrEqual, Some(ordering)) => ordering.is_le(),
                    (Operator::Greater, Some(ordering)) => ordering.is_gt(),
                    (Operator::GreaterOrEqual, Some(ordering)) => ordering.is_ge(),
                }
            }
        }
    }

    fn order(&self, schema: &Schema, left: &Group, right: &Group) -> Ordering {
        for sorting in &self.orders {
            let (left, right) = (self.cell(schema, sorting.by, left), self.cell(schema, sorting.by, right));
            let ordering = match (left == Cell::Null, right == Cell::Null) {
                (true, true) => Ordering::Equal,
                (true, false) if sorting.nulls_last => Ordering::Greater,
                (true, false) => Ordering::Less,
                (false, true) if sorting.nulls_last => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) if sorting.descending => run::compare(right.view(), left.view()),
                (false, false) => run::compare(left.view(), right.view()),
            };
            if ordering.is_ne() {
                return ordering;
            }
        }
        Ordering::Equal
    }
}

impl Tally {
    fn add(&mut self, function: Function, view: View<'_>) {
        if view == View::Null {
            return;
        }
        self.count += 1;
        match function {
            Function::Count => {}
            Function::CountDistinct => {
                self.different.insert(format!("{view:?}").to_lowercase());
            }
            Function::Sum | Function::Avg => {
                if let View::Number(number) = view {
                    self.sum += i128::from(number);
                }
            }
            Function::Min => {
                if self.least == Cell::Null || run::compare(view, self.least.view()).is_lt() {
                    self.least = owned(view);
                }
            }
            Function::Max => {
                if self.most == Cell::Null || run::compare(view, self.most.view()).is_gt() {
                    self.most = owned(view);
                }
            }
        }
    }
}

impl Total {
    fn field<'a>(&self, schema: &'a Schema) -> Option<&'a Field> {
        self.of.as_ref().map(|of| of.field_of(schema))
    }

    /// An average has more digits than what it is made of.
    fn scale(&self, schema: &Schema) -> u8 {
        let scale = self.field(schema).map_or(0, |field| field.scale);
        match self.function {
            Function::Count | Function::CountDistinct => 0,
            Function::Avg => (scale + 6).min(SCALE_MAX),
            _ => scale,
        }
    }

    fn cell(&self, schema: &Schema, tally: &Tally) -> Cell {
        let number = |number: i128| i64::try_from(number).map_or(Cell::Null, Cell::Number);
        match self.function {
            Function::Count => number(i128::from(tally.count)),
            Function::CountDistinct => number(i128::try_from(tally.different.len()).unwrap_or(0)),
            _ if tally.count == 0 => Cell::Null,
            Function::Sum => number(tally.sum),
            Function::Avg => {
                let more = self.scale(schema) - self.field(schema).map_or(0, |field| field.scale);
                number(divide_half_up(tally.sum * ten(more), i128::from(tally.count)))
            }
            Function::Min => tally.least.clone(),
            Function::Max => tally.most.clone(),
        }
    }

    fn write(&self, schema: &Schema, tally: &Tally, text: &mut String) {
        let cell = self.cell(schema, tally);
        match (&cell, self.function, self.field(schema)) {
            (Cell::Number(units), Function::Count | Function::CountDistinct, _) => write_units(*units, 0, text),
            (Cell::Number(units), Function::Sum | Function::Avg, _) => {
                write_units(*units, self.scale(schema), text);
                if self.scale(schema) == 0 {
                    text.push_str(".0");
                }
            }
            (_, _, Some(field)) => write_view(field, cell.view(), text),
            _ => text.push_str("null"),
        }
    }
}
