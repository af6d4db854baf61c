//! From the canonical object to a record.

use std::borrow::Cow;

use model::{Currency, Object, Value};

use crate::convert::{amount, bounded, cased, convert, trimmed};
use crate::definition::{CurrencySource, Kind};
use crate::error::{MappingError, Misfit, Misfits, Side};
use crate::place::{Found, Place, find, names};
use crate::plan::{Branch, Cell, List, Mapping, Shape, Source, Table, WriteLeaf};
use crate::read::{compute, is_missing};

impl Mapping {
    /// The record of a canonical object. Absent members are not written, `null` members write `null`, constants always.
    ///
    /// # Errors
    /// Every cell that does not fit.
    pub fn write(&self, canonical: &Value) -> Result<Value, MappingError> {
        self.write_with(canonical, true, true)
    }

    /// As [`Self::write`], but required members may be absent: for a change of a record that has them already.
    ///
    /// # Errors
    /// Every cell that does not fit.
    pub fn write_partial(&self, canonical: &Value) -> Result<Value, MappingError> {
        self.write_with(canonical, true, false)
    }

    /// As [`Self::write`] without the constants: for the fields that a search compares.
    ///
    /// # Errors
    /// Every cell that does not fit.
    pub fn write_fields(&self, canonical: &Value) -> Result<Value, MappingError> {
        self.write_with(canonical, false, true)
    }

    fn write_with(&self, canonical: &Value, constants: bool, whole: bool) -> Result<Value, MappingError> {
        let mut writing = Writing { misfits: Misfits::new(Side::Write), constants, whole };
        let record = if canonical.as_object().is_some() {
            writing.table(&self.table, canonical, None)
        } else {
            let rule = format!("a canonical `{}` is wanted", self.object);
            writing.misfits.add(String::new(), String::new(), canonical, rule.into());
            Value::Null
        };
        writing.misfits.into_result(&self.name, record)
    }
}

struct Writing {
    misfits: Misfits,
    constants: bool,
    /// Whether required members have to be there.
    whole: bool,
}

impl Writing {
    fn table(&mut self, table: &Table, canonical: &Value, place: Option<&Place<'_>>) -> Value {
        Value::from(self.shape(table, &table.write, canonical, place))
    }

    fn shape(
        &mut self,
        table: &Table,
        shape: &Shape<WriteLeaf>,
        canonical: &Value,
        place: Option<&Place<'_>>,
    ) -> Object {
        let values = shape.branches.iter().map(|branch| match branch {
            Branch::Inner(_, inner) => {
                let inner = self.shape(table, inner, canonical, place);
                (!inner.is_empty()).then(|| Value::from(inner))
            }
            Branch::Leaf(_, WriteLeaf::Cells(sources)) => self.cells(table, sources, canonical, place),
            Branch::Leaf(_, WriteLeaf::List(index)) => self.list(&table.lists[*index], canonical, place),
            Branch::Leaf(_, WriteLeaf::Constant(value)) => self.constants.then(|| value.clone()),
        });
        let values: Vec<Option<Value>> = values.collect();
        let there = values.iter().flatten().count();
        if there == values.len() {
            return shape.filled(values.into_iter().flatten());
        }
        let mut object = Object::with_capacity(there);
        for ((name, _), value) in shape.empty.iter().zip(values) {
            if let Some(value) = value {
                object.insert(name.clone(), value);
            }
        }
        object
    }

    /// What the cells that share a field write there. They have to agree.
    fn cells(
        &mut self,
        table: &Table,
        sources: &[Source],
        canonical: &Value,
        place: Option<&Place<'_>>,
    ) -> Option<Value> {
        // Nearly all fields: one cell whose value goes through as it is.
        if let [Source::Value(index)] = sources
            && let cell = &table.cells[*index]
            && cell.plain
            && let Found::Value(value) = find(&cell.canonical, canonical)
            && !is_missing(value)
        {
            return Some(value.clone());
        }
        let mut written: Option<Value> = None;
        for source in sources {
            let (cell, value) = match source {
                Source::Value(index) => (&table.cells[*index], self.cell(&table.cells[*index], canonical, place)),
                Source::Currency(index) => (&table.cells[*index], currency(&table.cells[*index], canonical)),
            };
            match (&written, value) {
                (Some(first), Some(value)) if *first != value => {
                    let rule = format!("another cell writes {first} to the same field");
                    self.misfit(cell, place, &value, rule);
                }
                (None, value) => written = value,
                _ => {}
            }
        }
        written
    }

