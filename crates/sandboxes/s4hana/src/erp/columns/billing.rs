//! Billing documents.

use super::{Column, columns, day, time_of_day};
use crate::erp::documents::{BillingKind, Order};
use crate::erp::row::{ErpRow, What};
use crate::odata::value::Cell;

fn order(row: ErpRow<'_>) -> Option<&Order> {
    match row.what {
        What::Billing(billing) | What::BillingItem(billing, _) => row.store.orders.get(billing.order? as usize),
        _ => None,
    }
}

columns!(HEADER, row, What::Billing(billing) => {
    BillingDocument: Cell::Number(billing.number),
    SDDocumentCategory: Cell::Text(match billing.kind {
        BillingKind::Invoice => "M",
        BillingKind::CreditMemo => "O",
        BillingKind::Cancellation => "N",
    }),
    BillingDocumentCategory: Cell::Text("L"),
    BillingDocumentType: Cell::Text(match billing.kind {
        BillingKind::Invoice => "F2",
        BillingKind::CreditMemo => "CBRE",
        BillingKind::Cancellation => "S1",
    }),
    CreationDate: day(billing.created),
    CreationTime: time_of_day(billing.created),
    LastChangeDate: day(billing.changed),
    LastChangeDateTime: Cell::Instant(billing.changed),
    SalesOrganization: Cell::Text(row.store.company.areas.first().map_or("", |area| area.0.as_str())),
    DistributionChannel: Cell::Text(row.store.company.areas.first().map_or("", |area| area.1.as_str())),
    Division: Cell::Text(row.store.company.areas.first().map_or("", |area| area.2.as_str())),
    BillingDocumentDate: day(billing.created),
    BillingDocumentIsCancelled: Cell::Bool(billing.cancelled_by.is_some()),
    CancelledBillingDocument: {
        let cancelled = billing.cancels.and_then(|place| row.store.billings.get(place as usize));
        cancelled.map_or(Cell::Null, |cancelled| Cell::Number(cancelled.number))
    },
    TotalNetAmount: Cell::Money(billing.net),
    TransactionCurrency: Cell::Text(billing.currency.as_str()),
    StatisticsCurrency: Cell::Text(row.store.company.currency.as_str()),
    TaxAmount: Cell::Money(billing.tax),
    TotalGrossAmount: Cell::Money(billing.net.plus(billing.tax)),
    SDPricingProcedure: Cell::Text("A10001"),
    ShippingCondition: Cell::Text("01"),
    PayerParty: Cell::Text(&row.store.customers[billing.customer as usize].number),
    CompanyCode: Cell::Text(row.store.company.company_code.as_str()),
    AccountingDocument: Cell::Number(billing.number),
    DocumentReferenceID: Cell::Number(billing.number),
    SoldToParty: Cell::Text(&row.store.customers[billing.customer as usize].number),
    PurchaseOrderByCustomer: match (order(row), billing.origin) {
        (Some(order), _) => Cell::Text(&order.reference),
        (None, Some(origin)) => row.store.returns.get(origin as usize).map_or(Cell::Null, |origin| Cell::Text(&origin.reference)),
        _ => Cell::Null,
    },
    Country: Cell::Text(row.store.customers[billing.customer as usize].country.as_str()),
    OverallSDProcessStatus: Cell::Text("C"),
    OverallBillingStatus: Cell::Text("C"),
    AccountingPostingStatus: Cell::Text("C"),
    AccountingTransferStatus: Cell::Text("C"),
    InvoiceClearingStatus: Cell::Text(if billing.cleared { "C" } else { "A" }),
});

