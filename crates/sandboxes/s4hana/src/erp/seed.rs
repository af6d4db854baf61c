//! Master data given by the one who runs the system, as a migration would load it.

use serde::Deserialize;

use crate::odata::edm::EntityType;
use crate::odata::fixed::{Amount, Rate};
use crate::odata::value::Value;

use super::code::Code;
use super::record::Record;
use super::store::kind;
use super::transaction::Transaction;
use super::{conditions, masters, partners, process};

/// Master data.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Seed {
    /// Products.
    #[serde(default)]
    pub(crate) products: Vec<Product>,
    /// Customers.
    #[serde(default)]
    pub(crate) customers: Vec<Customer>,
    /// Credit limits.
    #[serde(default)]
    pub(crate) credit_limits: Vec<CreditLimit>,
}

/// A product.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Product {
    /// Its number.
    pub(crate) product: String,
    /// Its description.
    #[serde(default)]
    pub(crate) description: String,
    /// Its unit.
    #[serde(default = "pieces")]
    pub(crate) base_unit: String,
    /// Its list price.
    #[serde(default)]
    pub(crate) price: Option<Number>,
    /// The currency of the price; that of the company when missing.
    #[serde(default)]
    pub(crate) currency: Option<String>,
    /// The plants that keep it; all of the company's when missing.
    #[serde(default)]
    pub(crate) plants: Option<Vec<String>>,
    /// What lies in each plant.
    #[serde(default)]
    pub(crate) stock: Option<Number>,
}

fn pieces() -> String {
    "PC".to_owned()
}

/// A customer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Customer {
    /// Its number; the next of the range when missing.
    #[serde(default)]
    pub(crate) customer: Option<String>,
    /// Its name.
    pub(crate) name: String,
    /// The country of its address.
    pub(crate) country: String,
    /// Its number in another system.
    #[serde(default)]
    pub(crate) external_id: Option<String>,
    /// A word to find it by.
    #[serde(default)]
    pub(crate) search_term: Option<String>,
}

/// A credit limit.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct CreditLimit {
    /// The customer's number, its number in another system, or its search term.
    pub(crate) customer: String,
    /// The limit; no limit when missing.
    #[serde(default)]
    pub(crate) amount: Option<Number>,
    /// Its currency, which must be the company's.
    #[serde(default)]
    pub(crate) currency: Option<String>,
}

/// A number of JSON, or a text with one.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Number {
    /// A number.
    Number(serde_json::Number),
    /// A text.
    Text(String),
}

impl Number {
    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// What was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Loaded {
    /// How many products.
    pub(crate) products: usize,
    /// How many customers.
    pub(crate) customers: usize,
    /// How many credit limits.
    pub(crate) limits: usize,
}

/// Loads master data; what exists already is changed.
///
/// # Errors
/// One sentence about the first thing that cannot be.
pub(crate) fn load(work: &mut Transaction<'_>, seed: &Seed) -> Result<Loaded, String> {
    for product in &seed.products {
        load_product(work, product)?;
    }
    for customer in &seed.customers {
        load_customer(work, customer)?;
    }
    for limit in &seed.credit_limits {
        let own = work.store.company.currency;
        if limit.currency.as_deref().is_some_and(|currency| currency != own.as_str()) {
            return Err(format!("the credit limit of `{}` must be in {own}", limit.customer));
        }
        let amount = match &limit.amount {
            None => None,
            Some(number) => {
                let text = number.text();
                Some(Amount::parse(&text).ok_or_else(|| format!("`{text}` is no amount with up to three decimals"))?)
            }
        };
        match (partners::find(work.store, &limit.customer), amount) {
            (Some(customer), amount) => process::set_limit(work, customer, amount),
            // The customer gets it when it is created.
            (None, Some(amount)) => {
                work.store.limits.insert(limit.customer.to_uppercase().into(), amount);
            }
            (None, None) => {
                work.store.limits.remove(limit.customer.to_uppercase().as_str());
            }
        }
    }
    Ok(Loaded { products: seed.products.len(), customers: seed.customers.len(), limits: seed.credit_limits.len() })
}

fn put(work: &mut Transaction<'_>, kind: &EntityType, values: &[(&str, Value)]) -> Result<(), String> {
    let mut record = Record::default();
    for (name, value) in values {
        record.put(kind, name, value.clone());
    }
    partners::prepare(work, kind, &mut record, false).map_err(|error| error.message)?;
    super::products::prepare(work, kind, &mut record).map_err(|error| error.message)?;
    let key = record.key(kind);
    work.put_record(kind.id, &key, Some(record));
    Ok(())
}

