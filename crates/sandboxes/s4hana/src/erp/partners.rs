//! Business partners and customers: what the system fills in, and the view of a customer that sales works with.

use crate::odata::edm::EntityType;
use crate::odata::error::Error;
use crate::odata::time::midnight;
use crate::odata::value::Value;

use super::addresses;
use super::code::Code;
use super::record::{Record, prefix_of};
use super::store::{Customer, SalesArea, Store, kind};
use super::transaction::Transaction;

const SERVICE: &str = "API_BUSINESS_PARTNER";
/// The last second of 9999-12-31, the end of everything that has none.
pub(crate) const FOREVER: i64 = 253_402_300_799_000;
/// The industry systems that are set up.
const INDUSTRY_SYSTEMS: [&str; 2] = ["0001", "NACE"];
/// The industries that are set up, in each system.
const INDUSTRIES: [&str; 6] = ["BANK", "CHEM", "FOOD", "MACH", "RETL", "UTIL"];

/// A type of this service.
fn of(set: &str) -> &'static EntityType {
    kind(SERVICE, set)
}

/// The next number of the range that nobody has been given from outside.
pub(crate) fn next_number(store: &mut Store) -> String {
    loop {
        let number = store.next_partner.to_string();
        store.next_partner += 1;
        if store.tables[of("A_BusinessPartner").id].get(&number).is_none() {
            return number;
        }
    }
}

/// Fills in what a new record needs.
///
/// # Errors
/// When what has to be given is missing.
pub(crate) fn prepare(
    work: &mut Transaction<'_>,
    kind: &EntityType,
    record: &mut Record,
    alone: bool,
) -> Result<(), Error> {
    let user = work.store.company.user.clone();
    match kind.set {
        "A_BusinessPartner" => {
            let category = record.text(kind, "BusinessPartnerCategory").to_owned();
            let named = match category.as_str() {
                "1" => "LastName",
                "2" => "OrganizationBPName1",
                "3" => "GroupBusinessPartnerName1",
                _ => {
                    let message = format!("Enter a valid business partner category instead of '{category}'");
                    return Err(Error::business("R11/130", message).at("BusinessPartnerCategory"));
                }
            };
            if record.text(kind, named).is_empty() {
                return Err(Error::business("R1/172", format!("Enter a name ('{named}')")).at(named));
            }
            if record.text(kind, "BusinessPartner").is_empty() {
                record.put(kind, "BusinessPartner", Value::text(next_number(work.store)));
            }
            record.fill(kind, "BusinessPartnerGrouping", "BP02");
            record.put(kind, "BusinessPartnerUUID", Value::Guid(uuid::Uuid::now_v7().as_u128()));
            record.put(kind, "CreatedByUser", Value::text(user.as_str()));
            record.put(kind, "CreationDate", Value::Date(midnight(work.now)));
            let seconds = u32::try_from(work.now.rem_euclid(86_400_000) / 1000).unwrap_or(0);
            record.put(kind, "CreationTime", Value::Time(seconds));
        }
        "A_BusinessPartnerRole" => valid(kind, record, "ValidFrom", "ValidTo", work.now),
        "A_BuPaIndustry" => {
            for (name, known) in [("IndustrySystemType", &INDUSTRY_SYSTEMS[..]), ("IndustrySector", &INDUSTRIES[..])] {
                let said = record.text(kind, name);
                if !known.contains(&said) {
                    let message = format!("Enter a valid industry and industry system instead of '{said}'");
                    return Err(Error::business("R1/226", message).at(name));
                }
            }
        }
        "A_Customer" => {
            record.put(kind, "CreatedByUser", Value::text(user.as_str()));
            record.put(kind, "CreationDate", Value::Date(midnight(work.now)));
            record.fill(kind, "CustomerAccountGroup", "CUST");
        }
        "A_CustomerSalesArea" => {
            let area =
                ["SalesOrganization", "DistributionChannel", "Division"].map(|name| Code::new(record.text(kind, name)));
            if !work.store.company.areas.contains(&(area[0], area[1], area[2])) {
                let message = format!("Sales area {} {} {} is not defined", area[0], area[1], area[2]);
                return Err(Error::business("F2/305", message).at("SalesOrganization"));
            }
            record.fill(kind, "Currency", work.store.company.currency.as_str());
            record.fill(kind, "CustomerPaymentTerms", "0004");
        }
        "A_CustomerCompany" => {
            record.fill(kind, "ReconciliationAccount", "12100000");
            record.fill(kind, "PaymentTerms", "0004");
        }
        "A_AddressEmailAddress" | "A_AddressPhoneNumber" => {
            record.fill(kind, "OrdinalNumber", "1");
            if record.text(kind, "Person").is_empty() {
                record.put(kind, "Person", Value::text(""));
            }
        }
        _ => {}
    }
    // A record that comes alone must belong to a partner that there is.
    if alone && kind.set != "A_BusinessPartner" && super::store::CATALOG.services[kind.service].name == SERVICE {
        let owner = record.text(kind, "BusinessPartner").to_owned();
        if !owner.is_empty() && work.store.tables[of("A_BusinessPartner").id].get(&owner).is_none() {
            return Err(
                Error::business("R1/201", format!("Business partner {owner} does not exist")).at("BusinessPartner")
            );
        }
    }
    derive(work.now, &user, kind, record);
    Ok(())
}

