//! What the rows come to: customers, products, orders and returns, compact enough for the whole file.

use std::collections::BTreeMap;

/// A buyer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Customer {
    /// Its number.
    pub(crate) number: u64,
    /// Its country, as the file spells it.
    pub(crate) country: Box<str>,
}

/// An article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Product {
    /// Its stock code, in capitals: the file writes some in both ways.
    pub(crate) code: Box<str>,
    /// What it is called most often.
    pub(crate) name: Box<str>,
    /// Its most frequent price, in hundredths: the list price.
    pub(crate) price: i64,
    /// On how many order lines it stands.
    pub(crate) lines: u32,
    /// How many pieces are ordered.
    pub(crate) pieces: u64,
}

/// One line of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    /// Place among the products.
    pub(crate) product: u32,
    /// Pieces.
    pub(crate) quantity: u32,
    /// In hundredths.
    pub(crate) price: i64,
}

/// An order: what a sales person quotes and a customer accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    /// The document's number in the file.
    pub(crate) document: Box<str>,
    /// Place among the customers.
    pub(crate) customer: u32,
    /// Its lines.
    pub(crate) lines: Vec<Line>,
}

/// What comes back of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Return {
    /// The cancellation document's number in the file.
    pub(crate) document: Box<str>,
    /// Place among the orders.
    pub(crate) order: u32,
    /// Products and quantities, at the order's prices.
    pub(crate) lines: Vec<Line>,
    /// Whether it takes back every piece of the order: the customer changed their mind.
    pub(crate) whole: bool,
}

/// Why a row is not part of an order or a return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reason {
    /// Postage or carriage: a charge of the shipment, which the ERP computes itself.
    PostageOrCarriage,
    /// A manual entry or a correction of the books.
    ManualOrAdjustment,
    /// A discount that was booked as a line.
    Discount,
    /// A bank charge, a marketplace's fee, a commission.
    FeeOrCommission,
    /// A gift voucher: money, not goods.
    GiftVoucher,
    /// A sample.
    Sample,
    /// Nobody to deliver to or to bill.
    MissingCustomer,
    /// Given away, or a note of the warehouse.
    ZeroPrice,
    /// The warehouse writing off stock.
    NegativeQuantityWithoutC,
    /// Comes back from an order that is not in what was read, or that has not so many pieces left.
    ReturnWithoutOrder,
    /// Cannot be read.
    BadRow,
}

impl Reason {
    /// The word for it in the account.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::PostageOrCarriage => "postage_or_carriage",
            Self::ManualOrAdjustment => "manual_or_adjustment",
            Self::Discount => "discount",
            Self::FeeOrCommission => "fee_or_commission",
            Self::GiftVoucher => "gift_voucher",
            Self::Sample => "sample",
            Self::MissingCustomer => "missing_customer",
            Self::ZeroPrice => "zero_price",
            Self::NegativeQuantityWithoutC => "negative_quantity_without_c",
            Self::ReturnWithoutOrder => "return_without_order",
            Self::BadRow => "bad_row",
        }
    }
}

/// What became of every row that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct InputAccount {
    /// Rows read.
    pub(crate) rows: u64,
    /// Rows that are lines of orders.
    pub(crate) order_lines: u64,
    /// Rows that are lines of returns.
    pub(crate) return_lines: u64,
    /// Rows that went elsewhere.
    pub(crate) set_aside: BTreeMap<Reason, u64>,
    /// Whether the source has more rows than were needed.
    pub(crate) more: bool,
}

/// Everything the demo is going to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Buyers.
    pub(crate) customers: Vec<Customer>,
    /// Articles.
    pub(crate) products: Vec<Product>,
    /// Orders, in the order of the source.
    pub(crate) orders: Vec<Order>,
    /// Returns, in the order of the source.
    pub(crate) returns: Vec<Return>,
    /// What became of the rows.
    pub(crate) account: InputAccount,
}
