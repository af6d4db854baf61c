//! Material stock, read from what availability checks and goods issues work with. All of it is unrestricted, in the one storage
//! location of its plant.

use super::{Column, columns};
use crate::erp::row::What;
use crate::odata::value::Cell;

/// The storage location of every plant.
const LOCATION: &str = "0001";
/// Unrestricted-use stock.
const UNRESTRICTED: &str = "01";

columns!(MATERIAL, row, What::Material(material) => {
    Material: Cell::Text(&material.number),
    MaterialBaseUnit: Cell::Text(material.unit.as_str()),
});

columns!(STOCK, row, What::Stock(material, stock) => {
    Material: Cell::Text(&material.number),
    Plant: Cell::Text(stock.plant.as_str()),
    StorageLocation: Cell::Text(LOCATION),
    InventoryStockType: Cell::Text(UNRESTRICTED),
    MaterialBaseUnit: Cell::Text(material.unit.as_str()),
    MatlWrhsStkQtyInMatlBaseUnit: Cell::Amount(stock.stock),
});