/// From today on, and without an end.
pub(crate) fn valid(kind: &EntityType, record: &mut Record, from: &str, to: &str, now: i64) {
    for (name, instant) in [(from, midnight(now)), (to, FOREVER)] {
        if kind.property(name).is_some_and(|place| *record.get(place) == Value::Null) {
            record.put(kind, name, Value::Instant(instant));
        }
    }
}

/// Computes the names that follow from others, and notes the change.
pub(crate) fn derive(now: i64, user: &str, kind: &EntityType, record: &mut Record) {
    if kind.set != "A_BusinessPartner" {
        return;
    }
    let parts: &[&str] = match record.text(kind, "BusinessPartnerCategory") {
        "1" => &["FirstName", "LastName"],
        "3" => &["GroupBusinessPartnerName1", "GroupBusinessPartnerName2"],
        _ => &["OrganizationBPName1", "OrganizationBPName2"],
    };
    let names: Vec<&str> = parts.iter().map(|part| record.text(kind, part)).filter(|name| !name.is_empty()).collect();
    let name = names.join(" ");
    record.put(kind, "BusinessPartnerFullName", Value::text(name.as_str()));
    record.put(kind, "BusinessPartnerName", Value::text(name));
    record.put(kind, "LastChangeDate", Value::Date(midnight(now)));
    let seconds = u32::try_from(now.rem_euclid(86_400_000) / 1000).unwrap_or(0);
    record.put(kind, "LastChangeTime", Value::Time(seconds));
    record.put(kind, "LastChangedByUser", Value::text(user));
    record.put(kind, "ETag", Value::text(format!("{user}{now:014}")));
}

