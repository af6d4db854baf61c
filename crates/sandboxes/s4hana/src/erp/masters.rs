//! Master data of any type: records entered with their children, changed and deleted; what a type needs beyond that is told
//! by its own file.

use crate::odata::body::Body;
use crate::odata::edm::EntityType;
use crate::odata::error::Error;
use crate::odata::value::Value;

use super::record::Record;
use super::store::{CATALOG, Store};
use super::transaction::{Subject, Transaction};
use super::{addresses, conditions, contacts, partners, products};

/// Enters a record with its children; answers its key. `inherited` are the key's values that its parent has.
///
/// # Errors
/// When a part of the key is missing, the record exists, or its type's rules are broken.
pub(crate) fn create(
    work: &mut Transaction<'_>,
    body: &Body<'_>,
    inherited: &[(&'static str, Value)],
) -> Result<Box<str>, Error> {
    let kind = body.entity;
    if kind.refuses('c') && inherited.is_empty() {
        return Err(Error::not_allowed("POST", kind.set));
    }
    let (key, own) = insert(work, kind, body, inherited)?;
    children(work, body, &own)?;
    match kind.set {
        "A_BusinessPartner" => partners::complete(work, &key)?,
        addresses::ADDRESS => addresses::complete(work, key.split('\u{1}').next().unwrap_or_default())?,
        "A_BusinessPartnerContact" => contacts::complete(work, &key)?,
        "A_SlsPrcgConditionRecord" => conditions::complete(work, &key)?,
        _ => {}
    }
    changed(work, kind, &key, true);
    Ok(key)
}

type Keys = Vec<(&'static str, Value)>;

fn children(work: &mut Transaction<'_>, body: &Body<'_>, inherited: &Keys) -> Result<(), Error> {
    for (_, records) in &body.children {
        for child in records {
            let (_, own) = insert(work, child.entity, child, inherited)?;
            children(work, child, &own)?;
        }
    }
    Ok(())
}

fn insert(
    work: &mut Transaction<'_>,
    kind: &EntityType,
    body: &Body<'_>,
    inherited: &[(&'static str, Value)],
) -> Result<(Box<str>, Keys), Error> {
    let mut record = Record::default();
    for (place, value) in &body.values {
        if kind.properties[*place].creatable || kind.keys.contains(place) {
            record.set(*place, value.clone());
        }
    }
    for (name, value) in inherited {
        if kind.property(name).is_some_and(|place| kind.keys.contains(&place)) {
            record.put(kind, name, value.clone());
        }
        // A customer has the number of its business partner.
        if *name == "BusinessPartner" && kind.set == "A_Customer" {
            record.put(kind, "Customer", value.clone());
        }
    }
    partners::prepare(work, kind, &mut record, inherited.is_empty())?;
    addresses::prepare(work, kind, &mut record)?;
    contacts::prepare(work, kind, &mut record)?;
    products::prepare(work, kind, &mut record)?;
    conditions::prepare(work, kind, &mut record)?;
    for place in &kind.keys {
        let property = &kind.properties[*place];
        if *record.get(*place) == Value::Null {
            let message = format!("Property '{}' of '{}' is required", property.name, kind.set);
            return Err(Error::business("SY/055", message).at(property.name));
        }
    }
    let key = record.key(kind);
    if work.store.tables[kind.id].get(&key).is_some() {
        let shown = key.replace('\u{1}', " ");
        return Err(Error::business("R1/104", format!("{} {shown} exists already", kind.label)));
    }
    let own = kind.keys.iter().map(|place| (kind.properties[*place].name, record.get(*place).clone()));
    let mut keys: Keys = own.collect();
    keys.extend(inherited.iter().filter(|(name, _)| kind.property(name).is_none()).cloned());
    work.put_record(kind.id, &key, Some(record));
    refresh(work.store, kind.id, &key);
    Ok((key, keys))
}

/// Changes a record.
///
/// # Errors
/// When the set refuses it, or there is no such record.
pub(crate) fn change(work: &mut Transaction<'_>, kind: &EntityType, key: &str, body: &Body<'_>) -> Result<(), Error> {
    if kind.refuses('u') {
        return Err(Error::not_allowed("PATCH", kind.set));
    }
    let Some(record) = work.store.tables[kind.id].get(key) else { return Err(Error::not_found(kind.set)) };
    let mut record = record.clone();
    for (place, value) in &body.values {
        if kind.properties[*place].updatable && !kind.keys.contains(place) {
            record.set(*place, value.clone());
        }
    }
    partners::derive(work.now, &work.store.company.user, kind, &mut record);
    addresses::check(kind, &record)?;
    conditions::derive(work.now, kind, &mut record)?;
    work.put_record(kind.id, key, Some(record));
    changed(work, kind, key, false);
    Ok(())
}

/// Deletes a record.
///
/// # Errors
/// When the set refuses it, or there is no such record.
pub(crate) fn delete(work: &mut Transaction<'_>, kind: &EntityType, key: &str) -> Result<(), Error> {
    if kind.refuses('d') {
        return Err(Error::not_allowed("DELETE", kind.set));
    }
    if work.store.tables[kind.id].get(key).is_none() {
        return Err(Error::not_found(kind.set));
    }
    addresses::may_go(work, kind, key)?;
    work.put_record(kind.id, key, None);
    match kind.set {
        addresses::ADDRESS => addresses::forget(work, key),
        "A_SlsPrcgConditionRecord" => conditions::forget_periods(work, key),
        "A_BusinessPartnerContact" => contacts::forget(work, key),
        _ => {}
    }
    changed(work, kind, key, false);
    Ok(())
}

/// The view for sales follows, and the event is told.
fn changed(work: &mut Transaction<'_>, kind: &EntityType, key: &str, created: bool) {
    refresh(work.store, kind.id, key);
    let number: Box<str> = owner(kind, key).into();
    match CATALOG.services[kind.service].name {
        "API_BUSINESS_PARTNER" if !is_of_one_partner(kind) => {}
        "API_BUSINESS_PARTNER" => {
            let created = created && kind.set == "A_BusinessPartner";
            work.event(Subject::Partner(number), created);
        }
        // Of prices nobody is told.
        conditions::SERVICE => conditions::touch(work, &number),
        _ => {
            products::touch(work, &number);
            work.event(Subject::Product(number), created && kind.set == "A_Product");
        }
    }
}

/// The number of the partner or product that a record's key begins with, or ends with as those of industries do.
fn owner<'k>(kind: &EntityType, key: &'k str) -> &'k str {
    let mut parts = key.split('\u{1}');
    if kind.set == "A_BuPaIndustry" { parts.next_back() } else { parts.next() }.unwrap_or(key)
}

/// Whether a record's key has the number of the business partner that it belongs to. Of addresses' own records and of
/// relationships nobody is told, and no partner counts as changed by them.
fn is_of_one_partner(kind: &EntityType) -> bool {
    !kind.set.starts_with("A_Address") && !contacts::is_relationship(kind)
}

/// Makes the view for sales of a partner or product anew, after a record of it changed.
pub(crate) fn refresh(store: &mut Store, table: usize, key: &str) {
    let Some(kind) = CATALOG.all_types().nth(table) else { return };
    let number = owner(kind, key);
    match CATALOG.services[kind.service].name {
        "API_BUSINESS_PARTNER" if is_of_one_partner(kind) => partners::refresh(store, number),
        "API_PRODUCT_SRV" => products::refresh(store, number),
        _ => {}
    }
}
