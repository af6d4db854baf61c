//! Which property of which type is read from where: tables of names with a function each. A property that no table names is
//! kept as the client sent it, or has its initial value.

mod billing;
mod delivery;
mod order;
mod returns;
mod stock;

use std::sync::LazyLock;

use crate::odata::edm::EntityType;
use crate::odata::fixed::{Amount, Rate};
use crate::odata::value::Cell;

use super::row::{ErpRow, Owner};
use super::store::CATALOG;

/// Reads a property of a row.
pub(crate) type Getter = for<'a> fn(ErpRow<'a>) -> Cell<'a>;
/// A property and how it is read.
pub(super) type Column = (&'static str, Getter);

/// A table of columns of one kind of row: names of properties with what they are read from.
macro_rules! columns {
    ($(#[$meta:meta])* $name:ident, $row:ident, $pattern:pat => { $($field:ident: $value:expr,)* }) => {
        $(#[$meta])*
        #[allow(unused_variables)]
        pub(crate) const $name: &[Column] = &[$((
            stringify!($field),
            |$row| match $row.what { $pattern => $value, _ => Cell::Null },
        ),)*];
    };
}
use columns;

/// Which tables serve which sets.
const TABLES: [(&str, &[&[Column]]); 28] = [
    ("A_SalesOrder", &[order::ORDER]),
    ("A_SalesOrderSimulation", &[order::ORDER]),
    ("A_SalesOrderCreditSimulation", &[order::ORDER]),
    ("A_SalesOrderPricingSimulation", &[order::ORDER]),
    ("A_SalesOrderItem", &[order::ITEM]),
    ("A_SalesOrderItemSimulation", &[order::ITEM]),
    ("A_SalesOrderHeaderPartner", &[order::PARTNER]),
    ("A_SalesOrderItemPartner", &[order::PARTNER]),
    ("A_SalesOrderPartnerSimulation", &[order::PARTNER]),
    ("A_SalesOrderItemPartnerSimln", &[order::PARTNER]),
    ("A_SalesOrderHeaderPrElement", &[order::ELEMENT]),
    ("A_SalesOrderItemPrElement", &[order::ELEMENT]),
    ("A_SalesOrderPrcgElmntSimln", &[order::ELEMENT]),
    ("A_SalesOrderItmPrcgElmntSimln", &[order::ELEMENT]),
    ("A_SalesOrderText", &[order::TEXT]),
    ("A_SalesOrderItemText", &[order::TEXT]),
    ("A_SalesOrderScheduleLine", &[order::LINE]),
    ("A_SalesOrderScheduleLineSimln", &[order::LINE]),
    ("A_OutbDeliveryHeader", &[delivery::HEADER]),
    ("A_OutbDeliveryItem", &[delivery::ITEM]),
    ("A_OutbDeliveryPartner", &[delivery::PARTNER]),
    ("A_OutbDeliveryDocFlow", &[delivery::FLOW]),
    ("A_BillingDocument", &[billing::HEADER]),
    ("A_BillingDocumentItem", &[billing::ITEM]),
    ("A_MaterialStock", &[stock::MATERIAL]),
    ("A_MatlStkInAcctMod", &[stock::STOCK]),
    ("A_CustomerReturn", &[returns::HEADER]),
    ("A_CustomerReturnItem", &[returns::ITEM]),
];
/// Sets whose tables are shared with those of orders, and complex types.
const MORE: [(&str, &[Column]); 5] = [
    ("A_BillingDocumentPartner", order::PARTNER),
    ("A_BillingDocumentPrcgElmnt", order::ELEMENT),
    ("A_BillingDocumentItemPrcgElmnt", order::ELEMENT),
    ("AvailabilityRecord", delivery::AVAILABILITY),
    ("PickingReport", delivery::REPORT),
];

static COLUMNS: LazyLock<Vec<Vec<Option<Getter>>>> = LazyLock::new(|| {
    let bound = |kind: &EntityType| {
        let mut getters = vec![None; kind.properties.len()];
        let name = if kind.set.is_empty() { kind.name } else { kind.set };
        for (property, getter) in tables(name) {
            if let Some(place) = kind.property(property) {
                getters[place] = Some(*getter);
            }
        }
        getters
    };
    CATALOG.all_types().map(bound).collect()
});

fn tables(name: &str) -> impl Iterator<Item = &'static Column> {
    let first = TABLES.iter().filter(move |(set, _)| *set == name).flat_map(|(_, tables)| tables.iter());
    let cancel = (name == "CancelResult").then_some(&billing::CANCELLED);
    let more = MORE.iter().filter(move |(set, _)| *set == name).map(|(_, table)| table);
    let all: Vec<&'static Column> = first.chain(more).chain(cancel).flat_map(|table| table.iter()).collect();
    all.into_iter()
}

/// The columns of a type, by the place of the property.
#[must_use]
pub(crate) fn of(kind: &EntityType) -> &'static [Option<Getter>] {
    &COLUMNS[kind.id]
}

/// An amount where the type has nine digits behind the point.
fn as_rate(amount: Amount) -> Rate {
    Rate::from_units(amount.units().saturating_mul(1_000_000))
}

/// The number of a document, and of its item.
fn document(owner: Owner<'_>) -> u64 {
    match owner {
        Owner::Order(order, _) => order.number,
        Owner::Billing(billing, _) => billing.number,
        Owner::Delivery(delivery) => delivery.number,
    }
}

fn item(owner: Owner<'_>) -> u64 {
    match owner {
        Owner::Order(_, Some(item)) => u64::from(item.number),
        Owner::Billing(_, Some(item)) => u64::from(item.number),
        _ => 0,
    }
}

/// Where a type refers to a document by number, and a simulation has none.
const fn number<'a>(number: u64) -> Cell<'a> {
    if number == 0 { Cell::Text("") } else { Cell::Number(number) }
}

const fn day<'a>(instant: i64) -> Cell<'a> {
    Cell::Date(crate::odata::time::midnight(instant))
}

fn time_of_day<'a>(instant: i64) -> Cell<'a> {
    Cell::Time(u32::try_from(instant.rem_euclid(86_400_000) / 1000).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_a_property_of_a_type_that_it_serves() {
        let names = TABLES.iter().map(|(name, _)| *name).chain(MORE.iter().map(|(name, _)| *name));
        let all_kinds: Vec<&EntityType> = CATALOG.all_types().collect();
        let names: Vec<&str> = names.chain(["CancelResult"]).collect();
        for name in &names {
            let found = all_kinds.iter().any(|kind| kind.set == *name || (kind.set.is_empty() && kind.name == *name));
            assert!(found, "{name} is in no catalog");
        }
        // A table may serve several types; each of its names must be a property of one of them.
        let serves = |column: &Column| {
            all_kinds.iter().any(|kind| {
                let name = if kind.set.is_empty() { kind.name } else { kind.set };
                kind.property(column.0).is_some() && tables(name).any(|other| other.0 == column.0)
            })
        };
        for name in &names {
            for column in tables(name) {
                assert!(serves(column), "no type of {name} has the property {}", column.0);
            }
        }
    }
}
