//! Sales orders that are entered, changed, rejected and released.

use crate::odata::body::Body;
use crate::odata::error::Error;
use crate::odata::fixed::{Amount, line_value};
use crate::odata::value::Value;

use super::code::Code;
use super::documents::{Credit, Order, range};
use super::orders::{self, ITEM_COLUMNS, ORDER_COLUMNS, PRICES};
use super::transaction::{Step, Subject, Transaction};

/// Enters an order.
///
/// # Errors
/// What the vendor would refuse.
pub(crate) fn create(work: &mut Transaction<'_>, body: &Body<'_>) -> Result<u32, Error> {
    let mut order = orders::build(work.store, body, work.now)?;
    order.number = range::ORDER + work.store.orders.len() as u64;
    let number = order.number;
    order.planned = order.is_deliverable();
    let planned = order.planned;
    let place = work.add_order(order);
    if planned {
        work.steps.push(Step::Deliver(place));
    }
    work.event(Subject::Order(number), true);
    Ok(place)
}

/// Keeps a changed order: totals, credit and the schedule follow.
fn keep(work: &mut Transaction<'_>, place: u32, mut order: Order) {
    let counted = work.store.orders[place as usize].claimed;
    let paid = work.store.orders[place as usize].gross().minus(counted);
    orders::total(work.store, &mut order);
    order.claimed = order.claimed.minus(paid).max(Amount::ZERO);
    if order.credit != Credit::Released || order.gross() > work.store.orders[place as usize].gross() {
        order.credit = orders::check_credit(&work.store.customers[order.customer as usize], &order, counted);
    }
    plan(work, place, order);
}

fn plan(work: &mut Transaction<'_>, place: u32, mut order: Order) {
    order.changed = work.now;
    let deliverable = order.is_deliverable();
    if deliverable && !order.planned {
        work.steps.push(Step::Deliver(place));
    }
    order.planned |= deliverable;
    if order.billing_block.is_empty() && !work.store.orders[place as usize].billing_block.is_empty() {
        let waiting = order.deliveries.iter().filter(|delivery| {
            let delivery = &work.store.deliveries[**delivery as usize];
            delivery.issued.is_some() && delivery.billing.is_none()
        });
        work.steps.extend(waiting.map(|delivery| Step::Bill(*delivery)));
    }
    let number = order.number;
    work.change_order(place, order);
    work.event(Subject::Order(number), false);
}

/// Changes the header.
///
/// # Errors
/// For a change of what cannot change.
pub(crate) fn change(work: &mut Transaction<'_>, place: u32, body: &Body<'_>) -> Result<(), Error> {
    let mut order = work.store.orders[place as usize].clone();
    for (property, value) in &body.values {
        let name = body.entity.properties[*property].name;
        let text = value.as_text().unwrap_or("");
        match name {
            "PurchaseOrderByCustomer" => order.reference = text.into(),
            "DeliveryBlockReason" => order.delivery_block = Code::new(text),
            "HeaderBillingBlockReason" => order.billing_block = Code::new(text),
            "RequestedDeliveryDate" | "SalesOrderDate" | "PricingDate" => {
                if let Value::Date(date) = value {
                    match name {
                        "RequestedDeliveryDate" => order.requested = *date,
                        "SalesOrderDate" => order.date = *date,
                        _ => order.pricing_date = *date,
                    }
                }
            }
            "SoldToParty" if work.store.customer(text) != Some(order.customer) => {
                let message = format!("The sold-to party of sales order {} cannot be changed", order.number);
                return Err(Error::business("V1/326", message).at(name));
            }
            "TransactionCurrency" if text != order.currency.as_str() => {
                let message = format!("The currency of sales order {} cannot be changed", order.number);
                return Err(Error::business("V1/326", message).at(name));
            }
            _ => {}
        }
    }
    orders::merge_extra(&mut order.extra, body, &ORDER_COLUMNS);
    keep(work, place, order);
    Ok(())
}

/// Adds an item.
///
/// # Errors
/// What the vendor would refuse.
pub(crate) fn add_item(work: &mut Transaction<'_>, place: u32, body: &Body<'_>) -> Result<u32, Error> {
    let mut order = work.store.orders[place as usize].clone();
    let item = orders::item(work.store, &order, body)?;
    if order.items.len() >= 999 {
        return Err(Error::business("V1/247", "A document takes at most 999 items").at("to_Item"));
    }
    let number = item.number;
    if order.items.iter().any(|other| other.number == number) {
        return Err(Error::business("V1/494", format!("Item {number} exists already")).at("SalesOrderItem"));
    }
    order.items.push(item);
    keep(work, place, order);
    Ok(number)
}

