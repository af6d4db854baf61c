//! The documents of order to cash, as compact rows: what a service shows of them is computed when it is asked for.

use crate::odata::fixed::{Amount, Rate};
use crate::odata::value::Value;

use super::code::Code;

/// Values of properties that the system keeps for the client without acting on them, by their place in the type.
pub(crate) type Extra = Option<Box<Vec<(u16, Value)>>>;

/// Where the numbers of documents start.
pub(crate) mod range {
    /// Sales orders.
    pub(crate) const ORDER: u64 = 5_000_001;
    /// Outbound deliveries.
    pub(crate) const DELIVERY: u64 = 80_000_001;
    /// Billing documents.
    pub(crate) const BILLING: u64 = 90_000_001;
    /// Customer returns.
    pub(crate) const RETURN: u64 = 60_000_001;
}

/// What the credit check said of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Credit {
    /// The customer has no limit.
    #[default]
    NotChecked,
    /// Within the limit.
    Passed,
    /// Beyond the limit: not delivered.
    Blocked,
    /// Beyond the limit, released by a person.
    Released,
}

impl Credit {
    /// TotalCreditCheckStatus.
    #[must_use]
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::NotChecked => "",
            Self::Passed => "A",
            Self::Blocked => "B",
            Self::Released => "D",
        }
    }
}

/// A long text.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    /// Its language.
    pub(crate) language: Code,
    /// LongTextID.
    pub(crate) id: Code,
    /// The text.
    pub(crate) text: Box<str>,
}

/// A sales order.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// SalesOrder; 0 for a simulation.
    pub(crate) number: u64,
    /// SalesOrderType.
    pub(crate) kind: Code,
    /// SalesOrganization.
    pub(crate) organization: Code,
    /// DistributionChannel.
    pub(crate) channel: Code,
    /// OrganizationDivision.
    pub(crate) division: Code,
    /// The sold-to party, by its place among the customers.
    pub(crate) customer: u32,
    /// PurchaseOrderByCustomer.
    pub(crate) reference: Box<str>,
    /// TransactionCurrency.
    pub(crate) currency: Code,
    /// When it was created.
    pub(crate) created: i64,
    /// When it was last changed; never the same twice.
    pub(crate) changed: i64,
    /// SalesOrderDate.
    pub(crate) date: i64,
    /// PricingDate.
    pub(crate) pricing_date: i64,
    /// RequestedDeliveryDate.
    pub(crate) requested: i64,
    /// Tax of the destination, in percent.
    pub(crate) tax_rate: Rate,
    /// Country of the ship-to party.
    pub(crate) destination: Code,
    /// TotalNetAmount: without rejected items.
    pub(crate) net: Amount,
    /// Tax on it.
    pub(crate) tax: Amount,
    /// The credit check.
    pub(crate) credit: Credit,
    /// DeliveryBlockReason.
    pub(crate) delivery_block: Code,
    /// HeaderBillingBlockReason.
    pub(crate) billing_block: Code,
    /// What counts against the customer's credit limit.
    pub(crate) claimed: Amount,
    /// Whether a delivery step is on the schedule.
    pub(crate) planned: bool,
    /// Whether it was deleted.
    pub(crate) deleted: bool,
    /// Its items.
    pub(crate) items: Vec<Item>,
    /// Partners other than the sold-to party in all functions.
    pub(crate) partners: Vec<(Code, Box<str>)>,
    /// Its texts.
    pub(crate) texts: Vec<Text>,
    /// Its deliveries, by place.
    pub(crate) deliveries: Vec<u32>,
    /// What else the client gave.
    pub(crate) extra: Extra,
}

