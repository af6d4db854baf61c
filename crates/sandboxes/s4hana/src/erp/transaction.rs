//! One unit of work: changes that are kept together or taken back together, and what they set off once they are kept.

use crate::odata::fixed::Amount;

use super::code::Code;
use super::documents::{Billing, Delivery, Order, Return};
use super::masters;
use super::record::Record;
use super::store::Store;

/// What a business event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A sales order.
    Order(u64),
    /// An outbound delivery.
    Delivery(u64),
    /// A billing document.
    Billing(u64),
    /// A customer return.
    Return(u64),
    /// A business partner.
    Partner(Box<str>),
    /// A product.
    Product(Box<str>),
}

/// A business event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// What it is about.
    pub(crate) subject: Subject,
    /// Whether it is new, or changed.
    pub(crate) created: bool,
    /// When.
    pub(crate) at: i64,
}

/// A step of the process that follows by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// An order is delivered.
    Deliver(u32),
    /// A delivery leaves.
    Issue(u32),
    /// A delivery is billed.
    Bill(u32),
    /// A return is credited.
    Credit(u32),
    /// A billing document is paid.
    Pay(u32),
}

/// How a change is taken back.
#[derive(Debug)]
enum Undo {
    NewOrder,
    Order(u32, Box<Order>),
    NewReturn,
    Return(u32, Box<Return>),
    NewDelivery,
    Delivery(u32, Box<Delivery>),
    NewBilling,
    Billing(u32, Box<Billing>),
    Record { table: usize, key: Box<str>, old: Option<Record> },
    Stock { material: u32, plant: Code, old: Amount },
}

/// A unit of work.
#[derive(Debug)]
pub(crate) struct Transaction<'s> {
    /// The state, with the changes so far.
    pub(crate) store: &'s mut Store,
    /// The time of the changes.
    pub(crate) now: i64,
    /// Events to be told once the changes are kept.
    pub(crate) events: Vec<Event>,
    /// Steps to be scheduled once the changes are kept.
    pub(crate) steps: Vec<Step>,
    undo: Vec<Undo>,
}

impl<'s> Transaction<'s> {
    /// Begins a unit of work; its time stamp is later than that of every other.
    pub(crate) fn begin(store: &'s mut Store, clock: i64) -> Self {
        let now = clock.max(store.last_stamp + 1);
        store.last_stamp = now;
        let (events, steps) = (Vec::new(), Vec::new());
        Self { store, now, events, steps, undo: Vec::new() }
    }

    /// Notes an event.
    pub(crate) fn event(&mut self, subject: Subject, created: bool) {
        let event = Event { subject, created, at: self.now };
        // A document that is changed several times in one unit of work is told of once.
        if !self.events.iter().any(|other| other.subject == event.subject) {
            self.events.push(event);
        }
    }

    /// How far the unit of work has come, to go back there.
    #[must_use]
    pub(crate) const fn mark(&self) -> usize {
        self.undo.len()
    }

    /// Adds an order; its claims on credit and stock are counted.
    pub(crate) fn add_order(&mut self, order: Order) -> u32 {
        let place = u32::try_from(self.store.orders.len()).unwrap_or(u32::MAX);
        claim(self.store, &order, true);
        self.store.orders_by_reference.entry(order.reference.clone()).or_default().push(place);
        self.store.customers[order.customer as usize].orders.push(place);
        self.store.orders.push(order);
        self.undo.push(Undo::NewOrder);
        place
    }

    /// Changes an order; claims are counted anew.
    pub(crate) fn change_order(&mut self, place: u32, order: Order) {
        let old = std::mem::replace(&mut self.store.orders[place as usize], order);
        self.exchange_order(place, &old);
        self.undo.push(Undo::Order(place, Box::new(old)));
    }

    fn exchange_order(&mut self, place: u32, old: &Order) {
        claim(self.store, old, false);
        let new = &self.store.orders[place as usize];
        let reference = (new.reference != old.reference).then(|| new.reference.clone());
        let new = new.clone();
        claim(self.store, &new, true);
        if let Some(reference) = reference {
            if let Some(places) = self.store.orders_by_reference.get_mut(&old.reference) {
                places.retain(|other| *other != place);
            }
            self.store.orders_by_reference.entry(reference).or_default().push(place);
        }
    }

    /// Adds a delivery.
    pub(crate) fn add_delivery(&mut self, delivery: Delivery) -> u32 {
        self.undo.push(Undo::NewDelivery);
        self.store.deliveries.push(delivery);
        u32::try_from(self.store.deliveries.len() - 1).unwrap_or(u32::MAX)
    }

