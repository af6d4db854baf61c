//! Finding rows: by key, and those that a filter can accept, through whatever index helps.

use std::ops::ControlFlow;

use crate::odata::edm::{EntityType, without_zeros};
use crate::odata::filter::Filter;
use crate::odata::literal::Literal;
use crate::odata::shape::Row;

use super::documents::{Delivery, Order};
use super::record::key_of;
use super::row::{ErpRow, What};
use super::store::{CATALOG, Material, Store};

/// What kind of document a set shows, and how to get from the document to its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Record,
    /// Orders, or what a navigation from them leads to, or from their items.
    Order(&'static [&'static str]),
    Delivery(&'static [&'static str]),
    Billing(&'static [&'static str]),
    Return(&'static [&'static str]),
    /// Materials, or what lies of them.
    Stock,
    /// Nothing is kept of it.
    Nothing,
}

fn source(kind: &EntityType) -> Source {
    match kind.set {
        "A_SalesOrder" => Source::Order(&[]),
        "A_SalesOrderItem" => Source::Order(&["to_Item"]),
        "A_SalesOrderHeaderPartner" => Source::Order(&["to_Partner"]),
        "A_SalesOrderHeaderPrElement" => Source::Order(&["to_PricingElement"]),
        "A_SalesOrderText" => Source::Order(&["to_Text"]),
        "A_SalesOrderItemPartner" => Source::Order(&["to_Item", "to_Partner"]),
        "A_SalesOrderItemPrElement" => Source::Order(&["to_Item", "to_PricingElement"]),
        "A_SalesOrderItemText" => Source::Order(&["to_Item", "to_Text"]),
        "A_SalesOrderScheduleLine" => Source::Order(&["to_Item", "to_ScheduleLine"]),
        "A_OutbDeliveryHeader" => Source::Delivery(&[]),
        "A_OutbDeliveryItem" => Source::Delivery(&["to_DeliveryDocumentItem"]),
        "A_OutbDeliveryPartner" => Source::Delivery(&["to_DeliveryDocumentPartner"]),
        "A_OutbDeliveryDocFlow" => Source::Delivery(&["to_DeliveryDocumentItem", "to_DocumentFlow"]),
        "A_BillingDocument" => Source::Billing(&[]),
        "A_BillingDocumentItem" => Source::Billing(&["to_Item"]),
        "A_BillingDocumentPartner" => Source::Billing(&["to_Partner"]),
        "A_BillingDocumentPrcgElmnt" => Source::Billing(&["to_PricingElement"]),
        "A_BillingDocumentItemPrcgElmnt" => Source::Billing(&["to_Item", "to_PricingElement"]),
        "A_CustomerReturn" => Source::Return(&[]),
        "A_CustomerReturnItem" => Source::Return(&["to_Item"]),
        "A_MaterialStock" | "A_MatlStkInAcctMod" => Source::Stock,
        _ if CATALOG.services[kind.service].name == "API_SALES_ORDER_SIMULATION_SRV" => Source::Nothing,
        _ => Source::Record,
    }
}

/// The header's set of a set below it.
fn root(source: Source) -> (&'static str, &'static str) {
    match source {
        Source::Order(_) => ("API_SALES_ORDER_SRV", "A_SalesOrder"),
        Source::Delivery(_) => ("API_OUTBOUND_DELIVERY_SRV", "A_OutbDeliveryHeader"),
        Source::Billing(_) => ("API_BILLING_DOCUMENT_SRV", "A_BillingDocument"),
        _ => ("API_CUSTOMER_RETURN_SRV", "A_CustomerReturn"),
    }
}