    fn cell(&mut self, cell: &Cell, canonical: &Value, place: Option<&Place<'_>>) -> Option<Value> {
        let raw = match self.raw(cell, canonical, place) {
            Ok(raw) => raw,
            Err(()) => return None,
        };
        let raw = match raw {
            Some(raw) if !(cell.required && is_missing(&raw)) => raw,
            None if !cell.required || !self.whole => return None,
            missing => match &cell.default {
                Some(default) => Cow::Borrowed(default),
                None => {
                    self.misfit(cell, place, &missing.unwrap_or_default(), "it is required");
                    return None;
                }
            },
        };
        match finish(cell, &raw) {
            Ok(value) => Some(value),
            Err(misfit) => {
                self.misfit(cell, place, &raw, misfit);
                None
            }
        }
    }

    /// The canonical value of a cell; `Ok(None)` when there is nothing to write.
    fn raw<'a>(
        &mut self,
        cell: &Cell,
        canonical: &'a Value,
        place: Option<&Place<'_>>,
    ) -> Result<Option<Cow<'a, Value>>, ()> {
        let found = match find(&cell.canonical, canonical) {
            Found::Value(value) => Some(value),
            Found::Absent => None,
            Found::Blocked(value) => {
                if cell.write.is_none() {
                    self.misfit(cell, place, value, "an object is wanted on the way to this member");
                    return Err(());
                }
                None
            }
        };
        let Some(write) = &cell.write else { return Ok(found.map(Cow::Borrowed)) };
        let uses = &write.uses;
        let absent = |path| matches!(find(path, canonical), Found::Absent);
        let nothing_there = uses.complete && !uses.paths.is_empty() && uses.paths.iter().all(absent);
        if found.is_none() && nothing_there {
            return Ok(None);
        }
        match compute(write, canonical) {
            Ok(Value::Null) if found.is_none() && !uses.complete => Ok(None),
            Ok(value) => Ok(Some(Cow::Owned(value))),
            Err(rule) => {
                self.misfit(cell, place, found.unwrap_or(&Value::Null), rule);
                Err(())
            }
        }
    }

    fn list(&mut self, list: &List, canonical: &Value, place: Option<&Place<'_>>) -> Option<Value> {
        let found = match find(&list.canonical, canonical) {
            Found::Absent => return None,
            Found::Value(Value::Null) => return Some(Value::Null),
            Found::Value(value) | Found::Blocked(value) => value,
        };
        let Some(items) = found.as_array() else {
            let (member, record) = names(place, &list.canonical_text, &list.record_text);
            self.misfits.add(member, record, found, "a list is wanted".into());
            return None;
        };
        let written = items.iter().enumerate().map(|(index, item)| {
            let place = Place { around: place, list, index };
            if item.as_object().is_some() {
                return self.table(&list.table, item, Some(&place));
            }
            let (member, record) = names(Some(&place), "", "");
            self.misfits.add(member, record, item, "an object is wanted".into());
            Value::Null
        });
        Some(Value::from(written.collect::<Vec<_>>()))
    }

    fn misfit(&mut self, cell: &Cell, place: Option<&Place<'_>>, value: &Value, misfit: impl Into<Misfit>) {
        let (canonical, record) = names(place, &cell.canonical_text, &cell.record_text);
        self.misfits.add(canonical, record, value, misfit.into());
    }
}

/// What a cell writes for a canonical value.
fn finish(cell: &Cell, raw: &Value) -> Result<Value, Misfit> {
    if let Kind::Money(source) = &cell.kind {
        return Ok(money(source, raw)?);
    }
    let mut value = raw.clone();
    if cell.trim {
        value = trimmed(value);
    }
    value = cased(value, cell.case);
    value = convert(&cell.kind, value)?;
    if let Some(values) = &cell.values {
        value = values.write(&value)?;
    }
    Ok(bounded(value, cell.length, cell.too_long)?)
}

fn money(source: &CurrencySource, value: &Value) -> Result<Value, String> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    let wanted = || "an amount with its currency is wanted, `{amount, currency}`".to_owned();
    let currency: Currency =
        value.get("currency").as_str().and_then(|currency| currency.parse().ok()).ok_or_else(wanted)?;
    let amount = amount(value.get("amount")).map_err(|_| wanted())?;
    match source {
        CurrencySource::Constant(only) if *only != currency => {
            Err(format!("it is in {currency}, but this field holds {only}"))
        }
        _ => Ok(Value::from(amount)),
    }
}

/// The currency that an amount brings along; what is wrong with it is told by the amount's own field.
fn currency(cell: &Cell, canonical: &Value) -> Option<Value> {
    let Found::Value(value) = find(&cell.canonical, canonical) else { return None };
    let currency = value.get("currency");
    currency.as_str()?.parse::<Currency>().ok()?;
    Some(currency.clone())
}
