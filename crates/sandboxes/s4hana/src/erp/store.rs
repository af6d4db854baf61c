//! The state of the system: master data, documents and the ways to find them.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::odata::edm::{Catalog, EntityType, without_zeros};
use crate::odata::fixed::{Amount, Rate};

use super::code::Code;
use super::documents::{Billing, Delivery, Order, Return, range};
use super::record::Table;

/// What the system serves.
pub(crate) static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
    let tables = [
        include_str!("../catalog/business_partner.txt"),
        include_str!("../catalog/product.txt"),
        include_str!("../catalog/sales_order.txt"),
        include_str!("../catalog/sales_order_simulation.txt"),
        include_str!("../catalog/product_availy_info_basic.txt"),
        include_str!("../catalog/outbound_delivery.txt"),
        include_str!("../catalog/billing_document.txt"),
        include_str!("../catalog/customer_return.txt"),
        include_str!("../catalog/sales_pricing_condition.txt"),
        include_str!("../catalog/material_stock.txt"),
    ];
    Catalog::read(&tables).expect("the catalog is part of the program and tested")
});

/// The type of a set, of whatever service.
#[must_use]
pub(crate) fn kind(service: &str, set: &str) -> &'static EntityType {
    let found = CATALOG.service(service).and_then(|service| service.set(set));
    found.expect("the catalog is part of the program and names this set")
}

/// How the company is set up.
#[derive(Debug, Clone)]
pub(crate) struct Company {
    /// Sales organization, distribution channel and division that sell.
    pub(crate) areas: Vec<(Code, Code, Code)>,
    /// The company code.
    pub(crate) company_code: Code,
    /// The plants and the countries that they are in.
    pub(crate) plants: Vec<(Code, Code)>,
    /// The currency of the company.
    pub(crate) currency: Code,
    /// Countries with a tax on sales, in percent.
    pub(crate) taxes: Vec<(Code, Rate)>,
    /// Kinds of sales orders.
    pub(crate) order_types: Vec<Code>,
    /// Kinds of returns.
    pub(crate) return_types: Vec<Code>,
    /// Who is told as creator.
    pub(crate) user: String,
}

/// A customer, as sales sees it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Customer {
    /// Customer.
    pub(crate) number: Box<str>,
    /// Its name.
    pub(crate) name: Box<str>,
    /// The country of its address.
    pub(crate) country: Code,
    /// The sales areas it is maintained for, with currency, payment terms and incoterms.
    pub(crate) areas: Vec<SalesArea>,
    /// Whether orders are blocked.
    pub(crate) blocked: bool,
    /// The credit limit, in the company's currency.
    pub(crate) limit: Option<Amount>,
    /// What it owes or will owe.
    pub(crate) exposure: Amount,
    /// Its orders, by place.
    pub(crate) orders: Vec<u32>,
}

/// A customer in a sales area.
#[derive(Debug, Clone)]
pub(crate) struct SalesArea {
    /// Sales organization, distribution channel and division.
    pub(crate) area: (Code, Code, Code),
    /// The currency it buys in.
    pub(crate) currency: Code,
    /// CustomerPaymentTerms.
    pub(crate) terms: Code,
    /// IncotermsClassification.
    pub(crate) incoterms: Code,
}

/// A material in a plant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stock {
    /// The plant.
    pub(crate) plant: Code,
    /// What lies there.
    pub(crate) stock: Amount,
    /// What orders have reserved of it.
    pub(crate) reserved: Amount,
    /// What a delivery from the supplier fills it up to.
    pub(crate) full: Amount,
}

/// A product, as sales sees it.
#[derive(Debug, Clone)]
pub(crate) struct Material {
    /// Product.
    pub(crate) number: Box<str>,
    /// Its description in English.
    pub(crate) description: Box<str>,
    /// BaseUnit.
    pub(crate) unit: Code,
    /// ProductGroup.
    pub(crate) group: Code,
    /// Sales organizations and channels it is maintained for.
    pub(crate) areas: Vec<(Code, Code)>,
    /// The plants it is maintained in.
    pub(crate) stocks: Vec<Stock>,
    /// Whether it is marked for deletion.
    pub(crate) deleted: bool,
}

impl Material {
    /// What can be promised in a plant; `None` when the plant does not keep it.
    #[must_use]
    pub(crate) fn available(&self, plant: Code) -> Option<Amount> {
        let stock = self.stocks.iter().find(|stock| stock.plant == plant)?;
        Some(stock.stock.minus(stock.reserved).max(Amount::ZERO))
    }
}