columns!(ITEM, row, What::BillingItem(billing, item) => {
    BillingDocument: Cell::Number(billing.number),
    BillingDocumentItem: Cell::Number(u64::from(item.number)),
    SalesDocumentItemCategory: Cell::Text(if billing.kind == BillingKind::CreditMemo { "CBRE" } else { "TAN" }),
    CreationDate: day(billing.created),
    CreationTime: time_of_day(billing.created),
    Material: material(row).map_or(Cell::Null, |material| Cell::Text(&material.number)),
    MaterialGroup: material(row).map_or(Cell::Null, |material| Cell::Text(material.group.as_str())),
    Plant: match (row.sold(), billing.origin) {
        (Some(sold), _) => Cell::Text(sold.plant.as_str()),
        (None, Some(origin)) => {
            let line = row.store.returns.get(origin as usize).and_then(|origin| origin.items.get(item.item as usize));
            line.map_or(Cell::Null, |line| Cell::Text(line.plant.as_str()))
        }
        _ => Cell::Null,
    },
    BillingDocumentItemText: material(row).map_or(Cell::Null, |material| Cell::Text(&material.description)),
    ServicesRenderedDate: day(billing.created),
    BillingQuantity: Cell::Amount(item.quantity),
    BillingQuantityUnit: material(row).map_or(Cell::Null, |material| Cell::Text(material.unit.as_str())),
    BillingQuantityInBaseUnit: Cell::Amount(item.quantity),
    BaseUnit: material(row).map_or(Cell::Null, |material| Cell::Text(material.unit.as_str())),
    NetAmount: Cell::Money(item.net),
    TransactionCurrency: Cell::Text(billing.currency.as_str()),
    GrossAmount: Cell::Money(item.net.plus(item.tax)),
    PricingDate: order(row).map_or(Cell::Null, |order| Cell::Date(order.pricing_date)),
    TaxAmount: Cell::Money(item.tax),
    ProductTaxClassification1: Cell::Text("1"),
    EligibleAmountForCashDiscount: Cell::Money(item.net.plus(item.tax)),
    OriginSDDocument: sales_document(row),
    OriginSDDocumentItem: Cell::Number(u64::from(item.number)),
    ReferenceSDDocument: match billing.delivery.and_then(|place| row.store.deliveries.get(place as usize)) {
        Some(delivery) => Cell::Number(delivery.number),
        None => sales_document(row),
    },
    ReferenceSDDocumentItem: Cell::Number(u64::from(item.number)),
    ReferenceSDDocumentCategory: Cell::Text(if billing.kind == BillingKind::CreditMemo { "H" } else { "J" }),
    SalesDocument: sales_document(row),
    SalesDocumentItem: Cell::Number(u64::from(item.number)),
    SalesSDDocumentCategory: Cell::Text(if billing.kind == BillingKind::CreditMemo { "H" } else { "C" }),
    SalesOrderSalesOrganization: order(row).map_or(Cell::Null, |order| Cell::Text(order.organization.as_str())),
    SalesOrderDistributionChannel: order(row).map_or(Cell::Null, |order| Cell::Text(order.channel.as_str())),
    ShippingPoint: row.sold().map_or(Cell::Null, |sold| Cell::Text(sold.plant.as_str())),
});

/// The order of an invoice, the return of a credit memo.
fn sales_document(row: ErpRow<'_>) -> Cell<'_> {
    match (order(row), row.what) {
        (Some(order), _) => Cell::Number(order.number),
        (None, What::BillingItem(billing, _)) => {
            let origin = billing.origin.and_then(|place| row.store.returns.get(place as usize));
            origin.map_or(Cell::Null, |origin| Cell::Number(origin.number))
        }
        _ => Cell::Null,
    }
}

fn material(row: ErpRow<'_>) -> Option<&crate::erp::store::Material> {
    let place = match (row.sold(), row.what) {
        (Some(sold), _) => sold.material,
        (None, What::BillingItem(billing, item)) => {
            row.store.returns.get(billing.origin? as usize)?.items.get(item.item as usize)?.material
        }
        _ => return None,
    };
    row.store.materials.get(place as usize)
}

columns!(CANCELLED, row, What::Billing(billing) => {
    BillingDocument: {
        let cancelled = billing.cancels.and_then(|place| row.store.billings.get(place as usize));
        cancelled.map_or(Cell::Null, |cancelled| Cell::Number(cancelled.number))
    },
    CancellationBillingDocument: Cell::Number(billing.number),
    SystemMessageType: Cell::Text("S"),
    SystemMessageIdentification: Cell::Text("VF"),
    SystemMessageNumber: Cell::Text("311"),
});
