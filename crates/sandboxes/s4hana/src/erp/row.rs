//! A row of any entity set: what it is in the state of the system, and how its properties are read from that.

use crate::odata::edm::{Edm, EntityType};
use crate::odata::fixed::{Amount, Rate};
use crate::odata::shape::Row;
use crate::odata::value::Cell;

use super::code::Code;
use super::columns;
use super::documents::{Billing, BillingItem, Delivery, DeliveryItem, Extra, Item, Order, Return, ReturnItem, Text};
use super::record::{Record, prefix_of};
use super::store::{CATALOG, Material, Stock, Store};

/// The document that a partner or a price element belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Owner<'a> {
    /// A sales order or one of its items.
    Order(&'a Order, Option<&'a Item>),
    /// A billing document or one of its items.
    Billing(&'a Billing, Option<&'a BillingItem>),
    /// A delivery.
    Delivery(&'a Delivery),
}

/// A price element.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element {
    /// 0 for the price, 1 for the tax.
    pub(crate) step: u8,
    /// Whether the rate is a percentage.
    pub(crate) percent: bool,
    /// The condition type.
    pub(crate) condition: Code,
    /// What the rate applies to.
    pub(crate) base: Amount,
    /// The rate.
    pub(crate) rate: Rate,
    /// What comes of it.
    pub(crate) amount: Amount,
    /// How many pieces the rate is for.
    pub(crate) per: u32,
    /// Whether it was given by hand.
    pub(crate) manual: bool,
}

/// What can be promised in a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Availability<'a> {
    /// From.
    pub(crate) start: i64,
    /// To.
    pub(crate) end: i64,
    /// How much.
    pub(crate) quantity: Amount,
    /// Of what unit.
    pub(crate) unit: &'a str,
}

