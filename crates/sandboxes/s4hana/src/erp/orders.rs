//! A sales order as it is entered: checked against master data, priced, and checked against stock and credit.

use crate::odata::body::Body;
use crate::odata::error::Error;
use crate::odata::fixed::{Amount, Rate, line_value, percentage};
use crate::odata::time::{days_after, midnight};
use crate::odata::value::Value;

use super::code::Code;
use super::conditions::{self, Wanted};
use super::documents::{Credit, Extra, Item, Order, Text};
use super::store::{Customer, Material, Store};

/// Most items of a document.
const ITEMS_MAX: usize = 999;
/// Condition types that are a price, the first of which is found by itself.
pub(crate) const PRICES: [&str; 3] = ["PPR0", "PR00", "PMP0"];
/// Units that are all one piece.
const PIECES: [&str; 4] = ["PC", "EA", "ST", "PCE"];

/// A code out of a body; initial when it was not sent.
pub(crate) fn code(body: &Body<'_>, name: &str) -> Code {
    body.text(name).map_or(Code::EMPTY, Code::new)
}

/// What a client sent and the system keeps without acting on it: everything but the names that it acts on.
pub(crate) fn extra(body: &Body<'_>, acted_on: &[&str]) -> Extra {
    let mut kept: Vec<(u16, Value)> = Vec::new();
    for (place, value) in &body.values {
        let property = &body.entity.properties[*place];
        if property.creatable && !body.entity.keys.contains(place) && !acted_on.contains(&property.name) {
            let empty = matches!(value, Value::Null) || matches!(value, Value::Text(text) if text.is_empty());
            if !empty {
                kept.push((u16::try_from(*place).unwrap_or(u16::MAX), value.clone()));
            }
        }
    }
    if kept.is_empty() { None } else { Some(Box::new(kept)) }
}

/// Takes a change into what is kept for the client.
pub(crate) fn merge_extra(extra: &mut Extra, body: &Body<'_>, acted_on: &[&str]) {
    for (place, value) in &body.values {
        let property = &body.entity.properties[*place];
        if !property.updatable || body.entity.keys.contains(place) || acted_on.contains(&property.name) {
            continue;
        }
        let place = u16::try_from(*place).unwrap_or(u16::MAX);
        let kept = extra.get_or_insert_default();
        kept.retain(|(other, _)| *other != place);
        if *value != Value::Null {
            kept.push((place, value.clone()));
        }
    }
}

/// Properties of an order that are columns of their own.
pub(crate) const ORDER_COLUMNS: [&str; 14] = [
    "SalesOrderType",
    "SalesOrganization",
    "DistributionChannel",
    "OrganizationDivision",
    "SoldToParty",
    "PurchaseOrderByCustomer",
    "TransactionCurrency",
    "SalesOrderDate",
    "PricingDate",
    "RequestedDeliveryDate",
    "DeliveryBlockReason",
    "HeaderBillingBlockReason",
    "TotalCreditCheckStatus",
    "OverallSDProcessStatus",
];

/// Properties of an item that are columns of their own.
pub(crate) const ITEM_COLUMNS: [&str; 8] = [
    "SalesOrderItem",
    "Material",
    "RequestedQuantity",
    "RequestedQuantityUnit",
    "ProductionPlant",
    "Plant",
    "SalesDocumentRjcnReason",
    "SalesOrderItemText",
];

/// The sales area and the sold-to party that a document names.
pub(crate) struct Header {
    /// Sales organization, distribution channel, division.
    pub(crate) area: (Code, Code, Code),
    /// The customer, by place.
    pub(crate) customer: u32,
    /// The currency of the document.
    pub(crate) currency: Code,
}

