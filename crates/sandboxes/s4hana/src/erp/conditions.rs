//! Condition records of prices: what a material costs whom, where and when. Orders are priced by the same records that the
//! service shows.

use crate::odata::edm::EntityType;
use crate::odata::error::Error;
use crate::odata::fixed::{Amount, Rate};
use crate::odata::time::{days_after, midnight};
use crate::odata::value::Value;

use super::code::Code;
use super::orders::PRICES;
use super::record::{Record, prefix_of};
use super::store::{Store, kind};
use super::transaction::Transaction;

/// The service.
pub(crate) const SERVICE: &str = "API_SLSPRICINGCONDITIONRECORD_SRV";
/// 9999-12-31, the end of everything that has none.
const FOREVER: i64 = 253_402_214_400_000;
/// Prices of a material in a sales area.
const LIST: &str = "304";
/// Prices of a material for one customer.
const OF_CUSTOMER: &str = "305";
/// What does not tell two combinations apart.
const NOT_OF_THE_COMBINATION: [&str; 5] =
    ["ConditionRecord", "ConditionValidityEndDate", "ConditionValidityStartDate", "ConditionReleaseStatus", "ETag"];
/// How many units a price may be for, in the order in which they are tried.
const PER: [i64; 5] = [1, 10, 100, 1_000, 10_000];

fn head() -> &'static EntityType {
    kind(SERVICE, "A_SlsPrcgConditionRecord")
}

fn validity() -> &'static EntityType {
    kind(SERVICE, "A_SlsPrcgCndnRecdValidity")
}

/// A price that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Price {
    /// How much.
    pub(crate) rate: Rate,
    /// For how many units.
    pub(crate) per: u32,
    /// The condition type.
    pub(crate) condition: Code,
}

/// For whom and when a price is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The material.
    pub(crate) material: &'a str,
    /// The customer.
    pub(crate) customer: &'a str,
    /// Sales organization and distribution channel.
    pub(crate) area: (Code, Code),
    /// The currency; nothing is converted.
    pub(crate) currency: Code,
    /// The date of pricing.
    pub(crate) date: i64,
}

/// The price of a material: the customer's own before the list price.
#[must_use]
pub(crate) fn price(store: &Store, wanted: Wanted<'_>) -> Option<Price> {
    let (head, validity) = (head(), validity());
    let date = midnight(wanted.date);
    let mut best: Option<(bool, Price)> = None;
    for record in of_material(store, wanted.material) {
        let says = |name: &str, value: &str| matches!(record.text(validity, name), found if found.is_empty() || found == value);
        let own = !record.text(validity, "Customer").is_empty();
        let fits = says("SalesOrganization", wanted.area.0.as_str())
            && says("DistributionChannel", wanted.area.1.as_str())
            && says("Customer", wanted.customer)
            && (start_of(record)..=end_of(record)).contains(&date);
        if !fits || best.is_some_and(|(best_own, _)| best_own && !own) {
            continue;
        }
        let found = store.tables[head.id].get(record.text(validity, "ConditionRecord"));
        let price = found
            .filter(|found| found.text(head, "ConditionRateValueUnit") == wanted.currency.as_str())
            .filter(|found| *value_of(found, head, "ConditionIsDeleted") != Value::Bool(true))
            .and_then(read_price);
        if let Some(price) = price {
            best = Some((own, price));
        }
    }
    best.map(|(_, price)| price)
}

fn read_price(record: &Record) -> Option<Price> {
    let head = head();
    let Value::Amount(amount) = value_of(record, head, "ConditionRateValue") else { return None };
    let per = match value_of(record, head, "ConditionQuantity") {
        Value::Amount(per) => u32::try_from(per.units() / 1000).unwrap_or(1).max(1),
        _ => 1,
    };
    let rate = Rate::from_units(amount.units().checked_mul(1_000_000)?);
    Some(Price { rate, per, condition: Code::new(record.text(head, "ConditionType")) })
}