/// Makes a partner a customer when one of its roles says so. What the roles need and was not given is taken from the defaults
/// of the company: the first sales area, the company code.
///
/// # Errors
/// Never for what is in the catalog.
pub(crate) fn complete(work: &mut Transaction<'_>, number: &str) -> Result<(), Error> {
    let prefix = prefix_of([&Value::text(number)]);
    let has_role = |role: &str| {
        let key = format!("{prefix}{role}");
        work.store.tables[of("A_BusinessPartnerRole").id].get(&key).is_some()
    };
    let (finance, sales) = (has_role("FLCU00"), has_role("FLCU01"));
    let has = |set: &str| work.store.tables[of(set).id].starting(&prefix).next().is_some();
    let mut missing: Vec<(&'static EntityType, Record)> = Vec::new();
    let mut add = |set: &str, values: &[(&str, &str)]| {
        let kind = of(set);
        let mut record = Record::default();
        record.put(kind, "Customer", Value::text(number));
        for (name, value) in values {
            record.put(kind, name, Value::text(*value));
        }
        missing.push((kind, record));
    };
    let is_customer = finance || sales || has("A_Customer");
    if is_customer && !has("A_Customer") {
        add("A_Customer", &[]);
    }
    if sales
        && !has("A_CustomerSalesArea")
        && let Some((organization, channel, division)) = work.store.company.areas.first()
    {
        let area = [
            ("SalesOrganization", organization.as_str()),
            ("DistributionChannel", channel.as_str()),
            ("Division", division.as_str()),
        ];
        add("A_CustomerSalesArea", &area);
    }
    if finance && !has("A_CustomerCompany") {
        add("A_CustomerCompany", &[("CompanyCode", work.store.company.company_code.as_str())]);
    }
    for (kind, mut record) in missing {
        prepare(work, kind, &mut record, false)?;
        let key = record.key(kind);
        work.put_record(kind.id, &key, Some(record));
    }
    if is_customer {
        let kind = of("A_BusinessPartner");
        if let Some(mut record) = work.store.tables[kind.id].get(number).cloned() {
            record.put(kind, "Customer", Value::text(number));
            work.put_record(kind.id, number, Some(record));
        }
    }
    addresses::complete(work, number)
}

/// Makes the view of a customer anew. Limit, exposure and orders stay.
pub(crate) fn refresh(store: &mut Store, number: &str) {
    let prefix = prefix_of([&Value::text(number)]);
    let Some(general) = store.tables[of("A_Customer").id].get(number) else {
        // A record that was taken back leaves a customer without sales areas, to whom nothing can be sold.
        if let Some(place) = store.customer(number) {
            store.customers[place as usize].areas.clear();
        }
        return;
    };
    let blocked = !general.text(of("A_Customer"), "OrderIsBlockedForCustomer").is_empty();
    let partner = of("A_BusinessPartner");
    let name = store.tables[partner.id].get(number).map_or("", |record| record.text(partner, "BusinessPartnerName"));
    let country = addresses::standard(store, number).map(addresses::country);
    let area = of("A_CustomerSalesArea");
    let areas = store.tables[area.id].starting(&prefix).map(|record| {
        let code = |name: &str| Code::new(record.text(area, name));
        SalesArea {
            area: (code("SalesOrganization"), code("DistributionChannel"), code("Division")),
            currency: code("Currency"),
            terms: code("CustomerPaymentTerms"),
            incoterms: code("IncotermsClassification"),
        }
    });
    let (name, country, areas) = (name.into(), Code::new(country.unwrap_or("")), areas.collect());
    let waiting = store.tables[partner.id].get(number).and_then(|record| {
        let names = ["BusinessPartnerIDByExtSystem", "SearchTerm1", "SearchTerm2"];
        names.into_iter().find_map(|name| store.limits.get(record.text(partner, name)).copied())
    });
    let customers = &mut store.customers;
    let place = *store.customers_by_number.entry(number.into()).or_insert_with(|| {
        let limit = waiting.or_else(|| store.limits.get(number).copied());
        customers.push(Customer { number: number.into(), limit, ..Customer::default() });
        u32::try_from(customers.len() - 1).unwrap_or(u32::MAX)
    });
    let customer = &mut store.customers[place as usize];
    (customer.name, customer.country, customer.areas, customer.blocked) = (name, country, areas, blocked);
}

/// A customer by its number, its number in an external system, or its search term.
#[must_use]
pub(crate) fn find(store: &Store, text: &str) -> Option<u32> {
    if let Some(place) = store.customer(text) {
        return Some(place);
    }
    let kind = of("A_BusinessPartner");
    let upper = text.to_uppercase();
    for name in ["BusinessPartnerIDByExtSystem", "SearchTerm1", "SearchTerm2"] {
        let place = kind.property(name)?;
        if let Some(record) = store.tables[kind.id].with(place, &upper).next() {
            return store.customer(record.text(kind, "BusinessPartner"));
        }
    }
    None
}