/// Checks what order and return have in common.
///
/// # Errors
/// For a sales area that there is not, a customer that is not maintained for it, and one that is blocked.
pub(crate) fn header(store: &Store, body: &Body<'_>) -> Result<Header, Error> {
    let area = (code(body, "SalesOrganization"), code(body, "DistributionChannel"), code(body, "OrganizationDivision"));
    if !store.company.areas.contains(&area) {
        let (organization, channel, division) = area;
        let message = format!("Sales area {organization} {channel} {division} is not defined");
        return Err(Error::business("V1/313", message).at("SalesOrganization"));
    }
    let party = body.text("SoldToParty").unwrap_or("");
    let Some(customer) = store.customer(party) else {
        let message = format!("Sold-to party {party} does not exist");
        return Err(Error::business("VP/199", message).at("SoldToParty"));
    };
    let record = &store.customers[customer as usize];
    let Some(sells) = record.areas.iter().find(|sells| sells.area == area) else {
        let (organization, channel, division) = area;
        let message =
            format!("Sold-to party {party} is not maintained for sales area {organization} {channel} {division}");
        return Err(Error::business("VP/204", message).at("SoldToParty"));
    };
    if record.blocked {
        let message = format!("Customer {party} has been blocked for sales orders");
        return Err(Error::business("V1/032", message).at("SoldToParty"));
    }
    let currency = body.text("TransactionCurrency").map_or(sells.currency, Code::new);
    let currency = if currency.is_empty() { store.company.currency } else { currency };
    Ok(Header { area, customer, currency })
}

/// An order from what the client sent. Nothing is kept yet.
///
/// # Errors
/// What the vendor would refuse, in its words.
pub(crate) fn build(store: &Store, body: &Body<'_>, now: i64) -> Result<Order, Error> {
    let kind = code(body, "SalesOrderType");
    if !store.company.order_types.contains(&kind) {
        let message = format!("Sales document type {kind} is not defined");
        return Err(Error::business("V1/213", message).at("SalesOrderType"));
    }
    let Header { area, customer, currency } = header(store, body)?;
    let today = midnight(now);
    let mut order = Order {
        number: 0,
        kind,
        organization: area.0,
        channel: area.1,
        division: area.2,
        customer,
        reference: body.text("PurchaseOrderByCustomer").unwrap_or("").into(),
        currency,
        created: now,
        changed: now,
        date: body.date("SalesOrderDate").unwrap_or(today),
        pricing_date: body.date("PricingDate").unwrap_or(today),
        requested: body.date("RequestedDeliveryDate").unwrap_or_else(|| days_after(today, 1)),
        tax_rate: Rate::ZERO,
        destination: store.customers[customer as usize].country,
        net: Amount::ZERO,
        tax: Amount::ZERO,
        credit: Credit::NotChecked,
        delivery_block: code(body, "DeliveryBlockReason"),
        billing_block: code(body, "HeaderBillingBlockReason"),
        claimed: Amount::ZERO,
        planned: false,
        deleted: false,
        items: Vec::new(),
        partners: Vec::new(),
        texts: texts(body)?,
        deliveries: Vec::new(),
        extra: extra(body, &ORDER_COLUMNS),
    };
    partners(store, body, &mut order)?;
    if let Some(element) = body.children("to_PricingElement").first() {
        let kind = element.text("ConditionType").unwrap_or("");
        let message = format!("Condition type {kind} is not allowed at header level");
        return Err(Error::business("V1/801", message).at("to_PricingElement"));
    }
    let items = body.children("to_Item");
    if items.len() > ITEMS_MAX {
        let message = format!("A document takes at most {ITEMS_MAX} items, not {}", items.len());
        return Err(Error::business("V1/247", message).at("to_Item"));
    }
    order.items.reserve_exact(items.len());
    for line in items {
        let item = item(store, &order, line)?;
        if order.items.iter().any(|other| other.number == item.number) {
            return Err(Error::business("V1/494", format!("Item {} exists already", item.number)).at("to_Item"));
        }
        order.items.push(item);
    }
    total(store, &mut order);
    order.credit = check_credit(&store.customers[customer as usize], &order, Amount::ZERO);
    Ok(order)
}