type Map<T> = HashMap<Box<str>, T, foldhash::fast::RandomState>;

/// The state of the system.
#[derive(Debug)]
pub(crate) struct Store {
    /// How the company is set up.
    pub(crate) company: Company,
    /// Master data, by the type's place in the catalog.
    pub(crate) tables: Vec<Table>,
    /// Customers.
    pub(crate) customers: Vec<Customer>,
    /// Customers by number.
    pub(crate) customers_by_number: Map<u32>,
    /// Products.
    pub(crate) materials: Vec<Material>,
    /// Products by number.
    pub(crate) materials_by_number: Map<u32>,
    /// Sales orders, by number.
    pub(crate) orders: Vec<Order>,
    /// Sales orders by PurchaseOrderByCustomer.
    pub(crate) orders_by_reference: Map<Vec<u32>>,
    /// Outbound deliveries, by number.
    pub(crate) deliveries: Vec<Delivery>,
    /// Billing documents, by number.
    pub(crate) billings: Vec<Billing>,
    /// Customer returns, by number.
    pub(crate) returns: Vec<Return>,
    /// Customer returns by PurchaseOrderByCustomer.
    pub(crate) returns_by_reference: Map<Vec<u32>>,
    /// Credit limits of customers that are yet to come, by external number or search term.
    pub(crate) limits: Map<Amount>,
    /// The next number of a business partner.
    pub(crate) next_partner: u64,
    /// The next number of an address.
    pub(crate) next_address: u64,
    /// The next number of a relationship between partners.
    pub(crate) next_relationship: u64,
    /// The next number of a condition record.
    pub(crate) next_condition: u64,
    /// The latest time stamp that was given: two changes never share one.
    pub(crate) last_stamp: i64,
}

impl Store {
    /// A company without customers and products.
    #[must_use]
    pub(crate) fn new(company: Company) -> Self {
        Self {
            company,
            tables: CATALOG.all_types().map(Table::new).collect(),
            customers: Vec::new(),
            customers_by_number: Map::default(),
            materials: Vec::new(),
            materials_by_number: Map::default(),
            orders: Vec::new(),
            orders_by_reference: Map::default(),
            deliveries: Vec::new(),
            billings: Vec::new(),
            returns: Vec::new(),
            returns_by_reference: Map::default(),
            limits: Map::default(),
            next_partner: 10_100_001,
            next_address: 20_001,
            next_relationship: 1,
            next_condition: 1_001,
            last_stamp: 0,
        }
    }

    /// A customer by its number, with or without leading zeros.
    #[must_use]
    pub(crate) fn customer(&self, number: &str) -> Option<u32> {
        self.customers_by_number.get(without_zeros(number)).copied()
    }

    /// A product by its number.
    #[must_use]
    pub(crate) fn material(&self, number: &str) -> Option<u32> {
        self.materials_by_number.get(number).copied()
    }

    /// An order by its number.
    #[must_use]
    pub(crate) fn order(&self, number: u64) -> Option<u32> {
        let place = find(number, range::ORDER, self.orders.len())?;
        (!self.orders[place as usize].deleted).then_some(place)
    }

    /// A delivery by its number.
    #[must_use]
    pub(crate) fn delivery(&self, number: u64) -> Option<u32> {
        find(number, range::DELIVERY, self.deliveries.len())
    }

    /// A billing document by its number.
    #[must_use]
    pub(crate) fn billing(&self, number: u64) -> Option<u32> {
        find(number, range::BILLING, self.billings.len())
    }

    /// A return by its number.
    #[must_use]
    pub(crate) fn customer_return(&self, number: u64) -> Option<u32> {
        find(number, range::RETURN, self.returns.len())
    }

    /// The tax of a destination: that of its country when the goods stay within it, none otherwise.
    #[must_use]
    pub(crate) fn tax_rate(&self, departure: Code, destination: Code) -> Rate {
        let taxed = self.company.taxes.iter().find(|(country, _)| *country == destination && departure == destination);
        taxed.map_or(Rate::ZERO, |(_, rate)| *rate)
    }

    /// The country of a plant.
    #[must_use]
    pub(crate) fn plant_country(&self, plant: Code) -> Code {
        self.company.plants.iter().find(|(code, _)| *code == plant).map_or(Code::EMPTY, |(_, country)| *country)
    }
}

fn find(number: u64, first: u64, count: usize) -> Option<u32> {
    let place = number.checked_sub(first)?;
    (place < count as u64).then(|| u32::try_from(place).ok()).flatten()
}
