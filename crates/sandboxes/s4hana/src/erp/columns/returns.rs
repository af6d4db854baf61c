//! Customer returns.

use super::{Column, columns, day};
use crate::erp::row::What;
use crate::odata::value::Cell;

columns!(HEADER, row, What::Return(origin) => {
    CustomerReturn: Cell::Number(origin.number),
    CustomerReturnType: Cell::Text(origin.kind.as_str()),
    SalesOrganization: Cell::Text(origin.organization.as_str()),
    DistributionChannel: Cell::Text(origin.channel.as_str()),
    OrganizationDivision: Cell::Text(origin.division.as_str()),
    SoldToParty: Cell::Text(&row.store.customers[origin.customer as usize].number),
    CreationDate: day(origin.created),
    CreatedByUser: Cell::Text(&row.store.company.user),
    LastChangeDate: day(origin.changed),
    LastChangeDateTime: Cell::Instant(origin.changed),
    PurchaseOrderByCustomer: Cell::Text(&origin.reference),
    CustomerReturnDate: Cell::Date(origin.date),
    TotalNetAmount: Cell::Money(origin.net),
    TransactionCurrency: Cell::Text(origin.currency.as_str()),
    SDDocumentReason: Cell::Text(origin.reason.as_str()),
    PricingDate: Cell::Date(origin.date),
    HeaderBillingBlockReason: Cell::Text(origin.billing_block.as_str()),
    OverallSDProcessStatus: Cell::Text(if origin.credit.is_some() { "C" } else { "A" }),
    RetsMgmtCompnProcgStatus: Cell::Text(if origin.credit.is_some() { "C" } else { "A" }),
    OverallSDDocumentRejectionSts: Cell::Text({
        let rejected = origin.items.iter().filter(|item| !item.rejection.is_empty()).count();
        if rejected == 0 { "A" } else if rejected < origin.items.len() { "B" } else { "C" }
    }),
});

columns!(ITEM, row, What::ReturnItem(origin, item) => {
    CustomerReturn: Cell::Number(origin.number),
    CustomerReturnItem: Cell::Number(u64::from(item.number)),
    CustomerReturnItemCategory: Cell::Text("CBRE"),
    CustomerReturnItemText: Cell::Text(&row.store.materials[item.material as usize].description),
    PurchaseOrderByCustomer: Cell::Text(&origin.reference),
    Material: Cell::Text(&row.store.materials[item.material as usize].number),
    RequestedQuantity: Cell::Amount(item.quantity),
    RequestedQuantityUnit: Cell::Text(row.store.materials[item.material as usize].unit.as_str()),
    TransactionCurrency: Cell::Text(origin.currency.as_str()),
    NetAmount: Cell::Money(item.net),
    MaterialGroup: Cell::Text(row.store.materials[item.material as usize].group.as_str()),
    ProductionPlant: Cell::Text(item.plant.as_str()),
    ProductTaxClassification1: Cell::Text("1"),
    SalesDocumentRjcnReason: Cell::Text(item.rejection.as_str()),
    ReturnReason: Cell::Text(item.reason.as_str()),
    SDProcessStatus: Cell::Text(if origin.credit.is_some() { "C" } else { "A" }),
    ReferenceSDDocument: {
        let billing = &row.store.billings[item.billing as usize];
        let order = billing.order.filter(|_| item.by_order).and_then(|place| row.store.orders.get(place as usize));
        Cell::Number(order.map_or(billing.number, |order| order.number))
    },
    ReferenceSDDocumentItem: {
        let billing = &row.store.billings[item.billing as usize];
        Cell::Number(u64::from(billing.items[item.billing_item as usize].number))
    },
    ReferenceSDDocumentCategory: Cell::Text(if item.by_order { "C" } else { "M" }),
    SDDocumentRejectionStatus: Cell::Text(if item.rejection.is_empty() { "A" } else { "C" }),
});