fn partners(store: &Store, body: &Body<'_>, order: &mut Order) -> Result<(), Error> {
    for partner in body.children("to_Partner") {
        let function = match partner.text("PartnerFunction").unwrap_or("") {
            "AG" | "SP" => "SP",
            "WE" | "SH" => "SH",
            "RE" | "BP" => "BP",
            "RG" | "PY" => "PY",
            other => {
                let message = format!("Partner function {other} is not allowed for partner determination");
                return Err(Error::business("VP/112", message).at("to_Partner"));
            }
        };
        let number = partner.text("Customer").unwrap_or("");
        let Some(place) = store.customer(number) else {
            return Err(Error::business("VP/199", format!("Customer {number} does not exist")).at("to_Partner"));
        };
        if function == "SH" {
            order.destination = store.customers[place as usize].country;
        }
        order.partners.push((Code::new(function), store.customers[place as usize].number.clone()));
    }
    Ok(())
}

fn texts(body: &Body<'_>) -> Result<Vec<Text>, Error> {
    let read = |text: &Body<'_>| {
        let id = code(text, "LongTextID");
        if id.is_empty() {
            return Err(Error::business("TD/600", "A text needs a LongTextID").at("to_Text"));
        }
        let language = text.text("Language").map_or(Code::new("EN"), Code::new);
        Ok(Text { language, id, text: text.text("LongText").unwrap_or("").into() })
    };
    body.children("to_Text").iter().map(read).collect()
}

/// One item of an order, priced.
///
/// # Errors
/// What the vendor would refuse, in its words.
pub(crate) fn item(store: &Store, order: &Order, body: &Body<'_>) -> Result<Item, Error> {
    let next = order.items.iter().map(|item| item.number).max().unwrap_or(0) + 10;
    let number = match body.text("SalesOrderItem") {
        None => next,
        Some(text) => match text.parse::<u32>() {
            Ok(0) => next,
            Ok(number) if number <= 999_999 => number,
            _ => return Err(Error::business("V1/212", format!("{text} is no item number")).at("SalesOrderItem")),
        },
    };
    let name = body.text("Material").unwrap_or("");
    let (organization, channel) = (order.organization, order.channel);
    let found = store.material(name).map(|place| (place, &store.materials[place as usize]));
    let found = found.filter(|(_, material)| !material.deleted && material.areas.contains(&(organization, channel)));
    let Some((material_place, material)) = found else {
        let message =
            format!("Material {name} is not defined for sales org.{organization}, distr.chan.{channel}, language EN");
        return Err(Error::business("V1/384", message).at("Material"));
    };
    let quantity = body.amount("RequestedQuantity").unwrap_or(Amount::ZERO);
    if quantity <= Amount::ZERO {
        let message = format!("Enter a quantity above zero for item {number}");
        return Err(Error::business("V1/208", message).at("RequestedQuantity"));
    }
    let unit = body.text("RequestedQuantityUnit").map_or(material.unit, Code::new);
    let pieces = |unit: Code| PIECES.contains(&unit.as_str());
    if unit != material.unit && !(pieces(unit) && pieces(material.unit)) {
        let message = format!("Unit {unit} is not defined for material {name}");
        return Err(Error::business("V1/338", message).at("RequestedQuantityUnit"));
    }
    let plant = body.text("ProductionPlant").or_else(|| body.text("Plant"));
    let plant = ships_from(material, plant.map(Code::new), quantity).map_err(|plant| {
        let message = format!("Material {name} is not maintained in plant {plant}");
        Error::business("M3/351", message).at("ProductionPlant")
    })?;
    let found = conditions::price(
        store,
        Wanted {
            material: &material.number,
            customer: &store.customers[order.customer as usize].number,
            area: (organization, channel),
            currency: order.currency,
            date: order.pricing_date,
        },
    );
    let (mut price, mut per, mut manual) = (found.map(|price| price.rate), found.map_or(1, |price| price.per), false);
    let mut condition = found.map_or(Code::new(PRICES[0]), |price| price.condition);
    for element in body.children("to_PricingElement") {
        let kind = element.text("ConditionType").unwrap_or("");
        if !PRICES.contains(&kind) {
            let message = format!("Condition type {kind} is not allowed in pricing procedure A10001");
            return Err(Error::business("V1/801", message).at("to_PricingElement"));
        }
        if element.text("ConditionCurrency").is_some_and(|currency| currency != order.currency.as_str()) {
            let currency = element.text("ConditionCurrency").unwrap_or("");
            let message = format!("Enter an exchange rate {currency} to {}", order.currency);
            return Err(Error::business("SG/105", message).at("ConditionCurrency"));
        }
        if let Some(Value::Rate(rate)) = element.value("ConditionRateValue") {
            (price, manual) = (Some(*rate), true);
            condition = Code::new(kind);
        }
        if let Some(quantity) = element.amount("ConditionQuantity") {
            per = u32::try_from(quantity.units() / 1000).unwrap_or(1).max(1);
        }
    }
    let Some(price) = price.filter(|price| *price >= Rate::ZERO) else {
        let message = format!("Pricing error: mandatory condition {} is missing in item {number}", PRICES[0]);
        return Err(Error::business("V1/802", message).at("to_PricingElement"));
    };
    let available = material.available(plant).unwrap_or(Amount::ZERO);
    let text = body.text("SalesOrderItemText").filter(|text| **text != *material.description);
    Ok(Item {
        number,
        material: material_place,
        plant,
        unit,
        rejection: code(body, "SalesDocumentRjcnReason"),
        quantity,
        confirmed: quantity.min(available),
        reserved: quantity,
        delivered: Amount::ZERO,
        issued: Amount::ZERO,
        price,
        per,
        manual,
        condition,
        net: line_value(quantity, price, i64::from(per)),
        tax: Amount::ZERO,
        text: text.map(Into::into),
        texts: texts(body)?.into(),
        extra: extra(body, &ITEM_COLUMNS),
    })
}

