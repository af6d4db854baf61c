//! Addresses of business partners and what they are used for: one is the standard address, others may serve for deliveries.
//!
//! As SAP describes it: the first address of a partner is its standard address (usage `XXDEFAULT`) and a further one cannot be
//! labelled so; the standard address cannot be deleted, as there is one at all times.

use crate::odata::edm::EntityType;
use crate::odata::error::Error;
use crate::odata::value::Value;

use super::partners::{FOREVER, valid};
use super::record::{Record, prefix_of};
use super::store::{Store, kind};
use super::transaction::Transaction;

const SERVICE: &str = "API_BUSINESS_PARTNER";
/// The set of addresses.
pub(crate) const ADDRESS: &str = "A_BusinessPartnerAddress";
const USAGE: &str = "A_BuPaAddressUsage";
/// What stays with an address.
const BELOW: [&str; 2] = ["A_AddressEmailAddress", "A_AddressPhoneNumber"];
/// The usage of the standard address.
const STANDARD: &str = "XXDEFAULT";
/// The address types that are set up.
const TYPES: [&str; 4] = [STANDARD, "SHIP_TO", "BILL_TO", "CORRESPOND"];

/// Fills in what a new address or usage needs.
///
/// # Errors
/// When the country is missing, there is no such address or address type, or another address is the standard one.
pub(crate) fn prepare(work: &mut Transaction<'_>, kind: &EntityType, record: &mut Record) -> Result<(), Error> {
    match kind.set {
        ADDRESS => {
            check(kind, record)?;
            if record.text(kind, "AddressID").is_empty() {
                record.put(kind, "AddressID", Value::text(work.store.next_address.to_string()));
                work.store.next_address += 1;
            }
            record.put(kind, "AddressUUID", Value::Guid(uuid::Uuid::now_v7().as_u128()));
            valid(kind, record, "ValidityStartDate", "ValidityEndDate", work.now);
        }
        USAGE => {
            if kind.property("ValidityEndDate").is_some_and(|place| *record.get(place) == Value::Null) {
                record.put(kind, "ValidityEndDate", Value::Instant(FOREVER));
            }
            let usage = record.text(kind, "AddressUsage");
            if !TYPES.contains(&usage) {
                let message = format!("Address type '{usage}' is not defined");
                return Err(Error::business("R1/150", message).at("AddressUsage"));
            }
            let (partner, address) = (record.text(kind, "BusinessPartner"), record.text(kind, "AddressID"));
            let key = format!("{partner}\u{1}{address}");
            if work.store.tables[of(ADDRESS).id].get(&key).is_none() {
                let message = format!("Business partner {partner} has no address {address}");
                return Err(Error::business("R1/149", message).at("AddressID"));
            }
            let is_other = |other: &Record| other.text(kind, "AddressID") != address;
            if usage == STANDARD && usages(work.store, partner).filter(is_standard).any(is_other) {
                let message = format!("Business partner {partner} already has a standard address");
                return Err(Error::business("R1/148", message).at("AddressUsage"));
            }
        }
        _ => {}
    }
    Ok(())
}

/// What has to hold of an address at all times.
///
/// # Errors
/// When the country is missing.
pub(crate) fn check(kind: &EntityType, record: &Record) -> Result<(), Error> {
    if kind.set == ADDRESS && record.text(kind, "Country").is_empty() {
        return Err(Error::business("AM/229", "Enter a country/region in the address").at("Country"));
    }
    Ok(())
}

/// Makes the first address of a partner its standard address, where none is.
///
/// # Errors
/// Never for what is in the catalog.
pub(crate) fn complete(work: &mut Transaction<'_>, partner: &str) -> Result<(), Error> {
    if usages(work.store, partner).any(|usage| is_standard(&usage)) {
        return Ok(());
    }
    let Some(first) = first(work.store, partner) else { return Ok(()) };
    let (address, usage) = (first.text(of(ADDRESS), "AddressID").to_owned(), of(USAGE));
    let mut record = Record::default();
    for (name, value) in [("BusinessPartner", partner), ("AddressUsage", STANDARD), ("AddressID", &address)] {
        record.put(usage, name, Value::text(value));
    }
    prepare(work, usage, &mut record)?;
    let key = record.key(usage);
    work.put_record(usage.id, &key, Some(record));
    Ok(())
}

/// Whether a record may be deleted.
///
/// # Errors
/// When it is the standard address, or says that it is.
pub(crate) fn may_go(work: &Transaction<'_>, kind: &EntityType, key: &str) -> Result<(), Error> {
    let Some(record) = work.store.tables[kind.id].get(key) else { return Ok(()) };
    let partner = record.text(kind, "BusinessPartner");
    let stays = match kind.set {
        ADDRESS => usages_of(work.store, partner, record.text(kind, "AddressID")).any(|usage| is_standard(&usage)),
        USAGE => is_standard(&record),
        _ => false,
    };
    if stays {
        let message = format!("The standard address of business partner {partner} cannot be deleted");
        return Err(Error::business("R1/147", message));
    }
    Ok(())
}

/// Usages, e-mail addresses and telephone numbers go with their address.
pub(crate) fn forget(work: &mut Transaction<'_>, key: &str) {
    let Some((partner, address)) = key.split_once('\u{1}') else { return };
    let gone: Vec<Box<str>> = usages_of(work.store, partner, address).map(|usage| usage.key(of(USAGE))).collect();
    for key in gone {
        work.put_record(of(USAGE).id, &key, None);
    }
    for set in BELOW {
        let kind = of(set);
        let below = work.store.tables[kind.id].starting(&prefix_of([&Value::text(address)]));
        let gone: Vec<Box<str>> = below.map(|record| record.key(kind)).collect();
        for key in gone {
            work.put_record(kind.id, &key, None);
        }
    }
}

/// The standard address of a partner.
#[must_use]
pub(crate) fn standard<'s>(store: &'s Store, partner: &str) -> Option<&'s Record> {
    let labelled = usages(store, partner).filter(is_standard).find_map(|usage| {
        let key = format!("{partner}\u{1}{}", usage.text(of(USAGE), "AddressID"));
        store.tables[of(ADDRESS).id].get(&key)
    });
    labelled.or_else(|| first(store, partner))
}

/// The country of an address.
#[must_use]
pub(crate) fn country(address: &Record) -> &str {
    address.text(of(ADDRESS), "Country")
}

fn of(set: &str) -> &'static EntityType {
    kind(SERVICE, set)
}

/// The address that was made first.
fn first<'s>(store: &'s Store, partner: &str) -> Option<&'s Record> {
    let all = store.tables[of(ADDRESS).id].starting(&prefix_of([&Value::text(partner)]));
    all.min_by_key(|record| {
        let number = record.text(of(ADDRESS), "AddressID");
        (number.len(), number)
    })
}

fn usages<'s>(store: &'s Store, partner: &str) -> impl Iterator<Item = &'s Record> + use<'s> {
    store.tables[of(USAGE).id].starting(&prefix_of([&Value::text(partner)]))
}

fn usages_of<'s>(store: &'s Store, partner: &str, address: &str) -> impl Iterator<Item = &'s Record> + use<'s> {
    let address = address.to_owned();
    usages(store, partner).filter(move |usage| usage.text(of(USAGE), "AddressID") == address)
}

fn is_standard(usage: &&Record) -> bool {
    usage.text(of(USAGE), "AddressUsage") == STANDARD
}