/// Changes an item; a reason for rejection takes it out of what is delivered and billed.
///
/// # Errors
/// When the item is delivered already.
pub(crate) fn change_item(work: &mut Transaction<'_>, place: u32, item: u32, body: &Body<'_>) -> Result<(), Error> {
    let mut order = work.store.orders[place as usize].clone();
    let Some(line) = order.items.get_mut(item as usize) else { return Err(Error::not_found("A_SalesOrderItem")) };
    let delivered = line.delivered > Amount::ZERO;
    if let Some(reason) = body.value("SalesDocumentRjcnReason") {
        let reason = Code::new(reason.as_text().unwrap_or(""));
        if delivered && !reason.is_empty() {
            let message = format!("Item {} has been delivered already; it cannot be rejected", line.number);
            return Err(Error::business("V1/492", message).at("SalesDocumentRjcnReason"));
        }
        line.rejection = reason;
    }
    if let Some(quantity) = body.amount("RequestedQuantity").filter(|quantity| *quantity != line.quantity) {
        if delivered || quantity <= Amount::ZERO {
            let message = format!("The quantity of item {} cannot be changed to {quantity}", line.number);
            return Err(Error::business("V1/208", message).at("RequestedQuantity"));
        }
        line.quantity = quantity;
        line.confirmed = line.confirmed.min(quantity);
        line.net = line_value(quantity, line.price, i64::from(line.per));
    }
    if let Some(plant) = body.text("ProductionPlant").map(Code::new).filter(|plant| *plant != line.plant) {
        let material = &work.store.materials[line.material as usize];
        if delivered || material.available(plant).is_none() {
            let message = format!("Material {} is not maintained in plant {plant}", material.number);
            return Err(Error::business("M3/351", message).at("ProductionPlant"));
        }
        line.plant = plant;
    }
    if let Some(Value::Text(text)) = body.value("SalesOrderItemText") {
        line.text = Some(text.clone());
    }
    orders::merge_extra(&mut line.extra, body, &ITEM_COLUMNS);
    keep(work, place, order);
    Ok(())
}

/// Changes the price of an item.
///
/// # Errors
/// For an element that is no price, and for what is billed already.
pub(crate) fn change_price(
    work: &mut Transaction<'_>,
    place: u32,
    item: u32,
    step: u8,
    body: &Body<'_>,
) -> Result<(), Error> {
    let mut order = work.store.orders[place as usize].clone();
    let Some(line) = order.items.get_mut(item as usize) else { return Err(Error::not_found("A_SalesOrderItem")) };
    if step != 0 || line.issued > Amount::ZERO {
        let message = format!("Condition of item {} cannot be changed", line.number);
        return Err(Error::business("V1/801", message));
    }
    if let Some(Value::Rate(rate)) = body.value("ConditionRateValue") {
        line.price = *rate;
        line.manual = true;
        line.condition = if PRICES.contains(&line.condition.as_str()) { line.condition } else { Code::new(PRICES[0]) };
        line.net = line_value(line.quantity, line.price, i64::from(line.per));
    }
    keep(work, place, order);
    Ok(())
}

/// Deletes an order that nothing followed on.
///
/// # Errors
/// When it is delivered already.
pub(crate) fn delete(work: &mut Transaction<'_>, place: u32) -> Result<(), Error> {
    let mut order = work.store.orders[place as usize].clone();
    if !order.deliveries.is_empty() {
        let message = format!("Sales order {} cannot be deleted: there are subsequent documents", order.number);
        return Err(Error::business("V1/247", message));
    }
    order.deleted = true;
    order.items.clear();
    keep(work, place, order);
    Ok(())
}

/// Deletes an item that nothing followed on.
///
/// # Errors
/// When it is delivered already.
pub(crate) fn delete_item(work: &mut Transaction<'_>, place: u32, item: u32) -> Result<(), Error> {
    let mut order = work.store.orders[place as usize].clone();
    // Deliveries refer to items by their place.
    if !order.deliveries.is_empty() || item as usize >= order.items.len() {
        let message = format!("Sales order {} has subsequent documents; reject the item instead", order.number);
        return Err(Error::business("V1/492", message));
    }
    order.items.remove(item as usize);
    keep(work, place, order);
    Ok(())
}

/// Releases an order that the credit check blocked.
///
/// # Errors
/// When it is not blocked.
pub(crate) fn release_credit(work: &mut Transaction<'_>, place: u32) -> Result<(), Error> {
    let mut order = work.store.orders[place as usize].clone();
    if order.credit != Credit::Blocked {
        let message = format!("Sales order {} is not blocked by the credit check", order.number);
        return Err(Error::business("V1/158", message));
    }
    order.credit = Credit::Released;
    plan(work, place, order);
    Ok(())
}
