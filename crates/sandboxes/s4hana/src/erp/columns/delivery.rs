//! Outbound deliveries, and what functions answer.

use super::{Column, columns, day, document, number, time_of_day};
use crate::erp::row::{ErpRow, FUNCTIONS, Owner, What};
use crate::odata::fixed::Amount;
use crate::odata::value::Cell;

fn of_order<'a>(row: ErpRow<'a>, read: impl FnOnce(&'a crate::erp::documents::Order) -> Cell<'a>) -> Cell<'a> {
    match row.what {
        What::Delivery(delivery) | What::DeliveryItem(delivery, _) => {
            row.store.orders.get(delivery.order as usize).map_or(Cell::Null, read)
        }
        _ => Cell::Null,
    }
}

columns!(HEADER, row, What::Delivery(delivery) => {
    DeliveryDocument: Cell::Number(delivery.number),
    DeliveryDocumentType: Cell::Text("LF"),
    ActualGoodsMovementDate: Cell::date(delivery.issued.map(crate::odata::time::midnight)),
    ActualGoodsMovementTime: delivery.issued.map_or(Cell::Time(0), time_of_day),
    CreatedByUser: Cell::Text(&row.store.company.user),
    CreationDate: day(delivery.created),
    CreationTime: time_of_day(delivery.created),
    DeliveryBlockReason: Cell::Text(delivery.block.as_str()),
    DeliveryDate: of_order(row, |order| Cell::Date(order.requested)),
    DeliveryVersion: Cell::Number(u64::from(delivery.version)),
    DocumentDate: day(delivery.created),
    LastChangeDate: day(delivery.changed),
    LastChangedByUser: Cell::Text(&row.store.company.user),
    OverallDelivReltdBillgStatus: Cell::Text(if delivery.billing.is_some() { "C" } else { "A" }),
    OverallGoodsMovementStatus: Cell::Text(if delivery.issued.is_some() { "C" } else { "A" }),
    OverallPickingConfStatus: Cell::Text(if delivery.picked { "C" } else { "" }),
    OverallPickingStatus: Cell::Text(if delivery.picked { "C" } else { "A" }),
    OverallSDProcessStatus: Cell::Text(status(delivery)),
    PickingDate: day(delivery.created),
    PlannedGoodsIssueDate: of_order(row, |order| Cell::Date(order.requested)),
    SalesOrganization: of_order(row, |order| Cell::Text(order.organization.as_str())),
    SDDocumentCategory: Cell::Text("J"),
    ShippingCondition: Cell::Text("01"),
    ShippingPoint: Cell::Text(delivery.plant.as_str()),
    ShipToParty: ship_to(row),
    SoldToParty: of_order(row, |order| Cell::Text(&row.store.customers[order.customer as usize].number)),
    TransactionCurrency: of_order(row, |order| Cell::Text(order.currency.as_str())),
});

fn status(delivery: &crate::erp::documents::Delivery) -> &'static str {
    match (delivery.billing.is_some(), delivery.issued.is_some() || delivery.picked) {
        (true, _) => "C",
        (false, true) => "B",
        (false, false) => "A",
    }
}

