//! What follows an order by itself: delivery, goods issue, billing document, payment; and the credit memo of a return.

use crate::odata::error::Error;
use crate::odata::fixed::{Amount, line_value};

use super::changes;
use super::code::Code;
use super::documents::{Billing, BillingItem, BillingKind, Delivery, DeliveryItem, Item, range};
use super::orders;
use super::transaction::{Step, Subject, Transaction};

/// Takes a step. One that is no longer due does nothing.
pub(crate) fn take(work: &mut Transaction<'_>, step: Step) {
    match step {
        Step::Deliver(order) => deliver(work, order),
        Step::Issue(delivery) => {
            // An error says that it was done by hand already, or is blocked.
            let _ = issue(work, delivery);
        }
        Step::Bill(delivery) => bill(work, delivery),
        Step::Credit(origin) => credit(work, origin),
        Step::Pay(billing) => pay(work, billing),
    }
}

fn deliver(work: &mut Transaction<'_>, place: u32) {
    let Some(order) = work.store.orders.get(place as usize) else { return };
    let mut order = order.clone();
    order.planned = false;
    if !order.is_deliverable() {
        work.change_order(place, order);
        return;
    }
    let mut plants: Vec<Code> = Vec::new();
    for item in order.items.iter().filter(|item| item.open() > Amount::ZERO) {
        if !plants.contains(&item.plant) {
            plants.push(item.plant);
        }
    }
    for plant in plants {
        let mut items = Vec::new();
        for (index, item) in order.items.iter_mut().enumerate().filter(|(_, item)| item.plant == plant) {
            let open = item.open();
            if open > Amount::ZERO {
                items.push(DeliveryItem { item: u32::try_from(index).unwrap_or(u32::MAX), quantity: open });
                item.delivered = item.delivered.plus(open);
            }
        }
        let number = range::DELIVERY + work.store.deliveries.len() as u64;
        let delivery = work.add_delivery(Delivery {
            number,
            order: place,
            plant,
            created: work.now,
            changed: work.now,
            version: 1,
            picked: false,
            issued: None,
            block: Code::EMPTY,
            billing: None,
            former: Vec::new(),
            items: items.into(),
            extra: None,
        });
        order.deliveries.push(delivery);
        work.event(Subject::Delivery(number), true);
        work.steps.push(Step::Issue(delivery));
    }
    work.change_order(place, order);
}

/// Posts the goods issue of a delivery.
///
/// # Errors
/// When it was posted already, or the delivery is blocked.
pub(crate) fn issue(work: &mut Transaction<'_>, place: u32) -> Result<(), Error> {
    let Some(delivery) = work.store.deliveries.get(place as usize) else {
        return Err(Error::not_found("A_OutbDeliveryHeader"));
    };
    if delivery.issued.is_some() {
        let message = format!("Goods issue of delivery {} has been posted already", delivery.number);
        return Err(Error::business("VL/602", message));
    }
    if !delivery.block.is_empty() {
        let message = format!("Delivery {} is blocked for goods issue", delivery.number);
        return Err(Error::business("VL/609", message));
    }
    let mut delivery = delivery.clone();
    delivery.issued = Some(work.now);
    delivery.picked = true;
    delivery.version += 1;
    delivery.changed = work.now;
    let mut order = work.store.orders[delivery.order as usize].clone();
    for line in &delivery.items {
        let Some(item) = order.items.get_mut(line.item as usize) else { continue };
        item.issued = item.issued.plus(line.quantity);
        item.reserved = item.reserved.minus(line.quantity).max(Amount::ZERO);
        let stocks = &work.store.materials[item.material as usize].stocks;
        if let Some(stock) = stocks.iter().find(|stock| stock.plant == item.plant) {
            let left = stock.stock.minus(line.quantity);
            // The supplier fills up what runs out.
            let left = if left < Amount::ZERO { stock.full } else { left };
            work.set_stock(item.material, item.plant, left);
        }
    }
    let number = delivery.number;
    work.change_order(delivery.order, order);
    work.change_delivery(place, delivery);
    work.event(Subject::Delivery(number), false);
    work.steps.push(Step::Bill(place));
    Ok(())
}

