//! What holds for price book entries (Object Reference, PricebookEntry): a product has one in each price book of an org with a
//! single currency, and the standard price comes before every other.

use super::{Record, Store};
use crate::cell::Cell;
use crate::errors::Refusal;
use crate::id::RecordId;
use crate::schema::Object;

/// The object that this is about.
const ENTRY: &str = "PricebookEntry";

/// Whether a new entry may be.
pub(super) fn check(store: &Store, object: &Object, record: &Record) -> Result<(), Refusal> {
    if &*object.name != ENTRY {
        return Ok(());
    }
    let reference = |record: &Record, name: &str| object.find(name).and_then(|field| record.cell(field).as_ref());
    let (Some(book), Some(product)) = (reference(record, "Pricebook2Id"), reference(record, "Product2Id")) else {
        return Ok(());
    };
    let Some(by_product) = object.field_at("Product2Id") else { return Ok(()) };
    let others = store.referring(object.at, by_product, product).iter();
    let others = others.filter_map(|serial| store.get(store.id(object.at, *serial)));
    let books: Vec<RecordId> =
        others.filter(|(_, other)| !other.deleted).filter_map(|(_, other)| reference(other, "Pricebook2Id")).collect();
    if books.contains(&book) {
        let message = "This price definition already exists in this price book";
        return Err(Refusal::new("FIELD_INTEGRITY_EXCEPTION", message));
    }
    if !is_standard(store, book) && !books.iter().any(|book| is_standard(store, *book)) {
        return Err(Refusal::new("STANDARD_PRICE_NOT_DEFINED", "No standard price defined for this product"));
    }
    Ok(())
}

fn is_standard(store: &Store, book: RecordId) -> bool {
    store.get(book).is_some_and(|(object, record)| {
        object.find("IsStandard").is_some_and(|field| record.cell(field) == Cell::Bool(true))
    })
}
