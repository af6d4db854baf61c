//! Customer returns: never more than was billed, priced as it was billed.

use crate::odata::body::Body;
use crate::odata::error::Error;
use crate::odata::fixed::Amount;
use crate::odata::time::midnight;

use super::code::Code;
use super::documents::{BillingKind, Return, ReturnItem, range};
use super::orders::{self, Header, code};
use super::store::Store;
use super::transaction::{Step, Subject, Transaction};

const HEADER_COLUMNS: [&str; 9] = [
    "CustomerReturnType",
    "SalesOrganization",
    "DistributionChannel",
    "OrganizationDivision",
    "SoldToParty",
    "PurchaseOrderByCustomer",
    "SDDocumentReason",
    "HeaderBillingBlockReason",
    "CustomerReturnDate",
];
const ITEM_COLUMNS: [&str; 8] = [
    "CustomerReturnItem",
    "Material",
    "RequestedQuantity",
    "RequestedQuantityUnit",
    "ReferenceSDDocument",
    "ReferenceSDDocumentItem",
    "ReturnReason",
    "SalesDocumentRjcnReason",
];

/// Enters a return.
///
/// # Errors
/// When an item refers to nothing that was billed, or to less than is sent back.
pub(crate) fn create(work: &mut Transaction<'_>, body: &Body<'_>) -> Result<u32, Error> {
    let kind = code(body, "CustomerReturnType");
    if !work.store.company.return_types.contains(&kind) {
        let message = format!("Sales document type {kind} is not defined");
        return Err(Error::business("V1/213", message).at("CustomerReturnType"));
    }
    let Header { area, customer, currency } = orders::header(work.store, body)?;
    let mut new = Return {
        number: range::RETURN + work.store.returns.len() as u64,
        kind,
        organization: area.0,
        channel: area.1,
        division: area.2,
        customer,
        reference: body.text("PurchaseOrderByCustomer").unwrap_or("").into(),
        reason: code(body, "SDDocumentReason"),
        billing_block: code(body, "HeaderBillingBlockReason"),
        currency,
        created: work.now,
        changed: work.now,
        date: body.date("CustomerReturnDate").unwrap_or_else(|| midnight(work.now)),
        net: Amount::ZERO,
        tax: Amount::ZERO,
        credit: None,
        items: Vec::new(),
        extra: orders::extra(body, &HEADER_COLUMNS),
    };
    let lines = body.children("to_Item");
    if lines.is_empty() || lines.len() > 999 {
        return Err(Error::business("V1/247", "A return takes from 1 to 999 items").at("to_Item"));
    }
    let place = u32::try_from(work.store.returns.len()).unwrap_or(u32::MAX);
    for line in lines {
        let item = item(work.store, body, &new, line)?;
        let mut billing = work.store.billings[item.billing as usize].clone();
        let billed = &mut billing.items[item.billing_item as usize];
        billed.returned = billed.returned.plus(item.quantity);
        billed.returned_net = billed.returned_net.plus(item.net);
        billed.returned_tax = billed.returned_tax.plus(item.tax);
        if billing.currency != new.currency {
            let message = format!("Billing document {} is in {}", billing.number, billing.currency);
            return Err(Error::business("V1/327", message).at("TransactionCurrency"));
        }
        if !billing.returns.contains(&place) {
            billing.returns.push(place);
        }
        work.change_billing(item.billing, billing);
        new.net = new.net.plus(item.net);
        new.tax = new.tax.plus(item.tax);
        new.items.push(item);
    }
    let number = new.number;
    let place = work.add_return(new);
    work.event(Subject::Return(number), true);
    work.steps.push(Step::Credit(place));
    Ok(place)
}

