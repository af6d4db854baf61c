//! Puts every row in exactly one place: a line of an order, a line of a return, or aside with a reason.
//!
//! The rules, first match wins, and why:
//!
//! 1. A row that cannot be read is a `bad_row`.
//! 2. Documents that begin with A, and stock codes that are no goods (postage, fees, vouchers, samples, manual entries), say
//!    by themselves what they are, whoever bought and whatever the sign.
//! 3. A negative quantity on a sale is the warehouse writing off stock ("damaged", "lost"): it belongs to inventory.
//! 4. Without a price (or one that is less than half a penny) there is nothing to bill; below zero it is a correction.
//! 5. Without a customer there is nobody to deliver to or to bill.
//! 6. What a cancellation document takes back is matched with the latest earlier order of the same customer that still has so
//!    many pieces of the product at one line; without one, a person has to look at it.
//!
//! Two rows that are equal in every column both count: the format has no line number, and the seller's invoices bill both.

use std::collections::HashMap;

#[cfg(test)]
use super::plan::InputAccount;
use super::plan::{Customer, Line, Order, Plan, Product, Reason, Return};
use super::row::{DocumentKind, Row, Values};

/// Where a row went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A line of an order.
    OrderLine,
    /// A line of a return.
    ReturnLine,
    /// Aside.
    SetAside(Reason),
    /// Nowhere: it would begin one order more than wanted. It is not counted.
    Beyond,
}

#[derive(Default)]
struct ProductNotes {
    lines: u32,
    pieces: u64,
    prices: Vec<(i64, u32)>,
    names: Vec<(Box<str>, u32)>,
}

/// Where pieces of a product can come back from.
#[derive(Clone, Copy)]
struct Sold {
    order: u32,
    left: u32,
    price: i64,
}

/// Sorts rows.
pub(crate) struct Sorter {
    orders_max: usize,
    customers: HashMap<u64, u32>,
    products: HashMap<Box<str>, u32>,
    notes: Vec<ProductNotes>,
    documents: HashMap<Box<str>, u32>,
    sold: HashMap<(u32, u32), Vec<Sold>>,
    returns: HashMap<(Box<str>, u32), u32>,
    plan: Plan,
}

impl Sorter {
    /// A sorter that takes rows until there are so many orders.
    pub(crate) fn new(orders_max: usize) -> Self {
        Self {
            orders_max,
            customers: HashMap::new(),
            products: HashMap::new(),
            notes: Vec::new(),
            documents: HashMap::new(),
            sold: HashMap::new(),
            returns: HashMap::new(),
            plan: Plan::default(),
        }
    }

    /// Takes a row that could not be read as one.
    pub(crate) fn take_broken(&mut self) -> Place {
        self.count(Place::SetAside(Reason::BadRow))
    }

    /// Takes a row.
    pub(crate) fn take(&mut self, row: &Row) -> Place {
        let place = self.place(row);
        self.count(place)
    }

    fn count(&mut self, place: Place) -> Place {
        let account = &mut self.plan.account;
        match place {
            Place::OrderLine => account.order_lines += 1,
            Place::ReturnLine => account.return_lines += 1,
            Place::SetAside(reason) => *account.set_aside.entry(reason).or_default() += 1,
            Place::Beyond => {
                account.more = true;
                return place;
            }
        }
        account.rows += 1;
        place
    }

    fn place(&mut self, row: &Row) -> Place {
        let Some(values) = Values::read(row) else { return Place::SetAside(Reason::BadRow) };
        let code = row.stock_code.to_uppercase();
        if let Some(reason) = no_goods(&code) {
            return Place::SetAside(reason);
        }
        let credit = match values.kind {
            DocumentKind::Adjustment => return Place::SetAside(Reason::ManualOrAdjustment),
            DocumentKind::Credit => true,
            DocumentKind::Sale => false,
        };
        // A cancellation takes back, a sale delivers: nothing of nothing is neither.
        if values.quantity == 0 || (credit && values.quantity > 0) {
            return Place::SetAside(Reason::BadRow);
        }
        if !credit && values.quantity < 0 {
            return Place::SetAside(Reason::NegativeQuantityWithoutC);
        }
        if values.price == 0 {
            return Place::SetAside(Reason::ZeroPrice);
        }
        if values.price < 0 {
            return Place::SetAside(Reason::ManualOrAdjustment);
        }
        if values.customer == 0 {
            return Place::SetAside(Reason::MissingCustomer);
        }
        let quantity = u32::try_from(values.quantity.unsigned_abs()).unwrap_or(u32::MAX);
        if credit { self.give_back(row, &code, values, quantity) } else { self.sell(row, &code, values, quantity) }
    }

