//! From a record to the canonical object.

use expr::Limits;
use model::{Currency, Value};

use crate::convert::{amount, bounded, cased, convert, trimmed};
use crate::definition::{CurrencySource, Kind};
use crate::error::{MappingError, Misfit, Misfits, Side};
use crate::place::{Found, Place, find, names};
use crate::plan::{Branch, Cell, Computed, List, Mapping, ReadLeaf, Shape, Table};

/// Members under which systems wrap a list: OData V2 and SOQL.
const WRAPPERS: [&str; 2] = ["results", "records"];

impl Mapping {
    /// The canonical object of a record. Members that the record lacks are `null`, lists empty.
    ///
    /// # Errors
    /// Every cell that does not fit.
    pub fn read(&self, record: &Value) -> Result<Value, MappingError> {
        self.read_with(record, true)
    }

    /// As [`Self::read`], but required members may be missing: for what a system answers to a write, which is often no
    /// more than the record's id.
    ///
    /// # Errors
    /// Every cell that does not fit.
    pub fn read_partial(&self, record: &Value) -> Result<Value, MappingError> {
        self.read_with(record, false)
    }

    fn read_with(&self, record: &Value, whole: bool) -> Result<Value, MappingError> {
        let mut reading = Reading { misfits: Misfits::new(Side::Read), whole };
        let canonical = if record.as_object().is_some() {
            reading.table(&self.table, record, None)
        } else {
            let rule = format!("a record of `{}` is wanted", self.record);
            reading.misfits.add(String::new(), String::new(), record, rule.into());
            Value::Null
        };
        reading.misfits.into_result(&self.name, canonical)
    }
}

struct Reading {
    misfits: Misfits,
    whole: bool,
}

impl Reading {
    fn table(&mut self, table: &Table, record: &Value, place: Option<&Place<'_>>) -> Value {
        self.shape(table, &table.read, record, place)
    }

    fn shape(&mut self, table: &Table, shape: &Shape<ReadLeaf>, record: &Value, place: Option<&Place<'_>>) -> Value {
        let values = shape.branches.iter().map(|branch| match branch {
            Branch::Inner(_, inner) => self.shape(table, inner, record, place),
            // The compiler made both from the places of this table.
            Branch::Leaf(_, ReadLeaf::Cell(index)) => self.cell(&table.cells[*index], record, place),
            Branch::Leaf(_, ReadLeaf::List(index)) => self.list(&table.lists[*index], record, place),
        });
        Value::from(shape.filled(values))
    }

    fn cell(&mut self, cell: &Cell, record: &Value, place: Option<&Place<'_>>) -> Value {
        if cell.plain
            && let Some(path) = &cell.record
            && let Found::Value(value) = find(path, record)
            && !is_missing(value)
        {
            return value.clone();
        }
        let computed;
        let raw = match (&cell.read, &cell.record) {
            (Some(read), _) => match compute(read, record) {
                Ok(value) => {
                    computed = value;
                    &computed
                }
                Err(rule) => return self.misfit(cell, place, &Value::Null, rule),
            },
            (None, Some(path)) => match find(path, record) {
                Found::Value(value) => value,
                Found::Absent => &Value::Null,
                Found::Blocked(value) => return self.misfit(cell, place, value, "a related record is wanted"),
            },
            (None, None) => &Value::Null,
        };
        match finish(cell, raw, record) {
            Ok(value) if is_missing(&value) => match &cell.default {
                Some(default) => default.clone(),
                None if cell.required && self.whole => self.misfit(cell, place, &value, "it is required"),
                None => value,
            },
            Ok(value) => value,
            Err(misfit) => self.misfit(cell, place, raw, misfit),
        }
    }

    fn list(&mut self, list: &List, record: &Value, place: Option<&Place<'_>>) -> Value {
        let found = match find(&list.record, record) {
            Found::Value(value) => value,
            Found::Absent => &Value::Null,
            Found::Blocked(value) => value,
        };
        let items = match found {
            Value::Null => Some(&[][..]),
            Value::Array(items) => Some(items.as_slice()),
            Value::Object(_) => WRAPPERS.iter().find_map(|wrapper| found.get(wrapper).as_array()),
            _ => None,
        };
        let Some(items) = items else {
            let (canonical, field) = names(place, &list.canonical_text, &list.record_text);
            self.misfits.add(canonical, field, found, "a list is wanted".into());
            return Value::Null;
        };
        let read = items.iter().enumerate().map(|(index, item)| {
            let place = Place { around: place, list, index };
            if item.as_object().is_some() {
                return self.table(&list.table, item, Some(&place));
            }
            let (canonical, field) = names(Some(&place), "", "");
            self.misfits.add(canonical, field, item, "a record is wanted".into());
            Value::Null
        });
        Value::from(read.collect::<Vec<_>>())
    }

    fn misfit(&mut self, cell: &Cell, place: Option<&Place<'_>>, value: &Value, misfit: impl Into<Misfit>) -> Value {
        let (canonical, record) = names(place, &cell.canonical_text, &cell.record_text);
        self.misfits.add(canonical, record, value, misfit.into());
        Value::Null
    }
}

/// What a cell makes of a raw value.
#[inline]
fn finish(cell: &Cell, raw: &Value, record: &Value) -> Result<Value, Misfit> {
    let mut value = raw.clone();
    if cell.trim {
        value = trimmed(value);
    }
    value = cased(value, cell.case);
    if let Kind::Money(currency) = &cell.kind {
        return Ok(money(currency, &value, record)?);
    }
    if let Some(values) = &cell.values {
        value = values.read(&value)?;
    }
    Ok(bounded(convert(&cell.kind, value)?, cell.length, cell.too_long)?)
}

fn money(source: &CurrencySource, value: &Value, record: &Value) -> Result<Value, String> {
    if is_missing(value) {
        return Ok(Value::Null);
    }
    let amount = amount(value)?;
    let currency = match source {
        CurrencySource::Constant(currency) => *currency,
        CurrencySource::Field(path) => {
            let field = path.get(record);
            let text = field.as_str().unwrap_or_default().trim();
            let missing = || format!("its currency in `{path}` is no ISO 4217 code such as `GBP`");
            let currency = text.parse::<Currency>().map_err(|_| missing())?;
            if let Value::String(shared) = field {
                return Ok(model::Money { amount, currency }.to_value_with(shared.clone()));
            }
            currency
        }
    };
    Ok(model::Money { amount, currency }.to_value())
}

/// The result of a cell's jq. An expression that fails on an input without any of its members gives `null`.
pub(crate) fn compute(computed: &Computed, input: &Value) -> Result<Value, String> {
    computed.expression.evaluate(input, &[], Limits::default()).or_else(|error| {
        let uses = &computed.uses;
        if uses.complete && !uses.paths.is_empty() && uses.paths.iter().all(|path| path.get(input).is_null()) {
            return Ok(Value::Null);
        }
        let text = computed.expression.text();
        Err(format!("the expression `{text}` fails: {error}"))
    })
}

/// Whether a value counts as none for `default` and `required`.
#[inline]
pub(crate) fn is_missing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}