/// Picks a delivery.
///
/// # Errors
/// When the goods have left already.
pub(crate) fn pick(work: &mut Transaction<'_>, place: u32) -> Result<(), Error> {
    let mut delivery = work.store.deliveries[place as usize].clone();
    if delivery.issued.is_some() {
        let message = format!("Goods issue of delivery {} has been posted already", delivery.number);
        return Err(Error::business("VL/602", message));
    }
    delivery.picked = true;
    delivery.version += 1;
    delivery.changed = work.now;
    let number = delivery.number;
    work.change_delivery(place, delivery);
    work.event(Subject::Delivery(number), false);
    Ok(())
}

/// What a quantity of an item costs: all of it what the item says, a part of it by its price.
#[must_use]
pub(crate) fn share(item: &Item, quantity: Amount, tax: impl FnOnce(Amount) -> Amount) -> (Amount, Amount) {
    if quantity == item.quantity {
        return (item.net, item.tax);
    }
    let net = line_value(quantity, item.price, i64::from(item.per));
    (net, tax(net))
}

fn bill(work: &mut Transaction<'_>, place: u32) {
    let Some(delivery) = work.store.deliveries.get(place as usize) else { return };
    let order = &work.store.orders[delivery.order as usize];
    if delivery.billing.is_some() || delivery.issued.is_none() || !order.billing_block.is_empty() {
        return;
    }
    let (mut net, mut tax) = (Amount::ZERO, Amount::ZERO);
    let rate = order.tax_rate;
    let mut items = Vec::with_capacity(delivery.items.len());
    for line in &delivery.items {
        let Some(item) = order.items.get(line.item as usize) else { continue };
        let (item_net, item_tax) = share(item, line.quantity, |net| crate::odata::fixed::percentage(net, rate));
        net = net.plus(item_net);
        tax = tax.plus(item_tax);
        items.push(BillingItem {
            number: item.number,
            item: line.item,
            quantity: line.quantity,
            net: item_net,
            tax: item_tax,
            returned: Amount::ZERO,
            returned_net: Amount::ZERO,
            returned_tax: Amount::ZERO,
        });
    }
    let number = range::BILLING + work.store.billings.len() as u64;
    let billing = Billing {
        number,
        kind: BillingKind::Invoice,
        order: Some(delivery.order),
        delivery: Some(place),
        origin: None,
        customer: order.customer,
        currency: order.currency,
        created: work.now,
        changed: work.now,
        net,
        tax,
        cleared: false,
        cancelled_by: None,
        cancels: None,
        items: items.into(),
        returns: Vec::new(),
    };
    let mut delivery = delivery.clone();
    let billing = work.add_billing(billing);
    delivery.billing = Some(billing);
    delivery.version += 1;
    work.change_delivery(place, delivery);
    work.event(Subject::Billing(number), true);
    work.steps.push(Step::Pay(billing));
}