fn of_material<'a>(store: &'a Store, material: &str) -> impl Iterator<Item = &'a Record> {
    let validity = validity();
    store.tables[validity.id].with(validity.property("Material").unwrap_or(0), material)
}

fn value_of<'r>(record: &'r Record, kind: &EntityType, name: &str) -> &'r Value {
    kind.property(name).map_or(&Value::Null, |place| record.get(place))
}

fn date_of(record: &Record, name: &str, missing: i64) -> i64 {
    match value_of(record, validity(), name) {
        Value::Date(date) => *date,
        _ => missing,
    }
}

fn start_of(record: &Record) -> i64 {
    date_of(record, "ConditionValidityStartDate", i64::MIN)
}

fn end_of(record: &Record) -> i64 {
    date_of(record, "ConditionValidityEndDate", FOREVER)
}

/// Fills in what a new record needs.
///
/// # Errors
/// When what has to be given is missing or there is no such material, sales area or customer.
pub(crate) fn prepare(work: &mut Transaction<'_>, kind: &EntityType, record: &mut Record) -> Result<(), Error> {
    match kind.set {
        "A_SlsPrcgConditionRecord" => {
            record.put(kind, "ConditionRecord", Value::text(work.store.next_condition.to_string()));
            work.store.next_condition += 1;
            for (name, text) in [
                ("ConditionApplication", "V"),
                ("ConditionTable", LIST),
                ("ConditionCalculationType", "C"),
                ("ConditionSequentialNumber", "1"),
                ("ConditionQuantityUnit", "PC"),
            ] {
                record.fill(kind, name, text);
            }
            if *value_of(record, kind, "ConditionQuantity") == Value::Null {
                record.put(kind, "ConditionQuantity", Value::Amount(Amount::whole(1)));
            }
            record.put(kind, "CreatedByUser", Value::text(work.store.company.user.as_str()));
            record.put(kind, "CreationDate", Value::Date(midnight(work.now)));
            check_head(record)?;
        }
        "A_SlsPrcgCndnRecdValidity" => prepare_validity(work, record)?,
        _ => return Ok(()),
    }
    stamp(work.now, kind, record);
    Ok(())
}

fn prepare_validity(work: &Transaction<'_>, record: &mut Record) -> Result<(), Error> {
    let kind = validity();
    let number = record.text(kind, "ConditionRecord").to_owned();
    if let Some(owner) = work.store.tables[head().id].get(&number) {
        for name in ["ConditionApplication", "ConditionType"] {
            record.put(kind, name, Value::text(owner.text(head(), name)));
        }
    }
    for (name, date) in [("ConditionValidityStartDate", midnight(work.now)), ("ConditionValidityEndDate", FOREVER)] {
        if *value_of(record, kind, name) == Value::Null {
            record.put(kind, name, Value::Date(date));
        }
    }
    if start_of(record) > end_of(record) {
        let message = "The validity begins after it ends; correct one of the dates";
        return Err(Error::business("VK/027", message).at("ConditionValidityStartDate"));
    }
    let material = record.text(kind, "Material");
    if work.store.material(material).is_none() {
        let message = format!("The material {material} does not exist or is not activated");
        return Err(Error::business("M3/305", message).at("Material"));
    }
    let (organization, channel) = (record.text(kind, "SalesOrganization"), record.text(kind, "DistributionChannel"));
    let known = |area: &(Code, Code, Code)| area.0.as_str() == organization && area.1.as_str() == channel;
    if !work.store.company.areas.iter().any(known) {
        let message = format!("Sales area {organization} {channel} is not defined");
        return Err(Error::business("VK/034", message).at("SalesOrganization"));
    }
    let customer = record.text(kind, "Customer");
    if !customer.is_empty() && work.store.customer(customer).is_none() {
        return Err(Error::business("VP/199", format!("Customer {customer} does not exist")).at("Customer"));
    }
    Ok(())
}

