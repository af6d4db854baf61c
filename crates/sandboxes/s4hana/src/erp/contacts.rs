//! Relationships between a company and its contact persons: what the system fills in and refuses.

use crate::odata::edm::EntityType;
use crate::odata::error::Error;
use crate::odata::time::midnight;
use crate::odata::value::Value;

use super::record::Record;
use super::store::kind;
use super::transaction::Transaction;

const SERVICE: &str = "API_BUSINESS_PARTNER";
const CONTACT: &str = "A_BusinessPartnerContact";
const FUNCTION: &str = "A_BPContactToFuncAndDept";
/// The only category of relationship that the service serves: a company has a contact person.
const CATEGORY: &str = "BUR001";
/// 9999-12-31, the end of everything that has none.
const FOREVER: i64 = 253_402_214_400_000;
/// The category of business partners that are persons.
const PERSON: &str = "1";

/// Whether records of this type belong to a relationship.
#[must_use]
pub(crate) fn is_relationship(kind: &EntityType) -> bool {
    matches!(kind.set, CONTACT | FUNCTION)
}

/// Fills in what a new relationship needs.
///
/// # Errors
/// When one of the partners is not there or of the wrong category, or they are in this relationship already.
pub(crate) fn prepare(work: &mut Transaction<'_>, kind: &EntityType, record: &mut Record) -> Result<(), Error> {
    if !is_relationship(kind) {
        return Ok(());
    }
    record.fill(kind, "RelationshipCategory", CATEGORY);
    if kind.set == FUNCTION {
        return Ok(());
    }
    let category = record.text(kind, "RelationshipCategory");
    if category != CATEGORY {
        let message = format!("Relationship category {category} is not one of a contact person");
        return Err(Error::business("R1/221", message).at("RelationshipCategory"));
    }
    let [company, person] =
        ["BusinessPartnerCompany", "BusinessPartnerPerson"].map(|name| record.text(kind, name).to_owned());
    let (company, person) = (company.as_str(), person.as_str());
    for (number, name, is_person) in
        [(company, "BusinessPartnerCompany", false), (person, "BusinessPartnerPerson", true)]
    {
        let partner = super::store::kind(SERVICE, "A_BusinessPartner");
        let Some(found) = work.store.tables[partner.id].get(number) else {
            return Err(Error::business("R1/201", format!("Business partner {number} does not exist")).at(name));
        };
        if (found.text(partner, "BusinessPartnerCategory") == PERSON) != is_person {
            let wanted = if is_person { "a person" } else { "an organization or a group" };
            return Err(Error::business("R1/222", format!("Business partner {number} is not {wanted}")).at(name));
        }
    }
    let (from, to) = ("ValidityStartDate", "ValidityEndDate");
    for (name, instant) in [(from, midnight(work.now)), (to, FOREVER)] {
        if kind.property(name).is_some_and(|place| *record.get(place) == Value::Null) {
            record.put(kind, name, Value::Date(instant));
        }
    }
    let date = |record: &Record, name: &str| kind.property(name).map(|place| record.get(place).clone());
    let day = |record: &Record, name: &str| match date(record, name) {
        Some(Value::Date(instant)) => instant,
        _ => 0,
    };
    let (begins, ends) = (day(record, from), day(record, to));
    let by = kind.property("BusinessPartnerPerson").unwrap_or_default();
    let meets = work.store.tables[kind.id].with(by, person).any(|other| {
        other.text(kind, "BusinessPartnerCompany") == company && day(other, from) <= ends && day(other, to) >= begins
    });
    if meets {
        let message = format!("Business partner {person} is a contact person of {company} already");
        return Err(Error::business("R1/104", message).at("BusinessPartnerPerson"));
    }
    record.put(kind, "RelationshipNumber", Value::text(work.store.next_relationship.to_string()));
    work.store.next_relationship += 1;
    Ok(())
}

/// Gives a new relationship its record for function and department, where none came with it.
///
/// # Errors
/// Never for what is in the catalog.
pub(crate) fn complete(work: &mut Transaction<'_>, key: &str) -> Result<(), Error> {
    let (contact, function) = (kind(SERVICE, CONTACT), kind(SERVICE, FUNCTION));
    let Some(relationship) = work.store.tables[contact.id].get(key).cloned() else { return Ok(()) };
    if work.store.tables[function.id].get(key).is_none() {
        let mut record = Record::default();
        for (name, place) in contact.keys.iter().map(|place| (contact.properties[*place].name, *place)) {
            record.put(function, name, relationship.get(place).clone());
        }
        prepare(work, function, &mut record)?;
        work.put_record(function.id, key, Some(record));
    }
    Ok(())
}

/// Function and department go with their relationship.
pub(crate) fn forget(work: &mut Transaction<'_>, key: &str) {
    let function = kind(SERVICE, FUNCTION);
    if work.store.tables[function.id].get(key).is_some() {
        work.put_record(function.id, key, None);
    }
}