/// An item of a sales order.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// SalesOrderItem.
    pub(crate) number: u32,
    /// The material, by its place.
    pub(crate) material: u32,
    /// ProductionPlant.
    pub(crate) plant: Code,
    /// RequestedQuantityUnit.
    pub(crate) unit: Code,
    /// SalesDocumentRjcnReason.
    pub(crate) rejection: Code,
    /// RequestedQuantity.
    pub(crate) quantity: Amount,
    /// What the availability check confirmed for the requested date.
    pub(crate) confirmed: Amount,
    /// What of it still reserves stock.
    pub(crate) reserved: Amount,
    /// What is in deliveries.
    pub(crate) delivered: Amount,
    /// What left the house.
    pub(crate) issued: Amount,
    /// The price per pricing unit.
    pub(crate) price: Rate,
    /// How many pieces the price is for.
    pub(crate) per: u32,
    /// Whether the price was given and not found.
    pub(crate) manual: bool,
    /// The condition type of the price.
    pub(crate) condition: Code,
    /// NetAmount.
    pub(crate) net: Amount,
    /// Tax on it.
    pub(crate) tax: Amount,
    /// SalesOrderItemText, when it is not the material's.
    pub(crate) text: Option<Box<str>>,
    /// Its texts.
    pub(crate) texts: Box<[Text]>,
    /// What else the client gave.
    pub(crate) extra: Extra,
}

impl Order {
    /// Net and tax together.
    #[must_use]
    pub(crate) const fn gross(&self) -> Amount {
        self.net.plus(self.tax)
    }

    /// Whether nothing stands against delivering it.
    #[must_use]
    pub(crate) fn is_deliverable(&self) -> bool {
        !self.deleted
            && self.credit != Credit::Blocked
            && self.delivery_block.is_empty()
            && self.items.iter().any(|item| item.open() > Amount::ZERO)
    }
}

impl Item {
    /// What is still to be delivered.
    #[must_use]
    pub(crate) fn open(&self) -> Amount {
        if self.rejection.is_empty() { self.quantity.minus(self.delivered) } else { Amount::ZERO }
    }

    /// SDProcessStatus.
    #[must_use]
    pub(crate) fn status(&self) -> &'static str {
        if !self.rejection.is_empty() || (self.issued >= self.quantity && self.quantity > Amount::ZERO) {
            "C"
        } else if self.delivered > Amount::ZERO {
            "B"
        } else {
            "A"
        }
    }
}

/// An outbound delivery.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    /// DeliveryDocument.
    pub(crate) number: u64,
    /// The order, by place.
    pub(crate) order: u32,
    /// The plant it leaves.
    pub(crate) plant: Code,
    /// When it was created.
    pub(crate) created: i64,
    /// When it was last changed.
    pub(crate) changed: i64,
    /// DeliveryVersion: counts the changes.
    pub(crate) version: u32,
    /// Whether it is picked.
    pub(crate) picked: bool,
    /// When the goods left.
    pub(crate) issued: Option<i64>,
    /// DeliveryBlockReason.
    pub(crate) block: Code,
    /// Its billing document, by place.
    pub(crate) billing: Option<u32>,
    /// Billing documents that were cancelled and their cancellations, by place.
    pub(crate) former: Vec<u32>,
    /// Its items.
    pub(crate) items: Box<[DeliveryItem]>,
    /// What else the client gave.
    pub(crate) extra: Extra,
}

/// An item of a delivery. Its number is that of the order's item.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeliveryItem {
    /// The order's item, by place.
    pub(crate) item: u32,
    /// How much.
    pub(crate) quantity: Amount,
}

/// What a billing document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BillingKind {
    /// An invoice for a delivery.
    Invoice,
    /// A credit memo for a return.
    CreditMemo,
    /// The cancellation of an invoice.
    Cancellation,
}