fn check_head(record: &Record) -> Result<(), Error> {
    let kind = head();
    let condition = record.text(kind, "ConditionType");
    if !PRICES.contains(&condition) {
        let message = format!("Condition type {condition} is no price of pricing procedure A10001");
        return Err(Error::business("VK/017", message).at("ConditionType"));
    }
    match value_of(record, kind, "ConditionRateValue") {
        Value::Amount(amount) if *amount >= Amount::ZERO => {}
        _ => return Err(Error::business("VK/020", "Enter an amount that is not negative").at("ConditionRateValue")),
    }
    match value_of(record, kind, "ConditionQuantity") {
        Value::Amount(quantity) if *quantity > Amount::ZERO => {}
        _ => return Err(Error::business("VK/021", "Enter for how many units the amount is").at("ConditionQuantity")),
    }
    let currency = record.text(kind, "ConditionRateValueUnit");
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        let message = format!("Currency key '{currency}' does not exist; enter a currency of three letters");
        return Err(Error::business("SG/105", message).at("ConditionRateValueUnit"));
    }
    Ok(())
}

fn stamp(now: i64, kind: &EntityType, record: &mut Record) {
    record.put(kind, "LastChangeDateTime", Value::Instant(now));
    record.put(kind, "ETag", Value::text(now.to_string()));
}

/// A new record is complete with its children: the periods of others for the same make room for its own.
///
/// # Errors
/// When nothing says for what the price is.
pub(crate) fn complete(work: &mut Transaction<'_>, number: &str) -> Result<(), Error> {
    let (head, validity) = (head(), validity());
    let prefix = prefix_of([&Value::text(number)]);
    let own: Vec<Record> = work.store.tables[validity.id].starting(&prefix).cloned().collect();
    let (Some(first), Some(mut record)) = (own.first(), work.store.tables[head.id].get(number).cloned()) else {
        let message = "Enter for which material the price is, in to_SlsPrcgCndnRecdValidity";
        return Err(Error::business("VK/033", message).at("to_SlsPrcgCndnRecdValidity"));
    };
    record.put(head, "ConditionValidityStartDate", Value::Date(start_of(first)));
    record.put(head, "ConditionValidityEndDate", Value::Date(end_of(first)));
    if !first.text(validity, "Customer").is_empty() {
        record.put(head, "ConditionTable", Value::text(OF_CUSTOMER));
    }
    if let Some(place) = work.store.material(first.text(validity, "Material")) {
        let unit = work.store.materials[place as usize].unit;
        record.put(head, "BaseUnit", Value::text(unit.as_str()));
    }
    work.put_record(head.id, number, Some(record));
    for period in &own {
        make_room(work, number, period);
    }
    Ok(())
}

/// Cuts the periods of other records of the same combination, as the ERP does: of two prices for one day the later one counts.
fn make_room(work: &mut Transaction<'_>, number: &str, new: &Record) {
    let validity = validity();
    let same = |other: &&Record| {
        let matters = |name: &str| !NOT_OF_THE_COMBINATION.contains(&name);
        other.text(validity, "ConditionRecord") != number
            && start_of(other) <= end_of(new)
            && end_of(other) >= start_of(new)
            && (0..validity.properties.len())
                .filter(|place| matters(validity.properties[*place].name))
                .all(|place| other.get(place) == new.get(place))
    };
    let cut: Vec<Record> = of_material(work.store, new.text(validity, "Material")).filter(same).cloned().collect();
    for old in cut {
        work.put_record(validity.id, &old.key(validity), None);
        let mut keep = |start: i64, end: i64| {
            let mut period = old.clone();
            period.put(validity, "ConditionValidityStartDate", Value::Date(start));
            period.put(validity, "ConditionValidityEndDate", Value::Date(end));
            stamp(work.now, validity, &mut period);
            work.put_record(validity.id, &period.key(validity), Some(period));
        };
        if start_of(&old) < start_of(new) {
            keep(start_of(&old), days_after(start_of(new), -1));
        }
        if end_of(&old) > end_of(new) {
            keep(days_after(end_of(new), 1), end_of(&old));
        }
        touch(work, old.text(validity, "ConditionRecord"));
    }
}