fn load_product(work: &mut Transaction<'_>, product: &Product) -> Result<(), String> {
    let of = |set| kind("API_PRODUCT_SRV", set);
    let number = product.product.trim().to_uppercase();
    if number.is_empty() || number.chars().count() > 40 {
        return Err(format!("`{number}` cannot be the number of a product: it takes from 1 to 40 characters"));
    }
    let text = |text: &str| Value::text(text);
    let description: String = product.description.chars().take(40).collect();
    put(work, of("A_Product"), &[("Product", text(&number)), ("BaseUnit", text(&product.base_unit))])?;
    if !description.is_empty() {
        let values = [("Product", text(&number)), ("Language", text("EN")), ("ProductDescription", text(&description))];
        put(work, of("A_ProductDescription"), &values)?;
    }
    let areas = work.store.company.areas.clone();
    for (organization, channel, _) in areas {
        let values = [
            ("Product", text(&number)),
            ("ProductSalesOrg", text(organization.as_str())),
            ("ProductDistributionChnl", text(channel.as_str())),
            ("BaseUnit", text(&product.base_unit)),
        ];
        put(work, of("A_ProductSalesDelivery"), &values)?;
    }
    let all = || work.store.company.plants.iter().map(|(plant, _)| plant.to_string()).collect();
    let plants: Vec<String> = product.plants.clone().unwrap_or_else(all);
    for plant in &plants {
        put(work, of("A_ProductPlant"), &[("Product", text(&number)), ("Plant", text(plant))])?;
    }
    super::products::refresh(work.store, &number);
    if let Some(price) = &product.price {
        let text = price.text();
        let price = Rate::parse(&text).filter(|price| *price >= Rate::ZERO);
        let price = price.ok_or_else(|| format!("`{text}` is no price for product `{number}`"))?;
        let own = work.store.company.currency;
        let currency = product.currency.as_deref().unwrap_or(own.as_str());
        conditions::set_list_price(work, &number, price, currency, &product.base_unit)?;
    }
    let Some(place) = work.store.material(&number) else { return Ok(()) };
    let material = &mut work.store.materials[place as usize];
    if let Some(stock) = &product.stock {
        let text = stock.text();
        let amount = Amount::parse(&text).filter(|amount| *amount >= Amount::ZERO);
        let amount = amount.ok_or_else(|| format!("`{text}` is no stock for product `{number}`"))?;
        for stock in &mut material.stocks {
            (stock.stock, stock.full) = (amount, amount);
        }
    }
    Ok(())
}

/// Sets what lies of a product in a plant.
///
/// # Errors
/// One sentence about what cannot be.
pub(crate) fn set_stock(work: &mut Transaction<'_>, product: &str, plant: &str, quantity: &str) -> Result<(), String> {
    let amount = Amount::parse(quantity).filter(|amount| *amount >= Amount::ZERO);
    let amount = amount.ok_or_else(|| format!("`{quantity}` is no stock for product `{product}`"))?;
    let missing = || format!("the product `{product}` is not kept in plant `{plant}`");
    let material = work.store.material(&product.to_uppercase()).ok_or_else(missing)?;
    let plant = Code::new(plant);
    if work.store.materials[material as usize].available(plant).is_none() {
        return Err(missing());
    }
    work.set_stock(material, plant, amount);
    Ok(())
}

fn load_customer(work: &mut Transaction<'_>, customer: &Customer) -> Result<(), String> {
    let of = |set| kind("API_BUSINESS_PARTNER", set);
    let text = |text: &str| Value::text(text);
    let number = match &customer.customer {
        Some(number) => crate::odata::edm::without_zeros(number.trim()).to_uppercase(),
        None => partners::next_number(work.store),
    };
    if number.is_empty() || number.chars().count() > 10 {
        return Err(format!("`{number}` cannot be the number of a customer: it takes from 1 to 10 characters"));
    }
    let name: String = customer.name.chars().take(40).collect();
    let mut values = vec![
        ("BusinessPartner", text(&number)),
        ("BusinessPartnerCategory", text("2")),
        ("OrganizationBPName1", text(&name)),
    ];
    if let Some(id) = &customer.external_id {
        values.push(("BusinessPartnerIDByExtSystem", text(&id.to_uppercase())));
    }
    if let Some(term) = &customer.search_term {
        values.push(("SearchTerm1", text(&term.to_uppercase())));
    }
    put(work, of("A_BusinessPartner"), &values)?;
    let has_address = {
        let prefix = format!("{number}\u{1}");
        work.store.tables[of("A_BusinessPartnerAddress").id].starting(&prefix).next().is_some()
    };
    if !has_address {
        let values = [("BusinessPartner", text(&number)), ("Country", text(&customer.country))];
        put(work, of("A_BusinessPartnerAddress"), &values)?;
    }
    for role in ["FLCU00", "FLCU01"] {
        let values = [("BusinessPartner", text(&number)), ("BusinessPartnerRole", text(role))];
        put(work, of("A_BusinessPartnerRole"), &values)?;
    }
    partners::complete(work, &number).map_err(|error| error.message)?;
    masters::refresh(work.store, of("A_Customer").id, &number);
    Ok(())
}