fn credit(work: &mut Transaction<'_>, place: u32) {
    let Some(origin) = work.store.returns.get(place as usize) else { return };
    if origin.credit.is_some() || !origin.billing_block.is_empty() {
        return;
    }
    let mut origin = origin.clone();
    let (mut net, mut tax) = (Amount::ZERO, Amount::ZERO);
    let mut items = Vec::with_capacity(origin.items.len());
    for (index, item) in origin.items.iter().enumerate().filter(|(_, item)| item.rejection.is_empty()) {
        net = net.plus(item.net);
        tax = tax.plus(item.tax);
        items.push(BillingItem {
            number: item.number,
            item: u32::try_from(index).unwrap_or(u32::MAX),
            quantity: item.quantity,
            net: item.net,
            tax: item.tax,
            returned: Amount::ZERO,
            returned_net: Amount::ZERO,
            returned_tax: Amount::ZERO,
        });
    }
    if items.is_empty() {
        return;
    }
    let number = range::BILLING + work.store.billings.len() as u64;
    let billing = work.add_billing(Billing {
        number,
        kind: BillingKind::CreditMemo,
        order: None,
        delivery: None,
        origin: Some(place),
        customer: origin.customer,
        currency: origin.currency,
        created: work.now,
        changed: work.now,
        net,
        tax,
        cleared: false,
        cancelled_by: None,
        cancels: None,
        items: items.into(),
        returns: Vec::new(),
    });
    origin.credit = Some(billing);
    origin.changed = work.now;
    let returned = origin.number;
    work.change_return(place, origin);
    work.event(Subject::Billing(number), true);
    work.event(Subject::Return(returned), false);
    work.steps.push(Step::Pay(billing));
}

fn pay(work: &mut Transaction<'_>, place: u32) {
    let Some(billing) = work.store.billings.get(place as usize) else { return };
    if billing.cleared || billing.cancelled_by.is_some() {
        return;
    }
    let mut billing = billing.clone();
    billing.cleared = true;
    billing.changed = work.now;
    let gross = billing.net.plus(billing.tax);
    if let Some(place) = billing.order {
        let mut order = work.store.orders[place as usize].clone();
        order.claimed = order.claimed.minus(gross).max(Amount::ZERO);
        work.change_order(place, order);
    }
    let number = billing.number;
    work.change_billing(place, billing);
    work.event(Subject::Billing(number), false);
}

/// Cancels an invoice that is not paid; what was delivered can be billed again.
///
/// # Errors
/// When it is paid, cancelled, or no invoice.
pub(crate) fn cancel(work: &mut Transaction<'_>, place: u32) -> Result<u32, Error> {
    let mut billing = work.store.billings[place as usize].clone();
    if billing.kind != BillingKind::Invoice
        || billing.cancelled_by.is_some()
        || billing.cleared
        || !billing.returns.is_empty()
    {
        let message = format!("Billing document {} cannot be cancelled", billing.number);
        return Err(Error::business("VF/016", message));
    }
    let number = range::BILLING + work.store.billings.len() as u64;
    let mut opposite = billing.clone();
    opposite.number = number;
    opposite.kind = BillingKind::Cancellation;
    opposite.cancels = Some(place);
    opposite.cleared = true;
    (opposite.created, opposite.changed) = (work.now, work.now);
    let opposite = work.add_billing(opposite);
    billing.cancelled_by = Some(opposite);
    billing.cleared = true;
    billing.changed = work.now;
    let cancelled = billing.number;
    if let Some(delivery_place) = billing.delivery {
        let mut delivery = work.store.deliveries[delivery_place as usize].clone();
        delivery.billing = None;
        delivery.former.extend([place, opposite]);
        delivery.version += 1;
        work.change_delivery(delivery_place, delivery);
    }
    work.change_billing(place, billing);
    work.event(Subject::Billing(number), true);
    work.event(Subject::Billing(cancelled), false);
    Ok(opposite)
}

/// Sets a customer's credit limit; orders that now fit are released, as the nightly check would do.
pub(crate) fn set_limit(work: &mut Transaction<'_>, customer: u32, limit: Option<Amount>) {
    work.store.customers[customer as usize].limit = limit;
    let places = work.store.customers[customer as usize].orders.clone();
    for place in places {
        let order = &work.store.orders[place as usize];
        if order.credit != super::documents::Credit::Blocked || order.deleted {
            continue;
        }
        let record = &work.store.customers[customer as usize];
        if orders::check_credit(record, order, order.claimed) != super::documents::Credit::Blocked {
            // It is blocked, so that releasing it cannot be refused.
            let _ = changes::release_credit(work, place);
        }
    }
}
