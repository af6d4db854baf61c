//! Products: what the system fills in, and the view of a material that sales works with.

use crate::odata::edm::EntityType;
use crate::odata::error::Error;
use crate::odata::fixed::Amount;
use crate::odata::time::midnight;
use crate::odata::value::Value;

use super::code::Code;
use super::record::{Record, prefix_of};
use super::store::{Material, Stock, Store, kind};
use super::transaction::Transaction;

const SERVICE: &str = "API_PRODUCT_SRV";
/// What lies in a plant of a product of which nothing else is known.
const STOCK: Amount = Amount::from_units(10_000_000);

fn of(set: &str) -> &'static EntityType {
    kind(SERVICE, set)
}

/// Fills in what a new record needs.
///
/// # Errors
/// When what has to be given is missing, or a plant or sales area does not exist.
pub(crate) fn prepare(work: &Transaction<'_>, kind: &EntityType, record: &mut Record) -> Result<(), Error> {
    match kind.set {
        "A_Product" => {
            let user = work.store.company.user.as_str();
            if record.text(kind, "Product").is_empty() {
                return Err(Error::business("M3/008", "Enter a product number").at("Product"));
            }
            record.fill(kind, "ProductType", "HAWA");
            record.fill(kind, "BaseUnit", "PC");
            record.fill(kind, "ItemCategoryGroup", "NORM");
            record.fill(kind, "ProductGroup", "L001");
            record.fill(kind, "IndustrySector", "M");
            record.put(kind, "CreationDate", Value::Date(midnight(work.now)));
            record.put(kind, "CreatedByUser", Value::text(user));
            record.put(kind, "LastChangeDateTime", Value::Instant(work.now));
        }
        "A_ProductPlant" => {
            let plant = Code::new(record.text(kind, "Plant"));
            if !work.store.company.plants.iter().any(|(code, _)| *code == plant) {
                return Err(Error::business("M3/127", format!("Plant {plant} does not exist")).at("Plant"));
            }
            record.fill(kind, "AvailabilityCheckType", "SR");
        }
        "A_ProductSalesDelivery" => {
            let organization = Code::new(record.text(kind, "ProductSalesOrg"));
            if !work.store.company.areas.iter().any(|area| area.0 == organization) {
                let message = format!("Sales organization {organization} does not exist");
                return Err(Error::business("M3/128", message).at("ProductSalesOrg"));
            }
            record.fill(kind, "ItemCategoryGroup", "NORM");
        }
        "A_ProductDescription" => record.fill(kind, "Language", "EN"),
        _ => {}
    }
    Ok(())
}

/// After a change of a product or of anything below it: the product tells when, and by whom.
pub(crate) fn touch(work: &mut Transaction<'_>, number: &str) {
    let kind = of("A_Product");
    if let Some(mut record) = work.store.tables[kind.id].get(number).cloned() {
        record.put(kind, "LastChangeDate", Value::Date(midnight(work.now)));
        record.put(kind, "LastChangeDateTime", Value::Instant(work.now));
        record.put(kind, "LastChangedByUser", Value::text(work.store.company.user.as_str()));
        work.put_record(kind.id, number, Some(record));
    }
}

/// Makes the view of a material anew. Its stock stays.
pub(crate) fn refresh(store: &mut Store, number: &str) {
    let product = of("A_Product");
    let Some(record) = store.tables[product.id].get(number) else {
        if let Some(place) = store.material(number) {
            store.materials[place as usize].deleted = true;
        }
        return;
    };
    let prefix = prefix_of([&Value::text(number)]);
    let unit = Code::new(record.text(product, "BaseUnit"));
    let group = Code::new(record.text(product, "ProductGroup"));
    let deleted = product.property("IsMarkedForDeletion").is_some_and(|place| *record.get(place) == Value::Bool(true));
    let described = of("A_ProductDescription");
    let description = store.tables[described.id].starting(&prefix).fold("", |best, record| {
        let text = record.text(described, "ProductDescription");
        if best.is_empty() || record.text(described, "Language") == "EN" { text } else { best }
    });
    let plant = of("A_ProductPlant");
    let plants: Vec<Code> =
        store.tables[plant.id].starting(&prefix).map(|record| Code::new(record.text(plant, "Plant"))).collect();
    let sold = of("A_ProductSalesDelivery");
    let areas = store.tables[sold.id].starting(&prefix).map(|record| {
        (Code::new(record.text(sold, "ProductSalesOrg")), Code::new(record.text(sold, "ProductDistributionChnl")))
    });
    let (description, areas): (Box<str>, Vec<_>) = (description.into(), areas.collect());
    let materials = &mut store.materials;
    let place = *store.materials_by_number.entry(number.into()).or_insert_with(|| {
        materials.push(Material {
            number: number.into(),
            description: "".into(),
            unit,
            group,
            areas: Vec::new(),
            stocks: Vec::new(),
            deleted,
        });
        u32::try_from(materials.len() - 1).unwrap_or(u32::MAX)
    });
    let material = &mut materials[place as usize];
    (material.description, material.areas, material.unit) = (description, areas, unit);
    (material.group, material.deleted) = (group, deleted);
    for plant in &plants {
        if !material.stocks.iter().any(|stock| stock.plant == *plant) {
            material.stocks.push(Stock { plant: *plant, stock: STOCK, reserved: Amount::ZERO, full: STOCK });
        }
    }
    material.stocks.retain(|stock| plants.contains(&stock.plant));
}