    /// Changes a delivery.
    pub(crate) fn change_delivery(&mut self, place: u32, delivery: Delivery) {
        let old = std::mem::replace(&mut self.store.deliveries[place as usize], delivery);
        self.undo.push(Undo::Delivery(place, Box::new(old)));
    }

    /// Adds a billing document.
    pub(crate) fn add_billing(&mut self, billing: Billing) -> u32 {
        self.undo.push(Undo::NewBilling);
        self.store.billings.push(billing);
        u32::try_from(self.store.billings.len() - 1).unwrap_or(u32::MAX)
    }

    /// Changes a billing document.
    pub(crate) fn change_billing(&mut self, place: u32, billing: Billing) {
        let old = std::mem::replace(&mut self.store.billings[place as usize], billing);
        self.undo.push(Undo::Billing(place, Box::new(old)));
    }

    /// Adds a return.
    pub(crate) fn add_return(&mut self, new: Return) -> u32 {
        let place = u32::try_from(self.store.returns.len()).unwrap_or(u32::MAX);
        self.store.returns_by_reference.entry(new.reference.clone()).or_default().push(place);
        self.undo.push(Undo::NewReturn);
        self.store.returns.push(new);
        place
    }

    /// Changes a return.
    pub(crate) fn change_return(&mut self, place: u32, new: Return) {
        let old = std::mem::replace(&mut self.store.returns[place as usize], new);
        self.undo.push(Undo::Return(place, Box::new(old)));
    }

    /// Puts or takes away a record of master data.
    pub(crate) fn put_record(&mut self, table: usize, key: &str, record: Option<Record>) {
        let old = self.store.tables[table].replace(key, record);
        self.undo.push(Undo::Record { table, key: key.into(), old });
    }

    /// Sets what lies in a plant of a material.
    pub(crate) fn set_stock(&mut self, material: u32, plant: Code, amount: Amount) {
        let stocks = &mut self.store.materials[material as usize].stocks;
        if let Some(stock) = stocks.iter_mut().find(|stock| stock.plant == plant) {
            let old = std::mem::replace(&mut stock.stock, amount);
            self.undo.push(Undo::Stock { material, plant, old });
        }
    }

    /// Takes back what was changed since a mark.
    pub(crate) fn roll_back(&mut self, mark: usize) {
        while self.undo.len() > mark {
            match self.undo.pop() {
                Some(Undo::NewOrder) => {
                    if let Some(order) = self.store.orders.pop() {
                        claim(self.store, &order, false);
                        self.store.customers[order.customer as usize].orders.pop();
                        if let Some(places) = self.store.orders_by_reference.get_mut(&order.reference) {
                            places.pop();
                        }
                    }
                }
                Some(Undo::Order(place, old)) => {
                    let new = std::mem::replace(&mut self.store.orders[place as usize], *old);
                    self.exchange_order(place, &new);
                }
                Some(Undo::NewReturn) => {
                    if let Some(gone) = self.store.returns.pop()
                        && let Some(places) = self.store.returns_by_reference.get_mut(&gone.reference)
                    {
                        places.pop();
                    }
                }
                Some(Undo::Return(place, old)) => self.store.returns[place as usize] = *old,
                Some(Undo::NewDelivery) => drop(self.store.deliveries.pop()),
                Some(Undo::Delivery(place, old)) => self.store.deliveries[place as usize] = *old,
                Some(Undo::NewBilling) => drop(self.store.billings.pop()),
                Some(Undo::Billing(place, old)) => self.store.billings[place as usize] = *old,
                Some(Undo::Record { table, key, old }) => {
                    drop(self.store.tables[table].replace(&key, old));
                    masters::refresh(self.store, table, &key);
                }
                Some(Undo::Stock { material, plant, old }) => {
                    let stocks = &mut self.store.materials[material as usize].stocks;
                    if let Some(stock) = stocks.iter_mut().find(|stock| stock.plant == plant) {
                        stock.stock = old;
                    }
                }
                None => break,
            }
        }
        if mark == 0 {
            self.events.clear();
            self.steps.clear();
        }
    }
}

/// Counts what an order claims of its customer's credit and of the stock, or counts it no more.
fn claim(store: &mut Store, order: &Order, counts: bool) {
    let customer = &mut store.customers[order.customer as usize];
    customer.exposure =
        if counts { customer.exposure.plus(order.claimed) } else { customer.exposure.minus(order.claimed) };
    for item in &order.items {
        let stocks = &mut store.materials[item.material as usize].stocks;
        if let Some(stock) = stocks.iter_mut().find(|stock| stock.plant == item.plant) {
            stock.reserved =
                if counts { stock.reserved.plus(item.reserved) } else { stock.reserved.minus(item.reserved) };
        }
    }
}