fn ship_to(row: ErpRow<'_>) -> Cell<'_> {
    of_order(row, |order| {
        let given = order.partners.iter().find(|(function, _)| function.as_str() == "SH");
        Cell::Text(given.map_or(&*row.store.customers[order.customer as usize].number, |(_, number)| number))
    })
}

columns!(ITEM, row, What::DeliveryItem(delivery, item) => {
    DeliveryDocument: Cell::Number(delivery.number),
    DeliveryDocumentItem: row.sold().map_or(Cell::Null, |sold| Cell::Number(u64::from(sold.number))),
    DeliveryDocumentItemCategory: Cell::Text("TAN"),
    DeliveryDocumentItemText: row.sold().map_or(Cell::Null, |sold| {
        Cell::Text(sold.text.as_deref().unwrap_or(&row.store.materials[sold.material as usize].description))
    }),
    ActualDeliveredQtyInBaseUnit: Cell::Amount(item.quantity),
    ActualDeliveryQuantity: Cell::Amount(item.quantity),
    BaseUnit: row.sold().map_or(Cell::Null, |sold| Cell::Text(sold.unit.as_str())),
    CreatedByUser: Cell::Text(&row.store.company.user),
    CreationDate: day(delivery.created),
    CreationTime: time_of_day(delivery.created),
    DeliveryQuantityUnit: row.sold().map_or(Cell::Null, |sold| Cell::Text(sold.unit.as_str())),
    DeliveryRelatedBillingStatus: Cell::Text(if delivery.billing.is_some() { "C" } else { "A" }),
    DeliveryToBaseQuantityDnmntr: Cell::Amount(Amount::whole(1)),
    DeliveryToBaseQuantityNmrtr: Cell::Amount(Amount::whole(1)),
    DeliveryVersion: Cell::Number(u64::from(delivery.version)),
    DistributionChannel: of_order(row, |order| Cell::Text(order.channel.as_str())),
    Division: of_order(row, |order| Cell::Text(order.division.as_str())),
    GoodsMovementStatus: Cell::Text(if delivery.issued.is_some() { "C" } else { "A" }),
    GoodsMovementType: Cell::Text("601"),
    IsCompletelyDelivered: Cell::Bool(true),
    ItemIsBillingRelevant: Cell::Text("A"),
    LastChangeDate: day(delivery.changed),
    Material: row.sold().map_or(Cell::Null, |sold| Cell::Text(&row.store.materials[sold.material as usize].number)),
    MaterialGroup: row.sold().map_or(Cell::Null, |sold| {
        Cell::Text(row.store.materials[sold.material as usize].group.as_str())
    }),
    OriginalDeliveryQuantity: Cell::Amount(item.quantity),
    PickingStatus: Cell::Text(if delivery.picked { "C" } else { "A" }),
    Plant: Cell::Text(delivery.plant.as_str()),
    ReferenceSDDocument: of_order(row, |order| Cell::Number(order.number)),
    ReferenceSDDocumentCategory: Cell::Text("C"),
    ReferenceSDDocumentItem: row.sold().map_or(Cell::Null, |sold| Cell::Number(u64::from(sold.number))),
    SDDocumentCategory: Cell::Text("J"),
    SDProcessStatus: Cell::Text(status(delivery)),
});

columns!(PARTNER, row, What::Partner(owner, place) => {
    SDDocument: number(document(owner)),
    PartnerFunction: Cell::Text(FUNCTIONS[usize::from(place).min(3)]),
    Customer: match owner {
        Owner::Delivery(delivery) => {
            let order = &row.store.orders[delivery.order as usize];
            let given = order.partners.iter().find(|(function, _)| function.as_str() == FUNCTIONS[usize::from(place).min(3)]);
            Cell::Text(given.map_or(&*row.store.customers[order.customer as usize].number, |(_, number)| number))
        }
        _ => Cell::Null,
    },
});

columns!(FLOW, row, What::DeliveryItem(delivery, item) => {
    Deliveryversion: Cell::Number(u64::from(delivery.version)),
    PrecedingDocument: of_order(row, |order| Cell::Number(order.number)),
    PrecedingDocumentCategory: Cell::Text("C"),
    PrecedingDocumentItem: row.sold().map_or(Cell::Null, |sold| Cell::Number(u64::from(sold.number))),
    Subsequentdocument: Cell::Number(delivery.number),
    QuantityInBaseUnit: Cell::Amount(item.quantity),
    SubsequentDocumentItem: row.sold().map_or(Cell::Null, |sold| Cell::Number(u64::from(sold.number))),
    SubsequentDocumentCategory: Cell::Text("J"),
});

columns!(AVAILABILITY, row, What::Availability(available) => {
    PeriodStartUTCDateTime: Cell::Date(available.start),
    PeriodStartTimeZone: Cell::Text("UTC"),
    PeriodEndUTCDateTime: Cell::Date(available.end),
    PeriodEndTimeZone: Cell::Text("UTC"),
    AvailableQuantityInBaseUnit: Cell::Amount(available.quantity),
    BaseUnit: Cell::Text(available.unit),
});

columns!(REPORT, row, What::DeliveryItem(delivery, item) => {
    DeliveryDocument: Cell::Number(delivery.number),
    DeliveryDocumentItem: row.sold().map_or(Cell::Null, |sold| Cell::Number(u64::from(sold.number))),
    Material: row.sold().map_or(Cell::Null, |sold| Cell::Text(&row.store.materials[sold.material as usize].number)),
    ActualDeliveryQuantity: Cell::Amount(item.quantity),
    DeliveryQuantityUnit: row.sold().map_or(Cell::Null, |sold| Cell::Text(sold.unit.as_str())),
    SystemMessageIdentification: Cell::Text("VLA"),
    SystemMessageNumber: Cell::Text("311"),
    SystemMessageType: Cell::Text("S"),
});