/// The plant of an item: the one that was asked for, else the first that has enough, else the first.
fn ships_from(material: &Material, wanted: Option<Code>, quantity: Amount) -> Result<Code, Code> {
    if let Some(wanted) = wanted {
        return material.available(wanted).map(|_| wanted).ok_or(wanted);
    }
    let enough = |plant: Code| material.available(plant).is_some_and(|available| available >= quantity);
    let plants = || material.stocks.iter().map(|stock| stock.plant);
    plants().find(|plant| enough(*plant)).or_else(|| plants().next()).ok_or(Code::EMPTY)
}

/// Computes taxes, totals and claims anew.
pub(crate) fn total(store: &Store, order: &mut Order) {
    (order.net, order.tax) = (Amount::ZERO, Amount::ZERO);
    let destination = order.destination;
    for item in &mut order.items {
        let rate = store.tax_rate(store.plant_country(item.plant), destination);
        if rate > order.tax_rate {
            order.tax_rate = rate;
        }
        item.tax = percentage(item.net, rate);
        if item.rejection.is_empty() {
            order.net = order.net.plus(item.net);
            order.tax = order.tax.plus(item.tax);
            item.reserved = item.quantity.minus(item.issued).max(Amount::ZERO);
        } else {
            item.reserved = Amount::ZERO;
        }
    }
    order.claimed = order.gross();
}

/// The credit check of an order of which `counted` is in the customer's exposure already.
#[must_use]
pub(crate) fn check_credit(customer: &Customer, order: &Order, counted: Amount) -> Credit {
    match customer.limit {
        None => Credit::NotChecked,
        Some(limit) if customer.exposure.minus(counted).plus(order.gross()) > limit => Credit::Blocked,
        Some(_) => Credit::Passed,
    }
}
