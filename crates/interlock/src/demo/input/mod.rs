//! What the demo is fed with: rows in the Online Retail format, from a file or made up, and what becomes of each.

mod generator;
mod plan;
mod records;
mod row;
mod sort;
mod source;
#[cfg(test)]
mod tests;

use model::Problem;

pub(crate) use generator::GeneratedRows;
pub(crate) use plan::{Customer, InputAccount, Order, Plan, Product, Return};
pub(crate) use source::{FileRows, RowSource};

use row::Row;
use sort::{Place, Sorter};

/// Reads rows until there are so many orders, or to the end.
///
/// # Errors
/// When the source cannot be read.
pub(crate) fn plan(source: &mut dyn RowSource, orders_max: usize) -> Result<Plan, Problem> {
    let mut sorter = Sorter::new(orders_max);
    let mut row = Row::default();
    while let Some(whole) = source.next(&mut row)? {
        let place = if whole { sorter.take(&row) } else { sorter.take_broken() };
        if place == Place::Beyond {
            break;
        }
    }
    Ok(sorter.finish())
}