/// A record is checked and stamped before a change of it is kept.
///
/// # Errors
/// When it would be no price any more.
pub(crate) fn derive(now: i64, kind: &EntityType, record: &mut Record) -> Result<(), Error> {
    match kind.set {
        "A_SlsPrcgConditionRecord" => check_head(record)?,
        "A_SlsPrcgCndnRecdValidity" => {}
        _ => return Ok(()),
    }
    stamp(now, kind, record);
    Ok(())
}

/// After a change of a record or one of its periods: the record tells when.
pub(crate) fn touch(work: &mut Transaction<'_>, number: &str) {
    let head = head();
    if let Some(mut record) = work.store.tables[head.id].get(number).cloned() {
        stamp(work.now, head, &mut record);
        work.put_record(head.id, number, Some(record));
    }
}

/// The periods of a record go with it.
pub(crate) fn forget_periods(work: &mut Transaction<'_>, number: &str) {
    let validity = validity();
    let prefix = prefix_of([&Value::text(number)]);
    let keys: Vec<Box<str>> =
        work.store.tables[validity.id].starting(&prefix).map(|period| period.key(validity)).collect();
    keys.iter().for_each(|key| work.put_record(validity.id, key, None));
}

/// Sets the list price of a material everywhere: as it is loaded, from the beginning of time.
///
/// # Errors
/// When it has more digits than a price can have.
pub(crate) fn set_list_price(
    work: &mut Transaction<'_>,
    material: &str,
    rate: Rate,
    currency: &str,
    unit: &str,
) -> Result<(), String> {
    let (head, validity) = (head(), validity());
    let fits = |per: &&i64| rate.units().checked_mul(**per).is_some_and(|units| units % 1_000_000 == 0);
    let per = *PER.iter().find(fits).ok_or_else(|| format!("`{rate}` has too many digits for a price"))?;
    let amount = Amount::from_units(rate.units() * per / 1_000_000);
    let mut areas: Vec<(Code, Code)> = work.store.company.areas.iter().map(|area| (area.0, area.1)).collect();
    areas.dedup();
    for (organization, channel) in areas {
        let is_list = |period: &&Record| {
            period.text(validity, "SalesOrganization") == organization.as_str()
                && period.text(validity, "DistributionChannel") == channel.as_str()
                && period.text(validity, "Customer").is_empty()
                && end_of(period) == FOREVER
                && work.store.tables[head.id]
                    .get(period.text(validity, "ConditionRecord"))
                    .is_some_and(|record| record.text(head, "ConditionType") == PRICES[0])
        };
        let known = of_material(work.store, material).find(is_list);
        let known = known.map(|period| period.text(validity, "ConditionRecord").to_owned());
        let mut record = known.as_ref().and_then(|number| work.store.tables[head.id].get(number)).cloned();
        let record = record.get_or_insert_default();
        record.put(head, "ConditionType", Value::text(PRICES[0]));
        record.put(head, "ConditionRateValue", Value::Amount(amount));
        record.put(head, "ConditionRateValueUnit", Value::text(currency));
        record.put(head, "ConditionQuantity", Value::Amount(Amount::whole(per)));
        record.put(head, "ConditionQuantityUnit", Value::text(unit));
        if known.is_some() {
            derive(work.now, head, record).map_err(|error| error.message)?;
            work.put_record(head.id, &record.key(head), Some(record.clone()));
            continue;
        }
        prepare(work, head, record).map_err(|error| error.message)?;
        let number = record.key(head);
        work.put_record(head.id, &number, Some(record.clone()));
        let mut period = Record::default();
        for (name, text) in [
            ("ConditionRecord", &*number),
            ("Material", material),
            ("SalesOrganization", organization.as_str()),
            ("DistributionChannel", channel.as_str()),
        ] {
            period.put(validity, name, Value::text(text));
        }
        period.put(validity, "ConditionValidityStartDate", Value::Date(0));
        prepare(work, validity, &mut period).map_err(|error| error.message)?;
        work.put_record(validity.id, &period.key(validity), Some(period));
        complete(work, &number).map_err(|error| error.message)?;
    }
    Ok(())
}