/// A billing document.
#[derive(Debug, Clone)]
pub(crate) struct Billing {
    /// BillingDocument.
    pub(crate) number: u64,
    /// What it is.
    pub(crate) kind: BillingKind,
    /// The order, by place, of an invoice.
    pub(crate) order: Option<u32>,
    /// The delivery, by place, of an invoice.
    pub(crate) delivery: Option<u32>,
    /// The return, by place, of a credit memo.
    pub(crate) origin: Option<u32>,
    /// The payer, by place.
    pub(crate) customer: u32,
    /// TransactionCurrency.
    pub(crate) currency: Code,
    /// When it was created.
    pub(crate) created: i64,
    /// When it was last changed.
    pub(crate) changed: i64,
    /// TotalNetAmount.
    pub(crate) net: Amount,
    /// TaxAmount.
    pub(crate) tax: Amount,
    /// Whether it is paid or set off.
    pub(crate) cleared: bool,
    /// The document that cancelled it, by place.
    pub(crate) cancelled_by: Option<u32>,
    /// The document that it cancels, by place.
    pub(crate) cancels: Option<u32>,
    /// Its items.
    pub(crate) items: Box<[BillingItem]>,
    /// Returns that refer to it, by place.
    pub(crate) returns: Vec<u32>,
}

/// An item of a billing document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BillingItem {
    /// BillingDocumentItem.
    pub(crate) number: u32,
    /// The item of the order or the return, by place.
    pub(crate) item: u32,
    /// BillingQuantity.
    pub(crate) quantity: Amount,
    /// NetAmount.
    pub(crate) net: Amount,
    /// TaxAmount.
    pub(crate) tax: Amount,
    /// How much of it has been returned.
    pub(crate) returned: Amount,
    /// The net amount of what has been returned.
    pub(crate) returned_net: Amount,
    /// The tax of what has been returned.
    pub(crate) returned_tax: Amount,
}

/// A customer return.
#[derive(Debug, Clone)]
pub(crate) struct Return {
    /// CustomerReturn.
    pub(crate) number: u64,
    /// CustomerReturnType.
    pub(crate) kind: Code,
    /// SalesOrganization.
    pub(crate) organization: Code,
    /// DistributionChannel.
    pub(crate) channel: Code,
    /// OrganizationDivision.
    pub(crate) division: Code,
    /// The sold-to party, by place.
    pub(crate) customer: u32,
    /// PurchaseOrderByCustomer.
    pub(crate) reference: Box<str>,
    /// SDDocumentReason.
    pub(crate) reason: Code,
    /// HeaderBillingBlockReason.
    pub(crate) billing_block: Code,
    /// TransactionCurrency.
    pub(crate) currency: Code,
    /// When it was created.
    pub(crate) created: i64,
    /// When it was last changed.
    pub(crate) changed: i64,
    /// CustomerReturnDate.
    pub(crate) date: i64,
    /// TotalNetAmount.
    pub(crate) net: Amount,
    /// Tax on it.
    pub(crate) tax: Amount,
    /// Its credit memo, by place.
    pub(crate) credit: Option<u32>,
    /// Its items.
    pub(crate) items: Vec<ReturnItem>,
    /// What else the client gave.
    pub(crate) extra: Extra,
}

/// An item of a return.
#[derive(Debug, Clone)]
pub(crate) struct ReturnItem {
    /// CustomerReturnItem.
    pub(crate) number: u32,
    /// The billing document it refers to, by place.
    pub(crate) billing: u32,
    /// The item there, by place.
    pub(crate) billing_item: u32,
    /// Whether it was referred to by its sales order.
    pub(crate) by_order: bool,
    /// The material, by place.
    pub(crate) material: u32,
    /// ProductionPlant.
    pub(crate) plant: Code,
    /// SalesDocumentRjcnReason.
    pub(crate) rejection: Code,
    /// ReturnReason.
    pub(crate) reason: Code,
    /// RequestedQuantity.
    pub(crate) quantity: Amount,
    /// NetAmount.
    pub(crate) net: Amount,
    /// Tax on it.
    pub(crate) tax: Amount,
    /// What else the client gave.
    pub(crate) extra: Extra,
}
