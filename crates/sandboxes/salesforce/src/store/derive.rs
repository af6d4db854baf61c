//! Values that follow from others: names joined, prices multiplied, totals.

use crate::cell::{Cell, Text, divide_half_up, ten};
use crate::schema::{Field, FieldAt, Formula, Object};
use crate::store::{Record, Store};

/// Computes all derived values of a record. Copied values are taken anew only where the reference they come through changed,
/// so that a price stays what it was when the line was made.
pub(super) fn derive(store: &Store, object: &Object, old: Option<&Record>, record: &mut Record) {
    for (at, formula) in &object.derived {
        let field = object.field(*at);
        if let Formula::Copied { by, from } = formula {
            let by = object.field(*by);
            let reference = record.cell(by);
            if old.is_some_and(|old| old.cell(by) == reference) {
                continue;
            }
            let source = reference.as_ref().and_then(|id| store.get(id));
            let value = source.map_or(Cell::Null, |(parent, source)| source.cell(parent.field(*from)));
            record.set(field, value);
        } else if let Formula::Times(by, values) = formula {
            let by = object.field(*by);
            let is_one = |record: &Record| is_one_of(&record.cell(by), values);
            let before = old.map_or(0, |old| old.cell(field).units());
            let begins = is_one(record) && !old.is_some_and(is_one);
            let one = i64::try_from(ten(field.scale)).unwrap_or(1);
            record.set(field, Cell::Number(before.saturating_add(if begins { one } else { 0 })));
        } else {
            let value = compute(object, field, formula, record);
            record.set(field, value);
        }
    }
}

fn compute(object: &Object, field: &Field, formula: &Formula, record: &Record) -> Cell {
    let get = |at: &FieldAt| record.cell(object.field(*at));
    let scale = |at: &FieldAt| object.field(*at).scale;
    match formula {
        Formula::Copied { .. } | Formula::Times(..) => Cell::Null,
        Formula::Joined(parts) => {
            let cells: Vec<Cell> = parts.iter().map(get).collect();
            let texts: Vec<&str> = cells.iter().filter_map(Cell::as_str).collect();
            Cell::text(&texts.join(" "))
        }
        Formula::Product(a, b) => match (get(a), get(b)) {
            (Cell::Number(left), Cell::Number(right)) => {
                let product = i128::from(left) * i128::from(right);
                rescaled(product, scale(a) + scale(b), field.scale)
            }
            _ => Cell::Null,
        },
        Formula::Discounted(amount, percent) => match get(amount) {
            Cell::Number(units) => {
                let whole = 100 * ten(scale(percent));
                let kept = i128::from(units) * (whole - i128::from(get(percent).units()));
                rescaled(divide_half_up(kept, whole), scale(amount), field.scale)
            }
            _ => Cell::Null,
        },
        Formula::Shortfall(less, more) => {
            let (less, more) = (i128::from(get(less).units()), i128::from(get(more).units()));
            let percent = divide_half_up((more - less) * 100 * ten(field.scale), more);
            i64::try_from(percent).map_or(Cell::Null, Cell::Number)
        }
        Formula::Sum(parts) => {
            let sum: i128 = parts
                .iter()
                .map(|part| i128::from(get(part).units()) * ten(field.scale.saturating_sub(scale(part))))
                .sum();
            i64::try_from(sum).map_or(Cell::Null, Cell::Number)
        }
        Formula::When(by, values) => Cell::Bool(is_one_of(&get(by), values)),
    }
}

fn is_one_of(value: &Cell, values: &[Text]) -> bool {
    value.as_str().is_some_and(|value| values.iter().map(Text::as_str).any(|one| one == value))
}

fn rescaled(number: i128, from: u8, to: u8) -> Cell {
    let number = if from > to { divide_half_up(number, ten(from - to)) } else { number * ten(to - from) };
    i64::try_from(number).map_or(Cell::Null, Cell::Number)
}
