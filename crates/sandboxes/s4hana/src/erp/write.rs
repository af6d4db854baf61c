//! Creates, changes and deletes of any set, handed to the business that the set belongs to.

use crate::odata::body::Body;
use crate::odata::edm::EntityType;
use crate::odata::error::Error;
use crate::odata::literal::Literal;
use crate::odata::value::Value;
use crate::odata::write::etag;

use super::documents::Order;
use super::record::key_of;
use super::row::{ErpRow, Owner, What};
use super::store::{CATALOG, Store};
use super::transaction::Transaction;
use super::{changes, conditions, masters, orders, read, returns};

/// What was created.
#[derive(Debug)]
pub(crate) enum Created {
    /// A row that can be found by its key: literals in the order of the type's key.
    Row(&'static EntityType, Vec<Literal>),
    /// A simulated order, of which nothing is kept.
    Simulation(&'static EntityType, Box<Order>),
}

impl Created {
    /// The row.
    #[must_use]
    pub(crate) fn row<'a>(&'a self, store: &'a Store) -> Option<ErpRow<'a>> {
        match self {
            Self::Row(kind, keys) => read::by_key(store, kind, keys),
            Self::Simulation(kind, order) => Some(ErpRow { store, kind, what: What::Order(order) }),
        }
    }
}

fn text(number: impl ToString) -> Literal {
    Literal::Text(number.to_string())
}

/// Creates a record with its children.
///
/// # Errors
/// What the vendor would refuse.
pub(crate) fn create(work: &mut Transaction<'_>, kind: &'static EntityType, body: &Body<'_>) -> Result<Created, Error> {
    match kind.set {
        "A_SalesOrder" => {
            let place = changes::create(work, body)?;
            Ok(Created::Row(kind, vec![text(work.store.orders[place as usize].number)]))
        }
        "A_SalesOrderSimulation" => {
            let order = orders::build(work.store, body, work.now)?;
            Ok(Created::Simulation(kind, Box::new(order)))
        }
        "A_CustomerReturn" => {
            let place = returns::create(work, body)?;
            Ok(Created::Row(kind, vec![text(work.store.returns[place as usize].number)]))
        }
        _ if is_master(kind) => {
            let key = masters::create(work, body, &[])?;
            Ok(Created::Row(kind, literals(work.store, kind, &key)))
        }
        _ => Err(Error::not_allowed("POST", kind.set)),
    }
}

/// Creates a record below another.
///
/// # Errors
/// What the vendor would refuse, and when there is no such parent.
pub(crate) fn create_below(
    work: &mut Transaction<'_>,
    parent: &'static EntityType,
    keys: &[Literal],
    kind: &'static EntityType,
    body: &Body<'_>,
) -> Result<Created, Error> {
    let Some(row) = read::by_key(work.store, parent, keys) else { return Err(Error::not_found(parent.set)) };
    match (row.what, kind.set) {
        (What::Order(order), "A_SalesOrderItem") => {
            let number = order.number;
            let Some(place) = work.store.order(number) else { return Err(Error::not_found(parent.set)) };
            let item = changes::add_item(work, place, body)?;
            Ok(Created::Row(kind, vec![text(number), text(item)]))
        }
        (What::Record(record), _) if is_master(kind) => {
            let via = |place: &usize| (parent.properties[*place].name, record.get(*place).clone());
            let inherited: Vec<(&'static str, Value)> = parent.keys.iter().map(via).collect();
            let key = masters::create(work, body, &inherited)?;
            Ok(Created::Row(kind, literals(work.store, kind, &key)))
        }
        _ => Err(Error::not_allowed("POST", kind.set)),
    }
}

fn is_master(kind: &EntityType) -> bool {
    matches!(CATALOG.services[kind.service].name, "API_BUSINESS_PARTNER" | "API_PRODUCT_SRV" | conditions::SERVICE)
}

fn literals(store: &Store, kind: &EntityType, key: &str) -> Vec<Literal> {
    let Some(record) = store.tables[kind.id].get(key) else { return Vec::new() };
    let literal = |place: &usize| match record.get(*place) {
        Value::Text(text) => Literal::Text(text.to_string()),
        Value::Date(instant) => Literal::Date(*instant),
        Value::Instant(instant) => Literal::Instant(*instant),
        _ => Literal::Null,
    };
    kind.keys.iter().map(literal).collect()
}

/// Whether a concurrency token that a client holds is that of a row.
fn check_token(row: ErpRow<'_>, if_match: Option<&str>) -> Result<(), Error> {
    let Some(current) = etag(row) else { return Ok(()) };
    let Some(held) = if_match else {
        let message = "The required If-Match header is missing; the data cannot be changed without it";
        return Err(Error::new(428, "/IWFND/CM_MGW_RT/022", message));
    };
    let plain = |text: &str| {
        let decoded = crate::odata::url::decode(text.trim(), false).into_owned();
        decoded.trim_start_matches("W/").trim_matches('"').to_owned()
    };
    if held.trim() == "*" || held.split(',').any(|one| plain(one) == plain(&current)) {
        return Ok(());
    }
    let message = "The data was changed by another user in the meantime; read it again";
    Err(Error::new(412, "/IWBEP/CM_MGW_RT/024", message))
}

/// What is to be changed, found before anything is.
enum Target {
    Order(u32),
    Item(u32, u32),
    Price(u32, u32, u8),
    Delivery(u32),
    Return(u32),
    Record(Box<str>),
    Refused,
}

fn target(
    work: &Transaction<'_>,
    kind: &'static EntityType,
    keys: &[Literal],
    if_match: Option<&str>,
) -> Result<Target, Error> {
    let store = &*work.store;
    let Some(row) = read::by_key(store, kind, keys) else { return Err(Error::not_found(kind.set)) };
    check_token(row, if_match)?;
    let order = |order: &Order| store.order(order.number).ok_or_else(|| Error::not_found(kind.set));
    let item = |order: &Order, number: u32| {
        let found = order.items.iter().position(|item| item.number == number);
        found.and_then(|index| u32::try_from(index).ok()).ok_or_else(|| Error::not_found(kind.set))
    };
    Ok(match row.what {
        What::Order(found) => Target::Order(order(found)?),
        What::Item(found, line) => Target::Item(order(found)?, item(found, line.number)?),
        What::Element(Owner::Order(found, Some(line)), element) => {
            Target::Price(order(found)?, item(found, line.number)?, element.step)
        }
        What::Delivery(delivery) => {
            Target::Delivery(store.delivery(delivery.number).ok_or_else(|| Error::not_found(kind.set))?)
        }
        What::Return(origin) => {
            Target::Return(store.customer_return(origin.number).ok_or_else(|| Error::not_found(kind.set))?)
        }
        What::Record(_) => Target::Record(key_of(kind, keys)),
        _ => Target::Refused,
    })
}

/// Changes a record.
///
/// # Errors
/// What the vendor would refuse: 428 and 412 for its token, 404, 405, and business reasons.
pub(crate) fn change(
    work: &mut Transaction<'_>,
    kind: &'static EntityType,
    keys: &[Literal],
    if_match: Option<&str>,
    body: &Body<'_>,
) -> Result<(), Error> {
    if !body.children.is_empty() {
        return Err(Error::syntax("Deep updates are not supported; change the children by themselves"));
    }
    match target(work, kind, keys, if_match)? {
        Target::Order(place) => changes::change(work, place, body),
        Target::Item(place, item) => changes::change_item(work, place, item, body),
        Target::Price(place, item, step) => changes::change_price(work, place, item, step, body),
        Target::Delivery(place) => {
            let mut delivery = work.store.deliveries[place as usize].clone();
            let blocked = !delivery.block.is_empty();
            if let Some(block) = body.value("DeliveryBlockReason") {
                delivery.block = super::code::Code::new(block.as_text().unwrap_or(""));
            }
            orders::merge_extra(&mut delivery.extra, body, &["DeliveryBlockReason"]);
            delivery.version += 1;
            delivery.changed = work.now;
            if blocked && delivery.block.is_empty() && delivery.issued.is_none() {
                work.steps.push(super::transaction::Step::Issue(place));
            }
            let number = delivery.number;
            work.change_delivery(place, delivery);
            work.event(super::transaction::Subject::Delivery(number), false);
            Ok(())
        }
        Target::Return(place) => returns::change(work, place, body),
        Target::Record(key) => masters::change(work, kind, &key, body),
        Target::Refused => Err(Error::not_allowed("PATCH", kind.set)),
    }
}

/// Deletes a record.
///
/// # Errors
/// What the vendor would refuse.
pub(crate) fn delete(
    work: &mut Transaction<'_>,
    kind: &'static EntityType,
    keys: &[Literal],
    if_match: Option<&str>,
) -> Result<(), Error> {
    if kind.refuses('d') {
        return Err(Error::not_allowed("DELETE", kind.set));
    }
    match target(work, kind, keys, if_match)? {
        Target::Order(place) => changes::delete(work, place),
        Target::Item(place, item) => changes::delete_item(work, place, item),
        Target::Record(key) => masters::delete(work, kind, &key),
        _ => Err(Error::not_allowed("DELETE", kind.set)),
    }
}

/// The document that a lock would hold: what a message about it names.
#[must_use]
pub(crate) fn locked(store: &Store, kind: &EntityType, keys: &[Literal], body: Option<&Body<'_>>) -> Error {
    let number = keys.first().and_then(Literal::as_text).unwrap_or("");
    let user = &store.company.user;
    let by = format!("is currently being processed by user {user}");
    match CATALOG.services[kind.service].name {
        "API_SALES_ORDER_SRV" | "API_CUSTOMER_RETURN_SRV" if !number.is_empty() => {
            Error::business("V1/042", format!("Sales document {number} {by}"))
        }
        "API_OUTBOUND_DELIVERY_SRV" => Error::business("VL/046", format!("Delivery {number} {by}")),
        "API_BUSINESS_PARTNER" if number.is_empty() => {
            Error::business("R1/042", format!("The number range of business partners {by}"))
        }
        "API_BUSINESS_PARTNER" => Error::business("R1/042", format!("Business partner {number} {by}")),
        _ => {
            let item = body.and_then(|body| body.children("to_Item").first());
            match item.and_then(|item| item.text("Material")) {
                Some(material) => Error::business(
                    "M3/682",
                    format!("The plant data of material {material} is locked by the user {user}"),
                ),
                None => Error::business("MC/601", format!("Object requested is currently locked by user {user}")),
            }
        }
    }
}