/// What a row is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What<'a> {
    /// Master data.
    Record(&'a Record),
    /// A sales order, its prices as a whole, or its credit check.
    Order(&'a Order),
    /// An item of an order.
    Item(&'a Order, &'a Item),
    /// A partner function, by its place.
    Partner(Owner<'a>, u8),
    /// A price element.
    Element(Owner<'a>, Element),
    /// A long text.
    Text(&'a Order, Option<&'a Item>, &'a Text),
    /// A schedule line: 0 for what is confirmed as requested, 1 for the rest.
    Line(&'a Order, &'a Item, u8),
    /// A delivery.
    Delivery(&'a Delivery),
    /// An item of a delivery.
    DeliveryItem(&'a Delivery, &'a DeliveryItem),
    /// A billing document.
    Billing(&'a Billing),
    /// An item of a billing document.
    BillingItem(&'a Billing, &'a BillingItem),
    /// A return.
    Return(&'a Return),
    /// An item of a return.
    ReturnItem(&'a Return, &'a ReturnItem),
    /// A material, with what lies of it.
    Material(&'a Material),
    /// What lies of a material in a plant.
    Stock(&'a Material, &'a Stock),
    /// An answer of the availability check.
    Availability(Availability<'a>),
}

/// A row of an entity set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ErpRow<'a> {
    /// The state it is read from.
    pub(crate) store: &'a Store,
    /// Its type.
    pub(crate) kind: &'static EntityType,
    /// What it is.
    pub(crate) what: What<'a>,
}

/// Functions of the partners of a document, in their order.
pub(crate) const FUNCTIONS: [&str; 4] = ["SP", "SH", "BP", "PY"];

impl<'a> ErpRow<'a> {
    fn extra(self) -> Option<&'a Extra> {
        match self.what {
            What::Order(order) => Some(&order.extra),
            What::Item(_, item) => Some(&item.extra),
            What::Delivery(delivery) => Some(&delivery.extra),
            What::Return(origin) => Some(&origin.extra),
            What::ReturnItem(_, item) => Some(&item.extra),
            _ => None,
        }
    }

    /// The order's item behind an item of a delivery or billing document.
    #[must_use]
    pub(crate) fn sold(self) -> Option<&'a Item> {
        let of_order = |order: u32, item: u32| self.store.orders.get(order as usize)?.items.get(item as usize);
        match self.what {
            What::DeliveryItem(delivery, item) => of_order(delivery.order, item.item),
            What::BillingItem(billing, item) => of_order(billing.order?, item.item),
            What::Item(_, item) => Some(item),
            _ => None,
        }
    }
}

/// The price elements of a document or an item.
#[must_use]
pub(crate) fn elements(store: &Store, owner: Owner<'_>) -> [Element; 2] {
    let price = |condition, base, rate, amount, per, manual| Element {
        step: 0,
        percent: false,
        condition,
        base,
        rate,
        amount,
        per,
        manual,
    };
    let tax = |base, rate, amount| Element {
        step: 1,
        percent: true,
        condition: Code::new("TTX1"),
        base,
        rate,
        amount,
        per: 1,
        manual: false,
    };
    let of_order = |place: Option<u32>| place.and_then(|place| store.orders.get(place as usize));
    let whole =
        |net, vat, rate| [price(Code::new("PPR0"), Amount::ZERO, Rate::ZERO, net, 1, false), tax(net, rate, vat)];
    match owner {
        Owner::Order(order, Some(item)) => {
            let rate = if item.tax == Amount::ZERO { Rate::ZERO } else { order.tax_rate };
            [
                price(item.condition, item.quantity, item.price, item.net, item.per, item.manual),
                tax(item.net, rate, item.tax),
            ]
        }
        Owner::Order(order, None) => whole(order.net, order.tax, order.tax_rate),
        Owner::Billing(billing, line) => {
            let order = of_order(billing.order);
            let rate = order.map_or(Rate::ZERO, |order| order.tax_rate);
            match line {
                None => whole(billing.net, billing.tax, rate),
                Some(line) => {
                    let sold = order.and_then(|order| order.items.get(line.item as usize));
                    let (condition, unit_price, per, manual) = sold
                        .map_or((Code::new("PPR0"), Rate::ZERO, 1, false), |sold| {
                            (sold.condition, sold.price, sold.per, sold.manual)
                        });
                    [price(condition, line.quantity, unit_price, line.net, per, manual), tax(line.net, rate, line.tax)]
                }
            }
        }
        Owner::Delivery(_) => whole(Amount::ZERO, Amount::ZERO, Rate::ZERO),
    }
}

impl<'a> Row<'a> for ErpRow<'a> {
    fn entity(self) -> &'a EntityType {
        self.kind
    }

    fn cell(self, property: usize) -> Cell<'a> {
        let mut cell = Cell::Null;
        if let What::Record(record) = self.what {
            cell = record.get(property).cell();
        } else {
            if let Some(Some(kept)) = self.extra() {
                let found = kept.iter().find(|(place, _)| usize::from(*place) == property);
                cell = found.map_or(Cell::Null, |(_, value)| value.cell());
            }
            if cell == Cell::Null
                && let Some(read) = columns::of(self.kind).get(property).copied().flatten()
            {
                cell = read(self);
            }
        }
        if cell != Cell::Null {
            return cell;
        }
        // The initial value of ABAP is no `null`, but for dates and times.
        match self.kind.properties[property].edm {
            Edm::String => Cell::Text(""),
            Edm::Decimal => Cell::Amount(Amount::ZERO),
            Edm::Boolean => Cell::Bool(false),
            Edm::Int32 => Cell::Int(0),
            Edm::Guid => Cell::Guid(0),
            Edm::DateTime | Edm::DateTimeOffset | Edm::Time => Cell::Null,
        }
    }

    fn related(self, navigation: usize, out: &mut Vec<Self>) {
        let navigation = &self.kind.navigations[navigation];
        let kind: &'static EntityType = CATALOG.services[self.kind.service].target(navigation);
        let store = self.store;
        let mut push = |what| out.push(Self { store, kind, what });
        let owner = match self.what {
            What::Order(order) => Some(Owner::Order(order, None)),
            What::Item(order, item) => Some(Owner::Order(order, Some(item))),
            What::Billing(billing) => Some(Owner::Billing(billing, None)),
            What::BillingItem(billing, item) => Some(Owner::Billing(billing, Some(item))),
            What::Delivery(delivery) => Some(Owner::Delivery(delivery)),
            What::Partner(owner, _) | What::Element(owner, _) => Some(owner),
            What::Text(order, item, _) => Some(Owner::Order(order, item)),
            What::Line(order, item, _) => Some(Owner::Order(order, Some(item))),
            _ => None,
        };
        match (navigation.name, self.what) {
            (_, What::Record(record)) if navigation.by.is_some() => {
                let by = navigation.by.unwrap_or_default();
                let own = self.kind.property(kind.properties[by].name).or_else(|| self.kind.keys.first().copied());
                let own = own.and_then(|place| record.get(place).as_text()).unwrap_or("");
                store.tables[kind.id].with(by, own).for_each(|found| push(What::Record(found)));
            }
            (_, What::Record(record)) => {
                let via = if navigation.via.is_empty() { &self.kind.keys } else { &navigation.via };
                let prefix = prefix_of(via.iter().map(|place| record.get(*place)));
                store.tables[kind.id].starting(&prefix).for_each(|found| push(What::Record(found)));
            }
            ("to_Item", What::Order(order)) => order.items.iter().for_each(|item| push(What::Item(order, item))),
            ("to_Item", What::Billing(billing)) => {
                billing.items.iter().for_each(|item| push(What::BillingItem(billing, item)));
            }
            ("to_Item", What::Return(origin)) => {
                origin.items.iter().for_each(|item| push(What::ReturnItem(origin, item)));
            }
            ("to_DeliveryDocumentItem", What::Delivery(delivery)) => {
                delivery.items.iter().for_each(|item| push(What::DeliveryItem(delivery, item)));
            }
            ("to_Partner" | "to_DeliveryDocumentPartner", _) => {
                if let Some(owner) = owner {
                    (0..4).for_each(|place| push(What::Partner(owner, place)));
                }
            }
            ("to_PricingElement", _) => {
                if let Some(owner) = owner {
                    elements(store, owner).into_iter().for_each(|element| push(What::Element(owner, element)));
                }
            }
            ("to_Text", What::Order(order)) => order.texts.iter().for_each(|text| push(What::Text(order, None, text))),
            ("to_Text", What::Item(order, item)) => {
                item.texts.iter().for_each(|text| push(What::Text(order, Some(item), text)));
            }
            ("to_ScheduleLine", What::Item(order, item)) => {
                push(What::Line(order, item, 0));
                if item.confirmed < item.quantity {
                    push(What::Line(order, item, 1));
                }
            }
            ("to_MatlStkInAcctMod", What::Material(material)) => {
                material.stocks.iter().for_each(|stock| push(What::Stock(material, stock)));
            }
            ("to_MaterialStock", What::Stock(material, _)) => push(What::Material(material)),
            ("to_Credit" | "to_Pricing", What::Order(order)) => push(What::Order(order)),
            ("to_DocumentFlow", What::DeliveryItem(delivery, item)) => push(What::DeliveryItem(delivery, item)),
            ("to_CustomerReturn", What::ReturnItem(origin, _)) => push(What::Return(origin)),
            ("to_SalesOrder" | "to_BillingDocument", _) => match (owner, self.what) {
                (Some(Owner::Order(order, _)), _) => push(What::Order(order)),
                (Some(Owner::Billing(billing, _)), _) => push(What::Billing(billing)),
                _ => {}
            },
            ("to_SalesOrderItem" | "to_BillingDocumentItem", _) => match owner {
                Some(Owner::Order(order, Some(item))) => push(What::Item(order, item)),
                Some(Owner::Billing(billing, Some(item))) => push(What::BillingItem(billing, item)),
                _ => {}
            },
            _ => {}
        }
    }
}
