//! Sales orders and simulations of them.

use super::{Column, as_rate, columns, day, document, item, number};
use crate::erp::row::{FUNCTIONS, Owner, What};
use crate::odata::fixed::Amount;
use crate::odata::time::days_after;
use crate::odata::value::Cell;

/// Days until what is not in stock has come from the supplier.
const LEAD: i64 = 10;

columns!(ORDER, row, What::Order(order) => {
    SalesOrder: number(order.number),
    SalesOrderType: Cell::Text(order.kind.as_str()),
    SalesOrganization: Cell::Text(order.organization.as_str()),
    DistributionChannel: Cell::Text(order.channel.as_str()),
    OrganizationDivision: Cell::Text(order.division.as_str()),
    SoldToParty: Cell::Text(&row.store.customers[order.customer as usize].number),
    CreationDate: day(order.created),
    CreatedByUser: Cell::Text(&row.store.company.user),
    LastChangeDate: day(order.changed),
    LastChangeDateTime: Cell::Instant(order.changed),
    PurchaseOrderByCustomer: Cell::Text(&order.reference),
    SalesOrderDate: Cell::Date(order.date),
    TotalNetAmount: Cell::Money(order.net),
    TransactionCurrency: Cell::Text(order.currency.as_str()),
    PricingDate: Cell::Date(order.pricing_date),
    RequestedDeliveryDate: Cell::Date(order.requested),
    ShippingCondition: Cell::Text("01"),
    HeaderBillingBlockReason: Cell::Text(order.billing_block.as_str()),
    DeliveryBlockReason: Cell::Text(order.delivery_block.as_str()),
    CustomerPaymentTerms: {
        let customer = &row.store.customers[order.customer as usize];
        let area = (order.organization, order.channel, order.division);
        let sells = customer.areas.iter().find(|sells| sells.area == area);
        sells.map_or(Cell::Null, |sells| Cell::Text(sells.terms.as_str()))
    },
    IncotermsClassification: {
        let customer = &row.store.customers[order.customer as usize];
        let area = (order.organization, order.channel, order.division);
        let sells = customer.areas.iter().find(|sells| sells.area == area);
        sells.map_or(Cell::Null, |sells| Cell::Text(sells.incoterms.as_str()))
    },
    TaxDepartureCountry: order.items.first().map_or(Cell::Null, |item| {
        let plants = &row.store.company.plants;
        let plant = plants.iter().find(|(plant, _)| *plant == item.plant);
        plant.map_or(Cell::Null, |(_, country)| Cell::Text(country.as_str()))
    }),
    VATRegistrationCountry: Cell::Text(order.destination.as_str()),
    SDPricingProcedure: Cell::Text("A10001"),
    OverallSDProcessStatus: Cell::Text(overall(order.items.iter().map(|item| item.status()))),
    TotalCreditCheckStatus: Cell::Text(order.credit.code()),
    OverallTotalDeliveryStatus: Cell::Text(overall(order.items.iter().map(delivery_status))),
    OverallSDDocumentRejectionSts: Cell::Text({
        let rejected = order.items.iter().filter(|item| !item.rejection.is_empty()).count();
        if rejected == 0 { "A" } else if rejected < order.items.len() { "B" } else { "C" }
    }),
});

fn delivery_status(item: &crate::erp::documents::Item) -> &'static str {
    if !item.rejection.is_empty() || item.delivered >= item.quantity {
        "C"
    } else if item.delivered > Amount::ZERO {
        "B"
    } else {
        "A"
    }
}

/// The status of a document of which these are the statuses of the items.
fn overall<'a>(items: impl Iterator<Item = &'a str>) -> &'static str {
    let (mut open, mut complete, mut some) = (false, false, false);
    for status in items {
        match status {
            "A" => open = true,
            "C" => complete = true,
            _ => some = true,
        }
    }
    match (open, complete, some) {
        (_, false, false) => "A",
        (false, true, false) => "C",
        _ => "B",
    }
}

columns!(ITEM, row, What::Item(order, item) => {
    SalesOrder: number(order.number),
    SalesOrderItem: Cell::Number(u64::from(item.number)),
    SalesOrderItemCategory: Cell::Text("TAN"),
    SalesOrderItemText: {
        let description = &row.store.materials[item.material as usize].description;
        Cell::Text(item.text.as_deref().unwrap_or(description))
    },
    PurchaseOrderByCustomer: Cell::Text(&order.reference),
    Material: Cell::Text(&row.store.materials[item.material as usize].number),
    PricingDate: Cell::Date(order.pricing_date),
    RequestedQuantity: Cell::Amount(item.quantity),
    RequestedQuantityUnit: Cell::Text(item.unit.as_str()),
    RequestedQuantitySAPUnit: Cell::Text(item.unit.as_str()),
    OrderQuantityUnit: Cell::Text(item.unit.as_str()),
    ConfdDelivQtyInOrderQtyUnit: Cell::Amount(item.confirmed),
    TransactionCurrency: Cell::Text(order.currency.as_str()),
    NetAmount: Cell::Money(item.net),
    TaxAmount: Cell::Money(item.tax),
    MaterialGroup: Cell::Text(row.store.materials[item.material as usize].group.as_str()),
    ProductionPlant: Cell::Text(item.plant.as_str()),
    Plant: Cell::Text(item.plant.as_str()),
    ShippingPoint: Cell::Text(item.plant.as_str()),
    ProductTaxClassification1: Cell::Text("1"),
    SalesDocumentRjcnReason: Cell::Text(item.rejection.as_str()),
    SDProcessStatus: Cell::Text(item.status()),
    DeliveryStatus: Cell::Text(delivery_status(item)),
});