    fn sell(&mut self, row: &Row, code: &str, values: Values, quantity: u32) -> Place {
        let order = match self.documents.get(row.document.as_str()) {
            Some(order) => *order,
            None if self.plan.orders.len() >= self.orders_max => return Place::Beyond,
            None => self.begin(row, values.customer),
        };
        let product = self.product(code);
        self.note(product, row, values.price, quantity);
        let Some(placed) = self.plan.orders.get_mut(order as usize) else { return Place::SetAside(Reason::BadRow) };
        // One document has one buyer; another one on a later line would be a mistake in the file.
        let customer = placed.customer;
        if self.customers.get(&values.customer) != Some(&customer) {
            return Place::SetAside(Reason::BadRow);
        }
        placed.lines.push(Line { product, quantity, price: values.price });
        let sold = self.sold.entry((customer, product)).or_default();
        // Of several lines with one product in one order, the last is the one that can be told apart later.
        sold.retain(|earlier| earlier.order != order);
        sold.push(Sold { order, left: quantity, price: values.price });
        Place::OrderLine
    }

    fn begin(&mut self, row: &Row, number: u64) -> u32 {
        let next = count(self.plan.customers.len());
        let customer = *self.customers.entry(number).or_insert(next);
        if customer == next {
            self.plan.customers.push(Customer { number, country: row.country.as_str().into() });
        }
        let order = count(self.plan.orders.len());
        self.plan.orders.push(Order { document: row.document.as_str().into(), customer, lines: Vec::new() });
        self.documents.insert(row.document.as_str().into(), order);
        order
    }

    fn product(&mut self, code: &str) -> u32 {
        if let Some(product) = self.products.get(code) {
            return *product;
        }
        let product = count(self.notes.len());
        self.products.insert(code.into(), product);
        self.notes.push(ProductNotes::default());
        let product_row = Product { code: code.into(), name: "".into(), price: 0, lines: 0, pieces: 0 };
        self.plan.products.push(product_row);
        product
    }

    fn note(&mut self, product: u32, row: &Row, price: i64, quantity: u32) {
        let Some(notes) = self.notes.get_mut(product as usize) else { return };
        notes.lines += 1;
        notes.pieces += u64::from(quantity);
        match notes.prices.iter_mut().find(|(known, _)| *known == price) {
            Some((_, times)) => *times += 1,
            None => notes.prices.push((price, 1)),
        }
        if row.description.is_empty() {
            return;
        }
        match notes.names.iter_mut().find(|(known, _)| **known == *row.description) {
            Some((_, times)) => *times += 1,
            None => notes.names.push((row.description.as_str().into(), 1)),
        }
    }

    fn give_back(&mut self, row: &Row, code: &str, values: Values, quantity: u32) -> Place {
        let nowhere = Place::SetAside(Reason::ReturnWithoutOrder);
        let Some(customer) = self.customers.get(&values.customer) else { return nowhere };
        let Some(product) = self.products.get(code) else { return nowhere };
        let Some(sold) = self.sold.get_mut(&(*customer, *product)) else { return nowhere };
        let Some(from) = sold.iter_mut().rev().find(|sold| sold.left >= quantity) else { return nowhere };
        from.left -= quantity;
        let line = Line { product: *product, quantity, price: from.price };
        let key = (Box::from(row.document.as_str()), from.order);
        let next = count(self.plan.returns.len());
        let place = *self.returns.entry(key).or_insert(next);
        if place == next {
            let document = row.document.as_str().into();
            self.plan.returns.push(Return { document, order: from.order, lines: Vec::new(), whole: false });
        }
        let Some(given) = self.plan.returns.get_mut(place as usize) else { return nowhere };
        // A product that one document takes back twice is one line: the ERP knows the order's line once.
        match given.lines.iter_mut().find(|earlier| earlier.product == line.product) {
            Some(earlier) => earlier.quantity += quantity,
            None => given.lines.push(line),
        }
        Place::ReturnLine
    }

    /// The plan, with names and list prices settled.
    pub(crate) fn finish(mut self) -> Plan {
        for (product, notes) in self.plan.products.iter_mut().zip(&self.notes) {
            product.lines = notes.lines;
            product.pieces = notes.pieces;
            product.price =
                notes.prices.iter().max_by_key(|(price, times)| (*times, -price)).map_or(0, |(price, _)| *price);
            let name = notes.names.iter().max_by_key(|(_, times)| *times);
            product.name = name.map_or_else(|| product.code.clone(), |(name, _)| name.clone());
        }
        for given in &mut self.plan.returns {
            let Some(order) = self.plan.orders.get(given.order as usize) else { continue };
            let pieces = |lines: &[Line]| lines.iter().map(|line| u64::from(line.quantity)).sum::<u64>();
            given.whole = pieces(&given.lines) == pieces(&order.lines);
        }
        self.plan
    }

    /// What became of the rows so far.
    #[cfg(test)]
    pub(crate) fn account(&self) -> &InputAccount {
        &self.plan.account
    }
}

/// Places are counted in `u32`: four thousand million orders do not fit in the memory of anything that runs this.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Stock codes that are no goods.
fn no_goods(code: &str) -> Option<Reason> {
    Some(match code {
        "POST" | "DOT" | "C2" => Reason::PostageOrCarriage,
        "M" | "B" => Reason::ManualOrAdjustment,
        "D" => Reason::Discount,
        "S" => Reason::Sample,
        "BANK CHARGES" | "AMAZONFEE" | "CRUK" => Reason::FeeOrCommission,
        _ if code.starts_with("GIFT_") => Reason::GiftVoucher,
        _ => return None,
    })
}