fn item(store: &Store, header: &Body<'_>, new: &Return, line: &Body<'_>) -> Result<ReturnItem, Error> {
    let next = new.items.iter().map(|item| item.number).max().unwrap_or(0) + 10;
    let number = line.text("CustomerReturnItem").and_then(|text| text.parse().ok()).filter(|number| *number > 0);
    let number: u32 = number.unwrap_or(next);
    if new.items.iter().any(|other| other.number == number) {
        return Err(Error::business("V1/494", format!("Item {number} exists already")).at("CustomerReturnItem"));
    }
    let quantity = line.amount("RequestedQuantity").unwrap_or(Amount::ZERO);
    if quantity <= Amount::ZERO {
        let message = format!("Enter a quantity above zero for item {number}");
        return Err(Error::business("V1/208", message).at("RequestedQuantity"));
    }
    let document = line.text("ReferenceSDDocument").or_else(|| header.text("ReferenceSDDocument")).unwrap_or("");
    let reference_item = line.text("ReferenceSDDocumentItem").and_then(|text| text.parse::<u32>().ok());
    let material = line.text("Material");
    let candidates = billed(store, new.customer, document, reference_item, material);
    let Some(first) = candidates.first() else {
        let item = line.text("ReferenceSDDocumentItem").unwrap_or("");
        let message = format!("Document {document} has no billed item {item} of customer and material of the return");
        return Err(Error::business("V1/260", message).at("ReferenceSDDocument"));
    };
    let open = |(billing, item): &(u32, u32)| {
        let item = &store.billings[*billing as usize].items[*item as usize];
        item.quantity.minus(item.returned)
    };
    let fitting = candidates.iter().find(|candidate| open(candidate) >= quantity);
    let Some((billing_place, item_place)) = fitting.copied() else {
        let left = candidates.iter().map(open).max().unwrap_or_else(|| open(first));
        let message =
            format!("Item {number}: quantity {quantity} is more than was billed and not yet returned ({left})");
        return Err(Error::business("V1/261", message).at("RequestedQuantity"));
    };
    let billing = &store.billings[billing_place as usize];
    let billed = &billing.items[item_place as usize];
    let order = billing.order.and_then(|order| store.orders.get(order as usize));
    let Some(sold) = order.and_then(|order| order.items.get(billed.item as usize)) else {
        return Err(Error::business("V1/260", format!("Document {document} cannot be referred to")));
    };
    // The last piece takes what rounding left.
    let last = billed.returned.plus(quantity) == billed.quantity;
    let part = |whole: Amount, before: Amount| {
        let share =
            i128::from(whole.units()) * i128::from(quantity.units()) / i128::from(billed.quantity.units().max(1));
        let cents = (share + 5).div_euclid(10) * 10;
        let left = whole.minus(before);
        if last { left } else { Amount::from_units(i64::try_from(cents).unwrap_or(i64::MAX)).min(left) }
    };
    Ok(ReturnItem {
        number,
        billing: billing_place,
        billing_item: item_place,
        by_order: document.parse::<u64>().is_ok_and(|number| store.billing(number).is_none()),
        material: sold.material,
        plant: sold.plant,
        rejection: code(line, "SalesDocumentRjcnReason"),
        reason: line.text("ReturnReason").map_or(Code::EMPTY, Code::new),
        quantity,
        net: part(billed.net, billed.returned_net),
        tax: part(billed.tax, billed.returned_tax),
        extra: orders::extra(line, &ITEM_COLUMNS),
    })
}

/// The billed items that a reference to a billing document or a sales order means.
fn billed(store: &Store, customer: u32, document: &str, item: Option<u32>, material: Option<&str>) -> Vec<(u32, u32)> {
    let Ok(number) = document.parse::<u64>() else { return Vec::new() };
    let billings: Vec<u32> = if let Some(billing) = store.billing(number) {
        vec![billing]
    } else if let Some(order) = store.order(number) {
        let deliveries = &store.orders[order as usize].deliveries;
        deliveries.iter().filter_map(|delivery| store.deliveries[*delivery as usize].billing).collect()
    } else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for place in billings {
        let billing = &store.billings[place as usize];
        if billing.kind != BillingKind::Invoice || billing.cancelled_by.is_some() || billing.customer != customer {
            continue;
        }
        let Some(order) = billing.order.map(|order| &store.orders[order as usize]) else { continue };
        for (index, line) in billing.items.iter().enumerate() {
            let sold = order.items.get(line.item as usize);
            let of_material =
                |name: &str| sold.is_some_and(|sold| &*store.materials[sold.material as usize].number == name);
            if item.is_none_or(|item| item == line.number) && material.is_none_or(of_material) {
                found.push((place, u32::try_from(index).unwrap_or(u32::MAX)));
            }
        }
    }
    found
}

/// Changes the header of a return: a billing block holds its credit memo back.
///
/// # Errors
/// When it is credited already.
pub(crate) fn change(work: &mut Transaction<'_>, place: u32, body: &Body<'_>) -> Result<(), Error> {
    let mut changed = work.store.returns[place as usize].clone();
    if let Some(block) = body.value("HeaderBillingBlockReason") {
        let block = Code::new(block.as_text().unwrap_or(""));
        if changed.credit.is_some() && !block.is_empty() {
            let message = format!("Customer return {} is credited already", changed.number);
            return Err(Error::business("V1/492", message));
        }
        if block.is_empty() && !changed.billing_block.is_empty() {
            work.steps.push(Step::Credit(place));
        }
        changed.billing_block = block;
    }
    if let Some(reference) = body.text("PurchaseOrderByCustomer").filter(|text| **text != *changed.reference) {
        let message = format!("The reference of customer return {} cannot become {reference}", changed.number);
        return Err(Error::business("V1/326", message).at("PurchaseOrderByCustomer"));
    }
    orders::merge_extra(&mut changed.extra, body, &HEADER_COLUMNS);
    changed.changed = work.now;
    let number = changed.number;
    work.change_return(place, changed);
    work.event(Subject::Return(number), false);
    Ok(())
}