columns!(PARTNER, row, What::Partner(owner, place) => {
    SalesOrder: number(document(owner)),
    SalesOrderItem: number(item(owner)),
    BillingDocument: number(document(owner)),
    PartnerFunction: Cell::Text(FUNCTIONS[usize::from(place).min(3)]),
    Customer: {
        let function = FUNCTIONS[usize::from(place).min(3)];
        let (customer, given) = match owner {
            Owner::Order(order, _) => {
                let given = order.partners.iter().find(|(other, _)| other.as_str() == function);
                (order.customer, given.map(|(_, number)| &**number))
            }
            Owner::Billing(billing, _) => (billing.customer, None),
            Owner::Delivery(delivery) => (row.store.orders[delivery.order as usize].customer, None),
        };
        Cell::Text(given.unwrap_or(&row.store.customers[customer as usize].number))
    },
});

columns!(ELEMENT, row, What::Element(owner, element) => {
    SalesOrder: number(document(owner)),
    SalesOrderItem: number(item(owner)),
    BillingDocument: number(document(owner)),
    BillingDocumentItem: number(item(owner)),
    PricingProcedureStep: Cell::Text(if element.step == 0 { "20" } else { "800" }),
    PricingProcedureCounter: Cell::Text("1"),
    ConditionType: Cell::Text(match element.condition.as_str() {
        "PR00" => "PR00",
        "PMP0" => "PMP0",
        "TTX1" => "TTX1",
        _ => "PPR0",
    }),
    ConditionCalculationType: Cell::Text(if element.percent { "A" } else { "C" }),
    ConditionBaseValue: Cell::Rate(as_rate(element.base)),
    ConditionRateValue: Cell::Rate(element.rate),
    ConditionCurrency: if element.percent { Cell::Text("") } else { currency(owner) },
    ConditionQuantity: Cell::Amount(Amount::whole(if element.percent { 0 } else { i64::from(element.per) })),
    ConditionQuantityUnit: match owner {
        Owner::Order(_, Some(item)) if !element.percent => Cell::Text(item.unit.as_str()),
        _ => Cell::Text(""),
    },
    ConditionAmount: Cell::Money(element.amount),
    TransactionCurrency: currency(owner),
    ConditionIsManuallyChanged: Cell::Bool(element.manual),
});

fn currency(owner: Owner<'_>) -> Cell<'_> {
    match owner {
        Owner::Order(order, _) => Cell::Text(order.currency.as_str()),
        Owner::Billing(billing, _) => Cell::Text(billing.currency.as_str()),
        Owner::Delivery(_) => Cell::Null,
    }
}

columns!(TEXT, row, What::Text(order, line, text) => {
    SalesOrder: number(order.number),
    SalesOrderItem: number(line.map_or(0, |line| u64::from(line.number))),
    Language: Cell::Text(text.language.as_str()),
    LongTextID: Cell::Text(text.id.as_str()),
    LongText: Cell::Text(&text.text),
});

columns!(LINE, row, What::Line(order, item, place) => {
    SalesOrder: number(order.number),
    SalesOrderItem: Cell::Number(u64::from(item.number)),
    ScheduleLine: Cell::Number(u64::from(place) + 1),
    RequestedDeliveryDate: Cell::Date(order.requested),
    ConfirmedDeliveryDate: {
        let later = place > 0;
        Cell::Date(if later { days_after(order.requested, LEAD) } else { order.requested })
    },
    OrderQuantityUnit: Cell::Text(item.unit.as_str()),
    OrderQuantitySAPUnit: Cell::Text(item.unit.as_str()),
    ScheduleLineOrderQuantity: Cell::Amount(if place == 0 { item.quantity } else { Amount::ZERO }),
    ConfdOrderQtyByMatlAvailCheck: Cell::Amount(share(item, place)),
    DeliveredQtyInOrderQtyUnit: Cell::Amount(delivered(item, place)),
    OpenConfdDelivQtyInOrdQtyUnit: Cell::Amount(share(item, place).minus(delivered(item, place))),
    CorrectedQtyInOrderQtyUnit: Cell::Amount(share(item, place)),
});

fn share(item: &crate::erp::documents::Item, place: u8) -> Amount {
    if place == 0 { item.confirmed } else { item.quantity.minus(item.confirmed) }
}

fn delivered(item: &crate::erp::documents::Item, place: u8) -> Amount {
    if place == 0 { item.delivered.min(item.confirmed) } else { item.delivered.minus(item.confirmed).max(Amount::ZERO) }
}