/// Document numbers that literals stand for, each once, ascending.
fn numbers(literals: &[&Literal]) -> Vec<u64> {
    let mut numbers: Vec<u64> = literals.iter().filter_map(|literal| literal.as_text()?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// A row by its key, whose literals are in the order of the type's key.
#[must_use]
pub(crate) fn by_key<'a>(store: &'a Store, kind: &'static EntityType, keys: &[Literal]) -> Option<ErpRow<'a>> {
    let row = |what| Some(ErpRow { store, kind, what });
    if source(kind) == Source::Record {
        return row(What::Record(store.tables.get(kind.id)?.get(&key_of(kind, keys))?));
    }
    let matches = |found: ErpRow<'a>| {
        kind.keys
            .iter()
            .zip(keys)
            .all(|(place, literal)| found.cell(*place).compare(literal).is_some_and(std::cmp::Ordering::is_eq))
    };
    let mut found = None;
    if source(kind) == Source::Stock {
        let material = keys.first().and_then(Literal::as_text)?.to_uppercase();
        let _ = stocks(store, kind, Some(vec![material]), &mut |candidate| {
            if matches(candidate) {
                found = Some(candidate);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        return found;
    }
    // The number of the document is a part of every key, but not always the first.
    let document =
        kind.keys.iter().zip(keys).find(|(place, _)| is_number(kind, **place)).map(|(_, literal)| literal)?;
    documents(store, kind, Some(numbers(&[document])), &mut |candidate| {
        if matches(candidate) {
            found = Some(candidate);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    found
}

fn is_number(kind: &EntityType, place: usize) -> bool {
    let names =
        ["SalesOrder", "DeliveryDocument", "SDDocument", "PrecedingDocument", "BillingDocument", "CustomerReturn"];
    names.contains(&kind.properties[place].name)
}

/// Hands rows of a set to `visit`, in the order of their keys, until it breaks off: all that the filter can accept, and
/// perhaps others.
pub(crate) fn candidates<'a>(
    store: &'a Store,
    kind: &'static EntityType,
    filter: Option<&Filter>,
    visit: &mut dyn FnMut(ErpRow<'a>) -> ControlFlow<()>,
) {
    let pinned = |name: &str| kind.property(name).and_then(|place| filter?.pinned(place));
    match source(kind) {
        Source::Nothing => {}
        Source::Record => {
            let _ = records(store, kind, filter, visit);
        }
        Source::Stock => {
            let materials = pinned("Material")
                .map(|literals| literals.iter().filter_map(|one| one.as_text()).map(str::to_owned).collect());
            let _ = stocks(store, kind, materials, visit);
        }
        Source::Delivery(path) if path.len() == 2 => {
            // The flow is kept with the following document.
            let orders = pinned("PrecedingDocument").map(|literals| numbers(&literals));
            let deliveries = orders.map(|orders| of_orders(store, &orders, |delivery, _| vec![delivery]));
            documents(store, kind, deliveries, visit);
        }
        _ => {
            let own = ["SalesOrder", "DeliveryDocument", "SDDocument", "BillingDocument", "CustomerReturn"];
            let own =
                own.into_iter().filter(|name| kind.property(name).is_some_and(|place| kind.keys.contains(&place)));
            let by_number = own.into_iter().find_map(pinned).map(|literals| numbers(&literals));
            let by_number = by_number.or_else(|| by_reference(store, kind, &pinned));
            documents(store, kind, by_number, visit);
        }
    }
}

/// Numbers of documents by what they refer to.
fn by_reference<'f>(
    store: &Store,
    kind: &EntityType,
    pinned: &dyn Fn(&str) -> Option<Vec<&'f Literal>>,
) -> Option<Vec<u64>> {
    let texts =
        |name: &str| pinned(name).map(|literals| literals.iter().filter_map(|one| one.as_text()).collect::<Vec<_>>());
    let mut found: Vec<u64> = match source(kind) {
        Source::Order(_) => {
            if let Some(references) = texts("PurchaseOrderByCustomer") {
                let places = references.iter().filter_map(|text| store.orders_by_reference.get(*text)).flatten();
                places.map(|place| store.orders[*place as usize].number).collect()
            } else {
                let customers = texts("SoldToParty")?;
                let customers = customers.iter().filter_map(|number| store.customer(without_zeros(number)));
                let places = customers.flat_map(|customer| &store.customers[customer as usize].orders);
                places.map(|place| store.orders[*place as usize].number).collect()
            }
        }
        Source::Return(_) => {
            let references = texts("PurchaseOrderByCustomer")?;
            let places = references.iter().filter_map(|text| store.returns_by_reference.get(*text)).flatten();
            places.map(|place| store.returns[*place as usize].number).collect()
        }
        Source::Delivery(_) => {
            let orders = numbers(&pinned("ReferenceSDDocument")?);
            of_orders(store, &orders, |delivery, _| vec![delivery])
        }
        Source::Billing(_) => {
            if let Some(documents) = pinned("SalesDocument").map(|literals| numbers(&literals)) {
                let mut found = of_orders(store, &documents, |_, delivery| billings(store, delivery));
                found.extend(of_returns(store, &documents));
                found
            } else {
                let documents = numbers(&pinned("ReferenceSDDocument")?);
                let deliveries = documents.iter().filter_map(|number| store.delivery(*number));
                let mut found: Vec<u64> =
                    deliveries.flat_map(|place| billings(store, &store.deliveries[place as usize])).collect();
                found.extend(of_returns(store, &documents));
                found
            }
        }
        _ => return None,
    };
    found.sort_unstable();
    found.dedup();
    Some(found)
}

fn of_orders(store: &Store, orders: &[u64], numbers: impl Fn(u64, &Delivery) -> Vec<u64>) -> Vec<u64> {
    let places = orders.iter().filter_map(|number| store.order(*number));
    let deliveries = places.flat_map(|place| &store.orders[place as usize].deliveries);
    let deliveries = deliveries.map(|place| &store.deliveries[*place as usize]);
    deliveries.flat_map(|delivery| numbers(delivery.number, delivery)).collect()
}

fn billings(store: &Store, delivery: &Delivery) -> Vec<u64> {
    let places = delivery.billing.iter().chain(&delivery.former);
    places.map(|place| store.billings[*place as usize].number).collect()
}

fn of_returns(store: &Store, returns: &[u64]) -> Vec<u64> {
    let places = returns.iter().filter_map(|number| store.customer_return(*number));
    let memos = places.filter_map(|place| store.returns[place as usize].credit);
    memos.map(|place| store.billings[place as usize].number).collect()
}

fn records<'a>(
    store: &'a Store,
    kind: &'static EntityType,
    filter: Option<&Filter>,
    visit: &mut dyn FnMut(ErpRow<'a>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let table = &store.tables[kind.id];
    let mut pass = |record| visit(ErpRow { store, kind, what: What::Record(record) });
    let pinned = |place: usize| {
        let literals = filter?.pinned(place)?;
        let mut texts: Vec<String> =
            literals.iter().filter_map(|literal| Some(literal.as_text()?.to_owned())).collect();
        texts.sort_unstable();
        texts.dedup();
        Some(texts)
    };
    if let Some(first) = kind.keys.first()
        && let Some(texts) = pinned(*first)
    {
        for text in texts {
            let prefix = format!("{text}\u{1}");
            for record in table.starting(&prefix) {
                pass(record)?;
            }
        }
        return ControlFlow::Continue(());
    }
    let indexed = (0..kind.properties.len()).filter(|place| table.is_indexed(*place));
    for place in indexed {
        // Records without a value are in no index, and an empty text finds them.
        if let Some(texts) = pinned(place).filter(|texts| texts.iter().all(|text| !text.is_empty())) {
            for text in texts {
                for record in table.with(place, &text) {
                    pass(record)?;
                }
            }
            return ControlFlow::Continue(());
        }
    }
    table.rows().try_for_each(pass)
}

/// Hands materials, or what lies of them in each plant, to `visit`: of those with the given numbers, or of all.
fn stocks<'a>(
    store: &'a Store,
    kind: &'static EntityType,
    materials: Option<Vec<String>>,
    visit: &mut dyn FnMut(ErpRow<'a>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut pass = |material: &'a Material| {
        if kind.set == "A_MaterialStock" {
            return visit(ErpRow { store, kind, what: What::Material(material) });
        }
        material.stocks.iter().try_for_each(|stock| visit(ErpRow { store, kind, what: What::Stock(material, stock) }))
    };
    let places = match materials {
        Some(mut numbers) => {
            numbers.sort_unstable();
            numbers.dedup();
            numbers.iter().filter_map(|number| store.material(number)).collect()
        }
        None => {
            let mut places: Vec<(&Box<str>, u32)> =
                store.materials_by_number.iter().map(|(number, place)| (number, *place)).collect();
            places.sort_unstable();
            places.into_iter().map(|(_, place)| place).collect::<Vec<_>>()
        }
    };
    places.into_iter().filter_map(|place| store.materials.get(place as usize)).try_for_each(&mut pass)
}

/// Hands the rows of documents to `visit`: of those with the given numbers, or of all.
fn documents<'a>(
    store: &'a Store,
    kind: &'static EntityType,
    numbers: Option<Vec<u64>>,
    visit: &mut dyn FnMut(ErpRow<'a>) -> ControlFlow<()>,
) {
    let source = source(kind);
    let (service, set) = root(source);
    let header = super::store::kind(service, set);
    let (path, count) = match source {
        Source::Order(path) => (path, store.orders.len()),
        Source::Delivery(path) => (path, store.deliveries.len()),
        Source::Billing(path) => (path, store.billings.len()),
        Source::Return(path) => (path, store.returns.len()),
        Source::Record | Source::Stock | Source::Nothing => return,
    };
    let what = |place: usize| match source {
        Source::Order(_) => store.orders.get(place).filter(|order: &&Order| !order.deleted).map(What::Order),
        Source::Delivery(_) => store.deliveries.get(place).map(What::Delivery),
        Source::Billing(_) => store.billings.get(place).map(What::Billing),
        _ => store.returns.get(place).map(What::Return),
    };
    let place_of = |number: u64| match source {
        Source::Order(_) => store.order(number),
        Source::Delivery(_) => store.delivery(number),
        Source::Billing(_) => store.billing(number),
        _ => store.customer_return(number),
    };
    let mut pass = |place: usize| match what(place) {
        Some(what) => walk(ErpRow { store, kind: header, what }, path, visit),
        None => ControlFlow::Continue(()),
    };
    let _ = match numbers {
        Some(numbers) => numbers.into_iter().filter_map(place_of).try_for_each(|place| pass(place as usize)),
        None => (0..count).try_for_each(pass),
    };
}

fn walk<'a>(row: ErpRow<'a>, path: &[&str], visit: &mut dyn FnMut(ErpRow<'a>) -> ControlFlow<()>) -> ControlFlow<()> {
    let Some((first, rest)) = path.split_first() else { return visit(row) };
    let mut related = Vec::new();
    if let Some(navigation) = row.kind.navigation(first) {
        row.related(navigation, &mut related);
    }
    related.into_iter().try_for_each(|next| walk(next, rest, visit))
}
